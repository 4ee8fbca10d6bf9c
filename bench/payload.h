/* SPDX-License-Identifier: MIT */
/*
 * What the writers append: bytes that do not compress, from a fixed seed, of a size that the seed,
 * the writer and the record's number decide, and stamped with writer and number.  So every record
 * that is read back can be recognised and compared, byte by byte, with nothing stored.
 *
 * Each writer has a pool of random bytes.  A record is a piece of it, taken at a place that moves
 * on with each record, so that a file system which compresses finds no repetition within 64 KiB.
 * Taking a record stamps its first 8 bytes in place; returning it restores them.
 */
#ifndef BENCH_PAYLOAD_H
#define BENCH_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BENCH_PAYLOAD_SPAN 65536u /* the places where a record may start in its pool */
#define BENCH_PAYLOAD_STEP 40504u /* 8 x an odd number near 8192 / golden ratio: visits them all */
#define BENCH_STAMP_BYTES 8u      /* writer in the upper 16 bits, number in the lower 48 */
#define BENCH_STAMP_NUMBER_BITS 48

struct bench_payload {
    uint64_t seed;
    size_t size_min;
    size_t size_max;
    unsigned writers;
    size_t pool_bytes; /* of one writer */
    unsigned char *pools;
};

struct bench_piece {
    unsigned char *data;
    size_t size;
    uint64_t covered; /* the pool's bytes under the stamp */
};

/* Spreads its argument over all 64 bits (the finisher of splitmix64). */
static inline uint64_t bench_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t bench_stamp(unsigned writer, uint64_t number)
{
    return (uint64_t)writer << BENCH_STAMP_NUMBER_BITS | number;
}

static inline size_t bench_payload_size(const struct bench_payload *payload, uint64_t stamp)
{
    if (payload->size_min == payload->size_max)
        return payload->size_min;
    uint64_t random = bench_mix(payload->seed ^ bench_mix(stamp + UINT64_C(0x9e3779b97f4a7c15)));
    return payload->size_min + random % (payload->size_max - payload->size_min + 1);
}

static inline unsigned char *bench_payload_place(const struct bench_payload *payload,
                                                 unsigned writer, uint64_t number)
{
    size_t start = (size_t)(number * BENCH_PAYLOAD_STEP) % BENCH_PAYLOAD_SPAN;
    return payload->pools + writer * payload->pool_bytes + start;
}

static inline void bench_payload_take(const struct bench_payload *payload, unsigned writer,
                                      uint64_t number, struct bench_piece *piece)
{
    uint64_t stamp = bench_stamp(writer, number);
    piece->data = bench_payload_place(payload, writer, number);
    piece->size = bench_payload_size(payload, stamp);
    if (piece->size >= BENCH_STAMP_BYTES) {
        memcpy(&piece->covered, piece->data, BENCH_STAMP_BYTES);
        memcpy(piece->data, &stamp, BENCH_STAMP_BYTES);
    }
}

static inline void bench_payload_return(const struct bench_piece *piece)
{
    if (piece->size >= BENCH_STAMP_BYTES)
        memcpy(piece->data, &piece->covered, BENCH_STAMP_BYTES);
}

/* Memory that bench_payload_create will take. */
uint64_t bench_payload_bytes(unsigned writers, size_t size_max);

/* Allocates and fills the pools; 0 or -ENOMEM.  The other members are set by the caller. */
int bench_payload_create(struct bench_payload *payload);
void bench_payload_destroy(struct bench_payload *payload);

/* Whether every record carries a stamp. */
bool bench_payload_is_stamped(const struct bench_payload *payload);

/*
 * Recognises a record that was read back: true when it is, byte for byte, the one of the writer and
 * number in its stamp, which it returns.  All pieces must have been returned.
 */
bool bench_payload_recognise(const struct bench_payload *payload, const void *data, size_t size,
                             unsigned *writer, uint64_t *number);

#endif /* BENCH_PAYLOAD_H */
