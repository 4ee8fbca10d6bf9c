/* SPDX-License-Identifier: MIT */
/*
 * logfile_sim.h - test your own recovery: a simulated disk, a checker of the log's promises, and a
 * loop that crashes your program at every call.
 *
 * The disk is memory behind struct logfile_io, and does to a log what a real one does when the
 * power goes:
 *
 *     struct logfile_sim *disk = logfile_sim_new(NULL);
 *     struct logfile_options options = {.io = logfile_sim_io(disk)};
 *     logfile_sim_crash_at(disk, 17);   // the 17th call that changes something
 *     ...                               // open a log with these options, and work until it fails
 *     logfile_sim_reboot(disk, 1);      // what was not synced is lost, kept or torn, as 1 decides
 *     ...                               // open it again: what do you recover?
 *
 * What is written is volatile until it is synced, in sectors of 512 bytes; so are the sizes of
 * files, and the names of files and directories until the directory that holds them is synced, each
 * on its own.  When the machine crashes, every unsynced sector is kept, dropped, trashed or written
 * to the place of another unsynced sector; every block that was punched or cut off is kept or zero;
 * every unsynced size and name is kept or not; and a seed decides which.  A name that is lost takes
 * along what is below it.  What was synced is never touched: a log that loses it has a bug.
 *
 * Paths without a leading slash start where those with one do.  There are no links, and no "..".  A
 * part of a path has at most 95 bytes (-ENAMETOOLONG), 64 files may be open at once (-EMFILE), and
 * a file takes up to four times as much memory as the highest offset that was written.
 *
 * A crash can strike at any call that changes something.  That call takes effect only as far as the
 * cache, and it and all later calls return -EIO, so the code under test runs out by itself; then
 * logfile_sim_reboot decides what is left and the same disk comes back.
 *
 * Faults: calls of a kind fail, or move fewer bytes than asked, once or forever; they wait at a
 * gate; they take time.  A sync that fails drops what it should have written from the cache's list,
 * as kernels do: the cache goes on showing it, and no later sync writes it.  Only what was written
 * with DIRECT is never in that list.
 *
 * The same again.  Nothing but the seeds is random here: the same calls in the same order give the
 * same results and leave the same sectors, on every machine.  One thread makes the same calls each
 * time if the log has none of its own, so for a case to be repeated open the log with
 *
 *     .flusher = LOGFILE_FLUSHER_LEADER, .prepare = LOGFILE_PREPARE_NONE, .segment_bytes = 0
 *
 * and use it from one thread.  Otherwise the scheduler chooses the order of the calls, and with it
 * which of them is the nth; what a reboot makes of a given disk still depends on the seed alone.
 * Bytes that the log itself draws at random (a nonce in its headers) differ from run to run, but
 * never decide anything.
 *
 * Results.  Functions that return int return 0 (or a documented positive value), and else -errno.
 * NULL in place of a disk or a journal is -EINVAL, or 0, false or NULL if a function returns
 * something else, and does nothing; only logfile_sim_io is stricter.  If memory runs out, calls
 * on the disk return -ENOMEM.
 *
 * Threads.  Every function may be called from any thread at any time, except that no other call on
 * the same disk may be under way in logfile_sim_reboot, logfile_sim_reboot_losing_all,
 * logfile_sim_restart and logfile_sim_free, and none on the same journal in
 * logfile_sim_journal_free.
 */
#ifndef LOGFILE_SIM_H
#define LOGFILE_SIM_H

#include "logfile_io.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* the library hides everything else */

/* ---------------------------------------------------------------------------------------------
 * The disk.
 */

/* The kinds of calls: members of struct logfile_io, and two kinds of write. */
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
    LOGFILE_SIM_REMOVE_DIRECTORY,
    LOGFILE_SIM_FACTS,
    LOGFILE_SIM_CALL_COUNT
};

/*
 * Names a kind of call.
 *
 * call:     the kind.
 * Returns:  a static string, never NULL; "none" for LOGFILE_SIM_CALL_COUNT and above.
 * Threads:  any.  Blocking: no.
 */
const char *logfile_sim_call_name(enum logfile_sim_call call);

/* A zeroed struct, or NULL in its place, means every default. */
struct logfile_sim_options {
    uint64_t
        capacity_bytes;    /* all files together, holes not counted; 0: no limit.  An allocate that
                                meets it keeps what it got, as on ext4 */
    uint64_t discard_from; /* writes from this offset on are counted and forgotten; 0: none */
    bool no_direct;        /* open with DIRECT is -EINVAL, as on tmpfs */
    bool no_allocate;      /* allocate is -EOPNOTSUPP */
    bool no_punch;         /* punch is -EOPNOTSUPP */
    bool sync_lies;        /* sync returns 0 and does nothing: a test must notice */
    uint64_t reserved[8];  /* must be zero */
};

struct logfile_sim;

/*
 * Makes an empty disk.
 *
 * options:  NULL for every default; copied.
 * Returns:  the disk; NULL: out of memory, or a reserved field is not zero.
 * Threads:  any.  Blocking: no.
 */
struct logfile_sim *logfile_sim_new(const struct logfile_sim_options *options);

/*
 * Makes a second disk with what the first has on disk and in the cache, synced or not, and its
 * options, but no open files, planned crash, faults, gates, delays and counts.
 *
 * Returns:  the copy; NULL: out of memory, or a NULL disk.
 * Threads:  any, also while calls are under way.  Blocking: no.
 */
struct logfile_sim *logfile_sim_clone(struct logfile_sim *disk);

/* Frees a disk and all that is on it; NULL is allowed.  Threads: one, last; every log and reader on
 * it is closed. */
void logfile_sim_free(struct logfile_sim *disk);

/*
 * The table for logfile_options.io and logfile_reader_options.io.
 *
 * Returns:  the table, valid until the disk is freed.  A NULL disk aborts the process with a
 *           message: a NULL table would stand for the real disk.
 * Threads:  any.  Blocking: no.
 */
const struct logfile_io *logfile_sim_io(struct logfile_sim *disk);

/*
 * Changes the capacity, as if another program filled the disk or made room on it.  What is there
 * stays.
 *
 * capacity_bytes: all files together, holes not counted; 0: no limit.
 * Returns:  0.  Errors: -EINVAL.  Threads: any.  Blocking: no.
 */
int logfile_sim_set_capacity(struct logfile_sim *disk, uint64_t capacity_bytes);

/* ---------------------------------------------------------------------------------------------
 * Crashes.
 */

/*
 * Plans a crash at the nth call from now, 1 being the next, that changes something: write,
 * zero-fill, sync, allocate, truncate, punch, rename, unlink, sync-directory, make-directory,
 * remove-directory.
 * Replaces the crash that was planned before.
 *
 * nth:      the call; 0: no crash.
 * Returns:  0.  Errors: -EINVAL.  Threads: any.  Blocking: no.
 */
int logfile_sim_crash_at(struct logfile_sim *disk, uint64_t nth);

/*
 * The same, counting calls of one kind.
 *
 * call:     one that changes something, or LOGFILE_SIM_CALL_COUNT for any of them.
 * nth:      the call; 0: no crash.
 * Returns:  0.  Errors: -EINVAL (also a kind that changes nothing).  Threads: any.  Blocking: no.
 */
int logfile_sim_crash_at_call(struct logfile_sim *disk, enum logfile_sim_call call, uint64_t nth);

/* Whether the planned crash has struck, and nothing has brought the disk back yet.
 * Threads: any.  Blocking: no. */
bool logfile_sim_is_down(struct logfile_sim *disk);

/* The kind of call that the crash struck; LOGFILE_SIM_CALL_COUNT: none since the disk came back.
 * Threads: any.  Blocking: no. */
enum logfile_sim_call logfile_sim_crash_call(struct logfile_sim *disk);

/*
 * Brings the disk back with what survived.  All files are closed and unlocked; a planned crash and
 * a fault are forgotten; gates, delays and counts stay.  Also without a crash before: a power cut
 * between two calls.
 *
 * seed:     decides what becomes of everything that was not synced.
 * Returns:  0.  Errors: -EINVAL.
 * Threads:  one, with no other call on the disk under way.  Blocking: no.
 */
int logfile_sim_reboot(struct logfile_sim *disk, uint64_t seed);

/* As logfile_sim_reboot, on the worst honest disk: nothing that was not synced survives. */
int logfile_sim_reboot_losing_all(struct logfile_sim *disk);

/*
 * How many things a power cut now would keep or drop: sectors whose bytes differ from those on
 * disk, blocks that were taken away, sizes, names.
 *
 * Returns:  their number.  Threads: any.  Blocking: no.
 */
unsigned logfile_sim_unsynced_count(struct logfile_sim *disk);

/*
 * As logfile_sim_reboot, keeping exactly what it is told to.
 *
 * mask:     a bit for each thing that logfile_sim_unsynced_count counts, in an order that is the
 *           same each time, set if it survives; those from the 64th on share the last bit.
 */
int logfile_sim_reboot_keeping(struct logfile_sim *disk, uint64_t mask);

/* As logfile_sim_reboot, when only the process died: the cache stays as it is, synced or not. */
int logfile_sim_restart(struct logfile_sim *disk);

/* ---------------------------------------------------------------------------------------------
 * Faults.
 */

struct logfile_sim_fault {
    uint32_t call;        /* enum logfile_sim_call */
    uint32_t after;       /* calls of that kind that still go well */
    bool for_ever;        /* else once */
    int error;            /* -errno that the call returns; 0: a short count instead */
    size_t short_bytes;   /* with error 0: read or write at most this many bytes */
    uint64_t reserved[4]; /* must be zero */
};

/*
 * Lets calls fail.  There is one fault at a time; this one replaces the one before.
 *
 * A write that fails has done half of its work in the cache.  A close that fails has closed.  A
 * sync that fails loses for good what it should have written through the cache.  A crash that
 * strikes at the same call goes first.
 *
 * fault:    copied.
 * Returns:  0.
 * Errors:   -EINVAL: a NULL, no such kind of call, an error above 0, a short count of a kind that
 *           moves no bytes, a reserved field that is not zero.  Nothing has changed.
 * Threads:  any.  Blocking: no.
 */
int logfile_sim_fault(struct logfile_sim *disk, const struct logfile_sim_fault *fault);

/* Calls go well again.  Returns: 0.  Errors: -EINVAL.  Threads: any.  Blocking: no. */
int logfile_sim_fault_clear(struct logfile_sim *disk);

/* How many calls the fault has hit since it was set.  Threads: any.  Blocking: no. */
uint64_t logfile_sim_fault_hits(struct logfile_sim *disk);

/*
 * Makes each later call of a kind take time, without holding up others, before it does anything.
 *
 * us:       microseconds; 0: none.
 * Returns:  0.  Errors: -EINVAL.  Threads: any.  Blocking: no; the calls sleep.
 */
int logfile_sim_delay(struct logfile_sim *disk, enum logfile_sim_call call, uint64_t us);

/*
 * Makes later calls of a kind wait, before they do anything, until the gate opens or the disk goes
 * down.  There is one gate; this replaces the one before, whose calls go on.
 *
 * Returns:  0.  Errors: -EINVAL.  Threads: any.  Blocking: no; the calls wait.
 */
int logfile_sim_gate_close(struct logfile_sim *disk, enum logfile_sim_call call);

/* Lets the waiting calls go on.  Returns: 0.  Errors: -EINVAL.  Threads: any.  Blocking: no. */
int logfile_sim_gate_open(struct logfile_sim *disk);

/*
 * Waits until a call is at the gate.
 *
 * ms:       milliseconds to wait at most; 0 asks once.
 * Returns:  whether one has come since the gate was closed.
 * Threads:  any.  Blocking: until one comes, or the time is over.
 */
bool logfile_sim_gate_is_reached(struct logfile_sim *disk, unsigned ms);

/* ---------------------------------------------------------------------------------------------
 * What happened, and what is there.  Of all these: threads: any; blocking: no.
 */

/* Calls of a kind since the disk was made, those that failed included. */
uint64_t logfile_sim_call_count(struct logfile_sim *disk, enum logfile_sim_call call);
/* Calls so far that change something, made while the disk was up: what logfile_sim_crash_at
 * counts. */
uint64_t logfile_sim_change_count(struct logfile_sim *disk);
/* Writes that were started while another write to the same bytes was under way; of more than 128
 * at once, some go uncounted. */
uint64_t logfile_sim_overlap_count(struct logfile_sim *disk);
/* Calls that broke a rule of logfile_io.h, such as alignment with DIRECT or an unknown fd. */
uint64_t logfile_sim_misuse_count(struct logfile_sim *disk);
/* Files that are open now, each as often as it is. */
unsigned logfile_sim_open_count(struct logfile_sim *disk);
/* Files and directories that have a name, the root not counted. */
unsigned logfile_sim_file_count(struct logfile_sim *disk);
/* Whether there is a file or directory of that name. */
bool logfile_sim_exists(struct logfile_sim *disk, const char *path);
/* Visits, if visit is not NULL, the names in a directory in alphabetical order.  Returns their
 * number; 0 if there is no directory, or no memory for the list. */
unsigned logfile_sim_list(struct logfile_sim *disk, const char *path,
                          void (*visit)(void *arg, const char *name), void *arg);
/* What counts against the capacity, in bytes: blocks that are no holes, of a file, or with NULL of
 * all. */
uint64_t logfile_sim_used_bytes(struct logfile_sim *disk, const char *path);
/* Size of a file in bytes, as the cache has it; 0 if there is none. */
uint64_t logfile_sim_file_bytes(struct logfile_sim *disk, const char *path);

/*
 * Copies bytes of a file out of the cache, or into cache and disk alike, as rot does.
 *
 * offset, bytes: the range.  Peek reads zeros where nothing was written; poke changes only what was
 *           written or lies near it, and never the size.
 * Returns:  0.
 * Errors:   -EINVAL (also a NULL path or buffer), -ENOENT, and of poke -ERANGE, if the file has
 *           no bytes to change: nothing has changed.
 */
int logfile_sim_peek(struct logfile_sim *disk, const char *path, uint64_t offset, void *to,
                     size_t bytes);
int logfile_sim_poke(struct logfile_sim *disk, const char *path, uint64_t offset, const void *from,
                     size_t bytes);

/* ---------------------------------------------------------------------------------------------
 * A journal of what was appended, against which a log is checked after a crash.
 *
 *     error = logfile_append(log, data, size, &lsn);
 *     if (lsn is set)    logfile_sim_journal_append(journal, lsn, data, size);
 *     if (error == 0)    logfile_sim_journal_durable(journal, lsn + 1);
 *     ...                                         // the crash, and the reboot
 *     if (logfile_sim_journal_check_path(journal, "orders.log", io, &report,
 *                                        sizeof report) != 0)
 *         puts(report.message);
 *
 * It knows nothing of the simulated disk, and works as well for a log on a real one.  It keeps of
 * each record the LSN, the size and a 64-bit hash, so of two payloads that differ it takes one in
 * 2^64 for the other.
 */

struct logfile_sim_journal;
struct logfile_reader; /* logfile.h */

/* The promises of a log, as they can be broken. */
enum logfile_sim_promise {
    LOGFILE_SIM_KEPT = 0,
    LOGFILE_SIM_LOST,      /* a record that was durable is missing */
    LOGFILE_SIM_GAP,       /* a record is missing, and one after it is there */
    LOGFILE_SIM_PHANTOM,   /* a record that was never appended */
    LOGFILE_SIM_CHANGED,   /* a record with other bytes than were appended, or another size */
    LOGFILE_SIM_DISORDER,  /* an LSN that is not greater than the one before it: again, or back */
    LOGFILE_SIM_REVIVED,   /* a record below the position up to which the log had been trimmed */
    LOGFILE_SIM_AMBIGUOUS, /* one LSN was given to two records */
    LOGFILE_SIM_UNREADABLE /* the log could not be read to its end: see error */
};

/* What came of a check. */
struct logfile_sim_report {
    uint32_t broken;       /* enum logfile_sim_promise; KEPT: none */
    int error;             /* UNREADABLE: what the reader returned */
    uint64_t lsn;          /* the record that is concerned; 0: none */
    uint64_t record_count; /* records that were read and are right */
    char message[256];     /* one line: what is wrong and where; empty when all is kept */
};

/*
 * Names a promise.
 *
 * Returns:  a static string, never NULL; "unknown" for what is none.
 * Threads:  any.  Blocking: no.
 */
const char *logfile_sim_promise_name(enum logfile_sim_promise promise);

/* Makes an empty journal.  Returns: it, or NULL: out of memory.  Threads: any.  Blocking: no. */
struct logfile_sim_journal *logfile_sim_journal_new(void);

/* Makes a copy, to go with logfile_sim_clone.  Returns: it, or NULL: out of memory, or a NULL
 * journal.  Threads: any.  Blocking: no. */
struct logfile_sim_journal *logfile_sim_journal_clone(struct logfile_sim_journal *journal);

/* Frees a journal; NULL is allowed.  Threads: one, last. */
void logfile_sim_journal_free(struct logfile_sim_journal *journal);

/*
 * Notes that the log gave an LSN to a record, durable or not: whenever *lsnp was set, also by a
 * call that failed.
 *
 * lsn:      the LSN.
 * data, size: the payload in bytes; NULL only with size 0.
 * Returns:  0.
 * Errors:   -EINVAL; -ENOMEM, which later checks return too, since they would miss the record.
 * Threads:  any; several writers may share a journal.  Blocking: no.
 */
int logfile_sim_journal_append(struct logfile_sim_journal *journal, uint64_t lsn, const void *data,
                               size_t size);

/*
 * Notes that the log promised every record below an LSN to be durable, whether the journal knows
 * it yet or not: logfile_append returned 0 (then lsn + 1), or logfile_durable_lsn said so.
 *
 * Returns:  0.  Errors: -EINVAL.  Threads: any.  Blocking: no.
 */
int logfile_sim_journal_durable(struct logfile_sim_journal *journal, uint64_t durable_lsn);

/*
 * Notes that logfile_trim is called; before the call, because a crash in it may leave either end.
 *
 * lsn:      its argument: what is below may be gone from now on.
 * Returns:  0.  Errors: -EINVAL.  Threads: any.  Blocking: no.
 */
int logfile_sim_journal_trim(struct logfile_sim_journal *journal, uint64_t lsn);

/*
 * Notes that the log said where it starts, after logfile_trim returned 0 or from
 * logfile_oldest_lsn: what is below must not come back.
 *
 * oldest_lsn: what logfile_oldest_lsn returned.
 * Returns:  0.  Errors: -EINVAL.  Threads: any.  Blocking: no.
 */
int logfile_sim_journal_trimmed(struct logfile_sim_journal *journal, uint64_t oldest_lsn);

/* Number of records that a log may have: those noted, less what checks have struck off.
 * Threads: any.  Blocking: no. */
size_t logfile_sim_journal_count(struct logfile_sim_journal *journal);

/*
 * Reads a log from its oldest record to its end, and compares.  Call it after each crash, before
 * anything more is appended.
 *
 * When every promise is kept, the journal goes on from what was read: what the crash took is struck
 * off, and all that is left counts as durable, since a log owes what it has recovered.  When one is
 * broken the journal stays as it is.
 *
 * reader:   just opened at LSN 0; it is left at the end of the log.
 * report, size: NULL, or receives what came of it; `size` is sizeof *report.
 * Returns:  0: every promise is kept.  1: one is broken, and the report names it.
 * Errors:   -EINVAL, -ENOMEM (in an earlier logfile_sim_journal_append); report untouched.
 * Threads:  any; one at a time per reader.  No append is under way.
 * Blocking: reads the whole log.
 */
int logfile_sim_journal_check(struct logfile_sim_journal *journal, struct logfile_reader *reader,
                              struct logfile_sim_report *report, size_t size);

/*
 * The same, with a reader of its own.  A log that does not exist is empty.
 *
 * path, io: as for logfile_reader_open.
 */
int logfile_sim_journal_check_path(struct logfile_sim_journal *journal, const char *path,
                                   const struct logfile_io *io, struct logfile_sim_report *report,
                                   size_t size);

/* ---------------------------------------------------------------------------------------------
 * The sweep: a crash at every call.
 */

/* A zeroed field means its default. */
struct logfile_sim_sweep {
    /*
     * Both are called with a disk and `arg`.  `work` gets an empty disk, opens the log, does what
     * is to be tested, and returns 0 as soon as anything fails because logfile_sim_is_down.
     * `check` gets the same disk after its reboot, recovers, and returns 0 when all is right.  What
     * else they return ends the sweep.  They close what they open.  `check` may crash and reboot
     * the disk itself, to test a recovery that is interrupted.
     */
    int (*work)(struct logfile_sim *disk, void *arg);
    int (*check)(struct logfile_sim *disk, void *arg);
    void *arg;
    const struct logfile_sim_options *options; /* of each disk; NULL: every default */
    uint64_t seed_count; /* fates tried of each crash: seeds 0, 1, ...; 0: 8.  Seed 0 loses all */
    uint64_t crash_at;   /* one case alone, with `seed`, as a failed sweep reported it; 0: all */
    uint64_t seed;
    uint64_t reserved[8]; /* must be zero */
};

struct logfile_sim_sweep_result {
    uint64_t case_count; /* cases that were tried */
    uint64_t crash_at;   /* the last of them: at this call that changes something, */
    uint64_t seed;       /* with this fate; */
    uint32_t crash_call; /* what it struck: enum logfile_sim_call; CALL_COUNT: the work was
                            through */
    int result;          /* what work or check returned */
    bool in_check;       /* it was check */
};

/*
 * Runs the work with a crash at its first call that changes something, reboots, and runs the check;
 * then with a crash at the second, and so on until the work comes to its end without one, whose
 * case is a power cut after the last call.  Each with every seed, and each on a new disk.
 *
 * The result of a sweep that failed names the case: put its crash_at and seed into the sweep to
 * have that one again, for as long as the work makes the same calls (see "The same again" above).
 *
 * sweep:    what to run.
 * result, size: NULL, or receives what came of it, also when it returns 1; `size` is sizeof *result.
 * Returns:  0: all went well.  1: work or check returned something else than 0.
 * Errors:   -EINVAL (a NULL or a reserved field that is not zero), -ENOMEM.
 * Threads:  any; calls work and check in the calling one.
 * Blocking: as they do.
 */
int logfile_sim_sweep(const struct logfile_sim_sweep *sweep,
                      struct logfile_sim_sweep_result *result, size_t size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* LOGFILE_SIM_H */
