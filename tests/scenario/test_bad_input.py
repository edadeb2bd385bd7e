#!/usr/bin/python3
"""Bad input: each gives one clear error with its code and the field at fault, and nothing changes:
no record, no event, no total, no number of a sequence.
"""
from kontor_test import KontorCase, KontorError, Wire, load_demo, main

USERS = {"anna": ["sales.user"], "clara": ["finance.user"], "guest": []}
ENTITIES = ["parties.party", "products.uom", "products.product", "products.price",
            "customers.customer", "customers.interaction", "sales.opportunity", "sales.order",
            "sales.delivery", "inventory.location", "inventory.move", "inventory.reservation",
            "finance.account", "finance.entry", "finance.invoice", "finance.payment", "system.user",
            "system.setting"]
TOTALS = ["sales.by_customer", "sales.by_product", "sales.pipeline", "inventory.on_hand",
          "inventory.valuation", "inventory.reserved", "finance.balances",
          "finance.open_receivables", "finance.turnover"]
NOBODY = 999999


class BadInput(KontorCase):
    """One company with one order in every interesting state; each story tries one wrong thing."""

    USERS = USERS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        load_demo(cls.admin)
        cls.customer = cls.admin.find("customers.customer", "name", "Petersen Schiffsausrüstung")
        cls.fender = cls.admin.find("products.product", "code", "FE-003")["id"]
        cls.stock = cls.admin.find("inventory.location", "code", "MAIN/STOCK")["id"]
        cls.suppliers = cls.admin.find("inventory.location", "code", "SUPPLIERS")["id"]
        cls.draft = cls.order()
        cls.confirmed = cls.order()
        cls.admin.call("sales.order.confirm", id=cls.confirmed)
        cls.wire = Wire(cls.server.socket)
        cls.addClassCleanup(cls.wire.close)
        cls.wire.call("auth.login", {"user": "admin", "password": cls.server.password()})
        cls.last_event = cls.admin.new_events()[-1]["seq"]
        cls.before = cls.state()

    @classmethod
    def order(cls):
        return cls.admin.create("sales.order", customer=cls.customer["id"], lines=[
            {"product": cls.fender, "quantity": "2"}])["id"]

    @classmethod
    def state(cls):
        """Whatever a half-done request could have left behind."""
        return {
            "counts": {entity: cls.admin.count(entity) for entity in ENTITIES},
            "totals": {total: cls.admin.totals(total) for total in TOTALS},
            "events": cls.admin.new_events(cls.last_event),
            "orders": cls.admin.all("sales.order"),
            "customer": cls.admin.get("customers.customer", cls.customer["id"]),
            "modules": cls.admin.call("module.list"),
            "rules": cls.admin.call("rules.list"),
        }

    def tearDown(self):
        self.assertEqual(self.before, self.state())

    # --- What is called ---

    # --- What is called ---

    def test_long_names_are_quoted_short(self):
        long, entity = "轴" * 350000, "sales.order"
        for method, params in (
                ("record.get", {"entity": entity, "id": 1, "fields": [long]}),
                ("record.search", {"entity": long}),
                ("record.search", {"entity": entity, "where": [[long, "=", 1]]}),
                ("record.search", {"entity": entity, "where": [["date", long, 1]]}),
                ("record.search", {"entity": entity, "where": [["customer." + long, "=", 1]]}),
                ("record.search", {"entity": entity, "order": long}),
                ("record.search", {"entity": entity, "fields": ["customer." + long]}),
                ("record.search", {"entity": entity, long: 1}),
                ("record.aggregate", {"entity": entity, "by": [long]}),
                ("record.aggregate", {"entity": entity, "by": ["date"], "having": [
                    [long, "=", 1]]}),
                ("record.create", {"entity": entity, "values": {long: 1}}),
                ("record.create", {"entity": entity, "values": {"lines": [{long: 1}]}}),
                ("record.batch", {"ops": [{"op": "record.delete", "entity": entity,
                                           "id": {"$": long}}]}),
                ("record.export", {"entity": entity, "fields": [long]}),
                ("rules.push", {"files": {long: ""}}),
                ("sales.order.confirm", {"id": self.draft, long: 1})):
            with self.subTest(method, params=str(params)[:80]):
                with self.assertRaises(KontorError) as caught:
                    self.admin.call(method, params)
                for text in (caught.exception.message, caught.exception.message_zh):
                    self.assertLess(len(text.encode()), 1010)
                self.assertLess(len((caught.exception.field or "").encode()), 260)

    def test_unknown_method(self):
        for method in ("sales.order.explode", "sales", "", "record", "x" * 100):
            with self.subTest(method), self.refused("not_found", field="method"):
                self.admin.call(method)

    def test_method_name_that_is_too_long(self):
        self.wire.request(1, "x" * 101, {})
        self.assertIn(self.wire.receive()[2]["code"], ("invalid", "not_found"))

    def test_params_that_are_not_one_map_in_a_list(self):
        for number, params in enumerate(({"entity": "sales.order"}, [1], ["text"], [[]], [{}, {}],
                                         [None], 7, None)):
            with self.subTest(params):
                self.wire.send_message([0, number, "record.count", params])
                kind, msgid, error, result = self.wire.receive()
                self.assertEqual((1, number, None), (kind, msgid, result))
                self.assertEqual("invalid", error["code"])

    def test_unknown_parameter(self):
        with self.refused("invalid", field="colour"):
            self.admin.call("sales.order.confirm", id=self.draft, colour="red")
        with self.refused("invalid", field="colour"):
            self.admin.call("record.get", entity="sales.order", id=self.draft, colour="red")

    def test_missing_parameter(self):
        with self.refused("invalid", field="id"):
            self.admin.call("sales.order.confirm")
        with self.refused("invalid", field="entity"):
            self.admin.call("record.get", id=1)
        with self.refused("invalid", field="values"):
            self.admin.call("record.create", entity="sales.order")

    def test_unknown_entity(self):
        for method, more in (("record.get", {"id": 1}), ("record.create", {"values": {}}),
                             ("record.search", {}), ("record.count", {})):
            with self.subTest(method), self.refused("not_found", field="entity"):
                self.admin.call(method, entity="sales.spaceship", **more)

    def test_bad_id(self):
        for id in (-1, "1", 1.5, None, [1], 2 ** 64 - 1):
            with self.subTest(id), self.refused("invalid", field="id"):
                self.admin.call("sales.order.confirm", id=id)
        for id in (-1, "1", 1.5):
            with self.subTest(("get", id)), self.refused("invalid", field="id"):
                self.admin.get("sales.order", id)

    def test_record_that_is_not_there(self):
        for method, more in (("record.get", {}), ("record.update", {"values": {"note": "x"}}),
                             ("record.delete", {})):
            with self.subTest(method), self.assert_code("not_found"):
                self.admin.call(method, entity="sales.order", id=NOBODY, **more)
        with self.assert_code("not_found"):
            self.admin.call("sales.order.confirm", id=NOBODY)

    def assert_code(self, code):
        """The error names the record, whatever field it calls it."""
        return self.refused(code, field=self.ANY)

    # --- Values ---

    def create_order(self, client=None, line=None, **values):
        return (client or self.admin).create("sales.order", **{
            "customer": self.customer["id"],
            "lines": [{"product": self.fender, "quantity": "1", **(line or {})}], **values})

    def test_missing_required_field(self):
        with self.refused("invalid", field="customer"):
            self.create_order(customer=None)
        with self.refused("invalid", field="name"):
            self.admin.create("parties.party", kind="company")
        with self.refused("invalid", field="name"):
            self.admin.create("parties.party", kind="company", name="")
        with self.refused("invalid", field="lines[0].quantity"):
            self.create_order(line={"quantity": None})

    def test_unknown_field(self):
        with self.refused("invalid", field="colour"):
            self.create_order(colour="red")
        with self.refused("invalid", field="lines[0].colour"):
            self.create_order(line={"colour": "red"})
        with self.refused("invalid", field="colour"):
            self.admin.update("sales.order", self.draft, colour="red")

    def test_wrong_type(self):
        for field, value in (("note", 7), ("note", ["text"]), ("date", 20261123),
                             ("payment_days", "30"), ("payment_days", 1.0),
                             ("customer", "Petersen"), ("lines", {"product": 1}),
                             ("lines", "none")):
            with self.subTest((field, value)), self.refused("invalid", field=field):
                self.create_order(**{field: value})
        with self.refused("invalid", field="lines[0]"):
            self.create_order(lines=["FE-003"])
        with self.refused("invalid", field="blocked"):
            self.admin.update("customers.customer", self.customer["id"], blocked="yes")
        with self.refused("invalid", field="tags"):
            self.admin.update("customers.customer", self.customer["id"], tags="vip")
        with self.refused("invalid", field="segment"):
            self.admin.update("customers.customer", self.customer["id"], segment="platinum")

    def test_float_for_money_or_quantity(self):
        for field, value in (("price", 12.5), ("quantity", 1.0), ("discount", 0.1),
                             ("tax_rate", 19.0)):
            with self.subTest(field), self.refused("invalid", field=f"lines[0].{field}") as caught:
                self.create_order(line={field: value})
            self.assertIn("float", caught.exception.message)
        with self.refused("invalid", field="credit_limit"):
            self.admin.update("customers.customer", self.customer["id"], credit_limit=5000.0)
        with self.refused("invalid", field="amount"):
            self.admin.create("finance.payment", party=self.customer["party"], amount=1.0)

    def test_text_that_is_no_decimal(self):
        for value in ("", "twelve", "1,5", "1e3", "0x10", "NaN", "1.5.", "--1", " 1", "1_000",
                      "\u0661"):
            with self.subTest(value), self.refused("invalid", field="lines[0].quantity"):
                self.create_order(line={"quantity": value})
        # More digits than the field has, or than there are.
        with self.refused("invalid", field="lines[0].price"):
            self.create_order(line={"price": "1.00001"})
        with self.refused("invalid", field="lines[0].quantity"):
            self.create_order(line={"quantity": "1" * 60})

    def test_number_out_of_range(self):
        for field, value in (("quantity", "-1"), ("quantity", "0"), ("price", "-0.01"),
                             ("discount", "-5"), ("discount", "100.0001"), ("tax_rate", "101")):
            with self.subTest((field, value)), self.refused("invalid", field=f"lines[0].{field}"):
                self.create_order(line={field: value})
        with self.refused("invalid", field="payment_days"):
            self.create_order(payment_days=-1)
        with self.refused("invalid", field="lines[0].quantity"):
            self.move(quantity="-3")

    def test_bad_date(self):
        for value in ("2026-02-30", "2026-13-01", "26-11-23", "23.11.2026", "2026-11-23T10:00:00Z",
                      "2026-1-1", "today"):
            with self.subTest(value), self.refused("invalid", field="date"):
                self.create_order(date=value)
        with self.refused("invalid", field="valid_until"):
            self.create_order(date="2026-11-23", valid_until="2026-11-22")

    def test_text_that_is_too_long_or_no_text(self):
        with self.refused("invalid", field="reference"):
            self.create_order(reference="x" * 101)
        with self.refused("invalid", field="name"):
            self.admin.create("parties.party", kind="company", name="ü" * 501)
        for text in ("a\x00b", "a\x1bb", "\x7f"):
            with self.subTest(repr(text)), self.refused("invalid", field="name"):
                self.admin.create("parties.party", kind="company", name=text)
        # Bytes that are no UTF-8, as a client in another language may send them.
        self.wire.send(b"\x94\x00\x01\xadrecord.create\x91\x82\xa6entity\xadparties.party"
                       b"\xa6values\x82\xa4kind\xa7company\xa4name\xa3\xff\xfe\x41")
        self.assertEqual("invalid", self.wire.receive()[2]["code"])

    def test_names_of_fields_end_where_they_end(self):
        """Not at a NUL: what stands behind it would be read as if it were ours."""
        for name in ("name\x00", "name\x00" + "x" * 3000000, "", "nam", "name "):
            with self.subTest(name[:20]), self.refused("invalid", field=self.ANY):
                self.admin.call("record.create", entity="parties.party",
                                values={"kind": "company", "name": "N", name: "N"})
            with self.subTest(name[:20]), self.refused("invalid", field=self.ANY):
                self.admin.call("record.search", entity="parties.party", fields=[name])
            with self.subTest(name[:20]), self.refused("invalid", field=self.ANY):
                self.create_order(line={"product": self.fender, "quantity": "1", name: "N"})

    def test_too_many_lines(self):
        with self.refused("too_large", field="lines"):
            self.create_order(lines=[{"product": self.fender, "quantity": "1"}] * 5001)

    def test_unknown_reference(self):
        with self.refused("invalid", field="customer"):
            self.create_order(customer=NOBODY)
        with self.refused("invalid", field="lines[0].product"):
            self.create_order(line={"product": NOBODY})
        with self.refused("invalid", field="salesperson"):
            self.create_order(salesperson=NOBODY)

    def test_read_only_field(self):
        for field, value in (("total", "1.00"), ("number", "SO1"), ("state", "done"),
                             ("approved_by", 1)):
            with self.subTest(field), self.refused("invalid", field=field):
                self.create_order(**{field: value})
        with self.refused("invalid", field="party"):
            self.admin.update("customers.customer", self.customer["id"],
                              party=self.customer["party"])

    def test_duplicate_unique_value(self):
        with self.refused("conflict", field="code"):
            self.admin.create("products.product", code="FE-003", name="Another fender")
        with self.refused("conflict", field="party"):
            self.admin.create("customers.customer", party=self.customer["party"])
        other = self.admin.find("products.product", "code", "FE-004")
        with self.refused("conflict", field="code"):
            self.admin.update("products.product", other["id"], code="FE-003")
        with self.refused("conflict", field="name"):
            self.admin.call("system.user.add", name="anna", password="another-long-password")

    # --- What a record's life allows ---

    def test_illegal_transition(self):
        for verb in ("invoice", "revise", "complete"):
            with self.subTest(verb), self.refused("conflict", field="state"):
                self.admin.call(f"sales.order.{verb}", id=self.draft)
        with self.refused("conflict", field="state"):
            self.admin.call("sales.order.deliver", id=self.draft)
        for verb in ("confirm", "quote"):
            with self.subTest(verb), self.refused("conflict", field="state"):
                self.admin.call(f"sales.order.{verb}", id=self.confirmed)

    def test_transition_of_the_server_is_no_method(self):
        for verb in ("settle", "complete_delivery"):
            with self.subTest(verb), self.refused("not_found", field="method"):
                self.admin.call(f"sales.order.{verb}", id=self.confirmed)

    def test_locked_record(self):
        with self.refused("conflict", field="state"):
            self.admin.update("sales.order", self.confirmed, note="x")
        with self.refused("conflict", field="state"):
            self.admin.call("record.delete", entity="sales.order", id=self.confirmed)

    def test_stale_version(self):
        order = self.admin.get("sales.order", self.draft)
        for method, more in (("record.update", {"entity": "sales.order", "values": {"note": "x"}}),
                             ("record.delete", {"entity": "sales.order"}),
                             ("sales.order.confirm", {})):
            with self.subTest(method), self.refused("conflict", field="version"):
                self.admin.call(method, id=self.draft, version=order["version"] + 1, **more)

    def test_record_that_only_the_server_writes(self):
        with self.assert_code("denied"):
            self.admin.create("sales.delivery", order=self.draft,
                              lines=[{"order_line": 1, "quantity": "1"}])
        move = self.admin.search("inventory.move", limit=1)[0]
        with self.assert_code("conflict"):
            self.admin.update("inventory.move", move["id"], reference="x")
        with self.assert_code("conflict"):
            self.admin.call("record.delete", entity="inventory.move", id=move["id"])

    def test_record_that_is_referred_to(self):
        with self.assert_code("conflict"):
            self.admin.call("record.delete", entity="customers.customer", id=self.customer["id"])
        with self.assert_code("conflict"):
            self.admin.call("record.delete", entity="parties.party", id=self.customer["party"])

    def test_more_than_is_there(self):
        line = self.admin.get("sales.order", self.confirmed)["lines"][0]["id"]
        with self.refused("invalid", field="lines[0].quantity"):
            self.admin.call("sales.order.deliver", id=self.confirmed,
                            lines=[{"line": line, "quantity": "3"}])
        with self.refused("invalid", field="lines[0].line"):
            self.admin.call("sales.order.deliver", id=self.confirmed, lines=[{"line": 77}])
        # 28 of the 30 fenders are not promised to the confirmed order.
        with self.refused("conflict", field="lines[0].quantity"):
            self.move(**{"from": self.stock, "to": self.suppliers}, quantity="29")

    def move(self, **line):
        return self.admin.create("inventory.move", kind="receipt", lines=[
            {"product": self.fender, "from": self.suppliers, "to": self.stock, "quantity": "1",
             **line}])

    def test_fails_in_the_last_of_many_lines(self):
        # The first lines could be booked; all of it is undone.
        good = {"product": self.fender, "from": self.suppliers, "to": self.stock, "quantity": "1",
                "unit_cost": "1.00"}
        with self.refused("conflict", field="lines[9].quantity"):
            self.admin.create("inventory.move", kind="transfer", lines=[
                *[good] * 9, {**good, "from": self.stock, "to": self.suppliers, "quantity": "99"}])

    def test_books_that_do_not_balance(self):
        journal = self.admin.find("finance.journal", "code", "GEN")["id"]
        account = {code: self.admin.find("finance.account", "code", code)["id"]
                   for code in ("1000", "4000")}
        lines = [{"account": account["1000"], "debit": "100.00"},
                 {"account": account["4000"], "credit": "99.99"}]
        # A draft may be anything, so the wrong thing is to post it: dry, to leave no draft behind.
        with self.refused("invalid", field="lines[0].debit"):
            self.admin.create("finance.entry", journal=journal, lines=[
                {"account": account["1000"], "debit": "1.00", "credit": "1.00"}])
        entry = self.admin.create("finance.entry", journal=journal, lines=lines)
        with self.refused("invalid", field="lines") as caught:
            self.admin.call("finance.entry.post", id=entry["id"])
        self.assertIn("100.00", caught.exception.message)
        self.assertIn("99.99", caught.exception.message)
        self.admin.call("record.delete", entity="finance.entry", id=entry["id"])
        type(self).last_event = self.admin.new_events(self.last_event)[-1]["seq"]

    # --- Who may ---

    def test_missing_permission(self):
        for client, method, permission, params in (
                (self.anna, "sales.order.approve", "sales.order.approve", {"id": self.draft}),
                (self.anna, "finance.report.trial_balance", "finance.report.trial_balance", {}),
                (self.anna, "record.create", "products.product.create",
                 {"entity": "products.product", "values": {"code": "X", "name": "X"}}),
                (self.anna, "record.get", "finance.account.read",
                 {"entity": "finance.account", "id": 1}),
                (self.anna, "record.totals", "finance.balances.read",
                 {"total": "finance.balances", "by": []}),
                (self.clara, "finance.invoice.post", "finance.invoice.post", {"id": 1}),
                (self.guest, "record.search", "sales.order.read", {"entity": "sales.order"}),
                (self.guest, "record.count", "sales.order.read", {"entity": "sales.order"}),
                (self.guest, "module.disable", "module.disable", {"name": "sales"}),
                (self.guest, "rules.push", "rules.push", {"files": {"a.lua": ""}}),
                (self.guest, "system.user.add", "system.user.create",
                 {"name": "mallory", "password": "a-long-password"})):
            with self.subTest((method, permission)), self.refused("denied", field=permission):
                client.call(method, params)

    def test_events_of_what_one_may_not_read_are_not_told(self):
        self.assertEqual([], self.guest.new_events())
        topics = {event["topic"].split(".")[0] for event in self.anna.new_events()}
        self.assertNotIn("finance", topics)
        self.assertIn("sales", topics)

    # --- Questions ---

    def test_bad_question(self):
        for field, where in (("where", [["note", "~", "x"]]), ("where", [["note"]]),
                             ("where", ["note"]), ("where", [[1, "=", 1]]),
                             ("colour", [["colour", "=", "red"]]),
                             ("customer.colour", [["customer.colour", "=", "red"]]),
                             ("total", [["total", "=", 1.5]]), ("date", [["date", ">", "soon"]]),
                             ("customer", [["customer", "=", "Petersen"]]),
                             ("number", [["number", "in", "SO1"]]), ("lines", [["lines", "=", 1]]),
                             ("where", {"note": "x"})):
            with self.subTest(where), self.refused("invalid", field=field):
                self.admin.call("record.search", entity="sales.order", where=where)
        for params, field in (({"order": "colour"}, "colour"), ({"order": "lines"}, "order"),
                              ({"limit": 0}, "limit"), ({"limit": 1001}, "limit"),
                              ({"fields": ["colour"]}, "fields"), ({"fields": "note"}, "fields")):
            with self.subTest(params), self.refused("invalid", field=field):
                self.admin.call("record.search", entity="sales.order", **params)

    def test_question_that_is_too_large(self):
        deep = ["note", "=", "x"]
        for _ in range(9):
            deep = ["not", deep]
        with self.refused("too_large", field="where"):
            self.admin.call("record.search", entity="sales.order", where=[deep])
        with self.refused("too_large", field="where"):
            self.admin.call("record.search", entity="sales.order",
                            where=[["note", "=", "x"]] * 65)

    # --- Import ---

    def test_bad_import(self):
        columns = ["code", "name", "price"]
        good = ["NEW-1", "New", "1.00"]
        for row, field in ((["NEW-2", "", "1.00"], "name"), (["NEW-2", "New", "much"], "price"),
                           (["FE-003", "New", "1.00"], "code")):
            # The good row before it is not kept either.
            with self.subTest(row), self.refused("conflict" if field == "code" else "invalid",
                                                 field=field) as caught:
                self.admin.call("record.import", entity="products.product", columns=columns,
                                rows=[good, row])
            self.assertEqual(1, caught.exception.details["row"])
        with self.refused("invalid", field="colour"):
            self.admin.call("record.import", entity="products.product",
                            columns=["code", "colour"], rows=[])
        with self.refused("invalid", field="uom"):
            self.admin.call("record.import", entity="products.product",
                            columns=["code", "name", "uom"], rows=[["NEW-1", "New", "furlong"]])

    # --- Requests ---

    def test_bad_request_id_and_dry_run(self):
        for request_id in ("", 7, "x" * 101):
            with self.subTest(request_id), self.refused("invalid", field="request_id"):
                self.admin.call("sales.order.confirm", id=self.draft, request_id=request_id)
        with self.refused("invalid", field="dry_run"):
            self.admin.call("sales.order.confirm", id=self.draft, dry_run="yes")
        # Reads know neither.
        with self.refused("invalid", field="dry_run"):
            self.admin.call("record.get", entity="sales.order", id=self.draft, dry_run=True)


if __name__ == "__main__":
    main()
