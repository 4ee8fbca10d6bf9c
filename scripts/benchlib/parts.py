"""What a sweep is made of: which runs answer which question, and how long they take."""

import os

from .results import PEERS

OWN_ENGINES = ("ring", "mutex", "serial")
POLICIES = ("faa", "cas", "ticket", "mcs", "mutex")
# Locks that hand over in order and spin: with more threads than processors each hand-over waits for
# a thread that does not run, and one window may take minutes.
SPINLOCKS = ("ticket", "mcs")
IN_MEMORY = ["--device", "null", "--checksum", "header"]

# What a run takes besides its warm-up and its time: opening, reading back, removing.
FILE_OVERHEAD_S = 0.35
MEMORY_OVERHEAD_S = 0.08
FLOOR_S = 0.32
PEER_OVERHEAD_S = 0.6


class Settings:
    """How much is run. `asked` is what the user wants otherwise than the mode has it."""

    def __init__(self, mode, asked):
        self.mode = mode
        for key, value in {**MODES["full"], **MODES[mode]}.items():
            setattr(self, key, asked.get(key) or value)
        if asked.get("writers"):
            self.few_writers = self.in_memory_writers = self.peer_writers = asked["writers"]
            self.ladder_writers = self.map_writers = asked["writers"]
        if asked.get("rounds"):
            self.side_rounds = asked["rounds"]
        if asked.get("seconds"):
            self.records = None
        self.lab = asked.get("lab") or []  # files with engines and policies of one's own

    @property
    def middle(self):
        """The number of writers for questions that are not about their number: 16, or near it."""
        return min(self.writers, key=lambda writers: abs(writers - 16))


MODES = {
    "full": {
        "engines": list(OWN_ENGINES), "policies": list(POLICIES), "rounds": 5, "side_rounds": 5,
        "seconds": 1.0, "memory_seconds": 0.3, "records": None, "writers": [1, 4, 16, 64, 256],
        "few_writers": [1, 4, 16, 64], "ladder_writers": [1, 16, 64],
        "in_memory_writers": [1, 2, 4, 16, 64], "peer_writers": [1, 16, 64, 256],
        "sizes": [64, 512, 4096, 65536, 1048576], "windows": [1, 4, 16, 64, 256, 1024],
        # Far longer than a batch, yet many of them end within the timed part of a run.
        "in_memory_window": 1024, "fractions": [0.25, 0.5, 0.7, 0.8, 0.9], "ladder_device": None,
        "map_devices": ["null", "delay:2", "delay:5", "delay:10", "delay:20", "delay:50",
                        "delay:200", "delay:1000", None],
        "map_writers": [1, 2, 4, 16, 64],
        # Beside the reservation, which always is.
        "crossed": ["--flusher", "hybrid,leader", "--wait", "adaptive,block"], "left_out": [],
    },
    # Under three minutes on two processors; the comparisons that matter keep three rounds.
    "quick": {
        "rounds": 3, "side_rounds": 1, "seconds": 0.35, "memory_seconds": 0.1,
        "writers": [1, 4, 16, 64], "few_writers": [1, 16], "ladder_writers": [16],
        "in_memory_writers": [1, 2, 4, 16], "peer_writers": [16],
        "sizes": [100, 4096, 65536], "windows": [1, 16, 256], "fractions": [0.3, 0.6, 0.9],
        "map_devices": ["null", "delay:20", "delay:200"], "map_writers": [4, 16],
        "crossed": ["--flusher", "hybrid,leader"],
        # The crossed factors tell what the last two would, with more rounds.
        "left_out": ["spinlocks", "shards", "flushers", "waits"],
    },
    # That everything runs, in some ten seconds: the numbers mean nothing.
    "smoke": {
        "rounds": 1, "side_rounds": 1, "records": 200, "writers": [1, 2], "few_writers": [2],
        "ladder_writers": [2], "in_memory_writers": [1, 2], "peer_writers": [2],
        "sizes": [100, 4096], "windows": [1, 16], "in_memory_window": 64, "fractions": [0.5],
        "ladder_device": "delay:20", "map_devices": ["null", "delay:20"], "map_writers": [2],
    },
}
QUICK_LIMIT_S = 175


class Part:
    """A question: the options of its runs, and how many cells they have in a round."""

    def __init__(self, name, title, options, cells, rounds, writers, in_memory=False):
        self.name = name
        self.title = title
        # Each part has its own floors: what the device did during another one says nothing.
        self.options = options + ["--writers", listed(writers), "--floors"]
        self.cells = cells
        self.rounds = rounds
        self.in_memory = in_memory
        # The wakes of each number of threads, and the syncs of a device that has any.
        self.floors = len(writers) + (0 if "--device" in options else 1)
        self.fractions = [None]  # of the closed loop's rate, a command each
        self.devices = [None]  # a command each; None: the file
        self.peers = False
        self.extra = []  # options that double the variants, where the bench has them
        self.by_share = False  # the bench takes fractions of each variant's own rate by itself

    def take_extra(self):
        self.options = self.options + self.extra
        # The ring's variants, that is, and not the one of the mutex engine beside them.
        self.cells = 2 * self.cells - 1

    def with_lab(self, settings, points):
        """What is loaded stands beside the part's own variants, one for each file at each point."""
        if settings.lab:
            self.options = self.options + ["--lab", listed(settings.lab)]
            self.cells += len(settings.lab) * points
        return self

    def duration(self, settings):
        if settings.records:
            return ["--records", str(settings.records)]
        seconds = settings.memory_seconds if self.in_memory else settings.seconds
        return ["--seconds", f"{seconds:g}"]

    def estimate_s(self, settings):
        """How long the part takes, roughly; a sweep corrects it by what earlier parts took."""
        overhead = MEMORY_OVERHEAD_S if self.in_memory else FILE_OVERHEAD_S
        overhead += PEER_OVERHEAD_S if self.peers else 0
        seconds = settings.memory_seconds if self.in_memory else settings.seconds
        warm_up = min(1.0, max(0.2, seconds / 10))
        run = overhead if settings.records else warm_up + seconds + overhead
        return self.rounds * self.commands * (self.cells * run + self.floors * FLOOR_S)

    def lines(self):
        """How many lines all its results files will have."""
        return self.rounds * self.commands * (self.cells + self.floors)

    @property
    def commands(self):
        return len(self.fractions) * len(self.devices)


def listed(values):
    return ",".join(str(value) for value in values)


def pair_of(settings):
    """Ring and mutex, or what there is of them: serial would only take the time of the others."""
    some = [engine for engine in settings.engines if engine != "serial"]
    return some or settings.engines


def engines(s):
    options = ["--engine", listed(s.engines), "--size", "512", "--stages", "16"]
    return Part("engines", "Throughput and latency by number of writers", options,
                len(s.engines) * len(s.writers), s.rounds, s.writers).with_lab(s, len(s.writers))


def ladder(s):
    options = ["--ladder", "--size", "512"]
    options += ["--device", s.ladder_device] if s.ladder_device else []
    return Part("ladder", "The ladder, a change at a time", options,
                9 * len(s.ladder_writers), s.rounds, s.ladder_writers)


def reserving(s, engines, policies):
    options = IN_MEMORY + ["--window", str(s.in_memory_window), "--size", "90", "--engine",
                           listed(engines)]
    return options + (["--reserve", listed(policies)] if "ring" in engines else [])


def contention(s):
    some = pair_of(s)
    policies = [policy for policy in s.policies if policy not in SPINLOCKS] or ["faa"]
    count = len(some) + (len(policies) - 1 if "ring" in some else 0)
    return Part("contention", "Contention for a place in the log", reserving(s, some, policies),
                count * len(s.in_memory_writers), s.rounds, s.in_memory_writers,
                in_memory=True).with_lab(s, len(s.in_memory_writers))


def spinlocks(s):
    policies = ["faa"] + [policy for policy in s.policies if policy in SPINLOCKS]
    writers = [count for count in s.in_memory_writers if count <= (os.cpu_count() or 1)]
    if len(policies) == 1 or not writers:
        return None
    return Part("spinlocks", "Spinlocks, while every thread has a processor",
                reserving(s, ["ring"], policies), len(policies) * len(writers), s.rounds, writers,
                in_memory=True)


def shards(s):
    options = IN_MEMORY + ["--window", str(s.in_memory_window), "--size", "90", "--engine", "ring",
                           "--shards", "1,8,cores"]
    return Part("shards", "Contention where records are published", options,
                3 * len(s.in_memory_writers), s.side_rounds, s.in_memory_writers, in_memory=True)


def map_(s):
    """Where ring pays and where not: devices by the time of a sync."""
    part = Part("map", "Break-even by the time of a sync",
                ["--engine", "ring,mutex", "--size", "512"], 2 * len(s.map_writers), s.rounds,
                s.map_writers, in_memory=True)
    part.devices = s.map_devices
    return part


def causes(s):
    """Factors crossed with one another, beside the mutex engine: which of them it is."""
    options = ["--engine", "ring,mutex", "--size", "512", "--reserve", "faa,mutex", *s.crossed]
    variants = 1 + 2 ** (1 + len(s.crossed) // 2)
    part = Part("causes", "What makes the difference: factors crossed", options, variants, s.rounds,
                [s.middle])
    part.extra = ["--gather", "on,off"]
    return part


def peers(s):
    part = Part("peers", "Beside other stores", ["--size", "512"],
                (len(s.engines) + len(PEERS)) * len(s.peer_writers), s.side_rounds, s.peer_writers)
    part.peers = True
    return part


def open_loop(s):
    some = pair_of(s)
    part = Part("open-loop", "Latency at an offered load",
                ["--engine", listed(some), "--size", "512"], len(some), s.side_rounds,
                [s.middle]).with_lab(s, 1)
    part.fractions = s.fractions
    return part


def sizes(s):
    some = pair_of(s)
    options = ["--engine", listed(some), "--size", listed(s.sizes)]
    return Part("sizes", "Record sizes", options, len(some) * len(s.sizes), s.side_rounds,
                [s.middle]).with_lab(s, len(s.sizes))


def windows(s):
    some = pair_of(s)
    options = ["--engine", listed(some), "--size", "512", "--window", listed(s.windows)]
    return Part("windows", "Windows instead of threads", options,
                len(some) * len(s.windows), s.side_rounds, [2]).with_lab(s, len(s.windows))


def flushers(s):
    options = ["--engine", "ring", "--flusher", "hybrid,sequencer,leader", "--size", "512"]
    return Part("flushers", "Who flushes", options, 3 * len(s.few_writers), s.side_rounds,
                s.few_writers)


def waits(s):
    options = ["--engine", "ring", "--wait", "adaptive,block,spin", "--size", "512"]
    return Part("waits", "How writers wait", options, 3 * len(s.few_writers), s.side_rounds,
                s.few_writers)


# In the order in which they are run: what matters most comes first, should the time run out.
PARTS = {"engines": engines, "causes": causes, "ladder": ladder, "contention": contention,
         "map": map_, "spinlocks": spinlocks, "peers": peers,
         "open-loop": open_loop, "shards": shards, "sizes": sizes, "windows": windows,
         "flushers": flushers, "waits": waits}
# These are about the ring alone.
OF_RING = ("causes", "ladder", "map", "spinlocks", "shards", "flushers", "waits")


def plan(settings, names):
    names = names or [name for name in PARTS if name not in settings.left_out]
    parts = [make(settings) for name, make in PARTS.items()
             if name in names and (name not in OF_RING or "ring" in settings.engines)]
    return [part for part in parts if part is not None]
