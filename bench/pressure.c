/* SPDX-License-Identifier: MIT */
#include "pressure.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The start of a file of the kernel, in one read; false where it cannot be read. */
static bool read_start(const char *path, char *text, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = fd >= 0 ? read(fd, text, bytes - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[count > 0 ? count : 0] = '\0';
    return count > 0;
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123" */
static bool read_some(const char *path, uint64_t *us)
{
    char text[256];
    unsigned long long total;
    const char *found = read_start(path, text, sizeof text) ? strstr(text, "total=") : NULL;
    if (found == NULL || strncmp(text, "some", 4) != 0 || sscanf(found, "total=%llu", &total) != 1)
        return false;
    *us = total;
    return true;
}

static bool read_steal(uint64_t *us)
{
    char text[256];
    unsigned long long ticks;
    if (!read_start("/proc/stat", text, sizeof text) ||
        sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1)
        return false;
    *us = ticks * (1000000u / (unsigned long long)sysconf(_SC_CLK_TCK));
    return true;
}

void bench_pressure_read(struct bench_pressure *pressure)
{
    memset(pressure, 0, sizeof *pressure);
    pressure->knows_cpu = read_some("/proc/pressure/cpu", &pressure->cpu_some_us);
    pressure->knows_io = read_some("/proc/pressure/io", &pressure->io_some_us);
    pressure->knows_steal = read_steal(&pressure->steal_us);
}

struct bench_pressure bench_pressure_between(const struct bench_pressure *before,
                                             const struct bench_pressure *after)
{
    return (struct bench_pressure){
        .knows_cpu = before->knows_cpu && after->knows_cpu,
        .knows_io = before->knows_io && after->knows_io,
        .knows_steal = before->knows_steal && after->knows_steal,
        .cpu_some_us = after->cpu_some_us - before->cpu_some_us,
        .io_some_us = after->io_some_us - before->io_some_us,
        .steal_us = after->steal_us - before->steal_us,
    };
}
