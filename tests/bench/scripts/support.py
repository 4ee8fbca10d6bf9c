"""What the tests of the bench's scripts share."""

import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.realpath(__file__))
SCRIPTS = os.path.join(HERE, "..", "..", "..", "scripts")
sys.path[:0] = [HERE, SCRIPTS]


class Case(unittest.TestCase):
    """A test with a folder of its own, below the current one."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="test-bench-scripts-", dir=".")
        self.addCleanup(folder.cleanup)
        self.folder = os.path.abspath(folder.name)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8") as file:
            return file.read()

    def script(self, name, *words, **environment):
        return subprocess.run([sys.executable, os.path.join(SCRIPTS, name), *words],
                              capture_output=True, text=True, cwd=self.folder, check=False,
                              env={**os.environ, **environment})

    def refuses(self, expected, name, *words, **environment):
        """One line that has the text, status 64, and nothing on standard output."""
        done = self.script(name, *words, **environment)
        self.assertEqual(done.returncode, 64, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith(f"{name}: "), done.stderr)
        self.assertIn(expected, done.stderr)
        self.assertEqual(done.stdout, "")

    def runs(self, name, *words, **environment):
        done = self.script(name, *words, **environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done
