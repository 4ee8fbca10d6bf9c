"""Where ring beats mutex and where it does not: their ratio over writers and the time of a sync."""

import math

from .stats import judge, median, paired

NULL_US = 0.0


class Map:
    """`cells` holds the estimate of each (writers, microseconds of a sync); null counts as 0. The
    disk of the run, if it was measured, stands apart: `disk_us` is the median sync of its floor,
    and `disk` the estimate by writers."""

    def __init__(self, cells, disk, disk_us):
        self.cells = cells
        self.disk = disk
        self.disk_us = disk_us

    @property
    def writers(self):
        return sorted({writers for writers, _ in [*self.cells, *((n, 0) for n in self.disk)]})

    @property
    def syncs_us(self):
        return sorted({us for _, us in self.cells})

    def at(self, writers, sync_us):
        return self.cells.get((writers, sync_us))

    def row(self, writers):
        """[(microseconds of a sync, estimate)], the disk's own among them, where its floor tells."""
        found = [(us, one) for (count, us), one in self.cells.items() if count == writers]
        if self.disk_us and writers in self.disk:
            found.append((self.disk_us, self.disk[writers]))
        return sorted(found, key=lambda pair: pair[0])

    def break_even(self, writers):
        """(the slowest sync, in microseconds, at which ring is slower; the fastest above it at which
        it is faster). None for an end that these rounds do not tell."""
        row = self.row(writers)
        worse = [us for us, one in row if one.verdict == "worse"]
        below = max(worse, default=None)
        better = [us for us, one in row if one.verdict == "better"
                  and (below is None or us > below)]
        return below, min(better, default=None)


def sync_us_of(row):
    """None of a file, whose syncs take what they take."""
    kind = row.device.get("kind")
    if kind == "null":
        return NULL_US
    return row.device.get("delay_us") if kind == "delay" else None


def disk_us_of(floors):
    values = [floor["p50_us"] for floor in floors
              if floor["floor"] == "sync" and floor.get("p50_us")]
    return median(values) if values else None


def rates_of(rows, variant):
    """By what two runs share that were interleaved."""
    return {(row.file, str(row.cell[1:] + row.setting), row.round): row.get("records_per_s")
            for row in rows if row.variant == variant}


def is_on_map(row):
    return (row.variant in ("ring", "mutex") and row.window == 1 and not row.clients
            and not row.is_open and not row.option("preset") and not row.interrupted)


def key_of(row):
    us = sync_us_of(row)
    on_file = row.device.get("kind") in (None, "file")
    return None if us is None and not on_file else (row.writers, us)


def make(rows, floors=()):
    """Of blocking writers; None without ring and mutex at one point at least."""
    points = {}
    for row in filter(is_on_map, rows):
        key = key_of(row)
        if key is not None:
            points.setdefault(key, []).append(row)
    found = {key: paired(rates_of(some, "ring"), rates_of(some, "mutex"))
             for key, some in points.items()}
    found = {key: one for key, one in found.items() if one}
    judge(list(found.values()))
    disk = {writers: one for (writers, us), one in found.items() if us is None}
    cells = {key: one for key, one in found.items() if key[1] is not None}
    return Map(cells, disk, disk_us_of(floors)) if found else None


def log_position(sync_us):
    """Where a time stands on a logarithmic axis that null is on too: a decade below 1 us."""
    return math.log10(sync_us) if sync_us > 0.1 else -1.0
