"""Figures for scripts/bars and scripts/soak, which are shell: single values of results, ratios, medians.

    python3 figures.py get KEY [FIELD=VALUE] FILE       the key of the last result, or of the last that
                                                        has the field; empty if there is none
    python3 figures.py keep BAR ROUND FILE              the results as lines of bars --json
    python3 figures.py p1 FILE                          NAME|TARGET|RATIO for each case and round
    python3 figures.py p6 DEVICE FILE                   the same
    python3 figures.py table BAR FILE [markdown]        what came of the lines NAME|TARGET|RATIO
    python3 figures.py thirds NAME median|most LIMIT    a column on standard input: steady or not
    python3 figures.py rotations                        ratios on standard input: their median
"""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from benchlib.command import run  # noqa: E402
from benchlib.fields import read_objects  # noqa: E402
from benchlib.stats import Summary, median  # noqa: E402

LEAST_OF_P1 = {1: 0.97, 4: 1.8, 16: 1.8, 64: 2, 256: 2.5}


def objects(path):
    return [fields for _, fields in read_objects(path)]


def value_of(fields, key):
    """Of the top level, or else the first of what is nested in it."""
    if key in fields:
        return fields[key]
    inner = (value_of(value, key) for value in fields.values() if isinstance(value, dict))
    return next((value for value in inner if value is not None), None)


def get(key, *rest):
    field, _, wanted = rest[0].partition("=") if len(rest) == 2 else ("", "", "")
    found = [value_of(line, key) for line in objects(rest[-1])
             if not field or str(value_of(line, field)) == wanted]
    found = [value for value in found if value is not None]
    print("" if not found else found[-1] if isinstance(found[-1], str) else json.dumps(found[-1]))


def keep(bar, round_, path):
    for line in objects(path):
        print(json.dumps({"bar": bar, "bar_round": int(round_), "result": line},
                         separators=(",", ":"), ensure_ascii=False))


def ratios(path, key, *fields):
    """{values of the fields: ring / mutex}, of what both were measured with: a run may have been too
    short to leave a result."""
    of = {"ring": {}, "mutex": {}}
    for line in objects(path):
        of[line["engine"]][tuple(value_of(line, field) for field in fields)] = line[key]
    return {place: value / of["mutex"][place] for place, value in of["ring"].items()
            if value is not None and of["mutex"].get(place)}


def writers_words(writers, word):
    return f"{writers} {word}" + ("" if writers == 1 else "s")


def p1(path):
    rates = ratios(path, "records_per_s", "writers", "round")
    tails = ratios(path, "p99_us", "writers", "round")
    for writers, least in LEAST_OF_P1.items():
        for what, target, found in (("records/s", f">= {least:g}", rates), ("p99", "<= 1.1", tails)):
            for place, ratio in sorted(found.items()):
                if place[0] == writers:
                    print(f"{writers_words(writers, 'writer')}: {what}, ring / mutex|{target}"
                          f"|{ratio:.6g}")


def p6(device, path):
    for (writers,), ratio in sorted(ratios(path, "records_per_s", "writers").items()):
        print(f"{device}, {writers_words(writers, 'thread')}: submits/s, ring / mutex|-|{ratio:.6g}")


def short(x):
    if 0 < x < 0.1:
        return f"{x:.4f}"
    return f"{x:.2f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:.0f}"


def verdict(x, target):
    if target == "-":
        return "reported"
    how, limit = target.split()
    return "met" if (x >= float(limit) if how == ">=" else x <= float(limit)) else "missed"


def table(bar, path, form=""):
    """The cases in the order in which they came up first."""
    cases = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, target, ratio = line.rstrip("\n").split("|")
            cases.setdefault(name, (target, []))[1].append(float(ratio))
    for name, (target, ratios) in cases.items():
        all_ = Summary(ratios)
        mid, low, high = short(all_.median), short(all_.low), short(all_.high)
        word = verdict(all_.median, target)
        if form == "markdown":
            target = "" if target == "-" else target
            print(f"| {bar} | {name} | {mid} | {low} to {high} | {target} | {word} |")
        else:
            print(f"{bar:<5} {name:<74} {mid:>8} {low + '..' + high:>17} {target:>8} {word}")


def thirds(name, how, limit):
    """Steady if the last third grew by no more than the factor, or, below 1, fell by no more."""
    values = [float(line) for line in sys.stdin]
    if len(values) < 3:
        print(f"{name}: too few lines for a verdict")
        return
    third, summary, limit = len(values) // 3, max if how == "most" else median, float(limit)
    first, last = summary(values[:third]), summary(values[-third:])
    steady = last >= first * limit if limit < 1 else last <= first * limit
    print(f"{name:<10} {how} of the first third {first:g}, of the last {last:g}: "
          + ("steady" if steady else "NOT STEADY"))


def rotations():
    """The median over the lines of what rotations add to the tail."""
    ratios = [float(line) for line in sys.stdin]
    if not ratios:
        print("rotations: none was measured")
        return
    print(f"rotations  p99.9 over a rotation / p99.9 without, median of {len(ratios)} lines: "
          f"{median(ratios):.2f} (<= 1.5: {'met' if median(ratios) <= 1.5 else 'missed'})")


COMMANDS = {command.__name__: command
            for command in (get, keep, p1, p6, table, thirds, rotations)}


def main(words):
    COMMANDS[words[0]](*words[1:])
    return 0


if __name__ == "__main__":
    run("figures", main)
