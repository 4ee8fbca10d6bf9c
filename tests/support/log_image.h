/* SPDX-License-Identifier: MIT */
/*
 * Logs in memory, byte by byte: for tests of what reads logs, and for the golden files.  The image
 * is built with the library's own encoders; tests then damage it at will.
 *
 * A log of segments lies in memory as it does by LSN: segment `index` from index * segment_bytes
 * on, its file header first.  What its control file holds is below LF_FIRST_LSN; the header of
 * segment 0, whose bytes would be there too, is made when the image is stored.
 */
#ifndef LOG_IMAGE_H
#define LOG_IMAGE_H

#include "format/format.h"
#include "logfile_io.h"

#include <stddef.h>
#include <stdint.h>

/* What every epoch says of the time: 2026-01-01. */
#define LOG_IMAGE_TIME_NS (UINT64_C(1767225600) * 1000000000u)

struct log_image {
    uint8_t *bytes;
    size_t size; /* of the file; grows in whole blocks */
    size_t capacity;
    struct lf_chain chain; /* chain.lsn is where the epoch in the making starts */
    uint64_t slot_bytes;
    uint64_t segment_bytes; /* 0: one file */
    uint64_t oldest_lsn;
    struct lf_trim_mark mark; /* the one that counts, unsealed */
    unsigned number;          /* makes id and salt */
    uint64_t promise;         /* of the epochs that are sealed; follows them unless hold_promise */
    int hold_promise;
    uint32_t flags;  /* of the epochs with records: 0 or LF_EPOCH_HEADER_CHECKSUM */
    uint32_t length; /* of the epoch in the making */
    uint32_t record_count;
};

/* A log that was created and never opened.  `number` makes id and salt. */
void log_image_new(struct log_image *image, uint64_t slot_bytes, unsigned number);
/* The same as a directory with its first segment. */
void log_image_new_segments(struct log_image *image, uint64_t slot_bytes, uint64_t segment_bytes,
                            unsigned number);
/* A deep copy. */
void log_image_copy(struct log_image *to, const struct log_image *from);
void log_image_free(struct log_image *image);

/* The trim marks follow OPEN and CLOSE epochs and trims, unless hold_promise. */
/* Appends an OPEN epoch: the next incarnation, with a nonce that depends on its number. */
void log_image_open(struct log_image *image);
/* Adds a record to the epoch in the making; returns its LSN. */
uint64_t log_image_record(struct log_image *image, const void *data, size_t size);
/* Adds a PAD record of that many payload bytes. */
void log_image_pad(struct log_image *image, size_t size);
/* Ends the epoch in the making; returns its LSN. */
uint64_t log_image_seal(struct log_image *image);
/* Appends a CLOSE epoch. */
void log_image_close(struct log_image *image);
/* Adds zero bytes to the end of the file, as the preparer does. */
void log_image_extend(struct log_image *image, size_t bytes);
/* Lets the log start at the epoch at `lsn`: writes the next trim marks, and in a one-file log zeros
 * below it; of a directory, segments below are not stored. */
void log_image_trim(struct log_image *image, uint64_t lsn);

/* Writes image->mark, with the next sequence number, into both copies: whatever has been made of those
 * since is gone. */
void log_image_write_marks(struct log_image *image);

/* Ends epochs, with a record of `size` bytes each, until the next one is in another segment;
 * returns the LSN of the last. */
uint64_t log_image_fill_segment(struct log_image *image, size_t size);
/* Adds a segment that has been prepared and is not used yet. */
void log_image_prepare_segment(struct log_image *image);

/* What is in a segment's file; to be freed. */
uint8_t *log_image_segment(const struct log_image *image, uint64_t index, size_t *size);
/* Makes a file of the image, or a directory, on stable storage, over what may be there. */
void log_image_store(const struct log_image *image, const struct logfile_io *io, const char *path);
/* Writes one segment of it, over what may be there. */
void log_image_store_segment(const struct log_image *image, const struct logfile_io *io,
                             const char *path, uint64_t index);
/* The path of a segment in the directory `path`; static, valid until four more calls. */
const char *log_image_segment_path(const char *path, uint64_t index);

/* The header of the epoch that starts at `lsn`. */
struct lf_epoch_header *log_image_epoch(struct log_image *image, uint64_t lsn);
/* Makes a header's checksum right again after a change. */
void log_image_reseal(struct log_image *image, struct lf_epoch_header *header);

#endif /* LOG_IMAGE_H */
