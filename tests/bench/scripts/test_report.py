"""What is on the page of bench-report, and that it stands on its own."""

import html.parser
import os
import re
import unittest
import xml.etree.ElementTree

from support import Case

import fixture

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
        targets = [link["href"] for link in page.all("a")]
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
        for forbidden in ("http:", "https:", "//", "src=", "url(", "@import", "<script", "<link"):
            self.assertNotIn(forbidden, self.text)

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
        for title in ("Where an append's time goes", "How latencies are distributed",
                      "How large batches are", "What a record costs", "The machine", "Topology",
                      "What was run", "sync floor × writers", "wake ceiling", "Core & more"):
            self.assertIn(title, words)
        for settings in fixture.PEER_SETTINGS.values():
            self.assertIn(settings, words)

    def test_what_is_missing_is_said_first(self):
        words = self.sweep().words
        self.assertIn("How writers wait: interrupted", words)
        self.assertIn("Who flushes: skipped: the sweep was interrupted", words)
        self.assertIn("lstopo is not installed", words)
        self.assertLess(words.index("Not everything was measured"), words.index("durable records"))

    def test_the_same_results_give_the_same_page(self):
        self.sweep()
        first = self.text
        self.page("sweep")
        self.assertEqual(self.text, first)


class Words(Report):
    def rounds(self, ring, mutex, floor=1000.0):
        """One run of each engine a round, with these rates; the device's third rate is `floor`."""
        maker = fixture.Maker()
        lines = []
        for number, rates in enumerate(zip(ring, mutex), 1):
            lines.append({"floor": "sync", "syncs_per_s": 1000.0 if number < 3 else floor})
            for variant, rate in zip(("ring", "mutex"), rates):
                line = maker.run(number, variant, 4)
                line["records_per_s"] = rate
                lines.append(line)
        return self.results(lines).words

    def test_a_difference_in_every_round(self):
        words = self.rounds([30000.0, 20000.0, 12000.0], [10000.0, 10000.0, 8000.0])
        self.assertIn("with ring than with mutex in every round: at 4 writers (2.00×)", words)
        self.assertIn("2.00× ring's records/s over mutex's, 4 writers 1.50× to 3.00×", words)
        self.assertIn("20,000 12,000 to 30,000", words)

    def test_rounds_that_do_not_agree(self):
        words = self.rounds([9000.0, 20000.0, 12000.0], [10000.0, 10000.0, 8000.0])
        self.assertIn("do not agree whether ring or mutex is faster: at 4 writers (0.90× to"
                      " 2.00×)", words)
        self.assertNotIn("ring's records/s over mutex's", words)
        self.assertNotIn("restless", words)

    def test_slower_is_said_too(self):
        words = self.rounds([5000.0, 5000.0, 5000.0], [10000.0, 10000.0, 10000.0], 2000.0)
        self.assertIn("Fewer with ring than with mutex in every round: at 4 writers (0.50×)",
                      words)
        self.assertIn("It was restless: 2.00× between two rounds", words)

    def test_two_rounds_prove_nothing(self):
        words = self.rounds([30000.0, 20000.0], [10000.0, 10000.0])
        self.assertIn("Too few rounds to call ring against mutex a difference", words)

    def test_a_small_difference_is_none(self):
        words = self.rounds([10100.0, 10200.0, 10300.0], [10000.0, 10000.0, 10000.0])
        self.assertIn("Ring and mutex are less than 5 % apart: at 4 writers (1.02×)", words)
        self.assertNotIn("ring's records/s over mutex's", words)

    def ladder(self, rates_of):
        """`rates_of` the first, the second and the last rung, in each round."""
        maker = fixture.Maker()
        lines = []
        for number, rates in enumerate(rates_of, 1):
            for rung, rate in enumerate(rates, 1):
                line = maker.run(number, f"rung {rung}", 4, engine="ring", rung=rung)
                line["records_per_s"] = rate
                lines.append(line)
        return self.results(lines).words

    def test_a_ladder_that_was_climbed(self):
        words = self.ladder([[100.0, 130.0, 200.0]] * 3)
        self.assertIn("From rung 1 to rung 3 in 2 steps, 4 writers: 2.00×; the largest step is"
                      " “rung 3” (1.54×, 1.54× to 1.54×).", words)

    def test_a_step_that_nobody_can_tell(self):
        words = self.ladder([[100.0, 130.0, 200.0], [100.0, 140.0, 200.0], [100.0, 210.0, 200.0]])
        self.assertIn("in 2 steps, 4 writers: 2.00×; the largest step is “rung 2” (1.40×", words)

    def test_a_ladder_without_a_difference(self):
        for rates in ([[100.0, 90.0, 102.0]] * 3, [[100.0, 130.0, 90.0], [100.0, 130.0, 200.0],
                                                  [100.0, 130.0, 300.0]]):
            self.assertNotIn("From rung 1", self.ladder(rates))
            os.remove(self.path("results.json"))

    def test_a_ladder_of_two_rounds(self):
        words = self.ladder([[100.0, 130.0, 200.0]] * 2)
        self.assertIn("Too few rounds to call any step of the ladder a difference", words)
        self.assertNotIn("From rung 1", words)

    def test_rates_that_could_not_be_followed(self):
        words = self.results(fixture.open_loop(fixture.Maker())).words
        self.assertIn("In these runs mutex could not follow 60,000/s", words)


class Parts(Report):
    def test_each_kind_alone(self):
        for name, (_, make) in fixture.PARTS.items():
            fixture.add_lines(self.path(f"{name}.json"), make(fixture.Maker(rounds=1)))
            self.assertEqual(self.page(f"{name}.json").problems, [], name)

    def test_floors_are_drawn_wherever_they_were_measured(self):
        for name, words in (("peers", ["sync floor × writers", "wake ceiling", "sync floor"]),
                            ("windows", ["sync floor"]), ("open-loop", ["sync floor"])):
            fixture.add_lines(self.path(f"{name}.json"), fixture.PARTS[name][1](fixture.Maker()))
            texts = self.page(f"{name}.json").texts
            self.assertEqual([word for word in words if word not in texts], [], name)

    def test_several_files_in_one_page(self):
        for name in ("ladder", "sizes"):
            fixture.add_lines(self.path(f"{name}.json"), fixture.PARTS[name][1](fixture.Maker()))
        page = self.page("ladder.json", "sizes.json", "ladder.json")
        self.assertEqual(page.problems, [])
        self.assertEqual(page.words.count("One change at a time"), 2)

    def test_results_with_nothing_in_them_but_a_rate(self):
        page = self.results([{"engine": "ring", "writers": 2, "records_per_s": 0.0}])
        self.assertEqual(page.problems, [])
        self.assertNotIn("None", page.words)
        self.assertNotIn("What a record costs", page.words)
        self.assertNotIn("Where an append's time goes", page.words)

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


class Command(Report):
    def test_the_page_goes_into_the_folder(self):
        fixture.write_sweep(self.path("sweep"), names=["ladder"])
        said = self.runs("bench-report", "sweep").stdout
        self.assertEqual(said, "sweep/report.html\n")
        self.assertIn("</html>", self.read("sweep", "report.html"))

    def test_bad_input(self):
        self.refuses("usage: bench-report", "bench-report")
        self.refuses("usage: bench-report", "bench-report", "--no")
        self.refuses("a file name is missing after -o", "bench-report", "x", "-o")
        fixture.add_lines(self.path("a.json"), fixture.ladder(fixture.Maker(rounds=1)))
        self.refuses("No such file or directory", "bench-report", "a.json", "-o", "no/page.html")


if __name__ == "__main__":
    unittest.main()
