/* Invariant: pending[0] is the first of its document, and every document before the last one is
 * complete. */
#include "cli/import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "kontor/limits.h"

/* A request is sent when it is so large, however few its rows; one document may be larger. */
#define BATCH_BYTES    (1u << 20)
#define DOCUMENT_BYTES ROW_BYTES_MAX
#define NAME_WIDTH     64 /* Of a column in a message. */

static void count_error(struct import *import, uint64_t line, const struct client_error *error)
{
    msgpack_object_array *list = &import->errors.via.array;
    if (!list->ptr || list->size == IMPORT_ERRORS_MAX)
        return;
    msgpack_zone *zone = import->cli->zone;
    const char *texts[] = {"code",       error->code,       "message", error->message,
                           "message_zh", error->message_zh, "entity",  error->entity,
                           "field",      error->field,      "rule",    error->rule};
    struct build_map entry = build_map(zone);
    build_set(&entry, "line", build_int((int64_t)line));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i += 2) {
        size_t length = strlen(texts[i + 1]);
        char *copy = build_memory(zone, length + 1);
        memcpy(copy, texts[i + 1], length + 1);
        if (length > 0)
            build_set(&entry, texts[i], build_text_of(copy, length));
    }
    list->ptr[list->size++] = entry.object;
}

/* "orders.csv line 7: price: must not be negative (rule: floor)" */
static bool begins_with_name(const char *message, const char *name)
{
    size_t length = strlen(name);
    return strncmp(message, name, length) == 0 &&
           (message[length] == ' ' || message[length] == ':' ||
            strncmp(message + length, "：", strlen("：")) == 0);
}

void import_report_error(struct import *import, uint64_t line, const struct client_error *error)
{
    const struct cli *cli = import->cli;
    struct text text = {.at = NULL};
    text_add_format(&text, cli->chinese ? "%s 第 %" PRIu64 " 行: " : "%s line %" PRIu64 ": ",
                    import->file, line);
    const char *message = cli->chinese ? error->message_zh : error->message;
    if (error->field[0] && !begins_with_name(message, error->field))
        text_add_format(&text, "%s: ", error->field);
    text_add_word(&text, message);
    if (error->rule[0])
        text_add_format(&text, cli->chinese ? "（规则: %s）" : " (rule: %s)", error->rule);
    cli_say(cli, "", text.at, text.length);
    text_free(&text);
    count_error(import, line, error);
}

static void report_field(struct import *import, uint64_t line, const char *field,
                         const char *message, const char *message_zh)
{
    const struct client_error error = {.code = "invalid",
                                       .message = message,
                                       .message_zh = message_zh,
                                       .entity = "",
                                       .field = field,
                                       .rule = ""};
    import_report_error(import, line, &error);
}

void import_report(struct import *import, uint64_t line, const char *message,
                   const char *message_zh)
{
    report_field(import, line, "", message, message_zh);
}

/* To be shown: a header that is none may be one very long name. */
static const char *column_name(const struct import *import, uint32_t column)
{
    static const char more[] = "…";
    const msgpack_object *name = &import->header->cells[column];
    size_t size = text_fit(name->via.str.ptr, name->via.str.size, NAME_WIDTH);
    bool whole = size == name->via.str.size;
    char *copy = build_memory(import->cli->zone, size + sizeof more);
    memcpy(copy, name->via.str.ptr, size);
    memcpy(copy + size, whole ? "" : more, whole ? 1 : sizeof more);
    return copy;
}

static bool has_delimiter(const msgpack_object *name)
{
    for (uint32_t i = 0; i < name->via.str.size; i++)
        if (name->via.str.ptr[i] && strchr(";\t|", name->via.str.ptr[i]))
            return true;
    return false;
}

static bool same_text(const msgpack_object *a, const msgpack_object *b)
{
    return a->via.str.size == b->via.str.size &&
           memcmp(a->via.str.ptr, b->via.str.ptr, a->via.str.size) == 0;
}

static enum cli_exit check_column(const struct import *import, uint32_t column)
{
    const struct cli *cli = import->cli;
    const msgpack_object *name = &import->header->cells[column];
    const char *text = column_name(import, column);
    if (name->via.str.size == 0)
        return cli_fail(cli, CLI_REFUSED, "%s line %" PRIu64 ": column %u has no name",
                        "%s 第 %" PRIu64 " 行: 第 %u 列没有名称", import->file,
                        import->header->line, column + 1);
    if (!text_is_utf8(name->via.str.ptr, name->via.str.size))
        return cli_fail(cli, CLI_REFUSED, "%s is not UTF-8 text: save it as CSV UTF-8",
                        "%s 不是 UTF-8 文本：请另存为 CSV UTF-8", import->file);
    if (import->header->count == 1 && has_delimiter(name))
        return cli_fail(cli, CLI_REFUSED,
                        "%s has one column, called '%s': say what parts them with --delimiter",
                        "%s 只有一列，名为“%s”：请用 --delimiter 指定分隔符", import->file, text);
    for (uint32_t i = 0; i < column; i++)
        if (same_text(name, &import->header->cells[i]))
            return cli_fail(cli, CLI_REFUSED, "%s line %" PRIu64 ": two columns are called %s",
                            "%s 第 %" PRIu64 " 行: 有两列名为 %s", import->file,
                            import->header->line, text);
    return CLI_OK;
}

static enum cli_exit make_run_id(struct import *import)
{
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return cli_fail(import->cli, CLI_REFUSED, "no randomness: %s", "无法获取随机数: %s",
                        strerror(errno));
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(import->run_id + 2 * i, 3, "%02x", random[i]);
    return CLI_OK;
}

/* Asks the server about the columns before any row is read: a wrong name would be wrong in each. */
static enum cli_exit ask_about_columns(struct import *import)
{
    struct client_reply reply;
    enum cli_exit code = import_ask(import, 0, 0, &reply);
    if (code == CLI_REFUSED && reply.error) {
        char where[4200];
        snprintf(where, sizeof where,
                 import->cli->chinese ? "%.4096s 第 %" PRIu64 " 行: "
                                      : "%.4096s line %" PRIu64 ": ",
                 import->file, import->header->line);
        cli_report(import->cli, reply.error, where);
    }
    const msgpack_object *columns = object_get(&reply.result, "columns");
    for (uint32_t i = 0; columns && i < columns->via.array.size && i < IMPORT_COLUMNS_MAX; i++) {
        const msgpack_object *line = object_get(&columns->via.array.ptr[i], "line");
        import->is_line[i] = line && line->via.boolean;
        import->has_lines |= import->is_line[i];
    }
    client_reply_free(&reply);
    return code;
}

enum cli_exit import_begin(struct import *import, struct row *header)
{
    const struct cli *cli = import->cli;
    import->header = header;
    if (header->count > IMPORT_COLUMNS_MAX)
        return cli_fail(cli, CLI_REFUSED, "%s has more than %u columns", "%s 超过 %u 列",
                        import->file, IMPORT_COLUMNS_MAX);
    for (uint32_t i = 0; i < header->count; i++) {
        enum cli_exit code = check_column(import, i);
        if (code != CLI_OK)
            return code;
    }
    import->pending = calloc(IMPORT_PENDING_ROWS, sizeof *import->pending);
    if (!import->pending)
        return cli_fail(cli, CLI_REFUSED, "out of memory", "内存不足");
    import->errors = build_array(cli->zone, IMPORT_ERRORS_MAX);
    import->errors.via.array.size = 0;
    enum cli_exit code = make_run_id(import);
    return code == CLI_OK ? ask_about_columns(import) : code;
}

void import_deinit(struct import *import)
{
    for (size_t i = 0; i < import->count; i++)
        free(import->pending[i].row);
    free(import->pending);
    free(import->header);
    marks_free(&import->marks);
}

/* --- Gathering --- */

/* The same question as the server asks of a row: does it go on with the document of `first`? */
static bool continues(const struct import *import, const struct row *first, const struct row *row)
{
    bool same = true;
    bool blank = true;
    for (uint32_t i = 0; i < import->header->count; i++) {
        if (import->is_line[i])
            continue;
        const msgpack_object empty = build_text("");
        const msgpack_object *cell = i < row->count ? &row->cells[i] : &empty;
        const msgpack_object *before = i < first->count ? &first->cells[i] : &empty;
        blank = blank && cell->via.str.size == 0;
        same = same && same_text(cell, before);
    }
    return import->has_lines && (same || blank);
}

static bool check_row(struct import *import, const struct row *row)
{
    char english[128];
    char chinese[128];
    bool good = true;
    if (row->count != import->header->count) {
        snprintf(english, sizeof english, "%u cell%s, but the header names %u", row->count,
                 row->count == 1 ? "" : "s", import->header->count);
        snprintf(chinese, sizeof chinese, "有 %u 个单元格，而表头有 %u 列", row->count,
                 import->header->count);
        import_report(import, row->line, english, chinese);
        return false;
    }
    for (uint32_t i = 0; i < row->count; i++) {
        if (text_is_utf8(row->cells[i].via.str.ptr, row->cells[i].via.str.size))
            continue;
        report_field(import, row->line, column_name(import, i), "not UTF-8 text",
                     "不是 UTF-8 文本");
        good = false;
    }
    return good;
}

/* No room is left in the last document for one more row. */
static bool is_full(const struct import *import, const struct row *row)
{
    size_t size_bytes = row->size_bytes;
    for (size_t i = import->document; i < import->count; i++)
        size_bytes += import->pending[i].row->size_bytes;
    return import->count - import->document == IMPORT_PENDING_ROWS || size_bytes > DOCUMENT_BYTES;
}

static void drop(struct import *import, struct row *row)
{
    struct import_row *head = &import->pending[import->document];
    if (!import_document_is_bad(import, import->document, import->count)) {
        char english[128];
        char chinese[128];
        snprintf(english, sizeof english, "a document of more than %u rows or %u bytes",
                 IMPORT_PENDING_ROWS, DOCUMENT_BYTES);
        snprintf(chinese, sizeof chinese, "单据超过 %u 行或 %u 字节", IMPORT_PENDING_ROWS,
                 DOCUMENT_BYTES);
        import_report(import, head->row->line, english, chinese);
        head->bad = true;
    }
    import->rows++;
    import->failed++;
    free(row);
}

enum cli_exit import_add(struct import *import, struct row *row)
{
    bool good = check_row(import, row);
    bool first =
        import->count == 0 || !continues(import, import->pending[import->document].row, row);
    size_t ready = 0;
    if (first &&
        (import->count >= import->batch || import->size_bytes + row->size_bytes > BATCH_BYTES))
        ready = import->count;
    else if (!first && import->count == IMPORT_PENDING_ROWS)
        ready = import->document;
    if (ready > 0) {
        enum cli_exit code = import_flush(import, ready);
        if (code != CLI_OK) {
            free(row);
            return code;
        }
    }
    if (!first && is_full(import, row)) {
        drop(import, row);
        return CLI_OK;
    }
    if (first)
        import->document = import->count;
    import->size_bytes += row->size_bytes;
    import->pending[import->count++] =
        (struct import_row){.row = row, .first = first, .bad = !good};
    return CLI_OK;
}

enum cli_exit import_finish(struct import *import)
{
    return import_flush(import, import->count);
}
