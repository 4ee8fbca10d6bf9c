/* SPDX-License-Identifier: MIT */
#include "rot_damage.h"

#include <string.h>

#define SECTOR ((uint64_t)ROT_SECTOR_BYTES)
/* Segments are renamed to indexes below. */
#define RENAMES 8

static const char *const names[ROT_KIND_COUNT] = {
    [ROT_BYTE] = "byte",           [ROT_BIT] = "bit",
    [ROT_TRUNCATE] = "truncate",   [ROT_ZERO] = "zero",
    [ROT_STALE] = "stale",         [ROT_SWAP] = "swap",
    [ROT_COPY] = "copy",           [ROT_WIPE] = "wipe",
    [ROT_CUT_OFF] = "cut",         [ROT_REMOVE] = "remove",
    [ROT_RENAME] = "rename",       [ROT_EXCHANGE] = "exchange",
    [ROT_OLD_FILE] = "older",      [ROT_FOREIGN_FILE] = "foreign",
    [ROT_IRREGULAR] = "irregular",
};

const char *rot_kind_name(enum rot_kind kind)
{
    return names[kind];
}

enum rot_kind rot_kind_named(const char *name)
{
    unsigned kind = 0;

    while (kind < ROT_KIND_COUNT && strcmp(names[kind], name) != 0)
        kind++;
    return kind;
}

/* ---- How many -------------------------------------------------------------------------------- */

static uint64_t sector_count(struct rot_log *log)
{
    return rot_bytes(&log->disk) / SECTOR;
}

static bool is_of_a_sector(enum rot_kind kind)
{
    return kind >= ROT_ZERO && kind <= ROT_COPY;
}

static bool is_of_a_block(enum rot_kind kind)
{
    return kind == ROT_WIPE || kind == ROT_CUT_OFF;
}

/* There is something else that could be in its place. */
static bool is_possible(const struct rot_log *log, enum rot_kind kind)
{
    if (kind == ROT_STALE || kind == ROT_OLD_FILE)
        return log->version_count > 0;
    if (kind == ROT_FOREIGN_FILE || kind == ROT_IRREGULAR)
        return log->layout.segment_bytes != 0;
    return true;
}

uint64_t rot_at_count(struct rot_log *log, enum rot_kind kind)
{
    if (!is_possible(log, kind))
        return 0;
    if (kind <= ROT_TRUNCATE)
        return rot_bytes(&log->disk);
    if (is_of_a_block(kind))
        return rot_bytes(&log->disk) / LF_BLOCK_BYTES;
    return is_of_a_sector(kind) ? sector_count(log) : rot_file_count(&log->disk);
}

uint64_t rot_value_count(struct rot_log *log, enum rot_kind kind)
{
    switch (kind) {
    case ROT_BYTE:
        return 255;
    case ROT_BIT:
        return 8;
    case ROT_STALE:
    case ROT_OLD_FILE:
        return log->version_count;
    case ROT_IRREGULAR:
        return 2;
    case ROT_SWAP:
    case ROT_COPY:
        return sector_count(log);
    case ROT_RENAME:
        return RENAMES;
    case ROT_EXCHANGE:
        return rot_file_count(&log->disk);
    case ROT_TRUNCATE:
    case ROT_ZERO:
    case ROT_WIPE:
    case ROT_CUT_OFF:
    case ROT_REMOVE:
    case ROT_FOREIGN_FILE:
    case ROT_KIND_COUNT:
        break;
    }
    return 1;
}

struct rot_damage rot_damage_number(enum rot_kind kind, uint64_t number, uint64_t value)
{
    struct rot_damage damage = {.kind = kind, .at = number, .value = value};

    if (is_of_a_sector(kind))
        damage.at *= SECTOR;
    if (is_of_a_block(kind))
        damage.at *= LF_BLOCK_BYTES;
    if (kind == ROT_BYTE)
        damage.value++;
    if (kind == ROT_BIT)
        damage.value = UINT64_C(1) << value;
    return damage;
}

struct rot_damage rot_damage_random(struct rot_log *log, struct rng *rng)
{
    enum rot_kind kind;
    uint64_t count;

    do {
        kind = (unsigned)rng_below(rng, ROT_KIND_COUNT);
        count = rot_at_count(log, kind);
    } while (count == 0);
    return rot_damage_number(kind, rng_below(rng, count),
                             rng_below(rng, rot_value_count(log, kind)));
}

/* ---- Doing it -------------------------------------------------------------------------------- */

/* Files have whole sectors as long as no other damage cut them; less than one is left alone. */
static uint8_t *sector_at(struct memory_disk *disk, uint64_t position)
{
    const struct rot_place place = rot_place(disk, position);

    if (place.file == NULL || place.file->size - place.offset < SECTOR)
        return NULL;
    return place.file->bytes + place.offset;
}

/* A sector of the same file and place; zeros where there was none. */
static void make_stale(const struct rot_log *log, const struct rot_damage *damage,
                       struct memory_disk *disk, uint8_t *sector)
{
    const struct rot_place place = rot_place(disk, damage->at);
    const struct memory_file *file = memory_disk_find(
        (struct memory_disk *)(uintptr_t)&log->versions[damage->value], place.file->name);

    if (file != NULL && place.offset + SECTOR <= file->size)
        memcpy(sector, file->bytes + place.offset, SECTOR);
    else
        memset(sector, 0, SECTOR);
}

static void damage_sector(const struct rot_log *log, const struct rot_damage *damage,
                          struct memory_disk *disk)
{
    uint8_t *sector = sector_at(disk, damage->at);
    uint8_t *other = sector_at(disk, damage->value * SECTOR);
    uint8_t saved[ROT_SECTOR_BYTES];

    if (sector == NULL || (other == NULL && damage->kind >= ROT_SWAP))
        return;
    if (damage->kind == ROT_ZERO)
        memset(sector, 0, SECTOR);
    else if (damage->kind == ROT_STALE)
        make_stale(log, damage, disk, sector);
    if (damage->kind < ROT_SWAP)
        return;
    memcpy(saved, other, SECTOR);
    memmove(other, sector, SECTOR);
    if (damage->kind == ROT_SWAP)
        memcpy(sector, saved, SECTOR);
}

static bool is_segment(const struct rot_log *log, const struct memory_file *file)
{
    return log->layout.segment_bytes != 0 && strcmp(file->name, MEMORY_PATH "/control") != 0;
}

/* From a block on to the end of its file, and what later segments hold. */
static void damage_end(const struct rot_log *log, const struct rot_damage *damage,
                       struct memory_disk *disk)
{
    const bool is_cut = damage->kind == ROT_CUT_OFF;
    const struct rot_place place = rot_place(disk, damage->at);

    if (place.file == NULL)
        return;
    memset(place.file->bytes + place.offset, 0, place.file->size - place.offset);
    if (is_cut)
        memory_file_resize(place.file, place.offset);
    for (unsigned i = 0; i < MEMORY_FILES_MAX && is_segment(log, place.file); i++) {
        struct memory_file *later = &disk->files[i];
        if (!later->linked || !is_segment(log, later) || strcmp(later->name, place.file->name) <= 0)
            continue;
        later->linked = !is_cut;
        if (later->size > LF_FIRST_LSN)
            memset(later->bytes + LF_FIRST_LSN, 0, later->size - LF_FIRST_LSN);
    }
}

static void exchange(struct memory_file *file, struct memory_file *other)
{
    char name[MEMORY_NAME_BYTES];

    memcpy(name, file->name, sizeof(name));
    memcpy(file->name, other->name, sizeof(name));
    memcpy(other->name, name, sizeof(name));
}

static void damage_name(const struct rot_log *log, const struct rot_damage *damage,
                        struct memory_disk *disk)
{
    struct memory_file *file = rot_file(disk, (unsigned)damage->at);
    struct memory_file *other = rot_file(disk, (unsigned)damage->value);
    const char *name = rot_segment_name(log, damage->value);

    if (file == NULL)
        return;
    if (damage->kind == ROT_REMOVE)
        file->linked = false;
    else if (damage->kind == ROT_RENAME && memory_disk_find(disk, name) == NULL)
        strcpy(file->name, name);
    else if (damage->kind == ROT_EXCHANGE && other != NULL && other != file)
        exchange(file, other);
}

/* What another disk has under that name, if it has something. */
static void become(struct memory_file *file, const struct memory_disk *disk)
{
    const struct memory_file *from =
        memory_disk_find((struct memory_disk *)(uintptr_t)disk, file->name);

    if (from != NULL) {
        memory_file_become(file, LOGFILE_IO_REGULAR);
        memory_file_set(file, from->bytes, from->size);
    }
}

static void damage_file(const struct rot_log *log, const struct rot_damage *damage,
                        struct memory_disk *disk)
{
    struct memory_file *file = rot_file(disk, (unsigned)damage->at);

    if (file == NULL)
        return;
    if (damage->kind == ROT_OLD_FILE)
        become(file, &log->versions[damage->value]);
    else if (!is_segment(log, file))
        return;
    else if (damage->kind == ROT_FOREIGN_FILE)
        become(file, &log->other);
    else
        memory_file_become(file, damage->value == 0 ? LOGFILE_IO_DIRECTORY : LOGFILE_IO_OTHER);
}

void rot_damage_apply(const struct rot_log *log, const struct rot_damage *damage,
                      struct memory_disk *disk)
{
    const struct rot_place place =
        damage->kind <= ROT_TRUNCATE ? rot_place(disk, damage->at) : (struct rot_place){0};

    if (is_of_a_sector(damage->kind))
        damage_sector(log, damage, disk);
    else if (is_of_a_block(damage->kind))
        damage_end(log, damage, disk);
    else if (damage->kind >= ROT_OLD_FILE)
        damage_file(log, damage, disk);
    else if (damage->kind >= ROT_REMOVE)
        damage_name(log, damage, disk);
    else if (place.file != NULL && damage->kind != ROT_TRUNCATE)
        place.file->bytes[place.offset] ^= (uint8_t)damage->value;
    else if (place.file != NULL)
        memory_file_resize(place.file, place.offset);
}
