/* SPDX-License-Identifier: MIT */
/* logfile salvage: copies what is whole of a damaged log into a new one. */
#include "read/reader.h"
#include "tool/bad_blocks.h"
#include "tool/headless.h"
#include "tool/pieces.h"
#include "tool/signals.h"
#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* So often is asked whether to stop. */
#define RECORDS_PER_LOOK 256

struct salvage {
    const char *path;
    const char *output;
    const struct lf_tool_salvage *what;
    FILE *out;
    struct lf_bad_blocks *bad; /* the log is read through its table */
    struct logfile_reader *reader;
    struct lf_pieces pieces; /* of what the reader has met last */
    bool at_damage;          /* which the reader is to skip after that */
    bool at_end;
    struct logfile *copy;
    uint64_t record_count;
    uint64_t payload_bytes;
    uint64_t damage_count;
};

/* The reader stands at damage: what is whole in it comes first. */
static int begin_damage(struct salvage *s)
{
    struct logfile_tail tail;
    int error = logfile_reader_tail(s->reader, &tail, sizeof tail);

    if (error != 0)
        return error;
    s->damage_count++;
    lf_tool_report_damage(s->path, s->reader, &tail, "");
    lf_pieces_begin(&s->pieces, s->reader, s->bad, lf_verdict_damage_end(&tail));
    s->at_damage = true;
    return 0;
}

/* What a reader passes over without an error: a torn tail, and what a writer is still at. */
static int report_end(struct salvage *s)
{
    const struct lf_layout *layout = &s->reader->cursor.file.layout;
    struct logfile_tail tail;
    int error = logfile_reader_tail(s->reader, &tail, sizeof tail);

    s->at_end = true;
    if (error != 0 && error != -EAGAIN)
        return error;
    if (error == -EAGAIN || tail.verdict == LOGFILE_LIVE)
        lf_tool_message("%s: open for appending: what comes later is not copied",
                        lf_tool_shown(s->path));
    else if (tail.verdict == LOGFILE_TORN && tail.cut_bytes > 0)
        lf_tool_message("%s: torn: %" PRIu64 " bytes from LSN %" PRIu64 " on are no whole epoch",
                        lf_tool_shown(s->path), tail.cut_bytes, tail.end_lsn);
    /* An epoch that was acknowledged, and that the disk cannot give any more, looks torn, too. */
    if (error == 0 && tail.verdict == LOGFILE_TORN &&
        lf_bad_blocks_touch(s->bad, layout, tail.end_lsn, tail.end_lsn + layout->slot_bytes))
        lf_pieces_begin(&s->pieces, s->reader, s->bad, tail.end_lsn + layout->slot_bytes);
    return 0;
}

/* 1: a record; 0: no more; an error. */
static int next_record(struct salvage *s, struct logfile_record *record)
{
    int found = 0;

    while (found == 0) {
        found = lf_pieces_next(&s->pieces, record);
        if (found != 0 || s->at_end)
            break;
        if (s->at_damage)
            found = logfile_reader_skip(s->reader);
        s->at_damage = false;
        if (found != 0)
            return found == -ENOENT ? 0 : found;
        found = logfile_reader_next(s->reader, record);
        if (found == LOGFILE_ECORRUPT)
            found = begin_damage(s);
        else if (found == 0)
            found = report_end(s);
        /* Blocks that cannot be read are shown as zeros, which only a record's checksum tells: of
         * one whose payload is not covered they may be a part. */
        else if (found == 1 &&
                 lf_bad_blocks_touch(s->bad, &s->reader->cursor.file.layout, record->lsn,
                                     record->lsn + LF_RECORD_HEADER_BYTES + record->size))
            found = 0;
    }
    return found;
}

/* Returns an exit status. */
static int copy_records(struct salvage *s)
{
    struct logfile_record record;
    int found;

    while ((found = next_record(s, &record)) == 1) {
        const int error = logfile_submit(s->copy, record.data, record.size, NULL, NULL);
        if (error != 0)
            return lf_tool_error(s->output, error);
        s->record_count++;
        s->payload_bytes += record.size;
        int number = s->what->stopped != NULL && s->record_count % RECORDS_PER_LOOK == 0
                         ? s->what->stopped()
                         : 0;
        if (number > 0) {
            lf_tool_message("%s: %s", lf_tool_shown(s->output), strsignal(number));
            return LF_TOOL_SIGNAL + number;
        }
    }
    lf_tool_report_unsynced(s->path, s->reader);
    return found == 0 ? LF_TOOL_OK : lf_tool_error(s->path, found);
}

static void report_bad_range(void *arg, const char *line)
{
    const struct salvage *s = arg;

    lf_tool_message("%s: %s", lf_tool_shown(s->path), line);
}

/* The reader is open.  Returns an exit status. */
static int salvage_reader(struct salvage *s)
{
    struct logfile_open_report report = {0};
    /* The copy takes every record that the log took. */
    const struct logfile_options options = {
        .open_flags = LOGFILE_OPEN_EXCLUSIVE,
        .mode = s->what->mode,
        .slot_bytes = s->reader->cursor.scan.prologue.header.slot_bytes,
        .io = s->what->to,
    };

    /* 1. Copy. */
    s->reader->cursor.takes_unsynced = true;
    const int error = logfile_open(s->output, &options, &report, &s->copy);
    if (error != 0)
        return lf_tool_open_error(error, &report);
    int status = copy_records(s);
    lf_pieces_free(&s->pieces);
    const int closed = lf_tool_close(s->output, s->copy);
    if (status == LF_TOOL_OK)
        status = closed;
    /* 2. What was copied.  Where the copy failed, what there is of it is less than was read. */
    if (closed == LF_TOOL_OK)
        fprintf(s->out,
                "%" PRIu64 " records with %" PRIu64 " bytes copied, %" PRIu64 " damages skipped\n",
                s->record_count, s->payload_bytes, s->damage_count);
    if (status != LF_TOOL_OK) {
        lf_tool_message("%s: incomplete: holds no more than what came before the failure",
                        lf_tool_shown(s->output));
        return status;
    }
    /* 3. What the disk did not give. */
    lf_bad_blocks_describe(s->bad, report_bad_range, s);
    if (lf_bad_blocks_in_epochs(s->bad)) {
        lf_tool_message("%s: incomplete: lacks what cannot be read", lf_tool_shown(s->output));
        return LF_TOOL_FAILED;
    }
    return s->damage_count > 0 && s->record_count == 0 ? LF_TOOL_CORRUPT : LF_TOOL_OK;
}

/* Whether it is an error of what comes before the first epoch, or of a control file that is not there. */
static bool is_headless(int error)
{
    return error == LOGFILE_ECORRUPT || error == LOGFILE_EFORMAT || error == -EISDIR ||
           error == -ELOOP;
}

/* 0: s->reader reads the log by what is left of it; an error: nothing tells how. */
static int open_headless(struct salvage *s, struct lf_headless *headless)
{
    static const char *const sources[] = {
        [LF_HEADLESS_OWN] = "",
        [LF_HEADLESS_SEGMENTS] = ": its segments have the file header, too",
        [LF_HEADLESS_EPOCHS] = ": its epochs tell the seed of their checksums",
    };
    int error = lf_headless_find(headless, &s->bad->view.io, s->path);

    if (error == 0)
        error = logfile_reader_open(
            s->path, &(struct logfile_reader_options){.io = &headless->view.io}, &s->reader);
    if (error != 0)
        return error;
    s->damage_count++;
    /* What was lost before the first epoch, and what stands for it. */
    const char *lost = headless->is_foreign    ? "the file header is that of another log"
                       : headless->has_control ? "both copies of the file header are lost"
                                               : "there is no control file";
    if (headless->header_from != LF_HEADLESS_OWN)
        lf_tool_message("%s: %s%s%s", lf_tool_shown(s->path),
                        headless->is_foreign && headless->is_directory ? "control: " : "", lost,
                        sources[headless->header_from]);
    if (headless->mark_lost)
        lf_tool_message("%s: the trim mark is lost: going on with the first epoch, at LSN %" PRIu64,
                        lf_tool_shown(s->path), headless->mark.oldest_lsn);
    return 0;
}

/* Reads the log by its header, unless what is there belongs to another one.  0 or an error. */
static int open_by_header(struct salvage *s, struct lf_headless *headless)
{
    struct logfile_reader *by_header;
    int error = logfile_reader_open(
        s->path, &(struct logfile_reader_options){.io = &s->bad->view.io}, &by_header);

    if (error != 0)
        return error;
    by_header->cursor.takes_unsynced = true;
    /* Is the header whole, and no epoch there that goes with it, nor the log new? */
    struct logfile_tail tail;
    error = logfile_reader_tail(by_header, &tail, sizeof tail);
    const bool is_foreign = error == 0 && tail.incarnation == 0 &&
                            (tail.verdict == LOGFILE_CORRUPT || tail.cut_bytes > 0);
    if (error == -EAGAIN)
        error = 0;
    if (is_foreign)
        error = lf_headless_find(headless, &s->bad->view.io, s->path);
    if (is_foreign && error == 0 && headless->header_from != LF_HEADLESS_OWN)
        error = LOGFILE_ECORRUPT;
    else if (error == LOGFILE_EFORMAT) /* nothing that is left says so */
        error = 0;
    if (error == 0)
        s->reader = by_header;
    else
        logfile_reader_close(by_header);
    return error;
}

static int salvage_log(struct salvage *s, struct lf_headless *headless)
{
    const int error = open_by_header(s, headless);

    if (error != 0 && (!is_headless(error) || open_headless(s, headless) != 0)) {
        /* Nothing could be read. */
        lf_bad_blocks_describe(s->bad, report_bad_range, s);
        return is_headless(error) && s->bad->count > 0
                   ? LF_TOOL_FAILED
                   : lf_tool_salvage_error(&s->bad->view.io, s->path, error);
    }
    const int status = salvage_reader(s);
    logfile_reader_close(s->reader);
    return status;
}

int lf_tool_salvage_log(const struct lf_tool_salvage *what, FILE *out)
{
    struct salvage s = {.path = what->path, .output = what->output, .what = what, .out = out};
    struct lf_headless *headless =
        aligned_alloc(LF_BLOCK_BYTES, lf_round_up(sizeof(*headless), LF_BLOCK_BYTES));
    int status = LF_TOOL_FAILED;

    s.bad = malloc(sizeof(*s.bad));
    if (headless == NULL || s.bad == NULL) {
        lf_tool_error(s.path, -ENOMEM);
    } else {
        lf_bad_blocks_init(s.bad, what->from);
        status = salvage_log(&s, headless);
        lf_bad_blocks_free(s.bad);
    }
    free(s.bad);
    free(headless);
    return status;
}

static int signals = -1; /* of lf_tool_signals_open */

static int stopped(void)
{
    return lf_tool_signals_wait(signals, -1);
}

int lf_tool_salvage(const struct lf_tool_args *args)
{
    struct lf_tool_salvage what = {.path = args->path, .output = args->output};
    struct stat source;

    signals = lf_tool_signals_open();
    if (signals < 0)
        return lf_tool_error("signals", signals);
    what.stopped = stopped;

    /* The copy is for the same eyes. */
    if (stat(args->path, &source) == 0)
        what.mode = source.st_mode & 0777;
    return lf_tool_salvage_log(&what, stdout);
}
