/* SPDX-License-Identifier: MIT */
#include "storage/trim.h"

#include "base/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARE_SEGMENTS_MAX = 8 /* released segments kept for recycling at most */
};

/* ---------------------------------------------------------------------------------------------
 * Landmarks.
 */

static void free_memory(struct lf_trim *trim)
{
    free(trim->mark);
    free(trim->landmarks);
    trim->landmarks = NULL;
}

int lf_trim_init(struct lf_trim *trim, struct lf_store *store, struct lf_preparer *preparer,
                 const uint64_t *durable_lsn)
{
    int error;

    memset(trim, 0, sizeof *trim);
    trim->store = store;
    trim->preparer = preparer;
    trim->durable_lsn = durable_lsn;
    trim->landmarks = calloc(LF_LANDMARKS_MAX, sizeof *trim->landmarks);
    trim->mark = aligned_alloc(LF_BLOCK_BYTES, LF_BLOCK_BYTES);
    error = -ENOMEM;
    if (trim->landmarks != NULL && trim->mark != NULL)
        error = -pthread_mutex_init(&trim->lock, NULL);
    if (error == 0) {
        error = -pthread_mutex_init(&trim->trimming, NULL);
        if (error != 0)
            pthread_mutex_destroy(&trim->lock);
    }
    if (error != 0)
        free_memory(trim);
    return error;
}

void lf_trim_free(struct lf_trim *trim)
{
    pthread_mutex_destroy(&trim->trimming);
    pthread_mutex_destroy(&trim->lock);
    free_memory(trim);
}

/* The distance at which half of the table covers what it covers now. */
static void spread(struct lf_trim *trim)
{
    uint64_t span = trim->landmarks[trim->count - 1].lsn - trim->landmarks[0].lsn;
    trim->distance_bytes = span / (LF_LANDMARKS_MAX / 2);
}

static bool is_far_enough(const struct lf_trim *trim, unsigned count, uint64_t lsn)
{
    return count == 0 || lsn - trim->landmarks[count - 1].lsn >= trim->distance_bytes;
}

void lf_trim_note(struct lf_trim *trim, const struct lf_chain *chain)
{
    struct lf_landmark here = {.lsn = chain->lsn, .epoch = chain->epoch, .chain = chain->chain};

    pthread_mutex_lock(&trim->lock);
    if (trim->count == LF_LANDMARKS_MAX) { /* The table is full: about half of it stays. */
        unsigned kept = 0;
        spread(trim);
        for (unsigned i = 0; i < trim->count; i++)
            if (is_far_enough(trim, kept, trim->landmarks[i].lsn))
                trim->landmarks[kept++] = trim->landmarks[i];
        trim->count = kept;
    }
    if (is_far_enough(trim, trim->count, here.lsn))
        trim->landmarks[trim->count++] = here;
    pthread_mutex_unlock(&trim->lock);
}

/* The last landmark at or below `lsn` whose epoch ends at or below `durable_lsn`: reading starts at
 * an epoch that is there, because its header tells the incarnation. */
static bool find_landmark(struct lf_trim *trim, uint64_t lsn, uint64_t durable_lsn,
                          struct lf_landmark *found)
{
    unsigned at;

    pthread_mutex_lock(&trim->lock);
    at = trim->count;
    while (at > 0 &&
           (trim->landmarks[at - 1].lsn > lsn || trim->landmarks[at - 1].lsn >= durable_lsn))
        at--;
    if (at > 0)
        *found = trim->landmarks[at - 1];
    pthread_mutex_unlock(&trim->lock);
    return at > 0;
}

static void drop_landmarks(struct lf_trim *trim, uint64_t oldest_lsn)
{
    unsigned gone = 0;

    pthread_mutex_lock(&trim->lock);
    while (gone < trim->count && trim->landmarks[gone].lsn < oldest_lsn)
        gone++;
    trim->count -= gone;
    memmove(trim->landmarks, trim->landmarks + gone, trim->count * sizeof *trim->landmarks);
    if (trim->count > 0)
        spread(trim);
    pthread_mutex_unlock(&trim->lock);
}

/* ---------------------------------------------------------------------------------------------
 * The mark.
 */

void lf_trim_adopt(struct lf_trim *trim, const struct lf_trim_mark *mark, const void *user,
                   unsigned first_copy)
{
    uint8_t *block = memset(trim->mark, 0, LF_BLOCK_BYTES);

    memcpy(block, mark, sizeof *mark);
    memcpy(block + sizeof *mark, user, mark->user_bytes);
    trim->first_copy = first_copy;
    trim->oldest_lsn = mark->oldest_lsn;
}

void lf_trim_begin(struct lf_trim *trim, uint32_t log_seed, uint64_t recovered_lsn)
{
    trim->log_seed = log_seed;
    trim->recovered_lsn = recovered_lsn;
}

/* The mark that counts, to be changed and written: its lock is held. */
static struct lf_trim_mark *mark_of(struct lf_trim *trim)
{
    return trim->mark;
}

static int write_copy(struct lf_trim *trim, unsigned copy)
{
    uint64_t offset = (2 + copy) * LF_BLOCK_BYTES;
    int error = lf_store_write(trim->store, trim->mark, LF_BLOCK_BYTES, offset);

    if (error == 0)
        error = lf_store_sync_background(trim->store, offset, offset + LF_BLOCK_BYTES);
    return error;
}

/* One copy after the other, so one whole mark is there at any time. */
static int write_mark(struct lf_trim *trim)
{
    struct lf_inflight *inflight = &trim->store->inflight[LF_CALLER_TRIMMER];
    struct lf_trim_mark *mark = mark_of(trim);
    int error;

    mark->sequence++;
    lf_trim_mark_seal(mark, trim->log_seed);
    lf_inflight_begin(inflight, LOGFILE_CALL_MARK, mark->oldest_lsn, lf_now_ns());
    error = write_copy(trim, trim->first_copy);
    if (error == 0)
        error = write_copy(trim, 1 - trim->first_copy);
    trim->first_copy = 0;
    lf_inflight_end(inflight);
    return error == 0 ? 0 : LOGFILE_EFAILED;
}

static void promise_at_least(struct lf_trim_mark *mark, uint64_t promise)
{
    if (mark->promise < promise)
        mark->promise = promise;
}

int lf_trim_sync_unsynced(struct lf_trim *trim, uint64_t end_lsn)
{
    if (trim->store->sync != LOGFILE_SYNC_NONE)
        return 0;
    int error = lf_file_open_range(&trim->store->file, trim->recovered_lsn, end_lsn);
    if (error != 0) /* That says nothing of what was written, so the log goes on. */
        return error;
    return lf_store_sync_background(trim->store, trim->recovered_lsn, end_lsn);
}

int lf_trim_note_durable(struct lf_trim *trim, uint32_t incarnation, uint64_t promise)
{
    int cancel_state = lf_lock(&trim->trimming);

    mark_of(trim)->incarnation = incarnation;
    promise_at_least(mark_of(trim), promise);
    return lf_unlock(&trim->trimming, cancel_state, write_mark(trim));
}

/* ---------------------------------------------------------------------------------------------
 * Trimming.
 */

/* A file system that cannot punch holes keeps the space until the log is removed. */
static int give_back(struct lf_trim *trim, uint64_t oldest_lsn)
{
    uint64_t segment_bytes = trim->store->file.layout.segment_bytes;
    uint64_t spare_count = 0;
    int error;

    if (segment_bytes != 0) { /* as many as the preparer has open ahead of the head, and one */
        spare_count = trim->preparer->prepare_bytes / segment_bytes + 2;
        spare_count = spare_count < SPARE_SEGMENTS_MAX ? spare_count : SPARE_SEGMENTS_MAX;
    }
    error = lf_file_release(&trim->store->file, oldest_lsn, (unsigned)spare_count);
    lf_preparer_retry(trim->preparer);
    return error == -EOPNOTSUPP ? 0 : error;
}

/* One durable step: where reading starts, NULL: where it did; and the user's bytes, NULL: the
 * same. */
static int move_mark(struct lf_trim *trim, const struct lf_landmark *oldest,
                     const struct lf_user_bytes *user)
{
    struct lf_trim_mark *mark = mark_of(trim);
    uint64_t durable_lsn = lf_load_acquire_64(trim->durable_lsn); /* L1; as late as can be */
    int error = lf_trim_sync_unsynced(trim, durable_lsn);

    if (error != 0)
        return lf_store_has_failed(trim->store) ? LOGFILE_EFAILED : error;
    if (oldest != NULL) {
        mark->oldest_lsn = oldest->lsn;
        mark->epoch = oldest->epoch;
        mark->chain = oldest->chain;
    }
    if (user != NULL) {
        memset(mark + 1, 0, LF_USER_BYTES_MAX);
        memcpy(mark + 1, user->bytes, user->size);
        mark->user_bytes = user->size;
    }
    promise_at_least(mark, durable_lsn);
    if (write_mark(trim) != 0)
        return LOGFILE_EFAILED;
    if (oldest == NULL)
        return 0;
    lf_store_release_64(&trim->oldest_lsn, oldest->lsn); /* L4: pairs with lf_trim_oldest_lsn. */
    drop_landmarks(trim, oldest->lsn);
    lf_count(&trim->store->trim_count, 1);
    return 0;
}

static void note_trim(struct lf_trim *trim, uint64_t ns, int error)
{
    const struct logfile_event event = {
        .kind = LOGFILE_EVENT_TRIMMED, .error = error, .lsn = trim->oldest_lsn, .ns = ns};

    lf_events_post(trim->store->file.events, &event,
                   "trimmed to LSN %" PRIu64 " in " LF_SECONDS "%s%s", trim->oldest_lsn,
                   LF_SECONDS_OF(ns), error != 0 ? "; its space could not be given back: " : "",
                   error != 0 ? logfile_strerror(error) : "");
}

int lf_trim_below(struct lf_trim *trim, uint64_t lsn, const struct lf_user_bytes *user)
{
    uint64_t durable_lsn = lf_load_acquire_64(trim->durable_lsn); /* L1 */
    struct lf_inflight *inflight = &trim->store->inflight[LF_CALLER_TRIMMER];
    struct lf_landmark oldest;
    uint64_t begin_ns = trim->store->file.events != NULL ? lf_now_ns() : 0;
    int cancel_state, error = 0;

    if (lf_store_has_failed(trim->store))
        return LOGFILE_EFAILED;
    if (lsn > durable_lsn)
        return -EINVAL;
    cancel_state = lf_lock(&trim->trimming);
    error = lf_store_look(trim->store, durable_lsn);
    bool moves = find_landmark(trim, lsn, durable_lsn, &oldest) && oldest.lsn > trim->oldest_lsn;
    if (error == 0 && (moves || user != NULL))
        error = move_mark(trim, moves ? &oldest : NULL, user);
    /* Also where the mark stays: an earlier trim, or a process that died, may owe the space. */
    if (error == 0) {
        lf_inflight_begin(inflight, LOGFILE_CALL_RELEASE, trim->oldest_lsn, lf_now_ns());
        error = give_back(trim, trim->oldest_lsn);
        lf_inflight_end(inflight);
        if (moves && trim->store->file.events != NULL)
            note_trim(trim, lf_now_ns() - begin_ns, error);
    }
    return lf_unlock(&trim->trimming, cancel_state, error);
}

void lf_trim_shrink(struct lf_trim *trim, uint64_t end_lsn)
{
    int cancel_state = lf_lock(&trim->trimming);

    lf_file_shrink(&trim->store->file, end_lsn);
    lf_unlock(&trim->trimming, cancel_state, 0);
}

uint32_t lf_trim_user_bytes(struct lf_trim *trim, void *data, size_t size)
{
    int cancel_state = lf_lock(&trim->trimming);
    const struct lf_trim_mark *mark = mark_of(trim);

    if (size > 0)
        memcpy(data, mark + 1, size < mark->user_bytes ? size : mark->user_bytes);
    return (uint32_t)lf_unlock(&trim->trimming, cancel_state, (int)mark->user_bytes);
}
