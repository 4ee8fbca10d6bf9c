/* SPDX-License-Identifier: MIT */
/*
 * What the commands of the logfile program share: arguments, exit statuses and messages.
 */
#ifndef LF_TOOL_H
#define LF_TOOL_H

#include "logfile.h"
#include "logfile_io.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum lf_tool_exit {
    LF_TOOL_OK = 0,
    LF_TOOL_TORN = 1, /* verify only */
    LF_TOOL_CORRUPT = 2,
    LF_TOOL_FAILED = 3,  /* unreadable, no such file, an I/O error */
    LF_TOOL_USAGE = 64,  /* wrong arguments, in every program of the project */
    LF_TOOL_SIGNAL = 128 /* and its number: the work was ended by a signal, in order */
};

struct lf_tool_args {
    const char *path;
    const char *output;   /* salvage */
    uint64_t from_lsn;    /* cat --from; 0: the oldest record */
    uint64_t to_lsn;      /* cat --to; UINT64_MAX: not given */
    uint64_t count_limit; /* cat --count; UINT64_MAX: not given */
    uint64_t before_lsn;  /* trim --before; 0: not given */
    bool nul;             /* append --null, cat --null */
    bool ack;             /* append */
    bool verbose;         /* append */
    bool follow;          /* cat */
    bool raw;             /* cat */
    bool json;            /* cat, verify, stat, dump */
    bool records;         /* dump */
    bool quick;           /* stat */
    bool prometheus;      /* stat */
};

/* Each returns an exit status and leaves flushing standard output to its caller. */
int lf_tool_append(const struct lf_tool_args *args);
int lf_tool_cat(const struct lf_tool_args *args);
int lf_tool_verify(const struct lf_tool_args *args);
int lf_tool_stat(const struct lf_tool_args *args);
int lf_tool_dump(const struct lf_tool_args *args);
int lf_tool_salvage(const struct lf_tool_args *args);
int lf_tool_trim(const struct lf_tool_args *args);

/* What verify does, on any storage: findings go to `out`, errors to standard error. */
int lf_tool_verify_log(const struct logfile_io *io, const char *path, FILE *out);

/* What salvage does, from any storage to any other; NULL is that of logfile_io_posix(). */
struct lf_tool_salvage {
    const struct logfile_io *from;
    const char *path;
    const struct logfile_io *to;
    const char *output;
    mode_t mode;          /* of the copy; 0: the default of logfile_open */
    int (*stopped)(void); /* asked now and then: a signal's number ends it; NULL: nothing does */
};
/* Totals go to `out`, damage and errors to standard error. */
int lf_tool_salvage_log(const struct lf_tool_salvage *what, FILE *out);

/* A path, or another word from outside, as one line shows it: valid until the next call. */
const char *lf_tool_shown(const char *path);

/* One line on standard error, after what standard output has been given so far. */
void lf_tool_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says what went wrong with a path; returns the exit status for it. */
int lf_tool_error(const char *path, int error);
/* The same for opening it to read, with what to do about damage; io may be NULL, for that of
 * logfile_io_posix(). */
int lf_tool_path_error(const struct logfile_io *io, const char *path, int error);
/* The same where that has been tried: nothing can be salvaged. */
int lf_tool_salvage_error(const struct logfile_io *io, const char *path, int error);
/* The same for logfile_open, whose report says what and where. */
int lf_tool_open_error(int error, const struct logfile_open_report *report);
/* Whether standard output failed only because nobody reads it any more, as in `logfile cat | head`:
 * no reason to say anything. */
bool lf_tool_reader_is_gone(void);
/* Standard output failed just now: says why, unless nobody reads it; returns the exit status. */
int lf_tool_output_error(void);
/* Makes durable what was appended and closes the log; says what went wrong.  Returns an exit
 * status. */
int lf_tool_close(const char *path, struct logfile *log);

/* Names the corrupt range that a reader has met, which is end_lsn to lf_verdict_damage_end.  advice: what
 * the line ends with. */
void lf_tool_report_damage(const char *path, const struct logfile_reader *reader,
                           const struct logfile_tail *tail, const char *advice);
/* Says so when what was read last may not be on the disk (reader.h). */
void lf_tool_report_unsynced(const char *path, const struct logfile_reader *reader);
#endif /* LF_TOOL_H */
