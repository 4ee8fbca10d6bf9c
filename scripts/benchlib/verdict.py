"""Which cells of results are held against each other, and what the machine did meanwhile.

Two builds, or two variants, of one interleaved run are paired round by round: what the machine does
in a round it does to both. Two sweeps, or two files, were measured one after the other. Each is
then a sample of its own, and what the floors of A and of B say about the machine widens the
interval: the rates of its own syncs, their p99 where the ratio is one of p99, and the wakes of as
many threads. They know nothing of the build, and were measured in the same part of the sweep, or
around the run itself. A cell on a file needs the syncs on both sides, one on a device in memory
(null or delay) the wakes. There is no verdict between two machines or devices, nor at an offered
rate where the floors moved at all, because queues make much of little.
"""

import math

from .results import group
from .stats import MARGIN, Summary, apart, judge, paired, pooled
from .wording import number_of

METRICS = (("records_per_s", True), ("p99_us", False), ("cpu_us_per_record", False))
BASELINE = "baseline:"
SYNC_BOUND, WAKE_BOUND = "lone-writer syncs/s", "kernel wakes/s"
NO_DRIFT = (0.0, 0.0)


class Comparison:
    """One metric of one cell, in A and in B."""

    def __init__(self, key, name, metric, a, b, estimate):
        self.key = key
        self.name = name
        self.metric = metric
        self.a = a
        self.b = b
        self.estimate = estimate

    @property
    def verdict(self):
        return self.estimate.verdict

    @property
    def reason(self):
        return self.estimate.reason


class Outcome:
    """What a comparison found: ratios with their verdicts, for each metric the pooled ratio of all
    cells, the drift of the device's own syncs, and how many cells had no partner."""

    def __init__(self, found, whole, interleaved, syncs, lonely):
        self.found = found
        self.whole = whole
        self.interleaved = interleaved
        self.syncs = syncs
        self.lonely = lonely

    @property
    def verdicts(self):
        return [one.verdict for one in [*self.found, *self.whole]]


# ---- Drift ---------------------------------------------------------------------------------------


def floor_values(floors, kind, key, threads=None):
    some = [floor for floor in floors if floor["floor"] == kind and (floor.get(key) or 0) > 0]
    return [floor[key] for floor in some if threads in (None, floor.get("threads"))]


def bound_values(rows, name):
    """What was measured right before and after each of the runs."""
    found = [bound for row in rows for bound in row.get("bounds") or []
             if bound.get("bound") == name]
    values = [bound.get(end) for bound in found for end in ("before", "after")]
    return [value for value in values if value]


def inverse(pair):
    return (-pair[1], -pair[0])


def around(values_a, values_b):
    """The interval of log B/A; None where it is not known."""
    one = apart(values_b, values_a)
    if one is None or one.freedom <= 0:
        return None
    return (one.mean - one.half(), one.mean + one.half())


def nearest_threads(a, b, writers):
    both = {floor.get("threads") for floor in a if floor["floor"] == "wake"}
    both &= {floor.get("threads") for floor in b if floor["floor"] == "wake"}
    return min(both - {None}, key=lambda threads: abs(math.log(threads / writers)), default=None)


class Drift:
    """What the floors of A and of B say about the machine."""

    def __init__(self, a, b):
        self.floors = (a, b)

    def of(self, kind, key, threads=None):
        return around(*(floor_values(side, kind, key, threads) for side in self.floors))

    def of_sync(self, cells=()):
        bounds = [bound_values(cell.rows, SYNC_BOUND) for cell in cells]
        return around(*bounds) if all(bounds) and bounds else self.of("sync", "syncs_per_s")

    def of_wake(self, cells):
        bounds = [bound_values(cell.rows, WAKE_BOUND) for cell in cells]
        if all(bounds):
            return around(*bounds)
        threads = nearest_threads(*self.floors, cells[0].first.writers)
        return self.of("wake", "wakes_per_s", threads) if threads is not None else None

    def needed(self, cells, metric):
        """The intervals, as rates, without which drift is unknown."""
        if cells[0].first.device.get("kind", "file") != "file":
            return [self.of_wake(cells)]
        tail = self.of("sync", "p99_us") if metric == "p99_us" else NO_DRIFT
        return [self.of_sync(cells), inverse(tail) if tail else None]

    def of_cells(self, cells, metric, more_is_better):
        """Logarithms between which drift alone could move the metric; None: nobody measured it."""
        needed = self.needed(cells, metric)
        if None in needed:
            return None
        known = [NO_DRIFT, *needed, self.of_wake(cells) or NO_DRIFT]
        low, high = min(low for low, _ in known), max(high for _, high in known)
        if cells[0].first.is_open and max(high, -low) > math.log(MARGIN):
            return (-math.inf, math.inf)
        return (low, high) if more_is_better else inverse((low, high))


# ---- Cells ---------------------------------------------------------------------------------------


def machine_of(row):
    return tuple(row.machine.get(key) for key in ("cpu", "hardware_threads", "architecture"))


def place_of(row):
    device = tuple(row.device.get(key) for key in ("name", "model", "rotational"))
    return device + (row.filesystem.get("type"),)


def other_place(a, b):
    if machine_of(a.first) != machine_of(b.first):
        return "different machines"
    return "different devices" if place_of(a.first) != place_of(b.first) else None


def cells_by(source, key_of):
    """The whole runs of a source by what makes them comparable; a key of None leaves a run out."""
    cells = {}
    for dataset in source.datasets:
        for row in dataset.rows:
            key = None if row.interrupted else key_of(dataset, row)
            if key is not None:
                cells.setdefault(key, []).append(row)
    return {key: group(rows)[0] for key, rows in cells.items()}


def place_in_file(source, dataset):
    return dataset.name if source.sweep else None


def words_of_cell(part, row, variant):
    """Only what tells the cell apart."""
    words = [f"{part}:" if part else "", variant, number_of(row.writers, "writer")]
    low, high = row.sizes
    words.append("" if low is None else f"{low} B" if low == high else f"{low}..{high} B")
    words.append(f"window {row.window}" if row.window > 1 else "")
    words.append(f"{row.clients} clients" if row.clients else "")
    words.append(f"rate {shown(row.offered)}" if row.is_open else "")
    words.append(row.device_words)
    return " ".join(word for word in words if word)


def floors_of(source, part=None):
    """Of one part; None: all that there are."""
    floors = {id(floor): floor for dataset in source.datasets for floor in dataset.floors
              if part in (None, dataset.name)}
    return list(floors.values())


def values_of(cell, metric):
    return {(row.round, number): row.get(metric) for number, row in enumerate_rounds(cell)}


def enumerate_rounds(cell):
    """A round may hold several runs of a cell; the first of one side is paired with the first of
    the other."""
    seen = {}
    for row in cell.rows:
        seen[row.round] = seen.get(row.round, -1) + 1
        yield seen[row.round], row


def comparison_of(key, name, metric, cells, estimate):
    sides = [[value for value in cell.values(metric) if value > 0] for cell in cells]
    return Comparison(key, name, metric, Summary(sides[0]), Summary(sides[1]), estimate)


def whole_of(found):
    """The pooled ratio of each metric over all cells that may be compared at all."""
    whole = []
    for metric, _ in METRICS:
        some = [one for one in found if one.metric == metric and one.estimate.testable]
        if len(some) > 1:
            estimate = pooled([one.estimate for one in some])
            name = f"all {len(some)} cells together"
            whole.append(Comparison(None, name, metric, None, None, estimate))
    return whole


def outcome(found, interleaved, syncs, lonely):
    whole = whole_of(found)
    judge([one.estimate for one in [*found, *whole]])
    return Outcome(found, whole, interleaved, syncs, lonely)


# ---- Two sources ---------------------------------------------------------------------------------


def key_of_two(by_part):
    return lambda dataset, row: (dataset.name if by_part else None, row.cell, row.setting)


def apart_estimates(cells, drift):
    place = other_place(*cells)
    for metric, more_is_better in METRICS:
        estimate = apart(*(cell.values(metric) for cell in reversed(cells)), more_is_better)
        if estimate is None:
            continue
        known = drift.of_cells(cells, metric, more_is_better) if place is None else NO_DRIFT
        estimate.drift = known or NO_DRIFT
        estimate.blocked = place or (None if known else "no floors tell what drifted")
        yield metric, estimate


def two_sources(a, b):
    """(cells of A, cells of B) by their keys."""
    key_of = key_of_two(bool(a.sweep and b.sweep))
    return cells_by(a, key_of), cells_by(b, key_of)


def compare(a, b):
    """Every metric of every cell that both sources have."""
    cells_a, cells_b = two_sources(a, b)
    common = [key for key in cells_a if key in cells_b]
    drifts = {part: Drift(floors_of(a, part), floors_of(b, part))
              for part in {None, *(key[0] for key in common)}}
    found = []
    for key in common:
        cells = (cells_a[key], cells_b[key])
        name = words_of_cell(key[0], cells[0].first, cells[0].first.variant)
        found += [comparison_of(key, name, metric, cells, estimate)
                  for metric, estimate in apart_estimates(cells, drifts[key[0]])]
    return outcome(found, False, drifts[None].of_sync(), len(set(cells_a) ^ set(cells_b)))


def why_none(a, b):
    """Two sources without a common cell: the fields in which their nearest cells differ."""
    rows = [[cell.first for cell in cells.values()] for cells in two_sources(a, b)]
    if not all(rows):
        return "one of them has no whole run"
    nearest = min((differences(one, other) for one in rows[0] for other in rows[1]), key=len)
    if not nearest:
        return "they differ in their parts: one is a sweep's"
    return "the nearest cells differ in " + ", ".join(
        f"{name} ({shown(one)} and {shown(other)})" for name, one, other in nearest)


def differences(one, other):
    return [(name, mine, others) for (name, mine), (_, others)
            in zip(one.named_key, other.named_key) if mine != others]


def shown(value):
    if isinstance(value, tuple):
        return "..".join(str(item) for item in dict.fromkeys(value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


# ---- Two labels of one run -----------------------------------------------------------------------


def label_of_baseline(row):
    """(whether the run is the baseline's, its variant)."""
    if row.variant.startswith(BASELINE):
        return True, row.variant[len(BASELINE):]
    return False, row.variant


def has_baseline(source):
    return any(row.variant.startswith(BASELINE) for row in source.rows)


def key_of_baseline(source, wanted):
    def key_of(dataset, row):
        is_base, variant = label_of_baseline(row)
        if is_base != wanted:
            return None
        return (place_in_file(source, dataset), variant, row.cell[1:], row.setting)
    return key_of


def key_of_label(source, label):
    def key_of(dataset, row):
        if row.variant != label:
            return None
        return (place_in_file(source, dataset), None, row.cell[1:], row.setting)
    return key_of


def paired_estimates(cells):
    for metric, more_is_better in METRICS:
        estimate = paired(*(values_of(cell, metric) for cell in reversed(cells)), more_is_better)
        if estimate is not None:
            yield metric, estimate


def compare_within(source, key_of_a, key_of_b):
    cells_a, cells_b = cells_by(source, key_of_a), cells_by(source, key_of_b)
    found = []
    for key in [key for key in cells_a if key in cells_b]:
        cells = (cells_a[key], cells_b[key])
        name = words_of_cell(key[0], cells[0].first, key[1] or "")
        found += [comparison_of(key, name, metric, cells, estimate)
                  for metric, estimate in paired_estimates(cells)]
    return outcome(found, True, None, len(set(cells_a) ^ set(cells_b)))


def compare_baseline(source):
    """The build under test (B) against the other binary that was interleaved with it (A)."""
    return compare_within(source, key_of_baseline(source, True), key_of_baseline(source, False))


def compare_labels(source, a, b):
    return compare_within(source, key_of_label(source, a), key_of_label(source, b))
