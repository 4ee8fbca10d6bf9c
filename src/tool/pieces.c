/* SPDX-License-Identifier: MIT */
#include "tool/pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* If a record's header is lost, the next one is looked for at each place that may hold one.
 * What looks like a header without being one costs a checksum of what it claims; so many times an
 * epoch's bytes are spent on such, and then it is left. */
#define TRIES_PER_BYTE 256

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the file has, or the segment, if there is one. */
static ssize_t read_bytes(const struct lf_pieces *pieces, uint64_t lsn, void *buffer, size_t bytes)
{
    const ssize_t got = lf_file_read(pieces->file, lsn, buffer, bytes);

    return got == -EISDIR || got == -ESPIPE || got == -ELOOP ? 0 : got;
}

/* ---- Which epoch ------------------------------------------------------------------------------*/

/* The epoch header of this log at `lsn`, of one that may come next: 1, 0 or -errno. */
static int read_header(const struct lf_pieces *pieces, uint64_t lsn, struct lf_epoch_header *header)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];
    const struct lf_chain *chain = &pieces->chain;
    const ssize_t got = read_bytes(pieces, lsn, block, sizeof(block));

    if (got < (ssize_t)sizeof(block))
        return got < 0 ? (int)got : 0;
    memcpy(header, block, sizeof(*header));
    return lf_epoch_header_check(header, chain->log_seed, &chain->layout, lsn) &&
           header->epoch >= chain->epoch && header->incarnation >= chain->incarnation;
}

/* The next epoch header from `lsn` on: 1: at *found; 0: none before the end, where *found is; -errno. */
static int find_header(const struct lf_pieces *pieces, uint64_t lsn, struct lf_epoch_header *header,
                       uint64_t *found)
{
    const struct lf_layout *layout = &pieces->chain.layout;

    while (lsn < pieces->end) {
        const int is_header = read_header(pieces, lsn, header);
        uint64_t index;
        *found = lsn;
        if (is_header != 0)
            return is_header;
        /* On to the next block: in the next segment if this one ends there. */
        const uint64_t block_end = lsn + LF_BLOCK_BYTES;
        const bool stays =
            layout->segment_bytes == 0 || block_end < lf_segment_end_lsn(layout, lsn);
        const int next =
            stays ? 1
                  : lf_file_next_segment(pieces->file, lf_segment_index(layout, lsn) + 1, &index);
        if (next < 0)
            return next;
        lsn = stays ? block_end : next == 1 ? lf_segment_first_lsn(layout, index) : pieces->end;
    }
    *found = pieces->end;
    return 0;
}

/*
 * The header at chain.lsn is lost, and the epoch ends where the next one begins at the latest.  Of the
 * first epoch that is read the nonce is not known, but the next one has it, unless it begins another
 * incarnation.  1; 0: nothing can be checked without it; -errno.
 */
static int guess_header(struct lf_pieces *pieces)
{
    struct lf_chain *chain = &pieces->chain;
    const uint64_t room_end = lf_segment_end_lsn(&chain->layout, chain->lsn);
    struct lf_epoch_header next;
    uint64_t next_lsn;

    int found = find_header(pieces, chain->lsn, &next, &next_lsn);
    if (found == 0 && chain->incarnation == 0 && next_lsn == pieces->end)
        found = read_header(pieces, pieces->end, &next);
    if (found < 0)
        return found;
    if (chain->incarnation == 0 && found == 1 && (next.flags & LF_EPOCH_OPEN) == 0)
        lf_chain_begin(chain, next.incarnation, next.nonce);
    pieces->header_only[0] = pieces->header_only[1] = true;
    pieces->lsn = chain->lsn;
    pieces->length =
        (uint32_t)least(least(next_lsn, room_end) - chain->lsn, chain->layout.slot_bytes);
    pieces->next_lsn = next_lsn;
    pieces->place.epoch = chain->epoch;
    return chain->incarnation != 0;
}

/* ---- An epoch, and its bytes -----------------------------------------------------------------*/

/* Goes to the next epoch that something can be found in: 1, 0 or -errno. */
static int begin_epoch(struct lf_pieces *pieces)
{
    struct lf_chain *chain = &pieces->chain;
    struct lf_epoch_header header;
    int usable = 0;

    while (usable == 0 && chain->lsn < pieces->end) {
        usable = read_header(pieces, chain->lsn, &header);
        if (usable == 1) {
            const bool header_only = (header.flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
            lf_chain_begin(chain, header.incarnation, header.nonce);
            pieces->header_only[0] = !header_only;
            pieces->header_only[1] = header_only;
            pieces->lsn = header.lsn;
            pieces->length = header.length;
            pieces->next_lsn = lf_epoch_next_lsn(&header, &chain->layout);
            pieces->place.epoch = header.epoch;
        } else if (usable == 0) {
            usable = guess_header(pieces);
        }
        if (usable < 0)
            return usable;
        chain->lsn = pieces->next_lsn;
        chain->epoch = pieces->place.epoch + 1;
    }
    if (usable == 0)
        return 0;
    /* Its bytes, as many as there are. */
    const size_t bytes = (size_t)lf_round_up(pieces->length, LF_BLOCK_BYTES);
    free(pieces->bytes);
    pieces->bytes = aligned_alloc(LF_BLOCK_BYTES, bytes);
    if (pieces->bytes == NULL)
        return -ENOMEM;
    const ssize_t got = read_bytes(pieces, pieces->lsn, pieces->bytes, bytes);
    if (got < 0)
        return (int)got;
    if (got < (ssize_t)pieces->length)
        pieces->length = (uint32_t)got;
    pieces->place.offset = LF_EPOCH_HEADER_BYTES;
    pieces->place.seed = chain->record_seed;
    pieces->tries_left = (uint64_t)TRIES_PER_BYTE * pieces->length;
    pieces->in_epoch = true;
    return 1;
}

/* ---- Its records ------------------------------------------------------------------------------*/

static bool is_touched(const struct lf_pieces *pieces, uint32_t from, uint32_t to)
{
    return lf_bad_blocks_touch(pieces->bad, &pieces->chain.layout, pieces->lsn + from,
                               pieces->lsn + to);
}

/* Whether there is a whole record at the place. */
static bool decode(struct lf_pieces *pieces, struct lf_record_view *view)
{
    for (unsigned header_only = 0; header_only < 2; header_only++)
        if (pieces->header_only[header_only] &&
            lf_record_decode(pieces->bytes, pieces->length, &pieces->place, header_only == 1, view))
            return !is_touched(pieces, pieces->place.offset, view->next);
    return false;
}

/* Goes past what is no whole record: past the record, if its header was read and only its payload was
 * not; else at the next place. */
static void pass(struct lf_pieces *pieces)
{
    const uint32_t offset = pieces->place.offset;
    struct lf_record_view view;
    bool claims = false;

    if (offset + LF_RECORD_HEADER_BYTES <= pieces->length) {
        lf_record_read(pieces->bytes, offset, &view);
        claims = (view.type == LF_RECORD_DATA || view.type == LF_RECORD_PAD) &&
                 view.next > offset && view.next <= pieces->length;
    }
    if (claims && !is_touched(pieces, offset, offset + LF_RECORD_HEADER_BYTES) &&
        is_touched(pieces, offset, view.next)) {
        struct lf_record_view after;
        pieces->place.offset = view.next;
        if (view.next == pieces->length || decode(pieces, &after))
            return;
    }
    const uint64_t cost = claims ? view.size : 1;
    pieces->tries_left -= least(pieces->tries_left, cost);
    pieces->place.offset = pieces->tries_left > 0 ? offset + LF_RECORD_ALIGN : pieces->length;
}

void lf_pieces_begin(struct lf_pieces *pieces, struct logfile_reader *reader,
                     const struct lf_bad_blocks *bad, uint64_t end)
{
    lf_pieces_free(pieces);
    pieces->file = &reader->cursor.file;
    pieces->bad = bad;
    pieces->chain = reader->cursor.scan.chain;
    pieces->end = end;
}

int lf_pieces_next(struct lf_pieces *pieces, struct logfile_record *record)
{
    struct lf_record_view view;
    int found = 1;

    while (found == 1) {
        while (pieces->in_epoch && pieces->place.offset < pieces->length) {
            const uint32_t offset = pieces->place.offset;
            if (!decode(pieces, &view)) {
                pass(pieces);
                continue;
            }
            pieces->place.offset = view.next;
            if (view.type != LF_RECORD_DATA)
                continue;
            *record = (struct logfile_record){
                .data = view.data, .size = view.size, .lsn = pieces->lsn + offset};
            return 1;
        }
        pieces->in_epoch = false;
        found = begin_epoch(pieces);
    }
    return found;
}

void lf_pieces_free(struct lf_pieces *pieces)
{
    free(pieces->bytes);
    *pieces = (struct lf_pieces){0};
}
