/* SPDX-License-Identifier: MIT */
#include "classic_log.h"

#include "format/checksum.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
    HEADER = sizeof(struct classic_record)
};

int classic_open(struct classic_log *log, const struct logfile_io *io, const char *path,
                 uint64_t end)
{
    ssize_t got;

    *log = (struct classic_log){.io = io, .end = end};
    log->fd = io->open(io->context, LOGFILE_IO_HERE, path, LOGFILE_IO_OPEN_WRITE, 0);
    if (log->fd == -ENOENT)
        log->fd = io->open(io->context, LOGFILE_IO_HERE, path,
                           LOGFILE_IO_OPEN_WRITE | LOGFILE_IO_OPEN_CREATE, 0644);
    if (log->fd < 0)
        return log->fd;
    /* The block that the next record shares with what is there already. */
    got = io->read(io->context, log->fd, log->tail, end % LOGFILE_IO_BLOCK,
                   end - end % LOGFILE_IO_BLOCK);
    return got < 0 ? (int)got : 0;
}

/* Writes and syncs the blocks of the tail, the first of which may be on the disk already. */
static int flush_tail(struct classic_log *log, size_t bytes)
{
    const struct logfile_io *io = log->io;
    size_t blocks = (bytes + LOGFILE_IO_BLOCK - 1) / LOGFILE_IO_BLOCK;
    ssize_t written = io->write(io->context, log->fd, log->tail, blocks * LOGFILE_IO_BLOCK,
                                log->end - log->end % LOGFILE_IO_BLOCK, 0);

    return written < 0 ? (int)written : io->sync(io->context, log->fd);
}

/* The tail begins with the block that the next record shares. */
static void advance(struct classic_log *log, size_t used, size_t bytes)
{
    log->end += bytes;
    if (used + bytes < LOGFILE_IO_BLOCK)
        return;
    memmove(log->tail, log->tail + LOGFILE_IO_BLOCK, LOGFILE_IO_BLOCK);
    memset(log->tail + LOGFILE_IO_BLOCK, 0, LOGFILE_IO_BLOCK);
}

int classic_append(struct classic_log *log, const void *data, uint32_t size)
{
    const struct classic_record record = {size, lf_crc32c(0, data, size)};
    const size_t used = log->end % LOGFILE_IO_BLOCK;
    int error;

    memcpy(log->tail + used, &record, HEADER);
    memcpy(log->tail + used + HEADER, data, size);
    error = flush_tail(log, used + HEADER + size);
    if (error != 0)
        log->error = error;
    else
        advance(log, used, HEADER + size);
    return error;
}

int classic_wait(const struct classic_log *log)
{
    return log->error;
}

void classic_close(struct classic_log *log)
{
    log->io->close(log->io->context, log->fd);
}

/* Whether there is one more record at `offset`. */
static bool read_record(const struct logfile_io *io, int fd, uint64_t offset,
                        struct classic_record *record, uint8_t data[LOGFILE_IO_BLOCK])
{
    if (io->read(io->context, fd, record, HEADER, offset) != HEADER || record->size == 0)
        return false;
    if (record->size > LOGFILE_IO_BLOCK ||
        io->read(io->context, fd, data, record->size, offset + HEADER) != (ssize_t)record->size)
        return false;
    return record->checksum == 0 || record->checksum == lf_crc32c(0, data, record->size);
}

int classic_read(const struct logfile_io *io, const char *path, classic_visit *visit, void *arg)
{
    uint8_t data[LOGFILE_IO_BLOCK];
    struct classic_record record;
    uint64_t offset = 0;
    int fd = io->open(io->context, LOGFILE_IO_HERE, path, 0, 0);

    if (fd < 0)
        return fd;
    for (; read_record(io, fd, offset, &record, data); offset += HEADER + record.size)
        visit(arg, data, record.size);
    return io->close(io->context, fd);
}
