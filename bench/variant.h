/* SPDX-License-Identifier: MIT */
/*
 * What is compared: variants of the log, each a label and the options that its logs are opened
 * with, and other stores beside them.
 */
#ifndef BENCH_VARIANT_H
#define BENCH_VARIANT_H

#include "logfile_lab.h"
#include "peers/peer.h"

#include <stdbool.h>
#include <stddef.h>

struct bench_options;

#define BENCH_VARIANTS_MAX 128
#define BENCH_LABEL_BYTES 64

/* The library's engines, and the stores that an adapter of that name may be built in for. */
enum bench_engine {
    BENCH_ENGINE_RING = LOGFILE_ENGINE_RING,
    BENCH_ENGINE_MUTEX = LOGFILE_ENGINE_MUTEX,
    BENCH_ENGINE_SERIAL = LOGFILE_ENGINE_SERIAL,
    BENCH_ENGINE_ROCKSDB,
    BENCH_ENGINE_WIREDTIGER,
    BENCH_ENGINE_LMDB,
    BENCH_ENGINE_SQLITE
};

struct bench_variant {
    char label[BENCH_LABEL_BYTES]; /* one of its own */
    unsigned rung;                 /* of the ladder, from 1; 0: not on it */
    const struct bench_peer *peer; /* NULL: a log, with these options */
    bool is_baseline;              /* run by the program of --baseline */
    struct logfile_options log;
    struct logfile_lab lab;
};

struct bench_variants {
    unsigned count;
    struct bench_variant all[BENCH_VARIANTS_MAX];
};

/*
 * Fills in what the options ask for: the ladder, or each engine in the order of --engine, ring once
 * for each combination of --reserve, --shards, --flusher, --wait, --gather and --wake.
 *
 * It loads what --lab and --peer name: the policies stand after those of --reserve, the engines after those
 * of --engine, and the stores come last.
 *
 * Returns 0, or -1 with one line in `message`: too many, or a store that is not built in, or a file that is
 * refused.
 */
int bench_variants_make(const struct bench_options *options, struct bench_variants *variants,
                        char *message, size_t message_bytes);

/* An engine may be listed several times, to see what differs by chance alone: gives each but the first of
 * them a number, as in "ring#2". */
void bench_variants_tell_apart(struct bench_variants *variants);

/* Adds each of them once more, as the program of --baseline runs it: "baseline:ring".  0, or -1 with one line in
 * `message`: too many. */
int bench_variants_add_baseline(struct bench_variants *variants, char *message,
                                size_t message_bytes);

/* The one that another is compared with: the same of --baseline, or else the one below. */
unsigned bench_variants_base_of(const struct bench_variants *variants, unsigned variant);
/* The one that the others are compared with: mutex, or else the first. */
unsigned bench_variants_baseline(const struct bench_variants *variants);

/* "ring", "sqlite", or what an engine that was loaded calls itself. */
const char *bench_variant_engine(const struct bench_variant *variant);
/* Of the ring: "faa", or what a policy that was loaded calls itself. */
const char *bench_variant_reserve(const struct bench_variant *variant);
/* Whether it is the ring, which alone has reservations, shards, flushers and ways to wait. */
bool bench_variant_is_ring(const struct bench_variant *variant);

#endif /* BENCH_VARIANT_H */
