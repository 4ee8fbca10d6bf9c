/* SPDX-License-Identifier: MIT */
/*
 * logfile_bench_peer.h - another durable store, to be measured beside the log by logfile-bench: same
 * writers, sizes, directory and clock.
 *
 * An adapter is one file of seven functions that includes this header and nothing else of ours:
 *
 *     static const struct bench_peer mine = {.name = "mine", ...};
 *     BENCH_PEER_PLUGIN(mine)
 *
 *     cc -shared -fPIC -O2 -o mine.so mine.c
 *     logfile-bench --engine ring,mutex --peer ./mine.so
 *
 * It opens its store in a mode in which a commit that returned is on stable storage, and commits one record a
 * transaction.  After each run the bench reads back all that it has acknowledged.
 */
#ifndef LOGFILE_BENCH_PEER_H
#define LOGFILE_BENCH_PEER_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of what is below; a program takes plug-ins of its own version only. */
#define BENCH_PEER_VERSION 1u

struct bench_peer;

/* What a store is opened for. */
struct bench_peer_config {
    const char *path; /* of the folder that all of the store is in; bench_peer_enter makes it */
    unsigned writers; /* threads that will append at once */
    size_t size_max;  /* of one record */
};

/* Called for each record found; each writer's in the order of their keys.  Non-zero ends the scan, which
 * returns it. */
typedef int bench_peer_visit(void *arg, uint64_t key, const void *data, size_t size);

/* Calls return 0, or -1 with one line in the store's `message`, which names the call that failed
 * and what the store said.  It is that of the first failure since `open`, whichever thread that
 * was. */
struct bench_peer_store {
    const struct bench_peer *peer;
    void *handle; /* the adapter's own; only of an open store */
    int failed;   /* the first failure is, or is being, noted */
    char message[256];
};

struct bench_peer {
    const char *name;     /* of letters, digits, '-' and '_' */
    const char *settings; /* one line */
    /* The store's own, such as "7.8.3". */
    const char *(*version)(void);
    /* Finds again what an earlier one left in the folder. */
    int (*open)(struct bench_peer_store *store, const struct bench_peer_config *config);
    /* In the thread that will append, once each; *session is for append and end. */
    int (*begin)(struct bench_peer_store *store, void **session);
    /* One transaction, durable on 0.  A key is its writer, from 0, times 2^48, and a number that grows by
     * one with each record of that writer. */
    int (*append)(struct bench_peer_store *store, void *session, uint64_t key, const void *data,
                  size_t size);
    void (*end)(struct bench_peer_store *store, void *session);
    /* All that the store holds, when nobody appends. */
    int (*scan)(struct bench_peer_store *store, bench_peer_visit *visit, void *arg);
    void (*close)(struct bench_peer_store *store);
};

/* What a plug-in has for a program that loads it.  `version` comes first in every version. */
struct bench_peer_plugin {
    unsigned version;
    const struct bench_peer *peer;
};

/* clang-format off */
#define BENCH_PEER_PLUGIN(name)                                                                    \
    extern __attribute__((visibility("default"))) const struct bench_peer_plugin bench_peer_plugin; \
    const struct bench_peer_plugin bench_peer_plugin = {BENCH_PEER_VERSION, &(name)};
/* clang-format on */

/* Notes that `call` failed, unless another failure came first; from any thread.  Returns -1. */
static inline int bench_peer_fail(struct bench_peer_store *store, const char *call,
                                  const char *error)
{
    char *end = store->message;
    if (__atomic_exchange_n(&store->failed, 1, __ATOMIC_RELAXED) != 0)
        return -1;
    snprintf(store->message, sizeof store->message, "%s: %s", call, error);
    while ((end = strpbrk(end, "\r\n")) != NULL) /* what a store says may have more than one line */
        *end = ' ';
    return -1;
}

/* Begins an open: forgets earlier failures and makes the folder.  0, or -1 with a message. */
static inline int bench_peer_enter(struct bench_peer_store *store,
                                   const struct bench_peer_config *config)
{
    store->handle = NULL;
    store->failed = 0;
    store->message[0] = '\0';
    if (mkdir(config->path, 0777) == 0 || errno == EEXIST)
        return 0;
    return bench_peer_fail(store, "mkdir", strerror(errno));
}

#ifdef __cplusplus
}
#endif

#endif /* LOGFILE_BENCH_PEER_H */
