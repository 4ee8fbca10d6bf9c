/* SPDX-License-Identifier: MIT */
/* A counter of a log by itself, for writers: logfile_stats copies 27 KB of them. */
#ifndef BENCH_LOG_COUNTERS_H
#define BENCH_LOG_COUNTERS_H

#include "logfile.h"

/* Epochs with records that became durable. */
uint64_t bench_log_epochs(const struct logfile *log);
/* Syncs that flushes began. */
uint64_t bench_log_syncs(const struct logfile *log);

#endif /* BENCH_LOG_COUNTERS_H */
