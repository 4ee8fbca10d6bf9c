/* SPDX-License-Identifier: MIT */
/* Every option that there is, and how its value is taken. */
#ifndef BENCH_OPTION_TABLE_H
#define BENCH_OPTION_TABLE_H

#include "values.h"

/* An option either has a parser, or is a choice of `names` that is stored at `offset`. */
struct bench_option_spec {
    const char *name;
    int (*parse)(const struct bench_argument *argument);
    bool has_value;
    const struct bench_name *names;
    size_t offset;
};

/* Places in the table; the order is what check_combination goes by. */
enum {
    OPTION_SIZE,
    OPTION_SIZE_RANGE,
    OPTION_WRITERS,
    OPTION_WINDOW,
    OPTION_CLIENTS,
    OPTION_RATE,
    OPTION_ARRIVALS,
    OPTION_THINK,
    OPTION_SECONDS,
    OPTION_RECORDS,
    OPTION_PRESET,
    OPTION_ENGINE,
    OPTION_PEER,
    OPTION_LAB,
    OPTION_RESERVE,
    OPTION_SHARDS,
    OPTION_FLUSHER,
    OPTION_WAIT,
    OPTION_GATHER,
    OPTION_WAKE,
    OPTION_LADDER,
    OPTION_STAGES,
    OPTION_PROBE,
    OPTION_SYNC,
    OPTION_FLOORS,
    OPTION_NO_FLOORS,
    OPTION_BASELINE,
    OPTION_REPEAT,
    OPTION_SLICES,
    OPTION_OTHERS /* that nothing else conflicts with */
};

extern const struct bench_option_spec bench_option_specs[];
extern const unsigned bench_option_count;

/* Takes the value of an option.  0, or -1 with the message set. */
int bench_option_take(const struct bench_option_spec *spec, const struct bench_argument *argument);

#endif /* BENCH_OPTION_TABLE_H */
