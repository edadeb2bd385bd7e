/* rules list: what is in force. */
#include <string.h>

#include "cli/commands.h"
#include "cli/text.h"

static msgpack_object value_of(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = object_get(map, name);
    return value ? *value : build_nil();
}

/* "credit.lua:12", in the zone. */
static msgpack_object place_of(struct cli *cli, const msgpack_object *rule)
{
    const msgpack_object *file = object_get(rule, "file");
    if (!file || file->type != MSGPACK_OBJECT_STR)
        return build_nil();
    size_t size = file->via.str.size + 30;
    char *place = build_memory(cli->zone, size);
    snprintf(place, size, "%.*s:%lld", (int)file->via.str.size, file->via.str.ptr,
             (long long)object_int(rule, "line"));
    return build_text(place);
}

static msgpack_object row_of(struct cli *cli, const msgpack_object *rule, bool counts)
{
    static const char *const numbers[] = {"runs", "denied", "failed", "us", "last_error"};
    struct build_map row = build_map(cli->zone);
    build_set(&row, "name", value_of(rule, "name"));
    build_set(&row, "on", value_of(rule, "on"));
    build_set(&row, "kind", value_of(rule, "kind"));
    build_set(&row, "priority", value_of(rule, "priority"));
    build_set(&row, "as", value_of(rule, "as"));
    build_set(&row, "file", place_of(cli, rule));
    build_set(&row, "source", value_of(rule, "source"));
    build_set(&row, "state", value_of(rule, "state"));
    for (size_t i = 0; counts && i < sizeof numbers / sizeof numbers[0]; i++)
        build_set(&row, numbers[i], value_of(rule, numbers[i]));
    return row.object;
}

/* The answer, with its rules told in fewer columns. */
static void print_list(struct cli *cli, const msgpack_object *answer, bool counts)
{
    struct build_map told = build_map(cli->zone);
    for (uint32_t i = 0; answer->type == MSGPACK_OBJECT_MAP && i < answer->via.map.size; i++) {
        const msgpack_object_kv *pair = &answer->via.map.ptr[i];
        msgpack_object value = pair->val;
        if (object_is(&pair->key, "rules") && value.type == MSGPACK_OBJECT_ARRAY) {
            value = build_array(cli->zone, pair->val.via.array.size);
            for (uint32_t r = 0; r < value.via.array.size; r++)
                value.via.array.ptr[r] = row_of(cli, &pair->val.via.array.ptr[r], counts);
        }
        build_set_of(&told, pair->key, value);
    }
    cli_print(cli, &told.object);
}

static enum cli_exit run_list(struct cli *cli)
{
    bool counts = false;
    const struct cli_option options[] = {{.name = "counts", .flag = &counts}, {.name = NULL}};
    struct build_map params = build_map(cli->zone);
    struct client_reply reply;
    enum cli_exit code = cli_options(cli, options, 0, 0);
    if (code != CLI_OK)
        return code;
    build_set(&params, "counts", build_bool(counts));
    code = cli_call(cli, "rules.list", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        print_list(cli, &reply.result, counts);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_rules_list = {
    .name = "rules list",
    .usage = "rules list [--counts]",
    .summary = {"show rules, fields, entities and their files", "显示规则、字段、实体及其文件"},
    .help =
        {
            "  --counts  how often each rule ran, denied and failed, its time in microseconds and\n"
            "            its last error, since the server started\n",
            "  --counts  自服务器启动以来每条规则的运行、拒绝、出错次数，用时（微秒）及最近错误\n",
        },
    .run = run_list,
};
