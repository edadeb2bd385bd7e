"""Files of records: sent in chunks, found by hash, kept while a record refers to them, fetched by
whoever may read the record. The data sheet of a product is the file."""
import hashlib
import pathlib
import tempfile

from kontor_test import KontorCase, main

CHUNK = 256 * 1024
# Two chunks and a bit; every byte depends on its place.
CONTENT = bytes((i * 7 + i // 251) % 256 for i in range(2 * CHUNK + 1000))


def name_of(content):
    return hashlib.blake2b(content, digest_size=32).hexdigest()


class Files(KontorCase):
    MODULES = ("products",)
    USERS = {"stranger": []}

    def setUp(self):
        code = self.id().rsplit(".", 1)[-1]
        self.product = self.admin.create("products.product", code=code, name="Bolt")["id"]

    def send(self, content, client=None):
        client = client or self.admin
        upload = client.call("file.begin")["upload"]
        for at in range(0, len(content), CHUNK):
            client.call("file.append", upload=upload, offset=at, bytes=content[at:at + CHUNK])
        return client.call("file.finish", upload=upload, hash=name_of(content))

    def attach(self, hash, name="bolt.pdf", **more):
        return self.admin.update("products.product", self.product,
                                 datasheet={"hash": hash, "name": name, **more})

    def fetch(self):
        content, at = b"", 0
        while at is not None:
            part = self.admin.call("file.read", entity="products.product", id=self.product,
                                   field="datasheet", offset=at)
            content, at = content + part["bytes"], part["next"]
        return content

    def test_a_file_goes_there_and_back(self):
        sent = self.send(CONTENT)
        self.assertEqual(sent, {"hash": name_of(CONTENT), "size": len(CONTENT)})
        record = self.attach(sent["hash"], media_type="application/pdf")
        self.assertEqual(record["datasheet"], {
            "hash": sent["hash"], "name": "bolt.pdf", "media_type": "application/pdf",
            "size": len(CONTENT)})
        self.assertEqual(self.fetch(), CONTENT)
        self.assertEqual(self.admin.call("system.check")["problems"], [])

    def test_it_survives_a_restart(self):
        self.attach(self.send(b"stays")["hash"])
        self.server.stop()
        self.server.start()
        type(self).admin = self.server.connect()
        type(self).stranger = self.server.connect("stranger", "stranger-long-password")
        self.assertEqual(self.fetch(), b"stays")

    def test_what_arrived_damaged_is_refused(self):
        upload = self.admin.call("file.begin")["upload"]
        self.admin.call("file.append", upload=upload, offset=0, bytes=b"damaged")
        with self.refused("conflict", field="hash"):
            self.admin.call("file.finish", upload=upload, hash=name_of(b"whole"))

    def test_bad_chunks_are_refused(self):
        upload = self.admin.call("file.begin")["upload"]
        with self.refused("conflict", field="offset"):
            self.admin.call("file.append", upload=upload, offset=CHUNK, bytes=b"gap")
        with self.refused("too_large", field="bytes"):
            self.admin.call("file.append", upload=upload, offset=0, bytes=bytes(CHUNK + 1))
        with self.refused("invalid", field="bytes"):
            self.admin.call("file.append", upload=upload, offset=0, bytes="text")
        with self.refused("invalid", field="upload"):
            self.admin.call("file.finish", upload=upload)
        with self.refused("not_found", field="upload"):
            self.admin.call("file.append", upload=upload + 1000, offset=0, bytes=b"x")

    def test_bad_values_are_refused(self):
        hash = self.send(b"some")["hash"]
        for value in ("some.pdf", {"name": "a"}, {"hash": hash}, {"hash": hash, "name": "a/b"},
                      {"hash": hash, "name": "a", "size": 5}, {"hash": "00" * 32, "name": "a"},
                      {"hash": hash, "name": "a", "owner": 1}, {"hash": hash, "name": ""}):
            with self.subTest(value=value), self.refused("invalid", field="datasheet"):
                self.admin.update("products.product", self.product, datasheet=value)
        self.assertNotIn("datasheet", self.admin.get("products.product", self.product))

    def test_no_file_no_bytes(self):
        with self.refused("not_found", field="field"):
            self.fetch()
        with self.refused("invalid", field="field"):
            self.admin.call("file.read", entity="products.product", id=self.product, field="name")

    def test_only_readers_of_the_record_fetch(self):
        self.attach(self.send(b"secret")["hash"])
        with self.refused("denied", field=self.ANY):
            self.stranger.call("file.read", entity="products.product", id=self.product,
                               field="datasheet")
        upload = self.admin.call("file.begin")["upload"]
        with self.refused("not_found", field="upload"):
            self.stranger.call("file.append", upload=upload, offset=0, bytes=b"mine?")

    def test_the_past_has_its_file(self):
        self.attach(self.send(b"first edition")["hash"])
        then = self.admin.call("system.stats")["last_event"]
        self.attach(self.send(b"second edition")["hash"])
        part = self.admin.call("file.read", entity="products.product", id=self.product,
                               field="datasheet", as_of=then)
        self.assertEqual(part["bytes"], b"first edition")

    def test_the_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            source, target = pathlib.Path(folder, "data.pdf"), pathlib.Path(folder, "back.pdf")
            source.write_bytes(CONTENT)
            place = ["products.product", str(self.product), "datasheet"]
            done = self.server.kontor("file", "attach", *place, str(source))
            self.assertEqual(done.returncode, 0, done.stderr)
            done = self.server.kontor("file", "get", *place, str(target))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(target.read_bytes(), CONTENT)


if __name__ == "__main__":
    main()
