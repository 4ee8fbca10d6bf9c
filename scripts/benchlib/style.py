"""The page's style: one column of paper, light or dark as the reader's screen is.

No colour of an engine is the colour of a stage: engines are Okabe and Ito's, stages go from sand to
brown, each darker than the one before, so that their order survives any colour blindness.
"""

import re

LIGHT = """
  --paper: #faf9f6; --card: #ffffff; --ink: #1b1f24; --quiet: #565d66; --rule: #e2dfd7;
  --grid: #eceae4; --accent: #00639c; --tint: #eaf1f6; --band: #e9e7e1;
  --ring: #0072b2; --mutex: #c65102; --serial: #6b6f75; --green: #00805d; --amber: #a87900;
  --pink: #b4588d; --violet: #6a4fb3; --sky: #2f8fc0;
  --s-checksum: #f0e4d2; --s-reserve: #dcc6a2; --s-copy: #c6a77b; --s-flip: #a98459;
  --s-write: #86633f; --s-sync: #614527; --s-wake: #3d2a15;
  --better: #d7e9f5; --worse: #fbe0cd; --same: #ecebe6;
  --hw-package: #eef3e0; --hw-core: #dcdcd8; --hw-cache: #ffffff; --hw-memory: #f2e6e6;
"""
DARK = """
  --paper: #14171a; --card: #1c2024; --ink: #e8e6e1; --quiet: #a8aeb5; --rule: #32373d;
  --grid: #2a2f34; --accent: #6cbcf0; --tint: #1b2831; --band: #2b3035;
  --ring: #5bb3ec; --mutex: #f28a3c; --serial: #a9adb3; --green: #2fc39a; --amber: #e8b93c;
  --pink: #e08cbb; --violet: #a991ea; --sky: #8fd3f5;
  --s-checksum: #4a3a27; --s-reserve: #6a5236; --s-copy: #8b6d49; --s-flip: #a98a60;
  --s-write: #c3a67c; --s-sync: #dbc39d; --s-wake: #f0e2c8;
  --better: #173a52; --worse: #54300f; --same: #2b3035;
  --hw-package: #28301f; --hw-core: #35383c; --hw-cache: #1c2024; --hw-memory: #3a2a2c;
"""

COLOURS = ("ring", "mutex", "serial", "green", "amber", "pink", "violet", "sky")
STAGES = ("checksum", "reserve", "copy", "flip", "write", "sync", "wake")

LAYOUT = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main, header, footer { max-width: 1240px; margin: 0 auto; padding: 0 24px; }
h1 { font-size: clamp(1.2rem, 3vw, 1.9rem); line-height: 1.15; letter-spacing: -0.02em;
  margin: 0; font-weight: 650; }
h2 { font-size: 1.12rem; letter-spacing: -0.01em; margin: 0; font-weight: 640; }
h3 { font-size: 1rem; margin: 0; font-weight: 620; }
p { margin: 0 0 12px; max-width: 84ch; overflow-wrap: anywhere; }
a { color: var(--accent); }
.quiet, figcaption p, .facts dt { color: var(--quiet); }
.measured { font-size: 0.84rem; color: var(--quiet); margin: 14px 0 10px; max-width: none; }
.answer { font-size: 1.3rem; line-height: 1.3; margin: 8px 0 8px; max-width: none; }
.answer b { font-weight: 680; }
.strength { font-size: 0.9rem; margin: 0 0 14px; max-width: none; }
.strength b { border: 1.5px solid currentColor; border-radius: 6px; padding: 0 7px;
  letter-spacing: 0.04em; font-size: 0.8rem; margin-right: 6px; }
.command { display: block; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  margin: 4px 0 0; padding: 4px 10px;
  background: var(--tint); border-radius: 6px; font-size: 0.76rem; max-width: 100%; }
.first { display: grid; grid-template-columns: minmax(0, 1.22fr) minmax(0, 1fr); gap: 20px;
  align-items: start; }
.first .side > * { margin: 0 0 12px; }
.first figure.whole { margin: 0; }
.first table { font-size: 0.9rem; }
.first caption { text-align: left; font-weight: 620; padding: 0 0 4px; }
.first th, .first td { padding: 5px 8px; white-space: normal; }
.first th:first-child, .first td:first-child { padding-left: 0; }
.first td small { white-space: nowrap; }
.why { font-size: 0.92rem; }
.why dt { font-weight: 680; letter-spacing: 0.04em; font-size: 0.8rem; margin: 8px 0 1px; }
.why dd { margin: 0 0 3px; overflow-wrap: anywhere; }
nav { margin: 26px 0 0; font-size: 0.92rem; }
nav ul { list-style: none; margin: 6px 0 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: 2px 20px; }
section { padding: 12px 0 0; }
section > details > .body { padding: 4px 18px 18px; }
section > details > summary { padding: 12px 18px; }
section > details > summary h2 { display: inline; }
section > details > summary p { margin: 2px 0 0 18px; color: var(--quiet); font-weight: 400;
  max-width: none; }
.notice { border: 0; border-left: 4px solid var(--mutex); border-radius: 0 8px 8px 0; margin: 8px 0 0;
  font-size: 0.9rem; }
.notice summary { padding: 3px 12px; }
.notice ul { margin: 0; padding: 0 12px 8px 40px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr));
  gap: 18px; margin: 16px 0; }
.grid.pairs { grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); }
.grid.pairs svg { max-width: 440px; margin: 0 auto; }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 14px 14px 10px; min-width: 0; }
section figure { background: var(--paper); }
figure.whole { margin: 14px 0; padding-bottom: 14px; }
figcaption { margin: 0 0 8px; }
figcaption p { font-size: 0.86rem; line-height: 1.4; margin: 2px 0 0; }
figcaption .load { font-size: 0.78rem; }
.load b { color: var(--ink); text-transform: uppercase; letter-spacing: 0.06em; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 0; padding: 0;
  list-style: none; font-size: 0.88rem; }
.legend svg { display: inline-block; width: 14px; height: 14px; vertical-align: -2px;
  margin-right: 6px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px;
  border: 1px solid var(--quiet); margin-right: 6px; vertical-align: -1px; }
details { margin: 10px 0 0; background: var(--card); border: 1px solid var(--rule);
  border-radius: 12px; }
section > details { margin: 0; }
summary { cursor: pointer; padding: 10px 16px; font-size: 0.92rem; font-weight: 560; }
details > .scroll { border-top: 1px solid var(--rule); }
.scroll { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-size: 0.84rem; font-variant-numeric: tabular-nums;
  min-width: 100%; }
th, td { padding: 6px 12px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--grid); }
thead th { color: var(--quiet); font-weight: 560; vertical-align: bottom; }
th[scope=row], thead th:first-child, th.words { text-align: left; font-weight: 560; }
td.words { text-align: left; white-space: normal; min-width: 28ch; }
td small { color: var(--quiet); display: block; font-size: 0.76rem; }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 18px;
  margin: 14px 0; font-size: 0.94rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
pre { margin: 0; padding: 14px 16px; font: 0.8rem/1.6 ui-monospace, "SF Mono", Menlo, Consolas,
  "DejaVu Sans Mono", monospace; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
footer { padding-top: 32px; padding-bottom: 48px; color: var(--quiet); font-size: 0.88rem; }
@media (max-width: 900px) {
  .first { grid-template-columns: minmax(0, 1fr); gap: 8px; }
}
@media (max-width: 560px) {
  main, header, footer { padding-left: 14px; padding-right: 14px; }
  .measured { font-size: 0.7rem; line-height: 1.3; margin: 8px 0 4px; }
  .answer { font-size: 1rem; margin: 4px 0; }
  .strength { font-size: 0.76rem; line-height: 1.35; margin: 0 0 6px; }
  .strength b { font-size: 0.7rem; padding: 0 5px; }
  .command { white-space: pre; overflow-wrap: normal; font-size: 0.68rem; padding: 2px 8px; margin-top: 2px; }
  figure { padding: 8px 8px 6px; }
  .first figure.whole { margin: 0; padding: 4px 8px; }
  .first figcaption { display: none; }
  .first .side > * { margin: 0 0 4px; }
  .first table { font-size: 0.76rem; }
  .first th, .first td { padding: 2px 3px; }
  .first td { white-space: nowrap; }
  .first td small span { display: none; }
  .first td small { display: inline; margin-left: 6px; font-size: 0.7rem; }
  .notice { font-size: 0.76rem; margin: 4px 0 0; }
  .notice summary { font-size: 0.76rem; padding: 1px 8px; }
  .why { font-size: 0.78rem; line-height: 1.35; }
  .why dt { font-size: 0.7rem; margin: 3px 0 0; }
  .why dd { margin: 0; }
  section > details > .body { padding: 4px 10px 12px; }
  .facts { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .facts dd { margin-bottom: 8px; }
}
"""

PICTURES = """
svg { display: block; width: 100%; height: auto; overflow: visible; color: var(--ink);
  font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
svg text { fill: var(--ink); }
svg .tick, svg .label, svg .quiet { fill: var(--quiet); font-variant-numeric: tabular-nums; }
svg .tick { font-size: 11px; }
svg .group { font-weight: 640; font-size: 13px; }
svg .grid { stroke: var(--grid); }
svg .axis { stroke: var(--quiet); }
svg .limit { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 1 3; }
svg .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
svg .band { opacity: 0.16; stroke: none; }
svg .range { stroke-width: 1.6; opacity: 0.7; }
svg .point { stroke: var(--card); stroke-width: 1.2; }
svg .near { fill: var(--band); }
svg .one { stroke: var(--ink); stroke-width: 1.2; }
svg .interval { stroke-width: 2.4; }
svg .dot { stroke: none; opacity: 0.45; }
svg .hollow { fill: var(--card); stroke-width: 1.8; }
svg .broken { stroke-dasharray: 5 4; fill: none; stroke-width: 1.8; }
svg .value { font-size: 12px; font-weight: 620; }
svg .bridge { stroke: var(--quiet); stroke-dasharray: 2 2; }
svg .piece { stroke: var(--quiet); stroke-width: 0.8; }
svg .box-better { fill: var(--better); } svg .box-worse { fill: var(--worse); }
svg .box-same { fill: var(--same); } svg .box-open { fill: none; stroke: var(--quiet);
  stroke-dasharray: 3 3; }
svg .guide { fill: none; stroke: var(--quiet); stroke-width: 1.4; stroke-dasharray: 6 4; }
svg .lead { fill: none; stroke: var(--rule); }
svg .whisker { stroke: var(--ink); stroke-width: 1.4; }
.topology { height: auto; }
.topology rect { fill: var(--hw-cache); stroke: var(--quiet); }
.topology line { stroke: var(--quiet); }
.topology text { font: 10px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.topology rect.hw-Package { fill: var(--hw-package); }
.topology rect.hw-Core { fill: var(--hw-core); }
.topology rect.hw-NUMANode { fill: var(--hw-memory); }
.narrow { display: none; }
@media (max-width: 700px) { .wide { display: none; } .narrow { display: block; } }
"""

PRINT = """
@media print {
  body { font-size: 11pt; }
  nav, details:not([open]) { display: none; }
  figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""


def series():
    rules = [f".c-{name} {{ fill: var(--{name}); stroke: var(--{name}); }}" for name in COLOURS]
    rules += [f".s-{name} {{ fill: var(--s-{name}); background: var(--s-{name}); }}"
              for name in STAGES]
    return "\n".join(rules) + "\n"


def sheet():
    """Printed on paper the page is light, whatever the screen was."""
    return (f":root {{ color-scheme: light dark;{LIGHT}}}\n"
            f"@media screen and (prefers-color-scheme: dark) {{ :root {{{DARK}}} }}\n"
            + LAYOUT + series() + PICTURES + PRINT)


def values_of(palette):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", palette))


def sheet_of_picture(dark=False):
    """For a picture that stands alone: programs that draw SVG do not know variables."""
    values = values_of(DARK if dark else LIGHT)
    start, end = PICTURES.index("svg text {"), PICTURES.index(".topology {")
    rules = ('svg { font: 12px "DejaVu Sans", Arial, sans-serif; } .paper { fill: var(--card); }\n'
             + series() + PICTURES[start:end])
    return re.sub(r"var\(--([\w-]+)\)", lambda found: values[found.group(1)], rules)
