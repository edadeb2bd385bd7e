#!/usr/bin/python3
"""Deleting and archiving in a company at work: what is refused and why, what goes along, and what
has taken effect and stays for everybody."""
import json
import re

from kontor_test import KontorCase, main

NO_INVOICES = """
rule{
    on = "finance.invoice.before_create",
    name = "test.no_invoice",
    check = function() kontor.deny("not now", {field = "reference", message_zh = "暂不开票"}) end,
}
"""


class Deletion(KontorCase):
    USERS = {"sonja": ["sales.manager"], "carla": ["customers.user"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.made = 0

    def customer(self, name):
        party = self.admin.create("parties.party", name=name)
        return self.admin.create("customers.customer", party=party["id"])

    def product(self, **values):
        type(self).made += 1
        return self.admin.create("products.product", code=f"D-{self.made}", name="Thing",
                                 price="10.00", tax_rate="19", **values)

    def order(self, customer, product=None, **values):
        return self.admin.create(
            "sales.order", customer=customer["id"],
            lines=[{"quantity": "1", "text": "Thing", "price": "10.00", "tax_rate": "19",
                    **({"product": product["id"]} if product else {})}], **values)

    def paid_order(self):
        """An order through all its documents: (entity, id) of each."""
        customer, service = self.customer("Voss"), self.product(kind="service")
        order = self.order(customer, service)
        for verb in ("confirm", "deliver", "invoice"):
            self.admin.call(f"sales.order.{verb}", id=order["id"])
        invoice = self.admin.find("finance.invoice", "source_id", order["id"])
        payment = self.admin.create("finance.payment", party=customer["party"], amount="11.90")
        self.admin.call("finance.payment.post", id=payment["id"])
        invoice = self.admin.get("finance.invoice", invoice["id"])
        self.assertEqual("paid", invoice["state"])
        delivery = self.admin.find("sales.delivery", "order", order["id"])
        payment = self.admin.get("finance.payment", payment["id"])
        return [("sales.order", order["id"]), ("finance.invoice", invoice["id"]),
                ("finance.payment", payment["id"]), ("finance.entry", payment["entry"]),
                ("finance.entry", invoice["entry"]), ("sales.delivery", delivery["id"])]

    def delete(self, entity, id, client=None):
        return (client or self.admin).call("record.delete", entity=entity, id=id)

    def archive(self, entity, id, **more):
        return self.admin.call("record.archive", entity=entity, id=id, **more)

    # --- What refuses ---

    def test_a_refusal_lists_what_refers_to_the_record(self):
        # Given a customer with 22 orders and nothing else,
        customer = self.customer("Brandt")
        orders = [self.order(customer) for _ in range(22)]
        # when somebody deletes it, it is refused with the first 20 of what refers to it.
        with self.refused("conflict", field="id") as caught:
            self.delete("customers.customer", customer["id"])
        error = caught.exception
        self.assertEqual("customers.customer", error.entity)
        self.assertEqual(22, error.details["count"])
        self.assertNotIn("more", error.details)
        self.assertEqual(
            [{"entity": "sales.order", "id": order["id"], "field": "customer",
              "title": order["number"]} for order in orders[:20]], error.details["references"])
        self.assertIn("21 more", error.message)
        # Who may not read orders learns that there are some, and no more.
        with self.refused("conflict", field="id") as caught:
            self.delete("customers.customer", customer["id"], self.carla)
        self.assertEqual({"references": [], "count": 22}, caught.exception.details)
        self.assertNotIn(orders[0]["number"], caught.exception.message)

    def test_what_has_taken_effect_is_neither_deleted_nor_archived(self):
        for entity, id in self.paid_order():
            with self.subTest(entity):
                with self.refused("conflict", field=self.ANY) as caught:
                    self.delete(entity, id)
                self.assertEqual(entity, caught.exception.entity)
                self.assertRegex(caught.exception.message, "counter-record")
                with self.refused("conflict", field=self.ANY):
                    self.archive(entity, id)
                self.assertNotIn("archived", self.admin.get(entity, id))
        self.assertEqual(0, self.admin.call("system.check")["count"])

    def test_a_cancelled_payment_stays(self):
        payment = self.admin.create("finance.payment", amount="5.00",
                                    party=self.customer("Lund")["party"])
        self.admin.call("finance.payment.post", id=payment["id"])
        self.admin.call("finance.payment.cancel", id=payment["id"])
        with self.refused("conflict", field="state"):
            self.delete("finance.payment", payment["id"])

    def test_stock_moves_stay(self):
        goods = self.product()
        locations = {place["code"]: place["id"] for place in self.admin.all("inventory.location")}
        move = self.admin.create("inventory.move", kind="opening", lines=[
            {"product": goods["id"], "from": locations["OPENING"],
             "to": locations["MAIN/STOCK"], "quantity": "3", "unit_cost": "2.00"}])
        for method in ("record.delete", "record.archive"):
            with self.refused("conflict", field=None):
                self.admin.call(method, entity="inventory.move", id=move["id"])
        with self.refused("conflict", field="id") as caught:
            self.delete("products.product", goods["id"])
        self.assertIn({"entity": "inventory.move", "id": move["id"], "field": "lines.product",
                       "title": move["number"]}, caught.exception.details["references"])

    # --- What goes along, what is emptied ---

    def test_a_product_takes_its_prices_along(self):
        product = self.product()
        prices = [self.admin.create("products.price", product=product["id"], price_list=name,
                                    price="9.00")["id"] for name in ("standard", "dealers")]
        seen = self.admin.call("system.stats")["last_event"]
        self.delete("products.product", product["id"])
        topics = [event["topic"] for event in self.admin.new_events(seen)]
        self.assertEqual(["products.price.deleted"] * 2 + ["products.product.deleted"], topics)
        for id in prices:
            with self.refused("not_found", field="id"):
                self.admin.get("products.price", id)

    def test_an_opportunity_leaves_its_orders_but_not_the_locked_ones(self):
        customer = self.customer("Reimers")
        chance, other = [self.admin.create("sales.opportunity", customer=customer["id"], name=name)
                         for name in ("Rope", "Paint")]
        draft = self.order(customer, opportunity=chance["id"])
        self.delete("sales.opportunity", chance["id"])
        after = self.admin.get("sales.order", draft["id"])
        self.assert_fields(after, opportunity=None, version=draft["version"] + 1)
        firm = self.order(customer, opportunity=other["id"])
        self.admin.call("sales.order.confirm", id=firm["id"])
        with self.refused("conflict", field="opportunity") as caught:
            self.delete("sales.opportunity", other["id"])
        self.assertEqual("sales.order", caught.exception.entity)
        self.assertEqual(other["id"], self.admin.get("sales.order", firm["id"])["opportunity"])

    # --- Archive ---

    def test_an_archived_party_is_out_of_sight_until_restored(self):
        # Given a customer whose party is archived,
        customer = self.customer("Altmann")
        id = customer["party"]
        seen = self.admin.call("system.stats")["last_event"]
        party = self.archive("parties.party", id, version=1)
        self.assert_fields(party, archived=True, version=2)
        self.assertEqual(["parties.party.archived"],
                         [event["topic"] for event in self.admin.new_events(seen)])
        # then lists leave it out unless asked,
        name = ("name", "=", "Altmann")
        self.assertEqual([], self.admin.search("parties.party", name))
        self.assertEqual(0, self.admin.count("parties.party", name))
        self.assertEqual([party], self.admin.search("parties.party", name, archived="include"))
        self.assertEqual([party], self.admin.search("parties.party", name, archived="only"))
        self.assertEqual([party], self.admin.search("parties.party", name, ("archived", "=", True)))
        self.assertEqual(party, self.admin.get("parties.party", id))
        # nobody changes it or chooses it anew,
        with self.refused("conflict", field="archived"):
            self.admin.update("parties.party", id, region="north")
        with self.refused("invalid", field="parent") as caught:
            self.admin.create("parties.party", name="Daughter", parent=id)
        self.assertIn("archived", caught.exception.message)
        # and the customer goes on.
        self.order(customer)
        self.admin.update("customers.customer", customer["id"], payment_days=14)
        restored = self.admin.call("record.restore", entity="parties.party", id=id)
        self.assert_fields(restored, archived=None, version=3)
        history = self.admin.call("record.history", entity="parties.party", id=id)["entries"]
        self.assertEqual(["create", "archive", "restore"], [entry["what"] for entry in history])
        self.assertEqual({"archived": [None, True]}, history[1]["changes"])

    def test_who_may_delete_may_archive_and_nobody_else(self):
        party = self.admin.create("parties.party", name="Quiet")
        with self.refused("denied", field="parties.party.delete") as caught:
            self.sonja.call("record.archive", entity="parties.party", id=party["id"])
        self.assertEqual("parties.party", caught.exception.entity)

    # --- Errors ---

    def test_a_stale_version_names_who_came_first(self):
        party = self.admin.create("parties.party", name="Twice")
        self.carla.update("parties.party", party["id"], region="north")
        with self.refused("conflict", field="version") as caught:
            self.admin.call("record.update", entity="parties.party", id=party["id"], version=1,
                            values={"region": "south"})
        details = caught.exception.details
        self.assertEqual((2, "carla"), (details["version"], details["user"]))
        self.assertIn("at", details)

    def test_an_error_names_the_innermost_entity(self):
        # Given a rule that lets no invoice be made,
        order = self.order(self.customer("Stopp"), self.product(kind="service"))
        for verb in ("confirm", "deliver"):
            self.admin.call(f"sales.order.{verb}", id=order["id"])
        self.admin.call("rules.push", files={"stop.lua": NO_INVOICES})
        self.addCleanup(self.admin.call, "rules.remove", name="stop.lua")
        # when an order is invoiced, then the refusal is about the invoice.
        with self.refused("rule_denied", field="reference", rule="test.no_invoice") as caught:
            self.admin.call("sales.order.invoice", id=order["id"])
        self.assertEqual("finance.invoice", caught.exception.entity)

    # --- The command line ---

    def test_the_command_shows_what_refers_to_the_record(self):
        customer = self.customer("Cordes")
        order = self.order(customer)
        run = self.server.kontor("delete", "customers.customer", str(customer["id"]))
        self.assertEqual(1, run.returncode)
        self.assertEqual("", run.stdout)
        self.assertRegex(run.stderr.splitlines()[0],
                         r"^kontor: customers.customer \d+ is still used by .*"
                         r"entity: customers.customer, field: id, code: conflict\)$")
        self.assertEqual([f"  sales.order {order['id']} (customer): {order['number']}"],
                         run.stderr.splitlines()[1:])

    def test_the_commands_delete_archive_and_restore(self):
        party = self.admin.create("parties.party", name="Kommando")
        id = str(party["id"])
        run = self.server.kontor("archive", "parties.party", id)
        self.assertEqual((0, f"parties.party {id}: archived\n"), (run.returncode, run.stdout))
        found = self.server.kontor("--json", "search", "parties.party", "name=Kommando",
                                   "archived=true")
        self.assertEqual([party["id"]], [row["id"] for row in json.loads(found.stdout)["records"]])
        run = self.server.kontor("restore", "parties.party", id, "--version", "1")
        self.assertEqual(1, run.returncode)
        self.assertTrue(re.search("version 2, not 1", run.stderr), run.stderr)
        self.assertEqual(0, self.server.kontor("restore", "parties.party", id).returncode)
        run = self.server.kontor("delete", "parties.party", id)
        self.assertEqual((0, f"parties.party {id}: deleted\n"), (run.returncode, run.stdout))
        self.assertEqual(2, self.server.kontor("delete", "parties.party", "x").returncode)


if __name__ == "__main__":
    main()
