#!/usr/bin/python3
"""Tax numbers and bank accounts of parties: who lacks parties.party.sensitive sees a mask."""
from kontor_test import KontorCase, main

MASK = "***"
IBAN = "DE02120300000000202051"


class Sensitive(KontorCase):
    MODULES = ("parties", "customers")
    # carla may read, create and change parties, paula all of parties.
    USERS = {"paula": ["parties.user"], "carla": ["customers.user"]}

    def party(self, **values):
        return self.paula.create("parties.party", name="Voss", tax_number="DE123456789",
                                 bank_accounts=[{"account": IBAN, "bank": "DKB"}], **values)

    def test_reads_are_masked(self):
        party = self.party()
        account = party["bank_accounts"][0]
        masked = {**party, "tax_number": MASK, "bank_accounts": [{**account, "account": MASK}]}
        self.assertEqual(("DE123456789", IBAN), (party["tax_number"], account["account"]))
        self.assertEqual(party, self.paula.get("parties.party", party["id"]))
        self.assertEqual(masked, self.carla.get("parties.party", party["id"]))
        self.assertEqual([masked], self.carla.search("parties.party", ("id", "=", party["id"])))
        self.assertEqual([{"id": party["id"], "tax_number": MASK}],
                         self.carla.search("parties.party", ("id", "=", party["id"]),
                                           fields=["tax_number"]))

    def test_an_answer_to_a_write_is_masked(self):
        party = self.party()
        answer = self.carla.update("parties.party", party["id"], region="north")
        self.assert_fields(answer, region="north", tax_number=MASK)
        answer = self.carla.call("record.update", entity="parties.party", id=party["id"],
                                 values={"region": "south"}, dry_run=True)
        self.assertNotIn("DE123456789", str(answer))
        self.assertNotIn(IBAN, str(answer))
        self.assertEqual("DE123456789", self.paula.get("parties.party", party["id"])["tax_number"])

    def test_history_and_events_are_masked(self):
        seen = self.admin.call("system.stats")["last_event"]
        party = self.party()
        self.paula.update("parties.party", party["id"], tax_number="DE999999999",
                          bank_accounts=[{"account": "SECRET", "bank": "GLS"}])
        ask = {"entity": "parties.party", "id": party["id"]}
        told = self.carla.call("record.history", ask)["entries"][1]["changes"]
        self.assertEqual([MASK, MASK], told["tax_number"])
        self.assertEqual(([MASK], [MASK]), tuple([line["account"] for line in side]
                                                 for side in told["bank_accounts"]))
        events = str(self.carla.new_events(seen))
        for secret in ("DE123456789", "DE999999999", IBAN, "SECRET"):
            self.assertNotIn(secret, events)
            self.assertIn(secret, str(self.paula.new_events(seen))
                          + str(self.paula.call("record.history", ask)))
        self.assertIn(MASK, events)

    def test_nobody_asks_by_what_they_may_not_see(self):
        self.party()
        for where in (("tax_number", "=", "DE123456789"), ("tax_number", "like", "DE%"),
                      ("bank_accounts.account", "=", IBAN)):
            with self.subTest(where):
                self.assertTrue(self.paula.search("parties.party", where))
                with self.refused("denied", field=where[0]):
                    self.carla.search("parties.party", where)
                with self.refused("denied", field=where[0]):
                    self.carla.count("parties.party", where)
        with self.refused("denied", field="tax_number"):
            self.carla.search("parties.party", order="tax_number")
        with self.refused("denied", field="party.tax_number"):
            self.carla.search("customers.customer", ("party.tax_number", "like", "DE"))

    def test_nobody_writes_what_they_may_not_see(self):
        party = self.party()
        with self.refused("denied", field="tax_number") as caught:
            self.carla.update("parties.party", party["id"], tax_number="DE0")
        self.assertEqual("parties.party", caught.exception.entity)
        with self.refused("denied", field="tax_number"):
            self.carla.create("parties.party", name="New", tax_number="DE123456789")
        with self.refused("denied", field="bank_accounts[0].account"):
            self.carla.update("parties.party", party["id"], bank_accounts=[{"account": "X"}])
        # As it was read it may go back: the mask stands for what is there.
        read = self.carla.get("parties.party", party["id"])
        read["bank_accounts"][0]["bank"] = "Deutsche Kreditbank"
        self.carla.update("parties.party", party["id"], bank_accounts=read["bank_accounts"])
        kept = self.paula.get("parties.party", party["id"])["bank_accounts"]
        self.assertEqual([{"id": 1, "account": IBAN, "bank": "Deutsche Kreditbank"}], kept)

    def test_the_model_says_which_fields_are_sensitive(self):
        model = self.carla.call("system.describe")
        party = next(entity for entity in model["entities"] if entity["name"] == "parties.party")
        fields = {field["name"]: field for field in party["fields"]}
        self.assertTrue(fields["tax_number"]["sensitive"])
        self.assertNotIn("sensitive", fields["name"])
        lines = {field["name"]: field for field in fields["bank_accounts"]["lines"]}
        self.assertTrue(lines["account"]["sensitive"])


if __name__ == "__main__":
    main()
