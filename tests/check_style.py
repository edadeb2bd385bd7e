#!/usr/bin/python3
"""What a formatter cannot see: sizes, missing READMEs, banned calls, messages in one language only,
addresses of strangers.

    tests/check_style.py [FILE...]        the whole repository without arguments
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

FOLDERS = ["core", "include", "plugins", "scripts", "tests", ".ci"]
CODE = {".c", ".h", ".py", ".lua", ".sh", ".cmake"}
LONGEST_FILE = 800
LONGEST_FUNCTION = 70
LONGEST_LINE = 100

# What not to call, and what to call instead.
BANNED = {
    "strcpy": "memcpy with a checked length",
    "strcat": "kt_format",
    "sprintf": "snprintf or kt_format",
    "vsprintf": "vsnprintf",
    "strtok": "strcspn, strspn",
    "atoi": "strtol with its end checked",
    "atol": "strtol with its end checked",
    "atof": "kt_decimal_parse",
    "gets": "getline",
}
BANNED_IN_PLUGINS = {
    "printf": "kt_log",
    "malloc": "kt_alloc",
    "free": "the request's arena: nothing to free",
    "time": "kt_now or kt_today",
    "strtod": "kt_decimal_parse",
}
LOOPBACK = re.compile(r"^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|\$|\{|%)")
URL = re.compile(r"\b(?:https?|ftp|wss?|git|tcp|tls)://([^\s\"'<>)\]}`,]*)")
# Comments and literals, so that neither counts as a call.
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def only_code(text):
    """The same text, line by line, with comments and literals emptied."""
    return NOT_CODE.sub(lambda found: "\n" * found.group().count("\n"), text)


def is_script(path):
    if path.suffix:
        return False
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def is_code(path):
    return path.suffix in CODE or path.name == "CMakeLists.txt" or is_script(path)


def repository_files():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            # Fuzz inputs are bytes of any kind.
            if path.is_file() and not {"__pycache__", "corpus"} & set(path.parts):
                yield path
    for path in sorted(ROOT.iterdir()):
        if path.is_file() and path.name != "LICENSE":
            yield path


def check_lines(text):
    lines = text.split("\n")
    if len(lines) - 1 > LONGEST_FILE:
        yield 1, f"{len(lines) - 1} lines, at most {LONGEST_FILE}: split it by subject"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "a tab"
        if len(line) > LONGEST_LINE:
            yield number, f"{len(line)} columns, at most {LONGEST_LINE}"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
    if text and not text.endswith("\n"):
        yield len(lines), "no line end at the end"


def check_functions(text):
    """A body opens with a brace in the first column and closes with one: Linux brace style."""
    opened = 0
    for number, line in enumerate(only_code(text).split("\n"), 1):
        if line.rstrip() == "{":
            opened = number
        elif line.startswith("}") and opened:
            length = number - opened - 1
            if length > LONGEST_FUNCTION:
                yield opened, f"a function of {length} lines, at most {LONGEST_FUNCTION}"
            opened = 0


def check_calls(path, text):
    banned = dict(BANNED)
    if path.is_relative_to(ROOT / "plugins"):
        banned.update(BANNED_IN_PLUGINS)
    call = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(banned))
    for number, line in enumerate(only_code(text).split("\n"), 1):
        for found in call.finditer(line):
            name = found.group(1)
            yield number, f"{name}() is banned: use {banned[name]}"


MESSAGE = re.compile(r'(?:"(?:\\.|[^"\\\n])*"\s*)+')
CONVERSION = re.compile(r"%[-+ #0]*(\*|\d+)?(?:\.(\*|\d+))?(hh|h|ll|l|j|z|t)?([a-zA-Z%])")


def arguments(text, start):
    """The arguments of the call whose parenthesis opens before `start`."""
    depth, begun, found = 1, start, []
    at = start
    while depth:
        literal = NOT_CODE.match(text, at)
        if literal:
            at = literal.end()
            continue
        depth += {"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1}.get(text[at], 0)
        if depth == 0 or (depth == 1 and text[at] == ","):
            found.append(text[begun:at].strip())
            begun = at + 1
        at += 1
    return found


def messages(argument):
    """Literals of one argument: one, or those of a choice."""
    return ["".join(part[1:-1] for part in re.findall(r'"(?:\\.|[^"\\\n])*"', literal))
            for literal in MESSAGE.findall(argument)]


def conversions(message):
    """What printf takes, in order; "%.0s" takes a text as "%s" does."""
    return [(length or "") + kind + ("*" if "*" in (width, precision) else "")
            for width, precision, length, kind in CONVERSION.findall(message) if kind != "%"]


def check_messages(text):
    """kt_fail speaks two languages with the same arguments."""
    for call in re.finditer(r"\bkt_fail\(", text):
        given = arguments(text, call.end())
        if len(given) < 5 or '"' not in given[3]:
            continue
        number = text.count("\n", 0, call.start()) + 1
        english, chinese = messages(given[3]), messages(given[4])
        if len(english) != len(chinese):
            yield number, "kt_fail: as many Chinese messages as English ones"
        for one, other in zip(english, chinese):
            if re.search("[A-Za-z]{3}", one) and not re.search("[\u4e00-\u9fff]", other):
                yield number, f"kt_fail: no Chinese for \"{one}\""
            if conversions(one) != conversions(other):
                yield number, f"kt_fail: \"{other}\" takes other arguments than \"{one}\""


def check_addresses(text):
    for number, line in enumerate(text.split("\n"), 1):
        for found in URL.finditer(line):
            if not LOOPBACK.match(found.group(1)):
                yield number, f"the address of a stranger: {found.group()}"


def check_file(path):
    text = path.read_text(encoding="utf-8")
    if is_code(path):
        yield from check_lines(text)
    if path.suffix in (".c", ".h"):
        yield from check_functions(text)
        yield from check_calls(path, text)
        yield from check_messages(text)
    if path != pathlib.Path(__file__).resolve():
        yield from check_addresses(text)


def check_readmes():
    for parent in ("core", "plugins"):
        for folder in sorted((ROOT / parent).iterdir()):
            if folder.is_dir() and not (folder / "README.md").exists():
                yield f"{folder.relative_to(ROOT)}: no README.md"


def main(names):
    paths = [pathlib.Path(name).resolve() for name in names] or list(repository_files())
    found = [f"{path.relative_to(ROOT)}:{number}: {what}"
             for path in paths for number, what in check_file(path)]
    if not names:
        found += check_readmes()
    for line in found:
        print(line, file=sys.stderr)
    print(f"style: {len(paths)} files, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
