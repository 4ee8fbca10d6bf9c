/* SPDX-License-Identifier: MIT */
#include "core_to_core.h"

#include "clock.h"
#include "signals.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

#define BATCH 200u /* times there and back between two looks at the clock */
#define PAIR_NS (BENCH_NS_PER_S / 50)
#define PAIR_MIN_NS (BENCH_NS_PER_S / 500)
#define ALL_NS (20 * BENCH_NS_PER_S)
#define PRINTED_MAX 16 /* processors whose whole map is printed */
#define END UINT64_MAX

/* One line, and its neighbour, which some processors fetch with it.  The number of turns: even ones are the
 * asker's, odd ones the answerer's.  W: each on the other's turn.  END: the answerer is to end. */
struct ball {
    _Alignas(128) _Atomic uint64_t turn;
    _Alignas(128) unsigned cpu;
};

static int bind_to(unsigned cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return -pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/* Waits for the asker, on another processor, which hands over or ends. */
static void *answer(void *arg)
{
    struct ball *ball = arg;
    uint64_t turn = 0;
    bench_signals_leave_to_main();
    bind_to(ball->cpu);
    for (;;) {
        uint64_t seen = atomic_load_explicit(&ball->turn, memory_order_acquire);
        if (seen == END)
            return NULL;
        if (seen != turn + 1)
            continue;
        turn += 2;
        atomic_store_explicit(&ball->turn, turn, memory_order_release);
    }
}

/* There and back so many times; the answerer runs, or will. */
static void ask(struct ball *ball, uint64_t *turn)
{
    for (unsigned i = 0; i < BATCH; i++) {
        atomic_store_explicit(&ball->turn, *turn + 1, memory_order_release);
        *turn += 2;
        while (atomic_load_explicit(&ball->turn, memory_order_acquire) != *turn)
            ;
    }
}

static double least_ns(struct ball *ball, uint64_t duration_ns)
{
    uint64_t turn = 0;
    double least = 0;
    ask(ball, &turn); /* until both are there */
    uint64_t start_ns = bench_now_ns();
    uint64_t now_ns = start_ns;
    do {
        uint64_t begin_ns = now_ns;
        ask(ball, &turn);
        now_ns = bench_now_ns();
        double ns = (double)(now_ns - begin_ns) / (2 * BATCH);
        least = least == 0 || ns < least ? ns : least;
    } while (now_ns - start_ns < duration_ns);
    atomic_store_explicit(&ball->turn, END, memory_order_release);
    return least;
}

static int measure_pair(struct bench_core_to_core *map, unsigned a, unsigned b, uint64_t ns)
{
    struct ball ball = {.cpu = map->cpus[b]};
    pthread_t answerer;
    int error = bind_to(map->cpus[a]);
    if (error == 0)
        error = -pthread_create(&answerer, NULL, answer, &ball);
    if (error != 0)
        return error;
    map->ns[a][b] = map->ns[b][a] = least_ns(&ball, ns);
    pthread_join(answerer, NULL);
    return 0;
}

static int measure_pairs(struct bench_core_to_core *map)
{
    unsigned pairs = map->count * (map->count - 1) / 2;
    uint64_t ns = pairs > 0 && ALL_NS / pairs < PAIR_NS ? ALL_NS / pairs : PAIR_NS;
    int error = 0;
    for (unsigned a = 0; a < map->count; a++)
        for (unsigned b = a + 1; b < map->count && error == 0 && bench_signals_caught() == 0; b++)
            error = measure_pair(map, a, b, ns > PAIR_MIN_NS ? ns : PAIR_MIN_NS);
    return error;
}

int bench_core_to_core(struct bench_core_to_core *map)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -errno;
    *map = (struct bench_core_to_core){.count = 0};
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && map->count < BENCH_CORES_MAX; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            map->cpus[map->count++] = cpu;
    int error = measure_pairs(map);
    if (sched_setaffinity(0, sizeof allowed, &allowed) != 0 && error == 0)
        error = -errno;
    return error;
}

/* ---- What is told of it ---------------------------------------------------------------------- */

void bench_core_to_core_json(FILE *out, const struct bench_core_to_core *map)
{
    fputs(map == NULL ? ",\"core_to_core\":null" : ",\"core_to_core\":[", out);
    for (unsigned a = 0; map != NULL && a < map->count; a++) {
        fputs(a > 0 ? ",[" : "[", out);
        for (unsigned b = 0; b < map->count; b++) {
            fputs(b > 0 ? "," : "", out);
            if (map->ns[a][b] > 0)
                fprintf(out, "%.1f", map->ns[a][b]);
            else
                fputs("null", out);
        }
        fputc(']', out);
    }
    if (map != NULL)
        fputc(']', out);
}

static void print_range(FILE *out, const struct bench_core_to_core *map)
{
    double least = 0, most = 0;
    for (unsigned a = 0; a < map->count; a++)
        for (unsigned b = 0; b < a; b++) {
            if (map->ns[a][b] > 0 && (least == 0 || map->ns[a][b] < least))
                least = map->ns[a][b];
            most = map->ns[a][b] > most ? map->ns[a][b] : most;
        }
    if (map->count == 2)
        fprintf(out, "core to core: a line takes %.0f ns\n", least);
    else
        fprintf(out, "core to core: a line takes %.0f to %.0f ns\n", least, most);
}

void bench_core_to_core_print(FILE *out, const struct bench_core_to_core *map)
{
    if (map->count < 2) {
        fputs("core to core: there is one processor\n", out);
        return;
    }
    print_range(out, map);
    if (map->count == 2 || map->count > PRINTED_MAX)
        return;
    for (unsigned a = 1; a < map->count; a++) {
        fprintf(out, "  cpu %3u", map->cpus[a]);
        for (unsigned b = 0; b < a; b++)
            fprintf(out, "%6.0f", map->ns[a][b]);
        fputc('\n', out);
    }
}
