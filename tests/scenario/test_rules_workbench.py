#!/usr/bin/python3
"""What a consultant has before a push: `kontor rules check` finds mistakes with their place,
`kontor rules stubs` tells an editor what this server has.
"""
import json
import pathlib
import subprocess
import tempfile

from kontor_test import RULES, KontorCase, main

HOUSE = """\
entity{ name = "custom.trip", label = { "Trip", "行程" }, states = { "open" }, fields = {
    { name = "number", type = "text" },
    { name = "day", type = "date", label = { "Day", "日期" } },
    { name = "stops", type = "lines", lines = { { name = "place", type = "text" } } },
} }
field{ entity = "sales.order", name = "x_trip", type = "ref", to = "custom.trip",
       label = { "Trip", "行程" } }
"""

RULE = """\
rule{
    on = "sales.order.before_confirm",
    name = "house.rule", -- 规则
    check = function(order, step)
        %s
    end,
}
"""

# What stands in line 5 of RULE, the finding's column and code, and words of its message. Columns
# count from the start of the line, where 8 spaces come first.
MISTAKES = (
    ('if order.totl > 5 then kontor.deny("x") end', 18, "K02", "did you mean 'total'?"),
    ("return step.old.totl", 25, "K02", "'totl'"),
    ("return order.lines[1].prize", 31, "K02", "sales.order.lines has no field 'prize'"),
    ("for _, line in ipairs(order.lines) do line.discount = line.dicount end", 68, "K02",
     "did you mean 'discount'?"),
    ('order.total = "1.00"', 15, "K03", "total of sales.order is read-only"),
    ('order.state = "done"', 15, "K03", "read-only"),
    ("order.id = 7", 15, "K03", "read-only"),
    ("order.lines = {}", 15, "K03", "lines cannot be assigned"),
    ("order.lines[1].net = 5", 24, "K03", "net of sales.order.lines"),
    ("step.old.note = 'x'", 18, "K03", "step.old shows what was"),
    ("local one = kontor.get('sales.order', 1) one.note = 'x'", 54, "K03", "kontor.update"),
    ("local all = kontor.search('sales.order') return all[1].nota", 64, "K02", "'nota'"),
    ("return kontor.get('sales.ordre', 1)", 27, "K01", "did you mean 'sales.order'?"),
    ("return kontor.find('sales.order', 'nmber', 'x')", 43, "K02", "did you mean 'number'?"),
    ("return kontor.count('sales.order', {{'dat', '=', 'x'}})", 46, "K02", "did you mean 'date'?"),
    ("kontor.create('custom.trip', { numbr = '1' })", 40, "K02", "did you mean 'number'?"),
    ("kontor.create('custom.trip', { stops = { { palce = '1' } } })", 52, "K02",
     "did you mean 'place'?"),
    ("kontor.update('sales.order', 1, { total = 1 })", 43, "K03", "read-only"),
    ("return kontor.total('finance.open_receivable')", 29, "K04", "finance.open_receivables"),
    ("return kontor.has_role('sales.manger')", 32, "K05", "sales.manager"),
    ("kontor.call('sales.order.confrim', { id = 1 })", 21, "K06", "sales.order.confirm"),
    ("return kontr.user()", 16, "113", "undefined variable 'kontr'"),
    ("return kontor.usr()", 16, "143", "'usr' of global 'kontor'"),
    ("return string.dump(order)", 16, "143", "'dump' of global 'string'"),
    ("return io.open('x')", 16, "113", "'io'"),
    ("found = order", 9, "111", "'found'"),
)

FINE = (
    "order.x_trip = 3",
    "order.lines[1].discount = order.discount_max",
    "local other = step.old or order return other.anything",
    "for name in pairs(order) do kontor.log(name) end",
    "local trip = kontor.create('custom.trip', { number = '1', stops = { { place = 'x' } } })"
    " return kontor.get('custom.trip', trip).stops[1].place",
    "return kontor.search('sales.order', {{'lines.price', '>', 1}, {'id', '=', 1}})[1].customer",
    "local kontor = { own = 1 } return kontor.own",
    "return kontor.call('record.count', { entity = 'sales.order' })",
)


class Workbench(KontorCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def check(self, *more, **files):
        for name, text in files.items():
            (self.folder / f"{name}.lua").write_text(text, encoding="utf-8")
        return self.server.kontor("rules", "check", str(self.folder), *more)

    def findings(self, body):
        done = self.check("--json", house=HOUSE, rule=RULE % body)
        self.assertEqual("", done.stderr)
        return done.returncode, [finding for finding in json.loads(done.stdout)
                                 if finding["level"] == "error"]

    # --- check ---

    def test_mistakes_are_found_where_they_are(self):
        for body, column, code, words in MISTAKES:
            with self.subTest(body):
                status, found = self.findings(body)
                self.assertEqual(1, status)
                self.assertEqual([("rule.lua", 5, column, code)], [
                    (one["file"], one["line"], one["column"], one["code"]) for one in found])
                self.assertIn(words, found[0]["message"])

    def test_what_is_right_passes(self):
        for body in FINE:
            with self.subTest(body):
                self.assertEqual((0, []), self.findings(body))

    def test_lines_for_people(self):
        done = self.check(house=HOUSE, rule=RULE % "return order.totl")
        self.assertEqual((1, "rule.lua:5:22: (K02) sales.order has no field 'totl' "
                             "(did you mean 'total'?)\n"), (done.returncode, done.stdout))

    def test_taste_alone_is_no_error(self):
        done = self.check(rule=RULE % ("local unused = 1 " + "-" * 120))
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("rule.lua:5:15: (211) unused variable 'unused'", done.stdout)
        self.assertIn("(631) line is too long", done.stdout)

    def test_syntax_and_what_only_the_server_knows(self):
        done = self.check(rule=RULE % "if = 1")
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stdout, r"^rule\.lua:5:12: \(011\) [^\n]*\n$")
        done = self.check(rule=(RULE % "").replace("before_confirm", "before_explode"))
        self.assertEqual(1, done.returncode)
        self.assertIn("rule.lua:1:1: (invalid) ", done.stdout)
        self.assertIn("no moment 'explode'", done.stdout)

    def test_handlers_and_after_rules_cannot_edit(self):
        handler = ('handler{ on = "sales.order.confirmed", name = "house.h", run = '
                   "function(event)\n    kontor.log(event.record.totl)\n    event.record.note = 1\n"
                   "end }\n")
        after = (RULE % "order.note = 'x'").replace("before", "after")
        done = self.check(handler=handler, rule=after)
        self.assertEqual([
            "handler.lua:2:29: (K02) sales.order has no field 'totl' (did you mean 'total'?)",
            "handler.lua:3:18: (K03) a record that was read cannot be changed: use kontor.update",
            "rule.lua:5:15: (K03) a rule that runs after the change cannot edit the record: use a "
            "before rule"], done.stdout.splitlines())

    def test_globals_of_the_file_itself(self):
        done = self.check(rule="limit = 5\n" + RULE % "if order.total > limit then return end")
        self.assertEqual((0, ""), (done.returncode, done.stdout))

    def test_nothing_is_kept(self):
        before = self.admin.call("rules.list")
        self.assertEqual(0, self.check(house=HOUSE, rule=RULE % "order.x_trip = nil").returncode)
        self.assertEqual(before, self.admin.call("rules.list"))

    def test_our_own_rules_are_clean(self):
        done = self.server.kontor("rules", "check", str(RULES))
        self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))

    # --- stubs ---

    def stubs(self):
        done = self.server.kontor("rules", "stubs", str(self.folder))
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return [(self.folder / name).read_text(encoding="utf-8")
                for name in ("kontor.lua", ".luarc.json", "reference.md")]

    def test_stubs_are_lua_and_know_this_server(self):
        self.admin.call("rules.push", files={"house.lua": HOUSE})
        self.addCleanup(self.admin.call, "rules.remove", name="house.lua")
        stub, settings, reference = self.stubs()
        done = subprocess.run(["luac", "-p", self.folder / "kontor.lua"], capture_output=True)
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        self.assertTrue(stub.startswith("---@meta\n"))
        self.assertIn("kontor.lua", json.loads(settings)["workspace.library"])
        for line in (
                '---@overload fun(entity: "sales.order", id: integer): sales.order',
                '---@overload fun(entity: "custom.trip", values: custom.trip.values): integer',
                "---@class sales.order",
                "---@field customer integer Customer · 客户",
                "---@field total? Decimal Total · 价税合计",
                "---@field date Date Date · 日期",
                "---@field lines sales.order.lines[] Lines · 明细",
                "---@field x_trip? integer Trip · 行程",
                "---@class custom.trip.stops",
                "---@field day? Date|string"):
            self.assertIn(f"\n{line}\n", stub)
        for entity in self.admin.call("system.describe")["entities"]:
            self.assertIn(f"\n---@class {entity['name']}\n", stub)
            self.assertIn(f"\n### {entity['name']}: ", reference)
        # What clients cannot write is not among the values.
        values = stub.split("\n---@class sales.order.values\n")[1].split("\n\n")[0]
        self.assertIn("---@field note? string", values)
        self.assertNotIn("---@field total?", values)
        for words in ("| `kontor.get(entity, id)` | ", "按编号读取记录", "| `rule{...}` |", "### rule{}",
                      "| `check` | fun(record: any, step: Step) | required · 必填 |",
                      "| `weekday` | integer 1 is Monday |",
                      "| `lines.price` | money | Price · 单价 |", "`confirm`", "`.confirmed`",
                      "| `finance.open_receivables` |", "| `sales.manager` |",
                      "| `sales.order.confirm` |"):
            self.assertIn(words, reference)

    def test_stubs_beside_rules_are_not_pushed(self):
        self.stubs()
        (self.folder / "house.lua").write_text(HOUSE, encoding="utf-8")
        done = self.server.kontor("rules", "push", str(self.folder))
        self.addCleanup(self.admin.call, "rules.remove", name="house.lua")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(["house.lua"], [
            file["name"] for file in self.admin.call("rules.list")["files"]])


if __name__ == "__main__":
    main()
