/* SPDX-License-Identifier: MIT */
#include "device_worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LSN_UNSET UINT64_MAX

const char *const device_workload_names[DEVICE_WORKLOAD_COUNT] = {
    "one file, direct", "one file, buffered", "one file, trimmed", "segments, direct",
    "segments, buffered"};

enum {
    THREAD_MAX = 3,
    RECORD_BYTES_MAX = 8 << 10
};

struct worker {
    pthread_t thread;
    struct logfile *log;
    struct diary *diary;
    struct rng rng;
    bool trims;
    unsigned step_count;
    uint64_t last_lsn;
    char *why;
    uint8_t payload[RECORD_BYTES_MAX];
};

void device_choose_options(unsigned workload, struct rng *rng, struct logfile_options *options,
                           struct logfile_lab *lab)
{
    *lab = (struct logfile_lab){0};
    *options = (struct logfile_options){.lab = lab};
    lab->engine = rng_one_in(rng, 3) ? (uint32_t)rng_below(rng, 3) : 0;
    lab->flusher = (uint32_t)rng_below(rng, 3);
    options->sync = LOGFILE_SYNC_FDATASYNC + (uint32_t)rng_below(rng, 2);
    options->prepare = (uint32_t)rng_below(rng, 3);
    options->io_mode = workload == 1 || workload == 4 ? LOGFILE_IO_BUFFERED : LOGFILE_IO_AUTO;
    options->slot_bytes = 16 << 10;
    options->prepare_bytes = 64 << 10;
    options->segment_bytes = workload >= 3 ? 64 << 10 : 0;
}

/* ---- Steps ---- */

static int complain(struct worker *worker, const char *what, int error)
{
    snprintf(worker->why, JOURNAL_WHY_BYTES, "%s: %s", what, logfile_strerror(error));
    return error != 0 ? error : -EPROTO;
}

static void note(struct worker *worker, enum diary_kind kind, uint64_t lsn)
{
    diary_add(worker->diary, &(struct diary_mark){.kind = kind, .lsn = lsn});
}

static int append(struct worker *worker)
{
    bool submits = rng_one_in(&worker->rng, 3);
    size_t size = payload_random_size(&worker->rng, RECORD_BYTES_MAX);
    struct diary_mark mark = {.kind = DIARY_RECORD, .size = (uint32_t)size, .lsn = LSN_UNSET};
    int error;

    mark.seed = rng_next(&worker->rng);
    payload_fill(worker->payload, size, mark.seed);
    error = submits ? logfile_submit(worker->log, worker->payload, size, NULL, &mark.lsn)
                    : logfile_append(worker->log, worker->payload, size, &mark.lsn);
    if (error != 0 || mark.lsn == LSN_UNSET)
        return complain(worker, "append", error);
    diary_add(worker->diary, &mark);
    if (!submits)
        note(worker, DIARY_ACK_BELOW, mark.lsn + 1);
    worker->last_lsn = mark.lsn;
    return 0;
}

static int wait_for_last(struct worker *worker)
{
    int error = worker->last_lsn == 0 ? 0 : logfile_wait(worker->log, worker->last_lsn, NULL);

    if (error != 0)
        return complain(worker, "wait", error);
    if (worker->last_lsn != 0)
        note(worker, DIARY_ACK_BELOW, worker->last_lsn + 1);
    return 0;
}

static int flush(struct worker *worker)
{
    uint64_t next_lsn = logfile_next_lsn(worker->log);
    int error = logfile_sync(worker->log, NULL);

    if (error != 0)
        return complain(worker, "flush", error);
    note(worker, DIARY_ACK_BELOW, next_lsn);
    return 0;
}

static int trim(struct worker *worker)
{
    uint64_t lsn = logfile_durable_lsn(worker->log);

    lsn -= rng_below(&worker->rng, lsn < (64 << 10) ? lsn + 1 : 64 << 10);
    note(worker, DIARY_ASK_TRIM, lsn);
    int error = logfile_trim(worker->log, lsn);
    if (error != 0)
        return complain(worker, "trim", error);
    note(worker, DIARY_TRIMMED, logfile_oldest_lsn(worker->log));
    return 0;
}

static int step(struct worker *worker)
{
    switch (rng_below(&worker->rng, 10)) {
    case 0:
        return wait_for_last(worker);
    case 1:
        return flush(worker);
    case 2:
        return worker->trims ? trim(worker) : append(worker);
    case 3:
        note(worker, DIARY_ACK_BELOW, logfile_durable_lsn(worker->log));
        return 0;
    default:
        return append(worker);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    int error = 0;

    for (unsigned i = 0; error == 0 && i < worker->step_count; i++)
        error = step(worker);
    return NULL;
}

/* ---- The process ---- */

static void run_threads(unsigned workload, struct logfile *log, struct rng *rng,
                        struct diary *diary, char *why)
{
    static struct worker workers[THREAD_MAX];
    unsigned count = 1 + (unsigned)rng_below(rng, THREAD_MAX);

    for (unsigned i = 0; i < count; i++) {
        workers[i] = (struct worker){.log = log,
                                     .diary = diary,
                                     .rng.state = rng_next(rng),
                                     .trims = workload >= 2,
                                     .step_count = 10 + (unsigned)rng_below(rng, 40),
                                     .why = why};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            complain(&workers[i], "thread", -EAGAIN);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
}

static void live(unsigned workload, const char *path, struct rng *rng, struct diary *diary,
                 char *why)
{
    struct logfile_options options;
    struct logfile_lab lab;
    struct logfile_open_report report;
    struct logfile *log;

    device_choose_options(workload, rng, &options, &lab);
    int error = logfile_open(path, &options, &report, &log);
    if (error != 0) {
        snprintf(why, JOURNAL_WHY_BYTES, "open: %s: %.150s", logfile_strerror(error),
                 report.message);
        return;
    }
    diary_add(diary, &(struct diary_mark){.kind = DIARY_RECOVERED, .lsn = report.tail.end_lsn});
    run_threads(workload, log, rng, diary, why);
    if (rng_one_in(rng, 2))
        return;
    uint64_t next_lsn = logfile_next_lsn(log);
    error = logfile_close(log);
    if (error != 0)
        snprintf(why, JOURNAL_WHY_BYTES, "close: %s", logfile_strerror(error));
    else
        diary_add(diary, &(struct diary_mark){.kind = DIARY_ACK_BELOW, .lsn = next_lsn});
}

bool device_work(unsigned workload, const char *path, struct rng *rng, struct diary *diary,
                 char why[JOURNAL_WHY_BYTES])
{
    char *heard =
        mmap(NULL, JOURNAL_WHY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct rng own = {.state = rng_next(rng)};
    int status = -1;

    ck_assert_ptr_ne(heard, MAP_FAILED);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        live(workload, path, &own, diary, heard);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    if (status != 0)
        snprintf(heard, JOURNAL_WHY_BYTES, "the process ended with status %#x", (unsigned)status);
    memcpy(why, heard, JOURNAL_WHY_BYTES);
    munmap(heard, JOURNAL_WHY_BYTES);
    return why[0] == '\0';
}
