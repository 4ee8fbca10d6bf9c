/* SPDX-License-Identifier: MIT */
/*
 * Mutations that know the format: they change fields, records, blocks, files and sizes, and then make
 * checksums, positions, numbers and chain right again, as far as chance lets them.  So a hostile file
 * gets past the first checksum.
 */
#ifndef FUZZ_MUTATOR_H
#define FUZZ_MUTATOR_H

#include <stddef.h>
#include <stdint.h>

/* What changes bytes without knowing what they are: the fuzzer's own. */
typedef size_t fuzz_mutate_bytes(uint8_t *data, size_t size, size_t max_size);

/* Returns the new size. */
size_t fuzz_mutate(uint8_t *data, size_t size, size_t max_size, uint64_t seed,
                   fuzz_mutate_bytes *mutate_bytes);
/* Entries of both, in turn. */
size_t fuzz_cross_over(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2,
                       uint8_t *out, size_t max_size, uint64_t seed);
/* Makes checksums right, and what ties epochs to each other too. */
void fuzz_reseal(uint8_t *data, size_t size);

#endif /* FUZZ_MUTATOR_H */
