/* SPDX-License-Identifier: MIT */
/*
 * Appends to a log, of segments or of one file, for as long as it is told to, while the start of the log
 * is trimmed away, and tells every few seconds how that goes.  scripts/soak runs it and judges.
 *
 * An append counts as *over a rotation* if its record lies in the first hundredth of a segment, or
 * if the durable LSN was still in an earlier segment when the append began: then the log was about
 * to change over to the segment, did so, or had just done so while this append waited.  Latencies
 * of these and of all others are kept apart.  A log of one file has no rotations.
 *
 * One line an interval, columns as in the first line; times in microseconds, "-" where there was no
 * append; then what the program and the log's directory hold at that moment, and how long the log's
 * syncs took: whether it was the device that changed.
 */
#include "clock.h"
#include "histogram.h"
#include "logfile.h"
#include "payload.h"
#include "process.h"
#include "signals.h"
#include "trimmer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define POOL_BYTES (1u << 20)
#define ROTATION_SHARE 100 /* the first hundredth of a segment */
#define WRITERS_MAX 4096u

enum kind {
    PLAIN = 0,
    OVER_ROTATION,
    KINDS
};

struct soak {
    const char *path;
    double seconds;
    double interval_s;
    unsigned writers;
    size_t size_bytes;
    uint64_t segment_bytes;
    uint64_t keep_bytes;
    struct logfile *log;
    unsigned char *pool;
    _Atomic bool stop;
    _Atomic int error; /* of the append that failed first */
};

struct writer {
    struct soak *soak;
    unsigned index;
    pthread_t thread;
    pthread_mutex_t lock; /* the histograms: the main thread takes them away at each interval */
    struct bench_histogram latency_ns[KINDS];
} __attribute__((aligned(128)));

/* ---- The writers ----------------------------------------------------------------------------- */

/* A log of one file is its first and last segment. */
static uint64_t segment_of(const struct soak *soak, uint64_t lsn)
{
    return soak->segment_bytes == 0 ? 0 : lsn / soak->segment_bytes;
}

static enum kind kind_of(const struct soak *soak, uint64_t lsn, uint64_t durable_lsn_before)
{
    if (soak->segment_bytes == 0)
        return PLAIN;
    bool is_first = lsn % soak->segment_bytes < soak->segment_bytes / ROTATION_SHARE;
    bool spans = segment_of(soak, durable_lsn_before) != segment_of(soak, lsn);
    return is_first || spans ? OVER_ROTATION : PLAIN;
}

static void *writer_main(void *arg)
{
    struct writer *writer = arg;
    struct soak *soak = writer->soak;
    bench_signals_leave_to_main();
    for (uint64_t number = writer->index; !soak->stop; number += soak->writers) {
        const void *record = soak->pool + number * BENCH_PAYLOAD_STEP % (POOL_BYTES / 2);
        uint64_t lsn;
        uint64_t durable_lsn = logfile_durable_lsn(soak->log);
        uint64_t begin_ns = bench_now_ns();
        int error = logfile_append(soak->log, record, soak->size_bytes, &lsn);
        uint64_t end_ns = bench_now_ns();
        if (error != 0) {
            int none = 0;
            atomic_compare_exchange_strong(&soak->error, &none, error);
            return NULL;
        }
        pthread_mutex_lock(&writer->lock);
        bench_histogram_add(&writer->latency_ns[kind_of(soak, lsn, durable_lsn)],
                            end_ns - begin_ns);
        pthread_mutex_unlock(&writer->lock);
    }
    return NULL;
}

static struct writer *start_writers(struct soak *soak)
{
    struct writer *writers = aligned_alloc(128, soak->writers * sizeof *writers);
    if (writers == NULL)
        return NULL;
    memset(writers, 0, soak->writers * sizeof *writers);
    for (unsigned i = 0; i < soak->writers; i++) {
        writers[i].soak = soak;
        writers[i].index = i;
        pthread_mutex_init(&writers[i].lock, NULL);
        if (pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]) != 0) {
            fprintf(stderr, "soak: writer %u could not be started\n", i);
            exit(1);
        }
    }
    return writers;
}

/* ---- A line for each interval ---------------------------------------------------------------- */

static void collect(struct soak *soak, struct writer *writers, struct bench_histogram *latency_ns)
{
    memset(latency_ns, 0, KINDS * sizeof *latency_ns);
    for (unsigned i = 0; i < soak->writers; i++) {
        pthread_mutex_lock(&writers[i].lock);
        for (unsigned kind = 0; kind < KINDS; kind++)
            bench_histogram_merge(&latency_ns[kind], &writers[i].latency_ns[kind]);
        memset(writers[i].latency_ns, 0, sizeof writers[i].latency_ns);
        pthread_mutex_unlock(&writers[i].lock);
    }
}

static void print_percentile(const struct bench_histogram *latency_ns, double fraction)
{
    if (latency_ns->count == 0)
        printf(" %9s", "-");
    else
        printf(" %9.1f", (double)bench_histogram_percentile(latency_ns, fraction) / 1000);
}

/* How many segments the log has, and the bytes that its files occupy. */
static void measure_files(const char *path, unsigned *segments, uint64_t *bytes)
{
    struct stat status;
    *segments = 0;
    *bytes = 0;
    DIR *dir = opendir(path);
    if (dir == NULL) {
        *bytes = stat(path, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        const char *suffix = strrchr(entry->d_name, '.');
        *segments += suffix != NULL && strcmp(suffix, ".segment") == 0;
        *bytes += (uint64_t)status.st_blocks * 512;
    }
    closedir(dir);
}

/* The syncs since the last call. */
static struct logfile_histogram take_syncs(struct logfile *log)
{
    static struct logfile_histogram last;
    struct logfile_stats stats = {0};
    logfile_stats(log, &stats, sizeof stats);
    struct logfile_histogram since = stats.sync_ns;
    since.count -= last.count;
    for (unsigned i = 0; i < LOGFILE_HISTOGRAM_BUCKETS; i++)
        since.bucket[i] -= last.bucket[i];
    last = stats.sync_ns;
    return since;
}

static void print_head(void)
{
    printf("%7s %10s %8s %9s %9s %9s %9s %9s %9s %9s %9s %9s %9s %5s %9s %9s %9s %9s %18s\n", "s",
           "records/s", "turns", "p50", "p99", "p99.9", "p99.99", "else_99.9", "over", "over_p50",
           "over_p99", "over_99.9", "rss_KiB", "fds", "segments", "disk_MiB", "sync_p50",
           "sync_p99", "durable_lsn");
}

static void print_interval(struct soak *soak, struct writer *writers, double at_s, double length_s,
                           uint64_t *last_lsn)
{
    static struct bench_histogram latency_ns[KINDS], all_ns;
    unsigned segments;
    uint64_t disk_bytes;
    uint64_t durable_lsn = logfile_durable_lsn(soak->log);
    collect(soak, writers, latency_ns);
    all_ns = latency_ns[PLAIN];
    bench_histogram_merge(&all_ns, &latency_ns[OVER_ROTATION]);
    measure_files(soak->path, &segments, &disk_bytes);
    printf("%7.1f %10.0f %8" PRIu64, at_s, (double)all_ns.count / length_s,
           segment_of(soak, durable_lsn) - segment_of(soak, *last_lsn));
    print_percentile(&all_ns, 0.5);
    print_percentile(&all_ns, 0.99);
    print_percentile(&all_ns, 0.999);
    print_percentile(&all_ns, 0.9999);
    print_percentile(&latency_ns[PLAIN], 0.999);
    printf(" %9" PRIu64, latency_ns[OVER_ROTATION].count);
    print_percentile(&latency_ns[OVER_ROTATION], 0.5);
    print_percentile(&latency_ns[OVER_ROTATION], 0.99);
    print_percentile(&latency_ns[OVER_ROTATION], 0.999);
    const struct logfile_histogram syncs = take_syncs(soak->log);
    printf(" %9" PRIu64 " %5u %9u %9" PRIu64 " %9.1f %9.1f %18" PRIu64 "\n",
           bench_rss_bytes() >> 10, bench_descriptors(), segments, disk_bytes >> 20,
           (double)logfile_histogram_percentile(&syncs, 0.5) / 1000,
           (double)logfile_histogram_percentile(&syncs, 0.99) / 1000, durable_lsn);
    fflush(stdout);
    *last_lsn = durable_lsn;
}

static void run_intervals(struct soak *soak, struct writer *writers)
{
    uint64_t start_ns = bench_now_ns();
    uint64_t end_ns = start_ns + (uint64_t)(soak->seconds * (double)BENCH_NS_PER_S);
    uint64_t interval_ns = (uint64_t)(soak->interval_s * (double)BENCH_NS_PER_S);
    uint64_t last_ns = start_ns;
    uint64_t last_lsn = logfile_durable_lsn(soak->log);
    while (last_ns < end_ns && bench_signals_caught() == 0 && soak->error == 0) {
        struct pollfd polled = {.fd = bench_signals_fd(), .events = POLLIN};
        uint64_t until_ns = last_ns + interval_ns < end_ns ? last_ns + interval_ns : end_ns;
        uint64_t now_ns = bench_now_ns();
        struct timespec left = bench_timespec(until_ns > now_ns ? until_ns - now_ns : 0);
        ppoll(&polled, 1, &left, NULL);
        now_ns = bench_now_ns();
        print_interval(soak, writers, (double)(now_ns - start_ns) / (double)BENCH_NS_PER_S,
                       (double)(now_ns - last_ns) / (double)BENCH_NS_PER_S, &last_lsn);
        last_ns = now_ns;
    }
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int fail(const char *call, int error)
{
    fprintf(stderr, "soak: %s: %s\n", call, logfile_strerror(error));
    return 1;
}

static int open_log(struct soak *soak)
{
    struct logfile_open_report report = {.message = ""};
    struct logfile_options options = {.segment_bytes = soak->segment_bytes};
    int error = logfile_open(soak->path, &options, &report, &soak->log);
    if (error != 0 && report.message[0] != '\0')
        fprintf(stderr, "soak: %s\n", report.message);
    if (error != 0)
        return fail("opening", error);
    bool is_new = report.tail.incarnation == 0;
    bool is_torn = !is_new && report.tail.verdict == LOGFILE_TORN;
    printf("# opened: end LSN %" PRIu64 "%s\n", logfile_durable_lsn(soak->log),
           is_torn ? ", it was not closed cleanly" : "");
    return 0;
}

/* 0, or 1 after a line on standard error. */
static int run(struct soak *soak)
{
    struct bench_trimmer trimmer;
    int error = bench_trimmer_start(&trimmer, soak->log, soak->keep_bytes, soak->segment_bytes);
    if (error != 0)
        return fail("starting the trimmer", error);
    struct writer *writers = start_writers(soak);
    if (writers == NULL)
        return fail("starting the writers", -ENOMEM);
    print_head();
    run_intervals(soak, writers);
    soak->stop = true;
    for (unsigned i = 0; i < soak->writers; i++)
        pthread_join(writers[i].thread, NULL);
    bench_trimmer_stop(&trimmer);
    free(writers);
    if (soak->error != 0)
        return fail("append", soak->error);
    if (trimmer.error != 0)
        return fail("trim", trimmer.error);
    printf("# %" PRIu64 " trims, oldest LSN %" PRIu64 "\n", trimmer.trims,
           logfile_oldest_lsn(soak->log));
    return 0;
}

static const char usage[] =
    "usage: soak [--seconds S] [--interval S] [--writers N] [--size BYTES] [--segment-bytes N]\n"
    "            [--keep BYTES] LOG\n";

static uint64_t number(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "soak: '%s' is not a number from %" PRIu64 " to %" PRIu64 "\n", text, least,
                most);
        exit(64);
    }
    return value;
}

static void parse(int argc, char **argv, struct soak *soak)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'},
        {"interval", required_argument, NULL, 'i'},
        {"writers", required_argument, NULL, 'w'},
        {"size", required_argument, NULL, 'b'},
        {"segment-bytes", required_argument, NULL, 'g'},
        {"keep", required_argument, NULL, 'k'},
        {NULL, 0, NULL, 0},
    };
    int chosen;
    while ((chosen = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (chosen) {
        case 's':
            soak->seconds = (double)number(optarg, 0, 1000000);
            break;
        case 'i':
            soak->interval_s = (double)number(optarg, 1, 3600);
            break;
        case 'w':
            soak->writers = (unsigned)number(optarg, 1, WRITERS_MAX);
            break;
        case 'b':
            soak->size_bytes = number(optarg, 0, POOL_BYTES / 2);
            break;
        case 'g':
            soak->segment_bytes = number(optarg, 0, UINT64_C(1) << 40);
            break;
        case 'k':
            soak->keep_bytes = number(optarg, 1, UINT64_C(1) << 50);
            break;
        default:
            fputs(usage, stderr);
            exit(64);
        }
    }
    if (optind + 1 != argc) {
        fputs(usage, stderr);
        exit(64);
    }
    soak->path = argv[optind];
}

int main(int argc, char **argv)
{
    static struct soak soak = {
        .seconds = 60,
        .interval_s = 10,
        .writers = 16,
        .size_bytes = 512,
        .segment_bytes = UINT64_C(64) << 20,
        .keep_bytes = UINT64_C(256) << 20,
    };
    parse(argc, argv, &soak);
    soak.pool = malloc(POOL_BYTES);
    if (soak.pool == NULL || bench_signals_init() != 0)
        return fail("starting", -ENOMEM);
    for (size_t i = 0; i < POOL_BYTES; i += sizeof(uint64_t))
        memcpy(soak.pool + i, &(uint64_t){bench_mix(i + 1)}, sizeof(uint64_t));
    if (open_log(&soak) != 0)
        return 1;
    int status = soak.seconds > 0 ? run(&soak) : 0;
    int error = logfile_close(soak.log);
    if (error != 0)
        status = fail("closing", error);
    free(soak.pool);
    return status;
}
