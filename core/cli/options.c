/* Global options may stand before or after the command; a command's own option of the same name
 * wins after it. getopt_long does the reading, its messages are ours. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define OWN_MAX      16
#define GLOBAL_COUNT 11
#define GLOBAL_FIRST 1000

enum global_option {
    GLOBAL_DATA = GLOBAL_FIRST,
    GLOBAL_SOCKET,
    GLOBAL_ADDRESS,
    GLOBAL_USER,
    GLOBAL_JSON,
    GLOBAL_LANG,
    GLOBAL_NO_LOGIN,
    GLOBAL_PASSWORD_STDIN,
    GLOBAL_TIMEOUT,
    GLOBAL_HELP,
    GLOBAL_VERSION,
};

static const struct option globals[GLOBAL_COUNT] = {
    {"data", required_argument, NULL, GLOBAL_DATA},
    {"socket", required_argument, NULL, GLOBAL_SOCKET},
    {"address", required_argument, NULL, GLOBAL_ADDRESS},
    {"user", required_argument, NULL, GLOBAL_USER},
    {"json", no_argument, NULL, GLOBAL_JSON},
    {"lang", required_argument, NULL, GLOBAL_LANG},
    {"no-login", no_argument, NULL, GLOBAL_NO_LOGIN},
    {"password-stdin", no_argument, NULL, GLOBAL_PASSWORD_STDIN},
    {"timeout", required_argument, NULL, GLOBAL_TIMEOUT},
    {"help", no_argument, NULL, GLOBAL_HELP},
    {"version", no_argument, NULL, GLOBAL_VERSION},
};

static enum cli_exit read_number(const struct cli *cli, const char *name, const char *text,
                                 long *out)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 0)
        return cli_fail(cli, CLI_USAGE, "--%s takes a whole number, not '%s'",
                        "--%s 需要整数，而不是“%s”", name, text);
    *out = number;
    return CLI_OK;
}

static enum cli_exit set_language(struct cli *cli, const char *language)
{
    if (strcmp(language, "en") != 0 && strcmp(language, "zh") != 0)
        return cli_fail(cli, CLI_USAGE, "--lang is en or zh, not '%s'",
                        "--lang 为 en 或 zh，而不是“%s”", language);
    cli->chinese = strcmp(language, "zh") == 0;
    return CLI_OK;
}

static enum cli_exit set_global(struct cli *cli, int option, const char *value)
{
    switch ((enum global_option)option) {
    case GLOBAL_DATA:
        cli->place.data = value;
        break;
    case GLOBAL_SOCKET:
        cli->place.socket = value;
        break;
    case GLOBAL_ADDRESS:
        cli->place.address = value;
        break;
    case GLOBAL_USER:
        cli->user = value;
        break;
    case GLOBAL_JSON:
        cli->json = true;
        break;
    case GLOBAL_LANG:
        return set_language(cli, value);
    case GLOBAL_NO_LOGIN:
        cli->no_login = true;
        break;
    case GLOBAL_PASSWORD_STDIN:
        cli->password_stdin = true;
        break;
    case GLOBAL_TIMEOUT:
        return read_number(cli, "timeout", value, &cli->timeout_s);
    case GLOBAL_HELP:
    case GLOBAL_VERSION:
        /* Seen to by main before anything else is read. */
        break;
    }
    return CLI_OK;
}

static enum cli_exit complain(const struct cli *cli, int problem, const char *word)
{
    if (problem == ':')
        return cli_fail(cli, CLI_USAGE, "%s needs a value", "%s 需要一个值", word);
    return cli_fail(cli, CLI_USAGE, "unknown option %s", "未知选项 %s", word);
}

/* getopt_long takes any start of a name. Then `--password x` would be --password-stdin, and a
 * password would stand on the command line without anybody noticing. */
static bool is_abbreviated(const struct option *option, char **argv, const char **word)
{
    *word = argv[optind - 1];
    if (option->has_arg == required_argument && optarg == *word)
        *word = argv[optind - 2];
    size_t length = strlen(option->name);
    const char *name = *word + 2;
    return strncmp(name, option->name, length) != 0 ||
           (name[length] != '\0' && name[length] != '=');
}

enum cli_exit cli_global_options(struct cli *cli, int argc, char **argv, bool *help, bool *version)
{
    struct option known[GLOBAL_COUNT + 1] = {{NULL, 0, NULL, 0}};
    memcpy(known, globals, sizeof globals);
    const char *word;
    int option;
    int index;
    optind = 0;
    opterr = 0;
    /* "+" stops at the command; ":" tells a missing value from an unknown option. */
    while ((option = getopt_long(argc, argv, "+:h", known, &index)) != -1) {
        if (option == '?' || option == ':')
            return complain(cli, option, argv[optind - 1]);
        if (option != 'h' && is_abbreviated(&known[index], argv, &word))
            return complain(cli, '?', word);
        *help |= option == 'h' || option == GLOBAL_HELP;
        *version |= option == GLOBAL_VERSION;
        if (option != 'h' && set_global(cli, option, optarg) != CLI_OK)
            return CLI_USAGE;
    }
    cli->argc = argc - optind;
    cli->argv = argv + optind;
    return CLI_OK;
}

static enum cli_exit set_own(struct cli *cli, const struct cli_option *option, const char *value)
{
    if (option->flag) {
        *option->flag = true;
    } else if (option->text) {
        *option->text = value;
    } else if (option->number) {
        return read_number(cli, option->name, value, option->number);
    } else {
        struct cli_list *list = option->list;
        if (list->count == sizeof list->at / sizeof list->at[0])
            return cli_fail(cli, CLI_USAGE, "too many --%s", "--%s 过多", option->name);
        list->at[list->count++] = value;
    }
    return CLI_OK;
}

static size_t merge(const struct cli_option *own, struct option *known)
{
    size_t count = 0;
    for (; own && own[count].name; count++)
        known[count] = (struct option){
            own[count].name, own[count].flag ? no_argument : required_argument, NULL, (int)count};
    size_t own_count = count;
    for (size_t i = 0; i < GLOBAL_COUNT; i++) {
        bool taken = false;
        for (size_t k = 0; k < own_count; k++)
            taken |= strcmp(known[k].name, globals[i].name) == 0;
        if (!taken)
            known[count++] = globals[i];
    }
    known[count] = (struct option){NULL, 0, NULL, 0};
    return own_count;
}

enum cli_exit cli_options(struct cli *cli, const struct cli_option *options, int min, int max)
{
    struct option known[OWN_MAX + GLOBAL_COUNT + 1];
    merge(options, known);
    /* getopt skips argv[0]: it is the command's last word. */
    char **argv = cli->argv - 1;
    int argc = cli->argc + 1;
    const char *word;
    int option;
    int index;
    optind = 0;
    while ((option = getopt_long(argc, argv, ":h", known, &index)) != -1) {
        if (option == '?' || option == ':')
            return complain(cli, option, argv[optind - 1]);
        if (option != 'h' && is_abbreviated(&known[index], argv, &word))
            return complain(cli, '?', word);
        enum cli_exit code = CLI_OK;
        if (option >= GLOBAL_FIRST)
            code = set_global(cli, option, optarg);
        else if (option != 'h')
            code = set_own(cli, &options[option], optarg);
        if (code != CLI_OK)
            return code;
    }
    cli->argc = argc - optind;
    cli->argv = argv + optind;
    if (cli->argc < min || (max >= 0 && cli->argc > max))
        return cli_fail(cli, CLI_USAGE, "usage: kontor %s", "用法: kontor %s", cli->command->usage);
    return CLI_OK;
}
