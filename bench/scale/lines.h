/* SPDX-License-Identifier: MIT */
/*
 * Cache lines: which processors hold each, and what it takes to get it.
 *
 *   owned    one processor holds it and may write (M or E)
 *   shared   some hold it and may only read (S; the one that wrote it last hands it on, as in MOESI)
 *   nowhere  it comes from memory
 *
 * Requests for a line are served one after the other, in their order.  A transfer takes what the machine's
 * distance between the two processors says, in three parts:
 *
 *     request            probe             data
 *     ------------------ ----------------- -----------------
 *     requester -> home  home -> owner     owner -> requester
 *
 * Until the probe arrives the owner goes on using the line: that is why two processors that add to one word
 * get several additions out of each visit.  While requests queue, the request of the next one overlaps the
 * transfer before it, so a line that is fought for changes hands every probe + data.  A write takes a shared
 * line from all who hold it, and waits for the farthest of them.
 */
#ifndef SCALE_LINES_H
#define SCALE_LINES_H

#include "cpus.h"

#include <stdbool.h>
#include <stdint.h>

#define LINE_BYTES_SHIFT 6
#define CPU_WORDS (CPUS_MAX / 64)

struct line {
    uint32_t number;
    int32_t owner;     /* the last one to ask for it to write; -1: none */
    uint64_t owned_ps; /* from when the owner holds it */
    uint64_t busy_ps;  /* until when its last request is served */
    uint64_t sharers[CPU_WORDS];
    uint64_t read_until_ps; /* until when those who shared it before can still read it */
    uint64_t before[CPU_WORDS];
    /* What happened to it. */
    uint64_t transfers;   /* from another processor */
    uint64_t far;         /* of those, from another node */
    uint64_t upgrades;    /* the others lost their copies, and no data moved */
    uint64_t cold;        /* from memory */
    uint64_t queue_ps;    /* that processors stood for it: others had asked for it before */
    uint64_t transfer_ps; /* and while it was on its way */
};

/* A line that no processor holds. */
struct line *line_new(void);
struct line *line_numbered(uint32_t number);
uint32_t line_count(void);
/* Whether the processor can read it, or write it, at once. */
bool line_is_here(const struct line *line, unsigned cpu, uint64_t time_ps, bool writes);
/* Asks for it; when it is there.  *queued_ps: how much of that is for the others' requests. */
uint64_t line_request(struct line *line, unsigned cpu, uint64_t time_ps, bool writes,
                      uint64_t *queued_ps);
/* The running thread has the line, to read or to write: waits for it.  All processors have caught up
 * before, and afterwards. */
void line_await(struct line *line, bool writes);
/* The running thread waits until its last store is seen; the second one without letting others catch up. */
void line_await_stores(void);
void line_stand_for_stores(void);
/* Forgets what happened to all lines. */
void lines_reset(void);

#endif /* SCALE_LINES_H */
