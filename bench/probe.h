/* SPDX-License-Identifier: MIT */
/*
 * --probe: how long it takes in one folder to make an epoch durable, for each choice that a log has
 * there, and what the library's defaults choose.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stdint.h>
#include <stdio.h>

#define BENCH_PROBE_FILE_BYTES (UINT64_C(64) << 20) /* what its file may grow to */

/*
 * Measures in `dir` and prints a table.  Ends early when a signal comes, and leaves no file behind
 * either way.  What the file system cannot do is part of the table and is no error.
 *
 * Returns 0 or -errno.
 */
int bench_probe(const char *dir, FILE *out);

#endif /* BENCH_PROBE_H */
