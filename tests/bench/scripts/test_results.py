"""Reading results, and the few statistics: medians, paired ratios, percentiles."""

import json
import unittest

from support import Case

import fixture
from benchlib import page, parts, results, stats, style, verdict, wording


def row(**fields):
    return {"engine": "ring", "writers": 1, "records_per_s": 1.0, **fields}


def keys_of(line):
    """Of a line, and of what is in it."""
    inner = [[key, name] for key, value in line.items() if isinstance(value, dict)
             for name in value]
    return [[key] for key in line] + inner


def put(line, path, value):
    for key in path[:-1]:
        line = line[key]
    line[path[-1]] = value


class Statistics(unittest.TestCase):
    def test_median(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 2, 3]), 2.5)
        self.assertEqual(stats.median([7]), 7)

    def test_pooling_adds_counts_of_equal_edges(self):
        pooled = stats.pool([[[1.0, 2], [4.0, 1]], [[1.0, 3], [2.0, 5]]])
        self.assertEqual(pooled, [[1.0, 5], [2.0, 5], [4.0, 1]])

    def test_shares_count_with_the_ends_of_buckets(self):
        points = stats.slower_shares([[8.0, 90], [16.0, 9], [64.0, 1]])
        self.assertEqual(points, [(1.0, 8.0), (0.1, 9.0), (0.01, 18.0), (0.01, 72.0)])

    def test_words(self):
        self.assertEqual(wording.time_us(0.25), "250 ns")
        self.assertEqual(wording.time_us(1234), "1.23 ms")
        self.assertEqual(wording.count(51234), "51,200")
        self.assertEqual(wording.short(1500000), "1.5M")
        self.assertEqual(wording.size(4096), "4 KiB")
        self.assertEqual(wording.clock(61), "1:01")


class Pairs(unittest.TestCase):
    def cell(self, variant, rates):
        rows = [results.Result(row(variant=variant, records_per_s=rate, options={"round": number}))
                for number, rate in rates.items()]
        return results.Cell(rows)

    def test_ratios_are_taken_within_rounds(self):
        ring = self.cell("ring", {1: 30.0, 2: 10.0, 3: 20.0})
        mutex = self.cell("mutex", {3: 10.0, 1: 10.0, 2: 5.0})
        self.assertEqual(results.paired_ratios(ring, mutex), [3.0, 2.0, 2.0])

    def test_a_round_without_partner_has_no_ratio(self):
        ring = self.cell("ring", {1: 30.0, 2: 10.0})
        self.assertEqual(results.paired_ratios(ring, self.cell("mutex", {2: 4.0})), [2.5])

    def test_an_interrupted_run_counts_only_alone(self):
        whole = results.Result(row(options={"round": 1}))
        cut = results.Result(row(records_per_s=9.0, options={"round": 2, "interrupted": True}))
        self.assertEqual(results.Cell([whole, cut]).mid("records_per_s"), 1.0)
        self.assertEqual(results.Cell([cut]).mid("records_per_s"), 9.0)
        self.assertTrue(results.Cell([whole, cut]).interrupted)


class Colours(unittest.TestCase):
    def test_no_engine_has_the_colour_of_a_stage(self):
        for palette in (style.LIGHT, style.DARK):
            values = style.values_of(palette)
            stages = [values[f"s-{name}"] for name in style.STAGES]
            engines = [values[name] for name in style.COLOURS]
            self.assertEqual(len(set(stages + engines)), len(stages) + len(engines))
            brightness = [sum(bytes.fromhex(value[1:])) for value in stages]
            self.assertIn(brightness, (sorted(brightness), sorted(brightness, reverse=True)))


class Reading(Case):
    def bad(self, text, expected, at):
        path = self.write("bad.json", text)
        with self.assertRaises(results.BadInput) as caught:
            results.load(path)
        self.assertEqual(str(caught.exception), f"{path}{at}: {expected}")
        self.refuses(f"bad.json{at}: {expected}", "bench-report", "bad.json")
        self.refuses(f"bad.json{at}: {expected}", "bench-compare", "bad.json", "bad.json")

    def test_broken_lines_are_named(self):
        good = json.dumps(row()) + "\n"
        self.bad(good + "{\n", "not JSON", ":2")
        self.bad(good + "\n[1]\n", "not a JSON object", ":3")
        self.bad(good + '{"a":1}\n', "neither a result nor a floor of logfile-bench", ":2")
        self.bad('{"engine":"ring","writers":"4"}\n',
                 "'writers' is missing or not what it should be", ":1")
        self.bad(json.dumps(row(writers=0)) + "\n", "'writers' is 0", ":1")
        self.bad('{"engine":"ring","writers":4}\n',
                 "'records_per_s' is missing or not what it should be", ":1")
        self.bad('{"floor":"sync"}\n', "a floor without 'syncs_per_s'", ":1")
        self.bad(json.dumps(row(options=[])) + "\n", "'options' is not an object", ":1")
        self.bad(json.dumps(row(latency_histogram=5)) + "\n",
                 "'latency_histogram' is not a list of pairs of numbers", ":1")

    def test_values_that_cannot_be(self):
        for fields, expected in (
                ({"p99_us": "a"}, "'p99_us' is not a number"),
                ({"p99_us": 1e308}, "'p99_us' is not a number"),
                ({"p99_us": float("nan")}, "not JSON"),
                ({"records_per_s": -1.0}, "'records_per_s' is missing or not what it should be"),
                ({"variant": 7}, "'variant' is not a text"),
                ({"rung": 1.5}, "'rung' is not a whole number"),
                ({"latency_histogram": [1]},
                 "'latency_histogram' is not a list of pairs of numbers"),
                ({"zero_fill_histogram": [[1, 0.5]]},
                 "'zero_fill_histogram' is not a list of pairs of numbers"),
                ({"zero_sync_ns": "a"}, "'zero_sync_ns' is not a number"),
                ({"batch_histogram": ["a"]}, "'batch_histogram' is not a list of whole numbers"),
                ({"batch_histogram": [1] * 2000},
                 "'batch_histogram' is not a list of whole numbers"),
                ({"options": {"window": 0}}, "'options.window' is not a whole number from 1"),
                ({"machine": {"cpu": []}}, "'machine.cpu' is not a text"),
                ({"stages_us": {"sync": {}}}, "'stages_us.sync' is not a number"),
                ({"placement": {"pin": [1]}}, "'placement.pin' is not a text or a number"),
                ({"settings": "\ud800"}, "not JSON")):
            self.bad(json.dumps(row(**fields)) + "\n", expected, ":1")
        self.bad('{"floor":"wake","wakes_per_s":1,"threads":"a"}\n',
                 "'threads' is not a whole number from 1", ":1")
        self.bad('{"floor":"sync","syncs_per_s":NaN}\n', "not JSON", ":1")
        self.bad("[" * 100000 + "\n", "not JSON", ":1")

    def test_whatever_a_key_holds_is_refused_or_shown(self):
        lines = fixture.engines(fixture.Maker(rounds=1))[:7]
        for line in lines[1:]:
            line["latency_histogram"] = [[1.0, 2], [8.0, 1]]
        # A sync floor, a wake floor, and two results.
        lines = [lines[0], lines[1], *[line for line in lines if "engine" in line][:2]]
        base = json.dumps(lines)
        for number, path in [(i, path) for i, line in enumerate(lines) for path in keys_of(line)]:
            for value in ("a", 0, 7, -1, 1.5, 1e300, True, [], [1], [[0, 0]], {}, None):
                damaged = json.loads(base)
                put(damaged[number], path, value)
                with self.subTest(number=number, path=path, value=value):
                    self.shows_or_refuses(damaged)

    def shows_or_refuses(self, lines):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        try:
            source = results.load(self.write("damaged.json", text))
        except results.BadInput:
            return
        self.assertIn("</html>", page.page([source]))
        verdict.compare(source, source)

    def test_sweeps_that_cannot_be(self):
        for part, expected in (({"file": 3}, "'parts[1].file' is not a text"),
                               ({"name": []}, "'parts[1].name' is not a text"),
                               ({"commands": [1]}, "'parts[1].commands' is not a list of texts"),
                               ({"reason": {}}, "'parts[1].reason' is not a text")):
            self.write("sweep.json", json.dumps({"parts": [part]}))
            self.refuses(f"sweep.json: {expected}", "bench-report", ".")
        self.write("sweep.json", '{"parts":[],"started":1}')
        self.refuses("sweep.json: 'started' is not a text", "bench-compare", ".", ".")
        self.write("sweep.json", '{"parts":[{"file":".."}]}')
        self.refuses("Is a directory", "bench-report", ".")
        self.write("sweep.json", '{"parts":[{"status":null}],"topology":".."}')
        self.runs("bench-report", ".")

    def test_what_holds_no_results(self):
        self.bad("", "no results", "")
        self.refuses("nowhere.json: No such file", "bench-report", "nowhere.json")
        self.write("binary.json", "")
        with open(self.path("binary.json"), "wb") as file:
            file.write(b"\xff\xfe\n")
        self.refuses("binary.json: not a text file", "bench-report", "binary.json")
        self.refuses("sweep.json: No such file", "bench-report", ".")
        self.write("sweep.json", "{}")
        self.refuses("sweep.json: not what bench-sweep writes", "bench-report", ".")

    def test_unknown_and_missing_keys_are_tolerated(self):
        path = self.write("old.json", json.dumps(row(later=[1], options={"more": {}})) + "\n"
                          + '{"floor":"new kind","round":1}\n')
        found = results.load(path).datasets
        self.assertEqual([one.kind for one in found], ["engines"])
        self.assertEqual(found[0].rows[0].variant, "ring")

    def test_a_file_says_what_it_is_about(self):
        for name, (_, make) in fixture.PARTS.items():
            path = self.path(f"{name}.json")
            fixture.add_lines(path, make(fixture.Maker(rounds=1)))
            kinds = [one.kind for one in results.load(path).datasets]
            expected = {"open-loop": "open", "waits": "variants"}.get(name, name)
            self.assertEqual(kinds, [expected])


    def test_an_engine_of_ones_own_is_no_other_store(self):
        """Other stores say how they were set up, whatever their name."""
        for name, settings, kind in (("queue", None, "engines"), ("store", "one write each", "peers"),
                                     ("sqlite", None, "peers")):
            path = self.write(f"{name}.json", "".join(
                json.dumps(row(engine=one, variant=one, settings=settings if one == name else None))
                + "\n" for one in ("ring", name)))
            self.assertEqual([one.kind for one in results.load(path).datasets], [kind])

    def test_a_policy_of_ones_own_is_a_variant_of_the_ring(self):
        path = self.write("policies.json", "".join(
            json.dumps(row(variant=f"ring/{one}", options={"reserve": one})) + "\n"
            for one in ("faa", "mutex", "fas")))
        found, = results.load(path).datasets
        self.assertEqual((found.kind, found.distinct("variant")),
                         ("variants", ["ring/faa", "ring/mutex", "ring/fas"]))


class Plan(unittest.TestCase):
    def test_quick_fits_its_time(self):
        settings = parts.Settings("quick", {})
        total = sum(part.estimate_s(settings) for part in parts.plan(settings, []))
        self.assertLess(total, parts.QUICK_LIMIT_S)

    def test_the_main_comparisons_have_three_rounds(self):
        settings = parts.Settings("quick", {})
        rounds = {part.name: part.rounds for part in parts.plan(settings, [])}
        for name in ("engines", "ladder", "contention"):
            self.assertGreaterEqual(rounds[name], 3)

    def test_without_ring_its_parts_are_left_out(self):
        settings = parts.Settings("full", {"engines": ["mutex"]})
        names = [part.name for part in parts.plan(settings, [])]
        self.assertEqual(names, ["engines", "contention", "peers", "open-loop", "sizes", "windows"])


if __name__ == "__main__":
    unittest.main()
