"""Why, when not and how far: causes, the map, the knee, scaling, and the fine histogram."""

import base64
import itertools
import json
import math
import random
import struct
import unittest
import zlib

from support import Case

import fixture
from benchlib import causes, curves, hdr, linear, map as break_even, results, stats, usl

LEVELS = {"reserve": ("mutex", "faa"), "gather": ("off", "on"), "flusher": ("leader", "hybrid"),
          "wait": ("block", "adaptive")}


def line(variant, writers, rate, number, engine=None, device=None, **more):
    load = more.pop("load", None)
    options = {"round": number, "window": 1, "size_min": 512, "size_max": 512, "reserve": "faa",
               "flusher": "hybrid", "wait": "adaptive", "publish_shards": 8, "variant_flags": [],
               **more.pop("options", {})}
    return {"engine": engine or variant.split("/")[0], "variant": variant, "writers": writers,
            "records_per_s": rate, "device": device or {"kind": "file"}, "options": options,
            "load": load, **more}


def rows_of(lines):
    return [results.Result(one) for one in lines]


class Cube:
    """Runs of the crossed design whose logarithms add up as they are told to."""

    def __init__(self, factors=tuple(LEVELS), rounds=5, scatter=0.02, seed=1, **effects):
        self.factors = factors
        self.rounds = rounds
        self.effects = effects
        self.scatter = scatter
        self.random = random.Random(seed)

    def log(self, levels):
        """Of the ring with these settings (0 or 1 by factor), before scatter."""
        total = 0.0
        for name, effect in self.effects.items():
            total += effect * math.prod(levels.get(part, 1) for part in name.split("_x_"))
        return total

    def options(self, levels):
        named = {factor: LEVELS[factor][level] for factor, level in levels.items()}
        if named.pop("gather", "on") == "off":
            named["variant_flags"] = ["no_gather"]
        return named

    def lines(self, writers=16):
        found = []
        for number in range(1, self.rounds + 1):
            shock = self.random.gauss(0, 0.5)
            for bits in itertools.product((0, 1), repeat=len(self.factors)):
                levels = dict(zip(self.factors, bits))
                rate = math.exp(10 + shock + self.log(levels) + self.random.gauss(0, self.scatter))
                name = "/".join(["ring", *(LEVELS[key][level] for key, level in levels.items())])
                found.append(line(name, writers, rate, number, options=self.options(levels)))
            rate = math.exp(10 + shock - 0.4 + self.random.gauss(0, self.scatter))
            found.append(line("mutex", writers, rate, number))
        return found


class Causes(unittest.TestCase):
    def effects(self, lines):
        return {one.name: one for one in causes.effects(rows_of(lines))}

    def test_main_effects_and_interactions_are_told_apart(self):
        found = self.effects(Cube(flusher=0.3, wait=-0.2, gather_x_flusher=0.2).lines())
        expected = {"reservation": 0.0, "gather": 0.1, "flusher": 0.4, "wait": -0.2,
                    "gather x flusher": 0.2, "reservation x wait": 0.0, "flusher x wait": 0.0}
        for name, log in expected.items():
            self.assertAlmostEqual(found[name].estimate.mean, log, delta=0.03, msg=name)
        verdicts = {name: found[name].estimate.verdict for name in expected}
        self.assertEqual(verdicts, {"reservation": "same", "gather": "better", "flusher": "better",
                                    "wait": "worse", "gather x flusher": "better",
                                    "reservation x wait": "same", "flusher x wait": "same"})

    def test_what_rounds_do_to_all_is_no_scatter(self):
        found = self.effects(Cube(scatter=0.001).lines())
        self.assertLess(found["flusher"].estimate.high / found["flusher"].estimate.low, 1.01)

    def test_the_lock_is_a_row_of_its_own_always(self):
        found = self.effects(Cube(reserve=0.1).lines())
        lock = found["the lock alone"]
        self.assertEqual(lock.kind, causes.LOCK)
        self.assertAlmostEqual(lock.estimate.mean, 0.1, delta=0.04)
        without = self.effects(Cube(("flusher", "wait")).lines())
        self.assertIsNone(without["the lock alone"].estimate)
        self.assertNotIn("reservation", without)
        alone = [line(f"ring/{lock}", 2, rate + number, number, options={"reserve": lock})
                 for lock, rate in (("faa", 2000.0), ("mutex", 1000.0)) for number in (1, 2, 3)]
        self.assertEqual(list(self.effects(alone)), ["the lock alone"])
        self.assertEqual(self.effects(alone)["the lock alone"].estimate.verdict, "better")

    def test_the_whole_and_what_the_exchange_of_the_engine_brings(self):
        found = self.effects(Cube(flusher=0.3, gather=0.2).lines())
        self.assertAlmostEqual(found["ring over mutex"].estimate.mean, 0.9, delta=0.05)
        self.assertAlmostEqual(found["exchange of the engine"].estimate.mean, 0.4, delta=0.05)

    def test_each_point_has_its_own_effects(self):
        found = causes.effects(rows_of(Cube(flusher=0.3).lines(16) + Cube(seed=2).lines(1)))
        means = {one.writers: one.estimate.mean for one in found if one.name == "flusher"}
        self.assertAlmostEqual(means[16], 0.3, delta=0.03)
        self.assertAlmostEqual(means[1], 0.0, delta=0.03)

    def test_runs_of_two_files_are_two_points(self):
        rows, others = rows_of(Cube(flusher=0.3).lines()), rows_of(Cube(seed=2).lines())
        for row in others:
            row.file = "other"
            row.fields["records_per_s"] *= 4
        found = [one.estimate.mean for one in causes.effects(rows + others)
                 if one.name == "flusher"]
        self.assertEqual(len(found), 2)
        self.assertAlmostEqual(found[0], 0.3, delta=0.03)
        self.assertAlmostEqual(found[1], 0.0, delta=0.03)

    def test_nothing_is_found_where_nothing_is(self):
        wrong = 0
        for seed in range(100):
            lines = [one for one in Cube(scatter=0.1, rounds=3, seed=seed).lines()
                     if one["variant"] != "mutex"]
            wrong += any(one.estimate.verdict in ("better", "worse")
                         for one in causes.effects(rows_of(lines)))
        self.assertLessEqual(wrong, 9)

    def test_an_incomplete_design_loses_rows_and_not_the_rest(self):
        lines = [one for one in Cube(("reserve", "flusher"), flusher=0.3).lines()
                 if one["variant"] != "ring/mutex/leader"]
        found = self.effects(lines)
        self.assertAlmostEqual(found["reservation"].estimate.mean, 0.0, delta=0.05)
        self.assertNotIn("reservation x flusher", found)

    def test_ladders_and_baselines_are_no_factors(self):
        lines = Cube(flusher=0.3).lines()
        for one in lines:
            one["rung"] = 1
        self.assertEqual(causes.effects(rows_of(lines)), [])


class Linear(unittest.TestCase):
    def test_it_finds_what_was_put_in(self):
        source = random.Random(1)
        columns = [[source.gauss(0, 1) for _ in range(40)] for _ in range(3)]
        target = [2 * a - b + 0.5 * c for a, b, c in zip(*columns)]
        fitted = linear.least_squares(columns, target)
        for value, expected in zip(fitted.values, (2, -1, 0.5)):
            self.assertAlmostEqual(value, expected)
        self.assertEqual(fitted.freedom, 37)

    def test_a_column_that_tells_nothing_new_is_left_out(self):
        fitted = linear.least_squares([[1, 2, 3, 4], [2, 4, 6, 8]], [1, 2, 3, 4])
        self.assertAlmostEqual(fitted.values[0], 1)
        self.assertIsNone(fitted.values[1])


class Map(unittest.TestCase):
    def rows(self, ratio_of, rounds=6):
        source, lines = random.Random(1), []
        devices = [{"kind": "null"}, *({"kind": "delay", "delay_us": us} for us in (5, 50, 500)),
                   {"kind": "file"}]
        for device, writers, number in itertools.product(devices, (1, 4), range(1, rounds + 1)):
            shock = math.exp(source.gauss(0, 0.5))
            for variant in ("ring", "mutex"):
                us = device.get("delay_us", 200 if device["kind"] == "file" else 0)
                rate = 1000 * shock * math.exp(source.gauss(0, 0.01))
                rate *= ratio_of(writers, us) if variant == "ring" else 1
                lines.append(line(variant, writers, rate, number, device=device))
        return rows_of(lines)

    def test_ratios_and_break_even(self):
        floors = [{"floor": "sync", "p50_us": p50} for p50 in (210.0, 190.0)]
        made = break_even.make(self.rows(lambda writers, us: 1 if writers == 1 else
                                         0.5 if us < 10 else 1.5), floors)
        self.assertEqual((made.writers, made.syncs_us), ([1, 4], [0, 5, 50, 500]))
        self.assertAlmostEqual(made.at(4, 50).ratio, 1.5, delta=0.05)
        self.assertEqual(made.at(1, 5).verdict, "same")
        self.assertEqual(made.break_even(4), (5, 50))
        self.assertEqual(made.break_even(1), (None, None))
        self.assertEqual(made.disk_us, 200.0)
        self.assertAlmostEqual(made.disk[4].ratio, 1.5, delta=0.05)
        self.assertEqual([us for us, _ in made.row(4)], [0, 5, 50, 200.0, 500])

    def test_runs_of_two_files_are_not_paired(self):
        """The machine was four times as fast during the second."""
        rows, others = self.rows(lambda *_: 1.0), self.rows(lambda *_: 1.0)
        for row in others:
            row.file = "other"
            row.fields["records_per_s"] *= 4
        made = break_even.make(rows + [row for row in others if row.variant == "mutex"])
        self.assertEqual(made.at(4, 50).verdict, "same")
        self.assertEqual(made.at(4, 50).rounds, 6)
        self.assertEqual(break_even.make(rows + others).at(4, 50).rounds, 12)

    def test_one_engine_makes_no_map(self):
        rows = [row for row in self.rows(lambda *_: 1) if row.variant == "ring"]
        self.assertIsNone(break_even.make(rows))


class Knee(unittest.TestCase):
    def rows(self, past):
        return rows_of([line("ring", 16, min(rate, 900) + number, number, p50_us=rate,
                             p99_us=3 * rate, options={"rate": rate + number},
                             load={"kind": "open", "arrivals": "poisson", "share": rate / 1000,
                                   "past_knee": past(rate), "late_p99_us": 50.0})
                        for rate in (250, 500, 950) for number in (1, 2, 3)])

    def test_a_curve_ends_before_the_knee(self):
        one, = curves.curves(self.rows(lambda rate: rate > 900))
        self.assertEqual([point.share for point in one.points], [0.25, 0.5])
        self.assertEqual((one.knee, one.arrivals), (952, "poisson"))
        self.assertEqual((one.points[0].p99_us, one.points[0].late_p99_us), (750, 50.0))
        one, = curves.curves(self.rows(lambda rate: False))
        self.assertEqual((len(one.points), one.knee), (3, None))

    def test_an_older_bench_did_not_say_where_the_knee_is(self):
        rows = rows_of([line("ring", 4, min(rate, 900.0), 1, p99_us=1.0, options={"rate": rate})
                        for rate in (500.0, 2000.0)])
        one, = curves.curves(rows)
        self.assertEqual(([point.offered for point in one.points], one.knee), ([500.0], 2000.0))


class Scaling(unittest.TestCase):
    def points(self, writers, contention, crosstalk, rounds=5, scatter=0.02, seed=7):
        source = random.Random(seed)
        return [(n, usl.law(n, 1000.0, contention, crosstalk) * math.exp(source.gauss(0, scatter)))
                for n in writers for _ in range(rounds)]

    def test_it_finds_what_was_put_in(self):
        covered = 0
        for seed in range(20):
            fit = usl.fit(self.points((1, 2, 4, 8, 16, 32), 0.05, 0.001, seed=seed), 32)
            self.assertTrue(fit.identifiable)
            for one, truth in zip((fit.rate, fit.contention, fit.crosstalk), (1000, 0.05, 0.001)):
                self.assertAlmostEqual(one[0], truth, delta=0.5 * truth)
                covered += one[1] <= truth <= one[2]
            self.assertAlmostEqual(fit.peak, math.sqrt(0.95 / 0.001), delta=6)
        self.assertGreaterEqual(covered, 48)

    def test_no_coefficient_is_negative(self):
        fit = usl.fit(self.points((1, 2, 4, 8), 0.0, 0.0, scatter=0.1), 8)
        self.assertGreaterEqual(min(*fit.contention, *fit.crosstalk), 0)

    def test_few_processors_do_not_identify_it(self):
        points = self.points((1, 2, 4, 16, 64), 0.05, 0.001)
        fit = usl.fit(points, 2)
        self.assertFalse(fit.identifiable)
        self.assertIn("not identifiable: 2 numbers of writers up to 2 processors", fit.reason)
        self.assertIsNone(fit.at(4))
        self.assertTrue(usl.fit(points, 64).identifiable)
        self.assertIsNone(usl.fit([]))
        one = usl.fit(self.points((1, 2, 4, 8), 0.05, 0.001, rounds=1), 8)
        self.assertIn("one round", one.reason)


def encode_number(value):
    rest = (value << 1) ^ (value >> 63)
    rest &= (1 << 64) - 1
    found = bytearray()
    while rest >= 128 and len(found) < 8:
        found.append(rest & 127 | 128)
        rest >>= 7
    return bytes(found) + bytes([rest])


def encode(counts, digits=2, cookie=0x1C849313):
    """Of {bucket: count}, with Python's zlib."""
    payload, following = b"", 0
    for index in sorted(counts):
        payload += encode_number(following - index) if index > following else b""
        payload += encode_number(counts[index])
        following = index + 1
    inner = struct.pack(">IIIIqqd", cookie, len(payload), 0, digits, 1, 3600 * 10 ** 9, 1.0)
    packed = zlib.compress(inner + payload)
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(packed)) + packed).decode()


class Histogram(unittest.TestCase):
    def test_counts_and_values(self):
        """Two digits: one value a bucket below 256, two to a bucket from there, then four."""
        text = encode({0: 1, 100: 5, 255: 2, 256: 3, 383: 1, 384: 1 << 40})
        self.assertEqual(hdr.decode(text), [(0, 1), (100, 5), (255, 2), (257, 3), (511, 1),
                                            (515, 1 << 40)])
        self.assertEqual(hdr.decode(encode({2047: 7, 2048: 1}, digits=3)), [(2047, 7), (2049, 1)])
        self.assertEqual(hdr.decode(encode({})), [])

    def test_what_is_none_is_refused(self):
        good = encode({5: 1, 70: 3})
        for text in ("", "x", "AAAA", good[:-8], good[:20] + good[24:], encode({1: 1}, cookie=7),
                     encode({1: 1}, digits=9), base64.b64encode(b"\0" * 60).decode(),
                     encode({1 << 40: 1})):
            with self.assertRaises(ValueError, msg=text):
                hdr.decode(text)

    def test_whatever_is_damaged_is_refused_or_read(self):
        raw = bytearray(base64.b64decode(encode({5: 1, 70: 300, 999: 12})))
        for at, value in itertools.product(range(len(raw)), (0, 1, 128, 255)):
            damaged = bytes(raw[:at]) + bytes([value]) + bytes(raw[at + 1:])
            try:
                hdr.decode(base64.b64encode(damaged).decode())
            except ValueError:
                pass

    def test_percentiles_end_where_the_data_ends(self):
        counts = [(value, 1) for value in range(1, 1001)]
        self.assertEqual(hdr.percentile(counts, 50), 500)
        self.assertEqual(hdr.percentile(counts, 99), 990)
        self.assertIsNone(hdr.percentile(counts, 99.9))
        self.assertEqual(hdr.percentile(counts, 99.9, least_beyond=1), 999)
        self.assertIsNone(hdr.percentile([], 50))
        self.assertEqual(hdr.pool([[(1, 2)], [(1, 3), (4, 1)]]), [(1, 5), (4, 1)])


class Command(Case):
    def test_all_that_the_results_hold(self):
        lines = Cube(flusher=0.3).lines()
        for one in lines:
            one["fairness"] = {"jain": 0.875, "least_over_mean": 0.25, "most_over_mean": 2.0}
        fixture.add_lines(self.path("cube.json"), lines)
        said = self.runs("bench-explain", "cube.json").stdout
        self.assertRegex(said, r"\nflusher +1\.3\d .*better\n")
        self.assertRegex(said, r"\nthe lock alone +\d")
        self.assertRegex(said, r"0\.875 +0\.25 +2\n")
        self.assertRegex(self.runs("bench-explain", "cube.json", "causes").stdout, r"^Causes .*, cube.json, ")

    def test_scaling_says_when_it_cannot_tell(self):
        fixture.add_lines(self.path("one.json"), fixture.engines(fixture.Maker(samples=20)))
        said = self.runs("bench-explain", "one.json", "scaling").stdout
        self.assertIn("not identifiable: 1 number of writers up to 2 processors", said)

    def test_bad_input(self):
        self.refuses("bench-explain", "bench-explain")
        fixture.add_lines(self.path("one.json"), fixture.sizes(fixture.Maker(samples=20)))
        self.refuses("'foo' is not one of causes, map", "bench-explain", "one.json", "foo")
        self.refuses("one.json: nothing in it tells of causes", "bench-explain", "one.json",
                     "causes")
        for key, value in (("hdr", "x"), ("bounds", [1]), ("series", [[1]]),
                           ("load", {"share": "a"})):
            self.write("bad.json", json.dumps({**line("ring", 1, 1.0, 1), key: value}) + "\n")
            self.refuses("bad.json:1", "bench-explain", "bad.json")


if __name__ == "__main__":
    unittest.main()
