/* SPDX-License-Identifier: MIT */
#include "session.h"

#include "calls.h"
#include "clock.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define STACK_BYTES (512u * 1024)
#define SETTLE_STEP_NS (BENCH_NS_PER_S / 200) /* longer than a chunk of zeros and its sync take */
#define SETTLE_MAX_NS (BENCH_NS_PER_S / 5)

/* ---- Starting and ending them ---------------------------------------------------------------- */

static int start_writers(struct bench_session *session)
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

int bench_session_init(struct bench_session *session, const struct bench_run *run)
{
    memset(session, 0, sizeof *session);
    session->task.run = run;
    /* Threads are counted that are started later.  Without a warm-up there is no time to count in. */
    session->calls_fd = run->options->duration_ns > 0 ? bench_calls_open() : -1;
    bench_perf_open(&session->perf);
    session->task.recorder = &session->recorder;
    int error = bench_recorder_init(&session->recorder, run->options->duration_ns);
    pthread_mutex_init(&session->task.gate.lock, NULL);
    pthread_cond_init(&session->task.gate.changed, NULL);
    session->task.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (session->task.done_fd < 0)
        return -errno;
    session->writers = aligned_alloc(128, run->writers * sizeof *session->writers);
    if (session->writers == NULL || error != 0)
        return -ENOMEM;
    memset(session->writers, 0, run->writers * sizeof *session->writers);
    for (unsigned i = 0; i < run->writers; i++) {
        struct bench_writer *writer = &session->writers[i];
        writer->task = &session->task;
        writer->index = i;
        writer->random = run->options->seed + i;
        writer->thoughts = bench_mix(run->options->seed ^ bench_mix(i + 1));
        sem_init(&writer->hurry, 0, 0);
    }
    return start_writers(session);
}

void bench_session_end_writers(struct bench_session *session)
{
    if (session->started > 0)
        bench_gate_cancel(&session->task.gate);
    for (unsigned i = 0; i < session->started; i++)
        pthread_join(session->writers[i].thread, NULL);
    session->started = 0;
}

void bench_session_free(struct bench_session *session)
{
    for (unsigned i = 0; session->writers != NULL && i < session->task.run->writers; i++)
        sem_destroy(&session->writers[i].hurry);
    free(session->writers);
    bench_recorder_free(&session->recorder);
    bench_perf_close(&session->perf);
    bench_calls_close(session->calls_fd);
    if (session->task.done_fd >= 0)
        close(session->task.done_fd);
    pthread_cond_destroy(&session->task.gate.changed);
    pthread_mutex_destroy(&session->task.gate.lock);
}

/* ---- A slice ---------------------------------------------------------------------------------- */

void bench_session_begin_slice(struct bench_session *session, struct bench_detail *detail)
{
    memset(detail, 0, sizeof *detail);
    session->detail = detail;
    session->has_before = session->has_after = false;
    session->knows_calls = false;
    session->task.slice += session->has_sliced;
    session->has_sliced = true;
    bench_recorder_reset(&session->recorder, &detail->series);
    for (unsigned i = 0; i < session->task.run->writers; i++)
        memset(&session->writers[i].tally, 0, sizeof session->writers[i].tally);
}

/* The next slice, of another log, is not to pay for blocks that this one needs. */
void bench_session_settle(const struct bench_session *session)
{
    const struct timespec step = bench_timespec(SETTLE_STEP_NS);
    uint64_t give_up_ns = bench_now_ns() + SETTLE_MAX_NS;
    struct bench_usage usage = {.records = 0};
    uint64_t filled;
    do {
        bench_session_note_store(session, &usage);
        filled = usage.stats.zero_fill_bytes;
        nanosleep(&step, NULL);
        bench_session_note_store(session, &usage);
    } while (usage.stats.zero_fill_bytes != filled && bench_now_ns() < give_up_ns);
}

/* ---- What it uses up ------------------------------------------------------------------------- */

static uint64_t microseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

static void note_process(struct bench_usage *usage)
{
    struct rusage process;
    getrusage(RUSAGE_SELF, &process);
    usage->cpu_us = microseconds(&process.ru_utime) + microseconds(&process.ru_stime);
    usage->context_switches = (uint64_t)(process.ru_nvcsw + process.ru_nivcsw);
}

/* What the writers of a store that keeps no statistics know. */
static uint64_t durable_records(const struct bench_session *session)
{
    uint64_t records = 0;
    for (unsigned i = 0; i < session->task.run->writers; i++)
        records += atomic_load_explicit(&session->writers[i].durable, memory_order_relaxed);
    return records;
}

void bench_session_note_store(const struct bench_session *session, struct bench_usage *usage)
{
    if (session->task.log == NULL) {
        usage->records = durable_records(session);
        return;
    }
    logfile_stats(session->task.log, &usage->stats, sizeof usage->stats);
    logfile_lab_stats(session->task.log, &usage->lab_stats, sizeof usage->lab_stats);
    usage->records = usage->stats.records;
}

void bench_session_note_usage(struct bench_session *session, struct bench_usage *usage, bool *has)
{
    note_process(usage);
    /* Not of several stores. */
    usage->rss_bytes = session->task.run->options->is_sliced ? 0 : bench_rss_bytes();
    bench_session_note_store(session, usage);
    bench_pressure_read(&usage->pressure);
    *has = true;
}

/* ---- The store ------------------------------------------------------------------------------- */

const struct bench_peer *bench_session_peer(const struct bench_session *session)
{
    return session->task.run->variant->peer;
}

/* Writes the blocks after the log's end over with zeros: nothing appends yet.  0 or -errno. */
static int write_ahead(const char *path, uint64_t bytes)
{
    enum {
        CHUNK_BYTES = 1 << 20,
        FIRST_BYTES = 1 << 16
    };
    void *zeros = mmap(NULL, CHUNK_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int error = zeros == MAP_FAILED || fd < 0 ? -errno : 0;

    /* Headers, marks and the first epoch are below. */
    for (uint64_t at = FIRST_BYTES; error == 0 && at < bytes; at += CHUNK_BYTES)
        if (pwrite(fd, zeros, CHUNK_BYTES, (off_t)at) != CHUNK_BYTES)
            error = errno != 0 ? -errno : -EIO;
    if (error == 0 && fsync(fd) != 0)
        error = -errno;
    if (error == 0) /* or the page cache would be written beside the log */
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (fd >= 0)
        close(fd);
    if (zeros != MAP_FAILED)
        munmap(zeros, CHUNK_BYTES);
    return error;
}

static int open_log(struct bench_session *session, char *message, size_t message_bytes)
{
    const struct bench_run *run = session->task.run;
    struct logfile_options options = run->variant->log;
    struct logfile_lab lab = run->variant->lab;
    struct logfile_open_report report;
    options.io = run->io;
    options.open_flags = LOGFILE_OPEN_EXCLUSIVE;
    options.lab = &lab;
    memset(&report, 0, sizeof report);
    if (run->place != NULL)
        bench_place_hook(run->place, &options, &lab);
    int error = logfile_open(run->path, &options, &report, &session->task.log);
    if (error == 0 && run->options->written_bytes > 0) {
        error = write_ahead(run->path, run->options->written_bytes);
        if (error != 0)
            snprintf(report.message, sizeof report.message, "writing its blocks");
    }
    if (error == 0)
        return 0;
    snprintf(message, message_bytes, "opening the log: %s%s%s", logfile_strerror(error),
             report.message[0] != '\0' ? ": " : "", report.message);
    return -1;
}

static int open_peer(struct bench_session *session, char *message, size_t message_bytes)
{
    const struct bench_run *run = session->task.run;
    struct bench_peer_config config = {
        .path = run->path, .writers = run->writers, .size_max = run->payload->size_max};
    session->task.store.peer = run->variant->peer;
    if (run->variant->peer->open(&session->task.store, &config) == 0)
        return 0;
    snprintf(message, message_bytes, "opening the store: %s", session->task.store.message);
    return -1;
}

/* 0, or -1 with one line in `message`. */
int bench_session_open(struct bench_session *session, char *message, size_t message_bytes)
{
    session->open_ns = bench_now_ns();
    note_process(&session->before);
    int status = bench_session_peer(session) != NULL ? open_peer(session, message, message_bytes)
                                                     : open_log(session, message, message_bytes);
    session->is_open = status == 0;
    return status;
}

/* 0 or -errno. */
int bench_session_close(struct bench_session *session)
{
    if (!session->is_open)
        return 0;
    session->is_open = false;
    if (bench_session_peer(session) == NULL)
        return logfile_close(session->task.log);
    bench_session_peer(session)->close(&session->task.store);
    return 0;
}
