/* kontor export: pages of record.export become a CSV file. What is held is a page and the one
 * before, from whose memory the next is asked for. */
#include <csv.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/search.h"
#include "kontor/limits.h"

struct export
{
    struct cli *cli;
    const char *where;
    const char *lines;
    const char *as_of;
    const char *archived;
    struct cli_list order;
    struct cli_list fields;
    bool no_lines;
    bool mark; /**< Begin with a byte order mark. */

    const char *path;
    char *
        part; /**< The file that will be `path` when it is whole; NULL: `path` is written itself. */
    FILE *out;
    struct progress progress;
    bool began; /**< The first row is written. */
    uint64_t records;
    uint64_t rows;
};

/* --- The file --- */

static enum cli_exit cannot_write(const struct export *export)
{
    return cli_fail(export->cli, CLI_REFUSED, "cannot write %s: %s", "无法写入 %s: %s",
                    export->path, strerror(errno));
}

/* A new file beside the one that is meant, with the rights that this one has or would have. */
static enum cli_exit open_part(struct export *export, mode_t mode)
{
    static const char suffix[] = ".XXXXXX";
    size_t length = strlen(export->path);
    export->part = build_memory(export->cli->zone, length + sizeof suffix);
    memcpy(export->part, export->path, length);
    memcpy(export->part + length, suffix, sizeof suffix);
    int fd = mkstemp(export->part);
    if (fd >= 0 && fchmod(fd, mode) == 0)
        export->out = fdopen(fd, "w");
    if (export->out)
        return CLI_OK;
    enum cli_exit code = cannot_write(export);
    if (fd >= 0) {
        unlink(export->part);
        close(fd);
    }
    return code;
}

static enum cli_exit open_file(struct export *export)
{
    struct stat there;
    mode_t mask = umask(0);
    umask(mask);
    if (strcmp(export->path, "-") == 0) {
        export->out = stdout;
        return CLI_OK;
    }
    if (stat(export->path, &there) != 0)
        return open_part(export, 0666 & ~mask);
    if (S_ISREG(there.st_mode))
        return open_part(export, there.st_mode & 0777);
    export->out = fopen(export->path, "we");
    return export->out ? CLI_OK : cannot_write(export);
}

static enum cli_exit close_file(struct export *export, enum cli_exit code)
{
    bool written = export->out == stdout ? fflush(stdout) == 0 : fclose(export->out) == 0;
    if (code == CLI_OK && !written)
        code = cannot_write(export);
    if (code == CLI_OK && export->part && rename(export->part, export->path) != 0)
        code = cannot_write(export);
    if (code != CLI_OK && export->part)
        unlink(export->part);
    return code;
}

/* --- Rows --- */

static bool write_row(const struct export *export, const msgpack_object *cells)
{
    bool written = cells->type == MSGPACK_OBJECT_ARRAY;
    for (uint32_t i = 0; written && i < cells->via.array.size; i++) {
        const msgpack_object *cell = &cells->via.array.ptr[i];
        written = (i == 0 || putc(',', export->out) != EOF) && cell->type == MSGPACK_OBJECT_STR &&
                  csv_fwrite(export->out, cell->via.str.ptr, cell->via.str.size) == 0;
    }
    return written && putc('\n', export->out) != EOF;
}

static enum cli_exit write_page(struct export *export, const msgpack_object *page)
{
    const msgpack_object *columns = object_get(page, "columns");
    const msgpack_object *rows = object_get(page, "rows");
    bool written = columns && rows && rows->type == MSGPACK_OBJECT_ARRAY;
    errno = EPROTO; /* Unless writing fails, what fails is the answer. */
    if (written && !export->began)
        written = (!export->mark || fputs("\xef\xbb\xbf", export->out) != EOF) &&
                  write_row(export, columns);
    export->began = true;
    for (uint32_t i = 0; written && i < rows->via.array.size; i++)
        written = write_row(export, &rows->via.array.ptr[i]);
    if (!written)
        return cannot_write(export);
    export->rows += rows->via.array.size;
    export->records += (uint64_t)object_int(page, "records");
    export->progress.state.rows = export->rows;
    export->progress.state.done = export->records;
    progress_update(&export->progress);
    return CLI_OK;
}

/* The bar is drawn from a count that costs a search of its own; where that is refused, without. */
static enum cli_exit begin_progress(struct export *export, const msgpack_object *where)
{
    struct cli *cli = export->cli;
    struct client_reply reply = {0};
    export->progress.state = (struct progress_state){.name = export->path, .chinese = cli->chinese};
    progress_begin(&export->progress);
    export->progress.wanted = export->progress.wanted && export->out != stdout;
    if (!export->progress.wanted)
        return CLI_OK;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "entity", build_text(cli->argv[0]));
    build_set(&params, "where", *where);
    if (export->archived)
        build_set(&params, "archived", build_text(export->archived));
    build_set_as_of(&params, export->as_of);
    enum cli_exit code = cli_ask(cli, "record.count", &params.object, &reply);
    if (code == CLI_OK)
        export->progress.state.total = (uint64_t)object_int(&reply.result, "count");
    client_reply_free(&reply);
    cli->progress = &export->progress;
    return code == CLI_REFUSED ? CLI_OK : code;
}

/* `after` in the params is the place that is filled with the `next` of each page. */
static enum cli_exit write_pages(struct export *export, struct build_map *params)
{
    struct client_reply page, before = {0};
    enum cli_exit code;
    const msgpack_object *next;
    do {
        code = cli_call(export->cli, "record.export", &params->object, &page);
        client_reply_free(&before);
        before = page;
        if (code == CLI_OK)
            code = write_page(export, &page.result);
        next = code == CLI_OK ? object_get(&page.result, "next") : NULL;
        if (next)
            build_set(params, "after", *next);
    } while (next);
    client_reply_free(&before);
    return code;
}

static enum cli_exit say_count(const struct export *export)
{
    struct text text = {.at = NULL};
    text_add_format(&text,
                    export->cli->chinese ? "%" PRIu64 " 条记录，%" PRIu64 " 行"
                                         : "%" PRIu64 " records in %" PRIu64 " rows",
                    export->records, export->rows);
    cli_say(export->cli, "kontor: ", text.at, text.length);
    text_free(&text);
    return CLI_OK;
}

/* --- The command --- */

static void set_lines(const struct export *export, struct build_map *params)
{
    if (export->no_lines)
        build_set(params, "lines", build_bool(false));
    else if (export->lines)
        build_set(params, "lines", build_text(export->lines));
}

static enum cli_exit export_to(struct export *export, struct build_map *params,
                               const msgpack_object *where)
{
    enum cli_exit code = open_file(export);
    if (code != CLI_OK)
        return code;
    code = begin_progress(export, where);
    if (code == CLI_OK)
        code = write_pages(export, params);
    progress_hide(&export->progress);
    export->cli->progress = NULL;
    code = close_file(export, code);
    return code == CLI_OK ? say_count(export) : code;
}

static enum cli_exit run_export(struct cli *cli)
{
    struct export export = {.cli = cli};
    const struct cli_option options[] = {{.name = "where", .text = &export.where},
                                         {.name = "order", .list = &export.order},
                                         {.name = "field", .list = &export.fields},
                                         {.name = "lines", .text = &export.lines},
                                         {.name = "no-lines", .flag = &export.no_lines},
                                         {.name = "as-of", .text = &export.as_of},
                                         {.name = "archived", .text = &export.archived},
                                         {.name = "bom", .flag = &export.mark},
                                         {.name = NULL}};
    msgpack_object where;
    enum cli_exit code = cli_options(cli, options, 2, -1);
    if (code == CLI_OK)
        code = search_where(cli, 2, export.where, &where);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "entity", build_text(cli->argv[0]));
    build_set(&params, "where", where);
    build_set(&params, "limit", build_int(KT_LIMIT_PAGE));
    search_set_list(cli, &params, "order", &export.order);
    search_set_list(cli, &params, "fields", &export.fields);
    set_lines(&export, &params);
    if (export.archived)
        build_set(&params, "archived", build_text(export.archived));
    build_set_as_of(&params, export.as_of);
    export.path = cli->argv[1];
    return export_to(&export, &params, &where);
}

const struct cli_command command_export = {
    .name = "export",
    .usage = "export ENTITY FILE.csv [CONDITION]... [--field F]... [--lines NAME]",
    .summary = {"write records to a CSV file", "导出记录到 CSV 文件"},
    .help =
        {
            "The file is one that kontor import reads: the first row names the fields, references\n"
            "stand as a unique text of their target, its name or #id. A document has a row for "
            "each\n"
            "of its lines, with its other cells repeated. FILE - is standard output; a file is "
            "there\n"
            "only when it is complete. Conditions are those of kontor search.\n"
            "\n"
            "  kontor export sales.order orders.csv state=confirmed 'date>=2026-01-01'\n"
            "  kontor export sales.order - --field number --field customer.party.name --field "
            "total\n"
            "\n"
            "  --field F        only this field, which may follow references; may be repeated. "
            "By\n"
            "                   default all that an import can write: none that are computed, "
            "states,\n"
            "                   files, JSON, or masked from you\n"
            "  --lines NAME     the list of lines, when there are several; --no-lines for none\n"
            "  --order F        by this field; -F is from high to low; may be repeated\n"
            "  --where JSON     further conditions: [[\"field\", \"op\", value], [\"or\", ...]]\n"
            "  --archived WORD  include archived records, or only them: include, only\n"
            "  --as-of WHEN     as the records stood then: an event's number, a date (its end, "
            "UTC)\n"
            "                   or 2026-10-31T12:00:00Z; all of them at the same moment\n"
            "  --bom            begin with a byte order mark, for spreadsheets that ask for one\n"
            "\n"
            "Cells are written as they are. A spreadsheet may take one that begins with = + - or "
            "@\n"
            "for a formula: import such columns into it as text.\n",
            "文件可由 kontor import 读回：第一行为字段名，引用写作目标的唯一文本、名称或 #id。\n"
            "单据每行明细占一行，其余单元格重复。FILE 为 - 时写到标准输出；文件仅在完整后出现。\n"
            "条件的写法同 kontor search。\n"
            "\n"
            "  kontor export sales.order orders.csv state=confirmed 'date>=2026-01-01'\n"
            "  kontor export sales.order - --field number --field customer.party.name --field "
            "total\n"
            "\n"
            "  --field F        仅此字段，可沿引用；可重复。默认为可导入的所有字段：\n"
            "                   不含计算字段、状态、文件、JSON 和对您隐藏的字段\n"
            "  --lines NAME     有多个行列表时指定其一；--no-lines 表示不含行\n"
            "  --order F        按此字段排序；-F 为从大到小；可重复\n"
            "  --where JSON     更多条件: [[\"字段\", \"运算符\", 值], [\"or\", ...]]\n"
            "  --archived WORD  include 包含已归档记录，only 仅已归档记录\n"
            "  --as-of 时刻     当时的记录：事件序号、日期（UTC 当日结束时）或\n"
            "                   2026-10-31T12:00:00Z；所有记录为同一时刻\n"
            "  --bom            以字节顺序标记开头，供需要它的电子表格使用\n"
            "\n"
            "单元格按原样写出。以 = + - @ 开头的单元格可能被电子表格当作公式：请按文本导入。\n",
        },
    .run = run_export,
};
