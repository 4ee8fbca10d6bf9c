/* SPDX-License-Identifier: MIT */
/* Explores the schedules of one world, or repeats one of them. */
#include "world.h"

#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    const struct world *world;
    const char *replay;
    struct bounds bounds;
    uint64_t exhaust;
    uint64_t random;
    uint64_t seed;
};

static int usage(void)
{
    fputs("usage: explore WORLD [--preemptions N] [--delays N] [--faults N] "
          "[--exhaust SCHEDULES] [--random SCHEDULES] [--seed N] | WORLD --replay CHOICES | "
          "--list\n",
          stderr);
    return 2;
}

static void list(const struct world *worlds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        printf("%-20s %s\n", worlds[i].name, worlds[i].about);
}

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
}

static bool parse_option(struct request *request, const char *name, const char *value)
{
    static const char *const budgets[] = {"--preemptions", "--delays", "--faults"};
    uint64_t number;

    if (strcmp(name, "--replay") == 0) {
        request->replay = value;
        return true;
    }
    if (!parse_number(value, &number))
        return false;
    for (unsigned i = 0; i < BUDGET_COUNT; i++) {
        if (strcmp(name, budgets[i]) != 0)
            continue;
        request->bounds.of[i] = (unsigned)number;
        return number <= 100;
    }
    uint64_t *to = strcmp(name, "--exhaust") == 0  ? &request->exhaust
                   : strcmp(name, "--random") == 0 ? &request->random
                   : strcmp(name, "--seed") == 0   ? &request->seed
                                                   : NULL;
    if (to != NULL)
        *to = number;
    return to != NULL;
}

static bool parse(struct request *request, int count, char **arguments)
{
    if (count < 2 || count % 2 != 0)
        return false;
    request->world = world_find(arguments[1]);
    if (request->world == NULL)
        return false;
    request->bounds = (struct bounds){{2, 1, request->world->faults}};
    for (int i = 2; i < count; i += 2)
        if (!parse_option(request, arguments[i], arguments[i + 1]))
            return false;
    if (request->exhaust == 0 && request->random == 0)
        request->exhaust = UINT64_MAX;
    return true;
}

static void report(const struct request *request, const char *how, uint64_t count,
                   uint64_t begun_ns)
{
    double seconds = (double)(now_ns() - begun_ns) / 1e9;

    printf("%s: %" PRIu64 " schedules %s, preemptions <= %u, delays <= %u, faults <= %u, %.1f s "
           "(%.0f a second)\n",
           request->world->name, count, how, request->bounds.of[BUDGET_PREEMPTIONS],
           request->bounds.of[BUDGET_DELAYS], request->bounds.of[BUDGET_FAULTS], seconds,
           seconds > 0 ? (double)count / seconds : 0);
}

static const char *explore(const struct request *request)
{
    char from[1 << 14] = "";
    const char *failure = NULL;
    uint64_t begun_ns = now_ns();
    uint64_t count;

    if (request->exhaust > 0) {
        count = world_exhaust(request->world, &request->bounds, request->exhaust, from, sizeof from,
                              &failure);
        report(request, *from == '\0' && failure == NULL ? "(all)" : "(not all)", count, begun_ns);
    }
    if (request->random > 0 && failure == NULL) {
        begun_ns = now_ns();
        count = world_sample(request->world, &request->bounds, request->seed, request->random,
                             &failure);
        report(request, "(at random)", count, begun_ns);
    }
    return failure;
}

int main(int count, char **arguments)
{
    struct request request = {0};
    const char *failure;

    if (count == 2 && strcmp(arguments[1], "--list") == 0) {
        list(log_worlds, log_world_count);
        list(toy_worlds, toy_world_count);
        return 0;
    }
    if (!parse(&request, count, arguments))
        return usage();
    world_open(request.world);
    if (request.replay != NULL && !search_replay(request.replay))
        return usage();
    failure = request.replay != NULL ? world_run(request.world) : explore(&request);
    if (failure != NULL)
        world_explain(request.world);
    else if (request.replay != NULL)
        puts("This schedule goes well.");
    return failure != NULL ? 1 : 0;
}
