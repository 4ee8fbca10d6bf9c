/* SPDX-License-Identifier: MIT */
/* Where in the log each entry is, and of which term: an array by index, which grows and is cut at its
 * end, and is dropped from at its start. */
#ifndef LF_RAFT_LSNS_H
#define LF_RAFT_LSNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lf_raft_place {
    uint64_t lsn;
    uint64_t term;
};

struct lf_raft_lsns {
    uint64_t first; /* index of the first entry */
    size_t count;
    struct lf_raft_place *at; /* begins `dropped` before the first one */
    size_t dropped, capacity;
};

/* The index after the last entry. */
static inline uint64_t lf_raft_lsns_next(const struct lf_raft_lsns *lsns)
{
    return lsns->first + lsns->count;
}

static inline bool lf_raft_lsns_has(const struct lf_raft_lsns *lsns, uint64_t index)
{
    return index >= lsns->first && index < lf_raft_lsns_next(lsns);
}

/* Of an index that it has. */
static inline struct lf_raft_place lf_raft_lsns_get(const struct lf_raft_lsns *lsns, uint64_t index)
{
    return lsns->at[lsns->dropped + (index - lsns->first)];
}

/* Makes room for `count` more; false: no memory. */
bool lf_raft_lsns_reserve(struct lf_raft_lsns *lsns, size_t count);
/* Puts one at the end, for which there is room. */
void lf_raft_lsns_push(struct lf_raft_lsns *lsns, uint64_t lsn, uint64_t term);
/* Drops what is from `index` on; below the first one, all, and the next has that index. */
void lf_raft_lsns_cut(struct lf_raft_lsns *lsns, uint64_t index);
/* Drops what is below `index`; above the last one, all, and the next has that index. */
void lf_raft_lsns_drop(struct lf_raft_lsns *lsns, uint64_t index);
void lf_raft_lsns_free(struct lf_raft_lsns *lsns);

#endif /* LF_RAFT_LSNS_H */
