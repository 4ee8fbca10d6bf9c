/* SPDX-License-Identifier: MIT */
#include "trimmer.h"

#include "clock.h"
#include "signals.h"

#include <errno.h>
#include <stdbool.h>

#define LOOK_NS UINT64_C(10000000) /* 10 ms between two looks at the log */

/* musl can wait by the wall clock only, which does no harm to a wait this short. */
#ifdef HAVE_SEM_CLOCKWAIT
#define LOOK_CLOCK CLOCK_MONOTONIC
#else
#define LOOK_CLOCK CLOCK_REALTIME
#define sem_clockwait(semaphore, clock, until) sem_timedwait(semaphore, until)
#endif

static bool is_stopped(struct bench_trimmer *trimmer)
{
    struct timespec now;
    int result;
    clock_gettime(LOOK_CLOCK, &now);
    struct timespec until =
        bench_timespec((uint64_t)now.tv_sec * BENCH_NS_PER_S + (uint64_t)now.tv_nsec + LOOK_NS);
    do
        result = sem_clockwait(&trimmer->stop, LOOK_CLOCK, &until);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static void *trimmer_main(void *arg)
{
    struct bench_trimmer *trimmer = arg;
    bench_signals_leave_to_main();
    while (trimmer->error == 0 && !is_stopped(trimmer)) {
        uint64_t durable_lsn = logfile_durable_lsn(trimmer->log);
        uint64_t least_lsn = logfile_oldest_lsn(trimmer->log) + trimmer->keep_bytes;
        if (durable_lsn < least_lsn + trimmer->step_bytes)
            continue;
        int error = logfile_trim(trimmer->log, durable_lsn - trimmer->keep_bytes);
        if (error == LOGFILE_ECLOSED)
            return NULL;
        trimmer->error = error;
        trimmer->trims++;
    }
    return NULL;
}

int bench_trimmer_start(struct bench_trimmer *trimmer, struct logfile *log, uint64_t keep_bytes,
                        uint64_t segment_bytes)
{
    *trimmer = (struct bench_trimmer){.log = log, .keep_bytes = keep_bytes};
    /* Less than a segment gives no space back, and each trim costs a sync. */
    trimmer->step_bytes = keep_bytes / 8 > segment_bytes ? keep_bytes / 8 : segment_bytes;
    sem_init(&trimmer->stop, 0, 0);
    int error = pthread_create(&trimmer->thread, NULL, trimmer_main, trimmer);
    if (error != 0)
        trimmer->log = NULL;
    return -error;
}

void bench_trimmer_stop(struct bench_trimmer *trimmer)
{
    if (trimmer->log == NULL)
        return;
    sem_post(&trimmer->stop);
    pthread_join(trimmer->thread, NULL);
    sem_destroy(&trimmer->stop);
    trimmer->log = NULL;
}
