"""When bench-compare calls something a difference, and when not."""

import math
import random
import unittest

from support import Case

import fixture
from benchlib import results, verdict

FAST = {"planted": lambda variant, writers: (variant, writers) == ("ring", 16), "factor": 1.3}
SLOW = {**FAST, "factor": 1 / 1.3}


class Verdicts(Case):
    def sweep(self, name, names=("engines",), **how):
        folder = self.path(name)
        fixture.write_sweep(folder, names=names, **how)
        return results.load(folder)

    def lines(self, name, floors=True, **how):
        """A results file, not a sweep."""
        lines = fixture.engines(fixture.Maker(**how))
        fixture.add_lines(self.path(name), [line for line in lines if floors or "engine" in line])
        return results.load(self.path(name))

    def verdicts(self, a, b):
        found = verdict.compare(a, b)[0]
        return {(one.name, one.metric): one.verdict for one in found if one.verdict}

    def reasons(self, a, b):
        return {one.reason for one in verdict.compare(a, b)[0]}

    def test_the_same_build_twice_is_no_difference(self):
        for seed in range(1, 13, 2):
            for rounds, scatter in ((3, 0.02), (5, 0.06)):
                how = {"rounds": rounds, "scatter": scatter}
                a = self.lines(f"a{seed}-{rounds}", seed=seed, **how)
                b = self.lines(f"b{seed}-{rounds}", seed=seed + 1, **how)
                self.assertEqual(self.verdicts(a, b), {})

    def test_a_planted_change_is_found_and_nothing_else(self):
        base = self.sweep("a", seed=1)
        name = "engines: ring 16 writers 512 B"
        faster = self.verdicts(base, self.sweep("b", seed=2, **FAST))
        self.assertEqual(faster[name, "records_per_s"], "better")
        slower = self.verdicts(base, self.sweep("c", seed=3, **SLOW))
        self.assertEqual(slower[name, "records_per_s"], "worse")
        self.assertEqual({key[0] for key in [*faster, *slower]}, {name})

    def test_latency_is_better_when_it_is_less(self):
        a = self.lines("a", seed=1, scatter=0.004)
        b = self.lines("b", seed=2, scatter=0.004, **FAST)
        self.assertEqual(self.verdicts(a, b)["ring 16 writers 512 B", "p99_us"], "better")

    def test_two_rounds_are_too_few(self):
        a, b = self.lines("a", seed=1, rounds=2), self.lines("b", seed=2, rounds=2, **FAST)
        self.assertEqual(self.reasons(a, b), {"fewer than 3 rounds"})

    def test_what_the_device_did_is_no_verdict(self):
        a, b = self.lines("a", seed=1), self.lines("b", seed=2, sync_us=fixture.SYNC_US * 1.5)
        self.assertEqual(self.verdicts(a, b), {})
        self.assertIn("drift explains it", self.reasons(a, b))

    def test_each_part_has_its_own_drift(self):
        """The device was slower while sizes were measured, and only then."""
        a, b = self.sweep("a", ["engines", "sizes"]), self.sweep("b", ["engines"], seed=2, **FAST)
        fixture.write_sweep(self.path("c"), ["sizes"], seed=3, sync_us=fixture.SYNC_US * 1.5)
        b.datasets += results.load(self.path("c")).datasets
        found = {key[0].split(":")[0] for key in self.verdicts(a, b)}
        self.assertEqual(found, {"engines"})
        b.datasets[-1].floors = []
        self.assertEqual({one.reason for one in verdict.compare(a, b)[0]
                          if one.name.startswith("sizes") and one.metric == "records_per_s"
                          and one.high < 1 / 1.3}, {"no floors to tell drift"})

    def test_the_tail_of_the_device_explains_a_tail(self):
        a, b = self.lines("a", seed=1, scatter=0.004), self.lines("b", seed=2, scatter=0.004)
        for row in b.rows:
            row.fields["p99_us"] *= 1.5
        self.assertEqual(set(self.verdicts(a, b).values()), {"worse"})
        for floor in b.datasets[0].floors:
            floor.update({"p99_us": 2 * floor["p99_us"]} if floor["floor"] == "sync" else {})
        self.assertEqual(self.verdicts(a, b), {})
        for floor in b.datasets[0].floors:
            floor.pop("p99_us", None)
        self.assertEqual(self.verdicts(a, b), {})
        self.assertIn("no floors to tell drift", self.reasons(a, b))

    def test_a_device_in_memory_drifts_with_the_wakes(self):
        slow = {"planted": lambda variant, writers: variant == "ring/mcs", "factor": 1 / 1.5}
        a = self.sweep("a", ["contention"], seed=1)
        b = self.sweep("b", ["contention"], seed=2, **slow)
        self.assertEqual(set(self.verdicts(a, b).values()), {"worse"})
        for floor in b.datasets[0].floors:
            floor["wakes_per_s"] /= 2
        self.assertEqual(self.verdicts(a, b), {})
        self.assertIn("drift explains it", self.reasons(a, b))
        b.datasets[0].floors.clear()
        self.assertIn("no floors to tell drift", self.reasons(a, b))

    def test_without_floors_a_file_has_no_verdict(self):
        a, b = self.lines("a", floors=False, seed=1), self.lines("b", floors=False, seed=2, **FAST)
        self.assertEqual(self.verdicts(a, b), {})
        self.assertIn("no floors to tell drift", self.reasons(a, b))

    def test_other_machines_are_not_compared(self):
        a, b = self.lines("a", seed=1), self.lines("b", seed=2, **FAST)
        for row in b.rows:
            row.machine = {**row.machine, "cpu": "another"}
        self.assertEqual(self.reasons(a, b), {"different machines"})

    def test_interrupted_runs_are_left_out(self):
        a, b = self.lines("a", seed=1), self.lines("b", seed=2)
        for row in b.rows:
            row.interrupted = row.writers == 4
        found, _, lonely = verdict.compare(a, b)
        self.assertNotIn(4, {one.key[1][1] for one in found})
        self.assertEqual(lonely, 3)

    def test_other_options_are_other_cells(self):
        a, b = self.lines("a", seed=1), self.lines("b", seed=2)
        for other in ({"sync": "dsync"}, {"slot_bytes": 1 << 20}, {"stages_every": 16},
                      {"asked_seconds": 0.1}, {"asked_seconds": None, "records_per_writer": 9}):
            c = self.lines("b", seed=2)
            for row in c.rows:
                row.options = {**row.options, **other}
            self.assertEqual(verdict.compare(a, c)[0], [], other)
        self.assertNotEqual(verdict.compare(a, b)[0], [])


class Rule(unittest.TestCase):
    """Each condition by itself, where all the others hold."""

    def objection(self, a, b, ratio_count=1, least_variance=0.0, drift=(1.0, 1.0)):
        one = verdict.Comparison(None, "cell", "records_per_s", True, a, b)
        return verdict.objection(one, drift, ratio_count, least_variance)

    def test_nothing_to_object(self):
        self.assertIsNone(self.objection([1.0, 1.01, 1.02], [1.3, 1.31, 1.32]))

    def test_overlap(self):
        a, b = [1.0] * 9 + [1.4], [1.3] * 10
        self.assertEqual(self.objection(a, b), "the rounds overlap")

    def test_small_change(self):
        a, b = [1.0, 1.001, 1.002], [1.03, 1.031, 1.032]
        self.assertEqual(self.objection(a, b), "less than 5 % apart")

    def test_scatter_and_how_many_were_asked(self):
        a, b = [1.0, 1.05, 1.1], [1.2, 1.25, 1.3]
        self.assertIsNone(self.objection(a, b))
        self.assertEqual(self.objection(a, b, ratio_count=1000), "within the scatter")

    def test_rounds_that_happen_to_agree(self):
        a, b = [1.0, 1.0, 1.0], [1.2, 1.2, 1.2]
        self.assertIsNone(self.objection(a, b))
        self.assertEqual(self.objection(a, b, least_variance=0.02), "within the scatter")

    def test_drift(self):
        a, b = [1.0, 1.01, 1.02], [1.3, 1.31, 1.32]
        self.assertEqual(self.objection(a, b, drift=(0.9, 1.28)), "drift explains it")
        self.assertIsNone(self.objection(a, b, drift=(0.9, 1.25)))
        self.assertEqual(self.objection(a, b, drift=None), "no floors to tell drift")


class Chance(unittest.TestCase):
    """Nothing has changed: how many whole comparisons say that something has?"""

    COMPARISONS = 400

    def false_share(self, scatters, rounds, seed=1):
        """Of comparisons in which the cells scatter by these logarithms."""
        source = random.Random(seed)
        wrong = sum(self.finds_something(source, scatters, rounds)
                    for _ in range(self.COMPARISONS))
        return wrong / self.COMPARISONS

    @staticmethod
    def finds_something(source, scatters, rounds):
        found = []
        for scatter in scatters:
            sides = [[math.exp(source.gauss(0, scatter)) for _ in range(rounds)]
                     for _ in range(2)]
            found.append(verdict.Comparison(None, "cell", "records_per_s", True, *sides))
        variance = verdict.least_variances(found)["records_per_s"]
        for one in found:
            verdict.judge(one, (1.0, 1.0), len(found), variance)
        return any(one.verdict for one in found)

    def test_a_build_against_itself(self):
        for name, scatters in (("mixed", [0.01, 0.15] * 12), ("restless", [0.15] * 24),
                               ("one among many", [0.02] * 23 + [0.3])):
            for rounds in (3, 5):
                with self.subTest(name, rounds=rounds):
                    self.assertLessEqual(self.false_share(scatters, rounds), 0.05)

    def test_the_simulation_can_tell(self):
        """The same with a prior that counts where a cell's own variance is the larger one."""
        freedom = verdict.PRIOR_FREEDOM
        honest = verdict.Comparison.freedom
        try:
            verdict.Comparison.freedom = property(lambda one: honest.fget(one) + freedom)
            self.assertGreater(self.false_share([0.01, 0.15] * 12, 3), 0.05)
        finally:
            verdict.Comparison.freedom = honest


class Command(Case):
    def test_a_table_and_its_sum(self):
        fixture.write_sweep(self.path("a"), names=["engines", "contention"], seed=1)
        fixture.write_sweep(self.path("b"), names=["engines", "contention"], seed=2, **FAST)
        said = self.runs("bench-compare", "a", "b").stdout
        self.assertRegex(said, r"engines: ring 16 writers 512 B +records/s .* 1\.\d\d +.* BETTER")
        self.assertRegex(said, r"the device's own syncs, B/A: 0\.9\d\.\.1\.0\d")
        self.assertRegex(said, r"\n72 ratios: \d+ better, 0 worse, \d+ without a verdict\n$")

    def test_help_tells_the_rule(self):
        said = self.runs("bench-compare", "--help").stdout
        self.assertIn("at least 3 whole rounds", said)
        self.assertIn("drift does not explain it", said)

    def test_bad_input(self):
        self.refuses("usage: bench-compare A B", "bench-compare")
        self.refuses("usage: bench-compare A B", "bench-compare", "a", "b", "c")
        self.refuses("usage: bench-compare A B", "bench-compare", "--no", "b")
        fixture.add_lines(self.path("a.json"), fixture.ladder(fixture.Maker(rounds=1)))
        fixture.add_lines(self.path("b.json"), fixture.sizes(fixture.Maker(rounds=1)))
        self.refuses("have no cell in common", "bench-compare", "a.json", "b.json")


if __name__ == "__main__":
    unittest.main()
