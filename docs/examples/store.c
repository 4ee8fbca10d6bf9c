/* SPDX-License-Identifier: MIT */
/*
 * A key-value store: its state is in memory, each change is a record of its log, and a checkpoint now
 * and then keeps the log short.
 *
 *     store DIRECTORY [EVERY]
 *
 * reads commands, one a line, and answers each with a line.  "ok" means that the change is on stable
 * storage.  After EVERY changes it writes a checkpoint by itself; 0, the default: never.
 *
 *     set KEY VALUE | add KEY NUMBER | get KEY | list | checkpoint
 *
 * A checkpoint is a file of `set` commands, one of two that take turns.  It counts from the moment on
 * that the log's mark names it, which is also when the log is trimmed: one durable step.  A start loads the checkpoint that the mark names, and applies the records from there on while
 * the log is opened, so it reads the log once, and `add` shows that no record is applied twice.
 *
 *     cc store.c $(pkg-config --cflags --libs logfile)
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <logfile.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_BYTES = 1024,
    PATH_BYTES = 4096
};

struct pair {
    char key[LINE_BYTES], value[LINE_BYTES];
};

/* What logfile_mark keeps for us. */
struct mark {
    uint64_t file;  /* checkpoint.0 or checkpoint.1 */
    uint64_t lsn;   /* it has what is below */
    uint64_t bytes; /* its size, */
    uint64_t hash;  /* and what is in it: a mark vouches for no other file */
};

static struct store {
    const char *directory;
    struct logfile *log;
    void *pairs;       /* a tree of struct pair, by key */
    uint64_t next_lsn; /* all records below have been applied */
    struct mark mark;  /* the checkpoint that counts; lsn 0: none */
    uint64_t replayed; /* records, at the start */
    unsigned changes;  /* since the last checkpoint */
} store;

static void die(const char *what, int error)
{
    fprintf(stderr, "store: %s: %s\n", what, logfile_strerror(error));
    exit(1);
}

/* ---- The state --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static struct pair *find(const char *key)
{
    static struct pair wanted;

    snprintf(wanted.key, sizeof wanted.key, "%s", key);
    struct pair **found = tfind(&wanted, &store.pairs, compare);
    return found != NULL ? *found : NULL;
}

static struct pair *find_or_make(const char *key)
{
    struct pair *pair = find(key);

    if (pair == NULL) {
        pair = calloc(1, sizeof *pair);
        if (pair == NULL)
            die("memory", -ENOMEM);
        snprintf(pair->key, sizeof pair->key, "%s", key);
        if (tsearch(pair, &store.pairs, compare) == NULL)
            die("memory", -ENOMEM);
    }
    return pair;
}

/* Splits a command: whether it is one that changes something. */
static int is_change(const char *line, char *verb, char *key, char *value)
{
    return sscanf(line, "%7s %1023s %1023[^\n]", verb, key, value) == 3 &&
           (strcmp(verb, "set") == 0 || strcmp(verb, "add") == 0);
}

/* The same for a command that was just given, for a record, and for a line of a checkpoint. */
static int apply(const char *line)
{
    char verb[8], key[LINE_BYTES], value[LINE_BYTES];

    if (!is_change(line, verb, key, value))
        return -EINVAL;
    struct pair *pair = find_or_make(key);
    if (strcmp(verb, "set") == 0)
        memcpy(pair->value, value, sizeof pair->value);
    else
        snprintf(pair->value, sizeof pair->value, "%lld", atoll(pair->value) + atoll(value));
    return 0;
}

/* ---- Checkpoints ------------------------------------------------------------------------------- */

static FILE *out; /* of the line that twalk comes to next */

static void print_pair(const void *node, VISIT visit, int depth)
{
    const struct pair *pair = *(struct pair *const *)node;

    (void)depth;
    if (visit == postorder || visit == leaf)
        fprintf(out, "set %s %s\n", pair->key, pair->value);
}

static const char *checkpoint_path(const struct mark *mark)
{
    static char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/checkpoint.%" PRIu64, store.directory, mark->file);
    return path;
}

static uint64_t hash_bytes(const char *bytes, size_t count)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < count; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    return hash;
}

static void sync_path(const char *path)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fsync(fd) != 0)
        die(path, -errno);
    close(fd);
}

static void write_checkpoint(void)
{
    struct mark mark = {.file = 1 - store.mark.file, .lsn = store.next_lsn};
    size_t bytes;
    char *text;

    if (mark.lsn == store.mark.lsn)
        return;
    /* 1. The file that does not count now: whole and durable, its name too. */
    out = open_memstream(&text, &bytes);
    if (out == NULL)
        die("memory", -errno);
    twalk(store.pairs, print_pair);
    fclose(out);
    mark.bytes = bytes;
    mark.hash = hash_bytes(text, bytes);
    FILE *file = fopen(checkpoint_path(&mark), "w");
    if (file == NULL || fwrite(text, 1, bytes, file) != bytes || fclose(file) != 0)
        die(checkpoint_path(&mark), -errno);
    free(text);
    sync_path(checkpoint_path(&mark));
    sync_path(store.directory);
    /* 2. Now it counts, and the records that it has are gone: both, or neither. */
    int error = logfile_mark(store.log, mark.lsn, &mark, sizeof mark);
    if (error != 0)
        die("mark", error);
    store.mark = mark;
    store.changes = 0;
}

/* ---- Starting ---------------------------------------------------------------------------------- */

/* The log's mark, before its first record. */
static int load_checkpoint(void *arg, const void *data, size_t size, uint64_t *from)
{
    char *text, *line, *rest;
    int error = 0;

    (void)arg;
    if (size == 0) /* there has been no checkpoint */
        return 0;
    if (size != sizeof store.mark)
        return -EBADMSG;
    memcpy(&store.mark, data, sizeof store.mark);
    text = calloc(1, store.mark.bytes + 1);
    FILE *file = fopen(checkpoint_path(&store.mark), "r");
    if (text == NULL || file == NULL)
        return -errno;
    size_t got = fread(text, 1, store.mark.bytes + 1, file);
    if (got != store.mark.bytes || hash_bytes(text, got) != store.mark.hash)
        error = -EBADMSG;
    for (line = strtok_r(text, "\n", &rest); line != NULL && error == 0;
         line = strtok_r(NULL, "\n", &rest))
        error = apply(line);
    fclose(file);
    free(text);
    *from = store.next_lsn = store.mark.lsn;
    return error;
}

static int replay(void *arg, const struct logfile_record *record)
{
    char line[LINE_BYTES];

    (void)arg;
    if (record->size >= sizeof line)
        return -EBADMSG;
    memcpy(line, record->data, record->size);
    line[record->size] = '\0';
    store.next_lsn = record->lsn + 1;
    store.replayed++;
    store.changes++;
    return apply(line);
}

static void open_store(void)
{
    struct logfile_options options = {.replay = replay, .replay_mark = load_checkpoint};
    struct logfile_open_report report;
    char path[PATH_BYTES];

    if (mkdir(store.directory, 0755) != 0 && errno != EEXIST)
        die(store.directory, -errno);
    snprintf(path, sizeof path, "%s/log", store.directory);
    int error = logfile_open(path, &options, &report, &store.log);
    if (error != 0) { /* what was applied so far is worth nothing */
        fprintf(stderr, "store: %s\n", report.message);
        exit(1);
    }
    printf("ready: replayed %" PRIu64 " records from LSN %" PRIu64 "\n", store.replayed,
           store.mark.lsn);
}

/* ---- Commands ---------------------------------------------------------------------------------- */

static void change(const char *line)
{
    uint64_t lsn = 0;
    int error = logfile_append(store.log, line, strlen(line), &lsn);

    if (error == 0) {
        apply(line);
        store.next_lsn = lsn + 1;
        store.changes++;
        puts("ok");
    } else if (error == -ENOSPC || error == -EDQUOT) {
        puts("full"); /* it is not written, and the store goes on: perhaps there is room later */
    } else {          /* in doubt: the next start tells */
        char text[256];
        logfile_describe(store.log, error, text, sizeof text);
        fprintf(stderr, "store: %s\n", text);
        exit(1);
    }
}

static void obey(char *line, unsigned every)
{
    char verb[8], key[LINE_BYTES], value[LINE_BYTES];

    line[strcspn(line, "\n")] = '\0';
    if (is_change(line, verb, key, value)) {
        change(line);
        if (every != 0 && store.changes >= every)
            write_checkpoint();
    } else if (sscanf(line, "get %1023s", key) == 1) {
        struct pair *pair = find(key);
        puts(pair != NULL ? pair->value : "");
    } else if (strcmp(line, "list") == 0) {
        out = stdout;
        twalk(store.pairs, print_pair);
        puts("end");
    } else if (strcmp(line, "checkpoint") == 0) {
        write_checkpoint();
        puts("ok");
    } else {
        puts("what?");
    }
}

int main(int argc, char **argv)
{
    char line[LINE_BYTES];

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: store DIRECTORY [EVERY]\n");
        return 2;
    }
    store.directory = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_store();
    while (fgets(line, sizeof line, stdin) != NULL)
        obey(line, argc == 3 ? (unsigned)atoi(argv[2]) : 0);
    int error = logfile_close(store.log);
    if (error != 0)
        die("close", error);
    return 0;
}
