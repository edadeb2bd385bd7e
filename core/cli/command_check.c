/* kontor check: is what is derived from the records as the records say? And kontor check --rebuild,
 * which mends it. */
#include <string.h>

#include "cli/commands.h"
#include "cli/text.h"

struct check {
    bool rebuild;
    bool all;
    bool dry_run;
};

static const struct {
    const char *name;
    const char *label[2];
} counts[] = {
    {"records", {"records", "记录"}},
    {"references", {"references", "引用"}},
    {"index_entries", {"index and unique entries", "索引与唯一键条目"}},
    {"total_rows", {"rows of totals", "累计行"}},
    {"words", {"full-text entries", "全文索引条目"}},
    {"changes", {"changes in histories", "历史变更"}},
    {"files", {"files", "文件"}},
};

static void print_counts(const struct cli *cli, const msgpack_object *checked)
{
    size_t widest = 0;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const char *label = counts[i].label[cli->chinese];
        size_t width = text_width(label, strlen(label));
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        const char *label = counts[i].label[cli->chinese];
        int gap = (int)(widest - text_width(label, strlen(label)));
        printf("%s%*s %12lld\n", label, gap, "", (long long)object_int(checked, counts[i].name));
    }
}

/* The table has what the record is in columns of its own; `text` says the rest. */
static void print_problems(const struct cli *cli, const msgpack_object *problems, int64_t count)
{
    uint32_t shown = problems ? problems->via.array.size : 0;
    if (count == 0) {
        printf(cli->chinese ? "一致：没有差异\n" : "sound: nothing differs\n");
        return;
    }
    if (cli->chinese)
        printf("%lld 处差异", (long long)count);
    else
        printf("%lld %s", (long long)count, count == 1 ? "difference" : "differences");
    if (shown < count)
        printf(cli->chinese ? "，以下为前 %u 处" : ", the first %u", shown);
    printf(cli->chinese ? "：\n" : ":\n");
    cli_print(cli, problems);
}

static void print_rebuilt(const struct cli *cli, const msgpack_object *rebuilt, bool dry_run)
{
    if (!rebuilt || rebuilt->type != MSGPACK_OBJECT_ARRAY || rebuilt->via.array.size == 0) {
        printf(cli->chinese ? "无可重建\n" : "nothing to rebuild\n");
        return;
    }
    if (dry_run)
        printf(cli->chinese ? "将会重建：\n" : "would be rebuilt:\n");
    else
        printf(cli->chinese ? "已重建：\n" : "rebuilt:\n");
    cli_print(cli, rebuilt);
}

static enum cli_exit check(struct cli *cli)
{
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, "system.check", NULL, &reply);
    int64_t count = object_int(&reply.result, "count");
    if (code == CLI_OK && cli->json) {
        cli_print(cli, &reply.result);
    } else if (code == CLI_OK) {
        print_counts(cli, object_get(&reply.result, "checked"));
        printf("\n");
        print_problems(cli, object_get(&reply.result, "problems"), count);
    }
    client_reply_free(&reply);
    return code == CLI_OK && count > 0 ? CLI_REFUSED : code;
}

static enum cli_exit rebuild(struct cli *cli, const struct check *asked)
{
    struct client_reply reply;
    struct build_map params = build_map(cli->zone);
    if (asked->all)
        build_set(&params, "all", build_bool(true));
    if (asked->dry_run)
        build_set(&params, "dry_run", build_bool(true));
    enum cli_exit code = cli_call(cli, "system.rebuild", &params.object, &reply);
    const msgpack_object *result =
        asked->dry_run ? object_get(&reply.result, "result") : &reply.result;
    int64_t count = object_int(result, "count");
    if (code == CLI_OK && cli->json) {
        cli_print(cli, &reply.result);
    } else if (code == CLI_OK) {
        print_rebuilt(cli, object_get(result, "rebuilt"), asked->dry_run);
        printf("\n");
        print_problems(cli, object_get(result, "problems_left"), count);
    }
    client_reply_free(&reply);
    return code == CLI_OK && count > 0 ? CLI_REFUSED : code;
}

static enum cli_exit run_check(struct cli *cli)
{
    struct check asked = {.rebuild = false};
    const struct cli_option options[] = {{.name = "rebuild", .flag = &asked.rebuild},
                                         {.name = "all", .flag = &asked.all},
                                         {.name = "dry-run", .flag = &asked.dry_run},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 0, 0);
    if (code != CLI_OK)
        return code;
    if (!asked.rebuild && (asked.all || asked.dry_run))
        return cli_fail(cli, CLI_USAGE, "--all and --dry-run go with --rebuild",
                        "--all 与 --dry-run 须与 --rebuild 同用");
    return asked.rebuild ? rebuild(cli, &asked) : check(cli);
}

const struct cli_command command_check = {
    .name = "check",
    .usage = "check [--rebuild [--all] [--dry-run]]",
    .summary = {"prove all data by a full scan, or mend it", "全面校验数据，或修复"},
    .help =
        {
            "Reads every record and holds against it each index, unique key, reference, total,\n"
            "count and history, the full-text index and all files, and names each difference.\n"
            "Exit code 0 when all is sound, 1 when something differs.\n"
            "\n"
            "  --rebuild  build anew what differs and follows from the records: indexes, unique\n"
            "             keys, totals, words, counts, the list of what changed when. A broken\n"
            "             record, a reference to nothing, a damaged file or a value that two\n"
            "             records claim stays a difference. Nothing else is written meanwhile\n"
            "  --all      also build what does not differ\n"
            "  --dry-run  change nothing and show what would be rebuilt, and what would be left\n"
            "\n"
            "Large data take a while: --timeout 0 waits for ever.\n",
            "读取全部记录，逐一核对索引、唯一键、引用、累计、计数、历史、全文索引及所有文件，\n"
            "并列出每处差异。一致时退出码为 0，有差异时为 1。\n"
            "\n"
            "  --rebuild  重建有差异且可由记录推出的部分：索引、唯一键、累计、全文索引、\n"
            "             计数、变更时间表。损坏的记录、无目标的引用、损坏的文件以及两条记录\n"
            "             占用的同一唯一值仍列为差异。期间暂停其他写入\n"
            "  --all      无差异的部分也重建\n"
            "  --dry-run  不做更改，仅显示将会重建的部分与剩余差异\n"
            "\n"
            "数据量大时需要一些时间：--timeout 0 表示一直等待。\n",
        },
    .run = run_check,
};
