"""Axes: from values to places in a picture, and the ticks that a reader can count by."""

import math


class Scale:
    """Maps [low, high] onto [start, end], evenly or by factors."""

    def __init__(self, low, high, start, end, log):
        self.log = log
        self.low, self.high = low, high
        self.start, self.end = start, end

    def of(self, value):
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def holds(self, value):
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        return self.low - slack <= value <= self.high + slack


def log_range(values):
    """A little air on both sides, and never less than a factor of three: noise must not look like
    a mountain."""
    low, high = min(values) / 1.15, max(values) * 1.15
    if high / low < 3:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(3), middle * math.sqrt(3)
    return low, high


def linear_range(values):
    """From zero, so that lengths compare."""
    return 0, max(values) * 1.1 or 1


def log_ticks(low, high):
    """Powers of ten, with 2 and 5 between them where there are few of them."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if high / low > 2000 else (1, 3) if high / low > 200 else (1, 2, 5)
    ticks = [step * 10.0 ** decade for decade in decades for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def linear_ticks(low, high, most=5):
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def thin(values, scale, gap):
    """The values whose labels do not run into each other; the last one stays."""
    kept = []
    for value in reversed(values):
        if not kept or abs(scale.of(kept[-1]) - scale.of(value)) >= gap:
            kept.append(value)
    return kept[::-1]


def spread_out(places, gap, low, high):
    """Moves labels apart, in their order, as little as is needed and not out of [low, high]."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [places[i] for i in order]
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    limit = high
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    result = [0.0] * len(places)
    for place, i in zip(moved, order):
        result[i] = max(place, low)
    return result
