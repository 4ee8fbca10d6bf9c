/* SPDX-License-Identifier: MIT */
#include "preflight.h"

#include "bounds.h"
#include "cgroup.h"
#include "clock.h"
#include "device.h"
#include "payload.h"
#include "probe.h"
#include "results.h"
#include "verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* What a fast disk of today can take; the estimate of space is for runs of a set time. */
#define FLUSHES_PER_S UINT64_C(8000)
#define BYTES_PER_S UINT64_C(2000000000)
#define PREPARED_BYTES (UINT64_C(64) << 20) /* the library's default for prepare_bytes */
#define DEFAULT_SLOT_BYTES (UINT64_C(8) << 20)
#define PROGRAM_BYTES (UINT64_C(24) << 20) /* itself, its libraries and the machine's topology */
#define CLIENT_BYTES 32                    /* what is kept of a record on its way */
#define WRITER_BYTES (UINT64_C(128) << 10) /* its histograms, and what it uses of its stack */

/* ---- What the stores take -------------------------------------------------------------------- */

/* Opens a log in memory, with the options that every run of the variant will have. */
static int try_log(const struct verdict *verdict, const struct bench_variant *variant,
                   size_t *record_max)
{
    struct logfile *log;
    struct logfile_open_report report;
    struct logfile_options options = variant->log;
    struct bench_device *device = bench_device_create(0);
    if (device == NULL)
        return refuse(verdict, "out of memory");
    memset(&report, 0, sizeof report);
    options.io = bench_device_io(device);
    options.lab = &variant->lab;
    int error = logfile_open("trial", &options, &report, &log);
    if (error == 0) {
        *record_max = logfile_record_max(log);
        error = logfile_close(log);
    }
    bench_device_destroy(device);
    if (error == 0)
        return 0;
    return refuse(verdict, "the library refuses the options of '%s': %s", variant->label,
                  report.message[0] != '\0' ? report.message : logfile_strerror(error));
}

static size_t largest_record(const struct bench_options *options)
{
    size_t size = bench_list_max(&options->sizes);
    return options->size_max > size ? options->size_max : size;
}

static int check_log(const struct verdict *verdict, const struct bench_options *options,
                     const struct bench_variant *variant)
{
    size_t record_max = 0;
    if (try_log(verdict, variant, &record_max) != 0)
        return -1;
    if (largest_record(options) > record_max)
        return refuse(
            verdict, "%s %zu: a record has at most %zu bytes%s",
            options->size_max == 0 ? "--size" : "--size-range", largest_record(options), record_max,
            options->log.slot_bytes != 0 ? " with these --slot-bytes" : " (see --slot-bytes)");
    return 0;
}

/* Other stores know only files, and appends of one record each that wait. */
static int check_peer(const struct verdict *verdict, const struct bench_options *options,
                      const struct bench_peer *peer)
{
    if (bench_list_max(&options->windows) > 1)
        return refuse(verdict, "--window: not together with %s, which has no submit", peer->name);
    if (options->clients > 0)
        return refuse(verdict, "--clients: not together with %s, which has no submit", peer->name);
    if (options->device != BENCH_DEVICE_FILE)
        return refuse(verdict, "--device %s: not together with %s, which needs files",
                      bench_name_of(bench_device_names, (int)options->device), peer->name);
    if (options->trim_keep_bytes > 0)
        return refuse(verdict, "--trim-keep: not together with %s, which is not trimmed",
                      peer->name);
    return 0;
}

static int check_written(const struct verdict *verdict, const struct bench_options *options)
{
    if (options->written_bytes == 0)
        return 0;
    if (options->device != BENCH_DEVICE_FILE)
        return refuse(verdict, "--written: not together with --device %s, which forgets",
                      bench_name_of(bench_device_names, (int)options->device));
    if (options->log.segment_bytes > 0)
        return refuse(verdict, "--written: not together with --segment-bytes");
    if (options->preset == BENCH_PRESET_README)
        return refuse(verdict, "--written: not together with --preset readme, which starts empty");
    return 0;
}

static int check_variants(const struct verdict *verdict, const struct bench_options *options)
{
    for (unsigned i = 0; i < options->variants.count; i++) {
        const struct bench_variant *variant = &options->variants.all[i];
        int status = variant->peer != NULL ? check_peer(verdict, options, variant->peer)
                                           : check_log(verdict, options, variant);
        if (status != 0)
            return -1;
    }
    return 0;
}

/* ---- What the machine has -------------------------------------------------------------------- */

/* At a time. */
static unsigned open_logs(const struct bench_options *options)
{
    return options->is_sliced ? options->variants.count : 1;
}

/* All that a run takes, at a guess: pools of payloads, the buffers of one log, what is counted for
 * each writer and each run. */
static uint64_t run_memory(const struct bench_options *options, unsigned writers)
{
    uint64_t slot_bytes =
        options->log.slot_bytes != 0 ? options->log.slot_bytes : DEFAULT_SLOT_BYTES;
    uint64_t runs = options->repeat * bench_point_count(options) * options->variants.count;

    uint64_t open = open_logs(options);

    return PROGRAM_BYTES + bench_payload_bytes(writers, largest_record(options)) +
           open * (2 * slot_bytes + writers * WRITER_BYTES) + options->clients * CLIENT_BYTES +
           runs * sizeof(struct bench_result) +
           options->variants.count * sizeof(struct bench_detail);
}

/* Beyond the limit of its cgroup a process is killed without a word. */
static int check_cgroup(const struct verdict *verdict, const struct bench_options *options,
                        unsigned writers, uint64_t memory)
{
    uint64_t limit = bench_memory_limit();
    uint64_t needed = run_memory(options, writers);

    if (limit >= memory || needed <= limit)
        return 0;
    return refuse(verdict,
                  "%u writers with records of %zu bytes may need %llu MiB of memory; the cgroup of "
                  "this process is limited to %llu: lower --writers or --size",
                  writers, largest_record(options), (unsigned long long)(needed >> 20),
                  (unsigned long long)(limit >> 20));
}

static int check_memory(const struct verdict *verdict, const struct bench_options *options)
{
    unsigned writers = (unsigned)bench_list_max(&options->writers);
    uint64_t needed = bench_payload_bytes(writers, largest_record(options));
    uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (needed > memory / 2)
        return refuse(verdict,
                      "%u writers with records of %zu bytes need %llu MiB of memory for payloads; "
                      "this machine has %llu: lower --writers or --size",
                      writers, largest_record(options), (unsigned long long)(needed >> 20),
                      (unsigned long long)(memory >> 20));
    return check_cgroup(verdict, options, writers, memory);
}

static int check_placement(const struct verdict *verdict, const struct bench_options *options,
                           hwloc_topology_t topology)
{
    for (unsigned i = 0; bench_options_place(options) && i < options->writers.count; i++) {
        struct bench_place *place;
        if (bench_place_create(topology, &options->place, (unsigned)options->writers.values[i],
                               &place, verdict->message, verdict->message_bytes) != 0)
            return -1;
        bench_place_destroy(place);
    }
    return 0;
}

/* ---- Where the log goes ---------------------------------------------------------------------- */

static const char *dir_option(const struct bench_options *options)
{
    return options->action == BENCH_PROBE ? "probe" : "dir";
}

/* As a log needs it; where the kernel does not say, the log will see. */
static bool takes_direct(int fd)
{
    struct logfile_io_facts facts;
    const struct logfile_io *io = logfile_io_posix();
    if (fcntl(fd, F_SETFL, O_DIRECT) != 0)
        return false;
    return io->facts(io->context, fd, &facts) != 0 ||
           (facts.direct != LOGFILE_IO_DIRECT_NO && facts.offset_align <= LOGFILE_IO_BLOCK &&
            facts.memory_align <= LOGFILE_IO_BLOCK);
}

static int check_writable(const struct verdict *verdict, const struct bench_options *options)
{
    char path[PATH_MAX];
    struct stat status;
    if (stat(options->dir, &status) != 0)
        return refuse(verdict, "--%s %s: %s", dir_option(options), options->dir, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return refuse(verdict, "--%s %s: not a directory", dir_option(options), options->dir);
    int length =
        snprintf(path, sizeof path, "%s/logfile-bench-%ld.probe", options->dir, (long)getpid());
    /* The log's own name is a little longer. */
    if (length < 0 || (size_t)length > sizeof path - 64)
        return refuse(verdict, "--%s: the name is too long", dir_option(options));
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return refuse(verdict, "--%s %s: not writable: %s", dir_option(options), options->dir,
                      strerror(errno));
    bool has_direct = takes_direct(fd);
    unlink(path);
    close(fd);
    if (!has_direct && options->log.io_mode == LOGFILE_IO_DIRECT)
        return refuse(verdict,
                      "--io direct: the file system of %s does not take O_DIRECT in "
                      "blocks of %d bytes, or buffers it",
                      options->dir, LOGFILE_IO_BLOCK);
    return 0;
}

static uint64_t whole_blocks(uint64_t bytes)
{
    return (bytes + LOGFILE_IO_BLOCK - 1) / LOGFILE_IO_BLOCK * LOGFILE_IO_BLOCK;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double greatest(double a, double b)
{
    return a > b ? a : b;
}

/* How large the log of one run of a set time becomes, at a guess.  Whatever the disk can do, each
 * writer submits a whole window, and appends all that is due on a schedule: when that is more than
 * the disk can keep up with, a flush carries all that can be on its way. */
static uint64_t timed_run_bytes(const struct bench_options *options,
                                const struct bench_point *point, uint64_t mean)
{
    double slices = options->is_sliced ? (double)options->repeat : 1;
    double seconds = slices * (1.1 * (double)options->duration_ns / (double)BENCH_NS_PER_S + 0.2);
    uint64_t on_their_way =
        options->clients > 0 ? options->clients : point->writers * point->window;
    uint64_t per_flush = whole_blocks(on_their_way * mean);
    double per_s = least((double)per_flush * FLUSHES_PER_S, BYTES_PER_S);
    if (bench_rate_is_share(point->rate))
        seconds += slices; /* in which it shows what it can do */
    if (point->rate == 0 || bench_rate_is_share(point->rate))
        return (uint64_t)greatest(seconds * per_s, (double)per_flush);
    double rate = bench_rate_value(point->rate);
    double each_alone = least(rate * (double)whole_blocks(mean), per_s);
    double together = rate * (double)per_flush / (double)on_their_way;
    return (uint64_t)least(seconds * greatest(each_alone, together), (double)INT64_MAX);
}

static uint64_t run_bytes(const struct bench_options *options, const struct bench_point *point)
{
    uint64_t mean = point->size_min + (point->size_max - point->size_min) / 2 + 72;
    if (options->records > 0)
        return point->writers * options->records * whole_blocks(mean);
    return timed_run_bytes(options, point, mean);
}

static uint64_t largest_run_bytes(const struct bench_options *options)
{
    uint64_t most = 0;
    for (unsigned i = 0; i < bench_point_count(options); i++) {
        struct bench_point point = bench_point_at(options, i);
        uint64_t bytes = run_bytes(options, &point);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* The most that the logs hold that are there at a time.  Another store is taken to need no more: it is slower, and
 * has a block or two for each record in its own log until that is merged. */
static uint64_t log_bytes(const struct bench_options *options)
{
    uint64_t slot_bytes =
        options->log.slot_bytes != 0 ? options->log.slot_bytes : DEFAULT_SLOT_BYTES;
    uint64_t bytes = largest_run_bytes(options);
    uint64_t kept = options->trim_keep_bytes + options->trim_keep_bytes / 2;
    if (kept > 0 && kept < bytes)
        bytes = kept;
    if (bytes < options->written_bytes)
        bytes = options->written_bytes;
    bytes += PREPARED_BYTES + 2 * slot_bytes + 4 * options->log.segment_bytes;
    return open_logs(options) * bytes + (options->floors ? BENCH_FLOOR_FILE_BYTES : 0);
}

static int check_space(const struct verdict *verdict, const struct bench_options *options,
                       uint64_t needed)
{
    struct statvfs space;
    if (statvfs(options->dir, &space) != 0)
        return refuse(verdict, "--%s %s: %s", dir_option(options), options->dir, strerror(errno));
    uint64_t available = (uint64_t)space.f_bavail * space.f_frsize;
    if (available < needed)
        return refuse(verdict, "--%s %s: %s may need %llu MiB, and %llu MiB are free",
                      dir_option(options), options->dir,
                      options->action == BENCH_PROBE ? "a file"
                      : options->is_sliced           ? "logs that stay open"
                                                     : "one log",
                      (unsigned long long)(needed >> 20), (unsigned long long)(available >> 20));
    return 0;
}

int bench_preflight(const struct bench_options *options, hwloc_topology_t topology, char *message,
                    size_t message_bytes)
{
    struct verdict verdict = {message, message_bytes};
    /* Memory first: trying a log takes some. */
    if (check_memory(&verdict, options) != 0 || check_written(&verdict, options) != 0 ||
        check_variants(&verdict, options) != 0 || check_placement(&verdict, options, topology) != 0)
        return -1;
    if (options->device != BENCH_DEVICE_FILE)
        return 0;
    if (check_writable(&verdict, options) != 0)
        return -1;
    return check_space(&verdict, options, log_bytes(options));
}

int bench_preflight_probe(const struct bench_options *options, char *message, size_t message_bytes)
{
    struct verdict verdict = {message, message_bytes};
    if (check_writable(&verdict, options) != 0)
        return -1;
    return check_space(&verdict, options, BENCH_PROBE_FILE_BYTES + PREPARED_BYTES);
}
