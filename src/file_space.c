/* SPDX-License-Identifier: MIT */
/*
 * The space that a log takes: making and recycling segments, cutting, and giving back.
 *
 * A segment has its name only when it is whole: it is made under the name of a draft, synced,
 * renamed, and the directory synced.  One that is recycled gets its new header while it still has
 * the old name, under which nobody reads it any more.  After a crash at any step there is a draft,
 * or a released segment, or the new one.
 */
#include "atomic.h"
#include "file.h"
#include "io.h"
#include "lf_assert.h"
#include "waiter.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PROLOGUE_BYTES ((size_t)LF_FIRST_LSN)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

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

static int sync_names(struct lf_file *file, const char *path)
{
    return lf_io_sync_parent(file->io, path);
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

static int write_prologue(struct lf_file *file, int fd, uint64_t index)
{
    int error = lf_io_write_full(file->io, fd, fill_prologue(file, index), PROLOGUE_BYTES, 0, 0);
    if (error == 0) /* relaxed: a statistic, ordered with nothing */
        lf_fetch_add_relaxed_64(&file->header_bytes, PROLOGUE_BYTES);
    return error;
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
    int error = write_prologue(file, fd, wanted->index);
    if (error == 0)
        error = allocate(file, wanted, fd);
    if (error == -EOPNOTSUPP) {
        wanted->allocate_error = error;
        error = 0;
    }
    return error == 0 ? sync_fd(file, fd) : error;
}

static int create_draft(struct lf_file *file, const char *draft)
{
    const struct logfile_io *io = file->io;
    const unsigned flags = file->segments.open_flags | LOGFILE_IO_OPEN_CREATE;
    int fd = io->open(io->context, LOGFILE_IO_HERE, draft, flags, file->segments.mode);
    if (fd != -EEXIST)
        return fd;
    /* An earlier attempt failed, and to remove what it left failed too. */
    int error = io->unlink(io->context, LOGFILE_IO_HERE, draft);
    return error != 0 ? error
                      : io->open(io->context, LOGFILE_IO_HERE, draft, flags, file->segments.mode);
}

/* A descriptor of the new segment.  On an error there is no draft, and no descriptor. */
static int make_file(struct lf_file *file, struct wanted *wanted)
{
    const struct logfile_io *io = file->io;
    char draft[PATH_MAX], path[PATH_MAX];
    int error = lf_segments_path(&file->segments, LF_NAME_DRAFT, wanted->index, draft);
    if (error == 0)
        error = lf_segments_path(&file->segments, LF_NAME_SEGMENT, wanted->index, path);
    int fd = error == 0 ? create_draft(file, draft) : error;
    if (fd < 0)
        return fd;
    error = fill_draft(file, wanted, fd);
    if (error == 0)
        error = io->rename(io->context, LOGFILE_IO_HERE, draft, path);
    if (error != 0)
        (void)io->unlink(io->context, LOGFILE_IO_HERE, draft);
    else
        error = sync_names(file, path);
    if (error == 0)
        return fd;
    (void)io->close(io->context, fd);
    return error;
}

static int make_segment(struct lf_file *file, struct wanted *wanted)
{
    struct lf_segment *segment;
    int error = lf_segments_reserve(&file->segments, wanted->index, &segment);
    if (error != 0)
        return error;
    int fd = make_file(file, wanted);
    lf_segments_settle(&file->segments, segment, fd);
    wanted->segment = fd < 0 ? NULL : segment;
    wanted->made = fd >= 0;
    return fd < 0 ? fd : 0;
}

/* Whether the file is what its name says.  It is not after a crash between the new header and the
 * new name; nor where renaming is linking and unlinking, and the crash came in between: then it is a
 * segment that is in use, under a second name. */
static bool is_segment(struct lf_file *file, int fd, uint64_t index)
{
    const struct lf_file_header *header = file->prologue;
    ssize_t got = lf_io_read_full(file->io, fd, file->prologue, LF_BLOCK_BYTES, 0);
    return got == (ssize_t)LF_BLOCK_BYTES && lf_file_header_check(header) == 0 &&
           memcmp(header->id, file->header.id, sizeof header->id) == 0 &&
           header->first_lsn == lf_segment_first_lsn(&file->layout, index);
}

/* Turns a released segment that is open into the one that is wanted. */
static int convert(struct lf_file *file, struct wanted *wanted, uint64_t old_index)
{
    const struct logfile_io *io = file->io;
    struct logfile_io_stat status;
    char from[PATH_MAX], to[PATH_MAX];
    int fd = wanted->segment->fd;
    int error = io->stat(io->context, fd, &status);
    if (error == 0)
        error = lf_segments_path(&file->segments, LF_NAME_SEGMENT, old_index, from);
    if (error == 0)
        error = lf_segments_path(&file->segments, LF_NAME_SEGMENT, wanted->index, to);
    if (error == 0)
        error = write_prologue(file, fd, wanted->index);
    if (error == 0)
        error = lf_segments_sync(&file->segments, wanted->segment);
    if (error == 0)
        error = io->rename(io->context, LOGFILE_IO_HERE, from, to);
    if (error != 0)
        return error;
    lf_segments_renamed(&file->segments, wanted->segment, wanted->index);
    wanted->written = status.bytes;
    return sync_names(file, to);
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

/* The name of a released segment goes, and the file with it where it has no other. */
static int give_up(struct lf_file *file, struct lf_segment *segment)
{
    uint64_t index = segment->index;
    lf_segments_release(&file->segments, segment, false);
    int error = lf_segments_unlink(&file->segments, index);
    return error == -ENOENT ? 0 : error;
}

/* Whether the process lacks something to open a file with. */
static bool means_shortage(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM;
}

/* 1; 0: there is nothing to recycle.  Where a file system needs space to rewrite a block, and has
 * none, giving the old segment up makes some. */
static int recycle(struct lf_file *file, struct wanted *wanted)
{
    uint64_t index;
    struct lf_segment_range before = lf_segments_range(&file->segments);
    int found = take_released(file, &index);
    if (found <= 0)
        return found;
    int error = lf_segments_acquire(&file->segments, index, &wanted->segment);
    if (means_shortage(error)) {
        lf_segments_set_range(&file->segments, before);
        return error;
    }
    if (error != 0) /* What cannot be opened is no segment, but only stands in its place. */
        return 0;
    if (!is_segment(file, wanted->segment->fd, index))
        return give_up(file, wanted->segment);
    error = convert(file, wanted, index);
    if (error == 0)
        return 1;
    if (means_no_room(error))
        return give_up(file, wanted->segment);
    lf_segments_release(&file->segments, wanted->segment, false);
    return error;
}

static int recycle_or_make(struct lf_file *file, struct wanted *wanted)
{
    pthread_mutex_lock(&file->changing);
    int recycled = recycle(file, wanted);
    int error = recycled < 0 ? recycled : recycled == 0 ? make_segment(file, wanted) : 0;
    struct lf_segment_range range = lf_segments_range(&file->segments);
    range.end = max_u64(range.end, wanted->index + 1);
    if (error == 0)
        lf_segments_set_range(&file->segments, range);
    pthread_mutex_unlock(&file->changing);
    return error;
}

/* ---- Extending --------------------------------------------------------------------------------*/

/* A segment that exists without being known to: its name may not be durable yet. */
static int adopt_segment(struct lf_file *file, const struct wanted *wanted)
{
    char path[PATH_MAX];
    struct lf_segment_range range = lf_segments_range(&file->segments);
    if (wanted->index < range.end)
        return 0;
    int error = lf_segments_path(&file->segments, LF_NAME_SEGMENT, wanted->index, path);
    if (error == 0)
        error = sync_names(file, path);
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
    int error = lf_segments_acquire(&file->segments, wanted->index, &wanted->segment);
    if (error == -ENOENT && wanted->index >= lf_segments_range(&file->segments).end)
        return recycle_or_make(file, wanted);
    if (error != 0)
        return error;
    error = adopt_segment(file, wanted);
    if (error != 0)
        lf_segments_release(&file->segments, wanted->segment, false);
    return error;
}

static int extend_segment(struct lf_file *file, struct wanted *wanted)
{
    int error = get_segment(file, wanted);
    if (error != 0)
        return error;
    error = wanted->made ? wanted->allocate_error : allocate(file, wanted, wanted->segment->fd);
    lf_segments_release(&file->segments, wanted->segment, !wanted->made && wanted->allocate);
    return error;
}

static int extend_main_file(struct lf_file *file, uint64_t from, uint64_t to, bool may_allocate,
                            uint64_t *reached)
{
    int error = may_allocate ? file->io->allocate(file->io->context, file->fd, from, to - from) : 0;
    if (error == 0)
        *reached = to;
    return error;
}

int lf_file_extend(struct lf_file *file, uint64_t from, uint64_t to, bool may_allocate,
                   uint64_t *reached, uint64_t *written)
{
    *reached = from;
    *written = from;
    if (!file->is_directory)
        return extend_main_file(file, from, to, may_allocate, reached);
    while (*reached < to) {
        uint64_t index = lf_segment_index(&file->layout, *reached);
        uint64_t start = segment_start(file, index);
        uint64_t end = min_u64(to, start + file->layout.segment_bytes);
        struct wanted wanted = {.index = index,
                                .from = max_u64(*reached - start, LF_FIRST_LSN),
                                .to = end - start,
                                .allocate = may_allocate};
        int error = extend_segment(file, &wanted);
        if (*written == *reached)
            *written = max_u64(*written, min_u64(end, start + wanted.written));
        if (error != 0)
            return error;
        *reached = end;
    }
    return 0;
}

/* ---- Cutting ----------------------------------------------------------------------------------*/

/* Removes the segments from `index` on, the highest first, so that no gap comes to be. */
static int unlink_from(struct lf_file *file, uint64_t index)
{
    struct lf_segments *segments = &file->segments;
    uint64_t lowest, highest;
    int found = lf_segments_find(segments, index, UINT64_MAX, &lowest, &highest);
    while (found > 0) {
        int error = 0;
        for (uint64_t end = highest + 1; end > lowest && error == 0; end--)
            error = lf_segments_unlink(segments, end - 1);
        if (error != 0 && error != -ENOENT) /* a gap is looked past */
            return error;
        found = lf_segments_find(segments, index, UINT64_MAX, &lowest, &highest);
    }
    return found;
}

static int truncate_segment(struct lf_file *file, struct lf_segment *segment, uint64_t bytes)
{
    struct logfile_io_stat status;
    int error = file->io->stat(file->io->context, segment->fd, &status);
    if (error == 0 && status.bytes > bytes)
        error = truncate_fd(file, segment->fd, bytes);
    return error;
}

/* The segment that holds `end` keeps its header at least.  -ENOENT: there is none. */
static int cut_segment(struct lf_file *file, uint64_t end, bool sync)
{
    struct lf_segment *segment;
    uint64_t index = lf_segment_index(&file->layout, end);
    uint64_t bytes = max_u64(end - segment_start(file, index), LF_FIRST_LSN);
    int error = lf_segments_acquire(&file->segments, index, &segment);
    if (error != 0)
        return error;
    error = truncate_segment(file, segment, bytes);
    if (error == 0 && sync)
        error = lf_segments_sync(&file->segments, segment);
    lf_segments_release(&file->segments, segment, !sync);
    return error;
}

static void end_range_at(struct lf_file *file, uint64_t end_index)
{
    struct lf_segment_range range = lf_segments_range(&file->segments);
    range.end = max_u64(range.first, end_index);
    lf_segments_set_range(&file->segments, range);
}

static int cut_directory(struct lf_file *file, uint64_t end)
{
    char path[PATH_MAX];
    uint64_t index = lf_segment_index(&file->layout, end);
    int error = lf_segments_path(&file->segments, LF_NAME_SEGMENT, index, path);
    if (error == 0)
        error = unlink_from(file, index + 1);
    if (error != 0)
        return error;
    error = cut_segment(file, end, true);
    if (error != 0 && error != -ENOENT)
        return error;
    end_range_at(file, error == 0 ? index + 1 : index);
    return sync_names(file, path);
}

int lf_file_cut(struct lf_file *file, uint64_t end)
{
    if (file->is_directory)
        return cut_directory(file, end);
    int error = truncate_fd(file, file->fd, end);
    return error != 0 ? error : sync_fd(file, file->fd);
}

/* ---- Giving back ------------------------------------------------------------------------------*/

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

static int release_segments(struct lf_file *file, uint64_t lsn, unsigned spare_count)
{
    struct lf_segment_range range = lf_segments_range(&file->segments);
    uint64_t index = min_u64(lf_segment_index(&file->layout, lsn), range.end);
    range.first = max_u64(range.first, index);
    lf_segments_set_range(&file->segments, range);
    return unlink_released(file, spare_count);
}

/* A range is given back once, as far as this opening of the log goes. */
static int punch(struct lf_file *file, uint64_t lsn)
{
    if (lsn <= file->punched)
        return 0;
    int error = file->io->punch(file->io->context, file->fd, file->punched, lsn - file->punched);
    if (error == 0)
        file->punched = lsn;
    return error;
}

int lf_file_release(struct lf_file *file, uint64_t lsn, unsigned spare_count)
{
    pthread_mutex_lock(&file->changing);
    int error = file->is_directory ? release_segments(file, lsn, spare_count) : punch(file, lsn);
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

/* Those that this opener made, and one more that it may not know to be there.  By their numbers: to
 * list them would take a descriptor, for want of which the log may be given up. */
static void unlink_made(struct lf_file *file)
{
    struct lf_segment_range range = lf_segments_range(&file->segments);
    for (uint64_t end = range.end + 1; end > 0; end--)
        (void)lf_segments_unlink(&file->segments, end - 1);
}

/* What is given up must lose the log's name, durably, before it is emptied: a crash in between
 * would leave the name with what is no log.  Where that fails it is emptied all the same, for
 * whoever has it in hand already would append to what is gone. */
static void unlink_name(const struct lf_file *file)
{
    const struct logfile_io *io = file->io;
    (void)io->unlink(io->context, LOGFILE_IO_HERE, file->path);
    (void)lf_io_sync_parent(io, file->path);
}

/* A directory is not empty, and gets the name of a draft.  Returns its path. */
static const char *rename_aside(const struct lf_file *file, char aside[PATH_MAX])
{
    const struct logfile_io *io = file->io;
    int length = snprintf(aside, PATH_MAX, "%s.new-%016" PRIx64, file->path, lf_now_ns());
    if (length < 0 || length >= PATH_MAX ||
        io->rename(io->context, LOGFILE_IO_HERE, file->path, aside) != 0)
        return file->path;
    (void)lf_io_sync_parent(io, aside);
    return aside;
}

static void unlink_directory(struct lf_file *file, const char *path)
{
    const struct logfile_io *io = file->io;
    char control[PATH_MAX];
    file->segments.path = path;
    unlink_made(file);
    (void)lf_segments_unlink_drafts(&file->segments);
    file->segments.path = file->path;
    if (lf_file_control_path(path, control) == 0)
        (void)io->unlink(io->context, LOGFILE_IO_HERE, control);
    (void)io->remove_directory(io->context, LOGFILE_IO_HERE, path);
}

void lf_file_discard(struct lf_file *file)
{
    char aside[PATH_MAX];
    if (!file->is_directory) {
        unlink_name(file);
        (void)truncate_fd(file, file->fd, 0);
        return;
    }
    const char *path = rename_aside(file, aside);
    (void)truncate_fd(file, file->fd, 0);
    unlink_directory(file, path);
}
