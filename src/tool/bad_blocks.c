/* SPDX-License-Identifier: MIT */
#include "tool/bad_blocks.h"

#include "storage/file.h"
#include "storage/io.h"
#include "logfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How often a block is asked for before it is given up: some come at the second time. */
#define TRIES 3

/* ---- Which blocks they are --------------------------------------------------------------------*/

/* What a medium, or a file system that checks its blocks, says of those that are bad.  When a device
 * is gone others come as well, and nothing can be read. */
static bool is_of_a_block(ssize_t error)
{
    return error == -EIO || error == -ENODATA || error == -EREMOTEIO || error == -EILSEQ ||
           error == -EBADMSG || error == -EUCLEAN;
}

static bool is_bad(const struct lf_bad_blocks *bad, uint64_t file, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < bad->count; i++) {
        const struct lf_bad_range *range = &bad->ranges[i];
        if (range->file == file && from < range->to && range->from < to)
            return true;
    }
    return false;
}

/* Reading goes forward, so that most follow the one before.  0 or -ENOMEM. */
static int note(struct lf_bad_blocks *bad, uint64_t file, uint64_t from, int error)
{
    const struct lf_bad_range range = {file, from, from + LF_BLOCK_BYTES, error};

    for (size_t i = 0; i < bad->count; i++) {
        struct lf_bad_range *before = &bad->ranges[i];
        if (before->file == file && before->to == from && before->error == error) {
            before->to = range.to;
            return 0;
        }
    }
    if (bad->count == bad->capacity) {
        const size_t capacity = 2 * bad->capacity + 16;
        struct lf_bad_range *more = realloc(bad->ranges, capacity * sizeof(*more));
        if (more == NULL)
            return -ENOMEM;
        bad->ranges = more;
        bad->capacity = capacity;
    }
    bad->ranges[bad->count++] = range;
    return 0;
}

/* ---- What is open -----------------------------------------------------------------------------*/

static int bad_open(void *context, int directory, const char *name, unsigned flags, mode_t mode)
{
    struct lf_bad_blocks *bad = context;
    const struct logfile_io *base = bad->view.base;
    char wanted[LF_SEGMENT_NAME_BYTES];
    const int fd = base->open(base->context, directory, name, flags, mode);

    if (fd < 0 || (flags & LOGFILE_IO_OPEN_DIRECTORY) != 0)
        return fd;
    if (bad->open_count == LF_BAD_OPEN_MAX) {
        (void)base->close(base->context, fd);
        return -EMFILE;
    }
    bad->open[bad->open_count].fd = fd;
    bad->open[bad->open_count].file = LF_BAD_MAIN;
    if (directory != LOGFILE_IO_HERE) {
        const uint64_t index = strtoull(name, NULL, 16);
        lf_file_segment_name(index, wanted);
        if (strcmp(name, wanted) == 0)
            bad->open[bad->open_count].file = index;
    }
    bad->open_count++;
    return fd;
}

static int bad_close(void *context, int fd)
{
    struct lf_bad_blocks *bad = context;
    const struct logfile_io *base = bad->view.base;

    for (size_t i = 0; i < bad->open_count; i++)
        if (bad->open[i].fd == fd) {
            bad->open[i] = bad->open[--bad->open_count];
            break;
        }
    return base->close(base->context, fd);
}

static uint64_t file_of(const struct lf_bad_blocks *bad, int fd)
{
    for (size_t i = 0; i < bad->open_count; i++)
        if (bad->open[i].fd == fd)
            return bad->open[i].file;
    return LF_BAD_MAIN;
}

/* ---- Reading ----------------------------------------------------------------------------------*/

static bool is_in_main(uint64_t file, uint64_t offset)
{
    return file == LF_BAD_MAIN && offset < LF_FIRST_LSN;
}

/* The block at `offset`, a multiple of its size, or what stands for it.  How many bytes the file has
 * of it, or -errno. */
static ssize_t read_block(struct lf_bad_blocks *bad, int fd, uint64_t offset, uint8_t *block)
{
    const struct logfile_io *base = bad->view.base;
    const uint64_t file = file_of(bad, fd);
    const bool known = is_bad(bad, file, offset, offset + LF_BLOCK_BYTES);
    struct logfile_io_stat status;
    ssize_t got = -EIO;

    /* 1. What the disk has, which is remembered of blocks 0 to 3. */
    for (int i = 0; i < TRIES && !known && is_of_a_block(got); i++)
        got = lf_io_read_full(base, fd, block, LF_BLOCK_BYTES, offset);
    if (!known && !is_of_a_block(got)) {
        if (is_in_main(file, offset) && got == LF_BLOCK_BYTES) {
            memcpy(bad->main + offset, block, LF_BLOCK_BYTES);
            bad->has_main[offset / LF_BLOCK_BYTES] = true;
        }
        return got;
    }
    /* 2. It gives nothing: what the block was before, or zeros. */
    if (is_in_main(file, offset) && bad->has_main[offset / LF_BLOCK_BYTES])
        memcpy(block, bad->main + offset, LF_BLOCK_BYTES);
    else
        memset(block, 0, LF_BLOCK_BYTES);
    /* 3. How much of that is part of the file: a disk that gives nothing does not say where it
     * ends. */
    int error = base->stat(base->context, fd, &status);
    if (error != 0 || status.bytes <= offset)
        return error;
    if (!known)
        error = note(bad, file, offset, (int)got);
    if (error != 0)
        return error;
    return status.bytes - offset < LF_BLOCK_BYTES ? (ssize_t)(status.bytes - offset)
                                                  : (ssize_t)LF_BLOCK_BYTES;
}

static ssize_t read_blocks(struct lf_bad_blocks *bad, int fd, uint8_t *buffer, size_t bytes,
                           uint64_t offset)
{
    _Alignas(LF_BLOCK_BYTES) uint8_t block[LF_BLOCK_BYTES];
    size_t done = 0;

    while (done < bytes) {
        const uint64_t within = (offset + done) % LF_BLOCK_BYTES;
        const ssize_t got = read_block(bad, fd, offset + done - within, block);
        if (got < 0)
            return done > 0 ? (ssize_t)done : got;
        if ((uint64_t)got <= within)
            break;
        size_t count = (size_t)got - within;
        if (count > bytes - done)
            count = bytes - done;
        memcpy(buffer + done, block + within, count);
        done += count;
        if (got < LF_BLOCK_BYTES)
            break;
    }
    return (ssize_t)done;
}

static ssize_t bad_read(void *context, int fd, void *buffer, size_t bytes, uint64_t offset)
{
    struct lf_bad_blocks *bad = context;
    const struct logfile_io *base = bad->view.base;
    const uint64_t file = file_of(bad, fd);
    ssize_t got = -EIO;

    if (!is_in_main(file, offset) && !is_bad(bad, file, offset, offset + bytes))
        got = base->read(base->context, fd, buffer, bytes, offset);
    return is_of_a_block(got) ? read_blocks(bad, fd, buffer, bytes, offset) : got;
}

/* ---- Beginning and end ------------------------------------------------------------------------*/

void lf_bad_blocks_init(struct lf_bad_blocks *bad, const struct logfile_io *io)
{
    memset(bad, 0, sizeof(*bad));
    lf_view_init(&bad->view, io);
    bad->view.io.open = bad_open;
    bad->view.io.close = bad_close;
    bad->view.io.read = bad_read;
}

void lf_bad_blocks_free(struct lf_bad_blocks *bad)
{
    free(bad->ranges);
    bad->ranges = NULL;
    bad->count = bad->capacity = 0;
}

/* ---- What is said of them ---------------------------------------------------------------------*/

bool lf_bad_blocks_in_epochs(const struct lf_bad_blocks *bad)
{
    for (size_t i = 0; i < bad->count; i++)
        if (bad->ranges[i].to > LF_FIRST_LSN)
            return true;
    return false;
}

bool lf_bad_blocks_touch(const struct lf_bad_blocks *bad, const struct lf_layout *layout,
                         uint64_t from, uint64_t to)
{
    if (bad->count == 0)
        return false;
    if (layout->segment_bytes == 0)
        return is_bad(bad, LF_BAD_MAIN, from, to);
    const uint64_t index = lf_segment_index(layout, from);
    const uint64_t start = index * layout->segment_bytes;
    return is_bad(bad, index, from - start, to - start);
}

void lf_bad_blocks_describe(const struct lf_bad_blocks *bad,
                            void (*visit)(void *arg, const char *line), void *arg)
{
    char name[LF_SEGMENT_NAME_BYTES + 2], line[160];

    for (size_t i = 0; i < bad->count; i++) {
        const struct lf_bad_range *range = &bad->ranges[i];
        name[0] = '\0';
        if (range->file != LF_BAD_MAIN) {
            lf_file_segment_name(range->file, name);
            strcat(name, ": ");
        }
        snprintf(line, sizeof(line), "%sbytes %" PRIu64 " to %" PRIu64 " cannot be read: %s", name,
                 range->from, range->to, logfile_strerror(range->error));
        visit(arg, line);
    }
}
