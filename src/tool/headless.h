/* SPDX-License-Identifier: MIT */
/*
 * Reading a log that has lost what stands before its first epoch: both copies of the file header, both
 * trim marks, or the control file of a directory.
 *
 * What is lost is told by what is left:
 *   file header    by any segment, which holds two copies of it; the one that most segments agree on
 *   log's seed     by any epoch header.  Its checksum is a CRC32C that starts from the seed, and CRC32C is
 *                  a bijection in what it starts from: exactly one seed makes the checksum come out
 *                  right.  A header that is damaged gives a wrong one, so a seed counts only when a
 *                  second header gives the same, or when the records of the epoch have the
 *                  checksums that it demands
 *   segment_bytes  by an epoch in any segment but the first: LSN - offset = index * segment_bytes
 *   slot_bytes     not at all.  It bounds the length of an epoch and decides nothing else, so the
 *                  greatest that there can be will do
 *   id, salt       not at all.  Nothing but the seed depends on them; some that give it are made up
 *   trim mark      by the first epoch that is left.  What was trimmed and not given back yet comes
 *                  along
 *
 * With blocks 0 to 3 made from that, an io table shows the log as if it had them, and whoever reads
 * through it need not know.
 */
#ifndef LF_TOOL_HEADLESS_H
#define LF_TOOL_HEADLESS_H

#include "format/format.h"
#include "logfile_io.h"
#include "tool/view.h"

/* Where the header is from, or the seed that stands for it. */
enum lf_headless_source {
    LF_HEADLESS_OWN,      /* a whole copy was left after all */
    LF_HEADLESS_SEGMENTS, /* the segments' headers */
    LF_HEADLESS_EPOCHS    /* computed */
};

struct lf_headless {
    struct lf_view view; /* view.io shows the log */
    const char *path;
    bool is_directory;
    bool has_control; /* or is one file */
    enum lf_headless_source header_from;
    bool is_foreign; /* a whole header was left, and no epoch goes with it */
    bool mark_lost;  /* reading starts at the first epoch */
    int told_fd;     /* whose first blocks are those below; -1: it is not open */
    struct lf_file_header header;
    struct lf_trim_mark mark;
    _Alignas(LF_BLOCK_BYTES) uint8_t blocks[LF_FIRST_LSN];
};

/* Looks for what is left of the log at `path`.  0; LOGFILE_EFORMAT: there is nothing that a log could be told
 * by; -errno.  The struct must stay where it is for as long as its table is in use. */
int lf_headless_find(struct lf_headless *headless, const struct logfile_io *io, const char *path);

/* The seed with which the CRC32C of the bytes is `checksum`. */
uint32_t lf_headless_seed(uint32_t checksum, const void *bytes, size_t count);

#endif /* LF_TOOL_HEADLESS_H */
