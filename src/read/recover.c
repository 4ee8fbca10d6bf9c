/* SPDX-License-Identifier: MIT */
#include "read/recover.h"

#include "format/checksum.h"
#include "format/record.h"

#include <errno.h>
#include <string.h>

/* From so many valid bytes on a second thread pays. */
#define READ_AHEAD_FROM_BYTES ((uint64_t)16 << 20)
/* How much of what was found valid the window may take. */
#define VALID_BYTES_PER_WINDOW_BYTE 8

/* ---- Blocks 0 to 3 ------------------------------------------------------------------------- */

/* Whole copies of one header may differ in their generation and what belongs to it, in no more. */
static bool headers_agree(const struct lf_file_header *a, const struct lf_file_header *b)
{
    if (!lf_file_header_same_log(a, b) || a->first_lsn != b->first_lsn)
        return false;
    return a->generation != b->generation || memcmp(a, b, LF_BLOCK_BYTES) == 0;
}

static int file_header_choose(const uint8_t *blocks, struct lf_prologue *prologue)
{
    const struct lf_file_header *copy[2] = {(const void *)blocks,
                                            (const void *)(blocks + LF_BLOCK_BYTES)};
    enum lf_header_state state[2];
    bool *valid = prologue->header_valid;

    for (int i = 0; i < 2; i++) {
        state[i] = lf_file_header_judge(copy[i]);
        valid[i] = state[i] == LF_HEADER_VALID;
        if (state[i] == LF_HEADER_UNKNOWN)
            prologue->unknown_version = copy[i]->version;
    }
    if (state[0] == LF_HEADER_UNKNOWN || state[1] == LF_HEADER_UNKNOWN)
        return LOGFILE_EFORMAT;
    if (!valid[0] && !valid[1])
        return state[0] == LF_HEADER_NONE && state[1] == LF_HEADER_NONE ? LOGFILE_EFORMAT
                                                                        : LOGFILE_ECORRUPT;
    if (valid[0] && valid[1] && !headers_agree(copy[0], copy[1]))
        return LOGFILE_ECORRUPT;
    const bool second = valid[1] && (!valid[0] || copy[1]->generation > copy[0]->generation);
    prologue->header = *copy[second ? 1 : 0];
    prologue->log_seed = lf_log_seed(&prologue->header);
    for (int i = 0; i < 2; i++)
        valid[i] = valid[i] && copy[i]->generation == prologue->header.generation;
    return 0;
}

static int trim_mark_choose(const uint8_t *blocks, struct lf_prologue *prologue)
{
    const uint8_t *block[2] = {blocks, blocks + LF_BLOCK_BYTES};
    struct lf_trim_mark mark[2];
    bool *valid = prologue->trim_valid;

    for (int i = 0; i < 2; i++) {
        valid[i] = lf_trim_mark_check(block[i], prologue->log_seed);
        memcpy(&mark[i], block[i], sizeof(mark[i]));
    }
    if (!valid[0] && !valid[1])
        return LOGFILE_ECORRUPT;
    if (valid[0] && valid[1] && mark[0].sequence == mark[1].sequence &&
        memcmp(block[0], block[1], LF_BLOCK_BYTES) != 0)
        return LOGFILE_ECORRUPT;
    const int counts = valid[1] && (!valid[0] || mark[1].sequence > mark[0].sequence) ? 1 : 0;
    prologue->trim = mark[counts];
    for (int i = 0; i < 2; i++)
        prologue->trim_current[i] = valid[i] && mark[i].sequence == mark[counts].sequence;
    memset(prologue->user, 0, sizeof(prologue->user));
    memcpy(prologue->user, block[counts] + sizeof(mark[0]), mark[counts].user_bytes);
    return 0;
}

/* A segment by itself has a header too, but no trim marks. */
static bool header_is_in_place(const struct lf_file_header *header, const struct lf_file *file)
{
    return (header->segment_bytes != 0) == lf_file_is_directory(file) &&
           header->first_lsn == LF_FIRST_LSN;
}

/* Without a header there is no seed that its checksum could be checked with. */
static bool looks_like_a_mark(const uint8_t *block)
{
    struct lf_trim_mark mark;

    memcpy(&mark, block, sizeof(mark));
    return mark.magic == LF_TRIM_MAGIC && mark.sequence != 0;
}

int lf_prologue_read(struct lf_file *file, struct lf_prologue *prologue)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[LF_FIRST_LSN];

    memset(prologue, 0, sizeof(*prologue));
    memset(blocks, 0, sizeof(blocks)); /* what the file lacks reads as zeros */
    const ssize_t got = lf_file_read_prologue(file, blocks, sizeof(blocks), 0);
    if (got < 0)
        return (int)got;
    const int error = file_header_choose(blocks, prologue);
    prologue->has_marks = error == LOGFILE_EFORMAT && prologue->unknown_version == 0 &&
                          (looks_like_a_mark(blocks + 2 * LF_BLOCK_BYTES) ||
                           looks_like_a_mark(blocks + 3 * LF_BLOCK_BYTES));
    if (error != 0)
        return error;
    if (!header_is_in_place(&prologue->header, file))
        return LOGFILE_EFORMAT;
    return trim_mark_choose(blocks + 2 * LF_BLOCK_BYTES, prologue);
}

int lf_trim_mark_read(struct lf_file *file, struct lf_prologue *prologue)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[2 * LF_BLOCK_BYTES];
    struct lf_prologue again = *prologue;

    memset(blocks, 0, sizeof(blocks));
    const ssize_t got = lf_file_read_prologue(file, blocks, sizeof(blocks), 2 * LF_BLOCK_BYTES);
    if (got < 0)
        return (int)got;
    const int error = trim_mark_choose(blocks, &again);
    if (error == 0)
        *prologue = again;
    return error;
}

/* ---- What is in memory ----------------------------------------------------------------------- */

void lf_scan_invalidate(struct lf_scan *scan)
{
    scan->epoch = NULL;
    scan->rest_known = scan->rest_stays;
    lf_window_forget(&scan->window);
}

void lf_scan_keep_rest(struct lf_scan *scan)
{
    scan->rest_known = scan->rest_stays = true;
}

/* ---- One epoch ----------------------------------------------------------------------------- */

/* The epoch header of this log that is in memory at `lsn`; NULL: there is none. */
static const struct lf_epoch_header *header_find(const struct lf_scan *scan, uint64_t lsn)
{
    if (lf_window_available(&scan->window, lsn) < LF_BLOCK_BYTES)
        return NULL;
    const struct lf_epoch_header *header = lf_window_at(&scan->window, lsn);
    const bool valid =
        lf_epoch_header_check(header, scan->prologue.log_seed, &scan->chain.layout, lsn);
    return valid ? header : NULL;
}

/* Reads the block at `lsn`; *headerp is the epoch header in it, or NULL.  How many bytes there are
 * from there on, or -errno. */
static ssize_t header_load(struct lf_scan *scan, uint64_t lsn,
                           const struct lf_epoch_header **headerp)
{
    const ssize_t available = lf_window_load(&scan->window, lsn, LF_BLOCK_BYTES);

    *headerp = header_find(scan, lsn);
    return available;
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

/* ---- An epoch that may not be worth its memory ---------------------------------------------- */

/* What is to be known of a range of bytes that went by. */
struct passage {
    uint32_t crc;
    bool is_zero;
};

/* Goes through [from, to), piece by piece.  1; 0: the file does not have all of it; -errno. */
static int range_pass(struct lf_scan *scan, uint64_t from, uint64_t to, struct passage *passage)
{
    *passage = (struct passage){.is_zero = true};
    while (from < to) {
        const uint64_t block_lsn = from - from % LF_BLOCK_BYTES;
        const ssize_t available = lf_window_load(&scan->window, block_lsn, LF_BLOCK_BYTES);
        if (available <= (ssize_t)(from - block_lsn))
            return available < 0 ? (int)available : 0;
        const uint64_t count = lf_min((uint64_t)available - (from - block_lsn), to - from);
        const uint8_t *piece = lf_window_at(&scan->window, from);
        passage->crc = lf_crc32c(passage->crc, piece, count);
        passage->is_zero = passage->is_zero && lf_is_zero(piece, piece + count);
        from += count;
    }
    return 1;
}

static int record_header_load(struct lf_scan *scan, uint64_t lsn, struct lf_record_header *record)
{
    const uint64_t block_lsn = lsn - lsn % LF_BLOCK_BYTES;
    const ssize_t available = lf_window_load(&scan->window, block_lsn, LF_BLOCK_BYTES);

    if (available < (ssize_t)LF_BLOCK_BYTES)
        return available < 0 ? (int)available : 0;
    memcpy(record, lf_window_at(&scan->window, lsn), sizeof(*record));
    return 1;
}

/* As lf_record_decode: 1, 0 or -errno. */
static int record_try(struct lf_scan *scan, const struct lf_epoch_header *epoch,
                      const struct lf_record_place *place, uint32_t *bytes)
{
    const bool header_only = (epoch->flags & LF_EPOCH_HEADER_CHECKSUM) != 0;
    const uint64_t lsn = epoch->lsn + place->offset;
    struct lf_record_header record = {0};
    struct passage payload = {0}, padding = {0};

    int found = record_header_load(scan, lsn, &record);
    const unsigned type = lf_record_word_type(record.word);
    const uint64_t data_lsn = lsn + LF_RECORD_HEADER_BYTES;
    const uint64_t data_end = data_lsn + lf_record_word_size(record.word);
    *bytes = (uint32_t)lf_record_bytes(lf_record_word_size(record.word));
    if (found == 1)
        found = (type == LF_RECORD_DATA || type == LF_RECORD_PAD) &&
                *bytes <= epoch->length - place->offset;
    if (found == 1)
        found = range_pass(scan, data_lsn, data_end, &payload);
    if (found == 1)
        found = range_pass(scan, data_end, lsn + *bytes, &padding);
    if (found != 1)
        return found;
    return padding.is_zero && (type == LF_RECORD_DATA || payload.is_zero) &&
           record.checksum == lf_record_checksum(place, record.word, header_only ? 0 : payload.crc);
}

/* As records_are_whole, for an epoch that the window is too small for: 1, 0 or -errno.  A header
 * may claim what it likes, so no memory is spent before the rest of the epoch bears it out. */
static int records_try(struct lf_scan *scan, const struct lf_epoch_header *epoch,
                       uint32_t record_seed)
{
    struct lf_record_place place = {epoch->epoch, LF_EPOCH_HEADER_BYTES, record_seed};
    struct passage padding;
    uint32_t count = 0;

    while (place.offset < epoch->length) {
        uint32_t bytes;
        const int whole = record_try(scan, epoch, &place, &bytes);
        if (whole != 1)
            return whole;
        place.offset += bytes;
        count++;
    }
    const int found =
        range_pass(scan, epoch->lsn + epoch->length, epoch->lsn + lf_epoch_extent(epoch), &padding);
    return found == 1 ? count == epoch->record_count && padding.is_zero : found;
}

/* ---- The walk ------------------------------------------------------------------------------ */

/* Makes the window large enough for an epoch that is whole: 1; 0: it is not; -errno. */
static int window_prepare(struct lf_scan *scan, const struct lf_epoch_header *epoch,
                          uint32_t record_seed)
{
    const uint64_t extent = lf_epoch_extent(epoch);

    if (extent + LF_BLOCK_BYTES <= scan->window.capacity)
        return 1;
    const int whole = records_try(scan, epoch, record_seed);
    if (whole != 1)
        return whole;
    const int error = lf_window_grow(&scan->window, (size_t)extent + LF_WINDOW_BYTES_MIN);
    return error != 0 ? error : 1;
}

/*
 * Loads the rest of the epoch whose header was found: 1: it is whole, at *headerp; 0: it is not;
 * -errno.  The block behind it comes along, for lf_scan_next_promise.
 */
static int records_load(struct lf_scan *scan, uint32_t record_seed,
                        const struct lf_epoch_header **headerp)
{
    const struct lf_epoch_header header = **headerp; /* the window moves */
    const uint64_t extent = lf_epoch_extent(&header);
    const int prepared = window_prepare(scan, &header, record_seed);

    if (prepared != 1)
        return prepared;
    const ssize_t available = lf_window_load(&scan->window, header.lsn, extent + LF_BLOCK_BYTES);
    if (available < (ssize_t)extent)
        return available < 0 ? (int)available : 0;
    *headerp = lf_window_at(&scan->window, header.lsn);
    /* Its block may have been read again. */
    return memcmp(*headerp, &header, sizeof(header)) == 0 &&
           records_are_whole(*headerp, record_seed);
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

/* What was found valid pays for a larger window. */
static void note_valid(struct lf_scan *scan, const struct lf_epoch_header *header)
{
    scan->valid_bytes += lf_epoch_extent(header);
    lf_window_allow(&scan->window, scan->valid_bytes / VALID_BYTES_PER_WINDOW_BYTE);
}

int lf_scan_next(struct lf_scan *scan)
{
    const struct lf_epoch_header *header;
    struct lf_chain chain = scan->chain;

    scan->epoch = NULL;
    const ssize_t available = header_load(scan, chain.lsn, &header);
    if (available < 0)
        return (int)available;
    if (header == NULL || !lf_chain_accepts(&chain, header))
        return 0;
    if (header->incarnation != chain.incarnation)
        lf_chain_begin(&chain, header->incarnation, header->nonce);
    const int whole = records_load(scan, chain.record_seed, &header);
    if (whole != 1)
        return whole;

    lf_chain_advance(&chain, header);
    note_valid(scan, header);
    scan->before = scan->chain;
    scan->flags_before = scan->last_flags;
    scan->lsn_before = scan->last_lsn;
    scan->chain = chain;
    scan->last_flags = header->flags;
    scan->last_lsn = header->lsn;
    scan->promised_lsn = lf_max(scan->promised_lsn, header->promise);
    scan->epoch = header;
    return 1;
}

void lf_scan_step_back(struct lf_scan *scan)
{
    scan->chain = scan->before;
    scan->last_flags = scan->flags_before;
    scan->last_lsn = scan->lsn_before;
    lf_scan_invalidate(scan);
}

uint64_t lf_scan_next_promise(const struct lf_scan *scan)
{
    const struct lf_epoch_header *header = header_find(scan, scan->chain.lsn);

    return header != NULL && lf_chain_accepts(&scan->chain, header) ? header->promise : 0;
}

/* ---- The verdict --------------------------------------------------------------------------- */

/* Where a search goes on that has come to `lsn`: past the blocks before a segment's first epoch. */
static uint64_t search_lsn(const struct lf_scan *scan, uint64_t lsn)
{
    const struct lf_layout *layout = &scan->chain.layout;
    const uint64_t first_lsn = lf_segment_first_lsn(layout, lf_segment_index(layout, lsn));

    return lf_max(lsn, first_lsn);
}

/* The next segment that there is behind the one of `lsn`: 1: *next_lsn is where its first epoch
 * goes; 0: none; -errno. */
static int next_segment(struct lf_scan *scan, uint64_t lsn, uint64_t *next_lsn)
{
    const struct lf_layout *layout = &scan->chain.layout;
    uint64_t index = lf_segment_index(layout, lsn) + 1;
    int found = 1;

    if (layout->segment_bytes == 0 || index >= LF_LSN_END / layout->segment_bytes)
        return 0;
    if (!lf_file_has_segment(scan->file, lf_segment_first_lsn(layout, index)))
        found = lf_file_next_segment(scan->file, index, &index);
    *next_lsn = lf_segment_first_lsn(layout, index);
    return found;
}

static void survey_block(struct lf_scan *scan, uint64_t lsn, uint64_t bytes)
{
    const uint8_t *block = lf_window_at(&scan->window, lsn);
    const struct lf_epoch_header *header = header_find(scan, lsn);

    if (!lf_is_zero(block, block + bytes))
        scan->rest_end = lsn + bytes;
    if (header != NULL)
        scan->rest_promise = lf_max(scan->rest_promise, header->promise);
}

/*
 * Reads from the break to the end of the last segment, over segments that are short or missing.
 * What it finds holds for every later break too, so that a log with many of them is read through
 * only once.
 */
static int rest_survey(struct lf_scan *scan)
{
    uint64_t lsn = scan->chain.lsn;
    int found = 1;

    if (scan->rest_known)
        return 0;
    scan->rest_promise = 0;
    scan->rest_end = 0;
    while (found == 1) {
        lsn = search_lsn(scan, lsn);
        const ssize_t available = lf_window_load(&scan->window, lsn, LF_BLOCK_BYTES);
        if (available < 0)
            return (int)available;
        if (available > 0) {
            survey_block(scan, lsn, lf_min((uint64_t)available, LF_BLOCK_BYTES));
            lsn += LF_BLOCK_BYTES;
        } else {
            found = next_segment(scan, lsn, &lsn);
        }
    }
    scan->rest_known = found == 0;
    return found;
}

/* Whether the segment is missing that the next epoch would be in: 1, 0 or -errno.  It is there from
 * the moment on that an epoch says that it comes next; only the thread that created the log may have
 * died before it made the first one. */
static int segment_is_missing(struct lf_scan *scan)
{
    const struct lf_trim_mark *trim = &scan->prologue.trim;
    uint64_t index;

    if (scan->chain.lsn >= lf_layout_end_lsn(&scan->chain.layout) ||
        lf_file_has_segment(scan->file, scan->chain.lsn))
        return 0;
    if (scan->chain.lsn != LF_FIRST_LSN || trim->oldest_lsn != LF_FIRST_LSN ||
        trim->epoch != LF_FIRST_EPOCH || trim->incarnation != 0)
        return 1;
    return lf_file_next_segment(scan->file, 0, &index);
}

/* Whether the file is long enough to have a first epoch: 1, 0 or -errno.  A segment is as long as
 * it needs to be. */
static int file_reaches(struct lf_scan *scan)
{
    const uint64_t block_lsn = LF_FIRST_LSN - LF_BLOCK_BYTES;

    if (scan->chain.layout.segment_bytes != 0)
        return 1;
    const ssize_t available = lf_window_load(&scan->window, block_lsn, LF_BLOCK_BYTES);
    return available < 0 ? (int)available : available >= (ssize_t)LF_BLOCK_BYTES;
}

/* Whether the file holds something else than the trim mark says: 1, 0 or -errno.  The mark of a log
 * that was trimmed names an epoch that was on stable storage before it. */
static int trim_mark_contradicts(struct lf_scan *scan)
{
    const uint64_t oldest_lsn = scan->prologue.trim.oldest_lsn;
    const struct lf_epoch_header *header;

    if (scan->chain.lsn != oldest_lsn)
        return 0;
    if (oldest_lsn != LF_FIRST_LSN)
        return 1;
    const int reaches = file_reaches(scan);
    if (reaches != 1)
        return reaches < 0 ? reaches : 1;
    const ssize_t available = header_load(scan, oldest_lsn, &header);
    if (available < 0)
        return (int)available;
    return header != NULL && !lf_chain_accepts(&scan->chain, header);
}

static bool has_copy(const struct lf_segment_check *check, enum lf_segment_copy copy)
{
    return check->copies[0] == copy || check->copies[1] == copy;
}

/* Whether a segment's name leads to something else than this segment: 1, 0 or -errno.  A segment
 * that lost both copies of its header is still known by an epoch in it. */
static int segment_is_misplaced(struct lf_scan *scan, uint64_t index)
{
    struct lf_segment_check check;
    const int error = lf_file_check_segment(scan->file, index, &check);

    if (error != 0 || check.kind == LF_SEGMENT_MISSING)
        return error;
    if (check.kind != LF_SEGMENT_FILE || has_copy(&check, LF_COPY_FOREIGN) ||
        has_copy(&check, LF_COPY_MOVED))
        return 1;
    if (has_copy(&check, LF_COPY_VALID))
        return 0;
    if (check.error != 0)
        return check.error;
    return scan->last_lsn == 0 || lf_segment_index(&scan->chain.layout, scan->last_lsn) != index;
}

/* The first segment from that of the break on whose name leads to something else: 1, 0 or -errno.
 * own_only: looks at that of the break alone. */
static int find_misplaced(struct lf_scan *scan, bool own_only, uint64_t *index)
{
    int found = 1;

    if (scan->chain.layout.segment_bytes == 0 ||
        scan->chain.lsn >= lf_layout_end_lsn(&scan->chain.layout)) /* foreign from there on */
        return 0;
    *index = lf_segment_index(&scan->chain.layout, scan->chain.lsn);
    while (found == 1) {
        const int misplaced = segment_is_misplaced(scan, *index);
        if (misplaced != 0 || own_only)
            return misplaced;
        found = lf_file_next_segment(scan->file, *index + 1, index);
    }
    return found;
}

/* Whether the log comes as far as the break, because the epoch before it was read or the trim mark
 * names it: not where the scan was told to start in the middle, and has read nothing yet. */
static bool break_is_reached(const struct lf_scan *scan)
{
    return scan->chain.incarnation != 0 || scan->chain.lsn == scan->prologue.trim.oldest_lsn;
}

/* Sets scan->damage to what contradicts that the log ends at the break.  0 or -errno. */
static int find_damage(struct lf_scan *scan, uint64_t promised_lsn)
{
    const struct lf_trim_mark *trim = &scan->prologue.trim;
    const bool promised = promised_lsn > scan->chain.lsn;

    scan->damage = LF_DAMAGE_NONE;
    int found = find_misplaced(scan, promised, &scan->damage_index);
    if (found == 1)
        scan->damage = LF_DAMAGE_MISPLACED;
    if (found == 0 && break_is_reached(scan)) {
        scan->damage_index = lf_segment_index(&scan->chain.layout, scan->chain.lsn);
        found = segment_is_missing(scan);
        if (found == 1)
            scan->damage = LF_DAMAGE_MISSING;
    }
    if (found == 0 && promised) {
        scan->damage = LF_DAMAGE_PROMISE;
        return 0;
    }
    if (found == 0 && break_is_reached(scan) && scan->chain.incarnation < trim->incarnation) {
        scan->damage = LF_DAMAGE_INCARNATION;
        return 0;
    }
    if (found == 0) {
        found = trim_mark_contradicts(scan);
        if (found == 1)
            scan->damage = LF_DAMAGE_MARK;
    }
    return found < 0 ? found : 0;
}

/*
 * Looks for a whole epoch at `lsn` that can come later in this log: 1, 0 or -errno.  *next_lsn is
 * where to look after it, or `lsn` where the segment, or the file, ends: the blocks of an epoch
 * that has its header but is not whole are payload, so that no byte is checked twice.
 */
static int resume_try(struct lf_scan *scan, uint64_t lsn, uint64_t *next_lsn)
{
    const struct lf_epoch_header *header;
    struct lf_chain chain = scan->chain;
    const ssize_t available = header_load(scan, lsn, &header);

    *next_lsn = available > 0 ? lsn + LF_BLOCK_BYTES : lsn;
    if (available < 0)
        return (int)available;
    if (header == NULL || header->epoch < chain.epoch || header->incarnation < chain.incarnation)
        return 0;
    *next_lsn = lsn + lf_epoch_extent(header);
    lf_chain_begin(&chain, header->incarnation, header->nonce);
    return records_load(scan, chain.record_seed, &header);
}

int lf_scan_peek(struct lf_scan *scan, uint64_t lsn, const struct lf_epoch_header **headerp)
{
    struct lf_chain chain = scan->chain;
    const ssize_t available = header_load(scan, lsn, headerp);

    if (available < 0 || *headerp == NULL)
        return available < 0 ? (int)available : 0;
    lf_chain_begin(&chain, (*headerp)->incarnation, (*headerp)->nonce);
    return records_load(scan, chain.record_seed, headerp);
}

static int resume_search(struct lf_scan *scan, uint64_t *resume_lsn)
{
    uint64_t lsn = scan->chain.lsn;
    int found = 1;

    *resume_lsn = 0;
    while (found == 1) {
        uint64_t next_lsn;
        lsn = search_lsn(scan, lsn);
        const int whole = resume_try(scan, lsn, &next_lsn);
        if (whole == 1)
            *resume_lsn = lsn;
        if (whole != 0)
            return whole == 1 ? 0 : whole;
        if (next_lsn == lsn)
            found = next_segment(scan, lsn, &next_lsn);
        lsn = next_lsn;
    }
    return found;
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
    const uint64_t promised_lsn =
        lf_max(lf_max(scan->promised_lsn, scan->rest_promise), scan->prologue.trim.promise);
    error = find_damage(scan, promised_lsn);
    if (error != 0)
        return error;
    lf_scan_describe(scan, closed ? LOGFILE_CLEAN : LOGFILE_TORN, tail);
    tail->promised_lsn = promised_lsn;
    if (scan->damage != LF_DAMAGE_NONE) {
        tail->verdict = LOGFILE_CORRUPT;
        error = resume_search(scan, &tail->resume_lsn);
    } else if (!closed && scan->rest_end > tail->end_lsn) {
        tail->cut_bytes = scan->rest_end - tail->end_lsn;
    }
    return error;
}

bool lf_scan_missing_segment(const struct lf_scan *scan, uint64_t *index)
{
    if (scan->damage == LF_DAMAGE_MISSING)
        *index = scan->damage_index;
    return scan->damage == LF_DAMAGE_MISSING;
}

/* Where nothing whole follows, what was promised is all that is known of the end. */
uint64_t lf_tail_damage_end(const struct logfile_tail *tail)
{
    return tail->resume_lsn != 0 ? tail->resume_lsn : lf_max(tail->promised_lsn, tail->end_lsn);
}

int lf_scan_resume(struct lf_scan *scan, const struct logfile_tail *tail)
{
    const struct lf_epoch_header *header = NULL;
    const ssize_t available =
        tail->resume_lsn == 0 ? 0 : header_load(scan, tail->resume_lsn, &header);

    if (available < 0)
        return (int)available;
    if (header == NULL)
        return -ENOENT;
    scan->epoch = NULL;
    scan->last_flags = 0;
    scan->damage = LF_DAMAGE_NONE;
    scan->chain.lsn = header->lsn;
    scan->chain.epoch = header->epoch;
    scan->chain.chain = header->chain;
    scan->chain.incarnation = 0;
    return 0;
}

/* ---- All of it ----------------------------------------------------------------------------- */

int lf_recover(struct lf_scan *scan, lf_scan_visit *visit, void *arg, struct logfile_tail *tail)
{
    int found;

    do {
        if (visit != NULL)
            visit(arg, &scan->chain);
        if (scan->valid_bytes >= READ_AHEAD_FROM_BYTES)
            lf_window_read_ahead(&scan->window);
        found = lf_scan_next(scan);
    } while (found == 1);
    const int error = found < 0 ? found : lf_scan_verdict(scan, tail);
    lf_window_read_alone(&scan->window);
    return error;
}

const char *lf_prologue_damage(const struct lf_prologue *prologue, int error)
{
    const bool *header_valid = prologue->header_valid;
    const bool has_header = prologue->header.version != 0;

    if (error == LOGFILE_EFORMAT)
        return prologue->has_marks ? "both copies of the file header are lost" : NULL;
    if (!has_header)
        return header_valid[0] && header_valid[1]
                   ? "the copies of the file header contradict each other"
                   : "both copies of the file header are damaged";
    return prologue->trim_valid[0] && prologue->trim_valid[1]
               ? "the copies of the trim mark contradict each other"
               : "both copies of the trim mark are damaged";
}
