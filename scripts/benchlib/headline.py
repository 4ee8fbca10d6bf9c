"""The first screen: what was measured, the question, its answer, how strong it is, one picture, one
small table, why it is so, and when it is not."""

from . import about, svg
from .blocks import figure
from .looks import Look, looks_of
from .pairs import estimate, judged, lock_alone
from .ratios import Point, Series, ratio_chart
from .stats import CANNOT_TELL, MARGIN, pooled
from .wording import count, number_of, significant, time_us

# Rounds that make an answer weak, and strong if nothing else speaks against it.
FEW_ROUNDS, MANY_ROUNDS = 5, 10
# A device whose syncs differ by more between rounds.
RESTLESS = 1.25
# Of the processors' time, taken by others.
MUCH_STEAL = 0.02


def times(value):
    """A ratio as the answer has it: three digits."""
    return f"{significant(value, 3)}×" if value < 100 else f"{value:.0f}×"


def interval(one):
    if one.low is None:
        return "one round"
    return f"95 % {significant(one.low, 3)} to {significant(one.high, 3)}"


def with_interval(one):
    return f"{times(one.ratio)} ({interval(one)})"


def listed(items):
    """One, two and three."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def places(pairs):
    """1 writer; 1, 4 and 16 writers."""
    numbers = list(dict.fromkeys(f"{pair.place:,}" for pair in pairs))
    return f"{listed(numbers)} {pairs[0].axis.noun}" + ("" if numbers == ["1"] else "s")


def place_words(pair):
    return number_of(pair.place, pair.axis.noun)


# ---- The answer ----------------------------------------------------------------------------------


def tail_of(pairs):
    """The pairs from the first number of writers on from which all are better."""
    tail = []
    for pair in reversed(pairs):
        if pair.estimate.verdict != "better":
            break
        tail.insert(0, pair)
    return tail


def sentence_of_tail(pairs, tail):
    one = pooled([pair.estimate for pair in tail]) if len(tail) > 1 else tail[0].estimate
    words = svg.element("b", times(one.ratio)) + f" ({interval(one)})"
    if len(tail) == 1:
        return f"Yes, with {places(tail)}: {words}."
    if len(tail) == len(pairs):
        return f"Yes, with {pairs[0].place:,} to {places(pairs[-1:])}: {words}."
    return f"Yes, from {places(tail[:1])} on: {words}."


def ratios_words(pairs):
    """One in full, more of them as the range of their means."""
    if len(pairs) == 1:
        return with_interval(pairs[0].estimate)
    ratios = [pair.estimate.ratio for pair in pairs]
    return f"{times(min(ratios))} to {times(max(ratios))}"


def first_word(verdicts):
    """Where nothing is better."""
    if "worse" in verdicts:
        return "No."
    return "No difference." if verdicts == {"same"} else "Cannot tell."


def reason_of(pairs):
    """Why nobody can tell, where it is the same for all."""
    reasons = {pair.estimate.reason for pair in pairs} - {None}
    words = reasons.pop() if len(reasons) == 1 else "it may be chance"
    return words.replace("its interval", "each interval") if len(pairs) > 1 else words


def answer(question):
    """Markup: where it is faster and by how much; then where not, and where nobody can tell."""
    pairs = question.pairs
    if about.is_simulated(question.dataset):
        words = ", ".join(f"{times(pair.estimate.ratio)} with {place_words(pair)}" for pair in pairs)
        return svg.element("p", f"{svg.element('b', 'In the simulation')}: {words}.", class_="answer")
    tail = tail_of(pairs)
    rest = [pair for pair in pairs if pair not in tail]
    of = {verdict: [pair for pair in rest if pair.estimate.verdict == verdict]
          for verdict in ("better", "worse", "same", CANNOT_TELL)}
    verdicts = {pair.estimate.verdict for pair in pairs}
    parts = []
    if tail:
        parts.append(sentence_of_tail(pairs, tail))
    elif not of["better"]:
        parts.append(svg.element("b", first_word(verdicts)))
    if of["better"]:
        parts.append(f"Faster with {places(of['better'])}: {ratios_words(of['better'])}.")
    if of["worse"]:
        parts.append(f"Slower with {places(of['worse'])}: {ratios_words(of['worse'])}.")
    if of["same"]:
        parts.append(f"The same within 5 % with {places(of['same'])}.")
    if of[CANNOT_TELL] and verdicts == {CANNOT_TELL}:
        parts.append(f"With {places(pairs)} {ratios_words(pairs)}: {reason_of(pairs)}.")
    elif of[CANNOT_TELL]:
        parts.append(f"{places(of[CANNOT_TELL])}: cannot tell.")
    return svg.element("p", " ".join(parts), class_="answer")


# ---- How strong it is ----------------------------------------------------------------------------


def drift_of(dataset):
    """Of the device's own syncs, greatest over least; None where nobody measured them."""
    rates = sorted(dataset.bound_rates("lone-writer syncs/s")
                   or [floor["syncs_per_s"] for floor in dataset.floors if floor["floor"] == "sync"])
    rates = rates[len(rates) // 10:len(rates) - len(rates) // 10]  # the middle of many short ones
    return rates[-1] / rates[0] if rates and rates[0] else None


def steal_of(dataset):
    """The share of the processors' time that other machines took."""
    taken = wall = 0.0
    for row in dataset.rows:
        stolen = row.value("pressure.steal_us")
        if stolen is not None and row.get("seconds"):
            taken += stolen
            wall += row.get("seconds") * 1e6 * (row.machine.get("hardware_threads") or 1)
    return taken / wall if wall else None


def above_bounds(dataset):
    return sum(1 for row in dataset.rows
               if any(bound.get("passed") for bound in row.get("bounds") or []))


def weaknesses(question):
    """What speaks against the answer, in words; and whether it makes it weak."""
    dataset, found = question.dataset, []
    if question.rounds < MANY_ROUNDS:
        found.append((number_of(question.rounds, "round"), question.rounds < FEW_ROUNDS))
    drift = drift_of(dataset)
    if drift and drift > RESTLESS:
        found.append((f"the disk's syncs drift {significant(drift)}×", drift > RESTLESS ** 2))
    steal = steal_of(dataset)
    if steal and steal > MUCH_STEAL:
        found.append((f"{steal:.0%} of the time stolen", steal > 4 * MUCH_STEAL))
    passed = above_bounds(dataset)
    if passed:
        found.append((f"{passed} of {number_of(len(dataset.rows), 'run')} above their bound", False))
    if any(cell.interrupted for cell in dataset.cells):
        found.append(("interrupted", True))
    return found


def rounds_needed(question):
    """To halve the widest interval, or for ten rounds, whichever is more."""
    return min(60, max(MANY_ROUNDS + 5, 4 * question.rounds))


def strength(question):
    dataset = question.dataset
    if about.is_simulated(dataset):
        return svg.element("p", svg.element("b", "SIMULATED") + "one seed, one result: no chance in"
                           " it, and no proof that a machine does the same", class_="strength")
    found = weaknesses(question)
    word = "WEAK" if any(weak for _, weak in found) else "FAIR" if found else "STRONG"
    reasons = ", ".join(words for words, _ in found) or (
        f"{number_of(question.rounds, 'round')}, a steady device")
    content = svg.element("b", word) + svg.escape(f"evidence: {reasons}")
    more = about.more_of(dataset, rounds_needed(question)) if word != "STRONG" else None
    if more:
        command, time = more
        content += svg.escape(f". For more ({time}):")
        content += svg.element("code", svg.escape(command), class_="command", tabindex="0",
                               role="region", aria_label="The command for more rounds")
    return svg.element("div", content, class_="strength")


# ---- The picture ---------------------------------------------------------------------------------


def series_of(question):
    mine, other = question.names
    look = looks_of([question.mine, question.other])[question.mine]
    points = [Point(pair.place, pair.estimate) for pair in question.pairs]
    mean = "" if about.is_simulated(question.dataset) else ", mean"
    found = [Series(f"{mine} ÷ {other}{mean}", look, points)]
    locked = question.locked()
    if locked and locked.pairs:
        points = [Point(pair.place, pair.estimate) for pair in locked.pairs]
        found.append(Series(f"ring with a mutex inside ÷ {other}", Look("green", "diamond"), points,
                            main=False))
    return found


def ratio_picture(question, width, height):
    mine, other = question.names
    description = f"records/s of {mine} over that of {other}: " + "; ".join(
        f"{place_words(pair)} {with_interval(pair.estimate)}"
        f" {pair.estimate.verdict}" for pair in question.pairs)
    return ratio_chart(f"{mine} over {other}", description, series_of(question),
                       (f"{mine} is faster", f"{other} is faster"), question.axis.label, width,
                       height)


def ratio_figure(question):
    drawn = (svg.element("div", ratio_picture(question, 640, 400), class_="wide")
             + svg.element("div", ratio_picture(question, 346, 212), class_="narrow"))
    mine, other = question.names
    return figure(f"Records per second, {mine} divided by {other}", "", drawn, question.dataset,
                  whole=True, heading="strong")


# ---- The table -----------------------------------------------------------------------------------


MEASURES = (("records/s", "records_per_s", count, True), ("p99", "p99_us", time_us, False),
            ("CPU/record", "cpu_us_per_record", time_us, False),
            ("worst writer/mean", "fairness.least_over_mean", significant, True))


def ratio_cell(one):
    if one is None:
        return "–"
    words = svg.escape(times(one.ratio))
    if one.low is not None:
        ends = f"{significant(one.low, 3)} to {significant(one.high, 3)}"
        words += svg.element("small", ends + svg.element("span", f", {one.verdict}"))
    return words


def small_table(question):
    """Both at one number of writers."""
    pair = question.middle()
    found = [(name, form, pair.mine.mid(key), pair.other.mid(key),
              estimate(pair.mine, pair.other, key, more))
             for name, key, form, more in MEASURES
             if pair.mine.mid(key) is not None or pair.other.mid(key) is not None]
    judged([one for *_, one in found])
    mine, other = question.names
    heads = "".join(svg.element("th", svg.escape(name), scope="col")
                    for name in (place_words(pair), other, mine, "ratio (95 %)"))
    rows = ""
    for name, form, value, base, one in found:
        cells = [svg.escape(form(number)) if number is not None else "–"
                 for number in (base, value)]
        rows += svg.element("tr", svg.element("th", name, scope="row") + "".join(
            svg.element("td", cell) for cell in [*cells, ratio_cell(one)]))
    return svg.element("table", svg.element("thead", svg.element("tr", heads))
                       + svg.element("tbody", rows))


# ---- Why, and when not ---------------------------------------------------------------------------


def words_of_sharing(question):
    """How many of the writers one flush carries."""
    pair = question.middle()
    mine, other = (cell.mid("records_per_flush") for cell in (pair.mine, pair.other))
    if mine is None or pair.mine.first.window > 1:
        return []
    words = f"{significant(mine)} of {pair.mine.first.writers} records on their way ride a flush"
    return [words + (f" ({question.names[1]} {significant(other)})." if other else ".")]


VERDICTS = {"better": "faster", "worse": "slower", "same": "the same within 5 %",
            CANNOT_TELL: CANNOT_TELL}


# Where the lock's worth is looked for, beside the question's own runs.
OF_LOCK = ("engines", "variants", "contention", "crossed", "simulated")


def words_of_lock(question, datasets):
    """The lock's own worth, from where ring and ring with a mutex ran side by side."""
    if question.names[0] != "ring":
        return []
    for dataset in [question.dataset, *datasets]:
        alone = lock_alone(dataset)
        if not alone or dataset.kind not in OF_LOCK:
            continue
        pair = alone.at(question.middle().place) or alone.middle()
        where = "" if dataset is question.dataset else (
            f", {about.device_words(dataset)}, {about.load_words(dataset.rows)}")
        return [f"The lock alone, {place_words(pair)}{where}: "
                f"{with_interval(pair.estimate)}: {VERDICTS[pair.estimate.verdict]}."]
    return ["The lock alone was not measured: add --reserve faa,mutex to the command."]


def sync_of(row):
    """How long a sync of the row's device takes, in microseconds; None for a file."""
    kind = row.device.get("kind")
    return 0.0 if kind == "null" else row.device.get("delay_us") if kind == "delay" else None


def break_even(question):
    """{writers: the longest sync at which it is slower}, of a dataset that is a map."""
    slower = {}
    for pair in question.pairs:
        sync = sync_of(pair.mine.first)
        if sync is not None and pair.estimate.verdict == "worse":
            slower[pair.place] = max(sync, slower.get(pair.place, 0.0))
    return slower


def words_of_loss(question, maps):
    """Where it does not pay, of what was measured, with a link to the map."""
    if about.is_simulated(question.dataset):
        slower = [pair for pair in question.pairs if pair.estimate.ratio < 1 / MARGIN]
        return svg.escape(f"{places(slower)}, in the simulation." if slower else
                          "Nowhere in this simulation.")
    for one in maps:
        slower = break_even(one)
        link = svg.element("a", "map", href=f"#{one.dataset.name}")
        if slower:
            longest = max(slower.values())
            where = places([one.at(place) for place in sorted(slower)])
            words = "no sync at all (null device)" if not longest else (
                f"syncs of {time_us(longest)} or less")
            return svg.escape(f"{words[0].upper()}{words[1:]}, {where}: ") + link + "."
        return "Nowhere that these rounds can tell: " + link + "."
    worse = [pair for pair in question.pairs if pair.estimate.verdict == "worse"]
    words = f"{places(worse)} here. " if worse else ""
    return svg.escape(words + "Faster disks were not measured: scripts/bench-sweep --parts map")


def why(question, datasets, maps):
    items = [svg.element("dt", "WHY")]
    reasons = words_of_sharing(question) + words_of_lock(question, datasets)
    items += [svg.element("dd", svg.escape(words)) for words in reasons]
    items += [svg.element("dt", "WHEN NOT"),
              svg.element("dd", words_of_loss(question, maps))]
    return svg.element("dl", "".join(items), class_="why")


def markup(question, datasets, maps):
    """All below the question."""
    side = svg.element("div", small_table(question) + why(question, datasets, maps), class_="side")
    return (answer(question) + strength(question)
            + svg.element("div", ratio_figure(question) + side, class_="first"))


