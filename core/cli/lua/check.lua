-- kontor rules check: reads rule files without running them. Called with {api, describe, files};
-- returns a list of {file, line, column, code, level, message}, or nothing without luacheck, whose
-- parser and conventions this stands on.

local parser_found, parser = pcall(require, "luacheck.parser")
local decoder_found, decoder = pcall(require, "luacheck.decoder")
local luacheck_found, luacheck = pcall(require, "luacheck")

-- What every record has.
local OWN = { id = true, version = true, archived = true }

-- The present file's findings are added by this.
local report

--- Model: what entities there are, and what the files themselves declare ---

local function fields_of(list)
    local fields = {}
    for _, field in ipairs(list or {}) do
        fields[field.name] = {
            readonly = (field.readonly or field.type == "state") and not field.custom,
            lines = field.type == "lines" and fields_of(field.lines) or nil,
        }
    end
    return fields
end

local function named(list)
    local found = {}
    for _, one in ipairs(list or {}) do
        found[one.name] = true
    end
    return found
end

local function model_of(describe)
    local model = { entities = {}, totals = named(describe.totals), roles = named(describe.roles),
                    methods = named(describe.methods) }
    for _, entity in ipairs(describe.entities) do
        model.entities[entity.name] = { fields = fields_of(entity.fields) }
    end
    return model
end

local function text_of(node)
    return node and node.tag == "String" and node[1] or nil
end

-- The value of a key of a table constructor, or nil.
local function member(node, key)
    for _, pair in ipairs(node or {}) do
        if pair.tag == "Pair" and text_of(pair[1]) == key then
            return pair[2]
        end
    end
end

local function called(node)
    return node.tag == "Call" and node[1].tag == "Id" and node[1][1] or nil
end

local function declared_fields(node)
    if not node or node.tag ~= "Table" then
        return nil
    end
    local fields = {}
    for _, one in ipairs(node) do
        local name = one.tag == "Table" and text_of(member(one, "name"))
        if not name then
            return nil
        end
        fields[name] = { lines = declared_fields(member(one, "lines")) }
    end
    return fields
end

-- Each transition is a method.
local function declare_transitions(model, entity, node)
    for _, one in ipairs(node or {}) do
        local verb = one.tag == "Table" and text_of(member(one, "verb"))
        if verb then
            model.methods[entity .. "." .. verb] = true
        end
    end
end

-- Declarations may be anywhere: the order of files does not count.
local function declare(model, node)
    local what, shape = called(node), node[2]
    local name = shape and shape.tag == "Table" and text_of(member(shape, "name"))
    if name and what == "entity" then
        local fields = declared_fields(member(shape, "fields"))
        if fields and member(shape, "states") then
            fields.state = { readonly = true }
        end
        model.entities[name] = { fields = fields } -- Without fields: they are not known.
        declare_transitions(model, name, member(shape, "transitions"))
    elseif name and what == "field" then
        local entity = model.entities[text_of(member(shape, "entity"))]
        local lines = text_of(member(shape, "lines"))
        local fields = entity and entity.fields
        if fields and lines then
            fields = fields[lines] and fields[lines].lines
        end
        if fields then
            fields[name] = {}
        end
    elseif name and (what == "total" or what == "role" or what == "method") then
        model[what .. "s"][name] = true
    end
end

local function each_node(node, visit)
    if node.tag then
        visit(node)
    end
    for _, child in ipairs(node) do
        if type(child) == "table" then
            each_node(child, visit)
        end
    end
end

--- Names that are most likely meant ---

local function distance(one, other)
    local row = {}
    for j = 0, #other do row[j] = j end
    for i = 1, #one do
        local corner = row[0]
        row[0] = i
        for j = 1, #other do
            local same = one:byte(i) == other:byte(j)
            local best = math.min(corner + (same and 0 or 1), row[j] + 1, row[j - 1] + 1)
            corner, row[j] = row[j], best
        end
    end
    return row[#other]
end

local function guess(wanted, names)
    local best, nearest = nil, 4
    for name in pairs(names) do
        local far = distance(wanted, name)
        if far < nearest or (far == nearest and best and name < best) then
            best, nearest = name, far
        end
    end
    return best and #best > nearest * 2 and (" (did you mean '%s'?)"):format(best) or ""
end

--- Walking through a file with what is known of its variables ---

local Walk = {}
Walk.__index = Walk

function Walk:lookup(name)
    for i = #self.scopes, 1, -1 do
        local found = self.scopes[i][name]
        if found ~= nil then
            return found
        end
    end
end

function Walk:bind(node, kind)
    if node.tag == "Id" then
        self.scopes[#self.scopes][node[1]] = kind or false
    end
end

function Walk:entity(node)
    local name = text_of(node)
    if not name then
        return nil
    end
    local entity = self.model.entities[name]
    if not entity then
        report(node, "K01", ("there is no entity '%s'%s"):format(name,
            guess(name, self.model.entities)))
        return nil
    end
    return { name = name, fields = entity.fields }
end

-- "get" of kontor.get(...), unless a local hides the table.
function Walk:function_of(node, of)
    local index = node[1]
    if node.tag == "Call" and index.tag == "Index" and index[1].tag == "Id" and index[1][1] == of
        and self:lookup(of) == nil then
        return text_of(index[2])
    end
end

local function record(entity, why_fixed)
    return entity and entity.fields and
        { kind = "record", name = entity.name, fields = entity.fields, fixed = why_fixed }
end

local READ = "a record that was read cannot be changed: use kontor.update"

-- What an expression is, as far as one can tell: a record, a list of records, a step, an event.
function Walk:kind(node)
    if node.tag == "Id" then
        return self:lookup(node[1]) or nil
    elseif node.tag == "Paren" then
        return self:kind(node[1])
    elseif node.tag == "Call" then
        local name, entity = self:function_of(node, "kontor"), self.model.entities[text_of(node[2])]
        entity = entity and { name = text_of(node[2]), fields = entity.fields }
        if name == "get" or name == "find" then
            return record(entity, READ)
        elseif name == "search" and entity then
            return { kind = "list", of = record(entity, READ) }
        end
    elseif node.tag == "Index" then
        local kind, key = self:kind(node[1]), text_of(node[2])
        if not kind then
            return nil
        elseif kind.kind == "record" and key then
            local field = kind.fields[key]
            return field and field.lines and { kind = "list", of = { kind = "record",
                name = kind.name .. "." .. key, fields = field.lines, fixed = kind.fixed } } or nil
        elseif kind.kind == "list" and not key then
            return kind.of
        elseif kind.kind == "step" then
            return kind[key]
        end
    end
end

function Walk:check_member(kind, key, node)
    if kind and kind.kind == "record" and key and not kind.fields[key] and not OWN[key] then
        report(node, "K02", ("%s has no field '%s'%s"):format(kind.name, key,
            guess(key, kind.fields)))
    end
end

function Walk:check_values(entity, fields, node, by_client)
    for _, pair in ipairs(node and node.tag == "Table" and fields and node or {}) do
        local key = pair.tag == "Pair" and text_of(pair[1])
        local field = key and fields[key]
        if key and not field and not OWN[key] then
            report(pair[1], "K02", ("%s has no field '%s'%s"):format(entity, key,
                guess(key, fields)))
        elseif field and field.readonly and by_client then
            report(pair[1], "K03", ("%s of %s is read-only"):format(key, entity))
        elseif field and field.lines and pair[2].tag == "Table" then
            for _, line in ipairs(pair[2]) do
                self:check_values(entity .. "." .. key, field.lines, line, by_client)
            end
        end
    end
end

function Walk:check_where(entity, node)
    for _, condition in ipairs(node and node.tag == "Table" and entity.fields and node or {}) do
        local name = condition.tag == "Table" and text_of(condition[1])
        local first = name and name:match("^[%w_]+")
        if first and not entity.fields[first] and not OWN[first] then
            report(condition[1], "K02", ("%s has no field '%s'%s"):format(entity.name, first,
                guess(first, entity.fields)))
        end
    end
end

local TAKES_ENTITY = { get = true, find = true, search = true, count = true, create = true,
                       update = true, delete = true }

-- Functions whose first argument names something: the part of the model, a code.
local NAMES = { total = { "totals", "K04", "total" }, has_role = { "roles", "K05", "role" },
                call = { "methods", "K06", "method" } }

function Walk:check_name(what, node)
    local name, there = text_of(node), self.model[what[1]]
    if name and not there[name] then
        report(node, what[2], ("there is no %s '%s'%s"):format(what[3], name, guess(name, there)))
    end
end

function Walk:check_kontor(node)
    local name, first = self:function_of(node, "kontor"), node[2]
    local by_test = not name and (self:function_of(node, "when") or self:function_of(node, "given"))
    if first and NAMES[name or by_test] then
        self:check_name(NAMES[name or by_test], first)
    end
    name = name or (by_test ~= "call" and by_test ~= "record" and by_test)
        or (by_test == "record" and "create") or nil
    if not name or not first or not TAKES_ENTITY[name] then
        return
    end
    local entity = self:entity(first)
    if not entity then
        return
    elseif name == "find" then
        self:check_member(record(entity), text_of(node[3]), node[3])
    elseif name == "search" or name == "count" then
        self:check_where(entity, node[3])
    elseif name == "create" then
        self:check_values(entity.name, entity.fields, node[3], not by_test)
    elseif name == "update" then
        self:check_values(entity.name, entity.fields, node[4], not by_test)
    end
end

function Walk:call_body(node, ...)
    local kinds = { ... }
    self.scopes[#self.scopes + 1] = {}
    for i, parameter in ipairs(node[1]) do
        self:bind(parameter, kinds[i])
    end
    self:block(node[2])
    self.scopes[#self.scopes] = nil
end

-- The one entity that the texts of `on` name, and whether all of them are before the change.
function Walk:entity_of_on(on, pattern)
    local entity, before = nil, true
    for _, text in ipairs(on and on.tag == "Table" and on or { on }) do
        local name, rest = (text_of(text) or ""):match(pattern)
        if not name or not self.model.entities[name] or (entity and entity.name ~= name) then
            return nil
        end
        entity = { name = name, fields = self.model.entities[name].fields }
        before = before and rest:match("^before") ~= nil and rest ~= "before_delete"
    end
    return entity, before
end

-- rule{}, handler{} and field{}: what their functions are given is known.
function Walk:declaration(node)
    local what, shape = called(node), node[2]
    if not shape or shape.tag ~= "Table" or self:lookup(what) ~= nil then
        return false
    end
    local known = {}
    if what == "rule" then
        local entity, before = self:entity_of_on(member(shape, "on"), "^(.*)%.(%l+_[%w_]+)$")
        local old = record(entity, "step.old shows what was: it cannot be changed")
        known.check = { record(entity, not before and
            "a rule that runs after the change cannot edit the record: use a before rule" or nil),
            { kind = "step", old = old or nil } }
    elseif what == "handler" then
        local entity = self:entity_of_on(member(shape, "on"), "^(.*)%.([%w_]+)$")
        local found = record(entity, READ) or nil
        known.run = { { kind = "step", record = found, old = found } }
    elseif what == "field" and not member(shape, "lines") then
        local entity = self.model.entities[text_of(member(shape, "entity"))]
        local found = entity and record({ name = text_of(member(shape, "entity")),
            fields = entity.fields }, "default and compute answer a value: they change nothing")
        known.default, known.compute = { found or nil }, { found or nil }
    else
        return false
    end
    for _, pair in ipairs(shape) do
        local kinds = pair.tag == "Pair" and known[text_of(pair[1])]
        if kinds and pair[2].tag == "Function" then
            self:call_body(pair[2], table.unpack(kinds, 1, 2))
        else
            self:visit(pair)
        end
    end
    return true
end

function Walk:assign(target)
    if target.tag ~= "Index" then
        return
    end
    local kind, key = self:kind(target[1]), text_of(target[2])
    self:visit(target[1])
    self:check_member(kind, key, target[2])
    if not kind or kind.kind ~= "record" or not key then
        return
    end
    local field = kind.fields[key]
    if kind.fixed then
        report(target[2], "K03", kind.fixed)
    elseif OWN[key] or (field and field.readonly) then
        report(target[2], "K03", ("%s of %s is read-only"):format(key, kind.name))
    elseif field and field.lines then
        report(target[2], "K03", "lines cannot be assigned: set fields of a line")
    end
end

-- ipairs(order.lines) gives lines.
function Walk:loop(node)
    local names, values, body = node[1], node[2], node[3]
    local each = values[1]
    local over = called(each)
    local list = (over == "ipairs" or over == "pairs") and each[2] and self:kind(each[2])
    self:visit(values)
    self.scopes[#self.scopes + 1] = {}
    for i, name in ipairs(names) do
        self:bind(name, i == 2 and list and list.kind == "list" and list.of or nil)
    end
    self:block(body)
    self.scopes[#self.scopes] = nil
end

local VISIT = {}

function VISIT:Local(node)
    self:visit(node[2] or {})
    local kinds = {}
    for i in ipairs(node[1]) do
        kinds[i] = node[2] and node[2][i] and self:kind(node[2][i])
    end
    for i, name in ipairs(node[1]) do
        self:bind(name, kinds[i])
    end
end

function VISIT:Localrec(node)
    self:bind(node[1][1] or node[1])
    self:visit(node[2])
end

function VISIT:Set(node)
    self:visit(node[2])
    for _, target in ipairs(node[1]) do
        self:assign(target)
        -- What is assigned again could be anything.
        if target.tag == "Id" then
            for i = #self.scopes, 1, -1 do
                if self.scopes[i][target[1]] ~= nil then
                    self.scopes[i][target[1]] = false
                    break
                end
            end
        end
    end
end

function VISIT:Function(node)
    self:call_body(node)
end

function VISIT:Forin(node)
    self:loop(node)
end

function VISIT:Fornum(node)
    for i = 2, #node - 1 do
        self:visit(node[i])
    end
    self.scopes[#self.scopes + 1] = {}
    self:bind(node[1])
    self:block(node[#node])
    self.scopes[#self.scopes] = nil
end

function VISIT:Call(node)
    if called(node) and self:declaration(node) then
        return
    end
    self:check_kontor(node)
    self:children(node)
end

function VISIT:Index(node)
    local key = text_of(node[2])
    self:check_member(self:kind(node[1]), key, node[2])
    self:visit(node[1])
    if not key then
        self:visit(node[2])
    end
end

function Walk:children(node)
    for _, child in ipairs(node) do
        if type(child) == "table" then
            self:visit(child)
        end
    end
end

-- A list of statements is a scope of its own; lists of expressions do no harm as one.
function Walk:block(statements)
    self.scopes[#self.scopes + 1] = {}
    self:children(statements)
    self.scopes[#self.scopes] = nil
end

function Walk:visit(node)
    local special = VISIT[node.tag]
    if special then
        special(self, node)
    elseif node.tag == nil or node.tag == "Do" then
        self:block(node)
    else
        self:children(node)
    end
end

--- Luacheck's own conventions ---

local function options_of(given)
    local env = setmetatable({}, { __index = _G })
    local library = assert(load(given.api, "=api.d.lua", "t", env))()
    local globals = {}
    for name, value in pairs(env) do
        local fields
        if type(value) == "table" then
            fields = {}
            for key in pairs(value) do
                fields[key] = {}
            end
        end
        globals[name] = { fields = fields }
    end
    globals.kontor.fields.none = {}
    for _, name in ipairs(library.base) do
        globals[name] = {}
    end
    for name, members in pairs(library) do
        if name ~= "base" then
            local fields = {}
            for _, key in ipairs(members) do
                fields[key] = {}
            end
            globals[name] = { fields = fields }
        end
    end
    -- A file may have globals of its own, which it sets at its top.
    return { std = { read_globals = globals }, allow_defined_top = true, unused_args = false,
             max_line_length = 120 }
end

local function check_conventions(given, name, text, add)
    local events = luacheck.check_strings({ text }, options_of(given))[1]
    for _, event in ipairs(events) do
        -- Syntax, and what is not there; the rest is taste.
        local wrong = event.code:match("^0") or event.code:match("^1[14]")
        add{ file = name, line = event.line, column = event.column, code = event.code,
             level = wrong and "error" or "warning", message = luacheck.get_message(event) }
    end
end

return function(given)
    if not (parser_found and decoder_found and luacheck_found) then
        return nil
    end
    local findings, trees, names = {}, {}, {}
    local model = model_of(given.describe)
    local function add(finding)
        findings[#findings + 1] = finding
    end
    for name, text in pairs(given.files) do
        names[#names + 1] = name
        check_conventions(given, name, text, add)
        local parsed, tree = pcall(parser.parse, decoder.decode(text))
        trees[name] = parsed and tree or nil
    end
    table.sort(names)
    for _, what in ipairs{ "entity", "field", "total", "role", "method" } do
        for _, name in ipairs(names) do
            each_node(trees[name] or {}, function(node)
                if called(node) == what then
                    declare(model, node)
                end
            end)
        end
    end
    for _, name in ipairs(names) do
        -- Counted in characters, as the parser's places are.
        local starts, characters = { 1 }, 1
        for line in given.files[name]:gmatch("[^\n]*\n") do
            characters = characters + (utf8.len(line) or #line)
            starts[#starts + 1] = characters
        end
        report = function(node, code, message)
            add{ file = name, line = node.line, column = node.offset - starts[node.line] + 1,
                 code = code, level = "error", message = message }
        end
        setmetatable({ model = model, scopes = { {} } }, Walk):block(trees[name] or {})
    end
    table.sort(findings, function(one, other)
        if one.file ~= other.file then return one.file < other.file end
        if one.line ~= other.line then return one.line < other.line end
        if one.column ~= other.column then return one.column < other.column end
        return one.code < other.code
    end)
    return findings
end
