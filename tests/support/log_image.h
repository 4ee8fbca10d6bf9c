/* SPDX-License-Identifier: MIT */
/*
 * Logs in memory, byte by byte: for tests of what reads logs, and for the golden files.  The image
 * is built with the library's own encoders; tests then damage it at will.
 */
#ifndef LOG_IMAGE_H
#define LOG_IMAGE_H

#include "format.h"
#include "logfile_io.h"

#include <stddef.h>
#include <stdint.h>

struct log_image {
    uint8_t *bytes;
    size_t size; /* of the file; grows in whole blocks */
    size_t capacity;
    struct lf_chain chain; /* chain.lsn is where the epoch in the making starts */
    uint64_t slot_bytes;
    uint64_t promise; /* of the epochs that are sealed; follows them unless hold_promise */
    int hold_promise;
    uint32_t flags;  /* of the epochs with records: 0 or LF_EPOCH_HEADER_CHECKSUM */
    uint32_t length; /* of the epoch in the making */
    uint32_t record_count;
};

/* A log that was created and never opened.  `number` makes id and salt. */
void log_image_new(struct log_image *image, uint64_t slot_bytes, unsigned number);
/* A deep copy. */
void log_image_copy(struct log_image *to, const struct log_image *from);
void log_image_free(struct log_image *image);

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
/* Lets the log start at the epoch at `lsn`: writes the next trim mark and zeros below it. */
void log_image_trim(struct log_image *image, uint64_t lsn);

/* Makes a file of the image, on stable storage. */
void log_image_store(const struct log_image *image, const struct logfile_io *io, const char *path);

/* The header of the epoch that starts at `lsn`. */
struct lf_epoch_header *log_image_epoch(struct log_image *image, uint64_t lsn);
/* Makes a header's checksum right again after a change. */
void log_image_reseal(struct log_image *image, struct lf_epoch_header *header);

#endif /* LOG_IMAGE_H */
