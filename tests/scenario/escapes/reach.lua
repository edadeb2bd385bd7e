--- load | fails: there is no global 'load'
load("return 1")()

--- load_bytecode | fails: there is no global 'load'
load("\27Lua\84\0\25\147\r\n\26\n", "x", "b")()

--- load_by_environment | fails: there is no global 'load'
return _ENV["lo" .. "ad"]

--- loadstring_of_5_1 | fails: there is no global 'loadstring'
loadstring("return 1")()

--- dofile | fails: there is no global 'dofile'
dofile("/etc/passwd")

--- string_dump | fails: string has no 'dump'
return string.dump(function() end)

--- string_dump_by_method | fails: string has no 'dump'
return ("x").dump

--- string_pack_reads_raw_bytes | fails: string has no 'unpack'
return string.unpack("T", ("\255"):rep(8))

--- io_open | fails: there is no global 'io'
return io.open("/etc/passwd"):read("a")

--- os_execute | fails: there is no global 'os'
os.execute("id")

--- os_exit | fails: there is no global 'os'
os.exit(1)

--- require | fails: there is no global 'require'
require("posix")

--- package_loadlib | fails: there is no global 'package'
package.loadlib("libc.so.6", "system")

--- debug_getregistry | fails: there is no global 'debug'
return debug.getregistry()

--- debug_sethook_takes_away_the_budget | fails: there is no global 'debug'
debug.sethook()

--- debug_setmetatable_of_nil | fails: there is no global 'debug'
debug.setmetatable(nil, { __index = function() return 1 end })

--- globals_table | fails: there is no global '_G'
return _G.io

--- environment_of_the_environment | fails: there is no global '_G'
return _ENV._G

--- new_environment_for_a_chunk | fails: string has no 'load'
local _ENV = setmetatable({}, { __index = string })
load("x")

--- own_environment_reaches_nothing_new | fails: attempt to index a nil value (global 'kontor')
local _ENV = {}
kontor.deny("out")

--- setfenv_of_5_1 | fails: there is no global 'setfenv'
setfenv(1, {})

--- newproxy_of_5_1 | fails: there is no global 'newproxy'
return newproxy(true)

--- rawset_into_the_library | fails: there is no global 'rawset'
rawset(string, "rep", nil)

--- rawget_behind_a_metatable | fails: there is no global 'rawget'
return rawget(kontor, "deny")

--- collectgarbage_stops_the_collector | fails: there is no global 'collectgarbage'
collectgarbage("stop")

--- coroutine_runs_beside_the_hook | fails: there is no global 'coroutine'
coroutine.wrap(function() while true do end end)()

--- warn | fails: there is no global 'warn'
warn("@on")

--- upvalue_joined | fails: there is no global 'debug'
local secret = 1
local function f() return secret end
debug.upvaluejoin(f, 1, kontor.deny, 1)

--- for_loop_limit_is_a_float_in_disguise | fails: bad 'for' limit
-- Lua 5.1 could be made to read memory by a for loop over a string's bytes.
for i = 1, "10" .. "x" do kontor.log(i) end

--- tostring_tells_no_address | harmless
for _, value in ipairs{ {}, print, kontor.log, record, step, kontor.none } do
    assert(not tostring(value):find("0x"), tostring(value))
    assert(not string.format("%s", value):find("0x"))
end

--- format_tells_no_address | fails: string.format has no %p
return string.format("%p", {})

--- format_tells_no_address_behind_flags | fails: string.format has no %p
return string.format("%d\0%-30p", 1, print)

--- name_of_a_metatable_tells_no_address | fails: cannot have __name
return tostring(setmetatable({}, { __name = "table: 0x1" }))

--- error_messages_tell_no_address | harmless
for _, value in ipairs{ {}, print, record } do
    local _, why = pcall(function() return value + 1 end)
    assert(not tostring(why):find("0x"))
    _, why = pcall(string.rep, value)
    assert(not tostring(why):find("0x"))
    _, why = pcall(error, value)
    assert(not tostring(why):find("0x"))
end

--- order_of_pairs_tells_no_address | harmless
-- Strings hash the same in every run; only their order could tell of a seed.
local keys = {}
for key in pairs{ a = 1, b = 2, c = 3 } do keys[#keys + 1] = key end
assert(#keys == 3)
