"""What the runs of test_scale.sh must have found."""
import json
import os
import sys

sys.dont_write_bytecode = True  # the sources may be read-only, and are kept clean
sys.path.insert(0, os.path.join(sys.argv[1], "scripts"))
from benchlib.results import group, read_results  # noqa: E402

failed = []


def lines_of(name):
    with open(f"{name}.json", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def check(holds, what):
    if not holds:
        failed.append(what)
        print(f"FAILED: {what}")


def moves(line):
    """Lines that changed hands or lost their copies, a record."""
    simulation = line["simulation"]
    return simulation["transfers_per_record"] + simulation["upgrades_per_record"]


def of_line(line, name):
    for found in line["simulation"]["lines"]:
        if found["name"] == name:
            return found["transfers_per_record"] + found["upgrades_per_record"]
    return 0.0


def close(found, expected, share):
    return abs(found - expected) <= share * abs(expected)


# ---- Textbooks ----
toys = {(line["variant"][4:], line["writers"]): line for line in lines_of("toys")}
for writers in (2, 4, 16, 64):
    # Each addition takes the word from the one before.
    check(close(moves(toys["faa", writers]), 1, 0.02), f"faa, {writers}: {moves(toys['faa', writers])}")
    check(moves(toys["private", writers]) < 0.05, f"private, {writers}: {moves(toys['private', writers])}")
    # Words that have nothing to do with each other, on one line, are as dear as one word.
    check(close(toys["false", writers]["records_per_s"], toys["faa", writers]["records_per_s"], 0.05),
          f"false sharing is not seen with {writers}")
    check(toys["private", writers]["records_per_s"] > 4 * writers / 2 * toys["false", writers]["records_per_s"] / 2,
          f"private is not faster than false with {writers}")
# All who spin read the line again when the word under the lock is stored, and at each release.
check(close(moves(toys["ticket", 64]) / moves(toys["ticket", 16]), 4, 0.1), "ticket is not linear in its spinners")
check(moves(toys["ticket", 16]) > 16, f"ticket, 16: {moves(toys['ticket', 16])}")
for writers in (4, 16, 64):
    # A queue lock hands over between two, however many wait.
    check(close(moves(toys["mcs", writers]), moves(toys["mcs", 4]), 0.05), f"mcs, {writers}: {moves(toys['mcs', writers])}")
    check(close(toys["mcs", writers]["records_per_s"], toys["mcs", 4]["records_per_s"], 0.1), f"mcs is not constant at {writers}")
check(toys["ticket", 64]["records_per_s"] < 0.3 * toys["ticket", 4]["records_per_s"], "ticket does not fall with its spinners")
check(toys["mcs", 64]["records_per_s"] > 2 * toys["ticket", 64]["records_per_s"], "mcs is not faster than ticket with 64")
# A convoy: threads that found the mutex taken sleep, and what is spent is spent in the kernel or asleep.
convoy = toys["mutex", 16]["simulation"]["processors_ns_per_record"]
check(convoy["kernel"] + convoy["switch"] + convoy["idle"] > 5 * convoy["work"], f"no convoy: {convoy}")
check(of_line(toys["mutex", 16], "kernel: futex buckets") > 0, "nobody slept for the mutex")
turns = lines_of("turns")[0]
check(close(moves(turns), 2, 0.02), f"turns: {moves(turns)}")
# Lines that stay with their owner until the probe comes give it several additions.
hold = lines_of("hold")[0]
check(moves(hold) < 0.5, f"an owner does not use its line until the probe: {moves(hold)}")

# ---- The machine decides ----
near, far = lines_of("near")[0], lines_of("far")[0]
check(close(near["records_per_s"] / far["records_per_s"], 2, 0.02), "lines that take twice as long do not halve faa")
rows2, rows3 = lines_of("rows2")[0], lines_of("rows3")[0]
check(rows2["simulation"]["far_transfers_per_record"] == 0, "a near line counts as far")
check(rows3["simulation"]["far_transfers_per_record"] > 0.3, "far lines are not counted")
check(rows3["records_per_s"] < 0.5 * rows2["records_per_s"], "a far processor does not slow the others down")

# ---- Time is conserved ----
everything = [line for name in ("toys", "log", "others", "shards", "devices", "chance1", "machines")
              for line in lines_of(name)]
for line in everything:
    simulation = line["simulation"]
    what = f"{line['variant']}, {line['writers']} writers on {line['machine']['cpu']}"
    spent = simulation["processors_ns_per_record"]
    had = line["seconds"] * 1e9 * line["machine"]["hardware_threads"] / line["records"]
    # Processors are a little ahead of the time when counting ends: none by more than a wake-up.
    slack = 60e3 * line["machine"]["hardware_threads"] / line["records"]
    check(abs(sum(spent.values()) - had) <= 0.01 * had + slack, f"{what}: {sum(spent.values())} of {had} ns are spent")
    stood = sum(found["queue_ns_per_record"] + found["transfer_ns_per_record"] for found in simulation["lines"])
    check(abs(stood - spent["queue"] - spent["transfer"]) < 0.01 * (stood + 1) + 0.01 * len(simulation["lines"]),
          f"{what}: lines were waited for {stood} ns, and processors say {spent['queue']} + {spent['transfer']}")
    moved = sum(found["transfers_per_record"] for found in simulation["lines"])
    check(abs(moved - simulation["transfers_per_record"]) < 0.001 * (moved + 1), f"{what}: {moved} transfers by line")
    check(line["simulated"] is True and line["machine"]["simulated"] is True, f"{what}: not marked as simulated")
    known = [line[key] for key in ("p50_us", "p90_us", "p99_us", "p999_us", "p99_99_us") if line[key] is not None]
    check(known == sorted(known) and known[-1] <= 1.01 * line["max_us"], f"{what}: percentiles")
    check((line["p99_us"] is None) == (line["samples"] < 1000), f"{what}: a p99 of {line['samples']} latencies")
    check(sum(count for _, count in line["latency_histogram"]) == line["samples"], f"{what}: samples")
    check(0 < simulation["fairness"] <= 1.000001, f"{what}: fairness {simulation['fairness']}")

# ---- The log ----
log = {(line["variant"], line["writers"], line["options"]["window"]): line for line in lines_of("log")}
check(len(log) == 2 * 2 * 7, f"{len(log)} runs of the log")
for writers in (4, 16):
    check(close(log["serial", writers, 1]["records_per_flush"], 1, 0.02), "serial groups")
    check(log["ring/faa", writers, 32]["records_per_flush"] > 16, "the ring does not group windows")
    one, other = log["ring/faa", writers, 32], log["mutex", writers, 32]
    check(of_line(one, "ring.head") > 0 and of_line(other, "ring.head") == 0, "the head is not the ring's alone")
    check(of_line(other, "engine->lock") > 0, "the mutex engine's lock has no name")
    check(of_line(log["ring/mutex", writers, 32], "reserve_mutex") > 0, "the reservation's mutex has no name")
batched, clients, rated, many = lines_of("others")[:4]
check(of_line(batched, "ring.head") < 0.5 * of_line(log["ring/faa", 4, 32], "ring.head"), "batches do not spare the head")
check(clients["records_per_flush"] > 16, "logical clients are not grouped")
check(close(rated["records_per_s"], 20000, 0.1), f"an open loop of 20,000 has {rated['records_per_s']}")
check(of_line(many, "ring.head") < 0.1, "logs of their own share a head")
one, sixteen = lines_of("shards")
check(of_line(one, "slot.shards") > 2 * of_line(sixteen, "slot.shards"), "one shard is as good as sixteen")
plain, slower, delayed, late, slack = lines_of("devices")
longer_ns = 1e9 / slower["records_per_s"] - 1e9 / plain["records_per_s"]
check(close(longer_ns, 25e3, 0.02), f"a sync that is 25 us longer makes a record longer by {longer_ns} ns")
check(4000 < delayed["records_per_s"] < 5000, f"a sync of 200 us: {delayed['records_per_s']}")
# The device asks for an end that is so much earlier than the kernel is late, and its thread for no slack.
longer_ns = 1e9 / late["records_per_s"] - 1e9 / delayed["records_per_s"]
check(abs(longer_ns) < 2e3, f"a timer that is 40 us late makes a record longer by {longer_ns} ns")
check(close(slack["records_per_s"], late["records_per_s"], 0.001), "a thread has slack that asked for none")

# ---- The same names as logfile-bench's ----


def names(fields, before=""):
    """Of all that it has, and of what that has."""
    for key, value in fields.items():
        yield before + key
        if isinstance(value, dict):
            yield from names(value, f"{before}{key}.")


# What a simulation alone knows or can choose.
own = {"simulated", "simulation", "machine.simulated", "options.batch", "options.slot_count", "options.logs",
       "options.fan_out"}
# What logfile-bench writes too, as soon as it knows it.
shared = {"samples", "p90_us", "p99_9_us", "p99_99_us", "fairness", "fairness.jain", "fairness.least_over_mean",
          "fairness.most_over_mean"}
measured, simulated = [line for line in lines_of("measured") if "engine" in line], lines_of("labels")
unknown = {name for line in simulated for name in names(line) if not name.startswith("simulation.")} - own - shared
check(unknown <= set(names(measured[0])), f"keys that logfile-bench has not: {unknown - set(names(measured[0]))}")
for line in measured + simulated:
    check(line["options"]["size_min"] == line["size_bytes"] == 512, "size")
check([line["variant"] for line in simulated] ==
      ["ring", "mutex", "ring/faa", "ring/cas", "ring/16-shard/leader/spin/wake_tree", "toy/faa"],
      f"labels: {[line['variant'] for line in simulated]}")
check(simulated[4]["options"]["variant_flags"] == ["wake_tree"], "variant_flags")
check(simulated[1]["context_switches_per_record"] > 0 and simulated[1]["system_calls_per_record"] > 0,
      "threads that wait neither sleep nor call the kernel")
check(simulated[0]["options"]["command"].endswith("--engine ring,mutex"), "the command is not told")
check(simulated[0]["machine"]["cpu"] == 'a "machine" \\ of two', f"the machine is {simulated[0]['machine']['cpu']}")
# On a page simulated runs are never rounds of measured ones.
rows = read_results("measured.json")[0] + read_results("labels.json")[0]
check(len(group(rows[:2])) == 2 and all(len({row.simulated for row in cell.rows}) == 1 for cell in group(rows)),
      "simulated and measured runs are one cell")

# ---- Nothing is left to chance ----
for line in (first := lines_of("chance1")) + (second := lines_of("chance2")) + (third := lines_of("chance3")):
    del line["simulation"]["real_seconds"], line["options"]["command"]
check(first == second, "two runs with one seed differ")
check(any(a["latency_histogram"] != b["latency_histogram"] for a, b in zip(first, third)), "the seed changes nothing")

sys.exit(1 if failed else 0)
