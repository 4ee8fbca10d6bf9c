/* SPDX-License-Identifier: MIT */
#include "base/threads.h"

#include "base/num.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SEQUENCERS_DEFAULT = 4, /* so many syncs are under way at most */
    PREPARERS_DEFAULT = 2   /* so that a device that hangs does not keep room from all others */
};

static int start(struct logfile_threads *threads, const struct logfile_threads_options *options)
{
    const struct {
        struct lf_executor *executor;
        unsigned thread_count;
        const char *name;
        enum logfile_thread role;
    } executors[] = {
        {&threads->sequencers, options->sequencers, "lf-sequencer", LOGFILE_THREAD_SEQUENCER},
        {&threads->preparers, options->preparers, "lf-preparer", LOGFILE_THREAD_PREPARER},
        {&threads->events, 1, "lf-events", LOGFILE_THREAD_EVENTS},
    };
    unsigned started = 0;
    int error = 0;

    for (; started < sizeof executors / sizeof executors[0]; started++) {
        const struct lf_executor_config config = {
            .thread_count = executors[started].thread_count,
            .name = executors[started].name,
            .role = executors[started].role,
            .thread_start = options->thread_start,
            .thread_arg = options->thread_arg,
        };

        error = lf_executor_start(executors[started].executor, &config);
        if (error != 0)
            break;
    }
    while (error != 0 && started > 0)
        lf_executor_stop(executors[--started].executor);
    return error;
}

int logfile_threads_start(const struct logfile_threads_options *options,
                          struct logfile_threads **threadsp)
{
    struct logfile_threads_options resolved = {0};
    struct logfile_threads *threads;

    if (options != NULL)
        resolved = *options;
    if (resolved.sequencers == 0)
        resolved.sequencers = SEQUENCERS_DEFAULT;
    if (resolved.preparers == 0)
        resolved.preparers = PREPARERS_DEFAULT;
    for (size_t i = 0; i < sizeof resolved.reserved / sizeof resolved.reserved[0]; i++)
        if (resolved.reserved[i] != 0)
            return -EINVAL;
    if (threadsp == NULL || resolved.sequencers > LF_EXECUTOR_THREADS_MAX ||
        resolved.preparers > LF_EXECUTOR_THREADS_MAX)
        return -EINVAL;

    threads =
        mmap(NULL, sizeof *threads, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (threads == MAP_FAILED)
        return -errno;
    int error = madvise(threads, sizeof *threads, MADV_WIPEONFORK) != 0 ? -errno : 0;
    if (error == 0)
        error = start(threads, &resolved);
    if (error != 0) {
        munmap(threads, sizeof *threads);
        return error;
    }
    threads->alive = 1;
    *threadsp = threads;
    return 0;
}

int logfile_threads_stop(struct logfile_threads *threads)
{
    if (threads == NULL)
        return 0;
    if (!lf_threads_are_alive(threads))
        return LOGFILE_EFORKED;
    /* Relaxed: the calls of the logs have returned, or this is a look. */
    if (lf_load_relaxed_32(&threads->log_count) != 0)
        return -EBUSY;
    lf_executor_stop(&threads->sequencers);
    lf_executor_stop(&threads->preparers);
    lf_executor_stop(&threads->events);
    munmap(threads, sizeof *threads);
    return 0;
}
