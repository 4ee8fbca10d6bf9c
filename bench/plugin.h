/* SPDX-License-Identifier: MIT */
/* --peer and --lab: stores, engines and policies that are loaded when the program runs. */
#ifndef BENCH_PLUGIN_H
#define BENCH_PLUGIN_H

#include "logfile_bench_peer.h"

struct lf_lab_plugin;

/* Loads the adapter of a shared object, for good.  NULL with one line in `message`: what is wrong with it. */
const struct bench_peer *bench_plugin_load(const char *path, char *message, size_t message_bytes);

/* The same of an engine or a reservation policy, which lab/plugin.h tells of, and its name. */
const struct lf_lab_plugin *bench_plugin_load_lab(const char *path, char *message,
                                                  size_t message_bytes);
const char *bench_plugin_lab_name(const struct lf_lab_plugin *plugin);

#endif /* BENCH_PLUGIN_H */
