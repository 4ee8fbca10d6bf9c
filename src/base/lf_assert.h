/* SPDX-License-Identifier: MIT */
/*
 * Assertions state what the library itself guarantees; what a disk or a caller gave is checked and
 * answered with an error instead.  LF_ASSERT stays on in release builds.  LF_DEBUG_ASSERT is for
 * the per-record path and is on with --enable-debug.
 */
#ifndef LF_ASSERT_H
#define LF_ASSERT_H

#include <stdio.h>
#include <stdlib.h>

#define LF_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            fprintf(stderr, "logfile: %s:%d: broken invariant: %s\n", __FILE__, __LINE__,          \
                    #condition);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#if defined(LF_DEBUG)
#define LF_DEBUG_ASSERT(condition) LF_ASSERT(condition)
#else
#define LF_DEBUG_ASSERT(condition) ((void)sizeof(!(condition)))
#endif

#endif /* LF_ASSERT_H */
