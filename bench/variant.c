/* SPDX-License-Identifier: MIT */
#include "variant.h"

#include "lab/plugin.h"
#include "options.h"
#include "plugin.h"
#include "verdict.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_SHARDS 8 /* the library's */

static const struct {
    enum bench_engine engine;
    const char *package;
} packages[] = {
    {BENCH_ENGINE_ROCKSDB, "librocksdb-dev"},
    {BENCH_ENGINE_WIREDTIGER, "libwiredtiger-dev"},
    {BENCH_ENGINE_LMDB, "liblmdb-dev"},
    {BENCH_ENGINE_SQLITE, "libsqlite3-dev"},
};

/* ---- The ladder ------------------------------------------------------------------------------ */

struct rung {
    const char *label;
    enum logfile_engine engine;
    enum logfile_reserve_policy reserve;
    enum logfile_flusher flusher;
    enum logfile_wait_strategy wait;
    unsigned publish_shards;
    unsigned variant_flags;
};

#define MUTEX(label, flags)                                                                        \
    {                                                                                              \
        label, LOGFILE_ENGINE_MUTEX, 0, 0, 0, 0, flags                                             \
    }
#define RING(label, reserve, flusher, wait, shards, flags)                                         \
    {                                                                                              \
        label, LOGFILE_ENGINE_RING, LOGFILE_RESERVE_##reserve, LOGFILE_FLUSHER_##flusher,          \
            LOGFILE_WAIT_##wait, shards, flags                                                     \
    }

/* Each rung differs from the one before in what its label names, and in nothing else; the fourth
 * changes the engine, and has of the ring only what the mutex engine has an equal of. */
static const struct rung ladder[] = {
    MUTEX("mutex", 0),
    MUTEX("checksum outside the lock", LOGFILE_VARIANT_CHECKSUM_FIRST),
    MUTEX("wake per epoch", LOGFILE_VARIANT_CHECKSUM_FIRST | LOGFILE_VARIANT_WAKE_PER_EPOCH),
    RING("copy outside the lock", MUTEX, LEADER, BLOCK, 1, LOGFILE_VARIANT_NO_GATHER),
    RING("hybrid flusher", MUTEX, HYBRID, BLOCK, 1, LOGFILE_VARIANT_NO_GATHER),
    RING("gather", MUTEX, HYBRID, BLOCK, 1, 0),
    RING("fetch-add", FAA, HYBRID, BLOCK, 1, 0),
    RING("sharded publish", FAA, HYBRID, BLOCK, DEFAULT_SHARDS, 0),
    RING("adaptive wait", FAA, HYBRID, ADAPTIVE, DEFAULT_SHARDS, 0),
};

#define RUNG_COUNT (sizeof ladder / sizeof ladder[0])
_Static_assert(RUNG_COUNT <= BENCH_VARIANTS_MAX, "a variant for each rung");

static void make_ladder(const struct bench_options *options, struct bench_variants *variants)
{
    for (unsigned i = 0; i < RUNG_COUNT; i++) {
        const struct rung *rung = &ladder[i];
        struct bench_variant *variant = &variants->all[i];
        *variant = (struct bench_variant){.rung = i + 1, .log = options->log, .lab = options->lab};
        snprintf(variant->label, sizeof variant->label, "%s", rung->label);
        variant->lab.engine = rung->engine;
        variant->lab.reserve = rung->reserve;
        variant->lab.flusher = rung->flusher;
        variant->lab.wait = rung->wait;
        variant->lab.publish_shards = rung->publish_shards;
        variant->lab.variant_flags = rung->variant_flags;
    }
    variants->count = RUNG_COUNT;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

struct maker {
    const struct bench_options *options;
    struct bench_variants *variants;
    char *message;
    size_t message_bytes;
    struct bench_list reserves; /* of --reserve; from OWN_RESERVE on those of --lab */
    unsigned lab_count;
    const struct lf_lab_plugin *labs[BENCH_LIST_MAX];
};

#define OWN_RESERVE 1000u /* plus the place in `labs` */

static struct bench_variant *add_variant(const struct maker *maker)
{
    struct bench_variants *variants = maker->variants;
    if (variants->count == BENCH_VARIANTS_MAX) {
        snprintf(maker->message, maker->message_bytes,
                 "more than %d variants: shorten --reserve, --shards, --flusher, --wait, --gather "
                 "or --wake",
                 BENCH_VARIANTS_MAX);
        return NULL;
    }
    struct bench_variant *variant = &variants->all[variants->count++];
    *variant = (struct bench_variant){.log = maker->options->log, .lab = maker->options->lab};
    return variant;
}

/* A choice is part of the label when there were others, or when it is not the usual one. */
static void add_choice(struct bench_variant *variant, const struct bench_list *list,
                       const char *name, bool is_default)
{
    size_t used = strlen(variant->label);
    if (list->count > 1 || !is_default)
        snprintf(variant->label + used, sizeof variant->label - used, "/%s", name);
}

static void add_shards(struct bench_variant *variant, const struct bench_list *list)
{
    char name[32];
    unsigned shards = variant->lab.publish_shards;
    if (shards == LOGFILE_SHARDS_PER_CORE)
        snprintf(name, sizeof name, "core-shard");
    else
        snprintf(name, sizeof name, "%u-shard", shards);
    add_choice(variant, list, name, shards == DEFAULT_SHARDS);
}

static void label_ring(const struct maker *maker, struct bench_variant *variant)
{
    const struct bench_options *options = maker->options;
    const struct logfile_lab *lab = &variant->lab;
    snprintf(variant->label, sizeof variant->label, "ring");
    add_choice(variant, &maker->reserves, bench_variant_reserve(variant),
               lab->reserve == LOGFILE_RESERVE_FAA && lab->own_reserve == NULL);
    add_shards(variant, &options->shards);
    add_choice(variant, &options->flushers, bench_name_of(bench_flusher_names, (int)lab->flusher),
               lab->flusher == LOGFILE_FLUSHER_HYBRID);
    add_choice(variant, &options->waits, bench_name_of(bench_wait_names, (int)lab->wait),
               lab->wait == LOGFILE_WAIT_ADAPTIVE);
    bool gathers = (lab->variant_flags & LOGFILE_VARIANT_NO_GATHER) == 0;
    add_choice(variant, &options->gathers, gathers ? "gather" : "no-gather", gathers);
    bool wakes_all = (lab->variant_flags & LOGFILE_VARIANT_WAKE_TREE) == 0;
    add_choice(variant, &options->wakes, wakes_all ? "wake-all" : "wake-tree", wakes_all);
}

/* Takes the choice out of `number` that belongs to this list, the last list's choices changing
 * fastest. */
static uint64_t take_choice(const struct bench_list *list, unsigned *number)
{
    uint64_t value = list->values[*number % list->count];
    *number /= list->count;
    return value;
}

static int add_rings(const struct maker *maker)
{
    const struct bench_options *options = maker->options;
    unsigned combinations = maker->reserves.count * options->shards.count *
                            options->flushers.count * options->waits.count *
                            options->gathers.count * options->wakes.count;
    for (unsigned i = 0; i < combinations; i++) {
        unsigned number = i;
        struct bench_variant *variant = add_variant(maker);
        if (variant == NULL)
            return -1;
        variant->lab.engine = LOGFILE_ENGINE_RING;
        variant->lab.variant_flags = (uint32_t)take_choice(&options->wakes, &number);
        variant->lab.variant_flags |= (uint32_t)take_choice(&options->gathers, &number);
        variant->lab.wait = (uint32_t)take_choice(&options->waits, &number);
        variant->lab.flusher = (uint32_t)take_choice(&options->flushers, &number);
        variant->lab.publish_shards = (uint32_t)take_choice(&options->shards, &number);
        uint64_t reserve = take_choice(&maker->reserves, &number);
        if (reserve >= OWN_RESERVE)
            variant->lab.own_reserve = maker->labs[reserve - OWN_RESERVE]->reserve;
        else
            variant->lab.reserve = (uint32_t)reserve;
        label_ring(maker, variant);
    }
    return 0;
}

static const struct bench_peer *find_peer(const char *name)
{
    for (const struct bench_peer *const *peer = bench_peers; *peer != NULL; peer++)
        if (strcmp((*peer)->name, name) == 0)
            return *peer;
    return NULL;
}

static int refuse_peer(const struct maker *maker, enum bench_engine engine, const char *name)
{
    const char *package = "";
    for (size_t i = 0; i < sizeof packages / sizeof packages[0]; i++)
        if (packages[i].engine == engine)
            package = packages[i].package;
    snprintf(maker->message, maker->message_bytes,
             "--engine: %s is not built in; on Debian: apt-get install %s, and configure again",
             name, package);
    return -1;
}

static int add_engine(const struct maker *maker, enum bench_engine engine)
{
    const char *name = bench_name_of(bench_engine_names, (int)engine);
    const struct bench_peer *peer = find_peer(name);
    if (engine == BENCH_ENGINE_RING)
        return add_rings(maker);
    if (engine >= BENCH_ENGINE_ROCKSDB && peer == NULL)
        return refuse_peer(maker, engine, name);
    struct bench_variant *variant = add_variant(maker);
    if (variant == NULL)
        return -1;
    snprintf(variant->label, sizeof variant->label, "%s", name);
    variant->peer = peer;
    if (peer == NULL)
        variant->lab.engine = (uint32_t)engine;
    return 0;
}

/* ---- What is loaded -------------------------------------------------------------------------- */

static int add_plugin(struct maker *maker, const char *path)
{
    const struct bench_variants *variants = maker->variants;
    const struct bench_peer *peer = bench_plugin_load(path, maker->message, maker->message_bytes);
    if (peer == NULL)
        return -1;
    for (unsigned i = 0; i < variants->count; i++) {
        if (strcmp(bench_variant_engine(&variants->all[i]), peer->name) != 0)
            continue;
        snprintf(maker->message, maker->message_bytes,
                 "--peer %s: another variant is called %s: give it another name", path, peer->name);
        return -1;
    }
    struct bench_variant *variant = add_variant(maker);
    if (variant == NULL)
        return -1;
    snprintf(variant->label, sizeof variant->label, "%s", peer->name);
    variant->peer = peer;
    return 0;
}

/* True: another engine or policy has this name, built in or loaded. */
static bool is_taken(const struct maker *maker, const struct lf_lab_plugin *plugin)
{
    const char *own = bench_plugin_lab_name(plugin);
    bool is_engine = plugin->engine != NULL;
    for (const struct bench_name *name = is_engine ? bench_engine_names : bench_reserve_names;
         name->name != NULL; name++)
        if (strcmp(name->name, own) == 0)
            return true;
    for (unsigned i = 0; i < maker->lab_count; i++)
        if ((maker->labs[i]->engine != NULL) == is_engine &&
            strcmp(bench_plugin_lab_name(maker->labs[i]), own) == 0)
            return true;
    return false;
}

static int load_lab(struct maker *maker, const char *path)
{
    struct verdict verdict = {maker->message, maker->message_bytes};
    const struct lf_lab_plugin *plugin =
        bench_plugin_load_lab(path, maker->message, maker->message_bytes);
    if (plugin == NULL)
        return -1;
    if (is_taken(maker, plugin))
        return refuse(&verdict, "--lab %s: another %s is called %s: give it another name", path,
                      plugin->engine != NULL ? "engine" : "policy", bench_plugin_lab_name(plugin));
    if (plugin->reserve != NULL && !bench_list_has(&maker->options->engines, BENCH_ENGINE_RING))
        return refuse(&verdict, "--lab %s: a policy of ring, which is not among the engines", path);
    if (maker->lab_count == BENCH_LIST_MAX || maker->reserves.count == BENCH_LIST_MAX)
        return refuse(&verdict, "--lab %s: more than %d entries", path, BENCH_LIST_MAX);
    if (plugin->reserve != NULL)
        maker->reserves.values[maker->reserves.count++] = OWN_RESERVE + maker->lab_count;
    maker->labs[maker->lab_count++] = plugin;
    return 0;
}

static int add_own_engines(const struct maker *maker)
{
    for (unsigned i = 0; i < maker->lab_count; i++) {
        const struct lf_engine *engine = maker->labs[i]->engine;
        if (engine == NULL)
            continue;
        struct bench_variant *variant = add_variant(maker);
        if (variant == NULL)
            return -1;
        snprintf(variant->label, sizeof variant->label, "%s", engine->name);
        variant->lab.own_engine = engine;
    }
    return 0;
}

/* Calls `take` with each of the files, which are separated by commas; NULL: there are none. */
static int for_each_file(struct maker *maker, const char *files,
                         int take(struct maker *maker, const char *path))
{
    char path[PATH_MAX];
    for (const char *text = files; text != NULL;) {
        size_t bytes = strcspn(text, ",");
        snprintf(path, sizeof path, "%.*s", bytes < sizeof path ? (int)bytes : PATH_MAX - 1, text);
        if (take(maker, path) != 0)
            return -1;
        text = text[bytes] == ',' ? text + bytes + 1 : NULL;
    }
    return 0;
}

int bench_variants_make(const struct bench_options *options, struct bench_variants *variants,
                        char *message, size_t message_bytes)
{
    struct maker maker = {.options = options,
                          .variants = variants,
                          .message = message,
                          .message_bytes = message_bytes,
                          .reserves = options->reserves};
    variants->count = 0;
    if (options->ladder) {
        make_ladder(options, variants);
        return 0;
    }
    if (for_each_file(&maker, options->labs, load_lab) != 0)
        return -1;
    for (unsigned i = 0; i < options->engines.count; i++)
        if (add_engine(&maker, (enum bench_engine)options->engines.values[i]) != 0)
            return -1;
    if (add_own_engines(&maker) != 0)
        return -1;
    return for_each_file(&maker, options->peers, add_plugin);
}

void bench_variants_tell_apart(struct bench_variants *variants)
{
    /* From the end, so that what a label is compared with has no number yet. */
    for (unsigned i = variants->count; i-- > 1;) {
        char *label = variants->all[i].label;
        unsigned number = 1;
        for (unsigned other = 0; other < i; other++)
            number += strcmp(variants->all[other].label, label) == 0;
        size_t length = strlen(label);
        if (number > 1)
            snprintf(label + length, sizeof variants->all[i].label - length, "#%u", number);
    }
}

int bench_variants_add_baseline(struct bench_variants *variants, char *message,
                                size_t message_bytes)
{
    unsigned count = variants->count;
    if (2 * count > BENCH_VARIANTS_MAX) {
        snprintf(message, message_bytes, "--baseline: at most %d variants of each build",
                 BENCH_VARIANTS_MAX / 2);
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        struct bench_variant *variant = &variants->all[count + i];
        *variant = variants->all[i];
        variant->is_baseline = true;
        snprintf(variant->label, sizeof variant->label, "baseline:%.50s", variants->all[i].label);
    }
    variants->count = 2 * count;
    return 0;
}

/* ---- Looking at them ------------------------------------------------------------------------- */

unsigned bench_variants_base_of(const struct bench_variants *variants, unsigned variant)
{
    unsigned half = variants->count / 2;
    if (variants->count == 0 || !variants->all[variants->count - 1].is_baseline)
        return bench_variants_baseline(variants);
    return half + variant % half;
}

unsigned bench_variants_baseline(const struct bench_variants *variants)
{
    for (unsigned i = 0; i < variants->count; i++) {
        const struct bench_variant *variant = &variants->all[i];
        if (variant->peer == NULL && variant->lab.engine == LOGFILE_ENGINE_MUTEX)
            return i; /* the first on the ladder is the plain one */
    }
    return 0;
}

const char *bench_variant_engine(const struct bench_variant *variant)
{
    if (variant->peer != NULL)
        return variant->peer->name;
    if (variant->lab.own_engine != NULL)
        return variant->lab.own_engine->name;
    return bench_name_of(bench_engine_names, (int)variant->lab.engine);
}

const char *bench_variant_reserve(const struct bench_variant *variant)
{
    if (variant->lab.own_reserve != NULL)
        return variant->lab.own_reserve->name;
    return bench_name_of(bench_reserve_names, (int)variant->lab.reserve);
}

bool bench_variant_is_ring(const struct bench_variant *variant)
{
    return variant->peer == NULL && variant->lab.own_engine == NULL &&
           variant->lab.engine == LOGFILE_ENGINE_RING;
}
