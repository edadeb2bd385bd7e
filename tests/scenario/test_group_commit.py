"""Goal: requests that share a commit know nothing of each other. What fails leaves no trace, be it
refused at once or after half of it was written, and what stands beside it in the batch is as if
nothing had happened.

Method: eight wires send good orders and bad ones without waiting, so that the server must put many
into one commit (its statistics tell that it did); then the data is counted and checked.
"""
from kontor_test import KontorCase, Wire, main

WIRES, EACH = 8, 60
MODULES = ("parties", "products", "customers", "sales", "inventory")


class GroupCommit(KontorCase):
    MODULES = MODULES

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        admin = cls.admin
        cls.product = admin.create("products.product", code="P1", name="Bolt", kind="goods",
                                   price="10", tax_rate="0", cost="1")["id"]
        party = admin.create("parties.party", kind="company", name="Customer")["id"]
        cls.customer = admin.create("customers.customer", party=party)["id"]
        move = {"kind": "opening", "lines": [{"product": cls.product, "quantity": "1000000",
                                              "from": location(admin, "OPENING"),
                                              "to": location(admin, "MAIN/STOCK"),
                                              "unit_cost": "1"}]}
        admin.create("inventory.move", **move)

    def order(self, name, *, confirm=True, **more):
        """A batch: an order and, behind it, a confirmation of it or of nothing at all."""
        values = {"customer": self.customer, "reference": name,
                  "lines": [{"product": self.product, "quantity": "2"}], **more}
        return "record.batch", {"ops": [
            {"op": "create", "entity": "sales.order", "values": values},
            {"op": "sales.order.confirm", "id": {"$": "0.id"} if confirm else 999999}]}

    def mixture(self, wire, number):
        """Two good ones in three."""
        name = f"{wire}-{number}"
        kind = (wire + number) % 6
        if kind == 1:  # Fails after the order was written, numbered and announced.
            return self.order(name, confirm=False), "not_found"
        if kind == 4:  # Is refused before anything.
            return self.order(name, customer=999999), "invalid"
        return self.order(name), None

    def test_what_fails_leaves_no_trace(self):
        wires = [Wire(self.server.socket) for _ in range(WIRES)]
        for wire in wires:
            self.addCleanup(wire.close)
            wire.call("auth.login", {"user": "admin", "password": self.server.password()})
        before = self.admin.call("system.stats")
        events = self.admin.new_events()
        wanted = {}
        for number in range(EACH):
            for w, wire in enumerate(wires):
                (method, params), code = self.mixture(w, number)
                wire.request(number, method, params)
                wanted[w, number] = code
        numbers = self.receive(wires, wanted)

        good = sum(code is None for code in wanted.values())
        self.assertEqual(good, len(numbers))
        # Numbers without a gap, each once, also those of orders between which others failed.
        self.assertEqual([f"SO2026-{n + 1:05}" for n in range(good)], sorted(numbers))
        orders = self.admin.all("sales.order")
        self.assertEqual(sorted(numbers), sorted(order["number"] for order in orders))
        self.assertEqual({"confirmed"}, {order["state"] for order in orders})
        self.assertEqual(good, self.admin.count("inventory.reservation"))
        reserved = self.admin.totals("inventory.reserved")
        self.assertEqual(f"{2 * good}", reserved[0]["quantity"], reserved)
        topics = [event["topic"] for event in self.admin.new_events(events[-1]["seq"])]
        for topic in ("sales.order.created", "sales.order.confirmed"):
            self.assertEqual(good, topics.count(topic), topic)

        after = self.admin.call("system.stats")
        commits = after["commits"] - before["commits"]
        self.assertLess(commits, WIRES * EACH / 4, "hardly anything shared a commit")
        self.assertEqual(0, self.admin.call("system.check")["count"])

    def receive(self, wires, wanted):
        """Each request is answered once, as it should be; the numbers of the good orders."""
        numbers = []
        for w, wire in enumerate(wires):
            left = {number for (of, number) in wanted if of == w}
            while left:
                _, msgid, error, result = wire.receive()
                left.remove(msgid)
                self.assertEqual(wanted[w, msgid], error and error["code"], error)
                if not error:
                    numbers.append(result["results"][1]["number"])
        return numbers


def location(admin, code):
    return admin.find("inventory.location", "code", code)["id"]


if __name__ == "__main__":
    main()
