/* SPDX-License-Identifier: MIT */
/*
 * What a log knows of an error that one of its calls returned.
 *
 * It is asked after the call, so it tells how things are by now.  Nothing here waits for the device or
 * for a thread that does.
 */
#include "ring/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define DETAIL_BYTES 256

static __attribute__((format(printf, 2, 3))) void say(char detail[DETAIL_BYTES], const char *format,
                                                      ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, DETAIL_BYTES, format, arguments);
    va_end(arguments);
}

/* What a call whose time was over has waited for. */
static void say_pending(struct logfile *log, char detail[DETAIL_BYTES])
{
    struct logfile_stats stats = {0};
    uint64_t pending = lf_pending_bytes(log, lf_durable_lsn(log));

    lf_inflight_copy(log->store.inflight, lf_now_ns(), &stats);
    if (stats.inflight_ns != 0)
        say(detail,
            "%" PRIu64 " bytes are not durable yet; %s LSN %" PRIu64 ", under way for " LF_SECONDS,
            pending, lf_call_phrase(stats.inflight_call), stats.inflight_lsn,
            LF_SECONDS_OF(stats.inflight_ns));
    else if (pending > 0)
        say(detail, "%" PRIu64 " bytes are not durable yet", pending);
}

/* Why there is no room, if there still is none. */
static void say_room(struct logfile *log, int error, char detail[DETAIL_BYTES])
{
    char free_text[96] = "";
    uint64_t after_lsn, free_bytes;
    const uint64_t missing = lf_preparer_missing_bytes(&log->preparer, &after_lsn);

    if (missing == 0 || lf_preparer_room_error(&log->preparer) != error)
        return;
    if ((error == -ENOSPC || error == -EDQUOT) &&
        lf_file_free_bytes(&log->store.file, &free_bytes) == 0 && free_bytes != UINT64_MAX)
        snprintf(free_text, sizeof free_text,
                 "; the file system has %" PRIu64 " free, keep_free_bytes is %" PRIu64, free_bytes,
                 log->options.keep_free_bytes);
    say(detail, "%" PRIu64 " bytes are missing after LSN %" PRIu64 "%s", missing, after_lsn,
        free_text);
}

int lf_describe(struct logfile *log, int error, char *text, size_t size)
{
    const uint8_t *id = log->store.file.header.id;
    char hex[2 * sizeof log->store.file.header.id + 1] = "";
    char failed[LF_FAILURE_TEXT_BYTES];
    char detail[DETAIL_BYTES] = "";
    struct logfile_failure failure;

    switch (error) {
    case LOGFILE_EFAILED:
        lf_store_failure(&log->store, &failure);
        if (failure.error == 0)
            break;
        lf_failure_text(&failure, failed);
        say(detail, "%s; durable up to LSN %" PRIu64, failed, lf_durable_lsn(log));
        break;
    case LOGFILE_ECLOSED:
        say(detail, "durable up to LSN %" PRIu64, lf_durable_lsn(log));
        break;
    case LOGFILE_ETOOBIG:
        say(detail, "%zu bytes at most, with slot_bytes %zu; a mark: %d", log->record_max,
            (size_t)log->layout.slot_bytes, LOGFILE_MARK_MAX);
        break;
    case LOGFILE_ETRIMMED:
        say(detail, "the log starts at LSN %" PRIu64, lf_trim_oldest_lsn(&log->trim));
        break;
    case LOGFILE_EBEYOND:
        say(detail, "durable up to LSN %" PRIu64, lf_durable_lsn(log));
        break;
    case LOGFILE_EMISMATCH:
        say(detail, "slot_bytes %" PRIu64 ", segment_bytes %" PRIu64, log->layout.slot_bytes,
            log->layout.segment_bytes);
        break;
    case LOGFILE_EIDENTITY:
        for (unsigned i = 0; i < sizeof log->store.file.header.id; i++)
            snprintf(hex + 2 * i, 3, "%02x", id[i]);
        say(detail, "this one is %s", hex);
        break;
    case -EBUSY: /* Relaxed: a number to be shown. */
        say(detail, "%" PRIu32 " reservations are held", lf_load_relaxed_32(&log->reservations));
        break;
    case -EAGAIN:
    case -ETIMEDOUT:
        say_pending(log, detail);
        break;
    default:
        if (error < 0)
            say_room(log, error, detail);
    }
    return snprintf(text, size, "%s%s%s", logfile_strerror(error), detail[0] != '\0' ? ": " : "",
                    detail);
}
