--- denied | denies: not this one
kontor.deny("not this one")

--- denied_in_pcall | denies: for good
while true do pcall(kontor.deny, "for good") end

--- denied_in_a_handler | denies: in the handler
xpcall(error, function() kontor.deny("in the handler") end)

--- denied_by_a_comparator | denies: while sorting
table.sort({ 2, 1 }, function() kontor.deny("while sorting") end)

--- denied_by_a_metamethod | denies: while reading
return setmetatable({}, { __index = function() kontor.deny("while reading") end }).x

--- denied_twice | denies: first
pcall(kontor.deny, "first")
kontor.deny("second")

--- denied_with_forged_options | fails: kontor.deny has no option
kontor.deny("x", { rule = "other.rule" })

--- denied_with_deep_details | fails: nested
local details = {}
for _ = 1, 100 do details = { x = details } end
kontor.deny("x", { details = details })

--- denied_with_details_of_itself | fails: nested
local details = {}
details.self = details
kontor.deny("x", { details = details })

--- denied_with_a_text_without_end | denies: xxxx
kontor.deny(("x"):rep(500000))

--- failed_call_cannot_be_caught | refuses: not_found
pcall(kontor.get, "custom.attempt", 999999999)
error("went on")

--- log_flood | fails: used up their
while true do kontor.log("flood") end

--- log_flood_of_long_lines | fails: used up their
local text = ("x"):rep(400000)
while true do kontor.log(text) end

--- log_flood_caught | fails: used up their
while true do pcall(print, "flood") end

--- log_forges_lines | harmless
kontor.log("one\n2026-01-01 00:00:00 ERROR forged\27[31m\0")

--- create_storm | refuses: too_large, rule_failed
while true do kontor.create("custom.plain", { name = "storm" }) end

--- create_storm_caught | refuses: too_large, rule_failed
while true do pcall(kontor.create, "custom.plain", { name = "storm" }) end

--- create_causes_create | refuses: too_large
kontor.create("custom.attempt", { name = "engine.create_causes_create" })

--- create_with_deep_values | fails: nested
local values = {}
for _ = 1, 100 do values = { values } end
kontor.create("custom.note", { name = "deep", data = values })

--- create_with_values_of_itself | fails: nested
local values = {}
values.data = values
kontor.create("custom.note", values)

--- create_with_many_values | harmless
local list = {}
for i = 1, 200000 do list[i] = i end
kontor.create("custom.note", { name = "many", data = list })

--- create_with_a_function | fails: cannot be a function
kontor.create("custom.note", { name = print })

--- create_with_a_float | refuses: invalid
kontor.create("custom.note", { name = "float", amount = 0.1 })

--- create_with_nan | refuses: invalid
kontor.create("custom.note", { name = "nan", amount = 0 / 0 })

--- create_with_unknown_fields | refuses: invalid
kontor.create("custom.note", { name = "x", ["__index"] = 1 })

--- create_with_number_keys | fails: values are a table of fields
kontor.create("custom.note", { "x" })

--- create_with_a_long_key | refuses: invalid
kontor.create("custom.note", { [("k"):rep(100000)] = 1 })

--- create_of_nothing | refuses: not_found, invalid
kontor.create("custom.nothing", {})

--- create_with_invalid_text | refuses: invalid
kontor.create("custom.note", { name = "\xff\xfe" })

--- search_storm | refuses: too_large, rule_failed
while true do kontor.search("custom.note") end

--- search_storm_caught | refuses: too_large, rule_failed
while true do pcall(kontor.search, "custom.note", { { "name", "like", "%a%b%c%" } }) end

--- search_with_odd_conditions | fails: a condition is
kontor.search("custom.note", { { {}, {}, {} } })

--- search_with_many_conditions | fails: too many conditions
local where = {}
for i = 1, 1000 do where[i] = { "name", "=", "x" } end
kontor.search("custom.note", where)

--- search_with_a_claimed_length | harmless
local where = setmetatable({}, { __len = function() return 1 << 40 end,
                                 __index = function() return { "name", "=", "x" } end })
assert(#kontor.search("custom.note", where) >= 0)

--- search_with_a_bad_limit | fails: search options are
kontor.search("custom.note", {}, { limit = math.maxinteger })

--- get_with_a_float | fails: number has no integer representation
kontor.get("custom.note", 1.5)

--- get_with_a_negative_id | fails: an id is above 0
kontor.get("custom.note", -1)

--- get_of_an_entity_with_a_zero | refuses: not_found, invalid
kontor.get("custom.note\0x", 1)

--- find_with_a_huge_value | harmless
assert(kontor.find("custom.attempt", "code", ("x"):rep(500000)) == nil)

--- total_of_nothing | refuses: not_found, invalid
kontor.total("custom.nothing")

--- total_with_odd_values | fails: cannot be a function
kontor.total("custom.amounts", {}, print)

--- total_with_many_values | fails: too many group values
kontor.total("custom.amounts", table.unpack({}, 1, 100))

--- update_of_itself | refuses: not_found, rule_failed
kontor.update("custom.attempt", 1000000, { name = "other" })

--- readonly_field | fails: is the server's own
record.id = 7

--- unknown_field | fails: has no field
record.nonsense = 7

--- field_of_a_wrong_type | fails: must be text
record.name = {}

--- field_read_by_a_table | fails: is read by field names
return record[{}]

--- lines_assigned | fails: cannot be changed
step.old = record

--- values_too_large_for_a_field | refuses: invalid, too_large
record.note = ("x"):rep(200000)

--- request_memory | refuses: too_large, rule_failed
local text = ("x"):rep(60000)
while true do pcall(function() record.data = { text, text, #text } end) end

--- fields_assigned_for_ever | fails: used up their
while true do record.note = nil end

--- pairs_of_a_record_for_ever | fails: used up their
while true do for _ in pairs(record) do end end

--- decimal_of_many_digits | fails: decimal
return kontor.decimal(("9"):rep(100000))

--- decimal_product_grows | fails: digits
local value = kontor.decimal("9999999999.99")
while true do value = value * value end

--- decimal_division_by_zero | fails: zero
return kontor.decimal(1) / kontor.decimal(0)

--- decimal_division_for_ever | fails: used up their
local value = kontor.decimal("1.000000000001")
while true do local _ = value / 3 end

--- decimal_rounded_far | fails: digits
return kontor.decimal(1):round(1 << 40)

--- decimal_of_a_float | fails: float
return kontor.decimal(0.1)

--- decimal_of_an_object | fails: decimal
return kontor.decimal(setmetatable({}, { __tostring = function() return "1" end }))

--- rule_declared_inside | fails: stands at the top of a rule file
rule{ on = "custom.attempt.before_create", name = "late", check = function() end }

--- entity_declared_inside | fails: stand
entity{ name = "custom.late", label = "Late", fields = {} }

--- has_role_for_ever | fails: used up their
while true do pcall(kontor.has_role, "x") end

--- setting_of_a_huge_name | refuses: invalid, not_found, too_large, rule_failed
for i = 1, 100000 do kontor.setting(("x"):rep(50000) .. i) end

--- call_of_its_own_rules | refuses: invalid
kontor.call("rules.push", { files = { ["x.lua"] = "" } })

--- call_of_a_login | refuses: invalid
kontor.call("auth.login", { user = "admin", password = "x" })

--- call_that_adds_a_user | refuses: invalid
kontor.call("system.user.add", { name = "mallory", full_name = "M", roles = {}, password = "x" })

--- call_of_a_module_method | refuses: invalid
kontor.call("module.disable", { name = "parties" })

--- call_of_nothing | refuses: not_found, invalid
kontor.call("no.such.method", {})

--- call_storm | refuses: too_large, rule_failed
local params = { entity = "custom.plain", values = { name = "x" } }
while true do pcall(kontor.call, "record.create", params) end

--- call_with_params_of_itself | fails: nested
local params = {}
params.params = params
kontor.call("record.create", params)

--- emit_storm | refuses: too_large, rule_failed, invalid
while true do kontor.emit("custom.alarm", {}) end

--- emit_of_anothers_topic | refuses: invalid, rule_failed
kontor.emit("custom.attempt.created", { id = 1 })

--- date_far_away | fails: date
return kontor.date("2026-11-24") + (1 << 60)

--- date_months_without_end | fails: used up their
local day = kontor.date("2026-11-24")
while true do day:add_months(1) end

--- instant_far_away | fails: instant
return kontor.now() + (1 << 62)

--- random_of_no_range | fails: random
return kontor.random(5, 1)

--- random_of_everything | harmless
for _ = 1, 1000 do
    local drawn = kontor.random(math.mininteger, math.maxinteger)
    assert(math.type(drawn) == "integer")
end

--- text_in_two_languages_wants_more | fails: wants more values than are given
local text = ("x"):rep(500000)
return kontor.t(("%s"):rep(100), text, text, text)

--- delete_of_itself | refuses: not_found, rule_failed
kontor.delete("custom.attempt", 1 << 40)

--- count_storm | refuses: too_large, rule_failed
while true do pcall(kontor.count, "custom.plain", {}) end
