/* SPDX-License-Identifier: MIT */
/*
 * One thread writes epochs of one size one after the other, each with a sync, for 0.3 s, as a log
 * with one writer does.  What differs is where they go:
 *
 *   growing    behind the end of a file that starts empty (prepare none)
 *   allocated  into extents that were allocated and never written (prepare allocate)
 *   written    into blocks that were written over with zeros and synced (prepare zero)
 *   recycled   the same in a file that got a new name and a new first block since (a segment)
 */
#include "probe.h"

#include "clock.h"
#include "base/compat.h"
#include "histogram.h"
#include "logfile.h"
#include "logfile_io.h"
#include "options.h"
#include "payload.h"
#include "report.h"
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define DURATION_NS (3 * BENCH_NS_PER_S / 10)
#define ROUNDS 3     /* of what looks better than the default, against it */
#define BETTER 1.1   /* in each of these rounds, to be recommended */
#define RIVALS_MAX 2 /* that are looked at again */
#define SMALL_BYTES 4096u
#define LARGE_BYTES (1u << 20)

enum blocks {
    GROWING = 0,
    ALLOCATED,
    WRITTEN,
    RECYCLED,
    BLOCKS_COUNT
};

static const char *const blocks_names[BLOCKS_COUNT] = {"growing", "allocated", "written",
                                                       "recycled"};
/* The option that leads there; recycling comes with segments that are trimmed. */
static const char *const prepare_names[BLOCKS_COUNT] = {"none", "allocate", "zero", "zero"};

struct way {
    bool direct;
    enum blocks blocks;
    bool dsync;
    size_t epoch_bytes;
};

struct outcome {
    int error; /* -errno of the call below, or 0 */
    const char *call;
    double syncs_per_s;
    uint64_t p50_ns;
    uint64_t p99_ns;
};

struct probe {
    FILE *out;
    unsigned char *epoch; /* LARGE_BYTES that do not compress */
    unsigned char *zeros; /* LARGE_BYTES */
    char path[PATH_MAX];
    char other_path[PATH_MAX];
};

static bool is_interrupted(void)
{
    return bench_signals_caught() != 0;
}

/* ---- One way of writing ---------------------------------------------------------------------- */

static int write_all(int fd, const void *buffer, size_t bytes, uint64_t offset, bool dsync)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buffer, .iov_len = bytes};
    ssize_t count = TEMP_FAILURE_RETRY(pwritev2(fd, &iov, 1, (off_t)offset, dsync ? RWF_DSYNC : 0));
    if (count < 0)
        return -errno;
    return (size_t)count == bytes ? 0 : -EIO;
}

static int write_zeros(struct probe *probe, int fd)
{
    int error = 0;
    for (uint64_t at = 0; error == 0 && at < BENCH_PROBE_FILE_BYTES; at += LARGE_BYTES)
        error = is_interrupted() ? -EINTR : write_all(fd, probe->zeros, LARGE_BYTES, at, false);
    return error;
}

/* A new name and a new first block, each durable, as a segment gets them when it is recycled. */
static int recycle(struct probe *probe, int fd)
{
    if (rename(probe->path, probe->other_path) != 0)
        return -errno;
    bench_signals_guard(probe->other_path);
    if (fsync(fd) != 0)
        return -errno;
    int error = write_all(fd, probe->epoch, SMALL_BYTES, 0, false);
    return error == 0 && fdatasync(fd) != 0 ? -errno : error;
}

/* O_DIRECT that the kernel takes, and goes through the page cache with, is none.  0 or -errno. */
static int set_direct(int fd)
{
    struct logfile_io_facts facts;
    const struct logfile_io *io = logfile_io_posix();
    if (io->facts(io->context, fd, &facts) == 0 && facts.direct == LOGFILE_IO_DIRECT_NO)
        return -EOPNOTSUPP;
    return fcntl(fd, F_SETFL, O_DIRECT) != 0 ? -errno : 0;
}

/* Creates the file in the state that is asked for.  A descriptor or -errno. */
static int prepare_file(struct probe *probe, const struct way *way, struct outcome *outcome)
{
    outcome->call = "open";
    int fd = open(probe->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int error = way->direct ? set_direct(fd) : 0;
    if (error != 0) {
        outcome->call = "O_DIRECT";
    } else if (way->blocks == ALLOCATED) {
        outcome->call = "fallocate";
        error = fallocate(fd, 0, 0, (off_t)BENCH_PROBE_FILE_BYTES) != 0 ? -errno : 0;
    } else if (way->blocks != GROWING) {
        outcome->call = "preparing";
        error = write_zeros(probe, fd);
    }
    if (error == 0 && fsync(fd) != 0)
        error = -errno;
    if (error == 0 && way->blocks == RECYCLED)
        error = recycle(probe, fd);
    if (error == 0)
        return fd;
    close(fd);
    return error;
}

/* Blocks that are there already are gone over again from the start; the others only once. */
static int sync_epochs(const struct probe *probe, int fd, const struct way *way,
                       struct bench_histogram *latency_ns, uint64_t *elapsed_ns)
{
    uint64_t at = 0;
    int error = 0;
    uint64_t start_ns = bench_now_ns();
    uint64_t now_ns = start_ns;
    while (error == 0 && now_ns - start_ns < DURATION_NS && !is_interrupted()) {
        if (at + way->epoch_bytes > BENCH_PROBE_FILE_BYTES) {
            if (way->blocks == GROWING || way->blocks == ALLOCATED)
                break;
            at = 0;
        }
        uint64_t begin_ns = now_ns;
        error = write_all(fd, probe->epoch, way->epoch_bytes, at, way->dsync);
        if (error == 0 && !way->dsync && fdatasync(fd) != 0)
            error = -errno;
        now_ns = bench_now_ns();
        bench_histogram_add(latency_ns, now_ns - begin_ns);
        at += way->epoch_bytes;
    }
    *elapsed_ns = now_ns - start_ns;
    return error;
}

static void remove_files(const struct probe *probe)
{
    unlink(probe->path);
    unlink(probe->other_path);
    bench_signals_guard(NULL);
}

static void try_way(struct probe *probe, const struct way *way, struct outcome *outcome)
{
    struct bench_histogram latency_ns;
    uint64_t elapsed_ns = 0;
    memset(&latency_ns, 0, sizeof latency_ns);
    memset(outcome, 0, sizeof *outcome);
    bench_signals_guard(probe->path);
    int fd = prepare_file(probe, way, outcome);
    outcome->error = fd < 0 ? fd : 0;
    if (fd >= 0) {
        outcome->call = way->dsync ? "RWF_DSYNC" : "write and fdatasync";
        outcome->error = sync_epochs(probe, fd, way, &latency_ns, &elapsed_ns);
        close(fd);
    }
    remove_files(probe);
    outcome->syncs_per_s =
        elapsed_ns > 0 ? (double)latency_ns.count * (double)BENCH_NS_PER_S / (double)elapsed_ns : 0;
    outcome->p50_ns = bench_histogram_percentile(&latency_ns, 0.5);
    outcome->p99_ns = bench_histogram_percentile(&latency_ns, 0.99);
}

/* ---- The table ------------------------------------------------------------------------------- */

static void print_head(FILE *out)
{
    fprintf(out, "%-9s %-10s %-10s %8s %10s %10s %10s %10s\n", "io", "blocks", "sync", "KiB",
            "p50 us", "p99 us", "syncs/s", "MB/s");
}

static void print_row(FILE *out, const struct way *way, const struct outcome *outcome)
{
    char p50[BENCH_NUMBER_BYTES], p99[BENCH_NUMBER_BYTES];
    char per_s[BENCH_NUMBER_BYTES], megabytes[BENCH_NUMBER_BYTES];
    fprintf(out, "%-9s %-10s %-10s %8zu ", way->direct ? "direct" : "buffered",
            blocks_names[way->blocks], way->dsync ? "dsync" : "fdatasync", way->epoch_bytes / 1024);
    if (outcome->error != 0)
        fprintf(out, "not supported here (%s: %s)\n", outcome->call, strerror(-outcome->error));
    else
        fprintf(
            out, "%10s %10s %10s %10s\n", bench_format_number(p50, (double)outcome->p50_ns / 1000),
            bench_format_number(p99, (double)outcome->p99_ns / 1000),
            bench_format_count(per_s, outcome->syncs_per_s),
            bench_format_number(megabytes, outcome->syncs_per_s * (double)way->epoch_bytes / 1e6));
    fflush(out);
}

static bool is_unsupported(int error)
{
    return error == -EINVAL || error == -EOPNOTSUPP || error == -ENOSYS;
}

/* 0, or -errno of what is not just unsupported; -EINTR after a signal. */
static int show_way(struct probe *probe, const struct way *way, struct outcome *outcome)
{
    try_way(probe, way, outcome);
    if (is_interrupted())
        return -EINTR;
    if (outcome->error != 0 && !is_unsupported(outcome->error))
        return outcome->error;
    print_row(probe->out, way, outcome);
    return 0;
}

/* ---- What the library would do --------------------------------------------------------------- */

/* What a log on this file system is told of it. */
static void print_facts(FILE *out, const struct logfile_stats *stats)
{
    if (stats->io_mode == LOGFILE_IO_DIRECT)
        fprintf(out, "O_DIRECT: past the page cache, the kernel says, in units of %u bytes\n",
                stats->direct_align);
    else if (stats->o_direct)
        fprintf(out, "O_DIRECT: taken; the kernel does not say what becomes of it\n");
    else if (stats->direct_align > LOGFILE_IO_BLOCK)
        fprintf(out, "O_DIRECT: not for a log: in units of %u bytes, and its blocks have %d\n",
                stats->direct_align, LOGFILE_IO_BLOCK);
    else
        fprintf(out, "O_DIRECT: none: it is refused, or goes through the page cache\n");
    fprintf(out, "allocation: %s\n\n",
            stats->no_allocation ? "none: zeros are written instead" : "yes");
}

/*
 * Asks the library itself, with a log that is opened and closed.  Where there can be no log, says
 * why: what the place can do is worth knowing all the same.
 */
static bool ask_library(struct probe *probe, struct logfile_stats *stats)
{
    struct logfile *log;
    struct logfile_open_report report;
    struct logfile_options options = {.slot_bytes = 65536, .prepare_bytes = LARGE_BYTES};
    bench_signals_guard(probe->path);
    int error = logfile_open(probe->path, &options, &report, &log);
    if (error == 0) {
        error = logfile_stats(log, stats, sizeof *stats);
        logfile_close(log);
    }
    remove_files(probe);
    if (error == 0)
        print_facts(probe->out, stats);
    else
        fprintf(probe->out, "no log can be opened here: %s\n\n", report.message);
    return error == 0;
}

/* The ways that options can choose, for epochs of one block, and what came of them. */
#define CHOICES (2 * (RECYCLED - GROWING) * 2)

struct choices {
    struct way ways[CHOICES];
    struct outcome outcomes[CHOICES];
    unsigned count;
    unsigned chosen; /* by the library's defaults */
};

/* The best of those not looked at again so far, if it looks better than the default. */
static unsigned next_rival(const struct choices *choices, const bool *seen)
{
    unsigned best = choices->chosen;
    for (unsigned i = 0; i < choices->count; i++)
        if (!seen[i] && choices->outcomes[i].syncs_per_s > choices->outcomes[best].syncs_per_s)
            best = i;
    double least = BETTER * choices->outcomes[choices->chosen].syncs_per_s;
    return choices->outcomes[best].syncs_per_s > least ? best : choices->chosen;
}

/* How many times the default's syncs a second, at least, over some interleaved rounds. */
static double least_ratio(struct probe *probe, const struct way *rival, const struct way *chosen)
{
    double least = 1e9;
    for (unsigned round = 0; round < ROUNDS && !is_interrupted(); round++) {
        struct outcome theirs, ours;
        try_way(probe, round % 2 == 0 ? rival : chosen, round % 2 == 0 ? &theirs : &ours);
        try_way(probe, round % 2 == 0 ? chosen : rival, round % 2 == 0 ? &ours : &theirs);
        double ratio = ours.syncs_per_s > 0 ? theirs.syncs_per_s / ours.syncs_per_s : 0;
        least = ratio < least ? ratio : least;
    }
    return least;
}

static void recommend(struct probe *probe, const struct choices *choices)
{
    bool seen[CHOICES] = {false};
    for (unsigned i = 0; i < RIVALS_MAX; i++) {
        unsigned rival = next_rival(choices, seen);
        if (rival == choices->chosen)
            break;
        seen[rival] = true;
        const struct way *way = &choices->ways[rival];
        double ratio = least_ratio(probe, way, &choices->ways[choices->chosen]);
        if (is_interrupted())
            return;
        if (ratio > BETTER) {
            fprintf(probe->out,
                    "recommended here: --io %s --prepare %s --sync %s, at least %.2f times the "
                    "default's syncs/s in each of %d rounds\n",
                    way->direct ? "direct" : "buffered", prepare_names[way->blocks],
                    way->dsync ? "dsync" : "fdatasync", ratio, ROUNDS);
            return;
        }
    }
    fprintf(probe->out,
            "recommended here: the defaults; nothing else was better by more than "
            "%.0f %% in each of %d rounds\n",
            (BETTER - 1) * 100, ROUNDS);
}

static void print_choice(FILE *out, const struct choices *choices)
{
    char per_s[BENCH_NUMBER_BYTES];
    const struct way *way = &choices->ways[choices->chosen];
    fprintf(
        out,
        "\nthe defaults: io auto is %s, because the file system %s O_DIRECT; prepare zero "
        "writes into written blocks,\nexcept where a burst overtakes it; sync auto is %s, because "
        "a write that syncs %s: %s syncs/s of one block\n",
        way->direct ? "direct" : "buffered",
        way->direct ? "takes a log's" : "does not take a log's", way->dsync ? "dsync" : "fdatasync",
        way->dsync ? "saves the device a flush, the kernel says"
                   : "saves the device no flush, or the kernel does not say so",
        bench_format_count(per_s, choices->outcomes[choices->chosen].syncs_per_s));
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int show_small(struct probe *probe, struct choices *choices,
                      const struct logfile_stats *library)
{
    for (unsigned i = 0; i < 2 * BLOCKS_COUNT * 2; i++) {
        struct way way = {.direct = i / (BLOCKS_COUNT * 2) == 1,
                          .blocks = (enum blocks)(i / 2 % BLOCKS_COUNT),
                          .dsync = i % 2 == 1,
                          .epoch_bytes = SMALL_BYTES};
        struct outcome outcome;
        int error = show_way(probe, &way, &outcome);
        if (error != 0)
            return error;
        if (way.blocks == RECYCLED || outcome.error != 0)
            continue;
        if (way.direct == (library->o_direct != 0) && way.blocks == WRITTEN &&
            way.dsync == (library->sync == LOGFILE_SYNC_DSYNC))
            choices->chosen = choices->count;
        choices->ways[choices->count] = way;
        choices->outcomes[choices->count++] = outcome;
    }
    return 0;
}

static int show_large(struct probe *probe)
{
    static const size_t sizes[] = {64 * 1024, LARGE_BYTES};
    for (unsigned i = 0; i < 2 * 2 * 2; i++) {
        struct way way = {.direct = i / 2 % 2 == 1,
                          .blocks = WRITTEN,
                          .dsync = i % 2 == 1,
                          .epoch_bytes = sizes[i / 4]};
        struct outcome outcome;
        int error = show_way(probe, &way, &outcome);
        if (error != 0)
            return error;
    }
    return 0;
}

static void print_place(FILE *out, const char *dir)
{
    struct bench_filesystem filesystem;
    struct bench_disk disk;
    bench_filesystem_describe(dir, &filesystem, &disk);
    fprintf(out, "%s: %s%s%s%s%s\n\n", dir,
            filesystem.type[0] != '\0' ? filesystem.type : "unknown file system",
            disk.name[0] != '\0' ? " on " : "", disk.name,
            disk.write_cache[0] != '\0' ? ", cache " : "", disk.write_cache);
}

static int probe_all(struct probe *probe)
{
    struct choices choices = {.count = 0};
    struct logfile_stats stats = {.o_direct = 0};
    bool has_log = ask_library(probe, &stats);
    print_head(probe->out);
    int error = show_small(probe, &choices, &stats);
    if (error == 0)
        error = show_large(probe);
    if (error != 0 || choices.count == 0 || !has_log)
        return error;
    print_choice(probe->out, &choices);
    recommend(probe, &choices);
    return fflush(probe->out) != 0 ? -errno : 0;
}

static int init(struct probe *probe, const char *dir)
{
    snprintf(probe->path, sizeof probe->path, "%.4000s/logfile-bench-%ld.probe", dir,
             (long)getpid());
    snprintf(probe->other_path, sizeof probe->other_path, "%.4000s/logfile-bench-%ld.recycled", dir,
             (long)getpid());
    probe->epoch = aligned_alloc(SMALL_BYTES, LARGE_BYTES);
    probe->zeros = aligned_alloc(SMALL_BYTES, LARGE_BYTES);
    if (probe->epoch == NULL || probe->zeros == NULL)
        return -ENOMEM;
    memset(probe->zeros, 0, LARGE_BYTES);
    uint64_t *words = (uint64_t *)(void *)probe->epoch;
    for (size_t i = 0; i < LARGE_BYTES / sizeof *words; i++)
        words[i] = bench_mix(i + 1);
    return 0;
}

int bench_probe(const char *dir, FILE *out)
{
    struct probe probe = {.out = out};
    int error = init(&probe, dir);
    if (error == 0) {
        print_place(out, dir);
        error = probe_all(&probe);
    }
    free(probe.epoch);
    free(probe.zeros);
    return error == -EINTR && is_interrupted() ? 0 : error;
}
