#!/usr/bin/python3
"""The command `kontor` as people and scripts meet it: what it prints where, how it ends, what it
never shows. The server is real; where a connection must break at an exact moment, a relay between
the two breaks it.
"""
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

from kontor_test import KONTOR, KontorCase, main

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
        self.assertEqual(5, self.done("module", "--help", place=[]).count("\n"))
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
        self.assertEqual("a.lua: added\nmore/b.lua: added\nrevision 1\n",
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
        self.assertEqual("c.lua: removed\nrevision 4\n", self.done("rules", "remove", "c.lua"))
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
        rows = [f"P-{number},Part {number},{'-1' if number == 300 else '1'}\n"
                for number in range(500)]
        file = self.write("progress.csv", "code,name,price\n" + "".join(rows))
        code, sent, output = self.on_terminal(100, "import", "products.product", file, "--json",
                                              "--batch", "5")
        self.assertEqual(REFUSED, code)
        self.assertEqual(499, json.loads(output)["created"])
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
        self.assertRegex(sent, r"(\A|\r\x1b\[K|\n)[^\r\n]*progress\.csv line 302: price must"
                               r"[^\r\n]*\r\n")
        self.assertIn("\x1b[K\r\x1b[K", sent[sent.rindex("% "):])

    def test_progress_of_an_export(self):
        path = str(self.folder / "out.csv")
        for number in range(30):
            self.admin.create("products.product", code=f"O-{number}", name="Out")
        code, sent, output = self.on_terminal(100, "export", "products.product", path, "code~O-")
        self.assertEqual((DONE, ""), (code, output))
        self.assertRegex(sent, r"\r[^\r\n]*\[#+\] +100% +30 rows[^\r\n]*\x1b\[K\r\x1b\[K"
                               r"kontor: 30 records in 30 rows\r\n\Z")

    def test_no_bar_without_a_terminal(self):
        file = self.write("quiet.csv", "code,name\n" + "".join(
            f"N-{number},Part\n" for number in range(50)))
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
