/* SPDX-License-Identifier: MIT */
/* One simulated run: threads that append to a log, or do the step of a toy; and what came of it. */
#ifndef SCALE_WORK_H
#define SCALE_WORK_H

#include "../histogram.h"
#include "cpus.h"
#include "logfile_lab.h"
#include "memory.h"
#include "toys.h"

enum {
    WRITERS_MAX = 4096,
    LOGS_MAX = 64,
    NAMES_MAX = 64
};

enum work_device {
    WORK_DEVICE_NULL,
    WORK_DEVICE_DELAY, /* as bench/device.c has it, which it is */
    WORK_DEVICE_FILE   /* takes write_ns, write_mib_ns and sync_ns of the machine */
};

struct work {
    const struct toy *toy; /* NULL: appends to a log */
    unsigned processors, nodes;
    unsigned writers;
    unsigned fanout; /* system_fanout */
    unsigned logs;   /* writers of neighbouring processors share one */
    uint64_t window; /* records that a writer submits before it waits for the last; 1: it appends */
    uint64_t batch;  /* records that are submitted at once */
    uint64_t clients; /* of each writer, each with one record on its way; 0: none */
    double
        rate; /* records a second of all writers, at times of a Poisson process; 0: closed loop */
    size_t size;
    enum work_device device;
    uint64_t delay_ns;
    uint64_t own_ns;           /* that a writer has to do between two appends */
    uint64_t warm_up, records; /* how many records are not counted, and how many are */
    uint64_t seed;
    bool pins;          /* each writer to a processor, in turn */
    bool tells_reserve; /* its label does, as one of several */
    const char *command;
    struct logfile_options options;
    struct logfile_lab lab;
};

/* What happened to the lines of one name. */
struct work_lines {
    char name[32];
    unsigned lines;
    uint64_t transfers, far, upgrades, cold;
    uint64_t queue_ps, transfer_ps;
};

struct work_result {
    uint64_t records;
    uint64_t elapsed_ps;
    uint64_t flushes;
    uint64_t operations; /* atomic */
    uint64_t switches;   /* that took a processor from one thread */
    uint64_t system_calls;
    uint64_t spent_ps[CPU_COST_COUNT];
    uint64_t writer_least, writer_most; /* records of one writer */
    double fairness;                    /* Jain's index: 1 if all have as many */
    unsigned name_count;
    struct work_lines names[NAMES_MAX];
    struct work_lines all;
    struct bench_histogram latency_ns;
    double real_seconds;
};

/*
 * Runs it.  costs has been read, and is changed to the processors that the run takes.
 * 0, or -1 with one line in `message`: a call failed, or a sum is not what it must be.
 */
int work_run(const struct work *work, struct work_result *result, char *message,
             size_t message_bytes);

#endif /* SCALE_WORK_H */
