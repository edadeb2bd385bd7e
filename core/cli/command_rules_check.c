/* rules check: what is wrong with rule files, before they are pushed. The server loads them and
 * forgets them; names of entities and fields, and luacheck's conventions, are checked here. */
#include <stdlib.h>
#include <string.h>

#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "cli/workbench.h"

static msgpack_object keep(const struct cli *cli, const char *text)
{
    size_t length = strlen(text);
    char *copy = build_memory(cli->zone, length + 1);
    memcpy(copy, text, length + 1);
    return build_text_of(copy, length);
}

/* "rule file credit.lua:12: ..." tells where. */
static msgpack_object server_finding(struct cli *cli, const struct client_error *error)
{
    struct build_map finding = build_map(cli->zone);
    const char *message = cli->chinese ? error->message_zh : error->message;
    const char *file = error->rule ? error->rule : "", *at = NULL;
    long line = 1;
    if (*file)
        at = strstr(message, file);
    if (at && at[strlen(file)] == ':')
        line = strtol(at + strlen(file) + 1, NULL, 10);
    build_set(&finding, "file", keep(cli, file));
    build_set(&finding, "line", build_int(line > 0 ? line : 1));
    build_set(&finding, "column", build_int(1));
    build_set(&finding, "code", keep(cli, error->code));
    build_set(&finding, "level", build_text("error"));
    build_set(&finding, "message", keep(cli, message));
    return finding.object;
}

/* A push that is undone. `finding` stays nil when the server has nothing against it. */
static enum cli_exit ask_server(struct cli *cli, const struct bundle *bundle,
                                msgpack_object *finding)
{
    struct build_map params = build_map(cli->zone);
    struct client_reply reply;
    build_set(&params, "files", bundle->files.object);
    build_set(&params, "dry_run", build_bool(true));
    enum cli_exit code = cli_ask(cli, "rules.push", &params.object, &reply);
    *finding = build_nil();
    if (code == CLI_REFUSED) {
        *finding = server_finding(cli, reply.error);
        code = CLI_OK;
    }
    client_reply_free(&reply);
    return code;
}

static enum cli_exit read_files(struct cli *cli, const struct bundle *bundle,
                                msgpack_object *findings)
{
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, "system.describe", NULL, &reply);
    if (code == CLI_OK) {
        struct build_map given = build_map(cli->zone);
        build_set(&given, "describe", reply.result);
        build_set(&given, "files", bundle->files.object);
        code = workbench_run(cli, "check.lua", &given, findings);
    }
    client_reply_free(&reply);
    return code;
}

static const msgpack_object *member(const msgpack_object *finding, const char *name)
{
    static const msgpack_object nothing = {.type = MSGPACK_OBJECT_STR};
    const msgpack_object *found = object_get(finding, name);
    return found && found->type == MSGPACK_OBJECT_STR ? found : &nothing;
}

static void add_member(struct text *out, const msgpack_object *finding, const char *name)
{
    const msgpack_object_str *text = &member(finding, name)->via.str;
    text_add_safe(out, text->ptr ? text->ptr : "", text->size);
}

static bool is_error(const msgpack_object *finding)
{
    const msgpack_object_str *level = &member(finding, "level")->via.str;
    return level->size == 5 && memcmp(level->ptr, "error", 5) == 0;
}

/* FILE:LINE:COLUMN: (CODE) MESSAGE */
static void add_finding(struct text *out, const msgpack_object *finding)
{
    add_member(out, finding, "file");
    text_add_format(out, ":%lld:%lld: (", (long long)object_int(finding, "line"),
                    (long long)object_int(finding, "column"));
    add_member(out, finding, "code");
    text_add_word(out, ") ");
    add_member(out, finding, "message");
    text_add_word(out, "\n");
}

/* Code 011 of luacheck: then the server says the same. */
static bool has_bad_syntax(const msgpack_object *findings, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (object_is(object_get(&findings->via.array.ptr[i], "code"), "011"))
            return true;
    return false;
}

/* The server's finding, if any, then those of the files. */
static msgpack_object joined(struct cli *cli, const msgpack_object *first,
                             const msgpack_object *rest)
{
    uint32_t count = rest->type == MSGPACK_OBJECT_ARRAY ? rest->via.array.size : 0, used = 0;
    msgpack_object *all = build_memory(cli->zone, sizeof(*all) * (count + 1));
    if (first->type == MSGPACK_OBJECT_MAP && !has_bad_syntax(rest, count))
        all[used++] = *first;
    for (uint32_t i = 0; i < count; i++)
        all[used++] = rest->via.array.ptr[i];
    return (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {.size = used, .ptr = all}};
}

static enum cli_exit report(struct cli *cli, const msgpack_object *findings)
{
    struct text out = {.at = NULL};
    long errors = 0;
    for (uint32_t i = 0; i < findings->via.array.size; i++) {
        add_finding(&out, &findings->via.array.ptr[i]);
        errors += is_error(&findings->via.array.ptr[i]);
    }
    if (cli->json)
        cli_print(cli, findings);
    else if (out.length)
        fputs(out.at, stdout);
    text_free(&out);
    return errors ? CLI_REFUSED : CLI_OK;
}

static enum cli_exit run_check(struct cli *cli)
{
    static char here[] = ".";
    static char *only_here[] = {here, NULL};
    struct bundle bundle;
    msgpack_object refused = build_nil(), read = build_nil();
    enum cli_exit code = cli_options(cli, NULL, 0, -1);
    if (code == CLI_OK && cli->argc == 0) {
        cli->argv = only_here;
        cli->argc = 1;
    }
    if (code == CLI_OK)
        code = bundle_read(cli, &bundle);
    if (code == CLI_OK)
        code = ask_server(cli, &bundle, &refused);
    if (code == CLI_OK)
        code = read_files(cli, &bundle, &read);
    if (code != CLI_OK)
        return code;
    if (read.type == MSGPACK_OBJECT_NIL)
        (void)cli_fail(cli, CLI_OK,
                       "luacheck is not installed: names and conventions were not checked "
                       "(Debian: lua-check)",
                       "未安装 luacheck：未检查名称与规范（Debian 软件包 lua-check）");
    msgpack_object findings = joined(cli, &refused, &read);
    return report(cli, &findings);
}

const struct cli_command command_rules_check = {
    .name = "rules check",
    .usage = "rules check [DIR|FILE...]",
    .summary = {"find mistakes in rule files before a push", "推送前检查规则文件"},
    .help =
        {
            "The server loads the files (default: those of this folder), runs their tests and\n"
            "forgets them; then they are read here for unknown names, entities and fields, for\n"
            "assignments to read-only fields, and for luacheck's conventions (package\n"
            "lua-check). One finding a line:\n"
            "\n"
            "  FILE:LINE:COLUMN: (CODE) MESSAGE\n"
            "\n"
            "Codes K.. are Kontor's, numbers luacheck's, words the server's. Ends with 1 when\n"
            "there are errors; matters of taste alone do not count.\n",
            "服务器加载文件（默认当前目录）、运行其测试，随后撤销；再在本地检查未知的名称、\n"
            "实体与字段、对只读字段的赋值，以及 luacheck 的规范（软件包 lua-check）。\n"
            "每行一条：\n"
            "\n"
            "  文件:行:列: (代码) 说明\n"
            "\n"
            "代码 K.. 属于 Kontor，数字属于 luacheck，单词属于服务器。有错误时以 1 退出，\n"
            "仅有风格问题不算。\n",
        },
    .run = run_check,
};
