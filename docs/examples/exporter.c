/* SPDX-License-Identifier: MIT */
/*
 * Appends the lines of standard input to a log, and keeps a file of its figures in the text format of
 * Prometheus, for the textfile collector of the node exporter.
 *
 *     exporter LOG FILE.prom [MILLISECONDS]
 *
 * The file is written anew every so often (a second), by a thread that never waits for the device.  So
 * while a sync hangs, and no line is answered, the file says so:
 *
 *     logfile_inflight_seconds{call="sync"} 1.734
 *     logfile_events_total{kind="slow"} 1
 *
 * Of alerts these are the first to have: logfile_inflight_seconds above a second or two, logfile_failed
 * above 0, and logfile_no_space above 0.
 *
 *     cc exporter.c $(pkg-config --cflags --libs logfile) -pthread
 */
#include <errno.h>
#include <inttypes.h>
#include <logfile.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_S 1e9
#define NAME_COUNT(names) (sizeof(names) / sizeof(names)[0])

/* In the order of enum logfile_event_kind, and of enum logfile_call. */
static const char *const kinds[] = {"opened", "slow",         "no_space", "space_back",
                                    "failed", "segment_made", "trimmed"};
static const char *const calls[] = {"none",     "write", "sync",    "zero_fill",
                                    "allocate", "mark",  "release", "publish"};

/* ---- What only the event hook is told -----------------------------------------------------------*/

struct metrics {
    pthread_mutex_t lock;
    uint64_t events[NAME_COUNT(kinds)]; /* by kind */
    int no_space;
};

/* For logfile_options.event, with the metrics as event_arg. */
static void metrics_note(void *arg, const struct logfile_event *event)
{
    struct metrics *metrics = arg;

    pthread_mutex_lock(&metrics->lock);
    if (event->kind < NAME_COUNT(kinds)) /* a later version may have more */
        metrics->events[event->kind] += event->count;
    if (event->kind == LOGFILE_EVENT_NO_SPACE || event->kind == LOGFILE_EVENT_SPACE_BACK)
        metrics->no_space = event->kind == LOGFILE_EVENT_NO_SPACE;
    pthread_mutex_unlock(&metrics->lock);
}

/* ---- The text -----------------------------------------------------------------------------------*/

static void begin_metric(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP logfile_%s %s\n# TYPE logfile_%s %s\n", name, help, name, type);
}

static void print_number(FILE *out, const char *name, const char *type, uint64_t value,
                         const char *help)
{
    begin_metric(out, name, type, help);
    fprintf(out, "logfile_%s %" PRIu64 "\n", name, value);
}

static void print_times(FILE *out, const char *name, const struct logfile_histogram *times,
                        const char *help)
{
    static const double fractions[] = {0.5, 0.99, 0.999};

    begin_metric(out, name, "summary", help);
    for (size_t i = 0; i < NAME_COUNT(fractions); i++)
        fprintf(out, "logfile_%s{quantile=\"%g\"} %.9f\n", name, fractions[i],
                (double)logfile_histogram_percentile(times, fractions[i]) / NS_PER_S);
    fprintf(out, "logfile_%s_sum %.9f\n", name, (double)times->sum / NS_PER_S);
    fprintf(out, "logfile_%s_count %" PRIu64 "\n", name, times->count);
}

/* The figures of a log that is open, as they are now.  Never waits for the device.  0, or an error. */
static int metrics_print(FILE *out, struct logfile *log, struct metrics *metrics)
{
    struct logfile_failure failure;
    struct logfile_stats stats;
    int error = logfile_stats(log, &stats, sizeof stats);

    if (error == 0)
        error = logfile_failure(log, &failure, sizeof failure);
    if (error != 0)
        return error;
    begin_metric(out, "inflight_seconds", "gauge",
                 "For how long the call that the log waits for longest has been under way.");
    for (size_t i = 1; i < NAME_COUNT(calls); i++)
        fprintf(out, "logfile_inflight_seconds{call=\"%s\"} %.3f\n", calls[i],
                stats.inflight_call == i ? (double)stats.inflight_ns / NS_PER_S : 0.0);
    print_number(out, "inflight_lsn", "gauge", stats.inflight_lsn, "What that call is for.");
    print_number(out, "pending_bytes", "gauge", stats.pending_bytes, "Submitted, and not durable.");
    print_number(out, "durable_lsn", "gauge", stats.durable_lsn, "Where what is durable ends.");
    print_number(out, "failed", "gauge", failure.error != 0, "1: a write or sync has failed.");
    print_number(out, "records_total", "counter", stats.records, "Records made durable.");
    print_number(out, "bytes_total", "counter", stats.bytes, "Their bytes, with headers.");
    print_number(out, "flushes_total", "counter", stats.epochs, "Groups that they were in.");
    print_number(out, "syncs_total", "counter", stats.syncs, "Syncs of flushes, begun.");
    begin_metric(out, "refused_total", "counter", "Calls that were refused, by cause.");
    fprintf(out, "logfile_refused_total{cause=\"full\"} %" PRIu64 "\n", stats.refused_full);
    fprintf(out, "logfile_refused_total{cause=\"space\"} %" PRIu64 "\n", stats.refused_space);
    fprintf(out, "logfile_refused_total{cause=\"size\"} %" PRIu64 "\n", stats.refused_size);
    fprintf(out, "logfile_refused_total{cause=\"ended\"} %" PRIu64 "\n", stats.refused_ended);
    print_times(out, "sync_seconds", &stats.sync_ns, "Syncs that have ended.");
    print_times(out, "zero_fill_seconds", &stats.zero_fill_ns, "Writes of zeros ahead of the log.");
    print_times(out, "zero_sync_seconds", &stats.zero_sync_ns, "Their syncs.");
    print_times(out, "append_commit_seconds", &stats.append_commit_ns,
                "From an append's place in the log until it is durable; the longest of a group.");

    pthread_mutex_lock(&metrics->lock);
    print_number(out, "no_space", "gauge", (uint64_t)metrics->no_space,
                 "1: appends are refused for want of room.");
    begin_metric(out, "events_total", "counter", "What the event hook was told of, by kind.");
    for (size_t i = 0; i < NAME_COUNT(kinds); i++)
        fprintf(out, "logfile_events_total{kind=\"%s\"} %" PRIu64 "\n", kinds[i],
                metrics->events[i]);
    pthread_mutex_unlock(&metrics->lock);
    return 0;
}

/* Whole or not at all, as the collector may read at any time: a new file takes the old one's name. */
static int metrics_write(const char *path, struct logfile *log, struct metrics *metrics)
{
    char fresh[4096];

    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *out = fopen(fresh, "w");
    if (out == NULL)
        return -errno;
    int error = metrics_print(out, log, metrics);
    if (fclose(out) != 0 && error == 0)
        error = -errno;
    return error == 0 && rename(fresh, path) != 0 ? -errno : error;
}

/* ---- The program --------------------------------------------------------------------------------*/

struct exporter {
    const char *path;
    struct logfile *log;
    struct metrics *metrics;
    unsigned period_ms;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop;
};

/* Waits for the next time to write the file.  False: that is over. */
static bool await_next(struct exporter *exporter)
{
    struct timespec next;

    clock_gettime(CLOCK_REALTIME, &next);
    next.tv_sec += exporter->period_ms / 1000;
    next.tv_nsec += (long)(exporter->period_ms % 1000) * 1000000;
    next.tv_sec += next.tv_nsec / 1000000000;
    next.tv_nsec %= 1000000000;
    pthread_mutex_lock(&exporter->lock);
    while (!exporter->stop &&
           pthread_cond_timedwait(&exporter->stopped, &exporter->lock, &next) == 0)
        continue;
    bool goes_on = !exporter->stop;
    pthread_mutex_unlock(&exporter->lock);
    return goes_on;
}

/* The last time when the log has nothing more to come. */
static void *export_all(void *arg)
{
    struct exporter *exporter = arg;
    bool goes_on;

    do {
        goes_on = await_next(exporter);
        int error = metrics_write(exporter->path, exporter->log, exporter->metrics);
        if (error != 0)
            fprintf(stderr, "exporter: %s: %s\n", exporter->path, logfile_strerror(error));
    } while (goes_on);
    return NULL;
}

static void stop_exporting(struct exporter *exporter, pthread_t thread)
{
    pthread_mutex_lock(&exporter->lock);
    exporter->stop = true;
    pthread_cond_signal(&exporter->stopped);
    pthread_mutex_unlock(&exporter->lock);
    pthread_join(thread, NULL);
}

static int append_lines(struct logfile *log)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int error = 0;

    while (error == 0 && (length = getline(&line, &room, stdin)) > 0) {
        length -= line[length - 1] == '\n';
        error = logfile_append(log, line, (size_t)length, NULL);
        if (error == 0 && (puts("ok") < 0 || fflush(stdout) != 0))
            error = -errno;
    }
    free(line);
    return error;
}

int main(int argc, char **argv)
{
    struct metrics metrics = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct logfile_options options = {.event = metrics_note, .event_arg = &metrics};
    struct exporter exporter = {.metrics = &metrics,
                                .lock = PTHREAD_MUTEX_INITIALIZER,
                                .stopped = PTHREAD_COND_INITIALIZER};
    pthread_t thread;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: exporter LOG FILE.prom [MILLISECONDS]\n");
        return 2;
    }
    exporter.path = argv[2];
    exporter.period_ms = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 1000;
    int error = logfile_open(argv[1], &options, NULL, &exporter.log);
    if (error == 0)
        error = -pthread_create(&thread, NULL, export_all, &exporter);
    if (error == 0) {
        error = append_lines(exporter.log);
        stop_exporting(&exporter, thread);
    }
    int close_error = logfile_close(exporter.log);
    error = error != 0 ? error : close_error;
    if (error != 0)
        fprintf(stderr, "exporter: %s\n", logfile_strerror(error));
    return error != 0;
}
