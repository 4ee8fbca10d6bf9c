/* SPDX-License-Identifier: MIT */
#include "ring/engine.h"

#include "ring/log.h"

const struct lf_engine *lf_engine_choose(const struct logfile_lab *lab)
{
    if (lab->own_engine != NULL)
        return lab->own_engine;
    switch (lab->engine) {
    case LOGFILE_ENGINE_MUTEX:
        return &lf_mutex_engine;
    case LOGFILE_ENGINE_SERIAL:
        return &lf_serial_engine;
    case LOGFILE_ENGINE_RING:
        break;
    }
    if (lab->stage_sample_every != 0)
        return &lf_ring_engine_timed;
    return lab->reserve == LOGFILE_RESERVE_FAA && lab->own_reserve == NULL
               ? &lf_ring_engine
               : &lf_ring_engine_by_policy;
}

bool lf_engine_is_complete(const struct lf_engine *engine)
{
    return engine->name != NULL && engine->start != NULL && engine->stop != NULL &&
           engine->append != NULL && engine->submit_batch != NULL && engine->wait != NULL &&
           engine->flush != NULL && engine->shutdown != NULL && engine->end_lsn != NULL &&
           engine->published_lsn != NULL && engine->failed != NULL && engine->room != NULL &&
           (engine->reserve == NULL) == (engine->end_reservation == NULL);
}

int lf_engine_start(struct logfile *log)
{
    int error = log->engine->start(log);

    if (error != 0)
        return error;
    lf_store_release_32(&log->running, 1); /* L2: the engine is there; pairs with is_running. */
    lf_fence(); /* L3: running before failed; pairs with lf_engine_on_failure. */
    if (lf_store_has_failed(&log->store))
        lf_engine_on_failure(log);
    return 0;
}

static bool is_running(const struct logfile *log)
{
    return lf_load_acquire_32(&log->running) != 0; /* L2: pairs with lf_engine_start. */
}

void lf_engine_on_failure(void *arg)
{
    struct logfile *log = arg;

    lf_fence(); /* L3: failed before running; pairs with lf_engine_start. */
    if (!is_running(log))
        return;
    log->engine->failed(log);
    lf_event_signal(&log->event);
    lf_follow_end(log->follow, LOGFILE_EFAILED);
}

void lf_engine_on_room(void *arg)
{
    struct logfile *log = arg;

    if (is_running(log))
        log->engine->room(log);
}
