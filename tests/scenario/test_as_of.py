#!/usr/bin/python3
"""The past: a company works for three days, and whatever was answered on an evening is answered
again when it is asked as of that day, also after restarts; what cannot be asked so says why.
"""
import json
import os

import msgpack

from kontor_test import KontorCase, main

MONDAY, TUESDAY, WEDNESDAY = "2026-11-23", "2026-11-24", "2026-11-25"


class Past(KontorCase):
    USERS = {"karl": ["inventory.user"]}

    @classmethod
    def setUpClass(cls):
        cls.today(MONDAY)
        cls.addClassCleanup(os.environ.pop, "KONTOR_TEST_NOW")
        super().setUpClass()
        cls.account = {row["code"]: row["id"] for row in cls.admin.search("finance.account")}
        cls.place = {row["code"]: row["id"] for row in cls.admin.search("inventory.location")}
        cls.journal = cls.admin.find("finance.journal", "code", "GEN")["id"]
        cls.evenings = {}
        cls.monday()
        cls.evening(MONDAY)
        cls.tuesday()
        cls.evening(TUESDAY)
        cls.wednesday()

    @staticmethod
    def today(day):
        os.environ["KONTOR_TEST_NOW"] = day

    @classmethod
    def next_morning(cls, day):
        cls.admin.close()
        cls.server.stop()
        cls.today(day)
        cls.server.start()
        cls.admin = cls.server.connect()

    # --- Three days ---

    @classmethod
    def book(cls, debit, credit, amount):
        entry = cls.admin.create("finance.entry", journal=cls.journal, date="2026-11-20", lines=[
            {"account": cls.account[debit], "debit": amount},
            {"account": cls.account[credit], "credit": amount}])
        cls.admin.call("finance.entry.post", id=entry["id"])

    @classmethod
    def move(cls, kind, source, target, quantity, **cost):
        cls.admin.create("inventory.move", kind=kind, lines=[
            {"product": cls.bolt, "from": cls.place[source], "to": cls.place[target],
             "quantity": quantity, **cost}])

    @classmethod
    def monday(cls):
        """Rent 800.00; 100 bolts at 2.00; Ann is a party, Bob another."""
        cls.bolt = cls.admin.create("products.product", code="BOLT", name="Bolt")["id"]
        cls.ann = cls.admin.create("parties.party", kind="person", name="Ann")["id"]
        cls.bob = cls.admin.create("parties.party", kind="person", name="Bob")["id"]
        cls.book("6100", "1200", "800.00")
        cls.move("receipt", "SUPPLIERS", "MAIN/STOCK", "100", unit_cost="2")

    @classmethod
    def tuesday(cls):
        """30 bolts go; 50.00 are booked; the bolt is renamed; Bob is deleted, Cid comes."""
        cls.next_morning(TUESDAY)
        cls.move("delivery", "MAIN/STOCK", "CUSTOMERS", "30")
        cls.book("6200", "1200", "50.00")
        cls.admin.update("products.product", cls.bolt, name="Hex bolt")
        cls.admin.call("record.delete", entity="parties.party", id=cls.bob)
        cls.cid = cls.admin.create("parties.party", kind="person", name="Cid")["id"]

    @classmethod
    def wednesday(cls):
        """All bolts go; Ann marries; the bolt is no more on offer."""
        cls.next_morning(WEDNESDAY)
        cls.move("delivery", "MAIN/STOCK", "CUSTOMERS", "70")
        cls.book("1200", "6200", "50.00")
        cls.admin.update("parties.party", cls.ann, name="Ann Cid")
        cls.admin.update("products.product", cls.bolt, name="Old bolt")

    # --- What one may ask ---

    @classmethod
    def ask(cls, **when):
        """Every kind of question, asked of the present or of a moment."""
        call = cls.admin.call
        return {
            "trial balance": call("finance.report.trial_balance", **when),
            "account": call("finance.account.balance", account=cls.account["6200"], **when),
            "on hand": call("inventory.stock.on_hand", **when),
            "value": call("inventory.stock.value", **when),
            "totals": call("record.totals", total="inventory.on_hand", by=[cls.bolt], **when),
            "record": call("record.get", entity="products.product", id=cls.bolt, **when),
            "parties": call("record.search", entity="parties.party", order="-name", **when),
            "by reference": call("record.search", entity="inventory.move",
                                 where=[["kind", "=", "delivery"]], **when),
            "count": call("record.count", entity="parties.party",
                          where=[["name", "like", "b"]], **when),
        }

    @classmethod
    def evening(cls, day):
        cls.evenings[day] = cls.ask()

    def test_an_evening_is_as_it_was(self):
        for day in (MONDAY, TUESDAY):
            for question, answer in self.ask(as_of=day).items():
                self.assertEqual(self.evenings[day][question], answer, (day, question))

    def test_figures(self):
        """What the days were worth: 100 x 2.00; less 30; less 70."""
        def figures(**when):
            answers = self.ask(**when)
            worth = answers["value"]["rows"]
            return (answers["trial balance"]["debit"], worth and worth[0]["quantity"],
                    answers["value"]["total"], answers["record"]["name"],
                    [row["name"] for row in answers["parties"]["records"]])

        monday = figures(as_of=MONDAY)
        self.assertEqual(("100", "200.00", "Bolt", ["Bob", "Ann"]), monday[1:])
        tuesday = figures(as_of=TUESDAY)
        self.assertEqual(("70", "140.00", "Hex bolt", ["Cid", "Ann"]), tuesday[1:])
        self.assertEqual("850.00", self.admin.call(
            "finance.account.balance", account=self.account["1200"],
            as_of=TUESDAY)["credit"])
        wednesday = figures()
        self.assertEqual(([], "0.00", "Old bolt", ["Cid", "Ann Cid"]), wednesday[1:])

    def test_a_moment_is_an_event_or_an_instant(self):
        entries = self.admin.call("record.history", entity="products.product",
                                  id=self.bolt)["entries"]
        self.assertEqual(["create", "update", "update"], [entry["what"] for entry in entries])
        self.assertEqual([{}, {"name": ["Bolt", "Hex bolt"]}, {"name": ["Hex bolt", "Old bolt"]}],
                         [entry["changes"] for entry in entries])
        for entry, name in zip(entries, ("Bolt", "Hex bolt", "Old bolt")):
            self.assertEqual("admin", entry["user"])
            for moment in (entry["event"], entry["at"]):
                record = self.admin.call("record.get", entity="products.product", id=self.bolt,
                                         as_of=moment)
                self.assert_fields(record, name=name, version=entry["version"])
        before = self.admin.call("record.get", entity="products.product", id=self.bolt,
                                 as_of=entries[1]["event"] - 1)
        self.assertEqual("Bolt", before["name"])

    def test_pages_of_the_past(self):
        """One a page; pages of Monday show neither Tuesday's nor Wednesday's."""
        names, after = [], None
        for _ in range(5):
            page = self.admin.call("record.search", entity="parties.party", order="name", limit=1,
                                   after=after, as_of=MONDAY)
            names += [row["name"] for row in page["records"]]
            after = page["next"]
            if after is None:
                break
        self.assertEqual(["Ann", "Bob"], names)

    def test_the_deleted_have_a_past(self):
        bob = self.admin.call("record.get", entity="parties.party", id=self.bob, as_of=MONDAY)
        self.assertEqual("Bob", bob["name"])
        with self.refused("not_found", "id"):
            self.admin.get("parties.party", self.bob)
        with self.refused("not_found", "id"):
            self.admin.call("record.get", entity="parties.party", id=self.cid, as_of=MONDAY)
        told = self.admin.call("record.history", entity="parties.party", id=self.bob)["entries"]
        self.assertEqual(["create", "delete"], [entry["what"] for entry in told])
        self.assertEqual(["Bob", None], told[1]["changes"]["name"])

    def test_rights_are_todays(self):
        """Karl may read stock, not the books: yesterday's neither."""
        karl = self.server.connect("karl", "karl-long-password")
        self.addCleanup(karl.close)
        self.assertTrue(karl.call("inventory.stock.on_hand", as_of=MONDAY)["rows"])
        with self.refused("denied", self.ANY):
            karl.call("finance.report.trial_balance", as_of=MONDAY)

    def test_what_has_no_past_says_so(self):
        last = self.admin.call("system.stats")["last_event"]
        for moment in (0, last + 1, "2026-11-22", "2026-11-26", "2026-11-26T00:00:00Z", "monday",
                       msgpack.Timestamp(2 ** 33), 1.5):
            with self.refused("invalid", "as_of"):
                self.admin.call("record.get", entity="products.product", id=self.bolt,
                                as_of=moment)
        with self.refused("invalid", "as_of"):
            self.admin.call("record.update", entity="products.product", id=self.bolt,
                            values={"name": "New"}, as_of=MONDAY)
        with self.refused("invalid", "as_of"):
            self.admin.call("module.list", as_of=MONDAY)

    def test_the_command_line(self):
        def kontor(*words):
            ran = self.server.kontor(*words, "--json")
            self.assertEqual((0, ""), (ran.returncode, ran.stderr))
            return json.loads(ran.stdout)

        self.assertEqual("Bolt", kontor("get", "products.product", str(self.bolt), "--as-of",
                                        MONDAY)["name"])
        self.assertEqual("Hex bolt", kontor("get", "products.product", "code=BOLT", "--as-of",
                                            TUESDAY)["name"])
        self.assertEqual(2, kontor("count", "parties.party", "--as-of", MONDAY)["count"])
        self.assertEqual("100", kontor("totals", "inventory.on_hand", str(self.bolt),
                                       str(self.place["MAIN/STOCK"]), "--as-of",
                                       MONDAY)["rows"][0]["quantity"])
        self.assertEqual(self.evenings[MONDAY]["trial balance"],
                         kontor("call", "finance.report.trial_balance", "--as-of", MONDAY))
        self.assertEqual(3, len(kontor("history", "products.product", str(self.bolt))["entries"]))
        shown = self.server.kontor("history", "products.product", str(self.bolt)).stdout
        self.assertRegex(shown, r"update .*name +Bolt +Hex bolt")

    def test_zz_a_clock_set_back(self):
        """Last of all: a server that believes it is Monday again goes on from Wednesday."""
        self.next_morning(MONDAY)
        self.admin.update("products.product", self.bolt, name="Older bolt")
        told = self.admin.call("record.history", entity="products.product", id=self.bolt)
        moments = [entry["at"].to_unix_nano() for entry in told["entries"]]
        self.assertEqual(sorted(moments), moments)
        self.assertEqual("Hex bolt", self.admin.call(
            "record.get", entity="products.product", id=self.bolt, as_of=TUESDAY)["name"])
        self.assertIn("behind the data", self.server.log())
        self.assertEqual([], self.admin.call("system.check")["problems"])
        self.assertLess(0, self.admin.call("system.check")["checked"]["changes"])


if __name__ == "__main__":
    main()
