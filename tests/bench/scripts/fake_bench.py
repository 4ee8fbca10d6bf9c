#!/usr/bin/env python3
"""Stands in for logfile-bench: takes its options, writes results of fixture.py, measures nothing.

FAKE_SLEEP    seconds that each run takes
FAKE_REFUSE   an option that it refuses with status 64
FAKE_LATE     one that it refuses only when it is to run, not with --check
FAKE_FAIL     an option with which it fails with status 1
FAKE_NEWER    it has --gather, and --rate as shares
FAKE_PEERS    the other store that it has, if any [rocksdb]
FAKE_CHECKS   a file that --check makes, and then takes its time
FAKE_PIDS     a file that gets a line with the process of each run
"""
import os
import shlex
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import fixture  # noqa: E402

ALONE = ("--ladder", "--floors", "--version", "--check")
stopped_by = None


def end(line, status):
    print(f"logfile-bench: {line}", file=sys.stderr)
    sys.exit(status)


def parse(words):
    options, rest = {}, iter(words)
    for word in rest:
        options[word] = True if word in ALONE else next(rest, None)
    return options


def numbers(options, name, default):
    return [int(word) for word in options.get(name, default).split(",")]


def variants(options):
    if "--ladder" in options:
        return [{"variant": name, "engine": "ring" if rung > 3 else "mutex", "rung": rung}
                for rung, name in enumerate(fixture.LADDER, 1)]
    found = []
    lists = [options[name].split(",") for name in ("--reserve", "--shards", "--flusher", "--wait")
             if name in options]
    for engine in options.get("--engine", "ring,mutex,serial").split(","):
        names = ["/".join(["ring", word]) for words in lists for word in words] or ["ring"]
        names = names if engine == "ring" else [engine]
        names = [f"{name}#2" if {"variant": name} in found else name for name in names]
        found += [{"variant": name} for name in names]
    return found


def runs(options):
    kind, _, delay = options.get("--device", "file").partition(":")
    device = {"null": fixture.NULL, "file": None}.get(
        kind, {"kind": kind, "delay_us": delay and float(delay)})
    rates = [float(rate.rstrip("x")) for rate in options.get("--rate", "0").split(",")]
    return [{**variant, "writers": writers, "size": size, "window": window, "rate": rate or None,
             "device": device}
            for size in numbers(options, "--size", "512")
            for window in numbers(options, "--window", "1")
            for writers in numbers(options, "--writers", "1,4,16,64")
            for rate in rates for variant in variants(options)]


def stop(number, _):
    """The first signal ends it cleanly, the second at once."""
    global stopped_by
    if stopped_by:
        os._exit(128 + number)
    stopped_by = number


def nap():
    until = time.monotonic() + float(os.environ.get("FAKE_SLEEP", "0"))
    while not stopped_by and time.monotonic() < until:
        time.sleep(0.01)


def measure(options, output):
    rounds = int(options.get("--repeat", "1"))
    maker = fixture.Maker(seed=len(str(sorted(options.items()))), rounds=rounds)
    maker.samples = 200
    for number in range(1, rounds + 1):
        if "--floors" in options:
            floors = [] if "--device" in options else [maker.sync_floor(number)]
            floors += [maker.wake_floor(w, number) for w in numbers(options, "--writers", "1")]
            fixture.add_lines(output, floors)
        for run in runs(options):
            nap()
            if stopped_by:
                time.sleep(0.3)  # reading back takes its time
            run.setdefault("engine", run["variant"].split("#")[0].split("/")[0])
            line = maker.run(number, **run, options={"interrupted": bool(stopped_by)})
            fixture.add_lines(output, [line])
            if stopped_by:
                sys.exit(128 + stopped_by)


def main(words):
    options = parse(words)
    if "--version" in options:
        print("logfile-bench 9.8.7")
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    if os.environ.get("FAKE_REFUSE") in words:
        end(f"{os.environ['FAKE_REFUSE']}: refused", 64)
    if not os.environ.get("FAKE_NEWER"):
        for name, value in options.items():
            if name == "--gather" or name == "--rate" and "x" in value:
                end(f"{name}: this version has none of it", 64)
    built_in = os.environ.get("FAKE_PEERS", "rocksdb")
    for peer in fixture.PEER_SETTINGS:
        if peer != built_in and peer in options.get("--engine", "").split(","):
            end(f"--engine: {peer} is not built in", 64)
    if "--check" in options:
        if os.environ.get("FAKE_CHECKS"):
            open(os.environ["FAKE_CHECKS"], "w", encoding="utf-8").close()
            time.sleep(0.3)
        return
    if os.environ.get("FAKE_LATE") in words:
        end(f"{os.environ['FAKE_LATE']}: refused late", 64)
    if os.environ.get("FAKE_FAIL") in words:
        end(f"{os.environ['FAKE_FAIL']}: failed", 1)
    if os.environ.get("FAKE_PIDS"):
        with open(os.environ["FAKE_PIDS"], "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
    if "--json" in options:
        print(shlex.join(words))
        print("alone in its session" if os.getsid(0) == os.getpid() else "not alone")
        open(options["--json"], "w", encoding="utf-8").close()
        measure(options, options["--json"])


main(sys.argv[1:])
