#!/usr/bin/python3
"""The server as an administrator and as a hostile client meet it: starting, refusing to start,
stopping, logging, and what it does with frames that no decent client sends.
"""
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import time

import msgpack

from kontor_test import (BUILD, KONTORD, PLUGINS, KontorCase, KontorError, Server, Wire, is_closed,
                         main)

SANITIZED = BUILD.name in ("asan", "tsan")
LOG_LINE = re.compile(r"(<\d>)?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z "
                      r"(error|warn|info|debug) \S", re.IGNORECASE)
MESSAGE_LIMIT = 4 << 20  # KT_LIMIT_MESSAGE_BYTES
MESSAGE_DEPTH = 32  # KT_LIMIT_MESSAGE_DEPTH


class Life(KontorCase):
    """Each test starts and stops servers of its own."""

    MODULES = ()

    def fresh(self):
        server = Server()
        self.addCleanup(server.close)
        return server

    def test_starts_within_a_second(self):
        server = self.fresh()
        began = time.monotonic()
        server.start()
        took = time.monotonic() - began
        self.assertLess(took, 20 if SANITIZED else 1)

    def test_administrators_password_is_shown_once_and_private(self):
        server = self.fresh().start()
        password = server.password()
        self.assertGreaterEqual(len(password), 12)
        mode = os.stat(server.data / "admin-password").st_mode
        self.assertEqual(0o600, stat.S_IMODE(mode))
        self.assertEqual(1, server.log().count(password))
        server.connect().close()

        server.stop()
        server.start()
        self.assertEqual(password, server.password())
        self.assertNotIn(password, server.log())
        server.connect().close()

    def test_socket_is_private(self):
        mode = os.stat(self.server.socket).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(0o600, stat.S_IMODE(mode))

    def test_second_server_on_the_same_data_is_refused(self):
        server = self.fresh().start()
        second = subprocess.run(
            [KONTORD, "--data", server.data, "--listen", "127.0.0.1:0", "--plugins", PLUGINS,
             "--socket", server.data / "second.sock"],
            capture_output=True, text=True, timeout=60)
        self.assertNotEqual(0, second.returncode)
        self.assertIn(str(server.data), second.stderr)
        self.assertRegex(second.stderr, r"another|already|in use")
        self.assertFalse((server.data / "second.sock").exists())
        # The first one did not notice.
        client = server.connect()
        self.assertIn("version", client.call("system.ping"))
        client.close()

    def test_starts_again_after_the_power_went(self):
        # Given a server that never removed its socket file,
        server = self.fresh().start()
        server.kill()
        self.assertTrue(server.socket.exists())
        # when it is started again, then it takes the stale file's place.
        server.start()
        server.connect().close()

    def test_sigterm_answers_what_is_in_flight(self):
        # Given fifty writes sent at once,
        server = self.fresh().start()
        admin = server.connect()
        admin.call("module.enable", name="parties")
        admin.close()
        wire = Wire(server.socket)
        wire.call("auth.login", {"user": "admin", "password": server.password()})
        for number in range(50):
            wire.request(number, "record.create", {
                "entity": "parties.party",
                "values": {"kind": "company", "name": f"Company {number}"}})
        # when the server is told to stop,
        server.process.send_signal(signal.SIGTERM)
        # then each that it read is answered, as made or as refused, before the line goes down,
        made, refused = 0, 0
        while (reply := wire.receive()) is not None:
            _, _, error, _ = reply
            if error:
                self.assertEqual("busy", error["code"])
                refused += 1
            else:
                made += 1
        wire.close()
        server.stop()
        self.assertFalse(server.socket.exists())
        # and what was answered is there.
        server.start()
        admin = server.connect()
        there = admin.count("parties.party")
        admin.close()
        self.assertEqual(made, there)
        self.assertLessEqual(made + refused, 50)

    def test_command_line(self):
        def run(*arguments):
            return subprocess.run([KONTORD, *arguments], capture_output=True, text=True,
                                  timeout=60)

        help_page = run("--help")
        self.assertEqual(0, help_page.returncode)
        for option in ("--data", "--listen", "--socket", "--plugins"):
            self.assertIn(option, help_page.stdout)
        for wrong in (["--no-such-option"], [], ["--data"]):
            with self.subTest(wrong):
                refused = run(*wrong)
                self.assertNotEqual(0, refused.returncode)
                self.assertTrue(refused.stderr)
                self.assertFalse(refused.stdout)

    def test_taken_port_is_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            server = self.fresh()
            server.spawn("--listen", "127.0.0.1:%d" % taken.getsockname()[1])
            self.assertNotEqual(0, server.process.wait(60))
            server.process = None
            self.assertIn("127.0.0.1", server.log())

    def test_log_has_one_line_per_event(self):
        server = self.fresh().start()
        wire = Wire(server.socket)
        # A name that would forge a line if it were logged as it is.
        wire.request(1, "auth.login", {"user": "x\n2026-01-01T00:00:00Z info forged",
                                       "password": "y"})
        wire.receive()
        wire.close()
        server.stop()
        lines = server.log().splitlines()
        self.assertTrue(lines)
        for line in lines:
            self.assertRegex(line, LOG_LINE)
            self.assertNotRegex(line, r"^\S+ info forged")


class Frames(KontorCase):
    """One server for all of them: whatever they send, it serves the next client."""

    MODULES = ("parties",)

    def setUp(self):
        self.wire = Wire(self.server.socket)
        self.addCleanup(self.wire.close)

    def tearDown(self):
        self.assertIsNone(self.server.process.poll(), self.server.log())
        self.assertIn("version", self.admin.call("system.ping"))

    def login(self):
        self.wire.call("auth.login", {"user": "admin", "password": self.server.password()})

    def test_thousand_requests_in_one_breath(self):
        self.login()
        self.wire.send(b"".join(
            msgpack.packb([0, number, *((["system.ping", [{}]]) if number % 2 else (
                ["record.count", [{"entity": "parties.party"}]]))]) for number in range(1000)))
        answered = {}
        while len(answered) < 1000:
            kind, msgid, error, result = self.wire.receive()
            self.assertEqual((1, None), (kind, error))
            self.assertNotIn(msgid, answered)
            answered[msgid] = result
        self.assertEqual(set(range(1000)), set(answered))
        self.assertTrue(all("version" in answered[number] for number in range(1, 1000, 2)))

    def test_writes_of_one_connection_keep_their_order(self):
        self.login()
        for number in range(20):
            self.wire.request(number, "record.create", {
                "entity": "parties.party", "values": {"kind": "person", "name": f"P{number}"}})
        ids = {}
        for _ in range(20):
            _, msgid, error, result = self.wire.receive()
            self.assertIsNone(error)
            ids[msgid] = result["id"]
        self.assertEqual(sorted(ids.values()), [ids[number] for number in range(20)])

    def assert_cut_off(self, code):
        """Told why if there was a message to answer, and the connection is closed."""
        message = self.wire.receive()
        if message is not None:
            self.assertEqual(code, message[2]["code"], message)
            self.assertTrue(is_closed(self.wire))

    def send_until_refused(self, raw):
        """The server may hang up before it read all of it."""
        try:
            self.wire.send(raw)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def test_too_large_message(self):
        self.send_until_refused(msgpack.packb(
            [0, 1, "record.create", [{"text": "x" * (MESSAGE_LIMIT + 1)}]]))
        self.assert_cut_off("too_large")

    def test_declared_size_is_not_believed(self):
        # An array of four billion elements, announced in five bytes.
        self.send_until_refused(b"\x94\x00\x01\xa4ping" + b"\xdd" + struct.pack(">I", 0xffffffff))
        self.send_until_refused(b"\xc0" * (MESSAGE_LIMIT + 1))
        self.assert_cut_off("too_large")

    def test_too_deep_message(self):
        self.send_until_refused(b"\x94\x00\x01\xabsystem.ping" + b"\x91" * (MESSAGE_DEPTH * 4) +
                                b"\xc0")
        message = self.wire.receive()
        if message is not None:
            self.assertIn(message[2]["code"], ("too_large", "invalid"))

    def test_garbage(self):
        for garbage in (b"\xc1", b"GET / HTTP/1.1\r\nHost: kontor\r\n\r\n", b"\x00" * 64,
                        b"\xff\xfe\xfd" * 100, os.urandom(4096)):
            with self.subTest(garbage[:16]):
                wire = Wire(self.server.socket)
                try:
                    wire.send(garbage)
                    wire.socket.shutdown(socket.SHUT_WR)
                    while wire.receive() is not None:
                        pass
                except (BrokenPipeError, ConnectionResetError, msgpack.UnpackException,
                        ValueError):
                    pass
                wire.close()
                self.assertIn("version", self.admin.call("system.ping"))

    def test_messages_that_are_no_requests(self):
        for message in ([], [0], [7, 1, "system.ping", [{}]], [0, "one", "system.ping", [{}]],
                        [0, 1, 2, [{}]], {"method": "system.ping"}, 42):
            with self.subTest(message):
                wire = Wire(self.server.socket)
                wire.send(msgpack.packb(message))
                reply = wire.receive()
                if reply is not None:
                    self.assertEqual("invalid", reply[2]["code"])
                wire.close()

    def test_notification_is_not_answered(self):
        # As pynvim itself greets: an unknown method, its name as binary, several parameters.
        self.wire.send(msgpack.packb([2, b"nvim_set_client_info", ["a", {}, "remote", {}, {}]]))
        self.wire.request(9, "system.ping", {})
        self.assertEqual([1, 9, None], self.wire.receive()[:3])

    def test_half_a_frame_holds_up_nobody(self):
        # Given a client that sends the first half of a request,
        frame = msgpack.packb([0, 5, "system.ping", [{}]])
        self.wire.send(frame[:len(frame) // 2])
        # when others work meanwhile,
        for _ in range(10):
            self.assertIn("version", self.admin.call("system.ping"))
        # and it sends the rest byte by byte, then it gets its answer.
        for byte in frame[len(frame) // 2:]:
            self.wire.send(bytes([byte]))
        self.assertEqual([1, 5, None], self.wire.receive()[:3])

    def test_client_that_leaves_without_reading(self):
        self.login()
        for number in range(200):
            self.wire.request(number, "record.search", {"entity": "parties.party"})
        self.wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.close()

    def test_everything_but_ping_and_auth_needs_a_login(self):
        self.wire.call("system.ping", {})
        for method in ("system.describe", "system.stats", "module.list", "record.get",
                       "record.create", "event.read", "rules.list", "no.such.method"):
            with self.subTest(method), self.assertRaises(KontorError) as caught:
                self.wire.call(method, {})
            self.assertEqual("unauthenticated", caught.exception.code)

    def test_wrong_password(self):
        with self.assertRaises(KontorError) as caught:
            self.wire.call("auth.login", {"user": "admin", "password": "wrong"})
        self.assertEqual("unauthenticated", caught.exception.code)
        with self.assertRaises(KontorError) as also:
            self.wire.call("auth.login", {"user": "nobody", "password": "wrong"})
        # Nobody learns from the answer which of the two was wrong.
        self.assertEqual(caught.exception.message, also.exception.message)


if __name__ == "__main__":
    main()
