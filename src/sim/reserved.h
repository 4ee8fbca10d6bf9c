/* SPDX-License-Identifier: MIT */
/*
 * Structs of other versions.  In those that go in, fields that are kept for later are zero: what is
 * not was meant for a later version, or was never initialized.  Those that come out take their size.
 */
#ifndef SIM_RESERVED_H
#define SIM_RESERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool lf_sim_is_zero(const uint64_t *words, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        if (words[i] != 0)
            return false;
    return true;
}

/* As lf_copy_out (base/copy_out.h); out: NULL if nobody asked. */
static inline void lf_sim_copy_out(void *out, size_t size, const void *own, size_t own_bytes)
{
    size_t common = size < own_bytes ? size : own_bytes;

    if (out == NULL)
        return;
    memcpy(out, own, common);
    memset((char *)out + common, 0, size - common);
}

#endif /* SIM_RESERVED_H */
