/* SPDX-License-Identifier: MIT */
/*
 * One thread fills chunks, one caller empties them; a queue of few keeps both busy.  The caller
 * copies a chunk's bytes out, because an epoch may begin in one chunk and end in another.
 *
 * Where the caller leaves the path of the thread, what was read is thrown away and the thread goes
 * on where the caller is.  A chunk that came back short says that its segment, or the file, ends
 * there; the thread then waits to be asked for more.  One that could not be read says nothing: the
 * caller reads for itself, and gets the error if it needs just that block.
 */
#include "read/read_ahead.h"

#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)1 << 20) /* enough for a device to be at its best */
#define CHUNK_COUNT 4u

struct chunk {
    uint64_t lsn;
    size_t asked_bytes;
    ssize_t bytes; /* that there are; -errno */
    uint8_t *memory;
};

struct lf_read_ahead {
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
    bool reading;      /* the chunk behind the queue */
    bool at_end;       /* the thread waits to be asked for another place */
    bool stop;
};

/* ---- The thread: called with the lock ------------------------------------------------------- */

static void step_on(struct lf_read_ahead *ahead, const struct chunk *chunk)
{
    const struct lf_layout *layout = &ahead->file->layout;

    ahead->next_lsn = chunk->lsn + chunk->asked_bytes;
    if (ahead->next_lsn == lf_segment_end_lsn(layout, chunk->lsn))
        ahead->next_lsn += LF_FIRST_LSN; /* the blocks before a segment's first epoch */
}

/* Releases the lock while it reads. */
static void read_chunk(struct lf_read_ahead *ahead)
{
    struct chunk *chunk = &ahead->chunks[(ahead->first + ahead->count) % CHUNK_COUNT];
    const uint64_t lsn = ahead->next_lsn;
    const uint64_t room = lf_segment_end_lsn(&ahead->file->layout, lsn) - lsn;

    chunk->lsn = lsn;
    chunk->asked_bytes = room < CHUNK_BYTES ? (size_t)room : CHUNK_BYTES;
    ahead->reading = true;
    step_on(ahead, chunk);
    pthread_mutex_unlock(&ahead->lock);
    const ssize_t got = lf_file_read(ahead->file, lsn, chunk->memory, chunk->asked_bytes);
    pthread_mutex_lock(&ahead->lock);
    ahead->reading = false;
    chunk->bytes = got;
    ahead->at_end = got < (ssize_t)chunk->asked_bytes;
    ahead->count++;
    pthread_cond_signal(&ahead->changed);
}

static void *run(void *arg)
{
    struct lf_read_ahead *ahead = arg;

    pthread_setname_np(pthread_self(), "lf-read-ahead");
    pthread_mutex_lock(&ahead->lock);
    while (!ahead->stop) {
        if (ahead->at_end || ahead->count == CHUNK_COUNT)
            pthread_cond_wait(&ahead->changed, &ahead->lock); /* for the caller, or its stop */
        else
            read_chunk(ahead);
    }
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

/* ---- The caller ----------------------------------------------------------------------------- */

static bool holds(const struct chunk *chunk, uint64_t lsn)
{
    return lsn >= chunk->lsn && lsn - chunk->lsn < chunk->asked_bytes;
}

static bool is_being_read(const struct lf_read_ahead *ahead, uint64_t lsn)
{
    const struct chunk *chunk = &ahead->chunks[(ahead->first + ahead->count) % CHUNK_COUNT];

    return ahead->reading && holds(chunk, lsn);
}

/* Waits for the chunk that holds `lsn`, at most for two reads, and throws away those before. */
static const struct chunk *await_chunk(struct lf_read_ahead *ahead, uint64_t lsn)
{
    pthread_mutex_lock(&ahead->lock);
    for (;;) {
        while (ahead->count > 0 && !holds(&ahead->chunks[ahead->first], lsn)) {
            ahead->first = (ahead->first + 1) % CHUNK_COUNT;
            ahead->count--;
        }
        if (ahead->count == 0 && !is_being_read(ahead, lsn)) {
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

ssize_t lf_read_ahead_take(struct lf_read_ahead *ahead, uint64_t lsn, void *buffer, size_t bytes)
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

/* ---- Starting and stopping ------------------------------------------------------------------ */

static struct lf_read_ahead *allocate(void)
{
    struct lf_read_ahead *ahead = calloc(1, sizeof(*ahead));

    if (ahead == NULL)
        return NULL;
    ahead->memory = aligned_alloc(LF_BLOCK_BYTES, CHUNK_COUNT * CHUNK_BYTES);
    if (ahead->memory == NULL) {
        free(ahead);
        return NULL;
    }
    for (unsigned i = 0; i < CHUNK_COUNT; i++)
        ahead->chunks[i].memory = ahead->memory + i * CHUNK_BYTES;
    return ahead;
}

static void free_memory(struct lf_read_ahead *ahead)
{
    free(ahead->memory);
    free(ahead);
}

static bool init_locks(struct lf_read_ahead *ahead)
{
    if (pthread_mutex_init(&ahead->lock, NULL) != 0)
        return false;
    if (pthread_cond_init(&ahead->changed, NULL) == 0)
        return true;
    pthread_mutex_destroy(&ahead->lock);
    return false;
}

static void destroy_locks(struct lf_read_ahead *ahead)
{
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
}

struct lf_read_ahead *lf_read_ahead_start(struct lf_file *file, uint64_t lsn)
{
    struct lf_read_ahead *ahead = allocate();

    if (ahead == NULL)
        return NULL;
    ahead->file = file;
    ahead->next_lsn = lsn;
    if (init_locks(ahead)) {
        if (lf_thread_start(&ahead->thread, run, ahead) == 0)
            return ahead;
        destroy_locks(ahead);
    }
    free_memory(ahead);
    return NULL;
}

void lf_read_ahead_stop(struct lf_read_ahead *ahead)
{
    if (ahead == NULL)
        return;
    pthread_mutex_lock(&ahead->lock);
    ahead->stop = true;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
    destroy_locks(ahead);
    free_memory(ahead);
}
