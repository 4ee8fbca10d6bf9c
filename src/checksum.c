/* SPDX-License-Identifier: MIT */
#include "checksum.h"

#include <isa-l/crc.h>
#include <stdbool.h>

/* ISA-L counts in int; a piece of this size keeps the next one aligned. */
#define PIECE_BYTES ((size_t)1 << 30)

uint32_t lf_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    /* ISA-L's prototype lacks the const; it only reads. */
    unsigned char *at = (unsigned char *)(uintptr_t)data;

    /* ISA-L computes the bare remainder: the inversions that CRC32C prescribes are ours. */
    crc = ~crc;
    while (bytes > PIECE_BYTES) {
        crc = crc32_iscsi(at, (int)PIECE_BYTES, crc);
        at += PIECE_BYTES;
        bytes -= PIECE_BYTES;
    }
    return ~crc32_iscsi(at, (int)bytes, crc);
}

#if defined(__x86_64__)
#define HAS_CRC_INSTRUCTIONS __builtin_cpu_supports("sse4.2")
__attribute__((target("sse4.2"))) static uint32_t crc_of_20(uint32_t crc, uint64_t a, uint64_t b,
                                                            uint32_t c)
{
    uint64_t state = __builtin_ia32_crc32di(~crc, a);
    state = __builtin_ia32_crc32di(state, b);
    return ~__builtin_ia32_crc32si((uint32_t)state, c);
}
#else
#define HAS_CRC_INSTRUCTIONS false
static uint32_t crc_of_20(uint32_t crc, uint64_t a, uint64_t b, uint32_t c)
{
    (void)a, (void)b, (void)c;
    return crc;
}
#endif

uint32_t lf_crc32c_20(uint32_t crc, uint64_t a, uint64_t b, uint32_t c)
{
    const struct __attribute__((packed)) {
        uint64_t a, b;
        uint32_t c;
    } bytes = {a, b, c};

    return HAS_CRC_INSTRUCTIONS ? crc_of_20(crc, a, b, c) : lf_crc32c(crc, &bytes, sizeof bytes);
}
