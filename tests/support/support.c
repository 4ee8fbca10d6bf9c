/* SPDX-License-Identifier: MIT */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

int run_test(const char *name, const TTest *test)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);

    tcase_add_test(tcase, test);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}

/* ---- Random numbers ---- */

/* ---- Payloads ---- */

/* The bytes of a payload come from here, eight at a time. */
static struct rng payload_stream(size_t size, uint64_t seed)
{
    return (struct rng){.state = seed * 0x2545f4914f6cdd1du + size};
}

void payload_fill(void *data, size_t size, uint64_t seed)
{
    struct rng rng = payload_stream(size, seed);
    uint8_t *to = data;
    uint64_t word;
    for (; size >= sizeof word; size -= sizeof word, to += sizeof word) {
        word = rng_next(&rng);
        memcpy(to, &word, sizeof word);
    }
    word = rng_next(&rng);
    if (size > 0)
        memcpy(to, &word, size);
}

bool payload_matches(const void *data, size_t size, uint64_t seed)
{
    struct rng rng = payload_stream(size, seed);
    const uint8_t *from = data;
    uint64_t word, wrong = 0;
    /* Whole words are compared without a call each: many tests do little else. */
    for (; size >= sizeof word; size -= sizeof word, from += sizeof word) {
        memcpy(&word, from, sizeof word);
        wrong |= word ^ rng_next(&rng);
    }
    word = rng_next(&rng);
    return wrong == 0 && (size == 0 || memcmp(from, &word, size) == 0);
}

size_t payload_random_size(struct rng *rng, size_t max)
{
    static const size_t edges[] = {0,    1,    7,    8,    9,    15,   16,   17,
                                   63,   64,   65,   512,  4015, 4016, 4017, 4023,
                                   4024, 4025, 4032, 4088, 4095, 4096, 4097, 8112};
    size_t size;
    switch (rng_below(rng, 8)) {
    case 0:
        size = max - rng_below(rng, 20);
        break;
    case 1:
    case 2:
        size = edges[rng_below(rng, sizeof edges / sizeof edges[0])];
        break;
    case 3:
        size = rng_below(rng, max + 1);
        break;
    default:
        size = rng_below(rng, 200);
        break;
    }
    return size <= max ? size : max;
}

/* ---- Folders ---- */

static char folder[PATH_MAX];
static pid_t folder_owner;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void leave_folder(void)
{
    /* A forked child inherits the exit handler but not the folder. */
    if (folder[0] == '\0' || folder_owner != getpid())
        return;
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    folder[0] = '\0';
}

const char *enter_folder(void)
{
    static bool registered;
    char cwd[PATH_MAX - 32];

    leave_folder();
    if (getcwd(cwd, sizeof cwd) == NULL) {
        perror("getcwd");
        abort();
    }
    snprintf(folder, sizeof folder, "%s/test-folder-XXXXXX", cwd);
    if (mkdtemp(folder) == NULL) {
        perror("mkdtemp");
        abort();
    }
    folder_owner = getpid();
    if (!registered)
        atexit(leave_folder);
    registered = true;
    return folder;
}

const char *folder_path(const char *name)
{
    static char paths[8][PATH_MAX + 64];
    static unsigned turn;
    char *path = paths[turn++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

int folder_entry_count(void)
{
    DIR *dir = opendir(folder);
    int count = 0;

    if (dir == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

bool mount_small_tmpfs(const char *path)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    return mount("tmpfs", path, "tmpfs", 0, "size=1m") == 0;
}

void fill_file(const char *path)
{
    static const char bytes[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    while (write(fd, bytes, sizeof bytes) > 0)
        continue;
    ck_assert_int_eq(errno, ENOSPC);
    close(fd);
}

/* ---- Time ---- */

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool is_late(int error)
{
    return error == -ETIMEDOUT || error == -EAGAIN;
}

struct timespec deadline_in_ms(int64_t ms)
{
    uint64_t ns = now_ns() + (uint64_t)(ms * 1000000);

    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

void sleep_us(uint64_t us)
{
    struct timespec time = {.tv_sec = (time_t)(us / 1000000),
                            .tv_nsec = (long)(us % 1000000) * 1000};

    while (nanosleep(&time, &time) != 0 && errno == EINTR)
        continue;
}

/* Nothing here takes a twentieth of that on a quiet machine. */
#define WATCHDOG_LEAST_S 600

static const char *watched;

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(99);
}

static void watchdog_bark(int signal_number)
{
    say(signal_number == SIGALRM ? "watchdog: hung: " : "aborted in: ");
    say(watched);
    say("\n");
    signal(SIGABRT, SIG_DFL);
    abort();
}

void watchdog_start(unsigned seconds, const char *what)
{
    watched = what;
    signal(SIGALRM, watchdog_bark);
    signal(SIGABRT, watchdog_bark);
    alarm(seconds > WATCHDOG_LEAST_S ? seconds : WATCHDOG_LEAST_S);
}

void watchdog_stop(void)
{
    alarm(0);
    signal(SIGABRT, SIG_DFL);
}

/* ---- How much ---- */

enum scale test_scale(void)
{
    const char *long_run = getenv("LF_LONG");
    const char *scale = getenv("LF_SCALE");

    if (long_run != NULL && *long_run != '\0' && strcmp(long_run, "0") != 0)
        return SCALE_LONG;
    if (scale != NULL && strcmp(scale, "small") == 0)
        return SCALE_SMALL;
    return SCALE_NORMAL;
}

uint64_t scaled(uint64_t small_count, uint64_t normal_count, uint64_t long_count)
{
    switch (test_scale()) {
    case SCALE_SMALL:
        return small_count;
    case SCALE_NORMAL:
        return normal_count;
    case SCALE_LONG:
        break;
    }
    return long_count;
}

/* ---- Variants ---- */

static const char *const wait_names[] = {"adaptive", "block", "spin"};
static const char *const sync_names[] = {"fdatasync", "dsync", "none"};
static const char *const io_names[] = {"auto", "buffered", "direct"};
static const char *const prepare_names[] = {"zero", "allocate", "none"};

static const struct {
    const char *name;
    enum logfile_engine engine;
    enum logfile_flusher flusher;
    unsigned wait_count; /* wait strategies belong to the ring */
    unsigned flags;
} engines[] = {
    {"ring-hybrid", LOGFILE_ENGINE_RING, LOGFILE_FLUSHER_HYBRID, 3, 0},
    {"ring-sequencer", LOGFILE_ENGINE_RING, LOGFILE_FLUSHER_SEQUENCER, 3, 0},
    {"ring-leader", LOGFILE_ENGINE_RING, LOGFILE_FLUSHER_LEADER, 3, 0},
    {"mutex", LOGFILE_ENGINE_MUTEX, LOGFILE_FLUSHER_HYBRID, 1, 0},
    {"mutex-per-epoch", LOGFILE_ENGINE_MUTEX, LOGFILE_FLUSHER_HYBRID, 1,
     LOGFILE_VARIANT_CHECKSUM_FIRST | LOGFILE_VARIANT_WAKE_PER_EPOCH},
    {"serial", LOGFILE_ENGINE_SERIAL, LOGFILE_FLUSHER_HYBRID, 1, 0},
};
#define ENGINE_COUNT (sizeof engines / sizeof engines[0])
#define VARIANTS_MAX (ENGINE_COUNT * 3 * 3 * 3)

static void begin_variant(struct variant *variant, size_t engine, struct logfile_lab *lab)
{
    *lab = (struct logfile_lab){.engine = engines[engine].engine,
                                .flusher = engines[engine].flusher,
                                .variant_flags = engines[engine].flags};
    variant->lab = lab;
    variant->options =
        (struct logfile_options){.slot_bytes = 16 << 10, .prepare_bytes = 256 << 10, .lab = lab};
}

unsigned engine_variant_count(void)
{
    return (unsigned)ENGINE_COUNT;
}

void engine_variant_get(unsigned index, struct variant *variant)
{
    static struct logfile_lab labs[ENGINE_COUNT];

    begin_variant(variant, index, &labs[index]);
    snprintf(variant->name, sizeof variant->name, "%s", engines[index].name);
}

unsigned variant_count(void)
{
    unsigned count = 0;

    for (size_t i = 0; i < ENGINE_COUNT; i++)
        count += engines[i].wait_count * 3 * 3;
    return count;
}

void variant_get(unsigned index, struct variant *variant)
{
    static struct logfile_lab labs[VARIANTS_MAX];
    struct logfile_lab *lab = &labs[index];
    /* Preparation takes turns: it does not multiply the number of variants. */
    unsigned prepare = index % 3;
    unsigned sync = index % 3;
    index /= 3;
    unsigned io_mode = index % 3;
    index /= 3;
    prepare = (prepare + io_mode) % 3;
    size_t engine = 0;
    while (index >= engines[engine].wait_count)
        index -= engines[engine++].wait_count;

    begin_variant(variant, engine, lab);
    lab->wait = index;
    variant->options.sync = sync < 2 ? LOGFILE_SYNC_FDATASYNC + sync : LOGFILE_SYNC_AUTO;
    lab->sync = sync < 2 ? 0 : LOGFILE_SYNC_NONE;
    variant->options.io_mode = io_mode;
    variant->options.prepare = prepare;
    snprintf(variant->name, sizeof variant->name, "%s %s sync=%s io=%s prepare=%s",
             engines[engine].name, wait_names[index], sync_names[sync], io_names[io_mode],
             prepare_names[prepare]);
}

static const char *const policy_names[] = {"faa", "cas", "ticket", "mcs", "mutex"};
static const char *const flusher_names[] = {"hybrid", "sequencer", "leader"};
static const unsigned shard_counts[] = {1, 8, LOGFILE_SHARDS_PER_CORE};
enum {
    POLICIES = 5,
    RING_COMBINATIONS = POLICIES * 3 * 3 * 3, /* x shards x flushers x wait strategies */
    MUTEX_COMBINATIONS = 4
};

unsigned combination_count(void)
{
    return RING_COMBINATIONS + MUTEX_COMBINATIONS;
}

static void ring_combination(unsigned index, struct variant *variant)
{
    struct logfile_lab *lab = variant->lab;
    unsigned shards = index / POLICIES % 3;

    lab->reserve = index % POLICIES;
    lab->publish_shards = shard_counts[shards];
    lab->flusher = index / POLICIES / 3 % 3;
    lab->wait = index / POLICIES / 9;
    /* These take turns: they do not multiply the number of combinations. */
    lab->variant_flags = index % 2 != 0 ? LOGFILE_VARIANT_NO_GATHER : 0;
    lab->variant_flags |= index % 5 < 2 ? LOGFILE_VARIANT_WAKE_TREE : 0;
    lab->stage_sample_every = index % 3;
    snprintf(variant->name, sizeof variant->name, "ring %s, shards %u, %s, %s, flags %u, stages %u",
             policy_names[lab->reserve], lab->publish_shards, flusher_names[lab->flusher],
             wait_names[lab->wait], lab->variant_flags, lab->stage_sample_every);
}

void combination_get(unsigned index, struct variant *variant)
{
    static struct logfile_lab labs[RING_COMBINATIONS + MUTEX_COMBINATIONS];

    begin_variant(variant, 0, &labs[index]);
    if (index < RING_COMBINATIONS) {
        ring_combination(index, variant);
        return;
    }
    variant->lab->engine = LOGFILE_ENGINE_MUTEX;
    variant->lab->variant_flags = index - RING_COMBINATIONS;
    variant->lab->stage_sample_every = index % 3;
    snprintf(variant->name, sizeof variant->name, "mutex, flags %u", variant->lab->variant_flags);
}
