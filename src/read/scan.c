/* SPDX-License-Identifier: MIT */
#include "read/scan.h"

#include "format/checksum.h"
#include "format/record.h"

#include <string.h>

/* How much of what was found valid the window may take. */
#define VALID_BYTES_PER_WINDOW_BYTE 8

/* ---- What is in memory ----------------------------------------------------------------------- */

void lf_scan_invalidate(struct lf_scan *scan)
{
    scan->epoch = NULL;
    scan->rest_known = scan->rest_stays;
    lf_window_forget(&scan->window);
}

uint64_t lf_scan_load(struct lf_scan *scan, uint64_t lsn, uint64_t bytes)
{
    const ssize_t available = scan->error == 0 ? lf_window_load(&scan->window, lsn, bytes) : 0;

    if (available < 0)
        scan->error = (int)available;
    return available < 0 ? 0 : (uint64_t)available;
}

const struct lf_epoch_header *lf_scan_find_header(struct lf_scan *scan, uint64_t lsn)
{
    if (lf_window_available(&scan->window, lsn) < LF_BLOCK_BYTES)
        return NULL;
    const struct lf_epoch_header *header = lf_window_at(&scan->window, lsn);
    /* A header that was looked at for its promise is met again as the next epoch's.  The same bytes
     * need no second check, wherever in memory they are by now. */
    if (header->lsn == lsn && memcmp(header, &scan->checked, sizeof(*header)) == 0)
        return header;
    if (!lf_epoch_header_check(header, scan->prologue.log_seed, &scan->chain.layout, lsn))
        return NULL;
    scan->checked = *header;
    return header;
}

const struct lf_epoch_header *lf_scan_load_header(struct lf_scan *scan, uint64_t lsn)
{
    return lf_scan_load(scan, lsn, LF_BLOCK_BYTES) > 0 ? lf_scan_find_header(scan, lsn) : NULL;
}

/* ---- One epoch ----------------------------------------------------------------------------- */

/* Every record, the count and the zeros after the last record hold. */
static bool records_are_whole(const struct lf_epoch_header *header, uint32_t record_seed)
{
    const bool header_only = (header->flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
    const uint8_t *bytes = (const uint8_t *)header;
    struct lf_record_place place = {header->epoch, LF_EPOCH_HEADER_BYTES, record_seed};
    struct lf_record_view view;
    uint32_t count = 0;

    while (place.offset < header->length) {
        if (!lf_record_decode(bytes, header->length, &place, header_only, &view))
            return false;
        place.offset = view.next;
        count++;
    }
    return count == header->record_count &&
           lf_is_zero(bytes + header->length, bytes + lf_epoch_extent(header));
}

/* ---- An epoch that may not be worth its memory ---------------------------------------------- */

/* What is to be known of a range of bytes that went by. */
struct passage {
    uint32_t crc;
    bool is_zero;
};

/* Goes through [from, to), piece by piece.  Whether the file has all of it. */
static bool pass_range(struct lf_scan *scan, uint64_t from, uint64_t to, struct passage *passage)
{
    *passage = (struct passage){.is_zero = true};
    while (from < to) {
        const uint64_t block_lsn = from - from % LF_BLOCK_BYTES;
        const uint64_t available = lf_scan_load(scan, block_lsn, LF_BLOCK_BYTES);
        if (available <= from - block_lsn)
            return false;
        const uint64_t count = lf_min(available - (from - block_lsn), to - from);
        const uint8_t *piece = lf_window_at(&scan->window, from);
        passage->crc = lf_crc32c(passage->crc, piece, count);
        passage->is_zero = passage->is_zero && lf_is_zero(piece, piece + count);
        from += count;
    }
    return true;
}

/* As records_are_whole, for an epoch that the window is too small for. */
static bool pass_records(struct lf_scan *scan, const struct lf_epoch_header *epoch,
                         uint32_t record_seed)
{
    const bool header_only = (epoch->flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
    const uint64_t end_lsn = epoch->lsn + lf_epoch_extent(epoch);
    struct lf_record_place place = {epoch->epoch, LF_EPOCH_HEADER_BYTES, record_seed};
    struct lf_record_header record;
    struct passage payload, padding;
    uint32_t count = 0;

    while (place.offset < epoch->length) {
        /* 1. The record's header, which never crosses a block. */
        const uint64_t lsn = epoch->lsn + place.offset;
        if (lf_scan_load(scan, lsn - lsn % LF_BLOCK_BYTES, LF_BLOCK_BYTES) < LF_BLOCK_BYTES)
            return false;
        memcpy(&record, lf_window_at(&scan->window, lsn), sizeof(record));
        const unsigned type = lf_record_word_type(record.word);
        const uint64_t data_lsn = lsn + LF_RECORD_HEADER_BYTES;
        const uint64_t data_end = data_lsn + lf_record_word_size(record.word);
        const uint64_t bytes = lf_record_bytes(lf_record_word_size(record.word));
        if ((type != LF_RECORD_DATA && type != LF_RECORD_PAD) ||
            bytes > epoch->length - place.offset)
            return false;
        /* 2. What follows it, as lf_record_decode has it. */
        if (!pass_range(scan, data_lsn, data_end, &payload) ||
            !pass_range(scan, data_end, lsn + bytes, &padding) || !padding.is_zero ||
            (type == LF_RECORD_PAD && !payload.is_zero) ||
            record.checksum !=
                lf_record_checksum(&place, record.word, header_only ? 0 : payload.crc))
            return false;
        place.offset += (uint32_t)bytes;
        count++;
    }
    return count == epoch->record_count &&
           pass_range(scan, epoch->lsn + epoch->length, end_lsn, &padding) && padding.is_zero;
}

/* ---- The walk ------------------------------------------------------------------------------ */

/* Loads the rest of the epoch whose header was found last, and the block after it for
 * lf_scan_next_promise.  The epoch in memory; NULL: it is not whole. */
static const struct lf_epoch_header *load_records(struct lf_scan *scan, uint32_t record_seed)
{
    const struct lf_epoch_header *header = &scan->checked;
    const uint64_t extent = lf_epoch_extent(header);

    /* A header may claim what it likes: no memory is spent before the rest of the epoch, read in
     * pieces, bears it out. */
    if (extent + LF_BLOCK_BYTES > scan->window.capacity) {
        if (header->lsn != scan->vouched_lsn && !pass_records(scan, header, record_seed))
            return NULL;
        scan->error = lf_window_grow(&scan->window, (size_t)extent + LF_WINDOW_BYTES_MIN);
    }
    if (lf_scan_load(scan, header->lsn, extent + LF_BLOCK_BYTES) < extent)
        return NULL;
    const struct lf_epoch_header *found = lf_window_at(&scan->window, header->lsn);
    /* Its block may have been read again. */
    if (memcmp(found, header, sizeof(*header)) != 0 || !records_are_whole(found, record_seed))
        return NULL;
    return found;
}

const struct lf_epoch_header *lf_scan_peek(struct lf_scan *scan, uint64_t lsn)
{
    const struct lf_epoch_header *header = lf_scan_load_header(scan, lsn);
    struct lf_chain chain = scan->chain;

    if (header == NULL)
        return NULL;
    lf_chain_begin(&chain, header->incarnation, header->nonce);
    return load_records(scan, chain.record_seed);
}

void lf_scan_restart(struct lf_scan *scan)
{
    scan->rest_stays = false;
    lf_scan_invalidate(scan);
    scan->last_flags = 0;
    scan->last_lsn = 0;
    scan->chain = (struct lf_chain){
        .layout = lf_header_layout(&scan->prologue.header),
        .log_seed = scan->prologue.log_seed,
        .lsn = scan->prologue.trim.oldest_lsn,
        .epoch = scan->prologue.trim.epoch,
        .chain = scan->prologue.trim.chain,
    };
}

int lf_scan_open(struct lf_scan *scan, struct lf_file *file)
{
    memset(scan, 0, sizeof(*scan));
    scan->file = file;
    int error = lf_prologue_read(file, &scan->prologue);
    if (error == 0)
        error = lf_file_adopt(file, &scan->prologue.header, scan->prologue.trim.oldest_lsn);
    if (error != 0)
        return error;
    lf_window_init(&scan->window, file);
    lf_scan_restart(scan);
    return 0;
}

void lf_scan_close(struct lf_scan *scan)
{
    lf_window_free(&scan->window);
    scan->epoch = NULL;
}

enum lf_step lf_scan_next(struct lf_scan *scan)
{
    struct lf_chain chain = scan->chain;

    scan->error = 0;
    scan->epoch = NULL;
    const struct lf_epoch_header *header = lf_scan_load_header(scan, chain.lsn);
    if (header != NULL && !lf_chain_accepts(&chain, header))
        header = NULL;
    if (header != NULL) {
        if (header->incarnation != chain.incarnation)
            lf_chain_begin(&chain, header->incarnation, header->nonce);
        header = load_records(scan, chain.record_seed);
    }
    if (header == NULL)
        return scan->error != 0 ? LF_STEP_FAILED : LF_STEP_BREAK;

    scan->before = scan->chain;
    scan->flags_before = scan->last_flags;
    scan->lsn_before = scan->last_lsn;
    lf_chain_advance(&chain, header);
    scan->chain = chain;
    scan->last_flags = header->flags;
    scan->last_lsn = header->lsn;
    scan->promised_lsn = lf_max(scan->promised_lsn, header->promise);
    scan->epoch = header;
    /* What was found valid pays for a larger window. */
    scan->valid_bytes += lf_epoch_extent(header);
    lf_window_allow(&scan->window, scan->valid_bytes / VALID_BYTES_PER_WINDOW_BYTE);
    return LF_STEP_EPOCH;
}

void lf_scan_step_back(struct lf_scan *scan)
{
    scan->chain = scan->before;
    scan->last_flags = scan->flags_before;
    scan->last_lsn = scan->lsn_before;
    lf_scan_invalidate(scan);
}

uint64_t lf_scan_next_promise(struct lf_scan *scan)
{
    const struct lf_epoch_header *header = lf_scan_find_header(scan, scan->chain.lsn);

    return header != NULL && lf_chain_accepts(&scan->chain, header) ? header->promise : 0;
}

/* ---- Starting in the middle ---------------------------------------------------------------- */

/*
 * An epoch's header proves by itself that the log's writer wrote it for this place: magic, the log's
 * seed, its own LSN.  No payload can hold one, because the salt behind the seed is not known outside.
 * That it was written does not mean that it is part of the log: after a crash, an epoch may have
 * reached the disk although one before it did not.  It is part of the log if all before it was
 * durable when it was sealed, which its own promise says, or if the trim mark promises it.  As one
 * flush is in flight at a time, every epoch's promise says so, but for a log that does not sync.
 */

#define LOOK_BYTES ((uint64_t)16 << 10) /* read at a time, after the first block */

void lf_scan_seek_epoch(struct lf_scan *scan, const struct lf_epoch_name *name)
{
    scan->epoch = NULL;
    scan->vouched_lsn = name->lsn;
    scan->last_flags = 0;
    scan->last_lsn = 0;
    scan->chain.lsn = name->lsn;
    scan->chain.epoch = name->epoch;
    scan->chain.chain = name->chain;
    scan->chain.incarnation = 0;
}

int lf_scan_seek(struct lf_scan *scan, uint64_t lsn)
{
    const struct lf_layout *layout = &scan->chain.layout;
    const struct lf_trim_mark *trim = &scan->prologue.trim;

    if (lsn >= LF_LSN_END)
        return 0;
    scan->error = 0;
    /* 1. Where it can begin: at most a slot before, in the same segment.  No record is in a segment's
     * first blocks: the first that may follow is in its first epoch. */
    const uint64_t first_lsn = lf_segment_first_lsn(layout, lf_segment_index(layout, lsn));
    lsn = lf_max(lsn, first_lsn);
    uint64_t to = lsn - lsn % LF_BLOCK_BYTES + LF_BLOCK_BYTES;
    const uint64_t from =
        lf_max(lf_max(trim->oldest_lsn, first_lsn), to - lf_min(to, layout->slot_bytes));

    /* 2. Look at the blocks, the last one first, for an epoch that is known to belong to the log.  What
     * was read stays, to be the start of that epoch; but for a small one the window is enough. */
    lf_scan_invalidate(scan);
    while (to > from && scan->error == 0) {
        const uint64_t bytes = scan->window.bytes == 0 ? LF_BLOCK_BYTES : LOOK_BYTES;
        const uint64_t piece = lf_max(from, to - lf_min(to, bytes));
        const bool is_nearby = layout->slot_bytes > LF_WINDOW_BYTES_MAX &&
                               scan->window.bytes + bytes <= LF_WINDOW_BYTES_MIN;
        const size_t capacity = LF_WINDOW_BYTES_MIN + (is_nearby ? 0 : (size_t)layout->slot_bytes);
        const ssize_t got =
            lf_window_load_before(&scan->window, piece, (size_t)(to - piece), capacity);
        if (got < 0)
            scan->error = (int)got;
        while (to > piece && scan->error == 0) {
            to -= LF_BLOCK_BYTES;
            scan->vouched_lsn = to;
            const struct lf_epoch_header *header = lf_scan_peek(scan, to);
            if (header == NULL || (header->promise != header->lsn && header->lsn >= trim->promise))
                continue;
            lf_scan_seek_epoch(scan,
                               &(struct lf_epoch_name){header->lsn, header->epoch, header->chain});
            return scan->error;
        }
    }
    lf_scan_invalidate(scan);
    return scan->error;
}

bool lf_scan_meets_other(struct lf_scan *scan)
{
    scan->error = 0;
    const struct lf_epoch_header *header = lf_scan_peek(scan, scan->chain.lsn);
    return header != NULL && !lf_chain_accepts(&scan->chain, header);
}
