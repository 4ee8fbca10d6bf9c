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
    OPTION_BEFORE,
    OPTION_FROM,
    OPTION_RAW,
    OPTION_RECORDS
};

/* Every command has these; the zeros behind them end its array for getopt. */
#define HELP_OPTION "help", no_argument, NULL, OPTION_HELP
#define VERSION_OPTION "version", no_argument, NULL, OPTION_VERSION

struct command {
    const char *name;
    int (*run)(const struct lf_tool_args *args);
    int operand_count;
    const char *usage; /* what follows the name */
    const char *help;
    const char *short_options;
    struct option options[5];
};

static const struct command commands[] = {
    {
        .name = "append",
        .run = lf_tool_append,
        .operand_count = 1,
        .usage = "[-v] PATH",
        .help = "Appends each line of standard input as one record; creates the log if there is\n"
                "none.  When it exits 0, every record is on stable storage.\n"
                "  -v, --verbose  tell how many records there were, and their LSNs\n",
        .short_options = ":v",
        .options = {{"verbose", no_argument, NULL, 'v'}, {HELP_OPTION}, {VERSION_OPTION}},
    },
    {
        .name = "cat",
        .run = lf_tool_cat,
        .operand_count = 1,
        .usage = "[--raw] [--from LSN] PATH",
        .help = "Prints each record and a newline.  Stops at damage and names its LSN range.\n"
                "  --raw       without the newlines\n"
                "  --from LSN  start with the first record at or after LSN\n",
        .short_options = ":",
        .options = {{"raw", no_argument, NULL, OPTION_RAW},
                    {"from", required_argument, NULL, OPTION_FROM},
                    {HELP_OPTION},
                    {VERSION_OPTION}},
    },
    {
        .name = "verify",
        .run = lf_tool_verify,
        .operand_count = 1,
        .usage = "PATH",
        .help =
            "Checks every byte of a log.  Exits 0: clean; 1: torn, that is not closed cleanly;\n"
            "2: corrupt; 3: not a log, or unreadable.\n",
        .short_options = ":",
        .options = {{HELP_OPTION}, {VERSION_OPTION}},
    },
    {
        .name = "stat",
        .run = lf_tool_stat,
        .operand_count = 1,
        .usage = "PATH",
        .help = "Prints what a log is and holds, as \"key: value\" lines.\n",
        .short_options = ":",
        .options = {{HELP_OPTION}, {VERSION_OPTION}},
    },
    {
        .name = "dump",
        .run = lf_tool_dump,
        .operand_count = 1,
        .usage = "[--records] PATH",
        .help = "Prints a line for each block before the first epoch, and one for each epoch.\n"
                "  --records  and one for each record\n",
        .short_options = ":",
        .options = {{"records", no_argument, NULL, OPTION_RECORDS},
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

static void print_help(void)
{
    puts("usage: logfile COMMAND [OPTION]... PATH\n\nCommands:");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %s %s\n", commands[i].name, commands[i].usage);
    puts("\nlogfile COMMAND --help says more; so does logfile(1).");
}

static void print_command_help(const struct command *command)
{
    printf("usage: logfile %s %s\n\n%s", command->name, command->usage, command->help);
}

/* Digits and nothing else: strtoull alone would take blanks and signs. */
static bool parse_lsn(const char *word, uint64_t *lsn)
{
    char *end;

    errno = 0;
    *lsn = strtoull(word, &end, 10);
    return isdigit((unsigned char)word[0]) && *end == '\0' && errno == 0;
}

/* The option that getopt refused: its letter if it was a short one, else the word before optind. */
static int option_error(const struct command *command, const char *what, char **words)
{
    char letter[] = {'-', (char)optopt, '\0'};
    bool is_short = optopt > 0 && optopt < OPTION_HELP;
    return usage_error(command, what, is_short ? letter : words[optind - 1]);
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
            print_command_help(command);
            return LF_TOOL_OK;
        case OPTION_VERSION:
            print_version();
            return LF_TOOL_OK;
        case OPTION_FROM:
            if (!parse_lsn(optarg, &args->from_lsn))
                return usage_error(command, "not an LSN: ", optarg);
            break;
        case OPTION_BEFORE:
            if (!parse_lsn(optarg, &args->before_lsn) || args->before_lsn == 0)
                return usage_error(command, "not an LSN: ", optarg);
            break;
        case OPTION_RAW:
            args->raw = true;
            break;
        case OPTION_RECORDS:
            args->records = true;
            break;
        case 'v':
            args->verbose = true;
            break;
        case ':':
            return option_error(command, "option without its value: ", words);
        default:
            return option_error(command, "unknown option: ", words);
        }
    }
    return -1;
}

static int parse_operands(const struct command *command, int count, char **operands,
                          struct lf_tool_args *args)
{
    if (count < command->operand_count)
        return usage_error(command, count == 0 ? "no PATH given" : "no OUTPUT given", "");
    if (count > command->operand_count)
        return usage_error(command, "one argument too many: ", operands[command->operand_count]);
    if (command->run == lf_tool_trim && args->before_lsn == 0)
        return usage_error(command, "no --before LSN given", "");
    args->path = operands[0];
    args->output = operands[command->operand_count - 1];
    return -1;
}

/* words[0] is the command's name. */
static int run_command(const struct command *command, int count, char **words)
{
    struct lf_tool_args args = {0};
    int status = parse_options(command, count, words, &args);

    if (status < 0)
        status = parse_operands(command, count - optind, words + optind, &args);
    return status < 0 ? command->run(&args) : status;
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
        print_help();
        return LF_TOOL_OK;
    }
    const char *what = argc < 2         ? "no command given"
                       : word[0] == '-' ? "unknown option: "
                                        : "unknown command: ";
    lf_tool_message("usage: %s%s; logfile --help lists the commands", what, lf_tool_shown(word));
    return LF_TOOL_USAGE;
}

/* What was printed has not arrived.  Some file systems tell only when the file is closed; one that
 * was never open, and got nothing, is none of that. */
static bool output_failed(void)
{
    errno = 0; /* a failure before this leaves no reason behind */
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return true;
    return close(STDOUT_FILENO) != 0 && errno != EBADF;
}

static int finish(int status)
{
    /* A command that has failed has said why. */
    if (!output_failed() || status == LF_TOOL_FAILED || lf_tool_reader_is_gone())
        return status;
    return lf_tool_output_error();
}

int main(int argc, char **argv)
{
    /* A closed pipe and a limit on file sizes are write errors like any other, so that an append
     * still ends in order. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    int status = finish(run(argc, argv));
    if (status > LF_TOOL_SIGNAL)
        lf_tool_signals_end(status - LF_TOOL_SIGNAL);
    return status;
}
