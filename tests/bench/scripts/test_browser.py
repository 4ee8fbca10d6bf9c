"""The page in a browser: on a phone and on a desk, by day and by night, nothing sticks out, no text
lies on another or cannot be read, and the first screen holds the answer."""

import json
import re
import shutil
import subprocess
import unittest

from support import Case

import fixture

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)
SCREENS = {390: 844, 1280: 800}
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-extensions", "--no-proxy-server", "--enable-logging=stderr",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=4000")
LEAST_CONTRAST = 4.5

# Put into a copy of the page, which tells the page around it what it looks like.
PROBE = """<script>
const shown = element => element.getClientRects().length > 0;
const box = element => element.getBoundingClientRect();
const numbers = colour => (colour.match(/[0-9.]+/g) || []).map(Number);
const light = colour => {
  const [r, g, b] = numbers(colour).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const opaque = colour => colour.startsWith("rgb") && (numbers(colour)[3] ?? 1) > 0;
const below = element => {
  for (let one = element; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if (opaque(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
};
const holds = (outer, inner) => outer.left <= inner.left + 1 && outer.right >= inner.right - 1 &&
  outer.top <= inner.top + 1 && outer.bottom >= inner.bottom - 1;
const under = text => {
  const rects = [...text.ownerSVGElement.querySelectorAll("rect")].filter(rect =>
    rect.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING &&
    opaque(getComputedStyle(rect).fill) && holds(box(rect), box(text)));
  return rects.length ? getComputedStyle(rects.pop()).fill : below(text.ownerSVGElement);
};
const contrast = (a, b) => {
  const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
  return (bright + 0.05) / (dark + 0.05);
};
addEventListener("load", () => {
  const svgs = [...document.querySelectorAll("svg")].filter(shown);
  const drawn = [...document.querySelectorAll("svg text")].filter(shown);
  const written = [...document.querySelectorAll("body *")].filter(element => shown(element) &&
    !element.closest("svg") && [...element.childNodes].some(node => node.nodeType === 3 &&
    node.textContent.trim()));
  const scrolled = element => element.closest(".scroll, .command");
  const outside = [...drawn, ...written].filter(element => !scrolled(element) &&
    (box(element).left < -0.5 || box(element).right > innerWidth + 0.5));
  const beyond = drawn.filter(text => text.closest("figure") && !scrolled(text) &&
    (box(text).left < box(text.closest("figure")).left - 0.5 ||
     box(text).right > box(text.closest("figure")).right + 0.5));
  const cut = written.filter(element => !scrolled(element) &&
    getComputedStyle(element).overflow !== "visible" && element.scrollWidth > element.clientWidth + 1);
  const overlaps = [];
  for (const svg of svgs.filter(svg => !svg.closest(".scroll"))) {
    const texts = [...svg.querySelectorAll("text")].map(text => [text.textContent, box(text)]);
    texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
      if (Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
          Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3.5)
        overlaps.push(svg.querySelector("title").textContent + ": " + a + " / " + b);
    }));
  }
  const dim = [...drawn.map(text => [text, getComputedStyle(text).fill, under(text)]),
               ...written.map(one => [one, getComputedStyle(one).color, below(one)])]
    .filter(([one, ink, paper]) => !one.closest(".topology") && contrast(ink, paper) < LEAST)
    .map(([one, ink, paper]) => one.textContent.slice(0, 30) + " " + ink + " on " + paper);
  const first = [...document.querySelectorAll("header > *, .answer, .strength, .first, .why > *, " +
    ".first svg, .first tr")].filter(shown);
  parent.postMessage({page: PAGE, width: innerWidth, height: innerHeight,
    wide: document.documentElement.scrollWidth, overlaps: overlaps,
    out: [...outside, ...beyond, ...cut].map(one => one.textContent.slice(0, 60)), dim: dim,
    lowest: Math.max(...first.map(one => box(one).bottom)), parts: first.length,
    smallest: Math.min(...drawn.map(text => box(text).height)),
    figures: [...document.querySelectorAll("figure")].filter(shown).length,
    paper: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color}, "*");
});
</script>"""
AROUND = """<!DOCTYPE html><title>around</title><pre id="found"></pre><script>
const found = [];
addEventListener("message", event => {
  found.push(event.data);
  document.getElementById("found").textContent = JSON.stringify(found);
});
</script>"""


def brightness(colour):
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])


def wide_topology():
    """Of a machine with more cores than a screen is wide."""
    cores = "".join(f"<rect class='Core' x='{60 * i}' y='9' width='50' height='40'/>"
                    f"<text class='Core' x='{60 * i + 4}' y='30'>Core L#{i}</text>"
                    for i in range(64))
    return f"<svg viewBox='0 0 3840px 60px'>{cores}</svg>"


@unittest.skipUnless(PROGRAM, "chromium is not installed: the page was not looked at in a browser")
class Browser(Case):
    def put(self, name, page):
        probe = PROBE.replace("PAGE", json.dumps(name)).replace("LEAST", str(LEAST_CONTRAST))
        self.write(f"{name}.html", page.replace("</body>", probe + "</body>"))

    def prepare(self, names):
        frames = "".join(f'<iframe src="{name}.html" style="width:{width}px;height:{height}px;'
                         'border:0"></iframe>' for name in names
                         for width, height in SCREENS.items())
        self.write("around.html", AROUND + frames)

    def look(self, dark):
        """What each page says of itself at each width, and what the browser said."""
        command = [PROGRAM, *QUIET, f"--user-data-dir={self.path('profile')}",
                   "--window-size=1400,1900", "--dump-dom",
                   f"--blink-settings=preferredColorScheme={0 if dark else 1}",
                   f"file://{self.path('around.html')}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        shutil.rmtree(self.path("profile"), ignore_errors=True)
        found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
        self.assertTrue(found and found.group(1), done.stderr[-2000:])
        self.assertNotIn("CONSOLE", done.stderr)
        return json.loads(found.group(1).replace("&amp;", "&").replace("&lt;", "<")
                          .replace("&gt;", ">"))

    def check(self, page, dark):
        where = f"{page['page']}, {page['width']} wide, {'dark' if dark else 'light'}"
        self.assertLessEqual(page["wide"], page["width"], where)
        for what in ("out", "overlaps", "dim"):
            self.assertEqual(page[what], [], f"{where}: {what}")
        self.assertGreater(page["smallest"], 10, where)
        self.assertEqual(brightness(page["paper"]) < brightness(page["ink"]), dark, where)

    def test_nothing_sticks_out(self):
        """With everything unfolded."""
        fixture.write_sweep(self.path("sweep"), topology=wide_topology())
        self.runs("bench-report", "sweep")
        fixture.add_lines(self.path("whole.json"), fixture.whole(fixture.Maker()))
        self.runs("bench-report", "whole.json", "-o", "whole-page.html")
        for name, page in (("sweep", self.read("sweep", "report.html")),
                           ("whole", self.read("whole-page.html"))):
            self.put(name, page.replace("<details>", "<details open>"))
        self.prepare(("sweep", "whole"))
        for dark in (False, True):
            pages = self.look(dark)
            self.assertEqual(len(pages), 4)
            for page in pages:
                self.check(page, dark)
                self.assertGreater(page["figures"], 20)

    def test_the_first_screen_holds_the_answer(self):
        """Folded, as a reader gets it, with all that the first screen can have."""
        fixture.add_lines(self.path("whole.json"), fixture.whole(fixture.Maker()))
        self.runs("bench-report", "whole.json", "-o", "page.html")
        self.put("first", self.read("page.html"))
        self.prepare(("first",))
        for dark in (False, True):
            pages = self.look(dark)
            self.assertEqual(sorted(page["width"] for page in pages), list(SCREENS))
            for page in pages:
                self.check(page, dark)
                self.assertGreater(page["parts"], 12)
                self.assertLessEqual(page["lowest"], page["height"], page["width"])


if __name__ == "__main__":
    unittest.main()
