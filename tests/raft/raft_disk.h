/* SPDX-License-Identifier: MIT */
/*
 * The disk of a Raft node on a simulated disk, with a base of the test's own under it: no network but
 * what the test makes of it, no time but the test's, and snapshots in memory, which count as durable from
 * the moment on that the base calls back.
 *
 * With the leader flusher, which is the default here, nothing is written but by raft_disk_run, and every
 * run makes the same calls.  Logs of segments take another one: a segment's last epoch is ended by a call
 * that may wait, or by the log's own thread, and there would be neither.
 */
#ifndef RAFT_DISK_H
#define RAFT_DISK_H

#include "logfile_raft.h"
#include "logfile_sim.h"
#include "raft/node.h"
#include "support.h"

#include <raft.h>
#include <uv.h>

struct raft_disk {
    struct logfile_sim *sim;
    uv_loop_t *loop;
    struct raft_io io, base;
    struct logfile_options options;
    struct logfile_lab lab;
    struct logfile_raft_options raft_options;
    const char *path;
    uint64_t *now_ms; /* NULL: time stands still */
    struct rng rng;

    /* Of the base. */
    raft_id id;
    raft_io_tick_cb tick;
    raft_io_recv_cb receive;
    int (*send)(void *arg, struct raft_disk *from, struct raft_io_send *request,
                const struct raft_message *message, raft_io_send_cb cb);
    void *send_arg;
    struct raft_snapshot *stored; /* NULL: none */
    struct raft_io_snapshot_put *put;
    const struct raft_snapshot *put_snapshot;
    int put_error;  /* what the next one fails with */
    bool holds_put; /* until the test lets it go */
    struct raft_io_snapshot_get *get;
    raft_term own_term; /* what load says of a log of the base's own */

    bool is_of_libraft; /* its core calls */
    bool is_open, is_closed;
};

void raft_disk_init(struct raft_disk *disk, uv_loop_t *loop, struct logfile_sim *sim);
/* Frees what the base has stored. */
void raft_disk_free(struct raft_disk *disk);

/* logfile_raft_init alone: disk->io is for raft_init. */
void raft_disk_prepare(struct raft_disk *disk);
/* The same, and what raft_init does. */
int raft_disk_open(struct raft_disk *disk);
/* What raft_close does, and logfile_raft_close, as if the process ended in order. */
void raft_disk_close(struct raft_disk *disk);
/* What is submitted becomes durable, and what is due is called back. */
void raft_disk_run(struct raft_disk *disk);
/* Runs it until *done is true. */
void raft_disk_run_until(struct raft_disk *disk, const bool *done);
/* So that other threads come to an end. */
void raft_disk_wait_idle(struct raft_disk *disk);

struct raft_snapshot *snapshot_make(raft_index index, raft_term term, const void *data,
                                    size_t size);
struct raft_snapshot *snapshot_copy(const struct raft_snapshot *snapshot);

#endif /* RAFT_DISK_H */
