/* SPDX-License-Identifier: MIT */
/* Values on the command line. */
#ifndef BENCH_VALUES_H
#define BENCH_VALUES_H

#include "options.h"

/* One option being parsed. */
struct bench_argument {
    const char *option; /* without the dashes */
    const char *text;
    struct bench_options *options;
    const struct bench_name *names; /* NULL, or what its entries are of */
    char *message;
    size_t message_bytes;
};

/* Puts "--OPTION: " and a reason into the message; returns -1. */
int bench_value_refuse(const struct bench_argument *argument, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The functions below return 0, or -1 with the message set and *out or *list not to be used. */

int bench_value_number(const struct bench_argument *argument, uint64_t min, uint64_t max,
                       uint64_t *out);
/* Bytes: 4096, 4K, 4KiB. */
int bench_value_size(const struct bench_argument *argument, uint64_t min, uint64_t max,
                     uint64_t *out);
/* A time with its unit (500ms, 1.5s, 2m), or a number of `unit`, which is one of ns, us, ms, s, m. */
int bench_value_time(const struct bench_argument *argument, const char *unit, uint64_t min_ns,
                     uint64_t max_ns, uint64_t *out_ns);
int bench_value_name(const struct bench_argument *argument, const struct bench_name *names,
                     int *out);
/* NAME, or NAME:TIME for the one that is `timed`; a time without a unit is in microseconds. */
int bench_value_name_time(const struct bench_argument *argument, const struct bench_name *names,
                          const char *timed, int *value, uint64_t *ns);
/* A:B with A at most B. */
int bench_value_range(const struct bench_argument *argument, uint64_t *min, uint64_t *max);

/* One entry of a list: the first `bytes` of text. */
typedef int bench_value_entry(const struct bench_argument *argument, const char *text, size_t bytes,
                              uint64_t *out);

/* Comma-separated entries, none of them twice. */
int bench_value_list(const struct bench_argument *argument, bench_value_entry *entry,
                     struct bench_list *list);
/* The same, where the same entry may come again. */
int bench_value_list_repeated(const struct bench_argument *argument, bench_value_entry *entry,
                              struct bench_list *list);
/* What entries are made of. */
int bench_value_entry_number(const struct bench_argument *argument, const char *text, size_t bytes,
                             const char *what, uint64_t min, uint64_t max, uint64_t *out);
int bench_value_entry_size(const struct bench_argument *argument, const char *text, size_t bytes,
                           uint64_t min, uint64_t max, uint64_t *out);
/* Records a second: 40000, 40k, 1.5M; or 0.5x.  As in load.h. */
int bench_value_entry_rate(const struct bench_argument *argument, const char *text, size_t bytes,
                           uint64_t *out);
int bench_value_entry_name(const struct bench_argument *argument, const char *text, size_t bytes,
                           const struct bench_name *names, int *out);

#endif /* BENCH_VALUES_H */
