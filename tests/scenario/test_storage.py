#!/usr/bin/python3
"""The store of a running server grows, fills up, and meets disks that are full or fail. No
acknowledged write is ever lost, none that was refused is found, and no restart is needed.

The failing disk is tests/scenario/bad_disk.c, preloaded. Where the tests may mount, there are real
ones as well: a small tmpfs, and a file system that promises more than what it stands on has.
"""
import os
import pathlib
import subprocess
import tempfile
import threading
import time
import unittest

from kontor_test import KontorCase, KontorError, Server, Wire, bad_disk, main

WITHIN_S = 30
TEXT = "x" * 10000
WRITERS = 8
EACH = 100
CROWD_PUTS = 100  # As in bad_disk.c.


def write_file(path, text):
    """At once as a whole: the server may look at any time."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)


class Storage(KontorCase):
    MODULES = ()

    def start(self, *more, data=None, **environment):
        server = Server(data)
        self.addCleanup(server.close)
        server.start(*more, **environment)
        self.server_under_test = server
        self.client = server.connect()
        self.client.call("module.enable", name="products")
        return server

    def wire(self, server):
        wire = Wire(server.socket)
        self.addCleanup(wire.close)
        wire.call("auth.login", {"user": "admin", "password": server.password()})
        return wire

    def product(self, code):
        return {"entity": "products.product",
                "values": {"code": code, "name": code, "description": TEXT}}

    def create(self, code, **more):
        return self.client.call("record.create", self.product(code), **more)

    def create_when_it_works(self, code):
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                return self.create(code)
            except KontorError as error:
                if error.code != "busy" or time.monotonic() > deadline:
                    raise

    def create_until_refused(self, reason):
        created = []
        with self.refused("busy") as caught:
            for i in range(2000):
                self.create(f"P{i}")
                created.append(f"P{i}")
        self.assertIn(reason, caught.exception.message)
        self.assertEqual(self.codes(), set(created))
        return created

    def codes(self):
        return {product["code"] for product in self.client.all("products.product")}

    def assert_whole(self):
        self.assertEqual(self.client.call("system.check")["problems"], [])


class Growth(Storage):
    def test_it_grows_under_load_and_nobody_notices(self):
        # 1 MiB to begin with; 800 products that take 12 KiB each.
        server = self.start("--store-bytes", "1G")
        before = self.client.call("system.stats")["store_map_bytes"]
        failures, created, counts = [], [], []
        is_over = threading.Event()

        def write(writer):
            wire = self.wire(server)
            for i in range(EACH):
                code = f"{writer}-{i}"
                wire.call("record.create", self.product(code))
                created.append(code)

        def read():
            wire = self.wire(server)
            while not is_over.is_set():
                counts.append(wire.call("record.count", {"entity": "products.product"})["count"])

        def guarded(work, *words):
            try:
                work(*words)
            except Exception as failure:
                failures.append(failure)

        readers = [threading.Thread(target=guarded, args=(read,)) for _ in range(2)]
        writers = [threading.Thread(target=guarded, args=(write, i)) for i in range(WRITERS)]
        for thread in readers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        is_over.set()
        for thread in readers:
            thread.join()

        self.assertEqual(failures, [])
        self.assertEqual(len(created), WRITERS * EACH)
        self.assertEqual(self.codes(), set(created))
        self.assertTrue(counts)
        stats = self.client.call("system.stats")
        self.assertGreaterEqual(stats["store_map_bytes"], 8 * before)
        self.assertGreaterEqual(server.log().count("storage grew"), 3)
        self.assertNotIn(" error ", server.log())
        self.assert_whole()

    def test_at_the_limit_writes_are_refused_and_reads_go_on(self):
        server = self.start("--store-bytes", "16M", "--no-sync")
        created = self.create_until_refused("store-bytes")
        self.assertEqual(server.log().count("of its limit"), 1)
        self.assertGreater(self.client.call("system.stats")["store_used_bytes"], 0.8 * (16 << 20))

        server.stop()
        server.start("--store-bytes", "32M", "--no-sync")
        self.client = server.connect()
        self.create("more")
        self.assertEqual(self.codes(), {*created, "more"})
        self.assert_whole()


class FailingDisk(Storage):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.disk = pathlib.Path(self.folder.name) / "disk"
        self.preloaded = bad_disk(self.disk)
        self.start(**self.preloaded)

    def check_refusing(self, how, words):
        self.create("before")
        write_file(self.disk, how)
        for code in ("first", "second", "third"):
            with self.refused("busy") as caught:
                self.create(code)
            self.assertIn(words, caught.exception.message)
            self.assertEqual(self.codes(), {"before"})
        self.assertEqual(self.server_under_test.log().count("storage refuses writes"), 1)

        write_file(self.disk, "well")
        self.create_when_it_works("after")
        self.assertEqual(self.codes(), {"before", "after"})
        self.assertEqual(self.server_under_test.log().count("storage takes writes again"), 1)
        self.assert_whole()

    def test_a_full_disk_refuses_and_recovers(self):
        self.check_refusing("full", "is full")

    def test_a_failed_sync_is_never_taken_for_success(self):
        self.check_refusing("sync", "failed")

    def test_after_a_commit_of_unknown_outcome_the_request_id_tells(self):
        write_file(self.disk, "dying")
        with self.refused("internal") as caught:
            self.create("perhaps", request_id="once")
        self.assertIn("request_id", caught.exception.message)
        with self.refused("busy"):
            self.client.call("record.count", entity="products.product")
        write_file(self.disk, "well")
        self.create_when_it_works("after")
        self.create("perhaps", request_id="once")
        self.assertEqual(self.codes(), {"perhaps", "after"})
        self.assert_whole()

    def jobs(self):
        stats = self.client.call("system.stats")
        return stats["jobs"] - stats["jobs_failed"], stats["jobs_failed"]

    def start_jobless(self):
        """Jobs are due at the start, then once a second."""
        write_file(self.disk, "jobless")
        return self.start("--store-bytes", "64M", **self.preloaded)

    def test_a_job_that_cannot_be_noted_harms_no_request(self):
        server = self.start_jobless()
        deadline = time.monotonic() + WITHIN_S
        count = 0
        while self.jobs()[1] < 4 and time.monotonic() < deadline:
            for _ in range(100):  # Each of them may share a batch with the job.
                self.client.create("products.product", code=f"P{count}", name="P")
                count += 1
        done, failed = self.jobs()
        self.assertEqual(done, 0)
        self.assertGreaterEqual(failed, 4)
        self.assertIn("job core.forget", server.log())
        write_file(self.disk, "well")
        while self.jobs()[0] < 2 and time.monotonic() < deadline:
            pass
        self.assertEqual(self.jobs()[0], 2)
        self.assertEqual(self.client.count("products.product"), count)
        self.assert_whole()

    def test_a_job_gets_a_batch_where_requests_leave_no_room(self):
        server = self.start_jobless()
        wire = self.wire(server)
        write_file(self.disk, "crowded")
        deadline = time.monotonic() + WITHIN_S
        sent = 0

        def send():
            nonlocal sent
            wire.request(sent, "record.create", {
                "entity": "products.product", "values": {"code": f"P{sent}", "name": "P"}})
            sent += 1

        for _ in range(256):  # More than a batch takes always wait.
            send()
        while self.jobs()[0] < 2 and time.monotonic() < deadline:
            for _ in range(16):
                self.assertIsNone(wire.receive()[2])
                send()
        self.assertEqual(self.jobs()[0], 2)
        for _ in range(256):
            self.assertIsNone(wire.receive()[2])
        write_file(self.disk, "well")
        self.assertEqual(self.client.count("products.product"), sent)

    def test_what_is_too_much_for_a_batch_is_done_in_another(self):
        self.create("P")
        stats = self.client.call("system.stats")
        self.create("Q")  # The first of all puts more.
        puts = self.client.call("system.stats")["store_puts"] - stats["store_puts"]
        self.assertLess(puts, CROWD_PUTS / 2)
        write_file(self.disk, "crowded")
        wire = self.wire(self.server_under_test)
        for i in range(64):
            wire.request(i, "record.create", self.product(f"P{i}"))
        for _ in range(64):
            _, _, error, _ = wire.receive()
            self.assertIsNone(error)
        self.assertEqual(self.codes(), {"P", "Q", *(f"P{i}" for i in range(64))})
        stats = self.client.call("system.stats")
        self.assertLessEqual(stats["commit_requests"]["max"], CROWD_PUTS // puts)

        with self.refused("too_large") as caught:
            self.client.call("record.import", entity="products.product", columns=["code", "name"],
                             rows=[[f"I{i}", "imported"] for i in range(100)], skip_bad=True)
        self.assertIn("split", caught.exception.message)
        write_file(self.disk, "well")
        self.assertEqual(self.client.count("products.product"), 66)
        self.assert_whole()


class RealDisk(Storage):
    """Where the test may mount."""

    def run_or_skip(self, *command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as missing:
            self.skipTest(str(missing))
        if done.returncode != 0:
            self.skipTest(f"{command[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def mount(self, *options):
        folder = tempfile.mkdtemp(prefix="kontor-mount-")
        self.addCleanup(os.rmdir, folder)
        self.run_or_skip("mount", *options, folder)
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        return pathlib.Path(folder)

    def start_in(self, folder):
        data = folder / "data"
        data.mkdir()
        return self.start(data=data)

    def test_a_full_disk_refuses_and_recovers(self):
        disk = self.mount("-t", "tmpfs", "-o", "size=12m", "tmpfs")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(4 << 20))
        server = self.start_in(disk)
        created = self.create_until_refused("is full")

        server.stop()  # A full disk is no reason not to start.
        server.start()
        self.client = server.connect()
        self.assertEqual(self.codes(), set(created))
        with self.refused("busy"):
            self.create("too much")
        ballast.unlink()
        self.create_when_it_works("more")
        self.assertEqual(self.codes(), {*created, "more"})
        self.assert_whole()
        server.stop()

    def test_a_disk_that_promised_more_than_it_has_fails_at_the_sync(self):
        # The file system has room for 200 MB, what it stands on for a few: writes succeed, their
        # sync does not, and the kernel reports that once for each open file.
        below = self.mount("-t", "tmpfs", "-o", "size=16m", "tmpfs")
        image = below / "image"
        with image.open("wb") as file:
            file.truncate(200 << 20)
        self.run_or_skip("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "nodiscard", str(image))
        device = self.run_or_skip("losetup", "-f", "--show", str(image))
        self.addCleanup(subprocess.run, ["losetup", "-d", device], check=True)
        disk = self.mount("-o", "errors=continue", device)
        ballast = below / "ballast"
        ballast.write_bytes(bytes(6 << 20))
        server = self.start_in(disk)
        created = self.create_until_refused("is full")

        ballast.unlink()
        self.create_when_it_works("more")
        self.assertEqual(self.codes(), {*created, "more"})
        server.kill()
        server.start()
        self.client = server.connect()
        self.assertEqual(self.codes(), {*created, "more"})
        self.assert_whole()
        server.stop()


if __name__ == "__main__":
    main()
