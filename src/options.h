/* SPDX-License-Identifier: MIT */
/* What a caller asks for when it opens a log: checked, and every default filled in. */
#ifndef LF_OPTIONS_H
#define LF_OPTIONS_H

#include "logfile_lab.h"

/*
 * Fills in `options`, a copy of what the caller gave, and `lab`, what options->lab points at or every
 * default; options->lab is NULL afterwards, and options->sync what lab->sync makes of it.
 * Returns the name of an option whose value is not one of the contract's; NULL: all are.
 */
const char *lf_options_resolve(struct logfile_options *options, struct logfile_lab *lab);

#endif /* LF_OPTIONS_H */
