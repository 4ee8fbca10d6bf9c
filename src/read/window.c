/* SPDX-License-Identifier: MIT */
#include "read/window.h"

#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading ahead ------------------------------------------------------------------------- */

/*
 * One thread fills chunks, one caller empties them; a queue of few keeps both busy.  The caller
 * copies a chunk's bytes out, because an epoch may begin in one chunk and end in another.
 *
 * If the caller leaves the path of the thread, what was read is thrown away and the thread goes
 * on where the caller is.  A chunk that came back short says that its segment, or the file, ends
 * there; the thread then waits to be asked for more.  One that could not be read says nothing: the
 * caller reads for itself, and gets the error if it needs just that block.
 */

#define CHUNK_BYTES ((size_t)1 << 20) /* enough for a device to be at its best */
#define CHUNK_COUNT 4u

struct chunk {
    uint64_t lsn;
    size_t asked_bytes;
    ssize_t bytes; /* that there are; -errno */
    uint8_t *memory;
};

struct lf_window_ahead {
    struct lf_file *file;
    uint8_t *memory;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock, but for the memory of chunks: it is the thread's until the chunk is in the queue,
     * then the caller's. */
    struct chunk chunks[CHUNK_COUNT];
    unsigned first; /* of those in the queue */
    unsigned count;
    uint64_t next_lsn; /* what the thread reads next */
    bool reading;      /* the chunk after the queue */
    bool at_end;       /* the thread waits to be asked for another place */
    bool stop;
};

/* ---- Reading ahead, the thread --------------------------------------------------------------- */

static void *run(void *arg)
{
    struct lf_window_ahead *ahead = arg;

    pthread_setname_np(pthread_self(), "lf-read-ahead");
    pthread_mutex_lock(&ahead->lock);
    while (!ahead->stop) {
        /* 1. Nothing to do: waits for the caller, or its stop. */
        if (ahead->at_end || ahead->count == CHUNK_COUNT) {
            pthread_cond_wait(&ahead->changed, &ahead->lock);
            continue;
        }
        /* 2. Takes the chunk after the queue, at most to the end of a segment, and says where the next
         * one is: past the blocks before the next segment's first epoch. */
        struct chunk *chunk = &ahead->chunks[(ahead->first + ahead->count) % CHUNK_COUNT];
        chunk->lsn = ahead->next_lsn;
        const uint64_t end_lsn = lf_segment_end_lsn(&ahead->file->layout, chunk->lsn);
        chunk->asked_bytes = (size_t)lf_min(end_lsn - chunk->lsn, CHUNK_BYTES);
        ahead->next_lsn = chunk->lsn + chunk->asked_bytes;
        if (ahead->next_lsn == end_lsn)
            ahead->next_lsn += LF_FIRST_LSN;
        /* 3. Reads it without the lock, and puts it in the queue. */
        ahead->reading = true;
        pthread_mutex_unlock(&ahead->lock);
        chunk->bytes = lf_file_read(ahead->file, chunk->lsn, chunk->memory, chunk->asked_bytes);
        pthread_mutex_lock(&ahead->lock);
        ahead->reading = false;
        ahead->at_end = chunk->bytes < (ssize_t)chunk->asked_bytes;
        ahead->count++;
        pthread_cond_signal(&ahead->changed);
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

/* ---- Reading ahead, the caller ----------------------------------------------------------------------------- */

static bool holds(const struct chunk *chunk, uint64_t lsn)
{
    return lsn >= chunk->lsn && lsn - chunk->lsn < chunk->asked_bytes;
}

/* Waits for the chunk that holds `lsn`, at most for two reads, and throws away those before. */
static const struct chunk *await_chunk(struct lf_window_ahead *ahead, uint64_t lsn)
{
    pthread_mutex_lock(&ahead->lock);
    for (;;) {
        while (ahead->count > 0 && !holds(&ahead->chunks[ahead->first], lsn)) {
            ahead->first = (ahead->first + 1) % CHUNK_COUNT;
            ahead->count--;
        }
        const struct chunk *next = &ahead->chunks[(ahead->first + ahead->count) % CHUNK_COUNT];
        if (ahead->count == 0 && !(ahead->reading && holds(next, lsn))) {
            ahead->next_lsn = lsn;
            ahead->at_end = false;
        }
        pthread_cond_signal(&ahead->changed); /* there is room, or another place to read */
        if (ahead->count > 0)
            break;
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    }
    pthread_mutex_unlock(&ahead->lock);
    return &ahead->chunks[ahead->first];
}

ssize_t lf_window_ahead_take(struct lf_window_ahead *ahead, uint64_t lsn, void *buffer,
                             size_t bytes)
{
    const uint64_t room = lf_segment_end_lsn(&ahead->file->layout, lsn) - lsn;
    size_t done = 0;
    size_t count = 1;

    if (bytes > room)
        bytes = (size_t)room;
    while (done < bytes && count > 0) {
        const struct chunk *chunk = await_chunk(ahead, lsn + done);
        const size_t from = (size_t)(lsn + done - chunk->lsn);
        if (chunk->bytes < 0)
            return lf_file_read(ahead->file, lsn, buffer, bytes);
        count = (size_t)chunk->bytes > from ? (size_t)chunk->bytes - from : 0;
        if (count > bytes - done)
            count = bytes - done;
        memcpy((uint8_t *)buffer + done, chunk->memory + from, count);
        done += count;
    }
    return (ssize_t)done;
}

/* ---- Reading ahead, starting and stopping ---------------------------------------------------- */

static void free_ahead(struct lf_window_ahead *ahead)
{
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    free(ahead->memory);
    free(ahead);
}

struct lf_window_ahead *lf_window_ahead_start(struct lf_file *file, uint64_t lsn)
{
    struct lf_window_ahead *ahead = calloc(1, sizeof(*ahead));

    if (ahead == NULL)
        return NULL;
    ahead->file = file;
    ahead->next_lsn = lsn;
    if (pthread_mutex_init(&ahead->lock, NULL) != 0) {
        free(ahead);
        return NULL;
    }
    if (pthread_cond_init(&ahead->changed, NULL) != 0) {
        pthread_mutex_destroy(&ahead->lock);
        free(ahead);
        return NULL;
    }
    ahead->memory = aligned_alloc(LF_BLOCK_BYTES, CHUNK_COUNT * CHUNK_BYTES);
    for (unsigned i = 0; i < CHUNK_COUNT && ahead->memory != NULL; i++)
        ahead->chunks[i].memory = ahead->memory + i * CHUNK_BYTES;
    if (ahead->memory != NULL && lf_thread_start(&ahead->thread, run, ahead) == 0)
        return ahead;
    free_ahead(ahead);
    return NULL;
}

void lf_window_ahead_stop(struct lf_window_ahead *ahead)
{
    if (ahead == NULL)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->stop = true;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
    free_ahead(ahead);
}

/* ---- The window ---------------------------------------------------------------------------- */

void lf_window_init(struct lf_window *window, struct lf_file *file)
{
    *window = (struct lf_window){
        .file = file, .read_bytes_max = LF_WINDOW_BYTES_MIN, .limit_lsn = LF_LSN_END};
    lf_window_forget(window);
}

static void release(struct lf_window *window)
{
    free(window->memory);
    window->memory = NULL;
    window->capacity = 0;
    window->bytes = 0;
    window->front = 0;
}

void lf_window_free(struct lf_window *window)
{
    lf_window_read_alone(window);
    release(window);
}

void lf_window_forget(struct lf_window *window)
{
    window->bytes = 0;
    window->front = 0;
    window->read_bytes = LF_BLOCK_BYTES;
}

void lf_window_allow(struct lf_window *window, uint64_t bytes)
{
    const uint64_t blocks = bytes - bytes % LF_BLOCK_BYTES;

    window->read_bytes_max =
        (size_t)lf_min(lf_max(blocks, LF_WINDOW_BYTES_MIN), LF_WINDOW_BYTES_MAX);
}

/* What it has from `lsn` on: whole blocks, so that reading goes on at an aligned address. */
static size_t bytes_to_keep(const struct lf_window *window, uint64_t lsn)
{
    return lf_window_available(window, lsn) & ~((size_t)LF_BLOCK_BYTES - 1);
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

ssize_t lf_window_load(struct lf_window *window, uint64_t lsn, uint64_t bytes)
{
    if (lsn >= window->limit_lsn)
        return 0;
    const uint64_t end_lsn = lf_segment_end_lsn(&window->file->layout, lsn);
    const uint64_t room = lf_min(end_lsn, window->limit_lsn) - lsn;
    bytes = lf_min(bytes, room);
    if (lf_window_available(window, lsn) >= bytes)
        return (ssize_t)lf_window_available(window, lsn);

    /* 1. More than was asked for, while reading goes on.  If the window has to grow for that, what is
     * in memory is read again: no more of it than a little. */
    uint64_t wanted = lf_max(bytes, window->read_bytes);
    if (bytes_to_keep(window, lsn) > wanted / 16)
        wanted = lf_min(wanted, lf_max(bytes, window->capacity));
    wanted = lf_min(wanted, room);

    /* 2. Grow before it slides: where it has to, nothing is kept, and nothing needs to be moved. */
    const int error = lf_window_grow(window, (size_t)wanted);
    if (error != 0)
        return error;
    const size_t kept = bytes_to_keep(window, lsn);
    if (kept > 0)
        memmove(window->memory, lf_window_at(window, lsn), kept);
    window->front = 0;
    window->lsn = lsn;
    window->bytes = kept;

    /* 3. Read on from what was kept. */
    uint8_t *to = window->memory + kept;
    const size_t missing = (size_t)wanted - kept;
    const ssize_t got = window->ahead != NULL
                            ? lf_window_ahead_take(window->ahead, lsn + kept, to, missing)
                            : lf_file_read(window->file, lsn + kept, to, missing);
    if (got < 0)
        return got;
    window->bytes += (size_t)got;
    window->read_bytes = (size_t)lf_min(4 * window->read_bytes, window->read_bytes_max);
    return (ssize_t)lf_window_available(window, lsn);
}

ssize_t lf_window_load_before(struct lf_window *window, uint64_t lsn, size_t bytes, size_t capacity)
{
    const bool joins = window->bytes > 0 && window->lsn == lsn + bytes;

    if (lsn >= window->limit_lsn)
        return 0;
    /* 1. Without room in front, what is there moves to the end of the memory, or of a larger one. */
    if (!joins)
        window->bytes = 0;
    if (window->capacity < capacity || !joins || window->front < bytes) {
        const uint8_t *from = window->memory + window->front;
        uint8_t *memory = window->memory;
        if (window->capacity < capacity)
            memory = aligned_alloc(LF_BLOCK_BYTES, capacity);
        if (memory == NULL)
            return -ENOMEM;
        capacity = (size_t)lf_max(window->capacity, capacity);
        if (capacity < window->bytes + bytes)
            window->bytes = 0; /* and if not even that helps, the caller asks for too much */
        const size_t front = (capacity - window->bytes) & ~((size_t)LF_BLOCK_BYTES - 1);
        if (window->bytes > 0)
            memmove(memory + front, from, window->bytes);
        if (memory != window->memory)
            free(window->memory);
        window->memory = memory;
        window->capacity = capacity;
        window->front = front;
    }
    /* 2. Read.  Where the file ends halfway, nothing follows it. */
    uint8_t *to = window->memory + window->front - bytes;
    const ssize_t got = lf_file_read(window->file, lsn, to, bytes);
    if (got < 0) {
        window->bytes = 0;
        return got;
    }
    window->bytes = (size_t)got == bytes ? window->bytes + bytes : (size_t)got;
    window->front -= bytes;
    window->lsn = lsn;
    return (ssize_t)window->bytes;
}

void lf_window_read_ahead(struct lf_window *window)
{
    const uint64_t end_lsn = window->lsn + window->bytes;

    if (window->ahead_tried)
        return;
    window->ahead_tried = true;
    window->ahead = lf_window_ahead_start(window->file, end_lsn - end_lsn % LF_BLOCK_BYTES);
}

void lf_window_read_alone(struct lf_window *window)
{
    lf_window_ahead_stop(window->ahead);
    window->ahead = NULL;
    window->ahead_tried = false;
}
