"""Why one engine is faster than another: factors that were crossed, not only stacked.

The ring is run with every combination of how a place is reserved, whether a flush gathers, who
flushes and how writers wait, and beside it the mutex engine, all interleaved. At each point (a
number of writers, a device) logarithms of a metric are fitted by least squares, with the round as a
block: what a round does to all runs drops out. A main effect is the ratio between the two settings
of a factor, averaged over all settings of the others. An interaction is the ratio by which two
settings together bring more, or less, than their product. Beside these stand plain paired ratios:
of the whole, of what the exchange of the engine brings before any factor, and, always, of the lock
alone: the ring as it is over the ring with a mutex around its reservation and nothing else changed.
"""

import itertools
import math

from .linear import least_squares
from .stats import Estimate, RESOLUTION, judge, paired

WHOLE, EXCHANGE, MAIN, INTERACTION, LOCK = "whole", "exchange", "main", "interaction", "lock"
LESS_IS_BETTER = ("p99_us", "cpu_us_per_record")


class Factor:
    """`of` gives 1 for what the ring does by itself, 0 for what the mutex engine does."""

    def __init__(self, name, words, of):
        self.name = name
        self.words = words
        self.of = of


def by_option(key, default, other):
    levels = {default: 1, other: 0}
    return lambda row: levels.get(row.option(key))


def gather_of(row):
    return 0 if "no_gather" in (row.option("variant_flags") or []) else 1


def wake_of(row):
    return 0 if "wake_tree" in (row.option("variant_flags") or []) else 1


FACTORS = (
    Factor("reservation", "a fetch-add reserves, or a mutex", by_option("reserve", "faa", "mutex")),
    Factor("gather", "a flush waits for the writers that it woke, or does not", gather_of),
    Factor("flusher", "a hybrid flusher, or the first waiter",
           by_option("flusher", "hybrid", "leader")),
    Factor("wait", "writers look again before they sleep, or sleep at once",
           by_option("wait", "adaptive", "block")),
    Factor("wake", "the flush wakes all writers, or they wake each other", wake_of),
)
FULL, LOCKED = (1, 1, 1, 1, 1), (0, 1, 1, 1, 1)
# As the mutex engine has them; with the gather where that was not crossed.
BARE, BARE_BUT_GATHER = (0, 0, 0, 0, 1), (0, 1, 0, 0, 1)


class Effect:
    """`estimate` is None where a row that always stands was not measured."""

    def __init__(self, kind, name, words, point, estimate):
        self.kind = kind
        self.name = name
        self.words = words
        self.point = point
        self.estimate = estimate

    @property
    def writers(self):
        return self.point.writers


def levels_of(row):
    return tuple(factor.of(row) for factor in FACTORS)


def is_of_ring(row):
    """A ring that differs from the default in nothing but factors."""
    flags = set(row.option("variant_flags") or []) - {"no_gather", "wake_tree"}
    return (row.engine == "ring" and row.get("rung") is None and not flags
            and not row.variant.startswith("baseline:") and None not in levels_of(row))


def points_of(rows):
    """Runs of one file that differ in their variant alone, together."""
    points = {}
    for row in rows:
        if not row.interrupted and row.writers:
            points.setdefault((row.file, row.cell[1:], row.setting), []).append(row)
    return list(points.values())


# ---- Plain ratios --------------------------------------------------------------------------------


def by_round(rows, metric):
    """The geometric mean of each round's runs."""
    logs = {}
    for row in rows:
        if row.get(metric):
            logs.setdefault(row.round, []).append(math.log(row.get(metric)))
    return {key: math.exp(sum(values) / len(values)) for key, values in logs.items()}


def ratio(rows, base, metric):
    return paired(by_round(rows, metric), by_round(base, metric), metric not in LESS_IS_BETTER)


def with_levels(rows, wanted):
    return [row for row in rows if is_of_ring(row) and levels_of(row) == wanted
            and row.option("publish_shards") in (None, 8)]


def plain_effects(rows, metric):
    """The whole, the exchange of the engine, and the lock alone."""
    point = rows[0]
    ring = with_levels(rows, FULL)
    engine = [row for row in rows if row.engine == "mutex" and row.variant == "mutex"]
    least = with_levels(rows, BARE) or with_levels(rows, BARE_BUT_GATHER)
    locked = with_levels(rows, LOCKED)
    whole = [Effect(WHOLE, "ring over mutex", "the ring as it is over the mutex engine", point,
                    ratio(ring, engine, metric)),
             Effect(EXCHANGE, "exchange of the engine", "the ring with every factor that was"
                    " crossed as the mutex engine has it, over that engine", point,
                    ratio(least, engine, metric))]
    lock = Effect(LOCK, "the lock alone", "the ring as it is over the ring with a mutex around its"
                  " reservation", point, ratio(ring, locked, metric))
    return [one for one in whole if one.estimate], lock


# ---- The crossed design --------------------------------------------------------------------------


def crossed(rows):
    """The runs of the design, and which factors have both settings in it."""
    found = [row for row in rows if is_of_ring(row)]
    levels = [levels_of(row) for row in found]
    varied = [index for index in range(len(FACTORS)) if len({one[index] for one in levels}) == 2]
    return found, varied


def columns_of(varied):
    """The factors of each column: one for a main effect, two for an interaction."""
    return [(index,) for index in varied] + list(itertools.combinations(varied, 2))


def entry(row, indexes):
    levels = levels_of(row)
    return math.prod(levels[index] - 0.5 for index in indexes)


def within_rounds(rows, values):
    """With the mean of its round taken from each."""
    sums = {}
    for row, value in zip(rows, values):
        total, count = sums.get(row.round, (0.0, 0))
        sums[row.round] = (total + value, count + 1)
    return [value - sums[row.round][0] / sums[row.round][1] for row, value in zip(rows, values)]


def crossed_effects(rows, metric):
    found, varied = crossed(rows)
    found = [row for row in found if row.get(metric)]
    columns = columns_of(varied)
    if len(varied) < 2 or not found:
        return []
    target = within_rounds(found, [math.log(row.get(metric)) for row in found])
    design = [within_rounds(found, [entry(row, indexes) for row in found]) for indexes in columns]
    rounds = len({row.round for row in found})
    fitted = least_squares(design, target, lost=rounds, least=RESOLUTION)
    better = metric not in LESS_IS_BETTER
    return [effect_of(indexes, found[0], Estimate(value, error, fitted.freedom, rounds, better))
            for indexes, value, error in zip(columns, fitted.values, fitted.errors)
            if value is not None]


def effect_of(indexes, point, estimate):
    factors = [FACTORS[index] for index in indexes]
    name = " x ".join(factor.name for factor in factors)
    if len(factors) == 1:
        return Effect(MAIN, name, factors[0].words, point, estimate)
    return Effect(INTERACTION, name, "both together, over the product of each", point, estimate)


def effects(results, metric="records_per_s"):
    """Of every point of the results (an iterable of Result) that has the design, or at least the
    ring beside the ring with a mutex. Judged together. The lock's row stands at every point."""
    found = []
    for rows in points_of(results):
        crossed_ones = crossed_effects(rows, metric)
        plain, lock = plain_effects(rows, metric)
        if crossed_ones or lock.estimate:
            found += [*plain, *crossed_ones, lock]
    judge([one.estimate for one in found if one.estimate])
    return found
