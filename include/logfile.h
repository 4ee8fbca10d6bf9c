/* SPDX-License-Identifier: MIT */
/*
 * logfile.h - a durable, concurrent, append-only log file.
 *
 * Many threads append at once; what they append becomes durable together, with one write and one
 * sync for a whole group, and the same promise as a sync each: when logfile_append returns 0, the
 * record is on stable storage.
 *
 *     struct logfile *log;
 *     uint64_t lsn;
 *     int error = logfile_open("orders.log", NULL, NULL, &log);
 *     if (error == 0)
 *         error = logfile_append(log, "hello", 5, &lsn);
 *
 * Words.  A *record* is the bytes of one append.  Its *LSN* is its 64-bit byte position in the log;
 * LSNs grow forever and are never reused.  An *epoch* is the group of records that one write and
 * one sync make durable.  The *durable LSN* is the position below which every record is on stable
 * storage.
 *
 * Results.  Functions that return int return 0 (or a documented positive value) on success, and
 * else -errno or one of the LOGFILE_E codes; logfile_strerror names them all.  Out-parameters are
 * unchanged on an error unless the function says otherwise.
 *
 * Structs.  One that goes in is zeroed but for what is set: zero means the default, in reserved space
 * too.  One that comes out may grow: the call takes the size that the caller knows, fills in as much,
 * and zeroes what this version does not have.  (The report of logfile_open, cursors and records grow
 * into reserved space, or not at all.)
 *
 * Deadlines are absolute times of CLOCK_MONOTONIC; NULL waits forever.
 *
 * A call whose deadline has passed when it begins looks once: it never sleeps, never touches the
 * device, and makes no system call, except to wake the thread that it hands work to.  A call with a
 * deadline to come is back in time, also if the device hangs.  (Unless options.lab makes the
 * callers flush: logfile_lab.h.)
 *
 * How an append ends:
 *   durable      0.
 *   not written  an error, *lsnp unchanged: no trace of the record will ever be read.  -EAGAIN says
 *                that there was no room in the ring, and the deadline had passed when the call began.
 *   pending      -ETIMEDOUT with *lsnp set: it is in the log and will become durable unless the log
 *                fails; ask again with logfile_wait(log, *lsnp, ...).
 *   in doubt     LOGFILE_EFAILED with *lsnp set: the write or sync of its group, or of one before
 *                it, failed.  Only reopening the log tells.
 *
 * The first failed write or sync fails the log for good: a failed sync is never retried, because
 * the kernel may have dropped what it could not write.  Records below the durable LSN are safe, unless
 * a file of the log has been removed: struct logfile_failure names it then.
 *
 * Threads.  Every function may be called from any thread at any time, except logfile_close, which
 * must be the last call on its log, and the calls on one reader, which one thread at a time may
 * make.  At most 32,768 threads may be inside calls on one log.  No function may be called from a
 * signal handler.  After fork the child gets LOGFILE_EFORKED from every call on a log that its
 * parent opened.
 *
 * Nothing is allocated after logfile_open, and there is no global state: a process may have
 * several logs open.  A log takes one descriptor; one of segments two and up to 16 more, and one or
 * two for the time of a call, which it must find when it comes to a next segment.
 *
 * A process with a limit on file sizes (RLIMIT_FSIZE) ignores SIGXFSZ, or is ended by it when a
 * log meets the limit; a log that meets it gets -EFBIG, as from a file system that takes no more.
 */
#ifndef LOGFILE_H
#define LOGFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* Strict C99 leaves it out of <time.h>; a prototype alone would declare another one. */
struct timespec;

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default) /* the library hides everything else */

#define LOGFILE_VERSION_MAJOR 0
#define LOGFILE_VERSION_MINOR 1
#define LOGFILE_VERSION_PATCH 0
#define LOGFILE_VERSION_STRING "0.1.0"

/*
 * Tells the version of the library that is running; LOGFILE_VERSION_STRING is that of this header.
 *
 * Returns:  a static string, "0.1.0" for instance.
 * Threads:  any.  Blocking: no.
 */
const char *logfile_version(void);

/* ---------------------------------------------------------------------------------------------
 * Errors, below every -errno.
 */
#define LOGFILE_ECORRUPT (-5001)  /* damaged: the LSN range is in the report or the reader's tail */
#define LOGFILE_ETOOBIG (-5002)   /* record larger than logfile_record_max */
#define LOGFILE_ECLOSED (-5003)   /* the log is shutting down or shut down */
#define LOGFILE_EFAILED (-5004)   /* a write or sync failed; see logfile_failure */
#define LOGFILE_ELOCKED (-5005)   /* the log is open for appending elsewhere */
#define LOGFILE_EFORMAT (-5006)   /* not a log, or one of another version, byte order or feature */
#define LOGFILE_EFORKED (-5007)   /* the handle belongs to the parent process */
#define LOGFILE_ETRIMMED (-5008)  /* below logfile_oldest_lsn */
#define LOGFILE_EMISMATCH (-5009) /* options that the log on disk was not made with */
#define LOGFILE_EIDENTITY (-5010) /* another log than the one that was expected */
#define LOGFILE_EBEYOND (-5011)   /* above the end of the log */

/*
 * Names an error: in the library's words if it is one of its codes, in those of the system if it is
 * an errno, and by its number if the system has no words for that.
 *
 * error:    what a function of this library returned.
 * Returns:  a static string, never NULL; "success" for 0 and above.
 * Threads:  any.  Blocking: no.
 */
const char *logfile_strerror(int error);

/* ---------------------------------------------------------------------------------------------
 * Options.  A zeroed struct, or NULL in its place, means every default.
 */

enum logfile_io_mode {
    LOGFILE_IO_AUTO = 0, /* direct if the kernel says that the file system takes it in blocks of
                            4 KiB, or says nothing and it does; logfile_stats says which */
    LOGFILE_IO_BUFFERED, /* through the page cache */
    LOGFILE_IO_DIRECT    /* O_DIRECT; -EINVAL if the kernel says that it cannot be had, or is
                            buffered all the same */
};

/* How what is written becomes durable. */
enum logfile_sync {
    LOGFILE_SYNC_AUTO = 0,  /* DSYNC where the kernel says that it saves the device a flush: with
                               O_DIRECT, zeros written ahead and FUA; else FDATASYNC.
                               logfile_stats says which */
    LOGFILE_SYNC_FDATASYNC, /* fdatasync after each write */
    LOGFILE_SYNC_DSYNC      /* writes with RWF_DSYNC */
};

/* What is done to the blocks ahead of the log's end, off the commit path. */
enum logfile_prepare {
    LOGFILE_PREPARE_ZERO = 0, /* allocate, and write zeros while there is time: fastest syncs */
    LOGFILE_PREPARE_ALLOCATE, /* allocate only */
    LOGFILE_PREPARE_NONE      /* grow at each write; a full disk then fails the log */
};

/* open_flags */
#define LOGFILE_OPEN_EXISTING 0x1u  /* do not create: -ENOENT */
#define LOGFILE_OPEN_EXCLUSIVE 0x2u /* create only: -EEXIST */

/* Threads that a log starts. */
enum logfile_thread {
    LOGFILE_THREAD_SEQUENCER = 0,
    LOGFILE_THREAD_PREPARER,
    LOGFILE_THREAD_EVENTS /* calls options.event; not started without one */
};

/* What was found at the end of a log. */
enum logfile_verdict {
    LOGFILE_CLEAN = 0, /* closed cleanly */
    LOGFILE_TORN,      /* not closed cleanly; what follows end_lsn was never promised */
    LOGFILE_CORRUPT,   /* damaged: records up to promised_lsn were durable and cannot be read */
    LOGFILE_LIVE       /* a writer has it open: no verdict */
};

struct logfile_tail {
    uint32_t verdict;      /* enum logfile_verdict */
    uint32_t incarnation;  /* how often the log has been opened for appending */
    uint64_t end_lsn;      /* end of the last valid epoch; the damage, if any, starts here */
    uint64_t promised_lsn; /* greatest durable LSN that the log's epochs promise */
    uint64_t resume_lsn;   /* CORRUPT: the next whole epoch after the damage, 0: none; else
                              end_lsn */
    uint64_t last_epoch;   /* number of the last valid epoch */
    uint64_t cut_bytes;    /* TORN: non-zero extent after end_lsn that belongs to no epoch */
    uint64_t reserved[4];
};

/* Filled by logfile_open, also when it fails. */
struct logfile_open_report {
    struct logfile_tail tail; /* what recovery found; zero when it did not get that far */
    char message[256];        /* one line: what is wrong and where; empty on success */
    uint8_t id[16];           /* of the log, also of one that is refused; zero: it was not read */
    uint64_t reserved[14];    /* zero */
};

/* What options.event is told of. */
enum logfile_event_kind {
    LOGFILE_EVENT_OPENED = 0, /* the log is open, from `lsn` on; the first event of all */
    LOGFILE_EVENT_SLOW,       /* a call has been under way for slow_ns, and is; again for twice as
                                   long, four times, and so on.  lsn: as inflight_lsn of logfile_stats */
    LOGFILE_EVENT_NO_SPACE,   /* there is no room after `lsn`: appends are refused with `error` */
    LOGFILE_EVENT_SPACE_BACK, /* there is room again, up to `lsn`; `ns`: for how long there was none */
    LOGFILE_EVENT_FAILED,     /* the log has failed: see logfile_failure */
    LOGFILE_EVENT_SEGMENT_MADE, /* a segment whose records start at `lsn`, new or recycled, which took `ns` */
    LOGFILE_EVENT_TRIMMED /* the log starts at `lsn` now; `ns`: trimming took that time.  `error`:
                                   why the space could not be given back */
};

/* One that `count` says to be more than one stands for as many of its kind, which came while the hook
 * was busy, and tells of the last of them. */
struct logfile_event {
    uint32_t kind;        /* enum logfile_event_kind */
    int32_t error;        /* -errno, or 0 */
    uint32_t call;        /* SLOW: enum logfile_call, which it is */
    uint32_t reserved_32; /* zero */
    uint64_t count;
    uint64_t lsn;
    uint64_t ns;          /* how long it took, or has taken so far; 0: it has no duration */
    uint64_t time_ns;     /* when it happened, in nanoseconds since 1970 (UTC) */
    char text[256];       /* the same in one line, for people: the words may change */
    uint64_t reserved[8]; /* zero */
};

struct logfile_io;     /* logfile_io.h */
struct logfile_lab;    /* logfile_lab.h */
struct logfile_record; /* below */

struct logfile_options {
    uint32_t io_mode;       /* enum logfile_io_mode */
    uint32_t sync;          /* enum logfile_sync */
    uint32_t prepare;       /* enum logfile_prepare */
    uint32_t open_flags;    /* LOGFILE_OPEN_* */
    mode_t mode;            /* permissions of a file that is created; 0: 0644, less the umask */
    uint32_t reserved_32;   /* must be zero */
    size_t slot_bytes;      /* one buffer; power of two, 8 KiB to 64 MiB; 0: 8 MiB.  A log keeps the
                            slot_bytes that it was created with; another value is
                            LOGFILE_EMISMATCH */
    uint64_t segment_bytes; /* 0: what the log is, or one file.  Else the log is a directory of
                               segments of this size: a multiple of 4 KiB, at least slot_bytes +
                               20 KiB, at most 1 TiB.  Another value than the log was made with is
                               LOGFILE_EMISMATCH */
    uint64_t prepare_bytes; /* how far ahead blocks are prepared, 0: 64 MiB; at least two slots are
                               always allocated ahead */
    uint64_t keep_free_bytes; /* of the file system, for others: if the log would leave less,
                                 appends are refused as on a full disk (not with LOGFILE_PREPARE_NONE in
                                 one file, nor if the free space is not known); 0: none.  See
                                 docs/DURABILITY.md */
    const uint8_t *expect_id; /* NULL, or the 16 bytes of logfile_id: another log is
                                 LOGFILE_EIDENTITY, and is left as it is */
    uint64_t submit_delay_ns; /* how long a record that no thread waits for may lie before it is
                                 written, so that more share its sync: up to 10 s; 0: 100 us */
    /* NULL, or called with each record while logfile_open reads the log: see there */
    int (*replay)(void *arg, const struct logfile_record *record);
    /* NULL, or called before that, with what logfile_mark has kept; may change *from, replay_from */
    int (*replay_mark)(void *arg, const void *data, size_t size, uint64_t *from);
    void *replay_arg;     /* of both */
    uint64_t replay_from; /* 0: from the oldest record on; else from the first one at or after it */
    /*
     * NULL, or the event hook: is told of what happens to the log, one event at a time, by a thread of
     * the log's that does nothing else; never by a thread that appends, and without a lock.  It may take
     * its time, which delays events alone.  It may call the log (which *logp names by then), but for
     * logfile_close.  That thread looks at the log's calls twice in slow_ns, also while the log is idle.
     */
    void (*event)(void *event_arg, const struct logfile_event *event);
    void *event_arg;
    uint64_t
        slow_ns; /* a call that takes longer is told of as SLOW, while it hangs: 1 ms to 1 h; 0: 1 s */
    void (*thread_start)(void *arg, enum logfile_thread role); /* runs first in each thread */
    void *thread_arg;
    struct logfile_threads
        *threads;                  /* NULL: the log has threads of its own; else it shares these */
    const struct logfile_io *io;   /* NULL: logfile_io_posix(); else valid until close */
    const struct logfile_lab *lab; /* NULL: every default; not needed after logfile_open */
    uint64_t reserved[7];          /* must be zero */
};

/* ---------------------------------------------------------------------------------------------
 * Threads that logs share.
 */

struct logfile_threads_options {
    uint32_t sequencers; /* threads that flush, 1 to 64; 0: 4.  A device that hangs holds one */
    uint32_t preparers;  /* threads that prepare blocks, 1 to 64; 0: 2.  The same */
    void (*thread_start)(void *arg, enum logfile_thread role); /* NULL, or runs first in each */
    void *thread_arg;
    uint64_t reserved[8]; /* must be zero */
};

/*
 * Starts threads for logs to share: a process of many logs gives them to each as options.threads, and
 * then has these and one for all event hooks, however many logs it opens, and not two or three a log.
 *
 * A log that shares threads keeps every promise.  What it may wait for is a thread: a device that hangs
 * holds the ones that flush and prepare there, and a reservation that is not published the one that
 * flushes.  When all are held, what was submitted to the other logs waits too, until a thread that waits
 * for it flushes.  So a program must not, while it holds a reservation of one log, wait for another log
 * of the same threads; and logs on devices of different kinds are better off with threads of their own.
 *
 * options:  NULL for every default; not needed after the call.
 * threadsp: receives them.
 * Returns:  0.
 * Errors:   -EINVAL (NULL threadsp, a count out of range, reserved space that is not zero), -ENOMEM,
 *           -EAGAIN (no thread can be started).  None is left.
 * Threads:  any.
 * Blocking: no.
 */
struct logfile_threads;
int logfile_threads_start(const struct logfile_threads_options *options,
                          struct logfile_threads **threadsp);

/*
 * Ends the threads.
 *
 * threads:  NULL is allowed and does nothing.  Gone afterwards, unless there is an error.
 * Returns:  0.
 * Errors:   -EBUSY (a log that shares them is open: nothing happened), LOGFILE_EFORKED (a fork's child:
 *           nothing happened).
 * Threads:  one, when every logfile_close of their logs has returned.
 * Blocking: until they have ended; none has work.
 */
int logfile_threads_stop(struct logfile_threads *threads);

/* ---------------------------------------------------------------------------------------------
 * Opening and closing.
 */

/*
 * Opens a log for appending, recovering it first; creates it if there is none.
 *
 * Replay.  Recovery reads all of the log, and hands its records to options->replay meanwhile: a program
 * that builds its state from them reads the log once.  They come in the order of their LSNs, in the
 * calling thread, each once, and are those that a reader returns afterwards: durable, and nothing of a
 * torn tail that is cut.  A record's data is valid until replay returns.
 * Before the first one options->replay_mark gets the bytes of the last logfile_mark, none of a new log:
 * the place for a program to load the checkpoint that they name, and to set *from to the LSN from which
 * on it needs the records.
 * If either returns anything but 0, logfile_open ends with that, or with -ECANCELED if it is above 0,
 * and has changed nothing.  If logfile_open fails, for that or for any other reason, what has been built
 * is to be thrown away: the records may be followed by damage.  Neither makes a call on the log at this
 * path, or leaves by longjmp or an exception; that their thread is cancelled takes effect after
 * logfile_open.
 *
 * path:     a regular file, or a name that does not exist yet.  Symbolic links are refused.
 * options:  NULL for every default; not needed after the call, nor is options->lab.
 * report:   NULL, or receives what was found, and on an error what is wrong, in one line.
 * logp:     receives the log.
 * Returns:  0.  A torn tail is cut and is no error; the report tells of it.  On a full disk the
 *           log can be read and trimmed, and appends succeed when there is room.
 * Errors:   -EINVAL (NULL path or logp, unknown option value, size out of range, replay_from or
 *           replay_mark without replay), LOGFILE_EMISMATCH
 *           (a size is not that of the log on disk), LOGFILE_EIDENTITY (it is another log than
 *           expect_id), LOGFILE_EFORMAT, LOGFILE_ELOCKED, LOGFILE_ECORRUPT (the file is left
 *           untouched), LOGFILE_ETRIMMED (replay_from is below the oldest record) and
 *           LOGFILE_EBEYOND (it is above the end of the log: where the next record can start at the
 *           earliest; the log is left as it is), what replay returned,
 *           -ELOOP (symbolic link), -EISDIR, -ESPIPE (FIFO, socket, device), -ENOENT,
 *           -EEXIST, -ENOSPC or -EDQUOT (creating; a log that exists is opened without room, and its
 *           appends are refused), -EFBIG (no room for an epoch below LSN 2^63 - 2^28), -EOVERFLOW
 *           (opened 2^32 - 1 times before, or its epochs have numbers that no log comes to: the
 *           file is left untouched, to be read), -ENOMEM, -EAGAIN (no thread can be started), any
 *           -errno of open, read, write and sync; LOGFILE_EFORKED (options->threads are the parent
 *           process's).
 *           On an error nothing has been created.
 * Threads:  any.
 * Blocking: reads the whole log; writes and syncs; starts up to three threads (none with
 *           options->threads).
 * Ordering: when it returns 0, what was recovered is durable.
 */
struct logfile;
int logfile_open(const char *path, const struct logfile_options *options,
                 struct logfile_open_report *report, struct logfile **logp);

/*
 * Ends appending: later appends get LOGFILE_ECLOSED, what was appended before becomes durable,
 * every waiter returns, and the log is marked as closed cleanly; one that was opened on a full disk
 * and never had room is left as it was found.
 *
 * deadline: NULL, or when to stop waiting for the flush.
 * Returns:  0; again 0 when called again.
 * Errors:   -EINVAL, -EBUSY (a reservation is held: nothing happened), -ETIMEDOUT
 *           (still shutting down: call again), LOGFILE_EFAILED, LOGFILE_EFORKED.
 * Threads:  any, also several at once, also while others append.
 * Blocking: until the last flush, or the deadline.  What the preparer or a trim has under way holds
 *           it only if it holds a flush.
 */
int logfile_shutdown(struct logfile *log, const struct timespec *deadline);

/*
 * Shuts down and frees.  The handle is gone afterwards, also on LOGFILE_EFAILED.
 *
 * log:      NULL is allowed and does nothing.
 * Returns:  0.
 * Errors:   LOGFILE_EFAILED (closed, but the log had failed), -EBUSY (a reservation is held:
 *           nothing happened), -EDEADLK (called by the event hook, its own or that of a log which shares
 *           its threads: nothing happened), LOGFILE_EFORKED (nothing happened; the child cannot free it).
 * Threads:  one, when every other call on the log has returned, those of the event hook left out.
 * Blocking: as logfile_shutdown without a deadline, and for what the preparer has under way: at
 *           most the range, or the segments, that it is getting ready; and until the event hook has
 *           been told of everything, and has returned.
 */
int logfile_close(struct logfile *log);

/* ---------------------------------------------------------------------------------------------
 * Appending.
 */

/*
 * Appends one record and returns when it is durable.
 *
 * data, size: the payload, 0 to logfile_record_max bytes; NULL only with size 0.
 * lsnp:     NULL, or receives the record's LSN.
 * Returns:  0: durable.
 * Errors:   -EINVAL, LOGFILE_ETOOBIG, LOGFILE_ECLOSED, LOGFILE_EFAILED (in doubt if *lsnp was set,
 *           else not written), LOGFILE_EFORKED.
 *           Nothing reserved, and later appends succeed when it is mended: -ENOSPC or -EDQUOT (a
 *           full disk), -EFBIG (the log would pass 2^63 - 2^28 bytes, or its file what the file
 *           system allows); and of a log of segments whatever keeps the next one from being made or
 *           opened: -EMFILE, -ENFILE, -ENOMEM, -EACCES, -EPERM, -EROFS, -ENOENT, -ENOTDIR, -EISDIR,
 *           -EEXIST, -ELOOP, -ESPIPE and the like.  A try is made again when an append asks for it,
 *           though not at once, and after each trim.
 * Threads:  any.
 * Blocking: until durable.
 * Progress: reserving is one fetch-add (unless options.lab says otherwise).  The group as a whole
 *           waits for its slowest writer between reserve and publish, and for the device.
 * Ordering: records of one thread have growing LSNs; a record that is durable makes every record
 *           with a smaller LSN durable.
 */
int logfile_append(struct logfile *log, const void *data, size_t size, uint64_t *lsnp);

/*
 * Appends one record and waits for it until a deadline.
 *
 * deadline: when to stop waiting.  If it has passed, this is a logfile_submit and one look.
 * Returns:  0: durable.
 * Errors:   as logfile_append; -ETIMEDOUT: pending if *lsnp was set, else not written; and -EAGAIN:
 *           not written.
 * Threads:  any.
 * Blocking: until durable or the deadline.
 * Ordering: as logfile_append.
 */
int logfile_append_until(struct logfile *log, const void *data, size_t size,
                         const struct timespec *deadline, uint64_t *lsnp);

/*
 * Appends one record that is gathered from several buffers, and waits for it until a deadline.
 *
 * iov, count: the payload, in order; 0 to 1024 buffers, together at most logfile_record_max.
 * deadline: NULL, or when to stop waiting, as logfile_append_until.
 * lsnp:     NULL, or receives the record's LSN.
 * Returns, errors, threads, blocking, progress, ordering: as logfile_append; with a deadline, as
 *           logfile_append_until.
 */
int logfile_appendv(struct logfile *log, const struct iovec *iov, int count,
                    const struct timespec *deadline, uint64_t *lsnp);

/*
 * Puts one record into the log without waiting for it to be durable.
 *
 * deadline: bounds the wait for room in the ring.
 * lsnp:     NULL, or receives the LSN, to be passed to logfile_wait.
 * Returns:  0: in the ring.  It becomes durable without another call (unless options.lab makes the
 *           callers flush: logfile_lab.h).
 * Errors:   as logfile_append; -ETIMEDOUT: not written; -EAGAIN: not written, because the ring is
 *           full and the deadline had passed before the call (logfile_event_take tells of room).
 * Threads:  any.
 * Blocking: only while the ring is full, and not at all after the deadline.
 * Ordering: as logfile_append.
 */
int logfile_submit(struct logfile *log, const void *data, size_t size,
                   const struct timespec *deadline, uint64_t *lsnp);

/*
 * Puts one record that is gathered from several buffers into the log, without waiting for it to be
 * durable.
 *
 * iov, count: as logfile_appendv.
 * deadline, lsnp, returns, errors, threads, blocking, ordering: as logfile_submit.
 */
int logfile_submitv(struct logfile *log, const struct iovec *iov, int count,
                    const struct timespec *deadline, uint64_t *lsnp);

#define LOGFILE_BATCH_MAX 1024

/*
 * Puts several records into the log, all of them or none, without waiting for them to be durable.
 * Nothing comes between them, and they become durable together.
 *
 * records, count: one buffer a record, 0 to LOGFILE_BATCH_MAX of them.  Their payloads, with 8 bytes
 *           for each and rounded up to 8, fill at most logfile_record_max + 8 bytes.
 * deadline: as logfile_submit.
 * lsns:     NULL, or receives the LSN of each.
 * Returns, errors, threads, blocking: as logfile_submit; LOGFILE_ETOOBIG if they do not fit together.
 * Progress: one fetch-add for all.
 * Ordering: LSNs grow in the order of the records.  After a crash a reader finds all of them or
 *           none.
 */
int logfile_submit_batch(struct logfile *log, const struct iovec *records, int count,
                         const struct timespec *deadline, uint64_t *lsns);

/* Space in the log for one record, whose payload the caller writes there itself. */
struct logfile_reservation {
    void *data;  /* size bytes, aligned to 8, of no particular content */
    size_t size; /* never changes */
    uint64_t lsn;
    uint64_t reserved[2]; /* the library's */
};

/*
 * Reserves space for one record, to be filled by the caller and then published or abandoned.
 *
 * The record's group waits for that, and with it the flush of all that is appended meanwhile: a
 * reservation is held like a lock, for as long as filling it takes.  The thread that holds one makes no
 * call on this log that may wait: it would wait for itself.  (logfile_submit with a deadline that has
 * passed does not wait.)
 *
 * size:     of the payload, 0 to logfile_record_max bytes.
 * deadline: as logfile_submit.
 * reservation: receives it.
 * Returns, errors, threads, blocking, progress, ordering: as logfile_submit; -EOPNOTSUPP under an engine
 *           of options.lab that is not the ring.
 */
int logfile_reserve(struct logfile *log, size_t size, const struct timespec *deadline,
                    struct logfile_reservation *reservation);

/*
 * Hands over a reservation that has been filled: the record is in the log, as after logfile_submit, and
 * becomes durable without another call.  The payload must not be touched any more.
 *
 * reservation: of logfile_reserve, by any thread; zeroed.
 * Returns:  0.
 * Errors:   -EINVAL (published or abandoned before, or none of this log: nothing happens),
 *           LOGFILE_EFAILED (in doubt; the reservation has ended all the same), LOGFILE_EFORKED.
 * Threads:  any.  Blocking: no.
 */
int logfile_publish(struct logfile *log, struct logfile_reservation *reservation);

/*
 * Ends a reservation without a record: nothing will be read there.  Its space in the log stays used.
 *
 * reservation, returns, errors, threads, blocking: as logfile_publish.
 */
int logfile_abandon(struct logfile *log, struct logfile_reservation *reservation);

/*
 * Waits until everything is durable up to an LSN, the record that starts there included.
 *
 * lsn:      what an append or submit returned, or any other LSN below logfile_next_lsn: also one
 *           between two records, or below logfile_oldest_lsn.
 * deadline: NULL, or when to stop waiting.
 * Returns:  0: the durable LSN is above it, whatever the deadline and whatever has failed since.
 *           So on an idle log, and after a shutdown, for every LSN below logfile_next_lsn.
 * Errors:   -ETIMEDOUT (pending), LOGFILE_EFAILED (in doubt, or of a failed log any LSN that is not
 *           durable), -EINVAL (NULL log, a deadline that is no time, or an LSN at or beyond
 *           logfile_next_lsn), LOGFILE_EFORKED.
 * Threads:  any.
 * Blocking: until durable or the deadline.
 */
int logfile_wait(struct logfile *log, uint64_t lsn, const struct timespec *deadline);

/*
 * Waits until everything is durable that any thread submitted before the call.
 *
 * Returns:  0.
 * Errors:   -ETIMEDOUT, LOGFILE_EFAILED, -EINVAL, LOGFILE_EFORKED.
 * Threads:  any.
 * Blocking: until durable or the deadline; not held up by what is submitted after the call.
 */
int logfile_sync(struct logfile *log, const struct timespec *deadline);

/* ---------------------------------------------------------------------------------------------
 * In an event loop: submit, poll the log's descriptor beside the others, take, answer all who wait for
 * an LSN below durable_lsn.
 */

/*
 * The log's event descriptor, for poll, epoll and the like.  It is readable when, since the last
 * logfile_event_take, the durable LSN has moved, there is room after -EAGAIN or a full disk, or the log
 * has failed; and at first, so that a loop begins with a take.  Whether a full disk has room again is
 * looked at when an append asks for it or the log is trimmed: a loop that was refused for that tries
 * again now and then.
 *
 * Returns:  the descriptor, the same at each call: the log's, which logfile_close closes.  Only poll
 *           it.
 * Errors:   -EINVAL, -EMFILE, -ENFILE, -ENOMEM, LOGFILE_EFORKED.
 * Threads:  any.
 * Blocking: no.  Appends make no more system calls for it: a flush makes one, if its event was
 *           awaited.
 */
int logfile_event_fd(struct logfile *log);

struct logfile_event_state {
    uint64_t durable_lsn;
    uint32_t failed;   /* 1: see logfile_failure.  The descriptor stays readable */
    uint32_t has_room; /* 0: a call was refused for want of room, and would be again */
};

/*
 * Tells what the event descriptor is readable for, and awaits the next event.  Until that comes, what is
 * submitted is flushed as if a thread slept for it.
 *
 * out, size: receives it; `size` is sizeof *out.
 * Returns:  0, also if nothing has happened.
 * Errors:   -EINVAL (also before the first logfile_event_fd), LOGFILE_EFORKED.
 * Threads:  any; meant for one loop.
 * Blocking: no; one system call, and one more to wake the log's thread if that pauses.
 * Ordering: an acquire, as logfile_durable_lsn.  What changes after the call makes the descriptor
 *           readable.
 */
int logfile_event_take(struct logfile *log, struct logfile_event_state *out, size_t size);

/* ---------------------------------------------------------------------------------------------
 * State.
 */

/*
 * The position below which every record is on stable storage.
 *
 * Returns:  an LSN; 0 for a NULL log or in a forked child.
 * Threads:  any.  Blocking: no.
 * Ordering: an acquire; what it returns never falls.
 */
uint64_t logfile_durable_lsn(struct logfile *log);

/*
 * The position that every LSN handed out so far is below, and that no later record will be below.
 *
 * Returns:  an LSN; 0 for a NULL log or in a forked child.  When nothing is pending, and when the
 *           log has been shut down, it is the durable LSN; of a failed log it stays above the records
 *           in doubt.  Any LSN below it can be waited for.
 * Threads:  any.
 * Blocking: not for the device; at most for a thread between two instructions of its own.
 * Ordering: what it returns never falls.  Of logfile_oldest_lsn, logfile_durable_lsn and
 *           logfile_next_lsn, read by one thread in this order, none is above the one after it, at
 *           any moment and in any state of the log.
 */
uint64_t logfile_next_lsn(struct logfile *log);

/*
 * The position at which reading starts: of the oldest epoch that is kept.
 *
 * Returns:  an LSN, never above the durable LSN; 0 for a NULL log or in a forked child.
 * Threads:  any.  Blocking: no.
 * Ordering: an acquire; what it returns never falls.  See logfile_next_lsn.
 */
uint64_t logfile_oldest_lsn(struct logfile *log);

/*
 * The log's identity: 16 bytes, drawn at random when it was created, which it keeps forever.
 *
 * id:       receives them; all zero in a forked child.
 * Threads:  any.  Blocking: no.
 */
void logfile_id(struct logfile *log, uint8_t id[16]);

/* The largest payload of one record in bytes: slot_bytes less the headers.  0 for a NULL log. */
size_t logfile_record_max(struct logfile *log);

/*
 * Tells that records below an LSN are no longer needed, and gives their space back: the blocks of a
 * one-file log become a hole, whole segments are kept for recycling or removed.
 *
 * lsn:      an LSN at most the durable LSN.  Reading starts afterwards at logfile_oldest_lsn, the
 *           start of a group at or below it: a little more than asked may be kept, never less.
 * Returns:  0, also when there is nothing to give back.
 * Errors:   -EINVAL (NULL log, or an LSN beyond the durable one: nothing is trimmed),
 *           LOGFILE_EFAILED (the log had failed, or the trim mark could not be made durable, which
 *           fails it; nothing is given back), LOGFILE_EFORKED, any -errno of giving the space back
 *           (the records are trimmed all the same; a later trim tries again), and of opening
 *           what is to be synced before, where commits do not sync (nothing is trimmed).
 * Threads:  any; one trim at a time, others wait for it.
 * Blocking: one write and one sync of the trim mark, then the calls that give the space back, as
 *           long as the device takes for them.  Readers and appends go on meanwhile; but through
 *           the page cache a commit waits for the sync of the mark, and no room is prepared while
 *           the mark is synced or segments are removed, so appends wait when what was prepared
 *           before is used up.
 * Ordering: the mark is durable before the space is given back, so that a crash loses space, not
 *           records.  Readers below it get LOGFILE_ETRIMMED.
 */
int logfile_trim(struct logfile *log, uint64_t lsn);

#define LOGFILE_MARK_MAX 4000

/*
 * Keeps a few bytes with the log, and trims it, in one durable step: after a crash both have happened or
 * neither.  A store keeps its checkpoint there, a Raft node its term and vote.
 *
 * lsn:      as logfile_trim; 0 or anything at or below logfile_oldest_lsn: nothing is trimmed.
 * data, size: the bytes, 0 to LOGFILE_MARK_MAX, in place of those that were kept before; NULL only with
 *           size 0.
 * Returns, errors, threads, blocking, ordering: as logfile_trim; and LOGFILE_ETOOBIG.
 */
int logfile_mark(struct logfile *log, uint64_t lsn, const void *data, size_t size);

/*
 * Reads the bytes that logfile_mark has kept.
 *
 * data, size: receives the first `size` of them; NULL only with size 0.
 * Returns:  how many are kept, which may be more than size; 0 in a new log.
 * Errors:   -EINVAL, LOGFILE_EFORKED.
 * Threads:  any.  Blocking: for a logfile_trim or logfile_mark that is under way.
 */
int logfile_mark_read(struct logfile *log, void *data, size_t size);

#define LOGFILE_HISTOGRAM_BUCKETS 368

/*
 * Values below 8 have a bucket each; above that there are 8 to a power of two, of equal widths: a value
 * from 2^k on is in bucket 8 * (k - 2) + (value >> (k - 3)) % 8.  The last one also counts all from 2^48
 * on.
 */
struct logfile_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t bucket[LOGFILE_HISTOGRAM_BUCKETS];
};

/*
 * The value that a part of all values is at most, to the width of a bucket: a ninth of it.
 *
 * fraction: 0.99 for the 99th percentile, say.
 * Returns:  the greatest value of the bucket that it is in, or `max` if that is less; 0 when nothing has
 *           been counted.
 * Threads:  any.  Blocking: no.
 */
uint64_t logfile_histogram_percentile(const struct logfile_histogram *histogram, double fraction);

/* What a log waits for.  All but PUBLISH are calls of the device. */
enum logfile_call {
    LOGFILE_CALL_NONE = 0,
    LOGFILE_CALL_WRITE,     /* of an epoch */
    LOGFILE_CALL_SYNC,      /* of an epoch, or of what was prepared */
    LOGFILE_CALL_ZERO_FILL, /* zeros written ahead of the log */
    LOGFILE_CALL_ALLOCATE,  /* room made ahead of it, segments too */
    LOGFILE_CALL_MARK,      /* the trim mark written and synced */
    LOGFILE_CALL_RELEASE,   /* trimmed space given back */
    LOGFILE_CALL_PUBLISH    /* a writer that took its place in the epoch, and has not copied yet */
};

struct logfile_stats {
    uint32_t io_mode;     /* enum logfile_io_mode: DIRECT only if the kernel says that writes
                             bypass the page cache, else BUFFERED */
    uint32_t sync;        /* enum logfile_sync: what the log uses, never AUTO */
    uint32_t incarnation; /* number of the last opening for appending that has begun */
    uint32_t reserved_32;
    uint64_t slot_bytes;
    uint64_t durable_lsn;

    uint64_t records;           /* flushed, since the log was opened */
    uint64_t bytes;             /* of payload and record headers in them */
    uint64_t epochs;            /* flushes that carried records */
    uint64_t syncs;             /* by flushes; RWF_DSYNC writes count; begun, also if they fail */
    uint64_t device_bytes;      /* written to the log, zero-fill and headers included, by calls that
                                   went well */
    uint64_t zero_fill_bytes;   /* part of device_bytes */
    uint64_t inline_flushes;    /* made by a waiting writer */
    uint64_t sequencer_flushes; /* made by the sequencer thread */
    uint64_t overshoots;        /* reservations that did not fit and started afresh */
    uint64_t wakeups;           /* of an epoch's writers, by the kernel: one for all of them */
    uint64_t waits_durable;     /* times that a thread was put to sleep: for durability, */
    uint64_t waits_flip;        /* for the next epoch, */
    uint64_t waits_space;       /* for allocated space, */
    uint64_t waits_zero_fill;   /* of the flusher for one chunk of zero-fill */
    uint64_t gathers;           /* epochs that waited for writers to come back, */
    uint64_t gather_timeouts;   /* of those, the ones that waited in vain */
    uint64_t late_publishes;    /* flushes that waited for a writer between reserve and publish */
    uint64_t segments_made;     /* new or recycled */
    uint64_t trims;             /* that moved logfile_oldest_lsn */
    /* Calls that were refused, and have written nothing, by what refused them: */
    uint64_t refused_full;             /* no place in time: -EAGAIN, -ETIMEDOUT */
    uint64_t refused_space;            /* -ENOSPC and whatever else keeps the log from growing */
    uint64_t refused_size;             /* LOGFILE_ETOOBIG */
    uint64_t refused_ended;            /* LOGFILE_ECLOSED, LOGFILE_EFAILED */
    struct logfile_histogram flush_ns; /* write + sync of one epoch; its parts: */
    struct logfile_histogram write_ns; /* with LOGFILE_SYNC_DSYNC all of it */
    struct logfile_histogram sync_ns;
    /* From when a record had its place until it was durable, of the first one of each epoch, the one that
     * waits longest: by what appended it. */
    struct logfile_histogram append_commit_ns;
    struct logfile_histogram submit_commit_ns;
    struct logfile_histogram late_publish_ns; /* how long flushes waited for one */
    struct logfile_histogram records_per_epoch;

    /* What counters of things that have ended do not show: */
    uint64_t inflight_ns;  /* how long the call that is under way longest has been so; 0: none is */
    uint64_t inflight_lsn; /* of the epoch or the range that it is for; of MARK and RELEASE: where
                               the log starts then */
    uint32_t inflight_call; /* enum logfile_call: which it is */
    uint32_t reserved_inflight;
    uint64_t pending_bytes; /* of the log between durable_lsn and the end of what was submitted; 0
                               when nothing is pending; in a failed log, what is in doubt */
    uint64_t writes;        /* of epochs, by flushes.  Counted when they begin, as syncs are */
    /* What the kernel says of the log's file system, and what errors have taught since. */
    uint64_t fs_type;       /* f_type of statfs(2); 0: not known */
    char fs_name[16];       /* "ext4", "xfs", "overlay", ...; "": the type has no name here */
    uint32_t o_direct;      /* 1: files are open with O_DIRECT, whatever becomes of it */
    uint32_t direct_align;  /* bytes that direct I/O must be aligned to; 0: there is none, or the
                               kernel does not say */
    uint32_t no_allocation; /* 1: the file system cannot allocate; zeros are written instead */
    uint32_t reserved_facts;
    /* Zeros written ahead, off the commit path, by calls that went well: how long each write of them took,
     * of 256 KiB at most (zero_fill_bytes has their bytes); */
    struct logfile_histogram zero_fill_ns;
    /* and each sync that made some of them durable, of up to 8 MiB of them as a rule, with its wait for
     * the sync of a thread that trims. */
    struct logfile_histogram zero_sync_ns;
};

/*
 * Copies the counters.  They are exact when the log is idle; else each is recent.  A device that
 * hangs shows in inflight_ns.
 *
 * out, size: receives them; `size` is sizeof *out.
 * Returns:  0.
 * Errors:   -EINVAL, LOGFILE_EFORKED.
 * Threads:  any.
 * Blocking: no, also while the device hangs.
 * Progress: wait-free; no system call.
 */
int logfile_stats(struct logfile *log, struct logfile_stats *out, size_t size);

/* What failed a log. */
struct logfile_failure {
    int32_t error; /* -errno of the failed call; 0: the log has not failed */
    char call[16]; /* "write", "sync", "zero-fill", "allocate"; "look": see `file` */
    uint32_t reserved_32;
    uint64_t offset; /* LSN, in one file the offset; for a sync, of the epoch that it was for */
    /* With -ESTALE, which of the log's files has been removed or replaced, by its name in the log's
     * directory: what was appended to it since is lost with it.  "": it is the one file. */
    char file[32];
};

/*
 * Tells whether the log has failed, and of what.
 *
 * out, size: receives it; `size` is sizeof *out.
 * Returns:  0, also when it has not failed (out->error is 0).  Errors: -EINVAL, LOGFILE_EFORKED.
 * Threads:  any.  Blocking: no.
 */
int logfile_failure(struct logfile *log, struct logfile_failure *out, size_t size);

/*
 * Explains an error that a call on this log has returned, in one line, by what the log knows now: what
 * failed it, how much room is missing, what is pending, where it starts.
 *
 * error:    what the call returned.
 * text, size: receives the line, cut to size - 1 bytes and ended with a zero; NULL only with size 0.
 * Returns:  the bytes of the whole line, without the zero, as snprintf.  Of an error that the log
 *           knows nothing of, the line is that of logfile_strerror.
 * Errors:   -EINVAL (NULL log or text), LOGFILE_EFORKED.
 * Threads:  any.
 * Blocking: no; but with -ENOSPC and -EDQUOT it asks the file system what is free.
 */
int logfile_describe(struct logfile *log, int error, char *text, size_t size);

/* ---------------------------------------------------------------------------------------------
 * Reading.  A reader never returns a record that is not durable.
 */

struct logfile_reader;

struct logfile_record {
    const void *data; /* valid until the next call on the reader */
    size_t size;
    uint64_t lsn;
};

/*
 * A place in a log that is known again.  What is in it is the library's; store and hand back all of
 * it.
 */
struct logfile_cursor {
    uint8_t id[16];       /* of the log */
    uint64_t lsn;         /* reading goes on at the first record at or after it */
    uint64_t epoch_lsn;   /* the group that the last record was in: where it starts, */
    uint64_t epoch;       /* its number, 0: no record has been read yet, */
    uint32_t chain;       /* the group before it, */
    uint32_t incarnation; /* and the opening that it was written by */
    uint64_t reserved[4];
};

struct logfile_reader_options {
    uint64_t lsn;                        /* 0: the oldest record; else reading starts at the first
                                            record at or after it, also after damage */
    const struct logfile_cursor *cursor; /* NULL, or where to go on; lsn is 0 then */
    const uint8_t *expect_id;            /* NULL, or the 16 bytes of logfile_id */
    const struct logfile_io *io; /* NULL: that of log, or logfile_io_posix(); else valid until the
                                            reader is closed */
    struct logfile *log;         /* NULL, or the log at the path, open for appending in this
                                            process, to be followed; it may be closed meanwhile */
    uint64_t reserved[7];        /* must be zero */
};

/*
 * Opens a log for reading, with or without a writer in this or another process.
 *
 * A reader that follows a log (options->log) reads up to logfile_durable_lsn: it knows of new records at
 * once, and at the end it makes no system call.  It never syncs.  When the log has been shut down, or
 * has failed, what was durable is read, and from then on it is a reader by path, like any other;
 * logfile_reader_wait tells of that once.
 *
 * path:     as logfile_open; never created.
 * options:  NULL: from the oldest record on; not needed after the call.
 * readerp:  receives the reader.
 * Returns:  0.
 * Errors:   -EINVAL (also an lsn beside a cursor), -ENOENT, LOGFILE_EFORMAT, LOGFILE_ECORRUPT (both
 *           file headers damaged), LOGFILE_ETRIMMED (lsn is below the oldest record), LOGFILE_EBEYOND
 *           (lsn is above the end of the log: where the next record can start at the earliest),
 *           LOGFILE_EIDENTITY (another log than expect_id, the cursor or options->log names, or the same
 *           one with another history, as after a copy of it was put back), LOGFILE_EFORKED (log),
 *           -ENOMEM, -ELOOP, -EISDIR, -ESPIPE, any -errno of open and read.
 * Threads:  any.
 * Blocking: reads; for an LSN at most slot_bytes before it, and for the epoch that it is in, if nothing
 *           promises that one yet, a second time after a sync.  At most two slots in all.
 * Ordering: a cursor neither repeats nor leaves out a record.
 */
int logfile_reader_open(const char *path, const struct logfile_reader_options *options,
                        struct logfile_reader **readerp);

/*
 * Reads the next record.
 *
 * record:   receives it; data stays valid until the next call on the reader.
 * Returns:  1: a record.  0: the end of what is durable; not sticky, call again after more was
 *           appended.
 * Errors:   LOGFILE_ECORRUPT: records that were promised cannot be read; logfile_reader_tail names
 *           the range, logfile_reader_skip goes past it.  LOGFILE_ETRIMMED.  LOGFILE_EBEYOND: the log
 *           has lost what was there when the reader was opened.  -ENOMEM.  -EINVAL.  LOGFILE_EFORKED (it
 *           follows a log).
 *           Any -errno of read and sync: never taken for the end of the log; call again.
 * Threads:  one at a time per reader.
 * Blocking: reads.  If it follows no log: syncs, once a group, before it returns one that neither a
 *           later epoch nor the trim mark promises yet; beside a writer that is the newest at most.
 * Ordering: LSNs grow.
 */
int logfile_reader_next(struct logfile_reader *reader, struct logfile_record *record);

/*
 * Waits until there is something to read: logfile_reader_next will then return a record, or an error.
 *
 * deadline: NULL, or when to give up.  If it has passed, there is one look.
 * Returns:  0.
 * Errors:   -EINVAL, -ETIMEDOUT.
 *           Of a reader that follows a log, when all that was durable has been read: LOGFILE_ECLOSED (the
 *           log has been shut down) or LOGFILE_EFAILED (it has failed), once; then the reader is one by
 *           path.  LOGFILE_EFORKED.
 *           Of a reader by path: -ESTALE: the log's file, or its control file, has no name any more, and
 *           no writer: nothing more will come.
 * Threads:  one at a time per reader.
 * Blocking: until then.  A log that is followed wakes its readers as soon as a record is durable; idle,
 *           that costs nothing.  A reader by path, also in another process, wakes when the writer has
 *           written: on local file systems inotify tells of that.  Where it does not (a network file
 *           system, no inotify instance left, no /proc, an io table of your own), the reader is at most
 *           a second late, because it looks once a second in any case: idle, a few system calls a
 *           second.
 * Progress: no wake-up is lost.
 */
int logfile_reader_wait(struct logfile_reader *reader, const struct timespec *deadline);

/*
 * Gives a descriptor for poll, select or epoll: readable when there may be something to read.
 *
 * It is readable at first, and becomes so when something has happened; it stays so until
 * logfile_reader_next has returned 0.  So a loop reads until there is no more before it polls, and
 * loses nothing:
 *
 *     for (;;) {
 *         while ((result = logfile_reader_next(reader, &record)) == 1)
 *             use(&record);
 *         if (result < 0)
 *             break;
 *         poll(&(struct pollfd){.fd = logfile_reader_fd(reader), .events = POLLIN}, 1, -1);
 *     }
 *
 * It is readable without news too, once a second if the reader follows no log: see
 * logfile_reader_wait, which tells, with a deadline that has passed, why nothing more will come.
 *
 * Returns:  a descriptor, always the same one, which belongs to the reader: only to be polled.
 * Errors:   -EINVAL, LOGFILE_EFORKED, -EMFILE, -ENFILE, -ENOMEM.
 * Threads:  one at a time per reader; any may poll.  Blocking: no.
 */
int logfile_reader_fd(struct logfile_reader *reader);

/*
 * Reads on elsewhere: as if the reader were opened at an LSN.
 *
 * lsn:      0: the oldest record; else reading goes on at the first record at or after it.
 * Returns:  0.
 * Errors:   -EINVAL, LOGFILE_ETRIMMED, LOGFILE_EBEYOND, LOGFILE_EFORKED, -ENOMEM, any -errno of read
 *           and sync.  The reader stays where it was.
 * Threads:  one at a time per reader.
 * Blocking: as logfile_reader_open.
 */
int logfile_reader_seek(struct logfile_reader *reader, uint64_t lsn);

/*
 * Goes past a corrupt range, to the next valid epoch.
 *
 * Returns:  0.
 * Errors:   -EINVAL (also when the last call did not find LOGFILE_ECORRUPT), -ENOENT (nothing valid
 *           follows), any -errno of read.
 * Threads:  one at a time per reader.  Blocking: reads.
 */
int logfile_reader_skip(struct logfile_reader *reader);

/*
 * Tells how the log ends, as far as this reader has read: call it when logfile_reader_next returned
 * 0 or LOGFILE_ECORRUPT.
 *
 * out, size: receives it; `size` is sizeof *out.
 * Returns:  0.  Errors: -EINVAL, -EAGAIN (records are left to read), any -errno of read.
 * Threads:  one at a time per reader.  Blocking: reads.
 */
int logfile_reader_tail(struct logfile_reader *reader, struct logfile_tail *out, size_t size);

/*
 * Tells where the reader is: after the last record that it returned.
 *
 * cursor:   receives it; logfile_reader_open goes on there.
 * Returns:  0.  Errors: -EINVAL.  Threads: one at a time per reader.  Blocking: no.
 */
int logfile_reader_cursor(struct logfile_reader *reader, struct logfile_cursor *cursor);

/* Frees the reader; NULL is allowed.  Threads: one, last. */
void logfile_reader_close(struct logfile_reader *reader);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* LOGFILE_H */
