/* SPDX-License-Identifier: MIT */
#include "read/verdict.h"

#include <errno.h>
#include <stdio.h>

/* From so many valid bytes on a second thread pays. */
#define READ_AHEAD_FROM_BYTES ((uint64_t)16 << 20)
/* ---- The verdict --------------------------------------------------------------------------- */

/* A search that has come to `lsn` goes on here: past the blocks before a segment's first epoch. */
static uint64_t search_lsn(const struct lf_scan *scan, uint64_t lsn)
{
    const struct lf_layout *layout = &scan->chain.layout;
    const uint64_t first_lsn = lf_segment_first_lsn(layout, lf_segment_index(layout, lsn));

    return lf_max(lsn, first_lsn);
}

/* Whether there is a segment from `index` on; *found is the first. */
static bool find_segment(struct lf_scan *scan, uint64_t index, uint64_t *found)
{
    const int result = scan->error == 0 ? lf_file_next_segment(scan->file, index, found) : 0;

    if (result < 0)
        scan->error = result;
    return result > 0;
}

/* Where the first epoch goes in the next segment that there is after that of `lsn`; 0: none. */
static uint64_t next_segment_lsn(struct lf_scan *scan, uint64_t lsn)
{
    const struct lf_layout *layout = &scan->chain.layout;
    uint64_t index = lf_segment_index(layout, lsn) + 1;

    if (layout->segment_bytes == 0 || index >= LF_LSN_END / layout->segment_bytes)
        return 0;
    if (scan->error == 0 && lf_file_has_segment(scan->file, lf_segment_first_lsn(layout, index)))
        return lf_segment_first_lsn(layout, index);
    return find_segment(scan, index, &index) ? lf_segment_first_lsn(layout, index) : 0;
}

/*
 * Reads from the break to the end of the last segment, over segments that are short or missing.
 * What it finds holds for every later break too, so that a log with many of them is read through
 * only once.
 */
static void survey_rest(struct lf_scan *scan)
{
    uint64_t lsn = scan->chain.lsn;

    if (scan->rest_known)
        return;
    scan->rest_promise = 0;
    scan->rest_end = 0;
    while (lsn != 0) {
        lsn = search_lsn(scan, lsn);
        const uint64_t available = lf_scan_load(scan, lsn, LF_BLOCK_BYTES);
        if (available > 0) {
            const uint8_t *block = lf_window_at(&scan->window, lsn);
            const uint64_t bytes = lf_min(available, LF_BLOCK_BYTES);
            const struct lf_epoch_header *header = lf_scan_find_header(scan, lsn);
            if (!lf_is_zero(block, block + bytes))
                scan->rest_end = lsn + bytes;
            if (header != NULL)
                scan->rest_promise = lf_max(scan->rest_promise, header->promise);
            lsn += LF_BLOCK_BYTES;
        } else {
            lsn = next_segment_lsn(scan, lsn);
        }
    }
    scan->rest_known = scan->error == 0;
}

static bool has_copy(const struct lf_segment_check *check, enum lf_segment_copy copy)
{
    return check->copies[0] == copy || check->copies[1] == copy;
}

/* Whether a segment's name leads to something else than this segment.  A segment that lost both
 * copies of its header is still known by an epoch in it. */
static bool segment_is_misplaced(struct lf_scan *scan, uint64_t index)
{
    struct lf_segment_check check;
    const int error = lf_file_check_segment(scan->file, index, &check);

    if (error != 0)
        scan->error = error;
    if (error != 0 || check.kind == LF_SEGMENT_MISSING)
        return false;
    if (check.kind != LF_SEGMENT_FILE || has_copy(&check, LF_COPY_FOREIGN) ||
        has_copy(&check, LF_COPY_MOVED))
        return true;
    if (has_copy(&check, LF_COPY_VALID))
        return false;
    scan->error = check.error;
    return scan->last_lsn == 0 || lf_segment_index(&scan->chain.layout, scan->last_lsn) != index;
}

/* What contradicts that the log ends at the break. */
static enum lf_damage find_damage(struct lf_scan *scan, uint64_t promised_lsn)
{
    const struct lf_chain *chain = &scan->chain;
    const struct lf_trim_mark *trim = &scan->prologue.trim;
    const bool promised = promised_lsn > chain->lsn;
    const bool has_segment =
        chain->layout.segment_bytes != 0 &&
        chain->lsn < lf_layout_end_lsn(&chain->layout); /* else all is foreign */
    uint64_t index = lf_segment_index(&chain->layout, chain->lsn);
    bool misplaced;

    /* The log comes as far as the break, because the epoch before it was read or the trim mark names
     * it: not where the scan was told to start in the middle, and has read nothing yet. */
    const bool reached = chain->incarnation != 0 || chain->lsn == trim->oldest_lsn;
    scan->damage_index = index;

    /* 1. The name of a segment leads to something else: that of the break, or, where nothing is
     * promised, a later one. */
    if (has_segment) {
        do
            misplaced = segment_is_misplaced(scan, index);
        while (!misplaced && !promised && find_segment(scan, index + 1, &index));
        if (misplaced) {
            scan->damage_index = index;
            return LF_DAMAGE_MISPLACED;
        }
    }
    /* 2. The segment is missing that the next epoch would be in.  It is there from the moment on that an
     * epoch says that it comes next; only the thread that created the log may have died before it made
     * the first one. */
    const bool is_new = chain->lsn == LF_FIRST_LSN && trim->oldest_lsn == LF_FIRST_LSN &&
                        trim->epoch == LF_FIRST_EPOCH && trim->incarnation == 0;
    if (reached && has_segment && !lf_file_has_segment(scan->file, chain->lsn) &&
        (!is_new || find_segment(scan, 0, &index)))
        return LF_DAMAGE_MISSING;
    /* 3. More is promised, or more openings are known. */
    if (promised)
        return LF_DAMAGE_PROMISE;
    if (reached && chain->incarnation < trim->incarnation)
        return LF_DAMAGE_INCARNATION;
    /* 4. What is there is not what the trim mark says.  That of a log that was trimmed names an epoch that
     * was on stable storage before it. */
    if (chain->lsn != trim->oldest_lsn)
        return LF_DAMAGE_NONE;
    if (trim->oldest_lsn != LF_FIRST_LSN)
        return LF_DAMAGE_MARK;
    /* One file is long enough for what comes before its first epoch; a segment is as long as it needs
     * to be. */
    if (chain->layout.segment_bytes == 0 &&
        lf_scan_load(scan, LF_FIRST_LSN - LF_BLOCK_BYTES, LF_BLOCK_BYTES) < LF_BLOCK_BYTES)
        return LF_DAMAGE_CUT;
    const struct lf_epoch_header *header = lf_scan_load_header(scan, trim->oldest_lsn);
    return header != NULL && !lf_chain_accepts(chain, header) ? LF_DAMAGE_MARK : LF_DAMAGE_NONE;
}

/*
 * Where the first whole epoch is, from the break on, that can come later in this log; 0: nowhere.
 * The blocks of an epoch that has its header but is not whole are payload, so that no byte is
 * checked twice.
 */
static uint64_t find_resume_lsn(struct lf_scan *scan)
{
    const struct lf_chain *chain = &scan->chain;
    uint64_t lsn = chain->lsn;

    while (lsn != 0) {
        uint64_t next_lsn;
        lsn = search_lsn(scan, lsn);
        const uint64_t available = lf_scan_load(scan, lsn, LF_BLOCK_BYTES);
        const struct lf_epoch_header *header = lf_scan_find_header(scan, lsn);
        if (available == 0) {
            next_lsn = next_segment_lsn(scan, lsn);
        } else if (header == NULL || header->epoch < chain->epoch ||
                   header->incarnation < chain->incarnation) {
            next_lsn = lsn + LF_BLOCK_BYTES;
        } else {
            next_lsn = lsn + lf_epoch_extent(header);
            if (lf_scan_peek(scan, lsn) != NULL)
                return lsn;
        }
        lsn = next_lsn;
    }
    return 0;
}

void lf_verdict_describe(const struct lf_scan *scan, enum logfile_verdict verdict,
                         struct logfile_tail *tail)
{
    *tail = (struct logfile_tail){
        .verdict = verdict,
        .incarnation = scan->chain.incarnation,
        .end_lsn = scan->chain.lsn,
        .promised_lsn = scan->promised_lsn,
        .resume_lsn = scan->chain.lsn,
        .last_epoch = scan->chain.epoch - 1,
    };
}

int lf_verdict_give(struct lf_scan *scan, struct logfile_tail *tail)
{
    const bool closed = (scan->last_flags & LF_EPOCH_CLOSE) != 0;

    scan->error = 0;
    scan->epoch = NULL;
    survey_rest(scan);
    if (scan->error != 0)
        return scan->error;
    const uint64_t promised_lsn =
        lf_max(lf_max(scan->promised_lsn, scan->rest_promise), scan->prologue.trim.promise);
    scan->damage = find_damage(scan, promised_lsn);
    if (scan->error != 0)
        return scan->error;
    lf_verdict_describe(scan, closed ? LOGFILE_CLEAN : LOGFILE_TORN, tail);
    tail->promised_lsn = promised_lsn;
    if (scan->damage != LF_DAMAGE_NONE) {
        tail->verdict = LOGFILE_CORRUPT;
        tail->resume_lsn = find_resume_lsn(scan);
    } else if (!closed && scan->rest_end > tail->end_lsn) {
        tail->cut_bytes = scan->rest_end - tail->end_lsn;
    }
    return scan->error;
}

void lf_verdict_reason(const struct lf_scan *scan, char reason[LF_VERDICT_REASON_BYTES])
{
    char name[LF_SEGMENT_NAME_BYTES];

    reason[0] = '\0';
    lf_file_segment_name(scan->damage_index, name);
    switch (scan->damage) {
    case LF_DAMAGE_MISSING:
        snprintf(reason, LF_VERDICT_REASON_BYTES, ": %s is missing", name);
        break;
    case LF_DAMAGE_MISPLACED:
        snprintf(reason, LF_VERDICT_REASON_BYTES, ": %s is misplaced", name);
        break;
    case LF_DAMAGE_INCARNATION:
        snprintf(reason, LF_VERDICT_REASON_BYTES, ": what the last opening wrote is missing");
        break;
    case LF_DAMAGE_MARK:
        snprintf(reason, LF_VERDICT_REASON_BYTES, ": the trim mark names another epoch");
        break;
    case LF_DAMAGE_CUT:
        snprintf(reason, LF_VERDICT_REASON_BYTES, ": the file is cut before its first epoch");
        break;
    case LF_DAMAGE_PROMISE:
    case LF_DAMAGE_NONE:
        break;
    }
}

/* If nothing whole follows, what was promised is all that is known of the end. */
uint64_t lf_verdict_damage_end(const struct logfile_tail *tail)
{
    return tail->resume_lsn != 0 ? tail->resume_lsn : lf_max(tail->promised_lsn, tail->end_lsn);
}

int lf_verdict_resume(struct lf_scan *scan, const struct logfile_tail *tail)
{
    const struct lf_epoch_header *header = NULL;

    scan->error = 0;
    if (tail->resume_lsn != 0)
        header = lf_scan_load_header(scan, tail->resume_lsn);
    if (header == NULL)
        return scan->error != 0 ? scan->error : -ENOENT;
    scan->epoch = NULL;
    scan->last_flags = 0;
    scan->damage = LF_DAMAGE_NONE;
    scan->chain.lsn = header->lsn;
    scan->chain.epoch = header->epoch;
    scan->chain.chain = header->chain;
    scan->chain.incarnation = 0;
    return 0;
}

void lf_verdict_keep_rest(struct lf_scan *scan)
{
    scan->rest_known = scan->rest_stays = true;
}

/* ---- All of it ----------------------------------------------------------------------------- */

int lf_verdict_scan(struct lf_scan *scan, lf_verdict_visit *visit, void *arg,
                    struct logfile_tail *tail)
{
    enum lf_step step;
    int error = 0;

    do {
        if (scan->valid_bytes >= READ_AHEAD_FROM_BYTES)
            lf_window_read_ahead(&scan->window);
        step = lf_scan_next(scan);
        if (step == LF_STEP_EPOCH && visit != NULL)
            error = visit(arg, scan);
    } while (step == LF_STEP_EPOCH && error == 0);
    if (error == 0)
        error = step == LF_STEP_FAILED ? scan->error : lf_verdict_give(scan, tail);
    lf_window_read_alone(&scan->window);
    return error;
}
