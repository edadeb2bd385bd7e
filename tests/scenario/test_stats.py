#!/usr/bin/python3
"""system.stats and system.metrics: what was asked is counted, each request once under its method
and outcome, and both tell the same. Differences between two looks are compared, exactly: nobody
else speaks to the server.
"""
import collections
import contextlib
import json
import re
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import exposition
from kontor_test import KONTORD, READY_WITHIN_S, KontorCase, KontorError, Server, Wire, main

RULE = """\
rule{ on = "parties.party.before_create", name = "house.name", check = function(party)
    if party.name == "break" then error("broken on purpose") end
    if party.name == "deny" then kontor.deny("not this name", { message_zh = "不可用此名" }) end
end }
"""


def outcomes(stats):
    """How often each method came to each outcome."""
    return collections.Counter({(row["method"], outcome): count for row in stats["methods"]
                                for outcome, count in row["outcomes"].items()})


class Stats(KontorCase):
    MODULES = ("parties",)
    USERS = {"anna": ["parties.reader"]}

    def stats(self):
        return self.admin.call("system.stats")

    def metrics(self):
        return exposition.read(self.admin.call("system.metrics")["text"])

    def attempt(self, client, method, **params):
        try:
            client.call(method, **params)
        except KontorError:
            pass

    def once(self, holds):
        """The statistics as soon as that holds: what other tests hung up takes a moment to go."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not holds(stats := self.stats()):
            self.assertLess(time.monotonic(), deadline, stats)
        return stats

    def since(self, before):
        """What was counted after `before`, but for looking."""
        counted = outcomes(self.stats()) - outcomes(before)
        del counted["system.stats", "ok"]
        return dict(counted)

    def test_every_request_is_counted_once(self):
        party = self.admin.create("parties.party", kind="company", name="Alster KG")["id"]
        before = self.stats()
        for _ in range(3):
            self.anna.get("parties.party", party)
        self.attempt(self.anna, "record.get", entity="parties.party", id=10 ** 9)
        self.attempt(self.anna, "record.get", entity="parties.party")
        for _ in range(2):
            self.attempt(self.anna, "record.create", entity="parties.party",
                         values={"kind": "company", "name": "Forbidden"})
        self.attempt(self.admin, "record.create", entity="parties.party",
                     values={"kind": "company", "name": "Alster KG", "colour": "red"})
        self.admin.create("parties.party", kind="company", name="Bille KG")
        self.attempt(self.anna, "system.stats")
        for number in range(4):
            self.attempt(self.anna, f"no.such.method{number}")
        stranger = self.server.connect(user=None)
        self.attempt(stranger, "record.get", entity="parties.party", id=party)
        self.attempt(stranger, "no.such.method")
        stranger.close()
        self.assertEqual({("record.get", "ok"): 3,
                          ("record.get", "not_found"): 1,
                          ("record.get", "invalid"): 1,
                          ("record.get", "unauthenticated"): 1,
                          ("record.create", "denied"): 2,
                          ("record.create", "invalid"): 1,
                          ("record.create", "ok"): 1,
                          ("system.stats", "denied"): 1,
                          ("unknown", "not_found"): 4,
                          ("unknown", "unauthenticated"): 1}, self.since(before))

    def test_sums_agree(self):
        """A method's outcomes, its latencies, what ran: all count the same requests."""
        stats = self.stats()
        for row in stats["methods"]:
            counts = {row["count"], sum(row["outcomes"].values()), row["latency_us"]["count"],
                      row["run_us"]["count"]}
            self.assertEqual(1, len(counts), row)
            for time in (row["latency_us"], row["run_us"]):
                quantiles = [time[name] for name in ("p50", "p90", "p99", "p999", "max")]
                self.assertEqual(sorted(quantiles), quantiles)
                self.assertLessEqual(time["max"], time["sum"])
            self.assertLessEqual(row["run_us"]["sum"], row["latency_us"]["sum"])
        every = sum(row["count"] for row in stats["methods"])
        waited = stats["waited_us"]
        self.assertEqual(every, stats["reads"] + stats["writes"])
        self.assertEqual(every, sum(queue["count"] for queue in waited.values()))
        self.assertEqual(stats["writes"], waited["writes"]["count"])
        self.assertEqual(stats["refused"], sum(
            count for (_, outcome), count in outcomes(stats).items() if outcome != "ok"))

    def test_commits_and_batches(self):
        """Requests that were sent together share commits; each is in one of them."""
        before = self.stats()
        wire = self.server_wire()
        for number in range(40):
            wire.request(number, "record.create", {
                "entity": "parties.party", "values": {"kind": "person", "name": f"P{number}"}})
        for _ in range(40):
            self.assertIsNone(wire.receive()[2])
        after = self.stats()
        grown = {name: after["commit_requests"][name] - before["commit_requests"][name]
                 for name in ("count", "sum")}
        self.assertEqual(40, grown["sum"])
        self.assertEqual(40, after["writes"] - before["writes"])
        self.assertLessEqual(grown["count"], after["commits"] - before["commits"])
        self.assertEqual(after["commits"], after["commit_us"]["count"])
        self.assertLessEqual(after["commit_requests"]["max"], 40)
        self.assertEqual(0, after["commits_failed"])
        self.assertGreater(after["store_puts"], before["store_puts"])
        self.assertGreaterEqual(after["last_event"], before["last_event"] + 40)

    def server_wire(self):
        """A connection that may pipeline, logged in."""
        wire = Wire(self.server.socket)
        self.addCleanup(wire.close)
        wire.call("auth.login", {"user": "admin", "password": self.server.password()})
        return wire

    def test_rules(self):
        self.admin.call("rules.push", files={"house.lua": RULE})
        self.addCleanup(self.admin.call, "rules.remove", name="house.lua")
        before = self.stats()
        for name in ("fine", "fine", "deny", "break"):
            self.attempt(self.admin, "record.create", entity="parties.party",
                         values={"kind": "company", "name": name})
        after = self.stats()
        self.assertEqual(4, after["rules"] - before["rules"])
        self.assertEqual(1, after["rules_failed"] - before["rules_failed"])
        self.assertGreaterEqual(after["rule_us"], before["rule_us"])
        self.assertEqual({("record.create", "ok"): 2, ("record.create", "rule_denied"): 1,
                          ("record.create", "rule_failed"): 1}, self.since(before))
        # Steps are told to a few hundred; a loop of 200 000 rounds has at least one each.
        self.admin.call("rules.push", files={"house.lua": RULE.replace(
            "if", "for i = 1, 200000 do end\nif", 1)})
        self.admin.create("parties.party", kind="company", name="Counting KG")
        self.assertGreaterEqual(self.stats()["rule_steps"] - after["rule_steps"], 199000)

    def test_counts_survive_a_new_registry(self):
        self.addCleanup(self.admin.call, "rules.remove", name="empty.lua")
        before = self.stats()
        for _ in range(3):
            self.admin.call("module.list")
            self.admin.call("rules.push", files={"empty.lua": "-- nothing\n"})
        self.assertEqual({("module.list", "ok"): 3, ("rules.push", "ok"): 3}, self.since(before))

    def test_connections_and_bytes(self):
        before = self.once(lambda stats: stats["connections"] == 2)  # admin and anna
        clients = [self.server.connect(user=None) for _ in range(5)]
        for client in clients:
            client.call("system.ping")
        after = self.stats()
        self.assertEqual(5, after["connections"] - before["connections"])
        self.assertEqual(5, after["connections_accepted"] - before["connections_accepted"])
        # A ping is [0, msgid, "system.ping", [{}]]: 17 bytes with a short msgid.
        self.assertGreaterEqual(after["received_bytes"] - before["received_bytes"], 5 * 17)
        self.assertGreater(after["sent_bytes"], before["sent_bytes"])
        for client in clients:
            client.close()
        wire = self.server_wire()
        wire.send_message([0, 7, 8, []])  # A method is a text.
        self.assertEqual("invalid", wire.receive()[2]["code"])
        self.assertEqual(1, self.stats()["unheard"] - after["unheard"])
        wire.send(b"\xc1\xc1")
        while wire.receive():
            pass
        self.assertEqual(1, self.stats()["connections_dropped"] - after["connections_dropped"])

    def test_the_process_and_its_threads(self):
        stats = self.stats()
        self.assertGreater(stats["memory_bytes"], 1 << 20)
        self.assertGreater(stats["cpu_us"], 0)
        # The loop, the writer, the door; a sanitizer may have one more.
        self.assertIn(stats["threads"] - stats["readers"], (3, 4))
        self.assertTrue(0 < stats["open_files"] < stats["most_files"])
        self.assertEqual(1, stats["readers_busy"])  # The one that answers this.
        self.assertEqual(0, stats["queued_reads"] + stats["queued_writes"])

    def test_ten_thousand_names_make_nothing_grow(self):
        wire = self.server_wire()
        before = self.stats()
        for begin in range(0, 10000, 50):
            for number in range(begin, begin + 50):
                wire.request(number, f"made.up.number{number}", {})
            for _ in range(50):
                self.assertEqual("not_found", wire.receive()[2]["code"])
        self.assertEqual({("unknown", "not_found"): 10000}, self.since(before))
        names = {row["method"] for row in self.stats()["methods"]}
        self.assertEqual(set(), names - {row["method"] for row in before["methods"]} -
                         {"system.stats", "unknown"})

    def test_metrics_tell_the_same(self):
        stats, metrics = self.stats(), self.metrics()
        # The look itself is the one request in between.
        expected = outcomes(stats) + collections.Counter({("system.stats", "ok"): 1})
        told = {(dict(labels)["method"], dict(labels)["outcome"]): count for (_, labels), count
                in metrics["kontor_requests_total"].samples.items()}
        self.assertEqual(dict(expected), told)
        for row in stats["methods"]:
            method = row["method"]
            if method == "system.stats":
                continue
            latency, run = metrics["kontor_request_seconds"], metrics["kontor_request_run_seconds"]
            self.assertEqual(row["count"], latency.value("_count", method=method))
            self.assertEqual(row["latency_us"]["sum"],
                             round(latency.value("_sum", method=method) * 1e6))
            self.assertEqual(row["count"], run.value("_count", method=method))
            self.assertEqual(row["run_us"]["sum"], round(run.value("_sum", method=method) * 1e6))
        self.assertEqual(stats["commits"], metrics["kontor_commit_seconds"].value("_count"))
        self.assertEqual(stats["writes"], metrics["kontor_commit_requests"].value("_sum"))
        self.assertEqual(stats["last_event"], metrics["kontor_events_total"].value())
        for queue, waited in stats["waited_us"].items():
            more = 1 if queue == "reads" else 0
            self.assertEqual(waited["count"] + more, metrics["kontor_queue_wait_seconds"].value(
                "_count", queue=queue))
            self.assertEqual(0, metrics["kontor_queue_depth"].value(queue=queue))
        for key, name in (("jobs", "jobs_total"), ("rules", "rules_total"),
                          ("connections", "connections"), ("readers", "readers"),
                          ("store_entries", "store_entries"), ("store_puts", "store_puts_total"),
                          ("queue_limit", "queue_limit")):
            self.assertEqual(stats[key], metrics[f"kontor_{name}"].value(), key)
        self.assertEqual(1, metrics["kontor_info"].value(version=stats["version"]))
        self.assertAlmostEqual(stats["cpu_us"] / 1e6,
                               metrics["process_cpu_seconds_total"].value(), delta=5)

    def test_who_may_look(self):
        for method in ("system.stats", "system.metrics"):
            with self.refused("denied", field="system.stats"):
                self.anna.call(method)


class Command(KontorCase):
    """kontor stats."""

    MODULES = ("parties",)

    def stats(self, *words, code=0):
        done = self.server.kontor("stats", *words)
        self.assertEqual(code, done.returncode, done.stderr)
        return done.stdout

    def test_tables(self):
        for _ in range(2):
            self.admin.call("module.info", name="parties")
        with self.assertRaises(KontorError):
            self.admin.call("module.info", name="none")
        text = self.stats()
        # Method, requests, errors, then five times in milliseconds.
        self.assertRegex(text, r"(?m)^module\.info +3 +1( +\d+\.\d{3}){5}$")
        self.assertRegex(text, r"(?m)^running for +\d\d:\d\d:\d\d$")
        self.assertRegex(text, r"(?m)^memory +\d+\.\d MiB$")
        self.assertRegex(text, r"(?m)^commits take +[1-9]")
        self.assertRegex(self.stats("--lang", "zh"), r"(?m)^已运行 +\d\d:\d\d:\d\d$")

    def test_text_for_programs(self):
        families = exposition.read(self.stats("--prometheus"))
        self.assertEqual(1, families["kontor_requests_total"].value(
            method="module.enable", outcome="ok"))
        told = json.loads(self.stats("--json"))
        self.assertEqual(set(self.admin.call("system.stats")), set(told))
        self.stats("--json", "--prometheus", code=2)


class Endpoint(unittest.TestCase):
    """GET /metrics over HTTP, for a collector that has no login."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.server.start("--metrics", "127.0.0.1:0", "--message-seconds", "3")
        cls.port = int(re.search(r"metrics address=127\.0\.0\.1:(\d+)", cls.server.log()).group(1))

    def get(self, path="/metrics", **more):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", **more)
        with urllib.request.urlopen(request, timeout=READY_WITHIN_S) as answer:
            return answer.headers, answer.read().decode("utf-8")

    def connect(self):
        line = socket.create_connection(("127.0.0.1", self.port), READY_WITHIN_S)
        self.addCleanup(line.close)
        return line

    def everything(self, line):
        """Until the server hangs up."""
        parts = []
        with contextlib.suppress(ConnectionResetError):
            while some := line.recv(65536):
                parts.append(some)
        return b"".join(parts).decode("utf-8")

    def test_a_collector_gets_the_text(self):
        headers, text = self.get()
        self.assertEqual("text/plain; version=0.0.4; charset=utf-8", headers["Content-Type"])
        families = exposition.read(text)
        # How a server is asked whether it is up: kontor_test does, until it answers.
        self.assertGreaterEqual(families["kontor_requests_total"].value(
            method="system.ping", outcome="ok"), 1)
        client = self.server.connect()
        self.addCleanup(client.close)
        inside = exposition.read(client.call("system.metrics")["text"])
        self.assertEqual(inside.keys(), families.keys())
        # With a query, as some collectors send one. It does not count as a request.
        again = exposition.read(self.get("/metrics?name=x")[1])
        counts = sum(again["kontor_requests_total"].samples.values())
        self.assertEqual(sum(inside["kontor_requests_total"].samples.values()) + 1, counts)

    def test_there_is_nothing_else(self):
        for path, code in (("/", 404), ("/metricsx", 404), ("/metrics/x", 404)):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.get(path)
            self.assertEqual(code, caught.exception.code, path)
            caught.exception.close()
        for method in ("POST", "DELETE"):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.get(data=b"x" * 100000, method=method)
            self.assertEqual(405, caught.exception.code)
            caught.exception.close()

    def test_a_request_without_end_is_cut_off(self):
        line = self.connect()
        line.sendall(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 700)
        self.assertIn(" 431 ", self.everything(line))

    def test_who_is_slow_loses_the_line(self):
        """And takes nobody else's: the places of those that say nothing are free again."""
        silent = [self.connect() for _ in range(16)]
        silent[0].sendall(b"GET /metrics HTTP/1.1\r\n")
        for line in silent:
            self.assertEqual("", self.everything(line))
        self.get()

    def test_too_many_are_turned_away(self):
        """Sixteen say nothing: the seventeenth, who asks properly, has no place."""
        for _ in range(16):
            self.connect()
        line = self.connect()
        with contextlib.suppress(OSError):
            line.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        self.assertEqual("", self.everything(line))

    def test_address_is_this_machine_unless_allowed(self):
        for address, word in (("0.0.0.0:9000", "--allow-remote"), ("nonsense", "nonsense")):
            done = subprocess.run([str(KONTORD), "--data", "x", "--metrics", address],
                                  capture_output=True, text=True, timeout=READY_WITHIN_S,
                                  check=False)
            self.assertEqual(2, done.returncode)
            self.assertIn(word, done.stderr)


class Overload(unittest.TestCase):
    """A server whose queues hold one request."""

    def test_what_is_turned_away_is_counted_as_busy(self):
        server = Server()
        self.addCleanup(server.close)
        server.start("--queue", "1")
        admin = server.connect()
        self.addCleanup(admin.close)
        admin.call("module.enable", name="parties")
        wire = Wire(server.socket)
        self.addCleanup(wire.close)
        wire.call("auth.login", {"user": "admin", "password": server.password()})
        for number in range(200):
            wire.request(number, "record.create", {
                "entity": "parties.party", "values": {"kind": "person", "name": f"P{number}"}})
        codes = collections.Counter()
        for _ in range(200):
            error = wire.receive()[2]
            codes[error["code"] if error else "ok"] += 1
        self.assertEqual({"ok", "busy"}, set(codes))
        stats = admin.call("system.stats")
        create, = (row for row in stats["methods"] if row["method"] == "record.create")
        self.assertEqual(dict(codes), create["outcomes"])
        self.assertEqual(200, create["latency_us"]["count"])
        # What was turned away never ran, and is neither a read nor a write.
        self.assertEqual(codes["ok"], create["run_us"]["count"])
        self.assertEqual(codes["ok"] + 1, stats["writes"])  # And module.enable.
        self.assertEqual(codes["ok"], admin.call("record.count", entity="parties.party")["count"])


class Exposition(unittest.TestCase):
    """The reader itself refuses what it should."""

    def test_refuses(self):
        good = "# HELP a_total Some.\n# TYPE a_total counter\na_total{m=\"x\\\"\\n\"} 1\n"
        self.assertEqual(1, exposition.read(good)["a_total"].value(m='x"\n'))
        for bad in (good[:-1], good + good, good.replace("counter", "gauge"),
                    good.replace("# HELP a_total Some.\n", ""), good.replace(" 1", " x"),
                    good.replace('m="', 'm="a",m="'), good.replace("\\n", "\\t"), good + "\n",
                    good + 'a_total{m="x\\"\\n"} 2\n', good.replace(" 1", " -1"),
                    '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\n'
                    'h_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'):
            with self.assertRaises((ValueError, KeyError), msg=bad):
                exposition.read(bad)


if __name__ == "__main__":
    main()
