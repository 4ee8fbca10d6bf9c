/* SPDX-License-Identifier: MIT */
/* Reads a log back and compares it with what the writers were told is durable. */
#ifndef BENCH_READBACK_H
#define BENCH_READBACK_H

#include "payload.h"
#include "workload.h"

/*
 * Every record of 8 bytes or more must be, byte for byte, the next one of its writer: so none is
 * missing, altered, twice or out of its writer's order.  Smaller ones are only counted.  All that
 * was acknowledged must be there, nothing that was never offered, and the log must end cleanly.
 *
 * Returns 0, 1 (a signal came first: not compared to the end), or -1 with one line in `message`.
 */
int bench_readback(const char *path, const struct bench_payload *payload,
                   const struct bench_written *written, unsigned writers, char *message,
                   size_t message_bytes);

#endif /* BENCH_READBACK_H */
