/* SPDX-License-Identifier: MIT */
/*
 * The space that a log takes: making and recycling segments, cutting, and giving back.
 *
 * A segment has its name only when it is whole: it is made under the name of a draft, synced,
 * renamed, and the directory synced.  One that is recycled gets its new header while it still has
 * the old name, under which it is not read any more; one copy at a time, so that one is always
 * whole and says whose it is.  After a crash at any step there is a draft, or a released segment,
 * or the new one.
 */
#include "base/atomic.h"
#include "base/lf_assert.h"
#include "base/waiter.h"
#include "storage/file.h"
#include "storage/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PROLOGUE_BYTES ((size_t)LF_FIRST_LSN)

static uint64_t segment_start(const struct lf_file *file, uint64_t index)
{
    return index * file->layout.segment_bytes;
}

static int sync_fd(struct lf_file *file, int fd)
{
    return file->io->sync(file->io->context, fd);
}

static int truncate_fd(struct lf_file *file, int fd, uint64_t bytes)
{
    return file->io->truncate(file->io->context, fd, bytes);
}

static int sync_names(struct lf_file *file)
{
    return file->io->sync_directory(file->io->context, file->directory);
}

/*
 * Gives a segment that is open the name of this index, and returns the descriptor to go on with.
 * Where the name was given by a link, what has it now may be another file to the file system than
 * the one that is open: a thread that opens it would not see what is written here.  Else it is
 * `fd`, which stays open in any case.
 */
static int name_segment(struct lf_file *file, int fd, const char *from, uint64_t index)
{
    char name[LF_SEGMENT_NAME_BYTES];
    lf_segments_name(LF_NAME_SEGMENT, index, name);
    int result = file->io->rename(file->io->context, file->directory, from, name);
    if (result <= 0)
        return result < 0 ? result : fd;
    return lf_segments_open_name(&file->segments, index);
}

/* ---- Making a segment: with `changing` held ---------------------------------------------------*/

/* A segment that is wanted, and what came of it. */
struct wanted {
    uint64_t index;
    uint64_t from; /* what is to be allocated of it, */
    uint64_t to;   /* in its file */
    bool allocate;
    bool made;                  /* it is new, and allocated as far as that goes */
    int allocate_error;         /* 0 or -EOPNOTSUPP, then */
    uint64_t written;           /* how much of the file was written before */
    struct lf_segment *segment; /* acquired */
};

/* Blocks 0 to 3 of the segment. */
static const void *fill_prologue(struct lf_file *file, uint64_t index)
{
    struct lf_file_header *header = memset(file->prologue, 0, PROLOGUE_BYTES);
    *header = file->header;
    header->first_lsn = lf_segment_first_lsn(&file->layout, index);
    lf_file_header_seal(header);
    memcpy((uint8_t *)file->prologue + LF_BLOCK_BYTES, file->prologue, LF_BLOCK_BYTES);
    return file->prologue;
}

static int allocate(struct lf_file *file, const struct wanted *wanted, int fd)
{
    if (!wanted->allocate || wanted->from >= wanted->to)
        return 0;
    return file->io->allocate(file->io->context, fd, wanted->from, wanted->to - wanted->from);
}

/* One sync is enough for a new file, so what is wanted is allocated before. */
static int fill_draft(struct lf_file *file, struct wanted *wanted, int fd)
{
    const void *prologue = fill_prologue(file, wanted->index);
    int error = lf_io_write_full(file->io, fd, prologue, PROLOGUE_BYTES, 0, 0);
    if (error != 0)
        return error;
    /* relaxed: a statistic, ordered with nothing */
    lf_fetch_add_relaxed_64(&file->header_bytes, PROLOGUE_BYTES);
    error = allocate(file, wanted, fd);
    if (error == -EOPNOTSUPP) {
        wanted->allocate_error = error;
        error = 0;
    }
    return error == 0 ? sync_fd(file, fd) : error;
}

static int create_draft(struct lf_file *file, uint64_t index)
{
    const struct logfile_io *io = file->io;
    const unsigned flags = file->segments.open_flags | LOGFILE_IO_OPEN_CREATE;
    char draft[LF_SEGMENT_NAME_BYTES];
    lf_segments_name(LF_NAME_DRAFT, index, draft);
    int fd = io->open(io->context, file->directory, draft, flags, file->segments.mode);
    if (fd != -EEXIST)
        return fd;
    /* An earlier attempt failed, and to remove what it left failed too. */
    int error = lf_segments_unlink_draft(&file->segments, index);
    if (error != 0)
        return error;
    return io->open(io->context, file->directory, draft, flags, file->segments.mode);
}

/* On an error there is no draft, and no descriptor. */
static int make_segment(struct lf_file *file, struct wanted *wanted)
{
    const struct logfile_io *io = file->io;
    char draft[LF_SEGMENT_NAME_BYTES];
    struct lf_segment *segment;
    int error = lf_segments_reserve(&file->segments, wanted->index, &segment);
    if (error != 0)
        return error;

    /* Made whole under the name of a draft; then named, durably. */
    lf_segments_name(LF_NAME_DRAFT, wanted->index, draft);
    int fd = create_draft(file, wanted->index);
    if (fd >= 0) {
        error = fill_draft(file, wanted, fd);
        int named = error == 0 ? name_segment(file, fd, draft, wanted->index) : error;
        if (named != fd)
            (void)io->close(io->context, fd);
        if (named < 0)
            (void)io->unlink(io->context, file->directory, draft);
        fd = named;
    }
    if (fd >= 0) {
        error = sync_names(file);
        if (error != 0) {
            (void)io->close(io->context, fd);
            fd = error;
        }
    }

    lf_segments_settle(&file->segments, segment, fd);
    wanted->segment = fd < 0 ? NULL : segment;
    wanted->made = fd >= 0;
    return fd < 0 ? fd : 0;
}

/* Turns a released segment that is open into the one that is wanted: its header, one copy at a time,
 * and then its name. */
static int convert(struct lf_file *file, struct wanted *wanted, uint64_t old_index)
{
    const void *header = fill_prologue(file, wanted->index);
    char from[LF_SEGMENT_NAME_BYTES];
    for (uint64_t copy = 2; copy > 0; copy--) {
        uint64_t offset = (copy - 1) * LF_BLOCK_BYTES;
        int error =
            lf_io_write_full(file->io, wanted->segment->fd, header, LF_BLOCK_BYTES, offset, 0);
        if (error == 0) { /* relaxed: a statistic, ordered with nothing */
            lf_fetch_add_relaxed_64(&file->header_bytes, LF_BLOCK_BYTES);
            error = lf_segments_sync(&file->segments, wanted->segment);
        }
        if (error != 0)
            return error;
    }
    lf_segments_name(LF_NAME_SEGMENT, old_index, from);
    int named = name_segment(file, wanted->segment->fd, from, wanted->index);
    if (named < 0)
        return named;
    lf_segments_renamed(&file->segments, wanted->segment, wanted->index, named);
    return sync_names(file);
}

/* Takes the lowest released segment off the list.  1; 0: there is none. */
static int take_released(struct lf_file *file, uint64_t *index)
{
    uint64_t highest;
    struct lf_segment_range range = lf_segments_range(&file->segments);
    if (range.released == range.first)
        return 0;
    int found = lf_segments_find(&file->segments, range.released, range.first, index, &highest);
    if (found < 0)
        return found;
    range.released = found > 0 ? *index + 1 : range.first;
    lf_segments_set_range(&file->segments, range);
    return found;
}

static bool means_no_room(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

/* Whether the process lacks something to open a file with. */
static bool means_shortage(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

/* Whether the process lacks something to open a file with, or has lost the right to. */
static bool cannot_open_now(int error)
{
    return means_shortage(error) || error == -EACCES || error == -EPERM || error == -EROFS;
}

bool lf_file_is_refusal(int error)
{
    switch (error) {
    /* What stands in the way of a name: a directory that was moved or shut, or something else that
     * has the name of the next segment. */
    case -ENOENT:
    case -ENOTDIR:
    case -EISDIR:
    case -EEXIST:
    case -ELOOP:
    case -ESPIPE:
    case -ENAMETOOLONG:
        return true;
    default:
        return means_no_room(error) || cannot_open_now(error);
    }
}

/* The name of a released segment goes, and the file with it where it has no other. */
static int give_up(struct lf_file *file, struct lf_segment *segment)
{
    uint64_t index = segment->index;
    lf_segments_release(&file->segments, segment, false);
    int error = lf_segments_unlink(&file->segments, index);
    return error == -ENOENT ? 0 : error;
}

/*
 * 1; 0: there is nothing to recycle.  Where a file system needs space to rewrite a block, and has
 * none, giving the old segment up makes some.
 *
 * A segment's file need not be what its name says.  It is not after a crash between the new header
 * and the new name; nor where renaming is linking and unlinking, and the crash came in between: then
 * it is a segment that is in use, under a second name, which only loses that.
 *
 * A file that has another name is not the log's alone: it may have been linked to be kept.
 */
static int recycle(struct lf_file *file, struct wanted *wanted)
{
    struct logfile_io_stat status = {0};
    struct lf_segment_check check;
    uint64_t index;
    struct lf_segment_range before = lf_segments_range(&file->segments);
    int found = take_released(file, &index);
    if (found <= 0)
        return found;

    /* What the name leads to now. */
    lf_segments_forget(&file->segments, index, index + 1, true);
    int error = lf_segments_acquire(&file->segments, index, false, &wanted->segment);
    if (cannot_open_now(error)) {
        lf_segments_set_range(&file->segments, before);
        return error;
    }
    if (error != 0) /* What cannot be opened is no segment, but only stands in its place. */
        return 0;
    lf_segments_check_file(&file->segments, wanted->segment->fd, index, &check);
    error = file->io->stat(file->io->context, wanted->segment->fd, &status);
    if (error == 0 && (!lf_segment_is_whole(&check) || status.links > 1))
        return give_up(file, wanted->segment);

    /* It becomes the one that is wanted. */
    if (error == 0)
        error = convert(file, wanted, index);
    if (error == 0) {
        wanted->written = status.bytes;
        return 1;
    }
    if (means_no_room(error))
        return give_up(file, wanted->segment);
    lf_segments_release(&file->segments, wanted->segment, false);
    if (cannot_open_now(error))
        lf_segments_set_range(&file->segments, before);
    return error;
}

static int recycle_or_make(struct lf_file *file, struct wanted *wanted)
{
    struct lf_segment_check check;
    pthread_mutex_lock(&file->changing);
    int error = lf_segments_check(&file->segments, wanted->index, &check);
    if (error == 0 && check.kind != LF_SEGMENT_MISSING)
        error = -EEXIST; /* Nothing is taken for a segment whose name something else has. */
    if (error == 0) {
        int recycled = recycle(file, wanted);
        error = recycled < 0 ? recycled : recycled == 0 ? make_segment(file, wanted) : 0;
    }
    struct lf_segment_range range = lf_segments_range(&file->segments);
    range.end = lf_max(range.end, wanted->index + 1);
    if (error == 0)
        lf_segments_set_range(&file->segments, range);
    pthread_mutex_unlock(&file->changing);
    return error;
}

/* ---- Extending --------------------------------------------------------------------------------*/

/* A segment that exists without being known to: its name may not be durable yet.  With a second name
 * it is not what this opener made, but what was put there. */
static int adopt_segment(struct lf_file *file, const struct wanted *wanted)
{
    struct logfile_io_stat status = {0};
    struct lf_segment_check check;
    struct lf_segment_range range = lf_segments_range(&file->segments);
    if (wanted->index < range.end)
        return 0;
    lf_segments_check_file(&file->segments, wanted->segment->fd, wanted->index, &check);
    if (!lf_segment_is_whole(&check))
        return check.error != 0 ? check.error : -EEXIST;
    int error = file->io->stat(file->io->context, wanted->segment->fd, &status);
    if (error == 0 && status.links > 1)
        error = -EEXIST;
    if (error == 0)
        error = sync_names(file);
    if (error != 0)
        return error;
    pthread_mutex_lock(&file->changing);
    range = lf_segments_range(&file->segments);
    range.end = wanted->index + 1;
    lf_segments_set_range(&file->segments, range);
    pthread_mutex_unlock(&file->changing);
    return 0;
}

/* Gets hold of the segment.  One that ought to exist is not made again: its epochs are gone. */
static int get_segment(struct lf_file *file, struct wanted *wanted)
{
    int error = lf_segments_acquire(&file->segments, wanted->index, false, &wanted->segment);
    if (error == -ENOENT && wanted->index >= lf_segments_range(&file->segments).end)
        return recycle_or_make(file, wanted);
    if (error != 0) /* not a refusal: to wait would not bring it back */
        return error == -ENOENT ? -ESTALE : error;
    error = adopt_segment(file, wanted);
    if (error == 0)
        return 0;
    lf_segments_release(&file->segments, wanted->segment, false);
    if (error == -EEXIST) /* what it is has no business to stay open: its name may become free */
        lf_segments_forget(&file->segments, wanted->index, wanted->index + 1, true);
    return error;
}

static void note_segment(struct lf_file *file, const struct wanted *made, uint64_t ns)
{
    const struct logfile_event event = {
        .kind = LOGFILE_EVENT_SEGMENT_MADE,
        .lsn = lf_segment_first_lsn(&file->layout, made->index),
        .ns = ns,
    };
    char name[LF_SEGMENT_NAME_BYTES];

    lf_file_segment_name(made->index, name);
    lf_events_post(file->events, &event, "%s %s in " LF_SECONDS ", for LSN %" PRIu64 " and up",
                   name, made->written > 0 ? "recycled" : "made", LF_SECONDS_OF(ns), event.lsn);
}

int lf_file_extend(struct lf_file *file, uint64_t from, uint64_t to, bool may_allocate,
                   uint64_t *reached, uint64_t *written)
{
    *reached = from;
    *written = from;
    if (!file->is_directory) {
        int error =
            may_allocate ? file->io->allocate(file->io->context, file->fd, from, to - from) : 0;
        *reached = error == 0 ? to : from;
        return error;
    }
    while (*reached < to) {
        uint64_t index = lf_segment_index(&file->layout, *reached);
        uint64_t start = segment_start(file, index);
        uint64_t end = lf_min(to, start + file->layout.segment_bytes);
        struct wanted wanted = {.index = index,
                                .from = lf_max(*reached - start, LF_FIRST_LSN),
                                .to = end - start,
                                .allocate = may_allocate};
        uint64_t begin_ns = file->events != NULL ? lf_now_ns() : 0;
        int error = get_segment(file, &wanted);
        if (error != 0)
            return error;
        const bool is_recycled = wanted.written > 0;
        if (wanted.made || is_recycled) /* relaxed: a statistic */
            lf_fetch_add_relaxed_64(&file->made_count, 1);
        error = wanted.made ? wanted.allocate_error : allocate(file, &wanted, wanted.segment->fd);
        lf_segments_release(&file->segments, wanted.segment, !wanted.made && may_allocate);
        if (*written == *reached)
            *written = lf_max(*written, lf_min(end, start + wanted.written));
        if (error != 0)
            return error;
        if ((wanted.made || is_recycled) && file->events != NULL)
            note_segment(file, &wanted, lf_now_ns() - begin_ns);
        *reached = end;
    }
    return 0;
}

int lf_file_free_bytes(struct lf_file *file, uint64_t *free_bytes)
{
    struct logfile_io_facts facts;
    int error = file->io->facts(file->io->context, file->fd, &facts);
    if (error == 0) /* a file system that has no size has nothing to say */
        *free_bytes = facts.total_bytes == 0 ? UINT64_MAX : facts.free_bytes;
    return error;
}

/* ---- Cutting ----------------------------------------------------------------------------------*/

/* Removes the segments from `index` on, the highest first, so that no gap comes to be.  What is not
 * this log's stays. */
static int unlink_from(struct lf_file *file, uint64_t index)
{
    struct lf_segments *segments = &file->segments;
    uint64_t lowest, highest;
    uint64_t end = UINT64_MAX;
    int found;
    while ((found = lf_segments_find(segments, index, end, &lowest, &highest)) > 0) {
        int error = 0;
        for (end = highest + 1; end > lowest && error == 0; end--)
            error = lf_segments_unlink(segments, end - 1);
        if (error != 0 && error != -ENOENT) /* a gap is looked past */
            return error;
    }
    return found;
}

/* The segment that holds `end` keeps its header at least.  -ENOENT: there is none, or what has its
 * name is not this log's. */
static int cut_segment(struct lf_file *file, uint64_t end, bool sync)
{
    struct logfile_io_stat status;
    struct lf_segment *segment;
    uint64_t index = lf_segment_index(&file->layout, end);
    uint64_t bytes = lf_max(end - segment_start(file, index), LF_FIRST_LSN);
    int error = lf_segments_acquire(&file->segments, index, false, &segment);
    if (error != 0)
        return error;
    error = file->io->stat(file->io->context, segment->fd, &status);
    if (error == 0 && status.bytes > bytes)
        error = truncate_fd(file, segment->fd, bytes);
    if (error == 0 && sync)
        error = lf_segments_sync(&file->segments, segment);
    lf_segments_release(&file->segments, segment, !sync);
    return error;
}

int lf_file_cut(struct lf_file *file, uint64_t end)
{
    if (!file->is_directory) {
        int error = truncate_fd(file, file->fd, end);
        return error != 0 ? error : sync_fd(file, file->fd);
    }
    uint64_t index = lf_segment_index(&file->layout, end);
    int error = unlink_from(file, index + 1);
    if (error != 0)
        return error;
    error = cut_segment(file, end, true);
    if (error != 0 && error != -ENOENT)
        return error;
    struct lf_segment_range range = lf_segments_range(&file->segments);
    range.end = lf_max(range.first, error == 0 ? index + 1 : index);
    lf_segments_set_range(&file->segments, range);
    return sync_names(file);
}

/* ---- Giving back ------------------------------------------------------------------------------*/

/* A segment of which nothing has been allocated is not kept for its header.  Only those go that the
 * log has made: what else has such a name is not touched. */
void lf_file_give_back(struct lf_file *file, uint64_t end)
{
    if (!file->is_directory) { /* Never below `end`, whatever the size is: a thread writes there. */
        (void)truncate_fd(file, file->fd, end);
        return;
    }
    bool at_start = end % file->layout.segment_bytes == 0;
    uint64_t gone_from = lf_segment_index(&file->layout, end) + !at_start;
    pthread_mutex_lock(&file->changing);
    struct lf_segment_range range = lf_segments_range(&file->segments);
    int error = 0;
    while (range.end > lf_max(gone_from, range.first) && (error == 0 || error == -ENOENT)) {
        error = lf_segments_unlink(&file->segments, range.end - 1);
        range.end -= error == 0 || error == -ENOENT;
    }
    lf_segments_set_range(&file->segments, range);
    if (!at_start)
        (void)cut_segment(file, end, false);
    pthread_mutex_unlock(&file->changing);
}

/* Removes released segments, the oldest first, until the range of them is `spare_count` long. */
static int unlink_released(struct lf_file *file, uint64_t spare_count)
{
    struct lf_segment_range range = lf_segments_range(&file->segments);
    uint64_t highest;
    int error = 0;
    while (error == 0 && range.first - range.released > spare_count) {
        error = lf_segments_unlink(&file->segments, range.released);
        if (error == 0) {
            range.released++;
        } else if (error == -ENOENT) { /* a gap is looked past */
            int found = lf_segments_find(&file->segments, range.released, range.first,
                                         &range.released, &highest);
            error = found < 0 ? found : 0;
            range.released = found == 0 ? range.first : range.released;
        }
    }
    lf_segments_set_range(&file->segments, range);
    return error;
}

int lf_file_release(struct lf_file *file, uint64_t lsn, unsigned spare_count)
{
    const struct logfile_io *io = file->io;
    int error = 0;
    pthread_mutex_lock(&file->changing);
    if (file->is_directory) {
        struct lf_segment_range range = lf_segments_range(&file->segments);
        uint64_t index = lf_min(lf_segment_index(&file->layout, lsn), range.end);
        range.first = lf_max(range.first, index);
        lf_segments_set_range(&file->segments, range);
        error = unlink_released(file, spare_count);
    } else if (lsn > file->punched) {
        /* A range is given back once, as far as this opening of the log goes. */
        error = io->punch(io->context, file->fd, file->punched, lsn - file->punched);
        file->punched = error == 0 ? lsn : file->punched;
    }
    pthread_mutex_unlock(&file->changing);
    return error;
}

void lf_file_shrink(struct lf_file *file, uint64_t end)
{
    if (!file->is_directory) {
        (void)truncate_fd(file, file->fd, end);
        return;
    }
    (void)unlink_from(file, lf_segment_index(&file->layout, end) + 1);
    (void)cut_segment(file, end, false);
    (void)unlink_released(file, 0);
}

/* ---- Giving up --------------------------------------------------------------------------------*/

/* For want of a second descriptor, gives up the directory's for the one that its name gives. */
static int open_directory_again(struct lf_file *file)
{
    const struct logfile_io *io = file->io;
    struct logfile_io_stat held, named;
    int error = io->stat(io->context, file->directory, &held);
    if (error != 0)
        return error;
    (void)io->close(io->context, file->directory);
    int fd = io->open(io->context, file->parent, file->name, LOGFILE_IO_OPEN_DIRECTORY, 0);
    file->directory = fd < 0 ? -1 : fd;
    file->segments.directory = file->directory;
    error = fd < 0 ? fd : io->stat(io->context, fd, &named);
    if (error != 0 || (held.device == named.device && held.inode == named.inode))
        return error == 0 ? 1 : error;
    (void)io->close(io->context, fd);
    file->directory = file->segments.directory = -1;
    return 0;
}

/* Whether the log's name leads to what this opener made.  -errno: that cannot be told. */
static int name_leads_here(struct lf_file *file)
{
    if (file->parent < 0)
        return 0;
    if (!file->is_directory)
        return lf_io_leads_to(file->io, file->parent, file->name, 0, file->fd);
    int result = lf_io_leads_to(file->io, file->parent, file->name, LOGFILE_IO_OPEN_DIRECTORY,
                                file->directory);
    return means_shortage(result) ? open_directory_again(file) : result;
}

void lf_file_draft_name(uint64_t number, char name[LF_DRAFT_NAME_BYTES])
{
    snprintf(name, LF_DRAFT_NAME_BYTES, ".lf-%016" PRIx64, number);
}

/*
 * What is given up must lose the log's name, durably, before it is emptied: a crash in between
 * would leave the name with what is no log.  Where that fails it is emptied all the same, because a
 * thread that has it in hand already would append to what is gone.
 */
void lf_file_discard(struct lf_file *file)
{
    const struct logfile_io *io = file->io;
    char aside[LF_DRAFT_NAME_BYTES];
    const char *name = file->name;
    lf_segments_forget(&file->segments, 0, UINT64_MAX, true);
    int leads_here = name_leads_here(file);
    if (leads_here < 0)
        return;

    /* 1. The name.  A directory is not empty: it gets that of a draft. */
    bool has_lost_name = false;
    if (leads_here > 0 && file->is_directory) {
        lf_file_draft_name(lf_now_ns(), aside);
        has_lost_name = io->rename(io->context, file->parent, name, aside) >= 0;
        name = has_lost_name ? aside : name;
    } else if (leads_here > 0) {
        (void)io->unlink(io->context, file->parent, name);
        has_lost_name = true;
    }
    if (has_lost_name)
        (void)io->sync_directory(io->context, file->parent);

    /* 2. The bytes. */
    (void)truncate_fd(file, file->fd, 0);

    /* 3. The segments that this opener made, and one more that it may not know to be there; what was
     * to become one; and control, if it is this log's still. */
    if (file->directory >= 0) {
        for (uint64_t end = lf_segments_range(&file->segments).end + 1; end > 0; end--)
            (void)lf_segments_unlink(&file->segments, end - 1);
        (void)lf_segments_unlink_drafts(&file->segments);
        if (lf_io_leads_to(io, file->directory, LF_CONTROL_NAME, 0, file->fd) != 0)
            (void)io->unlink(io->context, file->directory, LF_CONTROL_NAME);
    }
    if (leads_here > 0 && file->is_directory)
        (void)io->remove_directory(io->context, file->parent, name);
}
