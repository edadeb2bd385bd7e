--- nested_lazy | fails: used up their
return (("a"):rep(60000)):find(".-.-.-.-.-.-.-b")

--- nested_greedy | fails: used up their
return (("a"):rep(50000)):match(("a*"):rep(50) .. "b")

--- nested_optional | fails: used up their
return (("a"):rep(30)):match(("a?"):rep(40) .. ("a"):rep(31))

--- caught_again_and_again | fails: used up their
while true do pcall(string.find, ("a"):rep(50000), ("a*"):rep(50) .. "b") end

--- captures | fails: used up their
for _ in (("a"):rep(60000)):gmatch("(.-)(.-)(.-)(.-)b") do error("found") end

--- too_many_captures | fails: too many captures
return ("x"):find(("()"):rep(40))

--- balanced | fails: used up their
while true do (("("):rep(9000)):find("%b()") end

--- frontier | fails: used up their
return (("a "):rep(60000)):gsub("%f[%w].-.-.-%f[%z]b", "")

--- back_reference | fails: used up their
return (("ab"):rep(30000)):match("(.*)(.*)%1%2c")

--- back_reference_to_nothing | fails: invalid
return ("aa"):match("%2")

--- class_without_end | fails: malformed pattern
return ("x"):find("[a")

--- class_of_many | fails: used up their
return (("a"):rep(100000)):find("[" .. ("b"):rep(100000) .. "]")

--- recursion_of_the_matcher | fails: pattern
return (("x"):rep(400000)):match(("x?"):rep(200000))

--- replacement_grows | fails: memory or used up their
return (("x"):rep(20000)):gsub("x", ("y"):rep(20000))

--- replacement_by_captures_grows | fails: memory or used up their
return (("x"):rep(20000)):gsub(".+", ("%0"):rep(20000))

--- replacement_function_never_ends | fails: used up their
return (("abc")):gsub(".", function() while true do end end)

--- replacement_function_recurses | fails: C stack overflow or used up their
local function again(text) return (text:gsub(".", again)) end
return again("test")

--- replacement_table_recurses | fails: loop
local words = {}
for i = 1, 3000 do
    local inner = words
    words = setmetatable({}, { __index = inner })
end
return (("abc"):gsub(".", words)), error("chain too long: a loop")

--- replacement_index_recurses | fails: overflow or used up their
local words
words = setmetatable({}, { __index = function(_, key) return (key:gsub(".", words)) end })
return (("abc"):gsub(".", words))

--- replacement_is_a_table | fails: a replacement must be text, not a table
return ("x"):gsub("x", function() return {} end)

--- gmatch_without_progress | harmless
local count = 0
for _ in ("abc"):gmatch("") do count = count + 1 end
assert(count == 4)

--- gmatch_iterator_kept | fails: used up their
local iterator = (("a"):rep(60000)):gmatch(".-.-.-b")
while true do pcall(iterator) end

--- anchors | harmless
assert(("a$"):find("$", 1, true) == 2 and not ("ab"):find("^b"))
assert(("^a"):gsub("^^", "x") == "xa")
