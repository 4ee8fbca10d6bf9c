/* SPDX-License-Identifier: MIT */
/*
 * SQLite: an insert that commits by itself, in WAL mode with synchronous=FULL: each commit appends
 * its pages to the write-ahead log and syncs it.  SQLite lets one writer in at a time and has no
 * group commit.
 *
 * Each writer has a connection and a prepared statement.  Writers take turns under a mutex: SQLite
 * itself would have them poll, with sleeps of up to 100 ms, while the file may be free.  The log is
 * copied back into the database less often than by default, which is every 1000 pages.
 */
#include "peer.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAL_SQL "PRAGMA journal_mode=WAL"
#define CREATE_SQL "CREATE TABLE IF NOT EXISTS records(key INTEGER PRIMARY KEY, data BLOB NOT NULL)"
/* Both are a connection's own. */
#define SETTINGS_SQL "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=16384"
#define INSERT_SQL "INSERT INTO records VALUES(?1, ?2)"
#define SCAN_SQL "SELECT key, data FROM records ORDER BY key"

struct store {
    char *file;
    sqlite3 *first;       /* keeps the log when writers close theirs */
    pthread_mutex_t turn; /* of the one connection that is in use */
};

struct session {
    sqlite3 *db;
    sqlite3_stmt *insert;
};

static const char *version(void)
{
    return sqlite3_libversion();
}

static int check(struct bench_peer_store *store, const char *call, sqlite3 *db, int code)
{
    if (code == SQLITE_OK)
        return 0;
    return bench_peer_fail(store, call, db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

static int execute(struct bench_peer_store *store, sqlite3 *db, const char *sql)
{
    return check(store, "sqlite3_exec", db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

/* The connection is to be closed on an error too.  It is used by one thread at a time. */
static int connect_file(struct bench_peer_store *store, sqlite3 **dbp)
{
    const struct store *lite = store->handle;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(lite->file, dbp, flags, NULL);
    return check(store, "sqlite3_open_v2", *dbp, code);
}

static int prepare(struct bench_peer_store *store, sqlite3 *db, const char *sql,
                   sqlite3_stmt **statement)
{
    return check(store, "sqlite3_prepare_v3", db,
                 sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL));
}

/* ---- The store ------------------------------------------------------------------------------- */

static int note_wal(void *is_wal, int column_count, char **values, char **names)
{
    (void)names;
    *(bool *)is_wal = column_count == 1 && strcmp(values[0], "wal") == 0;
    return 0;
}

/* Where the file system cannot do it, SQLite answers with the mode that it stays in, and no
 * error. */
static int enter_wal_mode(struct bench_peer_store *store, sqlite3 *db)
{
    bool is_wal = false;
    if (check(store, "sqlite3_exec", db, sqlite3_exec(db, WAL_SQL, note_wal, &is_wal, NULL)) != 0)
        return -1;
    return is_wal ? 0 : bench_peer_fail(store, WAL_SQL, "refused");
}

static void close_store(struct bench_peer_store *store)
{
    struct store *lite = store->handle;
    sqlite3_close(lite->first);
    pthread_mutex_destroy(&lite->turn);
    free(lite->file);
    free(lite);
    store->handle = NULL;
}

static struct store *make_store(const char *folder)
{
    struct store *lite = calloc(1, sizeof *lite);
    if (lite == NULL)
        return NULL;
    if (asprintf(&lite->file, "%s/records.db", folder) < 0) {
        free(lite);
        return NULL;
    }
    pthread_mutex_init(&lite->turn, NULL);
    return lite;
}

static int open_store(struct bench_peer_store *store, const struct bench_peer_config *config)
{
    if (bench_peer_enter(store, config) != 0)
        return -1;
    struct store *lite = make_store(config->path);
    if (lite == NULL)
        return bench_peer_fail(store, "calloc", "out of memory");
    store->handle = lite;
    if (connect_file(store, &lite->first) == 0 && execute(store, lite->first, SETTINGS_SQL) == 0 &&
        enter_wal_mode(store, lite->first) == 0 && execute(store, lite->first, CREATE_SQL) == 0)
        return 0;
    close_store(store);
    return -1;
}

/* ---- Sessions -------------------------------------------------------------------------------- */

static void close_session(struct session *session)
{
    sqlite3_finalize(session->insert);
    sqlite3_close(session->db);
    free(session);
}

static int open_session(struct bench_peer_store *store, struct session *session)
{
    return connect_file(store, &session->db) == 0 &&
                   execute(store, session->db, SETTINGS_SQL) == 0 &&
                   prepare(store, session->db, INSERT_SQL, &session->insert) == 0
               ? 0
               : -1;
}

static int begin(struct bench_peer_store *store, void **session)
{
    struct store *lite = store->handle;
    struct session *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return bench_peer_fail(store, "calloc", "out of memory");
    pthread_mutex_lock(&lite->turn);
    int status = open_session(store, opened);
    if (status != 0)
        close_session(opened);
    pthread_mutex_unlock(&lite->turn);
    if (status == 0)
        *session = opened;
    return status;
}

static void end(struct bench_peer_store *store, void *session)
{
    struct store *lite = store->handle;
    pthread_mutex_lock(&lite->turn);
    close_session(session);
    pthread_mutex_unlock(&lite->turn);
}

/* ---- Records --------------------------------------------------------------------------------- */

/* The data is not copied: it stays where it is until the statement is reset. */
static int bind_record(struct bench_peer_store *store, const struct session *session, uint64_t key,
                       const void *data, size_t size)
{
    const void *blob = size > 0 ? data : ""; /* a NULL pointer would be no blob, but a NULL */
    if (check(store, "sqlite3_bind_int64", session->db,
              sqlite3_bind_int64(session->insert, 1, (sqlite3_int64)key)) != 0)
        return -1;
    return check(store, "sqlite3_bind_blob64", session->db,
                 sqlite3_bind_blob64(session->insert, 2, blob, size, SQLITE_STATIC));
}

/* The step commits, and what it returns says whether that is durable; reset repeats an error. */
static int insert(struct bench_peer_store *store, const struct session *session)
{
    int code = sqlite3_step(session->insert);
    int status = code == SQLITE_DONE ? 0 : check(store, "sqlite3_step", session->db, code);
    sqlite3_reset(session->insert);
    return status;
}

static int append(struct bench_peer_store *store, void *session, uint64_t key, const void *data,
                  size_t size)
{
    struct store *lite = store->handle;
    pthread_mutex_lock(&lite->turn);
    int status = bind_record(store, session, key, data, size);
    if (status == 0)
        status = insert(store, session);
    pthread_mutex_unlock(&lite->turn);
    return status;
}

static int scan(struct bench_peer_store *store, bench_peer_visit *visit, void *arg)
{
    const struct store *lite = store->handle;
    sqlite3_stmt *select;
    if (prepare(store, lite->first, SCAN_SQL, &select) != 0)
        return -1;
    int status = 0;
    int code = SQLITE_DONE;
    while (status == 0 && (code = sqlite3_step(select)) == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(select, 1);
        size_t size = (size_t)sqlite3_column_bytes(select, 1);
        status = visit(arg, (uint64_t)sqlite3_column_int64(select, 0), data, size);
    }
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        status = check(store, "sqlite3_step", lite->first, code);
    sqlite3_finalize(select);
    return status;
}

const struct bench_peer bench_peer_sqlite = {
    .name = "sqlite",
    .settings = "WAL, synchronous=FULL, one insert each; a connection and prepared statement per "
                "writer; writers wait on a mutex; wal_autocheckpoint of 16384 pages",
    .version = version,
    .open = open_store,
    .begin = begin,
    .append = append,
    .end = end,
    .scan = scan,
    .close = close_store,
};
