#!/usr/bin/python3
"""The command `kontor` as people and scripts meet it: what it prints where, how it ends, what it
never shows. The server is real; where a connection must break at an exact moment, a relay between
the two breaks it.
"""
import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import unicodedata

from kontor_test import KONTOR, KontorCase, Server, main

DONE, REFUSED, USAGE, LOST, LOGIN = 0, 1, 2, 3, 4
RUN_WITHIN_S = 120


class Cli(KontorCase):
    MODULES = ("parties", "products")

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def environment(self, **more):
        """Nothing of whoever runs the tests: neither servers nor languages nor a home."""
        kept = {name: value for name, value in os.environ.items()
                if name == "PATH" or name.endswith("SAN_OPTIONS")}
        return {**kept, "HOME": str(self.folder), "LANG": "C.UTF-8", **more}

    def run_kontor(self, *words, input="", place=None, **environment):
        """Without a terminal, so that nothing can be asked."""
        place = ["--data", str(self.server.data)] if place is None else place
        return subprocess.run([str(KONTOR), *place, *words], input=input, capture_output=True,
                              text=True, env=self.environment(**environment), cwd=self.folder,
                              start_new_session=True, timeout=RUN_WITHIN_S)

    def done(self, *words, **more):
        """Exit code 0 and not a byte on stderr; the output."""
        ran = self.run_kontor(*words, **more)
        self.assertEqual((DONE, ""), (ran.returncode, ran.stderr), ran.stdout)
        return ran.stdout

    def json(self, *words, **more):
        return json.loads(self.done(*words, "--json", **more))

    def fails(self, code, *words, says="", lines=1, **more):
        """That exit code, nothing on stdout, on stderr so many lines that begin with our name."""
        ran = self.run_kontor(*words, **more)
        self.assertEqual((code, ""), (ran.returncode, ran.stdout), ran.stderr)
        self.assertEqual(lines, ran.stderr.count("\n"), ran.stderr)
        for line in ran.stderr.splitlines():
            self.assertRegex(line, r"^kontor: \S")
        self.assertRegex(ran.stderr, says)
        return ran.stderr

    def write(self, name, text, encoding="utf-8"):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding=encoding, newline="")
        return str(path)

    def products(self, prefix):
        """By code, of those whose code begins so."""
        found = self.admin.search("products.product", ("code", "like", prefix), limit=1000)
        return {record["code"]: record for record in found}


class Help(Cli):
    def commands(self):
        page = self.done("--help")
        listed = page.split("Commands:\n")[1].split("\n\n")[0]
        return [line[2:18].strip() for line in listed.splitlines()]

    def test_every_command_explains_itself(self):
        commands = self.commands()
        self.assertIn("import", commands)
        self.assertIn("rules push", commands)
        for command in commands:
            for words in ([*command.split(), "--help"], ["help", *command.split()],
                          ["--lang", "zh", *command.split(), "-h"]):
                with self.subTest(words):
                    page = self.done(*words, place=[])
                    self.assertIn(f"kontor {command}", page)
                    self.assertEqual("zh" in words, bool(re.search("[\u4e00-\u9fff]", page)))
                    for line in page.splitlines():
                        self.assertLessEqual(columns(line), 100)

    def test_a_group_lists_its_commands(self):
        self.assertEqual(3, self.done("module", "--help", place=[]).count("\n"))
        ran = self.run_kontor("module", place=[])
        self.assertEqual((USAGE, ""), (ran.returncode, ran.stdout))
        self.assertIn("module enable", ran.stderr)

    def test_version_and_language(self):
        self.assertRegex(self.done("--version", place=[]), r"^kontor \d+\.\d+\.\d+\n$")
        self.assertIn("用法", self.done("--help", place=[], LANG="zh_CN.UTF-8"))
        self.assertIn("usage", self.done("--help", place=[], LC_ALL="en_GB", LANG="zh_CN.UTF-8"))

    def test_wrong_usage(self):
        for words in (["nonsense"], ["module", "nonsense"], ["ping", "--nonsense"], ["ping", "x"],
                      ["call"], ["call", "m", "{", "x"], ["import", "products.product"],
                      ["import", "e", "f.csv", "--batch", "0"], ["user", "add"],
                      ["import", "e", "f.csv", "--batch", "1001"], ["get", "system.user", "x"],
                      ["import", "e", "f.csv", "--delimiter", "ab"], ["--timeout", "x", "ping"],
                      ["search", "system.user", "nonsense"], ["rules", "push", "x.txt"],
                      ["search", "system.user", "--where", "{"], ["call", "m", "[1]"]):
            with self.subTest(words):
                ran = self.run_kontor(*words)
                self.assertEqual((USAGE, ""), (ran.returncode, ran.stdout), ran.stderr)
                self.assertTrue(ran.stderr)
        # Without a word, the page of help: on stderr, for it was not asked for.
        ran = self.run_kontor()
        self.assertEqual((USAGE, ""), (ran.returncode, ran.stdout))
        self.assertIn("Commands:", ran.stderr)


class Connections(Cli):
    def test_ping_needs_no_login(self):
        place = ["--socket", str(self.server.socket)]
        self.assertIn("version", self.json("ping", place=place))
        self.assertRegex(self.done("ping", place=place), r"answers in \d+\.\d ms")
        self.assertIn("毫秒", self.done("ping", "--lang", "zh", place=place))

    def test_places(self):
        port = self.server.port()
        password = self.server.password()
        for place, more in ((["--data", str(self.server.data)], {}),
                            (["--socket", str(self.server.socket)], {}),
                            ([], {"KONTOR_DATA": str(self.server.data)}),
                            ([], {"KONTOR_SOCKET": str(self.server.socket)}),
                            (["--address", f"127.0.0.1:{port}"], {"KONTOR_PASSWORD": password}),
                            ([], {"KONTOR_ADDRESS": f"localhost:{port}",
                                  "KONTOR_PASSWORD": password})):
            with self.subTest(place, **more):
                self.assertTrue(self.json("module", "list", place=place, **more)["modules"])

    def test_the_usual_folder(self):
        (self.folder / "data").symlink_to(self.server.data)
        self.assertTrue(self.json("module", "list", place=[])["modules"])

    def test_no_server(self):
        nowhere = str(self.folder / "nowhere.sock")
        self.fails(LOST, "ping", place=["--socket", nowhere], says="nowhere.sock: No such file")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            free = "127.0.0.1:%d" % taken.getsockname()[1]
        self.fails(LOST, "ping", place=["--address", free], says=f"{free}: Connection refused")
        self.fails(LOST, "ping", place=[], says="cannot connect")
        self.fails(LOST, "ping", "--lang", "zh", place=["--address", free], says="无法连接")

    def test_a_server_that_hangs_up(self):
        path = self.folder / "rude.sock"
        with socket.create_server(str(path), family=socket.AF_UNIX) as rude:
            def hang_up():
                connection, _ = rude.accept()
                connection.recv(100)
                connection.close()
            thread = threading.Thread(target=hang_up)
            thread.start()
            self.fails(LOST, "ping", place=["--socket", str(path)], says="closed the connection")
            thread.join()

    def test_wrong_password(self):
        self.fails(LOGIN, "module", "list", KONTOR_PASSWORD="wrong", says="password is wrong")
        self.fails(LOGIN, "--user", "nobody", "--password-stdin", "module", "list",
                   input="wrong\n", says="password is wrong")
        # Nobody to ask and nothing to read.
        self.fails(LOGIN, "--user", "admin", "module", "list", says="--password-stdin")
        self.fails(REFUSED, "module", "list", "--no-login", says="log in first")

    def test_password_file_that_others_can_read(self):
        copy = pathlib.Path(self.write("open/admin-password", self.server.password() + "\n"))
        copy.chmod(0o644)
        (copy.parent / "kontor.sock").symlink_to(self.server.socket)
        self.fails(LOGIN, "module", "list", place=["--data", str(copy.parent)], says="chmod 600")
        copy.chmod(0o600)
        self.done("module", "list", place=["--data", str(copy.parent)])

    def test_password_of_one_user_is_not_tried_on_another(self):
        self.fails(LOGIN, "--user", "other", "module", "list", KONTOR_USER="admin",
                   KONTOR_PASSWORD=self.server.password(), says="no terminal")

    def test_no_secret_in_the_command_line(self):
        # Given a user added with both passwords from standard input,
        secrets = (self.server.password(), "the-new-users-password")
        process = subprocess.Popen(
            [str(KONTOR), "--data", str(self.server.data), "--user", "admin", "--password-stdin",
             "user", "add", "quiet", "--password-stdin"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment())
        # when it waits for the second one, then neither can be seen from outside.
        process.stdin.write(secrets[0] + "\n")
        process.stdin.flush()
        seen = pathlib.Path(f"/proc/{process.pid}/cmdline").read_text(encoding="utf-8")
        output, errors = process.communicate(secrets[1] + "\n", timeout=RUN_WITHIN_S)
        self.assertEqual((0, ""), (process.returncode, errors))
        for secret in secrets:
            self.assertNotIn(secret, seen + output)
        self.server.connect("quiet", secrets[1]).close()
        # Nor is there an option that would invite one.
        self.fails(USAGE, "--password", "x", "ping", says="unknown option")


class Calls(Cli):
    def test_params_from_everywhere(self):
        params = json.dumps({"entity": "system.user", "id": 1})
        path = self.write("params.json", params)
        for word, input in ((params, ""), ("-", params), ("@" + path, "")):
            with self.subTest(word):
                self.assertEqual("admin",
                                 self.json("call", "record.get", word, input=input)["name"])
        # With the password on the first line of the same stream.
        self.assertEqual("admin", self.json(
            "--password-stdin", "call", "record.get", "-",
            input=f"{self.server.password()}\n{params}")["name"])

    def test_bad_params(self):
        self.fails(USAGE, "call", "system.ping", "{'a': 1}", says="not JSON: line 1")
        self.fails(USAGE, "call", "system.ping", '{"a": 99999999999999999999}', says="too big")
        self.fails(REFUSED, "call", "system.ping", "@nowhere.json", says="nowhere.json: No such")
        self.fails(REFUSED, "call", "no.such.method", says=r"no\.such\.method.*code: not_found")
        self.fails(REFUSED, "call", "record.get", '{"entity": "system.user", "id": 999}',
                   says="not_found")

    def test_exact_numbers(self):
        created = self.json("call", "record.create", json.dumps({
            "entity": "products.product",
            "values": {"code": "EXACT", "name": "Exact", "price": "1234567890123456789.1234"}}))
        self.assertEqual("1234567890123456789.1234", created["price"])
        self.fails(REFUSED, "call", "record.update", json.dumps({
            "entity": "products.product", "id": created["id"], "values": {"price": 9.5}}),
            says="field: price")

    def test_text_that_would_repaint_a_terminal(self):
        rude = "evil\u202etxt.exe\u2066"
        self.admin.create("products.product", code="RUDE", name=rude)
        for output in (self.done("get", "products.product", "code=RUDE"),
                       self.done("get", "products.product", "code=RUDE", "--json")):
            self.assertNotIn("\u202e", output)
            self.assertIn("\\u202e", output)
        self.assertEqual(rude, self.json("get", "products.product", "code=RUDE")["name"])

    def test_full_disk_is_a_failure(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            ran = subprocess.run([str(KONTOR), "--data", str(self.server.data), "ping"],
                                 stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                                 env=self.environment(), timeout=RUN_WITHIN_S)
        self.assertEqual(REFUSED, ran.returncode)
        self.assertIn("cannot write", ran.stderr)

    def test_describe(self):
        model = self.json("describe")
        self.assertIn("products.product", [entity["name"] for entity in model["entities"]])
        entity = self.json("describe", "products.product")
        self.assertEqual("products.product", entity["name"])
        page = self.done("describe", "parties.party")
        self.assertRegex(page, r"\nfields\nname +type ")
        self.assertRegex(page, r"\nfields\.addresses\nname +type ")
        self.assertRegex(page, r"kind +enum .*company, person")
        self.assertIn("国家", self.done("describe", "parties.party", "--lang", "zh"))
        self.assertIn("products.product", self.done("describe"))
        self.fails(REFUSED, "describe", "no.such", says="no entity|no enabled module")


class Administration(Cli):
    def enabled(self, module):
        return {row["name"]: row["enabled"] for row in self.json("module", "list")["modules"]}[
            module]

    def test_modules(self):
        self.assertFalse(self.enabled("customers"))
        self.assertEqual("customers: enabled\n", self.done("module", "enable", "customers"))
        self.assertTrue(self.enabled("customers"))
        self.assertRegex(self.done("module", "list"), r"(?m)^customers +\S+ +yes ")
        self.fails(REFUSED, "module", "disable", "parties", says="customers")
        self.assertEqual("customers: disabled\n", self.done("module", "disable", "customers"))
        self.assertFalse(self.enabled("customers"))
        self.fails(REFUSED, "module", "enable", "nonsense", says="nonsense")
        # The first refusal ends it; what was before it stays.
        ran = self.run_kontor("module", "enable", "customers", "nonsense", "finance")
        self.assertEqual((REFUSED, "customers: enabled\n"), (ran.returncode, ran.stdout))
        self.assertFalse(self.enabled("finance"))
        self.done("module", "disable", "customers")

    RULE = """rule{{ on = "products.product.before_save", name = "products.{name}",
    check = function(product)
        if product.name == "{name}" then kontor.deny("{name} is not for sale") end
    end }}
"""

    def rules(self):
        return {rule["name"]: rule["file"] for rule in self.json("rules", "list")["rules"]}

    def test_rules(self):
        # Given rules in a folder, one of them a folder deeper, and files that are no rules,
        folder = pathlib.Path(self.write("rules/a.lua", self.RULE.format(name="lead"))).parent
        self.write("rules/more/b.lua", self.RULE.format(name="amber"))
        self.write("rules/README.md", "no rule")
        self.write("rules/.hidden.lua", "no rule (")
        # when they are pushed, then they are in force.
        self.assertEqual("a.lua: pushed\nmore/b.lua: pushed\n",
                         self.done("rules", "push", str(folder)))
        self.assertEqual({"products.lead": "a.lua", "products.amber": "more/b.lua"}, self.rules())
        self.fails(REFUSED, "call", "record.create", json.dumps(
            {"entity": "products.product", "values": {"code": "L", "name": "lead"}}),
            says=r"lead is not for sale.*code: rule_denied.*rule: products\.lead")

        # A broken file is named with its line, and nothing changes.
        broken = self.write("c.lua", "rule{\n  on = \n}\n")
        self.fails(REFUSED, "rules", "push", broken, says=r"c\.lua", lines=1)
        self.assertEqual(2, len(self.rules()))

        # One file more; one file instead of all.
        c = self.write("c.lua", self.RULE.format(name="coal"))
        self.assertEqual(3, len(self.json("rules", "push", c)["rules"]))
        self.done("rules", "push", c, "--replace")
        self.assertEqual({"products.coal": "c.lua"}, self.rules())
        self.assertIn("products.coal", self.done("rules", "list"))
        self.assertEqual("c.lua: removed\n", self.done("rules", "remove", "c.lua"))
        self.assertEqual({}, self.rules())
        self.fails(REFUSED, "rules", "remove", "c.lua", says="not_found")
        self.fails(REFUSED, "rules", "push", str(self.folder / "no.lua"), says="No such file")
        empty = self.folder / "empty"
        empty.mkdir()
        self.fails(USAGE, "rules", "push", str(empty), says="no .lua files")

    def test_users(self):
        # A generated password is shown once and works.
        output = self.done("user", "add", "anna", "--full-name", "Anna 安娜", "--role",
                           "system.admin", "--role", "products.manager", "--generate")
        password = re.fullmatch(r"password of anna: (\w{20})\n", output)[1]
        self.server.connect("anna", password).close()
        self.assert_fields(self.admin.find("system.user", "name", "anna"), full_name="Anna 安娜",
                           roles=["system.admin", "products.manager"], active=True)
        self.assertRegex(self.done("user", "list"), r"anna +Anna 安娜 +system\.admin, ")

        # One from a pipe; and it can be changed.
        self.assertEqual("max: saved\n", self.done("user", "add", "max", "--password-stdin",
                                                   input="max-long-password\n"))
        self.assertEqual("max: saved\n", self.done("user", "passwd", "max", "--password-stdin",
                                                   input="max-new-password\r\n"))
        self.server.connect("max", "max-new-password").close()
        shown = self.json("user", "passwd", "max", "--generate")
        self.server.connect("max", shown["password"]).close()

        self.fails(REFUSED, "user", "add", "max", "--generate", says="field: name")
        self.fails(REFUSED, "user", "add", "eve", "--password-stdin", input="short\n",
                   says="at least")
        self.fails(USAGE, "user", "add", "eve", "--password-stdin", says="no password")
        self.fails(LOGIN, "user", "add", "eve", says="no terminal")
        self.fails(USAGE, "user", "add", "eve", "--generate", "--password-stdin", says="not both")
        # Without the right to it.
        self.fails(REFUSED, "--user", "max", "user", "add", "eve", "--generate",
                   KONTOR_PASSWORD=shown["password"], says="code: denied")


class Records(Cli):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number in range(1, 6):
            cls.admin.create("products.product", code=f"S-{number}", name=f"轴承 {number}",
                             price=f"{number}.50", active=number != 5,
                             description="long " * 100 + "end")

    def codes(self, *words):
        return [record["code"] for record in
                self.json("search", "products.product", "code~S-", "--order", "code",
                          *words)["records"]]

    def test_get(self):
        by_code = self.json("get", "products.product", "code=S-2")
        self.assertEqual("2.50", by_code["price"])
        self.assertEqual(by_code, self.json("get", "products.product", str(by_code["id"])))
        self.assertRegex(self.done("get", "products.product", "code=S-2"), r"(?m)^name: +轴承 2$")
        self.fails(REFUSED, "get", "products.product", "code=none", says="no record has code=none")
        self.fails(REFUSED, "get", "products.product", "kind=goods", says="more than one")
        self.fails(REFUSED, "get", "products.product", "9999", says="not_found")
        self.fails(USAGE, "get", "products.product", "nonsense", says="neither an id")

    def test_conditions_by_type(self):
        self.assertEqual(["S-3", "S-4", "S-5"], self.codes("price>=3.50"))
        self.assertEqual(["S-5"], self.codes("active=false"))
        self.assertEqual(["S-1"], self.codes("price<2", "name!=x"))
        self.assertEqual([], self.codes("category!="))
        self.assertEqual(5, len(self.codes("category=", "uom.code=pcs", "uom=1")))
        self.assertEqual(["S-1", "S-2"], self.codes(
            "--where", '[["or", ["code", "=", "S-1"], ["code", "=", "S-2"]]]'))
        self.fails(USAGE, "search", "products.product", "uom=pcs", says="whole number")
        self.fails(REFUSED, "search", "products.product", "colour=red", says="field: colour")
        self.fails(REFUSED, "search", "no.such", says="not_found")

    def test_pages(self):
        first = self.run_kontor("search", "products.product", "code~S-", "--order", "code",
                                "--limit", "2", "--field", "code")
        self.assertEqual(DONE, first.returncode)
        self.assertEqual(["S-1", "S-2"], re.findall(r"S-\d", first.stdout))
        after = re.search(r"--after '(.*)'", first.stderr)[1]
        self.assertEqual(["S-3", "S-4", "S-5"], self.codes("--after", after))

    def test_tables_for_people(self):
        table = self.done("search", "products.product", "code~S-", "--field", "code", "--field",
                          "name", "--field", "price", "--field", "description")
        header, rule, *rows = table.splitlines()
        self.assertEqual(5, len(rows))
        # Columns begin where the rule says, Chinese or not; nothing is cut.
        starts = [match.start() for match in re.finditer("-+", rule)]
        for row in rows:
            self.assertTrue(row.endswith("long end"), row)
            for start in starts[1:]:
                before = take_columns(row, start)
                self.assertTrue(before.endswith("  "), row)
        self.assertEqual(len(rule), columns(rows[0]))


def columns(text):
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def take_columns(text, width):
    for end in range(len(text)):
        if columns(text[:end]) >= width:
            return text[:end]
    return text


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
        summary = self.imports(DONE, self.write("b.csv", "price,code,name\n9,K-2,\n3,K-3,Three\n"),
                               "--key", "code")
        self.assert_counts(summary, rows=2, created=1, updated=1)
        # The empty cell said nothing.
        self.assert_fields(self.products("K-")["K-2"], name="Two", price="9.00")
        self.fails(USAGE, "import", "products.product", self.write("c.csv", "code,name\n"),
                   "--key", "barcode", says="no column barcode")

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
            f"^{name} line 7: price: .", f"^{name} line 8: price: .", f"^{name} line 15: code: .",
            f"^{name} line 23: 5 cells, but the header names 4$"))
        self.assert_counts(summary, rows=20, created=16, failed=4)
        self.assertEqual([(7, "price"), (8, "price"), (15, "code"), (23, None)],
                         [(error["line"], error.get("field")) for error in summary["errors"]])
        self.assertEqual({f"B-{number:02}" for number in range(1, 20)} - {"B-04", "B-05", "B-12"},
                         set(self.products("B-")))

    def test_nothing_but_bad_rows(self):
        file = self.write("all.csv", "code,name,price\n" + "A-1,x,-1\n" * 50)
        summary = self.imports(REFUSED, file, says=["line \\d+: price: "] * 50)
        self.assert_counts(summary, rows=50, failed=50)

    def test_dry_run_changes_nothing(self):
        file = self.write("dry.csv", "code,name,price\nD-1,One,1\nD-2,Two,-2\nD-3,Three,3\n")
        summary = self.imports(REFUSED, file, "--dry-run", says=("line 3: price: ",))
        self.assert_counts(summary, rows=3, created=2, failed=1, dry_run=True)
        self.assertEqual({}, self.products("D-"))

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
            self.assertRegex(ran.stderr, r"\Aparties\.csv line [56]: \S*country: .*\n\Z".replace(
                "parties", re.escape(str(self.folder)) + "/parties"))
            self.assert_counts(json.loads(ran.stdout), rows=6, failed=2,
                               **{"created" if batch == "1" else "updated": 2})
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
        # third batch has reached the server and its answer has not come back,
        relay = Relay(self.server, self.folder, b"record.import", at=3)
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
        self.assertEqual(6, relay.requests)
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


class Terminal(Cli):
    def sent_to(self, leader, until=None):
        """What a terminal was sent, up to a text or until the program has closed it."""
        sent = b""
        while until is None or until not in sent:
            readable, _, _ = select.select([leader], [], [], RUN_WITHIN_S)
            self.assertTrue(readable, f"nothing more came after {sent!r}")
            try:
                some = os.read(leader, 65536)
            except OSError:
                some = b""
            if not some:
                break
            sent += some
        return sent

    def on_terminal(self, width, *words, stdout_too=False):
        """stderr is a terminal of that width; what it was sent, and stdout."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        process = subprocess.Popen(
            [str(KONTOR), "--data", str(self.server.data), *words], stdin=subprocess.DEVNULL,
            stdout=follower if stdout_too else subprocess.PIPE, stderr=follower,
            env=self.environment(TERM="xterm"), start_new_session=True)
        os.close(follower)
        sent = self.sent_to(leader)
        os.close(leader)
        output = b"" if stdout_too else process.stdout.read()
        if process.stdout:
            process.stdout.close()
        return process.wait(RUN_WITHIN_S), sent.decode(), output.decode()

    def test_progress_bar(self):
        # One bad row on the way. The first batch is drawn however fast the server is.
        rows = [f"P-{number},Part {number},{'-1' if number == 900 else '1'}\n"
                for number in range(1500)]
        file = self.write("progress.csv", "code,name,price\n" + "".join(rows))
        code, sent, output = self.on_terminal(100, "import", "products.product", file, "--json",
                                              "--batch", "5")
        self.assertEqual(REFUSED, code)
        self.assertEqual(1499, json.loads(output)["created"])
        # Each drawing starts at the left, stays within the line and clears what is behind it.
        drawn = re.findall(r"\r([^\r\n]*%[^\r\n]*)\x1b\[K", sent)
        self.assertTrue(drawn, sent)
        percents = []
        for line in drawn:
            self.assertLess(columns(line), 100)
            percents.append(int(re.search(r"(\d+)%", line)[1]))
            self.assertRegex(line, r"\[#*-*\] +\d+% +\d+ rows")
        self.assertEqual(sorted(percents), percents)
        # The message of the bad row has a line of its own; in the end nothing is left of the bar.
        self.assertRegex(sent, r"(\A|\r\x1b\[K|\n)[^\r\n]*progress\.csv line 902: price: "
                               r"[^\r\n]*\r\n")
        self.assertIn("\x1b[K\r\x1b[K", sent[sent.rindex("% "):])

    def test_no_bar_without_a_terminal(self):
        file = self.write("quiet.csv", "code,name\n" + "".join(
            f"N-{number},Part\n" for number in range(300)))
        ran = self.run_kontor("import", "products.product", file, "--batch", "1", TERM="xterm")
        self.assertEqual((DONE, ""), (ran.returncode, ran.stderr))
        self.assertNotIn("\x1b", ran.stdout)

    def test_tables_fit_a_terminal(self):
        self.admin.create("products.product", code="LONG", name="Long", description="x" * 500)
        code, sent, _ = self.on_terminal(80, "search", "products.product", "code=LONG", "--field",
                                         "description", stdout_too=True)
        self.assertEqual(DONE, code)
        self.assertIn("x" * 39 + "…\r\n", sent)

    def test_password_prompt_does_not_echo(self):
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", str(KONTOR), "--data", str(self.server.data), "--user",
             "admin", "call", "record.get", '{"entity": "system.user", "id": 1}'],
            stdin=follower, stdout=follower, stderr=follower, env=self.environment())
        os.close(follower)
        self.addCleanup(process.kill)
        sent = self.sent_to(leader, until=b"Password of admin: ")
        # Typed wrong, the line emptied (^U), typed again with a letter too many, that one taken.
        os.write(leader, b"wrong\x15" + self.server.password().encode() + b"x\x7f\n")
        sent += self.sent_to(leader)
        os.close(leader)
        self.assertEqual(DONE, process.wait(RUN_WITHIN_S), sent)
        self.assertIn(b"Administrator", sent)
        self.assertNotIn(self.server.password().encode(), sent)


if __name__ == "__main__":
    main()
