#!/usr/bin/python3
"""A dry run says what a write would do before it is done: the records, the books, the stock, the
totals, the events and the rules. Then it is really done, and what was said is what happens.

    Opening stock of rope: 10 at 1.20, worth 12.00. The order: 4 at 2.50 = 10.00 net, 19 % tax 1.90,
    total 11.90. Delivering 4 takes 12.00 x 4/10 = 4.80 of the value.
"""
import msgpack

from kontor_test import KontorCase, main

NOTE_RULE = """\
-- What is confirmed carries a note.
rule{
    on = "sales.order.before_confirm",
    name = "house.a_note",
    check = function(order) order.note = "seen" end,
}
rule{
    on = "sales.order.before_confirm",
    name = "house.b_limit",
    check = function(order)
        if order.total > kontor.decimal("100") then
            kontor.deny("not above 100", { field = "total", message_zh = "不得超过 100" })
        end
    end,
}
"""


class Preview(KontorCase):
    USERS = {"anna": ["sales.user"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        party = cls.admin.create("parties.party", kind="company", name="Thode Bootswerft")["id"]
        cls.customer = cls.admin.create("customers.customer", party=party)["id"]
        cls.admin.call("rules.push", files={"house.lua": NOTE_RULE})
        location = {row["code"]: row["id"] for row in cls.admin.search("inventory.location")}
        cls.opening, cls.stock = location["OPENING"], location["MAIN/STOCK"]

    def rope(self):
        """Each story has goods of its own: 10 in stock, worth 12.00."""
        count = self.admin.count("products.product")
        product = self.admin.create("products.product", code=f"ROPE-{count}", name="Rope",
                                    price="2.50", tax_rate="19")["id"]
        self.admin.create("inventory.move", kind="opening", lines=[
            {"product": product, "from": self.opening, "to": self.stock, "quantity": "10",
             "unit_cost": "1.20"}])
        return product

    def order(self, product, quantity="4"):
        return self.admin.create("sales.order", customer=self.customer, lines=[
            {"product": product, "quantity": quantity}])["id"]

    def changes(self, preview):
        return [(change["entity"], change["what"]) for change in preview["changes"]]

    def change(self, preview, entity):
        """The one change of that entity."""
        found = [change for change in preview["changes"] if change["entity"] == entity]
        self.assertEqual(1, len(found), preview["changes"])
        return found[0]

    def totals(self, preview):
        return {(row["total"], *row["by"]): row for row in preview["totals"]}

    def assert_came_true(self, preview):
        """What is stored now is what the preview said, but for moments."""
        for change in preview["changes"]:
            self.assertEqual(self.timeless(change["after"]),
                             self.timeless(self.admin.get(change["entity"], change["id"])))
        for row in preview["totals"]:
            stored = [found for found in self.admin.totals(row["total"])
                      if found["by"] == row["by"]]
            said = {name: value["after"] for name, value in row["measures"].items()}
            self.assertEqual([{"by": row["by"], "count": row["count"]["after"], **said}], stored)

    def timeless(self, record):
        return {name: value for name, value in record.items()
                if not isinstance(value, msgpack.Timestamp)}

    def test_confirming_an_order(self):
        product = self.rope()
        order = self.order(product)
        customer, month, counted = self.customer, "2026-11-01", len(self.admin.new_events())
        preview = self.admin.call("sales.order.confirm", id=order, dry_run=True)
        self.assertTrue(preview["dry_run"])
        self.assert_fields(preview["result"], id=order, state="confirmed", note="seen")
        self.assertNotIn("more", preview)
        # The order, the note in the customer's file, the promised goods: in this order.
        self.assertEqual([("sales.order", "confirm"), ("customers.interaction", "create"),
                          ("inventory.reservation", "create")], self.changes(preview))
        change = self.change(preview, "sales.order")
        self.assertEqual(["state", "note"], change["fields"])
        self.assert_fields(change["before"], state="draft", version=1, note=None, total="11.90")
        self.assert_fields(change["after"], state="confirmed", version=2, note="seen",
                           total="11.90")
        change = self.change(preview, "inventory.reservation")
        self.assertIsNone(change["before"])
        self.assert_fields(change["after"], product=product, wanted="4", reserved="4",
                           missing="0", source_id=order)
        rows = self.totals(preview)
        self.assertEqual({"before": "0", "after": "4"},
                         rows["inventory.reserved", product, self.stock]["measures"]["quantity"])
        row = rows["sales.by_product", product, month]
        self.assertEqual({"quantity": {"before": "0", "after": "4"},
                          "net": {"before": "0.00", "after": "10.00"}}, row["measures"])
        self.assertEqual({"before": 0, "after": 1}, row["count"])
        row = rows["sales.by_customer", customer, month]
        before = int(row["count"]["before"])
        self.assertEqual(before + 1, row["count"]["after"])
        self.assertEqual(3, len(rows), rows)
        self.assertEqual(["sales.order.confirmed", "customers.interaction.created",
                          "inventory.reservation.created"],
                         [event["topic"] for event in preview["events"]])
        self.assertEqual({("sales.order.confirmed", "inventory"),
                          ("sales.order.confirmed", "customers"),
                          ("sales.order.confirmed", "sales")},
                         {(each["topic"], each["module"]) for each in preview["handlers"]})
        self.assertEqual(
            [{"rule": "house.a_note", "file": "house.lua", "moment": "before_confirm",
              "entity": "sales.order", "id": order, "outcome": "changed", "fields": ["note"]},
             {"rule": "house.b_limit", "file": "house.lua", "moment": "before_confirm",
              "entity": "sales.order", "id": order, "outcome": "passed"}], preview["rules"])
        # Nothing of it was kept;
        self.assertEqual("draft", self.admin.get("sales.order", order)["state"])
        self.assertEqual(counted, len(self.admin.new_events()))
        # done in earnest, all of it comes true.
        self.assertEqual(preview["result"], self.admin.call("sales.order.confirm", id=order))
        self.assert_came_true(preview)
        self.assertEqual([event["topic"] for event in preview["events"]],
                         [event["topic"] for event in self.admin.new_events(counted)])

    def test_delivering_moves_stock_and_books_its_cost(self):
        product = self.rope()
        order = self.order(product)
        self.admin.call("sales.order.confirm", id=order)
        preview = self.admin.call("sales.order.deliver", id=order, dry_run=True)
        move = self.change(preview, "inventory.move")
        self.assertEqual("create", move["what"])
        self.assert_fields(move["after"]["lines"][0], product=product, quantity="4",
                           stock_quantity="-4", stock_value="-4.80")
        # The journal entry is made and posted: one change, from nothing to posted.
        entry = self.change(preview, "finance.entry")
        self.assertEqual(("create", None), (entry["what"], entry["before"]))
        self.assertEqual("posted", entry["after"]["state"])
        self.assertEqual({("debit", "4.80"), ("credit", "4.80")},
                         {(side, line[side]) for line in entry["after"]["lines"]
                          for side in ("debit", "credit") if line.get(side)})
        order_change = self.change(preview, "sales.order")
        self.assertEqual(("confirmed", "delivered"),
                         (order_change["before"]["state"], order_change["after"]["state"]))
        self.assertEqual("complete_delivery", order_change["what"])
        self.assert_fields(self.change(preview, "inventory.reservation"), what="update")
        rows = self.totals(preview)
        on_hand = [row for name, row in rows.items() if name[0] == "inventory.on_hand" and
                   product in name and self.stock in name]
        self.assertEqual([{"before": "10", "after": "6"}],
                         [row["measures"]["quantity"] for row in on_hand])
        self.admin.call("sales.order.deliver", id=order)
        self.assert_came_true(preview)

    def test_a_refused_dry_run_names_the_rules_that_spoke(self):
        order = self.order(self.rope(), "40")  # 40 x 2.50 x 1.19 = 119.00
        with self.refused("rule_denied", field="total", rule="house.b_limit") as caught:
            self.admin.call("sales.order.confirm", id=order, dry_run=True)
        preview = caught.exception.details["preview"]
        self.assertEqual([("house.a_note", "changed"), ("house.b_limit", "denied")],
                         [(rule["rule"], rule["outcome"]) for rule in preview["rules"]])
        self.assertEqual([], preview["events"])
        with self.refused("rule_denied", field="total", rule="house.b_limit") as caught:
            self.admin.call("sales.order.confirm", id=order)
        self.assertIsNone(caught.exception.details)

    def test_what_the_user_may_not_read(self):
        product = self.rope()
        order = self.order(product)
        preview = self.anna.call("sales.order.confirm", id=order, dry_run=True)
        # A salesperson reads no stock records: that one is made may be known, not what is in it.
        self.assertEqual({"entity", "id", "what"},
                         set(self.change(preview, "inventory.reservation")))
        self.assertIn("after", self.change(preview, "sales.order"))
        self.assertEqual([], [row for row in preview["totals"]
                              if row["total"].startswith("inventory.")])
        self.assertIn("inventory.reservation.created",
                      [event["topic"] for event in preview["events"]])

    def test_generic_writes(self):
        party = self.admin.create("parties.party", kind="person", name="Eva Kruse")
        preview = self.admin.call("record.update", entity="parties.party", id=party["id"],
                                  values={"name": "Eva Brandt"}, dry_run=True)
        change = self.change(preview, "parties.party")
        self.assertEqual(("update", "Eva Kruse", "Eva Brandt"),
                         (change["what"], change["before"]["name"], change["after"]["name"]))
        self.assertIn("name", change["fields"])
        preview = self.admin.call("record.delete", entity="parties.party", id=party["id"],
                                  dry_run=True)
        change = self.change(preview, "parties.party")
        self.assertEqual(("delete", party, None),
                         (change["what"], change["before"], change["after"]))
        self.assertEqual(party, self.admin.get("parties.party", party["id"]))

    def test_long_previews_are_cut_and_say_so(self):
        made = self.admin.count("parties.party")
        preview = self.admin.call("record.batch", dry_run=True, ops=[
            {"op": "create", "entity": "parties.party",
             "values": {"kind": "company", "name": f"Firm {number}"}} for number in range(600)])
        self.assertEqual(600, len(preview["result"]["results"]))
        self.assertEqual(500, len(preview["changes"]))
        self.assertEqual(["changes", "events"], preview["more"])
        self.assertEqual(made, self.admin.count("parties.party"))

    def test_modules_and_rules_of_a_dry_run_do_not_stay(self):
        preview = self.admin.call("module.disable", name="finance", dry_run=True)
        self.assertEqual({"name": "finance", "enabled": False}, preview["result"])
        self.assertTrue(self.admin.call("system.ping"))
        order = self.order(self.rope())
        self.assertEqual("confirmed", self.admin.call("sales.order.confirm", id=order)["state"])

    def test_command_line(self):
        order = self.order(self.rope())
        done = self.server.kontor("call", "sales.order.confirm", f'{{"id": {order}}}', "--dry-run")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        for line in ("dry run: nothing was kept", f"sales.order {order}  confirm",
                     "  state                 draft -> confirmed",
                     f"  inventory.reserved [{self.admin.count('products.product')}, {self.stock}]"
                     "  quantity 0 -> 4  count 0 -> 1",
                     f"  house.a_note (house.lua)  before_confirm  sales.order {order}  "
                     "changed: note"):
            self.assertIn(line, done.stdout.splitlines())
        done = self.server.kontor("--lang", "zh", "call", "record.update",
                                  f'{{"entity": "sales.order", "id": {order}, '
                                  '"values": {"note": "新"}}', "--dry-run")
        self.assertIn("试运行：未保存任何更改", done.stdout)
        done = self.server.kontor("archive", "sales.order", str(order), "--dry-run")
        self.assertIn(f"sales.order {order}  archive", done.stdout.splitlines())
        self.assertFalse(self.admin.get("sales.order", order).get("archived"))
        self.assertEqual("draft", self.admin.get("sales.order", order)["state"])


if __name__ == "__main__":
    main()
