/* SPDX-License-Identifier: MIT */
/* A thread that keeps the end of a log and trims what is before it. */
#ifndef BENCH_TRIMMER_H
#define BENCH_TRIMMER_H

#include "logfile.h"

#include <pthread.h>
#include <semaphore.h>

struct bench_trimmer {
    struct logfile *log;
    uint64_t keep_bytes;
    uint64_t step_bytes; /* it trims when at least so many bytes can go */
    pthread_t thread;
    sem_t stop;
    /* W: its thread.  R: whoever has stopped it. */
    int error; /* what logfile_trim answered, unless the log was being closed */
    uint64_t trims;
};

/* Keeps the last keep_bytes, and up to a segment or an eighth more.  0 or -errno. */
int bench_trimmer_start(struct bench_trimmer *trimmer, struct logfile *log, uint64_t keep_bytes,
                        uint64_t segment_bytes);
/* The thread is gone on return.  Before the log is closed. */
void bench_trimmer_stop(struct bench_trimmer *trimmer);

#endif /* BENCH_TRIMMER_H */
