/* SPDX-License-Identifier: MIT */
/*
 * Three engines behind one API, one format and one storage layer.
 *
 *   ring    writers reserve in a lock-free ring; the flusher cuts groups off (ring.h, flusher.h)
 *   mutex   one mutex, two ping-pong buffers, one broadcast; the first waiter flushes
 *   serial  one write and one sync per record, under a mutex
 *
 * The entry points have checked their arguments; LSNs and deadlines are as in logfile.h.
 */
#ifndef LF_ENGINE_H
#define LF_ENGINE_H

#include "flusher.h"
#include "record.h"
#include "ring.h"

#include <pthread.h>

struct logfile;

struct lf_ring_engine {
    struct lf_ring ring;
    struct lf_flusher flusher;
    uint64_t spin_again_ns; /* W, R: waiters.  Processors were busy: until then nobody spins. */
};

/* One of the two buffers of the mutex engine: an epoch in the making. */
struct lf_buffer {
    uint8_t *data;
    uint64_t end; /* bytes, header included */
    uint32_t records;
};

#define LF_MUTEX_CONDITIONS 3

struct lf_mutex_engine {
    pthread_mutex_t lock;
    /* A flush ended.  The classic design waits for all of them on the first; with WAKE_PER_EPOCH an
     * epoch's waiters wait on the one of its number's last bit, and on the third whoever waits for
     * space in the buffer. */
    pthread_cond_t changed[LF_MUTEX_CONDITIONS];
    /* All under lock; the buffer that is being flushed belongs to its flusher. */
    struct lf_buffer buffers[2];
    unsigned active;
    uint64_t base_lsn; /* of the active buffer */
    uint64_t epoch;    /* its number */
    bool flushing;
    uint32_t closed;  /* W: shutdown, perhaps without the lock.  R: under lock. */
    uint64_t end_lsn; /* W: under lock.  R: any.  Where what was appended ends; never falls. */
};

struct lf_serial_engine {
    pthread_mutex_t lock;
    uint32_t closed;  /* W: shutdown, perhaps without the lock.  R: any. */
    uint64_t end_lsn; /* W: under lock.  R: any.  Where the last record that was begun ends. */
};

/* Takes a mutex for as long as a call lasts, waits and all: a thread that is cancelled inside would
 * take it along.  Returns what lf_engine_unlock needs. */
static inline int lf_engine_lock(pthread_mutex_t *lock)
{
    int cancel_state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
    pthread_mutex_lock(lock);
    return cancel_state;
}
/* The same for a call with a deadline: false if the mutex is taken and the call may not wait. */
static inline bool lf_engine_lock_until(pthread_mutex_t *lock, const struct timespec *deadline,
                                        int *cancel_state)
{
    if (lf_may_wait(deadline)) {
        *cancel_state = lf_engine_lock(lock);
        return true;
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel_state);
    if (pthread_mutex_trylock(lock) == 0)
        return true;
    pthread_setcancelstate(*cancel_state, NULL);
    return false;
}
/* Returns `result`. */
static inline int lf_engine_unlock(pthread_mutex_t *lock, int cancel_state, int result)
{
    pthread_mutex_unlock(lock);
    pthread_setcancelstate(cancel_state, NULL);
    return result;
}

int lf_ring_engine_start(struct logfile *log);
void lf_ring_engine_stop(struct logfile *log);
/* A submit is an append that does not wait. */
int lf_ring_engine_append(struct logfile *log, const struct lf_payload *payload,
                          const struct timespec *deadline, bool wait, uint64_t *lsnp);
/* The same under any reservation policy; and with the stages of some appends timed. */
int lf_ring_engine_append_by_policy(struct logfile *log, const struct lf_payload *payload,
                                    const struct timespec *deadline, bool wait, uint64_t *lsnp);
int lf_ring_engine_append_timed(struct logfile *log, const struct lf_payload *payload,
                                const struct timespec *deadline, bool wait, uint64_t *lsnp);
int lf_ring_engine_wait(struct logfile *log, uint64_t lsn, const struct timespec *deadline);
int lf_ring_engine_flush(struct logfile *log, const struct timespec *deadline);
/* The log has failed, or there is room: whoever sleeps must look again. */
void lf_ring_engine_failed(struct logfile *log);
void lf_ring_engine_room(struct logfile *log);

int lf_mutex_engine_start(struct logfile *log);
void lf_mutex_engine_stop(struct logfile *log);
int lf_mutex_engine_append(struct logfile *log, const struct lf_payload *payload,
                           const struct timespec *deadline, bool wait, uint64_t *lsnp);
int lf_mutex_engine_wait(struct logfile *log, uint64_t lsn, const struct timespec *deadline);
int lf_mutex_engine_flush(struct logfile *log, const struct timespec *deadline);
int lf_mutex_engine_shutdown(struct logfile *log, const struct timespec *deadline);
uint64_t lf_mutex_engine_end_lsn(const struct logfile *log);

int lf_serial_engine_start(struct logfile *log);
void lf_serial_engine_stop(struct logfile *log);
int lf_serial_engine_append(struct logfile *log, const struct lf_payload *payload,
                            const struct timespec *deadline, uint64_t *lsnp);
int lf_serial_engine_wait(struct logfile *log, uint64_t lsn, const struct timespec *deadline);
int lf_serial_engine_flush(struct logfile *log, const struct timespec *deadline);
int lf_serial_engine_shutdown(struct logfile *log, const struct timespec *deadline);
uint64_t lf_serial_engine_end_lsn(const struct logfile *log);

#endif /* LF_ENGINE_H */
