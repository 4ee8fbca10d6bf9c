/* SPDX-License-Identifier: MIT */
/*
 * logfile verify: checks every byte of a log and says whether it is clean, torn or corrupt.
 *
 * Epochs are checked by the scanner, padding included.  Corrupt is what opening refuses.  One damaged
 * copy of the file header, of a segment's header or of the trim mark is not: it is named, and makes
 * the log "repairable", because opening it for append makes it good again.  Of a log that is refused
 * nothing is repaired, so copies are judged last.  Blocks that the disk cannot give are named and passed
 * over, and then there is no verdict.
 */
#include "storage/message.h"
#include "tool/bad_blocks.h"
#include "tool/line.h"
#include "tool/segments.h"
#include "tool/tool.h"
#include "tool/walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct verification {
    const char *path;
    char lead[LF_MESSAGE_SHOWN_BYTES + 2]; /* the path and ": ", which each line starts with */
    struct lf_findings findings;
    struct lf_bad_blocks *bad; /* the log is read through its table */
    struct lf_walk walk;
};

static struct lf_tool_segments segments_of(struct verification *v)
{
    return (struct lf_tool_segments){.walk = &v->walk, .findings = &v->findings, .bad = v->bad};
}

/* A block of blocks 0 to 3 whose other copy may be whole. */
static void report_copy(const struct verification *v, unsigned block, const char *what)
{
    const struct lf_walk_copy_words words = lf_walk_copy_words(&v->walk);
    const struct lf_finding_place place = {.from = (uint64_t)block * LF_BLOCK_BYTES,
                                           .to = ((uint64_t)block + 1) * LF_BLOCK_BYTES};

    lf_finding(&v->findings, words.kind, place, "%s is damaged%s", what, words.fate);
}

/* What is there twice: `header` and `trim` say which copies were whole when the walk began, since a
 * writer may be at one now; `error` is what reading them ended with.  0 or -errno. */
static int check_copies(struct verification *v, const bool header[2], const bool trim[2], int error)
{
    const struct lf_tool_segments segments = segments_of(v);
    const struct lf_finding_place headers = {.to = 2 * LF_BLOCK_BYTES};
    const struct lf_finding_place marks = {.from = 2 * LF_BLOCK_BYTES, .to = LF_FIRST_LSN};
    const bool has_header = lf_walk_has_header(&v->walk);

    v->walk.failed |= v->bad->count > 0;
    if (!header[0])
        report_copy(v, 0, "first copy of the file header");
    if (!header[1])
        report_copy(v, 1, "second copy of the file header");
    if (header[0] && header[1] && !has_header)
        lf_finding(&v->findings, "damage", headers, "file headers that contradict each other");
    if (has_header && !trim[0])
        report_copy(v, 2, "first copy of the trim mark");
    if (has_header && !trim[1])
        report_copy(v, 3, "second copy of the trim mark");
    if (has_header && trim[0] && trim[1] && error == LOGFILE_ECORRUPT)
        lf_finding(&v->findings, "damage", marks, "trim marks that contradict each other");
    return error == 0 ? lf_tool_check_segment_headers(&segments) : 0;
}

/* Every epoch, and between two of them what is missing.  0 or -errno. */
static int check_epochs(struct verification *v)
{
    const struct lf_tool_segments segments = segments_of(v);
    const struct logfile_tail *tail = &v->walk.cursor.tail;
    enum lf_step step;

    while ((step = lf_walk_next(&v->walk)) == LF_STEP_EPOCH || step == LF_STEP_DAMAGE) {
        if (step == LF_STEP_EPOCH)
            continue;
        const struct lf_finding_place place = {tail->end_lsn, lf_verdict_damage_end(tail), NULL};
        if (v->walk.at_end)
            lf_finding(&v->findings, "damage", place, "no whole epoch follows");
        else
            lf_finding(&v->findings, "damage", place, "%" PRIu64 " epochs are not whole or missing",
                       v->walk.cursor.scan.chain.epoch - tail->last_epoch - 1);
        const int error = lf_tool_name_lost_segments(&segments);
        if (error != 0)
            return error;
    }
    return step == LF_STEP_FAILED ? v->walk.cursor.scan.error : 0;
}

/* The last line. */
static void print_verdict(const struct verification *v, const char *verdict, const char *advice)
{
    const struct lf_walk *walk = &v->walk;
    const bool is_judged = v->bad->count == 0;
    const char *repairable = is_judged ? lf_walk_repairable(walk) : "";
    struct lf_line line;

    lf_line_begin(&line, v->findings.out, v->findings.json, "");
    if (!line.json) {
        lf_line_text(&line, "%s%s%s: %" PRIu64 " records in %" PRIu64 " epochs", v->lead, verdict,
                     repairable, walk->record_count, walk->epoch_count);
        if (is_judged)
            lf_line_text(&line, ", the last ends at LSN %" PRIu64, walk->cursor.tail.end_lsn);
        lf_line_text(&line, "%s%s", is_judged ? "" : " can be read", advice);
    } else {
        lf_line_json_bytes(&line, "path", "path_base64", v->path, strlen(v->path));
        lf_line_word(&line, "kind", "verdict");
        lf_line_word(&line, "verdict", verdict);
        lf_line_json_bool(&line, "repairable", *repairable != '\0');
        lf_line_number(&line, "records", walk->record_count);
        lf_line_number(&line, "epochs", walk->epoch_count);
        if (is_judged)
            lf_line_number(&line, "end_lsn", walk->cursor.tail.end_lsn);
    }
    lf_line_end(&line);
}

static void report_bad_range(void *arg, const char *text)
{
    const struct verification *v = arg;

    lf_finding(&v->findings, "damage", (struct lf_finding_place){0}, "%s", text);
}

/* What was in such blocks is not known, so there is no verdict. */
static int conclude_unreadable(struct verification *v)
{
    lf_bad_blocks_describe(v->bad, report_bad_range, v);
    print_verdict(v, "unreadable", LF_MESSAGE_SALVAGE);
    lf_tool_message("%s: %s", lf_tool_shown(v->path), logfile_strerror(v->bad->ranges[0].error));
    return LF_TOOL_FAILED;
}

static int conclude(const struct verification *v)
{
    static const int statuses[] = {
        [LOGFILE_CLEAN] = LF_TOOL_OK,
        [LOGFILE_TORN] = LF_TOOL_TORN,
        [LOGFILE_CORRUPT] = LF_TOOL_CORRUPT,
        [LOGFILE_LIVE] = LF_TOOL_OK,
    };
    const enum logfile_verdict verdict = lf_walk_verdict(&v->walk);
    const struct logfile_tail *tail = &v->walk.cursor.tail;
    const struct lf_finding_place rest = {tail->end_lsn, v->walk.cursor.scan.rest_end, NULL};

    /* What comes after the last whole epoch, and is no reason to worry. */
    if (tail->verdict == LOGFILE_LIVE)
        lf_finding(&v->findings, "note", (struct lf_finding_place){0},
                   "open for appending; checked up to LSN %" PRIu64, tail->end_lsn);
    else if (tail->verdict != LOGFILE_CORRUPT && rest.to > rest.from)
        lf_finding(&v->findings, "note", rest, "not zero and no epoch; a crash can leave that");
    print_verdict(v, lf_walk_verdict_name(verdict),
                  verdict == LOGFILE_CORRUPT ? LF_MESSAGE_SALVAGE : "");
    return statuses[verdict];
}

static int verify_open_log(struct verification *v)
{
    const struct lf_prologue *prologue = &v->walk.cursor.scan.prologue;
    const struct lf_tool_segments segments = segments_of(v);
    struct lf_file *file = &v->walk.cursor.file;
    uint64_t bytes;

    /* 1. What comes before the first epoch.  What is missing of it reads as zeros, which says less than
     * that it is missing. */
    const int error = lf_walk_start(&v->walk);
    if (error == LOGFILE_EFORMAT && v->bad->count > 0)
        return conclude_unreadable(v);
    if (error != 0 && error != LOGFILE_ECORRUPT)
        return lf_tool_path_error(file->io, v->path, error);
    int failed = lf_file_prologue_bytes(file, &bytes);
    if (failed != 0)
        return lf_tool_error(v->path, failed);
    if (bytes < LF_FIRST_LSN)
        lf_finding(&v->findings, "damage", (struct lf_finding_place){0},
                   "%s is cut at byte %" PRIu64 ", within what comes before the first epoch",
                   lf_file_is_directory(file) ? LF_CONTROL_NAME : "the file", bytes);
    const bool header[2] = {prologue->header_valid[0], prologue->header_valid[1]};
    const bool trim[2] = {prologue->trim_valid[0], prologue->trim_valid[1]};
    /* 2. The files, and every epoch. */
    if (error == 0) {
        lf_file_drop_cache(file, LF_FIRST_LSN);
        failed = lf_tool_name_other_files(&segments);
    }
    if (error == 0 && failed == 0)
        failed = check_epochs(v);
    /* 3. Copies, once it is known whether the log is refused. */
    const int unread = check_copies(v, header, trim, error);
    if (failed == 0)
        failed = unread;
    if (failed == 0)
        return v->bad->count > 0 ? conclude_unreadable(v) : conclude(v);
    lf_tool_message("%s: at LSN %" PRIu64 ": %s", lf_tool_shown(v->path),
                    v->walk.cursor.scan.chain.lsn, logfile_strerror(failed));
    return LF_TOOL_FAILED;
}

static int verify(const struct logfile_io *io, const char *path, FILE *out, bool json)
{
    struct verification v = {.path = path,
                             .findings = {.out = out, .json = json, .path = path, .lead = v.lead},
                             .bad = malloc(sizeof(*v.bad))};
    int status;

    if (v.bad == NULL)
        return lf_tool_error(path, -ENOMEM);
    stpcpy(stpcpy(v.lead, lf_tool_shown(path)), ": ");
    lf_bad_blocks_init(v.bad, io);
    io = &v.bad->view.io;
    const int error = lf_walk_open(&v.walk, io, path);
    if (error != 0) {
        status = lf_tool_path_error(io, path, error);
    } else {
        /* What counts is what the device holds. */
        lf_file_drop_cache(&v.walk.cursor.file, 0);
        status = verify_open_log(&v);
        lf_walk_close(&v.walk);
    }
    lf_bad_blocks_free(v.bad);
    free(v.bad);
    return status;
}

int lf_tool_verify_log(const struct logfile_io *io, const char *path, FILE *out)
{
    return verify(io, path, out, false);
}

int lf_tool_verify(const struct lf_tool_args *args)
{
    return verify(logfile_io_posix(), args->path, stdout, args->json);
}
