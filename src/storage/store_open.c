/* SPDX-License-Identifier: MIT */
/*
 * Opening a log on disk for appending, and creating it.
 *
 * A log comes into being whole: its first blocks are written and synced under a temporary name, the
 * writer's lock is taken, and only then does it get its name, which nothing else has.  A
 * crash before that leaves a `.lf-*` file or directory beside it, which is never opened.
 *
 * The path is looked up once: for what is there; or, to make a log, for the directory that it goes
 * into, which is held until the log is done or given up.
 *
 * In a directory the first blocks are those of the control file, which is all that a new log has:
 * the first segment is made when the log is prepared for appending, as all others are.
 */
#include "storage/io.h"
#include "storage/message.h"
#include "storage/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define MESSAGE_BYTES 256
#define DEFAULT_MODE 0644 /* less the umask */
#define PROLOGUE_BYTES ((size_t)LF_FIRST_LSN)
#define OPEN_TRIES_MAX 16 /* other openers may create and remove the file for ever */

struct opening {
    const struct logfile_io *io;
    const char *path; /* as the caller gave it */
    char *parent; /* its part up to the last name, slash included; of the directory that holds */
    char *name;   /* the log under this name: the path's last part, without slashes at its end */
    const struct logfile_options *options;
    const struct lf_store_create *create;
    char *message;
    bool direct; /* try it */
    struct logfile_io_facts *said;
};

static int say(const struct opening *opening, int error, const char *step, const char *reason)
{
    char shown[LF_MESSAGE_PATH_BYTES];
    snprintf(opening->message, MESSAGE_BYTES, "%s: %s: %s",
             lf_message_name(opening->path, shown, sizeof shown), step, reason);
    return error;
}

static int complain(const struct opening *opening, const char *step, int error)
{
    return say(opening, error, step, logfile_strerror(error));
}

/* For the steps in which a file system that takes no O_DIRECT refuses it. */
static int complain_of_io(const struct opening *opening, const char *step, int error)
{
    if (error == -EINVAL && opening->direct)
        return say(opening, error, step, "Invalid argument; does it take direct I/O?");
    return complain(opening, step, error);
}

static unsigned open_flags(const struct opening *opening)
{
    return LOGFILE_IO_OPEN_WRITE | (opening->direct ? LOGFILE_IO_OPEN_DIRECT : 0);
}

static mode_t file_mode(const struct opening *opening)
{
    mode_t mode = opening->create != NULL ? opening->create->mode : 0;
    return mode != 0 ? mode : DEFAULT_MODE;
}

/* ---- Opening ----------------------------------------------------------------------------------*/

static int lock_file(const struct opening *opening, int fd)
{
    char reason[LF_FACTS_WHY_BYTES];
    int error = opening->io->lock(opening->io->context, fd);
    if (error == 0)
        return 0;
    if (!lf_facts_means_no_locks(error))
        return complain(opening, "lock", error == -EAGAIN ? LOGFILE_ELOCKED : error);
    snprintf(reason, sizeof reason, "no locks on this file system, and appending needs one: %s",
             logfile_strerror(error));
    return say(opening, error, "lock", reason);
}

/* Asks what the file system does, and whether the file can be used as it was opened.  -EINVAL: not
 * with O_DIRECT. */
static int learn(const struct opening *opening, int fd)
{
    char why[LF_FACTS_WHY_BYTES];
    lf_facts_ask(opening->io, fd, opening->said);
    if (opening->said->read_only != 0)
        return complain(opening, "open", -EROFS);
    if (!opening->direct || lf_facts_direct(opening->said) != LF_DIRECT_BUFFERED)
        return 0;
    lf_facts_explain(opening->said, why);
    return say(opening, -EINVAL, "direct I/O", why);
}

/*
 * Where the kernel does not say what becomes of O_DIRECT, a file system may take it when opening and
 * refuse it at the first transfer, or refuse only what is smaller than its own blocks.  So the
 * first transfer is of one block, at an odd one.
 */
static int transfer_first_block(const struct opening *opening, int fd)
{
    void *block = NULL;
    if (!opening->direct || lf_facts_direct(opening->said) != LF_DIRECT_NOT_SAID)
        return 0;
    if (posix_memalign(&block, LF_BLOCK_BYTES, LF_BLOCK_BYTES) != 0)
        return complain(opening, "open", -ENOMEM);
    ssize_t count =
        opening->io->read(opening->io->context, fd, block, LF_BLOCK_BYTES, LF_BLOCK_BYTES);
    free(block);
    return count < 0 ? complain_of_io(opening, "read", (int)count) : 0;
}

static int open_parent(const struct opening *opening)
{
    int fd = opening->io->open(opening->io->context, LOGFILE_IO_HERE, opening->parent,
                               LOGFILE_IO_OPEN_DIRECTORY, 0);
    return fd < 0 ? complain(opening, "open of its directory", fd) : fd;
}

static int sync_directory(const struct opening *opening, int directory)
{
    int error = opening->io->sync_directory(opening->io->context, directory);
    return error == 0 ? 0 : complain(opening, "sync of its directory", error);
}

/* The process that made the log may have died between giving a file its name and making that
 * durable. */
static int sync_names(const struct opening *opening, int directory)
{
    int error = directory < 0 ? 0 : sync_directory(opening, directory);
    int parent = error == 0 ? open_parent(opening) : error;
    if (parent < 0)
        return parent;
    error = sync_directory(opening, parent);
    (void)opening->io->close(opening->io->context, parent);
    return error;
}

/* Where nothing is saved the two are as fast as each other (docs/adr/0016). */
static uint32_t choose_sync(const struct opening *opening)
{
    const struct logfile_options *options = opening->options;
    if (options->sync != LOGFILE_SYNC_AUTO)
        return options->sync;
    bool saves_flush = opening->direct && options->prepare == LOGFILE_PREPARE_ZERO &&
                       lf_facts_dsync_saves_flush(opening->said);
    return saves_flush ? LOGFILE_SYNC_DSYNC : LOGFILE_SYNC_FDATASYNC;
}

/* On success the descriptors are the store's. */
static int take(struct lf_store *store, const struct opening *opening, int fd, int directory)
{
    int error = lf_file_init(&store->file, opening->io, fd, open_flags(opening), directory);
    if (error != 0)
        return complain(opening, "open", error);
    store->file.segments.mode = file_mode(opening);
    lf_facts_begin(&store->facts, opening->said, opening->direct);
    store->sync = choose_sync(opening);
    store->file.segments.facts = &store->facts;
    store->file.segments.never_syncs = opening->options->sync == LOGFILE_SYNC_NONE;
    return 0;
}

static void close_fd(const struct opening *opening, int fd)
{
    if (fd >= 0)
        (void)opening->io->close(opening->io->context, fd);
}

static int open_existing(struct lf_store *store, const struct opening *opening)
{
    const struct logfile_io *io = opening->io;
    const char *path = opening->path;
    char shown[LF_MESSAGE_PATH_BYTES];
    int directory;

    /* What the path leads to. */
    int fd = lf_file_open_path(io, path, open_flags(opening), &directory);
    if (fd == -EINVAL)
        return complain_of_io(opening, "open", fd);
    if (fd < 0) {
        snprintf(opening->message, MESSAGE_BYTES, "%s: %s%s",
                 lf_message_name(path, shown, sizeof shown), lf_message_open_error(io, path, fd),
                 lf_message_is_damage(io, path, fd) ? LF_MESSAGE_SALVAGE : "");
        return fd;
    }

    /* Whether it can be appended to, and is not being. */
    int error = 0;
    if (opening->options->segment_bytes != 0 && directory < 0)
        error = say(opening, LOGFILE_EMISMATCH, "option segment_bytes", "the log is one file");
    if (error == 0)
        error = learn(opening, fd);
    if (error == 0)
        error = transfer_first_block(opening, fd);
    if (error == 0)
        error = lock_file(opening, fd);
    if (error == 0)
        error = sync_names(opening, directory);
    if (error == 0)
        error = take(store, opening, fd, directory);
    if (error != 0) {
        close_fd(opening, fd);
        close_fd(opening, directory);
    }
    return error;
}

/* ---- What a new log holds ---------------------------------------------------------------------*/

int lf_store_random(void *bytes, size_t size)
{
    ssize_t count;
    do {
        count = getrandom(bytes, size, 0);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : (size_t)count == size ? 0 : -EIO;
}

static void fill_trim_mark(void *block, uint32_t log_seed)
{
    struct lf_trim_mark *mark = block;
    mark->magic = LF_TRIM_MAGIC;
    mark->sequence = LF_FIRST_SEQUENCE;
    mark->oldest_lsn = LF_FIRST_LSN;
    mark->epoch = LF_FIRST_EPOCH;
    mark->chain = log_seed;
    mark->promise = LF_FIRST_LSN;
    lf_trim_mark_seal(block, log_seed);
}

/* Fills the blocks before the first epoch, each of which is there twice; they are zero when this is
 * called. */
static int fill_prologue(uint8_t *blocks, const struct lf_store_create *create)
{
    struct lf_file_header *header = (struct lf_file_header *)(void *)blocks;
    memcpy(header->magic, LF_FILE_MAGIC, sizeof header->magic);
    header->version = LF_FORMAT_VERSION;
    header->byte_order = LF_BYTE_ORDER_MARK;
    header->block_bytes = LF_BLOCK_BYTES;
    header->generation = LF_FIRST_GENERATION;
    header->slot_bytes = create->slot_bytes;
    header->segment_bytes = create->segment_bytes;
    header->first_lsn = LF_FIRST_LSN;
    int error = lf_store_random(header->id, sizeof header->id);
    if (error == 0)
        error = lf_store_random(header->salt, sizeof header->salt);
    if (error != 0)
        return error;
    lf_file_header_seal(blocks);
    memcpy(blocks + LF_BLOCK_BYTES, blocks, LF_BLOCK_BYTES);
    uint32_t log_seed = lf_log_seed(header);
    fill_trim_mark(blocks + 2 * LF_BLOCK_BYTES, log_seed);
    fill_trim_mark(blocks + 3 * LF_BLOCK_BYTES, log_seed);
    return 0;
}

/* ---- Creating ---------------------------------------------------------------------------------*/

/* A new log under the name that it is made under. */
struct draft {
    uint8_t *prologue;
    bool is_directory;
    char name[LF_DRAFT_NAME_BYTES];
    int parent;    /* the directory that it is made in */
    int directory; /* its own; -1: it is one file */
    int fd;        /* the one file, or control */
};

static int create_file(const struct opening *opening, int directory, const char *name)
{
    return opening->io->open(opening->io->context, directory, name,
                             open_flags(opening) | LOGFILE_IO_OPEN_CREATE, file_mode(opening));
}

/* Creates the file, or the directory and the control file in it. */
static int open_draft(struct draft *draft, const struct opening *opening)
{
    const struct logfile_io *io = opening->io;
    if (!draft->is_directory) {
        draft->fd = create_file(opening, draft->parent, draft->name);
        return draft->fd < 0 ? complain_of_io(opening, "create", draft->fd) : 0;
    }
    /* Who may read or write the files may also get at them; the owner makes segments in it. */
    mode_t mode = file_mode(opening);
    mode |= S_IRWXU | (mode & (S_IRUSR | S_IRGRP | S_IROTH)) >> 2;
    int error = io->make_directory(io->context, draft->parent, draft->name, mode);
    if (error != 0)
        return complain_of_io(opening, "create", error);
    draft->directory =
        io->open(io->context, draft->parent, draft->name, LOGFILE_IO_OPEN_DIRECTORY, 0);
    if (draft->directory >= 0)
        draft->fd = create_file(opening, draft->directory, LF_CONTROL_NAME);
    error = draft->directory < 0 ? draft->directory : draft->fd < 0 ? draft->fd : 0;
    if (error == 0)
        return 0;
    (void)io->remove_directory(io->context, draft->parent, draft->name);
    return complain_of_io(opening, "create", error);
}

static int write_draft(const struct draft *draft, const struct opening *opening)
{
    const struct logfile_io *io = opening->io;
    int error = learn(opening, draft->fd);
    if (error != 0)
        return error;
    error = lf_io_write_full(io, draft->fd, draft->prologue, PROLOGUE_BYTES, 0, 0);
    if (error != 0)
        return complain_of_io(opening, "write", error);
    error = transfer_first_block(opening, draft->fd);
    if (error != 0)
        return error;
    error = io->sync(io->context, draft->fd);
    if (error != 0)
        return complain(opening, "sync", error);
    error = lock_file(opening, draft->fd);
    return error != 0 || !draft->is_directory ? error : sync_directory(opening, draft->directory);
}

/* The name is this opener's own, made of random digits; if something else has it, that stays. */
static void unlink_draft(const struct draft *draft, const struct opening *opening)
{
    const struct logfile_io *io = opening->io;
    if (!draft->is_directory) {
        if (lf_io_leads_to(io, draft->parent, draft->name, 0, draft->fd) != 0)
            (void)io->unlink(io->context, draft->parent, draft->name);
        return;
    }
    if (lf_io_leads_to(io, draft->directory, LF_CONTROL_NAME, 0, draft->fd) != 0)
        (void)io->unlink(io->context, draft->directory, LF_CONTROL_NAME);
    (void)io->remove_directory(io->context, draft->parent, draft->name);
}

/*
 * The name was given by a link: what has it may be another file to the file system than the one
 * that is locked, and no other opener would be kept from it.  So that one is closed, and what the
 * name leads to is opened and locked in its place.  In between another opener may be quicker:
 * LOGFILE_ELOCKED while it has it, -EEXIST when it is done, or when the name leads elsewhere.
 * On an error the log stays as it is, for it may be the other's.
 */
static int open_by_name(struct lf_store *store, const struct draft *draft,
                        const struct opening *opening)
{
    const struct logfile_io *io = opening->io;
    close_fd(opening, store->file.fd);
    store->file.fd = io->open(io->context, draft->parent, opening->name, open_flags(opening), 0);
    if (store->file.fd < 0)
        return complain_of_io(opening, "open of the new log", store->file.fd);
    int error = lock_file(opening, store->file.fd);
    if (error != 0)
        return error;

    /* It is as it was made: no opener has been given a record of it. */
    void *blocks = NULL;
    if (posix_memalign(&blocks, LF_BLOCK_BYTES, PROLOGUE_BYTES) != 0)
        return complain(opening, "create", -ENOMEM);
    ssize_t count = lf_io_read_full(io, store->file.fd, blocks, PROLOGUE_BYTES, 0);
    bool is_same =
        count == (ssize_t)PROLOGUE_BYTES && memcmp(blocks, draft->prologue, PROLOGUE_BYTES) == 0;
    free(blocks);
    error = count < 0 ? (int)count : is_same ? 0 : -EEXIST;
    return error == 0 ? 0 : complain(opening, "create", error);
}

/* From the draft's name to the log's, and durable under that.  On an error there is neither. */
static int publish_draft(struct lf_store *store, struct draft *draft, const struct opening *opening)
{
    const struct logfile_io *io = opening->io;

    /* 1. Its descriptors become the store's, which closes them from here on. */
    int error = take(store, opening, draft->fd, draft->directory);
    if (error != 0) {
        unlink_draft(draft, opening);
        return error;
    }
    const struct draft taken = *draft;
    draft->fd = draft->directory = -1;
    error = lf_file_may_be_discarded(&store->file, taken.parent, opening->name);
    if (error != 0) {
        unlink_draft(&taken, opening);
        lf_file_close(&store->file);
        return complain(opening, "create", error);
    }
    draft->parent = -1;

    /* 2. It gets its name, unless something else has that; */
    int result = io->rename(io->context, taken.parent, taken.name, opening->name);
    if (result < 0) {
        unlink_draft(&taken, opening);
        error = complain(opening, "create", result);
    } else if (result > 0 && !taken.is_directory) {
        error = open_by_name(store, &taken, opening);
    }

    /* 3. and keeps it over a crash. */
    if (error == 0) {
        error = sync_directory(opening, taken.parent);
        if (error != 0)
            lf_file_discard(&store->file);
    }
    if (error != 0)
        lf_file_close(&store->file);
    return error;
}

/* 0, or why no log can have that path. */
static int check_name(const struct opening *opening, bool is_directory)
{
    if (opening->path[0] == '\0')
        return -ENOENT;
    if (opening->name[0] == '\0') /* the root */
        return -EEXIST;
    /* A path with a slash at its end is one of a directory. */
    size_t length = strlen(opening->path);
    return is_directory || opening->path[length - 1] != '/' ? 0 : -ENOENT;
}

/* On an error there is neither a draft nor a log. */
static int create_log(struct lf_store *store, const struct opening *opening)
{
    struct draft draft = {.is_directory = opening->create->segment_bytes != 0,
                          .parent = -1,
                          .directory = -1,
                          .fd = -1};
    uint64_t number;
    void *blocks = NULL;

    /* 1. What it is called for now, and what it holds. */
    int error = check_name(opening, draft.is_directory);
    if (error == 0)
        error = lf_store_random(&number, sizeof number);
    if (error == 0) {
        lf_file_draft_name(number, draft.name);
        error = -posix_memalign(&blocks, LF_BLOCK_BYTES, PROLOGUE_BYTES);
    }
    if (error == 0) {
        draft.prologue = memset(blocks, 0, PROLOGUE_BYTES);
        error = fill_prologue(draft.prologue, opening->create);
    }
    if (error != 0)
        complain(opening, "create", error);

    /* 2. On disk: created, written, named. */
    if (error == 0) {
        draft.parent = open_parent(opening);
        error = draft.parent < 0 ? draft.parent : open_draft(&draft, opening);
    }
    if (error == 0) {
        error = write_draft(&draft, opening);
        if (error != 0)
            unlink_draft(&draft, opening);
    }
    if (error == 0)
        error = publish_draft(store, &draft, opening);

    close_fd(opening, draft.fd);
    close_fd(opening, draft.directory);
    close_fd(opening, draft.parent);
    free(draft.prologue);
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
    int error = create_log(store, opening);
    *created = error == 0;
    return error;
}

/* Opens or creates, and once more where another way of opening may meet no error. */
static int try_to_open(struct lf_store *store, struct opening *opening, bool *created)
{
    for (int tries = 1;; tries++) {
        bool again = false;
        int error = open_or_create(store, opening, created);
        if (error == -EEXIST) { /* another opener's file got the name first: open that one */
            again = !(opening->options->open_flags & LOGFILE_OPEN_EXCLUSIVE);
        } else if (error == -EINVAL && opening->direct &&
                   opening->options->io_mode == LOGFILE_IO_AUTO) {
            opening->direct = false;
            again = true;
        }
        if (!again || tries == OPEN_TRIES_MAX)
            return error;
    }
}

/* Divides the path into the last name and what comes before it. */
static bool divide_path(struct opening *opening)
{
    size_t length = lf_file_path_length(opening->path);
    size_t start = length;
    while (start > 0 && opening->path[start - 1] != '/')
        start--;
    opening->parent = start == 0 ? strdup(".") : strndup(opening->path, start);
    opening->name = strndup(opening->path + start, length - start);
    return opening->parent != NULL && opening->name != NULL;
}

static int init_store(struct lf_store *store)
{
    memset(store, 0, sizeof *store);
    int error = -pthread_mutex_init(&store->failure_lock, NULL);
    if (error != 0)
        return error;
    error = -pthread_mutex_init(&store->background_lock, NULL);
    if (error == 0) {
        error = -pthread_cond_init(&store->sync_ended, NULL);
        if (error != 0)
            pthread_mutex_destroy(&store->background_lock);
    }
    if (error != 0)
        pthread_mutex_destroy(&store->failure_lock);
    return error;
}

static void destroy_store(struct lf_store *store)
{
    pthread_cond_destroy(&store->sync_ended);
    pthread_mutex_destroy(&store->background_lock);
    pthread_mutex_destroy(&store->failure_lock);
}

int lf_store_open(struct lf_store *store, const char *path, const struct logfile_options *options,
                  const struct lf_store_create *create, bool *created, char message[256])
{
    struct logfile_io_facts said = {0};
    struct opening opening = {.io = options->io != NULL ? options->io : logfile_io_posix(),
                              .path = path,
                              .options = options,
                              .create = create,
                              .message = message,
                              .direct = options->io_mode != LOGFILE_IO_BUFFERED,
                              .said = &said};
    bool made = false;
    int error = divide_path(&opening) ? 0 : complain(&opening, "open", -ENOMEM);
    if (error == 0)
        error = init_store(store);
    if (error == 0) {
        error = try_to_open(store, &opening, &made);
        if (error != 0)
            destroy_store(store);
    }
    free(opening.parent);
    free(opening.name);
    if (error != 0)
        return error;
    store->device_bytes = made ? PROLOGUE_BYTES : 0;
    *created = made;
    message[0] = '\0';
    return 0;
}

void lf_store_close(struct lf_store *store)
{
    lf_file_close(&store->file);
    destroy_store(store);
}
