/* SPDX-License-Identifier: MIT */
/*
 * A thread that reads a log ahead of whoever checks it, so that device and processor work at the
 * same time.  Only for logs that are large enough to be worth a thread.
 */
#ifndef LF_READ_AHEAD_H
#define LF_READ_AHEAD_H

#include "storage/file.h"

#include <sys/types.h>

struct lf_read_ahead;

/* Starts to read at the block-aligned `lsn`.  NULL: no memory, or no thread; then read without. */
struct lf_read_ahead *lf_read_ahead_start(struct lf_file *file, uint64_t lsn);
/*
 * As lf_file_read, for `lsn` and `bytes` that are multiples of the block size; waits for the
 * thread.  Cheap when the calls go from front to back, also across segments; else the thread starts
 * again where it is asked to.
 */
ssize_t lf_read_ahead_take(struct lf_read_ahead *ahead, uint64_t lsn, void *buffer, size_t bytes);
/* NULL is allowed.  Waits for a read under way. */
void lf_read_ahead_stop(struct lf_read_ahead *ahead);

#endif /* LF_READ_AHEAD_H */
