/* SPDX-License-Identifier: MIT */
/*
 * Where the time of an append goes, for one append in so many.
 *
 * The appending thread reads the clock after each of its own stages; who commits the epoch notes
 * when it was sealed, written and durable; when the append is about to return, the two are put
 * together.  Notes are kept for the last LF_STAGES_EPOCHS epochs: a thread that wakes up later than
 * that loses its sample.  Where nothing is sampled, no append reads the clock for this.
 */
#ifndef LF_LAB_STAGES_H
#define LF_LAB_STAGES_H

#include "base/atomic.h"
#include "base/stats.h"
#include "logfile_lab.h"

#define LF_STAGES_EPOCHS 64u

struct lf_epoch_times {
    /* W: who commits.  R: sampled appends.  Number of the epoch whose times are here, 0: none. */
    uint64_t epoch;
    uint64_t sealed_ns;
    uint64_t written_ns;
    uint64_t durable_ns;
};

struct lf_stages {
    unsigned every; /* never changes; 0: no append is sampled */
    struct logfile_histogram ns[LOGFILE_STAGE_COUNT];
    struct lf_epoch_times times[LF_STAGES_EPOCHS];
};

/* One sampled append: its own, on its stack. */
struct lf_stage_clock {
    uint64_t last_ns; /* 0: this append is not sampled */
    uint64_t ns[LOGFILE_STAGE_COUNT];
};

/* Whether the calling thread's next append is sampled; if so, its clock starts. */
void lf_stages_begin(const struct lf_stages *stages, struct lf_stage_clock *clock);
/* The stage ends now.  Nothing, for an append that is not sampled. */
void lf_stages_mark(struct lf_stage_clock *clock, enum logfile_stage stage);
/* The append is durable, in that epoch, and about to return. */
void lf_stages_finish(struct lf_stages *stages, struct lf_stage_clock *clock, uint64_t epoch);

/* What has been sampled so far.  Any thread. */
void lf_stages_copy(const struct lf_stages *stages,
                    struct logfile_histogram ns[LOGFILE_STAGE_COUNT]);

/* For who commits: the epoch has been sealed; it is durable. */
void lf_stages_sealed(struct lf_stages *stages, uint64_t epoch);
void lf_stages_durable(struct lf_stages *stages, uint64_t epoch, uint64_t written_ns);

#endif /* LF_LAB_STAGES_H */
