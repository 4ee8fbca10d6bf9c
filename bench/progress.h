/* SPDX-License-Identifier: MIT */
/* Tells on standard error how far the runs have come: one line that changes on a terminal, else one
 * line for each run. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include "report.h"

struct bench_progress {
    bool is_terminal;
    unsigned total;
    unsigned current; /* from 1 */
    uint64_t last_ns; /* of the previous update */
    uint64_t last_records;
    char name[BENCH_LABEL_BYTES + 160];
    const struct bench_options *options;
};

void bench_progress_init(struct bench_progress *progress, const struct bench_options *options);
void bench_progress_begin(struct bench_progress *progress, const struct bench_run_id *id);
/* A bench_run.progress function; arg is the struct bench_progress. */
void bench_progress_update(void *arg, uint64_t elapsed_ns, uint64_t records);
/* result: NULL when the run failed. */
void bench_progress_end(struct bench_progress *progress, const struct bench_result *result);

#endif /* BENCH_PROGRESS_H */
