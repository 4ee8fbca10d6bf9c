/* SPDX-License-Identifier: MIT */
/* The threads that logs share: struct logfile_threads of logfile.h. */
#ifndef LF_THREADS_H
#define LF_THREADS_H

#include "base/executor.h"

/* On pages of its own, which a fork clears in the child: its threads are not there. */
struct logfile_threads {
    uint32_t alive;     /* 1; 0: this process is a fork's child */
    uint32_t log_count; /* W: open and close (fetch-add).  R: logfile_threads_stop. */
    struct lf_executor sequencers;
    struct lf_executor preparers;
    struct lf_executor events;
};

static inline bool lf_threads_are_alive(const struct logfile_threads *threads)
{
    return *(const volatile uint32_t *)&threads->alive != 0;
}

#endif /* LF_THREADS_H */
