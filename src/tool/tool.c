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

/* What is wrong with blocks 0 to 3 of a log that is damaged, or may be. */
struct prologue_damage {
    uint64_t bytes;   /* how much there is of them; all of it where nothing can be said */
    const char *what; /* NULL: nothing */
};

static struct prologue_damage find_prologue_damage(const struct logfile_io *io, const char *path)
{
    struct prologue_damage damage = {.bytes = LF_FIRST_LSN};
    struct lf_prologue prologue;
    struct lf_file file;

    if (lf_file_open(&file, io != NULL ? io : logfile_io_posix(), path) != 0)
        return damage;
    if (lf_file_prologue_bytes(&file, &damage.bytes) != 0)
        damage.bytes = LF_FIRST_LSN;
    const int error = lf_prologue_read(&file, &prologue);
    if (error == LOGFILE_ECORRUPT || error == LOGFILE_EFORMAT)
        damage.what = lf_prologue_damage(&prologue, error);
    lf_file_close(&file);
    return damage;
}

static int path_error(const struct logfile_io *io, const char *path, int error, const char *advice)
{
    struct prologue_damage damage = {.bytes = LF_FIRST_LSN};

    if (error == LOGFILE_ECORRUPT || error == LOGFILE_EFORMAT)
        damage = find_prologue_damage(io, path);
    if (damage.what == NULL && !lf_message_is_damage(io, path, error))
        advice = "";
    if (error == LOGFILE_ECORRUPT && damage.bytes < LF_FIRST_LSN)
        lf_tool_message("%s: cut at byte %" PRIu64 ", within what comes before the first epoch%s",
                        lf_tool_shown(path), damage.bytes, advice);
    else
        lf_tool_message("%s: %s%s", lf_tool_shown(path),
                        damage.what != NULL ? damage.what : lf_message_open_error(io, path, error),
                        advice);
    return exit_status(error);
}

int lf_tool_path_error(const struct logfile_io *io, const char *path, int error)
{
    return path_error(io, path, error, LF_MESSAGE_SALVAGE);
}

int lf_tool_salvage_error(const struct logfile_io *io, const char *path, int error)
{
    return path_error(io, path, error, "");
}

int lf_tool_open_error(int error, const struct logfile_open_report *report)
{
    lf_tool_message("%s", report->message);
    return exit_status(error);
}

int lf_tool_close(const char *path, struct logfile *log)
{
    struct logfile_failure failure = {0};
    int status = LF_TOOL_OK;

    int error = logfile_shutdown(log, NULL);
    if (error != 0 && logfile_failure(log, &failure, sizeof failure) == 0 && failure.error != 0) {
        status = LF_TOOL_FAILED;
        if (failure.error == -ESTALE)
            lf_tool_message(
                "%s: %s has been removed or replaced while it was open; what was appended to "
                "it since is lost",
                lf_tool_shown(path), failure.file[0] != '\0' ? failure.file : "the file");
        else
            lf_tool_message("%s: %s at offset %" PRIu64
                            ": %s; what is durable ends at LSN %" PRIu64,
                            lf_tool_shown(path), failure.call, failure.offset,
                            logfile_strerror(failure.error), logfile_durable_lsn(log));
    } else if (error != 0) {
        status = lf_tool_error(path, error);
    }
    error = logfile_close(log);
    /* What shutdown said needs no second word. */
    return status == LF_TOOL_OK && error != 0 ? lf_tool_error(path, error) : status;
}

bool lf_tool_reader_is_gone(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO};

    return errno == EPIPE ||
           (poll(&output, 1, 0) == 1 && (output.revents & (POLLERR | POLLHUP)) != 0);
}

int lf_tool_output_error(void)
{
    if (lf_tool_reader_is_gone())
        return LF_TOOL_OK;
    const char *reason = errno != 0 ? logfile_strerror(-errno) : "";

    lf_tool_message("cannot write to standard output%s%s", errno != 0 ? ": " : "", reason);
    return LF_TOOL_FAILED;
}

void lf_tool_report_damage(const char *path, const struct logfile_reader *reader,
                           const struct logfile_tail *tail, const char *advice)
{
    const uint64_t lost_end = lf_verdict_damage_end(tail);
    char reason[LF_VERDICT_REASON_BYTES];

    lf_verdict_reason(&reader->cursor.scan, reason);
    if (lost_end > tail->end_lsn)
        lf_tool_message("%s: corrupt: LSN %" PRIu64 " to %" PRIu64 " cannot be read%s%s",
                        lf_tool_shown(path), tail->end_lsn, lost_end, reason, advice);
    else
        lf_tool_message("%s: corrupt from LSN %" PRIu64 "%s%s", lf_tool_shown(path), tail->end_lsn,
                        reason, advice);
}

void lf_tool_report_unsynced(const char *path, const struct logfile_reader *reader)
{
    if (reader->cursor.unsynced_lsn != 0)
        lf_tool_message("%s: the file system has stopped: what comes from LSN %" PRIu64
                        " on may not be on the disk",
                        lf_tool_shown(path), reader->cursor.unsynced_lsn);
}
