/* SPDX-License-Identifier: MIT */
/* logfile cat: prints records. */
#include "read/reader.h"
#include "storage/message.h"
#include "tool/line.h"
#include "tool/tool.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

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

/* Sleeps until the log may have more.  0; 1: standard output has failed, or nobody reads it any more;
 * -ESTALE: there will be no more; -errno. */
static int wait_for_more(struct logfile_reader *reader)
{
    static const struct timespec passed = {0};
    struct pollfd polled[] = {{.fd = STDOUT_FILENO},
                              {.fd = logfile_reader_fd(reader), .events = POLLIN}};

    if (polled[1].fd < 0)
        return polled[1].fd;
    if (fflush(stdout) != 0)
        return 1;
    if (poll(polled, 2, -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (polled[0].revents != 0)
        return 1;
    const int error = logfile_reader_wait(reader, &passed);
    return error == -ETIMEDOUT ? 0 : error;
}

/* Prints what is asked for.  Returns an exit status. */
static int print_log(const struct lf_tool_args *args, struct logfile_reader *reader)
{
    struct logfile_record record;
    struct logfile_tail tail;
    uint64_t count = 0;
    int found = 0;

    while (count < args->count_limit) {
        found = logfile_reader_next(reader, &record);
        if (found == 1 && record.lsn >= args->to_lsn)
            break;
        if (found == 1) {
            count++;
            if (!print_record(args, &record))
                return lf_tool_output_error();
            continue;
        }
        if (found < 0 || !args->follow)
            break;
        found = wait_for_more(reader);
        if (found == 1)
            return lf_tool_output_error();
        if (found < 0)
            break;
    }
    lf_tool_report_unsynced(args->path, reader);
    if (found >= 0)
        return LF_TOOL_OK;
    if (found == -ESTALE && args->follow) {
        lf_tool_message("%s: has been removed: nothing more will be appended to it",
                        lf_tool_shown(args->path));
        return LF_TOOL_FAILED;
    }
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
