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

/* --- Upgrades --- */

static msgpack_object member(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = object_get(map, name);
    return value ? *value : build_nil();
}

/* Lists of maps with these members, for a table. */
static msgpack_object choose(const struct cli *cli, const msgpack_object *list,
                             const char *const *names, size_t count)
{
    uint32_t rows = list && list->type == MSGPACK_OBJECT_ARRAY ? list->via.array.size : 0;
    msgpack_object table = build_array(cli->zone, rows);
    for (uint32_t i = 0; i < rows; i++) {
        struct build_map row = build_map(cli->zone);
        for (size_t n = 0; n < count; n++)
            build_set(&row, names[n], member(&list->via.array.ptr[i], names[n]));
        table.via.array.ptr[i] = row.object;
    }
    return table;
}

static void print_upgrades(const struct cli *cli, const msgpack_object *upgrades, bool dry_run)
{
    static const char *const summary[] = {"module", "version_from", "version", "from", "to", "ms"};
    static const char *const step[] = {"from",   "to",      "label", "label_zh",
                                       "looked", "changed", "ms"};
    uint32_t count =
        upgrades && upgrades->type == MSGPACK_OBJECT_ARRAY ? upgrades->via.array.size : 0;
    if (count == 0) {
        printf(cli->chinese ? "无可升级\n" : "nothing to upgrade\n");
        return;
    }
    if (dry_run)
        printf(cli->chinese ? "将会升级：\n" : "would be upgraded:\n");
    else
        printf(cli->chinese ? "已升级：\n" : "upgraded:\n");
    msgpack_object table = choose(cli, upgrades, summary, sizeof summary / sizeof summary[0]);
    cli_print(cli, &table);
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *steps = object_get(&upgrades->via.array.ptr[i], "steps");
        table = choose(cli, steps, step, sizeof step / sizeof step[0]);
        if (table.via.array.size == 0)
            continue;
        printf("\n");
        cli_print(cli, &table);
    }
}

static enum cli_exit run_upgrade(struct cli *cli)
{
    bool dry_run = false;
    const struct cli_option options[] = {{.name = "dry-run", .flag = &dry_run}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 0, 1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    if (cli->argc)
        build_set(&params, "name", build_text(cli->argv[0]));
    if (dry_run)
        build_set(&params, "dry_run", build_bool(true));
    struct client_reply reply;
    code = cli_call(cli, "module.upgrade", &params.object, &reply);
    const msgpack_object *result = dry_run ? object_get(&reply.result, "result") : &reply.result;
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        print_upgrades(cli, object_get(result, "upgrades"), dry_run);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_info(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 1, 1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "name", build_text(cli->argv[0]));
    return cli_call_and_print(cli, "module.info", &params.object);
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

const struct cli_command command_module_info = {
    .name = "module info",
    .usage = "module info NAME",
    .summary = {"show a module, its version and its upgrades", "显示模块、版本及升级记录"},
    .run = run_info,
};

const struct cli_command command_module_upgrade = {
    .name = "module upgrade",
    .usage = "module upgrade [NAME] [--dry-run]",
    .summary = {"take new versions from the plugin folder", "启用插件目录中的新版本"},
    .help =
        {
            "Takes the module as it lies in the server's plugin folder now (without NAME: all of\n"
            "them), brings its data to it and tells what was done. All of it is one transaction:\n"
            "when a step fails everything stays as it was. A version that is older than the data\n"
            "is refused. A server that is started anew does the same by itself.\n"
            "\n"
            "  --dry-run  do it, tell, and undo it\n"
            "\n"
            "Other writes wait meanwhile. Large data take a while: --timeout 0 waits for ever.\n",
            "启用服务器插件目录中现有的模块版本（省略 NAME 则为全部），迁移其数据并报告结果。\n"
            "全部在一个事务中完成：任一步骤失败则一切保持原样。版本比数据旧时会被拒绝。\n"
            "服务器重新启动时也会自动升级。\n"
            "\n"
            "  --dry-run  试运行：执行、报告，然后撤销\n"
            "\n"
            "期间其他写入需等待。数据量大时需要一些时间：--timeout 0 表示一直等待。\n",
        },
    .run = run_upgrade,
};
