"""scripts/plot: the page's pictures in a file of their own."""

import os
import re
import shutil
import struct
import unittest
import xml.etree.ElementTree as tree

from support import Case

import fixture

SVG = "{http://www.w3.org/2000/svg}"
CONVERTER = any(map(shutil.which, ("rsvg-convert", "chromium", "chromium-browser", "google-chrome")))


class Plot(Case):
    def results(self, lines, name="a.json"):
        fixture.add_lines(self.path(name), lines)

    def drawn(self, *words):
        self.runs("plot", *words)
        self.text = self.read("a.svg")
        return [node.text for node in tree.fromstring(self.text).iter(f"{SVG}text")]

    def test_it_stands_alone(self):
        self.results(fixture.engines(fixture.Maker()))
        texts = self.drawn("a.json", "a.svg")
        for words in ("ring divided by mutex", "Throughput", "p99 latency", "serial", "within 5 %"):
            self.assertIn(words, texts)
        self.assertRegex(" ".join(texts), "closed loop, a record a writer · 512 B records · 3 rounds")
        self.assertNotIn("var(", self.text)
        for outside in ("href", "url(", "@import", "<script"):
            self.assertNotIn(outside, self.text)

    def test_figures_and_names_are_chosen(self):
        self.results(fixture.engines(fixture.Maker()))
        texts = self.drawn("a.json", "a.svg", "--figures", "ratio,cpu", "--compare", "ring,serial")
        self.assertIn("ring divided by serial", texts)
        self.assertIn("Processor time per record", texts)
        self.assertNotIn("Throughput", texts)

    def test_a_dark_one_is_dark(self):
        self.results(fixture.engines(fixture.Maker()))
        papers = []
        for words in ((), ("--dark",)):
            self.drawn("a.json", "a.svg", *words)
            papers.append(re.search(r"\.paper { fill: #(\w\w)", self.text).group(1))
        self.assertGreater(int(papers[0], 16), 0xf0)
        self.assertLess(int(papers[1], 16), 0x40)

    def test_a_variant_is_a_line_of_its_own(self):
        maker = fixture.Maker()
        self.results(maker.rounds_of(fixture.cross(writers=[1, 4],
                                                   variant=["ring/block", "ring/spin"])))
        texts = self.drawn("a.json", "a.svg")
        self.assertIn("ring/block", texts)
        self.assertIn("ring/spin", texts)

    def test_it_mixes_nothing(self):
        maker = fixture.Maker()
        self.results(fixture.sizes(maker), "sizes.json")
        self.refuses("records of 100 B, 4 KiB, 64 KiB do not go into one picture: choose with --size",
                     "plot", "sizes.json", "a.svg")
        self.runs("plot", "sizes.json", "a.svg", "--size", "4096")
        self.results(fixture.windows(maker), "windows.json")
        self.refuses("windows of 1, 16, 256 do not go into one picture: choose with --window", "plot",
                     "windows.json", "a.svg")
        self.results(fixture.whole(maker), "whole.json")
        self.refuses("devices file, null, delay:20, delay:1000 do not go", "plot", "whole.json", "a.svg")
        self.runs("plot", "whole.json", "a.svg", "--device", "delay:20")
        self.results(fixture.open_loop(maker), "open.json")
        self.refuses("several offered rates do not go", "plot", "open.json", "a.svg")

    def test_a_simulation_says_so(self):
        lines = [dict(line, simulated=True) for line in fixture.engines(fixture.Maker(rounds=1))
                 if "engine" in line]
        self.results(lines)
        self.assertIn("SIMULATED machine Example CPU", " ".join(self.drawn("a.json", "a.svg")))

    def test_bad_input(self):
        self.results(fixture.ladder(fixture.Maker()), "ladder.json")
        self.refuses("no result of this kind", "plot", "ladder.json", "a.svg")
        self.results(fixture.engines(fixture.Maker(rounds=1)))
        self.refuses("a picture is called .svg or .png", "plot", "a.json", "a.gif")
        self.refuses("--figures tail: not one of ratio, throughput", "plot", "a.json", "a.svg",
                     "--figures", "tail")
        self.refuses("--compare ring: not two names", "plot", "a.json", "a.svg", "--compare", "ring")
        self.refuses("or in one round only", "plot", "a.json", "a.svg", "--figures", "p99")
        self.refuses("No such file", "plot", "a.json", "no/a.svg")
        self.assertEqual(os.listdir(self.folder).count("a.svg"), 0)

    @unittest.skipUnless(CONVERTER, "neither rsvg-convert nor chromium is installed")
    def test_a_png_has_its_size(self):
        self.results(fixture.engines(fixture.Maker()))
        self.runs("plot", "a.json", "a.svg", "a.png", "--figures", "throughput")
        wanted = re.search(r'viewBox="0 0 (\d+) (\d+)" width', self.read("a.svg")).groups()
        with open(self.path("a.png"), "rb") as file:
            head = file.read(24)
        self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", head[16:]), tuple(2 * int(size) for size in wanted))


if __name__ == "__main__":
    unittest.main()
