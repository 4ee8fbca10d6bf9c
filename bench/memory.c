/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a hierarchy that limits memory is mounted: `root` of it is seen at `point`. */
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

static bool parse_mount(const char *line, struct hierarchy *found)
{
    char type[64], options[512];
    const char *tail = strstr(line, " - ");

    if (tail == NULL ||
        sscanf(line, "%*u %*u %*u:%*u %4095s %4095s", found->root, found->point) != 2 ||
        sscanf(tail, " - %63s %*s %511s", type, options) != 2)
        return false;
    found->is_v2 = strcmp(type, "cgroup2") == 0;
    return found->is_v2 || (strcmp(type, "cgroup") == 0 && has_word(options, "memory"));
}

/* The line of a hierarchy: "0::PATH" of version 2, "NUMBER:CONTROLLERS:PATH" of version 1. */
static bool parse_group(char *line, bool is_v2, char path[PATH_MAX])
{
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

    if (group == NULL)
        return false;
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (is_v2 ? strcmp(line, "0:") != 0 : !has_word(controllers + 1, "memory"))
        return false;
    return snprintf(path, PATH_MAX, "%s", group) < PATH_MAX;
}

static bool find_group(const char *cgroup_path, bool is_v2, char path[PATH_MAX])
{
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    FILE *file = fopen(cgroup_path, "re");

    if (file == NULL)
        return false;
    while (!found && getline(&line, &capacity, file) > 0)
        found = parse_group(line, is_v2, path);
    free(line);
    fclose(file);
    return found;
}

/* ---- The limits -------------------------------------------------------------------------------*/

/* "max", or no such file: UINT64_MAX.  Version 1 says none with a number beyond all memory. */
static uint64_t read_limit(const char *folder, bool is_v2)
{
    char path[2 * PATH_MAX + 64];
    unsigned long long bytes;

    snprintf(path, sizeof path, "%s/%s", folder, is_v2 ? "memory.max" : "memory.limit_in_bytes");
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    if (fscanf(file, "%llu", &bytes) != 1)
        bytes = UINT64_MAX;
    fclose(file);
    return bytes;
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
static uint64_t least_limit(const struct hierarchy *hierarchy, const char *group)
{
    char folder[2 * PATH_MAX];
    const size_t point_length = strlen(hierarchy->point);
    uint64_t least = UINT64_MAX;

    snprintf(folder, sizeof folder, "%s%s", hierarchy->point, below_root(group, hierarchy->root));
    for (;;) {
        const uint64_t limit = read_limit(folder, hierarchy->is_v2);
        if (limit < least)
            least = limit;
        char *slash = strrchr(folder + point_length, '/');
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

uint64_t bench_memory_limit_of(const char *cgroup_path, const char *mountinfo_path)
{
    struct hierarchy hierarchy;
    char group[PATH_MAX];
    char *line = NULL;
    size_t capacity = 0;
    uint64_t least = UINT64_MAX;
    FILE *file = fopen(mountinfo_path, "re");

    if (file == NULL)
        return UINT64_MAX;
    while (getline(&line, &capacity, file) > 0) {
        if (!parse_mount(line, &hierarchy) || !find_group(cgroup_path, hierarchy.is_v2, group))
            continue;
        const uint64_t limit = least_limit(&hierarchy, group);
        if (limit < least)
            least = limit;
    }
    free(line);
    fclose(file);
    return least;
}

uint64_t bench_memory_limit(void)
{
    return bench_memory_limit_of("/proc/self/cgroup", "/proc/self/mountinfo");
}
