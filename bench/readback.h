/* SPDX-License-Identifier: MIT */
/* Reads a log back and compares it with what the writers were told is durable. */
#ifndef BENCH_READBACK_H
#define BENCH_READBACK_H

#include "workload.h"

/*
 * Reads the log of a run, once it is closed, from its file.
 *
 * Every record of 8 bytes or more must be, byte for byte, the next one of its writer: so none is
 * missing, altered, twice or out of its writer's order.  Smaller ones are only counted.  All that
 * was acknowledged must be there, nothing that was never offered, and the log must end cleanly.
 * Of a log that was trimmed, each writer's records must go on from the first one that is left, and
 * what was to be kept must be there.
 *
 * Returns 0, 1 (a signal came first: not compared to the end), or -1 with one line in `message`.
 */
int bench_readback(const struct bench_run *run, const struct bench_written *written, char *message,
                   size_t message_bytes);

/*
 * The same for a store that is no log, while it is open and nobody appends.  A record's key tells
 * whose it is, so that records of any size are compared.
 */
int bench_readback_peer(const struct bench_run *run, struct bench_peer_store *store,
                        const struct bench_written *written, char *message, size_t message_bytes);

/* Adds to a message about a mismatch that the log is kept, and where. */
void bench_readback_tell_kept(const char *path, char *message, size_t message_bytes);

#endif /* BENCH_READBACK_H */
