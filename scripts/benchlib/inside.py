"""What went on inside the log during a run: where time went, how it was spread, what it cost."""

from . import hdr, svg
from .blocks import (WRITERS, Section, details, figure, figure_against, grid, is_drawn, legend,
                     paragraph, sharing_figure, some, table, writers_title)
from .charts import Axis, Bar, Line, bar_chart, both_widths, line_chart
from .looks import Plain, looks_of
from .ratios import Step, waterfall
from .results import LEAST_BEYOND
from .stats import pool, slower_shares
from .wording import short, significant, time_us

STAGES = ("checksum", "reserve", "copy", "flip", "write", "sync", "wake")
MEANING = {"checksum": "the payload's checksum", "reserve": "a place in the log (or the lock)",
           "copy": "its copy", "flip": "until its batch was sealed", "write": "the batch's write",
           "sync": "the batch's sync", "wake": "until the writer ran again"}

# Of an append's time: less is no difference to explain.
LEAST_SHARE = 0.02


def chosen(values, most=3):
    """The first, the last and some between, where there are too many for a page."""
    if len(values) <= most:
        return values
    step = (len(values) - 1) / (most - 1)
    return [values[round(i * step)] for i in range(most)]


# ---- How latencies are spread --------------------------------------------------------------------


def histogram_of(row):
    """[[microseconds, count]]: the fine histogram where there is one."""
    if row.get("hdr"):
        return [[value / 1000, number] for value, number in hdr.decode(row.get("hdr"))]
    return row.get("latency_histogram") or []


def is_fine(rows):
    return all(row.get("hdr") for row in rows)


def shares_of(cell):
    """[(share that took longer, latency)], as far as ten samples lie beyond; and how many there
    are."""
    histograms = [found for found in map(histogram_of, cell.rows) if sum(n for _, n in found)]
    if not histograms:
        return [], 0
    whole = pool(histograms)
    total = sum(n for _, n in whole)
    if is_fine(cell.rows):
        above, shares = total, []
        for latency, n in whole:
            above -= n
            shares.append((above / total, latency))
    else:
        shares = slower_shares(whole)
    return [(share, latency) for share, latency in shares
            if share * total >= LEAST_BEYOND], total


def nines(share):
    """A share of slower records as the percentile that a reader knows."""
    text = f"{(1 - share) * 100:.4f}".rstrip("0").rstrip(".")
    return f"{text}%"


def distribution_line(cell, look):
    shares, total = shares_of(cell)
    points = thinned([(1 / share, latency, latency, latency, "") for share, latency in shares])
    return Line(f"{cell.first.variant}, n={short(total)}", look, points) if points else None


def thinned(points):
    """Without those that the next one hides: a picture needs no more."""
    kept = points[:1]
    for point in points[1:]:
        if point[0] > kept[-1][0] * 1.04 or point is points[-1]:
            kept.append(point)
    return kept


def distribution_picture(dataset, writers):
    """The axis is HdrHistogram's: 1 / (1 - percentile), by factors."""
    looks = looks_of(dataset.distinct("variant"))
    lines = some(*[distribution_line(cell, Plain(looks[cell.first.variant]))
                   for cell in dataset.of(writers=writers)])
    most = max((line.points[-1][0] for line in lines), default=0)
    ticks = [1, 2] + [10 ** n for n in range(1, 7) if 10 ** n <= most * 1.001]
    for line in lines:
        line.points = [point for point in line.points if point[0] <= most]
    lines = [line for line in lines if len(line.points) > 1]
    if not lines or len(ticks) < 3:
        return None
    x_axis = Axis("percentile", lambda x: nines(1 / x), ticks=ticks, most=most)
    words = f"Latency by percentile with {writers} writers, for " + ", ".join(
        line.name for line in lines)
    return both_widths(lambda width: line_chart(
        "Latency distribution", words, x_axis, Axis("latency", time_us), lines, width=width,
        height=270), 440, 330)


def distribution(dataset):
    figures = []
    for writers in chosen(dataset.distinct("writers")):
        picture = distribution_picture(dataset, writers)
        if picture:
            figures.append(figure(writers_title(writers), "latency by percentile, all rounds"
                                  " together", picture, dataset))
    if not figures:
        return []
    words = paragraph("The axis is HdrHistogram's. Each line ends where fewer than ten records took"
                      " longer; n is how many latencies it is made of.", "quiet")
    return [Section(f"{dataset.name}-latencies", "How latencies are distributed",
                    words + legend(dataset.distinct("variant")) + grid(figures, wide=True))]


# ---- Batches -------------------------------------------------------------------------------------


def batch_line(cell, look):
    counts = [0] * 64
    for histogram in cell.values("batch_histogram"):
        for i, number in enumerate(histogram):
            counts[i] += number
    while counts and counts[-1] == 0:
        counts.pop()
    total = sum(counts)
    if not total or not is_drawn(cell):
        return None
    points = [(2 ** i, number / total, number / total, number / total,
               f"{2 ** i} or more records: {number / total:.0%} of flushes")
              for i, number in enumerate(counts)]
    return Line(cell.first.variant, look, points)


def batch_figures(dataset):
    """One writer makes batches of one: nothing to see."""
    figures = []
    looks = looks_of(dataset.distinct("variant"))
    for writers in chosen([writers for writers in dataset.distinct("writers") if writers > 1], 2):
        lines = some(*[batch_line(cell, looks[cell.first.variant])
                       for cell in dataset.of(writers=writers)])
        if not lines:
            continue
        ticks = sorted({point[0] for line in lines for point in line.points})
        x_axis = Axis("records in a flush: this many, to twice that", short, ticks=ticks)
        picture = line_chart("Batch sizes", f"Shares of flushes by size, {writers} writers", x_axis,
                             Axis("flushes", lambda share: f"{share:.0%}", log=False), lines)
        figures.append(figure(writers_title(writers), "share of flushes by their size", picture,
                              dataset))
    return figures


def batches(dataset):
    figures = some(sharing_figure(dataset)) + batch_figures(dataset)
    if not figures:
        return []
    return [Section(f"{dataset.name}-batches", "How large batches are",
                    legend(dataset.distinct("variant")) + grid(figures))]


# ---- Stages --------------------------------------------------------------------------------------


def mean_stages(cell):
    """Means over the rounds, each weighted with its samples."""
    rounds = [values for values in cell.values("stages_us") if values.get("samples")]
    total = sum(values["samples"] for values in rounds)
    return {stage: sum((values.get(stage) or 0) * values["samples"] for values in rounds) / total
            for stage in STAGES} if total else None


def waterfall_steps(question, pair):
    """From the mean append of one to that of the other, a stage at a time; the largest saving
    comes first."""
    mine, other = mean_stages(pair.mine), mean_stages(pair.other)
    if not mine or not other:
        return None
    looks = looks_of([question.mine, question.other])
    changes = sorted(((mine[stage] - other[stage], stage) for stage in STAGES))
    now = sum(other.values())
    steps = [Step(question.names[1], 0, now, looks[question.other].class_, time_us(now))]
    for change, stage in changes:
        sign = "−" if change < 0 else "+"
        words = f"{sign}{time_us(abs(change))} ({time_us(other[stage])} → {time_us(mine[stage])})"
        steps.append(Step(stage, now, now + change, f"s-{stage}", words))
        now += change
    return steps + [Step(question.names[0], 0, now, looks[question.mine].class_, time_us(now))]


def largest_words(steps):
    """The stage that has most of the difference, where there is one."""
    whole = steps[-1].end - steps[0].end
    if abs(whole) < LEAST_SHARE * steps[0].end:
        return ""
    most = max(steps[1:-1], key=lambda step: (step.end - step.start) * whole)
    return f"; most of the difference is “{most.name}”: {MEANING[most.name]}"


def change_section(question):
    """What the difference is made of."""
    pair, dataset = question.middle(), question.dataset
    steps = waterfall_steps(question, pair)
    if not steps:
        return []
    mine, other = question.names
    title = f"From {other} to {mine}, a stage at a time"
    words = f"The mean append with {writers_title(pair.place)}: " + "; ".join(
        f"{step.name} {step.words}" for step in steps)
    picture = both_widths(lambda width: waterfall(title, words, steps, width))
    finding = (f"With {writers_title(pair.place)} a mean append takes {steps[0].words} ({other})"
               f" and {steps[-1].words} ({mine}){largest_words(steps)}.")
    meanings = "; ".join(f"{stage}: {MEANING[stage]}" for stage in STAGES)
    content = paragraph(meanings[0].upper() + meanings[1:] + ".", "quiet")
    content += figure(title, f"mean time of an append, {writers_title(pair.place)}", picture,
                      dataset, whole=True)
    return [Section(f"{dataset.name}-change", "Where the difference comes from",
                    content + stage_figures(dataset) + stage_table(dataset), finding)]


def stage_legend():
    items = [svg.element("li", svg.element("i", "", class_=f"s-{stage}") + stage)
             for stage in STAGES]
    return svg.element("ul", "".join(items), class_="legend")


def stage_figures(dataset):
    figures = [figure(writers_title(writers), "mean time of an append", picture, dataset)
               for writers, picture in stage_pictures(dataset)]
    return stage_legend() + grid(figures) if figures else ""


def stages(dataset):
    """Where no question held two of them against each other."""
    if not dataset.has("stages_us"):
        return []
    return [Section(f"{dataset.name}-stages", "Where an append's time goes",
                    stage_figures(dataset) + stage_table(dataset))]


def stage_bar(cell):
    means = mean_stages(cell)
    if not means or not is_drawn(cell):
        return None
    name = cell.first.variant
    pieces = [(f"s-{stage}", means[stage], f"{name}, {stage}: {time_us(means[stage])}")
              for stage in STAGES]
    return Bar(name, pieces, time_us(sum(means.values())))


def stage_pictures(dataset):
    """A scale for each number of writers: times grow with them."""
    for writers in chosen(dataset.distinct("writers")):
        bars = some(*[stage_bar(cell) for cell in dataset.of(writers=writers)])
        if bars:
            words = f"Mean stages of an append with {writers} writers."
            yield writers, bar_chart("Stages of an append", words, bars, 340)


def stage_table(dataset):
    rows = []
    for cell in dataset.cells:
        means = mean_stages(cell)
        if means:
            times = [time_us(means[stage]) for stage in STAGES]
            rows.append([svg.escape(cell.first.variant), f"{cell.first.writers:,}"] + times
                        + [time_us(sum(means.values()))])
    heads = ["variant", "writers", *STAGES, "sum"]
    return details("Stages as numbers", table(heads, rows, "Stages of an append")) if rows else ""


# ---- Flushes, and zeros written ahead ------------------------------------------------------------


CALLS = (("flushes", "flush_histogram"), ("zero-fills", "zero_fill_histogram"),
         ("syncs of zeros", "zero_sync_histogram"))


def bucket_top(low_us):
    """The greatest value of a bucket of the log's histograms, of which there are eight to a power
    of two: no call looks shorter than it was."""
    low_ns = round(low_us * 1000)
    return (low_ns + (1 << max(0, low_ns.bit_length() - 4)) - 1) / 1000


def call_times(cell, key):
    """How many calls there were in all rounds, their p50 and p99: None with fewer than ten beyond."""
    counts = [(bucket_top(low), number) for low, number in pool(cell.values(key))]
    return [hdr.total(counts), *[hdr.percentile(counts, percent) for percent in (50, 99)]]


def call_row(cell):
    times = [call_times(cell, key) for _, key in CALLS]
    texts = [text for number, *percentiles in times
             for text in (f"{number:,}", *["–" if one is None else time_us(one)
                                           for one in percentiles])]
    waits = sum(cell.values("waits_zero_fill"))
    return [svg.escape(cell.first.variant), f"{cell.first.writers:,}", *texts, f"{waits:,}"]


def flushes(dataset):
    """Of logs that wrote zeros ahead meanwhile: a flush, and what shares the disk with it."""
    cells = [cell for cell in dataset.cells if cell.values("flush_histogram")]
    filling = [cell for cell in cells if call_times(cell, "zero_fill_histogram")[0]]
    if not filling:
        return []
    heads = ["variant", "writers", *[head for name, _ in CALLS for head in (name, "p50", "p99")],
             "flushes that waited for one"]
    words = paragraph("Zeros are written ahead of the log, 256 KiB at a time and off the commit path,"
                      " but to the same disk; a flush waits only for one that is under way where it"
                      " goes. All rounds together, within the timed part; no percentile with fewer"
                      " than ten beyond it.", "quiet")
    most = max(filling, key=lambda cell: call_times(cell, "zero_fill_histogram")[0])
    number, middle, _ = call_times(most, "zero_fill_histogram")
    _, flush, _ = call_times(most, "flush_histogram")
    finding = "" if None in (middle, flush) else (
        f"{most.first.variant} with {writers_title(most.first.writers)} wrote {number:,} times zeros"
        f" ahead, {time_us(middle)} each in the median; a flush took {time_us(flush)}.")
    content = words + table(heads, [call_row(cell) for cell in cells], "Flushes and zero-fills")
    return [Section(f"{dataset.name}-flushes", "Flushes, and zeros written ahead", content,
                    finding)]


# ---- What a record costs -------------------------------------------------------------------------


COSTS = (
    ("device_bytes_per_payload_byte", "Write amplification",
     "bytes written for one of payload: headers, padding to 4 KiB, zero-fill", significant, True),
    ("system_calls_per_record", "System calls per record", "counted during the warm-up",
     significant, False),
    ("context_switches_per_record", "Context switches per record", "of the whole program",
     significant, False),
    ("cpu_us_per_record", "Processor time per record", "of the whole program", time_us, False),
    ("perf.cycles", "Cycles per record", "of the whole program", significant, False),
    ("perf.instructions", "Instructions per record", "of the whole program", significant, False),
    ("perf.cache_misses", "Cache misses per record", "of the whole program", significant, False),
    ("perf.hitm", "Lines taken from another processor", "hits on modified lines, a record",
     significant, False),
    ("perf.joules_per_record", "Energy per record", "of the whole machine",
     lambda joules: f"{significant(joules * 1e6)} µJ", False),
    ("epochs_crossed.mean", "Epochs crossed", "that became durable between call and return",
     significant, False),
)


def costs(dataset):
    figures = some(*[figure_against(dataset, WRITERS, key, title, caption, form, log)
                     for key, title, caption, form, log in COSTS])
    if not figures:
        return []
    words = legend(dataset.distinct("variant"))
    return [Section(f"{dataset.name}-costs", "What a record costs", words + grid(figures))]


# ---- Over time -----------------------------------------------------------------------------------


def middle_row(cell):
    """The round in the middle by its rate, of those with a series."""
    rows = sorted((row for row in cell.rows if row.series), key=lambda row: row.get("records_per_s"))
    return rows[len(rows) // 2] if rows else None


def interval_s(series):
    """Of a series: nearly always 100 ms."""
    times = series["t_s"]
    return times[1] - times[0] if len(times) > 1 and times[1] > times[0] else 0.1


def a_second(value, step):
    return value / step


SERIES = (("records", "Records per second", a_second, short),
          ("p99_us", "p99 latency", lambda value, step: value, time_us),
          ("syncs", "Syncs per second", a_second, short),
          ("steal_us", "Stolen time",
           lambda value, step: value / (step * 1e6), lambda share: f"{share:.0%}"))


def series_line(row, key, turn, look):
    series = row.series
    step = interval_s(series)
    pairs = [(at, turn(value, step)) for at, value in zip(series["t_s"], series.get(key) or [])
             if value is not None]
    points = [(at, value, value, value, "") for at, value in pairs]
    return Line(row.variant, look, points) if len(points) > 1 else None


def series_figures(dataset, writers):
    looks = looks_of(dataset.distinct("variant"))
    rows = some(*[middle_row(cell) for cell in dataset.of(writers=writers)])
    for key, title, turn, form in SERIES:
        lines = some(*[series_line(row, key, turn, Plain(looks[row.variant])) for row in rows])
        if lines and any(point[1] for line in lines for point in line.points):
            words = f"{title} in each tenth of a second, {writers} writers."
            picture = line_chart(title, words, Axis("seconds", lambda x: f"{x:g}", log=False),
                                 Axis(title, form, log=False), lines)
            yield figure(f"{title}, {writers_title(writers)}", "", picture, dataset)


def over_time(dataset):
    if not any(row.series for row in dataset.rows):
        return []
    figures = [one for writers in chosen(dataset.distinct("writers"), 2)
               for one in series_figures(dataset, writers)]
    if not figures:
        return []
    words = paragraph("Of each the round that is the median by its rate. Stolen time is what other"
                      " virtual machines took, as a share of one processor; a picture without any is"
                      " left out.", "quiet")
    return [Section(f"{dataset.name}-time", "Over time",
                    words + legend(dataset.distinct("variant")) + grid(figures))]


# ---- Fairness ------------------------------------------------------------------------------------


FAIRNESS = (("fairness.least_over_mean", "The worst writer",
             "records of the writer with fewest, over the mean", significant),
            ("fairness.jain", "Jain's index", "1: all writers have as many", significant))


def fairness(dataset):
    figures = some(*[figure_against(dataset, WRITERS, key, title, caption, form, log=False)
                     for key, title, caption, form in FAIRNESS])
    if not dataset.has("fairness"):
        return []
    rows = [[svg.escape(cell.first.variant), f"{cell.first.writers:,}"]
            + [form(cell.mid(key)) if cell.mid(key) is not None else "–"
               for key, form in (("fairness.jain", significant),
                                 ("fairness.least_over_mean", significant),
                                 ("fairness.most_over_mean", significant),
                                 ("fairness.writer_p50_us_least", time_us),
                                 ("fairness.writer_p50_us_most", time_us))]
            for cell in dataset.cells if cell.mid("fairness.jain") is not None]
    heads = ["variant", "writers", "Jain", "least/mean", "most/mean", "best writer's p50",
             "worst writer's p50"]
    found = [cell for cell in dataset.cells if cell.mid("fairness.least_over_mean") is not None]
    worst = min(found, key=lambda cell: cell.mid("fairness.least_over_mean"), default=None)
    finding = "" if worst is None else (
        f"The worst share: a writer of {worst.first.variant} with"
        f" {writers_title(worst.first.writers)} had"
        f" {significant(worst.mid('fairness.least_over_mean'))} of the mean.")
    content = legend(dataset.distinct("variant")) + grid(figures)
    content += details("Fairness as numbers", table(heads, rows, "Fairness")) if rows else ""
    return [Section(f"{dataset.name}-fairness", "Fairness", content, finding)]


def sections(dataset, without_stages=False):
    """All of it, as far as it was measured."""
    return ([] if without_stages else stages(dataset)) + (
        distribution(dataset) + over_time(dataset) + fairness(dataset) + batches(dataset)
        + flushes(dataset) + costs(dataset))
