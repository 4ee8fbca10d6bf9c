/* SPDX-License-Identifier: MIT */
#include "raft_disk.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------
 * Snapshots.
 */

struct raft_snapshot *snapshot_make(raft_index index, raft_term term, const void *data, size_t size)
{
    struct raft_snapshot *snapshot = raft_calloc(1, sizeof *snapshot);

    snapshot->index = index;
    snapshot->term = term;
    raft_configuration_init(&snapshot->configuration);
    raft_configuration_add(&snapshot->configuration, 1, "1", RAFT_VOTER);
    snapshot->configuration_index = 1;
    snapshot->bufs = raft_malloc(sizeof *snapshot->bufs);
    snapshot->n_bufs = 1;
    snapshot->bufs[0].len = size;
    snapshot->bufs[0].base = raft_malloc(size + 1);
    if (size > 0)
        memcpy(snapshot->bufs[0].base, data, size);
    return snapshot;
}

struct raft_snapshot *snapshot_copy(const struct raft_snapshot *snapshot)
{
    size_t size = 0, used = 0;

    for (unsigned i = 0; i < snapshot->n_bufs; i++)
        size += snapshot->bufs[i].len;
    struct raft_snapshot *copy = snapshot_make(snapshot->index, snapshot->term, NULL, 0);
    raft_configuration_close(&copy->configuration);
    raft_configuration_init(&copy->configuration);
    for (unsigned i = 0; i < snapshot->configuration.n; i++) {
        const struct raft_server *server = &snapshot->configuration.servers[i];
        raft_configuration_add(&copy->configuration, server->id, server->address, server->role);
    }
    copy->configuration_index = snapshot->configuration_index;
    raft_free(copy->bufs[0].base);
    copy->bufs[0].base = raft_malloc(size + 1);
    copy->bufs[0].len = size;
    for (unsigned i = 0; i < snapshot->n_bufs; i++) {
        memcpy((char *)copy->bufs[0].base + used, snapshot->bufs[i].base, snapshot->bufs[i].len);
        used += snapshot->bufs[i].len;
    }
    return copy;
}

/* ---------------------------------------------------------------------------------------------
 * The base.
 */

static int base_init(struct raft_io *io, raft_id id, const char *address)
{
    struct raft_disk *disk = io->impl;

    (void)address;
    disk->id = id;
    return 0;
}

static void base_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct raft_disk *disk = io->impl;

    if (disk->put != NULL) {
        struct raft_io_snapshot_put *put = disk->put;
        disk->put = NULL;
        put->cb(put, RAFT_CANCELED);
    }
    if (disk->get != NULL) {
        struct raft_io_snapshot_get *get = disk->get;
        disk->get = NULL;
        get->cb(get, NULL, RAFT_CANCELED);
    }
    disk->tick = NULL;
    disk->receive = NULL;
    cb(io);
}

static int base_load(struct raft_io *io, raft_term *term, raft_id *vote,
                     struct raft_snapshot **snapshot, raft_index *start_index,
                     struct raft_entry *entries[], size_t *count)
{
    struct raft_disk *disk = io->impl;

    *term = disk->own_term;
    *vote = 0;
    *snapshot = disk->stored != NULL ? snapshot_copy(disk->stored) : NULL;
    *start_index = disk->stored != NULL ? disk->stored->index + 1 : 1;
    *entries = NULL;
    *count = 0;
    return 0;
}

static int base_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick,
                      raft_io_recv_cb receive)
{
    struct raft_disk *disk = io->impl;

    (void)msecs;
    disk->tick = tick;
    disk->receive = receive;
    return 0;
}

static int base_send(struct raft_io *io, struct raft_io_send *request,
                     const struct raft_message *message, raft_io_send_cb cb)
{
    struct raft_disk *disk = io->impl;

    return disk->send != NULL ? disk->send(disk->send_arg, disk, request, message, cb)
                              : RAFT_NOCONNECTION;
}

/* Of LeakSanitizer; NULL: it is not there. */
__attribute__((weak)) void __lsan_ignore_object(const void *object);

static int base_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                    const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct raft_disk *disk = io->impl;

    (void)trailing;
    request->cb = cb;
    disk->put = request;
    disk->put_snapshot = snapshot;
    /* libraft 0.15 does not free this array, and nothing but it, of a leader's snapshot that cannot be stored
     * (installSnapshotCb of its replication.c; later versions do). */
    if (disk->is_of_libraft && __lsan_ignore_object != NULL)
        __lsan_ignore_object(snapshot->bufs);
    return 0;
}

static int base_get(struct raft_io *io, struct raft_io_snapshot_get *request,
                    raft_io_snapshot_get_cb cb)
{
    struct raft_disk *disk = io->impl;

    request->cb = cb;
    disk->get = request;
    return 0;
}

static raft_time base_time(struct raft_io *io)
{
    struct raft_disk *disk = io->impl;

    return disk->now_ms != NULL ? *disk->now_ms : 0;
}

static int base_random(struct raft_io *io, int min, int max)
{
    struct raft_disk *disk = io->impl;

    return min + (int)rng_below(&disk->rng, (uint64_t)(max - min));
}

/* ---------------------------------------------------------------------------------------------
 * The disk.
 */

void raft_disk_init(struct raft_disk *disk, uv_loop_t *loop, struct logfile_sim *sim)
{
    memset(disk, 0, sizeof *disk);
    disk->loop = loop;
    disk->sim = sim;
    disk->path = "raft.log";
    disk->lab.flusher = LOGFILE_FLUSHER_LEADER;
    disk->options.prepare = LOGFILE_PREPARE_NONE;
    disk->options.slot_bytes = 64 << 10;
    disk->options.io = logfile_sim_io(sim);
    disk->options.lab = &disk->lab;
    disk->raft_options.log = &disk->options;
    disk->base = (struct raft_io){.version = 1,
                                  .impl = disk,
                                  .init = base_init,
                                  .close = base_close,
                                  .load = base_load,
                                  .start = base_start,
                                  .send = base_send,
                                  .snapshot_put = base_put,
                                  .snapshot_get = base_get,
                                  .time = base_time,
                                  .random = base_random};
}

void raft_disk_free(struct raft_disk *disk)
{
    lf_raft_free_snapshot(disk->stored);
    disk->stored = NULL;
}

void raft_disk_prepare(struct raft_disk *disk)
{
    int error =
        logfile_raft_init(&disk->io, disk->loop, disk->path, &disk->base, &disk->raft_options);

    ck_assert_int_eq(error, 0);
}

int raft_disk_open(struct raft_disk *disk)
{
    raft_disk_prepare(disk);
    int error = disk->io.init(&disk->io, disk->id, "address");
    if (error != 0)
        logfile_raft_close(&disk->io);
    disk->is_open = error == 0;
    return error;
}

static void on_closed(struct raft_io *io)
{
    struct raft_disk *disk = ((struct lf_raft *)io->impl)->base->impl;

    disk->is_closed = true;
}

void raft_disk_close(struct raft_disk *disk)
{
    disk->is_closed = false;
    disk->io.close(&disk->io, on_closed);
    while (!disk->is_closed)
        uv_run(disk->loop, UV_RUN_ONCE);
    logfile_raft_close(&disk->io);
    disk->is_open = false;
}

static void finish_base_work(struct raft_disk *disk)
{
    if (disk->put != NULL && !disk->holds_put) {
        struct raft_io_snapshot_put *put = disk->put;
        int error = disk->put_error;
        disk->put = NULL;
        disk->put_error = 0;
        if (error == 0) {
            lf_raft_free_snapshot(disk->stored);
            disk->stored = snapshot_copy(disk->put_snapshot);
        }
        put->cb(put, error);
    }
    if (disk->get != NULL) {
        struct raft_io_snapshot_get *get = disk->get;
        disk->get = NULL;
        get->cb(get, disk->stored != NULL ? snapshot_copy(disk->stored) : NULL,
                disk->stored != NULL ? 0 : RAFT_NOTFOUND);
    }
}

void raft_disk_wait_idle(struct raft_disk *disk)
{
    const struct lf_raft *node = disk->io.impl;

    while (node->is_trimming)
        uv_run(disk->loop, UV_RUN_ONCE);
}

void raft_disk_run(struct raft_disk *disk)
{
    finish_base_work(disk);
    lf_raft_pump(disk->io.impl, false); /* as each tick does */
    if (disk->lab.flusher == LOGFILE_FLUSHER_LEADER)
        (void)logfile_sync(logfile_raft_log(&disk->io), NULL);
    uv_run(disk->loop, UV_RUN_NOWAIT);
    raft_disk_wait_idle(disk);
}

void raft_disk_run_until(struct raft_disk *disk, const bool *done)
{
    while (!*done) {
        raft_disk_run(disk);
        sched_yield();
    }
}
