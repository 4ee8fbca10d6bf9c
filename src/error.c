/* SPDX-License-Identifier: MIT */
/*
 * Names of errors.  Every text is a string literal, here or in the C library, so that naming an
 * error takes no lock, no memory and no buffer that the next call would overwrite.
 */
#include "logfile.h"

#include "compat.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

/* The library's own codes, and those of the system's that mean something narrower here. */
static const char *library_text(int error)
{
    switch (error) {
    case LOGFILE_ECORRUPT:
        return "log is damaged";
    case LOGFILE_ETOOBIG:
        return "record is larger than the log takes";
    case LOGFILE_ECLOSED:
        return "log is shut down";
    case LOGFILE_EFAILED:
        return "log has failed: a write or sync went wrong";
    case LOGFILE_ELOCKED:
        return "log is open for appending elsewhere";
    case LOGFILE_EFORMAT:
        return "not a log, or one that this version cannot read";
    case LOGFILE_EFORKED:
        return "log was opened before a fork, by the parent process";
    case LOGFILE_ETRIMMED:
        return "position is below the oldest record that is kept";
    case -ELOOP:
        return "path is a symbolic link";
    case -EISDIR:
        return "path is a directory";
    case -ESPIPE:
        return "not a regular file";
    case -ENOSYS:
        return "not in this version";
    case -ENOTSUP:
        return "not with this engine or on this file system";
    case -ETIMEDOUT:
        return "deadline has passed";
    case -EBUSY:
        return "a reservation is out";
    case -EAGAIN:
        return "records are left to read, or no thread can be started";
    default:
        return NULL;
    }
}

static const char *system_text(int error)
{
    return error == INT_MIN ? NULL : strerrordesc_np(-error);
}

const char *logfile_strerror(int error)
{
    if (error >= 0)
        return "success";
    const char *text = library_text(error);
    if (text == NULL)
        text = system_text(error);
    return text != NULL ? text : "unknown error";
}
