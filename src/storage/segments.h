/* SPDX-License-Identifier: MIT */
/*
 * The segment files in the directory of a log: their names, and the few that are open.
 *
 * A thread that reads, writes or syncs a segment acquires its descriptor and releases it
 * afterwards; the lock is held for the look-up only, never over a call of the io table.  When a
 * place is needed for another segment, the one that was used longest ago is closed.  One that was
 * written to and not yet synced is synced first, because a later descriptor would not be told of
 * its failure; and because that failure may concern another thread, which wrote there, it ends the
 * use of all segments.
 *
 * A name in the directory is only a name: anything may stand in a segment's place, and what stood
 * there may have been exchanged.  What is opened for writing, taken over, given another name or
 * removed is looked at before: it must carry this log's header.
 *
 * Nothing is allocated here.  Every call returns 0, or -errno, where it does not say more.
 */
#ifndef LF_SEGMENTS_H
#define LF_SEGMENTS_H

#include "format/format.h"
#include "logfile_io.h"
#include "storage/facts.h"

#include <pthread.h>
#include <stdbool.h>

#define LF_SEGMENT_NAME_BYTES 32
#define LF_SEGMENTS_OPEN_MAX 16

struct lf_segment {
    uint64_t index;
    int fd;           /* -1: none */
    bool busy;        /* one thread opens, makes or closes it, without the lock */
    bool dirty;       /* written to or allocated since its last sync began */
    bool had_name;    /* the io table has told of a name that leads to it */
    unsigned users;   /* calls that use it just now */
    uint64_t used_at; /* for choosing one to close */
};

/* Which segments of the log there are. */
struct lf_segment_range {
    uint64_t released; /* [released, first) wait to be recycled or removed; some may be missing */
    uint64_t first;    /* [first, end) exist, unless they were tampered with */
    uint64_t end;
};

struct lf_segments {
    const struct logfile_io *io;
    int directory;                       /* descriptor of the log's directory: its owner's */
    const struct lf_file_header *header; /* the log's own, to tell its segments by; NULL: not yet */
    /* For those to be opened. */
    unsigned open_flags;
    mode_t mode;
    struct lf_facts *facts;  /* NULL, or told of each that is opened */
    bool never_syncs;        /* no thread waits for a sync: nothing counts as dirty */
    uint64_t index_end;      /* a name with this index or a greater one is foreign */
    pthread_mutex_t listing; /* the directory's descriptor is listed by one at a time */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* some place is no longer busy, or has lost its last user */
    struct lf_segment open[LF_SEGMENTS_OPEN_MAX];
    uint64_t clock;
    struct lf_segment_range range;
    int error; /* of a sync that was made to close a segment */
};

/* On an error there is nothing to be destroyed. */
int lf_segments_init(struct lf_segments *segments, const struct logfile_io *io, int directory,
                     unsigned open_flags);
/* Closes all, syncing none.  None is in use. */
void lf_segments_destroy(struct lf_segments *segments);

/* ---- Descriptors ---- */

/*
 * Gets hold of a segment, opening it where that is needed.  to_sync: the caller syncs it before the
 * release, or else says there that it changed; what others write from now on makes it dirty again.
 * -ENOENT: there is none; also when something else has its name: no file, or, for writing, a file of
 * another log.  *segmentp is NULL on an error.
 */
int lf_segments_acquire(struct lf_segments *segments, uint64_t index, bool to_sync,
                        struct lf_segment **segmentp);
/* changed: something was written to it, or allocated, that is not durable yet. */
void lf_segments_release(struct lf_segments *segments, struct lf_segment *segment, bool changed);
/* A sync of the segment begins: what is written from now on makes it dirty again. */
int lf_segments_sync(struct lf_segments *segments, struct lf_segment *segment);
/* Gets a place for a segment that is about to be made; no other thread gets hold of it before
 * lf_segments_settle. */
int lf_segments_reserve(struct lf_segments *segments, uint64_t index, struct lf_segment **segmentp);
/* The segment has been made, and is acquired; fd < 0: it has not, and the place is free. */
void lf_segments_settle(struct lf_segments *segments, struct lf_segment *segment, int fd);
/* The segment's file has another name now.  fd: what it is to be used by from now on: its own
 * descriptor, or one that the new name gave; then the old one, which owes no sync, is closed. */
void lf_segments_renamed(struct lf_segments *segments, struct lf_segment *segment, uint64_t index,
                         int fd);
/* A descriptor, the caller's own, of what the segment's name leads to; errors as of
 * lf_segments_acquire. */
int lf_segments_open_name(struct lf_segments *segments, uint64_t index);
/* Whether a segment of [from, end) that is open, and had a name when it was opened, has none any
 * more; *index: which. */
bool lf_segments_find_removed(struct lf_segments *segments, uint64_t from, uint64_t end,
                              uint64_t *index);
/* Closes the segments of [from, end) that are open: all, when their users are done with them; or
 * only those that are neither in use nor dirty. */
void lf_segments_forget(struct lf_segments *segments, uint64_t from, uint64_t end, bool all);

struct lf_segment_range lf_segments_range(struct lf_segments *segments);
void lf_segments_set_range(struct lf_segments *segments, struct lf_segment_range range);

/* ---- Names ---- */

enum lf_segment_name {
    LF_NAME_FOREIGN,
    LF_NAME_SEGMENT,
    LF_NAME_DRAFT /* of a segment while it is made; a crash leaves it behind */
};
/* The name of a segment within the directory. */
void lf_file_segment_name(uint64_t index, char name[LF_SEGMENT_NAME_BYTES]);
/* What a name in the directory is, and the index of the segment. */
enum lf_segment_name lf_segments_parse(const struct lf_segments *segments, const char *name,
                                       uint64_t *index);
/* The name of a segment, or of its draft. */
void lf_segments_name(enum lf_segment_name what, uint64_t index, char name[LF_SEGMENT_NAME_BYTES]);
/* Visits the names in the directory. */
int lf_segments_list(struct lf_segments *segments, int (*visit)(void *visit_arg, const char *name),
                     void *visit_arg);
/* Looks which segments of [from, end) there are.  1: the lowest and the highest; 0: none. */
int lf_segments_find(struct lf_segments *segments, uint64_t from, uint64_t end, uint64_t *lowest,
                     uint64_t *highest);
/* Removes a segment of this log; -ENOENT: there was none.  What is not known to be one stays, and
 * that is no error. */
int lf_segments_unlink(struct lf_segments *segments, uint64_t index);
/* Removes a draft; -ENOENT: there was none; -EEXIST: what has its name is not this log's. */
int lf_segments_unlink_draft(struct lf_segments *segments, uint64_t index);
/* Removes what crashes left behind.  Only the one who holds the writer's lock may. */
int lf_segments_unlink_drafts(struct lf_segments *segments);

/* ---- What a name leads to ---- */

enum lf_segment_kind {
    LF_SEGMENT_MISSING,
    LF_SEGMENT_FILE,
    LF_SEGMENT_DIRECTORY,
    LF_SEGMENT_LINK, /* symbolic */
    LF_SEGMENT_OTHER /* FIFO, socket, device */
};

/* What a copy of the header says. */
enum lf_segment_copy {
    LF_COPY_DAMAGED, /* nothing that is valid */
    LF_COPY_VALID,   /* it is this segment */
    LF_COPY_MOVED,   /* it is a segment of this log, with another index */
    LF_COPY_FOREIGN  /* it belongs to another log, or to one with other sizes */
};

struct lf_segment_check {
    enum lf_segment_kind kind;
    enum lf_segment_copy copies[2]; /* in blocks 0 and 1 of a file */
    uint64_t indexes[2];            /* that they name, if they are this log's */
    int error;                      /* -errno with which they could not be read; then DAMAGED */
};

/* Looks what a segment's name leads to now, whatever file is open.  -errno: that cannot be told. */
int lf_segments_check(const struct lf_segments *segments, uint64_t index,
                      struct lf_segment_check *out);
/* The same of an open file. */
void lf_segments_check_file(const struct lf_segments *segments, int fd, uint64_t index,
                            struct lf_segment_check *out);
/* It is this segment: a copy says so, and none says otherwise. */
bool lf_segment_is_whole(const struct lf_segment_check *check);
/* It belongs to this log: a copy says so, whatever its index is, and none says otherwise. */
bool lf_segment_is_ours(const struct lf_segment_check *check);
/* A copy says that it belongs to another log. */
bool lf_segment_is_foreign(const struct lf_segment_check *check);

#endif /* LF_SEGMENTS_H */
