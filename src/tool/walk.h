/* SPDX-License-Identifier: MIT */
/*
 * Walks a whole log for verify, stat and dump: every epoch, and past every damage, with the
 * cursor that readers use.  Unlike a reader it also sees epochs without records, and what a
 * writer has not yet made durable.  One damaged copy of a file header or of the trim mark is no
 * damage to the log: the next open for append makes it good again, if it accepts the log.  It is
 * counted apart.
 */
#ifndef LF_TOOL_WALK_H
#define LF_TOOL_WALK_H

#include "format/record.h"
#include "read/cursor.h"

struct lf_walk {
    /* cursor.scan.epoch is the epoch that lf_walk_next stopped at; cursor.tail, at damage, what is
     * missing, and at the end how the log ends. */
    struct lf_cursor cursor;
    bool at_end; /* nothing that is whole follows */
    bool failed; /* reading has failed, of a block at least */
    /* Passed so far. */
    uint64_t epoch_count;
    uint64_t record_count;
    uint64_t payload_bytes;
    uint64_t damage_count;
    uint64_t damaged_copies; /* of file headers and trim marks whose other copy is whole */
};

/* Opens a file, or a directory with a log, for reading.  Errors as lf_file_open. */
int lf_walk_open(struct lf_walk *walk, const struct logfile_io *io, const char *path);
/* Reads the blocks before the first epoch.  Errors as lf_scan_open. */
int lf_walk_start(struct lf_walk *walk);
/* Whether there is a file header to go by; without one nothing can be said of trim marks. */
bool lf_walk_has_header(const struct lf_walk *walk);
/* EPOCH; DAMAGE: it has been passed, unless at_end says that nothing whole follows; END; FAILED. */
enum lf_step lf_walk_next(struct lf_walk *walk);
/* The record at *offset of the present epoch; moves *offset on.  False at the epoch's end.  Start
 * with LF_EPOCH_HEADER_BYTES. */
bool lf_walk_record(const struct lf_walk *walk, uint32_t *offset, struct lf_record_view *view);
void lf_walk_close(struct lf_walk *walk);

/* What the end and all damage passed on the way amount to. */
enum logfile_verdict lf_walk_verdict(const struct lf_walk *walk);
const char *lf_walk_verdict_name(enum logfile_verdict verdict);
/* ", repairable" if copies are damaged and the next open for append repairs them, else "". */
const char *lf_walk_repairable(const struct lf_walk *walk);

/* How a damaged copy whose other copy is whole is reported. */
struct lf_walk_copy_words {
    const char *kind; /* what the line starts with */
    const char *fate; /* what it ends with: what the next open for append does with the copy */
};
/* After the walk: only then is it known whether that open accepts the log. */
struct lf_walk_copy_words lf_walk_copy_words(const struct lf_walk *walk);

#endif /* LF_TOOL_WALK_H */
