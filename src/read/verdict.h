/* SPDX-License-Identifier: MIT */
/*
 * Where the chain of epochs breaks, the rule of docs/FORMAT.md says whether the log is clean, torn or
 * corrupt.
 */
#ifndef LF_VERDICT_H
#define LF_VERDICT_H

#include "logfile.h"
#include "read/scan.h"

/* Fill in what is known of the log's end without a look at what follows it. */
void lf_verdict_describe(const struct lf_scan *scan, enum logfile_verdict verdict,
                         struct logfile_tail *tail);
/*
 * At a break: look for a later valid epoch header of this log that promises durability beyond the
 * break, and for anything else that contradicts an end there (enum lf_damage).  Fills verdict, end,
 * promise, resume (CORRUPT: 0 when no whole epoch follows; it can be the break itself, where a whole
 * epoch does not fit what is before it) and cut_bytes.  0, or -errno of a read.
 */
int lf_verdict_give(struct lf_scan *scan, struct logfile_tail *tail);
#define LF_VERDICT_REASON_BYTES 64
/* What proved the last verdict, CORRUPT, in words that follow the range of LSNs; "": that range says
 * it all. */
void lf_verdict_reason(const struct lf_scan *scan, char reason[LF_VERDICT_REASON_BYTES]);
/* Where the damage of a verdict ends, as far as it is known. */
uint64_t lf_verdict_damage_end(const struct logfile_tail *tail);
/* Go on at tail->resume_lsn, after the damage: the chain is taken from the header found there.
 * 0; -ENOENT: there is no epoch; -errno of a read. */
int lf_verdict_resume(struct lf_scan *scan, const struct logfile_tail *tail);
/*
 * The last verdict was CORRUPT, and no writer had the log: none can open it, so what was found after
 * the break stays as it is, and later breaks need no look at it, whatever is forgotten.
 */
void lf_verdict_keep_rest(struct lf_scan *scan);

/* Told of each epoch that is found: scan->epoch, in memory until it returns, and scan->before, what the
 * chain was before it.  Anything but 0 ends the scan, which returns it. */
typedef int lf_verdict_visit(void *arg, const struct lf_scan *scan);

/*
 * Scans to the end and gives the verdict; on return scan->chain is where the next epoch goes.  In a
 * large log a second thread reads ahead meanwhile.  visit: NULL for none.
 */
int lf_verdict_scan(struct lf_scan *scan, lf_verdict_visit *visit, void *arg,
                    struct logfile_tail *tail);

#endif /* LF_VERDICT_H */
