/* SPDX-License-Identifier: MIT */
/*
 * A process that appends to a log on a mounted file system as a seed tells, and keeps a diary.
 */
#ifndef DEVICE_WORKER_H
#define DEVICE_WORKER_H

#include "diary.h"
#include "logfile_lab.h"

enum {
    DEVICE_WORKLOAD_COUNT = 5
};
extern const char *const device_workload_names[DEVICE_WORKLOAD_COUNT];

/* The options of the next opening; options->lab is `lab`. */
void device_choose_options(unsigned workload, struct rng *rng, struct logfile_options *options,
                           struct logfile_lab *lab);

/* Opens the log in a process of its own, works, and closes it, or dies without.  Returns when that
 * process has ended.  False: an answer was wrong, `why` says which. */
bool device_work(unsigned workload, const char *path, struct rng *rng, struct diary *diary,
                 char why[JOURNAL_WHY_BYTES]);

#endif /* DEVICE_WORKER_H */
