"""Approvals as a company meets them: an order over its bands is refused, asked for, agreed to step
by step, confirmed once; people are away, nobody decides, somebody says no, the amount changes.
"""
import time
import unittest

from kontor_test import READY_WITHIN_S, KontorCase, KontorError, Server, main

RULE = """\
rule{
    on = "sales.order.before_confirm",
    name = "house.large_orders",
    check = function(order)
        kontor.call("approvals.gate", {
            entity = "sales.order", id = order.id, action = "confirm",
            policy = "house.large_orders", amount = order.total,
            bands = {
                { above = "1000", role = "sales.manager", hours = 24,
                  escalate = "finance.manager" },
                { above = "5000", role = "finance.manager" },
            },
        })
    end,
}
"""

MODULES = ("parties", "customers", "sales", "finance", "approvals")
USERS = {
    "anna": ["sales.user", "approvals.user"],
    "ben": ["sales.user", "approvals.user"],
    "max": ["sales.manager", "approvals.user"],
    "clara": ["finance.manager", "sales.user", "approvals.user"],
    "otto": ["sales.user"],
    "ruth": ["approvals.admin"],
}


class Approvals(KontorCase):
    MODULES = MODULES
    USERS = USERS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        party = cls.admin.create("parties.party", kind="company", name="Evers Metallbau")["id"]
        cls.customer = cls.admin.create("customers.customer", party=party)["id"]
        cls.admin.call("rules.push", files={"large_orders.lua": RULE})
        cls.ids = {user["name"]: user["id"] for user in cls.admin.all("system.user")}

    def order(self, price):
        return self.anna.create("sales.order", customer=self.customer, lines=[
            {"text": "Steel beam", "quantity": "1", "price": price, "tax_rate": "0"}])["id"]

    def refusal(self, order, client=None):
        """Confirming is refused by the rule; the error."""
        with self.refused("rule_denied", rule="house.large_orders") as caught:
            (client or self.anna).call("sales.order.confirm", id=order)
        return caught.exception

    def ask(self, order, client=None):
        """With the very call that the refusal hands over; the request."""
        client = client or self.anna
        refusal = self.refusal(order, client)
        self.assertEqual("approval_needed", refusal.details["code"])
        ask = refusal.details["ask"]
        return client.call(ask["method"], ask["params"])

    def approve(self, client, request, **more):
        return client.call("approvals.request.approve", id=request["id"], **more)

    def setting(self, name, value):
        setting = self.admin.create("system.setting", name=name, value=value)["id"]
        self.addCleanup(self.admin.call, "record.delete", entity="system.setting", id=setting)

    def delegate(self, client, to, **values):
        delegation = client.create("approvals.delegation", to=self.ids[to], **values)["id"]
        self.addCleanup(self.admin.call, "record.delete", entity="approvals.delegation",
                        id=delegation)
        return delegation

    def test_one_band(self):
        # 1000.00 is not above the first band,
        self.anna.call("sales.order.confirm", id=self.order("1000.00"))
        # 1000.01 is, and Anna is told who must agree, in both languages, and how to ask.
        order = self.order("1000.01")
        refusal = self.refusal(order)
        self.assertIn("sales.manager", refusal.message)
        self.assertIn("sales.manager", refusal.message_zh)
        self.assertEqual([{"role": "sales.manager", "above": "1000", "hours": 24,
                           "escalates_to": "finance.manager"}], refusal.details["steps"])
        # Nothing has happened to the order.
        self.assertEqual("draft", self.anna.get("sales.order", order)["state"])
        seen = self.admin.new_events()[-1]["seq"]
        request = self.ask(order)
        self.assert_fields(request, state="pending", amount="1000.01", currency="EUR",
                           title=self.anna.get("sales.order", order)["number"],
                           asked_by=self.ids["anna"], subject_version=1)
        # While it waits, asking again is pointless, and the refusal says for whom it waits.
        refusal = self.refusal(order)
        self.assertEqual(("approval_pending", request["id"]),
                         (refusal.details["code"], refusal.details["request"]))
        self.assertIn("sales.manager", refusal.message)
        # Max agrees; Anna confirms; the approval is used up.
        answer = self.approve(self.max, request, note="good customer")
        self.assert_fields(answer, state="approved", due=None)
        self.assert_fields(answer["steps"][0], state="approved", decided_by=self.ids["max"],
                           note="good customer", acting_for=None)
        self.assertEqual("confirmed", self.anna.call("sales.order.confirm", id=order)["state"])
        self.assertEqual("used", self.anna.get("approvals.request", request["id"])["state"])
        topics = [event["topic"] for event in self.admin.new_events(seen)]
        for topic in ("asked", "approved", "used"):
            self.assertIn(f"approvals.request.{topic}", topics)

    def test_two_bands_in_their_order(self):
        order = self.order("6000.00")
        request = self.ask(order)
        self.assertEqual(["sales.manager", "finance.manager"],
                         [step["role"] for step in request["steps"]])
        # Clara has to wait for Max.
        with self.refused("denied", field="steps"):
            self.approve(self.clara, request)
        self.assertEqual("pending", self.approve(self.max, request)["state"])
        with self.refused("denied", field="steps"):
            self.approve(self.max, request)
        self.refusal(order)
        self.assertEqual("approved", self.approve(self.clara, request)["state"])
        self.anna.call("sales.order.confirm", id=order)

    def test_who_has_the_role_needs_nobody(self):
        # Max covers his own band, not that of finance.
        self.max.call("sales.order.confirm", id=self.order("1500.00"))
        refusal = self.refusal(self.order("6000.00"), self.max)
        self.assertEqual(["finance.manager"], [step["role"] for step in refusal.details["steps"]])

    def test_four_eyes(self):
        self.setting("approvals.self_service", "no")
        order = self.order("1500.00")
        request = self.ask(order, self.max)
        # Not by himself, whatever his role.
        with self.refused("denied", field="asked_by"):
            self.approve(self.max, request)
        # And what somebody else asked, and Max approved, is not for Max to use, but for Anna.
        self.max.call("approvals.request.withdraw", id=request["id"])
        request = self.ask(order)
        self.approve(self.max, request)
        self.assertEqual("approval_needed", self.refusal(order, self.max).details["code"])
        self.anna.call("sales.order.confirm", id=order)

    def test_own_approval_when_the_company_wants_it(self):
        self.setting("approvals.self_service", "no")
        self.setting("approvals.own", "yes")
        request = self.ask(self.order("1500.00"), self.max)
        self.assertEqual("approved", self.approve(self.max, request)["state"])

    def test_rejected(self):
        order = self.order("2000.00")
        request = self.ask(order)
        # A reason is needed,
        with self.refused("invalid", field="note"):
            self.max.call("approvals.request.reject", id=request["id"])
        answer = self.max.call("approvals.request.reject", id=request["id"], note="no margin")
        self.assert_fields(answer, state="rejected")
        # it is over,
        with self.refused("conflict", field="state"):
            self.approve(self.max, request)
        # and the order can be asked for anew.
        self.assertEqual("approval_needed", self.refusal(order).details["code"])

    def test_larger_amount_needs_a_new_approval(self):
        order = self.order("2000.00")
        self.approve(self.max, self.ask(order))
        line = self.anna.get("sales.order", order)["lines"][0]["id"]
        self.anna.update("sales.order", order, lines=[{"id": line, "price": "2000.01"}])
        self.assertEqual("approval_needed", self.refusal(order).details["code"])
        # A smaller one is covered.
        self.anna.update("sales.order", order, lines=[{"id": line, "price": "1999.99"}])
        self.anna.call("sales.order.confirm", id=order)

    def test_used_once(self):
        order = self.order("2000.00")
        gate = {"entity": "sales.order", "id": order, "action": "confirm", "amount": "2000.00",
                "policy": "house.large_orders",
                "bands": [{"above": "1000", "role": "sales.manager", "hours": 24,
                           "escalate": "finance.manager"}]}
        request = self.ask(order)
        self.approve(self.max, request)
        self.assertEqual({"passed": True, "request": request["id"]},
                         self.anna.call("approvals.gate", gate))
        with self.refused("rule_denied"):
            self.anna.call("approvals.gate", gate)

    def test_unchanged(self):
        order = self.order("2000.00")
        gate = {"entity": "sales.order", "id": order, "action": "confirm", "unchanged": True,
                "bands": [{"role": "sales.manager"}]}
        with self.assertRaises(KontorError) as caught:
            self.anna.call("approvals.gate", gate)
        request = self.anna.call("record.create", caught.exception.details["ask"]["params"])
        self.approve(self.max, request)
        self.anna.update("sales.order", order, note="deliver at night")
        with self.refused("rule_denied"):
            self.anna.call("approvals.gate", gate)
        self.anna.call("approvals.gate", gate, unchanged=False)

    def test_forged_requests_are_worth_nothing(self):
        order = self.order("2000.00")
        good = {"role": "sales.manager", "hours": 24, "escalates_to": "finance.manager"}
        forged = {
            "another role": [{"role": "sales.user"}],
            "another escalation": [dict(good, escalates_to="sales.user")],
            "less time": [dict(good, hours=1)],
        }
        for what, steps in forged.items():
            request = self.anna.create("approvals.request", subject_entity="sales.order",
                                       subject_id=order, action="confirm", amount="2000.00",
                                       policy="house.large_orders", steps=steps)
            self.approve(self.ben if "another role" == what else self.max, request)
            with self.subTest(what):
                self.assertEqual("approval_needed", self.refusal(order).details["code"])
        # Another policy's approval, too.
        request = self.anna.create("approvals.request", subject_entity="sales.order",
                                   subject_id=order, action="confirm", amount="9999",
                                   policy="house.other", steps=[good])
        self.approve(self.max, request)
        self.refusal(order)
        # And nobody writes decisions into a request.
        request = self.anna.create("approvals.request", subject_entity="sales.order",
                                   subject_id=order, action="confirm", amount="2000.00",
                                   policy="house.large_orders",
                                   steps=[dict(good, state="approved", decided_by=1)])
        self.assert_fields(request["steps"][0], state="waiting", decided_by=None)
        self.assertEqual("approval_pending", self.refusal(order).details["code"])
        for client, code in ((self.anna, "denied"), (self.admin, "conflict")):
            with self.refused(code, field=self.ANY):
                client.update("approvals.request", request["id"], amount="1")

    def test_rights(self):
        order = self.order("2000.00")
        # Otto may sell, but has no part in approvals: the gate still tells him what is needed.
        self.assertEqual("approval_needed", self.refusal(order, self.otto).details["code"])
        with self.refused("denied", field="approvals.request.create"):
            self.otto.create("approvals.request", subject_entity="sales.order", subject_id=order,
                             action="confirm", steps=[{"role": "sales.manager"}])
        # Ruth may not see orders, so she does not meet their gate, nor learn of them.
        with self.refused("denied", field="action"):
            self.ruth.call("approvals.gate", entity="sales.order", id=order, action="confirm",
                           bands=[{"role": "sales.manager"}])
        with self.refused("denied", field="subject_entity"):
            self.ruth.create("approvals.request", subject_entity="sales.order", subject_id=order,
                             action="confirm", steps=[{"role": "sales.manager"}])
        with self.refused("not_found", field=self.ANY):
            self.anna.create("approvals.request", subject_entity="sales.order", subject_id=9999,
                             action="confirm", steps=[{"role": "sales.manager"}])
        # Withdrawn by who asked or by the administrator of approvals.
        request = self.ask(order)
        with self.refused("denied", field="asked_by"):
            self.ben.call("approvals.request.withdraw", id=request["id"])
        self.ruth.call("approvals.request.withdraw", id=request["id"])
        # Ruth has no role of a step.
        with self.refused("denied", field="steps"):
            self.approve(self.ruth, self.ask(order))

    def test_decided_meanwhile(self):
        request = self.ask(self.order("6000.00"))
        self.approve(self.max, request, version=request["version"])
        with self.refused("conflict", field="version"):
            self.approve(self.clara, request, version=request["version"])

    def test_delegation_in_its_days(self):
        # Today is 2026-11-23. Ben acts for Max from tomorrow: not yet.
        self.delegate(self.max, "ben", starts="2026-11-24", ends="2026-11-30", reason="holiday")
        request = self.ask(self.order("2000.00"))
        with self.refused("denied", field="steps"):
            self.approve(self.ben, request)
        # Until yesterday: no more. For another role: no. Archived: no.
        self.delegate(self.max, "ben", starts="2026-11-01", ends="2026-11-22")
        self.delegate(self.max, "ben", ends="2026-11-23", role="finance.manager")
        archived = self.delegate(self.max, "ben", ends="2026-11-23")
        self.admin.call("record.archive", entity="approvals.delegation", id=archived)
        with self.refused("denied", field="steps"):
            self.approve(self.ben, request)
        # For today: yes, and it is written down for whom.
        self.delegate(self.max, "ben", ends="2026-11-23", role="sales.manager")
        step = self.approve(self.ben, request)["steps"][0]
        self.assertEqual((self.ids["ben"], self.ids["max"]),
                         (step["decided_by"], step["acting_for"]))
        # A delegate does not decide for himself, nor what was asked by whom he acts for.
        with self.refused("denied", field="asked_by"):
            self.approve(self.ben, self.ask(self.order("2000.00"), self.ben))
        self.setting("approvals.self_service", "no")
        with self.refused("denied", field="steps"):
            self.approve(self.ben, self.ask(self.order("2000.00"), self.max))

    def test_delegation_is_worth_what_its_giver_has(self):
        self.delegate(self.anna, "ben", ends="2026-12-31")
        with self.refused("denied", field="steps"):
            self.approve(self.ben, self.ask(self.order("2000.00")))
        # Nobody gives away what is another's, but the administrator of approvals may.
        with self.refused("denied", field="from"):
            self.ben.create("approvals.delegation", **{"from": self.ids["max"]},
                            to=self.ids["ben"], ends="2026-12-31")
        self.delegate(self.ruth, "ben", **{"from": self.ids["max"]}, ends="2026-12-31")
        with self.refused("invalid", field="to"):
            self.delegate(self.max, "max", ends="2026-12-31")
        with self.refused("invalid", field="ends"):
            self.delegate(self.max, "ben", starts="2026-12-02", ends="2026-12-01")


KEPT = """\
rule{
    on = "approvals.request.before_escalate",
    name = "house.kept",
    check = function(request)
        if request.amount == kontor.decimal("3000") then
            kontor.deny("this one waits for Max")
        end
    end,
}
"""


class Escalation(unittest.TestCase):
    def ask(self, client, customer, price):
        order = client.create("sales.order", customer=customer, lines=[
            {"text": "Steel beam", "quantity": "1", "price": price, "tax_rate": "0"}])["id"]
        with self.assertRaises(KontorError) as caught:
            client.call("sales.order.confirm", id=order)
        return client.call("record.create", caught.exception.details["ask"]["params"])["id"]

    def test_nobody_decides_for_a_day(self):
        server = Server().start()
        self.addCleanup(server.close)
        admin = server.connect()
        for module in MODULES:
            admin.call("module.enable", name=module)
        for user in ("anna", "clara"):
            admin.call("system.user.add", name=user, roles=USERS[user],
                       password=f"{user}-long-password")
        party = admin.create("parties.party", kind="company", name="Evers Metallbau")["id"]
        customer = admin.create("customers.customer", party=party)["id"]
        admin.call("rules.push", files={"large_orders.lua": RULE, "kept.lua": KEPT})
        anna = server.connect("anna", "anna-long-password")
        # The first is one that a rule refuses to escalate.
        kept, request = (self.ask(anna, customer, price) for price in ("3000", "2000"))
        clara = server.connect("clara", "clara-long-password")
        # On the same day Clara has no say.
        with self.assertRaises(KontorError) as caught:
            clara.call("approvals.request.approve", id=request)
        self.assertEqual("denied", caught.exception.code)
        for client in (admin, anna, clara):
            client.close()
        # Two days later the job has escalated it;
        server.stop()
        server.start(KONTOR_TEST_NOW="2026-11-25")
        clara = server.connect("clara", "clara-long-password")
        self.addCleanup(clara.close)
        deadline = time.monotonic() + READY_WITHIN_S
        while not clara.get("approvals.request", request)["steps"][0].get("escalated"):
            self.assertLess(time.monotonic(), deadline, server.log())
            time.sleep(0.02)
        # the one before it has not been, and was told of;
        self.assertFalse(clara.get("approvals.request", kept)["steps"][0].get("escalated"))
        self.assertIn("AP2026-00001 was not escalated: this one waits for Max", server.log())
        # now she has a say.
        answer = clara.call("approvals.request.approve", id=request, note="Max is ill")
        self.assertEqual("approved", answer["state"])
        admin = server.connect()
        self.addCleanup(admin.close)
        self.assertEqual(1, sum(event["topic"] == "approvals.request.escalated"
                                for event in admin.new_events()))


if __name__ == "__main__":
    main()
