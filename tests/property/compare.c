/* The engine's records beside the model's. */
#include <stdlib.h>
#include <string.h>

#include "property.h"

static const struct schema_entity *entity_of(const struct world *world, size_t entity)
{
    const char *name = world->entities[entity].name;
    return schema_entity(world->schema, name, strlen(name));
}

static void pack_name(msgpack_packer *packer, const char *name)
{
    msgpack_pack_str_with_body(packer, name, strlen(name));
}

/* As it should be stored, to the byte: in the order of the fields, without
 * empty ones. */
static void pack_record(msgpack_packer *packer, const struct kt_entity *entity,
                        const struct record *record)
{
    size_t count = 2, last_lines = 0;
    for (size_t f = 0; f < entity->fields.count; f++) {
        count += !is_empty(record->fields[f]);
        last_lines += record->last_lines && record->last_lines[f];
    }
    msgpack_pack_map(packer, count + record->archived + (last_lines > 0));
    pack_name(packer, "id");
    msgpack_pack_uint64(packer, record->id);
    pack_name(packer, "version");
    msgpack_pack_uint64(packer, record->version);
    if (record->archived) {
        pack_name(packer, "archived");
        msgpack_pack_true(packer);
    }
    if (last_lines) {
        pack_name(packer, "last_line");
        msgpack_pack_map(packer, last_lines);
    }
    for (size_t f = 0; last_lines && f < entity->fields.count; f++) {
        if (record->last_lines[f] == 0)
            continue;
        pack_name(packer, entity->fields.at[f].name);
        msgpack_pack_int64(packer, record->last_lines[f]);
    }
    for (size_t f = 0; f < entity->fields.count; f++) {
        if (is_empty(record->fields[f]))
            continue;
        pack_name(packer, entity->fields.at[f].name);
        pack_value(packer, &entity->fields.at[f], record->fields[f]);
    }
}

static void fail_bytes(const struct world *world, const char *what, const struct record *record,
                       const void *expected, size_t size, struct store_slice stored)
{
    char is[4096], should[4096];
    msgpack_object object;
    msgpack_unpack(stored.at, stored.size, NULL, world->ctx.arena, &object);
    msgpack_object_print_buffer(is, sizeof is, object);
    msgpack_unpack(expected, size, NULL, world->ctx.arena, &object);
    msgpack_object_print_buffer(should, sizeof should, object);
    fail(world, "%s %llu is stored as (%zu bytes)\n  %s\nand should be (%zu bytes)\n  %s", what,
         (unsigned long long)record->id, stored.size, is, size, should);
}

void compare_record(struct world *world, size_t entity, uint64_t id)
{
    const struct kt_entity *decl = &world->entities[entity];
    const struct record *record = model_find(world, entity, id);
    struct store_slice stored;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    enum kt_status status = record_bytes(&world->ctx, entity_of(world, entity), id, &stored);
    context_forgive(&world->ctx);
    if (status != (record ? KT_OK : KT_NOT_FOUND))
        fail(world, "%s %llu: reading it ends with %s", decl->name, (unsigned long long)id,
             kt_status_code(status));
    if (!record)
        return;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pack_record(&packer, decl, record);
    if (stored.size != buffer.size || memcmp(stored.at, buffer.data, buffer.size) != 0)
        fail_bytes(world, decl->name, record, buffer.data, buffer.size, stored);
    msgpack_sbuffer_destroy(&buffer);
}

/* Each unique value finds its record, or nothing once that is gone or says
 * otherwise. */
void compare_uniques(struct world *world, size_t entity, const struct record *record)
{
    const struct kt_entity *decl = &world->entities[entity];
    for (size_t f = 0; f < decl->fields.count; f++) {
        const struct kt_field *field = &decl->fields.at[f];
        const struct value *value = record->fields[f];
        const msgpack_object *found;
        uint64_t expected = 0;
        if (!(field->flags & KT_UNIQUE) || is_empty(value) || value->kind == LIST)
            continue;
        for (size_t i = 0; i < world->model.tables[entity].count; i++) {
            const struct record *other = &world->model.tables[entity].at[i];
            if (compare_values(other->fields[f], value) == 0)
                expected = other->id;
        }
        if (kt_record_find(&world->ctx, decl->name, field->name, *as_object(world, field, value),
                           &found) != KT_OK)
            fail(world, "%s cannot be found by %s", decl->name, field->name);
        if (kt_get_id(found, "id") != expected)
            fail(world, "%s finds %s %llu, not %llu", field->name, decl->name,
                 (unsigned long long)kt_get_id(found, "id"), (unsigned long long)expected);
        if (value->kind != TEXT || value->size <= 120)
            continue;
        /* A text that begins like it has the same key and is another. */
        const char *longer = words(world, "%.*s!", (int)value->size, value->text);
        if (kt_record_find(&world->ctx, decl->name, field->name, kt_text(longer), &found) !=
                KT_OK ||
            found)
            fail(world, "%s finds what only begins alike", field->name);
    }
}

/* --- Everything --- */

static size_t count_rows(struct world *world, size_t entity)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    size_t count = 0;
    key_begin(&prefix, SPACE_RECORD);
    key_add_u32(&prefix, entity_of(world, entity)->number);
    if (store_cursor_open(world->ctx.txn, &cursor) != KT_OK)
        fail(world, "no cursor");
    enum kt_status status = store_seek(cursor, key_slice(&prefix), &found, NULL);
    for (; status == KT_OK && key_has_prefix(found, key_slice(&prefix)); count++)
        status = store_next(cursor, &found, NULL);
    store_cursor_close(cursor);
    return count;
}

/* A row for each version, and one for its end. */
void compare_history(struct world *world, size_t entity, uint64_t id, uint64_t count)
{
    struct kt_ctx *ctx = &world->ctx;
    struct kt_map *params = kt_map_new(ctx);
    msgpack_object answer;
    kt_map_set_id(params, "id", id);
    if (record_reply_history(ctx, entity_of(world, entity), &params->object) != KT_OK ||
        context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, &answer) != KT_OK ||
        kt_count(&answer, "entries") != (count < KT_LIMIT_PAGE ? count : KT_LIMIT_PAGE))
        fail(world, "the history of %s %llu has %zu entries, not %llu",
             world->entities[entity].name, (unsigned long long)id, kt_count(&answer, "entries"),
             (unsigned long long)count);
}

void compare_all(struct world *world)
{
    struct kt_ctx *ctx = &world->ctx;
    msgpack_object answer;
    char text[4096];
    for (size_t e = 0; e < world->entity_count; e++) {
        const struct table *table = &world->model.tables[e];
        if (count_rows(world, e) != table->count)
            fail(world, "%s has %zu records, not %zu", world->entities[e].name,
                 count_rows(world, e), table->count);
        for (size_t i = 0; i < table->count; i++)
            compare_record(world, e, table->at[i].id);
        context_reset(ctx);
    }
    for (size_t t = 0; t < world->total_count; t++)
        compare_total(world, &world->totals[t]);
    context_reset(ctx);
    if (record_check_all(ctx) != KT_OK ||
        context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, &answer) != KT_OK)
        fail(world, "the check fails: %s", ctx->error.message);
    if (kt_get_int(&answer, "count") != 0) {
        msgpack_object_print_buffer(text, sizeof text, *kt_get(&answer, "problems"));
        fail(world, "the check finds: %s", text);
    }
    context_reset(ctx);
}
