/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a log by LSN, whether it is one file or a directory of segments.  Above this file
 * no code knows which; below it is the io table.
 *
 * A log is what was opened: the one file, or the directory and control, by their descriptors.  No
 * path is kept.  The names of segments are looked up in that directory, wherever it is moved to,
 * and whatever gets its name.
 *
 *   one file    LSN = offset in the file.
 *   directory   control                 blocks 0 to 3: file header, trim marks; the writer's lock
 *               <index, 16 hex digits>.segment
 *                                       blocks 0 and 1 a file header of its own, then epochs;
 *                                       LSN = index * segment_bytes + offset
 *               <index>.segment.new     a segment that is being made, or was when its maker died
 *
 * Segments exist without a gap from the one that holds the oldest LSN to the last one prepared.
 * Those below it have been released: they wait to be unlinked, or to be recycled: a released
 * segment gets the header of the next one to be prepared, synced, and then its name, with the
 * directory synced.  Nothing else of it changes, because stale epochs are not valid where they
 * lie.  One that has a second name is not the log's alone, and only loses the log's.  Anything else
 * in the directory is foreign and left alone: another name, and what has the name of a segment but
 * is no file, or no file of this log.
 *
 * Threads: read, write, sync, extend, release and has_segment may be called by several at once, the
 * others by one alone.  A call that writes or syncs a segment that is open takes one lock, briefly,
 * for the look-up.  Nothing is allocated after lf_file_adopt.
 *
 * Every call returns 0, a count, or -errno.
 */
#ifndef LF_FILE_H
#define LF_FILE_H

#include "base/events.h"
#include "format/format.h"
#include "logfile_io.h"
#include "storage/segments.h"

#include <pthread.h>

#define LF_CONTROL_NAME "control"
#define LF_DRAFT_NAME_BYTES 24

struct lf_file {
    const struct logfile_io *io;
    struct lf_events *events; /* NULL, or told of what happens to the log */
    int fd;                   /* the one file, or control */
    bool is_directory;
    int directory; /* the log's own, in which its names are; -1: it is one file */
    /* Where the log's own name is, while it may still be given up; -1, NULL: it stays. */
    int parent;
    char *name;
    bool may_write;
    bool had_name; /* the io table has told of a name that leads to fd; only where it may write */
    struct lf_layout layout;      /* known when adopted, */
    struct lf_file_header header; /* as this is */
    uint64_t punched;             /* one file: what is below has been given back */
    /* The rest is for directories only. */
    struct lf_segments segments;
    pthread_mutex_t changing; /* one thread at a time makes, releases or removes segments */
    void *prologue;           /* blocks 0 to 3 of the segment that is being made */
    uint64_t header_bytes;    /* W: threads that extend (fetch-add).  R: stats. */
    uint64_t made_count;      /* the same: segments, new or recycled */
};

/* A name in a log's directory that does not belong to it. */
typedef void lf_file_visit(void *arg, const char *name);

/* ---- Opening ---- */

/*
 * Takes a file, or a control file and its directory, that have been opened already: `fd` and
 * `directory` become the file's own.  directory: -1 for a one-file log.  open_flags: of fd, and of
 * the segments.  Nothing is read.  -errno of a lock that cannot be made: they are still the
 * caller's.
 */
int lf_file_init(struct lf_file *file, const struct logfile_io *io, int fd, unsigned open_flags,
                 int directory);
/* The log is new, and may be given up by lf_file_discard: it has this name in this directory, whose
 * descriptor becomes the file's own.  -ENOMEM: it is still the caller's. */
int lf_file_may_be_discarded(struct lf_file *file, int parent, const char *name);
/* The log stays: forgets its name. */
void lf_file_keep(struct lf_file *file);
/* Opens for reading: a regular file, or a directory that holds a control file.  -EISDIR: a
 * directory that is no log; -ESPIPE: FIFO, socket, device; any -errno of open. */
int lf_file_open(struct lf_file *file, const struct logfile_io *io, const char *path);
/* Opens a regular file, or the control file of a directory: a descriptor, or an error as above.
 * *directory: a descriptor of that directory; -1: it is a file. */
int lf_file_open_path(const struct logfile_io *io, const char *path, unsigned open_flags,
                      int *directory);
/* Without the slashes at its end. */
size_t lf_file_path_length(const char *path);
/*
 * After the file header has been read: LOGFILE_EFORMAT when it does not go with what was opened (a
 * segment by itself, a one-file log's header in a directory).  In a directory, finds the segments:
 * from the one that holds oldest_lsn on; those below are released.  Nothing on disk is changed.
 * -ENOMEM, -errno.  May be called again.
 */
int lf_file_adopt(struct lf_file *file, const struct lf_file_header *header, uint64_t oldest_lsn);
/* Removes what a crash left of segments that were being made.  For the one who holds the writer's
 * lock, when the log has been accepted.  -errno. */
int lf_file_remove_drafts(struct lf_file *file);
/* For a reader: looks again which segments there are, and forgets which it had open: they may have
 * been replaced.  -errno. */
int lf_file_refresh(struct lf_file *file, uint64_t oldest_lsn);
void lf_file_close(struct lf_file *file);
/*
 * Removes the log, which has nothing in it: first its name, if it still leads to what this opener
 * made; then the bytes, then the rest.  Files that are not its own stay in its directory, under the
 * name of a draft.  Where the process lacks a descriptor to look at the name, a whole log that has
 * nothing in it stays.  Errors do not matter.
 */
void lf_file_discard(struct lf_file *file);
/* The name that a log has while it is made, or removed: short, for the log's own may be as long as
 * names can be. */
void lf_file_draft_name(uint64_t number, char name[LF_DRAFT_NAME_BYTES]);
bool lf_file_is_directory(const struct lf_file *file);

/* ---- Bytes ---- */

/* Where bytes are: in which open file, from which offset, and how many up to the end of the segment.
 * A log that is one file is one segment that never ends. */
struct lf_place {
    struct lf_segment *segment; /* that is held; NULL: the file that is open from the start */
    int fd;
    uint64_t offset;
    uint64_t room;
};

/* The same by segment and offset in it. */
int lf_file_hold_segment(struct lf_file *file, uint64_t index, uint64_t offset, bool to_sync,
                         struct lf_place *place);
/*
 * Finds where the bytes at an LSN are, and keeps that file open until lf_file_let_go, which may
 * follow on an error too.  Below LF_FIRST_LSN: the log's own blocks 0 to 3.  to_sync: as
 * lf_segments_acquire.  -ENOENT: there is no such segment.
 */
static inline int lf_file_hold(struct lf_file *file, uint64_t lsn, bool to_sync,
                               struct lf_place *place)
{
    uint64_t segment_bytes = file->layout.segment_bytes;
    if (file->is_directory && lsn >= LF_FIRST_LSN)
        return lf_file_hold_segment(file, lsn / segment_bytes, lsn % segment_bytes, to_sync, place);
    *place = (struct lf_place){.fd = file->fd,
                               .offset = lsn,
                               .room = (file->is_directory ? LF_FIRST_LSN : UINT64_MAX) - lsn};
    return 0;
}
/* changed: something was written that is not durable yet. */
static inline void lf_file_let_go(struct lf_file *file, const struct lf_place *place, bool changed)
{
    if (place->segment != NULL)
        lf_segments_release(&file->segments, place->segment, changed);
}

/* Blocks 0 to 3 of the log, wherever they are. */
ssize_t lf_file_read_prologue(struct lf_file *file, void *buffer, size_t bytes, uint64_t offset);
/*
 * What the name of a segment leads to, and what blocks 0 and 1 of it say: see
 * struct lf_segment_check.  Looked up anew, whatever files are open.  For directories only, after
 * lf_file_adopt.  -errno: that cannot be told.
 */
int lf_file_check_segment(struct lf_file *file, uint64_t index, struct lf_segment_check *out);
/* How much of them there is: LF_FIRST_LSN, or less where the file has been cut.  0 or -errno. */
int lf_file_prologue_bytes(struct lf_file *file, uint64_t *bytes);
/* Blocks 0 and 1 of one segment.  -ENOENT: there is no such segment. */
ssize_t lf_file_read_segment_header(struct lf_file *file, uint64_t index, void *buffer,
                                    size_t bytes);
/* Writes one of the two blocks again, and syncs.  -ENOENT: there is no such segment. */
int lf_file_write_segment_header(struct lf_file *file, uint64_t index, unsigned copy,
                                 const void *block);
/* Bytes up to the end of the file, or of the segment that holds lsn; 0 where there is none.  Below
 * LF_FIRST_LSN: up to there, of the log's own blocks 0 to 3. */
ssize_t lf_file_read(struct lf_file *file, uint64_t lsn, void *buffer, size_t bytes);
/* Whether an epoch at lsn is the first one of a segment. */
static inline bool lf_file_starts_segment(const struct lf_file *file, uint64_t lsn)
{
    return file->is_directory && lsn % file->layout.segment_bytes == LF_FIRST_LSN;
}
/* Before an epoch is written at lsn: where it is the first one of its segment, makes sure that what
 * was made ready before is there still.  -ESTALE: its name leads to another file by now, or to none,
 * and what is written to it would be lost with it. */
int lf_file_enter(struct lf_file *file, uint64_t lsn);
/*
 * Whether the file, or one that records up to end_lsn are in and that is open, has lost its last
 * name: -ESTALE, with its name in the log's directory, "" of one file; else 0.  What is written to it
 * can be read until the log is closed, and not after that.  Believed only of a file that had a
 * name before.
 */
int lf_file_check_removed(struct lf_file *file, uint64_t end_lsn, char name[LF_SEGMENT_NAME_BYTES]);
/* All of it.  Never across the end of a segment.  flags: LOGFILE_IO_WRITE_DSYNC.  Below
 * LF_FIRST_LSN: the log's own blocks 0 to 3.  -ENOENT: there is no such segment. */
int lf_file_write(struct lf_file *file, uint64_t lsn, const void *buffer, size_t bytes,
                  unsigned flags);
/* Makes durable what was written to or allocated in the segments that [from, to) touches, opening
 * those that are not open; one that is missing has nothing to sync.  Below LF_FIRST_LSN: the log's
 * own blocks 0 to 3; before lf_file_adopt, in a directory, only those. */
int lf_file_sync(struct lf_file *file, uint64_t from, uint64_t to);
/* Whether the segments can be opened that [from, to) touches: 0 or -errno.  Those that fit the table
 * of open ones stay open. */
int lf_file_open_range(struct lf_file *file, uint64_t from, uint64_t to);
/* Where the log's bytes end: behind the last byte of the last segment. */
int lf_file_end_lsn(struct lf_file *file, uint64_t *end_lsn);
/* Whether the segment that holds lsn is there; true in a one-file log, and where there is an error
 * that a read will give too. */
bool lf_file_has_segment(struct lf_file *file, uint64_t lsn);
/* The first segment that exists at or above `index`.  1: found; 0: none.  One call gets past a gap
 * of any size.  For directories only. */
int lf_file_next_segment(struct lf_file *file, uint64_t index, uint64_t *found);
/* Drop what is cached of everything from `lsn` on. */
void lf_file_drop_cache(struct lf_file *file, uint64_t lsn);
/* The same of the one file that holds lsn. */
void lf_file_drop_cache_at(struct lf_file *file, uint64_t lsn);
int lf_file_locked(struct lf_file *file);

/* ---- Space ---- */

/*
 * Makes [from, to) allocated, creating or recycling the segments that it touches, each durable
 * under its name before anything of it counts as allocated.  *reached: up to where it is done, also
 * on an error.  [from, *written) lies in recycled segments and was written before, but perhaps for
 * blocks behind the last epoch that was there.  allocate = false: create the segments only.  What
 * was allocated in a segment that existed is durable after lf_file_sync.
 * -EOPNOTSUPP: the file system cannot allocate; the segment that *reached lies in has been made.
 * -ESTALE: a segment that was there is gone.  -EEXIST: something that is not this log's has a
 * segment's name.  Errors of which lf_file_is_refusal is true: see there.
 */
int lf_file_extend(struct lf_file *file, uint64_t from, uint64_t to, bool allocate,
                   uint64_t *reached, uint64_t *written);
/* Whether an error of lf_file_extend says that there is no room, or that a segment cannot be opened
 * or made for now: nothing that was written has been harmed, and the same may work later.  Any other
 * is a broken disk, or a log that was tampered with. */
bool lf_file_is_refusal(int error);
/* What the file system says that it has left; UINT64_MAX: no limit known.  -errno. */
int lf_file_free_bytes(struct lf_file *file, uint64_t *free_bytes);
/* Gives back what lf_file_extend got from `end` on, also when it failed halfway: truncates, and
 * removes the segments that begin there or later.  Nothing at or above `end` has been written to but
 * zeros, nor is while this runs.  Errors do not matter. */
void lf_file_give_back(struct lf_file *file, uint64_t end);
/* Cuts everything from `end` on, so that it never comes back: unlinks later segments, truncates,
 * and syncs.  (Recovery.) */
int lf_file_cut(struct lf_file *file, uint64_t end);
/* The same without the syncs, for what was prepared and never used, and for segments that wait to
 * be recycled.  (Clean close.) */
void lf_file_shrink(struct lf_file *file, uint64_t end);
/*
 * Gives back what is below `lsn`, after a trim mark that says so is durable: punches a hole, or
 * releases whole segments: keeps at most `spare_count` for recycling and unlinks the others, the
 * oldest first.  -EOPNOTSUPP where the file system cannot punch.
 */
int lf_file_release(struct lf_file *file, uint64_t lsn, unsigned spare_count);

/* Calls visit for everything in a log's directory that is foreign.  -errno. */
int lf_file_visit_foreign(struct lf_file *file, lf_file_visit *visit, void *arg);

#endif /* LF_FILE_H */
