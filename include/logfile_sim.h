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
 * logfile_sim_reboot decides what is left and the same disk comes back.
 *
 * Faults: calls of a kind fail, or move fewer bytes than asked, once or for ever; they wait at a
 * gate; they take time.  A sync that fails drops what it should have written from the cache's list,
 * as kernels do: the cache goes on showing it, and no later sync writes it.  Only what was written
 * with DIRECT is never in that list.
 *
 * All of it may be used from any thread, but for logfile_sim_reboot and its kin and logfile_sim_free, for which
 * no call may be under way.
 */
#ifndef LOGFILE_SIM_H
#define LOGFILE_SIM_H

#include "logfile_io.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* the library hides everything else */

enum logfile_sim_call {
    LOGFILE_SIM_OPEN,
    LOGFILE_SIM_CLOSE,
    LOGFILE_SIM_STAT,
    LOGFILE_SIM_LOCK,
    LOGFILE_SIM_LOCKED,
    LOGFILE_SIM_READ,
    LOGFILE_SIM_WRITE,     /* of anything but zeros */
    LOGFILE_SIM_ZERO_FILL, /* a write whose first block is all zeros */
    LOGFILE_SIM_SYNC,
    LOGFILE_SIM_ALLOCATE,
    LOGFILE_SIM_TRUNCATE,
    LOGFILE_SIM_PUNCH,
    LOGFILE_SIM_DROP_CACHE,
    LOGFILE_SIM_RENAME,
    LOGFILE_SIM_UNLINK,
    LOGFILE_SIM_SYNC_DIRECTORY,
    LOGFILE_SIM_MAKE_DIRECTORY,
    LOGFILE_SIM_LIST_DIRECTORY,
    LOGFILE_SIM_CALL_COUNT
};

const char *logfile_sim_call_name(enum logfile_sim_call call);

struct logfile_sim_options {
    uint64_t capacity_bytes; /* all files together, holes not counted; 0: no limit */
    uint64_t discard_from;   /* writes from here on are counted and forgotten; 0: none */
    bool no_direct;          /* open with DIRECT is -EINVAL, as on tmpfs */
    bool no_allocate;        /* allocate is -EOPNOTSUPP */
    bool no_punch;           /* punch is -EOPNOTSUPP */
    bool sync_lies;          /* sync returns 0 and does nothing: a test must notice */
};

struct logfile_sim_fault {
    enum logfile_sim_call call;
    unsigned after;     /* calls of that kind that still go well */
    bool for_ever;      /* else once */
    int error;          /* -errno; 0: a short count instead */
    size_t short_bytes; /* move at most this many bytes */
};

struct logfile_sim;

struct logfile_sim *logfile_sim_new(const struct logfile_sim_options *options);
/* A copy of what is on disk and in the cache, without open files, faults, gates and delays. */
struct logfile_sim *logfile_sim_clone(struct logfile_sim *disk);
void logfile_sim_free(struct logfile_sim *disk);
const struct logfile_io *logfile_sim_io(struct logfile_sim *disk);
void logfile_sim_set_capacity(struct logfile_sim *disk, uint64_t capacity_bytes);

/* ---- Crashes ---- */

/* Crash at the nth call from now, 1 being the next, that changes something. */
void logfile_sim_crash_at(struct logfile_sim *disk, uint64_t nth);
/* The same of one kind of call, which must be one that changes something. */
void logfile_sim_crash_at_call(struct logfile_sim *disk, enum logfile_sim_call call, uint64_t nth);
bool logfile_sim_is_down(struct logfile_sim *disk);
/* The call that it struck; LOGFILE_SIM_CALL_COUNT: it has not. */
enum logfile_sim_call logfile_sim_crash_call(struct logfile_sim *disk);
/* Comes back with what survived; closes all files.  Also without a crash before: a power cut
 * between two calls. */
void logfile_sim_reboot(struct logfile_sim *disk, uint64_t seed);
/* The worst honest disk: nothing that was not synced survives. */
void logfile_sim_reboot_losing_all(struct logfile_sim *disk);
/* Only the process died: its files are closed, and the cache stays as it is, synced or not. */
void logfile_sim_restart(struct logfile_sim *disk);

/* ---- Faults ---- */

void logfile_sim_fault(struct logfile_sim *disk, const struct logfile_sim_fault *fault);
void logfile_sim_fault_clear(struct logfile_sim *disk);
/* How many calls the fault has hit since it was set. */
uint64_t logfile_sim_fault_hits(struct logfile_sim *disk);
/* Each call of that kind takes this long, without holding up others. */
void logfile_sim_delay(struct logfile_sim *disk, enum logfile_sim_call call, uint64_t us);
/* Later calls of that kind wait, before they do anything, until the gate opens. */
void logfile_sim_gate_close(struct logfile_sim *disk, enum logfile_sim_call call);
void logfile_sim_gate_open(struct logfile_sim *disk);
/* Whether a call waits at the gate, or does so within `ms`. */
bool logfile_sim_gate_is_reached(struct logfile_sim *disk, unsigned ms);

/* ---- What happened ---- */

uint64_t logfile_sim_call_count(struct logfile_sim *disk, enum logfile_sim_call call);
/* Calls so far that change something: what logfile_sim_crash_at counts. */
uint64_t logfile_sim_change_count(struct logfile_sim *disk);
/* Writes that were started while another write to the same bytes was under way. */
uint64_t logfile_sim_overlap_count(struct logfile_sim *disk);
/* Calls that broke a rule of logfile_io.h, such as alignment with DIRECT or an unknown fd. */
uint64_t logfile_sim_misuse_count(struct logfile_sim *disk);
unsigned logfile_sim_open_count(struct logfile_sim *disk);
/* Files and directories. */
unsigned logfile_sim_file_count(struct logfile_sim *disk);
bool logfile_sim_exists(struct logfile_sim *disk, const char *path);
/* Visits, where visit is not NULL, the names in a directory in alphabetical order.  Their number; 0
 * where there is no directory. */
unsigned logfile_sim_list(struct logfile_sim *disk, const char *path,
                          void (*visit)(void *arg, const char *name), void *arg);
/* What counts against the capacity: blocks that are no holes, of a file, or with NULL of all. */
uint64_t logfile_sim_used_bytes(struct logfile_sim *disk, const char *path);
/* Size of a file; 0 where there is none. */
uint64_t logfile_sim_file_bytes(struct logfile_sim *disk, const char *path);
/* Copies bytes of a file out of, or into, cache and disk alike. */
void logfile_sim_peek(struct logfile_sim *disk, const char *path, uint64_t offset, void *to,
                      size_t bytes);
void logfile_sim_poke(struct logfile_sim *disk, const char *path, uint64_t offset, const void *from,
                      size_t bytes);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* LOGFILE_SIM_H */
