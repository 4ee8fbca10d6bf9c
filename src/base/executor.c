/* SPDX-License-Identifier: MIT */
#include "base/executor.h"

#include "base/lf_assert.h"
#include "base/num.h"
#include "base/thread.h"

/* ---- Ringing ----------------------------------------------------------------------------------*/

/*
 * The ringers' stack.  A task is in it at most once, because only who turns is_rung from 0 to 1 pushes
 * it; and it is taken as a whole, so that no task is popped beside a push (no ABA).  The idea is the
 * remote free list of mimalloc (D. Leijen), and older than that.
 */
void lf_task_ring(struct lf_task *task)
{
    struct lf_executor *executor = task->executor;
    uint64_t last;

    /* X1: what the step is to see, before; pairs with take_rung.  It is 1: who takes the task from the
     * stack sees that too. */
    if (lf_swap_acq_rel_32(&task->is_rung, 1) != 0)
        return;
    do {
        last = lf_load_relaxed_64(&executor->rung); /* The swap decides. */
        task->rung_next = (struct lf_task *)(uintptr_t)last;
        /* X2: rung_next, before; pairs with take_rung. */
    } while (!lf_cas_acq_rel_64(&executor->rung, last, (uintptr_t)task));
    if (executor->config.thread_count == 1)
        lf_waiter_wake(&executor->bell);
    else
        lf_waiter_wake_one(&executor->bell);
}

/* Puts it behind all that are due no later. */
static void insert(struct lf_executor *executor, struct lf_task *task, uint64_t due_ns)
{
    struct lf_task **link = &executor->due;

    while (*link != NULL && (*link)->due_ns <= due_ns)
        link = &(*link)->next;
    task->due_ns = due_ns;
    task->next = *link;
    *link = task;
}

static void unlink_due(struct lf_executor *executor, struct lf_task *task)
{
    struct lf_task **link = &executor->due;

    if (task->due_ns == LF_STEP_WHEN_RUNG)
        return;
    while (*link != task)
        link = &(*link)->next;
    *link = task->next;
    task->due_ns = LF_STEP_WHEN_RUNG;
}

/* Called with the lock.  What has been rung is due now. */
static void take_rung(struct lf_executor *executor, uint64_t now_ns)
{
    uint64_t rung;

    if (lf_load_relaxed_64(&executor->rung) == 0) /* Relaxed: the bell's key was taken before. */
        return;
    rung = lf_swap_acq_rel_64(&executor->rung, 0); /* X2 */
    while (rung != 0) {
        struct lf_task *task = (struct lf_task *)(uintptr_t)rung;

        rung = (uintptr_t)task->rung_next;
        lf_swap_acq_rel_32(&task->is_rung, 0); /* X1: from here on it can be rung again. */
        if (task->is_running) {
            task->runs_again = true;
        } else if (task->due_ns > now_ns) {
            unlink_due(executor, task);
            insert(executor, task, now_ns);
        }
    }
}

/* ---- The threads ------------------------------------------------------------------------------*/

/* The one thread of an executor has nothing to do until a ring after `key`. */
static void await_ring(struct lf_executor *executor, uint32_t key)
{
    uint64_t begin_ns = lf_now_ns();

    executor->slowest_yield_ns = 0;
    if (executor->spin_ns == 0 || !lf_waiter_spin(&executor->bell, key, executor->spin_ns,
                                                  UINT64_MAX, &executor->slowest_yield_ns))
        lf_waiter_sleep(&executor->bell, key, NULL);
    executor->idle_ns = lf_now_ns() - begin_ns;
}

/* Called with the lock, which it releases in between.  Sleeps until a ring after `key`, or until a task
 * is due, unless another thread sleeps until then anyway. */
static void sleep_idle(struct lf_executor *executor, uint32_t key)
{
    uint64_t until_ns = executor->due != NULL ? executor->due->due_ns : UINT64_MAX;
    struct timespec until;

    if (until_ns >= executor->watched_ns)
        until_ns = UINT64_MAX;
    else
        executor->watched_ns = until_ns;
    executor->idle++;
    pthread_mutex_unlock(&executor->lock);
    until = lf_timespec(until_ns);
    if (until_ns == UINT64_MAX && executor->config.thread_count == 1)
        await_ring(executor, key);
    else
        lf_waiter_sleep(&executor->bell, key, until_ns == UINT64_MAX ? NULL : &until);
    pthread_mutex_lock(&executor->lock);
    executor->idle--;
    if (executor->watched_ns == until_ns)
        executor->watched_ns = UINT64_MAX;
}

/* Called with the lock, which it releases in between. */
static void run(struct lf_executor *executor, struct lf_task *task)
{
    unlink_due(executor, task);
    task->is_running = true;
    /* This thread may be away for long: another one looks after what is due next. */
    if (executor->idle > 0 && executor->due != NULL && executor->due->due_ns < executor->watched_ns)
        lf_waiter_wake_one(&executor->bell);
    pthread_mutex_unlock(&executor->lock);
    uint64_t next_ns = task->step(task->arg);
    pthread_mutex_lock(&executor->lock);
    task->is_running = false;
    if (task->runs_again || next_ns == LF_STEP_AGAIN)
        next_ns = lf_now_ns(); /* behind those that have waited */
    task->runs_again = false;
    if (next_ns != LF_STEP_WHEN_RUNG)
        insert(executor, task, next_ns);
    if (executor->leaver_count > 0)
        pthread_cond_broadcast(&executor->left);
}

static void *work(void *arg)
{
    struct lf_executor *executor = arg;
    const struct lf_executor_config *config = &executor->config;

    pthread_setname_np(pthread_self(), config->name);
    if (config->thread_start != NULL)
        config->thread_start(config->thread_arg, config->role);
    pthread_mutex_lock(&executor->lock);
    while (!executor->stop) {
        /* The key first: a ring after the look at what is rung ends the sleep. */
        uint32_t key = lf_waiter_key(&executor->bell);
        uint64_t now_ns = lf_now_ns();

        take_rung(executor, now_ns);
        if (executor->due != NULL && executor->due->due_ns <= now_ns)
            run(executor, executor->due);
        else
            sleep_idle(executor, key);
    }
    pthread_mutex_unlock(&executor->lock);
    return NULL;
}

/* ---- Joining and leaving ----------------------------------------------------------------------*/

void lf_task_join(struct lf_task *task, struct lf_executor *executor, uint64_t (*step)(void *arg),
                  void *arg)
{
    *task = (struct lf_task){
        .executor = executor,
        .step = step,
        .arg = arg,
        .due_ns = LF_STEP_WHEN_RUNG,
    };
    pthread_mutex_lock(&executor->lock);
    executor->task_count++;
    pthread_mutex_unlock(&executor->lock);
}

void lf_task_leave(struct lf_task *task)
{
    struct lf_executor *executor = task->executor;

    if (executor == NULL)
        return;
    LF_ASSERT(!lf_executor_is_own_thread(executor));
    pthread_mutex_lock(&executor->lock);
    executor->leaver_count++;
    while (task->is_running) /* For its thread to end the step. */
        pthread_cond_wait(&executor->left, &executor->lock);
    executor->leaver_count--;
    take_rung(executor, lf_now_ns()); /* It may be among them. */
    unlink_due(executor, task);
    executor->task_count--;
    pthread_mutex_unlock(&executor->lock);
    task->executor = NULL;
}

bool lf_executor_is_own_thread(const struct lf_executor *executor)
{
    for (unsigned i = 0; i < executor->started; i++)
        if (pthread_equal(pthread_self(), executor->threads[i]))
            return true;
    return false;
}

/* ---- Start and stop ---------------------------------------------------------------------------*/

int lf_executor_start(struct lf_executor *executor, const struct lf_executor_config *config)
{
    LF_ASSERT(config->thread_count >= 1 && config->thread_count <= LF_EXECUTOR_THREADS_MAX);
    *executor = (struct lf_executor){.config = *config, .watched_ns = UINT64_MAX};
    int error = -pthread_mutex_init(&executor->lock, NULL);
    if (error != 0)
        return error;
    error = -pthread_cond_init(&executor->left, NULL);
    if (error != 0) {
        pthread_mutex_destroy(&executor->lock);
        return error;
    }
    while (error == 0 && executor->started < config->thread_count) {
        error = lf_thread_start(&executor->threads[executor->started], work, executor);
        executor->started += error == 0;
    }
    if (error != 0)
        lf_executor_stop(executor);
    return error;
}

void lf_executor_stop(struct lf_executor *executor)
{
    pthread_mutex_lock(&executor->lock);
    LF_ASSERT(executor->task_count == 0);
    executor->stop = true;
    pthread_mutex_unlock(&executor->lock);
    lf_waiter_wake(&executor->bell);
    for (unsigned i = 0; i < executor->started; i++)
        pthread_join(executor->threads[i], NULL);
    executor->started = 0;
    pthread_cond_destroy(&executor->left);
    pthread_mutex_destroy(&executor->lock);
}

int lf_task_start(struct lf_task *task, struct lf_executor *shared, struct lf_executor *own,
                  const struct lf_executor_config *config, uint64_t (*step)(void *arg), void *arg)
{
    struct lf_executor_config alone = *config;

    alone.thread_count = 1;
    int error = shared != NULL ? 0 : lf_executor_start(own, &alone);
    if (error == 0)
        lf_task_join(task, shared != NULL ? shared : own, step, arg);
    return error;
}

void lf_task_end(struct lf_task *task, struct lf_executor *own)
{
    lf_task_leave(task);
    if (own->started > 0)
        lf_executor_stop(own);
}
