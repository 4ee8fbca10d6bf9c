/* SPDX-License-Identifier: MIT */
/*
 * A simulated disk on which the calls of some threads hang, for as long as a test says.
 *
 * The simulated disk has one gate for everybody.  Here a call hangs only where the thread that
 * makes it plays a certain part, so that the preparer hangs and a flush does not.  Threads that
 * never said what part they play go past.  It also counts the calls of threads that must not come
 * here at all, because they are inside a call with a deadline.
 */
#ifndef HUNG_DISK_H
#define HUNG_DISK_H

#include "io_stack.h"
#include "logfile_sim.h"
#include "support.h"

/* The parts that threads play. */
enum {
    HUNG_CALLER = 1, /* of the test */
    HUNG_SEQUENCER = 2,
    HUNG_PREPARER = 4,
    HUNG_TRIMMER = 8, /* of the test, in logfile_trim */
    HUNG_READER = 16, /* of the test, on a reader */
    HUNG_ALL = 31
};

/* What hangs. */
struct hung_call {
    enum logfile_sim_call call; /* WRITE: also a write of zeros */
    unsigned parts;             /* HUNG_* */
    int error;                  /* what the calls that hung return in the end; 0: they go well */
};

struct hung_disk {
    struct logfile_sim *sim;
    struct io_layer layer; /* its table is for logfile_options.io */
    unsigned parts;        /* that hang */
    unsigned timed_count;  /* calls of threads inside a call with a deadline */
};

void hung_disk_init(struct hung_disk *disk);
void hung_disk_free(struct hung_disk *disk);

/* What part this thread plays, on which disk, until it ends. */
void hung_disk_join(struct hung_disk *disk, unsigned part);
/* For logfile_options.thread_start, with the disk as thread_arg. */
void hung_disk_thread_start(void *disk, enum logfile_thread role);
/* Whether this thread is inside a call with a deadline. */
void hung_disk_set_timed(bool is_timed);

/* From now on, and until the end. */
void hung_disk_begin(struct hung_disk *disk, const struct hung_call *what);
void hung_disk_end(struct hung_disk *disk);
/* Waits at most so long for a call that hangs; 0 asks once.  False also when the hang is over. */
bool hung_disk_has_caught(struct hung_disk *disk, unsigned ms);
unsigned hung_disk_timed_count(struct hung_disk *disk);

#endif /* HUNG_DISK_H */
