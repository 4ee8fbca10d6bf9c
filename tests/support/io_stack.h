/* SPDX-License-Identifier: MIT */
/*
 * A layer over any io table, the system's, a simulated disk's or another layer's: it lets every call
 * through, counts it, and does to it what a test has planned.  In this order:
 *
 *     count    how many calls of a kind, and the bytes that they moved;
 *     before   the test's own hook, which may change the call, or answer it;
 *     delay    the call takes time;
 *     gate     it waits until the test lets it go, and may fail then;
 *     skip     it is not made, and has gone well;
 *     fault    it fails, or moves fewer bytes than asked;
 *     sparse   a part of each file is left out of what is below;
 *     after    the test's own hook, which sees the result, and may change it.
 *
 * One layer holds one gate and one fault at a time: stack another for more.  Calls come from any
 * thread; hooks, delays and skips are set while none is under way, the others at any time.
 */
#ifndef IO_STACK_H
#define IO_STACK_H

#include "logfile_sim.h"

#include <pthread.h>

/* A call on its way down and back.  What it does not have is 0. */
struct io_call {
    enum logfile_sim_call call; /* WRITE: also of zeros */
    unsigned number;            /* among those of its kind, from 1 */
    int fd;           /* the file or directory; of names: the directory that they are in */
    const char *name; /* what is opened, renamed, removed or made */
    const char *to;   /* its new name */
    unsigned flags;   /* of open and write */
    const void *data; /* what is written */
    void *out;        /* of read, stat and facts: what the answer goes into */
    uint64_t offset;
    uint64_t bytes; /* of truncate: the size that is set */
    int64_t result; /* once it is answered */
};

struct io_layer {
    struct logfile_io io; /* to open a log with */
    const struct logfile_io *lower;
    /* True: the call is not made, and returns call->result. */
    bool (*before)(void *arg, struct io_call *call);
    void (*after)(void *arg, struct io_call *call);
    /* Whether the gate holds up the calling thread; NULL: every one. */
    bool (*gate_is_for)(void *arg);
    void *arg; /* of the three */
    struct {
        unsigned count;
        unsigned count_before; /* io_layer_count_anew */
        uint64_t bytes;
        uint64_t delay_us;
        bool is_skipped;
    } kinds[LOGFILE_SIM_CALL_COUNT];
    uint64_t sparse_from, sparse_bytes;
    bool is_planned; /* there is a gate or a fault: look, with the lock */
    pthread_mutex_t lock;
    pthread_cond_t opened;
    struct logfile_sim_fault fault; /* `after` counts from the first call of the layer */
    uint64_t fault_hits;
    enum logfile_sim_call gate; /* CALL_COUNT: open */
    unsigned gate_after;
    int gate_error;
    unsigned gate_count; /* calls that have come to it since it was closed */
};

/* Puts a layer that plans nothing over `lower`, which lives as long.  Nothing is to be freed. */
void io_layer_init(struct io_layer *layer, const struct logfile_io *lower);

unsigned io_layer_count(struct io_layer *layer, enum logfile_sim_call call);
/* Of reads and writes: the bytes that came of them. */
uint64_t io_layer_bytes(struct io_layer *layer, enum logfile_sim_call call);
void io_layer_count_anew(struct io_layer *layer);

void io_layer_delay(struct io_layer *layer, enum logfile_sim_call call, uint64_t us);
void io_layer_skip(struct io_layer *layer, enum logfile_sim_call call);

/* As logfile_sim_fault; a write that fails has done nothing.  NULL: none any more. */
void io_layer_fault(struct io_layer *layer, const struct logfile_sim_fault *fault);
uint64_t io_layer_fault_hits(struct io_layer *layer);

/* Closes the gate to the calls of a kind, `after` more of which still pass.  Those that waited at it
 * return `error` when it opens, or are made: 0. */
void io_layer_gate_close(struct io_layer *layer, enum logfile_sim_call call, unsigned after,
                         int error);
void io_layer_gate_open(struct io_layer *layer);
/* Waits, at most so long, for a call to be at the gate; 0 asks once.  False once it is open. */
bool io_layer_gate_is_reached(struct io_layer *layer, unsigned ms);

/* Files have a hole [from, from + bytes) that the lower table knows nothing of.  To touch it is
 * -EINVAL, except to punch it.  Names and directories are as they are. */
void io_layer_leave_out(struct io_layer *layer, uint64_t from, uint64_t bytes);

#endif /* IO_STACK_H */
