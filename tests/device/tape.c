/* SPDX-License-Identifier: MIT */
#include "tape.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SECTOR_BYTES = 512
};

static uint8_t *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    ck_assert_ptr_ne(memory, MAP_FAILED);
    return memory;
}

static void copy_block(uint8_t *to, const uint8_t *from, size_t block)
{
    memcpy(to + block * DISK_BLOCK_BYTES, from + block * DISK_BLOCK_BYTES, DISK_BLOCK_BYTES);
}

void tape_begin(struct tape *tape, struct fuse_disk *disk)
{
    memset(tape, 0, sizeof *tape);
    tape->disk = disk;
    tape->base = map(DISK_BYTES);
    tape->stable = map(DISK_BYTES);
    tape->differs = map(DISK_BLOCK_COUNT);
    for (size_t i = 0; i < DISK_BLOCK_COUNT; i++) {
        if (!disk->is_touched[DISK_FILE_DISK][i])
            continue;
        copy_block(tape->base, disk->bytes[DISK_FILE_DISK], i);
        copy_block(tape->stable, disk->bytes[DISK_FILE_DISK], i);
        disk->is_touched[DISK_FILE_DISK][i] = 0;
        tape->differs[i] = 1; /* from the empty state */
    }
}

void tape_end(struct tape *tape)
{
    munmap(tape->base, DISK_BYTES);
    munmap(tape->stable, DISK_BYTES);
    munmap(tape->differs, DISK_BLOCK_COUNT);
}

void tape_rewind(struct tape *tape)
{
    struct fuse_disk *disk = tape->disk;

    for (size_t i = 0; i < DISK_BLOCK_COUNT; i++) {
        if (!disk->is_touched[DISK_FILE_DISK][i])
            continue;
        copy_block(disk->bytes[DISK_FILE_DISK], tape->base, i);
        copy_block(tape->stable, tape->base, i);
        disk->is_touched[DISK_FILE_DISK][i] = 0;
        tape->differs[i] = 1;
    }
    disk->event_count = disk->taped_bytes = disk->failed_count = 0;
    disk->is_overrun = 0;
    tape->flushed = 0;
}

static void mark_blocks(struct tape *tape, uint64_t offset, uint64_t bytes)
{
    size_t first = offset / DISK_BLOCK_BYTES;
    size_t last = (offset + bytes - 1) / DISK_BLOCK_BYTES;

    memset(&tape->differs[first], 1, last - first + 1);
}

/* All writes before event `end` are on stable storage. */
static void settle(struct tape *tape, uint64_t end)
{
    for (; tape->flushed < end; tape->flushed++) {
        const struct disk_event *event = &tape->disk->events[tape->flushed];
        if (event->bytes == 0)
            continue;
        memcpy(tape->stable + event->offset, tape->disk->tape + event->at, event->bytes);
        mark_blocks(tape, event->offset, event->bytes);
    }
}

/* The last event of the first `event_count` that is a flush, and the next one's number. */
static uint64_t end_of_flushed(const struct tape *tape, uint64_t event_count)
{
    if (tape->lies)
        return 0;
    while (event_count > tape->flushed && tape->disk->events[event_count - 1].bytes > 0)
        event_count--;
    return event_count;
}

static void restore_state(struct tape *tape)
{
    uint8_t *touched = tape->disk->is_touched[DISK_FILE_STATE];

    for (size_t i = 0; i < DISK_BLOCK_COUNT; i++) {
        if (!tape->differs[i] && !touched[i])
            continue;
        copy_block(tape->disk->bytes[DISK_FILE_STATE], tape->stable, i);
        tape->differs[i] = touched[i] = 0;
    }
}

/* File systems count on a superblock being written whole; drives with 4 KiB blocks do that. */
static bool holds_superblock(uint64_t offset)
{
    return offset / DISK_BLOCK_BYTES == 0 || offset / DISK_BLOCK_BYTES == (64 << 10) / 4096;
}

/* Writes that part of an event's bytes that the drive came to. */
static void keep_some(struct tape *tape, const struct disk_event *event, size_t unit_bytes,
                      uint64_t one_in, struct rng *rng)
{
    uint8_t *state = tape->disk->bytes[DISK_FILE_STATE];

    for (uint64_t at = 0, bytes; at < event->bytes; at += bytes) {
        uint64_t offset = event->offset + at;
        size_t unit = holds_superblock(offset) ? DISK_BLOCK_BYTES : unit_bytes;
        bytes = unit - offset % unit < event->bytes - at ? unit - offset % unit : event->bytes - at;
        if (rng_one_in(rng, one_in))
            memcpy(state + offset, tape->disk->tape + event->at + at, bytes);
    }
    mark_blocks(tape, event->offset, event->bytes);
}

void tape_make_state(struct tape *tape, uint64_t event_count, struct rng *rng)
{
    size_t unit_bytes = rng_one_in(rng, 2) ? SECTOR_BYTES : DISK_BLOCK_BYTES;
    uint64_t kept = rng_below(rng, 4); /* none, a third, half, all of what was not flushed */

    settle(tape, end_of_flushed(tape, event_count));
    restore_state(tape);
    for (uint64_t i = tape->flushed; i < event_count && kept > 0; i++)
        if (tape->disk->events[i].bytes > 0)
            keep_some(tape, &tape->disk->events[i], unit_bytes, 4 - kept, rng);
}

void tape_copy_disk(struct tape *tape)
{
    struct fuse_disk *disk = tape->disk;

    for (size_t i = 0; i < DISK_BLOCK_COUNT; i++) {
        if (!disk->is_touched[DISK_FILE_DISK][i] && !disk->is_touched[DISK_FILE_STATE][i] &&
            !tape->differs[i])
            continue;
        copy_block(disk->bytes[DISK_FILE_STATE], disk->bytes[DISK_FILE_DISK], i);
        tape->differs[i] = 1;
    }
}
