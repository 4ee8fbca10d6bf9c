/* SPDX-License-Identifier: MIT */
#include "real_disk.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const file_system_names[FILE_SYSTEM_COUNT] = {"ext4", "xfs", "btrfs"};

/* All that they write must reach the disk before anybody counts on it, so nothing is left to be
 * done later in the background. */
static const char *const format_commands[FILE_SYSTEM_COUNT][8] = {
    {"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard"},
    {"mkfs.xfs", "-q", "-f", "-K"},
    {"mkfs.btrfs", "-q", "-f", "-K"},
};
enum {
    FORMAT_ARGUMENT_MAX = 8
};

/* ---- Running programs ---- */

static void find_programs(void)
{
    const char *path = getenv("PATH");
    char wider[4096];

    snprintf(wider, sizeof wider, "%s:/usr/sbin:/sbin", path != NULL ? path : "/usr/bin:/bin");
    setenv("PATH", wider, 1);
}

int run_program(char *const *arguments, bool is_quiet)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        if (is_quiet)
            dup2(null, STDERR_FILENO);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 126;
    return WEXITSTATUS(status);
}

/* ---- The world apart ---- */

static int refuse(const char *what)
{
    printf("skipped: %s: %s\n", what, strerror(errno));
    return 77;
}

static int look_at_devices(void)
{
    if (geteuid() != 0) {
        errno = EPERM;
        return refuse("mounting needs root");
    }
    if (access("/dev/fuse", R_OK | W_OK) != 0)
        return refuse("/dev/fuse");
    if (access("/dev/loop-control", R_OK | W_OK) != 0)
        return refuse("/dev/loop-control");
    return 0;
}

/* Process 1 of the world: all others end with it, and with the last the mounts. */
static int live_apart(int (*body)(void))
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return refuse("private mounts");
    if (mount("proc", "/proc", "proc", 0, NULL) != 0) /* what sanitizers look into is about us */
        return refuse("its own /proc");
    if (mount("logfile-test", WORLD_FOLDER, "tmpfs", 0, "mode=0755") != 0)
        return refuse("a tmpfs on " WORLD_FOLDER);
    find_programs();
    return body();
}

static volatile sig_atomic_t stopped_by;

static void note_stop(int signal_number)
{
    stopped_by = signal_number;
}

static void listen_to_stops(void (*handler)(int))
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    struct sigaction action = {.sa_handler = handler}; /* waitpid must return */

    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

static _Noreturn void wait_for_world(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) != child)
        if (stopped_by != 0)
            kill(child, SIGKILL);
    if (stopped_by != 0) {
        listen_to_stops(SIG_DFL);
        raise(stopped_by);
    }
    if (WIFSIGNALED(status))
        printf("the test died of signal %d\n", WTERMSIG(status));
    /* Without its world this process cannot make another one, as what a sanitizer does on the way
     * out has to. */
    fflush(NULL);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int in_world_apart(int (*body)(void))
{
    int refused = look_at_devices();
    pid_t child;

    if (refused != 0)
        return refused;
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) != 0)
        return refuse("mounts and processes of its own");
    listen_to_stops(note_stop);
    child = fork();
    if (child < 0)
        return refuse("fork");
    if (child == 0) {
        listen_to_stops(SIG_DFL);
        exit(live_apart(body));
    }
    wait_for_world(child);
}

/* ---- File systems ---- */

bool kernel_knows(const char *name, const char *program)
{
    char *arguments[] = {(char *)(uintptr_t)program, (char[]){"-V"}, NULL};
    char line[64], word[64];
    bool known = false;

    if (run_program(arguments, true) == 127) {
        printf("no %s here: there is no %s\n", name, program);
        return false;
    }
    FILE *list = fopen("/proc/filesystems", "r");
    while (list != NULL && fgets(line, sizeof line, list) != NULL)
        known = known || (sscanf(line, "%63s", word) == 1 && strcmp(word, name) == 0);
    if (list != NULL)
        fclose(list);
    if (!known)
        printf("no %s here: the kernel does not know it\n", name);
    return known;
}

bool file_system_is_there(unsigned file_system)
{
    return kernel_knows(file_system_names[file_system], format_commands[file_system][0]);
}

struct fuse_disk *disk_start(const char *name)
{
    char path[64];

    snprintf(path, sizeof path, WORLD_FOLDER "/%s", name);
    umount2(path, MNT_DETACH); /* that of a test before, whose server has ended with it */
    ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
    struct fuse_disk *disk = fuse_disk_start(path);
    ck_assert_msg(disk != NULL, "the FUSE disk does not start: %s", strerror(errno));
    return disk;
}

/* The number of a device that was free a moment ago; somebody else may be as quick. */
static int free_loop_device(void)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

    if (control >= 0)
        close(control);
    return number;
}

static bool configure_loop(const char *device, int file, unsigned block_bytes, int *loop_fd)
{
    struct loop_config config = {
        .fd = (uint32_t)file, .block_size = block_bytes, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};

    *loop_fd = open(device, O_RDWR | O_CLOEXEC);
    if (*loop_fd < 0)
        return false;
    if (ioctl(*loop_fd, LOOP_CONFIGURE, &config) == 0)
        return true;
    int error = errno;
    close(*loop_fd);
    errno = error;
    return false;
}

bool loop_attach(const char *path, unsigned block_bytes, struct mounted *mounted)
{
    bool done = false;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
    for (unsigned tries = 0; !done && tries < 100; tries++) {
        snprintf(mounted->device, sizeof mounted->device, "/dev/loop%d", free_loop_device());
        done = configure_loop(mounted->device, fd, block_bytes, &mounted->loop_fd);
        if (!done && errno == EINVAL)
            break;
        if (!done)
            sleep_us(10000);
    }
    ck_assert_msg(done || errno == EINVAL, "no loop device, at last %s: %s", mounted->device,
                  strerror(errno));
    close(fd);
    return done;
}

static void attach(const char *name, enum disk_file file, struct mounted *mounted)
{
    static const char *const names[] = {"disk", "state"};
    char path[128];

    snprintf(path, sizeof path, WORLD_FOLDER "/%s/%s", name, names[file]);
    ck_assert(loop_attach(path, 512, mounted));
}

void disk_format(const char *name, unsigned file_system)
{
    char *arguments[FORMAT_ARGUMENT_MAX + 2] = {NULL};
    struct mounted device;
    unsigned count = 0;

    attach(name, DISK_FILE_DISK, &device);
    while (count < FORMAT_ARGUMENT_MAX && format_commands[file_system][count] != NULL) {
        arguments[count] = (char *)(uintptr_t)format_commands[file_system][count];
        count++;
    }
    arguments[count] = device.device;
    int status = run_program(arguments, false);
    ck_assert_msg(status == 0, "%s ended with status %d", arguments[0], status);
    ck_assert_int_eq(fsync(device.loop_fd), 0);
    close(device.loop_fd);
}

bool disk_mount(const char *name, enum disk_file file, unsigned file_system,
                struct mounted *mounted)
{
    snprintf(mounted->path, sizeof mounted->path, WORLD_FOLDER "/%s-%s", name,
             file == DISK_FILE_DISK ? "live" : "found");
    ck_assert(mkdir(mounted->path, 0700) == 0 || errno == EEXIST);
    attach(name, file, mounted);
    if (mount(mounted->device, mounted->path, file_system_names[file_system], 0, NULL) == 0)
        return true;
    int error = errno;
    close(mounted->loop_fd);
    errno = error;
    return false;
}

void disk_unmount(struct mounted *mounted)
{
    ck_assert_msg(umount(mounted->path) == 0, "umount %s: %s", mounted->path, strerror(errno));
    close(mounted->loop_fd);
}
