/* SPDX-License-Identifier: MIT */
/*
 * A run while it goes on: its writers, the store that they write to, what that uses up, and what each slice
 * comes to.
 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include "perf.h"
#include "series.h"
#include "trimmer.h"
#include "workload.h"
#include "writer.h"

/* What the store and the process have used up at one moment. */
struct bench_usage {
    uint64_t cpu_us;
    uint64_t context_switches;
    uint64_t rss_bytes;
    struct bench_pressure pressure;
    uint64_t records;           /* durable */
    struct logfile_stats stats; /* of a log, */
    struct logfile_lab_stats lab_stats;
};

struct bench_session {
    struct bench_task task;
    struct bench_trimmer trimmer;
    unsigned started; /* threads to be joined */
    struct bench_writer *writers;
    uint64_t open_ns; /* just before the store was opened */
    bool interrupted;
    bool is_open;
    bool has_sliced; /* it has a slice behind it */
    int calls_fd;    /* counts during the warm-up; -1: nothing counts */
    uint64_t calls;
    bool knows_calls;
    struct bench_perf perf;
    struct bench_perf_result perf_result;
    struct bench_recorder recorder;
    struct bench_detail *detail;
    struct bench_usage before;
    struct bench_usage after;
    bool has_before;
    bool has_after;
};

/* Starts the writers, which come to the gate.  0 or -errno; either way the three below follow. */
int bench_session_init(struct bench_session *session, const struct bench_run *run);
/* Ends the writers, which wait at the gate, and joins them. */
void bench_session_end_writers(struct bench_session *session);
/* 0 or -errno, also when it is not open. */
int bench_session_close(struct bench_session *session);
void bench_session_free(struct bench_session *session);

/* The store's adapter; NULL for a log. */
const struct bench_peer *bench_session_peer(const struct bench_session *session);
/* Opens the store and notes what was used before.  0, or -1 with one line in `message`. */
int bench_session_open(struct bench_session *session, char *message, size_t message_bytes);
/* With the writers at the gate: nothing is counted, and what follows goes to `detail`. */
void bench_session_begin_slice(struct bench_session *session, struct bench_detail *detail);
/* Sleeps until a log prepares no blocks, for a while at most. */
void bench_session_settle(const struct bench_session *session);

/* What became durable so far. */
void bench_session_note_store(const struct bench_session *session, struct bench_usage *usage);
void bench_session_note_usage(struct bench_session *session, struct bench_usage *usage, bool *has);

/* With its writers at the gate again. */
void bench_session_summarise(const struct bench_session *session, struct bench_result *result);

#endif /* BENCH_SESSION_H */
