"""The kernel's own tracing, in an instance of tracefs that nobody else's tracing sees.

tracefs is mounted in a private place if it is not there, and what was made is removed in any case.
Only a kill -9 leaves the instance behind; the next one to be made removes it.
"""

import ctypes
import os
import re
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
PREFIX = "logfile-cycle-"
# Threads of the bench have its name, and threads of a log their own.
OF_BENCH = 'comm == "logfile-bench" || comm ~ "lf-*"'
# By event: its filter. All switches count, also those between threads of others: a filter by thread
# (set_event_pid) would leave out who keeps a processor from the bench.
EVENTS = {
    "sched/sched_switch": None, "sched/sched_waking": None,
    "block/block_rq_issue": None, "block/block_rq_complete": None,
    **{f"syscalls/sys_{end}_{call}": OF_BENCH for end in ("enter", "exit")
       for call in ("pwritev2", "fdatasync", "futex")},
}
# Of all processors together, for each second: 256 writers fill about half of it.
BYTES_A_SECOND = 256 << 20
LEAST_KB = 1024


class NotPermitted(Exception):
    """Why there is nothing to trace with, in one line."""


def unescaped(name):
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), name)


def mount_point():
    """Where tracefs is mounted; None where it is not."""
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = line.split()
            if words[2] == "tracefs":
                return unescaped(words[1])
    return None


def mount():
    """In a folder of our own."""
    folder = tempfile.mkdtemp(prefix=PREFIX)
    if LIBC.mount(b"tracefs", os.fsencode(folder), b"tracefs", 0, None) != 0:
        reason = os.strerror(ctypes.get_errno())
        os.rmdir(folder)
        raise NotPermitted(f"tracefs is not mounted, and mounting it failed: {reason}")
    return folder


def available_kb():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))


class Instance:
    """A context. What is in it is recorded from begin() to end()."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.mounted = None
        self.folder = None
        self.file = None

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def put(self, name, value):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(value)

    def __enter__(self):
        root = mount_point()
        if root is None:
            root = self.mounted = mount()
        try:
            self.make(os.path.join(root, "instances"))
            self.prepare()
        except OSError as error:
            self.remove()
            raise NotPermitted(f"tracing: {error.filename or root}: {error.strerror}") from None
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def make(self, instances):
        for name in os.listdir(instances):
            if name.startswith(PREFIX) and not os.path.exists(f"/proc/{name[len(PREFIX):]}"):
                os.rmdir(os.path.join(instances, name))
        folder = os.path.join(instances, f"{PREFIX}{os.getpid()}")
        os.mkdir(folder)
        self.folder = folder

    def prepare(self):
        processors = os.cpu_count()
        wanted_kb = int(BYTES_A_SECOND * (0.1 + self.seconds)) // processors >> 10
        self.put("tracing_on", "0")
        self.put("trace_clock", "mono")
        self.put("options/overwrite", "0")
        self.put("options/irq-info", "0")
        self.put("buffer_size_kb", str(max(LEAST_KB,
                                           min(wanted_kb, available_kb() // 4 // processors))))
        for event, condition in EVENTS.items():
            if condition:
                self.put(f"events/{event}/filter", condition)

    def enable(self, is_on):
        """Events cost time also while nothing is recorded: they are on for no longer than that."""
        for event in EVENTS:
            self.put(f"events/{event}/enable", "1" if is_on else "0")

    def begin(self):
        self.enable(True)
        self.put("tracing_on", "1")

    def end(self):
        self.put("tracing_on", "0")
        self.enable(False)

    def lost(self):
        """How many events did not fit."""
        total = 0
        for name in os.listdir(self.path("per_cpu")):
            with open(self.path("per_cpu", name, "stats"), encoding="ascii") as file:
                total += sum(int(line.split(":")[1]) for line in file
                             if line.startswith(("overrun:", "commit overrun:", "dropped events:")))
        return total

    def lines(self):
        """Until the instance is removed."""
        self.file = open(self.path("trace"), encoding="utf-8", errors="replace")
        return self.file

    def remove(self):
        """With all that is on in it; but none of its files may be open."""
        if self.file:
            self.file.close()
        if self.folder:
            os.rmdir(self.folder)
            self.folder = None
        if self.mounted:
            if LIBC.umount2(os.fsencode(self.mounted), 0) == 0:
                os.rmdir(self.mounted)
            self.mounted = None
