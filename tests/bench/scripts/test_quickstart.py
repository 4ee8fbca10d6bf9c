"""quickstart with a bench that measures nothing: its options, and what it leaves."""

import os
import stat
import subprocess
import sys
import unittest

from support import HERE, SCRIPTS, Case


class Quickstart(Case):
    def setUp(self):
        super().setUp()
        os.makedirs(self.path("build"))
        self.write("build/logfile-bench",
                   f'#!/bin/sh\nexec "{sys.executable}" "{HERE}/fake_bench.py" "$@"\n')
        os.chmod(self.path("build", "logfile-bench"), stat.S_IRWXU)

    def quickstart(self, *words, **environment):
        return subprocess.run([os.path.join(SCRIPTS, "quickstart"), *words], capture_output=True,
                              text=True, cwd=self.folder, check=False,
                              env={**os.environ, **environment})

    def test_a_first_number_and_then_the_rest(self):
        os.mkdir(self.path("logs"))
        done = self.quickstart("--build", "build", "--dir", "logs", "--rounds", "4", "--minutes",
                               "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^first look, durable records/s: ring [\d,]+, mutex ")
        folder, = os.listdir(self.path("logfile-results"))
        left = set(os.listdir(self.path("logfile-results", folder)))
        self.assertLessEqual({"results.json", "report.html", "table.txt"}, left)
        self.assertFalse({"first.json", "readme.json"} & left)
        table = self.read("logfile-results", folder, "table.txt")
        for words in ("--dir logs", "--repeat 4", "--seconds 0.34", "--preset readme"):
            self.assertIn(words, table)
        self.assertIn("the page to look at: ", done.stdout)

    def test_what_the_bench_refuses_ends_it_and_leaves_nothing(self):
        done = self.quickstart("--build", "build", FAKE_REFUSE="ring,mutex")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ring,mutex: refused", done.stderr)
        self.assertEqual(os.listdir(self.folder), ["build"])

    def test_bad_input(self):
        for expected, words in (
                ("--foo: not an option", ["--foo"]), ("a value is missing after --dir", ["--dir"]),
                ("--rounds: '0' is not a whole number from 1 to 1000", ["--rounds", "0"]),
                ("--rounds: '1001' is not", ["--rounds", "1001"]),
                ("--minutes: 'x' is not a whole number from 1 to 1440", ["--minutes", "x"]),
                ("--dir nowhere: not a folder", ["--dir", "nowhere"]),
                ("--build nowhere: logfile-bench is not there", ["--build", "nowhere"])):
            done = self.quickstart(*words)
            self.assertEqual((done.returncode, done.stdout), (64, ""), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertIn(expected, done.stderr)
        self.assertEqual(os.listdir(self.folder), ["build"])

    def test_help(self):
        done = self.quickstart("--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--dir", "--rounds", "--minutes", "--build"):
            self.assertIn(f"  {option} ", done.stdout)


if __name__ == "__main__":
    unittest.main()
