/* SPDX-License-Identifier: MIT */
#include "read/prologue.h"

#include "logfile.h"
#include "storage/store.h"

#include <errno.h>
#include <string.h>

#define COPY_COUNT 2

/* ---- Blocks 0 to 3 ------------------------------------------------------------------------- */

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
    /* Whole copies may differ in their generation and what belongs to it, in no more. */
    if (valid[0] && valid[1] &&
        (!lf_file_header_same_log(copy[0], copy[1]) || copy[0]->first_lsn != copy[1]->first_lsn ||
         (copy[0]->generation == copy[1]->generation &&
          memcmp(copy[0], copy[1], LF_BLOCK_BYTES) != 0)))
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
    /* A segment by itself has a header too, but no trim marks. */
    if ((prologue->header.segment_bytes != 0) != lf_file_is_directory(file) ||
        prologue->header.first_lsn != LF_FIRST_LSN)
        return LOGFILE_EFORMAT;
    return trim_mark_choose(blocks + 2 * LF_BLOCK_BYTES, prologue);
}

int lf_prologue_read_mark(struct lf_file *file, struct lf_prologue *prologue)
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

/* ---- Repair -------------------------------------------------------------------------------- */

/* If both copies are damaged, the epochs that recovery has read there say whose segment it is. */
static int repair_segment(struct lf_file *file, uint64_t index)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[COPY_COUNT * LF_BLOCK_BYTES] = {0};
    bool good[COPY_COUNT];
    int error = 0;

    const ssize_t got = lf_file_read_segment_header(file, index, blocks, sizeof(blocks));
    if (got < 0)
        return got == -ENOENT ? 0 : (int)got;
    for (unsigned copy = 0; copy < COPY_COUNT; copy++)
        good[copy] = lf_file_header_is_of_segment(blocks + copy * (size_t)LF_BLOCK_BYTES,
                                                  &file->header, index);
    for (unsigned copy = 0; copy < COPY_COUNT && error == 0; copy++) {
        uint8_t *block = blocks + (good[1 - copy] ? 1 - copy : copy) * (size_t)LF_BLOCK_BYTES;
        if (good[copy])
            continue;
        if (!good[1 - copy]) { /* the header that the segment was made with */
            struct lf_file_header *header = memset(block, 0, LF_BLOCK_BYTES);
            *header = file->header;
            header->first_lsn = lf_segment_first_lsn(&file->layout, index);
            lf_file_header_seal(block);
        }
        error = lf_file_write_segment_header(file, index, copy, block);
        good[copy] = true;
    }
    return error;
}

int lf_prologue_repair(struct lf_store *store, const struct lf_prologue *prologue)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];
    struct lf_file *file = &store->file;
    const bool *valid = prologue->header_valid;
    int error = 0;

    /* 1. The log's own header.  Copies the whole block: what follows the fields may belong to a
     * feature. */
    if (!valid[0] || !valid[1]) {
        const uint64_t from = valid[0] ? 0 : LF_BLOCK_BYTES;
        const uint64_t to = LF_BLOCK_BYTES - from;
        const ssize_t got = lf_file_read_prologue(file, block, sizeof(block), from);
        if (got != (ssize_t)sizeof(block))
            error = got < 0 ? (int)got : -EIO;
        if (error == 0)
            error = lf_store_write(store, block, LF_BLOCK_BYTES, to);
        if (error == 0)
            error = lf_store_sync_background(store, to, to + LF_BLOCK_BYTES);
    }
    if (!lf_file_is_directory(file))
        return error;
    /* 2. Those of its segments. */
    const struct lf_segment_range range = lf_segments_range(&file->segments);
    for (uint64_t index = range.first; index < range.end && error == 0; index++)
        error = repair_segment(file, index);
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
