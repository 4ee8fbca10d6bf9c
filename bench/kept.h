/* SPDX-License-Identifier: MIT */
/*
 * The logs of a point that stay open from its first slice to its last: one of each variant.  While one has its
 * slice the writers of the others wait, and their logs have nothing to do.
 */
#ifndef BENCH_KEPT_H
#define BENCH_KEPT_H

#include "workload.h"

struct bench_kept {
    const struct bench_options *options;
    const char *folder; /* where they are; NULL: in memory */
    unsigned count;     /* that were opened, by variant; the last may have failed */
    struct bench_kept_log *logs;
    unsigned failed; /* the variant that a message is about */
};

/* Opens a log of each variant in a new folder, or in memory.  run: what they have in common.  0, or -1 with one
 * line in `message`; either way bench_kept_close follows. */
int bench_kept_open(struct bench_kept *kept, const struct bench_run *run, const char *folder,
                    char *message, size_t message_bytes);

/* The next slice of a variant: as bench_run_slice. */
enum bench_run_status bench_kept_slice(struct bench_kept *kept, unsigned variant,
                                       struct bench_result *result, struct bench_detail *detail,
                                       char *message, size_t message_bytes);

/* Closes all, reads back what had no failure, and removes them, but for logs that do not hold what was written.
 * 0, or -1 with one line in `message` about the first of those or that could not be closed. */
int bench_kept_close(struct bench_kept *kept, struct bench_written *written, char *message,
                     size_t message_bytes);

#endif /* BENCH_KEPT_H */
