/* SPDX-License-Identifier: MIT */
/*
 * Making damaged copies of file headers good again, from the copy that is whole.
 *
 * Two copies are worth no more than one if the loss of the first is never mended.  Trim marks need
 * no repair: an opening writes both anew.
 */
#ifndef LF_REPAIR_H
#define LF_REPAIR_H

#include "read/recover.h"
#include "storage/store.h"

/*
 * Rewrites each damaged copy of the log's file header and of those of its segments, syncing after each,
 * so that a crash never meets two that are damaged.  The opener, when recovery has found nothing
 * that speaks against appending.  0, LOGFILE_EFAILED or -errno.
 */
int lf_repair_headers(struct lf_store *store, const struct lf_prologue *prologue);

#endif /* LF_REPAIR_H */
