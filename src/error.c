/* SPDX-License-Identifier: MIT */
/*
 * Names of errors.  Every text is constant, here or in the C library, so that naming an
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

/* Those that the C library has no text for. */
static const char *own_text(int error)
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
    /* The kernel keeps these to itself; drivers let some out. */
    case -512:
        return "system error 512 (ERESTARTSYS): interrupted";
    case -524:
        return "system error 524 (ENOTSUPP): operation not supported";
    case -528:
        return "system error 528 (EJUKEBOX): the server is busy, try again later";
    default:
        return NULL;
    }
}

#define NUMBERED(digits) "system error " #digits
#define TEN(tens)                                                                                  \
    NUMBERED(tens##0), NUMBERED(tens##1), NUMBERED(tens##2), NUMBERED(tens##3), NUMBERED(tens##4), \
        NUMBERED(tens##5), NUMBERED(tens##6), NUMBERED(tens##7), NUMBERED(tens##8),                \
        NUMBERED(tens##9)
#define HUNDRED(hundreds)                                                                          \
    TEN(hundreds##0), TEN(hundreds##1), TEN(hundreds##2), TEN(hundreds##3), TEN(hundreds##4),      \
        TEN(hundreds##5), TEN(hundreds##6), TEN(hundreds##7), TEN(hundreds##8), TEN(hundreds##9)
#define NUMBERED_MIN 10
#define NUMBERED_MAX 999

const char *logfile_strerror(int error)
{
    /* Those without a name by their number: text alone can be constant, and no system has more. */
    static const char numbered[][sizeof NUMBERED(999)] = {
        TEN(1),     TEN(2),     TEN(3),     TEN(4),     TEN(5),     TEN(6),
        TEN(7),     TEN(8),     TEN(9),     HUNDRED(1), HUNDRED(2), HUNDRED(3),
        HUNDRED(4), HUNDRED(5), HUNDRED(6), HUNDRED(7), HUNDRED(8), HUNDRED(9)};
    _Static_assert(sizeof numbered / sizeof numbered[0] == NUMBERED_MAX - NUMBERED_MIN + 1,
                   "one text for each number");

    if (error >= 0)
        return "success";
    const char *text = own_text(error);
    if (text == NULL && error != INT_MIN)
        text = strerrordesc_np(-error);
    if (text == NULL && error <= -NUMBERED_MIN && error >= -NUMBERED_MAX)
        text = numbered[-error - NUMBERED_MIN];
    return text != NULL ? text : "unknown error";
}
