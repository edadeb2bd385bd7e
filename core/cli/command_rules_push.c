/* rules push, remove, rollback: what changes the rules in force. */
#include <errno.h>
#include <stdlib.h>

#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/text.h"

/* "credit.lua: changed", and which revision that is. */
static void print_change(const struct cli *cli, const msgpack_object *answer)
{
    static const struct {
        const char *word, *chinese;
    } words[] = {{"added", "已添加"}, {"changed", "已更改"}, {"removed", "已移除"}};
    const msgpack_object *changed = object_get(answer, "changed");
    uint32_t count = changed && changed->type == MSGPACK_OBJECT_ARRAY ? changed->via.array.size : 0;
    struct text out = {.at = NULL};
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *name = object_get(&changed->via.array.ptr[i], "name");
        const msgpack_object *what = object_get(&changed->via.array.ptr[i], "what");
        if (!name || name->type != MSGPACK_OBJECT_STR || !what)
            continue;
        text_add_safe(&out, name->via.str.ptr, name->via.str.size);
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            if (object_is(what, words[w].word))
                text_add_format(&out, ": %s\n", cli->chinese ? words[w].chinese : words[w].word);
    }
    if (object_int(answer, "tests") > 0)
        text_add_format(&out, cli->chinese ? "%lld 项测试全部通过\n" : "%lld tests passed\n",
                        (long long)object_int(answer, "tests"));
    text_add_format(&out,
                    count ? (cli->chinese ? "版本 %lld\n" : "revision %lld\n")
                          : (cli->chinese ? "没有更改，仍为版本 %lld\n"
                                          : "nothing changed: still revision %lld\n"),
                    (long long)object_int(answer, "revision"));
    fputs(out.at, stdout);
    text_free(&out);
}

static enum cli_exit change(struct cli *cli, const char *method, const msgpack_object *params)
{
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, method, params, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        print_change(cli, &reply.result);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_push(struct cli *cli)
{
    bool replace = false, skip_tests = false;
    const char *note = NULL;
    const struct cli_option options[] = {{.name = "replace", .flag = &replace},
                                         {.name = "note", .text = &note},
                                         {.name = "skip-tests", .flag = &skip_tests},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, -1);
    struct bundle bundle;
    if (code == CLI_OK)
        code = bundle_read(cli, &bundle);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "files", bundle.files.object);
    build_set(&params, "replace", build_bool(replace));
    build_set(&params, "skip_tests", build_bool(skip_tests));
    if (note)
        build_set(&params, "note", build_text(note));
    return change(cli, "rules.push", &params.object);
}

static enum cli_exit run_remove(struct cli *cli)
{
    const char *note = NULL;
    const struct cli_option options[] = {{.name = "note", .text = &note}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, 1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "name", build_text(cli->argv[0]));
    if (note)
        build_set(&params, "note", build_text(note));
    return change(cli, "rules.remove", &params.object);
}

static enum cli_exit read_revision(const struct cli *cli, const char *word, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(word, &end, 10);
    if (errno == 0 && end != word && *end == '\0' && *out >= 0)
        return CLI_OK;
    return cli_fail(cli, CLI_USAGE, "a revision is a whole number, not '%s'",
                    "版本应为整数，而不是“%s”", word);
}

static enum cli_exit run_rollback(struct cli *cli)
{
    const char *note = NULL;
    const struct cli_option options[] = {{.name = "note", .text = &note}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 0, 1);
    struct build_map params = build_map(cli->zone);
    int64_t to = 0;
    if (code == CLI_OK && cli->argc > 0)
        code = read_revision(cli, cli->argv[0], &to);
    if (code != CLI_OK)
        return code;
    if (cli->argc > 0)
        build_set(&params, "to", build_int(to));
    if (note)
        build_set(&params, "note", build_text(note));
    return change(cli, "rules.rollback", &params.object);
}

const struct cli_command command_rules_push = {
    .name = "rules push",
    .usage = "rules push DIR|FILE... [--replace] [--note TEXT] [--skip-tests]",
    .summary = {"send rule files to the server", "将规则文件发送到服务器"},
    .help =
        {
            "From a folder, every *.lua in it and in the folders one level below; a rule's file\n"
            "is named by its path there (\"sales/credit.lua\"). The server takes all files or,\n"
            "if one of them is wrong, none. What was changed is a revision: `rules log` lists\n"
            "them, `rules rollback` goes back to one. NAME_test.lua travels with NAME.lua: all\n"
            "tests run first, and if one fails nothing is changed.\n"
            "\n"
            "  --replace     remove the pushed files that are not among these\n"
            "  --note TEXT   why, for the log\n"
            "  --skip-tests  run no tests; the log tells\n",
            "对目录，取其中及下一级目录中的所有 *.lua；文件名为其相对路径\n"
            "（如 \"sales/credit.lua\"）。服务器要么全部接受，要么（其中一个有误时）全部拒绝。\n"
            "每次更改成为一个版本：rules log 列出版本，rules rollback 回退到某一版本。\n"
            "NAME_test.lua 随 NAME.lua 一起发送：先运行全部测试，有失败则不作任何更改。\n"
            "\n"
            "  --replace      移除不在其中的已推送文件\n"
            "  --note 说明    记入日志的原因\n"
            "  --skip-tests   不运行测试（日志会注明）\n",
        },
    .run = run_push,
};

const struct cli_command command_rules_remove = {
    .name = "rules remove",
    .usage = "rules remove FILE [--note TEXT]",
    .summary = {"remove a pushed rule file", "移除已推送的规则文件"},
    .help =
        {
            "With NAME.lua its NAME_test.lua goes, too.\n"
            "\n"
            "  --note TEXT  why, for the log\n",
            "NAME_test.lua 随 NAME.lua 一起移除。\n"
            "\n"
            "  --note 说明  记入日志的原因\n",
        },
    .run = run_remove,
};

const struct cli_command command_rules_rollback = {
    .name = "rules rollback",
    .usage = "rules rollback [REVISION] [--note TEXT]",
    .summary = {"go back to an earlier revision", "回退到先前版本"},
    .help =
        {
            "Makes the pushed files what they were in that revision of `rules log`; without one,\n"
            "in the revision before the present. That is a new revision, so it can be taken back\n"
            "the same way. 0 is before anything was pushed. Tests are not run.\n"
            "\n"
            "  --note TEXT  why, for the log\n",
            "将已推送的文件恢复为 rules log 中该版本的内容；省略时为当前版本的前一版本。\n"
            "回退本身也是新版本，因此可用同样方式撤销。0 表示推送之前。不运行测试。\n"
            "\n"
            "  --note 说明  记入日志的原因\n",
        },
    .run = run_rollback,
};
