/* SPDX-License-Identifier: MIT */
/*
 * An executor: threads that run the steps of tasks.  The sequencer and the preparer of a log are tasks;
 * a log has an executor of one thread for each of them, or shares those of struct logfile_threads with
 * other logs.
 *
 *   a task    a step, which does one piece of work and returns when to run next.  It never runs twice at
 *             a time, whatever the number of threads
 *   a ring    has the task's step run soon, from the start, also if it is running now.  It takes no lock:
 *             a thread that is suspended while it rings holds up no other log
 *
 * A step that waits for a device holds its thread, and so the other tasks when all threads are held.
 */
#ifndef LF_EXECUTOR_H
#define LF_EXECUTOR_H

#include "base/waiter.h"
#include "logfile.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LF_EXECUTOR_THREADS_MAX = 64
};

/* What a step returns, if not a time of CLOCK_MONOTONIC in nanoseconds. */
#define LF_STEP_AGAIN UINT64_C(0)
#define LF_STEP_WHEN_RUNG UINT64_MAX

struct lf_executor_config {
    unsigned thread_count; /* 1 to LF_EXECUTOR_THREADS_MAX */
    const char *name;      /* of its threads */
    enum logfile_thread role;
    void (*thread_start)(void *arg,
                         enum logfile_thread role); /* NULL, or runs first in each thread */
    void *thread_arg;
};

struct lf_executor {
    struct lf_executor_config config; /* never changes after the start */
    pthread_t threads[LF_EXECUTOR_THREADS_MAX];
    unsigned started; /* W, R: start and stop */

    _Alignas(128) struct lf_waiter bell; /* threads without work sleep here */
    uint64_t
        rung; /* W: ringers (compare-and-swap), threads (swap).  The last task that was rung, as
                      an address; its rung_next is the one before. */

    _Alignas(128) pthread_mutex_t lock; /* of the executor's threads; for a few instructions */
    pthread_cond_t left;                /* a step has ended that a thread waits for */
    /* Under lock. */
    struct lf_task *due;   /* the tasks that are to run, the first one first */
    unsigned task_count;   /* that have been added */
    unsigned idle;         /* threads that sleep, or are about to */
    uint64_t watched_ns;   /* the earliest time until which one of them sleeps */
    unsigned leaver_count; /* threads in lf_task_leave */
    bool stop;

    /* W, R: the one thread of an executor that has no other, and its tasks' steps. */
    uint64_t spin_ns;          /* looks for a ring so long before it sleeps, if no task is due */
    uint64_t idle_ns;          /* it has last waited so long for one */
    uint64_t slowest_yield_ns; /* the longest that a yield took meanwhile; lf_waiter_spin */
};

struct lf_task {
    struct lf_executor *executor; /* NULL: never joined, or left */
    uint64_t (*step)(void *arg);
    void *arg;

    uint32_t is_rung; /* W: ringers, the executor's threads (swap).  It is among the rung ones. */
    struct lf_task *rung_next; /* W: the ringer that set is_rung.  R: the thread that clears it. */

    /* Under the executor's lock. */
    struct lf_task *next; /* of those that are due */
    uint64_t due_ns;      /* LF_STEP_WHEN_RUNG: it is not among them */
    bool is_running;
    bool runs_again; /* was rung while it ran */
};

/* Starts the threads.  0, -EAGAIN or another -errno: none is left. */
int lf_executor_start(struct lf_executor *executor, const struct lf_executor_config *config);
/* Ends them.  Its tasks have left. */
void lf_executor_stop(struct lf_executor *executor);
/* Whether the calling thread is one of them. */
bool lf_executor_is_own_thread(const struct lf_executor *executor);

/* Joins an executor.  Its step runs when it is rung. */
void lf_task_join(struct lf_task *task, struct lf_executor *executor, uint64_t (*step)(void *arg),
                  void *arg);
/* Any thread, while it is a task of an executor.  Never blocks; one system call if a thread sleeps. */
void lf_task_ring(struct lf_task *task);
/*
 * Joins the executor `shared`, or if that is NULL one that is started for it alone, in `own`: one thread,
 * whatever config says.  0, or as lf_executor_start.
 */
int lf_task_start(struct lf_task *task, struct lf_executor *shared, struct lf_executor *own,
                  const struct lf_executor_config *config, uint64_t (*step)(void *arg), void *arg);
/* Leaves, and ends the one that was started for it. */
void lf_task_end(struct lf_task *task, struct lf_executor *own);

/* Waits for the step that is running, if one is; none runs after that.  No thread rings any more, and
 * the caller is no thread of the executor.  Does nothing if it has not joined. */
void lf_task_leave(struct lf_task *task);

#endif /* LF_EXECUTOR_H */
