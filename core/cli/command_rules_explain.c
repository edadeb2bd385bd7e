/* rules explain: what runs in a change, in its order. rules enable. */
#include <string.h>

#include "cli/commands.h"
#include "cli/text.h"

static void add_value(struct text *out, const msgpack_object *value)
{
    if (value && value->type == MSGPACK_OBJECT_STR)
        text_add_safe(out, value->via.str.ptr, value->via.str.size);
    else if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        text_add_format(out, "%llu", (unsigned long long)value->via.u64);
    else if (value && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        text_add_format(out, "%lld", (long long)value->via.i64);
}

static void add_names(struct text *out, const msgpack_object *names)
{
    for (uint32_t i = 0; names && names->type == MSGPACK_OBJECT_ARRAY && i < names->via.array.size;
         i++) {
        text_add_word(out, i ? ", " : "");
        add_value(out, &names->via.array.ptr[i]);
    }
}

/* "priority 50, credit.lua:3, as finance.clerk, disabled", or "module sales". */
static void add_about(const struct cli *cli, struct text *out, const msgpack_object *step)
{
    const msgpack_object *module = object_get(step, "module"), *state = object_get(step, "state");
    if (module) {
        text_add_word(out, cli->chinese ? "  模块 " : "  module ");
        add_value(out, module);
    }
    if (!object_get(step, "file"))
        return;
    text_add_format(out, cli->chinese ? "  优先级 %lld, " : "  priority %lld, ",
                    (long long)object_int(step, "priority"));
    add_value(out, object_get(step, "file"));
    text_add_format(out, ":%lld", (long long)object_int(step, "line"));
    if (object_get(step, "as")) {
        text_add_word(out, ", as ");
        add_value(out, object_get(step, "as"));
    }
    if (state && object_is(state, "disabled"))
        text_add_word(out, cli->chinese ? ", 已停用" : ", disabled");
}

static void add_step(const struct cli *cli, struct text *out, const msgpack_object *step)
{
    text_add_format(out, "%3lld  ", (long long)object_int(step, "number"));
    size_t start = out->length;
    add_value(out, object_get(step, "step"));
    size_t width = text_width(out->at + start, out->length - start);
    text_add_spaces(out, width < 11 ? 11 - width : 1);
    add_value(out, object_get(step, "name"));
    add_about(cli, out, step);
    text_add_word(out, "\n");
}

static void add_conflict(const struct cli *cli, struct text *out, const msgpack_object *conflict)
{
    const msgpack_object *field = object_get(conflict, "field");
    if (field) {
        text_add_word(out, cli->chinese ? "同一字段 " : "same field ");
        add_value(out, field);
    } else {
        text_add_word(out, cli->chinese ? "同一优先级 " : "same priority ");
        add_value(out, object_get(conflict, "priority"));
    }
    text_add_word(out, ": ");
    add_names(out, object_get(conflict, "rules"));
    text_add_word(out, "\n");
}

static void print_story(const struct cli *cli, const msgpack_object *answer)
{
    const msgpack_object *steps = object_get(answer, "steps");
    const msgpack_object *conflicts = object_get(answer, "conflicts");
    struct text out = {.at = NULL};
    for (uint32_t i = 0; steps && steps->type == MSGPACK_OBJECT_ARRAY && i < steps->via.array.size;
         i++)
        add_step(cli, &out, &steps->via.array.ptr[i]);
    for (uint32_t i = 0;
         conflicts && conflicts->type == MSGPACK_OBJECT_ARRAY && i < conflicts->via.array.size; i++)
        add_conflict(cli, &out, &conflicts->via.array.ptr[i]);
    if (out.at)
        fputs(out.at, stdout);
    text_free(&out);
}

static enum cli_exit run_explain(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 1, 1);
    struct build_map params = build_map(cli->zone);
    struct client_reply reply;
    if (code != CLI_OK)
        return code;
    build_set(&params, "of", build_text(cli->argv[0]));
    code = cli_call(cli, "rules.explain", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        print_story(cli, &reply.result);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_enable(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 1, 1);
    struct build_map params = build_map(cli->zone);
    struct client_reply reply;
    if (code != CLI_OK)
        return code;
    build_set(&params, "rule", build_text(cli->argv[0]));
    code = cli_call(cli, "rules.enable", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        printf("%s: %s\n", cli->argv[0], cli->chinese ? "已启用" : "enabled");
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_rules_explain = {
    .name = "rules explain",
    .usage = "rules explain WHAT",
    .summary = {"what runs in a change, in its order", "显示一次更改中依次运行的内容"},
    .help =
        {
            "WHAT is a transition (sales.order.confirm), another change of an entity\n"
            "(sales.order.create, .update, .delete, .archive, .restore), a method of a rule file\n"
            "or a topic (sales.order.confirmed). Then follows where rules may get in each other's\n"
            "way: of one priority they run by name; fields that several of them have changed\n"
            "since the server started.\n",
            "WHAT 是流转（sales.order.confirm）、实体的其他更改（sales.order.create、.update、\n"
            ".delete、.archive、.restore）、规则文件的方法或主题（sales.order.confirmed）。\n"
            "之后列出规则可能相互影响之处：同一优先级的规则按名称依次运行；\n"
            "自服务器启动以来被多个规则更改过的字段。\n",
        },
    .run = run_explain,
};

const struct cli_command command_rules_enable = {
    .name = "rules enable",
    .usage = "rules enable RULE",
    .summary = {"let a disabled rule run again", "重新启用规则"},
    .help =
        {
            "A rule with disable_after that failed so often in a row is disabled: `rules list`\n"
            "says so. A push that changes its file enables it, too.\n",
            "带有 disable_after 的规则连续出错达到该次数即被停用，rules list 会显示。\n"
            "推送更改其文件也会重新启用。\n",
        },
    .run = run_enable,
};
