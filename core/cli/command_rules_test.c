/* rules test: the tests of rules, run on the server and undone. */
#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/text.h"

static void add_member(struct text *out, const msgpack_object *map, const char *name)
{
    const msgpack_object *value = object_get(map, name);
    if (value && value->type == MSGPACK_OBJECT_STR)
        text_add_safe(out, value->via.str.ptr, value->via.str.size);
}

/* "over the limit is refused: credit_test.lua:15: expected ..., found ..." */
static void add_failures(const struct cli *cli, const msgpack_object *answer, struct text *out)
{
    const msgpack_object *tests = object_get(answer, "tests");
    uint32_t count = tests && tests->type == MSGPACK_OBJECT_ARRAY ? tests->via.array.size : 0;
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *test = &tests->via.array.ptr[i];
        const msgpack_object *ok = object_get(test, "ok");
        if (ok && ok->type == MSGPACK_OBJECT_BOOLEAN && ok->via.boolean)
            continue;
        add_member(out, test, "name");
        text_add_word(out, ": ");
        add_member(out, test, cli->chinese ? "message_zh" : "message");
        text_add_word(out, "\n");
    }
}

static enum cli_exit print_report(struct cli *cli, const msgpack_object *answer)
{
    long long count = object_int(answer, "count"), failed = object_int(answer, "failed");
    struct text out = {.at = NULL};
    add_failures(cli, answer, &out);
    if (failed > 0)
        text_add_format(
            &out, cli->chinese ? "%lld 项测试失败，共 %lld 项\n" : "%lld of %lld tests failed\n",
            failed, count);
    else
        text_add_format(&out, cli->chinese ? "%lld 项测试全部通过\n" : "%lld tests passed\n",
                        count);
    if (cli->json)
        cli_print(cli, answer);
    else
        fputs(out.at, stdout);
    text_free(&out);
    return failed > 0 ? CLI_REFUSED : CLI_OK;
}

static enum cli_exit run_test(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 0, -1);
    struct build_map params = build_map(cli->zone);
    struct bundle bundle;
    struct client_reply reply;
    if (code == CLI_OK && cli->argc > 0) {
        code = bundle_read(cli, &bundle);
        build_set(&params, "files", bundle.files.object);
    }
    if (code != CLI_OK)
        return code;
    code = cli_call(cli, "rules.test", &params.object, &reply);
    if (code == CLI_OK)
        code = print_report(cli, &reply.result);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_rules_test = {
    .name = "rules test",
    .usage = "rules test [DIR|FILE...]",
    .summary = {"run the tests of rules", "运行规则的测试"},
    .help =
        {
            "Runs every test() of the *_test.lua files given and of those that were pushed, under\n"
            "the rules that would be in force if the files were pushed. Each test works on the\n"
            "server's data in a transaction that is undone: nothing of it stays. `rules push` "
            "does\n"
            "the same first. Ends with 1 when a test fails.\n",
            "在假定已推送所给文件的规则下，运行所给的和已推送的 *_test.lua 中的每个 test()。\n"
            "每项测试在服务器数据上的事务中运行并被撤销，不留任何痕迹。rules push 会先执行\n"
            "同样的测试。有测试失败时以 1 退出。\n",
        },
    .run = run_test,
};
