#!/usr/bin/python3
"""Random decimal operations against Python's decimal module.

    tests/unit/decimal_property.py PROGRAM [--operations N] [--seed N]

Goal: every result equals the exact one, rounded once, half away from zero, or is invalid where the
exact one has no room. Method: PROGRAM (decimal_property.c) computes, this script computes the same
with 250 digits and compares the text. Operands are ordinary money, numbers of any length, and the
edges: 38 digits, scale 18, zeros, halves. The seed is printed; the same seed gives the same run.
"""
import argparse
import collections
import decimal
import fractions
import os
import random
import re
import subprocess
import sys

OPERATIONS = 1_000_000
BATCH = 50_000
SEED = 20261123

DIGITS = 38
SCALE_MAX = 18
LIMIT = 10 ** DIGITS
# Enough that no quotient of two 38-digit numbers is rounded before it is rounded to its scale.
CONTEXT = decimal.Context(prec=250, rounding=decimal.ROUND_HALF_UP, Emax=999999, Emin=-999999,
                          traps=[decimal.InvalidOperation, decimal.Overflow, decimal.Inexact])
INEXACT = decimal.Context(prec=250, rounding=decimal.ROUND_HALF_UP)
UNITS = [decimal.Decimal(1).scaleb(-scale) for scale in range(SCALE_MAX + 1)]
HALF = fractions.Fraction(1, 2)
INVALID = "invalid"
REFUSED = "refused"
PLAIN = re.compile(rb"(-?)([0-9]+)(?:\.([0-9]{1,18}))?")


# Numbers as text.

def text_of(coefficient, scale):
    """Plain notation of coefficient * 10^-scale; no Decimal involved, so that it checks both."""
    digits = str(abs(coefficient)).rjust(scale + 1, "0")
    sign = "-" if coefficient < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else sign + digits


def coefficient_of(value, scale):
    return int(value.scaleb(scale, CONTEXT))


def result(value, scale):
    """What the program prints for an exact value that has at most `scale` digits."""
    coefficient = coefficient_of(value, scale)
    return text_of(coefficient, scale) if abs(coefficient) < LIMIT else INVALID


def rounded(value, scale):
    if not 0 <= scale <= SCALE_MAX:
        return INVALID
    # Rounding is what is wanted here, so do not trap it.
    return result(value.quantize(UNITS[scale], context=INEXACT), scale)


def scale_of(text):
    point = text.find(".")
    return len(text) - point - 1 if point >= 0 else 0


# The right answers. Operands come as text; the operations get what they need of it.

def exact(text):
    return None if text == INVALID else decimal.Decimal(text)


def expect_sum(a, b, value):
    scale = max(scale_of(a), scale_of(b))
    coefficient = coefficient_of(value, scale)
    while abs(coefficient) >= LIMIT and scale > 0 and coefficient % 10 == 0:
        coefficient //= 10
        scale -= 1
    return text_of(coefficient, scale) if abs(coefficient) < LIMIT else INVALID


def expect_add(a, b):
    x, y = exact(a), exact(b)
    return INVALID if x is None or y is None else expect_sum(a, b, CONTEXT.add(x, y))


def expect_sub(a, b):
    x, y = exact(a), exact(b)
    return INVALID if x is None or y is None else expect_sum(a, b, CONTEXT.subtract(x, y))


def expect_compare(a, b):
    x, y = exact(a), exact(b)
    if x is None:
        return "-1"
    return "1" if y is None else str(int(x.compare(y)))


def expect_min(a, b):
    if a == INVALID or b == INVALID:
        return INVALID
    return a if expect_compare(a, b) != "1" else b


def expect_neg(a):
    return INVALID if a == INVALID else text_of(-coefficient_of(exact(a), scale_of(a)), scale_of(a))


def expect_abs(a):
    return a.lstrip("-")


def expect_mul(a, b, scale):
    x, y = exact(a), exact(b)
    return INVALID if x is None or y is None else rounded(CONTEXT.multiply(x, y), scale)


def expect_mul_div(a, b, c, scale):
    x, y, z = exact(a), exact(b), exact(c)
    if x is None or y is None or not z:
        return INVALID
    return rounded(INEXACT.divide(CONTEXT.multiply(x, y), z), scale)


def expect_div(a, b, scale):
    return expect_mul_div(a, "1", b, scale)


def expect_round(a, scale):
    x = exact(a)
    return INVALID if x is None else rounded(x, scale)


# Of Python's modes, in the order of enum kt_rounding.
ROUNDINGS = [decimal.ROUND_HALF_UP, decimal.ROUND_HALF_EVEN, decimal.ROUND_HALF_DOWN,
             decimal.ROUND_UP, decimal.ROUND_DOWN, decimal.ROUND_CEILING, decimal.ROUND_FLOOR]


def expect_mul_div_by(a, b, c, scale, rounding):
    """Exact, as a quotient of 250 digits might just seem to end in a half: whole units are what
    the fraction is, and only what lies beyond them decides."""
    x, y, z = exact(a), exact(b), exact(c)
    if x is None or y is None or not z or not 0 <= scale <= SCALE_MAX:
        return INVALID
    value = fractions.Fraction(x) * fractions.Fraction(y) / fractions.Fraction(z) * 10 ** scale
    units = int(value)
    beyond = value - units
    # One digit that compares with 0 and with a half as the exact rest does.
    digit = 0 if not beyond else 5 + (abs(beyond) > HALF) - (abs(beyond) < HALF)
    sign = "-" if value < 0 else ""
    text = f"{sign}{abs(units)}.{digit}"
    whole = decimal.Decimal(text).quantize(1, rounding=ROUNDINGS[rounding], context=INEXACT)
    coefficient = int(whole)
    return text_of(coefficient, scale) if abs(coefficient) < LIMIT else INVALID


def expect_round_by(a, scale, rounding):
    return expect_mul_div_by(a, "1", "1", scale, rounding)


def expect_trim(a, min_scale):
    excess = min(scale_of(a) - min_scale, scale_of(a))
    while excess > 0 and a[-1] == "0":
        a, excess = a[:-1], excess - 1
    return a.rstrip(".")


def expect_allocate(total, scale, *weights):
    total = expect_round(total, scale)
    values = [exact(weight) for weight in weights]
    if total == INVALID or None in values or any(value < 0 for value in values) or not any(values):
        return REFUSED
    coefficient = coefficient_of(exact(total), scale)
    parts = [coefficient_of(value, SCALE_MAX) for value in values]
    shares = [divmod(abs(coefficient) * part, sum(parts)) for part in parts]
    left = abs(coefficient) - sum(share for share, _ in shares)
    order = sorted(range(len(parts)), key=lambda i: -shares[i][1])
    units = [share for share, _ in shares]
    for i in order[:left]:
        units[i] += 1
    sign = -1 if coefficient < 0 else 1
    return " ".join(text_of(sign * unit, scale) for unit in units)


def expect_parse(text):
    found = PLAIN.fullmatch(text)
    if not found:
        return REFUSED
    sign, whole, fraction = (part.decode() if part else "" for part in found.groups())
    coefficient = int(sign + whole + fraction)
    return text_of(coefficient, len(fraction)) if abs(coefficient) < LIMIT else REFUSED


# Random operands.

def random_edge(random_):
    scale = random_.choice((0, 0, 1, 2, 9, 17, 18, 18))
    power = 10 ** random_.randint(0, DIGITS)
    coefficient = random_.choice((0, 1, 5, power - 1, power // 2, power // 2 - 1, power // 2 + 1,
                                  power + 1, power, LIMIT - 1, LIMIT - 2, LIMIT // 10,
                                  power - power // 10, 2 ** 64, 2 ** 64 - 1, 2 ** 63))
    return min(coefficient, LIMIT - 1), scale


def random_long(random_):
    scale = random_.randint(0, SCALE_MAX)
    coefficient = random_.randrange(10 ** random_.randint(1, DIGITS))
    if random_.random() < 0.25:  # Zeros at the end, and halves.
        power = 10 ** random_.randint(1, 20)
        coefficient = coefficient // power * power + random_.choice((0, power // 2))
    return coefficient, scale


def random_number(random_):
    kind = random_.random()
    if kind < 0.35:
        coefficient, scale = random_.randrange(10_000_000), 2
    elif kind < 0.75:
        coefficient, scale = random_long(random_)
    elif kind < 0.995:
        coefficient, scale = random_edge(random_)
    else:
        return INVALID
    return text_of(-coefficient if random_.random() < 0.3 else coefficient, scale)


def random_scale(random_):
    return random_.choice((0, 2, 2, 2, 4, 6, 18, random_.randint(0, SCALE_MAX),
                           random_.randint(0, SCALE_MAX), random_.randint(-1, SCALE_MAX + 1)))


def random_near(random_, a):
    """Often the same value again with another scale, or one unit beside it, to compare with."""
    kind = random_.random()
    if a == INVALID or kind < 0.5:
        return random_number(random_)
    scale = random_.randint(0, SCALE_MAX)
    text = rounded(exact(a), scale)
    if text == INVALID or kind < 0.7:
        return text
    return result(CONTEXT.add(exact(text), random_.choice((-1, 1)) * UNITS[scale]), scale)


def random_text(random_):
    text = random_number(random_)
    if random_.random() < 0.5:
        place = random_.randint(0, len(text))
        cut = random_.randint(0, 1)
        put = random_.choice(("", ".", "-", "+", " ", "0", "9", "e", "E5", ",", "_", "\0", "\t",
                              "0" * 20, "9" * 20, "\xb2", "x"))
        text = text[:place] + put + text[place + cut:]
    return text.encode("latin-1")


def random_allocate(random_):
    count = random_.choice((1, 2, 3, 3, 5, 12))
    kind = random_.random()
    if kind < 0.6:  # Small equal weights make ties.
        weights = [text_of(random_.randrange(4), random_.randint(0, 2)) for _ in range(count)]
    else:
        weights = [random_number(random_) for _ in range(count)]
        if kind < 0.95:
            weights = [weight.lstrip("-") for weight in weights]
    return [random_number(random_), random_scale(random_), *weights]


def two(random_):
    a = random_number(random_)
    return [a, random_near(random_, a)]


def two_and_scale(random_):
    return [random_number(random_), random_number(random_), random_scale(random_)]


def three_and_scale(random_):
    return [random_number(random_), *two_and_scale(random_)]


def one_and_scale(random_):
    return [random_number(random_), random_scale(random_)]


def with_rounding(operands_of):
    return lambda random_: [*operands_of(random_), random_.randrange(len(ROUNDINGS))]


def one(random_):
    return [random_number(random_)]


# name: (how often, operands, right answer)
TABLE = {
    "parse": (10, lambda random_: [random_text(random_)], expect_parse),
    "add": (12, two, expect_add),
    "sub": (12, two, expect_sub),
    "compare": (10, two, expect_compare),
    "min": (1, two, expect_min),
    "neg": (1, one, expect_neg),
    "abs": (1, one, expect_abs),
    "mul": (14, two_and_scale, expect_mul),
    "div": (14, two_and_scale, expect_div),
    "mul_div": (14, three_and_scale, expect_mul_div),
    "round": (10, one_and_scale, expect_round),
    "round_by": (10, with_rounding(one_and_scale), expect_round_by),
    "mul_div_by": (8, with_rounding(three_and_scale), expect_mul_div_by),
    "trim": (5, one_and_scale, expect_trim),
    "allocate": (4, random_allocate, expect_allocate),
}


def make_batch(random_, size):
    """Lines for the program and the answers it should give."""
    names = random_.choices(list(TABLE), [row[0] for row in TABLE.values()], k=size)
    lines, answers = [], []
    for name in names:
        _, operands_of, expect = TABLE[name]
        operands = operands_of(random_)
        words = [word if isinstance(word, bytes) else str(word).encode() for word in operands]
        lines.append(b" ".join([name.encode(), *words]))
        answers.append(expect(*operands))
    return names, lines, answers


def run_batch(program, lines):
    done = subprocess.run([program], input=b"\n".join(lines) + b"\n", capture_output=True,
                          check=False)
    if done.returncode != 0:
        sys.exit(f"{program} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode().splitlines()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("program")
    arguments.add_argument("--operations", type=int,
                           default=int(os.environ.get("KONTOR_PROPERTY_OPERATIONS", OPERATIONS)))
    arguments.add_argument("--seed", type=int, default=SEED)
    options = arguments.parse_args()
    print(f"decimals: seed {options.seed}, {options.operations} operations", flush=True)

    random_ = random.Random(options.seed)
    counts, special, wrong = collections.Counter(), collections.Counter(), 0
    for start in range(0, options.operations, BATCH):
        names, lines, answers = make_batch(random_, min(BATCH, options.operations - start))
        got = run_batch(options.program, lines)
        if len(got) != len(lines):
            sys.exit(f"{len(lines)} operations gave {len(got)} results")
        counts.update(names)
        for name, line, right, given in zip(names, lines, answers, got):
            if right in (INVALID, REFUSED):
                special[name] += 1
            if right != given:
                wrong += 1
                if wrong <= 20:
                    print(f"{line!r}\n    gave   {given}\n    wanted {right}", file=sys.stderr)
    print(", ".join(f"{name} {counts[name]} ({special[name]} without result)" for name in TABLE))
    print(f"{wrong} of {options.operations} results wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
