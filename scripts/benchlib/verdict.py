"""When two sets of rounds may be called different.

The rounds of two sweeps were not interleaved with each other, so a difference between them can be
the machine's. A cell gets the verdict "better" or "worse" only where all of this holds:

  1. both sides have at least 3 whole rounds, on the same machine and device;
  2. the ranges of the rounds do not overlap, and the medians are 5 % apart or more;
  3. a t test on the logarithms has a probability below 0.05 divided by the number of ratios, so
     that a whole comparison of a build with itself says "different" at most about once in twenty.
     Its variance is both sides' together and never below the median of all cells. Where the
     median stands in for it, that counts as four more degrees of freedom;
  4. drift does not explain it: the range of the ratios is still beyond the range of B/A of the
     floors, which know nothing of the build and were measured in the same part of the sweep: the
     device's own syncs, their p99 too where the ratio is one of p99, and the wakes of as many
     threads. Where drift is unknown there is no verdict: a cell on a file needs the floor of the
     syncs on both sides, one on a device in memory (null or delay) that of the wakes. Nor is there
     one with an offered rate where the floors moved at all, because queues make much of little.
"""

import math

from .results import group
from .stats import Summary, log_mean, log_variance, median, t_probability
from .wording import number_of

METRICS = (("records_per_s", True), ("p99_us", False))  # and whether more is better
LEAST_ROUNDS = 3
LEAST_CHANGE = 1.05
CHANCE = 0.05
# What the variances of all the other cells are worth in the test of one.
PRIOR_FREEDOM = 4


class Comparison:
    """One metric of one cell, in A and in B."""

    def __init__(self, key, name, metric, more_is_better, a, b):
        self.key = key
        self.name = name
        self.metric = metric
        self.more_is_better = more_is_better
        self.a = Summary(a)
        self.b = Summary(b)
        self.values = (a, b)
        self.ratio = self.b.median / self.a.median
        self.low = self.b.low / self.a.high
        self.high = self.b.high / self.a.low
        self.verdict = None
        self.reason = None

    @property
    def freedom(self):
        return self.a.count + self.b.count - 2

    def variance(self):
        """Of one round, from both sides; None where there are too few to tell."""
        if min(self.a.count, self.b.count) < 2:
            return None
        a, b = self.values
        within = log_variance(a) * (len(a) - 1) + log_variance(b) * (len(b) - 1)
        return within / self.freedom

    def probability(self, least_variance):
        """That chance alone puts the means so far apart. A cell that scatters more than the others
        has nothing but its own rounds to show by how much."""
        own = self.variance()
        variance = max(own, least_variance)
        apart = abs(log_mean(self.values[0]) - log_mean(self.values[1]))
        if variance == 0:
            return 0.0 if apart else 1.0
        error = math.sqrt(variance * (1 / self.a.count + 1 / self.b.count))
        prior = PRIOR_FREEDOM if own <= least_variance else 0
        return t_probability(apart / error, self.freedom + prior)


# ---- Drift ---------------------------------------------------------------------------------------


def floor_values(floors, kind, key, threads=None):
    some = [floor for floor in floors if floor["floor"] == kind and (floor.get(key) or 0) > 0]
    return [floor[key] for floor in some if threads in (None, floor.get("threads"))]


def ratio_range(a, b):
    """What B/A of a floor may have been, at either end."""
    return (min(b) / max(a), max(b) / min(a))


def inverse(pair):
    low, high = pair
    return (1 / high, 1 / low if low else math.inf)


def nearest_threads(a, b, writers):
    both = {floor.get("threads") for floor in a if floor["floor"] == "wake"}
    both &= {floor.get("threads") for floor in b if floor["floor"] == "wake"}
    return min(both - {None}, key=lambda threads: abs(math.log(threads / writers)), default=None)


class Drift:
    """What the floors of A and of B say about the machine."""

    def __init__(self, a, b):
        self.a = a
        self.b = b

    def of(self, kind, key, threads=None):
        """The range of B/A of a floor; None where it is not known on both sides."""
        values = [floor_values(side, kind, key, threads) for side in (self.a, self.b)]
        return ratio_range(*values) if all(values) else None

    def of_sync(self):
        return self.of("sync", "syncs_per_s")

    def of_wake(self, writers):
        threads = nearest_threads(self.a, self.b, writers)
        return self.of("wake", "wakes_per_s", threads) if threads is not None else None

    def needed(self, cell, metric):
        """The ranges, as rates, without which drift is unknown."""
        if cell.device.get("kind", "file") != "file":
            return [self.of_wake(cell.writers)]
        tail = self.of("sync", "p99_us") if metric == "p99_us" else (1.0, 1.0)
        return [self.of_sync(), inverse(tail) if tail else None]

    def around(self, cell, metric):
        """The range of the metric that drift alone could give; None where nobody measured it."""
        needed = self.needed(cell, metric)
        if None in needed:
            return None
        known = [(1.0, 1.0), *needed, self.of_wake(cell.writers) or (1.0, 1.0)]
        low, high = min(low for low, _ in known), max(high for _, high in known)
        if cell.option("rate") and max(high, 1 / low) > LEAST_CHANGE:
            return (0.0, math.inf)
        return inverse((low, high)) if metric == "p99_us" else (low, high)


# ---- The rule ------------------------------------------------------------------------------------


def objection(comparison, drift, ratio_count, least_variance):
    """The first condition of the rule that does not hold, in words; None: it is a difference."""
    if min(comparison.a.count, comparison.b.count) < LEAST_ROUNDS:
        return f"fewer than {LEAST_ROUNDS} rounds"
    if comparison.low <= 1 <= comparison.high:
        return "the rounds overlap"
    if max(comparison.ratio, 1 / comparison.ratio) < LEAST_CHANGE:
        return "less than 5 % apart"
    if comparison.probability(least_variance) >= CHANCE / ratio_count:
        return "within the scatter"
    if drift is None:
        return "no floors to tell drift"
    low, high = drift
    if comparison.low <= high and comparison.high >= low:
        return "drift explains it"
    return None


def judge(comparison, drift, ratio_count, least_variance):
    comparison.reason = objection(comparison, drift, ratio_count, least_variance)
    if comparison.reason is None:
        more = comparison.ratio > 1
        comparison.verdict = "better" if more == comparison.more_is_better else "worse"


def machine_of(row):
    keys = ("cpu", "hardware_threads", "architecture")
    return tuple(row.machine.get(key) for key in keys)


def place_of(row):
    device = tuple(row.device.get(key) for key in ("name", "model", "rotational"))
    return device + (row.filesystem.get("type"),)


def whole_cells(source, by_part):
    """The cells of a source by what makes them comparable."""
    cells = {}
    for dataset in source.datasets:
        part = dataset.name if by_part else None
        for row in dataset.rows:
            if not row.interrupted:
                cells.setdefault((part, row.cell, row.setting), []).append(row)
    return {key: group(rows)[0] for key, rows in cells.items()}


def name_of(key, cell):
    """Only what tells the cell apart."""
    part, row = key[0], cell.first
    words = [f"{part}:" if part else "", row.variant, number_of(row.writers, "writer")]
    low, high = row.sizes
    words.append("" if low is None else f"{low} B" if low == high else f"{low}..{high} B")
    words.append(f"window {row.window}" if row.window > 1 else "")
    words.append(f"rate {row.option('rate'):g}" if row.option("rate") else "")
    return " ".join(word for word in words if word)


def floors_of(source, part=None):
    """Of one part; None: all that there are."""
    floors = {id(floor): floor for dataset in source.datasets for floor in dataset.floors
              if part in (None, dataset.name)}
    return list(floors.values())


def comparisons_of(key, a, b):
    """Of one cell; a metric that is zero or missing cannot be put into a ratio."""
    for metric, more_is_better in METRICS:
        sides = [[value for value in cell.values(metric) if value > 0] for cell in (a, b)]
        if all(sides):
            yield Comparison(key, name_of(key, a), metric, more_is_better, *sides)


def least_variances(comparisons):
    """For each metric the median over all cells: three rounds that happen to agree prove little."""
    variances = {}
    for comparison in comparisons:
        variance = comparison.variance()
        if variance is not None:
            variances.setdefault(comparison.metric, []).append(variance)
    return {metric: median(values) for metric, values in variances.items()}


def other_place(a, b):
    if machine_of(a.first) != machine_of(b.first):
        return "different machines"
    return "different devices" if place_of(a.first) != place_of(b.first) else None


def compare(a, b):
    """Every metric of every cell that both sources have, each with its verdict or the reason why
    there is none; the drift over all parts; and how many cells only one of the two has."""
    by_part = bool(a.sweep and b.sweep)
    cells_a, cells_b = whole_cells(a, by_part), whole_cells(b, by_part)
    common = [key for key in cells_a if key in cells_b]
    found = [one for key in common for one in comparisons_of(key, cells_a[key], cells_b[key])]
    drifts = {part: Drift(floors_of(a, part), floors_of(b, part))
              for part in {None, *(key[0] for key in common)}}
    variances = least_variances(found)
    for one in found:
        one.reason = other_place(cells_a[one.key], cells_b[one.key])
        if one.reason is None:
            drift = drifts[one.key[0]].around(cells_a[one.key].first, one.metric)
            judge(one, drift, len(found), variances.get(one.metric, 0.0))
    return found, drifts[None], len(set(cells_a) ^ set(cells_b))
