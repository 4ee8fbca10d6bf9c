/* SPDX-License-Identifier: MIT */
#include "rot_damage.h"

#include <string.h>

#define SECTOR ((uint64_t)ROT_SECTOR_BYTES)
/* Segments are renamed to indexes below. */
#define RENAMES 8

static const char *const names[ROT_KIND_COUNT] = {
    [ROT_BYTE] = "byte",         [ROT_BIT] = "bit",       [ROT_TRUNCATE] = "truncate",
    [ROT_ZERO] = "zero",         [ROT_STALE] = "stale",   [ROT_SWAP] = "swap",
    [ROT_COPY] = "copy",         [ROT_REMOVE] = "remove", [ROT_RENAME] = "rename",
    [ROT_EXCHANGE] = "exchange",
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

uint64_t rot_at_count(struct rot_log *log, enum rot_kind kind)
{
    if (kind <= ROT_TRUNCATE)
        return rot_bytes(&log->disk);
    if (kind >= ROT_REMOVE)
        return rot_file_count(&log->disk);
    return kind == ROT_STALE && log->version_count == 0 ? 0 : sector_count(log);
}

uint64_t rot_value_count(struct rot_log *log, enum rot_kind kind)
{
    switch (kind) {
    case ROT_BYTE:
        return 255;
    case ROT_BIT:
        return 8;
    case ROT_STALE:
        return log->version_count;
    case ROT_SWAP:
    case ROT_COPY:
        return sector_count(log);
    case ROT_RENAME:
        return RENAMES;
    case ROT_EXCHANGE:
        return rot_file_count(&log->disk);
    case ROT_TRUNCATE:
    case ROT_ZERO:
    case ROT_REMOVE:
    case ROT_KIND_COUNT:
        break;
    }
    return 1;
}

static bool is_of_a_sector(enum rot_kind kind)
{
    return kind >= ROT_ZERO && kind <= ROT_COPY;
}

struct rot_damage rot_damage_number(enum rot_kind kind, uint64_t number, uint64_t value)
{
    struct rot_damage damage = {.kind = kind, .at = number, .value = value};

    if (is_of_a_sector(kind))
        damage.at *= SECTOR;
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

void rot_damage_apply(const struct rot_log *log, const struct rot_damage *damage,
                      struct memory_disk *disk)
{
    const struct rot_place place =
        damage->kind <= ROT_TRUNCATE ? rot_place(disk, damage->at) : (struct rot_place){0};

    if (is_of_a_sector(damage->kind))
        damage_sector(log, damage, disk);
    else if (damage->kind >= ROT_REMOVE)
        damage_name(log, damage, disk);
    else if (place.file != NULL && damage->kind != ROT_TRUNCATE)
        place.file->bytes[place.offset] ^= (uint8_t)damage->value;
    else if (place.file != NULL)
        memory_file_resize(place.file, place.offset);
}
