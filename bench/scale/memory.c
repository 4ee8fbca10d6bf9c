/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include "base/atomic.h"
#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_BYTES ((size_t)4 << 30)

enum {
    HASHED_ADDRESSES = 256,
    STACKS_MAX = 8192,
    WORD_COPY_BYTES = 16
};

static uint8_t *arena;
static size_t used_bytes;
static uint32_t *line_numbers; /* of each line of the arena; 0: never touched */
/* Of each line of the arena: 0: it is no data; 1: no processor has touched it; else that processor and 2. */
static uint16_t *touched_by;
static uint8_t *stacks[STACKS_MAX];
static unsigned stack_count;

struct memory_data memory_data;
uint64_t memory_operations;

/* ---- Memory ---------------------------------------------------------------------------------- */

void memory_die(const char *what)
{
    fprintf(stderr, "logfile-scale: %s\n", what);
    exit(3);
}

void *memory_map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        memory_die("no address space");
    return memory;
}

void memory_start(void)
{
    arena = memory_map(ARENA_BYTES);
    line_numbers = memory_map((ARENA_BYTES >> LINE_BYTES_SHIFT) * sizeof *line_numbers);
    touched_by = memory_map((ARENA_BYTES >> LINE_BYTES_SHIFT) * sizeof *touched_by);
}

void *memory_take(size_t bytes, size_t alignment)
{
    size_t at = (used_bytes + alignment - 1) & ~(alignment - 1);

    if (bytes > ARENA_BYTES - at)
        memory_die("more memory than a simulation has");
    used_bytes = at + bytes;
    return arena + at;
}

uint8_t *memory_take_stack(void)
{
    uint8_t *stack = memory_take(STACK_BYTES, 4096);

    if (stack_count == STACKS_MAX)
        memory_die("more threads than a simulation has");
    return stacks[stack_count++] = stack;
}

static size_t offset_of(const void *at)
{
    return (size_t)((uintptr_t)at - (uintptr_t)arena);
}

bool memory_has(const void *at)
{
    return offset_of(at) < ARENA_BYTES;
}

bool memory_is_stack(const void *at)
{
    for (unsigned i = 0; i < stack_count; i++)
        if ((uintptr_t)at - (uintptr_t)stacks[i] < STACK_BYTES)
            return true;
    return false;
}

size_t memory_index(const void *at)
{
    return offset_of(at) >> LINE_BYTES_SHIFT;
}

const void *memory_at(size_t index)
{
    return arena + (index << LINE_BYTES_SHIFT);
}

size_t memory_index_end(void)
{
    return (used_bytes >> LINE_BYTES_SHIFT) + 1;
}

struct line *memory_line_of_index(size_t index)
{
    return line_numbers[index] != 0 ? line_numbered(line_numbers[index]) : NULL;
}

static struct line *line_at(size_t offset)
{
    uint32_t *number = &line_numbers[offset >> LINE_BYTES_SHIFT];

    if (*number == 0)
        *number = line_new()->number;
    return line_numbered(*number);
}

struct line *memory_line(const void *at)
{
    size_t offset = offset_of(at);

    if (offset >= ARENA_BYTES)
        memory_die("an atomic operation on memory that is not simulated");
    return line_at(offset);
}

void memory_is_data(const void *at, size_t bytes)
{
    size_t first = memory_index(at);

    for (size_t i = 0; i < bytes >> LINE_BYTES_SHIFT; i++)
        touched_by[first + i] = 1;
}

static uint64_t peek(const void *p, unsigned bits)
{
    uint64_t value = 0;

    memcpy(&value, p, bits / 8); /* little-endian, as the library is */
    return value;
}

static void poke(void *p, unsigned bits, uint64_t value)
{
    memcpy(p, &value, bits / 8);
}

void memory_poke(const struct pending_store *store)
{
    poke(store->at, store->bits, store->value);
}

/* ---- Atomic operations ------------------------------------------------------------------------ */

/* The running thread's last store to this address that is still under way, or NULL. */
static const struct pending_store *own_store(const void *p)
{
    const struct cpu *cpu = cpu_self;

    for (unsigned i = cpu->store_count; i-- > 0;) {
        const struct pending_store *store = &cpu->stores[(cpu->store_first + i) % CPU_STORES_MAX];
        if (store->at == p)
            return store;
    }
    return NULL;
}

uint64_t scale_load(const void *p, unsigned bits)
{
    struct line *line = memory_line(p);

    memory_operations++;
    cpu_spend(CPU_WORK, costs.load_ns);
    cpu_sync();
    const struct pending_store *store = own_store(p);
    if (store != NULL)
        return store->value;
    line_await(line, false);
    cpu_self->loaded_line = line;
    return peek(p, bits);
}

void scale_store(void *p, unsigned bits, uint64_t value)
{
    struct pending_store store = {p, value, bits, memory_line(p), 0};
    struct cpu *cpu;
    uint64_t queued_ps;

    memory_operations++;
    cpu_spend(CPU_WORK, costs.store_ns);
    cpu_sync();
    if (cpu_self->store_count == CPU_STORES_MAX)
        line_await_stores();
    cpu = cpu_self;
    uint64_t seen_ps = line_request(store.line, cpu_number(cpu), cpu->now_ps, true, &queued_ps);
    if (seen_ps <= cpu->now_ps && cpu->stored_ps <= cpu->now_ps && cpu->store_count == 0) {
        poke(p, bits, value);
        return;
    }
    if (seen_ps > cpu->stored_ps) {
        cpu->stored_ps = seen_ps;
        cpu->stored_line = store.line;
    }
    store.granted_ps = seen_ps;
    cpu_store_later(&store, cpu->stored_ps);
}

/* The line is the running thread's, and no store is under way. */
static void own(const void *p)
{
    memory_operations++;
    cpu_sync();
    line_await_stores();
    line_await(memory_line(p), true);
    cpu_spend(CPU_WORK, costs.rmw_ns);
    cpu_self->loaded_line = NULL;
}

uint64_t scale_add(void *p, unsigned bits, uint64_t n)
{
    own(p);
    uint64_t old = peek(p, bits);
    poke(p, bits, old + n);
    return old;
}

uint64_t scale_swap(void *p, unsigned bits, uint64_t value)
{
    own(p);
    uint64_t old = peek(p, bits);
    poke(p, bits, value);
    return old;
}

bool scale_cas(void *p, unsigned bits, uint64_t expected, uint64_t value)
{
    own(p);
    if (peek(p, bits) != expected)
        return false;
    poke(p, bits, value);
    return true;
}

void scale_pause(void)
{
    cpu_spend(CPU_SPIN, costs.pause_ns);
}

void scale_stall(void)
{
    cpu_sync();

    /* Not before: another thread may have run here, and have loaded what is on the line now. */
    struct line *line = cpu_self->loaded_line;
    if (line != NULL && line->owner < 0 &&
        line_is_here(line, cpu_number(cpu_self), cpu_self->now_ps, false) &&
        line->sharers[cpu_number(cpu_self) / 64] >> cpu_number(cpu_self) % 64 & 1)
        cpu_park(line, costs.pause_ns + costs.load_ns);
    else
        cpu_spend(CPU_SPIN, costs.pause_ns);
}

/* ---- The library's mapping (src/base/atomic.h) ------------------------------------------------ */

void lf_explore_pause(void)
{
    scale_pause();
}

void lf_explore_fence(void)
{
    cpu_sync();
    line_await_stores();
    cpu_spend(CPU_WORK, costs.fence_ns);
}

uint64_t lf_explore_load(const void *p, unsigned bits, enum lf_explore_order order)
{
    (void)order;
    return scale_load(p, bits);
}

void lf_explore_store(void *p, unsigned bits, uint64_t value, enum lf_explore_order order)
{
    (void)order;
    scale_store(p, bits, value);
}

uint64_t lf_explore_add(void *p, unsigned bits, uint64_t n, enum lf_explore_order order)
{
    (void)order;
    return scale_add(p, bits, n);
}

uint64_t lf_explore_swap(void *p, unsigned bits, uint64_t value, enum lf_explore_order order)
{
    (void)order;
    return scale_swap(p, bits, value);
}

bool lf_explore_cas(void *p, unsigned bits, uint64_t expected, uint64_t value,
                    enum lf_explore_order order)
{
    (void)order;
    return scale_cas(p, bits, expected, value);
}

/* ---- Plain accesses --------------------------------------------------------------------------- */

/* The lines of a buffer that others touched last come from them, `overlap` at a time. */
static void touch_data(size_t from, size_t to)
{
    unsigned cpu = cpu_number(cpu_self);
    uint64_t ps = 0;

    for (size_t i = from >> LINE_BYTES_SHIFT; i <= (to - 1) >> LINE_BYTES_SHIFT; i++) {
        unsigned before = touched_by[i];
        touched_by[i] = (uint16_t)(cpu + 2);
        if (before == cpu + 2)
            continue;
        ps += before < 2 ? costs.memory_ns : costs.line_ps[cpu][before - 2];
        if (before < 2)
            continue;
        memory_data.transfers++;
        memory_data.far += (before - 2) / costs.node_processors != cpu / costs.node_processors;
    }
    ps /= costs.overlap;
    cpu_spend(CPU_TRANSFER, ps);
    memory_data.transfer_ps += ps;
}

static void touch_line(struct line *line, bool writes)
{
    uint64_t queued_ps;

    if (line_is_here(line, cpu_number(cpu_self), cpu_self->now_ps, writes))
        return;
    cpu_sync();
    if (!writes) {
        line_await(line, false);
        return;
    }
    /* A store waits for nothing; those after it are seen after it. */
    uint64_t seen_ps = line_request(line, cpu_number(cpu_self), cpu_self->now_ps, true, &queued_ps);
    if (seen_ps > cpu_self->stored_ps) {
        cpu_self->stored_ps = seen_ps;
        cpu_self->stored_line = line;
    }
}

static inline void touch(const void *at, size_t bytes, bool writes)
{
    if (cpu_self == NULL)
        return;
    cpu_spend(CPU_WORK, costs.access_ns);
    size_t offset = offset_of(at);
    if (offset >= ARENA_BYTES || (uintptr_t)at - (uintptr_t)thread_self->stack < STACK_BYTES)
        return;
    if (touched_by[offset >> LINE_BYTES_SHIFT] != 0) {
        touch_data(offset, offset + bytes);
        return;
    }
    for (size_t i = offset >> LINE_BYTES_SHIFT; i <= (offset + bytes - 1) >> LINE_BYTES_SHIFT; i++)
        touch_line(line_at(i << LINE_BYTES_SHIFT), writes);
}

void memory_copy(const void *at, size_t bytes, bool writes)
{
    if (cpu_self == NULL || bytes == 0)
        return;
    if (bytes > WORD_COPY_BYTES) /* A short one is a load and a store. */
        cpu_spend(CPU_WORK, costs.copy_ns + bytes * costs.copy_kib_ns / 1024);
    touch(at, bytes, writes);
}

/* What the compiler calls for a plain access.  Declared here, because no header does. */
#define HOOK(name, bytes, writes)                                                                  \
    void __tsan_##name(const void *at);                                                            \
    void __tsan_##name(const void *at)                                                             \
    {                                                                                              \
        touch(at, bytes, writes);                                                                  \
    }
#define HOOKS(bytes)                                                                               \
    HOOK(read##bytes, bytes, false)                                                                \
    HOOK(write##bytes, bytes, true)                                                                \
    HOOK(read_write##bytes, bytes, true)                                                           \
    HOOK(volatile_read##bytes, bytes, false)                                                       \
    HOOK(volatile_write##bytes, bytes, true)                                                       \
    HOOK(unaligned_read##bytes, bytes, false)                                                      \
    HOOK(unaligned_write##bytes, bytes, true)                                                      \
    HOOK(unaligned_read_write##bytes, bytes, true)                                                 \
    HOOK(unaligned_volatile_read##bytes, bytes, false)                                             \
    HOOK(unaligned_volatile_write##bytes, bytes, true)
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

void __tsan_read_range(const void *at, size_t bytes);
void __tsan_read_range(const void *at, size_t bytes)
{
    touch(at, bytes, false);
}
void __tsan_write_range(const void *at, size_t bytes);
void __tsan_write_range(const void *at, size_t bytes)
{
    touch(at, bytes, true);
}
void __tsan_init(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
    (void)caller;
}
void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

/* ---- Sleepers ---------------------------------------------------------------------------------- */

static struct thread *sleepers[HASHED_ADDRESSES];

static struct thread **list_of(const void *at)
{
    return &sleepers[((uintptr_t)at >> 2) % HASHED_ADDRESSES];
}

void memory_note_waiter(const void *at)
{
    struct thread **link = list_of(at);

    while (*link != NULL)
        link = &(*link)->next;
    thread_self->waits_at = at;
    thread_self->next = NULL;
    *link = thread_self;
}

static struct thread *unlink_at(struct thread **link)
{
    struct thread *thread = *link;

    *link = thread->next;
    thread->next = NULL;
    thread->waits_at = NULL;
    return thread;
}

void memory_forget_waiter(struct thread *thread)
{
    if (thread->waits_at == NULL)
        return;
    for (struct thread **link = list_of(thread->waits_at); *link != NULL; link = &(*link)->next)
        if (*link == thread) {
            unlink_at(link);
            return;
        }
}

struct thread *memory_take_waiters(const void *at, uint32_t count)
{
    struct thread *first = NULL;
    struct thread **last = &first;

    for (struct thread **link = list_of(at); count > 0 && *link != NULL;) {
        if ((*link)->waits_at != at) {
            link = &(*link)->next;
            continue;
        }
        *last = unlink_at(link);
        (*last)->sleep_number++;
        last = &(*last)->next;
        count--;
    }
    return first;
}

void memory_wake_all(const void *at)
{
    struct thread *next;

    for (struct thread *thread = memory_take_waiters(at, UINT32_MAX); thread != NULL;
         thread = next) {
        next = thread->next;
        thread_wake(thread);
    }
}
