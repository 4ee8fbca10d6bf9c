/* SPDX-License-Identifier: MIT */
/*
 * What things cost on a machine, as its file (machines/NAME.machine) says.
 *
 * A file has a line `key = value` for each cost, in nanoseconds if the key ends in _ns, with `#` before a
 * comment.  How long a cache line takes from one processor to another is told by distance, nearest first:
 *
 *     within 2 = 12      # processors 2k and 2k + 1: two threads of a core
 *     within 16 = 40     # 16k to 16k + 15
 *     within 128 = 140   # all others; the last one covers the machine
 *
 * or by rows of a matrix, one for each processor: `row 0 = 0 40 95 95`.
 */
#ifndef SCALE_COSTS_H
#define SCALE_COSTS_H

#include <stddef.h>
#include <stdint.h>

#define CPUS_MAX 256u
#define PS_PER_NS UINT64_C(1000)

/* Every cost: its key, what of it is kept (picoseconds, or a plain number), and its bounds. */
#define SCALE_COSTS(_)                                                                             \
    _(processors, 1, 1, CPUS_MAX)      /* of the machine */                                        \
    _(node_processors, 1, 1, CPUS_MAX) /* of one node: a thread is moved within it first */        \
    _(request_percent, 1, 0, 90)       /* of a transfer: until the line's home has the request */  \
    _(data_percent, 1, 0, 90)          /* of a transfer: from when its owner loses it */           \
    _(memory_ns, PS_PER_NS, 0, 1e5)    /* a line that no processor has */                          \
    _(shared_interval_ns, PS_PER_NS, 0, 1e4) /* between two readers of a line that is shared */    \
    _(invalidate_ns, PS_PER_NS, 0, 1e4)      /* for each further processor that loses its copy */  \
    _(overlap, 1, 1, 64)                     /* lines that one copy waits for at a time */         \
    _(access_ns, PS_PER_NS, 0, 1e3) /* a plain load or store, with what is computed around it */   \
    _(load_ns, PS_PER_NS, 0, 1e3)   /* an atomic load of a line that is there */                   \
    _(store_ns, PS_PER_NS, 0, 1e3)                                                                 \
    _(rmw_ns, PS_PER_NS, 0, 1e3) /* fetch-add, swap, compare-and-swap */                           \
    _(fence_ns, PS_PER_NS, 0, 1e3)                                                                 \
    _(pause_ns, PS_PER_NS, 0, 1e3)                                                                 \
    _(clock_ns, PS_PER_NS, 0, 1e4)                                                                 \
    _(getcpu_ns, PS_PER_NS, 0, 1e4)                                                                \
    _(copy_ns, PS_PER_NS, 0, 1e4)     /* any copy */                                               \
    _(copy_kib_ns, PS_PER_NS, 0, 1e5) /* and each KiB of it */                                     \
    _(checksum_kib_ns, PS_PER_NS, 0, 1e5)                                                          \
    _(syscall_ns, PS_PER_NS, 0, 1e6)   /* in and out */                                            \
    _(yield_ns, PS_PER_NS, 0, 1e6)     /* if no other thread is there to run */                    \
    _(sleep_ns, PS_PER_NS, 0, 1e6)     /* a futex wait, until the thread is off its processor */   \
    _(wake_ns, PS_PER_NS, 0, 1e6)      /* a futex wake, besides those whom it wakes */             \
    _(wake_idle_ns, PS_PER_NS, 0, 1e6) /* each of them on another processor: an interrupt */       \
    _(wake_busy_ns, PS_PER_NS, 0, 1e6) /* each of them that needs none */                          \
    _(idle_exit_ns, PS_PER_NS, 0, 1e7) /* from an interrupt until an idle processor runs */        \
    _(switch_ns, PS_PER_NS, 0, 1e6)    /* from one thread to another */                            \
    _(wake_preempts, 1, 0, 1)          /* one that wakes takes a processor from one that runs */   \
    _(wake_returns_percent, 1, 0, 100) /* of those that wake, if it is idle: run where they ran */ \
    _(wake_moves_percent, 1, 0, 100)   /* else, if another one is idle: run there */               \
    _(wake_joins_percent, 1, 0, 100)   /* else: queue with the thread that woke them */            \
    _(create_moves_percent, 1, 0,                                                                  \
      100) /* of new threads: run where fewest are, not where they were \
                                          made */                          \
    _(balance_ns, PS_PER_NS, 0, 1e9) /* until an idle one takes a thread that queues elsewhere */  \
    _(timer_ns, PS_PER_NS, 0, 1e6)   /* from when a timer is due until its interrupt */            \
    _(timer_arm_ns, PS_PER_NS, 0, 1e6)       /* a sleep with a deadline: to set the timer */       \
    _(timer_interrupt_ns, PS_PER_NS, 0, 1e6) /* which takes so much of its processor */            \
    _(timer_slack_ns, PS_PER_NS, 0, 1e6) /* that it is due later, unless a thread asks for less */ \
    _(slice_ns, PS_PER_NS, 1e3, 1e9)     /* that a thread has while others queue */                \
    _(jitter_percent, 1, 0, 50)          /* of a writer's own time between two appends */          \
    _(write_ns, PS_PER_NS, 0, 1e9)       /* of the device `file`: any write */                     \
    _(write_mib_ns, PS_PER_NS, 0, 1e9)   /* and each MiB of it */                                  \
    _(sync_ns, PS_PER_NS, 0, 1e9)

struct costs {
    char name[64];
#define FIELD(key, unit, least, most) uint64_t key;
    SCALE_COSTS(FIELD)
#undef FIELD
    /* From one processor to another, in picoseconds. */
    uint32_t line_ps[CPUS_MAX][CPUS_MAX];
};

/* Of the machine that is simulated; set once, before anything else. */
extern struct costs costs;

/* Reads it.  0, or -1 with one line in `message`: the file, the number of the line, and what is wrong. */
int costs_read(const char *path, char *message, size_t message_bytes);
/* From here on the machine has `processors` of its processors, the same number from each of its first
 * `nodes` nodes.  0, or -1 with one line in `message`: it has not so many. */
int costs_select(unsigned processors, unsigned nodes, char *message, size_t message_bytes);
/* Changes one of them, given as key=value.  0, or -1 with one line in `message`. */
int costs_set(const char *assignment, char *message, size_t message_bytes);

#endif /* SCALE_COSTS_H */
