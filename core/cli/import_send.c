/* Requests of an import and what comes of them. Invariant: what is sent are whole documents, none
 * of which was found bad before. */
#include "cli/import.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static size_t document_end(const struct import *import, size_t at, size_t count)
{
    do {
        at++;
    } while (at < count && !import->pending[at].first);
    return at;
}

bool import_document_is_bad(const struct import *import, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (import->pending[i].bad)
            return true;
    return false;
}

enum cli_exit import_ask(struct import *import, size_t from, size_t to, struct client_reply *reply)
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
    build_set(&params, "skip_bad", build_bool(true));
    /* Without rows it is a question about the columns. */
    if (import->dry_run && from < to)
        build_set(&params, "dry_run", build_bool(true));
    enum cli_exit code = cli_ask_again(import->cli, "record.import", &params.object, reply);
    msgpack_zone_free(zone);
    return code;
}

static void rows_done(struct import *import, size_t from, size_t to)
{
    import->rows += to - from;
    for (size_t at = from; at < to;) {
        size_t end = document_end(import, at, to);
        if (import_document_is_bad(import, at, end))
            import->failed += end - at;
        at = end;
    }
    import->progress.state.rows = import->rows;
    import->progress.state.failed = import->failed;
    import->progress.state.done = import->pending[to - 1].row->end_offset;
    progress_update(&import->progress);
}

/* --- What the server says of single rows --- */

/* An answer about rows [from, to), and the memory that its texts need. */
struct told {
    struct import *import;
    size_t from, to;
    msgpack_zone *zone;
};

static const char *text_of(const struct told *told, const msgpack_object *map, const char *name)
{
    const msgpack_object *text = object_get(map, name);
    if (!text || text->type != MSGPACK_OBJECT_STR)
        return "";
    char *copy = build_memory(told->zone, (size_t)text->via.str.size + 1);
    memcpy(copy, text->via.str.ptr, text->via.str.size);
    copy[text->via.str.size] = '\0';
    return copy;
}

static size_t row_at(const struct told *told, int64_t row)
{
    return row >= 0 && (uint64_t)row < told->to - told->from ? told->from + (size_t)row
                                                             : told->from;
}

static void fail_row(const struct told *told, size_t at, const struct client_error *error)
{
    told->import->pending[at].bad = true;
    import_report_error(told->import, told->import->pending[at].row->line, error);
}

static void fail_as_told(const struct told *told, const msgpack_object *map)
{
    const struct client_error error = {.code = text_of(told, map, "code"),
                                       .message = text_of(told, map, "message"),
                                       .message_zh = text_of(told, map, "message_zh"),
                                       .entity = text_of(told, map, "entity"),
                                       .field = text_of(told, map, "field"),
                                       .rule = text_of(told, map, "rule")};
    fail_row(told, row_at(told, object_int(map, "row")), &error);
}

static void withdraw(struct import *import, const char *as)
{
    uint64_t *counts[] = {&import->created, &import->updated, &import->unchanged};
    static const char *const words[] = {"created", "updated", "unchanged"};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (strcmp(words[i], as) == 0 && *counts[i] > 0)
            --*counts[i];
}

static bool row_is_bad(const struct told *told, size_t at)
{
    size_t from = at;
    while (!told->import->pending[from].first)
        from--;
    return import_document_is_bad(told->import, from, document_end(told->import, from, told->to));
}

/* What a new document would have made, or would if it were right: [row, field that must be unique
 * or nil, mark]. */
struct made {
    size_t at;
    const msgpack_object *field;
    uint64_t mark;
    uint64_t line; /* Of an earlier row that would have made it; 0: none. */
};

static struct made made_of(const struct told *told, const msgpack_object *item)
{
    struct made made = {.at = told->to};
    if (item->type != MSGPACK_OBJECT_ARRAY || item->via.array.size != 3)
        return made;
    const msgpack_object *parts = item->via.array.ptr;
    made.at = row_at(told, parts[0].via.i64);
    made.field = parts[1].type == MSGPACK_OBJECT_STR ? &parts[1] : NULL;
    made.mark = parts[2].via.u64;
    made.line = marks_find(&told->import->marks, made.mark);
    return made;
}

static void fail_taken(const struct told *told, const struct made *made)
{
    char english[96];
    char chinese[96];
    char field[256];
    snprintf(english, sizeof english, "is already used on line %" PRIu64, made->line);
    snprintf(chinese, sizeof chinese, "已在第 %" PRIu64 " 行使用", made->line);
    snprintf(field, sizeof field, "%.*s", (int)made->field->via.str.size, made->field->via.str.ptr);
    const struct client_error error = {.code = "conflict",
                                       .entity = "",
                                       .message = english,
                                       .message_zh = chinese,
                                       .field = field,
                                       .rule = ""};
    fail_row(told, made->at, &error);
}

/* The document of items [from, to). A value that an earlier row would have taken makes it bad; that
 * of the key would have made it a change of that row's record. One that is bad takes nothing. */
static void judge_document(const struct told *told, const msgpack_object *items, uint32_t from,
                           uint32_t to)
{
    struct import *import = told->import;
    bool was_bad = row_is_bad(told, made_of(told, &items[from]).at), is_bad = was_bad;
    for (uint32_t i = from; import->key && i < to; i++) {
        struct made made = made_of(told, &items[i]);
        if (made.line == 0 || !made.field || !object_is(made.field, import->key))
            continue;
        if (!was_bad) {
            withdraw(import, "created");
            import->updated++;
        }
        return;
    }
    for (uint32_t i = from; i < to; i++) {
        struct made made = made_of(told, &items[i]);
        if (made.line == 0 || !made.field)
            continue;
        if (!is_bad)
            withdraw(import, "created");
        is_bad = true;
        fail_taken(told, &made);
    }
    for (uint32_t i = from; i < to && !is_bad; i++) {
        struct made made = made_of(told, &items[i]);
        marks_add(&import->marks, made.mark, import->pending[made.at].row->line);
    }
}

static void judge_made(const struct told *told, const msgpack_object *answer)
{
    const msgpack_object *list = object_get(answer, "made");
    for (uint32_t i = 0, next; list && i < list->via.array.size; i = next) {
        size_t at = made_of(told, &list->via.array.ptr[i]).at;
        for (next = i + 1; next < list->via.array.size; next++)
            if (made_of(told, &list->via.array.ptr[next]).at != at)
                break;
        if (at < told->to)
            judge_document(told, list->via.array.ptr, i, next);
    }
}

static void judge_unresolved(const struct told *told, const msgpack_object *map)
{
    struct import *import = told->import;
    const msgpack_object *marks = object_get(map, "marks");
    size_t at = row_at(told, object_int(map, "row"));
    for (uint32_t i = 0; marks && i < marks->via.array.size; i++) {
        uint64_t line = marks_find(&import->marks, marks->via.array.ptr[i].via.u64);
        if (line != 0 && line < import->pending[at].row->line)
            return;
    }
    if (!row_is_bad(told, at))
        withdraw(import, text_of(told, map, "as"));
    fail_as_told(told, map);
}

static void each(const struct told *told, const msgpack_object *answer, const char *name,
                 void (*judge)(const struct told *told, const msgpack_object *item))
{
    const msgpack_object *list = object_get(answer, name);
    for (uint32_t i = 0; list && i < list->via.array.size; i++)
        judge(told, &list->via.array.ptr[i]);
}

static uint64_t count_of(const msgpack_object *answer, const char *name)
{
    int64_t count = object_int(answer, name);
    return count > 0 ? (uint64_t)count : 0;
}

static enum cli_exit take_answer(struct import *import, size_t from, size_t to,
                                 const msgpack_object *result)
{
    const msgpack_object *dry = object_get(result, "result");
    const msgpack_object *answer = dry ? dry : result;
    struct told told = {.import = import, .from = from, .to = to};
    told.zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    if (!told.zone)
        return cli_fail(import->cli, CLI_REFUSED, "out of memory", "内存不足");
    import->created += count_of(answer, "created");
    import->updated += count_of(answer, "updated");
    import->unchanged += count_of(answer, "unchanged");
    each(&told, answer, "errors", fail_as_told);
    judge_made(&told, answer);
    each(&told, answer, "unresolved", judge_unresolved);
    msgpack_zone_free(told.zone);
    rows_done(import, from, to);
    return CLI_OK;
}

/* The whole request [from, to) was refused: too much for one is tried in halves, what is too much
 * by itself is a bad document, and all else ends the import. */
static enum cli_exit take_refusal(struct import *import, size_t from, size_t *to,
                                  const struct client_error *error)
{
    if (strcmp(error->code, "too_large") != 0) {
        char where[4200];
        snprintf(where, sizeof where, "%.4096s: ", import->file);
        cli_report(import->cli, error, where);
        return CLI_REFUSED;
    }
    size_t half = from, end;
    while ((end = document_end(import, half, *to)) - from <= (*to - from) / 2)
        half = end;
    if (half > from || end < *to) {
        *to = half > from ? half : end;
        return CLI_OK;
    }
    import->pending[from].bad = true;
    import_report_error(import, import->pending[from].row->line, error);
    rows_done(import, from, *to);
    return CLI_OK;
}

static void forget_rows(struct import *import, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        import->size_bytes -= import->pending[i].row->size_bytes;
        free(import->pending[i].row);
    }
    memmove(import->pending, import->pending + count,
            (import->count - count) * sizeof *import->pending);
    import->count -= count;
    import->document -= count < import->document ? count : import->document;
}

/* Up to the first document that was found bad here, or past it when it is the first. */
static size_t good_part(const struct import *import, size_t from, size_t limit, bool *bad)
{
    size_t to = document_end(import, from, limit);
    *bad = import_document_is_bad(import, from, to);
    while (!*bad && to < limit) {
        size_t next = document_end(import, to, limit);
        if (import_document_is_bad(import, to, next))
            break;
        to = next;
    }
    return to;
}

enum cli_exit import_flush(struct import *import, size_t count)
{
    size_t limit = count; /* Where the present request ends at the latest. */
    for (size_t from = 0; from < count;) {
        bool bad;
        size_t to = good_part(import, from, limit, &bad);
        if (bad) {
            rows_done(import, from, to);
            from = to;
            continue;
        }
        struct client_reply reply;
        size_t sent = to;
        enum cli_exit code = import_ask(import, from, to, &reply);
        if (code == CLI_OK)
            code = take_answer(import, from, to, &reply.result);
        else if (code == CLI_REFUSED && reply.error)
            code = take_refusal(import, from, &to, reply.error);
        client_reply_free(&reply);
        if (code != CLI_OK)
            return code;
        limit = to < sent ? to : count;
        if (to == sent)
            from = to;
    }
    forget_rows(import, count);
    return CLI_OK;
}
