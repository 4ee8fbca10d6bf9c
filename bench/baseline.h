/* SPDX-License-Identifier: MIT */
/*
 * --baseline: another build of logfile-bench, whose runs are measured among this one's.
 *
 * Two builds are two programs, so every run of either is a process of its own that runs one variant at one
 * point once, with the options of this program that are not about which of them.  Both sides do the same but for
 * the program.
 */
#ifndef BENCH_BASELINE_H
#define BENCH_BASELINE_H

#include "child.h"
#include "json_get.h"
#include "report.h"

/*
 * Sees that it can be run, is a logfile-bench, knows all options that it will be given, and refuses nothing.
 *
 * Returns 0, or -1 with one line in `message`.
 */
int bench_baseline_check(const struct bench_options *options, struct bench_baseline *baseline,
                         char *message, size_t message_bytes);

/* What a process of its own measured. */
struct bench_measured {
    struct bench_child child;
    struct bench_json line; /* of child.wrote; none: nothing was measured */
};

/* Runs one variant at one point.  0, or -1 with one line in `message`; free in either case. */
int bench_baseline_run(const struct bench_options *options, const struct bench_run_id *id,
                       struct bench_measured *measured, struct bench_result *result, char *message,
                       size_t message_bytes);
void bench_measured_free(struct bench_measured *measured);

/* As bench_report_json, from the line of a process: what is said of the run in this program replaces what it said
 * there. */
int bench_report_measured_json(FILE *out, const struct bench_context *context,
                               const struct bench_run_id *id, struct bench_json line,
                               const struct bench_result *result,
                               const struct bench_bracket *bracket);

#endif /* BENCH_BASELINE_H */
