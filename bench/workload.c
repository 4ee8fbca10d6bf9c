/* SPDX-License-Identifier: MIT */
/*
 * The main thread of a run: it starts the writers, opens the store, and in each slice lets the writers go and
 * then sleeps, but for noting the log's statistics when the timed part begins and when it ends.
 */
#include "workload.h"

#include "calls.h"
#include "clock.h"
#include "log_counters.h"
#include "readback.h"
#include "session.h"
#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define PROGRESS_NS (BENCH_NS_PER_S / 4)

/* 0, or -1 with one line in `message`. */
static int start_trimming(struct bench_session *session, char *message, size_t message_bytes)
{
    const struct bench_options *options = session->task.run->options;
    if (options->trim_keep_bytes == 0)
        return 0;
    int error = bench_trimmer_start(&session->trimmer, session->task.log, options->trim_keep_bytes,
                                    options->log.segment_bytes);
    if (error == 0)
        return 0;
    snprintf(message, message_bytes, "starting the trimmer: %s", strerror(-error));
    return -1;
}

/* ---- The main thread while they run ---------------------------------------------------------- */

static void read_placement(struct bench_session *session)
{
    struct bench_place *place = session->task.run->place;
    if (place != NULL)
        bench_place_read_back(place, &session->detail->placement);
}

/* Sets what the writers measure by, then lets them go. */
static void start_clock(struct bench_session *session)
{
    const struct bench_options *options = session->task.run->options;
    bench_load_prepare(&session->task);
    /* Writers with few records to append might be gone before anybody looks. */
    if (options->duration_ns == 0)
        read_placement(session);
    bench_calls_start(session->calls_fd);
    if (options->preset == BENCH_PRESET_README) {
        session->task.from_ns = session->open_ns;
        session->has_before = true; /* a log that is not open yet has done nothing */
        bench_perf_start(&session->perf);
    } else if (options->duration_ns == 0) {
        bench_session_note_usage(session, &session->before, &session->has_before);
        bench_perf_start(&session->perf);
    }
    bench_recorder_begin(&session->recorder, session->task.from_ns, session->task.log != NULL);
    bench_gate_open(&session->task.gate);
}

/* Lets every writer return: a log that is shut down takes no record any more, and whoever writes to
 * another store looks at `stop`. */
static void interrupt_writers(struct bench_session *session)
{
    session->interrupted = true;
    session->task.stop = true;
    for (unsigned i = 0; i < session->task.run->writers; i++)
        sem_post(&session->writers[i].hurry);
    if (session->task.log != NULL)
        logfile_shutdown(session->task.log, NULL);
}

/* The warm-up is over, and nothing counts its calls any more.  The records that they were for are noted
 * at once: closing the counter and reading where threads are takes a while, in which writers go on. */
static void begin_timed_part(struct bench_session *session)
{
    session->knows_calls = bench_calls_stop(session->calls_fd, &session->calls);
    bench_session_note_usage(session, &session->before, &session->has_before);
    bench_calls_close(session->calls_fd);
    session->calls_fd = -1;
    bench_perf_start(&session->perf);
    read_placement(session);
}

static void end_timed_part(struct bench_session *session)
{
    bench_session_note_usage(session, &session->after, &session->has_after);
    bench_perf_stop(&session->perf, session->after.records - session->before.records,
                    &session->perf_result);
}

/* Notes the usage at the edges of the timed part.  The time of the next edge, or UINT64_MAX. */
static uint64_t note_edges(struct bench_session *session, uint64_t now_ns)
{
    if (!session->has_before) {
        if (now_ns < session->task.from_ns)
            return session->task.from_ns;
        begin_timed_part(session);
    }
    if (!session->has_after && session->task.until_ns != UINT64_MAX) {
        if (now_ns < session->task.until_ns)
            return session->task.until_ns;
        end_timed_part(session);
    }
    return UINT64_MAX;
}

/* The end of a slice of the series.  The time of the next one, or UINT64_MAX. */
static uint64_t note_slice(struct bench_session *session, uint64_t now_ns)
{
    const struct logfile *log = session->task.log;
    return bench_recorder_note(&session->recorder, now_ns, log != NULL ? bench_log_syncs(log) : 0);
}

static uint64_t earliest(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void show_progress(struct bench_session *session, uint64_t now_ns)
{
    struct bench_usage usage = {.records = 0};
    bench_session_note_store(session, &usage);
    session->task.run->progress(session->task.run->progress_arg, now_ns - session->task.start_ns,
                                usage.records);
}

static void sleep_until(struct bench_session *session, uint64_t wake_ns)
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

static void supervise(struct bench_session *session)
{
    uint64_t progress_ns = session->task.start_ns + PROGRESS_NS;
    for (eventfd_t done = 0; done < session->task.run->writers;) {
        eventfd_t more;
        uint64_t now_ns = bench_now_ns();
        uint64_t edge_ns = earliest(note_edges(session, now_ns), note_slice(session, now_ns));
        if (now_ns >= progress_ns) {
            show_progress(session, now_ns);
            progress_ns = now_ns + PROGRESS_NS;
        }
        if (!session->interrupted && bench_signals_caught() != 0)
            interrupt_writers(session);
        sleep_until(session, earliest(edge_ns, progress_ns));
        if (eventfd_read(session->task.done_fd, &more) == 0)
            done += more;
    }
    note_slice(session, bench_now_ns()); /* the last one ends when the timed part does */
    if (!session->has_after)
        end_timed_part(session);
}

/* ---- How it ended ---------------------------------------------------------------------------- */

static int tell_failure(struct bench_session *session, const char *call, int error, char *message,
                        size_t message_bytes)
{
    struct logfile_failure failure = {.error = 0};
    if (session->task.log != NULL)
        logfile_failure(session->task.log, &failure, sizeof failure);
    if (session->task.store.message[0] != '\0')
        snprintf(message, message_bytes, "%s: %s", call, session->task.store.message);
    else if (failure.error != 0)
        snprintf(message, message_bytes, "%s: %s (%.15s: %s)", call, logfile_strerror(error),
                 failure.call, logfile_strerror(failure.error));
    else
        snprintf(message, message_bytes, "%s: %s", call, logfile_strerror(error));
    return -1;
}

/* The first writer that failed, unless that is how an interrupted run ends, or a thread that is not where it
 * was asked to be. */
static int find_failure(struct bench_session *session, char *message, size_t message_bytes)
{
    for (unsigned i = 0; i < session->task.run->writers; i++) {
        const struct bench_writer *writer = &session->writers[i];
        if (writer->error != 0 && !(session->interrupted && writer->error == LOGFILE_ECLOSED))
            return tell_failure(session, writer->failed_call, writer->error, message,
                                message_bytes);
    }
    if (session->detail != NULL && session->detail->placement.error != 0)
        return tell_failure(session, "placing threads and memory", session->detail->placement.error,
                            message, message_bytes);
    return 0;
}

/* Sessions are begun before the clock starts; a log has none. */
static int begin_sessions(struct bench_session *session, char *message, size_t message_bytes)
{
    bench_gate_open(&session->task.gate);
    bench_gate_await(&session->task.gate, session->task.run->writers);
    return find_failure(session, message, message_bytes);
}

/* ---- A run ----------------------------------------------------------------------------------- */

enum bench_run_status bench_run_begin(struct bench_session *session, const struct bench_run *run,
                                      char *message, size_t message_bytes)
{
    int error = bench_session_init(session, run);
    if (error != 0) {
        snprintf(message, message_bytes, "starting %u writers: %s", run->writers,
                 logfile_strerror(error));
        return BENCH_RUN_FAILED;
    }
    bench_gate_await(&session->task.gate, run->writers);
    if (find_failure(session, message, message_bytes) != 0 ||
        bench_session_open(session, message, message_bytes) != 0 ||
        begin_sessions(session, message, message_bytes) != 0 ||
        start_trimming(session, message, message_bytes) != 0)
        return BENCH_RUN_FAILED;
    return BENCH_RUN_OK;
}

enum bench_run_status bench_run_slice(struct bench_session *session, struct bench_result *result,
                                      struct bench_detail *detail, char *message,
                                      size_t message_bytes)
{
    bench_session_begin_slice(session, detail);
    start_clock(session);
    if (bench_rate_is_share(session->task.run->rate))
        bench_load_calibrate(session);
    supervise(session);
    bench_gate_await(&session->task.gate, session->task.run->writers);
    bench_session_summarise(session, result);
    return find_failure(session, message, message_bytes) != 0 ? BENCH_RUN_FAILED : BENCH_RUN_OK;
}

/* What another store holds, as long as it is open. */
static enum bench_run_status read_peer_back(struct bench_session *session,
                                            const struct bench_written *written, bool *was_cut,
                                            char *message, size_t message_bytes)
{
    int status = bench_readback_peer(session->task.run, &session->task.store, written, message,
                                     message_bytes);
    *was_cut = status > 0;
    return status < 0 ? BENCH_RUN_MISMATCH : BENCH_RUN_OK;
}

static enum bench_run_status stop_trimming(struct bench_session *session, char *message,
                                           size_t message_bytes)
{
    bench_trimmer_stop(&session->trimmer);
    if (session->trimmer.error == 0)
        return BENCH_RUN_OK;
    tell_failure(session, "trim", session->trimmer.error, message, message_bytes);
    return BENCH_RUN_FAILED;
}

static enum bench_run_status close_store(struct bench_session *session, char *message,
                                         size_t message_bytes)
{
    int error = bench_session_close(session);
    if (error == 0)
        return BENCH_RUN_OK;
    snprintf(message, message_bytes, "closing the log: %s", logfile_strerror(error));
    return BENCH_RUN_FAILED;
}

/* What came first is told. */
enum bench_run_status bench_run_end(struct bench_session *session, enum bench_run_status status,
                                    struct bench_written *written, bool *was_cut, char *message,
                                    size_t message_bytes)
{
    char unheard[256];
    *was_cut = false;
    bench_session_end_writers(session);
    for (unsigned i = 0; session->writers != NULL && i < session->task.run->writers; i++)
        written[i] = session->writers[i].written;
    if (status == BENCH_RUN_OK)
        status = stop_trimming(session, message, message_bytes);
    else
        bench_trimmer_stop(&session->trimmer);
    if (status == BENCH_RUN_OK && bench_session_peer(session) != NULL)
        status = read_peer_back(session, written, was_cut, message, message_bytes);
    enum bench_run_status closed = status == BENCH_RUN_OK
                                       ? close_store(session, message, message_bytes)
                                       : close_store(session, unheard, sizeof unheard);
    bench_session_free(session);
    return status == BENCH_RUN_OK ? closed : status;
}

enum bench_run_status bench_run(const struct bench_run *run, struct bench_result *result,
                                struct bench_detail *detail, struct bench_written *written,
                                char *message, size_t message_bytes)
{
    struct bench_session session;
    bool was_cut;
    enum bench_run_status status = bench_run_begin(&session, run, message, message_bytes);
    if (status == BENCH_RUN_OK)
        status = bench_run_slice(&session, result, detail, message, message_bytes);
    status = bench_run_end(&session, status, written, &was_cut, message, message_bytes);
    result->interrupted |= was_cut;
    return status;
}
