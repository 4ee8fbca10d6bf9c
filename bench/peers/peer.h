/* SPDX-License-Identifier: MIT */
/*
 * The stores that this program was built with: an adapter is built only where its Debian package was
 * found.  Each is given its best settings, which `settings` names for the report.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "logfile_bench_peer.h"

/* NULL ends the list. */
extern const struct bench_peer *const bench_peers[];

extern const struct bench_peer bench_peer_rocksdb;
extern const struct bench_peer bench_peer_wiredtiger;
extern const struct bench_peer bench_peer_lmdb;
extern const struct bench_peer bench_peer_sqlite;

#endif /* BENCH_PEER_H */
