/* SPDX-License-Identifier: MIT */
/* Creating, opening, locking and committing, on real files with faults put in between; most of it
 * for a log in one file and for one in a directory. */
#include "io_stack.h"
#include "storage/store.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK ((size_t)LF_BLOCK_BYTES)
#define SLOT_BYTES ((uint64_t)1 << 20)
#define SEGMENT_BYTES ((uint64_t)4 << 20)
#define PATIENCE_MS 600000

/* ---- The table under test: system calls, with one fault ---------------------------------------*/

static struct {
    unsigned exit_at;             /* the process ends before its exit_at-th call */
    bool no_direct;               /* open with DIRECT is -EINVAL */
    bool no_direct_transfer;      /* only the first read or write says so */
    uint32_t block_bytes;         /* direct transfers are of whole ones, else -EINVAL; 0: of any */
    struct logfile_io_facts said; /* what there is to say */
    uint32_t kind;                /* enum logfile_io_kind: what a file turns out to be */
    void (*before_rename)(void);
    void (*after_write)(void);
    unsigned call_count;
    unsigned direct_open_count;
    unsigned dsync_count;
    unsigned synced_count; /* syncs that are over */
    int open_files;
    bool is_direct;
} fake;
static struct io_layer layer;

static bool refuses_transfer(const struct io_call *call)
{
    bool odd = fake.block_bytes != 0 && (call->bytes | call->offset) % fake.block_bytes != 0;
    return fake.is_direct && (fake.no_direct_transfer || odd);
}

static bool before_call(void *arg, struct io_call *call)
{
    (void)arg;
    if (__atomic_add_fetch(&fake.call_count, 1, __ATOMIC_SEQ_CST) == fake.exit_at)
        _exit(EXIT_SUCCESS);
    call->result = -EINVAL;
    switch (call->call) {
    case LOGFILE_SIM_OPEN:
        fake.direct_open_count += call->flags & LOGFILE_IO_OPEN_DIRECT ? 1 : 0;
        return call->flags & LOGFILE_IO_OPEN_DIRECT && fake.no_direct;
    case LOGFILE_SIM_READ:
    case LOGFILE_SIM_WRITE:
        return refuses_transfer(call);
    case LOGFILE_SIM_RENAME:
        if (fake.before_rename != NULL)
            fake.before_rename();
        return false;
    case LOGFILE_SIM_FACTS:
        *(struct logfile_io_facts *)call->out = fake.said;
        call->result = 0;
        return true;
    default:
        return false;
    }
}

static void after_call(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_OPEN && call->result >= 0) {
        fake.open_files++;
        if (!(call->flags & LOGFILE_IO_OPEN_DIRECTORY))
            fake.is_direct = call->flags & LOGFILE_IO_OPEN_DIRECT;
    } else if (call->call == LOGFILE_SIM_CLOSE) {
        fake.open_files--;
    } else if (call->call == LOGFILE_SIM_STAT && fake.kind != LOGFILE_IO_REGULAR) {
        *(struct logfile_io_stat *)call->out = (struct logfile_io_stat){.kind = fake.kind};
    } else if (call->call == LOGFILE_SIM_SYNC) {
        __atomic_add_fetch(&fake.synced_count, 1, __ATOMIC_SEQ_CST);
    } else if (call->call == LOGFILE_SIM_WRITE && call->result > 0) {
        fake.dsync_count += call->flags & LOGFILE_IO_WRITE_DSYNC ? 1 : 0;
        if (fake.after_write != NULL)
            fake.after_write();
    }
}

/* Says what a file system with blocks of so many bytes would. */
static void say_direct(uint32_t direct, uint32_t align)
{
    fake.said.direct = direct;
    fake.said.offset_align = align;
    fake.said.memory_align = align < 512 ? align : 512;
    fake.block_bytes = align;
}

static void reset_fake(void)
{
    memset(&fake, 0, sizeof fake);
    io_layer_init(&layer, logfile_io_posix());
    layer.before = before_call;
    layer.after = after_call;
}

/* The next call of that kind fails, or the one after that many. */
static void set_fault(enum logfile_sim_call call, unsigned after, int error)
{
    io_layer_fault(&layer,
                   &(struct logfile_sim_fault){.call = call, .after = after, .error = error});
}

static void set_lasting_fault(enum logfile_sim_call call, unsigned after, int error)
{
    io_layer_fault(&layer, &(struct logfile_sim_fault){
                               .call = call, .after = after, .for_ever = true, .error = error});
}

/* ---- Shorthand --------------------------------------------------------------------------------*/

static struct lf_store store;
static struct logfile_options options;
static struct lf_store_create create;
static bool created;
static char message[256];
static const char *path;

static void setup(void)
{
    reset_fake();
    memset(&options, 0, sizeof options);
    options.io = &layer.io;
    create = (struct lf_store_create){.slot_bytes = SLOT_BYTES};
    enter_folder();
    path = folder_path("log");
}

/* What a log is made as: for loop tests. */
enum kind {
    KIND_FILE,
    KIND_DIRECTORY,
    KIND_COUNT
};

static void use_kind(int kind)
{
    create.segment_bytes = kind == KIND_DIRECTORY ? SEGMENT_BYTES : 0;
    options.segment_bytes = create.segment_bytes;
}

/* A file of the log: the one, or in a directory the one that is named. */
static const char *log_file(const char *name)
{
    static char file[1000];
    if (create.segment_bytes == 0)
        return path;
    snprintf(file, sizeof file, "%s/%s", path, name);
    return file;
}

static void remove_log(void)
{
    if (create.segment_bytes != 0) {
        unlink(log_file(LF_CONTROL_NAME));
        unlink(log_file("0000000000000000.segment"));
    }
    remove(path);
}

static int open_store(void)
{
    strcpy(message, "untouched");
    return lf_store_open(&store, path, &options, &create, &created, message);
}

static void must_open(void)
{
    int error = open_store();
    ck_assert_msg(error == 0, "%d: %s", error, message);
    ck_assert_str_eq(message, "");
}

static void make_log(void)
{
    must_open();
    lf_store_close(&store);
}

static void assert_message_says(const char *what)
{
    ck_assert_msg(strstr(message, "/log: ") != NULL, "no path in: %s", message);
    ck_assert_msg(strstr(message, what) != NULL, "no '%s' in: %s", what, message);
}

static uint64_t size_of_log(void)
{
    struct stat status;
    ck_assert_int_eq(stat(log_file(LF_CONTROL_NAME), &status), 0);
    return (uint64_t)status.st_size;
}

static uint8_t *aligned_bytes(size_t bytes, int value)
{
    void *memory = NULL;
    ck_assert_int_eq(posix_memalign(&memory, BLOCK, bytes), 0);
    return memset(memory, value, bytes);
}

static void read_log(void *to, size_t bytes, uint64_t lsn)
{
    FILE *file =
        fopen(log_file(lsn < LF_FIRST_LSN ? LF_CONTROL_NAME : "0000000000000000.segment"), "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, (long)lsn, SEEK_SET), 0);
    ck_assert_uint_eq(fread(to, 1, bytes, file), bytes);
    fclose(file);
}

/* Whether the file at path is a log as it is when new. */
static void assert_is_new_log(void)
{
    static _Alignas(8) uint8_t blocks[4 * LF_BLOCK_BYTES];
    ck_assert_uint_eq(size_of_log(), sizeof blocks);
    read_log(blocks, sizeof blocks, 0);
    const struct lf_file_header *header = (void *)blocks;
    ck_assert_int_eq(lf_file_header_check(blocks), 0);
    ck_assert_mem_eq(blocks, blocks + BLOCK, BLOCK);
    ck_assert_uint_eq(header->generation, LF_FIRST_GENERATION);
    ck_assert_uint_eq(header->slot_bytes, SLOT_BYTES);
    ck_assert_uint_eq(header->segment_bytes, create.segment_bytes);
    uint32_t seed = lf_log_seed(header);
    for (unsigned i = 0; i < 2; i++) {
        const struct lf_trim_mark *mark = (void *)(blocks + (2 + i) * BLOCK);
        ck_assert(lf_trim_mark_check(mark, seed));
        ck_assert_uint_eq(mark->sequence, LF_FIRST_SEQUENCE);
        ck_assert_uint_eq(mark->oldest_lsn, LF_FIRST_LSN);
        ck_assert_uint_eq(mark->epoch, LF_FIRST_EPOCH);
        ck_assert_uint_eq(mark->chain, seed);
        ck_assert_uint_eq(mark->promise, LF_FIRST_LSN);
        ck_assert_uint_eq(mark->incarnation, 0);
        ck_assert_uint_eq(mark->user_bytes, 0);
    }
    ck_assert_mem_eq(blocks + 2 * BLOCK, blocks + 3 * BLOCK, BLOCK);
}

/* ---- Creating ---------------------------------------------------------------------------------*/

START_TEST(new_log_has_headers_and_trim_marks)
{
    use_kind(_i);
    must_open();
    ck_assert(created);
    ck_assert_uint_eq(store.device_bytes, 4 * BLOCK);
    lf_store_close(&store);
    assert_is_new_log();
    ck_assert_int_eq(folder_entry_count(), 1);
    must_open();
    ck_assert(!created);
    ck_assert_uint_eq(store.device_bytes, 0);
    lf_store_close(&store);
    assert_is_new_log();
    ck_assert_int_eq(fake.open_files, 0);
}
END_TEST

START_TEST(new_logs_differ)
{
    struct lf_file_header headers[2];
    use_kind(_i);
    for (int i = 0; i < 2; i++) {
        make_log();
        read_log(&headers[i], sizeof headers[i], 0);
        remove_log();
    }
    ck_assert_mem_ne(headers[0].id, headers[1].id, sizeof headers[0].id);
    ck_assert_mem_ne(headers[0].salt, headers[1].salt, sizeof headers[0].salt);
    ck_assert_mem_ne(headers[0].id, headers[0].salt, sizeof headers[0].id);
}
END_TEST

START_TEST(new_log_is_synced_before_it_has_its_name)
{
    set_fault(LOGFILE_SIM_RENAME, 0, -EIO);
    ck_assert_int_eq(open_store(), -EIO);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 1);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_LOCK), 1);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC_DIRECTORY), 0);
    reset_fake();
    make_log();
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC_DIRECTORY), 1);
}
END_TEST

/* The names in a directory become durable with it, before it has its own. */
START_TEST(new_directory_is_synced_before_it_has_its_name)
{
    use_kind(KIND_DIRECTORY);
    set_fault(LOGFILE_SIM_RENAME, 0, -EIO);
    ck_assert_int_eq(open_store(), -EIO);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 1);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_LOCK), 1);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC_DIRECTORY), 1);
    reset_fake();
    make_log();
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC_DIRECTORY), 2);
    reset_fake();
    make_log();
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC_DIRECTORY), 2);
}
END_TEST

START_TEST(mode_is_as_asked_less_the_umask)
{
    struct stat status;
    use_kind(_i);
    umask(027);
    make_log();
    ck_assert_int_eq(stat(log_file(LF_CONTROL_NAME), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0640);
    remove_log();
    create.mode = 0600;
    make_log();
    ck_assert_int_eq(stat(log_file(LF_CONTROL_NAME), &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
}
END_TEST

/* Who may read the files can get at them, and the owner can add to them. */
START_TEST(mode_of_a_directory_goes_with_that_of_its_files)
{
    static const struct {
        mode_t file, directory;
    } cases[] = {{0, 0755}, {0640, 0750}, {0600, 0700}, {0444, 0755}, {0660, 0770}};
    struct stat status;
    use_kind(KIND_DIRECTORY);
    umask(0);
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        create.mode = cases[i].file;
        make_log();
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_uint_eq(status.st_mode & 0777, cases[i].directory);
        ck_assert_uint_eq(store.file.segments.mode, cases[i].file != 0 ? cases[i].file : 0644);
        remove_log();
    }
}
END_TEST

/* A directory is often named with a slash at its end. */
START_TEST(slashes_at_the_end_are_ignored)
{
    static char name[1000];
    use_kind(KIND_DIRECTORY);
    snprintf(name, sizeof name, "%s//", path);
    path = name;
    for (int i = 0; i < 2; i++) {
        must_open();
        ck_assert_int_eq(created, i == 0);
        ck_assert_int_eq(access(folder_path("log/control"), F_OK), 0);
        lf_store_close(&store);
        ck_assert_int_eq(folder_entry_count(), 1);
        assert_is_new_log();
    }
}
END_TEST

START_TEST(one_file_is_not_opened_as_segments)
{
    make_log();
    options.segment_bytes = SEGMENT_BYTES;
    for (unsigned mode = LOGFILE_IO_AUTO; mode <= LOGFILE_IO_BUFFERED; mode++) {
        options.io_mode = (enum logfile_io_mode)mode;
        ck_assert_int_eq(open_store(), LOGFILE_EMISMATCH);
        assert_message_says("option segment_bytes: the log is one file");
    }
    ck_assert_int_eq(fake.open_files, 0);
    ck_assert_int_eq(folder_entry_count(), 1);
}
END_TEST

/* Which size it was made with is in the header, and so not looked at here. */
START_TEST(segments_are_opened_whatever_was_asked_for)
{
    use_kind(KIND_DIRECTORY);
    make_log();
    for (unsigned i = 0; i < 2; i++) {
        options.segment_bytes = i * SEGMENT_BYTES;
        must_open();
        ck_assert(!created);
        ck_assert(lf_file_is_directory(&store.file));
        lf_store_close(&store);
    }
}
END_TEST

START_TEST(open_flags_say_what_may_be_there)
{
    use_kind(_i);
    options.open_flags = LOGFILE_OPEN_EXISTING;
    created = true;
    ck_assert_int_eq(open_store(), -ENOENT);
    ck_assert_int_eq(folder_entry_count(), 0);
    ck_assert(created); /* unchanged on an error */
    options.open_flags = LOGFILE_OPEN_EXCLUSIVE;
    make_log();
    ck_assert_int_eq(open_store(), -EEXIST);
    assert_message_says("File exists");
    ck_assert_int_eq(folder_entry_count(), 1);
    options.open_flags = LOGFILE_OPEN_EXISTING;
    make_log();
    ck_assert_int_eq(fake.open_files, 0);
}
END_TEST

START_TEST(names_without_a_place_are_refused)
{
    use_kind(_i);
    path = "";
    ck_assert_int_eq(open_store(), -ENOENT);
    options.open_flags = LOGFILE_OPEN_EXCLUSIVE;
    ck_assert_int_eq(open_store(), -ENOENT);
    options.open_flags = 0;
    path = folder_path("none/log");
    ck_assert_int_eq(open_store(), -ENOENT);
    assert_message_says("No such file");
    ck_assert_int_eq(folder_entry_count(), 0);
}
END_TEST

START_TEST(long_path_ends_a_message_that_still_says_why)
{
    char name[400];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    path = folder_path("none");
    snprintf(name, sizeof name, "%s/%0200d/log", path, 0);
    path = name;
    ck_assert_int_eq(open_store(), -ENOENT);
    assert_message_says("No such file");
    ck_assert_int_eq(strncmp(message, "...", 3), 0);
}
END_TEST

/* Ends a process before each of its calls in turn. */
START_TEST(creator_that_dies_leaves_a_log_or_none)
{
    bool finished = false;
    use_kind(_i);
    for (unsigned at = 1; !finished; at++) {
        int status;
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            reset_fake();
            fake.exit_at = at;
            _exit(open_store() == 0 ? 42 : 43);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status));
        ck_assert_int_ne(WEXITSTATUS(status), 43);
        finished = WEXITSTATUS(status) == 42;
        if (access(path, F_OK) == 0)
            assert_is_new_log();
        make_log();
        assert_is_new_log();
        remove_log();
    }
}
END_TEST

/* ---- What is no log ---------------------------------------------------------------------------*/

static void assert_refused(const char *name, int expected, const char *why)
{
    static const enum logfile_io_mode modes[] = {LOGFILE_IO_AUTO, LOGFILE_IO_BUFFERED,
                                                 LOGFILE_IO_DIRECT};
    path = name;
    for (unsigned i = 0; i < 3; i++) {
        options.io_mode = modes[i];
        ck_assert_int_eq(open_store(), expected);
        ck_assert_msg(strstr(message, name) != NULL, "no path in: %s", message);
        ck_assert_msg(strstr(message, why) != NULL, "no '%s' in: %s", why, message);
    }
    ck_assert_int_eq(fake.open_files, 0);
}

START_TEST(only_regular_files_are_opened)
{
    make_log();
    ck_assert_int_eq(symlink(path, folder_path("link")), 0);
    ck_assert_int_eq(symlink(folder_path("none"), folder_path("dangling")), 0);
    ck_assert_int_eq(mkfifo(folder_path("fifo"), 0600), 0);
    ck_assert_int_eq(mkdir(folder_path("directory"), 0700), 0);
    ck_assert_int_eq(mkdir(folder_path("other"), 0700), 0);
    ck_assert_int_eq(symlink(path, folder_path("other/control")), 0);
    assert_refused(folder_path("link"), -ELOOP, "symbolic link");
    assert_refused(folder_path("dangling"), -ELOOP, "symbolic link");
    assert_refused(folder_path("directory"), -EISDIR, "no control file in it");
    assert_refused(folder_path("other"), -ELOOP, "symbolic link");
    assert_refused(folder_path("fifo"), -ESPIPE, "not a regular file");
    assert_refused("/dev/null", -ESPIPE, "not a regular file");
    ck_assert_int_eq(folder_entry_count(), 6);
}
END_TEST

/* The slash would lead the kernel through the link. */
START_TEST(link_with_a_slash_is_still_a_link)
{
    use_kind(KIND_DIRECTORY);
    make_log();
    ck_assert_int_eq(symlink(path, folder_path("link")), 0);
    assert_refused(folder_path("link/"), -ELOOP, "symbolic link");
    assert_refused(folder_path("link//"), -ELOOP, "symbolic link");
}
END_TEST

/* The name may lead elsewhere than it did when open looked: the open file counts. */
START_TEST(the_open_file_is_looked_at)
{
    make_log();
    fake.kind = LOGFILE_IO_OTHER;
    ck_assert_int_eq(open_store(), -ESPIPE);
    assert_message_says("not a regular file");
    fake.kind = LOGFILE_IO_DIRECTORY;
    ck_assert_int_eq(open_store(), -ENOTDIR); /* it is not opened as a directory */
    ck_assert_int_eq(fake.open_files, 0);
}
END_TEST

START_TEST(empty_file_is_left_to_recovery)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    must_open();
    ck_assert(!created);
    lf_store_close(&store);
    ck_assert_uint_eq(size_of_log(), 0);
}
END_TEST

/* ---- The lock ---------------------------------------------------------------------------------*/

START_TEST(second_opener_is_refused)
{
    struct lf_store first;
    use_kind(_i);
    must_open();
    lf_file_keep(&store.file);
    first = store;
    int open_files = fake.open_files;
    ck_assert_int_eq(open_store(), LOGFILE_ELOCKED);
    assert_message_says("open for appending elsewhere");
    ck_assert_int_eq(fake.open_files, open_files);
    store = first;
    lf_store_close(&store);
    make_log();
}
END_TEST

static int open_in_child(void)
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int error = open_store();
        _exit(error == LOGFILE_ELOCKED ? 1 : error == 0 ? 0 : 2);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

START_TEST(second_process_is_refused)
{
    use_kind(_i);
    must_open();
    ck_assert_int_eq(open_in_child(), 1);
    lf_store_close(&store);
    ck_assert_int_eq(open_in_child(), 0);
}
END_TEST

START_TEST(child_that_lives_on_does_not_keep_the_lock)
{
    int gate[2];
    char byte;
    use_kind(_i);
    must_open();
    ck_assert_int_eq(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0) {
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) != 0);
    }
    lf_store_close(&store);
    int error = open_store();
    close(gate[0]);
    close(gate[1]);
    waitpid(child, NULL, 0);
    ck_assert_int_eq(error, 0);
    lf_store_close(&store);
}
END_TEST

/* ---- Races with other openers -----------------------------------------------------------------*/

static struct lf_store rival;
static struct lf_file_header rival_header;

static void rival_opens(void)
{
    struct logfile_options plain = {.segment_bytes = options.segment_bytes};
    char why[256];
    bool made;
    fake.before_rename = NULL;
    ck_assert_int_eq(lf_store_open(&rival, path, &plain, &create, &made, why), 0);
    ck_assert(made);
    read_log(&rival_header, sizeof rival_header, 0);
}

static void rival_comes_and_goes(void)
{
    rival_opens();
    lf_store_close(&rival);
}

START_TEST(loser_of_a_race_opens_the_winners_log)
{
    struct lf_file_header header;
    use_kind(_i);
    fake.before_rename = rival_comes_and_goes;
    must_open();
    ck_assert(!created);
    read_log(&header, sizeof header, 0);
    ck_assert_mem_eq(&header, &rival_header, sizeof header);
    ck_assert_int_eq(folder_entry_count(), 1);
    lf_store_close(&store);
    ck_assert_int_eq(fake.open_files, 0);
}
END_TEST

START_TEST(loser_of_a_race_meets_the_winners_lock)
{
    use_kind(_i);
    fake.before_rename = rival_opens;
    ck_assert_int_eq(open_store(), LOGFILE_ELOCKED);
    ck_assert_int_eq(folder_entry_count(), 1);
    lf_store_close(&rival);
    assert_is_new_log();
}
END_TEST

START_TEST(loser_of_a_race_to_create_is_told)
{
    use_kind(_i);
    options.open_flags = LOGFILE_OPEN_EXCLUSIVE;
    fake.before_rename = rival_comes_and_goes;
    ck_assert_int_eq(open_store(), -EEXIST);
    ck_assert_int_eq(folder_entry_count(), 1);
    ck_assert_int_eq(fake.open_files, 0);
    assert_is_new_log();
}
END_TEST

/* A name that exists when renaming and does not when opening, again and again. */
START_TEST(endless_race_ends)
{
    use_kind(_i);
    set_lasting_fault(LOGFILE_SIM_RENAME, 0, -EEXIST);
    ck_assert_int_eq(open_store(), -EEXIST);
    ck_assert_int_eq(folder_entry_count(), 0);
    ck_assert_int_eq(fake.open_files, 0);
}
END_TEST

/* ---- Faults while opening ---------------------------------------------------------------------*/

static const int errnos[] = {-EIO,    -ENOSPC, -EACCES, -EROFS, -EINTR,
                             -EINVAL, -EAGAIN, -EEXIST, -ENOENT};

/* Opens with one call failing.  Whatever the answer is, the folder is as before, or has a log. */
static void open_with_fault(enum logfile_sim_call call, unsigned after, int error, bool for_ever)
{
    bool existed = access(path, F_OK) == 0;
    reset_fake();
    (for_ever ? set_lasting_fault : set_fault)(call, after, error);
    int result = open_store();
    if (result == 0) {
        lf_store_close(&store);
        existed = true;
    } else {
        ck_assert_msg(message[0] != '\0', "call %d, %d: no message", call, error);
    }
    ck_assert_int_eq(fake.open_files, 0);
    ck_assert_msg(folder_entry_count() == existed, "call %d, after %u, %d, ever %d: %d entries",
                  call, after, error, for_ever, folder_entry_count());
    if (existed)
        assert_is_new_log();
}

static void open_with_faults(bool exists)
{
    for (unsigned call = 0; call < LOGFILE_SIM_CALL_COUNT; call++) {
        for (size_t i = 0; i < 3 * 2 * sizeof errnos / sizeof errnos[0]; i++) {
            remove_log();
            reset_fake();
            if (exists)
                make_log();
            open_with_fault((enum logfile_sim_call)call, i % 3, errnos[i / 6], i / 3 % 2 == 1);
            if (i == 0 && io_layer_fault_hits(&layer) == 0)
                break; /* opening makes no such call */
        }
    }
}

START_TEST(fault_while_creating_leaves_nothing)
{
    use_kind(_i);
    open_with_faults(false);
}
END_TEST

START_TEST(fault_while_opening_leaves_the_log_alone)
{
    use_kind(_i);
    open_with_faults(true);
}
END_TEST

START_TEST(fault_is_named)
{
    use_kind(_i);
    set_fault(LOGFILE_SIM_WRITE, 0, -ENOSPC);
    ck_assert_int_eq(open_store(), -ENOSPC);
    assert_message_says("write: No space left");
    set_fault(LOGFILE_SIM_SYNC, 0, -EIO);
    ck_assert_int_eq(open_store(), -EIO);
    assert_message_says("sync: Input/output error");
    set_fault(LOGFILE_SIM_SYNC_DIRECTORY, 0, -EIO);
    ck_assert_int_eq(open_store(), -EIO);
    assert_message_says("directory: Input/output error");
    ck_assert_int_eq(folder_entry_count(), 0);
}
END_TEST

/* ---- Direct and buffered ----------------------------------------------------------------------*/

static void assert_mode(bool direct)
{
    must_open();
    ck_assert_int_eq(store.facts.direct, direct);
    ck_assert_int_eq(fake.is_direct, direct);
    lf_store_close(&store);
    ck_assert_int_eq(folder_entry_count(), 1);
    ck_assert_int_eq(fake.open_files, 0);
    assert_is_new_log();
}

START_TEST(auto_falls_back_where_open_refuses)
{
    use_kind(_i);
    fake.no_direct = true;
    assert_mode(false); /* creating */
    assert_mode(false); /* opening */
    ck_assert_uint_gt(fake.direct_open_count, 0);
}
END_TEST

START_TEST(auto_falls_back_where_the_first_transfer_refuses)
{
    use_kind(_i);
    fake.no_direct_transfer = true;
    assert_mode(false);
    assert_mode(false);
    ck_assert_uint_gt(fake.direct_open_count, 0);
}
END_TEST

START_TEST(direct_does_not_fall_back)
{
    use_kind(_i);
    for (int exists = 0; exists < 2; exists++) {
        options.io_mode = LOGFILE_IO_DIRECT;
        for (int transfer = 0; transfer < 2; transfer++) {
            fake.no_direct = !transfer;
            fake.no_direct_transfer = transfer;
            ck_assert_int_eq(open_store(), -EINVAL);
            assert_message_says("direct I/O");
            ck_assert_int_eq(folder_entry_count(), exists);
            ck_assert_int_eq(fake.open_files, 0);
        }
        reset_fake();
        options.io_mode = LOGFILE_IO_BUFFERED;
        make_log();
    }
}
END_TEST

START_TEST(buffered_never_asks_for_direct)
{
    use_kind(_i);
    options.io_mode = LOGFILE_IO_BUFFERED;
    assert_mode(false);
    assert_mode(false);
    ck_assert_uint_eq(fake.direct_open_count, 0);
}
END_TEST

/* ---- Committing -------------------------------------------------------------------------------*/

static unsigned failure_calls;

static void count_failure(void *arg)
{
    struct logfile_failure failure;
    lf_store_failure(arg, &failure); /* the lock is not held here */
    failure_calls += failure.error != 0 && lf_store_has_failed(arg);
}

/* In a directory, nothing can be committed before there are segments. */
static void make_segments(unsigned count)
{
    struct lf_file_header header;
    uint64_t reached, written;
    if (create.segment_bytes == 0)
        return;
    read_log(&header, sizeof header, 0);
    ck_assert_int_eq(lf_file_adopt(&store.file, &header, LF_FIRST_LSN), 0);
    ck_assert_int_eq(
        lf_file_extend(&store.file, LF_FIRST_LSN, count * SEGMENT_BYTES, false, &reached, &written),
        0);
}

static void open_for_commits(uint32_t sync)
{
    options.sync = sync;
    must_open();
    make_segments(1);
    store.on_failure = count_failure;
    store.on_failure_arg = &store;
    failure_calls = 0;
    io_layer_count_anew(&layer);
}

static int commit(int value, unsigned blocks, uint64_t lsn)
{
    uint8_t *bytes = aligned_bytes(blocks * BLOCK, value);
    int error = lf_store_commit(&store, bytes, blocks * BLOCK, lsn);
    free(bytes);
    return error;
}

static void assert_on_disk(int value, unsigned blocks, uint64_t offset)
{
    uint8_t *expected = aligned_bytes(blocks * BLOCK, value);
    uint8_t *found = aligned_bytes(blocks * BLOCK, 0);
    read_log(found, blocks * BLOCK, offset);
    ck_assert_mem_eq(found, expected, blocks * BLOCK);
    free(expected);
    free(found);
}

START_TEST(commit_writes_then_syncs)
{
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    ck_assert_int_eq(commit('a', 2, LF_FIRST_LSN), 0);
    ck_assert_int_eq(commit('b', 1, LF_FIRST_LSN + 2 * BLOCK), 0);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_WRITE), 2);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 2);
    ck_assert_uint_eq(fake.dsync_count, 0);
    ck_assert_uint_eq(store.sync_count, 2);
    ck_assert_uint_eq(store.device_bytes, 7 * BLOCK);
    lf_store_close(&store);
    assert_on_disk('a', 2, LF_FIRST_LSN);
    assert_on_disk('b', 1, LF_FIRST_LSN + 2 * BLOCK);
}
END_TEST

START_TEST(commit_by_dsync_is_one_call)
{
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_DSYNC);
    ck_assert_int_eq(commit('a', 2, LF_FIRST_LSN), 0);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_WRITE), 1);
    ck_assert_uint_eq(fake.dsync_count, 1);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 0);
    ck_assert_uint_eq(store.sync_count, 1);
    lf_store_close(&store);
    assert_on_disk('a', 2, LF_FIRST_LSN);
}
END_TEST

START_TEST(commit_without_sync_does_not_sync)
{
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_NONE);
    ck_assert_int_eq(commit('a', 2, LF_FIRST_LSN), 0);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_WRITE), 1);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 0);
    ck_assert_uint_eq(fake.dsync_count, 0);
    ck_assert_uint_eq(store.sync_count, 0);
    lf_store_close(&store);
    assert_on_disk('a', 2, LF_FIRST_LSN);
}
END_TEST

/* As a sync in the background does. */
static void fail_the_store(void)
{
    fake.after_write = NULL;
    (void)lf_store_fail(&store, -EIO, "sync", 0);
}

START_TEST(failed_store_is_not_synced)
{
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    fake.after_write = fail_the_store;
    ck_assert_int_eq(commit('a', 1, LF_FIRST_LSN), LOGFILE_EFAILED);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_WRITE), 1);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 0);
    lf_store_close(&store);
}
END_TEST

START_TEST(short_writes_are_completed)
{
    static const size_t counts[] = {1000, 4096, 5000, 4095};
    use_kind(_i);
    options.io_mode = LOGFILE_IO_BUFFERED;
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        io_layer_fault(&layer, &(struct logfile_sim_fault){.call = LOGFILE_SIM_WRITE,
                                                           .for_ever = true,
                                                           .short_bytes = counts[i]});
        open_for_commits(i % 2 == 0 ? LOGFILE_SYNC_FDATASYNC : LOGFILE_SYNC_DSYNC);
        ck_assert(created);
        ck_assert_int_eq(commit('a', 3, LF_FIRST_LSN), 0);
        ck_assert_uint_ge(io_layer_count(&layer, LOGFILE_SIM_WRITE), 3);
        lf_store_close(&store);
        assert_on_disk('a', 3, LF_FIRST_LSN);
        remove_log();
    }
}
END_TEST

static void assert_failure(int error, const char *call, uint64_t offset)
{
    struct logfile_failure failure;
    lf_store_failure(&store, &failure);
    ck_assert_int_eq(failure.error, error);
    ck_assert_str_eq(failure.call, call);
    ck_assert_uint_eq(failure.offset, offset);
    ck_assert_uint_eq(failure_calls, 1);
}

/* A sync that failed is not made again, and nothing after it can succeed. */
static void assert_store_is_dead(void)
{
    unsigned call_count = fake.call_count;
    uint8_t *bytes = aligned_bytes(BLOCK, 0);
    ck_assert(lf_store_has_failed(&store));
    ck_assert_int_eq(lf_store_write(&store, bytes, BLOCK, LF_FIRST_LSN), LOGFILE_EFAILED);
    ck_assert_int_eq(lf_store_commit(&store, bytes, BLOCK, LF_FIRST_LSN), LOGFILE_EFAILED);
    ck_assert_int_eq(lf_store_sync_background(&store, 0, UINT64_MAX), LOGFILE_EFAILED);
    ck_assert_uint_eq(fake.call_count, call_count);
    ck_assert_uint_eq(failure_calls, 1);
    free(bytes);
}

START_TEST(failed_write_fails_the_store)
{
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    struct logfile_failure failure;
    lf_store_failure(&store, &failure);
    ck_assert_int_eq(failure.error, 0);
    set_fault(LOGFILE_SIM_WRITE, 0, -ENOSPC);
    ck_assert_int_eq(commit('a', 1, LF_FIRST_LSN), -ENOSPC);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 0);
    assert_failure(-ENOSPC, "write", LF_FIRST_LSN);
    assert_store_is_dead();
    lf_store_close(&store);
}
END_TEST

START_TEST(failed_sync_fails_the_store)
{
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    ck_assert_int_eq(commit('a', 1, LF_FIRST_LSN), 0);
    set_fault(LOGFILE_SIM_SYNC, 0, -EIO);
    ck_assert_int_eq(commit('b', 1, LF_FIRST_LSN + BLOCK), -EIO);
    assert_failure(-EIO, "sync", LF_FIRST_LSN + BLOCK);
    assert_store_is_dead();
    lf_store_close(&store);
}
END_TEST

/* No other way to sync is taken silently. */
START_TEST(dsync_that_is_not_supported_fails_the_store)
{
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_DSYNC);
    set_fault(LOGFILE_SIM_WRITE, 0, -EOPNOTSUPP);
    ck_assert_int_eq(commit('a', 1, LF_FIRST_LSN), -EOPNOTSUPP);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_WRITE), 1);
    assert_failure(-EOPNOTSUPP, "write", LF_FIRST_LSN);
    assert_store_is_dead();
    lf_store_close(&store);
}
END_TEST

START_TEST(first_failure_wins)
{
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    ck_assert_int_eq(lf_store_fail(&store, -EIO, "zero-fill", 4096), -EIO);
    ck_assert_int_eq(lf_store_fail(&store, -ENOSPC, "allocate", 8192), -ENOSPC);
    assert_failure(-EIO, "zero-fill", 4096);
    assert_store_is_dead();
    lf_store_close(&store);
}
END_TEST

#define RACER_COUNT 8

static void *race_to_fail(void *arg)
{
    lf_store_fail(&store, -1 - (int)(intptr_t)arg, "write", (uint64_t)(intptr_t)arg);
    return NULL;
}

START_TEST(one_of_many_failures_wins)
{
    pthread_t threads[RACER_COUNT];
    struct logfile_failure failure;
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    for (intptr_t i = 0; i < RACER_COUNT; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race_to_fail, (void *)i), 0);
    for (unsigned i = 0; i < RACER_COUNT; i++)
        pthread_join(threads[i], NULL);
    lf_store_failure(&store, &failure);
    ck_assert_int_eq(-1 - (int)failure.offset, failure.error);
    ck_assert_uint_eq(failure_calls, 1);
    lf_store_close(&store);
}
END_TEST

/* ---- Two syncs at once: a failure is given to one of them -------------------------------------*/

static __thread bool is_gated;

static bool is_for_me(void *arg)
{
    (void)arg;
    return is_gated;
}

static void *sync_at_gate(void *arg)
{
    is_gated = true;
    *(int *)arg = lf_store_sync_background(&store, 0, LF_FIRST_LSN);
    return NULL;
}

static uint32_t commit_returned;

static void *commit_beside(void *arg)
{
    *(int *)arg = commit('a', 1, LF_FIRST_LSN);
    __atomic_store_n(&commit_returned, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void open_for_two(bool direct, bool proven, int other_result)
{
    say_direct(proven ? LOGFILE_IO_DIRECT_YES : LOGFILE_IO_DIRECT_UNKNOWN, proven ? 512 : 0);
    options.io_mode = LOGFILE_IO_BUFFERED;
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    store.facts.direct = direct; /* it is the rule that counts here */
    store.facts.direct_unproven = !proven;
    layer.gate_is_for = is_for_me;
    io_layer_gate_close(&layer, LOGFILE_SIM_SYNC, 0, other_result);
    fake.synced_count = 0;
}

/* The commit's own sync succeeds while the other, which began before, has not come back. */
static int commit_beside_sync(int other_result, bool direct)
{
    pthread_t threads[2];
    int results[2];
    open_for_two(direct, false, other_result);
    ck_assert_int_eq(pthread_create(&threads[0], NULL, sync_at_gate, &results[0]), 0);
    ck_assert(io_layer_gate_is_reached(&layer, PATIENCE_MS));
    ck_assert_int_eq(pthread_create(&threads[1], NULL, commit_beside, &results[1]), 0);
    while (__atomic_load_n(&fake.synced_count, __ATOMIC_SEQ_CST) == 0)
        sleep_us(1000);
    sleep_us(2000);
    uint32_t returned_early = __atomic_load_n(&commit_returned, __ATOMIC_ACQUIRE);
    io_layer_gate_open(&layer);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(returned_early, 0);
    ck_assert_int_eq(results[0], other_result);
    return results[1];
}

START_TEST(commit_waits_for_a_sync_that_may_have_its_failure)
{
    use_kind(_i);
    ck_assert_int_eq(commit_beside_sync(-EIO, false), LOGFILE_EFAILED);
    assert_failure(-EIO, "sync", 0);
    lf_store_close(&store);
}
END_TEST

START_TEST(two_syncs_at_once_succeed)
{
    use_kind(_i);
    ck_assert_int_eq(commit_beside_sync(0, false), 0);
    ck_assert(!lf_store_has_failed(&store));
    lf_store_close(&store);
}
END_TEST

/* O_DIRECT alone tells nothing: the file system may go through the page cache all the same. */
START_TEST(commit_waits_where_direct_is_not_proven)
{
    use_kind(_i);
    ck_assert_int_eq(commit_beside_sync(-EIO, true), LOGFILE_EFAILED);
    lf_store_close(&store);
}
END_TEST

/* The write has told all that there is to tell of the epoch; so nobody waits for the preparer. */
START_TEST(direct_commit_waits_for_no_other_sync)
{
    pthread_t thread;
    int result;
    use_kind(_i);
    open_for_two(true, true, -EIO);
    ck_assert_int_eq(pthread_create(&thread, NULL, sync_at_gate, &result), 0);
    ck_assert(io_layer_gate_is_reached(&layer, PATIENCE_MS));
    ck_assert_int_eq(commit('a', 1, LF_FIRST_LSN), 0);
    io_layer_gate_open(&layer);
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, -EIO);
    ck_assert_int_eq(commit('b', 1, LF_FIRST_LSN + BLOCK), LOGFILE_EFAILED);
    lf_store_close(&store);
}
END_TEST

/* The rule above counts on two syncs at most. */
START_TEST(syncs_in_the_background_take_turns)
{
    pthread_t threads[2];
    int results[2] = {1, 1};
    open_for_two(_i, _i, 0);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sync_at_gate, &results[i]), 0);
    ck_assert(io_layer_gate_is_reached(&layer, PATIENCE_MS));
    sleep_us(2000);
    unsigned count = io_layer_count(&layer, LOGFILE_SIM_SYNC);
    io_layer_gate_open(&layer);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(results[i], 0);
    }
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 2);
    lf_store_close(&store);
}
END_TEST

START_TEST(sync_in_the_background_reaches_what_it_is_for)
{
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    ck_assert_int_eq(lf_store_sync_background(&store, 2 * BLOCK, 3 * BLOCK), 0);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 1);
    ck_assert_int_eq(lf_store_sync_background(&store, LF_FIRST_LSN, LF_FIRST_LSN + BLOCK), 0);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), 2);
    ck_assert_uint_eq(store.sync_count, 0);
    make_segments(3);
    io_layer_count_anew(&layer);
    ck_assert_int_eq(lf_store_sync_background(&store, LF_FIRST_LSN, 3 * SEGMENT_BYTES), 0);
    ck_assert_uint_eq(io_layer_count(&layer, LOGFILE_SIM_SYNC), _i == KIND_DIRECTORY ? 3 : 1);
    set_fault(LOGFILE_SIM_SYNC, 0, -EIO);
    ck_assert_int_eq(lf_store_sync_background(&store, LF_FIRST_LSN, SEGMENT_BYTES), -EIO);
    assert_failure(-EIO, "sync", LF_FIRST_LSN);
    assert_store_is_dead();
    lf_store_close(&store);
}
END_TEST

/* ---- Removing ---------------------------------------------------------------------------------*/

/* Another opener may have the file in hand already: he must find no log in it. */
START_TEST(discarded_log_is_empty_and_gone)
{
    struct stat status;
    use_kind(_i);
    open_for_commits(LOGFILE_SYNC_FDATASYNC);
    int fd = open(log_file(LF_CONTROL_NAME), O_RDONLY);
    ck_assert_int_ge(fd, 0);
    lf_file_discard(&store.file);
    ck_assert_int_eq(folder_entry_count(), 0);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_size, 0);
    close(fd);
    lf_store_close(&store);
    ck_assert_int_eq(fake.open_files, 0);
}
END_TEST

/* ---- The suite --------------------------------------------------------------------------------*/

static TCase *opening(void)
{
    TCase *tcase = tcase_create("opening");
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_loop_test(tcase, new_log_has_headers_and_trim_marks, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, new_logs_differ, 0, KIND_COUNT);
    tcase_add_test(tcase, new_log_is_synced_before_it_has_its_name);
    tcase_add_test(tcase, new_directory_is_synced_before_it_has_its_name);
    tcase_add_loop_test(tcase, mode_is_as_asked_less_the_umask, 0, KIND_COUNT);
    tcase_add_test(tcase, mode_of_a_directory_goes_with_that_of_its_files);
    tcase_add_test(tcase, slashes_at_the_end_are_ignored);
    tcase_add_test(tcase, one_file_is_not_opened_as_segments);
    tcase_add_test(tcase, segments_are_opened_whatever_was_asked_for);
    tcase_add_loop_test(tcase, open_flags_say_what_may_be_there, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, names_without_a_place_are_refused, 0, KIND_COUNT);
    tcase_add_test(tcase, long_path_ends_a_message_that_still_says_why);
    tcase_add_loop_test(tcase, creator_that_dies_leaves_a_log_or_none, 0, KIND_COUNT);
    tcase_add_test(tcase, only_regular_files_are_opened);
    tcase_add_test(tcase, link_with_a_slash_is_still_a_link);
    tcase_add_test(tcase, the_open_file_is_looked_at);
    tcase_add_test(tcase, empty_file_is_left_to_recovery);
    tcase_add_loop_test(tcase, second_opener_is_refused, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, second_process_is_refused, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, child_that_lives_on_does_not_keep_the_lock, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, loser_of_a_race_opens_the_winners_log, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, loser_of_a_race_meets_the_winners_lock, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, loser_of_a_race_to_create_is_told, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, endless_race_ends, 0, KIND_COUNT);
    return tcase;
}

static TCase *faults_and_modes(void)
{
    TCase *tcase = tcase_create("faults and modes");
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_loop_test(tcase, fault_while_creating_leaves_nothing, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, fault_while_opening_leaves_the_log_alone, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, fault_is_named, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, auto_falls_back_where_open_refuses, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, auto_falls_back_where_the_first_transfer_refuses, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, direct_does_not_fall_back, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, buffered_never_asks_for_direct, 0, KIND_COUNT);
    return tcase;
}

static TCase *committing(void)
{
    TCase *tcase = tcase_create("committing");
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    tcase_add_loop_test(tcase, commit_writes_then_syncs, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, commit_by_dsync_is_one_call, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, commit_without_sync_does_not_sync, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, short_writes_are_completed, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, failed_write_fails_the_store, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, failed_sync_fails_the_store, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, failed_store_is_not_synced, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, dsync_that_is_not_supported_fails_the_store, 0, KIND_COUNT);
    tcase_add_test(tcase, first_failure_wins);
    tcase_add_test(tcase, one_of_many_failures_wins);
    tcase_add_loop_test(tcase, commit_waits_for_a_sync_that_may_have_its_failure, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, two_syncs_at_once_succeed, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, commit_waits_where_direct_is_not_proven, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, direct_commit_waits_for_no_other_sync, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, syncs_in_the_background_take_turns, 0, 2);
    tcase_add_loop_test(tcase, sync_in_the_background_reaches_what_it_is_for, 0, KIND_COUNT);
    tcase_add_loop_test(tcase, discarded_log_is_empty_and_gone, 0, KIND_COUNT);
    return tcase;
}

int main(void)
{
    Suite *suite = suite_create("store");
    suite_add_tcase(suite, opening());
    suite_add_tcase(suite, faults_and_modes());
    suite_add_tcase(suite, committing());
    return run_suite(suite);
}
