/* SPDX-License-Identifier: MIT */
/*
 * Many numbered cases of one kind, each decided by its number alone.
 *
 * A campaign says from time to time how far it is.  Where LF_PROGRESS names a folder, as `make
 * check-long` sets it, it keeps there how far it came, and the next run goes on from there instead
 * of trying the same cases again; the folder's files say, one line each, what has been tried so
 * far.  Without LF_PROGRESS it starts at case 0 each time.  The number of cases, which LF_CASES
 * replaces where it is set, is that of this run.
 *
 * In `make check` the campaigns of a program have 15 seconds together, 5 with LF_SCALE=small, so
 * that a slow or busy machine tries less instead of failing; what was tried is said.  LF_SECONDS
 * gives each campaign that time instead.  With LF_LONG, or LF_CASES alone, there is no bound.
 */
#ifndef CAMPAIGN_H
#define CAMPAIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct campaign {
    const char *name; /* a file name: letters, digits, '-' and '_' */
    uint64_t next;    /* case to be tried next */
    uint64_t first;   /* of this run */
    uint64_t count;   /* cases of this run */
    uint64_t tried;   /* what the cases count together, in their own unit: this run and before */
    uint64_t least;   /* cases of this run that are tried however late it is */
    uint64_t end_ns;  /* no other case begins later */
    uint64_t begun_ns;
    uint64_t said_ns;
};

/* Begins, or goes on with, the campaign; `count` is the number of cases for this run. */
struct campaign campaign_begin(const char *name, uint64_t count);
/* The same of one of `sharers` campaigns of this program, which share its time, with `least` cases,
 * one of each kind, that are tried in any case.  Cases of different kinds must take turns. */
struct campaign campaign_begin_shared(const char *name, uint64_t count, unsigned sharers,
                                      uint64_t least);
/* Whether there is another case, and its number. */
bool campaign_next(struct campaign *campaign, uint64_t *number);
/* The case that campaign_next gave went well; it tried `amount` states, calls or schedules.  Keeps
 * progress and speaks about twice a minute. */
void campaign_passed(struct campaign *campaign, uint64_t amount);
/* Keeps the progress and prints one line: name, cases, what they tried, seconds, rate. */
void campaign_end(struct campaign *campaign);

/* One line more that a campaign keeps beside its progress, under a name of its own; empty where
 * there is none. */
void campaign_load(const char *name, char *text, size_t bytes);
void campaign_keep(const char *name, const char *text);

/* The same bound for what counts by itself: the end of one share of the program's time, and whether
 * it has not come yet. */
uint64_t campaign_share_end_ns(unsigned sharers);
bool campaign_time_is_left(uint64_t end_ns);

/* Which of sixteen calls each pass over them fails: a pass is spread over all calls, and all passes
 * together fail each of them once. */
#define CAMPAIGN_PASSES 16
extern const unsigned campaign_pass_begins[CAMPAIGN_PASSES];
/* The first pass is made in any case. */
bool campaign_next_pass(unsigned *pass, uint64_t end_ns);

/* A number below `count` for each number below it, each once, so that any first part of them is
 * spread over all. */
uint64_t campaign_spread(uint64_t number, uint64_t count);

#endif /* CAMPAIGN_H */
