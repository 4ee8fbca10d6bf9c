/* SPDX-License-Identifier: MIT */
/*
 * The laboratory: engines to compare the ring with.  The log reaches them through struct lf_engine,
 * and logfile_lab_stats through lf_lab_stages, and keeps the state of the one that it has in log->lab_state.
 *
 *   mutex.c    one mutex, two ping-pong buffers, one broadcast; the first waiter flushes
 *   serial.c   one write and one sync per record, under a mutex
 *   ring.c     the ring with other reservation policies (reserve.h), or with the stages of some
 *              appends timed (stages.h)
 */
#ifndef LF_LAB_H
#define LF_LAB_H

#include "format/record.h"
#include "lab/stages.h"
#include "ring/log.h"

/* What the state of every engine here begins with. */
struct lf_lab {
    struct lf_stages stages;
};

static inline struct lf_stages *lf_lab_stages(const struct logfile *log)
{
    struct lf_lab *lab = log->lab_state;
    return &lab->stages;
}

/* 0 where payloads are not covered. */
static inline uint32_t lf_lab_payload_crc(const struct logfile *log,
                                          const struct lf_payload *payload)
{
    return log->lab.checksum == LOGFILE_CHECKSUM_FULL ? lf_payload_crc(payload) : 0;
}

/* Zeroed state of `bytes`, which begins with struct lf_lab; NULL: no memory. */
void *lf_lab_new(const struct logfile *log, size_t bytes);

/* The calls of lf_engine that note when an epoch was sealed, and became durable. */
void lf_lab_sealed(struct logfile *log, uint64_t epoch);
void lf_lab_durable(struct logfile *log, uint64_t epoch, uint64_t written_ns);

#endif /* LF_LAB_H */
