#!/usr/bin/python3
"""Custom fields and entities: declared in a rule file, they work like built-in ones, come and go
with the file, and never cost a record.
"""
import pathlib
import re
import tempfile

from kontor_test import RULES, KontorCase, KontorError, main

EXAMPLE = "service_contracts.lua"
CONTRACT = "custom.service_contract"

VEHICLE = """\
entity{
    name = "custom.vehicle",
    label = {"Vehicle", "车辆"},
    title = "plate",
    fields = {
        { name = "plate", type = "text", required = true, unique = true },
        { name = "owner", type = "ref", to = "parties.party", indexed = true },
        { name = "seats", type = "int", positive = true },
        { name = "note", type = "text" },
    },
}
"""


def field(words, entity="parties.party", name="x_size"):
    return f'field{{ entity = "{entity}", name = "{name}", {words} }}\n'


class CustomCase(KontorCase):
    MODULES = ("parties", "products", "customers", "sales", "finance")
    USERS = {"anna": ["sales.user", "custom.user"], "berta": ["custom.service_desk"],
             "carl": ["parties.user"]}

    def listed(self, what):
        return [row["name"] for row in self.admin.call("rules.list")[what]]

    def push(self, text, name="house.lua", **more):
        return self.admin.call("rules.push", files={name: text}, **more)

    def party(self, **values):
        return self.admin.create("parties.party", kind="company", name="Evers", **values)["id"]

    def described(self, entity):
        found = [one for one in self.admin.call("system.describe")["entities"]
                 if one["name"] == entity]
        return found[0] if found else None

    def restart(self):
        cls = type(self)
        for name in ("admin", *self.USERS):
            getattr(cls, name).close()
        self.server.stop()
        self.server.start()
        cls.admin = self.server.connect()
        for name in self.USERS:
            setattr(cls, name, self.server.connect(name, f"{name}-long-password"))

    def assert_sound(self):
        answer = self.admin.call("system.check")
        self.assertEqual((0, []), (answer["count"], answer["problems"]))

    def refused_push(self, text, *parts, code="invalid", **more):
        """Refused with a message that has all these parts; nothing changes."""
        before = self.admin.call("rules.list")
        with self.assertRaises(KontorError) as caught:
            self.push(text, **more)
        error = caught.exception
        self.assertEqual(code, error.code, error)
        for part in parts:
            self.assertIn(part, error.message)
        self.assertRegex(error.message_zh, "[\u4e00-\u9fff]")
        self.assertEqual(before, self.admin.call("rules.list"))


class Example(CustomCase):
    """scripts/rules/service_contracts.lua, as a consultant copies it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.admin.push_rules(RULES / EXAMPLE)

    def test_example(self):
        customer = self.admin.create("customers.customer", party=self.party())["id"]
        other = self.admin.create("customers.customer", party=self.party())["id"]
        contract = self.anna.create(CONTRACT, customer=customer, devices=[
            {"serial": "P-100", "fee": "120"}, {"serial": "P-101", "fee": "79.90"}])["id"]

        # Numbered, defaulted and computed like any built-in one: 120 + 79.90.
        made = self.anna.get(CONTRACT, contract)
        self.assert_fields(made, number="SC2026-0001", level="basic", starts="2026-11-23",
                           state="draft", fee="199.90", version=1)
        self.assertEqual(["120.00", "79.90"], [device["fee"] for device in made["devices"]])
        with self.refused("invalid", field="fee"):
            self.anna.update(CONTRACT, contract, fee="1")
        with self.refused("invalid", field="level"):
            self.anna.update(CONTRACT, contract, level="gold")

        # Its rule asks for it in the same push.
        def order(to):
            return self.anna.create("sales.order", customer=to, x_priority="urgent", lines=[
                {"text": "Beam", "quantity": "1", "price": "10", "x_engraving": "E"}])["id"]
        urgent = order(customer)
        with self.refused("rule_denied", field="x_priority", rule="custom.urgent_order"):
            self.anna.call("sales.order.confirm", id=urgent)
        self.anna.call("custom.service_contract.start", id=contract)
        self.anna.call("sales.order.confirm", id=urgent)
        with self.refused("rule_denied", field="x_priority", rule="custom.urgent_order"):
            self.anna.call("sales.order.confirm", id=order(other))
        self.assertEqual("E", self.anna.get("sales.order", urgent)["lines"][0]["x_engraving"])

        # Found by index, counted, ordered, summed.
        self.assertEqual([contract], [found["id"] for found in self.anna.search(
            CONTRACT, ("customer", "=", customer), ("state", "=", "running"))])
        self.assertEqual([contract], [found["id"] for found in self.anna.search(
            CONTRACT, ("devices.serial", "=", "P-101"))])
        self.assertEqual(2, self.anna.count("sales.order", ("x_priority", "=", "urgent")))
        self.assertEqual([], self.anna.search("sales.order", ("x_priority", "=", "normal")))
        self.anna.create(CONTRACT, customer=other, starts="2026-01-01")
        self.assertEqual(["2026-01-01", "2026-11-23"], [found["starts"] for found in
                         self.anna.search(CONTRACT, order="starts")])
        row, = self.anna.totals("custom.contract_fees")
        self.assert_fields(row, by=[customer], fee="199.90", count=1)

        # A history, events, and a target that is protected.
        history = self.anna.call("record.history", entity=CONTRACT, id=contract)["entries"]
        self.assertEqual(["create", "start"], [entry["what"] for entry in history])
        topics = [event["topic"] for event in self.admin.new_events()]
        self.assertIn("custom.service_contract.created", topics)
        self.assertIn("custom.service_contract.started", topics)
        with self.refused("conflict", field=self.ANY):
            self.admin.call("record.delete", entity="customers.customer", id=other)
        self.assert_sound()

        # All that through a restart.
        self.restart()
        self.assertEqual(made["devices"], self.anna.get(CONTRACT, contract)["devices"])
        self.assertEqual("199.90", self.anna.totals("custom.contract_fees")[0]["fee"])
        self.assertEqual(2, self.anna.count("sales.order", ("x_priority", "=", "urgent")))
        self.assert_sound()
        self.anna.call("custom.service_contract.finish", id=contract)
        self.assertEqual([], self.anna.totals("custom.contract_fees"))

    def test_rights(self):
        customer = self.admin.create("customers.customer", party=self.party())["id"]
        # The role declared beside the entity, and custom.user for all of them; nobody else.
        contract = self.berta.create(CONTRACT, customer=customer)["id"]
        self.berta.call("custom.service_contract.start", id=contract)
        self.assertEqual("running", self.anna.get(CONTRACT, contract)["state"])
        self.assertEqual([], [row for row in self.berta.totals("custom.contract_fees")
                              if row["count"] != 1])
        for attempt in (lambda: self.carl.get(CONTRACT, contract),
                        lambda: self.carl.create(CONTRACT, customer=customer),
                        lambda: self.carl.totals("custom.contract_fees"),
                        lambda: self.carl.call("custom.service_contract.finish", id=contract)):
            with self.refused("denied", field=self.ANY):
                attempt()
        self.admin.call("custom.service_contract.finish", id=contract)

    def test_description(self):
        fields = {one["name"]: one for one in self.described("sales.order")["fields"]}
        self.assertTrue(fields["x_priority"]["custom"])
        self.assertEqual("enum", fields["x_priority"]["type"])
        self.assertEqual({"en": "Priority", "zh": "优先级"}, fields["x_priority"]["label"])
        self.assertNotIn("custom", fields["customer"])
        lines = {one["name"]: one for one in fields["lines"]["lines"]}
        self.assertTrue(lines["x_engraving"]["custom"])
        contract = self.described(CONTRACT)
        self.assertEqual(("custom", "number"), (contract["module"], contract["title"]))
        self.assertEqual(["draft", "running", "ended"], [one["name"] for one in
                                                         contract["states"]])
        answer = self.admin.call("rules.list")
        self.assertEqual(["x_priority", "x_engraving"], [one["name"] for one in answer["fields"]])
        self.assertEqual([(CONTRACT, EXAMPLE)], [(one["name"], one["file"]) for one in
                                                 answer["entities"]])
        self.assertEqual(["custom.contract_fees"], self.listed("totals"))
        self.assertEqual(["custom.service_desk"], self.listed("roles"))


class Custom(CustomCase):
    def setUp(self):
        self.addCleanup(self.leave_clean)

    def leave_clean(self):
        """No records of custom entities, then no files."""
        for entity in reversed(self.listed("entities")):
            for record in self.admin.all(entity):
                self.admin.call("record.delete", entity=entity, id=record["id"])
        for file in self.admin.call("rules.list")["files"]:
            self.admin.call("rules.remove", name=file["name"])

    def test_import(self):
        self.push(VEHICLE + field('type = "decimal", digits = 2', name="x_width"))
        self.admin.call("record.import", entity="parties.party",
                        columns=["kind", "name", "x_width"], rows=[["company", "Imported", "1.25"]])
        self.assertEqual("1.25", self.admin.find("parties.party", "name", "Imported")["x_width"])
        answer = self.admin.call("record.import", entity="custom.vehicle", key="plate",
                                 columns=["plate", "seats"], rows=[["HH-1", "4"], ["HH-2", "5"]])
        self.assertEqual(2, answer["created"])
        self.assertEqual(5, self.admin.find("custom.vehicle", "plate", "HH-2")["seats"])

    # --- Coming and going ---

    def test_removed_and_declared_again(self):
        text = field('type = "text", indexed = true', name="x_tint")
        lines = field('type = "text"', "sales.order", "x_mark").replace(
            "field{", 'field{ lines = "lines",')
        self.push(text + lines)
        party = self.party(x_tint="XL")
        customer = self.admin.create("customers.customer", party=party)["id"]
        order = self.admin.create("sales.order", customer=customer, lines=[
            {"text": "Beam", "quantity": "1", "price": "10", "x_mark": "M"}])["id"]
        self.admin.call("rules.remove", name="house.lua")

        # Nobody sees them, nobody can write them, everything else goes on;
        ours = {"parties.party.x_tint", "sales.order.lines.x_mark"}
        self.assertEqual(ours, ours & set(self.admin.call("rules.list")["asleep"]))
        self.assertNotIn("x_tint", self.admin.get("parties.party", party))
        self.assertNotIn("x_mark", self.admin.get("sales.order", order)["lines"][0])
        self.assertNotIn("x_tint", self.admin.search("parties.party", ("id", "=", party))[0])
        with self.refused("invalid", field="x_tint"):
            self.admin.update("parties.party", party, x_tint="S")
        with self.refused("invalid", field=self.ANY):
            self.admin.search("parties.party", ("x_tint", "=", "XL"))
        seen = self.admin.new_events()[-1]["seq"]
        self.admin.update("parties.party", party, name="Evers & Son")
        line = self.admin.get("sales.order", order)["lines"][0]
        self.admin.update("sales.order", order, lines=[{**line, "quantity": "2"}])
        for event in self.admin.new_events(seen):
            self.assertNotIn("XL", str(event))
        history = self.admin.call("record.history", entity="sales.order", id=order)
        self.assertNotIn("x_mark", str(history))
        self.restart()
        self.assertEqual(ours, ours & set(self.admin.call("rules.list")["asleep"]))
        self.assert_sound()

        # declared again they are back, and found.
        self.push(text + lines)
        self.assertEqual(set(), ours & set(self.admin.call("rules.list")["asleep"]))
        self.assertEqual("XL", self.admin.get("parties.party", party)["x_tint"])
        self.assertEqual("M", self.admin.get("sales.order", order)["lines"][0]["x_mark"])
        self.assertEqual(1, self.admin.count("parties.party", ("x_tint", "=", "XL")))
        self.assert_sound()
        # Emptied everywhere, there is nothing left to sleep.
        self.admin.update("parties.party", party, x_tint=None)
        self.push(lines)
        self.assertEqual(set(), ours & set(self.admin.call("rules.list")["asleep"]))

    def test_event_of_a_field_that_sleeps(self):
        self.push(field('type = "text"', name="x_hush"))
        seen = self.admin.new_events()[-1]["seq"]
        self.party(x_hush="whisper")
        self.assertIn("whisper", str(self.admin.new_events(seen)))
        self.admin.call("rules.remove", name="house.lua")
        events = self.admin.new_events(seen)
        self.assertIn("parties.party.created", str(events))
        self.assertNotIn("whisper", str(events))

    def test_target_that_goes_while_the_reference_sleeps(self):
        one = field('type = "ref", to = "products.product"', name="x_favourite")
        many = field('type = "refs", to = "products.product"', name="x_liked")
        gone, stays = (self.admin.create("products.product", code=code, name=code)["id"]
                       for code in ("GONE", "STAYS"))
        self.push(one + many)
        first = self.party(x_favourite=gone, x_liked=[gone, stays])
        second = self.party(x_favourite=stays, x_liked=[gone])
        with self.refused("conflict", field="id"):
            self.admin.call("record.delete", entity="products.product", id=gone)
        self.admin.call("rules.remove", name="house.lua")
        self.admin.call("record.delete", entity="products.product", id=gone)
        self.push(one + many)
        self.assertEqual([(None, [stays]), (stays, None)], [
            (party.get("x_favourite"), party.get("x_liked"))
            for party in (self.admin.get("parties.party", id) for id in (first, second))])
        last = self.admin.call("record.history", entity="parties.party", id=first)["entries"][-1]
        self.assertEqual([gone, None], last["changes"]["x_favourite"])
        self.assert_sound()

    def test_past_of_a_field_that_slept(self):
        text = field('type = "text"', name="x_past")
        self.push(text)
        party = self.party(x_past="once")
        then = self.admin.new_events()[-1]["seq"]
        self.admin.call("rules.remove", name="house.lua")
        self.admin.call("record.delete", entity="parties.party", id=party)
        self.assertNotIn("once", str(self.admin.call("record.history", entity="parties.party",
                                                     id=party)))
        self.push(text)
        self.assertEqual("once", self.admin.call("record.get", entity="parties.party", id=party,
                                                 as_of=then)["x_past"])
        self.assert_sound()

    def test_past_of_another_type(self):
        """A value the field could not hold today is left out of the past, not misread."""
        self.push(field('type = "json"', name="x_form"))
        party, other = self.party(x_form={"a": [1, 2, 3]}), self.party(x_form="plain")
        then = self.admin.new_events()[-1]["seq"]
        for id in (party, other):
            self.admin.update("parties.party", id, x_form=None)
        for words, kept in (('type = "text"', "plain"), ('type = "decimal"', None),
                            ('type = "date"', None)):
            self.push(field(words, name="x_form"))
            self.assertEqual([None, kept], [self.admin.call(
                "record.get", entity="parties.party", id=id, as_of=then).get("x_form")
                for id in (party, other)])
            rows = self.admin.call("record.aggregate", entity="parties.party", by=["x_form"],
                                   as_of=then)["groups"]
            self.assertEqual({None, kept}, {row["by"][0] for row in rows})
        self.assert_sound()

    def test_secret_of_a_field_that_is_gone(self):
        self.push(field('type = "text", sensitive = true', name="x_secret"))
        party = self.party(x_secret="burgundy")
        self.admin.update("parties.party", party, x_secret=None)
        self.admin.call("rules.remove", name="house.lua")
        asked = {"entity": "parties.party", "id": party}
        self.assertNotIn("burgundy", str(self.anna.call("record.history", asked)))

    def test_new_type_that_does_not_fit(self):
        self.push(field('type = "text"'))
        small, large = self.party(x_size="7"), self.party(x_size="large")
        self.refused_push(field('type = "int"'), f"parties.party {small} does not fit",
                          "x_size must be a whole number", code="conflict")
        self.refused_push(field('type = "enum", choices = {"7"}'),
                          f"parties.party {large} does not fit", code="conflict")
        self.push(field('type = "enum", choices = {"7", "large"}'))
        self.admin.update("parties.party", large, x_size="7")
        self.push(field('type = "enum", choices = {"7", "8"}'))
        self.assertEqual("7", self.admin.get("parties.party", small)["x_size"])
        # Asleep or not: what is there must fit when it wakes.
        self.admin.call("rules.remove", name="house.lua")
        self.refused_push(field('type = "bool"'), f"parties.party {small}", code="conflict")
        for party in (small, large):
            self.push(field('type = "text"'))
            self.admin.update("parties.party", party, x_size=None)
        self.push(field('type = "bool"'))
        self.assertTrue(self.admin.get("parties.party", self.party(x_size=True))["x_size"])
        self.push(field('type = "bool", required = true'))
        with self.refused("invalid", field="x_size"):
            self.party()

    def test_unique_later(self):
        self.push(field('type = "text"', name="x_code"))
        first, second = self.party(x_code="A"), self.party(x_code="A")
        self.refused_push(field('type = "text", unique = true', name="x_code"), "x_code",
                          str(first), str(second), code="conflict")
        self.admin.update("parties.party", second, x_code="B")
        self.push(field('type = "text", unique = true', name="x_code"))
        with self.refused("conflict", field="x_code"):
            self.party(x_code="B")
        self.assert_sound()

    def test_entity_with_records_stays(self):
        self.push(VEHICLE)
        owner = self.party()
        vehicle = self.admin.create("custom.vehicle", plate="HH-7", owner=owner)["id"]
        with self.refused("conflict", field="id"):
            self.admin.call("record.delete", entity="parties.party", id=owner)
        with self.refused("conflict", field="files") as caught:
            self.admin.call("rules.remove", name="house.lua")
        self.assertIn("custom.vehicle", caught.exception.message)
        # A field of it may go, and come back.
        self.push(VEHICLE.replace('        { name = "note", type = "text" },\n', ""))
        self.push(VEHICLE)
        self.admin.call("record.delete", entity="custom.vehicle", id=vehicle)
        self.admin.call("rules.remove", name="house.lua")
        self.assertIsNone(self.described("custom.vehicle"))
        with self.refused("not_found", field="entity"):
            self.admin.get("custom.vehicle", vehicle)
        # Declared anew it is empty, and ids go on.
        self.push(VEHICLE)
        self.assertEqual(vehicle + 1, self.admin.create("custom.vehicle", plate="HH-7")["id"])
        self.assert_sound()

    def test_module_that_sleeps(self):
        self.push(VEHICLE.replace("parties.party", "inventory.location")
                  + field('type = "text"', "inventory.location"))
        vehicle = self.admin.create("custom.vehicle", plate="HH-8")["id"]
        with self.refused("invalid", field="owner"):
            self.admin.update("custom.vehicle", vehicle, owner=1)

    def test_dry_push(self):
        answer = self.push(VEHICLE, dry_run=True)
        self.assertIn("custom.vehicle", str(answer))
        self.assertEqual([], self.listed("entities"))
        self.assertIsNone(self.described("custom.vehicle"))

    def test_example_printed_in_the_readme(self):
        text = (RULES / "README.md").read_text(encoding="utf-8")
        printed, = (block for block in re.findall(r"```lua\n(.*?)```", text, re.DOTALL)
                    if "custom.kilometres" in block)
        self.push(printed)
        driver = self.party()
        vehicle = self.admin.create("custom.vehicle", plate="HH-K 1", driver=driver)["id"]
        for kilometres in (120, 80):
            self.admin.create("custom.trip", vehicle=vehicle, kilometres=kilometres)
        # 120 + 80 in November.
        row, = self.admin.totals("custom.kilometres")
        self.assert_fields(row, by=[vehicle, "2026-11-01"], kilometres="200")
        self.admin.call("custom.vehicle.retire", id=vehicle)
        with self.refused("rule_denied", field="vehicle", rule="custom.retired_vehicle"):
            self.admin.create("custom.trip", vehicle=vehicle, kilometres=1)
        self.assertEqual("HH-K 1", self.admin.get("custom.vehicle", vehicle)["plate"])

    # --- Wrong declarations ---

    def test_wrong_declarations(self):
        for text, *parts in (
            ('\nfield{ entity = "sales.ordr", name = "x_a", type = "text" }', "house.lua:2",
             "x_a", "no module declares sales.ordr"),
            (field('type = "text"', name="size"), "parties.party.size", "begins with x_"),
            (field('type = "txt"'), "house.lua:1", "x_size of parties.party", "no type 'txt'",
             "did you mean 'text'"),
            (field('type = "text", requierd = true'), "x_size", "no 'requierd'", "'required'"),
            (field("required = true"), "parties.party.x_size has no type"),
            (field('type = "enum"'), "parties.party.x_size", "an enum needs `choices`"),
            (field('type = "enum", choices = {"a", "a"}'), "choice a is given twice"),
            (field('type = "ref"'), "a reference needs `to`"),
            (field('type = "ref", to = "custom.none"'), "custom.none, which no module declares"),
            (field('type = "int", digits = 2'), "`digits` is for decimal"),
            (field('type = "json", indexed = true'), "json have no index"),
            (field('type = "bool", searchable = true'), "only text and tags are searchable"),
            (field('type = "state"'), "states belong to"),
            (field('type = "text", max_length = "long"'), "max_length is a whole number"),
            (field('type = "text", label = {"one"}'), 'label is {"English"'),
            (field('type = "text", label = "\\xff"'), "not plain UTF-8"),
            (field('type = "text", required = "yes"'), "required is true or false"),
            (field('type = "text", lines = "rows"'), "has no lines called rows"),
            (field('type = "text"') * 2, "house.lua:2", "declared already, at house.lua:1"),
            ('field{ name = "x_a", type = "text" }', "needs an entity"),
            ("field{}", "needs a name"),
            ('entity{ name = "custom.v" }', "custom.v has no fields"),
            (VEHICLE.replace("custom.vehicle", "sales.vehicle"), "house.lua:1",
             "must be named custom.noun"),
            (VEHICLE.replace('"seats"', '"plate"'), "custom.vehicle.plate is declared twice"),
            (VEHICLE.replace('"seats"', '"version"'), "the server's own field"),
            (VEHICLE.replace("positive", "positiv"), "custom.vehicle, field seats",
             "no 'positiv'"),
            (VEHICLE.replace('"plate",\n', '"plat",\n'), "its title plat is no field"),
            (VEHICLE * 2, "custom.vehicle is declared already, at house.lua:1"),
            (VEHICLE.replace("    title", '    states = {"a"}, transitions = {{verb = "go", '
                             'from = "a", to = "b", event = "gone"}},\n    title'),
             "custom.vehicle: transition go names an unknown state"),
            (VEHICLE.replace("    title", '    states = {"a"}, transitions = {{verb = "update", '
                             'from = "a", to = "a", event = "gone"}},\n    title'),
             "cannot be called update"),
            (VEHICLE.replace("    title", '    indexes = {{fields = {"plate", "color"}}},\n'
                             "    title"), "an index over color"),
            (VEHICLE + 'total{ name = "custom.seats", entity = "custom.vehicle", by = {"owner"}, '
             'sum = {"note"} }', "house.lua:12", "custom.seats: note is not a number"),
            ('total{ name = "seats", entity = "parties.party", by = {"kind"}, sum = {"id"} }',
             "must be named custom."),
            ('role{ name = "custom.user", grants = {"*"} }', "role custom.user"),
            ('rule{ on = "sales.order.before_confirm", name = "a", check = function()\n'
             "end }\n" + 'rule{ on = "custom.gone.before_create", name = "b", check = print }',
             "no module declares 'custom.gone'"),
        ):
            with self.subTest(text):
                self.refused_push(text, "house.lua", *parts)
        self.assertEqual([], self.listed("fields"))

    def test_initial_that_does_not_fit(self):
        for words in ('type = "int", initial = "many"', 'type = "enum", choices = {"a"}, '
                      'initial = "b"', 'type = "date", initial = "soon"',
                      'type = "bool", initial = 7', 'type = "int", positive = true, initial = 0'):
            with self.subTest(words):
                self.refused_push(field(words, name="x_start"), "parties.party.x_start", "initial")
        self.push(field('type = "int", initial = 7', name="x_start"))
        self.assertEqual(7, self.admin.get("parties.party", self.party())["x_start"])

    # --- Files travel ---

    def test_pull(self):
        text = (RULES / EXAMPLE).read_text(encoding="utf-8")
        self.admin.call("rules.push", files={EXAMPLE: text, "house/vehicle.lua": VEHICLE})
        self.assertEqual(text, self.admin.call("rules.get", name=EXAMPLE)["text"])
        with self.refused("not_found", field="name"):
            self.admin.call("rules.get", name="none.lua")
        listed = self.server.kontor("rules", "list").stdout
        for word in ("custom.vehicle", "x_priority", "custom.urgent_order", "house/vehicle.lua"):
            self.assertIn(word, listed)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            done = self.server.kontor("rules", "pull", str(folder))
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertEqual(text, (folder / EXAMPLE).read_text(encoding="utf-8"))
            self.assertEqual(VEHICLE, (folder / "house" / "vehicle.lua").read_text("utf-8"))
            # What was changed here is not lost by accident.
            (folder / EXAMPLE).write_text("-- mine\n", encoding="utf-8")
            done = self.server.kontor("rules", "pull", str(folder))
            self.assertEqual(1, done.returncode)
            self.assertIn(EXAMPLE, done.stderr)
            self.assertEqual("-- mine\n", (folder / EXAMPLE).read_text(encoding="utf-8"))
            done = self.server.kontor("rules", "pull", str(folder), "--force")
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            # And what was pulled can be pushed.
            done = self.server.kontor("rules", "push", str(folder), "--replace")
            self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual(2, len(self.listed("files")))


if __name__ == "__main__":
    main()
