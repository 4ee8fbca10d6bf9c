/* SPDX-License-Identifier: MIT */
/*
 * Which pages the slots of a log are made of, as the kernel says it (/proc/self/smaps): small ones while batches
 * are small, whatever the size of a slot; huge ones from the first byte on once they are large; and
 * nothing of what was appended is lost on the way.
 */
#include "base/buffers.h"
#include "journal.h"
#include "logfile_sim.h"
#include "ring/log.h"
#include "support.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LOG_PATH "buffers.log"
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)

enum {
    SLOT_BYTES = 8 << 20,
    RECORD_MAX = 64 << 10
};

/* ---- The policy ---- */

START_TEST(a_slot_becomes_huge_after_2_mib_of_large_batches)
{
    static const struct {
        uint64_t batch;
        unsigned count; /* the batch with which it becomes huge; 0: never */
    } rows[] = {
        {4 * KIB, 0},
        {LF_BUFFERS_LARGE_BYTES - 1, 0},
        {LF_BUFFERS_LARGE_BYTES, 8},
        {512 * KIB, 4},
        {MIB, 2},
        {2 * MIB - 1, 2},
        {2 * MIB, 1},
        {64 * MIB, 1},
    };

    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        uint64_t large_bytes = 0;
        for (unsigned i = 1; i <= 100; i++)
            ck_assert_msg(lf_buffers_count(&large_bytes, rows[row].batch) == (i == rows[row].count),
                          "batches of %lu: the one numbered %u", rows[row].batch, i);
    }
}
END_TEST

START_TEST(a_small_batch_starts_the_count_again)
{
    uint64_t large_bytes = 0;

    for (unsigned i = 0; i < 20; i++) {
        ck_assert(!lf_buffers_count(&large_bytes, MIB));
        ck_assert(!lf_buffers_count(&large_bytes, 4 * KIB));
    }
    ck_assert(!lf_buffers_count(&large_bytes, MIB));
    ck_assert(lf_buffers_count(&large_bytes, MIB));
    /* Once only, whatever follows. */
    ck_assert(!lf_buffers_count(&large_bytes, 4 * KIB));
    ck_assert(!lf_buffers_count(&large_bytes, 8 * MIB));
}
END_TEST

/* ---- What the kernel says ---- */

/* Of the mappings that overlap a range. */
struct pages {
    bool is_known;     /* the kernel tells */
    uint64_t resident; /* bytes */
    uint64_t huge;
    bool asks;    /* for huge pages, all of it */
    bool refuses; /* them, all of it */
};

static struct pages pages_of(const void *memory, size_t bytes)
{
    const uintptr_t from = (uintptr_t)memory, to = from + bytes;
    struct pages pages = {.asks = true, .refuses = true};
    bool is_ours = false;
    char line[512];
    FILE *maps = fopen("/proc/self/smaps", "r");

    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t begin, end;
        uint64_t kib;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            is_ours = begin < to && end > from;
        if (!is_ours)
            continue;
        if (sscanf(line, "Rss: %lu kB", &kib) == 1)
            pages.resident += kib * KIB;
        if (sscanf(line, "AnonHugePages: %lu kB", &kib) == 1)
            pages.huge += kib * KIB;
        if (strncmp(line, "VmFlags:", 8) == 0) {
            pages.is_known = true;
            pages.asks &= strstr(line, " hg") != NULL;
            pages.refuses &= strstr(line, " nh") != NULL;
        }
    }
    if (maps != NULL)
        fclose(maps);
    return pages;
}

/* Whether the kernel gives huge pages to who asks for them. */
static bool has_huge_pages(void)
{
    uint8_t *memory = mmap(NULL, 2 * LF_HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *page = memory + -(uintptr_t)memory % LF_HUGE_PAGE_BYTES;
    bool has;

    ck_assert(memory != MAP_FAILED);
    has = madvise(page, LF_HUGE_PAGE_BYTES, MADV_HUGEPAGE) == 0;
    *(volatile uint8_t *)page = 1;
    has = has && pages_of(page, LF_HUGE_PAGE_BYTES).huge > 0;
    munmap(memory, 2 * LF_HUGE_PAGE_BYTES);
    return has;
}

/* ---- A log ---- */

static struct logfile_sim *disk;
static struct logfile *buffers_log;
static struct journal journal;
static uint64_t next_seed;

static void begin_segments(struct logfile_lab *lab, size_t slot_bytes, uint64_t segment_bytes)
{
    struct logfile_options options = {.slot_bytes = slot_bytes,
                                      .segment_bytes = segment_bytes,
                                      .prepare = LOGFILE_PREPARE_NONE,
                                      .lab = lab};

    watchdog_start(300, "buffers");
    disk = logfile_sim_new(NULL);
    options.io = logfile_sim_io(disk);
    journal = (struct journal){0};
    next_seed = 1;
    ck_assert_int_eq(logfile_open(LOG_PATH, &options, NULL, &buffers_log), 0);
}

static void begin(struct logfile_lab *lab, size_t slot_bytes)
{
    begin_segments(lab, slot_bytes, 0);
}

static void end(void)
{
    char why[256];

    ck_assert_int_eq(logfile_close(buffers_log), 0);
    ck_assert_msg(journal_compare_path(&journal, LOG_PATH, logfile_sim_io(disk), why), "%s", why);
    journal_free(&journal);
    logfile_sim_free(disk);
    watchdog_stop();
}

/* Records of so many bytes in all, which one flush makes durable, unless a sequencer is faster. */
static void append_batch(uint64_t bytes)
{
    uint8_t *payload = malloc(RECORD_MAX);

    ck_assert_ptr_nonnull(payload);
    for (uint64_t left = bytes; left > 0;) {
        size_t size = left < RECORD_MAX ? (size_t)left : RECORD_MAX;
        uint64_t lsn;
        payload_fill(payload, size, next_seed);
        ck_assert_int_eq(logfile_submit(buffers_log, payload, size, NULL, &lsn), 0);
        journal_add(&journal, lsn, next_seed++, size, true);
        left -= size;
    }
    ck_assert_int_eq(logfile_sync(buffers_log, NULL), 0);
    free(payload);
}

/* The first 2 MiB of a slot. */
static struct pages first_pages(unsigned slot)
{
    return pages_of(buffers_log->buffers + slot * buffers_log->layout.slot_bytes,
                    LF_HUGE_PAGE_BYTES);
}

/* Under the leader flusher a batch is submitted whole before it is flushed. */
static struct logfile_lab lab_of(enum logfile_engine engine)
{
    return (struct logfile_lab){.engine = engine, .flusher = LOGFILE_FLUSHER_LEADER};
}

static const struct {
    enum logfile_engine engine;
    unsigned slots;
} engines[] = {{LOGFILE_ENGINE_RING, 2}, {LOGFILE_ENGINE_MUTEX, 2}};

START_TEST(small_batches_stay_in_small_pages)
{
    struct logfile_lab lab = lab_of(engines[_i].engine);

    begin(&lab, SLOT_BYTES);
    for (unsigned i = 0; i < 30; i++)
        append_batch(i % 3 == 0 ? 200 * KIB : 500);
    /* One that is large is not enough to hold 2 MiB for those that follow. */
    append_batch(MIB);
    append_batch(500);
    struct pages all = pages_of(buffers_log->buffers, buffers_log->buffers_bytes);
    ck_assert_uint_eq(all.huge, 0);
    ck_assert_uint_le(all.resident, engines[_i].slots * 200 * KIB + MIB + 256 * KIB);
    for (unsigned slot = 0; slot < engines[_i].slots && all.is_known; slot++)
        ck_assert(!first_pages(slot).asks);
    end();
}
END_TEST

/* Where a segment has less than a slot left, too: a batch begins with its slot's first page. */
START_TEST(small_batches_stay_in_the_first_pages_at_the_end_of_a_segment)
{
    struct logfile_lab lab = lab_of(engines[_i].engine);

    begin_segments(&lab, SLOT_BYTES, SLOT_BYTES + 4 * MIB);
    for (unsigned i = 0; i < 150; i++)
        append_batch(200 * KIB);
    ck_assert_uint_gt(logfile_durable_lsn(buffers_log), 2 * (SLOT_BYTES + 4 * MIB));
    ck_assert_uint_le(pages_of(buffers_log->buffers, buffers_log->buffers_bytes).resident,
                      engines[_i].slots * 256 * KIB);
    end();
}
END_TEST

START_TEST(large_batches_get_huge_ones_from_the_first_byte)
{
    struct logfile_lab lab = lab_of(engines[_i].engine);

    begin(&lab, SLOT_BYTES);
    for (unsigned i = 0; i < 2 * engines[_i].slots; i++)
        append_batch(3 * MIB);
    for (unsigned slot = 0; slot < engines[_i].slots; slot++) {
        struct pages pages = first_pages(slot);
        ck_assert(!pages.is_known || pages.asks);
        if (has_huge_pages())
            ck_assert_uint_ge(pages.huge, LF_HUGE_PAGE_BYTES);
    }
    for (unsigned i = 0; i < 10; i++)
        append_batch(i % 2 == 0 ? 500 : 5 * MIB);
    /* Resident is what the largest batches used, in whole huge pages. */
    ck_assert_uint_le(pages_of(buffers_log->buffers, buffers_log->buffers_bytes).resident,
                      engines[_i].slots * 6 * MIB);
    end();
}
END_TEST

START_TEST(slots_of_one_huge_page_and_less)
{
    struct logfile_lab lab = lab_of(LOGFILE_ENGINE_RING);

    begin(&lab, (size_t)1 << (20 + _i));
    for (unsigned i = 0; i < 8; i++)
        append_batch(900 * KIB);
    for (unsigned slot = 0; slot < 2 && first_pages(slot).is_known; slot++)
        ck_assert_int_eq(first_pages(slot).asks, _i > 0);
    end();
}
END_TEST

/* Memory that the caller brought is the caller's. */
static void *ring_alloc(void *arg, size_t bytes)
{
    (void)arg;
    return aligned_alloc(LF_HUGE_PAGE_BYTES, bytes);
}

static void ring_free(void *arg, void *memory, size_t bytes)
{
    (void)arg;
    (void)bytes;
    free(memory);
}

START_TEST(memory_of_the_caller_is_left_alone)
{
    struct logfile_lab lab = lab_of(LOGFILE_ENGINE_RING);

    lab.ring_alloc = ring_alloc;
    lab.ring_free = ring_free;
    begin(&lab, SLOT_BYTES);
    for (unsigned i = 0; i < 6; i++)
        append_batch(3 * MIB);
    ck_assert(!first_pages(0).is_known || !first_pages(0).asks);
    ck_assert_uint_ge(first_pages(0).resident, LF_HUGE_PAGE_BYTES);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("buffers");
    TCase *tcase = tcase_create("buffers");
    const int engine_count = sizeof engines / sizeof engines[0];

    tcase_set_timeout(tcase, 600);
    tcase_add_test(tcase, a_slot_becomes_huge_after_2_mib_of_large_batches);
    tcase_add_test(tcase, a_small_batch_starts_the_count_again);
    tcase_add_loop_test(tcase, small_batches_stay_in_small_pages, 0, engine_count);
    tcase_add_loop_test(tcase, small_batches_stay_in_the_first_pages_at_the_end_of_a_segment, 0,
                        engine_count);
    tcase_add_loop_test(tcase, large_batches_get_huge_ones_from_the_first_byte, 0, engine_count);
    tcase_add_loop_test(tcase, slots_of_one_huge_page_and_less, 0, 2);
    tcase_add_test(tcase, memory_of_the_caller_is_left_alone);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
