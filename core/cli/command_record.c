/* The commands that look at the model and at records. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/search.h"
#include "kontor/limits.h"

/* --- The model, as system.describe tells it --- */

static const msgpack_object *find_named(const msgpack_object *list, const char *name, size_t length)
{
    if (!list || list->type != MSGPACK_OBJECT_ARRAY)
        return NULL;
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const msgpack_object *own = object_get(&list->via.array.ptr[i], "name");
        if (own && own->type == MSGPACK_OBJECT_STR && own->via.str.size == length &&
            memcmp(own->via.str.ptr, name, length) == 0)
            return &list->via.array.ptr[i];
    }
    return NULL;
}

static const msgpack_object *find_entity(const msgpack_object *model, const char *name)
{
    return find_named(object_get(model, "entities"), name, strlen(name));
}

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

static void print_lines(const struct cli *cli, const msgpack_object *entity)
{
    const msgpack_object *fields = object_get(entity, "fields");
    for (uint32_t i = 0; fields && i < fields->via.array.size; i++) {
        const msgpack_object *name = object_get(&fields->via.array.ptr[i], "name");
        const msgpack_object *lines = object_get(&fields->via.array.ptr[i], "lines");
        if (!name || name->type != MSGPACK_OBJECT_STR || !lines ||
            lines->type != MSGPACK_OBJECT_ARRAY || lines->via.array.size == 0)
            continue;
        printf("\nfields.%.*s\n", (int)name->via.str.size, name->via.str.ptr);
        cli_print(cli, lines);
    }
}

static enum cli_exit run_describe(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 0, 1);
    if (code != CLI_OK)
        return code;
    struct client_reply reply;
    code = cli_call(cli, "system.describe", NULL, &reply);
    const msgpack_object *shown = &reply.result;
    if (code == CLI_OK && cli->argc == 1) {
        const msgpack_object *entity = find_entity(&reply.result, cli->argv[0]);
        shown = entity ? entity : shown;
        if (!entity)
            code = cli_fail(cli, CLI_REFUSED,
                            "no enabled module has an entity %s; kontor describe lists them",
                            "已启用的模块中没有实体 %s；可用 kontor describe 列出", cli->argv[0]);
    }
    if (code == CLI_OK && (cli->json || shown->type != MSGPACK_OBJECT_MAP)) {
        cli_print(cli, shown);
    } else if (code == CLI_OK) {
        print_parts(cli, shown);
        print_lines(cli, shown);
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

/* --- Conditions: state=draft, total>=100, customer.name~acme --- */

struct condition {
    const char *field;
    size_t field_length;
    const char *op;
    const char *value;
};

static bool split_condition(const char *word, struct condition *out)
{
    /* Longer ones first: "<=" begins like "<". */
    static const char *const signs[][2] = {{"!=", "!="}, {"<=", "<="}, {">=", ">="}, {"=", "="},
                                           {"<", "<"},   {">", ">"},   {"~", "like"}};
    size_t length = strcspn(word, "=!<>~");
    for (size_t i = 0; length > 0 && i < sizeof signs / sizeof signs[0]; i++) {
        size_t size = strlen(signs[i][0]);
        if (strncmp(word + length, signs[i][0], size) != 0)
            continue;
        *out = (struct condition){word, length, signs[i][1], word + length + size};
        return true;
    }
    return false;
}

/* The last field of a dotted path, which leads into lines and along references. */
static const msgpack_object *find_field(const msgpack_object *model, const char *entity,
                                        const struct condition *condition)
{
    const msgpack_object *fields = object_get(find_entity(model, entity), "fields");
    const char *at = condition->field;
    const char *end = at + condition->field_length;
    for (;;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        const msgpack_object *field = find_named(fields, at, (size_t)((dot ? dot : end) - at));
        if (!field || !dot)
            return field;
        const msgpack_object *to = object_get(field, "to");
        fields = object_get(field, "lines");
        if (to && to->type == MSGPACK_OBJECT_STR)
            fields = object_get(
                find_named(object_get(model, "entities"), to->via.str.ptr, to->via.str.size),
                "fields");
        at = dot + 1;
    }
}

/* Every record's own field, not in the model. */
static bool is_own(const struct condition *condition, const char *name)
{
    size_t length = strlen(name);
    const char *end = condition->field + condition->field_length;
    return condition->field_length >= length && strncmp(end - length, name, length) == 0 &&
           (condition->field_length == length || end[-(ptrdiff_t)length - 1] == '.');
}

/* Text as the field's type wants it; the server says what is wrong with the rest. */
static enum cli_exit read_value(const struct cli *cli, const msgpack_object *model,
                                const char *entity, const struct condition *condition,
                                msgpack_object *out)
{
    const msgpack_object *field = find_field(model, entity, condition);
    const msgpack_object *type = object_get(field, "type");
    *out = build_text(condition->value);
    if (strcmp(condition->op, "like") == 0)
        return CLI_OK;
    if (condition->value[0] == '\0') {
        *out = build_nil();
        return CLI_OK;
    }
    if (is_own(condition, "archived") || (type && object_is(type, "bool"))) {
        bool yes = strcmp(condition->value, "true") == 0 || strcmp(condition->value, "yes") == 0;
        if (yes || strcmp(condition->value, "false") == 0 || strcmp(condition->value, "no") == 0)
            *out = build_bool(yes);
        return CLI_OK;
    }
    bool number = field ? object_get(field, "to") || (type && object_is(type, "int"))
                        : is_own(condition, "id") || is_own(condition, "version");
    if (!number)
        return CLI_OK;
    char *end;
    errno = 0;
    long long value = strtoll(condition->value, &end, 10);
    if (errno != 0 || *end != '\0')
        return cli_fail(cli, CLI_USAGE, "%.*s is compared with a whole number, not '%s'",
                        "%.*s 须与整数比较，而不是“%s”", (int)condition->field_length,
                        condition->field, condition->value);
    *out = build_int(value);
    return CLI_OK;
}

/* Fills where.via.array.ptr[0 .. count). */
static enum cli_exit read_conditions(struct cli *cli, const char *entity, char **words, int count,
                                     msgpack_object *where)
{
    if (count == 0)
        return CLI_OK;
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, "system.describe", NULL, &reply);
    for (int i = 0; code == CLI_OK && i < count; i++) {
        struct condition condition;
        if (!split_condition(words[i], &condition)) {
            code = cli_fail(cli, CLI_USAGE, "'%s' is not a condition such as state=draft",
                            "“%s”不是条件（例如 state=draft）", words[i]);
            break;
        }
        msgpack_object term = build_array(cli->zone, 3);
        term.via.array.ptr[0] = build_text_of(condition.field, condition.field_length);
        term.via.array.ptr[1] = build_text(condition.op);
        code = read_value(cli, &reply.result, entity, &condition, &term.via.array.ptr[2]);
        where->via.array.ptr[i] = term;
    }
    client_reply_free(&reply);
    return code;
}

/* --- get --- */

static enum cli_exit get_by_id(struct cli *cli, const char *entity, const char *word,
                               const char *as_of)
{
    char *end;
    errno = 0;
    long long id = strtoll(word, &end, 10);
    if (errno != 0 || end == word || *end != '\0' || id < 1)
        return cli_fail(cli, CLI_USAGE, "'%s' is neither an id nor FIELD=VALUE",
                        "“%s”既不是 id，也不是 字段=值", word);
    struct build_map params = build_map(cli->zone);
    build_set(&params, "entity", build_text(entity));
    build_set(&params, "id", build_int(id));
    build_set_as_of(&params, as_of);
    return cli_call_and_print(cli, "record.get", &params.object);
}

static enum cli_exit run_get(struct cli *cli)
{
    const char *as_of = NULL;
    const struct cli_option options[] = {{.name = "as-of", .text = &as_of}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 2, 2);
    if (code != CLI_OK)
        return code;
    const char *entity = cli->argv[0];
    struct condition condition;
    if (!split_condition(cli->argv[1], &condition))
        return get_by_id(cli, entity, cli->argv[1], as_of);
    msgpack_object where = build_array(cli->zone, 1);
    code = read_conditions(cli, entity, cli->argv + 1, 1, &where);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "entity", build_text(entity));
    build_set(&params, "where", where);
    build_set(&params, "limit", build_int(2));
    build_set_as_of(&params, as_of);
    struct client_reply reply;
    code = cli_call(cli, "record.search", &params.object, &reply);
    const msgpack_object *records = object_get(&reply.result, "records");
    uint32_t found = records && records->type == MSGPACK_OBJECT_ARRAY ? records->via.array.size : 0;
    if (code == CLI_OK && found == 1)
        cli_print(cli, &records->via.array.ptr[0]);
    else if (code == CLI_OK && found == 0)
        code = cli_fail(cli, CLI_REFUSED, "%s: no record has %s", "%s 中没有符合 %s 的记录", entity,
                        cli->argv[1]);
    else if (code == CLI_OK)
        code = cli_fail(cli, CLI_REFUSED, "more than one %s has %s: use kontor search",
                        "%s 中有多条记录符合 %s：请用 kontor search", entity, cli->argv[1]);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_get = {
    .name = "get",
    .usage = "get ENTITY ID|FIELD=VALUE [--as-of WHEN]",
    .summary = {"show one record", "显示一条记录"},
    .help =
        {
            "  kontor get sales.order 7\n"
            "  kontor get products.product code=P-100\n"
            "\n"
            "  --as-of WHEN  as it stood then: an event's number, a date (its end, UTC) or\n"
            "                2026-10-31T12:00:00Z\n",
            "  kontor get sales.order 7\n"
            "  kontor get products.product code=P-100\n"
            "\n"
            "  --as-of 时刻  当时的数据：事件序号、日期（UTC 当日结束时）或\n"
            "                2026-10-31T12:00:00Z\n",
        },
    .run = run_get,
};

/* --- search --- */

struct search {
    struct cli_list order;
    const char *words;
    const char *where;
    const char *after;
    const char *as_of;
    struct cli_list fields;
    long limit;
    bool explain;
};

void search_set_list(struct cli *cli, struct build_map *params, const char *name,
                     const struct cli_list *list)
{
    if (list->count == 0)
        return;
    msgpack_object texts = build_array(cli->zone, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++)
        texts.via.array.ptr[i] = build_text(list->at[i]);
    build_set(params, name, texts);
}

void search_say_plan(const struct cli *cli, const msgpack_object *answer)
{
    const msgpack_object *text =
        object_get(object_get(answer, "plan"), cli->chinese ? "text_zh" : "text");
    if (text && text->type == MSGPACK_OBJECT_STR)
        cli_say(cli, "kontor: ", text->via.str.ptr, text->via.str.size);
}

enum cli_exit search_json_option(struct cli *cli, const char *name, const char *text,
                                 msgpack_object *out)
{
    char why[256];
    if (json_read(text, strlen(text), cli->zone, out, why, sizeof why))
        return CLI_OK;
    return cli_fail(cli, CLI_USAGE, "--%s is not JSON: %s", "--%s 不是 JSON: %s", name, why);
}

enum cli_exit search_where(struct cli *cli, int first, const char *json, msgpack_object *out)
{
    msgpack_object more = build_array(cli->zone, 0);
    if (json) {
        enum cli_exit code = search_json_option(cli, "where", json, &more);
        if (code != CLI_OK)
            return code;
        if (more.type != MSGPACK_OBJECT_ARRAY)
            return cli_fail(cli, CLI_USAGE, "--where is a list: [[\"field\", \"op\", value], ...]",
                            "--where 应为列表: [[\"字段\", \"运算符\", 值], ...]");
    }
    uint32_t words = (uint32_t)(cli->argc - first);
    *out = build_array(cli->zone, words + more.via.array.size);
    for (uint32_t i = 0; i < more.via.array.size; i++)
        out->via.array.ptr[words + i] = more.via.array.ptr[i];
    return read_conditions(cli, cli->argv[0], cli->argv + first, (int)words, out);
}

static enum cli_exit build_search(struct cli *cli, const struct search *search,
                                  struct build_map *params)
{
    msgpack_object where = build_array(cli->zone, 0);
    msgpack_object after = build_nil();
    enum cli_exit code = search_where(cli, 1, search->where, &where);
    if (code == CLI_OK && search->after)
        code = search_json_option(cli, "after", search->after, &after);
    if (code != CLI_OK)
        return code;
    build_set(params, "entity", build_text(cli->argv[0]));
    if (where.via.array.size > 0)
        build_set(params, "where", where);
    search_set_list(cli, params, "order", &search->order);
    if (search->explain)
        build_set(params, "explain", build_bool(true));
    if (search->words)
        build_set(params, "text", build_text(search->words));
    if (search->after)
        build_set(params, "after", after);
    if (search->limit > 0)
        build_set(params, "limit", build_int(search->limit));
    build_set_as_of(params, search->as_of);
    search_set_list(cli, params, "fields", &search->fields);
    return CLI_OK;
}

/* Not on stdout, where a program may read the table. */
static void say_more(const struct cli *cli, const msgpack_object *next)
{
    struct text text = {.at = NULL};
    text_add_word(&text,
                  cli->chinese ? "还有更多；继续请加 --after '" : "there are more: --after '");
    json_write(&text, next, false);
    text_add_word(&text, "'");
    cli_say(cli, "kontor: ", text.at, text.length);
    text_free(&text);
}

static enum cli_exit run_search(struct cli *cli)
{
    struct search search = {.limit = 0};
    const struct cli_option options[] = {{.name = "order", .list = &search.order},
                                         {.name = "limit", .number = &search.limit},
                                         {.name = "where", .text = &search.where},
                                         {.name = "after", .text = &search.after},
                                         {.name = "field", .list = &search.fields},
                                         {.name = "as-of", .text = &search.as_of},
                                         {.name = "explain", .flag = &search.explain},
                                         {.name = "words", .text = &search.words},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, -1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    code = build_search(cli, &search, &params);
    if (code != CLI_OK)
        return code;
    struct client_reply reply;
    code = cli_call(cli, "record.search", &params.object, &reply);
    const msgpack_object *records = object_get(&reply.result, "records");
    const msgpack_object *next = object_get(&reply.result, "next");
    if (code == CLI_OK)
        cli_print(cli, records && !cli->json ? records : &reply.result);
    if (code == CLI_OK && next && !cli->json)
        say_more(cli, next);
    if (code == CLI_OK && !cli->json)
        search_say_plan(cli, &reply.result);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_search = {
    .name = "search",
    .usage = "search ENTITY [CONDITION]... [--order FIELD] [--limit N] [--field F]...",
    .summary = {"find records", "查找记录"},
    .help =
        {
            "A condition is one word: FIELD and one of = != < <= > >= ~ (contains) and a value,\n"
            "nothing for an empty field. All must hold. A dotted field follows references.\n"
            "\n"
            "  kontor search sales.order state=confirmed 'total>=1000' --order -date\n"
            "  kontor search customers.customer party.name~acme --field number --field party\n"
            "\n"
            "  --words TEXT   only records that have these words, the best fit first: their text\n"
            "                 fields that system.describe calls searchable\n"
            "  --order FIELD  by this field; -FIELD is from high to low; may be repeated\n"
            "  --limit N      at most N records, 1 to 1000 (100)\n"
            "  --field F      only this field, which may follow references; may be repeated\n"
            "  --where JSON   further conditions: [[\"field\", \"op\", value], [\"or\", ...]]\n"
            "  --after JSON   go on behind the page that ended with this \"next\"\n"
            "  --as-of WHEN   as the records stood then: an event's number, a date (its end, UTC)\n"
            "                 or 2026-10-31T12:00:00Z\n"
            "  --explain      say by which index they were found and how many were looked at\n",
            "一个条件是一个词：字段、运算符 = != < <= > >= "
            "~（包含）之一和值；值为空表示字段为空。\n"
            "所有条件须同时成立。带点的字段沿引用查找。\n"
            "\n"
            "  kontor search sales.order state=confirmed 'total>=1000' --order -date\n"
            "  kontor search customers.customer party.name~acme --field number --field party\n"
            "\n"
            "  --words 词语   仅含这些词语的记录，按匹配程度排序；查找 system.describe 中标为\n"
            "                 searchable 的文本字段\n"
            "  --order FIELD  按此字段排序；-FIELD 为从大到小；可重复\n"
            "  --limit N      最多 N 条，1 到 1000（100）\n"
            "  --field F      仅此字段，可沿引用；可重复\n"
            "  --where JSON   更多条件: [[\"字段\", \"运算符\", 值], [\"or\", ...]]\n"
            "  --after JSON   接着以此 next 结束的一页继续\n"
            "  --as-of 时刻   当时的记录：事件序号、日期（UTC 当日结束时）或\n"
            "                 2026-10-31T12:00:00Z\n"
            "  --explain      说明使用了哪个索引、检查了多少条\n",
        },
    .run = run_search,
};

/* --- count --- */

static enum cli_exit run_count(struct cli *cli)
{
    struct search search = {.limit = 0};
    const struct cli_option options[] = {{.name = "where", .text = &search.where},
                                         {.name = "words", .text = &search.words},
                                         {.name = "as-of", .text = &search.as_of},
                                         {.name = "explain", .flag = &search.explain},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, -1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    code = build_search(cli, &search, &params);
    return code == CLI_OK ? cli_call_and_print(cli, "record.count", &params.object) : code;
}

const struct cli_command command_record_count = {
    .name = "count",
    .usage = "count ENTITY [CONDITION]... [--words TEXT] [--where JSON] [--as-of WHEN]",
    .summary = {"count records", "统计记录数"},
    .help = {"Conditions and WHEN as for kontor search.\n\n"
             "  kontor count sales.order state=confirmed --as-of 2026-10-31\n",
             "条件和时刻的写法同 kontor search。\n\n"
             "  kontor count sales.order state=confirmed --as-of 2026-10-31\n"},
    .run = run_count,
};
