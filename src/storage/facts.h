/* SPDX-License-Identifier: MIT */
/*
 * What the file system under a log does, in one place: what the kernel says of it, asked through
 * the io table, and what errors have taught since.  Nothing here reads or writes to find out.
 *
 * O_DIRECT is a request.  Some file systems take it and go through the page cache all the same:
 * ext4 with data=journal or encryption, tmpfs, Btrfs with checksums.  Then a write reports nothing
 * of what becomes of its bytes.  So two things are kept apart: whether O_DIRECT is set, and whether
 * the kernel says that it bypasses the cache.
 */
#ifndef LF_FACTS_H
#define LF_FACTS_H

#include "base/atomic.h"
#include "logfile_io.h"

#include <stdbool.h>

#define LF_FACTS_WHY_BYTES 160

/* What becomes of O_DIRECT on a file. */
enum lf_direct {
    LF_DIRECT_BUFFERED = 0, /* it is refused, buffered, or needs more than a block's alignment */
    LF_DIRECT_NOT_SAID,     /* the kernel does not say */
    LF_DIRECT_PROVEN        /* the kernel says: in blocks, and past the page cache */
};

/* Of a log that is open for appending. */
struct lf_facts {
    struct logfile_io_facts said; /* of the file that the log was opened by */
    bool direct;                  /* its files are open with O_DIRECT */
    /* W: any thread, once each.  R: any. */
    uint32_t direct_unproven; /* 1: of one of them the kernel did not say that this is direct */
    uint32_t no_allocation;   /* 1: -EOPNOTSUPP has been met */
};

/* Asks of an open file or directory.  Where there is no answer, nothing is known. */
void lf_facts_ask(const struct logfile_io *io, int fd, struct logfile_io_facts *said);
enum lf_direct lf_facts_direct(const struct logfile_io_facts *said);
/* Says why O_DIRECT cannot be had, with the alignment. */
void lf_facts_explain(const struct logfile_io_facts *said, char why[LF_FACTS_WHY_BYTES]);
/* True: a write that syncs saves the device a flush, into blocks that were written before. */
bool lf_facts_dsync_saves_flush(const struct logfile_io_facts *said);
/* "ext4", "xfs", ...; "" for what has no name here. */
const char *lf_facts_name(const struct logfile_io_facts *said);

/* ---- Of a log that is open for appending ---- */

/* Takes what was said of the file that the log was opened by. */
void lf_facts_begin(struct lf_facts *facts, const struct logfile_io_facts *said, bool direct);
/* Asks of another file of the log, or of the same file again: what is said of one holds for no
 * other, as attributes are inherited when a file is made.  Any thread. */
void lf_facts_note_file(struct lf_facts *facts, const struct logfile_io *io, int fd);
/* Whether each write of the log bypasses the page cache, as the kernel says.  Any thread. */
static inline bool lf_facts_bypasses_cache(const struct lf_facts *facts)
{
    /* S2: pairs with lf_facts_note_file, which comes before the first use of that file. */
    return facts->direct && lf_load_acquire_32(&facts->direct_unproven) == 0;
}
void lf_facts_note_no_allocation(struct lf_facts *facts);
bool lf_facts_allocates(const struct lf_facts *facts);

/* ---- For readers ---- */

/* Whether the error of a lock means that the file system has no locks at all. */
bool lf_facts_means_no_locks(int error);
/* As the table's `locked`: 1, 0 or -errno.  Without locks no writer of ours can be there, because
 * none gets its lock: 0. */
int lf_facts_locked(const struct logfile_io *io, int fd);
/* Judges what a reader's sync returned: 0 where a file system cannot sync that is read-only, as
 * nothing that is read there is still on its way to the device. */
int lf_facts_judge_sync(const struct logfile_io *io, int fd, int error);

#endif /* LF_FACTS_H */
