/* SPDX-License-Identifier: MIT */
/*
 * Fields that are kept for later are zero: what is not was meant for a later version, or was never
 * initialized.
 */
#ifndef SIM_RESERVED_H
#define SIM_RESERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool lf_sim_is_zero(const uint64_t *words, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        if (words[i] != 0)
            return false;
    return true;
}

#endif /* SIM_RESERVED_H */
