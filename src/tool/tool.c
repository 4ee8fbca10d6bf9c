/* SPDX-License-Identifier: MIT */
#include "tool/tool.h"

#include "read/reader.h"
#include "storage/message.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

const char *lf_tool_shown(const char *path)
{
    static _Thread_local char shown[LF_MESSAGE_SHOWN_BYTES];

    return lf_message_name(path, shown, sizeof(shown));
}

void lf_tool_message(const char *format, ...)
{
    char line[LF_MESSAGE_SHOWN_BYTES + 1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    /* Whatever it is made of, it stays one line. */
    for (char *c = line; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    fflush(stdout);
    fprintf(stderr, "logfile: %s\n", line);
}

static int exit_status(int error)
{
    return error == LOGFILE_ECORRUPT ? LF_TOOL_CORRUPT : LF_TOOL_FAILED;
}

int lf_tool_error(const char *path, int error)
{
    lf_tool_message("%s: %s", lf_tool_shown(path), logfile_strerror(error));
    return exit_status(error);
}

/* How much there is of what comes before the first epoch; all of it where nothing can be said. */
static uint64_t prologue_bytes(const struct logfile_io *io, const char *path)
{
    struct lf_file file;
    uint64_t bytes = LF_FIRST_LSN;

    if (lf_file_open(&file, io != NULL ? io : logfile_io_posix(), path) != 0)
        return LF_FIRST_LSN;
    if (lf_file_prologue_bytes(&file, &bytes) != 0)
        bytes = LF_FIRST_LSN;
    lf_file_close(&file);
    return bytes;
}

int lf_tool_path_error(const struct logfile_io *io, const char *path, int error)
{
    const uint64_t bytes = error == LOGFILE_ECORRUPT ? prologue_bytes(io, path) : LF_FIRST_LSN;

    if (bytes < LF_FIRST_LSN)
        lf_tool_message("%s: cut at byte %" PRIu64 ", within what comes before the first epoch",
                        lf_tool_shown(path), bytes);
    else
        lf_tool_message("%s: %s", lf_tool_shown(path), lf_message_open_error(io, path, error));
    return exit_status(error);
}

int lf_tool_open_error(int error, const struct logfile_open_report *report)
{
    lf_tool_message("%s", report->message);
    return exit_status(error);
}

static int failure_error(const char *path, struct logfile *log, int error)
{
    struct logfile_failure failure = {0};

    if (logfile_failure(log, &failure, sizeof failure) != 0 || failure.error == 0)
        return lf_tool_error(path, error);
    lf_tool_message("%s: %s at offset %" PRIu64 ": %s; what is durable ends at LSN %" PRIu64,
                    lf_tool_shown(path), failure.call, failure.offset,
                    logfile_strerror(failure.error), logfile_durable_lsn(log));
    return LF_TOOL_FAILED;
}

int lf_tool_close(const char *path, struct logfile *log)
{
    int error = logfile_shutdown(log, NULL);
    int status = error == 0 ? LF_TOOL_OK : failure_error(path, log, error);

    error = logfile_close(log);
    /* What shutdown said needs no second word. */
    return status == LF_TOOL_OK && error != 0 ? lf_tool_error(path, error) : status;
}

bool lf_tool_reader_is_gone(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};

    return errno == EPIPE || (poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0);
}

int lf_tool_output_error(void)
{
    if (lf_tool_reader_is_gone())
        return LF_TOOL_OK;
    const char *reason = errno != 0 ? strerror(errno) : "";

    lf_tool_message("cannot write to standard output%s%s", errno != 0 ? ": " : "", reason);
    return LF_TOOL_FAILED;
}

void lf_tool_report_damage(const char *path, const struct logfile_reader *reader,
                           const struct logfile_tail *tail)
{
    char name[LF_SEGMENT_NAME_BYTES];
    uint64_t index;
    const bool missing = lf_scan_missing_segment(&reader->scan, &index);

    if (missing)
        lf_file_segment_name(index, name);
    lf_tool_message("%s: corrupt: LSN %" PRIu64 " to %" PRIu64 " cannot be read%s%s%s",
                    lf_tool_shown(path), tail->end_lsn, lf_tail_damage_end(tail),
                    missing ? ": " : "", missing ? name : "", missing ? " is missing" : "");
}

void lf_tool_report_unsynced(const char *path, const struct logfile_reader *reader)
{
    if (reader->unsynced_lsn != 0)
        lf_tool_message("%s: the file system has stopped: what comes from LSN %" PRIu64
                        " on may not be on the disk",
                        lf_tool_shown(path), reader->unsynced_lsn);
}

void lf_tool_print_hex(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%02x", bytes[i]);
}
