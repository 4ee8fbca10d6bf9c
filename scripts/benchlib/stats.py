"""The few statistics that the scripts need."""

import math


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


class Summary:
    """Median, least and greatest: with a handful of rounds more would be pretence."""

    def __init__(self, values):
        self.median = median(values)
        self.low = min(values)
        self.high = max(values)
        self.count = len(values)


def log_mean(values):
    return sum(math.log(value) for value in values) / len(values)


def log_variance(values):
    """Of the logarithms, unbiased: rates and latencies scatter by factors."""
    mean = log_mean(values)
    return sum((math.log(value) - mean) ** 2 for value in values) / (len(values) - 1)


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
