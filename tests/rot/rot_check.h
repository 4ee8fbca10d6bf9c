/* SPDX-License-Identifier: MIT */
/*
 * What a damaged log looks like to a reader, to verify and to whoever opens it for appending, held
 * against the oracle: the same records, byte by byte, the same verdicts, and nothing changed where
 * opening must change nothing.
 */
#ifndef ROT_CHECK_H
#define ROT_CHECK_H

#include "rot_damage.h"

/* What became of a damage, the worst last. */
enum rot_outcome {
    ROT_UNNOTICED, /* everything is read, and nobody says a word */
    ROT_FORGIVEN,  /* everything is read; verify names the damaged copy, and opening mends it */
    ROT_MARK_LOST, /* everything is read, but the log is no longer known to have been closed */
    ROT_CUT,       /* called torn, and records that nobody promised are missing */
    ROT_OLDER,     /* called closed: what is left is the log of an earlier day */
    ROT_CORRUPT,   /* named as corrupt, with its range; not opened for appending */
    ROT_REFUSED,   /* named as no readable log; cannot be opened at all */
    ROT_OUTCOME_COUNT
};
const char *rot_outcome_name(enum rot_outcome outcome);

struct rot_check {
    struct rot_log *log;
    struct memory_disk damaged;
    struct memory_disk work; /* what is opened for appending */
    uint64_t record_count;   /* of the log as it should be */
    uint64_t greatest_promise;
    uint64_t mark_promise; /* of the trim marks alone */
    uint64_t end_lsn;      /* of the last run: of the first break; 0: nothing could be read */
    /* valgrind is told that the blocks which are damaged have no value.  The oracle gets them as they
     * are. */
    bool is_veiled;
    struct memory_disk unveiled;
    /* Where it fails: what, and how to see it again. */
    char failure[512];
};

/* Also makes sure that the log as it should be is one. */
void rot_check_init(struct rot_check *check, struct rot_log *log);
void rot_check_free(struct rot_check *check);
/* Does the damages to a copy and looks.  Ends the test where a promise does not hold. */
enum rot_outcome rot_check_run(struct rot_check *check, const struct rot_damage *damages,
                               unsigned count);

#endif /* ROT_CHECK_H */
