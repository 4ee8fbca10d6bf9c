/* SPDX-License-Identifier: MIT */
/*
 * Making extents durable.
 *
 * Two threads at a time sync a log: a flusher, and one in the background: the preparer, or a thread
 * that trims.
 *
 * Through the page cache a failed write-back is reported once per open file, to the sync
 * that comes first.  A flusher whose own sync succeeded may therefore not acknowledge anything yet: the
 * failure that concerns its epoch may have been given to a sync in the background that has not come
 * back.  So every sync, before it counts as a success, waits for the other one where that was under
 * way when it ended, and then looks at `failed`.
 *
 * With direct I/O no thread waits for another's sync.  The write itself reports what became of the
 * epoch, of which nothing is in the page cache; and what a sync adds, the metadata and the flush of
 * the device, each sync asks for on its own, and each is told when it fails.  But O_DIRECT alone is
 * not direct I/O: a file system may take it and write through the page cache.  So the wait is
 * skipped only where the kernel says that such a write bypasses the cache (src/storage/facts.h).
 * Syncs are counted in any case, because that may cease to hold when a file is added to the log.
 */
#include "storage/store.h"

#include "base/atomic.h"
#include "base/lf_assert.h"
#include "base/probe.h"
#include "base/waiter.h"
#include "storage/io.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Failure ----------------------------------------------------------------------------------*/

/* Returns whether this is the first failure. */
static bool note_failure(struct lf_store *store, int error, const char *call, uint64_t lsn,
                         const char *file)
{
    pthread_mutex_lock(&store->failure_lock);
    bool first = store->failure.error == 0;
    if (first) {
        store->failure.error = error;
        store->failure.offset = lsn;
        snprintf(store->failure.call, sizeof store->failure.call, "%s", call);
        snprintf(store->failure.file, sizeof store->failure.file, "%s", file);
        /* S1: pairs with lf_store_has_failed: what it turns away was told of the failure. */
        lf_store_release_32(&store->failed, 1);
    }
    pthread_mutex_unlock(&store->failure_lock);
    return first;
}

void lf_failure_text(const struct logfile_failure *failure, char text[LF_FAILURE_TEXT_BYTES])
{
    const char *file = failure->file[0] != '\0' ? failure->file : "the log's file";

    if (strcmp(failure->call, "look") == 0)
        snprintf(text, LF_FAILURE_TEXT_BYTES, "%s has been removed or replaced", file);
    else
        snprintf(text, LF_FAILURE_TEXT_BYTES, "%s at LSN %" PRIu64 " failed: %s", failure->call,
                 failure->offset, logfile_strerror(failure->error));
}

/* By the thread that noted it: the failure does not change any more. */
static void announce_failure(struct lf_store *store)
{
    if (store->file.events != NULL) {
        const struct logfile_failure *failure = &store->failure;
        const struct logfile_event event = {
            .kind = LOGFILE_EVENT_FAILED, .error = failure->error, .lsn = failure->offset};
        char text[LF_FAILURE_TEXT_BYTES];
        lf_failure_text(failure, text);
        lf_events_post(store->file.events, &event, "%s", text);
    }
    if (store->on_failure != NULL)
        store->on_failure(store->on_failure_arg);
}

static int fail_of(struct lf_store *store, int error, const char *call, uint64_t lsn,
                   const char *file)
{
    if (note_failure(store, error, call, lsn, file))
        announce_failure(store);
    return error;
}

int lf_store_fail(struct lf_store *store, int error, const char *call, uint64_t lsn)
{
    return fail_of(store, error, call, lsn, "");
}

int lf_store_look(struct lf_store *store, uint64_t end_lsn)
{
    char name[LF_SEGMENT_NAME_BYTES];
    if (lf_store_has_failed(store))
        return LOGFILE_EFAILED;
    int error = lf_file_check_removed(&store->file, end_lsn, name);
    if (error == 0)
        return 0;
    (void)fail_of(store, error, "look", end_lsn, name);
    return LOGFILE_EFAILED;
}

void lf_store_failure(struct lf_store *store, struct logfile_failure *out)
{
    pthread_mutex_lock(&store->failure_lock);
    *out = store->failure;
    pthread_mutex_unlock(&store->failure_lock);
}

/* ---- Writing and syncing ----------------------------------------------------------------------*/

static void begin_sync(struct lf_store *store)
{
    pthread_mutex_lock(&store->failure_lock);
    store->syncs_begun_count++;
    pthread_mutex_unlock(&store->failure_lock);
}

/*
 * A call that syncs has come back.  Waits for the sync of the other thread, if one is under way: at
 * most for as long as that sync takes, and not at all if its failure cannot be this thread's.  Counts
 * are enough to tell, because there is no third thread.
 *
 * This thread's failure is noted before its sync counts as ended, and announced after, so that the
 * other thread does not wait for on_failure.
 */
static int settle_sync(struct lf_store *store, int error, const char *call, uint64_t lsn)
{
    bool first = error != 0 && note_failure(store, error, call, lsn, "");

    pthread_mutex_lock(&store->failure_lock);
    store->syncs_ended_count++;
    pthread_cond_broadcast(&store->sync_ended);
    uint64_t begun_count = store->syncs_begun_count;
    while (!lf_facts_bypasses_cache(&store->facts) && store->syncs_ended_count < begun_count)
        pthread_cond_wait(&store->sync_ended, &store->failure_lock);
    pthread_mutex_unlock(&store->failure_lock);

    if (first)
        announce_failure(store);
    if (error != 0)
        return error;
    return lf_store_has_failed(store) ? LOGFILE_EFAILED : 0;
}

int lf_store_write(struct lf_store *store, const void *buffer, size_t bytes, uint64_t lsn)
{
    LF_ASSERT(bytes % LF_BLOCK_BYTES == 0 && lsn % LF_BLOCK_BYTES == 0);
    if (lf_store_has_failed(store))
        return LOGFILE_EFAILED;
    int error = lf_file_write(&store->file, lsn, buffer, bytes, 0);
    if (error != 0)
        return lf_store_fail(store, error, "write", lsn);
    lf_fetch_add_relaxed_64(&store->device_bytes, bytes); /* relaxed: a statistic */
    return 0;
}

/* Before the first commit in a segment: that must be there still; and so must the one that is full
 * now, before more is acknowledged behind it. */
static int enter(struct lf_store *store, uint64_t lsn)
{
    char name[LF_SEGMENT_NAME_BYTES];
    int error = lf_file_enter(&store->file, lsn);
    if (error == 0)
        return lf_store_look(store, lsn);
    lf_file_segment_name(lf_segment_index(&store->file.layout, lsn), name);
    return fail_of(store, error, "write", lsn, name);
}

int lf_store_commit(struct lf_store *store, const void *buffer, size_t bytes, uint64_t lsn)
{
    const struct logfile_io *io = store->file.io;
    const bool dsync = store->sync == LOGFILE_SYNC_DSYNC;
    const bool syncs = !dsync && store->sync != LOGFILE_SYNC_NONE;
    struct lf_file *file = &store->file;
    struct lf_place place;

    LF_ASSERT(bytes % LF_BLOCK_BYTES == 0 && lsn % LF_BLOCK_BYTES == 0);
    if (lf_store_has_failed(store))
        return LOGFILE_EFAILED;
    int error = lf_file_starts_segment(file, lsn) ? enter(store, lsn) : 0;
    if (error != 0)
        return error;

    /* 1. One call that writes and syncs, or a write that a sync follows, of a file that is held until
     * then. */
    lf_count(&store->write_count, 1);
    if (dsync) {
        lf_count(&store->sync_count, 1);
        begin_sync(store);
    }
    error = lf_file_hold(file, lsn, syncs, &place);
    if (error == 0) {
        LF_ASSERT(bytes <= place.room);
        LF_PROBE2(write, lsn, bytes);
        error = lf_io_write_full(io, place.fd, buffer, bytes, place.offset,
                                 dsync ? LOGFILE_IO_WRITE_DSYNC : 0);
    }
    if (error == 0) /* relaxed: a statistic, ordered with nothing */
        lf_fetch_add_relaxed_64(&store->device_bytes, bytes);
    if (dsync) {
        lf_file_let_go(file, &place, false);
        error = settle_sync(store, error, "write", lsn);
        store->written_ns = lf_now_ns();
        return error;
    }
    store->written_ns = lf_now_ns();

    /* 2. Nothing more is asked of the device if that failed, or a sync in the background
     * meanwhile. */
    if (error != 0 || !syncs || lf_store_has_failed(store)) {
        lf_file_let_go(file, &place, true);
        if (error != 0)
            return lf_store_fail(store, error, "write", lsn);
        return syncs ? LOGFILE_EFAILED : 0;
    }

    /* 3. The sync. */
    lf_inflight_begin(&store->inflight[LF_CALLER_FLUSHER], LOGFILE_CALL_SYNC, lsn,
                      store->written_ns);
    lf_count(&store->sync_count, 1);
    begin_sync(store);
    LF_PROBE1(sync, lsn);
    error = io->sync(io->context, place.fd);
    lf_file_let_go(file, &place, false);
    return settle_sync(store, error, "sync", lsn);
}

int lf_store_sync_background(struct lf_store *store, uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&store->background_lock);
    /* Attributes of a file may change while it is open (chattr +j).  Noted before this sync can take
     * a failure away, so that a commit that is under way waits for it. */
    lf_facts_note_file(&store->facts, store->file.io, store->file.fd);
    int error = LOGFILE_EFAILED;
    if (!lf_store_has_failed(store)) {
        begin_sync(store);
        error = settle_sync(store, lf_file_sync(&store->file, from, to), "sync", from);
    }
    pthread_mutex_unlock(&store->background_lock);
    return error;
}
