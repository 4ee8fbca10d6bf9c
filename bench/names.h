/* SPDX-License-Identifier: MIT */
/* The choices on the command line, by the names that they have there and in the results. */
#ifndef BENCH_NAMES_H
#define BENCH_NAMES_H

struct bench_name {
    const char *name; /* NULL ends a list */
    int value;
};

extern const struct bench_name bench_engine_names[];
extern const struct bench_name bench_reserve_names[];
extern const struct bench_name bench_flusher_names[];
extern const struct bench_name bench_wait_names[];
extern const struct bench_name bench_gather_names[];
extern const struct bench_name bench_wake_names[];
extern const struct bench_name bench_variant_flag_names[];
extern const struct bench_name bench_stage_names[];
extern const struct bench_name bench_io_names[];
extern const struct bench_name bench_sync_names[];
extern const struct bench_name bench_prepare_names[];
extern const struct bench_name bench_checksum_names[];
extern const struct bench_name bench_device_names[];
extern const struct bench_name bench_preset_names[];
extern const struct bench_name bench_arrival_names[];

/* "?" for a value that has no name. */
const char *bench_name_of(const struct bench_name *names, int value);

#endif /* BENCH_NAMES_H */
