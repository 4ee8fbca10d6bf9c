/* SPDX-License-Identifier: MIT */
#ifndef LF_COPY_OUT_H
#define LF_COPY_OUT_H

#include <stddef.h>
#include <string.h>

/* Gives a struct to a caller that was compiled with one of `size` bytes, which an older or a newer
 * version of the library declared: what it does not know is left out, what we do not know is zero. */
static inline void lf_copy_out(void *out, size_t size, const void *own, size_t own_bytes)
{
    size_t common = size < own_bytes ? size : own_bytes;

    memcpy(out, own, common);
    memset((char *)out + common, 0, size - common);
}

#endif /* LF_COPY_OUT_H */
