/* SPDX-License-Identifier: MIT */
/*
 * A test's own record of what it appended and what the log promised it, to be compared with what
 * the log gives back: the journal of logfile_sim.h, for payloads that come from seeds, with entries
 * that a test can look at and change.
 *
 * The promises: every acknowledged record is read back; what is read is a beginning of what was
 * appended, in order of LSN, byte for byte, nothing twice and nothing that never was appended, and it
 * does not end within a batch.  What lies below the oldest LSN is gone, and stays gone.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "logfile.h"
#include "support.h"

struct journal_entry {
    uint64_t lsn;
    uint64_t seed; /* of the payload */
    uint64_t hash; /* of its bytes; journal_add sets it */
    uint32_t size;
    uint32_t batch_left; /* records of its batch that come after it */
    bool acked;          /* the log said that it is durable */
};

struct journal {
    struct journal_entry *entries;
    size_t count;
    size_t capacity;
    /* Where the log starts: a trim that ends in a crash may have moved it, or not. */
    uint64_t oldest_min; /* the log said that it had got so far */
    uint64_t oldest_max; /* nobody asked for more */
};

#define JOURNAL_WHY_BYTES 256

void journal_free(struct journal *journal);
void journal_copy(struct journal *to, const struct journal *from);
void journal_add(struct journal *journal, uint64_t lsn, uint64_t seed, size_t size, bool acked);
/* The last `count` entries are one batch: all of them are read, or none. */
void journal_tie(struct journal *journal, size_t count);
/* Everything below `durable_lsn` is acknowledged. */
void journal_ack_below(struct journal *journal, uint64_t durable_lsn);
/* A trim up to `lsn` was asked for, whatever came of it; what is trimmed was durable. */
void journal_ask_trim(struct journal *journal, uint64_t lsn);
/* The log said that it starts there. */
void journal_trimmed(struct journal *journal, uint64_t oldest_lsn);
/* Moves what `from` has to the end of `journal`. */
void journal_take(struct journal *journal, struct journal *from);
/* Orders entries by LSN, for a test that looks at them. */
void journal_sort(struct journal *journal);
size_t journal_acked_count(const struct journal *journal);

/*
 * Reads all that the reader gives and compares.  On success the journal is cut behind what was read
 * and all of it counts as acknowledged: what a log has recovered, it owes.  What may have been
 * trimmed stays in it, for a log that starts earlier after the next crash.  Entries are sorted then.
 * False: a promise is broken, `why` says which; one LSN for two records is one of them.
 */
bool journal_compare(struct journal *journal, struct logfile_reader *reader,
                     char why[JOURNAL_WHY_BYTES]);
/* journal_compare with a reader on a path. */
bool journal_compare_path(struct journal *journal, const char *path, const struct logfile_io *io,
                          char why[JOURNAL_WHY_BYTES]);

#endif /* JOURNAL_H */
