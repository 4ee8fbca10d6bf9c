"""What is known of how results came to be: the build, the machine, the device, the load.

Files of different versions carry it in different places; what none of them says is left out.
"""

import datetime
import os
import shlex

from .stats import median
from .wording import number_of, sizes, time_us

# What a run takes besides its time: warm-up, opening, reading back, floors.
OVERHEAD_S = 0.75


def known(row, key):
    """A fact of a run, wherever its file has it."""
    for place in (row.head, row.options, row.machine, row.fields):
        if place.get(key) not in (None, ""):
            return place[key]
    return None


def date_of(source, row):
    started = known(row, "time") or (source.sweep or {}).get("started")
    if started:
        try:
            when = datetime.datetime.fromisoformat(str(started).replace("Z", "+00:00"))
        except ValueError:
            return None
    elif row.get("started_at"):
        when = datetime.datetime.fromtimestamp(row.get("started_at"), datetime.timezone.utc)
    else:
        return None
    return f"{when.day} {when:%b %Y %H:%M}"


def build_words(row):
    version, commit = known(row, "version"), known(row, "commit")
    words = f"logfile {version}" if version else "logfile"
    words += f" @{commit[:10]}{'-dirty' * commit.endswith('-dirty')}" if commit else ""
    compiler = " ".join(str(known(row, key)) for key in ("compiler", "cflags") if known(row, key))
    return words, compiler


def processors_words(row):
    machine = row.machine
    if row.simulated:
        return f"SIMULATED machine {machine.get('cpu')}"
    count = machine.get("hardware_threads")
    virtual = known(row, "virtual")
    words = f"{count} {'virtual ' if virtual else ''}processors" if count and count > 1 else (
        "1 processor" if count else "")
    if isinstance(virtual, str):
        words += f" ({virtual})"
    allowed, quota = known(row, "cpus_allowed"), known(row, "cpu_quota")
    if allowed and allowed != known(row, "cpus_online"):
        words += f", only {allowed} allowed"
    if quota:
        words += f", quota of {quota:g}"
    return ", ".join(part for part in (words, machine.get("cpu")) if part)


def sync_us(dataset):
    """The median time of a sync that was measured beside the runs."""
    floor = dataset.sync_floor().get("p50_us")
    if floor:
        return floor.median
    rates = dataset.bound_rates("lone-writer syncs/s")
    return 1e6 / median(rates) if rates else None


def device_words(dataset):
    row = dataset.rows[0]
    kind = row.device.get("kind")
    if kind == "null":
        return "no disk (a device that forgets at once)"
    if kind == "delay":
        return f"no disk (a device whose sync takes {time_us(row.device.get('delay_us') or 0)})"
    place = row.filesystem.get("type") or ("file" if kind else "")
    sync = sync_us(dataset)
    words = [place, f"{row.option('sync') or 'sync'} {time_us(sync)}" if sync else row.option("sync")]
    if known(row, "volatile_dir"):
        words.append("IN MEMORY: nothing is durable")
    return ", ".join(word for word in words if word)


def load_words(rows):
    """The load model, in which every latency is to be read."""
    row = rows[0]
    load = row.load
    if any(one.is_open for one in rows):
        arrivals = load.get("arrivals")
        return f"open loop, {'Poisson' if arrivals == 'poisson' else 'evenly spaced'} arrivals"
    words = "closed loop"
    windows = sorted({one.window for one in rows})
    clients = row.option("clients")
    if clients:
        words += f", {number_of(int(clients), 'client')}"
    elif windows == [1]:
        words += ", a record a writer"
    else:
        words += ", windows of " + ("…".join(f"{w:,}" for w in (windows[0], windows[-1]))
                                    if len(windows) > 1 else f"{windows[0]:,}")
    if load.get("think_us"):
        words += f", think time {time_us(load['think_us'])}"
    return words


def size_words(dataset):
    found = dataset.distinct("sizes")
    if len(found) > 1 or None in found[0]:
        return "several sizes" if len(found) > 1 else ""
    return f"{sizes(found[0])} records"


def is_simulated(dataset):
    return any(row.simulated for row in dataset.rows)


def tag(dataset):
    """What every picture says of its numbers: simulated or not, the load, the repetition."""
    words = [load_words(dataset.rows), size_words(dataset)]
    if not is_simulated(dataset):
        counts = sorted({len(cell.rows) for cell in dataset.cells})
        words.append(number_of(counts[-1], "round") if len(counts) == 1 else
                     f"{counts[0]} to {counts[-1]} rounds")
    if dataset.rows[0].device.get("kind") in ("null", "delay") and dataset.kind != "map":
        words.append(device_words(dataset))
    return ", ".join(word for word in words if word)


def measured_line(source, dataset):
    """What was measured, in a line."""
    row = dataset.rows[0]
    words = [*build_words(row), date_of(source, row), processors_words(row), device_words(dataset),
             load_words(dataset.rows), size_words(dataset)]
    return " · ".join(word for word in words if word)


# ---- Command lines -------------------------------------------------------------------------------


def pasteable(command):
    """The command as somebody can run it again: neither libtool's hidden program, which does not
    find its library by itself, nor a results file that is there already."""
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    if not words:
        return command
    folder, name = os.path.split(words[0])
    if os.path.basename(folder) == ".libs":
        words[0] = os.path.join(os.path.dirname(folder), name.removeprefix("lt-"))
    for i, word in enumerate(words[:-1]):
        if word == "--json":
            words[i + 1] = os.path.basename(words[i + 1]).removesuffix(".part")
    return shlex.join(words)


def with_option(command, option, value):
    """The command with another value of the option."""
    words = shlex.split(command)
    if option in words[:-1]:
        words[words.index(option) + 1] = value
    else:
        words[1:1] = [option, value]
    return shlex.join(words)


def seconds_of(dataset):
    """How long a round of the dataset's command took, roughly."""
    rounds = max(len(cell.rows) for cell in dataset.cells)
    return sum((row.get("seconds") or 0) * 1.1 + OVERHEAD_S for row in dataset.rows) / rounds


def command_of(dataset):
    command = next((row.option("command") for row in dataset.rows if row.option("command")), None)
    return pasteable(command) if command else None


def more_of(dataset, rounds):
    """The command that gives so many rounds, and how long it takes; None where nobody knows."""
    command = command_of(dataset)
    if not command:
        return None
    minutes = seconds_of(dataset) * rounds / 60
    time = "about a minute" if minutes < 1.5 else f"about {minutes:.0f} minutes"
    return with_option(command, "--repeat", str(rounds)), time
