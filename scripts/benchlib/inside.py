"""What went on inside the log during a run: where time went, how it was spread, what it cost."""

from . import svg
from .blocks import (WRITERS, Section, details, figure, figure_against, grid, legend, paragraph,
                     sharing_figure, some, table, writers_title)
from .charts import Axis, Bar, Line, bar_chart, line_chart
from .looks import looks_of
from .stats import pool, slower_shares
from .wording import short, significant, time_us

STAGES = ("checksum", "reserve", "copy", "flip", "write", "sync", "wake")


def pooled_histogram(cell):
    histograms = [values for values in cell.values("latency_histogram")
                  if sum(count for _, count in values)]
    return pool(histograms) if histograms else None


def nines(share):
    """A share of slower records as the percentile that a reader knows."""
    text = f"{(1 - share) * 100:.4f}".rstrip("0").rstrip(".")
    return f"p{text}"


def distribution_line(cell, look):
    histogram = pooled_histogram(cell)
    if not histogram:
        return None
    points = [(1 / share, latency, latency, latency, "")
              for share, latency in slower_shares(histogram)]
    return Line(cell.first.variant, look, thinned(points))


def thinned(points):
    """Without those that the next one hides: a picture needs no more."""
    kept = points[:1]
    for point in points[1:]:
        if point[0] > kept[-1][0] * 1.04 or point is points[-1]:
            kept.append(point)
    return kept


class Quiet:
    """A look without markers, for lines of many points."""

    def __init__(self, look):
        self.class_ = look.class_
        self.shape = None


def distribution_picture(dataset, writers):
    looks = looks_of(dataset.distinct("variant"))
    lines = some(*[distribution_line(cell, Quiet(looks[cell.first.variant]))
                   for cell in dataset.of(writers=writers)])
    if not lines:
        return None
    most = max(line.points[-1][0] for line in lines)
    ticks = [2] + [10 ** n for n in range(1, 7) if 10 ** n <= most]
    x_axis = Axis("share of records that took no longer", lambda x: nines(1 / x), ticks=ticks)
    for line in lines:
        line.points = [point for point in line.points if ticks[0] <= point[0] <= ticks[-1]]
    lines = [line for line in lines if line.points]
    words = f"Latency by percentile with {writers} writers, for " + ", ".join(
        line.name for line in lines)
    return line_chart("Latency distribution", words, x_axis, Axis("latency", time_us), lines) \
        if lines and len(ticks) > 1 else None


def chosen(values, most=3):
    """The first, the last and some between, where there are too many for a page."""
    if len(values) <= most:
        return values
    step = (len(values) - 1) / (most - 1)
    return [values[round(i * step)] for i in range(most)]


def distribution(dataset):
    figures = []
    for writers in chosen(dataset.distinct("writers")):
        picture = distribution_picture(dataset, writers)
        if picture:
            figures.append(figure(writers_title(writers), None, picture))
    batches = some(sharing_figure(dataset)) + batch_figures(dataset)
    sections = []
    if figures:
        words = paragraph("All latencies of all rounds, one of each append or, where writers have"
                          " windows, one of each window. A line that stays flat to the right is a"
                          " log without stalls; both axes count by factors.", "quiet")
        sections.append(Section(f"{dataset.name}-latency", "How latencies are distributed",
                                words + legend(dataset.distinct("variant")) + grid(figures),
                                "Latency distributions"))
    if batches:
        words = paragraph("A flush is one write and one sync. After their mean: how many records"
                          " single flushes carried, as shares of all flushes.", "quiet")
        sections.append(Section(f"{dataset.name}-batches", "How large batches are",
                                words + legend(dataset.distinct("variant")) + grid(batches),
                                "Batch sizes"))
    return sections


def pooled_batches(cell):
    """Shares of flushes, by power of two."""
    lists = [values for values in cell.values("batch_histogram") if values]
    length = max(map(len, lists), default=0)
    sums = [sum(values[i] for values in lists if i < len(values)) for i in range(length)]
    total = sum(sums)
    return [value / total for value in sums] if total else []


def batch_name(exponent):
    low, high = 2 ** exponent, 2 ** (exponent + 1) - 1
    return "1" if high == 1 else f"{short(low)}–{short(high)}"


def batch_line(cell, look):
    shares = pooled_batches(cell)
    points = []
    for i, share in enumerate(shares):
        words = f"{cell.first.variant}: {share:.1%} of flushes carried {batch_name(i)}"
        points.append((2 ** i, share, share, share, words))
    return Line(cell.first.variant, look, points) if points else None


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
        figures.append(figure(writers_title(writers), None, picture))
    return figures


# ---- Stages and costs ----------------------------------------------------------------------------


def mean_stages(cell):
    """Means over the rounds, each weighted with its samples."""
    rounds = [values for values in cell.values("stages_us") if values.get("samples")]
    total = sum(values["samples"] for values in rounds)
    return {stage: sum((values.get(stage) or 0) * values["samples"] for values in rounds) / total
            for stage in STAGES} if total else None


def stage_legend():
    items = [svg.element("li", svg.element("i", "", class_=f"s-{stage}") + stage)
             for stage in STAGES]
    return svg.element("ul", "".join(items), class_="legend")


def stages(dataset):
    if not dataset.has("stages_us"):
        return []
    figures = [figure(writers_title(writers), None, picture)
               for writers, picture in stage_pictures(dataset)]
    words = paragraph("Mean time of one append, from call to return: the payload's checksum; its"
                      " place in the log; its copy; until its batch was sealed; the batch's write;"
                      " its sync; until the writer ran again. Under mutex and serial the lock is"
                      " part of “reserve”.", "quiet")
    return [Section(f"{dataset.name}-stages", "Where an append's time goes",
                    words + stage_legend() + grid(figures) + stage_table(dataset), "Stages")]


def stage_bar(cell):
    means = mean_stages(cell)
    if not means:
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
            yield writers, bar_chart("Stages of an append", words, bars, 360)


def stage_table(dataset):
    rows = []
    for cell in dataset.cells:
        means = mean_stages(cell)
        if means:
            times = [time_us(means[stage]) for stage in STAGES]
            rows.append([svg.escape(cell.first.variant), f"{cell.first.writers:,}"] + times
                        + [time_us(sum(means.values()))])
    heads = ["variant", "writers", *STAGES, "sum"]
    return details("Stages as numbers", table(heads, rows, "Stages of an append"))


COSTS = (
    ("device_bytes_per_payload_byte", "Write amplification",
     "bytes written for one of payload: headers, padding to 4 KiB, zero-fill", significant, True),
    ("system_calls_per_record", "System calls per record", "counted during the warm-up",
     significant, False),
    ("context_switches_per_record", "Context switches per record", "of the whole program",
     significant, False),
    ("cpu_us_per_record", "Processor time per record", "of the whole program", time_us, False),
)


def costs(dataset):
    figures = some(*[figure_against(dataset, WRITERS, key, title, caption, form, log)
                     for key, title, caption, form, log in COSTS])
    if not figures:
        return []
    words = legend(dataset.distinct("variant"))
    return [Section(f"{dataset.name}-costs", "What a record costs", words + grid(figures), "Costs")]


def sections(dataset):
    """All of it, as far as it was measured."""
    return stages(dataset) + distribution(dataset) + costs(dataset)
