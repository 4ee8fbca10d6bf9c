/* SPDX-License-Identifier: MIT */
/* What people and programs get to read. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "machine.h"
#include "options.h"
#include "results.h"

#include <stdio.h>

/* What every result of a program run has in common. */
struct bench_context {
    const struct bench_options *options;
    struct bench_machine machine;
    struct bench_filesystem filesystem; /* of a log in a file */
    struct bench_disk disk;
};

/* One of many runs. */
struct bench_run_id {
    enum logfile_engine engine;
    unsigned writers;
    unsigned round; /* from 1 */
};

/* The table: engine x writers, medians over the rounds.  Nothing when nothing was measured. */
void bench_report_table(FILE *out, const struct bench_context *context,
                        const struct bench_results *results);

/* One JSON object and a newline, flushed.  0 or -errno. */
int bench_report_json(FILE *out, const struct bench_context *context, const struct bench_run_id *id,
                      const struct bench_result *result);

#define BENCH_NUMBER_BYTES 48

/* "12,345,678".  Returns text, which has room for BENCH_NUMBER_BYTES. */
char *bench_format_count(char *text, double value);
/* A number to at least three digits: "0.04", "12.3", "1,234"; "-" for NAN. */
char *bench_format_number(char *text, double value);

#endif /* BENCH_REPORT_H */
