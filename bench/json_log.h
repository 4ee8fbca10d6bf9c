/* SPDX-License-Identifier: MIT */
/* The members of a result that say what the log and the machine did meanwhile. */
#ifndef BENCH_JSON_LOG_H
#define BENCH_JSON_LOG_H

#include "workload.h"

#include <stdio.h>

/* Members of a JSON object that has some before them: what the counters of logfile_stats grew by, and its
 * histograms.  All null for another store. */
void bench_report_log_json(FILE *out, const struct bench_detail *detail, bool is_log);
void bench_report_pressure_json(FILE *out, const struct bench_pressure *pressure);

#endif /* BENCH_JSON_LOG_H */
