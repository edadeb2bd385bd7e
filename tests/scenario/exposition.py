"""A strict reader of Prometheus' text format, version 0.0.4: what its server would refuse, or
`promtool check metrics` would complain about, is a ValueError.
"""
import math
import re

HEAD = re.compile(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)')
ESCAPES = {"\\\\": "\\", "\\n": "\n", '\\"': '"'}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}


class Family:
    def __init__(self, name, text):
        self.name = name
        self.help = text
        self.type = None
        self.samples = {}  # (suffix, labels in order) -> number

    def value(self, suffix="", **labels):
        return self.samples[suffix, tuple(sorted(labels.items()))]


def labels_of(text):
    labels, at = [], 0
    while at < len(text):
        found = LABEL.match(text, at)
        if not found:
            raise ValueError(f"not labels: {text!r}")
        value = re.sub(r"\\.", lambda escape: ESCAPES[escape.group()], found.group(2))
        labels.append((found.group(1), value))
        at = found.end()
    if len({name for name, _ in labels}) != len(labels):
        raise ValueError(f"a label twice: {text!r}")
    return tuple(sorted(labels))


def take_sample(family, line):
    found = SAMPLE.fullmatch(line)
    if not found or not family or not family.type or not found.group(1).startswith(family.name):
        raise ValueError(f"a sample out of place: {line!r}")
    suffix = found.group(1)[len(family.name):]
    key = suffix, labels_of(found.group(2) or "")
    if suffix not in SUFFIXES.get(family.type, ("",)) or key in family.samples:
        raise ValueError(f"{family.type} {family.name} has no such sample, or has it: {line!r}")
    family.samples[key] = float(found.group(3))
    if not family.samples[key] >= 0:
        raise ValueError(f"below nothing: {line!r}")


def take_head(families, line):
    found = HEAD.fullmatch(line)
    if not found:
        raise ValueError(f"neither HELP nor TYPE: {line!r}")
    what, name, text = found.groups()
    if what == "HELP" and name not in families:
        families[name] = Family(name, text)
    elif what == "TYPE" and name in families and families[name].type is None:
        families[name].type = text
    else:
        raise ValueError(f"out of order: {line!r}")
    return families[name]


def check_histogram(family):
    """Buckets are in order, only grow, and end with all there is."""
    rows = {}
    for (suffix, labels), value in family.samples.items():
        bound = dict(labels).get("le")
        rest = tuple(label for label in labels if label[0] != "le")
        row = rows.setdefault(rest, {"buckets": []})
        if suffix == "_bucket":
            row["buckets"].append((float(bound), value))
        else:
            row[suffix] = value
    for rest, row in rows.items():
        bounds = [bound for bound, _ in row["buckets"]]
        counts = [count for _, count in row["buckets"]]
        if (bounds != sorted(set(bounds)) or counts != sorted(counts) or
                bounds[-1] != math.inf or counts[-1] != row["_count"] or "_sum" not in row):
            raise ValueError(f"{family.name}{rest}: {row}")


def read(text):
    """Families by name."""
    families, family = {}, None
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in text[:-1].split("\n"):
        if line.startswith("#"):
            family = take_head(families, line)
        else:
            take_sample(family, line)
    for family in families.values():
        is_total = family.name.endswith("_total")
        if family.type not in ("counter", "gauge", "histogram", "summary"):
            raise ValueError(f"{family.name} has type {family.type}")
        if is_total != (family.type == "counter") or not family.samples:
            raise ValueError(f"{family.name} is a {family.type} of {len(family.samples)} samples")
        if family.type == "histogram":
            check_histogram(family)
    return families
