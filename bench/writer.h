/* SPDX-License-Identifier: MIT */
/*
 * A writer: a thread that does nothing but take a record, append it, read the clock and count.
 * Writers share no memory that is written, and learn that the time is over from the clock that they
 * read anyway.
 */
#ifndef BENCH_WRITER_H
#define BENCH_WRITER_H

#include "coarse.h"
#include "histogram.h"
#include "series.h"
#include "workload.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum bench_gate_state {
    BENCH_GATE_SHUT = 0,
    BENCH_GATE_HALF, /* sessions of another store may begin, but not the clock */
    BENCH_GATE_OPEN,
    BENCH_GATE_RATED, /* what the variant can do is known */
    BENCH_GATE_CANCELLED
};

/* Holds the writers back until all of them are there and the store is open. */
struct bench_gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned arrivals; /* each writer waits for HALF, for OPEN, and where that comes, for RATED */
    enum bench_gate_state state;
};

/* What the writers of a run share.  W: the main thread, before it opens the gate. */
struct bench_task {
    const struct bench_run *run;
    struct logfile *log;           /* NULL when the store is of another kind */
    struct bench_peer_store store; /* that one */
    struct bench_recorder *recorder;
    _Atomic bool stop;          /* W: the main thread, once: no writer begins another record */
    int done_fd;                /* an eventfd: each writer adds 1 when it ends */
    uint64_t start_ns;          /* when the gate was opened */
    uint64_t from_ns;           /* the timed part */
    uint64_t until_ns;          /* UINT64_MAX: until every writer has appended its records */
    uint64_t cap_ns;            /* what was due is appended until then */
    uint64_t capacity_until_ns; /* the closed loop before an open one; 0: there is none */
    double capacity;            /* records a second in that */
    double rate;                /* of the open loop; 0: it is closed */
    struct bench_gate gate;
};

/* W: its own thread.  R: the main thread, when it has joined it, and `durable` before that. */
struct bench_writer {
    struct bench_task *task;
    unsigned index;
    pthread_t thread;
    sem_t hurry;   /* posted: a writer that waits for its turn is to end */
    void *session; /* of a store that is no log */
    int error;
    const char *failed_call;
    struct bench_written written;
    uint64_t records; /* counted: durable within the timed part */
    uint64_t payload_bytes;
    uint64_t last_end_ns;
    uint64_t random;
    uint64_t thoughts;  /* likewise, for the times that it thinks */
    uint64_t submit_ns; /* spent in submits of windows that were counted, and how many those were */
    uint64_t submits;
    _Atomic uint64_t durable; /* written.acked, for the main thread while the run goes on */
    uint64_t due;             /* records in the timed part */
    bool is_capped;
    struct bench_crossed crossed;
    struct bench_coarse late_ns; /* how late it went on when it had slept, in the timed part */
    struct bench_pending pending;
    struct bench_histogram latency_ns; /* of those that ended, or with a rate were due, within it */
} __attribute__((aligned(128)));

void bench_gate_set(struct bench_gate *gate, enum bench_gate_state state);
/* Waits until writers have arrived at the gate so many times. */
void bench_gate_await(struct bench_gate *gate, unsigned count);

/* The thread.  arg is the struct bench_writer. */
void *bench_writer_main(void *arg);

#endif /* BENCH_WRITER_H */
