#!/usr/bin/python3
"""record.export and kontor export: what they write, record.import reads back."""
import csv
import io
import json
import os
import resource
import stat
import subprocess
import unittest

from kontor_test import ALL_MODULES, BUILD, KONTOR, RULES, Server, load_demo, main
from test_cli import DONE, REFUSED, RUN_WITHIN_S, Cli


class Export(Cli):
    """One server with parties, products, customers, sales."""
    MODULES = ("parties", "products", "customers", "sales")
    # carla reads parties, but not what is sensitive, nor the system's users; paula no parties.
    USERS = {"carla": ["customers.user"], "paula": ["products.reader"]}

    def export(self, client=None, **params):
        """All pages: the columns and the rows."""
        rows, after = [], None
        while True:
            page = (client or self.admin).call("record.export", params, after=after)
            rows += page["rows"]
            after = page["next"]
            if after is None:
                return page["columns"], rows

    def table(self, client=None, **params):
        """The rows as maps."""
        columns, rows = self.export(client, **params)
        return [dict(zip(columns, row)) for row in rows]


class Cells(Export):
    def test_every_type(self):
        # Given a product with an awkward text of each kind, two that it is related to, and an
        # interaction at a moment,
        category = self.admin.create("products.category", code="A;B\\C", name="Odd")["id"]
        others = [self.admin.create("products.product", code=code, name="Other")["id"]
                  for code in ("X;1", "#5", "Y\\2")]
        self.admin.create("products.product", code="T-1", name='Bolt "M8", 轴承', category=category,
                          description="one\n\"two\"\n; three", price="12.5", active=False,
                          related=others)
        # when it is exported,
        row, = self.table(entity="products.product", where=[["code", "=", "T-1"]])
        # then "#5", which would be read as an id, is written as its record's real id, as the name
        # belongs to all three; and what no import writes is not there.
        self.assertEqual("X\\;1;#%d;Y\\\\2" % others[1], row["related"])
        self.assert_fields(row, code="T-1", name='Bolt "M8", 轴承', category="A;B\\C",
                           description="one\n\"two\"\n; three", price="12.50", active="false",
                           barcode="", sale_ok="true")
        for name in ("id", "version", "#", "datasheet", "archived"):
            self.assertNotIn(name, row)
        party = self.admin.create("parties.party", name="Thode")["id"]
        customer = self.admin.create("customers.customer", party=party,
                                     tags=["a;b", "c\\d", "e f"])["id"]
        self.admin.call("record.import", entity="customers.interaction",
                        columns=["customer", "kind", "subject", "at"],
                        rows=[[f"#{customer}", "call", "Hello", "2023-11-14T23:13:20.25+01:00"]])
        row, = self.table(entity="customers.interaction", where=[["customer", "=", customer]])
        self.assertEqual("2023-11-14T22:13:20.250000Z", row["at"])
        row, = self.table(entity="customers.customer", where=[["id", "=", customer]])
        self.assertEqual("a\\;b;c\\\\d;e f", row["tags"])

    def test_names_lead_back_or_are_ids(self):
        # Parents are named by number; without one by name, unless another has that name or number.
        names = {"number": dict(number="N-1", name="One"), "name": dict(name="Only"),
                 "twin": dict(name="Twin"), "taken": dict(name="N-1"), "id": dict(number="#77",
                 name="Number like an id")}
        parents = {}
        for case, values in names.items():
            parent = self.admin.create("parties.party", **values)
            if "number" not in values:
                self.admin.update("parties.party", parent["id"], number=None)
            parents[case] = parent["id"]
        self.admin.create("parties.party", name="Twin")
        for case, parent in parents.items():
            self.admin.create("parties.party", number=f"C-{case}", name="Child", parent=parent)
        rows = self.table(entity="parties.party", where=[["number", "like", "C-%"]], lines=False)
        self.assertEqual({"C-number": "N-1", "C-name": "Only", "C-twin": f"#{parents['twin']}",
                          "C-taken": f"#{parents['taken']}", "C-id": "Number like an id"},
                         {row["number"]: row["parent"] for row in rows})

    def test_columns_by_name(self):
        party = self.admin.create("parties.party", number="P-7", name="Seven", country="DE")["id"]
        customer = self.admin.create("customers.customer", number="K-7", party=party)["id"]
        product = self.admin.create("products.product", code="Z-7", name="Cog", price="2")["id"]
        order = self.admin.create("sales.order", customer=customer, lines=[
            {"product": product, "quantity": "3"}, {"text": "Freight", "quantity": "1",
                                                    "price": "5"}])["id"]
        fields = ["#", "id", "archived", "state", "customer", "customer.party", "net",
                  "customer.party.country", "lines.product", "lines.product.name", "lines.net"]
        columns, rows = self.export(entity="sales.order", where=[["id", "=", order]],
                                    fields=fields)
        head = ["1", str(order), "false", "draft", "K-7", "P-7", "11.00", "DE"]
        self.assertEqual(fields, columns)
        self.assertEqual([head + ["Z-7", "Cog", "6.00"], head + ["", "", "5.00"]], rows)
        # A list of references goes the same way, and what is computed when it is read.
        self.admin.update("products.product", product, related=[product])
        row, = self.table(entity="products.product", where=[["id", "=", product]],
                          fields=["related.name"])
        self.assertEqual("Cog", row["related.name"])
        lead = self.admin.create("sales.opportunity", name="Lead", company="Seven",
                                 expected_value="200", probability=50,
                                 close_date="2026-12-01")
        row, = self.table(entity="sales.opportunity", where=[["id", "=", lead["id"]]],
                          fields=["weighted_value", "days_left"])
        self.assertEqual({"weighted_value": "100.00", "days_left": "8"}, row)

    def test_refused_questions(self):
        for field, params in {
                "lines": dict(entity="parties.party"),
                "fields": dict(entity="products.product", fields=[]),
                "colour": dict(entity="products.product", fields=["colour"]),
                "datasheet": dict(entity="products.product", fields=["datasheet"]),
                "name.x": dict(entity="products.product", fields=["name.x"]),
                "category.colour": dict(entity="products.product", fields=["category.colour"]),
                "contacts.value": dict(entity="parties.party",
                                       fields=["addresses.city", "contacts.value"]),
                "addresses": dict(entity="parties.party", fields=["addresses"]),
                "party.addresses.city": dict(entity="customers.customer",
                                             fields=["party.addresses.city"]),
                "limit": dict(entity="products.product", limit=1001),
                "after": dict(entity="products.product", after=[1]),
                "archived": dict(entity="products.product", archived="perhaps")}.items():
            with self.subTest(field), self.refused("invalid", field):
                self.admin.call("record.export", params)
        for lines in ("nonsense", True, 1):
            with self.subTest(lines), self.refused("invalid", "lines"):
                self.admin.call("record.export", entity="parties.party", lines=lines)
        with self.refused("invalid", "lines"):
            self.admin.call("record.export", entity="parties.party", lines="contacts",
                            fields=["name"])

    def test_pages(self):
        # 25 products of 30 kB: a page ends when it has 256 KiB, with the ninth; also in an order
        # that no index gives.
        for number in range(25):
            self.admin.create("products.product", code=f"L-{number:02}", name="Long",
                              cost=str(number % 5), description="轴" * 10000)
        where = [["code", "like", "L-%"]]
        pages, after = [], None
        while not pages or after:
            page = self.admin.call("record.export", entity="products.product", where=where,
                                   order="-cost", after=after, fields=["#", "code"] + [
                                       "description"] * (len(pages) < 2))
            pages.append(page)
            after = page["next"]
        self.assertEqual([9, 9, 7], [page["records"] for page in pages])
        rows = [row for page in pages for row in page["rows"]]
        self.assertEqual([str(number) for number in range(1, 26)], [row[0] for row in rows])
        self.assertEqual(sorted((row[1] for row in rows),
                                key=lambda code: (-(int(code[2:]) % 5), -int(code[2:]))),
                         [row[1] for row in rows])


class Rights(Export):
    def test_masked_fields(self):
        self.admin.create("parties.party", number="S-1", name="Voss", tax_number="DE123456789",
                          bank_accounts=[{"account": "DE02120300000000202051", "bank": "DKB"}])
        where = [["number", "=", "S-1"]]
        row, = self.table(entity="parties.party", where=where, lines="bank_accounts")
        self.assert_fields(row, tax_number="DE123456789", **{"bank_accounts.bank": "DKB",
                           "bank_accounts.account": "DE02120300000000202051"})
        row, = self.table(self.carla, entity="parties.party", where=where, lines="bank_accounts")
        self.assertEqual("DKB", row["bank_accounts.bank"])
        self.assertNotIn("tax_number", row)
        self.assertNotIn("bank_accounts.account", row)
        for name in ("tax_number", "bank_accounts.account"):
            with self.refused("denied", name):
                self.carla.call("record.export", entity="parties.party", fields=[name])
        with self.refused("denied", "party.tax_number"):
            self.carla.call("record.export", entity="customers.customer",
                            fields=["party.tax_number"])

    def test_what_one_may_not_read(self):
        with self.refused("denied", self.ANY):
            self.paula.call("record.export", entity="parties.party")
        party = self.admin.create("parties.party", name="Krug")["id"]
        user = self.admin.find("system.user", "name", "paula")["id"]
        customer = self.admin.create("customers.customer", party=party, salesperson=user)["id"]
        ask = {"entity": "customers.customer", "where": [["id", "=", customer]]}
        self.assertEqual("paula", self.table(**ask)[0]["salesperson"])
        # Who may not read users is not told their names,
        self.assertEqual(f"#{user}", self.table(self.carla, **ask)[0]["salesperson"])
        # and not by asking for them.
        with self.refused("denied", "salesperson.name"):
            self.carla.call("record.export", ask, fields=["salesperson.name"])

    def test_archived_and_past(self):
        products = [self.admin.create("products.product", code=f"H-{n}", name="Old")["id"]
                    for n in range(3)]
        category = self.admin.create("products.category", code="H-OLD", name="Old")["id"]
        self.admin.update("products.product", products[0], category=category)
        then = self.admin.call("system.stats")["last_event"]
        self.admin.update("products.product", products[0], name="New")
        self.admin.update("products.category", category, code="H-NEW")
        self.admin.call("record.archive", entity="products.product", id=products[1])
        self.admin.call("record.delete", entity="products.product", id=products[2])

        def names(**more):
            return [(row["code"], row["name"], row["category"]) for row in self.table(
                entity="products.product", where=[["code", "like", "H-%"]], **more)]
        self.assertEqual([("H-0", "New", "H-NEW")], names())
        self.assertEqual([("H-1", "Old", "")], names(archived="only"))
        self.assertEqual(["H-0", "H-1"], [code for code, _, _ in names(archived="include")])
        self.assertEqual([("H-0", "Old", "H-OLD"), ("H-1", "Old", ""), ("H-2", "Old", "")],
                         names(as_of=then))
        out = self.run_kontor("export", "products.product", "-", "code~H-", "--as-of", str(then),
                              "--field", "code", "--archived", "include")
        self.assertEqual('"code"\n"H-0"\n"H-1"\n"H-2"\n', out.stdout)


class Command(Export):
    def exports(self, entity, *words, name="out.csv", place=None):
        """The file, whole; and nothing but the count on stderr."""
        ran = self.run_kontor("export", entity, name, *words, place=place)
        self.assertEqual((DONE, ""), (ran.returncode, ran.stdout), ran.stderr)
        self.assertRegex(ran.stderr, r"\Akontor: \d+ records in \d+ rows\n\Z")
        return (self.folder / name).read_bytes().decode("utf-8")

    def test_nasty_cells_survive_the_file(self):
        # Texts and tags that look like something else, over none, one or two lines: read back, they
        # change nothing.
        nasty = ['say "hi", twice', "one\ntwo\n\nfour", "a;b", "back\\slash", "#7", "=1+2", "-5",
                 "轴承，钢", " blanks ", "tab\there", "'", "0012", "nil", '"']
        for number, text in enumerate(nasty):
            self.admin.create("parties.party", number=f"Q-{number:02}", name="Quirk", note=text,
                              tags=[text.strip().replace("\n", " ").replace("\t", " ")],
                              addresses=[{"city": "Ulm"}] * (number % 3))
        for more in ([], ["--bom"]):
            file = self.exports("parties.party", "number~Q-", "--lines", "addresses", *more)
            self.assertEqual(bool(more), file.startswith("\ufeff"))
            rows = csv.DictReader(io.StringIO(file.lstrip("\ufeff"), newline=""))
            self.assertEqual(dict(enumerate(nasty, 1)),
                             {int(row["#"]): row["note"] for row in rows})
            ran = self.run_kontor("import", "parties.party", "out.csv", "--key", "number",
                                  "--json")
            self.assert_fields(json.loads(ran.stdout), unchanged=len(nasty), updated=0, failed=0)

    def test_documents_that_look_alike(self):
        # Two of three parties are the same but for "#".
        for city in ("Ulm", "Ulm", "Bonn"):
            party = self.admin.create("parties.party", name="Alike", region="alike", addresses=[
                {"city": city}, {"city": "Kiel"}])["id"]
            self.admin.update("parties.party", party, number=None)
        fields = ["#", "name", "region", "addresses.city", "addresses.kind"]
        rows = self.table(entity="parties.party", where=[["region", "=", "alike"]], fields=fields)
        self.assertEqual(["1", "1", "2", "2", "3", "3"], [row["#"] for row in rows])
        self.exports("parties.party", "region=alike",
                     *[word for field in fields for word in ("--field", field)])
        ran = self.run_kontor("import", "parties.party", "out.csv", "--json")
        self.assert_fields(json.loads(ran.stdout), created=3, rows=6)
        self.assertEqual(6, self.admin.count("parties.party", ("region", "=", "alike")))

    def test_files(self):
        self.admin.create("products.product", code="F-1", name="One")
        words = ("code=F-1", "--field", "code", "--where", '[["name", "=", "One"]]')
        expected = '"code"\n"F-1"\n'
        path = self.folder / "there.csv"
        path.write_text("old")
        path.chmod(0o640)
        self.assertEqual(expected, self.exports("products.product", *words, name="there.csv"))
        self.assertEqual(0o640, stat.S_IMODE(path.stat().st_mode))
        # A refusal leaves what was there, and nothing beside it.
        self.fails(REFUSED, "export", "products.product", "there.csv", "--field", "colour",
                   says="field: colour")
        self.assertEqual((expected, ["there.csv"]), (path.read_text(), os.listdir(self.folder)))
        self.fails(REFUSED, "export", "products.product", "no/such/x.csv", says="No such file")
        # Standard output, and what is no file to be renamed over.
        ran = self.run_kontor("export", "products.product", "-", *words)
        self.assertEqual((expected, "kontor: 1 records in 1 rows\n"), (ran.stdout, ran.stderr))
        ran = self.run_kontor("export", "products.product", "/dev/full", *words)
        self.assertEqual(REFUSED, ran.returncode)
        self.assertIn("No space left", ran.stderr)
        # Nothing matches: only the first row.
        self.assertEqual('"code"\n', self.exports("products.product", "code=none", "--field",
                                                  "code"))

    @unittest.skipIf(BUILD.name in ("asan", "tsan", "fuzz"), "sanitizers need memory themselves")
    def test_memory_is_bounded(self):
        # 20,000 rows of some 150 bytes: 3 MB of file. The process gets 3 MB of data and needs less
        # than 2; the server's peak grows by the pages of the store that it maps.
        columns, count = ["code", "name", "price", "category"], 20000
        self.admin.create("products.category", code="MANY", name="Many")
        for start in range(0, count, 1000):
            self.admin.call("record.import", entity="products.product", columns=columns, rows=[
                [f"M-{number:05}", f"Part number {number}", "1.50", "MANY"]
                for number in range(start, start + 1000)])
        ran = subprocess.run(
            [str(KONTOR), "--data", str(self.server.data), "export", "products.product", "m.csv",
             "code>=M-", "code<N"], capture_output=True, text=True, env=self.environment(),
            cwd=self.folder, timeout=RUN_WITHIN_S, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (3_000_000, 3_000_000)))
        self.assertEqual((DONE, f"kontor: {count} records in {count} rows\n"),
                         (ran.returncode, ran.stderr))
        with open(self.folder / "m.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([f"M-{number:05}" for number in range(count)],
                         [row["code"] for row in rows])
        self.assertEqual({"MANY"}, {row["category"] for row in rows})


class RoundTrip(Export):
    """From a server with the demo company to an empty one."""
    MODULES = ALL_MODULES
    USERS = {}
    # In the order of what refers to what; the words that choose a list of lines.
    ENTITIES = (("products.category", ()), ("products.product", ()),
                ("parties.party", ("--lines", "addresses")),
                ("parties.party", ("--lines", "contacts")), ("customers.customer", ()),
                ("sales.opportunity", ()), ("sales.order", ()), ("finance.account", ()),
                ("finance.entry", ()))
    KEYS = {"products.category": "code", "products.product": "code", "parties.party": "number",
            "customers.customer": "number", "finance.account": "code"}

    def fill(self):
        load_demo(self.admin)
        for number, party in enumerate(self.admin.search("parties.party", limit=20)):
            self.admin.update("parties.party", party["id"],
                              addresses=[{"city": "Köln", "street": f"Ring {n}"}
                                         for n in range(number % 4)],
                              contacts=[{"kind": "phone", "value": f"0{n}"}
                                        for n in range(number % 3)])
        products = self.admin.search("products.product", limit=40)
        self.admin.update("products.product", products[9]["id"], related=[
            product["id"] for product in products[:3]])
        for number, customer in enumerate(self.admin.search("customers.customer", limit=15)):
            lines = [{"product": products[number + n]["id"], "quantity": str(n + 1)}
                     for n in range(number % 4)]
            order = self.admin.create("sales.order", customer=customer["id"], lines=lines + [
                {"text": "Freight; \"express\"", "quantity": "1", "price": "12.5"}])
            if number % 2:
                self.admin.call("sales.order.quote", id=order["id"])

    def write_all(self, server, folder):
        (self.folder / folder).mkdir()
        files = []
        for entity, words in self.ENTITIES:
            path = self.folder / folder / f"{len(files)}-{entity}.csv"
            ran = server.kontor("export", entity, str(path), *words)
            self.assertEqual(DONE, ran.returncode, ran.stderr)
            files.append(path)
        return files

    def test_files_are_the_same(self):
        self.fill()
        files = self.write_all(self.server, "first")
        second = Server()
        self.addCleanup(second.close)
        second.start()
        admin = second.connect()
        self.addCleanup(admin.close)
        for module in ALL_MODULES:
            admin.call("module.enable", name=module)
        admin.push_rules(RULES)
        for (entity, _), path in zip(self.ENTITIES, files):
            key = self.KEYS.get(entity)
            ran = second.kontor("import", entity, str(path), "--json",
                                *(("--key", key) if key else ()))
            self.assertEqual((DONE, ""), (ran.returncode, ran.stderr))
        for (entity, _), path, again in zip(self.ENTITIES, files, self.write_all(second, "second")):
            with self.subTest(entity):
                self.assertGreater(path.read_text().count("\n"), entity != "sales.opportunity")
                self.assertEqual(path.read_bytes(), again.read_bytes())
        ran = second.kontor("call", "system.check", "--json")
        self.assertEqual([], json.loads(ran.stdout)["problems"])


if __name__ == "__main__":
    main()
