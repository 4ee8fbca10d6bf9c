"""The sections of a report, one function for each; those without data give nothing."""

from . import inside, svg
from .blocks import (WRITERS, Against, Section, details, draw_against, figure, figure_against, grid,
                     legend, numbers, paragraph, sharing_figure, some, table, writers_title)
from .charts import Bar, Guide, bar_chart, both_widths
from .looks import looks_of
from .results import paired_ratios
from .stats import Summary
from .wording import count, factor, short, significant, size, sizes, spread, time_ns, time_us


def conditions(dataset):
    """What all runs of a dataset share, in a line."""
    row = dataset.rows[0]
    words = []
    if len(dataset.distinct("sizes")) == 1 and row.sizes[0] is not None:
        words.append(f"records of {sizes(row.sizes)}")
    if len(dataset.distinct("window")) == 1:
        words.append("each append waits" if row.window == 1 else f"windows of {row.window:,}")
    words += some(device_words(row), row.option("checksum") == "header" and "payloads unchecked")
    rounds = max(len(cell.rows) for cell in dataset.cells)
    seconds = row.option("asked_seconds")
    words.append(f"{rounds} round" + ("s" if rounds > 1 else ", so without a spread"))
    words += [f"{seconds:g} s each"] if seconds else []
    text = ", ".join(words) + "."
    return text[0].upper() + text[1:]


def device_words(row):
    kind = row.device.get("kind")
    if kind == "null":
        return "a device in memory that forgets at once"
    if kind == "delay":
        return f"a device in memory whose syncs take {row.device.get('delay_us')} µs"
    return "a file" if kind else ""


# ---- Throughput and latency ----------------------------------------------------------------------


def guides_of_rate(dataset):
    """What the device and the kernel allow: no engine that waits for every sync can pass them."""
    guides = []
    floor = dataset.sync_floor().get("syncs_per_s")
    writers = dataset.distinct("writers")
    if floor:
        guides.append(Guide("sync floor × writers", [(w, floor.median * w) for w in writers]))
    wakes = [(threads, rate.median) for threads, rate in dataset.wake_floor().items()]
    if len(wakes) > 1:
        guides.append(Guide("wake ceiling", wakes))
    return guides


def guides_of_latency(dataset, key, against):
    floor = dataset.sync_floor().get(key)
    places = sorted({against.at(cell.first) for cell in dataset.cells} - {None, 0})
    return [Guide("sync floor", [(x, floor.median) for x in places])] if floor else []


def throughput_figure(dataset):
    caption = "Higher is better. Bands: least to greatest of the rounds."
    if guides_of_rate(dataset):
        caption += (" Broken lines, measured in the same rounds: what one sync for every turn of"
                    " all writers would give, and how many sleeping threads the kernel wakes.")
    if not any(cell.summary("records_per_s").low > 0 for cell in dataset.cells):
        return ""
    picture = both_widths(lambda width: draw_against(
        dataset, WRITERS, "records_per_s", "Throughput", "records/s", count,
        guides=guides_of_rate(dataset), width=width, height=380 if width > 600 else 300))
    return figure("Throughput", caption, picture, whole=True)


def rate_figure(dataset):
    """Throughput among other pictures, with the limits that the machine sets."""
    return figure_against(dataset, WRITERS, "records_per_s", "Throughput", "records/s", count,
                          guides=guides_of_rate(dataset))


def latency_figures(dataset, against=WRITERS):
    figures = []
    for key, title in (("p50_us", "Median latency"), ("p99_us", "p99 latency"),
                       ("p999_us", "p99.9 latency")):
        guides = guides_of_latency(dataset, key, against)
        figures.append(figure_against(dataset, against, key, title, "lower is better", time_us,
                                      guides=guides))
    return some(*figures)


def engines(dataset):
    content = paragraph(conditions(dataset), "quiet") + legend(dataset.distinct("variant"))
    content += throughput_figure(dataset) + grid(latency_figures(dataset)) + numbers(dataset)
    return [Section(dataset.name, dataset.title or "Throughput and latency", content,
                    "Throughput")] + inside.sections(dataset)


def variants(dataset):
    """A list of strategies: pictures if there are several numbers of writers, else the table."""
    content = paragraph(conditions(dataset), "quiet")
    if len(dataset.distinct("writers")) > 1:
        content += legend(dataset.distinct("variant"))
        figures = some(rate_figure(dataset)) + latency_figures(dataset)[:2]
        content += grid(figures + some(sharing_figure(dataset)))
    else:
        content += rate_bars(dataset)
    return [Section(dataset.name, dataset.title or "Variants", content + numbers(dataset))]


def rate_bars(dataset):
    """One bar a variant."""
    looks = looks_of(dataset.distinct("variant"))
    bars = []
    for cell in dataset.cells:
        rate = cell.summary("records_per_s")
        words = spread(rate, count)
        piece = (looks[cell.first.variant].class_, rate.median, f"{cell.first.variant}: {words}")
        bars.append(Bar(cell.first.variant, [piece], words, rate.low, rate.high))
    picture = both_widths(lambda width: bar_chart("Throughput", "Records a second, by variant.",
                                                  bars, width))
    caption = f"records/s with {writers_title(dataset.rows[0].writers)}"
    return figure("Throughput", caption, picture, whole=True)


# ---- Contention ----------------------------------------------------------------------------------


def contention(dataset):
    """Without a disk and without waiting, what is left is the way into the log."""
    words = paragraph("No disk, no payload checksum, no waiting for each record: what is left is"
                      " the way into the log. Beyond the hardware threads writers take turns, and a"
                      " writer's own time includes those of the others. " + conditions(dataset),
                      "quiet")
    figures = some(
        figure_against(dataset, WRITERS, "submit_ns", "One append, as its writer sees it",
                       "wall time of a submit; lower is better", time_ns),
        figure_against(dataset, WRITERS, "records_per_s", "All writers together",
                       "records/s; higher is better", count),
        figure_against(dataset, WRITERS, "cpu_us_per_record", "Processor time per record",
                       "of the whole program; lower is better", time_us))
    content = words + legend(dataset.distinct("variant")) + grid(figures) + numbers(dataset)
    return [Section(dataset.name, dataset.title or "Contention", content)]


# ---- The ladder ----------------------------------------------------------------------------------


def rungs_of(dataset, writers):
    return sorted(dataset.of(writers=writers), key=lambda cell: cell.first.get("rung"))


def worth(cell, before):
    """What the change was worth, within each round."""
    ratios = paired_ratios(cell, before) if before else []
    return Summary(ratios) if ratios else None


def rung_class(rung, last):
    if rung == 0:
        return "c-mutex"
    return "c-ring" if rung == last else "c-sky"


def ladder_bars(dataset, writers):
    rungs = rungs_of(dataset, writers)
    bars = []
    for i, cell in enumerate(rungs):
        rate = cell.summary("records_per_s")
        change = worth(cell, rungs[i - 1] if i else None)
        note = count(rate.median) + (f" · {factor(change.median)}" if change else "")
        pieces = [(rung_class(i, len(rungs) - 1), rate.median,
                   f"{cell.first.variant}: {spread(rate, count)} records/s")]
        bars.append(Bar(cell.first.variant, pieces, note, rate.low, rate.high))
    return bars


def ladder_table(dataset):
    rows = []
    for writers in dataset.distinct("writers"):
        rungs = rungs_of(dataset, writers)
        for i, cell in enumerate(rungs):
            step, whole = worth(cell, rungs[i - 1] if i else None), worth(cell, rungs[0])
            rows.append([svg.escape(cell.first.variant), f"{writers:,}",
                         spread(cell.summary("records_per_s"), count),
                         spread(step, factor) if step else "–",
                         spread(whole, factor) if whole else "–"])
    heads = ["after this change", "writers", "records/s", "to the rung before", "to the first"]
    return details("The ladder as numbers", table(heads, rows, "The ladder"))


def ladder(dataset):
    figures = []
    for writers in dataset.distinct("writers"):
        bars = ladder_bars(dataset, writers)
        picture = both_widths(lambda width, bars=bars: bar_chart(
            "The ladder", f"Records a second after each change, {writers} writers.", bars, width))
        caption = ("records/s, and what the change alone was worth: the median of the ratio to the"
                   " bar above within each round")
        figures.append(figure(writers_title(writers), caption, picture, whole=True))
    words = paragraph("One change at a time, from one mutex around everything to the ring as it"
                      " is. " + conditions(dataset), "quiet")
    return [Section(dataset.name, dataset.title or "The ladder",
                    words + "".join(figures) + ladder_table(dataset) + numbers(dataset),
                    "The ladder")]


# ---- Sizes, windows, offered load ----------------------------------------------------------------


SIZES = Against("record size", lambda row: row.mean_size, size)
WINDOWS = Against("window: records submitted and not yet durable", lambda row: row.window)
OFFERED = Against("offered records/s", lambda row: row.option("rate"))


def record_sizes(dataset):
    figures = some(
        figure_against(dataset, SIZES, "records_per_s", "Throughput", "records/s", count),
        figure_against(dataset, SIZES, "bytes_per_s", "Payload", "bytes/s", short),
        figure_against(dataset, SIZES, "p99_us", "p99 latency", "lower is better", time_us,
                       guides=guides_of_latency(dataset, "p99_us", SIZES)),
        figure_against(dataset, SIZES, "device_bytes_per_payload_byte", "Write amplification",
                       "bytes written for one of payload", significant))
    content = paragraph(conditions(dataset), "quiet") + legend(dataset.distinct("variant"))
    return [Section(dataset.name, dataset.title or "Record sizes",
                    content + grid(figures) + numbers(dataset))]


def windows(dataset):
    figures = some(
        figure_against(dataset, WINDOWS, "records_per_s", "Throughput", "records/s", count),
        figure_against(dataset, WINDOWS, "p99_us", "p99 latency",
                       "of a record, until its writer knows", time_us,
                       guides=guides_of_latency(dataset, "p99_us", WINDOWS)),
        figure_against(dataset, WINDOWS, "records_per_flush", "Records per flush",
                       "records in one write and sync", significant))
    content = paragraph(conditions(dataset), "quiet") + legend(dataset.distinct("variant"))
    return [Section(dataset.name, dataset.title or "Windows",
                    content + grid(figures) + numbers(dataset))]


def fell_behind(dataset):
    """The rates that a variant could not follow: its latencies say only how long the run was."""
    words = []
    for variant in dataset.distinct("variant"):
        late = [cell.first.option("rate") for cell in dataset.of(variant=variant)
                if cell.mid("records_per_s") < 0.95 * cell.first.option("rate")]
        if late:
            words.append(f"{variant} could not follow {count(min(late))}/s"
                         + (" and more" if len(late) > 1 else ""))
    return "; ".join(words)


def open_loop(dataset):
    words = ("Records are due on a fixed schedule whatever the log does, and a latency counts from"
             " when its record was due: a stall shows in every record that it held up. ")
    late = fell_behind(dataset)
    words += f"In these runs {late}: there the latency only tells how long the run was. " \
        if late else ""
    content = paragraph(words + conditions(dataset), "quiet")
    content += legend(dataset.distinct("variant")) + grid(latency_figures(dataset, OFFERED))
    return [Section(dataset.name, dataset.title or "Offered load", content + numbers(dataset))]


# ---- Other stores --------------------------------------------------------------------------------


def peer_settings(dataset):
    found = {row.variant: row.get("settings") for row in dataset.rows if row.get("settings")}
    rows = [[svg.escape(name), (words,)] for name, words in found.items()]
    heads = ["store", "how it was set up"]
    return table(heads, rows, "Settings of the other stores") if rows else ""


def peers(dataset):
    figures = some(rate_figure(dataset)) + latency_figures(dataset)[:2]
    words = paragraph("The same records, made durable one by one in stores that do more than a log:"
                      " they keep an order or an index beside it. " + conditions(dataset), "quiet")
    content = words + legend(dataset.distinct("variant")) + grid(figures)
    content += svg.element("details", svg.element("summary", "How the other stores were set up")
                           + peer_settings(dataset), open="")
    return [Section(dataset.name, dataset.title or "Other stores", content + numbers(dataset))]


def preset(dataset):
    words = paragraph("A set mixture of records, with the opening of the log inside the time.",
                      "quiet")
    return [Section(f"{dataset.name}-preset", "The preset", words + numbers(dataset))]


KINDS = {"engines": engines, "variants": variants, "contention": contention, "ladder": ladder,
         "sizes": record_sizes, "windows": windows, "open": open_loop, "peers": peers,
         "preset": preset}


def of(datasets):
    """All sections that have something to show, in the order of the parts."""
    return [section for dataset in datasets for section in KINDS[dataset.kind](dataset)]
