/* SPDX-License-Identifier: MIT */
#include "tool/walk.h"

#include <errno.h>

/* A step behind those of lf_walk_next: none of them yet. */
#define LF_WALK_AGAIN (LF_WALK_DAMAGE + 1)
#define COPY_READS_MAX 8

static int look_for_writer(struct lf_walk *walk)
{
    int locked = lf_file_locked(&walk->file);

    walk->live = locked == 1;
    return locked < 0 ? locked : 0;
}

int lf_walk_open(struct lf_walk *walk, const struct logfile_io *io, const char *path)
{
    *walk = (struct lf_walk){0};
    int error = lf_file_open(&walk->file, io, path);
    if (error != 0)
        return error;
    error = look_for_writer(walk);
    if (error != 0)
        lf_file_close(&walk->file);
    return error;
}

bool lf_walk_has_header(const struct lf_walk *walk)
{
    return walk->scan.prologue.header.version != 0;
}

static unsigned count_bad_copies(const struct lf_walk *walk)
{
    const struct lf_prologue *prologue = &walk->scan.prologue;
    unsigned count = !prologue->header_valid[0] + !prologue->header_valid[1];

    if (lf_walk_has_header(walk))
        count += !prologue->trim_valid[0] + !prologue->trim_valid[1];
    return count;
}

/* A writer may have been at one of the copies just when it was read. */
static int read_copies_again(struct lf_walk *walk)
{
    struct lf_prologue again;
    int error = 0;

    for (int i = 0; walk->live && i < COPY_READS_MAX && count_bad_copies(walk) > 0; i++) {
        error = lf_prologue_read(&walk->file, &again);
        if (error != 0)
            return error == LOGFILE_ECORRUPT ? 0 : error;
        for (int copy = 0; copy < 2; copy++) {
            walk->scan.prologue.header_valid[copy] |= again.header_valid[copy];
            walk->scan.prologue.trim_valid[copy] |= again.trim_valid[copy];
        }
    }
    return 0;
}

int lf_walk_start(struct lf_walk *walk)
{
    int error = lf_scan_open(&walk->scan, &walk->file);

    if (error == 0)
        error = read_copies_again(walk);
    if (error == 0)
        walk->damaged_copies = count_bad_copies(walk);
    if (error == LOGFILE_ECORRUPT)
        walk->damage_count = count_bad_copies(walk);
    if (error == LOGFILE_ECORRUPT && walk->damage_count == 0)
        walk->damage_count = 1; /* whole copies that contradict each other */
    return error;
}

static void count_epoch(struct lf_walk *walk)
{
    uint32_t offset = LF_EPOCH_HEADER_BYTES;
    struct lf_record_view view;

    walk->epoch_count++;
    while (lf_walk_record(walk, &offset, &view)) {
        if (view.type == LF_RECORD_DATA) {
            walk->record_count++;
            walk->payload_bytes += view.size;
        }
    }
}

static int find_epoch(struct lf_walk *walk)
{
    const enum lf_step step = lf_scan_next(&walk->scan);

    if (step == LF_STEP_FAILED)
        return walk->scan.error;
    if (step == LF_STEP_EPOCH)
        count_epoch(walk);
    return step == LF_STEP_EPOCH;
}

static int step_over_damage(struct lf_walk *walk)
{
    int error = lf_verdict_resume(&walk->scan, &walk->tail);

    walk->damage_count++;
    walk->at_end = error == -ENOENT;
    return error == 0 || walk->at_end ? LF_WALK_DAMAGE : error;
}

/* What is at the break may have been trimmed away: LF_WALK_AGAIN: the walk goes on at the oldest
 * epoch that is kept; 0: no; -errno. */
static int follow_trim(struct lf_walk *walk)
{
    struct lf_scan *scan = &walk->scan;
    int error = lf_prologue_read_mark(&walk->file, &scan->prologue);

    if (error == LOGFILE_ECORRUPT) /* the writer is at it */
        return 0;
    if (error != 0 || scan->prologue.trim.oldest_lsn <= scan->chain.lsn)
        return error;
    lf_scan_restart(scan);
    return LF_WALK_AGAIN;
}

/* The break may also be what a writer has written since the scanner looked there. */
static int look_again(struct lf_walk *walk)
{
    int error = lf_file_refresh(&walk->file, walk->scan.prologue.trim.oldest_lsn);

    lf_scan_invalidate(&walk->scan);
    return error != 0 ? error : find_epoch(walk);
}

/*
 * The chain breaks: at the log's end, or at damage.  While a writer is, or was, at work a verdict
 * that rests on the break needs a second look at it, taken after the verdict.
 */
static int step_at_break(struct lf_walk *walk)
{
    bool was_live = walk->live;
    int error = look_for_writer(walk);
    if (error == 0)
        error = lf_verdict_give(&walk->scan, &walk->tail);
    if (error == 0 && (was_live || walk->live))
        error = follow_trim(walk);
    if (error != 0)
        return error;

    bool at_live_end = walk->live && walk->tail.verdict != LOGFILE_CORRUPT;
    if ((was_live || walk->live) && !at_live_end) {
        int found = look_again(walk);
        if (found != 0)
            return found;
    }
    if (walk->tail.verdict == LOGFILE_CORRUPT)
        return step_over_damage(walk);
    if (walk->live)
        walk->tail.verdict = LOGFILE_LIVE;
    walk->at_end = true;
    return LF_WALK_END;
}

int lf_walk_next(struct lf_walk *walk)
{
    int step = LF_WALK_AGAIN;

    if (walk->at_end)
        return LF_WALK_END;
    while (step == LF_WALK_AGAIN) {
        step = find_epoch(walk);
        if (step == 0)
            step = step_at_break(walk);
    }
    walk->failed = step < 0;
    return step;
}

bool lf_walk_record(const struct lf_walk *walk, uint32_t *offset, struct lf_record_view *view)
{
    const struct lf_epoch_header *epoch = walk->scan.epoch;

    if (*offset >= epoch->length)
        return false;
    lf_record_read(epoch, *offset, view);
    *offset = view->next;
    return true;
}

void lf_walk_close(struct lf_walk *walk)
{
    lf_scan_close(&walk->scan);
    lf_file_close(&walk->file);
}

enum logfile_verdict lf_walk_verdict(const struct lf_walk *walk)
{
    return walk->damage_count > 0 ? LOGFILE_CORRUPT : walk->tail.verdict;
}

const char *lf_walk_verdict_name(enum logfile_verdict verdict)
{
    static const char *const names[] = {
        [LOGFILE_CLEAN] = "clean",
        [LOGFILE_TORN] = "torn",
        [LOGFILE_CORRUPT] = "corrupt",
        [LOGFILE_LIVE] = "live",
    };
    return names[verdict];
}

/* Opening for append has no number to go on with, or would not keep a feature right (open.c). */
static bool can_only_be_read(const struct lf_walk *walk)
{
    const uint64_t features = walk->scan.prologue.header.features_read_only;

    return (features & ~LF_FEATURES_READ_ONLY_KNOWN) != 0 ||
           walk->scan.chain.incarnation == UINT32_MAX || walk->scan.chain.epoch >= LF_EPOCH_LIMIT ||
           walk->scan.chain.epoch == 0;
}

static bool is_refused(const struct lf_walk *walk)
{
    return walk->failed || lf_walk_verdict(walk) == LOGFILE_CORRUPT;
}

const char *lf_walk_repairable(const struct lf_walk *walk)
{
    const bool repaired = !is_refused(walk) && !can_only_be_read(walk);

    return walk->damaged_copies > 0 && repaired ? ", repairable" : "";
}

struct lf_walk_copy_words lf_walk_copy_words(const struct lf_walk *walk)
{
    if (is_refused(walk))
        return (struct lf_walk_copy_words){"damage", ""};
    if (can_only_be_read(walk))
        return (struct lf_walk_copy_words){"note", "; not repaired: the log can only be read"};
    return (struct lf_walk_copy_words){"repairable", "; repaired at the next open for append"};
}
