/* SPDX-License-Identifier: MIT */
/*
 * logfile-scale: the log on processors that are not there.
 *
 * Each combination of the lists is one run, in a process of its own, which begins with nothing simulated.
 */
#include "../names.h"
#include "report.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIST_MAX = 32,
    SETS_MAX = 32,
    EXIT_USAGE = 64, /* as of every program of the project */
    RECORDS_LEAST = 20000,
    ROUNDS = 8 /* that each writer makes at least */
};

static const char usage[] =
    "usage: logfile-scale --machine FILE [OPTION...]\n"
    "\n"
    "Runs the log's own code on simulated processors in simulated time. A LIST has commas in "
    "between;\n"
    "each combination is a run.\n"
    "\n"
    "  --machine FILE      what things cost (bench/scale/machines)\n"
    "  --set KEY=VALUE     one of its costs, changed\n"
    "  --processors LIST   of the machine [all of them]\n"
    "  --nodes LIST        that they are taken from, equally many of each [1]\n"
    "  --writers LIST      threads; 4x is four for each processor [1x]\n"
    "  --pin HOW           writers: none, or compact, each to a processor, in turn [none]\n"
    "  --engine LIST       ring, mutex, serial [ring]\n"
    "  --reserve LIST      of the ring: faa, cas, ticket, mcs, mutex [faa]\n"
    "  --flusher NAME, --wait NAME, --shards N, --slots N\n"
    "                      of the ring, as logfile-bench has them\n"
    "  --variant NAME      checksum_first, wake_per_epoch, no_gather or wake_tree; repeatable\n"
    "  --checksum NAME     full or header [full]\n"
    "  --window LIST       records that a writer submits before it waits; 1: it appends [1]\n"
    "  --batch LIST        records in one submit [1]\n"
    "  --clients N         of each writer, with a record each on its way [none]\n"
    "  --rate N            records a second, due at times of a Poisson process [closed loop]\n"
    "  --size BYTES        of a record [512]\n"
    "  --device NAME       null, delay:US, or file, whose times are the machine's [null]\n"
    "  --logs N            logs; writers of neighbouring processors share one [1]\n"
    "  --fan-out N         what if: a thread that wakes many wakes N, and each of them its part of "
    "the rest\n"
    "  --own-ns N          that a writer has to do between two records [5]\n"
    "  --toy LIST          no log: faa, cas, ticket, mcs, mutex, turns, private, false\n"
    "  --records N         that are counted [20,000, or 8 rounds]\n"
    "  --warm-up N         that are not [a quarter]\n"
    "  --seed N            [1]\n"
    "  --lines N           shows what was waited for longest [0]\n"
    "  --json FILE         adds a line for each run\n";

struct numbers {
    unsigned count;
    uint64_t of[LIST_MAX];
    bool each[LIST_MAX]; /* for each processor */
};

struct request {
    const char *machine;
    const char *sets[SETS_MAX];
    unsigned set_count;
    struct numbers processors, nodes, writers, windows, batches, engines, reserves;
    const struct toy *toys[LIST_MAX];
    unsigned toy_count;
    struct work work; /* what is the same in all */
    unsigned lines;
    const char *json;
};

__attribute__((format(printf, 1, 2))) static _Noreturn void refuse(const char *format, ...)
{
    va_list arguments;

    fputs("logfile-scale: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_USAGE);
}

/* ---- Options ---------------------------------------------------------------------------------- */

static uint64_t parse_number(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *end;

    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number < least || number > most)
        refuse("--%s: \"%s\" is not a number from %" PRIu64 " to %" PRIu64, option, text, least,
               most);
    return number;
}

static double parse_rate(const char *text)
{
    char *end;
    double rate = strtod(text, &end);

    if (end == text || *end != '\0' || !(rate > 0 && rate <= 1e12))
        refuse("--rate: \"%s\" is not a number above 0", text);
    return rate;
}

static void parse_numbers(const char *option, char *text, uint64_t most, struct numbers *numbers)
{
    bool may_be_each = strcmp(option, "writers") == 0;

    numbers->count = 0;
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        size_t length = strlen(word);
        if (numbers->count == LIST_MAX)
            refuse("--%s: more than %d", option, LIST_MAX);
        bool each = may_be_each && length > 1 && word[length - 1] == 'x';
        if (each)
            word[length - 1] = '\0';
        numbers->each[numbers->count] = each;
        numbers->of[numbers->count++] = parse_number(option, word, 1, most);
    }
    if (numbers->count == 0)
        refuse("--%s: nothing in the list", option);
}

static uint64_t parse_name(const char *option, const char *word, const struct bench_name *names)
{
    for (; names->name != NULL; names++)
        if (strcmp(names->name, word) == 0)
            return (uint64_t)names->value;
    refuse("--%s: \"%s\" is not known", option, word);
}

static void parse_names(const char *option, char *text, const struct bench_name *names,
                        struct numbers *numbers)
{
    numbers->count = 0;
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        if (numbers->count == LIST_MAX)
            refuse("--%s: more than %d", option, LIST_MAX);
        numbers->of[numbers->count++] = parse_name(option, word, names);
    }
    if (numbers->count == 0)
        refuse("--%s: nothing in the list", option);
}

static void parse_engines(char *text, struct numbers *numbers)
{
    parse_names("engine", text, bench_engine_names, numbers);
    for (unsigned i = 0; i < numbers->count; i++)
        if (numbers->of[i] > LOGFILE_ENGINE_SERIAL)
            refuse("--engine: only ring, mutex and serial can be simulated");
}

static void parse_toys(char *text, struct request *request)
{
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        if (request->toy_count == LIST_MAX || toy_of(word) == NULL)
            refuse("--toy: \"%s\" is not known", word);
        request->toys[request->toy_count++] = toy_of(word);
    }
}

static void parse_device(const char *text, struct work *work)
{
    if (strcmp(text, "null") == 0) {
        work->device = WORK_DEVICE_NULL;
    } else if (strcmp(text, "file") == 0) {
        work->device = WORK_DEVICE_FILE;
    } else if (strncmp(text, "delay:", 6) == 0) {
        work->device = WORK_DEVICE_DELAY;
        work->delay_ns = 1000 * parse_number("device", text + 6, 1, 10000000);
    } else {
        refuse("--device: \"%s\" is not null, file or delay:US", text);
    }
}

static const struct option options[] = {
    {"help", no_argument, NULL, 'h'},
    {"machine", required_argument, NULL, 'm'},
    {"set", required_argument, NULL, 's'},
    {"processors", required_argument, NULL, 'p'},
    {"nodes", required_argument, NULL, 'n'},
    {"writers", required_argument, NULL, 'w'},
    {"engine", required_argument, NULL, 'e'},
    {"reserve", required_argument, NULL, 'r'},
    {"flusher", required_argument, NULL, 'F'},
    {"wait", required_argument, NULL, 'W'},
    {"shards", required_argument, NULL, 'S'},
    {"slots", required_argument, NULL, 'L'},
    {"variant", required_argument, NULL, 'v'},
    {"checksum", required_argument, NULL, 'c'},
    {"window", required_argument, NULL, 'k'},
    {"batch", required_argument, NULL, 'b'},
    {"clients", required_argument, NULL, 'C'},
    {"rate", required_argument, NULL, 'R'},
    {"size", required_argument, NULL, 'z'},
    {"device", required_argument, NULL, 'd'},
    {"logs", required_argument, NULL, 'l'},
    {"fan-out", required_argument, NULL, 'f'},
    {"own-ns", required_argument, NULL, 'o'},
    {"toy", required_argument, NULL, 't'},
    {"records", required_argument, NULL, 'N'},
    {"warm-up", required_argument, NULL, 'u'},
    {"pin", required_argument, NULL, 'P'},
    {"seed", required_argument, NULL, 'x'},
    {"lines", required_argument, NULL, 'i'},
    {"json", required_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

/* Those that are part of what is run; false: it is another one. */
static bool take_work_option(int option, char *value, struct work *work)
{
    switch (option) {
    case 'F':
        work->lab.flusher = (uint32_t)parse_name("flusher", value, bench_flusher_names);
        return true;
    case 'W':
        work->lab.wait = (uint32_t)parse_name("wait", value, bench_wait_names);
        return true;
    case 'S':
        work->lab.publish_shards = (uint32_t)parse_number("shards", value, 1, 256);
        return true;
    case 'L':
        work->lab.slot_count = (uint32_t)parse_number("slots", value, 2, 64);
        return true;
    case 'v':
        work->lab.variant_flags |= (uint32_t)parse_name("variant", value, bench_variant_flag_names);
        return true;
    case 'c':
        work->lab.checksum = (uint32_t)parse_name("checksum", value, bench_checksum_names);
        return true;
    case 'C':
        work->clients = parse_number("clients", value, 1, 1000000);
        return true;
    case 'R':
        work->rate = parse_rate(value);
        return true;
    case 'z':
        work->size = parse_number("size", value, 1, 1 << 20);
        return true;
    case 'd':
        parse_device(value, work);
        return true;
    case 'l':
        work->logs = (unsigned)parse_number("logs", value, 1, LOGS_MAX);
        return true;
    case 'f':
        work->fanout = (unsigned)parse_number("fan-out", value, 1, WRITERS_MAX);
        return true;
    case 'o':
        work->own_ns = parse_number("own-ns", value, 0, 1000000);
        return true;
    case 'P':
        if (strcmp(value, "compact") != 0 && strcmp(value, "none") != 0)
            refuse("--pin: \"%s\" is neither none nor compact", value);
        work->pins = strcmp(value, "compact") == 0;
        return true;
    case 'N':
        work->records = parse_number("records", value, 1, UINT32_MAX);
        return true;
    case 'u':
        work->warm_up = parse_number("warm-up", value, 1, UINT32_MAX);
        return true;
    case 'x':
        work->seed = parse_number("seed", value, 0, UINT64_MAX);
        return true;
    default:
        return false;
    }
}

static void take_option(int option, char *value, struct request *request)
{
    switch (option) {
    case 'h':
        fputs(usage, stdout);
        exit(0);
    case 'm':
        request->machine = value;
        break;
    case 's':
        if (request->set_count == SETS_MAX)
            refuse("--set: more than %d", SETS_MAX);
        request->sets[request->set_count++] = value;
        break;
    case 'p':
        parse_numbers("processors", value, CPUS_MAX, &request->processors);
        break;
    case 'n':
        parse_numbers("nodes", value, CPUS_MAX, &request->nodes);
        break;
    case 'w':
        parse_numbers("writers", value, WRITERS_MAX, &request->writers);
        break;
    case 'e':
        parse_engines(value, &request->engines);
        break;
    case 'r':
        parse_names("reserve", value, bench_reserve_names, &request->reserves);
        break;
    case 'k':
        parse_numbers("window", value, 1000000, &request->windows);
        break;
    case 'b':
        parse_numbers("batch", value, LOGFILE_BATCH_MAX, &request->batches);
        break;
    case 't':
        parse_toys(value, request);
        break;
    case 'i':
        request->lines = (unsigned)parse_number("lines", value, 0, NAMES_MAX);
        break;
    case 'j':
        request->json = value;
        break;
    default:
        fputs("logfile-scale --help says how it is called\n", stderr);
        exit(EXIT_USAGE);
    }
}

/* The command line, as it was. */
static char *join(char *const *argv)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL)
        refuse("no memory");
    for (unsigned i = 0; argv[i] != NULL; i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", argv[i]);
    if (fclose(out) != 0)
        refuse("no memory");
    return text;
}

/* ---- Runs --------------------------------------------------------------------------------------- */

/* In a process of its own; whether it succeeded. */
static bool run(const struct request *request, const struct work *work)
{
    static struct work_result result;
    char message[256];
    int status;

    fflush(stdout);
    pid_t child = fork();
    if (child < 0)
        refuse("fork: %s", strerror(errno));
    if (child > 0) {
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    if (work_run(work, &result, message, sizeof message) != 0)
        refuse("%s", message);
    report_text(stdout, work, &result, request->lines);
    FILE *json = request->json != NULL ? fopen(request->json, "a") : NULL;
    if (request->json != NULL && (json == NULL || report_json(json, work, &result) != 0))
        refuse("%s: %s", request->json, strerror(errno));
    fflush(stdout);
    _exit(0);
}

/* What is not told is so much that every writer takes part often enough. */
static void fill_in(struct work *work)
{
    uint64_t round = work->clients > 0 ? work->clients : work->window;

    if (work->records == 0)
        work->records = RECORDS_LEAST + ROUNDS * work->writers * round;
    if (work->warm_up == 0)
        work->warm_up = work->records / 4 + 1;
}

static bool run_variants(const struct request *request, struct work work)
{
    bool succeeded = true;

    if (request->toy_count > 0) {
        for (unsigned i = 0; i < request->toy_count; i++) {
            work.toy = request->toys[i];
            succeeded &= run(request, &work);
        }
        return succeeded;
    }
    for (unsigned i = 0; i < request->engines.count; i++) {
        work.lab.engine = (uint32_t)request->engines.of[i];
        bool is_ring = work.lab.engine == LOGFILE_ENGINE_RING;
        for (unsigned j = 0; j < (is_ring ? request->reserves.count : 1); j++) {
            work.lab.reserve = is_ring ? (uint32_t)request->reserves.of[j] : 0;
            work.tells_reserve = request->reserves.count > 1;
            succeeded &= run(request, &work);
        }
    }
    return succeeded;
}

static bool run_windows(const struct request *request, struct work work)
{
    bool succeeded = true;

    for (unsigned i = 0; i < request->windows.count; i++)
        for (unsigned j = 0; j < request->batches.count; j++) {
            struct work one = work;
            one.window = request->windows.of[i];
            one.batch = request->batches.of[j];
            fill_in(&one);
            succeeded &= run_variants(request, one);
        }
    return succeeded;
}

static bool run_all(const struct request *request)
{
    bool succeeded = true;

    for (unsigned p = 0; p < request->processors.count; p++)
        for (unsigned n = 0; n < request->nodes.count; n++)
            for (unsigned w = 0; w < request->writers.count; w++) {
                struct work work = request->work;
                uint64_t times = request->writers.each[w] ? request->processors.of[p] : 1;
                work.processors = (unsigned)request->processors.of[p];
                work.nodes = (unsigned)request->nodes.of[n];
                work.writers = (unsigned)(request->writers.of[w] * times);
                if (work.writers > WRITERS_MAX)
                    refuse("--writers: more than %d", WRITERS_MAX);
                succeeded &= run_windows(request, work);
            }
    return succeeded;
}

int main(int argc, char **argv)
{
    static struct request request = {
        .nodes = {1, {1}, {false}},
        .writers = {1, {1}, {true}},
        .windows = {1, {1}, {false}},
        .batches = {1, {1}, {false}},
        .engines = {1, {LOGFILE_ENGINE_RING}, {false}},
        .reserves = {1, {LOGFILE_RESERVE_FAA}, {false}},
        .work = {.logs = 1, .size = 512, .own_ns = 5, .seed = 1},
    };
    char message[256];
    int option;

    request.work.command = join(argv);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!take_work_option(option, optarg, &request.work))
            take_option(option, optarg, &request);
    if (optind < argc)
        refuse("\"%s\" is too much", argv[optind]);
    if (request.machine == NULL)
        refuse("--machine is missing");
    if (costs_read(request.machine, message, sizeof message) != 0)
        refuse("%s", message);
    for (unsigned i = 0; i < request.set_count; i++)
        if (costs_set(request.sets[i], message, sizeof message) != 0)
            refuse("--set: %s", message);
    if (request.processors.count == 0)
        request.processors = (struct numbers){1, {costs.processors}, {false}};
    report_head(stdout);
    return run_all(&request) ? 0 : 1;
}
