#!/usr/bin/python3
"""Business rules as a consultant meets them: pushed, changed, broken, endless, removed; the server
never restarts and never stumbles.
"""
import pathlib
import re
import tempfile

from kontor_test import ALL_MODULES, RULES, KontorCase, KontorError, main

NOTE_RULE = """\
-- An order carries a note.
rule{
    on = "sales.order.before_confirm",
    name = "house.note",
    check = function(order)
        if not order.note then
            kontor.deny("an order needs a note", { field = "note", message_zh = "订单须有备注" })
        end
    end,
}
"""


class Rules(KontorCase):
    MODULES = tuple(module for module in ALL_MODULES if module != "inventory")
    USERS = {"anna": ["sales.user"], "max": ["sales.manager"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        party = cls.admin.create("parties.party", kind="company", name="Evers Metallbau")
        cls.party = party["id"]
        cls.customer = cls.admin.create("customers.customer", party=party["id"],
                                        credit_limit="1000.00")["id"]

    def setUp(self):
        self.addCleanup(self.remove_all)

    def remove_all(self):
        for file in {rule["file"] for rule in self.rules() if rule["source"] == "pushed"}:
            self.admin.call("rules.remove", name=file)

    def rules(self):
        return self.admin.call("rules.list")["rules"]

    def names(self):
        return sorted(rule["name"] for rule in self.rules())

    def push(self, text, name="house_note.lua", **more):
        return self.admin.call("rules.push", files={name: text}, **more)

    def order(self, client=None, discount="0", price="100.00", **values):
        return (client or self.anna).create("sales.order", customer=self.customer, lines=[
            {"text": "Steel beam", "quantity": "1", "price": price, "discount": discount}],
            **values)["id"]

    def confirm(self, order, client=None):
        """Without keeping it, so that an order serves several times."""
        preview = (client or self.anna).call("sales.order.confirm", id=order, dry_run=True)
        return preview["result"]["state"]

    def test_push_and_push_again(self):
        order = self.order()
        self.assertEqual("confirmed", self.confirm(order))
        # Pushed, the rule refuses;
        self.push(NOTE_RULE)
        with self.refused("rule_denied", field="note", rule="house.note") as caught:
            self.confirm(order)
        self.assertEqual("an order needs a note", caught.exception.message)
        self.assertEqual("订单须有备注", caught.exception.message_zh)
        # changed and pushed again, it asks for something else;
        self.push(NOTE_RULE.replace("not order.note", 'order.total > kontor.decimal("500")'))
        self.assertEqual("confirmed", self.confirm(order))
        with self.refused("rule_denied", field="note", rule="house.note"):
            self.confirm(self.order(price="500.01"))
        # removed, it is gone.
        self.admin.call("rules.remove", name="house_note.lua")
        self.assertEqual("confirmed", self.confirm(self.order(price="500.01")))
        self.assertEqual([], self.names())

    def test_listed_with_file_and_moment(self):
        self.push(NOTE_RULE)
        rule, = self.rules()
        self.assert_fields(rule, name="house.note", on="sales.order.before_confirm",
                           file="house_note.lua", source="pushed")

    def test_rule_sees_the_change_of_its_own_request(self):
        self.push(NOTE_RULE)
        order = self.order()
        self.anna.update("sales.order", order, note="as agreed by phone")
        self.assertEqual("confirmed", self.confirm(order))

    def test_rule_fills_a_field(self):
        self.push("""
            rule{
                on = "sales.order.before_create",
                name = "house.reference",
                check = function(order)
                    if not order.reference then
                        order.reference = "by phone"
                    end
                end,
            }""")
        self.assertEqual("by phone", self.anna.get("sales.order", self.order())["reference"])
        order = self.order(reference="PO 77")
        self.assertEqual("PO 77", self.anna.get("sales.order", order)["reference"])

    def test_rule_may_not_touch_what_the_server_computes(self):
        self.push("""
            rule{
                on = "sales.order.before_create",
                name = "house.cheat",
                check = function(order)
                    order.total = "1.00"
                end,
            }""")
        before = self.admin.count("sales.order")
        with self.refused("rule_failed", field=self.ANY, rule="house.cheat"):
            self.order()
        self.assertEqual(before, self.admin.count("sales.order"))

    def test_broken_rule_is_refused_with_its_place(self):
        # Given a rule in force,
        self.push(NOTE_RULE)
        order = self.order()
        broken = {
            "syntax": "rule{\n    on = = 1,\n}\n",
            "fails when loaded": "local x = nil\nlocal y = x.name\n",
            "no such entity": NOTE_RULE.replace("sales.order", "sales.spaceship"),
            "no such moment": NOTE_RULE.replace("before_confirm", "before_explode"),
            "no check": 'rule{ on = "sales.order.before_confirm", name = "house.x" }\n',
            "no name": NOTE_RULE.replace('name = "house.note",', ""),
        }
        for what, text in broken.items():
            # when a broken one is pushed together with a good one,
            with self.subTest(what), self.assertRaises(Exception) as caught:
                self.admin.call("rules.push", files={
                    "a_good.lua": NOTE_RULE.replace("house.note", "house.good"),
                    "broken.lua": text})
            # then it is refused, naming the file,
            error = caught.exception
            self.assertEqual("invalid", error.code, error)
            self.assertIn("broken.lua", f"{error.rule} {error.field} {error.message}")
            # and neither is in force, while the rule from before is.
            self.assertEqual(["house.note"], self.names())
            with self.refused("rule_denied", field="note", rule="house.note"):
                self.confirm(order)

    def test_broken_rule_names_the_line(self):
        for text, line in (("rule{\n    on = = 1,\n}\n", 2),
                           ("local x = nil\n\nlocal y = x.name\n", 3)):
            with self.subTest(text), self.assertRaises(Exception) as caught:
                self.push(text, "broken.lua")
            self.assertRegex(caught.exception.message, rf"broken\.lua.*\b{line}\b")

    def test_bad_file_names(self):
        for name in ("rule.txt", "../escape.lua", "/etc/rule.lua", ".lua", "", "sp ace.lua"):
            with self.subTest(name), self.refused("invalid", field="files"):
                self.push(NOTE_RULE, name)
        with self.refused("not_found", field="name"):
            self.admin.call("rules.remove", name="never_pushed.lua")

    def test_rule_that_fails_names_itself_and_its_line(self):
        self.push('rule{\n    on = "sales.order.before_confirm",\n    name = "house.faulty",\n'
                  "    check = function(order)\n        local x = nil\n"
                  "        return x.name\n    end,\n}\n", "faulty.lua")
        order = self.order()
        with self.refused("rule_failed", field=self.ANY, rule="house.faulty") as caught:
            self.anna.call("sales.order.confirm", id=order)
        self.assertRegex(caught.exception.message, r"faulty\.lua.*\b6\b")
        self.assertEqual("draft", self.anna.get("sales.order", order)["state"])

    def endless(self, body):
        self.push('rule{\n    on = "sales.order.before_confirm",\n    name = "house.endless",\n'
                  f"    check = function(order)\n        {body}\n    end,\n}}\n", "endless.lua")
        order = self.order()
        for _ in range(3):
            with self.refused("rule_failed", field=self.ANY, rule="house.endless"):
                self.anna.call("sales.order.confirm", id=order)
            # The server lives on, and others' requests with it.
            self.assertEqual("draft", self.max.get("sales.order", order)["state"])
            self.assertIn("version", self.admin.call("system.ping"))
        self.admin.call("rules.remove", name="endless.lua")
        self.assertEqual("confirmed", self.confirm(order))

    def test_endless_loop(self):
        self.endless("while true do end")

    def test_endless_loop_that_catches_errors(self):
        self.endless("while true do pcall(function() while true do end end) end")

    def test_endless_recursion(self):
        self.endless("local function f() return 1 + f() end return f()")

    def test_endless_memory(self):
        self.endless('local t = {} for i = 1, math.huge do t[i] = ("x"):rep(100000) .. i end')

    def test_endless_pattern(self):
        # A budget of steps alone does not see the time inside one library call.
        self.endless('local s = ("a"):rep(100000) while true do s:find(".-.-.-.-.-.-b") end')

    def test_joining_decimals_at_any_depth_of_the_stack(self):
        # Lua 5.4.4 goes on with a pointer into the old stack when a __concat made the stack grow.
        self.push("""
            local function join(depth, number)
                if depth == 0 then
                    return "a " .. number .. " b"
                end
                local text = join(depth - 1, number)
                return text
            end
            rule{
                on = "sales.order.before_confirm",
                name = "house.join",
                check = function(order)
                    for depth = 1, 150 do
                        if join(depth, kontor.decimal("1.5")) ~= "a 1.5 b" then
                            kontor.deny("wrong at " .. depth)
                        end
                    end
                end,
            }""")
        self.assert_right_or_refused("house.join")

    def assert_right_or_refused(self, rule):
        """A rule that would deny what is wrong: refusing to join at all is as good as right."""
        order = self.order()
        for _ in range(20):
            try:
                self.assertEqual("confirmed", self.confirm(order))
            except KontorError as error:
                self.assertEqual(("rule_failed", rule), (error.code, error.rule), error)
        self.assertIn("version", self.admin.call("system.ping"))

    def test_metamethod_that_grows_the_stack_while_joining(self):
        self.push("""
            rule{
                on = "sales.order.before_confirm",
                name = "house.grow",
                check = function(order)
                    local function deep(n)
                        if n == 0 then return 0 end
                        return 1 + deep(n - 1)
                    end
                    local odd = setmetatable({}, { __concat = function()
                        deep(150)
                        return "joined"
                    end })
                    if "a " .. odd .. " b" ~= "joined" then
                        kontor.deny("wrong")
                    end
                end,
            }""")
        self.assert_right_or_refused("house.grow")

    def test_rule_reaches_nothing_else(self):
        order = self.order()
        for name in ("io", "os", "require", "load", "loadstring", "dofile", "loadfile", "debug",
                     "package", "collectgarbage", "coroutine", "_G", "_ENV.io"):
            self.push('rule{ on = "sales.order.before_confirm", name = "house.reach", check = '
                      f'function() local x = {name} kontor.deny("reached it") end }}\n')
            with self.subTest(name), self.refused("rule_failed", field=self.ANY,
                                                  rule="house.reach"):
                self.confirm(order)

    def test_files_do_not_share_globals(self):
        # What one file leaves lying about, another does not find,
        reader = NOTE_RULE.replace("not order.note", "secret")
        self.admin.call("rules.push", files={"a.lua": 'secret = "mine"\n', "b.lua": reader})
        order = self.order()
        with self.refused("rule_failed", field=self.ANY, rule="house.note"):
            self.confirm(order)
        # and a rule keeps nothing from one request for the next.
        self.push(NOTE_RULE.replace("not order.note", "seen").replace(
            "        end\n", "        end\n        seen = true\n", 1), "b.lua")
        for _ in range(2):
            with self.refused("rule_failed", field=self.ANY, rule="house.note"):
                self.confirm(order)

    def test_replace_and_folder_of_examples(self):
        self.push(NOTE_RULE)
        self.admin.push_rules(RULES, replace=True)
        names = self.names()
        self.assertNotIn("house.note", names)
        for name in ("custom.contract_fee", "sales.credit_limit", "sales.discount_approval"):
            self.assertIn(name, names)

    # --- The example rules, and the README about them ---

    def test_rule_printed_in_the_readme(self):
        text = (RULES / "README.md").read_text(encoding="utf-8")
        printed, = (block for block in re.findall(r"```lua\n(.*?)```", text, re.DOTALL)
                    if "house.minimum_order" in block)
        self.push(printed, "minimum_order.lua")
        self.assertEqual("confirmed", self.confirm(self.order(price="50.00")))
        with self.refused("rule_denied", field="net", rule="house.minimum_order"):
            self.confirm(self.order(price="49.99"))

    def test_discount_needs_the_manager(self):
        self.admin.push_rules(RULES / "sales_discount.lua")
        # Up to 10 % a salesperson decides,
        self.assertEqual("confirmed", self.confirm(self.order(discount="10")))
        order = self.order(discount="10.0001")
        with self.refused("rule_denied", field="discount_max", rule="sales.discount_approval"):
            self.confirm(order)
        # above it a manager: by confirming,
        self.assertEqual("confirmed", self.confirm(order, self.max))
        # or by approving exactly what was agreed.
        self.max.call("sales.order.approve", id=order)
        self.assertEqual("confirmed", self.confirm(order))
        lines = self.anna.get("sales.order", order)["lines"]
        self.anna.update("sales.order", order, lines=[{**lines[0], "discount": "50"}])
        with self.refused("rule_denied", field="discount_max", rule="sales.discount_approval"):
            self.confirm(order)

    def test_discount_limit_is_a_setting(self):
        self.admin.push_rules(RULES / "sales_discount.lua")
        order = self.order(discount="12.5")
        with self.refused("rule_denied", field="discount_max", rule="sales.discount_approval"):
            self.confirm(order)
        setting = self.admin.create("system.setting", name="sales.discount_limit", value="12.5")
        self.assertEqual("confirmed", self.confirm(order))
        self.admin.update("system.setting", setting["id"], value="12")
        with self.refused("rule_denied", field="discount_max", rule="sales.discount_approval"):
            self.confirm(order)
        self.admin.call("record.delete", entity="system.setting", id=setting["id"])

    def test_credit_limit(self):
        # The limit is 1000.00 and nothing is owed: that much may be ordered, a cent more not.
        self.admin.push_rules(RULES / "sales_credit_limit.lua")
        self.assertEqual("confirmed", self.confirm(self.order(price="1000.00")))
        order = self.order(price="1000.01")
        with self.refused("rule_denied", field="total", rule="sales.credit_limit"):
            self.confirm(order)
        # An invoice of 400.00 leaves 600.00.
        invoice = self.admin.create("finance.invoice", party=self.party, lines=[
            {"text": "Repair", "quantity": "1", "price": "400.00"}])
        self.admin.call("finance.invoice.post", id=invoice["id"])
        self.assertEqual("confirmed", self.confirm(self.order(price="600.00")))
        with self.refused("rule_denied", field="total", rule="sales.credit_limit"):
            self.confirm(self.order(price="600.01"))
        self.admin.call("finance.invoice.cancel", id=invoice["id"])
        self.assertEqual("confirmed", self.confirm(self.order(price="1000.00")))
        # Without a limit, any amount.
        self.admin.update("customers.customer", self.customer, credit_limit=None)
        self.addCleanup(self.admin.update, "customers.customer", self.customer,
                        credit_limit="1000.00")
        self.assertEqual("confirmed", self.confirm(order))

    # --- Rules and the server's life ---

    def test_rules_survive_a_restart(self):
        self.push(NOTE_RULE)
        order = self.order()
        self.restart()
        self.assertEqual(["house.note"], self.names())
        with self.refused("rule_denied", field="note", rule="house.note"):
            self.confirm(order)

    def restart(self):
        cls = type(self)
        for name in ("admin", *self.USERS):
            getattr(cls, name).close()
        self.server.stop()
        self.server.start()
        cls.admin = self.server.connect()
        for name in self.USERS:
            setattr(cls, name, self.server.connect(name, f"{name}-long-password"))

    def test_dry_push_changes_nothing(self):
        self.push(NOTE_RULE, dry_run=True)
        self.assertEqual([], self.names())
        self.assertEqual("confirmed", self.confirm(self.order()))

    def test_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "house_note.lua"
            file.write_text(NOTE_RULE, encoding="utf-8")
            done = self.server.kontor("rules", "push", str(file))
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertIn("house.note", self.server.kontor("rules", "list").stdout)
            file.write_text("rule{", encoding="utf-8")
            done = self.server.kontor("rules", "push", str(file))
            self.assertEqual(1, done.returncode)
            self.assertTrue(re.search(r"house_note\.lua", done.stderr), done.stderr)
        self.assertEqual(["house.note"], self.names())
        self.assertEqual(0, self.server.kontor("rules", "remove", "house_note.lua").returncode)
        self.assertEqual([], self.names())


if __name__ == "__main__":
    main()
