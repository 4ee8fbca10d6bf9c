"""The page in a browser: nothing sticks out, on a phone and on a desk, by day and by night."""

import json
import re
import shutil
import subprocess
import unittest

from support import Case

import fixture

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)
WIDTHS = (390, 1280)
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-extensions", "--no-proxy-server", "--enable-logging=stderr",
         "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=4000")

# Put into a copy of the page, which tells the page around it what it looks like.
PROBE = """<script>
addEventListener("load", () => {
  const root = document.documentElement;
  const shown = element => element.getClientRects().length > 0;
  const right = element => element.getBoundingClientRect().right;
  const boxed = [...document.querySelectorAll("figure")].filter(shown);
  const out = boxed.flatMap(box => [...box.querySelectorAll("svg text")].filter(shown)
    .filter(text => !text.closest(".scroll") && (right(text) > right(box) + 0.5 ||
      text.getBoundingClientRect().left < box.getBoundingClientRect().left - 0.5))
    .map(text => text.textContent));
  const sizes = boxed.flatMap(box => [...box.querySelectorAll("svg text")].filter(shown)
    .map(text => text.getBoundingClientRect().height));
  parent.postMessage({width: innerWidth, wide: root.scrollWidth, out: out,
    smallest: Math.min(...sizes), figures: boxed.length,
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
    def prepare(self, topology):
        fixture.write_sweep(self.path("sweep"), topology=topology)
        self.runs("bench-report", "sweep")
        page = self.read("sweep", "report.html").replace("<details>", "<details open>")
        self.write("page.html", page.replace("</body>", PROBE + "</body>"))
        frames = "".join(f'<iframe src="page.html" style="width:{width}px;height:900px;border:0">'
                         "</iframe>" for width in WIDTHS)
        self.write("around.html", AROUND + frames)

    def look(self, dark):
        """What the page says of itself at each width, and what the browser said."""
        command = [PROGRAM, *QUIET, f"--user-data-dir={self.path('profile')}",
                   "--window-size=1400,1900", "--dump-dom",
                   f"--blink-settings=preferredColorScheme={0 if dark else 1}",
                   f"file://{self.path('around.html')}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        shutil.rmtree(self.path("profile"), ignore_errors=True)
        found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
        self.assertTrue(found and found.group(1), done.stderr[-2000:])
        self.assertNotIn("CONSOLE", done.stderr)
        return {one["width"]: one for one in json.loads(found.group(1).replace("&amp;", "&"))}

    def test_nothing_sticks_out(self):
        self.prepare(wide_topology())
        for dark in (False, True):
            pages = self.look(dark)
            self.assertEqual(sorted(pages), list(WIDTHS))
            for width, page in pages.items():
                where = f"{width} wide, {'dark' if dark else 'light'}"
                self.assertLessEqual(page["wide"], width, where)
                self.assertEqual(page["out"], [], where)
                self.assertGreater(page["figures"], 25, where)
                self.assertGreater(page["smallest"], 10, where)
                self.assertEqual(brightness(page["paper"]) < brightness(page["ink"]), dark, where)


if __name__ == "__main__":
    unittest.main()
