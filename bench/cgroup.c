/* SPDX-License-Identifier: MIT */
#include "cgroup.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What limits one thing.  Its limit in a group's folder, HUGE_VAL: there is none. */
struct controller {
    const char *name;
    double (*read)(const char *folder, bool is_v2);
};

/* Where a hierarchy that limits it is mounted: `root` of it is seen at `point`. */
struct hierarchy {
    bool is_v2;
    char root[PATH_MAX];
    char point[PATH_MAX];
};

/* ---- What the kernel tells --------------------------------------------------------------------*/

/* Whether a list of words with commas between them has one. */
static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);

    for (; list != NULL; list = strchr(list, ',')) {
        list += *list == ',';
        if (strncmp(list, word, length) == 0 &&
            (list[length] == ',' || list[length] == '\0' || list[length] == '\n'))
            return true;
    }
    return false;
}

static bool parse_mount(const char *line, const char *controller, struct hierarchy *found)
{
    char type[64], options[512];
    const char *tail = strstr(line, " - ");

    if (tail == NULL ||
        sscanf(line, "%*u %*u %*u:%*u %4095s %4095s", found->root, found->point) != 2 ||
        sscanf(tail, " - %63s %*s %511s", type, options) != 2)
        return false;
    found->is_v2 = strcmp(type, "cgroup2") == 0;
    return found->is_v2 || (strcmp(type, "cgroup") == 0 && has_word(options, controller));
}

/* The line of a hierarchy: "0::PATH" of version 2, "NUMBER:CONTROLLERS:PATH" of version 1. */
static bool parse_group(char *line, const char *controller, bool is_v2, char path[PATH_MAX])
{
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

    if (group == NULL)
        return false;
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (is_v2 ? strcmp(line, "0:") != 0 : !has_word(controllers + 1, controller))
        return false;
    return snprintf(path, PATH_MAX, "%s", group) < PATH_MAX;
}

static bool find_group(const char *cgroup_path, const char *controller, bool is_v2,
                       char path[PATH_MAX])
{
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    FILE *file = fopen(cgroup_path, "re");

    if (file == NULL)
        return false;
    while (!found && getline(&line, &capacity, file) > 0)
        found = parse_group(line, controller, is_v2, path);
    free(line);
    fclose(file);
    return found;
}

/* ---- The limits -------------------------------------------------------------------------------*/

/* Reads up to two numbers of a file; how many there were. */
static int read_numbers(const char *folder, const char *name, double *first, double *second)
{
    char path[2 * PATH_MAX + 64];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    const int count = fscanf(file, "%lf %lf", first, second);
    fclose(file);
    return count > 0 ? count : 0; /* "max" is no number */
}

/* Version 1 says none with a number beyond all memory. */
static double read_memory(const char *folder, bool is_v2)
{
    double bytes, unused;
    const char *name = is_v2 ? "memory.max" : "memory.limit_in_bytes";

    return read_numbers(folder, name, &bytes, &unused) > 0 ? bytes : HUGE_VAL;
}

/* Microseconds of processor time in a period of so many; version 1 says none with -1. */
static double read_cpu(const char *folder, bool is_v2)
{
    double quota_us, period_us, unused;

    if (is_v2)
        return read_numbers(folder, "cpu.max", &quota_us, &period_us) == 2 && period_us > 0
                   ? quota_us / period_us
                   : HUGE_VAL;
    if (read_numbers(folder, "cpu.cfs_quota_us", &quota_us, &unused) < 1 ||
        read_numbers(folder, "cpu.cfs_period_us", &period_us, &unused) < 1 || quota_us <= 0 ||
        period_us <= 0)
        return HUGE_VAL;
    return quota_us / period_us;
}

/* A group lies below the root that is mounted, whose own name it then starts with; or it is told from
 * there, as in a namespace of its own. */
static const char *below_root(const char *group, const char *root)
{
    const size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(group, root, length) == 0 && (group[length] == '/' || group[length] == '\0'))
        return group + length;
    return group;
}

/* The limit of a group holds for all that are in it, so each one up to the mount point counts. */
static double least_in(const struct controller *controller, const struct hierarchy *hierarchy,
                       const char *group)
{
    char folder[2 * PATH_MAX];
    const size_t point_length = strlen(hierarchy->point);
    double least = HUGE_VAL;

    snprintf(folder, sizeof folder, "%s%s", hierarchy->point, below_root(group, hierarchy->root));
    for (;;) {
        least = fmin(least, controller->read(folder, hierarchy->is_v2));
        char *slash = strrchr(folder + point_length, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

static double least_limit(const struct controller *controller, const char *cgroup_path,
                          const char *mountinfo_path)
{
    struct hierarchy hierarchy;
    char group[PATH_MAX];
    char *line = NULL;
    size_t capacity = 0;
    double least = HUGE_VAL;
    FILE *file = fopen(mountinfo_path, "re");

    if (file == NULL)
        return HUGE_VAL;
    while (getline(&line, &capacity, file) > 0)
        if (parse_mount(line, controller->name, &hierarchy) &&
            find_group(cgroup_path, controller->name, hierarchy.is_v2, group))
            least = fmin(least, least_in(controller, &hierarchy, group));
    free(line);
    fclose(file);
    return least;
}

uint64_t bench_memory_limit_of(const char *cgroup_path, const char *mountinfo_path)
{
    static const struct controller memory = {"memory", read_memory};
    const double bytes = least_limit(&memory, cgroup_path, mountinfo_path);

    return bytes < 0x1p64 ? (uint64_t)bytes : UINT64_MAX;
}

double bench_cpu_quota_of(const char *cgroup_path, const char *mountinfo_path)
{
    static const struct controller cpu = {"cpu", read_cpu};

    return least_limit(&cpu, cgroup_path, mountinfo_path);
}

uint64_t bench_memory_limit(void)
{
    return bench_memory_limit_of("/proc/self/cgroup", "/proc/self/mountinfo");
}

double bench_cpu_quota(void)
{
    return bench_cpu_quota_of("/proc/self/cgroup", "/proc/self/mountinfo");
}
