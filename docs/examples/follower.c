/* SPDX-License-Identifier: MIT */
/*
 * Prints the records of a log as they become durable, beside the process that writes it, and goes on
 * where it stopped.
 *
 *     follower LOG CURSOR [COUNT]
 *
 * CURSOR is a file that keeps the place.  It is written after the records have been printed: a follower
 * that dies in between prints the last ones again, and leaves none out.  With COUNT it ends after so
 * many records, else when it is killed, or when the log has been removed.
 *
 *     cc follower.c $(pkg-config --cflags --libs logfile)
 */
#include <errno.h>
#include <inttypes.h>
#include <logfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void die(const char *what, int error)
{
    fprintf(stderr, "follower: %s: %s\n", what, logfile_strerror(error));
    exit(1);
}

/* Whole or not at all: a new file takes the old one's name. */
static void save_cursor(const char *path, struct logfile_reader *reader)
{
    struct logfile_cursor cursor;
    char fresh[4096];

    logfile_reader_cursor(reader, &cursor);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    if (file == NULL || fwrite(&cursor, sizeof cursor, 1, file) != 1 || fflush(file) != 0 ||
        fdatasync(fileno(file)) != 0 || fclose(file) != 0 || rename(fresh, path) != 0)
        die(path, -errno);
}

static struct logfile_reader *open_reader(const char *path, const char *cursor_path)
{
    struct logfile_reader_options options = {0};
    struct logfile_reader *reader;
    struct logfile_cursor cursor;
    FILE *file = fopen(cursor_path, "r");

    if (file != NULL) {
        if (fread(&cursor, sizeof cursor, 1, file) != 1)
            die(cursor_path, -EBADMSG);
        fclose(file);
        options.cursor = &cursor;
    }
    int error = logfile_reader_open(path, &options, &reader);
    switch (error) {
    case 0:
        return reader;
    case LOGFILE_ETRIMMED: /* the writer did not wait for us: begin again from a copy of its state */
    case LOGFILE_EBEYOND:  /* the log has lost what we have read: it was put back from a backup */
    case LOGFILE_EIDENTITY: /* it is another log, or has gone on in another way since */
    default:
        die(path, error);
        return NULL;
    }
}

/* Names what cannot be read.  A program that can do without calls logfile_reader_skip then. */
static void explain_damage(const char *path, struct logfile_reader *reader)
{
    struct logfile_tail tail;

    logfile_reader_tail(reader, &tail, sizeof tail);
    fprintf(stderr, "follower: %s: LSN %" PRIu64 " to %" PRIu64 " cannot be read\n", path,
            tail.end_lsn, tail.resume_lsn);
}

int main(int argc, char **argv)
{
    struct logfile_record record;
    uint64_t count = 0;
    int result;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: follower LOG CURSOR [COUNT]\n");
        return 2;
    }
    const uint64_t wanted = argc == 4 ? strtoull(argv[3], NULL, 10) : UINT64_MAX;
    struct logfile_reader *reader = open_reader(argv[1], argv[2]);
    do {
        /* 1. All that there is. */
        result = 0;
        while (count < wanted && (result = logfile_reader_next(reader, &record)) == 1) {
            printf("%" PRIu64 " %.*s\n", record.lsn, (int)record.size, (const char *)record.data);
            count++;
        }
        /* 2. It has been dealt with. */
        if (fflush(stdout) != 0)
            die("standard output", -errno);
        save_cursor(argv[2], reader);
        /* 3. Sleep until there is more. */
        if (result == 0 && count < wanted)
            result = logfile_reader_wait(reader, NULL);
    } while (result == 0 && count < wanted);
    if (result == LOGFILE_ECORRUPT)
        explain_damage(argv[1], reader);
    logfile_reader_close(reader);
    if (result < 0 && result != -ESTALE)
        die(argv[1], result);
    return 0;
}
