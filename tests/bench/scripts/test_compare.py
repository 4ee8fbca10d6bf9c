"""What bench-compare holds against each other, what it makes of drift, and what it says."""

import os
import stat
import sys
import unittest

from support import HERE, Case

import fixture
from benchlib import results, verdict

FAST = {"planted": lambda variant, writers: (variant, writers) == ("ring", 16), "factor": 1.3}
SLOW = {**FAST, "factor": 1 / 1.3}
ROUNDS = 10


class Sides(Case):
    def sweep(self, name, names=("engines",), **how):
        folder = self.path(name)
        fixture.write_sweep(folder, names=names, rounds=ROUNDS, samples=20, **how)
        return results.load(folder)

    def lines(self, name, floors=True, **how):
        """A results file, not a sweep."""
        lines = fixture.engines(fixture.Maker(**{"rounds": ROUNDS, "samples": 20, **how}))
        fixture.add_lines(self.path(name), [line for line in lines if floors or "engine" in line])
        return results.load(self.path(name))

    def claims(self, a, b):
        return {(one.name, one.metric): one.verdict for one in verdict.compare(a, b).found
                if one.verdict in ("better", "worse")}

    def reasons(self, a, b):
        return {one.reason for one in verdict.compare(a, b).found}


class TwoSources(Sides):
    def test_the_same_build_twice_is_no_difference(self):
        for seed in range(1, 13, 2):
            for rounds, scatter in ((3, 0.02), (5, 0.06)):
                how = {"rounds": rounds, "scatter": scatter}
                a = self.lines(f"a{seed}-{rounds}", seed=seed, **how)
                b = self.lines(f"b{seed}-{rounds}", seed=seed + 1, **how)
                self.assertEqual(self.claims(a, b), {})

    def test_a_planted_change_is_found_and_nothing_else(self):
        base = self.sweep("a", seed=1)
        name = "engines: ring 16 writers 512 B"
        faster = self.claims(base, self.sweep("b", seed=2, **FAST))
        self.assertEqual(faster[name, "records_per_s"], "better")
        self.assertEqual(faster[name, "p99_us"], "better")
        slower = self.claims(base, self.sweep("c", seed=3, **SLOW))
        self.assertEqual(slower[name, "records_per_s"], "worse")
        self.assertEqual({key[0] for key in [*faster, *slower]}, {name})

    def test_two_rounds_are_too_few(self):
        a, b = self.lines("a", seed=1, rounds=2), self.lines("b", seed=2, rounds=2, **FAST)
        self.assertEqual(self.reasons(a, b), {"fewer than 3 rounds"})

    def test_what_the_device_did_is_no_verdict(self):
        a, b = self.lines("a", seed=1), self.lines("b", seed=2, sync_us=fixture.SYNC_US * 1.5)
        self.assertEqual(self.claims(a, b), {})
        self.assertIn("drift of the machine may explain it", self.reasons(a, b))

    def test_each_part_has_its_own_drift(self):
        """The device was slower while sizes were measured, and only then."""
        a, b = self.sweep("a", ["engines", "sizes"]), self.sweep("b", ["engines"], seed=2, **FAST)
        fixture.write_sweep(self.path("c"), ["sizes"], seed=3, rounds=ROUNDS,
                            samples=20, sync_us=fixture.SYNC_US * 1.5)
        b.datasets += results.load(self.path("c")).datasets
        found = {key[0].split(":")[0] for key in self.claims(a, b)}
        self.assertEqual(found, {"engines"})
        b.datasets[-1].floors = []
        self.assertEqual({one.reason for one in verdict.compare(a, b).found
                          if one.name.startswith("sizes")}, {"no floors tell what drifted"})

    def test_the_tail_of_the_device_explains_a_tail(self):
        a, b = self.lines("a", seed=1, scatter=0.004), self.lines("b", seed=2, scatter=0.004)
        for row in b.rows:
            row.fields["p99_us"] *= 1.5
        self.assertEqual({key[1] for key in self.claims(a, b)}, {"p99_us"})
        for floor in b.datasets[0].floors:
            floor.update({"p99_us": 2 * floor["p99_us"]} if floor["floor"] == "sync" else {})
        self.assertEqual(self.claims(a, b), {})
        for floor in b.datasets[0].floors:
            floor.pop("p99_us", None)
        self.assertEqual(self.claims(a, b), {})
        self.assertIn("no floors tell what drifted", self.reasons(a, b))

    def test_a_device_in_memory_drifts_with_the_wakes(self):
        slow = {"planted": lambda variant, writers: variant == "ring/mcs", "factor": 1 / 1.5}
        a = self.sweep("a", ["contention"], seed=1)
        b = self.sweep("b", ["contention"], seed=2, **slow)
        self.assertEqual(set(self.claims(a, b).values()), {"worse"})
        for floor in b.datasets[0].floors:
            floor["wakes_per_s"] /= 2
        self.assertEqual(self.claims(a, b), {})
        self.assertIn("drift of the machine may explain it", self.reasons(a, b))
        b.datasets[0].floors.clear()
        self.assertEqual(self.reasons(a, b), {"no floors tell what drifted"})

    def test_the_bounds_around_a_run_tell_its_own_drift(self):
        """They come before the floors of the whole part."""
        a, b = self.lines("a", seed=1), self.lines("b", seed=2, **FAST)
        rates = {id(a): 5000.0, id(b): 5000.0}
        for source in (a, b):
            for row in source.rows:
                rate = rates[id(source)]
                row.fields["bounds"] = [{"bound": "lone-writer syncs/s", "before": rate,
                                         "after": rate * 1.01}]
        self.assertNotEqual(self.claims(a, b), {})
        for row in b.rows:
            for end in ("before", "after"):
                row.fields["bounds"][0][end] *= 1.5
        self.assertNotIn("records_per_s", {key[1] for key in self.claims(a, b)})

    def test_without_floors_a_file_has_no_verdict(self):
        a, b = self.lines("a", floors=False, seed=1), self.lines("b", floors=False, seed=2, **FAST)
        self.assertEqual(self.reasons(a, b), {"no floors tell what drifted"})

    def test_other_machines_are_not_compared(self):
        a, b = self.lines("a", seed=1), self.lines("b", seed=2, **FAST)
        for row in b.rows:
            row.machine = {**row.machine, "cpu": "another"}
        self.assertEqual(self.reasons(a, b), {"different machines"})
        self.assertEqual(verdict.compare(a, b).whole, [])

    def test_interrupted_runs_are_left_out(self):
        a, b = self.lines("a", seed=1), self.lines("b", seed=2)
        for row in b.rows:
            row.interrupted = row.writers == 4
        found = verdict.compare(a, b)
        self.assertNotIn(4, {one.key[1][1] for one in found.found})
        self.assertEqual(found.lonely, 3)

    def test_other_options_are_other_cells(self):
        a, b = self.lines("a", seed=1), self.lines("b", seed=2)
        for other in ({"sync": "dsync"}, {"slot_bytes": 1 << 20}, {"stages_every": 16},
                      {"asked_seconds": 0.1}, {"asked_seconds": None, "records_per_writer": 9}):
            c = self.lines("b", seed=2)
            for row in c.rows:
                row.options = {**row.options, **other}
            self.assertEqual(verdict.compare(a, c).found, [], other)
            self.assertIn(next(iter(other)), verdict.why_none(a, c))
        self.assertNotEqual(verdict.compare(a, b).found, [])


class OneRun(Sides):
    def two_labels(self, names, **how):
        """Two builds of ring and mutex in one interleaved run."""
        maker = fixture.Maker(rounds=ROUNDS, samples=20, **how)
        runs = fixture.cross(writers=[1, 16], variant=names)
        lines = maker.rounds_of([{**run, "engine": run["variant"].split(":")[-1].split("#")[0]}
                                 for run in runs])
        fixture.add_lines(self.path("one.json"), lines)
        return results.load(self.path("one.json"))

    def test_a_baseline_is_side_a(self):
        slow = {"planted": lambda variant, writers: variant == "ring", "factor": 1 / 1.3}
        source = self.two_labels(["baseline:ring", "ring", "baseline:mutex", "mutex"], **slow)
        found = verdict.compare_baseline(source)
        self.assertTrue(found.interleaved)
        rates = {one.name: one.verdict for one in found.found if one.metric == "records_per_s"}
        self.assertEqual({rates[f"ring {words} 512 B"] for words in ("1 writer", "16 writers")},
                         {"worse"})
        self.assertNotIn(rates["mutex 1 writer 512 B"], ("better", "worse"))

    def test_what_a_round_does_to_both_is_no_scatter(self):
        source = self.two_labels(["ring", "ring#2"], scatter=0.002)
        for row in source.rows:
            row.fields["records_per_s"] *= 2 ** row.round
        rates = [one for one in verdict.compare_labels(source, "ring", "ring#2").found
                 if one.metric == "records_per_s"]
        self.assertEqual({one.verdict for one in rates}, {"same"})

    def test_several_runs_of_a_cell_in_a_round_are_paired_in_their_order(self):
        source = self.two_labels(["ring", "mutex"])
        for row in source.rows:
            row.round = 1
        found = verdict.compare_labels(source, "mutex", "ring").found
        self.assertEqual({one.estimate.rounds for one in found}, {ROUNDS})


class Command(Case):
    def test_a_table_and_its_sum(self):
        for name, how in (("a", {"seed": 1}), ("b", {"seed": 2, **FAST})):
            fixture.write_sweep(self.path(name), names=["engines", "contention"], rounds=ROUNDS,
                                samples=20, **how)
        said = self.runs("bench-compare", "a", "b").stdout
        self.assertRegex(said, r"engines: ring 16 writers 512 B +records/s .* 1\.\d+ .* BETTER")
        self.assertRegex(said, r"not interleaved(.|\n)*device's own syncs, B/A: 0\.9\d+\.\.1\.0")
        self.assertRegex(said, r"all 36 cells together +records/s")
        self.assertRegex(said, r"\n111 ratios: \d+ better, 0 worse, \d+ the same within 5 %, \d+ "
                               r"where these rounds cannot tell\n$")

    def test_a_halving_is_found(self):
        """Every ring rate of a sweep halved, and every p99 of it doubled."""
        for rounds in (3, 5, 10):
            maker = fixture.Maker(seed=4, rounds=rounds, scatter=0.05, samples=20)
            lines = [line for make in (fixture.engines, fixture.contention, fixture.sizes)
                     for line in make(maker)]
            fixture.add_lines(self.path(f"a{rounds}"), lines)
            for line in lines:
                if line.get("engine") == "ring":
                    line["records_per_s"] /= 2
                    line["p99_us"] *= 2
            fixture.add_lines(self.path(f"b{rounds}"), lines)
            done = self.script("bench-compare", f"a{rounds}", f"b{rounds}")
            self.assertEqual(done.returncode, 1, done.stderr)
            worse = [row for row in done.stdout.splitlines() if row.endswith("WORSE")]
            self.assertTrue(any("records/s" in row for row in worse))
            self.assertIn(" 0 better,", done.stdout)
            cells = [row for row in worse if "together" not in row]
            self.assertEqual({row.split()[0].split("/")[0] for row in cells}, {"ring"})
            if rounds == 10:
                self.assertEqual(sum("records/s" in row for row in cells), 4 + 5 * 4 + 3)

    def test_two_variants_of_one_run(self):
        fixture.add_lines(self.path("one"), fixture.engines(fixture.Maker(rounds=5)))
        said = self.runs("bench-compare", "one", "--a", "mutex", "--b", "ring").stdout
        self.assertIn("A and B were interleaved", said)
        self.assertRegex(said, r"\n16 writers 512 B +records/s .*BETTER")
        done = self.script("bench-compare", "one", "--a", "ring", "--b", "mutex")
        self.assertEqual(done.returncode, 1)

    def test_help_tells_the_rule(self):
        said = self.runs("bench-compare", "--help").stdout
        for words in ("two one-sided tests", "Holm's correction", "widens the interval"):
            self.assertIn(words, " ".join(said.split()))

    def test_bad_input(self):
        self.refuses("usage: bench-compare A B", "bench-compare")
        self.refuses("usage: bench-compare A B", "bench-compare", "a", "b", "c")
        self.refuses("unrecognized arguments: --no", "bench-compare", "--no", "b")
        self.refuses("--a and --b go together", "bench-compare", "a", "--a", "ring")
        self.refuses("usage: bench-compare A B", "bench-compare", "a", "b", "--a", "x", "--b", "y")
        fixture.add_lines(self.path("a.json"), fixture.ladder(fixture.Maker(rounds=1)))
        fixture.add_lines(self.path("b.json"), fixture.sizes(fixture.Maker(rounds=1)))
        self.refuses("have no cell in common: the nearest cells differ in size (512 and 100)",
                     "bench-compare", "a.json", "b.json")
        self.refuses("b.json: there is no baseline in it; name two files, or two of its variants"
                     " with --a and --b: ring, mutex", "bench-compare", "b.json")
        self.refuses("--b: b.json has no variant 'rign'; do you mean 'ring'?", "bench-compare",
                     "b.json", "--a", "mutex", "--b", "rign")


class CheckVerdicts(Case):
    def setUp(self):
        super().setUp()
        os.makedirs(self.path("build", "bench"))
        for name in ("logfile", "bench/soak", "logfile-bench"):
            self.write(f"build/{name}",
                       f'#!/bin/sh\nexec "{sys.executable}" "{HERE}/fake_bench.py" "$@"\n')
            os.chmod(self.path("build", name), stat.S_IRWXU)

    def test_a_variant_against_itself(self):
        said = self.runs("check-verdicts", "--build", "build", "--families", "3").stdout
        self.assertRegex(said, r"family 2, delay:20: 12 ratios, 0 called different\n")
        self.assertRegex(said, r"\n0 of 3 families hold a claim .*; of 36 ratios \d+ are the same")

    def test_bad_input(self):
        self.refuses("--rounds: 2 is less than 3", "check-verdicts", "--rounds", "2")
        self.refuses("--families: invalid int value", "check-verdicts", "--families", "x")
        self.refuses("ring,ring: refused", "check-verdicts", "--build", "build",
                     FAKE_REFUSE="ring,ring")


if __name__ == "__main__":
    unittest.main()
