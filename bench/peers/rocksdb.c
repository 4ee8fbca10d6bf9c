/* SPDX-License-Identifier: MIT */
/*
 * RocksDB: each put is a write batch of its own with `sync`, so that it returns when the log
 * holds it on stable storage.  RocksDB commits the batches that wait meanwhile as one group.
 *
 * Pipelined writes let a group's log write overlap with the previous group's insertion into the
 * memtable; a put still returns only when both are done.  Unordered writes and a manual flush of
 * the log stay off.  The memtables are large, and nothing is compacted, so that a run measures
 * commits and not the merging of tables.  A log file that is no longer needed is written over by a
 * later one, whose blocks then are there already; that begins when the first memtable is full, so a
 * short run has none of it.
 */
#include "peer.h"

#include <endian.h>
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>

#define MEMTABLE_BYTES ((size_t)256 << 20)
#define MEMTABLES 4
#define RECYCLED_LOGS 4

struct store {
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *durable;
};

static const char *version(void)
{
    return BENCH_ROCKSDB_VERSION;
}

/* 0, or -1 with the error noted and freed. */
static int check(struct bench_peer_store *store, const char *call, char *error)
{
    if (error == NULL)
        return 0;
    bench_peer_fail(store, call, error);
    rocksdb_free(error);
    return -1;
}

static rocksdb_options_t *make_options(void)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    rocksdb_options_set_enable_pipelined_write(options, 1);
    rocksdb_options_set_write_buffer_size(options, MEMTABLE_BYTES);
    rocksdb_options_set_max_write_buffer_number(options, MEMTABLES);
    rocksdb_options_set_disable_auto_compactions(options, 1);
    rocksdb_options_set_recycle_log_file_num(options, RECYCLED_LOGS);
    return options;
}

static void free_store(struct store *rocks)
{
    rocksdb_writeoptions_destroy(rocks->durable);
    rocksdb_options_destroy(rocks->options);
    free(rocks);
}

static int open_store(struct bench_peer_store *store, const struct bench_peer_config *config)
{
    char *error = NULL;
    if (bench_peer_enter(store, config) != 0)
        return -1;
    struct store *rocks = malloc(sizeof *rocks);
    if (rocks == NULL)
        return bench_peer_fail(store, "malloc", "out of memory");
    rocks->options = make_options();
    rocks->durable = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(rocks->durable, 1);
    rocks->db = rocksdb_open(rocks->options, config->path, &error);
    if (check(store, "rocksdb_open", error) != 0) {
        free_store(rocks);
        return -1;
    }
    store->handle = rocks;
    return 0;
}

/* Any thread may use the database; there is nothing to begin. */
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

static int append(struct bench_peer_store *store, void *session, uint64_t key, const void *data,
                  size_t size)
{
    const struct store *rocks = session;
    uint64_t sorted_key = htobe64(key); /* RocksDB compares keys byte by byte */
    char *error = NULL;
    rocksdb_put(rocks->db, rocks->durable, (const char *)&sorted_key, sizeof sorted_key, data, size,
                &error);
    return check(store, "rocksdb_put", error);
}

static int visit_current(const rocksdb_iterator_t *iterator, bench_peer_visit *visit, void *arg)
{
    uint64_t sorted_key = 0;
    size_t key_bytes;
    size_t size;
    const char *key = rocksdb_iter_key(iterator, &key_bytes);
    const char *data = rocksdb_iter_value(iterator, &size);
    memcpy(&sorted_key, key, key_bytes < sizeof sorted_key ? key_bytes : sizeof sorted_key);
    return visit(arg, be64toh(sorted_key), data, size);
}

static int scan(struct bench_peer_store *store, bench_peer_visit *visit, void *arg)
{
    const struct store *rocks = store->handle;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(rocks->db, options);
    char *error = NULL;
    int status = 0;
    for (rocksdb_iter_seek_to_first(iterator); status == 0 && rocksdb_iter_valid(iterator);
         rocksdb_iter_next(iterator))
        status = visit_current(iterator, visit, arg);
    rocksdb_iter_get_error(iterator, &error);
    if (check(store, "rocksdb_iter_next", error) != 0)
        status = -1;
    rocksdb_iter_destroy(iterator);
    rocksdb_readoptions_destroy(options);
    return status;
}

static void close_store(struct bench_peer_store *store)
{
    struct store *rocks = store->handle;
    rocksdb_close(rocks->db);
    free_store(rocks);
    store->handle = NULL;
}

const struct bench_peer bench_peer_rocksdb = {
    .name = "rocksdb",
    .settings = "WriteOptions.sync, one put each; enable_pipelined_write, concurrent memtable "
                "writes; 4 memtables of 256 MiB; recycle_log_file_num 4, which acts from the "
                "second memtable on; no compression or compaction",
    .version = version,
    .open = open_store,
    .begin = begin,
    .append = append,
    .end = end,
    .scan = scan,
    .close = close_store,
};
