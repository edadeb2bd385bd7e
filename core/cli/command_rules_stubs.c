/* rules stubs: what editors and people need to write rules for this server. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/workbench.h"

#define PATH_SIZE 4096

static enum cli_exit write_file(const struct cli *cli, const char *folder,
                                const msgpack_object_kv *made)
{
    char path[PATH_SIZE];
    if (snprintf(path, sizeof path, "%s/%.*s", folder, (int)made->key.via.str.size,
                 made->key.via.str.ptr) >= PATH_SIZE)
        return cli_fail(cli, CLI_USAGE, "the name of the folder is too long", "目录名过长");
    FILE *file = fopen(path, "we");
    bool written = file && fwrite(made->val.via.str.ptr, 1, made->val.via.str.size, file) ==
                               made->val.via.str.size;
    if (file && fclose(file) != 0)
        written = false;
    if (!written)
        return cli_fail(cli, CLI_REFUSED, "cannot write %s: %s", "无法写入 %s: %s", path,
                        strerror(errno));
    printf("%s: %s\n", path, cli->chinese ? "已保存" : "saved");
    return CLI_OK;
}

static enum cli_exit run_stubs(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 0, 1);
    if (code != CLI_OK)
        return code;
    const char *folder = cli->argc ? cli->argv[0] : ".";
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return cli_fail(cli, CLI_REFUSED, "cannot make %s: %s", "无法创建 %s: %s", folder,
                        strerror(errno));
    struct client_reply reply;
    code = cli_call(cli, "system.describe", NULL, &reply);
    msgpack_object made = build_nil();
    if (code == CLI_OK) {
        struct build_map given = build_map(cli->zone);
        build_set(&given, "describe", reply.result);
        code = workbench_run(cli, "stubs.lua", &given, &made);
    }
    client_reply_free(&reply);
    for (uint32_t i = 0; code == CLI_OK && i < made.via.map.size; i++)
        code = write_file(cli, folder, &made.via.map.ptr[i]);
    return code;
}

const struct cli_command command_rules_stubs = {
    .name = "rules stubs",
    .usage = "rules stubs [DIR]",
    .summary = {"files for editors: every function and field", "为编辑器生成函数与字段说明"},
    .help =
        {
            "Writes to DIR (default: this folder), from what this server has just now:\n"
            "  kontor.lua    every function, entity and field, for editors with the Lua language\n"
            "                server (LuaLS), which then complete and check\n"
            "  .luarc.json   its settings\n"
            "  reference.md  the same for people\n"
            "Files that are there are replaced. Do not push kontor.lua.\n",
            "根据服务器当前内容，在 DIR（默认当前目录）中生成：\n"
            "  kontor.lua    全部函数、实体与字段，供使用 Lua 语言服务器（LuaLS）的编辑器\n"
            "                补全与检查\n"
            "  .luarc.json   相应设置\n"
            "  reference.md  供人阅读的参考\n"
            "已有的同名文件会被替换。请勿推送 kontor.lua。\n",
        },
    .run = run_stubs,
};
