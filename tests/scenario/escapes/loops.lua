--- forever | fails: used up their
while true do end

--- forever_by_goto | fails: used up their
::again::
goto again

--- forever_by_for | fails: used up their
for _ = 1, math.maxinteger do end

--- forever_by_float_step | fails: used up their
for _ = 1.0, math.huge, 0.5 do end

--- forever_in_pcall | fails: used up their
while true do pcall(function() while true do end end) end

--- forever_in_xpcall | fails: used up their
xpcall(function() while true do end end, function() while true do end end)

--- forever_in_the_handler | fails: used up their
while true do xpcall(error, function() while true do end end) end

--- handler_raises | fails: in the handler
while true do xpcall(error, function() error("in the handler") end) end

--- handler_calls_itself | fails: overflow or used up their
local function handler() return xpcall(error, handler) end
xpcall(error, handler)

--- pcall_of_pcall | fails: overflow or used up their
-- A C stack full of pcalls: Lua stops at 200, which is an error like any other.
local function nested() local ok, why = pcall(nested) if not ok then error(why, 0) end end
nested()

--- pcall_recursion | fails: used up their
local function again() return pcall(again) end
while true do again() end

--- recursion | fails: overflow or memory or used up their
local function deep() return 1 + deep() end
return deep()

--- recursion_with_arguments | fails: overflow or memory or used up their
local function deep(...) return 1 + deep(1, ...) end
return deep()

--- tail_calls | fails: used up their
local function again() return again() end
return again()

--- tail_calls_of_two | fails: used up their
local ping, pong
function ping() return pong() end
function pong() return ping() end
return ping()

--- iterator | fails: used up their
for _ in function() return 1 end do end

--- index_function | fails: used up their
return setmetatable({}, { __index = function() while true do end end }).x

--- index_chain | fails: '__index' chain too long
local first = {}
local chain = first
for _ = 1, 3000 do chain = setmetatable({}, { __index = chain }) end
return chain.x

--- index_of_itself | fails: '__index' chain too long
local object = {}
setmetatable(object, { __index = object })
return object.x

--- newindex_of_itself | fails: '__newindex' chain too long
local object = {}
setmetatable(object, { __newindex = object })
object.x = 1

--- newindex_function | fails: overflow or used up their
local object
object = setmetatable({}, { __newindex = function(_, key, value) object[key .. "x"] = value end })
object.x = 1

--- equality | fails: used up their
local metatable = { __eq = function() while true do end end }
return setmetatable({}, metatable) == setmetatable({}, metatable)

--- less_than | fails: used up their
local metatable = { __lt = function() while true do end end }
return setmetatable({}, metatable) < setmetatable({}, metatable)

--- less_or_equal_recurses | fails: overflow or used up their
local metatable = {}
metatable.__le = function(one, other) return one <= other end
local object = setmetatable({}, { __le = function(one, other) return one <= other end })
return object <= object

--- arithmetic | fails: used up their
return setmetatable({}, { __add = function() while true do end end }) + 1

--- arithmetic_with_a_decimal | fails: a decimal is expected
return kontor.decimal(1) + setmetatable({}, { __add = function() while true do end end })

--- called_object | fails: overflow or used up their
local object
object = setmetatable({}, { __call = function(self) return 1 + self() end })
return object()

--- call_chain | harmless
-- An object whose __call is an object whose __call: each adds an argument, none a frame.
local object = function() return 1 end
for _ = 1, 300 do object = setmetatable({}, { __call = object }) end
return object()

--- pairs_of_its_own | fails: used up their
for _ in pairs(setmetatable({}, { __pairs = function() return function() return 1 end end })) do end

--- length | fails: used up their
return #setmetatable({}, { __len = function() while true do end end })

--- tostring_never_ends | fails: used up their
return tostring(setmetatable({}, { __tostring = function() while true do end end }))

--- tostring_of_itself | fails: overflow or used up their
return tostring(setmetatable({}, { __tostring = tostring }))

--- tostring_answers_a_table | fails: '__tostring' must return a string
return tostring(setmetatable({}, { __tostring = function() return {} end }))

--- logged_object | fails: used up their
kontor.log(setmetatable({}, { __tostring = function() while true do end end }))

--- comparator | fails: used up their
table.sort({ 3, 2, 1 }, function() while true do end end)

--- comparator_without_order | fails: invalid order function
local list = {}
for i = 1, 100 do list[i] = i end
table.sort(list, function() return true end)

--- comparator_changes_the_list | harmless
local list = {}
for i = 1, 100 do list[i] = i % 10 end
pcall(table.sort, list, function(one, other)
    for i = 1, 100 do list[i] = nil end
    return (one or 0) < (other or 0)
end)

--- comparator_raises | fails: from the comparator
table.sort({ 3, 2, 1 }, function() error("from the comparator") end)

--- comparator_kept_running | fails: used up their
local list = {}
for i = 1, 2000 do list[i] = i % 13 end
while true do pcall(table.sort, list, function(one, other) return one < other end) end

--- error_is_nil | fails: an error was raised with a nil
error()

--- error_is_a_table | fails: an error was raised with a table
error({ code = "forged" })

--- error_is_the_record | fails: an error was raised with a userdata
error(record)

--- error_speaks_without_end | fails: an error was raised with a table
error(setmetatable({}, { __tostring = function() while true do end end }))

--- error_of_control_characters | fails: a?b?c
error("a\0b\27c")

--- error_of_a_megabyte | fails: xxxxxxxx
error(("x"):rep(500000))

--- error_that_forges_a_place | fails: loops.lua
error("other.lua:1: not me", 0)

--- error_at_a_level_beyond | fails: far away
error("far away", 1000)

--- assert_with_an_object | fails: an error was raised with a table
assert(false, {})
