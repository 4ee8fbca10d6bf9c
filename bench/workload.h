/* SPDX-License-Identifier: MIT */
/*
 * One run: a number of writers append to a new log with one engine, and what that took.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "options.h"
#include "payload.h"
#include "pin.h"

struct bench_run {
    const struct bench_options *options;
    const struct bench_payload *payload;
    hwloc_topology_t topology;
    enum logfile_engine engine;
    unsigned writers;
    const char *path;
    const struct logfile_io *io; /* NULL: a file */
    /* Called a few times a second, and once at the end, with what the log has flushed so far. */
    void (*progress)(void *arg, uint64_t elapsed_ns, uint64_t records);
    void *progress_arg;
};

/* How far one writer came, to be compared with what is read back. */
struct bench_written {
    uint64_t acked;   /* records 0 to acked - 1 are durable */
    uint64_t offered; /* records 0 to offered - 1 may be in the log, later ones not */
};

struct bench_result {
    bool measured; /* else the run ended before its timed part began */
    bool interrupted;
    enum logfile_io_mode io_mode; /* what the log chose */
    uint64_t elapsed_ns;
    uint64_t records; /* durable within that time, and their payload */
    uint64_t payload_bytes;
    uint64_t p50_ns;
    uint64_t p99_ns;
    uint64_t p999_ns;
    uint64_t max_ns;
    uint64_t flushes;
    double records_per_flush;
    double device_bytes_per_payload_byte;
    double cpu_us_per_record;
    uint64_t rss_bytes; /* of the whole program, at the end of the timed part; 0: not known */
};

/*
 * Runs it.  written: one entry for each writer, filled.  The log is closed and left in place.
 *
 * Returns 0, also when a signal ended it early (result->interrupted), or -1 with one line in
 * `message`: the log could not be opened, written or closed.
 */
int bench_run(const struct bench_run *run, struct bench_result *result,
              struct bench_written *written, char *message, size_t message_bytes);

#endif /* BENCH_WORKLOAD_H */
