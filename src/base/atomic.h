/* SPDX-License-Identifier: MIT */
/*
 * The one place where atomic operations come from.  Every operation carries its order in its name;
 * every use carries a label (W1, R1, F1, L1, S1, P1, ...) that docs/MEMORY_ORDERING.md explains
 * with its partner.
 *
 * Production builds run on Concurrency Kit: ck_pr operations, and the fences ck_pr_fence_acquire,
 * _release and _memory.  ThreadSanitizer sees neither inline assembly nor stand-alone fences, so
 * with LF_ATOMIC_BUILTIN the same names map onto the compiler's __atomic builtins.  With
 * LF_ATOMIC_EXPLORE each of them is a call: to the schedule explorer (tests/explore), which decides
 * there who runs next and what a load sees, or to the simulator of processors (bench/scale), which
 * charges it with what its cache line costs.
 */
#ifndef LF_ATOMIC_H
#define LF_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#if defined(LF_ATOMIC_EXPLORE)

enum lf_explore_order {
    LF_EXPLORE_RELAXED,
    LF_EXPLORE_ACQUIRE,
    LF_EXPLORE_RELEASE,
    LF_EXPLORE_ACQ_REL
};

void lf_explore_pause(void);
void lf_explore_fence(void);
uint64_t lf_explore_load(const void *p, unsigned bits, enum lf_explore_order order);
void lf_explore_store(void *p, unsigned bits, uint64_t value, enum lf_explore_order order);
uint64_t lf_explore_add(void *p, unsigned bits, uint64_t n, enum lf_explore_order order);
uint64_t lf_explore_swap(void *p, unsigned bits, uint64_t value, enum lf_explore_order order);
bool lf_explore_cas(void *p, unsigned bits, uint64_t expected, uint64_t value,
                    enum lf_explore_order order);

static inline void lf_pause(void)
{
    lf_explore_pause();
}

static inline void lf_fence(void)
{
    lf_explore_fence();
}

static inline void lf_fence_atomic_load(void)
{
    lf_explore_fence();
}

#define LF_ATOMIC_DEFINE(bits)                                                                     \
    static inline uint##bits##_t lf_load_relaxed_##bits(const uint##bits##_t *p)                   \
    {                                                                                              \
        return (uint##bits##_t)lf_explore_load(p, bits, LF_EXPLORE_RELAXED);                       \
    }                                                                                              \
    static inline uint##bits##_t lf_load_acquire_##bits(const uint##bits##_t *p)                   \
    {                                                                                              \
        return (uint##bits##_t)lf_explore_load(p, bits, LF_EXPLORE_ACQUIRE);                       \
    }                                                                                              \
    static inline void lf_store_relaxed_##bits(uint##bits##_t *p, uint##bits##_t value)            \
    {                                                                                              \
        lf_explore_store(p, bits, value, LF_EXPLORE_RELAXED);                                      \
    }                                                                                              \
    static inline void lf_store_release_##bits(uint##bits##_t *p, uint##bits##_t value)            \
    {                                                                                              \
        lf_explore_store(p, bits, value, LF_EXPLORE_RELEASE);                                      \
    }                                                                                              \
    static inline uint##bits##_t lf_fetch_add_relaxed_##bits(uint##bits##_t *p, uint##bits##_t n)  \
    {                                                                                              \
        return (uint##bits##_t)lf_explore_add(p, bits, n, LF_EXPLORE_RELAXED);                     \
    }                                                                                              \
    static inline uint##bits##_t lf_fetch_add_acquire_##bits(uint##bits##_t *p, uint##bits##_t n)  \
    {                                                                                              \
        return (uint##bits##_t)lf_explore_add(p, bits, n, LF_EXPLORE_ACQUIRE);                     \
    }                                                                                              \
    static inline void lf_add_release_##bits(uint##bits##_t *p, uint##bits##_t n)                  \
    {                                                                                              \
        (void)lf_explore_add(p, bits, n, LF_EXPLORE_RELEASE);                                      \
    }                                                                                              \
    static inline uint##bits##_t lf_swap_acq_rel_##bits(uint##bits##_t *p, uint##bits##_t value)   \
    {                                                                                              \
        return (uint##bits##_t)lf_explore_swap(p, bits, value, LF_EXPLORE_ACQ_REL);                \
    }                                                                                              \
    static inline bool lf_cas_acq_rel_##bits(uint##bits##_t *p, uint##bits##_t expected,           \
                                             uint##bits##_t value)                                 \
    {                                                                                              \
        return lf_explore_cas(p, bits, expected, value, LF_EXPLORE_ACQ_REL);                       \
    }

#elif !defined(LF_ATOMIC_BUILTIN)

#include <ck_pr.h>

static inline void lf_pause(void)
{
    ck_pr_stall();
}

/* Sequential consistency between what is before and what is after. */
static inline void lf_fence(void)
{
    ck_pr_fence_memory();
}

/* The same, between a read-modify-write of this thread and its later loads: x86-64 has done it with the
 * read-modify-write. */
static inline void lf_fence_atomic_load(void)
{
    ck_pr_fence_atomic_load();
}

#define LF_ATOMIC_DEFINE(bits)                                                                     \
    static inline uint##bits##_t lf_load_relaxed_##bits(const uint##bits##_t *p)                   \
    {                                                                                              \
        return ck_pr_load_##bits(p);                                                               \
    }                                                                                              \
    static inline uint##bits##_t lf_load_acquire_##bits(const uint##bits##_t *p)                   \
    {                                                                                              \
        uint##bits##_t value = ck_pr_load_##bits(p);                                               \
        ck_pr_fence_acquire();                                                                     \
        return value;                                                                              \
    }                                                                                              \
    static inline void lf_store_relaxed_##bits(uint##bits##_t *p, uint##bits##_t value)            \
    {                                                                                              \
        ck_pr_store_##bits(p, value);                                                              \
    }                                                                                              \
    static inline void lf_store_release_##bits(uint##bits##_t *p, uint##bits##_t value)            \
    {                                                                                              \
        ck_pr_fence_release();                                                                     \
        ck_pr_store_##bits(p, value);                                                              \
    }                                                                                              \
    static inline uint##bits##_t lf_fetch_add_relaxed_##bits(uint##bits##_t *p, uint##bits##_t n)  \
    {                                                                                              \
        return ck_pr_faa_##bits(p, n);                                                             \
    }                                                                                              \
    static inline uint##bits##_t lf_fetch_add_acquire_##bits(uint##bits##_t *p, uint##bits##_t n)  \
    {                                                                                              \
        uint##bits##_t value = ck_pr_faa_##bits(p, n);                                             \
        ck_pr_fence_acquire();                                                                     \
        return value;                                                                              \
    }                                                                                              \
    static inline void lf_add_release_##bits(uint##bits##_t *p, uint##bits##_t n)                  \
    {                                                                                              \
        ck_pr_fence_release();                                                                     \
        ck_pr_add_##bits(p, n);                                                                    \
    }                                                                                              \
    static inline uint##bits##_t lf_swap_acq_rel_##bits(uint##bits##_t *p, uint##bits##_t value)   \
    {                                                                                              \
        ck_pr_fence_release();                                                                     \
        value = ck_pr_fas_##bits(p, value);                                                        \
        ck_pr_fence_acquire();                                                                     \
        return value;                                                                              \
    }                                                                                              \
    static inline bool lf_cas_acq_rel_##bits(uint##bits##_t *p, uint##bits##_t expected,           \
                                             uint##bits##_t value)                                 \
    {                                                                                              \
        ck_pr_fence_release();                                                                     \
        bool swapped = ck_pr_cas_##bits(p, expected, value);                                       \
        ck_pr_fence_acquire();                                                                     \
        return swapped;                                                                            \
    }

#else /* LF_ATOMIC_BUILTIN */

static inline void lf_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("yield");
#endif
}

/* An operation instead of a fence: ThreadSanitizer does not model fences. */
static inline void lf_fence(void)
{
    static uint32_t word;
    __atomic_fetch_add(&word, 0, __ATOMIC_SEQ_CST);
}

static inline void lf_fence_atomic_load(void)
{
    lf_fence();
}

#define LF_ATOMIC_DEFINE(bits)                                                                     \
    static inline uint##bits##_t lf_load_relaxed_##bits(const uint##bits##_t *p)                   \
    {                                                                                              \
        return __atomic_load_n(p, __ATOMIC_RELAXED);                                               \
    }                                                                                              \
    static inline uint##bits##_t lf_load_acquire_##bits(const uint##bits##_t *p)                   \
    {                                                                                              \
        return __atomic_load_n(p, __ATOMIC_ACQUIRE);                                               \
    }                                                                                              \
    static inline void lf_store_relaxed_##bits(uint##bits##_t *p, uint##bits##_t value)            \
    {                                                                                              \
        __atomic_store_n(p, value, __ATOMIC_RELAXED);                                              \
    }                                                                                              \
    static inline void lf_store_release_##bits(uint##bits##_t *p, uint##bits##_t value)            \
    {                                                                                              \
        __atomic_store_n(p, value, __ATOMIC_RELEASE);                                              \
    }                                                                                              \
    static inline uint##bits##_t lf_fetch_add_relaxed_##bits(uint##bits##_t *p, uint##bits##_t n)  \
    {                                                                                              \
        return __atomic_fetch_add(p, n, __ATOMIC_RELAXED);                                         \
    }                                                                                              \
    static inline uint##bits##_t lf_fetch_add_acquire_##bits(uint##bits##_t *p, uint##bits##_t n)  \
    {                                                                                              \
        return __atomic_fetch_add(p, n, __ATOMIC_ACQUIRE);                                         \
    }                                                                                              \
    static inline void lf_add_release_##bits(uint##bits##_t *p, uint##bits##_t n)                  \
    {                                                                                              \
        __atomic_fetch_add(p, n, __ATOMIC_RELEASE);                                                \
    }                                                                                              \
    static inline uint##bits##_t lf_swap_acq_rel_##bits(uint##bits##_t *p, uint##bits##_t value)   \
    {                                                                                              \
        return __atomic_exchange_n(p, value, __ATOMIC_ACQ_REL);                                    \
    }                                                                                              \
    static inline bool lf_cas_acq_rel_##bits(uint##bits##_t *p, uint##bits##_t expected,           \
                                             uint##bits##_t value)                                 \
    {                                                                                              \
        return __atomic_compare_exchange_n(p, &expected, value, false, __ATOMIC_ACQ_REL,           \
                                           __ATOMIC_ACQUIRE);                                      \
    }

#endif

LF_ATOMIC_DEFINE(32)
LF_ATOMIC_DEFINE(64)

#undef LF_ATOMIC_DEFINE

#endif /* LF_ATOMIC_H */
