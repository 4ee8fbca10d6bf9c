/* SPDX-License-Identifier: MIT */
/*
 * CRC32C (Castagnoli), by ISA-L.  Chains: lf_crc32c(lf_crc32c(0, a), b) is the CRC32C of a then b.
 */
#ifndef LF_CHECKSUM_H
#define LF_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint32_t lf_crc32c(uint32_t crc, const void *data, size_t bytes);

#endif /* LF_CHECKSUM_H */
