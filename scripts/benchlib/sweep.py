"""A sweep: its parts one after the other, and a folder that tells at any time what is in it."""

import datetime
import json
import os
import shutil
import subprocess
import sys
import time

from . import parts
from .command import refuse
from .results import PEERS, group, read_results
from .surroundings import notes
from .wording import clock, round_to


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


class Progress:
    """One line on a terminal, or one a part elsewhere."""

    def __init__(self, estimates):
        self.begin = time.monotonic()
        self.estimates = estimates
        self.done_s = 0.0  # what the finished parts took
        self.guessed_s = 0.0  # and what had been guessed for them
        self.live = sys.stderr.isatty()

    @property
    def elapsed_s(self):
        return time.monotonic() - self.begin

    @property
    def correction(self):
        """How much longer than guessed the parts took so far; never shorter, so as to keep time."""
        return max(1.0, self.done_s / self.guessed_s) if self.guessed_s else 1.0

    def left_s(self, index, share):
        rest = self.estimates[index] * (1 - min(1, share)) + sum(self.estimates[index + 1:])
        return rest * self.correction

    def text(self, index, name, share):
        return (f"bench-sweep: part {index + 1} of {len(self.estimates)}, {name}:"
                f" {clock(self.elapsed_s)} elapsed, about {clock(self.left_s(index, share))} left")

    def starts(self, index, name):
        if not self.live:
            print(self.text(index, name, 0), file=sys.stderr, flush=True)

    def goes_on(self, index, name, share):
        if self.live:
            print(f"\r{self.text(index, name, share)}\033[K", end="", file=sys.stderr, flush=True)

    def ends(self, index, took_s, ran):
        if ran:
            self.done_s += took_s
            self.guessed_s += self.estimates[index]
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def line_count(path):
    try:
        with open(path, "rb") as file:
            return file.read().count(b"\n")
    except OSError:
        return 0


# How the bench says that it knows a store and has not got it.
NOT_BUILT_IN = "is not built in"


def plain(said):
    return said.removeprefix("logfile-bench: ")


def append_file(fresh, kept):
    """What was added is no longer there."""
    if os.path.exists(fresh):
        with open(fresh, "rb") as new, open(kept, "ab") as old:
            shutil.copyfileobj(new, old)
        os.remove(fresh)


def drop_if_empty(path):
    """Whether there is something in the file; one without is not left behind."""
    if line_count(path):
        return True
    if os.path.exists(path):
        os.remove(path)
    return False


class Sweep:
    """`planned` are parts.Part; entries are what sweep.json says of each."""

    def __init__(self, bench, folder, where, settings, planned, command):
        self.bench = bench
        self.folder = folder
        self.where = where
        self.settings = settings
        self.planned = planned
        self.peers, self.missing = [], []  # the stores that there are, and words on the others
        self.progress = Progress([part.estimate_s(settings) for part in planned])
        self.entries = [{"name": part.name, "title": part.title, "file": None, "commands": [],
                         "status": "skipped", "reason": "not reached", "note": None,
                         "started": None, "ended": None} for part in planned]
        self.about = {"sweep": 1, "version": bench.version(), "mode": settings.mode,
                      "command": command, "dir": os.path.abspath(where), "started": now(),
                      "ended": None, "interrupted": False, "topology": None, "topology_note": None,
                      "notes": notes(where)}

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self):
        """Anew after each part: a sweep that is killed leaves what it had."""
        about = {**self.about, "interrupted": self.bench.signal is not None, "parts": self.entries}
        with open(self.path("sweep.json.part"), "w", encoding="utf-8") as file:
            json.dump(about, file, indent=1)
            file.write("\n")
        os.replace(self.path("sweep.json.part"), self.path("sweep.json"))

    # ---- Before anything is measured ----

    def refusal(self, part, options):
        """What the bench says to a command of the part instead of running it, if anything."""
        status, said = self.bench.run([*self.shared(part), *options, "--dir", self.where, "--json",
                                       self.path(f"{part.name}.json"), "--check"])
        return plain(said) if status else None

    def rehearse(self):
        """Every part as it will be run, up to where the first run would begin: what the bench
        refuses in one of them, it refuses before any run of the sweep."""
        for part in self.planned:
            if self.bench.signal:
                return
            own = ["--engine", parts.listed(self.settings.engines)] if part.peers else []
            said = self.refusal(part, own)
            said = said or (self.find_peers(part) if part.peers else None)
            if said and not self.bench.signal:
                refuse(f"{part.name}: {said}")
            self.adapt(part)
        self.progress.estimates = [part.estimate_s(self.settings) for part in self.planned]

    def adapt(self, part):
        """To what the bench can do: an older one lacks some options."""
        if part.extra and self.refusal(part, part.extra) is None:
            part.take_extra()
        if part.fractions != [None]:
            part.by_share = self.refusal(part, ["--rate", self.shares(part)]) is None

    @staticmethod
    def shares(part):
        return ",".join(f"{share:g}x" for share in part.fractions)

    def find_peers(self, part):
        """Which stores the bench was built with; or what it has against one of those."""
        for peer in PEERS:
            said = self.refusal(part, ["--engine", peer])
            if said is None:
                self.peers.append(peer)
            elif NOT_BUILT_IN in said:
                self.missing.append(f"without {peer} ({said})")
            else:
                return said
        return None

    def draw_topology(self):
        """hwloc's own drawing of the machine; without its legend, which names the host."""
        target = self.path("topology.svg")
        program = shutil.which("lstopo-no-graphics") or shutil.which("lstopo")
        if program is None:
            self.about["topology_note"] = "hwloc's lstopo is not installed"
            return
        done = subprocess.run([program, "--of", "svg", "--no-legend", target], capture_output=True,
                              text=True, check=False)
        if done.returncode == 0 and os.path.exists(target):
            self.about["topology"] = "topology.svg"
        else:
            self.about["topology_note"] = "lstopo could not draw it"

    # ---- One part ----

    def run_command(self, index, options):
        """One command of a part. The first writes the part's file; what a later one writes is added
        to it, because the bench begins its file anew."""
        part, entry = self.planned[index], self.entries[index]
        kept = self.path(f"{part.name}.json")
        fresh = f"{kept}.part" if os.path.exists(kept) else kept
        whole = [*options, "--dir", self.where, "--json", fresh]
        entry["commands"].append(self.bench.command(whole))
        before, expected = line_count(kept), part.lines()
        status, said = self.bench.run(
            whole, self.path(f"{part.name}.txt"),
            lambda: self.progress.goes_on(index, part.name,
                                          (before + line_count(fresh)) / expected))
        if fresh != kept:
            append_file(fresh, kept)
        entry["file"] = os.path.basename(kept) if drop_if_empty(kept) else None
        return status, said

    def closed_rate(self, part):
        """What the ring, or else the first engine, makes with as many writers when nothing limits
        it: from the engines' part, or else from a run for this alone."""
        engine = "ring" if "ring" in self.settings.engines else self.settings.engines[0]
        writers = self.settings.middle
        rate = self.rate_in(self.path("engines.json"), engine, writers)
        if rate is None:
            probe = self.path("closed.json.part")
            self.bench.run(["--engine", engine, "--writers", str(writers), "--size", "512",
                            *part.duration(self.settings), "--dir", self.where, "--json", probe])
            rate = self.rate_in(probe, engine, writers)
            if os.path.exists(probe):
                os.remove(probe)
        return rate

    @staticmethod
    def rate_in(path, engine, writers):
        if not os.path.exists(path):
            return None
        cells = [cell for cell in group(read_results(path)[0])
                 if cell.first.variant == engine and cell.first.writers == writers]
        return cells[0].mid("records_per_s") if cells else None

    def peers_that_run(self, entry):
        """Each makes one record durable: one that cannot must not end the part for the others."""
        found, notes = [], list(self.missing)
        for peer in self.peers:
            status, said = self.bench.run(["--engine", peer, "--writers", "1", "--records", "1",
                                           "--dir", self.where])
            if status == 0:
                found.append(peer)
            elif not self.bench.signal:
                notes.append(f"{peer} could not be run ({plain(said)})")
        entry["note"] = "; ".join(notes) or None
        return found

    def shared(self, part):
        """The options of all commands of a part."""
        return [*part.options, *part.duration(self.settings), "--repeat", str(part.rounds)]

    def commands_of(self, part, entry):
        """The options of each of its commands; a text says why there are none."""
        shared = self.shared(part)
        if part.peers:
            found = self.peers_that_run(entry)
            if not found:
                return "none of the other stores could be run" if self.peers else (
                    "no other store is built in")
            return [["--engine", parts.listed(self.settings.engines + found), *shared]]
        if part.fractions == [None]:
            return [[*shared, *(["--device", device] if device else [])] for device in part.devices]
        if part.by_share:
            return [[*shared, "--rate", self.shares(part)]]
        rate = self.closed_rate(part)
        if not rate:
            return "the closed loop gave no rate to take fractions of"
        return [[*shared, "--rate", f"{round_to(rate * share, 2):.0f}"] for share in part.fractions]

    def too_late(self, index):
        guess = self.progress.estimates[index] * self.progress.correction
        return (self.settings.mode == "quick"
                and self.progress.elapsed_s + guess > parts.QUICK_LIMIT_S)

    def run_part(self, index):
        entry = self.entries[index]
        commands = self.commands_of(self.planned[index], entry)
        if isinstance(commands, str):
            return ("failed" if self.planned[index].peers and self.peers else "skipped"), commands
        for options in commands:
            if self.bench.signal:
                break
            status, said = self.run_command(index, options)
            if status == 0:
                continue
            if self.bench.signal or status > 128 or status < 0:
                break
            reason = plain(said)
            return ("skipped" if status == 64 and not entry["file"] else "failed"), reason
        else:
            return "complete", None
        return "interrupted", "what was measured until then is kept"

    def one(self, index):
        """A part, if there is still time for it."""
        entry, part = self.entries[index], self.planned[index]
        if self.too_late(index):
            entry["reason"] = "no time left for it in the three minutes of --quick"
            return
        self.progress.starts(index, part.name)
        begin = time.monotonic()
        entry["started"] = now()
        entry["status"], entry["reason"] = self.run_part(index)
        entry["ended"] = now()
        self.progress.ends(index, time.monotonic() - begin, entry["status"] == "complete")

    # ---- All of them ----

    def refused(self):
        """The bench would not even begin with the first part: its folder, most likely."""
        first = self.entries[0]
        return first["status"] == "skipped" and first["commands"] and not first["file"]

    def run(self):
        for index in range(len(self.planned)):
            if self.bench.signal:
                break
            self.one(index)
            if index == 0 and self.refused():
                refuse(self.entries[0]["reason"])
            self.write()
        if self.bench.signal:
            for entry in self.entries:
                if entry["reason"] == "not reached":
                    entry["reason"] = "the sweep was interrupted"
        self.about["ended"] = now()
        self.write()

    def status(self):
        if self.bench.signal:
            return 128 + self.bench.signal
        return 1 if any(entry["status"] == "failed" for entry in self.entries) else 0
