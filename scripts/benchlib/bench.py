"""Runs logfile-bench as a child: with a time, with signals that end it, and with what it said."""

import ctypes
import os
import shlex
import signal
import subprocess
import tempfile

POLL_S = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# What Linux calls it; Python has no name for it.
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def end_with(parent):
    """In the child, before it is the bench: none must go on measuring after a sweep that was
    killed. A parent that is gone by now will send nothing any more."""
    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGTERM)
    return prepare


class Bench:
    """The program, and the signal that came while it ran, if any.

    The child has a session of its own: Ctrl-C reaches it once, through this process, and not a
    second time from the terminal, which it would take for an order to end at once. Whichever the
    signal was, the bench is sent SIGTERM, which ends it cleanly.
    """

    def __init__(self, program):
        self.program = program
        self.child = None
        self.signal = None
        for number in SIGNALS:
            # What is ignored from the start, as nohup has it, stays so.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self.on_signal)

    def on_signal(self, number, _):
        self.signal = self.signal or number
        if self.child and self.child.poll() is None:
            self.child.terminate()

    def command(self, options):
        """As somebody would type it."""
        return " ".join(shlex.quote(word) for word in ["logfile-bench", *options])

    def run(self, options, output=os.devnull, while_running=lambda: None):
        """The exit status, and the last line on standard error; the table goes into `output`."""
        with tempfile.TemporaryFile() as errors, open(output, "ab") as table:
            self.child = subprocess.Popen([self.program, *options], stdin=subprocess.DEVNULL,
                                          stdout=table, stderr=errors, start_new_session=True,
                                          preexec_fn=end_with(os.getpid()))
            if self.signal:  # it came before there was a child to tell
                self.child.terminate()
            status = self.wait(while_running)
            errors.seek(0)
            lines = errors.read().decode("utf-8", "replace").split("\n")
        said = [line.strip("\r ") for line in lines if line.strip()]
        return status, said[-1] if said else ""

    def wait(self, while_running):
        while True:
            try:
                return self.child.wait(POLL_S)
            except subprocess.TimeoutExpired:
                while_running()

    def version(self):
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True,
                              check=False)
        words = done.stdout.split()
        return words[1] if len(words) > 1 else None
