/* SPDX-License-Identifier: MIT */
/*
 * One log file: creating, opening and locking it, and writing extents to it.  Knows blocks, not
 * records.  The first failed write or sync, by whichever thread, fails the store for good.
 */
#ifndef LF_STORE_H
#define LF_STORE_H

#include "format.h"
#include "logfile.h"
#include "logfile_io.h"

#include <pthread.h>

struct lf_store {
    const struct logfile_io *io;
    int fd;
    bool direct; /* what io_mode auto chose */
    enum logfile_sync sync;
    /* W: any thread that does I/O (fetch-add).  R: stats. */
    uint64_t device_bytes;
    uint64_t sync_count; /* of commits */
    /* W: the first thread whose call failed, under failure_lock, once.  R: any. */
    pthread_mutex_t failure_lock;
    struct logfile_failure failure;
    uint32_t failed; /* S1: release after `failure` is filled */
    /* Under failure_lock: syncs, of the flusher and of the preparer, begun and ended. */
    pthread_cond_t sync_ended;
    uint64_t syncs_begun_count;
    uint64_t syncs_ended_count;
    void (*on_failure)(void *arg); /* called once, by the thread that failed, after `failed` */
    void *on_failure_arg;
};

/* What a new log is made with. */
struct lf_store_create {
    uint64_t slot_bytes;
    mode_t mode;
};

/*
 * Clears the store (so set on_failure afterwards, before other threads use it), opens the file for
 * appending and locks it; creates it first where that is asked for and needed
 * (under a temporary name with its file header and trim marks written and synced, then renamed,
 * then the directory synced).  Retries when another opener creates or renames in between.
 * *created tells whether this call made it.  message: one line on an error: what and where.
 * Errors as logfile_open, but for what recovery finds.  On an error nothing is left behind.
 */
int lf_store_open(struct lf_store *store, const char *path, const struct logfile_options *options,
                  const struct lf_store_create *create, bool *created, char message[256]);

/*
 * Each returns 0, the -errno of the call that failed, or LOGFILE_EFAILED: the store had failed
 * before, or another thread's sync failed during this one.  Nothing is done on a failed store.
 * At most two threads at a time make things durable: a flusher and the preparer.
 */

/* Writes a whole number of blocks at a block-aligned offset, going on after short counts. */
int lf_store_write(struct lf_store *store, const void *buffer, size_t bytes, uint64_t offset);
/* Write, then make durable by the store's sync method.  What a commit does. */
int lf_store_commit(struct lf_store *store, const void *buffer, size_t bytes, uint64_t offset);
/* fdatasync; `offset` names the extent that it is for in a failure. */
int lf_store_sync(struct lf_store *store, uint64_t offset);
/* Cut everything from `end` on and sync, so that it never comes back (recovery). */
int lf_store_cut(struct lf_store *store, uint64_t end);
/* Give back what was prepared behind `end` (clean close).  Failure does not matter. */
void lf_store_shrink(struct lf_store *store, uint64_t end);

/* Removes a log that this opener created and still has locked.  It is emptied first: another opener
 * may have the file in hand already, and must not append to what has no name. */
void lf_store_discard(struct lf_store *store, const char *path);

/* Records the first failure and calls on_failure; later ones change nothing.  Returns error. */
int lf_store_fail(struct lf_store *store, int error, const char *call, uint64_t offset);
bool lf_store_has_failed(const struct lf_store *store);
/* Copies the first failure; error is 0 when there is none. */
void lf_store_failure(struct lf_store *store, struct logfile_failure *out);

/* Unlocks and closes.  Writes nothing. */
void lf_store_close(struct lf_store *store);

#endif /* LF_STORE_H */
