"""What a report says first: a few sentences and large numbers, all taken from the results.

A difference is called one only where the rounds agree on it: each round compares two runs that
followed each other within seconds.
"""

from . import svg
from .results import paired_ratios
from .stats import LEAST_ROUNDS, MARGIN, Summary
from .wording import count, factor, significant, time_us

# A device whose syncs differ by more between rounds makes medians of rates doubtful.
RESTLESS = 1.25


def is_agreed(ratio):
    """The rounds are enough, and all say the same of which is faster."""
    return ratio.count >= LEAST_ROUNDS and (ratio.low > 1 or ratio.high < 1)


def is_sure(ratio):
    """And it is more than nothing."""
    return is_agreed(ratio) and not 1 / MARGIN < ratio.median < MARGIN


class Pair:
    """ring against mutex with as many writers, round by round."""

    def __init__(self, ring, mutex):
        self.ring = ring
        self.mutex = mutex
        self.writers = ring.first.writers
        ratios = paired_ratios(ring, mutex)
        self.ratio = Summary(ratios) if ratios else None

    @property
    def sure(self):
        return self.ratio is not None and is_sure(self.ratio)


def pairs_of(dataset):
    pairs = []
    for writers in dataset.distinct("writers"):
        ring = dataset.of(variant="ring", writers=writers)
        mutex = dataset.of(variant="mutex", writers=writers)
        if ring and mutex:
            pairs.append(Pair(ring[0], mutex[0]))
    return [pair for pair in pairs if pair.ratio]


def writers_words(writers):
    return "one writer" if writers == 1 else f"{writers:,} writers"


def tile(value, words, small=""):
    content = svg.element("b", svg.escape(value)) + svg.element("span", svg.escape(words))
    content += svg.element("small", svg.escape(small)) if small else ""
    return svg.element("div", content, class_="tile")


def tiles_of_pairs(pairs):
    sure = [pair for pair in pairs if pair.sure]
    if not sure:
        return []
    best = max(sure, key=lambda pair: pair.ratio.median)
    small = f"{range_words(best.ratio)} over the rounds, each of two runs side by side"
    words = f"ring's records/s over mutex's, {writers_words(best.writers)}"
    return [tile(factor(best.ratio.median), words, small)]


def fastest(dataset, variant="ring"):
    cells = dataset.of(variant=variant)
    return max(cells, key=lambda cell: cell.mid("records_per_s"), default=None)


def tiles_of_ring(dataset):
    tiles = []
    most = fastest(dataset)
    if most:
        writers = writers_words(most.first.writers)
        rate = count(most.mid("records_per_s"))
        tiles.append(tile(rate, f"durable records a second, ring, {writers}"))
        if most.mid("p99_us") is not None:
            p99 = time_us(most.mid("p99_us"))
            tiles.append(tile(p99, f"p99 of an append there, ring, {writers}"))
    alone = dataset.of(variant="ring", writers=1)
    if alone and alone[0].mid("p50_us"):
        floor = dataset.sync_floor().get("p50_us")
        small = f"the device's own write and sync: {time_us(floor.median)}" if floor else ""
        p50 = time_us(alone[0].mid("p50_us"))
        tiles.append(tile(p50, "median append of one writer, ring", small))
    return tiles


def listed(items):
    """One, two and three."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def places(pairs, words_of):
    return listed([f"{writers_words(pair.writers)} ({words_of(pair.ratio)})" for pair in pairs])


def range_words(ratio):
    return f"{factor(ratio.low)} to {factor(ratio.high)}"


def median_words(ratio):
    return factor(ratio.median)


def sentences_of_pairs(pairs):
    """Where ring is ahead, where mutex is, where neither is, and where nobody can tell."""
    few = [pair for pair in pairs if pair.ratio.count < LEAST_ROUNDS]
    faster = [pair for pair in pairs if pair.sure and pair.ratio.low > 1]
    slower = [pair for pair in pairs if pair.sure and pair.ratio.high < 1]
    alike = [pair for pair in pairs if is_agreed(pair.ratio) and not pair.sure]
    open_ = [pair for pair in pairs if not pair.sure and pair not in few + alike]
    groups = (
        (faster, "More durable records a second with ring than with mutex in every round: at ",
         median_words),
        (slower, "Fewer with ring than with mutex in every round: at ", median_words),
        (alike, "Ring and mutex are less than 5 % apart: at ", median_words),
        (open_, "The rounds do not agree whether ring or mutex is faster: at ", range_words),
        (few, "Too few rounds to call ring against mutex a difference: at ", median_words))
    return [words + places(some, form) + "." for some, words, form in groups if some]


def sentence_of_sharing(dataset):
    cells = [cell for cell in dataset.of(variant="ring") if cell.mid("records_per_flush")]
    if not cells:
        return []
    cell = max(cells, key=lambda cell: cell.first.writers)
    words = f"With {writers_words(cell.first.writers)} a flush of ring carries"
    return [f"{words} {significant(cell.mid('records_per_flush'))} records on average."]


def sentence_of_floor(dataset):
    floor = dataset.sync_floor().get("syncs_per_s")
    if not floor:
        return []
    words = (f"The device alone makes {count(floor.median)} syncs a second, one 4 KiB block each"
             f" ({count(floor.low)} to {count(floor.high)} over the rounds).")
    if floor.high > RESTLESS * floor.low:
        words += (f" It was restless: {factor(floor.high / floor.low)} between two rounds. Trust"
                  " ratios within a round, not two numbers held side by side.")
    return [words]


def sentence_of_ladder(dataset):
    """What the whole way was worth, and its largest step, where the rounds agree on them."""
    writers = max(dataset.distinct("writers"))
    rungs = sorted(dataset.of(writers=writers), key=lambda cell: cell.first.get("rung"))
    steps = [(paired_ratios(b, a), b.first.variant) for a, b in zip(rungs, rungs[1:])]
    steps = [(Summary(ratios), name) for ratios, name in steps if ratios]
    whole = paired_ratios(rungs[-1], rungs[0]) if len(rungs) > 1 else []
    if not whole:
        return []
    if len(whole) < LEAST_ROUNDS:
        return ["Too few rounds to call any step of the ladder a difference."]
    words = words_of_way(rungs, Summary(whole), writers)
    best, name = max([step for step in steps if is_sure(step[0]) and step[0].median > 1],
                     key=lambda step: step[0].median, default=(None, None))
    if words and best:
        words += (f"; the largest step is “{name}” ({factor(best.median)},"
                  f" {factor(best.low)} to {factor(best.high)})")
    return [words + "."] if words else []


def words_of_way(rungs, whole, writers):
    if not is_sure(whole):
        return ""
    return (f"From {rungs[0].first.variant} to {rungs[-1].first.variant} in {len(rungs) - 1} steps,"
            f" {writers_words(writers)}: {factor(whole.median)}")


def markup(datasets):
    """Tiles and findings; an empty text where nothing stands out."""
    tiles, findings = [], []
    for dataset in datasets:
        if dataset.kind == "engines" and not tiles:
            pairs = pairs_of(dataset)
            tiles = tiles_of_pairs(pairs) + tiles_of_ring(dataset)
            findings += sentences_of_pairs(pairs)
            findings += sentence_of_sharing(dataset) + sentence_of_floor(dataset)
        if dataset.kind == "ladder":
            findings += sentence_of_ladder(dataset)
    items = "".join(svg.element("li", svg.escape(words)) for words in findings)
    return (svg.element("div", "".join(tiles), class_="tiles") if tiles else "") + (
        svg.element("ul", items, class_="findings") if items else "")
