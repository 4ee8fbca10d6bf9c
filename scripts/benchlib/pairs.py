"""Two names held against each other, at each number of writers: what the page's question is about.

Every ratio is taken within rounds and judged together with the others of its question, by the rule
of stats.py.
"""

import difflib

from . import stats
from .fields import BadInput
from .looks import LOCKED

BASELINE = "baseline:"
QUESTIONS = {("ring", "mutex"): "Is lock-free group commit faster than a mutex here?"}


def by_round(cell, key):
    """{round: value}; of runs that were cut short nothing is taken if there are others."""
    return {row.round: row.value(key) for row in cell.rows}


def estimate(cell, base, key="records_per_s", more_is_better=True):
    """The ratio cell / base within rounds, not yet judged; None where no round has both."""
    return stats.paired(by_round(cell, key), by_round(base, key), more_is_better)


def judged(estimates):
    found = [one for one in estimates if one is not None]
    stats.judge(found)
    return found


def names_of(text):
    """The two of --compare A,B."""
    names = tuple(text.split(","))
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise BadInput(f"--compare {text}: not two names, as in --compare ring,mutex")
    return names


class Axis:
    """What varies along a question: of one thing "writer", of an axis "concurrent writers"."""

    def __init__(self, noun, label, at):
        self.noun = noun
        self.label = label
        self.at = at


WRITERS = Axis("writer", "concurrent writers", lambda row: row.writers)
AXES = {"windows": Axis("pending record", "records submitted and not yet durable",
                        lambda row: row.window * row.writers),
        "sizes": Axis("byte", "bytes of a record", lambda row: row.mean_size)}
PROCESSORS = Axis("processor", "simulated processors",
                  lambda row: row.machine.get("hardware_threads"))


def axis_of(dataset):
    if dataset.kind == "simulated" and len({PROCESSORS.at(row) for row in dataset.rows}) > 1:
        return PROCESSORS
    return AXES.get(dataset.kind, WRITERS)


class Pair:
    """Both at one place of the axis."""

    def __init__(self, axis, mine, other):
        self.axis = axis
        self.mine = mine
        self.other = other
        self.place = axis.at(mine.first)
        self.estimate = estimate(mine, other)


class Question:
    """`mine` and `other` are variants of the dataset."""

    def __init__(self, dataset, mine, other):
        self.dataset = dataset
        self.mine, self.other = mine, other
        self.axis = axis_of(dataset)
        found = [Pair(self.axis, a, b) for a in dataset.of(variant=mine) for b in dataset.of(variant=other)
                 if a.first.cell[1:] == b.first.cell[1:]]
        self.pairs = sorted((pair for pair in found if pair.estimate),
                            key=lambda pair: pair.place or 0)
        judged([pair.estimate for pair in self.pairs])

    @property
    def names(self):
        """As a reader knows them."""
        return tuple("ring" if find(self.dataset, "ring") == name else name
                     for name in (self.mine, self.other))

    @property
    def words(self):
        if self.mine.startswith(BASELINE) or self.other.startswith(BASELINE):
            return f"Is this build's {self.names[0]} faster than the baseline's here?"
        return QUESTIONS.get(self.names, f"Is {self.names[0]} faster than {self.names[1]} here?")

    @property
    def rounds(self):
        return min((pair.estimate.rounds for pair in self.pairs), default=0)

    def locked(self):
        """The ring whose writers take a mutex to reserve, where it was measured beside the ring."""
        locked = find(self.dataset, LOCKED)
        return Question(self.dataset, locked, self.other) if locked and self.names == (
            "ring", "mutex") else None

    def at(self, place):
        return next((pair for pair in self.pairs if pair.place == place), None)

    def middle(self):
        """The pair that the table shows: 16 writers, or the nearest to it that there is."""
        if self.axis is not WRITERS:
            return self.pairs[len(self.pairs) // 2]
        return min(self.pairs, key=lambda pair: (abs(pair.place - 16), pair.place))


# What the ring is by default; None: a bench that did not say.
RING = {"reserve": "faa", "flusher": "hybrid", "wait": "adaptive", "publish_shards": 8, "gather": "on",
        "wake": "all"}


def is_ring(row, **otherwise):
    """The ring with its defaults, but for what is otherwise."""
    wanted = {**RING, **otherwise}
    return (row.engine == "ring" and row.get("rung") is None and not row.option("variant_flags")
            and not row.variant.startswith(BASELINE)
            and all(row.option(key) in (None, value) for key, value in wanted.items()))


def find(dataset, name):
    """The dataset's variant of this name; the ring, and the ring with a mutex inside, may be spelled
    out by all that they do."""
    variants = dataset.distinct("variant")
    if name in variants:
        return name
    otherwise = {"ring": {}, LOCKED: {"reserve": "mutex"}}.get(name)
    if otherwise is None:
        return None
    return next((cell.first.variant for cell in dataset.cells if is_ring(cell.first, **otherwise)),
                None)


def lock_alone(dataset):
    """The ring over the ring with a mutex inside, where both were measured side by side."""
    return question_of(dataset, ("ring", LOCKED))


def question_of(dataset, names):
    """None where the dataset does not hold both, or in no common place."""
    found = [find(dataset, name) for name in names]
    if None in found or found[0] == found[1]:
        return None
    question = Question(dataset, *found)
    return question if question.pairs else None


# What answers a question best comes first. Of what is left the question would need more words.
KINDS = ("engines", "variants", "peers", "simulated", "contention", "ladder", "crossed", "windows",
         "sizes")


def in_order(datasets):
    """What was made durable before what a device in memory forgot."""
    return sorted((one for one in datasets if one.kind in KINDS),
                  key=lambda one: (one.rows[0].device.get("kind") in ("null", "delay"),
                                   KINDS.index(one.kind)))


def names_to_try(dataset):
    """Another build against this one; ring against mutex; else what the dataset begins with."""
    variants = dataset.distinct("variant")
    for variant in variants:
        if variant.startswith(BASELINE) and find(dataset, variant[len(BASELINE):]):
            yield variant[len(BASELINE):], variant
    if dataset.kind == "ladder":
        yield variants[-1], variants[0]
    yield "ring", "mutex"
    if len(variants) > 1:
        yield variants[0], variants[1]


def asked(datasets, names):
    """The question of these two names; in words what there is, if there is none."""
    for dataset in in_order(datasets):
        question = question_of(dataset, names)
        if question:
            return question
    known = list(dict.fromkeys(name for one in datasets for name in one.distinct("variant")))
    for name in names:
        if not any(find(dataset, name) for dataset in datasets):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean '{near[0]}'?" if near else f": there are {', '.join(known)}"
            raise BadInput(f"--compare: no results of '{name}'{hint}")
    raise BadInput(f"--compare: {names[0]} and {names[1]} have no round in common")


def first_question(datasets, names=None):
    """What the page asks; None where nothing is held against anything."""
    if names:
        return asked(datasets, names)
    for dataset in in_order(datasets):
        for names_ in names_to_try(dataset):
            question = question_of(dataset, names_)
            if question:
                return question
    return None
