/* SPDX-License-Identifier: MIT */
#ifndef SCALE_REPORT_H
#define SCALE_REPORT_H

#include "work.h"

#include <stdio.h>

/* One line of a table, and below it the lines that were waited for longest, `names` of them. */
void report_head(FILE *out);
void report_text(FILE *out, const struct work *work, const struct work_result *result,
                 unsigned names);
/* One line of JSON, with the keys of logfile-bench and "simulated":true.  0 or -errno. */
int report_json(FILE *out, const struct work *work, const struct work_result *result);

#endif /* SCALE_REPORT_H */
