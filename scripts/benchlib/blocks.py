"""What sections are made of: figures with their captions, legends and tables."""

from . import about, svg
from .charts import Axis, Line, line_chart
from .looks import DEFAULTS, looks_of
from .wording import (count, number_of, short, significant, sizes, spread, time_ns, time_us)


class Section:
    """A part of the page: its title, what it found in a line, and all the rest, folded away."""

    def __init__(self, name, title, content, finding=""):
        self.name = name
        self.title = title
        self.content = content
        self.finding = finding

    def markup(self):
        head = svg.element("h2", svg.escape(self.title))
        head += paragraph(self.finding) if self.finding else ""
        body = svg.element("div", self.content, class_="body")
        folded = svg.element("details", svg.element("summary", head) + body)
        return svg.element("section", folded, id=self.name)


def paragraph(words, class_=None):
    return svg.element("p", svg.escape(words), class_=class_)


def tag(dataset):
    """The load model and the repetition; and that it is simulated, where it is."""
    words = svg.escape(about.tag(dataset))
    if about.is_simulated(dataset):
        words = svg.element("b", "simulated") + " · " + words
    return svg.element("p", words, class_="load")


def figure(title, caption, picture, dataset, whole=False, heading="h3"):
    """No picture without what its numbers are of."""
    words = svg.element(heading, svg.escape(title)) + (paragraph(caption) if caption else "")
    return svg.element("figure", svg.element("figcaption", words + tag(dataset)) + picture,
                       class_="whole" if whole else None)


def grid(figures, wide=False):
    """Three in a row on a desk, or two where they are wide or three would leave one alone."""
    pairs = " pairs" if wide or len(figures) % 3 == 1 and len(figures) > 1 else ""
    return svg.element("div", "".join(figures), class_="grid" + pairs) if figures else ""


def legend(variants):
    """Names with colour and shape, once for all the pictures below it."""
    items = []
    for variant, look in looks_of(variants).items():
        sign = svg.element("svg", svg.marker(7, 7, look.shape, look.class_), viewBox="0 0 14 14",
                           aria_hidden="true")
        items.append(svg.element("li", sign + svg.escape(variant)))
    return svg.element("ul", "".join(items), class_="legend")


# ---- Tables --------------------------------------------------------------------------------------


def table(heads, rows, label):
    """`rows`, at least one, are lists of markup, the first of each names its row. A wide table
    scrolls by itself."""
    words = [isinstance(item, tuple) for item in rows[0]]
    head = "".join(svg.element("th", svg.escape(name), scope="col",
                               class_="words" if wordy else None)
                   for name, wordy in zip(heads, words))
    body = []
    for row in rows:
        first = svg.element("th", row[0], scope="row")
        body.append(svg.element("tr", first + "".join(as_data(item) for item in row[1:])))
    content = svg.element("thead", svg.element("tr", head)) + svg.element("tbody", "".join(body))
    return svg.element("div", svg.element("table", content), class_="scroll", tabindex="0",
                       role="region", aria_label=label)


def as_data(item):
    """Data that is words, not a number, comes as (words,) and may take several lines."""
    if isinstance(item, tuple):
        return svg.element("td", svg.escape(item[0]), class_="words")
    return svg.element("td", item)


def details(summary, content):
    return svg.element("details", svg.element("summary", svg.escape(summary)) + content)


def with_range(summary, form):
    """A median, and small below it what the rounds ranged over."""
    if summary is None:
        return "–"
    words = svg.escape(form(summary.median))
    if summary.count > 1:
        ends = f"{form(summary.low)} to {form(summary.high)}"
        words += svg.element("small", svg.escape(ends))
    return words


COLUMNS = (("records/s", "records_per_s", count), ("p50", "p50_us", time_us),
           ("p99", "p99_us", time_us), ("p99.9", "p999_us", time_us),
           ("p99.99", "p99_99_us", time_us), ("max", "max_us", time_us),
           ("records/flush", "records_per_flush", significant),
           ("epochs crossed", "epochs_crossed.mean", significant), ("a submit", "submit_ns", time_ns),
           ("device bytes/payload", "device_bytes_per_payload_byte", significant),
           ("zero-fill bytes", "zero_fill_bytes", short), ("CPU/record", "cpu_us_per_record", time_us),
           ("switches/record", "context_switches_per_record", significant),
           ("system calls/record", "system_calls_per_record", significant))


def row_name(cell, dataset):
    """Only what varies within the table."""
    row = cell.first
    words = [row.variant]
    if len(dataset.distinct("sizes")) > 1:
        words.append(sizes(row.sizes))
    if len(dataset.distinct("window")) > 1:
        words.append(f"window {row.window}")
    if len({one.device_words for one in dataset.rows}) > 1:
        words.append(row.device_words or "file")
    if row.option("rate"):
        words.append(f"offered {count(row.option('rate'))}/s")
    return svg.escape(", ".join(words) + (" *" if cell.interrupted else ""))


def numbers(dataset, caption="All numbers"):
    """Every cell of a dataset: medians, and the spread over the rounds."""
    columns = [column for column in COLUMNS if dataset.has(column[1])]
    heads = ["variant", "writers", "rounds"] + [head for head, _, _ in columns]
    rows = []
    for cell in dataset.cells:
        start = [row_name(cell, dataset), f"{cell.first.writers:,}", str(len(cell.rows))]
        rows.append(start + [with_range(cell.summary(key), form) for _, key, form in columns])
    note = ""
    if any(cell.interrupted for cell in dataset.cells):
        note = svg.element("p", "* has a run that was interrupted", class_="quiet scroll")
    words = f"{caption}: {number_of(len(rows), 'row')}, medians and least to greatest of the rounds"
    return details(words, table(heads, rows, f"{dataset.title or dataset.name}: numbers") + note)


# ---- Lines against something ---------------------------------------------------------------------


def points_of(cells, at, key, form, log=True):
    """(x, median, least, greatest, words) of the cells that have the key, in the order of x. Where
    an axis counts by factors zero has no place."""
    points = []
    for cell in cells:
        summary, place = cell.summary(key), at(cell.first)
        if summary is None or not place or (log and summary.low <= 0) or not is_drawn(cell):
            continue
        words = f"{cell.first.variant}, {significant(place)}: {spread(summary, form)}"
        points.append((place, summary.median, summary.low, summary.high, words))
    return sorted(points)


def is_drawn(cell):
    """What ran once stands in the table only: nobody knows how far it would scatter. A simulation
    gives the same each time."""
    return len(cell.rows) > 1 or cell.first.simulated


class Against:
    """A way to lay out a dataset: what x is, and how its ticks are written."""

    def __init__(self, label, at, form=short):
        self.label = label
        self.at = at
        self.form = form


WRITERS = Against("concurrent writers", lambda row: row.writers)


def lines_of(dataset, against, key, form, log=True):
    looks = looks_of(dataset.distinct("variant"))
    lines = []
    for variant, look in looks.items():
        points = points_of(dataset.of(variant=variant), against.at, key, form, log)
        if points:
            lines.append(Line(variant, look, points))
        points = points_of(cells_over(dataset, variant), against.at, key, form, log)
        if points:
            lines.append(Line(f"{variant}, measured", look, points, laid_over=True))
    return lines


def plain_name(variant):
    return "ring" if variant in DEFAULTS else variant


def cells_over(dataset, variant):
    """What was measured of a simulated variant, on as fast a device and with as large a window."""
    first = dataset.rows[0]
    return [cell for over in dataset.over for cell in over.cells
            if plain_name(cell.first.variant) == plain_name(variant)
            and cell.first.window == first.window
            and cell.first.device.get("kind") == first.device.get("kind")]


def limit_of(dataset, against):
    threads = dataset.rows[0].machine.get("hardware_threads")
    return (threads, f"{threads} hardware threads") if threads and against is WRITERS else None


def draw_against(dataset, against, key, title, unit, form, log=True, guides=(), width=350,
                 height=250):
    """Lines of every variant; nothing where no run has the key."""
    lines = lines_of(dataset, against, key, form, log)
    if not lines:
        return None
    ticks = sorted({point[0] for line in lines for point in line.points})
    x_axis = Axis(against.label, against.form, log=True, ticks=ticks)
    words = f"{title} against {against.label}: " + "; ".join(
        f"{line.name} from {form(line.points[0][1])} to {form(line.points[-1][1])}"
        for line in lines)
    return line_chart(f"{title} ({unit})", words, x_axis, Axis(unit, short_form(form), log=log),
                      lines, guides, limit_of(dataset, against), width, height)


def short_form(form):
    """Ticks have less room than words."""
    return short if form is count else form


def figure_against(dataset, against, key, title, caption, form, log=True, guides=()):
    picture = draw_against(dataset, against, key, title, caption, form, log, guides)
    return figure(title, caption, picture, dataset) if picture else None


def only_tables(dataset):
    """Why there is no picture, where there is none."""
    if any(is_drawn(cell) for cell in dataset.cells):
        return ""
    return paragraph("One round of each: no picture, because nobody knows how far these numbers"
                     " scatter. The table has them.", "quiet")


def some(*figures):
    return [one for one in figures if one]


def sharing_figure(dataset):
    return figure_against(dataset, WRITERS, "records_per_flush", "Records per flush",
                          "the mean, against writers", significant)


def writers_title(writers):
    return f"{writers:,} writer" + ("s" if writers > 1 else "")
