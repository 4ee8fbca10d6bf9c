/* SPDX-License-Identifier: MIT */
/*
 * The log of the mutex and ping-pong design as it is usually published, reduced to what it puts on
 * the disk: to show next to ours what such a log does when something goes wrong.  One thread, and
 * one buffer of two, are enough for that.
 *
 *   A record is its size, a CRC32C of its payload, and the payload.  A size of 0 ends the log; a
 *   checksum of 0 means that there is none.  Records follow each other; the block in which the last
 *   one ends is padded with zeros, and written again with the next record.  Where the log ends is
 *   the caller's to know.  One error serves the whole log.
 */
#ifndef CLASSIC_LOG_H
#define CLASSIC_LOG_H

#include "logfile_io.h"

#include <stddef.h>
#include <stdint.h>

struct classic_record {
    uint32_t size;     /* 0: no more records */
    uint32_t checksum; /* 0: unchecked */
};

struct classic_log {
    const struct logfile_io *io;
    int fd;
    uint64_t end; /* where the next record goes */
    int error;    /* of the last write or sync that failed */
    uint8_t tail[2 * LOGFILE_IO_BLOCK];
};

/* Creates the file where there is none.  0 or -errno. */
int classic_open(struct classic_log *log, const struct logfile_io *io, const char *path,
                 uint64_t end);
/* Durable on 0; else -errno.  At most LOGFILE_IO_BLOCK - 8 bytes. */
int classic_append(struct classic_log *log, const void *data, uint32_t size);
/* What a caller that waited for a record is told. */
int classic_wait(const struct classic_log *log);
void classic_close(struct classic_log *log);

typedef void classic_visit(void *arg, const void *data, uint32_t size);
/* Visits the records from the start of the file on, up to where the log is thought to end. */
int classic_read(const struct logfile_io *io, const char *path, classic_visit *visit, void *arg);

#endif /* CLASSIC_LOG_H */
