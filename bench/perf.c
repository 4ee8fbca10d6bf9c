/* SPDX-License-Identifier: MIT */
#include "perf.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MICRO 1e6

/* ---- Counters -------------------------------------------------------------------------------- */

/* Intel's MEM_LOAD_*_XSNP_HITM, by the names of its event files: 0xd2 with umask 4 from Haswell on. */
uint64_t bench_perf_hitm_event(const char *vendor, int family, int model)
{
    static const int models[] = {
        0x3c, 0x3f, 0x45, 0x46, 0x3d, 0x47, 0x4f, 0x56, /* Haswell, Broadwell */
        0x4e, 0x5e, 0x55, 0x8e, 0x9e, 0xa5, 0xa6,       /* Skylake to Comet Lake */
        0x6a, 0x6c, 0x7d, 0x7e, 0x8c, 0x8d,             /* Ice Lake, Tiger Lake */
        0x8f, 0xcf,                                     /* Sapphire and Emerald Rapids */
    };
    if (strcmp(vendor, "GenuineIntel") != 0 || family != 6)
        return 0;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++)
        if (models[i] == model)
            return 0x04d2;
    return 0;
}

static uint64_t hitm_event_here(void)
{
    char line[256];
    char vendor[64] = "";
    int family = 0, model = -1;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && model < 0 && fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "vendor_id : %63s", vendor);
        sscanf(line, "cpu family : %d", &family);
        sscanf(line, "model : %d", &model);
    }
    if (file != NULL)
        fclose(file);
    return bench_perf_hitm_event(vendor, family, model);
}

int bench_counter_open(uint32_t type, uint64_t config, bool user_only, uint64_t read_format)
{
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.type = type;
    attributes.size = sizeof attributes;
    attributes.config = config;
    attributes.disabled = 1;
    attributes.inherit = 1;
    attributes.exclude_kernel = user_only;
    attributes.exclude_hv = user_only;
    attributes.read_format = read_format;
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static int open_counter(uint32_t type, uint64_t config, bool user_only)
{
    return bench_counter_open(type, config, user_only,
                              PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING);
}

static void open_all(struct bench_perf *perf)
{
    const uint64_t hitm = hitm_event_here();
    const struct {
        uint32_t type;
        uint64_t config;
    } counters[BENCH_PERF_COUNTERS] = {
        [BENCH_PERF_CYCLES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
        [BENCH_PERF_INSTRUCTIONS] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
        [BENCH_PERF_CACHE_MISSES] = {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
        [BENCH_PERF_HITM] = {PERF_TYPE_RAW, hitm},
    };
    for (int i = 0; i < BENCH_PERF_COUNTERS; i++)
        perf->fd[i] = i == BENCH_PERF_HITM && hitm == 0
                          ? -1
                          : open_counter(counters[i].type, counters[i].config, perf->user_only);
}

/* When it had to take turns with others, what it would have counted all the time. */
static bool read_counter(int fd, double *value)
{
    uint64_t counted[3]; /* the value, the time that it was enabled, and that it counted */
    if (fd < 0 || read(fd, counted, sizeof counted) != (ssize_t)sizeof counted || counted[2] == 0)
        return false;
    *value = (double)counted[0] * (double)counted[1] / (double)counted[2];
    return true;
}

/* ---- Energy ---------------------------------------------------------------------------------- */

static bool read_package(unsigned package, const char *name, uint64_t *value)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/class/powercap/intel-rapl:%u/%s", package, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool known = fscanf(file, "%" SCNu64, value) == 1;
    fclose(file);
    return known;
}

/* The counters go round. */
static bool joules_since(const struct bench_perf *perf, double *joules)
{
    *joules = 0;
    for (unsigned i = 0; i < perf->packages; i++) {
        uint64_t now_uj, range_uj;
        if (!read_package(i, "energy_uj", &now_uj) ||
            !read_package(i, "max_energy_range_uj", &range_uj))
            return false;
        uint64_t before_uj = perf->energy_uj[i];
        *joules +=
            (double)(now_uj >= before_uj ? now_uj - before_uj : range_uj - before_uj + now_uj) /
            MICRO;
    }
    return perf->packages > 0;
}

/* ---- All of it ------------------------------------------------------------------------------- */

void bench_perf_open(struct bench_perf *perf)
{
    *perf = (struct bench_perf){.user_only = false};
    open_all(perf);
    if (perf->fd[BENCH_PERF_CYCLES] >= 0 || (errno != EACCES && errno != EPERM))
        return;
    bench_perf_close(perf);
    perf->user_only = true;
    open_all(perf);
}

void bench_perf_start(struct bench_perf *perf)
{
    perf->packages = 0;
    while (perf->packages < BENCH_PERF_PACKAGES &&
           read_package(perf->packages, "energy_uj", &perf->energy_uj[perf->packages]))
        perf->packages++;
    for (int i = 0; i < BENCH_PERF_COUNTERS; i++)
        if (perf->fd[i] >= 0) {
            ioctl(perf->fd[i], PERF_EVENT_IOC_RESET, 0); /* what it counted in the slice before */
            ioctl(perf->fd[i], PERF_EVENT_IOC_ENABLE, 0);
        }
}

void bench_perf_stop(struct bench_perf *perf, uint64_t records, struct bench_perf_result *result)
{
    double value;
    for (int i = 0; i < BENCH_PERF_COUNTERS; i++)
        if (perf->fd[i] >= 0)
            ioctl(perf->fd[i], PERF_EVENT_IOC_DISABLE, 0);
    result->user_only = perf->user_only;
    for (int i = 0; i < BENCH_PERF_COUNTERS; i++) {
        result->knows[i] = records > 0 && read_counter(perf->fd[i], &value);
        result->per_record[i] = result->knows[i] ? value / (double)records : 0;
    }
    result->knows_joules = records > 0 && joules_since(perf, &value);
    result->joules_per_record = result->knows_joules ? value / (double)records : 0;
}

void bench_perf_close(struct bench_perf *perf)
{
    for (int i = 0; i < BENCH_PERF_COUNTERS; i++) {
        if (perf->fd[i] >= 0)
            close(perf->fd[i]);
        perf->fd[i] = -1;
    }
}
