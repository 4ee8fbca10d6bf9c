/* SPDX-License-Identifier: MIT */
/* Reading a log by its path, record by record: what is durable, and how it ends, is the cursor's. */
#include "read/reader.h"

#include "base/copy_out.h"
#include "format/record.h"
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

/* Finds the first record, so that an LSN beyond the end is told now.  Damage is told by the first
 * read, and the end of the log is no error. */
static int go_to_lsn(struct logfile_reader *reader, uint64_t lsn)
{
    struct lf_record_view view;

    const int error = lf_scan_seek(&reader->cursor.scan, lsn);
    if (error != 0)
        return error;
    const int found = find_record(reader, &view);
    return found == 1 || found == LOGFILE_ECORRUPT ? 0 : found;
}

/* The file is open. */
static int start(struct logfile_reader *reader, const struct logfile_reader_options *options)
{
    const struct lf_prologue *prologue = &reader->cursor.scan.prologue;
    const struct logfile_cursor *cursor = options->cursor;
    const uint64_t start_lsn = cursor != NULL ? cursor->lsn : options->lsn;
    const uint8_t *id = prologue->header.id;

    const int error = lf_cursor_start(&reader->cursor);
    if (error != 0)
        return error;
    /* 1. It is the log that the caller expects, */
    if ((options->expect_id != NULL && memcmp(options->expect_id, id, LF_ID_BYTES) != 0) ||
        (cursor != NULL && memcmp(cursor->id, id, LF_ID_BYTES) != 0))
        return LOGFILE_EIDENTITY;
    /* 2. and where reading is to start is still there. */
    if ((start_lsn != 0 && start_lsn < prologue->trim.oldest_lsn) ||
        (cursor != NULL && cursor->epoch != 0 && cursor->epoch_lsn < prologue->trim.oldest_lsn))
        return LOGFILE_ETRIMMED;
    reader->cursor.start_lsn = start_lsn;
    memcpy(reader->position.id, id, LF_ID_BYTES);
    reader->position.lsn = start_lsn;
    if (cursor != NULL && cursor->epoch != 0)
        return go_to_cursor(reader, cursor);
    return start_lsn != 0 ? go_to_lsn(reader, start_lsn) : 0;
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
    const struct logfile_io *io = options->io != NULL ? options->io : logfile_io_posix();
    int error = lf_cursor_open(&reader->cursor, io, path);
    if (error == 0) {
        error = start(reader, options);
        if (error != 0)
            lf_cursor_close(&reader->cursor);
    }
    if (error != 0) {
        free(reader);
        return error;
    }
    *readerp = reader;
    return 0;
}

void logfile_reader_close(struct logfile_reader *reader)
{
    if (reader == NULL)
        return;
    lf_cursor_close(&reader->cursor);
    free(reader);
}
