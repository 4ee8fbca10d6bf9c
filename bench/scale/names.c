/* SPDX-License-Identifier: MIT */
#include "names.h"

#include "memory.h"
#include "ring/log.h"
#include "system.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REGIONS_MAX = 1024
};

struct region {
    uintptr_t from, to;
    const char *name;
};

static struct region regions[REGIONS_MAX];
static unsigned region_count;

/* What comes later, and is within what came before, names it. */
static void add(const void *from, size_t bytes, const char *name)
{
    if (region_count < REGIONS_MAX)
        regions[region_count++] = (struct region){(uintptr_t)from, (uintptr_t)from + bytes, name};
}

#define ADD(field, name) add(&(field), sizeof(field), name)

static void add_slot(const struct lf_slot *slot)
{
    add(slot, offsetof(struct lf_slot, durable), "slot.epoch..first");
    ADD(slot->durable, "slot.durable");
    add(slot->shards, (slot->shard_mask + 1) * sizeof *slot->shards, "slot.shards");
}

void names_add_log(const struct logfile *log)
{
    unsigned count;
    const struct system_lock *locks;

    add(log, sizeof *log, "log (never changes)");
    ADD(log->events, "log.events");
    ADD(log->store, "log.store");
    ADD(log->preparer, "log.preparer");
    ADD(log->trim, "log.trim");
    ADD(log->chain, "log.chain");
    ADD(log->durable_lsn, "log.durable_lsn");
    ADD(log->event, "log.event");
    ADD(log->stats, "log.stats");
    ADD(log->ring, "ring (never changes)");
    ADD(log->ring.head, "ring.head");
    add(&log->ring.gate, LF_CACHE_PAIR, "ring.gate");
    ADD(log->ring.flipped, "ring.flipped");
    add(&log->flusher, sizeof log->flusher, "flusher");
    add(&log->flusher.token, 64, "flusher.token");
    ADD(log->spin, "log.spin");
    add(log->follow, LF_FOLLOW_BYTES, "follow.holders");
    add(&log->follow->alive, 64, "log.alive");
    add(&log->follow->durable_lsn, 64, "follow.durable_lsn");
    if (log->lab_state != NULL)
        add(log->lab_state, 1 << 16, "lab");
    for (unsigned i = 0; log->ring.slots != NULL && i <= log->ring.slot_mask; i++)
        add_slot(&log->ring.slots[i]);
    locks = system_locks(&count);
    for (unsigned i = 0; i < count; i++)
        add(locks[i].at, sizeof(pthread_mutex_t),
            locks[i].name[0] == '&' ? locks[i].name + 1 : locks[i].name);
}

const char *name_of_line(const void *at)
{
    uintptr_t line = (uintptr_t)at;

    if (memory_is_stack(at))
        return "stacks";
    for (unsigned i = region_count; i-- > 0;)
        if (regions[i].from < line + 64 && regions[i].to > line)
            return regions[i].name;
    return "other";
}
