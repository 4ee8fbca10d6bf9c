/* SPDX-License-Identifier: MIT */
#include "kept.h"

#include "device.h"
#include "readback.h"
#include "remove.h"
#include "session.h"
#include "signals.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bench_kept_log {
    struct bench_run run;
    struct bench_session session;
    struct bench_device *device; /* NULL: a file */
    enum bench_run_status status;
    char path[PATH_MAX];
};

/* ---- Opening --------------------------------------------------------------------------------- */

static int refuse(char *message, size_t message_bytes, const char *what, const char *why)
{
    snprintf(message, message_bytes, "%.400s: %s", what, why);
    return -1;
}

/* Whatever ends the program, the folder goes with all that is in it. */
static int make_folder(const char *folder, char *message, size_t message_bytes)
{
    bench_signals_guard(folder);
    return mkdir(folder, 0700) == 0 ? 0 : refuse(message, message_bytes, folder, strerror(errno));
}

static int put_somewhere(struct bench_kept *kept, struct bench_kept_log *log, unsigned variant)
{
    log->run.path = log->path;
    if (kept->folder != NULL) {
        snprintf(log->path, sizeof log->path, "%.*s/%u.log", PATH_MAX - 32, kept->folder, variant);
        return 0;
    }
    snprintf(log->path, sizeof log->path, "log");
    log->device = bench_device_create(kept->options->delay_ns);
    if (log->device == NULL)
        return -1;
    log->run.io = bench_device_io(log->device);
    return 0;
}

static int open_log(struct bench_kept *kept, const struct bench_run *run, unsigned variant,
                    char *message, size_t message_bytes)
{
    struct bench_kept_log *log = &kept->logs[variant];
    log->run = *run;
    log->run.variant = &kept->options->variants.all[variant];
    if (put_somewhere(kept, log, variant) != 0)
        return refuse(message, message_bytes, "a device in memory", strerror(ENOMEM));
    kept->count = variant + 1;
    log->status = bench_run_begin(&log->session, &log->run, message, message_bytes);
    return log->status == BENCH_RUN_OK ? 0 : -1;
}

int bench_kept_open(struct bench_kept *kept, const struct bench_run *run, const char *folder,
                    char *message, size_t message_bytes)
{
    const struct bench_options *options = run->options;
    *kept = (struct bench_kept){.options = options};
    kept->logs = calloc(options->variants.count, sizeof *kept->logs);
    if (kept->logs == NULL)
        return refuse(message, message_bytes, "logs that stay open", strerror(ENOMEM));
    if (options->device == BENCH_DEVICE_FILE) {
        if (make_folder(folder, message, message_bytes) != 0)
            return -1;
        kept->folder = folder;
    }
    for (unsigned i = 0; i < options->variants.count; i++) {
        kept->failed = i;
        if (open_log(kept, run, i, message, message_bytes) != 0)
            return -1;
    }
    return 0;
}

/* ---- Slices ---------------------------------------------------------------------------------- */

enum bench_run_status bench_kept_slice(struct bench_kept *kept, unsigned variant,
                                       struct bench_result *result, struct bench_detail *detail,
                                       char *message, size_t message_bytes)
{
    struct bench_kept_log *log = &kept->logs[variant];
    log->status = bench_run_slice(&log->session, result, detail, message, message_bytes);
    if (log->status == BENCH_RUN_OK)
        bench_session_settle(&log->session);
    if (log->device != NULL) /* of all its slices so far */
        result->reached = bench_device_reached(log->device);
    return log->status;
}

/* ---- Closing --------------------------------------------------------------------------------- */

static enum bench_run_status read_back(const struct bench_kept_log *log,
                                       const struct bench_written *written, char *message,
                                       size_t message_bytes)
{
    int status = bench_readback(&log->run, written, message, message_bytes);
    return status < 0 ? BENCH_RUN_MISMATCH : BENCH_RUN_OK;
}

/* A failure that was told before is no news. */
static enum bench_run_status close_log(struct bench_kept *kept, struct bench_kept_log *log,
                                       struct bench_written *written, char *message,
                                       size_t message_bytes)
{
    bool was_cut;
    enum bench_run_status before = log->status;
    enum bench_run_status status =
        bench_run_end(&log->session, before, written, &was_cut, message, message_bytes);
    if (status == BENCH_RUN_OK && kept->folder != NULL && log->run.variant->peer == NULL)
        status = read_back(log, written, message, message_bytes);
    if (status == BENCH_RUN_MISMATCH)
        bench_readback_tell_kept(log->path, message, message_bytes);
    else if (kept->folder != NULL)
        bench_remove_log_for_good(log->path, kept->folder);
    bench_device_destroy(log->device);
    return before == BENCH_RUN_OK ? status : BENCH_RUN_OK;
}

int bench_kept_close(struct bench_kept *kept, struct bench_written *written, char *message,
                     size_t message_bytes)
{
    char unheard[1024];
    bool is_told = false;
    for (unsigned i = 0; i < kept->count; i++) {
        enum bench_run_status status =
            is_told ? close_log(kept, &kept->logs[i], written, unheard, sizeof unheard)
                    : close_log(kept, &kept->logs[i], written, message, message_bytes);
        if (status != BENCH_RUN_OK && !is_told)
            kept->failed = i;
        is_told |= status != BENCH_RUN_OK;
    }
    if (kept->folder != NULL)
        rmdir(kept->folder); /* unless a log is kept in it */
    bench_signals_guard(NULL);
    free(kept->logs);
    kept->logs = NULL;
    return is_told ? -1 : 0;
}
