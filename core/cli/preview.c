#include "cli/preview.h"

#include "cli/json.h"

#define NAME_WIDTH 24

struct sheet {
    struct text *out;
    bool chinese;
};

bool preview_is(const msgpack_object *answer)
{
    const msgpack_object *dry_run = object_get(answer, "dry_run");
    return dry_run && dry_run->type == MSGPACK_OBJECT_BOOLEAN && dry_run->via.boolean &&
           object_get(answer, "changes");
}

/* --- Words --- */

static void add_safe_value(struct text *out, const msgpack_object *value)
{
    struct text json = {.at = NULL};
    char instant[64];
    if (!value || value->type == MSGPACK_OBJECT_NIL) {
        text_add_word(out, "-");
    } else if (value->type == MSGPACK_OBJECT_STR) {
        text_add_safe(out, value->via.str.ptr, value->via.str.size);
    } else if (json_instant(value, instant, sizeof instant)) {
        text_add_word(out, instant);
    } else {
        json_write(&json, value, false);
        text_add(out, json.at, json.length);
    }
    text_free(&json);
}

static void add_member(struct text *out, const msgpack_object *map, const char *name)
{
    const msgpack_object *value = object_get(map, name);
    if (value)
        add_safe_value(out, value);
}

/* "sales.order 7" */
static void add_record(struct text *out, const msgpack_object *map)
{
    add_member(out, map, "entity");
    if (!object_get(map, "id"))
        return;
    text_add_word(out, " ");
    add_member(out, map, "id");
}

static void add_heading(const struct sheet *sheet, const char *english, const char *chinese)
{
    text_add_word(sheet->out, "\n");
    text_add_word(sheet->out, sheet->chinese ? chinese : english);
    text_add_word(sheet->out, "\n");
}

static const msgpack_object *list_of(const msgpack_object *map, const char *name)
{
    static const msgpack_object none = {.type = MSGPACK_OBJECT_ARRAY};
    const msgpack_object *list = object_get(map, name);
    return list && list->type == MSGPACK_OBJECT_ARRAY ? list : &none;
}

/* --- Records --- */

/* "  name   before -> after"; the arrow stands only where there was something. */
static void add_change(const struct sheet *sheet, const char *name, size_t length,
                       const msgpack_object *before, const msgpack_object *after)
{
    struct text *out = sheet->out;
    size_t start = out->length;
    text_add_word(out, "  ");
    text_add_safe(out, name, length);
    size_t width = text_width(out->at + start, out->length - start);
    text_add_spaces(out, width + 2 < NAME_WIDTH ? NAME_WIDTH - width : 2);
    if (before) {
        add_safe_value(out, before);
        text_add_word(out, " -> ");
    }
    add_safe_value(out, after);
    text_add_word(out, "\n");
}

static bool is_lines(const msgpack_object *value)
{
    return !value || (value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size > 0 &&
                      value->via.array.ptr[0].type == MSGPACK_OBJECT_MAP);
}

static const msgpack_object *line_with(const msgpack_object *lines, int64_t id)
{
    for (uint32_t i = 0; lines && i < lines->via.array.size; i++)
        if (object_int(&lines->via.array.ptr[i], "id") == id)
            return &lines->via.array.ptr[i];
    return NULL;
}

static void add_line(const struct sheet *sheet, const char *field, int64_t id,
                     const msgpack_object *before, const msgpack_object *after)
{
    const msgpack_object *shown = after ? after : before;
    for (uint32_t i = 0; shown->type == MSGPACK_OBJECT_MAP && i < shown->via.map.size; i++) {
        const msgpack_object *key = &shown->via.map.ptr[i].key;
        if (key->type != MSGPACK_OBJECT_STR || object_is(key, "id"))
            continue;
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)key->via.str.size, key->via.str.ptr);
        const msgpack_object *old = object_get(before, name), *now = object_get(after, name);
        if (old && now && msgpack_object_equal(*old, *now))
            continue;
        char path[600];
        int length = snprintf(path, sizeof path, "%s #%lld %s", field, (long long)id, name);
        add_change(sheet, path, length > 0 ? (size_t)length : 0, old, now);
    }
}

/* Line by line, by their ids, and of each only what differs. */
static void add_lines(const struct sheet *sheet, const char *field, const msgpack_object *before,
                      const msgpack_object *after)
{
    for (uint32_t i = 0; after && i < after->via.array.size; i++) {
        int64_t id = object_int(&after->via.array.ptr[i], "id");
        add_line(sheet, field, id, line_with(before, id), &after->via.array.ptr[i]);
    }
    for (uint32_t i = 0; before && i < before->via.array.size; i++) {
        int64_t id = object_int(&before->via.array.ptr[i], "id");
        if (!line_with(after, id))
            add_line(sheet, field, id, &before->via.array.ptr[i], NULL);
    }
}

static void add_record_change(const struct sheet *sheet, const msgpack_object *change)
{
    const msgpack_object *fields = list_of(change, "fields");
    const msgpack_object *before = object_get(change, "before");
    const msgpack_object *after = object_get(change, "after");
    text_add_word(sheet->out, "\n");
    add_record(sheet->out, change);
    text_add_word(sheet->out, "  ");
    add_member(sheet->out, change, "what");
    text_add_word(sheet->out, "\n");
    for (uint32_t i = 0; i < fields->via.array.size; i++) {
        const msgpack_object *field = &fields->via.array.ptr[i];
        if (field->type != MSGPACK_OBJECT_STR)
            continue;
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)field->via.str.size, field->via.str.ptr);
        const msgpack_object *old = object_get(before, name), *now = object_get(after, name);
        if ((old || now) && is_lines(old) && is_lines(now))
            add_lines(sheet, name, old, now);
        else
            add_change(sheet, name, strlen(name), old, now);
    }
}

/* --- Totals, events, rules --- */

static void add_number_change(const struct sheet *sheet, const char *name, size_t length,
                              const msgpack_object *change)
{
    const msgpack_object *before = object_get(change, "before");
    const msgpack_object *after = object_get(change, "after");
    if (before && after && msgpack_object_equal(*before, *after))
        return;
    text_add_word(sheet->out, "  ");
    text_add_safe(sheet->out, name, length);
    text_add_word(sheet->out, " ");
    add_safe_value(sheet->out, before);
    text_add_word(sheet->out, " -> ");
    add_safe_value(sheet->out, after);
}

static void add_total(const struct sheet *sheet, const msgpack_object *row)
{
    const msgpack_object *by = list_of(row, "by");
    const msgpack_object *measures = object_get(row, "measures");
    text_add_word(sheet->out, "  ");
    add_member(sheet->out, row, "total");
    for (uint32_t i = 0; i < by->via.array.size; i++) {
        text_add_word(sheet->out, i ? ", " : " [");
        add_safe_value(sheet->out, &by->via.array.ptr[i]);
    }
    text_add_word(sheet->out, by->via.array.size ? "]" : "");
    for (uint32_t i = 0;
         measures && measures->type == MSGPACK_OBJECT_MAP && i < measures->via.map.size; i++) {
        const msgpack_object_kv *pair = &measures->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR)
            add_number_change(sheet, pair->key.via.str.ptr, pair->key.via.str.size, &pair->val);
    }
    add_number_change(sheet, sheet->chinese ? "计数" : "count", sheet->chinese ? 6 : 5,
                      object_get(row, "count"));
    text_add_word(sheet->out, "\n");
}

static void add_event(const struct sheet *sheet, const msgpack_object *event)
{
    text_add_word(sheet->out, "  ");
    add_member(sheet->out, event, "topic");
    if (object_get(event, "entity")) {
        text_add_word(sheet->out, "  ");
        add_record(sheet->out, event);
    }
    text_add_word(sheet->out, "\n");
}

static void add_rule(const struct sheet *sheet, const msgpack_object *rule)
{
    const msgpack_object *fields = list_of(rule, "fields");
    text_add_word(sheet->out, "  ");
    add_member(sheet->out, rule, "rule");
    text_add_word(sheet->out, " (");
    add_member(sheet->out, rule, "file");
    text_add_word(sheet->out, ")  ");
    add_member(sheet->out, rule, "moment");
    text_add_word(sheet->out, "  ");
    add_record(sheet->out, rule);
    text_add_word(sheet->out, "  ");
    add_member(sheet->out, rule, "outcome");
    for (uint32_t i = 0; i < fields->via.array.size; i++) {
        text_add_word(sheet->out, i ? ", " : ": ");
        add_safe_value(sheet->out, &fields->via.array.ptr[i]);
    }
    text_add_word(sheet->out, "\n");
}

static void add_list(const struct sheet *sheet, const msgpack_object *list, const char *english,
                     const char *chinese,
                     void (*add)(const struct sheet *sheet, const msgpack_object *item))
{
    if (list->via.array.size > 0)
        add_heading(sheet, english, chinese);
    for (uint32_t i = 0; i < list->via.array.size; i++)
        add(sheet, &list->via.array.ptr[i]);
}

void preview_write(struct text *out, const msgpack_object *preview, bool chinese)
{
    const struct sheet sheet = {out, chinese};
    const msgpack_object *changes = list_of(preview, "changes");
    const msgpack_object *more = list_of(preview, "more");
    text_add_word(out, chinese ? "试运行：未保存任何更改\n" : "dry run: nothing was kept\n");
    if (changes->via.array.size == 0)
        text_add_word(out, chinese ? "不会更改任何记录\n" : "no record would change\n");
    for (uint32_t i = 0; i < changes->via.array.size; i++)
        add_record_change(&sheet, &changes->via.array.ptr[i]);
    add_list(&sheet, list_of(preview, "totals"), "Totals", "汇总", add_total);
    add_list(&sheet, list_of(preview, "events"), "Events", "事件", add_event);
    add_list(&sheet, list_of(preview, "rules"), "Rules", "规则", add_rule);
    for (uint32_t i = 0; i < more->via.array.size; i++) {
        text_add_word(out, i ? ", " : chinese ? "\n未全部列出: " : "\nnot all are listed of: ");
        add_safe_value(out, &more->via.array.ptr[i]);
    }
    text_add_word(out, more->via.array.size ? "\n" : "");
}
