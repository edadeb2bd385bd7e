"""kontor import and kontor export: CSV files become records and records CSV files."""
import contextlib
import json
import pathlib
import re
import resource
import select
import socket
import subprocess
import threading
import unittest

from kontor_test import BUILD, KONTOR, Server, main
from test_cli import DONE, REFUSED, RUN_WITHIN_S, Cli


class Relay:
    """Between kontor and the server. Lets through until the n-th request that holds WORD: that one
    still reaches the server, its answer is lost, and so is the connection."""

    def __init__(self, server, folder, word, at):
        self.server, self.word, self.left = server, word, at
        self.path = pathlib.Path(folder) / "relay.sock"
        self.listener = socket.create_server(str(self.path), family=socket.AF_UNIX)
        self.requests = 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
                server.connect(str(self.server.socket))
                self.relay(client, server)

    def relay(self, client, server):
        while True:
            for ready in select.select([client, server], [], [])[0]:
                some = ready.recv(1 << 20)
                if not some:
                    return
                (server if ready is client else client).sendall(some)
                if ready is not client or self.word not in some:
                    continue
                self.requests += 1
                self.left -= 1
                if self.left == 0:
                    server.recv(1 << 20)
                    return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Import(Cli):
    def imports(self, code, file, *words, says=(), **more):
        """The JSON summary; on stderr exactly the lines `says`."""
        ran = self.run_kontor("import", "products.product", file, "--json", *words, **more)
        self.assertEqual(code, ran.returncode, ran.stderr)
        lines = ran.stderr.splitlines()
        self.assertEqual(len(says), len(lines), ran.stderr)
        for pattern, line in zip(says, lines):
            self.assertRegex(line, pattern)
        return json.loads(ran.stdout)

    def assert_counts(self, summary, **expected):
        self.assert_fields(summary, **{"created": 0, "updated": 0, "failed": 0, **expected})

    def test_good_rows(self):
        # Byte order mark, CR LF, quotes, a reference by its code, a boolean, an empty cell.
        file = self.write("good.csv", "\ufeffcode,name,price,uom,active,barcode,description\r\n"
                          "G-1,\"Bolt \"\"M8\"\", steel\",12.50,kg,yes,,\r\n"
                          "G-2,Nut,0.1,,no,471,\"two\r\nlines\"\r\n"
                          "\r\n"
                          "G-3,轴承,3,#1,,,\r\n")
        summary = self.imports(DONE, file)
        self.assert_counts(summary, rows=3, created=3, errors=[], file=file, dry_run=False,
                           entity="products.product")
        there = self.products("G-")
        kilogram = self.admin.find("products.uom", "code", "kg")["id"]
        self.assert_fields(there["G-1"], name='Bolt "M8", steel', price="12.50", uom=kilogram,
                           active=True, barcode=None)
        self.assert_fields(there["G-2"], name="Nut", price="0.10", active=False,
                           barcode="471", description="two\r\nlines")
        self.assert_fields(there["G-3"], name="轴承", uom=1, active=True)

    def test_key_updates(self):
        self.imports(DONE, self.write("a.csv", "code,name,price\nK-1,One,1\nK-2,Two,2\n"))
        file = self.write("b.csv", "price,code,name\n9,K-2,\n3,K-3,Three\n")
        summary = self.imports(DONE, file, "--key", "code")
        self.assert_counts(summary, rows=2, created=1, updated=1)
        # The empty cell said nothing.
        self.assert_fields(self.products("K-")["K-2"], name="Two", price="9.00")
        self.fails(REFUSED, "import", "products.product", self.write("c.csv", "code,name\n"),
                   "--key", "barcode", says="no column barcode")
        # Again: nothing differs, nothing is written.
        summary = self.imports(DONE, file, "--key", "code")
        self.assert_counts(summary, rows=2, unchanged=2)
        self.assertEqual(2, self.products("K-")["K-2"]["version"])

    def test_bad_rows_are_named_and_left_out(self):
        # Twenty rows, batches of six; wrong are the 4th, 5th, 12th and 20th. A cell of three
        # lines in the second row shifts all that follow by two.
        rows = [[f"B-{number:02}", f"Part {number}", "1.50", ""] for number in range(1, 21)]
        rows[1][3] = '"One\n\ntwo"'
        rows[3][2] = "-1"
        rows[4][2] = "cheap"
        rows[11][0] = "B-01"
        rows[19] = ["B-20", "too", "many", "cells", "here"]
        file = self.write("bad.csv", "code,name,price,description\n" + "".join(
            ",".join(row) + "\n" for row in rows))
        name = re.escape(file)
        summary = self.imports(REFUSED, file, "--batch", "6", says=(
            f"^{name} line 7: price must not be below 0$", f"^{name} line 8: price must be .",
            f"^{name} line 15: code is already used by products.product \\d+$",
            f"^{name} line 23: 5 cells, but the header names 4$"))
        self.assert_counts(summary, rows=20, created=16, failed=4)
        self.assertEqual([(7, "price"), (8, "price"), (15, "code"), (23, None)],
                         [(error["line"], error.get("field")) for error in summary["errors"]])
        self.assertEqual({f"B-{number:02}" for number in range(1, 20)} - {"B-04", "B-05", "B-12"},
                         set(self.products("B-")))

    def test_every_wrong_cell_is_told_at_once(self):
        # What cannot be read, stored or found, what is missing, and what only the module itself
        # sees (mail addresses, country codes); lines 4 and 5 are one document.
        self.admin.create("parties.party", number="W-0", name="Taken")
        head = "number,name,kind,email,parent,active,addresses.city,addresses.country\n"
        file = self.write("wrong.csv", head +
                          "W-0,,robot,x@,Nobody,perhaps,Ulm,Germany\n"
                          "W-1,Fine,person,a@b.de,,yes,Ulm,DE\n"
                          "W-2,Two,company,b@b.de,,no,Ulm,de\n"
                          ",,,,,,Bonn,d\n"
                          "W-3,Three,company,c@,#99999,no,,\n")
        wrong = [(2, "number"), (2, "name"), (2, "kind"), (2, "email"), (2, "parent"),
                 (2, "active"), (2, "addresses[0].country"), (4, "addresses[0].country"),
                 (5, "addresses[1].country"), (6, "email"), (6, "parent")]
        for words in (("--dry-run",), ()):
            ran = self.run_kontor("import", "parties.party", file, "--json", *words)
            summary = json.loads(ran.stdout)
            told = [(error["line"], error["field"]) for error in summary["errors"]]
            # A dry run can tell of missing references only when it has looked at all else.
            self.assertEqual(sorted(wrong), sorted(told))
            self.assertTrue(words or wrong == told, told)
            self.assertEqual(len(wrong), len(ran.stderr.splitlines()))
            self.assert_counts(summary, rows=5, created=1, failed=4)

    def test_messages_name_a_field_once(self):
        # Whether the message begins with the field's name, or does not name it.
        file = self.write("once.csv", "code,name,uom,tax_rate\nO-1,One,stone,\nO-2,Two,,101\n")
        self.imports(REFUSED, file, says=("line 2: uom: there is no products.uom called stone$",
                                          "line 3: tax_rate: a percentage is at most 100$"))
        ran = self.run_kontor("import", "products.product", file, "--lang", "zh")
        self.assertIn("第 2 行: uom：products.uom 中没有 stone\n", ran.stderr)

    def test_long_texts_are_quoted_short(self):
        # A name of a column, and a reference, of a megabyte.
        for name, text in (("column", "code,{}\nQ-1,x\n"), ("cell", "code,uom\nQ-1,{}\n"),
                           ("twice", "{0},{0}\n"), ("parted", "{};\n")):
            file = self.write(f"{name}.csv", text.format("轴" * 350000))
            ran = self.run_kontor("import", "products.product", file, "--json")
            self.assertEqual(REFUSED, ran.returncode)
            self.assertIn("轴…", ran.stderr)
            self.assertLess(len(ran.stderr) + len(ran.stdout), 2000)

    def test_nothing_but_bad_rows(self):
        file = self.write("all.csv", "code,name,price\n" + "A-1,x,-1\n" * 50)
        summary = self.imports(REFUSED, file, says=["line \\d+: price "] * 50)
        self.assert_counts(summary, rows=50, failed=50)

    def test_dry_run_changes_nothing(self):
        file = self.write("dry.csv", "code,name,price\nD-1,One,1\nD-2,Two,-2\nD-3,Three,3\n")
        summary = self.imports(REFUSED, file, "--dry-run", says=("line 3: price ",))
        self.assert_counts(summary, rows=3, created=2, failed=1, dry_run=True)
        self.assertEqual({}, self.products("D-"))

    def test_dry_run_knows_earlier_rows(self):
        # Requests of two rows: line 4 has the code of line 2, line 6 that of line 3 and line 7
        # another name for line 5; refused rows take nothing.
        rows = ["E-1,One,1", "E-2,Two,2", "E-1,Three,3", "E-4,Four,4", "E-2,Five,5", "E-4,Four,4"]
        file = self.write("again.csv", "code,name,price\n" + "\n".join(rows) + "\n")
        summary = self.imports(REFUSED, file, "--dry-run", "--batch", "2", says=(
            "line 4: code: is already used on line 2$", "line 6: code: .* on line 3$",
            "line 7: code: .* on line 5$"))
        self.assert_counts(summary, rows=6, created=3, failed=3)
        summary = self.imports(DONE, file, "--dry-run", "--batch", "2", "--key", "code")
        self.assert_counts(summary, rows=6, created=3, updated=3)
        # The real one agrees.
        self.assert_counts(self.imports(DONE, file, "--batch", "2", "--key", "code"), rows=6,
                           created=3, updated=2, unchanged=1)

    def test_dry_run_tells_all_that_is_taken(self):
        # Requests of one row: line 3 has the barcode and the code of line 2, line 4 a bad price and
        # the code of line 2, line 5 what only bad rows have.
        file = self.write("taken.csv", "code,name,price,barcode\nT-1,One,1,T471\nT-1,Two,2,T471\n"
                          "T-1,Three,-3,T472\nT-2,Four,4,T472\n")
        for words in (("--dry-run",), ()):
            ran = self.run_kontor("import", "products.product", file, "--json", "--batch", "1",
                                  *words)
            summary = json.loads(ran.stdout)
            self.assert_counts(summary, rows=4, created=2, failed=2)
            told = {(error["line"], error["field"]) for error in summary["errors"]}
            self.assertEqual({(3, "code"), (3, "barcode"), (4, "price"), (4, "code")}, told)
            self.assertEqual(4, len(summary["errors"]))

    def test_dry_run_resolves_references_to_earlier_rows(self):
        # Categories name their parents: by code, from an earlier request or the same; line 5 comes
        # before its parent and line 6 has none.
        rows = ["C-1,Tools,", "C-2,Hammers,C-1", "C-3,Sledges,C-2", "C-4,Odd,C-6", "C-5,Lost,C-9",
                "C-6,Late,C-1"]
        file = self.write("categories.csv", "code,name,parent\n" + "\n".join(rows) + "\n")
        for words in (("--dry-run",), ()):
            ran = self.run_kontor("import", "products.category", file, "--json", "--batch", "1",
                                  *words)
            self.assertEqual(REFUSED, ran.returncode, ran.stderr)
            summary = json.loads(ran.stdout)
            self.assert_counts(summary, rows=6, created=4, failed=2)
            self.assertEqual([(5, "parent"), (6, "parent")],
                             [(error["line"], error["field"]) for error in summary["errors"]])

    @unittest.skipIf(BUILD.name in ("asan", "tsan", "fuzz"), "sanitizers need memory themselves")
    def test_memory_is_bounded(self):
        # 20,000 rows, each of which would take some 200 bytes if it were kept: 4 MB. The process
        # gets 3 MB of data; it needs less than 2. The server's peak grows by the pages of the store
        # that it maps, and by no more than one request's 64 MiB.
        limit = 3_000_000
        file = self.write("many.csv", "code,name,price,uom.code\n" + "".join(
            f"M-{number:05},Part number {number},{number % 1000}.5,kg\n"
            for number in range(20000)))
        before = self.peak_kib(self.server.process.pid)
        ran = subprocess.run(
            [str(KONTOR), "--data", str(self.server.data), "import", "products.product", file,
             "--json"], capture_output=True, text=True, env=self.environment(),
            timeout=RUN_WITHIN_S, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))
        self.assertEqual((DONE, ""), (ran.returncode, ran.stderr))
        self.assert_counts(json.loads(ran.stdout), rows=20000, created=20000)
        self.assertLess(self.peak_kib(self.server.process.pid) - before, 64 << 10)

    @staticmethod
    def peak_kib(process):
        status = pathlib.Path(f"/proc/{process}/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    def test_columns_by_label(self):
        entities = self.admin.call("system.describe")["entities"]
        fields = next(entity for entity in entities
                      if entity["name"] == "products.product")["fields"]
        labels = {field["name"]: field for field in fields}
        head = ",".join((labels["code"]["label"]["zh"], labels["name"]["label"]["en"], "price",
                         "uom.code"))
        file = self.write("labels.csv", head + "\nL-1,Hammer,3,kg\n")
        self.assert_counts(self.imports(DONE, file), rows=1, created=1)
        self.assert_fields(self.products("L-")["L-1"], name="Hammer", price="3.00")
        self.fails(REFUSED, "import", "products.product",
                   self.write("near.csv", "code,nmae\n1,2\n"), says="line 1: .*is it name")

    def test_standard_input_and_delimiter(self):
        summary = self.imports(DONE, "-", "--delimiter", ";", input="code;name\nI-1;One, two\n")
        self.assert_counts(summary, rows=1, created=1, file="stdin")
        summary = self.imports(DONE, "-", "--delimiter", "tab", "--password-stdin",
                               input=f"{self.server.password()}\ncode\tname\nI-2\tTwo\n")
        self.assert_counts(summary, rows=1, created=1)
        self.assertEqual({"I-1": "One, two", "I-2": "Two"},
                         {code: record["name"] for code, record in self.products("I-").items()})
        self.fails(REFUSED, "import", "products.product", "-", input="code;name\nx;y\n",
                   says="--delimiter")

    def test_documents_with_lines(self):
        # A party with its addresses is one document over several rows: its other cells repeated,
        # or left empty. The second one is wrong in its second address.
        file = self.write("parties.csv", "number,name,addresses.city,addresses.country\n"
                          "X-1,Alpha,Berlin,DE\n"
                          "X-1,Alpha,Ulm,DE\n"
                          ",,上海,CN\n"
                          "X-2,Beta,Wien,AT\n"
                          ",,Graz,Austria\n"
                          "X-3,Gamma,Bern,CH\n")
        for batch in ("1", "200"):
            ran = self.run_kontor("import", "parties.party", file, "--key", "number", "--batch",
                                  batch, "--json")
            self.assertEqual(REFUSED, ran.returncode)
            name = re.escape(str(self.folder / "parties.csv"))
            self.assertRegex(ran.stderr, rf"\A{name} line [56]: \S*country is longer.*\n\Z")
            self.assert_counts(json.loads(ran.stdout), rows=6, failed=2,
                               **{"created" if batch == "1" else "unchanged": 2})
            alpha = self.admin.find("parties.party", "number", "X-1")
            self.assertEqual(["Berlin", "Ulm", "上海"],
                             [address["city"] for address in alpha["addresses"]])
        self.assertEqual(0, self.admin.count("parties.party", ("number", "=", "X-2")))

    def test_files_that_are_no_imports(self):
        for name, text, says in (
                ("empty", "", "is empty"), ("twice", "code,code\n", "two columns are called code"),
                ("unnamed", "code,,name\n", "column 2 has no name"),
                ("colour", "code,colour\n1,2\n", r"field: colour")):
            with self.subTest(name):
                self.fails(REFUSED, "import", "products.product",
                           self.write(f"{name}.csv", text), says=says)
        self.fails(REFUSED, "import", "products.product", "nowhere.csv", says="No such file")
        self.fails(REFUSED, "import", "products.product", ".", says="Is a directory")
        self.fails(REFUSED, "import", "no.such", self.write("x.csv", "a\n1\n"), says="not_found")
        # Only the header: nothing to do, and that is done.
        self.assert_counts(self.imports(DONE, self.write("head.csv", "code,name\n")), rows=0)

    def test_reading_ends_where_quotes_are_wrong(self):
        file = self.write("quote.csv", 'code,name\nQ-1,One\nQ-2,T"wo\nQ-3,Three\n')
        summary = self.imports(REFUSED, file, says=("quote.csv line 3: a quote",))
        self.assert_counts(summary, rows=1, created=1)
        for encoding, says in (("utf-16", "UTF-16"), ("gb18030", "not UTF-8")):
            file = self.write("coded.csv", "code,name\nQ-9,轴承\n", encoding)
            ran = self.run_kontor("import", "products.product", file)
            self.assertEqual(REFUSED, ran.returncode)
            self.assertIn(says, ran.stderr)
        self.assertEqual({"Q-1"}, set(self.products("Q-")))

    def test_summary_for_people(self):
        file = self.write("s.csv", "code,name\nZ-1,One\nZ-2\n")
        ran = self.run_kontor("import", "products.product", file, "--lang", "zh")
        self.assertEqual(REFUSED, ran.returncode)
        self.assertIn("第 3 行", ran.stderr)
        for line in ("rows:    2", "created: 1", "updated: 0", "failed:  1"):
            self.assertIn(line + "\n", ran.stdout)

    def test_lost_connection_does_nothing_twice(self):
        # Given 50 rows without a key in batches of 10, and a connection that is lost when the
        # third batch has reached the server and its answer has not come back (the first request
        # asks about the columns),
        relay = Relay(self.server, self.folder, b"record.import", at=4)
        self.addCleanup(relay.close)
        file = self.write("r.csv", "code,name\n" + "".join(
            f"R-{number},Part\n" for number in range(50)))
        # when they are imported (the password is on a pipe and can be read only once),
        ran = self.run_kontor("--password-stdin", "import", "products.product", file, "--batch",
                              "10", "--json", place=["--socket", str(relay.path)],
                              input=self.server.password() + "\n")
        # then the third is sent again, and every row is there once.
        self.assertEqual(DONE, ran.returncode, ran.stderr)
        self.assertRegex(ran.stderr, r"\Akontor: .*connection.*; trying again\n\Z")
        self.assert_counts(json.loads(ran.stdout), rows=50, created=50)
        self.assertEqual(7, relay.requests)
        self.assertEqual(50, self.admin.count("products.product", ("code", "like", "R-")))

    def test_server_restarts_meanwhile(self):
        server = Server()
        self.addCleanup(server.close)
        server.start()
        admin = server.connect()
        admin.call("module.enable", name="products")
        admin.close()
        process = subprocess.Popen(
            [str(KONTOR), "--data", str(server.data), "import", "products.product", "-",
             "--batch", "1", "--json"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=self.environment())
        # More than one read of the input, so that rows before the restart are sent before it.
        process.stdin.write("code,name\n" + "".join(
            f"W-{number},{'x' * 400}\n" for number in range(300)))
        process.stdin.flush()
        admin = server.connect()
        while not admin.count("products.product"):
            pass
        admin.close()
        server.kill()
        server.start()
        output, errors = process.communicate("W-300,last\n", timeout=RUN_WITHIN_S)
        self.assertEqual(DONE, process.returncode, errors)
        self.assert_counts(json.loads(output), rows=301, created=301)
        admin = server.connect()
        self.assertEqual(301, admin.count("products.product"))
        admin.close()


if __name__ == "__main__":
    main()
