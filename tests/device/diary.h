/* SPDX-License-Identifier: MIT */
/*
 * What a worker process did to a log and what the log promised it, in memory that the test shares,
 * each promise with the number of events on the disk's tape when it was made: so that the test can
 * ask afterwards what was promised at any moment at which the power may have gone.
 */
#ifndef DIARY_H
#define DIARY_H

#include "fuse_disk.h"
#include "journal.h"

#include <pthread.h>

enum {
    DIARY_MARK_MAX = 1 << 16
};

enum diary_kind {
    DIARY_RECOVERED, /* a process has opened the log, whose end was `lsn` */
    DIARY_RECORD,    /* was appended, at `lsn` */
    DIARY_ACK_BELOW, /* all below `lsn` is durable */
    DIARY_ASK_TRIM,  /* is about to ask for a trim up to `lsn` */
    DIARY_TRIMMED    /* the log starts at `lsn` */
};

struct diary_mark {
    enum diary_kind kind;
    uint32_t size; /* of a record */
    uint64_t seed; /* of its payload */
    uint64_t lsn;
    uint64_t event_count; /* that had begun: at the latest when it was promised, at the earliest
                             when it was asked for */
};

struct diary {
    const struct fuse_disk *disk;
    pthread_mutex_t lock; /* among the worker's threads */
    uint64_t count;
    struct diary_mark marks[DIARY_MARK_MAX];
};

struct diary *diary_new(const struct fuse_disk *disk);
void diary_free(struct diary *diary);
void diary_add(struct diary *diary, const struct diary_mark *mark);
/* What must be there when the first `event_count` events have happened: sorted, to be freed. */
void diary_journal(const struct diary *diary, uint64_t event_count, struct journal *journal);

#endif /* DIARY_H */
