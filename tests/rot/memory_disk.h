/* SPDX-License-Identifier: MIT */
/*
 * One log in memory, as a file or a directory of a few files, behind struct logfile_io.  It knows
 * neither caches nor crashes: what is written is there.  So it is fast enough to try a log once for
 * each of its bytes, and it counts what is read and what is changed.
 *
 * The log is named "log", and in a directory its files are named "log/control" and so on.  The files
 * may be looked at and changed by hand while nobody has the log open.
 */
#ifndef MEMORY_DISK_H
#define MEMORY_DISK_H

#include "logfile_io.h"

#include <pthread.h>
#include <stdbool.h>

#define MEMORY_PATH "log"
#define MEMORY_FILES_MAX 32
#define MEMORY_HANDLES_MAX 64
#define MEMORY_NAME_BYTES 48
/* A file that would grow beyond is -EFBIG. */
#define MEMORY_FILE_BYTES_MAX ((size_t)16 << 20)

struct memory_file {
    char name[MEMORY_NAME_BYTES]; /* the whole path */
    bool linked;                  /* has that name */
    enum logfile_io_kind kind;    /* regular, or something empty that only has the name */
    unsigned open_count;
    uint8_t *bytes;
    size_t size;
    size_t capacity; /* bytes behind size are zero */
};

struct memory_disk {
    struct logfile_io io;
    pthread_mutex_t lock;
    struct memory_file files[MEMORY_FILES_MAX];
    struct {
        struct memory_file *file; /* NULL: free */
        bool may_write;
        bool locked;
    } handles[MEMORY_HANDLES_MAX];
    bool is_directory;
    uint64_t read_bytes;   /* that read returned */
    uint64_t read_count;   /* calls of read */
    uint64_t change_count; /* calls that changed a file, a size or a name */
    uint64_t cut_count;    /* those of them that made a file shorter or removed it */
};

void memory_disk_init(struct memory_disk *disk, bool is_directory);
/* Empty again, with its memory kept for what comes. */
void memory_disk_clear(struct memory_disk *disk, bool is_directory);
void memory_disk_free(struct memory_disk *disk);

/* A file by its whole path; NULL: there is none. */
struct memory_file *memory_disk_find(struct memory_disk *disk, const char *name);
/* The same, made where it is missing; NULL: no more places, or the name is too long. */
struct memory_file *memory_disk_make(struct memory_disk *disk, const char *name);
/* Puts an empty directory, fifo or the like in place of what the file was. */
void memory_file_become(struct memory_file *file, enum logfile_io_kind kind);
/* false: too large. */
bool memory_file_resize(struct memory_file *file, size_t size);
void memory_file_set(struct memory_file *file, const uint8_t *bytes, size_t size);
/* Makes `to` what `from` is.  Nobody has either open. */
void memory_disk_copy(struct memory_disk *to, const struct memory_disk *from);
/* Whether the same names lead to the same bytes. */
bool memory_disk_equals(const struct memory_disk *a, const struct memory_disk *b);
/* Size of all files together. */
uint64_t memory_disk_bytes(const struct memory_disk *disk);

#endif /* MEMORY_DISK_H */
