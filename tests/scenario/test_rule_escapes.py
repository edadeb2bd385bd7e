#!/usr/bin/python3
"""No rule gets out of its sandbox, holds up the server, eats its memory or spoils a later request.

Each attempt of escapes/*.lua becomes a rule of its own that runs when a record of custom.attempt
bears the attempt's name:

    --- NAME | fails: TEXT         rule_failed with that text and the attempt's file and line;
                                   of "TEXT or TEXT" one
    --- NAME | denies: TEXT        rule_denied
    --- NAME | refuses: CODES      the engine's own refusal, one of these
    --- NAME | harmless            it runs to its end

Attempts of one file run in their order and share the file's locals `kept`. While one runs, another
connection reads and a third writes: both are answered. What a file's source itself attempts, when
it is loaded, is in test_sources.
"""
import pathlib
import re
import time

from kontor_test import KontorCase, KontorError, Wire, main

FOLDER = pathlib.Path(__file__).resolve().parent / "escapes"
HEAD = re.compile(r"^--- (\w+) \| (\w+)(?:: (.*))?$")

# Generous, for sanitizers and a busy machine; the server's own backstop is 10 seconds.
ATTEMPT_WITHIN_S = 30
READ_WITHIN_S = 5
SERVER_WITHIN_KIB = 700 * 1024

ENTITIES = """\
local fields = {
    { name = "name", type = "text", required = true },
    { name = "note", type = "text", multiline = true, max_length = 65536 },
    { name = "code", type = "text", unique = true },
    { name = "amount", type = "decimal" },
    { name = "data", type = "json" },
}
entity{ name = "custom.attempt", label = { "Attempt", "尝试" }, title = "name", fields = fields }
entity{ name = "custom.plain", label = { "Plain", "普通" }, title = "name", fields = fields }
entity{ name = "custom.note", label = { "Note", "便条" }, title = "name", fields = fields }
event{ name = "custom.alarm", label = { "Alarm", "警报" } }
total{ name = "custom.amounts", label = { "Amounts", "金额" }, entity = "custom.note",
       by = { "name" }, sum = { "amount" } }

rule{
    on = "custom.note.before_create",
    name = "custom.canary",
    check = function(note)
        local parts = {}
        for word in ("one two three"):gmatch("%a+") do
            parts[#parts + 1] = word:upper():rep(2, "-")
        end
        table.sort(parts, function(one, other) return one > other end)
        assert(table.concat(parts, " ") == "TWO-TWO THREE-THREE ONE-ONE")
        assert(string.format("%s %5.2f", "x", 1.5) == "x  1.50" and tostring({}) == "table")
        assert(kontor.decimal("0.1") + kontor.decimal("0.2") == kontor.decimal("0.3"))
        assert(math.max(1, 2) == 2 and utf8.len("北京") == 2 and next({}) == nil)
        local long = {}
        for i = 1, 20000 do long[i] = i end
        note.note = "sung"
    end,
}
"""


class Attempt:
    def __init__(self, file, head, line):
        slug, self.expected, self.text = HEAD.match(head).groups()
        self.file = file
        self.name = f"{pathlib.Path(file).stem}.{slug}"
        self.body = []
        self.first = line

    @property
    def last(self):
        return self.first + len(self.body)

    def rule(self):
        """Keeps the line numbers of the file: the head's line holds what goes before the body."""
        return (f'rule{{ on = "custom.attempt.before_create", name = "{self.name}", check = '
                f'function(record, step) if record.name ~= "{self.name}" then return end\n'
                + "\n".join([*self.body[:-1], f"{self.body[-1]} end }}"]) + "\n")


def attempts_of(path):
    attempts = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("---"):
            attempts.append(Attempt(path.name, line, number))
        else:
            attempts[-1].body.append(line)
    return attempts


def rule_file(attempts):
    text = "".join(attempt.rule() for attempt in attempts)
    return "local kept = {} " + text


def locals_of(letter):
    return "".join(f"local {letter}{i} = {i}\n" for i in range(150))


class Escapes(KontorCase):
    MODULES = ("parties",)
    answers = True  # Once it does not, the rest would only wait.

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.attempts = {path.name: attempts_of(path) for path in sorted(FOLDER.glob("*.lua"))}
        cls.admin.call("rules.push", files={
            "canary.lua": ENTITIES,
            **{name: rule_file(attempts) for name, attempts in cls.attempts.items()}})
        cls.party = cls.admin.create("parties.party", kind="company", name="Evers")["id"]
        cls.wires = [Wire(cls.server.socket) for _ in range(3)]
        for wire in cls.wires:
            cls.addClassCleanup(wire.close)
            wire.socket.settimeout(ATTEMPT_WITHIN_S)
            wire.call("auth.login", {"user": "admin", "password": cls.server.password()})

    def run_beside_others(self, method, params):
        """The answer's error, while others read and write."""
        type(self).answers = False
        attempting, writing, reading = self.wires
        began = time.monotonic()
        attempting.request(7, method, params)
        writing.request(8, "record.create", {"entity": "custom.note",
                                             "values": {"name": "canary", "amount": "1"}})
        read = reading.call("record.get", {"entity": "parties.party", "id": self.party})
        self.assertEqual("Evers", read["name"])
        self.assertLess(time.monotonic() - began, READ_WITHIN_S)
        _, msgid, error, _ = attempting.receive()
        self.assertEqual(7, msgid)
        took = time.monotonic() - began
        self.assertLess(took, ATTEMPT_WITHIN_S)
        _, msgid, refused, record = writing.receive()
        self.assertEqual((8, None), (msgid, refused))
        self.assertEqual("sung", record["note"])
        type(self).answers = True
        return KontorError(error) if error else None

    def assert_says(self, expected, error):
        self.assertTrue(any(text in error.message for text in expected.split(" or ")), error)

    def check(self, attempt):
        error = self.run_beside_others("record.create", {
            "entity": "custom.attempt", "values": {"name": attempt.name}})
        if attempt.expected == "harmless":
            self.assertIsNone(error)
            return
        self.assertIsNotNone(error)
        self.assertTrue(error.message and error.message_zh, error)
        if attempt.expected == "refuses":
            self.assertIn(error.code, attempt.text.split(", "), error)
            # Values that do not fit are found after the rule has run.
            self.assertTrue(error.rule == attempt.name or error.field, error)
            return
        self.assertEqual(attempt.name, error.rule, error)
        self.assertEqual({"fails": "rule_failed", "denies": "rule_denied"}[attempt.expected],
                         error.code, error)
        self.assert_says(attempt.text, error)
        if attempt.expected == "fails":
            place = re.search(rf"{re.escape(attempt.file)}:(\d+): ", error.message)
            self.assertTrue(place, error)
            self.assertTrue(attempt.first <= int(place[1]) <= attempt.last, error)

    def check_file(self, name):
        for attempt in self.attempts[name]:
            with self.subTest(attempt.name):
                if self.answers:
                    self.check(attempt)

    def test_enough_attempts(self):
        self.assertGreater(sum(map(len, self.attempts.values())), 200)
        self.assertEqual({f"{name[len('test_file_'):]}.lua" for name in dir(self)
                          if name.startswith("test_file_")}, set(self.attempts))

    def test_file_reach(self):
        self.check_file("reach.lua")

    def test_file_library(self):
        self.check_file("library.lua")

    def test_file_patterns(self):
        self.check_file("patterns.lua")

    def test_file_bombs(self):
        self.check_file("bombs.lua")

    def test_file_loops(self):
        self.check_file("loops.lua")

    def test_file_engine(self):
        self.check_file("engine.lua")

    def test_file_later(self):
        self.check_file("later.lua")

    # --- What else runs ---

    BESIDE = """\
local kept = {}
event{ name = "custom.echo", label = { "Echo", "回声" } }
local function declare(name, run, writes)
    method{ name = "custom." .. name, label = { name, name }, writes = writes, run = run }
end
declare("forever", function() while true do end end)
declare("forever_writing", function() while true do pcall(error) end end, true)
declare("bomb", function() local list = {} while true do list[#list + 1] = {} end end)
declare("keep", function() while true do kept[#kept + 1] = {} end end)
declare("sound", function() return { words = ("x"):rep(3) } end)
declare("create", function() return { id = kontor.create("custom.plain", { name = "x" }) } end)
declare("itself", function() return kontor.call("custom.itself", {}) end)
declare("echo", function() kontor.emit("custom.echo", {}) return {} end, true)
declare("huge", function() local list = {} for i = 1, 300 do list[i] = ("x"):rep(500000) end
    return { list = list } end)
declare("deep", function() local list = {} for _ = 1, 100 do list = { list } end return list end)
declare("odd", function() return { f = print } end)
declare("record", function() return kontor.search("custom.plain", {}, { limit = 1 })[1] end)
declare("nothing", function() return error end)
handler{ on = "custom.echo", name = "beside.echo", run = function()
    kontor.emit("custom.echo", {})
end }
entity{ name = "custom.lazy", label = { "Lazy", "懒" }, fields = {
    { name = "kind", type = "text" },
    { name = "filled", type = "text", default = function(record)
        if record.kind == "default" then while true do end end
    end },
    { name = "derived", type = "text", compute = function(record)
        if record.kind == "compute" then return ("x"):rep(500000) end
        return record.derived
    end },
} }
"""
    REFUSALS = ("rule_failed", "too_large", "invalid", "denied", "rule_denied")

    def test_methods_handlers_and_fields(self):
        self.admin.call("rules.push", files={"beside.lua": self.BESIDE})
        for name in ("forever", "forever_writing", "bomb", "keep", "keep", "create", "itself",
                     "echo", "huge", "deep", "odd", "nothing"):
            with self.subTest(name):
                error = self.run_beside_others(f"custom.{name}", {})
                self.assertIsNotNone(error)
                self.assertIn(error.code, self.REFUSALS, error)
                self.assertTrue(error.message and error.message_zh, error)
            # The next caller finds everything as it was.
            self.assertEqual({"words": "xxx"}, self.admin.call("custom.sound"))
        for kind in ("default", "compute"):
            with self.subTest(kind):
                error = self.run_beside_others("record.create", {
                    "entity": "custom.lazy", "values": {"kind": kind}})
                self.assertIn(error.code, self.REFUSALS, error)
        self.assertEqual(0, self.admin.count("custom.lazy"))
        self.assertIsNone(self.run_beside_others("record.create", {
            "entity": "custom.lazy", "values": {"kind": "plain"}}))

    # --- Sources ---

    SOURCES = {
        "bytecode": ("\x1bLua\x54\0\x19\x13\r\n\x1a\n", "attempt to load a binary chunk"),
        "bytecode behind a mark": ("\ufeff\x1bLuaS", "attempt to load a binary chunk"),
        "a loop": ("while true do end", "used up their"),
        "a loop in pcall": ("while true do pcall(function() while true do end end) end",
                            "used up their"),
        "a memory bomb": ("local t = {} while true do t = {t, t} end",
                          "memory or used up their"),
        "a recursion": ("local function f() return 1 + f() end f()", "memory or used up their"),
        "an error that is a table": ("error({})", "loading failed"),
        "an error that speaks without end": (
            "error(setmetatable({}, {__tostring = function() while true do end end}))",
            "loading failed"),
        "nested parentheses": ("return " + "(" * 60000 + "1" + ")" * 60000, "overflow"),
        "nested tables": ("return " + "{" * 60000 + "}" * 60000, "overflow"),
        "nested functions": ("return " + "function() return " * 8000 + "1" + " end" * 8000,
                             "overflow"),
        "nested blocks": ("do " * 30000 + "end " * 30000, "overflow"),
        "nested operators": ("return " + "- " * 100000 + "1", "overflow"),
        "right associative operators": ("return 2" + "^2" * 80000, "overflow"),
        "concatenations": ("return 'a'" + "..'a'" * 40000, ""),
        "an else-if chain": ("if nil then " + "elseif nil then " * 15000 + "end", None),
        "many locals": ("\n".join(f"local v{i}" for i in range(300)), "too many local variables"),
        "many upvalues": (locals_of("v") + "local function f()\n" + locals_of("w") + "return "
                          "function() return v" + " + v".join(map(str, range(150))) + " + w"
                          + " + w".join(map(str, range(150))) + " end end", "too many upvalues"),
        "many parameters": ("return function(" + ",".join(f"p{i}" for i in range(300)) + ") end",
                            "too many local variables"),
        "many registers": ("return f(" + ",".join(["x"] * 300) + ")", "function or expression"),
        "a jump into nothing": ("goto nowhere", "no visible label"),
        "a label twice": ("::a:: ::a::", "already defined"),
        "a text without end": ("return [==[" + "x" * 200000, "unfinished long string"),
        "an escape too far": ("return '\\u{7FFFFFFFF}'", "UTF-8 value too large"),
        "an integer of many digits": ("return " + "9" * 200000, None),
        "a hexadecimal of many digits": ("return 0x" + "f" * 200000, None),
        "one long line": ("return " + "1 + " * 50000 + "1", None),
        "a huge table of constants": (
            "return {" + ",".join(f"'k{i}'" for i in range(25000)) + "}", None),
        "many functions": ("return {" + "function() end," * 14000 + "}", None),
        "a file too large": ("-- " + "x" * (256 << 10), "larger than"),
        "rules without end": (
            "for i = 1, 100000 do rule{ on = 'custom.note.after_create', name = 'r' .. i, "
            "check = function() end } end", ""),
        "fields without end": (
            "for i = 1, 100000 do field{ entity = 'custom.note', name = 'x_' .. i, type = 'text', "
            "label = 'x' } end", ""),
        "the same rule again": (
            "for i = 1, 2 do rule{ on = 'custom.note.after_create', name = 'r', "
            "check = function() end } end", "there is a rule 'r' already"),
        "a rule that is a proxy": (
            "rule(setmetatable({}, {__index = function() while true do end end}))",
            "used up their"),
        "a rule whose name never ends": (
            "rule{ on = 'custom.note.after_create', name = ('x'):rep(100000), "
            "check = function() end }", "xxxx"),
        "a rule of many moments": (
            "local on = {} for i = 1, 100000 do on[i] = 'custom.note.after_create' end "
            "rule{ on = on, name = 'r', check = function() end }", "on names 1 to"),
        "the engine asked while loading": ("kontor.get('custom.note', 1)", "inside a rule's check"),
        "a denial while loading": ("kontor.deny('x')", "inside a rule's check"),
        "a log flood": ("while true do kontor.log('x') end", "used up their"),
    }

    def test_sources(self):
        rules = [rule["name"] for rule in self.admin.call("rules.list")["rules"]]
        for what, (text, expected) in self.SOURCES.items():
            with self.subTest(what):
                error = self.run_beside_others("rules.push", {
                    "files": {"source.lua": text}, "dry_run": True})
                if expected is None:
                    self.assertIsNone(error)
                    continue
                self.assertIn(error.code, ("invalid", "too_large"), error)
                self.assert_says(expected, error)
                self.assertTrue(error.message_zh, error)
                self.assertIn("source.lua", error.message)
        self.assertEqual(rules, [rule["name"] for rule in self.admin.call("rules.list")["rules"]])

    # --- At the end ---

    def test_zz_server_is_well(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        most = int(re.search(r"VmHWM:\s+(\d+)", status)[1])
        if "asan" not in str(self.server.plugins) and "tsan" not in str(self.server.plugins):
            self.assertLess(most, SERVER_WITHIN_KIB)
        self.assertEqual([], self.admin.call("system.check")["problems"])


if __name__ == "__main__":
    main()
