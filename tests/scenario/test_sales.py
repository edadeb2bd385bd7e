#!/usr/bin/python3
"""Sales from the salesperson's chair: prices and sums, the life of an order, deliveries in parts,
approval, and what is left when other modules are switched off. Order to cash with all modules and
the demo company is test_order_to_cash.py.

Rounding is half away from zero to cents: once for the net of a line, once for its tax.
"""
from decimal import Decimal

from kontor_test import RULES, KontorCase, main


class SalesCase(KontorCase):
    USERS = {"anna": ["sales.user"], "max": ["sales.manager"]}
    made = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.voss = cls.customer(name="Voss Hafendienste")

    @classmethod
    def customer(cls, name=None, **values):
        cls.made += 1
        party = cls.admin.create("parties.party", name=name or f"Company {cls.made}")
        return cls.admin.create("customers.customer", party=party["id"], **values)

    @classmethod
    def product(cls, **values):
        cls.made += 1
        unit = cls.admin.find("products.uom", "code", values.pop("uom", "pcs"))
        return cls.admin.create("products.product", **{
            "code": f"P-{cls.made}", "name": "Shackle", "uom": unit["id"], "price": "10.00",
            "tax_rate": "19", **values})

    def order(self, *lines, client=None, **values):
        return (client or self.anna).create("sales.order", **{
            "customer": self.voss["id"], "lines": list(lines), **values})

    @staticmethod
    def towing(**values):
        """2 x 50.00 = 100.00, 19 % of it 19.00, total 119.00."""
        return {"text": "Towing", "quantity": "2", "price": "50", "tax_rate": "19", **values}

    def verb(self, verb, order, client=None, **more):
        return (client or self.anna).call(f"sales.order.{verb}", id=order["id"], **more)

    def state(self, record, entity="sales.order"):
        return self.admin.get(entity, record["id"])["state"]


class Prices(SalesCase):
    """What an order fills in by itself. Neither inventory nor finance is enabled."""

    MODULES = ("parties", "products", "customers", "sales")

    def line(self, product, **values):
        """The one line of a new order for it."""
        return self.order({"product": product["id"], "quantity": "1", **values})["lines"][0]

    def test_product_and_quantity_are_enough(self):
        product = self.product(name="Bow shackle", price="12.5")
        order = self.order({"product": product["id"], "quantity": "3"})
        # 3 x 12.50 = 37.50; 19 % of it 7.125 -> 7.13.
        self.assert_fields(order["lines"][0], text="Bow shackle", uom="pcs", price="12.50",
                           tax_rate="19", discount="0", delivered="0", net="37.50", tax="7.13")
        self.assert_fields(order, state="draft", date="2026-11-23", net="37.50", tax="7.13",
                           total="44.63", discount_max="0", currency="EUR",
                           customer_name="Voss Hafendienste", party=self.voss["party"],
                           payment_days=30)
        self.assertRegex(order["number"], r"^SO2026-\d{5}$")

    def test_what_is_given_stays(self):
        product = self.product()
        self.assert_fields(self.line(product, text="As agreed", price="9.1234", tax_rate="7"),
                           text="As agreed", price="9.1234", tax_rate="7")

    def test_rounding(self):
        for quantity, price, discount, tax_rate, net, tax in (
                # 59.97 less 12.5 % = 52.47375; 19 % of 52.47 = 9.9693.
                ("3", "19.99", "12.5", "19", "52.47", "9.97"),
                # Half a cent goes up: 0.125; 8 % of 0.13 = 0.0104.
                ("1", "0.125", "0", "8", "0.13", "0.01"),
                # 0.333333 x 0.0312 = 0.0103999896, one rounding only.
                ("0.333333", "0.0312", "0", "0", "0.01", "0.00"),
                # 3 x 0.0625 = 0.1875; 50 % of 0.19 = 0.095 -> 0.10.
                ("3", "0.0625", "0", "50", "0.19", "0.10"),
                ("7", "10.00", "100", "19", "0.00", "0.00")):
            with self.subTest((quantity, price, discount, tax_rate)):
                order = self.order({"text": "Goods", "quantity": quantity, "price": price,
                                    "discount": discount, "tax_rate": tax_rate})
                self.assert_fields(order["lines"][0], net=net, tax=tax)
                self.assert_fields(order, net=net, tax=tax)

    def test_sums_are_of_rounded_lines(self):
        # 0.125 twice is 0.13 + 0.13 = 0.26, not 0.25; the largest discount is that of line 2.
        line = {"text": "Goods", "quantity": "1", "price": "0.125"}
        order = self.order(line, line, {**line, "price": "2", "discount": "7.5"})
        # 2.00 less 7.5 % = 1.85; 0.26 + 1.85 = 2.11.
        self.assert_fields(order, net="2.11", tax="0.00", total="2.11", discount_max="7.5")
        empty = self.order()
        self.assert_fields(empty, net="0.00", tax="0.00", total="0.00", discount_max="0")

    def test_price_list_of_the_customer(self):
        product = self.product()
        for values in ({"price": "9.00"}, {"price": "8.40", "price_list": "partner"},
                       {"price": "8.00", "price_list": "partner", "min_quantity": "10"},
                       {"price": "1.00", "price_list": "partner", "from": "2026-12-01"}):
            self.admin.create("products.price", product=product["id"], **values)
        partner = self.customer(price_list="partner")
        for customer, quantity, more, price in ((self.voss, "10", {}, "9.00"),
                                                (partner, "9", {}, "8.40"),
                                                (partner, "10", {}, "8.00"),
                                                (partner, "1", {"date": "2026-12-24"}, "1.00")):
            with self.subTest((customer["name"], quantity)):
                order = self.order({"product": product["id"], "quantity": quantity},
                                   customer=customer["id"], **more)
                self.assertEqual(price, order["lines"][0]["price"])

    def test_price_that_stands_stays_until_it_is_emptied(self):
        # Given an order for one at 10.00,
        product = self.product()
        self.admin.create("products.price", product=product["id"], price="9.00",
                          min_quantity="10")
        order = self.order({"product": product["id"], "quantity": "1"})
        line = order["lines"][0]["id"]
        # when the quantity grows, the price agreed stays,
        order = self.anna.update("sales.order", order["id"],
                                 lines=[{"id": line, "quantity": "10"}])
        self.assert_fields(order, net="100.00")
        # and when it is emptied, it is looked up for the new quantity.
        order = self.anna.update("sales.order", order["id"], lines=[{"id": line, "price": None}])
        self.assert_fields(order["lines"][0], price="9.00", net="90.00")

    def test_another_product_on_a_line(self):
        shackle = self.product(name="Shackle", price="10.00", tax_rate="19")
        chart = self.product(name="Chart", price="25.00", tax_rate="7")
        order = self.order({"product": shackle["id"], "quantity": "2"})
        line = order["lines"][0]
        # Its own text, price and tax come with it, also when a form sends the whole line back;
        for given in ({}, {name: line[name] for name in ("text", "uom", "price", "tax_rate")}):
            preview = self.anna.call("record.update", entity="sales.order", id=order["id"], values={
                "lines": [{"id": line["id"], "product": chart["id"], **given}]}, dry_run=True)
            self.assert_fields(preview["result"]["lines"][0], text="Chart", price="25.00",
                               tax_rate="7", quantity="2", net="50.00", tax="3.50")
        # what is chosen with it stays.
        order = self.anna.update("sales.order", order["id"], lines=[
            {"id": line["id"], "product": chart["id"], "price": "20"}])
        self.assert_fields(order["lines"][0], text="Chart", price="20.00", net="40.00")

    def test_free_text(self):
        order = self.order({"text": "Installation", "quantity": "1.5", "uom": "h", "price": "80"})
        self.assert_fields(order["lines"][0], net="120.00", tax_rate="0", tax="0.00", uom="h")
        with self.refused("invalid", field="lines[1].text"):
            self.order(self.towing(), {"quantity": "1", "price": "1"})
        with self.refused("invalid", field="lines[0].price"):
            self.order({"text": "Goods", "quantity": "1"})

    def test_product_without_price(self):
        product = self.product(price=None)
        with self.refused("invalid", field="lines[1].price"):
            self.order(self.towing(), {"product": product["id"], "quantity": "1"})
        self.assertEqual("3.00", self.line(product, price="3")["price"])

    def test_products_not_for_sale(self):
        product = self.product()
        order = self.order({"product": product["id"], "quantity": "1"})
        for field in ("active", "sale_ok"):
            withheld = self.product(**{field: False})
            with self.subTest(field), self.refused("invalid", field="lines[0].product"):
                self.line(withheld)
        # What was offered before stays offered.
        self.admin.update("products.product", product["id"], active=False)
        self.anna.update("sales.order", order["id"], note="still wanted",
                         lines=[{"id": order["lines"][0]["id"], "quantity": "2"}])

    def test_quantities_in_the_products_unit(self):
        piece, rope = self.product(), self.product(uom="m")
        for product, quantity in ((piece, "0.5"), (piece, "1.000001"), (rope, "0.0005")):
            with self.subTest(quantity), self.refused("invalid", field="lines[0].quantity"):
                self.line(product, quantity=quantity)
        self.assertEqual("2.125", self.line(rope, quantity="2.125")["quantity"])
        self.assertEqual("2", self.line(piece, quantity="2.000")["quantity"])
        with self.refused("invalid", field="lines[0].uom"):
            self.line(piece, uom="doz")
        # Nor can half a piece be delivered.
        order = self.order({"product": piece["id"], "quantity": "2"})
        self.verb("confirm", order)
        line = order["lines"][0]["id"]
        with self.refused("invalid", field="lines[0].quantity"):
            self.verb("deliver", order, lines=[{"line": line, "quantity": "0.5"}])

    def test_from_the_customer(self):
        users = {user["name"]: user["id"] for user in self.admin.search("system.user")}
        first = self.customer(payment_days=14, salesperson=users["anna"])
        other = self.customer(payment_days=60)
        order = self.order(self.towing(), customer=first["id"])
        self.assert_fields(order, payment_days=14, salesperson=users["anna"],
                           customer_name=first["name"])
        # Another customer brings their own terms,
        order = self.anna.update("sales.order", order["id"], customer=other["id"])
        self.assert_fields(order, payment_days=60, salesperson=None, customer_name=other["name"],
                           party=other["party"])
        # but not over what is chosen with them.
        order = self.anna.update("sales.order", order["id"], customer=first["id"], payment_days=7)
        self.assert_fields(order, payment_days=7, salesperson=users["anna"])
        # What was granted to one customer does not pass to the next.
        order = self.anna.update("sales.order", order["id"], customer=other["id"])
        self.assertEqual(60, order["payment_days"])

    def test_percentages(self):
        for field in ("discount", "tax_rate"):
            for value in ("100.0001", "-1"):
                with self.subTest((field, value)), self.refused("invalid",
                                                                field=f"lines[1].{field}"):
                    self.order(self.towing(), self.towing(**{field: value}))


class Life(SalesCase):
    """An order from draft to done, with neither stock nor books."""

    MODULES = ("parties", "products", "customers", "sales")

    def confirmed(self, *quantities):
        order = self.order(*(self.towing(quantity=quantity) for quantity in quantities or "2"))
        return self.verb("confirm", order)

    def test_straight_through(self):
        order = self.order(self.towing())
        for verb, state in (("quote", "quoted"), ("revise", "draft"), ("quote", "quoted"),
                            ("confirm", "confirmed")):
            self.assertEqual(state, self.verb(verb, order)["state"])
        answer = self.verb("deliver", order)
        self.assertEqual("delivered", answer["order"]["state"])
        self.assertEqual("invoiced", self.verb("invoice", order)["state"])
        # Without finance nobody else can tell that it is paid.
        self.assertEqual("done", self.verb("complete", order)["state"])
        told = [entry["what"] for entry in self.anna.call(
            "record.history", entity="sales.order", id=order["id"])["entries"]]
        self.assertEqual(["create", "quote", "revise", "quote", "confirm", "update",
                          "complete_delivery", "invoice", "complete"], told)

    def test_nothing_to_sell(self):
        order = self.order()
        for verb, client in (("quote", self.anna), ("confirm", self.anna), ("approve", self.max)):
            with self.subTest(verb), self.refused("invalid", field="lines"):
                self.verb(verb, order, client)

    def test_locked_once_confirmed(self):
        order = self.confirmed()
        line = order["lines"][0]["id"]
        for values in ({"lines": [{"id": line, "quantity": "3"}]}, {"note": "x"}, {"lines": []}):
            with self.subTest(values), self.refused("conflict", field="state"):
                self.max.update("sales.order", order["id"], **values)
        with self.refused("conflict", field="state"):
            self.max.call("record.delete", entity="sales.order", id=order["id"])
        self.assertEqual("2", self.anna.get("sales.order", order["id"])["lines"][0]["quantity"])

    def test_delivered_in_parts(self):
        # Given an order for 5 and 3,
        order = self.confirmed("5", "3")
        first, second = (line["id"] for line in order["lines"])
        # when 2 of the first leave,
        answer = self.verb("deliver", order, lines=[{"line": first, "quantity": "2"}])
        # then the order waits for the rest,
        self.assertEqual("confirmed", answer["order"]["state"])
        self.assertEqual(["2", "0"], [line["delivered"] for line in answer["order"]["lines"]])
        self.assert_fields(answer["delivery"], order=order["id"], customer=self.voss["id"],
                           party=self.voss["party"], date="2026-11-23")
        self.assertEqual([(first, "Towing", "2")],
                         [(line["order_line"], line["text"], line["quantity"])
                          for line in answer["delivery"]["lines"]])
        # a line named twice counts twice,
        with self.refused("invalid", field="lines[1].quantity"):
            self.verb("deliver", order, lines=[{"line": first, "quantity": "2"},
                                               {"line": first, "quantity": "2"}])
        # a line without quantity is all that is open of it,
        answer = self.verb("deliver", order, lines=[{"line": second}], date="2026-11-24")
        self.assertEqual("2026-11-24", answer["delivery"]["date"])
        self.assertEqual(["2", "3"], [line["delivered"] for line in answer["order"]["lines"]])
        # and no line at all is whatever is left.
        answer = self.verb("deliver", order)
        self.assertEqual("delivered", answer["order"]["state"])
        self.assertEqual([(first, "3")], [(line["order_line"], line["quantity"])
                                          for line in answer["delivery"]["lines"]])
        self.assertEqual(3, self.anna.count("sales.delivery", ("order", "=", order["id"])))
        with self.refused("conflict", field="state"):
            self.verb("deliver", order)

    def test_deliveries_that_are_refused(self):
        order = self.confirmed("5")
        line = order["lines"][0]["id"]
        for lines, field in (([{"line": line, "quantity": "5.000001"}], "lines[0].quantity"),
                             ([{"line": line, "quantity": "0"}], "lines[0].quantity"),
                             ([{"line": line, "quantity": 1.5}], "lines[0].quantity"),
                             ([{"line": line}, {"line": line + 1}], "lines[1].line"),
                             ([{"quantity": "1"}], "lines[0].line"), ([], "lines")):
            with self.subTest(lines), self.refused("invalid", field=field):
                self.verb("deliver", order, lines=lines)
        with self.refused("conflict", field="state"):
            self.verb("deliver", self.order(self.towing()))
        self.assertEqual(0, self.anna.count("sales.delivery", ("order", "=", order["id"])))

    def test_only_the_server_writes_deliveries(self):
        with self.refused("denied", field=self.ANY):
            self.admin.create("sales.delivery", order=1, lines=[{"order_line": 1, "quantity": "1"}])
        for verb in ("complete_delivery", "settle", "unsettle", "withdraw_invoice"):
            with self.subTest(verb), self.refused("not_found", field="method"):
                self.verb(verb, {"id": 1}, self.admin)

    def test_cancelling(self):
        for verbs in ((), ("quote",), ("confirm",)):
            order = self.order(self.towing())
            for verb in verbs:
                self.verb(verb, order)
            self.assertEqual("cancelled", self.verb("cancel", order)["state"])
        order = self.confirmed("5")
        self.verb("deliver", order, lines=[{"line": order["lines"][0]["id"], "quantity": "1"}])
        with self.refused("conflict", field="lines[0].delivered"):
            self.verb("cancel", order)

    def test_blocked_customer(self):
        customer = self.customer(blocked=True)
        order = self.order(self.towing(), customer=customer["id"])
        self.verb("quote", order)
        with self.refused("conflict", field="customer"):
            self.verb("confirm", order)
        self.admin.update("customers.customer", customer["id"], blocked=False)
        self.verb("confirm", order)

    def test_approval_is_for_what_was_approved(self):
        order = self.order(self.towing(discount="20"))
        line = order["lines"][0]["id"]
        with self.refused("denied", field="sales.order.approve"):
            self.verb("approve", order)
        boss = self.admin.find("system.user", "name", "max")["id"]

        def approve():
            approved = self.verb("approve", order, self.max)
            self.assertEqual((boss, True), (approved["approved_by"],
                                            approved["approved_at"] is not None))

        def approver(**values):
            return self.anna.update("sales.order", order["id"], **values).get("approved_by")

        approve()
        # A word to the warehouse or quoting changes nothing of what was agreed,
        self.assertEqual(boss, approver(note="call before"))
        self.assertEqual(boss, approver(lines=[{"id": line, "discount": "20.00"}]))
        self.assertEqual(boss, self.verb("quote", order)["approved_by"])
        # everything that does needs a new word.
        for values in ({"lines": [{"id": line, "discount": "21"}]},
                       {"lines": [{"id": line, "quantity": "3"}]},
                       {"lines": [{"id": line, "price": "49"}]},
                       {"lines": [{"id": line}, self.towing()]}, {"payment_days": 90},
                       {"customer": self.customer()["id"]}):
            with self.subTest(values):
                approve()
                self.assertIsNone(approver(**values))
        with self.refused("invalid", field="approved_by"):
            self.anna.update("sales.order", order["id"], approved_by=boss)

    def test_discount_rule(self):
        self.admin.push_rules(RULES / "sales_discount.lua")
        self.addCleanup(self.admin.call, "rules.remove", name="sales_discount.lua")
        # 10 % is within the limit, more is not.
        self.verb("confirm", self.order(self.towing(discount="10")))
        order = self.order(self.towing(), self.towing(discount="10.01"))
        with self.refused("rule_denied", field="discount_max", rule="sales.discount_approval"):
            self.verb("confirm", order)
        self.verb("approve", order, self.max)
        self.verb("confirm", order)
        # A manager's own order needs nobody else's word.
        self.verb("confirm", self.order(self.towing(discount="30")), self.max)
        # The limit is a setting.
        limit = self.admin.create("system.setting", name="sales.discount_limit", value="25")
        self.verb("confirm", self.order(self.towing(discount="25")))
        self.admin.call("record.delete", entity="system.setting", id=limit["id"])
        with self.refused("rule_denied", field="discount_max", rule="sales.discount_approval"):
            self.verb("confirm", self.order(self.towing(discount="25")))

    def test_credit_rule_needs_finance(self):
        # Without finance nobody knows what is owed.
        self.admin.push_rules(RULES / "sales_credit_limit.lua")
        self.addCleanup(self.admin.call, "rules.remove", name="sales_credit_limit.lua")
        customer = self.customer(credit_limit="1.00")
        self.verb("confirm", self.order(self.towing(), customer=customer["id"]))

    def test_roles(self):
        product = self.product()
        # A salesperson sees what is needed to sell,
        self.assertEqual("Shackle", self.anna.get("products.product", product["id"])["name"])
        self.anna.get("customers.customer", self.voss["id"])
        self.anna.get("parties.party", self.voss["party"])
        self.anna.call("products.price.find", product=product["id"], quantity="1")
        self.anna.create("customers.interaction", customer=self.voss["id"], subject="Called")
        # but does not set the terms.
        for permission, call in (
                ("customers.customer.update", lambda: self.anna.update(
                    "customers.customer", self.voss["id"], credit_limit="1000000")),
                ("products.product.update", lambda: self.anna.update(
                    "products.product", product["id"], price="1")),
                ("products.price.create", lambda: self.anna.create(
                    "products.price", product=product["id"], price="1")),
                ("parties.party.create", lambda: self.anna.create("parties.party", name="New")),
                ("sales.order.delete", lambda: self.anna.call(
                    "record.delete", entity="sales.order", id=1))):
            with self.subTest(permission), self.refused("denied", field=permission):
                call()

    def test_totals(self):
        # Given two sold orders in November and December, one only quoted and one cancelled,
        customer, product = self.customer(), self.product()
        lines = [{"product": product["id"], "quantity": "3", "discount": "10"}, self.towing()]
        november, december, quoted, cancelled = (
            self.order(*lines, customer=customer["id"], date=date)
            for date in ("2026-11-30", "2026-12-01", "2026-11-01", "2026-11-02"))
        for order in (november, december, cancelled):
            self.verb("confirm", order)
        self.verb("quote", quoted)
        self.verb("cancel", cancelled)
        # then each sold one is 3 x 10.00 less 10 % = 27.00 and 100.00, tax 5.13 and 19.00.
        figures = (Decimal("127.00"), Decimal("151.13"), 1)
        rows = self.max.totals("sales.by_customer", customer["id"])
        self.assertEqual([([customer["id"], "2026-11-01"], *figures),
                          ([customer["id"], "2026-12-01"], *figures)],
                         [(row["by"], Decimal(row["net"]), Decimal(row["total"]), row["count"])
                          for row in rows])
        row, = self.max.totals("sales.by_product", product["id"], "2026-11-01")
        self.assertEqual((Decimal("3"), Decimal("27.00"), 1),
                         (Decimal(row["quantity"]), Decimal(row["net"]), row["count"]))
        # Delivering and invoicing keep it sold.
        self.verb("deliver", november)
        self.verb("invoice", november)
        self.assertEqual(2, len(self.max.totals("sales.by_customer", customer["id"])))


class Opportunities(SalesCase):
    """From the first hint of a deal to won or lost."""

    MODULES = ("parties", "customers", "sales")

    def lead(self, **values):
        return self.anna.create("sales.opportunity", **{"name": "A boat", **values})

    def call(self, verb, lead, **more):
        return self.anna.call(f"sales.opportunity.{verb}", id=lead["id"], **more)

    def stage(self, lead):
        return self.state(lead, "sales.opportunity")

    def test_defaults_from_the_customer(self):
        anna = self.admin.find("system.user", "name", "anna")["id"]
        customer = self.customer(region="north", salesperson=anna)
        lead = self.lead(customer=customer["id"])
        self.assert_fields(lead, state="lead", company=customer["name"], region="north",
                           salesperson=anna)
        self.assert_fields(self.lead(customer=customer["id"], company="The yard", region="south"),
                           company="The yard", region="south")
        # Somebody else's lead is nobody's until a rule or a person assigns it.
        self.assertIsNone(self.lead(company="Walk-in").get("salesperson"))
        with self.refused("invalid", field="probability"):
            self.lead(probability="100.01")

    def test_region_rule(self):
        users = {user["name"]: user["id"] for user in self.admin.search("system.user")}
        self.admin.push_rules(RULES / "sales_leads.lua")
        self.addCleanup(self.admin.call, "rules.remove", name="sales_leads.lua")
        self.assertEqual(users["max"], self.lead(region="west")["salesperson"])
        self.assertEqual(users["anna"], self.lead(region="north")["salesperson"])
        self.assertEqual(users["max"],
                         self.lead(region="north", salesperson=users["max"])["salesperson"])
        self.assertIsNone(self.lead(region="atlantis").get("salesperson"))
        customer = self.customer(region="north", salesperson=users["max"])
        self.assertEqual(users["max"], self.lead(customer=customer["id"])["salesperson"])

    def test_quoting_and_winning(self):
        lead = self.lead(company="Voss", expected_value="100.00")
        # A lead needs a customer before anything is quoted or won.
        for verb, more in (("win", {}), ("quote", {"lines": [self.towing()]})):
            with self.subTest(verb), self.refused("invalid", field="customer"):
                self.call(verb, lead, **more)
        self.anna.update("sales.opportunity", lead["id"], customer=self.voss["id"])
        self.call("qualify", lead)
        order = self.call("quote", lead, lines=[self.towing()], date="2026-11-20")
        self.assert_fields(order, state="draft", opportunity=lead["id"], date="2026-11-20",
                           customer=self.voss["id"], total="119.00")
        self.assertEqual("quoted", self.stage(lead))
        # A second quote leaves it quoted; confirming one wins it.
        self.call("quote", lead, lines=[self.towing(quantity="3")])
        self.verb("confirm", order)
        self.assertEqual("won", self.stage(lead))
        # A won one may still be quoted, and stays won.
        self.call("quote", lead, lines=[self.towing()])
        self.assertEqual("won", self.stage(lead))

    def test_quotes_that_are_refused(self):
        lead = self.lead(customer=self.voss["id"])
        before = self.anna.count("sales.order")
        for lines, field in (([], "lines"), ([{"text": "Goods"}], "lines[0].quantity"),
                             ([{"text": "Goods", "quantity": "1"}], "lines[0].price"),
                             ([self.towing(net="1.00")], "lines[0].net"),
                             ([self.towing(product=1)], "lines[0].product")):
            with self.subTest(lines), self.refused("invalid", field=field):
                self.call("quote", lead, lines=lines)
        self.assertEqual((before, "lead"), (self.anna.count("sales.order"), self.stage(lead)))

    def test_order_wins_a_lead_without_customer(self):
        lead = self.lead(company="Walk-in")
        order = self.order(self.towing(), opportunity=lead["id"])
        self.verb("confirm", order)
        lead = self.anna.get("sales.opportunity", lead["id"])
        self.assert_fields(lead, state="won", customer=self.voss["id"], company="Walk-in")

    def test_losing(self):
        lead = self.lead(customer=self.voss["id"])
        with self.refused("invalid", field="reason"):
            self.call("lose", lead)
        self.assert_fields(self.call("lose", lead, reason="Too dear"), state="lost",
                           lost_reason="Too dear")
        with self.refused("conflict", field="state"):
            self.call("quote", lead, lines=[self.towing()])
        with self.refused("conflict", field="state"):
            self.call("win", lead)
        # An order that comes all the same does not rewrite what people said.
        self.verb("confirm", self.order(self.towing(), opportunity=lead["id"]))
        self.assertEqual("lost", self.stage(lead))
        self.assert_fields(self.call("reopen", lead), state="lead", lost_reason=None)

    def test_pipeline(self):
        user = self.admin.call("system.user.add", name="piet", roles=["sales.user"],
                               password="piet-long-password")["id"]
        for value in ("100.00", "250.50"):
            self.lead(salesperson=user, expected_value=value)
        gone = self.lead(salesperson=user, expected_value="1.00")
        self.call("lose", gone, reason="x")

        def pipeline(state):
            return [(Decimal(row["expected_value"]), row["count"])
                    for row in self.max.totals("sales.pipeline", state, user)]

        self.assertEqual([(Decimal("350.50"), 2)], pipeline("lead"))
        self.assertEqual([(Decimal("1.00"), 1)], pipeline("lost"))
        self.assertEqual([], pipeline("won"))


class Ledger(SalesCase):
    """With finance: what happens to the invoice happens to the order."""

    MODULES = ("parties", "customers", "sales", "finance")

    def invoiced(self):
        order = self.order(self.towing())
        for verb in ("confirm", "deliver", "invoice"):
            self.verb(verb, order)
        return order

    def invoice(self, order):
        invoice, = self.admin.search("finance.invoice", ("source_entity", "=", "sales.order"),
                                     ("source_id", "=", order["id"]), ("state", "!=", "cancelled"))
        return invoice

    def pay(self, order):
        invoice = self.invoice(order)
        payment = self.admin.create(
            "finance.payment", party=self.voss["party"], amount=invoice["total"],
            allocations=[{"invoice": invoice["id"], "amount": invoice["total"]}])
        return self.admin.call("finance.payment.post", id=payment["id"])

    def test_payment_completes_the_order(self):
        order = self.invoiced()
        self.assert_fields(self.invoice(order), state="posted", total="119.00")
        with self.refused("conflict", field="state"):
            self.verb("complete", order)
        payment = self.pay(order)
        self.assertEqual("done", self.state(order))
        # A payment withdrawn opens both again, a new one closes them.
        self.admin.call("finance.payment.cancel", id=payment["id"])
        self.assertEqual("invoiced", self.state(order))
        with self.refused("conflict", field="state"):
            self.verb("complete", order)
        self.pay(order)
        self.assertEqual("done", self.state(order))

    def test_cancelled_invoice_is_made_anew(self):
        order = self.invoiced()
        wrong = self.invoice(order)
        self.admin.call("finance.invoice.cancel", id=wrong["id"])
        self.assertEqual("delivered", self.state(order))
        self.verb("invoice", order)
        self.assertNotEqual(wrong["id"], self.invoice(order)["id"])
        self.pay(order)
        self.assertEqual("done", self.state(order))

    def test_gift_is_completed_by_hand(self):
        order = self.order(self.towing(discount="100"))
        for verb in ("confirm", "deliver", "invoice"):
            self.verb(verb, order)
        self.assertEqual("done", self.verb("complete", order)["state"])

    def test_invoiced_before_finance_was_there(self):
        self.admin.call("module.disable", name="finance")
        order = self.invoiced()
        self.admin.call("module.enable", name="finance")
        # No payment will ever complete it, so a person may.
        self.assertEqual("done", self.verb("complete", order)["state"])

    def test_credit_rule(self):
        # Given a customer who owes 119.00 of 200.00,
        self.admin.push_rules(RULES / "sales_credit_limit.lua")
        self.addCleanup(self.admin.call, "rules.remove", name="sales_credit_limit.lua")
        customer = self.customer(credit_limit="200.00")
        order = self.order(self.towing(), customer=customer["id"])
        for verb in ("confirm", "deliver", "invoice"):
            self.verb(verb, order)
        # then 81.00 more is all, and 81.01 is too much.
        line = {"text": "Goods", "quantity": "1", "price": "81.01"}
        order = self.order(line, customer=customer["id"])
        with self.refused("rule_denied", field="total", rule="sales.credit_limit"):
            self.verb("confirm", order)
        self.verb("confirm", self.order({**line, "price": "81"}, customer=customer["id"]))


class SleepingProducts(SalesCase):
    """Products are switched off while orders that name them are under way."""

    MODULES = ("parties", "products", "customers", "sales")

    def test_orders_go_on(self):
        # Given an order for a product,
        product = self.product()
        order = self.order({"product": product["id"], "quantity": "2"})
        line = order["lines"][0]["id"]
        self.admin.call("module.disable", name="products")
        # when it is changed, confirmed and delivered while products sleep,
        self.anna.update("sales.order", order["id"], lines=[{"id": line, "quantity": "3"}])
        with self.refused("invalid", field="lines[0].product"):
            self.order({"product": product["id"], "quantity": "1", "text": "Goods", "price": "1"})
        self.verb("confirm", order)
        answer = self.verb("deliver", order)
        self.assertEqual("delivered", answer["order"]["state"])
        self.admin.call("module.enable", name="products")
        # then what it was for is known again, also by the delivery.
        order = self.anna.get("sales.order", order["id"])
        self.assert_fields(order["lines"][0], product=product["id"], quantity="3", net="30.00")
        delivery = self.anna.find("sales.delivery", "order", order["id"])
        self.assertEqual(product["id"], delivery["lines"][0]["product"])


if __name__ == "__main__":
    main()
