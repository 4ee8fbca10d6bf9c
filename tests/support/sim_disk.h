/* SPDX-License-Identifier: MIT */
/*
 * A disk in memory behind struct logfile_io, with everything that a real one does to a log when
 * the power goes.
 *
 * What is written is volatile until it is synced, in sectors of 512 bytes; so are the sizes of
 * files, and the names of files and directories until the directory that holds them is synced, each
 * on its own.  When the machine crashes, every unsynced sector is kept, dropped, trashed or written
 * to the place of another unsynced sector; every block that was punched or cut off is kept or zero;
 * every unsynced size and name is kept or not; and a seed decides which.  A name that is lost takes
 * along what is below it.  What was synced is never touched: a log that loses it has a bug.
 *
 * Paths without a leading slash start where those with one do.  There are no links, and no "..".
 *
 * A crash can strike at any call that changes something.  That call takes effect only as far as the
 * cache, and it and all later calls return -EIO, so the code under test runs out by itself; then
 * sim_reboot decides what is left and the same disk comes back.
 *
 * Faults: calls of a kind fail, or move fewer bytes than asked, once or for ever; they wait at a
 * gate; they take time.  A sync that fails drops what it should have written from the cache's list,
 * as kernels do: the cache goes on showing it, and no later sync writes it.  Only what was written
 * with DIRECT is never in that list.
 *
 * All of it may be used from any thread, but for sim_reboot and its kin and sim_disk_free, for which
 * no call may be under way.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "logfile_io.h"
#include "support.h"

enum sim_call {
    SIM_OPEN,
    SIM_CLOSE,
    SIM_STAT,
    SIM_LOCK,
    SIM_LOCKED,
    SIM_READ,
    SIM_WRITE,     /* of anything but zeros */
    SIM_ZERO_FILL, /* a write whose first block is all zeros */
    SIM_SYNC,
    SIM_ALLOCATE,
    SIM_TRUNCATE,
    SIM_PUNCH,
    SIM_DROP_CACHE,
    SIM_RENAME,
    SIM_UNLINK,
    SIM_SYNC_DIRECTORY,
    SIM_MAKE_DIRECTORY,
    SIM_LIST_DIRECTORY,
    SIM_CALL_COUNT
};

const char *sim_call_name(enum sim_call call);

struct sim_options {
    uint64_t capacity_bytes; /* all files together, holes not counted; 0: no limit */
    uint64_t discard_from;   /* writes from here on are counted and forgotten; 0: none */
    bool no_direct;          /* open with DIRECT is -EINVAL, as on tmpfs */
    bool no_allocate;        /* allocate is -EOPNOTSUPP */
    bool no_punch;           /* punch is -EOPNOTSUPP */
    bool sync_lies;          /* sync returns 0 and does nothing: a test must notice */
};

struct sim_fault {
    enum sim_call call;
    unsigned after;     /* calls of that kind that still go well */
    bool for_ever;      /* else once */
    int error;          /* -errno; 0: a short count instead */
    size_t short_bytes; /* move at most this many bytes */
};

struct sim_disk;

struct sim_disk *sim_disk_new(const struct sim_options *options);
/* A copy of what is on disk and in the cache, without open files, faults, gates and delays. */
struct sim_disk *sim_disk_clone(struct sim_disk *disk);
void sim_disk_free(struct sim_disk *disk);
const struct logfile_io *sim_disk_io(struct sim_disk *disk);
void sim_set_capacity(struct sim_disk *disk, uint64_t capacity_bytes);

/* ---- Crashes ---- */

/* Crash at the nth call from now, 1 being the next, that changes something. */
void sim_crash_at(struct sim_disk *disk, uint64_t nth);
/* The same of one kind of call, which must be one that changes something. */
void sim_crash_at_call(struct sim_disk *disk, enum sim_call call, uint64_t nth);
bool sim_is_down(struct sim_disk *disk);
/* The call that it struck; SIM_CALL_COUNT: it has not. */
enum sim_call sim_crash_call(struct sim_disk *disk);
/* Comes back with what survived; closes all files.  Also without a crash before: a power cut
 * between two calls. */
void sim_reboot(struct sim_disk *disk, uint64_t seed);
/* The worst honest disk: nothing that was not synced survives. */
void sim_reboot_losing_all(struct sim_disk *disk);
/* Only the process died: its files are closed, and the cache stays as it is, synced or not. */
void sim_restart(struct sim_disk *disk);

/* ---- Faults ---- */

void sim_fault(struct sim_disk *disk, const struct sim_fault *fault);
void sim_fault_clear(struct sim_disk *disk);
/* How many calls the fault has hit since it was set. */
uint64_t sim_fault_hits(struct sim_disk *disk);
/* Each call of that kind takes this long, without holding up others. */
void sim_delay(struct sim_disk *disk, enum sim_call call, uint64_t us);
/* Later calls of that kind wait, before they do anything, until the gate opens. */
void sim_gate_close(struct sim_disk *disk, enum sim_call call);
void sim_gate_open(struct sim_disk *disk);
/* Whether a call waits at the gate, or does so within `ms`. */
bool sim_gate_is_reached(struct sim_disk *disk, unsigned ms);

/* ---- What happened ---- */

uint64_t sim_call_count(struct sim_disk *disk, enum sim_call call);
/* Calls so far that change something: what sim_crash_at counts. */
uint64_t sim_change_count(struct sim_disk *disk);
/* Writes that were started while another write to the same bytes was under way. */
uint64_t sim_overlap_count(struct sim_disk *disk);
/* Calls that broke a rule of logfile_io.h, such as alignment with DIRECT or an unknown fd. */
uint64_t sim_misuse_count(struct sim_disk *disk);
unsigned sim_open_count(struct sim_disk *disk);
/* Files and directories. */
unsigned sim_file_count(struct sim_disk *disk);
bool sim_exists(struct sim_disk *disk, const char *path);
/* Visits, where visit is not NULL, the names in a directory in alphabetical order.  Their number; 0
 * where there is no directory. */
unsigned sim_list(struct sim_disk *disk, const char *path,
                  void (*visit)(void *arg, const char *name), void *arg);
/* What counts against the capacity: blocks that are no holes, of a file, or with NULL of all. */
uint64_t sim_used_bytes(struct sim_disk *disk, const char *path);
/* Size of a file; 0 where there is none. */
uint64_t sim_file_bytes(struct sim_disk *disk, const char *path);
/* Copies bytes of a file out of, or into, cache and disk alike. */
void sim_peek(struct sim_disk *disk, const char *path, uint64_t offset, void *to, size_t bytes);
void sim_poke(struct sim_disk *disk, const char *path, uint64_t offset, const void *from,
              size_t bytes);

#endif /* SIM_DISK_H */
