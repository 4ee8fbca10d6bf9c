/* SPDX-License-Identifier: MIT */
/* What can be refused before the first run, on this machine and with this library. */
#ifndef BENCH_PREFLIGHT_H
#define BENCH_PREFLIGHT_H

#include "options.h"

#include <hwloc.h>

/* 0, or -1 with one line, without a newline, in `message`.  Leaves no file behind. */
int bench_preflight(const struct bench_options *options, hwloc_topology_t topology, char *message,
                    size_t message_bytes);

/* The same for --probe. */
int bench_preflight_probe(const struct bench_options *options, char *message, size_t message_bytes);

#endif /* BENCH_PREFLIGHT_H */
