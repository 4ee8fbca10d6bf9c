"""Writes a sweep's folder, or one part of it, as logfile-bench and bench-sweep would leave it.

The numbers come from a small model of group commit and from a seed: the same seed gives the same
bytes. They are not measurements.
"""

import json
import math
import os
import random

SYNC_US = 190.0
WAKE_US = 6.0
EACH = 8
STAGES = ("checksum", "reserve", "copy", "flip", "write", "sync", "wake")

MACHINE = {"cpu": "Example CPU @ 2.60GHz", "packages": 1, "cores": 2, "hardware_threads": 2,
           "numa_nodes": 1, "memory_bytes": 8 << 30, "virtual": True, "architecture": "x86_64",
           "kernel": "6.1.0-example"}
FILESYSTEM = {"type": "ext4", "source": "/dev/vda1", "mount_options": "rw,relatime",
              "super_options": "rw,discard", "total_bytes": 1 << 36, "free_bytes": 1 << 35}
FILE = {"kind": "file", "name": "vda", "model": None, "write_cache": "write back",
        "rotational": False}
NULL = {"kind": "null"}
LADDER = ("mutex", "checksum outside the lock", "wake per epoch", "copy outside the lock",
          "hybrid flusher", "gather", "fetch-add", "sharded publish", "adaptive wait")
PEER_SETTINGS = {
    "rocksdb": "WriteOptions::sync, write-ahead log only, no compression",
    "wiredtiger": "log=(enabled), transaction_sync=(enabled, method=fsync)",
    "lmdb": "one write transaction a record, MDB_APPEND, no MDB_NOSYNC",
    "sqlite": "journal_mode=WAL, synchronous=FULL, one transaction a record",
}
# Records that share a sync, as a share of the writers; and what a record costs beside it.
DESIGNS = {"ring": (0.95, 0.6), "mutex": (0.5, 2.2), "serial": (0.0, 1.5), "rocksdb": (0.5, 9.0),
           "wiredtiger": (0.55, 7.0), "lmdb": (0.0, 14.0), "sqlite": (0.0, 55.0)}


class Maker:
    """Draws results with one seed; `factor` speeds up what `planted` accepts, and `sync_us` is how
    fast the device is today."""

    def __init__(self, seed=1, rounds=3, planted=None, factor=1.0, scatter=0.02, sync_us=SYNC_US,
                 samples=4000):
        self.random = random.Random(seed)
        self.rounds = rounds
        self.planted = planted
        self.factor = factor
        self.scatter = scatter
        self.sync_us = sync_us
        self.samples = samples  # of a latency histogram

    def noise(self, scale=1.0):
        return math.exp(self.random.gauss(0, self.scatter * scale))

    def sync_floor(self, number):
        rate = 1e6 / self.sync_us * self.noise()
        return {"floor": "sync", "how": "fdatasync", "direct": True, "syncs_per_s": round(rate, 1),
                "p50_us": round(1e6 / rate * 0.97, 3), "p99_us": round(1e6 / rate * 1.6, 3),
                "p999_us": round(1e6 / rate * 4, 3), "round": number}

    def wake_floor(self, threads, number):
        rate = 1e6 / WAKE_US * min(1, threads / 4) * self.noise()
        return {"floor": "wake", "threads": threads, "groups": 2 if threads >= 4 else 1,
                "wakes_per_s": round(rate, 1), "round": number}

    def latencies(self, p50):
        """A histogram around p50, on edges of eighths of a power of two; a value that is drawn stands
        for EACH samples, as a test's time goes into drawing."""
        counts = {}
        for _ in range(self.samples // EACH):
            value = p50 * math.exp(self.random.gauss(0, 0.12))
            if self.random.random() < 0.01:
                value *= 1 + self.random.expovariate(0.6)
            step = 2.0 ** math.floor(math.log2(value)) / 8
            low = math.floor(value / step) * step
            counts[low] = counts.get(low, 0) + EACH
        return [[low, counts[low]] for low in sorted(counts)]

    def batches(self, mean):
        if mean < 1.01:
            return [1000]
        top = max(1, math.ceil(math.log2(mean)) + 1)
        shape = [math.exp(-(i + 0.5 - math.log2(mean)) ** 2) for i in range(top)]
        return [round(1000 * value / sum(shape)) for value in shape]

    def stages(self, sync_us, per_record):
        means = dict(zip(STAGES, (0.2, 0.3 * per_record, 0.4, 0.35 * sync_us, 9.0, sync_us,
                                  4.0 * per_record)))
        return {"samples": 500, **{key: round(value, 3) for key, value in means.items()}}

    def run(self, number, variant, writers, engine=None, size=512, window=1, device=None, rate=None,
            **more):
        """One result; `more` holds keys of the top level, and options."""
        engine = engine or variant.split("/")[0]
        share, per_record = DESIGNS[engine]
        per_record *= more.pop("cost", 1.0)
        in_memory = device is not None and device["kind"] == "null"
        pending = writers * window
        batch = max(1.0, share * pending) if not in_memory else 256.0
        sync_us = 0.0 if in_memory else self.sync_us + size * batch / 1000
        one = (sync_us / batch + per_record * (1 + 0.1 * math.log2(writers))) * self.noise()
        if self.planted and self.planted(variant, writers):
            one /= self.factor
        most = 1e6 / one
        reached = min(rate, most) if rate else most
        p50 = max(1.0, pending / most * 1e6) if rate is None else sync_us * (
            1.1 + 0.5 * min(9, rate / max(1, most - rate)) if rate < most else 4000)
        p50 *= self.noise()
        row = self.measures(reached, size, p50, batch, per_record)
        row.update(engine=engine, variant=variant, writers=writers)
        if window > 1:
            row["submit_ns"] = round(per_record * 1000 * (1 + 0.3 * math.log2(writers)), 1)
        if window == 1 and not rate and engine in ("ring", "mutex", "serial"):
            row["stages_us"] = self.stages(sync_us, per_record)
        options = more.pop("options", {})
        row.update(more)
        row.update(machine=MACHINE, filesystem=None if in_memory else FILESYSTEM,
                   device=device or FILE,
                   options=self.options(number, size, window, rate, in_memory, **options))
        return row

    def measures(self, rate, size, p50, batch, per_record):
        return {"engine": None, "variant": None, "rung": None, "writers": None, "size_bytes": size,
                "records": int(rate * 0.5), "seconds": 0.5, "records_per_s": round(rate, 3),
                "bytes_per_s": round(rate * size, 3), "p50_us": round(p50, 3),
                "p99_us": round(p50 * 1.5 * self.noise(2), 3),
                "p999_us": round(p50 * 2.6 * self.noise(4), 3), "max_us": round(p50 * 9, 3),
                "flushes": int(rate * 0.5 / batch), "records_per_flush": round(batch, 3),
                "device_bytes_per_payload_byte": round(math.ceil((64 + batch * (size + 8)) / 4096)
                                                       * 4096 / (batch * size), 3),
                "cpu_us_per_record": round(per_record * 1.4, 3), "rss_bytes": 12 << 20,
                "submit_ns": None, "context_switches_per_record": round(1.1 + 1 / batch, 3),
                "system_calls_per_record": round(1.2 + 3 / batch, 3),
                "latency_histogram": self.latencies(p50), "batch_histogram": self.batches(batch),
                "stages_us": None, "settings": None, "placement": None}

    def options(self, number, size, window, rate, in_memory, **more):
        options = {"version": "0.1.0", "preset": None, "size_min": size, "size_max": size,
                   "window": window, "asked_seconds": 0.5, "records_per_writer": None, "rate": rate,
                   "flusher": "hybrid", "wait": "adaptive", "reserve": "faa", "publish_shards": 8,
                   "variant_flags": [], "io": "auto", "io_used": "direct", "sync": "fdatasync",
                   "prepare": "zero", "checksum": "header" if in_memory else "full",
                   "slot_bytes": None, "segment_bytes": 0, "trim_keep": 0, "written": 0, "seed": 1,
                   "round": number, "rounds": self.rounds, "interrupted": False,
                   "command": "logfile-bench --json results.json"}
        options.update(more)
        return options

    def rounds_of(self, runs):
        """Interleaved, as the bench does it: in each round the floors, and every run once."""
        lines = []
        in_memory = any("device" in run for run in runs)
        for number in range(1, self.rounds + 1):
            lines += [] if in_memory else [self.sync_floor(number)]
            lines += [self.wake_floor(threads, number)
                      for threads in sorted({run["writers"] for run in runs})]
            lines += [self.run(number, **arguments) for arguments in runs]
        return lines


# ---- Parts ---------------------------------------------------------------------------------------


def cross(**lists):
    """Every combination of the lists' entries."""
    runs = [{}]
    for key, values in lists.items():
        runs = [{**run, key: value} for run in runs for value in values]
    return runs


def engines(maker):
    return maker.rounds_of(cross(writers=[1, 4, 16, 64], variant=["ring", "mutex", "serial"]))


def ladder(maker):
    runs = []
    for rung, name in enumerate(LADDER, 1):
        runs.append({"variant": name, "engine": "mutex" if rung < 4 else "ring", "rung": rung,
                     "writers": 16, "cost": 1.6 - 0.1 * rung})
    return maker.rounds_of(runs)


def contention(maker):
    names = ["ring/faa", "ring/cas", "ring/ticket", "ring/mcs", "ring/mutex", "mutex"]
    costs = dict(zip(names, (1.0, 1.2, 1.5, 1.6, 2.4, 0.9)))
    runs = cross(writers=[1, 2, 4, 16], variant=names, device=[NULL], window=[1024], size=[90])
    return maker.rounds_of([{**run, "cost": costs[run["variant"]]} for run in runs])


def add_newer_fields(line):
    """What benches of today write beside it."""
    worst = {"ring": 0.99, "mutex": 0.87, "serial": 0.6}[line["engine"]]
    line["fairness"] = {"jain": worst, "least_over_mean": worst, "most_over_mean": 2 - worst,
                        "writer_p50_us_least": 210.0, "writer_p50_us_most": 330.0}
    line["epochs_crossed"] = {"mean": 1.4, "max": 3.0}
    line["samples"] = line["records"]
    line["pressure"] = {"cpu_some_us": 10.0, "io_some_us": 10.0, "steal_us": 40000.0}
    line["bounds"] = [{"bound": "lone-writer syncs/s", "before": 5000.0, "after": 7100.0,
                       "records_per_s": 7100.0 * line["writers"],
                       "passed": line["records_per_s"] > 7100.0 * line["writers"]}]
    line["series"] = [{"t_s": i / 10, "records": 500 + 9 * i, "p99_us": 400.0 + i, "syncs": 50,
                       "steal_us": 1000.0 * i} for i in range(5)]


def whole(maker):
    """Everything that the first screen can show: also the lock alone, on several devices."""
    head = {"head": 1, "time": "2026-11-30T07:33:05+00:00", "commit": "0123456789abcdef",
            "compiler": "gcc 12.2.0", "cflags": "-O2", "virtual": "kvm", "cpus_online": 2}
    variants = ["ring/faa", "ring/mutex", "mutex", "serial"]
    lines = [head] + maker.rounds_of(cross(writers=[1, 4, 16, 64], variant=variants))
    for device in ({"kind": "null"}, {"kind": "delay", "delay_us": 20},
                   {"kind": "delay", "delay_us": 1000}):
        for number in range(1, maker.rounds + 1):
            for run in cross(writers=[1, 4, 16, 64], variant=["ring/faa", "mutex"]):
                lines.append(maker.run(number, device=device, **run))
                lines[-1]["records_per_s"] *= 0.4 if line_is(lines[-1], "ring", "null") else 1
    for line in lines:
        if "engine" in line:
            add_newer_fields(line)
            line["options"]["reserve"] = "mutex" if line["variant"] == "ring/mutex" else "faa"
            line["options"]["command"] = (
                "/home/somebody/logfile/build/dev/.libs/logfile-bench --engine ring,mutex,serial"
                " --reserve faa,mutex --writers 1,4,16,64 --size 512 --seconds 1.25 --repeat 3"
                " --floors --stages 64 --json results.json")
    return lines


def line_is(line, engine, device):
    return line["engine"] == engine and line["device"]["kind"] == device


def sizes(maker):
    return maker.rounds_of(cross(size=[100, 4096, 65536], writers=[16], variant=["ring", "mutex"]))


def windows(maker):
    return maker.rounds_of(cross(window=[1, 16, 256], writers=[2], variant=["ring", "mutex"]))


def open_loop(maker):
    return maker.rounds_of(cross(rate=[9000, 18000, 30000, 60000], writers=[16],
                                 variant=["ring", "mutex"]))


def peers(maker):
    runs = cross(writers=[1, 16, 64], variant=["ring", "mutex", "serial", *PEER_SETTINGS])
    lines = maker.rounds_of(runs)
    for line in lines:
        if line.get("engine") in PEER_SETTINGS:
            line.update(settings=PEER_SETTINGS[line["engine"]], flushes=None, rss_bytes=None,
                        records_per_flush=None, device_bytes_per_payload_byte=None,
                        batch_histogram=None, system_calls_per_record=None)
    return lines


def interrupted(maker):
    """Two rounds, the last run cut short."""
    lines = maker.rounds_of(cross(writers=[16], variant=["ring/block", "ring/spin"]))[:-1]
    lines[-1]["options"]["interrupted"] = True
    return lines


PARTS = {"engines": ("Engines by number of writers", engines),
         "ladder": ("From a mutex to the ring", ladder),
         "contention": ("Contention without a disk", contention), "sizes": ("Record sizes", sizes),
         "windows": ("Windows", windows), "open-loop": ("Offered load", open_loop),
         "peers": ("Beside other stores", peers), "waits": ("How writers wait", interrupted)}


def add_lines(path, lines):
    with open(path, "a", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


def part_entry(name, title, status="complete", reason=None):
    return {"name": name, "title": title, "file": None if status == "skipped" else f"{name}.json",
            "commands": [f"logfile-bench --json {name}.json"], "status": status, "reason": reason,
            "started": "2026-01-01T12:00:00+00:00", "ended": "2026-01-01T12:01:00+00:00"}


def write_sweep(folder, names=PARTS, topology=None, **maker_arguments):
    """A whole sweep: interrupted in its last part, and one part skipped."""
    os.makedirs(folder)
    maker = Maker(**maker_arguments)
    entries = []
    for name in names:
        title, make = PARTS[name]
        add_lines(os.path.join(folder, f"{name}.json"), make(maker))
        entries.append(part_entry(name, title, "interrupted" if name == "waits" else "complete"))
    entries.append(part_entry("flushers", "Who flushes", "skipped", "the sweep was interrupted"))
    if topology:
        with open(os.path.join(folder, "topology.svg"), "w", encoding="utf-8") as file:
            file.write(topology)
    sweep = {"sweep": 1, "version": "0.1.0", "mode": "quick",
             "started": "2026-01-01T12:00:00+00:00", "ended": "2026-01-01T12:09:00+00:00",
             "command": "bench-sweep --quick",
             "interrupted": "waits" in names, "topology": "topology.svg" if topology else None,
             "topology_note": None if topology else "lstopo is not installed", "parts": entries}
    with open(os.path.join(folder, "sweep.json"), "w", encoding="utf-8") as file:
        json.dump(sweep, file, indent=1)
