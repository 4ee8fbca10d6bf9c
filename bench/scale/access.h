/* SPDX-License-Identifier: MIT */
/* The atomic operations of simulated threads, on words of 16, 32 or 64 bits (memory.c). */
#ifndef SCALE_ACCESS_H
#define SCALE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

void scale_pause(void);
/* One round of a loop that looks at what it has loaded last: a pause. */
void scale_stall(void);
uint64_t scale_load(const void *p, unsigned bits);
void scale_store(void *p, unsigned bits, uint64_t value);
uint64_t scale_add(void *p, unsigned bits, uint64_t n);
uint64_t scale_swap(void *p, unsigned bits, uint64_t value);
bool scale_cas(void *p, unsigned bits, uint64_t expected, uint64_t value);

#endif /* SCALE_ACCESS_H */
