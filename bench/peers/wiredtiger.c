/* SPDX-License-Identifier: MIT */
/*
 * WiredTiger: an insert that commits by itself, with transaction_sync on: it returns when the
 * write-ahead log holds it on stable storage.  WiredTiger gathers the log records of concurrent
 * commits into slots, and one fdatasync serves all of a slot.
 *
 * Log files are made in advance, which is its default, and filled with zeros then, so that a sync
 * has no metadata of the file to write.  A thread of its own does that while commits go
 * on; files of 16 MB, not its default of 100 MB, keep it from holding them up for long.  The cache is
 * large and may be mostly dirty, so that a run measures commits and not the writing of pages.
 */
#include "peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <wiredtiger.h>

#define TABLE "table:records"
#define OTHER_SESSIONS 16 /* for those that do not append, WiredTiger's own threads among them */

struct store {
    WT_EVENT_HANDLER events;
    WT_CONNECTION *connection;
};

/* What a thread uses: WiredTiger's sessions and cursors belong to one. */
struct session {
    WT_SESSION *session;
    WT_CURSOR *cursor;
};

static const char *version(void)
{
    static char text[32];
    int major;
    int minor;
    int patch;
    wiredtiger_version(&major, &minor, &patch);
    snprintf(text, sizeof text, "%d.%d.%d", major, minor, patch);
    return text;
}

static int check(struct bench_peer_store *store, const char *call, int error)
{
    return error == 0 ? 0 : bench_peer_fail(store, call, wiredtiger_strerror(error));
}

/* By itself it would write to standard error what the failed call returns as well. */
static int keep_quiet(WT_EVENT_HANDLER *events, WT_SESSION *session, int error, const char *message)
{
    (void)events;
    (void)session;
    (void)error;
    (void)message;
    return 0;
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static void close_session(struct session *session)
{
    session->session->close(session->session, NULL); /* and with it the cursor */
    free(session);
}

static int open_cursor(struct bench_peer_store *store, struct session *session)
{
    WT_SESSION *opened = session->session;
    return check(store, "WT_SESSION.open_cursor",
                 opened->open_cursor(opened, TABLE, NULL, NULL, &session->cursor));
}

static struct session *open_session(struct bench_peer_store *store)
{
    const struct store *tiger = store->handle;
    struct session *session = malloc(sizeof *session);
    if (session == NULL) {
        bench_peer_fail(store, "malloc", "out of memory");
        return NULL;
    }
    WT_CONNECTION *connection = tiger->connection;
    int error = connection->open_session(connection, NULL, NULL, &session->session);
    if (check(store, "WT_CONNECTION.open_session", error) != 0) {
        free(session);
        return NULL;
    }
    if (open_cursor(store, session) != 0) {
        close_session(session);
        return NULL;
    }
    return session;
}

static int begin(struct bench_peer_store *store, void **session)
{
    *session = open_session(store);
    return *session != NULL ? 0 : -1;
}

static void end(struct bench_peer_store *store, void *session)
{
    (void)store;
    close_session(session);
}

/* ---- The store ------------------------------------------------------------------------------- */

static int open_connection(struct bench_peer_store *store, const struct bench_peer_config *config)
{
    struct store *tiger = store->handle;
    char settings[512];
    snprintf(settings, sizeof settings,
             "create,session_max=%u,log=(enabled=true,zero_fill=true,file_max=16MB),"
             "transaction_sync=(enabled=true,method=fsync),"
             "cache_size=1GB,eviction_dirty_target=60,eviction_dirty_trigger=80",
             config->writers + OTHER_SESSIONS);
    return check(store, "wiredtiger_open",
                 wiredtiger_open(config->path, &tiger->events, settings, &tiger->connection));
}

static int create_table(struct bench_peer_store *store)
{
    const struct store *tiger = store->handle;
    WT_SESSION *session;
    int error = tiger->connection->open_session(tiger->connection, NULL, NULL, &session);
    if (check(store, "WT_CONNECTION.open_session", error) != 0)
        return -1;
    error = session->create(session, TABLE, "key_format=Q,value_format=u");
    session->close(session, NULL);
    return check(store, "WT_SESSION.create", error);
}

static void close_store(struct bench_peer_store *store)
{
    struct store *tiger = store->handle;
    if (tiger->connection != NULL)
        tiger->connection->close(tiger->connection, NULL);
    free(tiger);
    store->handle = NULL;
}

static int open_store(struct bench_peer_store *store, const struct bench_peer_config *config)
{
    if (bench_peer_enter(store, config) != 0)
        return -1;
    struct store *tiger = calloc(1, sizeof *tiger);
    if (tiger == NULL)
        return bench_peer_fail(store, "calloc", "out of memory");
    tiger->events.handle_error = keep_quiet;
    store->handle = tiger;
    if (open_connection(store, config) == 0 && create_table(store) == 0)
        return 0;
    close_store(store);
    return -1;
}

static int append(struct bench_peer_store *store, void *session, uint64_t key, const void *data,
                  size_t size)
{
    WT_CURSOR *cursor = ((struct session *)session)->cursor;
    WT_ITEM item = {.data = data, .size = size};
    cursor->set_key(cursor, key);
    cursor->set_value(cursor, &item);
    return check(store, "WT_CURSOR.insert", cursor->insert(cursor));
}

static int visit_current(struct bench_peer_store *store, WT_CURSOR *cursor, bench_peer_visit *visit,
                         void *arg)
{
    uint64_t key;
    WT_ITEM item;
    if (check(store, "WT_CURSOR.get_key", cursor->get_key(cursor, &key)) != 0 ||
        check(store, "WT_CURSOR.get_value", cursor->get_value(cursor, &item)) != 0)
        return -1;
    return visit(arg, key, item.data, item.size);
}

static int scan(struct bench_peer_store *store, bench_peer_visit *visit, void *arg)
{
    struct session *session = open_session(store);
    if (session == NULL)
        return -1;
    WT_CURSOR *cursor = session->cursor;
    int status = 0;
    int error = 0;
    while (status == 0 && (error = cursor->next(cursor)) == 0)
        status = visit_current(store, cursor, visit, arg);
    if (error != 0 && error != WT_NOTFOUND)
        status = check(store, "WT_CURSOR.next", error);
    close_session(session);
    return status;
}

const struct bench_peer bench_peer_wiredtiger = {
    .name = "wiredtiger",
    .settings = "transaction_sync method=fsync, one insert each; log files of 16 MB, preallocated "
                "and zero-filled; row store, a session per writer; cache of 1 GB, evicted from 60% "
                "dirty; no compression, no checkpoints",
    .version = version,
    .open = open_store,
    .begin = begin,
    .append = append,
    .end = end,
    .scan = scan,
    .close = close_store,
};
