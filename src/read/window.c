/* SPDX-License-Identifier: MIT */
#include "read/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void lf_window_init(struct lf_window *window, struct lf_file *file)
{
    *window = (struct lf_window){.file = file, .read_bytes_max = LF_WINDOW_BYTES_MIN};
    lf_window_forget(window);
}

static void release(struct lf_window *window)
{
    free(window->memory);
    window->memory = NULL;
    window->capacity = 0;
    window->bytes = 0;
}

void lf_window_free(struct lf_window *window)
{
    lf_window_read_alone(window);
    release(window);
}

void lf_window_forget(struct lf_window *window)
{
    window->bytes = 0;
    window->read_bytes = LF_BLOCK_BYTES;
}

void lf_window_allow(struct lf_window *window, uint64_t bytes)
{
    const uint64_t blocks = bytes - bytes % LF_BLOCK_BYTES;

    window->read_bytes_max =
        (size_t)lf_min(lf_max(blocks, LF_WINDOW_BYTES_MIN), LF_WINDOW_BYTES_MAX);
}

size_t lf_window_available(const struct lf_window *window, uint64_t lsn)
{
    if (lsn < window->lsn || lsn - window->lsn >= window->bytes)
        return 0;
    return window->bytes - (size_t)(lsn - window->lsn);
}

const void *lf_window_at(const struct lf_window *window, uint64_t lsn)
{
    return window->memory + (lsn - window->lsn);
}

/* What it has from `lsn` on: whole blocks, so that reading goes on at an aligned address. */
static size_t bytes_to_keep(const struct lf_window *window, uint64_t lsn)
{
    return lf_window_available(window, lsn) & ~((size_t)LF_BLOCK_BYTES - 1);
}

/* Makes the window start at `lsn`. */
static void slide(struct lf_window *window, uint64_t lsn)
{
    const size_t kept = bytes_to_keep(window, lsn);

    if (kept > 0)
        memmove(window->memory, lf_window_at(window, lsn), kept);
    window->lsn = lsn;
    window->bytes = kept;
}

int lf_window_grow(struct lf_window *window, size_t capacity)
{
    if (capacity <= window->capacity)
        return 0;
    release(window); /* first: the two are never there at once */
    capacity = (size_t)lf_max(capacity, LF_WINDOW_BYTES_MIN);
    window->memory = aligned_alloc(LF_BLOCK_BYTES, capacity);
    window->capacity = window->memory != NULL ? capacity : 0;
    return window->memory != NULL ? 0 : -ENOMEM;
}

/* Reads from the end of the window on until it holds `bytes`, a multiple of the block size, for
 * which it is large enough. */
static int fill(struct lf_window *window, size_t bytes)
{
    const uint64_t lsn = window->lsn + window->bytes;
    uint8_t *to = window->memory + window->bytes;
    const size_t missing = bytes - window->bytes;
    const ssize_t got = window->ahead != NULL ? lf_read_ahead_take(window->ahead, lsn, to, missing)
                                              : lf_file_read(window->file, lsn, to, missing);
    if (got < 0)
        return (int)got;
    window->bytes += (size_t)got;
    return 0;
}

/* More than was asked for, while reading goes on.  Where the window has to grow for that, what is in
 * memory is read again: no more of it than a little. */
static uint64_t bytes_to_hold(const struct lf_window *window, uint64_t lsn, uint64_t bytes)
{
    const uint64_t wanted = lf_max(bytes, window->read_bytes);

    return bytes_to_keep(window, lsn) <= wanted / 16
               ? wanted
               : lf_min(wanted, lf_max(bytes, window->capacity));
}

/* Grows before it slides: where it has to, nothing is kept, and nothing needs to be moved. */
static int load(struct lf_window *window, uint64_t lsn, size_t bytes)
{
    const int error = lf_window_grow(window, bytes);

    if (error != 0)
        return error;
    slide(window, lsn);
    return fill(window, bytes);
}

ssize_t lf_window_load(struct lf_window *window, uint64_t lsn, uint64_t bytes)
{
    if (lsn >= LF_LSN_END)
        return 0;
    const uint64_t room = lf_segment_end_lsn(&window->file->layout, lsn) - lsn;
    bytes = lf_min(bytes, room);
    if (lf_window_available(window, lsn) < bytes) {
        const int error =
            load(window, lsn, (size_t)lf_min(bytes_to_hold(window, lsn, bytes), room));
        if (error != 0)
            return error;
        window->read_bytes = (size_t)lf_min(4 * window->read_bytes, window->read_bytes_max);
    }
    return (ssize_t)lf_window_available(window, lsn);
}

void lf_window_read_ahead(struct lf_window *window)
{
    const uint64_t end_lsn = window->lsn + window->bytes;

    if (window->ahead_tried)
        return;
    window->ahead_tried = true;
    window->ahead = lf_read_ahead_start(window->file, end_lsn - end_lsn % LF_BLOCK_BYTES);
}

void lf_window_read_alone(struct lf_window *window)
{
    lf_read_ahead_stop(window->ahead);
    window->ahead = NULL;
    window->ahead_tried = false;
}
