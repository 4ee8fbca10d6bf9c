/* SPDX-License-Identifier: MIT */
#include "storage/zeros.h"

#include "base/num.h"

#define MIB ((uint64_t)1 << 20)
#define MS_NS ((uint64_t)1000000)
#define S_NS ((uint64_t)1000000000)
#define FIRST_TARGET_BYTES (4 * MIB)      /* zeros ahead of a log that has consumed nothing */
#define RESTART_MARGIN_BYTES (4 * MIB)    /* left alone when the log has overtaken the zeros */
#define STREAM_SHARE 3                    /* of the speed of zeros: beyond 1/3 the log streams, */
#define STREAM_MIN_BYTES_PER_S (64 * MIB) /* if it is at least this fast */
#define SPEED_SAMPLE_BYTES MIB            /* less says more about the sync than about the device */
#define RATE_WINDOW_NS (5 * MS_NS)
#define BACK_OFF_MIN_NS (20 * MS_NS)
#define BACK_OFF_MAX_NS (640 * MS_NS)

void lf_zeros_init(struct lf_zeros *zeros, const struct lf_layout *layout, uint64_t head,
                   uint64_t prepare_bytes, uint64_t now_ns)
{
    *zeros = (struct lf_zeros){
        .layout = layout,
        .head = head,
        .prepare_bytes = prepare_bytes,
        .claimed = head,
        .written_from = head,
        .written_to = head,
        .back_off_ns = BACK_OFF_MIN_NS,
        .rate_mark_ns = now_ns,
        .rate_mark = head,
    };
}

/* ---- Where ------------------------------------------------------------------------------------*/

/* Where the zeros ahead of the log begin. */
static uint64_t zeros_from(const struct lf_zeros *zeros)
{
    return lf_max(zeros->claimed, zeros->written_from);
}

static bool was_overtaken(const struct lf_zeros *zeros)
{
    return zeros->claimed > zeros->written_to && zeros->has_filled;
}

/* The first byte that may be filled next: a segment's own header is not. */
static uint64_t next_from(const struct lf_zeros *zeros)
{
    const struct lf_layout *layout = zeros->layout;
    uint64_t next = lf_max(zeros->claimed, zeros->written_to);
    return lf_max(next, lf_segment_first_lsn(layout, lf_segment_index(layout, next)));
}

/* Where the next chunk would go is a recycled segment: nothing is to be done up to its end. */
static void pass_recycled(struct lf_zeros *zeros)
{
    uint64_t next = next_from(zeros);
    if (next < zeros->recycled_from || next >= zeros->recycled_to)
        return;
    if (zeros->claimed > zeros->written_to)
        zeros->written_from = zeros->claimed;
    zeros->written_to = zeros->recycled_to;
}

/* ---- How far -----------------------------------------------------------------------------------*/

static uint64_t target_bytes(const struct lf_zeros *zeros)
{
    uint64_t consumed = zeros->claimed - zeros->head;
    return lf_min(lf_max(consumed, FIRST_TARGET_BYTES), zeros->prepare_bytes);
}

/* Once less than half of the target is ahead, until all of it is. */
static uint64_t aim_at_target(struct lf_zeros *zeros, uint64_t allocated)
{
    uint64_t from = zeros_from(zeros);
    uint64_t ahead = zeros->written_to > from ? zeros->written_to - from : 0;
    uint64_t target = target_bytes(zeros);
    if (ahead >= target) {
        zeros->filling = false;
        zeros->back_off_ns = BACK_OFF_MIN_NS;
    } else if (ahead < target / 2) {
        zeros->filling = true;
    }
    /* No chunk reaches across the end of a segment. */
    uint64_t next = next_from(zeros);
    uint64_t end = lf_min(from + target, lf_segment_end_lsn(zeros->layout, next));
    return lf_min(next + LF_ZEROS_CHUNK_BYTES, lf_min(end, allocated));
}

/* ---- When not ---------------------------------------------------------------------------------*/

static uint64_t bytes_per_s(uint64_t bytes, uint64_t ns)
{
    return (uint64_t)((double)bytes * (double)S_NS / (double)lf_max(ns, 1));
}

/* Measures how fast `claimed` moves, once enough time has passed.  True: too fast for zeros. */
static bool measure_stream(struct lf_zeros *zeros, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - zeros->rate_mark_ns;
    if (elapsed_ns < RATE_WINDOW_NS)
        return zeros->stream_is_fast;
    uint64_t rate = bytes_per_s(zeros->claimed - zeros->rate_mark, elapsed_ns);
    uint64_t limit = lf_max(zeros->zero_bytes_per_s / STREAM_SHARE, STREAM_MIN_BYTES_PER_S);
    zeros->stream_is_fast = rate > limit;
    zeros->rate_mark_ns = now_ns;
    zeros->rate_mark = zeros->claimed;
    return zeros->stream_is_fast;
}

/* Leaves the device alone for a while. */
static void begin_back_off(struct lf_zeros *zeros, uint64_t now_ns)
{
    zeros->back_off_from = zeros->claimed;
    zeros->device_is_busy = was_overtaken(zeros) && !zeros->stream_is_fast;
    zeros->back_off_end_ns = now_ns + zeros->back_off_ns;
}

/* The first look after begin_back_off, for whatever reason. */
static void end_back_off(struct lf_zeros *zeros, uint64_t now_ns)
{
    bool is_over = now_ns >= zeros->back_off_end_ns;
    zeros->back_off_end_ns = 0;
    if (!is_over)
        return;
    if (zeros->device_is_busy)
        zeros->back_off_ns = lf_min(2 * zeros->back_off_ns, BACK_OFF_MAX_NS);
    if (zeros->written_to > zeros_from(zeros))
        return;
    /* The zeros that were ahead are used up: the next ones leave room for a log that moves. */
    bool is_idle = zeros->claimed == zeros->back_off_from;
    zeros->written_from = zeros->claimed + (is_idle ? 0 : RESTART_MARGIN_BYTES);
    zeros->written_to = zeros->written_from;
}

/* ---- What comes next --------------------------------------------------------------------------*/

struct lf_zeros_step lf_zeros_next(struct lf_zeros *zeros, uint64_t allocated, uint64_t sync_bytes,
                                   uint64_t now_ns)
{
    if (zeros->back_off_end_ns != 0)
        end_back_off(zeros, now_ns);
    pass_recycled(zeros);
    uint64_t to = aim_at_target(zeros, allocated);
    uint64_t from = next_from(zeros);
    bool wanted = zeros->filling && from < to;
    bool must_wait = wanted && (measure_stream(zeros, now_ns) || was_overtaken(zeros));

    /* A burst ends with a sync. */
    if (zeros->unsynced_bytes >= (wanted && !must_wait ? sync_bytes : 1))
        return (struct lf_zeros_step){
            .job = LF_ZEROS_SYNC, .from = zeros->unsynced_from, .to = zeros->unsynced_to};
    if (must_wait) {
        begin_back_off(zeros, now_ns);
        return (struct lf_zeros_step){.job = LF_ZEROS_PAUSE, .until_ns = zeros->back_off_end_ns};
    }
    if (!wanted)
        return (struct lf_zeros_step){.job = LF_ZEROS_REST};
    return (struct lf_zeros_step){.job = LF_ZEROS_FILL, .from = from, .to = to};
}

void lf_zeros_filled(struct lf_zeros *zeros, uint64_t from, uint64_t to, uint64_t begin_ns,
                     uint64_t end_ns)
{
    zeros->written_from = lf_max(zeros->written_from, lf_min(zeros->claimed, to));
    zeros->written_to = to;
    zeros->has_filled = true;
    if (zeros->unsynced_bytes == 0) {
        zeros->unsynced_from = from;
        zeros->unsynced_ns = 0;
    }
    zeros->unsynced_bytes += to - from;
    zeros->unsynced_to = to;
    zeros->unsynced_ns += end_ns - begin_ns;
}

void lf_zeros_synced(struct lf_zeros *zeros, uint64_t begin_ns, uint64_t end_ns)
{
    if (zeros->unsynced_bytes >= SPEED_SAMPLE_BYTES) {
        uint64_t sample =
            bytes_per_s(zeros->unsynced_bytes, zeros->unsynced_ns + (end_ns - begin_ns));
        uint64_t before = zeros->zero_bytes_per_s;
        zeros->zero_bytes_per_s = before == 0 ? sample : before - before / 4 + sample / 4;
    }
    zeros->unsynced_bytes = 0;
}

/* ---- What changes around it -------------------------------------------------------------------*/

void lf_zeros_claim(struct lf_zeros *zeros, uint64_t to)
{
    zeros->claimed = lf_max(zeros->claimed, to);
    zeros->written_from = lf_max(zeros->written_from, lf_min(zeros->claimed, zeros->written_to));
}

void lf_zeros_recycle(struct lf_zeros *zeros, uint64_t from, uint64_t to)
{
    if (zeros->recycled_to != from)
        zeros->recycled_from = from;
    zeros->recycled_to = to;
}

void lf_zeros_cut(struct lf_zeros *zeros, uint64_t end)
{
    zeros->written_to = lf_min(zeros->written_to, end);
    zeros->written_from = lf_min(zeros->written_from, zeros->written_to);
    zeros->recycled_to = lf_min(zeros->recycled_to, end);
    zeros->recycled_from = lf_min(zeros->recycled_from, zeros->recycled_to);
}

uint64_t lf_zeros_wake_at(const struct lf_zeros *zeros)
{
    return zeros->filling ? UINT64_MAX : zeros->written_to - target_bytes(zeros) / 2 + 1;
}
