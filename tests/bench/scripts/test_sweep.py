"""bench-sweep with a bench that measures nothing: what it runs, refuses, keeps and says."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import time
import unittest

from support import HERE, SCRIPTS, Case

from benchlib import surroundings


class Sweep(Case):
    def setUp(self):
        super().setUp()
        os.makedirs(self.path("build", "bench"))
        for name in ("logfile", "bench/soak", "logfile-bench"):
            self.write(f"build/{name}",
                       f'#!/bin/sh\nexec "{sys.executable}" "{HERE}/fake_bench.py" "$@"\n')
            os.chmod(self.path("build", name), stat.S_IRWXU)

    def sweep(self, *words, **environment):
        return self.runs("bench-sweep", "--build", "build", "--out", "out", *words, **environment)

    def about(self):
        return json.loads(self.read("out", "sweep.json"))

    def part(self, name):
        return next(part for part in self.about()["parts"] if part["name"] == name)

    def refused(self, expected, *words, **environment):
        """And leaves nothing."""
        self.refuses(expected, "bench-sweep", "--build", "build", *words, **environment)
        self.assertEqual(sorted(os.listdir(self.folder)), ["build"])


class Complete(Sweep):
    def test_what_it_leaves(self):
        done = self.sweep("--smoke")
        self.assertEqual(done.stdout, "out/report.html\n")
        about = self.about()
        self.assertEqual((about["version"], about["mode"], about["interrupted"]),
                         ("9.8.7", "smoke", False))
        self.assertTrue(about["started"] <= about["ended"])
        for part in about["parts"]:
            self.assertEqual((part["status"], part["reason"]), ("complete", None), part)
            self.assertEqual(part["file"], f"{part['name']}.json")
            self.assertTrue(self.read("out", part["file"]))
        expected = {f"{part['name']}.{end}" for part in about["parts"] for end in ("json", "txt")}
        expected |= {"sweep.json", "report.html"}
        expected |= {"topology.svg"} if about["topology"] else set()
        self.assertEqual(set(os.listdir(self.path("out"))), expected)
        self.assertIn("</html>", self.read("out", "report.html"))

    def test_topology_or_why_not(self):
        self.sweep("--smoke", "--parts", "ladder")
        if shutil.which("lstopo-no-graphics") or shutil.which("lstopo"):
            self.assertEqual(self.about()["topology"], "topology.svg")
            self.assertIn("<svg", self.read("out", "topology.svg"))
        os.mkdir(self.path("bin"))
        for name in ("sh", "dirname", "env"):
            os.symlink(shutil.which(name), self.path("bin", name))
        self.runs("bench-sweep", "--build", "build", "--out", "other", "--smoke", "--parts",
                  "ladder", PATH=self.path("bin"))
        self.assertIn("hwloc's lstopo is not installed", self.read("other", "sweep.json"))
        self.assertFalse(os.path.exists(self.path("other", "topology.svg")))

    def test_commands_are_those_that_ran(self):
        self.sweep("--quick", "--parts", "engines,open-loop", "--rounds", "1", "--seconds", "0.5")
        engines = self.part("engines")["commands"]
        self.assertEqual(engines, [
            "logfile-bench --engine ring,mutex,serial --size 512 --stages 16 --writers 1,4,16,64"
            " --floors --seconds 0.5 --repeat 1 --dir . --json out/engines.json"])
        rates = [float(re.search(r"--rate (\d+)", one).group(1))
                 for one in self.part("open-loop")["commands"]]
        ring = [json.loads(line) for line in self.read("out", "engines.json").splitlines()]
        ring = next(line["records_per_s"] for line in ring
                    if line.get("variant") == "ring" and line["writers"] == 16)
        for rate, share in zip(rates, (0.3, 0.6, 0.9)):
            self.assertAlmostEqual(rate / ring, share, delta=0.03)
        self.assertEqual(self.read("out", "open-loop.json").count('"engine"'), 6)

    def test_the_open_loop_alone_measures_its_own_rate(self):
        self.sweep("--smoke", "--parts", "open-loop", "--engines", "mutex")
        self.assertEqual(self.part("open-loop")["status"], "complete")
        self.assertIn("--rate", self.part("open-loop")["commands"][0])

    def test_only_what_is_asked_for(self):
        self.sweep("--smoke", "--ladder", "--peers")
        self.assertEqual([part["name"] for part in self.about()["parts"]], ["ladder", "peers"])
        peers = self.part("peers")
        self.assertIn("--engine ring,mutex,serial,rocksdb ", peers["commands"][0])
        self.assertIn("without wiredtiger (--engine: wiredtiger is not built in)", peers["note"])
        self.assertIn("without wiredtiger", self.read("out", "report.html"))

    def test_lists_reach_the_bench(self):
        self.sweep("--smoke", "--writers", "1,3", "--policies", "faa,mcs", "--sizes", "7,8",
                   "--windows", "2,5", "--engines", "ring,mutex")
        commands = " ".join(one for part in self.about()["parts"] for one in part["commands"])
        for expected in ("--writers 1,3", "--reserve faa,mcs", "--size 7,8", "--window 2,5",
                         "--engine ring,mutex --size 512 --stages 16"):
            self.assertIn(expected, commands)
        self.assertNotIn("serial", commands)

    def test_what_is_loaded_is_in_the_parts_that_compare_engines(self):
        self.sweep("--smoke", "--lab", "a.so,b.so")
        loaded = {part["name"] for part in self.about()["parts"]
                  if all("--lab a.so,b.so" in one for one in part["commands"])}
        self.assertEqual(loaded, {"engines", "contention", "open-loop", "sizes", "windows"})

    def test_the_map_has_a_command_a_device(self):
        self.sweep("--parts", "map", "--seconds", "0.1", "--rounds", "2", "--writers", "1,4")
        commands = self.part("map")["commands"]
        self.assertEqual([command.split("--device ")[1].split()[0] for command in commands[:-1]],
                         ["null", *(f"delay:{us}" for us in (2, 5, 10, 20, 50, 200, 1000))])
        self.assertNotIn("--device", commands[-1])
        self.assertIn("the break-even map", self.read("out", "report.html"))

    def test_factors_are_crossed_with_what_the_bench_has(self):
        self.sweep("--quick", "--causes")
        command, = self.part("causes")["commands"]
        for expected in ("--engine ring,mutex", "--reserve faa,mutex", "--flusher hybrid,leader"):
            self.assertIn(expected, command)
        self.assertNotIn("--gather", command)
        self.runs("bench-sweep", "--build", "build", "--out", "newer", "--quick", "--causes",
                  FAKE_NEWER="1")
        self.assertIn("--gather on,off", self.read("newer", "sweep.json"))

    def test_rates_are_shares_of_each_variant_where_the_bench_can(self):
        self.sweep("--quick", "--parts", "open-loop", FAKE_NEWER="1")
        command, = self.part("open-loop")["commands"]
        self.assertIn("--rate 0.3x,0.6x,0.9x", command)

    def test_quick_leaves_out_what_others_tell(self):
        self.sweep("--quick", "--rounds", "1")
        names = [part["name"] for part in self.about()["parts"]]
        self.assertEqual(names, ["engines", "causes", "ladder", "contention", "map", "peers",
                                 "open-loop", "sizes", "windows"])

    def test_an_artifact_holds_all_of_it_and_its_checksums(self):
        done = self.sweep("--smoke", "--parts", "sizes", "--artifact")
        self.assertIn("out/artifact.tar.gz", done.stderr)
        with tarfile.open(self.path("out", "artifact.tar.gz")) as tar:
            held = {name: tar.extractfile(name).read() for name in tar.getnames()}
        expected = {"machine.txt", "kernel.txt", "storage.txt", "CITATION.cff", "SHA256SUMS"}
        expected |= {name for name in os.listdir(self.path("out")) if "artifact" not in name}
        self.assertEqual(set(held), {f"out/{name}" for name in expected})
        sums = held["out/SHA256SUMS"].decode().splitlines()
        self.assertEqual(len(sums), len(expected) - 1)
        for line in sums:
            digest, name = line.split("  ")
            self.assertEqual(hashlib.sha256(held[f"out/{name}"]).hexdigest(), digest)
        self.assertEqual(held["out/sizes.json"].decode(), self.read("out", "sizes.json"))
        self.assertIn("cff-version: 1.2.0", held["out/CITATION.cff"].decode())
        self.assertIn("version: \"9.8.7\"", held["out/CITATION.cff"].decode())
        self.assertIn("kernel: Linux ", held["out/kernel.txt"].decode())
        for data in held.values():
            self.assertNotIn(socket.gethostname().encode() + b".", data)

    def test_every_part_has_its_floors(self):
        self.sweep("--smoke")
        for part in self.about()["parts"]:
            lines = [json.loads(line) for line in self.read("out", part["file"]).splitlines()]
            floors = {line["floor"] for line in lines if "floor" in line}
            # With --smoke the ladder is one of them.
            in_memory = part["name"] in ("ladder", "map", "contention", "spinlocks", "shards")
            self.assertEqual(floors, {"wake"} if in_memory else {"sync", "wake"}, part["name"])

    def test_contention_is_about_every_policy(self):
        self.sweep("--quick", "--parts", "contention,spinlocks")
        command = self.part("contention")["commands"][0]
        for expected in ("--device null", "--checksum header", "--window 1024",
                         "--reserve faa,cas,mutex", "--writers 1,2,4,16"):
            self.assertIn(expected, command)
        command = self.part("spinlocks")["commands"][0]
        self.assertIn("--reserve faa,ticket,mcs", command)
        writers = command.split("--writers ")[1].split()[0].split(",")
        self.assertLessEqual(max(int(count) for count in writers), os.cpu_count())

    def test_progress(self):
        done = self.sweep("--smoke", "--parts", "ladder,sizes")
        self.assertRegex(done.stderr, r"part 1 of 2, ladder: \d:\d\d elapsed, about \d:\d\d left\n")
        self.assertRegex(done.stderr, r"part 2 of 2, sizes: ")


class Surroundings(Case):
    MOUNTS = ("22 1 8:1 / / rw,relatime - ext4 /dev/vda1 rw\n"
              "30 22 0:26 / /tmp rw - tmpfs tmpfs rw\n"
              "31 22 8:2 / /mnt/my\\040disk rw,noatime - xfs /dev/vdb rw\n")

    def root(self, **files):
        for name, text in {"proc/self/mountinfo": self.MOUNTS, **files}.items():
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            self.write(name, text)
        return self.folder

    def test_the_file_system_of_a_folder(self):
        root = self.root()
        for where, point in (("/tmp/x", "/tmp"), ("/tmp", "/tmp"), ("/tmpfoo", "/"),
                             ("/mnt/my disk/logs", "/mnt/my disk")):
            self.assertEqual(surroundings.mount_of(where, root)[0], point)
        self.assertIsNone(surroundings.mount_of("/tmp", self.path("nowhere")))

    def test_nothing_unusual_is_nothing_said(self):
        self.assertEqual(surroundings.notes("/home", self.root(), allowed=4, online=4), [])

    def test_fewer_processors_a_quota_and_memory_as_a_disk(self):
        root = self.root(**{"proc/self/cgroup": "0::/a/b\n",
                            "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
                            "sys/fs/cgroup/a/cpu.max": "150000 100000\n"})
        said = surroundings.notes("/tmp/logs", root, allowed=2, online=8)
        self.assertEqual([note.split()[0:4] for note in said], [
            ["only", "2", "of", "8"], ["a", "control", "group", "grants"],
            ["/tmp/logs", "is", "on", "tmpfs:"]])
        self.assertIn("the time of 1.5 of 2 processors", said[1])

    @unittest.skipUnless(os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK)
                         and (surroundings.mount_of("/dev/shm") or ("", ""))[1] == "tmpfs",
                         "/dev/shm is no tmpfs that can be written to")
    def test_a_sweep_says_so(self):
        os.makedirs(self.path("build", "bench"))
        for name in ("logfile", "bench/soak", "logfile-bench"):
            self.write(f"build/{name}",
                       f'#!/bin/sh\nexec "{sys.executable}" "{HERE}/fake_bench.py" "$@"\n')
            os.chmod(self.path("build", name), stat.S_IRWXU)
        done = self.runs("bench-sweep", "--build", "build", "--out", "out", "--smoke", "--parts",
                         "sizes", "--dir", "/dev/shm")
        self.assertIn("note: /dev/shm is on tmpfs", done.stderr)
        self.assertIn("/dev/shm is on tmpfs", self.read("out", "sweep.json"))


class Refused(Sweep):
    def test_bad_input(self):
        for expected, words in (
                ("--writers: '0' is not a whole number", ["--writers", "0"]),
                ("--writers: 'x' is not a whole number", ["--writers", "1,x"]),
                ("--writers: '4' is listed twice", ["--writers", "4,4"]),
                ("--rounds: '1,2' is not one number", ["--rounds", "1,2"]),
                ("--seconds: 'nan' is not a number", ["--seconds", "nan"]),
                ("--seconds: '0' is not a number", ["--seconds", "0"]),
                ("--engines: 'foo' is not one of ring", ["--engines", "ring,foo"]),
                ("--lab: 'a.so' is listed twice", ["--lab", "a.so,b.so,a.so"]),
                ("--policies: '' is not one of faa", ["--policies", ""]),
                ("--sizes: '-1' is not", ["--sizes=-1"]),
                ("--windows: '' is not", ["--windows", ""]),
                ("--parts: 'foo' is not one of engines", ["--parts", "foo"]),
                ("--engines: without ring none of the parts", ["--engines", "mutex", "--ladder"]),
                ("--dir nowhere: not a folder", ["--dir", "nowhere"]),
                ("--out build: there is something in it", ["--out", "build"]),
                ("unrecognized arguments: --foo", ["--foo"]),
                ("not allowed with argument", ["--quick", "--smoke"])):
            self.refused(expected, *words)

    def test_what_the_bench_refuses_in_any_part(self):
        self.refused("sizes: 100,4096: refused", "--smoke", FAKE_REFUSE="100,4096")
        self.refused("peers: rocksdb: refused", "--smoke", FAKE_REFUSE="rocksdb")

    def test_each_part_is_rehearsed_as_it_will_be_run(self):
        self.refused("engines: 7.25: refused", "--quick", "--seconds", "7.25", FAKE_REFUSE="7.25")
        os.mkdir(self.path("logs"))
        self.refuses("ladder: logs: refused", "bench-sweep", "--build", "build", "--smoke",
                     "--ladder", "--dir", "logs", FAKE_REFUSE="logs")

    def test_what_the_bench_refuses_when_it_begins(self):
        """Such as a disk that was filled since."""
        done = self.script("bench-sweep", "--build", "build", "--smoke", "--parts", "ladder",
                           FAKE_LATE="200")
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertEqual(done.stderr.splitlines()[-1], "bench-sweep: 200: refused late")
        self.assertEqual(os.listdir(self.folder), ["build"])

    def test_no_bench_where_it_should_be(self):
        done = self.script("bench-sweep", "--build", "nowhere")
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("nowhere: logfile-bench and its floors are not there", done.stderr)
        self.assertEqual(os.listdir(self.folder), ["build"])

    def test_a_folder_that_was_there_stays(self):
        os.mkdir(self.path("out"))
        self.refuses("refused", "bench-sweep", "--build", "build", "--out", "out", "--smoke",
                     FAKE_REFUSE="--ladder")
        self.assertEqual(os.listdir(self.path("out")), [])


class Cut(Sweep):
    def test_a_part_that_fails_does_not_end_the_others(self):
        done = self.script("bench-sweep", "--build", "build", "--out", "out", "--smoke", "--parts",
                           "ladder,sizes", FAKE_FAIL="--ladder")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.part("ladder")["status"], "failed")
        self.assertEqual(self.part("ladder")["reason"], "--ladder: failed")
        self.assertEqual(self.part("sizes")["status"], "complete")
        self.assertIn("ladder: failed: --ladder: failed", done.stderr)
        self.assertIn("--ladder: failed", self.read("out", "report.html"))

    def test_no_store_is_built_in(self):
        self.sweep("--smoke", "--peers", FAKE_PEERS="none")
        self.assertEqual(self.part("peers")["status"], "skipped")
        self.assertEqual(self.part("peers")["reason"], "no other store is built in")

    def test_a_store_that_cannot_be_run(self):
        done = self.script("bench-sweep", "--build", "build", "--out", "out", "--smoke", "--peers",
                           FAKE_FAIL="rocksdb")
        self.assertEqual(done.returncode, 1)
        part = self.part("peers")
        self.assertEqual((part["status"], part["reason"]),
                         ("failed", "none of the other stores could be run"))
        self.assertIn("rocksdb could not be run (rocksdb: failed)", part["note"])
        self.assertIn("rocksdb could not be run (rocksdb: failed)", done.stderr)
        self.assertIn("rocksdb could not be run", self.read("out", "report.html"))

    @staticmethod
    def signals(ignored):
        """As a sweep is started with them, whatever this test was started with."""
        def prepare():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)
        return prepare

    def test_interrupted_while_rehearsing_it_leaves_nothing(self):
        command = [sys.executable, os.path.join(SCRIPTS, "bench-sweep"), "--build", "build",
                   "--smoke"]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, start_new_session=True,
                              env={**os.environ, "FAKE_CHECKS": self.path("checks")},
                              preexec_fn=self.signals(None)) as sweep:
            until = time.monotonic() + 600
            while time.monotonic() < until and not os.path.exists(self.path("checks")):
                time.sleep(0.01)
            os.kill(sweep.pid, signal.SIGINT)
            said, errors = sweep.communicate(timeout=600)
        self.assertEqual((sweep.returncode, said), (130, ""))
        self.assertEqual(errors, "bench-sweep: interrupted before the first run; nothing is left\n")
        self.assertEqual(sorted(os.listdir(self.folder)), ["build", "checks"])

    def interrupt(self, send, *words, ignored=None):
        """A signal as soon as the second part has a result."""
        command = [sys.executable, os.path.join(SCRIPTS, "bench-sweep"), "--build", "build",
                   "--out", "out", *words]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, start_new_session=True,
                              env={**os.environ, "FAKE_SLEEP": "0.1",
                                   "FAKE_PIDS": self.path("pids")},
                              preexec_fn=self.signals(ignored)) as sweep:
            until = time.monotonic() + 600
            path = self.path("out", "sizes.json")
            while time.monotonic() < until and not (
                    os.path.exists(path) and os.path.getsize(path) > 0):
                time.sleep(0.01)
            send(sweep.pid)
            said, errors = sweep.communicate(timeout=30)
        return sweep.returncode, said, errors

    def check_interrupted(self, number, send):
        status, said, errors = self.interrupt(send, "--smoke", "--parts", "ladder,sizes,windows")
        self.assertEqual(status, 128 + number, errors)
        self.assertEqual(said, "out/report.html\n")
        states = {part["name"]: part["status"] for part in self.about()["parts"]}
        self.assertEqual(states, {"ladder": "complete", "sizes": "interrupted",
                                  "windows": "skipped"})
        self.assertTrue(self.about()["interrupted"])
        last = json.loads(self.read("out", "sizes.json").splitlines()[-1])
        self.assertTrue(last["options"]["interrupted"])
        self.assertIn("windows: skipped: the sweep was interrupted", errors)
        self.assertIn("Not everything was measured", self.read("out", "report.html"))
        left = [name for name in os.listdir(self.path("out")) if name.endswith(".part")]
        self.assertEqual(left, [])

    def test_ctrl_c_keeps_and_marks_what_was_measured(self):
        """A terminal sends it to the whole group."""
        self.check_interrupted(signal.SIGINT, lambda pid: os.killpg(pid, signal.SIGINT))
        # The bench must not get it from the terminal too: two of them end it at once.
        self.assertIn("alone in its session\n", self.read("out", "sizes.txt"))

    def test_so_does_being_asked_to_end(self):
        self.check_interrupted(signal.SIGTERM, lambda pid: os.kill(pid, signal.SIGTERM))

    def test_so_does_ctrl_backslash(self):
        self.check_interrupted(signal.SIGQUIT, lambda pid: os.killpg(pid, signal.SIGQUIT))

    def test_nohup_keeps_it_going(self):
        status, said, errors = self.interrupt(lambda pid: os.kill(pid, signal.SIGHUP), "--smoke",
                                              "--parts", "ladder,sizes", ignored=signal.SIGHUP)
        self.assertEqual((status, said), (0, "out/report.html\n"), errors)

    @staticmethod
    def lives(pid):
        """Dead is dead, even where nobody asks how it ended."""
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                return file.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def test_a_sweep_that_is_killed_leaves_no_bench(self):
        self.interrupt(lambda pid: os.kill(pid, signal.SIGKILL), "--smoke", "--parts",
                       "ladder,sizes")
        last = int(self.read("pids").split()[-1])
        until = time.monotonic() + 600
        while time.monotonic() < until and self.lives(last):
            time.sleep(0.01)
        self.assertFalse(self.lives(last))
        # It was told, rather than that it came to its end.
        line = json.loads(self.read("out", "sizes.json").splitlines()[-1])
        self.assertTrue(line["options"]["interrupted"])


if __name__ == "__main__":
    unittest.main()
