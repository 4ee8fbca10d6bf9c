"""HdrHistogram V2, compressed and in base64, as the bench writes latencies: decoding, percentiles.

Outside in: base64 of a cookie, a length and a zlib stream; in that a header of 40 bytes, and counts
as zigzag LEB128, where -n stands for n empty buckets.
"""

import base64
import binascii
import struct
import zlib

OUTER, INNER = 0x1C849304, 0x1C849303
ENCODING = 0xF0  # bits of a cookie that say how counts are encoded
HEADER = struct.Struct(">IIIIqqd")
MOST_BYTES = 1 << 22
MOST_BUCKETS = 1 << 20
LEAST_BEYOND = 10


def unwrap(text):
    """The payload of counts, and the number of significant digits."""
    try:
        outer = base64.b64decode(text, validate=True)
        cookie, length = struct.unpack_from(">II", outer)
        if cookie & ~ENCODING != OUTER or length != len(outer) - 8:
            raise ValueError("no compressed HdrHistogram V2")
        inner = zlib.decompressobj().decompress(outer[8:], MOST_BYTES)
        cookie, length, offset, digits, _, _, ratio = HEADER.unpack_from(inner)
    except (binascii.Error, struct.error, zlib.error) as error:
        raise ValueError(f"no HdrHistogram: {error}") from None
    if cookie & ~ENCODING != INNER or length != len(inner) - HEADER.size:
        raise ValueError("no HdrHistogram V2")
    if offset != 0 or ratio != 1.0 or not 0 <= digits <= 5:
        raise ValueError("an HdrHistogram that is scaled, or of more than five digits")
    return inner[HEADER.size:], digits


def numbers(payload):
    """Each at most nine bytes long, the ninth with all of its eight bits."""
    at = 0
    while at < len(payload):
        value = shift = 0
        more = True
        while more:
            if at == len(payload):
                raise ValueError("an HdrHistogram that was cut off")
            byte = payload[at]
            at += 1
            more = byte >= 128 and shift < 56
            value |= (byte & 127 if shift < 56 else byte) << shift
            shift += 7
        yield value >> 1 if value % 2 == 0 else -(value + 1 >> 1)


def highest_of(index, half):
    """The largest value that falls into a bucket; `half` of them to a power of two."""
    shift = max(0, index // half - 1)
    return ((index - shift * half + 1) << shift) - 1


def decode(text):
    """[(value in nanoseconds, count)], ascending. A record counts with the largest value of its
    bucket, so that no latency looks better than it was. ValueError where the text is none."""
    payload, digits = unwrap(text)
    half = 1 << ((2 * 10 ** digits - 1).bit_length() - 1)
    found, index = [], 0
    for number in numbers(payload):
        if number > 0:
            found.append((highest_of(index, half), number))
        index += max(1, -number)
        if index > MOST_BUCKETS:
            raise ValueError("an HdrHistogram of too many buckets")
    return found


def total(counts):
    return sum(count for _, count in counts)


def pool(several):
    """One of several."""
    counts = {}
    for some in several:
        for value, count in some:
            counts[value] = counts.get(value, 0) + count
    return sorted(counts.items())


def percentile(counts, percent, least_beyond=LEAST_BEYOND):
    """The value that so many per cent do not exceed; None where fewer than `least_beyond` do."""
    whole = total(counts)
    beyond = whole * (1 - percent / 100)
    if not whole or beyond + 1e-9 < least_beyond:
        return None
    seen = 0
    for value, count in counts:
        seen += count
        if seen >= whole - beyond - 1e-9:
            return value
    return counts[-1][0]
