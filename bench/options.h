/* SPDX-License-Identifier: MIT */
/* The command line. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "arrivals.h"
#include "load.h"
#include "logfile_lab.h"
#include "names.h"
#include "place.h"
#include "variant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_WRITERS_MAX 10000u /* in one run */
#define BENCH_CLIENTS_MAX (UINT64_C(1) << 20)
#define BENCH_OPTIONS_MAX 64
#define BENCH_LIST_MAX 32      /* entries of one list */
#define BENCH_ROUNDS_MAX 1000u /* of --repeat */
#define BENCH_RUNS_MAX 100000u /* of one program run, over all rounds */

enum bench_action {
    BENCH_RUN = 0,
    BENCH_CHECK, /* whether that could begin */
    BENCH_HELP,
    BENCH_VERSION,
    BENCH_PROBE /* of `dir` */
};

enum bench_device_kind {
    BENCH_DEVICE_FILE = 0,
    BENCH_DEVICE_NULL,
    BENCH_DEVICE_DELAY
};

enum bench_preset {
    BENCH_PRESET_NONE = 0,
    BENCH_PRESET_README /* opening the log is inside the timed part */
};

/* What was listed on the command line: numbers, or choices by their value. */
struct bench_list {
    unsigned count;
    uint64_t values[BENCH_LIST_MAX];
};

struct bench_options {
    enum bench_action action;
    enum bench_preset preset;
    struct bench_list engines; /* enum bench_engine */
    const char *peers;         /* shared objects, separated by commas; NULL: none */
    const char *labs;          /* the same */
    struct bench_list reserves;
    struct bench_list shards;
    struct bench_list flushers;
    struct bench_list waits;
    struct bench_list gathers; /* variant_flags */
    struct bench_list wakes;   /* likewise */
    bool ladder;               /* instead of the nine above */
    struct bench_list writers;
    struct bench_list sizes;
    uint64_t size_max; /* not 0: sizes are drawn, from the one in `sizes` to this */
    struct bench_list windows;
    uint64_t clients;        /* logical ones, over all writers; 0: none */
    uint64_t duration_ns;    /* of the timed part; 0: `records` decides */
    uint64_t records;        /* per writer; 0: `duration_ns` decides */
    struct bench_list rates; /* of all writers together, as in load.h; {0}: a closed loop */
    enum bench_arrival_kind arrivals;
    uint64_t think_ns; /* mean, between a record and the next of the same client */
    uint64_t repeat;
    bool is_sliced; /* the rounds of a point follow each other, over logs that stay open */
    uint64_t seed;
    enum bench_device_kind device;
    uint64_t delay_ns;
    struct bench_place_options place;
    uint64_t trim_keep_bytes; /* 0: nothing is trimmed */
    uint64_t written_bytes;   /* of each log are written before the run, and none prepared; 0 */
    bool floors;              /* what bounds a run is measured before and after each point */
    bool core_to_core;
    struct bench_baseline {
        const char *path;     /* of another build, as it was given; NULL: none */
        bool knows_no_floors; /* which and the next are known after bench_baseline_check */
        char version[64];
        char commit[64]; /* empty: it does not tell */
    } baseline;
    uint64_t given;                       /* bits, by place in the table of options */
    const char *texts[BENCH_OPTIONS_MAX]; /* what was given with each */
    const char *dir;
    const char *json_path;      /* NULL: none */
    struct logfile_options log; /* what all variants have in common */
    struct logfile_lab lab;     /* the same */
    struct bench_variants variants;
};

/* Where variants meet: one entry of each list that is not about variants. */
struct bench_point {
    unsigned writers;
    size_t size_min;
    size_t size_max;
    uint64_t window;
    uint64_t rate;
};

/*
 * Fills `options` from the command line, defaults included; strings stay argv's.  Refuses what is
 * wrong whatever the machine.
 *
 * Returns 0, or -1 with one line, without a newline, in `message`.
 */
int bench_options_parse(int argc, char **argv, struct bench_options *options, char *message,
                        size_t message_bytes);

/* Sizes are the outermost loop, then windows, then rates, then writers. */
unsigned bench_point_count(const struct bench_options *options);
struct bench_point bench_point_at(const struct bench_options *options, unsigned index);
/* Whether anything is to be put anywhere. */
bool bench_options_place(const struct bench_options *options);
/* The greatest value of a list. */
uint64_t bench_list_max(const struct bench_list *list);
bool bench_list_has(const struct bench_list *list, uint64_t value);

/* What --help prints. */
extern const char bench_usage[];

#endif /* BENCH_OPTIONS_H */
