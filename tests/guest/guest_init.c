/* SPDX-License-Identifier: MIT */
/*
 * The first and only process of a virtual machine whose power is cut: it loads the modules that
 * its disk needs, mounts the disk, reads the log on it, tells on the serial line what it found, and
 * appends until it is no more.  scripts/power-cut starts the machine, cuts its power and compares.
 *
 * What it says, one line each:
 *
 *     found BOOT WRITER COUNT    records of an earlier boot, numbered 0 to COUNT - 1 without a gap
 *     broken WORDS               a promise is broken: what is read is not what was appended
 *     ready                      appending begins
 *     acked BOOT WRITER NUMBER   the log said that this record is durable
 *     error WORDS                anything else that went wrong
 *
 * The kernel's command line names the file system (lf.fs=), the boot (lf.boot=) and the log
 * (lf.segments=1: a directory of segments).
 */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    WRITER_COUNT = 4,
    BOOT_MAX = 1024,
    RECORD_BYTES_MAX = 6000
};

struct stamp {
    uint32_t boot;
    uint32_t writer;
    uint64_t number;
};

static struct logfile *the_log;
static uint32_t this_boot;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    vprintf(format, arguments);
    fflush(stdout);
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

/* Nobody is there to take an exit status: the machine stays until its power is cut. */
static _Noreturn void give_up(const char *what, int error)
{
    say("error %s: %s\n", what, error < 0 ? logfile_strerror(error) : strerror(error));
    for (;;)
        pause();
}

/* ---- The machine ---- */

static void make_console(void)
{
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    int fd = open("/dev/ttyS0", O_RDWR);
    for (int i = 0; i < 3 && fd >= 0; i++)
        dup2(fd, i);
}

static void load_module(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "/modules/%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST))
        give_up(path, errno);
    close(fd);
}

/* In the order of the list: what another one needs comes before it. */
static void load_modules(void)
{
    char name[128];
    FILE *list = fopen("/modules/list", "r");

    if (list == NULL)
        give_up("/modules/list", errno);
    while (fscanf(list, "%127s", name) == 1)
        load_module(name);
    fclose(list);
}

/* The value of a setting on the kernel's command line; static. */
static const char *setting(const char *name)
{
    static char line[4096], value[64];
    FILE *file = fopen("/proc/cmdline", "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        give_up("/proc/cmdline", errno);
    fclose(file);
    const char *at = strstr(line, name);

    value[0] = '\0';
    if (at != NULL)
        sscanf(at + strlen(name), "=%63s", value);
    return value;
}

static void mount_disk(void)
{
    const char *kind = setting("lf.fs");

    for (int tries = 0; tries < 100; tries++) {
        if (mount("/dev/vda", "/mnt", kind, 0, NULL) == 0)
            return;
        if (errno != ENOENT && errno != ENXIO)
            break;
        usleep(50000); /* the disk is still being looked at */
    }
    give_up("mount /dev/vda", errno);
}

/* ---- Records ---- */

static size_t record_bytes(const struct stamp *stamp)
{
    uint64_t mixed = (stamp->number * 7919 + stamp->writer * 104729 + stamp->boot) * 2654435761u;
    return sizeof *stamp + mixed % (stamp->number % 8 == 7 ? RECORD_BYTES_MAX : 300);
}

static size_t make_record(uint8_t *record, const struct stamp *stamp)
{
    size_t bytes = record_bytes(stamp);

    memcpy(record, stamp, sizeof *stamp);
    for (size_t i = sizeof *stamp; i < bytes; i++)
        record[i] = (uint8_t)(i * 31 + stamp->number * 7 + stamp->writer);
    return bytes;
}

static bool is_right(const struct logfile_record *record, struct stamp *stamp)
{
    static uint8_t expected[sizeof *stamp + RECORD_BYTES_MAX];

    if (record->size < sizeof *stamp)
        return false;
    memcpy(stamp, record->data, sizeof *stamp);
    return stamp->boot < this_boot && stamp->writer < WRITER_COUNT &&
           make_record(expected, stamp) == record->size &&
           memcmp(expected, record->data, record->size) == 0;
}

/* ---- Reading ---- */

static uint64_t found[BOOT_MAX][WRITER_COUNT];

static void read_log(const char *path)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    struct stamp stamp;
    int error = logfile_reader_open(path, NULL, &reader);

    if (error != 0)
        give_up("reader", error);
    while ((error = logfile_reader_next(reader, &record)) == 1) {
        if (!is_right(&record, &stamp))
            say("broken record at LSN %" PRIu64 "\n", record.lsn);
        else if (stamp.number != found[stamp.boot][stamp.writer]++)
            say("broken order at LSN %" PRIu64 ": boot %u writer %u number %" PRIu64 "\n",
                record.lsn, stamp.boot, stamp.writer, stamp.number);
    }
    if (error != 0)
        say("broken log: %s\n", logfile_strerror(error));
    logfile_reader_close(reader);
}

static void tell_what_was_found(void)
{
    for (uint32_t boot = 0; boot < this_boot; boot++)
        for (uint32_t writer = 0; writer < WRITER_COUNT; writer++)
            say("found %u %u %" PRIu64 "\n", boot, writer, found[boot][writer]);
}

/* ---- Appending ---- */

static void *append_for_ever(void *arg)
{
    static _Thread_local uint8_t record[sizeof(struct stamp) + RECORD_BYTES_MAX];
    struct stamp stamp = {.boot = this_boot, .writer = (uint32_t)(uintptr_t)arg};

    for (;; stamp.number++) {
        int error = logfile_append(the_log, record, make_record(record, &stamp), NULL);
        if (error != 0)
            give_up("append", error);
        say("acked %u %u %" PRIu64 "\n", stamp.boot, stamp.writer, stamp.number);
    }
    return NULL;
}

static void start_writers(void)
{
    for (uintptr_t i = 0; i < WRITER_COUNT; i++) {
        pthread_t thread;
        int error = pthread_create(&thread, NULL, append_for_ever, (void *)i);
        if (error != 0)
            give_up("thread", error);
    }
}

/* Small, for many epochs and segments on a small disk. */
static void open_log(const char *path)
{
    const struct logfile_options options = {
        .slot_bytes = 64 << 10,
        .prepare_bytes = 1 << 20,
        .segment_bytes = *setting("lf.segments") == '1' ? 1 << 20 : 0,
    };
    int error = logfile_open(path, &options, NULL, &the_log);

    if (error != 0)
        give_up("open", error);
}

int main(void)
{
    make_console();
    load_modules();
    mount_disk();
    this_boot = (uint32_t)atoi(setting("lf.boot"));
    if (this_boot >= BOOT_MAX)
        give_up("lf.boot", ERANGE);
    open_log("/mnt/log");
    read_log("/mnt/log");
    tell_what_was_found();
    say("ready\n");
    start_writers();
    for (;;)
        pause();
}
