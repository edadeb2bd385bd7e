#!/usr/bin/python3
"""Customers: the profile on a party, what people note, and the history that writes itself."""
import msgpack

from kontor_test import KontorCase, main


class CustomerCase(KontorCase):
    made = 0

    @classmethod
    def customer(cls, name=None, party=None, **values):
        cls.made += 1
        who = cls.admin.create("parties.party", name=name or f"Company {cls.made}",
                               **(party or {}))
        return cls.admin.create("customers.customer", party=who["id"], **values)

    def history(self, customer, client=None, **more):
        answer = (client or self.admin).call("customers.customer.history", id=customer["id"],
                                             **more)
        self.assertEqual({"id": customer["id"], "name": customer["name"]}, answer["customer"])
        return answer["entries"]

    def told(self, customer):
        """The history as a story, oldest first."""
        entries = sorted(self.history(customer), key=lambda entry: entry["id"])
        return [(entry["kind"], entry["direction"], entry["subject"]) for entry in entries]


class Profiles(CustomerCase):
    """Customers with nothing but parties: sales and finance are not even there to listen to."""

    MODULES = ("parties", "customers")
    USERS = {"carla": ["customers.user"], "rita": ["customers.reader"]}

    def test_defaults(self):
        customer = self.customer("Voss", party={"region": "north"})
        self.assert_fields(customer, name="Voss", region="north", payment_days=30, blocked=False,
                           since="2026-11-23", credit_limit=None)
        self.assertRegex(customer["number"], r"^C\d{5}$")

    def test_name_follows_the_party_and_region_does_not(self):
        customer = self.customer("Voss", party={"region": "north"})
        self.carla.update("parties.party", customer["party"], name="Voss & Töchter",
                          region="south")
        customer = self.rita.get("customers.customer", customer["id"])
        self.assert_fields(customer, name="Voss & Töchter", region="north")
        # A name of its own it cannot have.
        with self.refused("invalid", field="name"):
            self.carla.update("customers.customer", customer["id"], name="Other")

    def test_one_profile_per_party_for_good(self):
        customer, other = self.customer(), self.customer()
        with self.refused("conflict", field="party"):
            self.carla.create("customers.customer", party=customer["party"])
        with self.refused("invalid", field="party"):
            self.carla.update("customers.customer", customer["id"], party=other["party"])
        with self.refused("invalid", field="party"):
            self.carla.create("customers.customer", party=999999)
        with self.refused("invalid", field="party"):
            self.carla.create("customers.customer")

    def test_people_note_what_happened(self):
        customer = self.customer()
        call = self.carla.create("customers.interaction", customer=customer["id"], kind="call",
                                 direction="in", subject="Asks for a quote")
        carla = self.admin.find("system.user", "name", "carla")["id"]
        self.assert_fields(call, user=carla, topic=None)
        self.assertIsInstance(call["at"], msgpack.Timestamp)
        # What a person wrote, a person may correct and delete.
        self.carla.update("customers.interaction", call["id"], kind="visit")
        self.assertEqual([("visit", "in", "Asks for a quote")], self.told(customer))
        self.carla.call("record.delete", entity="customers.interaction", id=call["id"])
        self.assertEqual([], self.told(customer))
        for field in ("subject", "customer"):
            with self.subTest(field), self.refused("invalid", field=field):
                self.carla.create("customers.interaction", **{
                    "customer": customer["id"], "subject": "x", field: None})
        with self.refused("invalid", field="kind"):
            self.carla.create("customers.interaction", customer=customer["id"], subject="x",
                              kind="telepathy")
        with self.refused("invalid", field="topic"):
            self.carla.create("customers.interaction", customer=customer["id"], subject="x",
                              topic="finance.invoice.paid")

    def test_newest_first(self):
        # Given notes entered in another order than they happened,
        customer = self.customer()
        for subject, day in (("second", 2), ("third", 3), ("first", 1)):
            self.carla.create("customers.interaction", customer=customer["id"], subject=subject,
                              at=msgpack.Timestamp(1_700_000_000 + day * 86400))
        self.carla.create("customers.interaction", customer=self.customer()["id"], subject="else")
        # then the history tells them by when they happened.
        self.assertEqual(["third", "second", "first"],
                         [entry["subject"] for entry in self.history(customer, self.rita)])
        self.assertEqual(["third", "second"],
                         [entry["subject"] for entry in self.history(customer, limit=2)])

    def test_history_limits(self):
        customer = self.customer()
        for limit in (0, -1, 501):
            with self.subTest(limit), self.refused("invalid", field="limit"):
                self.history(customer, limit=limit)
        self.assertEqual([], self.history(customer, limit=500))
        with self.refused("not_found", field=self.ANY):
            self.admin.call("customers.customer.history", id=999999)

    def test_roles(self):
        customer = self.customer()
        with self.refused("denied", field="customers.customer.update"):
            self.rita.update("customers.customer", customer["id"], credit_limit="1000000.00")
        with self.refused("denied", field="customers.interaction.create"):
            self.rita.create("customers.interaction", customer=customer["id"], subject="x")
        with self.refused("denied", field="parties.party.delete"):
            self.carla.call("record.delete", entity="parties.party", id=customer["party"])


class History(CustomerCase):
    """What sales and finance announce appears by itself.

    The order: 2 x 50.00 = 100.00, 19 % of it 19.00, total 119.00.
    """

    MODULES = ("parties", "customers", "sales", "finance")

    def order(self, customer):
        return self.admin.create("sales.order", customer=customer["id"], lines=[
            {"text": "Towing", "quantity": "2", "price": "50", "tax_rate": "19"}])

    def test_the_life_of_an_order(self):
        customer = self.customer("Voss")
        order = self.order(customer)
        self.assertEqual([], self.told(customer))
        for verb in ("confirm", "deliver", "invoice"):
            self.admin.call(f"sales.order.{verb}", id=order["id"])
        payment = self.admin.create("finance.payment", party=customer["party"], amount="119.00")
        self.admin.call("finance.payment.post", id=payment["id"])
        delivery = self.admin.find("sales.delivery", "order", order["id"])
        invoice = self.admin.find("finance.invoice", "source_id", order["id"])
        payment = self.admin.get("finance.payment", payment["id"])
        story = [
            ("order", "in", f"order {order['number']} confirmed, total 119.00"),
            ("delivery", "out", f"delivery {delivery['number']} sent, 1 line"),
            ("invoice", "out", f"invoice {invoice['number']} posted, total 119.00"),
            ("payment", "in", f"payment {payment['number']} posted, amount 119.00"),
            ("invoice", "in", f"invoice {invoice['number']} paid in full, total 119.00")]
        # Which of the last two comes first is the finance module's affair.
        self.assertEqual(sorted(story), sorted(self.told(customer)))
        self.assertEqual(story[:3], self.told(customer)[:3])
        # The bank takes the money back.
        self.admin.call("finance.payment.cancel", id=payment["id"])
        self.assertEqual(
            sorted([("payment", "in", f"payment {payment['number']} cancelled, amount 119.00"),
                    ("invoice", "in", f"invoice {invoice['number']} open again, total 119.00")]),
            sorted(self.told(customer)[5:]))

    def test_cancelled_order(self):
        customer = self.customer()
        order = self.order(customer)
        self.admin.call("sales.order.cancel", id=order["id"])
        self.assertEqual([("order", "in", f"order {order['number']} cancelled, total 119.00")],
                         self.told(customer))

    def test_what_the_server_wrote_stays(self):
        customer = self.customer()
        order = self.order(customer)
        self.admin.call("sales.order.confirm", id=order["id"])
        entry, = self.history(customer)
        self.assert_fields(entry, topic="sales.order.confirmed", source_entity="sales.order",
                           source_id=order["id"])
        for field, value in (("subject", "never ordered"), ("kind", "note"),
                             ("customer", self.customer()["id"]), ("direction", "out"),
                             ("at", msgpack.Timestamp(0)), ("user", None)):
            with self.subTest(field), self.refused("conflict", field=field):
                self.admin.update("customers.interaction", entry["id"], **{field: value})
        with self.refused("conflict"):
            self.admin.call("record.delete", entity="customers.interaction", id=entry["id"])
        entry = self.admin.update("customers.interaction", entry["id"], body="By phone.")
        self.assertEqual("By phone.", entry["body"])

    def test_parties_that_are_no_customers(self):
        party = self.admin.create("parties.party", name="Nobody's customer")
        before = self.admin.count("customers.interaction")
        payment = self.admin.create("finance.payment", party=party["id"], amount="1.00")
        self.admin.call("finance.payment.post", id=payment["id"])
        self.assertEqual(before, self.admin.count("customers.interaction"))


if __name__ == "__main__":
    main()
