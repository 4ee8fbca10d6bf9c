/* SPDX-License-Identifier: MIT */
/*
 * How much memory the code under test holds.  Programs that use it are linked with fuzz_meter_flags
 * of Makefile.am, so that their calls of malloc and its kin, and the library's, pass by here.
 */
#ifndef FUZZ_METER_H
#define FUZZ_METER_H

#include <stddef.h>

/* From now on: nothing is held, and nothing has been. */
void fuzz_meter_start(void);
/* The most that was held at once, in bytes, of what was allocated since then. */
size_t fuzz_meter_peak(void);
/* What is held still.  What libc allocates by itself, as asprintf does, is seen only when it is
 * freed, and makes this less than it is. */
ptrdiff_t fuzz_meter_held(void);

#endif /* FUZZ_METER_H */
