/* SPDX-License-Identifier: MIT */
/*
 * What the journal's public functions and our own tests share: the hash, and the comparison with
 * records from anywhere.
 */
#ifndef SIM_JOURNAL_H
#define SIM_JOURNAL_H

#include "logfile.h"
#include "logfile_sim.h"

/*
 * Of a payload.  Each word of eight bytes is mixed in by a bijection, so two payloads of one size
 * that differ in a single word never have the same hash, and others only by chance.
 */
uint64_t lf_sim_hash(const void *data, size_t size);

/* As logfile_sim_journal_append, of a payload that is known by its hash. */
int lf_sim_journal_append_hash(struct logfile_sim_journal *journal, uint64_t lsn, uint64_t hash,
                               size_t size);

/* Gives the next record as logfile_reader_next does. */
typedef int lf_sim_next(void *from, struct logfile_record *record);

/* As logfile_sim_journal_check, with records from anywhere. */
int lf_sim_journal_check_from(struct logfile_sim_journal *journal, lf_sim_next *next, void *from,
                              struct logfile_sim_report *report, size_t size);

#endif /* SIM_JOURNAL_H */
