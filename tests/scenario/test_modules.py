#!/usr/bin/python3
"""Modules come and go without a restart and without losing data; requests are answered once; the
event log tells everything; and the module that include/kontor/README.md prints works as printed.
"""
import pathlib
import shutil
import tempfile

from kontor_test import (ALL_MODULES, BUILD, PLUGINS, KontorCase, Server, Wire, is_enabled,
                         main)

REQUIRES = {"parties": [], "products": [], "customers": ["parties"], "sales": ["customers"],
            "inventory": ["products"], "finance": ["parties"], "approvals": []}


def sell_something(client):
    """A customer, a product and a draft order of one; their ids."""
    party = client.create("parties.party", kind="company", name="Thode Bootswerft")["id"]
    customer = client.create("customers.customer", party=party)["id"]
    product = client.create("products.product", code="ROPE", name="Rope", price="2.50",
                            tax_rate="19")["id"]
    order = client.create("sales.order", customer=customer,
                          lines=[{"product": product, "quantity": "4"}])["id"]
    return party, customer, product, order


class FreshCase(KontorCase):
    """Each test has a server of its own, with no module enabled."""

    MODULES = ()

    def setUp(self):
        self.own = Server()
        self.addCleanup(self.own.close)
        self.own.start()
        self.client = self.own.connect()

    def tearDown(self):
        self.client.close()

    def enable(self, *names):
        for name in names:
            self.client.call("module.enable", name=name)

    def disable(self, *names):
        for name in names:
            self.client.call("module.disable", name=name)

    def restart(self, kill=False):
        self.client.close()
        self.own.kill() if kill else self.own.stop()
        self.own.start()
        self.client = self.own.connect()


class Modules(FreshCase):
    def test_list(self):
        modules = {module["name"]: module for module in
                   self.client.call("module.list")["modules"] if not module["builtin"]}
        self.assertEqual(REQUIRES, {name: module["requires"] for name, module in modules.items()})
        for name, module in modules.items():
            with self.subTest(name):
                self.assert_fields(module, enabled=False, version="1.0.0")
                self.assertTrue(module["summary"] and module["summary_zh"])
        # The server's own are always there.
        builtin = {module["name"]: module["enabled"] for module in
                   self.client.call("module.list")["modules"] if module["builtin"]}
        self.assertIn("system", builtin)
        self.assertTrue(all(builtin.values()))

    def test_what_is_required_comes_first_and_goes_last(self):
        with self.refused("conflict", field="name") as caught:
            self.enable("sales")
        self.assertIn("customers", caught.exception.message)
        with self.refused("conflict", field="name"):
            self.enable("customers")
        self.enable("parties", "customers", "sales")
        for name, user in (("parties", "customers"), ("customers", "sales")):
            with self.refused("conflict", field="name") as caught:
                self.disable(name)
            self.assertIn(user, caught.exception.message)
        self.disable("sales", "customers", "parties")

    def test_unknown_and_builtin(self):
        with self.refused("not_found", field="name"):
            self.enable("spaceships")
        with self.refused("conflict", field="name"):
            self.disable("system")

    def test_enabling_twice_installs_once(self):
        self.enable("products", "inventory", "products", "inventory")
        self.assertEqual(1, self.client.count("inventory.warehouse"))

    def test_a_module_that_is_off_is_not_there(self):
        with self.refused("not_found", field="method"):
            self.client.call("sales.order.confirm", id=1)
        with self.refused("not_found", field="entity"):
            self.client.count("sales.order")
        self.enable("parties", "customers", "sales")
        self.assertEqual(0, self.client.count("sales.order"))
        with self.assertRaisesRegex(Exception, "not_found") as caught:
            self.client.call("sales.order.confirm", id=1)
        self.assertNotEqual("method", caught.exception.field)
        self.disable("sales")
        with self.refused("not_found", field="method"):
            self.client.call("sales.order.confirm", id=1)
        with self.refused("not_found", field="total"):
            self.client.totals("sales.by_customer")

    def test_disabling_keeps_the_data(self):
        # Given a confirmed order with reserved stock,
        self.enable(*ALL_MODULES)
        _, _, product, order = sell_something(self.client)
        place = {row["code"]: row["id"] for row in self.client.search("inventory.location")}
        self.client.create("inventory.move", kind="receipt", lines=[
            {"product": product, "from": place["SUPPLIERS"], "to": place["MAIN/STOCK"],
             "quantity": "10", "unit_cost": "1.00"}])
        self.client.call("sales.order.confirm", id=order)
        stock = self.client.call("inventory.stock.on_hand", product=product)
        records = {entity: self.client.all(entity) for entity in (
            "sales.order", "inventory.move", "inventory.reservation", "finance.entry",
            "finance.account")}
        # when modules go, the server restarts, and they come back,
        self.disable("inventory", "finance", "sales")
        self.restart()
        self.assertEqual([False, False, False, True], [is_enabled(self.client, name) for name in (
            "inventory", "finance", "sales", "customers")])
        self.enable("sales", "finance", "inventory")
        # then everything is as it was, and works.
        self.assertEqual(records, {entity: self.client.all(entity) for entity in records})
        self.assertEqual(stock, self.client.call("inventory.stock.on_hand", product=product))
        answer = self.client.call("sales.order.deliver", id=order)
        self.assertEqual("delivered", answer["order"]["state"])
        row, = self.client.call("inventory.stock.on_hand", product=product)["rows"]
        self.assertEqual(("6", "0"), (row["on_hand"], row["reserved"]))

    def test_soft_reference_sleeps_with_its_module(self):
        self.enable("parties", "products", "customers", "sales")
        _, customer, product, order = sell_something(self.client)
        self.disable("products")
        # The line still says what was sold,
        line, = self.client.get("sales.order", order)["lines"]
        self.assert_fields(line, product=product, text="Rope", price="2.50", net="10.00")
        # the order can be edited and goes on,
        lines = [{"id": line["id"], "quantity": "6"}]
        changed = self.client.update("sales.order", order, lines=lines)
        self.assert_fields(changed, net="15.00", tax="2.85", total="17.85")
        self.assertEqual(product, changed["lines"][0]["product"])
        # but nothing new refers to what is asleep.
        with self.refused("invalid", field="lines[0].product"):
            self.client.create("sales.order", customer=customer, lines=[
                {"product": product, "text": "Rope", "price": "2.50", "quantity": "1"}])
        self.client.call("sales.order.confirm", id=order)
        # Awake again, the reference holds: the product cannot be deleted.
        self.enable("products")
        with self.refused("conflict", field=self.ANY):
            self.client.call("record.delete", entity="products.product", id=product)

    def test_modules_are_described(self):
        self.enable("parties")
        described = self.client.call("system.describe")
        self.assertIn("parties.party", str(described))
        self.assertNotIn("sales.order", str(described.get("entities")))

    def test_dry_run_enables_nothing(self):
        self.client.call("module.enable", name="parties", dry_run=True)
        self.assertFalse(is_enabled(self.client, "parties"))
        with self.refused("not_found", field="entity"):
            self.client.count("parties.party")


class Requests(FreshCase):
    """request_id and dry_run."""

    def setUp(self):
        super().setUp()
        self.enable("parties")

    def create(self, name, **more):
        return self.client.call("record.create", entity="parties.party",
                                values={"kind": "company", "name": name}, **more)

    def test_replay_across_a_restart_and_a_crash(self):
        first = self.create("Ohlsen Logistik", request_id="r-1")
        self.assertEqual(first, self.create("Ohlsen Logistik", request_id="r-1"))
        for kill in (False, True):
            self.restart(kill)
            self.assertEqual(first, self.create("Ohlsen Logistik", request_id="r-1"))
            self.assertEqual(1, self.client.count("parties.party"))
        # The first answer, even if the record has changed since.
        self.client.update("parties.party", first["id"], name="Ohlsen Logistik AG")
        self.assertEqual(first, self.create("Ohlsen Logistik", request_id="r-1"))
        self.assertNotEqual(first["id"], self.create("Ohlsen Logistik", request_id="r-2")["id"])

    def test_one_request_id_for_two_methods(self):
        first = self.create("Quast Zimmerei", request_id="r-1")
        with self.refused("conflict", field="request_id"):
            self.client.call("record.delete", entity="parties.party", id=first["id"],
                             request_id="r-1")
        self.assertEqual(1, self.client.count("parties.party"))

    def test_one_request_id_for_two_questions(self):
        first = self.create("Quast Zimmerei", request_id="r-1")
        for kill in (False, True):
            with self.refused("conflict", field="request_id"):
                self.create("Quast Zimmerei KG", request_id="r-1")
            self.restart(kill)
        # The order of keys is not part of the question.
        self.assertEqual(first, self.client.call(
            "record.create", values={"name": "Quast Zimmerei", "kind": "company"},
            request_id="r-1", entity="parties.party"))
        self.assertEqual(1, self.client.count("parties.party"))

    def test_the_same_request_twice_at_once(self):
        # Sent without waiting, both are in one commit.
        wire = Wire(self.own.socket)
        self.addCleanup(wire.close)
        wire.call("auth.login", {"user": "admin", "password": self.own.password()})
        for msgid in range(20):
            wire.request(msgid, "record.create", {
                "entity": "parties.party", "request_id": f"r-{msgid // 2}",
                "values": {"kind": "company", "name": f"Firm {msgid // 2}"}})
        answers = {msgid: (error, result) for _, msgid, error, result in
                   (wire.receive() for _ in range(20))}
        for msgid in range(0, 20, 2):
            self.assertEqual(answers[msgid], answers[msgid + 1])
            self.assertIsNone(answers[msgid][0])
        self.assertEqual(10, self.client.count("parties.party"))

    def test_a_batch_is_done_once_across_a_crash(self):
        ops = [{"op": "create", "entity": "parties.party",
                "values": {"kind": "company", "name": name}} for name in ("One", "Two", "Three")]
        first = self.client.call("record.batch", ops=ops, request_id="b-1")
        for kill in (True, False, True):
            self.restart(kill)
            self.assertEqual(first, self.client.call("record.batch", ops=ops, request_id="b-1"))
            self.assertEqual(3, self.client.count("parties.party"))
        with self.refused("conflict", field="request_id"):
            self.client.call("record.batch", ops=ops[:2], request_id="b-1")

    def test_a_dry_run_neither_keeps_nor_finds_its_request_id(self):
        first = self.create("Harms Handel", request_id="r-1")
        preview = self.create("Harms Handel", request_id="r-1", dry_run=True)
        self.assertEqual("P000002", preview["result"]["number"])
        self.assertEqual(first, self.create("Harms Handel", request_id="r-1"))
        self.create("Other", request_id="r-2", dry_run=True)
        self.assertEqual("P000002", self.create("Harms Zwei", request_id="r-2")["number"])

    def test_refused_request_may_be_tried_again(self):
        with self.refused("invalid", field="name"):
            self.create("", request_id="r-1")
        self.assertEqual("Wulf OHG", self.create("Wulf OHG", request_id="r-1")["name"])

    def test_request_ids_of_users_do_not_meet(self):
        self.client.call("system.user.add", name="anna", password="anna-long-password",
                         roles=["parties.user"])
        anna = self.own.connect("anna", "anna-long-password")
        self.addCleanup(anna.close)
        first = self.create("Zander KG", request_id="r-1")
        other = anna.call("record.create", entity="parties.party", request_id="r-1",
                          values={"kind": "company", "name": "Voss KG"})
        self.assertNotEqual(first["id"], other["id"])

    def test_dry_run_changes_nothing(self):
        self.create("Grote Technik")
        events = self.client.new_events()
        would_be = self.create("Harms Handel", dry_run=True)["result"]
        self.assert_fields(would_be, name="Harms Handel", number="P000002", version=1)
        self.assertEqual(1, self.client.count("parties.party"))
        self.assertEqual(events, self.client.new_events())
        # Neither did it use up an id or a number, nor its request_id.
        self.create("Harms Handel", dry_run=True, request_id="r-1")
        real = self.create("Harms Handel", request_id="r-1")
        self.assertEqual(would_be, real)
        self.assertEqual(2, self.client.count("parties.party"))

    def test_dry_run_refuses_what_would_be_refused(self):
        with self.refused("invalid", field="name"):
            self.create("", dry_run=True)

    def test_dry_run_of_a_chain(self):
        # Everything a confirmed order sets off is done and undone.
        self.enable("products", "customers", "sales", "inventory", "finance")
        _, customer, _, order = sell_something(self.client)
        state = self.client.call("sales.order.confirm", id=order, dry_run=True)["result"]
        self.assertEqual("confirmed", state["state"])
        self.assertEqual("draft", self.client.get("sales.order", order)["state"])
        self.assertEqual(0, self.client.count("inventory.reservation"))
        self.assertEqual([], self.client.totals("sales.by_customer", customer))
        self.assertEqual(0, self.client.count("customers.interaction"))


class Events(FreshCase):
    def test_log_tells_every_change_in_order(self):
        self.enable("parties", "products", "customers", "sales")
        seen = len(self.client.new_events())
        _, _, _, order = sell_something(self.client)
        self.client.call("sales.order.quote", id=order)
        self.client.call("sales.order.confirm", id=order)
        events = self.client.new_events(seen)
        self.assertEqual(
            ["parties.party.created", "customers.customer.created", "products.product.created",
             "sales.order.created", "sales.order.quoted", "sales.order.confirmed",
             "customers.interaction.created"],
            [event["topic"] for event in events])
        self.assertEqual([seen + 1 + index for index in range(7)],
                         [event["seq"] for event in events])
        self.assert_fields(events[5], entity="sales.order", id=order, user="admin")
        self.assertEqual(("confirmed", "11.90"),
                         (events[5]["payload"]["state"], events[5]["payload"]["total"]))

    def test_topics_pages_and_restart(self):
        self.enable("parties")
        seen = len(self.client.new_events())
        for number in range(10):
            self.client.create("parties.party", kind="person", name=f"Person {number}")
        self.client.update("parties.party", 1, name="Renamed")
        self.restart()
        page = self.client.call("event.read", **{"from": seen + 1}, limit=4)
        self.assertEqual(([seen + 1 + index for index in range(4)], seen + 5),
                         ([event["seq"] for event in page["events"]], page["next"]))
        updated = self.client.call("event.read", topics=["parties.party.updated"])["events"]
        self.assertEqual([seen + 11], [event["seq"] for event in updated])
        self.assertEqual(11, len(self.client.call("event.read", topics=["parties.*"])["events"]))
        self.assertEqual([], self.client.call("event.read", topics=["sales.*"])["events"])
        # At the end, `next` is where the next event will be.
        end = self.client.call("event.read", **{"from": seen + 12})
        self.assertEqual(([], seen + 12), (end["events"], end["next"]))

    def test_refused_request_leaves_no_event(self):
        self.enable("parties")
        before = self.client.new_events()
        with self.refused("invalid", field="name"):
            self.client.create("parties.party", kind="company")
        self.assertEqual(before, self.client.new_events())


class SampleModule(KontorCase):
    """The module printed in include/kontor/README.md, beside the real ones."""

    MODULES = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(tempfile.mkdtemp(prefix="kontor-plugins-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        for plugin in (PLUGINS / "parties", BUILD / "tests" / "plugins" / "fleet"):
            shutil.copytree(plugin, folder / plugin.name)
        cls.fleet = Server(plugins=folder)
        cls.addClassCleanup(cls.fleet.close)
        cls.fleet.start()
        cls.client = cls.fleet.connect()
        cls.addClassCleanup(cls.client.close)
        cls.client.call("module.enable", name="fleet")
        cls.client.call("system.user.add", name="ann", password="ann-long-password",
                        roles=["fleet.driver"])
        cls.driver = cls.fleet.connect("ann", "ann-long-password")
        cls.addClassCleanup(cls.driver.close)

    def lent(self, plate):
        vehicle = self.client.create("fleet.vehicle", plate=plate)
        self.assertEqual("available", vehicle["state"])
        return self.client.call("fleet.vehicle.lend", id=vehicle["id"], driver="Ann")

    def trip(self, vehicle, *km, **values):
        return self.driver.create("fleet.trip", vehicle=vehicle, legs=[
            {"to": "Bremen", "km": leg} for leg in km], **values)

    def test_as_the_readme_tells(self):
        vehicle = self.lent("HL-KT 1")
        self.assert_fields(vehicle, state="lent", driver="Ann", plate="HL-KT 1")
        # 182.5 there and 182.5 back.
        trip = self.trip(vehicle["id"], "182.5", "182.5", date="2026-11-20")
        self.assert_fields(trip, distance="365", date="2026-11-20")
        self.assertEqual({"km": "365", "trips": 1},
                         self.client.call("fleet.vehicle.mileage", vehicle=vehicle["id"]))
        # The handler dated the vehicle in the same transaction.
        self.assertEqual("2026-11-20", self.client.get("fleet.vehicle", vehicle["id"])["last_trip"])
        back = self.client.call("fleet.vehicle.return_", id=vehicle["id"])
        self.assert_fields(back, state="available", driver=None)

    def test_total_by_month_follows_changes(self):
        vehicle = self.lent("HL-KT 2")["id"]
        self.trip(vehicle, "10.5", date="2026-10-31")
        trip = self.trip(vehicle, "20", "0.5", date="2026-11-01")
        self.assertEqual([([vehicle, "2026-10-01"], "10.5", 1),
                          ([vehicle, "2026-11-01"], "20.5", 1)], self.kilometres(vehicle))
        # Moved to October and shortened: the one row grows, the other is gone.
        self.client.update("fleet.trip", trip["id"], date="2026-10-01",
                           legs=[{"id": trip["legs"][0]["id"], "km": "15"}])
        self.assertEqual([([vehicle, "2026-10-01"], "25.5", 2)], self.kilometres(vehicle))
        self.client.call("record.delete", entity="fleet.trip", id=trip["id"])
        self.assertEqual([([vehicle, "2026-10-01"], "10.5", 1)], self.kilometres(vehicle))

    def kilometres(self, vehicle):
        return [(row["by"], row["km"], row["count"])
                for row in self.client.totals("fleet.distance", vehicle)]

    def test_it_refuses(self):
        vehicle = self.client.create("fleet.vehicle", plate="HL-KT 3")["id"]
        with self.refused("conflict", field="vehicle") as caught:
            self.trip(vehicle, "1")
        self.assertIn("HL-KT 3", caught.exception.message)
        with self.refused("conflict", field="plate"):
            self.client.create("fleet.vehicle", plate="HL-KT 3")
        with self.refused("invalid", field="driver"):
            self.client.call("fleet.vehicle.lend", id=vehicle)
        lent = self.lent("HL-KT 4")["id"]
        with self.refused("invalid", field="legs[0].km"):
            self.trip(lent, "1.55")
        with self.refused("invalid", field="legs"):
            self.trip(lent)
        # A driver may note trips and neither buy nor lend vehicles.
        with self.refused("denied", field="fleet.vehicle.create"):
            self.driver.create("fleet.vehicle", plate="HL-KT 9")
        with self.refused("denied", field="fleet.vehicle.lend"):
            self.driver.call("fleet.vehicle.lend", id=vehicle, driver="Ann")
        self.client.call("fleet.vehicle.retire", id=vehicle)
        with self.refused("conflict", field="state"):
            self.client.update("fleet.vehicle", vehicle, plate="HL-KT 5")

    def test_what_came_for_free(self):
        vehicle = self.lent("HL-KT 6")["id"]
        told = self.client.call("record.history", entity="fleet.vehicle", id=vehicle)["entries"]
        self.assertEqual(["create", "lend"], [entry["what"] for entry in told])
        self.assertEqual(["available", "lent"], told[1]["changes"]["state"])
        topics = [event["topic"] for event in self.client.new_events() if event["id"] == vehicle
                  and event["entity"] == "fleet.vehicle"]
        self.assertEqual(["fleet.vehicle.created", "fleet.vehicle.lent"], topics)
        self.client.call("record.import", entity="fleet.vehicle", columns=["plate"],
                         rows=[["HL-KT 7"], ["HL-KT 8"]])
        self.assertEqual(["HL-KT 8"], [found["plate"] for found in self.client.search(
            "fleet.vehicle", ("plate", "=", "HL-KT 8"))])


if __name__ == "__main__":
    main()
