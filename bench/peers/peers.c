/* SPDX-License-Identifier: MIT */
/* The adapters that this program was built with. */
#include "peer.h"

const struct bench_peer *const bench_peers[] = {NULL};
