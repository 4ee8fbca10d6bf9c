/* SPDX-License-Identifier: MIT */
/* --peer: stores that are loaded when the program runs. */
#ifndef BENCH_PLUGIN_H
#define BENCH_PLUGIN_H

#include "logfile_bench_peer.h"

/* Loads the adapter of a shared object, for good.  NULL with one line in `message`: what is wrong with it. */
const struct bench_peer *bench_plugin_load(const char *path, char *message, size_t message_bytes);

#endif /* BENCH_PLUGIN_H */
