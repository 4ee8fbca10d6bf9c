/* SPDX-License-Identifier: MIT */
/*
 * An epoch's header proves by itself that the log's writer wrote it for this place: magic, the log's
 * seed, its own LSN.  No payload can hold one, because the salt behind the seed is not known outside.
 * That it was written does not mean that it is part of the log: after a crash, an epoch may have
 * reached the disk although one before it did not.  It is part of the log if all before it was
 * durable when it was sealed, which its own promise says, or if the trim mark promises it.  As one
 * flush is in flight at a time, every epoch's promise says so, but for a log that does not sync.
 */
#include "read/seek.h"

#define LOOK_BYTES ((uint64_t)64 << 10) /* read at a time */

static bool is_known_to_belong(const struct lf_scan *scan, const struct lf_epoch_header *header)
{
    return header->promise == header->lsn || header->lsn < scan->prologue.trim.promise;
}

void lf_scan_seek_epoch(struct lf_scan *scan, const struct lf_epoch_name *name)
{
    lf_scan_invalidate(scan);
    scan->last_flags = 0;
    scan->last_lsn = 0;
    scan->chain.lsn = name->lsn;
    scan->chain.epoch = name->epoch;
    scan->chain.chain = name->chain;
    scan->chain.incarnation = 0;
}

/* 1: the epoch at `lsn` will do, and is named; 0; -errno. */
static int try_epoch(struct lf_scan *scan, uint64_t lsn, struct lf_epoch_name *name)
{
    const struct lf_epoch_header *header;
    const int found = lf_scan_peek(scan, lsn, &header);

    if (found != 1 || !is_known_to_belong(scan, header))
        return found < 0 ? found : 0;
    *name = (struct lf_epoch_name){header->lsn, header->epoch, header->chain};
    return 1;
}

/* The blocks of [from, to), the last one first: 1: an epoch is named; 0; -errno. */
static int look_back(struct lf_scan *scan, uint64_t from, uint64_t to, struct lf_epoch_name *name)
{
    while (to > from) {
        const uint64_t piece = lf_max(from, to > LOOK_BYTES ? to - LOOK_BYTES : 0);
        const ssize_t available = lf_window_load(&scan->window, piece, to - piece);
        if (available < 0)
            return (int)available;
        for (uint64_t lsn = to; lsn > piece;) {
            lsn -= LF_BLOCK_BYTES;
            const int found = try_epoch(scan, lsn, name);
            if (found != 0)
                return found;
        }
        to = piece;
    }
    return 0;
}

int lf_scan_seek(struct lf_scan *scan, uint64_t lsn)
{
    const struct lf_layout *layout = &scan->chain.layout;
    const uint64_t oldest_lsn = scan->prologue.trim.oldest_lsn;
    struct lf_epoch_name name = {0};

    if (lsn >= LF_LSN_END)
        return 0;
    /* No record is in a segment's first blocks: the first that may follow is in its first epoch. */
    lsn = lf_max(lsn, lf_segment_first_lsn(layout, lf_segment_index(layout, lsn)));
    uint64_t from = lf_max(oldest_lsn, lf_segment_first_lsn(layout, lf_segment_index(layout, lsn)));
    const uint64_t to = lsn - lsn % LF_BLOCK_BYTES + LF_BLOCK_BYTES;
    from = lf_max(from, to - lf_min(to, layout->slot_bytes));
    const int found = look_back(scan, from, to, &name);
    if (found == 1)
        lf_scan_seek_epoch(scan, &name);
    else
        lf_scan_invalidate(scan);
    return found;
}

int lf_scan_meets_other(struct lf_scan *scan)
{
    const struct lf_epoch_header *header;
    const int found = lf_scan_peek(scan, scan->chain.lsn, &header);

    return found == 1 ? !lf_chain_accepts(&scan->chain, header) : found;
}
