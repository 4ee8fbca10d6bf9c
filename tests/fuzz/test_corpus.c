/* SPDX-License-Identifier: MIT */
/*
 * The hostile logs that fuzzing found worth keeping, once more through the properties of
 * fuzz_target.h, with any compiler and without a fuzzer; and as many again, made from them by the
 * mutator, in the order of their numbers.
 *
 *     test_corpus                            all of tests/fuzz/corpus, and the mutations of a run
 *     test_corpus reader|recover FILE        one file, as a fuzzer leaves it behind
 *     test_corpus reader|recover NUMBER      one mutation, as named by a failure
 */
#include "campaign.h"
#include "fuzz_input.h"
#include "fuzz_mutator.h"
#include "fuzz_target.h"
#include "support.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 1024u

struct corpus {
    const char *name;
    void (*target)(const uint8_t *data, size_t size);
    unsigned count;
    struct input {
        char path[512];
        uint8_t *data;
        size_t size;
    } inputs[FILES_MAX];
};

/* What to run to see a failure again: where the target aborts the watchdog says it. */
static char what[640];

static void say_what(int number)
{
    ssize_t written = write(STDERR_FILENO, what, strlen(what));

    (void)written;
    signal(number, SIG_DFL);
    raise(number);
}

/* A sanitizer has a report of its own. */
static void say_what_at_a_fault(void)
{
    if (HAS_SANITIZER)
        return;
    signal(SIGSEGV, say_what);
    signal(SIGBUS, say_what);
}

static bool load(const char *path, struct input *input)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return false;
    snprintf(input->path, sizeof(input->path), "%s", path);
    input->data = malloc(FUZZ_INPUT_MAX);
    input->size = input->data != NULL ? fread(input->data, 1, FUZZ_INPUT_MAX, file) : 0;
    fclose(file);
    return input->data != NULL;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->path, ((const struct input *)b)->path);
}

static bool load_corpus(struct corpus *corpus)
{
    char path[512];
    snprintf(path, sizeof(path), FUZZ_CORPUS "/%s", corpus->name);
    DIR *folder = opendir(path);
    const struct dirent *entry;

    if (folder == NULL) {
        perror(path);
        return false;
    }
    while ((entry = readdir(folder)) != NULL && corpus->count < FILES_MAX) {
        snprintf(path, sizeof(path), FUZZ_CORPUS "/%s/%.200s", corpus->name, entry->d_name);
        if (entry->d_name[0] != '.' && load(path, &corpus->inputs[corpus->count]))
            corpus->count++;
    }
    closedir(folder);
    qsort(corpus->inputs, corpus->count, sizeof(corpus->inputs[0]), by_path);
    return corpus->count > 0;
}

static struct corpus *new_corpus(const char *name)
{
    const bool is_reader = strcmp(name, "reader") == 0;
    struct corpus *corpus =
        is_reader || strcmp(name, "recover") == 0 ? calloc(1, sizeof(*corpus)) : NULL;

    if (corpus == NULL)
        return NULL;
    corpus->name = is_reader ? "reader" : "recover";
    corpus->target = is_reader ? fuzz_target_reader : fuzz_target_recover;
    return corpus;
}

static void free_corpus(struct corpus *corpus)
{
    for (unsigned i = 0; i < corpus->count; i++)
        free(corpus->inputs[i].data);
    free(corpus);
}

/* Eight bits at a time: the mutator's own changes do the rest. */
static size_t mutate_bytes(uint8_t *data, size_t size, size_t max_size)
{
    static struct rng rng = {.state = 1};

    (void)max_size;
    if (size > 0)
        data[rng_below(&rng, size)] = (uint8_t)rng_next(&rng);
    return size;
}

static void run_mutation(const struct corpus *corpus, uint64_t number)
{
    static uint8_t data[FUZZ_INPUT_MAX];
    struct rng rng = {.state = number};
    const struct input *input = &corpus->inputs[rng_below(&rng, corpus->count)];
    size_t size = input->size;

    memcpy(data, input->data, size);
    for (uint64_t i = rng_below(&rng, 6) + 1; i > 0; i--)
        size = fuzz_mutate(data, size, sizeof(data), rng_next(&rng), mutate_bytes);
    snprintf(what, sizeof(what), "tests/fuzz/test_corpus %s %" PRIu64, corpus->name, number);
    corpus->target(data, size);
}

static void run_file(const struct corpus *corpus, const struct input *input)
{
    snprintf(what, sizeof(what), "tests/fuzz/test_corpus %s %.500s", corpus->name, input->path);
    corpus->target(input->data, input->size);
}

static const char *const names[] = {"reader", "recover"};

START_TEST(each_file_of_the_corpus)
{
    struct corpus *corpus = new_corpus(names[_i]);

    ck_assert(load_corpus(corpus));
    watchdog_start(300, what);
    say_what_at_a_fault();
    for (unsigned i = 0; i < corpus->count; i++)
        run_file(corpus, &corpus->inputs[i]);
    watchdog_stop();
    printf("%s: %u files, %.2f bytes read a byte, %zu bytes of memory beyond epoch and 64 KiB\n",
           corpus->name, corpus->count, fuzz_target_most().read_factor,
           fuzz_target_most().window_bytes);
    free_corpus(corpus);
}
END_TEST

START_TEST(mutations_of_the_corpus)
{
    struct corpus *corpus = new_corpus(names[_i]);
    char name[32];
    uint64_t number;

    ck_assert(load_corpus(corpus));
    snprintf(name, sizeof(name), "fuzz-%s", corpus->name);
    struct campaign campaign = campaign_begin_shared(name, scaled(500, 20000, 20000000),
                                                     sizeof names / sizeof names[0], 100);
    watchdog_start((unsigned)scaled(300, 600, 360000), what);
    say_what_at_a_fault();
    while (campaign_next(&campaign, &number)) {
        run_mutation(corpus, number);
        campaign_passed(&campaign, 1);
    }
    watchdog_stop();
    campaign_end(&campaign);
    free_corpus(corpus);
}
END_TEST

static int replay_mutation(struct corpus *corpus, uint64_t number)
{
    if (!load_corpus(corpus))
        return 1;
    run_mutation(corpus, number);
    return 0;
}

static int replay_file(struct corpus *corpus, const char *path)
{
    corpus->count = load(path, &corpus->inputs[0]);
    if (corpus->count == 0) {
        perror(path);
        return 1;
    }
    run_file(corpus, &corpus->inputs[0]);
    return 0;
}

static int replay(const char *name, const char *argument)
{
    struct corpus *corpus = new_corpus(name);
    char *end;
    const uint64_t number = strtoull(argument, &end, 0);

    if (corpus == NULL)
        return 2;
    const int status =
        *end == '\0' ? replay_mutation(corpus, number) : replay_file(corpus, argument);
    free_corpus(corpus);
    return status;
}

static Suite *corpus_suite(void)
{
    Suite *suite = suite_create("corpus");
    TCase *tests = tcase_create("corpus");

    tcase_set_timeout(tests, (double)scaled(300, 600, 360000));
    tcase_add_loop_test(tests, each_file_of_the_corpus, 0, 2);
    tcase_add_loop_test(tests, mutations_of_the_corpus, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(int argc, char **argv)
{
    int status = 2;

    if (argc == 1)
        return run_suite(corpus_suite());
    if (argc == 3)
        status = replay(argv[1], argv[2]);
    if (status == 2)
        fprintf(stderr, "usage: test_corpus [reader|recover FILE|NUMBER]\n");
    return status;
}
