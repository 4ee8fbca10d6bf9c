/* SPDX-License-Identifier: MIT */
#include "writer.h"

#include "arrivals.h"
#include "clock.h"
#include "log_counters.h"
#include "signals.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

/* Waits until the gate is opened for the writer once more; false when it never will be. */
static bool gate_pass(struct bench_writer *writer)
{
    struct bench_gate *gate = &writer->task->gate;
    pthread_mutex_lock(&gate->lock);
    gate->arrivals++;
    pthread_cond_broadcast(&gate->changed);
    while (gate->openings == writer->passed && !gate->is_cancelled)
        pthread_cond_wait(&gate->changed, &gate->lock);
    writer->passed++;
    bool open = !gate->is_cancelled;
    pthread_mutex_unlock(&gate->lock);
    return open;
}

void bench_gate_open(struct bench_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->arrivals = 0;
    gate->openings++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void bench_gate_cancel(struct bench_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_cancelled = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void bench_gate_await(struct bench_gate *gate, unsigned count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->arrivals < count)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

/* Whether it was told to end, or has offered all the records that it was to append. */
static bool is_done(const struct bench_writer *writer)
{
    uint64_t records = writer->task->run->options->records;
    if (atomic_load_explicit(&writer->task->stop, memory_order_relaxed))
        return true;
    return records > 0 && writer->written.offered >= records;
}

static bool has_finished(const struct bench_writer *writer, uint64_t now_ns)
{
    return is_done(writer) || now_ns >= writer->task->until_ns;
}

static void fail(struct bench_writer *writer, int error, const char *call)
{
    writer->error = error;
    writer->failed_call = call;
}

static bool is_timed(const struct bench_writer *writer, uint64_t time_ns)
{
    return time_ns >= writer->task->from_ns && time_ns < writer->task->until_ns;
}

/* A schedule decides beforehand whose latencies are counted: those due in the timed part, however
 * late they end.  Chosen by their end, the slowest would be left out, and records that a stall of the
 * warm-up held up taken in. */
static bool has_timed_latency(const struct bench_writer *writer, uint64_t begin_ns, uint64_t end_ns)
{
    return is_timed(writer, writer->task->rate > 0 ? begin_ns : end_ns);
}

/* `records` of them became durable at end_ns, and one of them had begun, or was due, at begin_ns. */
static void count(struct bench_writer *writer, uint64_t records, uint64_t bytes, uint64_t begin_ns,
                  uint64_t end_ns)
{
    writer->written.acked += records;
    writer->tally.last_end_ns = end_ns;
    /* A statistic that publishes nothing. */
    atomic_store_explicit(&writer->durable, writer->written.acked, memory_order_relaxed);
    if (has_timed_latency(writer, begin_ns, end_ns))
        bench_histogram_add(&writer->tally.latency_ns, end_ns - begin_ns);
    if (!is_timed(writer, end_ns))
        return;
    writer->tally.records += records;
    writer->tally.payload_bytes += bytes;
    bench_pending_add(&writer->tally.pending, writer->task->recorder, records, end_ns - begin_ns,
                      end_ns);
}

static int append_piece(struct bench_writer *writer, uint64_t number,
                        const struct bench_piece *piece)
{
    struct bench_task *task = writer->task;
    if (task->log != NULL)
        return logfile_append(task->log, piece->data, piece->size, NULL);
    return task->store.peer->append(&task->store, writer->session,
                                    bench_stamp(writer->index, number), piece->data, piece->size);
}

/* One append in so many is looked at more closely, each writer's at other numbers. */
#define LOOK_EVERY 16u

static bool is_looked_at(const struct bench_writer *writer, uint64_t number)
{
    return writer->task->log != NULL && (number + writer->index) % LOOK_EVERY == 0;
}

/* Appends the next record and counts it with the latency since begin_ns.  The time of its end, or 0
 * when the writer must stop. */
static uint64_t append_one(struct bench_writer *writer, uint64_t begin_ns)
{
    struct bench_task *task = writer->task;
    struct bench_piece piece;
    uint64_t number = writer->written.offered++;
    bench_payload_take(task->run->payload, writer->index, number, &piece);
    bool is_looked = is_looked_at(writer, number);
    uint64_t epochs = is_looked ? bench_log_epochs(task->log) : 0;
    int error = append_piece(writer, number, &piece);
    bench_payload_return(&piece);
    if (error != 0) {
        fail(writer, error, "append");
        return 0;
    }
    uint64_t end_ns = bench_now_ns();
    count(writer, 1, piece.size, begin_ns, end_ns);
    if (is_looked && is_timed(writer, end_ns))
        bench_crossed_add(&writer->tally.crossed, bench_log_epochs(task->log) - epochs);
    return end_ns;
}

/* Sleeps until due_ns, and notes how late it woke.  The time then, or 0 when a writer is to end first. */
static uint64_t sleep_until(struct bench_writer *writer, uint64_t due_ns)
{
    struct timespec due = bench_timespec(due_ns);
    int result;
    do
        result = sem_clockwait(&writer->hurry, CLOCK_MONOTONIC, &due);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return 0;
    uint64_t now_ns = bench_now_ns();
    if (is_timed(writer, due_ns))
        bench_coarse_add(&writer->tally.late_ns, now_ns - due_ns);
    return now_ns;
}

/* The time after what a client does between two records, or 0 when it is to end first. */
static uint64_t think(struct bench_writer *writer, uint64_t now_ns)
{
    double think_ns = (double)writer->task->run->options->think_ns;
    if (think_ns == 0 || now_ns == 0)
        return now_ns;
    uint64_t due_ns = now_ns + (uint64_t)(think_ns * bench_exponential(&writer->thoughts));
    return due_ns < writer->task->until_ns ? sleep_until(writer, due_ns) : 0;
}

/* Waits until due_ns; false when no record is due any more, or the run is to end first. */
static bool wait_for_turn(struct bench_writer *writer, uint64_t due_ns)
{
    if (due_ns >= writer->task->until_ns)
        return false;
    if (is_timed(writer, due_ns))
        writer->tally.due++;
    return bench_now_ns() >= due_ns || sleep_until(writer, due_ns) != 0;
}

/* What was due and is left behind took at least until now: left out, only short latencies would count. */
static void leave_behind(struct bench_writer *writer, struct bench_arrivals *arrivals,
                         uint64_t due_ns, uint64_t now_ns)
{
    const struct bench_task *task = writer->task;
    for (; due_ns < task->until_ns; due_ns = task->start_ns + bench_arrivals_next(arrivals)) {
        writer->tally.is_capped = true;
        if (!is_timed(writer, due_ns))
            continue;
        writer->tally.due++;
        bench_histogram_add(&writer->tally.latency_ns, now_ns - due_ns);
    }
}

/* Its own of the run's, and others in each slice. */
static void begin_arrivals(const struct bench_writer *writer, struct bench_arrivals *arrivals)
{
    const struct bench_task *task = writer->task;
    const struct bench_options *options = task->run->options;
    bench_arrivals_begin(arrivals, options->arrivals, task->rate, task->run->writers, writer->index,
                         options->seed + task->slice);
}

/* A latency starts when the record was due, so that one slow append shows in all that it delays.
 * Whatever was due before the timed part ended is still appended after it, for a while. */
static void append_open_loop(struct bench_writer *writer)
{
    const struct bench_task *task = writer->task;
    struct bench_arrivals arrivals;
    begin_arrivals(writer, &arrivals);
    uint64_t now_ns = bench_now_ns();
    while (now_ns != 0 && !is_done(writer)) {
        uint64_t due_ns = task->start_ns + bench_arrivals_next(&arrivals);
        if (now_ns >= task->cap_ns) {
            leave_behind(writer, &arrivals, due_ns, now_ns);
            return;
        }
        if (!wait_for_turn(writer, due_ns))
            return;
        now_ns = append_one(writer, due_ns);
    }
}

static uint64_t next_random(struct bench_writer *writer)
{
    writer->random += UINT64_C(0x9e3779b97f4a7c15);
    return bench_mix(writer->random);
}

/* Submits the next record.  0, or -1 when the writer must stop. */
static int submit_one(struct bench_writer *writer, size_t *size, uint64_t *lsn)
{
    struct bench_task *task = writer->task;
    struct bench_piece piece;
    bench_payload_take(task->run->payload, writer->index, writer->written.offered, &piece);
    writer->written.offered++;
    int error = logfile_submit(task->log, piece.data, piece.size, NULL, lsn);
    bench_payload_return(&piece);
    if (error != 0) {
        fail(writer, error, "submit");
        return -1;
    }
    *size = piece.size;
    return 0;
}

/* Submits `records` records.  The time just before the one numbered `sampled`, or 0 on failure. */
static uint64_t submit_window(struct bench_writer *writer, uint64_t records, uint64_t sampled,
                              uint64_t *bytes, uint64_t *lsn)
{
    uint64_t begin_ns = 0;
    *bytes = 0;
    for (uint64_t i = 0; i < records; i++) {
        size_t size;
        if (i == sampled)
            begin_ns = bench_now_ns();
        if (submit_one(writer, &size, lsn) != 0)
            return 0;
        *bytes += size;
    }
    return begin_ns;
}

static uint64_t window_size(const struct bench_writer *writer)
{
    const struct bench_run *run = writer->task->run;
    uint64_t left = run->options->records - writer->written.offered;
    return run->options->records > 0 && left < run->window ? left : run->window;
}

/* The submits of a window took submit_ns together, and its wait ended at end_ns. */
static void count_submits(struct bench_writer *writer, uint64_t submits, uint64_t submit_ns,
                          uint64_t end_ns)
{
    if (!is_timed(writer, end_ns))
        return;
    writer->tally.submits += submits;
    writer->tally.submit_ns += submit_ns;
}

/* Submits a window, and waits for its last record, which makes all of it durable.  The time then, or 0. */
static uint64_t submit_and_wait(struct bench_writer *writer, uint64_t now_ns)
{
    uint64_t bytes;
    uint64_t lsn = 0;
    uint64_t records = window_size(writer);
    uint64_t sampled = next_random(writer) % records;
    uint64_t begin_ns = submit_window(writer, records, sampled, &bytes, &lsn);
    if (begin_ns == 0)
        return 0;
    uint64_t submitted_ns = bench_now_ns();
    int error = logfile_wait(writer->task->log, lsn, NULL);
    if (error != 0) {
        fail(writer, error, "wait");
        return 0;
    }
    uint64_t end_ns = bench_now_ns();
    count(writer, records, bytes, begin_ns, end_ns);
    count_submits(writer, records, submitted_ns - now_ns, end_ns);
    return end_ns;
}

/* What a client does that goes on when its records are durable.  The time then, or 0. */
static uint64_t take_turn(struct bench_writer *writer, uint64_t now_ns)
{
    return writer->task->run->window > 1 ? submit_and_wait(writer, now_ns)
                                         : append_one(writer, now_ns);
}

static void closed_loop(struct bench_writer *writer)
{
    uint64_t now_ns = bench_now_ns();
    while (now_ns != 0 && !has_finished(writer, now_ns))
        now_ns = think(writer, take_turn(writer, now_ns));
}

/* What the variant can do: the main thread counts, and opens the gate again.  Also who failed arrives. */
static bool show_capacity(struct bench_writer *writer)
{
    struct bench_task *task = writer->task;
    uint64_t now_ns = bench_now_ns();
    while (now_ns != 0 && !is_done(writer) && now_ns < task->capacity_until_ns)
        now_ns = take_turn(writer, now_ns);
    return gate_pass(writer) && now_ns != 0;
}

/* The records of a writer that are on their way, oldest first; LSNs grow. */
struct under_way {
    struct record_under_way {
        uint64_t lsn;
        uint64_t begin_ns;
        size_t size;
    } * records;
    uint64_t room;
    uint64_t first;
    uint64_t count;
};

/* 0, or -1 when there is no memory. */
static int make_room(struct bench_writer *writer, struct under_way *queue, uint64_t room)
{
    *queue = (struct under_way){.room = room};
    queue->records = calloc(room, sizeof *queue->records);
    if (queue->records != NULL)
        return 0;
    fail(writer, -ENOMEM, "making room for what is on its way");
    return -1;
}

/* Submits a record whose latency begins at begin_ns.  0, or -1. */
static int send(struct bench_writer *writer, struct under_way *queue, uint64_t begin_ns)
{
    struct record_under_way *record = &queue->records[(queue->first + queue->count) % queue->room];
    record->begin_ns = begin_ns;
    if (submit_one(writer, &record->size, &record->lsn) != 0)
        return -1;
    queue->count++;
    return 0;
}

static uint64_t clients_of(const struct bench_writer *writer)
{
    const struct bench_run *run = writer->task->run;
    uint64_t clients = run->options->clients;
    return clients / run->writers + (writer->index < clients % run->writers);
}

/* Each client that has no record on its way submits one, unless the time is over.  0, or -1. */
static int resubmit(struct bench_writer *writer, struct under_way *queue)
{
    uint64_t begin_ns = bench_now_ns();
    uint64_t now_ns = begin_ns;
    uint64_t before = queue->count;
    while (queue->count < queue->room && !has_finished(writer, now_ns)) {
        if (send(writer, queue, now_ns) != 0)
            return -1;
        now_ns = bench_now_ns();
    }
    count_submits(writer, queue->count - before, now_ns - begin_ns, now_ns);
    return 0;
}

/* Waits until the oldest record on its way is durable, or for a time, and counts all that are durable then.
 * 0, also when it was waited for in vain, or -1. */
static int await_oldest(struct bench_writer *writer, struct under_way *queue, uint64_t until_ns)
{
    struct logfile *log = writer->task->log;
    struct timespec until = bench_timespec(until_ns);
    int error =
        logfile_wait(log, queue->records[queue->first].lsn, until_ns != UINT64_MAX ? &until : NULL);
    if (error == -ETIMEDOUT)
        return 0;
    if (error != 0) {
        fail(writer, error, "wait");
        return -1;
    }
    uint64_t durable_lsn = logfile_durable_lsn(log);
    uint64_t end_ns = bench_now_ns();
    while (queue->count > 0 && queue->records[queue->first].lsn < durable_lsn) {
        const struct record_under_way *record = &queue->records[queue->first];
        count(writer, 1, record->size, record->begin_ns, end_ns);
        queue->first = (queue->first + 1) % queue->room;
        queue->count--;
    }
    return 0;
}

/* A writer with logical clients, of which each submits its next record when its last one is durable. */
static void client_loop(struct bench_writer *writer)
{
    struct under_way queue;
    if (make_room(writer, &queue, clients_of(writer)) != 0)
        return;
    while (resubmit(writer, &queue) == 0 && queue.count > 0 &&
           await_oldest(writer, &queue, UINT64_MAX) == 0)
        continue;
    free(queue.records);
}

/* The record that is due next is submitted when it is, if the window has room: it waits for no other.  Until
 * then the writer waits for the oldest one on its way.  0, or -1 when it must stop. */
static int send_or_await(struct bench_writer *writer, struct under_way *queue,
                         struct bench_arrivals *arrivals, uint64_t *due_ns)
{
    const struct bench_task *task = writer->task;
    bool is_next = !is_done(writer) && *due_ns < task->until_ns && queue->count < queue->room;
    if (is_next && bench_now_ns() >= *due_ns) {
        writer->tally.due += is_timed(writer, *due_ns);
        int status = send(writer, queue, *due_ns);
        *due_ns = task->start_ns + bench_arrivals_next(arrivals);
        return status;
    }
    if (queue->count > 0)
        return await_oldest(writer, queue, is_next ? *due_ns : UINT64_MAX);
    return is_next && sleep_until(writer, *due_ns) != 0 ? 0 : -1;
}

/* As append_open_loop, with up to a window of records on their way. */
static void submit_open_loop(struct bench_writer *writer)
{
    const struct bench_task *task = writer->task;
    struct under_way queue;
    struct bench_arrivals arrivals;
    if (make_room(writer, &queue, task->run->window) != 0)
        return;
    begin_arrivals(writer, &arrivals);
    uint64_t due_ns = task->start_ns + bench_arrivals_next(&arrivals);
    while (bench_now_ns() < task->cap_ns && send_or_await(writer, &queue, &arrivals, &due_ns) == 0)
        continue;
    if (bench_now_ns() >= task->cap_ns)
        leave_behind(writer, &arrivals, due_ns, bench_now_ns());
    while (queue.count > 0 && writer->error == 0)
        await_oldest(writer, &queue, UINT64_MAX);
    free(queue.records);
}

static void bind_writer(struct bench_writer *writer)
{
    struct bench_place *place = writer->task->run->place;
    int error = place != NULL ? bench_place_bind_writer(place, writer->index) : 0;
    if (error != 0)
        fail(writer, error, "pinning a writer");
}

/* 0, also where there are no sessions. */
static int begin_session(struct bench_writer *writer)
{
    struct bench_task *task = writer->task;
    if (task->log != NULL || task->store.peer->begin(&task->store, &writer->session) == 0)
        return 0;
    fail(writer, -EIO, "begin");
    return -1;
}

/* The kernel may let a sleeper lie 50 us longer than it asked to, unless it is told otherwise; that
 * would count as latency of a record that was due. */
static void wake_on_time(const struct bench_writer *writer)
{
    const struct bench_run *run = writer->task->run;
    if (run->rate != 0 || run->options->think_ns > 0)
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
}

static void run_loop(struct bench_writer *writer)
{
    const struct bench_run *run = writer->task->run;
    if (bench_rate_is_share(run->rate) && !show_capacity(writer))
        return;
    if (run->rate != 0 && run->window > 1)
        submit_open_loop(writer);
    else if (run->rate != 0)
        append_open_loop(writer);
    else if (run->options->clients > 0)
        client_loop(writer);
    else
        closed_loop(writer);
}

void *bench_writer_main(void *arg)
{
    struct bench_writer *writer = arg;
    struct bench_task *task = writer->task;
    bench_signals_leave_to_main();
    bind_writer(writer);
    wake_on_time(writer);
    bool has_begun = gate_pass(writer) && begin_session(writer) == 0;
    /* Whoever could not begin arrives too: the main thread waits for all, and then looks. */
    while (gate_pass(writer)) {
        if (has_begun)
            run_loop(writer);
        eventfd_write(task->done_fd, 1);
    }
    if (has_begun && task->log == NULL)
        task->store.peer->end(&task->store, writer->session);
    return NULL;
}
