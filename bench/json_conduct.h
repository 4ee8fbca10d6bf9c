/* SPDX-License-Identifier: MIT */
/* The members of a result that are about how the run went. */
#ifndef BENCH_JSON_CONDUCT_H
#define BENCH_JSON_CONDUCT_H

#include "report.h"

/* Members of a JSON object that has some before them. */
void bench_report_conduct_json(FILE *out, const struct bench_options *options,
                               const struct bench_run_id *id, const struct bench_result *result,
                               const struct bench_detail *detail);

#endif /* BENCH_JSON_CONDUCT_H */
