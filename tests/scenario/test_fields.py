#!/usr/bin/python3
"""What fields declare, as clients of the real modules meet it: computed, frozen, of several lines,
lists of references, money in the currency of its document; and ids of lines that are given once."""
import datetime

from kontor_test import TODAY, KontorCase, main


class Fields(KontorCase):
    MODULES = ("parties", "products", "customers", "sales")
    USERS = {"anna": ["sales.user", "products.user"]}
    made = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        party = cls.admin.create("parties.party", name="Voss Hafendienste")
        cls.voss = cls.admin.create("customers.customer", party=party["id"])

    def lead(self, **values):
        return self.anna.create("sales.opportunity", **{"name": "A boat", **values})

    def product(self, **values):
        type(self).made += 1
        return self.anna.create("products.product", **{
            "code": f"F-{self.made}", "name": "Shackle", **values})

    def order(self, *lines):
        return self.anna.create("sales.order", customer=self.voss["id"], lines=[
            {"text": text, "quantity": "1", "price": "10", "tax_rate": "0"} for text in lines])

    def test_computed_and_stored(self):
        # 1,234.50 at 33.33 % is 411.458..., so 411.46.
        lead = self.lead(expected_value="1234.50", probability="33.33")
        self.assert_fields(lead, weighted_value="411.46")
        lead = self.anna.update("sales.opportunity", lead["id"], probability="50")
        self.assert_fields(lead, weighted_value="617.25")
        with self.refused("invalid", field="weighted_value"):
            self.anna.update("sales.opportunity", lead["id"], weighted_value="1")
        self.assertEqual([lead["id"]], [found["id"] for found in self.anna.search(
            "sales.opportunity", ["weighted_value", "=", "617.25"])])

    def test_computed_when_read(self):
        close = datetime.date.fromisoformat(TODAY) + datetime.timedelta(9)
        lead = self.lead(customer=self.voss["id"], close_date=f"{close}")
        self.assertEqual(9, lead["days_left"])
        self.assertEqual(9, self.anna.get("sales.opportunity", lead["id"])["days_left"])
        found = self.anna.search("sales.opportunity", ["id", "=", lead["id"]], fields=["days_left"])
        self.assertEqual({"id", "days_left"}, set(found[0]))
        with self.refused("invalid", field="days_left"):
            self.anna.search("sales.opportunity", ["days_left", "<", 10])
        self.anna.call("sales.opportunity.win", id=lead["id"])
        self.assertNotIn("days_left", self.anna.get("sales.opportunity", lead["id"]))

    def test_a_rule_reads_what_is_computed(self):
        late = """rule{ on = "sales.opportunity.before_update", name = "no_late_change",
            check = function(lead)
                if lead.days_left and lead.days_left < 0 then kontor.deny("too late") end
            end }"""
        self.admin.call("rules.push", files={"late.lua": late})
        self.addCleanup(self.admin.call, "rules.remove", name="late.lua")
        lead = self.lead(close_date="2020-01-01")
        with self.refused("rule_denied", rule="no_late_change"):
            self.anna.update("sales.opportunity", lead["id"], note="still there?")
        self.anna.update("sales.opportunity", lead["id"], close_date="9999-01-01")

    def test_frozen(self):
        lead = self.lead(customer=self.voss["id"], expected_value="100", probability="50")
        self.anna.update("sales.opportunity", lead["id"], expected_value="200")
        self.anna.call("sales.opportunity.win", id=lead["id"])
        with self.refused("conflict", field="expected_value"):
            self.anna.update("sales.opportunity", lead["id"], expected_value="300")
        # Unchanged it may be sent back; the note is not frozen and has several lines.
        lead = self.anna.update("sales.opportunity", lead["id"], expected_value="200",
                                note="Signed.\nBottles to Ann.")
        self.assert_fields(lead, expected_value="200.00", note="Signed.\nBottles to Ann.")
        with self.refused("invalid", field="source"):
            self.anna.update("sales.opportunity", lead["id"], source="fair\nor web")

    def test_lists_of_references(self):
        bolt, nut = self.product(), self.product()
        both = self.product(related=[nut["id"], bolt["id"]])
        self.assertEqual([nut["id"], bolt["id"]], both["related"])
        self.assertEqual([both["id"]], [found["id"] for found in self.anna.search(
            "products.product", ["related", "=", bolt["id"]])])
        with self.refused("conflict", field=self.ANY):
            self.admin.call("record.delete", entity="products.product", id=bolt["id"])
        with self.refused("invalid", field="related[1]"):
            self.product(related=[nut["id"], nut["id"]])
        with self.refused("invalid", field="related.code"):
            self.anna.search("products.product", ["related.code", "=", bolt["code"]])
        # Semicolons part the codes in a cell.
        self.admin.call("record.import", entity="products.product", columns=[
            "code", "name", "related"], rows=[["F-set", "Set", f"{bolt['code']}; {nut['code']}"]])
        self.assertEqual([bolt["id"], nut["id"]],
                         self.anna.find("products.product", "code", "F-set")["related"])

    def test_line_ids_are_given_once(self):
        order = self.order("one", "two", "three")
        first, second, third = (line["id"] for line in order["lines"])
        order = self.anna.update("sales.order", order["id"], lines=[{"id": first}, {"id": second}])
        self.assertEqual({"lines": third}, order["last_line"])
        order = self.anna.update("sales.order", order["id"], lines=[
            {"id": second}, {"text": "four", "quantity": "1", "price": "1", "tax_rate": "0"}])
        self.assertEqual([second, third + 1], [line["id"] for line in order["lines"]])
        self.assertNotIn("last_line", order)

    def test_description(self):
        model = self.anna.call("system.describe")
        fields = {(entity["name"], field["name"]): field
                  for entity in model["entities"] for field in entity["fields"]}
        lines = {part["name"]: part for part in fields["sales.order", "lines"]["lines"]}
        self.assert_fields(fields["sales.opportunity", "weighted_value"], computed=True,
                           readonly=True)
        self.assert_fields(fields["sales.opportunity", "days_left"], computed=True, on_read=True)
        self.assert_fields(fields["sales.opportunity", "expected_value"], frozen=["won", "lost"])
        self.assert_fields(fields["sales.opportunity", "note"], multiline=True)
        self.assert_fields(fields["sales.order", "total"], currency="currency")
        self.assert_fields(lines["quantity"], unit="uom")
        self.assert_fields(fields["products.product", "related"], type="refs",
                           to="products.product")


if __name__ == "__main__":
    main()
