/* SPDX-License-Identifier: MIT */
/*
 * Threads that append to a log, singly, in batches and in reserved space, wait, flush, trim and take
 * events as a seed tells, until they are done or the machine goes down, and that check every answer.
 */
#ifndef CRASH_WORKER_H
#define CRASH_WORKER_H

#include "journal.h"
#include "logfile_sim.h"

enum {
    CRASH_THREADS_MAX = 4
};

/* What was done of what is not an append, a submit or a wait. */
struct crash_counts {
    uint64_t batches; /* that have their places */
    uint64_t batch_records;
    uint64_t published;
    uint64_t abandoned;
    uint64_t events;
    uint64_t followed; /* records, by readers of the handle */
};

struct crash_workload {
    struct logfile *log;
    struct logfile_sim *disk;
    const struct logfile_options *options; /* that it was opened with */
    const char *path;
    const struct journal *recovered; /* what was in it then */
    bool is_wide;       /* deadlines that have passed, and a reader beside the only thread */
    bool has_all_calls; /* batches, reservations, events, and readers that follow the log */
    unsigned thread_count;
    unsigned steps;       /* of each thread */
    unsigned trim_one_in; /* steps; 0: none */
    bool may_be_full;     /* an append may be -ENOSPC */
    /* NULL, or looks at what is on the disk after the only thread has moved the oldest LSN. */
    bool (*check_trimmed)(const struct crash_workload *load, uint64_t oldest_lsn,
                          char why[JOURNAL_WHY_BYTES]);
    void *arg;
    struct crash_counts *counts; /* added to */
    bool submit_is_promised;     /* a fault of the test's own making: a submit counts as durable */
};

/* What the threads did goes to the journal, which is sorted afterwards.  False: an answer was wrong,
 * `why` says which. */
bool crash_work(const struct crash_workload *load, struct rng *rng, struct journal *journal,
                char why[JOURNAL_WHY_BYTES]);

void crash_counts_add(struct crash_counts *to, const struct crash_counts *from);

/* Whether it is a full disk that has failed a log. */
bool crash_worker_was_full(const struct logfile_failure *failure);

#endif /* CRASH_WORKER_H */
