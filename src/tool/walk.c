/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include <errno.h>

static int check_kind(struct lf_walk *walk)
{
    struct logfile_io_stat stat;
    int error = walk->io->stat(walk->io->context, walk->fd, &stat);

    if (error != 0)
        return error;
    walk->file_bytes = stat.bytes;
    if (stat.kind == LOGFILE_IO_DIRECTORY)
        return -EISDIR;
    return stat.kind == LOGFILE_IO_REGULAR ? 0 : -ESPIPE;
}

static int look_for_writer(struct lf_walk *walk)
{
    int locked = walk->io->locked(walk->io->context, walk->fd);

    walk->live = locked == 1;
    return locked < 0 ? locked : 0;
}

int lf_walk_open(struct lf_walk *walk, const struct logfile_io *io, const char *path)
{
    int fd = io->open(io->context, path, 0, 0);

    if (fd < 0)
        return fd;
    *walk = (struct lf_walk){.io = io, .fd = fd};
    int error = check_kind(walk);
    if (error == 0)
        error = look_for_writer(walk);
    if (error != 0)
        io->close(io->context, fd);
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

int lf_walk_start(struct lf_walk *walk)
{
    int error = lf_scan_open(&walk->scan, walk->io, walk->fd);

    if (error == 0 || error == LOGFILE_ECORRUPT)
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
    int found = lf_scan_next(&walk->scan);

    if (found == 1)
        count_epoch(walk);
    return found;
}

static int step_over_damage(struct lf_walk *walk)
{
    int error = lf_scan_resume(&walk->scan, &walk->tail);

    walk->damage_count++;
    walk->at_end = error == -ENOENT;
    return error == 0 || walk->at_end ? LF_WALK_DAMAGE : error;
}

/*
 * The chain breaks: at the log's end, or at damage.  While a writer is, or was, at work the break
 * may also be what it has written since the scanner looked there: then a verdict that rests on the
 * break needs a second look at it, taken after the verdict.
 */
static int step_at_break(struct lf_walk *walk)
{
    bool was_live = walk->live;
    int error = look_for_writer(walk);
    if (error == 0)
        error = lf_scan_verdict(&walk->scan, &walk->tail);
    if (error != 0)
        return error;

    bool at_live_end = walk->live && walk->tail.verdict != LOGFILE_CORRUPT;
    if ((was_live || walk->live) && !at_live_end) {
        lf_scan_invalidate(&walk->scan);
        int found = find_epoch(walk);
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
    if (walk->at_end)
        return LF_WALK_END;
    int found = find_epoch(walk);
    return found == 0 ? step_at_break(walk) : found;
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
    walk->io->close(walk->io->context, walk->fd);
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
