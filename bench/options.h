/* SPDX-License-Identifier: MIT */
/* The command line. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "logfile.h"
#include "pin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_ENGINES_MAX 3
#define BENCH_WRITERS_MAX 10000u /* in one run */
#define BENCH_COUNTS_MAX 32      /* entries of --writers */

enum bench_action {
    BENCH_RUN = 0,
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

struct bench_options {
    enum bench_action action;
    enum bench_preset preset;
    enum logfile_engine engines[BENCH_ENGINES_MAX];
    unsigned engine_count;
    unsigned writers[BENCH_COUNTS_MAX];
    unsigned writers_count;
    size_t size_min;
    size_t size_max;
    uint64_t duration_ns; /* of the timed part; 0: `records` decides */
    uint64_t records;     /* per writer; 0: `duration_ns` decides */
    uint64_t window;
    double rate; /* records per second over all writers; 0: as fast as they can */
    uint64_t repeat;
    uint64_t seed;
    enum bench_device_kind device;
    uint64_t delay_ns;
    enum bench_pin_policy pin;
    unsigned pin_node;
    uint64_t trim_keep_bytes; /* 0: nothing is trimmed */
    const char *dir;
    const char *json_path;      /* NULL: none */
    struct logfile_options log; /* what every log is opened with; the engine is set for each run */
};

/* A choice on the command line and in the results. */
struct bench_name {
    const char *name; /* NULL ends a list */
    int value;
};

extern const struct bench_name bench_engine_names[];
extern const struct bench_name bench_reserve_names[];
extern const struct bench_name bench_flusher_names[];
extern const struct bench_name bench_wait_names[];
extern const struct bench_name bench_io_names[];
extern const struct bench_name bench_sync_names[];
extern const struct bench_name bench_prepare_names[];
extern const struct bench_name bench_checksum_names[];
extern const struct bench_name bench_device_names[];
extern const struct bench_name bench_pin_names[];
extern const struct bench_name bench_preset_names[];

const char *bench_name_of(const struct bench_name *names, int value);

/*
 * Fills `options` from the command line, defaults included; strings stay argv's.  Refuses what is
 * wrong whatever the machine.
 *
 * Returns 0, or -1 with one line, without a newline, in `message`.
 */
int bench_options_parse(int argc, char **argv, struct bench_options *options, char *message,
                        size_t message_bytes);

/* What --help prints. */
extern const char bench_usage[];

#endif /* BENCH_OPTIONS_H */
