/* kontor aggregate: counts and sums by groups, a row for each. */
#include <string.h>

#include "cli/commands.h"
#include "cli/search.h"

static const char *const kinds[] = {"sum", "min", "max", "avg"};
#define KINDS (sizeof kinds / sizeof kinds[0])

struct aggregate {
    struct cli_list by;
    struct cli_list values[KINDS];
    struct cli_list order;
    const char *where;
    const char *having;
    const char *as_of;
    long limit;
    bool explain;
};

static enum cli_exit build_params(struct cli *cli, const struct aggregate *asked,
                                  struct build_map *params)
{
    msgpack_object where = build_array(cli->zone, 0), having;
    enum cli_exit code = search_where(cli, 1, asked->where, &where);
    if (code != CLI_OK)
        return code;
    build_set(params, "entity", build_text(cli->argv[0]));
    if (where.via.array.size > 0)
        build_set(params, "where", where);
    search_set_list(cli, params, "by", &asked->by);
    for (size_t i = 0; i < KINDS; i++)
        search_set_list(cli, params, kinds[i], &asked->values[i]);
    search_set_list(cli, params, "order", &asked->order);
    if (asked->having) {
        code = search_json_option(cli, "having", asked->having, &having);
        build_set(params, "having", having);
    }
    if (asked->limit > 0)
        build_set(params, "limit", build_int(asked->limit));
    build_set_as_of(params, asked->as_of);
    if (asked->explain)
        build_set(params, "explain", build_bool(true));
    return code;
}

/* A group as a row: each value under the name it was asked by. */
static msgpack_object row_of(struct cli *cli, const struct aggregate *asked,
                             const msgpack_object *group)
{
    struct build_map row = build_map(cli->zone);
    const msgpack_object *by = object_get(group, "by");
    const msgpack_object *count = object_get(group, "count");
    for (uint32_t i = 0; by && i < by->via.array.size && i < asked->by.count; i++)
        build_set(&row, asked->by.at[i], by->via.array.ptr[i]);
    build_set(&row, "count", count ? *count : build_nil());
    for (size_t k = 0; k < KINDS; k++)
        for (size_t i = 0; i < asked->values[k].count; i++) {
            const char *field = asked->values[k].at[i];
            const msgpack_object *value = object_get(object_get(group, kinds[k]), field);
            size_t length = strlen(kinds[k]) + 1 + strlen(field) + 1;
            char *name = build_memory(cli->zone, length);
            snprintf(name, length, "%s.%s", kinds[k], field);
            build_set(&row, name, value ? *value : build_nil());
        }
    return row.object;
}

static void print_rows(struct cli *cli, const struct aggregate *asked, const msgpack_object *answer)
{
    const msgpack_object *groups = object_get(answer, "groups");
    if (!groups || groups->type != MSGPACK_OBJECT_ARRAY) {
        cli_print(cli, answer);
        return;
    }
    msgpack_object rows = build_array(cli->zone, groups->via.array.size);
    for (uint32_t i = 0; i < groups->via.array.size; i++)
        rows.via.array.ptr[i] = row_of(cli, asked, &groups->via.array.ptr[i]);
    cli_print(cli, &rows);
    search_say_plan(cli, answer);
}

static enum cli_exit run_aggregate(struct cli *cli)
{
    struct aggregate asked = {.limit = 0};
    const struct cli_option options[] = {
        {.name = "by", .list = &asked.by},           {.name = "sum", .list = &asked.values[0]},
        {.name = "min", .list = &asked.values[1]},   {.name = "max", .list = &asked.values[2]},
        {.name = "avg", .list = &asked.values[3]},   {.name = "order", .list = &asked.order},
        {.name = "where", .text = &asked.where},     {.name = "having", .text = &asked.having},
        {.name = "limit", .number = &asked.limit},   {.name = "as-of", .text = &asked.as_of},
        {.name = "explain", .flag = &asked.explain}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, -1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    code = build_params(cli, &asked, &params);
    if (code != CLI_OK)
        return code;
    struct client_reply reply;
    code = cli_call(cli, "record.aggregate", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        print_rows(cli, &asked, &reply.result);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_aggregate = {
    .name = "aggregate",
    .usage = "aggregate ENTITY [CONDITION]... [--by F]... [--sum F]... [--order F]...",
    .summary = {"count and add up records by groups", "按组计数与求和"},
    .help =
        {
            "Conditions as for kontor search.\n"
            "\n"
            "  kontor aggregate sales.order state=done --by customer --by date:month --sum total\n"
            "  kontor aggregate sales.order --by lines.product --sum lines.quantity --order "
            "-count\n"
            "\n"
            "  --by F         a group for each value of this field; dates by F:day, week, month,\n"
            "                 quarter, year\n"
            "  --sum F        the sum of this field; so do --min, --max, --avg\n"
            "  --order F      by count, sum.F or a field of --by; -F is from high to low\n"
            "  --having JSON  only groups such as [[\"sum.total\", \">\", 100]]\n"
            "  --where JSON   further conditions, as for kontor search\n"
            "  --limit N      at most N groups\n"
            "  --as-of WHEN   as the records stood then, as for kontor search\n"
            "  --explain      say by which index they were found and how many were looked at\n",
            "条件的写法同 kontor search。\n"
            "\n"
            "  kontor aggregate sales.order state=done --by customer --by date:month --sum total\n"
            "  kontor aggregate sales.order --by lines.product --sum lines.quantity --order "
            "-count\n"
            "\n"
            "  --by F         按此字段分组；日期可用 F:day、week、month、quarter、year\n"
            "  --sum F        此字段之和；同样有 --min、--max、--avg\n"
            "  --order F      按 count、sum.F 或 --by 的字段排序；-F 为从大到小\n"
            "  --having JSON  仅保留如 [[\"sum.total\", \">\", 100]] 的组\n"
            "  --where JSON   更多条件，同 kontor search\n"
            "  --limit N      最多 N 组\n"
            "  --as-of 时刻   当时的记录，同 kontor search\n"
            "  --explain      说明使用了哪个索引、检查了多少条\n",
        },
    .run = run_aggregate,
};
