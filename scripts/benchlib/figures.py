"""Figures for scripts/bars and scripts/soak, which are shell: values of results, ratios, verdicts.

    python3 figures.py get KEY [FIELD=VALUE] FILE       the key of the last result, or of the last
                                                        that has the field; empty if there is none
    python3 figures.py keep BAR ROUND FILE              the results as lines of bars --json
    python3 figures.py p1 FILE                          NAME|TARGET|RATIO for each case and round
    python3 figures.py p6 DEVICE FILE                   the same
    python3 figures.py q5 PLACE FILE                    the same
    python3 figures.py q6 FILE                          the same
    python3 figures.py table BAR FILE [markdown]        what came of the lines NAME|TARGET|RATIO
    python3 figures.py first FILE                       ring and mutex in a sentence
    python3 figures.py thirds NAME median|most LIMIT    a column on standard input: steady or not
    python3 figures.py rotations                        ratios on standard input: their median
"""
import json
import math
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from benchlib.command import run  # noqa: E402
from benchlib.fields import read_objects  # noqa: E402
from benchlib.stats import judge, judge_limits, median, of_logs, paired  # noqa: E402
from benchlib.wording import count  # noqa: E402

LEAST_OF_P1 = {1: 0.97, 4: 1.8, 16: 1.8, 64: 2, 256: 2.5}


def objects(path):
    return [fields for _, fields in read_objects(path) if "head" not in fields]


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
    """{values of the fields: ring / mutex}, of what both were measured with: a run may have been
    too short to leave a result."""
    of = {"ring": {}, "mutex": {}}
    for line in objects(path):
        of[line["engine"]][tuple(value_of(line, field) for field in fields)] = line.get(key)
    return {place: value / of["mutex"][place] for place, value in of["ring"].items()
            if value is not None and of["mutex"].get(place)}


def writers_words(writers, word):
    return f"{writers} {word}" + ("" if writers == 1 else "s")


def p1(path):
    rates = ratios(path, "records_per_s", "writers", "round")
    tails = ratios(path, "p99_us", "writers", "round")
    for writers, least in LEAST_OF_P1.items():
        for what, target, found in (("records/s", f">= {least:g}", rates),
                                    ("p99", "<= 1.1", tails)):
            for place, ratio in sorted(found.items()):
                if place[0] == writers:
                    print(f"{writers_words(writers, 'writer')}: {what}, ring / mutex|{target}"
                          f"|{ratio:.6g}")


def p6(device, path):
    for (writers,), ratio in sorted(ratios(path, "records_per_s", "writers").items()):
        threads = writers_words(writers, "thread")
        print(f"{device}, {threads}: submits/s, ring / mutex|-|{ratio:.6g}")


def q5(place, path):
    for (writers,), ratio in sorted(ratios(path, "records_per_s", "writers").items()):
        print(f"{place}, {writers_words(writers, 'writer')}: records/s, ring / mutex|>= 0.95|{ratio:.6g}")


def q6(path):
    """The default against each other way to flush."""
    rates = {}
    for line in objects(path):
        if line.get("records_per_s"):
            flusher = value_of(line, "flusher")
            rates.setdefault(line["writers"], {})[flusher] = line["records_per_s"]
    for writers, rate in sorted(rates.items()):
        for other in ("sequencer", "leader"):
            if rate.get("hybrid") and rate.get(other):
                print(f"{writers_words(writers, 'writer')}: records/s, hybrid / {other}|>= 0.97"
                      f"|{rate['hybrid'] / rate[other]:.6g}")


def short(x):
    if 0 < abs(x) < 0.1:
        return f"{x:.4f}"
    return f"{x:.2f}" if x < 10 else f"{x:.1f}" if x < 100 else f"{x:.0f}"


class Case:
    """A line of the table: its target, and the ratio of each round. A target is "-", "<= 1.1", or
    "counted <= 1.1" of what has no scatter."""

    def __init__(self, name, target):
        self.name = name
        self.ratios = []
        words = target.split()
        self.counted = words[0] == "counted"
        self.how, self.limit = words[-2:] if len(words) > 1 else (None, None)
        self.verdict = "cannot tell" if self.how else "reported"

    @property
    def target(self):
        return f"{self.how} {self.limit}" if self.how else "-"

    def estimate(self):
        logs = {number: math.log(ratio) for number, ratio in enumerate(self.ratios) if ratio > 0}
        return of_logs(logs, self.how == ">=")

    def judge_counted(self):
        value, limit = median(self.ratios), float(self.limit)
        good = value <= limit if self.how == "<=" else value >= limit
        self.verdict = "met" if good else "missed"


def read_cases(path):
    """In the order in which they came up first."""
    cases = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, target, ratio = line.rstrip("\n").split("|")
            cases.setdefault(name, Case(name, target)).ratios.append(float(ratio))
    return list(cases.values())


def judge_cases(cases):
    """By the rule of bench-compare, over all cases of a bar together."""
    for case in cases:
        if case.counted:
            case.judge_counted()
    some = [case for case in cases if case.how and not case.counted and case.estimate()]
    words = judge_limits([case.estimate() for case in some], [float(case.limit) for case in some])
    for case, word in zip(some, words):
        case.verdict = word


def columns(case):
    """The ratio, its 95 % interval, and of how many rounds."""
    estimate = None if case.counted else case.estimate()
    if estimate is None:
        return short(median(case.ratios)), "-", str(len(case.ratios))
    interval = "-" if estimate.low is None else f"{short(estimate.low)}..{short(estimate.high)}"
    return short(estimate.ratio), interval, str(estimate.rounds)


def table(bar, path, form=""):
    cases = read_cases(path)
    judge_cases(cases)
    for case in cases:
        ratio, interval, rounds = columns(case)
        if form == "markdown":
            target = "" if case.target == "-" else case.target
            interval = interval.replace("..", " to ")
            print(f"| {bar} | {case.name} | {ratio} | {interval} | {rounds} | {target} |"
                  f" {case.verdict} |")
        else:
            print(f"{bar:<5} {case.name:<74} {ratio:>8} {interval:>17} {rounds:>6}"
                  f" {case.target:>8} {case.verdict}")


def first(path):
    """Of results with one point alone."""
    rates = {}
    for line in objects(path):
        if "engine" in line and "records_per_s" in line:
            by_round = rates.setdefault(line["engine"], {})
            by_round[value_of(line, "round")] = line["records_per_s"]
    ring, mutex = rates.get("ring", {}), rates.get("mutex", {})
    one = paired(ring, mutex)
    if one is None:
        return
    judge([one])
    sides = ", ".join(f"{name} {count(median(list(side.values())))}"
                      for name, side in (("ring", ring), ("mutex", mutex)))
    interval = "" if one.low is None else f", 95 % {short(one.low)} to {short(one.high)}"
    words = {"better": "ring is faster", "worse": "mutex is faster",
             "same": "the same within 5 %"}.get(one.verdict, "so few rounds cannot tell")
    print(f"first look, durable records/s: {sides}; ratio {short(one.ratio)}{interval}: {words}")


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
            for command in (get, keep, p1, p6, q5, q6, table, first, thirds, rotations)}


def main(words):
    COMMANDS[words[0]](*words[1:])
    return 0


if __name__ == "__main__":
    run("figures", main)
