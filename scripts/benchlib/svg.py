"""Elements of HTML and SVG as text. What comes from a file is always escaped."""

import html
import itertools

_ids = itertools.count(1)


def escape(text):
    return html.escape(str(text), quote=True)


def attributes(pairs):
    """`class_` is written class, and `text_anchor` text-anchor; None is left out."""
    return "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(number(value))}"'
                   for key, value in pairs.items() if value is not None)


def number(value):
    """A tenth of a pixel is enough."""
    return f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def element(name, content=None, **pairs):
    """`content` is markup; None makes an empty element."""
    head = f"<{name}{attributes(pairs)}"
    return f"{head}/>" if content is None else f"{head}>{content}</{name}>"


def text(x, y, content, **pairs):
    return element("text", escape(content), x=float(x), y=float(y), **pairs)


def line(x1, y1, x2, y2, **pairs):
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), **pairs)


def path(points, **pairs):
    places = " L".join(f"{number(float(x))} {number(float(y))}" for x, y in points)
    return element("path", d=f"M{places}", **pairs)


def drawing(title, description, width, height, content, **pairs):
    """A picture that says what it shows to those who do not see it."""
    name = f"picture-{next(_ids)}"
    head = element("title", escape(title), id=f"{name}-title")
    head += element("desc", escape(description), id=f"{name}-text")
    return element("svg", head + content, viewBox=f"0 0 {width} {height}", role="img",
                   aria_labelledby=f"{name}-title {name}-text", **pairs)


# Each series has a shape of its own, for those who do not tell its colour. All have radius 4.
SHAPES = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "square": "M-3.6 -3.6h7.2v7.2h-7.2z",
    "triangle": "M0 -4.6L4.4 3.4H-4.4z",
    "diamond": "M0 -5L4.6 0L0 5L-4.6 0z",
    "down": "M0 4.6L4.4 -3.4H-4.4z",
    "bar": "M-4.6 -2h9.2v4h-9.2z",
    "pentagon": "M0 -4.6L4.4 -1.4L2.7 3.8H-2.7L-4.4 -1.4z",
    "cross": "M-1.6 -4.4h3.2v2.8h2.8v3.2h-2.8v2.8h-3.2v-2.8h-2.8v-3.2h2.8z",
}


def marker(x, y, shape, class_, tip=None):
    """A point of a series; `tip` is what a pointer that rests on it is told."""
    place = f"translate({number(float(x))} {number(float(y))})"
    content = element("title", escape(tip)) if tip else None
    return element("path", content, d=SHAPES[shape], transform=place, class_=class_)
