/* SPDX-License-Identifier: MIT */
/*
 * Names of errors.  Every text is a string literal, here or in the C library, so that naming an
 * error takes no lock, no memory and no buffer that the next call would overwrite.
 */
#include "logfile.h"

#include "base/compat.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

const char *logfile_version(void)
{
    return LOGFILE_VERSION_STRING;
}

/* Those of the library alone: what an error of the system means is not known here. */
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
    case LOGFILE_EMISMATCH:
        return "options do not go with the log as it was made";
    case LOGFILE_EIDENTITY:
        return "another log than the one that was expected";
    case LOGFILE_EBEYOND:
        return "position is above the end of the log";
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
