/* SPDX-License-Identifier: MIT */
#include "load.h"

#include "clock.h"
#include "session.h"
#include "signals.h"

#include <poll.h>

#define WARM_UP_SHARE 10 /* a tenth of the timed part, within these bounds */
#define WARM_UP_MIN_NS (BENCH_NS_PER_S / 5)
#define WARM_UP_MAX_NS BENCH_NS_PER_S
#define WARM_UP_AGAIN_NS (BENCH_NS_PER_S / 50) /* the least, of a log that has had a slice */
#define CAPACITY_SHARE 2                       /* half of the timed part, within these bounds */
#define CAPACITY_MIN_NS (BENCH_NS_PER_S / 4)
#define CAPACITY_MAX_NS BENCH_NS_PER_S
#define CAPACITY_WARM_UP 5 /* a fifth of that is not counted */
#define CATCH_UP_SHARE                                                                             \
    2 /* half of the timed part, or this, for what was due in it to be appended */
#define CATCH_UP_MIN_NS BENCH_NS_PER_S
#define KNEE_SHARE 0.05 /* of what was due: as much may be missing */

/* ---- The times of a run ---------------------------------------------------------------------- */

static uint64_t share_ns(uint64_t duration_ns, unsigned share, uint64_t min_ns, uint64_t max_ns)
{
    uint64_t ns = duration_ns / share;
    ns = ns > min_ns ? ns : min_ns;
    return ns < max_ns ? ns : max_ns;
}

void bench_load_set_times(struct bench_task *task)
{
    const struct bench_options *options = task->run->options;
    task->start_ns = bench_now_ns();
    task->from_ns = task->start_ns;
    task->until_ns = task->cap_ns = UINT64_MAX;
    if (options->duration_ns == 0)
        return;
    task->from_ns += share_ns(options->duration_ns, WARM_UP_SHARE,
                              task->slice > 0 ? WARM_UP_AGAIN_NS : WARM_UP_MIN_NS, WARM_UP_MAX_NS);
    task->until_ns = task->from_ns + options->duration_ns;
    task->cap_ns = task->until_ns +
                   share_ns(options->duration_ns, CATCH_UP_SHARE, CATCH_UP_MIN_NS, UINT64_MAX);
}

/* ---- The rate -------------------------------------------------------------------------------- */

void bench_load_prepare(struct bench_task *task)
{
    const struct bench_run *run = task->run;
    bench_load_set_times(task);
    if (!bench_rate_is_share(run->rate)) {
        task->rate = bench_rate_value(run->rate);
        return;
    }
    task->capacity_until_ns = task->start_ns + share_ns(run->options->duration_ns, CAPACITY_SHARE,
                                                        CAPACITY_MIN_NS, CAPACITY_MAX_NS);
    /* Nothing of it is counted. */
    task->from_ns = task->until_ns = UINT64_MAX;
}

/* Sleeps, or until a signal has come. */
static void sleep_until(uint64_t wake_ns)
{
    struct pollfd polled = {.fd = bench_signals_fd(), .events = POLLIN};
    uint64_t now_ns = bench_now_ns();
    struct timespec left = bench_timespec(wake_ns > now_ns ? wake_ns - now_ns : 0);
    ppoll(&polled, 1, &left, NULL);
}

static double records_so_far(const struct bench_session *session)
{
    struct bench_usage usage = {.records = 0};
    bench_session_note_store(session, &usage);
    return (double)usage.records;
}

void bench_load_calibrate(struct bench_session *session)
{
    struct bench_task *task = &session->task;
    uint64_t length_ns = task->capacity_until_ns - task->start_ns;
    sleep_until(task->start_ns + length_ns / CAPACITY_WARM_UP);
    uint64_t from_ns = bench_now_ns();
    double before = records_so_far(session);
    sleep_until(task->capacity_until_ns);
    double seconds = (double)(bench_now_ns() - from_ns) / (double)BENCH_NS_PER_S;
    double records = records_so_far(session) - before;
    /* Each comes back to the gate. */
    if (bench_signals_caught() != 0)
        task->stop = true;
    bench_gate_await(&task->gate, task->run->writers);
    task->capacity = (records > 0 ? records : 1) / seconds;
    task->rate = bench_rate_value(task->run->rate) * task->capacity;
    bench_load_set_times(task);
    bench_recorder_begin(task->recorder, task->from_ns, task->log != NULL);
    bench_gate_open(&task->gate);
}

/* ---- What came of it ------------------------------------------------------------------------- */

static void summarise_late(const struct bench_session *session, struct bench_load *load)
{
    struct bench_coarse late_ns = {.max = 0};
    for (unsigned i = 0; i < session->task.run->writers; i++)
        bench_coarse_merge(&late_ns, &session->writers[i].tally.late_ns);
    load->has_late = bench_coarse_count(&late_ns) > 0;
    load->late_p50_us = (double)bench_coarse_percentile(&late_ns, 0.5) / 1000;
    load->late_p99_us = (double)bench_coarse_percentile(&late_ns, 0.99) / 1000;
    load->late_max_us = (double)late_ns.max / 1000;
}

/* More was due within the timed part than became durable in it, by more than can be under way. */
static bool is_past_knee(const struct bench_session *session, uint64_t records)
{
    uint64_t due = 0;
    for (unsigned i = 0; i < session->task.run->writers; i++)
        due += session->writers[i].tally.due;
    double missing = (double)due - (double)records;
    return missing > KNEE_SHARE * (double)due && missing > session->task.run->writers;
}

void bench_load_summarise(const struct bench_session *session, const struct bench_result *result,
                          struct bench_load *load)
{
    const struct bench_task *task = &session->task;
    load->is_open = task->run->rate != 0;
    load->rate_asked = task->rate;
    load->capacity = task->capacity;
    load->rate_reached = result->elapsed_ns > 0 ? (double)result->records * (double)BENCH_NS_PER_S /
                                                      (double)result->elapsed_ns
                                                : 0;
    summarise_late(session, load);
    for (unsigned i = 0; i < task->run->writers; i++)
        load->capped |= session->writers[i].tally.is_capped;
    bool by_clock = task->run->options->duration_ns > 0 && !session->interrupted;
    load->past_knee =
        load->is_open && (load->capped || (by_clock && is_past_knee(session, result->records)));
}
