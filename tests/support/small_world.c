/* SPDX-License-Identifier: MIT */
#include "small_world.h"

#include "heap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOG_PATH "small.log"
#define LSN_UNSET UINT64_MAX

enum {
    SMALL_BYTES = 40,
    LARGE_BYTES = 4400, /* of two blocks with its headers, nine sectors */
    OPEN_TRIES = 4,     /* a fault, a full disk, and each once more behind a power cut */
    SLOT_BYTES = 8 << 10,
    SEGMENT_BYTES = SLOT_BYTES + (20 << 10) /* the smallest: each epoch has one of its own */
};

const struct small_world_kind small_world_kinds[SMALL_WORLD_SCRIPT_KIND_COUNT] = {
    {"ring-buffered", LOGFILE_ENGINE_RING, LOGFILE_IO_BUFFERED, LOGFILE_SYNC_FDATASYNC,
     LOGFILE_SIM_SYNC, 0},
    {"ring-direct", LOGFILE_ENGINE_RING, LOGFILE_IO_DIRECT, LOGFILE_SYNC_FDATASYNC,
     LOGFILE_SIM_WRITE, 0},
    {"mutex-dsync", LOGFILE_ENGINE_MUTEX, LOGFILE_IO_BUFFERED, LOGFILE_SYNC_DSYNC,
     LOGFILE_SIM_WRITE, 0},
    {"mutex-direct", LOGFILE_ENGINE_MUTEX, LOGFILE_IO_DIRECT, LOGFILE_SYNC_FDATASYNC,
     LOGFILE_SIM_SYNC, 0},
    {"serial-dsync", LOGFILE_ENGINE_SERIAL, LOGFILE_IO_DIRECT, LOGFILE_SYNC_DSYNC,
     LOGFILE_SIM_WRITE, 0},
    {"serial-buffered", LOGFILE_ENGINE_SERIAL, LOGFILE_IO_BUFFERED, LOGFILE_SYNC_FDATASYNC,
     LOGFILE_SIM_SYNC, 0},
    {"ring-segments", LOGFILE_ENGINE_RING, LOGFILE_IO_BUFFERED, LOGFILE_SYNC_FDATASYNC,
     LOGFILE_SIM_SYNC, SEGMENT_BYTES},
};

/* ---- Scripts ---- */

static const struct small_world_kind *find_kind(const char *text, size_t length)
{
    for (unsigned i = 0; i < SMALL_WORLD_SCRIPT_KIND_COUNT; i++)
        if (strlen(small_world_kinds[i].name) == length &&
            memcmp(small_world_kinds[i].name, text, length) == 0)
            return &small_world_kinds[i];
    return NULL;
}

bool small_world_parse(const char *text, struct small_world_script *script)
{
    const char *colon = strchr(text, ':');

    if (colon == NULL || strlen(colon + 1) > SMALL_WORLD_STEPS_MAX ||
        strspn(colon + 1, SMALL_WORLD_SCRIPT_LETTERS) != strlen(colon + 1))
        return false;
    *script = (struct small_world_script){.kind = find_kind(text, (size_t)(colon - text))};
    strcpy(script->steps, colon + 1);
    return script->kind != NULL;
}

const char *small_world_script_text(const struct small_world_script *script)
{
    static char text[64 + SMALL_WORLD_STEPS_MAX];

    snprintf(text, sizeof text, "%s:%s", script->kind->name, script->steps);
    return text;
}

/* ---- Answers ---- */

static void fails(struct small_world *world, const char *what, int error)
{
    if (world->why[0] == '\0')
        snprintf(world->why, sizeof world->why, "%s: %s", what, logfile_strerror(error));
}

/* Whether the world is one in which calls may fail. */
static bool may_fail(const struct small_world *world)
{
    return world->is_hurt || logfile_sim_is_down(world->disk);
}

static void expect(struct small_world *world, const char *what, int error)
{
    bool is_of_a_fault = error == LOGFILE_EFAILED || error == -ENOSPC || error == -EIO;

    if (error != 0 && !(is_of_a_fault && may_fail(world)))
        fails(world, what, error);
}

/* ---- Opening and closing ---- */

/* Of a copy, because a reader syncs what it is not sure of: the log has to do that by itself. */
static void compare(struct small_world *world)
{
    struct logfile_sim *copy = logfile_sim_clone(world->disk);

    journal_compare_path(&world->journal, LOG_PATH, logfile_sim_io(copy), world->why);
    logfile_sim_free(copy);
}

/* What is open has been synced, so the log starts there from now on. */
static void note_oldest(struct small_world *world)
{
    uint64_t oldest_lsn = logfile_oldest_lsn(world->log);

    if (oldest_lsn < world->journal.oldest_min)
        fails(world, "the log starts below what was trimmed", LOGFILE_ECORRUPT);
    journal_trimmed(&world->journal, oldest_lsn);
}

static void give_space(struct small_world *world)
{
    logfile_sim_set_capacity(world->disk, 0);
    world->is_full = false;
}

static int try_to_open(struct small_world *world)
{
    int error = -EIO;

    for (int i = 0; i < OPEN_TRIES && error != 0 && !logfile_sim_is_down(world->disk); i++) {
        error = logfile_open(LOG_PATH, &world->options, NULL, &world->log);
        expect(world, "open", error);
        if (error == -ENOSPC)
            give_space(world);
    }
    return error;
}

/* What is in a log that was opened is what the log owes from then on. */
static void open_log(struct small_world *world)
{
    world->options.io = logfile_sim_io(world->disk);
    world->options.lab = &world->lab;
    int error = try_to_open(world);

    if (error != 0) {
        world->log = NULL;
        if (!logfile_sim_is_down(world->disk))
            fails(world, "open, again and again", error);
        return;
    }
    logfile_sim_fault_clear(world->disk);
    world->is_hurt = world->is_full;
    note_oldest(world);
    compare(world);
}

static void close_log(struct small_world *world)
{
    if (world->log == NULL)
        return;
    int error = logfile_close(world->log);
    world->log = NULL;
    expect(world, "close", error);
    if (error == 0)
        journal_ack_below(&world->journal, UINT64_MAX);
}

/* ---- Steps ---- */

static void note(struct small_world *world, uint64_t lsn, uint64_t seed, size_t size, bool acked)
{
    if (lsn == LSN_UNSET)
        return;
    journal_add(&world->journal, lsn, seed, size, acked);
    if (acked)
        journal_ack_below(&world->journal, lsn);
}

static bool submit_is_durable(const struct small_world *world)
{
    return world->lab.engine == LOGFILE_ENGINE_SERIAL ||
           world->script->plant == SMALL_WORLD_EARLY_ACK;
}

/* The numbers in the journal grow. */
static uint64_t next_seed(const struct small_world *world)
{
    const struct journal *journal = &world->journal;

    return journal->count == 0 ? 1 : journal->entries[journal->count - 1].seed + 7919;
}

static void submit(struct small_world *world, size_t size)
{
    uint8_t payload[LARGE_BYTES];
    uint64_t seed = next_seed(world);
    uint64_t lsn = LSN_UNSET;

    payload_fill(payload, size, seed);
    int error = logfile_submit(world->log, payload, size, NULL, &lsn);
    expect(world, "submit", error);
    note(world, lsn, seed, size, error == 0 && submit_is_durable(world));
}

static void append_too_late(struct small_world *world)
{
    uint8_t payload[SMALL_BYTES];
    struct timespec deadline = deadline_in_ms(-1);
    uint64_t seed = next_seed(world);
    uint64_t lsn = LSN_UNSET;

    payload_fill(payload, sizeof payload, seed);
    int error = logfile_append_until(world->log, payload, sizeof payload, &deadline, &lsn);
    if (!is_late(error))
        expect(world, "append_until", error);
    note(world, lsn, seed, sizeof payload, error == 0);
}

/* Its records lie in two blocks and many sectors. */
static void submit_batch(struct small_world *world)
{
    static const size_t sizes[] = {SMALL_BYTES, LARGE_BYTES - 400, SMALL_BYTES};
    enum {
        COUNT = sizeof sizes / sizeof sizes[0]
    };
    uint8_t payloads[COUNT][LARGE_BYTES];
    struct iovec records[COUNT];
    uint64_t lsns[COUNT] = {LSN_UNSET, LSN_UNSET, LSN_UNSET};
    uint64_t seed = next_seed(world);

    for (unsigned i = 0; i < COUNT; i++) {
        payload_fill(payloads[i], sizes[i], seed + i);
        records[i] = (struct iovec){.iov_base = payloads[i], .iov_len = sizes[i]};
    }
    int error = logfile_submit_batch(world->log, records, COUNT, NULL, lsns);
    expect(world, "submit_batch", error);
    for (unsigned i = 0; i < COUNT; i++) {
        note(world, lsns[i], seed + i, sizes[i], error == 0 && submit_is_durable(world));
        if ((lsns[i] == LSN_UNSET) != (lsns[0] == LSN_UNSET))
            fails(world, "a part of a batch has its place", error);
    }
    if (lsns[0] != LSN_UNSET)
        journal_tie(&world->journal, COUNT);
}

/* What is abandoned has a payload too, which is never to be read. */
static void reserve(struct small_world *world, bool publishes)
{
    struct logfile_reservation reservation;
    uint64_t seed = next_seed(world);
    int error = logfile_reserve(world->log, LARGE_BYTES, NULL, &reservation);

    if (world->lab.engine != LOGFILE_ENGINE_RING) {
        if (error != -EOPNOTSUPP)
            fails(world, "an engine without reservations gives one", error);
        return;
    }
    expect(world, "reserve", error);
    if (error != 0)
        return;
    const uint64_t lsn = reservation.lsn;
    payload_fill(reservation.data, LARGE_BYTES, seed);
    error = publishes ? logfile_publish(world->log, &reservation)
                      : logfile_abandon(world->log, &reservation);
    expect(world, publishes ? "publish" : "abandon", error);
    if (publishes)
        note(world, lsn, seed, LARGE_BYTES, false);
}

/* What an event says to be durable is owed. */
static void take_event(struct small_world *world)
{
    struct logfile_event_state state;
    const uint64_t durable_lsn = logfile_durable_lsn(world->log);
    int error = logfile_event_fd(world->log);

    if (error >= 0)
        error = logfile_event_take(world->log, &state, sizeof state);
    if (error != 0) {
        fails(world, "taking an event", error);
        return;
    }
    if (state.durable_lsn < durable_lsn)
        fails(world, "an event tells of less than is durable", 0);
    if (state.failed && !may_fail(world))
        fails(world, "an event tells of a failure", 0);
    journal_ack_below(&world->journal, state.durable_lsn);
}

static void flush(struct small_world *world)
{
    int error = logfile_sync(world->log, NULL);

    expect(world, "flush", error);
    if (error == 0)
        journal_ack_below(&world->journal, UINT64_MAX);
}

/* All that can be given back. */
static void trim(struct small_world *world)
{
    uint64_t lsn = logfile_durable_lsn(world->log);

    journal_ask_trim(&world->journal, lsn);
    expect(world, "trim", logfile_trim(world->log, lsn));
    journal_trimmed(&world->journal, logfile_oldest_lsn(world->log));
}

static void fill_disk(struct small_world *world)
{
    logfile_sim_set_capacity(world->disk, logfile_sim_used_bytes(world->disk, NULL));
    world->is_hurt = world->is_full = true;
}

static void fail_once(struct small_world *world)
{
    struct logfile_sim_fault fault = {.call = world->script->kind->fails, .error = -EIO};

    logfile_sim_fault(world->disk, &fault);
    world->is_hurt = true;
}

static void arm(struct small_world *world)
{
    if (world->crash_call > 0)
        logfile_sim_crash_at(world->disk, world->crash_call);
}

/* The power goes between two calls: a copy of the disk goes on without the log that is open. */
static void cut_power(struct small_world *world)
{
    static const uint64_t keeps[] = {0, UINT64_C(0xaaaaaaaaaaaaaaaa), UINT64_MAX};
    struct logfile_sim *old = world->disk;
    struct logfile_sim *left = logfile_sim_clone(old);

    if (world->log != NULL)
        (void)logfile_close(world->log); /* Nobody is left to hear of it. */
    world->log = NULL;
    logfile_sim_free(old);
    world->disk = left;
    logfile_sim_reboot_keeping(left, keeps[world->cut_count++ % 3]);
    arm(world);
    open_log(world);
}

/* The process dies in the next sync, behind its writes, and the machine lives. */
static void kill_in_sync(struct small_world *world)
{
    if (world->log == NULL) {
        logfile_sim_crash_at_call(world->disk, LOGFILE_SIM_SYNC_DIRECTORY, 1);
        open_log(world);
    } else {
        logfile_sim_crash_at_call(world->disk, LOGFILE_SIM_SYNC, 1);
        flush(world);
    }
    close_log(world);
    logfile_sim_restart(world->disk);
    arm(world);
    open_log(world);
}

static void reopen(struct small_world *world)
{
    close_log(world);
    if (!logfile_sim_is_down(world->disk))
        open_log(world);
}

static void take_step(struct small_world *world, char letter)
{
    switch (letter) {
    case 's':
        submit(world, SMALL_BYTES);
        break;
    case 'm':
        submit(world, LARGE_BYTES);
        break;
    case 'b':
        submit_batch(world);
        break;
    case 'p':
    case 'a':
        reserve(world, letter == 'p');
        break;
    case 'v':
        take_event(world);
        break;
    case 'f':
        flush(world);
        break;
    case 'r':
        reopen(world);
        break;
    case 'c':
        cut_power(world);
        break;
    case 't':
        trim(world);
        break;
    case 'k':
        kill_in_sync(world);
        break;
    case 'e':
        fail_once(world);
        break;
    case 'n':
        fill_disk(world);
        break;
    default:
        append_too_late(world);
        break;
    }
}

/* ---- A life ---- */

static void begin(struct small_world *world, const struct small_world_script *script)
{
    struct logfile_sim_options disk = {.sync_lies = script->plant == SMALL_WORLD_SYNC_LIES};

    *world = (struct small_world){.script = script, .disk = logfile_sim_new(&disk)};
    world->options = (struct logfile_options){
        .io_mode = script->kind->io_mode,
        .sync = script->kind->sync,
        .prepare = LOGFILE_PREPARE_NONE,
        .slot_bytes = SLOT_BYTES,
        .segment_bytes = script->kind->segment_bytes,
    };
    world->lab = (struct logfile_lab){
        .engine = script->kind->engine,
        .flusher = LOGFILE_FLUSHER_LEADER,
        .wait = LOGFILE_WAIT_BLOCK,
        .slot_count = 2,
        .publish_shards = 1,
    };
    heap_use(&world->lab);
}

static void take_last_step(struct small_world *world, char letter, unsigned nth)
{
    world->crash_call = nth;
    if (letter != 'c' && letter != 'k') /* those crash by themselves first */
        arm(world);
    if (letter == '\0')
        open_log(world);
    else
        take_step(world, letter);
}

static bool is_broken(const struct small_world *world)
{
    return world->why[0] != '\0';
}

/* Behind the last step: the machine is off, or the log is closed and read. */
static void end_life(struct small_world *world)
{
    close_log(world);
    if (logfile_sim_is_down(world->disk) || is_broken(world))
        return;
    give_space(world);
    logfile_sim_fault_clear(world->disk);
    if (logfile_sim_exists(world->disk, LOG_PATH))
        compare(world);
}

bool small_world_run(struct small_world *world, const struct small_world_script *script,
                     unsigned nth)
{
    const size_t count = strlen(script->steps);

    begin(world, script);
    if (count > 0 && script->steps[0] != 'k')
        open_log(world);
    for (size_t i = 0; i + 1 < count && !is_broken(world); i++)
        take_step(world, script->steps[i]);
    if (!is_broken(world))
        take_last_step(world, script->steps[count == 0 ? 0 : count - 1], nth);
    bool is_struck = logfile_sim_is_down(world->disk);
    logfile_sim_crash_at(world->disk, 0);
    end_life(world);
    return is_struck;
}

void small_world_end(struct small_world *world)
{
    logfile_sim_free(world->disk);
    journal_free(&world->journal);
}

/* ---- What is left ---- */

static void append_one(struct small_world *world)
{
    uint8_t payload[SMALL_BYTES];
    uint64_t seed = next_seed(world);
    uint64_t lsn = LSN_UNSET;

    payload_fill(payload, sizeof payload, seed);
    int error = logfile_append(world->log, payload, sizeof payload, &lsn);
    expect(world, "append behind the recovery", error);
    note(world, lsn, seed, sizeof payload, true);
}

static void compare_closed(struct small_world *world)
{
    struct logfile_reader *reader;
    struct logfile_tail tail;
    int error = logfile_reader_open(
        LOG_PATH, &(struct logfile_reader_options){.io = logfile_sim_io(world->disk)}, &reader);

    if (error != 0) {
        fails(world, "reading what was closed", error);
        return;
    }
    if (journal_compare(&world->journal, reader, world->why)) {
        error = logfile_reader_tail(reader, &tail, sizeof tail);
        if (error != 0 || tail.verdict != LOGFILE_CLEAN)
            fails(world, "a log that was closed is not clean", error);
    }
    logfile_reader_close(reader);
}

static void go_on(struct small_world *world)
{
    open_log(world);
    if (world->log == NULL)
        return;
    if (!is_broken(world))
        append_one(world);
    close_log(world);
    if (!is_broken(world))
        compare_closed(world);
}

bool small_world_check(struct small_world *world, uint64_t keep)
{
    struct small_world left = {.script = world->script,
                               .disk = logfile_sim_clone(world->disk),
                               .options = world->options,
                               .lab = world->lab};

    journal_copy(&left.journal, &world->journal);
    give_space(&left);
    logfile_sim_reboot_keeping(left.disk, keep);
    go_on(&left);
    if (logfile_sim_misuse_count(left.disk) > 0)
        fails(&left, "a call broke a rule of logfile_io.h", 0);
    memcpy(world->why, left.why, sizeof world->why);
    small_world_end(&left);
    return !is_broken(world);
}
