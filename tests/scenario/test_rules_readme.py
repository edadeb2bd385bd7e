#!/usr/bin/python3
"""The README for consultants does what it says: its first rule, with nothing but its own words, and
everything else it prints.
"""
import os
import pathlib
import re
import subprocess
import tempfile
import time

from kontor_test import BUILD, KONTOR, ROOT, RULES, TEST_WITHIN_S, KontorCase, main

README = (RULES / "README.md").read_text(encoding="utf-8")
CHAPTER = re.search(r"^## First rule in five minutes\n(.*?)^## ", README, re.S | re.M).group(1)

# Of a rule that is pushed, until it refuses what it should. Sanitizers take their time.
LIVE_WITHIN_S = 1 if BUILD.name not in ("asan", "tsan") else 30
# So often it may take longer, with other tests beside it.
BUSY_MACHINE = 10


class FirstRule(KontorCase):
    """In the order of the page; a reader types what stands in its blocks, in an empty folder."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def type(self, block):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("KONTOR_", "LC_", "LANG"))}
        environment.update(PATH=f"{KONTOR.parent}:{os.environ['PATH']}",
                           KONTOR_DATA=str(self.server.data))
        return subprocess.run(["bash", "-ec", block], cwd=self.folder, env=environment, text=True,
                              capture_output=True, timeout=TEST_WITHIN_S)

    def works(self, block):
        done = self.type(block)
        self.assertEqual(0, done.returncode, f"{block}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def push_and_see(self, push, see_it_work):
        started = time.monotonic()
        self.works(push)
        return self.type(see_it_work), time.monotonic() - started

    def test_first_rule_in_five_minutes(self):
        # Given its files, saved where the page says,
        saved = re.findall(r"`(rules/[^`]+)`:\n\n```lua\n(.*?)```", CHAPTER, re.S)
        self.assertEqual(["rules/large_deals.lua", "rules/large_deals_test.lua"],
                         [name for name, _ in saved])
        (self.folder / "rules").mkdir()
        for name, text in saved:
            (self.folder / name).write_text(text, encoding="utf-8")
        # the library in force, as in the demo company,
        self.admin.push_rules(RULES)
        put_in_force, see_it_work, roll_back = re.findall(r"```sh\n(.*?)```", CHAPTER, re.S)
        # and no rule about deals: one is made.
        self.works(see_it_work)
        # When its commands are typed, the last of which is the push,
        check_and_test, push = put_in_force.strip().rsplit("\n", 1)
        self.assertTrue(push.startswith("kontor rules push "), push)
        self.works(check_and_test)
        # then it is live, in less than a second: the very next request is refused, as printed.
        printed, = re.findall(r"^    (kontor: .*)$", CHAPTER, re.M)
        refused, seconds = self.push_and_see(push, see_it_work)
        self.assertEqual(1, refused.returncode, refused.stdout)
        self.assertEqual(printed, refused.stderr.strip())
        for _ in range(BUSY_MACHINE):
            if seconds < LIVE_WITHIN_S:
                break
            self.works(roll_back)
            _, seconds = self.push_and_see(push, see_it_work)
        self.assertLess(seconds, LIVE_WITHIN_S)
        # One command rolls it back,
        self.assertEqual(1, len(roll_back.strip().splitlines()))
        self.works(roll_back)
        # and the deal is made again.
        self.works(see_it_work)
        log = self.admin.call("rules.log", limit=2)["revisions"]
        self.assertEqual(["they plan otherwise", "large deals have a date"],
                         [revision["note"] for revision in log])

    def test_everything_printed_is_in_force_together(self):
        printed = re.findall(r"```lua\n(.*?)```", README, re.S)
        files = {f"block_{i}{'_test' if 'test(' in text[:5] else ''}.lua": text
                 for i, text in enumerate(printed)}
        answer = self.admin.call("rules.push", files=files)
        self.assertEqual(len(printed), len(answer["files"]))
        self.assertIn("house.large_order", [rule["name"] for rule in answer["rules"]])
        party = self.admin.create("parties.party", kind="company", name="Evers")["id"]
        self.admin.create("customers.customer", party=party, credit_limit="100.00")
        self.assertEqual(1, self.admin.call("custom.best_customers", above="50")["count"])
        self.admin.call("rules.rollback", to=0)

    def test_every_function_is_told(self):
        names = [name for path in (ROOT / "core" / "script").glob("*api.c")
                 for name in re.findall(r'\{"(\w+)", \w+\}', path.read_text(encoding="utf-8"))]
        self.assertGreater(len(names), 20)
        for name in names:
            with self.subTest(name):
                self.assertRegex(README, rf"`(kontor\.)?{name}\(")

    def test_every_command_is_told_and_there(self):
        done = self.works("kontor --help")
        there = set(re.findall(r"^  rules (\w+)", done, re.M))
        told = set(re.findall(r"kontor rules (\w+)", README))
        told |= {word for row in re.findall(r"^\| `kontor rules .*$", README, re.M)
                 for word in re.findall(r"`(\w+)[ `]", row) if word in there}
        self.assertEqual(there, told)


if __name__ == "__main__":
    main()
