#!/usr/bin/python3
"""The life of a rule, through the server and its command: pushed, compared, tested, tried, watched,
rolled back, and disabled when it keeps failing.
"""
import pathlib
import tempfile

from kontor_test import ALL_MODULES, KontorCase, Server, main

LIMIT = """\
-- Credit limits end somewhere.
rule{
    on = "customers.customer.before_save",
    name = "house.limit",
    check = function(customer)
        if customer.credit_limit and customer.credit_limit > kontor.decimal("5000") then
            kontor.deny("the limit ends at 5000", { field = "credit_limit" })
        end
    end,
}
"""
HIGHER = LIMIT.replace("5000", "9000")
NOTE = """\
rule{
    on = "customers.customer.after_create",
    name = "house.note",
    check = function(customer) kontor.log("new customer", customer.id) end,
}
"""

LIMIT_TEST = """\
local function customer()
    local party = given.record("parties.party", { kind = "company", name = "Evers" })
    return given.record("customers.customer", { party = party, credit_limit = "100" })
end

test("a customer has a limit up to 5000", function()
    given.user("anna", { "customers.user" })
    local id = customer()
    expect.ok(when.update("customers.customer", id, { credit_limit = "5000" }))
    expect.record("customers.customer", id, { credit_limit = "5000.00" })
    expect.event("customers.customer.updated", 1)
end)

test("beyond that it is refused", function()
    given.user("anna", { "customers.user" })
    local id = customer()
    local outcome = when.update("customers.customer", id, { credit_limit = "5000.01" })
    expect.denied(outcome, "house.limit", "credit_limit")
    expect.equal(outcome.message, "the limit ends at 5000")
    expect.record("customers.customer", id, { credit_limit = 100 })
    expect.event("customers.customer.updated", 0)
end)
"""


class Life(KontorCase):
    MODULES = ("parties", "customers")

    def setUp(self):
        self.start = self.admin.call("rules.list")["revision"]
        self.addCleanup(self.empty)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def empty(self):
        self.admin.call("rules.rollback", to=0)

    def push(self, files, **more):
        return self.admin.call("rules.push", files=files, **more)

    def customer(self, limit="100.00"):
        party = self.admin.create("parties.party", kind="company", name="Evers")["id"]
        return self.admin.create("customers.customer", party=party, credit_limit=limit)

    def kontor(self, *words, code=0):
        done = self.server.kontor("rules", *words)
        self.assertEqual(code, done.returncode, f"{done.stdout}\n{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def write(self, files):
        for name, text in files.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def log(self, **more):
        return self.admin.call("rules.log", **more)["revisions"]

    # --- Versions ---

    def test_each_change_is_a_revision(self):
        # Given two pushes, a removal and one push that changes nothing,
        first = self.push({"limit.lua": LIMIT, "note.lua": NOTE}, note="as agreed in May")
        second = self.push({"limit.lua": HIGHER})
        third = self.admin.call("rules.remove", name="note.lua")
        same = self.push({"limit.lua": HIGHER})
        # then each but the last has a number and tells what it changed,
        n = self.start
        self.assertEqual([n + 1, n + 2, n + 3, n + 3],
                         [answer["revision"] for answer in (first, second, third, same)])
        self.assertEqual([{"name": "limit.lua", "what": "added"},
                          {"name": "note.lua", "what": "added"}], first["changed"])
        self.assertEqual([{"name": "limit.lua", "what": "changed"}], second["changed"])
        self.assertEqual([{"name": "note.lua", "what": "removed"}], third["changed"])
        self.assertEqual([], same["changed"])
        # and the log has them, newest first, of all files, of one, or of a rule's file.
        newest, middle, oldest = self.log(limit=3)
        self.assert_fields(oldest, revision=n + 1, user="admin", note="as agreed in May",
                           files=first["changed"])
        self.assertEqual([n + 3, n + 2], [newest["revision"], middle["revision"]])
        for name, numbers in (("note.lua", [n + 3, n + 1]), ("limit.lua", [n + 2, n + 1]),
                              ("house.limit", [n + 2, n + 1])):
            with self.subTest(name):
                self.assertEqual(numbers, [row["revision"] for row in self.log(name=name)
                                           if row["revision"] > n])
        with self.refused("not_found", field="name"):
            self.log(name="house.nothing")

    def test_log_by_pages(self):
        for number in range(5):
            self.push({"note.lua": NOTE + f"-- {number}\n"})
        seen, after = [], None
        while True:
            page = self.admin.call("rules.log", limit=2, **({"after": after} if after else {}))
            seen += [row["revision"] for row in page["revisions"]]
            after = page["next"]
            if after is None:
                break
        self.assertEqual(list(range(self.start + 5, 0, -1)), seen)

    def test_text_of_any_revision(self):
        n = self.push({"limit.lua": LIMIT})["revision"]
        self.push({"limit.lua": HIGHER})
        self.assertEqual(HIGHER, self.admin.call("rules.get", name="limit.lua")["text"])
        self.assertEqual(LIMIT, self.admin.call("rules.get", name="limit.lua", revision=n)["text"])
        with self.refused("not_found", field="name"):
            self.admin.call("rules.get", name="limit.lua", revision=n - 1)
        with self.refused("not_found", field="revision"):
            self.admin.call("rules.get", name="limit.lua", revision=n + 2)

    def test_rollback_is_a_revision_and_can_be_taken_back(self):
        self.push({"limit.lua": LIMIT})
        n = self.push({"limit.lua": HIGHER, "note.lua": NOTE})["revision"]
        self.customer("7000")
        # When it is rolled back, the older limit holds and the newer file is gone;
        back = self.admin.call("rules.rollback", note="too high")
        self.assertEqual((n + 1, [{"name": "limit.lua", "what": "changed"},
                                  {"name": "note.lua", "what": "removed"}]),
                         (back["revision"], back["changed"]))
        with self.refused("rule_denied", field="credit_limit", rule="house.limit"):
            self.customer("7000")
        self.assert_fields(self.log(limit=1)[0], rollback_to=n - 1, note="too high")
        # rolled back again, it is as before.
        self.admin.call("rules.rollback")
        self.customer("7000")
        with self.refused("not_found", field="revision"):
            self.admin.call("rules.rollback", to=n + 100)

    def test_refused_push_and_dry_run_make_no_revision(self):
        n = self.push({"limit.lua": LIMIT})["revision"]
        with self.refused("invalid", field=self.ANY, rule="bad.lua"):
            self.push({"limit.lua": HIGHER, "bad.lua": "rule{"})
        self.push({"limit.lua": HIGHER}, dry_run=True)
        self.assertEqual(n, self.admin.call("rules.list")["revision"])
        self.assertEqual(LIMIT, self.admin.call("rules.get", name="limit.lua")["text"])

    def test_rollback_that_does_not_fit_any_more_is_refused(self):
        # Given a field that came with one revision and went with the next,
        field = ('field{ entity = "customers.customer", name = "x_grade", type = "%s",'
                 ' label = "Grade" }\n')
        n = self.push({"grade.lua": field % "int"})["revision"]
        self.push({"grade.lua": field % "text"})
        made = self.customer()
        self.admin.update("customers.customer", made["id"], x_grade="A")
        # when its values do not fit the older one, then nothing is rolled back.
        with self.refused("conflict", field=self.ANY):
            self.admin.call("rules.rollback", to=n)
        self.assertEqual("A", self.admin.get("customers.customer", made["id"])["x_grade"])
        self.admin.update("customers.customer", made["id"], x_grade=None)

    def test_diff(self):
        n = self.push({"limit.lua": LIMIT})["revision"]
        self.push({"limit.lua": HIGHER, "note.lua": NOTE})
        changed, added = self.admin.call("rules.diff")["files"]
        self.assertEqual(("limit.lua", "changed"), (changed["name"], changed["what"]))
        self.assertIn('-        if customer.credit_limit and customer.credit_limit > kontor.decimal'
                      '("5000") then\n', changed["diff"])
        self.assertEqual(["--- a/limit.lua", "+++ b/limit.lua", "@@ -3,8 +3,8 @@"],
                         changed["diff"].splitlines()[:3])
        self.assertEqual(["--- /dev/null", "+++ b/note.lua", "@@ -0,0 +1,5 @@"],
                         added["diff"].splitlines()[:3])
        back = self.admin.call("rules.diff", **{"from": n + 1, "to": n})
        self.assertEqual(["changed", "removed"], [file["what"] for file in back["files"]])
        # What a push would change,
        files = self.admin.call("rules.diff", files={"limit.lua": HIGHER, "new.lua": "-- new\n"})
        self.assertEqual([("new.lua", "added")],
                         [(file["name"], file["what"]) for file in files["files"]])
        # and what one that replaces all.
        files = self.admin.call("rules.diff", files={"limit.lua": HIGHER}, replace=True)
        self.assertEqual([("note.lua", "removed")],
                         [(file["name"], file["what"]) for file in files["files"]])
        with self.refused("invalid", field="from"):
            self.admin.call("rules.diff", files={"limit.lua": LIMIT}, **{"from": 1})

    def test_versions_through_the_command(self):
        self.write({"limit.lua": LIMIT})
        told = self.kontor("push", str(self.folder), "--note", "first")
        self.assertEqual(f"limit.lua: added\nrevision {self.start + 1}\n", told)
        self.write({"limit.lua": HIGHER})
        self.assertIn('+            kontor.deny("the limit ends at 9000"',
                      self.kontor("diff", str(self.folder)))
        self.kontor("push", str(self.folder / "limit.lua"))
        self.assertEqual("no difference\n", self.kontor("diff", str(self.folder)))
        self.assertIn('-            kontor.deny("the limit ends at 5000"', self.kontor("diff"))
        told = self.kontor("log", "limit.lua", "--limit", "2").splitlines()
        self.assertEqual(["revision", "at", "user", "files", "note"], told[0].split())
        self.assertEqual([str(self.start + 2), "admin", "~limit.lua"],
                         [told[2].split()[at] for at in (0, 3, 4)])
        self.assertTrue(told[3].endswith("+limit.lua  first"), told[3])
        self.assertEqual(f"limit.lua: changed\nrevision {self.start + 3}\n",
                         self.kontor("rollback"))
        self.assertIn("limit.lua:2", self.kontor("list"))
        self.assertIn("whole number", self.kontor("rollback", "yesterday", code=2))
        self.assertIn("there is no revision 999", self.kontor("rollback", "999", code=1))

    def test_versions_survive_a_restart(self):
        server = Server().start()
        self.addCleanup(server.close)
        server.connect().call("rules.push", files={"note.lua": "-- nothing yet\n"}, note="kept")
        server.stop()
        admin = server.start().connect()
        self.assertEqual("kept", admin.call("rules.log")["revisions"][0]["note"])
        admin.call("rules.rollback", to=0)
        self.assertEqual([], admin.call("rules.list")["files"])

    # --- Tests ---

    def counts(self):
        return {entity: self.admin.count(entity) for entity in
                ("parties.party", "customers.customer", "system.user", "system.setting")}

    def test_tests_run_before_a_push_and_leave_nothing(self):
        before, event = self.counts(), self.admin.call("system.stats")["last_event"]
        answer = self.push({"limit.lua": LIMIT, "limit_test.lua": LIMIT_TEST})
        self.assertEqual((2, self.start + 1), (answer["tests"], answer["revision"]))
        self.assertEqual((before, event),
                         (self.counts(), self.admin.call("system.stats")["last_event"]))
        self.assertEqual(["house.limit"], [rule["name"] for rule in answer["rules"]])
        # And they are kept: a push of the rule alone runs them.
        with self.refused("conflict", field="files", rule="limit_test.lua") as caught:
            self.push({"limit.lua": HIGHER})
        passed, failed = caught.exception.details["tests"]
        self.assertTrue(passed["ok"])
        self.assert_fields(failed, file="limit_test.lua", name="beyond that it is refused", line=14,
                           ok=False, message="limit_test.lua:18: expected a denial by rule "
                           "house.limit, field credit_limit, found success",
                           message_zh="limit_test.lua:18: 应为被规则 house.limit 拒绝，"
                           "字段 credit_limit，实际为成功")
        self.assertEqual(LIMIT, self.admin.call("rules.get", name="limit.lua")["text"])
        self.assertEqual(self.start + 1, self.admin.call("rules.list")["revision"])
        with self.refused("rule_denied", field="credit_limit", rule="house.limit"):
            self.customer("7000")
        # One who knows better says so, and the log tells.
        self.push({"limit.lua": HIGHER}, skip_tests=True)
        self.assertTrue(self.log(limit=1)[0]["skip_tests"])
        # The test goes with the rule.
        gone = self.admin.call("rules.remove", name="limit.lua")["changed"]
        self.assertEqual(["limit.lua", "limit_test.lua"], [file["name"] for file in gone])

    def run_test(self, body, **files):
        """The one test's row."""
        report = self.admin.call("rules.test", files={
            "one_test.lua": f'test("it", function()\n{body}\nend)\n', **files})
        row, = report["tests"]
        self.assertEqual(0 if row["ok"] else 1, report["failed"])
        return row

    def test_what_failing_expectations_say(self):
        for body, message in (
                ("expect.equal(1 + 1, 3)", "one_test.lua:2: expected 3, found 2"),
                ('expect.equal({1, {a = "x"}}, nil)',
                 'one_test.lua:2: expected nil, found {1, {a = "x"}}'),
                ('expect.ok(when.call("no.such"))',
                 "one_test.lua:2: expected success, found not_found, field method: there is no "
                 "method no.such"),
                ('expect.fails(when.create("parties.party", {kind = "company"}), "invalid", '
                 '"kind")',
                 "one_test.lua:2: expected the failure invalid, field kind, found invalid, field "
                 "name: name is required"),
                ('expect.event("parties.party.created")',
                 "one_test.lua:2: expected an event parties.party.created, found none"),
                ("local x = nil\nreturn x.name",
                 "one_test.lua:3: attempt to index a nil value (local 'x')"),
                ('kontor.get("parties.party", 987654)',
                 "one_test.lua:2: there is no parties.party with id 987654 (not_found, id)"),
                ('given.user("anna", {"customers.boss"})',
                 "one_test.lua:2: no module has the role 'customers.boss'"),
                ("while true do end",
                 "one_test.lua:2: the rules of this request have used up their steps"),
                ("expect.same(1, 1)", "one_test.lua:2: expect has no 'same'"),
                ('rule{}', "one_test.lua:2: a test file holds tests alone: what comes into force "
                 "stands in a file whose name does not end in _test.lua"),
        ):
            with self.subTest(body):
                row = self.run_test(body)
                self.assertEqual((False, message), (row["ok"], row.get("message")))

    def test_world_of_a_test(self):
        before = self.counts()
        row = self.run_test("""
            given.clock("2026-02-28T09:00:00Z")
            expect.equal(kontor.today(), "2026-02-28")
            expect.equal(tostring(kontor.today() + 1), "2026-03-01")
            given.setting("house.grade", 7)
            expect.equal(kontor.setting("house.grade"), "7")
            given.setting("house.grade", "8")
            expect.equal(kontor.setting("house.grade"), "8")
            local made = when.create("parties.party", { kind = "company", name = "Evers" })
            expect.ok(made)
            expect.equal(made.id, made.answer.id)
            expect.event("parties.party.created", 1)
            -- Anna may read parties, not change them; the server may.
            given.user("anna", { "customers.user" })
            expect.fails(when.delete("parties.party", made.id), "denied")
            given.user("boss", { "system.admin" })
            given.user("anna")
            expect.fails(when.delete("parties.party", made.id), "denied")
            given.server()
            expect.ok(when.delete("parties.party", made.id))
            expect.equal(kontor.count("parties.party", { { "id", "=", made.id } }), 0)
            expect.equal(kontor.decimal("1.50"), "1.5")
            """)
        self.assertTrue(row["ok"], row)
        self.assertEqual(before, self.counts())

    def test_each_test_begins_anew(self):
        names = self.admin.call("rules.test", files={"two_test.lua": """
            for _, name in ipairs{ "first", "second" } do
                test(name, function()
                    expect.equal(kontor.setting("house.once"), nil)
                    given.setting("house.once", "yes")
                end)
            end"""})
        self.assertEqual((2, 0), (names["count"], names["failed"]))

    def test_each_test_begins_as_the_server(self):
        told = self.admin.call("rules.test", files={"leaves_test.lua": """
            test("the user leaves", function()
                given.user("anna", { "customers.user" })
                local anna = kontor.find("system.user", "name", "anna")
                kontor.update("system.user", anna.id, { active = false })
                when.create("parties.party", { kind = "company", name = "Evers" })
            end)
            test("the next one goes on", function()
                local id = given.record("parties.party", { kind = "company", name = "Evers" })
                expect.equal(kontor.get("parties.party", id).name, "Evers")
            end)"""})
        first, second = told["tests"]
        self.assertIn("no longer active", first["message"])
        self.assertTrue(second["ok"], second)

    def test_schedules_are_tested(self):
        nightly = """
            schedule{ name = "custom.nightly", daily = "02:00", run = function()
                kontor.create("parties.party", { kind = "company", name = "made at night" })
            end }"""
        row = self.run_test("""
            expect.ok(when.schedule("custom.nightly"))
            expect.event("parties.party.created", 1)""", **{"nightly.lua": nightly})
        self.assertTrue(row["ok"], row)

    def test_test_file_that_does_not_load_is_refused(self):
        with self.refused("invalid", field=self.ANY, rule="bad_test.lua") as caught:
            self.push({"bad_test.lua": "test('x', function()\nend"})
        self.assertIn("bad_test.lua:2:", caught.exception.message)
        with self.refused("invalid", field=self.ANY, rule="bad_test.lua"):
            self.admin.call("rules.test", files={"bad_test.lua": "rule{}"})

    def test_tests_through_the_command(self):
        self.write({"limit.lua": LIMIT, "limit_test.lua": LIMIT_TEST})
        self.assertEqual("2 tests passed\n", self.kontor("test", str(self.folder)))
        self.write({"limit.lua": HIGHER})
        done = self.server.kontor("rules", "test", str(self.folder))
        self.assertEqual((1, "beyond that it is refused: limit_test.lua:18: expected a denial by "
                          "rule house.limit, field credit_limit, found success\n"
                          "1 of 2 tests failed\n"), (done.returncode, done.stdout))
        told = self.kontor("push", str(self.folder), code=1)
        self.assertRegex(told, r"^kontor: 1 of 2 tests fail, so nothing was pushed \(.*\)\n"
                         r"  beyond that it is refused: limit_test\.lua:18: expected a denial by "
                         r"rule house\.limit, field credit_limit, found success\n$")
        self.assertEqual("0 tests passed\n", self.kontor("test"))
        self.kontor("push", str(self.folder), "--skip-tests")
        self.assertIn("not tested", self.kontor("log", "--limit", "1"))

    # --- Counts, and rules that disable themselves ---

    def rule(self, name):
        return next(rule for rule in self.admin.call("rules.list", counts=True)["rules"]
                    if rule["name"] == name)

    def test_counts_outlive_a_push(self):
        self.push({"count.lua": LIMIT.replace("house.limit", "house.counted")})
        self.customer("100")
        with self.refused("rule_denied", field="credit_limit", rule="house.counted"):
            self.customer("7000")
        self.assert_fields(self.rule("house.counted"), runs=2, denied=1, failed=0, changed=[],
                           state="on")
        # Dry runs and tests are not counted; another text of the rule goes on.
        party = self.admin.create("parties.party", kind="company", name="Evers")["id"]
        self.admin.call("record.create", entity="customers.customer",
                        values={"party": party}, dry_run=True)
        self.push({"count.lua": HIGHER.replace("house.limit", "house.counted"),
                   "count_test.lua": 'test("it", function() local p = given.record("parties.party",'
                   ' { kind = "company", name = "E" })\n'
                   'given.record("customers.customer", { party = p }) end)'})
        self.assert_fields(self.rule("house.counted"), runs=2, denied=1)
        self.customer("7000")
        self.assert_fields(self.rule("house.counted"), runs=3, denied=1)
        self.assertRegex(self.kontor("list", "--counts"),
                         r"house\.counted .* on +3 +1 +0 ")

    BREAKS = """
rule{
    on = "customers.customer.before_save", name = "%s", disable_after = 3,
    check = function(customer)
        if customer.note == "bad" then error("cannot cope") end
        if customer.note == "no" then kontor.deny("not so") end
    end,
}
"""

    def fail(self, rule, note="bad", code="rule_failed"):
        party = self.admin.create("parties.party", kind="company", name="Evers")["id"]
        with self.refused(code, field=self.ANY, rule=rule):
            self.admin.create("customers.customer", party=party, note=note)

    def test_rule_that_keeps_failing_is_disabled_with_an_alert(self):
        self.push({"breaks.lua": self.BREAKS % "house.breaks"})
        disabled = self.admin.call("system.stats")["rules_disabled"]
        event = self.admin.call("system.stats")["last_event"]
        # Given two failures, a run that went well and a denial: the row begins anew,
        self.fail("house.breaks")
        self.fail("house.breaks")
        self.customer()
        self.fail("house.breaks", "no", "rule_denied")
        self.fail("house.breaks")
        self.fail("house.breaks")
        self.assertEqual("on", self.rule("house.breaks")["state"])
        # when it fails the third time in a row,
        self.fail("house.breaks")
        # then it is disabled and everybody can see it,
        rule = self.rule("house.breaks")
        self.assert_fields(rule, state="disabled", failed=5, denied=1, disable_after=3)
        self.assertRegex(rule["last_error"], r"breaks\.lua:5: cannot cope")
        row, = self.admin.call("rules.list")["disabled"]
        self.assert_fields(row, rule="house.breaks", file="breaks.lua", failures=3)
        self.assertEqual(disabled + 1, self.admin.call("system.stats")["rules_disabled"])
        alert, = self.admin.call("event.read", **{"from": event + 1},
                                 topics=["rules.disabled"])["events"]
        self.assert_fields(alert["payload"], rule="house.breaks", failures=3)
        self.assertIn("rule house.breaks (breaks.lua) is disabled: it failed 3 times in a row",
                      self.server.log())
        self.assertIn("disabled", self.kontor("explain", "customers.customer.create"))
        # and does not run.
        party = self.admin.create("parties.party", kind="company", name="Evers")["id"]
        self.admin.create("customers.customer", party=party, note="bad")
        # Enabled, it runs again, until it fails as often again.
        self.assertEqual("house.breaks: enabled\n", self.kontor("enable", "house.breaks"))
        for _ in range(3):
            self.fail("house.breaks")
        self.assertEqual("disabled", self.rule("house.breaks")["state"])
        # A push of something else leaves it so, though a test of what it says passes; one of its
        # file enables it.
        self.push({"note.lua": NOTE, "breaks_test.lua": """
            test("it denies", function()
                local party = given.record("parties.party", { kind = "company", name = "E" })
                local made = when.create("customers.customer", { party = party, note = "no" })
                expect.denied(made, "house.breaks")
            end)"""})
        self.assertEqual("disabled", self.rule("house.breaks")["state"])
        self.push({"breaks.lua": self.BREAKS % "house.breaks" + "-- mended\n"})
        self.assertEqual("on", self.rule("house.breaks")["state"])
        with self.refused("not_found", field="rule"):
            self.admin.call("rules.enable", rule="house.breaks")

    def test_disabled_survives_a_restart(self):
        server = Server().start()
        self.addCleanup(server.close)
        admin = server.connect()
        admin.call("rules.push", files={"breaks.lua": """
            rule{ on = "system.setting.before_create", name = "house.once", disable_after = 1,
                  check = function(setting) error("never") end }"""})
        with self.refused("rule_failed", field=self.ANY, rule="house.once"):
            admin.create("system.setting", name="a", value="b")
        admin.create("system.setting", name="a", value="b")
        server.stop()
        admin = server.start().connect()
        rule, = admin.call("rules.list")["rules"]
        self.assertEqual("disabled", rule["state"])
        admin.create("system.setting", name="c", value="d")

    def disabled(self):
        return [row["rule"] for row in self.admin.call("rules.list")["disabled"]]

    def disabled_events(self, after):
        told = self.admin.call("event.read", **{"from": after + 1}, topics=["rules.disabled"])
        return [event["payload"]["rule"] for event in told["events"]]

    def test_push_of_tests_leaves_disabled_what_is(self):
        self.push({"breaks.lua": self.BREAKS % "house.broken", "note.lua": NOTE})
        for _ in range(3):
            self.fail("house.broken")
        runs = self.rule("house.note")["runs"]
        # When a file of tests without a test comes,
        self.push({"empty_test.lua": "-- none yet\n"})
        # then the rule stays disabled, and the others are counted as before.
        party = self.admin.create("parties.party", kind="company", name="Evers")["id"]
        self.admin.create("customers.customer", party=party, note="bad")
        self.assertEqual("disabled", self.rule("house.broken")["state"])
        self.assertEqual(runs + 1, self.rule("house.note")["runs"])

    ENDLESS = """
rule{
    on = "customers.customer.before_save", name = "house.endless", disable_after = 1,
    check = function(customer) if customer.note == "bad" then while true do end end end,
}
handler{
    on = "rules.disabled", name = "house.alarm", as = "system.admin", disable_after = 1,
    run = function(event) %s end,
}
"""

    def test_who_listens_hears_of_a_rule_that_used_up_its_steps(self):
        self.push({"endless.lua": self.ENDLESS % """
            kontor.create("parties.party", { kind = "company", name = event.payload.rule })"""})
        event = self.admin.call("system.stats")["last_event"]
        self.fail("house.endless")
        self.assertEqual(["house.endless"], self.disabled_events(event))
        self.assertEqual(1, len(self.admin.search("parties.party",
                                                  ("name", "=", "house.endless"))))

    def test_event_tells_it_though_who_listens_fails(self):
        for body in ('error("deaf")', "while true do end"):
            self.push({"endless.lua": self.ENDLESS % body})
            event = self.admin.call("system.stats")["last_event"]
            self.fail("house.endless")
            self.customer()
            # The handler has failed once, and that was once too often.
            self.assertEqual(["house.alarm", "house.endless"], self.disabled())
            self.assertEqual(["house.endless", "house.alarm"], self.disabled_events(event))
            self.empty()

    def test_failures_do_not_count_for_the_mended_rule(self):
        self.push({"breaks.lua": self.BREAKS % "house.mended"})
        self.fail("house.mended")
        self.fail("house.mended")
        # A dry run mends nothing,
        mended = {"breaks.lua": self.BREAKS % "house.mended" + "-- better\n"}
        self.admin.call("rules.push", files=mended, dry_run=True)
        self.admin.call("rules.test", files=mended)
        self.fail("house.mended")
        self.assertEqual(["house.mended"], self.disabled())
        self.admin.call("rules.enable", rule="house.mended")
        self.fail("house.mended")
        self.fail("house.mended")
        # a push does: two more failures are not yet three in a row.
        self.push(mended)
        self.fail("house.mended")
        self.fail("house.mended")
        self.assertEqual([], self.disabled())
        # So does the way back.
        self.admin.call("rules.rollback")
        self.fail("house.mended")
        self.assertEqual([], self.disabled())

    def test_removed_rule_is_not_disabled(self):
        self.push({"asks.lua": """
            method{ name = "custom.asks", disable_after = 2, run = function() error("no") end }"""})
        # Readers do not write: it is due with the next change, which is that it goes.
        for _ in range(2):
            with self.refused("rule_failed", field=self.ANY, rule="custom.asks"):
                self.admin.call("custom.asks")
        self.admin.call("rules.remove", name="asks.lua")
        self.customer()
        self.assertEqual([], self.disabled())

    def test_names_that_never_come_into_force_are_not_counted(self):
        # More names than are ever counted, none of them pushed,
        rule = 'rule{ on = "parties.party.after_delete", name = "house.r%d", check = print }\n'
        for start in range(0, 21000, 1000):
            files = {"many.lua": "".join(rule % (start + i) for i in range(1000))}
            self.admin.call("rules.test", files=files)
        # leave room for those that do.
        self.push({"note.lua": NOTE.replace("house.note", "house.late")})
        self.customer()
        self.assertEqual(1, self.rule("house.late")["runs"])

    # --- Explain ---

    def test_explain(self):
        self.push({"limit.lua": LIMIT, "note.lua": NOTE, "more.lua": """
            rule{ on = "customers.customer.before_create", name = "house.first", priority = 10,
                  as = "system.admin", check = function(customer) customer.note = "first" end }
            rule{ on = "customers.customer.before_create", name = "house.second",
                  check = function(customer) customer.note = "second" end }
            handler{ on = "customers.customer.created", name = "house.heard",
                     run = function(event) end }"""})
        self.customer()
        told = self.admin.call("rules.explain", of="customers.customer.create")
        steps = [(step["step"], step["name"]) for step in told["steps"]]
        self.assertEqual([
            ("before", "house.first"), ("before", "house.limit"), ("before", "house.second"),
            ("stored", "customers.customer"), ("event", "customers.customer.created"),
            ("handler", "house.heard"), ("after", "house.note")],
            [step for step in steps if step[0] not in ("hook", "computed")])
        self.assertEqual(list(range(1, len(steps) + 1)), [step["number"] for step in told["steps"]])
        first = next(step for step in told["steps"] if step["name"] == "house.first")
        self.assert_fields(first, priority=10, file="more.lua", line=2, **{"as": "system.admin"},
                           changed=["note"], state="on")
        self.assertEqual([
            {"what": "field", "field": "note", "rules": ["house.first", "house.second"]},
            {"what": "priority", "priority": 50, "rules": ["house.limit", "house.second"]}],
            told["conflicts"])
        text = self.kontor("explain", "customers.customer.create")
        self.assertRegex(text, r"\n +\d+  before     house\.first  priority 10, more\.lua:2, as "
                         r"system\.admin\n")
        self.assertIn("same field note: house.first, house.second\n", text)
        with self.refused("not_found", field="of"):
            self.admin.call("rules.explain", of="customers.customer.explode")
        topic = self.admin.call("rules.explain", of="customers.customer.created")["steps"]
        self.assertEqual(["event", "handler"], [step["step"] for step in topic])

    # --- Trace ---

    def test_trace(self):
        self.push({"limit.lua": LIMIT, "fill.lua": """
            rule{ on = "customers.customer.before_create", name = "house.fill", priority = 10,
                  check = function(customer) customer.note = "filled" end }"""})
        begun = self.admin.call("rules.trace")
        self.assertEqual([], begun["turns"])
        made = self.customer()["id"]
        with self.refused("rule_denied", field="credit_limit", rule="house.limit"):
            self.admin.update("customers.customer", made, credit_limit="9000")
        turns = self.admin.call("rules.trace", after=begun["next"])["turns"]
        self.assertEqual([("house.fill", "before_create", "changed"),
                          ("house.limit", "before_create", "passed"),
                          ("house.limit", "before_update", "denied")],
                         [(turn["rule"], turn["moment"], turn["outcome"]) for turn in turns])
        self.assert_fields(turns[0], user="admin", file="fill.lua", line=2, fields=["note"],
                           entity="customers.customer")
        self.assert_fields(turns[2], id=made, message="the limit ends at 5000")
        only = self.admin.call("rules.trace", after=begun["next"], rule="house.fill")
        self.assertEqual(["house.fill"], [turn["rule"] for turn in only["turns"]])
        lines = self.kontor("trace", "--after", str(begun["next"]), "--seconds", "1",
                            "--rule", "house.limit").splitlines()
        self.assertEqual(2, len(lines), lines)
        self.assertRegex(lines[1], r"Z  admin  house\.limit  before_update  customers\.customer "
                         rf"{made}  denied  \d+ us: the limit ends at 5000$")

    # --- Try ---

    GRADES = """
        rule{ on = "customers.customer.before_save", name = "house.grade",
              check = function(customer) customer.note = "graded" end }
        rule{ on = "customers.customer.before_delete", name = "house.keep",
              check = function(customer) kontor.deny("customers are kept") end }"""

    def test_try(self):
        self.push({"limit.lua": LIMIT})
        made = self.customer()["id"]
        before = self.admin.get("customers.customer", made)
        event = self.admin.call("system.stats")["last_event"]
        # What the files' rules would do to this customer,
        told = self.admin.call("rules.try", files={"grade.lua": self.GRADES},
                               entity="customers.customer", id=made)
        update, delete = told["outcomes"]
        self.assertEqual(("update", True), (update["moment"], update["ok"]))
        change, = update["preview"]["changes"]
        self.assertEqual((None, "graded"), (change["before"].get("note"), change["after"]["note"]))
        self.assertEqual([("house.grade", "changed"), ("house.limit", "passed")],
                         [(rule["rule"], rule["outcome"]) for rule in update["preview"]["rules"]])
        self.assertEqual(("delete", False), (delete["moment"], delete["ok"]))
        self.assert_fields(delete["error"], code="rule_denied", rule="house.keep",
                           message="customers are kept")
        # of which nothing is kept: neither the record nor the rules.
        self.assertEqual(before, self.admin.get("customers.customer", made))
        self.assertEqual(event, self.admin.call("system.stats")["last_event"])
        self.assertEqual(["limit.lua"], [file["name"] for file in
                                         self.admin.call("rules.list")["files"]])
        # One moment of those in force; what cannot be tried is said.
        told = self.admin.call("rules.try", entity="customers.customer", id=made, moment="save")
        self.assertEqual(["house.limit"], [rule["rule"] for rule in
                                           told["outcomes"][0]["preview"]["rules"]])
        with self.refused("invalid", field="moment"):
            self.admin.call("rules.try", entity="customers.customer", id=made, moment="create")
        with self.refused("invalid", field="entity"):
            self.admin.call("rules.try", entity="parties.party", id=1)
        with self.refused("invalid", field=self.ANY, rule="grade.lua"):
            self.admin.call("rules.try", files={"grade.lua": "rule{"},
                            entity="customers.customer", id=made)

    def test_dry_runs(self):
        # What is undone anyway can be asked as a dry run, too: it would change nothing.
        made = self.customer()["id"]
        files = {"limit.lua": LIMIT, "limit_test.lua": LIMIT_TEST}
        for method, more in (("rules.test", {}), ("rules.push", {}),
                             ("rules.try", {"entity": "customers.customer", "id": made})):
            with self.subTest(method):
                told = self.admin.call(method, files=files, dry_run=True, **more)
                self.assertEqual(([], []), (told["changes"], told["events"]))
        self.assertEqual(self.start, self.admin.call("rules.list")["revision"])

    def test_try_through_the_command(self):
        self.write({"grade.lua": self.GRADES})
        made = self.customer()["id"]
        told = self.kontor("try", str(self.folder), "--on", f"customers.customer/{made}")
        self.assertIn("== update\ndry run: nothing was kept\n", told)
        self.assertRegex(told, r"note +graded\n")
        self.assertIn("house.grade (grade.lua)  before_update", told)
        self.assertIn("== delete\nrefused: customers are kept (rule_denied, rule house.keep)\n",
                      told)
        self.assertIn("--on ENTITY/ID", self.kontor("try", str(self.folder), code=2))


MINIMUM = """\
rule{
    on = "sales.order.before_confirm",
    name = "house.minimum_order",
    check = function(order)
        if order.net < kontor.decimal("50") then
            kontor.deny("orders start at 50.00", { field = "net" })
        end
    end,
}
"""
MINIMUM_TEST = """\
local function order(price)
    local party = given.record("parties.party", { kind = "company", name = "Evers" })
    local customer = given.record("customers.customer", { party = party })
    return given.record("sales.order", { customer = customer, lines = {
        { text = "Beam", quantity = "1", price = price } } })
end

test("an order of 50.00 is large enough", function()
    given.user("anna", { "sales.user" })
    expect.ok(when.call("sales.order.confirm", { id = order("50.00") }))
end)

test("one of 49.99 is refused", function()
    given.user("anna", { "sales.user" })
    local id = order("49.99")
    expect.denied(when.call("sales.order.confirm", { id = id }), "house.minimum_order", "net")
    expect.record("sales.order", id, { state = "draft", lines = { { price = "49.99" } } })
end)
"""


class FirstRule(KontorCase):
    """A consultant's first rule, with the command alone; test_rules_readme.py tells how soon."""
    MODULES = tuple(module for module in ALL_MODULES if module != "inventory")

    def kontor(self, *words):
        done = self.server.kontor(*words)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def test_live_and_back_with_one_command(self):
        party = self.admin.create("parties.party", kind="company", name="Evers")["id"]
        customer = self.admin.create("customers.customer", party=party)["id"]
        order = self.admin.create("sales.order", customer=customer, lines=[
            {"text": "Beam", "quantity": "1", "price": "49.99"}])["id"]
        with tempfile.TemporaryDirectory() as folder:
            rules = pathlib.Path(folder)
            (rules / "minimum.lua").write_text(MINIMUM, encoding="utf-8")
            (rules / "minimum_test.lua").write_text(MINIMUM_TEST, encoding="utf-8")
            self.assertEqual("2 tests passed\n", self.kontor("rules", "test", folder))
            told = self.kontor("rules", "try", folder, "--on", f"sales.order/{order}")
            self.assertIn("refused: orders start at 50.00", told)
            told = self.kontor("rules", "push", folder, "--note", "as agreed")
        self.assertTrue(told.endswith("2 tests passed\nrevision 1\n"), told)
        with self.refused("rule_denied", field="net", rule="house.minimum_order"):
            self.admin.call("sales.order.confirm", id=order)
        self.assertEqual("minimum.lua: removed\nminimum_test.lua: removed\nrevision 2\n",
                         self.kontor("rules", "rollback"))
        self.assertEqual("confirmed",
                         self.admin.call("sales.order.confirm", id=order)["state"])


if __name__ == "__main__":
    main()
