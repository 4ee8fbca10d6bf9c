"""Results files and sweep folders: how they are read, and what is taken together.

logfile-bench --json writes one object a line: a result has the key "engine", a floor "floor"; a line
with neither, which names the build or the time, is the head of the results after it. Keys
that this module does not know are left alone, and keys that an older bench did not write read
as None, so that files of different versions can be looked at side by side.
"""

import os

from . import fields as known
from .fields import BadInput
from .stats import Summary, median

PEERS = ("rocksdb", "wiredtiger", "lmdb", "sqlite")

# What tells runs apart: Result.cell and Result.setting.
NAMES_OF_CELL = ("variant", "writers", "size", "window", "clients", "rate", "preset", "think_us",
                 "device", "delay_us", "processors", "nodes")
OPTIONS_OF_SETTING = ("io_used", "sync", "prepare", "checksum", "segment_bytes", "trim_keep",
                      "written", "slot_bytes", "asked_seconds", "records_per_writer",
                      "stages_every")
PLACES_OF_SETTING = ("pin", "pin_sequencer", "ring_memory")

# Without these a line says nothing that could be shown.
NEEDED = {"engine": known.is_text, "writers": known.is_whole, "records_per_s": known.is_number}
# The share of samples beyond a percentile; fewer than ten of them say nothing of it.
BEYOND = {"p99_us": 0.01, "p999_us": 0.001, "p99_99_us": 0.0001}
LEAST_BEYOND = 10
# How a bench of another version calls it.
ALIASES = {"p999_us": "p99_9_us"}
NEEDED_OF_FLOOR = {"sync": "syncs_per_s", "wake": "wakes_per_s"}


class Result:
    """One run: a line of a results file."""

    def __init__(self, fields, head=None, file=""):
        self.fields = fields
        self.file = file  # runs of two files were not interleaved
        self.head = head or {}
        self.options = fields.get("options") or {}
        self.device = fields.get("device") or {}
        self.machine = fields.get("machine") or {}
        self.filesystem = fields.get("filesystem") or {}
        self.load = fields.get("load") or {}
        self.engine = fields["engine"]
        self.simulated = fields.get("simulated") is True  # by logfile-scale
        self.variant = fields.get("variant") or self.engine
        self.writers = fields["writers"]
        self.round = self.options.get("round") or 1
        self.interrupted = bool(self.options.get("interrupted"))

    def get(self, key):
        """None for what is not known, and for a percentile with too few samples beyond it."""
        value = self.fields.get(key)
        value = self.fields.get(ALIASES.get(key)) if value is None else value
        return None if key in BEYOND and self.is_beyond(key) else value

    def value(self, key):
        """`key` may lead into a nested object: fairness.jain."""
        outer, _, inner = key.partition(".")
        found = self.get(outer)
        return found.get(inner) if inner and isinstance(found, dict) else None if inner else found

    @property
    def series(self):
        """Arrays by name, a value for each tenth of a second; None where there are none."""
        found = self.fields.get("series")
        columns = known.columns_of(found) if found else None
        return columns if columns and columns.get("t_s") else None

    @property
    def samples(self):
        """How many latencies there are; None where nobody knows."""
        found = self.fields.get("samples")
        return self.fields.get("records") if found is None else found

    def is_beyond(self, key):
        return self.samples is not None and self.samples * BEYOND[key] < LEAST_BEYOND

    def option(self, key):
        return self.options.get(key)

    @property
    def sizes(self):
        """Smallest and largest record that were asked for, or the mean where that is not known."""
        mean = self.get("size_bytes")
        low = self.option("size_min")
        high = self.option("size_max")
        return (mean if low is None else low, mean if high is None else high)

    @property
    def mean_size(self):
        """Of what was asked for; None where nobody knows."""
        return None if None in self.sizes else sum(self.sizes) / 2

    @property
    def window(self):
        return self.option("window") or 1

    @property
    def cell(self):
        """What rounds repeat: runs of one cell differ only by chance and by drift."""
        return (self.variant, self.writers, self.sizes, self.window, self.clients,
                self.offered, self.option("preset"), self.load.get("think_us"),
                self.device.get("kind"), self.device.get("delay_us"), *self.simulated_on)

    @property
    def simulated_on(self):
        """Processors and nodes, where a simulation chose them."""
        if not self.simulated:
            return None, None
        return self.machine.get("hardware_threads"), self.machine.get("numa_nodes")

    @property
    def setting(self):
        """What shapes a result besides its cell; two files agree in it or are not compared."""
        placement = self.get("placement") or {}
        return (*(self.option(name) for name in OPTIONS_OF_SETTING),
                *(placement.get(name) for name in PLACES_OF_SETTING), self.load.get("arrivals"))

    @property
    def named_key(self):
        """What makes two runs comparable, each with its name."""
        names = (*NAMES_OF_CELL, *OPTIONS_OF_SETTING, *PLACES_OF_SETTING, "arrivals")
        return list(zip(names, self.cell + self.setting))

    @property
    def clients(self):
        return self.option("clients")

    @property
    def is_open(self):
        """Records come at their times, whatever the log does."""
        return self.load.get("kind") == "open" or bool(self.option("rate"))

    @property
    def offered(self):
        """Of an open loop: the rate, or a share of what the variant can do, whose rate each round
        measures anew."""
        share = self.load.get("share")
        return self.option("rate") if share is None else f"{share:g}x"

    @property
    def device_words(self):
        """Only of a device that is none: delay:20."""
        kind, delay = self.device.get("kind"), self.device.get("delay_us")
        if kind in (None, "file"):
            return ""
        return f"{kind}:{delay:g}" if delay else kind

    @property
    def is_peer(self):
        """Another store, which says how it was set up; an older bench did not write that of each."""
        return self.engine in PEERS or self.get("settings") is not None


class Cell:
    """The rounds of one cell."""

    def __init__(self, rows):
        whole = [row for row in rows if not row.interrupted]
        # A run that was cut short counts only where there is no other.
        self.rows = whole or rows
        self.first = self.rows[0]
        self.interrupted = any(row.interrupted for row in rows)

    def values(self, key):
        found = [row.value(key) for row in self.rows]
        return [value for value in found if value is not None]

    def summary(self, key):
        """Median and spread over the rounds, or None where no round has the key."""
        values = self.values(key)
        return Summary(values) if values else None

    def mid(self, key):
        values = self.values(key)
        return median(values) if values else None


class Dataset:
    """Runs that belong into one picture, and the floors that were measured beside them."""

    def __init__(self, name, title, kind, rows, floors):
        self.name = name
        self.title = title
        self.kind = kind
        self.rows = rows
        self.floors = floors
        self.cells = group(rows)
        self.over = []  # measured datasets that are laid over a simulated one

    def of(self, **wanted):
        """The cells whose first row has these attributes."""
        return [cell for cell in self.cells
                if all(getattr(cell.first, key) == value for key, value in wanted.items())]

    def distinct(self, attribute):
        """In the order of first appearance; numbers ascending."""
        values = list(dict.fromkeys(getattr(cell.first, attribute) for cell in self.cells))
        numeric = all(isinstance(value, (int, float)) or
                      isinstance(value, tuple) and None not in value for value in values)
        return sorted(values) if numeric else values

    def has(self, key):
        return any(row.value(key) is not None for row in self.rows)

    def sync_floor(self):
        """The device's own syncs: median and spread of its rate and of its latencies."""
        rows = [floor for floor in self.floors if floor["floor"] == "sync"]
        keys = ("syncs_per_s", "p50_us", "p99_us", "p999_us")
        found = {key: [row[key] for row in rows if row.get(key)] for key in keys}
        return {key: Summary(values) for key, values in found.items() if values}

    def wake_floor(self):
        """Wakes a second, by number of threads."""
        rates = {}
        for floor in self.floors:
            if floor["floor"] == "wake" and floor.get("threads") and floor["wakes_per_s"]:
                rates.setdefault(floor["threads"], []).append(floor["wakes_per_s"])
        return {threads: Summary(rates[threads]) for threads in sorted(rates)}

    def bound_rates(self, name):
        """Of what bracketed each run: the bound's rate before it and after it."""
        found = [bound.get(key) for row in self.rows for bound in row.get("bounds") or []
                 for key in ("before", "after") if bound.get("bound") == name]
        return [rate for rate in found if rate]


class Source:
    """What was named on a command line: a sweep's folder, or a results file. `files` are those that
    its results are in."""

    def __init__(self, name, sweep, folder, datasets, files):
        self.name = name
        self.sweep = sweep
        self.folder = folder
        self.datasets = datasets
        self.files = files

    @property
    def rows(self):
        return [row for dataset in self.datasets for row in dataset.rows]


# ---- Reading -------------------------------------------------------------------------------------


def check_needed(fields, where):
    """Refuses a line that has no meaning, in words that lead to it."""
    if "head" in fields:
        return
    if "engine" in fields:
        for key, good in NEEDED.items():
            if not good(fields.get(key)):
                raise BadInput(f"{where}: '{key}' is missing or not what it should be")
        if fields["writers"] < 1:
            raise BadInput(f"{where}: 'writers' is {fields['writers']}")
    elif "floor" in fields:
        known.check_floor(fields, where)
        key = NEEDED_OF_FLOOR.get(fields["floor"])
        if key and fields.get(key) is None:
            raise BadInput(f"{where}: a floor without '{key}'")
    elif not known.is_head(fields):
        raise BadInput(f"{where}: neither a result nor a floor of logfile-bench")


def read_results(path):
    """The results and the floors of one file."""
    rows, floors, head = [], [], {}
    for where, fields in known.read_objects(path):
        check_needed(fields, where)
        if "engine" in fields:
            known.check_result(fields, where)
            rows.append(Result(fields, head, path))
        elif "floor" in fields:
            floors.append(fields)
        else:
            known.check_head(fields, where)
            head = fields
    return rows, floors


def read_sweep(folder):
    path = os.path.join(folder, "sweep.json")
    sweep = known.parse(known.read_text(path), path)
    parts = sweep.get("parts") if isinstance(sweep, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise BadInput(f"{path}: not what bench-sweep writes: it has no list of parts")
    known.check_sweep(sweep, path)
    return sweep


def load_folder(folder):
    """Every part of a sweep that left results."""
    sweep = read_sweep(folder)
    datasets, files = [], []
    for part in sweep["parts"]:
        name = part.get("file")
        path = os.path.join(folder, os.path.basename(name)) if name else None
        if path and os.path.exists(path):
            datasets += split(part.get("name") or name, part.get("title"), *read_results(path))
            files.append(path)
    return Source(folder, sweep, folder, datasets, files)


def load_file(path):
    rows, floors = read_results(path)
    if not rows:
        raise BadInput(f"{path}: no results")
    stem = os.path.splitext(os.path.basename(path))[0]
    return Source(path, None, None, split(stem, None, rows, floors), [path])


def load(path):
    """A folder or a file, whichever it is."""
    return load_folder(path) if os.path.isdir(path) else load_file(path)


# ---- What belongs together -----------------------------------------------------------------------


def group(rows):
    """Cells, in the order in which they came up first, or where the bench shuffled them, in that of its table."""
    cells = {}
    for row in rows:
        cells.setdefault(row.cell, []).append(row)
    found = [Cell(rows) for rows in cells.values()]
    if any(row.get("variant_index") is None or row.mean_size is None for row in rows):
        return found
    return sorted(found, key=lambda cell: (cell.first.mean_size, cell.first.window, cell.first.writers,
                                           cell.first.get("variant_index")))


def kind_of_row(row):
    if row.simulated:
        return "simulated"
    if row.get("rung") is not None:
        return "ladder"
    if row.option("preset"):
        return "preset"
    return "open" if row.is_open else "closed"


def kind_of_closed(rows):
    """What a file of closed-loop runs is about: what varies in it says so."""
    if any(row.is_peer for row in rows):
        return "peers"
    if len({row.window for row in rows}) > 1:
        return "windows"
    if len({row.sizes for row in rows}) > 1:
        return "sizes"
    if is_crossed(rows):
        return "crossed"
    if all(row.device.get("kind") == "null" and row.window > 1 for row in rows):
        return "contention"
    own = {row.engine for row in rows} == {row.variant for row in rows}
    return "engines" if own else "variants"


FACTORS = ("reserve", "flusher", "wait")


def is_crossed(rows):
    """Whether two choices or more of the ring were varied, each with each."""
    of_ring = [row for row in rows if row.engine == "ring"]
    return sum(len({row.option(factor) for row in of_ring}) > 1 for factor in FACTORS) > 1


def device_of(row):
    return row.device.get("kind"), row.device.get("delay_us")


def split_closed(name, title, rows, floors):
    """Runs on several devices are a map; what was run on one of them, the file if there is one,
    answers the other questions."""
    devices = list(dict.fromkeys(map(device_of, rows)))
    if len(devices) == 1:
        return [Dataset(name, title, kind_of_closed(rows), rows, floors)]
    slowest = max(devices, key=lambda one: (one[0] == "file", one[1] or 0))
    some = [row for row in rows if device_of(row) == slowest]
    return [Dataset(name, title, kind_of_closed(some), some, floors),
            Dataset(f"{name}-map", title, "map", rows, floors)]


def split(name, title, rows, floors):
    """A file may hold runs of several kinds, one appended to the other: a dataset each."""
    kinds = {}
    for row in rows:
        kinds.setdefault(kind_of_row(row), []).append(row)
    datasets = []
    for kind, some in kinds.items():
        if kind == "closed":
            datasets += split_closed(name, title, some, floors)
        elif kind == "simulated":
            datasets += split_simulated(name, title, some)
        else:
            datasets.append(Dataset(name, title, kind, some, floors))
    return datasets


def split_simulated(name, title, rows):
    """A dataset for each machine, device and load: only writers and processors share an axis."""
    some = {}
    for row in rows:
        key = (row.machine.get("cpu"), device_of(row), row.window, row.sizes, row.option("rate"),
               row.option("logs"), row.option("clients"))
        some.setdefault(key, []).append(row)
    return [Dataset(name, title, "simulated", found, []) for found in some.values()]


def paired_ratios(cell, base, key="records_per_s"):
    """The ratio within each round that both cells have: what a drifting machine cannot blur."""
    of_base = {row.round: row.get(key) for row in base.rows}
    pairs = [(row.get(key), of_base.get(row.round)) for row in cell.rows]
    return [mine / other for mine, other in pairs if mine is not None and other]
