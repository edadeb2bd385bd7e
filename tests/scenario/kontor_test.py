"""What the scenario and crash tests share: a server of one's own, clients for it, a test case.

The clients are python3-pynvim's msgpack-RPC sessions, untouched: Kontor is spoken to by a program
that nobody here wrote. KONTOR_BUILD names the build folder under test (default build/release).
"""
import contextlib
import csv
import ctypes
import faulthandler
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import msgpack
from pynvim.msgpack_rpc import socket_session, tcp_session

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("KONTOR_BUILD", ROOT / "build" / "release")).resolve()
KONTORD = BUILD / "bin" / "kontord"
KONTOR = BUILD / "bin" / "kontor"
PLUGINS = BUILD / "plugins"
RULES = ROOT / "scripts" / "rules"
DEMO = ROOT / "scripts" / "demo"
ALL_MODULES = ("parties", "products", "customers", "sales", "inventory", "finance", "approvals")

# Sanitizers make everything slow; a healthy server needs none of this.
READY_WITHIN_S = 60
STOPPED_WITHIN_S = 60
TEST_WITHIN_S = 540
# The company's day in every test, so that figures and numbers like SO2026-00001 never change.
TODAY = "2026-11-23"

ADDRESS = re.compile(r"\b127\.0\.0\.1:(\d+)")
SANITIZER = re.compile(r"AddressSanitizer|ThreadSanitizer|LeakSanitizer|runtime error:")


class KontorError(Exception):
    """The server's refusal: {code, message, message_zh, entity?, field?, rule?, details?}."""

    def __init__(self, error):
        super().__init__(error)
        self.code = error.get("code")
        self.message = error.get("message")
        self.message_zh = error.get("message_zh")
        self.entity = error.get("entity")
        self.field = error.get("field")
        self.rule = error.get("rule")
        self.details = error.get("details")


class Client:
    """One connection; call("record.get", entity="sales.order", id=1)."""

    def __init__(self, session):
        self.session = session
        self.session.error_wrapper = KontorError

    def call(self, method, params=None, /, **more):
        return self.session.request(method, {**(params or {}), **more})

    def login(self, user, password):
        return self.call("auth.login", user=user, password=password)

    def create(self, entity, /, **values):
        return self.call("record.create", entity=entity, values=values)

    def get(self, entity, id):
        return self.call("record.get", entity=entity, id=id)

    def update(self, entity, id, /, **values):
        return self.call("record.update", entity=entity, id=id, values=values)

    def search(self, entity, *where, **more):
        return self.call("record.search", entity=entity, where=list(map(list, where)),
                         **more)["records"]

    def find(self, entity, field, value):
        """The one record with that value."""
        found = self.search(entity, (field, "=", value))
        if len(found) != 1:
            raise LookupError(f"{len(found)} {entity} with {field} = {value!r}")
        return found[0]

    def count(self, entity, *where):
        return self.call("record.count", entity=entity, where=list(map(list, where)))["count"]

    def all(self, entity, *where):
        """Every matching record, page by page."""
        records, after = [], None
        while True:
            page = self.call("record.search", entity=entity, where=list(map(list, where)),
                             limit=1000, after=after)
            records += page["records"]
            after = page["next"]
            if after is None:
                return records

    def totals(self, total, *by):
        return self.call("record.totals", total=total, by=list(by))["rows"]

    def import_csv(self, entity, path, key=None):
        """All rows of a CSV file as `kontor import` sends them; the server's answer."""
        with open(path, encoding="utf-8", newline="") as file:
            columns, *rows = csv.reader(file)
        return self.call("record.import", entity=entity, columns=columns, rows=rows,
                         **({"key": key} if key else {}))

    def push_rules(self, *paths, **more):
        """Rule files, or all of a folder."""
        files = [file for path in paths
                 for file in (sorted(path.glob("*.lua")) if path.is_dir() else [path])]
        return self.call("rules.push", files={
            file.name: file.read_text(encoding="utf-8") for file in files}, **more)

    def new_events(self, seen=0):
        """Events after number `seen`, all of them."""
        events = []
        while True:
            some = self.call("event.read", **{"from": seen + 1}, limit=1000)["events"]
            if not some:
                return events
            events += some
            seen = some[-1]["seq"]

    def close(self):
        self.session.close()


class Wire:
    """A bare socket for what no decent client would send."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(READY_WITHIN_S)
        self.socket.connect(str(path))
        self.unpacker = msgpack.Unpacker()

    def send(self, raw):
        self.socket.sendall(raw)

    def send_message(self, message):
        self.send(msgpack.packb(message))

    def request(self, msgid, method, params):
        self.send_message([0, msgid, method, [params]])

    def receive(self):
        """The next message, or None when the server closed the connection."""
        while True:
            for message in self.unpacker:
                return message
            try:
                some = self.socket.recv(65536)
            except ConnectionResetError:
                some = b""
            if not some:
                return None
            self.unpacker.feed(some)

    def call(self, method, params):
        self.request(1, method, params)
        _, _, error, result = self.receive()
        if error:
            raise KontorError(error)
        return result

    def close(self):
        self.socket.close()


def die_with_parent():
    """A test that is killed leaves no server behind (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Server:
    """A kontord on a data folder, by default a new one that goes with it."""

    def __init__(self, data=None, plugins=PLUGINS):
        self.owned = data is None
        self.plugins = plugins
        self.data = pathlib.Path(data or tempfile.mkdtemp(prefix="kontor-test-"))
        self.socket = self.data / "kontor.sock"
        self.log_path = self.data / "kontord.log"
        self.process = None

    def spawn(self, *more, **environment):
        """Start without waiting."""
        command = [str(KONTORD), "--data", str(self.data), "--listen", "127.0.0.1:0",
                   "--plugins", str(self.plugins), *more]
        environment = {"KONTOR_TEST_NOW": TODAY, **os.environ, **environment}
        with open(self.log_path, "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment,
                                            preexec_fn=die_with_parent)

    def start(self, *more, **environment):
        self.spawn(*more, **environment)
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"kontord ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"kontord does not answer:\n{self.log()}")
            time.sleep(0.01)
        return self

    def answers(self):
        try:
            wire = Wire(self.socket)
        except OSError:
            return False
        try:
            return "version" in wire.call("system.ping", {})
        finally:
            wire.close()

    def log(self):
        """What this start of the server wrote."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode("utf-8", "replace")

    def port(self):
        ports = [int(port) for port in ADDRESS.findall(self.log()) if int(port)]
        if not ports:
            raise RuntimeError(f"the log names no port:\n{self.log()}")
        return ports[-1]

    def password(self):
        return (self.data / "admin-password").read_text(encoding="utf-8").strip()

    def connect(self, user="admin", password=None, tcp=False):
        """A client, logged in unless `user` is None."""
        session = tcp_session("127.0.0.1", self.port()) if tcp else socket_session(
            str(self.socket))
        client = Client(session)
        if user:
            client.login(user, password or self.password())
        return client

    def kontor(self, *words, **more):
        """The command `kontor` on this server's data folder, in English."""
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("KONTOR_", "LC_", "LANG"))}
        return subprocess.run([str(KONTOR), "--data", str(self.data), *words], text=True,
                              capture_output=True, env=environment, timeout=TEST_WITHIN_S, **more)

    def kill(self):
        """As the power does."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        """SIGTERM, and a clean end: nothing in the log of any sanitizer, exit code 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise RuntimeError(f"kontord did not stop:\n{self.log()}") from None
        finally:
            self.process = None
        if code != 0 or SANITIZER.search(self.log()):
            raise RuntimeError(f"kontord ended with {code}:\n{self.log()}")

    def close(self):
        """Stop if it runs, and remove a data folder of our own."""
        try:
            if self.process:
                self.stop()
        finally:
            if self.owned:
                shutil.rmtree(self.data, ignore_errors=True)


def bad_disk(control):
    """For a server's environment: its disk does what the file `control` says (bad_disk.c)."""
    # The library comes before the sanitizer's, which it does not mind.
    return {"LD_PRELOAD": str(BUILD / "tests" / "bad_disk.so"), "KONTOR_BAD_DISK": str(control),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}


def load_demo(admin):
    """The demo company, as scripts/demo/play sets it up: master data, opening stock and opening
    balances (posted), business rules."""
    admin.import_csv("products.category", DEMO / "categories.csv", "code")
    admin.import_csv("products.product", DEMO / "products.csv", "code")
    admin.import_csv("parties.party", DEMO / "parties.csv", "number")
    admin.import_csv("customers.customer", DEMO / "customers.csv", "party")
    if is_enabled(admin, "inventory"):
        admin.import_csv("inventory.move", DEMO / "opening_stock.csv")
    if is_enabled(admin, "finance"):
        admin.import_csv("finance.account", DEMO / "accounts.csv", "code")
        admin.import_csv("finance.entry", DEMO / "opening_balances.csv")
        admin.call("finance.entry.post",
                   id=admin.find("finance.entry", "reference", "Opening balances")["id"])
    admin.push_rules(RULES)


def is_enabled(admin, name):
    return any(module["enabled"] for module in admin.call("module.list")["modules"]
               if module["name"] == name)


def is_closed(wire):
    """Has the server closed this connection? Waits until it has, at most READY_WITHIN_S."""
    readable, _, _ = select.select([wire.socket], [], [], READY_WITHIN_S)
    return bool(readable) and wire.receive() is None


class KontorCase(unittest.TestCase):
    """A test with one server for all its methods; MODULES are enabled, USERS exist."""

    MODULES = ALL_MODULES
    USERS = {}
    ANY = object()  # A field that `refused` does not look at.
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        faulthandler.dump_traceback_later(TEST_WITHIN_S, exit=True)
        cls.server = Server()
        cls.addClassCleanup(faulthandler.cancel_dump_traceback_later)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()
        cls.admin = cls.server.connect()
        cls.addClassCleanup(cls.admin.close)
        for module in cls.MODULES:
            cls.admin.call("module.enable", name=module)
        for user, roles in cls.USERS.items():
            cls.admin.call("system.user.add", name=user, full_name=user.title(), roles=roles,
                           password=f"{user}-long-password")
            client = cls.server.connect(user, f"{user}-long-password")
            cls.addClassCleanup(client.close)
            setattr(cls, user, client)

    @contextlib.contextmanager
    def refused(self, code, field=None, rule=None):
        """What happens inside is refused with that code, naming that field or rule."""
        with self.assertRaises(KontorError) as caught:
            yield caught
        error = caught.exception
        self.assertEqual((code, rule), (error.code, error.rule), error)
        if field is not self.ANY:
            self.assertEqual(field, error.field, error)
        self.assertTrue(error.message and error.message_zh, error)
        self.assertRegex(error.message_zh, "[\u4e00-\u9fff]")

    def assert_fields(self, record, **expected):
        self.assertEqual(expected, {name: record.get(name) for name in expected})


def main():
    # pynvim leaves closing its transports to the end of the program.
    unittest.main(verbosity=2, warnings="ignore")
