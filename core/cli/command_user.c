#include <string.h>

#include "cli/commands.h"

struct new_secret {
    bool from_stdin;
    bool generate;
    struct cli_secret secret;
};

static enum cli_exit ask_twice(const struct cli *cli, const char *user, struct cli_secret *secret)
{
    char prompt[256];
    snprintf(prompt, sizeof prompt,
             cli->chinese ? "%.100s 的新密码: " : "New password of %.100s: ", user);
    enum cli_exit code = cli_secret_prompt(cli, prompt, secret);
    if (code != CLI_OK)
        return code;
    struct cli_secret again = {.text = ""};
    code = cli_secret_prompt(cli, cli->chinese ? "再次输入: " : "Again: ", &again);
    if (code == CLI_OK && strcmp(secret->text, again.text) != 0)
        code = cli_fail(cli, CLI_USAGE, "the two passwords differ", "两次输入的密码不一致");
    cli_secret_wipe(&again);
    return code;
}

static enum cli_exit find_new_secret(const struct cli *cli, const char *user,
                                     struct new_secret *chosen)
{
    if (chosen->generate && chosen->from_stdin)
        return cli_fail(cli, CLI_USAGE, "--generate or --password-stdin, not both",
                        "--generate 与 --password-stdin 不可同时使用");
    if (chosen->generate)
        return cli_secret_generate(cli, &chosen->secret);
    if (chosen->from_stdin)
        return cli_secret_stdin(cli, &chosen->secret);
    return ask_twice(cli, user, &chosen->secret);
}

/* When both the login's and the new password come from standard input, the login's is first. */
static enum cli_exit log_in_first(struct cli *cli)
{
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, "system.ping", NULL, &reply);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit send_secret(struct cli *cli, const char *method, struct build_map *params,
                                 const char *user, struct new_secret *chosen)
{
    enum cli_exit code = log_in_first(cli);
    if (code == CLI_OK)
        code = find_new_secret(cli, user, chosen);
    if (code != CLI_OK)
        return code;
    build_set(params, "password", build_text(chosen->secret.text));
    struct client_reply reply;
    code = cli_call(cli, method, &params->object, &reply);
    if (code == CLI_OK && cli->json && chosen->generate) {
        struct build_map shown = build_map(cli->zone);
        build_set(&shown, "user", build_text(user));
        build_set(&shown, "password", build_text(chosen->secret.text));
        cli_print(cli, &shown.object);
    } else if (code == CLI_OK && cli->json) {
        cli_print(cli, &reply.result);
    } else if (code == CLI_OK && chosen->generate) {
        printf(cli->chinese ? "%s 的密码: %s\n" : "password of %s: %s\n", user,
               chosen->secret.text);
    } else if (code == CLI_OK) {
        printf("%s: %s\n", user, cli->chinese ? "已保存" : "saved");
    }
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_add(struct cli *cli)
{
    const char *full_name = NULL;
    struct cli_list roles = {.count = 0};
    struct new_secret chosen = {.from_stdin = false};
    const struct cli_option options[] = {{.name = "full-name", .text = &full_name},
                                         {.name = "role", .list = &roles},
                                         {.name = "password-stdin", .flag = &chosen.from_stdin},
                                         {.name = "generate", .flag = &chosen.generate},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, 1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "name", build_text(cli->argv[0]));
    if (full_name)
        build_set(&params, "full_name", build_text(full_name));
    msgpack_object list = build_array(cli->zone, (uint32_t)roles.count);
    for (size_t i = 0; i < roles.count; i++)
        list.via.array.ptr[i] = build_text(roles.at[i]);
    build_set(&params, "roles", list);
    code = send_secret(cli, "system.user.add", &params, cli->argv[0], &chosen);
    cli_secret_wipe(&chosen.secret);
    return code;
}

static enum cli_exit run_passwd(struct cli *cli)
{
    struct new_secret chosen = {.from_stdin = false};
    const struct cli_option options[] = {{.name = "password-stdin", .flag = &chosen.from_stdin},
                                         {.name = "generate", .flag = &chosen.generate},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, 1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "user", build_text(cli->argv[0]));
    code = send_secret(cli, "auth.set_password", &params, cli->argv[0], &chosen);
    cli_secret_wipe(&chosen.secret);
    return code;
}

static enum cli_exit run_list(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 0, 0);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "entity", build_text("system.user"));
    struct client_reply reply;
    code = cli_call(cli, "record.search", &params.object, &reply);
    const msgpack_object *records = object_get(&reply.result, "records");
    if (code == CLI_OK)
        cli_print(cli, records && !cli->json ? records : &reply.result);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_user_list = {
    .name = "user list",
    .usage = "user list",
    .summary = {"show the users", "显示用户"},
    .run = run_list,
};

const struct cli_command command_user_add = {
    .name = "user add",
    .usage = "user add NAME [--full-name X] [--role R]... [--generate | --password-stdin]",
    .summary = {"add a user", "添加用户"},
    .help =
        {
            "Asks for the new user's password twice, or:\n"
            "  --generate        make one of 20 random letters and print it\n"
            "  --password-stdin  read it from a line of standard input (to give your own password\n"
            "                    there too, write --password-stdin before the command as well:\n"
            "                    then yours is the first line)\n",
            "两次询问新用户的密码，或者：\n"
            "  --generate        随机生成 20 个字符的密码并打印\n"
            "  --password-stdin  从标准输入的一行读取（若登录密码也由此给出，请在命令前\n"
            "                    再写一次 --password-stdin：登录密码在第一行）\n",
        },
    .run = run_add,
};

const struct cli_command command_user_passwd = {
    .name = "user passwd",
    .usage = "user passwd NAME [--generate | --password-stdin]",
    .summary = {"set a user's password", "设置用户的密码"},
    .help = {"The same choices as `kontor user add`.\n", "选项与“kontor user add”相同。\n"},
    .run = run_passwd,
};
