/* SPDX-License-Identifier: MIT */
/* The ring engine with another way to reserve, or with the stages of some appends timed. */
#include "lab/lab.h"
#include "lab/reserve.h"
#include "ring/append.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lf_lab_ring {
    struct lf_lab lab;
    const struct lf_reserve_policy *policy;
    _Alignas(LF_CACHE_PAIR) unsigned char policy_state[];
};

void *lf_lab_new(const struct logfile *log, size_t bytes)
{
    struct lf_lab *lab = aligned_alloc(LF_CACHE_PAIR, lf_round_up(bytes, LF_CACHE_PAIR));

    if (lab == NULL)
        return NULL;
    memset(lab, 0, bytes);
    lab->stages.every = log->lab.stage_sample_every;
    return lab;
}

void lf_lab_sealed(struct logfile *log, uint64_t epoch)
{
    lf_stages_sealed(lf_lab_stages(log), epoch);
}

void lf_lab_durable(struct logfile *log, uint64_t epoch, uint64_t written_ns)
{
    lf_stages_durable(lf_lab_stages(log), epoch, written_ns);
}

static int reserve(struct logfile *log, uint64_t need, const struct timespec *deadline,
                   struct lf_reservation *reservation)
{
    struct lf_ring *ring = &log->ring;

    if (__builtin_expect(lf_ring_gate(ring) == 0 && deadline == NULL, 1)) {
        if (__builtin_expect(ring->policy->reserve(ring, need, reservation), 1))
            return 0;
        lf_count(&log->stats.overshoots, 1);
    }
    return lf_append_reserve_slowly(log, need, deadline, reservation);
}

/* The life of one append, as in ring/append.c.  `clock` is NULL or not, so that each of the ways below
 * has only what it needs. */
static inline __attribute__((always_inline)) int
append_with(struct logfile *log, const struct lf_payload *payload, const struct timespec *deadline,
            bool wait, uint64_t *lsnp, struct lf_stage_clock *clock)
{
    uint32_t crc = lf_append_touch(log, payload);
    struct lf_durable_wait durable = {.deadline = deadline, .waits = wait};
    struct lf_reservation reservation;
    int error;

    if (clock != NULL)
        lf_stages_mark(clock, LOGFILE_STAGE_CHECKSUM);
    error = reserve(log, lf_record_bytes(payload->size), deadline, &reservation);
    if (error != 0)
        return error;
    if (clock != NULL)
        lf_stages_mark(clock, LOGFILE_STAGE_RESERVE);
    lf_append_fill(log, &reservation, payload, crc, &durable);
    if (clock != NULL)
        lf_stages_mark(clock, LOGFILE_STAGE_COPY);
    if (lsnp)
        *lsnp = durable.lsn;
    error = lf_append_conclude(log, &reservation, &durable);
    if (clock != NULL && error == 0)
        lf_stages_finish(lf_lab_stages(log), clock, reservation.epoch);
    return error;
}

static int append_by_policy(struct logfile *log, const struct lf_payload *payload,
                            const struct timespec *deadline, bool wait, uint64_t *lsnp)
{
    return append_with(log, payload, deadline, wait, lsnp, NULL);
}

static int append_timed(struct logfile *log, const struct lf_payload *payload,
                        const struct timespec *deadline, bool wait, uint64_t *lsnp)
{
    struct lf_stage_clock clock = {0};

    if (wait)
        lf_stages_begin(lf_lab_stages(log), &clock);
    return append_with(log, payload, deadline, wait, lsnp, &clock);
}

static void free_state(struct lf_lab_ring *state)
{
    if (state->policy->destroy != NULL)
        state->policy->destroy(state->policy_state);
    free(state);
}

static int start(struct logfile *log)
{
    const struct lf_reserve_policy *policy = log->lab.own_reserve != NULL
                                                 ? log->lab.own_reserve
                                                 : lf_reserve_policy_of(log->lab.reserve);
    struct lf_lab_ring *state = lf_lab_new(log, sizeof *state + policy->state_bytes);
    int error = state != NULL ? 0 : -ENOMEM;

    if (error == 0 && policy->init != NULL)
        error = policy->init(state->policy_state);
    if (error != 0) {
        free(state);
        return error;
    }
    state->policy = policy;
    log->lab_state = state;
    error = lf_ring_engine_start(log, policy, state->policy_state);
    if (error != 0) {
        log->lab_state = NULL;
        free_state(state);
    }
    return error;
}

static void stop(struct logfile *log)
{
    lf_ring_engine_stop(log);
    free_state(log->lab_state);
}

const struct lf_engine lf_ring_engine_by_policy = {
    .name = "ring",
    LF_RING_ENGINE_CALLS,
    .start = start,
    .stop = stop,
    .append = append_by_policy,
};

const struct lf_engine lf_ring_engine_timed = {
    .name = "ring",
    LF_RING_ENGINE_CALLS,
    .start = start,
    .stop = stop,
    .append = append_timed,
    .sealed = lf_lab_sealed,
    .durable = lf_lab_durable,
};
