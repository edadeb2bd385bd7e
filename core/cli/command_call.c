/* The commands that show what a server can do and let one do it directly. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "kontor/limits.h"

static enum cli_exit run_ping(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 0, 0);
    if (code != CLI_OK)
        return code;
    cli->no_login = true;
    struct client_reply reply;
    code = cli_call(cli, "system.ping", NULL, &reply);
    client_reply_free(&reply);
    if (code != CLI_OK)
        return code;
    /* Once more: the first time holds the connecting. */
    int64_t start = clock_monotonic_us();
    code = cli_call(cli, "system.ping", NULL, &reply);
    int64_t took = clock_monotonic_us() - start;
    if (code == CLI_OK) {
        if (cli->json || reply.result.type == MSGPACK_OBJECT_MAP)
            cli_print(cli, &reply.result);
        if (!cli->json)
            printf(cli->chinese ? "服务器在 %.1f 毫秒内应答\n" : "the server answers in %.1f ms\n",
                   (double)took / 1000);
    }
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_ping = {
    .name = "ping",
    .usage = "ping",
    .summary = {"ask whether the server is there", "查看服务器是否在线"},
    .help = {"Needs no login.\n", "无需登录。\n"},
    .run = run_ping,
};

/* Standard input, at most one message. */
static enum cli_exit read_input(const struct cli *cli, struct text *text)
{
    char part[16384];
    size_t got;
    while ((got = fread(part, 1, sizeof part, stdin)) > 0) {
        text_add(text, part, got);
        if (text->length > KT_LIMIT_MESSAGE_BYTES)
            return cli_fail(cli, CLI_USAGE, "the params are larger than %u bytes",
                            "参数超过 %u 字节", KT_LIMIT_MESSAGE_BYTES);
    }
    return CLI_OK;
}

static enum cli_exit read_params(struct cli *cli, const char *word, msgpack_object *params)
{
    struct text input = {.at = NULL};
    if (strcmp(word, "-") != 0) {
        text_add_word(&input, word);
    } else if (read_input(cli, &input) != CLI_OK) {
        text_free(&input);
        return CLI_USAGE;
    }
    char why[256];
    enum cli_exit code = CLI_OK;
    if (!json_read(input.at ? input.at : "", input.length, cli->zone, params, why, sizeof why))
        code = cli_fail(cli, CLI_USAGE, "the params are not JSON: %s", "参数不是 JSON: %s", why);
    else if (params->type != MSGPACK_OBJECT_MAP)
        code = cli_fail(cli, CLI_USAGE, "the params must be a JSON object", "参数必须是 JSON 对象");
    text_free(&input);
    return code;
}

static enum cli_exit run_call(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 1, 2);
    if (code != CLI_OK)
        return code;
    if (cli->argc == 1)
        return cli_call_and_print(cli, cli->argv[0], NULL);
    /* The line with the password comes before the params: read them when it has been taken. */
    struct client_reply reply = {.result = build_nil()};
    if (cli->password_stdin && strcmp(cli->argv[1], "-") == 0 && !cli->no_login) {
        code = cli_call(cli, "system.ping", NULL, &reply);
        client_reply_free(&reply);
        if (code != CLI_OK)
            return code;
    }
    msgpack_object params;
    code = read_params(cli, cli->argv[1], &params);
    return code == CLI_OK ? cli_call_and_print(cli, cli->argv[0], &params) : code;
}

const struct cli_command command_call = {
    .name = "call",
    .usage = "call METHOD [JSON | -]",
    .summary = {"call any method", "调用任意方法"},
    .help =
        {
            "JSON is an object with the method's parameters; - reads it from standard input.\n"
            "Write decimals as text (\"12.50\"): a number with a fraction is sent as a float,\n"
            "which the server refuses for money and quantities.\n"
            "\n"
            "  kontor call record.get '{\"entity\": \"sales.order\", \"id\": 7}'\n",
            "JSON 是包含方法参数的对象；- 表示从标准输入读取。\n"
            "小数请写成文本（\"12.50\"）：带小数的数字以浮点数发送，\n"
            "服务器在金额和数量处会拒绝浮点数。\n"
            "\n"
            "  kontor call record.get '{\"entity\": \"sales.order\", \"id\": 7}'\n",
        },
    .run = run_call,
};

/* Each part of a description under its own name: fields, states, methods. */
static void print_parts(const struct cli *cli, const msgpack_object *map)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->val.type == MSGPACK_OBJECT_ARRAY && pair->val.via.array.size == 0)
            continue;
        msgpack_object part = {.type = MSGPACK_OBJECT_MAP,
                               .via = {.map = {.size = 1, .ptr = map->via.map.ptr + i}}};
        bool list = pair->val.type == MSGPACK_OBJECT_ARRAY && pair->key.type == MSGPACK_OBJECT_STR;
        if (list)
            printf("%s%.*s\n", i > 0 ? "\n" : "", (int)pair->key.via.str.size,
                   pair->key.via.str.ptr);
        cli_print(cli, &part);
    }
}

static enum cli_exit run_describe(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 0, 1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    if (cli->argc == 1)
        build_set(&params, "entity", build_text(cli->argv[0]));
    struct client_reply reply;
    code = cli_call(cli, "system.describe", &params.object, &reply);
    if (code == CLI_OK) {
        const msgpack_object *entity = object_get(&reply.result, "entity");
        const msgpack_object *shown =
            entity && entity->type == MSGPACK_OBJECT_MAP ? entity : &reply.result;
        if (cli->json || shown->type != MSGPACK_OBJECT_MAP)
            cli_print(cli, &reply.result);
        else
            print_parts(cli, shown);
    }
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_describe = {
    .name = "describe",
    .usage = "describe [ENTITY]",
    .summary = {"show entities, fields and methods", "显示实体、字段和方法"},
    .help = {"Without ENTITY, the whole model.\n", "不带 ENTITY 时显示整个模型。\n"},
    .run = run_describe,
};
