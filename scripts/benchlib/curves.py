"""Latency at an offered load, for each variant over shares of its own capacity.

Past the knee a latency only tells how long the run was, so nothing is drawn there: `knee` is the
lowest rate that was offered and could not be carried.
"""

from .results import group
from .stats import median

# Where the bench itself did not say: fewer became durable than were due.
CARRIED = 0.95


class Point:
    """A cell of an open loop: offered and carried records/s, its share of the capacity if known,
    and medians over the rounds of its latencies and of how late the generator was."""

    def __init__(self, cell):
        self.cell = cell
        self.share = cell.first.load.get("share")
        self.offered = median([row.option("rate") for row in cell.rows])
        self.carried = cell.mid("records_per_s")
        self.p50_us = cell.mid("p50_us")
        self.p99_us = cell.mid("p99_us")
        late = [row.load.get("late_p99_us") for row in cell.rows]
        late = [value for value in late if value is not None]
        self.late_p99_us = median(late) if late else None


class Curve:
    """A variant at a number of writers: points up to the knee, by offered rate."""

    def __init__(self, variant, writers, arrivals, points, knee):
        self.variant = variant
        self.writers = writers
        self.arrivals = arrivals
        self.points = points
        self.knee = knee


def is_past_knee(row):
    known = row.load.get("past_knee")
    if known is not None:
        return known
    return row.get("records_per_s") < CARRIED * row.option("rate")


def curve(cells):
    first = cells[0].first
    points = sorted((Point(cell) for cell in cells), key=lambda point: point.offered)
    past = [point for point in points if any(map(is_past_knee, point.cell.rows))]
    knee = min((point.offered for point in past), default=None)
    before = [point for point in points if knee is None or point.offered < knee]
    return Curve(first.variant, first.writers, first.load.get("arrivals"), before, knee)


def curves(rows):
    """Of the runs in an open loop."""
    found = {}
    for cell in group([row for row in rows if row.is_open and row.option("rate")]):
        first = cell.first
        key = (first.variant, first.writers, first.sizes, first.device.get("kind"),
               first.device.get("delay_us"), first.load.get("arrivals"))
        found.setdefault(key, []).append(cell)
    return [curve(cells) for cells in found.values()]
