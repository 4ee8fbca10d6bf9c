/* SPDX-License-Identifier: MIT */
/* logfile append: each line of standard input becomes a record. */
#include "tool/signals.h"
#include "tool/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Standard input, cut into lines that lie in the buffer as they were read. */
struct line_source {
    char *buffer;
    size_t capacity_bytes;
    size_t line_max_bytes;
    size_t from; /* what is left to be handed out is [from, to) */
    size_t to;
    size_t scanned; /* no newline in [from, scanned) */
    bool at_end;
    int signals; /* of lf_tool_signals_open */
    int signal;  /* the one that ended it; 0: none has */
};

/* The LSNs of what was appended. */
struct append_range {
    uint64_t count;
    uint64_t first_lsn;
    uint64_t last_lsn;
};

static int open_lines(struct line_source *source, size_t line_max_bytes, int signals)
{
    *source = (struct line_source){.signals = signals,
                                   .line_max_bytes = line_max_bytes,
                                   .capacity_bytes = 2 * (line_max_bytes + 1)};
    source->buffer = malloc(source->capacity_bytes);
    return source->buffer != NULL ? 0 : -ENOMEM;
}

/* Moves the unfinished line to the front when that moves no more than was handed out since the last
 * time.  Else less than two lines' room is taken, so there is always some left to read into. */
static void make_room(struct line_source *source)
{
    size_t left_bytes = source->to - source->from;

    if (left_bytes > source->from)
        return;
    memmove(source->buffer, source->buffer + source->from, left_bytes);
    source->scanned -= source->from;
    source->to = left_bytes;
    source->from = 0;
}

/* -EINTR: a signal ends it. */
static int read_more(struct line_source *source)
{
    ssize_t bytes;
    int number = lf_tool_signals_wait(source->signals, STDIN_FILENO);

    if (number != 0) {
        source->signal = number > 0 ? number : 0;
        return number > 0 ? -EINTR : number;
    }
    make_room(source);
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

static void take_line(struct line_source *source, size_t end, size_t next, struct iovec *line)
{
    line->iov_base = source->buffer + source->from;
    line->iov_len = end - source->from;
    source->from = next;
    source->scanned = next;
}

/* 1: a line, without its newline, valid until the next call; 0: no more; LOGFILE_ETOOBIG: longer
 * than a record; -errno of read. */
static int next_line(struct line_source *source, struct iovec *line)
{
    for (;;) {
        const char *newline =
            memchr(source->buffer + source->scanned, '\n', source->to - source->scanned);
        size_t end = newline != NULL ? (size_t)(newline - source->buffer) : source->to;
        if (end - source->from > source->line_max_bytes)
            return LOGFILE_ETOOBIG;
        if (newline != NULL) {
            take_line(source, end, end + 1, line);
            return 1;
        }
        source->scanned = end;
        if (source->at_end) {
            take_line(source, end, end, line);
            return line->iov_len > 0 ? 1 : 0;
        }
        int error = read_more(source);
        if (error != 0)
            return error;
    }
}

static int submit_line(struct logfile *log, const struct iovec *line, struct append_range *range)
{
    int error = logfile_submit(log, line->iov_base, line->iov_len, NULL, &range->last_lsn);

    if (error != 0)
        return error;
    if (range->count == 0)
        range->first_lsn = range->last_lsn;
    range->count++;
    return 0;
}

/* Submits until input ends or something fails; says what.  Returns an exit status. */
static int submit_lines(const char *path, struct logfile *log, struct line_source *source,
                        struct append_range *range)
{
    struct iovec line = {0};
    int found;

    while ((found = next_line(source, &line)) == 1) {
        int error = submit_line(log, &line, range);
        if (error != 0) {
            lf_tool_message("%s: line %" PRIu64 ": %s", lf_tool_shown(path), range->count + 1,
                            logfile_strerror(error));
            return LF_TOOL_FAILED;
        }
    }
    if (found == 0)
        return LF_TOOL_OK;
    if (source->signal != 0)
        return LF_TOOL_SIGNAL + source->signal;
    if (found == LOGFILE_ETOOBIG)
        lf_tool_message("%s: line %" PRIu64 ": longer than a record, which is %zu bytes at most",
                        lf_tool_shown(path), range->count + 1, source->line_max_bytes);
    else
        lf_tool_message("standard input: line %" PRIu64 ": %s", range->count + 1,
                        logfile_strerror(found));
    return LF_TOOL_FAILED;
}

static void tell_range(const struct logfile_tail *found, const struct append_range *range)
{
    if (found->verdict == LOGFILE_TORN && found->incarnation > 0)
        printf("not closed cleanly before: %" PRIu64 " bytes cut at LSN %" PRIu64 "\n",
               found->cut_bytes, found->end_lsn);
    if (range->count == 0)
        puts("0 records");
    else
        printf("%" PRIu64 " records, first LSN %" PRIu64 ", last LSN %" PRIu64 "\n", range->count,
               range->first_lsn, range->last_lsn);
}

/* Returns an exit status.  *unfinished: bytes of a line that a signal cut short. */
static int append_input(const char *path, struct logfile *log, int signals,
                        struct append_range *range, size_t *unfinished)
{
    struct line_source source;
    int error = open_lines(&source, logfile_record_max(log), signals);

    if (error != 0)
        return lf_tool_error(path, error);
    int status = submit_lines(path, log, &source, range);
    *unfinished = source.to - source.from;
    free(source.buffer);
    return status;
}

/* The log is closed: what was read until the signal came is on stable storage. */
static void tell_signal(const char *path, int number, const struct append_range *range,
                        size_t unfinished)
{
    char rest[64] = "";

    if (unfinished > 0)
        snprintf(rest, sizeof(rest), "; an unfinished line of %zu bytes is not", unfinished);
    lf_tool_message("%s: %s: %" PRIu64 " records are on stable storage, the last LSN is %" PRIu64
                    "%s",
                    lf_tool_shown(path), strsignal(number), range->count, range->last_lsn, rest);
}

int lf_tool_append(const struct lf_tool_args *args)
{
    struct logfile_open_report report = {0};
    struct logfile_options options = {0};
    struct append_range range = {0};
    struct logfile *log;
    size_t unfinished = 0;

    int signals = lf_tool_signals_open(); /* before there is a log to be left open */
    if (signals < 0)
        return lf_tool_error("signals", signals);
    int error = logfile_open(args->path, &options, &report, &log);
    if (error != 0)
        return lf_tool_open_error(error, &report);
    int status = append_input(args->path, log, signals, &range, &unfinished);
    int closed = lf_tool_close(args->path, log);
    if (closed != LF_TOOL_OK && status != LF_TOOL_FAILED)
        status = closed;
    if (status > LF_TOOL_SIGNAL)
        tell_signal(args->path, status - LF_TOOL_SIGNAL, &range, unfinished);
    if ((status == LF_TOOL_OK || status > LF_TOOL_SIGNAL) && args->verbose)
        tell_range(&report.tail, &range);
    return status;
}
