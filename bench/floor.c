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
#include <sys/uio.h>
#include <unistd.h>

#define ZEROS_BYTES (1u << 20)

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
    exit(2);
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

void floor_write(int fd, const void *buffer, size_t bytes, uint64_t offset, bool dsync)
{
    for (size_t done = 0; done < bytes;) {
        struct iovec iov = {.iov_base = (char *)(uintptr_t)buffer + done, .iov_len = bytes - done};
        ssize_t count = pwritev2(fd, &iov, 1, (off_t)(offset + done), dsync ? RWF_DSYNC : 0);
        if (count <= 0)
            floor_fail("write");
        done += (size_t)count;
    }
}

void floor_write_zeros(int fd, uint64_t bytes)
{
    void *zeros = aligned_alloc(FLOOR_BLOCK_BYTES, ZEROS_BYTES);
    if (zeros == NULL)
        floor_fail("memory");
    memset(zeros, 0, ZEROS_BYTES);
    if (fallocate(fd, 0, 0, (off_t)bytes) != 0 && errno != EOPNOTSUPP)
        floor_fail("fallocate");
    for (uint64_t at = 0; at < bytes; at += ZEROS_BYTES)
        floor_write(fd, zeros, bytes - at < ZEROS_BYTES ? bytes - at : ZEROS_BYTES, at, false);
    if (fsync(fd) != 0)
        floor_fail("fsync");
    free(zeros);
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
