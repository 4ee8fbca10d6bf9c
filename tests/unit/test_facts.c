/* SPDX-License-Identifier: MIT */
/*
 * What is made of what the kernel says of a file system: direct I/O or not, with its alignment;
 * media that nothing can be written to; file systems without locks or allocation.  A layer over
 * real files says it, and behaves accordingly, so that no file system of a kind is needed.
 */
#include "storage/facts.h"
#include "io_stack.h"
#include "read/reader.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOT_BYTES ((size_t)16 << 10)
#define SEGMENT_BYTES ((uint64_t)64 << 10)
#define RECORDS 40
#define RECORD_BYTES 3000
#define FDS_MAX 1024

/* ---- A file system that says what it is told to -----------------------------------------------*/

static struct {
    struct logfile_io_facts said;
    bool denies_segments; /* direct I/O, of those that are opened from now on */
    uint32_t
        transfer_bytes; /* a direct transfer is of whole such blocks, else -EINVAL; 0: of any */
    int locked_error;
    int lock_error;
    int sync_error;
    int allocate_error;
    unsigned direct_open_count;
    unsigned early_transfer_count; /* before the lock was taken */
    unsigned lock_count;
    bool is_direct[FDS_MAX]; /* by descriptor */
    bool is_denied[FDS_MAX];
} disk;

static struct io_layer layer;
static _Thread_local bool opens_direct;

static bool refuses(const struct io_call *call)
{
    if (disk.lock_count == 0)
        disk.early_transfer_count++;
    return disk.is_direct[call->fd] && disk.transfer_bytes != 0 &&
           (call->bytes | call->offset) % disk.transfer_bytes != 0;
}

static int error_of(const struct io_call *call)
{
    switch (call->call) {
    case LOGFILE_SIM_READ:
    case LOGFILE_SIM_WRITE:
        return refuses(call) ? -EINVAL : 0;
    case LOGFILE_SIM_SYNC:
        return disk.sync_error;
    case LOGFILE_SIM_LOCK:
        disk.lock_count++;
        return disk.lock_error;
    case LOGFILE_SIM_LOCKED:
        return disk.locked_error;
    case LOGFILE_SIM_ALLOCATE:
        return disk.allocate_error;
    default:
        return 0;
    }
}

static bool before_call(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call == LOGFILE_SIM_FACTS) {
        *(struct logfile_io_facts *)call->out =
            disk.is_denied[call->fd] ? (struct logfile_io_facts){.direct = LOGFILE_IO_DIRECT_NO}
                                     : disk.said;
        return true;
    }
    /* O_DIRECT stops here, so that the folder's file system need not take it. */
    opens_direct = call->call == LOGFILE_SIM_OPEN && call->flags & LOGFILE_IO_OPEN_DIRECT;
    disk.direct_open_count += opens_direct;
    if (opens_direct)
        call->flags &= ~LOGFILE_IO_OPEN_DIRECT;
    call->result = error_of(call);
    return call->result != 0;
}

static void note_open(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call != LOGFILE_SIM_OPEN || call->result < 0)
        return;
    ck_assert_int_lt(call->result, FDS_MAX);
    disk.is_direct[call->result] = opens_direct;
    disk.is_denied[call->result] = disk.denies_segments && strstr(call->name, ".segment") != NULL;
}

static struct logfile_options options;
static struct logfile_open_report report;
static struct logfile *test_log;

static void say_direct(uint32_t direct, uint32_t offset_align, uint32_t memory_align)
{
    disk.said.direct = direct;
    disk.said.offset_align = offset_align;
    disk.said.memory_align = memory_align;
    disk.transfer_bytes = offset_align;
}

static void setup(void)
{
    memset(&disk, 0, sizeof disk);
    io_layer_init(&layer, logfile_io_posix());
    layer.before = before_call;
    layer.after = note_open;
    options = (struct logfile_options){.io = &layer.io,
                                       .slot_bytes = SLOT_BYTES,
                                       .prepare_bytes = 64 << 10,
                                       .prepare = LOGFILE_PREPARE_ALLOCATE};
    enter_folder();
}

static const char *log_path(void)
{
    return folder_path("a.log");
}

/* Loop tests: one file, and segments. */
static void use_kind(int kind)
{
    options.segment_bytes = kind % 2 != 0 ? SEGMENT_BYTES : 0;
}

static int open_log(void)
{
    return logfile_open(log_path(), &options, &report, &test_log);
}

static void must_open(void)
{
    int error = open_log();
    ck_assert_msg(error == 0, "%d: %s", error, report.message);
}

static void append_records(unsigned count)
{
    uint8_t record[RECORD_BYTES];
    for (unsigned i = 0; i < count; i++) {
        payload_fill(record, sizeof record, i);
        ck_assert_int_eq(logfile_append(test_log, record, sizeof record, NULL), 0);
    }
}

static void make_log(unsigned count)
{
    must_open();
    append_records(count);
    ck_assert_int_eq(logfile_close(test_log), 0);
}

/* Reads to the end, through the table.  What the last call returned. */
static int read_records(unsigned *count, struct logfile_tail *tail)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    int found = logfile_reader_open(log_path(), READING(.io = &layer.io), &reader);
    *count = 0;
    if (found != 0)
        return found;
    while ((found = logfile_reader_next(reader, &record)) == 1) {
        ck_assert(payload_matches(record.data, record.size, *count));
        ++*count;
    }
    if (found == 0)
        found = logfile_reader_tail(reader, tail, sizeof *tail);
    logfile_reader_close(reader);
    return found;
}

static void assert_reads(unsigned expected, enum logfile_verdict verdict)
{
    struct logfile_tail tail;
    unsigned count;
    ck_assert_int_eq(read_records(&count, &tail), 0);
    ck_assert_uint_eq(count, expected);
    ck_assert_int_eq(tail.verdict, verdict);
}

static void assert_mode(enum logfile_io_mode io_mode, bool o_direct, uint32_t direct_align)
{
    struct logfile_stats stats;
    ck_assert_int_eq(logfile_stats(test_log, &stats, sizeof stats), 0);
    ck_assert_int_eq(stats.io_mode, io_mode);
    ck_assert_uint_eq(stats.o_direct, o_direct);
    ck_assert_uint_eq(stats.direct_align, direct_align);
}

static void assert_message_says(const char *what)
{
    ck_assert_msg(strstr(report.message, what) != NULL, "no '%s' in: %s", what, report.message);
}

/* ---- The rules --------------------------------------------------------------------------------*/

START_TEST(direct_is_proven_by_an_alignment_that_blocks_have)
{
    static const struct {
        uint32_t direct, offset_align, memory_align;
        enum lf_direct expected;
    } cases[] = {
        {LOGFILE_IO_DIRECT_YES, 512, 512, LF_DIRECT_PROVEN},
        {LOGFILE_IO_DIRECT_YES, 4096, 4, LF_DIRECT_PROVEN},
        {LOGFILE_IO_DIRECT_YES, 4096, 4096, LF_DIRECT_PROVEN},
        {LOGFILE_IO_DIRECT_YES, 1, 1, LF_DIRECT_PROVEN},
        {LOGFILE_IO_DIRECT_YES, 8192, 512, LF_DIRECT_BUFFERED},
        {LOGFILE_IO_DIRECT_YES, 65536, 512, LF_DIRECT_BUFFERED},
        {LOGFILE_IO_DIRECT_YES, 512, 8192, LF_DIRECT_BUFFERED},
        {LOGFILE_IO_DIRECT_YES, 520, 512, LF_DIRECT_BUFFERED},
        {LOGFILE_IO_DIRECT_YES, 0, 0, LF_DIRECT_NOT_SAID},
        {LOGFILE_IO_DIRECT_NO, 0, 0, LF_DIRECT_BUFFERED},
        {LOGFILE_IO_DIRECT_NO, 512, 512, LF_DIRECT_BUFFERED},
        {LOGFILE_IO_DIRECT_UNKNOWN, 0, 0, LF_DIRECT_NOT_SAID},
        {LOGFILE_IO_DIRECT_UNKNOWN, 16384, 512, LF_DIRECT_BUFFERED},
        {7, 0, 0, LF_DIRECT_NOT_SAID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct logfile_io_facts said = {.direct = cases[i].direct,
                                        .offset_align = cases[i].offset_align,
                                        .memory_align = cases[i].memory_align};
        ck_assert_msg(lf_facts_direct(&said) == cases[i].expected, "case %zu", i);
    }
}
END_TEST

static bool say_nothing(void *arg, struct io_call *call)
{
    (void)arg;
    if (call->call != LOGFILE_SIM_FACTS)
        return before_call(arg, call);
    memset(call->out, 0xff, sizeof(struct logfile_io_facts));
    call->result = -ENOSYS;
    return true;
}

START_TEST(without_an_answer_nothing_is_known)
{
    struct logfile_io_facts said;
    layer.before = say_nothing;
    lf_facts_ask(&layer.io, 0, &said);
    ck_assert_uint_eq(said.direct, LOGFILE_IO_DIRECT_UNKNOWN);
    ck_assert_uint_eq(said.read_only, 0);
    ck_assert_uint_eq(said.free_bytes, UINT64_MAX);
    ck_assert_str_eq(lf_facts_name(&said), "");
    make_log(3);
    assert_reads(3, LOGFILE_CLEAN);
}
END_TEST

START_TEST(file_systems_have_names)
{
    struct logfile_io_facts said = {.fs_type = 0xef53};
    struct logfile_stats stats;
    ck_assert_str_eq(lf_facts_name(&said), "ext4");
    said.fs_type = 0x73717368;
    ck_assert_str_eq(lf_facts_name(&said), "squashfs");
    said.fs_type = 0x12345;
    ck_assert_str_eq(lf_facts_name(&said), "");
    disk.said.fs_type = 0x58465342;
    must_open();
    ck_assert_int_eq(logfile_stats(test_log, &stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.fs_type, 0x58465342);
    ck_assert_str_eq(stats.fs_name, "xfs");
    ck_assert_int_eq(logfile_close(test_log), 0);
}
END_TEST

/* ---- Direct or not ----------------------------------------------------------------------------*/

/* Under io_mode auto; made, and opened again. */
static void work_with(enum logfile_io_mode io_mode, bool o_direct, uint32_t direct_align)
{
    for (unsigned round = 0; round < 2; round++) {
        must_open();
        assert_mode(io_mode, o_direct, direct_align);
        if (round == 0)
            append_records(RECORDS);
        ck_assert_int_eq(logfile_trim(test_log, 1), 0);
        ck_assert_int_eq(logfile_close(test_log), 0);
        assert_reads(RECORDS, LOGFILE_CLEAN);
    }
}

START_TEST(auto_is_direct_where_the_kernel_says_so)
{
    use_kind(_i);
    say_direct(LOGFILE_IO_DIRECT_YES, _i < 2 ? 512 : 4096, 4);
    work_with(LOGFILE_IO_DIRECT, true, disk.said.offset_align);
}
END_TEST

START_TEST(auto_is_buffered_where_direct_is_not_direct)
{
    use_kind(_i);
    say_direct(LOGFILE_IO_DIRECT_NO, 0, 0);
    work_with(LOGFILE_IO_BUFFERED, false, 0);
}
END_TEST

/* Devices with 8, 16, 32 and 64 KiB blocks. */
START_TEST(auto_is_buffered_where_blocks_are_larger)
{
    use_kind(_i);
    say_direct(LOGFILE_IO_DIRECT_YES, 8192u << _i / 2, 512);
    work_with(LOGFILE_IO_BUFFERED, false, disk.said.offset_align);
}
END_TEST

/* The same, and the kernel says nothing. */
START_TEST(auto_is_buffered_where_larger_blocks_are_kept_quiet)
{
    use_kind(_i);
    disk.transfer_bytes = 8192u << _i / 2;
    work_with(LOGFILE_IO_BUFFERED, false, 0);
    ck_assert_uint_gt(disk.direct_open_count, 0);
}
END_TEST

START_TEST(auto_is_not_called_direct_where_the_kernel_does_not_say)
{
    use_kind(_i);
    work_with(LOGFILE_IO_BUFFERED, true, 0);
}
END_TEST

/* Opening a log that exists moves nothing before it has the lock. */
START_TEST(nothing_is_tried_where_the_kernel_says)
{
    static const uint32_t said[] = {LOGFILE_IO_DIRECT_YES, LOGFILE_IO_DIRECT_NO};
    use_kind(_i);
    say_direct(said[_i / 2], _i / 2 == 0 ? 512 : 0, _i / 2 == 0 ? 512 : 0);
    make_log(1);
    disk.early_transfer_count = disk.lock_count = 0;
    must_open();
    ck_assert_uint_eq(disk.early_transfer_count, 0);
    ck_assert_int_eq(logfile_close(test_log), 0);
}
END_TEST

static const struct {
    uint32_t direct, align;
    const char *text;
} refusals[] = {
    {LOGFILE_IO_DIRECT_NO, 0, "page cache"},
    {LOGFILE_IO_DIRECT_YES, 8192, "8192"},
    {LOGFILE_IO_DIRECT_YES, 65536, "65536"},
};

/* Made or not: the log, or that there is none, stays as it is. */
START_TEST(direct_that_cannot_be_had_is_refused)
{
    use_kind(_i);
    for (unsigned exists = 0; exists < 2; exists++) {
        options.io_mode = LOGFILE_IO_DIRECT;
        for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
            say_direct(refusals[i].direct, refusals[i].align, refusals[i].align);
            ck_assert_int_eq(open_log(), -EINVAL);
            assert_message_says("direct I/O");
            assert_message_says("alignment");
            assert_message_says(refusals[i].text);
            ck_assert_int_eq(folder_entry_count(), (int)exists);
        }
        options.io_mode = LOGFILE_IO_BUFFERED;
        if (exists == 0)
            make_log(3);
    }
    assert_reads(3, LOGFILE_CLEAN);
}
END_TEST

/* Attributes are inherited by files that are made later. */
START_TEST(segment_that_is_not_direct_ends_it)
{
    use_kind(1);
    options.prepare = LOGFILE_PREPARE_NONE;
    say_direct(LOGFILE_IO_DIRECT_YES, 512, 512);
    must_open();
    assert_mode(LOGFILE_IO_DIRECT, true, 512);
    disk.denies_segments = true;
    append_records(RECORDS);
    assert_mode(LOGFILE_IO_BUFFERED, true, 512);
    ck_assert_int_eq(logfile_close(test_log), 0);
    assert_reads(RECORDS, LOGFILE_CLEAN);
}
END_TEST

START_TEST(want_of_allocation_is_said)
{
    struct logfile_stats stats;
    use_kind(_i);
    for (unsigned refused = 0; refused < 2; refused++) {
        disk.allocate_error = refused ? -EOPNOTSUPP : 0;
        must_open();
        ck_assert_int_eq(logfile_stats(test_log, &stats, sizeof stats), 0);
        ck_assert_uint_eq(stats.no_allocation, refused);
        ck_assert_int_eq(logfile_close(test_log), 0);
    }
}
END_TEST

/* ---- What syncs -------------------------------------------------------------------------------*/

/* 0 is auto, and zeros written ahead. */
static const struct {
    uint32_t io_mode, prepare, direct, one_request, sync;
    enum logfile_sync expected;
} syncs[] = {
    /* DSYNC only if all of it holds. */
    {0, 0, LOGFILE_IO_DIRECT_YES, 1, 0, LOGFILE_SYNC_DSYNC},
    {LOGFILE_IO_DIRECT, 0, LOGFILE_IO_DIRECT_YES, 1, 0, LOGFILE_SYNC_DSYNC},
    {LOGFILE_IO_BUFFERED, 0, LOGFILE_IO_DIRECT_YES, 1, 0, LOGFILE_SYNC_FDATASYNC},
    {0, LOGFILE_PREPARE_ALLOCATE, LOGFILE_IO_DIRECT_YES, 1, 0, LOGFILE_SYNC_FDATASYNC},
    {0, LOGFILE_PREPARE_NONE, LOGFILE_IO_DIRECT_YES, 1, 0, LOGFILE_SYNC_FDATASYNC},
    {0, 0, LOGFILE_IO_DIRECT_NO, 1, 0, LOGFILE_SYNC_FDATASYNC},
    {0, 0, LOGFILE_IO_DIRECT_UNKNOWN, 1, 0, LOGFILE_SYNC_FDATASYNC},
    {0, 0, LOGFILE_IO_DIRECT_YES, 0, 0, LOGFILE_SYNC_FDATASYNC},
    {0, 0, LOGFILE_IO_DIRECT_YES, 7, 0, LOGFILE_SYNC_FDATASYNC},
    /* Who asks for one gets it. */
    {0, 0, LOGFILE_IO_DIRECT_YES, 1, LOGFILE_SYNC_FDATASYNC, LOGFILE_SYNC_FDATASYNC},
    {0, LOGFILE_PREPARE_NONE, LOGFILE_IO_DIRECT_NO, 0, LOGFILE_SYNC_DSYNC, LOGFILE_SYNC_DSYNC},
};
#define SYNCS ((int)(sizeof syncs / sizeof syncs[0]))

static unsigned dsync_write_count;

static bool count_dsync_writes(void *arg, struct io_call *call)
{
    dsync_write_count += call->call == LOGFILE_SIM_WRITE && call->flags & LOGFILE_IO_WRITE_DSYNC;
    return before_call(arg, call);
}

static void work_with_sync(enum logfile_sync expected, unsigned records)
{
    struct logfile_stats stats;
    must_open();
    append_records(records);
    ck_assert_int_eq(logfile_stats(test_log, &stats, sizeof stats), 0);
    ck_assert_int_eq(stats.sync, expected);
    ck_assert_int_eq(logfile_close(test_log), 0);
}

START_TEST(sync_auto_saves_the_flush_that_can_be_saved)
{
    int which = _i / 2;
    use_kind(_i);
    uint32_t align = syncs[which].direct == LOGFILE_IO_DIRECT_YES ? 512 : 0;
    say_direct(syncs[which].direct, align, align);
    disk.said.dsync_is_one_request = syncs[which].one_request;
    options.io_mode = syncs[which].io_mode;
    options.prepare = syncs[which].prepare;
    options.sync = syncs[which].sync;
    layer.before = count_dsync_writes;
    dsync_write_count = 0;
    work_with_sync(syncs[which].expected, 3);
    ck_assert_uint_eq(dsync_write_count != 0, syncs[which].expected == LOGFILE_SYNC_DSYNC);
    work_with_sync(syncs[which].expected, 0); /* opened again */
    assert_reads(3, LOGFILE_CLEAN);
}
END_TEST

/* ---- Media that are read-only -----------------------------------------------------------------*/

/* By a process that ends with the log open. */
static void tear_log(void)
{
    int status;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        must_open();
        append_records(RECORDS);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(read_only_media_are_read)
{
    use_kind(_i);
    make_log(RECORDS);
    disk.said.read_only = 1;
    disk.sync_error = -EINVAL;
    assert_reads(RECORDS, LOGFILE_CLEAN);
}
END_TEST

START_TEST(torn_log_on_read_only_media_is_read)
{
    use_kind(_i);
    tear_log();
    disk.said.read_only = 1;
    disk.sync_error = -EINVAL;
    io_layer_count_anew(&layer);
    assert_reads(RECORDS, LOGFILE_TORN);
    ck_assert_uint_gt(io_layer_count(&layer, LOGFILE_SIM_SYNC),
                      0); /* it was asked for all the same */
}
END_TEST

/* A file system that is written to by others, or a disk that fails, is another matter. */
START_TEST(sync_that_fails_elsewhere_is_told)
{
    struct logfile_tail tail;
    unsigned count;
    use_kind(_i);
    tear_log();
    for (unsigned read_only = 0; read_only < 2; read_only++) {
        disk.said.read_only = read_only;
        disk.sync_error = read_only ? -EIO : -EINVAL;
        ck_assert_int_eq(read_records(&count, &tail), disk.sync_error);
    }
}
END_TEST

START_TEST(clean_log_on_a_stopped_file_system_is_read)
{
    use_kind(_i);
    make_log(RECORDS);
    disk.said.read_only = (uint32_t)_i / 2;
    disk.sync_error = -EROFS;
    assert_reads(RECORDS, LOGFILE_CLEAN);
}
END_TEST

/* -EROFS: it has stopped after an error.  What a later epoch promises is on the disk; the last one
 * need not be. */
START_TEST(stopped_file_system_shows_what_is_promised)
{
    struct logfile_tail tail;
    unsigned count;
    use_kind(_i);
    tear_log();
    disk.said.read_only = (uint32_t)_i / 2;
    disk.sync_error = -EROFS;
    ck_assert_int_eq(read_records(&count, &tail), -EROFS);
    ck_assert_uint_eq(count, RECORDS - 1);
}
END_TEST

/* Tools take the rest too, and know from where on. */
START_TEST(stopped_file_system_gives_the_rest_to_tools)
{
    struct logfile_reader *reader;
    struct logfile_record record;
    unsigned count = 0;
    int found;
    use_kind(_i);
    tear_log();
    disk.sync_error = -EROFS;
    ck_assert_int_eq(logfile_reader_open(log_path(), READING(.io = &layer.io), &reader), 0);
    reader->cursor.takes_unsynced = true;
    while ((found = logfile_reader_next(reader, &record)) == 1)
        ck_assert_uint_eq(reader->cursor.unsynced_lsn != 0, ++count == RECORDS);
    ck_assert_int_eq(found, 0);
    ck_assert_uint_eq(count, RECORDS);
    logfile_reader_close(reader);
}
END_TEST

START_TEST(appending_to_read_only_media_is_refused)
{
    use_kind(_i);
    make_log(RECORDS);
    disk.said.read_only = 1;
    ck_assert_int_eq(open_log(), -EROFS);
    assert_message_says("Read-only file system");
    ck_assert_int_eq(folder_entry_count(), 1);
    assert_reads(RECORDS, LOGFILE_CLEAN);
}
END_TEST

/* ---- File systems without locks ---------------------------------------------------------------*/

static const int lock_errors[] = {-ENOLCK, -ENOSYS, -EOPNOTSUPP, -ENOTSUP, -EINVAL};
#define LOCK_ERRORS ((int)(sizeof lock_errors / sizeof lock_errors[0]))

START_TEST(without_locks_there_is_no_writer)
{
    use_kind(_i);
    if (_i / 2 % 2 == 0)
        make_log(RECORDS);
    else
        tear_log();
    disk.locked_error = lock_errors[_i / 4];
    assert_reads(RECORDS, _i / 2 % 2 == 0 ? LOGFILE_CLEAN : LOGFILE_TORN);
}
END_TEST

START_TEST(lock_that_cannot_be_asked_for_is_told)
{
    struct logfile_tail tail;
    unsigned count;
    use_kind(_i);
    make_log(RECORDS);
    disk.locked_error = -EIO;
    ck_assert_int_eq(read_records(&count, &tail), -EIO);
}
END_TEST

START_TEST(appending_without_locks_is_refused)
{
    use_kind(_i);
    for (unsigned exists = 0; exists < 2; exists++) {
        disk.lock_error = lock_errors[_i / 2];
        ck_assert_int_eq(open_log(), disk.lock_error);
        assert_message_says("no locks on this file system");
        ck_assert_int_eq(folder_entry_count(), (int)exists);
        disk.lock_error = 0;
        if (exists == 0)
            make_log(RECORDS);
    }
    disk.lock_error = -EIO;
    ck_assert_int_eq(open_log(), -EIO);
    ck_assert_ptr_null(strstr(report.message, "no locks"));
    assert_reads(RECORDS, LOGFILE_CLEAN);
}
END_TEST

/* ---- A failure that another sync is told of ---------------------------------------------------*/

/*
 * O_DIRECT that goes through the page cache: a write succeeds, its write-back fails, and that is
 * told once, to whichever sync comes first.  Here it is the one of a trim, whose thread does not get
 * further before the append's own sync has succeeded.
 */
static struct {
    bool armed;
    bool lost; /* a write-back has failed, and nobody has been told */
    sem_t at_sync, told, go_on;
    uint32_t append_returned;
    int append_result;
    int trim_result;
    uint64_t trim_lsn;
} cache;
static _Thread_local bool is_trimmer;
static _Thread_local bool syncs_itself; /* the write under way */

static int sync_cache(void)
{
    if (!is_trimmer) {
        sem_post(&cache.at_sync);
        sem_wait(&cache.told);
        return __atomic_exchange_n(&cache.lost, false, __ATOMIC_SEQ_CST) ? -EIO : 0;
    }
    if (!__atomic_exchange_n(&cache.lost, false, __ATOMIC_SEQ_CST))
        return 0;
    sem_post(&cache.told);
    sem_wait(&cache.go_on); /* preempted on its way back */
    return -EIO;
}

static bool before_cache(void *arg, struct io_call *call)
{
    if (call->call == LOGFILE_SIM_SYNC) {
        call->result = cache.armed ? sync_cache() : 0;
        return true;
    }
    if (call->call != LOGFILE_SIM_WRITE)
        return before_call(arg, call);
    if (cache.armed && !is_trimmer && call->bytes != 0) {
        __atomic_store_n(&cache.lost, true, __ATOMIC_SEQ_CST);
        syncs_itself = call->flags & LOGFILE_IO_WRITE_DSYNC;
    }
    call->flags = 0;
    return false;
}

static void after_cache(void *arg, struct io_call *call)
{
    if (call->call == LOGFILE_SIM_WRITE && syncs_itself) { /* too late to be told */
        syncs_itself = false;
        sem_post(&cache.at_sync);
        sem_wait(&cache.told);
    }
    note_open(arg, call);
}

static void *append_one(void *arg)
{
    cache.append_result = logfile_append(test_log, "record", 6, NULL);
    __atomic_store_n(&cache.append_returned, 1, __ATOMIC_SEQ_CST);
    return arg;
}

static void *trim_once(void *arg)
{
    is_trimmer = true;
    cache.trim_result = logfile_trim(test_log, cache.trim_lsn);
    return arg;
}

static const struct {
    enum logfile_io_mode io_mode;
    uint32_t direct;
} caches[] = {
    {LOGFILE_IO_AUTO, LOGFILE_IO_DIRECT_NO},
    {LOGFILE_IO_AUTO, LOGFILE_IO_DIRECT_UNKNOWN},
    {LOGFILE_IO_DIRECT, LOGFILE_IO_DIRECT_UNKNOWN},
    {LOGFILE_IO_BUFFERED, LOGFILE_IO_DIRECT_UNKNOWN},
    {LOGFILE_IO_AUTO, LOGFILE_IO_DIRECT_YES}, /* until it is asked again */
};
#define CACHES ((int)(sizeof caches / sizeof caches[0]))

static void open_with_cache(int index)
{
    struct variant variant;
    engine_variant_get((unsigned)index / 2 % engine_variant_count(), &variant);
    unsigned which = (unsigned)index / 2 / engine_variant_count();
    watchdog_start(60, variant.name);
    variant.options.io = &layer.io;
    variant.options.prepare = LOGFILE_PREPARE_NONE; /* no thread but those of the test */
    variant.options.io_mode = caches[which].io_mode;
    variant.options.sync = index % 2 != 0 ? LOGFILE_SYNC_DSYNC : LOGFILE_SYNC_FDATASYNC;
    options = variant.options;
    uint32_t align = caches[which].direct == LOGFILE_IO_DIRECT_YES ? 512 : 0;
    say_direct(caches[which].direct, align, align);
    layer.before = before_cache;
    layer.after = after_cache;
    must_open();
    if (align != 0) /* chattr +j, say */
        say_direct(LOGFILE_IO_DIRECT_NO, 0, 0);
}

START_TEST(append_is_not_acknowledged_when_a_trim_was_told_of_its_failure)
{
    pthread_t threads[2];
    memset(&cache, 0, sizeof cache);
    sem_init(&cache.at_sync, 0, 0);
    sem_init(&cache.told, 0, 0);
    sem_init(&cache.go_on, 0, 0);
    open_with_cache(_i);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(logfile_append(test_log, "record", 6, &cache.trim_lsn), 0);
    cache.armed = true;
    ck_assert_int_eq(pthread_create(&threads[0], NULL, append_one, NULL), 0);
    sem_wait(&cache.at_sync);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, trim_once, NULL), 0);
    sleep_us(5000); /* time enough for a wrong answer */
    uint32_t returned_early = __atomic_load_n(&cache.append_returned, __ATOMIC_SEQ_CST);
    sem_post(&cache.go_on);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(returned_early, 0);
    ck_assert_int_eq(cache.append_result, LOGFILE_EFAILED);
    ck_assert_int_eq(cache.trim_result, LOGFILE_EFAILED);
    ck_assert_int_eq(logfile_close(test_log), LOGFILE_EFAILED);
    watchdog_stop();
}
END_TEST

/* ---- The suite --------------------------------------------------------------------------------*/

static void add_direct(TCase *tcase)
{
    tcase_add_test(tcase, direct_is_proven_by_an_alignment_that_blocks_have);
    tcase_add_test(tcase, without_an_answer_nothing_is_known);
    tcase_add_test(tcase, file_systems_have_names);
    tcase_add_loop_test(tcase, auto_is_direct_where_the_kernel_says_so, 0, 4);
    tcase_add_loop_test(tcase, auto_is_buffered_where_direct_is_not_direct, 0, 2);
    tcase_add_loop_test(tcase, auto_is_buffered_where_blocks_are_larger, 0, 8);
    tcase_add_loop_test(tcase, auto_is_buffered_where_larger_blocks_are_kept_quiet, 0, 8);
    tcase_add_loop_test(tcase, auto_is_not_called_direct_where_the_kernel_does_not_say, 0, 2);
    tcase_add_loop_test(tcase, nothing_is_tried_where_the_kernel_says, 0, 4);
    tcase_add_loop_test(tcase, direct_that_cannot_be_had_is_refused, 0, 2);
    tcase_add_test(tcase, segment_that_is_not_direct_ends_it);
    tcase_add_loop_test(tcase, want_of_allocation_is_said, 0, 2);
    tcase_add_loop_test(tcase, sync_auto_saves_the_flush_that_can_be_saved, 0, 2 * SYNCS);
}

int main(void)
{
    Suite *suite = suite_create("facts");
    TCase *tcase = tcase_create("facts");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, leave_folder);
    add_direct(tcase);
    tcase_add_loop_test(tcase, read_only_media_are_read, 0, 2);
    tcase_add_loop_test(tcase, torn_log_on_read_only_media_is_read, 0, 2);
    tcase_add_loop_test(tcase, clean_log_on_a_stopped_file_system_is_read, 0, 4);
    tcase_add_loop_test(tcase, stopped_file_system_shows_what_is_promised, 0, 4);
    tcase_add_loop_test(tcase, stopped_file_system_gives_the_rest_to_tools, 0, 2);
    tcase_add_loop_test(tcase, sync_that_fails_elsewhere_is_told, 0, 2);
    tcase_add_loop_test(tcase, appending_to_read_only_media_is_refused, 0, 2);
    tcase_add_loop_test(tcase, without_locks_there_is_no_writer, 0, 4 * LOCK_ERRORS);
    tcase_add_loop_test(tcase, lock_that_cannot_be_asked_for_is_told, 0, 2);
    tcase_add_loop_test(tcase, appending_without_locks_is_refused, 0, 2 * LOCK_ERRORS);
    tcase_add_loop_test(tcase, append_is_not_acknowledged_when_a_trim_was_told_of_its_failure, 0,
                        2 * CACHES * (int)engine_variant_count());
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
