/* SPDX-License-Identifier: MIT */
/*
 * Lives and deaths of one log on the simulated disk, out of one number.
 *
 * The number decides everything: the plan, which the test makes, what threads append, at which call
 * the machine or the process dies, what becomes of what was not synced, how recovery is crashed in
 * turn, and what is appended after it.  Whatever happens, the promises at the top of journal.h
 * hold, a crash alone never makes a log corrupt, and the log goes on.
 */
#ifndef CRASH_RUN_H
#define CRASH_RUN_H

#include "crash_worker.h"
#include "journal.h"
#include "logfile_sim.h"

/* A change of what a number means goes behind a new generation, so that the cases that found
 * something go on meaning what they meant. */
enum crash_generation {
    CRASH_GENERATION_FIRST = 1,
    CRASH_GENERATION_WIDE, /* every policy, readers while it is written, crash upon crash, full disks */
    CRASH_GENERATION_COPIES, /* half of the logs that are open are read in a copy of the disk */
    CRASH_GENERATION_CALLS,  /* batches, reservations, the event descriptor, followers */
    CRASH_GENERATION = CRASH_GENERATION_CALLS
};

/* Faults of the test's own making, to see that it finds them. */
enum crash_plant {
    CRASH_PLANT_NONE,
    CRASH_PLANT_SYNC_LIES, /* the disk says that it synced */
    CRASH_PLANT_ROT,       /* a byte that was synced changes */
    CRASH_PLANT_EARLY_ACK, /* a submit counts as an acknowledgement */
    CRASH_PLANT_FORGOTTEN, /* a record that was appended is struck from the journal */
    CRASH_PLANT_UNTRIM     /* the log is said to have been trimmed further than it was */
};

struct crash_run {
    uint64_t seed;
    unsigned generation;
    enum crash_plant plant;
    struct rng rng;
    /* The plan. */
    const char *path;
    struct logfile_options options; /* of the next open */
    struct logfile_lab lab;         /* the same */
    struct logfile_sim_options disk_options;
    unsigned thread_count;
    unsigned trim_one_in;    /* steps of a thread; 0: none */
    unsigned step_count_max; /* between two openings */
    unsigned crash_within;   /* the first crash: this many changes at most from the start */
    unsigned recrash_within; /* the second one */
    bool aims;               /* half of the crashes strike calls that are rare */
    /* Each looks at what is on the disk; sets `why`, and returns false, where something is wrong.
     * NULL: nothing to be looked at.  After a crash; after a trim by the only thread; after a clean
     * close. */
    bool (*check_crashed)(struct crash_run *run, struct logfile_sim *disk);
    bool (*check_trimmed)(struct crash_run *run, struct logfile_sim *disk, uint64_t oldest_lsn);
    bool (*check_closed)(struct crash_run *run, struct logfile_sim *disk, uint64_t oldest_lsn);
    /* What the log said before it was opened. */
    uint32_t found_incarnation;
    /* What came of it. */
    uint64_t state_count;                         /* crash states that recovered, or should have */
    uint64_t crash_count[LOGFILE_SIM_CALL_COUNT]; /* in which calls */
    struct crash_counts counts;
    char why[JOURNAL_WHY_BYTES];
};

/* Sets the plan: everything that the number has to decide before the first call. */
typedef void crash_plan(struct crash_run *run);

/* Chooses engine, flusher, preparation and the like, as at every opening. */
void crash_choose_engine(struct crash_run *run);
/* False, with the reason. */
bool crash_fails(struct crash_run *run, const char *what, int error);

bool crash_is_wide(const struct crash_run *run);

/* ---- The tests ---- */

struct crash_program {
    const char *name;
    crash_plan *plan;
    /* That a case from the command line is made: what breaks it may depend on threads. */
    unsigned times;
};

/* Cases of a campaign until they made as many crash states; says how many, and how fast. */
void crash_run_cases(const struct crash_program *program, uint64_t state_count);
/* The program's lines of tests/crash/regressions.txt, of which there is one at least. */
void crash_replay_regressions(const struct crash_program *program);
/* How many of `count` cases notice the planted fault. */
unsigned crash_count_caught(const struct crash_program *program, enum crash_plant plant,
                            unsigned count);
/* What main returns for the one case that the command line names: by its number, behind an '@' its
 * generation where that is not the last one, and how often it is made. */
int crash_replay(const struct crash_program *program, char *const words[], unsigned count);

#endif /* CRASH_RUN_H */
