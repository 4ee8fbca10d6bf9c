/* SPDX-License-Identifier: MIT */
/*
 * Nothing is returned that is not durable.  The page cache shows what a writer has written and not
 * synced, and what a failed sync never wrote.  So an epoch is returned only when
 *   - the header after it promises it, or
 *   - this cursor synced its segment, dropped the cached pages and read the very same epoch again.
 * One such sync settles a segment for a whole incarnation once its writer is gone: no thread adds to
 * it any more.
 *
 * A chain that breaks is the end of the log, for now; or what was there has been trimmed away, and
 * its space is a hole, or gone, or holds later epochs.  The trim mark is durable before space is
 * given back, so a look at it after the break tells.  While a writer holds the lock nothing more is
 * said.  Otherwise the break is read again from the device and judged by the rule of
 * docs/FORMAT.md; and as a writer may have come and gone meanwhile, damage is believed only when
 * the break is still there after the promise beyond it was seen.
 *
 * A segment that a writer prepared and never used is removed by the next one, which may make
 * another file of that name.  A cursor that has it open sees a break where its first epoch should
 * be, and opens it again.
 */
#include "read/cursor.h"

#include "storage/facts.h"

#include <errno.h>

static enum lf_step fail(struct lf_cursor *cursor, int error)
{
    cursor->scan.error = error;
    return LF_STEP_FAILED;
}

/* ---- Opening and closing ------------------------------------------------------------------- */

int lf_cursor_open(struct lf_cursor *cursor, const struct logfile_io *io, const char *path)
{
    *cursor = (struct lf_cursor){.state = LF_CURSOR_READING};
    return lf_file_open(&cursor->file, io, path);
}

int lf_cursor_start(struct lf_cursor *cursor)
{
    return lf_scan_open(&cursor->scan, &cursor->file);
}

void lf_cursor_close(struct lf_cursor *cursor)
{
    if (cursor->follow != NULL)
        lf_follow_release(cursor->follow);
    lf_scan_close(&cursor->scan);
    lf_file_close(&cursor->file);
}

int lf_cursor_look_for_writer(struct lf_cursor *cursor)
{
    const int locked = lf_file_locked(&cursor->file);

    cursor->live = locked == 1;
    return locked < 0 ? locked : 0;
}

/* ---- Epochs that are durable ----------------------------------------------------------------- */

/* As lf_scan_next_promise, of a header that need not be in memory: that of the next segment's first
 * epoch. */
static uint64_t read_next_promise(struct lf_cursor *cursor)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];
    const struct lf_epoch_header *next = (const void *)block;
    const struct lf_chain *chain = &cursor->scan.chain;
    const uint32_t log_seed = cursor->scan.prologue.log_seed;

    if (lf_window_available(&cursor->scan.window, chain->lsn) >= LF_BLOCK_BYTES)
        return lf_scan_next_promise(&cursor->scan);
    if (lf_file_read(&cursor->file, chain->lsn, block, sizeof(block)) == (ssize_t)sizeof(block) &&
        lf_epoch_header_check(next, log_seed, &chain->layout, chain->lsn) &&
        lf_chain_accepts(chain, next))
        return next->promise;
    return 0;
}

/*
 * Makes the epoch that was just found durable and reads it again from the device.  When another one
 * is there, because a writer recovered the log meanwhile, that one comes next and is not known to be
 * durable.
 */
static enum lf_step settle_epoch(struct lf_cursor *cursor)
{
    struct lf_file *file = &cursor->file;
    struct lf_scan *scan = &cursor->scan;
    const uint64_t lsn = scan->epoch->lsn;
    const uint32_t incarnation = scan->epoch->incarnation;
    const uint32_t checksum = scan->epoch->checksum;

    lf_scan_step_back(scan);
    /* Asked before the sync: a writer that is gone by now wrote all that it ever will. */
    int error = lf_cursor_look_for_writer(cursor);
    if (error != 0)
        return fail(cursor, error);
    error = lf_file_sync(file, lsn, lsn + LF_BLOCK_BYTES);
    if (error < 0)
        error = lf_facts_judge_sync(file->io, file->fd, error);
    if (error < 0 && error != -EROFS)
        return fail(cursor, error);
    lf_file_drop_cache_at(file, lsn);

    const enum lf_step step = lf_scan_next(scan);
    if (step != LF_STEP_EPOCH || scan->epoch->checksum != checksum)
        return step;
    /* The file system has stopped after an error and refuses to sync: the epoch is taken as it is if the
     * caller wants that.  From one without records nothing is returned. */
    if (error == -EROFS && scan->epoch->record_count > 0) {
        if (!cursor->takes_unsynced) {
            lf_scan_step_back(scan);
            return fail(cursor, error);
        }
        if (cursor->unsynced_lsn == 0)
            cursor->unsynced_lsn = lsn;
    }
    cursor->durable_lsn = lf_max(cursor->durable_lsn, scan->chain.lsn);
    if (!cursor->live && error == 0) {
        cursor->settled_incarnation = incarnation;
        cursor->settled_end_lsn = lf_segment_end_lsn(&file->layout, lsn);
    }
    return LF_STEP_EPOCH;
}

/* The next epoch, whole and durable. */
static enum lf_step next_epoch(struct lf_cursor *cursor)
{
    struct lf_scan *scan = &cursor->scan;
    enum lf_step step = lf_scan_next(scan);

    while (step == LF_STEP_EPOCH && !cursor->takes_all) {
        const struct lf_epoch_header *header = scan->epoch;
        /* 1. Its writer had gone before its segment was synced. */
        if (header->incarnation <= cursor->settled_incarnation &&
            header->lsn < cursor->settled_end_lsn)
            break;
        /* 2. The log says so, a header or mark promises it, or it was synced together with an earlier
         * one. */
        cursor->durable_lsn = lf_max(cursor->durable_lsn, scan->promised_lsn);
        cursor->durable_lsn = lf_max(cursor->durable_lsn, scan->prologue.trim.promise);
        if (header->lsn >= cursor->durable_lsn)
            cursor->durable_lsn = lf_max(cursor->durable_lsn, read_next_promise(cursor));
        if (header->lsn < cursor->durable_lsn)
            break;
        /* 3. Nothing says so: see to it. */
        step = settle_epoch(cursor);
    }
    return step;
}

/* ---- Breaks ----------------------------------------------------------------------------------- */

/* Looks again at what follows the last epoch. */
static enum lf_step look_again(struct lf_cursor *cursor)
{
    const struct lf_layout *layout = &cursor->file.layout;
    const uint64_t lsn = cursor->scan.chain.lsn;
    int error = 0;

    /* A segment without its first epoch may be one that is there no more. */
    if (lsn == lf_segment_first_lsn(layout, lf_segment_index(layout, lsn)))
        error = lf_file_refresh(&cursor->file, cursor->scan.prologue.trim.oldest_lsn);
    lf_scan_invalidate(&cursor->scan);
    return error != 0 ? fail(cursor, error) : next_epoch(cursor);
}

/* The same from the device. */
static enum lf_step reread_break(struct lf_cursor *cursor)
{
    const int error = lf_file_refresh(&cursor->file, cursor->scan.prologue.trim.oldest_lsn);

    if (error != 0)
        return fail(cursor, error);
    lf_file_drop_cache(&cursor->file, cursor->scan.chain.lsn);
    return look_again(cursor);
}

/*
 * What is at the break may have been trimmed away: BREAK: it has not been; MOVED: it has, and reading
 * goes on at the oldest epoch; FAILED: it has, and some of it was asked for.
 */
static enum lf_step look_for_trim(struct lf_cursor *cursor)
{
    struct lf_scan *scan = &cursor->scan;
    const int error = lf_prologue_read_mark(&cursor->file, &scan->prologue);

    if (error == LOGFILE_ECORRUPT && cursor->takes_all)
        return LF_STEP_BREAK;
    if (error != 0)
        return fail(cursor, error);
    if (scan->prologue.trim.oldest_lsn <= scan->chain.lsn)
        return LF_STEP_BREAK;
    if (cursor->state == LF_CURSOR_JUDGED) /* no more */
        cursor->state = LF_CURSOR_AT_END;
    if (!cursor->takes_all && cursor->start_lsn < scan->prologue.trim.oldest_lsn)
        return fail(cursor, LOGFILE_ETRIMMED);
    lf_scan_restart(scan);
    return LF_STEP_MOVED;
}

static enum lf_step end_live(struct lf_cursor *cursor)
{
    cursor->state = LF_CURSOR_AT_END;
    lf_verdict_describe(&cursor->scan, LOGFILE_LIVE, &cursor->tail);
    return LF_STEP_END;
}

static enum lf_step end_judged(struct lf_cursor *cursor)
{
    cursor->state = LF_CURSOR_JUDGED;
    return cursor->tail.verdict == LOGFILE_CORRUPT ? LF_STEP_DAMAGE : LF_STEP_END;
}

/* No writer has the log, or this is verify.  EPOCH: there is one after all. */
static enum lf_step judge(struct lf_cursor *cursor)
{
    struct lf_scan *scan = &cursor->scan;
    enum lf_step step = LF_STEP_BREAK;

    cursor->state = LF_CURSOR_AT_END;
    /* 1. Look what the device says, now that a writer that is gone has written all.  Beside one that
     * is there, verify would run after it without an end. */
    if (!cursor->live || cursor->follow != NULL)
        step = reread_break(cursor);
    if (step != LF_STEP_BREAK)
        return step;
    /* A log that is followed promises what it has said to be durable. */
    if (cursor->follow != NULL)
        scan->promised_lsn = lf_max(scan->promised_lsn, lf_follow_durable_lsn(cursor->follow));
    /* 2. Search what follows the break. */
    int error = lf_verdict_give(scan, &cursor->tail);
    if (error == 0)
        error = lf_file_end_lsn(&cursor->file, &cursor->judged_end_lsn);
    if (error != 0)
        return fail(cursor, error);
    /* 3. More is promised than can be read: is that still so, after it has been seen? */
    if (cursor->tail.verdict == LOGFILE_CORRUPT) {
        step = look_for_trim(cursor);
        if (step == LF_STEP_BREAK)
            step = reread_break(cursor);
        if (step != LF_STEP_BREAK)
            return step;
    }
    /* 4. A writer that has come meanwhile may have made an end of what looked torn.  One that was
     * there before may have gone, and have written since. */
    if (!cursor->live)
        error = lf_cursor_look_for_writer(cursor);
    if (error != 0)
        return fail(cursor, error);
    const bool judges_live = cursor->takes_all || cursor->follow != NULL;
    if (cursor->live && !(judges_live && cursor->tail.verdict == LOGFILE_CORRUPT))
        return end_live(cursor);
    return end_judged(cursor);
}

static enum lf_step step_at_break(struct lf_cursor *cursor)
{
    const uint64_t oldest_lsn = cursor->scan.prologue.trim.oldest_lsn;
    uint64_t end_lsn;

    /* 1. Has it been trimmed away?  No whole mark: a writer is at one, and has been at the other a moment
     * ago. */
    const enum lf_step step = look_for_trim(cursor);
    const int mark_error = step == LF_STEP_FAILED ? cursor->scan.error : 0;
    int error = lf_cursor_look_for_writer(cursor);
    if (error != 0)
        return fail(cursor, error);
    if (step != LF_STEP_BREAK && !(mark_error == LOGFILE_ECORRUPT && cursor->live))
        return step;
    if (cursor->live && !cursor->takes_all && cursor->follow == NULL)
        return end_live(cursor);
    /* 2. A verdict stands until the log changes, which one that is open does. */
    if (cursor->state == LF_CURSOR_JUDGED && !cursor->live) {
        error = lf_file_refresh(&cursor->file, oldest_lsn);
        if (error == 0)
            error = lf_file_end_lsn(&cursor->file, &end_lsn);
        if (error != 0)
            return fail(cursor, error);
        if (end_lsn == cursor->judged_end_lsn)
            return end_judged(cursor);
    }
    return judge(cursor);
}

/* ---- Steps ------------------------------------------------------------------------------------ */

int lf_cursor_skip(struct lf_cursor *cursor)
{
    /* While there is no writer, none can open a log that is corrupt. */
    if (!cursor->live)
        lf_verdict_keep_rest(&cursor->scan);
    const int error = lf_verdict_resume(&cursor->scan, &cursor->tail);
    if (error == 0)
        cursor->state = LF_CURSOR_READING;
    return error;
}

int lf_cursor_seek(struct lf_cursor *cursor, uint64_t lsn)
{
    struct lf_scan *scan = &cursor->scan;
    const struct lf_layout *layout = &cursor->file.layout;

    if (cursor->follow != NULL && !lf_follow_is_alive(cursor->follow))
        return LOGFILE_EFORKED;
    /* 1. What is the oldest by now?  A mark that a writer is at is read again at the first break. */
    int error = lf_prologue_read_mark(&cursor->file, &scan->prologue);
    if (error == LOGFILE_ECORRUPT && lf_cursor_look_for_writer(cursor) == 0 && cursor->live)
        error = 0;
    const uint64_t oldest_lsn = scan->prologue.trim.oldest_lsn;
    if (error == 0 && lsn != 0 && lsn < oldest_lsn)
        error = LOGFILE_ETRIMMED;
    if (error == 0 && cursor->follow != NULL &&
        lsn > lf_follow_durable_lsn(cursor->follow) + LF_EPOCH_HEADER_BYTES)
        error = LOGFILE_EBEYOND;
    if (error == 0)
        error = lf_file_refresh(&cursor->file, oldest_lsn);
    if (error != 0)
        return error;
    /* 2. What was synced is one file: an earlier segment is known to be durable by promises alone. */
    const uint64_t to_lsn = lf_max(lsn, oldest_lsn);
    if (lf_segment_index(layout, to_lsn) < lf_segment_index(layout, scan->chain.lsn)) {
        cursor->durable_lsn = 0;
        cursor->settled_incarnation = 0;
    }
    cursor->state = LF_CURSOR_READING;
    cursor->start_lsn = lsn;
    lf_scan_restart(scan);
    return lsn != 0 ? lf_scan_seek(scan, lsn) : 0;
}

/* Of a log that is followed: EPOCH: there is more to read, and the window may read so far; END: there is
 * not.  If there never will be, the cursor is one by path from the next step on. */
static enum lf_step look_at_log(struct lf_cursor *cursor)
{
    struct lf_follow *follow = cursor->follow;
    const int ended = lf_follow_ended(follow); /* L7: before the durable LSN */

    if (!lf_follow_is_alive(follow))
        return fail(cursor, LOGFILE_EFORKED);
    cursor->durable_lsn = lf_max(cursor->durable_lsn, lf_follow_durable_lsn(follow));
    cursor->scan.window.limit_lsn = cursor->durable_lsn;
    if (cursor->scan.chain.lsn < cursor->durable_lsn)
        return LF_STEP_EPOCH;
    if (ended != 0) {
        cursor->ended = ended;
        cursor->follow = NULL;
        cursor->scan.window.limit_lsn = LF_LSN_END;
        lf_follow_release(follow);
    }
    return end_live(cursor);
}

enum lf_step lf_cursor_next(struct lf_cursor *cursor)
{
    enum lf_step step;

    do {
        /* 1. A log that is followed knows if there is more. */
        step = cursor->state == LF_CURSOR_READING ? LF_STEP_EPOCH : LF_STEP_BREAK;
        if (cursor->follow != NULL)
            step = look_at_log(cursor);
        if (step == LF_STEP_END || step == LF_STEP_FAILED) {
            cursor->scan.epoch = NULL;
            return step;
        }
        /* 2. As far as is in memory: the file may have grown.  That matters to verify only if its
         * writer is gone, and then judge looks again. */
        if (step == LF_STEP_EPOCH)
            step = next_epoch(cursor);
        cursor->scan.window.limit_lsn = LF_LSN_END;
        if (step == LF_STEP_BREAK && !(cursor->takes_all && cursor->live))
            step = look_again(cursor);
        if (step == LF_STEP_BREAK)
            step = step_at_break(cursor);
        /* 3. Damage all of which is below where reading was to start is passed over. */
        if (step == LF_STEP_DAMAGE && cursor->tail.resume_lsn != 0 &&
            cursor->tail.resume_lsn <= cursor->start_lsn) {
            const int error = lf_cursor_skip(cursor);
            step = error != 0 ? fail(cursor, error) : LF_STEP_MOVED;
        }
        if (step == LF_STEP_EPOCH || step == LF_STEP_MOVED)
            cursor->state = LF_CURSOR_READING;
    } while (step == LF_STEP_MOVED); /* each time further on */
    return step;
}
