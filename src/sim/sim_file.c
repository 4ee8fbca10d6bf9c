/* SPDX-License-Identifier: MIT */
#include "sim/sim_file.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

/* ---- Names ---- */

static const struct sim_name *current_name(const struct sim_file *file)
{
    return &file->names[file->name_count - 1];
}

const char *lf_sim_file_name(const struct sim_file *file)
{
    return current_name(file)->name;
}

struct sim_file *lf_sim_file_parent(const struct sim_file *file)
{
    return current_name(file)->parent;
}

static struct sim_file *find_in(const struct sim_tree *tree, const struct sim_file *directory,
                                const char *name)
{
    for (unsigned i = 0; i < tree->count; i++)
        if (lf_sim_file_parent(tree->files[i]) == directory &&
            strcmp(lf_sim_file_name(tree->files[i]), name) == 0)
            return tree->files[i];
    return NULL;
}

/* Passes over slashes, and the parts that lead nowhere. */
static const char *skip(const char *path)
{
    path += strspn(path, "/");
    while (path[0] == '.' && (path[1] == '/' || path[1] == '\0')) {
        path++;
        path += strspn(path, "/");
    }
    return path;
}

int lf_sim_tree_place(struct sim_tree *tree, struct sim_file *from, const char *path,
                      struct sim_name *place)
{
    if (path == NULL)
        return -EINVAL;
    *place = (struct sim_name){.parent = path[0] == '/' ? &tree->root : from};
    path = skip(path);
    while (*path != '\0') {
        const size_t length = strcspn(path, "/");
        if (length >= SIM_NAME_BYTES)
            return -ENAMETOOLONG;
        memcpy(place->name, path, length);
        place->name[length] = '\0';
        path = skip(path + length);
        if (*path == '\0')
            return 0;
        struct sim_file *directory = find_in(tree, place->parent, place->name);
        if (directory == NULL)
            return -ENOENT;
        if (!directory->is_directory)
            return -ENOTDIR;
        place->parent = directory;
    }
    return 0;
}

struct sim_file *lf_sim_tree_at(const struct sim_tree *tree, const struct sim_name *place)
{
    return place->name[0] == '\0' ? place->parent : find_in(tree, place->parent, place->name);
}

struct sim_file *lf_sim_tree_find(struct sim_tree *tree, const char *path)
{
    struct sim_name place;
    bool exists = lf_sim_tree_place(tree, &tree->root, path, &place) == 0;
    return exists ? lf_sim_tree_at(tree, &place) : NULL;
}

void lf_sim_tree_move(struct sim_tree *tree, struct sim_file *file, const struct sim_name *place)
{
    /* The name on disk and the last ones are what a crash can choose from. */
    if (file->name_count == SIM_NAME_COUNT) {
        memmove(&file->names[1], &file->names[2], sizeof file->names[0] * (SIM_NAME_COUNT - 2));
        file->name_count--;
    }
    file->names[file->name_count] = *place;
    file->names[file->name_count].at = ++tree->clock;
    file->name_count++;
}

static void only_name(struct sim_file *file, unsigned index)
{
    file->names[0] = file->names[index];
    file->name_count = 1;
}

static void free_file(struct sim_file *file)
{
    free(file->disk);
    free(file->cache);
    free(file->sectors);
    free(file->hole);
    free(file);
}

static bool insert_file(struct sim_tree *tree, struct sim_file *file)
{
    if (tree->count == tree->capacity) {
        unsigned capacity = tree->capacity == 0 ? 8 : 2 * tree->capacity;
        struct sim_file **files = realloc(tree->files, capacity * sizeof(struct sim_file *));
        if (files == NULL)
            return false;
        tree->files = files;
        tree->capacity = capacity;
    }
    tree->files[tree->count++] = file;
    return true;
}

struct sim_file *lf_sim_tree_add(struct sim_tree *tree, const struct sim_name *place,
                                 bool is_directory)
{
    struct sim_file *file = calloc(1, sizeof *file);

    if (file == NULL)
        return NULL;
    file->is_directory = is_directory;
    file->inode = ++tree->inode;
    file->name_count = 1; /* none */
    lf_sim_tree_move(tree, file, place);
    file->dirty_from = SIZE_MAX;
    if (insert_file(tree, file))
        return file;
    free_file(file);
    return NULL;
}

unsigned lf_sim_tree_entry_count(const struct sim_tree *tree, const struct sim_file *directory)
{
    unsigned count = 0;

    for (unsigned i = 0; i < tree->count; i++)
        count +=
            lf_sim_file_parent(tree->files[i]) == directory && *lf_sim_file_name(tree->files[i]);
    return count;
}

static bool has_been_in(const struct sim_file *file, const struct sim_file *directory)
{
    for (unsigned i = 0; i < file->name_count; i++)
        if (file->names[i].parent == directory)
            return true;
    return false;
}

void lf_sim_tree_sync(struct sim_tree *tree, const struct sim_file *directory)
{
    for (unsigned i = 0; i < tree->count; i++)
        if (has_been_in(tree->files[i], directory))
            only_name(tree->files[i], tree->files[i]->name_count - 1);
}

static bool is_named(const struct sim_tree *tree, const struct sim_file *file)
{
    if (file->opens > 0 || file->name_count > 1 || *lf_sim_file_name(file) != '\0')
        return true;
    for (unsigned i = 0; file->is_directory && i < tree->count; i++)
        if (has_been_in(tree->files[i], file))
            return true;
    return false;
}

void lf_sim_tree_reap(struct sim_tree *tree)
{
    for (unsigned i = 0; i < tree->count;) {
        struct sim_file *file = tree->files[i];
        if (is_named(tree, file)) {
            i++;
            continue;
        }
        free_file(file);
        memmove(&tree->files[i], &tree->files[i + 1],
                (--tree->count - i) * sizeof(struct sim_file *));
    }
}

uint64_t lf_sim_tree_used_bytes(const struct sim_tree *tree)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < tree->count; i++)
        if (*lf_sim_file_name(tree->files[i]) != '\0')
            used += lf_sim_file_used_bytes(tree->files[i]);
    return used;
}

/* ---- Making one ---- */

void lf_sim_tree_init(struct sim_tree *tree)
{
    *tree = (struct sim_tree){.root = {.is_directory = true, .name_count = 1}};
}

static size_t sectors_of(const struct sim_file *file)
{
    return file->capacity / SIM_SECTOR_BYTES;
}

/* NULL for an empty array, too. */
static void *copy_of(const void *array, size_t bytes)
{
    void *copy = bytes == 0 ? NULL : malloc(bytes);

    return copy == NULL ? NULL : memcpy(copy, array, bytes);
}

/* NULL: there is no memory. */
static struct sim_file *clone_file(const struct sim_file *file)
{
    struct sim_file *clone = malloc(sizeof *clone);

    if (clone == NULL)
        return NULL;
    *clone = *file;
    clone->opens = 0;
    clone->disk = copy_of(file->disk, file->capacity);
    clone->cache = copy_of(file->cache, file->capacity);
    clone->sectors = copy_of(file->sectors, sectors_of(file) * sizeof *file->sectors);
    clone->hole = copy_of(file->hole, file->capacity / LOGFILE_IO_BLOCK * sizeof *file->hole);
    if (file->capacity == 0 || (clone->disk != NULL && clone->cache != NULL &&
                                clone->sectors != NULL && clone->hole != NULL))
        return clone;
    free_file(clone);
    return NULL;
}

/* What stands in `to` for a directory of `from`. */
static struct sim_file *counterpart(struct sim_tree *to, const struct sim_tree *from,
                                    const struct sim_file *directory)
{
    for (unsigned i = 0; i < from->count; i++)
        if (from->files[i] == directory)
            return to->files[i];
    return directory == &from->root ? &to->root : NULL;
}

bool lf_sim_tree_clone(struct sim_tree *to, const struct sim_tree *from)
{
    lf_sim_tree_init(to);
    to->clock = from->clock;
    to->inode = from->inode;
    for (unsigned i = 0; i < from->count; i++) {
        struct sim_file *clone = clone_file(from->files[i]);
        if (clone != NULL && insert_file(to, clone))
            continue;
        if (clone != NULL)
            free_file(clone);
        lf_sim_tree_free(to);
        return false;
    }
    for (unsigned i = 0; i < to->count; i++)
        for (unsigned k = 0; k < to->files[i]->name_count; k++) {
            struct sim_name *name = &to->files[i]->names[k];
            name->parent = counterpart(to, from, name->parent);
        }
    return true;
}

void lf_sim_tree_free(struct sim_tree *tree)
{
    for (unsigned i = 0; i < tree->count; i++)
        free_file(tree->files[i]);
    free(tree->files);
    lf_sim_tree_init(tree);
}

/* ---- Bytes ---- */

/* Makes room in one array; what it had stays its own where there is no memory. */
static bool grow(void *array, size_t old_bytes, size_t new_bytes)
{
    uint8_t *grown;

    memcpy(&grown, array, sizeof grown);
    grown = realloc(grown, new_bytes);
    if (grown == NULL)
        return false;
    memset(grown + old_bytes, 0, new_bytes - old_bytes);
    memcpy(array, &grown, sizeof grown);
    return true;
}

/* Makes room for so many elements in an array of the file that has so many. */
#define GROW(array, old_count, new_count)                                                          \
    grow(&(array), (old_count) * sizeof *(array), (new_count) * sizeof *(array))

static bool ensure_capacity(struct sim_file *file, uint64_t bytes)
{
    const size_t old = file->capacity;
    size_t capacity = old == 0 ? 32 << 10 : old;

    if (bytes <= old)
        return true;
    while (capacity < bytes)
        capacity *= 2;
    if (!GROW(file->disk, old, capacity) || !GROW(file->cache, old, capacity) ||
        !GROW(file->sectors, old / SIM_SECTOR_BYTES, capacity / SIM_SECTOR_BYTES) ||
        !GROW(file->hole, old / LOGFILE_IO_BLOCK, capacity / LOGFILE_IO_BLOCK))
        return false;
    file->capacity = capacity;
    return true;
}

static uint8_t *sector(uint8_t *image, size_t index)
{
    return image + index * SIM_SECTOR_BYTES;
}

static void commit(struct sim_file *file, size_t i)
{
    memcpy(sector(file->disk, i), sector(file->cache, i), SIM_SECTOR_BYTES);
    file->sectors[i].state = SIM_SECTOR_CLEAN;
}

static void set_holes(struct sim_file *file, uint64_t from_block, uint64_t end_block, bool is_hole)
{
    for (uint64_t i = from_block; i < end_block; i++)
        file->hole[i] = is_hole;
}

/* Before a range changes in the cache: what a sync under way has of it goes to the disk as it is,
 * and the rest is the next sync's. */
static void mark_dirty(struct sim_file *file, bool direct, uint64_t from, uint64_t to)
{
    size_t first = from / SIM_SECTOR_BYTES;
    size_t end = (to + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;

    file->clock++;
    for (size_t i = first; i < end; i++) {
        struct sim_sector *at = &file->sectors[i];
        if (at->state == SIM_SECTOR_DIRTY && at->written_at < file->last_sync)
            commit(file, i);
        *at = (struct sim_sector){SIM_SECTOR_DIRTY, direct, file->clock};
    }
    set_holes(file, from / LOGFILE_IO_BLOCK, (to + LOGFILE_IO_BLOCK - 1) / LOGFILE_IO_BLOCK, false);
    if (first < file->dirty_from)
        file->dirty_from = first;
    if (end > file->dirty_to)
        file->dirty_to = end;
}

/* Takes blocks away, except for the parts of them at the ends, which become zero. */
static void take_away(struct sim_file *file, uint64_t from, uint64_t to, uint64_t end_block)
{
    mark_dirty(file, false, from, to);
    memset(file->cache + from, 0, to - from);
    set_holes(file, (from + LOGFILE_IO_BLOCK - 1) / LOGFILE_IO_BLOCK, end_block, true);
}

void lf_sim_file_set_bytes(struct sim_file *file, uint64_t bytes)
{
    uint64_t end = file->bytes < file->capacity ? file->bytes : file->capacity;
    uint64_t blocks = file->capacity / LOGFILE_IO_BLOCK;

    if (bytes < end)
        take_away(file, bytes, end, (end + LOGFILE_IO_BLOCK - 1) / LOGFILE_IO_BLOCK);
    for (uint64_t i = file->bytes / LOGFILE_IO_BLOCK; i < blocks && i * LOGFILE_IO_BLOCK < bytes;
         i++)
        file->hole[i] = false; /* what is added has blocks */
    file->bytes = bytes;
    file->size_changes++;
}

void lf_sim_file_extend(struct sim_file *file, uint64_t bytes)
{
    if (bytes > file->bytes)
        lf_sim_file_set_bytes(file, bytes);
}

void lf_sim_file_punch(struct sim_file *file, uint64_t offset, uint64_t bytes)
{
    uint64_t end = offset + bytes;

    if (end > file->bytes)
        end = file->bytes;
    if (end > file->capacity)
        end = file->capacity; /* nothing was ever written behind it */
    if (offset >= end)
        return;
    take_away(file, offset, end, end / LOGFILE_IO_BLOCK);
}

uint64_t lf_sim_file_hole_bytes(const struct sim_file *file)
{
    uint64_t end = file->bytes < file->capacity ? file->bytes : file->capacity;
    uint64_t holes = 0;

    for (uint64_t i = 0; i < end / LOGFILE_IO_BLOCK; i++)
        holes += file->hole[i];
    return holes * LOGFILE_IO_BLOCK;
}

uint64_t lf_sim_file_used_bytes(const struct sim_file *file)
{
    uint64_t blocks = (file->bytes + LOGFILE_IO_BLOCK - 1) / LOGFILE_IO_BLOCK;

    return blocks * LOGFILE_IO_BLOCK - lf_sim_file_hole_bytes(file);
}

/* What a read sees: with DIRECT, the disk where the cache has only what was lost. */
void lf_sim_file_read(const struct sim_file *file, bool direct, uint8_t *to, size_t bytes,
                      uint64_t offset)
{
    size_t stored = offset >= file->capacity ? 0 : file->capacity - offset;

    if (stored > bytes)
        stored = bytes;
    if (stored > 0)
        memcpy(to, file->cache + offset, stored);
    memset(to + stored, 0, bytes - stored);
    if (!direct)
        return;
    for (size_t i = 0; i + SIM_SECTOR_BYTES <= stored; i += SIM_SECTOR_BYTES)
        if (file->sectors[(offset + i) / SIM_SECTOR_BYTES].state == SIM_SECTOR_LOST)
            memcpy(to + i, file->disk + offset + i, SIM_SECTOR_BYTES);
}

int lf_sim_file_write(struct sim_file *file, bool direct, const void *buffer, size_t bytes,
                      uint64_t offset)
{
    if (bytes == 0)
        return 0;
    if (!ensure_capacity(file, offset + bytes))
        return -ENOMEM;
    mark_dirty(file, direct, offset, offset + bytes);
    memcpy(file->cache + offset, buffer, bytes);
    lf_sim_file_extend(file, offset + bytes);
    return 0;
}

void lf_sim_file_commit_write(struct sim_file *file, size_t bytes, uint64_t offset)
{
    uint64_t end = offset + bytes < file->capacity ? offset + bytes : file->capacity;

    for (size_t i = offset / SIM_SECTOR_BYTES; i * SIM_SECTOR_BYTES < end; i++)
        commit(file, i);
    if (file->disk_bytes < offset + bytes)
        file->disk_bytes = offset + bytes;
    file->disk_size_changes = file->size_changes;
}

struct sim_sync lf_sim_file_begin_sync(struct sim_file *file)
{
    file->last_sync = ++file->clock;
    return (struct sim_sync){
        .begun_at = file->clock, .bytes = file->bytes, .size_changes = file->size_changes};
}

void lf_sim_file_end_sync(struct sim_file *file, const struct sim_sync *sync, int error)
{
    /* 1. What it owes goes to the disk; of one that fails, what came through the cache is lost. */
    for (size_t i = file->dirty_from; i < file->dirty_to; i++) {
        const struct sim_sector *at = &file->sectors[i];
        if (at->state != SIM_SECTOR_DIRTY || at->written_at >= sync->begun_at)
            continue;
        if (error == 0)
            commit(file, i);
        else if (!file->sectors[i].direct)
            file->sectors[i].state = SIM_SECTOR_LOST;
    }
    if (error != 0)
        return;
    /* 2. Where the first sector is that is still dirty. */
    while (file->dirty_from < file->dirty_to &&
           file->sectors[file->dirty_from].state == SIM_SECTOR_CLEAN)
        file->dirty_from++;
    if (file->dirty_from >= file->dirty_to) {
        file->dirty_from = SIZE_MAX;
        file->dirty_to = 0;
    }
    /* 3. The size.  A sync that began before another, and ends after it, does not take it back. */
    if (sync->size_changes < file->disk_size_changes)
        return;
    file->disk_bytes = sync->bytes;
    file->disk_size_changes = sync->size_changes;
}

void lf_sim_file_drop_cache(struct sim_file *file)
{
    for (size_t i = 0; i < file->dirty_to; i++) {
        if (file->sectors[i].state != SIM_SECTOR_LOST)
            continue;
        memcpy(sector(file->cache, i), sector(file->disk, i), SIM_SECTOR_BYTES);
        file->sectors[i].state = SIM_SECTOR_CLEAN;
    }
}

/* ---- Crashes ---- */

struct sim_fates lf_sim_choose_fates(uint64_t seed)
{
    static const unsigned mixes[][4] = {
        {1, 0, 0, 0}, {0, 1, 0, 0}, {1, 1, 0, 0}, {8, 1, 0, 0},
        {1, 8, 0, 0}, {6, 6, 2, 1}, {8, 0, 1, 0}, {8, 0, 0, 1},
    };
    struct sim_fates fates = {.rng = {.state = seed}};
    const unsigned *mix = mixes[rng_below(&fates.rng, sizeof mixes / sizeof mixes[0])];

    fates.keep = mix[0];
    fates.drop = mix[1];
    fates.trash = mix[2];
    fates.stray = mix[3];
    return fates;
}

static void trash_sector(struct rng *rng, uint8_t *disk, const uint8_t *cache)
{
    size_t half = SIM_SECTOR_BYTES / 2;

    switch (rng_below(rng, 4)) {
    case 0:
        for (size_t at = 0; at < SIM_SECTOR_BYTES; at += sizeof(uint64_t)) {
            const uint64_t word = rng_next(rng);
            memcpy(disk + at, &word, sizeof word);
        }
        break;
    case 1:
        memcpy(disk, cache, SIM_SECTOR_BYTES);
        disk[rng_below(rng, SIM_SECTOR_BYTES)] ^= (uint8_t)(1u << rng_below(rng, 8));
        break;
    case 2:
        memcpy(disk, cache, half);
        break;
    default:
        memcpy(disk + half, cache + half, half);
        break;
    }
}

static bool is_unsynced(const struct sim_file *file, size_t index)
{
    return file->sectors[index].state == SIM_SECTOR_DIRTY;
}

static bool is_in_hole(const struct sim_file *file, size_t index)
{
    return file->hole[index * SIM_SECTOR_BYTES / LOGFILE_IO_BLOCK];
}

static void settle_sector(struct sim_fates *fates, struct sim_file *file, size_t i)
{
    unsigned sum = fates->keep + fates->drop + fates->trash + fates->stray;
    uint64_t choice = rng_below(&fates->rng, sum);

    if (choice < fates->keep) {
        memcpy(sector(file->disk, i), sector(file->cache, i), SIM_SECTOR_BYTES);
    } else if (choice < fates->keep + fates->trash) {
        trash_sector(&fates->rng, sector(file->disk, i), sector(file->cache, i));
    } else if (choice < fates->keep + fates->trash + fates->stray) {
        /* To another unsynced sector of the file, if chance names one. */
        size_t other = file->dirty_from + rng_below(&fates->rng, file->dirty_to - file->dirty_from);
        if (!is_unsynced(file, other) || is_in_hole(file, other))
            other = i;
        memcpy(sector(file->disk, other), sector(file->cache, i), SIM_SECTOR_BYTES);
    }
}

/* Taking a block away moves no bytes, so it is done or not, and nothing goes astray. */
static void settle_hole(struct sim_fates *fates, struct sim_file *file, size_t first, size_t end)
{
    unsigned sum = fates->keep + fates->drop + fates->trash + fates->stray;

    if (rng_below(&fates->rng, sum) >= sum - fates->drop)
        return;
    for (size_t i = first; i < end; i++)
        if (is_unsynced(file, i))
            memcpy(sector(file->disk, i), sector(file->cache, i), SIM_SECTOR_BYTES);
}

static void settle_sectors(struct sim_fates *fates, struct sim_file *file)
{
    const size_t block = LOGFILE_IO_BLOCK / SIM_SECTOR_BYTES;
    size_t i = file->dirty_from;

    while (i < file->dirty_to) {
        size_t end = is_in_hole(file, i) ? (i / block + 1) * block : i + 1;
        if (is_in_hole(file, i))
            settle_hole(fates, file, i, end);
        else if (is_unsynced(file, i))
            settle_sector(fates, file, i);
        i = end;
    }
}

static uint64_t settle_size(struct sim_fates *fates, const struct sim_file *file)
{
    if (fates->keep == 0 || rng_one_in(&fates->rng, 4))
        return file->disk_bytes;
    /* A file that grew in several steps may have made some of them. */
    if (file->disk_bytes < file->bytes && rng_one_in(&fates->rng, 4)) {
        uint64_t sectors = (file->bytes - file->disk_bytes) / SIM_SECTOR_BYTES;
        return file->disk_bytes + rng_below(&fates->rng, sectors + 1) * SIM_SECTOR_BYTES;
    }
    return file->bytes;
}

/* The cache is what the disk has. */
static void start_afresh(struct sim_file *file, uint64_t bytes)
{
    if (bytes < file->capacity)
        memset(file->disk + bytes, 0, file->capacity - bytes);
    file->disk_bytes = bytes;
    file->bytes = bytes;
    if (file->capacity > 0) {
        memcpy(file->cache, file->disk, file->capacity);
        memset(file->sectors, 0, sectors_of(file) * sizeof *file->sectors);
    }
    for (size_t i = 0; i < file->capacity / LOGFILE_IO_BLOCK; i++) {
        const uint8_t *block = file->disk + i * LOGFILE_IO_BLOCK;
        if (block[0] != 0 || memcmp(block, block + 1, LOGFILE_IO_BLOCK - 1) != 0)
            file->hole[i] = false;
    }
    file->dirty_from = SIZE_MAX;
    file->dirty_to = 0;
}

/*
 * Whoever got the name first had lost it before the other one got it, so where both would keep it,
 * the first one's next name is on disk too.  Whether there was such a pair.
 */
static bool separate_namesakes(const struct sim_tree *tree)
{
    for (unsigned i = 0; i < tree->count; i++)
        for (unsigned k = 0; k < i; k++) {
            struct sim_file *a = tree->files[i];
            struct sim_file *b = tree->files[k];
            const struct sim_name *x = &a->names[a->kept_name];
            const struct sim_name *y = &b->names[b->kept_name];
            if (x->name[0] == '\0' || x->parent != y->parent || strcmp(x->name, y->name) != 0)
                continue;
            (x->at < y->at ? a : b)->kept_name++;
            return true;
        }
    return false;
}

/* Whether one can get there from the root. */
static bool is_reachable(const struct sim_tree *tree, const struct sim_file *file)
{
    while (file != &tree->root) {
        if (*lf_sim_file_name(file) == '\0')
            return false;
        file = lf_sim_file_parent(file);
    }
    return true;
}

/* Each file has its bytes and its kept_name. */
static void settle_names(struct sim_tree *tree)
{
    unsigned kept = 0;

    /* 1. No two have the same one. */
    while (separate_namesakes(tree))
        continue;
    for (unsigned i = 0; i < tree->count; i++)
        only_name(tree->files[i], tree->files[i]->kept_name);
    /* 2. What nothing leads to is lost.  Marks before it frees: the way to the root leads through
     * files that are lost, too. */
    for (unsigned i = 0; i < tree->count; i++)
        tree->files[i]->is_lost = !is_reachable(tree, tree->files[i]);
    for (unsigned i = 0; i < tree->count; i++) {
        struct sim_file *file = tree->files[i];
        if (file->is_lost)
            free_file(file);
        else
            tree->files[kept++] = file;
    }
    tree->count = kept;
}

void lf_sim_tree_crash(struct sim_tree *tree, struct sim_fates *fates)
{
    for (unsigned i = 0; i < tree->count; i++) {
        struct sim_file *file = tree->files[i];
        settle_sectors(fates, file);
        start_afresh(file, settle_size(fates, file));
        file->kept_name =
            (unsigned)(fates->keep == 0 ? 0 : rng_below(&fates->rng, file->name_count));
    }
    settle_names(tree);
}

/* ---- Crashes that are told what to keep ---- */

/* The fate of the next thing that is not synced; those from the 64th on share the last bit. */
static bool keeps_next(struct sim_choice *choice)
{
    unsigned bit = choice->count < 63 ? choice->count : 63;

    choice->count++;
    return choice->keep >> bit & 1;
}

/* Sectors that are one thing: one, or what is not synced of a block that was taken away. */
static void choose_sectors(struct sim_choice *choice, struct sim_file *file, size_t first,
                           size_t end)
{
    bool unsynced = false;

    for (size_t i = first; i < end; i++)
        unsynced |= is_unsynced(file, i) &&
                    memcmp(sector(file->disk, i), sector(file->cache, i), SIM_SECTOR_BYTES) != 0;
    if (!unsynced || !keeps_next(choice) || !choice->settles)
        return;
    for (size_t i = first; i < end; i++)
        if (is_unsynced(file, i))
            memcpy(sector(file->disk, i), sector(file->cache, i), SIM_SECTOR_BYTES);
}

static void choose_bytes(struct sim_choice *choice, struct sim_file *file)
{
    const size_t block = LOGFILE_IO_BLOCK / SIM_SECTOR_BYTES;
    const uint64_t disk_bytes = file->disk_bytes;
    size_t end;

    for (size_t i = file->dirty_from; i < file->dirty_to; i = end) {
        end = is_in_hole(file, i) ? (i / block + 1) * block : i + 1;
        choose_sectors(choice, file, i, end);
    }
    bool keeps_size = disk_bytes != file->bytes && keeps_next(choice);
    if (choice->settles)
        start_afresh(file, keeps_size ? file->bytes : disk_bytes);
}

void lf_sim_tree_choose(struct sim_tree *tree, struct sim_choice *choice)
{
    choice->count = 0;
    for (unsigned i = 0; i < tree->count; i++) {
        struct sim_file *file = tree->files[i];
        choose_bytes(choice, file);
        /* Of several names the last one that is kept counts. */
        file->kept_name = 0;
        for (unsigned k = 1; k < file->name_count; k++)
            if (keeps_next(choice))
                file->kept_name = k;
    }
    if (choice->settles)
        settle_names(tree);
}
