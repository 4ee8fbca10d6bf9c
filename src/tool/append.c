/* SPDX-License-Identifier: MIT */
/* logfile append: each line of standard input becomes a record. */
#include "tool/signals.h"
#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* With --ack: so many records may wait to be acknowledged; then all of them are waited for. */
#define ACKS_MAX 4096

/* Standard input, cut into lines that lie in the buffer as they were read. */
struct line_source {
    char *buffer;
    size_t capacity_bytes;
    size_t line_max_bytes;
    char delimiter;
    size_t from; /* what is left to be handed out is [from, to) */
    size_t to;
    size_t scanned; /* no delimiter in [from, scanned) */
    bool at_end;
};

/* What was appended, and what of it is to be acknowledged. */
struct appender {
    const struct lf_tool_args *args;
    struct logfile *log;
    struct line_source source;
    int signals; /* of lf_tool_signals_open */
    int signal;  /* the one that ended it; 0: none has */
    uint64_t count;
    uint64_t first_lsn;
    uint64_t last_lsn;
    size_t ack_count;
    uint64_t acks[ACKS_MAX];
};

/* ---- Lines ------------------------------------------------------------------------------------*/

static void take_line(struct line_source *source, size_t end, size_t next, struct iovec *line)
{
    line->iov_base = source->buffer + source->from;
    line->iov_len = end - source->from;
    source->from = next;
    source->scanned = next;
}

/* 1: a line, without its delimiter, valid until more is read; 0: no more; -EAGAIN: more must be read;
 * LOGFILE_ETOOBIG: longer than a record. */
static int next_line(struct line_source *source, struct iovec *line)
{
    const char *delimiter =
        memchr(source->buffer + source->scanned, source->delimiter, source->to - source->scanned);
    const size_t end = delimiter != NULL ? (size_t)(delimiter - source->buffer) : source->to;

    if (end - source->from > source->line_max_bytes)
        return LOGFILE_ETOOBIG;
    if (delimiter != NULL) {
        take_line(source, end, end + 1, line);
        return 1;
    }
    source->scanned = end;
    if (!source->at_end)
        return -EAGAIN;
    take_line(source, end, end, line);
    return line->iov_len > 0 ? 1 : 0;
}

/* Waits for input, or a signal.  0; -EINTR: a signal ends it; -errno. */
static int read_more(struct appender *appender)
{
    struct line_source *source = &appender->source;
    const size_t left_bytes = source->to - source->from;
    ssize_t bytes;

    const int number = lf_tool_signals_wait(appender->signals, STDIN_FILENO);
    if (number != 0) {
        appender->signal = number > 0 ? number : 0;
        return number > 0 ? -EINTR : number;
    }
    /* The unfinished line moves to the front if that moves no more than was handed out since the last
     * time.  Else less than two lines' room is taken, so there is always some left to read into. */
    if (left_bytes <= source->from) {
        memmove(source->buffer, source->buffer + source->from, left_bytes);
        source->scanned -= source->from;
        source->to = left_bytes;
        source->from = 0;
    }
    do
        bytes =
            read(STDIN_FILENO, source->buffer + source->to, source->capacity_bytes - source->to);
    while (bytes < 0 && errno == EINTR);
    if (bytes < 0)
        return -errno;
    source->to += (size_t)bytes;
    source->at_end = bytes == 0;
    return 0;
}

/* ---- Records ----------------------------------------------------------------------------------*/

/* Prints the LSN of each record that waits for it, once it is durable, and of no other.  Returns an
 * exit status. */
static int acknowledge(struct appender *appender)
{
    const size_t count = appender->ack_count;

    if (count == 0)
        return LF_TOOL_OK;
    appender->ack_count = 0;
    const int error = logfile_wait(appender->log, appender->acks[count - 1], NULL);
    const uint64_t durable_lsn = logfile_durable_lsn(appender->log);
    for (size_t i = 0; i < count && appender->acks[i] < durable_lsn; i++)
        printf("%" PRIu64 "\n", appender->acks[i]);
    errno = 0;
    /* Also if the reader has just gone away: its records may be many, and it asked to be told. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        lf_tool_message("cannot write to standard output%s%s", errno != 0 ? ": " : "",
                        errno != 0 ? logfile_strerror(-errno) : "");
        return LF_TOOL_FAILED;
    }
    return error == 0 ? LF_TOOL_OK : lf_tool_error(appender->args->path, error);
}

/* Submits until input ends or something fails; says what.  Returns an exit status. */
static int submit_lines(struct appender *appender)
{
    const char *path = appender->args->path;
    const char *what = appender->args->nul ? "record" : "line";
    struct iovec line = {0};
    uint64_t lsn;
    int found, status;

    do {
        found = next_line(&appender->source, &line);
        if (found == 1) {
            const int error =
                logfile_submit(appender->log, line.iov_base, line.iov_len, NULL, &lsn);
            if (error != 0) {
                lf_tool_message("%s: %s %" PRIu64 ": %s", lf_tool_shown(path), what,
                                appender->count + 1, logfile_strerror(error));
                (void)acknowledge(appender);
                return LF_TOOL_FAILED;
            }
            if (appender->count++ == 0)
                appender->first_lsn = lsn;
            appender->last_lsn = lsn;
            if (appender->args->ack)
                appender->acks[appender->ack_count++] = lsn;
            if (appender->ack_count < ACKS_MAX)
                continue;
        }
        /* What has been submitted is acknowledged before more is waited for. */
        status = acknowledge(appender);
        if (status != LF_TOOL_OK || found == 0)
            return status;
        if (found == -EAGAIN)
            found = read_more(appender);
    } while (found >= 0);
    /* No more can be read. */
    if (appender->signal != 0)
        return LF_TOOL_SIGNAL + appender->signal;
    if (found == LOGFILE_ETOOBIG)
        lf_tool_message("%s: %s %" PRIu64 ": longer than a record, which is %zu bytes at most",
                        lf_tool_shown(path), what, appender->count + 1,
                        appender->source.line_max_bytes);
    else
        lf_tool_message("standard input: %s %" PRIu64 ": %s", what, appender->count + 1,
                        logfile_strerror(found));
    return LF_TOOL_FAILED;
}

/* The log is open.  Returns an exit status. */
static int append_input(struct appender *appender)
{
    const size_t record_max = logfile_record_max(appender->log);
    struct line_source *source = &appender->source;
    int status;

    source->delimiter = appender->args->nul ? '\0' : '\n';
    source->line_max_bytes = record_max;
    source->capacity_bytes = 2 * (record_max + 1);
    source->buffer = malloc(source->capacity_bytes);
    if (source->buffer == NULL)
        status = lf_tool_error(appender->args->path, -ENOMEM);
    else
        status = submit_lines(appender);
    free(source->buffer);
    const int closed = lf_tool_close(appender->args->path, appender->log);
    return closed != LF_TOOL_OK && status != LF_TOOL_FAILED ? closed : status;
}

int lf_tool_append(const struct lf_tool_args *args)
{
    struct logfile_open_report report = {0};
    const struct logfile_options options = {0};
    const struct logfile_tail *tail = &report.tail;
    struct appender appender = {.args = args};
    char rest[64] = "";

    appender.signals = lf_tool_signals_open(); /* before there is a log to be left open */
    if (appender.signals < 0)
        return lf_tool_error("signals", appender.signals);
    const int error = logfile_open(args->path, &options, &report, &appender.log);
    if (error != 0)
        return lf_tool_open_error(error, &report);
    const int status = append_input(&appender);
    /* The log is closed: what was read until the signal came is on stable storage. */
    const size_t left_bytes = appender.source.to - appender.source.from;
    if (left_bytes > 0)
        snprintf(rest, sizeof(rest), "; an unfinished %s of %zu bytes is not",
                 args->nul ? "record" : "line", left_bytes);
    if (status > LF_TOOL_SIGNAL)
        lf_tool_message("%s: %s: %" PRIu64
                        " records are on stable storage, the last LSN is %" PRIu64 "%s",
                        lf_tool_shown(args->path), strsignal(appender.signal), appender.count,
                        appender.last_lsn, rest);
    if (!args->verbose || (status != LF_TOOL_OK && status <= LF_TOOL_SIGNAL))
        return status;
    if (tail->verdict == LOGFILE_TORN && tail->incarnation > 0)
        printf("not closed cleanly before: %" PRIu64 " bytes cut at LSN %" PRIu64 "\n",
               tail->cut_bytes, tail->end_lsn);
    if (appender.count == 0)
        puts("0 records");
    else
        printf("%" PRIu64 " records, first LSN %" PRIu64 ", last LSN %" PRIu64 "\n", appender.count,
               appender.first_lsn, appender.last_lsn);
    return status;
}
