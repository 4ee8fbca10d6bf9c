/* SPDX-License-Identifier: MIT */
#include "place.h"
#include "place_plan.h"

#include <hwloc/linux.h>

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODES_MAX 1024 /* what the kernel can be built for */
#define PAGES_AT_A_TIME 512

/* W: the thread itself.  R: whoever reads back.  By its kernel number, since that of a thread which
 * has ended is refused, while its pthread_t may name anything. */
struct bound_thread {
    _Atomic pid_t tid; /* 0: never started */
    _Atomic int error;
};

struct bench_place {
    hwloc_topology_t topology;
    struct bench_place_plan plan;
    struct bound_thread *writers; /* one each; NULL: anywhere */
    struct bound_thread sequencer;
    void *ring; /* W, R: the thread that opens and closes the log; NULL: not allocated here */
    size_t ring_bytes;
    int ring_error;
};

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Strictly: pages that spill to another node would be measured as if they lay on this one. */
static int bind_memory(const struct bench_place *place, void *memory, size_t bytes)
{
    hwloc_membind_policy_t policy =
        place->plan.interleaved ? HWLOC_MEMBIND_INTERLEAVE : HWLOC_MEMBIND_BIND;
    if (hwloc_set_area_membind(place->topology, memory, bytes, place->plan.memory, policy,
                               HWLOC_MEMBIND_STRICT | HWLOC_MEMBIND_BYNODESET) == 0)
        return 0;
    return errno > 0 ? -errno : -EINVAL;
}

/* Anonymous pages are zeros, and are given by the policy when they are first touched. */
static int map_bound(const struct bench_place *place, size_t bytes, void **memoryp)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    int error = bind_memory(place, memory, bytes);
    if (error != 0) {
        munmap(memory, bytes);
        return error;
    }
    *memoryp = memory;
    return 0;
}

/* ---- Planning -------------------------------------------------------------------------------- */

static bool can_bind_threads(hwloc_topology_t topology)
{
    return hwloc_topology_get_support(topology)->cpubind->set_thisthread_cpubind != 0;
}

static bool can_bind_memory(const struct bench_place *place)
{
    const struct hwloc_topology_membind_support *support =
        hwloc_topology_get_support(place->topology)->membind;
    return support->set_area_membind != 0 &&
           (place->plan.interleaved ? support->interleave_membind : support->bind_membind) != 0;
}

/* hwloc tells what it can ask for; only the kernel tells whether it, or a container, lets one. */
static int try_memory(const struct bench_place *place)
{
    void *memory;
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    int error = map_bound(place, bytes, &memory);
    if (error == 0)
        munmap(memory, bytes);
    return error;
}

static int check_support(const struct bench_place *place, char *message, size_t message_bytes)
{
    const struct bench_place_plan *plan = &place->plan;
    if ((plan->writers != NULL || plan->sequencer != NULL) && !can_bind_threads(place->topology)) {
        snprintf(message, message_bytes, "--%s: threads cannot be bound here",
                 plan->writers != NULL ? "pin" : "pin-sequencer");
        return -1;
    }
    if (plan->memory == NULL)
        return 0;
    int error = can_bind_memory(place) ? try_memory(place) : -ENOSYS;
    if (error != 0)
        snprintf(message, message_bytes, "--ring-memory: memory cannot be bound here: %s",
                 strerror(-error));
    return error != 0 ? -1 : 0;
}

static int allocate_threads(struct bench_place *place, char *message, size_t message_bytes)
{
    if (place->plan.writers == NULL)
        return 0;
    place->writers = calloc(place->plan.writer_count, sizeof *place->writers);
    if (place->writers == NULL)
        snprintf(message, message_bytes, "out of memory");
    return place->writers != NULL ? 0 : -1;
}

int bench_place_create(hwloc_topology_t topology, const struct bench_place_options *options,
                       unsigned writers, struct bench_place **placep, char *message,
                       size_t message_bytes)
{
    struct bench_place *place = calloc(1, sizeof *place);
    if (place == NULL) {
        snprintf(message, message_bytes, "out of memory");
        return -1;
    }
    place->topology = topology;
    if (bench_place_plan_make(topology, options, writers, &place->plan, message, message_bytes) !=
            0 ||
        check_support(place, message, message_bytes) != 0 ||
        allocate_threads(place, message, message_bytes) != 0) {
        bench_place_destroy(place);
        return -1;
    }
    *placep = place;
    return 0;
}

void bench_place_destroy(struct bench_place *place)
{
    if (place == NULL)
        return;
    assert(place->ring == NULL);
    bench_place_plan_free(&place->plan);
    free(place->writers);
    free(place);
}

/* ---- Binding --------------------------------------------------------------------------------- */

hwloc_const_cpuset_t bench_place_writer(const struct bench_place *place, unsigned index)
{
    if (place->plan.writers == NULL)
        return NULL;
    assert(index < place->plan.writer_count);
    return place->plan.writers[index];
}

/* NULL only notes the thread. */
static int bind_thread(const struct bench_place *place, struct bound_thread *thread,
                       hwloc_const_cpuset_t set)
{
    int error = set != NULL ? bench_pin_thread(place->topology, set) : 0;
    thread->error = error;
    thread->tid = gettid();
    return error;
}

int bench_place_bind_writer(struct bench_place *place, unsigned index)
{
    hwloc_const_cpuset_t set = bench_place_writer(place, index);
    return set != NULL ? bind_thread(place, &place->writers[index], set) : 0;
}

static void start_thread(void *arg, enum logfile_thread role)
{
    struct bench_place *place = arg;
    if (role == LOGFILE_THREAD_SEQUENCER)
        bind_thread(place, &place->sequencer, place->plan.sequencer);
}

static void *allocate_ring(void *arg, size_t bytes)
{
    struct bench_place *place = arg;
    assert(place->ring == NULL);
    place->ring_error = map_bound(place, bytes, &place->ring);
    place->ring_bytes = bytes;
    return place->ring;
}

static void free_ring(void *arg, void *memory, size_t bytes)
{
    struct bench_place *place = arg;
    assert(memory == place->ring && bytes == place->ring_bytes);
    munmap(memory, bytes);
    place->ring = NULL;
}

void bench_place_hook(struct bench_place *place, struct logfile_options *options,
                      struct logfile_lab *lab)
{
    place->sequencer.tid = 0;
    place->sequencer.error = 0;
    place->ring_error = 0;
    options->thread_start = start_thread;
    options->thread_arg = place;
    if (place->plan.memory == NULL)
        return;
    lab->ring_alloc = allocate_ring;
    lab->ring_free = free_ring;
    lab->ring_arg = place;
}

/* ---- Reading back ---------------------------------------------------------------------------- */

static int first_error(const struct bench_place *place)
{
    for (unsigned i = 0; place->writers != NULL && i < place->plan.writer_count; i++)
        if (place->writers[i].error != 0)
            return place->writers[i].error;
    return place->sequencer.error != 0 ? place->sequencer.error : place->ring_error;
}

static void mark_cut(char *text, size_t length)
{
    if (length >= BENCH_PLACE_TEXT)
        strcpy(text + BENCH_PLACE_TEXT - 4, "...");
}

static void print_set(hwloc_const_bitmap_t set, char *text)
{
    mark_cut(text, (size_t)hwloc_bitmap_list_snprintf(text, BENCH_PLACE_TEXT, set));
}

/* Where the kernel lets the thread run; false: it never started, or has ended. */
static bool read_thread(const struct bench_place *place, const struct bound_thread *thread,
                        hwloc_cpuset_t set)
{
    return thread->tid != 0 && hwloc_linux_get_tid_cpubind(place->topology, thread->tid, set) == 0;
}

static void read_writers(const struct bench_place *place, hwloc_cpuset_t set, char *text)
{
    hwloc_cpuset_t all = hwloc_bitmap_alloc();
    if (all == NULL)
        return;
    for (unsigned i = 0; place->writers != NULL && i < place->plan.writer_count; i++)
        if (read_thread(place, &place->writers[i], set))
            hwloc_bitmap_or(all, all, set);
    print_set(all, text);
    hwloc_bitmap_free(all);
}

/* A thread that nobody bound may have inherited a binding, which is told unless it is all of the
 * machine. */
static void read_sequencer(const struct bench_place *place, hwloc_cpuset_t set, char *text)
{
    if (!read_thread(place, &place->sequencer, set))
        return;
    if (place->plan.sequencer != NULL ||
        !hwloc_bitmap_isincluded(hwloc_topology_get_topology_cpuset(place->topology), set))
        print_set(set, text);
}

/* Counts touched pages by node; an untouched one has a negative status.  False: not known. */
static bool count_pages(char *memory, size_t page_bytes, size_t page_count, size_t *counts)
{
    void *pages[PAGES_AT_A_TIME];
    int nodes[PAGES_AT_A_TIME];
    for (size_t i = 0; i < page_count; i++)
        pages[i] = memory + i * page_bytes;
    if (syscall(SYS_move_pages, 0, page_count, pages, NULL, nodes, 0) != 0)
        return false;
    for (size_t i = 0; i < page_count; i++)
        if (nodes[i] >= 0 && nodes[i] < NODES_MAX)
            counts[nodes[i]]++;
    return true;
}

static bool count_ring(const struct bench_place *place, size_t *counts)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t left = place->ring_bytes / page_bytes;
    for (char *memory = place->ring; left > 0;) {
        size_t count = left < PAGES_AT_A_TIME ? left : PAGES_AT_A_TIME;
        if (!count_pages(memory, page_bytes, count, counts))
            return false;
        memory += count * page_bytes;
        left -= count;
    }
    return true;
}

static void read_ring(const struct bench_place *place, char *text)
{
    size_t counts[NODES_MAX] = {0};
    size_t used = 0;
    if (place->ring == NULL || !count_ring(place, counts))
        return;
    for (unsigned node = 0; node < NODES_MAX && used < BENCH_PLACE_TEXT; node++)
        if (counts[node] > 0)
            used += (size_t)snprintf(text + used, BENCH_PLACE_TEXT - used, "%s%u:%zu",
                                     used > 0 ? " " : "", node, counts[node]);
    mark_cut(text, used);
}

void bench_place_read_back(struct bench_place *place, struct bench_placement *placement)
{
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    memset(placement, 0, sizeof *placement);
    placement->error = set != NULL ? first_error(place) : -ENOMEM;
    if (set == NULL)
        return;
    read_writers(place, set, placement->writers);
    read_sequencer(place, set, placement->sequencer);
    read_ring(place, placement->ring_memory);
    hwloc_bitmap_free(set);
}
