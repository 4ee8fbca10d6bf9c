/* SPDX-License-Identifier: MIT */
#include "log_counters.h"

#include "ring/log.h"

uint64_t bench_log_epochs(const struct logfile *log)
{
    return lf_counted(&log->stats.epochs);
}

uint64_t bench_log_syncs(const struct logfile *log)
{
    return lf_counted(&log->store.sync_count);
}
