"""Goal: modules come and go and rules change while everybody works on: no request is refused or
left without an answer, reads do not wait for the change, and each write runs under the old rules or
the new ones, never between.

Method: two wires read and two write without a pause, in threads, while the administrator enables
and disables a module and pushes rules that stamp what is written.
"""
import pathlib
import tempfile
import threading
import time

from kontor_test import KontorCase, KontorError, Server, Wire, bad_disk, main

SWAPS = 12
RULE = """
rule{ on = "parties.party.before_save", name = "stamp", check = function(party)
    party.legal_name = "stamp %d"
    party.region = "stamp %d"
end }
"""


class Worker(threading.Thread):
    """Sends one request after the other until told to stop."""

    def __init__(self, server, make):
        super().__init__(daemon=True)
        self.wire = Wire(server.socket)
        self.wire.call("auth.login", {"user": "admin", "password": server.password()})
        self.make = make
        self.answers, self.refusals, self.sent = [], [], 0
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            self.sent += 1
            self.wire.request(self.sent, *self.make(self.sent))
            _, msgid, error, result = self.wire.receive()
            assert msgid == self.sent
            if error:
                self.refusals.append(error)
            else:
                self.answers.append(result)

    def finish(self):
        self.over.set()
        self.join(60)
        self.wire.close()


class Swap(KontorCase):
    MODULES = ("parties", "products", "customers")

    def test_nobody_notices(self):
        first = self.admin.create("parties.party", kind="company", name="First")["id"]
        readers = [Worker(self.server, lambda n: ("record.get", {"entity": "parties.party",
                                                                 "id": first}))
                   for _ in range(2)]
        writers = [Worker(self.server, lambda n, w=w: ("record.create", {
            "entity": "parties.party", "values": {"kind": "company", "name": f"W{w} {n}"}}))
                   for w in range(2)]
        workers = readers + writers
        for worker in workers:
            self.addCleanup(worker.finish)
            worker.start()

        meanwhile = 0
        for swap in range(SWAPS):
            before = sum(len(reader.answers) for reader in readers)
            self.admin.call("rules.push", files={"stamp.lua": RULE % (swap, swap)})
            self.admin.call("module.enable", name="sales")
            self.assertEqual(0, self.admin.count("sales.order"))
            self.admin.call("module.disable", name="sales")
            meanwhile += sum(len(reader.answers) for reader in readers) - before
        for worker in workers:
            worker.finish()

        for worker in workers:
            self.assertEqual([], worker.refusals)
            self.assertEqual(worker.sent, len(worker.answers))
        self.assertGreater(meanwhile, SWAPS, "readers waited for the changes")
        stamps = set()
        for writer in writers:
            for party in writer.answers:
                self.assertEqual(party.get("legal_name"), party.get("region"), party)
                stamps.add(party.get("legal_name"))
        last = self.admin.create("parties.party", kind="company", name="Last")
        self.assertEqual(f"stamp {SWAPS - 1}", last["legal_name"])
        self.assertGreater(len(stamps), 2, "hardly anything was written between the changes")
        self.assertEqual(0, self.admin.call("system.check")["count"])


class BadDisk(KontorCase):
    """The disk is tests/scenario/bad_disk.c, preloaded into a server of each test's own."""

    MODULES = ()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.disk = pathlib.Path(folder.name) / "disk"
        self.own = Server()
        self.addCleanup(self.own.close)
        self.own.start(**bad_disk(self.disk))
        self.client = self.own.connect()
        self.client.call("module.enable", name="parties")
        self.party = self.client.create("parties.party", kind="company", name="First")["id"]

    def test_a_slow_commit_of_modules_holds_up_no_read(self):
        reader = Worker(self.own, lambda n: ("record.get", {"entity": "parties.party",
                                                            "id": self.party}))
        self.addCleanup(reader.finish)
        self.disk.write_text("slow", encoding="utf-8")
        reader.start()
        self.client.call("module.enable", name="products")
        self.assertGreater(len(reader.answers), 100, "reads waited for the disk")
        self.disk.write_text("well", encoding="utf-8")
        reader.finish()
        self.assertEqual([], reader.refusals)
        self.assertEqual(0, self.client.count("products.product"))

    def test_modules_that_changed_in_a_commit_of_unknown_outcome(self):
        self.disk.write_text("dying", encoding="utf-8")
        with self.refused("internal"):
            self.client.call("module.enable", name="products")
        self.disk.write_text("well", encoding="utf-8")
        with self.assertRaises((KontorError, OSError, EOFError)):
            for _ in range(100):  # Until the disk is tried again, and the data turn out to be new.
                try:
                    self.client.create("parties.party", kind="company", name="Second")
                except KontorError as error:
                    if error.code != "busy":
                        raise
                time.sleep(0.1)
        self.assertEqual(1, self.own.process.wait(60))
        self.own.process = None
        self.assertIn("start it again", self.own.log())
        self.own.start()
        client = self.own.connect()
        self.assertEqual(0, client.count("products.product"))
        self.assertEqual(0, client.call("system.check")["count"])


if __name__ == "__main__":
    main()
