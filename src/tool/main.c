/* SPDX-License-Identifier: MIT */
/* The logfile program: looks at arguments and hands over to a command. */
#include "tool/signals.h"
#include "tool/tool.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Above every character, so that getopt's optopt tells long options from short ones. */
enum option_value {
    OPTION_HELP = 256,
    OPTION_VERSION,
    OPTION_ACK,
    OPTION_BEFORE,
    OPTION_FROM,
    OPTION_JSON,
    OPTION_PROMETHEUS,
    OPTION_QUICK,
    OPTION_RAW,
    OPTION_RECORDS,
    OPTION_TO
};

/* Every command has these; the zeros after them end its array for getopt. */
#define HELP_OPTION "help", no_argument, NULL, OPTION_HELP
#define VERSION_OPTION "version", no_argument, NULL, OPTION_VERSION

struct command {
    const char *name;
    int (*run)(const struct lf_tool_args *args);
    int operand_count;
    const char *usage; /* what follows the name */
    const char *help;
    const char *short_options;
    struct option options[10];
};

static const struct command commands[] = {
    {
        .name = "append",
        .run = lf_tool_append,
        .operand_count = 1,
        .usage = "[-0v] [--ack] PATH",
        .help = "Appends each line of standard input as one record; creates the log if there is\n"
                "none.  When it exits 0, every record is on stable storage.\n"
                "  -0, --null     records end with a NUL byte instead of a newline\n"
                "  --ack          print the LSN of each record, one a line, once it is durable\n"
                "  -v, --verbose  tell how many records there were, and their LSNs\n",
        .short_options = ":0v",
        .options = {{"null", no_argument, NULL, '0'},
                    {"ack", no_argument, NULL, OPTION_ACK},
                    {"verbose", no_argument, NULL, 'v'},
                    {HELP_OPTION},
                    {VERSION_OPTION}},
    },
    {
        .name = "cat",
        .run = lf_tool_cat,
        .operand_count = 1,
        .usage = "[-0f] [--raw] [--json] [--from LSN] [--to LSN] [-n COUNT] PATH",
        .help =
            "Prints each record and a newline.  Stops at damage and names its LSN range.\n"
            "  --from LSN         start with the first record at or after LSN\n"
            "  --to LSN           stop before the first record at or after LSN\n"
            "  -n, --count COUNT  stop after so many records\n"
            "  -f, --follow       at the end, wait for more\n"
            "  -0, --null         end records with a NUL byte instead of a newline\n"
            "  --raw              end them with nothing\n"
            "  --json             a JSON object a line: lsn, size, and data, or base64 of what\n"
            "                     is no UTF-8\n",
        .short_options = ":0fn:",
        .options = {{"null", no_argument, NULL, '0'},
                    {"follow", no_argument, NULL, 'f'},
                    {"count", required_argument, NULL, 'n'},
                    {"raw", no_argument, NULL, OPTION_RAW},
                    {"json", no_argument, NULL, OPTION_JSON},
                    {"from", required_argument, NULL, OPTION_FROM},
                    {"to", required_argument, NULL, OPTION_TO},
                    {HELP_OPTION},
                    {VERSION_OPTION}},
    },
    {
        .name = "verify",
        .run = lf_tool_verify,
        .operand_count = 1,
        .usage = "[--json] PATH",
        .help =
            "Checks every byte of a log.  Exits 0: clean; 1: torn, that is not closed cleanly;\n"
            "2: corrupt; 3: not a log, or unreadable.\n"
            "  --json  a JSON object a line: each finding, and the verdict at last\n",
        .short_options = ":",
        .options = {{"json", no_argument, NULL, OPTION_JSON}, {HELP_OPTION}, {VERSION_OPTION}},
    },
    {
        .name = "stat",
        .run = lf_tool_stat,
        .operand_count = 1,
        .usage = "[--quick] [--json | --prometheus] PATH",
        .help = "Prints what a log is and holds, as \"key: value\" lines.\n"
                "  --quick       only what can be told without walking through the log\n"
                "  --json        as one JSON object\n"
                "  --prometheus  in the text format of Prometheus\n",
        .short_options = ":",
        .options = {{"quick", no_argument, NULL, OPTION_QUICK},
                    {"json", no_argument, NULL, OPTION_JSON},
                    {"prometheus", no_argument, NULL, OPTION_PROMETHEUS},
                    {HELP_OPTION},
                    {VERSION_OPTION}},
    },
    {
        .name = "dump",
        .run = lf_tool_dump,
        .operand_count = 1,
        .usage = "[--records] [--json] PATH",
        .help = "Prints a line for each block before the first epoch, and one for each epoch.\n"
                "  --records  and one for each record\n"
                "  --json     a JSON object a line\n",
        .short_options = ":",
        .options = {{"records", no_argument, NULL, OPTION_RECORDS},
                    {"json", no_argument, NULL, OPTION_JSON},
                    {HELP_OPTION},
                    {VERSION_OPTION}},
    },
    {
        .name = "salvage",
        .run = lf_tool_salvage,
        .operand_count = 2,
        .usage = "PATH OUTPUT",
        .help = "Copies every record that is whole, in order, past what is damaged, to a new log\n"
                "OUTPUT.\n",
        .short_options = ":",
        .options = {{HELP_OPTION}, {VERSION_OPTION}},
    },
    {
        .name = "trim",
        .run = lf_tool_trim,
        .operand_count = 1,
        .usage = "--before LSN PATH",
        .help =
            "Gives back the space of all epochs that end at or below LSN, for good.  Prints what\n"
            "the oldest LSN is then, and how many bytes the file system got back.\n"
            "  --before LSN  what starts below it is not needed any more\n",
        .short_options = ":",
        .options = {{"before", required_argument, NULL, OPTION_BEFORE},
                    {HELP_OPTION},
                    {VERSION_OPTION}},
    },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int usage_error(const struct command *command, const char *what, const char *word)
{
    lf_tool_message("usage: %s%s; expected: logfile %s %s", what, lf_tool_shown(word),
                    command->name, command->usage);
    return LF_TOOL_USAGE;
}

static void print_version(void)
{
    printf("logfile %s\n", logfile_version());
}

/* Digits and nothing else: strtoull alone would take blanks and signs. */
static bool is_number(const char *word, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(word, &end, 10);
    return isdigit((unsigned char)word[0]) && *end == '\0' && errno == 0;
}

/* The option that getopt refused: its letter if it was a short one, else the word before optind. */
static int option_error(const struct command *command, const char *what, char **words)
{
    char letter[] = {'-', (char)optopt, '\0'};
    bool is_short = optopt > 0 && optopt < OPTION_HELP;
    return usage_error(command, what, is_short ? letter : words[optind - 1]);
}

/* Two options of which only one can be meant; NULL: there are none. */
static const char *find_conflict(const struct lf_tool_args *args)
{
    if (args->ack && args->verbose)
        return "--ack and --verbose";
    if (args->json && args->prometheus)
        return "--json and --prometheus";
    if (args->json && args->raw)
        return "--json and --raw";
    if (args->json && args->nul)
        return "--json and --null";
    return args->raw && args->nul ? "--raw and --null" : NULL;
}

/* Returns an exit status, or -1: go on with the command. */
static int parse_options(const struct command *command, int count, char **words,
                         struct lf_tool_args *args)
{
    int option;

    opterr = 0;
    while ((option = getopt_long(count, words, command->short_options, command->options, NULL)) !=
           -1) {
        switch (option) {
        case OPTION_HELP:
            printf("usage: logfile %s %s\n\n%s", command->name, command->usage, command->help);
            return LF_TOOL_OK;
        case OPTION_VERSION:
            print_version();
            return LF_TOOL_OK;
        case OPTION_FROM:
            if (!is_number(optarg, &args->from_lsn))
                return usage_error(command, "not an LSN: ", optarg);
            break;
        case OPTION_TO:
            if (!is_number(optarg, &args->to_lsn))
                return usage_error(command, "not an LSN: ", optarg);
            break;
        case OPTION_BEFORE:
            if (!is_number(optarg, &args->before_lsn) || args->before_lsn == 0)
                return usage_error(command, "not an LSN: ", optarg);
            break;
        case 'n':
            if (!is_number(optarg, &args->count_limit))
                return usage_error(command, "not a number: ", optarg);
            break;
        case '0':
            args->nul = true;
            break;
        case 'f':
            args->follow = true;
            break;
        case 'v':
            args->verbose = true;
            break;
        case OPTION_ACK:
            args->ack = true;
            break;
        case OPTION_JSON:
            args->json = true;
            break;
        case OPTION_PROMETHEUS:
            args->prometheus = true;
            break;
        case OPTION_QUICK:
            args->quick = true;
            break;
        case OPTION_RAW:
            args->raw = true;
            break;
        case OPTION_RECORDS:
            args->records = true;
            break;
        case ':':
            return option_error(command, "option without its value: ", words);
        default:
            return option_error(command, "unknown option: ", words);
        }
    }
    return -1;
}

/* words[0] is the command's name. */
static int run_command(const struct command *command, int count, char **words)
{
    struct lf_tool_args args = {.to_lsn = UINT64_MAX, .count_limit = UINT64_MAX};
    const int status = parse_options(command, count, words, &args);

    if (status >= 0)
        return status;
    const char *conflict = find_conflict(&args);
    if (conflict != NULL)
        return usage_error(command, "one of the two: ", conflict);
    char **operands = words + optind;
    count -= optind;
    if (count < command->operand_count)
        return usage_error(command, count == 0 ? "no PATH given" : "no OUTPUT given", "");
    if (count > command->operand_count)
        return usage_error(command, "one argument too many: ", operands[command->operand_count]);
    if (command->run == lf_tool_trim && args.before_lsn == 0)
        return usage_error(command, "no --before LSN given", "");
    args.path = operands[0];
    args.output = operands[command->operand_count - 1];
    return command->run(&args);
}

static int run(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";

    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(word, commands[i].name) == 0)
            return run_command(&commands[i], argc - 1, argv + 1);
    if (strcmp(word, "--version") == 0) {
        print_version();
        return LF_TOOL_OK;
    }
    if (strcmp(word, "--help") == 0) {
        puts("usage: logfile COMMAND [OPTION]... PATH\n\nCommands:");
        for (size_t i = 0; i < COMMAND_COUNT; i++)
            printf("  %s %s\n", commands[i].name, commands[i].usage);
        puts("\nlogfile COMMAND --help says more; so does logfile(1).");
        return LF_TOOL_OK;
    }
    const char *what = argc < 2         ? "no command given"
                       : word[0] == '-' ? "unknown option: "
                                        : "unknown command: ";
    lf_tool_message("usage: %s%s; logfile --help lists the commands", what, lf_tool_shown(word));
    return LF_TOOL_USAGE;
}

int main(int argc, char **argv)
{
    /* A closed pipe and a limit on file sizes are write errors like any other, so that an append
     * still ends in order. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    int status = run(argc, argv);

    /* What was printed has arrived, or the status says that it has not.  Some file systems tell only when
     * the file is closed; one that was never open, and got nothing, is none of that. */
    errno = 0; /* a failure before this leaves no reason behind */
    bool failed = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (!failed)
        failed = close(STDOUT_FILENO) != 0 && errno != EBADF;
    /* A command that has failed has said why. */
    if (failed && status != LF_TOOL_FAILED && !lf_tool_reader_is_gone())
        status = lf_tool_output_error();
    if (status > LF_TOOL_SIGNAL)
        lf_tool_signals_end(status - LF_TOOL_SIGNAL);
    return status;
}
