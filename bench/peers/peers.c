/* SPDX-License-Identifier: MIT */
/* The adapters that this program was built with, and what they share. */
#include "peer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const struct bench_peer *const bench_peers[] = {
#ifdef BENCH_HAVE_ROCKSDB
    &bench_peer_rocksdb,
#endif
#ifdef BENCH_HAVE_WIREDTIGER
    &bench_peer_wiredtiger,
#endif
#ifdef BENCH_HAVE_LMDB
    &bench_peer_lmdb,
#endif
#ifdef BENCH_HAVE_SQLITE
    &bench_peer_sqlite,
#endif
    NULL};

/* Failures are rare, so that one lock does for every store. */
static pthread_mutex_t message_lock = PTHREAD_MUTEX_INITIALIZER;

/* What a store says may have more than one line. */
static void make_one_line(char *text)
{
    for (char *end = text; (end = strpbrk(end, "\r\n")) != NULL;)
        *end = ' ';
}

int bench_peer_fail(struct bench_peer_store *store, const char *call, const char *error)
{
    pthread_mutex_lock(&message_lock);
    if (store->message[0] == '\0') {
        snprintf(store->message, sizeof store->message, "%s: %s", call, error);
        make_one_line(store->message);
    }
    pthread_mutex_unlock(&message_lock);
    return -1;
}

int bench_peer_enter(struct bench_peer_store *store, const struct bench_peer_config *config)
{
    store->handle = NULL;
    store->message[0] = '\0';
    if (mkdir(config->path, 0777) == 0 || errno == EEXIST)
        return 0;
    return bench_peer_fail(store, "mkdir", strerror(errno));
}
