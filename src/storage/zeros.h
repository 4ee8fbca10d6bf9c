/* SPDX-License-Identifier: MIT */
/*
 * Which zeros are written ahead of a log's end, and when: a policy that knows no file and no clock.
 *
 * Zeros turn allocated blocks into written ones, whose sync needs no commit of the file system's journal.
 * They pay only when the log comes back for more, and only while there is time:
 *
 *   bursts   chunks of 256 KiB, up to a target that starts at 4 MiB, grows with what the log has
 *            consumed, and ends at prepare_bytes. A burst begins when half of that is used up, because
 *            each sync that follows a chunk pays for it.
 *   nothing  where a recycled segment brings written blocks along; while the log streams, because
 *            everything would be written twice; and after it has overtaken the zeros, because then the
 *            device is too busy: longer each time, and beginning again well ahead.
 *
 * docs/adr/0014 has the figures, also of what was tried instead.
 */
#ifndef LF_ZEROS_H
#define LF_ZEROS_H

#include "format/format.h"

#include <stdbool.h>
#include <stdint.h>

#define LF_ZEROS_CHUNK_BYTES ((uint64_t)256 << 10) /* no chunk is longer: a commit waits for one */

struct lf_zeros {
    const struct lf_layout *layout; /* never changes, nor do the two after it */
    uint64_t head;                  /* where the log ended when this began */
    uint64_t prepare_bytes;

    uint64_t claimed;      /* epochs are, or are about to be, written below */
    uint64_t written_from; /* [written_from, written_to): filled, and not yet claimed */
    uint64_t written_to;
    uint64_t recycled_from; /* [recycled_from, recycled_to): written before, with stale epochs */
    uint64_t recycled_to;
    bool has_filled; /* at all */
    bool filling;    /* on the way to the target, not waiting to fall behind it */

    uint64_t unsynced_bytes; /* filled since the last sync, */
    uint64_t unsynced_from;  /* from here */
    uint64_t unsynced_to;    /* to here, */
    uint64_t unsynced_ns;    /* in so much time of the device */

    bool stream_is_fast;       /* the rate, when last measured, leaves no time for zeros */
    uint64_t zero_bytes_per_s; /* what writing and syncing zeros has got lately; 0: not known */
    uint64_t rate_mark_ns;     /* when, and at which value of claimed, measuring began */
    uint64_t rate_mark;
    uint64_t back_off_ns;
    uint64_t back_off_end_ns; /* 0: it does not back off */
    uint64_t back_off_from;   /* claimed, when it began to, */
    bool device_is_busy;      /* because of that */
};

enum lf_zeros_job {
    LF_ZEROS_REST, /* until `claimed` reaches lf_zeros_wake_at */
    LF_ZEROS_FILL, /* [from, to), then lf_zeros_filled */
    LF_ZEROS_SYNC, /* [from, to), then lf_zeros_synced */
    LF_ZEROS_PAUSE /* until_ns */
};

struct lf_zeros_step {
    enum lf_zeros_job job;
    uint64_t from, to;
    uint64_t until_ns;
};

void lf_zeros_init(struct lf_zeros *zeros, const struct lf_layout *layout, uint64_t head,
                   uint64_t prepare_bytes, uint64_t now_ns);
/* What is to be done next. Nothing is filled below `claimed` or beyond `allocated`, or that is filled
 * already. One sync is for sync_bytes at most, and a chunk. */
struct lf_zeros_step lf_zeros_next(struct lf_zeros *zeros, uint64_t allocated, uint64_t sync_bytes,
                                   uint64_t now_ns);
/* A chunk has been written, or a sync made, which took so long. */
void lf_zeros_filled(struct lf_zeros *zeros, uint64_t from, uint64_t to, uint64_t begin_ns,
                     uint64_t end_ns);
void lf_zeros_synced(struct lf_zeros *zeros, uint64_t begin_ns, uint64_t end_ns);
/* Everything below `to` is the log's from now on. */
void lf_zeros_claim(struct lf_zeros *zeros, uint64_t to);
/* A recycled segment has brought [from, to) along. Only the last run of such is remembered: what is
 * forgotten is filled once more. */
void lf_zeros_recycle(struct lf_zeros *zeros, uint64_t from, uint64_t to);
/* What was from `end` on has been given back. */
void lf_zeros_cut(struct lf_zeros *zeros, uint64_t end);
/* The value of claimed at which there is something to do again; UINT64_MAX: none that is known, it waits
 * for room or for a pause to end. */
uint64_t lf_zeros_wake_at(const struct lf_zeros *zeros);

#endif /* LF_ZEROS_H */
