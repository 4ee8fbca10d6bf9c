/* SPDX-License-Identifier: MIT */
#include "recover.h"

#include "io.h"
#include "record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Reading ahead starts at one block, so that looking for news at the end of a log is cheap, and
 * grows to this while reading goes on. */
#define WINDOW_BYTES ((size_t)1 << 20)

/* ---- Blocks 0 to 3 ------------------------------------------------------------------------- */

static int file_header_choose(const uint8_t *blocks, struct lf_prologue *prologue)
{
    const uint8_t *copy[2] = {blocks, blocks + LF_BLOCK_BYTES};
    const int check[2] = {lf_file_header_check(copy[0]), lf_file_header_check(copy[1])};

    prologue->header_valid[0] = check[0] == 0;
    prologue->header_valid[1] = check[1] == 0;
    if (check[0] != 0 && check[1] != 0)
        return check[0] == check[1] ? check[0] : LOGFILE_ECORRUPT;
    if (check[0] == check[1] && memcmp(copy[0], copy[1], LF_BLOCK_BYTES) != 0)
        return LOGFILE_ECORRUPT;
    memcpy(&prologue->header, copy[check[0] == 0 ? 0 : 1], sizeof(prologue->header));
    prologue->log_seed = lf_log_seed(&prologue->header);
    return 0;
}

static int trim_mark_choose(const uint8_t *blocks, struct lf_prologue *prologue)
{
    struct lf_trim_mark mark[2];
    bool *valid = prologue->trim_valid;

    for (int i = 0; i < 2; i++) {
        const uint8_t *block = blocks + (size_t)(2 + i) * LF_BLOCK_BYTES;
        valid[i] = lf_trim_mark_check(block, prologue->log_seed);
        memcpy(&mark[i], block, sizeof(mark[i]));
    }
    if (!valid[0] && !valid[1])
        return LOGFILE_ECORRUPT;
    if (valid[0] && valid[1] && mark[0].sequence == mark[1].sequence &&
        memcmp(&mark[0], &mark[1], sizeof(mark[0])) != 0)
        return LOGFILE_ECORRUPT;
    const bool second = valid[1] && (!valid[0] || mark[1].sequence > mark[0].sequence);
    prologue->trim = mark[second ? 1 : 0];
    return 0;
}

int lf_prologue_read(const struct logfile_io *io, int fd, struct lf_prologue *prologue)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[LF_FIRST_LSN];

    memset(prologue, 0, sizeof(*prologue));
    memset(blocks, 0, sizeof(blocks)); /* what the file lacks reads as zeros */
    const ssize_t got = lf_io_read_full(io, fd, blocks, sizeof(blocks), 0);
    if (got < 0)
        return (int)got;
    const int error = file_header_choose(blocks, prologue);
    return error != 0 ? error : trim_mark_choose(blocks, prologue);
}

/* ---- The window ---------------------------------------------------------------------------- */

/* How many bytes from `offset` on are in memory. */
static size_t window_available(const struct lf_scan *scan, uint64_t offset)
{
    if (offset < scan->window_offset || offset - scan->window_offset >= scan->window_bytes)
        return 0;
    return scan->window_bytes - (size_t)(offset - scan->window_offset);
}

static const void *window_at(const struct lf_scan *scan, uint64_t offset)
{
    return scan->window + (offset - scan->window_offset);
}

/* Makes the window start at `offset` and keeps what it has from there on: whole blocks, so that
 * reading goes on at an aligned address. */
static void window_slide(struct lf_scan *scan, uint64_t offset)
{
    const size_t kept = window_available(scan, offset) & ~((size_t)LF_BLOCK_BYTES - 1);

    if (kept > 0)
        memmove(scan->window, window_at(scan, offset), kept);
    scan->window_offset = offset;
    scan->window_bytes = kept;
}

static int window_reserve(struct lf_scan *scan, size_t bytes)
{
    if (bytes <= scan->window_capacity)
        return 0;
    uint8_t *window = aligned_alloc(LF_BLOCK_BYTES, bytes);
    if (window == NULL)
        return -ENOMEM;
    if (scan->window_bytes > 0)
        memcpy(window, scan->window, scan->window_bytes);
    free(scan->window);
    scan->window = window;
    scan->window_capacity = bytes;
    return 0;
}

static int file_bytes_refresh(struct lf_scan *scan)
{
    struct logfile_io_stat stat;
    const int error = scan->io->stat(scan->io->context, scan->fd, &stat);

    if (error < 0)
        return error;
    scan->file_bytes = stat.bytes;
    scan->file_bytes_known = true;
    return 0;
}

/* Reads from the end of the window on until it holds `bytes`, a multiple of the block size. */
static int window_fill(struct lf_scan *scan, size_t bytes)
{
    const int error = window_reserve(scan, bytes);

    if (error != 0)
        return error;
    const ssize_t got =
        lf_io_read_full(scan->io, scan->fd, scan->window + scan->window_bytes,
                        bytes - scan->window_bytes, scan->window_offset + scan->window_bytes);
    if (got < 0)
        return (int)got;
    scan->window_bytes += (size_t)got;
    return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t greatest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/*
 * Brings `bytes` from the block-aligned `offset` into memory, or as many as the file has; more may
 * come along.  Returns how many bytes from there on are in memory, or -errno.  Whole blocks that
 * are in memory already are not read again.
 */
static ssize_t window_load(struct lf_scan *scan, uint64_t offset, uint64_t bytes)
{
    int error = scan->file_bytes_known ? 0 : file_bytes_refresh(scan);

    if (error != 0)
        return error;
    if (offset >= scan->file_bytes)
        return 0;
    const uint64_t rest = lf_round_up(scan->file_bytes - offset, LF_BLOCK_BYTES);
    if (window_available(scan, offset) < least(bytes, scan->file_bytes - offset)) {
        window_slide(scan, offset);
        error = window_fill(scan, (size_t)least(greatest(bytes, scan->read_ahead), rest));
        if (error != 0)
            return error;
        scan->read_ahead = least(4 * scan->read_ahead, WINDOW_BYTES);
    }
    return (ssize_t)window_available(scan, offset);
}

void lf_scan_invalidate(struct lf_scan *scan)
{
    scan->epoch = NULL;
    scan->window_bytes = 0;
    scan->file_bytes_known = false;
    scan->rest_known = false;
    scan->read_ahead = LF_BLOCK_BYTES;
}

/* ---- One epoch ----------------------------------------------------------------------------- */

/* The epoch header of this log that is in memory at `lsn`; NULL: there is none. */
static const struct lf_epoch_header *header_find(const struct lf_scan *scan, uint64_t lsn)
{
    if (window_available(scan, lsn) < LF_BLOCK_BYTES)
        return NULL;
    const struct lf_epoch_header *header = window_at(scan, lsn);
    const bool valid = lf_epoch_header_check(header, scan->prologue.log_seed,
                                             scan->prologue.header.slot_bytes, lsn);
    return valid ? header : NULL;
}

/* Reads the block at `lsn`; *headerp is the epoch header in it, or NULL.  0 or -errno. */
static int header_load(struct lf_scan *scan, uint64_t lsn, const struct lf_epoch_header **headerp)
{
    const ssize_t available = window_load(scan, lsn, LF_BLOCK_BYTES);

    *headerp = header_find(scan, lsn);
    return available < 0 ? (int)available : 0;
}

/* Every record, the count and the zeros behind the last record hold. */
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

/*
 * Loads the rest of the epoch whose header was found: 1: it is whole, at *headerp; 0: it is not;
 * -errno.  The block behind it comes along, for lf_scan_next_promise.
 */
static int records_load(struct lf_scan *scan, uint32_t record_seed,
                        const struct lf_epoch_header **headerp)
{
    const uint64_t lsn = (*headerp)->lsn;
    const uint64_t extent = lf_epoch_extent(*headerp);

    if (extent > scan->file_bytes - lsn)
        return 0; /* and no memory is spent on it */
    const ssize_t available = window_load(scan, lsn, extent + LF_BLOCK_BYTES);
    if (available < (ssize_t)extent)
        return available < 0 ? (int)available : 0;
    *headerp = window_at(scan, lsn);
    return records_are_whole(*headerp, record_seed);
}

/* ---- The walk ------------------------------------------------------------------------------ */

int lf_scan_open(struct lf_scan *scan, const struct logfile_io *io, int fd)
{
    memset(scan, 0, sizeof(*scan));
    scan->io = io;
    scan->fd = fd;
    int error = lf_prologue_read(io, fd, &scan->prologue);
    if (error == 0)
        error = window_reserve(scan, WINDOW_BYTES);
    if (error != 0)
        return error;
    lf_scan_invalidate(scan);
    scan->chain = (struct lf_chain){
        .log_seed = scan->prologue.log_seed,
        .lsn = scan->prologue.trim.oldest_lsn,
        .epoch = scan->prologue.trim.epoch,
        .chain = scan->prologue.trim.chain,
    };
    return 0;
}

void lf_scan_close(struct lf_scan *scan)
{
    free(scan->window);
    scan->window = NULL;
    scan->epoch = NULL;
}

int lf_scan_next(struct lf_scan *scan)
{
    const struct lf_epoch_header *header;
    struct lf_chain chain = scan->chain;

    scan->epoch = NULL;
    const int error = header_load(scan, chain.lsn, &header);
    if (error != 0)
        return error;
    if (header == NULL || !lf_chain_accepts(&chain, header))
        return 0;
    if (header->incarnation != chain.incarnation)
        lf_chain_begin(&chain, header->incarnation, header->nonce);
    const int whole = records_load(scan, chain.record_seed, &header);
    if (whole != 1)
        return whole;

    lf_chain_advance(&chain, header);
    scan->before = scan->chain;
    scan->flags_before = scan->last_flags;
    scan->chain = chain;
    scan->last_flags = header->flags;
    scan->promised_lsn = greatest(scan->promised_lsn, header->promise);
    scan->epoch = header;
    return 1;
}

void lf_scan_step_back(struct lf_scan *scan)
{
    scan->chain = scan->before;
    scan->last_flags = scan->flags_before;
    lf_scan_invalidate(scan);
}

uint64_t lf_scan_next_promise(const struct lf_scan *scan)
{
    const struct lf_epoch_header *header = header_find(scan, scan->chain.lsn);

    return header != NULL && lf_chain_accepts(&scan->chain, header) ? header->promise : 0;
}

/* ---- The verdict --------------------------------------------------------------------------- */

/*
 * Reads from the break to the end of the file.  What it finds holds for every later break too, so
 * that a file with many of them is read through only once.
 */
static int rest_survey(struct lf_scan *scan)
{
    if (scan->rest_known)
        return 0;
    scan->rest_promise = 0;
    scan->rest_end = 0;
    for (uint64_t lsn = scan->chain.lsn;; lsn += LF_BLOCK_BYTES) {
        const ssize_t available = window_load(scan, lsn, LF_BLOCK_BYTES);
        if (available < 0)
            return (int)available;
        if (available == 0)
            break;
        const uint8_t *block = window_at(scan, lsn);
        const uint64_t bytes = least((uint64_t)available, LF_BLOCK_BYTES);
        if (!lf_is_zero(block, block + bytes))
            scan->rest_end = lsn + bytes;
        const struct lf_epoch_header *header = header_find(scan, lsn);
        if (header != NULL)
            scan->rest_promise = greatest(scan->rest_promise, header->promise);
    }
    scan->rest_known = true;
    return 0;
}

/* Whether the file holds something else than the trim mark says: 1, 0 or -errno. */
static int trim_mark_contradicts(struct lf_scan *scan)
{
    const uint64_t oldest_lsn = scan->prologue.trim.oldest_lsn;
    const struct lf_epoch_header *header;

    if (scan->chain.lsn != oldest_lsn)
        return 0;
    if (oldest_lsn > scan->file_bytes)
        return 1;
    const int error = header_load(scan, oldest_lsn, &header);
    return error != 0 ? error : header != NULL && !lf_chain_accepts(&scan->chain, header);
}

/*
 * Looks for a whole epoch at `lsn` that can come later in this log: 1, 0 or -errno.  *next_lsn is
 * where to look after it: the blocks of an epoch that has its header but is not whole are payload,
 * so that no byte is checked twice.
 */
static int resume_try(struct lf_scan *scan, uint64_t lsn, uint64_t *next_lsn)
{
    const struct lf_epoch_header *header;
    struct lf_chain chain = scan->chain;

    *next_lsn = lsn + LF_BLOCK_BYTES;
    const int error = header_load(scan, lsn, &header);
    if (error != 0)
        return error;
    if (header == NULL || header->epoch < chain.epoch || header->incarnation < chain.incarnation)
        return 0;
    *next_lsn = lsn + lf_epoch_extent(header);
    lf_chain_begin(&chain, header->incarnation, header->nonce);
    return records_load(scan, chain.record_seed, &header);
}

static int resume_search(struct lf_scan *scan, uint64_t *resume_lsn)
{
    uint64_t lsn = scan->chain.lsn;

    *resume_lsn = 0;
    while (lsn < scan->file_bytes) {
        uint64_t next_lsn;
        const int whole = resume_try(scan, lsn, &next_lsn);
        if (whole < 0)
            return whole;
        if (whole == 1) {
            *resume_lsn = lsn;
            break;
        }
        lsn = next_lsn;
    }
    return 0;
}

void lf_scan_describe(const struct lf_scan *scan, enum logfile_verdict verdict,
                      struct logfile_tail *tail)
{
    *tail = (struct logfile_tail){
        .verdict = verdict,
        .incarnation = scan->chain.incarnation,
        .end_lsn = scan->chain.lsn,
        .promised_lsn = scan->promised_lsn,
        .resume_lsn = scan->chain.lsn,
        .last_epoch = scan->chain.epoch - 1,
    };
}

int lf_scan_verdict(struct lf_scan *scan, struct logfile_tail *tail)
{
    const bool closed = (scan->last_flags & LF_EPOCH_CLOSE) != 0;

    scan->epoch = NULL;
    int error = rest_survey(scan);
    if (error != 0)
        return error;
    const int contradicted = trim_mark_contradicts(scan);
    if (contradicted < 0)
        return contradicted;
    lf_scan_describe(scan, closed ? LOGFILE_CLEAN : LOGFILE_TORN, tail);
    tail->promised_lsn = greatest(tail->promised_lsn, scan->rest_promise);
    if (scan->rest_promise > tail->end_lsn || contradicted == 1) {
        tail->verdict = LOGFILE_CORRUPT;
        error = resume_search(scan, &tail->resume_lsn);
    } else if (!closed && scan->rest_end > tail->end_lsn) {
        tail->cut_bytes = scan->rest_end - tail->end_lsn;
    }
    return error;
}

int lf_scan_resume(struct lf_scan *scan, const struct logfile_tail *tail)
{
    const struct lf_epoch_header *header = NULL;
    const int error = tail->resume_lsn == 0 ? 0 : header_load(scan, tail->resume_lsn, &header);

    if (error != 0)
        return error;
    if (header == NULL)
        return -ENOENT;
    scan->epoch = NULL;
    scan->last_flags = 0;
    scan->chain.lsn = header->lsn;
    scan->chain.epoch = header->epoch;
    scan->chain.chain = header->chain;
    scan->chain.incarnation = 0;
    return 0;
}

int lf_recover(struct lf_scan *scan, struct logfile_tail *tail)
{
    int found;

    do {
        found = lf_scan_next(scan);
    } while (found == 1);
    return found < 0 ? found : lf_scan_verdict(scan, tail);
}
