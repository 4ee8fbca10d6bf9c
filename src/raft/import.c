/* SPDX-License-Identifier: MIT */
/*
 * logfile-raft-import: turns the disk of a node that ran on raft_uv into that of one that runs on a logfile.
 *
 * libraft itself reads its disk, as at a start.  Then, in this order, so that a crash leaves one of the two
 * disks whole, and the next run goes on:
 *
 *     LOG.import                     gets term, vote and entries, is read again and compared
 *     DIRECTORY/libraft-log/         gets a second name of each file of libraft's log
 *     LOG                            is the new name of LOG.import: from here on the logfile counts
 *     DIRECTORY                      loses the first names
 *
 * Snapshots stay where they are: they are raft_uv's under a logfile too.
 */
#include "raft/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <raft/uv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME_BYTES = 4096
};

struct import {
    const char *directory, *log;
    char next[NAME_BYTES];  /* LOG.import */
    char aside[NAME_BYTES]; /* DIRECTORY/libraft-log */
    struct logfile_options options;

    raft_term term;
    raft_id vote;
    struct raft_snapshot *snapshot;
    raft_index start_index;
    struct raft_entry *entries;
    size_t count;
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list arguments;

    fputs("logfile-raft-import: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

/* Puts a path of two parts together. */
static void make_path(char path[NAME_BYTES], const char *first, const char *second)
{
    if (strlen(first) + strlen(second) >= NAME_BYTES)
        die("%s%s: the path is too long", first, second);
    strcpy(path, first);
    strcat(path, second);
}

/* ---- libraft's disk ---------------------------------------------------------------------------- */

static void on_closed(struct raft_io *io)
{
    (void)io;
}

static void load_from_libraft(struct import *import)
{
    struct raft_uv_transport transport = {0};
    struct raft_io io;
    uv_loop_t loop;

    uv_loop_init(&loop);
    if (raft_uv_tcp_init(&transport, &loop) != 0 ||
        raft_uv_init(&io, &loop, import->directory, &transport) != 0)
        die("%s: libraft cannot use it", import->directory);
    int error = io.init(&io, 1, "127.0.0.1:1"); /* Nothing listens there: it is not started. */
    if (error == 0)
        error = io.load(&io, &import->term, &import->vote, &import->snapshot, &import->start_index,
                        &import->entries, &import->count);
    if (error != 0)
        die("%s: libraft cannot read it: %s", import->directory, io.errmsg);
    io.close(&io, on_closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    raft_uv_close(&io);
    raft_uv_tcp_close(&transport);
    uv_loop_close(&loop);
}

/* ---- The logfile ------------------------------------------------------------------------------- */

static void append_entry(const struct import *import, struct logfile *log, size_t i, uint64_t *lsn)
{
    const struct raft_entry *entry = &import->entries[i];
    raft_index index = import->start_index + i;
    struct lf_raft_head head = lf_raft_entry_head(entry, index);
    const struct iovec parts[] = {{.iov_base = &head, .iov_len = sizeof head},
                                  {.iov_base = entry->buf.base, .iov_len = entry->buf.len}};
    int error = logfile_submitv(log, parts, 2, NULL, lsn);

    if (error == LOGFILE_ETOOBIG)
        die("index %llu has %zu bytes, and an entry of this log %zu at most: take a larger "
            "--slot-bytes, on all nodes",
            index, entry->buf.len, logfile_record_max(log) - sizeof head);
    if (error != 0)
        die("%s: index %llu: %s", import->next, index, logfile_strerror(error));
}

static void write_log(struct import *import)
{
    struct logfile_open_report report;
    struct logfile *log;
    struct lf_raft_mark mark;
    uint64_t lsn, first_lsn = 0;

    if (logfile_open(import->next, &import->options, &report, &log) != 0)
        die("%s", report.message);
    for (size_t i = 0; i < import->count; i++)
        append_entry(import, log, i, i == 0 ? &first_lsn : &lsn);
    int error = logfile_sync(log, NULL);
    lf_raft_mark_init(&mark);
    mark.term = import->term;
    mark.vote = import->vote;
    if (import->start_index > 1) {
        mark.start_lsn = import->count > 0 ? first_lsn : logfile_durable_lsn(log);
        mark.start_index = import->start_index;
    }
    if (error == 0)
        error = logfile_mark(log, 0, &mark, sizeof mark);
    if (error == 0)
        error = logfile_close(log);
    if (error != 0)
        die("%s: %s", import->next, logfile_strerror(error));
}

/* Whether it is read as it was to be written. */
static void check_log(const struct import *import)
{
    struct lf_raft_replay replay;
    struct logfile_options options = import->options;
    struct logfile_open_report report;
    struct logfile *log;

    lf_raft_replay_init(&replay);
    options.replay = lf_raft_replay_record;
    options.replay_mark = lf_raft_replay_mark;
    options.replay_arg = &replay;
    if (logfile_open(import->next, &options, &report, &log) != 0 ||
        lf_raft_replay_end(&replay) != 0)
        die("%s: %s", import->next, replay.text[0] != '\0' ? replay.text : report.message);
    bool is_same = replay.mark.term == import->term && replay.mark.vote == import->vote &&
                   replay.lsns.first == import->start_index && replay.lsns.count == import->count;
    for (size_t i = 0; is_same && i < import->count; i++) {
        const struct raft_entry *a = &replay.entries[i], *b = &import->entries[i];
        is_same = a->term == b->term && a->type == b->type && a->buf.len == b->buf.len &&
                  (a->buf.len == 0 || memcmp(a->buf.base, b->buf.base, a->buf.len) == 0);
    }
    if (!is_same)
        die("%s is not read as it was written", import->next);
    lf_raft_replay_free(&replay);
    logfile_close(log);
}

/* ---- Files ------------------------------------------------------------------------------------- */

/* Whether it is of libraft's log: metadata1, metadata2, open-1, 0000000000000001-0000000000000042. */
static bool is_of_log(const char *name)
{
    return strcmp(name, "metadata1") == 0 || strcmp(name, "metadata2") == 0 ||
           strncmp(name, "open-", 5) == 0 ||
           (strlen(name) == 33 && name[16] == '-' && strspn(name, "0123456789-") == 33);
}

static void sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        die("%s: %s", path, strerror(errno));
    close(fd);
}

static void sync_parent(const char *path)
{
    char parent[NAME_BYTES];

    make_path(parent, path, "");
    char *slash = strrchr(parent, '/');
    if (slash == parent)
        slash[1] = '\0';
    else if (slash != NULL)
        *slash = '\0';
    sync_directory(slash != NULL ? parent : ".");
}

/* The first name goes only if the second is of the same file: else libraft has been there since. */
static void remove_first_name(const char *first, const char *second)
{
    struct stat a, b;

    if (lstat(second, &b) != 0 || lstat(first, &a) != 0 || a.st_ino != b.st_ino ||
        a.st_dev != b.st_dev)
        die("%s: libraft has changed it since the log was imported", first);
    if (unlink(first) != 0)
        die("%s: %s", first, strerror(errno));
}

/* Links each file of libraft's log, or removes its first name; how many there are. */
static unsigned for_each_file(const struct import *import, bool removes)
{
    char name[NAME_BYTES], first[NAME_BYTES], second[NAME_BYTES];
    DIR *directory = opendir(import->directory);
    unsigned count = 0;

    if (directory == NULL)
        die("%s: %s", import->directory, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (!is_of_log(entry->d_name))
            continue;
        count++;
        make_path(name, "/", entry->d_name);
        make_path(first, import->directory, name);
        make_path(second, import->aside, name);
        if (removes)
            remove_first_name(first, second);
        else if ((unlink(second) != 0 && errno != ENOENT) || link(first, second) != 0)
            die("%s: %s", second, strerror(errno));
    }
    closedir(directory);
    return count;
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    (void)stat;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static bool exists(const char *path)
{
    struct stat stat;

    return lstat(path, &stat) == 0;
}

/* LOG is there: an earlier run may have been ended before the first names were gone. */
static int finish(const struct import *import)
{
    if (for_each_file(import, true) == 0)
        die("%s is there already, and %s has no log of libraft's", import->log, import->directory);
    sync_directory(import->directory);
    printf("%s was imported before; libraft's files are in %s\n", import->log, import->aside);
    return 0;
}

static int run(struct import *import)
{
    make_path(import->next, import->log, ".import");
    make_path(import->aside, import->directory, "/libraft-log");
    if (exists(import->log))
        return finish(import);
    load_from_libraft(import);
    if (import->term == 0 && import->count == 0)
        die("%s has no log of libraft's", import->directory);
    if (nftw(import->next, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        die("%s: %s", import->next, strerror(errno));
    write_log(import);
    check_log(import);
    if (mkdir(import->aside, 0755) != 0 && errno != EEXIST)
        die("%s: %s", import->aside, strerror(errno));
    for_each_file(import, false);
    sync_directory(import->aside);
    sync_directory(import->directory);
    if (rename(import->next, import->log) != 0)
        die("%s: %s", import->log, strerror(errno));
    sync_parent(import->log);
    for_each_file(import, true);
    sync_directory(import->directory);
    printf("%s: term %llu, vote %llu, entries %llu to %llu%s; libraft's files are in %s\n",
           import->log, import->term, import->vote, import->start_index,
           import->start_index + import->count - 1,
           import->snapshot != NULL ? ", after a snapshot" : "", import->aside);
    lf_raft_free_entries(import->entries, import->count);
    lf_raft_free_snapshot(import->snapshot);
    return 0;
}

static const char usage[] =
    "usage: logfile-raft-import [--slot-bytes N] [--segment-bytes N] DIRECTORY LOG\n"
    "\n"
    "DIRECTORY is the one that a stopped node has given to raft_uv_init.  Its log, term and vote "
    "are\n"
    "written to LOG, the path that it will give to logfile_raft_init; --slot-bytes and "
    "--segment-bytes\n"
    "are as its logfile_options will be.  Snapshots stay; libraft's other files go to\n"
    "DIRECTORY/libraft-log.  A run that was ended is simply run again.\n";

static bool is_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *text >= '1' && *text <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    static const struct option names[] = {{"slot-bytes", required_argument, NULL, 's'},
                                          {"segment-bytes", required_argument, NULL, 'g'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct import import = {.directory = NULL};
    uint64_t number = 0;

    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option == '?' || !is_number(optarg, &number)) {
            fprintf(stderr, "%s%s", option == '?' ? "" : "a size is a number of bytes\n", usage);
            return 64;
        }
        if (option == 's')
            import.options.slot_bytes = number;
        else
            import.options.segment_bytes = number;
    }
    if (argc - optind != 2) {
        fputs(usage, stderr);
        return 64;
    }
    import.directory = argv[optind];
    import.log = argv[optind + 1];
    return run(&import);
}
