#!/usr/bin/python3
"""What rules can do beyond checks, through the real server: methods, handlers, events, schedules,
fields that compute, numberings, other methods, and the rights they have.
"""
import threading
import time

from kontor_test import ALL_MODULES, KontorCase, main

METHODS = """
method{
    name = "custom.debtors", label = { "Debtors", "债务人" }, as = "system.admin",
    params = { { name = "above", type = "money", required = true } },
    run = function(params)
        local names = {}
        for _, customer in ipairs(kontor.search("customers.customer",
                {{ "credit_limit", ">", params.above }}, { order = "id" })) do
            names[#names + 1] = customer.name
        end
        return { names = names, above = params.above, day = kontor.today(),
                 orders = kontor.count("sales.order", {{ "state", "=", "draft" }}) }
    end,
}
method{
    name = "custom.order_for", writes = true,
    params = { { name = "customer", type = "ref", to = "customers.customer", required = true } },
    run = function(params)
        local id = kontor.create("sales.order", { customer = params.customer,
            lines = { { text = "Beam", quantity = 2, price = "10.00" } } })
        local order = kontor.call("sales.order.confirm", { id = id })
        return { id = id, state = order.state, total = order.total }
    end,
}
method{ name = "custom.forever", run = function() return kontor.call("custom.forever") end }
"""

EVENTS = """
event{ name = "custom.large_order", label = { "Large order", "大额订单" } }
field{ entity = "sales.order", name = "x_heard", type = "text", readonly = true }
handler{
    on = "sales.order.created", name = "house.large", as = "system.admin",
    run = function(event)
        if event.record.total >= kontor.decimal("1000") then
            kontor.emit("custom.large_order", { entity = event.entity, id = event.id,
                                                total = event.record.total })
        end
    end,
}
handler{
    on = "custom.large_order", name = "house.heard", as = "system.admin",
    run = function(event)
        kontor.update("sales.order", event.id, { x_heard = "total " .. event.payload.total })
    end,
}
"""


class Language(KontorCase):
    MODULES = tuple(module for module in ALL_MODULES if module != "inventory")
    USERS = {"anna": ["sales.user", "custom.user"], "max": ["sales.manager"],
             "nina": ["custom.user"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        party = cls.admin.create("parties.party", kind="company", name="Evers Metallbau")
        cls.customer = cls.admin.create("customers.customer", party=party["id"],
                                        credit_limit="1000.00")["id"]

    def setUp(self):
        self.addCleanup(self.remove_all)

    def remove_all(self):
        for file in self.admin.call("rules.list")["files"]:
            self.admin.call("rules.remove", name=file["name"])

    def push(self, text, name="house.lua"):
        return self.admin.call("rules.push", files={name: text})

    def order(self, price="100.00", **values):
        return self.anna.create("sales.order", customer=self.customer, lines=[
            {"text": "Steel beam", "quantity": "1", "price": price}], **values)

    def test_methods_read_and_write(self):
        self.push(METHODS)
        answer = self.anna.call("custom.debtors", above="500")
        self.assertEqual(["Evers Metallbau"], answer["names"])
        self.assertEqual("500.00", answer["above"])
        self.assertRegex(answer["day"], r"^\d{4}-\d\d-\d\d$")
        made = self.anna.call("custom.order_for", customer=self.customer)
        self.assertEqual(("confirmed", self.anna.get("sales.order", made["id"])["total"]),
                         (made["state"], made["total"]))
        # What ran beside the writer counts, too.
        counted = self.admin.call("system.stats")["rules"]
        self.anna.call("custom.debtors", above="500")
        self.assertEqual(counted + 1, self.admin.call("system.stats")["rules"])
        # The parameters are checked, and the right is asked for.
        with self.refused("invalid", field="above"):
            self.anna.call("custom.debtors", above="much")
        with self.refused("denied", field="custom.debtors"):
            self.max.call("custom.debtors", above="1")
        # It is described as built-in methods are, and takes the words of its kind.
        described = {m["name"]: m for m in self.admin.call("system.describe")["methods"]}
        self.assertTrue(described["custom.order_for"]["writes"])
        self.assertFalse(described["custom.debtors"]["writes"])
        before = self.admin.count("sales.order")
        self.anna.call("custom.order_for", customer=self.customer, dry_run=True)
        self.assertEqual(before, self.admin.count("sales.order"))

    def test_a_method_may_not_do_more_than_its_caller(self):
        self.push(METHODS.replace('as = "system.admin",', ""))
        with self.refused("denied", field=self.ANY, rule="custom.debtors") as caught:
            self.nina.call("custom.debtors", above="500")
        self.assertIn("nina", caught.exception.message)
        with self.refused("denied", field=self.ANY, rule="custom.order_for"):
            self.nina.call("custom.order_for", customer=self.customer)

    def test_a_method_without_end_ends(self):
        self.push(METHODS)
        with self.refused("too_large", rule="custom.forever"):
            self.anna.call("custom.forever")
        self.assertTrue(self.anna.call("system.ping"))

    def test_methods_read_side_by_side(self):
        self.push(METHODS)
        failures = []

        def ask():
            client = self.server.connect("anna", "anna-long-password")
            for _ in range(50):
                if client.call("custom.debtors", above="500")["names"] != ["Evers Metallbau"]:
                    failures.append("wrong answer")
            client.close()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(5):  # The registry is swapped under them meanwhile.
            self.push(METHODS + f"-- {_}\n")
        for thread in threads:
            thread.join()
        self.assertEqual([], failures)

    def test_handlers_and_events(self):
        self.push(EVENTS)
        small, large = self.order(), self.order(price="1500.00")
        self.assertIsNone(self.admin.get("sales.order", small["id"]).get("x_heard"))
        heard = self.admin.get("sales.order", large["id"])
        self.assertEqual("total " + heard["total"], heard["x_heard"])
        events = self.admin.call("event.read", topics=["custom.large_order"])["events"]
        self.assertEqual([large["id"]], [event["id"] for event in events])
        self.assertEqual(heard["total"], events[0]["payload"]["total"])
        # What nobody declared cannot be announced, nor what modules announce.
        for topic in ("custom.other", "sales.order.confirmed"):
            self.push(EVENTS.replace('kontor.emit("custom.large_order"', f'kontor.emit("{topic}"'))
            with self.refused("rule_failed", rule="house.large"):
                self.order(price="1500.00")

    def test_fields_compute_and_default(self):
        self.push("""
field{ entity = "sales.order", lines = "lines", name = "x_twice", type = "quantity",
       compute = function(line) return line.quantity * 2 end }
field{ entity = "sales.order", name = "x_units", type = "quantity", compute = function(order)
    local sum = kontor.decimal(0)
    for _, line in ipairs(order.lines) do sum = sum + line.x_twice end
    return sum
end }
field{ entity = "sales.order", name = "x_ship", type = "date",
       default = function(order) return order.date + 14 end }
""")
        order = self.order()
        self.assertEqual("2", order["x_units"])
        self.assertEqual("2", order["lines"][0]["x_twice"])
        day = self.admin.call("record.get", entity="sales.order", id=order["id"])
        self.assertGreater(day["x_ship"], day["date"])
        given = self.order(x_ship="2030-01-01")
        self.assertEqual("2030-01-01", given["x_ship"])
        changed = self.anna.update("sales.order", order["id"], lines=[
            {"text": "Beam", "quantity": "7", "price": "1.00"}])
        self.assertEqual("14", changed["x_units"])
        with self.refused("invalid", field="x_units"):
            self.anna.update("sales.order", order["id"], x_units="1")

    def test_numbering(self):
        self.push("""
field{ entity = "sales.order", name = "x_region", type = "text",
       default = function() return "N" end }
numbering{ entity = "sales.order", field = "number", pattern = "{x_region}-{year}{month}-{3}" }
""")
        first, second = self.order(x_region="S"), self.order(x_region="S")
        other = self.order(x_region="W")
        self.assertRegex(first["number"], r"^S-\d{6}-001$")
        self.assertRegex(second["number"], r"^S-\d{6}-002$")
        self.assertRegex(other["number"], r"^W-\d{6}-001$")
        # What a rule file fills in shows, too: the number waits for it.
        self.assertRegex(self.order()["number"], r"^N-\d{6}-001$")
        with self.refused("invalid", field="number"):
            self.order(x_region="x" * 60)
        for pattern, field in (("SO{nothing}-{4}", "number"), ("SO{year}", "number"),
                               ("A{4}", "reference"),
                               ("{x_region}{4}", "number"), ("{x_region}1{4}", "number"),
                               ("{x_region}-{4}-{reference}", "number")):
            with self.refused("invalid", rule="other.lua"):
                self.push(f'numbering{{ entity = "sales.order", field = "{field}", '
                          f'pattern = "{pattern}" }}', name="other.lua")

    def test_nothing_changes_a_record_behind_the_back_of_its_save(self):
        order = self.order()["id"]
        for body in ('kontor.update("sales.order", order.id, { note = "y" })',
                     'kontor.call("sales.order.confirm", { id = order.id })',
                     'kontor.call("record.delete", { entity = "sales.order", id = order.id })',
                     'kontor.delete("sales.order", order.id)',
                     'kontor.call("record.archive", { entity = "sales.order", id = order.id })'):
            self.push('rule{ on = "sales.order.before_update", name = "house.sly",'
                      ' as = "system.admin", check = function(order)\n' + body + '\nend }')
            with self.subTest(body), self.refused("conflict", rule="house.sly"):
                self.anna.update("sales.order", order, note="x")
        # Nor what a module does when it hears of what a rule did: the party's name is the
        # customer's, too.
        self.push("""
rule{
    on = "customers.customer.before_update", name = "house.sly", as = "system.admin",
    check = function(customer)
        kontor.update("parties.party", customer.party, { name = "Sly" })
    end,
}""")
        with self.refused("conflict", field=self.ANY, rule="house.sly"):
            self.admin.update("customers.customer", self.customer, credit_limit="2000.00")
        self.remove_all()
        self.assertEqual("draft", self.admin.get("sales.order", order)["state"])
        self.assertEqual(0, self.admin.call("system.check")["count"])

    def test_schedules(self):
        self.push("""
entity{ name = "custom.tick", fields = { { name = "at", type = "instant", initial = "now" } } }
schedule{ name = "custom.ticking", every = "1h", run = function()
    kontor.create("custom.tick", {})
end }
schedule{ name = "custom.never_yet", daily = "00:00", run = function()
    kontor.create("custom.tick", {})
    kontor.create("custom.tick", {})
end }
""")
        for _ in range(200):
            if self.admin.count("custom.tick"):
                break
            time.sleep(0.05)
        self.assertEqual(1, self.admin.count("custom.tick"))
        listed = {one["name"]: one for one in self.admin.call("rules.list")["schedules"]}
        self.assertEqual(3600, listed["custom.ticking"]["every_seconds"])
        self.assertEqual("00:00", listed["custom.never_yet"]["daily"])
        # It has run: pushed again it waits for its hour.
        self.admin.call("rules.push", files={"more.lua": "-- nothing"})
        self.assertEqual(1, self.admin.count("custom.tick"))
        for tick in self.admin.search("custom.tick"):
            self.admin.call("record.delete", entity="custom.tick", id=tick["id"])

    def test_what_is_wrong_is_refused_with_its_place(self):
        for text, why in (
                ('method{ name = "sales.x", run = function() end }', "custom.something"),
                ('method{ name = "custom.x" }', "needs run"),
                ('method{ name = "custom.x", run = print, params = { { name = "id", type = "ref",'
                 ' to = "a.b" } } } x = y', "no global 'y'"),
                ('schedule{ name = "custom.x", run = print }', "either every"),
                ('schedule{ name = "custom.x", every = "5s", run = print }', "every is minutes"),
                ('schedule{ name = "custom.x", daily = "24:00", run = print }', "daily is a time"),
                ('event{ name = "sales.order.confirmed" }', "custom.something"),
                ('handler{ on = "custom.nothing", name = "x", run = print }', "nobody announces"),
                ('rule{ on = "sales.order.before_save", name = "x", as = "sales.boss",'
                 ' check = print }', "no module declares a role"),
                ('rule{ on = "sales.order.before_save", name = "x", disable_after = 0,'
                 ' check = print }', "disable_after"),
                ('field{ entity = "sales.order", name = "x_a", type = "text", compute = 5 }',
                 "compute is a function")):
            with self.subTest(text), self.refused("invalid", rule="house.lua") as caught:
                self.push(text)
            self.assertIn(why, caught.exception.message)
            self.assertIn("house.lua:1", caught.exception.message)
        self.assertEqual([], self.admin.call("rules.list")["files"])


if __name__ == "__main__":
    main()
