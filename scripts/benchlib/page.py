"""One page, complete in itself: nothing is loaded, and no script is needed to read it."""

import base64
import gzip
import hashlib
import os

from . import about, headline, pictures, sections, svg, topology
from .blocks import Section, details, paragraph
from .pairs import first_question
from .style import sheet
from .wording import number_of, size


def facts(pairs):
    """A list of names and values; what is not known is left out."""
    items = "".join(svg.element("dt", svg.escape(name)) + svg.element("dd", svg.escape(value))
                    for name, value in pairs if value not in (None, ""))
    return svg.element("dl", items, class_="facts")


def machine_words(machine):
    counts = [number_of(machine[key], noun) for key, noun in
              (("packages", "package"), ("cores", "core"), ("hardware_threads", "hardware thread"),
               ("numa_nodes", "NUMA node")) if machine.get(key)]
    return ", ".join(counts)


def device_words(device):
    parts = [device.get("name"), device.get("model")]
    parts.append(device.get("write_cache") and f"write cache: {device['write_cache']}")
    if device.get("rotational") is not None:
        parts.append("rotating" if device["rotational"] else "not rotating")
    return ", ".join(part for part in parts if part)


def filesystem_words(filesystem):
    if not filesystem:
        return None
    words = f"{filesystem.get('type')} on {filesystem.get('source')}"
    options = [filesystem.get(key) for key in ("mount_options", "super_options")]
    return words + "".join(f"; {option}" for option in options if option)


def machine_facts(rows):
    machine = rows[0].machine
    on_file = [row for row in rows if row.filesystem] or rows[:1]
    virtual = machine.get("virtual")
    memory = machine.get("memory_bytes")
    return facts([
        ("Processor", machine.get("cpu")), ("Layout", machine_words(machine)),
        ("Memory", size(memory) if memory else None),
        ("Virtual", None if virtual is None else "yes" if virtual else "no"),
        ("Kernel", " ".join(filter(None, (machine.get("kernel"), machine.get("architecture"))))),
        ("File system", filesystem_words(on_file[0].filesystem)),
        ("Device", device_words(on_file[0].device)),
        ("I/O", on_file[0].option("io_used")), ("Sync", on_file[0].option("sync"))])


def placements(rows):
    """Where threads and memory went, as read back, where somebody asked for a place."""
    found = {row.variant + ", " + number_of(row.writers, "writer"): row.get("placement")
             for row in rows if row.get("placement")}
    pairs = [(name, "; ".join(f"{key} {value}" for key, value in place.items() if value))
             for name, place in found.items()]
    return details("Where threads and memory were", facts(pairs)) if pairs else ""


def topology_figure(source):
    """hwloc's drawing, or why there is none."""
    if not source.folder:
        return ""
    name = source.sweep.get("topology")
    path = os.path.join(source.folder, os.path.basename(name)) if name else None
    if path and os.path.isfile(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            drawn = topology.inline(file.read())
        if drawn:
            box = svg.element("div", drawn, class_="scroll", tabindex="0", role="region",
                              aria_label="The machine's topology")
            words = svg.element("figcaption", svg.element("h3", "Topology"))
            return svg.element("figure", words + box, class_="whole")
    why = source.sweep.get("topology_note") or "unreadable"
    return paragraph(f"No drawing of the topology: {why}.")


def machine_section(sources):
    content = ""
    for source in sources:
        if source.rows:
            content += machine_facts(source.rows) + placements(source.rows)
        content += topology_figure(source)
    return [Section("machine", "The machine", content)] if content else []


# ---- What was run, and what came of it -----------------------------------------------------------


def commands_of(source):
    """The command lines: a sweep's own list, or what the results carry."""
    if source.sweep:
        found = [command for part in source.sweep["parts"] if part.get("status") != "skipped"
                 for command in part.get("commands") or []]
    else:
        found = [row.option("command") for row in source.rows]
    return list(dict.fromkeys(about.pasteable(command) for command in found if command))


def block(lines, label):
    return svg.element("div", svg.element("pre", svg.escape("\n".join(lines))), class_="scroll",
                       tabindex="0", role="region", aria_label=label)


def data_link(path):
    """The file itself, packed, within the page: what it shows can be computed again."""
    with open(path, "rb") as file:
        content = file.read()
    packed = gzip.compress(content, 9, mtime=0)
    address = "data:application/gzip;base64," + base64.b64encode(packed).decode()
    name = os.path.basename(path)
    words = f"{name} ({size(len(content))})"
    link = svg.element("a", svg.escape(words), href=address, download=f"{name}.gz")
    return link + svg.element("small", " sha256 " + hashlib.sha256(content).hexdigest()[:16])


def citation(sources):
    source = sources[0]
    rows = source.rows
    words, compiler = about.build_words(rows[0]) if rows else ("logfile", "")
    when = about.date_of(source, rows[0]) if rows else None
    parts = [f"{words}, logfile-bench" + (f" ({compiler})" if compiler else "")]
    parts.append(f"measured {when}" if when else None)
    parts.append(about.processors_words(rows[0]) if rows else None)
    return ". ".join(part for part in parts if part) + "."


def run_section(sources):
    lines = [command for source in sources for command in commands_of(source)]
    links = "".join(svg.element("li", data_link(path))
                    for source in sources for path in source.files)
    content = ""
    if lines:
        content += paragraph("These commands run again what is shown, if the programs are where they"
                             " were, or logfile-bench is installed. Differences are only to be"
                             " trusted within one of them: its runs are interleaved, and machines"
                             " drift.", "quiet") + block(lines, "Command lines")
    if links:
        content += svg.element("h3", "The data") + svg.element("ul", links)
    content += svg.element("h3", "To cite") + paragraph(citation(sources))
    return [Section("commands", "Commands, data, citation", content)]


def unfinished(sources):
    """What a reader must know before any number."""
    items = []
    for source in sources:
        for part in source.sweep["parts"] if source.sweep else []:
            if part.get("status") not in (None, "complete"):
                reason = f": {part['reason']}" if part.get("reason") else ""
                items.append(f"{part.get('title') or part.get('name')}: {part['status']}{reason}")
            if part.get("note"):
                items.append(f"{part.get('title') or part.get('name')}: {part['note']}")
        if not source.sweep and any(row.interrupted for row in source.rows):
            items.append(f"{source.name}: a run was interrupted")
    if not items:
        return ""
    listed = "".join(svg.element("li", svg.escape(item)) for item in items)
    words = f"Not everything was measured: {number_of(len(items), 'part')}"
    return svg.element("details", svg.element("summary", words) + svg.element("ul", listed),
                       class_="notice")


def navigation(all_sections):
    items = "".join(svg.element("li", svg.element("a", svg.escape(section.title),
                                                  href=f"#{section.name}"))
                    for section in all_sections)
    words = svg.element("b", "Behind it")
    return svg.element("nav", words + svg.element("ul", items), aria_label="Sections")


def unique_names(all_sections):
    """Links need names that occur once and hold no blanks."""
    seen = set()
    for section in all_sections:
        base = "".join(c if c.isalnum() else "-" for c in section.name.lower())
        name, number = base, 2
        while name in seen:
            name, number = f"{base}-{number}", number + 1
        seen.add(name)
        section.name = name
    return all_sections


FOOT = ("Ratios are means of the ratios within rounds, with a 95 % interval; other numbers are medians"
        " over the rounds, with the least and the greatest. Latencies are measured in the writers, so"
        " waiting to be scheduled counts. docs/BENCHMARKING.md says how each number is taken, and what"
        " none of them can tell.")
NO_QUESTION = "What a durable append costs"


def first_lines(sources, question):
    """What was measured, and the question."""
    source = next((one for one in sources if question and question.dataset in one.datasets),
                  next((one for one in sources if one.rows), None))
    measured = ""
    if source:
        dataset = question.dataset if question else source.datasets[0]
        measured = paragraph(about.measured_line(source, dataset), "measured")
    title = question.words if question else NO_QUESTION
    return measured + svg.element("h1", svg.escape(title)), title


def lay_over(datasets, over):
    """What was measured, over all that is simulated."""
    for dataset in datasets:
        if dataset.kind == "simulated":
            dataset.over = [one for source in over for one in source.datasets]


def page(sources, compare=None, over=(), own_pictures=()):
    """The whole report; `compare` are the two names of its question, `over` sources that were
    measured, to be laid over those that were simulated, `own_pictures` modules as those of pictures/."""
    datasets = [dataset for source in sources for dataset in source.datasets]
    lay_over(datasets, over)
    question = first_question(datasets, compare)
    names = compare or (question.names if question else ("ring", "mutex"))
    maps = sections.maps_of(datasets, names)
    parts = sections.of(datasets, question, maps, [*pictures.own(), *own_pictures])
    parts += machine_section(sources) + run_section([*sources, *over])
    parts = unique_names(parts)
    top, title = first_lines(sources, question)
    head = svg.element("header", top + unfinished(sources))
    first = headline.markup(question, datasets, maps) if question else ""
    body = first + navigation(parts) + "".join(part.markup() for part in parts)
    return ('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
            '<meta name="color-scheme" content="light dark"/>\n'
            f"<title>{svg.escape(title)}</title>\n"
            f"<style>\n{sheet()}</style>\n</head>\n<body>\n{head}\n<main>\n{body}\n</main>\n"
            f"{svg.element('footer', paragraph(FOOT))}\n</body>\n</html>\n")
