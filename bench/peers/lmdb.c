/* SPDX-License-Identifier: MIT */
/*
 * LMDB: a write transaction of one put, in the default mode: a commit writes and syncs the new
 * pages, and then the meta page that makes them the tree.  LMDB lets one writer in at a time and
 * has no group commit.
 *
 * MDB_WRITEMAP stays off: it trades the writes for page faults on a sparse file, but syncs as
 * often, and a full disk would be a fatal signal in place of an error.  Keys of several writers
 * interleave, so that MDB_APPEND does not apply.
 *
 * The map, which bounds the file, doubles when it is full.  That costs one mmap while no
 * transaction is open.
 */
#include "peer.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BYTES ((size_t)64 << 20) /* of a new store */

struct store {
    MDB_env *env;
    MDB_dbi records;
    size_t map_bytes;
    /* Held for reading by those with a transaction, for writing by who changes the map.  Who
     * waits to change it comes before others, or a stream of small records would hold a large one
     * up. */
    pthread_rwlock_t map_lock;
};

static const char *version(void)
{
    static char text[32];
    int major;
    int minor;
    int patch;
    mdb_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

static int check(struct bench_peer_store *store, const char *call, int error)
{
    return error == 0 ? 0 : bench_peer_fail(store, call, mdb_strerror(error));
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int open_env(struct bench_peer_store *store, const char *path)
{
    struct store *lmdb = store->handle;
    MDB_envinfo info;
    if (check(store, "mdb_env_create", mdb_env_create(&lmdb->env)) != 0 ||
        check(store, "mdb_env_set_mapsize", mdb_env_set_mapsize(lmdb->env, MAP_BYTES)) != 0 ||
        check(store, "mdb_env_open", mdb_env_open(lmdb->env, path, MDB_NOMEMINIT, 0666)) != 0 ||
        check(store, "mdb_env_info", mdb_env_info(lmdb->env, &info)) != 0)
        return -1;
    lmdb->map_bytes = info.me_mapsize; /* more, where a store was there */
    return 0;
}

static int open_records(struct bench_peer_store *store)
{
    struct store *lmdb = store->handle;
    MDB_txn *txn;
    if (check(store, "mdb_txn_begin", mdb_txn_begin(lmdb->env, NULL, 0, &txn)) != 0)
        return -1;
    int error = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &lmdb->records);
    if (error != 0) {
        mdb_txn_abort(txn);
        return check(store, "mdb_dbi_open", error);
    }
    return check(store, "mdb_txn_commit", mdb_txn_commit(txn));
}

static void close_store(struct bench_peer_store *store)
{
    struct store *lmdb = store->handle;
    if (lmdb->env != NULL)
        mdb_env_close(lmdb->env);
    pthread_rwlock_destroy(&lmdb->map_lock);
    free(lmdb);
    store->handle = NULL;
}

static int open_store(struct bench_peer_store *store, const struct bench_peer_config *config)
{
    if (bench_peer_enter(store, config) != 0)
        return -1;
    struct store *lmdb = calloc(1, sizeof *lmdb);
    if (lmdb == NULL)
        return bench_peer_fail(store, "calloc", "out of memory");
    lmdb->map_lock = (pthread_rwlock_t)PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
    store->handle = lmdb;
    if (open_env(store, config->path) == 0 && open_records(store) == 0)
        return 0;
    close_store(store);
    return -1;
}

/* A transaction is tied to a thread only while it is open; there is nothing to begin. */
static int begin(struct bench_peer_store *store, void **session)
{
    *session = store->handle;
    return 0;
}

static void end(struct bench_peer_store *store, void *session)
{
    (void)store;
    (void)session;
}

/* ---- Appending ------------------------------------------------------------------------------- */

/* 0 or LMDB's error, with the name of the call. */
static int put(const struct store *lmdb, MDB_val *key, MDB_val *value, const char **call)
{
    MDB_txn *txn;
    *call = "mdb_txn_begin";
    int error = mdb_txn_begin(lmdb->env, NULL, 0, &txn);
    if (error != 0)
        return error;
    *call = "mdb_put";
    error = mdb_put(txn, lmdb->records, key, value, 0);
    if (error != 0) {
        mdb_txn_abort(txn);
        return error;
    }
    *call = "mdb_txn_commit";
    return mdb_txn_commit(txn); /* frees it on an error too */
}

/* Doubles the map, unless another thread has done so since it was `full_bytes` large. */
static int grow_map(struct bench_peer_store *store, size_t full_bytes)
{
    struct store *lmdb = store->handle;
    int error = 0;
    pthread_rwlock_wrlock(&lmdb->map_lock);
    if (lmdb->map_bytes == full_bytes)
        error = mdb_env_set_mapsize(lmdb->env, 2 * full_bytes);
    if (error == 0 && lmdb->map_bytes == full_bytes)
        lmdb->map_bytes = 2 * full_bytes;
    pthread_rwlock_unlock(&lmdb->map_lock);
    return check(store, "mdb_env_set_mapsize", error);
}

static int append(struct bench_peer_store *store, void *session, uint64_t key, const void *data,
                  size_t size)
{
    struct store *lmdb = session;
    for (;;) {
        MDB_val key_value = {sizeof key, &key};
        MDB_val value = {size, (void *)(uintptr_t)data}; /* which mdb_put does not change */
        const char *call;
        pthread_rwlock_rdlock(&lmdb->map_lock);
        size_t map_bytes = lmdb->map_bytes;
        int error = put(lmdb, &key_value, &value, &call);
        pthread_rwlock_unlock(&lmdb->map_lock);
        if (error != MDB_MAP_FULL)
            return check(store, call, error);
        if (grow_map(store, map_bytes) != 0)
            return -1;
    }
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int scan_records(struct bench_peer_store *store, MDB_cursor *cursor, bench_peer_visit *visit,
                        void *arg)
{
    MDB_val key;
    MDB_val value;
    uint64_t number;
    int status = 0;
    int error = 0;
    while (status == 0 && (error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        memcpy(&number, key.mv_data, sizeof number); /* it is aligned to two bytes only */
        status = visit(arg, number, value.mv_data, value.mv_size);
    }
    if (error != 0 && error != MDB_NOTFOUND)
        status = check(store, "mdb_cursor_get", error);
    return status;
}

static int scan(struct bench_peer_store *store, bench_peer_visit *visit, void *arg)
{
    const struct store *lmdb = store->handle;
    MDB_txn *txn;
    MDB_cursor *cursor;
    if (check(store, "mdb_txn_begin", mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn)) != 0)
        return -1;
    int status = check(store, "mdb_cursor_open", mdb_cursor_open(txn, lmdb->records, &cursor));
    if (status == 0) {
        status = scan_records(store, cursor, visit, arg);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return status;
}

const struct bench_peer bench_peer_lmdb = {
    .name = "lmdb",
    .settings = "default sync mode (no MDB_NOSYNC, MDB_NOMETASYNC or MDB_WRITEMAP), one put each; "
                "MDB_INTEGERKEY; MDB_NOMEMINIT; a map of 64 MiB that doubles when full",
    .version = version,
    .open = open_store,
    .begin = begin,
    .append = append,
    .end = end,
    .scan = scan,
    .close = close_store,
};
