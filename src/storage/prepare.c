/* SPDX-License-Identifier: MIT */
/*
 * The preparer: a task that keeps the blocks ahead of the log's end allocated and written.
 *
 * Allocating is what appends depend on.  It keeps max(prepare_bytes / 2, room) allocated
 * ahead of `claimed`; when there is less it allocates twice that, and syncs, so that no commit
 * carries the metadata.  On a full disk it makes do with what a thread waits for; if that fails too
 * it says so in room_error, and tries again when asked, with a pause in between, or when the log has
 * got on.
 *
 * An idle log costs nothing: the thread sleeps without a timeout, and a claim wakes it only when
 * it crosses `wake_at`, or when a second has passed since it looked whether the log's files still
 * have names.
 */
#include "storage/prepare.h"

#include "base/atomic.h"
#include "base/lf_assert.h"
#include "base/waiter.h"
#include "storage/io.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define MIB ((uint64_t)1 << 20)
#define MS_NS ((uint64_t)1000000)
#define S_NS ((uint64_t)1000000000)
#define CHUNK_BYTES LF_ZEROS_CHUNK_BYTES
#define WRITTEN_GROWTH_BYTES (8 * MIB) /* allocated at once where allocating is writing */
#define GROW_RETRY_BYTES MIB           /* consumed before a full disk is asked for more again */
#define ROOM_PAUSE_NS (20 * MS_NS)     /* between two tries of a full disk */
#define BELIEVE_NS S_NS                /* that what it says to have left is all that it gives */
#define DIRECT_SYNC_BYTES (8 * MIB)    /* zeros that one sync commits */
#define BUFFERED_SYNC_BYTES MIB        /* fewer: a commit would write the dirty pages */
#define LOOK_NS S_NS                   /* between two looks at the files of a log that moves */

/* ---- Doing: none of this holds the lock -------------------------------------------------------*/

/* Notes what the thread has under way, for a thread that looks while it hangs.  Returns the time. */
static uint64_t begin_call(struct lf_preparer *preparer, enum logfile_call call, uint64_t lsn)
{
    const uint64_t now_ns = lf_now_ns();
    lf_inflight_begin(&preparer->store->inflight[LF_CALLER_PREPARER], call, lsn, now_ns);
    return now_ns;
}

static void end_call(struct lf_preparer *preparer)
{
    lf_inflight_end(&preparer->store->inflight[LF_CALLER_PREPARER]);
}

static int write_zeros(struct lf_preparer *preparer, uint64_t from, uint64_t to)
{
    struct lf_store *store = preparer->store;
    LF_ASSERT(to - from <= CHUNK_BYTES);
    const uint64_t begin_ns = begin_call(preparer, LOGFILE_CALL_ZERO_FILL, from);
    int error = lf_file_write(&store->file, from, preparer->zero_chunk, to - from, 0);
    end_call(preparer);
    if (error != 0)
        return error;
    /* Relaxed: statistics, ordered with nothing. */
    lf_fetch_add_relaxed_64(&store->device_bytes, to - from);
    lf_fetch_add_relaxed_64(&preparer->zero_fill_bytes, to - from);
    lf_histogram_add(&preparer->zero_fill_ns, lf_now_ns() - begin_ns);
    preparer->has_new_zeros = true;
    return 0;
}

/* A log that never syncs does not do so here either.  A failure fails the store. */
static void sync_prepared(struct lf_preparer *preparer, uint64_t from, uint64_t to)
{
    if (preparer->store->sync == LOGFILE_SYNC_NONE)
        return;
    const uint64_t begin_ns = begin_call(preparer, LOGFILE_CALL_SYNC, from);
    int error = lf_store_sync_background(preparer->store, from, to);
    end_call(preparer);
    if (error == 0 && preparer->has_new_zeros)
        lf_histogram_add(&preparer->zero_sync_ns, lf_now_ns() - begin_ns);
    preparer->has_new_zeros = false;
}

static void publish_allocated(struct lf_preparer *preparer, uint64_t end)
{
    /* P1: pairs with lf_preparer_has_room: a thread that sees it may write there. */
    lf_store_release_64(&preparer->allocated, end);
}

/* The first byte at or behind `lsn` that may be filled: a segment's own header is not. */
static uint64_t past_header(const struct lf_preparer *preparer, uint64_t lsn)
{
    const struct lf_layout *layout = &preparer->store->file.layout;
    return lf_max(lsn, lf_segment_first_lsn(layout, lf_segment_index(layout, lsn)));
}

static uint64_t chunk_end(const struct lf_preparer *preparer, uint64_t from)
{
    const struct lf_layout *layout = &preparer->store->file.layout;
    return lf_min(from + CHUNK_BYTES, lf_segment_end_lsn(layout, from));
}

/* Nothing is allocated from here on, because no reader looks there. */
static uint64_t end_of_log(const struct lf_preparer *preparer)
{
    return lf_layout_end_lsn(&preparer->store->file.layout);
}

static int extend_by_writing(struct lf_preparer *preparer, uint64_t end)
{
    while (preparer->allocated < end) {
        pthread_mutex_lock(&preparer->lock);
        bool stop = preparer->stop;
        pthread_mutex_unlock(&preparer->lock);
        if (stop)
            break;
        uint64_t from = past_header(preparer, preparer->allocated);
        uint64_t to = lf_min(chunk_end(preparer, from), end);
        int error = from < to ? write_zeros(preparer, from, to) : 0;
        if (error != 0)
            return error;
        publish_allocated(preparer, to);
    }
    return 0;
}

static bool is_unprepared_file(const struct lf_preparer *preparer)
{
    return preparer->mode == LOGFILE_PREPARE_NONE && !lf_file_is_directory(&preparer->store->file);
}

/* Moves `allocated` to `end`; on an error perhaps part of the way. */
static int extend(struct lf_preparer *preparer, uint64_t end)
{
    struct lf_file *file = &preparer->store->file;
    uint64_t head = preparer->zeros.head;
    uint64_t from = preparer->allocated;
    uint64_t reached = from;
    uint64_t written = from;
    if (end <= from)
        return 0;
    if (end > end_of_log(preparer))
        return -EFBIG;

    /* With prepare = none a full disk is met by a write, which fails the log; but not by the very
     * first one, so that a log on a full disk can be opened. */
    if (preparer->mode == LOGFILE_PREPARE_NONE && !preparer->has_first_block) {
        int error = lf_file_extend(file, head, head + LF_BLOCK_BYTES, true, &reached, &written);
        if (error == -EOPNOTSUPP)
            error = write_zeros(preparer, head, head + LF_BLOCK_BYTES);
        if (error != 0)
            return error;
        preparer->has_first_block = true;
    }
    if (is_unprepared_file(preparer)) {
        publish_allocated(preparer, end_of_log(preparer));
        return 0;
    }

    begin_call(preparer, LOGFILE_CALL_ALLOCATE, from);
    int error = lf_file_extend(file, from, end, preparer->can_allocate, &reached, &written);
    /* Blocks that a recycled segment brings along. */
    if (from < written) {
        pthread_mutex_lock(&preparer->lock);
        lf_zeros_recycle(&preparer->zeros, from, written);
        pthread_mutex_unlock(&preparer->lock);
    }
    if (error == -EOPNOTSUPP && preparer->can_allocate) {
        preparer->can_allocate = false;
        lf_facts_note_no_allocation(&preparer->store->facts);
        error = lf_file_extend(file, from, end, false, &reached, &written);
    }
    end_call(preparer);
    if (preparer->can_allocate || preparer->mode == LOGFILE_PREPARE_NONE) {
        if (reached > from)
            publish_allocated(preparer, reached);
        return error;
    }
    /* The segments are there; what is in them is not. */
    int write_error = extend_by_writing(preparer, lf_min(reached, end));
    return write_error != 0 ? write_error : error;
}

/* Room has come to its end, or there is some again. */
static void note_room(struct lf_preparer *preparer, int error)
{
    const uint64_t now_ns = lf_now_ns();
    struct lf_events *events = preparer->store->file.events;
    struct logfile_event event = {.lsn = preparer->allocated};

    if (error != 0) {
        preparer->refused_ns = now_ns;
        event.kind = LOGFILE_EVENT_NO_SPACE;
        event.error = error;
        lf_events_post(events, &event, "no room after LSN %" PRIu64 ": %s", event.lsn,
                       logfile_strerror(error));
        return;
    }
    event.kind = LOGFILE_EVENT_SPACE_BACK;
    event.ns = now_ns - preparer->refused_ns;
    lf_events_post(events, &event, "room again, up to LSN %" PRIu64 ", after " LF_SECONDS,
                   event.lsn, LF_SECONDS_OF(event.ns));
}

static void set_room_error(struct lf_preparer *preparer, int error)
{
    const int before = lf_preparer_room_error(preparer);

    /* P2: pairs with lf_preparer_room_error; on_room, which follows, wakes the threads that wait
     * for it. */
    lf_store_release_32(&preparer->room_error, (uint32_t)-error);
    if (preparer->store->file.events != NULL && (before != 0) != (error != 0))
        note_room(preparer, error);
}

/* ---- Allocating -------------------------------------------------------------------------------*/

static uint64_t room_low_mark(const struct lf_preparer *preparer)
{
    if (!preparer->can_allocate)
        return preparer->room_bytes;
    return lf_max(preparer->prepare_bytes / 2, preparer->room_bytes);
}

static uint64_t room_goal(const struct lf_preparer *preparer)
{
    uint64_t low = room_low_mark(preparer);
    const struct lf_layout *layout = &preparer->store->file.layout;
    uint64_t growth = WRITTEN_GROWTH_BYTES;
    if (layout->segment_bytes != 0)
        growth = lf_min(growth, layout->segment_bytes);
    uint64_t ahead = preparer->can_allocate ? 2 * low : low + growth;
    uint64_t goal = lf_min(preparer->zeros.claimed + ahead, end_of_log(preparer));
    goal = lf_max(goal, preparer->wanted);
    /* The rest of the last segment comes along: one call, and one file of one piece. */
    return layout->segment_bytes == 0 ? goal : lf_segment_end_lsn(layout, goal - 1);
}

static bool room_is_low(const struct lf_preparer *preparer)
{
    return preparer->zeros.claimed + room_low_mark(preparer) > preparer->allocated &&
           preparer->allocated < end_of_log(preparer) &&
           preparer->zeros.claimed >= preparer->grow_again_at;
}

/* Segments that wait to be recycled hold space that the last one may lack.  False: there are none. */
static bool give_up_spares(struct lf_preparer *preparer)
{
    struct lf_file *file = &preparer->store->file;
    struct lf_segment_range range = lf_segments_range(&file->segments);
    return range.released < range.first && lf_file_release(file, 0, 0) == 0;
}

/*
 * What is left to others is not touched, as far as anybody says what is free.  Segments that wait to
 * be recycled are the log's already.
 *
 * A disk that has refused, and still says that there is not enough, is not asked to prove it each
 * time: for as long as that takes, others would find it full.  But it is once in a while, because
 * some give root more than they say.
 */
static bool would_take_too_much(struct lf_preparer *preparer, uint64_t end)
{
    struct lf_file *file = &preparer->store->file;
    uint64_t keep_bytes = preparer->keep_free_bytes;
    uint64_t free_bytes;
    if (end <= preparer->allocated ||
        /* Relaxed: a hint; who asks for another try is heard by the next one. */
        (keep_bytes == 0 && lf_now_ns() >= lf_load_relaxed_64(&preparer->believe_until_ns)))
        return false;
    struct lf_segment_range range = lf_segments_range(&file->segments);
    uint64_t has_bytes = (range.first - range.released) * file->layout.segment_bytes;
    uint64_t need_bytes = end - preparer->allocated;
    if (need_bytes <= has_bytes || lf_file_free_bytes(file, &free_bytes) != 0)
        return false;
    return free_bytes < keep_bytes || free_bytes - keep_bytes < need_bytes - has_bytes;
}

/* As extend, but what a refused try has got beyond `allocated` does not stay with the log: some file
 * systems keep all that there was of a range that they could not allocate. */
static int try_to_extend(struct lf_preparer *preparer, uint64_t end)
{
    if (would_take_too_much(preparer, end))
        return -ENOSPC;
    int error = extend(preparer, end);
    if (lf_file_is_refusal(error) && error != -EFBIG && !is_unprepared_file(preparer))
        lf_file_give_back(&preparer->store->file, preparer->allocated);
    return error;
}

/*
 * Called with the lock, which it releases in between, after a refusal.  The log may hold most of a
 * slot that it cannot use, while others go without.
 *
 * No thread is misled by an `allocated` that falls: the next epoch, which needs await_end, does not
 * fit below it before, nor does it after; and as only this thread moves it, no epoch opens in
 * between.
 */
static void give_back_unused(struct lf_preparer *preparer)
{
    uint64_t from = preparer->await_from;
    if (preparer->allocated >= preparer->await_end || preparer->allocated <= from ||
        is_unprepared_file(preparer))
        return;
    LF_ASSERT(from >= preparer->zeros.claimed);
    publish_allocated(preparer, from);
    lf_zeros_cut(&preparer->zeros, from);
    pthread_mutex_unlock(&preparer->lock);
    lf_file_give_back(&preparer->store->file, from);
    pthread_mutex_lock(&preparer->lock);
}

static void pause_after_refusal(struct lf_preparer *preparer)
{
    uint64_t now_ns = lf_now_ns();
    preparer->try_at_ns = now_ns + ROOM_PAUSE_NS;
    if (now_ns >= preparer->believe_until_ns) /* relaxed: see would_take_too_much */
        lf_store_relaxed_64(&preparer->believe_until_ns, now_ns + BELIEVE_NS);
}

/* Called with the lock, which it releases in between. */
static void grow(struct lf_preparer *preparer)
{
    uint64_t claimed = preparer->zeros.claimed;
    uint64_t wanted = preparer->wanted;
    uint64_t before = preparer->allocated;
    uint64_t unsynced_from =
        preparer->zeros.unsynced_bytes > 0 ? preparer->zeros.unsynced_from : before;
    bool was_refused_lately = claimed < preparer->grow_again_at;
    bool needed = room_is_low(preparer) || before < wanted;
    uint64_t goal = !needed ? before : was_refused_lately ? wanted : room_goal(preparer);
    preparer->retry = false;
    pthread_mutex_unlock(&preparer->lock);

    /* 1. Allocates up to the goal; if that is too much, a little more than what a thread waits for;
     * or just that; and then with the space of segments that wait to be recycled.  room_error tells
     * of the last try. */
    int goal_error = try_to_extend(preparer, goal);
    int error = goal_error;
    if (lf_file_is_refusal(error) && wanted + GROW_RETRY_BYTES < goal)
        error = try_to_extend(preparer, wanted + GROW_RETRY_BYTES);
    if (lf_file_is_refusal(error) && wanted < goal)
        error = try_to_extend(preparer, wanted);
    if (lf_file_is_refusal(error) && give_up_spares(preparer))
        error = try_to_extend(preparer, wanted);
    if (error == 0 || lf_file_is_refusal(error))
        set_room_error(preparer, error);
    else
        lf_store_fail(preparer->store, error, "allocate", preparer->allocated);

    /* 2. Decides when to try again, if that was too much. */
    pthread_mutex_lock(&preparer->lock);
    if (!preparer->can_allocate && preparer->zeros.written_to == before)
        preparer->zeros.written_to = preparer->allocated;
    if (lf_file_is_refusal(goal_error))
        preparer->grow_again_at = claimed + GROW_RETRY_BYTES;
    preparer->try_at_ns = 0;
    if (lf_preparer_room_error(preparer) != 0) {
        pause_after_refusal(preparer);
        give_back_unused(preparer);
    }
    pthread_mutex_unlock(&preparer->lock);

    /* 3. Says so, and syncs, so that no commit has to. */
    preparer->on_room(preparer->on_room_arg);
    if (preparer->allocated > unsynced_from)
        sync_prepared(preparer, unsynced_from, preparer->allocated);
    pthread_mutex_lock(&preparer->lock);
    preparer->zeros.unsynced_bytes = 0;
}

/* ---- Writing zeros ----------------------------------------------------------------------------*/

/* Called with the lock, as is sync_zeros; both release it in between. */
static void fill(struct lf_preparer *preparer, uint64_t from, uint64_t to)
{
    LF_ASSERT(from >= preparer->zeros.claimed && to <= preparer->allocated);
    preparer->chunk_from = from;
    preparer->chunk_to = to;
    pthread_mutex_unlock(&preparer->lock);
    uint64_t begin_ns = lf_now_ns();
    int error = write_zeros(preparer, from, to);
    uint64_t end_ns = lf_now_ns();
    pthread_mutex_lock(&preparer->lock);
    preparer->chunk_from = 0;
    preparer->chunk_to = 0;
    pthread_cond_broadcast(&preparer->chunk_done);
    if (error == 0) {
        lf_zeros_filled(&preparer->zeros, from, to, begin_ns, end_ns);
        return;
    }
    pthread_mutex_unlock(&preparer->lock);
    lf_store_fail(preparer->store, error, "zero-fill", from);
    pthread_mutex_lock(&preparer->lock);
}

static void sync_zeros(struct lf_preparer *preparer, uint64_t from, uint64_t to)
{
    pthread_mutex_unlock(&preparer->lock);
    uint64_t begin_ns = lf_now_ns();
    sync_prepared(preparer, from, to);
    uint64_t end_ns = lf_now_ns();
    pthread_mutex_lock(&preparer->lock);
    lf_zeros_synced(&preparer->zeros, begin_ns, end_ns);
}

/* ---- Waiting ----------------------------------------------------------------------------------*/

/* The value of claimed at which there is something to do again. */
static uint64_t next_wake(const struct lf_preparer *preparer)
{
    uint64_t low = room_low_mark(preparer);
    uint64_t room_at = preparer->allocated >= low ? preparer->allocated - low + 1 : 0;
    room_at = lf_max(room_at, preparer->grow_again_at);
    if (preparer->mode != LOGFILE_PREPARE_ZERO)
        return room_at;
    return lf_min(room_at, lf_zeros_wake_at(&preparer->zeros));
}

/* Nothing is to be done until a claim crosses wake_at, or a thread asks for room; where one has, until
 * the pause after the last refusal ends.  Returns when to look again. */
static uint64_t sleep_until_needed(struct lf_preparer *preparer)
{
    if (lf_store_has_failed(preparer->store))
        return LF_STEP_WHEN_RUNG;
    preparer->wake_at = next_wake(preparer);
    return preparer->retry ? preparer->try_at_ns : LF_STEP_WHEN_RUNG;
}

/* ---- The task ---------------------------------------------------------------------------------*/

enum job {
    JOB_SLEEP,
    JOB_ANSWER,
    JOB_LOOK,
    JOB_GROW,
    JOB_ZEROS
};

/* Decides what the thread does next.  Room comes first. */
static enum job choose_job(const struct lf_preparer *preparer)
{
    if (lf_store_has_failed(preparer->store))
        return preparer->retry ? JOB_ANSWER : JOB_SLEEP;
    if (preparer->must_look)
        return JOB_LOOK;
    if (room_is_low(preparer) || (preparer->retry && lf_now_ns() >= preparer->try_at_ns))
        return JOB_GROW;
    if (preparer->retry || preparer->mode != LOGFILE_PREPARE_ZERO)
        return JOB_SLEEP;
    return JOB_ZEROS;
}

/* The jobs, of which each is called with the lock, releases it in between, and returns when the next one
 * is due. */

/* A thread asked for room of a log that has failed. */
static uint64_t answer(struct lf_preparer *preparer)
{
    preparer->retry = false;
    pthread_mutex_unlock(&preparer->lock);
    preparer->on_room(preparer->on_room_arg);
    pthread_mutex_lock(&preparer->lock);
    return LF_STEP_AGAIN;
}

/* What is appended to a file without a name is gone with the process.  Off the way of commits. */
static uint64_t look(struct lf_preparer *preparer)
{
    uint64_t claimed = preparer->zeros.claimed;
    preparer->must_look = false;
    pthread_mutex_unlock(&preparer->lock);
    (void)lf_store_look(preparer->store, claimed);
    pthread_mutex_lock(&preparer->lock);
    preparer->look_at_ns = lf_now_ns() + LOOK_NS;
    return LF_STEP_AGAIN;
}

static uint64_t write_ahead(struct lf_preparer *preparer)
{
    uint64_t sync_bytes =
        lf_facts_bypasses_cache(&preparer->store->facts) ? DIRECT_SYNC_BYTES : BUFFERED_SYNC_BYTES;
    struct lf_zeros_step step =
        lf_zeros_next(&preparer->zeros, preparer->allocated, sync_bytes, lf_now_ns());
    switch (step.job) {
    case LF_ZEROS_FILL:
        fill(preparer, step.from, step.to);
        return LF_STEP_AGAIN;
    case LF_ZEROS_SYNC:
        sync_zeros(preparer, step.from, step.to);
        return LF_STEP_AGAIN;
    case LF_ZEROS_PAUSE: /* unless the log needs something else */
        preparer->wake_at = next_wake(preparer);
        return step.until_ns;
    case LF_ZEROS_REST:
        break;
    }
    return sleep_until_needed(preparer);
}

static uint64_t do_job(struct lf_preparer *preparer)
{
    switch (choose_job(preparer)) {
    case JOB_ANSWER:
        return answer(preparer);
    case JOB_LOOK:
        return look(preparer);
    case JOB_GROW:
        grow(preparer);
        return LF_STEP_AGAIN;
    case JOB_ZEROS:
        return write_ahead(preparer);
    case JOB_SLEEP:
        break;
    }
    return sleep_until_needed(preparer);
}

/* One job, and when the next one is due. */
static uint64_t preparer_step(void *arg)
{
    struct lf_preparer *preparer = arg;
    pthread_mutex_lock(&preparer->lock);
    preparer->wake_at = UINT64_MAX;
    uint64_t next_ns = preparer->stop ? LF_STEP_WHEN_RUNG : do_job(preparer);
    pthread_mutex_unlock(&preparer->lock);
    return next_ns;
}

/* ---- What others call -------------------------------------------------------------------------*/

int lf_preparer_room_error(const struct lf_preparer *preparer)
{
    /* P2: pairs with set_room_error. */
    return -(int)lf_load_acquire_32(&preparer->room_error);
}

/* Called with the lock, under which `stop` says that the task is about to leave. */
static void ring(struct lf_preparer *preparer)
{
    if (!preparer->stop)
        lf_task_ring(&preparer->task);
}

/* Called with the lock. */
static void ask(struct lf_preparer *preparer, uint64_t end)
{
    preparer->wanted = lf_max(preparer->wanted, lf_round_up(end, LF_BLOCK_BYTES));
    preparer->retry = true;
    ring(preparer);
}

void lf_preparer_request(struct lf_preparer *preparer, uint64_t end)
{
    if (!preparer->running)
        return;
    pthread_mutex_lock(&preparer->lock);
    ask(preparer, end);
    pthread_mutex_unlock(&preparer->lock);
}

void lf_preparer_await(struct lf_preparer *preparer, uint64_t from, uint64_t end)
{
    if (!preparer->running)
        return;
    pthread_mutex_lock(&preparer->lock);
    LF_ASSERT(from >= preparer->await_from && end >= preparer->await_end);
    preparer->await_from = from;
    preparer->await_end = end;
    ask(preparer, end);
    pthread_mutex_unlock(&preparer->lock);
}

void lf_preparer_retry(struct lf_preparer *preparer)
{
    if (!preparer->running)
        return;
    pthread_mutex_lock(&preparer->lock);
    preparer->grow_again_at = 0;
    preparer->try_at_ns = 0;
    lf_store_relaxed_64(&preparer->believe_until_ns, 0); /* relaxed: see would_take_too_much */
    if (lf_preparer_room_error(preparer) != 0)
        ask(preparer, 0);
    pthread_mutex_unlock(&preparer->lock);
}

uint64_t lf_preparer_missing_bytes(struct lf_preparer *preparer, uint64_t *after_lsn)
{
    /* Relaxed: a number to be shown. */
    *after_lsn = lf_load_relaxed_64(&preparer->allocated);
    if (!preparer->running)
        return 0;
    pthread_mutex_lock(&preparer->lock);
    const uint64_t wanted = preparer->wanted;
    pthread_mutex_unlock(&preparer->lock);
    return wanted > *after_lsn ? wanted - *after_lsn : 0;
}

static bool chunk_overlaps(const struct lf_preparer *preparer, uint64_t from, uint64_t to)
{
    return preparer->chunk_from < to && from < preparer->chunk_to;
}

void lf_preparer_claim(struct lf_preparer *preparer, uint64_t from, uint64_t to)
{
    if (!preparer->running)
        return;
    LF_ASSERT(to % LF_BLOCK_BYTES == 0);
    pthread_mutex_lock(&preparer->lock);
    lf_zeros_claim(&preparer->zeros, to);
    bool must_look = lf_now_ns() >= preparer->look_at_ns;
    if (must_look) {
        preparer->must_look = true;
        preparer->look_at_ns = UINT64_MAX; /* until that is done */
    }
    if (must_look || preparer->zeros.claimed >= preparer->wake_at) {
        preparer->wake_at = UINT64_MAX;
        ring(preparer);
    }
    if (chunk_overlaps(preparer, from, to)) /* relaxed: a statistic */
        lf_fetch_add_relaxed_64(&preparer->zero_fill_waits, 1);
    /* For the preparer to finish one chunk.  It starts no other below `claimed`.  A device that
     * hangs would hold the epoch's own write too. */
    while (chunk_overlaps(preparer, from, to))
        pthread_cond_wait(&preparer->chunk_done, &preparer->lock);
    pthread_mutex_unlock(&preparer->lock);
}

/* ---- Start and stop ---------------------------------------------------------------------------*/

static int init_locks(struct lf_preparer *preparer)
{
    int error = -pthread_mutex_init(&preparer->lock, NULL);
    if (error != 0)
        return error;
    error = -pthread_cond_init(&preparer->chunk_done, NULL);
    if (error != 0)
        pthread_mutex_destroy(&preparer->lock);
    return error;
}

/* On an error there is nothing to be released. */
static int init_preparer(struct lf_preparer *preparer, struct lf_store *store,
                         const struct lf_preparer_config *config)
{
    *preparer = (struct lf_preparer){
        .store = store,
        .mode = config->mode,
        .prepare_bytes = lf_round_up(config->prepare_bytes, LF_BLOCK_BYTES),
        .room_bytes = config->room,
        .keep_free_bytes = config->keep_free_bytes,
        .on_room = config->on_room,
        .on_room_arg = config->on_room_arg,
        .allocated = config->head,
        .wanted = config->head + config->room,
        .wake_at = UINT64_MAX,
        .look_at_ns = lf_now_ns() + LOOK_NS,
        .can_allocate = true,
    };
    lf_zeros_init(&preparer->zeros, &store->file.layout, config->head,
                  lf_round_up(config->prepare_bytes, LF_BLOCK_BYTES), lf_now_ns());
    if (preparer->mode == LOGFILE_PREPARE_NONE)
        preparer->can_allocate = false; /* Segments are made; what is in them grows by writing. */
    /* The kernel's one page of zeros, mapped as often as needed: it takes no memory. */
    void *zeros = mmap(NULL, CHUNK_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (zeros == MAP_FAILED)
        return -errno;
    preparer->zero_chunk = zeros;
    int error = init_locks(preparer);
    if (error != 0)
        munmap(zeros, CHUNK_BYTES);
    return error;
}

static void release(struct lf_preparer *preparer)
{
    preparer->running = false;
    pthread_mutex_destroy(&preparer->lock);
    pthread_cond_destroy(&preparer->chunk_done);
    munmap(preparer->zero_chunk, CHUNK_BYTES);
    preparer->zero_chunk = NULL;
}

/* In the caller's thread, so that open knows whether there is room. */
static int allocate_first(struct lf_preparer *preparer)
{
    int error = try_to_extend(preparer, preparer->wanted);
    if (lf_file_is_refusal(error) && give_up_spares(preparer))
        error = try_to_extend(preparer, preparer->wanted);
    if (!preparer->can_allocate)
        preparer->zeros.written_to = preparer->allocated;
    if (!lf_file_is_refusal(error) || preparer->wanted > end_of_log(preparer))
        return error;
    preparer->await_from = preparer->zeros.head;
    preparer->await_end = preparer->wanted;
    preparer->grow_again_at = preparer->zeros.head + GROW_RETRY_BYTES;
    set_room_error(preparer, error);
    pthread_mutex_lock(&preparer->lock);
    pause_after_refusal(preparer);
    give_back_unused(preparer);
    pthread_mutex_unlock(&preparer->lock);
    return 0;
}

static int start_task(struct lf_preparer *preparer, const struct lf_preparer_config *config)
{
    const struct lf_executor_config own = {
        .name = "lf-preparer",
        .role = LOGFILE_THREAD_PREPARER,
        .thread_start = config->thread_start,
        .thread_arg = config->thread_arg,
    };
    int error = lf_task_start(&preparer->task, config->shared, &preparer->own, &own, preparer_step,
                              preparer);
    if (error == 0)
        lf_task_ring(&preparer->task);
    return error;
}

int lf_preparer_start(struct lf_preparer *preparer, struct lf_store *store,
                      const struct lf_preparer_config *config)
{
    LF_ASSERT(config->head % LF_BLOCK_BYTES == 0 && config->room % LF_BLOCK_BYTES == 0);
    int error = init_preparer(preparer, store, config);
    if (error != 0)
        return error;
    preparer->running = true;
    error = allocate_first(preparer);
    bool has_all = is_unprepared_file(preparer) && lf_preparer_room_error(preparer) == 0;
    if (error == 0 && !has_all)
        error = start_task(preparer, config);
    if (error == 0 &&
        has_all) /* There is no task to say so later.  P2: nor is there another thread yet. */
        lf_store_release_32(&preparer->room_error, EFBIG);
    if (error != 0 || has_all)
        release(preparer);
    return error;
}

void lf_preparer_end(struct lf_preparer *preparer)
{
    if (!preparer->running || preparer->has_ended)
        return;
    pthread_mutex_lock(&preparer->lock);
    preparer->stop = true;
    pthread_mutex_unlock(&preparer->lock);
    lf_task_end(&preparer->task, &preparer->own);
    preparer->has_ended = true;
}

void lf_preparer_stop(struct lf_preparer *preparer)
{
    if (!preparer->running)
        return;
    lf_preparer_end(preparer);
    release(preparer);
}
