/* SPDX-License-Identifier: MIT */
/*
 * A world so small that everything can be tried: one thread, one log, a few steps that a script
 * names, and a power cut of which each unsynced sector, size and name is kept or not, as told.
 *
 * A script is the kind of world, a colon, and a letter for each step: "ring-buffered:smfrc".
 *
 *   s  submits a small record             e  the next sync, or write, of the disk fails once
 *   m  submits one of several blocks      n  the disk is full, until the log cannot be opened
 *   f  flushes                            x  appends with a deadline that has passed
 *   r  closes the log and opens it        c  power cut: what is not synced is lost; at the second
 *                                            one every other thing, at the third nothing; opens
 *
 * A second enumeration is of the steps "bpavfrce":
 *
 *   b  submits a batch of three records  a  reserves, fills and abandons as much
 *   p  reserves as much as m submits,    v  takes an event, and believes it
 *      fills and publishes it               (p and a only where the engine has reservations)
 *
 * Scripts that somebody writes have two more steps, which no enumeration of all sequences has,
 * and a kind of world in which each epoch has a segment of its own.  Its segments are made by a
 * thread, so that the calls of such a world are not quite the same each time.
 *
 *   t  trims as far as the log is durable
 *   k  flushes, and the process dies in the sync, with what it wrote in the cache; opens.  As the
 *      first step: creates the log, and dies in the sync of its directory
 *
 * The log is created before the first step.  A power cut strikes at a call of the last step that
 * changes something; then the promises at the top of journal.h hold for what is left, and the log
 * goes on.
 */
#ifndef SMALL_WORLD_H
#define SMALL_WORLD_H

#include "journal.h"
#include "logfile_sim.h"

/* In the order of their numbers. */
#define SMALL_WORLD_LETTERS "smfrcenx"
#define SMALL_WORLD_CALL_LETTERS "bpavfrce"
#define SMALL_WORLD_SCRIPT_LETTERS SMALL_WORLD_LETTERS "bpavtk"

enum {
    SMALL_WORLD_STEPS_MAX = 32
};

/* Faults of the test's own making, to see that it finds them. */
enum small_world_plant {
    SMALL_WORLD_NO_PLANT,
    SMALL_WORLD_SYNC_LIES, /* the disk says that it synced */
    SMALL_WORLD_EARLY_ACK  /* a submit counts as an acknowledgement */
};

struct small_world_kind {
    const char *name;
    enum logfile_engine engine;
    enum logfile_io_mode io_mode;
    enum logfile_sync sync;
    enum logfile_sim_call fails; /* what step e strikes */
    uint64_t segment_bytes;
};

enum {
    SMALL_WORLD_KIND_COUNT = 6,
    SMALL_WORLD_SCRIPT_KIND_COUNT = 7 /* those for scripts only come last */
};
extern const struct small_world_kind small_world_kinds[SMALL_WORLD_SCRIPT_KIND_COUNT];

struct small_world_script {
    const struct small_world_kind *kind;
    enum small_world_plant plant;
    char steps[SMALL_WORLD_STEPS_MAX + 1];
};

struct small_world {
    const struct small_world_script *script;
    struct logfile_sim *disk;
    struct logfile *log; /* NULL: not open */
    struct logfile_options options;
    struct logfile_lab lab;
    struct journal journal;
    unsigned cut_count;  /* power cuts that were steps */
    unsigned crash_call; /* of the step under way; 0: none */
    bool is_hurt;        /* calls may have failed since the log was opened */
    bool is_full;
    char why[JOURNAL_WHY_BYTES]; /* a promise is broken */
};

/* False: no script. */
bool small_world_parse(const char *text, struct small_world_script *script);
/* Into a static buffer. */
const char *small_world_script_text(const struct small_world_script *script);

/*
 * Takes all steps, the last one with a power cut at its nth call that changes something; nth 0:
 * none.  Without steps the cut is in the creation.  Whether the cut was reached; then the machine is
 * off, and the log is not open.  Else the log was closed, and looked at.
 */
bool small_world_run(struct small_world *world, const struct small_world_script *script,
                     unsigned nth);
/* What is left when those things are kept whose bits are set: recovered, appended to, closed, read.
 * False: a promise is broken, world->why says which. */
bool small_world_check(struct small_world *world, uint64_t keep);
void small_world_end(struct small_world *world);

#endif /* SMALL_WORLD_H */
