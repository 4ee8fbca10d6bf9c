/* SPDX-License-Identifier: MIT */
/*
 * The logs that rot: each with all that was ever written to it, so that what is left of it after
 * some damage can be told by comparing bytes, without a single checksum.
 */
#ifndef ROT_LOG_H
#define ROT_LOG_H

#include "format/format.h"
#include "rot/memory_disk.h"

#define ROT_EPOCHS_MAX 320
#define ROT_MARKS_MAX 16
#define ROT_VERSIONS_MAX 3
#define ROT_SECTOR_BYTES 512u

/* An epoch as it was written. */
struct rot_epoch {
    struct lf_epoch_header header;
    uint8_t *bytes; /* its extent */
    uint64_t extent;
};

struct rot_log {
    const char *name;
    struct memory_disk disk;                       /* as it should be */
    struct memory_disk versions[ROT_VERSIONS_MAX]; /* what was in the same places before */
    unsigned version_count;
    struct memory_disk other; /* of segments: another log with the same names */
    struct lf_layout layout;
    uint8_t header[LF_BLOCK_BYTES]; /* of the log: both copies */
    uint8_t other_header[LF_BLOCK_BYTES];
    _Alignas(8) uint8_t marks[ROT_MARKS_MAX][LF_BLOCK_BYTES];
    unsigned mark_count;
    struct rot_epoch epochs[ROT_EPOCHS_MAX]; /* of all versions */
    unsigned epoch_count;
    uint64_t oldest_lsn; /* and the rest is of the log as it should be */
    uint64_t end_lsn;
    bool is_closed;
};

unsigned rot_log_count(void);
const char *rot_log_name(unsigned number);
/* NULL: no log has that name.  To be freed. */
struct rot_log *rot_log_new(const char *name);
void rot_log_free(struct rot_log *log);

/* The name of the file that holds a segment, or the one file; static, valid until four more calls. */
const char *rot_segment_name(const struct rot_log *log, uint64_t index);
/* The block of a segment's header, as both copies should be, made of that of the control file. */
void rot_segment_header(const struct rot_log *log, const uint8_t control[LF_BLOCK_BYTES],
                        uint64_t index, uint8_t block[LF_BLOCK_BYTES]);

/* ---- Places: all bytes of all files, one file behind the other, in the order of their names ---- */

struct rot_place {
    struct memory_file *file;
    size_t offset;
};
uint64_t rot_bytes(struct memory_disk *disk);
struct rot_place rot_place(struct memory_disk *disk, uint64_t position);
unsigned rot_file_count(struct memory_disk *disk);
struct memory_file *rot_file(struct memory_disk *disk, unsigned number);

#endif /* ROT_LOG_H */
