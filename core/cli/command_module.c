#include "cli/commands.h"

static enum cli_exit run_list(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 0, 0);
    return code == CLI_OK ? cli_call_and_print(cli, "module.list", NULL) : code;
}

static enum cli_exit call_with_name(struct cli *cli, const char *method, const char *name,
                                    const char *english, const char *chinese)
{
    struct build_map params = build_map(cli->zone);
    build_set(&params, "name", build_text(name));
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, method, &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        printf("%s: %s\n", name, cli->chinese ? chinese : english);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_enable(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 1, -1);
    for (int i = 0; code == CLI_OK && i < cli->argc; i++)
        code = call_with_name(cli, "module.enable", cli->argv[i], "enabled", "已启用");
    return code;
}

static enum cli_exit run_disable(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 1, 1);
    if (code != CLI_OK)
        return code;
    return call_with_name(cli, "module.disable", cli->argv[0], "disabled", "已停用");
}

const struct cli_command command_module_list = {
    .name = "module list",
    .usage = "module list",
    .summary = {"show the modules and which are enabled", "显示模块及其启用情况"},
    .run = run_list,
};

const struct cli_command command_module_enable = {
    .name = "module enable",
    .usage = "module enable NAME...",
    .summary = {"enable modules, one after the other", "依次启用模块"},
    .help = {"Stops at the first that the server refuses.\n", "遇到被拒绝的模块即停止。\n"},
    .run = run_enable,
};

const struct cli_command command_module_disable = {
    .name = "module disable",
    .usage = "module disable NAME",
    .summary = {"disable a module; its data stays", "停用模块，数据保留"},
    .run = run_disable,
};
