"""The few statistics that the scripts need, and when two sides may be called different.

A ratio is the mean of the logarithms of B/A with a 95 % t interval: within each round where the
runs were interleaved, else of two samples whose drift apart the floors must tell. It is

  "same"         where two one-sided tests put it within 5 % of 1;
  "better",      where it is not 1, by a t test;
  "worse"
  "cannot tell"  else: `reason` says why.

Both questions are asked of every ratio of a list at once, so Holm's correction holds the chance of
a single false answer in the whole list at 5 % each. What cannot be tested, as with two rounds, does
not count. Only intervals and variances enter, never the least and the greatest round, so more
rounds never make a difference harder to see.
"""

import functools
import math

MARGIN = 1.05
CHANCE = 0.05
LEAST_ROUNDS = 3
# What a run can be told apart by at best: latencies come in buckets of a hundredth. Rounds that
# happen to agree to the last digit must not prove a difference of nothing.
RESOLUTION = 0.005
CANNOT_TELL = "cannot tell"


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


class Summary:
    """Median, least and greatest."""

    def __init__(self, values):
        self.median = median(values)
        self.low = min(values)
        self.high = max(values)
        self.count = len(values)


def beta_fraction(a, b, x):
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1 / max(1 - (a + b) * x / (a + 1), tiny)
    result = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            result *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return result


def incomplete_beta(a, b, x):
    """Regularised; the fraction converges fast only on one side of the mean."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
                     + a * math.log(x) + b * math.log(1 - x))
    if x < (a + 1) / (a + b + 2):
        return front * beta_fraction(a, b, x) / a
    return 1 - front * beta_fraction(b, a, 1 - x) / b


def t_probability(t, freedom):
    """How likely a Student t of this size or more is by chance, in either direction."""
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


@functools.lru_cache(maxsize=None)
def t_quantile(freedom, chance=CHANCE):
    """The t that is passed, in either direction, with this chance."""
    low, high = 0.0, 2.0
    while t_probability(high, freedom) > chance:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(middle, freedom) > chance else (low, middle)
    return high


# ---- Ratios --------------------------------------------------------------------------------------


def t_of(distance, error):
    return distance / error if error else math.copysign(math.inf, distance) if distance else 0.0


class Estimate:
    """A ratio with its interval; `verdict` stands after judge().

    `drift` are the logarithms between which the machine alone may have moved B/A: (0, 0) where the
    runs were interleaved. `by_round` holds the logarithms of the rounds, where they are paired.
    `blocked` says why nothing can be said, whatever the numbers are."""

    def __init__(self, mean, error, freedom, rounds, more_is_better=True, by_round=None,
                 interleaved=True):
        self.mean = mean
        self.error = error
        self.freedom = freedom
        self.rounds = rounds
        self.more_is_better = more_is_better
        self.by_round = by_round
        self.interleaved = interleaved
        self.drift = (0.0, 0.0)
        self.blocked = None
        self.verdict = CANNOT_TELL
        self.reason = None

    @property
    def ratio(self):
        return math.exp(self.mean)

    @property
    def ratios(self):
        """Of the rounds, in their order; empty where they are not paired."""
        return [math.exp(self.by_round[key]) for key in sorted(self.by_round or {})]

    def half(self):
        return t_quantile(self.freedom) * self.error

    @property
    def low(self):
        """The interval's lower end; None with one round, which has no interval."""
        return math.exp(self.mean - self.half() - self.drift[1]) if self.freedom > 0 else None

    @property
    def high(self):
        """The upper end, the same."""
        if self.freedom <= 0:
            return None
        return math.exp(min(700.0, self.mean + self.half() - self.drift[0]))

    @property
    def testable(self):
        return self.blocked is None and self.freedom > 0 and self.rounds >= LEAST_ROUNDS

    def chance_of_one(self):
        """That the ratio is 1, or what drift makes of 1, and chance put it this far away."""
        beyond = max(self.mean - self.drift[1], self.drift[0] - self.mean, 0.0)
        return t_probability(t_of(beyond, self.error), self.freedom)

    def chance_of_margin(self):
        """That the ratio is 5 % or more away from 1, the larger of two one-sided tests."""
        most = max(self.mean - self.drift[0], self.drift[1] - self.mean)
        inside = math.log(MARGIN) - most
        return t_probability(t_of(inside, self.error), self.freedom) / 2 if inside > 0 else 1.0


def usable(value):
    return value is not None and value > 0


def as_rounds(values):
    return values if isinstance(values, dict) else dict(enumerate(values))


def of_logs(by_round, more_is_better=True):
    """The estimate of logarithms by round."""
    values, count = list(by_round.values()), len(by_round)
    if not count:
        return None
    mean = sum(values) / count
    scatter = math.sqrt(sum((value - mean) ** 2 for value in values) / max(1, count - 1))
    error = max(scatter, RESOLUTION) / math.sqrt(count)
    return Estimate(mean, error, count - 1, count, more_is_better, by_round)


def paired(numerator, denominator, more_is_better=True):
    """Of values by round, as lists or {round: value}: rounds that both have. None without any."""
    a, b = as_rounds(denominator), as_rounds(numerator)
    return of_logs({key: math.log(b[key] / a[key]) for key in b
                    if usable(b[key]) and usable(a.get(key))}, more_is_better)


def apart(numerator, denominator, more_is_better=True):
    """Of two samples that were not interleaved: both scatter, and by the same factor."""
    sides = [[math.log(value) for value in values if usable(value)]
             for values in (denominator, numerator)]
    counts = [len(side) for side in sides]
    if not all(counts):
        return None
    means = [sum(side) / len(side) for side in sides]
    squares = sum((value - mean) ** 2 for side, mean in zip(sides, means) for value in side)
    freedom = sum(counts) - 2
    variance = max(squares / max(1, freedom), RESOLUTION ** 2)
    error = math.sqrt(variance * sum(1 / count for count in counts))
    return Estimate(means[1] - means[0], error, freedom, min(counts), more_is_better,
                    interleaved=False)


def pooled(estimates):
    """The mean of several: of each round where they share three or more, because what happens in a
    round happens to all of its runs; else as if they knew nothing of each other."""
    first, count = estimates[0], len(estimates)
    rounds = set.intersection(*(set(one.by_round or ()) for one in estimates))
    if len(rounds) >= LEAST_ROUNDS:
        found = of_logs({key: sum(one.by_round[key] for one in estimates) / count
                         for key in sorted(rounds)}, first.more_is_better)
    else:
        found = pooled_apart(estimates)
    found.drift = tuple(sum(one.drift[end] for one in estimates) / count for end in (0, 1))
    return found


def pooled_apart(estimates):
    """By Welch and Satterthwaite."""
    count = len(estimates)
    variances = [one.error ** 2 for one in estimates]
    weight = sum(value ** 2 / one.freedom for value, one in zip(variances, estimates)
                 if one.freedom > 0)
    freedom = round(sum(variances) ** 2 / weight) if weight else 0
    mean = sum(one.mean for one in estimates) / count
    return Estimate(mean, math.sqrt(sum(variances)) / count, freedom,
                    min(one.rounds for one in estimates), estimates[0].more_is_better,
                    interleaved=all(one.interleaved for one in estimates))


# ---- Verdicts ------------------------------------------------------------------------------------


def holm(chances, most=CHANCE):
    """Which of them are no chance, so that at most once in twenty lists one of them is."""
    found, left = set(), len(chances)
    for index in sorted(range(len(chances)), key=chances.__getitem__):
        if chances[index] * left > most:
            break
        found.add(index)
        left -= 1
    return found


def is_claim(one):
    """Two runs at two times are never called different by less than 5 %: floors see only a part of
    what drifts."""
    return one.interleaved or abs(one.mean) > math.log(MARGIN)


def reason_of(one):
    if one.blocked:
        return one.blocked
    if one.rounds < LEAST_ROUNDS:
        return f"fewer than {LEAST_ROUNDS} rounds"
    if one.low > 1 or one.high < 1:
        return "may be chance among so many ratios" if is_claim(one) else (
            "less than 5 % apart, and not interleaved")
    if one.drift != (0.0, 0.0) and abs(one.mean) > one.half():
        return "drift of the machine may explain it"
    return "its interval contains 1"


def judge(estimates):
    """Gives each its verdict, by Holm over those that can be tested."""
    tested = [one for one in estimates if one.testable]
    same = holm([one.chance_of_margin() for one in tested])
    different = holm([one.chance_of_one() for one in tested])
    for one in estimates:
        one.verdict, one.reason = CANNOT_TELL, None
    for index, one in enumerate(tested):
        if index in same:
            one.verdict = "same"
        elif index in different and is_claim(one):
            one.verdict = "better" if (one.mean > 0) == one.more_is_better else "worse"
    for one in estimates:
        if one.verdict == CANNOT_TELL:
            one.reason = reason_of(one)


def judge_limits(estimates, limits):
    """"met", "missed" or "cannot tell" of each: whether it lies on the good side of its limit, by
    the same test and the same correction."""
    tested = [index for index, one in enumerate(estimates) if one.testable]
    apart_from = [estimates[index].mean - math.log(limits[index]) for index in tested]
    sure = holm([t_probability(t_of(abs(distance), estimates[index].error),
                               estimates[index].freedom)
                 for index, distance in zip(tested, apart_from)])
    words = [CANNOT_TELL] * len(estimates)
    for number, (index, distance) in enumerate(zip(tested, apart_from)):
        if number in sure:
            good = (distance > 0) == estimates[index].more_is_better
            words[index] = "met" if good else "missed"
    return words


# ---- Histograms ----------------------------------------------------------------------------------


def bucket_end(low_us):
    """Buckets are eighths of a power of two."""
    return low_us + 2.0 ** math.floor(math.log2(low_us)) / 8 if low_us > 0 else 0.125


def slower_shares(histogram):
    """[(share of the records that took longer, latency)] of [[lower edge, count], ...]. A record
    counts with the end of its bucket, so that no latency looks better than it was."""
    total = sum(count for _, count in histogram)
    points, above = [(1.0, histogram[0][0])], total
    for low, count in histogram:
        above -= count
        points.append((max(above, 1) / total, bucket_end(low)))
    return points


def pool(histograms):
    """One histogram of several that share their edges."""
    counts = {}
    for histogram in histograms:
        for low, count in histogram:
            counts[low] = counts.get(low, 0) + count
    return [[low, counts[low]] for low in sorted(counts)]
