-- Rules are plain Lua 5.4 and touch nothing but `kontor` and what declares.
std = "lua54"
read_globals = { "rule", "field", "entity", "total", "role", "kontor" }
unused_args = false
max_line_length = 100
codes = true
exclude_files = { "tests/scenario/escapes" } -- They are fragments, and misbehave on purpose.
