"""A trace of logfile-bench as cycles of group commit, and where the time of one goes.

A cycle lasts from where one flush's write begins to where the next one's does. Its parts follow
each other without a gap, so that they add up:

  write        the call that writes; with a write that syncs (dsync) there is none of its own
  sync         the call that syncs, and what lies between the two
  to_wake      until the flusher's call that wakes the writers
  wake         that call
  come_back    until the last of those that it woke has run
  gather       until the next flush's write begins

Where two of them overlap, as when the next flush begins before all have run, the later one is cut
off. Write and sync have parts of their own: until the disk has their first request, until it has
done the last, until the flusher is woken, and until it returns.
"""

import bisect
import re

from .fields import BadInput
from .trace import IDLE, TIMED_OUT

PARTS = ("write", "sync", "to_wake", "wake", "come_back", "gather")
CALL_PARTS = ("to_disk", "disk", "to_waking", "to_return")
# Workers of the kernel that make a flusher's requests in its place: kblockd, a journal.
WORKER = re.compile(r"kworker/\d+:\d+H|jbd2/|xfs|kworker/.*-(xfs|btrfs|dio)")
KERNEL_NAMES = re.compile(r"kworker/|ksoftirqd/|migration/|rcu|jbd2/|kthreadd|kswapd|kcompactd")
CLASSES = ("flusher", "writers", "preparer", "kernel", "others", "idle")
MAIN_NAME = "logfile-bench"


class Threads:
    """Who is who. `names`: of the bench's threads, by their ids; `kernel`: ids of the kernel's."""

    def __init__(self, process, names, kernel=()):
        self.process = process
        self.kernel = set(kernel)
        self.roles = {thread: self.of_bench(thread, name) for thread, name in names.items()}

    def of_bench(self, thread, name):
        if name == MAIN_NAME:
            return "others" if thread == self.process else "writers"
        return {"lf-sequencer": "sequencer", "lf-preparer": "preparer"}.get(name, "others")

    def role(self, thread, name=""):
        if thread == IDLE:
            return "idle"
        if thread in self.roles:
            return self.roles[thread]
        return "kernel" if thread in self.kernel or KERNEL_NAMES.match(name) else "others"

    def flushes(self, thread):
        return self.roles.get(thread) in ("writers", "sequencer")

    @property
    def writers(self):
        return {thread for thread, role in self.roles.items() if role == "writers"}


class Times:
    """Intervals that do not overlap, in order, and how much of them lies in another one."""

    def __init__(self, intervals):
        self.begins, self.ends, self.before = [], [], []
        total = 0
        for begin, end in intervals:
            self.begins.append(begin)
            self.ends.append(end)
            self.before.append(total)
            total += end - begin

    def until(self, at):
        index = bisect.bisect_right(self.begins, at) - 1
        if index < 0:
            return 0
        return self.before[index] + min(at, self.ends[index]) - self.begins[index]

    def within(self, begin, end):
        return self.until(end) - self.until(begin)

    def holds(self, at):
        index = bisect.bisect_right(self.begins, at) - 1
        return index >= 0 and at < self.ends[index]

    def next_begin(self, at):
        """Of the interval that `at` is in: `at` itself. None after the last one."""
        if self.holds(at):
            return at
        index = bisect.bisect_left(self.begins, at)
        return self.begins[index] if index < len(self.begins) else None


NEVER = Times([])


class Flush:
    """`sync` is the write itself if that syncs, and None if nothing does."""

    def __init__(self, write):
        self.thread = write.thread
        self.write = write
        self.write_end = write.end
        self.sync = write if write.syncs else None

    @property
    def begin(self):
        return self.write.begin

    @property
    def end(self):
        return self.sync.end if self.sync else self.write_end


def flushes_of(calls, threads):
    """In order. A write that the kernel did only in part is followed by another before the sync."""
    found, last = [], {}
    syncs = any(call.name == "fdatasync" and threads.flushes(call.thread) for call in calls)
    for call in calls:
        if not threads.flushes(call.thread):
            continue
        flush = last.get(call.thread)
        is_due = flush is not None and flush.sync is None and syncs
        if call.name == "pwritev2" and is_due:
            flush.write_end = call.end
        elif call.name == "pwritev2":
            last[call.thread] = Flush(call)
            found.append(last[call.thread])
        elif call.name == "fdatasync" and is_due:
            flush.sync = call
    return sorted(found, key=lambda flush: flush.begin)


class Cycle:
    """One flush and what follows it. `marks` are the times at which its parts begin and the last
    one ends; `inner` those of the parts of write and sync; `woken` (time, thread) of each writer
    that its call has woken."""

    def __init__(self, flush, following):
        self.flush = flush
        self.following = following
        self.begin, self.end = flush.begin, following.begin
        self.wake = None
        self.woken = []
        self.marks = None
        self.inner = {}

    @property
    def length(self):
        return self.end - self.begin

    @property
    def hops(self):
        return self.flush.thread != self.following.thread

    def part(self, name):
        """Its interval."""
        if name == "cycle":
            return self.begin, self.end
        if name in PARTS:
            index = PARTS.index(name)
            return self.marks[index], self.marks[index + 1]
        call, inner = name.split(".")
        index = CALL_PARTS.index(inner)
        return self.inner[call][index], self.inner[call][index + 1]


def rising(marks, end):
    """Each no earlier than the one before, and none beyond the end."""
    found = []
    for mark in marks:
        found.append(min(max(mark, found[-1] if found else mark), end))
    return found


class Analysis:
    """All whole cycles of a trace."""

    def __init__(self, trace, threads):
        self.trace = trace
        self.threads = threads
        self.by_thread = grouped(trace.calls, lambda call: call.thread)
        self.by_waker = grouped(trace.wakings, lambda waking: waking[1])
        self.by_woken = grouped(trace.wakings, lambda waking: waking[2])
        self.done = [request for request in trace.requests if request.end is not None]
        self.request_begins = [request.begin for request in self.done]
        self.on_processor = runs_by_thread(trace.runs)
        self.busy = [Times((run.begin, run.end) for run in runs if run.thread != IDLE)
                     for _, runs in sorted(trace.runs.items())]
        flushes = flushes_of(trace.calls, threads)
        self.cycles = [Cycle(*pair) for pair in zip(flushes, flushes[1:])
                       if pair[1].begin >= pair[0].end]
        if len(self.cycles) < 2:
            raise BadInput("fewer than two whole cycles in the trace")
        for cycle in self.cycles:
            self.divide(cycle)
        self.begin, self.end = self.cycles[0].begin, self.cycles[-1].end
        self.owned = self.flusher_times()
        self.writer_begins = sorted(at for thread in threads.writers
                                    for at in self.on_processor.get(thread, NEVER).begins)

    # ---- One cycle -----------------------------------------------------------------------------

    def divide(self, cycle):
        flush = cycle.flush
        cycle.wake = self.wake_of(cycle)
        if cycle.wake:
            cycle.woken = [(at, thread) for at, _, thread in between(
                self.by_waker.get(flush.thread, []), cycle.wake.begin, cycle.wake.end)
                if thread in self.threads.writers]
        wake_begin = cycle.wake.begin if cycle.wake else flush.end
        wake_end = cycle.wake.end if cycle.wake else flush.end
        has_run = [self.runs_at(thread, at) for at, thread in cycle.woken]
        last_run = max((at for at in has_run if at is not None), default=wake_end)
        write_end = flush.begin if flush.sync is flush.write else flush.write_end
        cycle.marks = rising([flush.begin, write_end, flush.end, wake_begin, wake_end, last_run,
                              cycle.end], cycle.end)
        for name in ("write", "sync"):
            cycle.inner[name] = self.marks_of_call(flush.thread, *cycle.part(name))

    def wake_of(self, cycle):
        """The call that wakes most, at the latest while the next flush is under way: a flusher may
        hand over before it wakes."""
        calls = self.by_thread[cycle.flush.thread]
        most = None
        for call in calls[first_from(calls, cycle.flush.end):]:
            if call.begin >= cycle.following.end or call.name == "pwritev2":
                break
            if call.is_wake and call.result >= 1 and (most is None or call.result > most.result):
                most = call
        return most

    def is_own(self, request, flusher):
        """Whether a request is for a call of the flusher's: made by itself, or by the kernel for
        it. A flush may be for another one too."""
        if request.thread == flusher:
            return True
        return (self.threads.role(request.thread, request.comm) == "kernel"
                and (request.is_flush or bool(WORKER.match(request.comm))))

    def own_requests(self, flusher, begin, end):
        """Of a call: those that it waits for."""
        first = bisect.bisect_left(self.request_begins, begin)
        last = bisect.bisect_right(self.request_begins, end)
        return [request for request in self.done[first:last]
                if request.end <= end and self.is_own(request, flusher)]

    def marks_of_call(self, flusher, begin, end):
        own = self.own_requests(flusher, begin, end)
        if not own:
            return [begin, end, end, end, end]
        done = max(request.end for request in own)
        waking = next((at for at, _, _ in between(self.by_woken.get(flusher, []), done, end)), done)
        return rising([begin, min(request.begin for request in own), done, waking, end], end)

    def runs_at(self, thread, at):
        """When it runs, that was woken then."""
        return self.on_processor.get(thread, NEVER).next_begin(at)

    def flusher_times(self):
        """When a thread was the flusher, by its id."""
        found = {}
        for cycle in self.cycles:
            found.setdefault(cycle.flush.thread, []).append((cycle.begin, cycle.part("wake")[1]))
        return {thread: Times(intervals) for thread, intervals in found.items()}

    # ---- Who uses what -------------------------------------------------------------------------

    def busy_within(self, begin, end):
        """Of all processors together."""
        return sum(times.within(begin, end) for times in self.busy)

    def ran_within(self, thread, begin, end):
        return self.on_processor.get(thread, NEVER).within(begin, end)

    def class_of(self, thread):
        """Of what it does when it is not the flusher."""
        role = self.threads.role(thread, self.trace.names.get(thread, ""))
        return "flusher" if role == "sequencer" else role

    def pieces(self, run):
        """(class, begin, end) of a run of a writer that is the flusher for a part of it."""
        name = self.class_of(run.thread)
        owned = self.owned.get(run.thread)
        if owned is None or name != "writers":
            return [(name, run.begin, run.end)]
        found, at = [], run.begin
        index = max(0, bisect.bisect_right(owned.begins, run.begin) - 1)
        while index < len(owned.begins) and owned.begins[index] < run.end:
            begin, end = max(at, owned.begins[index]), min(run.end, owned.ends[index])
            if end > begin:
                found += [("writers", at, begin), ("flusher", begin, end)]
                at = end
            index += 1
        return [piece for piece in (*found, ("writers", at, run.end)) if piece[2] > piece[1]]

    def use_of_processors(self):
        """{processor: {class: microseconds}} over all cycles."""
        found = {}
        for processor, runs in sorted(self.trace.runs.items()):
            total = dict.fromkeys(CLASSES, 0)
            for run in runs:
                for name, begin, end in self.pieces(run):
                    total[name] += max(0, min(end, self.end) - max(begin, self.begin))
            found[processor] = total
        return found

    def busy_at_once(self):
        """[share of the time with 0, 1, 2 ... processors busy]."""
        changes = [(at, step) for times in self.busy for begin, end in zip(times.begins, times.ends)
                   for at, step in ((begin, 1), (end, -1))]
        shares, level, last = [0] * (len(self.busy) + 1), 0, self.begin
        for at, step in sorted(changes) + [(self.end, 0)]:
            place = min(max(at, self.begin), self.end)
            shares[level] += place - last
            last, level = place, level + step
        return [share / (self.end - self.begin) for share in shares]

    # ---- Figures -------------------------------------------------------------------------------

    def latencies(self):
        """From being woken by a flush to running."""
        found = []
        for cycle in self.cycles:
            for at, thread in cycle.woken:
                runs = self.runs_at(thread, at)
                if runs is not None:
                    found.append(runs - at)
        return found

    def began_by_time(self, flush):
        """Whether the flusher had waited for others, and its time was over."""
        calls = self.by_thread[flush.thread]
        index = first_from(calls, flush.begin) - 1
        return index >= 0 and calls[index].name == "futex" and calls[index].result == TIMED_OUT

    def next_flusher(self, cycle):
        """(from being woken to running, how many writers began to run meanwhile, from running to
        its write) of the thread that flushes next; None if it was not woken in this cycle."""
        flush = cycle.following
        wakings = between(self.by_woken.get(flush.thread, []), cycle.flush.end, flush.begin)
        if not wakings:
            return None
        woken = wakings[-1][0]
        runs = self.runs_at(flush.thread, woken)
        if runs is None:  # it ran, and was about to sleep
            return None
        behind = bisect.bisect_left(self.writer_begins, runs) - bisect.bisect_right(
            self.writer_begins, woken)
        return runs - woken, max(0, behind), flush.begin - runs

    def zeros(self):
        """The calls with which the preparer writes, and those with which it syncs."""
        calls = [call for call in self.trace.calls
                 if self.threads.roles.get(call.thread) == "preparer"
                 and call.begin < self.end and call.end > self.begin]
        return ([call for call in calls if call.name == "pwritev2"],
                [call for call in calls if call.name == "fdatasync"])

    def typical(self):
        """The index of a cycle of median length that another one follows."""
        order = sorted(range(len(self.cycles) - 1), key=lambda index: self.cycles[index].length)
        return order[(len(order) - 1) // 2]


def grouped(items, key):
    found = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def first_from(calls, at):
    """The index of the first call that begins at `at` or later. One thread's calls are in order."""
    low, high = 0, len(calls)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if calls[middle].begin < at else (low, middle)
    return low


def between(wakings, begin, end):
    """Those from `begin` to `end`, of a list in order."""
    return wakings[bisect.bisect_left(wakings, (begin,)):bisect.bisect_left(wakings, (end + 1,))]


def runs_by_thread(runs):
    found = {}
    for of_processor in runs.values():
        for run in of_processor:
            if run.thread != IDLE:
                found.setdefault(run.thread, []).append((run.begin, run.end))
    return {thread: Times(sorted(intervals)) for thread, intervals in found.items()}
