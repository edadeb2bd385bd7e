/* Invariant: pending[0] is the first of its document, and every document before the last one is
 * complete. */
#include "cli/import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "kontor/limits.h"

#define PENDING_MAX KT_LIMIT_IMPORT_ROWS
/* A request is sent when it is so large, however few its rows; one document may be larger. */
#define BATCH_BYTES    (1u << 20)
#define DOCUMENT_BYTES ROW_BYTES_MAX

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
static void report(struct import *import, uint64_t line, const struct client_error *error)
{
    const struct cli *cli = import->cli;
    struct text text = {.at = NULL};
    text_add_format(&text, cli->chinese ? "%s 第 %" PRIu64 " 行: " : "%s line %" PRIu64 ": ",
                    import->file, line);
    if (error->field[0])
        text_add_format(&text, "%s: ", error->field);
    text_add_word(&text, cli->chinese ? error->message_zh : error->message);
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
                                       .entity = "",
                                       .message = message,
                                       .message_zh = message_zh,
                                       .field = field,
                                       .rule = ""};
    report(import, line, &error);
}

void import_report(struct import *import, uint64_t line, const char *message,
                   const char *message_zh)
{
    report_field(import, line, "", message, message_zh);
}

static const char *column_name(const struct import *import, uint32_t column)
{
    const msgpack_object *name = &import->header->cells[column];
    char *copy = build_memory(import->cli->zone, (size_t)name->via.str.size + 1);
    memcpy(copy, name->via.str.ptr, name->via.str.size);
    copy[name->via.str.size] = '\0';
    return copy;
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
    if (!text_is_utf8(text, name->via.str.size))
        return cli_fail(cli, CLI_REFUSED, "%s is not UTF-8 text: save it as CSV UTF-8",
                        "%s 不是 UTF-8 文本：请另存为 CSV UTF-8", import->file);
    if (import->header->count == 1 && strpbrk(text, ";\t|"))
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

enum cli_exit import_begin(struct import *import, struct row *header)
{
    const struct cli *cli = import->cli;
    import->header = header;
    if (header->count > IMPORT_COLUMNS_MAX)
        return cli_fail(cli, CLI_REFUSED, "%s has more than %u columns", "%s 超过 %u 列",
                        import->file, IMPORT_COLUMNS_MAX);
    bool has_key = false;
    for (uint32_t i = 0; i < header->count; i++) {
        enum cli_exit code = check_column(import, i);
        if (code != CLI_OK)
            return code;
        const msgpack_object *name = &header->cells[i];
        import->is_line[i] = memchr(name->via.str.ptr, '.', name->via.str.size) != NULL;
        import->has_lines |= import->is_line[i];
        has_key |= import->key && object_is(name, import->key);
    }
    if (import->key && !has_key)
        return cli_fail(cli, CLI_USAGE, "%s has no column %s to be the key",
                        "%s 没有可作为键的列 %s", import->file, import->key);
    import->pending = calloc(PENDING_MAX, sizeof *import->pending);
    if (!import->pending)
        return cli_fail(cli, CLI_REFUSED, "out of memory", "内存不足");
    import->errors = build_array(cli->zone, IMPORT_ERRORS_MAX);
    import->errors.via.array.size = 0;
    return make_run_id(import);
}

void import_deinit(struct import *import)
{
    for (size_t i = 0; i < import->count; i++)
        free(import->pending[i].row);
    free(import->pending);
    free(import->header);
}

/* --- Sending --- */

static size_t document_end(const struct import *import, size_t at, size_t count)
{
    do {
        at++;
    } while (at < count && !import->pending[at].first);
    return at;
}

static bool document_is_bad(const struct import *import, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (import->pending[i].bad)
            return true;
    return false;
}

static enum cli_exit send_rows(struct import *import, size_t from, size_t to,
                               struct client_reply *reply)
{
    char request_id[64];
    *reply = (struct client_reply){.result = build_nil()};
    msgpack_zone *zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    if (!zone)
        return cli_fail(import->cli, CLI_REFUSED, "out of memory", "内存不足");
    struct build_map params = build_map(zone);
    msgpack_object columns = {
        .type = MSGPACK_OBJECT_ARRAY,
        .via = {.array = {.size = import->header->count, .ptr = import->header->cells}}};
    msgpack_object rows = build_array(zone, (uint32_t)(to - from));
    for (size_t i = from; i < to; i++) {
        struct row *row = import->pending[i].row;
        rows.via.array.ptr[i - from] =
            (msgpack_object){.type = MSGPACK_OBJECT_ARRAY,
                             .via = {.array = {.size = row->count, .ptr = row->cells}}};
    }
    snprintf(request_id, sizeof request_id, "%s-%" PRIu64, import->run_id, ++import->requests);
    build_set(&params, "entity", build_text(import->entity));
    build_set(&params, "columns", columns);
    build_set(&params, "rows", rows);
    build_set(&params, "request_id", build_text(request_id));
    if (import->key)
        build_set(&params, "key", build_text(import->key));
    if (import->dry_run)
        build_set(&params, "dry_run", build_bool(true));
    enum cli_exit code = cli_ask_again(import->cli, "record.import", &params.object, reply);
    msgpack_zone_free(zone);
    return code;
}

static uint64_t count_of(const msgpack_object *reply, const char *name)
{
    int64_t count = object_int(reply, name);
    return count > 0 ? (uint64_t)count : 0;
}

static void rows_done(struct import *import, size_t from, size_t to, bool failed)
{
    import->rows += to - from;
    import->failed += failed ? to - from : 0;
    import->progress.state.rows = import->rows;
    import->progress.state.failed = import->failed;
    import->progress.state.done_bytes = import->pending[to - 1].row->end_offset;
    progress_update(&import->progress);
}

/* What to do about rows [from, to) that the server refused. */
static enum cli_exit refused(struct import *import, size_t from, size_t to, size_t *window,
                             const struct client_error *error)
{
    const msgpack_object *row = object_get(error->details, "row");
    size_t first_end = document_end(import, from, to);
    size_t at = from;
    if (row) {
        int64_t index = object_int(error->details, "row");
        at = index >= 0 && (uint64_t)index < to - from ? from + (size_t)index : from;
    } else if (strcmp(error->code, "too_large") != 0) {
        char where[4200];
        snprintf(where, sizeof where, "%.4096s: ", import->file);
        cli_report(import->cli, error, where);
        return CLI_REFUSED;
    } else if (first_end < to) {
        *window = (to - from) / 2;
        return CLI_OK;
    }
    import->pending[at].bad = true;
    report(import, import->pending[at].row->line, error);
    while (!import->pending[at].first)
        at--;
    /* Where errors are dense, long requests would mostly be sent in vain. */
    *window = at > from ? (at - from) * 2 : 1;
    return CLI_OK;
}

static enum cli_exit flush(struct import *import, size_t count)
{
    size_t window = count;
    for (size_t from = 0; from < count;) {
        size_t to = document_end(import, from, count);
        if (document_is_bad(import, from, to)) {
            rows_done(import, from, to, true);
            from = to;
            continue;
        }
        while (to < count) {
            size_t next = document_end(import, to, count);
            if (next - from > window || document_is_bad(import, to, next))
                break;
            to = next;
        }
        struct client_reply reply;
        enum cli_exit code = send_rows(import, from, to, &reply);
        if (code == CLI_OK) {
            const msgpack_object *done =
                import->dry_run ? object_get(&reply.result, "result") : &reply.result;
            import->created += count_of(done, "created");
            import->updated += count_of(done, "updated");
            import->unchanged += count_of(done, "unchanged");
            rows_done(import, from, to, false);
            from = to;
            window = window < count ? window * 2 : window;
        } else if (code == CLI_REFUSED && reply.error) {
            code = refused(import, from, to, &window, reply.error);
        }
        client_reply_free(&reply);
        if (code != CLI_OK)
            return code;
    }
    for (size_t i = 0; i < count; i++) {
        import->size_bytes -= import->pending[i].row->size_bytes;
        free(import->pending[i].row);
    }
    memmove(import->pending, import->pending + count,
            (import->count - count) * sizeof *import->pending);
    import->count -= count;
    import->document -= count < import->document ? count : import->document;
    return CLI_OK;
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
        return false;
    }
    return true;
}

/* No room is left in the last document for one more row. */
static bool is_full(const struct import *import, const struct row *row)
{
    size_t size_bytes = row->size_bytes;
    for (size_t i = import->document; i < import->count; i++)
        size_bytes += import->pending[i].row->size_bytes;
    return import->count - import->document == PENDING_MAX || size_bytes > DOCUMENT_BYTES;
}

static void drop(struct import *import, struct row *row)
{
    struct import_row *head = &import->pending[import->document];
    if (!document_is_bad(import, import->document, import->count)) {
        char english[128];
        char chinese[128];
        snprintf(english, sizeof english, "a document of more than %u rows or %u bytes",
                 PENDING_MAX, DOCUMENT_BYTES);
        snprintf(chinese, sizeof chinese, "单据超过 %u 行或 %u 字节", PENDING_MAX, DOCUMENT_BYTES);
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
    else if (!first && import->count == PENDING_MAX)
        ready = import->document;
    if (ready > 0) {
        enum cli_exit code = flush(import, ready);
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
    return flush(import, import->count);
}
