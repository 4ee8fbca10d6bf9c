/* SPDX-License-Identifier: MIT */
/*
 * Other durable stores, to be measured beside the log: same writers, sizes, directory and clock.
 *
 * An adapter is built only where its Debian package was found.  Each opens its store in a mode in
 * which a commit that returned is on stable storage, and commits one record per transaction; apart
 * from that it is given its best settings, which `settings` names for the report.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stddef.h>
#include <stdint.h>

/* What a store is opened for. */
struct bench_peer_config {
    const char *path; /* of the folder that all of the store is in; made where it is missing */
    unsigned writers; /* threads that will append at once */
    size_t size_max;  /* of one record */
};

/* Called for each record found; keys grow.  Non-zero ends the scan, which returns it. */
typedef int bench_peer_visit(void *arg, uint64_t key, const void *data, size_t size);

/* Calls return 0, or -1 with one line in the store's `message`, which names the call that failed
 * and what the store said.  It is that of the first failure since `open`, whichever thread that
 * was. */
struct bench_peer_store {
    const struct bench_peer *peer;
    void *handle; /* the adapter's own; only of an open store */
    char message[256];
};

struct bench_peer {
    const char *name;
    const char *settings; /* one line */
    /* The library's own, such as "7.8.3". */
    const char *(*version)(void);
    /* Finds again what an earlier one left in the folder. */
    int (*open)(struct bench_peer_store *store, const struct bench_peer_config *config);
    /* In the thread that will append, once each; *session is for append and end. */
    int (*begin)(struct bench_peer_store *store, void **session);
    /* One transaction, durable on 0.  A writer's keys grow; no two writers share one; all are below
     * 2^63. */
    int (*append)(struct bench_peer_store *store, void *session, uint64_t key, const void *data,
                  size_t size);
    void (*end)(struct bench_peer_store *store, void *session);
    /* All that the store holds, when nobody appends. */
    int (*scan)(struct bench_peer_store *store, bench_peer_visit *visit, void *arg);
    void (*close)(struct bench_peer_store *store);
};

/* Those that this program was built with; NULL ends the list. */
extern const struct bench_peer *const bench_peers[];

/* ---- For the adapters ---- */

extern const struct bench_peer bench_peer_rocksdb;
extern const struct bench_peer bench_peer_wiredtiger;
extern const struct bench_peer bench_peer_lmdb;
extern const struct bench_peer bench_peer_sqlite;

/* Begins an open: forgets earlier failures and makes the folder.  0, or -1 with a message. */
int bench_peer_enter(struct bench_peer_store *store, const struct bench_peer_config *config);

/* Notes that `call` failed, unless another failure came first; from any thread.  Returns -1. */
int bench_peer_fail(struct bench_peer_store *store, const char *call, const char *error);

#endif /* BENCH_PEER_H */
