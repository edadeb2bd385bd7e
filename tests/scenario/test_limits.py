"""Goal: whoever meets a limit gets the answer that core/rpc/README.md promises, and the others are
served meanwhile; nothing is half done, and what was accepted is answered exactly once.

Method: real servers with small limits, and bare sockets that send what they like and read when they
like.
"""
import contextlib
import pathlib
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import msgpack

from kontor_test import (BUILD, KONTORD, PLUGINS, READY_WITHIN_S, KontorError, Server, Wire,
                         is_closed, main)

SANITIZED = BUILD.name in ("asan", "tsan")


class Line(Wire):
    """A bare TCP connection, from an address of this machine."""

    def __init__(self, port, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=READY_WITHIN_S,
                                               source_address=(source, 0))
        self.unpacker = msgpack.Unpacker(max_buffer_size=1 << 30)


def text_of(size):
    return "x" * size


class LimitsCase(unittest.TestCase):
    def start(self, *options, data=None, modules=("parties",)):
        """A server with these limits, and an administrator's wire."""
        server = Server(data)
        self.addCleanup(server.close)
        server.start(*options)
        self.server = server
        self.admin = self.login()
        for module in modules:
            self.admin.call("module.enable", {"name": module})
        return server

    def wire(self):
        wire = Wire(self.server.socket)
        self.addCleanup(wire.close)
        return wire

    def login(self):
        wire = self.wire()
        wire.call("auth.login", {"user": "admin", "password": self.server.password()})
        return wire

    def line(self, source="127.0.0.1"):
        line = Line(self.server.port(), source)
        self.addCleanup(line.close)
        return line

    def refused(self, code, wire, method, params):
        with self.assertRaises(KontorError) as caught:
            wire.call(method, params)
        self.assertEqual(code, caught.exception.code, caught.exception.message)
        self.assertTrue(caught.exception.message and caught.exception.message_zh)
        return caught.exception

    def assert_served(self):
        """Somebody else reads and writes."""
        wire = self.login()
        wire.call("record.create", {"entity": "parties.party",
                                    "values": {"kind": "person", "name": "Somebody"}})
        self.assertIn("version", wire.call("system.ping", {}))
        wire.close()

    def count(self, name):
        return self.admin.call("record.count", {
            "entity": "parties.party", "where": [["name", "=", name]]})["count"]

    def eventually(self, holds, within_s=READY_WITHIN_S):
        deadline = time.monotonic() + within_s
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            select.select([], [], [], 0.01)


def create(name, **more):
    return {"entity": "parties.party", "values": {"kind": "company", "name": name, **more}}


class Settings(unittest.TestCase):
    def check(self, *options):
        return subprocess.run([KONTORD, "--data", "/nowhere", "--plugins", PLUGINS,
                               "--check-config", *options],
                              capture_output=True, text=True, timeout=60)

    def test_limits_come_from_the_command_line_and_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "kontord.conf")
            file.write_text("queue = 7\nmessage-bytes = 1M\nin-flight = 8\n", encoding="ascii")
            done = self.check("--config", str(file), "--in-flight", "9")
        self.assertEqual(0, done.returncode, done.stderr)
        settings = dict(line.split(" = ") for line in done.stdout.splitlines())
        self.assertEqual(("7", "1M", "9", "64M", "30000"), tuple(settings[name] for name in (
            "queue", "message-bytes", "in-flight", "unread-bytes", "request-ms")))

    def test_what_is_printed_is_what_is_read(self):
        printed = self.check("--queue", "3", "--reply-bytes", "100000").stdout
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "kontord.conf")
            file.write_text(printed, encoding="utf-8")
            done = subprocess.run([KONTORD, "--config", file, "--check-config"],
                                  capture_output=True, text=True, timeout=60)
        self.assertEqual(printed, done.stdout, done.stderr)

    def test_help_and_readme_tell_every_limit(self):
        usage = subprocess.run([KONTORD, "--help"], capture_output=True, text=True, timeout=60)
        readme = pathlib.Path(__file__).resolve().parents[2] / "core" / "rpc" / "README.md"
        readme = readme.read_text(encoding="utf-8")
        settings = [line.split(" = ")[0] for line in self.check().stdout.splitlines()]
        limits = settings[settings.index("connections"):]
        self.assertGreater(len(limits), 10)
        for limit in limits:
            with self.subTest(limit):
                self.assertIn(f"--{limit} ", usage.stdout)
                self.assertIn(f"`{limit}`", readme)

    def test_what_is_no_limit_is_refused(self):
        for wrong in (("--queue", "0"), ("--queue", "many"), ("--queue", "10M"), ("--queue", "-1"),
                      ("--message-bytes", "1T"), ("--message-bytes", "5"), ("--in-flight", ""),
                      ("--request-ms", "99999999999999999999"),
                      ("--reply-bytes", "2M", "--unread-bytes", "1M"),
                      ("--queue-bytes", "1M", "--message-bytes", "2M")):
            with self.subTest(wrong):
                done = self.check(*wrong)
                self.assertEqual(2, done.returncode)
                self.assertIn(wrong[0].strip("-"), done.stderr)


class Connections(LimitsCase):
    def test_too_many_connections(self):
        # Given all places but one taken,
        self.start("--connections", "20")
        wires = [self.wire() for _ in range(18)]
        last = self.login()
        # when one comes too many, then it is told so,
        extra = self.wire()
        self.assertEqual([1, 0, "busy"], [*(reply := extra.receive())[:2], reply[2]["code"]])
        self.assertTrue(is_closed(extra))
        # those who are there are served, and a place that is left is given again.
        self.assertIn("version", last.call("system.ping", {}))
        wires[0].close()

        def is_let_in():
            wire = self.wire()
            wire.request(1, "system.ping", {})
            return wire.receive()[2] is None
        self.eventually(is_let_in)

    def test_too_many_connections_of_one_address(self):
        self.start("--connections-local", "10")
        lines = [self.line("127.0.0.2") for _ in range(10)]
        for line in lines:
            self.assertIn("version", line.call("system.ping", {}))
        extra = self.line("127.0.0.2")
        self.assertEqual("busy", extra.receive()[2]["code"])
        self.assertTrue(is_closed(extra))
        self.assertIn("version", self.line("127.0.0.3").call("system.ping", {}))
        self.assert_served()

    def test_too_large_message(self):
        self.start("--message-bytes", "64K")
        wire = self.login()
        wire.request(7, "record.create", create(text_of(70000)))
        reply = wire.receive()
        self.assertEqual([7, "too_large"], [reply[1], reply[2]["code"]])
        self.assertIn("65536", reply[2]["message"])
        self.assertTrue(is_closed(wire))
        self.assert_served()

    def test_message_that_never_ends(self):
        self.start("--message-seconds", "1")
        wire = self.wire()
        wire.send(b"\x94\x00\x05\xa4ec")
        reply = wire.receive()
        self.assertEqual([5, "invalid"], [reply[1], reply[2]["code"]])
        self.assertTrue(is_closed(wire))
        self.assert_served()

    def test_many_at_once_wait_their_turn(self):
        self.start("--in-flight", "2")
        wire = self.login()
        for msgid in range(300):
            wire.request(msgid, "system.ping", {})
        replies = [wire.receive() for _ in range(300)]
        self.assertEqual(list(range(300)), sorted(reply[1] for reply in replies))
        self.assertFalse(any(reply[2] for reply in replies))


class SlowReaders(LimitsCase):
    """Each answer here has about 1 MB; the kernel's buffers hold a few hundred kB of it."""

    ASK = {"entity": "parties.party", "limit": 1000, "fields": ["name", "note"]}

    def fill(self):
        for _ in range(2):
            self.admin.call("record.batch", {"ops": [
                {"op": "create", **create(f"Party {i}", note=text_of(1800))} for i in range(500)]})

    def memory(self):
        text = pathlib.Path(f"/proc/{self.server.process.pid}/smaps_rollup").read_text("ascii")
        return next(int(line.split()[1]) * 1024 for line in text.splitlines()
                    if line.startswith("Private_Dirty:"))

    def ask_and_never_read(self, wire, times):
        """Until the server hangs up or takes no more; how many were sent."""
        wire.socket.setblocking(False)
        for sent in range(times):
            try:
                wire.request(sent, "record.search", self.ASK)
            except OSError:
                return sent
        return times

    def test_one_who_reads_nothing_is_paused_and_dropped(self):
        self.start("--unread-seconds", "1")
        self.fill()
        wire = self.login()
        self.ask_and_never_read(wire, 8)
        self.assert_served()
        self.eventually(lambda: "reads no replies" in self.server.log())

    def test_one_who_reads_too_little_is_dropped(self):
        self.start("--unread-bytes", "4M", "--reply-bytes", "4M", "--in-flight", "32",
                   "--unread-seconds", "1")
        self.fill()
        wire = self.login()
        self.ask_and_never_read(wire, 32)
        wire.socket.settimeout(READY_WITHIN_S)

        def is_dropped():
            with contextlib.suppress(ConnectionResetError):
                wire.socket.recv(16384)
            return "too many unread replies" in self.server.log()
        self.eventually(is_dropped)
        self.assert_served()

    def test_one_who_asks_for_much_at_once_and_reads_it_is_served(self):
        # Given 32 answers of about 1 MB each, where 4 MB may be unread,
        self.start("--unread-bytes", "4M", "--reply-bytes", "4M", "--in-flight", "32")
        self.fill()
        wire = self.login()
        wire.unpacker = msgpack.Unpacker(max_buffer_size=1 << 30)
        for msgid in range(32):
            wire.request(msgid, "record.search", self.ASK)
        # then all of them come.
        replies = [wire.receive() for _ in range(32)]
        self.assertEqual(list(range(32)), sorted(reply[1] for reply in replies))
        self.assertFalse(any(reply[2] for reply in replies))

    def test_many_who_read_nothing_fill_no_memory(self):
        # Given 30 who ask for about 4 MB each, where 16 MB may wait in all,
        self.start("--buffer-bytes", "16M", "--in-flight", "4")
        self.fill()
        before = self.memory()
        wires = [self.login() for _ in range(30)]
        for wire in wires:
            self.ask_and_never_read(wire, 4)
        # then some are dropped, the server holds little more than that, and serves others.
        self.eventually(lambda: "hold too much" in self.server.log())
        self.assert_served()
        stats = self.admin.call("system.stats", {})
        self.assertTrue(1 << 20 < stats["buffered_bytes"] <= 16 << 20, stats["buffered_bytes"])
        if not SANITIZED:
            self.assertLess(self.memory() - before, 48 << 20)
        # When they have gone, all is given back.
        for wire in wires:
            wire.close()
        self.eventually(lambda: not self.admin.call("system.stats", {})["buffered_bytes"])


class Requests(LimitsCase):
    def test_overload_is_busy_and_every_request_is_answered_once(self):
        # Given a server with a short queue, and 8 who send 500 writes each without waiting,
        self.start("--queue", "4")
        wires = [self.login() for _ in range(8)]
        for number in range(500):
            for who, wire in enumerate(wires):
                wire.request(number, "record.create", create(f"{who}-{number}"))
        # when all have their answers,
        made, busy = set(), set()
        for who, wire in enumerate(wires):
            seen = set()
            for _ in range(500):
                _, number, error, _ = wire.receive()
                self.assertNotIn(number, seen)
                seen.add(number)
                if error:
                    self.assertEqual("busy", error["code"])
                (busy if error else made).add(f"{who}-{number}")
            self.assertEqual(set(range(500)), seen)
        # then none was answered twice, and what was made is there once, what was busy is not.
        self.assertTrue(made and busy, (len(made), len(busy)))
        names, after = [], None
        while True:
            page = self.admin.call("record.search", {
                "entity": "parties.party", "limit": 1000, "fields": ["name"], "after": after})
            names += [record["name"] for record in page["records"]]
            after = page["next"]
            if after is None:
                break
        self.assertEqual(sorted(made), sorted(names))
        for wire in wires:
            ready, _, _ = select.select([wire.socket], [], [], 0)
            self.assertFalse(ready)

    def test_too_much_in_work_is_busy(self):
        # Given that 1 MiB may be in work, and writes of 200 kB each: 64 at a time, of 4 clients,
        self.start("--queue-bytes", "1M", "--message-bytes", "256K")
        answers = {"made": 0, "busy": 0}
        wires = [self.login() for _ in range(4)]
        for number in range(10):
            for wire in wires:
                wire.request(number, "record.batch", {"ops": [
                    {"op": "create", **create("Heavy", note=text_of(1900))} for _ in range(100)]})
        for wire in wires:
            for _ in range(10):
                error = wire.receive()[2]
                self.assertIn(error and error["code"], (None, "busy"))
                answers["busy" if error else "made"] += 1
        # then each is answered, and those that were made were made whole.
        self.assertEqual(100 * answers["made"], self.count("Heavy"))
        self.assertTrue(answers["made"] and answers["busy"], answers)
        self.assertLess(self.admin.call("system.stats", {})["working_bytes"], 100)
        self.assert_served()

    def test_request_that_takes_too_long(self):
        # Given that a request has 50 ms,
        self.start("--request-ms", "50")
        name = "Slow " + " ".join(f"word{i}" for i in range(50))
        ops = [{"op": "create", **create(name, note=text_of(1500))} for _ in range(1000)]
        # when a write needs more (1000 records with 50 words each), then it is refused,
        error = self.refused("too_large", self.admin, "record.batch", {"ops": ops})
        self.assertIn("longer than is allowed", error.message)
        # nothing of it is done, others go on, and a part of it is possible.
        self.assertEqual(0, self.count(name))
        self.assert_served()
        self.admin.call("record.batch", {"ops": ops[:5]})
        self.assertEqual(5, self.count(name))

    def test_answer_that_is_too_large(self):
        self.start("--reply-bytes", "64K")
        ops = [{"op": "create", **create("Wordy", note=text_of(1500))} for _ in range(40)]
        for _ in range(2):
            self.admin.call("record.batch", {"ops": ops})
        # A read, and a write that would tell what it did: neither is half sent, nothing is done.
        ask = {"entity": "parties.party", "where": [["name", "=", "Wordy"]]}
        self.refused("too_large", self.admin, "record.search", {**ask, "limit": 80})
        self.assertEqual(20, len(self.admin.call("record.search",
                                                 {**ask, "limit": 20})["records"]))
        self.refused("too_large", self.admin, "record.batch", {"ops": ops * 2})
        self.assertEqual(80, self.count("Wordy"))
        self.assert_served()

    def test_rules_that_work_too_much(self):
        # Given few steps and little memory for rules, and one that counts, and one that hoards,
        self.start("--rule-steps", "500000", "--rule-bytes", "4M")
        self.admin.call("rules.push", {"files": {"work.lua": """
            rule{ on = "parties.party.before_create", name = "counts", check = function(party)
              local last = party.name == "Long" and 1000000 or 1000
              for i = 1, last do end
            end }
            rule{ on = "parties.party.before_create", name = "hoards", check = function(party)
              local hoard = {}
              for i = 1, party.name == "Much" and 30 or 1 do
                hoard[i] = string.rep("x", 200000) .. i
              end
            end }"""}})
        # then what works too much is refused with its rule's name, and what does not is done.
        for name in ("Long", "Much"):
            with self.subTest(name):
                error = self.refused("rule_failed", self.admin, "record.create", create(name))
                self.assertTrue(error.rule)
        self.admin.call("record.create", create("Short"))
        self.assertEqual((0, 0, 1), tuple(map(self.count, ("Long", "Much", "Short"))))

    def test_wrong_passwords_cost_time(self):
        # Given two wrong ones that are free, and a third,
        self.start("--login-attempts", "2")
        guesser = self.line("127.0.0.2")
        wrong = {"user": "admin", "password": "a guess"}
        right = {"user": "admin", "password": self.server.password()}
        for _ in range(3):
            self.refused("unauthenticated", guesser, "auth.login", wrong)
        # then whoever is there must wait, whatever she knows, on every connection;
        error = self.refused("busy", guesser, "auth.login", wrong)
        self.assertEqual({"wait_seconds": 1}, error.details)
        self.refused("busy", self.line("127.0.0.2"), "auth.login", right)
        # elsewhere nobody notices, nor do others there,
        self.line("127.0.0.3").call("auth.login", right)
        self.refused("unauthenticated", guesser, "auth.login", {**wrong, "user": "nobody"})
        # and after a while she is let in.
        def is_let_in():
            try:
                return guesser.call("auth.login", right)["user"] == "admin"
            except KontorError as error:
                return error.code != "busy"
        self.eventually(is_let_in)
        self.assertEqual("admin", guesser.call("auth.login", right)["user"])


    def test_one_who_guesses_names_keeps_out_nobody_on_this_machine(self):
        # Given that ten wrong passwords are free for an address of elsewhere, when one guesses
        # for 14 names by the Unix socket, and by loopback, then she never waits, nor do others.
        self.start("--login-attempts", "1")
        for wire in (self.wire(), self.line()):
            for number in range(14):
                self.refused("unauthenticated", wire, "auth.login",
                             {"user": f"{wire.socket.family}-{number}", "password": "a guess"})
        right = {"user": "admin", "password": self.server.password()}
        self.wire().call("auth.login", right)
        self.line().call("auth.login", right)


class Promises(LimitsCase):
    def test_nobody_waits_for_the_passwords_of_others(self):
        # Given 20 passwords to be hashed, each on purpose slow,
        self.start()
        token = self.login().call("auth.login", {"user": "admin",
                                                 "password": self.server.password()})["token"]
        slow = [self.wire() for _ in range(20)]
        for number, wire in enumerate(slow):
            wire.request(1, "auth.login", {"user": f"user{number}", "password": "a guess"})
        # when somebody comes with a token, then she is served before they are done.
        wire = self.wire()
        self.assertEqual("admin", wire.call("auth.token", {"token": token})["user"])
        wire.call("record.create", create("Quick"))
        ready, _, _ = select.select([wire.socket for wire in slow], [], [], 0)
        self.assertLess(len(ready), 20)
        for wire in slow:
            self.assertEqual("unauthenticated", wire.receive()[2]["code"])

    def test_what_was_answered_can_be_read_elsewhere_at_once(self):
        # One writes and another, who has waited for the reply, reads: 3000 times, on 4 readers.
        self.start("--readers", "4", "--no-sync")
        reader = self.login()
        made = self.admin.call("record.create", create("0"))["id"]
        for number in range(1, 3001):
            self.admin.call("record.update", {"entity": "parties.party", "id": made,
                                              "values": {"name": str(number)}})
            read = reader.call("record.get", {"entity": "parties.party", "id": made})
            self.assertEqual(str(number), read["name"])

    def test_sigterm_loses_nothing_that_was_answered(self):
        # Given 8 clients that send writes without end,
        server = self.start()
        wires = [self.login() for _ in range(8)]
        for number in range(60):
            for who, wire in enumerate(wires):
                wire.request(number, "record.create", create(f"{who}-{number}"))
        # when the server is told to stop while it works on them,
        self.assertIsNone(wires[0].receive()[2])
        server.process.send_signal(signal.SIGTERM)
        self.eventually(lambda: not server.socket.exists())
        with self.assertRaises(OSError):
            Wire(server.socket)
        # then those that it read are answered, the lines go down, and it ends with 0.
        made = 1
        for wire in wires:
            while (reply := wire.receive()) is not None:
                self.assertIn(reply[2] and reply[2]["code"], (None, "busy"))
                made += not reply[2]
        server.stop()
        # What was answered is there, and nothing else.
        server.start()
        self.admin = self.login()
        there = self.admin.call("record.count", {"entity": "parties.party"})["count"]
        self.assertEqual(made, there)


if __name__ == "__main__":
    main()
