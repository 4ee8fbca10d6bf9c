"""Pictures of ratios: against writers, one below the other, as a map; and what a difference is made
of. A ratio stands on a scale of factors, with the line of 1 and the band of 5 % around it."""


from . import scale, svg
from .charts import Frame
from .stats import MARGIN
from .wording import factor, number_of, significant

# What a scale of ratios counts by, wide or narrow.
WIDE = [2.0 ** power for power in range(-10, 11)]
MIDDLE = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.4, 2, 3, 5, 10)
# How much of a picture each side of the line of 1 has at least, as a share of the other.
LEAST_SIDE = 0.16
NARROW = (0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4)


class Point:
    """A ratio at a place of the axis: its estimate, and that of each round. `verdict` is None where
    nobody judged it."""

    def __init__(self, place, estimate):
        self.place = place
        self.ratio = estimate.ratio
        self.low, self.high = estimate.low, estimate.high
        self.rounds = estimate.ratios
        self.verdict = estimate.verdict

    def ends(self):
        return [end for end in (self.low, self.high) if end is not None]


def range_of(points):
    """Holds all rounds and the intervals as far as twice beyond them: those of two rounds reach
    anywhere."""
    rounds = [value for point in points for value in (*point.rounds, point.ratio)] + [1.0]
    low, high = min(rounds), max(rounds)
    ends = [end for point in points for end in point.ends()]
    low = max(low / 2, min([*ends, low]))
    high = min(high * 2, max([*ends, high]))
    low, high = min(low / 1.04, 0.82), max(high * 1.04, 1.22)
    return min(low, high ** -LEAST_SIDE), max(high, low ** -LEAST_SIDE)


def label(value):
    return factor(value) if value < 100 else f"{significant(value)}×"


def ticks_of(low, high):
    steps = WIDE if high / low > 6 else MIDDLE if high / low > 2.4 else NARROW
    return [step for step in steps if low <= step <= high]


def tick_words(value):
    return f"{value:g}×" if value >= 0.1 else f"1/{1 / value:.0f}×"


def words_of(name, point):
    words = f"{name}: {factor(point.ratio)}"
    if point.low is not None:
        words += f", 95 % {factor(point.low)} to {factor(point.high)}"
    return words + f", {number_of(len(point.rounds), 'round')}"


# ---- Against writers -----------------------------------------------------------------------------


class Series:
    def __init__(self, name, look, points, main=True):
        self.name = name
        self.look = look
        self.points = points
        self.main = main


def draw_scale(y, frame):
    top, bottom = y.of(min(MARGIN, y.high)), y.of(max(1 / MARGIN, y.low))
    parts = [svg.element("rect", x=float(frame.left), y=top, width=float(frame.right - frame.left),
                         height=bottom - top, class_="near")]
    for tick in ticks_of(y.low, y.high):
        place = y.of(tick)
        class_ = "one" if tick == 1 else "grid"
        parts.append(svg.line(frame.left, place, frame.right, place, class_=class_))
        parts.append(svg.text(frame.left - 7, place + 4, tick_words(tick), text_anchor="end",
                              class_="tick"))
    return "".join(parts)


def draw_interval(point, x, y, look):
    """Its ends have bars, or none where they are beyond the picture."""
    if point.low is None:
        return ""
    low, high = max(point.low, y.low), min(point.high, y.high)
    parts = [svg.line(x, y.of(low), x, y.of(high), class_=f"interval {look}")]
    for end, drawn in ((point.low, low), (point.high, high)):
        if end == drawn:
            parts.append(svg.line(x - 5, y.of(end), x + 5, y.of(end), class_=f"interval {look}"))
    return "".join(parts)


def draw_main(series, x, y, frame):
    parts = []
    for point in series.points:
        place, look = x.of(point.place), series.look.class_
        parts.append(draw_interval(point, place, y, look))
        count = len(point.rounds)
        for i, value in enumerate(point.rounds):
            aside = place + 9 + (i % 5) * 3.2 if count > 1 else place
            parts.append(svg.element("circle", cx=float(aside), cy=y.of(value), r=2.2,
                                     class_=f"dot {look}"))
        tip = words_of(f"{series.name}, {point.place:,}", point)
        parts.append(svg.marker(place, y.of(point.ratio), series.look.shape, f"{look} point", tip))
        highest = max(value for value in (*point.rounds, *point.ends(), point.ratio))
        top = y.of(min(highest, y.high))
        parts.append(svg.text(place, max(frame.top - 2, top - 7), label(point.ratio),
                              text_anchor="middle", class_="value"))
    return "".join(parts)


def draw_beside(series, x, y):
    """Without intervals: what it is worth is said in words."""
    places = [(x.of(point.place), y.of(point.ratio)) for point in series.points]
    parts = [svg.path(places, class_=f"broken {series.look.class_}")]
    for (px, py), point in zip(places, series.points):
        tip = words_of(f"{series.name}, {point.place:,}", point)
        parts.append(svg.marker(px, py, series.look.shape, f"{series.look.class_} hollow", tip))
    return "".join(parts)


def draw_key(entries, top, width):
    """What is what, below the picture: as many to a line as fit."""
    parts, left, y = [], 6, top
    for sign, words in entries:
        need = 20 + len(words) * 6.1
        if left > 6 and left + need > width:
            left, y = 6, y + 16
        parts.append(sign(left + 6, y - 4) + svg.text(left + 16, y, words, class_="tick"))
        left += need + 12
    return "".join(parts), y


def key_of(all_series, ends):
    entries = []
    for series in all_series:
        kind = f"{series.look.class_} " + ("point" if series.main else "hollow")
        entries.append((lambda x, y, series=series, kind=kind:
                        svg.marker(x, y, series.look.shape, kind), series.name))
        if series.main and any(point.low is not None for point in series.points):
            look = series.look.class_
            entries += [(lambda x, y, look=look: svg.line(x, y - 6, x, y + 6,
                                                          class_=f"interval {look}"),
                         "95 % interval"),
                        (lambda x, y, look=look: svg.element(
                            "circle", cx=float(x), cy=float(y), r=2.2, class_=f"dot {look}"),
                         "a round")]
    entries.append((lambda x, y: svg.element("rect", x=x - 6.0, y=y - 4.0, width=12.0, height=8.0,
                                             class_="near"), "within 5 %"))
    return entries + ends


def ratio_chart(title, description, all_series, names, axis_label, width, height):
    """`names` are those of what is above and of what is below the line of 1."""
    points = [point for series in all_series for point in series.points]
    places = sorted({point.place for point in points})
    frame = Frame(width, height, 14)
    frame.left, frame.top = 40, 20
    key, end = draw_key(key_of(all_series, []), 0, width)
    frame.bottom = height - 54 - end
    key, _ = draw_key(key_of(all_series, []), height - 4 - end, width)
    low, high = range_of(points)
    y = scale.Scale(low, high, frame.bottom, frame.top, True)
    x = Steps(places, frame.left + 26, frame.right - 30)
    parts = [draw_scale(y, frame)]
    for place in places:
        parts.append(svg.text(x.of(place), frame.bottom + 16, f"{place:,}", text_anchor="middle",
                              class_="tick"))
    parts.append(svg.text((frame.left + frame.right) / 2, frame.bottom + 31, axis_label,
                          text_anchor="middle", class_="label"))
    parts += [draw_beside(series, x, y) for series in all_series if not series.main]
    parts += [draw_main(series, x, y, frame) for series in all_series if series.main]
    parts.append(svg.text(frame.left + 3, frame.top - 8, f"↑ {names[0]}", class_="tick"))
    parts.append(svg.text(frame.left + 3, frame.bottom - 4, f"↓ {names[1]}", class_="tick"))
    return svg.drawing(title, description, width, height, "".join(parts) + key)


class Steps:
    """Places one beside the other, as far apart whatever they are."""

    def __init__(self, places, start, end):
        self.places = places
        self.start, self.end = start, end

    def of(self, place):
        if len(self.places) == 1:
            return (self.start + self.end) / 2
        share = self.places.index(place) / (len(self.places) - 1)
        return self.start + share * (self.end - self.start)


# ---- One below the other -------------------------------------------------------------------------


def forest(title, description, rows, width):
    """Rows of (name, point, look): a ratio and its interval each, on one scale."""
    narrow = width < 600
    left = 10 if narrow else min(380, 24 + max(len(name) for name, _, _ in rows) * 6.4)
    right = width - (14 if narrow else 170)
    step = 42 if narrow else 26
    bottom = len(rows) * step + 6
    low, high = range_of([point for _, point, _ in rows])
    x = scale.Scale(low, high, left, right, True)
    ends = x.of(max(1 / MARGIN, low)), x.of(min(MARGIN, high))
    parts = [svg.element("rect", x=ends[0], y=0.0, width=ends[1] - ends[0], height=float(bottom),
                         class_="near")]
    for tick in ticks_of(low, high):
        parts.append(svg.line(x.of(tick), 0, x.of(tick), bottom, class_="one" if tick == 1 else "grid"))
    for tick in scale.thin(ticks_of(low, high), x, 34):
        parts.append(svg.text(x.of(tick), bottom + 15, tick_words(tick), text_anchor="middle",
                              class_="tick"))
    for i, (name, point, look) in enumerate(rows):
        parts.append(forest_row(name, point, look, x, i * step, narrow, width))
    return svg.drawing(title, description, width, bottom + 20, "".join(parts))


def short_words(point):
    words = label(point.ratio)
    return words if point.low is None else f"{words} ({label(point.low)} to {label(point.high)})"


def forest_row(name, point, look, x, top, narrow, width):
    middle = top + (28 if narrow else 14)
    words = short_words(point)
    if narrow:
        parts = [svg.text(0, top + 14, name, class_="name"),
                 svg.text(width, top + 14, words, text_anchor="end", class_="tick")]
    else:
        parts = [svg.text(x.start - 10, middle + 4, name, text_anchor="end", class_="name"),
                 svg.text(x.end + 10, middle + 4, words, class_="tick")]
    if point.low is not None:
        ends = max(point.low, x.low), min(point.high, x.high)
        parts.append(svg.line(x.of(ends[0]), middle, x.of(ends[1]), middle,
                              class_=f"interval {look.class_}"))
    parts.append(svg.marker(x.of(point.ratio), middle, look.shape, f"{look.class_} point",
                            words_of(name, point)))
    return "".join(parts)


# ---- A map ---------------------------------------------------------------------------------------

BOXES = {"better": "box-better", "worse": "box-worse", "same": "box-same"}
SIGNS = {"better": "▲", "worse": "▼", "same": "="}


def grid_map(title, description, columns, rows, cells, axis_label, width):
    """A box a cell: `columns` and `rows` are (place, words); `cells` are {(column, row): point}.
    The verdict is a sign and a colour; an open box is one where nobody can tell."""
    left, step = (84, 34) if width < 600 else (130, 36)
    box = (width - left - 4) / len(columns)
    parts = []
    for i, (column, words) in enumerate(columns):
        parts.append(svg.text(left + (i + 0.5) * box, 14, words, text_anchor="middle",
                              class_="tick"))
    for j, (row, words) in enumerate(rows):
        top = 22 + j * step
        parts.append(svg.text(left - 8, top + step / 2 + 3, words, text_anchor="end",
                              class_="tick"))
        for i, (column, _) in enumerate(columns):
            point = cells.get((column, row))
            if point:
                parts.append(draw_box(point, f"{words}, {columns[i][1]}", left + i * box, top, box,
                                      step))
    bottom = 22 + len(rows) * step
    parts.append(svg.text(left + (width - left) / 2, bottom + 16, axis_label, text_anchor="middle",
                          class_="label"))
    return svg.drawing(title, description, width, bottom + 22, "".join(parts))


def draw_box(point, name, left, top, width, height):
    sign = SIGNS.get(point.verdict, "?")
    words = f"{sign} {label(point.ratio)}" if width >= 54 else label(point.ratio)
    tip = svg.element("title", svg.escape(words_of(name, point) + f": {point.verdict}"))
    rect = svg.element("rect", tip, x=left + 1.5, y=top + 1.5, width=width - 3.0,
                       height=height - 3.0, rx=4.0, class_=BOXES.get(point.verdict, "box-open"))
    return rect + svg.text(left + width / 2, top + height / 2 + 4, words, text_anchor="middle",
                           class_="value")


# ---- What a difference is made of ----------------------------------------------------------------


class Step:
    """A row of a waterfall: from `start` to `end` on its scale, and what stands beside it."""

    def __init__(self, name, start, end, class_, words):
        self.name = name
        self.start, self.end = start, end
        self.class_ = class_
        self.words = words


def waterfall(title, description, steps, width):
    """Rows from one total to the other; each begins where the one before ended."""
    narrow = width < 600
    left = 0 if narrow else 20 + max(len(step.name) for step in steps) * 6.8
    room = 0 if narrow else 16 + max(len(step.words) for step in steps) * 6.6
    most = max(max(step.start, step.end) for step in steps) or 1
    x = scale.Scale(0, most, left, width - room, False)
    height, parts = 40 if narrow else 27, []
    for i, step in enumerate(steps):
        top = i * height
        bar = top + (17 if narrow else 3)
        ends = sorted((x.of(step.start), x.of(step.end)))
        if narrow:
            parts += [svg.text(0, top + 12, step.name, class_="name"),
                      svg.text(width, top + 12, step.words, text_anchor="end", class_="tick")]
        else:
            parts += [svg.text(left - 8, bar + 14, step.name, text_anchor="end", class_="name"),
                      svg.text(ends[1] + 8, bar + 14, step.words, class_="tick")]
        parts.append(svg.element("rect", x=ends[0], y=float(bar),
                                 width=max(1.5, ends[1] - ends[0]), height=19.0,
                                 class_=f"{step.class_} piece"))
        if i + 1 < len(steps):
            parts.append(svg.line(x.of(step.end), bar + 19, x.of(step.end), bar + height,
                                  class_="bridge"))
    return svg.drawing(title, description, width, len(steps) * height + 4, "".join(parts))


