/* SPDX-License-Identifier: MIT */
/*
 * Worlds with a log in them: the library as it is, several fibres that call it, each with a script,
 * and one that closes the log when the others have returned.
 */
#include "arena.h"
#include "base/threads.h"
#include "disk.h"
#include "executor_worlds.h"
#include "ring/log.h"
#include "ledger.h"
#include "memory.h"
#include "read/follow.h"
#include "scheduler.h"
#include "system.h"
#include "trace.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    SCRIPTS_MAX = 5,
    CALLS_MAX = 6,
    SLOT_BYTES = 8192,
    SMALL = 16,
    HALF = 4800, /* two of them do not fit a slot */
    FILLS = (SLOT_BYTES - LF_EPOCH_HEADER_BYTES) / 2 - LF_RECORD_HEADER_BYTES, /* two fill a slot */
    LARGE = 7000 /* hungry, and a crosser behind anything but a small one */
};

#define MS UINT64_C(1000000)
#define HOUR (3600 * UINT64_C(1000) * MS) /* a deadline that nothing but a lost wake-up meets */
#define AT_ONCE UINT64_MAX                /* a deadline that has passed */

/* ---- Scripts ---- */

enum call {
    END = 0,
    APPEND,
    APPEND_UNTIL,
    SUBMIT,
    SUBMIT_UNTIL,
    SUBMIT_BATCH,   /* two records */
    PUBLISH,        /* what is reserved for it, and held for `ns` */
    ABANDON,        /* the same; no record */
    SUBMIT_IN_LOOP, /* with a deadline that has passed; polls for room */
    WAIT,           /* for the script's last record */
    POLL,           /* the same, by the event descriptor */
    WAIT_UNTIL,
    FLUSH,
    FLUSH_UNTIL,
    SHUTDOWN,
    SHUTDOWN_UNTIL,
    TRIM,     /* below the durable LSN */
    ADD_ROOM, /* the disk becomes larger */
    PAUSE,    /* until some virtual time has passed */
    FOLLOW,   /* as a reader of the handle does, until the log ends */
    AWAIT     /* until the follower has been told of the script's last record */
};

struct step {
    enum call call;
    unsigned bytes;
    uint64_t ns; /* from now: the deadline, but of PUBLISH and ABANDON */
};

struct log_world {
    struct logfile_options options;
    struct logfile_lab lab;
    struct disk_options disk;
    uint64_t hook_ns;           /* how long options.event takes */
    unsigned shared_sequencers; /* 0: the log has threads of its own */
    bool may_time_out;
    bool may_lack_room;
    struct step scripts[SCRIPTS_MAX][CALLS_MAX];
};

/* One fibre with a script. */
struct actor {
    unsigned number;
    unsigned fibre;
    uint64_t last_lsn;    /* of its last record that has a place */
    unsigned last_record; /* its number */
    bool has_lsn;
};

static const struct timespec at_once;

static const struct log_world *world;
static struct logfile *explored;
static struct logfile_threads *shared_threads;
static struct actor actors[SCRIPTS_MAX];
static unsigned actor_count;
static bool is_shutdown_asked;
static unsigned held_count;       /* reservations that their holders sleep with */
static bool is_following;         /* between two looks of the script that does */
static uint64_t followed_lsn;     /* the durable LSN of its last look */
static struct lf_waiter followed; /* it has looked */
static int close_result;

enum {
    EVENT_KINDS = LOGFILE_EVENT_TRIMMED + 1
};

/* What the event hook has been told. */
static struct {
    bool is_inside;
    uint64_t calls;
    uint64_t counts[EVENT_KINDS]; /* as the events say it */
    struct logfile_event last[EVENT_KINDS];
    uint32_t last_of_room; /* NO_SPACE or SPACE_BACK, which came last; 0: neither */
    unsigned slow_calls;
} told;
static uint64_t trim_count; /* of trims that moved the oldest LSN, */
static uint64_t oldest_lsn; /* to where */

/* ---- Names, for traces ---- */

struct known {
    const void *address;
    const char *name;
};

static const char *name_in(const struct known *known, size_t count, const void *address)
{
    for (size_t i = 0; i < count; i++)
        if (known[i].address == address)
            return known[i].name;
    return NULL;
}

/* A part of a slot, or of its buffer. */
static const char *name_in_slot(const void *address)
{
    static char names[8][32];
    static unsigned turn;
    const struct lf_ring *ring = &explored->ring;
    const char *part = NULL;
    unsigned i;

    for (i = 0; i <= ring->slot_mask && part == NULL; i++) {
        const struct lf_slot *slot = &ring->slots[i];
        const struct known known[] = {{&slot->epoch, "epoch"},
                                      {&slot->base, "base"},
                                      {&slot->end, "end"},
                                      {&slot->guarded, "guarded"},
                                      {&slot->durable.word, "durable"},
                                      {&slot->shards[0].published, "published"},
                                      {&slot->shards[1].published, "published.1"}};
        part = name_in(known, sizeof known / sizeof known[0], address);
        if (part == NULL && (const uint8_t *)address >= slot->data &&
            (const uint8_t *)address < slot->data + SLOT_BYTES)
            part = "data";
    }
    if (part == NULL)
        return NULL;
    char *name = names[turn++ % 8];
    snprintf(name, sizeof names[0], "slot%u.%s", i - 1, part);
    return name;
}

static const char *name_of(const void *address)
{
    const struct lf_ring *ring = &explored->ring;
    const struct lf_flusher *flusher = &explored->flusher;
    const struct lf_executor *sequencers =
        shared_threads != NULL ? &shared_threads->sequencers : &flusher->own;
    const struct known known[] = {
        {&ring->head, "head"},
        {&ring->gate, "gate"},
        {&ring->hungry_arrived, "hungry_arrived"},
        {&ring->hungry_left, "hungry_left"},
        {&ring->gather_target, "gather_target"},
        {&ring->flipped.word, "flipped"},
        {&flusher->token, "token"},
        {&flusher->shutdown_asked, "shutdown_asked"},
        {&flusher->task.is_rung, "sequencer.is_rung"},
        {&sequencers->bell.word, "bell"},
        {&sequencers->rung, "rung"},
        {&sequencers->lock, "executor.lock"},
        {&flusher->pacing, "pacing"},
        {&flusher->wanted_lsn, "wanted_lsn"},
        {&flusher->closed.word, "closed"},
        {&explored->durable_lsn, "durable_lsn"},
        {&explored->event.mode, "event.mode"},
        {&explored->event.wants_room, "event.wants_room"},
        {&explored->reservations, "reservations"},
        {&explored->flush_ns, "flush_ns"},
        {&explored->running, "running"},
        {&explored->store.failed, "failed"},
        {&explored->store.failure_lock, "failure_lock"},
        {&explored->store.background_lock, "background_lock"},
        {&explored->store.sync_ended, "sync_ended"},
        {&explored->trim.lock, "trim.lock"},
        {&explored->trim.trimming, "trim.trimming"},
        {&explored->preparer.allocated, "allocated"},
        {&explored->preparer.room_error, "room_error"},
        {&explored->preparer.lock, "preparer.lock"},
        {&explored->preparer.task.is_rung, "preparer.is_rung"},
        {&explored->preparer.own.bell.word, "preparer.bell"},
        {&explored->preparer.own.rung, "preparer.rung"},
        {&explored->preparer.own.lock, "preparer.executor.lock"},
        {&explored->trim.oldest_lsn, "oldest_lsn"},
        {&explored->events.task.is_rung, "events.is_rung"},
        {&explored->events.own.bell.word, "events.bell"},
        {&explored->events.lock, "events.lock"},
        {&explored->follow->durable_lsn, "follow.durable_lsn"},
        {&explored->follow->ended, "follow.ended"},
        {&explored->follow->holders, "follow.holders"},
        {&explored->follow->armed, "follow.armed"},
        {&explored->follow->moved.word, "follow.moved"},
    };
    const char *name = name_in(known, sizeof known / sizeof known[0], address);

    if (name != NULL || explored->lab.engine != LOGFILE_ENGINE_RING)
        return name;
    return name_in_slot(address);
}

/* ---- What a call may return ---- */

static const char *call_name(enum call call)
{
    static const char *const names[] = {"end",
                                        "append",
                                        "append_until",
                                        "submit",
                                        "submit_until",
                                        "submit_batch",
                                        "publish",
                                        "abandon",
                                        "submit in loop",
                                        "wait",
                                        "poll",
                                        "wait_until",
                                        "flush",
                                        "flush_until",
                                        "shutdown",
                                        "shutdown_until",
                                        "trim",
                                        "add room",
                                        "pause",
                                        "follow",
                                        "await"};
    return names[call];
}

/* Timed calls come back at their deadline: to the nanosecond, since time stands still while they can
 * run, but for what the search lets pass. */
static void check_time(enum call call, const struct timespec *deadline)
{
    uint64_t deadline_ns = (uint64_t)deadline->tv_sec * 1000000000u + (uint64_t)deadline->tv_nsec;

    if (!world->may_time_out)
        scheduler_fail("%s has timed out: a lost wake-up", call_name(call));
    if (scheduler_now_ns() < deadline_ns)
        scheduler_fail("%s has timed out %lu ns early", call_name(call),
                       deadline_ns - scheduler_now_ns());
    if (scheduler_now_ns() > deadline_ns + scheduler_hurried_ns())
        scheduler_fail("%s has timed out %lu ns late", call_name(call),
                       scheduler_now_ns() - deadline_ns);
}

static void check_error(enum call call, int error, const struct timespec *deadline)
{
    /* What ran meanwhile does not count for a call whose deadline had passed. */
    if (error == 0 || ((error == -ETIMEDOUT || error == -EAGAIN) && deadline == &at_once))
        return;
    if (error == -ETIMEDOUT && deadline != NULL)
        check_time(call, deadline);
    else if (error == LOGFILE_EFAILED   ? disk_has_failed()
             : error == LOGFILE_ECLOSED ? is_shutdown_asked
                                        : error == -ENOSPC && world->may_lack_room)
        return;
    else
        scheduler_fail("%s returns %d", call_name(call), error);
}

static enum promise promise_of(enum call call, int error, bool has_lsn)
{
    if (error == 0)
        return call == APPEND || call == APPEND_UNTIL ? PROMISE_ACKED : PROMISE_SUBMITTED;
    if (!has_lsn)
        return PROMISE_REFUSED;
    return error == LOGFILE_EFAILED ? PROMISE_IN_DOUBT : PROMISE_PENDING;
}

/* ---- Calls ---- */

static int add(enum call call, const void *data, size_t bytes, const struct timespec *deadline,
               uint64_t *lsn)
{
    if (call == APPEND)
        return logfile_append(explored, data, bytes, lsn);
    if (call == APPEND_UNTIL)
        return logfile_append_until(explored, data, bytes, deadline, lsn);
    return logfile_submit(explored, data, bytes, deadline, lsn);
}

static void do_add(struct actor *actor, unsigned at, const struct step *step,
                   const struct timespec *deadline)
{
    unsigned record = actor->number * CALLS_MAX + at;
    const void *data = ledger_payload(record, step->bytes);
    uint64_t lsn = 0;
    int error = add(step->call, data, step->bytes, deadline, &lsn);

    trace("%s of record %u: %d at %lu", call_name(step->call), record, error, lsn);
    check_error(step->call, error, deadline);
    if (error == 0 && lsn <= actor->last_lsn)
        scheduler_fail("record %u got %lu, which is below the one before it", record, lsn);
    ledger_promise(record, promise_of(step->call, error, lsn != 0), lsn);
    if (lsn == 0)
        return;
    actor->last_lsn = lsn;
    actor->last_record = record;
    actor->has_lsn = true;
}

/* The second record of a batch: numbers that no other step has. */
static unsigned second_of(const struct actor *actor, unsigned at)
{
    return SCRIPTS_MAX * CALLS_MAX + actor->number * 3 + at;
}

static void do_submit_batch(struct actor *actor, unsigned at, const struct step *step,
                            const struct timespec *deadline)
{
    const unsigned numbers[2] = {actor->number * CALLS_MAX + at, second_of(actor, at)};
    struct iovec records[2];
    uint64_t lsns[2] = {0, 0};

    for (unsigned i = 0; i < 2; i++)
        records[i] = (struct iovec){(void *)ledger_payload(numbers[i], step->bytes), step->bytes};
    int error = logfile_submit_batch(explored, records, 2, deadline, lsns);
    trace("submit_batch of records %u and %u: %d at %lu", numbers[0], numbers[1], error, lsns[0]);
    check_error(SUBMIT_BATCH, error, deadline);
    if (error == 0 && lsns[1] != lsns[0] + lf_record_bytes(step->bytes))
        scheduler_fail("the records of a batch lie at %lu and %lu", lsns[0], lsns[1]);
    for (unsigned i = 0; i < 2; i++)
        ledger_promise(numbers[i], promise_of(SUBMIT, error, lsns[i] != 0), lsns[i]);
    if (error != 0)
        return;
    *actor = (struct actor){actor->number, actor->fibre, lsns[1], numbers[1], true};
}

/* Held while others run: until the scheduler comes back, or for a time that all others come to rest in. */
static void hold(const struct step *step)
{
    if (step->ns == 0) {
        scheduler_point();
        return;
    }
    held_count++;
    scheduler_block(step, scheduler_now_ns() + step->ns, false);
    held_count--;
}

static void do_reservation(struct actor *actor, unsigned at, const struct step *step)
{
    unsigned record = actor->number * CALLS_MAX + at;
    struct logfile_reservation reservation;
    int error = logfile_reserve(explored, step->bytes, NULL, &reservation);

    trace("reserve for record %u: %d", record, error);
    check_error(step->call, error, NULL);
    if (error != 0) {
        ledger_promise(record, PROMISE_REFUSED, 0);
        return;
    }
    const uint64_t lsn = reservation.lsn;
    const bool publishes = step->call == PUBLISH;
    explore_memcpy(reservation.data, ledger_payload(record, step->bytes), step->bytes);
    hold(step);
    error = publishes ? logfile_publish(explored, &reservation)
                      : logfile_abandon(explored, &reservation);
    trace("%s of record %u: %d", call_name(step->call), record, error);
    check_error(step->call, error, NULL);
    ledger_promise(record, publishes ? promise_of(SUBMIT, error, true) : PROMISE_REFUSED, lsn);
    if (publishes)
        *actor = (struct actor){actor->number, actor->fibre, lsn, record, true};
}

/* One round of an event loop: sleeps until the descriptor is readable, and takes. */
static struct logfile_event_state poll_event(void)
{
    struct logfile_event_state state = {0};
    int error = logfile_event_take(explored, &state, sizeof state);

    trace("event_take: %d, durable %lu, failed %u, room %u", error, state.durable_lsn, state.failed,
          state.has_room);
    if (error != 0)
        scheduler_fail("event_take returns %d", error);
    return state;
}

static void do_poll(struct actor *actor)
{
    int fd = logfile_event_fd(explored);

    if (!actor->has_lsn)
        return;
    for (;;) {
        struct logfile_event_state state = poll_event();
        if (state.durable_lsn > actor->last_lsn) {
            ledger_promise(actor->last_record, PROMISE_ACKED, actor->last_lsn);
            return;
        }
        if (state.failed) {
            check_error(POLL, LOGFILE_EFAILED, NULL);
            return;
        }
        explore_poll(fd);
    }
}

static void do_submit_in_loop(struct actor *actor, unsigned at, const struct step *step)
{
    unsigned record = actor->number * CALLS_MAX + at;
    const void *data = ledger_payload(record, step->bytes);
    int fd = logfile_event_fd(explored);
    uint64_t lsn = 0;
    int error;

    for (;;) {
        error = logfile_submit(explored, data, step->bytes, &at_once, &lsn);
        trace("submit of record %u: %d at %lu", record, error, lsn);
        if (error != -EAGAIN)
            break;
        while (!poll_event().has_room)
            explore_poll(fd);
    }
    check_error(step->call, error, NULL);
    ledger_promise(record, promise_of(SUBMIT, error, lsn != 0), lsn);
    if (lsn != 0)
        *actor = (struct actor){actor->number, actor->fibre, lsn, record, true};
}

static void do_wait(struct actor *actor, const struct step *step, const struct timespec *deadline)
{
    int error;

    if (!actor->has_lsn)
        return;
    error = logfile_wait(explored, actor->last_lsn, deadline);
    trace("%s for %lu: %d", call_name(step->call), actor->last_lsn, error);
    check_error(step->call, error, deadline);
    if (error == 0)
        ledger_promise(actor->last_record, PROMISE_ACKED, actor->last_lsn);
}

/* All that was told to this script before is durable afterwards. */
static void do_flush(struct actor *actor, const struct step *step, const struct timespec *deadline)
{
    int error = logfile_sync(explored, deadline);

    trace("%s: %d", call_name(step->call), error);
    check_error(step->call, error, deadline);
    if (error == 0 && actor->has_lsn)
        ledger_promise(actor->last_record, PROMISE_ACKED, actor->last_lsn);
}

static void do_shutdown(const struct step *step, const struct timespec *deadline)
{
    is_shutdown_asked = true;
    int error = logfile_shutdown(explored, deadline);
    trace("%s: %d", call_name(step->call), error);
    check_error(step->call, error, deadline);
}

static void do_trim(void)
{
    int error = logfile_trim(explored, logfile_durable_lsn(explored));

    trace("trim: %d", error);
    check_error(TRIM, error, NULL);
}

/* Sleeps until the log has moved, each time with its descriptor armed as well.  Beside the check of what
 * is quiet, which looks at both, a log that ends and does not tell is a deadlock. */
static void do_follow(void)
{
    struct lf_followed log;
    uint64_t lsn;
    int error = lf_followed_by_log(explored, &log);

    if (error != 0)
        scheduler_fail("follow returns %d", error);
    followed_lsn = 0;
    while (error == 0) {
        lf_follow_arm(log.follow);
        is_following = true;
        error = lf_follow_wait(log.follow, followed_lsn, NULL);
        is_following = false;
        lsn = lf_follow_durable_lsn(log.follow);
        trace("follow: %d at %lu", error, lsn);
        if (lsn > ledger_durable_lsn())
            scheduler_fail("a follower is told of %lu, and the disk ends at %lu", lsn,
                           ledger_durable_lsn());
        if (error == 0 && lsn <= followed_lsn)
            scheduler_fail("a follower is woken at %lu, and has been at %lu", lsn, followed_lsn);
        if (error == LOGFILE_ECLOSED && followed_lsn != explored->durable_lsn)
            scheduler_fail("the last that a follower is told of is %lu, and the log ends at %lu",
                           followed_lsn, explored->durable_lsn);
        followed_lsn = lsn;
        lf_waiter_wake(&followed);
    }
    check_error(FOLLOW, error, NULL);
    lf_follow_release(log.follow);
}

/* A follower that is not told of what is durable leaves this one asleep for good. */
static void do_await(const struct actor *actor)
{
    uint32_t key;

    for (;;) {
        key = lf_waiter_key(&followed);
        if (!actor->has_lsn || followed_lsn > actor->last_lsn || explored->store.failed)
            return;
        lf_waiter_sleep(&followed, key, NULL);
    }
}

static void do_step(struct actor *actor, unsigned at)
{
    const struct step *step = &world->scripts[actor->number][at];
    uint64_t until_ns = scheduler_now_ns() + step->ns;
    struct timespec time = lf_timespec(until_ns);
    const struct timespec *deadline = step->ns > 0 ? &time : NULL;

    if (step->ns == AT_ONCE)
        deadline = &at_once;
    switch (step->call) {
    case APPEND:
    case APPEND_UNTIL:
    case SUBMIT:
    case SUBMIT_UNTIL:
        do_add(actor, at, step, deadline);
        break;
    case SUBMIT_BATCH:
        do_submit_batch(actor, at, step, deadline);
        break;
    case PUBLISH:
    case ABANDON:
        do_reservation(actor, at, step);
        break;
    case SUBMIT_IN_LOOP:
        do_submit_in_loop(actor, at, step);
        break;
    case POLL:
        do_poll(actor);
        break;
    case WAIT:
    case WAIT_UNTIL:
        do_wait(actor, step, deadline);
        break;
    case FLUSH:
    case FLUSH_UNTIL:
        do_flush(actor, step, deadline);
        break;
    case SHUTDOWN:
    case SHUTDOWN_UNTIL:
        do_shutdown(step, deadline);
        break;
    case TRIM:
        do_trim();
        break;
    case ADD_ROOM:
        scheduler_point();
        disk_set_capacity(0);
        break;
    case PAUSE:
        scheduler_block(step, until_ns, true);
        break;
    case FOLLOW:
        do_follow();
        break;
    case AWAIT:
        do_await(actor);
        break;
    case END:
        break;
    }
}

/* ---- The event hook ---- */

/* Of a call that hangs it is told once in each doubling of slow_ns: when that has come, to the
 * nanosecond, but for what the search lets pass. */
static void check_slow(const struct logfile_event *event)
{
    const uint64_t due_ns = world->options.slow_ns << told.slow_calls++;

    if (event->call != LOGFILE_CALL_SYNC)
        scheduler_fail("the hook is told of call %u as slow, and a sync hangs", event->call);
    if (event->ns < due_ns)
        scheduler_fail("the hook is told of a sync as slow %lu ns early", due_ns - event->ns);
    if (event->ns > due_ns + scheduler_hurried_ns())
        scheduler_fail("the hook is told of a sync as slow %lu ns late", event->ns - due_ns);
}

static void hook(void *arg, const struct logfile_event *event)
{
    (void)arg;
    trace("event of kind %u, %lu of them, at %lu", event->kind, event->count, event->lsn);
    if (told.is_inside)
        scheduler_fail("the hook is called while it is");
    told.is_inside = true;
    if (told.calls++ == 0 && event->kind != LOGFILE_EVENT_OPENED)
        scheduler_fail("the first event is of kind %u", event->kind);
    if (event->count == 0)
        scheduler_fail("an event of kind %u stands for none", event->kind);
    told.counts[event->kind] += event->count;
    told.last[event->kind] = *event;
    if (event->kind == LOGFILE_EVENT_NO_SPACE || event->kind == LOGFILE_EVENT_SPACE_BACK)
        told.last_of_room = event->kind;
    if (event->kind == LOGFILE_EVENT_SLOW)
        check_slow(event);
    scheduler_block(&told, scheduler_now_ns() + world->hook_ns, true);
    told.is_inside = false;
}

static void check_count(uint32_t kind, uint64_t expected)
{
    if (told.counts[kind] != expected)
        scheduler_fail("the hook was told of %lu events of kind %u, and there were %lu",
                       told.counts[kind], kind, expected);
}

/* When the log is closed the hook has been told of everything, merged or not. */
static void check_told(void)
{
    const uint64_t lacks = told.counts[LOGFILE_EVENT_NO_SPACE];
    const uint64_t ends = told.counts[LOGFILE_EVENT_SPACE_BACK];
    unsigned doublings = 0;

    check_count(LOGFILE_EVENT_OPENED, 1);
    check_count(LOGFILE_EVENT_FAILED, close_result == LOGFILE_EFAILED);
    check_count(LOGFILE_EVENT_TRIMMED, trim_count);
    if (trim_count > 0 && told.last[LOGFILE_EVENT_TRIMMED].lsn != oldest_lsn)
        scheduler_fail(
            "the last that the hook was told of a trim is %lu, and the log starts at %lu",
            told.last[LOGFILE_EVENT_TRIMMED].lsn, oldest_lsn);
    if (lacks != ends && lacks != ends + 1)
        scheduler_fail("the hook was told %lu times of no room, and %lu times of room", lacks,
                       ends);
    if (lacks > 0 && (told.last_of_room == LOGFILE_EVENT_NO_SPACE) != (lacks > ends))
        scheduler_fail("the last word that the hook was told of room does not hold");
    while (world->disk.hang_ns > world->options.slow_ns << doublings)
        doublings++;
    if (scheduler_hurried_ns() == 0 ? told.slow_calls != doublings : told.slow_calls > doublings)
        scheduler_fail("the hook was told %u times of a sync that hangs", told.slow_calls);
}

/* ---- Scripts ---- */

static void check_durable_lsn(void)
{
    if (explored->durable_lsn > ledger_durable_lsn())
        scheduler_fail("the durable LSN is %lu, and the disk ends at %lu", explored->durable_lsn,
                       ledger_durable_lsn());
}

static void *act(void *arg)
{
    struct actor *actor = arg;

    for (unsigned i = 0; i < CALLS_MAX && world->scripts[actor->number][i].call != END; i++) {
        do_step(actor, i);
        check_durable_lsn();
    }
    return NULL;
}

static void *close_when_done(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < actor_count; i++) {
        scheduler_join(actors[i].fibre);
        memory_join(actors[i].fibre); /* Closing comes after every other call. */
    }
    is_shutdown_asked = true;
    trim_count = explored->store.trim_count;
    oldest_lsn = logfile_oldest_lsn(explored);
    close_result = logfile_close(explored);
    trace("close: %d", close_result);
    if (world->shared_sequencers > 0 && logfile_threads_stop(shared_threads) != 0)
        scheduler_fail("the shared threads do not stop");
    return NULL;
}

/* ---- When nothing moves ---- */

static bool anybody_sleeps_at(const struct lf_waiter *waiter)
{
    for (unsigned i = 0; i < scheduler_count(); i++)
        if (scheduler_sleeps_at(i, &waiter->word))
            return true;
    return false;
}

/* The open epoch has been left to a timer; who may do that? */
static void check_open_epoch(const struct lf_ring *ring, const struct lf_flusher *flusher)
{
    const struct lf_slot *slot = lf_ring_slot(ring, lf_head_generation(ring->head));
    uint32_t waiters = 0;

    if (lf_head_offset_bytes(ring->head) <= LF_EPOCH_HEADER_BYTES)
        return;
    for (unsigned i = 0; i <= slot->shard_mask; i++)
        waiters += lf_published_waiters(slot->shards[i].published);
    if (waiters == 0 && flusher->pacing && flusher->wanted_lsn < explored->durable_lsn &&
        explored->event.mode != LF_EVENT_ARMED)
        return; /* to the pause between two flushes that nobody waits for */
    if (waiters < ring->gather_target && flusher->pacing && flusher->gather_until_ns != 0)
        return; /* to the time that the sequencer leaves those that wait by LSN */
    if (waiters == 0 && !flusher->has_sequencer)
        return; /* to whoever waits */
    /* `guarded` itself may be gone: the guard of the slot's last epoch may have taken it back late. */
    if (waiters < ring->gather_target && anybody_sleeps_at(&slot->durable))
        return; /* to the patience of its first writer */
    scheduler_fail("a lost wake-up: %u wait in the open epoch, of %u to gather, and only a timer "
                   "will have it flushed",
                   waiters, ring->gather_target);
}

/* Where there is a hook, its thread's timer runs for ever. */
static void check_events(void)
{
    const struct lf_events *events = &explored->events;

    if (world->options.event == NULL)
        return;
    for (uint32_t kind = 0; kind < EVENT_KINDS; kind++)
        if (events->pending[kind].count > 0 && anybody_sleeps_at(&events->own.bell))
            scheduler_fail("a lost wake-up: an event of kind %u is pending, and its thread sleeps",
                           kind);
    if (scheduler_now_ns() > 2 * HOUR)
        scheduler_fail("nothing moves but the clock of the event hook");
}

/* Nobody can run and the device is idle: whoever is owed a wake-up has lost it, even if a timer will
 * help. */
static void check_quiet(void)
{
    const struct lf_ring *ring = &explored->ring;
    const struct lf_flusher *flusher = &explored->flusher;

    check_events();
    if (held_count > 0) /* All may wait for the holder. */
        return;
    if (is_following && explored->follow->durable_lsn > followed_lsn &&
        anybody_sleeps_at(&explored->follow->moved))
        scheduler_fail("a lost wake-up: a follower sleeps at %lu, and the log is at %lu",
                       followed_lsn, explored->follow->durable_lsn);
    if (is_following && explored->follow->durable_lsn > followed_lsn && explored->follow->armed)
        scheduler_fail("a descriptor is armed at %lu, and the log is at %lu", followed_lsn,
                       explored->follow->durable_lsn);
    if (flusher->token == LF_TOKEN_LEADER || flusher->token == LF_TOKEN_SEQUENCER)
        scheduler_fail("a lost wake-up: the token is taken, and its holder sleeps");
    for (unsigned i = 0; i <= ring->slot_mask; i++)
        if ((explored->store.failed || flusher->token == LF_TOKEN_DEAD) &&
            anybody_sleeps_at(&ring->slots[i].durable))
            scheduler_fail("a lost wake-up: the log has ended, and somebody waits for slot %u", i);
    if (explored->store.failed || flusher->token == LF_TOKEN_DEAD)
        return;
    if (flusher->shutdown_asked)
        scheduler_fail("a lost wake-up: nobody shuts the log down");
    if (!lf_ring_overshot(ring, ring->head))
        check_open_epoch(ring, flusher);
    else if (lf_ring_slot(ring, lf_head_generation(ring->head))->end != LF_EPOCH_HEADER_BYTES)
        scheduler_fail("a lost wake-up: the open epoch is full, and nobody flushes it");
}

/* ---- The three parts of a world ---- */

static void set_up(const void *arg)
{
    struct logfile_options options;
    struct logfile_lab lab;

    world = arg;
    options = world->options;
    options.lab = &lab;
    lab = world->lab;
    options.io = disk_new(&world->disk);
    options.slot_bytes = SLOT_BYTES;
    lab.publish_shards = lab.publish_shards != 0 ? lab.publish_shards : 1;
    const struct logfile_threads_options threads = {.sequencers = world->shared_sequencers};
    if (world->shared_sequencers > 0 && logfile_threads_start(&threads, &options.threads) != 0)
        scheduler_fail("the shared threads do not start");
    shared_threads = options.threads;
    int error = logfile_open("explored.log", &options, NULL, &explored);
    if (error != 0) {
        scheduler_fail("the log does not open: %s", logfile_strerror(error));
        return;
    }
    trace_names(name_of);
    memory_ignore(&explored->stats, sizeof explored->stats);
    memory_ignore(&explored->store.device_bytes, sizeof explored->store.device_bytes);
    memory_ignore(&explored->store.sync_count, sizeof explored->store.sync_count);
    memory_watch(explored->buffers, explored->buffers_bytes);
    if (lab.engine == LOGFILE_ENGINE_RING)
        scheduler_on_quiet(check_quiet);
}

static void on_sync(int error)
{
    (void)error;
    if (is_exploring)
        ledger_read();
}

static void begin(void)
{
    static const char *const names[SCRIPTS_MAX] = {"a", "b", "c", "d", "e"};

    disk_on_sync(on_sync);
    explore_eventfd_clear();
    ledger_begin(&explored->chain);
    is_shutdown_asked = false;
    is_following = false;
    held_count = 0;
    followed_lsn = 0;
    followed = (struct lf_waiter){0};
    memset(&told, 0, sizeof told);
    close_result = 0;
    actor_count = 0;
    while (actor_count < SCRIPTS_MAX && world->scripts[actor_count][0].call != END) {
        struct actor *actor = &actors[actor_count];
        *actor = (struct actor){.number = actor_count};
        actor->fibre = scheduler_create(names[actor_count], act, actor);
        actor_count++;
    }
    scheduler_create("closer", close_when_done, NULL);
}

static void check(void)
{
    bool failed = disk_has_failed();

    if (failed ? close_result != 0 && close_result != LOGFILE_EFAILED : close_result != 0)
        scheduler_fail("close returns %d", close_result);
    ledger_check(failed);
    if (world->options.event != NULL)
        check_told();
}

/* ---- The worlds ---- */

#define UNPREPARED .options = {.prepare = LOGFILE_PREPARE_NONE, .io_mode = LOGFILE_IO_BUFFERED}
#define RING(flush, waits)                                                                         \
    UNPREPARED, .lab = {.flusher = LOGFILE_FLUSHER_##flush, .wait = LOGFILE_WAIT_##waits}
#define DEVICE .disk = {.sync_ns = 30000}

static const struct log_world three_sequencer = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}}, {{APPEND, SMALL, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world three_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}}, {{APPEND, SMALL, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world crosser_sequencer = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}}, {{APPEND, HALF, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world crosser_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}, {APPEND, SMALL, 0}}, {{APPEND, HALF, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world crosser_leader = {
    RING(LEADER, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}, {APPEND, SMALL, 0}}, {{APPEND, HALF, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world submit_wait = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {WAIT_UNTIL, 0, HOUR}},
                {{SUBMIT, SMALL, 0}, {SUBMIT, SMALL, 0}, {FLUSH_UNTIL, 0, HOUR}},
                {{APPEND_UNTIL, SMALL, HOUR}}},
};
static const struct log_world submit_sequencer = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {SUBMIT, SMALL, 0}, {WAIT_UNTIL, 0, HOUR}},
                {{SUBMIT, HALF, 0}, {FLUSH_UNTIL, 0, HOUR}},
                {{SUBMIT, HALF, 0}}},
};
static const struct log_world submit_leader = {
    RING(LEADER, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {WAIT, 0, 0}},
                {{SUBMIT, SMALL, 0}, {FLUSH, 0, 0}},
                {{APPEND, SMALL, 0}}},
};
static const struct log_world pace_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {SUBMIT, SMALL, 0}, {FLUSH_UNTIL, 0, HOUR}},
                {{SUBMIT, SMALL, 0}}},
};
static const struct log_world pace_sequencer = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {SUBMIT, SMALL, 0}, {FLUSH_UNTIL, 0, HOUR}},
                {{SUBMIT, SMALL, 0}}},
};
static const struct log_world shutdown_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}},
                {{SUBMIT, SMALL, 0}, {WAIT_UNTIL, 0, HOUR}},
                {{SHUTDOWN, 0, 0}}},
};
static const struct log_world shutdown_leader = {
    RING(LEADER, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}}, {{APPEND, HALF, 0}}, {{SHUTDOWN, 0, 0}}},
};
static const struct log_world follow_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {AWAIT, 0, 0}, {SHUTDOWN, 0, 0}}, {{FOLLOW, 0, 0}}},
};
static const struct log_world follow_failure = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}, {SHUTDOWN, 0, 0}},
                {{FOLLOW, 0, 0}},
                {{APPEND, SMALL, 0}}},
};
static const struct log_world failure_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}},
                {{APPEND, HALF, 0}},
                {{SUBMIT, HALF, 0}, {FLUSH, 0, 0}}},
};
static const struct log_world failure_sequencer = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}}, {{APPEND, HALF, 0}}, {{APPEND, HALF, 0}}},
};
static const struct log_world failure_leader = {
    RING(LEADER, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}}, {{APPEND, HALF, 0}}, {{APPEND, HALF, 0}}},
};
static const struct log_world hungry = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}},
                {{APPEND, LARGE, 0}},
                {{APPEND_UNTIL, LARGE, HOUR}}},
};
static const struct log_world gather = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}, {APPEND, SMALL, 0}},
                {{APPEND, SMALL, 0}, {APPEND, SMALL, 0}, {APPEND, SMALL, 0}}},
};
/* Two that come back and wait by LSN: nobody guards their epochs but the sequencer. */
#define COMES_BACK                                                                                 \
    {                                                                                              \
        {SUBMIT, SMALL, 0}, {WAIT, 0, 0}, {SUBMIT, SMALL, 0}, {WAIT, 0, 0}, {SUBMIT, SMALL, 0},    \
        {                                                                                          \
            WAIT, 0, 0                                                                             \
        }                                                                                          \
    }
static const struct log_world gather_waits = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {COMES_BACK, COMES_BACK},
};
static const struct log_world gather_waits_sequencer = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {COMES_BACK, COMES_BACK},
};
/* The same beside one that appends, which may be the guard; and one whose deadline comes. */
static const struct log_world gather_mixed = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {COMES_BACK,
                {{APPEND, SMALL, 0}, {APPEND, SMALL, 0}, {SUBMIT, SMALL, 0}, {FLUSH, 0, 0}}},
};
static const struct log_world gather_event = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {COMES_BACK,
                {{SUBMIT, SMALL, 0},
                 {POLL, 0, 0},
                 {SUBMIT, SMALL, 0},
                 {POLL, 0, 0},
                 {SUBMIT, SMALL, 0},
                 {POLL, 0, 0}}},
};
static const struct log_world spin = {
    RING(HYBRID, ADAPTIVE),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}},
                {{APPEND, SMALL, 0}, {APPEND, SMALL, 0}},
                {{APPEND_UNTIL, SMALL, HOUR}}},
};
static const struct log_world shards = {
    UNPREPARED,
    .lab = {.publish_shards = 2, .reserve = LOGFILE_RESERVE_CAS},
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}}, {{APPEND, HALF, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world locked = {
    UNPREPARED,
    .lab = {.reserve = LOGFILE_RESERVE_TICKET},
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}}, {{APPEND, HALF, 0}}, {{FLUSH, 0, 0}, {APPEND, SMALL, 0}}},
};
static const struct log_world locked_mutex = {
    UNPREPARED,
    .lab = {.reserve = LOGFILE_RESERVE_MUTEX},
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}}, {{APPEND, HALF, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world exact = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, FILLS, 0}, {APPEND, SMALL, 0}},
                {{APPEND, FILLS, 0}},
                {{APPEND, FILLS, 0}}},
};
static const struct log_world trim = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}}, {{APPEND, SMALL, 0}, {TRIM, 0, 0}}},
};
static const struct log_world room = {
    .options = {.prepare = LOGFILE_PREPARE_ALLOCATE,
                .prepare_bytes = 4096,
                .io_mode = LOGFILE_IO_BUFFERED},
    .disk = {.sync_ns = 30000, .capacity_bytes = 44 << 10},
    .may_lack_room = true,
    .scripts = {{{APPEND, HALF, 0}, {APPEND, HALF, 0}},
                {{APPEND, HALF, 0}, {APPEND, HALF, 0}},
                {{ADD_ROOM, 0, 0}}},
};
static const struct log_world room_failure = {
    .options = {.prepare = LOGFILE_PREPARE_ALLOCATE,
                .prepare_bytes = 4096,
                .io_mode = LOGFILE_IO_BUFFERED},
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}, {APPEND, HALF, 0}}, {{APPEND, HALF, 0}, {APPEND, HALF, 0}}},
};
#define ENGINE(name) UNPREPARED, .lab = {.engine = name}
static const struct log_world mutex = {
    ENGINE(LOGFILE_ENGINE_MUTEX),
    DEVICE,
    .scripts = {{{APPEND, HALF, 0}, {SUBMIT, HALF, 0}, {WAIT, 0, 0}},
                {{APPEND, HALF, 0}, {APPEND_UNTIL, HALF, HOUR}},
                {{SUBMIT, SMALL, 0}, {FLUSH, 0, 0}}},
};
static const struct log_world mutex_per_epoch = {
    UNPREPARED,
    .lab = {.engine = LOGFILE_ENGINE_MUTEX,
            .variant_flags = LOGFILE_VARIANT_CHECKSUM_FIRST | LOGFILE_VARIANT_WAKE_PER_EPOCH},
    DEVICE,
    .scripts = {{{APPEND_UNTIL, HALF, HOUR}, {SUBMIT, SMALL, 0}, {WAIT, 0, 0}},
                {{APPEND, HALF, 0}, {APPEND, HALF, 0}},
                {{APPEND, HALF, 0}, {SHUTDOWN, 0, 0}}},
};
static const struct log_world serial = {
    ENGINE(LOGFILE_ENGINE_SERIAL),
    DEVICE,
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, HALF, 0}},
                {{SUBMIT, SMALL, 0}, {FLUSH, 0, 0}},
                {{APPEND, SMALL, 0}, {SHUTDOWN, 0, 0}}},
};
/* A sync that hangs for 30 s: calls with a deadline come back at it, can be asked again, and go well
 * once the device is back. */
#define HANGS .disk = {.sync_ns = 30000, .hang_ns = 30000 * MS}, .may_time_out = true
static const struct log_world hang_hybrid = {
    RING(HYBRID, BLOCK),
    HANGS,
    .scripts = {{{APPEND_UNTIL, SMALL, 1000 * MS},
                 {WAIT_UNTIL, 0, 2000 * MS},
                 {FLUSH_UNTIL, 0, 500 * MS},
                 {WAIT, 0, 0}},
                {{SUBMIT_UNTIL, HALF, 700 * MS}, {SUBMIT_UNTIL, HALF, 900 * MS}, {FLUSH, 0, 0}},
                {{PAUSE, 0, 100 * MS}, {SHUTDOWN_UNTIL, 0, 3000 * MS}, {SHUTDOWN, 0, 0}}},
};
static const struct log_world hang_sequencer = {
    RING(SEQUENCER, ADAPTIVE),
    HANGS,
    .scripts = {{{APPEND, SMALL, 0}},
                {{APPEND_UNTIL, SMALL, 1000 * MS}, {WAIT_UNTIL, 0, 1000 * MS}, {WAIT, 0, 0}},
                {{APPEND_UNTIL, LARGE, 1500 * MS}, {FLUSH_UNTIL, 0, 500 * MS}, {FLUSH, 0, 0}}},
};

/* Calls that may not wait, among others that rely on them as on any. */
#define NO_WAIT                                                                                    \
    DEVICE, .may_time_out = true,                                                                  \
            .scripts = {                                                                           \
                {{APPEND_UNTIL, SMALL, AT_ONCE}, {SUBMIT_UNTIL, HALF, AT_ONCE}, {FLUSH, 0, 0}},    \
                {{APPEND, HALF, 0}, {WAIT_UNTIL, 0, AT_ONCE}},                                     \
                {{SUBMIT_UNTIL, LARGE, AT_ONCE},                                                   \
                 {FLUSH_UNTIL, 0, AT_ONCE},                                                        \
                 {SHUTDOWN_UNTIL, 0, AT_ONCE}}}
static const struct log_world no_wait_hybrid = {RING(HYBRID, BLOCK), NO_WAIT};
static const struct log_world no_wait_leader = {RING(LEADER, BLOCK), NO_WAIT};
static const struct log_world no_wait_mutex = {ENGINE(LOGFILE_ENGINE_MUTEX), NO_WAIT};

static const struct log_world event_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {POLL, 0, 0}, {SUBMIT, SMALL, 0}, {POLL, 0, 0}},
                {{APPEND, SMALL, 0}, {SUBMIT, SMALL, 0}}},
};
static const struct log_world event_sequencer = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {POLL, 0, 0}, {SUBMIT, SMALL, 0}, {POLL, 0, 0}},
                {{SUBMIT, HALF, 0}, {SUBMIT, SMALL, 0}}},
};
static const struct log_world event_room = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT_IN_LOOP, HALF, 0}, {SUBMIT_IN_LOOP, HALF, 0}, {POLL, 0, 0}},
                {{APPEND, HALF, 0}, {APPEND, HALF, 0}}},
};
static const struct log_world event_failure = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {POLL, 0, 0}, {SUBMIT, HALF, 0}, {POLL, 0, 0}},
                {{APPEND, HALF, 0}}},
};
static const struct log_world event_mutex = {
    ENGINE(LOGFILE_ENGINE_MUTEX),
    DEVICE,
    .scripts = {{{SUBMIT, SMALL, 0}, {FLUSH, 0, 0}, {POLL, 0, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world batch_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{SUBMIT_BATCH, FILLS / 2, 0}, {WAIT, 0, 0}},
                {{APPEND, HALF, 0}, {SUBMIT_BATCH, SMALL, 0}, {FLUSH, 0, 0}},
                {{SUBMIT_BATCH, SMALL, 0}, {WAIT_UNTIL, 0, HOUR}}},
};
static const struct log_world batch_others = {
    ENGINE(LOGFILE_ENGINE_MUTEX),
    DEVICE,
    .scripts = {{{SUBMIT_BATCH, FILLS / 2, 0}, {WAIT, 0, 0}},
                {{APPEND, HALF, 0}, {SUBMIT_BATCH, SMALL, 0}, {FLUSH, 0, 0}}},
};
static const struct log_world reserve_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .scripts = {{{PUBLISH, SMALL, 0}, {WAIT, 0, 0}, {ABANDON, HALF, 0}},
                {{ABANDON, SMALL, 0}, {APPEND, HALF, 0}},
                {{APPEND, SMALL, 0}}},
};
static const struct log_world reserve_leader = {
    RING(LEADER, BLOCK),
    DEVICE,
    .scripts = {{{PUBLISH, HALF, 0}, {WAIT, 0, 0}},
                {{ABANDON, HALF, 0}, {APPEND, SMALL, 0}},
                {{APPEND, SMALL, 0}}},
};
static const struct log_world reserve_failure = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .scripts = {{{PUBLISH, SMALL, 0}, {WAIT, 0, 0}, {PUBLISH, HALF, 0}},
                {{APPEND, HALF, 0}, {ABANDON, SMALL, 0}}},
};

/* What joins an epoch whose first place is held demands no flush: that is the holder's, when it ends.  The
 * appends before leave a gather behind, whose guard there is none of then. */
#define HOLD                                                                                       \
    DEVICE, .scripts = {{{PUBLISH, SMALL, MS}, {ABANDON, SMALL, MS}},                              \
                        {{APPEND, SMALL, 0}, {APPEND, SMALL, 0}},                                  \
                        {{APPEND, SMALL, 0}, {SUBMIT, SMALL, 0}, {WAIT, 0, 0}}}
static const struct log_world hold_hybrid = {RING(HYBRID, BLOCK), HOLD};
static const struct log_world hold_sequencer = {RING(SEQUENCER, BLOCK), HOLD};
static const struct log_world hold_leader = {RING(LEADER, BLOCK), HOLD};

/* The event hook beside writers: with a call that takes its time, so that events come meanwhile. */
#define HOOKED                                                                                     \
    .options = {.prepare = LOGFILE_PREPARE_NONE,                                                   \
                .io_mode = LOGFILE_IO_BUFFERED,                                                    \
                .event = hook,                                                                     \
                .slow_ns = 1000 * MS}
static const struct log_world hook_trims = {
    HOOKED,
    DEVICE,
    .hook_ns = 200000,
    .scripts = {{{APPEND, SMALL, 0}, {TRIM, 0, 0}, {APPEND, SMALL, 0}, {TRIM, 0, 0}},
                {{APPEND, SMALL, 0}, {TRIM, 0, 0}}},
};
static const struct log_world hook_slow = {
    HOOKED,
    HANGS,
    .scripts = {{{APPEND, SMALL, 0}, {TRIM, 0, 0}},
                {{APPEND_UNTIL, SMALL, 3000 * MS}, {WAIT, 0, 0}}},
};
static const struct log_world hook_room = {
    .options = {.prepare = LOGFILE_PREPARE_ALLOCATE,
                .prepare_bytes = 4096,
                .io_mode = LOGFILE_IO_BUFFERED,
                .event = hook,
                .slow_ns = 1000 * MS},
    .disk = {.sync_ns = 30000, .capacity_bytes = 44 << 10},
    .hook_ns = 100000,
    .may_lack_room = true,
    .scripts = {{{APPEND, HALF, 0}, {APPEND, HALF, 0}, {APPEND, HALF, 0}}, {{ADD_ROOM, 0, 0}}},
};

static const struct log_world shared_hybrid = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .shared_sequencers = 2,
    .scripts = {{{APPEND, SMALL, 0}, {SUBMIT, SMALL, 0}, {WAIT, 0, 0}}, {{APPEND, SMALL, 0}}},
};
static const struct log_world shared_sequencer = {
    RING(SEQUENCER, BLOCK),
    DEVICE,
    .shared_sequencers = 2,
    .scripts = {{{SUBMIT, HALF, 0}, {SUBMIT, SMALL, 0}, {WAIT, 0, 0}}, {{APPEND, HALF, 0}}},
};
static const struct log_world shared_failure = {
    RING(HYBRID, BLOCK),
    DEVICE,
    .shared_sequencers = 2,
    .scripts = {{{SUBMIT, SMALL, 0}, {FLUSH, 0, 0}}, {{APPEND, HALF, 0}}},
};
/* Commits that are shorter than a wake-up. */
static const struct log_world short_hybrid = {
    RING(HYBRID, ADAPTIVE),
    .disk = {.sync_ns = 1000},
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, SMALL, 0}},
                {{APPEND, SMALL, 0}, {APPEND, HALF, 0}},
                {{APPEND, HALF, 0}}},
};
static const struct log_world short_leader = {
    RING(LEADER, ADAPTIVE),
    .disk = {.sync_ns = 1000},
    .scripts = {{{APPEND, SMALL, 0}, {APPEND, HALF, 0}},
                {{SUBMIT, SMALL, 0}, {WAIT, 0, 0}, {APPEND, HALF, 0}}},
};
static const struct log_world short_failure = {
    RING(HYBRID, ADAPTIVE),
    .disk = {.sync_ns = 1000},
    .scripts = {{{APPEND, SMALL, 0}, {SUBMIT, SMALL, 0}}, {{APPEND, SMALL, 0}, {APPEND, HALF, 0}}},
};
static const struct executor_world executor_one = {.threads = 1};
static const struct executor_world executor_two = {.threads = 2};
static const struct executor_world executor_timed = {.threads = 2, .pause_ns = 1000};

#define EXECUTOR_WORLD(label, text, which)                                                         \
    {                                                                                              \
        .name = label, .about = text, .set_up = executor_set_up, .begin = executor_begin,          \
        .check = executor_check, .arg = &which                                                     \
    }
#define WORLD(label, text, script, fault_count)                                                    \
    {                                                                                              \
        .name = label, .about = text, .set_up = set_up, .begin = begin, .check = check,            \
        .arg = &script, .faults = fault_count                                                      \
    }

const struct world log_worlds[] = {
    WORLD("three-sequencer", "three appends, sequencer", three_sequencer, 0),
    WORLD("three-hybrid", "three appends, hybrid", three_hybrid, 0),
    WORLD("crosser-sequencer", "two records that fill more than a slot, sequencer",
          crosser_sequencer, 0),
    WORLD("crosser-hybrid", "the same and one more, hybrid", crosser_hybrid, 0),
    WORLD("crosser-leader", "the same, leader", crosser_leader, 0),
    WORLD("submit-hybrid", "submit and wait, submit and flush, timed append", submit_wait, 0),
    WORLD("submit-sequencer", "submits that fill a slot, wait, flush", submit_sequencer, 0),
    WORLD("submit-leader", "submit and wait, submit and flush, append", submit_leader, 0),
    WORLD("pace-hybrid", "submits between flushes, hybrid", pace_hybrid, 0),
    WORLD("pace-sequencer", "submits between flushes, sequencer", pace_sequencer, 0),
    WORLD("shutdown-hybrid", "shutdown beside appends and a submit", shutdown_hybrid, 0),
    WORLD("shutdown-leader", "shutdown beside a crosser", shutdown_leader, 0),
    WORLD("follow-hybrid", "a follower beside an append, and a shutdown after it", follow_hybrid,
          0),
    WORLD("follow-failure", "a follower beside appends, one call of the disk fails", follow_failure,
          1),
    WORLD("failure-hybrid", "one call of the disk fails", failure_hybrid, 1),
    WORLD("failure-sequencer", "one call of the disk fails", failure_sequencer, 1),
    WORLD("failure-leader", "one call of the disk fails", failure_leader, 1),
    WORLD("hungry", "two large records among small ones", hungry, 0),
    WORLD("gather", "two writers that come back", gather, 0),
    WORLD("gather-waits", "two that submit and wait, and come back", gather_waits, 0),
    WORLD("gather-waits-sequencer", "the same, sequencer", gather_waits_sequencer, 0),
    WORLD("gather-mixed", "one that submits and waits, beside appends and a flush", gather_mixed,
          0),
    WORLD("gather-event", "one that submits and waits, beside an event loop", gather_event, 0),
    WORLD("spin", "adaptive waiters", spin, 0),
    WORLD("shards-cas", "two shards, reserving by compare-and-swap", shards, 0),
    WORLD("ticket", "reserving under a lock, and a flush", locked, 0),
    WORLD("reserve-mutex", "reserving under a mutex", locked_mutex, 0),
    WORLD("exact", "two records that fill a slot to its last byte, and more", exact, 0),
    WORLD("trim", "trim beside appends, one call of the disk fails", trim, 1),
    WORLD("room", "a disk that is full, and becomes larger", room, 0),
    WORLD("room-failure", "room is made ahead, and one call of the disk fails", room_failure, 1),
    WORLD("mutex", "the mutex engine, more than its buffers hold, one call fails", mutex, 1),
    WORLD("mutex-per-epoch", "the same with its waiters apart, and a shutdown", mutex_per_epoch, 1),
    WORLD("serial", "the serial engine, one call fails", serial, 1),
    WORLD("hang-hybrid", "a sync that hangs for 30 s", hang_hybrid, 0),
    WORLD("hang-sequencer", "a sync that hangs for 30 s", hang_sequencer, 0),
    WORLD("no-wait-hybrid", "calls whose deadline has passed", no_wait_hybrid, 0),
    WORLD("no-wait-leader", "calls whose deadline has passed", no_wait_leader, 0),
    WORLD("event-hybrid", "an event loop beside appends, hybrid", event_hybrid, 0),
    WORLD("event-sequencer", "an event loop beside submits, sequencer", event_sequencer, 0),
    WORLD("event-room", "an event loop that waits for room", event_room, 0),
    WORLD("event-failure", "an event loop, one call of the disk fails", event_failure, 1),
    WORLD("event-mutex", "an event loop, the mutex engine", event_mutex, 0),
    WORLD("batch-hybrid", "batches beside appends, more than a slot holds", batch_hybrid, 0),
    WORLD("batch-mutex", "batches, the mutex engine, one call fails", batch_others, 1),
    WORLD("reserve-hybrid", "reservations that are published and abandoned", reserve_hybrid, 0),
    WORLD("reserve-leader", "the same, more than a slot holds, leader", reserve_leader, 0),
    WORLD("reserve-failure", "reservations, one call of the disk fails", reserve_failure, 1),
    WORLD("hold-hybrid", "appends join a reservation that is held for long", hold_hybrid, 0),
    WORLD("hold-sequencer", "the same, sequencer", hold_sequencer, 0),
    WORLD("hold-leader", "the same, leader", hold_leader, 0),
    WORLD("no-wait-mutex", "calls whose deadline has passed", no_wait_mutex, 0),
    WORLD("hook-trims", "an event hook that takes its time, beside trims", hook_trims, 0),
    WORLD("hook-failure", "the same, one call of the disk fails", hook_trims, 1),
    WORLD("hook-slow", "an event hook while a sync hangs for 30 s", hook_slow, 0),
    WORLD("hook-room", "an event hook on a disk that is full, and becomes larger", hook_room, 0),
    WORLD("short-hybrid", "commits that are shorter than a wake-up", short_hybrid, 0),
    WORLD("short-leader", "the same, leader", short_leader, 0),
    WORLD("short-failure", "the same, one call of the disk fails", short_failure, 1),
    WORLD("shared-hybrid", "two threads that logs share, hybrid", shared_hybrid, 0),
    WORLD("shared-sequencer", "the same, submits that fill a slot", shared_sequencer, 0),
    WORLD("shared-failure", "the same, one call of the disk fails", shared_failure, 1),
    EXECUTOR_WORLD("executor-one", "two tasks of one thread", executor_one),
    EXECUTOR_WORLD("executor-two", "two tasks of two threads", executor_two),
    EXECUTOR_WORLD("executor-timed", "the same, and steps that run again by themselves",
                   executor_timed),
};
const unsigned log_world_count = sizeof log_worlds / sizeof log_worlds[0];
