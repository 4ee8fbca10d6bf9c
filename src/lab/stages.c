/* SPDX-License-Identifier: MIT */
#include "lab/stages.h"

#include "base/waiter.h"

/* One append in `every` on average, drawn at random (xorshift64: G. Marsaglia, 2003), so that threads
 * in step are not sampled in step.  Of each thread its own: a state that threads share would itself
 * be contended. */
static bool is_drawn(unsigned every)
{
    static _Thread_local uint64_t state;

    if (state == 0)
        state = lf_now_ns() ^ (uintptr_t)&state;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % every == 0;
}

void lf_stages_begin(const struct lf_stages *stages, struct lf_stage_clock *clock)
{
    *clock = (struct lf_stage_clock){0};
    if (stages->every != 0 && is_drawn(stages->every))
        clock->last_ns = lf_now_ns();
}

/* The stage lasted until then; not at all where that was before the last one ended. */
static void advance(struct lf_stage_clock *clock, enum logfile_stage stage, uint64_t until_ns)
{
    if (until_ns <= clock->last_ns)
        return;
    clock->ns[stage] += until_ns - clock->last_ns;
    clock->last_ns = until_ns;
}

void lf_stages_mark(struct lf_stage_clock *clock, enum logfile_stage stage)
{
    if (clock->last_ns != 0)
        advance(clock, stage, lf_now_ns());
}

/* The notes of an epoch, if they are still there and whole. */
static bool read_times(const struct lf_stages *stages, uint64_t epoch, struct lf_epoch_times *out)
{
    const struct lf_epoch_times *times = &stages->times[epoch % LF_STAGES_EPOCHS];

    if (lf_load_acquire_64(&times->epoch) != epoch) /* T1: pairs with lf_stages_durable. */
        return false;
    out->sealed_ns = lf_load_acquire_64(&times->sealed_ns); /* T2, all three: before the tag. */
    out->written_ns = lf_load_acquire_64(&times->written_ns);
    out->durable_ns = lf_load_acquire_64(&times->durable_ns);
    return lf_load_acquire_64(&times->epoch) == epoch; /* T2: pairs with lf_stages_sealed. */
}

void lf_stages_finish(struct lf_stages *stages, struct lf_stage_clock *clock, uint64_t epoch)
{
    struct lf_epoch_times times;
    uint64_t now_ns;

    if (clock->last_ns == 0)
        return;
    now_ns = lf_now_ns();
    if (!read_times(stages, epoch, &times))
        return;
    advance(clock, LOGFILE_STAGE_FLIP, times.sealed_ns);
    advance(clock, LOGFILE_STAGE_WRITE, times.written_ns);
    advance(clock, LOGFILE_STAGE_SYNC, times.durable_ns);
    advance(clock, LOGFILE_STAGE_WAKE, now_ns);
    for (int i = 0; i < LOGFILE_STAGE_COUNT; i++)
        lf_histogram_add(&stages->ns[i], clock->ns[i]);
}

void lf_stages_copy(const struct lf_stages *stages,
                    struct logfile_histogram ns[LOGFILE_STAGE_COUNT])
{
    for (int i = 0; i < LOGFILE_STAGE_COUNT; i++)
        lf_histogram_copy(&stages->ns[i], &ns[i]);
}

void lf_stages_sealed(struct lf_stages *stages, uint64_t epoch)
{
    struct lf_epoch_times *times = &stages->times[epoch % LF_STAGES_EPOCHS];

    if (stages->every == 0)
        return;
    lf_store_relaxed_64(&times->epoch, 0); /* T2: no longer those of an earlier epoch, */
    lf_fence();                            /* before any of them changes. */
    lf_store_relaxed_64(&times->sealed_ns, lf_now_ns()); /* Relaxed: the tag releases it. */
}

void lf_stages_durable(struct lf_stages *stages, uint64_t epoch, uint64_t written_ns)
{
    struct lf_epoch_times *times = &stages->times[epoch % LF_STAGES_EPOCHS];

    if (stages->every == 0)
        return;
    lf_store_relaxed_64(&times->written_ns, written_ns); /* Relaxed, both: the tag releases them. */
    lf_store_relaxed_64(&times->durable_ns, lf_now_ns());
    lf_store_release_64(&times->epoch, epoch); /* T1: the times are there. */
}
