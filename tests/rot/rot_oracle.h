/* SPDX-License-Identifier: MIT */
/*
 * What docs/FORMAT.md says that must be read of a damaged log, and with which verdict: sections 3,
 * 4, 6, 7 and 10 once more, written from the page.  Nothing here computes a checksum: a header is
 * valid, an epoch whole and a trim mark valid if it is, byte by byte, one that was once written for
 * this place.
 */
#ifndef ROT_ORACLE_H
#define ROT_ORACLE_H

#include "logfile.h"
#include "rot_log.h"

struct rot_oracle {
    const struct rot_log *log;
    struct memory_disk *disk;                             /* the damaged one */
    const struct memory_file *segments[MEMORY_FILES_MAX]; /* by index; the one file is the first */
    struct lf_trim_mark mark;
    unsigned bad_copy_count; /* of file header and trim mark */
    /* The next epoch. */
    uint64_t lsn;
    uint64_t number;
    uint64_t nonce;
    uint32_t chain;
    uint32_t incarnation; /* 0: any */
    /* The last one; NULL at the start, and where the walk went on behind damage. */
    const struct rot_epoch *last;
    const struct rot_epoch *epoch; /* whose records are being given */
    uint32_t offset;
    uint64_t promised_lsn;
    unsigned damage_count;
};

enum rot_event_kind {
    ROT_RECORD,
    ROT_DAMAGE, /* tail.resume_lsn is 0: nothing that is whole follows */
    ROT_END
};

struct rot_event {
    enum rot_event_kind kind;
    uint64_t lsn; /* of the record */
    uint32_t size;
    const uint8_t *data; /* what the damaged log has there */
    struct logfile_tail tail;
};

/* What blocks 0 to 3 say: 0, LOGFILE_EFORMAT, LOGFILE_ECORRUPT, -EISDIR, -ENOENT. */
int rot_oracle_start(struct rot_oracle *oracle, const struct rot_log *log,
                     struct memory_disk *disk);
/* Not to be called again after ROT_END, or ROT_DAMAGE with nothing behind it. */
struct rot_event rot_oracle_next(struct rot_oracle *oracle);
/* Segments whose own header is not what it should be. */
unsigned rot_oracle_bad_segments(const struct rot_oracle *oracle);
/* Whether a payload is covered by no checksum. */
bool rot_is_uncovered(const struct rot_epoch *epoch, uint64_t offset);

#endif /* ROT_ORACLE_H */
