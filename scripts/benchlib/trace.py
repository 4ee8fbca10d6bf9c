"""What a trace of the kernel says: calls, requests of the disk, and who runs on which processor.

The text is that of the file "trace" of tracefs, whose times are microseconds.
"""

import re

from .fields import BadInput

LINE = re.compile(r"\s*(.*)-(\d+)\s+\[(\d+)\]\s+(?:\S+\s+)?(\d+)\.(\d{6}): (.*)")
SWITCH = re.compile(r"sched_switch: prev_comm=(.*) prev_pid=(\d+) prev_prio=-?\d+"
                    r" prev_state=(\S+) ==> next_comm=(.*) next_pid=(\d+) next_prio=")
WAKING = re.compile(r"sched_waking: comm=(.*) pid=(\d+) prio=")
ISSUE = re.compile(r"block_rq_issue: (\d+,\d+) (\w+) (\d+) \(.*?\) (\d+) \+ ")
COMPLETE = re.compile(r"block_rq_complete: (\d+,\d+) (\w+) \(.*?\) (\d+) \+ ")
ENTER = re.compile(r"sys_(\w+)\((.*)\)$")
EXIT = re.compile(r"sys_(\w+) -> (-?\w+)")
LOST = re.compile(r"CPU:\d+ \[LOST ")

FUTEX_COMMAND = 0x7f
# WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, WAKE_BITSET.
FUTEX_WAKES = (1, 3, 4, 5, 10)
RWF_DSYNC = 2
TIMED_OUT = -110
IDLE = 0
RUNNING, WAITING, ASLEEP = "running", "waiting", "asleep"


class Call:
    """A system call. `words` are its arguments as they were printed."""

    def __init__(self, name, thread, begin, words):
        self.name = name
        self.thread = thread
        self.begin = begin
        self.end = None
        self.result = None
        self.words = words

    def argument(self, key):
        found = re.search(rf"\b{key}: (\w+)", self.words)
        return int(found.group(1), 16) if found else 0

    @property
    def is_wake(self):
        return self.name == "futex" and self.argument("op") & FUTEX_COMMAND in FUTEX_WAKES

    @property
    def syncs(self):
        return self.name == "fdatasync" or bool(self.argument("flags") & RWF_DSYNC)


class Request:
    """What the disk was asked for; `end` is None if the trace ended before it was done."""

    def __init__(self, thread, comm, kind, size, begin):
        self.thread = thread
        self.comm = comm
        self.kind = kind
        self.size = size
        self.begin = begin
        self.end = None

    @property
    def is_flush(self):
        """Of the disk's cache."""
        return "F" in self.kind


class Run:
    """A thread, or IDLE, on a processor."""

    def __init__(self, thread, begin, end=None):
        self.thread = thread
        self.begin = begin
        self.end = end


class Trace:
    """`calls` that began and ended in it, `requests`, `runs` of each processor from the trace's
    begin to its end, `wakings` as (time, by whom, whom), and `states` as (time, thread, state)
    where a thread's state changes; all in the order of the trace, but calls in that of their ends.
    """

    def __init__(self, lines):
        self.calls, self.requests, self.wakings, self.states = [], [], [], []
        self.runs, self.names, self.state_of = {}, {}, {}
        self.open_calls, self.open_requests = {}, {}
        self.begin = self.end = None
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("#"):
                self.take(line, number)
        if self.begin is None:
            raise BadInput("the trace is empty")
        for runs in self.runs.values():
            runs[-1].end = self.end

    def take(self, line, number):
        found = LINE.match(line)
        if not found:
            reason = "events are lost" if LOST.match(line) else "not understood"
            raise BadInput(f"the trace, line {number}: {reason}: {line.strip()}")
        _, thread, processor, seconds, micros, words = found.groups()
        thread, at = int(thread), int(seconds) * 1000000 + int(micros)
        self.begin = at if self.begin is None else self.begin
        self.end = at
        if words.startswith("sched_switch"):
            self.switch(SWITCH.match(words).groups(), int(processor), at)
        elif words.startswith("sched_waking"):
            self.waking(thread, int(WAKING.match(words).group(2)), at)
        elif words.startswith("sys_"):
            self.call(words, thread, at)
        elif words.startswith("block_rq_"):
            self.request(words, thread, at)

    def enter_state(self, thread, state, at):
        if thread != IDLE:
            self.state_of[thread] = state
            self.states.append((at, thread, state))

    def switch(self, words, processor, at):
        old_name, old, state, new_name, new = words
        old, new = int(old), int(new)
        self.names[old], self.names[new] = old_name, new_name
        runs = self.runs.setdefault(processor, [Run(old, self.begin)])
        runs[-1].end = at
        runs.append(Run(new, at))
        self.enter_state(old, WAITING if state.startswith("R") else ASLEEP, at)
        self.enter_state(new, RUNNING, at)

    def waking(self, waker, woken, at):
        self.wakings.append((at, waker, woken))
        if self.state_of.get(woken) != RUNNING:
            self.enter_state(woken, WAITING, at)

    def call(self, words, thread, at):
        began, ended = ENTER.match(words), EXIT.match(words)
        if began:
            self.open_calls[thread] = Call(began.group(1), thread, at, began.group(2))
            return
        call = self.open_calls.pop(thread, None)
        if call and ended and call.name == ended.group(1):
            call.end = at
            call.result = signed(ended.group(2))
            self.calls.append(call)

    def request(self, words, thread, at):
        issued, done = ISSUE.match(words), COMPLETE.match(words)
        if issued:
            device, kind, size, sector = issued.groups()
            request = Request(thread, words[words.rindex("[") + 1:-1], kind, int(size), at)
            self.requests.append(request)
            self.open_requests.setdefault(key_of(device, kind, sector), []).append(request)
        elif done:
            # What had been issued before the trace began is not known here; nor is what the kernel
            # merged into another flush.
            waiting = self.open_requests.get(key_of(*done.groups()))
            if waiting:
                waiting.pop(0).end = at


def key_of(device, kind, sector):
    """By which an end finds its beginning. A flush has no place on the disk."""
    return (device, kind, None if kind.startswith("FF") else sector)


def signed(text):
    """What a call returned: printed as 64 bits in hexadecimal."""
    value = int(text, 16)
    return value - (1 << 64) if value >> 63 else value
