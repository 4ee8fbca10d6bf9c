"""scripts/cycle: what a recorded trace's cycles are made of, and a real trace if it may be made."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree as tree

from support import HERE, SCRIPTS, Case

from benchlib import spent, timeline, tracing
from benchlib.cycles import PARTS, Analysis, Threads, flushes_of
from benchlib.fields import BadInput
from benchlib.trace import IDLE, Trace

# Of the recorded trace: four writers, the preparer, the sequencer, and the main thread.
PROCESS = 10223
NAMES = {PROCESS: "logfile-bench", 10241: "logfile-bench", 10242: "logfile-bench",
         10243: "logfile-bench", 10244: "logfile-bench", 10249: "lf-preparer",
         10258: "lf-sequencer"}
BEGIN = 2047968103


def recorded():
    with open(os.path.join(HERE, "cycle.trace"), encoding="utf-8") as file:
        return file.readlines()


def analysed(lines=None):
    return Analysis(Trace(lines or recorded()), Threads(PROCESS, NAMES))


class Lines:
    """A trace that is made up, in the kernel's words."""

    def __init__(self):
        self.lines = []

    def add(self, at, thread, words, processor=0):
        when = f"{at // 10 ** 6}.{at % 10 ** 6:06}"
        self.lines.append(f"  name-{thread} [{processor:03}] {when}: {words}\n")

    def switch(self, at, old, new, state="S", processor=0):
        self.add(at, old, f"sched_switch: prev_comm=a prev_pid={old} prev_prio=120"
                          f" prev_state={state} ==> next_comm=b next_pid={new} next_prio=120",
                 processor)

    def call(self, begin, end, thread, name, words="", result=0):
        self.add(begin, thread, f"sys_{name}({words})")
        self.add(end, thread, f"sys_{name} -> 0x{result & (1 << 64) - 1:x}")

    def sorted(self):
        return sorted(self.lines, key=lambda line: re.search(r"\] (\S+):", line).group(1))


class Parsing(unittest.TestCase):
    def test_calls_requests_and_runs(self):
        trace = Trace(recorded())
        zeros = next(call for call in trace.calls if call.thread == 10249 and
                     call.name == "pwritev2")
        self.assertEqual((zeros.begin, zeros.end, zeros.result), (2047968676, 2047969092, 0x40000))
        wake = next(call for call in trace.calls if call.is_wake)
        self.assertEqual((wake.thread, wake.result), (10241, 3))
        timed_out = [call.thread for call in trace.calls if call.result == -110]
        self.assertEqual(timed_out[:2], [10242, 10241])
        flush = next(one for one in trace.requests if one.is_flush)
        self.assertEqual((flush.comm, flush.begin, flush.end),
                         ("kworker/1:0H", 2047968331, 2047968371))
        self.assertEqual({runs[-1].end for runs in trace.runs.values()}, {trace.end})
        for runs in trace.runs.values():
            self.assertEqual(runs[0].begin, trace.begin)
            for run, after in zip(runs, runs[1:]):
                self.assertEqual(run.end, after.begin)

    def test_a_request_that_is_still_under_way_has_no_end(self):
        self.assertIsNone(Trace(recorded()).requests[-1].end)

    def test_columns_of_interrupts_may_be_there(self):
        with_flags = [re.sub(r"(\[\d+\])", r"\1 d..2.", line) for line in recorded()]
        self.assertEqual(len(Trace(with_flags).calls), len(Trace(recorded()).calls))

    def test_what_is_no_whole_trace_is_refused(self):
        for words, lines in (("empty", ["# tracer: nop\n"]), ("events are lost", [
                *recorded()[:9], "CPU:1 [LOST 7 EVENTS]\n"]), ("line 2.*not understood", [
                    recorded()[0], "what?\n"])):
            with self.assertRaisesRegex(BadInput, words):
                Trace(lines)


class Cycles(unittest.TestCase):
    def test_each_begins_with_a_write_and_ends_with_the_next(self):
        found = analysed()
        self.assertEqual([cycle.begin - BEGIN for cycle in found.cycles], [0, 326, 658])
        self.assertEqual([cycle.length for cycle in found.cycles], [326, 332, 882])
        self.assertEqual([cycle.flush.thread for cycle in found.cycles], [10244, 10243, 10243])

    def test_parts_of_a_cycle_by_hand(self):
        cycle = analysed().cycles[0]
        self.assertEqual([mark - BEGIN for mark in cycle.marks], [0, 112, 278, 281, 296, 318, 326])
        self.assertEqual([mark - BEGIN for mark in cycle.inner["write"]], [0, 23, 99, 100, 112])
        self.assertEqual([mark - BEGIN for mark in cycle.inner["sync"]], [112, 120, 268, 269, 278])
        self.assertEqual([thread for _, thread in cycle.woken], [10243, 10241, 10242])

    def test_parts_add_up(self):
        for cycle in analysed().cycles:
            lengths = {name: end - begin for name, (begin, end) in
                       ((name, cycle.part(name)) for name in spent.ROWS)}
            self.assertGreaterEqual(min(lengths.values()), 0)
            self.assertEqual(sum(lengths[name] for name in PARTS), lengths["cycle"])
            for call in ("write", "sync"):
                inner = [lengths[name] for name in spent.ROWS if name.startswith(f"{call}.")]
                self.assertEqual(sum(inner), lengths[call])

    def test_latencies_and_who_is_next(self):
        found = analysed()
        self.assertEqual(found.latencies()[:3], [36, 6, 20])
        self.assertEqual(found.next_flusher(found.cycles[0]), (36, 2, 8))
        self.assertEqual([cycle.hops for cycle in found.cycles], [True, False, True])

    def test_zeros_beside_a_commit(self):
        zeros = spent.figures(analysed())["zeros"]
        self.assertEqual((zeros["writes"], zeros["bytes"]), (2, 2 * 262144))
        self.assertAlmostEqual(zeros["beside_commits"], 1 / 3)
        self.assertEqual(zeros["cycle_with_us"]["median"], 882)
        self.assertEqual(zeros["cycle_without_us"]["median"], 329)

    def test_syncs_that_write_metadata(self):
        syncs = spent.figures(analysed())["syncs"]
        self.assertAlmostEqual(syncs["that_write"], 2 / 3)
        self.assertEqual(syncs["that_do_not_us"]["median"], 96)

    def test_processors_are_used_by_somebody_all_the_time(self):
        for one in spent.figures(analysed())["processors"]:
            self.assertAlmostEqual(sum(share for name, share in one.items() if name != "processor"),
                                   1.0)

    def test_figures_are_json(self):
        found = json.loads(json.dumps(spent.figures(analysed())))
        self.assertEqual([part["part"] for part in found["parts"]], list(spent.ROWS))
        self.assertAlmostEqual(sum(part["share"] for part in found["parts"]
                                   if part["part"] in PARTS), 1.0)


class MadeUp(unittest.TestCase):
    """One processor's worth of a trace at a time, so that each rule is seen alone."""

    def flush(self, lines, at, thread, wakes=2):
        """10 us of writing, 20 of syncing, 5 of nothing, 5 of waking."""
        lines.call(at, at + 10, thread, "pwritev2", "fd: 1, flags: 0", 4096)
        lines.call(at + 10, at + 30, thread, "fdatasync", "fd: 1")
        if wakes:
            lines.call(at + 35, at + 40, thread, "futex", "op: 0x8a", wakes)

    def analysis(self, lines):
        return Analysis(Trace(lines.sorted()), Threads(1, {
            1: "logfile-bench", 2: "logfile-bench", 3: "logfile-bench", 4: "lf-sequencer",
            5: "lf-preparer"}))

    def test_the_call_that_wakes_most_is_the_wake_call(self):
        lines = Lines()
        for at in (100, 200, 300):
            self.flush(lines, at, 2)
            lines.call(at + 31, at + 33, 2, "futex", "op: 0x81", 1)
            lines.call(at + 50, at + 90, 2, "futex", "op: 0x89", 0)
        cycle = self.analysis(lines).cycles[0]
        self.assertEqual([end - begin for begin, end in map(cycle.part, PARTS)],
                         [10, 20, 5, 5, 0, 60])

    def test_what_is_later_than_the_next_flush_is_cut_off(self):
        """The sequencer begins while a leader still wakes."""
        lines = Lines()
        for at in (100, 240, 380):
            self.flush(lines, at, 2)
            self.flush(lines, at + 37, 4)
        cycle = self.analysis(lines).cycles[0]
        self.assertEqual((cycle.length, cycle.wake.end - 100), (37, 40))
        self.assertEqual(cycle.part("wake"), (135, 137))
        self.assertEqual(cycle.part("gather"), (137, 137))

    def test_a_write_in_two_parts_is_one_flush(self):
        lines = Lines()
        for at in (100, 200, 300):
            lines.call(at - 20, at - 10, 2, "pwritev2", "fd: 1, flags: 0", 4096)
            self.flush(lines, at, 2)
        cycle = self.analysis(lines).cycles[0]
        self.assertEqual((cycle.begin, cycle.length), (80, 100))
        self.assertEqual(cycle.part("write"), (80, 110))

    def test_a_write_that_syncs_is_a_sync(self):
        lines = Lines()
        for at in (100, 200, 300):
            lines.call(at, at + 30, 2, "pwritev2", "fd: 1, flags: 0x2", 4096)
        cycle = self.analysis(lines).cycles[0]
        self.assertEqual((cycle.part("write"), cycle.part("sync")), ((100, 100), (100, 130)))

    def test_without_syncs_there_are_only_writes(self):
        lines = Lines()
        for at in (100, 200, 300):
            lines.call(at, at + 10, 2, "pwritev2", "fd: 1, flags: 0", 4096)
        cycle = self.analysis(lines).cycles[0]
        self.assertEqual((cycle.part("write"), cycle.part("sync")), ((100, 110), (110, 110)))

    def test_the_preparer_and_other_processes_flush_nothing(self):
        lines = Lines()
        for at in (100, 200, 300):
            self.flush(lines, at, 2)
            self.flush(lines, at + 50, 5)
            self.flush(lines, at + 55, 77)
        found = flushes_of(Trace(lines.sorted()).calls, Threads(1, {2: "logfile-bench",
                                                                    5: "lf-preparer"}))
        self.assertEqual([flush.begin for flush in found], [100, 200, 300])

    def test_a_flush_that_patience_began(self):
        lines = Lines()
        for at, result in ((100, 0), (200, -110), (300, 0), (400, 0)):
            lines.call(at - 50, at - 1, 2, "futex", "op: 0x89", result)
            self.flush(lines, at, 2)
        found = spent.figures(self.analysis(lines))["flusher"]
        self.assertAlmostEqual(found["began_by_time"], 1 / 3)

    def test_idle_and_busy_processors(self):
        """The flusher runs on one for the first 40 of 100 us, a writer on the other for 10."""
        lines = Lines()
        for at in (100, 200, 300):
            lines.switch(at, IDLE, 2)
            self.flush(lines, at, 2)
            lines.switch(at + 35, IDLE, 3, processor=1)
            lines.switch(at + 40, 2, IDLE)
            lines.switch(at + 45, 3, IDLE, processor=1)
        found = spent.figures(self.analysis(lines))
        self.assertEqual(found["traced_us"], 200)
        first, second = found["processors"]
        self.assertAlmostEqual(first["flusher"], 0.4)
        self.assertAlmostEqual(first["idle"], 0.6)
        self.assertAlmostEqual(second["writers"], 0.1)
        for share, expected in zip(found["busy_at_once"], (0.55, 0.4, 0.05)):
            self.assertAlmostEqual(share, expected)
        by_part = {part["part"]: part for part in found["parts"]}
        self.assertAlmostEqual(by_part["wake"]["busy_processors"], 2.0)
        self.assertAlmostEqual(by_part["sync"]["busy_processors"], 1.0)
        self.assertAlmostEqual(by_part["gather"]["busy_processors"], 5 / 60)
        self.assertAlmostEqual(by_part["sync"]["flusher_runs"], 1.0)

    def test_fewer_than_two_cycles_are_refused(self):
        lines = Lines()
        for at in (100, 200):
            self.flush(lines, at, 2)
        with self.assertRaisesRegex(BadInput, "fewer than two whole cycles"):
            self.analysis(lines)


class Picture(unittest.TestCase):
    def test_it_is_a_drawing_with_every_row(self):
        drawn = timeline.picture(analysed(), "ring, 4 writers & more")
        root = tree.fromstring(drawn)
        texts = ["".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")]
        for words in ("disk", "flusher", "preparer", "processor 0", "processor 1", "writers",
                      "µs since the flush began", "writer 10243"):
            self.assertIn(words, texts)
        self.assertTrue(any(words.startswith("ring, 4 writers & more: a cycle of median length")
                            for words in texts))
        self.assertIn("prefers-color-scheme: dark", drawn)

    def test_everything_is_inside(self):
        root = tree.fromstring(timeline.picture(analysed(), "x"))
        _, _, width, height = map(float, root.get("viewBox").split())
        for node in root.iter("{http://www.w3.org/2000/svg}rect"):
            self.assertGreaterEqual(float(node.get("x")), 0)
            self.assertLessEqual(float(node.get("x")) + float(node.get("width")), width + 0.5)
            self.assertLessEqual(float(node.get("y")) + float(node.get("height")), height + 0.5)

    def test_every_writer_is_in_one_state(self):
        window = timeline.Window(analysed(), 0)
        changes = timeline.counts_of(window)
        self.assertEqual({sum(counts.values()) for _, counts in changes}, {4})
        self.assertEqual(changes[0][0], window.begin)
        self.assertGreater(max(counts["running"] for _, counts in changes), 0)


def program():
    """Where logfile-bench is built; None where it is not."""
    path = os.environ.get("LOGFILE_BENCH", "")
    return os.path.dirname(path) if os.access(path, os.X_OK) else None


def why_not():
    """Why no real trace can be made here."""
    if program() is None:
        return "LOGFILE_BENCH does not name a program"
    try:
        with tracing.Instance(0.05):
            return None
    except tracing.NotPermitted as error:
        return str(error)


def left_behind():
    """Instances of processes that are gone."""
    root = tracing.mount_point()
    names = os.listdir(os.path.join(root, "instances")) if root else []
    return [name for name in names if name.startswith(tracing.PREFIX)
            and not os.path.exists(f"/proc/{name[len(tracing.PREFIX):]}")]


class Command(Case):
    def test_bad_input(self):
        for expected, words in (
                ("'0' is not a whole number from 1 to 10000", ["--writers", "0"]),
                ("'x' is not a whole number", ["--writers", "x"]),
                ("'61' is not a number from 0.05 to 60", ["--seconds", "61"]),
                ("serial", ["--engine", "serial"]), ("--dir nowhere", ["--dir", "nowhere"]),
                ("--build nowhere", ["--build", "nowhere"]), ("--foo", ["--foo"]),
                ("nowhere/o.svg", ["--svg", "nowhere/o.svg"]), ("nowhere", ["--json", "nowhere/o"]),
                ("--repeat: not for a run that is traced", ["--", "--repeat", "2"]),
                ("--device=null: not for", ["--", "--device=null"])):
            self.refuses(expected, "cycle", *words)
        self.assertEqual(os.listdir(self.folder), [])

    def test_help(self):
        said = self.runs("cycle", "--help").stdout
        for option in ("--writers", "--engine", "--dir", "--seconds", "--build", "--json", "--svg"):
            self.assertIn(f"  {option} ", said)

    def test_without_tracefs_it_says_why(self):
        where = tracing.mount_point
        self.addCleanup(setattr, tracing, "mount_point", where)
        tracing.mount_point = lambda: self.folder
        with self.assertRaisesRegex(tracing.NotPermitted, "^tracing: .*instances: No such file"):
            with tracing.Instance(1):
                pass



class RealTrace(Case):
    """Of the program under test; skipped, with the reason, where it may not be traced."""

    @classmethod
    def setUpClass(cls):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)

    def setUp(self):
        super().setUp()
        os.mkdir(self.path("logs"))
        os.mkdir(self.path("tmp"))
        self.words = ["--build", program(), "--dir", "logs", "--writers", "4"]

    def nothing_is_left(self):
        self.assertEqual(left_behind(), [])
        self.assertEqual(os.listdir(self.path("logs")), [])
        self.assertEqual(os.listdir(self.path("tmp")), [])

    def cycle(self, *words, before=()):
        return subprocess.Popen(
            [*before, sys.executable, os.path.join(SCRIPTS, "cycle"), *self.words, *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder,
            env={**os.environ, "TMPDIR": self.path("tmp")})

    def ends(self, process, expected=0):
        said, errors = process.communicate(timeout=300)
        self.assertEqual(process.returncode, expected, errors)
        return said, errors

    def test_the_table_the_figures_and_the_picture(self):
        said, _ = self.ends(self.cycle("--seconds", "0.3", "--json", "o.json", "--svg", "o.svg"))
        self.assertRegex(said, r"^ring, 4 writers: [\d,]+ whole cycles in 0\.[0-9]+ s; ")
        for words in ("cycle", "write call", "sync call", "the disk", "until the wake call"):
            self.assertRegex(said, rf"\n *{words} +[\d.,]+ +\d+ %")
        self.assertRegex(said, r"\ncheck +a flush, mean: .* in the trace, .* as the log counts it")
        found = json.loads(self.read("o.json"))
        parts = {part["part"]: part for part in found["parts"]}
        self.assertAlmostEqual(sum(parts[name]["mean"] for name in PARTS), parts["cycle"]["mean"])
        self.assertGreater(parts["write.disk"]["mean"], 0)
        self.assertGreater(found["woken"]["mean"], 0)
        tree.fromstring(self.read("o.svg"))
        self.nothing_is_left()

    def test_the_mutex_engine(self):
        said, _ = self.ends(self.cycle("--seconds", "0.2", "--engine", "mutex"))
        self.assertRegex(said, "^mutex, 4 writers: ")
        self.assertRegex(said, r"\nflusher +the sequencer 0 %, a writer 100 %")

    def test_several_runs_are_refused(self):
        _, errors = self.ends(self.cycle("--seconds", "0.05", "--", "--wait", "block,adaptive"), 64)
        self.assertEqual(errors, "cycle: --wait block,adaptive: 2 runs, where one is traced\n")
        self.nothing_is_left()

    def test_what_the_bench_refuses(self):
        _, errors = self.ends(self.cycle("--", "--wait", "foo"), 64)
        self.assertRegex(errors, r"^cycle: --wait.*foo.*\n$")
        self.nothing_is_left()

    def test_a_signal_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.cycle("--seconds", "3")
            end = time.monotonic() + 60
            while not os.listdir(self.path("logs")) and time.monotonic() < end:
                time.sleep(0.05)
            process.send_signal(number)
            _, errors = self.ends(process, 128 + number)
            self.assertEqual(errors, "cycle: interrupted\n")
            self.nothing_is_left()

    def in_namespace(self, change):
        """Words before a command that make it run where tracefs is not what it is here."""
        point = tracing.mount_point()
        before = ["unshare", "-m", "sh", "-c", f'{change} && shift && exec "$@"', "sh", point or ""]
        if point is None or subprocess.run([*before, "true"], stderr=subprocess.DEVNULL,
                                           check=False).returncode:
            self.skipTest(f"not possible here: {change}")
        return before

    def test_tracefs_is_mounted_in_private_where_it_is_not(self):
        said, _ = self.ends(self.cycle("--seconds", "0.1", before=self.in_namespace('umount "$1"')))
        self.assertRegex(said, "^ring, 4 writers: ")
        self.nothing_is_left()

    def test_what_is_not_permitted_is_told(self):
        before = self.in_namespace('mount -o remount,bind,ro "$1"')
        said, errors = self.ends(self.cycle(before=before), 77)
        self.assertEqual(said, "")
        self.assertRegex(errors, r"^cycle: tracing: /.*: Read-only file system\n$")
        self.nothing_is_left()

    def test_an_instance_is_removed_while_it_is_read(self):
        with self.assertRaisesRegex(KeyError, "enough"):
            with tracing.Instance(0.05) as instance:
                instance.begin()
                subprocess.run(["true"], check=True)
                instance.end()
                folder = instance.folder
                for line in instance.lines():
                    raise KeyError("enough", line)
        self.assertFalse(os.path.exists(folder))

    def test_what_a_killed_one_left_is_removed(self):
        child = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
        with tracing.Instance(0.05) as instance:
            left = os.path.join(os.path.dirname(instance.folder),
                                tracing.PREFIX + child.stdout.strip())
            os.mkdir(left)
        with tracing.Instance(0.05):
            self.assertFalse(os.path.exists(left))

    def test_lost_events_are_counted(self):
        with tracing.Instance(0.05) as instance:
            instance.put("buffer_size_kb", "4")
            instance.begin()
            for _ in range(100):
                subprocess.run(["true"], check=True)
            instance.end()
            self.assertGreater(instance.lost(), 0)
        self.nothing_is_left()


if __name__ == "__main__":
    unittest.main()
