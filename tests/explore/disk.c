/* SPDX-License-Identifier: MIT */
#include "disk.h"

#include "arena.h"
#include "format/format.h"
#include "memory.h"
#include "scheduler.h"
#include "search.h"
#include "trace.h"

#include <errno.h>
#include <string.h>

enum {
    DISK_BYTES = 256 << 10,
    BLOCK_COUNT = DISK_BYTES / LF_BLOCK_BYTES,
    WRITES_MAX = 64,
    THE_FD = 3,
    DIRECTORY_FD = 4
};

struct extent {
    uint64_t offset;
    uint64_t bytes;
    bool is_dropped; /* a failed sync was for it */
};

struct disk {
    struct disk_options options;
    bool is_prepared; /* somebody allocates ahead */
    bool is_named;    /* rename has given the file its name */
    char commits;     /* stands for what is handed on from one who commits to the next */
    bool hung;
    bool failed;
    uint64_t bytes; /* of the file, in the cache */
    /* In order; the first `synced_count` are durable. */
    struct extent writes[WRITES_MAX];
    unsigned write_count, synced_count;
    uint8_t block_is_durable[BLOCK_COUNT];
    _Alignas(LF_BLOCK_BYTES) uint8_t cache[DISK_BYTES];
    _Alignas(LF_BLOCK_BYTES) uint8_t durable[DISK_BYTES];
};

static struct disk *disk;
static void (*sync_called)(int error);

/* ---- Names ---- */

static int disk_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    (void)context, (void)directory, (void)name, (void)mode;
    if (flags & LOGFILE_IO_OPEN_DIRECTORY)
        return DIRECTORY_FD;
    if (flags & LOGFILE_IO_OPEN_DIRECT)
        return -EINVAL;
    return disk->is_named || flags & LOGFILE_IO_OPEN_CREATE ? THE_FD : -ENOENT;
}

static int disk_rename(void *context, int directory, const char *from, const char *to)
{
    (void)context, (void)directory, (void)from, (void)to;
    disk->is_named = true;
    return 0;
}

static int disk_stat(void *context, int fd, struct logfile_io_stat *out)
{
    (void)context, (void)fd;
    *out = (struct logfile_io_stat){.bytes = disk->bytes, .kind = LOGFILE_IO_REGULAR, .links = 1};
    return 0;
}

static int succeed(void *context, int fd)
{
    (void)context, (void)fd;
    return 0;
}

static int succeed_name(void *context, int directory, const char *name)
{
    (void)context, (void)directory, (void)name;
    return 0;
}

static int no_directory(void *context, int directory, const char *name, mode_t mode)
{
    (void)context, (void)directory, (void)name, (void)mode;
    return -EROFS;
}

static int no_listing(void *context, int directory, int (*visit)(void *, const char *),
                      void *visit_arg)
{
    (void)context, (void)directory, (void)visit, (void)visit_arg;
    return -ENOTDIR;
}

static int disk_facts(void *context, int fd, struct logfile_io_facts *out)
{
    (void)context, (void)fd;
    *out = (struct logfile_io_facts){
        .direct = LOGFILE_IO_DIRECT_NO, .free_bytes = UINT64_MAX, .total_bytes = UINT64_MAX};
    return 0;
}

/* ---- Bytes ---- */

static ssize_t disk_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    (void)context, (void)fd;
    if (offset >= disk->bytes)
        return 0;
    if (bytes > disk->bytes - offset)
        bytes = disk->bytes - offset;
    memcpy(buffer, disk->cache + offset, bytes);
    return (ssize_t)bytes;
}

/* Epochs are written once: a durable block that is written again could be lost by a crash. */
static void check_blocks(uint64_t offset, size_t bytes)
{
    for (uint64_t at = offset; at < offset + bytes; at += LF_BLOCK_BYTES)
        if (at >= LF_FIRST_LSN && disk->block_is_durable[at / LF_BLOCK_BYTES])
            scheduler_fail("the durable block at %lu is written again", at);
}

static void note_write(uint64_t offset, size_t bytes)
{
    if (disk->write_count == WRITES_MAX) {
        scheduler_fail("more than %d writes", WRITES_MAX);
        return;
    }
    disk->writes[disk->write_count++] = (struct extent){offset, bytes, false};
    if (disk->bytes < offset + bytes)
        disk->bytes = offset + bytes;
}

/* The device takes the bytes some time between call and return: they must not change meanwhile. */
static void take_bytes(const void *buffer, size_t bytes, uint64_t offset)
{
    if (is_exploring && memory_is_watched(buffer))
        memory_touch(buffer, bytes, "write");
    memcpy(disk->cache + offset, buffer, bytes);
    if (!is_exploring)
        return;
    scheduler_point();
    if (memcmp(disk->cache + offset, buffer, bytes) != 0)
        scheduler_fail("the buffer changes while it is written at %lu", offset);
}

static bool fails(void)
{
    if (!is_exploring || search_choose(2, 1, BUDGET_FAULTS, NULL) == 0)
        return false;
    disk->failed = true;
    return true;
}

static ssize_t disk_write(void *context, int fd, const void *buffer, size_t bytes, uint64_t offset,
                          unsigned flags)
{
    (void)context, (void)fd, (void)flags;
    if (offset + bytes > DISK_BYTES) {
        scheduler_fail("the disk is too small for this world");
        return -ENOSPC;
    }
    if (is_exploring)
        scheduler_point();
    if (fails()) {
        trace("write of %zu bytes at %lu fails", bytes, offset);
        return -EIO;
    }
    trace("write of %zu bytes at %lu", bytes, offset);
    if (is_exploring && offset >= LF_FIRST_LSN) /* One at a time commits, each after the last. */
        memory_touch(&disk->commits, sizeof disk->commits, "commit");
    if (is_exploring && disk->is_prepared && offset + bytes > disk->bytes)
        scheduler_fail("a write at %lu, of which nothing is allocated", offset);
    check_blocks(offset, bytes);
    take_bytes(buffer, bytes, offset);
    note_write(offset, bytes);
    return (ssize_t)bytes;
}

static void make_durable(const struct extent *extent)
{
    if (extent->is_dropped)
        return;
    memcpy(disk->durable + extent->offset, disk->cache + extent->offset, extent->bytes);
    memset(disk->block_is_durable + extent->offset / LF_BLOCK_BYTES, 1,
           (extent->bytes + LF_BLOCK_BYTES - 1) / LF_BLOCK_BYTES);
}

static void wait_for_device(void)
{
    uint64_t ns = disk->options.sync_ns;

    if (disk->options.hang_ns != 0 && !disk->hung) {
        ns = disk->options.hang_ns;
        disk->hung = true;
    }
    if (ns > 0)
        scheduler_block(disk, scheduler_now_ns() + ns, true);
    else
        scheduler_point();
}

/* Of what was written before the sync began. */
static void settle(unsigned write_count, bool failed)
{
    for (unsigned i = disk->synced_count; i < write_count; i++) {
        disk->writes[i].is_dropped |= failed;
        make_durable(&disk->writes[i]);
    }
    if (disk->synced_count < write_count)
        disk->synced_count = write_count;
}

static int disk_sync(void *context, int fd)
{
    unsigned write_count = disk->write_count;
    bool failed;

    (void)context, (void)fd;
    trace("sync begins");
    if (is_exploring)
        wait_for_device();
    failed = fails();
    settle(write_count, failed);
    trace("sync ends: %s", failed ? "it fails" : "durable");
    if (sync_called != NULL)
        sync_called(failed ? -EIO : 0);
    return failed ? -EIO : 0;
}

static int disk_allocate(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    (void)context, (void)fd;
    if (is_exploring)
        scheduler_point();
    if (fails()) {
        trace("allocate up to %lu fails", offset + bytes);
        return -EIO;
    }
    trace("allocate up to %lu", offset + bytes);
    if (disk->options.capacity_bytes != 0 && offset + bytes > disk->options.capacity_bytes)
        return -ENOSPC;
    /* A log that prepares nothing asks for the block of its OPEN epoch all the same. */
    disk->is_prepared |= bytes > LF_BLOCK_BYTES;
    if (disk->bytes < offset + bytes)
        disk->bytes = offset + bytes;
    return 0;
}

static int disk_truncate(void *context, int fd, uint64_t bytes)
{
    (void)context, (void)fd;
    disk->bytes = bytes;
    return 0;
}

static int disk_punch(void *context, int fd, uint64_t offset, uint64_t bytes)
{
    (void)context, (void)fd, (void)offset, (void)bytes;
    return -EOPNOTSUPP;
}

/* ---- For worlds ---- */

const struct logfile_io *disk_new(const struct disk_options *options)
{
    static const struct logfile_io table = {
        .version = LOGFILE_IO_VERSION,
        .open = disk_open,
        .close = succeed,
        .stat = disk_stat,
        .lock = succeed,
        .locked = succeed,
        .read = disk_read,
        .write = disk_write,
        .sync = disk_sync,
        .allocate = disk_allocate,
        .truncate = disk_truncate,
        .drop_cache = succeed,
        .punch = disk_punch,
        .rename = disk_rename,
        .unlink = succeed_name,
        .remove_directory = succeed_name,
        .sync_directory = succeed,
        .make_directory = no_directory,
        .list_directory = no_listing,
        .facts = disk_facts,
    };

    disk = arena_take(sizeof *disk, LF_BLOCK_BYTES);
    disk->options = *options;
    sync_called = NULL;
    return &table;
}

void disk_on_sync(void (*called)(int error))
{
    sync_called = called;
}

const uint8_t *disk_durable(void)
{
    return disk->durable;
}

uint64_t disk_bytes(void)
{
    return disk->bytes < DISK_BYTES ? disk->bytes : DISK_BYTES;
}

bool disk_has_failed(void)
{
    return disk->failed;
}

void disk_set_capacity(uint64_t capacity_bytes)
{
    disk->options.capacity_bytes = capacity_bytes;
}
