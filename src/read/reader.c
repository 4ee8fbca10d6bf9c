/* SPDX-License-Identifier: MIT */
/*
 * Reading a log by its path, with or without a writer in this or another process.
 *
 * Nothing is returned that is not durable.  The page cache shows what a writer has written and not
 * synced, and what a failed sync never wrote.  So an epoch is returned only when
 *   - the header behind it promises it, or
 *   - this reader synced its segment, dropped the cached pages and read the very same epoch again.
 * One such sync settles a segment for a whole incarnation once its writer is gone: nobody adds to
 * it any more.
 *
 * A chain that breaks is the end of the log, for now; or what was there has been trimmed away, and
 * its space is a hole, or gone, or holds later epochs.  The trim mark is durable before space is
 * given back, so a look at it after the break tells.  While a writer holds the lock nothing more is
 * said.  Otherwise the break is read again from the device and judged by the rule of
 * docs/FORMAT.md; and as a writer may have come and gone meanwhile, damage is believed only when
 * the break is still there after the promise beyond it was seen.
 *
 * A segment that a writer prepared and never used is removed by the next one, which may make
 * another file of that name.  A reader that has it open sees a break where its first epoch should
 * be, and opens it again.
 */
#include "read/reader.h"

#include "base/copy_out.h"
#include "format/record.h"
#include "read/seek.h"
#include "storage/facts.h"
#include "storage/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LF_ID_BYTES sizeof(((struct logfile_cursor *)0)->id)

/* What look_for_trim says when reading starts afresh at a later place. */
#define STARTED_AFRESH 2

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

    if (header->incarnation <= reader->settled_incarnation && header->lsn < reader->settled_end_lsn)
        return true;
    note_durable(reader, reader->scan.promised_lsn);
    note_durable(reader, lf_scan_next_promise(&reader->scan));
    return header->lsn < reader->durable_lsn;
}

/* As lf_scan_next_promise, of a header that need not be in memory: that of the next segment's first
 * epoch. */
static uint64_t read_next_promise(struct logfile_reader *reader)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];
    const struct lf_epoch_header *header = (const void *)block;
    const struct lf_chain *chain = &reader->scan.chain;

    if (lf_file_read(&reader->file, chain->lsn, block, sizeof(block)) != (ssize_t)sizeof(block))
        return 0;
    const bool valid =
        lf_epoch_header_check(header, reader->scan.prologue.log_seed, &chain->layout, chain->lsn) &&
        lf_chain_accepts(chain, header);
    return valid ? header->promise : 0;
}

/* The file system has stopped after an error and refuses to sync: whether the epoch that was found
 * is taken as it is.  From one without records nothing is returned. */
static bool takes_unsynced(struct logfile_reader *reader)
{
    const struct lf_epoch_header *header = reader->scan.epoch;

    note_durable(reader, read_next_promise(reader));
    if (header->lsn < reader->durable_lsn || header->record_count == 0)
        return true;
    if (reader->takes_unsynced && reader->unsynced_lsn == 0)
        reader->unsynced_lsn = header->lsn;
    return reader->takes_unsynced;
}

/*
 * Makes the epoch that was just found durable and reads it again from the device: 1: done; 0: it
 * is not there; -errno.  When another one is there, because a writer recovered the log meanwhile,
 * that one comes next and is not known to be durable.
 */
static int settle_epoch(struct logfile_reader *reader)
{
    struct lf_file *file = &reader->file;
    const uint64_t lsn = reader->scan.epoch->lsn;
    const uint32_t incarnation = reader->scan.epoch->incarnation;
    const uint32_t checksum = reader->scan.epoch->checksum;

    lf_scan_step_back(&reader->scan);
    /* Asked before the sync: a writer that is gone by now wrote all that it ever will. */
    const int locked = lf_file_locked(file);
    if (locked < 0)
        return locked;
    int error = lf_file_sync(file, lsn, lsn + LF_BLOCK_BYTES);
    if (error < 0)
        error = lf_facts_judge_sync(file->io, file->fd, error);
    if (error < 0 && error != -EROFS)
        return error;
    lf_file_drop_cache_at(file, lsn);

    const int found = lf_scan_next(&reader->scan);
    if (found != 1 || reader->scan.epoch->checksum != checksum)
        return found;
    if (error == -EROFS && !takes_unsynced(reader)) {
        lf_scan_step_back(&reader->scan);
        return error;
    }
    note_durable(reader, reader->scan.chain.lsn);
    if (locked == 0 && error == 0) {
        reader->settled_incarnation = incarnation;
        reader->settled_end_lsn = lf_segment_end_lsn(&file->layout, lsn);
    }
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

/* Looks again what is behind the last epoch: as durable_epoch. */
static int look_again(struct logfile_reader *reader)
{
    const struct lf_layout *layout = &reader->file.layout;
    const uint64_t lsn = reader->scan.chain.lsn;
    int error = 0;

    /* A segment without its first epoch may be one that is there no more. */
    if (lsn == lf_segment_first_lsn(layout, lf_segment_index(layout, lsn)))
        error = lf_file_refresh(&reader->file, reader->scan.prologue.trim.oldest_lsn);
    lf_scan_invalidate(&reader->scan);
    return error != 0 ? error : durable_epoch(reader);
}

/* The same from the device. */
static int reread_break(struct logfile_reader *reader)
{
    const int error = lf_file_refresh(&reader->file, reader->scan.prologue.trim.oldest_lsn);

    if (error != 0)
        return error;
    lf_file_drop_cache(&reader->file, reader->scan.chain.lsn);
    return look_again(reader);
}

/*
 * Whether what is at the break has been trimmed away: 0: no; LOGFILE_ETRIMMED; STARTED_AFRESH: it
 * has been, but all of it is below where the reader was to start; another error.
 */
static int look_for_trim(struct logfile_reader *reader)
{
    struct lf_scan *scan = &reader->scan;
    const int error = lf_trim_mark_read(&reader->file, &scan->prologue);

    if (error != 0)
        return error;
    if (scan->prologue.trim.oldest_lsn <= scan->chain.lsn)
        return 0;
    reader->judged = false;
    if (reader->start_lsn < scan->prologue.trim.oldest_lsn)
        return LOGFILE_ETRIMMED;
    lf_scan_restart(scan);
    return STARTED_AFRESH;
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
    const int trimmed = look_for_trim(reader);

    return trimmed != 0 ? trimmed : reread_break(reader);
}

/* Gives the verdict on the break: 0: the end; LOGFILE_ECORRUPT; 1: there is an epoch after all;
 * STARTED_AFRESH; another error. */
static int judge_break(struct logfile_reader *reader)
{
    int found = reread_break(reader);

    if (found != 0)
        return found;
    int error = lf_scan_verdict(&reader->scan, &reader->tail);
    if (error == 0)
        error = lf_file_end_lsn(&reader->file, &reader->judged_end_lsn);
    if (error != 0)
        return error;
    found = reader->tail.verdict == LOGFILE_CORRUPT ? confirm_corrupt(reader) : 0;
    if (found != 0)
        return found;
    const int locked = lf_file_locked(&reader->file);
    if (locked != 0)
        return locked < 0 ? locked : end_live(reader);
    reader->judged = true;
    return end_judged(reader);
}

/* Whether the verdict that was given stands: 1, 0 or -errno.  It does until the log changes. */
static int verdict_stands(struct logfile_reader *reader)
{
    uint64_t end_lsn;

    if (!reader->judged)
        return 0;
    int error = lf_file_refresh(&reader->file, reader->scan.prologue.trim.oldest_lsn);
    if (error == 0)
        error = lf_file_end_lsn(&reader->file, &end_lsn);
    return error != 0 ? error : end_lsn == reader->judged_end_lsn;
}

/* As judge_break, where there is a writer or has been a verdict. */
static int at_break(struct logfile_reader *reader)
{
    const int trimmed = look_for_trim(reader);
    const int locked = lf_file_locked(&reader->file);

    if (locked < 0)
        return locked;
    /* No whole mark: a writer is at one, and has been at the other a moment ago. */
    if (trimmed != 0 && !(trimmed == LOGFILE_ECORRUPT && locked == 1))
        return trimmed;
    if (locked == 1)
        return end_live(reader);
    const int stands = verdict_stands(reader);
    if (stands != 0)
        return stands < 0 ? stands : end_judged(reader);
    reader->judged = false;
    return judge_break(reader);
}

/* ---- Records ------------------------------------------------------------------------------- */

/* 1: the next epoch is at scan.epoch; 0: the end; STARTED_AFRESH; an error. */
static int try_next_epoch(struct logfile_reader *reader)
{
    int found = reader->at_break ? 0 : durable_epoch(reader);

    if (found == 0) { /* as far as is in memory: the file may have grown */
        found = look_again(reader);
        reader->at_break = found == 0;
    }
    if (found == 0)
        found = at_break(reader);
    if (found > 0) {
        reader->at_break = false;
        reader->judged = false;
    }
    return found;
}

/* The damage is below where the reader was to start, all of it: 1: it has been passed; else what
 * judge_break ended with. */
static int pass_damage_below(struct logfile_reader *reader)
{
    if (reader->tail.resume_lsn == 0 || reader->tail.resume_lsn > reader->start_lsn)
        return LOGFILE_ECORRUPT;
    const int error = logfile_reader_skip(reader);

    return error != 0 ? error : STARTED_AFRESH;
}

/* 1: the next epoch is at scan.epoch; 0: the end; an error. */
static int next_epoch(struct logfile_reader *reader)
{
    int found;

    do {
        found = try_next_epoch(reader);
        if (found == LOGFILE_ECORRUPT && reader->judged)
            found = pass_damage_below(reader);
    } while (found == STARTED_AFRESH); /* each time further on */
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
    /* The next record will not be below the end of the log, but it may well be just there. */
    if (found == 0 && reader->start_lsn > reader->scan.chain.lsn + LF_EPOCH_HEADER_BYTES)
        return LOGFILE_EBEYOND;
    return found;
}

static void note_cursor(struct logfile_reader *reader, uint64_t lsn)
{
    const struct lf_epoch_header *epoch = reader->scan.epoch;

    reader->cursor.lsn = lsn + 1;
    reader->cursor.epoch_lsn = epoch->lsn;
    reader->cursor.epoch = epoch->epoch;
    reader->cursor.chain = epoch->chain;
    reader->cursor.incarnation = epoch->incarnation;
}

int logfile_reader_cursor(struct logfile_reader *reader, struct logfile_cursor *cursor)
{
    if (reader == NULL || cursor == NULL)
        return -EINVAL;
    *cursor = reader->cursor;
    return 0;
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
    note_cursor(reader, record->lsn);
    return 1;
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
    lf_copy_out(out, size, &reader->tail, sizeof reader->tail);
    return 0;
}

int logfile_reader_skip(struct logfile_reader *reader)
{
    if (reader == NULL || !reader->judged || reader->tail.verdict != LOGFILE_CORRUPT)
        return -EINVAL;
    lf_scan_keep_rest(&reader->scan);
    const int error = lf_scan_resume(&reader->scan, &reader->tail);
    if (error != 0)
        return error;
    reader->at_break = false;
    reader->judged = false;
    return 0;
}

/* ---- Opening and closing ------------------------------------------------------------------- */

/* The epoch that a cursor names is there, as it was: 0; LOGFILE_EIDENTITY: another one is; LOGFILE_EBEYOND:
 * the log ends before it; another error.  Damage is told by the first read. */
static int go_to_cursor(struct logfile_reader *reader, const struct logfile_cursor *cursor)
{
    const struct lf_epoch_name name = {cursor->epoch_lsn, cursor->epoch, cursor->chain};

    lf_scan_seek_epoch(&reader->scan, &name);
    int found = next_epoch(reader);
    if (found == 1) {
        const struct lf_epoch_header *epoch = reader->scan.epoch;
        const bool same = epoch->lsn == cursor->epoch_lsn && epoch->epoch == cursor->epoch &&
                          epoch->chain == cursor->chain &&
                          epoch->incarnation == cursor->incarnation;
        return same ? 0 : LOGFILE_EIDENTITY;
    }
    if (found != 0 && found != LOGFILE_ECORRUPT)
        return found;
    const int other = lf_scan_meets_other(&reader->scan);
    if (other != 0)
        return other < 0 ? other : LOGFILE_EIDENTITY;
    return found == 0 ? LOGFILE_EBEYOND : 0;
}

/* Finds the first record, so that an LSN beyond the end is told now.  Damage is told by the first
 * read, and the end of the log is no error. */
static int go_to_lsn(struct logfile_reader *reader)
{
    struct lf_record_view view;

    int found = lf_scan_seek(&reader->scan, reader->start_lsn);
    if (found >= 0)
        found = find_record(reader, &view);
    return found == 1 || found == LOGFILE_ECORRUPT ? 0 : found;
}

static int go_to_start(struct logfile_reader *reader, const struct logfile_cursor *cursor)
{
    if (cursor != NULL && cursor->epoch != 0)
        return go_to_cursor(reader, cursor);
    return reader->start_lsn != 0 ? go_to_lsn(reader) : 0;
}

/* The id is the one that the caller expects, and reading starts at what is still there. */
static int check_start(const struct logfile_reader *reader,
                       const struct logfile_reader_options *options)
{
    const struct lf_prologue *prologue = &reader->scan.prologue;
    const uint8_t *id = prologue->header.id;
    const struct logfile_cursor *cursor = options->cursor;

    if ((options->expect_id != NULL && memcmp(options->expect_id, id, LF_ID_BYTES) != 0) ||
        (cursor != NULL && memcmp(cursor->id, id, LF_ID_BYTES) != 0))
        return LOGFILE_EIDENTITY;
    if (reader->start_lsn != 0 && reader->start_lsn < prologue->trim.oldest_lsn)
        return LOGFILE_ETRIMMED;
    return cursor != NULL && cursor->epoch != 0 && cursor->epoch_lsn < prologue->trim.oldest_lsn
               ? LOGFILE_ETRIMMED
               : 0;
}

/* The file is open; on an error the caller closes it. */
static int reader_start(struct logfile_reader *reader, const struct logfile_reader_options *options)
{
    int error = lf_scan_open(&reader->scan, &reader->file);

    if (error != 0)
        return error;
    error = check_start(reader, options);
    if (error == 0) {
        memcpy(reader->cursor.id, reader->scan.prologue.header.id, LF_ID_BYTES);
        reader->cursor.lsn = reader->start_lsn;
        error = go_to_start(reader, options->cursor);
    }
    if (error != 0)
        lf_scan_close(&reader->scan);
    return error;
}

static bool options_are_valid(const struct logfile_reader_options *options)
{
    for (size_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++)
        if (options->reserved[i] != 0)
            return false;
    if (options->cursor != NULL && options->lsn != 0)
        return false;
    return options->io == NULL || lf_io_is_complete(options->io);
}

static int reader_open(const char *path, const struct logfile_reader_options *options,
                       struct logfile_reader **readerp)
{
    const struct logfile_io *io = options->io != NULL ? options->io : logfile_io_posix();
    struct logfile_reader *reader = calloc(1, sizeof(*reader));

    if (reader == NULL)
        return -ENOMEM;
    reader->start_lsn = options->cursor != NULL ? options->cursor->lsn : options->lsn;
    int error = lf_file_open(&reader->file, io, path);
    if (error == 0) {
        error = reader_start(reader, options);
        if (error != 0)
            lf_file_close(&reader->file);
    }
    if (error != 0) {
        free(reader);
        return error;
    }
    *readerp = reader;
    return 0;
}

int logfile_reader_open(const char *path, const struct logfile_reader_options *options,
                        struct logfile_reader **readerp)
{
    const struct logfile_reader_options defaults = {0};

    if (options == NULL)
        options = &defaults;
    if (path == NULL || readerp == NULL || !options_are_valid(options))
        return -EINVAL;
    return reader_open(path, options, readerp);
}

void logfile_reader_close(struct logfile_reader *reader)
{
    if (reader == NULL)
        return;
    lf_scan_close(&reader->scan);
    lf_file_close(&reader->file);
    free(reader);
}
