/* SPDX-License-Identifier: MIT */
/*
 * The seam between the entry points and an engine: one table of functions, chosen once, when the log
 * is opened.
 *
 *   ring    writers reserve in a lock-free ring; the flusher cuts groups off (ring.h, flush.h)
 *   mutex   one mutex, two ping-pong buffers, one broadcast; the first waiter flushes
 *   serial  one write and one sync per record, under a mutex
 *
 * They share one format and one storage layer.
 */
#ifndef LF_ENGINE_H
#define LF_ENGINE_H

#include "format/record.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct logfile;
struct logfile_reservation;
struct logfile_lab;

/* The entry points have checked the arguments; LSNs, deadlines and results are as in logfile.h. */
struct lf_engine {
    const char *name;             /* one word */
    unsigned buffer_count;        /* buffers of slot_bytes that it fills; 0: lab.slot_count */
    bool fills_tails_of_segments; /* with epochs shorter than a slot (docs/adr/0010) */

    /* Between opening and closing the log.  start: 0 or -errno.  stop: after a shutdown. */
    int (*start)(struct logfile *log);
    void (*stop)(struct logfile *log);

    /* wait: until the record is durable; else it is only submitted. */
    int (*append)(struct logfile *log, const struct lf_payload *payload,
                  const struct timespec *deadline, bool wait, uint64_t *lsnp);
    int (*submit_batch)(struct logfile *log, const struct lf_batch *batch,
                        const struct timespec *deadline, uint64_t *lsns);
    /* NULL: it has no reservations.  end_reservation: 0, or -EINVAL. */
    int (*reserve)(struct logfile *log, size_t size, const struct timespec *deadline,
                   struct logfile_reservation *out);
    int (*end_reservation)(struct logfile *log, const struct logfile_reservation *reservation,
                           enum lf_record_type type);
    int (*wait)(struct logfile *log, uint64_t lsn, const struct timespec *deadline);
    int (*flush)(struct logfile *log, const struct timespec *deadline);
    int (*shutdown)(struct logfile *log, const struct timespec *deadline);

    /* Where what has been reserved ends: every LSN handed out is below, every later one at or above. */
    uint64_t (*end_lsn)(const struct logfile *log);
    /* About the same, without waiting for any thread. */
    uint64_t (*published_lsn)(const struct logfile *log);

    /* From any thread: the log has failed; there is room again.  Threads that wait look again. */
    void (*failed)(struct logfile *log);
    void (*room)(struct logfile *log);

    /* Told by the thread that commits, which holds no lock for it.  sealed: the epoch is about to be
     * sealed; it may turn out to have no records, and then is not written.  durable: an epoch of records
     * is, as soon as this call returns.  NULL: it is not measured. */
    void (*sealed)(struct logfile *log, uint64_t epoch);
    void (*durable)(struct logfile *log, uint64_t epoch, uint64_t written_ns);
};

extern const struct lf_engine lf_ring_engine;
/* The laboratory's (lab/): the ring with another reservation policy, with any policy and the stages
 * of some appends timed, and what the ring is compared with. */
extern const struct lf_engine lf_ring_engine_by_policy;
extern const struct lf_engine lf_ring_engine_timed;
extern const struct lf_engine lf_mutex_engine;
extern const struct lf_engine lf_serial_engine;

const struct lf_engine *lf_engine_choose(const struct logfile_lab *lab);
/* True: the engine has a name and every call that it needs. */
bool lf_engine_is_complete(const struct lf_engine *engine);
/* Starts the log's engine.  0 or -errno. */
int lf_engine_start(struct logfile *log);
/* What the store and the preparer report, from any thread, also before the engine has started. */
void lf_engine_on_failure(void *log);
void lf_engine_on_room(void *log);

#endif /* LF_ENGINE_H */
