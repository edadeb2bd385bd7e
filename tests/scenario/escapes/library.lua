--- string_metatable_is_shut | fails: attempt to index a nil value
getmetatable("").__index = function() return print end

--- string_metatable_set | fails: table expected
setmetatable("", { __index = function() while true do end end })

--- string_metatable_by_a_method | fails: attempt to index a nil value
getmetatable(("x"):rep(2)).__add = print

--- library_table_assigned | fails: string cannot be changed
string.rep = function() return "mine" end

--- library_table_given_a_metatable | fails: this table's metatable cannot be changed
setmetatable(string, { __index = _ENV })

--- kontor_assigned | fails: kontor cannot be changed
kontor.deny = function() end

--- kontor_extended | fails: kontor cannot be changed
kontor.io = true

--- kontor_by_table_insert | fails: table functions take plain tables
table.insert(kontor, print)

--- kontor_by_table_move | fails: table functions take plain tables
table.move({ print }, 1, 1, 1, kontor)

--- kontor_sorted | fails: table functions take plain tables
table.sort(kontor, function() return true end)

--- next_walks_the_library | harmless
-- The shell before the library is empty; there is nothing to walk through.
assert(next(kontor) == nil and next(string) == nil and next(table) == nil)
for key in pairs(kontor) do error("found " .. key) end

--- metatable_of_the_library | fails: attempt to index a boolean value
getmetatable(kontor).__newindex = nil

--- metatable_of_the_environment | fails: attempt to index a boolean value
getmetatable(_ENV).__newindex = nil

--- environment_given_a_metatable | fails: this table's metatable cannot be changed
setmetatable(_ENV, { __index = function() return print end })

--- global_left_behind | fails: is assigned inside a check
left_behind = record

--- global_left_behind_by_index | fails: is assigned inside a check
_ENV["kontor"] = { deny = function() end }

--- record_given_a_metatable | fails: table expected
setmetatable(record, { __index = function() return "forged" end })

--- decimal_given_a_metatable | fails: table expected
setmetatable(kontor.decimal(1), {})

--- decimal_metatable | fails: attempt to index a nil value
getmetatable(kontor.decimal(1)).__add = print

--- record_metatable | fails: attempt to index a nil value
getmetatable(record).__index = print

--- finalizer | fails: a metatable in a rule cannot have __gc
setmetatable({}, { __gc = function() while true do end end })

--- finalizer_added_later | harmless
local metatable = {}
local object = setmetatable({}, metatable)
metatable.__gc = function() while true do end end
object = nil
for i = 1, 20000 do object = { i } end

--- closing | fails: a metatable in a rule cannot have __close
local guard <close> = setmetatable({}, { __close = function() while true do end end })

--- closing_added_later | fails: variable 'guard' got a non-closable value
local metatable = {}
local object = setmetatable({}, metatable)
metatable.__close = function() while true do end end
local guard <close> = object

--- weak_table | fails: a metatable in a rule cannot have __mode
setmetatable({}, { __mode = "kv" })

--- concatenation_corrupts_5_4_4 | fails: a metatable in a rule cannot have __concat
setmetatable({}, { __concat = function() return "x" end })

--- hidden_metatable_is_kept | fails: this table's metatable cannot be changed
setmetatable(setmetatable({}, { __metatable = "mine" }), { __index = print })

--- metatable_field_fools_getmetatable | harmless
local object = setmetatable({}, { __metatable = string })
assert(getmetatable(object).__metatable == string)

--- functions_stay_themselves | harmless
local old = kontor.deny
assert(not pcall(function() kontor.deny = print end))
assert(kontor.deny == old and string.rep("a", 2) == "aa")
