"""The universal scalability law, fitted to rates by number of writers.

X(N) = rate * N / (1 + contention * (N - 1) + crosstalk * N * (N - 1)): with neither of the two N
writers do N times what one does. N / X is linear in N - 1 and N (N - 1), so it is fitted
by least squares, each point weighed by its own size, because rates scatter by factors. Neither
coefficient may be negative. Intervals are of a bootstrap over the rounds of each point.

The law is about threads that run at the same time. Where there are more of them than processors
the scheduler is measured instead, so only points with at most as many writers as processors count,
and fewer than four of these leave the three unknowns undetermined.
"""

import math
import random

from .linear import solve

LEAST_POINTS = 4
RESAMPLES = 400
OUT_OF_REACH = "not identifiable: {} of writers up to {} processors, and three unknowns need {}"


class Fit:
    """Each coefficient as (value, low, high). Without `identifiable`, `reason` says why not, and
    there are no coefficients."""

    def __init__(self, points, reason=None, rate=None, contention=None, crosstalk=None):
        self.points = points
        self.reason = reason
        self.rate = rate
        self.contention = contention
        self.crosstalk = crosstalk

    @property
    def identifiable(self):
        return self.reason is None

    def at(self, writers):
        """The rate of the fit, or None."""
        if not self.identifiable:
            return None
        return law(writers, self.rate[0], self.contention[0], self.crosstalk[0])

    @property
    def peak(self):
        """The number of writers beyond which more make it slower; None if there is none."""
        if not self.identifiable or self.crosstalk[0] <= 0 or self.contention[0] >= 1:
            return None
        return math.sqrt((1 - self.contention[0]) / self.crosstalk[0])


def law(writers, rate, contention, crosstalk):
    return rate * writers / (1 + contention * (writers - 1) + crosstalk * writers * (writers - 1))


def solve_without(columns, target, left_out):
    some = [column for index, column in enumerate(columns) if index not in left_out]
    found, _ = solve(some, target)
    numbers = iter(found)
    return [0.0 if index in left_out else next(numbers) for index in range(len(columns))]


def misfit(columns, target, found):
    return sum((sum(value * column[i] for value, column in zip(found, columns)) - want) ** 2
               for i, want in enumerate(target))


def coefficients(means):
    """(rate, contention, crosstalk) of {writers: rate}."""
    cost = {writers: writers / rate for writers, rate in means.items()}
    columns = [[1 / cost[n] for n in means], [(n - 1) / cost[n] for n in means],
               [n * (n - 1) / cost[n] for n in means]]
    target = [1.0] * len(means)
    tried = [solve_without(columns, target, out) for out in ((), (1,), (2,), (1, 2))]
    allowed = [found for found in tried if found[0] > 0 and min(found[1:]) >= 0]
    best = min(allowed, key=lambda found: misfit(columns, target, found))
    return 1 / best[0], best[1] / best[0], best[2] / best[0]


def mean(rates):
    return math.exp(sum(math.log(rate) for rate in rates) / len(rates))


def resampled(points, source):
    """One draw fewer than there are rounds: then means scatter as much as they truly do."""
    return {writers: mean(source.choices(rates, k=len(rates) - 1))
            for writers, rates in points.items()}


def interval(values):
    """The middle 95 %."""
    ordered = sorted(values)
    cut = int(0.025 * len(ordered))
    return ordered[cut], ordered[-1 - cut]


def by_writers(points):
    found = {}
    for writers, rate in points:
        if rate and rate > 0:
            found.setdefault(writers, []).append(rate)
    return dict(sorted(found.items()))


def fit(points, processors=None):
    """Of [(writers, records/s)], a pair for each round; None without any."""
    found = by_writers(points)
    if not found:
        return None
    within = {n: rates for n, rates in found.items() if processors is None or n <= processors}
    if len(within) < LEAST_POINTS:
        numbers = f"{len(within)} numbers" if len(within) != 1 else "1 number"
        where = processors if processors is not None else "any"
        return Fit(found, OUT_OF_REACH.format(numbers, where, LEAST_POINTS))
    if min(len(rates) for rates in within.values()) < 2:
        return Fit(found, "not identifiable: one round tells no scatter")
    source = random.Random(1)
    best = coefficients({n: mean(rates) for n, rates in within.items()})
    others = [coefficients(resampled(within, source)) for _ in range(RESAMPLES)]
    each = [(value, *interval([other[i] for other in others])) for i, value in enumerate(best)]
    return Fit(found, None, *each)
