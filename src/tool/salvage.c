/* SPDX-License-Identifier: MIT */
/* logfile salvage: copies what is whole of a damaged log into a new one. */
#include "read/reader.h"
#include "tool/headless.h"
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
    struct logfile_reader *reader;
    struct logfile *copy;
    uint64_t record_count;
    uint64_t payload_bytes;
    uint64_t damage_count;
};

/* The copy takes every record that the log took. */
static int open_copy(struct salvage *s)
{
    struct logfile_open_report report = {0};
    struct logfile_options options = {
        .open_flags = LOGFILE_OPEN_EXCLUSIVE,
        .mode = s->what->mode,
        .slot_bytes = s->reader->scan.prologue.header.slot_bytes,
        .io = s->what->to,
    };
    int error = logfile_open(s->output, &options, &report, &s->copy);
    return error == 0 ? LF_TOOL_OK : lf_tool_open_error(error, &report);
}

/* 0: go on behind the damage; -ENOENT: nothing follows; another error. */
static int skip_damage(struct salvage *s)
{
    struct logfile_tail tail;
    int error = logfile_reader_tail(s->reader, &tail, sizeof tail);

    if (error != 0)
        return error;
    s->damage_count++;
    lf_tool_report_damage(s->path, s->reader, &tail);
    return logfile_reader_skip(s->reader);
}

/* What a reader passes over without an error: a torn tail, and what a writer is still at. */
static int report_end(const struct salvage *s)
{
    struct logfile_tail tail;
    int error = logfile_reader_tail(s->reader, &tail, sizeof tail);

    if (error != 0 && error != -EAGAIN)
        return error;
    if (error == -EAGAIN || tail.verdict == LOGFILE_LIVE)
        lf_tool_message("%s: open for appending: what comes later is not copied",
                        lf_tool_shown(s->path));
    else if (tail.verdict == LOGFILE_TORN && tail.cut_bytes > 0)
        lf_tool_message("%s: torn: %" PRIu64 " bytes from LSN %" PRIu64 " on are no whole epoch",
                        lf_tool_shown(s->path), tail.cut_bytes, tail.end_lsn);
    return 0;
}

/* 1: a record; 0: no more; an error. */
static int next_record(struct salvage *s, struct logfile_record *record)
{
    int found;

    while ((found = logfile_reader_next(s->reader, record)) == LOGFILE_ECORRUPT) {
        int error = skip_damage(s);
        if (error != 0)
            return error == -ENOENT ? 0 : error;
    }
    return found == 0 ? report_end(s) : found;
}

static int copy_record(struct salvage *s, const struct logfile_record *record)
{
    int error = logfile_submit(s->copy, record->data, record->size, NULL, NULL);

    if (error != 0)
        return error;
    s->record_count++;
    s->payload_bytes += record->size;
    return 0;
}

/* Returns an exit status. */
static int copy_records(struct salvage *s)
{
    struct logfile_record record;
    int found;

    while ((found = next_record(s, &record)) == 1) {
        int error = copy_record(s, &record);
        if (error != 0)
            return lf_tool_error(s->output, error);
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

/* Where the copy failed, what there is of it is less than was read. */
static void print_totals(const struct salvage *s)
{
    fprintf(s->out,
            "%" PRIu64 " records with %" PRIu64 " bytes copied, %" PRIu64 " damages skipped\n",
            s->record_count, s->payload_bytes, s->damage_count);
}

static int salvage_reader(struct salvage *s)
{
    s->reader->takes_unsynced = true;
    int status = open_copy(s);

    if (status != LF_TOOL_OK)
        return status;
    status = copy_records(s);
    int closed = lf_tool_close(s->output, s->copy);
    if (closed == LF_TOOL_OK)
        print_totals(s);
    if (status == LF_TOOL_OK)
        status = closed;
    if (status != LF_TOOL_OK)
        lf_tool_message("%s: incomplete: holds no more than what came before the failure",
                        lf_tool_shown(s->output));
    else if (s->damage_count > 0 && s->record_count == 0)
        status = LF_TOOL_CORRUPT;
    return status;
}

/* What was lost before the first epoch, and what stands for it. */
static void report_headless(const char *path, const struct lf_headless *headless)
{
    static const char *const sources[] = {
        [LF_HEADLESS_OWN] = "",
        [LF_HEADLESS_SEGMENTS] = ": its segments have the file header, too",
        [LF_HEADLESS_EPOCHS] = ": its epochs tell the seed of their checksums",
    };
    const char *lost = headless->has_control ? "both copies of the file header are lost"
                                             : "there is no control file";

    if (headless->header_from != LF_HEADLESS_OWN)
        lf_tool_message("%s: %s%s", lf_tool_shown(path), lost, sources[headless->header_from]);
    if (headless->mark_lost)
        lf_tool_message("%s: the trim mark is lost: going on with the first epoch, at LSN %" PRIu64,
                        lf_tool_shown(path), headless->mark.oldest_lsn);
}

/* Whether it is an error of what comes before the first epoch, or of a control file that is not there. */
static bool is_headless(int error)
{
    return error == LOGFILE_ECORRUPT || error == LOGFILE_EFORMAT || error == -EISDIR ||
           error == -ELOOP;
}

static int salvage_headless(struct salvage *s, int error)
{
    struct lf_headless *headless =
        aligned_alloc(LF_BLOCK_BYTES, lf_round_up(sizeof(struct lf_headless), LF_BLOCK_BYTES));
    int status = LF_TOOL_FAILED;

    if (headless == NULL)
        return lf_tool_error(s->path, -ENOMEM);
    int found = lf_headless_find(headless, s->what->from, s->path);
    if (found == 0)
        found = logfile_reader_open(s->path, &(struct logfile_reader_options){.io = &headless->io},
                                    &s->reader);
    if (found == 0) {
        s->damage_count++;
        report_headless(s->path, headless);
        status = salvage_reader(s);
        logfile_reader_close(s->reader);
    } else {
        status = lf_tool_path_error(s->what->from, s->path, error);
    }
    free(headless);
    return status;
}

int lf_tool_salvage_log(const struct lf_tool_salvage *what, FILE *out)
{
    struct salvage s = {.path = what->path, .output = what->output, .what = what, .out = out};
    int error = logfile_reader_open(what->path, &(struct logfile_reader_options){.io = what->from},
                                    &s.reader);

    if (error != 0)
        return is_headless(error) ? salvage_headless(&s, error)
                                  : lf_tool_path_error(what->from, what->path, error);
    int status = salvage_reader(&s);
    logfile_reader_close(s.reader);
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
