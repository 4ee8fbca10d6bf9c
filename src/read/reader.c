/* SPDX-License-Identifier: MIT */
/* Reading a log by its path, record by record: what is durable, and how it ends, is the cursor's. */
#include "read/reader.h"

#include "base/copy_out.h"
#include "base/waiter.h"
#include "format/record.h"
#include "read/follow.h"
#include "storage/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LF_ID_BYTES sizeof(((struct logfile_cursor *)0)->id)

/* ---- Records ------------------------------------------------------------------------------- */

/* What a reader says where there is no epoch. */
static int result_of(const struct logfile_reader *reader, enum lf_step step)
{
    if (step == LF_STEP_FAILED)
        return reader->cursor.scan.error;
    return step == LF_STEP_DAMAGE ? LOGFILE_ECORRUPT : 0;
}

/* A caller that polls is about to be told of the end: its descriptor tells of what happens from now on,
 * and what happened before is found by one more look. */
static enum lf_step look_before_poll(struct logfile_reader *reader)
{
    struct lf_cursor *cursor = &reader->cursor;
    enum lf_step step = LF_STEP_END;

    if (cursor->follow != NULL || reader->watch.is_started) {
        lf_watch_drain(&reader->watch);
        if (cursor->follow != NULL)
            lf_follow_arm(cursor->follow);
        step = lf_cursor_next(cursor);
    }
    /* A log that was followed and has ended has to be watched, and makes the descriptor readable. */
    if (cursor->follow == NULL)
        lf_watch_start(&reader->watch, &cursor->file);
    return step;
}

/* Finds the next record to be returned, without passing it: 1; 0: the end; an error. */
static int find_record(struct logfile_reader *reader, struct lf_record_view *view)
{
    const struct lf_scan *scan = &reader->cursor.scan;
    const uint64_t start_lsn = reader->cursor.start_lsn;
    enum lf_step step;

    do {
        const struct lf_epoch_header *epoch = scan->epoch;
        while (epoch != NULL && reader->offset < epoch->length) {
            lf_record_read(epoch, reader->offset, view);
            if (view->type == LF_RECORD_DATA && epoch->lsn + reader->offset >= start_lsn)
                return 1;
            reader->offset = view->next;
        }
        reader->offset = LF_EPOCH_HEADER_BYTES;
        step = lf_cursor_next(&reader->cursor);
        if (step == LF_STEP_END && reader->watch.epoll >= 0)
            step = look_before_poll(reader);
    } while (step == LF_STEP_EPOCH);
    /* The next record will not be below the end of the log, but it may well be just there. */
    if (step == LF_STEP_END && start_lsn > scan->chain.lsn + LF_EPOCH_HEADER_BYTES)
        return LOGFILE_EBEYOND;
    return result_of(reader, step);
}

int logfile_reader_next(struct logfile_reader *reader, struct logfile_record *record)
{
    struct lf_record_view view;

    if (reader == NULL || record == NULL)
        return -EINVAL;
    const int found = find_record(reader, &view);
    if (found != 1)
        return found;
    const struct lf_epoch_header *epoch = reader->cursor.scan.epoch;
    record->data = view.data;
    record->size = view.size;
    record->lsn = epoch->lsn + reader->offset;
    reader->offset = view.next;
    reader->position.lsn = record->lsn + 1;
    reader->position.epoch_lsn = epoch->lsn;
    reader->position.epoch = epoch->epoch;
    reader->position.chain = epoch->chain;
    reader->position.incarnation = epoch->incarnation;
    return 1;
}

int logfile_reader_cursor(struct logfile_reader *reader, struct logfile_cursor *cursor)
{
    if (reader == NULL || cursor == NULL)
        return -EINVAL;
    *cursor = reader->position;
    return 0;
}

int logfile_reader_tail(struct logfile_reader *reader, struct logfile_tail *out, size_t size)
{
    struct lf_record_view view;

    if (reader == NULL || out == NULL)
        return -EINVAL;
    const int found = find_record(reader, &view);
    if (found == 1)
        return -EAGAIN;
    if (found != 0 && found != LOGFILE_ECORRUPT)
        return found;
    lf_copy_out(out, size, &reader->cursor.tail, sizeof reader->cursor.tail);
    return 0;
}

int logfile_reader_skip(struct logfile_reader *reader)
{
    if (reader == NULL || reader->cursor.state != LF_CURSOR_JUDGED ||
        reader->cursor.tail.verdict != LOGFILE_CORRUPT)
        return -EINVAL;
    return lf_cursor_skip(&reader->cursor);
}

/* ---- Waiting ------------------------------------------------------------------------------- */

/* Why nothing more comes, told once of a log that was followed; 0: more may come. */
static int take_end(struct logfile_reader *reader)
{
    struct lf_cursor *cursor = &reader->cursor;
    const int ended = cursor->ended;

    cursor->ended = 0; /* from now on this is a reader by path */
    if (ended != 0)
        return ended;
    /* A log whose name has gone, and its writer too. */
    return cursor->follow == NULL && !cursor->live && reader->had_name &&
                   lf_io_is_removed(cursor->file.io, cursor->file.fd)
               ? -ESTALE
               : 0;
}

int logfile_reader_wait(struct logfile_reader *reader, const struct timespec *deadline)
{
    struct lf_record_view view;
    int error;

    if (reader == NULL || !lf_deadline_is_valid(deadline))
        return -EINVAL;
    struct lf_cursor *cursor = &reader->cursor;
    deadline = lf_settle_deadline(deadline);
    do {
        /* 1. What happens from here on ends the sleep. */
        if (cursor->follow == NULL) {
            lf_watch_start(&reader->watch, &cursor->file);
            lf_watch_drain(&reader->watch);
        }
        /* 2. Look. */
        const int found = cursor->ended == 0 ? find_record(reader, &view) : 0;
        if (found == 1 || found == LOGFILE_EFORKED)
            return found == 1 ? 0 : found;
        error = take_end(reader);
        if (found != 0 || error != 0)
            return error;
        /* 3. Sleep.  What else than the deadline ends it, the next look finds. */
        error = cursor->follow != NULL
                    ? lf_follow_wait(cursor->follow, cursor->scan.chain.lsn, deadline)
                    : lf_watch_sleep(&reader->watch, deadline);
    } while (error != -ETIMEDOUT);
    return error;
}

int logfile_reader_fd(struct logfile_reader *reader)
{
    int follow_fd = -1;

    if (reader == NULL)
        return -EINVAL;
    struct lf_follow *follow = reader->cursor.follow;
    if (follow != NULL && !lf_follow_is_alive(follow))
        return LOGFILE_EFORKED;
    if (follow != NULL)
        follow_fd = lf_follow_fd(follow);
    else
        lf_watch_start(&reader->watch, &reader->cursor.file);
    return follow != NULL && follow_fd < 0 ? follow_fd : lf_watch_fd(&reader->watch, follow_fd);
}

/* ---- Opening and closing ------------------------------------------------------------------- */

/* The epoch that a cursor names is there, as it was: 0; LOGFILE_EIDENTITY: another one is; LOGFILE_EBEYOND:
 * the log ends before it; another error.  Damage is told by the first read. */
static int go_to_cursor(struct logfile_reader *reader, const struct logfile_cursor *cursor)
{
    struct lf_scan *scan = &reader->cursor.scan;
    const struct lf_epoch_name name = {cursor->epoch_lsn, cursor->epoch, cursor->chain};

    lf_scan_seek_epoch(scan, &name);
    reader->offset = LF_EPOCH_HEADER_BYTES;
    const enum lf_step step = lf_cursor_next(&reader->cursor);
    if (step == LF_STEP_EPOCH) {
        const struct lf_epoch_header *epoch = scan->epoch;
        const bool same = epoch->lsn == cursor->epoch_lsn && epoch->epoch == cursor->epoch &&
                          epoch->chain == cursor->chain &&
                          epoch->incarnation == cursor->incarnation;
        return same ? 0 : LOGFILE_EIDENTITY;
    }
    const int result = result_of(reader, step);
    if (result != 0 && result != LOGFILE_ECORRUPT)
        return result;
    if (lf_scan_meets_other(scan))
        return LOGFILE_EIDENTITY;
    if (scan->error != 0)
        return scan->error;
    return result == 0 ? LOGFILE_EBEYOND : 0;
}

/* Finds the first record after a seek, so that an LSN beyond the end is told now.  Damage is told by the
 * first read, and the end of the log is no error. */
static int find_first(struct logfile_reader *reader)
{
    struct lf_record_view view;

    const int found = find_record(reader, &view);
    return found == 1 || found == LOGFILE_ECORRUPT ? 0 : found;
}

int logfile_reader_seek(struct logfile_reader *reader, uint64_t lsn)
{
    if (reader == NULL)
        return -EINVAL;
    /* 1. Where the reader is, should it have to stay: at the epoch that it is in, or at the next one. */
    struct lf_cursor *cursor = &reader->cursor;
    struct lf_scan *scan = &cursor->scan;
    const struct lf_chain at = scan->epoch != NULL ? scan->before : scan->chain;
    const uint32_t last_flags = scan->epoch != NULL ? scan->flags_before : scan->last_flags;
    const uint64_t last_lsn = scan->epoch != NULL ? scan->lsn_before : scan->last_lsn;
    const uint64_t start_lsn = lf_max(cursor->start_lsn, reader->position.lsn);
    const struct logfile_cursor position = reader->position;

    /* 2. As logfile_reader_open. */
    reader->offset = LF_EPOCH_HEADER_BYTES;
    memset(&reader->position, 0, sizeof reader->position);
    memcpy(reader->position.id, position.id, LF_ID_BYTES);
    reader->position.lsn = lsn;
    int error = lf_cursor_seek(cursor, lsn);
    if (error == 0 && lsn != 0)
        error = find_first(reader);
    if (error == 0)
        return 0;

    /* 3. Back again. */
    reader->position = position;
    reader->offset = LF_EPOCH_HEADER_BYTES;
    cursor->start_lsn = start_lsn;
    cursor->state = LF_CURSOR_READING;
    lf_scan_invalidate(scan);
    scan->chain = at;
    scan->last_flags = last_flags;
    scan->last_lsn = last_lsn;
    return error;
}

/* Holds on to the log that is followed, and sees that it is the one at the path. */
static int follow_log(struct logfile_reader *reader, const struct lf_followed *log)
{
    struct lf_file *file = &reader->cursor.file;
    struct logfile_io_stat status = {0};
    const int error = file->io->stat(file->io->context, file->fd, &status);

    if (error != 0)
        return error;
    if (memcmp(log->id, reader->position.id, LF_ID_BYTES) != 0 || log->file.inode != status.inode ||
        log->file.device != status.device)
        return LOGFILE_EIDENTITY;
    reader->cursor.follow = log->follow;
    lf_follow_hold(log->follow);
    return 0;
}

/* The file is open. */
static int start(struct logfile_reader *reader, const struct logfile_reader_options *options,
                 const struct lf_followed *log)
{
    const struct lf_prologue *prologue = &reader->cursor.scan.prologue;
    const struct logfile_cursor *cursor = options->cursor;
    const uint64_t start_lsn = cursor != NULL ? cursor->lsn : options->lsn;
    const uint8_t *id = prologue->header.id;

    int error = lf_cursor_start(&reader->cursor);
    if (error != 0)
        return error;
    /* 1. It is the log that the caller expects, */
    if ((options->expect_id != NULL && memcmp(options->expect_id, id, LF_ID_BYTES) != 0) ||
        (cursor != NULL && memcmp(cursor->id, id, LF_ID_BYTES) != 0))
        return LOGFILE_EIDENTITY;
    memcpy(reader->position.id, id, LF_ID_BYTES);
    if (log->follow != NULL)
        error = follow_log(reader, log);
    if (error != 0)
        return error;
    /* 2. and where reading is to start is still there. */
    if ((start_lsn != 0 && start_lsn < prologue->trim.oldest_lsn) ||
        (cursor != NULL && cursor->epoch != 0 && cursor->epoch_lsn < prologue->trim.oldest_lsn))
        return LOGFILE_ETRIMMED;
    reader->had_name = lf_io_links(reader->cursor.file.io, reader->cursor.file.fd) > 0;
    reader->cursor.start_lsn = start_lsn;
    reader->position.lsn = start_lsn;
    if (cursor != NULL && cursor->epoch != 0)
        return go_to_cursor(reader, cursor);
    if (start_lsn == 0)
        return 0;
    error = lf_cursor_seek(&reader->cursor, start_lsn);
    return error != 0 ? error : find_first(reader);
}

int logfile_reader_open(const char *path, const struct logfile_reader_options *options,
                        struct logfile_reader **readerp)
{
    const struct logfile_reader_options defaults = {0};

    if (options == NULL)
        options = &defaults;
    if (path == NULL || readerp == NULL || (options->cursor != NULL && options->lsn != 0) ||
        (options->io != NULL && !lf_io_is_complete(options->io)))
        return -EINVAL;
    for (size_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++)
        if (options->reserved[i] != 0)
            return -EINVAL;

    struct logfile_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL)
        return -ENOMEM;
    struct lf_followed log = {.io = logfile_io_posix()};
    lf_watch_init(&reader->watch);
    int error = options->log != NULL ? lf_followed_by_log(options->log, &log) : 0;
    if (error == 0)
        error = lf_cursor_open(&reader->cursor, options->io != NULL ? options->io : log.io, path);
    if (error == 0) {
        error = start(reader, options, &log);
        if (error != 0)
            lf_cursor_close(&reader->cursor);
    }
    if (log.follow != NULL)
        lf_follow_release(log.follow);
    if (error == 0)
        *readerp = reader;
    else
        free(reader);
    return error;
}

void logfile_reader_close(struct logfile_reader *reader)
{
    if (reader == NULL)
        return;
    lf_watch_close(&reader->watch);
    lf_cursor_close(&reader->cursor);
    free(reader);
}
