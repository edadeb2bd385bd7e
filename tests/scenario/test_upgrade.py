#!/usr/bin/python3
"""A module becomes another version of itself: its data go along, or nothing does.

The module is tests/scenario/club in several versions; which one a server finds is a matter of what
lies in its plugin folder.
"""
import pathlib
import shutil
import tempfile
import threading

from kontor_test import BUILD, PLUGINS, KontorCase, KontorError, Server, is_enabled, main

VARIANTS = BUILD / "tests" / "plugins"
# What a consultant added: two fields, and a rule that no migration asks.
SIZE = 'field{ entity = "club.member", name = "x_size", type = "int", indexed = true }\n'
NOTE = 'field{ entity = "club.member", name = "x_note", type = "text" }\n'
FREEZE = """
rule{
    on = "club.member.before_update",
    name = "house.freeze",
    check = function(member)
        kontor.deny("members are frozen")
    end,
}
"""
SPLIT = {"from": 1, "to": 2, "label": "Names in two fields", "label_zh": "姓名拆为两个字段",
         "looked": 4, "changed": 4}
# Four members, and the two towns that were made of them: the last step looks at all records.
TOWNS = {"from": 2, "to": 3, "label": "Towns become records", "label_zh": "城镇成为记录",
         "looked": 6, "changed": 6}


class Upgrade(KontorCase):
    MODULES = ()

    def setUp(self):
        self.plugins = pathlib.Path(tempfile.mkdtemp(prefix="kontor-plugins-"))
        self.addCleanup(shutil.rmtree, self.plugins)
        self.own = Server(plugins=self.plugins)
        self.addCleanup(self.own.close)
        self.client = None
        self.install("club_1")
        self.start()
        self.client.call("module.enable", name="club")
        self.ann, self.bo, self.cy, self.di = (
            self.client.create("club.member", **values)["id"] for values in (
                {"code": "A", "name": "Ann Mary Smith", "town": "Luebeck", "points": "12",
                 "fee": "10", "payments": [{"day": "2026-10-05", "sum": "10"},
                                           {"day": "2026-11-05", "sum": "5.50"}]},
                {"code": "B", "name": "Bo", "town": "Bremen", "points": "7", "fee": "20"},
                {"code": "A", "name": "Cy Dale", "town": "Luebeck", "fee": "5"},
                {"name": "Di Ott", "points": "3"}))
        self.client.call("club.member.leave", id=self.cy)
        self.client.call("record.archive", entity="club.member", id=self.di)

    def tearDown(self):
        self.close()

    def close(self):
        if self.client:
            self.client.close()
        self.client = None

    def install(self, variant):
        """As a package does: the new file beside the old one, and renamed over it."""
        folder = self.plugins / "club"
        folder.mkdir(exist_ok=True)
        shutil.copy(VARIANTS / variant / "club" / "club.so", folder / "new")
        (folder / "new").rename(folder / "club.so")

    def start(self):
        self.own.start()
        self.client = self.own.connect()

    def stop(self):
        self.close()
        self.own.stop()

    def refused_start(self):
        """The last line of a server that does not start."""
        self.own.spawn()
        self.assertNotEqual(0, self.own.process.wait(60))
        self.own.process = None
        return self.own.log().splitlines()[-1]

    def assert_sound(self):
        told = self.client.call("system.check")
        self.assertEqual([], told["problems"])

    def assert_as_before(self):
        """Schema 1, as it was left."""
        self.assertEqual(1, self.client.call("module.info", name="club")["schema"])
        self.assert_fields(self.client.get("club.member", self.ann), name="Ann Mary Smith",
                           town="Luebeck", points="12", version=1)
        self.assertEqual([(["Bremen"], "20.00"), (["Luebeck"], "15.00")],
                         [(row["by"], row["fee"]) for row in self.client.totals("club.fees")
                          if row["by"] != [None]])
        self.assertEqual(2, self.client.count("club.member", ("town", "=", "Luebeck")))
        self.assertEqual([], self.client.call("module.info", name="club")["upgrades"])
        self.assert_sound()

    def assert_upgraded(self):
        """Schema 3. Names are worked out by hand from what setUp stored."""
        ann, cy = (self.client.get("club.member", id) for id in (self.ann, self.cy))
        self.assert_fields(ann, code="A", first_name="Ann Mary", last_name="Smith",
                           sort_name="Smith, Ann Mary", points=12, fee="10.00", state="active",
                           version=3)
        self.assertEqual([{"id": 1, "amount": "10.00", "day": "2026-10-05"},
                          {"id": 2, "amount": "5.50", "day": "2026-11-05"}], ann["payments"])
        self.assertFalse({"name", "town", "place"} & set(ann))
        self.assert_fields(cy, code="A-3", last_name="Dale", state="former", home=ann["home"])
        self.assertNotIn("points", cy)
        self.assert_fields(self.client.get("club.member", self.di), archived=True,
                           last_name="Ott", points=3)
        # Found by what is new, and by what is of another type now.
        luebeck, bremen = (self.client.find("club.town", "name", name)["id"]
                           for name in ("Luebeck", "Bremen"))
        self.assertEqual(luebeck, ann["home"])
        self.assertEqual([self.ann, self.cy], [found["id"] for found in self.client.search(
            "club.member", ("home.name", "=", "Luebeck"))])
        self.assertEqual([self.bo, self.ann], [found["id"] for found in self.client.search(
            "club.member", ("points", ">", 5), order="points")])
        self.assertEqual([self.ann], [found["id"] for found in self.client.call(
            "record.search", entity="club.member", text="mary")["records"]])
        self.assertEqual({(luebeck,): "15.00", (bremen,): "20.00"}, {
            tuple(row["by"]): row["fee"] for row in self.client.totals("club.fees")
            if row["by"] != [None]})
        self.assertEqual([(["2026-10-01"], "10.00"), (["2026-11-01"], "5.50")],
                         [(row["by"], row["amount"]) for row in self.client.totals("club.paid")])
        self.assert_sound()

    def assert_report(self, report, user):
        self.assert_fields(report, **{"module": "club", "from": 1, "to": 3,
                                      "version_from": "1.9.0", "version": "1.10.0", "user": user})
        for wanted, step in zip((SPLIT, TOWNS), report["steps"], strict=True):
            self.assert_fields(step, **wanted)

    def test_at_start(self):
        before = self.client.new_events()[-1]["seq"]
        self.stop()
        self.install("club_3")
        self.start()
        self.assert_upgraded()
        info = self.client.call("module.info", name="club")
        self.assert_fields(info, name="club", version="1.10.0", schema=3, enabled=True)
        self.assertEqual(1, len(info["upgrades"]))
        self.assert_report(info["upgrades"][0], "system")
        listed = {row["name"]: row for row in self.client.call("module.list")["modules"]}
        self.assert_fields(listed["club"], version="1.10.0", schema=3, upgraded_by="system",
                           upgraded_at=info["upgrades"][0]["at"])
        self.assertRegex(self.own.log(), r"migrated module=club from=1 .*looked=4 changed=4")
        self.assertRegex(self.own.log(), r"upgraded module=club version_from=1.9.0 version=1.10.0")
        # The event carries the report, and is what the histories point to.
        upgraded = self.client.call("event.read", topics=["module.upgraded"])["events"]
        self.assertEqual(1, len(upgraded))
        self.assert_report(upgraded[0]["payload"], "system")
        told = self.client.call("record.history", entity="club.member", id=self.ann)["entries"]
        self.assertEqual(["create", "migrate", "migrate"], [entry["what"] for entry in told])
        self.assertEqual(["Ann Mary Smith", None], told[2]["changes"]["name"])
        self.assertEqual([None, "Smith"], told[1]["changes"]["last_name"])
        self.assertEqual(["12", 12], told[1]["changes"]["points"])
        # What was before the upgrade is still what it was, as far as the fields declared today can
        # hold it: points are numbers now.
        then = self.client.call("record.get", entity="club.member", id=self.ann, as_of=before)
        self.assert_fields(then, code="A", points=None, version=1)
        self.assertNotIn("last_name", then)
        for asked in ("record.search", "record.count"):
            self.client.call(asked, entity="club.member", as_of=before,
                             where=[["points", ">", 1], ["home.name", "=", "Luebeck"]])
        self.client.call("record.totals", total="club.paid", as_of=before)
        # Nothing is done twice.
        self.stop()
        self.start()
        self.assert_upgraded()
        self.assertEqual(info, self.client.call("module.info", name="club"))

    def test_while_the_server_runs(self):
        self.install("club_3")
        done = self.own.kontor("module", "upgrade", "club", "--dry-run")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertTrue(done.stdout.startswith("would be upgraded:\n"), done.stdout)
        self.assertRegex(done.stdout, r"(?m)^club +1\.9\.0 +1\.10\.0 +1 +3")
        self.assertRegex(done.stdout, r"(?m)^ *1 +2 +Names in two fields +4 +4")
        self.assert_as_before()
        report = self.client.call("module.upgrade", name="club", dry_run=True)["result"]
        self.assert_report(report["upgrades"][0], "admin")
        self.assert_as_before()
        done = self.own.kontor("module", "upgrade", "--lang", "zh")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertTrue(done.stdout.startswith("已升级：\n"), done.stdout)
        self.assertIn("姓名拆为两个字段", done.stdout)
        self.assert_upgraded()
        self.assert_report(self.client.call("module.info", name="club")["upgrades"][0], "admin")
        # The new code is in force: a new member is one of the new version.
        self.assertEqual("Ott, Eve", self.client.create(
            "club.member", first_name="Eve", last_name="Ott")["sort_name"])
        done = self.own.kontor("module", "upgrade", "club")
        self.assertEqual((0, "nothing to upgrade\n", ""),
                         (done.returncode, done.stdout, done.stderr))
        done = self.own.kontor("module", "info", "club")
        self.assertRegex(done.stdout, r"(?m)^schema: +3$")
        self.stop()
        self.start()
        self.assert_upgraded()

    def test_what_a_consultant_added_goes_along(self):
        self.client.call("rules.push", files={"house.lua": SIZE + NOTE})
        self.client.update("club.member", self.ann, x_size=5, x_note="tall")
        # The note falls asleep, with what it holds.
        self.client.call("rules.push", files={"house.lua": SIZE + FREEZE})
        self.install("club_3")
        self.client.call("module.upgrade")
        ann = self.client.get("club.member", self.ann)
        self.assert_fields(ann, last_name="Smith", x_size=5, version=4)
        self.assertNotIn("x_note", ann)
        self.assertEqual([ann], self.client.search("club.member", ("x_size", "=", 5)))
        with self.refused("rule_denied", rule="house.freeze"):
            self.client.update("club.member", self.ann, x_size=6)
        self.client.call("rules.push", files={"house.lua": SIZE + NOTE})
        self.assert_fields(self.client.get("club.member", self.ann), x_size=5, x_note="tall")
        self.assert_sound()

    def test_readers_see_the_one_or_the_other(self):
        """Old data under the old declarations, new data under the new: never a mixture."""
        reading, seen = threading.Semaphore(0), []

        def read():
            """Until the field is not there any more."""
            client = self.own.connect()
            try:
                while True:
                    found = client.search("club.member", ("name", "like", "Ann"))
                    seen.append([record.get("name") for record in found])
                    reading.release()
            except KontorError as error:
                seen.append((error.code, error.field))
            client.close()

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for _ in range(100):
            reading.acquire()
        self.install("club_3")
        self.client.call("module.upgrade")
        for reader in readers:
            reader.join()
        self.assertEqual(3, seen.count(("invalid", "name")))
        self.assertEqual(len(seen) - 3, seen.count(["Ann Mary Smith"]))
        self.assert_upgraded()

    def test_a_module_that_sleeps(self):
        self.client.call("module.disable", name="club")
        self.stop()
        self.install("club_3")
        self.start()
        self.assertEqual(3, self.client.call("module.info", name="club")["schema"])
        self.assertEqual([], self.client.call("module.enable", name="club")["upgrades"])
        self.assert_upgraded()

    def test_a_step_that_fails(self):
        self.install("club_3_fails")
        with self.refused("conflict", field="place") as caught:
            self.client.call("module.upgrade", name="club")
        self.assertEqual(
            "module club, migration 2 to 3, Towns become records: club.member 3: "
            "Luebeck is not on the map; nothing was changed", caught.exception.message)
        self.assertEqual(
            "模块 club，迁移 2 至 3，城镇成为记录：club.member 的记录 3：地图上没有 Luebeck；"
            "未做任何更改", caught.exception.message_zh)
        self.assert_as_before()
        self.stop()
        self.assertIn("migration 2 to 3, Towns become records: club.member 3: Luebeck is not",
                      self.refused_start())
        self.install("club_1")
        self.start()
        self.assert_as_before()

    def test_a_server_that_dies(self):
        self.stop()
        self.install("club_3_dies")
        self.own.spawn()
        self.assertEqual(-9, self.own.process.wait(60))
        self.own.process = None
        self.install("club_1")
        self.start()
        self.assert_as_before()
        self.stop()
        self.install("club_3")
        self.start()
        self.assert_upgraded()

    def test_no_way_back(self):
        self.stop()
        self.install("club_1_older")
        self.assertIn("the data of module club are of version 1.9.0, schema 1, and this plugin is "
                      "of version 1.8.3, schema 1: put the newer plugin back",
                      self.refused_start())
        self.install("club_3")
        self.start()
        self.install("club_1_newer")
        with self.refused("conflict", field="name") as caught:
            self.client.call("module.upgrade", name="club")
        self.assertIn("of version 1.10.0, schema 3, and this plugin is of version 1.10.1, schema 1",
                      caught.exception.message)
        self.assert_upgraded()
        # Asleep or not: its records would still be touched by what refers to them.
        self.client.call("module.disable", name="club")
        self.stop()
        self.assertIn("put the newer plugin back", self.refused_start())
        self.install("club_3")
        self.start()
        self.client.call("module.enable", name="club")
        self.assert_upgraded()

    def test_a_new_version_that_needs_another_module(self):
        self.install("club_3_needs")
        with self.refused("conflict", field="name") as caught:
            self.client.call("module.upgrade", name="club")
        self.assertIn("it requires a module that is missing", caught.exception.message)
        self.assert_as_before()
        shutil.copytree(PLUGINS / "parties", self.plugins / "parties")
        # Two modules in one transaction: what lies there is taken, what is required enabled.
        self.client.call("module.upgrade", dry_run=True)
        self.assert_as_before()
        with self.refused("not_found", field="name"):
            self.client.call("module.info", name="parties")
        self.client.call("module.upgrade")
        self.assert_upgraded()
        self.assertTrue(is_enabled(self.client, "parties"))
        self.assertEqual("P000001", self.client.create("parties.party", kind="person",
                                                       name="Ann")["number"])
        with self.refused("conflict", field="name"):
            self.client.call("module.disable", name="parties")
        self.stop()
        self.start()
        self.assert_upgraded()

    def test_only_the_version_is_new(self):
        self.install("club_1_newer")
        report = self.client.call("module.upgrade")["upgrades"]
        self.assertEqual(1, len(report))
        self.assert_fields(report[0], **{"version_from": "1.9.0", "version": "1.10.1", "from": 1,
                                         "to": 1, "steps": []})
        self.assertEqual("Ann Mary Smith", self.client.get("club.member", self.ann)["name"])
        with self.refused("not_found", field="name"):
            self.client.call("module.upgrade", name="choir")
        with self.refused("conflict", field="name"):
            self.client.call("module.upgrade", name="core")
        (self.plugins / "club" / "club.so").unlink()
        with self.refused("conflict", field="name") as caught:
            self.client.call("module.upgrade", name="club")
        self.assertIn("there is no club/club.so", caught.exception.message)
        self.assertEqual([], self.client.call("module.upgrade")["upgrades"])
        self.assertEqual("Bo", self.client.get("club.member", self.bo)["name"])


if __name__ == "__main__":
    main()
