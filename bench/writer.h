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

/*
 * Holds the writers back until all of them are there, and the main thread opens it: when the store is open,
 * so that sessions may begin; for each slice; and within one whose rate is a share of what the variant can
 * do, when that is known.  It is opened only when all have arrived, so that all pass it as often.
 */
struct bench_gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned arrivals; /* since it was opened last */
    unsigned openings;
    bool is_cancelled; /* no writer passes any more */
};

/* What a writer has counted in a slice. */
struct bench_tally {
    uint64_t records; /* durable within the timed part */
    uint64_t payload_bytes;
    uint64_t last_end_ns;
    uint64_t submit_ns; /* spent in submits of windows that were counted, and how many those were */
    uint64_t submits;
    uint64_t due; /* records in the timed part */
    bool is_capped;
    struct bench_crossed crossed;
    struct bench_coarse late_ns; /* how late it went on when it had slept, in the timed part */
    struct bench_pending pending;
    struct bench_histogram latency_ns; /* of those that ended, or with a rate were due, within it */
};

/* What the writers of a run share.  W: the main thread, before it opens the gate. */
struct bench_task {
    const struct bench_run *run;
    struct logfile *log;           /* NULL when the store is of another kind */
    struct bench_peer_store store; /* that one */
    struct bench_recorder *recorder;
    _Atomic bool stop;          /* W: the main thread, once: no writer begins another record */
    int done_fd;                /* an eventfd: each writer adds 1 when its slice ends */
    unsigned slice;             /* from 0 */
    uint64_t start_ns;          /* when the gate was opened for it */
    uint64_t from_ns;           /* the timed part */
    uint64_t until_ns;          /* UINT64_MAX: until every writer has appended its records */
    uint64_t cap_ns;            /* what was due is appended until then */
    uint64_t capacity_until_ns; /* the closed loop before an open one; 0: there is none */
    double capacity;            /* records a second in that */
    double rate;                /* of the open loop; 0: it is closed */
    struct bench_gate gate;
};

/* W: its own thread.  At the gate the main thread reads what it has counted, and clears it; `durable` it reads
 * at any time. */
struct bench_writer {
    struct bench_task *task;
    unsigned index;
    pthread_t thread;
    sem_t hurry;     /* posted: a writer that waits for its turn is to end */
    unsigned passed; /* how often it has passed the gate */
    void *session;   /* of a store that is no log */
    int error;
    const char *failed_call;
    struct bench_written written;
    uint64_t random;
    uint64_t thoughts;        /* likewise, for the times that it thinks */
    _Atomic uint64_t durable; /* written.acked, for the main thread while the run goes on */
    struct bench_tally tally;
} __attribute__((aligned(128)));

/* Lets all writers pass once, who have arrived. */
void bench_gate_open(struct bench_gate *gate);
/* No writer passes from here on, be it there already or still to come. */
void bench_gate_cancel(struct bench_gate *gate);
/* Waits until so many writers have arrived since it was opened last. */
void bench_gate_await(struct bench_gate *gate, unsigned count);

/* The thread.  arg is the struct bench_writer. */
void *bench_writer_main(void *arg);

#endif /* BENCH_WRITER_H */
