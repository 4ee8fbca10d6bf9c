/* SPDX-License-Identifier: MIT */
#include "raft/lsns.h"

#include <stdlib.h>
#include <string.h>

bool lf_raft_lsns_reserve(struct lf_raft_lsns *lsns, size_t count)
{
    if (lsns->capacity - lsns->dropped - lsns->count >= count)
        return true;
    /* What was dropped is used again if it is at least half, so that moving costs nothing in the end. */
    if (lsns->dropped >= lsns->count && lsns->capacity - lsns->count >= count) {
        memmove(lsns->at, lsns->at + lsns->dropped, lsns->count * sizeof *lsns->at);
        lsns->dropped = 0;
        return true;
    }
    size_t capacity = 2 * (lsns->count + count) + 64;
    struct lf_raft_place *at = malloc(capacity * sizeof *at);
    if (at == NULL)
        return false;
    if (lsns->count > 0)
        memcpy(at, lsns->at + lsns->dropped, lsns->count * sizeof *at);
    free(lsns->at);
    lsns->at = at;
    lsns->dropped = 0;
    lsns->capacity = capacity;
    return true;
}

void lf_raft_lsns_push(struct lf_raft_lsns *lsns, uint64_t lsn, uint64_t term)
{
    lsns->at[lsns->dropped + lsns->count++] = (struct lf_raft_place){.lsn = lsn, .term = term};
}

void lf_raft_lsns_cut(struct lf_raft_lsns *lsns, uint64_t index)
{
    if (index < lsns->first) {
        lsns->first = index;
        lsns->count = 0;
    } else if (index < lf_raft_lsns_next(lsns)) {
        lsns->count = (size_t)(index - lsns->first);
    }
}

void lf_raft_lsns_drop(struct lf_raft_lsns *lsns, uint64_t index)
{
    if (index <= lsns->first)
        return;
    size_t gone = index < lf_raft_lsns_next(lsns) ? (size_t)(index - lsns->first) : lsns->count;
    lsns->dropped += gone;
    lsns->count -= gone;
    lsns->first = index;
}

void lf_raft_lsns_free(struct lf_raft_lsns *lsns)
{
    free(lsns->at);
    memset(lsns, 0, sizeof *lsns);
}
