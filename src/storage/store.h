/* SPDX-License-Identifier: MIT */
/*
 * A log on disk: creating, opening and locking it (store_open.c), and making extents of it durable
 * (store.c).  Knows blocks, not records.  The first failed write or sync, in any thread,
 * fails the store for good.
 */
#ifndef LF_STORE_H
#define LF_STORE_H

#include "base/stats.h"
#include "logfile_lab.h"
#include "storage/facts.h"
#include "storage/file.h"

#include <pthread.h>

#define LF_FAILURE_TEXT_BYTES 192

struct lf_store {
    struct lf_file file;
    struct lf_facts facts; /* O_DIRECT or not, and what that is worth here */
    uint32_t sync;         /* enum logfile_sync but AUTO, or LOGFILE_SYNC_NONE */
    /* W: any thread that does I/O (fetch-add).  R: stats. */
    uint64_t device_bytes;
    uint64_t write_count; /* of commits, begun */
    uint64_t sync_count;  /* the same */
    uint64_t trim_count;
    struct lf_inflight inflight[LF_CALLER_COUNT];
    uint64_t written_ns; /* W, R: who commits.  When the last commit's write had ended. */
    /* W: the first thread whose call failed, under failure_lock, once.  R: any. */
    pthread_mutex_t failure_lock;
    struct logfile_failure failure;
    uint32_t failed; /* S1: release after `failure` is filled */
    /* Under failure_lock: syncs, of the flusher and in the background, begun and ended. */
    pthread_cond_t sync_ended;
    uint64_t syncs_begun_count;
    uint64_t syncs_ended_count;
    pthread_mutex_t background_lock; /* held over a sync in the background: one at a time */
    void (*on_failure)(void *arg);   /* called once, by the thread that failed, after `failed` */
    void *on_failure_arg;
};

/* What a new log is made with. */
struct lf_store_create {
    uint64_t slot_bytes;
    uint64_t segment_bytes; /* 0: one file; else a directory, of which the control file is made */
    mode_t mode;            /* 0: the default */
};

/*
 * Clears the store (so set on_failure, and file.events, afterwards, before other threads use it), opens the file, or
 * the control file of a directory, for appending and locks it; creates it first where that is asked
 * for and needed (under a temporary name with its file header and trim marks written and synced,
 * then renamed, then the directory synced).  Retries when another opener creates or renames in
 * between.  *created tells whether this call made it.  message: one line on an error: what and
 * where.  Errors as logfile_open, but for what recovery finds; -EINVAL: options->segment_bytes asks
 * for segments, and the log is one file, or options->io_mode for direct I/O that cannot be had.  On
 * an error nothing is left behind.
 */
int lf_store_open(struct lf_store *store, const char *path, const struct logfile_options *options,
                  const struct lf_store_create *create, bool *created, char message[256]);

/*
 * Each returns 0, the -errno of the call that failed, or LOGFILE_EFAILED: the store had failed
 * before, or another thread's sync failed during this one.  Nothing is done on a failed store.
 * One thread at a time commits.
 */

/* Writes a whole number of blocks at a block-aligned LSN, going on after short counts. */
int lf_store_write(struct lf_store *store, const void *buffer, size_t bytes, uint64_t lsn);
/* Write, then make durable by the store's sync method.  What a commit does. */
int lf_store_commit(struct lf_store *store, const void *buffer, size_t bytes, uint64_t lsn);
/* fdatasync of the files that [from, to) is in, as lf_file_sync; `from` is named in a failure.  For
 * the preparer, and threads that trim: any thread that does not commit.  Waits for another such
 * call. */
int lf_store_sync_background(struct lf_store *store, uint64_t from, uint64_t to);

/* Records the first failure and calls on_failure; later ones change nothing.  Returns error. */
int lf_store_fail(struct lf_store *store, int error, const char *call, uint64_t lsn);
/* S1: pairs with note_failure: what it turns away was told of the failure. */
static inline bool lf_store_has_failed(const struct lf_store *store)
{
    return lf_load_acquire_32(&store->failed) != 0;
}
/* Looks whether a file that records up to end_lsn are in has been removed, which fails the store:
 * LOGFILE_EFAILED, also when it had failed before; else 0.  A system call for each file; never a part
 * of a commit, but of the first one in a segment. */
int lf_store_look(struct lf_store *store, uint64_t end_lsn);
/* Copies the first failure; error is 0 when there is none. */
void lf_store_failure(struct lf_store *store, struct logfile_failure *out);
/* Says in one line what failed, and of what. */
void lf_failure_text(const struct logfile_failure *failure, char text[LF_FAILURE_TEXT_BYTES]);

/* Fills from the kernel's random numbers.  0 or -errno. */
int lf_store_random(void *bytes, size_t size);

/* Unlocks and closes.  Writes nothing.  To remove a log that this opener created, lf_file_discard
 * comes first, while it is locked: another opener may have the file in hand already.  Else, once
 * the log is to stay, lf_file_keep. */
void lf_store_close(struct lf_store *store);

#endif /* LF_STORE_H */
