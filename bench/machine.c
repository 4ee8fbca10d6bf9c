/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include "cgroup.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif
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

/* The name that a hypervisor gives itself in place of a processor's maker. */
static void name_hypervisor(char *name, size_t bytes)
{
#ifdef __x86_64__
    static const struct {
        const char *signature;
        const char *name;
    } known[] = {
        {"KVMKVMKVM", "KVM"},           {"Microsoft Hv", "Hyper-V"}, {"VMwareVMware", "VMware"},
        {"XenVMMXenVMM", "Xen"},        {"TCGTCGTCGTCG", "QEMU"},    {"bhyve bhyve ", "bhyve"},
        {"VBoxVBoxVBox", "VirtualBox"},
    };
    unsigned words[4] = {0};
    char signature[13] = "";
    __cpuid(0x40000000, words[0], words[1], words[2], words[3]);
    memcpy(signature, &words[1], 12);
    copy(name, bytes, signature);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(signature, known[i].signature) == 0)
            copy(name, bytes, known[i].name);
#else
    copy(name, bytes, "unknown");
#endif
}

/* The value of a line "KEY:<blanks>VALUE" of a file of the kernel. */
static void read_value(const char *path, const char *key, char *value, size_t bytes)
{
    char line[4096];
    size_t length = strlen(key);
    FILE *file = fopen(path, "re");
    value[0] = '\0';
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, length) != 0 || line[length] != ':')
            continue;
        char *from = line + length + 1 + strspn(line + length + 1, " \t");
        from[strcspn(from, "\n")] = '\0';
        copy(value, bytes, from);
    }
    fclose(file);
}

/* How many numbers a list such as "0-3,7" has. */
static unsigned count_list(const char *list)
{
    unsigned count = 0;
    for (const char *text = list; *text != '\0'; text += *text == ',') {
        char *end;
        unsigned long first = strtoul(text, &end, 10);
        unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
        if (end == text)
            return 0;
        count += (unsigned)(last - first) + 1;
        text = end;
    }
    return count;
}

static void describe_share(struct bench_machine *machine)
{
    read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
              machine->clock_source, sizeof machine->clock_source);
    read_line("/sys/devices/system/cpu/online", machine->cpus_online, sizeof machine->cpus_online);
    read_value("/proc/self/status", "Cpus_allowed_list", machine->cpus_allowed,
               sizeof machine->cpus_allowed);
    machine->is_restricted = machine->cpus_allowed[0] != '\0' &&
                             count_list(machine->cpus_allowed) < count_list(machine->cpus_online);
    machine->cpu_quota = bench_cpu_quota();
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
    if (machine->is_virtual)
        name_hypervisor(machine->hypervisor, sizeof machine->hypervisor);
    describe_share(machine);
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

/* The one in brackets of all that there are. */
static void read_scheduler(dev_t device, char *scheduler, size_t bytes)
{
    char line[128];
    read_attribute(device, "queue/scheduler", line, sizeof line);
    const char *open = strchr(line, '[');
    char *close = open != NULL ? strchr(open, ']') : NULL;
    if (close == NULL) {
        copy(scheduler, bytes, line);
        return;
    }
    *close = '\0';
    copy(scheduler, bytes, open + 1);
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
    read_scheduler(device, disk->scheduler, sizeof disk->scheduler);
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
    filesystem->is_volatile =
        strcmp(filesystem->type, "tmpfs") == 0 || strcmp(filesystem->type, "ramfs") == 0;
    describe_disk(disk_number(dir, filesystem->source), disk);
    if (strncmp(disk->name, "ram", 3) == 0 || strncmp(disk->name, "zram", 4) == 0)
        filesystem->is_volatile = true;
    free(path);
}
