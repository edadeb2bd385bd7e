#!/usr/bin/python3
"""Full-text search as a client and the command line do it: names, notes and numbers of the modules'
own records, in Latin and Chinese, by those who may read them."""
from kontor_test import TODAY, KontorCase, main


class Words(KontorCase):
    MODULES = ("parties", "products", "customers", "sales")
    USERS = {"paula": ["products.reader"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for code, name, description in (
                ("B-1", "Steel bolt M8", "Zinc plated.\nFor outdoor use."),
                ("B-2", "Bolt cutter", "Cuts steel up to 8 mm."),
                ("B-3", "不锈钢螺栓", "适用于户外"),
                ("B-4", "Müller clamp", None)):
            cls.admin.create("products.product", code=code, name=name, description=description)

    def codes(self, text, *where, **more):
        page = self.paula.call("record.search", entity="products.product", text=text,
                               where=list(map(list, where)), **more)
        return [record["code"] for record in page["records"]]

    def test_words_anywhere_in_any_order_the_best_first(self):
        # Both hold "steel" and "bolt"; B-1 has both in its title.
        self.assertEqual(self.codes("bolt STEEL"), ["B-1", "B-2"])
        self.assertEqual(self.codes("outdoor"), ["B-1"])
        self.assertEqual(self.codes("bol cut"), ["B-2"])
        self.assertEqual(self.codes("muller"), ["B-4"])
        self.assertEqual(self.codes("b-4"), ["B-4"])
        self.assertEqual(self.codes("wood"), [])

    def test_chinese(self):
        self.assertEqual(self.codes("螺栓"), ["B-3"])
        self.assertEqual(self.codes("钢 户外"), ["B-3"])
        self.assertEqual(self.codes("螺钢"), [])

    def test_with_conditions_and_pages(self):
        self.assertEqual(self.codes("bolt", ["code", "!=", "B-1"]), ["B-2"])
        first = self.paula.call("record.search", entity="products.product", text="steel", limit=1)
        rest = self.paula.call("record.search", entity="products.product", text="steel",
                               after=first["next"])
        self.assertEqual([record["code"] for page in (first, rest) for record in page["records"]],
                         ["B-1", "B-2"])
        self.assertIsNone(rest["next"])
        self.assertEqual(self.paula.call("record.count", entity="products.product",
                                         text="steel")["count"], 2)

    def test_a_plan_is_explained(self):
        for method in ("record.search", "record.count"):
            plan = self.paula.call(method, entity="products.product", text="steel",
                                   explain=True)["plan"]
            self.assertEqual(("words", [], "fit", 2), tuple(
                plan[name] for name in ("index", "equal", "order", "matched")))
            self.assertIn("index of words", plan["text"])
            self.assertIn("全文索引", plan["text_zh"])

    def test_archived_records_are_out_of_sight(self):
        id = self.admin.create("products.product", code="B-9", name="Obsolete winch")["id"]
        self.admin.call("record.archive", entity="products.product", id=id)
        self.assertEqual(self.codes("winch"), [])
        self.assertEqual(self.codes("winch", archived="only"), ["B-9"])

    def test_as_the_words_stood_then(self):
        id = self.admin.create("products.product", code="B-7", name="Ancient gizmo")["id"]
        then = self.admin.call("system.stats")["last_event"]
        self.admin.update("products.product", id, name="Modern widget")
        later = self.admin.call("system.stats")["last_event"]
        self.admin.call("record.delete", entity="products.product", id=id)
        self.assertEqual(self.codes("gizmo", as_of=then), ["B-7"])
        self.assertEqual(self.codes("widget", as_of=then), [])
        self.assertEqual(self.codes("widget", as_of=later), ["B-7"])
        self.assertEqual(self.codes("widget"), [])

    def test_orders_by_what_stands_in_their_lines(self):
        party = self.admin.create("parties.party", name="Thode Handel")["id"]
        customer = self.admin.create("customers.customer", party=party)["id"]
        order = self.admin.create("sales.order", customer=customer, date=TODAY, lines=[
            {"text": "Tarred rope", "quantity": "4", "price": "2.50"}])
        found = self.admin.call("record.search", entity="sales.order", text="rope thode")
        self.assertEqual([record["id"] for record in found["records"]], [order["id"]])

    def test_the_right_to_read_is_needed(self):
        with self.refused("denied", field=self.ANY):
            self.paula.call("record.search", entity="parties.party", text="thode")

    def test_bad_questions(self):
        for more, field in (({"text": "?!"}, "text"), ({"text": "bolt", "order": "code"}, "order"),
                            ({"text": "bolt", "after": ["x"]}, "after"),
                            ({"text": " ".join("abcdefghijklmnopq")}, "text")):
            with self.subTest(more=more):
                with self.assertRaises(Exception) as caught:
                    self.paula.call("record.search", entity="products.product", **more)
                self.assertEqual(caught.exception.field, field)
        with self.refused("invalid", field="text"):
            self.admin.call("record.search", entity="system.setting", text="bolt")

    def test_the_command_line(self):
        done = self.server.kontor("search", "products.product", "--words", "steel cutter",
                                  "--field", "code")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("B-2", done.stdout)
        self.assertNotIn("B-1", done.stdout)

    def test_zz_the_check_is_content(self):
        answer = self.admin.call("system.check")
        self.assertEqual(answer["problems"], [])
        self.assertGreater(answer["checked"]["words"], 20)


if __name__ == "__main__":
    main()
