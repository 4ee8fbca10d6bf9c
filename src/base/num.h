/* SPDX-License-Identifier: MIT */
#ifndef LF_NUM_H
#define LF_NUM_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t lf_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t lf_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
static inline uint64_t lf_round_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}
static inline bool lf_is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

#endif /* LF_NUM_H */
