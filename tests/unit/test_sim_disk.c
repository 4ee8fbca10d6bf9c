/* SPDX-License-Identifier: MIT */
/*
 * The simulated disk, behaviour by behaviour as logfile_sim.h has it: what a crash does to what was
 * not synced and leaves alone of what was, faults, gates, delays, capacity, copies, and counts.
 */
#include "logfile_sim.h"
#include "paths.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTOR ((size_t)512)
#define BLOCK ((size_t)LOGFILE_IO_BLOCK)
#define WRITE LOGFILE_IO_OPEN_WRITE
#define CREATE (LOGFILE_IO_OPEN_WRITE | LOGFILE_IO_OPEN_CREATE)
#define DIRECT LOGFILE_IO_OPEN_DIRECT

enum {
    SECTORS = 64, /* of the file that crashes */
    SEEDS = 400
};

static struct logfile_sim *disk;
static const struct logfile_io *io;
static _Alignas(4096) uint8_t buffer[SECTORS * 512];

static void begin(const struct logfile_sim_options *options)
{
    disk = logfile_sim_new(options);
    io = logfile_sim_io(disk);
}

static void end(void)
{
    logfile_sim_free(disk);
}

static int open_file(const char *path, unsigned flags)
{
    return io->open(io->context, LOGFILE_IO_HERE, path, flags, 0644);
}

static void close_file(int fd)
{
    ck_assert_int_eq(io->close(io->context, fd), 0);
}

static int create(const char *path)
{
    int fd = open_file(path, CREATE);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Each sector gets bytes of its own: the letter and its number. */
static void fill(uint8_t letter, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buffer[i] = i % SECTOR == 0 ? (uint8_t)(i / SECTOR) : letter;
}

static ssize_t put(int fd, uint8_t letter, size_t bytes, uint64_t offset)
{
    fill(letter, bytes);
    return io->write(io->context, fd, buffer, bytes, offset, 0);
}

static void sync_file(int fd)
{
    ck_assert_int_eq(io->sync(io->context, fd), 0);
}

static void sync_name(const char *path)
{
    ck_assert_int_eq(sync_parent(io, path), 0);
}

/* A file with a durable name and size, full of `letter`, synced. */
static int make_synced(const char *path, uint8_t letter, size_t bytes)
{
    int fd = create(path);

    ck_assert_int_eq(put(fd, letter, bytes, 0), (ssize_t)bytes);
    sync_file(fd);
    sync_name(path);
    return fd;
}

/* The letter of one sector; 0 where it is no sector that was written as a whole. */
static uint8_t letter_of(const uint8_t *sector)
{
    return memcmp(sector + 1, sector + 2, SECTOR - 2) == 0 ? sector[1] : 0;
}

static uint8_t letter_at(const char *path, uint64_t offset)
{
    uint8_t sector[512];

    ck_assert_int_eq(logfile_sim_peek(disk, path, offset, sector, sizeof sector), 0);
    return letter_of(sector);
}

/* ---- Crashes ---- */

START_TEST(test_what_was_synced_is_never_touched)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        begin(NULL);
        int fd = make_synced("/a", 's', SECTORS * SECTOR);
        put(fd, 'u', 2 * SECTOR, 8 * SECTOR);
        ck_assert_int_eq(logfile_sim_reboot(disk, seed), 0);
        ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), SECTORS * SECTOR);
        for (size_t i = 0; i < SECTORS; i++)
            if (i != 8 && i != 9)
                ck_assert_msg(letter_at("/a", i * SECTOR) == 's', "seed %d", (int)seed);
        end();
    }
}
END_TEST

/* Of so many crashes, some do and some do not. */
static bool is_sometimes(unsigned count)
{
    return count > 20 && count < SEEDS - 20;
}

struct fates {
    unsigned kept, dropped, trashed, stray;
};

/* The sectors of /a were 's' and synced, then 'u' and not. */
static void count_fates(struct fates *fates)
{
    for (size_t i = 0; i < SECTORS; i++) {
        uint8_t sector[512];
        logfile_sim_peek(disk, "/a", i * SECTOR, sector, sizeof sector);
        fates->kept += letter_of(sector) == 'u' && sector[0] == i;
        fates->stray += letter_of(sector) == 'u' && sector[0] != i;
        fates->dropped += letter_of(sector) == 's';
        fates->trashed += letter_of(sector) != 's' && letter_of(sector) != 'u';
    }
}

START_TEST(test_unsynced_sectors_meet_every_fate)
{
    struct fates all = {0};

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        begin(NULL);
        put(make_synced("/a", 's', SECTORS * SECTOR), 'u', SECTORS * SECTOR, 0);
        ck_assert_int_eq(logfile_sim_reboot(disk, seed), 0);
        count_fates(&all);
        end();
    }
    ck_assert_uint_gt(all.kept, SEEDS);
    ck_assert_uint_gt(all.dropped, SEEDS);
    ck_assert_uint_gt(all.trashed, SEEDS / 4);
    ck_assert_uint_gt(all.stray, SEEDS / 4);
}
END_TEST

static void crash_with(uint64_t seed, uint8_t image[SECTORS * 512])
{
    begin(NULL);
    put(make_synced("/a", 's', SECTORS * SECTOR), 'u', SECTORS * SECTOR, 0);
    ck_assert_int_eq(logfile_sim_reboot(disk, seed), 0);
    ck_assert_int_eq(logfile_sim_peek(disk, "/a", 0, image, SECTORS * SECTOR), 0);
    end();
}

START_TEST(test_a_seed_gives_the_same_each_time)
{
    static uint8_t images[2][SECTORS * 512];
    unsigned different = 0;

    for (uint64_t seed = 0; seed < 50; seed++) {
        crash_with(seed, images[0]);
        crash_with(seed, images[1]);
        ck_assert_mem_eq(images[0], images[1], sizeof images[0]);
        crash_with(seed + 1, images[1]);
        different += memcmp(images[0], images[1], sizeof images[0]) != 0;
    }
    ck_assert_uint_gt(different, 30);
}
END_TEST

START_TEST(test_losing_all_leaves_what_was_synced)
{
    begin(NULL);
    int fd = make_synced("/a", 's', 4 * SECTOR);
    put(fd, 'u', 8 * SECTOR, 0);
    create("/b");
    ck_assert_int_eq(logfile_sim_reboot_losing_all(disk), 0);
    ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), 4 * SECTOR);
    for (size_t i = 0; i < 4; i++)
        ck_assert_uint_eq(letter_at("/a", i * SECTOR), 's');
    ck_assert(!logfile_sim_exists(disk, "/b"));
    end();
}
END_TEST

START_TEST(test_a_process_that_dies_leaves_the_cache)
{
    begin(NULL);
    int fd = make_synced("/a", 's', 4 * SECTOR);
    ck_assert_int_eq(io->lock(io->context, fd), 0);
    put(fd, 'u', 8 * SECTOR, 0);
    create("/b");
    ck_assert_int_eq(logfile_sim_restart(disk), 0);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), 8 * SECTOR);
    ck_assert_uint_eq(letter_at("/a", 0), 'u');
    ck_assert(logfile_sim_exists(disk, "/b"));
    fd = open_file("/a", WRITE);
    ck_assert_int_eq(io->lock(io->context, fd), 0); /* the dead one's is gone */
    /* What it left is still not synced. */
    ck_assert_int_eq(logfile_sim_reboot_losing_all(disk), 0);
    ck_assert_uint_eq(letter_at("/a", 0), 's');
    end();
}
END_TEST

START_TEST(test_names_are_kept_or_not)
{
    unsigned created = 0;
    unsigned renamed = 0;
    unsigned unlinked = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        begin(NULL);
        make_synced("/old", 's', SECTOR);
        make_synced("/gone", 's', SECTOR);
        create("/new");
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, "/old", "/other"), 0);
        ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, "/gone"), 0);
        logfile_sim_reboot(disk, seed);
        created += logfile_sim_exists(disk, "/new");
        renamed += logfile_sim_exists(disk, "/other");
        unlinked += !logfile_sim_exists(disk, "/gone");
        ck_assert(logfile_sim_exists(disk, "/old") != logfile_sim_exists(disk, "/other"));
        end();
    }
    ck_assert(is_sometimes(created) && is_sometimes(renamed) && is_sometimes(unlinked));
}
END_TEST

START_TEST(test_synced_names_stay)
{
    for (uint64_t seed = 0; seed < SEEDS / 4; seed++) {
        begin(NULL);
        make_synced("/old", 's', SECTOR);
        ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, "/d", 0755), 0);
        create("/d/in");
        ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, "/old", "/other"), 0);
        sync_name("/other");
        logfile_sim_reboot(disk, seed);
        ck_assert(logfile_sim_exists(disk, "/other") && !logfile_sim_exists(disk, "/old"));
        ck_assert(logfile_sim_exists(disk, "/d"));
        end();
    }
}
END_TEST

START_TEST(test_a_lost_directory_takes_along_what_is_in_it)
{
    begin(NULL);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, "/d", 0755), 0);
    make_synced("/d/in", 's', SECTOR);
    ck_assert_uint_eq(logfile_sim_file_count(disk), 2);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_uint_eq(logfile_sim_file_count(disk), 0);
    end();
}
END_TEST

START_TEST(test_sizes_are_kept_or_not)
{
    unsigned grown = 0;
    unsigned between = 0;
    unsigned cut = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        begin(NULL);
        int fd = make_synced("/a", 's', 4 * SECTOR);
        int fd_b = make_synced("/b", 's', 4 * SECTOR);
        put(fd, 'u', 8 * SECTOR, 4 * SECTOR);
        ck_assert_int_eq(io->truncate(io->context, fd_b, SECTOR), 0);
        logfile_sim_reboot(disk, seed);
        uint64_t bytes = logfile_sim_file_bytes(disk, "/a");
        ck_assert(bytes >= 4 * SECTOR && bytes <= 12 * SECTOR);
        grown += bytes == 12 * SECTOR;
        between += bytes > 4 * SECTOR && bytes < 12 * SECTOR;
        cut += logfile_sim_file_bytes(disk, "/b") == SECTOR;
        ck_assert_uint_eq(letter_at("/a", 3 * SECTOR), 's');
        end();
    }
    ck_assert(grown > 20 && between > 20 && grown + between < SEEDS - SEEDS / 4);
    ck_assert(is_sometimes(cut));
}
END_TEST

START_TEST(test_a_punched_block_is_kept_or_zero)
{
    unsigned zero = 0;

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        begin(NULL);
        int fd = make_synced("/a", 's', 3 * BLOCK);
        ck_assert_int_eq(io->punch(io->context, fd, BLOCK, BLOCK), 0);
        ck_assert_uint_eq(logfile_sim_used_bytes(disk, "/a"), 2 * BLOCK);
        ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), 3 * BLOCK);
        logfile_sim_reboot(disk, seed);
        uint8_t letter = letter_at("/a", BLOCK);
        ck_assert(letter == 's' || letter == 0);
        for (size_t i = 0; i < BLOCK; i += SECTOR)
            ck_assert_uint_eq(letter_at("/a", BLOCK + i), letter);
        ck_assert(letter_at("/a", 0) == 's' && letter_at("/a", 2 * BLOCK) == 's');
        zero += letter == 0;
        end();
    }
    ck_assert(is_sometimes(zero));
}
END_TEST

START_TEST(test_a_crash_strikes_the_nth_change)
{
    begin(NULL);
    int fd = make_synced("/a", 's', SECTOR);
    uint64_t changes = logfile_sim_change_count(disk);
    ck_assert_int_eq(logfile_sim_crash_at(disk, 2), 0);
    ck_assert_int_eq(put(fd, 'u', SECTOR, 0), (ssize_t)SECTOR);
    ck_assert(!logfile_sim_is_down(disk));
    ck_assert_int_eq(logfile_sim_crash_call(disk), LOGFILE_SIM_CALL_COUNT);
    ck_assert_int_eq(io->read(io->context, fd, buffer, SECTOR, 0), (ssize_t)SECTOR);
    ck_assert_int_eq(io->sync(io->context, fd), -EIO);
    ck_assert(logfile_sim_is_down(disk));
    ck_assert_int_eq(logfile_sim_crash_call(disk), LOGFILE_SIM_SYNC);
    /* All later calls fail, and count no longer. */
    ck_assert_int_eq(put(fd, 'v', SECTOR, 0), -EIO);
    ck_assert_int_eq(io->read(io->context, fd, buffer, SECTOR, 0), -EIO);
    ck_assert_int_eq(open_file("/a", 0), -EIO);
    ck_assert_uint_eq(logfile_sim_change_count(disk), changes + 2);
    /* The sync that was struck has synced nothing. */
    logfile_sim_reboot_losing_all(disk);
    ck_assert(!logfile_sim_is_down(disk));
    ck_assert_int_eq(logfile_sim_crash_call(disk), LOGFILE_SIM_CALL_COUNT);
    ck_assert_uint_eq(letter_at("/a", 0), 's');
    end();
}
END_TEST

START_TEST(test_the_call_that_is_struck_reaches_the_cache)
{
    begin(NULL);
    int fd = make_synced("/a", 's', SECTOR);
    logfile_sim_crash_at_call(disk, LOGFILE_SIM_WRITE, 1);
    fill('u', SECTOR);
    ck_assert_int_eq(io->write(io->context, fd, buffer, SECTOR, 0, LOGFILE_IO_WRITE_DSYNC), -EIO);
    logfile_sim_restart(disk);
    ck_assert_uint_eq(letter_at("/a", 0), 'u');
    logfile_sim_reboot_losing_all(disk); /* and no further */
    ck_assert_uint_eq(letter_at("/a", 0), 's');
    end();
}
END_TEST

START_TEST(test_a_crash_strikes_the_nth_of_a_kind)
{
    begin(NULL);
    int fd = make_synced("/a", 's', SECTOR);
    ck_assert_int_eq(logfile_sim_crash_at_call(disk, LOGFILE_SIM_TRUNCATE, 2), 0);
    put(fd, 'u', SECTOR, 0);
    sync_file(fd);
    ck_assert_int_eq(io->truncate(io->context, fd, 100), 0);
    ck_assert_int_eq(io->truncate(io->context, fd, 100), -EIO);
    ck_assert_int_eq(logfile_sim_crash_call(disk), LOGFILE_SIM_TRUNCATE);
    logfile_sim_restart(disk);
    /* None is planned after a 0, or a restart. */
    fd = open_file("/a", WRITE);
    logfile_sim_crash_at(disk, 1);
    logfile_sim_crash_at(disk, 0);
    sync_file(fd);
    end();
}
END_TEST

/* ---- Syncs that fail, and what they lose ---- */

/* It fails; the next one would not. */
static void sync_in_vain(int fd)
{
    struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};

    ck_assert_int_eq(logfile_sim_fault(disk, &fault), 0);
    ck_assert_int_eq(io->sync(io->context, fd), -EIO);
}

START_TEST(test_a_failed_sync_loses_what_it_should_have_written)
{
    begin(NULL);
    int fd = make_synced("/a", 's', SECTOR);
    put(fd, 'u', SECTOR, 0);
    sync_in_vain(fd);
    sync_file(fd); /* says that all is well, and is right of nothing */
    ck_assert_uint_eq(letter_at("/a", 0), 'u');
    logfile_sim_reboot(disk, 3);
    ck_assert_uint_eq(letter_at("/a", 0), 's');
    end();
}
END_TEST

START_TEST(test_dropping_the_cache_shows_what_was_lost)
{
    begin(NULL);
    int fd = make_synced("/a", 's', SECTOR);
    put(fd, 'u', SECTOR, 0);
    sync_in_vain(fd);
    ck_assert_int_eq(io->drop_cache(io->context, fd), 0);
    ck_assert_uint_eq(letter_at("/a", 0), 's');
    end();
}
END_TEST

START_TEST(test_what_was_written_with_direct_waits_for_a_better_sync)
{
    begin(NULL);
    close_file(make_synced("/a", 's', BLOCK));
    int fd = open_file("/a", WRITE | DIRECT);
    put(fd, 'u', BLOCK, 0);
    sync_in_vain(fd);
    sync_file(fd);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_uint_eq(letter_at("/a", 0), 'u');
    end();
}
END_TEST

START_TEST(test_a_write_with_dsync_is_durable)
{
    begin(NULL);
    int fd = make_synced("/a", 's', SECTOR);
    put(fd, 'u', SECTOR, 0);
    fill('d', SECTOR);
    ck_assert_int_eq(io->write(io->context, fd, buffer, SECTOR, SECTOR, LOGFILE_IO_WRITE_DSYNC),
                     (ssize_t)SECTOR);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_uint_eq(letter_at("/a", 0), 's');
    ck_assert_uint_eq(letter_at("/a", SECTOR), 'd');
    ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), 2 * SECTOR);
    end();
}
END_TEST

START_TEST(test_a_disk_that_lies_has_synced_nothing)
{
    struct logfile_sim_options options = {.sync_lies = true};

    begin(&options);
    make_synced("/a", 's', SECTOR);
    logfile_sim_reboot_losing_all(disk);
    ck_assert(!logfile_sim_exists(disk, "/a"));
    end();
}
END_TEST

/* ---- Faults ---- */

START_TEST(test_a_fault_strikes_once)
{
    begin(NULL);
    int fd = create("/a");
    struct logfile_sim_fault fault = {.call = LOGFILE_SIM_WRITE, .after = 1, .error = -ENOSPC};
    ck_assert_int_eq(logfile_sim_fault(disk, &fault), 0);
    ck_assert_int_eq(put(fd, 'a', SECTOR, 0), (ssize_t)SECTOR);
    ck_assert_uint_eq(logfile_sim_fault_hits(disk), 0);
    ck_assert_int_eq(put(fd, 'b', 2 * SECTOR, SECTOR), -ENOSPC);
    ck_assert_int_eq(put(fd, 'c', SECTOR, 3 * SECTOR), (ssize_t)SECTOR);
    ck_assert_uint_eq(logfile_sim_fault_hits(disk), 1);
    /* Half of the write that failed was done. */
    ck_assert_uint_eq(letter_at("/a", SECTOR), 'b');
    ck_assert_uint_eq(letter_at("/a", 2 * SECTOR), 0);
    end();
}
END_TEST

START_TEST(test_a_fault_strikes_for_ever)
{
    begin(NULL);
    int fd = create("/a");
    struct logfile_sim_fault fault = {
        .call = LOGFILE_SIM_TRUNCATE, .for_ever = true, .error = -EDQUOT};
    logfile_sim_fault(disk, &fault);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(io->truncate(io->context, fd, 1), -EDQUOT);
    ck_assert_uint_eq(logfile_sim_fault_hits(disk), 5);
    ck_assert_int_eq(logfile_sim_fault_clear(disk), 0);
    ck_assert_int_eq(io->truncate(io->context, fd, 1), 0);
    /* A restart forgets it too. */
    logfile_sim_fault(disk, &fault);
    logfile_sim_restart(disk);
    fd = open_file("/a", WRITE);
    ck_assert_int_eq(io->truncate(io->context, fd, 1), 0);
    end();
}
END_TEST

START_TEST(test_a_fault_makes_counts_short)
{
    begin(NULL);
    int fd = create("/a");
    struct logfile_sim_fault fault = {
        .call = LOGFILE_SIM_WRITE, .for_ever = true, .short_bytes = 100};
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(put(fd, 'a', SECTOR, 0), 100);
    ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), 100);
    fault.call = LOGFILE_SIM_READ;
    fault.short_bytes = 7;
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(io->read(io->context, fd, buffer, SECTOR, 0), 7);
    ck_assert_int_eq(put(fd, 'a', SECTOR, 0), (ssize_t)SECTOR);
    end();
}
END_TEST

START_TEST(test_a_close_that_fails_has_closed)
{
    begin(NULL);
    int fd = create("/a");
    struct logfile_sim_fault fault = {.call = LOGFILE_SIM_CLOSE, .error = -EIO};
    logfile_sim_fault(disk, &fault);
    ck_assert_int_eq(io->close(io->context, fd), -EIO);
    ck_assert_uint_eq(logfile_sim_open_count(disk), 0);
    end();
}
END_TEST

/* ---- Gates, delays, and calls at once ---- */

/* Calls at a gate in a thread of its own. */
struct caller {
    pthread_t thread;
    enum logfile_sim_call call;
    int fd;
    ssize_t result;
};

static void *call_once(void *argument)
{
    struct caller *caller = argument;
    uint8_t sector[512];

    memset(sector, 'w', sizeof sector);
    caller->result = caller->call == LOGFILE_SIM_SYNC
                         ? io->sync(io->context, caller->fd)
                         : io->write(io->context, caller->fd, sector, sizeof sector, 0, 0);
    return NULL;
}

/* Closes the gate, and returns when the call, a sync or the write of the first sector, is there. */
static void start(struct caller *caller, enum logfile_sim_call call, int fd)
{
    *caller = (struct caller){.call = call, .fd = fd};
    ck_assert_int_eq(logfile_sim_gate_close(disk, call), 0);
    ck_assert(!logfile_sim_gate_is_reached(disk, 0));
    ck_assert_int_eq(pthread_create(&caller->thread, NULL, call_once, caller), 0);
    ck_assert(logfile_sim_gate_is_reached(disk, 600000));
}

static void finish(struct caller *caller, ssize_t result)
{
    pthread_join(caller->thread, NULL);
    ck_assert_int_eq(caller->result, result);
}

START_TEST(test_calls_wait_at_the_gate)
{
    struct caller caller;

    begin(NULL);
    int fd = create("/a");
    start(&caller, LOGFILE_SIM_WRITE, fd);
    ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), 0); /* it has done nothing yet */
    sync_file(fd);                                            /* others pass */
    ck_assert_int_eq(logfile_sim_gate_open(disk), 0);
    finish(&caller, (ssize_t)SECTOR);
    end();
}
END_TEST

START_TEST(test_a_crash_opens_the_gate)
{
    struct caller caller;

    begin(NULL);
    int fd = create("/a");
    start(&caller, LOGFILE_SIM_WRITE, fd);
    logfile_sim_crash_at(disk, 1);
    ck_assert_int_eq(io->sync(io->context, fd), -EIO);
    finish(&caller, -EIO);
    end();
}
END_TEST

START_TEST(test_another_gate_lets_the_first_ones_calls_go)
{
    struct caller caller;

    begin(NULL);
    start(&caller, LOGFILE_SIM_WRITE, create("/a"));
    logfile_sim_gate_close(disk, LOGFILE_SIM_SYNC);
    finish(&caller, (ssize_t)SECTOR);
    end();
}
END_TEST

START_TEST(test_a_sync_owes_nothing_that_comes_later)
{
    struct caller caller;

    begin(NULL);
    int fd = make_synced("/a", 's', 2 * SECTOR);
    start(&caller, LOGFILE_SIM_WRITE, fd); /* under way, so the sync need not write it */
    sync_file(fd);
    logfile_sim_gate_open(disk);
    finish(&caller, (ssize_t)SECTOR);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_uint_eq(letter_at("/a", 0), 's');
    end();
}
END_TEST

START_TEST(test_a_sync_owes_what_was_written_before_it)
{
    struct caller caller;

    begin(NULL);
    int fd = make_synced("/a", 's', 2 * SECTOR);
    put(fd, 'u', SECTOR, 0);
    start(&caller, LOGFILE_SIM_SYNC, fd);
    put(fd, 'v', 2 * SECTOR, 0); /* while it is under way */
    logfile_sim_gate_open(disk);
    finish(&caller, 0);
    logfile_sim_reboot_losing_all(disk);
    ck_assert_uint_eq(letter_at("/a", 0), 'u');
    ck_assert_uint_eq(letter_at("/a", SECTOR), 's');
    end();
}
END_TEST

START_TEST(test_a_delay_takes_time)
{
    begin(NULL);
    int fd = create("/a");
    ck_assert_int_eq(logfile_sim_delay(disk, LOGFILE_SIM_SYNC, 20000), 0);
    uint64_t begin_ns = now_ns();
    sync_file(fd);
    ck_assert_uint_ge(now_ns() - begin_ns, 20000000);
    end();
}
END_TEST

START_TEST(test_writes_that_overlap_are_counted)
{
    struct caller caller;

    begin(NULL);
    int fd = create("/a");
    start(&caller, LOGFILE_SIM_WRITE, fd);
    memset(buffer, 0, SECTOR); /* a zero-fill passes the gate */
    ck_assert_int_eq(io->write(io->context, fd, buffer, SECTOR, SECTOR, 0), (ssize_t)SECTOR);
    ck_assert_uint_eq(logfile_sim_overlap_count(disk), 0);
    ck_assert_int_eq(io->write(io->context, fd, buffer, SECTOR, SECTOR - 1, 0), (ssize_t)SECTOR);
    ck_assert_uint_eq(logfile_sim_overlap_count(disk), 1);
    logfile_sim_gate_open(disk);
    finish(&caller, (ssize_t)SECTOR);
    end();
}
END_TEST

/* ---- Room ---- */

START_TEST(test_a_full_disk)
{
    struct logfile_sim_options options = {.capacity_bytes = 4 * BLOCK};

    begin(&options);
    int fd = create("/a");
    int fd_b = create("/b");
    ck_assert_int_eq(put(fd, 'a', 2 * BLOCK, 0), (ssize_t)(2 * BLOCK));
    ck_assert_int_eq(io->allocate(io->context, fd_b, 0, 3 * BLOCK), -ENOSPC);
    ck_assert_int_eq(put(fd_b, 'b', 3 * BLOCK, 0), (ssize_t)(2 * BLOCK)); /* what fits */
    ck_assert_int_eq(put(fd_b, 'b', BLOCK, 2 * BLOCK), -ENOSPC);
    ck_assert_uint_eq(logfile_sim_used_bytes(disk, NULL), 4 * BLOCK);
    ck_assert_int_eq(put(fd_b, 'c', BLOCK, 0), (ssize_t)BLOCK); /* in place */
    ck_assert_int_eq(io->punch(io->context, fd, 0, BLOCK), 0);
    ck_assert_int_eq(put(fd_b, 'b', BLOCK, 2 * BLOCK), (ssize_t)BLOCK);
    ck_assert_int_eq(logfile_sim_set_capacity(disk, 0), 0);
    ck_assert_int_eq(put(fd_b, 'b', 4 * BLOCK, 3 * BLOCK), (ssize_t)(4 * BLOCK));
    end();
}
END_TEST

START_TEST(test_a_disk_that_cannot)
{
    struct logfile_sim_options options = {.no_direct = true, .no_allocate = true, .no_punch = true};

    begin(&options);
    int fd = create("/a");
    ck_assert_int_eq(open_file("/a", WRITE | DIRECT), -EINVAL);
    ck_assert_int_eq(open_file("/b", CREATE | DIRECT), -EINVAL);
    ck_assert(!logfile_sim_exists(disk, "/b"));
    ck_assert_int_eq(io->allocate(io->context, fd, 0, BLOCK), -EOPNOTSUPP);
    ck_assert_int_eq(io->punch(io->context, fd, 0, BLOCK), -EOPNOTSUPP);
    end();
}
END_TEST

START_TEST(test_what_is_discarded_is_only_counted)
{
    struct logfile_sim_options options = {.discard_from = BLOCK};
    uint64_t far = UINT64_C(1) << 50;

    begin(&options);
    int fd = create("/a");
    ck_assert_int_eq(put(fd, 'a', 2 * BLOCK, 0), (ssize_t)(2 * BLOCK));
    ck_assert_uint_eq(letter_at("/a", BLOCK - SECTOR), 'a');
    ck_assert_uint_eq(letter_at("/a", BLOCK), 0);
    ck_assert_int_eq(put(fd, 'b', BLOCK, far), (ssize_t)BLOCK);
    ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), far + BLOCK);
    ck_assert_uint_eq(logfile_sim_call_count(disk, LOGFILE_SIM_WRITE), 2);
    end();
}
END_TEST

START_TEST(test_files_end_somewhere)
{
    begin(NULL);
    int fd = create("/a");
    ck_assert_int_eq(put(fd, 'a', SECTOR, INT64_MAX), -EFBIG);
    ck_assert_int_eq(put(fd, 'a', SECTOR, UINT64_MAX), -EFBIG);
    ck_assert_int_eq(io->allocate(io->context, fd, INT64_MAX, 1), -EFBIG);
    ck_assert_int_eq(io->punch(io->context, fd, UINT64_MAX, 2), -EFBIG);
    ck_assert_int_eq(io->truncate(io->context, fd, UINT64_MAX), -EFBIG);
    ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), 0);
    end();
}
END_TEST

/* In a process with so little memory that a file cannot grow. */
static int run_out_of_memory(void)
{
    struct rlimit limit = {.rlim_cur = 300u << 20, .rlim_max = 300u << 20};
    int fd = create("/a");

    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 77;
    if (put(fd, 'a', SECTOR, 1u << 30) != -ENOMEM || put(fd, 'a', SECTOR, 0) != (ssize_t)SECTOR)
        return 1;
    return letter_at("/a", 0) == 'a' && logfile_sim_file_bytes(disk, "/a") == SECTOR ? 0 : 2;
}

START_TEST(test_memory_that_runs_out_is_an_error)
{
    int status;

    if (HAS_SANITIZER) /* maps terabytes of its own */
        return;
    begin(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(run_out_of_memory());
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
    end();
}
END_TEST

/* ---- Names, and rules ---- */

START_TEST(test_names)
{
    static const char long_part[] = "/0123456789012345678901234567890123456789012345678901234567890"
                                    "12345678901234567890123456789012345";

    begin(NULL);
    close_file(create("/a"));
    ck_assert_int_eq(open_file("/a", CREATE), -EEXIST);
    ck_assert_int_eq(open_file("/b", 0), -ENOENT);
    ck_assert_int_eq(open_file("/d/b", CREATE), -ENOENT);
    ck_assert_int_eq(open_file("/a/b", CREATE), -ENOTDIR);
    ck_assert_int_eq(open_file("/", 0), -EISDIR);
    ck_assert_int_eq(open_file(NULL, 0), -EINVAL);
    ck_assert_int_eq(open_file(long_part, CREATE), -ENAMETOOLONG);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, "d", 0755), 0);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, "/d", 0755), -EEXIST);
    close_file(create("d/b"));
    ck_assert(logfile_sim_exists(disk, "/d/b"));
    ck_assert_int_eq(io->remove_directory(io->context, LOGFILE_IO_HERE, "/d"), -ENOTEMPTY);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, "/d"), -EISDIR);
    ck_assert_int_eq(io->remove_directory(io->context, LOGFILE_IO_HERE, "/a"), -ENOTDIR);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, "/a", "/d/b"), -EEXIST);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, "/x", "/y"), -ENOENT);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, "/d", "/d/e"), -EINVAL);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, "/", "/e"), -EINVAL);
    ck_assert_int_eq(io->remove_directory(io->context, LOGFILE_IO_HERE, "/"), -EBUSY);
    end();
}
END_TEST

static void note_name(void *arg, const char *name)
{
    strcat(arg, name);
}

static int count_name(void *arg, const char *name)
{
    ++*(unsigned *)arg;
    return name[0] == 'b' ? 7 : 0;
}

START_TEST(test_listing)
{
    char names[16] = "";
    unsigned count = 0;

    begin(NULL);
    create("/c");
    create("/a");
    ck_assert_uint_eq(logfile_sim_list(disk, "/", note_name, names), 2);
    ck_assert_str_eq(names, "ac");
    ck_assert_int_eq(list_path(io, "/", count_name, &count), 0);
    ck_assert_uint_eq(count, 2);
    create("/b");
    ck_assert_int_eq(list_path(io, "/", count_name, &count), 7);
    ck_assert_int_eq(list_path(io, "/a", count_name, &count), -ENOTDIR);
    ck_assert_int_eq(list_path(io, "/x", count_name, &count), -ENOENT);
    ck_assert_uint_eq(logfile_sim_list(disk, "/x", NULL, NULL), 0);
    end();
}
END_TEST

/* A directory is the one that was opened, whatever its name is, and without one it takes no new
 * names. */
START_TEST(test_a_directory_that_is_held)
{
    struct logfile_io_stat status, other;

    begin(NULL);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, "d", 0755), 0);
    int directory = open_file("d", LOGFILE_IO_OPEN_DIRECTORY);
    ck_assert_int_ge(directory, 0);
    ck_assert_int_eq(open_file("/", LOGFILE_IO_OPEN_DIRECTORY | 0), directory + 1);
    close_file(directory + 1);
    ck_assert_int_eq(io->stat(io->context, directory, &status), 0);
    ck_assert_int_eq(status.kind, LOGFILE_IO_DIRECTORY);
    ck_assert_int_eq(io->rename(io->context, LOGFILE_IO_HERE, "d", "e"), 0);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, "d", 0755), 0);
    int fd = io->open(io->context, directory, "a", CREATE, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(io->stat(io->context, fd, &other), 0);
    ck_assert(status.inode != other.inode && status.device == other.device);
    ck_assert(status.links == 1 && other.links == 1);
    ck_assert(logfile_sim_exists(disk, "/e/a") && !logfile_sim_exists(disk, "/d/a"));
    ck_assert_int_eq(io->rename(io->context, directory, "a", "b"), 0);
    ck_assert(logfile_sim_exists(disk, "/e/b"));
    ck_assert_int_eq(io->unlink(io->context, directory, "b"), 0);
    ck_assert_int_eq(io->stat(io->context, fd, &other), 0);
    ck_assert_uint_eq(other.links, 0);
    ck_assert_int_eq(io->remove_directory(io->context, LOGFILE_IO_HERE, "e"), 0);
    ck_assert_int_eq(io->open(io->context, directory, "a", CREATE, 0644), -ENOENT);
    ck_assert_int_eq(io->open(io->context, fd, "a", CREATE, 0644), -ENOTDIR);
    close_file(fd);
    close_file(directory);
    end();
}
END_TEST

START_TEST(test_facts)
{
    const struct logfile_sim_options small = {.capacity_bytes = 10 * BLOCK, .no_direct = true};
    struct logfile_io_facts facts;

    begin(NULL);
    int fd = create("/a");
    ck_assert_int_eq(io->facts(io->context, fd, &facts), 0);
    ck_assert_uint_eq(facts.direct, LOGFILE_IO_DIRECT_YES);
    ck_assert_uint_eq(facts.offset_align, SECTOR);
    ck_assert(facts.free_bytes == UINT64_MAX && facts.total_bytes == UINT64_MAX);
    close_file(fd);
    end();
    begin(&small);
    fd = create("/a");
    put(fd, 'a', BLOCK, 0);
    ck_assert_int_eq(io->facts(io->context, fd, &facts), 0);
    ck_assert_uint_eq(facts.direct, LOGFILE_IO_DIRECT_NO);
    ck_assert_uint_eq(facts.free_bytes, 9 * BLOCK);
    ck_assert_uint_eq(facts.total_bytes, 10 * BLOCK);
    close_file(fd);
    end();
}
END_TEST

START_TEST(test_locks)
{
    begin(NULL);
    int fd = create("/a");
    int other = open_file("/a", WRITE);
    ck_assert_int_eq(io->lock(io->context, fd), 0);
    ck_assert_int_eq(io->lock(io->context, other), -EAGAIN);
    ck_assert_int_eq(io->locked(io->context, other), 1);
    ck_assert_int_eq(io->locked(io->context, fd), 0);
    close_file(fd);
    ck_assert_int_eq(io->locked(io->context, other), 0);
    ck_assert_int_eq(io->lock(io->context, other), 0);
    end();
}
END_TEST

START_TEST(test_an_open_file_outlives_its_name)
{
    begin(NULL);
    int fd = make_synced("/a", 's', SECTOR);
    ck_assert_int_eq(io->unlink(io->context, LOGFILE_IO_HERE, "/a"), 0);
    sync_name("/a");
    ck_assert_int_eq(io->read(io->context, fd, buffer, SECTOR, 0), (ssize_t)SECTOR);
    ck_assert_uint_eq(logfile_sim_file_count(disk), 0);
    end();
}
END_TEST

START_TEST(test_no_more_files_can_be_open)
{
    int last = 0;

    begin(NULL);
    close_file(create("/a"));
    for (int i = 0; i < 64; i++)
        ck_assert_int_ge(last = open_file("/a", 0), 0);
    ck_assert_int_eq(open_file("/a", 0), -EMFILE);
    ck_assert_int_eq(open_file("/b", CREATE), -EMFILE);
    ck_assert(!logfile_sim_exists(disk, "/b"));
    close_file(last);
    ck_assert_int_eq(open_file("/a", 0), last);
    end();
}
END_TEST

START_TEST(test_misuse_is_counted)
{
    begin(NULL);
    int fd = create("/a");
    int fd_read = open_file("/a", 0);
    int fd_direct = open_file("/a", WRITE | DIRECT);
    ck_assert_uint_eq(logfile_sim_misuse_count(disk), 0);
    ck_assert_int_eq(put(fd_read, 'a', SECTOR, 0), -EINVAL);
    ck_assert_int_eq(put(fd_direct, 'a', SECTOR, 0), -EINVAL);
    ck_assert_int_eq(io->truncate(io->context, fd_read, 0), -EINVAL);
    ck_assert_int_eq(io->allocate(io->context, fd_read, 0, 1), -EINVAL);
    ck_assert_int_eq(io->punch(io->context, fd_read, 0, 1), -EINVAL);
    ck_assert_uint_eq(logfile_sim_misuse_count(disk), 5);
    close_file(fd);
    ck_assert_int_eq(io->close(io->context, fd), -EBADF);
    ck_assert_int_eq(io->truncate(io->context, 3, 0), -EBADF);
    ck_assert_uint_eq(logfile_sim_misuse_count(disk), 7);
    end();
}
END_TEST

/* ---- Looking in, and copies ---- */

START_TEST(test_peek_and_poke)
{
    uint8_t byte = 'p';
    uint8_t bytes[4];

    begin(NULL);
    make_synced("/a", 's', SECTOR);
    ck_assert_int_eq(logfile_sim_poke(disk, "/a", 100, &byte, 1), 0);
    logfile_sim_reboot_losing_all(disk); /* it is on disk */
    ck_assert_int_eq(logfile_sim_peek(disk, "/a", 99, bytes, 4), 0);
    ck_assert_mem_eq(bytes, "spss", 4);
    ck_assert_int_eq(logfile_sim_peek(disk, "/a", UINT64_MAX - 1, bytes, 4), 0);
    ck_assert_mem_eq(bytes, "\0\0\0\0", 4);
    ck_assert_int_eq(logfile_sim_poke(disk, "/a", UINT64_MAX, &byte, 1), -ERANGE);
    ck_assert_int_eq(logfile_sim_poke(disk, "/x", 0, &byte, 1), -ENOENT);
    ck_assert_int_eq(logfile_sim_peek(disk, "/", 0, &byte, 1), -ENOENT);
    ck_assert_uint_eq(logfile_sim_file_bytes(disk, "/a"), SECTOR);
    end();
}
END_TEST

START_TEST(test_a_clone_is_a_disk_of_its_own)
{
    begin(NULL);
    ck_assert_int_eq(io->make_directory(io->context, LOGFILE_IO_HERE, "/d", 0755), 0);
    sync_name("/d");
    int fd = make_synced("/d/a", 's', SECTOR);
    put(fd, 'u', SECTOR, 0);
    logfile_sim_crash_at(disk, 1);
    struct logfile_sim *first = disk;
    struct logfile_sim *clone = logfile_sim_clone(first);
    ck_assert_uint_eq(logfile_sim_open_count(clone), 0);
    ck_assert_uint_eq(logfile_sim_change_count(clone), 0);
    /* What is not synced in the one is not in the other. */
    logfile_sim_reboot_losing_all(clone);
    ck_assert_uint_eq(letter_at("/d/a", 0), 'u');
    disk = clone;
    io = logfile_sim_io(disk);
    ck_assert_uint_eq(letter_at("/d/a", 0), 's');
    ck_assert_int_eq(put(open_file("/d/a", WRITE), 'c', SECTOR, 0), (ssize_t)SECTOR);
    disk = first;
    ck_assert_uint_eq(letter_at("/d/a", 0), 'u');
    logfile_sim_free(clone);
    end();
}
END_TEST

START_TEST(test_a_clone_knows_what_is_not_synced)
{
    begin(NULL);
    put(make_synced("/a", 's', SECTOR), 'u', SECTOR, 0);
    struct logfile_sim *first = disk;
    disk = logfile_sim_clone(first);
    io = logfile_sim_io(disk);
    sync_file(open_file("/a", WRITE));
    logfile_sim_reboot_losing_all(disk);
    ck_assert_uint_eq(letter_at("/a", 0), 'u');
    end();
    logfile_sim_free(first);
}
END_TEST

/* ---- Bad arguments ---- */

START_TEST(test_bad_arguments)
{
    const enum logfile_sim_call no_call = (enum logfile_sim_call)(LOGFILE_SIM_CALL_COUNT + 5);
    struct logfile_sim_options options = {.reserved = {[7] = 1}};
    struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    uint8_t byte = 0;

    ck_assert_ptr_null(logfile_sim_new(&options));
    begin(NULL);
    ck_assert_str_eq(logfile_sim_call_name(no_call), "none");
    ck_assert_str_eq(logfile_sim_call_name(LOGFILE_SIM_LIST_DIRECTORY), "list-directory");
    ck_assert_int_eq(logfile_sim_crash_at_call(disk, LOGFILE_SIM_READ, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_crash_at_call(disk, no_call, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_delay(disk, LOGFILE_SIM_CALL_COUNT, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_gate_close(disk, no_call), -EINVAL);
    ck_assert_uint_eq(logfile_sim_call_count(disk, no_call), 0);
    ck_assert_int_eq(logfile_sim_peek(disk, NULL, 0, &byte, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_poke(disk, "/a", 0, NULL, 1), -EINVAL);
    ck_assert(!logfile_sim_exists(disk, NULL));
    ck_assert_int_eq(logfile_sim_fault(disk, NULL), -EINVAL);
    fault.reserved[3] = 1;
    ck_assert_int_eq(logfile_sim_fault(disk, &fault), -EINVAL);
    fault = (struct logfile_sim_fault){.call = LOGFILE_SIM_SYNC, .error = EIO};
    ck_assert_int_eq(logfile_sim_fault(disk, &fault), -EINVAL);
    fault.error = 0; /* a short count of a call that has none */
    ck_assert_int_eq(logfile_sim_fault(disk, &fault), -EINVAL);
    fault = (struct logfile_sim_fault){.call = no_call, .error = -EIO};
    ck_assert_int_eq(logfile_sim_fault(disk, &fault), -EINVAL);
    sync_file(create("/a")); /* none of them was set */
    end();
}
END_TEST

START_TEST(test_no_disk)
{
    struct logfile_sim_fault fault = {.call = LOGFILE_SIM_SYNC, .error = -EIO};
    uint8_t byte = 0;

    logfile_sim_free(NULL);
    ck_assert_ptr_null(logfile_sim_clone(NULL));
    ck_assert_int_eq(logfile_sim_set_capacity(NULL, 0), -EINVAL);
    ck_assert_int_eq(logfile_sim_crash_at(NULL, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_reboot(NULL, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_reboot_losing_all(NULL), -EINVAL);
    ck_assert_int_eq(logfile_sim_restart(NULL), -EINVAL);
    ck_assert_int_eq(logfile_sim_fault(NULL, &fault), -EINVAL);
    ck_assert_int_eq(logfile_sim_fault_clear(NULL), -EINVAL);
    ck_assert_int_eq(logfile_sim_delay(NULL, LOGFILE_SIM_SYNC, 1), -EINVAL);
    ck_assert_int_eq(logfile_sim_gate_close(NULL, LOGFILE_SIM_SYNC), -EINVAL);
    ck_assert_int_eq(logfile_sim_gate_open(NULL), -EINVAL);
    ck_assert_int_eq(logfile_sim_peek(NULL, "/a", 0, &byte, 1), -EINVAL);
    ck_assert(!logfile_sim_is_down(NULL) && !logfile_sim_gate_is_reached(NULL, 0));
    ck_assert(!logfile_sim_exists(NULL, "/a"));
    ck_assert_int_eq(logfile_sim_crash_call(NULL), LOGFILE_SIM_CALL_COUNT);
    ck_assert_uint_eq(logfile_sim_call_count(NULL, LOGFILE_SIM_SYNC), 0);
    ck_assert_uint_eq(logfile_sim_change_count(NULL) + logfile_sim_overlap_count(NULL), 0);
    ck_assert_uint_eq(logfile_sim_misuse_count(NULL) + logfile_sim_fault_hits(NULL), 0);
    ck_assert_uint_eq(logfile_sim_open_count(NULL) + logfile_sim_file_count(NULL), 0);
    ck_assert_uint_eq(logfile_sim_used_bytes(NULL, NULL) + logfile_sim_file_bytes(NULL, "/a"), 0);
    ck_assert_uint_eq(logfile_sim_list(NULL, "/", NULL, NULL), 0);
}
END_TEST

/* A NULL table would stand for the real disk. */
START_TEST(test_no_disk_has_no_table)
{
    (void)logfile_sim_io(NULL);
}
END_TEST

/* ---- The sweep ---- */

struct swept {
    unsigned works, checks;
    bool is_durable;       /* the work got so far */
    bool forgets_the_sync; /* the bug that the sweep is to find */
    int work_result;
};

/* Replaces the sector of a file in place. */
static int work(struct logfile_sim *swept_disk, void *arg)
{
    struct swept *swept = arg;

    swept->works++;
    disk = swept_disk;
    io = logfile_sim_io(disk);
    swept->is_durable = false;
    int fd = open_file("/a", CREATE);
    if (put(fd, 'u', SECTOR, 0) < 0 || (!swept->forgets_the_sync && io->sync(io->context, fd) != 0))
        return swept->work_result;
    swept->is_durable = sync_parent(io, "/a") == 0;
    return swept->work_result;
}

static int check(struct logfile_sim *swept_disk, void *arg)
{
    struct swept *swept = arg;

    ck_assert_ptr_eq(swept_disk, disk);
    ck_assert(!logfile_sim_is_down(disk));
    swept->checks++;
    return !swept->is_durable || (logfile_sim_exists(disk, "/a") && letter_at("/a", 0) == 'u')
               ? 0
               : -42;
}

START_TEST(test_a_sweep_crashes_at_every_change)
{
    struct swept swept = {0};
    struct logfile_sim_sweep sweep = {.work = work, .check = check, .arg = &swept};
    struct logfile_sim_sweep_result result;

    sweep.seed_count = 5;
    ck_assert_int_eq(logfile_sim_sweep(&sweep, &result, sizeof result), 0);
    /* Write, sync, sync-directory, and the end; each with every seed. */
    ck_assert_uint_eq(result.case_count, 4 * 5);
    ck_assert_uint_eq(result.crash_at, 4);
    ck_assert_int_eq(result.crash_call, LOGFILE_SIM_CALL_COUNT);
    ck_assert(swept.works == 20 && swept.checks == 20);
    sweep.seed_count = 0;
    ck_assert_int_eq(logfile_sim_sweep(&sweep, NULL, 0), 0);
    ck_assert_uint_eq(swept.works, 20 + 4 * 8);
}
END_TEST

START_TEST(test_a_sweep_finds_and_repeats)
{
    struct swept swept = {.forgets_the_sync = true};
    struct logfile_sim_sweep sweep = {.work = work, .check = check, .arg = &swept};
    struct logfile_sim_sweep_result found;
    struct logfile_sim_sweep_result again;

    ck_assert_int_eq(logfile_sim_sweep(&sweep, &found, sizeof found), 1);
    ck_assert(found.in_check && found.result == -42);
    ck_assert_uint_eq(found.crash_at, 3); /* behind write and sync-directory */
    ck_assert_uint_eq(found.seed, 0);     /* which loses all */
    sweep.crash_at = found.crash_at;
    sweep.seed = found.seed;
    ck_assert_int_eq(logfile_sim_sweep(&sweep, &again, sizeof again), 1);
    ck_assert_uint_eq(again.case_count, 1);
    ck_assert(again.crash_at == found.crash_at && again.seed == found.seed &&
              again.crash_call == found.crash_call && again.result == -42);
}
END_TEST

START_TEST(test_a_sweep_ends_where_the_work_fails)
{
    struct swept swept = {.work_result = 9};
    struct logfile_sim_sweep sweep = {.work = work, .check = check, .arg = &swept};
    struct logfile_sim_sweep_result result;

    ck_assert_int_eq(logfile_sim_sweep(&sweep, &result, sizeof result), 1);
    ck_assert(!result.in_check && result.result == 9 && result.case_count == 1);
    ck_assert_int_eq(result.crash_call, LOGFILE_SIM_WRITE);
    ck_assert_uint_eq(swept.checks, 0);
}
END_TEST

START_TEST(test_sweeps_that_cannot_be)
{
    struct logfile_sim_options options = {.reserved = {1}};
    struct logfile_sim_sweep sweep = {.work = work, .check = check};

    ck_assert_int_eq(logfile_sim_sweep(NULL, NULL, 0), -EINVAL);
    sweep.options = &options;
    ck_assert_int_eq(logfile_sim_sweep(&sweep, NULL, 0), -EINVAL);
    sweep = (struct logfile_sim_sweep){.work = work};
    ck_assert_int_eq(logfile_sim_sweep(&sweep, NULL, 0), -EINVAL);
    sweep = (struct logfile_sim_sweep){.check = check};
    ck_assert_int_eq(logfile_sim_sweep(&sweep, NULL, 0), -EINVAL);
    sweep = (struct logfile_sim_sweep){.work = work, .check = check, .reserved = {1}};
    ck_assert_int_eq(logfile_sim_sweep(&sweep, NULL, 0), -EINVAL);
}
END_TEST

static void add_crashes(Suite *suite)
{
    TCase *tcase = tcase_create("crashes");

    tcase_add_test(tcase, test_what_was_synced_is_never_touched);
    tcase_add_test(tcase, test_unsynced_sectors_meet_every_fate);
    tcase_add_test(tcase, test_a_seed_gives_the_same_each_time);
    tcase_add_test(tcase, test_losing_all_leaves_what_was_synced);
    tcase_add_test(tcase, test_a_process_that_dies_leaves_the_cache);
    tcase_add_test(tcase, test_names_are_kept_or_not);
    tcase_add_test(tcase, test_synced_names_stay);
    tcase_add_test(tcase, test_a_lost_directory_takes_along_what_is_in_it);
    tcase_add_test(tcase, test_sizes_are_kept_or_not);
    tcase_add_test(tcase, test_a_punched_block_is_kept_or_zero);
    tcase_add_test(tcase, test_a_crash_strikes_the_nth_change);
    tcase_add_test(tcase, test_the_call_that_is_struck_reaches_the_cache);
    tcase_add_test(tcase, test_a_crash_strikes_the_nth_of_a_kind);
    suite_add_tcase(suite, tcase);
}

static void add_faults(Suite *suite)
{
    TCase *tcase = tcase_create("faults");

    tcase_add_test(tcase, test_a_failed_sync_loses_what_it_should_have_written);
    tcase_add_test(tcase, test_dropping_the_cache_shows_what_was_lost);
    tcase_add_test(tcase, test_what_was_written_with_direct_waits_for_a_better_sync);
    tcase_add_test(tcase, test_a_write_with_dsync_is_durable);
    tcase_add_test(tcase, test_a_disk_that_lies_has_synced_nothing);
    tcase_add_test(tcase, test_a_fault_strikes_once);
    tcase_add_test(tcase, test_a_fault_strikes_for_ever);
    tcase_add_test(tcase, test_a_fault_makes_counts_short);
    tcase_add_test(tcase, test_a_close_that_fails_has_closed);
    tcase_add_test(tcase, test_calls_wait_at_the_gate);
    tcase_add_test(tcase, test_a_crash_opens_the_gate);
    tcase_add_test(tcase, test_another_gate_lets_the_first_ones_calls_go);
    tcase_add_test(tcase, test_a_sync_owes_nothing_that_comes_later);
    tcase_add_test(tcase, test_a_sync_owes_what_was_written_before_it);
    tcase_add_test(tcase, test_a_delay_takes_time);
    tcase_add_test(tcase, test_writes_that_overlap_are_counted);
    suite_add_tcase(suite, tcase);
}

static void add_calls(Suite *suite)
{
    TCase *tcase = tcase_create("calls");

    tcase_add_test(tcase, test_a_full_disk);
    tcase_add_test(tcase, test_a_disk_that_cannot);
    tcase_add_test(tcase, test_what_is_discarded_is_only_counted);
    tcase_add_test(tcase, test_files_end_somewhere);
    tcase_add_test(tcase, test_memory_that_runs_out_is_an_error);
    tcase_add_test(tcase, test_names);
    tcase_add_test(tcase, test_listing);
    tcase_add_test(tcase, test_a_directory_that_is_held);
    tcase_add_test(tcase, test_facts);
    tcase_add_test(tcase, test_locks);
    tcase_add_test(tcase, test_an_open_file_outlives_its_name);
    tcase_add_test(tcase, test_no_more_files_can_be_open);
    tcase_add_test(tcase, test_misuse_is_counted);
    tcase_add_test(tcase, test_peek_and_poke);
    tcase_add_test(tcase, test_a_clone_is_a_disk_of_its_own);
    tcase_add_test(tcase, test_a_clone_knows_what_is_not_synced);
    tcase_add_test(tcase, test_bad_arguments);
    tcase_add_test(tcase, test_no_disk);
    tcase_add_test_raise_signal(tcase, test_no_disk_has_no_table, 6);
    suite_add_tcase(suite, tcase);
}

static void add_sweep(Suite *suite)
{
    TCase *tcase = tcase_create("sweep");

    tcase_add_test(tcase, test_a_sweep_crashes_at_every_change);
    tcase_add_test(tcase, test_a_sweep_finds_and_repeats);
    tcase_add_test(tcase, test_a_sweep_ends_where_the_work_fails);
    tcase_add_test(tcase, test_sweeps_that_cannot_be);
    suite_add_tcase(suite, tcase);
}

int main(void)
{
    Suite *suite = suite_create("sim_disk");

    add_crashes(suite);
    add_faults(suite);
    add_calls(suite);
    add_sweep(suite);
    return run_suite(suite);
}
