-- kontor rules stubs: files for editors and people, from the API's own description and from what
-- the server tells of itself. Called with {api, describe}; returns {NAME = TEXT}.

local TYPES = {
    text = "string", enum = "string", state = "string", int = "integer", ref = "integer",
    refs = "integer[]", decimal = "Decimal", money = "Decimal", quantity = "Decimal",
    bool = "boolean", date = "Date", instant = "Instant", tags = "string[]", json = "any",
    file = "any",
}
-- What may be written where such a value is kept.
local TAKES = { Decimal = "Decimal|integer|string", Date = "Date|string",
                Instant = "Instant|string" }
local OVERLOADS = {
    { "function kontor.get(", 'fun(entity: "%s", id: integer): %s' },
    { "function kontor.find(", 'fun(entity: "%s", field: string, value: any): %s?' },
    { "function kontor.search(",
      'fun(entity: "%s", where?: table[], options?: {order?: string, limit?: integer}): %s[]' },
    { "function kontor.create(", 'fun(entity: "%s", values: %s.values): integer' },
    { "function kontor.update(", 'fun(entity: "%s", id: integer, values: %s.values)' },
}

local function label_of(thing)
    local label = thing.label or {}
    if not label.zh or label.zh == label.en then
        return label.en or ""
    end
    return label.en .. " · " .. label.zh
end

-- For one line of Lua or of a table.
local function flat(text)
    return (text:gsub("%s+", " "):gsub("|", "\\|"))
end

local function type_of(field, class)
    if field.type == "lines" then
        return class .. "." .. field.name .. "[]"
    end
    return TYPES[field.type] or "any"
end

local function add_class(out, class, fields, has_version)
    out[#out + 1] = ("\n---@class %s"):format(class)
    out[#out + 1] = "---@field id integer"
    if has_version then
        out[#out + 1] = "---@field version integer"
        out[#out + 1] = "---@field archived boolean"
    end
    for _, field in ipairs(fields) do
        local kept = field.required or field.type == "lines"
        out[#out + 1] = ("---@field %s%s %s %s"):format(field.name, kept and "" or "?",
            type_of(field, class), label_of(field):gsub("%s+", " "))
    end
    out[#out + 1] = ("\n---@class %s.values"):format(class)
    for _, field in ipairs(fields) do
        local kind = type_of(field, class):gsub("%[%]$", function(list)
            return (field.type == "lines" and ".values" or "") .. list
        end)
        if not field.readonly or field.custom then
            out[#out + 1] = ("---@field %s? %s"):format(field.name, TAKES[kind] or kind)
        end
    end
    for _, field in ipairs(fields) do
        if field.type == "lines" then
            add_class(out, class .. "." .. field.name, field.lines or {}, false)
        end
    end
end

local function stub(api, describe)
    local out = {}
    for line in (api:gsub("\n%-%- What there is of Lua's own library.*", "\n")):gmatch("(.-)\n") do
        for _, overload in ipairs(OVERLOADS) do
            if line:sub(1, #overload[1]) == overload[1] then
                for _, entity in ipairs(describe.entities) do
                    out[#out + 1] = "---@overload " .. overload[2]:format(entity.name, entity.name)
                end
            end
        end
        out[#out + 1] = line
    end
    for _, entity in ipairs(describe.entities) do
        add_class(out, entity.name, entity.fields, true)
    end
    return table.concat(out, "\n") .. "\n"
end

-- The functions of the API: {name, arguments, en, zh}, in their order.
local function functions_of(api)
    local found, texts = {}, {}
    for line in api:gmatch("(.-)\n") do
        local text = line:match("^%-%-%-([^@].*)")
        local name, arguments = line:match("^function ([%w_.:]+)%((.-)%) end")
        if not name then
            name = line:match("^([%w_]+%.[%w_]+) = nil$")
        end
        if text then
            texts[#texts + 1] = text
        elseif name then
            found[#found + 1] = { name = name, arguments = arguments, en = texts[1] or "",
                                  zh = texts[2] or "" }
        end
        if not text and not line:match("^%-%-%-@") then
            texts = {}
        end
    end
    return found
end

local function add_functions(out, api)
    out[#out + 1] = "## Functions · 函数\n\n| | |\n|---|---|"
    for _, one in ipairs(functions_of(api)) do
        local call = one.name
        if call:match("^%l+$") and call ~= "test" then
            call = call .. "{...}"
        elseif one.arguments then
            call = call .. "(" .. one.arguments .. ")"
        end
        out[#out + 1] = ("| `%s` | %s<br>%s |"):format(call, flat(one.en), flat(one.zh))
    end
end

local DECLARED = { Rule = "rule{}", Handler = "handler{}", Method = "method{}",
                   Schedule = "schedule{}", Field = "field{}, fields, lines", Entity = "entity{}",
                   State = "entity{}: states", Transition = "entity{}: transitions",
                   Index = "entity{}: indexes", Total = "total{}" }

-- What each declaration takes, and the members of what rules are given.
local function add_classes(out, api)
    out[#out + 1] = "\n## What each takes or has · 各项内容"
    for class, body in api:gmatch("%-%-%-@class (%u%l+)\n(.-)\n\n") do
        local rows = {}
        for name, optional, kind in body:gmatch("%-%-%-@field ([%w_]+)(%??) ([^\n]+)") do
            rows[#rows + 1] = ("| `%s` | %s | %s |"):format(name, flat(kind),
                DECLARED[class] and optional == "" and "required · 必填" or "")
        end
        if #rows > 0 then
            out[#out + 1] = ("\n### %s\n\n| | | |\n|---|---|---|"):format(DECLARED[class] or class)
            table.move(rows, 1, #rows, #out + 1, out)
        end
    end
end

local function add_library(out, library)
    out[#out + 1] = "\n## Of Lua's own library · Lua 标准库\n"
    out[#out + 1] = "`" .. table.concat(library.base, "`, `") .. "`"
    for _, name in ipairs{ "string", "table", "math", "utf8" } do
        out[#out + 1] = ("\n`%s`: %s"):format(name, table.concat(library[name], ", "))
    end
end

local function notes_of(field)
    local notes = {}
    for _, word in ipairs{ "required", "unique", "readonly", "immutable", "sensitive", "custom" } do
        if field[word] then
            notes[#notes + 1] = word
        end
    end
    if field.to then
        notes[#notes + 1] = "-> `" .. field.to .. "`"
    end
    for _, choice in ipairs(field.choices or {}) do
        notes[#notes + 1] = "`" .. (type(choice) == "table" and choice.name or choice) .. "`"
    end
    return table.concat(notes, ", ")
end

local function add_fields(out, fields, before)
    for _, field in ipairs(fields) do
        out[#out + 1] = ("| `%s%s` | %s | %s | %s |"):format(before, field.name, field.type,
            flat(label_of(field)), notes_of(field))
        add_fields(out, field.lines or {}, before .. field.name .. ".")
    end
end

local function names_of(list, key, before)
    local names, seen = {}, {}
    for _, one in ipairs(list or {}) do
        if one[key] and not seen[one[key]] then
            seen[one[key]] = true
            names[#names + 1] = "`" .. before .. one[key] .. "`"
        end
    end
    return table.concat(names, ", ")
end

local function add_entity(out, entity)
    out[#out + 1] = ("\n### %s: %s\n"):format(entity.name, flat(label_of(entity)))
    if entity.help then
        out[#out + 1] = flat(entity.help.en) .. "<br>" .. flat(entity.help.zh or "") .. "\n"
    end
    out[#out + 1] = "| field · 字段 | type · 类型 | | |\n|---|---|---|---|"
    add_fields(out, entity.fields, "")
    local verbs = names_of(entity.transitions, "verb", "")
    out[#out + 1] = "\nMoments · 时机: `before_`, `after_` + `create`, `update`, `save`, `delete`, "
        .. "`archive`, `restore`" .. (verbs == "" and "" or ", " .. verbs)
    out[#out + 1] = "\nTopics · 主题: `" .. entity.name .. ".created`, `.updated`, `.deleted`"
        .. (verbs == "" and "" or ", " .. names_of(entity.transitions, "event", "."))
end

local function add_named(out, title, list)
    out[#out + 1] = ("\n## %s\n\n| | |\n|---|---|"):format(title)
    for _, one in ipairs(list or {}) do
        out[#out + 1] = ("| `%s` | %s |"):format(one.name, flat(label_of(one)))
    end
end

local function reference(api, library, describe)
    local out = { "# Reference of this server's rules · 规则参考\n\n"
        .. "Made by `kontor rules stubs`. 由 `kontor rules stubs` 生成。\n" }
    add_functions(out, api)
    add_classes(out, api)
    add_library(out, library)
    out[#out + 1] = "\n## Entities · 实体"
    for _, entity in ipairs(describe.entities) do
        add_entity(out, entity)
    end
    add_named(out, "Totals · 累计合计", describe.totals)
    add_named(out, "Methods · 方法", describe.methods)
    add_named(out, "More topics · 其他主题", describe.topics)
    add_named(out, "Roles · 角色", describe.roles)
    return table.concat(out, "\n") .. "\n"
end

local LUARC = [[
{
    "runtime.version": "Lua 5.4",
    "runtime.builtin": {
        "coroutine": "disable", "debug": "disable", "ffi": "disable", "io": "disable",
        "jit": "disable", "os": "disable", "package": "disable"
    },
    "workspace.library": ["kontor.lua"]
}
]]

return function(given)
    local library = assert(load(given.api, "=api.d.lua", "t", {}))()
    return {
        ["kontor.lua"] = stub(given.api, given.describe),
        ["reference.md"] = reference(given.api, library, given.describe),
        [".luarc.json"] = LUARC,
    }
end
