/* SPDX-License-Identifier: MIT */
#include "floor.h"

#include "payload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_MAX];
static char path[PATH_MAX + 64]; /* empty: there is no file */

static void remove_file(void)
{
    if (path[0] != '\0')
        unlink(path);
}

static void end_by_signal(int signal_number)
{
    remove_file();
    _exit(128 + signal_number);
}

void floor_fail(const char *call)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, call, strerror(errno));
    remove_file();
    exit(1);
}

void floor_usage(const char *usage)
{
    fprintf(stderr, "usage: %s\n", usage);
    exit(64);
}

double floor_number(const char *text, const char *usage)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value > 0))
        floor_usage(usage);
    return value;
}

int floor_create(const char *dir, bool *direct)
{
    snprintf(folder, sizeof folder, "%s", dir);
    snprintf(path, sizeof path, "%s/logfile-floor-%ld", folder, (long)getpid());
    signal(SIGINT, end_by_signal);
    signal(SIGTERM, end_by_signal);
    signal(SIGHUP, end_by_signal);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        path[0] = '\0';
        floor_fail(dir);
    }
    *direct = fcntl(fd, F_SETFL, O_DIRECT) == 0;
    return fd;
}

void floor_remove(int fd)
{
    close(fd);
    remove_file();
    path[0] = '\0';
    int dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return;
    fsync(dir_fd);
    close(dir_fd);
}

void floor_check(int error, const char *call)
{
    errno = -error;
    if (error != 0)
        floor_fail(call);
}

void floor_write(int fd, const void *buffer, size_t bytes, uint64_t offset, bool dsync)
{
    floor_check(bench_floor_write(fd, buffer, bytes, offset, dsync), "write");
}

void floor_write_zeros(int fd, uint64_t bytes)
{
    floor_check(bench_floor_write_zeros(fd, bytes), "writing zeros");
}

void *floor_buffer(size_t bytes)
{
    uint64_t *words = aligned_alloc(FLOOR_BLOCK_BYTES, bytes);
    if (words == NULL)
        floor_fail("memory");
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        words[i] = bench_mix(i + 1);
    return words;
}

void floor_print_percentiles(const struct bench_histogram *latency_ns)
{
    printf(",\"p50_us\":%.3f,\"p99_us\":%.3f",
           (double)bench_histogram_percentile(latency_ns, 0.5) / 1000,
           (double)bench_histogram_percentile(latency_ns, 0.99) / 1000);
}
