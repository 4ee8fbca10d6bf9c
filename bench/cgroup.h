/* SPDX-License-Identifier: MIT */
/* How much memory this process may take before the kernel kills it, and how many processors' time before it is
 * held up. */
#ifndef BENCH_CGROUP_H
#define BENCH_CGROUP_H

#include <stdint.h>

/* The least limit of the memory cgroups that hold this process, version 1 or 2, in bytes; UINT64_MAX:
 * none is known. */
uint64_t bench_memory_limit(void);

/* The least quota of the cgroups that hold this process, in processors; HUGE_VAL: none is known. */
double bench_cpu_quota(void);

/* The same, told where /proc/self/cgroup and /proc/self/mountinfo are. */
uint64_t bench_memory_limit_of(const char *cgroup_path, const char *mountinfo_path);
double bench_cpu_quota_of(const char *cgroup_path, const char *mountinfo_path);

#endif /* BENCH_CGROUP_H */
