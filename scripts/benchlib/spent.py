"""The figures of cycles: what each part takes, who flushes, who runs, and what preparing adds."""

from .cycles import CALL_PARTS, CLASSES, PARTS
from .stats import median

WORDS = {
    "cycle": "cycle", "write": "write call", "sync": "sync call", "to_wake": "until the wake call",
    "wake": "wake call", "come_back": "until the last one woken has run",
    "gather": "until the next flush begins",
    "to_disk": "until the disk has it", "disk": "the disk",
    "to_waking": "until the flusher is woken", "to_return": "until it returns",
}
# Rows of the table, in its order.
ROWS = ("cycle", *(row for part in PARTS for row in (
    part, *(f"{part}.{inner}" for inner in CALL_PARTS if part in ("write", "sync")))))


def words_of(row):
    depth = 0 if row == "cycle" else 1 + row.count(".")
    return "  " * depth + WORDS[row.rsplit(".", 1)[-1]]


def quantile(values, share):
    """The least of the values that at least so many of them do not pass."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def spread_of(values):
    """Of any numbers; None of nothing."""
    if not values:
        return None
    return {"count": len(values), "mean": sum(values) / len(values), "median": median(values),
            **{f"p{share}": quantile(values, share / 100) for share in (10, 90, 99)}}


def share_of(flags):
    flags = list(flags)
    return sum(flags) / len(flags) if flags else None


def part_figures(analysis, row, whole_us):
    """Of a row of the table. The flusher is done after its wake call."""
    cycles = analysis.cycles
    intervals = [cycle.part(row) for cycle in cycles]
    lengths = [end - begin for begin, end in intervals]
    total = sum(lengths)
    ran = sum(analysis.ran_within(cycle.flush.thread, *interval)
              for cycle, interval in zip(cycles, intervals))
    busy = sum(analysis.busy_within(*interval) for interval in intervals)
    has_flusher = row not in ("cycle", "come_back", "gather")
    return {"part": row, **spread_of(lengths), "share": total / whole_us,
            "busy_processors": busy / total if total else None,
            "flusher_runs": ran / total if total and has_flusher else None}


def flusher_figures(analysis):
    cycles = analysis.cycles
    found = [one for one in map(analysis.next_flusher, cycles) if one is not None]
    return {
        "by_sequencer": share_of(analysis.threads.roles[cycle.flush.thread] == "sequencer"
                                 for cycle in cycles),
        "hops": share_of(cycle.hops for cycle in cycles),
        "began_by_time": share_of(analysis.began_by_time(cycle.following) for cycle in cycles),
        "next_wake_us": spread_of([wake for wake, _, _ in found]),
        "next_behind_writers": spread_of([behind for _, behind, _ in found]),
        "next_run_to_write_us": spread_of([run for _, _, run in found]),
    }


def overlaps(call, cycle):
    return call.begin < cycle.flush.end and call.end > cycle.begin


def beside(calls, cycles):
    """By cycle: whether one of the calls is under way during its write and sync."""
    found, first = [], 0
    for cycle in cycles:
        while first < len(calls) and calls[first].end <= cycle.begin:
            first += 1
        found.append(first < len(calls) and overlaps(calls[first], cycle))
    return found


def with_and_without(flags, values):
    """(spread of the values with the flag, spread of those without)."""
    return tuple(spread_of([value for flag, value in zip(flags, values) if flag is wanted])
                 for wanted in (True, False))


def zero_figures(analysis):
    writes, syncs = analysis.zeros()
    cycles = analysis.cycles
    flags = beside(writes, cycles)
    sync_flags = beside(syncs, cycles)
    lengths = with_and_without(flags, [cycle.length for cycle in cycles])
    commits = with_and_without(flags, [cycle.flush.end - cycle.begin for cycle in cycles])
    return {
        "writes": len(writes), "bytes": sum(max(0, call.result) for call in writes),
        "write_us": spread_of([call.end - call.begin for call in writes]),
        "syncs": len(syncs), "sync_us": spread_of([call.end - call.begin for call in syncs]),
        "beside_commits": share_of(flags), "syncs_beside_commits": share_of(sync_flags),
        "cycle_with_us": lengths[0], "cycle_without_us": lengths[1],
        "commit_with_us": commits[0], "commit_without_us": commits[1],
    }


def sync_figures(analysis):
    """Some syncs write before they flush the disk's cache: an inode, or a journal."""
    cycles = [cycle for cycle in analysis.cycles if cycle.flush.sync is not None
              and cycle.flush.sync is not cycle.flush.write]
    flags = [any(request.size for request in analysis.own_requests(
        cycle.flush.thread, *cycle.part("sync"))) for cycle in cycles]
    lengths = with_and_without(flags, [end - begin for begin, end in
                                       (cycle.part("sync") for cycle in cycles)])
    return {"that_write": share_of(flags), "that_write_us": lengths[0],
            "that_do_not_us": lengths[1]}


def processor_figures(analysis):
    length = analysis.end - analysis.begin
    return [{"processor": processor, **{name: use[name] / length for name in CLASSES}}
            for processor, use in analysis.use_of_processors().items()]


def figures(analysis):
    """All of it, fit for JSON. Times are microseconds, shares are of 1."""
    length = analysis.end - analysis.begin
    whole = sum(cycle.length for cycle in analysis.cycles)
    return {
        "cycles": len(analysis.cycles), "traced_us": length,
        "parts": [part_figures(analysis, row, whole) for row in ROWS],
        "flusher": flusher_figures(analysis),
        "processors": processor_figures(analysis),
        "busy_at_once": analysis.busy_at_once(),
        "woken": spread_of([len(cycle.woken) for cycle in analysis.cycles]),
        "wake_latency_us": spread_of(analysis.latencies()),
        "syncs": sync_figures(analysis), "zeros": zero_figures(analysis),
        "commit_us": spread_of([cycle.flush.end - cycle.begin for cycle in analysis.cycles]),
        "sync_us": spread_of([cycle.flush.end - cycle.flush.sync.begin
                              for cycle in analysis.cycles if cycle.flush.sync]),
    }
