/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include "base/atomic.h"
#include "scheduler.h"
#include "search.h"
#include "trace.h"

#include <string.h>

enum {
    LANE_STAMPS = 8, /* joined in one step */
    LOCATIONS_MAX = 120,
    TABLE_SIZE = 512,
    HISTORY = 4, /* values of a variable that can still be seen */
    IGNORED_MAX = 4,
    TOUCHES_MAX = 64
};

/* How new a value must be seen of each location; and of each fibre, how many of its plain accesses
 * have happened before. */
typedef int16_t lane __attribute__((vector_size(LANE_STAMPS * sizeof(int16_t))));
struct view {
    union {
        int16_t stamps[FIBRES_MAX + LOCATIONS_MAX];
        lane lanes[(FIBRES_MAX + LOCATIONS_MAX) / LANE_STAMPS];
    };
};

struct message {
    uint64_t value;
    struct view view; /* of who reads it with an acquire */
};

struct location {
    const void *address;
    uint64_t execution;
    int16_t newest; /* stamp; the first value has 0 */
    int16_t floor;  /* older values are seen by nobody any more */
    struct message messages[HISTORY];
};

struct memory_fibre {
    struct view view;
    struct view read;   /* what an acquire would have taken over: a fence does */
    struct view fenced; /* at the last fence: a relaxed store releases it */
};

struct range {
    uintptr_t from, to;
};

struct touch {
    struct range range;
    unsigned fibre;
    int16_t clock;
    const char *what;
};

static struct location locations[LOCATIONS_MAX];
static unsigned location_count;
static unsigned used_stamps = FIBRES_MAX; /* of views: the others are 0 everywhere */
static struct location *table[TABLE_SIZE];
static uint64_t execution;
static struct memory_fibre fibres[FIBRES_MAX];
static struct view sequential; /* joined by all fences */
static struct range ignored[IGNORED_MAX];
static unsigned ignored_count;
static struct range watched;
static struct touch touches[TOUCHES_MAX];
static unsigned touch_count;

/* ---- Views ---- */

static unsigned used_lanes(void)
{
    return (used_stamps + LANE_STAMPS - 1) / LANE_STAMPS;
}

static void join(struct view *view, const struct view *other)
{
    for (unsigned i = 0; i < used_lanes(); i++) {
        lane is_older = view->lanes[i] < other->lanes[i];
        view->lanes[i] = (other->lanes[i] & is_older) | (view->lanes[i] & ~is_older);
    }
}

static void copy(struct view *view, const struct view *other)
{
    for (unsigned i = 0; i < used_lanes(); i++)
        view->lanes[i] = other->lanes[i];
}

static int16_t *stamp_of(struct view *view, const struct location *location)
{
    return &view->stamps[FIBRES_MAX + (location - locations)];
}

static struct memory_fibre *me(void)
{
    return &fibres[scheduler_self()];
}

/* ---- Locations ---- */

static uint64_t peek(const void *p, unsigned bits)
{
    return bits == 32 ? *(const volatile uint32_t *)p : *(const volatile uint64_t *)p;
}

static void poke(void *p, unsigned bits, uint64_t value)
{
    if (bits == 32)
        *(volatile uint32_t *)p = (uint32_t)value;
    else
        *(volatile uint64_t *)p = value;
}

/* Locations stay from one execution to the next, and their stamps keep their places in views. */
static struct location *add_location(const void *address)
{
    if (location_count == LOCATIONS_MAX) {
        scheduler_fail("more than %d atomic variables", LOCATIONS_MAX);
        return &locations[0];
    }
    locations[location_count].address = address;
    locations[location_count].execution = 0;
    used_stamps++;
    return &locations[location_count++];
}

static struct location *find(const void *address)
{
    unsigned at = (unsigned)((uintptr_t)address >> 2) * 0x9e3779b1u >> 23;

    while (table[at] != NULL) {
        if (table[at]->address == address)
            return table[at];
        at = (at + 1) % TABLE_SIZE;
    }
    return table[at] = add_location(address);
}

/* The first time in an execution, what is there was stored before it and is seen by all. */
static struct location *locate(const void *address, unsigned bits)
{
    struct location *location = find(address);

    if (location->execution != execution) {
        location->execution = execution;
        location->newest = location->floor = 0;
        location->messages[0].value = bits == 0 ? 0 : peek(address, bits);
        memset(&location->messages[0].view, 0, sizeof location->messages[0].view);
    }
    return location;
}

static struct message *message_at(struct location *location, int stamp)
{
    return &location->messages[stamp % HISTORY];
}

void memory_clear(void)
{
    memset(locations, 0, sizeof locations);
    memset(table, 0, sizeof table);
    location_count = 0;
    used_stamps = FIBRES_MAX;
    ignored_count = 0;
    watched = (struct range){0, 0};
    memory_restart();
}

void memory_restart(void)
{
    execution++;
    touch_count = 0;
    memset(fibres, 0, scheduler_count() * sizeof fibres[0]);
    memset(&sequential, 0, sizeof sequential);
}

void memory_settle(void)
{
    for (unsigned i = 0; i < location_count; i++)
        locations[i].floor = locations[i].newest;
}

void memory_ignore(const void *address, size_t bytes)
{
    if (ignored_count < IGNORED_MAX)
        ignored[ignored_count++] = (struct range){(uintptr_t)address, (uintptr_t)address + bytes};
}

static bool is_ignored(const void *p)
{
    for (unsigned i = 0; i < ignored_count; i++)
        if ((uintptr_t)p >= ignored[i].from && (uintptr_t)p < ignored[i].to)
            return true;
    return false;
}

/* ---- Orders ---- */

static bool acquires(enum lf_explore_order order)
{
    return order == LF_EXPLORE_ACQUIRE || order == LF_EXPLORE_ACQ_REL;
}

static bool releases(enum lf_explore_order order)
{
    return order == LF_EXPLORE_RELEASE || order == LF_EXPLORE_ACQ_REL;
}

static void take_over(const struct message *message, enum lf_explore_order order)
{
    join(acquires(order) ? &me()->view : &me()->read, &message->view);
}

/* The oldest value that this fibre may still see. */
static int oldest_seen(struct location *location)
{
    int oldest = location->newest - (HISTORY - 1);
    int seen = *stamp_of(&me()->view, location);

    if (oldest < location->floor)
        oldest = location->floor;
    return oldest < seen ? seen : oldest;
}

/* Which value a load gives: the newest, or by a choice an older one. */
static int choose_stamp(struct location *location)
{
    int newest = location->newest;
    int oldest = oldest_seen(location);

    if (oldest >= newest)
        return newest;
    return newest - (int)search_choose((unsigned)(newest - oldest) + 1, 1, BUDGET_DELAYS, NULL);
}

/* The next value of a location.  A read-modify-write hands on what it read released. */
static void append(struct location *location, uint64_t value, enum lf_explore_order order,
                   bool reads)
{
    const struct message *before = message_at(location, location->newest);
    struct message *message = message_at(location, location->newest + 1);
    struct memory_fibre *fibre = me();

    if (location->newest == INT16_MAX)
        scheduler_fail("livelock: %d stores of %s", INT16_MAX, trace_name(location->address));
    location->newest++;
    message->value = value;
    *stamp_of(&fibre->view, location) = location->newest;
    copy(&message->view, releases(order) ? &fibre->view : &fibre->fenced);
    if (reads)
        join(&message->view, &before->view);
    *stamp_of(&message->view, location) = location->newest;
    scheduler_stored();
}

static bool is_passive(const void *p)
{
    return !is_exploring || is_ignored(p);
}

/* ---- What src/base/atomic.h calls ---- */

void lf_explore_pause(void)
{
    if (is_exploring)
        scheduler_yield();
}

void memory_fence(void)
{
    struct memory_fibre *fibre = me();

    join(&fibre->view, &fibre->read);
    join(&fibre->view, &sequential);
    copy(&sequential, &fibre->view);
    copy(&fibre->fenced, &fibre->view);
}

void lf_explore_fence(void)
{
    if (!is_exploring)
        return;
    scheduler_point();
    trace("fence");
    memory_fence();
}

uint64_t lf_explore_load(const void *p, unsigned bits, enum lf_explore_order order)
{
    if (is_passive(p))
        return peek(p, bits);
    scheduler_point();
    struct location *location = locate(p, bits);
    int stamp = choose_stamp(location);
    const struct message *message = message_at(location, stamp);

    *stamp_of(&me()->view, location) = (int16_t)stamp;
    take_over(message, order);
    trace("load  %-18s = %#lx%s", trace_name(p), message->value,
          stamp < location->newest ? "  (an old value)" : "");
    return message->value;
}

void lf_explore_store(void *p, unsigned bits, uint64_t value, enum lf_explore_order order)
{
    if (is_passive(p)) {
        poke(p, bits, value);
        return;
    }
    scheduler_point();
    append(locate(p, bits), value, order, false);
    poke(p, bits, value);
    trace("store %-18s = %#lx%s", trace_name(p), value, releases(order) ? "  (release)" : "");
}

/* Common to all that read, decide, and write in one step. */
static uint64_t modify(void *p, unsigned bits, uint64_t old, uint64_t value,
                       enum lf_explore_order order)
{
    struct location *location = locate(p, bits);
    const struct message *before = message_at(location, location->newest);

    take_over(before, order);
    append(location, value, order, true);
    poke(p, bits, value);
    return old;
}

uint64_t lf_explore_add(void *p, unsigned bits, uint64_t n, enum lf_explore_order order)
{
    uint64_t mask = bits == 32 ? UINT32_MAX : UINT64_MAX;

    if (is_passive(p)) {
        uint64_t old = peek(p, bits);
        poke(p, bits, (old + n) & mask);
        return old;
    }
    scheduler_point();
    uint64_t old = peek(p, bits);
    trace("add   %-18s + %#lx = %#lx", trace_name(p), n, (old + n) & mask);
    return modify(p, bits, old, (old + n) & mask, order);
}

uint64_t lf_explore_swap(void *p, unsigned bits, uint64_t value, enum lf_explore_order order)
{
    if (is_passive(p)) {
        uint64_t old = peek(p, bits);
        poke(p, bits, value);
        return old;
    }
    scheduler_point();
    uint64_t old = peek(p, bits);
    trace("swap  %-18s = %#lx, was %#lx", trace_name(p), value, old);
    return modify(p, bits, old, value, order);
}

/* Does not swap: a load of the newest value. */
static void look(const void *p, unsigned bits, enum lf_explore_order order)
{
    struct location *location = locate(p, bits);

    *stamp_of(&me()->view, location) = location->newest;
    take_over(message_at(location, location->newest), order);
}

bool lf_explore_cas(void *p, unsigned bits, uint64_t expected, uint64_t value,
                    enum lf_explore_order order)
{
    bool passive = is_passive(p);
    if (!passive)
        scheduler_point();
    uint64_t old = peek(p, bits);
    bool swaps = old == expected;

    if (!passive)
        trace("cas   %-18s %#lx -> %#lx: %s", trace_name(p), expected, value, swaps ? "yes" : "no");
    if (passive && swaps)
        poke(p, bits, value);
    else if (!passive && swaps)
        modify(p, bits, old, value, order);
    else if (!passive)
        look(p, bits, order);
    return swaps;
}

/* ---- Locks ---- */

void memory_acquire(const void *address)
{
    look(address, 0, LF_EXPLORE_ACQUIRE);
}

void memory_release(const void *address)
{
    append(locate(address, 0), 0, LF_EXPLORE_RELEASE, true);
}

void memory_join(unsigned fibre)
{
    join(&me()->view, &fibres[fibre].view);
}

/* ---- Plain memory ---- */

void memory_watch(const void *address, size_t bytes)
{
    watched = (struct range){(uintptr_t)address, (uintptr_t)address + bytes};
}

bool memory_is_watched(const void *address)
{
    return (uintptr_t)address >= watched.from && (uintptr_t)address < watched.to;
}

static bool overlap(const struct range *a, const struct range *b)
{
    return a->from < b->to && b->from < a->to;
}

static void check_touch(const struct touch *before, const struct touch *touch)
{
    if (before->fibre == touch->fibre || !overlap(&before->range, &touch->range))
        return;
    if (me()->view.stamps[before->fibre] < before->clock)
        scheduler_fail("race: %s of %s, and %s of %s, which nothing puts in order", before->what,
                       scheduler_name(before->fibre), touch->what, scheduler_name(touch->fibre));
}

/* What lies within the new touch and is ordered before it is not needed any more. */
static void drop_covered(const struct touch *touch)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < touch_count; i++)
        if (touches[i].range.from < touch->range.from || touches[i].range.to > touch->range.to)
            touches[kept++] = touches[i];
    touch_count = kept;
}

void memory_touch(const void *address, size_t bytes, const char *what)
{
    unsigned fibre = scheduler_self();
    struct touch touch = {{(uintptr_t)address, (uintptr_t)address + bytes}, fibre, 0, what};

    trace("%s: %zu bytes at %s", what, bytes, trace_name(address));
    for (unsigned i = 0; i < touch_count; i++)
        check_touch(&touches[i], &touch);
    drop_covered(&touch);
    if (touch_count == TOUCHES_MAX)
        scheduler_fail("more than %d plain accesses to watch", TOUCHES_MAX);
    touch.clock = ++me()->view.stamps[fibre];
    touches[touch_count++] = touch;
}
