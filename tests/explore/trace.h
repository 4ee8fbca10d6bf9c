/* SPDX-License-Identifier: MIT */
/* The steps of an execution that is repeated to be read.  Off otherwise, and costs nothing then. */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>

extern bool trace_is_on;

/* From now on, or no longer: keeps the last steps. */
void trace_start(void);
void trace_stop(void);
/* Prints the steps that were kept. */
void trace_print(void);
/* Notes a step of the fibre that runs. */
__attribute__((format(printf, 1, 2))) void trace_note(const char *format, ...);

#define trace(...)                                                                                 \
    do {                                                                                           \
        if (__builtin_expect(trace_is_on, 0))                                                      \
            trace_note(__VA_ARGS__);                                                               \
    } while (0)

/* How variables are called: a world says so.  NULL, or a name that stays valid until called 8 more
 * times. */
void trace_names(const char *(*name_of)(const void *address));
const char *trace_name(const void *address);

#endif /* TRACE_H */
