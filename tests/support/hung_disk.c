/* SPDX-License-Identifier: MIT */
#include "hung_disk.h"

static _Thread_local struct hung_disk *my_disk;
static _Thread_local unsigned my_part;
static _Thread_local bool is_in_timed_call;

/* Threads that never said what part they play go past. */
static bool hangs_here(void *arg)
{
    const struct hung_disk *disk = arg;

    return my_disk == disk && (disk->parts & my_part) != 0;
}

static bool count_timed(void *arg, struct io_call *call)
{
    struct hung_disk *disk = arg;

    (void)call;
    if (my_disk == disk && is_in_timed_call)
        __atomic_add_fetch(&disk->timed_count, 1, __ATOMIC_RELAXED);
    return false;
}

void hung_disk_init(struct hung_disk *disk)
{
    disk->sim = logfile_sim_new(NULL);
    ck_assert_ptr_nonnull(disk->sim);
    disk->timed_count = 0;
    io_layer_init(&disk->layer, logfile_sim_io(disk->sim));
    disk->layer.before = count_timed;
    disk->layer.gate_is_for = hangs_here;
    disk->layer.arg = disk;
}

void hung_disk_free(struct hung_disk *disk)
{
    logfile_sim_free(disk->sim);
}

void hung_disk_join(struct hung_disk *disk, unsigned part)
{
    my_disk = disk;
    my_part = part;
}

void hung_disk_thread_start(void *disk, enum logfile_thread role)
{
    static const unsigned parts[] = {
        [LOGFILE_THREAD_SEQUENCER] = HUNG_SEQUENCER,
        [LOGFILE_THREAD_PREPARER] = HUNG_PREPARER,
        [LOGFILE_THREAD_EVENTS] = 0,
    };

    hung_disk_join(disk, parts[role]);
}

void hung_disk_set_timed(bool is_timed)
{
    is_in_timed_call = is_timed;
}

void hung_disk_begin(struct hung_disk *disk, const struct hung_call *what)
{
    disk->parts = what->parts;
    io_layer_gate_close(&disk->layer, what->call, 0, what->error);
}

void hung_disk_end(struct hung_disk *disk)
{
    io_layer_gate_open(&disk->layer);
}

bool hung_disk_has_caught(struct hung_disk *disk, unsigned ms)
{
    return io_layer_gate_is_reached(&disk->layer, ms);
}

unsigned hung_disk_timed_count(struct hung_disk *disk)
{
    return __atomic_load_n(&disk->timed_count, __ATOMIC_RELAXED);
}
