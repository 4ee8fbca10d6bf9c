#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decodes the HdrHistogram (V2, compressed) of each result and compares it with the rest of the line.

usage: check_hdr.py RESULTS.json

Written from HdrHistogram's own description of the format, and not from the bench.
"""

import base64
import json
import math
import struct
import sys
import zlib


def numbers(payload):
    """ZigZag LEB128, at most nine bytes each, the ninth with all eight bits."""
    at = 0
    while at < len(payload):
        value = shift = 0
        for count in range(9):
            byte = payload[at]
            at += 1
            if count == 8:
                value |= byte << shift
                break
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        yield (value >> 1) ^ -(value & 1)


def decode(text):
    """[(lowest, highest, count)] of the buckets that have any."""
    outer = base64.b64decode(text, validate=True)
    cookie, length = struct.unpack(">II", outer[:8])
    assert cookie & ~0xF0 == 0x1C849304, hex(cookie)
    assert length == len(outer) - 8, "length of the compressed part"
    inner = zlib.decompress(outer[8:])
    header = struct.unpack(">Iiiiqqd", inner[:40])
    cookie, length, offset, digits, lowest, highest, ratio = header
    assert cookie & ~0xF0 == 0x1C849303, hex(cookie)
    assert length == len(inner) - 40, "length of the counts"
    assert offset == 0 and ratio == 1.0 and lowest == 1
    sub_buckets = 2 ** math.ceil(math.log2(2 * 10 ** digits))
    half = sub_buckets // 2
    buckets, index = [], 0
    for number in numbers(inner[40:]):
        if number < 0:
            index += -number
            continue
        if number:
            shift = max(0, index // half - 1)
            low = (index - shift * half) << shift
            buckets.append((low, low + (1 << shift) - 1, number))
            assert low <= highest, "beyond the highest trackable value"
        index += 1
    return buckets


def value_at(buckets, fraction):
    """The highest value of the bucket that the rank falls into, as HdrHistogram's getValueAtPercentile."""
    rank = max(1, math.ceil(fraction * sum(count for _, _, count in buckets)))
    seen = 0
    for _, high, count in buckets:
        seen += count
        if seen >= rank:
            return high
    raise AssertionError("no such rank")


def check(line):
    buckets = decode(line["hdr"])
    assert sum(count for _, _, count in buckets) == line["samples"], "samples"
    keys = {0.5: "p50_us", 0.9: "p90_us", 0.99: "p99_us", 0.999: "p99_9_us", 0.9999: "p99_99_us"}
    for fraction, key in keys.items():
        # Beyond nine in ten of 99 values there are not ten.
        told = line["samples"] >= round(10 / (1 - fraction))
        assert (line[key] is not None) == told, f"{key} is {line[key]} with {line['samples']} samples"
        if told:
            found = min(value_at(buckets, fraction) / 1000, line["max_us"])
            assert abs(found - line[key]) < 0.0006, f"{key} is {line[key]}, and {found} in the histogram"
    assert line["p999_us"] == line["p99_9_us"]
    if buckets:
        assert abs(buckets[-1][1] / 1000 - line["max_us"]) <= 0.01 * line["max_us"] + 0.001, "max_us"
    coarse = {}
    edges = [low for low, _ in line["latency_histogram"]]
    for low, _, count in buckets:
        edge = max(e for e in edges if e <= low / 1000 + 0.0005)
        coarse[edge] = coarse.get(edge, 0) + count
    assert coarse == dict(map(tuple, line["latency_histogram"])), "latency_histogram"
    return line["samples"]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    results = [line for line in lines if "engine" in line]
    assert results, "no results"
    for line in results:
        try:
            check(line)
        except AssertionError as problem:
            sys.exit(f"{line['variant']}, {line['writers']} writers: {problem}")


main()
