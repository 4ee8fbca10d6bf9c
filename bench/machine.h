/* SPDX-License-Identifier: MIT */
/* What a result was measured on. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <hwloc.h>

#include <stdbool.h>
#include <stdint.h>

/* Unknown strings are empty. */
struct bench_machine {
    char cpu[128];
    char architecture[80];
    char kernel[128];
    bool is_virtual;        /* the processor says that it runs under a hypervisor, */
    char hypervisor[32];    /* which is called so */
    char clock_source[32];  /* what the kernel reads the time from */
    char cpus_online[128];  /* lists, such as "0-3,7" */
    char cpus_allowed[128]; /* of this process */
    bool is_restricted;     /* fewer are allowed than are online */
    double cpu_quota;       /* in processors; HUGE_VAL: none is known */
    int packages;
    int cores;
    int units; /* hardware threads that this process may use */
    int nodes;
    uint64_t memory_bytes;
};

struct bench_filesystem {
    char type[64];
    char source[256];
    char mount_options[512]; /* of this mount, and of the file system wherever it is mounted */
    char super_options[512];
    uint64_t total_bytes;
    uint64_t free_bytes;
    bool
        is_volatile; /* what is in it does not outlive the machine's power: a sync there is nothing */
};

/* The disk behind the file system. */
struct bench_disk {
    char name[256];
    char model[128];
    char write_cache[32]; /* "write back" or "write through" */
    char scheduler[128];
    int rotational; /* 1, 0, or -1 unknown */
};

void bench_machine_describe(hwloc_topology_t topology, struct bench_machine *machine);
void bench_filesystem_describe(const char *dir, struct bench_filesystem *filesystem,
                               struct bench_disk *disk);

#endif /* BENCH_MACHINE_H */
