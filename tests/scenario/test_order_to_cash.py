#!/usr/bin/python3
"""Order to cash at the demo company, by a client that nobody here wrote, to the cent.

The figures, worked out by hand. Rounding is half away from zero to cents, once per line amount.

The order of Petersen, quantity x price less discount, then tax on the rounded net:

    FE-003 fender      12 x 43.99  = 527.88, less 12.5 % = 461.895  461.90   19 % 87.761   87.76
    RO-005 rope, m     40 x  3.3867                      = 135.468  135.47   19 % 25.7393  25.74
    BK-011 book         6 x 30.79                                   184.74    7 % 12.9318  12.93
    SV-004 engraving    3 x 29.70                                    89.10   19 % 16.929   16.93
                                                                net 871.21           tax  143.36
                                                                               total 1014.57
    The tax of 143.36 is booked by rate: 19 % 87.76 + 25.74 + 16.93 = 130.43, 7 % 12.93.

Stock at moving average. An issue takes value x quantity / quantity on hand of the value:

                             fenders              rope                 books
    opening             30      884.20       85      164.08      105     1907.44
      30 x 29.4733 = 884.199, 85 x 1.9304 = 164.084, 105 x 18.1661 = 1907.4405
    first delivery      -5     -147.37      -40      -77.21
      884.20 x 5/30 = 147.3667, 164.08 x 40/85 = 77.2141             cost 224.58
                        25      736.83       45       86.87      105     1907.44
    goods received     +20     +638.00      +40      +79.20       +6     +108.00
      20 x 31.90, 40 x 1.98, 6 x 18.00                              value 825.20
                        45     1374.83       85      166.07      111     2015.44
    second delivery     -7     -213.86                            -6     -108.94
      1374.83 x 7/45 = 213.8624, 2015.44 x 6/111 = 108.9427          cost 322.80
                        38     1160.97       85      166.07      105     1906.50
    average cost           30.5518               1.9538              18.1571
    Cost of goods sold: 224.58 + 322.80 = 547.38.

The books. The opening stock's 488 lines, each rounded, add up to 406810.08 (which nobody adds up by
hand, so the test adds the file up too); the opening receivables to 104082.50:

                                   debit      credit     balance
    0400 Equipment              48500.00                48500.00
    0630 Bank loans                         35000.00   -35000.00
    1000 Cash                     912.80                  912.80
    1200 Bank                   87254.94                87254.94   86240.37 + 500.00 + 514.57
    1400 Receivables           105097.07     1014.57   104082.50   104082.50 + 1014.57 - 1014.57
    1500 Inventory             407635.28      547.38   407087.90   406810.08 + 825.20 - 547.38
    1610 Goods received                       825.20     -825.20
    1776 Output tax                           143.36     -143.36
    3000 Equity                            204735.67  -204735.67
    3900 Opening balance                   406810.08  -406810.08
    4000 Revenue                              871.21     -871.21
    5000 Cost of goods sold       547.38                  547.38
                               649947.47   649947.47        0.00
"""
import csv
from decimal import ROUND_HALF_UP, Decimal

from kontor_test import DEMO, KontorCase, KontorError, TODAY, load_demo, main

USERS = {"anna": ["sales.user"], "max": ["sales.manager"], "clara": ["finance.manager"]}
# code, quantity, discount; net and tax of the line.
ORDER = [("FE-003", "12", "12.5", "461.90", "87.76"),
         ("RO-005", "40", "0", "135.47", "25.74"),
         ("BK-011", "6", "0", "184.74", "12.93"),
         ("SV-004", "3", "0", "89.10", "16.93")]


class DemoCase(KontorCase):
    """The demo company; each class has its own."""

    USERS = USERS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        load_demo(cls.admin)
        cls.petersen = cls.admin.find("customers.customer", "name", "Petersen Schiffsausrüstung")
        cls.kruse = cls.admin.find("customers.customer", "name", "Kruse Bootswerft")

    def product(self, code):
        return self.admin.find("products.product", "code", code)["id"]

    def order_lines(self):
        return [{"product": self.product(code), "quantity": quantity, "discount": discount}
                for code, quantity, discount, _, _ in ORDER]

    def approved_order(self):
        order = self.anna.create("sales.order", customer=self.petersen["id"],
                                 lines=self.order_lines())
        return self.max.call("sales.order.approve", id=order["id"])

    def assert_stock_value(self, code, quantity, value, unit_cost):
        row, = self.admin.call("inventory.stock.value", product=self.product(code))["rows"]
        self.assert_amounts(row, quantity=quantity, value=value)
        self.assert_amounts(row, unit_cost=unit_cost)

    def assert_on_hand(self, code, on_hand, reserved):
        row, = self.admin.call("inventory.stock.on_hand", product=self.product(code))["rows"]
        self.assert_amounts(row, on_hand=on_hand, reserved=reserved,
                            available=str(Decimal(on_hand) - Decimal(reserved)))

    def assert_amounts(self, record, **expected):
        """Decimals are exact text; only trailing zeros are not ours to prescribe."""
        for name, amount in expected.items():
            self.assertIsInstance(record[name], str, name)
            self.assertEqual(Decimal(amount), Decimal(record[name]), name)


class OrderToCash(DemoCase):
    def test_the_story(self):
        self.opening()
        self.opportunity_to_quote()
        self.approval()
        self.confirmation()
        self.first_delivery()
        self.goods_received()
        self.second_delivery()
        self.invoice()
        self.payment()
        self.trial_balance()
        self.history()
        self.sales_figures()
        self.assertEqual([], self.admin.call("system.check")["problems"])

    def opening(self):
        with open(DEMO / "opening_stock.csv", encoding="utf-8") as file:
            by_hand = sum((Decimal(row["lines.quantity"]) * Decimal(row["lines.unit_cost"]))
                          .quantize(Decimal("0.01"), ROUND_HALF_UP) for row in csv.DictReader(file))
        self.assertEqual(Decimal("406810.08"), by_hand)
        worth = self.admin.call("inventory.stock.value")
        self.assert_amounts(worth, total="406810.08")
        self.assertEqual(488, len(worth["rows"]))
        self.assertEqual(500, self.admin.count("products.product"))
        self.assertEqual(200, self.admin.count("customers.customer"))
        self.assert_stock_value("FE-003", "30", "884.20", "29.4733")
        self.assert_stock_value("RO-005", "85", "164.08", "1.9304")
        self.assert_stock_value("BK-011", "105", "1907.44", "18.1661")
        self.assert_receivable("0")

    def assert_receivable(self, amount, customer=None):
        answer = self.clara.call("finance.report.open_items",
                                 party=(customer or self.petersen)["party"])
        self.assert_amounts(answer, receivable=amount)
        rows = self.admin.totals("finance.open_receivables",
                                 (customer or self.petersen)["party"])
        self.assertEqual(Decimal(amount), sum(Decimal(row["open"]) for row in rows))

    def opportunity_to_quote(self):
        # Given a lead without a salesperson in the north, which is Anna's region by the rule,
        lead = self.anna.create("sales.opportunity", name="Fitting out a pilot boat",
                                customer=self.petersen["id"], expected_value="1000.00")
        self.assert_fields(lead, state="lead", region="north", number="OP2026-00001",
                           company="Petersen Schiffsausrüstung", expected_value="1000.00")
        self.anna.call("sales.opportunity.qualify", id=lead["id"])
        # when she quotes,
        order = self.anna.call("sales.opportunity.quote", id=lead["id"], lines=self.order_lines())
        self.assertEqual("quoted", self.anna.get("sales.opportunity", lead["id"])["state"])
        # then the quote says what was worked out above,
        self.assert_fields(order, state="draft", number="SO2026-00001", date=TODAY, net="871.21",
                           tax="143.36", total="1014.57", payment_days=45, currency="EUR",
                           customer_name="Petersen Schiffsausrüstung", discount_max="12.5",
                           party=self.petersen["party"], opportunity=lead["id"])
        self.assertEqual([(net, tax) for *_, net, tax in ORDER],
                         [(line["net"], line["tax"]) for line in order["lines"]])
        self.assertEqual(["43.99", "3.3867", "30.79", "29.70"],
                         [line["price"] for line in order["lines"]])
        self.assertEqual("Mooring rope polyester 16 mm", order["lines"][1]["text"])
        self.assertEqual("m", order["lines"][1]["uom"])
        # and the opportunity can be won.
        self.anna.call("sales.order.quote", id=order["id"])
        won = self.anna.call("sales.opportunity.win", id=lead["id"])
        self.assertEqual("won", won["state"])
        self.order = order["id"]

    def approval(self):
        # 12.5 % is more than the 10 % that a salesperson may give.
        with self.refused("rule_denied", field="discount_max", rule="sales.discount_approval"):
            self.anna.call("sales.order.confirm", id=self.order)
        self.assertEqual("quoted", self.anna.get("sales.order", self.order)["state"])
        # Nobody approves their own discount.
        with self.refused("denied", field="sales.order.approve"):
            self.anna.call("sales.order.approve", id=self.order)
        order = self.max.call("sales.order.approve", id=self.order)
        self.assertEqual(self.admin.find("system.user", "name", "max")["id"], order["approved_by"])

    def confirmation(self):
        order = self.anna.call("sales.order.confirm", id=self.order)
        self.assert_fields(order, state="confirmed", total="1014.57")
        # Goods are reserved, the service is not.
        self.assert_on_hand("FE-003", "30", "12")
        self.assert_on_hand("RO-005", "85", "40")
        self.assert_on_hand("BK-011", "105", "6")
        reservations = self.admin.search("inventory.reservation", ("source_id", "=", self.order))
        self.assertEqual(3, len(reservations))
        # A confirmed order is promised: nobody edits it any more.
        with self.refused("conflict", field="state"):
            self.anna.update("sales.order", self.order, note="changed")

    def first_delivery(self):
        lines = self.anna.get("sales.order", self.order)["lines"]
        # More than is open is refused as a whole.
        with self.refused("invalid", field="lines[0].quantity"):
            self.anna.call("sales.order.deliver", id=self.order,
                           lines=[{"line": lines[0]["id"], "quantity": "12.000001"}])
        answer = self.anna.call("sales.order.deliver", id=self.order, lines=[
            {"line": lines[0]["id"], "quantity": "5"}, {"line": lines[1]["id"]}])
        self.assert_fields(answer["order"], state="confirmed")
        self.assertEqual(["5", "40", "0", "0"],
                         [line["delivered"] for line in answer["order"]["lines"]])
        self.assert_fields(answer["delivery"], number="DN2026-00001", order=self.order)
        self.assert_on_hand("FE-003", "25", "7")
        self.assert_stock_value("FE-003", "25", "736.83", "29.4732")
        self.assert_stock_value("RO-005", "45", "86.87", "1.9304")
        self.assert_account("5000", "224.58")
        # What is half delivered is neither invoiced nor cancelled.
        with self.refused("conflict", field="state"):
            self.anna.call("sales.order.invoice", id=self.order)
        with self.refused("conflict", field="lines[0].delivered"):
            self.anna.call("sales.order.cancel", id=self.order)

    def assert_account(self, code, balance):
        account = self.admin.find("finance.account", "code", code)["id"]
        self.assert_amounts(self.clara.call("finance.account.balance", account=account),
                            balance=balance)

    def goods_received(self):
        suppliers = self.admin.find("inventory.location", "code", "SUPPLIERS")["id"]
        stock = self.admin.find("inventory.location", "code", "MAIN/STOCK")["id"]
        move = self.admin.create("inventory.move", kind="receipt", lines=[
            {"product": self.product(code), "from": suppliers, "to": stock, "quantity": quantity,
             "unit_cost": cost} for code, quantity, cost in
            (("FE-003", "20", "31.90"), ("RO-005", "40", "1.98"), ("BK-011", "6", "18.00"))])
        self.assertEqual(["638.00", "79.20", "108.00"], [line["value"] for line in move["lines"]])
        self.assert_stock_value("FE-003", "45", "1374.83", "30.5518")
        self.assert_stock_value("RO-005", "85", "166.07", "1.9538")
        self.assert_stock_value("BK-011", "111", "2015.44", "18.1571")
        self.assert_account("1610", "-825.20")

    def second_delivery(self):
        answer = self.anna.call("sales.order.deliver", id=self.order)
        self.assert_fields(answer["order"], state="delivered")
        self.assertEqual(["7", "6", "3"],
                         [line["quantity"] for line in answer["delivery"]["lines"]])
        self.assert_stock_value("FE-003", "38", "1160.97", "30.5518")
        self.assert_stock_value("RO-005", "85", "166.07", "1.9538")
        self.assert_stock_value("BK-011", "105", "1906.50", "18.1571")
        self.assert_on_hand("FE-003", "38", "0")
        self.assert_on_hand("BK-011", "105", "0")
        self.assert_account("5000", "547.38")
        # The service moved no goods: one move per delivery, with the goods only.
        moves = self.admin.search("inventory.move", ("source_entity", "=", "sales.delivery"))
        self.assertEqual([2, 2], [len(move["lines"]) for move in moves])

    def invoice(self):
        order = self.anna.call("sales.order.invoice", id=self.order)
        self.assertEqual("invoiced", order["state"])
        invoice, = self.clara.search("finance.invoice", ("source_entity", "=", "sales.order"),
                                     ("source_id", "=", self.order))
        # 45 days after 23 November: 7 left in November, 31 in December, 7 in January.
        self.assert_fields(invoice, state="posted", number="INV2026-00001", date=TODAY,
                           due_date="2027-01-07", reference="SO2026-00001", net="871.21",
                           tax="143.36", total="1014.57", paid="0.00", open="1014.57",
                           party=self.petersen["party"])
        entry = self.clara.get("finance.entry", invoice["entry"])
        codes = {account["id"]: account["code"] for account in self.admin.all("finance.account")}
        self.assertEqual([("1400", "1014.57", None), ("4000", None, "871.21"),
                          ("1776", None, "130.43"), ("1776", None, "12.93")],
                         [(codes[line["account"]], line.get("debit"), line.get("credit"))
                          for line in entry["lines"]])
        self.assert_receivable("1014.57")
        self.invoice_id = invoice["id"]

    def pay(self, amount):
        payment = self.clara.create("finance.payment", party=self.petersen["party"], amount=amount)
        return self.clara.call("finance.payment.post", id=payment["id"])

    def payment(self):
        # A part first: it goes to the oldest open invoice by itself.
        payment = self.pay("500.00")
        self.assert_fields(payment, state="posted", number="PAY2026-00001", unallocated="0.00")
        self.assertEqual([(self.invoice_id, "500.00")],
                         [(line["invoice"], line["amount"]) for line in payment["allocations"]])
        invoice = self.clara.get("finance.invoice", self.invoice_id)
        self.assert_fields(invoice, state="posted", paid="500.00", open="514.57")
        self.assert_receivable("514.57")
        self.assertEqual("invoiced", self.anna.get("sales.order", self.order)["state"])
        # The rest settles invoice and order.
        self.pay("514.57")
        invoice = self.clara.get("finance.invoice", self.invoice_id)
        self.assert_fields(invoice, state="paid", paid="1014.57", open="0.00")
        self.assertEqual("done", self.anna.get("sales.order", self.order)["state"])
        self.assert_receivable("0")
        self.assert_receivable("1650.00", self.kruse)

    def trial_balance(self):
        answer = self.clara.call("finance.report.trial_balance")
        expected = [("0400", "48500.00", "0.00", "48500.00"),
                    ("0630", "0.00", "35000.00", "-35000.00"),
                    ("1000", "912.80", "0.00", "912.80"),
                    ("1200", "87254.94", "0.00", "87254.94"),
                    ("1400", "105097.07", "1014.57", "104082.50"),
                    ("1500", "407635.28", "547.38", "407087.90"),
                    ("1610", "0.00", "825.20", "-825.20"),
                    ("1776", "0.00", "143.36", "-143.36"),
                    ("3000", "0.00", "204735.67", "-204735.67"),
                    ("3900", "0.00", "406810.08", "-406810.08"),
                    ("4000", "0.00", "871.21", "-871.21"),
                    ("5000", "547.38", "0.00", "547.38")]
        self.assertEqual(expected, [(row["code"], row["debit"], row["credit"], row["balance"])
                                    for row in answer["rows"]])
        self.assert_fields(answer, debit="649947.47", credit="649947.47", balance="0.00")
        # The stock account is what the stock is worth.
        self.assert_amounts(self.admin.call("inventory.stock.value"), total="407087.90")

    def history(self):
        entries = self.anna.call("customers.customer.history", id=self.petersen["id"])["entries"]
        moments = [entry["at"].to_unix_nano() for entry in entries]
        self.assertEqual(sorted(moments, reverse=True), moments)
        self.assertEqual(
            [("order", "in", "order SO2026-00001 confirmed, total 1014.57"),
             ("delivery", "out", "delivery DN2026-00001 sent, 2 lines"),
             ("delivery", "out", "delivery DN2026-00002 sent, 3 lines"),
             ("invoice", "out", "invoice INV2026-00001 posted, total 1014.57"),
             ("payment", "in", "payment PAY2026-00001 posted, amount 500.00"),
             ("invoice", "in", "invoice INV2026-00001 paid in full, total 1014.57"),
             ("payment", "in", "payment PAY2026-00002 posted, amount 514.57")],
            [(entry["kind"], entry["direction"], entry["subject"])
             for entry in sorted(entries, key=lambda entry: entry["id"])])
        # The order's own history says who did what.
        told = [(entry["what"], entry["user"]) for entry in
                self.anna.call("record.history", entity="sales.order", id=self.order)["entries"]]
        self.assertEqual([("create", "anna"), ("quote", "anna"), ("approve", "max"),
                          ("confirm", "anna")], told[:4])
        self.assertEqual([("invoice", "anna"), ("settle", "clara")], told[-2:])

    def sales_figures(self):
        row, = self.max.totals("sales.by_customer", self.petersen["id"])
        self.assertEqual([self.petersen["id"], "2026-11-01"], row["by"])
        self.assert_amounts(row, net="871.21", total="1014.57")
        row, = self.max.totals("sales.by_product", self.product("FE-003"))
        self.assert_amounts(row, quantity="12", net="461.90")
        row, = self.clara.totals("finance.turnover", self.petersen["party"])
        self.assert_amounts(row, net="871.21", tax="143.36", total="1014.57")


class CreditLimit(DemoCase):
    """Kruse owes 1650.00 and may owe 2000.00."""

    def order_of_jackets(self, quantity):
        return self.anna.create("sales.order", customer=self.kruse["id"], lines=[
            {"product": self.product("SR-002"), "quantity": quantity}])

    def test_over_the_limit(self):
        # 10 x 46.75 = 467.50, tax 88.825 -> 88.83: 1650.00 + 556.33 = 2206.33.
        order = self.order_of_jackets("10")
        self.assert_fields(order, net="467.50", tax="88.83", total="556.33")
        with self.refused("rule_denied", field="total", rule="sales.credit_limit") as caught:
            self.anna.call("sales.order.confirm", id=order["id"])
        for figure in ("2000.00", "1650.00", "556.33"):
            self.assertIn(figure, caught.exception.message)
            self.assertIn(figure, caught.exception.message_zh)
        # A manager's word does not lift it.
        with self.refused("rule_denied", field="total", rule="sales.credit_limit"):
            self.max.call("sales.order.confirm", id=order["id"])

    def test_within_the_limit(self):
        # 6 x 46.75 = 280.50, tax 53.295 -> 53.30: 1650.00 + 333.80 = 1983.80.
        order = self.order_of_jackets("6")
        self.assert_fields(order, net="280.50", tax="53.30", total="333.80")
        self.anna.call("sales.order.confirm", id=order["id"])
        self.anna.call("sales.order.cancel", id=order["id"])
        self.assert_on_hand("SR-002", "94", "0")


class LeadRegion(DemoCase):
    """anna looks after north and east, max after west and south, as the rule says."""

    def test_lead_goes_to_the_regions_salesperson(self):
        users = {user["name"]: user["id"] for user in self.admin.search("system.user")}
        for region, name in (("north", "anna"), ("east", "anna"), ("west", "max"),
                             ("south", "max")):
            with self.subTest(region):
                lead = self.admin.create("sales.opportunity", name="A lead", region=region)
                self.assertEqual(users[name], lead["salesperson"])

    def test_chosen_salesperson_stays(self):
        users = {user["name"]: user["id"] for user in self.admin.search("system.user")}
        lead = self.anna.create("sales.opportunity", name="A lead", region="north",
                                salesperson=users["max"])
        self.assertEqual(users["max"], lead["salesperson"])


class WithoutInventory(DemoCase):
    """The same order without stock: sold, delivered, invoiced and paid, and no cost booked."""

    MODULES = ("parties", "products", "customers", "sales", "finance")

    def test_order_to_cash(self):
        order = self.approved_order()
        self.anna.call("sales.order.confirm", id=order["id"])
        answer = self.anna.call("sales.order.deliver", id=order["id"])
        self.assertEqual("delivered", answer["order"]["state"])
        self.anna.call("sales.order.invoice", id=order["id"])
        # While finance is there, its payment completes the order and nobody else.
        with self.refused("conflict", field="state"):
            self.anna.call("sales.order.complete", id=order["id"])
        payment = self.clara.create("finance.payment", party=self.petersen["party"],
                                    amount="1014.57")
        self.clara.call("finance.payment.post", id=payment["id"])
        self.assertEqual("done", self.anna.get("sales.order", order["id"])["state"])
        balance = {row["code"]: row["balance"]
                   for row in self.clara.call("finance.report.trial_balance")["rows"]}
        self.assertNotIn("1500", balance)
        self.assertNotIn("5000", balance)
        self.assertEqual(("-871.21", "-143.36"), (balance["4000"], balance["1776"]))
        with self.refused("not_found", field="method"):
            self.admin.call("inventory.stock.on_hand")


class WithoutFinance(DemoCase):
    """The same order without books: stock moves, and a person completes the order."""

    MODULES = ("parties", "products", "customers", "sales", "inventory")
    USERS = {name: USERS[name] for name in ("anna", "max")}

    def test_order_to_done(self):
        order = self.approved_order()
        self.anna.call("sales.order.confirm", id=order["id"])
        self.assert_on_hand("FE-003", "30", "12")
        self.anna.call("sales.order.deliver", id=order["id"])
        self.assert_on_hand("FE-003", "18", "0")
        # 884.20 x 12/30 = 353.68 leave, 530.52 stay.
        self.assert_stock_value("FE-003", "18", "530.52", "29.4733")
        self.anna.call("sales.order.invoice", id=order["id"])
        done = self.anna.call("sales.order.complete", id=order["id"])
        self.assertEqual("done", done["state"])
        with self.refused("not_found", field="method"):
            self.admin.call("finance.report.trial_balance")


class WithoutProducts(KontorCase):
    """The least that can sell: customers and lines of text."""

    MODULES = ("parties", "customers", "sales")
    USERS = {"anna": ["sales.user"]}

    def test_order_of_text(self):
        party = self.admin.create("parties.party", kind="company", name="Voss Hafendienste")
        customer = self.admin.create("customers.customer", party=party["id"])
        order = self.anna.create("sales.order", customer=customer["id"], lines=[
            {"text": "Towing into harbour", "quantity": "1.5", "price": "33.35",
             "tax_rate": "19"}])
        # 1.5 x 33.35 = 50.025 -> 50.03, tax 9.5057 -> 9.51.
        self.assert_fields(order, net="50.03", tax="9.51", total="59.54")
        for verb in ("confirm", "deliver", "invoice", "complete"):
            self.anna.call(f"sales.order.{verb}", id=order["id"])
        self.assertEqual("done", self.anna.get("sales.order", order["id"])["state"])
        with self.assertRaises(KontorError):
            self.anna.create("sales.order", customer=customer["id"], lines=[
                {"product": 1, "quantity": "1", "text": "A product", "price": "1"}])


if __name__ == "__main__":
    main()
