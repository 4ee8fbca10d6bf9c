/* SPDX-License-Identifier: MIT */
#include "tool.h"

#include "message.h"
#include "reader.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

void lf_tool_message(const char *format, ...)
{
    char line[8192];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    /* A path may hold anything; the message stays one line. */
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
    lf_tool_message("%s: %s", path, logfile_strerror(error));
    return exit_status(error);
}

int lf_tool_path_error(const struct logfile_io *io, const char *path, int error)
{
    lf_tool_message("%s: %s", path, lf_message_open_error(io, path, error));
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

    if (logfile_failure(log, &failure) != 0 || failure.error == 0)
        return lf_tool_error(path, error);
    lf_tool_message("%s: %s at offset %" PRIu64 ": %s; what is durable ends at LSN %" PRIu64, path,
                    failure.call, failure.offset, logfile_strerror(failure.error),
                    logfile_durable_lsn(log));
    return LF_TOOL_FAILED;
}

int lf_tool_close(const char *path, struct logfile *log)
{
    int error = logfile_shutdown(log, NULL);
    int status = error == 0 ? LF_TOOL_OK : failure_error(path, log, error);

    (void)logfile_close(log); /* can only repeat what shutdown said */
    return status;
}

int lf_tool_output_error(void)
{
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
    lf_tool_message("%s: corrupt: LSN %" PRIu64 " to %" PRIu64 " cannot be read%s%s%s", path,
                    tail->end_lsn, lf_tail_damage_end(tail), missing ? ": " : "",
                    missing ? name : "", missing ? " is missing" : "");
}

void lf_tool_print_hex(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%02x", bytes[i]);
}
