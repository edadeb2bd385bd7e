#!/usr/bin/python3
"""`kontor check` proves the data, names what is wrong in them, and mends what follows from the
records. The data of a stopped server are harmed by tests/scenario/damage.c, row by row.
"""
import json
import subprocess

from kontor_test import BUILD, KontorCase, Server, main

DAMAGE = BUILD / "tests" / "damage"


class Check(KontorCase):
    MODULES = ()

    def setUp(self):
        """Three parties, one of them a customer, on a server of this test's own."""
        self.own = Server()
        self.addCleanup(self.own.close)
        self.own.start()
        self.client = self.own.connect()
        for name in ("parties", "customers"):
            self.client.call("module.enable", name=name)
        self.parties = [self.client.create("parties.party", kind="company", name=name)["id"]
                        for name in ("Ahlers", "Brandt", "Claasen")]
        self.client.create("customers.customer", party=self.parties[0])

    def tearDown(self):
        self.client.close()

    def damage(self, *words):
        self.client.close()
        self.own.stop()
        subprocess.run([str(DAMAGE), str(self.own.data), *words], check=True)
        self.own.start()
        self.client = self.own.connect()

    def kontor(self, *words):
        done = self.own.kontor(*words)
        self.assertEqual("", done.stderr)
        return done.returncode, done.stdout

    def test_sound(self):
        code, text = self.kontor("check")
        self.assertEqual(0, code)
        self.assertRegex(text, r"(?m)^records +[1-9]\d*$")
        self.assertRegex(text, r"(?m)^full-text entries +[1-9]\d*$")
        self.assertIn("\nsound: nothing differs\n", text)
        code, text = self.kontor("check", "--lang", "zh")
        self.assertEqual(0, code)
        self.assertIn("一致：没有差异", text)
        self.assertEqual((0, "nothing to rebuild\n\nsound: nothing differs\n"),
                         self.kontor("check", "--rebuild"))
        code, text = self.kontor("check", "--rebuild", "--all")
        self.assertEqual(0, code)
        self.assertRegex(text, r"(?m)^parties.party +words +[1-9]\d*$")

    def test_named_and_mended(self):
        self.damage("lose", "U", "parties.party#number")
        # The check names it and changes nothing, however often.
        for _ in range(2):
            code, text = self.kontor("check")
            self.assertEqual(1, code)
            self.assertIn("1 difference:\n", text)
            self.assertRegex(text, r"(?m)^unique +parties.party +1 +"
                                   r"parties.party#number lacks record 1$")
        code, text = self.kontor("check", "--lang", "zh")
        self.assertEqual(1, code)
        self.assertIn("parties.party#number 缺少记录 1", text)
        code, text = self.kontor("check", "--json")
        self.assertEqual((1, 1), (code, json.loads(text)["count"]))
        # A dry run tells what would be done, and what would be left.
        code, text = self.kontor("check", "--rebuild", "--dry-run")
        self.assertEqual(0, code)
        self.assertTrue(text.startswith("would be rebuilt:\n"), text)
        self.assertRegex(text, r"(?m)^parties.party +unique +3$")
        self.assertEqual(1, self.kontor("check")[0])
        code, text = self.kontor("check", "--rebuild")
        self.assertEqual(0, code)
        self.assertTrue(text.startswith("rebuilt:\n"), text)
        self.assertEqual(0, self.kontor("check")[0])
        self.assertIn("rebuilt entity=parties.party what=unique rows=3 user=admin", self.own.log())
        # The key is taken again.
        number = self.client.get("parties.party", 1)["number"]
        self.assertEqual(1, self.client.find("parties.party", "number", number)["id"])

    def test_what_cannot_be_mended_stays(self):
        self.damage("spoil", "R", "customers.customer")
        code, text = self.kontor("check", "--rebuild")
        self.assertEqual(1, code)
        self.assertIn("1 difference:\n", text)
        self.assertIn("record 1 cannot be read", text)
        code, text = self.kontor("check")
        self.assertEqual(1, code)
        self.assertRegex(text, r"(?m)^record +customers.customer +1 +record 1 cannot be read$")

    def test_damaged_files_are_named(self):
        self.client.call("module.enable", name="products")
        product = self.client.create("products.product", code="B", name="Bolt")["id"]
        upload = self.client.call("file.begin")["upload"]
        self.client.call("file.append", upload=upload, offset=0, bytes=b"a data sheet")
        hash = self.client.call("file.finish", upload=upload)["hash"]
        self.client.update("products.product", product,
                           datasheet={"hash": hash, "name": "bolt.txt"})
        self.assertEqual(0, self.kontor("check")[0])
        # Without its only chunk; then without the content at all.
        for words, told in ((("lose", "P"), f"the content {hash} lacks a chunk"),
                            (("lose", "F"), f"datasheet of record {product} refers to a content "
                                            "that is not there")):
            self.damage(*words, "-")
            code, text = self.kontor("check", "--rebuild")
            self.assertEqual(1, code)
            self.assertIn(told, text)

    def test_who_may(self):
        self.client.call("system.user.add", name="anna", password="anna-long-password",
                         roles=["parties.user"])
        anna = self.own.connect("anna", "anna-long-password")
        self.addCleanup(anna.close)
        for method in ("system.check", "system.rebuild"):
            with self.refused("denied", field=self.ANY):
                anna.call(method)
        with self.refused("invalid", field=self.ANY):
            self.client.call("record.batch", ops=[{"op": "system.rebuild"}])
        done = self.own.kontor("check", "--all")
        self.assertEqual((2, "", "kontor: --all and --dry-run go with --rebuild\n"),
                         (done.returncode, done.stdout, done.stderr))


if __name__ == "__main__":
    main()
