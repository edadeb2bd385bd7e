/* Lines of a document: merged by their ids, and numbered.
 *
 * A line id is given once: the server keeps the largest ever given. Mostly that is the largest
 * there is; when that line was removed, the record's own member `last_line` {field: id} holds it.
 * A document may have thousands of lines, so they are looked up in a sorted table. */
#include <stdlib.h>
#include <string.h>

#include "record/record_internal.h"

#define LAST_LINE "last_line"

static int compare_ids(const void *a, const void *b)
{
    const struct record_line *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

void record_lines_sort(struct kt_ctx *ctx, const msgpack_object *record, const char *name,
                       struct record_lines *out)
{
    size_t count = kt_count(record, name);
    *out = (struct record_lines){.at = kt_alloc(ctx, sizeof(*out->at) * count)};
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *line = kt_at(record, name, i);
        uint64_t id = kt_get_id(line, "id");
        if (id)
            out->at[out->count++] = (struct record_line){.id = id, .line = line};
    }
    if (out->count)
        qsort(out->at, out->count, sizeof(*out->at), compare_ids);
}

struct record_line *record_lines_find(const struct record_lines *lines, uint64_t id)
{
    struct record_line wanted = {.id = id};
    return lines->count ? bsearch(&wanted, lines->at, lines->count, sizeof(*lines->at), compare_ids)
                        : NULL;
}

/* --- Defaults and merge --- */

static msgpack_object fill_line(struct kt_ctx *ctx, const struct schema_field *field,
                                const msgpack_object *given)
{
    struct kt_map *line = NULL;
    for (size_t f = 0; f < field->line_count; f++) {
        const struct kt_field *part = field->lines[f].decl;
        if (!part->initial || kt_has(given, part->name))
            continue;
        if (!line)
            line = kt_map_copy(ctx, given);
        kt_map_set(line, part->name, record_initial_value(ctx, &field->lines[f]));
    }
    return line ? line->object : *given;
}

/* New lines only: what was emptied in an older line stays empty. */
void record_lines_default(struct kt_ctx *ctx, const struct schema_field *field,
                          struct kt_map *record)
{
    const char *name = field->decl->name;
    size_t count = kt_count(&record->object, name);
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *line = kt_at(&record->object, name, i);
        kt_list_add(lines, kt_has(line, "id") ? *line : fill_line(ctx, field, line));
    }
    if (count)
        kt_map_set(record, name, lines->object);
}

msgpack_object record_lines_merge(struct kt_ctx *ctx, const struct schema_field *field,
                                  const msgpack_object *old, const msgpack_object *lines)
{
    struct record_lines before;
    struct kt_list *merged = kt_list_new(ctx);
    record_lines_sort(ctx, old, field->decl->name, &before);
    for (uint32_t i = 0; i < lines->via.array.size; i++) {
        const msgpack_object *given = &lines->via.array.ptr[i];
        const struct record_line *there = record_lines_find(&before, kt_get_id(given, "id"));
        struct kt_map *line = kt_map_copy(ctx, there ? there->line : NULL);
        for (uint32_t f = 0; f < given->via.map.size; f++) {
            const msgpack_object_kv *pair = &given->via.map.ptr[f];
            const struct schema_field *part =
                schema_line_field(field, pair->key.via.str.ptr, pair->key.via.str.size);
            const char *asleep =
                record_asleep(field->asleep, pair->key.via.str.ptr, pair->key.via.str.size);
            kt_map_set(line, part ? part->decl->name : asleep ? asleep : "id", pair->val);
        }
        kt_list_add(merged, line->object);
    }
    return merged->object;
}

/* --- Numbers --- */

static void keep_last(struct kt_ctx *ctx, struct kt_map *record, const char *name, uint64_t last)
{
    struct kt_map *kept = kt_map_copy(ctx, kt_get(&record->object, LAST_LINE));
    kt_map_remove(kept, name);
    if (last)
        kt_map_set_id(kept, name, last);
    if (kept->object.via.map.size)
        kt_map_set(record, LAST_LINE, kept->object);
    else
        kt_map_remove(record, LAST_LINE);
}

static enum kt_status take_place(struct kt_ctx *ctx, struct record_line *there, const char *name,
                                 size_t at, uint64_t id)
{
    if (there && !there->taken) {
        there->taken = true;
        return KT_OK;
    }
    const char *path = kt_format(ctx, "%s[%zu].id", name, at);
    if (there)
        return kt_fail(ctx, KT_INVALID, path, "%s is given twice", "%s 重复", path);
    return kt_fail(ctx, KT_INVALID, path, "%s: there is no line %llu", "%s：没有第 %llu 行", path,
                   (unsigned long long)id);
}

enum kt_status record_lines_number(struct kt_ctx *ctx, const struct schema_field *field,
                                   const msgpack_object *old, struct kt_map *record)
{
    const char *name = field->decl->name;
    size_t count = kt_count(&record->object, name);
    struct record_lines before;
    record_lines_sort(ctx, old, name, &before);
    uint64_t last = kt_get_id(kt_get(old, LAST_LINE), name);
    uint64_t largest = 0;
    if (before.count && before.at[before.count - 1].id > last)
        last = before.at[before.count - 1].id;
    struct kt_list *lines = kt_list_new(ctx);
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *line = kt_at(&record->object, name, i);
        uint64_t id = kt_get_id(line, "id");
        if (id) {
            KT_TRY(take_place(ctx, record_lines_find(&before, id), name, i, id));
            kt_list_add(lines, *line);
        } else {
            struct kt_map *numbered = kt_map_copy(ctx, line);
            kt_map_set_id(numbered, "id", id = ++last);
            kt_list_add(lines, numbered->object);
        }
        largest = id > largest ? id : largest;
    }
    if (count)
        kt_map_set(record, name, lines->object);
    keep_last(ctx, record, name, last > largest ? last : 0);
    return KT_OK;
}
