/* SPDX-License-Identifier: MIT */
/* What is on a cache line, by name. */
#ifndef SCALE_NAMES_H
#define SCALE_NAMES_H

#include <stddef.h>

struct logfile;

/* The names of a log's fields, of its slots and of what belongs to it. */
void names_add_log(const struct logfile *log);
/* The name of the line that begins there; "other" if it has none. */
const char *name_of_line(const void *at);

#endif /* SCALE_NAMES_H */
