"""The page's style: one column of paper, light or dark as the reader's screen is."""

LIGHT = """
  --paper: #faf9f6; --card: #ffffff; --ink: #1b1f24; --quiet: #596069; --rule: #e2dfd7;
  --grid: #eceae4; --accent: #0072b2; --tint: #eef4f8;
  --ring: #0072b2; --mutex: #c65102; --serial: #6b6f75; --green: #00805d; --amber: #b98300;
  --pink: #b4588d; --violet: #6a4fb3; --sky: #3b9fd1;
  --s-checksum: #6a4fb3; --s-reserve: #c65102; --s-copy: #e0a100; --s-flip: #9db8c9;
  --s-write: #56b4e9; --s-sync: #0072b2; --s-wake: #00805d;
  --hw-package: #eef3e0; --hw-core: #dcdcd8; --hw-cache: #ffffff; --hw-memory: #f2e6e6;
"""
DARK = """
  --paper: #14171a; --card: #1c2024; --ink: #e8e6e1; --quiet: #a2a8af; --rule: #32373d;
  --grid: #2a2f34; --accent: #6cbcf0; --tint: #1b2831;
  --ring: #5bb3ec; --mutex: #f28a3c; --serial: #a9adb3; --green: #2fc39a; --amber: #e8b93c;
  --pink: #e08cbb; --violet: #a991ea; --sky: #8fd3f5;
  --s-checksum: #a991ea; --s-reserve: #f28a3c; --s-copy: #e8c95c; --s-flip: #5d7483;
  --s-write: #86cdf5; --s-sync: #3a8fce; --s-wake: #2fc39a;
  --hw-package: #28301f; --hw-core: #35383c; --hw-cache: #1c2024; --hw-memory: #3a2a2c;
"""

COLOURS = ("ring", "mutex", "serial", "green", "amber", "pink", "violet", "sky")
STAGES = ("checksum", "reserve", "copy", "flip", "write", "sync", "wake")

LAYOUT = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main, header, footer { max-width: 1180px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 56px; }
h1 { font-size: clamp(1.7rem, 4vw, 2.5rem); line-height: 1.15; letter-spacing: -0.02em;
  margin: 0 0 10px; font-weight: 650; }
h2 { font-size: 1.4rem; letter-spacing: -0.01em; margin: 0 0 6px; font-weight: 640; }
h3 { font-size: 1rem; margin: 0; font-weight: 620; }
p { margin: 0 0 12px; max-width: 74ch; overflow-wrap: anywhere; }
a { color: var(--accent); }
.quiet, figcaption p, .facts dt { color: var(--quiet); }
.lede { font-size: 1.08rem; color: var(--quiet); }
.mark { text-transform: uppercase; letter-spacing: 0.12em; font-size: 0.74rem; font-weight: 650;
  color: var(--accent); margin-bottom: 8px; }
nav { margin: 22px 0 0; padding: 12px 0; border-top: 1px solid var(--rule);
  border-bottom: 1px solid var(--rule); font-size: 0.92rem; }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 20px; }
nav a { text-decoration: none; display: inline-block; padding: 3px 0; }
nav a:hover, nav a:focus { text-decoration: underline; }
section { padding: 44px 0 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 230px), 1fr));
  gap: 16px; margin: 28px 0 24px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 18px 20px; }
.tile b { display: block; font-size: 2.1rem; line-height: 1.15; font-weight: 640;
  letter-spacing: -0.03em; font-variant-numeric: tabular-nums; }
.tile span { display: block; margin-top: 4px; font-size: 0.9rem; }
.tile small { display: block; color: var(--quiet); font-size: 0.8rem; margin-top: 4px; }
.findings { margin: 0 0 8px; padding: 0 0 0 20px; max-width: 80ch; }
.findings li { margin: 0 0 8px; padding-left: 4px; }
.notice { border-left: 4px solid var(--mutex); background: var(--card); padding: 12px 18px;
  border-radius: 0 10px 10px 0; margin: 20px 0; max-width: 84ch; }
.notice ul { margin: 4px 0 0; padding-left: 20px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 352px), 1fr));
  gap: 18px; margin: 16px 0; }
.grid.pairs { grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); }
.grid.pairs svg { max-width: 440px; margin: 0 auto; }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 16px 16px 10px; min-width: 0; }
figure.whole { margin: 16px 0; padding-bottom: 18px; }
figcaption { margin: 0 0 8px; }
figcaption p { font-size: 0.86rem; line-height: 1.45; margin: 2px 0 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0;
  list-style: none; font-size: 0.88rem; }
.legend svg { display: inline-block; width: 14px; height: 14px; vertical-align: -2px;
  margin-right: 6px; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px;
  margin-right: 6px; vertical-align: -1px; }
details { margin: 14px 0 0; background: var(--card); border: 1px solid var(--rule);
  border-radius: 12px; }
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
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: 0.9em; }
footer { padding-top: 48px; padding-bottom: 56px; color: var(--quiet); font-size: 0.88rem; }
@media (max-width: 560px) {
  main, header, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 32px; }
  figure { padding: 14px 10px 8px; }
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
  figure, .tile, tr { break-inside: avoid; }
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
