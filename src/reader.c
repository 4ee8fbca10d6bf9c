/* SPDX-License-Identifier: MIT */
/*
 * Reading a log by its path, with or without a writer in this or another process.
 *
 * Nothing is returned that is not durable.  The page cache shows what a writer has written and not
 * synced, and what a failed sync never wrote.  So an epoch is returned only when
 *   - the header behind it promises it, or
 *   - this reader synced the file, dropped the cached pages and read the very same epoch again.
 * One such sync settles a whole incarnation once its writer is gone: nobody adds to it any more.
 *
 * A chain that breaks is the end of the log, for now.  While a writer holds the lock nothing more
 * is said.  Otherwise the break is read again from the device and judged by the rule of
 * docs/FORMAT.md; and as a writer may have come and gone meanwhile, damage is believed only when
 * the break is still there after the promise beyond it was seen.
 */
#include "reader.h"

#include "io.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Opening and closing ------------------------------------------------------------------- */

static int check_kind(const struct logfile_io *io, int fd)
{
    struct logfile_io_stat stat;
    const int error = io->stat(io->context, fd, &stat);

    if (error < 0)
        return error;
    if (stat.kind == LOGFILE_IO_DIRECTORY)
        return -EISDIR;
    return stat.kind == LOGFILE_IO_REGULAR ? 0 : -ESPIPE;
}

/* The descriptor is open; on an error the caller closes it. */
static int reader_start(struct logfile_reader *reader)
{
    int error = check_kind(reader->io, reader->fd);

    if (error == 0)
        error = lf_scan_open(&reader->scan, reader->io, reader->fd);
    if (error != 0)
        return error;
    if (reader->start_lsn != 0 && reader->start_lsn < reader->scan.prologue.trim.oldest_lsn) {
        lf_scan_close(&reader->scan);
        return LOGFILE_ETRIMMED;
    }
    return 0;
}

int logfile_reader_open(const char *path, uint64_t lsn, struct logfile_reader **readerp)
{
    return logfile_reader_open_io(path, lsn, NULL, readerp);
}

int logfile_reader_open_io(const char *path, uint64_t lsn, const struct logfile_io *io,
                           struct logfile_reader **readerp)
{
    if (path == NULL || readerp == NULL || (io != NULL && !lf_io_is_complete(io)))
        return -EINVAL;
    struct logfile_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return -ENOMEM;
    reader->io = io != NULL ? io : logfile_io_posix();
    reader->start_lsn = lsn;
    reader->fd = reader->io->open(reader->io->context, path, 0, 0);
    int error = reader->fd < 0 ? reader->fd : 0;
    if (error == 0) {
        error = reader_start(reader);
        if (error != 0)
            reader->io->close(reader->io->context, reader->fd);
    }
    if (error != 0) {
        free(reader);
        return error;
    }
    *readerp = reader;
    return 0;
}

int logfile_reader_open_log(struct logfile *log, uint64_t lsn, struct logfile_reader **readerp)
{
    (void)lsn;
    return log == NULL || readerp == NULL ? -EINVAL : -ENOSYS;
}

int logfile_reader_wait(struct logfile_reader *reader, const struct timespec *deadline)
{
    (void)deadline;
    return reader == NULL ? -EINVAL : -ENOSYS;
}

void logfile_reader_close(struct logfile_reader *reader)
{
    if (reader == NULL)
        return;
    lf_scan_close(&reader->scan);
    reader->io->close(reader->io->context, reader->fd);
    free(reader);
}

/* ---- Epochs that are durable --------------------------------------------------------------- */

static void note_durable(struct logfile_reader *reader, uint64_t lsn)
{
    if (lsn > reader->durable_lsn)
        reader->durable_lsn = lsn;
}

/* Whether the epoch that was just found needs no sync. */
static bool is_known_durable(struct logfile_reader *reader)
{
    const struct lf_epoch_header *header = reader->scan.epoch;

    if (header->incarnation <= reader->settled_incarnation)
        return true;
    note_durable(reader, reader->scan.promised_lsn);
    note_durable(reader, lf_scan_next_promise(&reader->scan));
    return header->lsn < reader->durable_lsn;
}

/*
 * Makes the epoch that was just found durable and reads it again from the device: 1: done; 0: it
 * is not there; -errno.  When another one is there, because a writer recovered the log meanwhile,
 * that one comes next and is not known to be durable.
 */
static int settle_epoch(struct logfile_reader *reader)
{
    const struct logfile_io *io = reader->io;
    const uint32_t incarnation = reader->scan.epoch->incarnation;
    const uint32_t checksum = reader->scan.epoch->checksum;

    lf_scan_step_back(&reader->scan);
    /* Asked before the sync: a writer that is gone by now wrote all that it ever will. */
    const int locked = io->locked(io->context, reader->fd);
    if (locked < 0)
        return locked;
    const int error = io->sync(io->context, reader->fd);
    if (error < 0)
        return error;
    (void)io->drop_cache(io->context, reader->fd);

    const int found = lf_scan_next(&reader->scan);
    if (found != 1 || reader->scan.epoch->checksum != checksum)
        return found;
    note_durable(reader, reader->scan.chain.lsn);
    if (locked == 0)
        reader->settled_incarnation = incarnation;
    return 1;
}

/* The next epoch, whole and durable: 1; 0: the chain breaks; -errno. */
static int durable_epoch(struct logfile_reader *reader)
{
    int found = lf_scan_next(&reader->scan);

    while (found == 1 && !is_known_durable(reader))
        found = settle_epoch(reader);
    reader->offset = LF_EPOCH_HEADER_BYTES;
    return found;
}

/* ---- The end ------------------------------------------------------------------------------- */

/* Reads what is behind the last epoch again, from the device: as durable_epoch. */
static int reread_break(struct logfile_reader *reader)
{
    (void)reader->io->drop_cache(reader->io->context, reader->fd);
    lf_scan_invalidate(&reader->scan);
    return durable_epoch(reader);
}

/* The end of the log while a writer holds the lock, or before anything is said about it. */
static int end_live(struct logfile_reader *reader)
{
    reader->judged = false;
    lf_scan_describe(&reader->scan, LOGFILE_LIVE, &reader->tail);
    return 0;
}

static int end_judged(const struct logfile_reader *reader)
{
    return reader->tail.verdict == LOGFILE_CORRUPT ? LOGFILE_ECORRUPT : 0;
}

/* A later epoch promises more than can be read: whether that is still so, as judge_break. */
static int confirm_corrupt(struct logfile_reader *reader)
{
    struct lf_prologue prologue;
    const int error = lf_prologue_read(reader->io, reader->fd, &prologue);

    if (error != 0)
        return error;
    if (prologue.trim.oldest_lsn > reader->tail.end_lsn)
        return LOGFILE_ETRIMMED;
    return reread_break(reader);
}

/* Gives the verdict on the break: 0: the end; LOGFILE_ECORRUPT; 1: there is an epoch after all;
 * another error. */
static int judge_break(struct logfile_reader *reader)
{
    const struct logfile_io *io = reader->io;
    int found = reread_break(reader);

    if (found != 0)
        return found;
    const int error = lf_scan_verdict(&reader->scan, &reader->tail);
    if (error != 0)
        return error;
    reader->judged_bytes = reader->scan.file_bytes;
    found = reader->tail.verdict == LOGFILE_CORRUPT ? confirm_corrupt(reader) : 0;
    if (found != 0)
        return found;
    const int locked = io->locked(io->context, reader->fd);
    if (locked != 0)
        return locked < 0 ? locked : end_live(reader);
    reader->judged = true;
    return end_judged(reader);
}

/* As judge_break, where a verdict that has been given stands until the file changes. */
static int at_break(struct logfile_reader *reader)
{
    const int locked = reader->io->locked(reader->io->context, reader->fd);

    if (locked != 0)
        return locked < 0 ? locked : end_live(reader);
    if (reader->judged && reader->judged_bytes == reader->scan.file_bytes)
        return end_judged(reader);
    reader->judged = false;
    return judge_break(reader);
}

/* ---- Records ------------------------------------------------------------------------------- */

/* 1: the next epoch is at scan.epoch; 0: the end; an error. */
static int next_epoch(struct logfile_reader *reader)
{
    int found = reader->at_break ? 0 : durable_epoch(reader);

    if (found == 0) { /* as far as is in memory: the file may have grown */
        lf_scan_invalidate(&reader->scan);
        found = durable_epoch(reader);
        reader->at_break = found == 0;
    }
    if (found == 0)
        found = at_break(reader);
    if (found == 1) {
        reader->at_break = false;
        reader->judged = false;
    }
    return found;
}

/* Finds the next record to be returned in the epoch being read, without passing it. */
static bool find_in_epoch(struct logfile_reader *reader, struct lf_record_view *view)
{
    const struct lf_epoch_header *epoch = reader->scan.epoch;

    while (epoch != NULL && reader->offset < epoch->length) {
        lf_record_read(epoch, reader->offset, view);
        if (view->type == LF_RECORD_DATA && epoch->lsn + reader->offset >= reader->start_lsn)
            return true;
        reader->offset = view->next;
    }
    return false;
}

/* The same in the whole log: 1, 0: the end, or an error. */
static int find_record(struct logfile_reader *reader, struct lf_record_view *view)
{
    int found = 1;

    while (found == 1 && !find_in_epoch(reader, view))
        found = next_epoch(reader);
    return found;
}

int logfile_reader_next(struct logfile_reader *reader, struct logfile_record *record)
{
    struct lf_record_view view;

    if (reader == NULL || record == NULL)
        return -EINVAL;
    const int found = find_record(reader, &view);
    if (found != 1)
        return found;
    record->data = view.data;
    record->size = view.size;
    record->lsn = reader->scan.epoch->lsn + reader->offset;
    reader->offset = view.next;
    return 1;
}

int logfile_reader_tail(struct logfile_reader *reader, struct logfile_tail *tail)
{
    struct lf_record_view view;

    if (reader == NULL || tail == NULL)
        return -EINVAL;
    const int found = find_record(reader, &view);
    if (found == 1)
        return -EAGAIN;
    if (found != 0 && found != LOGFILE_ECORRUPT)
        return found;
    *tail = reader->tail;
    return 0;
}

int logfile_reader_skip(struct logfile_reader *reader)
{
    if (reader == NULL || !reader->judged || reader->tail.verdict != LOGFILE_CORRUPT)
        return -EINVAL;
    const int error = lf_scan_resume(&reader->scan, &reader->tail);
    if (error != 0)
        return error;
    reader->at_break = false;
    reader->judged = false;
    return 0;
}
