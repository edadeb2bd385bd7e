/* kontor import: from a CSV file to record.import, and what came of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/import.h"
#include "kontor/limits.h"

#define BATCH_DEFAULT 200

static enum cli_exit read_delimiter(const struct cli *cli, const char *text, char *out)
{
    static const char *const names[][2] = {
        {"tab", "\t"}, {"\\t", "\t"}, {"comma", ","}, {"semicolon", ";"}, {"pipe", "|"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i][0]) == 0)
            text = names[i][1];
    }
    *out = text[0];
    bool plain = text[0] > 0 && text[1] == '\0' && !strchr("\"\r\n ", text[0]);
    return plain ? CLI_OK
                 : cli_fail(cli, CLI_USAGE, "--delimiter takes one character or 'tab', not '%s'",
                            "--delimiter 为一个字符或 tab，而不是“%s”", text);
}

/* What could not be read is as wrong as a row that was refused, but ends the reading. */
static enum cli_exit report_reading(struct import *import, const struct rows *rows,
                                    enum rows_status status)
{
    static const char *const reasons[][2] = {
        [ROWS_MALFORMED] = {"a quote (\") where none may be, or one that is never closed; the file "
                            "is not read beyond",
                            "引号 (\") 位置有误或没有闭合；此后未再读取"},
        [ROWS_TOO_LARGE] = {"a row of several megabytes: is a quote (\") never closed?",
                            "一行长达数兆字节：是否有引号 (\") 没有闭合？"},
        [ROWS_UNREADABLE] = {"the file cannot be read beyond", "此后的内容无法读取"},
        [ROWS_NOT_UTF8] = {"UTF-16, not UTF-8: save the file as CSV UTF-8",
                           "是 UTF-16 而非 UTF-8：请另存为 CSV UTF-8"},
    };
    import_report(import, rows_line(rows), reasons[status][0], reasons[status][1]);
    return CLI_REFUSED;
}

static enum cli_exit import_all(struct import *import, struct rows *rows)
{
    struct row *row;
    enum rows_status status = rows_next(rows, &row);
    if (status == ROWS_END)
        return cli_fail(import->cli, CLI_REFUSED, "%s is empty: its first row names the fields",
                        "%s 为空：第一行应为字段名", import->file);
    if (status != ROWS_OK)
        return report_reading(import, rows, status);
    enum cli_exit code = import_begin(import, row);
    while (code == CLI_OK && (status = rows_next(rows, &row)) == ROWS_OK)
        code = import_add(import, row);
    if (code == CLI_OK)
        code = import_finish(import);
    progress_hide(&import->progress);
    if (code == CLI_OK && status != ROWS_END)
        code = report_reading(import, rows, status);
    return code == CLI_OK && import->failed > 0 ? CLI_REFUSED : code;
}

/* Also after a failure: what is in is in. */
static void print_summary(const struct import *import)
{
    struct cli *cli = import->cli;
    struct build_map summary = build_map(cli->zone);
    const struct {
        const char *name;
        uint64_t count;
        bool always;
    } counts[] = {{"rows", import->rows, true},
                  {"created", import->created, true},
                  {"updated", import->updated, true},
                  {"unchanged", import->unchanged, false},
                  {"failed", import->failed, true}};
    build_set(&summary, "entity", build_text(import->entity));
    build_set(&summary, "file", build_text(import->file));
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i].always || counts[i].count > 0)
            build_set(&summary, counts[i].name, build_int((int64_t)counts[i].count));
    }
    if (cli->json || import->dry_run)
        build_set(&summary, "dry_run", build_bool(import->dry_run));
    if (cli->json)
        build_set(&summary, "errors", import->errors);
    cli_print(cli, &summary.object);
}

static enum cli_exit open_file(const struct cli *cli, const char *path, FILE **out, uint64_t *size)
{
    struct stat status;
    *size = 0;
    *out = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!*out)
        return cli_fail(cli, CLI_REFUSED, "cannot read %s: %s", "无法读取 %s: %s", path,
                        strerror(errno));
    if (fstat(fileno(*out), &status) == 0 && S_ISREG(status.st_mode))
        *size = (uint64_t)status.st_size;
    if (*out == stdin || !S_ISDIR(status.st_mode))
        return CLI_OK;
    fclose(*out);
    return cli_fail(cli, CLI_REFUSED, "cannot read %s: %s", "无法读取 %s: %s", path,
                    strerror(EISDIR));
}

static enum cli_exit run_file(struct import *import, const char *path, char delimiter)
{
    struct cli *cli = import->cli;
    FILE *file;
    uint64_t size;
    enum cli_exit code = open_file(cli, path, &file, &size);
    if (code != CLI_OK)
        return code;
    /* A line with the password comes before the rows; and a server that is not there is worth
     * knowing before. */
    struct client_reply reply;
    code = cli_call(cli, "system.ping", NULL, &reply);
    client_reply_free(&reply);
    if (code == CLI_OK) {
        import->file = file == stdin ? "stdin" : path;
        import->progress.state =
            (struct progress_state){.name = import->file, .total = size, .chinese = cli->chinese};
        progress_begin(&import->progress);
        cli->progress = &import->progress;
        struct rows *rows = rows_new(file, delimiter);
        code = import_all(import, rows);
        progress_hide(&import->progress);
        cli->progress = NULL;
        if (import->header && (import->rows > 0 || code == CLI_OK))
            print_summary(import);
        rows_free(rows);
        import_deinit(import);
    }
    if (file != stdin)
        fclose(file);
    return code;
}

static enum cli_exit run_import(struct cli *cli)
{
    const char *separator = ",";
    long batch = BATCH_DEFAULT;
    struct import import = {.cli = cli};
    const struct cli_option options[] = {{.name = "key", .text = &import.key},
                                         {.name = "dry-run", .flag = &import.dry_run},
                                         {.name = "batch", .number = &batch},
                                         {.name = "delimiter", .text = &separator},
                                         {.name = NULL}};
    char delimiter = ',';
    enum cli_exit code = cli_options(cli, options, 2, 2);
    if (code == CLI_OK)
        code = read_delimiter(cli, separator, &delimiter);
    if (code == CLI_OK && (batch < 1 || batch > (long)KT_LIMIT_IMPORT_ROWS))
        code = cli_fail(cli, CLI_USAGE, "--batch is 1 to %u", "--batch 为 1 到 %u",
                        KT_LIMIT_IMPORT_ROWS);
    if (code != CLI_OK)
        return code;
    import.entity = cli->argv[0];
    import.batch = (size_t)batch;
    return run_file(&import, cli->argv[1], delimiter);
}

const struct cli_command command_import = {
    .name = "import",
    .usage = "import ENTITY FILE.csv [--key FIELD] [--dry-run] [--batch N] [--delimiter C]",
    .summary = {"make records from a CSV file", "由 CSV 文件生成记录"},
    .help =
        {
            "The first row names the fields, or gives their labels in English or Chinese; FILE - "
            "is\n"
            "standard input; the text is UTF-8. A reference is given by a unique text of its "
            "target\n"
            "(its code, its number), by its name if only one is called so, or as #id; a column\n"
            "such as customer.code says which. Columns such as lines.product fill the lines of a\n"
            "document: rows that repeat its other cells, or leave them empty, belong to it; a\n"
            "column called # with the document's number in the file parts those that look alike.\n"
            "Decimals have a point, moments are ISO 8601 (UTC without an offset), tags and lists "
            "of\n"
            "references are parted by semicolons; a backslash takes the next character as it is.\n"
            "An empty cell says nothing: it keeps what is there, or takes the default.\n"
            "\n"
            "  --key FIELD      update the record that has the row's value in this unique field,\n"
            "                   or fields (country+code); make it when there is none; write\n"
            "                   nothing when nothing differs\n"
            "  --dry-run        check every row, also against earlier rows of the file, and "
            "change\n"
            "                   nothing; a row that would change a record made by an earlier row\n"
            "                   is checked as a new one\n"
            "  --batch N        rows of one request, 1 to 1000 (200)\n"
            "  --delimiter C    what parts the cells: one character, or tab (,)\n"
            "\n"
            "A wrong row is reported with its line and left out; the others go in. Exit code 1\n"
            "when any failed. When the connection is lost the batch is sent again safely.\n",
            "第一行为字段名，或其中文、英文标签；FILE 为 - 时读取标准输入；文本为 UTF-8。\n"
            "引用以目标的唯一文本（代码、编号）、不重复的名称或 #id 给出；customer.code 之类的列\n"
            "指明用哪个字段。lines.product 之类的列填写单据行：其余单元格相同或为空的行属于同一\n"
            "单据；名为 # 的列（文件内的单据号）用于区分内容相同的单据。\n"
            "小数使用小数点；时刻为 ISO 8601（无时区时为 UTC）；标签和引用列表以分号分隔，\n"
            "反斜杠使其后的字符按原样读取。空单元格表示未填：保留原值或取默认值。\n"
            "\n"
            "  --key FIELD      更新此唯一字段（或多个字段，如 country+code）与该行相同的记录，\n"
            "                   没有时新建；没有差别时不写入\n"
            "  --dry-run        检查每一行（包括与文件中之前的行是否冲突），但不做更改；\n"
            "                   更改之前的行所建记录的行按新记录检查\n"
            "  --batch N        每次请求的行数，1 到 1000（200）\n"
            "  --delimiter C    单元格分隔符：一个字符，或 tab（,）\n"
            "\n"
            "有误的行连同行号报告并跳过，其余照常导入；有失败时退出码为 1。\n"
            "连接中断时会安全地重发该批次。\n",
        },
    .run = run_import,
};
