/* SPDX-License-Identifier: MIT */
/* One thing that happens to a log while nobody looks. */
#ifndef ROT_DAMAGE_H
#define ROT_DAMAGE_H

#include "rot_log.h"
#include "sim/rng.h"

enum rot_kind {
    ROT_BYTE,         /* the byte at `at` is XORed with `value`, */
    ROT_BIT,          /* which is a single bit */
    ROT_TRUNCATE,     /* the file of `at` is cut there */
    ROT_ZERO,         /* the sector of `at` becomes zeros, */
    ROT_STALE,        /* or what it was in version `value`, */
    ROT_SWAP,         /* or changes places with sector number `value`, */
    ROT_COPY,         /* or is written over that one too */
    ROT_WIPE,         /* from the block of `at` on the log is zeros, */
    ROT_CUT_OFF,      /* or gone, with all later segments */
    ROT_REMOVE,       /* file number `at` is gone, */
    ROT_RENAME,       /* or is called segment `value`, */
    ROT_EXCHANGE,     /* or changes names with file number `value`, */
    ROT_OLD_FILE,     /* or is what it was in version `value`, */
    ROT_FOREIGN_FILE, /* or, a segment, the same one of another log, */
    ROT_IRREGULAR,    /* or a directory (value 0) or a fifo (1) */
    ROT_KIND_COUNT
};

struct rot_damage {
    enum rot_kind kind;
    uint64_t at;
    uint64_t value;
};

const char *rot_kind_name(enum rot_kind kind);
/* ROT_KIND_COUNT: none has that name. */
enum rot_kind rot_kind_named(const char *name);
/* How many values of `at`, and of `value` for each, there are of this kind in a log. */
uint64_t rot_at_count(struct rot_log *log, enum rot_kind kind);
uint64_t rot_value_count(struct rot_log *log, enum rot_kind kind);
/* The damage with these numbers: `number` of rot_at_count, `value` of rot_value_count. */
struct rot_damage rot_damage_number(enum rot_kind kind, uint64_t number, uint64_t value);
struct rot_damage rot_damage_random(struct rot_log *log, struct rng *rng);
/* Damages a copy of the log's disk. */
void rot_damage_apply(const struct rot_log *log, const struct rot_damage *damage,
                      struct memory_disk *disk);

#endif /* ROT_DAMAGE_H */
