/* SPDX-License-Identifier: MIT */
/*
 * What a Raft node keeps in its logfile: records of two kinds, and the bytes of the mark.
 *
 * Every record begins with a head of 24 bytes, little-endian:
 *
 *     0   1  kind      1 ENTRY, 2 CUT
 *     1   1  version   1
 *     2   2  type      of an entry, as raft.h has it; of a cut 0
 *     4   4  zero
 *     8   8  index     of the entry; of a cut: entries from there on count no more
 *    16   8  term      of the entry; of a cut 0
 *
 * An entry's data follow.  Indices of entries grow by one, from the first record that is kept, or from
 * the index of the last cut.
 *
 * The mark says who the node has voted for, and which records count (struct lf_raft_mark).
 */
#ifndef LF_RAFT_RECORD_H
#define LF_RAFT_RECORD_H

#include <raft.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lf_raft_kind {
    LF_RAFT_ENTRY = 1,
    LF_RAFT_CUT = 2
};

struct lf_raft_head {
    uint8_t kind; /* enum lf_raft_kind */
    uint8_t version;
    uint16_t type;
    uint32_t zero;
    uint64_t index;
    uint64_t term;
};

struct lf_raft_mark {
    char magic[8];
    uint64_t term;
    uint64_t vote;
    uint64_t
        start_lsn; /* what is below counts no more, a snapshot has replaced it; 0: nothing has */
    uint64_t start_index; /* of the first entry from there on; 0 with start_lsn 0 */
};

struct lf_raft_head lf_raft_entry_head(const struct raft_entry *entry, raft_index index);
struct lf_raft_head lf_raft_cut_head(raft_index index);
/* Reads the head of a record; false: it is none of a Raft node. */
bool lf_raft_head_read(struct lf_raft_head *head, const void *data, size_t size);

void lf_raft_mark_init(struct lf_raft_mark *mark);
bool lf_raft_mark_is_valid(const struct lf_raft_mark *mark, size_t size);

/* Entries that libraft has been given, or was to get: neighbours share a batch. */
void lf_raft_free_entries(struct raft_entry *entries, size_t count);

/* The code of raft.h for an error of logfile.h. */
int lf_raft_error(int error);

#endif /* LF_RAFT_RECORD_H */
