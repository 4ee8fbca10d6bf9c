/* SPDX-License-Identifier: MIT */
/*
 * The life of one log on a simulated disk of which one kind of call fails.
 *
 * Each step makes its calls and checks what it is told: an error is that of the fault and named; a
 * log that has failed says so from then on, in the same words, and acknowledges nothing more; a
 * fault that is over is over.  fault_trial_finish then looks at what is left, on the same machine
 * and after a power cut.  A promise that is broken ends the test with the trial's name, and its plan as
 * one word: what makes it again.
 */
#ifndef FAULT_TRIAL_H
#define FAULT_TRIAL_H

#include "journal.h"
#include "logfile_sim.h"

#define FAULT_LOG_PATH "/fault.log"

struct fault_trial {
    struct logfile_sim *disk;
    struct logfile_options options;
    struct logfile_open_report report;
    struct logfile_sim_fault fault;
    struct journal journal;
    struct logfile *log;
    bool failed; /* the log has said so: */
    struct logfile_failure failure;
    uint64_t durable_lsn; /* then, and once the commit that was under way has ended */
    bool has_moved;       /* since then, by that one */
    uint64_t event_lsn;   /* that the log's last event told to be durable; 0: there was none */
    char name[256];       /* what fails, and the plan */
};

/* What a trial is made of. */
struct fault_plan {
    unsigned variant_index;
    enum logfile_prepare prepare;
    uint64_t segment_bytes; /* 0: one file */
    struct logfile_sim_fault fault;
};

/* A plan as one word, and back again.  False: it is none. */
#define FAULT_PLAN_BYTES 96
void fault_plan_write(const struct fault_plan *plan, char text[FAULT_PLAN_BYTES]);
bool fault_plan_read(struct fault_plan *plan, const char *text);

/* Makes a disk without faults, and options for a log on it. */
void fault_trial_begin(struct fault_trial *trial, const struct fault_plan *plan);
/* Frees the disk, on which nothing is open. */
void fault_trial_end(struct fault_trial *trial);

/* Opens the log.  False: it cannot be opened, because the fault is for ever. */
bool fault_trial_open(struct fault_trial *trial);
void fault_trial_append(struct fault_trial *trial, size_t size, bool submits);
/* Three records at once; space for one, which is published or abandoned; an event. */
void fault_trial_append_batch(struct fault_trial *trial);
void fault_trial_reserve(struct fault_trial *trial, size_t size, bool publishes);
void fault_trial_take(struct fault_trial *trial);
/* Takes down what an append ended with.  `entry` has LSN_UNSET where no LSN was given. */
void fault_trial_note(struct fault_trial *trial, const struct journal_entry *entry, int error);
/* Small records and large ones, alone and together, by each call there is, over several epochs and
 * segments. */
void fault_trial_append_some(struct fault_trial *trial);
/* Everything that is durable is no longer needed. */
void fault_trial_trim(struct fault_trial *trial);
/* Durable stays durable, and nothing else becomes it. */
void fault_trial_check_waits(struct fault_trial *trial);
void fault_trial_close(struct fault_trial *trial);
/* Reads the log by its path, as far as the fault lets. */
void fault_trial_read(struct fault_trial *trial);
/* Without faults: what is there is what was promised, also after a power cut. */
void fault_trial_finish(struct fault_trial *trial);

#define LSN_UNSET UINT64_MAX

#endif /* FAULT_TRIAL_H */
