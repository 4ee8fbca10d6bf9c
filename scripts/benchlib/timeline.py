"""A cycle of group commit as a picture: the disk, the flusher's calls, processors and writers, one
below the other on one axis of time."""

from . import scale, svg
from .cycles import CLASSES
from .style import sheet_of_picture
from .trace import ASLEEP, IDLE, RUNNING, WAITING
from .wording import number_of, time_us

WIDTH, LEFT, RIGHT, GAP = 1180, 128, 24, 20
BAR, LANE, STEPS = 18, 12, 96
MOST_PROCESSORS = 16
COLOURS = {"flusher": "c-mutex", "writers": "c-ring", "preparer": "c-amber", "kernel": "c-serial",
           "others": "c-violet"}
CALLS = {"write": "s-write", "sync": "s-sync", "wake": "s-wake"}
STATES = {RUNNING: "c-ring", WAITING: "c-pink", ASLEEP: "c-serial"}
STATE_WORDS = {RUNNING: "running", WAITING: "waiting to run", ASLEEP: "asleep"}
# About the width of a letter.
LETTER = 6.5


class Window:
    """What is drawn: from one cycle's begin to the next one's end."""

    def __init__(self, analysis, first):
        self.analysis = analysis
        self.cycles = analysis.cycles[first:first + 2]
        self.begin, self.end = self.cycles[0].begin, self.cycles[-1].end
        self.x = scale.Scale(0, self.end - self.begin, LEFT, WIDTH - RIGHT, False)

    def place(self, at):
        return self.x.of(min(max(at, self.begin), self.end) - self.begin)

    def shows(self, begin, end):
        return begin < self.end and end > self.begin


def box(window, begin, end, top, height, class_, words):
    left, right = window.place(begin), window.place(end)
    tip = svg.element("title", svg.escape(f"{words}, {time_us(end - begin)}"))
    return svg.element("rect", tip, x=left, y=float(top), width=max(0.3, right - left),
                       height=float(height), class_=class_, stroke="none")


def row_name(top, words, height=BAR):
    return svg.text(LEFT - 10, top + height / 2 + 4, words, text_anchor="end", class_="name")


def base_line(top):
    return svg.line(LEFT, top, WIDTH - RIGHT, top, class_="grid")


# ---- The disk ------------------------------------------------------------------------------------


def issuer_of(window, request):
    """Of whose the request is, as a class of CLASSES; None where the writers are drawn."""
    flushers = {cycle.flush.thread for cycle in window.cycles} | {
        window.cycles[-1].following.thread}
    if request.thread in flushers:
        return "flusher"
    return window.analysis.class_of(request.thread)


def lanes_of(requests):
    """[(request, lane)]: none on top of another."""
    ends, found = [], []
    for request in requests:
        lane = next((i for i, end in enumerate(ends) if end <= request.begin), len(ends))
        ends[lane:lane + 1] = [request.end]
        found.append((request, lane))
    return found


def draw_disk(window, top):
    shown = lanes_of([request for request in window.analysis.done
                      if window.shows(request.begin, request.end)])
    height = LANE * max((lane + 1 for _, lane in shown), default=1)
    parts = [row_name(top, "disk", height)]
    for request, lane in shown:
        what = "flush of its cache" if request.is_flush else f"{request.kind} {request.size} bytes"
        parts.append(box(window, request.begin, request.end, top + lane * LANE, LANE - 2,
                         COLOURS[issuer_of(window, request)], f"{what}, by {request.comm}"))
    return parts, height


# ---- Calls ---------------------------------------------------------------------------------------


def draw_call(window, begin, end, top, name, who):
    found = [box(window, begin, end, top, BAR, CALLS[name], f"{name} call of {who}")]
    left, right = window.place(begin), window.place(end)
    if right - left > LETTER * len(name) + 6:
        found.append(svg.text((left + right) / 2, top + BAR + 12, name, text_anchor="middle",
                              class_="tick"))
    return found


def name_of(window, thread):
    role = window.analysis.threads.roles[thread]
    return "the sequencer" if role == "sequencer" else f"writer {thread}"


def draw_flusher(window, top):
    parts = [row_name(top, "flusher")]
    for cycle in window.cycles:
        who = name_of(window, cycle.flush.thread)
        parts.append(svg.text(window.place(cycle.begin) + 4, top - 5, who, class_="tick"))
        spans = [("write", *cycle.part("write")), ("sync", *cycle.part("sync"))]
        if cycle.wake:
            spans.append(("wake", cycle.wake.begin, cycle.wake.end))
        for name, begin, end in spans:
            if end > begin:
                parts += draw_call(window, begin, end, top, name, who)
    return parts, BAR + 14


def draw_preparer(window, top):
    writes, syncs = window.analysis.zeros()
    shown = [call for call in writes + syncs if window.shows(call.begin, call.end)]
    if not shown:
        return [], 0
    parts = [row_name(top, "preparer", LANE)]
    for call in shown:
        words = f"zeros, {call.result} bytes" if call.name == "pwritev2" else "sync of zeros"
        parts.append(box(window, call.begin, call.end, top, LANE, COLOURS["preparer"], words))
    return parts, LANE


# ---- Processors ----------------------------------------------------------------------------------


def draw_processor(window, processor, top):
    analysis = window.analysis
    parts = [row_name(top, f"processor {processor}"), base_line(top + BAR)]
    for run in analysis.trace.runs[processor]:
        if run.thread == IDLE or not window.shows(run.begin, run.end):
            continue
        name = analysis.trace.names.get(run.thread, "?")
        for class_, begin, end in analysis.pieces(run):
            if window.shows(begin, end):
                parts.append(box(window, begin, end, top, BAR, COLOURS[class_],
                                 f"{class_}: {name} {run.thread}"))
    return parts


def processors_of(window):
    """Those on which the bench ran longest, where there are too many."""
    use = window.analysis.use_of_processors()
    order = sorted(use, key=lambda one: -sum(use[one][name] for name in
                                             ("flusher", "writers", "preparer")))
    return sorted(order[:MOST_PROCESSORS])


def draw_processors(window, top):
    parts, shown = [], processors_of(window)
    for index, processor in enumerate(shown):
        parts += draw_processor(window, processor, top + index * (BAR + 6))
    return parts, len(shown) * (BAR + 6) - 6


# ---- Writers -------------------------------------------------------------------------------------


def counts_of(window):
    """[(time, {state: writers})] where a number changes, from the window's begin on. A writer is
    asleep until the trace says something else of it."""
    analysis = window.analysis
    state_of = dict.fromkeys(analysis.threads.writers, ASLEEP)
    counts = {RUNNING: 0, WAITING: 0, ASLEEP: len(state_of)}
    found = [(window.begin, dict(counts))]
    for at, thread, state in analysis.trace.states:
        if at > window.end:
            break
        if thread not in state_of or state_of[thread] == state:
            continue
        counts[state_of[thread]] -= 1
        counts[state] += 1
        state_of[thread] = state
        place = max(at, window.begin)
        if found[-1][0] == place:
            found.pop()
        found.append((place, dict(counts)))
    return found + [(window.end, dict(counts))]


def step_points(window, changes, state, y):
    points = []
    for at, counts in changes:
        if points:
            points.append((window.place(at), points[-1][1]))
        points.append((window.place(at), y.of(counts[state])))
    return points


def draw_writers(window, top):
    writers = len(window.analysis.threads.writers)
    y = scale.Scale(0, writers, top + STEPS, top, False)
    parts = [row_name(top, "writers", STEPS)]
    for tick in {0, writers // 2, writers}:
        parts += [base_line(y.of(tick)), svg.text(WIDTH - RIGHT + 3, y.of(tick) + 4, tick,
                                                  class_="tick")]
    changes = counts_of(window)
    for state in (ASLEEP, WAITING, RUNNING):
        parts.append(svg.path(step_points(window, changes, state, y), class_=STATES[state],
                              style="fill: none; stroke-width: 1.6"))
    return parts, STEPS


# ---- The whole -----------------------------------------------------------------------------------


def draw_axis(window, top, bottom):
    parts = [svg.line(LEFT, bottom, WIDTH - RIGHT, bottom, class_="axis")]
    for tick in scale.linear_ticks(0, window.end - window.begin, 12):
        place = window.x.of(tick)
        parts += [svg.line(place, top, place, bottom, class_="grid"),
                  svg.text(place, bottom + 15, f"{tick:.0f}", text_anchor="middle", class_="tick")]
    parts.append(svg.text((LEFT + WIDTH - RIGHT) / 2, bottom + 31, "µs since the flush began",
                          text_anchor="middle", class_="label"))
    return parts


def draw_begins(window, top, bottom):
    """Where the second cycle begins, and where it ends."""
    return [svg.line(window.place(at), top, window.place(at), bottom, class_="guide")
            for at in (window.cycles[1].begin, window.end)]


def legend(top):
    """Each entry as wide as its words."""
    parts, left = [], GAP
    entries = [(COLOURS[name], name, "rect") for name in CLASSES if name != "idle"]
    entries += [(CALLS[name], f"{name} call", "rect") for name in CALLS]
    entries += [(STATES[state], f"writers {STATE_WORDS[state]}", "line")
                for state in (RUNNING, WAITING, ASLEEP)]
    for class_, words, kind in entries:
        if left + 24 + LETTER * len(words) > WIDTH - RIGHT:
            left, top = GAP, top + 20
        if kind == "rect":
            parts.append(svg.element("rect", None, x=float(left), y=float(top - 10), width=12,
                                     height=12, class_=class_, stroke="none"))
        else:
            parts.append(svg.line(left, top - 4, left + 12, top - 4, class_=class_,
                                  style="stroke-width: 2.4"))
        parts.append(svg.text(left + 17, top, words, class_="name"))
        left += 17 + LETTER * len(words) + 10
    return parts, top


def sheet():
    """Light, or dark as the reader's screen is."""
    return (f"<style>{sheet_of_picture()}\n"
            f"@media (prefers-color-scheme: dark) {{ {sheet_of_picture(dark=True)} }}</style>")


def picture(analysis, about):
    """The whole as text. `about`: what was measured, in words."""
    first = analysis.typical()
    window = Window(analysis, first)
    lengths = " and ".join(time_us(cycle.length) for cycle in window.cycles)
    title = f"{about}: a cycle of median length and the next one, {lengths}"
    body, top = [], 74
    for draw in (draw_disk, draw_flusher, draw_preparer, draw_processors, draw_writers):
        parts, height = draw(window, top)
        body += parts
        top += height + GAP if height else 0
    bottom = top - GAP + 8
    keys, end = legend(bottom + 58)
    height = end + 16
    head = [svg.element("rect", None, x=0, y=0, width=WIDTH, height=height, class_="paper"),
            svg.text(LEFT, 24, title, class_="group"),
            svg.text(LEFT, 42, words_below(window), class_="quiet")]
    parts = [*head, *draw_axis(window, 58, bottom), *body, *draw_begins(window, 58, bottom), *keys]
    return svg.element("svg", sheet() + "".join(parts), xmlns="http://www.w3.org/2000/svg",
                       viewBox=f"0 0 {WIDTH} {height}", width=WIDTH, height=height, role="img",
                       aria_label=title) + "\n"


def words_below(window):
    woken = ", then ".join(number_of(len(cycle.woken), "writer") for cycle in window.cycles)
    return f"woken by the flush: {woken} · a processor's row is empty while it is idle"
