/* SPDX-License-Identifier: MIT */
/*
 * What a run was asked to carry.  Closed loop: a number of clients, of which each sends its next record when
 * its last one is durable, after a time to think.  Open loop: records come at their times, whatever the log
 * does.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

/* An entry of --rate: thousandths of records a second, or of what the variant can do.  0: closed loop. */
#define BENCH_RATE_SHARE (UINT64_C(1) << 63)

static inline bool bench_rate_is_share(uint64_t rate)
{
    return (rate & BENCH_RATE_SHARE) != 0;
}

static inline double bench_rate_value(uint64_t rate)
{
    return (double)(rate & ~BENCH_RATE_SHARE) / 1000;
}

/* Of one run. */
struct bench_load {
    bool is_open;
    double rate_asked;   /* records a second */
    double rate_reached; /* of those, durable within the timed part */
    double capacity;     /* what the variant did just before, in a closed loop; 0: not measured */
    bool has_late;
    double late_p50_us; /* how late writers that waited for a record's time, or thought, went on */
    double late_p99_us;
    double late_max_us;
    bool capped;    /* records that were due were not appended: it had lasted long enough */
    bool past_knee; /* clearly fewer became durable than were due */
};

struct bench_result;
struct bench_session;
struct bench_task;

/* Begins the clock: sets the times of the run, and its rate unless that is a share of what the variant can
 * do.  Then the writers append in a closed loop until capacity_until_ns, */
void bench_load_prepare(struct bench_task *task);
/* and with the gate open this waits for that, and sets the rate and the times. */
void bench_load_calibrate(struct bench_session *session);
/* The times alone. */
void bench_load_set_times(struct bench_task *task);

/* With its writers joined; of the result, what was counted. */
void bench_load_summarise(const struct bench_session *session, const struct bench_result *result,
                          struct bench_load *load);

#endif /* BENCH_LOAD_H */
