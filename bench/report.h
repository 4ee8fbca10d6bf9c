/* SPDX-License-Identifier: MIT */
/* What people and programs get to read. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bounds.h"
#include "core_to_core.h"
#include "machine.h"
#include "options.h"
#include "results.h"

#include <stdio.h>
#include <time.h>

/* What every result of a program run has in common. */
struct bench_context {
    const struct bench_options *options;
    const char *command; /* the whole command line */
    time_t started;
    struct bench_machine machine;
    struct bench_filesystem filesystem; /* of a log in a file */
    struct bench_disk disk;
    const struct bench_core_to_core *cores; /* NULL: not measured */
};

/* One of many runs. */
struct bench_run_id {
    struct bench_point point;
    const struct bench_variant *variant;
    unsigned variant_index; /* in the list of variants */
    unsigned point_index;   /* in that of points */
    unsigned round;         /* from 1 */
    unsigned order;         /* its place in the whole program, from 0 */
    double started_at;      /* seconds since 1970 */
};

/*
 * The table: variants at each point, medians over the rounds, below it stages, above it what bounds
 * them (brackets by round and point; NULL: not measured).  Nothing when nothing was measured.  placement: NULL, or what
 * was read back in every run.
 */
void bench_report_table(FILE *out, const struct bench_context *context,
                        const struct bench_results *results, const struct bench_bracket *brackets,
                        const struct bench_placement *placement);

/* A line that names the load: closed loop or open, of how many clients, at which rates. */
void bench_report_load(FILE *out, const struct bench_options *options);
/* "20,000", "0.5x". */
char *bench_format_rate(char *text, uint64_t rate);

/* What stands above the table. */
void bench_report_head(FILE *out, const struct bench_context *context,
                       const struct bench_results *results, const struct bench_bracket *brackets,
                       const struct bench_placement *placement);

/* The first line: what is true of all results.  0 or -errno. */
int bench_report_head_json(FILE *out, const struct bench_context *context);
/* One JSON object and a newline, flushed.  bracket: NULL, or what was measured around it.  0 or -errno. */
int bench_report_json(FILE *out, const struct bench_context *context, const struct bench_run_id *id,
                      const struct bench_result *result, const struct bench_detail *detail,
                      const struct bench_bracket *bracket);
/* Their first members, and the last one. */
void bench_report_id_json(FILE *out, const struct bench_run_id *id);
void bench_report_bounds_json(FILE *out, const struct bench_options *options,
                              const struct bench_run_id *id, const struct bench_result *result,
                              const struct bench_bracket *bracket);
/* One such object for each rate that was measured before or after a point in a round, from 1. */
int bench_report_rates_json(FILE *out, const struct bench_bounds *bounds,
                            const struct bench_point *point, const struct bench_rates *rates,
                            unsigned round, bool is_after);

#define BENCH_NUMBER_BYTES 48

/* "12,345,678".  Returns text, which has room for BENCH_NUMBER_BYTES. */
char *bench_format_count(char *text, double value);
/* A number to at least three digits: "0.04", "12.3", "1,234"; "-" for NAN. */
char *bench_format_number(char *text, double value);

#endif /* BENCH_REPORT_H */
