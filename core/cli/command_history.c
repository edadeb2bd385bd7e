/* What became of a record, and rows of a total: also as they stood then. */
#include <errno.h>
#include <stdlib.h>

#include "cli/commands.h"

/* --- history --- */

/* One row for each field that changed; who, when and what stand in the first of an entry. */
static void add_row(struct cli *cli, const msgpack_object *entry, const msgpack_object_kv *change,
                    bool first, msgpack_object *out)
{
    static const char *const names[] = {"event", "version", "at", "user", "what"};
    struct build_map row = build_map(cli->zone);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const msgpack_object *value = first ? object_get(entry, names[i]) : NULL;
        build_set(&row, names[i], value ? *value : build_nil());
    }
    bool pair =
        change && change->val.type == MSGPACK_OBJECT_ARRAY && change->val.via.array.size == 2;
    build_set(&row, "field", change ? change->key : build_nil());
    build_set(&row, "from", pair ? change->val.via.array.ptr[0] : build_nil());
    build_set(&row, "to", pair ? change->val.via.array.ptr[1] : build_nil());
    *out = row.object;
}

static uint32_t change_count(const msgpack_object *entry)
{
    const msgpack_object *changes = object_get(entry, "changes");
    return changes && changes->type == MSGPACK_OBJECT_MAP ? changes->via.map.size : 0;
}

static void print_entries(struct cli *cli, const msgpack_object *entries)
{
    uint32_t count = 0, row = 0;
    for (uint32_t i = 0; i < entries->via.array.size; i++) {
        uint32_t changes = change_count(&entries->via.array.ptr[i]);
        count += changes ? changes : 1;
    }
    msgpack_object table = build_array(cli->zone, count);
    for (uint32_t i = 0; i < entries->via.array.size; i++) {
        const msgpack_object *entry = &entries->via.array.ptr[i];
        const msgpack_object *changes = object_get(entry, "changes");
        uint32_t rows = change_count(entry);
        if (rows == 0)
            add_row(cli, entry, NULL, true, &table.via.array.ptr[row++]);
        for (uint32_t c = 0; c < rows; c++)
            add_row(cli, entry, &changes->via.map.ptr[c], c == 0, &table.via.array.ptr[row++]);
    }
    cli_print(cli, &table);
}

static void say_more(const struct cli *cli, const msgpack_object *answer)
{
    char line[128];
    if (!object_get(answer, "next"))
        return;
    int length =
        snprintf(line, sizeof line,
                 cli->chinese ? "还有更多；继续请加 --after %lld" : "there are more: --after %lld",
                 (long long)object_int(answer, "next"));
    cli_say(cli, "kontor: ", line, (size_t)length);
}

static enum cli_exit read_id(const struct cli *cli, const char *word, long long *out)
{
    char *end;
    errno = 0;
    *out = strtoll(word, &end, 10);
    if (errno != 0 || end == word || *end != '\0' || *out < 1)
        return cli_fail(cli, CLI_USAGE, "'%s' is no id", "“%s”不是 id", word);
    return CLI_OK;
}

static enum cli_exit run_history(struct cli *cli)
{
    long limit = 0, after = 0;
    long long id = 0;
    const char *as_of = NULL;
    const struct cli_option options[] = {{.name = "limit", .number = &limit},
                                         {.name = "after", .number = &after},
                                         {.name = "as-of", .text = &as_of},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 2, 2);
    if (code == CLI_OK)
        code = read_id(cli, cli->argv[1], &id);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "entity", build_text(cli->argv[0]));
    build_set(&params, "id", build_int(id));
    if (limit > 0)
        build_set(&params, "limit", build_int(limit));
    if (after > 0)
        build_set(&params, "after", build_int(after));
    build_set_as_of(&params, as_of);
    struct client_reply reply;
    code = cli_call(cli, "record.history", &params.object, &reply);
    const msgpack_object *entries = object_get(&reply.result, "entries");
    if (code == CLI_OK && (cli->json || !entries || entries->type != MSGPACK_OBJECT_ARRAY)) {
        cli_print(cli, &reply.result);
    } else if (code == CLI_OK) {
        print_entries(cli, entries);
        say_more(cli, &reply.result);
    }
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_history = {
    .name = "history",
    .usage = "history ENTITY ID [--limit N] [--after VERSION] [--as-of WHEN]",
    .summary = {"show who changed what in a record", "显示记录的变更历史"},
    .help =
        {
            "Oldest first; the history of a deleted record stays. `event` is the number of the\n"
            "change: any answer can be had as of it.\n"
            "\n"
            "  kontor history sales.order 7\n"
            "  kontor get sales.order 7 --as-of 2311\n"
            "\n"
            "  --limit N        at most N changes, 1 to 1000 (100)\n"
            "  --after VERSION  go on behind this version\n"
            "  --as-of WHEN     what was known then\n",
            "从最早的开始；记录删除后历史仍保留。event 是变更的序号，\n"
            "任何查询都可按它查看当时的数据。\n"
            "\n"
            "  kontor history sales.order 7\n"
            "  kontor get sales.order 7 --as-of 2311\n"
            "\n"
            "  --limit N        最多 N 次变更，1 到 1000（100）\n"
            "  --after VERSION  接着此版本继续\n"
            "  --as-of 时刻     当时已知的内容\n",
        },
    .run = run_history,
};

/* --- totals --- */

/* A group value: a number is a reference's id, anything else text. */
static msgpack_object group_value(const char *word)
{
    char *end;
    errno = 0;
    long long number = strtoll(word, &end, 10);
    return errno == 0 && end != word && *end == '\0' ? build_int(number) : build_text(word);
}

static enum cli_exit run_totals(struct cli *cli)
{
    const char *as_of = NULL;
    const struct cli_option options[] = {{.name = "as-of", .text = &as_of}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, -1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    msgpack_object by = build_array(cli->zone, (uint32_t)cli->argc - 1);
    for (int i = 1; i < cli->argc; i++)
        by.via.array.ptr[i - 1] = group_value(cli->argv[i]);
    build_set(&params, "total", build_text(cli->argv[0]));
    build_set(&params, "by", by);
    build_set_as_of(&params, as_of);
    struct client_reply reply;
    code = cli_call(cli, "record.totals", &params.object, &reply);
    const msgpack_object *rows = object_get(&reply.result, "rows");
    if (code == CLI_OK)
        cli_print(cli, rows && !cli->json ? rows : &reply.result);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_totals = {
    .name = "totals",
    .usage = "totals TOTAL [VALUE]... [--as-of WHEN]",
    .summary = {"show rows of a running total", "显示累计数据"},
    .help =
        {
            "Each VALUE is one of the fields the total groups by, from the first on.\n"
            "\n"
            "  kontor totals finance.balances\n"
            "  kontor totals inventory.on_hand 12 --as-of 2026-10-31\n"
            "\n"
            "  --as-of WHEN  as they stood then: an event's number, a date (its end, UTC) or\n"
            "                2026-10-31T12:00:00Z\n",
            "每个 VALUE 依次对应累计的一个分组字段。\n"
            "\n"
            "  kontor totals finance.balances\n"
            "  kontor totals inventory.on_hand 12 --as-of 2026-10-31\n"
            "\n"
            "  --as-of 时刻  当时的数据：事件序号、日期（UTC 当日结束时）或\n"
            "                2026-10-31T12:00:00Z\n",
        },
    .run = run_totals,
};
