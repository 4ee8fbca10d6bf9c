"""hwloc's drawing of the machine, made fit for a page.

Only shapes and texts are taken over, without names and links, so that nothing in the file can reach
into the page; their colours become the page's own.
"""

import re
import xml.etree.ElementTree as tree

from .svg import drawing, element, escape

NUMBERS = {"rect": ("x", "y", "width", "height"), "line": ("x1", "y1", "x2", "y2"),
           "text": ("x", "y")}
PLAIN = re.compile(r"-?[0-9.]+")


def box_of(root):
    numbers = PLAIN.findall(root.get("viewBox") or "")
    if len(numbers) != 4:
        numbers = ["0", "0"] + PLAIN.findall(f"{root.get('width')} {root.get('height')}")
    return [float(value) for value in numbers]


def shape(node):
    """One element, or nothing for what is neither a shape nor a text."""
    name = node.tag.rsplit("}", 1)[-1]
    if name not in NUMBERS:
        return ""
    found = {key: (PLAIN.findall(node.get(key) or "") or ["0"])[0] for key in NUMBERS[name]}
    kind = re.sub(r"[^A-Za-z0-9]", "", node.get("class") or "")
    content = escape("".join(node.itertext())) if name == "text" else None
    return element(name, content, class_=f"hw-{kind}", **found)


def inline(text):
    """The drawing as markup; None where the file is not one. On a narrow screen it is scrolled, not
    made too small to read."""
    try:
        root = tree.fromstring(text)
        _, _, width, height = box_of(root)
    except (tree.ParseError, ValueError):
        return None
    shapes = "".join(shape(node) for node in root.iter())
    room = f"min-width: {width:.0f}px; max-width: {width * 1.3:.0f}px"
    return drawing("The machine's topology",
                   "Packages, caches, cores and hardware threads as hwloc sees them.",
                   int(width), int(height), shapes, class_="topology", style=room)
