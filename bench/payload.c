/* SPDX-License-Identifier: MIT */
#include "payload.h"

#include <errno.h>
#include <stdlib.h>

static size_t pool_bytes(size_t size_max)
{
    size_t words = (BENCH_PAYLOAD_SPAN + size_max + BENCH_STAMP_BYTES - 1) / sizeof(uint64_t);
    return (words + 1) * sizeof(uint64_t);
}

uint64_t bench_payload_bytes(unsigned writers, size_t size_max)
{
    return (uint64_t)writers * pool_bytes(size_max);
}

int bench_payload_create(struct bench_payload *payload)
{
    payload->pool_bytes = pool_bytes(payload->size_max);
    payload->pools = malloc(payload->writers * payload->pool_bytes);
    if (payload->pools == NULL)
        return -ENOMEM;
    size_t words = payload->writers * payload->pool_bytes / sizeof(uint64_t);
    uint64_t state = bench_mix(payload->seed + 1);
    for (size_t i = 0; i < words; i++) {
        state += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t random = bench_mix(state);
        memcpy(payload->pools + i * sizeof random, &random, sizeof random);
    }
    return 0;
}

void bench_payload_destroy(struct bench_payload *payload)
{
    free(payload->pools);
    payload->pools = NULL;
}

bool bench_payload_is_stamped(const struct bench_payload *payload)
{
    return payload->size_min >= BENCH_STAMP_BYTES;
}

bool bench_payload_recognise(const struct bench_payload *payload, const void *data, size_t size,
                             unsigned *writer, uint64_t *number)
{
    uint64_t stamp;
    if (size < BENCH_STAMP_BYTES)
        return false;
    memcpy(&stamp, data, sizeof stamp);
    *writer = (unsigned)(stamp >> BENCH_STAMP_NUMBER_BITS);
    *number = stamp & ((UINT64_C(1) << BENCH_STAMP_NUMBER_BITS) - 1);
    if (*writer >= payload->writers || size != bench_payload_size(payload, stamp))
        return false;
    const unsigned char *expected = bench_payload_place(payload, *writer, *number);
    return memcmp((const unsigned char *)data + BENCH_STAMP_BYTES, expected + BENCH_STAMP_BYTES,
                  size - BENCH_STAMP_BYTES) == 0;
}
