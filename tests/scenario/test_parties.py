#!/usr/bin/python3
"""Companies and persons: the master data that stands on its own."""
from kontor_test import KontorCase, main


class Parties(KontorCase):
    """Parties alone: no other module is needed."""

    MODULES = ("parties",)
    USERS = {"paula": ["parties.user"], "rita": ["parties.reader"], "guest": []}

    def company(self, name="Voss Hafendienste", **values):
        return self.paula.create("parties.party", name=name, **values)

    def test_defaults(self):
        party = self.company()
        self.assert_fields(party, kind="company", active=True)
        self.assertRegex(party["number"], r"^P\d{6}$")

    def test_number_is_given_out_or_kept(self):
        first, second = self.company(), self.company()
        self.assertEqual(int(first["number"][1:]) + 1, int(second["number"][1:]))
        own = self.company(number="D77777")
        self.assertEqual("D77777", own["number"])
        with self.refused("conflict", field="number"):
            self.company(number="D77777")

    def test_addresses_and_contacts(self):
        # Given a company with two addresses,
        party = self.company(
            addresses=[{"street": "Am Kai 1", "city": "Hamburg", "country": "DE"},
                       {"kind": "shipping", "street": "Halle 7", "city": "Hamburg"}],
            contacts=[{"value": "+49 40 1234"}, {"kind": "email", "value": "kai@voss.example"}])
        self.assertEqual(["billing", "shipping"], [line["kind"] for line in party["addresses"]])
        self.assertEqual(["phone", "email"], [line["kind"] for line in party["contacts"]])
        billing, shipping = party["addresses"]
        # when the first one goes and a word of the second changes,
        party = self.paula.update("parties.party", party["id"],
                                  addresses=[{"id": shipping["id"], "street": "Halle 8"}])
        # then the rest of the second stays, and so do the contacts.
        self.assertEqual([{**shipping, "street": "Halle 8"}], party["addresses"])
        self.assertEqual(2, len(party["contacts"]))
        # A line that is not there cannot be changed.
        with self.refused("invalid", field="addresses[0].id"):
            self.paula.update("parties.party", party["id"], addresses=[{"id": billing["id"] + 7}])

    def test_mail_addresses(self):
        for email in ("a@b.example", "first.last+tag@sub.example.com", "büro@münchen.example",
                      "x" * 64 + "@b.example"):
            with self.subTest(email):
                self.assertEqual(email, self.company(email=email)["email"])
        for email in ("voss", "@b.example", "a@b", "a@b..example", "a@.example", "a@b.example.",
                      "a b@c.example", "a@b@c.example", "<a@b.example>", "x" * 65 + "@b.example"):
            with self.subTest(email), self.refused("invalid", field="email"):
                self.company(email=email)
        # Of the contact points only those that say they are one.
        with self.refused("invalid", field="contacts[1].value"):
            self.company(contacts=[{"value": "voss"}, {"kind": "email", "value": "voss"}])

    def test_countries(self):
        self.company(country="DE")
        for country in ("de", "D", "D1", "Deutschland"):
            with self.subTest(country), self.refused("invalid", field="country"):
                self.company(country=country)
        with self.refused("invalid", field="addresses[1].country"):
            self.company(addresses=[{"country": "CN"}, {"country": "cn"}])

    def test_nobody_belongs_to_themselves(self):
        holding = self.company("Holding")
        company = self.company("Company", parent=holding["id"])
        person = self.company("Erika Voss", kind="person", parent=company["id"])
        for parent in (person, company, holding):
            with self.subTest(parent["name"]), self.refused("invalid", field="parent"):
                self.paula.update("parties.party", holding["id"], parent=parent["id"])

    def test_at_most_32_levels(self):
        # Given a chain of 33 companies, the last under 32 others,
        chain = [self.company("Level 0")]
        for level in range(1, 33):
            chain.append(self.company(f"Level {level}", parent=chain[-1]["id"]))
        # when one is hung below the last, it has 33 above it; below the last but one, 32.
        with self.refused("invalid", field="parent"):
            self.company("Too deep", parent=chain[-1]["id"])
        company = self.company("Deep", parent=chain[-2]["id"])
        with self.refused("invalid", field="parent"):
            self.paula.update("parties.party", company["id"], parent=chain[-1]["id"])

    def test_deleting(self):
        company = self.company("To go")
        person = self.company("Her", kind="person", parent=company["id"])
        with self.refused("conflict", field=self.ANY):
            self.paula.call("record.delete", entity="parties.party", id=company["id"])
        self.paula.call("record.delete", entity="parties.party", id=person["id"])
        self.paula.call("record.delete", entity="parties.party", id=company["id"])
        self.assertEqual(0, self.paula.count("parties.party", ("name", "=", "To go")))

    def test_roles(self):
        party = self.company("Known")
        self.assertEqual("Known", self.rita.get("parties.party", party["id"])["name"])
        with self.refused("denied", field="parties.party.update"):
            self.rita.update("parties.party", party["id"], name="Changed")
        with self.refused("denied", field="parties.party.create"):
            self.rita.create("parties.party", name="New")
        with self.refused("denied", field="parties.party.read"):
            self.guest.get("parties.party", party["id"])


if __name__ == "__main__":
    main()
