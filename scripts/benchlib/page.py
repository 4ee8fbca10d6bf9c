"""One page, complete in itself: nothing is loaded, and no script is needed to read it."""

import os

from . import headline, sections, svg, topology
from .blocks import Section, details, figure, paragraph
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
            return figure("Topology", "", box, whole=True)
    why = source.sweep.get("topology_note") or "unreadable"
    return paragraph(f"No drawing of the topology: {why}.")


def machine_section(sources):
    content = ""
    for source in sources:
        if source.rows:
            content += machine_facts(source.rows) + placements(source.rows)
        content += topology_figure(source)
    return [Section("machine", "The machine", content)] if content else []


# ---- What was run --------------------------------------------------------------------------------


def commands_of(source):
    """The exact command lines: a sweep's own list, or what the results carry."""
    if source.sweep:
        return [command for part in source.sweep["parts"] if part.get("status") != "skipped"
                for command in part.get("commands") or []]
    found = [row.option("command") for row in source.rows]
    return list(dict.fromkeys(command for command in found if command))


def commands_section(sources):
    lines = [command for source in sources for command in commands_of(source)]
    if not lines:
        return []
    box = svg.element("div", svg.element("pre", svg.escape("\n".join(lines))), class_="scroll",
                      tabindex="0", role="region", aria_label="Command lines")
    words = paragraph("The exact command lines. Differences are only to be trusted within one of"
                      " them: its runs are interleaved, and machines drift.", "quiet")
    content = words + svg.element("details", svg.element("summary", "Command lines") + box, open="")
    return [Section("commands", "What was run", content)]


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
    return svg.element("div", svg.element("strong", "Not everything was measured.")
                       + svg.element("ul", listed), class_="notice")


def lede(sources):
    words = []
    for source in sources:
        rows = source.rows
        machine = rows[0].machine if rows else {}
        runs = number_of(len(rows), "run") if rows else "No runs"
        known = (machine.get("cpu"), machine_words(machine), runs)
        words.append(", ".join(part for part in known if part))
    return "; ".join(dict.fromkeys(words)) + "."


def version_and_date(sources):
    for source in sources:
        sweep = source.sweep or {}
        version = sweep.get("version") or (source.rows and source.rows[0].option("version"))
        date = (sweep.get("started") or "").replace("T", " ")[:16]
        return " · ".join(part for part in (f"logfile {version}" if version else "logfile", date)
                          if part)
    return "logfile"


def navigation(all_sections):
    items = "".join(svg.element("li", svg.element("a", svg.escape(section.link),
                                                  href=f"#{section.name}"))
                    for section in all_sections)
    return svg.element("nav", svg.element("ul", items), aria_label="Sections")


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


FOOT = ("Medians over the rounds; a range is the least and the greatest round. Latencies are"
        " measured in the writers, so waiting to be scheduled counts. docs/BENCHMARKING.md says how"
        " each number is taken, and what none of them can tell.")


def page(sources):
    """The whole report."""
    datasets = [dataset for source in sources for dataset in source.datasets]
    parts = sections.of(datasets) + machine_section(sources) + commands_section(sources)
    parts = unique_names(parts)
    head = svg.element("header", paragraph(version_and_date(sources), "mark")
                       + svg.element("h1", "What a durable append costs")
                       + paragraph(lede(sources), "lede") + navigation(parts))
    body = unfinished(sources) + headline.markup(datasets)
    body += "".join(part.markup() for part in parts)
    return ('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
            '<meta name="color-scheme" content="light dark"/>\n'
            f"<title>What a durable append costs: {svg.escape(version_and_date(sources))}</title>\n"
            f"<style>\n{sheet()}</style>\n</head>\n<body>\n{head}\n<main>\n{body}\n</main>\n"
            f"{svg.element('footer', paragraph(FOOT))}\n</body>\n</html>\n")
