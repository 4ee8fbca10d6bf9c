/* SPDX-License-Identifier: MIT */
#include "tool/walk.h"

#include <errno.h>

#define COPY_READS_MAX 8

int lf_walk_open(struct lf_walk *walk, const struct logfile_io *io, const char *path)
{
    *walk = (struct lf_walk){0};
    int error = lf_cursor_open(&walk->cursor, io, path);
    if (error != 0)
        return error;
    walk->cursor.takes_all = true;
    error = lf_cursor_look_for_writer(&walk->cursor);
    if (error != 0)
        lf_cursor_close(&walk->cursor);
    return error;
}

bool lf_walk_has_header(const struct lf_walk *walk)
{
    return walk->cursor.scan.prologue.header.version != 0;
}

static unsigned count_bad_copies(const struct lf_walk *walk)
{
    const struct lf_prologue *prologue = &walk->cursor.scan.prologue;
    unsigned count = !prologue->header_valid[0] + !prologue->header_valid[1];

    if (lf_walk_has_header(walk))
        count += !prologue->trim_valid[0] + !prologue->trim_valid[1];
    return count;
}

int lf_walk_start(struct lf_walk *walk)
{
    struct lf_prologue *prologue = &walk->cursor.scan.prologue, again;
    int error = lf_cursor_start(&walk->cursor);

    /* A writer may have been at one of the copies just when it was read. */
    for (int i = 0;
         error == 0 && walk->cursor.live && count_bad_copies(walk) > 0 && i < COPY_READS_MAX; i++) {
        const int reread = lf_prologue_read(&walk->cursor.file, &again);
        if (reread == LOGFILE_ECORRUPT)
            break;
        error = reread;
        for (int copy = 0; error == 0 && copy < 2; copy++) {
            prologue->header_valid[copy] |= again.header_valid[copy];
            prologue->trim_valid[copy] |= again.trim_valid[copy];
        }
    }
    if (error == 0)
        walk->damaged_copies = count_bad_copies(walk);
    if (error == LOGFILE_ECORRUPT)
        walk->damage_count = count_bad_copies(walk);
    if (error == LOGFILE_ECORRUPT && walk->damage_count == 0)
        walk->damage_count = 1; /* whole copies that contradict each other */
    return error;
}

enum lf_step lf_walk_next(struct lf_walk *walk)
{
    uint32_t offset = LF_EPOCH_HEADER_BYTES;
    struct lf_record_view view;

    if (walk->at_end)
        return LF_STEP_END;
    const enum lf_step step = lf_cursor_next(&walk->cursor);
    if (step == LF_STEP_EPOCH)
        walk->epoch_count++;
    while (step == LF_STEP_EPOCH && lf_walk_record(walk, &offset, &view)) {
        if (view.type == LF_RECORD_DATA) {
            walk->record_count++;
            walk->payload_bytes += view.size;
        }
    }
    if (step == LF_STEP_END)
        walk->at_end = true;
    walk->failed = step == LF_STEP_FAILED;
    if (step != LF_STEP_DAMAGE)
        return step;
    walk->damage_count++;
    const int error = lf_cursor_skip(&walk->cursor);
    walk->at_end = error == -ENOENT;
    walk->failed = error != 0 && !walk->at_end;
    return walk->failed ? LF_STEP_FAILED : LF_STEP_DAMAGE;
}

bool lf_walk_record(const struct lf_walk *walk, uint32_t *offset, struct lf_record_view *view)
{
    const struct lf_epoch_header *epoch = walk->cursor.scan.epoch;

    if (*offset >= epoch->length)
        return false;
    lf_record_read(epoch, *offset, view);
    *offset = view->next;
    return true;
}

void lf_walk_close(struct lf_walk *walk)
{
    lf_cursor_close(&walk->cursor);
}

enum logfile_verdict lf_walk_verdict(const struct lf_walk *walk)
{
    return walk->damage_count > 0 ? LOGFILE_CORRUPT : walk->cursor.tail.verdict;
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
    const uint64_t features = walk->cursor.scan.prologue.header.features_read_only;

    return (features & ~LF_FEATURES_READ_ONLY_KNOWN) != 0 ||
           walk->cursor.scan.chain.incarnation == UINT32_MAX ||
           walk->cursor.scan.chain.epoch >= LF_EPOCH_LIMIT || walk->cursor.scan.chain.epoch == 0;
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
