/* SPDX-License-Identifier: MIT */
/*
 * The space that a log takes: making and recycling segments, cutting, and giving back.
 *
 * A segment has its name only when it is whole: it is made under the name of a draft, synced,
 * renamed, and the directory synced.  One that is recycled gets its new header while it still has
 * the old name, under which nobody reads it any more; one copy at a time, so that one is always
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
 * the one that is open: whoever opens it would not see what is written here.  Else it is `fd`, which
 * stays open in any case.
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

/* A descriptor of the new segment.  On an error there is no draft, and no descriptor. */
static int make_file(struct lf_file *file, struct wanted *wanted)
{
    const struct logfile_io *io = file->io;
    char draft[LF_SEGMENT_NAME_BYTES];
    lf_segments_name(LF_NAME_DRAFT, wanted->index, draft);
    int fd = create_draft(file, wanted->index);
    if (fd < 0)
        return fd;
    int error = fill_draft(file, wanted, fd);
    int named = error == 0 ? name_segment(file, fd, draft, wanted->index) : error;
    if (named != fd)
        (void)io->close(io->context, fd);
    if (named < 0) {
        (void)io->unlink(io->context, file->directory, draft);
        return named;
    }
    error = sync_names(file);
    if (error == 0)
        return named;
    (void)io->close(io->context, named);
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

/* Writes one copy of a segment's header. */
static int write_copy(struct lf_file *file, int fd, const void *header, unsigned copy)
{
    int error =
        lf_io_write_full(file->io, fd, header, LF_BLOCK_BYTES, (uint64_t)copy * LF_BLOCK_BYTES, 0);
    if (error == 0) /* relaxed: a statistic, ordered with nothing */
        lf_fetch_add_relaxed_64(&file->header_bytes, LF_BLOCK_BYTES);
    return error;
}

/* Gives a released segment the header of the one that is wanted. */
static int rewrite_header(struct lf_file *file, const struct wanted *wanted)
{
    const void *header = fill_prologue(file, wanted->index);
    int error = 0;
    for (unsigned copy = 2; copy > 0 && error == 0; copy--) {
        error = write_copy(file, wanted->segment->fd, header, copy - 1);
        if (error == 0)
            error = lf_segments_sync(&file->segments, wanted->segment);
    }
    return error;
}

/* Turns a released segment that is open into the one that is wanted. */
static int convert(struct lf_file *file, struct wanted *wanted, uint64_t old_index)
{
    char from[LF_SEGMENT_NAME_BYTES];
    lf_segments_name(LF_NAME_SEGMENT, old_index, from);
    int error = rewrite_header(file, wanted);
    if (error != 0)
        return error;
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

/* Whether the process lacks something to open a file with, or has lost the right to. */
static bool cannot_open_now(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EACCES ||
           error == -EPERM || error == -EROFS;
}

/* What stands in the way of a name: a directory that was moved or shut, or something else that has
 * the name of the next segment. */
static bool is_in_the_way(int error)
{
    return error == -ENOENT || error == -ENOTDIR || error == -EISDIR || error == -EEXIST ||
           error == -ELOOP || error == -ESPIPE || error == -ENAMETOOLONG;
}

bool lf_file_is_refusal(int error)
{
    return means_no_room(error) || cannot_open_now(error) || is_in_the_way(error);
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

/* Gets hold of what the name of a released segment leads to now. */
static int acquire_released(struct lf_file *file, struct wanted *wanted, uint64_t index,
                            struct lf_segment_check *check)
{
    lf_segments_forget(&file->segments, index, index + 1, true);
    int error = lf_segments_acquire(&file->segments, index, &wanted->segment);
    if (error == 0)
        lf_segments_check_file(&file->segments, wanted->segment->fd, index, check);
    return error;
}

/*
 * 1; 0: there is nothing to recycle.  Where a file system needs space to rewrite a block, and has
 * none, giving the old segment up makes some.
 *
 * A segment's file need not be what its name says.  It is not after a crash between the new header
 * and the new name; nor where renaming is linking and unlinking, and the crash came in between: then
 * it is a segment that is in use, under a second name, which only loses that.
 *
 * A file that has another name is not the log's alone: somebody may have linked it to keep it.
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
    int error = acquire_released(file, wanted, index, &check);
    if (cannot_open_now(error)) {
        lf_segments_set_range(&file->segments, before);
        return error;
    }
    if (error != 0) /* What cannot be opened is no segment, but only stands in its place. */
        return 0;
    error = file->io->stat(file->io->context, wanted->segment->fd, &status);
    if (error == 0 && (!lf_segment_is_whole(&check) || status.links > 1))
        return give_up(file, wanted->segment);
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

/* Nothing is taken for a segment whose name something else has. */
static int check_name_is_free(struct lf_file *file, uint64_t index)
{
    struct lf_segment_check check;
    int error = lf_segments_check(&file->segments, index, &check);
    return error != 0 ? error : check.kind == LF_SEGMENT_MISSING ? 0 : -EEXIST;
}

static int recycle_or_make(struct lf_file *file, struct wanted *wanted)
{
    pthread_mutex_lock(&file->changing);
    int error = check_name_is_free(file, wanted->index);
    int recycled = error == 0 ? recycle(file, wanted) : error;
    error = recycled < 0 ? recycled : recycled == 0 ? make_segment(file, wanted) : 0;
    struct lf_segment_range range = lf_segments_range(&file->segments);
    range.end = lf_max(range.end, wanted->index + 1);
    if (error == 0)
        lf_segments_set_range(&file->segments, range);
    pthread_mutex_unlock(&file->changing);
    return error;
}

/* ---- Extending --------------------------------------------------------------------------------*/

/* A segment that exists without being known to: its name may not be durable yet.  With a second name
 * it is not what this opener made, but what somebody has put there. */
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
    int error = lf_segments_acquire(&file->segments, wanted->index, &wanted->segment);
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
        uint64_t end = lf_min(to, start + file->layout.segment_bytes);
        struct wanted wanted = {.index = index,
                                .from = lf_max(*reached - start, LF_FIRST_LSN),
                                .to = end - start,
                                .allocate = may_allocate};
        int error = extend_segment(file, &wanted);
        if (*written == *reached)
            *written = lf_max(*written, lf_min(end, start + wanted.written));
        if (error != 0)
            return error;
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

static int truncate_segment(struct lf_file *file, struct lf_segment *segment, uint64_t bytes)
{
    struct logfile_io_stat status;
    int error = file->io->stat(file->io->context, segment->fd, &status);
    if (error == 0 && status.bytes > bytes)
        error = truncate_fd(file, segment->fd, bytes);
    return error;
}

/* The segment that holds `end` keeps its header at least.  -ENOENT: there is none, or what has its
 * name is not this log's. */
static int cut_segment(struct lf_file *file, uint64_t end, bool sync)
{
    struct lf_segment *segment;
    uint64_t index = lf_segment_index(&file->layout, end);
    uint64_t bytes = lf_max(end - segment_start(file, index), LF_FIRST_LSN);
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
    range.end = lf_max(range.first, end_index);
    lf_segments_set_range(&file->segments, range);
}

static int cut_directory(struct lf_file *file, uint64_t end)
{
    uint64_t index = lf_segment_index(&file->layout, end);
    int error = unlink_from(file, index + 1);
    if (error != 0)
        return error;
    error = cut_segment(file, end, true);
    if (error != 0 && error != -ENOENT)
        return error;
    end_range_at(file, error == 0 ? index + 1 : index);
    return sync_names(file);
}

int lf_file_cut(struct lf_file *file, uint64_t end)
{
    if (file->is_directory)
        return cut_directory(file, end);
    int error = truncate_fd(file, file->fd, end);
    return error != 0 ? error : sync_fd(file, file->fd);
}

/* ---- Giving back ------------------------------------------------------------------------------*/

/* A segment of which nothing has been allocated is not kept for its header.  Only those go that the
 * log has made: what else has such a name is not touched. */
static void give_segments_back(struct lf_file *file, uint64_t end)
{
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

/* Never below `end`, whatever the size is: somebody writes there. */
void lf_file_give_back(struct lf_file *file, uint64_t end)
{
    if (file->is_directory)
        give_segments_back(file, end);
    else
        (void)truncate_fd(file, file->fd, end);
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

static int release_segments(struct lf_file *file, uint64_t lsn, unsigned spare_count)
{
    struct lf_segment_range range = lf_segments_range(&file->segments);
    uint64_t index = lf_min(lf_segment_index(&file->layout, lsn), range.end);
    range.first = lf_max(range.first, index);
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

/* ---- Giving up --------------------------------------------------------------------------------*/

/* Those that this opener made, and one more that it may not know to be there. */
static void unlink_made(struct lf_file *file)
{
    struct lf_segment_range range = lf_segments_range(&file->segments);
    for (uint64_t end = range.end + 1; end > 0; end--)
        (void)lf_segments_unlink(&file->segments, end - 1);
}

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

/* A directory is not empty, and gets the name of a draft. */
static bool rename_aside(const struct lf_file *file, char aside[LF_DRAFT_NAME_BYTES])
{
    const struct logfile_io *io = file->io;
    lf_file_draft_name(lf_now_ns(), aside);
    if (io->rename(io->context, file->parent, file->name, aside) < 0)
        return false;
    (void)io->sync_directory(io->context, file->parent);
    return true;
}

static void unlink_contents(struct lf_file *file)
{
    const struct logfile_io *io = file->io;
    unlink_made(file);
    (void)lf_segments_unlink_drafts(&file->segments);
    if (lf_io_leads_to(io, file->directory, LF_CONTROL_NAME, 0, file->fd) != 0)
        (void)io->unlink(io->context, file->directory, LF_CONTROL_NAME);
}

static void discard_directory(struct lf_file *file, bool is_named)
{
    const struct logfile_io *io = file->io;
    char aside[LF_DRAFT_NAME_BYTES];
    bool is_aside = is_named && rename_aside(file, aside);
    (void)truncate_fd(file, file->fd, 0);
    if (file->directory >= 0)
        unlink_contents(file);
    if (is_named)
        (void)io->remove_directory(io->context, file->parent, is_aside ? aside : file->name);
}

/* What is given up must lose the log's name, durably, before it is emptied: a crash in between
 * would leave the name with what is no log.  Where that fails it is emptied all the same, for
 * whoever has it in hand already would append to what is gone. */
static void discard_one_file(struct lf_file *file, bool is_named)
{
    const struct logfile_io *io = file->io;
    if (is_named) {
        (void)io->unlink(io->context, file->parent, file->name);
        (void)io->sync_directory(io->context, file->parent);
    }
    (void)truncate_fd(file, file->fd, 0);
}

void lf_file_draft_name(uint64_t number, char name[LF_DRAFT_NAME_BYTES])
{
    snprintf(name, LF_DRAFT_NAME_BYTES, ".lf-%016" PRIx64, number);
}

void lf_file_discard(struct lf_file *file)
{
    lf_segments_forget(&file->segments, 0, UINT64_MAX, true);
    int leads_here = name_leads_here(file);
    if (leads_here < 0)
        return;
    if (file->is_directory)
        discard_directory(file, leads_here > 0);
    else
        discard_one_file(file, leads_here > 0);
}
