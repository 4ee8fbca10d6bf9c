/* SPDX-License-Identifier: MIT */
#include "awake.h"

#include "base/atomic.h"
#include "signals.h"

#include <string.h>

static void *spin(void *arg)
{
    const struct bench_awake_spinner *spinner = arg;
    struct sched_param lowest = {.sched_priority = 0};
    cpu_set_t one;
    bench_signals_leave_to_main();
    CPU_ZERO(&one);
    CPU_SET(spinner->cpu, &one);
    if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &lowest) != 0 ||
        pthread_setaffinity_np(pthread_self(), sizeof one, &one) != 0)
        return NULL;
    while (!atomic_load_explicit(&spinner->awake->stop, memory_order_relaxed))
        lf_pause();
    return NULL;
}

/* The processors from the caller's own on, of those that it may use. */
static unsigned choose(const cpu_set_t *allowed, unsigned *cpus)
{
    int here = sched_getcpu();
    unsigned count = 0;
    for (unsigned i = 0; i < CPU_SETSIZE && count < BENCH_AWAKE_MAX; i++) {
        unsigned cpu = ((here > 0 ? (unsigned)here : 0) + i) % CPU_SETSIZE;
        if (CPU_ISSET(cpu, allowed))
            cpus[count++] = cpu;
    }
    return count;
}

void bench_awake_begin(struct bench_awake *awake)
{
    unsigned cpus[BENCH_AWAKE_MAX];
    cpu_set_t chosen;
    memset(awake, 0, sizeof *awake);
    if (pthread_getaffinity_np(pthread_self(), sizeof awake->before, &awake->before) != 0)
        return;
    unsigned count = choose(&awake->before, cpus);
    CPU_ZERO(&chosen);
    for (unsigned i = 0; i < count; i++) {
        struct bench_awake_spinner *spinner = &awake->spinners[i];
        *spinner = (struct bench_awake_spinner){.awake = awake, .cpu = cpus[i]};
        if (pthread_create(&spinner->thread, NULL, spin, spinner) != 0)
            break;
        CPU_SET(cpus[i], &chosen);
        awake->count++;
    }
    if (awake->count > 0)
        pthread_setaffinity_np(pthread_self(), sizeof chosen, &chosen);
}

void bench_awake_end(struct bench_awake *awake)
{
    awake->stop = true;
    if (awake->count > 0)
        pthread_setaffinity_np(pthread_self(), sizeof awake->before, &awake->before);
    for (unsigned i = 0; i < awake->count; i++)
        pthread_join(awake->spinners[i].thread, NULL);
}
