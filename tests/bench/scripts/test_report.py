"""What is on the page of bench-report, and that it stands on its own."""

import base64
import gzip
import html.parser
import os
import re
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree

from support import SCRIPTS, Case

import fixture
from test_explain import Cube, encode

VOID = ("meta",)
TOPOLOGY = """<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='90px'
 height='60px' viewBox='0 0 90px 60px'><rect id='same' class='Machine' x='0' y='0' width='90'
 height='60' fill='rgb(255,255,255)'/><text id='same' class='PU' x='7' y='17'>Core &amp; more</text>
 <script>alert(1)</script><a href='http://example.invalid/'><line x1='1' y1='1' x2='2' y2='2'/></a>
 </svg>"""


class Page(html.parser.HTMLParser):
    """Keeps what the tests ask for, and complains of tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.problems = []
        self.elements = []
        self.texts = []
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


class Report(Case):
    def page(self, *names):
        self.runs("bench-report", *names, "-o", "page.html")
        self.text = self.read("page.html")
        return Page(self.text)

    def sweep(self, names=fixture.PARTS, **how):
        fixture.write_sweep(self.path("sweep"), names=names, **how)
        return self.page("sweep")

    def results(self, lines):
        fixture.add_lines(self.path("results.json"), lines)
        return self.page("results.json")


class Whole(Report):
    def test_it_is_well_formed(self):
        page = self.sweep(topology=TOPOLOGY)
        self.assertEqual(page.problems, [])
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        self.assertEqual(len(ids), len(set(ids)))
        targets = [link["href"] for link in page.all("a") if not link.get("download")]
        self.assertTrue(targets)
        self.assertLessEqual(set(targets), {f"#{name}" for name in ids})
        self.assertEqual(page.all("html")[0]["lang"], "en")

    def test_pictures_are_xml_and_say_what_they_show(self):
        self.sweep(topology=TOPOLOGY)
        pictures = re.findall(r"<svg.*?</svg>", self.text, re.DOTALL)
        self.assertGreater(len(pictures), 40)
        for picture in pictures:
            root = xml.etree.ElementTree.fromstring(picture)
            if root.get("aria-hidden") != "true":
                self.assertEqual([child.tag for child in root][:2], ["title", "desc"])
                self.assertTrue(root.find("title").text and root.find("desc").text)
            self.assertNotRegex(picture, r"\b(nan|inf)\b")

    def test_it_needs_nothing_else(self):
        self.sweep(topology=TOPOLOGY)
        text = re.sub(r"data:application/gzip;base64,[^\"]*", "", self.text)
        for forbidden in ("http:", "https:", "//", "src=", "url(", "@import", "<script", "<link"):
            self.assertNotIn(forbidden, text)

    def test_headings_are_in_order_and_tables_have_scopes(self):
        page = self.sweep()
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
        self.assertEqual(levels[0], 1)
        self.assertEqual(levels.count(1), 1)
        self.assertTrue(all(after <= before + 1 for before, after in zip(levels, levels[1:])))
        self.assertTrue(page.all("th"))
        self.assertTrue(all(head.get("scope") in ("col", "row") for head in page.all("th")))

    def test_every_part_has_its_section(self):
        words = self.sweep(topology=TOPOLOGY).words
        for title, _ in fixture.PARTS.values():
            self.assertIn(title, words)
        for title in ("Where the difference comes from", "How latencies are distributed",
                      "How large batches are", "What a record costs", "The machine", "Topology",
                      "Commands, data, citation", "lone syncs × writers", "kernel wakes",
                      "Core & more"):
            self.assertIn(title, words)
        for settings in fixture.PEER_SETTINGS.values():
            self.assertIn(settings, words)

    def test_what_is_missing_is_said_first(self):
        words = self.sweep().words
        self.assertIn("How writers wait: interrupted", words)
        self.assertIn("Who flushes: skipped: the sweep was interrupted", words)
        self.assertIn("lstopo is not installed", words)
        self.assertLess(words.index("Not everything was measured"), words.index("evidence"))

    def test_the_same_results_give_the_same_page(self):
        self.sweep()
        first = self.text
        self.page("sweep")
        self.assertEqual(self.text, first)


class FirstScreen(Report):
    """What the answer says, with rates that are made up."""

    def rounds(self, rates, names=("ring", "mutex"), writers=4, **how):
        """`rates` are those of the names, in each round."""
        maker = fixture.Maker(scatter=0.0)
        lines = []
        for number, of_round in enumerate(zip(*rates), 1):
            for variant, rate in zip(names, of_round):
                engine = "mutex" if variant == "mutex" else "ring"
                line = maker.run(number, variant, writers, engine=engine, **how)
                line["records_per_s"] = rate
                lines.append(line)
        return lines

    def first(self, lines, *words):
        """The words of the first screen."""
        fixture.add_lines(self.path("results.json"), lines)
        page = self.page("results.json", *words)
        os.remove(self.path("results.json"))
        self.assertEqual(page.problems, [])
        self.screen = page.words[page.words.index("</style>") if "</style>" in page.words else 0:
                                 page.words.index("Behind it")]
        return self.screen

    def says(self, *expected):
        missing = [words for words in expected if words not in self.screen]
        self.assertEqual(missing, [], self.screen)

    def test_a_difference(self):
        self.first(self.rounds([[20000.0, 20200.0, 19900.0, 20100.0, 19800.0],
                                [10000.0, 10100.0, 10000.0, 9900.0, 9900.0]]))
        self.says("Is lock-free group commit faster than a mutex here?",
                  "Yes, with 4 writers: 2× (95 % 1.99 to 2.02).", "FAIR evidence: 5 rounds.",
                  "4 writers mutex ring ratio (95 %) records/s 10,000 20,000 2×",
                  "closed loop, a record a writer, 512 B records")

    def test_from_how_many_writers_on(self):
        lines = []
        for writers, rate in ((1, 9500.0), (4, 9000.0), (16, 17000.0), (64, 17000.0)):
            some = [rate * (1 + 0.01 * i) for i in (-1, 0, 1, 0, -1)]
            lines += self.rounds([some, [10000.0] * 5], writers=writers)
        self.first(lines)
        self.says("Yes, from 16 writers on: 1.7× (95 % 1.6", "Slower with 1 and 4 writers: 0.89")

    def test_nobody_can_tell(self):
        self.first(self.rounds([[9000.0, 20000.0, 12000.0], [10000.0, 10000.0, 8000.0]]))
        self.says("Cannot tell. With 4 writers 1.39× (95 % 0.5", "WEAK evidence: 3 rounds")
        self.assertNotIn("Yes", self.screen)

    def test_two_rounds_prove_nothing(self):
        self.first(self.rounds([[30000.0, 20000.0], [10000.0, 10000.0]]))
        self.says("Cannot tell.", "fewer than 3 rounds", "WEAK evidence: 2 rounds")

    def test_one_round_has_no_interval(self):
        self.first(self.rounds([[30000.0], [10000.0]]))
        self.says("Cannot tell. With 4 writers 3× (one round): fewer than 3 rounds.",
                  "records/s 10,000 30,000 3×")

    def test_slower(self):
        self.first(self.rounds([[5000.0, 5010.0, 4990.0], [10000.0] * 3]))
        self.says("No. Slower with 4 writers: 0.5× (95 %", "WHEN NOT 4 writers here.")

    def test_the_same(self):
        self.first(self.rounds([[10000.0 + i for i in range(12)], [10000.0] * 12]))
        self.says("No difference. The same within 5 % with 4 writers.", "STRONG evidence: 12 rounds")
        self.assertNotIn("For more", self.screen)

    def test_a_restless_device_is_named(self):
        lines = self.rounds([[20000.0] * 12, [10000.0] * 12])
        for number, rate in enumerate((1000.0, 2000.0), 1):
            lines.append({"floor": "sync", "syncs_per_s": rate, "round": number})
        self.first(lines)
        self.says("WEAK evidence: the disk's syncs drift 2×.")

    def test_the_command_that_gives_more_runs_when_pasted(self):
        command = "/some where/build/.libs/lt-logfile-bench --repeat 3 --json /tmp/x/results.json.part"
        lines = self.rounds([[2.0] * 3, [1.0] * 3], options={"command": shlex_join(command)})
        self.first(lines)
        self.says("'/some where/build/logfile-bench' --repeat 15 --json results.json")
        self.assertNotIn(".libs", self.text)

    def test_what_was_measured(self):
        head = {"head": 1, "time": "2026-11-30T07:33:05Z", "commit": "0123456789abcdef",
                "compiler": "gcc 12.2.0", "cflags": "-O2", "virtual": "kvm", "cpus_online": 2,
                "volatile_dir": True, "order": "williams", "cpu_quota": None}
        lines = [head] + self.rounds([[2.0] * 3, [1.0] * 3])
        self.first(lines)
        self.says("logfile 0.1.0 @0123456789 · gcc 12.2.0 -O2 · 30 Nov 2026 07:33 · 2 virtual"
                  " processors (kvm), Example CPU", "IN MEMORY: nothing is durable")

    def test_the_lock_alone_is_a_line_of_its_own(self):
        lines = self.rounds([[20000.0, 20100.0, 20000.0], [20000.0, 20000.0, 20100.0],
                             [10000.0] * 3], names=("ring/faa", "ring/mutex", "mutex"))
        self.first(lines)
        self.says("ring with a mutex inside ÷ mutex", "Yes, with 4 writers: 2×",
                  "The lock alone, 4 writers: 1× (95 % 0.988 to 1.01): the same within 5 %.")

    def test_any_two_names(self):
        lines = self.rounds([[20000.0] * 3, [10000.0] * 3, [5000.0] * 3],
                            names=("ring", "ring/block", "mutex"))
        self.first(lines, "--compare", "ring/block,mutex")
        self.says("Is ring/block faster than mutex here?", "Yes, with 4 writers: 2×")
        self.first(lines, "--compare", "mutex,ring")
        self.says("Is mutex faster than ring here?", "No. Slower with 4 writers: 0.25×")

    def test_names_that_are_not_there(self):
        fixture.add_lines(self.path("a.json"), self.rounds([[2.0] * 3, [1.0] * 3]))
        self.refuses("no results of 'mutx'; did you mean 'mutex'?", "bench-report", "a.json",
                     "--compare", "ring,mutx")
        self.refuses("no results of 'sqlite': there are ring, mutex", "bench-report", "a.json",
                     "--compare", "sqlite,mutex")
        for words in ("ring", "ring,", "ring,ring", "a,b,c"):
            self.refuses(f"--compare {words}: not two names", "bench-report", "a.json", "--compare",
                         words)

    def test_a_build_against_its_baseline(self):
        lines = self.rounds([[20000.0] * 3, [10000.0] * 3, [9000.0] * 3],
                            names=("ring", "baseline:ring", "mutex"))
        self.first(lines)
        self.says("Is this build's ring faster than the baseline's here?")

    def test_fairness_and_runs_above_their_bound(self):
        lines = self.rounds([[20000.0] * 12, [10000.0] * 12])
        for line in lines:
            worst = 0.99 if line["variant"] == "ring" else 0.5
            line["fairness"] = {"jain": worst, "least_over_mean": worst, "most_over_mean": 1.2,
                                "writer_p50_us_least": 90.0, "writer_p50_us_most": 120.0}
            line["bounds"] = [{"bound": "lone-writer syncs/s", "before": 5000.0, "after": 5100.0,
                               "records_per_s": 19000.0, "passed": line["variant"] == "ring"}]
        self.first(lines)
        self.says("worst writer/mean 0.5 0.99 1.98×", "12 of 24 runs above their bound")

    def test_ladder(self):
        rates = [[100.0 + i, 130.0, 200.0] for i in range(4)]
        maker, lines = fixture.Maker(), []
        for number, of_round in enumerate(rates, 1):
            for rung, rate in enumerate(of_round, 1):
                line = maker.run(number, f"rung {rung}", 4, engine="ring", rung=rung)
                line["records_per_s"] = rate
                lines.append(line)
        self.first(lines)
        self.says("Is rung 3 faster than rung 1 here?", "Yes, with 4 writers: 1.97×")
        self.assertIn("4 writers, the whole way: 1.97× (95 % 1.9", self.text)


def shlex_join(command):
    program, rest = command.split(" --", 1)
    return f"'{program}' --{rest}"


class Sections(Report):
    def test_the_difference_a_stage_at_a_time(self):
        lines = fixture.engines(fixture.Maker())
        for line in lines:
            if line.get("stages_us"):
                line["stages_us"]["flip"] = 300.0 if line["variant"] == "mutex" else 20.0
        page = self.results(lines)
        self.assertIn("Where the difference comes from", page.words)
        self.assertRegex(page.words, r"a mean append takes 5.. µs \(mutex\) and 2.. µs \(ring\);"
                                     r" most of the difference is “flip”")
        self.assertIn("−280 µs (300 µs → 20 µs)", page.texts)

    def test_zero_fills_beside_flushes(self):
        maker = fixture.Maker(rounds=3)
        lines = fixture.engines(maker)
        for line in lines:
            if "engine" in line:
                recycled = line["variant"] == "serial"
                line.update(flush_histogram=[[98.304, 1000], [229.376, 20]], waits_zero_fill=2,
                            zero_fill_histogram=[] if recycled else [[163.84, 320], [655.36, 15]],
                            zero_sync_histogram=[] if recycled else [[2097.152, 4]])
        page = self.results(lines)
        self.assertEqual(page.problems, [])
        self.assertIn("wrote 1,005 times zeros ahead, 180 µs each in the median; a flush took 106 µs.",
                      page.words)
        self.assertIn("ring 16 3,060 106 µs 246 µs 1,005 180 µs 721 µs 12 – – 6", page.words)
        self.assertIn("serial 16 3,060 106 µs 246 µs 0 – – 0 – – 6", page.words)
        for line in lines:
            if "engine" in line:
                line["zero_fill_histogram"] = []
        fixture.add_lines(self.path("none.json"), lines)
        self.assertNotIn("zeros written ahead", self.page("none.json").words)

    def test_a_map_of_devices(self):
        """ring is slower where a sync takes nothing."""
        maker, lines = fixture.Maker(scatter=0.001), []
        for device, factor in (({"kind": "null"}, 0.5), ({"kind": "delay", "delay_us": 20}, 0.8),
                               ({"kind": "delay", "delay_us": 200}, 1.5), (fixture.FILE, 1.6)):
            for number in (1, 2, 3, 4):
                for writers in (1, 16):
                    for variant, rate in (("ring", 1000.0 * factor), ("mutex", 1000.0)):
                        line = maker.run(number, variant, writers, device=device)
                        line["records_per_s"] = rate * (1 + 0.001 * number)
                        lines.append(line)
        page = self.results(lines)
        self.assertEqual(page.problems, [])
        self.assertIn("Syncs of 20 µs or less, 1 and 16 writers: map", page.words)
        self.assertIn("Yes, with 1 to 16 writers: 1.6×", page.words)
        self.assertIn("ring is slower than mutex where a sync takes 20 µs or less", page.words)
        self.assertIn("mutex, delay:200", page.texts)
        self.assertTrue(any(link["href"] == "#results-map" for link in page.all("a")))

    def test_a_file_answers_before_a_device_in_memory(self):
        maker = fixture.Maker()
        variants = ["ring/faa", "ring/mutex", "mutex"]
        fixture.add_lines(self.path("a.json"), [
            maker.run(number, variant, 4, device={"kind": "delay", "delay_us": 20})
            for number in (1, 2, 3) for variant in ("ring", "mutex")])
        lines = maker.rounds_of(fixture.cross(writers=[16], variant=variants))
        for line in lines:
            if line.get("variant") == "ring/mutex":
                line["options"]["reserve"] = "mutex"
        fixture.add_lines(self.path("b.json"), lines)
        words = self.page("a.json", "b.json").words
        self.assertLess(words.index("ext4"), words.index("Behind it"))
        self.assertIn("Which change makes the difference", words)

    def test_nothing_is_drawn_past_the_knee(self):
        page = self.results(fixture.open_loop(fixture.Maker()))
        self.assertIn("mutex no longer follows 60,000/s", page.words)
        self.assertIn("open loop, evenly spaced arrivals", page.words)
        self.assertRegex(self.text, r"ring, 60,000/s: ")
        self.assertNotRegex(self.text, r"mutex, 60,000/s: ")

    def test_poisson_arrivals_and_their_lateness(self):
        lines = fixture.open_loop(fixture.Maker())
        for line in lines:
            if "engine" in line:
                rate = line["options"]["rate"]
                line["load"] = {"kind": "open", "arrivals": "poisson", "rate_asked": rate,
                                "late_p99_us": 3.0, "past_knee": rate > 20000}
        page = self.results(lines)
        self.assertIn("open loop, Poisson arrivals", page.words)
        self.assertIn("How late the generator was", page.words)
        self.assertNotRegex(self.text, r"(ring|mutex), 30,000/s: ")

    def test_every_picture_names_its_load(self):
        page = self.sweep(topology=TOPOLOGY)
        loads = [attributes for attributes in page.all("p") if attributes.get("class") == "load"]
        self.assertEqual(len(loads), len(page.all("figure")) - 1)  # but for the topology

    def test_one_round_stands_in_the_table_only(self):
        page = self.results([line for line in fixture.sizes(fixture.Maker(rounds=1))])
        self.assertIn("One round of each: no picture", page.words)
        section = self.text[self.text.index("One round of each"):self.text.index('id="machine"')]
        self.assertNotIn("<figure", section)
        self.assertIn("64 KiB", section)

    def test_percentiles_end_where_samples_do(self):
        """1,000 latencies have no p99.9."""
        lines = fixture.engines(fixture.Maker())
        for line in lines:
            if "engine" in line:
                line["samples"] = 1000
        page = self.results(lines)
        self.assertNotIn("p99.9", page.words)
        self.assertIn("p99 latency", page.words)
        self.assertIn("n=12k", page.words)

    def test_the_fine_histogram_is_drawn_where_there_is_one(self):
        """2,000 latencies, each in a bucket of its own, in both rounds."""
        lines = fixture.Maker(rounds=2).rounds_of(fixture.cross(writers=[4], variant=["ring", "mutex"]))
        fine = encode({bucket: 1 for bucket in range(3000, 5000)}, digits=3)
        for line in lines:
            if "engine" in line:
                line.update(hdr=fine, latency_histogram=None, samples=2000)
        page = self.results(lines)
        self.assertIn("ring, n=4k", page.words)
        self.assertIn("99%", page.texts)
        self.assertNotIn("99.9%", page.texts)  # of 4,000 only 4 lie beyond

    def test_effects_of_what_was_crossed(self):
        page = self.results(Cube(("reserve", "flusher", "wait"), flusher=0.3).lines())
        self.assertEqual(page.problems, [])
        self.assertRegex(page.words, r"16 writers: what counts is .*flusher 1\.3.× \(95 % 1\.3. to"
                                     r" 1\.3.\).*; the lock alone: (1|0\.99.?|1\.0.)×")
        for name in ("reservation x flusher", "the lock alone", "exchange of the engine"):
            self.assertIn(name, page.texts)

    def test_scaling_says_when_it_is_not_identifiable(self):
        page = self.results(fixture.contention(fixture.Maker()))
        self.assertIn("Scaling: the universal scalability law", page.words)
        self.assertIn("Not identifiable: 2 numbers of writers up to 2 processors", page.words)

    def test_scaling_that_was_fitted(self):
        lines = fixture.Maker().rounds_of(fixture.cross(
            writers=[1, 2, 4, 8, 16], variant=["ring/faa", "ring/cas"], device=[fixture.NULL],
            window=[64], size=[90]))
        for line in lines:
            if "engine" in line:
                line["machine"] = {**line["machine"], "hardware_threads": 16}
                writers = line["writers"]
                line["records_per_s"] = 1e6 * writers / (1 + 0.1 * (writers - 1)) * (
                    1 + 0.001 * line["options"]["round"])
        page = self.results(lines)
        self.assertIn("2 of 2 fits identifiable.", page.words)
        self.assertIn("ring/faa, fitted", page.texts)
        self.assertRegex(page.words, r"ring/faa 0\.1 \(0\.(1|09\d*) to 0\.1\d*\)")

    def test_a_series_with_steal(self):
        lines = fixture.engines(fixture.Maker())
        for line in lines:
            if "engine" in line:
                line["series"] = {"t_s": [0.0, 0.1, 0.2], "records": [90, 100, 95],
                                  "p99_us": [500, None, 700], "syncs": [9, 9, 9],
                                  "steal_us": [0, 5000, 0]}
        page = self.results(lines)
        for title in ("Over time", "Records per second, 1 writer", "Stolen time, 64 writers"):
            self.assertIn(title, page.words)

    def test_the_data_are_in_the_page(self):
        page = self.results(fixture.sizes(fixture.Maker()))
        links = [link for link in page.all("a") if link.get("download")]
        self.assertEqual([link["download"] for link in links], ["results.json.gz"])
        packed = base64.b64decode(links[0]["href"].partition("base64,")[2])
        self.assertEqual(gzip.decompress(packed).decode(), self.read("results.json"))


class Simulated(Report):
    def lines(self, name="flat-256"):
        maker, lines = fixture.Maker(), []
        for processors in (1, 4, 16):
            for variant in ("ring/faa", "mutex"):
                line = maker.run(1, variant, processors, device=fixture.NULL, window=64)
                line.update(simulated=True, simulation={
                    "fairness": 0.98, "transfers_per_record": 2.5, "far_transfers_per_record": 0.5})
                line["machine"] = {"cpu": name, "simulated": True, "numa_nodes": 1,
                                   "hardware_threads": processors, "virtual": False}
                lines.append(line)
        return lines

    def test_it_says_so_everywhere(self):
        page = self.results(self.lines())
        self.assertEqual(page.problems, [])
        first = page.words[:page.words.index("Behind it")]
        for words in ("SIMULATED machine flat-256", "SIMULATED one seed, one result",
                      "In the simulation : 3.55× with 1 processor, 3.68× with 4 processors"):
            self.assertIn(words, first)
        marks = re.findall(r'<p class="load"><b>simulated</b>', self.text)
        self.assertEqual(len(marks), len(page.all("figure")))
        self.assertGreater(len(marks), 4)
        self.assertIn("simulated processors", page.words)

    def test_what_was_measured_lies_over_it(self):
        fixture.add_lines(self.path("simulated.json"), self.lines())
        maker = fixture.Maker()
        measured = [dict(maker.run(number, variant, 4, device=fixture.NULL, window=64),
                         machine={**fixture.MACHINE, "hardware_threads": 4})
                    for number in (1, 2) for variant in ("ring", "mutex")]
        fixture.add_lines(self.path("measured.json"), measured)
        page = self.page("simulated.json", "--over", "measured.json")
        self.assertEqual(page.problems, [])
        self.assertIn("ring/faa, measured", page.words)
        self.assertIn("mutex, measured", page.words)
        self.assertIn("Hollow points were measured", page.words)


class Parts(Report):
    def test_each_kind_alone(self):
        for name, (_, make) in fixture.PARTS.items():
            fixture.add_lines(self.path(f"{name}.json"), make(fixture.Maker(rounds=1)))
            self.assertEqual(self.page(f"{name}.json").problems, [], name)

    def test_floors_are_drawn_wherever_they_were_measured(self):
        for name, words in (("peers", ["lone syncs × writers", "kernel wakes", "lone sync"]),
                            ("windows", ["lone sync"]), ("open-loop", ["lone sync"])):
            fixture.add_lines(self.path(f"{name}.json"), fixture.PARTS[name][1](fixture.Maker()))
            texts = self.page(f"{name}.json").texts
            self.assertEqual([word for word in words if word not in texts], [], name)

    def test_several_files_in_one_page(self):
        for name in ("ladder", "sizes"):
            fixture.add_lines(self.path(f"{name}.json"), fixture.PARTS[name][1](fixture.Maker()))
        page = self.page("ladder.json", "sizes.json", "ladder.json")
        self.assertEqual(page.problems, [])
        self.assertEqual(page.words.count("what each step is worth"), 2)

    def test_results_with_nothing_in_them_but_a_rate(self):
        page = self.results([{"engine": "ring", "writers": 2, "records_per_s": 0.0}])
        self.assertEqual(page.problems, [])
        self.assertNotIn("None", page.words)
        self.assertNotIn("What a record costs", page.words)
        self.assertNotIn("Where an append's time goes", page.words)
        self.assertIn("What a durable append costs", page.words)

    def test_nulls_leave_out_what_they_would_have_shown(self):
        lines = fixture.engines(fixture.Maker())
        for line in lines:
            if "engine" in line:
                for key in ("system_calls_per_record", "batch_histogram", "stages_us",
                            "latency_histogram", "p999_us", "filesystem", "rss_bytes"):
                    line[key] = None
        page = self.results(lines)
        self.assertEqual(page.problems, [])
        for title in ("System calls", "How latencies are distributed", "p99.9"):
            self.assertNotIn(title, page.words)
        self.assertIn("Context switches per record", page.words)

    def test_what_comes_from_a_file_stays_text(self):
        nasty = "<script>alert(1)</script>&\"'"
        lines = [line for line in fixture.interrupted(fixture.Maker()) if "engine" in line]
        for line in lines:
            line["variant"] = nasty
            line["machine"] = {**line["machine"], "cpu": nasty}
        page = self.results(lines)
        self.assertEqual(page.problems, [])
        self.assertEqual(page.all("script"), [])
        self.assertIn(nasty, page.words)

    def test_a_sweep_without_any_result(self):
        fixture.write_sweep(self.path("empty"), names=[])
        page = self.page("empty")
        self.assertEqual(page.problems, [])
        self.assertIn("the sweep was interrupted", page.words)

    def test_placement_is_shown_as_it_was_read_back(self):
        lines = fixture.sizes(fixture.Maker(rounds=1))
        for line in lines:
            line["placement"] = {"pin": "compact", "writers": "0-1", "sequencer": None}
        self.assertIn("pin compact; writers 0-1", self.results(lines).words)


DRIFT = os.path.join(SCRIPTS, "..", "docs", "examples", "drift_picture.py")


class OwnPictures(Report):
    """A picture is one file, anywhere or among the report's own."""

    def setUp(self):
        super().setUp()
        lines = fixture.engines(fixture.Maker())
        for after, line in enumerate(lines):
            line["started_at"] = 1000 + after / 2
        fixture.add_lines(self.path("results.json"), lines)

    def expect_drift(self):
        page = Page(self.read("page.html"))
        self.assertEqual(page.problems, [])
        self.assertIn("Drift: how fast each run was, by when it began", page.words)
        self.assertIn("serial, round 3", page.words)

    def test_one_that_is_named(self):
        self.runs("bench-report", "results.json", "--picture", DRIFT, "-o", "page.html")
        self.expect_drift()

    def test_one_that_is_put_beside_the_others(self):
        shutil.copytree(SCRIPTS, self.path("scripts"), ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(DRIFT, self.path("scripts", "benchlib", "pictures", "drift.py"))
        command = [sys.executable, self.path("scripts", "bench-report")]
        done = subprocess.run([*command, "results.json", "-o", "page.html"], cwd=self.folder,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.expect_drift()

    def test_one_without_data_leaves_nothing(self):
        fixture.add_lines(self.path("undated.json"), fixture.engines(fixture.Maker()))
        self.runs("bench-report", "undated.json", "--picture", DRIFT, "-o", "page.html")
        self.assertNotIn("Drift", self.read("page.html"))

    def test_what_is_no_picture(self):
        for name, text, expected in (
                ("none.py", None, "No such file"), ("text", "sections", "does not end with .py"),
                ("bare.py", "x = 1", "it has no function sections(dataset)"),
                ("wrong.py", "sections = (", "SyntaxError: "),
                ("fails.py", "import nowhere_to_be_found", "ModuleNotFoundError: No module named")):
            if text:
                self.write(name, text)
            self.refuses(f"--picture {name}: ", "bench-report", "results.json", "--picture", name)
            self.refuses(expected, "bench-report", "results.json", "--picture", name)
        self.refuses("a file name is missing after --picture", "bench-report", "results.json",
                     "--picture")


class Command(Report):
    def test_the_page_goes_into_the_folder(self):
        fixture.write_sweep(self.path("sweep"), names=["ladder"])
        said = self.runs("bench-report", "sweep").stdout
        self.assertEqual(said, "sweep/report.html\n")
        self.assertIn("</html>", self.read("sweep", "report.html"))

    def test_bad_input(self):
        self.refuses("usage: bench-report", "bench-report")
        self.refuses("--no: unknown; usage: bench-report", "bench-report", "--no")
        self.refuses("a file name is missing after -o", "bench-report", "x", "-o")
        fixture.add_lines(self.path("a.json"), fixture.ladder(fixture.Maker(rounds=1)))
        self.refuses("No such file or directory", "bench-report", "a.json", "-o", "no/page.html")


if __name__ == "__main__":
    unittest.main()
