-- Rules are plain Lua 5.4 and touch nothing but `rule` and `kontor`.
std = "lua54"
read_globals = { "rule", "kontor" }
unused_args = false
max_line_length = 100
codes = true
