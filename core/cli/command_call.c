/* The commands that reach the server without knowing what they ask: is it there, call this. */
#include <errno.h>
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

/* At most one message. */
static enum cli_exit read_input(const struct cli *cli, FILE *file, struct text *text)
{
    char part[16384];
    size_t got;
    while ((got = fread(part, 1, sizeof part, file)) > 0) {
        text_add(text, part, got);
        if (text->length > KT_LIMIT_MESSAGE_BYTES)
            return cli_fail(cli, CLI_USAGE, "the params are larger than %u bytes",
                            "参数超过 %u 字节", KT_LIMIT_MESSAGE_BYTES);
    }
    return ferror(file) ? cli_fail(cli, CLI_REFUSED, "cannot read the params: %s",
                                   "无法读取参数: %s", strerror(errno))
                        : CLI_OK;
}

static enum cli_exit read_word(const struct cli *cli, const char *word, struct text *text)
{
    if (strcmp(word, "-") == 0)
        return read_input(cli, stdin, text);
    if (word[0] != '@') {
        text_add_word(text, word);
        return CLI_OK;
    }
    FILE *file = fopen(word + 1, "re");
    if (!file)
        return cli_fail(cli, CLI_REFUSED, "cannot read %s: %s", "无法读取 %s: %s", word + 1,
                        strerror(errno));
    enum cli_exit code = read_input(cli, file, text);
    fclose(file);
    return code;
}

static enum cli_exit read_params(struct cli *cli, const char *word, msgpack_object *params)
{
    struct text input = {.at = NULL};
    char why[256];
    enum cli_exit code = read_word(cli, word, &input);
    if (code != CLI_OK) {
        text_free(&input);
        return code;
    }
    if (!json_read(input.at ? input.at : "", input.length, cli->zone, params, why, sizeof why))
        code = cli_fail(cli, CLI_USAGE, "the params are not JSON: %s", "参数不是 JSON: %s", why);
    else if (params->type != MSGPACK_OBJECT_MAP)
        code = cli_fail(cli, CLI_USAGE, "the params must be a JSON object", "参数必须是 JSON 对象");
    text_free(&input);
    return code;
}

/* The params, and what options add to them. */
static msgpack_object add_options(struct cli *cli, const msgpack_object *params, bool dry_run,
                                  const char *as_of)
{
    struct build_map more = build_map(cli->zone);
    for (uint32_t i = 0; i < params->via.map.size; i++) {
        const msgpack_object_kv *pair = &params->via.map.ptr[i];
        if (!(dry_run && object_is(&pair->key, "dry_run")) &&
            !(as_of && object_is(&pair->key, "as_of")))
            build_set_of(&more, pair->key, pair->val);
    }
    if (dry_run)
        build_set(&more, "dry_run", build_bool(true));
    build_set_as_of(&more, as_of);
    return more.object;
}

static enum cli_exit run_call(struct cli *cli)
{
    bool dry_run = false;
    const char *as_of = NULL;
    const struct cli_option options[] = {
        {.name = "dry-run", .flag = &dry_run}, {.name = "as-of", .text = &as_of}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, 2);
    if (code != CLI_OK)
        return code;
    msgpack_object params = build_map(cli->zone).object;
    /* The line with the password comes before the params: read them when it has been taken. */
    struct client_reply reply = {.result = build_nil()};
    if (cli->argc > 1 && cli->password_stdin && strcmp(cli->argv[1], "-") == 0 && !cli->no_login) {
        code = cli_call(cli, "system.ping", NULL, &reply);
        client_reply_free(&reply);
        if (code != CLI_OK)
            return code;
    }
    if (cli->argc > 1)
        code = read_params(cli, cli->argv[1], &params);
    if (code != CLI_OK)
        return code;
    params = add_options(cli, &params, dry_run, as_of);
    return cli_call_and_print(cli, cli->argv[0], &params);
}

const struct cli_command command_call = {
    .name = "call",
    .usage = "call METHOD [JSON | @FILE | -] [--dry-run] [--as-of WHEN]",
    .summary = {"call any method", "调用任意方法"},
    .help =
        {
            "JSON is an object with the method's parameters; @FILE reads it from a file, - from\n"
            "standard input. Write decimals as text (\"12.50\"): a number with a fraction is sent "
            "as a\n"
            "float, which the server refuses for money and quantities.\n"
            "\n"
            "  kontor call record.get '{\"entity\": \"sales.order\", \"id\": 7}'\n"
            "  kontor call sales.order.confirm '{\"id\": 7}' --dry-run\n"
            "  kontor call finance.report.trial_balance --as-of 2026-10-31\n"
            "\n"
            "  --dry-run  for methods that change records: do it all, undo it, and show what "
            "would\n"
            "             have changed: records, totals, events, and the rules that spoke\n"
            "  --as-of WHEN  what a method that reads would have answered then: an event's "
            "number,\n"
            "                a date (its end, UTC) or 2026-10-31T12:00:00Z\n",
            "JSON 是包含方法参数的对象；@FILE 表示从文件读取，- 表示从标准输入读取。\n"
            "小数请写成文本（\"12.50\"）：带小数的数字以浮点数发送，\n"
            "服务器在金额和数量处会拒绝浮点数。\n"
            "\n"
            "  kontor call record.get '{\"entity\": \"sales.order\", \"id\": 7}'\n"
            "  kontor call sales.order.confirm '{\"id\": 7}' --dry-run\n"
            "  kontor call finance.report.trial_balance --as-of 2026-10-31\n"
            "\n"
            "  --dry-run  用于更改记录的方法：全部执行后撤销，并显示将会发生的更改：\n"
            "             记录、汇总、事件，以及起作用的规则\n"
            "  --as-of 时刻  读取类方法当时的应答：事件序号、\n"
            "                日期（UTC 当日结束时）或 2026-10-31T12:00:00Z\n",
        },
    .run = run_call,
};
