/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

static void copy(char *to, size_t bytes, const char *from)
{
    snprintf(to, bytes, "%s", from != NULL ? from : "");
}

/* The first line of a small file, without its newline; empty when it cannot be read. */
static void read_line(const char *path, char *line, size_t bytes)
{
    line[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(line, (int)bytes, file) == NULL)
        line[0] = '\0';
    fclose(file);
    size_t length = strcspn(line, "\n");
    while (length > 0 && line[length - 1] == ' ')
        length--;
    line[length] = '\0';
}

static bool runs_under_hypervisor(void)
{
    bool found = false;
    char line[8192];
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor") != NULL;
    fclose(file);
    return found;
}

void bench_machine_describe(hwloc_topology_t topology, struct bench_machine *machine)
{
    struct utsname name;
    hwloc_obj_t root = hwloc_get_root_obj(topology);
    hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
    const char *model = package != NULL ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    if (model == NULL)
        model = hwloc_obj_get_info_by_name(root, "CPUModel");

    memset(machine, 0, sizeof *machine);
    copy(machine->cpu, sizeof machine->cpu, model);
    if (uname(&name) == 0) {
        copy(machine->architecture, sizeof machine->architecture, name.machine);
        copy(machine->kernel, sizeof machine->kernel, name.release);
    }
    machine->is_virtual = runs_under_hypervisor();
    machine->packages = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE);
    machine->cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    machine->units = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    machine->nodes = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    machine->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* ---- The file system: the mount that holds a folder ------------------------------------------ */

/* mountinfo writes blanks and backslashes as \ooo. */
static void decode_octal(char *text)
{
    char *to = text;
    while (*text != '\0') {
        unsigned value;
        if (text[0] == '\\' && sscanf(text + 1, "%3o", &value) == 1) {
            *to++ = (char)value;
            text += 4;
        } else {
            *to++ = *text++;
        }
    }
    *to = '\0';
}

static bool is_under(const char *path, const char *mount_point)
{
    size_t length = strlen(mount_point);
    if (length == 1) /* "/" */
        return true;
    return strncmp(path, mount_point, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

struct mount_line {
    char point[PATH_MAX];
    char options[512];
    char type[64];
    char source[256];
    char super_options[512];
};

static bool parse_mount(const char *line, struct mount_line *mount)
{
    const char *tail = strstr(line, " - ");
    if (tail == NULL ||
        sscanf(line, "%*u %*u %*u:%*u %*s %4095s %511s", mount->point, mount->options) != 2 ||
        sscanf(tail, " - %63s %255s %511s", mount->type, mount->source, mount->super_options) != 3)
        return false;
    decode_octal(mount->point);
    decode_octal(mount->source);
    return true;
}

/* Later mounts cover earlier ones, so the last of the longest wins. */
static bool find_mount(const char *path, struct mount_line *best)
{
    size_t best_length = 0;
    char *line = NULL;
    size_t capacity = 0;
    struct mount_line mount;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    if (file == NULL)
        return false;
    while (getline(&line, &capacity, file) > 0) {
        if (!parse_mount(line, &mount) || !is_under(path, mount.point))
            continue;
        if (strlen(mount.point) >= best_length) {
            best_length = strlen(mount.point);
            *best = mount;
        }
    }
    free(line);
    fclose(file);
    return best_length > 0;
}

/* ---- The disk behind it ---------------------------------------------------------------------- */

/* A partition has no queue of its own; its disk is the folder above. */
static void read_attribute(dev_t device, const char *attribute, char *line, size_t bytes)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s", major(device), minor(device), attribute);
    read_line(path, line, bytes);
    if (line[0] != '\0')
        return;
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/../%s", major(device), minor(device),
             attribute);
    read_line(path, line, bytes);
}

static void describe_disk(dev_t device, struct bench_disk *disk)
{
    char path[64];
    char target[256];
    char rotational[16];
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u", major(device), minor(device));
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return;
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    copy(disk->name, sizeof disk->name, slash != NULL ? slash + 1 : target);
    read_attribute(device, "device/model", disk->model, sizeof disk->model);
    read_attribute(device, "queue/write_cache", disk->write_cache, sizeof disk->write_cache);
    read_attribute(device, "queue/rotational", rotational, sizeof rotational);
    if (rotational[0] != '\0')
        disk->rotational = rotational[0] == '1';
}

/* ---- Both ------------------------------------------------------------------------------------ */

/* In a chroot the mount is often out of sight; then the kernel's number of the type must do. */
static const char *type_by_number(const char *dir)
{
    static const struct {
        unsigned long number;
        const char *type;
    } known[] = {
        {EXT4_SUPER_MAGIC, "ext4"},   {XFS_SUPER_MAGIC, "xfs"},           {TMPFS_MAGIC, "tmpfs"},
        {BTRFS_SUPER_MAGIC, "btrfs"}, {OVERLAYFS_SUPER_MAGIC, "overlay"}, {NFS_SUPER_MAGIC, "nfs"},
        {F2FS_SUPER_MAGIC, "f2fs"},
    };
    struct statfs status;
    if (statfs(dir, &status) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if ((unsigned long)status.f_type == known[i].number)
            return known[i].type;
    return NULL;
}

/* Btrfs and its like give their files a device number that no disk has. */
static dev_t disk_number(const char *dir, const char *source)
{
    struct stat status;
    if (stat(dir, &status) == 0 && major(status.st_dev) != 0)
        return status.st_dev;
    return stat(source, &status) == 0 && S_ISBLK(status.st_mode) ? status.st_rdev : 0;
}

void bench_filesystem_describe(const char *dir, struct bench_filesystem *filesystem,
                               struct bench_disk *disk)
{
    struct mount_line mount;
    struct statvfs space;
    memset(filesystem, 0, sizeof *filesystem);
    memset(disk, 0, sizeof *disk);
    disk->rotational = -1;
    if (statvfs(dir, &space) == 0) {
        filesystem->total_bytes = (uint64_t)space.f_blocks * space.f_frsize;
        filesystem->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
    }
    char *path = realpath(dir, NULL);
    copy(filesystem->type, sizeof filesystem->type, type_by_number(dir));
    if (path != NULL && find_mount(path, &mount)) {
        copy(filesystem->type, sizeof filesystem->type, mount.type);
        copy(filesystem->source, sizeof filesystem->source, mount.source);
        copy(filesystem->mount_options, sizeof filesystem->mount_options, mount.options);
        copy(filesystem->super_options, sizeof filesystem->super_options, mount.super_options);
    }
    describe_disk(disk_number(dir, filesystem->source), disk);
    free(path);
}
