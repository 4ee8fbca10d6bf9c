/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include "memory.h"

#include <string.h>

enum {
    LINES_MAX = 1 << 20,
    VISITS = 64
};

static struct line *lines;
static uint32_t used;

/* A line that a processor still holds, though others have asked for it: until then. */
struct visit {
    uint32_t line;
    uint64_t until_ps;
};
static struct visit visits[CPUS_MAX][VISITS];

struct line *line_new(void)
{
    if (lines == NULL)
        lines = memory_map(LINES_MAX * sizeof *lines);
    if (used == LINES_MAX)
        memory_die("more cache lines than a simulation has room for");
    struct line *line = &lines[used];
    line->number = ++used; /* 0 is none */
    line->owner = -1;
    return line;
}

struct line *line_numbered(uint32_t number)
{
    return &lines[number - 1];
}

uint32_t line_count(void)
{
    return used;
}

static bool has(const uint64_t set[CPU_WORDS], unsigned cpu)
{
    return set[cpu / 64] >> cpu % 64 & 1;
}

bool line_is_here(const struct line *line, unsigned cpu, uint64_t time_ps, bool writes)
{
    const struct visit *visit = &visits[cpu][line->number % VISITS];

    if (line->owner == (int32_t)cpu)
        return time_ps >= line->owned_ps;
    if (visit->line == line->number && time_ps < visit->until_ps)
        return true;
    if (writes)
        return false;
    return has(line->sharers, cpu) || (time_ps < line->read_until_ps && has(line->before, cpu));
}

/* What holds it now, as the request finds it. */
struct holders {
    uint32_t nearest_ps, farthest_ps; /* without the requester */
    unsigned count;
    unsigned nearest;
};

static struct holders look_at_holders(const struct line *line, unsigned cpu)
{
    struct holders holders = {.nearest_ps = UINT32_MAX};

    for (unsigned word = 0; word < CPU_WORDS; word++)
        for (uint64_t left = line->sharers[word]; left != 0; left &= left - 1) {
            unsigned other = word * 64 + (unsigned)__builtin_ctzll(left);
            uint32_t ps = costs.line_ps[cpu][other];
            if (other == cpu)
                continue;
            holders.count++;
            if (ps < holders.nearest_ps) {
                holders.nearest_ps = ps;
                holders.nearest = other;
            }
            if (ps > holders.farthest_ps)
                holders.farthest_ps = ps;
        }
    return holders;
}

/* What a transfer takes, and notes of what kind it is. */
static uint64_t cost_of(struct line *line, unsigned cpu, bool writes, const struct holders *holders)
{
    uint64_t ps = 0;

    if (holders->count == 0) {
        line->cold++;
        return costs.memory_ns;
    }
    if (writes && has(line->sharers, cpu)) {
        line->upgrades++;
    } else {
        line->transfers++;
        line->far += holders->nearest / costs.node_processors != cpu / costs.node_processors;
        ps = holders->nearest_ps;
    }
    if (writes && holders->farthest_ps > ps)
        ps = holders->farthest_ps;
    return writes ? ps + (holders->count - 1) * costs.invalidate_ns : ps;
}

/* Those who look at it in vain lose it then, and look again. */
static void disturb(const struct line *line, unsigned cpu, uint64_t time_ps)
{
    for (unsigned word = 0; word < CPU_WORDS; word++)
        for (uint64_t left = line->sharers[word]; left != 0; left &= left - 1) {
            unsigned other = word * 64 + (unsigned)__builtin_ctzll(left);
            if (other != cpu && cpus[other].parked_at == line)
                cpu_unpark(&cpus[other], time_ps);
        }
}

uint64_t line_request(struct line *line, unsigned cpu, uint64_t time_ps, bool writes,
                      uint64_t *queued_ps)
{
    *queued_ps = 0;
    if (line->owner == (int32_t)cpu) /* It has been asked for, by a store. */
        return time_ps > line->owned_ps ? time_ps : line->owned_ps;
    if (line_is_here(line, cpu, time_ps, writes))
        return time_ps;

    /* 1. The request travels, and waits for its turn. */
    struct holders holders = look_at_holders(line, cpu);
    bool was_shared = line->owner < 0 && holders.count > 0;
    uint64_t ps = cost_of(line, cpu, writes, &holders);
    uint64_t request_ps = ps * costs.request_percent / 100;
    uint64_t data_ps = ps * costs.data_percent / 100;
    uint64_t begin_ps = time_ps + request_ps;
    if (begin_ps < line->busy_ps) {
        *queued_ps = line->busy_ps - begin_ps;
        begin_ps = line->busy_ps;
    }

    /* 2. The line leaves those who hold it, and arrives. */
    uint64_t leave_ps = begin_ps + ps - request_ps - data_ps;
    uint64_t arrive_ps = leave_ps + data_ps;
    if (line->owner >= 0)
        visits[line->owner][line->number % VISITS] = (struct visit){line->number, leave_ps};
    if (writes) {
        if (line->owner < 0) {
            memcpy(line->before, line->sharers, sizeof line->before);
            line->read_until_ps = leave_ps;
        }
        disturb(line, cpu, leave_ps);
        memset(line->sharers, 0, sizeof line->sharers);
        line->owner = (int32_t)cpu;
        line->owned_ps = arrive_ps;
    } else if (holders.count > 0) {
        line->owner = -1;
    } else {
        line->owner = (int32_t)cpu; /* the only one: it may write as well */
        line->owned_ps = arrive_ps;
    }
    line->sharers[cpu / 64] |= UINT64_C(1) << cpu % 64;
    line->busy_ps = !writes && was_shared ? begin_ps + costs.shared_interval_ns : arrive_ps;
    return arrive_ps;
}

static void stand_for(struct line *line, uint64_t until_ps, uint64_t queued_ps)
{
    if (until_ps <= cpu_self->now_ps)
        return;
    uint64_t ps = until_ps - cpu_self->now_ps;
    if (queued_ps > ps)
        queued_ps = ps;
    cpu_spend(CPU_QUEUE, queued_ps);
    cpu_spend(CPU_TRANSFER, ps - queued_ps);
    line->queue_ps += queued_ps;
    line->transfer_ps += ps - queued_ps;
}

void line_await(struct line *line, bool writes)
{
    uint64_t queued_ps;

    if (line_is_here(line, cpu_number(cpu_self), cpu_self->now_ps, writes))
        return;
    uint64_t arrive_ps =
        line_request(line, cpu_number(cpu_self), cpu_self->now_ps, writes, &queued_ps);
    stand_for(line, arrive_ps, queued_ps);
    /* An instruction is not interrupted: what the line is for is done when it is there. */
    bool kept = thread_self->keeps_cpu;
    thread_self->keeps_cpu = true;
    cpu_sync();
    thread_self->keeps_cpu = kept;
}

void line_stand_for_stores(void)
{
    if (cpu_self->stored_ps > cpu_self->now_ps)
        stand_for(cpu_self->stored_line, cpu_self->stored_ps, 0);
}

void line_await_stores(void)
{
    while (cpu_self->stored_ps > cpu_self->now_ps || cpu_self->store_count > 0) {
        line_stand_for_stores();
        cpu_sync();
    }
}

void lines_reset(void)
{
    for (uint32_t i = 0; i < used; i++) {
        struct line *line = &lines[i];
        line->transfers = line->far = line->upgrades = line->cold = 0;
        line->queue_ps = line->transfer_ps = 0;
    }
}
