/* SPDX-License-Identifier: MIT */
/* What libFuzzer calls, for the target that is named FUZZ_TARGET. */
#ifndef FUZZ_MAIN_H
#define FUZZ_MAIN_H

#include "fuzz_mutator.h"
#include "fuzz_target.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
                                 size_t size2, uint8_t *out, size_t max_size, unsigned seed);
/* The fuzzer's own, which changes bytes without knowing what they are. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

static void say_most(void)
{
    const struct fuzz_most most = fuzz_target_most();

    fprintf(stderr, "most: %.2f bytes read a byte, %zu bytes of memory beyond epoch and 64 KiB\n",
            most.read_factor, most.window_bytes);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return atexit(say_most);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_TARGET(data, size);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return fuzz_mutate(data, size, max_size, seed, LLVMFuzzerMutate);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2,
                                 size_t size2, uint8_t *out, size_t max_size, unsigned seed)
{
    return fuzz_cross_over(data1, size1, data2, size2, out, max_size, seed);
}

#endif /* FUZZ_MAIN_H */
