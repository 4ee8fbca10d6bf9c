/* SPDX-License-Identifier: MIT */
/*
 * What every test needs: a main, a folder of its own, deadlines, random numbers, payloads that can
 * be checked, a watchdog, and how much work to do.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include "logfile_lab.h"
#include "sim/rng.h"

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Runs and frees the suite: what main returns. */
int run_suite(Suite *suite);
/* The same, of one test. */
int run_test(const char *name, const TTest *test);

/* ---- Readers ---- */

/* What a reader is opened with: READING(.lsn = lsn, .io = io). */
#define READING(...) (&(struct logfile_reader_options){__VA_ARGS__})

/* ---- Payloads ---- */

/* Fills a payload that depends on seed and size in every byte. */
void payload_fill(void *data, size_t size, uint64_t seed);
bool payload_matches(const void *data, size_t size, uint64_t seed);
/* A record size that likes the edges: 0, 1, around 8, around block ends and around `max`. */
size_t payload_random_size(struct rng *rng, size_t max);

/* ---- Folders ---- */

/*
 * Makes a fresh folder under the current one.  It is removed with all that is in it when the
 * process that made it exits; leave_folder does so at once.
 */
const char *enter_folder(void);
void leave_folder(void);
/* The path of `name` in the folder, valid until eight more calls.  Main thread only. */
const char *folder_path(const char *name);
/* Number of entries in the folder. */
int folder_entry_count(void);
/* A file system of 1 MiB on that folder, in a mount namespace of this process, so that nothing is
 * left however it ends.  False: the machine does not let us. */
bool mount_small_tmpfs(const char *path);
/* Writes a file until its file system is full. */
void fill_file(const char *path);

/* ---- Time ---- */

/* A call has come to its deadline; or the ring was full, and that had passed when the call began: on a
 * busy machine any deadline may. */
bool is_late(int error);
/* CLOCK_MONOTONIC, `ms` from now; negative: in the past. */
struct timespec deadline_in_ms(int64_t ms);
uint64_t now_ns(void);
void sleep_us(uint64_t us);

/*
 * Ends the process with a message when `seconds`, and ten minutes, pass before watchdog_stop: a test
 * that hangs fails in bounded time and says what hung, and one that is slow does not.  It also says what was going on when the process aborts.
 * `what` must stay valid; it may change.
 */
void watchdog_start(unsigned seconds, const char *what);
void watchdog_stop(void);

/* ---- How much ---- */

enum scale {
    SCALE_SMALL,
    SCALE_NORMAL,
    SCALE_LONG
};
/* LF_LONG set: LONG; LF_SCALE=small: SMALL (sanitizer builds set it). */
enum scale test_scale(void);
/* The one of three that fits the scale. */
uint64_t scaled(uint64_t small_count, uint64_t normal_count, uint64_t long_count);

/* Whether the compiler built a sanitizer in. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif
#if defined(__SANITIZE_THREAD__)
#define HAS_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#endif
#endif
#ifndef HAS_THREAD_SANITIZER
#define HAS_THREAD_SANITIZER 0
#endif

/* ---- Variants: every choice of engine, flusher, wait strategy, sync and I/O mode ---- */

struct variant {
    struct logfile_options options; /* small slots; everything else as named; .lab is the next: */
    struct logfile_lab *lab;        /* never freed; the next _get of the same variant resets it */
    char name[96];
};

unsigned variant_count(void);
void variant_get(unsigned index, struct variant *variant);
/* Engine and flusher only; the rest default: ring under each flusher, mutex, mutex on its way to the
 * ring, serial. */
unsigned engine_variant_count(void);
void engine_variant_get(unsigned index, struct variant *variant);
/* What is compared by itself: the ring under every reservation policy, number of shards, flusher and
 * wait strategy, with and without the gather and timed stages; the mutex engine with each flag. */
unsigned combination_count(void);
void combination_get(unsigned index, struct variant *variant);

#endif /* SUPPORT_H */
