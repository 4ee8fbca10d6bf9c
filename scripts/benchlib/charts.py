"""The plain pictures of a report: lines over something, and bars."""

from . import scale, svg

TEXT = 12  # the height of a label, in the units that a picture is drawn in


class Line:
    """A series: points are (x, middle, low, high, words). One that is `laid_over` another was
    measured where that was simulated: hollow points without a line."""

    def __init__(self, name, look, points, laid_over=False):
        self.name = name
        self.look = look
        self.points = points
        self.laid_over = laid_over


class Guide:
    """A limit that the machine sets: a broken line with its name."""

    def __init__(self, name, points):
        self.name = name
        self.points = points


class Axis:
    """What is drawn along one direction. `ticks` are set places, else they are chosen; the axis goes
    on to `most` if that is beyond them."""

    def __init__(self, label, form, log=True, ticks=None, most=0):
        self.label = label
        self.form = form
        self.log = log
        self.ticks = ticks
        self.most = most


class Frame:
    """The field inside the axes of a picture."""

    def __init__(self, width, height, right):
        self.left, self.right = 52, width - right
        self.top, self.bottom = 22, height - 40
        self.width, self.height = width, height


def scale_of(axis, values, start, end):
    if axis.log:
        low, high = scale.log_range(values)
    else:
        low, high = scale.linear_range(values)
    if axis.ticks:
        low, high = min(axis.ticks), max(*axis.ticks, axis.most)
        air = (high / low) ** 0.04 if high > low else 2
        low, high = (low / air, high * air) if axis.log else (low, high)
    return scale.Scale(low, high, start, end, axis.log)


def ticks_of(axis, placed):
    if axis.ticks:
        return axis.ticks
    ticks = scale.log_ticks if axis.log else scale.linear_ticks
    return ticks(placed.low, placed.high)


def draw_y_axis(axis, y, frame):
    parts = []
    for tick in ticks_of(axis, y):
        place = y.of(tick)
        parts.append(svg.line(frame.left, place, frame.right, place, class_="grid"))
        parts.append(svg.text(frame.left - 7, place + 4, axis.form(tick), text_anchor="end",
                              class_="tick"))
    return "".join(parts)


def draw_x_axis(axis, x, frame):
    parts = [svg.line(frame.left, frame.bottom, frame.right, frame.bottom, class_="axis")]
    ticks = ticks_of(axis, x)
    gap = max(len(axis.form(tick)) for tick in ticks) * 6.5 + 8 if ticks else 0
    for tick in ticks:
        place = x.of(tick)
        parts.append(svg.line(place, frame.bottom, place, frame.bottom + 4, class_="axis"))
    for tick in scale.thin(ticks, x, gap):
        parts.append(svg.text(x.of(tick), frame.bottom + 17, axis.form(tick), text_anchor="middle",
                              class_="tick"))
    middle = (frame.left + frame.right) / 2
    parts.append(svg.text(middle, frame.bottom + 34, axis.label, text_anchor="middle",
                          class_="label"))
    return "".join(parts)


def draw_line(line, x, y):
    """The range of the rounds as a band with ends, the medians as a line, a marker each."""
    look = line.look.class_
    middle = [(x.of(p[0]), y.of(p[1])) for p in line.points]
    low = [(x.of(p[0]), y.of(p[2])) for p in line.points]
    high = [(x.of(p[0]), y.of(p[3])) for p in line.points]
    parts = []
    if any(p[2] < p[3] for p in line.points):
        if not line.laid_over:
            parts.append(svg.path(high + low[::-1], class_=f"band {look}"))
        parts += [svg.line(*a, *b, class_=f"range {look}") for a, b in zip(low, high)]
    if not line.laid_over:
        parts.append(svg.path(middle, class_=f"line {look}"))
    if line.look.shape:
        kind = f"{look} hollow" if line.laid_over else f"{look} point"
        parts += [svg.marker(px, py, line.look.shape, kind, p[4])
                  for (px, py), p in zip(middle, line.points)]
    return "".join(parts)


def draw_guide(guide, x, y):
    points = [(x.of(px), y.of(py)) for px, py in guide.points if y.holds(py) and x.holds(px)]
    return svg.path(points, class_="guide") if len(points) > 1 else ""


def end_of(points, x, y):
    """Where the name of a line belongs: beside the last of its points that is in the picture."""
    inside = [p for p in points if x.holds(p[0]) and y.holds(p[1])]
    return y.of(inside[-1][1]) if inside else None


def draw_names(lines, guides, x, y, frame):
    named = [(line, end_of(line.points, x, y)) for line in lines + guides]
    named = [(line, place) for line, place in named if place is not None]
    places = scale.spread_out([place for _, place in named], TEXT + 2, frame.top, frame.bottom)
    parts = []
    for (line, end), place in zip(named, places):
        parts.append(svg.path([(frame.right + 3, end), (frame.right + 10, place)], class_="lead"))
        parts.append(svg.text(frame.right + 13, place + 4, line.name,
                              class_="name" if isinstance(line, Line) else "name quiet"))
    return "".join(parts)


def draw_limit(limit, x, frame):
    """A place on the x axis where something changes, such as the number of hardware threads."""
    if not limit or not x.holds(limit[0]):
        return ""
    place = x.of(limit[0])
    side = "start" if place < (frame.left + frame.right) / 2 else "end"
    return svg.line(place, frame.top - 4, place, frame.bottom, class_="limit") + svg.text(
        place, frame.top - 8, limit[1], text_anchor=side, class_="tick quiet")


def name_room(lines, guides):
    """What the longest name needs at the right; about 6.4 units a letter."""
    longest = max(len(line.name) for line in lines + guides)
    return min(170, 20 + longest * 6.4)


def line_chart(title, description, x_axis, y_axis, lines, guides=(), limit=None, width=350,
               height=250):
    """Lines over a common x, each with its name at its end."""
    guides = list(guides)
    frame = Frame(width, height, name_room(lines, guides))
    points = [point for line in lines for point in line.points]
    x = scale_of(x_axis, [p[0] for p in points], frame.left, frame.right)
    seen = [value for p in points for value in p[1:4]]
    seen += [py for guide in guides for _, py in guide.points]
    y = scale_of(y_axis, seen, frame.bottom, frame.top)
    parts = [draw_y_axis(y_axis, y, frame), draw_x_axis(x_axis, x, frame)]
    parts.append(draw_limit(limit, x, frame))
    parts += [draw_guide(guide, x, y) for guide in guides]
    parts += [draw_line(line, x, y) for line in lines]
    parts.append(draw_names(lines, guides, x, y, frame))
    return svg.drawing(title, description, width, height, "".join(parts))


# ---- Bars ----------------------------------------------------------------------------------------


class Bar:
    """A row: pieces are (class, value, words); `note` stands behind the end."""

    def __init__(self, name, pieces, note="", low=None, high=None, heading=None):
        self.name = name
        self.pieces = pieces
        self.note = note
        self.low, self.high = low, high
        self.heading = heading

    @property
    def total(self):
        return sum(value for _, value, _ in self.pieces)


def draw_pieces(bar, x, top, thick):
    parts, before = [], 0
    for class_, value, words in bar.pieces:
        left, right = x.of(before), x.of(before + value)
        before += value
        tip = svg.element("title", svg.escape(words))
        parts.append(svg.element("rect", tip, x=left, y=float(top), width=max(0.0, right - left),
                                 height=float(thick), class_=class_))
    if bar.low is not None and bar.low < bar.high:
        middle = top + thick / 2
        parts.append(svg.line(x.of(bar.low), middle, x.of(bar.high), middle, class_="whisker"))
    return "".join(parts)


def draw_bar(bar, x, top, narrow, width):
    """On a narrow picture the name stands above its bar, else at the left of it."""
    thick = 16
    end = x.of(max(bar.total, bar.high or 0)) + 6
    if narrow:
        words = svg.text(0, top + 11, bar.name, class_="name")
        note = svg.text(width, top + 11, bar.note, text_anchor="end", class_="tick")
        return words + note + draw_pieces(bar, x, top + 17, thick)
    words = svg.text(x.start - 8, top + 13, bar.name, text_anchor="end", class_="name")
    return words + draw_pieces(bar, x, top + 1, thick) + svg.text(end, top + 13, bar.note,
                                                                  class_="tick")


def bar_chart(title, description, bars, width):
    """Rows of bars on one scale that starts at zero; those with a heading start a group."""
    narrow = width < 600
    left = 0 if narrow else min(260, 16 + max(len(bar.name) for bar in bars) * 6.6)
    room = 0 if narrow else min(230, 14 + max(len(bar.note) for bar in bars) * 6.4)
    most = max(max(bar.total, bar.high or 0) for bar in bars) or 1
    x = scale.Scale(0, most, left, width - room, False)
    parts, top = [], 0
    for bar in bars:
        if bar.heading:
            top += 14 if top else 4
            parts.append(svg.text(left if not narrow else 0, top + 10, bar.heading, class_="group"))
            top += 22
        parts.append(draw_bar(bar, x, top, narrow, width))
        top += 42 if narrow else 24
    return svg.drawing(title, description, width, top + 2, "".join(parts))


def both_widths(draw, wide=1090, narrow=340):
    """A picture drawn twice, so that letters are as large on a phone as on a desk."""
    return f'<div class="wide">{draw(wide)}</div><div class="narrow">{draw(narrow)}</div>'
