/* SPDX-License-Identifier: MIT */
/*
 * Many numbered cases of one kind, each decided by its number alone.
 *
 * A campaign says from time to time how far it is.  Where LF_PROGRESS names a folder, as `make
 * check-long` sets it, it keeps there how far it came, and the next run goes on from there instead
 * of trying the same cases again; the folder's files say, one line each, what has been tried so
 * far.  Without LF_PROGRESS it starts at case 0 each time.  The number of cases, which LF_CASES
 * replaces where it is set, is that of this run; with LF_SECONDS it also ends after that time.
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
    uint64_t end_ns;  /* no case begins later */
    uint64_t begun_ns;
    uint64_t said_ns;
};

/* Begins, or goes on with, the campaign; `count` is the number of cases for this run. */
struct campaign campaign_begin(const char *name, uint64_t count);
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

#endif /* CAMPAIGN_H */
