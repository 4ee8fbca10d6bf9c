/* SPDX-License-Identifier: MIT */
#include "campaign.h"

#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_S UINT64_C(1000000000)
#define SAY_EVERY_NS (30 * NS_PER_S)

/* What the campaigns of one program may take together. */
#define NORMAL_S 15
#define SMALL_S 5

/* The file that keeps a text; false: none is kept. */
static bool kept_path(const char *name, char path[4096])
{
    const char *folder = getenv("LF_PROGRESS");

    if (folder == NULL || *folder == '\0')
        return false;
    return snprintf(path, 4096, "%s/%s", folder, name) < 4096;
}

void campaign_load(const char *name, char *text, size_t bytes)
{
    char path[4096];
    FILE *file = kept_path(name, path) ? fopen(path, "r") : NULL;

    if (file == NULL || fgets(text, (int)bytes, file) == NULL)
        text[0] = '\0';
    if (file != NULL)
        fclose(file);
}

/* By a rename, so that a run which is killed leaves the old file or the new one. */
void campaign_keep(const char *name, const char *text)
{
    char path[4096], fresh[4100];

    if (!kept_path(name, path))
        return;
    snprintf(fresh, sizeof fresh, "%s.new", path);
    FILE *file = fopen(fresh, "w");
    bool is_written = file != NULL && fputs(text, file) >= 0;
    if (file == NULL || fclose(file) != 0 || !is_written || rename(fresh, path) != 0)
        perror(path);
}

static void load_progress(struct campaign *campaign)
{
    char text[256];

    campaign_load(campaign->name, text, sizeof text);
    if (sscanf(text, "%*s %" SCNu64 " cases, tried %" SCNu64, &campaign->next, &campaign->tried) !=
        2)
        campaign->next = campaign->tried = 0;
}

static void keep_progress(const struct campaign *campaign)
{
    char text[256];

    snprintf(text, sizeof text, "%s %" PRIu64 " cases, tried %" PRIu64 "\n", campaign->name,
             campaign->next, campaign->tried);
    campaign_keep(campaign->name, text);
}

static void say(struct campaign *campaign)
{
    double seconds = (double)(now_ns() - campaign->begun_ns) / 1e9;
    uint64_t cases = campaign->next - campaign->first;

    printf("%s: tried %" PRIu64 " of ", campaign->name, cases);
    if (campaign->count == UINT64_MAX)
        printf("any number of cases");
    else
        printf("%" PRIu64 " cases", campaign->count);
    printf(" in %.1f s (%.0f a second); so far %" PRIu64 " cases, %" PRIu64 " tried\n", seconds,
           seconds > 0 ? (double)cases / seconds : 0, campaign->next, campaign->tried);
    fflush(stdout);
    campaign->said_ns = now_ns();
}

/* A number from the environment. */
static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value == NULL || *value == '\0' ? otherwise : strtoull(value, NULL, 0);
}

uint64_t campaign_share_end_ns(unsigned sharers)
{
    uint64_t seconds = setting("LF_SECONDS", 0);

    if (seconds > 0)
        return now_ns() + seconds * NS_PER_S;
    if (test_scale() == SCALE_LONG || setting("LF_CASES", 0) > 0)
        return UINT64_MAX;
    return now_ns() + scaled(SMALL_S, NORMAL_S, 0) * NS_PER_S / sharers;
}

bool campaign_time_is_left(uint64_t end_ns)
{
    return now_ns() < end_ns;
}

const unsigned campaign_pass_begins[CAMPAIGN_PASSES] = {0, 8, 4, 12, 2, 10, 6, 14,
                                                        1, 9, 5, 13, 3, 11, 7, 15};

bool campaign_next_pass(unsigned *pass, uint64_t end_ns)
{
    (*pass)++;
    if (*pass < CAMPAIGN_PASSES && campaign_time_is_left(end_ns))
        return true;
    printf("tried %u of %u passes over the calls\n", *pass, (unsigned)CAMPAIGN_PASSES);
    return false;
}

struct campaign campaign_begin_shared(const char *name, uint64_t count, unsigned sharers,
                                      uint64_t least)
{
    struct campaign campaign = {.name = name, .count = setting("LF_CASES", count), .least = least};

    load_progress(&campaign);
    campaign.first = campaign.next;
    campaign.begun_ns = campaign.said_ns = now_ns();
    campaign.end_ns = campaign_share_end_ns(sharers);
    return campaign;
}

struct campaign campaign_begin(const char *name, uint64_t count)
{
    return campaign_begin_shared(name, count, 1, 1);
}

bool campaign_next(struct campaign *campaign, uint64_t *number)
{
    uint64_t cases = campaign->next - campaign->first;

    *number = campaign->next;
    return cases < campaign->count &&
           (cases < campaign->least || campaign_time_is_left(campaign->end_ns));
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Steps of about the golden ratio leave the most even gaps; without a common divisor they meet every
 * number. */
uint64_t campaign_spread(uint64_t number, uint64_t count)
{
    uint64_t step = (uint64_t)((double)count * 0.6180339887498949);

    while (greatest_common_divisor(step, count) != 1)
        step++;
    return (uint64_t)((unsigned __int128)number * step % count);
}

void campaign_passed(struct campaign *campaign, uint64_t amount)
{
    campaign->next++;
    campaign->tried += amount;
    if (now_ns() - campaign->said_ns < SAY_EVERY_NS)
        return;
    keep_progress(campaign);
    say(campaign);
}

void campaign_end(struct campaign *campaign)
{
    keep_progress(campaign);
    say(campaign);
}
