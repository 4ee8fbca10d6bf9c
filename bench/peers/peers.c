/* SPDX-License-Identifier: MIT */
/* The adapters that this program was built with. */
#include "peer.h"

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
