/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool read_id(const char *path, uint64_t *id)
{
    unsigned long long value;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool known = fscanf(file, "%llu", &value) == 1;
    fclose(file);
    *id = known ? value : 0;
    return known;
}

int bench_calls_open(void)
{
    struct perf_event_attr attributes;
    uint64_t id;
    if (!read_id("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id", &id) &&
        !read_id("/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id", &id))
        return -1;
    memset(&attributes, 0, sizeof attributes);
    attributes.type = PERF_TYPE_TRACEPOINT;
    attributes.size = sizeof attributes;
    attributes.config = id;
    attributes.disabled = 1;
    attributes.inherit = 1;
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void bench_calls_start(int fd)
{
    if (fd >= 0)
        ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

bool bench_calls_stop(int fd, uint64_t *calls)
{
    if (fd < 0)
        return false;
    ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
    return read(fd, calls, sizeof *calls) == (ssize_t)sizeof *calls;
}

void bench_calls_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
