/* SPDX-License-Identifier: MIT */
/*
 * One run: a number of writers append to a new log, or to another store, and what that took.  It is one slice,
 * or several with pauses in between, in which its store stays open and others have theirs.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "conduct.h"
#include "device.h"
#include "histogram.h"
#include "options.h"
#include "payload.h"
#include "place.h"
#include "pressure.h"
#include "series.h"

#define BENCH_BATCH_BUCKETS 48 /* powers of two */

struct bench_run {
    const struct bench_options *options;
    const struct bench_variant *variant;
    const struct bench_payload *payload; /* of the run's sizes */
    struct bench_place *place;           /* NULL: nothing was asked for */
    unsigned writers;
    uint64_t window;
    uint64_t rate; /* as in --rate */
    const char *path;
    const struct logfile_io *io; /* NULL: a file */
    /* Called a few times a second, and once at the end, with what became durable so far. */
    void (*progress)(void *arg, uint64_t elapsed_ns, uint64_t records);
    void *progress_arg;
};

/* How far one writer came, to be compared with what is read back. */
struct bench_written {
    uint64_t acked;   /* records 0 to acked - 1 are durable */
    uint64_t offered; /* records 0 to offered - 1 may be in the log, later ones not */
};

struct bench_result {
    bool measured; /* else it ended before its timed part began, or no window ended in that */
    bool interrupted;
    bool is_log;                  /* else flushes and what follows from them are not known */
    bool knows_calls;             /* system_calls_per_record was counted */
    enum logfile_io_mode io_mode; /* what the log chose */
    uint64_t elapsed_ns;
    uint64_t records; /* durable within that time, and their payload */
    uint64_t payload_bytes;
    uint64_t latencies;                      /* how many the percentiles are of */
    double percentile_us[BENCH_PERCENTILES]; /* NAN: too few latencies to tell */
    uint64_t max_ns;
    bool passed; /* it was above what the machine allowed just before and after it */
    uint64_t flushes;
    double records_per_flush;
    double device_bytes_per_payload_byte;
    double cpu_us_per_record;
    uint64_t rss_bytes; /* of the whole program, at the end of the timed part; 0: not known */
    double submit_ns;   /* mean of one submit in a window; NAN: there was none */
    double context_switches_per_record;
    double sleeps_per_record; /* of appends for durability; 0: not known, or none */
    double system_calls_per_record;
    uint64_t stage_samples;               /* 0: the stages were not timed */
    double stage_us[LOGFILE_STAGE_COUNT]; /* means */
    struct bench_pressure pressure;       /* within the timed part */
    struct bench_conduct conduct;
    struct bench_reached reached; /* of a device with a delay, over the whole run */
};

/* What is too large to be kept of each run. */
struct bench_detail {
    struct bench_histogram latency_ns;
    struct logfile_stats stats_before; /* of a log, at the edges of the timed part */
    struct logfile_stats stats_after;
    uint64_t batches[BENCH_BATCH_BUCKETS]; /* [i]: flushes of 2^i to 2^(i+1) - 1 records */
    struct bench_placement placement;      /* when run->place is not NULL */
    struct bench_series series;
};

enum bench_run_status {
    BENCH_RUN_OK = 0, /* also when a signal ended it early (result->interrupted) */
    BENCH_RUN_FAILED = -1,
    BENCH_RUN_MISMATCH = -2 /* what the store holds is not what was written */
};

/*
 * All of them return what it came to, unless BENCH_RUN_OK with one line in `message`: the store could not be
 * opened, written or closed, a thread could not be put where it was asked to be, or the mismatch.
 */

/* Opens the store and starts the writers, which wait.  `session` (session.h) and `run` stay where they are
 * until bench_run_end, which follows in any case. */
enum bench_run_status bench_run_begin(struct bench_session *session, const struct bench_run *run,
                                      char *message, size_t message_bytes);
/* Lets the writers append as long as the options say, and counts from nothing. */
enum bench_run_status bench_run_slice(struct bench_session *session, struct bench_result *result,
                                      struct bench_detail *detail, char *message,
                                      size_t message_bytes);
/*
 * Ends the writers and closes the store, and leaves a log in place.  written: one entry for each writer,
 * filled.  A store of another kind is also compared with what was written, as it can be read only while it
 * is open; *was_cut: a signal ended that.
 */
enum bench_run_status bench_run_end(struct bench_session *session, enum bench_run_status status,
                                    struct bench_written *written, bool *was_cut, char *message,
                                    size_t message_bytes);

/* A run of one slice. */
enum bench_run_status bench_run(const struct bench_run *run, struct bench_result *result,
                                struct bench_detail *detail, struct bench_written *written,
                                char *message, size_t message_bytes);

#endif /* BENCH_WORKLOAD_H */
