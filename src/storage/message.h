/* SPDX-License-Identifier: MIT */
/* What messages say of a path: what it is called, and why it cannot be opened. */
#ifndef LF_MESSAGE_H
#define LF_MESSAGE_H

#include "logfile_io.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* What a path may take of the message of logfile_open, with the zero byte. */
#define LF_MESSAGE_PATH_BYTES 84
/* What every path that can be opened fits, and an array of it on the stack. */
#define LF_MESSAGE_SHOWN_BYTES ((size_t)4 * PATH_MAX)
/* What a message about a damaged log ends with: the command, as its manual page has it. */
#define LF_MESSAGE_SALVAGE "; see logfile salvage PATH OUTPUT"

/*
 * Writes a path, or another name from outside, as one line of printable text, whatever bytes it
 * has: a newline becomes \n, a backslash \\, every other control character or line separator and
 * every byte that is no UTF-8 becomes \xHH.  Of a name that does not fit the end is kept, after
 * "...": it tells more than the start.  Returns `shown`, which has room for `bytes`, at least 32.
 */
char *lf_message_name(const char *name, char *shown, size_t bytes);

/*
 * Why opening a log at `path` failed with `error`: in words about the path where the error says what
 * that is, else as logfile_strerror.
 * io: NULL for that of logfile_io_posix().
 */
const char *lf_message_open_error(const struct logfile_io *io, const char *path, int error);

/*
 * Whether opening failed because the log is damaged, so that LF_MESSAGE_SALVAGE belongs to the
 * message: LOGFILE_ECORRUPT, and a directory that has segments and no control file.
 * io: NULL for that of logfile_io_posix().
 */
bool lf_message_is_damage(const struct logfile_io *io, const char *path, int error);

#endif /* LF_MESSAGE_H */
