/* SPDX-License-Identifier: MIT */
/*
 * One log file: creating, opening, locking, and making extents durable.
 *
 * A log comes into being whole: its first blocks are written and synced under a temporary name, the
 * writer's lock is taken, and only then does it get its name, which is never somebody else's.  A
 * crash before that leaves a `<path>.new-*` file, which nobody ever opens.
 *
 * A failed sync is reported once per open file, to whichever sync comes first, and two threads sync
 * this one: the flusher and the preparer.  A flusher whose own sync succeeded may therefore not
 * acknowledge anything yet: the failure that concerns its epoch may have been given to a sync of
 * the preparer that has not come back.  So every sync, before it counts as a success, waits for
 * the others that were under way when it ended, and then looks at `failed`.
 */
#include "store.h"

#include "atomic.h"
#include "io.h"
#include "lf_assert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MESSAGE_BYTES 256
#define PATH_SHOWN_MAX 120 /* bytes of a path in a message */
#define DEFAULT_MODE 0644  /* less the umask */
#define PROLOGUE_BYTES ((size_t)LF_FIRST_LSN)
#define OPEN_TRIES_MAX 16 /* other openers may create and remove the file for ever */

/* ---- Failure ----------------------------------------------------------------------------------*/

/* Returns whether this is the first failure. */
static bool note_failure(struct lf_store *store, int error, const char *call, uint64_t offset)
{
    pthread_mutex_lock(&store->failure_lock);
    bool first = store->failure.error == 0;
    if (first) {
        store->failure.error = error;
        store->failure.offset = offset;
        snprintf(store->failure.call, sizeof store->failure.call, "%s", call);
        /* S1: pairs with lf_store_has_failed: what it turns away was told of the failure. */
        lf_store_release_32(&store->failed, 1);
    }
    pthread_mutex_unlock(&store->failure_lock);
    return first;
}

static void announce_failure(struct lf_store *store)
{
    if (store->on_failure != NULL)
        store->on_failure(store->on_failure_arg);
}

int lf_store_fail(struct lf_store *store, int error, const char *call, uint64_t offset)
{
    if (note_failure(store, error, call, offset))
        announce_failure(store);
    return error;
}

bool lf_store_has_failed(const struct lf_store *store)
{
    /* S1: pairs with lf_store_fail. */
    return lf_load_acquire_32(&store->failed) != 0;
}

void lf_store_failure(struct lf_store *store, struct logfile_failure *out)
{
    pthread_mutex_lock(&store->failure_lock);
    *out = store->failure;
    pthread_mutex_unlock(&store->failure_lock);
}

/* ---- Writing and syncing ----------------------------------------------------------------------*/

static void begin_sync(struct lf_store *store)
{
    pthread_mutex_lock(&store->failure_lock);
    store->syncs_begun_count++;
    pthread_mutex_unlock(&store->failure_lock);
}

/*
 * Waits for the sync of the other thread, where one is under way: at most for as long as that sync
 * takes.  Counts are enough to tell, because there is no third thread.
 */
static void end_sync(struct lf_store *store)
{
    pthread_mutex_lock(&store->failure_lock);
    store->syncs_ended_count++;
    pthread_cond_broadcast(&store->sync_ended);
    uint64_t begun_count = store->syncs_begun_count;
    while (store->syncs_ended_count < begun_count)
        pthread_cond_wait(&store->sync_ended, &store->failure_lock);
    pthread_mutex_unlock(&store->failure_lock);
}

/* Turns the result of a call that syncs into the answer.  The failure is noted before the sync
 * counts as ended, and announced after, so that the other thread does not wait for on_failure. */
static int settle_sync(struct lf_store *store, int error, const char *call, uint64_t offset)
{
    bool first = error != 0 && note_failure(store, error, call, offset);
    end_sync(store);
    if (first)
        announce_failure(store);
    if (error != 0)
        return error;
    return lf_store_has_failed(store) ? LOGFILE_EFAILED : 0;
}

static int write_blocks(struct lf_store *store, const void *buffer, size_t bytes, uint64_t offset,
                        unsigned flags)
{
    LF_ASSERT(bytes % LF_BLOCK_BYTES == 0 && offset % LF_BLOCK_BYTES == 0);
    int error = lf_io_write_full(store->io, store->fd, buffer, bytes, offset, flags);
    if (error == 0) /* relaxed: a statistic, ordered with nothing */
        lf_fetch_add_relaxed_64(&store->device_bytes, bytes);
    return error;
}

int lf_store_write(struct lf_store *store, const void *buffer, size_t bytes, uint64_t offset)
{
    if (lf_store_has_failed(store))
        return LOGFILE_EFAILED;
    int error = write_blocks(store, buffer, bytes, offset, 0);
    return error != 0 ? lf_store_fail(store, error, "write", offset) : 0;
}

int lf_store_sync(struct lf_store *store, uint64_t offset)
{
    if (lf_store_has_failed(store))
        return LOGFILE_EFAILED;
    begin_sync(store);
    int error = store->io->sync(store->io->context, store->fd);
    return settle_sync(store, error, "sync", offset);
}

static int write_dsync(struct lf_store *store, const void *buffer, size_t bytes, uint64_t offset)
{
    if (lf_store_has_failed(store))
        return LOGFILE_EFAILED;
    begin_sync(store);
    int error = write_blocks(store, buffer, bytes, offset, LOGFILE_IO_WRITE_DSYNC);
    return settle_sync(store, error, "write", offset);
}

int lf_store_commit(struct lf_store *store, const void *buffer, size_t bytes, uint64_t offset)
{
    if (store->sync == LOGFILE_SYNC_NONE)
        return lf_store_write(store, buffer, bytes, offset);
    /* Relaxed: a statistic, ordered with nothing. */
    lf_fetch_add_relaxed_64(&store->sync_count, 1);
    if (store->sync == LOGFILE_SYNC_DSYNC)
        return write_dsync(store, buffer, bytes, offset);
    int error = lf_store_write(store, buffer, bytes, offset);
    return error != 0 ? error : lf_store_sync(store, offset);
}

int lf_store_cut(struct lf_store *store, uint64_t end)
{
    LF_ASSERT(end % LF_BLOCK_BYTES == 0);
    int error = store->io->truncate(store->io->context, store->fd, end);
    return error != 0 ? error : lf_store_sync(store, end);
}

void lf_store_shrink(struct lf_store *store, uint64_t end)
{
    (void)store->io->truncate(store->io->context, store->fd, end);
}

void lf_store_discard(struct lf_store *store, const char *path)
{
    (void)store->io->truncate(store->io->context, store->fd, 0);
    (void)store->io->unlink(store->io->context, path);
}

/* ---- Opening ----------------------------------------------------------------------------------*/

struct opening {
    const char *path;
    const struct logfile_options *options;
    const struct lf_store_create *create;
    char *message;
    bool direct; /* try it */
};

static const char *reason_text(const struct opening *opening, int error)
{
    if (error == -EINVAL && opening->direct)
        return "Invalid argument; does the file system take direct I/O?";
    return logfile_strerror(error);
}

/* The end of a long path is kept: it tells more than its start. */
static int complain(const struct opening *opening, const char *step, int error)
{
    size_t length = strlen(opening->path);
    bool whole = length <= PATH_SHOWN_MAX;
    snprintf(opening->message, MESSAGE_BYTES, "%s%s: %s: %s", whole ? "" : "...",
             opening->path + (whole ? 0 : length - PATH_SHOWN_MAX), step,
             reason_text(opening, error));
    return error;
}

static unsigned open_flags(const struct opening *opening)
{
    return LOGFILE_IO_OPEN_WRITE | (opening->direct ? LOGFILE_IO_OPEN_DIRECT : 0);
}

/* Leaves no descriptor, and no lock, behind an error. */
static int give_up(struct lf_store *store, int error)
{
    (void)store->io->close(store->io->context, store->fd);
    store->fd = -1;
    return error;
}

static int lock_file(struct lf_store *store, const struct opening *opening)
{
    int error = store->io->lock(store->io->context, store->fd);
    if (error == 0)
        return 0;
    return complain(opening, "lock", error == -EAGAIN ? LOGFILE_ELOCKED : error);
}

/* A reason not to touch what the name led to, or 0. */
static int check_kind(struct lf_store *store, const struct opening *opening)
{
    struct logfile_io_stat status;
    int error = store->io->stat(store->io->context, store->fd, &status);
    if (error == 0 && status.kind != LOGFILE_IO_REGULAR)
        error = status.kind == LOGFILE_IO_DIRECTORY ? -EISDIR : -ESPIPE;
    return error == 0 ? 0 : complain(opening, "open", error);
}

/* Some file systems take O_DIRECT when opening and refuse it at the first transfer. */
static int try_direct_read(struct lf_store *store, const struct opening *opening)
{
    void *block = NULL;
    if (posix_memalign(&block, LF_BLOCK_BYTES, LF_BLOCK_BYTES) != 0)
        return complain(opening, "open", -ENOMEM);
    ssize_t count = store->io->read(store->io->context, store->fd, block, LF_BLOCK_BYTES, 0);
    free(block);
    return count < 0 ? complain(opening, "read", (int)count) : 0;
}

/* Whoever made the file may have died between giving it its name and making that durable. */
static int sync_name(struct lf_store *store, const struct opening *opening)
{
    int error = store->io->sync_directory(store->io->context, opening->path);
    return error == 0 ? 0 : complain(opening, "sync of its directory", error);
}

static int open_existing(struct lf_store *store, const struct opening *opening)
{
    int fd = store->io->open(store->io->context, opening->path, open_flags(opening), 0);
    if (fd < 0)
        return complain(opening, "open", fd);
    store->fd = fd;
    int error = check_kind(store, opening);
    if (error == 0 && opening->direct)
        error = try_direct_read(store, opening);
    if (error == 0)
        error = lock_file(store, opening);
    if (error == 0)
        error = sync_name(store, opening);
    return error == 0 ? 0 : give_up(store, error);
}

/* ---- Creating ---------------------------------------------------------------------------------*/

static int fill_random(void *bytes, size_t size)
{
    ssize_t count;
    do {
        count = getrandom(bytes, size, 0);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (size_t)count == size ? 0 : -EIO;
}

static int fill_file_header(struct lf_file_header *header, uint64_t slot_bytes)
{
    memcpy(header->magic, LF_FILE_MAGIC, sizeof header->magic);
    header->version = LF_FORMAT_VERSION;
    header->byte_order = LF_BYTE_ORDER_MARK;
    header->block_bytes = LF_BLOCK_BYTES;
    header->slot_bytes = slot_bytes;
    header->first_lsn = LF_FIRST_LSN;
    int error = fill_random(header->id, sizeof header->id);
    return error != 0 ? error : fill_random(header->salt, sizeof header->salt);
}

static void fill_trim_mark(void *block, uint64_t sequence, uint32_t log_seed)
{
    struct lf_trim_mark *mark = block;
    mark->magic = LF_TRIM_MAGIC;
    mark->sequence = sequence;
    mark->oldest_lsn = LF_FIRST_LSN;
    mark->epoch = LF_FIRST_EPOCH;
    mark->chain = log_seed;
    lf_trim_mark_seal(block, log_seed);
}

/* Fills the blocks before the first epoch; they are zero when this is called. */
static int fill_prologue(uint8_t *blocks, uint64_t slot_bytes)
{
    struct lf_file_header *header = (struct lf_file_header *)(void *)blocks;
    int error = fill_file_header(header, slot_bytes);
    if (error != 0)
        return error;
    lf_file_header_seal(blocks);
    memcpy(blocks + LF_BLOCK_BYTES, blocks, LF_BLOCK_BYTES);
    uint32_t log_seed = lf_log_seed(header);
    fill_trim_mark(blocks + 2 * LF_BLOCK_BYTES, 0, log_seed);
    fill_trim_mark(blocks + 3 * LF_BLOCK_BYTES, 1, log_seed);
    return 0;
}

/* What a new log holds, and the name that it is written under. */
struct draft {
    uint8_t *prologue;
    char *name;
};

static void draft_free(struct draft *draft)
{
    free(draft->prologue);
    free(draft->name);
}

static int draft_make(struct draft *draft, const struct opening *opening)
{
    void *blocks = NULL;
    uint64_t number;
    int error = fill_random(&number, sizeof number);
    if (error != 0)
        return error;
    if (posix_memalign(&blocks, LF_BLOCK_BYTES, PROLOGUE_BYTES) != 0)
        return -ENOMEM;
    draft->prologue = memset(blocks, 0, PROLOGUE_BYTES);
    if (asprintf(&draft->name, "%s.new-%016llx", opening->path, (unsigned long long)number) < 0) {
        draft->name = NULL;
        return -ENOMEM;
    }
    return fill_prologue(draft->prologue, opening->create->slot_bytes);
}

static int write_draft(struct lf_store *store, const struct opening *opening,
                       const struct draft *draft)
{
    int error = lf_io_write_full(store->io, store->fd, draft->prologue, PROLOGUE_BYTES, 0, 0);
    if (error != 0)
        return complain(opening, "write", error);
    error = store->io->sync(store->io->context, store->fd);
    if (error != 0)
        return complain(opening, "sync", error);
    return lock_file(store, opening);
}

/* From the draft's name to the log's.  On an error the file has neither. */
static int publish_draft(struct lf_store *store, const struct opening *opening,
                         const struct draft *draft)
{
    const struct logfile_io *io = store->io;
    int error = io->rename(io->context, draft->name, opening->path);
    if (error != 0) {
        (void)io->unlink(io->context, draft->name);
        return complain(opening, "create", error);
    }
    error = io->sync_directory(io->context, opening->path);
    if (error != 0) {
        lf_store_discard(store, opening->path);
        return complain(opening, "sync of its directory", error);
    }
    return 0;
}

static int create_from_draft(struct lf_store *store, const struct opening *opening,
                             const struct draft *draft)
{
    const struct logfile_io *io = store->io;
    mode_t mode = opening->create->mode != 0 ? opening->create->mode : DEFAULT_MODE;
    int fd = io->open(io->context, draft->name, open_flags(opening) | LOGFILE_IO_OPEN_CREATE, mode);
    if (fd < 0)
        return complain(opening, "create", fd);
    store->fd = fd;
    int error = write_draft(store, opening, draft);
    if (error != 0)
        (void)io->unlink(io->context, draft->name);
    else
        error = publish_draft(store, opening, draft);
    return error == 0 ? 0 : give_up(store, error);
}

static int create_file(struct lf_store *store, const struct opening *opening)
{
    struct draft draft = {0};
    int error = opening->path[0] == '\0' ? -ENOENT : draft_make(&draft, opening);
    if (error == 0)
        error = create_from_draft(store, opening, &draft);
    else
        complain(opening, "create", error);
    draft_free(&draft);
    return error;
}

/* ---- Both -------------------------------------------------------------------------------------*/

static int open_or_create(struct lf_store *store, const struct opening *opening, bool *created)
{
    unsigned flags = opening->options->open_flags;
    *created = false;
    if (!(flags & LOGFILE_OPEN_EXCLUSIVE)) {
        int error = open_existing(store, opening);
        if (error != -ENOENT || flags & LOGFILE_OPEN_EXISTING)
            return error;
    }
    int error = create_file(store, opening);
    *created = error == 0;
    return error;
}

/* Whether the error is one of those that another way of opening may not meet; picks that way. */
static bool find_other_way(struct opening *opening, int error)
{
    if (error == -EEXIST) /* another opener's file got the name first: open that one */
        return !(opening->options->open_flags & LOGFILE_OPEN_EXCLUSIVE);
    if (error == -EINVAL && opening->direct && opening->options->io_mode == LOGFILE_IO_AUTO) {
        opening->direct = false;
        return true;
    }
    return false;
}

static void init_store(struct lf_store *store, const struct logfile_options *options)
{
    memset(store, 0, sizeof *store);
    store->io = options->io != NULL ? options->io : logfile_io_posix();
    store->fd = -1;
    store->sync = options->sync;
    pthread_mutex_init(&store->failure_lock, NULL);
    pthread_cond_init(&store->sync_ended, NULL);
}

static void destroy_store(struct lf_store *store)
{
    pthread_cond_destroy(&store->sync_ended);
    pthread_mutex_destroy(&store->failure_lock);
}

int lf_store_open(struct lf_store *store, const char *path, const struct logfile_options *options,
                  const struct lf_store_create *create, bool *created, char message[256])
{
    struct opening opening = {.path = path,
                              .options = options,
                              .create = create,
                              .message = message,
                              .direct = options->io_mode != LOGFILE_IO_BUFFERED};
    bool made = false;
    int error;
    int tries = 0;
    init_store(store, options);
    do {
        error = open_or_create(store, &opening, &made);
    } while (error != 0 && find_other_way(&opening, error) && ++tries < OPEN_TRIES_MAX);
    if (error != 0) {
        destroy_store(store);
        return error;
    }
    store->direct = opening.direct;
    store->device_bytes = made ? PROLOGUE_BYTES : 0;
    *created = made;
    message[0] = '\0';
    return 0;
}

void lf_store_close(struct lf_store *store)
{
    (void)store->io->close(store->io->context, store->fd);
    store->fd = -1;
    destroy_store(store);
}
