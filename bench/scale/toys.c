/* SPDX-License-Identifier: MIT */
#include "toys.h"

#include "base/atomic.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_UNITS = 66
};

/* One pair of lines: the word, and the locks that guard it in some of the ways. */
struct shared {
    _Alignas(128) uint64_t word;
    ck_spinlock_ticket_t ticket;
    ck_spinlock_mcs_t mcs;
    pthread_mutex_t mutex;
};

struct own {
    _Alignas(128) uint64_t word;
};

static struct shared *shared;
static struct own *own;
static uint64_t *packed;
static unsigned thread_count;

static void add_under_lock(void)
{
    uint64_t word = lf_load_relaxed_64(&shared->word);
    lf_store_relaxed_64(&shared->word, word + RECORD_UNITS);
}

static void step_faa(unsigned thread)
{
    (void)thread;
    lf_fetch_add_relaxed_64(&shared->word, RECORD_UNITS);
}

static void step_cas(unsigned thread)
{
    uint64_t word;

    (void)thread;
    do {
        word = lf_load_relaxed_64(&shared->word);
    } while (!lf_cas_acq_rel_64(&shared->word, word, word + RECORD_UNITS));
}

static void step_ticket(unsigned thread)
{
    (void)thread;
    ck_spinlock_ticket_lock(&shared->ticket);
    add_under_lock();
    ck_spinlock_ticket_unlock(&shared->ticket);
}

static void step_mcs(unsigned thread)
{
    ck_spinlock_mcs_context_t node;

    (void)thread;
    ck_spinlock_mcs_lock(&shared->mcs, &node);
    add_under_lock();
    ck_spinlock_mcs_unlock(&shared->mcs, &node);
}

static void step_mutex(unsigned thread)
{
    (void)thread;
    pthread_mutex_lock(&shared->mutex);
    add_under_lock();
    pthread_mutex_unlock(&shared->mutex);
}

static void step_turns(unsigned thread)
{
    uint64_t turn;

    while ((turn = lf_load_acquire_64(&shared->word) / RECORD_UNITS) % thread_count != thread)
        ck_pr_stall();
    lf_store_release_64(&shared->word, (turn + 1) * RECORD_UNITS);
}

static void step_private(unsigned thread)
{
    lf_fetch_add_relaxed_64(&own[thread].word, RECORD_UNITS);
}

static void step_false(unsigned thread)
{
    lf_fetch_add_relaxed_64(&packed[thread % 8], RECORD_UNITS);
}

static const struct toy toys[] = {
    {"faa", step_faa},     {"cas", step_cas},     {"ticket", step_ticket},   {"mcs", step_mcs},
    {"mutex", step_mutex}, {"turns", step_turns}, {"private", step_private}, {"false", step_false},
};

const struct toy *toy_of(const char *name)
{
    for (size_t i = 0; i < sizeof toys / sizeof *toys; i++)
        if (strcmp(toys[i].name, name) == 0)
            return &toys[i];
    return NULL;
}

void toys_start(unsigned threads)
{
    thread_count = threads;
    shared = aligned_alloc(128, sizeof *shared);
    own = aligned_alloc(128, threads * sizeof *own);
    packed = aligned_alloc(128, 8 * sizeof *packed);
    ck_spinlock_ticket_init(&shared->ticket);
    ck_spinlock_mcs_init(&shared->mcs);
    pthread_mutex_init(&shared->mutex, NULL);
}

int toys_check(const struct toy *toy, unsigned long long steps, unsigned threads)
{
    uint64_t sum = shared->word;

    (void)toy;
    for (unsigned i = 0; i < thread_count; i++)
        sum += own[i].word;
    for (unsigned i = 0; i < 8; i++)
        sum += packed[i];
    return sum % RECORD_UNITS == 0 && sum / RECORD_UNITS + threads >= steps &&
                   sum / RECORD_UNITS <= steps + threads
               ? 0
               : -1;
}
