/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES ((size_t)4096)
#define ARENA_BYTES ((size_t)4 << 20)
#define PAGE_COUNT (ARENA_BYTES / PAGE_BYTES)

static uint8_t *arena, *kept;
static size_t used_bytes, kept_bytes;
/* Pages that were written since they were kept, some time: each of them is copied back. */
static unsigned written[PAGE_COUNT];
static unsigned written_count;

static void die(const char *what)
{
    perror(what);
    abort();
}

/* The first write to a page that was kept: from now on it is copied back each time. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr - (uintptr_t)arena;

    (void)context;
    if (at >= kept_bytes) { /* a plain bug: the fault comes again, and strikes */
        signal(number, SIG_DFL);
        return;
    }
    written[written_count++] = (unsigned)(at / PAGE_BYTES);
    mprotect(arena + at / PAGE_BYTES * PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE);
}

static uint8_t *map(void)
{
    void *memory =
        mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    return memory;
}

static void set_up(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

    arena = map();
    kept = map();
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, NULL) != 0)
        die("sigaction");
}

void arena_clear(void)
{
    if (arena == NULL)
        set_up();
    if (mprotect(arena, ARENA_BYTES, PROT_READ | PROT_WRITE) != 0)
        die("mprotect");
    memset(arena, 0, used_bytes);
    used_bytes = kept_bytes = 0;
    written_count = 0;
}

void *arena_take(size_t bytes, size_t alignment)
{
    size_t at = (used_bytes + alignment - 1) & ~(alignment - 1);

    if (at + bytes > ARENA_BYTES) {
        fputs("explore: the arena is full\n", stderr);
        abort();
    }
    used_bytes = at + bytes;
    return arena + at;
}

void arena_keep(void)
{
    used_bytes = (used_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    kept_bytes = used_bytes;
    memcpy(kept, arena, kept_bytes);
    if (kept_bytes > 0 && mprotect(arena, kept_bytes, PROT_READ) != 0)
        die("mprotect");
}

void arena_restore(void)
{
    for (unsigned i = 0; i < written_count; i++)
        memcpy(arena + written[i] * PAGE_BYTES, kept + written[i] * PAGE_BYTES, PAGE_BYTES);
    if (used_bytes > kept_bytes)
        memset(arena + kept_bytes, 0, used_bytes - kept_bytes);
    used_bytes = kept_bytes;
}
