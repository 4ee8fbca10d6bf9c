"""Numbers as words: few digits, and the unit that a reader would use."""


def significant(value, digits=3):
    """Without exponent and without digits that the measurement does not carry."""
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e" in text or abs(value) >= 1000 else text


def count(value):
    """A rate or a number of things: 51,200."""
    return significant(value) if abs(value) < 1000 else f"{round_to(value):,.0f}"


def round_to(value, digits=3):
    return float(f"{value:.{digits}g}")


def short(value):
    """For axes: 50k, 2M."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


def time_us(value):
    """Microseconds in the unit that fits: 830 ns, 12 µs, 3.1 ms."""
    for unit, name in ((1e6, "s"), (1e3, "ms"), (1, "µs")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value * 1e3:.3g} ns"


def time_ns(value):
    return time_us(value / 1e3)


def size(value):
    """Bytes: 512 B, 4 KiB."""
    for unit, name in ((2 ** 30, "GiB"), (2 ** 20, "MiB"), (2 ** 10, "KiB")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:.0f} B"


def sizes(pair):
    low, high = pair
    if low is None or high is None:
        return "unknown size"
    return size(low) if low == high else f"{size(low)} to {size(high)}"


def factor(value):
    """A ratio: 2.31×."""
    return f"{value:.2f}×" if value < 10 else f"{value:.1f}×"


def interval(low, high):
    """From one end of a ratio's interval to the other; nothing where there is none."""
    if low is None or high is None:
        return "-"
    return f"{significant(low)}..{significant(high) if high < 1e6 else 'any'}"


def spread(summary, form):
    """The median, and what the rounds ranged over where there were several."""
    text = form(summary.median)
    if summary.count < 2:
        return text
    return f"{text} ({form(summary.low)} to {form(summary.high)})"


def number_of(value, noun):
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def clock(seconds):
    """Minutes and seconds."""
    seconds = max(0, int(seconds + 0.5))
    return f"{seconds // 60}:{seconds % 60:02d}"
