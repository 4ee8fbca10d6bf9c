/* SPDX-License-Identifier: MIT */
/* What this program was built from. */
#ifndef BENCH_BUILD_H
#define BENCH_BUILD_H

#include <stdio.h>

/* Empty where it is not known, as outside of a repository. */
const char *bench_commit(void);
/* "gcc 12.2.0" */
const char *bench_compiler(void);
/* The user's, without paths. */
const char *bench_cflags(void);
/* "commit 0123456789ab, gcc 12.2.0 -g -O2" and a newline. */
void bench_print_build(FILE *out);

#endif /* BENCH_BUILD_H */
