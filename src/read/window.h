/* SPDX-License-Identifier: MIT */
/*
 * A window of a log in memory, for reading it from front to back.
 *
 * It starts small and never grows beyond what its owner allows: a file that claims much is not
 * believed.  It never crosses the end of a segment, so what is in it lies next to each other.
 */
#ifndef LF_WINDOW_H
#define LF_WINDOW_H

#include "storage/file.h"

#include <sys/types.h>

#define LF_WINDOW_BYTES_MIN ((size_t)64 << 10)
#define LF_WINDOW_BYTES_MAX ((size_t)1 << 20) /* unless one epoch is larger */

/*
 * A thread that reads a log ahead of the thread that checks it, so that device and processor work at the
 * same time.  Only for logs that are large enough to be worth a thread.
 */
struct lf_window_ahead;

/* Starts to read at the block-aligned `lsn`.  NULL: no memory, or no thread; then read without. */
struct lf_window_ahead *lf_window_ahead_start(struct lf_file *file, uint64_t lsn);
/*
 * As lf_file_read, for `lsn` and `bytes` that are multiples of the block size; waits for the
 * thread.  Cheap when the calls go from front to back, also across segments; else the thread starts
 * again where it is asked to.
 */
ssize_t lf_window_ahead_take(struct lf_window_ahead *ahead, uint64_t lsn, void *buffer,
                             size_t bytes);
/* NULL is allowed.  Waits for a read under way. */
void lf_window_ahead_stop(struct lf_window_ahead *ahead);

struct lf_window {
    struct lf_file *file;
    struct lf_window_ahead *ahead; /* NULL: the window reads for itself */
    bool ahead_tried;
    uint8_t *memory; /* block-aligned; NULL: none yet */
    size_t capacity;
    size_t front;       /* unused bytes of memory before the first byte; a multiple of the block */
    uint64_t lsn;       /* of the first byte; block-aligned */
    size_t bytes;       /* in memory from there on */
    uint64_t limit_lsn; /* nothing from here on is read; LF_LSN_END: no limit */
    /* Bytes that the next read asks for at least: from one block, so that looking for news at the
     * end of a log is cheap, up to what is allowed while reading goes on. */
    size_t read_bytes;
    size_t read_bytes_max;
};

/* Starts empty, without memory. */
void lf_window_init(struct lf_window *window, struct lf_file *file);
void lf_window_free(struct lf_window *window);

/* How many bytes from `lsn` on are in memory. */
static inline size_t lf_window_available(const struct lf_window *window, uint64_t lsn)
{
    if (lsn < window->lsn || lsn - window->lsn >= window->bytes)
        return 0;
    return window->bytes - (size_t)(lsn - window->lsn);
}
/* Where the byte at `lsn` is; valid until the next call that is not const. */
static inline const void *lf_window_at(const struct lf_window *window, uint64_t lsn)
{
    return window->memory + window->front + (lsn - window->lsn);
}
/*
 * Brings `bytes` from the block-aligned `lsn` on into memory, or as many as its segment, or the
 * file, has; more may come along.  Returns how many bytes from there on are in memory; -ENOMEM, or
 * -errno of a read.  Whole blocks that are in memory already are read again only where
 * the window grows, as `bytes` beyond its capacity make it: the caller must know that they are
 * worth it.
 */
ssize_t lf_window_load(struct lf_window *window, uint64_t lsn, uint64_t bytes);
/*
 * For looking from back to front: brings the `bytes` from the block-aligned `lsn` on into memory, before
 * what is there already if that begins where they end, so that none of it is read again.  capacity:
 * what the window may take then.  Returns as lf_window_load.
 */
ssize_t lf_window_load_before(struct lf_window *window, uint64_t lsn, size_t bytes,
                              size_t capacity);
/* Makes the window empty, and its memory at least this large. */
int lf_window_grow(struct lf_window *window, size_t capacity);
/* Reads may ask for this many bytes at a time, from LF_WINDOW_BYTES_MIN to LF_WINDOW_BYTES_MAX. */
void lf_window_allow(struct lf_window *window, uint64_t bytes);
/* Forget what is in memory: the next call reads again. */
void lf_window_forget(struct lf_window *window);

/* Has a thread read ahead from here on, if one can be had.  Once is enough. */
void lf_window_read_ahead(struct lf_window *window);
void lf_window_read_alone(struct lf_window *window);

#endif /* LF_WINDOW_H */
