#!/usr/bin/python3
"""Stock: what moves, what is promised, what it is worth. Figures are worked out in the comments.
"""
from decimal import Decimal

from kontor_test import KontorCase, KontorError, main


class StockCase(KontorCase):
    """Products and places of one's own for every test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place = {row["code"]: row["id"] for row in cls.admin.search("inventory.location")}
        cls.products = 0

    def product(self, **values):
        """A new product's id."""
        type(self).products += 1
        code = f"{type(self).__name__[0]}{self.products}"
        return self.admin.create("products.product", code=code, name=f"Product {code}",
                                 **values)["id"]

    def line(self, product, source, target, quantity, **cost):
        return {"product": product, "from": self.place[source], "to": self.place[target],
                "quantity": quantity, **cost}

    def move(self, *lines, **header):
        return self.admin.create("inventory.move", lines=list(lines), **header)

    def receive(self, product, quantity, unit_cost, target="MAIN/STOCK"):
        return self.move(self.line(product, "SUPPLIERS", target, quantity, unit_cost=unit_cost),
                         kind="receipt")

    def send(self, product, quantity, source="MAIN/STOCK"):
        """The line of a move to customers."""
        move = self.move(self.line(product, source, "CUSTOMERS", quantity), kind="delivery")
        return move["lines"][0]

    def second_location(self):
        if "MAIN/TWO" not in self.place:
            warehouse = self.admin.find("inventory.warehouse", "code", "MAIN")
            self.place["MAIN/TWO"] = self.admin.create(
                "inventory.location", code="MAIN/TWO", kind="internal",
                warehouse=warehouse["id"])["id"]

    def assert_worth(self, product, quantity, value, average):
        answer = self.admin.call("inventory.stock.value", product=product)
        row, = answer["rows"]
        self.assert_fields(row, quantity=quantity, value=value, unit_cost=average)
        self.assertEqual(value, answer["total"])

    def assert_bin(self, product, on_hand, reserved, location="MAIN/STOCK"):
        rows = self.admin.call("inventory.stock.on_hand", product=product,
                               location=self.place[location])["rows"]
        found = (rows[0]["on_hand"], rows[0]["reserved"]) if rows else ("0", "0")
        self.assertEqual((on_hand, reserved), found)


class Costing(StockCase):
    """Inventory by itself: neither sales nor finance are there."""

    MODULES = ("products", "inventory")
    USERS = {"karl": ["inventory.user"]}

    def test_moving_average(self):
        # The worked example of plugins/inventory/README.md.
        product = self.product()
        # 100 * 2.00 = 200.00
        opening = self.move(self.line(product, "OPENING", "MAIN/STOCK", "100", unit_cost="2"),
                            kind="opening", reference="Opening stock")
        self.assertRegex(opening["number"], r"^MV2026-\d{6}$")
        self.assert_fields(opening["lines"][0], unit_cost="2.00", value="200.00",
                           stock_quantity="100", stock_value="200.00")
        # 200.00 + 50 * 2.60 = 330.00 for 150 pieces: 2.20 each
        self.receive(product, "50", "2.60")
        self.assert_worth(product, "150", "330.00", "2.20")
        # 30 * 330.00 / 150 = 66.00
        self.assert_fields(self.send(product, "30"), unit_cost="2.20", value="66.00",
                           stock_quantity="-30", stock_value="-66.00")
        self.assert_worth(product, "120", "264.00", "2.20")
        # Two come back at the present average: 2 * 2.20 = 4.40
        back = self.move(self.line(product, "CUSTOMERS", "MAIN/STOCK", "2"), kind="return")
        self.assert_fields(back["lines"][0], value="4.40", stock_value="4.40")
        # One is not found: 1 * 268.40 / 122 = 2.20
        counted = self.admin.call("inventory.stock.adjust", product=product,
                                  location=self.place["MAIN/STOCK"], counted="121",
                                  reason="Yearly count")
        self.assertEqual("-1", counted["difference"])
        adjustment = self.admin.get("inventory.move", counted["move"])
        self.assert_fields(adjustment, kind="adjustment", reference="Yearly count")
        self.assert_fields(adjustment["lines"][0], value="2.20", stock_value="-2.20")
        self.assert_worth(product, "121", "266.20", "2.20")

    def test_last_unit_takes_the_rest(self):
        # 3 for 10.00. One: 10.00 / 3 = 3.333 -> 3.33; of 6.67 for 2: 3.335 -> 3.34; then 3.33.
        product = self.product()
        receipt = self.move(self.line(product, "SUPPLIERS", "MAIN/STOCK", "3",
                                      total_cost="10.00"))
        self.assertEqual("3.3333", receipt["lines"][0]["unit_cost"])
        values = [self.send(product, "1")["value"] for _ in range(3)]
        self.assertEqual(["3.33", "3.34", "3.33"], values)
        self.assertEqual({"rows": [], "more": False, "total": "0.00"},
                         self.admin.call("inventory.stock.value", product=product))

    def test_fractions(self):
        # 2.5 m at 1.1333 = 2.83325 -> 2.83; 0.75 of it: 2.83 * 0.75 / 2.5 = 0.849 -> 0.85
        product = self.product(uom=self.admin.find("products.uom", "code", "m")["id"])
        self.receive(product, "2.5", "1.1333")
        self.assert_worth(product, "2.5", "2.83", "1.132")
        self.assertEqual("0.85", self.send(product, "0.75")["value"])
        self.assert_worth(product, "1.75", "1.98", "1.1314")  # 1.98 / 1.75 = 1.13142...

    def test_receipt_without_cost_takes_the_products(self):
        product = self.product(cost="1.25")
        receipt = self.move(self.line(product, "SUPPLIERS", "MAIN/STOCK", "4"))
        self.assert_fields(receipt["lines"][0], unit_cost="1.25", value="5.00")

    def test_lines_count_in_their_order(self):
        product = self.product()
        into = self.line(product, "SUPPLIERS", "MAIN/STOCK", "10", unit_cost="1.50")
        out = self.line(product, "MAIN/STOCK", "CUSTOMERS", "4")
        with self.refused("conflict", "lines[0].quantity"):
            self.move(out, into)
        self.assertEqual("6.00", self.move(into, out)["lines"][1]["value"])
        self.assert_worth(product, "6", "9.00", "1.50")

    def test_transfer_changes_no_value(self):
        self.second_location()
        product = self.product()
        self.receive(product, "10", "3.00")
        moved = self.move(self.line(product, "MAIN/STOCK", "MAIN/TWO", "4"))
        self.assert_fields(moved["lines"][0], value="12.00", stock_quantity="0",
                           stock_value="0.00")
        self.assert_bin(product, "6", "0")
        self.assert_bin(product, "4", "0", "MAIN/TWO")
        self.assert_worth(product, "10", "30.00", "3.00")

    def test_goods_move_and_do_not_appear(self):
        # Over all locations, those outside included, each product adds up to nothing.
        product = self.product()
        self.receive(product, "7", "1.00")
        self.send(product, "3")
        rows = self.admin.totals("inventory.on_hand", product)
        by_place = {row["by"][1]: Decimal(row["quantity"]) for row in rows}
        self.assertEqual({self.place["SUPPLIERS"]: -7, self.place["MAIN/STOCK"]: 4,
                          self.place["CUSTOMERS"]: 3}, by_place)
        self.assertEqual(0, sum(by_place.values()))

    def test_never_below_zero(self):
        product = self.product(uom=self.admin.find("products.uom", "code", "kg")["id"])
        self.receive(product, "5", "1.00")
        moves = self.admin.count("inventory.move")
        with self.refused("conflict", "lines[1].quantity"):
            self.move(self.line(product, "MAIN/STOCK", "CUSTOMERS", "3"),
                      self.line(product, "MAIN/STOCK", "CUSTOMERS", "2.001"))
        self.assertEqual(moves, self.admin.count("inventory.move"))
        self.assert_bin(product, "5", "0")

    def test_bad_moves_are_refused(self):
        product, service = self.product(), self.product(kind="service")
        good = self.line(product, "SUPPLIERS", "MAIN/STOCK", "1", unit_cost="1.00")
        closed = self.admin.create("inventory.location", code=f"OUT{product}", kind="supplier",
                                   active=False)["id"]
        moves = self.admin.count("inventory.move")
        for change, field in [
                ({"to": good["from"]}, "lines[1].to"),
                ({"to": closed}, "lines[1].to"),
                ({"to": 999999}, "lines[1].to"),
                ({"product": service}, "lines[1].product"),
                ({"product": None}, "lines[1].product"),
                ({"from": None}, "lines[1].from"),
                ({"quantity": None}, "lines[1].quantity"),
                ({"quantity": "0"}, "lines[1].quantity"),
                ({"quantity": "-1"}, "lines[1].quantity"),
                ({"quantity": 1.5}, "lines[1].quantity"),
                ({"quantity": "1.5"}, "lines[1].quantity"),  # A product without a unit is in pcs.
                ({"quantity": "9999999999999999999999", "unit_cost": "9999999999999999999999"},
                 "lines[1].quantity"),
                ({"unit_cost": "-1"}, "lines[1].unit_cost"),
                ({"unit_cost": "1.00001"}, "lines[1].unit_cost")]:
            with self.subTest(change), self.refused("invalid", field):
                self.move(good, {**good, **change})
        with self.refused("invalid", "lines"):
            self.move()
        self.assertEqual(moves, self.admin.count("inventory.move"))
        self.assert_bin(product, "0", "0")

    def test_a_move_never_changes(self):
        product = self.product()
        move = self.receive(product, "1", "1.00")
        with self.refused("conflict"):
            self.admin.update("inventory.move", move["id"], reference="else")
        with self.refused("conflict"):
            self.admin.call("record.delete", entity="inventory.move", id=move["id"])

    def test_clients_do_not_say_what_stock_is_worth(self):
        product = self.product()
        move = self.move(self.line(product, "SUPPLIERS", "MAIN/STOCK", "2", unit_cost="1.00",
                                   value="99.00", stock_value="99.00", stock_quantity="99"))
        self.assert_fields(move["lines"][0], value="2.00", stock_value="2.00",
                           stock_quantity="2")

    def test_count(self):
        product = self.product(cost="4.00")
        count = {"product": product, "location": self.place["MAIN/STOCK"]}
        # Found 3 of which nobody knew: at the product's cost, 12.00.
        self.assertEqual("3", self.admin.call("inventory.stock.adjust", counted="3",
                                              **count)["difference"])
        self.assert_worth(product, "3", "12.00", "4.00")
        # The same again: nothing to do.
        self.assert_fields(self.admin.call("inventory.stock.adjust", counted="3", **count),
                           move=None, difference="0")
        with self.refused("invalid", "counted"):
            self.admin.call("inventory.stock.adjust", counted="-1", **count)
        with self.refused("invalid", "counted"):
            self.admin.call("inventory.stock.adjust", counted="2.5", **count)
        with self.refused("invalid", "location"):
            self.admin.call("inventory.stock.adjust", counted="1", product=product,
                            location=self.place["SUPPLIERS"])
        with self.refused("invalid", "product"):
            self.admin.call("inventory.stock.adjust", counted="1",
                            product=self.product(kind="service"), location=count["location"])

    def test_import(self):
        # As scripts/demo/opening_stock.csv: rows of one document, references by code.
        first, second = self.product(), self.product()
        codes = [self.admin.get("products.product", id)["code"] for id in (first, second)]
        answer = self.admin.call(
            "record.import", entity="inventory.move",
            columns=["kind", "reference", "lines.product", "lines.from", "lines.to",
                     "lines.quantity", "lines.unit_cost"],
            rows=[["opening", "Begin", codes[0], "OPENING", "MAIN/STOCK", "3000", "0.0406"],
                  ["opening", "Begin", codes[1], "OPENING", "MAIN/STOCK", "7", "12.345"]])
        self.assert_fields(answer, rows=2, created=1)
        move, = self.admin.search("inventory.move", ("reference", "=", "Begin"))
        self.assertEqual(2, len(move["lines"]))
        self.assert_worth(first, "3000", "121.80", "0.0406")  # 3000 * 0.0406
        self.assert_worth(second, "7", "86.42", "12.3457")  # 86.415 -> 86.42; / 7 = 12.34571...

    def test_locations(self):
        with self.refused("invalid", "warehouse"):
            self.admin.create("inventory.location", code="NOWHERE", kind="internal")
        with self.refused("invalid", "kind"):
            self.admin.update("inventory.location", self.place["SUPPLIERS"], kind="customer")
        with self.refused("conflict", "code"):
            self.admin.create("inventory.location", code="SUPPLIERS", kind="supplier")

    def test_clerk(self):
        product = self.product()
        self.karl.create("inventory.move", kind="receipt", lines=[
            self.line(product, "SUPPLIERS", "MAIN/STOCK", "1", unit_cost="1.00")])
        self.assertEqual("1.00", self.karl.call("inventory.stock.value",
                                                product=product)["total"])
        for method, params in [
                ("record.create", {"entity": "inventory.location",
                                   "values": {"code": "X", "kind": "supplier"}}),
                ("record.update", {"entity": "inventory.warehouse", "id": 1,
                                   "values": {"name": "X"}})]:
            with self.subTest(method), self.assertRaises(KontorError) as caught:
                self.karl.call(method, params)
            self.assertEqual("denied", caught.exception.code)


class Promises(StockCase):
    """Sales orders reserve and deliveries ship."""

    MODULES = ("parties", "products", "customers", "sales", "inventory")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        party = cls.admin.create("parties.party", kind="company", name="Kruse")
        cls.customer = cls.admin.create("customers.customer", party=party["id"])["id"]

    def goods(self, quantity="0"):
        """A product with that much on stock."""
        product = self.product(price="5.00")
        if quantity != "0":
            self.receive(product, quantity, "2.00")
        return product

    def order(self, *lines):
        """A confirmed order of (product, quantity)."""
        order = self.admin.create("sales.order", customer=self.customer, lines=[
            {"product": product, "quantity": quantity} for product, quantity in lines])
        return self.admin.call("sales.order.confirm", id=order["id"])

    def reserved(self, order):
        """(wanted, reserved, delivered, missing) of the order's reservations."""
        return [(row["wanted"], row["reserved"], row["delivered"], row["missing"])
                for row in self.admin.search("inventory.reservation", ("source_id", "=",
                                                                       order["id"]))]

    def test_confirm_reserves_and_delivery_ships(self):
        product = self.goods("10")
        order = self.order((product, "4"))
        self.assertEqual([("4", "4", "0", "0")], self.reserved(order))
        self.assert_bin(product, "10", "4")
        # In two parts.
        line = order["lines"][0]["id"]
        answer = self.admin.call("sales.order.deliver", id=order["id"],
                                 lines=[{"line": line, "quantity": "1"}])
        self.assertEqual("confirmed", answer["order"]["state"])
        self.assertEqual([("4", "4", "1", "0")], self.reserved(order))
        self.assert_bin(product, "9", "3")
        answer = self.admin.call("sales.order.deliver", id=order["id"])
        self.assertEqual("delivered", answer["order"]["state"])
        self.assertEqual([("4", "4", "4", "0")], self.reserved(order))
        self.assert_bin(product, "6", "0")
        move, = self.admin.search("inventory.move", ("source_entity", "=", "sales.delivery"),
                                  ("source_id", "=", answer["delivery"]["id"]))
        self.assert_fields(move, kind="delivery", reference="%s / %s" % (
            order["number"], answer["delivery"]["number"]))
        self.assert_fields(move["lines"][0], quantity="3", value="6.00")
        self.assert_worth(product, "6", "12.00", "2.00")

    def test_shortage_waits_and_is_served(self):
        product = self.goods("5")
        order = self.order((product, "8"))
        self.assertEqual([("5", "5", "0", "0"), ("3", "0", "0", "3")], self.reserved(order))
        waiting, = self.admin.search("inventory.reservation", ("product", "=", product),
                                     ("waiting", "=", True))
        self.assert_fields(waiting, reference=order["number"], missing="3")
        # More than there is cannot leave, and nothing of the attempt remains.
        with self.refused("conflict", "lines[0].quantity"):
            self.admin.call("sales.order.deliver", id=order["id"])
        self.assertEqual(0, self.admin.count("sales.delivery", ("order", "=", order["id"])))
        self.assert_bin(product, "5", "5")
        # Two arrive: 7 are reserved; ten more: all 8, and 9 of 17 are free.
        self.receive(product, "2", "2.00")
        self.assertEqual([("5", "5", "0", "0"), ("3", "2", "0", "1")], self.reserved(order))
        self.receive(product, "10", "2.00")
        self.assertEqual([("5", "5", "0", "0"), ("3", "3", "0", "0")], self.reserved(order))
        self.assert_bin(product, "17", "8")
        answer = self.admin.call("sales.order.deliver", id=order["id"])
        self.assertEqual("delivered", answer["order"]["state"])
        self.assert_bin(product, "9", "0")

    def test_who_waits_longest_is_served_first(self):
        product = self.goods()
        first, second = self.order((product, "5")), self.order((product, "5"))
        self.receive(product, "7", "2.00")
        self.assertEqual([("5", "5", "0", "0")], self.reserved(first))
        self.assertEqual([("5", "2", "0", "3")], self.reserved(second))

    def test_cancelling_frees_for_others(self):
        product = self.goods("5")
        first, second = self.order((product, "5")), self.order((product, "5"))
        self.assertEqual([("5", "0", "0", "5")], self.reserved(second))
        self.admin.call("sales.order.cancel", id=first["id"])
        self.assertEqual([("0", "0", "0", "0")], self.reserved(first))
        self.assertEqual([("5", "5", "0", "0")], self.reserved(second))
        self.assert_bin(product, "5", "5")

    def test_promised_stock_is_not_for_others(self):
        product = self.goods("5")
        self.order((product, "4"))
        with self.refused("conflict", "lines[0].quantity"):
            self.send(product, "2")
        self.send(product, "1")
        self.assert_bin(product, "4", "4")

    def test_count_below_promises_sends_the_newest_back(self):
        product = self.goods("10")
        first, second = self.order((product, "6")), self.order((product, "4"))
        self.admin.call("inventory.stock.adjust", product=product, counted="7",
                        location=self.place["MAIN/STOCK"])
        self.assertEqual([("6", "6", "0", "0")], self.reserved(first))
        self.assertEqual([("4", "1", "0", "3")], self.reserved(second))
        self.assert_bin(product, "7", "7")

    def test_stock_in_two_places(self):
        # 3 and 4 on stock, 6 ordered: no place has all, so 3 and 3.
        self.second_location()
        product = self.goods("3")
        self.receive(product, "4", "2.00", "MAIN/TWO")
        order = self.order((product, "6"))
        self.assert_bin(product, "3", "3")
        self.assert_bin(product, "4", "3", "MAIN/TWO")
        answer = self.admin.call("sales.order.deliver", id=order["id"])
        move, = self.admin.search("inventory.move", ("source_entity", "=", "sales.delivery"),
                                  ("source_id", "=", answer["delivery"]["id"]))
        self.assertEqual(["3", "3"], [line["quantity"] for line in move["lines"]])
        self.assert_worth(product, "1", "2.00", "2.00")

    def test_one_place_that_has_all_is_preferred(self):
        self.second_location()
        product = self.goods("3")
        self.receive(product, "6", "2.00", "MAIN/TWO")
        self.order((product, "6"))
        self.assert_bin(product, "3", "0")
        self.assert_bin(product, "6", "6", "MAIN/TWO")

    def test_services_and_texts_are_not_stock(self):
        service = self.product(kind="service", price="50.00")
        order = self.admin.create("sales.order", customer=self.customer, lines=[
            {"product": service, "quantity": "2"},
            {"text": "Thank you", "quantity": "1", "price": "0.00"}])
        self.admin.call("sales.order.confirm", id=order["id"])
        moves = self.admin.count("inventory.move")
        answer = self.admin.call("sales.order.deliver", id=order["id"])
        self.assertEqual("delivered", answer["order"]["state"])
        self.assertEqual([], self.reserved(order))
        self.assertEqual(moves, self.admin.count("inventory.move"))

    def test_reservations_are_the_servers(self):
        product = self.goods("1")
        with self.assertRaises(KontorError) as caught:
            self.admin.create("inventory.reservation", product=product, source_entity="x",
                              source_id=1, location=self.place["MAIN/STOCK"])
        self.assertEqual("denied", caught.exception.code)


class SwitchedOff(StockCase):
    MODULES = ("parties", "products", "customers", "sales", "inventory")

    def test_an_order_lives_without_inventory_and_meets_it_again(self):
        party = self.admin.create("parties.party", kind="company", name="Kruse")
        customer = self.admin.create("customers.customer", party=party["id"])["id"]
        product = self.product(price="5.00")
        self.receive(product, "10", "2.00")

        def order():
            made = self.admin.create("sales.order", customer=customer,
                                     lines=[{"product": product, "quantity": "2"}])
            return self.admin.call("sales.order.confirm", id=made["id"])["id"]

        def deliver(id):
            return self.admin.call("sales.order.deliver", id=id)["order"]["state"]

        # Disabled: neither reserved nor moved.
        self.admin.call("module.disable", name="inventory")
        gone, later = order(), order()
        self.assertEqual("delivered", deliver(gone))
        # Enabled again: an order confirmed meanwhile has no reservation and still ships.
        self.admin.call("module.enable", name="inventory")
        self.assert_bin(product, "10", "0")
        self.assertEqual("delivered", deliver(later))
        self.assert_bin(product, "8", "0")


if __name__ == "__main__":
    main()
