/** `kontor`: the administrator's and consultant's command. This file finds the command and explains
 *  the commands; each does its own work. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/text.h"

#ifndef KONTOR_VERSION
#define KONTOR_VERSION "0.1.0"
#endif

#define TIMEOUT_S 300

#define COMMAND_ADDRESS(name) &(name),
static const struct cli_command *const commands[] = {COMMANDS_FOREACH(COMMAND_ADDRESS)};
#undef COMMAND_ADDRESS
static const size_t command_count = sizeof commands / sizeof commands[0];

static const char *const options_help[2] = {
    "Options, before or after the command:\n"
    "  --data DIR           the server's data folder on this machine (KONTOR_DATA; otherwise\n"
    "                       ./data, then ~/.local/share/kontor)\n"
    "  --socket PATH        its Unix socket (KONTOR_SOCKET)\n"
    "  --address HOST:PORT  over the network, not encrypted (KONTOR_ADDRESS)\n"
    "  --user NAME          log in as NAME (KONTOR_USER); asks for the password\n"
    "  --password-stdin     read the password from the first line of standard input\n"
    "  --no-login           do not log in\n"
    "  --json               exact answers as JSON\n"
    "  --lang en|zh         language of tables and messages\n"
    "  --timeout SECONDS    wait so long for an answer (300; 0 for ever)\n"
    "  --help, --version\n"
    "\n"
    "The password may also stand in KONTOR_PASSWORD. With neither user nor password, kontor logs\n"
    "in as admin with DIR/admin-password.\n"
    "\n"
    "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no connection, 4 login failed.\n",
    "选项，可放在命令之前或之后：\n"
    "  --data DIR           本机服务器的数据目录（KONTOR_DATA；默认依次为 ./data、\n"
    "                       ~/.local/share/kontor）\n"
    "  --socket PATH        服务器的 Unix 套接字（KONTOR_SOCKET）\n"
    "  --address HOST:PORT  通过网络连接，未加密（KONTOR_ADDRESS）\n"
    "  --user NAME          以 NAME 登录（KONTOR_USER），并询问密码\n"
    "  --password-stdin     从标准输入第一行读取密码\n"
    "  --no-login           不登录\n"
    "  --json               以 JSON 输出精确结果\n"
    "  --lang en|zh         表格和消息的语言\n"
    "  --timeout 秒         等待应答的时间（默认 300；0 为不限）\n"
    "  --help, --version\n"
    "\n"
    "密码也可放在 KONTOR_PASSWORD 中。未给出用户和密码时，以 admin 登录，\n"
    "密码取自 DIR/admin-password。\n"
    "\n"
    "退出码：0 成功，1 被拒绝，2 用法错误，3 无法连接，4 登录失败。\n",
};

static void print_summaries(bool chinese, const char *group, FILE *out)
{
    size_t length = group ? strlen(group) : 0;
    for (size_t i = 0; i < command_count; i++) {
        const struct cli_command *command = commands[i];
        if (group && (strncmp(command->name, group, length) != 0 || command->name[length] != ' '))
            continue;
        fprintf(out, "  %-16s %s\n", command->name, command->summary[chinese]);
    }
}

static void print_help(bool chinese, FILE *out)
{
    fputs(chinese ? "用法: kontor [选项] 命令 ...\n\n命令：\n"
                  : "usage: kontor [OPTIONS] COMMAND ...\n\nCommands:\n",
          out);
    print_summaries(chinese, NULL, out);
    fputs(chinese ? "\n“kontor 命令 --help”解释一条命令。\n\n"
                  : "\n`kontor COMMAND --help` explains one.\n\n",
          out);
    fputs(options_help[chinese], out);
}

static void print_command_help(bool chinese, const struct cli_command *command)
{
    printf(chinese ? "用法: kontor %s\n\n%s\n" : "usage: kontor %s\n\n%s\n", command->usage,
           command->summary[chinese]);
    if (command->help[chinese])
        printf("\n%s", command->help[chinese]);
}

/* LC_ALL, LC_MESSAGES, LANG: the first that is set decides, as everywhere. */
static bool speaks_chinese(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value && value[0])
            return strncmp(value, "zh", 2) == 0;
    }
    return false;
}

/* The longest name that the words start with: "module list" before "module". */
static const struct cli_command *find_command(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i]->name;
        size_t first = strcspn(name, " ");
        if (strlen(argv[0]) != first || strncmp(name, argv[0], first) != 0)
            continue;
        *words = name[first] == '\0' ? 1 : 2;
        if (*words == 1 || (argc > 1 && strcmp(argv[1], name + first + 1) == 0))
            return commands[i];
    }
    return NULL;
}

static bool is_group(const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i < command_count; i++) {
        if (strncmp(commands[i]->name, word, length) == 0 && commands[i]->name[length] == ' ')
            return true;
    }
    return false;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

static enum cli_exit run_command(struct cli *cli, bool help)
{
    if (cli->argc > 0 && strcmp(cli->argv[0], "help") == 0) {
        help = true;
        cli->argc--;
        cli->argv++;
    }
    if (cli->argc == 0) {
        print_help(cli->chinese, help ? stdout : stderr);
        return help ? CLI_OK : CLI_USAGE;
    }
    help |= asks_for_help(cli->argc, cli->argv);
    int words = 0;
    cli->command = find_command(cli->argc, cli->argv, &words);
    if (!cli->command && is_group(cli->argv[0])) {
        print_summaries(cli->chinese, cli->argv[0], help ? stdout : stderr);
        return help ? CLI_OK : CLI_USAGE;
    }
    if (!cli->command)
        return cli_fail(cli, CLI_USAGE, "no command '%s'; see kontor --help",
                        "没有命令“%s”；请看 kontor --help", cli->argv[0]);
    if (help) {
        print_command_help(cli->chinese, cli->command);
        return CLI_OK;
    }
    cli->argc -= words;
    cli->argv += words;
    return cli->command->run(cli);
}

/* A reader that went away (`| head`) is no failure; a full disk is. */
static enum cli_exit end_output(const struct cli *cli, enum cli_exit code)
{
    errno = 0;
    bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed && errno != EPIPE && errno != 0 && code == CLI_OK)
        return cli_fail(cli, CLI_REFUSED, "cannot write the output: %s", "无法写出结果: %s",
                        strerror(errno));
    return code;
}

int main(int argc, char **argv)
{
    struct cli cli = {.timeout_s = TIMEOUT_S, .chinese = speaks_chinese()};
    bool help = false;
    bool version = false;
    text_use_utf8();
    signal(SIGPIPE, SIG_IGN);
    enum cli_exit code = cli_global_options(&cli, argc, argv, &help, &version);
    if (code != CLI_OK)
        return (int)code;
    if (version) {
        puts("kontor " KONTOR_VERSION);
        return end_output(&cli, CLI_OK);
    }
    cli.zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    if (!cli.zone)
        return cli_fail(&cli, CLI_REFUSED, "out of memory", "内存不足");
    code = run_command(&cli, help);
    cli_session_end(&cli);
    msgpack_zone_free(cli.zone);
    return end_output(&cli, code);
}
