/* SPDX-License-Identifier: MIT */
/*
 * How long a log takes to open, and a log to try it on.
 *
 * make: appends records of 512 bytes to a new log until it has BYTES of epochs, in submits of 64
 * records and one wait, so that an epoch holds about what 64 writers put into one; then closes it.
 *
 * open: opens the log, which reads and checks all of it, and closes it again.  The clock runs from
 * just before logfile_open until it has returned.  The library reads past the page cache, or drops
 * what is there before it reads.
 */
#include "floor.h"
#include "logfile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES 512u
#define WINDOW 64
#define POOL_BYTES (1u << 20)

static const char usage[] = "open_log make LOG BYTES, or open_log open LOG";

static void must(int error, const char *call)
{
    if (error == 0)
        return;
    fprintf(stderr, "open_log: %s: %s\n", call, logfile_strerror(error));
    exit(1);
}

static void make_log(const char *path, uint64_t bytes)
{
    struct logfile *log;
    struct logfile_options options = {.open_flags = LOGFILE_OPEN_EXCLUSIVE};
    const unsigned char *records = floor_buffer(POOL_BYTES);
    uint64_t records_count = 0;
    must(logfile_open(path, &options, NULL, &log), "opening");
    while (logfile_durable_lsn(log) < bytes) {
        uint64_t lsn;
        for (unsigned i = 0; i < WINDOW; i++, records_count++) {
            const void *record = records + records_count * RECORD_BYTES % POOL_BYTES;
            must(logfile_submit(log, record, RECORD_BYTES, NULL, &lsn), "submitting");
        }
        must(logfile_wait(log, lsn, NULL), "waiting");
    }
    must(logfile_close(log), "closing");
    printf("{\"open_log\":\"make\",\"records\":%" PRIu64 "}\n", records_count);
}

static void open_log(const char *path)
{
    struct logfile *log;
    struct logfile_open_report report = {.message = ""};
    struct logfile_options options = {.open_flags = LOGFILE_OPEN_EXISTING};
    uint64_t start_ns = bench_now_ns();
    int error = logfile_open(path, &options, &report, &log);
    uint64_t elapsed_ns = bench_now_ns() - start_ns;
    if (error != 0 && report.message[0] != '\0')
        fprintf(stderr, "open_log: %s\n", report.message);
    must(error, "opening");
    must(logfile_close(log), "closing");
    double seconds = (double)elapsed_ns / (double)BENCH_NS_PER_S;
    printf("{\"open_log\":\"open\",\"epochs\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"seconds\":%.6f,\"bytes_per_s\":%.3f}\n",
           report.tail.last_epoch, report.tail.end_lsn, seconds,
           (double)report.tail.end_lsn / seconds);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "make") == 0)
        make_log(argv[2], (uint64_t)floor_number(argv[3], usage));
    else if (argc == 3 && strcmp(argv[1], "open") == 0)
        open_log(argv[2]);
    else
        floor_usage(usage);
    return 0;
}
