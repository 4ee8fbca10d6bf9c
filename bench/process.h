/* SPDX-License-Identifier: MIT */
/* What this program holds at the moment, as the kernel tells it. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>

/* Memory that is resident; 0 when it is not known. */
uint64_t bench_rss_bytes(void);

/* Open descriptors; 0 when it is not known. */
unsigned bench_descriptors(void);

#endif /* BENCH_PROCESS_H */
