/* One cell of an export: a value as import_cell.c reads it. A reference is written by what names
 * its record, if that leads back to it and nowhere else; otherwise as "#id". */
#include <string.h>

#include "record/export.h"

/* --- How a reference is written --- */

/* A power of two. Names that share a place push each other out. */
#define NAMES_KEPT 1024u

struct name {
    const struct schema_entity *entity;
    uint64_t id;
    msgpack_object text;
};

struct export_names {
    msgpack_zone *arena; /**< Names outlive the record that they were looked up for. */
    struct name kept[NAMES_KEPT];
};

struct export_names *export_names_new(struct kt_ctx *ctx)
{
    struct export_names *names = kt_alloc(ctx, sizeof(*names));
    names->arena = ctx->arena;
    return names;
}

/* Would an import that reads the text come back to this record? What is unique in the first field
 * that an import looks at surely does. Else the present is asked, which cannot tell of the past. */
static enum kt_status leads_back(struct kt_ctx *ctx, const struct schema_entity *target,
                                 uint64_t id, const msgpack_object *text, bool is_first, bool *out)
{
    uint64_t found = 0;
    unsigned count;
    *out = false;
    if (import_is_id(text->via.str.ptr, text->via.str.size))
        return KT_OK;
    *out = is_first;
    if (is_first || ctx->as_of)
        return KT_OK;
    KT_TRY(import_find(ctx, target, NULL, text, &found, &count));
    *out = count == 1 && found == id;
    return KT_OK;
}

/* A unique text of the target, or else its title. */
static enum kt_status find_name(struct kt_ctx *ctx, const struct schema_entity *target, uint64_t id,
                                msgpack_object *out)
{
    const msgpack_object *record;
    *out = kt_text(kt_format(ctx, "#%llu", (unsigned long long)id));
    if (!target || !target->enabled ||
        !ctx->host->may(ctx, kt_format(ctx, "%s.read", target->name)))
        return KT_OK;
    KT_TRY(record_load(ctx, target, id, &record));
    for (int unique = 1; unique >= 0; unique--) {
        bool is_first = unique;
        for (size_t i = 0; i < target->field_count; i++) {
            const struct schema_field *field = &target->fields[i];
            const struct schema_index *index = import_name(ctx, target, field);
            const msgpack_object *text = kt_get(record, field->decl->name);
            bool found = false;
            if (index && index->unique == unique && text)
                KT_TRY(leads_back(ctx, target, id, text, is_first, &found));
            is_first = is_first && !index;
            if (!found)
                continue;
            *out = *text;
            return KT_OK;
        }
    }
    return KT_OK;
}

static enum kt_status name_of(const struct export_cells *cells, const struct schema_entity *target,
                              uint64_t id, msgpack_object *out)
{
    struct kt_ctx *ctx = cells->ctx;
    size_t place = (size_t)(id ^ (uintptr_t)target >> 6) & (NAMES_KEPT - 1);
    struct name *kept = &cells->names->kept[place];
    msgpack_zone *arena = ctx->arena;
    *out = kept->text;
    if (target && kept->entity == target && kept->id == id)
        return KT_OK;
    KT_TRY(find_name(ctx, target, id, out));
    ctx->arena = cells->names->arena;
    *out = kt_text_of(context_copy(ctx, out->via.str.ptr, out->via.str.size), out->via.str.size);
    ctx->arena = arena;
    *kept = (struct name){target, id, *out};
    return KT_OK;
}

/* --- Lists --- */

/* So that import_cell.c takes the item whole: ';' and '\' as they are, blanks at its ends, too. */
static size_t escape(const msgpack_object *item, char *out)
{
    const char *bytes = item->via.str.ptr;
    size_t length = 0, size = item->via.str.size;
    for (size_t i = 0; i < size; i++) {
        bool at_end = i == 0 || i + 1 == size;
        if (bytes[i] == ';' || bytes[i] == '\\' || (bytes[i] == ' ' && at_end))
            out[length++] = '\\';
        out[length++] = bytes[i];
    }
    return length;
}

static msgpack_object join(struct kt_ctx *ctx, const msgpack_object_array *items)
{
    size_t room = 1, length = 0;
    for (uint32_t i = 0; i < items->size; i++)
        room += 2 * (size_t)items->ptr[i].via.str.size + 1;
    char *text = kt_alloc(ctx, room);
    for (uint32_t i = 0; i < items->size; i++) {
        if (i > 0)
            text[length++] = ';';
        length += escape(&items->ptr[i], text + length);
    }
    return kt_text_of(text, length);
}

/* --- Values --- */

/* One value, no list; `field` is NULL for a record's own. */
static enum kt_status write_one(const struct export_cells *cells, const struct schema_field *field,
                                const msgpack_object *value, msgpack_object *out)
{
    struct kt_ctx *ctx = cells->ctx;
    kt_instant_us at;
    char text[KT_INSTANT_TEXT_SIZE];
    if (field && (field->decl->type == KT_REF || field->decl->type == KT_REFS))
        return name_of(cells, field->target, value->via.u64, out);
    if (value->type == MSGPACK_OBJECT_STR)
        *out = *value;
    else if (value->type == MSGPACK_OBJECT_BOOLEAN)
        *out = kt_text(value->via.boolean ? "true" : "false");
    else if (context_instant_of(value, &at) && kt_instant_format(at, text))
        *out = kt_text(kt_format(ctx, "%s", text));
    else
        *out = kt_text(kt_format(ctx, "%lld", (long long)value->via.i64));
    return KT_OK;
}

static enum kt_status write_value(const struct export_cells *cells,
                                  const struct schema_field *field, const msgpack_object *value,
                                  msgpack_object *out)
{
    *out = kt_text_of("", 0);
    if (!value || value->type == MSGPACK_OBJECT_NIL)
        return KT_OK;
    if (value->type != MSGPACK_OBJECT_ARRAY)
        return write_one(cells, field, value, out);
    struct kt_list *items = kt_list_new(cells->ctx);
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        msgpack_object item;
        KT_TRY(write_one(cells, field, &value->via.array.ptr[i], &item));
        kt_list_add(items, item);
    }
    *out = join(cells->ctx, &items->object.via.array);
    return KT_OK;
}

/* --- Along references --- */

static enum kt_status write_followed(const struct export_cells *cells,
                                     const struct schema_entity *target,
                                     const struct query_path *path, uint64_t id,
                                     msgpack_object *out)
{
    const msgpack_object *record, *value;
    KT_TRY(record_load(cells->ctx, target, id, &record));
    KT_TRY(query_value(cells->ctx, path, record, &value));
    return write_value(cells, query_path_field(path), value, out);
}

static enum kt_status follow(const struct export_cells *cells, const struct export_column *column,
                             const struct schema_field *field, const msgpack_object *value,
                             msgpack_object *out)
{
    *out = kt_text_of("", 0);
    if (!value)
        return KT_OK;
    if (value->type != MSGPACK_OBJECT_ARRAY)
        return write_followed(cells, field->target, &column->path, value->via.u64, out);
    struct kt_list *items = kt_list_new(cells->ctx);
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        msgpack_object item;
        KT_TRY(write_followed(cells, field->target, &column->path, value->via.array.ptr[i].via.u64,
                              &item));
        kt_list_add(items, item);
    }
    *out = join(cells->ctx, &items->object.via.array);
    return KT_OK;
}

static enum kt_status write_own(const struct export_cells *cells, const char *name,
                                const msgpack_object *record, msgpack_object *out)
{
    const msgpack_object number = kt_id(cells->number), no = kt_bool(false);
    const msgpack_object *value = *name == '#' ? &number : kt_get(record, name);
    return write_value(cells, NULL, value ? value : &no, out);
}

enum kt_status export_cell(const struct export_cells *cells, const struct export_column *column,
                           const msgpack_object *record, const msgpack_object *line,
                           msgpack_object *out)
{
    if (column->own)
        return write_own(cells, column->own, record, out);
    const struct schema_field *field = column->line ? column->line : column->field;
    const msgpack_object *value = kt_get(column->line ? line : record, field->decl->name);
    if (field->decl->flags & KT_ON_READ) {
        msgpack_object computed;
        KT_TRY(record_compute_read(cells->ctx, field, record, &computed));
        return write_value(cells, field, &computed, out);
    }
    return column->follows ? follow(cells, column, field, value, out)
                           : write_value(cells, field, value, out);
}
