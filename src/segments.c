/* SPDX-License-Identifier: MIT */
#include "segments.h"

#include "io.h"
#include "lf_assert.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define INDEX_DIGITS 16
#define SEGMENT_SUFFIX ".segment"
#define DRAFT_SUFFIX ".segment.new"

int lf_segments_init(struct lf_segments *segments, const struct logfile_io *io, const char *path,
                     unsigned open_flags)
{
    *segments = (struct lf_segments){
        .io = io, .path = path, .open_flags = open_flags, .index_end = UINT64_MAX};
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++)
        segments->open[i].fd = -1;
    int error = -pthread_mutex_init(&segments->lock, NULL);
    if (error != 0)
        return error;
    error = -pthread_cond_init(&segments->changed, NULL);
    if (error != 0)
        pthread_mutex_destroy(&segments->lock);
    return error;
}

void lf_segments_destroy(struct lf_segments *segments)
{
    lf_segments_forget(segments, 0, UINT64_MAX, true);
    pthread_cond_destroy(&segments->changed);
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

static struct lf_segment *find_open(struct lf_segments *segments, uint64_t index)
{
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++)
        if (!is_free(&segments->open[i]) && segments->open[i].index == index)
            return &segments->open[i];
    return NULL;
}

static struct lf_segment *find_free(struct lf_segments *segments)
{
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++)
        if (is_free(&segments->open[i]))
            return &segments->open[i];
    return NULL;
}

/* Clean before dirty, and the one that was used longest ago. */
static bool is_better_to_close(const struct lf_segment *a, const struct lf_segment *b)
{
    return a->dirty != b->dirty ? !a->dirty : a->used_at < b->used_at;
}

static struct lf_segment *find_one_to_close(struct lf_segments *segments)
{
    struct lf_segment *best = NULL;
    for (unsigned i = 0; i < LF_SEGMENTS_OPEN_MAX; i++) {
        struct lf_segment *segment = &segments->open[i];
        if (is_idle(segment) && (best == NULL || is_better_to_close(segment, best)))
            best = segment;
    }
    return best;
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
        struct lf_segment *segment = find_open(segments, index);
        if (segment != NULL && !segment->busy) {
            *segmentp = segment;
            return 0;
        }
        struct lf_segment *place = segment == NULL ? find_free(segments) : NULL;
        struct lf_segment *other = segment == NULL ? find_one_to_close(segments) : NULL;
        if (place != NULL) {
            *place = (struct lf_segment){.index = index, .fd = -1, .busy = true};
            *segmentp = place;
            return 0;
        }
        if (other != NULL)
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

/* What a segment's name leads to need not be a file. */
static int check_kind(const struct logfile_io *io, int fd)
{
    struct logfile_io_stat status;
    int error = io->stat(io->context, fd, &status);
    if (error != 0 || status.kind == LOGFILE_IO_REGULAR)
        return error;
    return status.kind == LOGFILE_IO_DIRECTORY ? -EISDIR : -ESPIPE;
}

static int open_segment(struct lf_segments *segments, uint64_t index)
{
    const struct logfile_io *io = segments->io;
    char path[PATH_MAX];
    int error = lf_segments_path(segments, LF_NAME_SEGMENT, index, path);
    if (error != 0)
        return error;
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, segments->open_flags, 0);
    if (fd < 0)
        return fd;
    error = check_kind(io, fd);
    if (error == 0)
        return fd;
    (void)io->close(io->context, fd);
    return error;
}

int lf_segments_acquire(struct lf_segments *segments, uint64_t index, struct lf_segment **segmentp)
{
    struct lf_segment *segment = NULL;
    pthread_mutex_lock(&segments->lock);
    int error = find_place(segments, index, &segment);
    bool is_open = error == 0 && !segment->busy;
    if (is_open)
        use(segments, segment);
    pthread_mutex_unlock(&segments->lock);
    if (error == 0 && !is_open) {
        int fd = open_segment(segments, index);
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
    pthread_mutex_lock(&segments->lock);
    segment->busy = false;
    segment->fd = fd < 0 ? -1 : fd;
    if (fd >= 0)
        use(segments, segment);
    pthread_cond_broadcast(&segments->changed);
    pthread_mutex_unlock(&segments->lock);
}

void lf_segments_renamed(struct lf_segments *segments, struct lf_segment *segment, uint64_t index)
{
    pthread_mutex_lock(&segments->lock);
    segment->index = index;
    pthread_mutex_unlock(&segments->lock);
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
    snprintf(name, LF_SEGMENT_NAME_BYTES, "%016" PRIx64 SEGMENT_SUFFIX, index);
}

int lf_segments_path(const struct lf_segments *segments, enum lf_segment_name what, uint64_t index,
                     char *path)
{
    int length = snprintf(path, PATH_MAX, "%s/%016" PRIx64 "%s", segments->path, index,
                          what == LF_NAME_DRAFT ? DRAFT_SUFFIX : SEGMENT_SUFFIX);
    return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* One digit, as lf_file_segment_name writes it; 16: no digit. */
static unsigned digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (unsigned)(digit - '0');
    return digit >= 'a' && digit <= 'f' ? (unsigned)(digit - 'a') + 10 : 16;
}

enum lf_segment_name lf_segments_parse(const struct lf_segments *segments, const char *name,
                                       uint64_t *index)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < INDEX_DIGITS; i++) {
        unsigned digit = digit_value(name[i]);
        if (digit > 15)
            return LF_NAME_FOREIGN;
        value = value << 4 | digit;
    }
    if (value >= segments->index_end)
        return LF_NAME_FOREIGN;
    *index = value;
    if (strcmp(name + INDEX_DIGITS, SEGMENT_SUFFIX) == 0)
        return LF_NAME_SEGMENT;
    return strcmp(name + INDEX_DIGITS, DRAFT_SUFFIX) == 0 ? LF_NAME_DRAFT : LF_NAME_FOREIGN;
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

static int list(const struct lf_segments *segments, struct search *search)
{
    search->segments = segments;
    int result = lf_io_list(segments->io, segments->path, look_at_name, search);
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
    char path[PATH_MAX];
    int error = lf_segments_path(segments, what, index, path);
    return error != 0 ? error : segments->io->unlink(segments->io->context, LOGFILE_IO_HERE, path);
}

int lf_segments_unlink(struct lf_segments *segments, uint64_t index)
{
    lf_segments_forget(segments, index, index + 1, true);
    return unlink_name(segments, LF_NAME_SEGMENT, index);
}

int lf_segments_unlink_drafts(struct lf_segments *segments)
{
    for (;;) {
        struct search search = {.kind = LF_NAME_DRAFT, .end = UINT64_MAX};
        int error = list(segments, &search);
        if (error != 0 || !search.found)
            return error;
        error = unlink_name(segments, LF_NAME_DRAFT, search.lowest);
        if (error != 0)
            return error;
    }
}
