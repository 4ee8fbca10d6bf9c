"""What scripts/bars and scripts/soak make of results."""

import json
import math
import os
import random
import subprocess
import sys
import unittest

from support import SCRIPTS, Case


def line(engine, writers, round_, rate, p99):
    return json.dumps({"engine": engine, "writers": writers, "size_bytes": 512, "records_per_s": rate,
                       "p99_us": p99, "options": {"round": round_, "preset": None},
                       "machine": {"cpu": "Maker(R) 9", "hardware_threads": 2},
                       "filesystem": {"type": "ext4"}, "device": {"kind": "file", "name": "vda"}})


RESULTS = [line("ring", 1, 1, 10, 50), line("mutex", 1, 1, 5, 100), line("ring", 1, 2, 12, 40),
           line("mutex", 1, 2, 16, 20), line("ring", 4, 1, 30, 80)]


class Figures(Case):
    def setUp(self):
        super().setUp()
        self.results = self.write("results.json", "\n".join(RESULTS) + "\n")

    def run_module(self, name, *words, stdin=""):
        done = subprocess.run([sys.executable, os.path.join(SCRIPTS, "benchlib", name), *words],
                              capture_output=True, text=True, input=stdin, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_get_gives_the_last_value_nested_or_not(self):
        self.assertEqual(self.run_module("figures.py", "get", "records_per_s", self.results), "30\n")
        self.assertEqual(self.run_module("figures.py", "get", "round", "engine=mutex", self.results),
                         "2\n")
        self.assertEqual(self.run_module("figures.py", "get", "cpu", self.results), "Maker(R) 9\n")
        self.assertEqual(self.run_module("figures.py", "get", "none", self.results), "\n")

    def test_pairs_are_of_what_both_engines_have(self):
        self.assertEqual(self.run_module("figures.py", "p1", self.results).splitlines(), [
            "1 writer: records/s, ring / mutex|>= 0.97|2",
            "1 writer: records/s, ring / mutex|>= 0.97|0.75",
            "1 writer: p99, ring / mutex|<= 1.1|0.5", "1 writer: p99, ring / mutex|<= 1.1|2"])

    def test_pairs_of_q5_and_q6_are_of_one_round(self):
        self.assertEqual(self.run_module("figures.py", "q5", "null", self.results).splitlines(), [
            "null, 1 writer: records/s, ring / mutex|>= 0.95|0.75"])
        flushers = self.write("flushers", "".join(
            json.dumps({"engine": "ring", "writers": 4, "records_per_s": rate,
                        "options": {"flusher": flusher}}) + "\n"
            for flusher, rate in (("hybrid", 30), ("sequencer", 20), ("leader", 60))))
        self.assertEqual(self.run_module("figures.py", "q6", flushers).splitlines(), [
            "4 writers: records/s, hybrid / sequencer|>= 0.97|1.5",
            "4 writers: records/s, hybrid / leader|>= 0.97|0.5"])

    def table(self, lines, *words):
        pairs = self.write("pairs", "\n".join(lines) + "\n")
        return self.run_module("figures.py", "table", "P1", pairs, *words).splitlines()

    def test_a_table_has_intervals_and_verdicts(self):
        lines = [f"{name}|{target}|{ratio}" for name, target, ratios in (
            ("sure", ">= 0.97", (2, 2.1, 2.2)), ("at the edge", ">= 0.97", (0.9, 1, 1.1)),
            ("slow", ">= 1.8", (1.1, 1.11, 1.12)), ("tail", "<= 1.1", (0.5, 0.51, 0.52)),
            ("long tail", "<= 1.1", (2, 2.01, 2.02)), ("beside", "-", (0.05, 0.06, 0.07)),
            ("twice", ">= 0.97", (2, 2.1)), ("calls", "counted <= 0.05", (0,)))
            for ratio in ratios]
        self.assertEqual(self.table(lines, "markdown"), [
            "| P1 | sure | 2.10 | 1.86 to 2.36 | 3 | >= 0.97 | met |",
            "| P1 | at the edge | 1.00 | 0.78 to 1.28 | 3 | >= 0.97 | cannot tell |",
            "| P1 | slow | 1.11 | 1.09 to 1.14 | 3 | >= 1.8 | missed |",
            "| P1 | tail | 0.51 | 0.49 to 0.54 | 3 | <= 1.1 | met |",
            "| P1 | long tail | 2.01 | 1.99 to 2.04 | 3 | <= 1.1 | missed |",
            "| P1 | beside | 0.0594 | 0.0391 to 0.0903 | 3 |  | reported |",
            "| P1 | twice | 2.05 | 1.50 to 2.79 | 2 | >= 0.97 | cannot tell |",
            "| P1 | calls | 0.00 | - | 1 | <= 0.05 | met |"])

    def test_a_limit_in_the_middle_is_rarely_called_met_or_missed(self):
        source, wrong = random.Random(5), 0
        for _ in range(20):
            lines = [f"{case}|>= 1|{math.exp(source.gauss(0, 0.1))}"
                     for case in range(10) for _ in range(5)]
            wrong += any("cannot tell" not in line for line in self.table(lines))
        self.assertLessEqual(wrong, 3)

    def test_a_first_look_is_a_sentence(self):
        lines = [line(engine, 16, number, rate * number, 100) for number in (1, 2, 3)
                 for engine, rate in (("ring", 2000), ("mutex", 1000))]
        said = self.run_module("figures.py", "first", self.write("first", "\n".join(lines) + "\n"))
        self.assertEqual(said, "first look, durable records/s: ring 4,000, mutex 2,000; ratio 2.00,"
                               " 95 % 1.98 to 2.02: ring is faster\n")
        one = self.write("one", "\n".join(lines[:2]) + "\n")
        said = self.run_module("figures.py", "first", one)
        self.assertIn("ratio 2.00: so few rounds cannot tell", said)

    def test_thirds_are_compared(self):
        for values, words, expected in (
                ([1, 2, 3, 4, 5, 6], ("median", "1.1"), "1.5, of the last 5.5: NOT STEADY"),
                ([5, 2, 9, 4, 5, 3], ("most", "1.1"), "5, of the last 5: steady"),
                ([10, 9, 7], ("median", "0.8"), "10, of the last 7: NOT STEADY")):
            said = self.run_module("figures.py", "thirds", "x", *words,
                                   stdin="".join(f"{value}\n" for value in values))
            self.assertIn(expected, said)

    def test_rotations_are_judged_by_their_median(self):
        self.assertIn("3 lines: 1.40 (<= 1.5: met)",
                      self.run_module("figures.py", "rotations", stdin="1.4\n1\n9\n"))
        self.assertIn("none was measured", self.run_module("figures.py", "rotations"))


if __name__ == "__main__":
    unittest.main()
