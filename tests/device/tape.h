/* SPDX-License-Identifier: MIT */
/*
 * Disks as they may be found after the power went: of the writes on the tape of fuse_disk.h, all
 * that a flush has followed are kept, and of the others those that a seed chooses.
 */
#ifndef TAPE_H
#define TAPE_H

#include "fuse_disk.h"
#include "support.h"

struct tape {
    struct fuse_disk *disk;
    uint8_t *base;    /* the disk before the first event */
    uint8_t *stable;  /* what must be on it after the flushes so far */
    uint8_t *differs; /* for each block: stable is not base, or `state` is not stable */
    uint64_t flushed; /* events before this one are in `stable` */
    bool lies;        /* a fault of the test's own making: flushes keep nothing */
};

/* The disk as it is now is the base. */
void tape_begin(struct tape *tape, struct fuse_disk *disk);
void tape_end(struct tape *tape);
/* Puts the disk back to the base, and the tape to its start. */
void tape_rewind(struct tape *tape);
/* Makes `state` one that may be found after the first `event_count` events, which must not be fewer
 * than the last time since tape_rewind. */
void tape_make_state(struct tape *tape, uint64_t event_count, struct rng *rng);
/* Makes `state` what the disk is now, caches of the kernel aside. */
void tape_copy_disk(struct tape *tape);

#endif /* TAPE_H */
