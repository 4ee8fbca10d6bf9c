/* SPDX-License-Identifier: MIT */
/*
 * What a node's disk must hold: every operation is noted as it is asked for, and a start must find what a
 * first part of them leaves, all that was called back at the least.
 *
 * An entry's data follow from its index and its term, so two entries are the same if these are.
 */
#ifndef RAFT_MODEL_H
#define RAFT_MODEL_H

#include "raft_disk.h"

struct model_step {
    raft_index index;
    raft_term term; /* 0: entries from `index` on are cut off */
};

struct raft_model {
    struct raft_disk *disk;
    raft_term *terms; /* by index: of the last entry that was there */
    size_t term_capacity;
    raft_index next;
    raft_index start; /* the log begins here at the latest: a snapshot has the rest */
    raft_term term;
    raft_id vote;
    /* Since the last start: what was there then, and what came. */
    raft_term *begun_terms;
    raft_index begun_next, begun_start;
    struct model_step *steps;
    size_t step_count, step_capacity;
    size_t stored_steps;            /* called back */
    unsigned calls, answers;        /* of appends */
    struct model_request *requests; /* that are not answered, the last one first */
    unsigned failed_from;           /* answers below this number were good; UINT_MAX: all were */
    size_t data_max;
    /* What was being stored when the machine went down: as good as what was there. */
    bool has_other;
    raft_term other_term;
    raft_id other_vote;
    struct raft_io_snapshot_put put;
    struct raft_snapshot *put_snapshot;
    int put_status; /* -1: it is under way */
};

void model_init(struct raft_model *model, struct raft_disk *disk);
void model_free(struct raft_model *model);

/* All of it at once: a loop, a simulated disk, a node's disk on it, and its model. */
void model_begin(struct raft_model *model, struct raft_disk *disk, uv_loop_t *loop,
                 struct logfile_sim **sim);
/* Nothing is left open.  How often the simulated disk was misused.  sim: a test may have changed it. */
uint64_t model_end(struct raft_model *model, struct logfile_sim *sim);

/* One configuration, of the node itself. */
int model_bootstrap(struct raft_model *model);
/* Opens, loads and checks; `after_crash`: what was not called back may be missing.  What is there counts
 * from now on. */
void model_open(struct raft_model *model, bool after_crash);
void model_close(struct raft_model *model);

/* Appends entries of a term; what came of the call. */
int model_append(struct raft_model *model, unsigned count, raft_term term);
int model_truncate(struct raft_model *model, raft_index index);
/* These fail only if the machine goes down. */
void model_set_term(struct raft_model *model, raft_term term);
void model_set_vote(struct raft_model *model, raft_id vote);
/* Stores a snapshot up to `index` and waits for it, or for the machine to go down. */
void model_put(struct raft_model *model, raft_index index, raft_term term, unsigned trailing);
/* Runs until every append is answered, or the machine is down. */
void model_wait(struct raft_model *model);
raft_term model_term_at(const struct raft_model *model, raft_index index);
/* The size of an entry's data. */
size_t model_size(const struct raft_model *model, raft_index index, raft_term term);

#endif /* RAFT_MODEL_H */
