/* kontor stats: how the server does, as tables for people; and as text for Prometheus. */
#include <string.h>

#include "cli/commands.h"
#include "cli/text.h"

enum unit { COUNT, BYTES, SECONDS, MICROSECONDS };

static const struct {
    const char *name;
    const char *label[2];
    enum unit unit;
} lines[] = {
    {"uptime_s", {"running for", "已运行"}, SECONDS},
    {"connections", {"connections now", "当前连接"}, COUNT},
    {"connections_refused", {"connections refused", "拒绝的连接"}, COUNT},
    {"connections_dropped", {"connections cut off", "切断的连接"}, COUNT},
    {"reads", {"reads answered", "已应答的读取"}, COUNT},
    {"writes", {"writes answered", "已应答的写入"}, COUNT},
    {"refused", {"answered with an error", "以错误应答"}, COUNT},
    {"queued_reads", {"reads waiting", "排队的读取"}, COUNT},
    {"queued_writes", {"writes waiting", "排队的写入"}, COUNT},
    {"readers_busy", {"readers at work", "工作中的读取线程"}, COUNT},
    {"readers", {"readers", "读取线程"}, COUNT},
    {"commits", {"commits", "提交"}, COUNT},
    {"commits_failed", {"commits that failed", "失败的提交"}, COUNT},
    {"jobs_failed", {"jobs that failed", "失败的作业"}, COUNT},
    {"rules", {"rules run", "执行的规则"}, COUNT},
    {"rules_failed", {"rules that broke", "出错的规则"}, COUNT},
    {"rules_disabled", {"rules disabled by failing", "因出错停用的规则"}, COUNT},
    {"rule_us", {"time in rules", "规则用时"}, MICROSECONDS},
    {"last_event", {"last event", "最近事件"}, COUNT},
    {"store_entries", {"entries stored", "存储条目"}, COUNT},
    {"store_used_bytes", {"data", "数据"}, BYTES},
    {"store_file_bytes", {"its file", "数据文件"}, BYTES},
    {"store_limit_bytes", {"at most", "上限"}, BYTES},
    {"store_disk_free_bytes", {"free on its disk", "磁盘剩余"}, BYTES},
    {"memory_bytes", {"memory", "内存"}, BYTES},
    {"cpu_us", {"processor time", "处理器时间"}, MICROSECONDS},
    {"open_files", {"open files", "打开的文件"}, COUNT},
};

static void add_bytes(struct text *out, int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    while (size >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        size /= 1024;
        unit++;
    }
    text_add_format(out, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static void add_duration(struct text *out, int64_t seconds)
{
    if (seconds >= 86400)
        text_add_format(out, "%lld d ", (long long)(seconds / 86400));
    text_add_format(out, "%02d:%02d:%02d", (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60),
                    (int)(seconds % 60));
}

static void add_value(struct text *out, int64_t value, enum unit unit)
{
    switch (unit) {
    case COUNT:
        text_add_format(out, "%lld", (long long)value);
        break;
    case BYTES:
        add_bytes(out, value);
        break;
    case SECONDS:
        add_duration(out, value);
        break;
    case MICROSECONDS:
        text_add_format(out, "%lld.%03lld s", (long long)(value / 1000000),
                        (long long)(value / 1000 % 1000));
        break;
    }
}

static void print_lines(const struct cli *cli, const msgpack_object *stats)
{
    size_t widest = 0;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *label = lines[i].label[cli->chinese];
        size_t width = text_width(label, strlen(label));
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *label = lines[i].label[cli->chinese];
        struct text value = {0};
        add_value(&value, object_int(stats, lines[i].name), lines[i].unit);
        printf("%s%*s  %16s\n", label, (int)(widest - text_width(label, strlen(label))), "",
               value.at);
        text_free(&value);
    }
}

/* --- Times, in milliseconds --- */

static msgpack_object milliseconds(const struct cli *cli, const msgpack_object *times,
                                   const char *name)
{
    char *text = build_memory(cli->zone, 32);
    int64_t us = object_int(times, name);
    snprintf(text, 32, "%lld.%03lld", (long long)(us / 1000), (long long)(us % 1000));
    return build_text(text);
}

static void set_times(const struct cli *cli, struct build_map *row, const msgpack_object *times)
{
    static const char *const names[][2] = {{"p50 ms", "p50"},
                                           {"p90 ms", "p90"},
                                           {"p99 ms", "p99"},
                                           {"p99.9 ms", "p999"},
                                           {"max ms", "max"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        build_set(row, names[i][0], milliseconds(cli, times, names[i][1]));
}

static void print_waits(const struct cli *cli, const msgpack_object *stats)
{
    const msgpack_object *waited = object_get(stats, "waited_us");
    const struct {
        const char *label[2];
        const msgpack_object *times;
    } rows[] = {
        {{"reads wait", "读取等待"}, object_get(waited, "reads")},
        {{"writes wait", "写入等待"}, object_get(waited, "writes")},
        {{"logins wait", "登录等待"}, object_get(waited, "logins")},
        {{"commits take", "提交用时"}, object_get(stats, "commit_us")},
    };
    msgpack_object table = build_array(cli->zone, sizeof rows / sizeof rows[0]);
    for (uint32_t i = 0; i < table.via.array.size; i++) {
        struct build_map row = build_map(cli->zone);
        build_set(&row, cli->chinese ? "项目" : "what", build_text(rows[i].label[cli->chinese]));
        build_set(&row, cli->chinese ? "次数" : "count",
                  build_int(object_int(rows[i].times, "count")));
        set_times(cli, &row, rows[i].times);
        table.via.array.ptr[i] = row.object;
    }
    cli_print(cli, &table);
}

static void print_methods(const struct cli *cli, const msgpack_object *stats)
{
    const msgpack_object *methods = object_get(stats, "methods");
    if (!methods || methods->type != MSGPACK_OBJECT_ARRAY)
        return;
    msgpack_object table = build_array(cli->zone, methods->via.array.size);
    for (uint32_t i = 0; i < table.via.array.size; i++) {
        const msgpack_object *method = &methods->via.array.ptr[i];
        const msgpack_object *name = object_get(method, "method");
        int64_t count = object_int(method, "count");
        struct build_map row = build_map(cli->zone);
        build_set(&row, cli->chinese ? "方法" : "method", name ? *name : build_nil());
        build_set(&row, cli->chinese ? "请求" : "requests", build_int(count));
        build_set(&row, cli->chinese ? "错误" : "errors",
                  build_int(count - object_int(object_get(method, "outcomes"), "ok")));
        set_times(cli, &row, object_get(method, "latency_us"));
        table.via.array.ptr[i] = row.object;
    }
    cli_print(cli, &table);
}

static enum cli_exit print_stats(struct cli *cli)
{
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, "system.stats", NULL, &reply);
    if (code == CLI_OK && cli->json) {
        cli_print(cli, &reply.result);
    } else if (code == CLI_OK) {
        print_lines(cli, &reply.result);
        printf("\n");
        print_waits(cli, &reply.result);
        printf("\n");
        print_methods(cli, &reply.result);
    }
    client_reply_free(&reply);
    return code;
}

static enum cli_exit print_metrics(struct cli *cli)
{
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, "system.metrics", NULL, &reply);
    const msgpack_object *text = object_get(&reply.result, "text");
    if (code == CLI_OK && text && text->type == MSGPACK_OBJECT_STR)
        fwrite(text->via.str.ptr, 1, text->via.str.size, stdout);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_stats(struct cli *cli)
{
    bool prometheus = false;
    const struct cli_option options[] = {{.name = "prometheus", .flag = &prometheus},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 0, 0);
    if (code != CLI_OK)
        return code;
    if (prometheus && cli->json)
        return cli_fail(cli, CLI_USAGE, "--prometheus is a format of its own: leave --json out",
                        "--prometheus 本身就是一种格式：不能与 --json 同用");
    return prometheus ? print_metrics(cli) : print_stats(cli);
}

const struct cli_command command_stats = {
    .name = "stats",
    .usage = "stats [--prometheus]",
    .summary = {"how the server does: requests, times, memory", "运行状况：请求、用时、内存"},
    .help =
        {
            "Since the server started. Times are from a request's arrival to its answer; half of\n"
            "all requests took at most p50, 99 of a hundred at most p99. `unknown` are methods\n"
            "that do not exist. core/rpc/README.md explains each number; --json has them all.\n"
            "\n"
            "  --prometheus  the text that `kontord --metrics` serves\n",
            "自服务器启动以来的数据。用时从请求到达算起，至应答为止：一半请求不超过 p50，\n"
            "百分之九十九不超过 p99。unknown 为不存在的方法。各项含义见 core/rpc/README.md，\n"
            "--json 输出全部数据。\n"
            "\n"
            "  --prometheus  输出 kontord --metrics 所提供的文本\n",
        },
    .run = run_stats,
};
