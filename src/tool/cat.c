/* SPDX-License-Identifier: MIT */
/* logfile cat: prints records. */
#include "read/reader.h"
#include "storage/message.h"
#include "tool/line.h"
#include "tool/tool.h"

#include <poll.h>
#include <unistd.h>

/* How long a follower sleeps between two looks at the log: so long at first, and at most. */
#define LOOK_MS_MIN 5
#define LOOK_MS_MAX 100

/* False: standard output failed. */
static bool print_record(const struct lf_tool_args *args, const struct logfile_record *record)
{
    struct lf_line line;

    if (!args->json) {
        fwrite(record->data, 1, record->size, stdout);
        if (!args->raw)
            putchar(args->nul ? '\0' : '\n');
    } else {
        lf_line_begin(&line, stdout, true, "");
        lf_line_number(&line, "lsn", record->lsn);
        lf_line_number(&line, "size", record->size);
        lf_line_json_bytes(&line, "data", "base64", record->data, record->size);
        lf_line_end(&line);
    }
    return ferror(stdout) == 0;
}

/*
 * Sleeps until the log may have more.  *ms is how long the last sleep was, 0 if something has been
 * read since.  False: standard output has failed, or nobody reads it any more, which ends the sleep.
 */
static bool wait_for_more(struct logfile_reader *reader, int *ms)
{
    struct pollfd output = {.fd = STDOUT_FILENO};

    (void)reader;
    *ms = *ms == 0 ? LOOK_MS_MIN : *ms < LOOK_MS_MAX / 2 ? 2 * *ms : LOOK_MS_MAX;
    return fflush(stdout) == 0 && poll(&output, 1, *ms) <= 0;
}

/* Prints what is asked for.  Returns an exit status. */
static int print_log(const struct lf_tool_args *args, struct logfile_reader *reader)
{
    struct logfile_record record;
    struct logfile_tail tail;
    uint64_t count = 0;
    int found = 0, slept_ms = 0;

    while (count < args->count_limit) {
        found = logfile_reader_next(reader, &record);
        if (found == 1 && record.lsn >= args->to_lsn)
            break;
        if (found == 1) {
            count++;
            slept_ms = 0;
            if (!print_record(args, &record))
                return lf_tool_output_error();
            continue;
        }
        if (found < 0 || !args->follow)
            break;
        if (!wait_for_more(reader, &slept_ms))
            return lf_tool_output_error();
    }
    lf_tool_report_unsynced(args->path, reader);
    if (found >= 0)
        return LF_TOOL_OK;
    if (found != LOGFILE_ECORRUPT)
        return lf_tool_error(args->path, found);
    const int error = logfile_reader_tail(reader, &tail, sizeof tail);
    if (error != 0)
        return lf_tool_error(args->path, error);
    lf_tool_report_damage(args->path, reader, &tail, LF_MESSAGE_SALVAGE);
    return LF_TOOL_CORRUPT;
}

int lf_tool_cat(const struct lf_tool_args *args)
{
    const struct logfile_reader_options options = {.lsn = args->from_lsn};
    struct logfile_reader *reader;
    const int error = logfile_reader_open(args->path, &options, &reader);

    if (error != 0)
        return lf_tool_path_error(NULL, args->path, error);
    reader->cursor.takes_unsynced = true;
    const int status = print_log(args, reader);
    logfile_reader_close(reader);
    return status;
}
