/* rules try: what rules would do to one record, and nothing of it kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/preview.h"
#include "cli/text.h"

/* "sales.order/7" */
static enum cli_exit read_record(struct cli *cli, const char *word, struct build_map *params)
{
    const char *slash = word ? strrchr(word, '/') : NULL;
    char *end = NULL;
    errno = 0;
    long long id = slash ? strtoll(slash + 1, &end, 10) : 0;
    if (!slash || slash == word || errno != 0 || *end != '\0' || id <= 0)
        return cli_fail(cli, CLI_USAGE, "--on ENTITY/ID names a record, such as sales.order/7",
                        "--on ENTITY/ID 指定一条记录，例如 sales.order/7");
    char *entity = build_memory(cli->zone, (size_t)(slash - word) + 1);
    memcpy(entity, word, (size_t)(slash - word));
    entity[slash - word] = '\0';
    build_set(params, "entity", build_text(entity));
    build_set(params, "id", build_int(id));
    return CLI_OK;
}

static enum cli_exit read_params(struct cli *cli, const char *word, struct build_map *params)
{
    msgpack_object given = build_nil();
    char why[256];
    if (!json_read(word, strlen(word), cli->zone, &given, why, sizeof why))
        return cli_fail(cli, CLI_USAGE, "the params are not JSON: %s", "参数不是 JSON: %s", why);
    build_set(params, "params", given);
    return CLI_OK;
}

static void add_member(struct text *out, const msgpack_object *map, const char *name)
{
    const msgpack_object *value = object_get(map, name);
    if (value && value->type == MSGPACK_OBJECT_STR)
        text_add_safe(out, value->via.str.ptr, value->via.str.size);
}

/* A refusal, and the rules that spoke until then. */
static void add_refusal(const struct cli *cli, struct text *out, const msgpack_object *error)
{
    const msgpack_object *preview = object_get(object_get(error, "details"), "preview");
    text_add_word(out, cli->chinese ? "被拒绝: " : "refused: ");
    add_member(out, error, cli->chinese ? "message_zh" : "message");
    text_add_word(out, " (");
    add_member(out, error, "code");
    if (object_get(error, "rule")) {
        text_add_word(out, cli->chinese ? "，规则 " : ", rule ");
        add_member(out, error, "rule");
    }
    if (object_get(error, "field")) {
        text_add_word(out, cli->chinese ? "，字段 " : ", field ");
        add_member(out, error, "field");
    }
    text_add_word(out, ")\n");
    if (preview)
        preview_write(out, preview, cli->chinese);
}

static void print_outcomes(const struct cli *cli, const msgpack_object *answer)
{
    const msgpack_object *outcomes = object_get(answer, "outcomes");
    struct text out = {.at = NULL};
    for (uint32_t i = 0;
         outcomes && outcomes->type == MSGPACK_OBJECT_ARRAY && i < outcomes->via.array.size; i++) {
        const msgpack_object *outcome = &outcomes->via.array.ptr[i];
        const msgpack_object *preview = object_get(outcome, "preview");
        text_add_word(&out, i ? "\n== " : "== ");
        add_member(&out, outcome, "moment");
        text_add_word(&out, "\n");
        if (preview)
            preview_write(&out, preview, cli->chinese);
        else
            add_refusal(cli, &out, object_get(outcome, "error"));
    }
    if (out.at)
        fputs(out.at, stdout);
    text_free(&out);
}

static enum cli_exit run_try(struct cli *cli)
{
    const char *record = NULL, *moment = NULL, *given = NULL;
    const struct cli_option options[] = {{.name = "on", .text = &record},
                                         {.name = "moment", .text = &moment},
                                         {.name = "params", .text = &given},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 0, -1);
    struct build_map params = build_map(cli->zone);
    struct bundle bundle;
    struct client_reply reply;
    if (code == CLI_OK)
        code = read_record(cli, record, &params);
    if (code == CLI_OK && cli->argc > 0) {
        code = bundle_read(cli, &bundle);
        build_set(&params, "files", bundle.files.object);
    }
    if (code == CLI_OK && given)
        code = read_params(cli, given, &params);
    if (code != CLI_OK)
        return code;
    if (moment)
        build_set(&params, "moment", build_text(moment));
    code = cli_call(cli, "rules.try", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        print_outcomes(cli, &reply.result);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_rules_try = {
    .name = "rules try",
    .usage = "rules try [DIR|FILE...] --on ENTITY/ID [--moment M] [--params JSON]",
    .summary = {"show what rules would do to a record", "试运行规则，显示对记录的影响"},
    .help =
        {
            "Does, on the server and under the rules that would be in force if the files were\n"
            "pushed, what their rules are about: an update without changes, the transition, the\n"
            "deletion. Shows of each which rules ran, what would change or who refuses, and "
            "undoes\n"
            "it. Without files the rules are those in force.\n"
            "\n"
            "  --on ENTITY/ID  the record, such as sales.order/7\n"
            "  --moment M      only this: update, delete, archive, restore or a transition\n"
            "  --params JSON   the transition's parameters\n",
            "在服务器上，在假定已推送所给文件的规则下，执行这些规则所涉及的操作：无更改的保存、\n"
            "流转或删除；逐项显示运行了哪些规则、会更改什么、被谁拒绝，然后全部撤销。\n"
            "不给文件时使用生效的规则。\n"
            "\n"
            "  --on ENTITY/ID  记录，例如 sales.order/7\n"
            "  --moment M      仅此时机：update、delete、archive、restore 或流转\n"
            "  --params JSON   流转的参数\n",
        },
    .run = run_try,
};
