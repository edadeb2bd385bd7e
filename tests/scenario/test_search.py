#!/usr/bin/python3
"""Finding and adding up, as a client program does it: pages, plans, groups, rights."""
import json

from kontor_test import KontorCase, main

CITIES = ("Bremen", "Hamburg", "Kiel", "Rostock")


class Searching(KontorCase):
    """Sixty customers: every fourth in the same region, the tenth of them large."""

    MODULES = ("parties", "products", "customers", "inventory")
    USERS = {"carla": ["customers.user"], "igor": ["inventory.user"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for n in range(1, 61):
            party = cls.admin.create("parties.party", name=f"Company {n:02}",
                                     region=CITIES[n % 4], tags=["even"] if n % 2 == 0 else [])
            cls.admin.create("customers.customer", party=party["id"],
                             region=CITIES[n % 4], since=f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}",
                             credit_limit=f"{n % 10 * 100}.50")

    def pages(self, entity, limit, **more):
        after, found = None, []
        while True:
            page = self.carla.call("record.search", entity=entity, limit=limit, after=after, **more)
            self.assertLessEqual(len(page["records"]), limit)
            found += [record["id"] for record in page["records"]]
            after = page["next"]
            if after is None:
                return found

    def test_pages_join_to_the_whole_in_any_order(self):
        everyone = self.carla.search("customers.customer", limit=1000)
        for order, key in (
                (["region", "-credit_limit"],
                 lambda r: (r["region"], -float(r["credit_limit"]), -r["id"])),
                (["-since"], None),
                (["party.region", "-party.name"],
                 lambda r: (r["region"], tuple(-ord(c) for c in r["name"]), -r["id"]))):
            with self.subTest(order=order):
                found = self.pages("customers.customer", 7, order=order)
                self.assertEqual(sorted(r["id"] for r in everyone), sorted(found))
                if key:
                    self.assertEqual([r["id"] for r in sorted(everyone, key=key)], found)

    def test_a_customer_that_comes_between_two_pages_disturbs_none(self):
        first = self.carla.call("record.search", entity="customers.customer", limit=30,
                                order=["-since"])
        party = self.carla.create("parties.party", name="Latecomer")
        late = self.carla.create("customers.customer", party=party["id"], since="2026-06-15")
        rest = self.carla.call("record.search", entity="customers.customer", limit=100,
                               order=["-since"], after=first["next"])
        ids = [record["id"] for page in (first, rest) for record in page["records"]]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertLessEqual(60, len(ids))
        self.admin.call("record.delete", entity="customers.customer", id=late["id"])

    def test_a_plan_is_explained(self):
        answer = self.carla.call("record.search", entity="customers.customer", explain=True,
                                 where=[["party.name", "=", "Company 07"]])
        self.assertEqual(1, len(answer["records"]))
        plan = answer["plan"]
        self.assertEqual(1, plan["matched"])
        self.assertLessEqual(plan["looked"], 60)
        self.assertTrue(plan["text"] and plan["text_zh"])
        shown = self.server.kontor("search", "parties.party", "name=Company 07", "--explain")
        self.assertEqual(0, shown.returncode, shown.stderr)
        self.assertIn("index name", shown.stderr)
        self.assertIn("Company 07", shown.stdout)

    def test_dotted_fields_are_sent_under_their_names(self):
        record, = self.carla.call("record.search", entity="customers.customer",
                                  where=[["party.name", "=", "Company 08"]],
                                  fields=["party.name", "party.tags"])["records"]
        self.assertEqual({"party.name": "Company 08", "party.tags": ["even"]},
                         {name: value for name, value in record.items() if name != "id"})

    def test_groups(self):
        answer = self.carla.call("record.aggregate", entity="customers.customer",
                                 where=[["party.name", "like", "Company%"]],
                                 by=["party.region"], sum=["credit_limit"], min=["since"])
        # n % 10 is odd for regions 1 and 3, even for 0 and 2: 15 customers each, 3 of each limit;
        # 3 * (0 + 200 + 400 + 600 + 800) + 15 * 0.50 = 6007.50, 3 * (100 + ... + 900) + 7.50.
        self.assertEqual({"Bremen": (15, "6007.50"), "Hamburg": (15, "7507.50"),
                          "Kiel": (15, "6007.50"), "Rostock": (15, "7507.50")},
                         {group["by"][0]: (group["count"], group["sum"]["credit_limit"])
                          for group in answer["groups"]})
        quarters = self.carla.call("record.aggregate", entity="customers.customer",
                                   where=[["party.name", "like", "Company%"]],
                                   by=["since:quarter"])["groups"]
        self.assertEqual([[f"2026-{month:02}-01"] for month in (1, 4, 7, 10)],
                         [group["by"] for group in quarters])
        self.assertEqual([15] * 4, [group["count"] for group in quarters])

    def test_groups_as_a_table(self):
        shown = self.server.kontor("--json", "aggregate", "customers.customer", "region=Kiel",
                                   "--by", "region", "--max", "credit_limit")
        self.assertEqual(0, shown.returncode, shown.stderr)
        self.assertEqual([{"by": ["Kiel"], "count": 15, "max": {"credit_limit": "800.50"}}],
                         json.loads(shown.stdout)["groups"])
        shown = self.server.kontor("aggregate", "customers.customer", "--by", "region",
                                   "--sum", "credit_limit", "--order", "-count", "--explain")
        self.assertEqual(0, shown.returncode, shown.stderr)
        self.assertIn("sum.credit_limit", shown.stdout)
        self.assertIn("looked at", shown.stderr)

    def test_sums_have_the_digits_of_their_currency(self):
        self.admin.call("module.enable", name="sales")
        customer = self.admin.create("customers.customer", party=self.admin.create(
            "parties.party", kind="company", name="Sums")["id"])["id"]
        for price in ("1.30", "2.60"):
            self.admin.create("sales.order", customer=customer, lines=[
                {"text": "Beam", "quantity": "1", "price": price}])
        group, = self.admin.call("record.aggregate", entity="sales.order", sum=["net"],
                                 avg=["net"], where=[["customer", "=", customer]])["groups"]
        self.assertEqual(("3.90", "1.95"), (group["sum"]["net"], group["avg"]["net"]))

    def test_nobody_looks_along_a_reference_where_he_may_not(self):
        product = {"entity": "products.product"}
        self.igor.call("record.search", **product, fields=["code", "category"])
        for more in ({"where": [["category.name", "=", "x"]]}, {"order": ["-category.name"]},
                     {"fields": ["category.name"]}):
            with self.refused("denied", field="category.name"):
                self.igor.call("record.search", **product, **more)
        with self.refused("denied", field="category.name"):
            self.igor.call("record.aggregate", **product, by=["category.name"])
        with self.refused("denied", field="customers.customer.read"):
            self.igor.call("record.aggregate", entity="customers.customer")

    def test_what_cannot_be_asked_is_refused(self):
        for params, code, field in (
                ({"order": ["name"] * 5}, "too_large", "order"),
                ({"order": 5}, "invalid", "order"),
                ({"after": [1, 2, 3]}, "invalid", "after"),
                ({"where": [["or", ["region"]]]}, "invalid", "where"),
                ({"where": [["blocked", "like", "x"]]}, "invalid", "blocked"),
                ({"fields": ["party.colour"]}, "invalid", "party.colour")):
            with self.subTest(params=params), self.refused(code, field=field):
                self.carla.call("record.search", entity="customers.customer", **params)


if __name__ == "__main__":
    main()
