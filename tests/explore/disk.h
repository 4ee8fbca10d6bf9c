/* SPDX-License-Identifier: MIT */
/*
 * A disk of one file for an explored log: small, and in the arena.  What is written is in the cache,
 * and durable when a sync that began after it has returned 0.  A sync that fails drops what it should
 * have written, as kernels do.
 */
#ifndef DISK_H
#define DISK_H

#include "logfile_io.h"

#include <stdbool.h>
#include <stdint.h>

struct disk_options {
    uint64_t sync_ns;        /* virtual time that a sync takes; 0: it is over at once */
    uint64_t hang_ns;        /* the first sync within an execution takes this long instead */
    uint64_t capacity_bytes; /* beyond which nothing can be allocated; 0: none */
};

/* A new disk; call before the log is opened and after the arena has been cleared. */
const struct logfile_io *disk_new(const struct disk_options *options);
/* Called in the thread that synced, with 0 or -errno, before sync returns. */
void disk_on_sync(void (*called)(int error));
/* What is on stable storage: disk_bytes() of them. */
const uint8_t *disk_durable(void);
uint64_t disk_bytes(void);
/* A call has failed in this execution. */
bool disk_has_failed(void);
void disk_set_capacity(uint64_t capacity_bytes);

#endif /* DISK_H */
