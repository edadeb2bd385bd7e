/* The module `core`: methods of the server itself. */
#include "base/clock.h"
#include "engine/engine_internal.h"

/* --- system.* --- */

static enum kt_status ping(struct kt_ctx *ctx, const msgpack_object *params)
{
    struct kt_map *answer = kt_map_new(ctx);
    (void)params;
    kt_map_set_text(answer, "version", KONTOR_VERSION);
    kt_map_set(answer, "time", kt_instant_value(ctx, kt_now(ctx)));
    kt_reply_map(ctx, answer);
    return KT_OK;
}

static enum kt_status check(struct kt_ctx *ctx, const msgpack_object *params)
{
    (void)params;
    return record_check_all(ctx);
}

static enum kt_status rebuild(struct kt_ctx *ctx, const msgpack_object *params)
{
    return record_rebuild(ctx, kt_get_bool(params, "all"));
}

/* --- Parameters --- */

#define ENTITY                                                                                     \
    {                                                                                              \
        .name = "entity", .type = KT_TEXT, .flags = KT_REQUIRED, .max_length = 100, .label = {     \
            "Entity",                                                                              \
            "实体"                                                                               \
        }                                                                                          \
    }
#define ID                                                                                         \
    {                                                                                              \
        .name = "id", .type = KT_INT, .flags = KT_REQUIRED | KT_POSITIVE, .label = {               \
            "Record id",                                                                           \
            "记录编号"                                                                         \
        }                                                                                          \
    }
#define VERSION                                                                                    \
    {                                                                                              \
        .name = "version", .type = KT_INT, .flags = KT_POSITIVE, .label = {                        \
            "Version it must have",                                                                \
            "应有版本"                                                                         \
        }                                                                                          \
    }
#define ANY(word, flag, en, zh)                                                                    \
    {                                                                                              \
        .name = (word), .type = KT_JSON, .flags = KT_UNCHECKED | (flag), .label = {(en), (zh) }    \
    }
#define TEXT(word, flag, en, zh)                                                                   \
    {                                                                                              \
        .name = (word), .type = KT_TEXT, .flags = (flag), .label = {(en), (zh) }                   \
    }

#define WORDS                                                                                      \
    TEXT("text", 0, "Words to search for, the best fit first", "全文搜索词，按匹配程度排序")
#define ARCHIVED                                                                                   \
    TEXT("archived", 0, "Archived records: exclude, include, only",                                \
         "已归档记录：exclude、include 或 only")
#define UPLOAD                                                                                     \
    {                                                                                              \
        .name = "upload", .type = KT_INT, .flags = KT_REQUIRED | KT_POSITIVE, .label = {           \
            "From file.begin",                                                                     \
            "file.begin 返回的编号"                                                           \
        }                                                                                          \
    }
#define OFFSET                                                                                     \
    {                                                                                              \
        .name = "offset", .type = KT_INT, .flags = KT_NONNEGATIVE, .label = {                      \
            "First byte",                                                                          \
            "起始字节"                                                                         \
        }                                                                                          \
    }
#define EXPLAIN                                                                                    \
    {                                                                                              \
        .name = "explain", .type = KT_BOOL, .label = { "Say how it was found", "说明查询方式" }    \
    }

static const struct kt_field login_params[] = {
    TEXT("user", KT_REQUIRED, "Login name", "登录名"),
    TEXT("password", KT_REQUIRED, "Password", "密码"),
};
static const struct kt_field token_params[] = {
    TEXT("token", KT_REQUIRED, "Token of an earlier login", "先前登录获得的令牌"),
};
static const struct kt_field rebuild_params[] = {
    {.name = "all",
     .type = KT_BOOL,
     .label = {"Also what the check finds right", "包括校验无误的部分"}},
};
static const struct kt_field module_params[] = {
    TEXT("name", KT_REQUIRED, "Module", "模块"),
};
static const struct kt_field upgrade_params[] = {
    TEXT("name", 0, "Module; without it: all", "模块，省略则为全部"),
};
static const struct kt_field create_params[] = {
    ENTITY,
    ANY("values", KT_REQUIRED, "Fields by name", "字段值"),
};
static const struct kt_field get_params[] = {
    ENTITY,
    ID,
    ANY("fields", 0, "Only these fields", "仅返回这些字段"),
};
static const struct kt_field update_params[] = {
    ENTITY,
    ID,
    VERSION,
    ANY("values", KT_REQUIRED, "Fields to change", "要更改的字段"),
};
static const struct kt_field delete_params[] = {ENTITY, ID, VERSION};
static const struct kt_field search_params[] = {
    ENTITY,
    WORDS,
    ANY("where", 0, "Conditions [field, op, value]", "条件 [字段, 运算符, 值]"),
    ANY("order", 0, "field, -field, or a list of them", "排序字段，降序加 -，可为列表"),
    {.name = "limit", .type = KT_INT, .flags = KT_POSITIVE, .label = {"Most records", "最多条数"}},
    ARCHIVED,
    ANY("after", 0, "`next` of the page before", "上一页返回的 next"),
    ANY("fields", 0, "Only these fields", "仅返回这些字段"),
    EXPLAIN,
};
static const struct kt_field count_params[] = {
    ENTITY,   WORDS,   ANY("where", 0, "Conditions [field, op, value]", "条件 [字段, 运算符, 值]"),
    ARCHIVED, EXPLAIN,
};
static const struct kt_field aggregate_params[] = {
    ENTITY,
    ARCHIVED,
    ANY("where", 0, "Conditions [field, op, value]", "条件 [字段, 运算符, 值]"),
    ANY("by", 0, "Fields to group by, dates as date:month", "分组字段，日期可写 date:month"),
    ANY("sum", 0, "Fields to add up", "求和字段"),
    ANY("min", 0, "Fields to take the least of", "求最小值字段"),
    ANY("max", 0, "Fields to take the most of", "求最大值字段"),
    ANY("avg", 0, "Fields to take the average of", "求平均值字段"),
    ANY("having", 0, "Conditions on count and values", "对计数与汇总值的条件"),
    ANY("order", 0, "count, sum.field, or a name in by; -: descending",
        "count、sum.字段 或 by 中的名称，降序加 -"),
    {.name = "limit", .type = KT_INT, .flags = KT_POSITIVE, .label = {"Most groups", "最多组数"}},
    EXPLAIN,
};
static const struct kt_field history_params[] = {
    ENTITY,
    ID,
    {.name = "limit", .type = KT_INT, .flags = KT_POSITIVE, .label = {"Most entries", "最多条数"}},
    {.name = "after",
     .type = KT_INT,
     .flags = KT_POSITIVE,
     .label = {"`next` of the page before", "上一页返回的 next"}},
};
static const struct kt_field totals_params[] = {
    TEXT("total", KT_REQUIRED, "Total", "累计"),
    ANY("by", 0, "First group values", "前几项分组值"),
};
static const struct kt_field import_params[] = {
    ENTITY,
    ANY("columns", KT_REQUIRED, "Field of each column", "各列对应的字段"),
    ANY("rows", KT_REQUIRED, "Rows of text cells", "文本单元格的行"),
    TEXT("key", 0, "Unique field, or a+b, that finds existing records",
         "用于查找已有记录的唯一字段，或 a+b"),
    {.name = "skip_bad",
     .type = KT_BOOL,
     .label = {"Leave bad rows out instead of refusing all", "跳过有误的行而不是全部拒绝"}},
};
static const struct kt_field export_params[] = {
    ENTITY,
    ANY("where", 0, "Conditions [field, op, value]", "条件 [字段, 运算符, 值]"),
    ANY("order", 0, "field, -field, or a list of them", "排序字段，降序加 -，可为列表"),
    ARCHIVED,
    ANY("fields", 0, "Columns; by default what an import can write", "列，默认为可导入的字段"),
    ANY("lines", 0, "Whose lines are the rows; false: none", "以哪个行列表为行；false 为不含行"),
    {.name = "limit", .type = KT_INT, .flags = KT_POSITIVE, .label = {"Most records", "最多条数"}},
    ANY("after", 0, "`next` of the page before", "上一页返回的 next"),
};
static const struct kt_field batch_params[] = {
    ANY("ops", KT_REQUIRED, "Operations {op, ...}", "操作 {op, ...}"),
};
static const struct kt_field append_params[] = {
    UPLOAD,
    OFFSET,
    ANY("bytes", KT_REQUIRED, "The next chunk, msgpack binary", "下一块内容（msgpack 二进制）"),
};
static const struct kt_field finish_params[] = {
    UPLOAD,
    TEXT("hash", 0, "BLAKE2b-256 that the content should have", "内容应有的 BLAKE2b-256 哈希"),
};
static const struct kt_field file_read_params[] = {
    ENTITY,
    ID,
    TEXT("field", KT_REQUIRED, "File field, or lines.field", "文件字段，或 行.字段"),
    {.name = "line", .type = KT_INT, .flags = KT_POSITIVE, .label = {"Id of the line", "行编号"}},
    OFFSET,
};
static const struct kt_field event_params[] = {
    {.name = "from", .type = KT_INT, .flags = KT_POSITIVE, .label = {"First number", "起始序号"}},
    {.name = "topics", .type = KT_TAGS, .label = {"Topics, or prefix.*", "主题，或 前缀.*"}},
    {.name = "limit", .type = KT_INT, .flags = KT_POSITIVE, .label = {"Most events", "最多条数"}},
};

/* An empty permission: open to whoever has logged in, or checked by the method itself. */
static const struct kt_method methods[] = {
    {.name = "system.ping",
     .flags = KT_PRESENT,
     .permission = "",
     .run = ping,
     .label = {"Is the server there?", "服务器是否在线"}},
    {.name = "system.describe",
     .flags = KT_PRESENT,
     .permission = "",
     .run = system_describe,
     .label = {"The whole model", "完整模型"}},
    {.name = "system.stats",
     .flags = KT_PRESENT,
     .run = system_stats,
     .label = {"How the server does", "运行状况"}},
    {.name = "system.metrics",
     .flags = KT_PRESENT,
     .permission = "system.stats",
     .run = system_metrics,
     .label = {"The same as text for Prometheus", "供 Prometheus 采集的运行状况"}},
    {.name = "system.check",
     .flags = KT_PRESENT | KT_LONG,
     .run = check,
     .label = {"Prove totals, indexes and references", "校验累计、索引与引用"}},
    {.name = "system.rebuild",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(rebuild_params),
     .run = rebuild,
     .label = {"Mend what is derived from records", "由记录重建派生数据"}},
    {.name = "auth.login",
     .flags = KT_PRESENT,
     .permission = "",
     .params = KT_LIST(login_params),
     .run = auth_login,
     .label = {"Log in", "登录"}},
    {.name = "auth.token",
     .flags = KT_PRESENT,
     .permission = "",
     .params = KT_LIST(token_params),
     .run = auth_token,
     .label = {"Log in with a token", "用令牌登录"}},
    {.name = "module.list",
     .flags = KT_PRESENT,
     .permission = "",
     .run = modules_list,
     .label = {"Modules and whether they are enabled", "模块及启用状态"}},
    {.name = "module.info",
     .flags = KT_PRESENT,
     .permission = "",
     .params = KT_LIST(module_params),
     .run = modules_info,
     .label = {"One module and its upgrades", "一个模块及其升级记录"}},
    {.name = "module.enable",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(module_params),
     .run = modules_enable,
     .label = {"Enable a module", "启用模块"}},
    {.name = "module.disable",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(module_params),
     .run = modules_disable,
     .label = {"Disable a module; its data stays", "停用模块（数据保留）"}},
    {.name = "module.upgrade",
     .flags = KT_WRITE | KT_LONG,
     .params = KT_LIST(upgrade_params),
     .run = modules_upgrade,
     .label = {"Take new versions from the plugin folder", "启用插件目录中的新版本"}},
    {.name = "record.create",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(create_params),
     .run = records_create,
     .label = {"Create a record", "新建记录"}},
    {.name = "record.get",
     .permission = "",
     .params = KT_LIST(get_params),
     .run = records_get,
     .label = {"One record", "读取一条记录"}},
    {.name = "record.update",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(update_params),
     .run = records_update,
     .label = {"Change a record", "修改记录"}},
    {.name = "record.delete",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(delete_params),
     .run = records_delete,
     .label = {"Delete a record", "删除记录"}},
    {.name = "record.archive",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(delete_params),
     .run = records_archive,
     .label = {"Put a record out of sight", "归档记录"}},
    {.name = "record.restore",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(delete_params),
     .run = records_restore,
     .label = {"Bring an archived record back", "恢复已归档记录"}},
    {.name = "record.search",
     .permission = "",
     .params = KT_LIST(search_params),
     .run = records_search,
     .label = {"Records that match", "查询记录"}},
    {.name = "record.count",
     .permission = "",
     .params = KT_LIST(count_params),
     .run = records_count,
     .label = {"How many match", "统计条数"}},
    {.name = "record.aggregate",
     .permission = "",
     .params = KT_LIST(aggregate_params),
     .run = records_aggregate,
     .label = {"Counts, sums and averages by groups", "分组计数、求和与平均"}},
    {.name = "record.history",
     .permission = "",
     .params = KT_LIST(history_params),
     .run = records_history,
     .label = {"Who changed what, when", "变更历史"}},
    {.name = "record.totals",
     .permission = "",
     .params = KT_LIST(totals_params),
     .run = records_totals,
     .label = {"Rows of a running total", "累计数据"}},
    {.name = "record.import",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(import_params),
     .run = records_import,
     .label = {"Rows of text become records", "导入文本行"}},
    {.name = "record.export",
     .permission = "",
     .params = KT_LIST(export_params),
     .run = records_export,
     .label = {"Records as rows of text", "导出为文本行"}},
    {.name = "record.batch",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(batch_params),
     .run = records_batch,
     .label = {"Several writes as one, all or nothing", "多项更改，全部成功或全部撤销"}},
    {.name = "file.begin",
     .flags = KT_WRITE,
     .permission = "",
     .run = files_begin,
     .label = {"Begin to send a file", "开始上传文件"}},
    {.name = "file.append",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(append_params),
     .run = files_append,
     .label = {"Send its next chunk", "上传下一块"}},
    {.name = "file.finish",
     .flags = KT_WRITE,
     .permission = "",
     .params = KT_LIST(finish_params),
     .run = files_finish,
     .label = {"The file is whole: its hash", "完成上传并取得哈希"}},
    {.name = "file.read",
     .permission = "",
     .params = KT_LIST(file_read_params),
     .run = files_read,
     .label = {"One chunk of a record's file", "读取记录文件的一块"}},
    {.name = "event.read",
     .flags = KT_PRESENT,
     .permission = "",
     .params = KT_LIST(event_params),
     .run = bus_reply_read,
     .label = {"The event log from a number on", "从某序号起读取事件日志"}},
};

static const struct kt_topic topics[] = {
    {"module.upgraded", {"Module upgraded", "模块已升级"}},
};

static const struct kt_job jobs[] = {
    {.name = "core.forget_requests", .every_seconds = 600, .run = replay_forget_old},
    {.name = "core.forget_uploads", .every_seconds = 600, .run = files_sweep},
};

const struct kt_plugin engine_builtin = {
    KT_PLUGIN_HEAD,
    .name = "core",
    .version = KONTOR_VERSION,
    .schema = 1,
    .label = {"Core", "核心"},
    .summary = {"Records, modules, events", "记录、模块与事件"},
    .methods = KT_LIST(methods),
    .events = KT_LIST(topics),
    .jobs = KT_LIST(jobs),
};
