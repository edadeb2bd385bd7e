#!/usr/bin/python3
"""record.batch: several writes as one, with references to earlier answers, all or nothing."""
from kontor_test import KontorCase, main


class Batch(KontorCase):
    MODULES = ("parties", "products", "customers", "sales")
    USERS = {"anna": ["sales.user"]}

    def batch(self, *ops, **more):
        return (more.pop("client", self.admin)).call("record.batch", ops=list(ops), **more)

    def party(self, name, **more):
        return {"op": "create", "entity": "parties.party",
                "values": {"kind": "company", "name": name}, **more}

    def sale(self, name):
        """A customer, an order for it, and its confirmation."""
        return [
            self.party(name, **{"as": "party"}),
            {"op": "create", "as": "customer", "entity": "customers.customer",
             "values": {"party": {"$": "party.id"}}},
            {"op": "create", "as": "order", "entity": "sales.order", "values": {
                "customer": {"$": "customer.id"}, "note": {"$": "0.number"},
                "lines": [{"text": "Rope", "quantity": "4", "price": "2.50"}]}},
            {"op": "sales.order.confirm", "id": {"$": "order.id"},
             "version": {"$": "2.version"}},
        ]

    def counts(self):
        return [self.admin.count(entity) for entity in
                ("parties.party", "customers.customer", "sales.order", "customers.interaction")]

    def test_customer_order_and_confirmation_in_one(self):
        results = self.batch(*self.sale("Thode Bootswerft"))["results"]
        party, customer, order, confirmed = results
        self.assertEqual(party["id"], customer["party"])
        self.assertEqual((customer["id"], party["number"], "draft", "10.00"),
                         (order["customer"], order["note"], order["state"], order["net"]))
        self.assert_fields(confirmed, id=order["id"], state="confirmed", version=2)
        self.assertEqual(confirmed, self.admin.get("sales.order", order["id"]))

    def test_one_refusal_undoes_all(self):
        before, seen = self.counts(), len(self.admin.new_events())
        ops = self.sale("Quast Zimmerei")
        ops.append({"op": "sales.order.confirm", "id": {"$": "order.id"}})
        with self.refused("conflict", field="state") as caught:
            self.batch(*ops)
        # The error is that of the single call, and says which operation it is.
        self.assert_fields(caught.exception.details, op=4, method="sales.order.confirm")
        self.assertTrue(caught.exception.message.startswith("ops[4] sales.order.confirm: "))
        self.assertEqual((before, seen), (self.counts(), len(self.admin.new_events())))

    def test_update_and_delete(self):
        kept, gone = (result["id"] for result in
                      self.batch(self.party("Kept"), self.party("Gone"))["results"])
        results = self.batch(
            {"op": "update", "entity": "parties.party", "id": kept, "version": 1,
             "values": {"name": "Kept KG"}},
            {"op": "delete", "entity": "parties.party", "id": gone})["results"]
        self.assertEqual("Kept KG", results[0]["name"])
        self.assertEqual({"id": gone}, results[1])
        with self.refused("conflict", field="version") as caught:
            self.batch({"op": "record.update", "entity": "parties.party", "id": kept, "version": 1,
                        "values": {"name": "Late"}})
        self.assertEqual(0, caught.exception.details["op"])

    def test_archive_and_restore(self):
        results = self.batch(
            self.party("Sleeper"),
            {"op": "archive", "entity": "parties.party", "id": {"$": "0.id"}},
            {"op": "restore", "entity": "parties.party", "id": {"$": "0.id"}})["results"]
        self.assertEqual([None, True, None], [result.get("archived") for result in results])

    def test_references_reach_into_lists(self):
        order = self.batch(*self.sale("Line Ltd")[:3])["results"][2]
        results = self.batch(
            {"op": "update", "entity": "sales.order", "id": order["id"], "values": {"note": "a"}},
            {"op": "update", "entity": "sales.order", "id": {"$": "0.id"}, "values": {
                "lines": [{"id": {"$": "0.lines.0.id"}, "quantity": "5"}]}})["results"]
        self.assertEqual(order["lines"][0]["id"], results[1]["lines"][0]["id"])
        self.assertEqual("12.50", results[1]["net"])

    def test_wrong_references(self):
        wrong = ["1.id", "5.id", "later.id", "0.nothing", "0.name.0", "", "0.", "-1.id"]
        for path in wrong:
            with self.refused("invalid", field="ops[1].values.name"):
                self.batch(self.party("A"), self.party({"$": path}, **{"as": "later"}))
        with self.refused("invalid", field="ops[1].values.name"):
            self.batch(self.party("A"), self.party({"$": 0}))

    def test_wrong_operations(self):
        for op, field in (
                ({}, "ops[0].op"), ({"op": 7}, "ops[0].op"), ("create", "ops[0].op"),
                ({"op": "record.get", "entity": "parties.party", "id": 1}, "ops[0].op"),
                ({"op": "record.batch", "ops": []}, "ops[0].op"),
                ({"op": "module.enable", "name": "finance"}, "ops[0].op"),
                ({"op": "rules.push", "files": {}}, "ops[0].op"),
                ({"op": "system.user.add", "name": "eve", "password": "long-enough-password"},
                 "ops[0].op"),
                ({"op": "auth.login", "user": "a", "password": "b"}, "ops[0].op"),
                (self.party("A", dry_run=True), "ops[0]"),
                (self.party("A", request_id="r"), "ops[0]"),
                (self.party("A", **{"as": "1"}), "ops[0].as"),
                (self.party("A", **{"as": "a.b"}), "ops[0].as"),
                (self.party("A", colour="red"), "colour"),
                ({"op": "create", "entity": "parties.party"}, "values")):
            with self.refused("invalid", field=field):
                self.batch(op)
        with self.refused("not_found", field="method"):
            self.batch({"op": "sales.order.juggle"})
        with self.refused("invalid", field="ops[1].as"):
            self.batch(self.party("A", **{"as": "a"}), self.party("B", **{"as": "a"}))
        for ops in ([], {}, "create", [self.party("A")] * 1001):
            with self.refused("invalid", field="ops"):
                self.admin.call("record.batch", ops=ops)

    def test_rights_are_those_of_each_operation(self):
        before = self.counts()
        with self.refused("denied", field="products.product.create") as caught:
            self.batch({"op": "create", "entity": "sales.opportunity",
                        "values": {"name": "Rope for a yard"}},
                       {"op": "create", "entity": "products.product",
                        "values": {"code": "X", "name": "X"}}, client=self.anna)
        self.assertEqual(1, caught.exception.details["op"])
        self.assertEqual(before, self.counts())
        self.assertEqual(0, self.admin.count("sales.opportunity"))

    def test_a_reference_cannot_blow_up(self):
        # An order of 500 lines, named 1000 times, would be 500,000 lines.
        party, customer, order, _ = self.sale("Big")
        order["values"]["lines"] *= 500
        with self.refused("too_large", field=self.ANY) as caught:
            self.batch(party, customer, order,
                       {"op": "update", "entity": "parties.party", "id": {"$": "0.id"},
                        "values": {"name": [{"$": "order"}] * 1000}})
        self.assertEqual(3, caught.exception.details["op"])
        self.assertRegex(caught.exception.field, r"^ops\[3\]\.values\.name\[\d+\]$")
        with self.refused("too_large", field=self.ANY) as caught:
            self.batch(party, self.party([{"$": "0"}] * 100_000))
        self.assertEqual(1, caught.exception.details["op"])

    def test_a_thousand_operations_and_their_dry_run(self):
        before = self.counts()
        ops = [self.party(f"Firm {number}") for number in range(1000)]
        preview = self.batch(*ops, dry_run=True)
        self.assertEqual(before, self.counts())
        results = self.batch(*ops, request_id="thousand")["results"]
        self.assertEqual(preview["result"]["results"], results)
        self.assertEqual(results, self.batch(*ops, request_id="thousand")["results"])
        self.assertEqual(before[0] + 1000, self.counts()[0])
        with self.refused("conflict", field="request_id"):
            self.batch(*ops[1:], request_id="thousand")

    def test_one_preview_over_all(self):
        preview = self.batch(*self.sale("Preview AG"), dry_run=True)
        # Made and confirmed in one: the order has one entry, from nothing to confirmed.
        self.assertEqual(
            [("parties.party", "create"), ("customers.customer", "create"),
             ("sales.order", "create"), ("customers.interaction", "create")],
            [(change["entity"], change["what"]) for change in preview["changes"]])
        self.assertEqual("confirmed", preview["changes"][2]["after"]["state"])
        # Made and deleted in one: nothing has changed.
        preview = self.batch(self.party("Brief"), {"op": "delete", "entity": "parties.party",
                                                   "id": {"$": "0.id"}}, dry_run=True)
        self.assertEqual([], preview["changes"])
        self.assertEqual(2, len(preview["events"]))


if __name__ == "__main__":
    main()
