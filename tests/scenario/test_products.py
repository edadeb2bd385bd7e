#!/usr/bin/python3
"""Products, their units and categories, and which price applies."""
from kontor_test import TODAY, KontorCase, main


class Products(KontorCase):
    """Products alone: no other module is needed."""

    MODULES = ("products",)
    USERS = {"paula": ["products.user"], "rita": ["products.reader"]}
    made = 0

    @classmethod
    def product(cls, **values):
        cls.made += 1
        return cls.paula.create("products.product", **{
            "code": f"P-{cls.made}", "name": "Shackle", **values})

    def unit(self, code):
        return self.rita.find("products.uom", "code", code)

    # --- Units and products ---

    def test_units_are_there_from_the_start(self):
        self.assertEqual(16, self.rita.count("products.uom"))
        # 1 h = 60 min, 1 day = 8 h = 480 min, 1 m3 = 1000 l, 1 t = 1000 kg, 1 g = 0.001 kg.
        for code, category, ratio, digits in (
                ("h", "time", "60", 2), ("day", "time", "480", 2), ("m3", "volume", "1000", 6),
                ("t", "weight", "1000", 6), ("g", "weight", "0.001", 0), ("pcs", "piece", "1", 0)):
            self.assert_fields(self.unit(code), category=category, ratio=ratio, digits=digits)

    def test_unit_checks(self):
        for field, value in (("digits", 7), ("digits", -1), ("ratio", "0"), ("ratio", "-1")):
            with self.subTest((field, value)), self.refused("invalid", field=field):
                self.paula.create("products.uom", code="odd", name="Odd", **{field: value})
        with self.refused("conflict", field="code"):
            self.paula.create("products.uom", code="pcs", name="Again")

    def test_product_defaults(self):
        product = self.product(price="12.5")
        self.assert_fields(product, kind="goods", uom=self.unit("pcs")["id"], tax_rate="0",
                           price="12.50", active=True, sale_ok=True, purchase_ok=True)

    def test_product_checks(self):
        for field, value in (("tax_rate", "100.0001"), ("tax_rate", "-1"), ("price", "-0.01"),
                             ("price", "1.00001"), ("price", 1.5), ("uom", 999999),
                             ("kind", "thing"), ("code", None)):
            with self.subTest((field, value)), self.refused("invalid", field=field):
                self.product(**{field: value})
        first = self.product(barcode="4006381333931")
        for field in ("code", "barcode"):
            with self.subTest(field), self.refused("conflict", field=field):
                self.product(**{field: first[field]})

    def test_unit_of_a_product_is_fixed(self):
        # Stock, orders and prices count in it.
        product = self.product()
        with self.refused("conflict", field="uom"):
            self.paula.update("products.product", product["id"], uom=self.unit("doz")["id"])
        product = self.paula.update("products.product", product["id"], uom=self.unit("pcs")["id"],
                                    name="Bow shackle")
        self.assertEqual("Bow shackle", product["name"])

    def test_category_is_not_its_own_ancestor(self):
        hardware = self.paula.create("products.category", code="HW", name="Hardware")
        shackles = self.paula.create("products.category", code="SH", name="Shackles",
                                     parent=hardware["id"])
        for parent in (shackles, hardware):
            with self.subTest(parent["code"]), self.refused("invalid", field="parent"):
                self.paula.update("products.category", hardware["id"], parent=parent["id"])

    # --- Prices ---

    def price(self, product, price, **values):
        return self.paula.create("products.price", product=product["id"], price=price, **values)

    def found(self, product, quantity, **values):
        answer = self.rita.call("products.price.find", product=product["id"], quantity=quantity,
                                **values)
        return answer["price"], answer["source"]

    def test_quantity_steps(self):
        product = self.product(price="10.00")
        self.price(product, "9.50", min_quantity="10")
        self.price(product, "9.0625", min_quantity="100")
        for quantity, expected in (("1", ("10.00", "products.product")),
                                   ("9.999999", ("10.00", "products.product")),
                                   ("10", ("9.50", "products.price")),
                                   ("99", ("9.50", "products.price")),
                                   ("100", ("9.0625", "products.price"))):
            with self.subTest(quantity):
                self.assertEqual(expected, self.found(product, quantity))

    def test_list_of_the_customer_comes_first(self):
        product = self.product(price="10.00")
        self.price(product, "9.00")
        self.price(product, "9.40", price_list="partner", min_quantity="5")
        # The own list wins though the standard one is cheaper; where it has nothing, that applies.
        self.assertEqual("9.40", self.found(product, "5", price_list="partner")[0])
        self.assertEqual("9.00", self.found(product, "4", price_list="partner")[0])
        self.assertEqual("9.00", self.found(product, "5", price_list="unheard of")[0])
        self.assertEqual("9.00", self.found(product, "5")[0])

    def test_validity(self):
        product = self.product(price="10.00")
        self.price(product, "8.00", **{"from": "2026-12-01", "until": "2026-12-31"})
        for date, expected in (("2026-11-30", "10.00"), ("2026-12-01", "8.00"),
                               ("2026-12-31", "8.00"), ("2027-01-01", "10.00")):
            with self.subTest(date):
                self.assertEqual(expected, self.found(product, "1", date=date)[0])
        self.assertLess(TODAY, "2026-12-01")
        self.assertEqual("10.00", self.found(product, "1")[0])
        with self.refused("invalid", field="until"):
            self.price(product, "1.00", **{"from": "2026-12-01", "until": "2026-11-30"})

    def test_later_start_then_newer_entry(self):
        product = self.product()
        self.price(product, "7.00", **{"from": "2026-11-01"})
        self.price(product, "6.00", **{"from": "2026-10-01"})
        self.price(product, "5.00")
        self.assertEqual("7.00", self.found(product, "1")[0])
        newest = self.price(product, "7.50", **{"from": "2026-11-01"})
        answer = self.rita.call("products.price.find", product=product["id"], quantity="1")
        self.assertEqual({"price": "7.50", "source": "products.price", "source_id": newest["id"]},
                         answer)

    def test_no_price(self):
        product = self.product()
        with self.refused("not_found", field="product"):
            self.found(product, "1")
        # Free of charge is a price.
        self.paula.update("products.product", product["id"], price="0")
        self.assertEqual("0.00", self.found(product, "1")[0])
        with self.refused("invalid", field="product"):
            self.rita.call("products.price.find", product=999999, quantity="1")
        with self.refused("invalid", field="quantity"):
            self.rita.call("products.price.find", product=product["id"], quantity="-1")

    def test_roles(self):
        with self.refused("denied", field="products.product.create"):
            self.rita.create("products.product", code="R-1", name="Mine")
        with self.refused("denied", field="products.price.create"):
            self.rita.create("products.price", product=1, price="0.01")


if __name__ == "__main__":
    main()
