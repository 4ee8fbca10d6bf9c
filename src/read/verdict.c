/* SPDX-License-Identifier: MIT */
#include "read/verdict.h"

#include <errno.h>

/* From so many valid bytes on a second thread pays. */
#define READ_AHEAD_FROM_BYTES ((uint64_t)16 << 20)
/* ---- The verdict --------------------------------------------------------------------------- */

/* Where a search goes on that has come to `lsn`: past the blocks before a segment's first epoch. */
static uint64_t search_lsn(const struct lf_scan *scan, uint64_t lsn)
{
    const struct lf_layout *layout = &scan->chain.layout;
    const uint64_t first_lsn = lf_segment_first_lsn(layout, lf_segment_index(layout, lsn));

    return lf_max(lsn, first_lsn);
}

/* The next segment that there is behind the one of `lsn`: 1: *next_lsn is where its first epoch
 * goes; 0: none; -errno. */
static int next_segment(struct lf_scan *scan, uint64_t lsn, uint64_t *next_lsn)
{
    const struct lf_layout *layout = &scan->chain.layout;
    uint64_t index = lf_segment_index(layout, lsn) + 1;
    int found = 1;

    if (layout->segment_bytes == 0 || index >= LF_LSN_END / layout->segment_bytes)
        return 0;
    if (!lf_file_has_segment(scan->file, lf_segment_first_lsn(layout, index)))
        found = lf_file_next_segment(scan->file, index, &index);
    *next_lsn = lf_segment_first_lsn(layout, index);
    return found;
}

static void survey_block(struct lf_scan *scan, uint64_t lsn, uint64_t bytes)
{
    const uint8_t *block = lf_window_at(&scan->window, lsn);
    const struct lf_epoch_header *header = lf_scan_find_header(scan, lsn);

    if (!lf_is_zero(block, block + bytes))
        scan->rest_end = lsn + bytes;
    if (header != NULL)
        scan->rest_promise = lf_max(scan->rest_promise, header->promise);
}

/*
 * Reads from the break to the end of the last segment, over segments that are short or missing.
 * What it finds holds for every later break too, so that a log with many of them is read through
 * only once.
 */
static int rest_survey(struct lf_scan *scan)
{
    uint64_t lsn = scan->chain.lsn;
    int found = 1;

    if (scan->rest_known)
        return 0;
    scan->rest_promise = 0;
    scan->rest_end = 0;
    while (found == 1) {
        lsn = search_lsn(scan, lsn);
        const ssize_t available = lf_window_load(&scan->window, lsn, LF_BLOCK_BYTES);
        if (available < 0)
            return (int)available;
        if (available > 0) {
            survey_block(scan, lsn, lf_min((uint64_t)available, LF_BLOCK_BYTES));
            lsn += LF_BLOCK_BYTES;
        } else {
            found = next_segment(scan, lsn, &lsn);
        }
    }
    scan->rest_known = found == 0;
    return found;
}

/* Whether the segment is missing that the next epoch would be in: 1, 0 or -errno.  It is there from
 * the moment on that an epoch says that it comes next; only the thread that created the log may have
 * died before it made the first one. */
static int segment_is_missing(struct lf_scan *scan)
{
    const struct lf_trim_mark *trim = &scan->prologue.trim;
    uint64_t index;

    if (scan->chain.lsn >= lf_layout_end_lsn(&scan->chain.layout) ||
        lf_file_has_segment(scan->file, scan->chain.lsn))
        return 0;
    if (scan->chain.lsn != LF_FIRST_LSN || trim->oldest_lsn != LF_FIRST_LSN ||
        trim->epoch != LF_FIRST_EPOCH || trim->incarnation != 0)
        return 1;
    return lf_file_next_segment(scan->file, 0, &index);
}

/* Whether the file is long enough to have a first epoch: 1, 0 or -errno.  A segment is as long as
 * it needs to be. */
static int file_reaches(struct lf_scan *scan)
{
    const uint64_t block_lsn = LF_FIRST_LSN - LF_BLOCK_BYTES;

    if (scan->chain.layout.segment_bytes != 0)
        return 1;
    const ssize_t available = lf_window_load(&scan->window, block_lsn, LF_BLOCK_BYTES);
    return available < 0 ? (int)available : available >= (ssize_t)LF_BLOCK_BYTES;
}

/* Whether the file holds something else than the trim mark says: 1, 0 or -errno.  The mark of a log
 * that was trimmed names an epoch that was on stable storage before it. */
static int trim_mark_contradicts(struct lf_scan *scan)
{
    const uint64_t oldest_lsn = scan->prologue.trim.oldest_lsn;
    const struct lf_epoch_header *header;

    if (scan->chain.lsn != oldest_lsn)
        return 0;
    if (oldest_lsn != LF_FIRST_LSN)
        return 1;
    const int reaches = file_reaches(scan);
    if (reaches != 1)
        return reaches < 0 ? reaches : 1;
    const ssize_t available = lf_scan_load_header(scan, oldest_lsn, &header);
    if (available < 0)
        return (int)available;
    return header != NULL && !lf_chain_accepts(&scan->chain, header);
}

static bool has_copy(const struct lf_segment_check *check, enum lf_segment_copy copy)
{
    return check->copies[0] == copy || check->copies[1] == copy;
}

/* Whether a segment's name leads to something else than this segment: 1, 0 or -errno.  A segment
 * that lost both copies of its header is still known by an epoch in it. */
static int segment_is_misplaced(struct lf_scan *scan, uint64_t index)
{
    struct lf_segment_check check;
    const int error = lf_file_check_segment(scan->file, index, &check);

    if (error != 0 || check.kind == LF_SEGMENT_MISSING)
        return error;
    if (check.kind != LF_SEGMENT_FILE || has_copy(&check, LF_COPY_FOREIGN) ||
        has_copy(&check, LF_COPY_MOVED))
        return 1;
    if (has_copy(&check, LF_COPY_VALID))
        return 0;
    if (check.error != 0)
        return check.error;
    return scan->last_lsn == 0 || lf_segment_index(&scan->chain.layout, scan->last_lsn) != index;
}

/* The first segment from that of the break on whose name leads to something else: 1, 0 or -errno.
 * own_only: looks at that of the break alone. */
static int find_misplaced(struct lf_scan *scan, bool own_only, uint64_t *index)
{
    int found = 1;

    if (scan->chain.layout.segment_bytes == 0 ||
        scan->chain.lsn >= lf_layout_end_lsn(&scan->chain.layout)) /* foreign from there on */
        return 0;
    *index = lf_segment_index(&scan->chain.layout, scan->chain.lsn);
    while (found == 1) {
        const int misplaced = segment_is_misplaced(scan, *index);
        if (misplaced != 0 || own_only)
            return misplaced;
        found = lf_file_next_segment(scan->file, *index + 1, index);
    }
    return found;
}

/* Whether the log comes as far as the break, because the epoch before it was read or the trim mark
 * names it: not where the scan was told to start in the middle, and has read nothing yet. */
static bool break_is_reached(const struct lf_scan *scan)
{
    return scan->chain.incarnation != 0 || scan->chain.lsn == scan->prologue.trim.oldest_lsn;
}

/* Sets scan->damage to what contradicts that the log ends at the break.  0 or -errno. */
static int find_damage(struct lf_scan *scan, uint64_t promised_lsn)
{
    const struct lf_trim_mark *trim = &scan->prologue.trim;
    const bool promised = promised_lsn > scan->chain.lsn;

    scan->damage = LF_DAMAGE_NONE;
    int found = find_misplaced(scan, promised, &scan->damage_index);
    if (found == 1)
        scan->damage = LF_DAMAGE_MISPLACED;
    if (found == 0 && break_is_reached(scan)) {
        scan->damage_index = lf_segment_index(&scan->chain.layout, scan->chain.lsn);
        found = segment_is_missing(scan);
        if (found == 1)
            scan->damage = LF_DAMAGE_MISSING;
    }
    if (found == 0 && promised) {
        scan->damage = LF_DAMAGE_PROMISE;
        return 0;
    }
    if (found == 0 && break_is_reached(scan) && scan->chain.incarnation < trim->incarnation) {
        scan->damage = LF_DAMAGE_INCARNATION;
        return 0;
    }
    if (found == 0) {
        found = trim_mark_contradicts(scan);
        if (found == 1)
            scan->damage = LF_DAMAGE_MARK;
    }
    return found < 0 ? found : 0;
}

/*
 * Looks for a whole epoch at `lsn` that can come later in this log: 1, 0 or -errno.  *next_lsn is
 * where to look after it, or `lsn` where the segment, or the file, ends: the blocks of an epoch
 * that has its header but is not whole are payload, so that no byte is checked twice.
 */
static int resume_try(struct lf_scan *scan, uint64_t lsn, uint64_t *next_lsn)
{
    const struct lf_epoch_header *header;
    struct lf_chain chain = scan->chain;
    const ssize_t available = lf_scan_load_header(scan, lsn, &header);

    *next_lsn = available > 0 ? lsn + LF_BLOCK_BYTES : lsn;
    if (available < 0)
        return (int)available;
    if (header == NULL || header->epoch < chain.epoch || header->incarnation < chain.incarnation)
        return 0;
    *next_lsn = lsn + lf_epoch_extent(header);
    lf_chain_begin(&chain, header->incarnation, header->nonce);
    return lf_scan_load_records(scan, chain.record_seed, &header);
}

static int resume_search(struct lf_scan *scan, uint64_t *resume_lsn)
{
    uint64_t lsn = scan->chain.lsn;
    int found = 1;

    *resume_lsn = 0;
    while (found == 1) {
        uint64_t next_lsn;
        lsn = search_lsn(scan, lsn);
        const int whole = resume_try(scan, lsn, &next_lsn);
        if (whole == 1)
            *resume_lsn = lsn;
        if (whole != 0)
            return whole == 1 ? 0 : whole;
        if (next_lsn == lsn)
            found = next_segment(scan, lsn, &next_lsn);
        lsn = next_lsn;
    }
    return found;
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

    scan->epoch = NULL;
    int error = rest_survey(scan);
    if (error != 0)
        return error;
    const uint64_t promised_lsn =
        lf_max(lf_max(scan->promised_lsn, scan->rest_promise), scan->prologue.trim.promise);
    error = find_damage(scan, promised_lsn);
    if (error != 0)
        return error;
    lf_verdict_describe(scan, closed ? LOGFILE_CLEAN : LOGFILE_TORN, tail);
    tail->promised_lsn = promised_lsn;
    if (scan->damage != LF_DAMAGE_NONE) {
        tail->verdict = LOGFILE_CORRUPT;
        error = resume_search(scan, &tail->resume_lsn);
    } else if (!closed && scan->rest_end > tail->end_lsn) {
        tail->cut_bytes = scan->rest_end - tail->end_lsn;
    }
    return error;
}

bool lf_verdict_missing_segment(const struct lf_scan *scan, uint64_t *index)
{
    if (scan->damage == LF_DAMAGE_MISSING)
        *index = scan->damage_index;
    return scan->damage == LF_DAMAGE_MISSING;
}

/* Where nothing whole follows, what was promised is all that is known of the end. */
uint64_t lf_verdict_damage_end(const struct logfile_tail *tail)
{
    return tail->resume_lsn != 0 ? tail->resume_lsn : lf_max(tail->promised_lsn, tail->end_lsn);
}

int lf_verdict_resume(struct lf_scan *scan, const struct logfile_tail *tail)
{
    const struct lf_epoch_header *header = NULL;
    const ssize_t available =
        tail->resume_lsn == 0 ? 0 : lf_scan_load_header(scan, tail->resume_lsn, &header);

    if (available < 0)
        return (int)available;
    if (header == NULL)
        return -ENOENT;
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
    int found;

    do {
        if (visit != NULL)
            visit(arg, &scan->chain);
        if (scan->valid_bytes >= READ_AHEAD_FROM_BYTES)
            lf_window_read_ahead(&scan->window);
        found = lf_scan_next(scan);
    } while (found == 1);
    const int error = found < 0 ? found : lf_verdict_give(scan, tail);
    lf_window_read_alone(&scan->window);
    return error;
}
