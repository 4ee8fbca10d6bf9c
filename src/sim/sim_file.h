/* SPDX-License-Identifier: MIT */
/*
 * What the simulated disk stores: files and directories, each as the cache shows it and as the disk
 * has it, and what a crash makes of the difference.  For sim_disk.c, which holds a lock around all
 * of it.
 *
 * Sectors, sizes and names are volatile until they are synced, each on its own.  A directory syncs
 * the names that are in it, or were; a rename is one step, whatever directories it concerns.
 */
#ifndef SIM_FILE_H
#define SIM_FILE_H

#include "logfile_io.h"
#include "sim/rng.h"

#include <stddef.h>

#define SIM_SECTOR_BYTES 512u

enum {
    SIM_NAME_BYTES = 96,
    SIM_NAME_COUNT = 4
};

/* What the cache knows of a sector. */
enum sim_sector_state {
    SIM_SECTOR_CLEAN, /* cache and disk agree */
    SIM_SECTOR_DIRTY, /* the next sync writes it, unless a crash comes first */
    SIM_SECTOR_LOST   /* of the page cache: a sync that failed should have written it; no later one
                         will */
};

struct sim_sector {
    uint8_t state;       /* enum sim_sector_state */
    bool direct;         /* written around the page cache */
    uint32_t written_at; /* the file's clock when that was */
};

/* A name in a directory. */
struct sim_name {
    struct sim_file *parent;
    uint64_t at;               /* when it was given: later names have greater numbers */
    char name[SIM_NAME_BYTES]; /* "": none */
};

struct sim_file {
    bool is_directory;
    uint64_t inode; /* no other file has it, or had */
    bool is_lost;   /* a crash took its name, or that of a directory above it */
    unsigned opens; /* descriptors */
    /* Names since the directory was last synced: the first is on disk, the last is the current
     * one. */
    struct sim_name names[SIM_NAME_COUNT];
    unsigned name_count;
    unsigned kept_name;  /* the one that a crash leaves */
    uint64_t disk_bytes; /* size on disk */
    uint64_t bytes;      /* size in the cache */
    /* How often the size has changed, and of which change the size on disk knows. */
    uint64_t size_changes;
    uint64_t disk_size_changes;
    uint8_t *disk;
    uint8_t *cache;
    struct sim_sector *sectors;
    bool *hole;                  /* one a block: taken away, and not written since */
    size_t capacity;             /* bytes that the arrays have room for */
    size_t dirty_from, dirty_to; /* sectors outside are clean */
    uint32_t clock;              /* of writes and syncs */
    uint32_t last_sync;          /* when it began */
};

struct sim_tree {
    struct sim_file root;
    struct sim_file **files; /* all but the root */
    unsigned count;
    unsigned capacity;
    uint64_t clock; /* for struct sim_name */
    uint64_t inode; /* the last one that was given */
};

/* ---- Names ---- */

void lf_sim_tree_init(struct sim_tree *tree);
/* False where memory runs out, with `to` empty. */
bool lf_sim_tree_clone(struct sim_tree *to, const struct sim_tree *from);
void lf_sim_tree_free(struct sim_tree *tree);

const char *lf_sim_file_name(const struct sim_file *file);
struct sim_file *lf_sim_file_parent(const struct sim_file *file);
/* The directory that holds path, which need not exist itself, and the path's last part; "" for
 * `from` itself, which a path starts from, or for the root, which it starts from after a slash.
 * 0, -EINVAL (no path), -ENOENT, -ENOTDIR or -ENAMETOOLONG. */
int lf_sim_tree_place(struct sim_tree *tree, struct sim_file *from, const char *path,
                      struct sim_name *place);
/* What is at the place; NULL: nothing. */
struct sim_file *lf_sim_tree_at(const struct sim_tree *tree, const struct sim_name *place);
/* The file or directory of that path from the root; NULL: none. */
struct sim_file *lf_sim_tree_find(struct sim_tree *tree, const char *path);
/* Makes what does not exist yet; NULL where memory runs out. */
struct sim_file *lf_sim_tree_add(struct sim_tree *tree, const struct sim_name *place,
                                 bool is_directory);
/* Gives another name; a place whose name is "": none. */
void lf_sim_tree_move(struct sim_tree *tree, struct sim_file *file, const struct sim_name *place);
unsigned lf_sim_tree_entry_count(const struct sim_tree *tree, const struct sim_file *directory);
/* Makes names in the directory durable. */
void lf_sim_tree_sync(struct sim_tree *tree, const struct sim_file *directory);
/* Forgets what has no name, on disk or in the cache, and is not open. */
void lf_sim_tree_reap(struct sim_tree *tree);
/* Bytes that files take. */
uint64_t lf_sim_tree_used_bytes(const struct sim_tree *tree);

/* ---- Bytes ---- */

void lf_sim_file_read(const struct sim_file *file, bool direct, uint8_t *to, size_t bytes,
                      uint64_t offset);
/* Into the cache.  0, or -ENOMEM with nothing written. */
int lf_sim_file_write(struct sim_file *file, bool direct, const void *buffer, size_t bytes,
                      uint64_t offset);
/* Makes it at least that long. */
void lf_sim_file_extend(struct sim_file *file, uint64_t bytes);
void lf_sim_file_punch(struct sim_file *file, uint64_t offset, uint64_t bytes);
void lf_sim_file_set_bytes(struct sim_file *file, uint64_t bytes);
/* Bytes below the file's size that were punched. */
uint64_t lf_sim_file_hole_bytes(const struct sim_file *file);
/* Whole blocks, holes not counted. */
uint64_t lf_sim_file_used_bytes(const struct sim_file *file);
/* A write that is durable on return. */
void lf_sim_file_commit_write(struct sim_file *file, size_t bytes, uint64_t offset);
/*
 * What a sync owes: what was written before it began, and nothing that comes while it waits.  One
 * that fails loses what it owes of the page cache, for every other sync too: a kernel reports a
 * failure once.  What was written around the page cache stays with the device, for a sync that
 * succeeds.
 */
struct sim_sync {
    uint32_t begun_at;
    uint64_t bytes;
    uint64_t size_changes;
};
struct sim_sync lf_sim_file_begin_sync(struct sim_file *file);
void lf_sim_file_end_sync(struct sim_file *file, const struct sim_sync *sync, int error);
/* The cache forgets what a failed sync left in it. */
void lf_sim_file_drop_cache(struct sim_file *file);

/* ---- Crashes ---- */

/* How a crash treats unsynced sectors: weights of the fates. */
struct sim_fates {
    struct rng rng;
    unsigned keep, drop, trash, stray;
};

struct sim_fates lf_sim_choose_fates(uint64_t seed);
/* Leaves what survives, synced. */
void lf_sim_tree_crash(struct sim_tree *tree, struct sim_fates *fates);

/*
 * A crash that is told what to keep: bit i of `keep` is the fate of the ith thing that is not synced
 * and whose fate makes a difference.  File by file, that is each sector, or block that was taken
 * away, whose bytes differ from those on disk; the size; and each name.
 */
struct sim_choice {
    uint64_t keep;
    bool settles;   /* else it only counts */
    unsigned count; /* of things */
};

void lf_sim_tree_choose(struct sim_tree *tree, struct sim_choice *choice);

#endif /* SIM_FILE_H */
