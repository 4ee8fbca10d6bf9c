/* SPDX-License-Identifier: MIT */
/*
 * The main thread of a run: it starts the writers, opens the log, lets the writers go, and then
 * sleeps, but for noting the log's statistics when the timed part begins and when it ends.
 */
#include "workload.h"

#include "clock.h"
#include "process.h"
#include "signals.h"
#include "trimmer.h"
#include "writer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define WARM_UP_SHARE 10 /* a tenth of the timed part, within these bounds */
#define WARM_UP_MIN_NS (BENCH_NS_PER_S / 5)
#define WARM_UP_MAX_NS BENCH_NS_PER_S
#define PROGRESS_NS (BENCH_NS_PER_S / 4)
#define STACK_BYTES (512u * 1024)

/* What the log and the process have used up at one moment. */
struct usage {
    uint64_t cpu_us;
    uint64_t rss_bytes;
    struct logfile_stats stats;
};

struct session {
    struct bench_task task;
    struct bench_trimmer trimmer;
    unsigned started; /* threads to be joined */
    struct bench_writer *writers;
    uint64_t open_ns; /* just before the log was opened */
    bool interrupted;
    struct usage before;
    struct usage after;
    bool has_before;
    bool has_after;
};

/* ---- Starting and ending them ---------------------------------------------------------------- */

static int start_writers(struct session *session)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return -error;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (error == 0 && session->started < session->task.run->writers) {
        struct bench_writer *writer = &session->writers[session->started];
        error = pthread_create(&writer->thread, &attributes, bench_writer_main, writer);
        if (error == 0)
            session->started++;
    }
    pthread_attr_destroy(&attributes);
    return -error;
}

static void join_writers(struct session *session)
{
    for (unsigned i = 0; i < session->started; i++)
        pthread_join(session->writers[i].thread, NULL);
    session->started = 0;
}

static int plan_placement(struct session *session)
{
    const struct bench_run *run = session->task.run;
    if (run->options->pin == BENCH_PIN_NONE || run->options->pin == BENCH_PIN_NODE)
        return 0; /* the main thread is on the node, and its threads inherit that */
    session->task.sets = calloc(run->writers, sizeof *session->task.sets);
    if (session->task.sets == NULL)
        return -ENOMEM;
    return bench_pin_plan(run->topology, run->options->pin, run->options->pin_node, run->writers,
                          session->task.sets);
}

static int session_init(struct session *session, const struct bench_run *run)
{
    memset(session, 0, sizeof *session);
    session->task.run = run;
    pthread_mutex_init(&session->task.gate.lock, NULL);
    pthread_cond_init(&session->task.gate.changed, NULL);
    session->task.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (session->task.done_fd < 0)
        return -errno;
    session->writers = aligned_alloc(128, run->writers * sizeof *session->writers);
    if (session->writers == NULL)
        return -ENOMEM;
    memset(session->writers, 0, run->writers * sizeof *session->writers);
    for (unsigned i = 0; i < run->writers; i++) {
        struct bench_writer *writer = &session->writers[i];
        writer->task = &session->task;
        writer->index = i;
        writer->random = run->options->seed + i;
        sem_init(&writer->hurry, 0, 0);
    }
    int error = plan_placement(session);
    return error != 0 ? error : start_writers(session);
}

static void session_free(struct session *session)
{
    if (session->started > 0)
        bench_gate_set(&session->task.gate, BENCH_GATE_CANCELLED);
    join_writers(session);
    for (unsigned i = 0; session->task.sets != NULL && i < session->task.run->writers; i++)
        hwloc_bitmap_free(session->task.sets[i]);
    for (unsigned i = 0; session->writers != NULL && i < session->task.run->writers; i++)
        sem_destroy(&session->writers[i].hurry);
    free(session->task.sets);
    free(session->writers);
    if (session->task.done_fd >= 0)
        close(session->task.done_fd);
    pthread_cond_destroy(&session->task.gate.changed);
    pthread_mutex_destroy(&session->task.gate.lock);
}

/* ---- The main thread while they run ---------------------------------------------------------- */

static uint64_t cpu_us_so_far(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void note_usage(struct session *session, struct usage *usage, bool *has)
{
    usage->cpu_us = cpu_us_so_far();
    usage->rss_bytes = bench_rss_bytes();
    logfile_stats(session->task.log, &usage->stats);
    *has = true;
}

static int open_log(struct session *session, char *message, size_t message_bytes)
{
    const struct bench_run *run = session->task.run;
    struct logfile_options options = run->options->log;
    struct logfile_open_report report;
    options.engine = run->engine;
    options.io = run->io;
    options.open_flags = LOGFILE_OPEN_EXCLUSIVE;
    options.report = &report;
    memset(&report, 0, sizeof report);
    session->open_ns = bench_now_ns();
    session->before.cpu_us = cpu_us_so_far();
    int error = logfile_open(run->path, &options, &session->task.log);
    if (error != 0)
        snprintf(message, message_bytes, "opening the log: %s%s%s", logfile_strerror(error),
                 report.message[0] != '\0' ? ": " : "", report.message);
    return error;
}

/* 0, or -1 with one line in `message`. */
static int start_trimming(struct session *session, char *message, size_t message_bytes)
{
    const struct bench_options *options = session->task.run->options;
    if (options->trim_keep_bytes == 0)
        return 0;
    int error = bench_trimmer_start(&session->trimmer, session->task.log, options->trim_keep_bytes,
                                    options->log.segment_bytes);
    if (error == 0)
        return 0;
    snprintf(message, message_bytes, "starting the trimmer: %s", strerror(-error));
    logfile_close(session->task.log);
    return -1;
}

static uint64_t warm_up_ns(uint64_t duration_ns)
{
    uint64_t share_ns = duration_ns / WARM_UP_SHARE;
    if (share_ns > WARM_UP_MAX_NS)
        return WARM_UP_MAX_NS;
    return share_ns > WARM_UP_MIN_NS ? share_ns : WARM_UP_MIN_NS;
}

/* Sets what the writers measure by, then lets them go. */
static void start_clock(struct session *session)
{
    const struct bench_options *options = session->task.run->options;
    session->task.start_ns = bench_now_ns();
    session->task.from_ns = session->task.start_ns;
    session->task.until_ns = UINT64_MAX;
    if (options->duration_ns > 0) {
        session->task.from_ns += warm_up_ns(options->duration_ns);
        session->task.until_ns = session->task.from_ns + options->duration_ns;
    } else if (options->preset == BENCH_PRESET_README) {
        session->task.from_ns = session->open_ns;
        session->has_before = true; /* a log that is not open yet has done nothing */
    } else {
        note_usage(session, &session->before, &session->has_before);
    }
    bench_gate_set(&session->task.gate, BENCH_GATE_OPEN);
}

/* Lets every writer return: a log that is shut down takes no record any more. */
static void interrupt_writers(struct session *session)
{
    session->interrupted = true;
    for (unsigned i = 0; i < session->task.run->writers; i++)
        sem_post(&session->writers[i].hurry);
    logfile_shutdown(session->task.log, NULL);
}

/* Notes the usage at the edges of the timed part.  The time of the next edge, or UINT64_MAX. */
static uint64_t note_edges(struct session *session, uint64_t now_ns)
{
    if (!session->has_before) {
        if (now_ns < session->task.from_ns)
            return session->task.from_ns;
        note_usage(session, &session->before, &session->has_before);
    }
    if (!session->has_after && session->task.until_ns != UINT64_MAX) {
        if (now_ns < session->task.until_ns)
            return session->task.until_ns;
        note_usage(session, &session->after, &session->has_after);
    }
    return UINT64_MAX;
}

static void show_progress(struct session *session, uint64_t now_ns)
{
    struct logfile_stats stats;
    memset(&stats, 0, sizeof stats);
    logfile_stats(session->task.log, &stats);
    session->task.run->progress(session->task.run->progress_arg, now_ns - session->task.start_ns,
                                stats.records);
}

static void sleep_until(struct session *session, uint64_t wake_ns)
{
    struct pollfd polled[] = {
        {.fd = session->task.done_fd, .events = POLLIN},
        /* Once a signal has come, that stays readable. */
        {.fd = session->interrupted ? -1 : bench_signals_fd(), .events = POLLIN},
    };
    uint64_t now_ns = bench_now_ns();
    struct timespec left = bench_timespec(wake_ns > now_ns ? wake_ns - now_ns : 0);
    ppoll(polled, 2, &left, NULL);
}

static void supervise(struct session *session)
{
    uint64_t progress_ns = session->task.start_ns + PROGRESS_NS;
    for (eventfd_t done = 0; done < session->task.run->writers;) {
        eventfd_t more;
        uint64_t now_ns = bench_now_ns();
        uint64_t edge_ns = note_edges(session, now_ns);
        if (now_ns >= progress_ns) {
            show_progress(session, now_ns);
            progress_ns = now_ns + PROGRESS_NS;
        }
        if (!session->interrupted && bench_signals_caught() != 0)
            interrupt_writers(session);
        sleep_until(session, edge_ns < progress_ns ? edge_ns : progress_ns);
        if (eventfd_read(session->task.done_fd, &more) == 0)
            done += more;
    }
    if (!session->has_after)
        note_usage(session, &session->after, &session->has_after);
}

/* ---- What it came to ------------------------------------------------------------------------- */

static uint64_t last_end_ns(const struct session *session)
{
    uint64_t last = session->task.from_ns;
    for (unsigned i = 0; i < session->task.run->writers; i++)
        if (session->writers[i].last_end_ns > last)
            last = session->writers[i].last_end_ns;
    return last;
}

static double ratio(double dividend, double divisor)
{
    return divisor > 0 ? dividend / divisor : 0;
}

/* Ratios compare what the log flushed between the two notes of usage, which lie a little off the
 * edges of the timed part, with what else was used between the same two notes. */
static void summarise_usage(const struct session *session, struct bench_result *result)
{
    const struct logfile_stats *before = &session->before.stats;
    const struct logfile_stats *after = &session->after.stats;
    double flushed = (double)(after->records - before->records);
    double mean_bytes = ratio((double)result->payload_bytes, (double)result->records);
    result->flushes = after->epochs - before->epochs;
    result->records_per_flush = ratio(flushed, (double)result->flushes);
    result->device_bytes_per_payload_byte =
        ratio((double)(after->device_bytes - before->device_bytes), flushed * mean_bytes);
    result->cpu_us_per_record =
        ratio((double)(session->after.cpu_us - session->before.cpu_us), flushed);
    result->rss_bytes = session->after.rss_bytes;
    result->io_mode = after->io_mode;
}

static void summarise(const struct session *session, struct bench_histogram *latency_ns,
                      struct bench_result *result)
{
    bool by_clock = session->task.until_ns != UINT64_MAX && !session->interrupted;
    uint64_t end_ns = by_clock ? session->task.until_ns : last_end_ns(session);
    memset(result, 0, sizeof *result);
    memset(latency_ns, 0, sizeof *latency_ns);
    for (unsigned i = 0; i < session->task.run->writers; i++) {
        const struct bench_writer *writer = &session->writers[i];
        result->records += writer->records;
        result->payload_bytes += writer->payload_bytes;
        bench_histogram_merge(latency_ns, &writer->latency_ns);
    }
    result->elapsed_ns = end_ns - session->task.from_ns;
    result->measured =
        session->has_before && result->elapsed_ns > 0 && (by_clock || result->records > 0);
    result->interrupted = session->interrupted;
    result->p50_ns = bench_histogram_percentile(latency_ns, 0.5);
    result->p99_ns = bench_histogram_percentile(latency_ns, 0.99);
    result->p999_ns = bench_histogram_percentile(latency_ns, 0.999);
    result->max_ns = latency_ns->max;
    summarise_usage(session, result);
}

static int tell_failure(struct session *session, const char *call, int error, char *message,
                        size_t message_bytes)
{
    struct logfile_failure failure = {.error = 0};
    if (session->task.log != NULL)
        logfile_failure(session->task.log, &failure);
    if (failure.error != 0)
        snprintf(message, message_bytes, "%s: %s (%.15s: %s)", call, logfile_strerror(error),
                 failure.call, logfile_strerror(failure.error));
    else
        snprintf(message, message_bytes, "%s: %s", call, logfile_strerror(error));
    return -1;
}

/* The first writer that failed, unless that is how an interrupted run ends, or the trimmer. */
static int find_failure(struct session *session, char *message, size_t message_bytes)
{
    for (unsigned i = 0; i < session->task.run->writers; i++) {
        const struct bench_writer *writer = &session->writers[i];
        if (writer->error != 0 && !(session->interrupted && writer->error == LOGFILE_ECLOSED))
            return tell_failure(session, writer->failed_call, writer->error, message,
                                message_bytes);
    }
    if (session->trimmer.error != 0)
        return tell_failure(session, "trim", session->trimmer.error, message, message_bytes);
    return 0;
}

static int run_writers(struct session *session, struct bench_result *result, char *message,
                       size_t message_bytes)
{
    /* Taken before the run: its memory must not be part of what is measured. */
    struct bench_histogram *latency_ns = malloc(sizeof *latency_ns);
    if (latency_ns == NULL) {
        snprintf(message, message_bytes, "out of memory");
        return -1;
    }
    start_clock(session);
    supervise(session);
    join_writers(session);
    bench_trimmer_stop(&session->trimmer);
    summarise(session, latency_ns, result);
    free(latency_ns);
    int failed = find_failure(session, message, message_bytes);
    int error = logfile_close(session->task.log);
    if (failed == 0 && error != 0)
        snprintf(message, message_bytes, "closing the log: %s", logfile_strerror(error));
    return failed != 0 || error != 0 ? -1 : 0;
}

int bench_run(const struct bench_run *run, struct bench_result *result,
              struct bench_written *written, char *message, size_t message_bytes)
{
    struct session session;
    int status = -1;
    int error = session_init(&session, run);
    if (error != 0) {
        snprintf(message, message_bytes, "starting %u writers: %s", run->writers,
                 logfile_strerror(error));
    } else {
        bench_gate_await(&session.task.gate, run->writers);
        if (find_failure(&session, message, message_bytes) == 0 &&
            open_log(&session, message, message_bytes) == 0 &&
            start_trimming(&session, message, message_bytes) == 0)
            status = run_writers(&session, result, message, message_bytes);
    }
    for (unsigned i = 0; session.writers != NULL && i < run->writers; i++)
        written[i] = session.writers[i].written;
    session_free(&session);
    return status;
}
