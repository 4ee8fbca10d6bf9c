/* SPDX-License-Identifier: MIT */
/* The executor: no ring is lost, no step runs twice at a time, times are kept while threads are held. */
#include "support.h"
#include "base/executor.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TASKS_MAX = 64,
    RINGERS = 4
};

/* Aligned as in a log; kept out of the stack, where a step that runs too late would find it. */
static struct lf_executor executor;

static void start(unsigned thread_count)
{
    const struct lf_executor_config config = {.thread_count = thread_count, .name = "worker"};

    ck_assert_int_eq(lf_executor_start(&executor, &config), 0);
}

/* What a test's task does. */
struct job {
    struct lf_task task;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned run_count;
    unsigned inside;
    bool is_held;      /* steps wait until it is false */
    uint64_t returns;  /* what a step returns */
    uint64_t delay_ns; /* else, if not 0: in so long */
    unsigned repeats;  /* else, if not 0: LF_STEP_AGAIN, so often */
    uint64_t spin_ns;  /* what a step asks for */
    uint64_t last_ns;  /* when the last step began */
};

static uint64_t run_job(void *arg)
{
    struct job *job = arg;
    uint64_t next_ns = job->returns;

    pthread_mutex_lock(&job->lock);
    job->inside++;
    ck_assert_uint_eq(job->inside, 1);
    job->run_count++;
    if (executor.config.thread_count == 1)
        executor.spin_ns = job->spin_ns;
    job->last_ns = lf_now_ns();
    pthread_cond_broadcast(&job->changed);
    while (job->is_held)
        pthread_cond_wait(&job->changed, &job->lock);
    if (job->repeats > 0) {
        job->repeats--;
        next_ns = LF_STEP_AGAIN;
    } else if (job->delay_ns != 0) {
        next_ns = lf_now_ns() + job->delay_ns;
        job->delay_ns = 0;
    }
    job->inside--;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
    return next_ns;
}

static void join(struct job *job)
{
    memset(job, 0, sizeof *job);
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->changed, NULL);
    job->returns = LF_STEP_WHEN_RUNG;
    lf_task_join(&job->task, &executor, run_job, job);
}

static void await_runs(struct job *job, unsigned count)
{
    pthread_mutex_lock(&job->lock);
    while (job->run_count < count)
        pthread_cond_wait(&job->changed, &job->lock);
    pthread_mutex_unlock(&job->lock);
}

static void hold(struct job *job, bool is_held)
{
    pthread_mutex_lock(&job->lock);
    job->is_held = is_held;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

/* ---- Rings ---- */

START_TEST(a_ring_runs_a_step_once)
{
    struct job job, last;

    start((unsigned)_i);
    join(&job);
    join(&last);
    for (unsigned i = 1; i <= 100; i++) {
        lf_task_ring(&job.task);
        await_runs(&job, i);
        lf_task_ring(&last.task);
        await_runs(&last, i); /* by now a second step would have run */
        ck_assert_uint_eq(job.run_count, i);
    }
    lf_task_leave(&job.task);
    lf_task_leave(&last.task);
    lf_executor_stop(&executor);
}
END_TEST

/* One ring or ten while a step runs: one more step. */
START_TEST(a_ring_while_the_step_runs_runs_it_again)
{
    struct job job;

    start((unsigned)_i);
    join(&job);
    hold(&job, true);
    lf_task_ring(&job.task);
    await_runs(&job, 1);
    for (unsigned i = 0; i < 10; i++)
        lf_task_ring(&job.task);
    hold(&job, false);
    await_runs(&job, 2);
    lf_task_leave(&job.task);
    ck_assert_uint_le(job.run_count, 3); /* it may have begun before the last of the ten */
    lf_executor_stop(&executor);
}
END_TEST

static bool sleeps(void)
{
    return lf_load_acquire_32(&executor.bell.word) & LF_WAITER_SLEEPERS;
}

/* A thread that is to look for a ring does not sleep; and it is rung, and ends, all the same. */
START_TEST(a_thread_looks_before_it_sleeps)
{
    const uint64_t hour_ns = UINT64_C(3600) * 1000000000;
    struct job job;

    start(1);
    join(&job);
    for (unsigned i = 1; i <= 300; i++) {
        job.spin_ns = i % 100 == 0 ? 0 : hour_ns;
        lf_task_ring(&job.task);
        await_runs(&job, i);
        while (i % 100 == 0 && !sleeps()) /* For the thread: its step asks for no look. */
            usleep(100);
        ck_assert(i % 100 == 0 || !sleeps());
    }
    job.spin_ns = 1000000;
    lf_task_ring(&job.task);
    while (!sleeps()) /* For the look to end. */
        usleep(100);
    job.spin_ns = hour_ns;
    lf_task_ring(&job.task);
    await_runs(&job, 302);
    lf_task_leave(&job.task);
    lf_executor_stop(&executor);
}
END_TEST

static struct counter {
    struct lf_task task;
    uint32_t asked;
    uint32_t seen;
    uint32_t inside;
    struct lf_waiter looked;
} counters[TASKS_MAX];

static uint64_t count_step(void *arg)
{
    struct counter *counter = arg;

    ck_assert_uint_eq(lf_fetch_add_acquire_32(&counter->inside, 1), 0);
    lf_store_release_32(&counter->seen, lf_load_relaxed_32(&counter->asked));
    lf_fetch_add_acquire_32(&counter->inside, UINT32_MAX);
    lf_waiter_wake(&counter->looked);
    return LF_STEP_WHEN_RUNG;
}

static void *ring_all(void *arg)
{
    unsigned rounds = *(unsigned *)arg;

    for (unsigned i = 0; i < rounds; i++)
        for (unsigned j = 0; j < TASKS_MAX; j++) {
            lf_fetch_add_relaxed_32(&counters[j].asked, 1);
            lf_task_ring(&counters[j].task);
        }
    return NULL;
}

/* Many threads ring many tasks: each step that follows a ring sees what was there before it. */
START_TEST(no_ring_is_lost)
{
    unsigned rounds = (unsigned)scaled(500, 5000, 100000);
    pthread_t ringers[RINGERS];

    start((unsigned)_i);
    memset(counters, 0, sizeof counters);
    for (unsigned j = 0; j < TASKS_MAX; j++)
        lf_task_join(&counters[j].task, &executor, count_step, &counters[j]);
    ck_assert_uint_eq(executor.task_count, TASKS_MAX);
    for (unsigned i = 0; i < RINGERS; i++)
        ck_assert_int_eq(pthread_create(&ringers[i], NULL, ring_all, &rounds), 0);
    for (unsigned i = 0; i < RINGERS; i++)
        pthread_join(ringers[i], NULL);
    for (unsigned j = 0; j < TASKS_MAX; j++) {
        for (;;) {
            uint32_t key = lf_waiter_key(&counters[j].looked);

            if (lf_load_acquire_32(&counters[j].seen) == RINGERS * rounds)
                break;
            lf_waiter_sleep(&counters[j].looked, key, NULL);
        }
        lf_task_leave(&counters[j].task);
    }
    ck_assert_uint_eq(executor.task_count, 0);
    lf_executor_stop(&executor);
}
END_TEST

/* ---- Times ---- */

START_TEST(a_step_runs_when_it_is_due)
{
    struct job job;
    uint64_t begin_ns;

    start((unsigned)_i);
    join(&job);
    job.delay_ns = 30000000;
    begin_ns = lf_now_ns();
    lf_task_ring(&job.task);
    await_runs(&job, 2);
    ck_assert_uint_ge(job.last_ns - begin_ns, 30000000);

    /* A ring comes first, and the time is forgotten. */
    job.delay_ns = UINT64_C(3600) * 1000000000;
    lf_task_ring(&job.task);
    await_runs(&job, 3);
    lf_task_ring(&job.task);
    await_runs(&job, 4);
    lf_task_leave(&job.task);
    lf_executor_stop(&executor);
}
END_TEST

/* The thread that sleeps until the first task is due may be taken for another task. */
START_TEST(times_are_kept_while_a_thread_is_held)
{
    struct job timed, holding;

    start(2);
    for (unsigned i = 0; i < 50; i++) {
        join(&timed);
        join(&holding);
        timed.delay_ns = 2000000;
        hold(&holding, true);
        lf_task_ring(&timed.task);
        await_runs(&timed, 1);
        if (i % 2 == 0)
            usleep(500); /* both threads sleep by now, most likely */
        lf_task_ring(&holding.task);
        await_runs(&holding, 1);
        await_runs(&timed, 2);
        hold(&holding, false);
        lf_task_leave(&timed.task);
        lf_task_leave(&holding.task);
    }
    lf_executor_stop(&executor);
}
END_TEST

/* ---- Several tasks ---- */

START_TEST(a_step_that_runs_again_lets_others_in)
{
    struct job busy, other;

    start(1);
    join(&busy);
    join(&other);
    hold(&busy, true);
    busy.repeats = 1000000;
    lf_task_ring(&busy.task);
    await_runs(&busy, 1);
    lf_task_ring(&other.task);
    hold(&busy, false);
    await_runs(&other, 1);
    pthread_mutex_lock(&busy.lock);
    ck_assert_uint_gt(busy.repeats, 0);
    pthread_mutex_unlock(&busy.lock);
    lf_task_leave(&busy.task);
    lf_task_leave(&other.task);
    lf_executor_stop(&executor);
}
END_TEST

START_TEST(a_held_thread_holds_one_task)
{
    enum {
        THREADS = 4
    };
    struct job held[THREADS - 1], free_job;

    start(THREADS);
    for (unsigned i = 0; i < THREADS - 1; i++) {
        join(&held[i]);
        hold(&held[i], true);
        lf_task_ring(&held[i].task);
        await_runs(&held[i], 1);
    }
    join(&free_job);
    for (unsigned i = 1; i <= 100; i++) {
        lf_task_ring(&free_job.task);
        await_runs(&free_job, i);
    }
    for (unsigned i = 0; i < THREADS - 1; i++) {
        hold(&held[i], false);
        lf_task_leave(&held[i].task);
    }
    lf_task_leave(&free_job.task);
    lf_executor_stop(&executor);
}
END_TEST

/* ---- Leaving ---- */

static void *let_go_soon(void *arg)
{
    usleep(20000);
    hold(arg, false);
    return NULL;
}

START_TEST(leaving_waits_for_the_step)
{
    struct job job;
    pthread_t thread;

    start((unsigned)_i);
    join(&job);
    hold(&job, true);
    lf_task_ring(&job.task);
    await_runs(&job, 1);
    lf_task_ring(&job.task); /* and it is to run again, which it will not */
    ck_assert_int_eq(pthread_create(&thread, NULL, let_go_soon, &job), 0);
    lf_task_leave(&job.task);
    ck_assert_uint_eq(job.inside, 0);
    ck_assert(!job.is_held);
    pthread_join(thread, NULL);
    lf_executor_stop(&executor);
}
END_TEST

/* What is rung, or due, or both, can leave: nothing of it is touched any more. */
START_TEST(what_is_to_run_can_leave)
{
    struct job held, other;

    start(1);
    join(&held);
    hold(&held, true);
    lf_task_ring(&held.task);
    await_runs(&held, 1);
    for (unsigned i = 0; i < 100; i++) {
        struct job *job = malloc(sizeof *job);

        join(job);
        lf_task_ring(&job->task);
        lf_task_leave(&job->task);
        ck_assert_uint_eq(job->run_count, 0);
        memset(job, 0xff, sizeof *job);
        free(job);
    }
    join(&other);
    lf_task_ring(&other.task);
    hold(&held, false);
    await_runs(&other, 1);
    lf_task_leave(&other.task);
    lf_task_leave(&held.task);
    lf_task_leave(&held.task); /* does nothing */
    lf_executor_stop(&executor);
}
END_TEST

/* ---- The threads ---- */

static struct {
    unsigned count;
    enum logfile_thread role;
    char name[16];
} begun;
static pthread_mutex_t begun_lock = PTHREAD_MUTEX_INITIALIZER;

static void note_thread(void *arg, enum logfile_thread role)
{
    ck_assert_ptr_eq(arg, &begun);
    pthread_mutex_lock(&begun_lock);
    begun.count++;
    begun.role = role;
    pthread_getname_np(pthread_self(), begun.name, sizeof begun.name);
    pthread_mutex_unlock(&begun_lock);
}

static uint64_t look_who_runs(void *arg)
{
    *(bool *)arg = lf_executor_is_own_thread(&executor);
    lf_waiter_wake(&counters[0].looked);
    return LF_STEP_WHEN_RUNG;
}

START_TEST(threads_are_named_and_known)
{
    const struct lf_executor_config config = {.thread_count = 3,
                                              .name = "lf-x",
                                              .role = LOGFILE_THREAD_PREPARER,
                                              .thread_start = note_thread,
                                              .thread_arg = &begun};
    struct lf_task task;
    bool is_own = false;

    ck_assert_int_eq(lf_executor_start(&executor, &config), 0);
    ck_assert(!lf_executor_is_own_thread(&executor));
    uint32_t key = lf_waiter_key(&counters[0].looked);
    lf_task_join(&task, &executor, look_who_runs, &is_own);
    lf_task_ring(&task);
    lf_waiter_sleep(&counters[0].looked, key, NULL);
    lf_task_leave(&task);
    ck_assert(is_own);
    lf_executor_stop(&executor);
    ck_assert_uint_eq(begun.count, 3);
    ck_assert_int_eq(begun.role, LOGFILE_THREAD_PREPARER);
    ck_assert_str_eq(begun.name, "lf-x");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("executor");
    TCase *tests = tcase_create("executor");

    tcase_set_timeout(tests, 300);
    tcase_add_loop_test(tests, a_ring_runs_a_step_once, 1, 5);
    tcase_add_loop_test(tests, a_ring_while_the_step_runs_runs_it_again, 1, 3);
    tcase_add_test(tests, a_thread_looks_before_it_sleeps);
    tcase_add_loop_test(tests, no_ring_is_lost, 1, 5);
    tcase_add_loop_test(tests, a_step_runs_when_it_is_due, 1, 3);
    tcase_add_test(tests, times_are_kept_while_a_thread_is_held);
    tcase_add_test(tests, a_step_that_runs_again_lets_others_in);
    tcase_add_test(tests, a_held_thread_holds_one_task);
    tcase_add_loop_test(tests, leaving_waits_for_the_step, 1, 3);
    tcase_add_test(tests, what_is_to_run_can_leave);
    tcase_add_test(tests, threads_are_named_and_known);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
