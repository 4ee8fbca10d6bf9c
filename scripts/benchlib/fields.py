"""What the keys of results and of sweeps must be, where they are there and not null.

A file may be damaged, or somebody else's: what a picture would stumble over is refused when it is
read. Keys that are not named here are left alone.
"""

import json
import math

from . import hdr

# Beyond this it is no measurement, and arithmetic would overflow.
MOST = 1e30
# A list by powers of two: nothing that is counted reaches the last one.
MOST_POWERS = 64


class BadInput(Exception):
    """One line that says what is wrong with a file, and where."""


def is_number(value):
    return (isinstance(value, (int, float)) and not isinstance(value, bool)
            and 0 <= value <= MOST and math.isfinite(value))


def is_whole(value):
    return is_number(value) and isinstance(value, int)


def is_positive(value):
    return is_whole(value) and value > 0


def is_text(value):
    return isinstance(value, str)


def is_bool(value):
    return isinstance(value, bool)


def is_word(value):
    return is_text(value) or is_number(value) or is_bool(value)


def is_list_of(check):
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def is_bucket(value):
    return (isinstance(value, list) and len(value) == 2 and is_number(value[0])
            and is_whole(value[1]))


def is_batches(value):
    return is_list_of(is_whole)(value) and len(value) <= MOST_POWERS


def is_hdr(value):
    try:
        return is_text(value) and isinstance(hdr.decode(value), list)
    except ValueError:
        return False


def is_bounds(value):
    """What bounded a run: the rates right before and after it, and what they allow it."""
    return isinstance(value, list) and all(
        isinstance(one, dict) and is_text(one.get("bound"))
        and all(one.get(key) is None or is_number(one[key])
                for key in ("before", "after", "records_per_s"))
        and (one.get("passed") is None or is_bool(one["passed"])) for one in value)


def is_series(value):
    """An object of arrays, or a list of objects, of numbers and null."""
    maybe = is_list_of(lambda item: item is None or is_number(item))
    if isinstance(value, dict):
        return all(item is None or is_number(item) or maybe(item) for item in value.values())
    return isinstance(value, list) and all(
        isinstance(one, dict) and maybe(list(one.values())) for one in value)


NUMBER, WHOLE, POSITIVE = (is_number, "a number"), (is_whole, "a whole number"), (
    is_positive, "a whole number from 1")
TEXT, BOOL, WORD = (is_text, "a text"), (is_bool, "true or false"), (is_word, "a text or a number")


def each(kind, names):
    return dict.fromkeys(names.split(), kind)


MEASURES = {
    **each(TEXT, "engine variant settings"), **each(BOOL, "simulated capped"),
    **each(WHOLE, "rung variant_index point_index order"), **each(POSITIVE, "writers"),
    **each(NUMBER, "size_bytes records seconds records_per_s bytes_per_s p50_us p90_us p99_us"
                   " p999_us p99_9_us p99_99_us samples max_us flushes records_per_flush"
                   " device_bytes_per_payload_byte cpu_us_per_record rss_bytes submit_ns"
                   " context_switches_per_record system_calls_per_record started_at"
                   " zero_fill_bytes waits_zero_fill flush_ns zero_fill_ns zero_sync_ns"),
    "hdr": (is_hdr, "an HdrHistogram V2 in base64"),
    "bounds": (is_bounds, "a list of bounds"),
    "series": (is_series, "a series of numbers"),
    **each((is_list_of(is_bucket), "a list of pairs of numbers"),
           "latency_histogram flush_histogram zero_fill_histogram zero_sync_histogram"),
    "batch_histogram": (is_batches, "a list of whole numbers"),
}
FLOOR = {**each(TEXT, "floor how"), **each(POSITIVE, "threads round"),
         **each(NUMBER, "syncs_per_s wakes_per_s p50_us p99_us p999_us")}
NESTED = {
    "options": {**each(TEXT, "version preset io_used sync prepare checksum command flusher wait"
                           " reserve gather wake"),
                "variant_flags": (is_list_of(is_text), "a list of texts"),
                **each(WORD, "publish_shards"),
                **each(POSITIVE, "window round"), **each(BOOL, "interrupted"),
                **each(NUMBER, "size_min size_max asked_seconds records_per_writer rate slot_bytes"
                               " segment_bytes trim_keep written stages_every clients")},
    "machine": {**each(TEXT, "cpu architecture kernel"), **each(BOOL, "virtual"),
                **each(NUMBER, "packages cores hardware_threads numa_nodes memory_bytes")},
    "filesystem": each(TEXT, "type source mount_options super_options"),
    "device": {**each(TEXT, "kind name model write_cache"), **each(BOOL, "rotational"),
               **each(NUMBER, "delay_us")},
    "device_delay_us": each(NUMBER, "asked syncs mean p50 p99"),
    "load": {**each(TEXT, "kind arrivals"), **each(BOOL, "past_knee"),
             **each(NUMBER, "clients window think_us share capacity rate_asked rate_reached"
                            " late_p50_us late_p99_us late_max_us")},
    "fairness": each(NUMBER, "jain least_over_mean most_over_mean writer_p50_us_least"
                             " writer_p50_us_most"),
    "epochs_crossed": each(NUMBER, "samples mean max"),
    "perf": {**each(BOOL, "user_only"),
             **each(NUMBER, "cycles instructions cache_misses hitm joules_per_record")},
    "pressure": {**each(TEXT, "of"), **each(NUMBER, "cpu_some_us io_some_us steal_us")},
    "stages_us": each(NUMBER, "samples checksum reserve copy flip write sync wake"),
}
# Every key of these.
ALIKE = {"placement": WORD}
# What a line has that is neither a result nor a floor, but says of what comes after it how it was made.
HEAD = {**each(TEXT, "version time commit compiler cflags clock_source order command"),
        **each(BOOL, "volatile_dir"), **each(WORD, "virtual cpus_allowed cpus_online"),
        **each(NUMBER, "cpu_quota")}
SERIES = ("t_s", "records", "p99_us", "syncs", "steal_us")

SWEEP = {**each(TEXT, "version mode command dir started ended topology topology_note"),
         "notes": (is_list_of(is_text), "a list of texts")}
PART = {**each(TEXT, "name title file status reason note started ended"),
        "commands": (is_list_of(is_text), "a list of texts")}


def check(fields, kinds, where, before=""):
    for key, (good, words) in kinds.items():
        if fields.get(key) is not None and not good(fields[key]):
            raise BadInput(f"{where}: '{before}{key}' is not {words}")


def check_nested(fields, where):
    for key in (*NESTED, *ALIKE):
        inner = fields.get(key)
        if inner is None:
            continue
        if not isinstance(inner, dict):
            raise BadInput(f"{where}: '{key}' is not an object")
        kinds = NESTED[key] if key in NESTED else dict.fromkeys(inner, ALIKE[key])
        check(inner, kinds, where, f"{key}.")


def is_head(fields):
    return any(key in fields for key in ("head", "commit", "time"))


def check_head(fields, where):
    check(fields, HEAD, where)


def columns_of(series):
    """Of a series that is arrays by name, or a list of objects: the arrays; None of other things."""
    if isinstance(series, list) and all(isinstance(one, dict) for one in series):
        return {key: [one.get(key) for one in series] for key in SERIES}
    if isinstance(series, dict):
        return {key: series[key] for key in SERIES if isinstance(series.get(key), list)}
    return None


def check_result(fields, where):
    check(fields, MEASURES, where)
    check_nested(fields, where)


def check_floor(fields, where):
    check(fields, FLOOR, where)


def check_sweep(sweep, where):
    check(sweep, SWEEP, where)
    for number, part in enumerate(sweep["parts"], 1):
        check(part, PART, where, f"parts[{number}].")


# ---- JSON ----------------------------------------------------------------------------------------


def no_number(name):
    raise ValueError(f"{name} is not JSON")


def parse(text, where):
    """JSON and nothing beyond it: neither NaN nor halves of characters that no page can hold."""
    try:
        value = json.loads(text, parse_constant=no_number)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except (ValueError, RecursionError):
        raise BadInput(f"{where}: not JSON") from None


def read_text(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise BadInput(f"{path}: {reason}") from None


def read_objects(path):
    """Of a file with an object a line: where each stands, and the object."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        fields = parse(line, where)
        if not isinstance(fields, dict):
            raise BadInput(f"{where}: not a JSON object")
        yield where, fields
