"""Pictures that stand alone: the page's own, beside one another, with what they are of in words."""

import os
import re
import shutil
import subprocess
import tempfile

from . import about, headline, pairs, svg
from .blocks import WRITERS, draw_against
from .fields import BadInput
from .results import Dataset
from .sections import PROCESSORS, guides_of_latency, guides_of_rate, places_of
from .style import sheet_of_picture
from .wording import count, number_of, significant, size, time_us

WIDTH, HEIGHT, GAP = 380, 300, 30
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# By name: the key of results, its title, and how numbers are written.
FIGURES = {"ratio": None,
           "throughput": ("records_per_s", "Throughput", "records/s, higher is better", count),
           "p50": ("p50_us", "Median latency", "lower is better", time_us),
           "p99": ("p99_us", "p99 latency", "lower is better", time_us),
           "p999": ("p999_us", "p99.9 latency", "lower is better", time_us),
           "flush": ("records_per_flush", "Records per flush", "in one write and sync", significant),
           "cpu": ("cpu_us_per_record", "Processor time per record", "lower is better", time_us)}


# ---- One load only -------------------------------------------------------------------------------


def device_text(row):
    return row.device_words or "file"


MIXED = (("records of", "--size", lambda row: row.sizes, lambda pair: size(pair[1] or 0)),
         ("windows of", "--window", lambda row: row.window, str),
         ("devices", "--device", device_text, str))
NOT_CHOSEN = (("numbers of clients", lambda row: row.clients),
              ("offered rates", lambda row: row.option("rate")),
              ("machines", lambda row: row.machine.get("cpu")),
              ("think times", lambda row: row.load.get("think_us")))


def fits(row, size_, window, device):
    return (size_ in (None, row.sizes[0]) and window in (None, row.window)
            and device in (None, device_text(row)))


def chosen(source, size_, window, device):
    """The runs of one load, as a dataset; refuses what would mix several."""
    rows = [row for row in source.rows if fits(row, size_, window, device)
            and row.get("rung") is None and not row.option("preset")]
    rows = list({id(row): row for row in rows}.values())
    if not rows:
        raise BadInput(f"{source.name}: no result of this kind that could be drawn")
    if source.folder:
        first = next(dataset for dataset in source.datasets if rows[0] in dataset.rows)
        rows = [row for row in rows if row in first.rows]
    for what, option, of, form in MIXED:
        found = list(dict.fromkeys(of(row) for row in rows))
        if len(found) > 1:
            raise BadInput(f"{source.name}: {what} {', '.join(map(form, found))} do not go into one"
                           f" picture: choose with {option}")
    for what, of in NOT_CHOSEN:
        found = {of(row) for row in rows}
        if len(found) > 1:
            raise BadInput(f"{source.name}: several {what} do not go into one picture")
    owner = next(dataset for dataset in source.datasets if rows[0] in dataset.rows)
    kind = "simulated" if rows[0].simulated else "engines"
    return Dataset(owner.name, owner.title, kind, rows, owner.floors)


# ---- The picture ---------------------------------------------------------------------------------


def panel(dataset, name, question):
    """A drawing's markup; None where it was not measured, or only once."""
    if name == "ratio":
        return headline.ratio_picture(question, WIDTH, HEIGHT) if question else None
    key, title, unit, form = FIGURES[name]
    counts = {PROCESSORS.at(row) for row in dataset.rows} if dataset.kind == "simulated" else ()
    against = PROCESSORS if len(counts) > 1 else WRITERS
    guides = guides_of_rate(dataset) if name == "throughput" else (
        guides_of_latency(dataset, key, places_of(dataset, against)) if key in ("p50_us", "p99_us", "p999_us") else ())
    return draw_against(dataset, against, key, title, unit, form, guides=guides, width=WIDTH,
                        height=HEIGHT)


def title_of(name, question):
    if name == "ratio":
        return f"{question.names[0]} divided by {question.names[1]}", "records/s, 95 % interval"
    return FIGURES[name][1:3]


def placed(drawn, left, top):
    """A drawing within another: at a place, in its own size, without what only a page needs."""
    drawn = re.sub(r"<title.*?</title>|<desc.*?</desc>", "", drawn, flags=re.DOTALL)
    return re.sub(r'^<svg viewBox="0 0 (\d+) (\d+)"[^>]*>',
                  rf'<svg x="{left}" y="{top}" width="\1" height="\2" viewBox="0 0 \1 \2">', drawn)


def picture(source, dataset, names, compare, dark):
    """The whole as text."""
    question = pairs.first_question([dataset], compare) if "ratio" in names else None
    drawn = [(name, panel(dataset, name, question)) for name in names]
    drawn = [(name, markup) for name, markup in drawn if markup]
    if not drawn:
        raise BadInput(f"{source.name}: nothing to draw of {', '.join(names)}: not measured, or in one"
                       " round only")
    width = GAP + len(drawn) * (WIDTH + GAP)
    lines = broken(about.measured_line(source, dataset) + rounds_words(dataset), (width - 2 * GAP) / 6.3)
    top = 26 + 16 * len(lines) + 50
    parts = [svg.element("rect", x=0, y=0, width=width, height=top + HEIGHT + 14, class_="paper")]
    parts += [svg.text(GAP, 24 + 16 * i, line, class_="quiet") for i, line in enumerate(lines)]
    for i, (name, markup) in enumerate(drawn):
        left = GAP + i * (WIDTH + GAP)
        title, unit = title_of(name, question)
        parts.append(svg.text(left, top - 26, title, class_="group"))
        parts.append(svg.text(left, top - 10, unit, class_="quiet"))
        parts.append(placed(markup, left, top))
    sheet = f"<style>{sheet_of_picture(dark)}</style>"
    return svg.element("svg", sheet + "".join(parts), xmlns="http://www.w3.org/2000/svg",
                       viewBox=f"0 0 {width} {top + HEIGHT + 14}", width=width,
                       height=top + HEIGHT + 14, role="img",
                       aria_label=about.measured_line(source, dataset)) + "\n"


def rounds_words(dataset):
    if dataset.kind == "simulated":
        return ""
    return " · " + number_of(max(len(cell.rows) for cell in dataset.cells), "round")


def broken(words, letters):
    """Into lines of about so many letters, at the dots between facts."""
    lines = [""]
    for part in words.split(" · "):
        if lines[-1] and len(lines[-1]) + len(part) + 3 > letters:
            lines.append("")
        lines[-1] += (" · " if lines[-1] else "") + part
    return lines


# ---- PNG -----------------------------------------------------------------------------------------


def size_of(text):
    return tuple(map(int, re.search(r'viewBox="0 0 (\d+) (\d+)" width', text).groups()))


def png(text, path, dark):
    """Twice as large, for dense screens. Why it could not be made, if it could not."""
    with tempfile.TemporaryDirectory(prefix="plot-") as folder:
        drawing, made = os.path.join(folder, "picture.svg"), os.path.join(folder, "picture.png")
        with open(drawing, "w", encoding="utf-8") as file:
            file.write(text)
        command = command_for(drawing, made, folder, size_of(text), dark)
        if command is None:
            return ("neither rsvg-convert nor chromium is installed; on Debian: apt-get install"
                    " librsvg2-bin")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not os.path.exists(made):
            return f"{os.path.basename(command[0])} could not draw it"
        try:
            shutil.copyfile(made, path)
        except OSError as error:
            return error.strerror
    return None


def command_for(drawing, made, folder, wanted, dark):
    program = shutil.which("rsvg-convert")
    if program:
        return [program, "--zoom", "2", "--output", made, drawing]
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        return None
    width, height = wanted
    return [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--hide-scrollbars", "--force-device-scale-factor=2", f"--window-size={width},{height}",
            f"--user-data-dir={os.path.join(folder, 'profile')}", f"--screenshot={made}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"file://{drawing}"]
