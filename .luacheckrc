-- Rules are plain Lua 5.4 and touch nothing but `kontor` and what declares.
std = "lua54"
read_globals = { "rule", "handler", "method", "schedule", "event", "numbering", "field", "entity",
                 "total", "role", "kontor" }
files["**/*_test.lua"] = { read_globals = { "test", "given", "when", "expect" } }
unused_args = false
max_line_length = 100
codes = true
exclude_files = {
    "tests/scenario/escapes", -- Fragments that misbehave on purpose.
    "core/script/api.d.lua",  -- Declares what others define.
}
