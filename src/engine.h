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
#include "ring.h"

#include <pthread.h>
#include <sys/uio.h>

struct logfile;

/* The payload of one record. */
struct lf_payload {
    const struct iovec *iov;
    int iov_count;
    size_t size;
};

struct lf_ring_engine {
    struct lf_ring ring;
    struct lf_flusher flusher;
};

/* One of the two buffers of the mutex engine: an epoch in the making. */
struct lf_buffer {
    uint8_t *data;
    uint64_t end; /* bytes, header included */
    uint32_t records;
};

struct lf_mutex_engine {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a flush ended */
    /* All under lock; the buffer that is being flushed belongs to its flusher. */
    struct lf_buffer buffers[2];
    unsigned active;
    uint64_t base_lsn; /* of the active buffer */
    uint64_t epoch;    /* its number */
    bool flushing;
    bool closed;
};

struct lf_serial_engine {
    pthread_mutex_t lock;
    bool closed;
};

int lf_ring_engine_start(struct logfile *log);
void lf_ring_engine_stop(struct logfile *log);
/* A submit is an append that does not wait. */
int lf_ring_engine_append(struct logfile *log, const struct lf_payload *payload,
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
int lf_mutex_engine_shutdown(struct logfile *log);
uint64_t lf_mutex_engine_end_lsn(struct logfile *log);

int lf_serial_engine_start(struct logfile *log);
void lf_serial_engine_stop(struct logfile *log);
int lf_serial_engine_append(struct logfile *log, const struct lf_payload *payload,
                            const struct timespec *deadline, uint64_t *lsnp);
int lf_serial_engine_shutdown(struct logfile *log);

#endif /* LF_ENGINE_H */
