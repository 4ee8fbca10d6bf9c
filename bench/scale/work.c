/* SPDX-License-Identifier: MIT */
#include "work.h"

#include "../clock.h"
#include "../device.h"
#include "base/num.h"
#include "lines.h"
#include "names.h"
#include "ring/log.h"
#include "system.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "simulated.log"

struct writer {
    unsigned index;
    struct logfile *log;
    uint64_t records;      /* that are durable */
    uint64_t records_then; /* when counting began */
    uint64_t random;
};

/* The run; there is one in a process. */
static const struct work *work;
static struct work_result *result;
static struct logfile *logs[LOGS_MAX];
static struct writer writers[WRITERS_MAX];
static uint8_t *payload;
static char failure[160];
static uint64_t record_count;
static bool is_counting;
static uint64_t begun_ps;
static uint64_t flushes_then, operations_then, switches_then, calls_then;
static uint64_t spent_then_ps[CPUS_MAX][CPU_COST_COUNT];

static _Noreturn void fail(const char *call, int error)
{
    snprintf(failure, sizeof failure, "%s: %s", call, logfile_strerror(error));
    cpus_stop();
}

/* ---- Counting --------------------------------------------------------------------------------- */

static uint64_t flush_count(void)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < work->logs && work->toy == NULL; i++)
        count += logs[i]->stats.epochs;
    return count;
}

/* From now on everything counts. */
static void begin_counting(void)
{
    begun_ps = cpu_self->now_ps;
    cpus_account(begun_ps);
    for (unsigned i = 0; i < cpu_count; i++)
        memcpy(spent_then_ps[i], cpus[i].spent_ps, sizeof spent_then_ps[i]);
    for (unsigned i = 0; i < work->writers; i++)
        writers[i].records_then = writers[i].records;
    lines_reset();
    memory_data = (struct memory_data){0};
    flushes_then = flush_count();
    operations_then = memory_operations;
    switches_then = cpu_switches;
    calls_then = system_calls;
    record_count = 0;
    is_counting = true;
}

static void count_writers(void)
{
    double sum = 0, squares = 0;

    result->writer_least = UINT64_MAX;
    for (unsigned i = 0; i < work->writers; i++) {
        uint64_t records = writers[i].records - writers[i].records_then;
        result->writer_least = lf_min(result->writer_least, records);
        result->writer_most = lf_max(result->writer_most, records);
        sum += (double)records;
        squares += (double)records * (double)records;
    }
    result->fairness = squares > 0 ? sum * sum / (work->writers * squares) : 0;
}

static void end_counting(void)
{
    result->records = record_count;
    result->elapsed_ps = cpu_self->now_ps - begun_ps;
    cpus_account(cpu_self->now_ps);
    for (unsigned i = 0; i < cpu_count; i++)
        for (unsigned cost = 0; cost < CPU_COST_COUNT; cost++)
            result->spent_ps[cost] += cpus[i].spent_ps[cost] - spent_then_ps[i][cost];
    result->flushes = flush_count() - flushes_then;
    result->operations = memory_operations - operations_then;
    result->switches = cpu_switches - switches_then;
    result->system_calls = system_calls - calls_then;
    count_writers();
    cpus_stop();
}

/* `records` more are durable, and one of them was begun, or due, at begun_ps. */
static void count(struct writer *writer, uint64_t records, uint64_t since_ps)
{
    cpu_sync();
    if (is_counting)
        bench_histogram_add(&result->latency_ns, (cpu_self->now_ps - since_ps) / PS_PER_NS);
    writer->records += records;
    record_count += records;
    if (!is_counting && record_count >= work->warm_up)
        begin_counting();
    else if (is_counting && record_count >= work->records)
        end_counting();
}

/* ---- Writers ---------------------------------------------------------------------------------- */

static uint64_t next_random(struct writer *writer)
{
    uint64_t x = writer->random += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* From 0 to 1, never either. */
static double next_fraction(struct writer *writer)
{
    return ((double)(next_random(writer) >> 11) + 0.5) / 9007199254740992.0;
}

/* What a writer does between two appends takes it about own_ns. */
static void do_own(struct writer *writer)
{
    double ps = (double)(work->own_ns * PS_PER_NS);
    double jitter = (double)costs.jitter_percent / 100;

    cpu_spend(CPU_WORK, (uint64_t)(ps * (1 + jitter * (2 * next_fraction(writer) - 1))));
}

static void step_for_ever(struct writer *writer)
{
    for (;;) {
        uint64_t since_ps = cpu_self->now_ps;
        do_own(writer);
        work->toy->step(writer->index);
        count(writer, 1, since_ps);
    }
}

static void append_for_ever(struct writer *writer)
{
    for (;;) {
        uint64_t since_ps = cpu_self->now_ps;
        do_own(writer);
        int error = logfile_append(writer->log, payload, work->size, NULL);
        if (error != 0)
            fail("append", error);
        cpu_spend(CPU_WORK, costs.clock_ns);
        count(writer, 1, since_ps);
    }
}

/* Records are due at times of a Poisson process, and their latencies begin then. */
static void append_when_due(struct writer *writer)
{
    double mean_ps = 1e12 * (double)work->writers / work->rate;
    double due_ps = (double)cpu_self->now_ps;

    for (;;) {
        due_ps -= log(next_fraction(writer)) * mean_ps;
        if ((double)cpu_self->now_ps < due_ps)
            system_sleep_until_ps((uint64_t)due_ps);
        do_own(writer);
        int error = logfile_append(writer->log, payload, work->size, NULL);
        if (error != 0)
            fail("append", error);
        cpu_spend(CPU_WORK, costs.clock_ns);
        count(writer, 1, (uint64_t)due_ps);
    }
}

/* The LSN of the last one. */
static uint64_t submit(struct writer *writer, uint64_t records)
{
    static struct iovec batch[LOGFILE_BATCH_MAX];
    uint64_t lsns[LOGFILE_BATCH_MAX];
    int error;

    if (records == 1) {
        do_own(writer);
        error = logfile_submit(writer->log, payload, work->size, NULL, lsns);
    } else {
        for (uint64_t i = 0; i < records; i++) {
            do_own(writer);
            batch[i] = (struct iovec){payload, work->size};
        }
        error = logfile_submit_batch(writer->log, batch, (int)records, NULL, lsns);
    }
    if (error != 0)
        fail("submit", error);
    return lsns[records - 1];
}

/* A latency is that of one record of the window, whichever, as logfile-bench has it. */
static void submit_windows(struct writer *writer)
{
    for (;;) {
        uint64_t sampled = next_random(writer) % work->window;
        uint64_t since_ps = cpu_self->now_ps;
        uint64_t lsn = 0;
        for (uint64_t left = work->window; left > 0;) {
            uint64_t records = lf_min(left, work->batch);
            if (work->window - left <= sampled)
                since_ps = cpu_self->now_ps;
            lsn = submit(writer, records);
            left -= records;
        }
        cpu_spend(CPU_WORK, 2 * costs.clock_ns);
        int error = logfile_wait(writer->log, lsn, NULL);
        if (error != 0)
            fail("wait", error);
        count(writer, work->window, since_ps);
    }
}

struct client {
    uint64_t lsn;
    uint64_t since_ps;
};

/* Each client has a record on its way; when that is durable, the next.  The thread waits for the oldest. */
static void serve_clients(struct writer *writer)
{
    uint64_t room = work->clients;
    struct client *clients = calloc(room, sizeof *clients);
    uint64_t first = 0, pending = 0;

    if (clients == NULL)
        memory_die("memory for clients");
    for (;;) {
        while (pending < room) {
            uint64_t records = lf_min(room - pending, work->batch);
            uint64_t since_ps = cpu_self->now_ps;
            uint64_t lsn = submit(writer, records);
            for (uint64_t i = 0; i < records; i++)
                clients[(first + pending++) % room] = (struct client){lsn, since_ps};
        }
        int error = logfile_wait(writer->log, clients[first].lsn, NULL);
        if (error != 0)
            fail("wait", error);
        for (uint64_t durable_lsn = logfile_durable_lsn(writer->log);
             pending > 0 && clients[first].lsn < durable_lsn; pending--) {
            uint64_t since_ps = clients[first].since_ps;
            first = (first + 1) % room;
            count(writer, 1, since_ps);
        }
    }
}

static void *write_for_ever(void *arg)
{
    struct writer *writer = arg;

    if (work->toy != NULL)
        step_for_ever(writer);
    else if (work->rate > 0)
        append_when_due(writer);
    else if (work->clients > 0)
        serve_clients(writer);
    else if (work->window > 1)
        submit_windows(writer);
    else
        append_for_ever(writer);
    return NULL;
}

/* ---- The device `file` -------------------------------------------------------------------------- */

static const struct logfile_io *memory_io;

static ssize_t file_write(void *context, int fd, const void *buffer, size_t bytes, uint64_t offset,
                          unsigned flags)
{
    ssize_t written = memory_io->write(context, fd, buffer, bytes, offset, 0);

    system_sleep_ps(costs.write_ns + bytes * costs.write_mib_ns / (1 << 20) +
                    (flags & LOGFILE_IO_WRITE_DSYNC ? costs.sync_ns : 0));
    return written;
}

static int file_sync(void *context, int fd)
{
    (void)context, (void)fd;
    system_sleep_ps(costs.sync_ns);
    return 0;
}

static struct logfile_io make_device(void)
{
    memory_io = bench_device_io(
        bench_device_create(work->device == WORK_DEVICE_DELAY ? work->delay_ns : 0));
    struct logfile_io io = *memory_io;

    if (work->device == WORK_DEVICE_FILE) {
        io.write = file_write;
        io.sync = file_sync;
    }
    return io;
}

/* ---- The run ------------------------------------------------------------------------------------ */

static void open_log(unsigned index)
{
    struct logfile_options options = work->options;
    static struct logfile_io devices[LOGS_MAX];

    devices[index] = make_device();
    options.io = &devices[index];
    options.lab = (struct logfile_lab *)&work->lab;
    int error = logfile_open(PATH, &options, NULL, &logs[index]);
    if (error != 0)
        fail("open", error);
    memory_is_data(logs[index]->buffers, logs[index]->buffers_bytes);
    names_add_log(logs[index]);
}

static void *supervise(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < work->logs && work->toy == NULL; i++)
        open_log(i);
    if (work->toy != NULL)
        toys_start(work->writers);
    for (unsigned i = 0; i < work->writers; i++) {
        writers[i].index = i;
        writers[i].random = work->seed * UINT64_C(0x9e3779b97f4a7c15) + i;
        /* Neighbours share a log. */
        writers[i].log = logs[(uint64_t)(i % cpu_count) * work->logs / cpu_count];
        thread_create_on(work->pins ? i % cpu_count : CPU_ANY, write_for_ever, &writers[i]);
    }
    thread_block(UINT64_MAX);
    return NULL;
}

/* ---- What came of it ------------------------------------------------------------------------------ */

static struct work_lines *lines_named(const char *name)
{
    for (unsigned i = 0; i < result->name_count; i++)
        if (strcmp(result->names[i].name, name) == 0)
            return &result->names[i];
    if (result->name_count == NAMES_MAX)
        return &result->names[NAMES_MAX - 1];
    struct work_lines *lines = &result->names[result->name_count++];
    snprintf(lines->name, sizeof lines->name, "%s", name);
    return lines;
}

static void add_line(struct work_lines *to, const struct line *line)
{
    to->lines++;
    to->transfers += line->transfers;
    to->far += line->far;
    to->upgrades += line->upgrades;
    to->cold += line->cold;
    to->queue_ps += line->queue_ps;
    to->transfer_ps += line->transfer_ps;
}

static bool is_quiet(const struct line *line)
{
    return line->transfers + line->upgrades + line->cold == 0 &&
           line->queue_ps + line->transfer_ps == 0;
}

static int compare_lines(const void *a, const void *b)
{
    const struct work_lines *first = a, *second = b;
    uint64_t first_ps = first->queue_ps + first->transfer_ps;
    uint64_t second_ps = second->queue_ps + second->transfer_ps;

    if (first_ps != second_ps)
        return first_ps < second_ps ? 1 : -1;
    return strcmp(first->name, second->name);
}

/* By name; the kernel's have no address. */
static void sum_lines(void)
{
    static bool has_name[1 << 20];
    size_t end = memory_index_end();

    for (size_t i = 0; i < end; i++) {
        const struct line *line = memory_line_of_index(i);
        if (line == NULL)
            continue;
        has_name[line->number - 1] = true;
        if (!is_quiet(line))
            add_line(lines_named(name_of_line(memory_at(i))), line);
    }
    for (uint32_t number = 1; number <= line_count(); number++) {
        const struct line *line = line_numbered(number);
        add_line(&result->all, line);
        if (!has_name[number - 1] && !is_quiet(line))
            add_line(lines_named("kernel: futex buckets"), line);
    }
    if (memory_data.transfers > 0 || memory_data.transfer_ps > 0) {
        struct work_lines *data = lines_named("slot.data");
        data->transfers = memory_data.transfers;
        data->far = memory_data.far;
        data->transfer_ps = memory_data.transfer_ps;
        result->all.transfers += data->transfers;
        result->all.far += data->far;
        result->all.transfer_ps += data->transfer_ps;
    }
    qsort(result->names, result->name_count, sizeof *result->names, compare_lines);
}

/* Every picosecond of a processor went to one cost; and what went to lines, to one line. */
static int check_sums(char *message, size_t message_bytes)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        uint64_t sum_ps = 0;
        for (unsigned cost = 0; cost < CPU_COST_COUNT; cost++)
            sum_ps += cpus[i].spent_ps[cost];
        if (sum_ps != cpus[i].now_ps) {
            snprintf(message, message_bytes, "processor %u has spent %llu of its %llu ps", i,
                     (unsigned long long)sum_ps, (unsigned long long)cpus[i].now_ps);
            return -1;
        }
    }
    if (result->all.queue_ps != result->spent_ps[CPU_QUEUE] ||
        result->all.transfer_ps != result->spent_ps[CPU_TRANSFER]) {
        snprintf(message, message_bytes,
                 "processors stood for lines for %llu + %llu ps, and the lines say %llu + %llu",
                 (unsigned long long)result->spent_ps[CPU_QUEUE],
                 (unsigned long long)result->spent_ps[CPU_TRANSFER],
                 (unsigned long long)result->all.queue_ps,
                 (unsigned long long)result->all.transfer_ps);
        return -1;
    }
    if (work->toy != NULL) {
        uint64_t steps = 0;
        for (unsigned i = 0; i < work->writers; i++)
            steps += writers[i].records;
        if (toys_check(work->toy, steps, work->writers) != 0) {
            snprintf(message, message_bytes, "steps were lost");
            return -1;
        }
    }
    return 0;
}

int work_run(const struct work *asked, struct work_result *out, char *message, size_t message_bytes)
{
    uint64_t begin_ns = bench_now_ns();

    work = asked;
    result = out;
    memset(out, 0, sizeof *out);
    if (costs_select(work->processors, work->nodes, message, message_bytes) != 0)
        return -1;
    payload = calloc(1, work->size + 1);
    if (payload == NULL)
        memory_die("memory for a payload");
    system_fanout = work->fanout;
    memory_start();
    cpus_run(work->processors, supervise, NULL);
    if (failure[0] != '\0') {
        snprintf(message, message_bytes, "%s", failure);
        return -1;
    }
    sum_lines();
    out->real_seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
    return check_sums(message, message_bytes);
}
