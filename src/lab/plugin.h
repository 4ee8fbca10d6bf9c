/* SPDX-License-Identifier: MIT */
/*
 * An engine, or a reservation policy, in one file that logfile-bench --lab loads: docs/CONTRIBUTING.md shows
 * one of each.  The file includes this header, defines a table and ends with one of
 *
 *     LF_LAB_ENGINE(table)     a struct lf_engine (ring/engine.h); its state begins with struct lf_lab
 *     LF_LAB_RESERVE(table)    a struct lf_reserve_policy (ring/ring.h); lab/reserve.h has the parts of a lock
 *
 * and is linked with a copy of the library's objects, since a program hides its own:
 *
 *     cc -shared -fPIC -O2 -D_GNU_SOURCE -I src -I include -o own.so own.c \
 *         build/.libs/liblogfile-internal.a
 *
 * The copy works on the log of the program that loads it, so both must be of the same sources: a stamp
 * tells.  It is harmless otherwise.  The library's only memory that changes and belongs to no log is the random
 * state by which each thread samples stages (lab/stages.c), of which the copy has one of its own; and nothing
 * that an engine is handed is known by its address.
 */
#ifndef LF_LAB_PLUGIN_H
#define LF_LAB_PLUGIN_H

#include "lab/lab.h"
#include "lab/reserve.h"

/* Of the headers that a file was compiled with. */
struct lf_lab_stamp {
    char version[16];
    uint32_t bytes[6];
};
/* Of the sources that the objects were made of: their checksum, which make writes. */
extern const char lf_lab_sources[];

/* clang-format off */
#define LF_LAB_STAMP                                                                               \
    {                                                                                              \
        LOGFILE_VERSION_STRING,                                                                    \
        {                                                                                          \
            sizeof(struct logfile), sizeof(struct lf_ring), sizeof(struct lf_slot),                \
            sizeof(struct lf_engine), sizeof(struct lf_reserve_policy), sizeof(struct lf_lab)      \
        }                                                                                          \
    }

/* What a plug-in has for the program: an engine, or a policy.  The stamp comes first in every version. */
struct lf_lab_plugin {
    struct lf_lab_stamp stamp;
    const char *sources;
    const struct lf_engine *engine;
    const struct lf_reserve_policy *reserve;
};

#define LF_LAB_PLUGIN(member, table)                                                               \
    extern __attribute__((visibility("default"))) const struct lf_lab_plugin lf_lab_plugin;        \
    const struct lf_lab_plugin lf_lab_plugin = {                                                   \
        .stamp = LF_LAB_STAMP, .sources = lf_lab_sources, .member = &(table)};
/* clang-format on */
#define LF_LAB_ENGINE(table) LF_LAB_PLUGIN(engine, table)
#define LF_LAB_RESERVE(table) LF_LAB_PLUGIN(reserve, table)

#endif /* LF_LAB_PLUGIN_H */
