/* SPDX-License-Identifier: MIT */
/*
 * CRC32C (Castagnoli).  Chains: lf_crc32c(lf_crc32c(0, a), b) is the CRC32C of a then b.
 *
 * ISA-L computes it in a build that has it (configure says when), else the processor's own
 * instructions, and without those a table.
 */
#ifndef LF_CHECKSUM_H
#define LF_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

/*
 * The same of 20 bytes, the little-endian a, b and c, which is what every record's checksum is made
 * of: three instructions where the processor has them.  ISA-L is made for long inputs, and was a
 * third of the time of a small submit.
 */
uint32_t lf_crc32c_20(uint32_t crc, uint64_t a, uint64_t b, uint32_t c);

/* The two ways of our own, which the tests hold against each other.  Without the instructions, which
 * lf_crc32c_has_instructions tells, both are the table. */
static inline bool lf_crc32c_has_instructions(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
#else
    return (getauxval(AT_HWCAP) & 1ul << 7) != 0; /* HWCAP_CRC32 */
#endif
}
uint32_t lf_crc32c_instructions(uint32_t crc, const void *data, size_t bytes);
uint32_t lf_crc32c_table(uint32_t crc, const void *data, size_t bytes);

#ifdef LF_HAVE_ISAL
uint32_t lf_crc32c(uint32_t crc, const void *data, size_t bytes);
#else
static inline uint32_t lf_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    return lf_crc32c_instructions(crc, data, bytes);
}
#endif

#endif /* LF_CHECKSUM_H */
