/* SPDX-License-Identifier: MIT */
/*
 * libraft's core over disks of ours: some servers in one thread, on a disk that is simulated for each, with
 * a network and a clock that the seed decides.  The same seed makes the same life.
 *
 * After every step Raft's promises are looked at (Ongaro and Ousterhout, figure 3): election safety, log
 * matching, leader completeness, state machine safety; and that no acknowledged command is lost.
 */
#ifndef RAFT_CLUSTER_H
#define RAFT_CLUSTER_H

#include "raft_disk.h"

#define CLUSTER_SERVERS 3
#define CLUSTER_STEPS_MAX 4096

struct cluster_server {
    struct cluster *cluster;
    struct raft_disk disk;
    struct raft raft;
    struct raft_fsm fsm;
    raft_id id;
    char address[8];
    bool is_running, is_closed;
    uint64_t up_at_ms; /* when it is down: of its next start */
    uint64_t tick_at_ms;
    bool is_cut_off;   /* from the others */
    uint64_t *applied; /* its state: every command, in order */
    size_t applied_count;
    raft_index checked_index; /* what it has committed is known up to here */
    unsigned starts;
};

struct cluster_letter {
    struct cluster_letter *next;
    uint64_t due_ms;
    raft_id from, to;
    struct raft_message message;
};

struct cluster_sent {
    struct cluster_sent *next;
    raft_id from;
    struct raft_io_send *request;
    raft_io_send_cb cb;
};

struct cluster {
    uv_loop_t loop;
    struct rng rng;
    uint64_t now_ms;
    struct cluster_server servers[CLUSTER_SERVERS];
    struct cluster_letter *letters;
    struct cluster_sent *sent;
    bool is_calm; /* no more letters are lost, and nothing is cut off */
    uint64_t last_command;
    /* What is known of all. */
    uint64_t *committed; /* commands, in the order of every server */
    size_t committed_count, committed_capacity;
    bool *is_acknowledged; /* by command */
    size_t acknowledged_count;
    raft_term committed_terms[CLUSTER_STEPS_MAX]; /* by index; 0: not known */
    raft_index committed_index;
    raft_id leaders[CLUSTER_STEPS_MAX]; /* by term */
    unsigned crashes, truncations, elections, installs;
};

void cluster_init(struct cluster *cluster, uint64_t seed);
void cluster_free(struct cluster *cluster);
/* One step of a few milliseconds: letters, ticks, disks, a command now and then, crashes of disks that are
 * down, starts of servers that were; then the promises. */
void cluster_step(struct cluster *cluster);
/* Everything is mended, until all servers have applied all that was acknowledged. */
void cluster_calm_down(struct cluster *cluster);

#endif /* RAFT_CLUSTER_H */
