# SPDX-License-Identifier: MIT
"""The model of docs/SCALING.md: what an engine could reach, from costs measured without contention.

All times are in nanoseconds. Nothing here is fitted to the throughput that it predicts: a cost comes
from a floor, or from a run with one writer, or is an assumption that the caller names.
"""

from .stats import median

BLOCK_BYTES = 4096
EPOCH_HEADER_BYTES = 64
SPUN_DELAY_NS = 100_000  # logfile-bench spins through shorter delays, which takes a processor
WAKE_MANY = 64  # sleepers of the floor that tells what one more costs

# Lines that change hands for one reservation: the head; the head read, then owned; the lock with
# the head on its lines; the predecessor's node and the head; the lock with the head.
POLICY_LINES = {"faa": 1, "cas": 2, "ticket": 1, "mcs": 2, "mutex": 1}
POLICIES = tuple(POLICY_LINES)


class ModelError(Exception):
    """One line that says what the input lacks."""


# ---- Costs ---------------------------------------------------------------------------------------


def matches(line, wanted):
    return all(line.get(key) == value for key, value in wanted.items())


def median_of(lines, key, what, **wanted):
    """The median of a key over the lines that have these values."""
    values = [line[key] for line in lines if matches(line, wanted) and line.get(key)]
    if not values:
        raise ModelError(f"the costs lack {what}")
    return median(values)


def interpolate(points, at):
    """Along straight lines between the points, the outer ones prolonged."""
    points = sorted(points.items())
    if len(points) == 1:
        return points[0][1]
    right = next((i for i in range(1, len(points) - 1) if points[i][0] >= at), len(points) - 1)
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    return y0 + (y1 - y0) * (at - x0) / (x1 - x0)


def record_bytes(size):
    """What a payload takes in an epoch: its header, and padding to 8."""
    return (8 + size + 7) // 8 * 8


def epoch_bytes(records, size):
    bytes_ = EPOCH_HEADER_BYTES + records * record_bytes(size)
    return -(-bytes_ // BLOCK_BYTES) * BLOCK_BYTES


class Costs:
    """What `scaling-model measure` wrote, as the model's parameters."""

    def __init__(self, document):
        self.lines = document["measured"]
        self.machine = document["machine"]
        self.processors = self.machine["hardware_threads"]
        self._read_atomics()
        self._read_wakes()
        self._read_device()
        self._read_runs()

    def _floor(self, how, threads, **wanted):
        return median_of(self.lines, "ns_per_op", f"floor_atomic {how} {threads}", floor="atomic",
                         how=how, threads=threads, **wanted)

    def _read_atomics(self):
        self.private = self._floor("private", 1)
        self.clock = self._floor("clock", 1)
        self.copy = {size: self._floor("copy", 1, bytes=size) for size in self.sizes_of("copy")}
        self.transfer = self._transfer("near")
        self.far_transfer = self._transfer("far")
        self.contended = {policy: self._contended(policy) for policy in POLICIES}

    def _transfer(self, place):
        """None where the machine has only one processor, or one node, and so nothing to measure."""
        lines = [line["ns_per_op"] for line in self.lines
                 if matches(line, {"how": "turns", "threads": 2, "place": place})]
        return median(lines) if lines else None

    def sizes_of(self, how):
        return sorted({line["bytes"] for line in self.lines if line.get("how") == how})

    def _contended(self, policy):
        threads = {line["threads"] for line in self.lines
                   if matches(line, {"floor": "atomic", "how": policy})}
        if 1 not in threads:
            raise ModelError(f"the costs lack floor_atomic {policy} 1")
        return {count: self._floor(policy, count) for count in threads}

    def _read_wakes(self):
        self.wake_first = self._floor("wake", 1)
        many = self._floor("wake", WAKE_MANY) * WAKE_MANY
        self.wake_more = max(0.0, (many - self.wake_first) / (WAKE_MANY - 1))
        self.hop = 1e9 / self._wakes(1, 1) / 2
        self.switch = self.processors * 1e9 / self._wakes(256, 2)

    def _wakes(self, threads, groups):
        return median_of(self.lines, "wakes_per_s", f"floor_wake {threads}", floor="wake",
                         threads=threads, groups=groups)

    def _read_device(self):
        small = self._flush(BLOCK_BYTES)
        large = self._flush(1 << 20)
        self.flush_byte = max(0.0, (large - small) / ((1 << 20) - BLOCK_BYTES))
        self.flush_fixed = small - self.flush_byte * BLOCK_BYTES

    def _flush(self, bytes_):
        return 1e9 / median_of(self.lines, "flushes_per_s", f"floor_depth of {bytes_} B",
                               floor="depth", depth=1, bytes=bytes_)

    def _read_runs(self):
        self.submit = {}
        self.commit = {}
        for engine in ("ring", "mutex"):
            for checksum in ("full", "header"):
                self.submit[engine, checksum] = self._submits(engine, checksum)
        for engine in ("ring", "mutex", "serial"):
            self.commit[engine] = self._commit(engine)

    def _run(self, engine, checksum, size, window):
        lines = [line["records_per_s"] for line in self.lines
                 if line.get("engine") == engine and line["size_bytes"] == size
                 and line["options"]["checksum"] == checksum
                 and line["options"]["window"] == window and line["writers"] == 1]
        if not lines:
            raise ModelError(f"the costs lack {engine}, 1 writer, {size} B, window {window}")
        return 1e9 / median(lines)

    def _submits(self, engine, checksum):
        sizes = {line["size_bytes"] for line in self.lines
                 if line.get("engine") == engine and line["options"]["window"] > 1}
        if not sizes:
            raise ModelError(f"the costs lack {engine}, 1 writer, in windows")
        return {size: self._run(engine, checksum, size, 1024) for size in sizes}

    def _commit(self, engine):
        """What an epoch costs besides its records and the device, from appends of one writer."""
        own = self.record("mutex" if engine == "serial" else engine, 512, "full")
        return max(0.0, self._run(engine, "full", 512, 1) - own)

    def record(self, engine, size, checksum):
        """Processor time of one record: checksum, place, copy, publishing.

        Below the least size that was measured the line may fall too far; half of it is kept.
        """
        points = self.submit["mutex" if engine == "serial" else engine, checksum]
        return max(interpolate(points, size), min(points.values()) / 2)


# ---- The machine and the load --------------------------------------------------------------------


class Machine:
    """A machine that the model is asked about.

    `pessimistic` takes what grows with the contenders as the worst that is known of it; without it
    the least. `contended` is what floors measured on this very machine, else empty.
    """

    def __init__(self, processors, nodes=1, near=0.0, far=0.0, pessimistic=False, contended=None):
        self.processors = processors
        self.nodes = nodes
        self.near = near
        self.far = far
        self.pessimistic = pessimistic
        self.contended = contended or {}

    def transfer(self, contenders):
        """Of a line to its next user, who may be on any node."""
        if contenders < 2:
            return 0.0
        elsewhere = 1 - 1 / self.nodes
        return (1 - elsewhere) * self.near + elsewhere * self.far


class Load:
    def __init__(self, writers, size=512, window=1, checksum="full", shards=8, batch=1):
        self.writers = writers
        self.size = size
        self.window = window
        self.checksum = checksum
        self.shards = shards
        self.batch = batch


class Device:
    def __init__(self, fixed, per_byte=0.0, spins=False):
        self.fixed = fixed
        self.per_byte = per_byte
        self.spins = spins

    def flush(self, records, size):
        return self.fixed + self.per_byte * epoch_bytes(max(1, records), size)


class Prediction:
    def __init__(self, records, cycle, limit):
        self.records_per_s = records * 1e9 / cycle
        self.limit = limit


def largest(terms):
    """The name and value of the largest of {name: ns}."""
    name = max(terms, key=terms.get)
    return name, terms[name]


# ---- What is shared by contenders ----------------------------------------------------------------


def grown(policy, contenders):
    """Lines that one reservation moves, as bad as it may get with many contenders."""
    lines = POLICY_LINES[policy]
    if policy == "ticket":  # every spinner reads the line again at each release
        return max(lines, 1 + contenders / 2)
    if policy == "cas":  # each success makes all the other tries fail
        return max(lines, contenders)
    return lines


def reserve(costs, policy, contenders, machine):
    """How long one reservation keeps the others out."""
    measured = machine.contended.get(policy, costs.contended[policy])
    if contenders < 2:
        return measured[1]
    lines = grown(policy, contenders) if machine.pessimistic else POLICY_LINES[policy]
    moved = lines * machine.transfer(contenders)
    if machine.contended:
        return max(moved, interpolate(measured, min(contenders, max(measured))))
    if machine.pessimistic and policy == "mutex":  # its next owner may sleep
        return max(moved, costs.hop)
    return max(moved, measured[1])


def wake_calls(costs, sleepers, machine):
    """What one thread pays to wake so many: an idle processor is interrupted, a busy one queues."""
    if sleepers < 1:
        return 0.0
    idle = machine.processors - 1 if machine.pessimistic or machine.contended else 1
    interrupted = max(1, min(sleepers, idle))
    return interrupted * costs.wake_first + (sleepers - interrupted) * costs.wake_more


# ---- Appends that block --------------------------------------------------------------------------


def turn_of_ring(costs, policy, load, machine, processors):
    """From a durable epoch until all of its writers are in the next one."""
    own = costs.record("ring", load.size, load.checksum)
    active = min(load.writers, machine.processors)
    line = max(reserve(costs, policy, active, machine), machine.transfer(active) / load.shards)
    calls = wake_calls(costs, load.writers - 1, machine)
    last = max(0.0, costs.hop - costs.wake_first) if load.writers > 1 else 0.0
    switch = costs.switch if load.writers > 1 else 0.0
    return {"wake calls": calls + last + own,
            "processors": load.writers * (switch + own) / processors,
            "head line": load.writers * line}


def ring_append(costs, policy, load, machine, device):
    """All writers ride on each sync while they are back in less than a sync; else in two groups."""
    commit = costs.commit["ring"]
    limit, turn = largest(turn_of_ring(costs, policy, load, machine, machine.processors))
    sync = device.flush(load.writers, load.size) + commit
    together = sync + turn
    half = device.flush(load.writers / 2, load.size) + commit
    free = max(1, machine.processors - 1) if device.spins else machine.processors
    terms = turn_of_ring(costs, policy, load, machine, free)
    terms["device"] = 2 * half + wake_calls(costs, load.writers - 1, machine)
    if load.writers < 2 or together <= max(terms.values()):
        return Prediction(load.writers, together, "device" if sync >= turn else limit)
    limit, cycle = largest(terms)
    if limit == "device" and 2 * half < cycle / 2:
        limit = "wake calls"
    return Prediction(load.writers, cycle, limit)


def mutex_append(costs, load, machine, device):
    """Each flush carries its leader and half of the others; its broadcast wakes all of them."""
    own = costs.record("mutex", load.size, load.checksum)
    others = load.writers - 1
    carried = 1 + others / 2
    active = min(load.writers, machine.processors)
    hand_over = reserve(costs, "mutex", active, machine) if others else 0.0
    free = max(1, machine.processors - 1) if device.spins else machine.processors
    calls = wake_calls(costs, others, machine)
    sync = device.flush(carried, load.size) + costs.commit["mutex"] + own
    limit, cycle = largest({"device": sync + calls,
                            "processors": (others * costs.switch + carried * own) / free,
                            "mutex": others * hand_over + carried * (own + hand_over)})
    if limit == "device" and calls > sync:
        limit = "wake calls"
    return Prediction(carried, cycle, limit)


def serial_append(costs, load, device):
    own = costs.record("serial", load.size, load.checksum)
    return Prediction(1, device.flush(1, load.size) + costs.commit["serial"] + own, "device")


# ---- Windows of submits --------------------------------------------------------------------------


def fill_of_ring(costs, policy, load, machine, processors):
    """Until every writer has submitted its window."""
    active = min(load.writers, machine.processors)
    lines = reserve(costs, policy, active, machine) / load.batch
    publish = machine.transfer(active) / load.batch
    own = costs.record("ring", load.size, load.checksum)
    if active > 1:
        own += lines + publish
    count = load.writers * load.window
    return {"processors": load.window * own * max(1.0, load.writers / processors),
            "head line": count * max(lines, publish / load.shards)}


def fill_of_mutex(costs, load, machine, processors):
    active = min(load.writers, machine.processors)
    own = costs.record("mutex", load.size, load.checksum)
    hand_over = reserve(costs, "mutex", active, machine) if active > 1 else 0.0
    return {"processors": load.window * own * max(1.0, load.writers / processors),
            "mutex": load.writers * load.window * (own + hand_over)}


def windows(costs, engine, policy, load, machine, device):
    """One half of the windows is filled while the other is written; then they change places."""
    in_flight = load.writers * load.window
    free = max(1, machine.processors - 1) if device.spins else machine.processors
    if engine == "ring":
        terms = fill_of_ring(costs, policy, load, machine, free)
    else:
        terms = fill_of_mutex(costs, load, machine, free)
    carried = in_flight if load.writers == 1 else in_flight / 2
    sync = device.flush(carried, load.size) + costs.commit[engine]
    limit, fill = largest(terms)
    hop = costs.hop if load.writers > 1 and device.fixed > 0 else 0.0
    # A lone writer under mutex has nothing written before it waits, and on a device without delay
    # there is nothing to overlap with.
    overlaps = device.fixed > 0 and (engine == "ring" or load.writers > 1)
    cycle = (max(fill, sync) if overlaps else fill) + sync + hop
    return Prediction(in_flight, cycle, limit if fill > sync else "device")


def predict(costs, engine, policy, load, machine, device):
    if engine == "serial":
        return serial_append(costs, load, device)
    if load.window > 1:
        return windows(costs, engine, policy, load, machine, device)
    if engine == "ring":
        return ring_append(costs, policy, load, machine, device)
    return mutex_append(costs, load, machine, device)


def log_per_node(costs, policy, load, machine, device):
    """As many logs as nodes, each with a device and with the writers of its node."""
    nodes = machine.nodes
    share = Load(max(1, load.writers // nodes), load.size, load.window, load.checksum, load.shards)
    one = Machine(machine.processors // nodes, 1, machine.near, machine.far, machine.pessimistic)
    result = predict(costs, "ring", policy, share, one, device)
    result.records_per_s *= nodes
    return result
