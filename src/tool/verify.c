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
    FILE *out;
    struct lf_bad_blocks *bad; /* the log is read through its table */
    struct lf_walk walk;
    /* Which of blocks 0 to 3 were whole when the walk began: a writer may be at one now. */
    bool header_valid[2], trim_valid[2];
};

static void report_damage(const struct verification *v, uint64_t from, uint64_t to,
                          const char *what)
{
    fprintf(v->out, "%sdamage: LSN %" PRIu64 " to %" PRIu64 ": %s\n", v->lead, from, to, what);
}

static void report_copy(const struct verification *v, unsigned block, const char *what)
{
    const struct lf_walk_copy_words words = lf_walk_copy_words(&v->walk);
    const uint64_t from = (uint64_t)block * LF_BLOCK_BYTES;

    fprintf(v->out, "%s%s: LSN %" PRIu64 " to %" PRIu64 ": %s is damaged%s\n", v->lead, words.kind,
            from, from + LF_BLOCK_BYTES, what, words.fate);
}

static void check_headers(const struct verification *v)
{
    const bool *valid = v->header_valid;

    if (!valid[0])
        report_copy(v, 0, "first copy of the file header");
    if (!valid[1])
        report_copy(v, 1, "second copy of the file header");
    if (valid[0] && valid[1] && !lf_walk_has_header(&v->walk))
        report_damage(v, 0, 2 * LF_BLOCK_BYTES, "file headers that contradict each other");
}

/* `error` is what reading blocks 0 to 3 ended with. */
static void check_trim_marks(const struct verification *v, int error)
{
    const bool *valid = v->trim_valid;

    if (!valid[0])
        report_copy(v, 2, "first copy of the trim mark");
    if (!valid[1])
        report_copy(v, 3, "second copy of the trim mark");
    if (valid[0] && valid[1] && error == LOGFILE_ECORRUPT)
        report_damage(v, 2 * LF_BLOCK_BYTES, LF_FIRST_LSN, "trim marks that contradict each other");
}

/* What is missing of blocks 0 to 3 reads as zeros, which says less than that it is missing. */
static int check_length(struct verification *v)
{
    uint64_t bytes;
    int error = lf_file_prologue_bytes(&v->walk.cursor.file, &bytes);

    if (error == 0 && bytes < LF_FIRST_LSN)
        fprintf(v->out,
                "%sdamage: %s is cut at byte %" PRIu64
                ", within what comes before the first epoch\n",
                v->lead, lf_file_is_directory(&v->walk.cursor.file) ? LF_CONTROL_NAME : "the file",
                bytes);
    return error;
}

static struct lf_tool_segments segments_of(struct verification *v)
{
    return (struct lf_tool_segments){.walk = &v->walk, .lead = v->lead, .out = v->out};
}

/* Between the last epoch before the damage and what the scanner goes on with.  0 or -errno. */
static int report_lost_epochs(struct verification *v)
{
    const struct lf_tool_segments segments = segments_of(v);
    const struct logfile_tail *tail = &v->walk.cursor.tail;
    char what[64] = "no whole epoch follows";

    if (!v->walk.at_end)
        snprintf(what, sizeof(what), "%" PRIu64 " epochs are not whole or missing",
                 v->walk.cursor.scan.chain.epoch - tail->last_epoch - 1);
    report_damage(v, tail->end_lsn, lf_verdict_damage_end(tail), what);
    return lf_tool_name_missing_segments(&segments);
}

static int check_epochs(struct verification *v)
{
    enum lf_step step;

    while ((step = lf_walk_next(&v->walk)) == LF_STEP_EPOCH || step == LF_STEP_DAMAGE) {
        int error = step == LF_STEP_DAMAGE ? report_lost_epochs(v) : 0;
        if (error != 0)
            return error;
    }
    return step == LF_STEP_FAILED ? v->walk.cursor.scan.error : 0;
}

/* What is behind the last whole epoch, and no reason to worry. */
static void print_rest(const struct verification *v)
{
    const struct logfile_tail *tail = &v->walk.cursor.tail;
    uint64_t rest_end_lsn = v->walk.cursor.scan.rest_end;

    if (tail->verdict == LOGFILE_LIVE)
        fprintf(v->out, "%snote: open for appending; checked up to LSN %" PRIu64 "\n", v->lead,
                tail->end_lsn);
    else if (tail->verdict != LOGFILE_CORRUPT && rest_end_lsn > tail->end_lsn)
        fprintf(v->out,
                "%snote: LSN %" PRIu64 " to %" PRIu64
                ": not zero and no epoch; a crash can leave that\n",
                v->lead, tail->end_lsn, rest_end_lsn);
}

static void report_bad_range(void *arg, const char *line)
{
    const struct verification *v = arg;

    fprintf(v->out, "%sdamage: %s\n", v->lead, line);
}

/* What was in such blocks is not known, so there is no verdict. */
static int conclude_unreadable(struct verification *v)
{
    lf_bad_blocks_describe(v->bad, report_bad_range, v);
    fprintf(v->out,
            "%sunreadable: %" PRIu64 " records in %" PRIu64 " epochs can be read" LF_MESSAGE_SALVAGE
            "\n",
            v->lead, v->walk.record_count, v->walk.epoch_count);
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
    enum logfile_verdict verdict = lf_walk_verdict(&v->walk);

    print_rest(v);
    fprintf(v->out,
            "%s%s%s: %" PRIu64 " records in %" PRIu64 " epochs, the last ends at LSN %" PRIu64
            "%s\n",
            v->lead, lf_walk_verdict_name(verdict), lf_walk_repairable(&v->walk),
            v->walk.record_count, v->walk.epoch_count, v->walk.cursor.tail.end_lsn,
            verdict == LOGFILE_CORRUPT ? LF_MESSAGE_SALVAGE : "");
    return statuses[verdict];
}

/* What comes after blocks 0 to 3. */
static int check_files_and_epochs(struct verification *v)
{
    const struct lf_tool_segments segments = segments_of(v);

    lf_file_drop_cache(&v->walk.cursor.file, LF_FIRST_LSN);
    int error = lf_tool_name_other_files(&segments);
    return error != 0 ? error : check_epochs(v);
}

/* What is there twice.  `error` is what reading blocks 0 to 3 ended with.  0 or -errno. */
static int check_copies(struct verification *v, int error)
{
    const struct lf_tool_segments segments = segments_of(v);

    v->walk.failed |= v->bad->count > 0;
    check_headers(v);
    if (lf_walk_has_header(&v->walk))
        check_trim_marks(v, error);
    return error == 0 ? lf_tool_check_segment_headers(&segments) : 0;
}

static void note_copies(struct verification *v)
{
    memcpy(v->header_valid, v->walk.cursor.scan.prologue.header_valid, sizeof(v->header_valid));
    memcpy(v->trim_valid, v->walk.cursor.scan.prologue.trim_valid, sizeof(v->trim_valid));
}

static int verify_open_log(struct verification *v)
{
    int error = lf_walk_start(&v->walk);

    if (error == LOGFILE_EFORMAT && v->bad->count > 0)
        return conclude_unreadable(v);
    if (error != 0 && error != LOGFILE_ECORRUPT)
        return lf_tool_path_error(v->walk.cursor.file.io, v->path, error);
    int unread = check_length(v);
    if (unread != 0)
        return lf_tool_error(v->path, unread);
    note_copies(v);
    int failed = error == 0 ? check_files_and_epochs(v) : 0;
    unread = check_copies(v, error);
    if (failed == 0)
        failed = unread;
    if (failed == 0)
        return v->bad->count > 0 ? conclude_unreadable(v) : conclude(v);
    lf_tool_message("%s: at LSN %" PRIu64 ": %s", lf_tool_shown(v->path),
                    v->walk.cursor.scan.chain.lsn, logfile_strerror(failed));
    return LF_TOOL_FAILED;
}

static int verify_path(struct verification *v)
{
    const struct logfile_io *io = &v->bad->view.io;
    int error = lf_walk_open(&v->walk, io, v->path);

    stpcpy(stpcpy(v->lead, lf_tool_shown(v->path)), ": ");
    if (error != 0)
        return lf_tool_path_error(io, v->path, error);
    /* What counts is what the device holds. */
    lf_file_drop_cache(&v->walk.cursor.file, 0);
    int status = verify_open_log(v);
    lf_walk_close(&v->walk);
    return status;
}

int lf_tool_verify_log(const struct logfile_io *io, const char *path, FILE *out)
{
    struct verification v = {.path = path, .out = out, .bad = malloc(sizeof(*v.bad))};

    if (v.bad == NULL)
        return lf_tool_error(path, -ENOMEM);
    lf_bad_blocks_init(v.bad, io);
    int status = verify_path(&v);
    lf_bad_blocks_free(v.bad);
    free(v.bad);
    return status;
}

int lf_tool_verify(const struct lf_tool_args *args)
{
    return lf_tool_verify_log(logfile_io_posix(), args->path, stdout);
}
