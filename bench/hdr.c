/* SPDX-License-Identifier: MIT */
/*
 * Outside in: base64 of
 *   [0, 4)   0x1c849314, big-endian as all of it
 *   [4, 8)   bytes that follow
 *   [8, ..)  a zlib stream (RFC 1950), here of stored blocks, as a few kilobytes need no compression, of
 * a header of 40 bytes:
 *   [0, 4)   0x1c849313
 *   [4, 8)   bytes after the header
 *   [8, 12)  0: counts are not shifted
 *   [12, 16) 2: significant digits, hence 128 buckets to each power of two, and one a value below 256
 *   [16, 24) 1: the lowest value that is told from 0
 *   [24, 32) the highest value that it may hold
 *   [32, 40) 1.0: what a value is multiplied by
 * and then the counts of its buckets up to the last that has any, as zigzag LEB128 of at most 9 bytes; -n for n empty ones.
 */
#include "hdr.h"

#include <stddef.h>
#include <string.h>

#define HEADER_BYTES 40
#define SUB_BITS 7
#define HOUR_NS UINT64_C(3600000000000)
#define LONGEST_BYTES 9
#define STORED_MAX 65535u /* in one block of a zlib stream */

struct bytes {
    size_t count;
    /* Each of our buckets, and a run of empty ones before it. */
    unsigned char data[HEADER_BYTES + BENCH_HISTOGRAM_BUCKETS * (LONGEST_BYTES + 3)];
};
_Static_assert(sizeof((struct bytes *)0)->data <= STORED_MAX, "one block");

static void add_big_endian(struct bytes *bytes, uint64_t value, unsigned width)
{
    while (width-- > 0)
        bytes->data[bytes->count++] = (unsigned char)(value >> (8 * width));
}

static void add_number(struct bytes *bytes, int64_t value)
{
    uint64_t rest = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    unsigned used = 1;
    for (; rest >= 128 && used < LONGEST_BYTES; rest >>= 7, used++)
        bytes->data[bytes->count++] = (unsigned char)(rest | 128);
    bytes->data[bytes->count++] = (unsigned char)rest; /* the ninth has all of its eight bits */
}

/* Which of HdrHistogram's buckets a value falls into. */
static uint64_t bucket_of(uint64_t value)
{
    if (value >> SUB_BITS == 0)
        return value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return ((uint64_t)shift << SUB_BITS) + (value >> shift);
}

static void encode(struct bytes *bytes, const struct bench_histogram *latency_ns)
{
    uint64_t next = 0; /* bucket that is not written yet */
    double one = 1.0;
    uint64_t ratio;
    memcpy(&ratio, &one, sizeof ratio);
    bytes->count = HEADER_BYTES;
    for (unsigned i = 0; i < BENCH_HISTOGRAM_BUCKETS; i++) {
        uint64_t bucket = bucket_of(bench_histogram_middle(i));
        if (latency_ns->bucket[i] == 0)
            continue;
        if (bucket > next)
            add_number(bytes, -(int64_t)(bucket - next));
        add_number(bytes, (int64_t)latency_ns->bucket[i]);
        next = bucket + 1;
    }
    size_t end = bytes->count;
    bytes->count = 0;
    add_big_endian(bytes, 0x1c849313, 4);
    add_big_endian(bytes, end - HEADER_BYTES, 4);
    add_big_endian(bytes, 0, 4);
    add_big_endian(bytes, 2, 4);
    add_big_endian(bytes, 1, 8);
    add_big_endian(bytes, latency_ns->max > HOUR_NS ? latency_ns->max : HOUR_NS, 8);
    add_big_endian(bytes, ratio, 8);
    bytes->count = end;
}

/* ---- Around it ------------------------------------------------------------------------------- */

/* Takes bytes one by one, and writes four characters for each three. */
struct base64 {
    FILE *out;
    uint32_t bits;
    unsigned bytes; /* in bits */
};

static void put_group(struct base64 *base64)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = base64->bits << 8 * (3 - base64->bytes);
    for (unsigned i = 0; i < 4; i++)
        fputc(i <= base64->bytes ? digits[bits >> (18 - 6 * i) & 63] : '=', base64->out);
    base64->bits = 0;
    base64->bytes = 0;
}

static void put_byte(struct base64 *base64, unsigned byte)
{
    base64->bits = base64->bits << 8 | (byte & 255);
    if (++base64->bytes == 3)
        put_group(base64);
}

static void put_number(struct base64 *base64, uint32_t value)
{
    for (unsigned shift = 32; shift > 0; shift -= 8)
        put_byte(base64, value >> (shift - 8));
}

static uint32_t adler32(const struct bytes *bytes)
{
    uint32_t low = 1, high = 0;
    for (size_t i = 0; i < bytes->count; i++) {
        low = (low + bytes->data[i]) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

static void put_zlib(struct base64 *base64, const struct bytes *bytes)
{
    unsigned length = (unsigned)bytes->count;
    put_byte(base64, 0x78); /* deflate with a window of 32 KiB, */
    put_byte(base64, 0x01); /* no dictionary, and a sum that makes both a multiple of 31 */
    put_byte(base64, 1);    /* a stored block, the last */
    put_byte(base64, length);
    put_byte(base64, length >> 8);
    put_byte(base64, ~length);
    put_byte(base64, ~length >> 8);
    for (size_t i = 0; i < bytes->count; i++)
        put_byte(base64, bytes->data[i]);
    put_number(base64, adler32(bytes));
}

void bench_hdr_print(FILE *out, const struct bench_histogram *latency_ns)
{
    struct bytes bytes;
    struct base64 base64 = {.out = out};
    encode(&bytes, latency_ns);
    put_number(&base64, 0x1c849314);
    put_number(&base64, (uint32_t)bytes.count + 11); /* what zlib adds */
    put_zlib(&base64, &bytes);
    if (base64.bytes > 0)
        put_group(&base64);
}
