/* SPDX-License-Identifier: MIT */
#include "read/repair.h"

#include <errno.h>
#include <string.h>

#define COPY_COUNT 2

/* ---- The log's own header -------------------------------------------------------------------*/

static int rewrite_copy(struct lf_store *store, const void *block, unsigned copy)
{
    const uint64_t offset = copy * (uint64_t)LF_BLOCK_BYTES;
    const int error = lf_store_write(store, block, LF_BLOCK_BYTES, offset);

    return error != 0 ? error : lf_store_sync_background(store, offset, offset + LF_BLOCK_BYTES);
}

/* Copies the whole block: what is behind the fields may belong to a feature. */
static int repair_log_header(struct lf_store *store, const bool valid[COPY_COUNT])
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];

    if (valid[0] && valid[1])
        return 0;
    const unsigned good = valid[0] ? 0 : 1;
    const ssize_t got =
        lf_file_read_prologue(&store->file, block, sizeof(block), good * (uint64_t)LF_BLOCK_BYTES);
    if (got != (ssize_t)sizeof(block))
        return got < 0 ? (int)got : -EIO;
    return rewrite_copy(store, block, 1 - good);
}

/* ---- The headers of segments ------------------------------------------------------------------*/

/* The header that the segment was made with. */
static void fill_header(const struct lf_file *file, uint64_t index, uint8_t *block)
{
    struct lf_file_header *header = memset(block, 0, LF_BLOCK_BYTES);

    *header = file->header;
    header->first_lsn = lf_segment_first_lsn(&file->layout, index);
    lf_file_header_seal(block);
}

/* Where both copies are damaged, the epochs that recovery has read there say whose segment it is. */
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
        if (!good[1 - copy])
            fill_header(file, index, block);
        error = lf_file_write_segment_header(file, index, copy, block);
        good[copy] = true;
    }
    return error;
}

int lf_repair_headers(struct lf_store *store, const struct lf_prologue *prologue)
{
    struct lf_file *file = &store->file;
    int error = repair_log_header(store, prologue->header_valid);

    if (!lf_file_is_directory(file))
        return error;
    const struct lf_segment_range range = lf_segments_range(&file->segments);
    for (uint64_t index = range.first; index < range.end && error == 0; index++)
        error = repair_segment(file, index);
    return error;
}
