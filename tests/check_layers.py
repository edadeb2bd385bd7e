#!/usr/bin/python3
"""Core folders call downwards only, plugins know nothing but include/kontor, and export one symbol.

    tests/check_layers.py [--build build/release]

Without --build only the sources are read: every #include is held against the rules below. With it,
the objects are read too (nm): a function declared in a public header can be defined in a higher
folder than its caller, which no #include shows.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Lowest first. A folder may use itself and everything before it.
SERVER = ["base", "store", "file", "record", "bus", "script", "access", "job", "plugin", "engine",
          "rpc", "kontord"]
MAY_USE = {layer: set(SERVER[:height + 1]) for height, layer in enumerate(SERVER)}
# The client side shares nothing with the server but the foundations.
MAY_USE["client"] = {"client", "base"}
MAY_USE["cli"] = {"cli", "client", "base"}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def includes(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(1)


def sources(folder):
    return sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in (".c", ".h"))


def layer_of(path):
    """The folder of a core source; a file directly in core/ is the program kontord itself."""
    parts = path.relative_to(ROOT / "core").parts
    return parts[0] if len(parts) > 1 else "kontord"


def target_of(path, name):
    """The folder that an include from `path` leads to: a layer's name or "kontor"."""
    head, _, _ = name.partition("/")
    return layer_of(path) if "/" not in name else head


def check_core():
    for path in sources("core"):
        layer = layer_of(path)
        if layer not in MAY_USE:
            yield f"{path.relative_to(ROOT)}: folder core/{layer} has no place in the order"
            continue
        for number, name in includes(path):
            target = target_of(path, name)
            if target != "kontor" and target not in MAY_USE[layer]:
                yield (f"{path.relative_to(ROOT)}:{number}: core/{layer} must not include "
                       f"\"{name}\"")


def check_public():
    for path in sources("include"):
        for number, name in includes(path):
            if not name.startswith("kontor/"):
                yield (f"{path.relative_to(ROOT)}:{number}: a public header must not include "
                       f"\"{name}\"")


def check_plugins():
    for path in sources("plugins"):
        own = path.parent
        for number, name in includes(path):
            if name.startswith("kontor/") or ("/" not in name and (own / name).exists()):
                continue
            yield (f"{path.relative_to(ROOT)}:{number}: a plugin may include kontor/ and its own "
                   f"folder only, not \"{name}\"")


def nm(*arguments):
    done = subprocess.run(["nm", *arguments], check=True, capture_output=True, text=True)
    return [line.split() for line in done.stdout.splitlines() if line]


def check_exports(build):
    modules = sorted(build.glob("plugins/*/*.so"))
    if not modules:
        yield f"{build}: no plugins/NAME/NAME.so: not built?"
    for module in modules:
        exported = {words[-1] for words in nm("-D", "--defined-only", str(module))}
        # Sanitizers and coverage add symbols of their own, all with a leading double underscore.
        exported = {name for name in exported if not name.startswith(("__", "_init", "_fini"))}
        if exported != {"kt_plugin"}:
            yield f"{module}: must export kt_plugin alone, exports {sorted(exported)}"


def object_layer(build, path):
    """core/CMakeFiles/x.dir/record/query.c.o and core/record/CMakeFiles/x.dir/query.c.o."""
    inside = re.sub(r"CMakeFiles/[^/]+\.dir/", "", str(path.relative_to(build / "core")))
    head, _, rest = inside.partition("/")
    return head if rest else "kontord"


def check_calls(build):
    objects = {str(path): object_layer(build, path) for path in (build / "core").rglob("*.c.o")}
    objects = {path: layer for path, layer in objects.items() if layer in MAY_USE}
    if not objects:
        yield f"{build}/core: no objects: not built?"
        return
    defined_in, used_by = {}, {}
    for words in nm("--print-file-name", *sorted(objects)):
        path = words[0].partition(":")[0]
        kind, name = words[-2], words[-1]
        if kind == "U":
            used_by.setdefault(name, set()).add((objects[path], pathlib.Path(path).stem))
        elif kind in "TDBRVW":
            # The client repeats nothing of the server, so a name has one home.
            defined_in.setdefault(name, set()).add(objects[path])
    for name in sorted(used_by):
        homes = defined_in.get(name)
        if not homes:
            continue
        for layer, source in sorted(used_by[name]):
            if not homes & MAY_USE[layer]:
                yield (f"core/{layer}/{source} calls {name}, which lives above it in "
                       f"core/{sorted(homes)[0]}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--build", type=pathlib.Path, help="a build folder: check symbols too")
    build = arguments.parse_args().build

    found = [*check_core(), *check_public(), *check_plugins()]
    if build:
        build = build.resolve()
        found += [*check_exports(build), *check_calls(build)]
    for line in found:
        print(line, file=sys.stderr)
    print(f"layers: {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
