/* SPDX-License-Identifier: MIT */
/*
 * What was promised about each record, and what is on stable storage: the two must agree at any
 * moment, and at the end of an execution.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "format/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORDS_MAX = 48,
    RECORD_BYTES_MIN = 8
};

enum promise {
    PROMISE_NONE = 0,  /* not asked for yet, or under way */
    PROMISE_ACKED,     /* durable */
    PROMISE_SUBMITTED, /* becomes durable if nothing fails */
    PROMISE_PENDING,   /* timed out behind its reservation: the same */
    PROMISE_IN_DOUBT,  /* failed behind its reservation */
    PROMISE_REFUSED    /* not written */
};

/* Before an execution: nothing was promised, and reading starts where this chain goes on. */
void ledger_begin(const struct lf_chain *chain);
/* Payload number `record` of this size, RECORD_BYTES_MIN or more; stays valid. */
const void *ledger_payload(unsigned record, size_t bytes);
/* Reads on behind what has become durable. */
void ledger_read(void);
/* Notes a promise; an acknowledgement that the disk does not bear out fails the execution. */
void ledger_promise(unsigned record, enum promise promise, uint64_t lsn);
/* Where what is durable ends. */
uint64_t ledger_durable_lsn(void);
/* Every promise has been kept.  failed: the log has failed.  Else the log must be marked as
 * closed. */
void ledger_check(bool failed);

#endif /* LEDGER_H */
