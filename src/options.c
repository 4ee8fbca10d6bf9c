/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "base/buffers.h"
#include "base/num.h"
#include "format/format.h"
#include "ring/engine.h"
#include "ring/ring.h"
#include "storage/io.h"

#include <stdbool.h>
#include <unistd.h>

#define SLOT_BYTES_DEFAULT ((size_t)8 << 20)
#define SLOT_COUNT_DEFAULT 2 /* one fills while the other is written: a third would lie idle */
#define SLOT_COUNT_MAX LF_BUFFERS_MAX
#define PREPARE_BYTES_DEFAULT ((uint64_t)64 << 20)
#define PREPARE_BYTES_MAX ((uint64_t)1 << 40)
#define SUBMIT_DELAY_NS_DEFAULT (UINT64_C(100) * 1000)
#define SUBMIT_DELAY_NS_MAX (UINT64_C(10) * 1000 * 1000 * 1000)
#define SLOW_NS_DEFAULT (UINT64_C(1000) * 1000 * 1000)
#define SLOW_NS_MIN (UINT64_C(1000) * 1000)
#define SLOW_NS_MAX (UINT64_C(3600) * 1000 * 1000 * 1000)
#define OPEN_FLAGS (LOGFILE_OPEN_EXISTING | LOGFILE_OPEN_EXCLUSIVE)
#define VARIANT_FLAGS                                                                              \
    (LOGFILE_VARIANT_CHECKSUM_FIRST | LOGFILE_VARIANT_WAKE_PER_EPOCH | LOGFILE_VARIANT_NO_GATHER | \
     LOGFILE_VARIANT_WAKE_TREE)

static bool is_zero(const uint64_t *words, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        if (words[i] != 0)
            return false;
    return true;
}

/* A table of the caller's own stands in place of a choice, and a policy is the ring's. */
static const char *find_bad_own(const struct logfile_lab *lab)
{
    const struct lf_engine *engine = lab->own_engine;
    const struct lf_reserve_policy *policy = lab->own_reserve;

    if (engine != NULL && (lab->engine != LOGFILE_ENGINE_RING || !lf_engine_is_complete(engine)))
        return "lab.own_engine";
    if (policy != NULL &&
        (lab->reserve != LOGFILE_RESERVE_FAA || lab->engine != LOGFILE_ENGINE_RING ||
         engine != NULL || !lf_reserve_is_complete(policy)))
        return "lab.own_reserve";
    return NULL;
}

/* Names the value that this version does not know; NULL: none. */
static const char *find_unknown(const struct logfile_options *options,
                                const struct logfile_lab *lab)
{
    const struct {
        const char *name;
        uint32_t value, max;
    } limits[] = {
        {"io_mode", options->io_mode, LOGFILE_IO_DIRECT},
        {"sync", options->sync, LOGFILE_SYNC_DSYNC},
        {"prepare", options->prepare, LOGFILE_PREPARE_NONE},
        {"open_flags", options->open_flags, OPEN_FLAGS},
        {"mode", options->mode, 07777},
        {"reserved_32", options->reserved_32, 0},
        {"lab.engine", lab->engine, LOGFILE_ENGINE_SERIAL},
        {"lab.reserve", lab->reserve, LOGFILE_RESERVE_MUTEX},
        {"lab.flusher", lab->flusher, LOGFILE_FLUSHER_LEADER},
        {"lab.wait", lab->wait, LOGFILE_WAIT_SPIN},
        {"lab.sync", lab->sync, LOGFILE_SYNC_NONE},
        {"lab.checksum", lab->checksum, LOGFILE_CHECKSUM_HEADER},
        {"lab.variant_flags", lab->variant_flags, VARIANT_FLAGS},
    };

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i].value > limits[i].max)
            return limits[i].name;
    if (options->open_flags == OPEN_FLAGS)
        return "open_flags";
    if (options->io != NULL && !lf_io_is_complete(options->io))
        return "io";
    if (options->replay == NULL && options->replay_from != 0)
        return "replay_from";
    if (options->replay == NULL && options->replay_mark != NULL)
        return "replay_mark";
    if (!is_zero(options->reserved, sizeof options->reserved))
        return "reserved";
    if ((lab->ring_alloc == NULL) != (lab->ring_free == NULL))
        return "lab.ring_alloc";
    if (!is_zero(lab->reserved, sizeof lab->reserved))
        return "lab.reserved";
    return find_bad_own(lab);
}

/* Names the size that is out of range; NULL: none.  Defaults have been filled in. */
static const char *find_bad_size(const struct logfile_options *options,
                                 const struct logfile_lab *lab)
{
    const struct lf_layout layout = {options->slot_bytes, options->segment_bytes, 0};

    if (!lf_is_power_of_two(options->slot_bytes) || options->slot_bytes < LF_SLOT_BYTES_MIN ||
        options->slot_bytes > LF_SLOT_BYTES_MAX)
        return "slot_bytes";
    if (options->prepare_bytes > PREPARE_BYTES_MAX)
        return "prepare_bytes";
    if (options->submit_delay_ns > SUBMIT_DELAY_NS_MAX)
        return "submit_delay_ns";
    if (options->slow_ns < SLOW_NS_MIN || options->slow_ns > SLOW_NS_MAX)
        return "slow_ns";
    if (!lf_layout_is_valid(&layout))
        return "segment_bytes";
    if (!lf_is_power_of_two(lab->slot_count) || lab->slot_count < 2 ||
        lab->slot_count > SLOT_COUNT_MAX)
        return "lab.slot_count";
    if (!lf_is_power_of_two(lab->publish_shards) || lab->publish_shards > LF_SHARDS_MAX)
        return "lab.publish_shards";
    return NULL;
}

const char *lf_options_resolve(struct logfile_options *options, struct logfile_lab *lab)
{
    *lab = options->lab != NULL ? *options->lab : (struct logfile_lab){0};
    options->lab = NULL;
    const char *unknown = find_unknown(options, lab);
    if (unknown != NULL)
        return unknown;

    /* 0 stands for the default. */
    if (lab->sync != 0)
        options->sync = lab->sync;
    if (options->slot_bytes == 0)
        options->slot_bytes = SLOT_BYTES_DEFAULT;
    if (options->prepare_bytes == 0)
        options->prepare_bytes = PREPARE_BYTES_DEFAULT;
    if (options->submit_delay_ns == 0)
        options->submit_delay_ns = SUBMIT_DELAY_NS_DEFAULT;
    if (options->slow_ns == 0)
        options->slow_ns = SLOW_NS_DEFAULT;
    if (options->io == NULL)
        options->io = logfile_io_posix();
    if (lab->slot_count == 0)
        lab->slot_count = SLOT_COUNT_DEFAULT;
    if (lab->publish_shards == 0)
        lab->publish_shards = LF_SHARDS_DEFAULT;
    if (lab->publish_shards == LOGFILE_SHARDS_PER_CORE) {
        /* One for each processor that runs, rounded up to a power of two. */
        const long processors = sysconf(_SC_NPROCESSORS_ONLN);
        lab->publish_shards = 1;
        while (lab->publish_shards < LF_SHARDS_MAX && (long)lab->publish_shards < processors)
            lab->publish_shards *= 2;
    }
    return find_bad_size(options, lab);
}
