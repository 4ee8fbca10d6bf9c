/* SPDX-License-Identifier: MIT */
/*
 * Reading on past blocks that the disk cannot give.  An io table shows them as zeros, after some
 * more tries, and keeps which they are: a block costs what is in it, and not what comes after.
 *
 * Only what a medium says of single blocks is passed over, as EIO; any other error ends a reading
 * as ever.  A block of zeros is no header, mark or epoch, so whatever reads through the table takes
 * it for damage; only a payload that no checksum covers may pass, which lf_bad_blocks_touch tells.
 * Blocks 0 to 3 of a log that were read once are remembered, for later reads that fail.
 *
 * One thread at a time.
 */
#ifndef LF_TOOL_BAD_BLOCKS_H
#define LF_TOOL_BAD_BLOCKS_H

#include "format/format.h"
#include "tool/view.h"

#include <stdbool.h>
#include <stdio.h>

/* In place of a segment's index: the one file, or control. */
#define LF_BAD_MAIN UINT64_MAX
#define LF_BAD_OPEN_MAX 32

struct lf_bad_range {
    uint64_t file;     /* index of a segment, or LF_BAD_MAIN */
    uint64_t from, to; /* bytes of it */
    int error;
};

struct lf_bad_blocks {
    struct lf_view view; /* view.io shows the log */
    /* What is open, and as what. */
    struct {
        int fd;
        uint64_t file;
    } open[LF_BAD_OPEN_MAX];
    size_t open_count;
    struct lf_bad_range *ranges;
    size_t count;
    size_t capacity;
    bool has_main[LF_FIRST_LSN / LF_BLOCK_BYTES];
    uint8_t main[LF_FIRST_LSN];
};

/* io: NULL for logfile_io_posix().  The struct must stay where it is while its table is in use. */
void lf_bad_blocks_init(struct lf_bad_blocks *bad, const struct logfile_io *io);
void lf_bad_blocks_free(struct lf_bad_blocks *bad);

/* Whether a block that may hold records could not be read. */
bool lf_bad_blocks_in_epochs(const struct lf_bad_blocks *bad);
/* Whether [from, to) of the log's LSNs, within one segment, has bytes that could not be read. */
bool lf_bad_blocks_touch(const struct lf_bad_blocks *bad, const struct lf_layout *layout,
                         uint64_t from, uint64_t to);
/* Calls visit with a line for each range, as "control: bytes 0 to 4096 cannot be read: ...". */
void lf_bad_blocks_describe(const struct lf_bad_blocks *bad,
                            void (*visit)(void *arg, const char *line), void *arg);

#endif /* LF_TOOL_BAD_BLOCKS_H */
