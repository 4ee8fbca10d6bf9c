"""The sections of a report, one function for each; those without data give nothing. A picture that
is a file of its own goes into pictures/."""

from . import about, causes, inside, svg
from .blocks import (WRITERS, Against, Section, details, draw_against, figure, figure_against, grid,
                     is_drawn, legend, numbers, only_tables, paragraph, sharing_figure, some, table,
                     writers_title)
from .charts import Axis, Bar, Guide, Line, bar_chart, both_widths, line_chart
from .curves import curves
from .headline import break_even, sync_of, with_interval
from .looks import Look, looks_of
from .pairs import estimate, judged, question_of
from .ratios import Point, forest, grid_map
from .wording import (count, factor, number_of, short, significant, size, sizes, spread, time_ns,
                      time_us)


def conditions(dataset):
    """What all runs of a dataset share, in a line."""
    row = dataset.rows[0]
    words = some(len(dataset.distinct("sizes")) == 1 and row.sizes[0] is not None
                 and f"records of {sizes(row.sizes)}", about.load_words(dataset.rows),
                 about.device_words(dataset) or None,
                 row.option("checksum") == "header" and "payloads unchecked")
    seconds = row.option("asked_seconds")
    words += [f"{seconds:g} s each"] if seconds else []
    text = ", ".join(words) + "."
    return text[0].upper() + text[1:]


# ---- Throughput and latency ----------------------------------------------------------------------


def guides_of_rate(dataset):
    """What the device and the kernel were seen to do beside the runs."""
    guides = []
    floor = dataset.sync_floor().get("syncs_per_s")
    writers = dataset.distinct("writers")
    if floor and not rated(dataset):
        guides.append(Guide("lone syncs × writers", [(w, floor.median * w) for w in writers]))
    wakes = [(threads, rate.median) for threads, rate in dataset.wake_floor().items()]
    if len(wakes) > 1:
        guides.append(Guide("kernel wakes", wakes))
    return guides


def rated(dataset):
    return any(row.is_open for row in dataset.rows)


def guides_of_latency(dataset, key, places):
    floor = dataset.sync_floor().get(key)
    return [Guide("lone sync", [(x, floor.median) for x in sorted(places)])] if floor else []


def places_of(dataset, against):
    return {against.at(cell.first) for cell in dataset.cells} - {None, 0}


def throughput_figure(dataset):
    caption = "Higher is better. Bands: least to greatest of the rounds."
    if guides_of_rate(dataset):
        caption += (" Broken lines, measured in the same rounds: one sync of a lone writer for every"
                    " turn of all writers, and how many sleeping threads the kernel wakes.")
    drawn = both_widths(lambda width: draw_against(
        dataset, WRITERS, "records_per_s", "Throughput", "records/s", count,
        guides=guides_of_rate(dataset), width=width, height=360 if width > 600 else 300) or "")
    return figure("Throughput", caption, drawn, dataset, whole=True) if "<svg" in drawn else ""


def rate_figure(dataset):
    """Throughput among other pictures, with the limits that the machine sets."""
    return figure_against(dataset, WRITERS, "records_per_s", "Throughput", "records/s", count,
                          guides=guides_of_rate(dataset))


LATENCIES = (("p50_us", "Median latency"), ("p99_us", "p99 latency"), ("p999_us", "p99.9 latency"))


def latency_figures(dataset, against=WRITERS):
    figures = []
    for key, title in LATENCIES:
        guides = guides_of_latency(dataset, key, places_of(dataset, against))
        figures.append(figure_against(dataset, against, key, title, "lower is better", time_us,
                                      guides=guides))
    return some(*figures)


def body_of(dataset, figures, words="", whole=""):
    """What most sections are: words, a legend, pictures, the table."""
    content = paragraph((words + " " if words else "") + conditions(dataset), "quiet")
    content += legend(dataset.distinct("variant")) if figures or whole else ""
    return content + whole + grid(figures) + only_tables(dataset) + numbers(dataset)


def best_words(dataset):
    """The highest rate, with its cell."""
    best = max(dataset.cells, key=lambda cell: cell.mid("records_per_s") or 0)
    p99 = best.mid("p99_us")
    words = (f"Most: {best.first.variant}, {writers_title(best.first.writers)}, "
             f"{count(best.mid('records_per_s') or 0)} records/s")
    return words + (f", p99 {time_us(p99)}." if p99 is not None else ".")


def engines(dataset):
    return [Section(dataset.name, dataset.title or "Throughput and latency",
                    body_of(dataset, latency_figures(dataset), whole=throughput_figure(dataset)),
                    best_words(dataset))]


def variants(dataset):
    """A list of strategies: pictures if there are several numbers of writers, else bars."""
    if len(dataset.distinct("writers")) > 1:
        figures = some(rate_figure(dataset)) + latency_figures(dataset)[:2]
        content = body_of(dataset, figures + some(sharing_figure(dataset)))
    else:
        content = body_of(dataset, [], whole=rate_bars(dataset))
    return [Section(dataset.name, dataset.title or "Throughput and latency by variant", content, best_words(dataset))]


def rate_bars(dataset):
    """One bar a variant."""
    looks = looks_of(dataset.distinct("variant"))
    bars = []
    for cell in dataset.cells:
        rate = cell.summary("records_per_s")
        if len(cell.rows) < 2:
            continue
        words = spread(rate, count)
        piece = (looks[cell.first.variant].class_, rate.median, f"{cell.first.variant}: {words}")
        bars.append(Bar(cell.first.variant, [piece], words, rate.low, rate.high))
    if not bars:
        return ""
    picture = both_widths(lambda width: bar_chart("Throughput", "Records a second, by variant.",
                                                  bars, width))
    caption = f"records/s with {writers_title(dataset.rows[0].writers)}"
    return figure("Throughput", caption, picture, dataset, whole=True)


# ---- Where it does not pay -----------------------------------------------------------------------


def device_name(row):
    sync = sync_of(row)
    if sync is None:
        return row.filesystem.get("type") or "this disk"
    return "no sync" if sync == 0 else time_us(sync)


def rows_of_map(question):
    """The devices, the fastest first; the file has its own sync's place among them."""
    own = about.sync_us(question.dataset)
    found = {}
    for pair in question.pairs:
        row = pair.mine.first
        sync = sync_of(row)
        words = device_name(row)
        if sync is None and own:
            words = f"{words}, {time_us(own)}"
        found[row.device.get("kind"), row.device.get("delay_us")] = (
            sync if sync is not None else own or 1e9, words)
    return sorted(((key, words) for key, (_, words) in found.items()),
                  key=lambda item: found[item[0]][0])


def map_picture(question, width):
    rows = rows_of_map(question)
    columns = [(place, f"{place:,}") for place in sorted({pair.place for pair in question.pairs})]
    cells = {(pair.place, (pair.mine.first.device.get("kind"),
                           pair.mine.first.device.get("delay_us"))):
             Point(pair.place, pair.estimate) for pair in question.pairs}
    mine, other = question.names
    words = f"records/s of {mine} over {other}, by writers and by the time of a sync"
    return grid_map("Break-even map", words, columns, rows, cells, "concurrent writers", width)


def break_even_map(question):
    mine, other = question.names
    dataset = question.dataset
    slower = break_even(question)
    finding = f"Nowhere do these rounds tell that {mine} is slower." if not slower else (
        f"{mine} is slower than {other} where a sync takes "
        + (f"{time_us(max(slower.values()))} or less" if max(slower.values()) else "no time")
        + f": {number_of(len(slower), 'number')} of writers.")
    caption = (f"{mine} ÷ {other}, records/s, by the time of a sync (down) and writers (across)."
               " ▲ faster, ▼ slower, = the same within 5 %, ? nobody can tell.")
    drawn = both_widths(lambda width: map_picture(question, width), 760)
    content = figure("Break-even map", caption, drawn, dataset, whole=True)
    return [Section(dataset.name, f"When {mine} does not pay: the break-even map",
                    content + numbers(dataset), finding)]


# ---- Contention ----------------------------------------------------------------------------------


def contention(dataset):
    """Without a disk and without waiting, what is left is the way into the log."""
    words = ("No disk, no payload checksum, no waiting for each record: what is left is the way into"
             " the log. Beyond the hardware threads writers take turns, and a writer's own time"
             " includes those of the others.")
    figures = some(
        figure_against(dataset, WRITERS, "submit_ns", "One append, as its writer sees it",
                       "wall time of a submit; lower is better", time_ns),
        figure_against(dataset, WRITERS, "records_per_s", "All writers together",
                       "records/s; higher is better", count),
        figure_against(dataset, WRITERS, "cpu_us_per_record", "Processor time per record",
                       "of the whole program; lower is better", time_us))
    return [Section(dataset.name, dataset.title or "Contention", body_of(dataset, figures, words),
                    best_words(dataset))]


# ---- The ladder, and the crossed design ----------------------------------------------------------


PLAIN = Look("sky", "circle")


def rungs_of(dataset, writers):
    return sorted(dataset.of(writers=writers), key=lambda cell: cell.first.get("rung"))


def steps_of(dataset):
    """{writers: [(name, what the change was worth)]}, judged together."""
    found = {}
    for writers in dataset.distinct("writers"):
        rungs = rungs_of(dataset, writers)
        steps = [(after.first.variant, estimate(after, before))
                 for before, after in zip(rungs, rungs[1:])]
        steps.append((f"all: {rungs[0].first.variant} to {rungs[-1].first.variant}",
                      estimate(rungs[-1], rungs[0])))
        found[writers] = [(name, one) for name, one in steps if one]
    judged([one for steps in found.values() for _, one in steps])
    return found


def exchanges_engine(dataset):
    """The rungs that change more than one thing: they begin with another engine."""
    rungs = rungs_of(dataset, dataset.distinct("writers")[0])
    return [after.first.variant for before, after in zip(rungs, rungs[1:])
            if before.first.engine != after.first.engine]


def forest_figure(dataset, title, items):
    rows = [(name, Point(0, one), PLAIN) for name, one in items]
    words = "; ".join(f"{name} {with_interval(one)}" for name, one in items)
    drawn = both_widths(lambda width: forest(title, words, rows, width))
    return figure(title, "records/s, ratio with its 95 % interval; grey: within 5 %", drawn,
                  dataset, whole=True)


def ladder(dataset):
    found = steps_of(dataset)
    figures = [forest_figure(dataset, f"Each step, {writers_title(writers)}",
                             [(name, one) for name, one in steps if one.low is not None])
               for writers, steps in found.items() if any(one.low is not None for _, one in steps)]
    moved = exchanges_engine(dataset)
    words = "From one mutex around everything to the ring as it is: what each step is worth over the"
    words += " one before."
    if moved:
        words += f" “{moved[0]}” exchanges the whole engine; each other step changes one thing."
    rows = [[svg.escape(name), f"{writers:,}", with_interval(one), svg.escape(one.verdict)]
            for writers, steps in found.items() for name, one in steps]
    content = paragraph(words + " " + conditions(dataset), "quiet") + "".join(figures)
    content += only_tables(dataset)
    content += details("The ladder as numbers", table(
        ["after this change", "writers", "to the one before (95 %)", "verdict"], rows,
        "The ladder")) if rows else ""
    return [Section(dataset.name, dataset.title or "The ladder", content + numbers(dataset),
                    ladder_words(found))]


def ladder_words(found):
    """Of the most writers: the whole way, and which steps are differences."""
    if not found or not found[max(found)]:
        return ""
    *steps, (_, whole) = found[max(found)]
    some_ = [f"“{name}” {factor(one.ratio)}" for name, one in steps if one.verdict == "better"]
    words = f"{writers_title(max(found))}, the whole way: {with_interval(whole)}, {whole.verdict}."
    return words + (f" Steps that count: {', '.join(some_)}." if some_ else
                    " No single step is a difference by itself.")


# ---- Sizes, windows, offered load ----------------------------------------------------------------


SIZES = Against("record size", lambda row: row.mean_size, size)
WINDOWS = Against("window: records submitted and not yet durable", lambda row: row.window)


def record_sizes(dataset):
    figures = some(
        figure_against(dataset, SIZES, "records_per_s", "Throughput", "records/s", count),
        figure_against(dataset, SIZES, "bytes_per_s", "Payload", "bytes/s", count),
        figure_against(dataset, SIZES, "p99_us", "p99 latency", "lower is better", time_us,
                       guides=guides_of_latency(dataset, "p99_us", places_of(dataset, SIZES))),
        figure_against(dataset, SIZES, "device_bytes_per_payload_byte", "Write amplification",
                       "bytes written for one of payload", significant))
    return [Section(dataset.name, dataset.title or "Record sizes", body_of(dataset, figures))]


def windows(dataset):
    figures = some(
        figure_against(dataset, WINDOWS, "records_per_s", "Throughput", "records/s", count),
        figure_against(dataset, WINDOWS, "p99_us", "p99 latency",
                       "of a record, until its writer knows", time_us,
                       guides=guides_of_latency(dataset, "p99_us", places_of(dataset, WINDOWS))),
        figure_against(dataset, WINDOWS, "records_per_flush", "Records per flush",
                       "records in one write and sync", significant))
    return [Section(dataset.name, dataset.title or "Windows", body_of(dataset, figures),
                    best_words(dataset))]


def line_of_load(curve, key, look):
    """Up to the knee; shares of a capacity stand where they came to lie."""
    points = []
    for point in curve.points:
        summary = point.cell.summary(key)
        if summary and is_drawn(point.cell):
            words = f"{curve.variant}, {count(point.offered)}/s: {spread(summary, time_us)}"
            points.append((point.offered, summary.median, summary.low, summary.high, words))
    return Line(curve.variant, look, points) if points else None


def figure_of_load(dataset, found, key, title, caption):
    looks = looks_of(dataset.distinct("variant"))
    lines = some(*[line_of_load(curve, key, looks[curve.variant]) for curve in found])
    if not lines:
        return None
    places = [point[0] for line in lines for point in line.points]
    x_axis = Axis("offered records/s", short, log=len(set(places)) < 2 or min(places) * 20 < max(places))
    guides = guides_of_latency(dataset, key, places)
    words = f"{title} against the offered load, for " + ", ".join(line.name for line in lines)
    return figure(title, caption, line_chart(title, words, x_axis, Axis(title, time_us), lines,
                                             guides), dataset)


def open_loop(dataset):
    found = curves(dataset.rows)
    words = ("Records are due whatever the log does, and a latency counts from when its record was"
             " due: a stall shows in every record that it held up. Nothing is drawn past the knee,"
             " where a log no longer follows.")
    figures = some(*[figure_of_load(dataset, found, key, title, "lower is better")
                     for key, title in LATENCIES],
                   figure_of_load(dataset, found, "load.late_p99_us", "How late the generator was",
                                  "p99; it is not part of the latency"))
    late = "; ".join(f"{one.variant} no longer follows {count(one.knee)}/s" for one in found
                     if one.knee is not None)
    return [Section(dataset.name, dataset.title or "Latency at an offered load",
                    body_of(dataset, figures, words), f"{late}." if late else "All followed.")]


# ---- Causes --------------------------------------------------------------------------------------


WORDS_OF_EFFECTS = (
    "Factors were crossed: each setting of one with each of the others, beside the mutex engine. A"
    " factor's ratio is between its two settings, averaged over the others; “x” is what two bring"
    " together beyond their product. “exchange of the engine” is a ring that does as the mutex"
    " engine does in all of them. The lock alone always has its row. ")
LOCK_LOOK, EFFECT_LOOK = Look("green", "diamond"), Look("sky", "circle")


def effects_at(effects):
    """{writers: its effects that were measured}."""
    found = {}
    for one in effects:
        if one.estimate:
            found.setdefault(one.writers, []).append(one)
    return found


def words_of_effects(effects):
    """Of the most writers: the factors that make a difference, and what the lock does."""
    counts = [f"{one.name} {with_interval(one.estimate)}" for one in effects
              if one.kind in (causes.MAIN, causes.EXCHANGE) and one.estimate.verdict == "better"]
    lock = next((one for one in effects if one.kind == causes.LOCK), None)
    words = f"{writers_title(effects[0].writers)}: " + (
        "what counts is " + ", ".join(counts) if counts else "no factor is a difference by itself")
    return words + (f"; the lock alone: {with_interval(lock.estimate)}, {lock.estimate.verdict}."
                    if lock else ".")


def what_differs(dataset):
    """Main effects and interactions of what was crossed, and always the lock's own."""
    found = effects_at(causes.effects(dataset.rows))
    if not found:
        return []
    is_crossed = any(one.kind == causes.MAIN for some_ in found.values() for one in some_)
    content = paragraph((WORDS_OF_EFFECTS if is_crossed else "") + conditions(dataset), "quiet")
    for writers, effects in sorted(found.items()):
        rows = [(one.name, Point(0, one.estimate),
                 LOCK_LOOK if one.kind == causes.LOCK else EFFECT_LOOK) for one in effects]
        title = f"What each factor is worth, {writers_title(writers)}"
        words = "; ".join(f"{one.name} {with_interval(one.estimate)}" for one in effects)
        drawn = both_widths(lambda width, title=title, words=words, rows=rows: forest(
            title, words, rows, width))
        content += figure(title, "records/s, ratio with its 95 % interval; grey: within 5 %", drawn,
                          dataset, whole=True)
    rows = [[svg.escape(one.name), f"{writers:,}", (one.words,), with_interval(one.estimate),
             svg.escape(one.estimate.verdict)] for writers, some_ in sorted(found.items()) for one in some_]
    content += details("Effects as numbers", table(
        ["effect", "writers", "what it is", "ratio (95 %)", "verdict"], rows, "Effects"))
    return [Section(f"{dataset.name}-causes", "Which change makes the difference", content,
                    words_of_effects(found[max(found)]))]


# ---- What the machine allows ---------------------------------------------------------------------


def bounds(dataset):
    """Each cell beside what the machine was seen to do around it; those above mark themselves."""
    rows, above, runs = [], 0, 0
    for cell in dataset.cells:
        for name in dict.fromkeys(bound["bound"] for row in cell.rows
                                  for bound in row.get("bounds") or []):
            pairs = [(row, bound) for row in cell.rows for bound in row.get("bounds") or []
                     if bound["bound"] == name and bound.get("records_per_s")]
            if not pairs:
                continue
            passed = sum(1 for _, bound in pairs if bound.get("passed"))
            above, runs = above + passed, runs + len(pairs)
            shares = sorted(row.get("records_per_s") / bound["records_per_s"]
                            for row, bound in pairs)
            allowed = sorted(bound["records_per_s"] for _, bound in pairs)
            mark = f"▲ {passed} of {len(pairs)} above" if passed else ""
            rows.append([svg.escape(cell.first.variant), f"{cell.first.writers:,}", (name,),
                         count(allowed[len(allowed) // 2]),
                         f"{shares[0]:.2f} to {shares[-1]:.2f}", (mark,)])
    if not rows:
        return []
    words = ("What a lone thread's syncs, and the kernel's wakes, would allow: measured for 50 ms"
             " before and after each run, by the run's own sync and sizes. No law of nature: a run"
             " above it says that the machine was faster in between, and is marked.")
    heads = ["variant", "writers", "bound", "allows records/s", "reached, of it", "above"]
    finding = f"{above} of {number_of(runs, 'run')} above the bound." if above else (
        "No run is above its bound.")
    content = paragraph(words, "quiet") + table(heads, rows, "Bounds")
    return [Section(f"{dataset.name}-bounds", "What the machine allowed", content, finding)]


# ---- Simulated -----------------------------------------------------------------------------------


PROCESSORS = Against("simulated processors", lambda row: row.machine.get("hardware_threads"))
SIMULATED = (
    ("records_per_s", "Throughput", "records/s", count),
    ("p99_us", "p99 latency", "lower is better", time_us),
    ("records_per_flush", "Records per flush", "in one write and sync", significant),
    ("simulation.transfers_per_record", "Line transfers per record",
     "cache lines that moved between processors", significant),
    ("simulation.far_transfers_per_record", "Transfers between nodes", "a record", significant),
    ("simulation.fairness", "Fairness", "1: all writers have as many records", significant),
    ("cpu_us_per_record", "Processor time per record", "all but idleness", time_us))


def simulated(dataset):
    counts = {PROCESSORS.at(row) for row in dataset.rows}
    against = PROCESSORS if len(counts) > 1 else WRITERS
    figures = some(*[figure_against(dataset, against, key, title, caption, form)
                     for key, title, caption, form in SIMULATED])
    machine = dataset.rows[0].machine.get("cpu")
    words = (f"SIMULATED on {machine}: the log's own code, on processors and caches that a file"
             " describes. No machine was measured. docs/SCALING.md says what is left out.")
    if dataset.over:
        words += " Hollow points were measured, and lie over what was simulated."
    return [Section(dataset.name, f"Simulated: {machine}, {about.device_words(dataset)}",
                    body_of(dataset, figures, words), best_words(dataset))]


# ---- Other stores --------------------------------------------------------------------------------


def peer_settings(dataset):
    found = {row.variant: row.get("settings") for row in dataset.rows if row.get("settings")}
    rows = [[svg.escape(name), (words,)] for name, words in found.items()]
    heads = ["store", "how it was set up"]
    return details("How the other stores were set up",
                   table(heads, rows, "Settings of the other stores")) if rows else ""


def peers(dataset):
    figures = some(rate_figure(dataset)) + latency_figures(dataset)[:2]
    words = ("The same records, made durable one by one in stores that do more than a log: they keep"
             " an order or an index beside it.")
    return [Section(dataset.name, dataset.title or "Other stores",
                    body_of(dataset, figures, words) + peer_settings(dataset),
                    best_words(dataset))]


def preset(dataset):
    words = paragraph("A set mixture of records, with the opening of the log inside the time.",
                      "quiet")
    return [Section(f"{dataset.name}-preset", "The preset", words + numbers(dataset),
                    best_words(dataset))]


def crossed(dataset):
    content = paragraph(conditions(dataset), "quiet") + numbers(dataset)
    return what_differs(dataset) + [Section(dataset.name, dataset.title or "Variants", content,
                                            best_words(dataset))]


KINDS = {"engines": engines, "variants": variants, "contention": contention, "ladder": ladder,
         "crossed": crossed, "sizes": record_sizes, "windows": windows, "open": open_loop,
         "peers": peers, "preset": preset, "simulated": simulated}


def of(datasets, question, maps, pictures=()):
    """All sections that have something to show: first what explains the answer, and after those of
    each dataset what pictures/ adds to it."""
    found = inside.change_section(question) if question else []
    explained = question.dataset if found else None
    for one in maps:
        found += break_even_map(one)
    drawn = {one.dataset for one in maps}
    rest = [dataset for dataset in datasets if dataset not in drawn]
    rest.sort(key=lambda dataset: dataset is not (question and question.dataset))
    for dataset in rest:
        found += KINDS["variants" if dataset.kind == "map" else dataset.kind](dataset)
        if dataset.kind in ("engines", "variants"):
            found += what_differs(dataset)
        if dataset.kind == "engines" or dataset.kind == "variants" and dataset is (
                question and question.dataset):
            found += inside.sections(dataset, dataset is explained) + bounds(dataset)
        found += [section for picture in pictures for section in picture.sections(dataset)]
    return found


def maps_of(datasets, names):
    """The question of the map, for each dataset that is one."""
    found = [question_of(dataset, names) for dataset in datasets if dataset.kind == "map"]
    return [one for one in found if one]
