/* SPDX-License-Identifier: MIT */
#include "rot_oracle.h"

#include "format/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t greatest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ---- Bytes of the damaged log ---------------------------------------------------------------- */

static const struct memory_file *file_at(const struct rot_oracle *oracle, uint64_t lsn)
{
    const uint64_t index = lf_segment_index(&oracle->log->layout, lsn);

    return index < MEMORY_FILES_MAX ? oracle->segments[index] : NULL;
}

static void find_segments(struct rot_oracle *oracle)
{
    const unsigned count = oracle->log->layout.segment_bytes == 0 ? 1 : MEMORY_FILES_MAX;

    for (unsigned index = 0; index < count; index++)
        oracle->segments[index] =
            memory_disk_find(oracle->disk, rot_segment_name(oracle->log, index));
}

/* How many bytes its file has from an LSN on; *bytes is where. */
static uint64_t bytes_at(const struct rot_oracle *oracle, uint64_t lsn, const uint8_t **bytes)
{
    const uint64_t segment_bytes = oracle->log->layout.segment_bytes;
    const struct memory_file *file = file_at(oracle, lsn);
    const uint64_t offset = segment_bytes == 0 ? lsn : lsn % segment_bytes;

    if (file == NULL)
        return 0;
    const uint64_t size =
        segment_bytes == 0 || file->size < segment_bytes ? file->size : segment_bytes;
    *bytes = file->bytes + offset;
    return offset < size ? size - offset : 0;
}

/* A valid header at this LSN: one that was written for it, in a block that is whole. */
static const struct rot_epoch *header_at(const struct rot_oracle *oracle, uint64_t lsn)
{
    const struct rot_log *log = oracle->log;
    const uint8_t *bytes;

    if (bytes_at(oracle, lsn, &bytes) < LF_BLOCK_BYTES)
        return NULL;
    for (unsigned i = 0; i < log->epoch_count; i++)
        if (log->epochs[i].header.lsn == lsn &&
            memcmp(&log->epochs[i].header, bytes, LF_EPOCH_HEADER_BYTES) == 0)
            return &log->epochs[i];
    return NULL;
}

bool rot_is_uncovered(const struct rot_epoch *epoch, uint64_t offset)
{
    uint32_t at = LF_EPOCH_HEADER_BYTES;
    struct lf_record_view view;

    if ((epoch->header.flags & LF_EPOCH_HEADER_CHECKSUM) == 0 || offset >= epoch->header.length)
        return false;
    for (; at <= offset; at = view.next)
        lf_record_read(epoch->bytes, at, &view);
    const uint64_t from = (uint64_t)(view.data - epoch->bytes);
    return view.type == LF_RECORD_DATA && offset >= from && offset < from + view.size;
}

static bool is_whole(const struct rot_oracle *oracle, const struct rot_epoch *epoch)
{
    const uint8_t *bytes;

    if (bytes_at(oracle, epoch->header.lsn, &bytes) < epoch->extent)
        return false;
    if (memcmp(bytes, epoch->bytes, epoch->extent) == 0)
        return true;
    for (uint64_t i = 0; i < epoch->extent; i++)
        if (bytes[i] != epoch->bytes[i] && !rot_is_uncovered(epoch, i))
            return false;
    return true;
}

/* ---- Blocks 0 to 3 --------------------------------------------------------------------------- */

/* The header of this segment of the log, or of the other log. */
static bool is_segment_header(const struct rot_log *log, const uint8_t *control, uint64_t index,
                              const uint8_t *block)
{
    _Alignas(8) uint8_t should[LF_BLOCK_BYTES];

    rot_segment_header(log, control, index, should);
    return memcmp(block, should, LF_BLOCK_BYTES) == 0;
}

/* A segment has a valid header too, in the wrong place, and so has another log. */
static bool is_header(const struct rot_oracle *oracle, const uint8_t *block)
{
    const struct rot_log *log = oracle->log;
    bool found = memcmp(block, log->header, LF_BLOCK_BYTES) == 0;

    if (log->layout.segment_bytes == 0)
        return found;
    for (uint64_t index = 0; index < MEMORY_FILES_MAX && !found; index++)
        found = is_segment_header(log, log->header, index, block) ||
                is_segment_header(log, log->other_header, index, block);
    return found;
}

static int check_header(const struct rot_oracle *oracle, const uint8_t *block)
{
    const struct lf_file_header *header = (const struct lf_file_header *)block;

    if (is_header(oracle, block))
        return 0;
    if (memcmp(header->magic, LF_FILE_MAGIC, sizeof(header->magic)) != 0 ||
        header->byte_order == 0x04030201)
        return LOGFILE_EFORMAT;
    return LOGFILE_ECORRUPT;
}

static bool is_mark(const struct rot_oracle *oracle, const uint8_t *block)
{
    for (unsigned i = 0; i < oracle->log->mark_count; i++)
        if (memcmp(oracle->log->marks[i], block, LF_BLOCK_BYTES) == 0)
            return true;
    return false;
}

static int choose_mark(struct rot_oracle *oracle, const uint8_t *blocks)
{
    bool found = false;

    for (unsigned i = 0; i < 2; i++) {
        const struct lf_trim_mark *mark = (const void *)(blocks + i * LF_BLOCK_BYTES);
        if (!is_mark(oracle, (const uint8_t *)mark))
            oracle->bad_copy_count++;
        else if (found && mark->sequence == oracle->mark.sequence &&
                 memcmp(blocks, mark, LF_BLOCK_BYTES) != 0)
            return LOGFILE_ECORRUPT;
        else if (!found || mark->sequence > oracle->mark.sequence)
            oracle->mark = *mark;
        found = found || is_mark(oracle, (const uint8_t *)mark);
    }
    return found ? 0 : LOGFILE_ECORRUPT;
}

static int check_blocks(struct rot_oracle *oracle, const uint8_t *blocks)
{
    const int check[2] = {check_header(oracle, blocks),
                          check_header(oracle, blocks + LF_BLOCK_BYTES)};

    oracle->bad_copy_count = (check[0] != 0) + (check[1] != 0);
    if (check[0] != 0 && check[1] != 0)
        return check[0] == check[1] ? check[0] : LOGFILE_ECORRUPT;
    /* All of them have the same generation. */
    if (check[0] == check[1] && memcmp(blocks, blocks + LF_BLOCK_BYTES, LF_BLOCK_BYTES) != 0)
        return LOGFILE_ECORRUPT;
    const uint8_t *valid = check[0] == 0 ? blocks : blocks + LF_BLOCK_BYTES;
    if (((const struct lf_file_header *)valid)->first_lsn != LF_FIRST_LSN)
        return LOGFILE_EFORMAT;
    return choose_mark(oracle, blocks + 2 * LF_BLOCK_BYTES);
}

int rot_oracle_start(struct rot_oracle *oracle, const struct rot_log *log, struct memory_disk *disk)
{
    const bool is_directory = log->layout.segment_bytes != 0;
    _Alignas(8) uint8_t blocks[LF_FIRST_LSN] = {0};

    *oracle = (struct rot_oracle){.log = log, .disk = disk};
    find_segments(oracle);
    const struct memory_file *file =
        memory_disk_find(disk, is_directory ? MEMORY_PATH "/control" : MEMORY_PATH);
    if (file == NULL)
        return is_directory ? -EISDIR : -ENOENT;
    memcpy(blocks, file->bytes, file->size < LF_FIRST_LSN ? file->size : LF_FIRST_LSN);
    const int error = check_blocks(oracle, blocks);
    oracle->lsn = oracle->mark.oldest_lsn;
    oracle->number = oracle->mark.epoch;
    oracle->chain = oracle->mark.chain;
    return error;
}

/* Zeros for what the file lacks. */
static void load_segment_header(const struct rot_oracle *oracle, uint64_t index,
                                uint8_t blocks[2 * LF_BLOCK_BYTES])
{
    const struct memory_file *file = oracle->segments[index];

    memset(blocks, 0, 2 * LF_BLOCK_BYTES);
    if (file->size > 0)
        memcpy(blocks, file->bytes,
               file->size < 2 * LF_BLOCK_BYTES ? file->size : 2 * LF_BLOCK_BYTES);
}

/* Something has its name, and is not what the log put there. */
static bool is_misplaced(const struct rot_oracle *oracle, uint64_t index)
{
    const struct rot_log *log = oracle->log;
    uint8_t blocks[2 * LF_BLOCK_BYTES];
    unsigned own_count = 0;

    if (oracle->segments[index] == NULL)
        return false;
    if (oracle->segments[index]->kind != LOGFILE_IO_REGULAR)
        return true;
    load_segment_header(oracle, index, blocks);
    for (unsigned copy = 0; copy < 2; copy++) {
        const uint8_t *block = blocks + (size_t)copy * LF_BLOCK_BYTES;
        if (is_segment_header(log, log->header, index, block))
            own_count++;
        else if (is_header(oracle, block))
            return true;
    }
    /* What was read of it tells which one it is. */
    return own_count == 0 && (index > lf_segment_index(&log->layout, oracle->lsn) ||
                              oracle->lsn == lf_segment_first_lsn(&log->layout, index));
}

static bool some_are_misplaced(const struct rot_oracle *oracle)
{
    uint64_t index = lf_segment_index(&oracle->log->layout, oracle->lsn);

    if (oracle->log->layout.segment_bytes == 0)
        return false;
    while (index < MEMORY_FILES_MAX && !is_misplaced(oracle, index))
        index++;
    return index < MEMORY_FILES_MAX;
}

unsigned rot_oracle_bad_segments(const struct rot_oracle *oracle)
{
    const struct rot_log *log = oracle->log;
    const uint64_t first = lf_segment_index(&log->layout, oracle->mark.oldest_lsn);
    unsigned count = 0;

    if (log->layout.segment_bytes == 0)
        return 0;
    for (uint64_t index = first; index < MEMORY_FILES_MAX; index++) {
        uint8_t blocks[2 * LF_BLOCK_BYTES];
        if (oracle->segments[index] == NULL)
            continue;
        load_segment_header(oracle, index, blocks);
        count += !is_segment_header(log, log->header, index, blocks) ||
                 !is_segment_header(log, log->header, index, blocks + LF_BLOCK_BYTES);
    }
    return count;
}

/* ---- The walk -------------------------------------------------------------------------------- */

static bool accepts(const struct rot_oracle *oracle, const struct lf_epoch_header *header)
{
    if (header->epoch != oracle->number || header->chain != oracle->chain)
        return false;
    if (oracle->incarnation == 0)
        return true;
    return (header->flags & LF_EPOCH_OPEN) != 0
               ? header->incarnation > oracle->incarnation
               : header->incarnation == oracle->incarnation && header->nonce == oracle->nonce;
}

static void step_on(struct rot_oracle *oracle, const struct rot_epoch *epoch)
{
    oracle->lsn = lf_epoch_next_lsn(&epoch->header, &oracle->log->layout);
    oracle->number++;
    oracle->chain = epoch->header.checksum;
    oracle->incarnation = epoch->header.incarnation;
    oracle->nonce = epoch->header.nonce;
    oracle->promised_lsn = greatest(oracle->promised_lsn, epoch->header.promise);
    oracle->last = oracle->epoch = epoch;
    oracle->offset = LF_EPOCH_HEADER_BYTES;
}

/* ---- The break ------------------------------------------------------------------------------- */

/* No file is larger, and no log here has an index that is greater. */
static uint64_t search_end(const struct rot_oracle *oracle)
{
    const uint64_t segment_bytes = oracle->log->layout.segment_bytes;

    return segment_bytes == 0 ? MEMORY_FILE_BYTES_MAX : MEMORY_FILES_MAX * segment_bytes;
}

/* The next block of the search; blocks 0 to 3 of a segment are no part of it. */
static uint64_t next_block(const struct rot_oracle *oracle, uint64_t lsn)
{
    const struct lf_layout *layout = &oracle->log->layout;
    const uint8_t *bytes;

    if (bytes_at(oracle, lsn, &bytes) == 0 && layout->segment_bytes == 0)
        return search_end(oracle);
    lsn += LF_BLOCK_BYTES;
    return greatest(lsn, lf_segment_first_lsn(layout, lf_segment_index(layout, lsn)));
}

struct rest {
    uint64_t promise;
    uint64_t end; /* of the last block that is not zero */
};

static struct rest look_behind(const struct rot_oracle *oracle)
{
    struct rest rest = {.promise = oracle->mark.promise};

    for (uint64_t lsn = oracle->lsn; lsn < search_end(oracle); lsn = next_block(oracle, lsn)) {
        const uint8_t *bytes;
        const struct rot_epoch *epoch = header_at(oracle, lsn);
        uint64_t count = bytes_at(oracle, lsn, &bytes);
        count = count < LF_BLOCK_BYTES ? count : LF_BLOCK_BYTES;
        if (epoch != NULL)
            rest.promise = greatest(rest.promise, epoch->header.promise);
        if (count > 0 && !lf_is_zero(bytes, bytes + count))
            rest.end = lsn + count;
    }
    return rest;
}

static bool has_segments(const struct rot_oracle *oracle)
{
    for (uint64_t index = 0; index < MEMORY_FILES_MAX; index++)
        if (oracle->segments[index] != NULL)
            return true;
    return false;
}

static bool segment_is_missing(const struct rot_oracle *oracle)
{
    if (oracle->log->layout.segment_bytes == 0 || file_at(oracle, oracle->lsn) != NULL)
        return false;
    return oracle->lsn != LF_FIRST_LSN || oracle->mark.oldest_lsn != LF_FIRST_LSN ||
           oracle->mark.epoch != 1 || oracle->mark.incarnation != 0 || has_segments(oracle);
}

/* The mark of a log that was trimmed names an epoch that was on stable storage. */
static bool mark_is_contradicted(const struct rot_oracle *oracle)
{
    const struct rot_epoch *epoch = header_at(oracle, oracle->lsn);
    const uint8_t *bytes;

    if (oracle->lsn != oracle->mark.oldest_lsn)
        return false;
    if (oracle->lsn != LF_FIRST_LSN)
        return true;
    if (epoch != NULL &&
        (epoch->header.epoch != oracle->mark.epoch || epoch->header.chain != oracle->mark.chain))
        return true;
    return oracle->log->layout.segment_bytes == 0 &&
           bytes_at(oracle, LF_FIRST_LSN - LF_BLOCK_BYTES, &bytes) < LF_BLOCK_BYTES;
}

static bool is_corrupt(const struct rot_oracle *oracle, const struct rest *rest)
{
    return rest->promise > oracle->lsn || oracle->incarnation < oracle->mark.incarnation ||
           segment_is_missing(oracle) || some_are_misplaced(oracle) || mark_is_contradicted(oracle);
}

static uint64_t find_resume(const struct rot_oracle *oracle)
{
    uint64_t lsn = oracle->lsn;

    while (lsn < search_end(oracle)) {
        const struct rot_epoch *epoch = header_at(oracle, lsn);
        if (epoch == NULL || epoch->header.epoch < oracle->number ||
            epoch->header.incarnation < oracle->incarnation) {
            lsn = next_block(oracle, lsn);
            continue;
        }
        if (is_whole(oracle, epoch))
            return lsn;
        /* Its blocks are passed over, as far as there are any. */
        for (const uint64_t end = lsn + epoch->extent; lsn < end;)
            lsn = next_block(oracle, lsn);
    }
    return 0;
}

static void go_on_at(struct rot_oracle *oracle, uint64_t lsn)
{
    const struct rot_epoch *epoch = header_at(oracle, lsn);

    oracle->lsn = lsn;
    oracle->number = epoch->header.epoch;
    oracle->chain = epoch->header.chain;
    oracle->incarnation = 0;
    oracle->last = NULL;
}

static struct rot_event judge(struct rot_oracle *oracle)
{
    const struct rest rest = look_behind(oracle);
    const bool closed = oracle->last != NULL && (oracle->last->header.flags & LF_EPOCH_CLOSE) != 0;
    struct rot_event event = {.kind = ROT_END,
                              .tail = {.verdict = closed ? LOGFILE_CLEAN : LOGFILE_TORN,
                                       .end_lsn = oracle->lsn,
                                       .last_epoch = oracle->number - 1,
                                       .incarnation = oracle->incarnation,
                                       .resume_lsn = oracle->lsn}};

    event.tail.promised_lsn = greatest(oracle->promised_lsn, rest.promise);
    if (is_corrupt(oracle, &rest)) {
        event.kind = ROT_DAMAGE;
        event.tail.verdict = LOGFILE_CORRUPT;
        event.tail.resume_lsn = find_resume(oracle);
        oracle->damage_count++;
        if (event.tail.resume_lsn != 0)
            go_on_at(oracle, event.tail.resume_lsn);
    } else if (!closed && rest.end > oracle->lsn) {
        event.tail.cut_bytes = rest.end - oracle->lsn;
    }
    return event;
}

/* ---- Records --------------------------------------------------------------------------------- */

static bool next_record(struct rot_oracle *oracle, struct rot_event *event)
{
    const struct rot_epoch *epoch = oracle->epoch;
    struct lf_record_view view;
    const uint8_t *bytes;

    while (epoch != NULL && oracle->offset < epoch->header.length) {
        const uint64_t lsn = epoch->header.lsn + oracle->offset;
        lf_record_read(epoch->bytes, oracle->offset, &view);
        oracle->offset = view.next;
        if (view.type != LF_RECORD_DATA)
            continue;
        bytes_at(oracle, lsn, &bytes);
        *event = (struct rot_event){
            .kind = ROT_RECORD, .lsn = lsn, .size = view.size, .data = bytes + 8};
        return true;
    }
    return false;
}

struct rot_event rot_oracle_next(struct rot_oracle *oracle)
{
    struct rot_event event;

    while (!next_record(oracle, &event)) {
        const struct rot_epoch *epoch = header_at(oracle, oracle->lsn);
        oracle->epoch = NULL;
        if (epoch == NULL || !accepts(oracle, &epoch->header) || !is_whole(oracle, epoch))
            return judge(oracle);
        step_on(oracle, epoch);
    }
    return event;
}
