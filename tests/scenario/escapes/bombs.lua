--- rep | fails: longer than
return ("x"):rep(1 << 40)

--- rep_overflows | fails: longer than
return ("xxxxxxxx"):rep((1 << 61) + 1)

--- rep_with_separator | fails: longer than
return (""):rep(1 << 30, "x")

--- rep_in_small_steps | fails: used up their
while true do pcall(string.rep, "x", 500000) end

--- doubling | fails: memory or used up their
local text = "x"
while true do text = text .. text end

--- concatenation_of_many | fails: memory or used up their
local parts = {}
for i = 1, 5000 do parts[i] = ("x"):rep(500000) end
return #table.concat(parts)

--- table_concat | fails: memory or used up their
local parts = {}
for i = 1, 100000 do parts[i] = ("x"):rep(100) end
return table.concat(parts, ("y"):rep(1000))

--- table_concat_of_a_claimed_length | fails: table functions take plain tables
return table.concat(setmetatable({}, { __len = function() return 1 << 50 end }))

--- table_concat_of_nothing | fails: used up their
return table.concat({}, "", 1, 1 << 60)

--- table_move | fails: used up their
while true do table.move({}, 1, 900000, 2) end

--- table_move_wraps | fails: used up their
return table.move({}, 1, math.maxinteger, 2)

--- table_unpack | fails: used up their
return table.unpack({}, 1, 5000000)

--- table_unpack_again_and_again | fails: used up their
while true do pcall(table.unpack, {}, 1, 900000) end

--- table_insert_in_front | fails: used up their
local list = {}
while true do table.insert(list, 1, 1) end

--- table_remove_in_front | fails: used up their
local list = {}
for i = 1, 300000 do list[i] = i end
while true do table.remove(list, 1) end

--- select_from_many | fails: used up their
local function many(...) return select("#", ...), select(-1, ...) end
while true do many(table.unpack({}, 1, 200000)) end

--- string_byte_of_all | fails: used up their
local text = ("x"):rep(500000)
while true do text:byte(1, -1) end

--- string_char_of_all | fails: used up their
local text = ("x"):rep(100000)
while true do string.char(text:byte(1, -1)) end

--- utf8_codepoint_of_all | fails: used up their
local text = ("x"):rep(500000)
while true do utf8.codepoint(text, 1, -1) end

--- utf8_len | fails: used up their
local text = ("x"):rep(500000)
while true do utf8.len(text) end

--- utf8_offset | fails: used up their
local text = ("\u{10FFFF}"):rep(120000)
while true do utf8.offset(text, 100000) end

--- utf8_bad_bytes | fails: invalid UTF-8 code
for _ in utf8.codes("\xff\xfe") do error("decoded") end

--- tonumber_of_many_digits | fails: used up their
local digits = ("1"):rep(500000)
while true do tonumber(digits, 36) end

--- compared_texts | fails: used up their
local one, other = ("\0"):rep(500000) .. "a", ("\0"):rep(500000) .. "b"
while true do local _ = one < other end

--- equal_texts | fails: used up their
local one, other = ("x"):rep(500000) .. "a", ("x"):rep(500000) .. "b"
while true do local _ = one == other end

--- sort_of_long_texts | fails: used up their
-- Comparing is done by strcoll, without an instruction in between.
local list, text = {}, ("\0"):rep(500000)
for i = 1, 100000 do list[i] = text end
table.sort(list)

--- sort_of_many | fails: used up their
local list = {}
for i = 1, 200000 do list[i] = i % 7 end
while true do table.sort(list) end

--- next_over_emptied_table | fails: used up their
local list = {}
for i = 1, 200000 do list["k" .. i] = true end
for key in pairs(list) do list[key] = nil end
while true do next(list) end

--- format_width | fails: invalid conversion
return ("%99999d"):format(1)

--- format_width_of_two_digits | harmless
assert(#("%99d"):format(1) == 99)

--- format_of_a_huge_text | fails: memory or used up their
local text = ("x"):rep(500000)
return ("%s%s%s%s"):format(text, text, text, text)

--- format_of_many | fails: memory or used up their
local sevens = {}
for i = 1, 10000 do sevens[i] = 7 end
return ("%99d"):rep(10000):format(table.unpack(sevens))

--- format_quotes | fails: memory or used up their
return ("%q"):format(("\0"):rep(400000))

--- growing_table | fails: memory or used up their
local list = {}
for i = 1, 1 << 40 do list[i] = i end

--- growing_keys | fails: memory or used up their
local list = {}
for i = 1, 1 << 40 do list[i .. ""] = {} end

--- growing_closures | fails: memory or used up their
local list = {}
while true do list[#list + 1] = function() return list end end

--- growing_closures_caught | fails: memory or used up their
local list = {}
pcall(function() while true do list[#list + 1] = function() return list end end end)
error("the memory came back")

--- growing_records | fails: memory or used up their
local list = {}
while true do list[#list + 1] = step.old or kontor.decimal(#list) end

--- decimals_kept | fails: memory or used up their
local list = {}
while true do list[#list + 1] = kontor.decimal("1.5") + #list end

--- sparse_array | harmless
local list = {}
list[math.maxinteger] = 1
list[1 << 40] = 2
assert(#list == 0 or list[#list])

--- nested_tables | fails: memory or used up their
local list = {}
while true do list = { list, list } end
