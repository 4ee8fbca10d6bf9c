/* SPDX-License-Identifier: MIT */
#include "storage/segments.h"

#include "base/lf_assert.h"
#include "storage/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INDEX_DIGITS 16
#define SEGMENT_SUFFIX ".segment"
#define DRAFT_SUFFIX ".segment.new"
#define NO_FILE (-1000000) /* no -errno: there is no file of that name */

int lf_segments_init(struct lf_segments *segments, const struct logfile_io *io, int directory,
                     unsigned open_flags)
{
    *segments = (struct lf_segments){
        .io = io, .directory = directory, .open_flags = open_flags, .index_end = UINT64_MAX};
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++)
        segments->open[i].fd = -1;
    int error = -pthread_mutex_init(&segments->lock, NULL);
    if (error != 0)
        return error;
    error = -pthread_mutex_init(&segments->listing, NULL);
    if (error == 0) {
        error = -pthread_cond_init(&segments->changed, NULL);
        if (error != 0)
            pthread_mutex_destroy(&segments->listing);
    }
    if (error != 0)
        pthread_mutex_destroy(&segments->lock);
    return error;
}

void lf_segments_destroy(struct lf_segments *segments)
{
    lf_segments_forget(segments, 0, UINT64_MAX, true);
    pthread_cond_destroy(&segments->changed);
    pthread_mutex_destroy(&segments->listing);
    pthread_mutex_destroy(&segments->lock);
}

/* ---- Places: all of this is called with the lock ----------------------------------------------*/

static bool is_free(const struct lf_segment *segment)
{
    return segment->fd < 0 && !segment->busy;
}

static bool is_idle(const struct lf_segment *segment)
{
    return segment->fd >= 0 && !segment->busy && segment->users == 0;
}

/* Releases the lock in between. */
static void close_segment(struct lf_segments *segments, struct lf_segment *segment, bool sync)
{
    const struct logfile_io *io = segments->io;
    int fd = segment->fd;
    segment->busy = true;
    pthread_mutex_unlock(&segments->lock);
    int error = sync ? io->sync(io->context, fd) : 0;
    (void)io->close(io->context, fd);
    pthread_mutex_lock(&segments->lock);
    segment->fd = -1;
    segment->busy = false;
    if (error != 0)
        segments->error = error;
    pthread_cond_broadcast(&segments->changed);
}

/*
 * Finds the segment among those that are open, else a place for it, which is busy then and has no
 * descriptor.  Releases the lock while it closes another one for that, and while it waits: for a
 * place that is busy, at most for one open, sync or close; or, where every place is in use, for one
 * of its users to be done.  No user needs a second place.
 */
static int find_place(struct lf_segments *segments, uint64_t index, struct lf_segment **segmentp)
{
    while (segments->error == 0) {
        struct lf_segment *found = NULL, *place = NULL, *other = NULL;
        for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++) {
            struct lf_segment *segment = &segments->open[i];
            if (is_free(segment))
                place = place != NULL ? place : segment;
            else if (segment->index == index)
                found = segment;
            else if (is_idle(segment) &&
                     /* Clean before dirty, and the one that was used longest ago. */
                     (other == NULL ||
                      (segment->dirty != other->dirty ? !segment->dirty
                                                      : segment->used_at < other->used_at)))
                other = segment;
        }
        if (found != NULL && !found->busy) {
            *segmentp = found;
            return 0;
        }
        if (found == NULL && place != NULL) {
            *place = (struct lf_segment){.index = index, .fd = -1, .busy = true};
            *segmentp = place;
            return 0;
        }
        if (found == NULL && other != NULL)
            close_segment(segments, other, other->dirty);
        else
            pthread_cond_wait(&segments->changed, &segments->lock);
    }
    return segments->error;
}

static void use(struct lf_segments *segments, struct lf_segment *segment)
{
    segment->users++;
    segment->used_at = ++segments->clock;
}

/* ---- Descriptors ------------------------------------------------------------------------------*/

/* Tells what has the name from the error of opening it; MISSING also where it does not tell. */
static enum lf_segment_kind kind_by_error(int error)
{
    switch (error) {
    case -EISDIR:
        return LF_SEGMENT_DIRECTORY;
    case -ELOOP:
        return LF_SEGMENT_LINK;
    case -ESPIPE:
        return LF_SEGMENT_OTHER;
    default:
        return LF_SEGMENT_MISSING;
    }
}

/* A descriptor, if the name leads to a file.  Else NO_FILE, with *kind, or -errno. */
static int open_name(const struct lf_segments *segments, const char *name, unsigned flags,
                     enum lf_segment_kind *kind)
{
    const struct logfile_io *io = segments->io;
    int fd = io->open(io->context, segments->directory, name, flags, 0);
    if (fd < 0) {
        *kind = kind_by_error(fd);
        return fd == -ENOENT || *kind != LF_SEGMENT_MISSING ? NO_FILE : fd;
    }
    struct logfile_io_stat status;
    int error = io->stat(io->context, fd, &status);
    if (error == 0 && status.kind == LOGFILE_IO_REGULAR) {
        *kind = LF_SEGMENT_FILE;
        return fd;
    }
    (void)io->close(io->context, fd);
    if (error == 0)
        *kind = status.kind == LOGFILE_IO_DIRECTORY ? LF_SEGMENT_DIRECTORY : LF_SEGMENT_OTHER;
    return error != 0 ? error : NO_FILE;
}

/* What is written to a file of another log would be lost to both. */
static bool may_be_used(const struct lf_segments *segments, int fd, uint64_t index)
{
    struct lf_segment_check check;
    if (!(segments->open_flags & LOGFILE_IO_OPEN_WRITE) || segments->header == NULL)
        return true;
    lf_segments_check_file(segments, fd, index, &check);
    return !lf_segment_is_foreign(&check);
}

int lf_segments_open_name(struct lf_segments *segments, uint64_t index)
{
    char name[LF_SEGMENT_NAME_BYTES];
    enum lf_segment_kind kind;
    lf_file_segment_name(index, name);
    int fd = open_name(segments, name, segments->open_flags, &kind);
    if (fd < 0 || may_be_used(segments, fd, index))
        return fd == NO_FILE ? -ENOENT : fd;
    (void)segments->io->close(segments->io->context, fd);
    return -ENOENT;
}

int lf_segments_acquire(struct lf_segments *segments, uint64_t index, bool to_sync,
                        struct lf_segment **segmentp)
{
    struct lf_segment *segment = NULL;
    pthread_mutex_lock(&segments->lock);
    int error = find_place(segments, index, &segment);
    bool is_open = error == 0 && !segment->busy;
    if (is_open) {
        use(segments, segment);
        segment->dirty = segment->dirty && !to_sync;
    }
    pthread_mutex_unlock(&segments->lock);
    if (error == 0 && !is_open) {
        int fd = lf_segments_open_name(segments, index);
        lf_segments_settle(segments, segment, fd);
        error = fd < 0 ? fd : 0;
    }
    *segmentp = error == 0 ? segment : NULL;
    return error;
}

void lf_segments_release(struct lf_segments *segments, struct lf_segment *segment, bool changed)
{
    pthread_mutex_lock(&segments->lock);
    LF_ASSERT(segment->users > 0);
    segment->dirty = segment->dirty || (changed && !segments->never_syncs);
    if (--segment->users == 0)
        pthread_cond_broadcast(&segments->changed);
    pthread_mutex_unlock(&segments->lock);
}

int lf_segments_sync(struct lf_segments *segments, struct lf_segment *segment)
{
    pthread_mutex_lock(&segments->lock);
    segment->dirty = false;
    pthread_mutex_unlock(&segments->lock);
    return segments->io->sync(segments->io->context, segment->fd);
}

int lf_segments_reserve(struct lf_segments *segments, uint64_t index, struct lf_segment **segmentp)
{
    pthread_mutex_lock(&segments->lock);
    int error = find_place(segments, index, segmentp);
    if (error == 0 && !(*segmentp)->busy)
        error = -EEXIST;
    pthread_mutex_unlock(&segments->lock);
    return error;
}

void lf_segments_settle(struct lf_segments *segments, struct lf_segment *segment, int fd)
{
    if (fd >= 0 && segments->facts != NULL) /* before anybody can write there */
        lf_facts_note_file(segments->facts, segments->io, fd);
    /* Some tables, and some file systems, do not tell of names: then that there is none says
     * nothing. */
    bool had_name = fd >= 0 && segments->open_flags & LOGFILE_IO_OPEN_WRITE &&
                    lf_io_links(segments->io, fd) > 0;
    pthread_mutex_lock(&segments->lock);
    segment->had_name = had_name;
    segment->busy = false;
    segment->fd = fd < 0 ? -1 : fd;
    if (fd >= 0)
        use(segments, segment);
    pthread_cond_broadcast(&segments->changed);
    pthread_mutex_unlock(&segments->lock);
}

void lf_segments_renamed(struct lf_segments *segments, struct lf_segment *segment, uint64_t index,
                         int fd)
{
    if (fd != segment->fd && segments->facts != NULL)
        lf_facts_note_file(segments->facts, segments->io, fd);
    pthread_mutex_lock(&segments->lock);
    int old_fd = segment->fd;
    segment->index = index;
    segment->fd = fd;
    pthread_mutex_unlock(&segments->lock);
    if (fd != old_fd)
        (void)segments->io->close(segments->io->context, old_fd);
}

bool lf_segments_find_removed(struct lf_segments *segments, uint64_t from, uint64_t end,
                              uint64_t *index)
{
    bool found = false;
    pthread_mutex_lock(&segments->lock);
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX && !found; i++) {
        struct lf_segment *segment = &segments->open[i];
        if (segment->fd < 0 || segment->busy || !segment->had_name || segment->index < from ||
            segment->index >= end)
            continue;
        segment->users++;
        pthread_mutex_unlock(&segments->lock);
        found = lf_io_is_removed(segments->io, segment->fd);
        pthread_mutex_lock(&segments->lock);
        *index = segment->index;
        if (--segment->users == 0)
            pthread_cond_broadcast(&segments->changed);
    }
    pthread_mutex_unlock(&segments->lock);
    return found;
}

void lf_segments_forget(struct lf_segments *segments, uint64_t from, uint64_t end, bool all)
{
    pthread_mutex_lock(&segments->lock);
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++) {
        struct lf_segment *segment = &segments->open[i];
        while (!is_free(segment) && segment->index >= from && segment->index < end) {
            if (is_idle(segment) && (all || !segment->dirty))
                close_segment(segments, segment, false);
            else if (all)
                pthread_cond_wait(&segments->changed, &segments->lock); /* for its users */
            else
                break;
        }
    }
    pthread_mutex_unlock(&segments->lock);
}

/* ---- Which there are --------------------------------------------------------------------------*/

struct lf_segment_range lf_segments_range(struct lf_segments *segments)
{
    pthread_mutex_lock(&segments->lock);
    struct lf_segment_range range = segments->range;
    pthread_mutex_unlock(&segments->lock);
    return range;
}

void lf_segments_set_range(struct lf_segments *segments, struct lf_segment_range range)
{
    LF_ASSERT(range.released <= range.first && range.first <= range.end);
    pthread_mutex_lock(&segments->lock);
    segments->range = range;
    pthread_mutex_unlock(&segments->lock);
}

/* ---- Names ------------------------------------------------------------------------------------*/

void lf_file_segment_name(uint64_t index, char name[LF_SEGMENT_NAME_BYTES])
{
    lf_segments_name(LF_NAME_SEGMENT, index, name);
}

void lf_segments_name(enum lf_segment_name what, uint64_t index, char name[LF_SEGMENT_NAME_BYTES])
{
    const char *suffix = what == LF_NAME_DRAFT ? DRAFT_SUFFIX : SEGMENT_SUFFIX;
    snprintf(name, LF_SEGMENT_NAME_BYTES, "%016" PRIx64 "%s", index, suffix);
}

enum lf_segment_name lf_segments_parse(const struct lf_segments *segments, const char *name,
                                       uint64_t *index)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < INDEX_DIGITS; i++) {
        /* A digit as lf_file_segment_name writes it. */
        const bool is_decimal = name[i] >= '0' && name[i] <= '9';
        if (!is_decimal && (name[i] < 'a' || name[i] > 'f'))
            return LF_NAME_FOREIGN;
        value = value << 4 | (unsigned)(is_decimal ? name[i] - '0' : name[i] - 'a' + 10);
    }
    if (value >= segments->index_end)
        return LF_NAME_FOREIGN;
    *index = value;
    if (strcmp(name + INDEX_DIGITS, SEGMENT_SUFFIX) == 0)
        return LF_NAME_SEGMENT;
    return strcmp(name + INDEX_DIGITS, DRAFT_SUFFIX) == 0 ? LF_NAME_DRAFT : LF_NAME_FOREIGN;
}

/* ---- What a name leads to ---------------------------------------------------------------------*/

static void check_copy(const struct lf_segments *segments, const void *block, uint64_t index,
                       struct lf_segment_check *out, unsigned copy)
{
    const struct lf_file_header *header = block;
    if (lf_file_header_check(block) != 0)
        return;
    if (segments->header == NULL || !lf_file_header_same_log(header, segments->header)) {
        out->copies[copy] = LF_COPY_FOREIGN;
        return;
    }
    const struct lf_layout layout = lf_header_layout(header);
    out->indexes[copy] = lf_segment_index(&layout, header->first_lsn);
    bool is_here = header->first_lsn == lf_segment_first_lsn(&layout, index);
    out->copies[copy] = is_here ? LF_COPY_VALID : LF_COPY_MOVED;
}

void lf_segments_check_file(const struct lf_segments *segments, int fd, uint64_t index,
                            struct lf_segment_check *out)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[2 * LF_BLOCK_BYTES];
    *out = (struct lf_segment_check){.kind = LF_SEGMENT_FILE};
    for (unsigned copy = 0; copy < 2; copy++) {
        uint8_t *block = blocks + copy * LF_BLOCK_BYTES;
        memset(block, 0, LF_BLOCK_BYTES); /* what the file lacks counts as zeros */
        ssize_t got = lf_io_read_full(segments->io, fd, block, LF_BLOCK_BYTES,
                                      (uint64_t)copy * LF_BLOCK_BYTES);
        if (got >= 0)
            check_copy(segments, block, index, out, copy);
        else
            out->error = (int)got;
    }
}

/* Looked at by the way that the log's files are opened, but never for writing. */
static int check_name(const struct lf_segments *segments, enum lf_segment_name what, uint64_t index,
                      struct lf_segment_check *out)
{
    char name[LF_SEGMENT_NAME_BYTES];
    enum lf_segment_kind kind;
    lf_segments_name(what, index, name);
    int fd = open_name(segments, name, segments->open_flags & ~LOGFILE_IO_OPEN_WRITE, &kind);
    if (fd < 0 && fd != NO_FILE)
        return fd;
    *out = (struct lf_segment_check){.kind = kind};
    if (fd == NO_FILE)
        return 0;
    lf_segments_check_file(segments, fd, index, out);
    (void)segments->io->close(segments->io->context, fd);
    return 0;
}

int lf_segments_check(const struct lf_segments *segments, uint64_t index,
                      struct lf_segment_check *out)
{
    return check_name(segments, LF_NAME_SEGMENT, index, out);
}

static bool has_copy(const struct lf_segment_check *check, enum lf_segment_copy copy)
{
    return check->kind == LF_SEGMENT_FILE && (check->copies[0] == copy || check->copies[1] == copy);
}

bool lf_segment_is_whole(const struct lf_segment_check *check)
{
    return has_copy(check, LF_COPY_VALID) && !has_copy(check, LF_COPY_MOVED) &&
           !has_copy(check, LF_COPY_FOREIGN);
}

bool lf_segment_is_ours(const struct lf_segment_check *check)
{
    return (has_copy(check, LF_COPY_VALID) || has_copy(check, LF_COPY_MOVED)) &&
           !has_copy(check, LF_COPY_FOREIGN);
}

bool lf_segment_is_foreign(const struct lf_segment_check *check)
{
    return has_copy(check, LF_COPY_FOREIGN);
}

/* What a listing looks for, and finds.  No call of the io table is made from within a listing. */
struct search {
    const struct lf_segments *segments;
    enum lf_segment_name kind;
    uint64_t from;
    uint64_t end;
    uint64_t lowest;
    uint64_t highest;
    bool found;
};

static int look_at_name(void *arg, const char *name)
{
    struct search *search = arg;
    uint64_t index;
    if (lf_segments_parse(search->segments, name, &index) != search->kind || index < search->from ||
        index >= search->end)
        return 0;
    if (!search->found || index < search->lowest)
        search->lowest = index;
    if (!search->found || index > search->highest)
        search->highest = index;
    search->found = true;
    return 0;
}

int lf_segments_list(struct lf_segments *segments, int (*visit)(void *visit_arg, const char *name),
                     void *visit_arg)
{
    const struct logfile_io *io = segments->io;
    pthread_mutex_lock(&segments->listing);
    int result = io->list_directory(io->context, segments->directory, visit, visit_arg);
    pthread_mutex_unlock(&segments->listing);
    return result;
}

static int list(struct lf_segments *segments, struct search *search)
{
    search->segments = segments;
    int result = lf_segments_list(segments, look_at_name, search);
    return result < 0 ? result : 0;
}

int lf_segments_find(struct lf_segments *segments, uint64_t from, uint64_t end, uint64_t *lowest,
                     uint64_t *highest)
{
    struct search search = {.kind = LF_NAME_SEGMENT, .from = from, .end = end};
    int error = list(segments, &search);
    if (error != 0)
        return error;
    *lowest = search.lowest;
    *highest = search.highest;
    return search.found;
}

static int unlink_name(struct lf_segments *segments, enum lf_segment_name what, uint64_t index)
{
    char name[LF_SEGMENT_NAME_BYTES];
    lf_segments_name(what, index, name);
    return segments->io->unlink(segments->io->context, segments->directory, name);
}

int lf_segments_unlink(struct lf_segments *segments, uint64_t index)
{
    struct lf_segment_check check;
    lf_segments_forget(segments, index, index + 1, true);
    int error = lf_segments_check(segments, index, &check);
    if (error == 0 && check.kind == LF_SEGMENT_MISSING)
        return -ENOENT;
    if (error != 0 || !lf_segment_is_ours(&check))
        return error;
    return unlink_name(segments, LF_NAME_SEGMENT, index);
}

/* A draft need not have come as far as to have a header. */
int lf_segments_unlink_draft(struct lf_segments *segments, uint64_t index)
{
    struct lf_segment_check check;
    int error = check_name(segments, LF_NAME_DRAFT, index, &check);
    if (error == 0 && check.kind == LF_SEGMENT_MISSING)
        return -ENOENT;
    if (error == 0 && (check.kind != LF_SEGMENT_FILE || lf_segment_is_foreign(&check)))
        return -EEXIST;
    return error != 0 ? error : unlink_name(segments, LF_NAME_DRAFT, index);
}

int lf_segments_unlink_drafts(struct lf_segments *segments)
{
    uint64_t from = 0;
    for (;;) {
        struct search search = {.kind = LF_NAME_DRAFT, .from = from, .end = UINT64_MAX};
        int error = list(segments, &search);
        if (error != 0 || !search.found)
            return error;
        error = lf_segments_unlink_draft(segments, search.lowest);
        if (error != 0 && error != -ENOENT && error != -EEXIST)
            return error;
        from = search.lowest + 1;
    }
}
