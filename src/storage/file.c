/* SPDX-License-Identifier: MIT */
#include "storage/file.h"

#include "base/atomic.h"
#include "base/lf_assert.h"
#include "logfile.h"
#include "storage/facts.h"
#include "storage/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROLOGUE_BYTES ((size_t)LF_FIRST_LSN)

/* ---- Opening ----------------------------------------------------------------------------------*/

int lf_file_init(struct lf_file *file, const struct logfile_io *io, int fd, unsigned open_flags,
                 int directory)
{
    *file = (struct lf_file){.io = io,
                             .fd = fd,
                             .is_directory = directory >= 0,
                             .directory = directory,
                             .parent = -1,
                             .may_write = open_flags & LOGFILE_IO_OPEN_WRITE,
                             .punched = LF_FIRST_LSN};
    int error = -pthread_mutex_init(&file->changing, NULL);
    if (error != 0)
        return error;
    error = lf_segments_init(&file->segments, io, directory, open_flags);
    if (error != 0)
        pthread_mutex_destroy(&file->changing);
    return error;
}

int lf_file_may_be_discarded(struct lf_file *file, int parent, const char *name)
{
    file->name = strdup(name);
    if (file->name == NULL)
        return -ENOMEM;
    file->parent = parent;
    return 0;
}

void lf_file_keep(struct lf_file *file)
{
    if (file->parent >= 0)
        (void)file->io->close(file->io->context, file->parent);
    free(file->name);
    file->parent = -1;
    file->name = NULL;
}

/* Opens a file.  -EISDIR, -ESPIPE: it is none.  The name may lead elsewhere than it did when open
 * looked, so the open file is looked at. */
static int open_file(const struct logfile_io *io, int directory, const char *name,
                     unsigned open_flags)
{
    struct logfile_io_stat status;
    int fd = io->open(io->context, directory, name, open_flags, 0);
    if (fd < 0)
        return fd;
    int error = io->stat(io->context, fd, &status);
    if (error == 0 && status.kind == LOGFILE_IO_REGULAR)
        return fd;
    (void)io->close(io->context, fd);
    return error != 0 ? error : status.kind == LOGFILE_IO_DIRECTORY ? -EISDIR : -ESPIPE;
}

size_t lf_file_path_length(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return length;
}

/* Opens the control file of the directory, which stays open for it. */
static int open_control(const struct logfile_io *io, const char *path, unsigned open_flags,
                        int *directory)
{
    /* With slashes at its end, the name of a symbolic link leads to the directory behind it, and
     * would not be refused. */
    char *bare = strndup(path, lf_file_path_length(path));
    if (bare == NULL)
        return -ENOMEM;
    int parent = io->open(io->context, LOGFILE_IO_HERE, bare, LOGFILE_IO_OPEN_DIRECTORY, 0);
    free(bare);
    if (parent < 0)
        return parent;
    int fd = open_file(io, parent, LF_CONTROL_NAME, open_flags);
    if (fd < 0)
        (void)io->close(io->context, parent);
    else
        *directory = parent;
    return fd == -ENOENT || fd == -ENOTDIR || fd == -ESPIPE ? -EISDIR : fd;
}

int lf_file_open_path(const struct logfile_io *io, const char *path, unsigned open_flags,
                      int *directory)
{
    *directory = -1;
    int fd = open_file(io, LOGFILE_IO_HERE, path, open_flags);
    return fd == -EISDIR ? open_control(io, path, open_flags, directory) : fd;
}

int lf_file_open(struct lf_file *file, const struct logfile_io *io, const char *path)
{
    int directory;
    int fd = lf_file_open_path(io, path, 0, &directory);
    if (fd < 0)
        return fd;
    int error = lf_file_init(file, io, fd, 0, directory);
    if (error == 0)
        return 0;
    (void)io->close(io->context, fd);
    if (directory >= 0)
        (void)io->close(io->context, directory);
    return error;
}

void lf_file_close(struct lf_file *file)
{
    lf_segments_destroy(&file->segments);
    if (file->fd >= 0)
        (void)file->io->close(file->io->context, file->fd);
    if (file->directory >= 0)
        (void)file->io->close(file->io->context, file->directory);
    lf_file_keep(file);
    pthread_mutex_destroy(&file->changing);
    free(file->prologue);
    file->fd = -1;
    file->directory = -1;
    file->prologue = NULL;
}

bool lf_file_is_directory(const struct lf_file *file)
{
    return file->is_directory;
}

/* ---- Which segments there are -----------------------------------------------------------------*/

static int find_segments(struct lf_file *file, uint64_t oldest_lsn)
{
    uint64_t first = lf_segment_index(&file->layout, oldest_lsn);
    uint64_t lowest = first;
    uint64_t highest = first;
    int found = lf_segments_find(&file->segments, 0, UINT64_MAX, &lowest, &highest);
    if (found < 0)
        return found;
    struct lf_segment_range range = {first, first, first};
    if (found > 0 && lowest < first)
        range.released = lowest;
    if (found > 0 && highest >= first)
        range.end = highest + 1;
    lf_segments_set_range(&file->segments, range);
    return 0;
}

int lf_file_adopt(struct lf_file *file, const struct lf_file_header *header, uint64_t oldest_lsn)
{
    if ((header->segment_bytes != 0) != file->is_directory || header->first_lsn != LF_FIRST_LSN)
        return LOGFILE_EFORMAT;
    file->header = *header;
    file->layout = lf_header_layout(header);
    file->segments.header = &file->header;
    file->had_name = file->may_write && lf_io_links(file->io, file->fd) > 0;
    if (!file->is_directory)
        return 0;
    /* So that every LSN of a segment, and the one behind it, is in reach. */
    file->segments.index_end = LF_LSN_END / header->segment_bytes;
    if (file->may_write && file->prologue == NULL) { /* which making a segment needs */
        int error = -posix_memalign(&file->prologue, LF_BLOCK_BYTES, PROLOGUE_BYTES);
        if (error != 0)
            return error;
    }
    return find_segments(file, oldest_lsn);
}

int lf_file_remove_drafts(struct lf_file *file)
{
    return file->is_directory ? lf_segments_unlink_drafts(&file->segments) : 0;
}

int lf_file_refresh(struct lf_file *file, uint64_t oldest_lsn)
{
    if (!file->is_directory)
        return 0;
    lf_segments_forget(&file->segments, 0, UINT64_MAX, false);
    return find_segments(file, oldest_lsn);
}

int lf_file_next_segment(struct lf_file *file, uint64_t index, uint64_t *found)
{
    uint64_t highest;
    return lf_segments_find(&file->segments, index, UINT64_MAX, found, &highest);
}

struct foreign_visit {
    const struct lf_segments *segments;
    lf_file_visit *visit;
    void *arg;
};

static int visit_if_foreign(void *arg, const char *name)
{
    const struct foreign_visit *foreign = arg;
    uint64_t index;
    if (strcmp(name, LF_CONTROL_NAME) != 0 &&
        lf_segments_parse(foreign->segments, name, &index) == LF_NAME_FOREIGN)
        foreign->visit(foreign->arg, name);
    return 0;
}

int lf_file_visit_foreign(struct lf_file *file, lf_file_visit *visit, void *arg)
{
    struct foreign_visit foreign = {&file->segments, visit, arg};
    struct lf_segment_check check;
    char name[LF_SEGMENT_NAME_BYTES];
    uint64_t index = 0;
    if (!file->is_directory)
        return 0;
    int error = lf_segments_list(&file->segments, visit_if_foreign, &foreign);
    if (error != 0)
        return error;

    /* What has the name of a segment below the log's first one without being one of the log's.  From
     * there on it is misplaced, and makes the log corrupt. */
    uint64_t first = lf_segments_range(&file->segments).first;
    int found = lf_file_next_segment(file, index, &index);
    while (found > 0 && index < first) {
        error = lf_file_check_segment(file, index, &check);
        if (error != 0)
            return error;
        if (check.kind != LF_SEGMENT_MISSING && !lf_segment_is_ours(&check)) {
            lf_file_segment_name(index, name);
            visit(arg, name);
        }
        index++;
        if (check.kind == LF_SEGMENT_MISSING)
            found = lf_file_next_segment(file, index, &index);
    }
    return found < 0 ? found : 0;
}

int lf_file_check_segment(struct lf_file *file, uint64_t index, struct lf_segment_check *out)
{
    return lf_segments_check(&file->segments, index, out);
}

/* ---- Bytes ------------------------------------------------------------------------------------*/

static uint64_t segment_start(const struct lf_file *file, uint64_t index)
{
    return index * file->layout.segment_bytes;
}

int lf_file_hold_segment(struct lf_file *file, uint64_t index, uint64_t offset, bool to_sync,
                         struct lf_place *place)
{
    int error = lf_segments_acquire(&file->segments, index, to_sync, &place->segment);
    if (error != 0)
        return error;
    place->fd = place->segment->fd;
    place->offset = offset;
    place->room = file->layout.segment_bytes - offset;
    return 0;
}

ssize_t lf_file_read_prologue(struct lf_file *file, void *buffer, size_t bytes, uint64_t offset)
{
    LF_ASSERT(offset + bytes <= LF_FIRST_LSN);
    return lf_io_read_full(file->io, file->fd, buffer, bytes, offset);
}

ssize_t lf_file_read_segment_header(struct lf_file *file, uint64_t index, void *buffer,
                                    size_t bytes)
{
    struct lf_place place;
    int error = lf_file_hold_segment(file, index, 0, false, &place);
    if (error != 0)
        return error;
    ssize_t count = lf_io_read_full(file->io, place.fd, buffer, bytes, 0);
    lf_file_let_go(file, &place, false);
    return count;
}

int lf_file_write_segment_header(struct lf_file *file, uint64_t index, unsigned copy,
                                 const void *block)
{
    struct lf_place place;
    uint64_t offset = copy * (uint64_t)LF_BLOCK_BYTES;
    int error = lf_file_hold_segment(file, index, offset, true, &place);
    if (error != 0)
        return error;
    error = lf_io_write_full(file->io, place.fd, block, LF_BLOCK_BYTES, place.offset, 0);
    bool changed = error != 0;
    if (error == 0)
        error = file->io->sync(file->io->context, place.fd);
    lf_file_let_go(file, &place, changed);
    return error;
}

ssize_t lf_file_read(struct lf_file *file, uint64_t lsn, void *buffer, size_t bytes)
{
    struct lf_place place;
    int error = lf_file_hold(file, lsn, false, &place);
    if (error != 0)
        return error == -ENOENT ? 0 : error;
    ssize_t count =
        lf_io_read_full(file->io, place.fd, buffer, lf_min(bytes, place.room), place.offset);
    lf_file_let_go(file, &place, false);
    return count;
}

int lf_file_write(struct lf_file *file, uint64_t lsn, const void *buffer, size_t bytes,
                  unsigned flags)
{
    struct lf_place place;
    int error = lf_file_hold(file, lsn, false, &place);
    if (error != 0)
        return error;
    LF_ASSERT(bytes <= place.room);
    error = lf_io_write_full(file->io, place.fd, buffer, bytes, place.offset, flags);
    lf_file_let_go(file, &place, !(flags & LOGFILE_IO_WRITE_DSYNC));
    return error;
}

bool lf_file_has_segment(struct lf_file *file, uint64_t lsn)
{
    struct lf_place place;
    int error = lf_file_hold(file, lsn, false, &place);
    if (error == 0)
        lf_file_let_go(file, &place, false);
    return error != -ENOENT;
}

/* Whether a segment's name has gone, or leads to another file.  That there is none is believed when
 * the directory says so too, or is gone itself. */
static bool name_is_lost(struct lf_file *file, const struct lf_segment *segment)
{
    const struct logfile_io *io = file->io;
    char name[LF_SEGMENT_NAME_BYTES];
    uint64_t lowest, highest;
    lf_file_segment_name(segment->index, name);
    if (lf_io_leads_to(io, file->directory, name, 0, segment->fd) != 0)
        return false;
    int found =
        lf_segments_find(&file->segments, segment->index, segment->index + 1, &lowest, &highest);
    if (found == 0 || found == -ENOENT)
        return true;
    int other = io->open(io->context, file->directory, name, 0, 0);
    if (other >= 0)
        (void)io->close(io->context, other);
    return other != -ENOENT;
}

int lf_file_enter(struct lf_file *file, uint64_t lsn)
{
    struct lf_segment_check check;
    struct lf_place place;
    if (!lf_file_starts_segment(file, lsn) ||
        lf_file_hold(file, lsn, false, &place) != 0) /* The write will tell. */
        return 0;
    bool is_there = !name_is_lost(file, place.segment);
    if (is_there) {
        lf_segments_check_file(&file->segments, place.fd, place.segment->index, &check);
        is_there = lf_segment_is_whole(&check) ||
                   !(lf_segment_is_ours(&check) || lf_segment_is_foreign(&check));
    }
    lf_file_let_go(file, &place, false);
    return is_there ? 0 : -ESTALE;
}

int lf_file_check_removed(struct lf_file *file, uint64_t end_lsn, char name[LF_SEGMENT_NAME_BYTES])
{
    struct lf_segments *segments = &file->segments;
    uint64_t index = 0;
    if (file->had_name && lf_io_is_removed(file->io, file->fd)) {
        snprintf(name, LF_SEGMENT_NAME_BYTES, "%s", file->is_directory ? LF_CONTROL_NAME : "");
        return -ESTALE;
    }
    if (!file->is_directory || end_lsn <= LF_FIRST_LSN ||
        !lf_segments_find_removed(segments, lf_segments_range(segments).first,
                                  lf_segment_index(&file->layout, end_lsn - 1) + 1, &index) ||
        index < lf_segments_range(segments).first) /* a trim has released it in the meantime */
        return 0;
    lf_file_segment_name(index, name);
    return -ESTALE;
}

/*
 * For each file that [from, to) touches and that exists: the one that is open from the start, and
 * the segments, which are held while it is called.  A listing of the directory gets past a gap.
 * Before it is known how long segments are, there are none.
 */
static int for_each_file(struct lf_file *file, uint64_t from, uint64_t to, bool to_sync,
                         int (*call)(struct lf_file *file, int fd))
{
    struct lf_place place;
    int error = !file->is_directory || from < LF_FIRST_LSN ? call(file, file->fd) : 0;
    if (error != 0 || !file->is_directory || file->layout.segment_bytes == 0 || to <= LF_FIRST_LSN)
        return error;
    /* From the log's own blocks on means from its oldest segment on: released ones hold nothing. */
    uint64_t index = from < LF_FIRST_LSN ? lf_segments_range(&file->segments).first
                                         : lf_segment_index(&file->layout, from);
    uint64_t end = lf_segment_index(&file->layout, to - 1) + 1;
    int found = 1;
    while (found > 0 && index < end) {
        error = lf_file_hold_segment(file, index, 0, to_sync, &place);
        if (error == -ENOENT) {
            found = lf_file_next_segment(file, index + 1, &index);
            continue;
        }
        if (error == 0) {
            error = call(file, place.fd);
            lf_file_let_go(file, &place, false);
        }
        if (error != 0)
            return error;
        index++;
    }
    return found < 0 ? found : 0;
}

static int sync_one(struct lf_file *file, int fd)
{
    return file->io->sync(file->io->context, fd);
}

static int drop_cache_of_one(struct lf_file *file, int fd)
{
    (void)file->io->drop_cache(file->io->context, fd);
    return 0;
}

static int only_open_one(struct lf_file *file, int fd)
{
    (void)file;
    (void)fd;
    return 0;
}

int lf_file_sync(struct lf_file *file, uint64_t from, uint64_t to)
{
    return for_each_file(file, from, to, true, sync_one);
}

int lf_file_open_range(struct lf_file *file, uint64_t from, uint64_t to)
{
    return for_each_file(file, from, to, false, only_open_one);
}

void lf_file_drop_cache(struct lf_file *file, uint64_t lsn)
{
    (void)for_each_file(file, lsn, UINT64_MAX, false, drop_cache_of_one);
}

void lf_file_drop_cache_at(struct lf_file *file, uint64_t lsn)
{
    struct lf_place place;
    if (lf_file_hold(file, lsn, false, &place) != 0)
        return;
    (void)file->io->drop_cache(file->io->context, place.fd);
    lf_file_let_go(file, &place, false);
}

static int main_file_bytes(struct lf_file *file, uint64_t *bytes)
{
    struct logfile_io_stat status;
    int error = file->io->stat(file->io->context, file->fd, &status);
    *bytes = error == 0 ? status.bytes : 0;
    return error;
}

int lf_file_prologue_bytes(struct lf_file *file, uint64_t *bytes)
{
    int error = main_file_bytes(file, bytes);
    *bytes = lf_min(*bytes, LF_FIRST_LSN);
    return error;
}

int lf_file_end_lsn(struct lf_file *file, uint64_t *end_lsn)
{
    struct logfile_io_stat status;
    struct lf_place place;
    if (!file->is_directory)
        return main_file_bytes(file, end_lsn);
    struct lf_segment_range range = lf_segments_range(&file->segments);
    *end_lsn = segment_start(file, range.end);
    if (range.end <= range.first)
        return 0;
    *end_lsn = segment_start(file, range.end - 1);
    int error = lf_file_hold_segment(file, range.end - 1, 0, false, &place);
    if (error != 0)
        return error == -ENOENT ? 0 : error;
    error = file->io->stat(file->io->context, place.fd, &status);
    lf_file_let_go(file, &place, false);
    if (error == 0)
        *end_lsn += lf_min(status.bytes, file->layout.segment_bytes);
    return error;
}

int lf_file_locked(struct lf_file *file)
{
    return lf_facts_locked(file->io, file->fd);
}
