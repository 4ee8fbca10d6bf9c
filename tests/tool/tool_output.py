#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the logfile program prints, read as other programs read it.

LOGFILE is the program, SOURCE the source tree.  Works in the current directory, with a folder a test.
"""
import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

LOGFILE = os.path.abspath(os.environ["LOGFILE"])
GOLDEN = os.path.join(os.environ["SOURCE"], "tests/unit/golden")
# For a machine that is busy: nothing here waits for so long unless it fails.
PATIENCE = 900
CLEAN, TORN, CORRUPT, UNREADABLE, USAGE = 0, 1, 2, 3, 64


def unescape_label(text):
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


def parse_prometheus(text):
    """{name: [(labels, value)]} of the text exposition format, which it checks strictly."""
    helped, typed, samples = set(), {}, {}
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        comment = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)", line)
        if comment:
            word, name, rest = comment.groups()
            assert name not in samples, f"{word} after the samples of {name}"
            assert name not in (helped if word == "HELP" else typed), f"{word} twice: {name}"
            if word == "HELP":
                assert not re.search(r"\\[^\\n]", rest), rest
                helped.add(name)
            else:
                assert rest in ("gauge", "counter"), rest
                typed[name] = rest
            continue
        sample = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\} ([0-9]+)', line)
        assert sample, f"no line of the format: {line!r}"
        name, inside, value = sample.groups()
        assert name in helped and name in typed, f"no HELP or TYPE before {name}"
        labels, at = {}, 0
        while at < len(inside):
            label = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(,|$)').match(inside, at)
            assert label, f"no label: {inside[at:]!r}"
            labels[label[1]] = unescape_label(label[2])
            at = label.end()
        samples.setdefault(name, []).append((labels, int(value)))
    assert samples.keys() == typed.keys() == helped
    return samples


class ToolTest(unittest.TestCase):
    def setUp(self):
        self.home = os.getcwd()
        self.folder = tempfile.mkdtemp(dir=self.home)
        os.chdir(self.folder)

    def tearDown(self):
        os.chdir(self.home)
        subprocess.run(["chmod", "-R", "u+w", self.folder], check=True)
        shutil.rmtree(self.folder)

    def run_tool(self, *words, given=b"", status=0):
        """Its standard output; that of error is in self.said."""
        done = subprocess.run([LOGFILE, *words], input=given, capture_output=True, timeout=PATIENCE,
                              check=False)
        self.said = done.stderr
        self.assertEqual(done.returncode, status, (words, done.stdout[-500:], done.stderr))
        return done.stdout

    def lines(self, *words, status=0):
        """The JSON objects that it prints, one a line, whatever a line ends with."""
        text = self.run_tool(*words, status=status).decode("utf-8")
        self.assertEqual(len(text.splitlines()), text.count("\n"))
        for character in text:
            self.assertTrue(character == "\n" or character.isprintable() or ord(character) >= 0xa0,
                            repr(character))
        return [json.loads(line) for line in text.splitlines()]

    def make(self, path, *records):
        self.run_tool("append", "-0", path, given=b"".join(record + b"\0" for record in records))

    def lsns(self, path):
        return [record["lsn"] for record in self.lines("cat", "--json", path)]

    @contextlib.contextmanager
    def start(self, *words):
        process = subprocess.Popen([LOGFILE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        watch = subprocess.Popen(["sh", "-c", f"sleep {PATIENCE}; kill -9 {process.pid}"],
                                 start_new_session=True)
        try:
            yield process
        finally:
            os.killpg(watch.pid, signal.SIGKILL)
            watch.wait()
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def flip(self, path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 255]))


def give(process, data):
    process.stdin.write(data)
    process.stdin.flush()


class Arguments(ToolTest):
    def test_wrong_ones(self):
        for words in (["cat", "x", "--to"], ["cat", "x", "-n"], ["cat", "x", "--to", "1x"],
                      ["cat", "x", "-n", "-1"], ["cat", "x", "-n", "2.5"], ["cat", "x", "--count="],
                      ["cat", "x", "--json", "--raw"], ["cat", "x", "--json", "-0"],
                      ["cat", "x", "--raw", "-0"], ["cat", "x", "--ack"], ["cat", "-v", "x"],
                      ["append", "x", "--json"], ["append", "x", "-f"], ["append", "--ack", "-v", "x"],
                      ["append", "--ack=1", "x"],
                      ["stat", "x", "--json", "--prometheus"], ["stat", "-q", "x"],
                      ["verify", "--quick", "x"], ["verify", "-0", "x"], ["dump", "--prometheus", "x"],
                      ["salvage", "--json", "x", "y"], ["trim", "--before", "1", "--json", "x"],
                      ["stat", "--json"], ["cat", "-f"]):
            with self.subTest(words=words):
                self.assertEqual(self.run_tool(*words, status=USAGE), b"")
                self.assertRegex(self.said, rb"\Alogfile: usage: .*; expected: logfile [a-z]+ .*\n\Z")
        self.assertEqual(os.listdir("."), [])

    def test_a_newline_in_one(self):
        self.run_tool("cat", "-n", "1\nforged", "x", status=USAGE)
        self.assertEqual(self.said.count(b"\n"), 1)

    def test_help_names_every_option(self):
        with open(os.path.join(os.environ["SOURCE"], "docs/man/logfile.1"), encoding="utf-8") as file:
            page = file.read()
        for command in ("append", "cat", "verify", "stat", "dump", "salvage", "trim"):
            usage, text = self.run_tool(command, "--help").decode().split("\n\n", 1)
            for option in re.findall(r"--[a-z]+", usage):
                self.assertIn(option, text)
            for option in re.findall(r"--[a-z]+", text):
                self.assertIn(option.replace("-", "\\-"), page)


class Append(ToolTest):
    def test_null(self):
        self.run_tool("append", "-0", "log", given=b"one\ntwo\0\0last")
        self.assertEqual(self.run_tool("cat", "-0", "log"), b"one\ntwo\0\0last\0")
        self.assertEqual([record["data"] for record in self.lines("cat", "--json", "log")],
                         ["one\ntwo", "", "last"])
        self.run_tool("append", "--null", "log", given=b"more\0")
        self.assertEqual(self.run_tool("cat", "--null", "log"), b"one\ntwo\0\0last\0more\0")
        self.run_tool("append", "-0", "log", given=b"\0x" + b"y" * 9000000, status=UNREADABLE)
        self.assertRegex(self.said, rb"log: record 2: longer than a record")
        self.assertEqual(len(self.lsns("log")), 5)

    def test_ack_comes_while_it_waits_for_more(self):
        with self.start("append", "--ack", "log") as writer:
            for text in ("a\n", "bb\nccc\n", "\n"):
                give(writer, text.encode())
                acked = [int(writer.stdout.readline()) for _ in range(text.count("\n"))]
                # They are durable: a reader finds them, beside the writer.
                found = self.lines("cat", "--json", "log")[-len(acked):]
                self.assertEqual([record["lsn"] for record in found], acked)
                self.assertEqual("".join(record["data"] + "\n" for record in found), text)
            give(writer, b"without newline")
            writer.stdin.close()
            self.assertEqual(int(writer.stdout.readline()), self.lsns("log")[-1])
            self.assertEqual(writer.stdout.read(), b"")
            self.assertEqual(writer.wait(), 0)
            self.assertEqual(writer.stderr.read(), b"")

    def test_ack_of_many(self):
        given = b"".join(b"%d\n" % i for i in range(30000))
        acked = [int(line) for line in self.run_tool("append", "--ack", "log", given=given).split()]
        self.assertEqual(acked, self.lsns("log"))
        self.assertEqual(len(acked), 30000)

    def test_ack_of_a_part(self):
        """Of input that ends with an error, what came before is acknowledged."""
        acked = self.run_tool("append", "--ack", "log", given=b"a\nb\n" + b"x" * 9000000,
                              status=UNREADABLE).split()
        self.assertEqual([int(line) for line in acked], self.lsns("log"))
        self.assertEqual(len(acked), 2)

    def test_ack_that_nobody_reads(self):
        with self.start("append", "--ack", "log") as writer:
            writer.stdout.close()
            give(writer, b"a\nb\n")
            self.assertEqual(writer.wait(), UNREADABLE)
            self.assertRegex(writer.stderr.read(), rb"\Alogfile: cannot write to standard output: .*\n\Z")
        self.assertEqual(self.run_tool("cat", "log"), b"a\nb\n")
        self.run_tool("verify", "log", status=CLEAN)

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            path = number.name
            with self.start("append", "--ack", path) as writer:
                give(writer, b"a\nb\nunfinished")
                acked = [int(writer.stdout.readline()) for _ in range(2)]
                writer.send_signal(number)
                self.assertEqual(writer.wait(), -number)
                self.assertEqual(writer.stdout.read(), b"")
                self.assertIn(b": 2 records are on stable storage", writer.stderr.read())
            self.assertEqual(self.lines("verify", "--json", path, status=CLEAN)[-1]["verdict"], "clean")
            self.assertEqual(self.lsns(path), acked)


class Cat(ToolTest):
    def test_ranges(self):
        words = [b"%d" % i for i in range(10)]
        self.make("log", *words)
        lsns = [str(lsn) for lsn in self.lsns("log")]

        def cat(*options):
            return self.run_tool("cat", *options, "log").decode().split()

        everything = [str(i) for i in range(10)]
        self.assertEqual(cat("--from", lsns[3], "--to", lsns[7]), everything[3:7])
        self.assertEqual(cat("--to", str(int(lsns[7]) + 1)), everything[:8])
        self.assertEqual(cat("--to", lsns[0]), [])
        self.assertEqual(cat("--to", "99999999"), everything)
        self.assertEqual(cat("--from", lsns[7], "--to", lsns[3]), [])
        self.assertEqual(cat("-n", "0"), [])
        self.assertEqual(cat("-n3", "--from", lsns[2]), everything[2:5])
        self.assertEqual(cat("--count=4"), everything[:4])
        self.assertEqual(cat("-n", "11"), everything)
        self.assertEqual(cat("-n", "5", "--to", lsns[2]), everything[:2])
        self.assertEqual(cat("-n", "2", "-f"), everything[:2])
        self.assertEqual(cat("-f", "--to", lsns[4]), everything[:4])

    def test_a_limit_before_damage(self):
        for word in (b"one", b"two", b"three"):
            self.make("log", word)
        lsns = self.lsns("log")
        self.flip("log", lsns[1])
        self.assertEqual(self.run_tool("cat", "-n1", "log"), b"one\n")
        self.assertEqual(self.run_tool("cat", "log", status=CORRUPT), b"one\n")
        self.assertEqual(self.run_tool("cat", "-f", "log", status=CORRUPT), b"one\n")

    def test_damage_before_where_it_starts(self):
        """It is not met: what is before the first record that was asked for is not read."""
        words = [b"%d" % i for i in range(6)]
        for word in words:
            self.make("log", word)
        lsns = self.lsns("log")
        self.flip("log", lsns[1])
        self.flip("log", lsns[3])
        for i in (2, 4, 5):
            status = CORRUPT if i == 2 else CLEAN
            out = self.run_tool("cat", "--from", str(lsns[i]), "log", status=status)
            self.assertEqual(out.split(), words[2:3] if i == 2 else words[i:])

    def test_json(self):
        text = ["", "plain", 'a "quote" and a \\', "two\nlines\r\t\x1b[2J\x7f", "a\u2028b\u2029c\x85d",
                "gr\u00fc\u00df \U0001f600", "\x00", "\x1c\x1d\x1e\x0b\x0c", "\u20ac\u2027\u202a"]
        binary = [b"\xff", b"\xc3", b"ab\xe2\x80", b"\xed\xa0\x80", b"\xc0\x8a", b"\xf5\x80\x80\x80", b"ab\x80c"]
        records = [word.encode() for word in text] + binary
        # A record with a NUL byte cannot come by -0.
        for record in records:
            flag = "-0" if b"\0" not in record else "-v"
            end = b"\0" if flag == "-0" else b"\n"
            self.run_tool("append", flag, "log", given=record + end)
        found = self.lines("cat", "--json", "log")
        self.assertEqual(len(found), len(records))
        for record, line in zip(records, found):
            self.assertEqual(line["size"], len(record))
            is_text = record in [word.encode() for word in text]
            self.assertEqual(sorted(line), sorted(["lsn", "size", "data" if is_text else "base64"]))
            got = line["data"].encode() if is_text else base64.b64decode(line["base64"], validate=True)
            self.assertEqual(got, record)
        self.assertEqual([line["lsn"] for line in found], sorted({line["lsn"] for line in found}))

    def test_base64_of_each_length(self):
        records = [bytes(range(128, 128 + length)) for length in range(1, 40)]
        self.make("log", *records)
        found = self.lines("cat", "--json", "log")
        self.assertEqual([base64.b64decode(line["base64"], validate=True) for line in found], records)


class Follow(ToolTest):
    def test_beside_a_writer(self):
        self.make("log", b"before")
        with self.start("cat", "-f", "log") as follower, self.start("append", "log") as writer:
            self.assertEqual(follower.stdout.readline(), b"before\n")
            for i in range(20):
                give(writer, b"%d\n" % i)
                self.assertEqual(follower.stdout.readline(), b"%d\n" % i)
            writer.stdin.close()
            self.assertEqual(writer.wait(), 0)
            # Another opening, and one after a crash, go on in the same log.
            self.make("log", b"reopened")
            self.assertEqual(follower.stdout.readline(), b"reopened\n")
            with self.start("append", "--ack", "log") as killed:
                give(killed, b"kept\n")
                killed.stdout.readline()
                killed.kill()
                killed.wait()
            self.assertEqual(follower.stdout.readline(), b"kept\n")
            self.make("log", b"recovered")
            self.assertEqual(follower.stdout.readline(), b"recovered\n")
            follower.send_signal(signal.SIGINT)
            self.assertEqual(follower.wait(), -signal.SIGINT)
            self.assertEqual(follower.stdout.read(), b"")
            self.assertEqual(follower.stderr.read(), b"")

    def test_a_directory(self):
        shutil.copytree(os.path.join(GOLDEN, "segments"), "segments")
        subprocess.run(["chmod", "-R", "u+w", "segments"], check=True)
        count = len(self.lsns("segments"))
        with self.start("cat", "--json", "--follow", "segments") as follower:
            lsns = [json.loads(follower.stdout.readline())["lsn"] for _ in range(count)]
            for i in range(12): # some of them in segments that are made now
                self.make("segments", b"%02d" % i * 4000)
                line = json.loads(follower.stdout.readline())
                self.assertEqual(line["data"], f"{i:02}" * 4000)
                lsns.append(line["lsn"])
        self.assertEqual(lsns, self.lsns("segments"))

    def test_limits(self):
        with self.start("append", "--ack", "log") as writer:
            give(writer, b"0\n")
            writer.stdout.readline()
            with self.start("cat", "-f", "-n", "3", "log") as follower:
                self.assertEqual(follower.stdout.readline(), b"0\n")
                give(writer, b"1\n2\n3\n")
                self.assertEqual(follower.wait(), 0)
                self.assertEqual(follower.stdout.read(), b"1\n2\n")

    def test_reader_that_goes_away(self):
        """It ends without a word, and without waiting for a record to be printed."""
        self.make("log", b"one")
        for options in (["-f"], ["-f", "--json"], ["-f", "-0"]):
            with self.start("cat", *options, "log") as follower:
                self.assertNotEqual(os.read(follower.stdout.fileno(), 100), b"")
                follower.stdout.close()
                self.assertEqual(follower.wait(), 0)
                self.assertEqual(follower.stderr.read(), b"")

    def test_reader_that_goes_away_amid_records(self):
        self.make("log", *[b"%0999d" % i for i in range(3000)])
        with self.start("cat", "-f", "log") as follower:
            follower.stdout.read(10)
            follower.stdout.close()
            self.assertEqual(follower.wait(), 0)
            self.assertEqual(follower.stderr.read(), b"")

    def test_no_output(self):
        self.make("log", b"one")
        done = subprocess.run(["sh", "-c", 'exec "$0" cat -f log >&-', LOGFILE], timeout=PATIENCE,
                              stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, UNREADABLE)
        self.assertIn(b"cannot write to standard output", done.stderr)

    def test_uses_little_time(self):
        self.make("log", b"one")
        with self.start("cat", "-f", "log") as follower:
            follower.stdout.readline()
            time.sleep(2)
            with open(f"/proc/{follower.pid}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            # Clock ticks, in user and kernel mode: a loop that does not sleep takes all there are.
            self.assertLess(int(fields[11]) + int(fields[12]), os.sysconf("SC_CLK_TCK"))

    def test_log_that_is_removed(self):
        """With its last writer gone, too, nothing more can come."""
        with self.start("append", "--ack", "log") as writer:
            give(writer, b"one\n")
            writer.stdout.readline()
            with self.start("cat", "-f", "log") as follower:
                self.assertEqual(follower.stdout.readline(), b"one\n")
                writer.stdin.close()
                self.assertEqual(writer.wait(), 0)
                os.unlink("log")
                self.assertEqual(follower.wait(), UNREADABLE)
                self.assertEqual(follower.stderr.read(),
                                 b"logfile: log: has been removed: nothing more will be appended to it\n")

    def test_no_log(self):
        self.run_tool("cat", "-f", "missing", status=UNREADABLE)


class Verify(ToolTest):
    def verdict(self, path, status):
        lines = self.lines("verify", "--json", path, status=status)
        for line in lines:
            self.assertEqual(line["path"], path)
            self.assertIn(line["kind"], ("verdict", "damage", "repairable", "note", "foreign file"))
        self.assertEqual([line["kind"] for line in lines].count("verdict"), 1)
        return lines[-1], lines[:-1]

    def test_clean(self):
        self.make("log", b"one", b"two")
        verdict, findings = self.verdict("log", CLEAN)
        figures = self.lines("stat", "--json", "log")[0]
        self.assertEqual(verdict, {"path": "log", "kind": "verdict", "verdict": "clean",
                                   "repairable": False, "records": 2, "epochs": figures["epochs"],
                                   "end_lsn": figures["end_lsn"]})
        self.assertEqual(findings, [])

    def test_torn(self):
        with self.start("append", "--ack", "log") as writer:
            give(writer, b"one\n")
            writer.stdout.readline()
            verdict, findings = self.verdict("log", CLEAN)
            self.assertEqual(verdict["verdict"], "live")
            self.assertIn("open for appending", findings[0]["text"])
            writer.kill()
            writer.wait()
        verdict, findings = self.verdict("log", TORN)
        self.assertEqual((verdict["verdict"], verdict["records"]), ("torn", 1))

    def test_corrupt(self):
        for word in (b"one", b"two", b"three"):
            self.make("log", word)
        self.flip("log", self.lsns("log")[1])
        verdict, findings = self.verdict("log", CORRUPT)
        self.assertEqual((verdict["verdict"], verdict["records"]), ("corrupt", 2))
        self.assertEqual([line["kind"] for line in findings], ["damage"])
        self.assertLess(findings[0]["from_lsn"], findings[0]["to_lsn"])
        self.assertIn("1 epochs are not whole", findings[0]["text"])

    def test_repairable(self):
        self.make("log", b"one")
        self.flip("log", 4100)
        verdict, findings = self.verdict("log", CLEAN)
        self.assertTrue(verdict["repairable"])
        self.assertEqual([(line["kind"], line["from_lsn"], line["to_lsn"]) for line in findings],
                         [("repairable", 4096, 8192)])

    def test_a_directory(self):
        shutil.copytree(os.path.join(GOLDEN, "segments"), "segments")
        subprocess.run(["chmod", "-R", "u+w", "segments"], check=True)
        open("segments/note\nforged", "w", encoding="ascii").close()
        self.flip("segments/0000000000000003.segment", 100)
        verdict, findings = self.verdict("segments", CLEAN)
        self.assertTrue(verdict["repairable"])
        self.assertEqual([(line["kind"], line.get("file"), line["text"]) for line in findings],
                         [("foreign file", None, "note\\nforged"),
                          ("repairable", "0000000000000003.segment",
                           "first copy of its file header is damaged; repaired at the next open for append")])
        # All that tell of it say the same, until the next open.
        self.assertEqual(len(self.lsns("segments")), verdict["records"])
        figures = self.lines("stat", "--json", "segments")[0]
        self.assertEqual((figures["verdict"], figures["damages"], figures["damaged_copies"]), ("clean", 0, 1))
        end = self.lines("dump", "--json", "segments")[-1]
        self.assertEqual((end["verdict"], end["repairable"]), ("clean", True))
        self.run_tool("append", "segments")
        self.assertFalse(self.verdict("segments", CLEAN)[0]["repairable"])
        self.assertEqual(self.lines("stat", "--json", "segments")[0]["damaged_copies"], 0)
        os.unlink("segments/0000000000000002.segment")
        verdict, findings = self.verdict("segments", CORRUPT)
        self.assertIn("0000000000000002.segment is missing", [line["text"] for line in findings])

    def test_what_the_page_says_to_do(self):
        """It rescues what is left of a damaged log, and leaves alone one that was not closed."""
        with open(os.path.join(os.environ["SOURCE"], "docs/man/logfile.1"), encoding="utf-8") as file:
            example = re.search(r"\.RS\n(logfile verify .*?)\.RE", file.read(), re.DOTALL)[1]
        bin_folder = os.path.dirname(os.path.abspath(LOGFILE))
        environment = dict(os.environ, PATH=bin_folder + ":" + os.environ["PATH"])

        def follow():
            subprocess.run(["sh", "-c", example.replace("\\", "")], env=environment, check=False,
                           capture_output=True, timeout=PATIENCE)
            return os.path.exists("rescued.log")

        with self.start("append", "--ack", "orders.log") as writer:
            give(writer, b"one\n")
            writer.stdout.readline()
            writer.kill()
            writer.wait()
        self.verdict("orders.log", TORN)
        self.assertFalse(follow())
        self.make("orders.log", b"two")
        self.assertFalse(follow())
        self.flip("orders.log", self.lsns("orders.log")[0])
        self.assertTrue(follow())
        self.assertEqual(self.run_tool("cat", "rescued.log"), b"two\n")

    def test_unreadable(self):
        for path in ("missing", "."):
            self.assertEqual(self.run_tool("verify", "--json", path, status=UNREADABLE), b"")
            self.assertEqual(self.said.count(b"\n"), 1)


class Stat(ToolTest):
    def text(self, *words, status=0):
        found = {}
        for line in self.run_tool("stat", *words, status=status).decode().splitlines():
            key, value = line.split(": ")
            self.assertNotIn(key, found)
            found[key] = int(value) if key not in ("id", "verdict") else value
        return found

    def compare(self, path, *options, status=0):
        """All three forms say the same; what they say."""
        text = self.text(*options, path, status=status)
        given = self.lines("stat", "--json", *options, path, status=status)
        self.assertEqual(len(given), 1)
        self.assertEqual(given[0], {"path": path, **text})
        samples = parse_prometheus(
            self.run_tool("stat", "--prometheus", *options, path, status=status).decode())
        told = {}
        for name, values in samples.items():
            self.assertTrue(name.startswith("logfile_"))
            for labels, value in values:
                self.assertEqual(labels.pop("path"), path)
                if name == "logfile_info":
                    told["id"] = labels["id"]
                elif name == "logfile_verdict":
                    self.assertIn(value, (0, 1))
                    if value == 1:
                        self.assertNotIn("verdict", told)
                        told["verdict"] = labels["verdict"]
                else:
                    self.assertEqual(labels, {})
                    told[name[len("logfile_"):].replace("size_bytes", "size")] = value
        self.assertEqual(told, text)
        return text

    def test_forms(self):
        self.make("log", b"one", b"twotwo")
        found = self.compare("log")
        self.assertEqual((found["records"], found["payload_bytes"], found["verdict"]), (2, 9, "clean"))
        quick = self.compare("log", "--quick")
        for key in ("size", "id", "version", "slot_bytes", "first_lsn", "oldest_lsn", "incarnation"):
            self.assertEqual(quick[key], found[key])
        self.assertEqual(quick["marked_lsn"], found["end_lsn"]) # it was closed cleanly
        self.assertEqual((quick["live"], quick["mark_bytes"]), (0, 0))
        for key in ("records", "epochs", "end_lsn", "verdict", "damages"):
            self.assertNotIn(key, quick)

    def test_a_directory(self):
        found = self.compare(os.path.join(GOLDEN, "segments"))
        self.assertEqual((found["segments"], found["first_segment"]), (4, 1))
        self.assertEqual(self.compare(os.path.join(GOLDEN, "segments"), "--quick")["segments"], 4)

    def test_quick_does_not_walk(self):
        for word in (b"one", b"two", b"three"):
            self.make("log", word)
        self.flip("log", self.lsns("log")[1])
        found = self.compare("log", status=CORRUPT)
        self.assertEqual((found["verdict"], found["damages"]), ("corrupt", 1))
        self.compare("log", "--quick")
        # What it reads it checks.
        self.flip("log", 100)
        self.assertEqual(self.compare("log", "--quick")["damaged_copies"], 1)
        self.flip("log", 4196)
        for form in ([], ["--json"], ["--prometheus"]):
            self.assertEqual(self.run_tool("stat", "--quick", *form, "log", status=CORRUPT), b"")

    def test_live(self):
        with self.start("append", "--ack", "log") as writer:
            give(writer, b"one\n")
            writer.stdout.readline()
            self.assertEqual(self.compare("log", "--quick")["live"], 1)
            self.assertEqual(self.compare("log")["verdict"], "live")

    def test_unreadable(self):
        for form in ([], ["--json"], ["--prometheus"], ["--quick"]):
            self.assertEqual(self.run_tool("stat", *form, "missing", status=UNREADABLE), b"")


class Dump(ToolTest):
    def test_json(self):
        self.make("log", b"one", b"twotwo")
        lines = self.lines("dump", "--json", "--records", "log")
        kinds = [line["kind"] for line in lines]
        self.assertEqual(kinds[:4], ["file header"] * 2 + ["trim mark"] * 2)
        self.assertEqual([line["block"] for line in lines[:4]], [0, 1, 2, 3])
        self.assertEqual([line["lsn"] for line in lines if line["kind"] == "record"], self.lsns("log"))
        self.assertEqual([line["size"] for line in lines if line["kind"] == "record"], [3, 6])
        figures = self.lines("stat", "--json", "log")[0]
        self.assertEqual(kinds.count("epoch"), figures["epochs"])
        self.assertEqual(lines[-1], {"kind": "end", "lsn": figures["end_lsn"], "verdict": "clean",
                                     "repairable": False})
        self.assertEqual(lines[0]["id"], figures["id"])
        without = self.lines("dump", "--json", "log")
        self.assertEqual(without, [line for line in lines if line["kind"] != "record"])
        # As many lines as the text, which tells the same.
        text = self.run_tool("dump", "--records", "log").decode().splitlines()
        self.assertEqual(len(text), len(lines))

    def test_damage(self):
        for word in (b"one", b"two", b"three"):
            self.make("log", word)
        lsn = self.lsns("log")[1]
        self.flip("log", lsn)
        lines = self.lines("dump", "--json", "log", status=CORRUPT)
        damage = [line for line in lines if line["kind"] == "damage"]
        self.assertEqual(len(damage), 1)
        self.assertTrue(damage[0]["from_lsn"] < lsn < damage[0]["to_lsn"])
        broken = [line for line in lines if line["kind"] == "epoch" and not line["whole"]]
        self.assertEqual([(line["lsn"], line["checksum"]) for line in broken],
                         [(damage[0]["from_lsn"], "ok")])
        self.assertEqual(lines[-1]["verdict"], "corrupt")


class Names(ToolTest):
    NAMES = (b"two\nlogfile_size{path=\"x\"} 1", b"carriage\rreturn", b"quote\"and\\backslash",
             b"esc\x1b[2J\x7f", "next\u0085line\u2028sep\u2029".encode(), b"no\xffutf8\xc3",
             b"log\nother: clean: 9 records", b"{\"lsn\": 1}\n", "gr\u00fc\u00df".encode(), b"ends\\")

    def test_no_line_is_forged(self):
        self.make("plain", b"one")
        forms = [[command, *form] for command, *form in (
            ("verify",), ("verify", "--json"), ("stat",), ("stat", "--json"), ("stat", "--prometheus"),
            ("stat", "--quick", "--prometheus"), ("dump",), ("dump", "--json"), ("cat",), ("cat", "--json"))]
        expected = {tuple(form): len(self.run_tool(*form, "plain").splitlines()) for form in forms}
        for name in self.NAMES:
            shutil.copy("plain", name)
            for form in forms:
                with self.subTest(name=name, form=form):
                    out = self.run_tool(*form, name)
                    text = out.decode("utf-8")
                    self.assertEqual(len(text.splitlines()), expected[tuple(form)], text)
                    self.assertEqual(self.said, b"")
                    if "--json" in form:
                        self.check_json(text, name)
                    if "--prometheus" in form:
                        self.check_prometheus(text)
            os.unlink(name)

    def check_json(self, text, name):
        for line in map(json.loads, text.splitlines()):
            if "path" in line:
                self.assertEqual(line["path"].encode(), name)
            if "path_base64" in line:
                self.assertEqual(base64.b64decode(line["path_base64"], validate=True), name)
                with self.assertRaises(UnicodeDecodeError):
                    name.decode("utf-8")

    def check_prometheus(self, text):
        samples = parse_prometheus(text)
        self.assertEqual(len(samples["logfile_size_bytes"]), 1)
        shown = {labels["path"] for values in samples.values() for labels, _ in values}
        self.assertEqual(len(shown), 1)
        self.assertTrue(shown.pop().isprintable())

    def test_errors(self):
        for name in self.NAMES:
            for command in (["verify", "--json"], ["stat", "--prometheus"], ["stat", "--json"],
                            ["cat", "-f"], ["dump", "--json"]):
                with self.subTest(name=name, command=command):
                    self.assertEqual(self.run_tool(*command, name, status=UNREADABLE), b"")
                    self.assertEqual(len(self.said.decode("utf-8").splitlines()), 1)


if __name__ == "__main__":
    # A shell that starts this in the background has it ignored, and so would what is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    unittest.main()
