/* The module `rules`: methods for whoever writes business rules. */
#include <string.h>

#include "engine/engine_internal.h"
#include "kontor/limits.h"

#define LOG_LIMIT 100

static struct registry **next_registry(struct kt_ctx *ctx)
{
    return &((struct engine_ctx *)ctx)->next_registry;
}

static const char *text_or_null(struct kt_ctx *ctx, const msgpack_object *params, const char *name)
{
    return kt_has(params, name) ? kt_get_text(ctx, params, name) : NULL;
}

/* --- Asking --- */

static enum kt_status rules_list(struct kt_ctx *ctx, const msgpack_object *params)
{
    return registry_reply_rules(ctx, kt_get_bool(params, "counts"));
}

static enum kt_status rules_get(struct kt_ctx *ctx, const msgpack_object *params)
{
    return registry_reply_rule_file(ctx, kt_get_text(ctx, params, "name"),
                                    kt_get(params, "revision"));
}

/* A file's name, or the name of a rule that stands in it. */
static enum kt_status find_file(struct kt_ctx *ctx, const char *name, const char **out)
{
    size_t length = strlen(name);
    *out = name;
    if (length > 4 && strcmp(name + length - 4, ".lua") == 0)
        return KT_OK;
    *out = script_set_file_of(ctx->registry->rules, name);
    if (*out)
        return KT_OK;
    return kt_fail(ctx, KT_NOT_FOUND, "name", "no rule in force is called %s: name its file",
                   "没有名为 %s 的生效规则：请给出文件名", context_quote(ctx, name, length));
}

static enum kt_status rules_log(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct rules_log asked = {.after = kt_get_id(params, "after"), .limit = LOG_LIMIT};
    const char *name = text_or_null(ctx, params, "name");
    if (name)
        KT_TRY(find_file(ctx, name, &asked.file));
    if (kt_has(params, "limit"))
        asked.limit = kt_get_id(params, "limit");
    if (asked.limit > KT_LIMIT_PAGE)
        asked.limit = KT_LIMIT_PAGE;
    return registry_reply_rules_log(ctx, &asked);
}

static enum kt_status rules_diff(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct rules_diff asked = {.from = kt_get(params, "from"),
                                     .to = kt_get(params, "to"),
                                     .files = kt_get(params, "files"),
                                     .replace = kt_get_bool(params, "replace")};
    return registry_reply_rules_diff(ctx, &asked);
}

static enum kt_status rules_test(struct kt_ctx *ctx, const msgpack_object *params)
{
    return registry_reply_rules_test(ctx, kt_get(params, "files"));
}

static enum kt_status rules_try(struct kt_ctx *ctx, const msgpack_object *params)
{
    const msgpack_object *given = kt_get(params, "params");
    const struct rules_try asked = {.files = kt_get(params, "files"),
                                    .entity = kt_get_text(ctx, params, "entity"),
                                    .id = kt_get_id(params, "id"),
                                    .moment = text_or_null(ctx, params, "moment"),
                                    .params = given};
    if (given && given->type != MSGPACK_OBJECT_MAP)
        return kt_fail(ctx, KT_INVALID, "params", "params is a map", "params 应为映射");
    return registry_reply_rules_try(ctx, &asked);
}

static enum kt_status rules_explain(struct kt_ctx *ctx, const msgpack_object *params)
{
    return registry_reply_rules_explain(ctx, kt_get_text(ctx, params, "of"));
}

static enum kt_status rules_trace(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct kt_map *answer = kt_map_new(ctx);
    struct script_trace_query query = {.after = kt_get(params, "after"),
                                       .limit = kt_get_id(params, "limit"),
                                       .rule = text_or_null(ctx, params, "rule"),
                                       .entity = text_or_null(ctx, params, "entity")};
    if (query.limit == 0 || query.limit > SCRIPT_TRACE_TURNS)
        query.limit = SCRIPT_TRACE_TURNS;
    script_life_trace(ctx->registry->life, &query, answer);
    kt_reply_map(ctx, answer);
    return KT_OK;
}

/* --- Changing --- */

static enum kt_status rules_enable(struct kt_ctx *ctx, const msgpack_object *params)
{
    return registry_rules_enable(ctx, kt_get_text(ctx, params, "rule"), next_registry(ctx));
}

static enum kt_status rules_push(struct kt_ctx *ctx, const msgpack_object *params)
{
    const struct rules_push push = {.files = kt_get(params, "files"),
                                    .replace = kt_get_bool(params, "replace"),
                                    .note = text_or_null(ctx, params, "note"),
                                    .skip_tests = kt_get_bool(params, "skip_tests")};
    return registry_rules_push(ctx, &push, next_registry(ctx));
}

static enum kt_status rules_remove(struct kt_ctx *ctx, const msgpack_object *params)
{
    return registry_rules_remove(ctx, kt_get_text(ctx, params, "name"),
                                 text_or_null(ctx, params, "note"), next_registry(ctx));
}

static enum kt_status rules_rollback(struct kt_ctx *ctx, const msgpack_object *params)
{
    return registry_rules_rollback(ctx, kt_get(params, "to"), text_or_null(ctx, params, "note"),
                                   next_registry(ctx));
}

/* --- The module --- */

#define FILES(flag, en, zh)                                                                        \
    {                                                                                              \
        .name = "files", .type = KT_JSON, .flags = KT_UNCHECKED | (flag), .label = {(en), (zh) }   \
    }
#define REPLACE                                                                                    \
    {                                                                                              \
        .name = "replace", .type = KT_BOOL, .label = {                                             \
            "Remove pushed files that are not among these",                                        \
            "移除不在其中的已推送文件"                                                 \
        }                                                                                          \
    }
#define NOTE                                                                                       \
    {                                                                                              \
        .name = "note", .type = KT_TEXT, .label = { "Why", "说明" }                                \
    }
#define NUMBER(word, flag, en, zh)                                                                 \
    {                                                                                              \
        .name = (word), .type = KT_INT, .flags = (flag), .label = {(en), (zh) }                    \
    }
#define NAME(flag, en, zh)                                                                         \
    {                                                                                              \
        .name = "name", .type = KT_TEXT, .flags = (flag), .label = {(en), (zh) }                   \
    }

static const struct kt_field list_params[] = {
    {.name = "counts",
     .type = KT_BOOL,
     .label = {"With what each rule did so far", "包括每条规则的运行情况"}},
};
static const struct kt_field get_params[] = {
    NAME(KT_REQUIRED, "Rule file", "规则文件"),
    NUMBER("revision", KT_NONNEGATIVE, "As that revision had it", "该版本中的内容"),
};
static const struct kt_field log_params[] = {
    NAME(0, "Rule file, or a rule", "规则文件或规则名"),
    NUMBER("limit", KT_POSITIVE, "Most revisions", "最多版本数"),
    NUMBER("after", KT_POSITIVE, "`next` of the page before", "上一页返回的 next"),
};
static const struct kt_field diff_params[] = {
    NUMBER("from", KT_NONNEGATIVE, "Revision; by default the one before", "版本，默认为前一版本"),
    NUMBER("to", KT_NONNEGATIVE, "Revision; by default the last", "版本，默认为最新"),
    FILES(0, "Instead: texts by file name, against what is in force",
          "或：文件名到文本，与生效的规则比较"),
    REPLACE,
};
static const struct kt_field push_params[] = {
    FILES(KT_REQUIRED, "Texts by file name", "文件名到文本"),
    REPLACE,
    NOTE,
    {.name = "skip_tests", .type = KT_BOOL, .label = {"Run no tests", "不运行测试"}},
};
static const struct kt_field test_params[] = {
    FILES(0, "Texts by file name, beside those that are stored", "文件名到文本，与已存文件一起"),
};
#define RULE(flag)                                                                                 \
    {                                                                                              \
        .name = "rule", .type = KT_TEXT, .flags = (flag), .label = { "Rule", "规则" }              \
    }
static const struct kt_field explain_params[] = {
    {.name = "of",
     .type = KT_TEXT,
     .flags = KT_REQUIRED,
     .label = {"sales.order.confirm, sales.order.create, a method or a topic",
               "sales.order.confirm、sales.order.create、方法或主题"}},
};
static const struct kt_field trace_params[] = {
    NUMBER("after", KT_NONNEGATIVE, "`next` of the answer before", "上一应答的 next"),
    NUMBER("limit", KT_POSITIVE, "Most turns", "最多条数"),
    RULE(0),
    {.name = "entity", .type = KT_TEXT, .label = {"Entity", "实体"}},
};
static const struct kt_field enable_params[] = {RULE(KT_REQUIRED)};
static const struct kt_field try_params[] = {
    FILES(0, "Texts by file name; without: what is in force", "文件名到文本，省略则为生效的规则"),
    {.name = "entity", .type = KT_TEXT, .flags = KT_REQUIRED, .label = {"Entity", "实体"}},
    NUMBER("id", KT_REQUIRED | KT_POSITIVE, "Record id", "记录编号"),
    {.name = "moment", .type = KT_TEXT, .label = {"Only this change", "仅此更改"}},
    {.name = "params",
     .type = KT_JSON,
     .flags = KT_UNCHECKED,
     .label = {"Of the transition", "流转的参数"}},
};
static const struct kt_field remove_params[] = {
    NAME(KT_REQUIRED, "Rule file", "规则文件"),
    NOTE,
};
static const struct kt_field rollback_params[] = {
    NUMBER("to", KT_NONNEGATIVE, "Revision; by default the one before the present",
           "版本，默认为当前的前一版本"),
    NOTE,
};

static const struct kt_method methods[] = {
    {.name = "rules.list",
     .flags = KT_PRESENT,
     .params = KT_LIST(list_params),
     .run = rules_list,
     .label = {"Rules and declarations in force", "生效的规则与声明"}},
    {.name = "rules.get",
     .flags = KT_PRESENT,
     .params = KT_LIST(get_params),
     .run = rules_get,
     .label = {"One pushed rule file", "读取一个规则文件"}},
    {.name = "rules.log",
     .flags = KT_PRESENT,
     .params = KT_LIST(log_params),
     .run = rules_log,
     .label = {"Who pushed what, when and why", "推送历史"}},
    {.name = "rules.diff",
     .flags = KT_PRESENT,
     .params = KT_LIST(diff_params),
     .run = rules_diff,
     .label = {"What differs, line by line", "逐行比较"}},
    {.name = "rules.explain",
     .flags = KT_PRESENT,
     .params = KT_LIST(explain_params),
     .run = rules_explain,
     .label = {"What runs in a change, in its order", "一次更改中依次运行的内容"}},
    {.name = "rules.trace",
     .flags = KT_PRESENT,
     .params = KT_LIST(trace_params),
     .run = rules_trace,
     .label = {"Which rules run now, on what, how long", "实时跟踪规则运行"}},
    {.name = "rules.enable",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(enable_params),
     .run = rules_enable,
     .label = {"Let a disabled rule run again", "重新启用规则"}},
    {.name = "rules.try",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(try_params),
     .run = rules_try,
     .label = {"What rules would do to a record", "规则对记录的影响（试运行）"}},
    {.name = "rules.test",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(test_params),
     .run = rules_test,
     .label = {"Run the tests, and undo all they did", "运行测试并撤销其所有更改"}},
    {.name = "rules.push",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(push_params),
     .run = rules_push,
     .label = {"Put rule files in force", "推送规则文件"}},
    {.name = "rules.remove",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(remove_params),
     .run = rules_remove,
     .label = {"Take a rule file out", "移除规则文件"}},
    {.name = "rules.rollback",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(rollback_params),
     .run = rules_rollback,
     .label = {"Back to an earlier revision", "回退到先前版本"}},
};

static const struct kt_topic topics[] = {
    {"rules.disabled", {"A rule failed too often and is disabled", "规则因多次出错被停用"}},
};

const struct kt_plugin engine_rules = {
    KT_PLUGIN_HEAD,
    .name = "rules",
    .version = KONTOR_VERSION,
    .schema = 1,
    .label = {"Rules", "规则"},
    .summary = {"Business rules and their versions", "业务规则及其版本"},
    .methods = KT_LIST(methods),
    .events = KT_LIST(topics),
};
