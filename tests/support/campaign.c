/* SPDX-License-Identifier: MIT */
#include "campaign.h"

#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SAY_EVERY_NS UINT64_C(30000000000)

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

    printf("%s: %" PRIu64 " cases in %.1f s (%.0f a second); so far %" PRIu64 " cases, %" PRIu64
           " tried\n",
           campaign->name, cases, seconds, seconds > 0 ? (double)cases / seconds : 0,
           campaign->next, campaign->tried);
    fflush(stdout);
    campaign->said_ns = now_ns();
}

/* A number from the environment. */
static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value == NULL || *value == '\0' ? otherwise : strtoull(value, NULL, 0);
}

struct campaign campaign_begin(const char *name, uint64_t count)
{
    struct campaign campaign = {.name = name, .count = setting("LF_CASES", count)};
    uint64_t seconds = setting("LF_SECONDS", 0);

    load_progress(&campaign);
    campaign.first = campaign.next;
    campaign.begun_ns = campaign.said_ns = now_ns();
    campaign.end_ns = seconds > 0 ? campaign.begun_ns + seconds * 1000000000u : UINT64_MAX;
    return campaign;
}

bool campaign_next(struct campaign *campaign, uint64_t *number)
{
    *number = campaign->next;
    return campaign->next - campaign->first < campaign->count && now_ns() < campaign->end_ns;
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
