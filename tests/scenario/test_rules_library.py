#!/usr/bin/python3
"""The library of rules: the whole folder in one company, each rule with tests that can fail, and
some of them as people meet them.
"""
import re
import time
import unittest

from kontor_test import (
    ALL_MODULES, READY_WITHIN_S, RULES, KontorCase, Server, load_demo, main)

# What somebody might do to a rule by mistake; its tests must notice.
MISTAKES = {
    "customers_duplicates.lua": (":lower()\n    for _, form", "\n    for _, form"),
    "finance_reminders.lua": ("overdue < days[level]", "overdue <= days[level]"),
    "finance_vat_cn.lua": ('reduced = "9"', 'reduced = "10"'),
    "inventory_reorder.lua": ("available >= point.minimum", "available > point.minimum"),
    "payroll_cn.lua": ("{ 300000, 20, 16920 }", "{ 300000, 20, 16290 }"),
    "sales_commission.lua": ("(rate.salesperson and 2 or 0)", "(rate.salesperson and 1 or 0)"),
    "sales_credit_limit.lua": ("owed + order.total", "order.total"),
    "sales_discount.lua": ("not order.approved_by", "true"),
    "sales_leads.lua": ("users[i % #users + 1]", "users[i]"),
    "sales_price_agreements.lua": ("quantity >= from", "quantity > from"),
    "service_contracts.lua": ('{ "state", "=", "running" },', ""),
    "service_sla.lua": ("room >= left", "room > left"),
}


class Library(KontorCase):
    USERS = {
        "anna": ["sales.user", "approvals.user", "custom.user"],
        "max": ["sales.manager", "customers.user", "parties.user", "approvals.user"],
        "clara": ["finance.manager", "custom.payroll"],
    }

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        load_demo(cls.admin)
        cls.product = cls.admin.create("products.product", code="BEAM", name="Steel beam",
                                       kind="service", price="100.00", tax_rate="0")["id"]
        cls.party = cls.admin.create("parties.party", kind="company", name="Evers Metallbau GmbH",
                                     country="CN", email="office@evers.example")["id"]
        cls.customer = cls.admin.create("customers.customer", party=cls.party, segment="a")["id"]

    def order(self, **line):
        return self.anna.create("sales.order", customer=self.customer, lines=[
            {"product": self.product, "quantity": "1", **line}])

    def setting(self, name, value):
        setting = self.admin.create("system.setting", name=name, value=value)["id"]
        self.addCleanup(self.admin.call, "record.delete", entity="system.setting", id=setting)

    # --- The folder ---

    def test_pushed_and_tested_as_a_whole_by_the_command(self):
        push = self.server.kontor("rules", "push", str(RULES))
        self.assertEqual(0, push.returncode, push.stderr)
        for command in ("test", "check"):
            done = self.server.kontor("rules", command, str(RULES))
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)

    def test_each_rule_has_several_tests(self):
        files = {path.name for path in RULES.glob("*.lua")}
        rules = sorted(name for name in files if not name.endswith("_test.lua"))
        self.assertEqual(sorted(MISTAKES), rules)
        tests = self.admin.call("rules.test")["tests"]
        for name in rules:
            with self.subTest(name):
                mine = [t for t in tests if t["file"] == name.replace(".lua", "_test.lua")]
                self.assertGreaterEqual(len(mine), 3)
                self.assertTrue(all(t["ok"] for t in mine), mine)

    def test_each_mistake_is_noticed(self):
        revision = self.admin.call("rules.list")["revision"]
        for name, (right, wrong) in MISTAKES.items():
            text = (RULES / name).read_text(encoding="utf-8")
            with self.subTest(name):
                self.assertEqual(1, text.count(right), right)
                with self.refused("conflict", field="files",
                                  rule=name.replace(".lua", "_test.lua")):
                    self.admin.call("rules.push", files={name: text.replace(right, wrong)})
        self.assertEqual(revision, self.admin.call("rules.list")["revision"])

    def test_schedules_see_more_than_a_page_of_records(self):
        for name in ("finance_reminders", "inventory_reorder"):
            text = (RULES / f"{name}.lua").read_text(encoding="utf-8")
            self.assertEqual(1, text.count("page = 1000"), name)
            files = {f"{name}.lua": text.replace("page = 1000", "page = 2"),
                     f"{name}_test.lua": (RULES / f"{name}_test.lua").read_text("utf-8")}
            tests = self.admin.call("rules.test", files=files)["tests"]
            self.assertEqual([], [test for test in tests if not test["ok"]])

    def test_works_without_the_modules_that_need_not_be_there(self):
        server = Server().start()
        self.addCleanup(server.close)
        admin = server.connect()
        self.addCleanup(admin.close)
        for module in ("parties", "customers", "products", "sales"):
            admin.call("module.enable", name=module)
        admin.push_rules(RULES)
        party = admin.create("parties.party", kind="company", name="Evers")["id"]
        customer = admin.create("customers.customer", party=party, credit_limit="1.00")["id"]
        order = admin.create("sales.order", customer=customer, lines=[
            {"text": "Beam", "quantity": "1", "price": "10.00", "discount": "50"}])["id"]
        self.assertEqual("confirmed", admin.call("sales.order.confirm", id=order)["state"])

    def test_the_readme_names_every_rule(self):
        text = (RULES / "README.md").read_text(encoding="utf-8")
        for name in MISTAKES:
            self.assertIn(f"`{name}`", text)
        # And every setting that a rule reads.
        for path in RULES.glob("*.lua"):
            for name in re.findall(r'kontor\.setting\("([^"]+)"', path.read_text("utf-8")):
                self.assertIn(f"`{name}`", text, path.name)

    # --- As people meet them ---

    def test_a_large_discount_is_asked_for_and_approved(self):
        self.setting("sales.discount_large", "30")
        order = self.order(discount="40")["id"]
        with self.refused("rule_denied", field="discount_max",
                          rule="sales.discount_approval") as caught:
            self.anna.call("sales.order.confirm", id=order)
        self.assertIn("40", caught.exception.message_zh)
        ask = caught.exception.details["ask"]
        request = self.anna.call(ask["method"], ask["params"])["id"]
        self.assertEqual("pending", self.max.call("approvals.request.approve",
                                                  id=request)["state"])
        # The second step is finance's: the administrator stands for them here.
        self.assertEqual("approved", self.admin.call("approvals.request.approve",
                                                     id=request)["state"])
        self.assertEqual("confirmed", self.anna.call("sales.order.confirm", id=order)["state"])

    def test_prices_and_taxes_of_one_order(self):
        # 90.00 from 10 pieces for segment a; 13 % by the product's category: 900.00 and 117.00.
        self.setting("company.vat_taxpayer", "general")
        category = self.admin.create("products.category", code="STEEL", name="Steel",
                                     x_vat="standard")["id"]
        self.admin.update("products.product", self.product, category=category)
        agreement = self.anna.create(
            "custom.price_agreement", product=self.product, segment="a",
            breaks=[{"min_quantity": "10", "price": "90.00"}])["id"]
        order = self.order(quantity="10")
        self.assert_fields(order, net="900.00", tax="117.00", total="1017.00")
        self.assertEqual(agreement, order["lines"][0]["x_agreement"])
        self.assert_fields(self.order(quantity="9"), net="900.00", tax="117.00")
        self.admin.call("record.archive", entity="custom.price_agreement", id=agreement)
        self.assert_fields(self.order(quantity="10"), net="1000.00", tax="130.00")

    def test_a_customer_who_is_there_already(self):
        party = self.max.create("parties.party", kind="company", name="EVERS Metallbau")["id"]
        with self.refused("rule_denied", field="party", rule="customers.duplicates") as caught:
            self.max.create("customers.customer", party=party)
        self.assertEqual(("duplicate", self.customer),
                         (caught.exception.details["code"], caught.exception.details["customer"]))
        self.max.create("customers.customer", party=party, x_duplicate_ok=True)

    def test_commission_of_an_order_to_cash(self):
        anna = self.admin.find("system.user", "name", "anna")["id"]
        self.admin.create("custom.commission_rate", salesperson=anna, rate="5")
        order = self.order(price="200.00")["id"]
        self.anna.update("sales.order", order, salesperson=anna)
        for verb in ("confirm", "deliver", "invoice"):
            self.anna.call(f"sales.order.{verb}", id=order)
        # 5 % of 200.00
        row, = self.admin.totals("custom.commissions", anna)
        self.assertEqual("10.00", row["amount"])
        invoice = self.admin.search("finance.invoice", ("source_id", "=", order))[0]["id"]
        self.clara.call("finance.invoice.cancel", id=invoice)
        self.assertEqual("0.00", self.admin.totals("custom.commissions", anna)[0]["amount"])

    def test_pay_slip(self):
        person = self.admin.create("parties.party", kind="person", name="李小明")["id"]
        slip = self.clara.create("custom.pay_slip", employee=person, month="2026-01-31",
                                 gross="10000", contribution_base="10000", housing_rate="4.5",
                                 special_deductions="1000")
        self.assert_fields(slip, tax="75.00", net="8425.00", month="2026-01-01")
        with self.refused("denied", field="custom.pay_slip.read"):
            self.max.get("custom.pay_slip", slip["id"])


class Schedules(unittest.TestCase):
    def test_what_the_server_does_by_itself_two_months_later(self):
        server = Server().start()
        self.addCleanup(server.close)
        admin = server.connect()
        for module in ALL_MODULES:
            admin.call("module.enable", name=module)
        admin.push_rules(RULES)
        # Given an open invoice, a ticket, and a product of which there is none,
        admin.create("system.setting", name="finance.reminder_days", value="7,21")
        party = admin.create("parties.party", kind="company", name="Evers")["id"]
        invoice = admin.create("finance.invoice", party=party, lines=[
            {"text": "Beam", "quantity": "1", "price": "100.00"}])["id"]
        admin.call("finance.invoice.post", id=invoice)
        ticket = admin.create("custom.ticket", subject="It squeaks")["id"]
        product = admin.create("products.product", code="BEAM", name="Beam")["id"]
        admin.create("custom.reorder_point", product=product, minimum="5", target="20")
        admin.close()
        server.stop()
        # when it is January,
        server.start(KONTOR_TEST_NOW="2027-01-23")
        admin = server.connect()
        self.addCleanup(admin.close)
        # then each has been seen to, and once.
        self.wait_for(admin, "custom.reminder", {"invoice": invoice, "level": 1})
        self.wait_for(admin, "custom.purchase_proposal", {"product": product, "quantity": "20"})
        self.wait_for(admin, "custom.ticket", {"id": ticket, "level": 2})
        self.assertEqual(1, admin.count("custom.reminder"))
        self.assertIn("custom.ticket_late", [event["topic"] for event in admin.new_events()])

    def wait_for(self, client, entity, wanted):
        deadline = time.monotonic() + READY_WITHIN_S
        while not any(wanted.items() <= record.items() for record in client.all(entity)):
            self.assertLess(time.monotonic(), deadline, client.all(entity))
            time.sleep(0.02)


if __name__ == "__main__":
    main()
