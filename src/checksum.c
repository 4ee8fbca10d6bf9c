/* SPDX-License-Identifier: MIT */
#include "checksum.h"

#include <isa-l/crc.h>

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
