/* SPDX-License-Identifier: MIT */
/*
 * The records that are whole in epochs that are not.
 *
 * A reader takes an epoch as a whole or not at all.  Salvage takes what it can get: each record has a
 * checksum that nothing but the log's seed, the incarnation's nonce, the epoch's number and the place
 * in it go into.  The epoch's header tells them; if that is lost, the chain does.
 */
#ifndef LF_TOOL_PIECES_H
#define LF_TOOL_PIECES_H

#include "tool/bad_blocks.h"
#include "read/reader.h"
#include "format/record.h"

struct lf_pieces {
    struct lf_file *file;
    const struct lf_bad_blocks *bad;
    struct lf_chain
        chain;    /* what the next epoch should be; incarnation 0: its nonce is not known */
    uint64_t end; /* where what is looked through ends */
    /* The epoch being looked through. */
    bool in_epoch;
    uint8_t *bytes; /* NULL: none */
    uint32_t length;
    uint64_t lsn;
    uint64_t next_lsn;
    bool header_only[2]; /* which kinds of checksums its records may have */
    struct lf_record_place place;
    uint64_t tries_left; /* bytes that may still be checked in vain */
};

/* Looks through [chain->lsn, end), where the reader has met damage.  pieces: zero before the first
 * time. */
void lf_pieces_begin(struct lf_pieces *pieces, struct logfile_reader *reader,
                     const struct lf_bad_blocks *bad, uint64_t end);
/* 1: *record is the next whole one, valid until the next call; 0: no more, or none begun; -errno. */
int lf_pieces_next(struct lf_pieces *pieces, struct logfile_record *record);
void lf_pieces_free(struct lf_pieces *pieces);

#endif /* LF_TOOL_PIECES_H */
