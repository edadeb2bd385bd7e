/* Custom fields come and go with the rule files that declare them; what records hold in them stays.
 *
 * For every entity with such fields the data remembers how each was declared last. When that
 * changes, the records there are must fit the new declaration, or it is refused. A field that is no
 * longer declared while records hold something in it falls asleep: nobody sees or writes it, but
 * saves keep it, and declaring it again brings it back. */
#include <string.h>

#include "record/custom.h"

/* What is remembered of a field that sleeps; declarations are never 0. */
#define ASLEEP 0u

/* --- Declarations as numbers: equal numbers, equal values allowed (FNV-1a) --- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): all are set. */
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
    return text ? mix(hash, text, strlen(text) + 1) : mix(hash, "", 1);
}

static uint64_t declaration_of(const struct schema_entity *entity, const struct schema_field *field)
{
    const struct kt_field *decl = field->decl;
    unsigned flags = decl->flags & (KT_POSITIVE | KT_NONNEGATIVE | KT_MULTILINE);
    int numbers[] = {(int)decl->type, (int)flags, field->digits, (int)field->max_length};
    uint64_t hash = mix(UINT64_C(14695981039346656037), numbers, sizeof(numbers));
    hash = mix_text(hash, decl->to);
    for (size_t i = 0; i < decl->choices.count; i++)
        hash = mix_text(hash, decl->choices.at[i].name);
    for (size_t i = 0; decl->type == KT_STATE && i < entity->decl->states.count; i++)
        hash = mix_text(hash, entity->decl->states.at[i].name);
    return hash == ASLEEP ? 1 : hash;
}

/* --- Does a value fit? --- */

static enum kt_status check_state(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const char *path, const msgpack_object *value)
{
    for (size_t i = 0; i < entity->decl->states.count; i++) {
        const char *name = entity->decl->states.at[i].name;
        if (value->type == MSGPACK_OBJECT_STR && value->via.str.size == strlen(name) &&
            memcmp(value->via.str.ptr, name, strlen(name)) == 0)
            return KT_OK;
    }
    return kt_fail(ctx, KT_INVALID, path, "%s is in a state that is not declared",
                   "%s 处于未声明的状态", path);
}

/* A value that would be stored otherwise today is no better than a wrong one: indexes, searches and
 * totals count on the form. */
static enum kt_status check_value(struct kt_ctx *ctx, const struct schema_entity *entity,
                                  const struct watch *watch, const msgpack_object *value)
{
    msgpack_object stored;
    KT_TRY(record_check_value(ctx, watch->field, watch->path, value, &stored));
    if (watch->field->decl->type == KT_STATE)
        KT_TRY(check_state(ctx, entity, watch->path, value));
    if (!kt_equal(&stored, value))
        return kt_fail(ctx, KT_INVALID, watch->path, "%s would be stored in another form",
                       "%s 的存储形式会改变", watch->path);
    return KT_OK;
}

static enum kt_status look_at(const struct watches *watches, struct watch *watch, uint64_t id,
                              const msgpack_object *value)
{
    struct kt_ctx *ctx = watches->ctx;
    if (!value)
        return KT_OK;
    watch->held = true;
    if (!watch->field || check_value(ctx, watches->entity, watch, value) == KT_OK)
        return KT_OK;
    const char *why = ctx->error.message, *why_zh = ctx->error.message_zh;
    context_forgive(ctx);
    return kt_fail(ctx, KT_CONFLICT, watch->path,
                   "%s %llu does not fit the new declaration of %s: %s%.0s; empty it there first, "
                   "or give the new field another name",
                   "%s %llu 不符合 %s 的新声明：%.0s%s；请先清空该值，或为新字段另取名称",
                   watches->entity->name, (unsigned long long)id, watch->path, why, why_zh);
}

static enum kt_status look_at_record(const struct watches *watches, uint64_t id,
                                     const msgpack_object *record)
{
    struct kt_ctx *ctx = watches->ctx;
    for (size_t i = 0; i < watches->count; i++) {
        struct watch *watch = &watches->at[i];
        const char *name = kt_format(ctx, "%.*s", (int)watch->length, watch->path);
        if (!watch->part) {
            KT_TRY(look_at(watches, watch, id, kt_get(record, name)));
            continue;
        }
        for (size_t l = 0; l < kt_count(record, name); l++)
            KT_TRY(look_at(watches, watch, id, kt_get(kt_at(record, name, l), watch->part)));
    }
    return KT_OK;
}

/* --- All records of an entity --- */

static enum kt_status look_in_scratch(const struct watches *watches, msgpack_zone *scratch,
                                      uint64_t id, struct store_slice bytes)
{
    struct kt_ctx *ctx = watches->ctx;
    msgpack_zone *arena = ctx->arena;
    size_t used = ctx->arena_used;
    msgpack_object record;
    ctx->arena = scratch;
    enum kt_status status = context_unpack(ctx, bytes.at, bytes.size, true, &record);
    if (status == KT_OK)
        status = custom_wake(watches, id, &record);
    if (status == KT_OK)
        status = look_at_record(watches, id, &record);
    ctx->arena = arena;
    ctx->arena_used = used;
    if (status != KT_OK)
        context_error_keep(ctx);
    msgpack_zone_clear(scratch);
    return status;
}

static enum kt_status look_at_all(const struct watches *watches)
{
    struct kt_ctx *ctx = watches->ctx;
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    key_begin(&prefix, SPACE_RECORD);
    key_add_u32(&prefix, watches->entity->number);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    msgpack_zone *scratch = msgpack_zone_new(16384);
    if (!scratch)
        abort();
    enum kt_status status = KT_OK;
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    while (status == KT_OK && moved == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        status = look_in_scratch(watches, scratch, record_key_id(found), bytes);
        moved = store_next(cursor, &found, &bytes);
    }
    msgpack_zone_free(scratch);
    store_cursor_close(cursor);
    return status;
}

/* --- What is remembered --- */

static void memory_key(struct key *key, const char *entity)
{
    key_begin(key, SPACE_CUSTOM);
    if (entity)
        key_add_text(key, entity, strlen(entity));
}

static enum kt_status load_memory(struct kt_ctx *ctx, const char *entity, msgpack_object *out)
{
    struct key key;
    struct store_slice bytes;
    *out = kt_map_new(ctx)->object;
    memory_key(&key, entity);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_NOT_FOUND)
        return KT_OK;
    if (status != KT_OK)
        return record_store_failed(ctx, status);
    return context_unpack(ctx, bytes.at, bytes.size, true, out);
}

static enum kt_status save_memory(struct kt_ctx *ctx, const char *entity,
                                  const msgpack_object *memory)
{
    struct key key;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    memory_key(&key, entity);
    enum kt_status status;
    if (memory->via.map.size == 0) {
        status = store_del(ctx->txn, key_slice(&key));
    } else {
        msgpack_sbuffer_init(&buffer);
        msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
        msgpack_pack_object(&packer, *memory);
        status =
            store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer.data, buffer.size});
        msgpack_sbuffer_destroy(&buffer);
    }
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

/* --- One entity --- */

static struct watch watch_of(const char *path, const struct schema_field *field)
{
    const char *dot = strchr(path, '.');
    return (struct watch){.path = path,
                          .part = dot ? dot + 1 : NULL,
                          .length = dot ? (size_t)(dot - path) : strlen(path),
                          .field = field};
}

/* Every custom field declared now. */
static void list_declared(struct watches *all)
{
    struct kt_ctx *ctx = all->ctx;
    const struct schema_entity *entity = all->entity;
    size_t most = entity->field_count;
    for (size_t i = 0; i < entity->field_count; i++)
        most += entity->fields[i].line_count;
    all->at = kt_alloc(ctx, sizeof(*all->at) * most);
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        if (field->decl->flags & KT_CUSTOM)
            all->at[all->count++] = watch_of(field->decl->name, field);
        for (size_t j = 0; j < field->line_count; j++)
            if (field->lines[j].decl->flags & KT_CUSTOM)
                all->at[all->count++] =
                    watch_of(kt_format(ctx, "%s.%s", field->decl->name, field->lines[j].decl->name),
                             &field->lines[j]);
    }
    for (size_t i = 0; i < all->count; i++)
        all->at[i].declaration = declaration_of(entity, all->at[i].field);
}

static bool is_declared(const struct watches *declared, const char *path)
{
    for (size_t i = 0; i < declared->count; i++)
        if (strcmp(declared->at[i].path, path) == 0)
            return true;
    return false;
}

static const char *name_at(struct kt_ctx *ctx, const msgpack_object *map, uint32_t i)
{
    const msgpack_object_str *name = &map->via.map.ptr[i].key.via.str;
    return kt_format(ctx, "%.*s", (int)name->size, name->ptr);
}

/* Those that changed since: the records must be looked at. */
static struct watches list_changed(const struct watches *declared, const msgpack_object *memory)
{
    struct kt_ctx *ctx = declared->ctx;
    struct watches changed = {.ctx = ctx, .entity = declared->entity};
    changed.at = kt_alloc(ctx, sizeof(*changed.at) * (declared->count + memory->via.map.size));
    for (size_t i = 0; i < declared->count; i++) {
        const msgpack_object *before = kt_get(memory, declared->at[i].path);
        if (!before || before->via.u64 == declared->at[i].declaration)
            continue;
        changed.at[changed.count] = declared->at[i];
        changed.at[changed.count++].wakes = before->via.u64 == ASLEEP;
    }
    for (uint32_t i = 0; i < memory->via.map.size; i++) {
        const char *path = name_at(ctx, memory, i);
        if (memory->via.map.ptr[i].val.via.u64 != ASLEEP && !is_declared(declared, path))
            changed.at[changed.count++] = watch_of(path, NULL);
    }
    return changed;
}

static bool falls_asleep(const struct watches *changed, const char *path)
{
    for (size_t i = 0; i < changed->count; i++)
        if (strcmp(changed->at[i].path, path) == 0)
            return changed->at[i].held;
    return true; /* It slept before. */
}

static struct kt_map *remember(const struct watches *declared, const struct watches *changed,
                               const msgpack_object *memory)
{
    struct kt_ctx *ctx = declared->ctx;
    struct kt_map *map = kt_map_new(ctx);
    for (size_t i = 0; i < declared->count; i++)
        kt_map_set(map, declared->at[i].path,
                   (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER,
                                    .via.u64 = declared->at[i].declaration});
    for (uint32_t i = 0; i < memory->via.map.size; i++) {
        const char *path = name_at(ctx, memory, i);
        if (!is_declared(declared, path) && falls_asleep(changed, path))
            kt_map_set_int(map, path, ASLEEP);
    }
    return map;
}

/* --- Who sleeps, in the schema --- */

static char *keep_text(struct schema *schema, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = msgpack_zone_malloc(schema->memory, size);
    if (!copy)
        abort();
    return memcpy(copy, text, size);
}

static void add_name(struct schema *schema, struct kt_names *names, const char *name, size_t most)
{
    const char **at = (const char **)(uintptr_t)names->at;
    if (!at)
        at = msgpack_zone_malloc(schema->memory, sizeof(*at) * most);
    if (!at)
        abort();
    at[names->count++] = keep_text(schema, name);
    names->at = at;
}

static void put_asleep(struct kt_ctx *ctx, struct schema *schema, struct schema_entity *entity,
                       const msgpack_object *memory)
{
    size_t most = memory->via.map.size;
    for (uint32_t i = 0; i < memory->via.map.size; i++) {
        if (memory->via.map.ptr[i].val.via.u64 != ASLEEP)
            continue;
        struct watch watch = watch_of(name_at(ctx, memory, i), NULL);
        if (!watch.part) {
            add_name(schema, &entity->asleep, watch.path, most);
            entity->hides = true;
            continue;
        }
        for (size_t f = 0; f < entity->field_count; f++) {
            struct schema_field *lines = &entity->fields[f];
            const char *name = lines->decl->name;
            if (strlen(name) != watch.length || memcmp(name, watch.path, watch.length) != 0)
                continue;
            add_name(schema, &lines->asleep, watch.part, most);
            entity->hides = true;
        }
    }
}

static enum kt_status refresh(struct kt_ctx *ctx, struct schema *schema,
                              struct schema_entity *entity)
{
    msgpack_object memory;
    struct watches declared = {.ctx = ctx, .entity = entity};
    KT_TRY(load_memory(ctx, entity->name, &memory));
    list_declared(&declared);
    if (declared.count + memory.via.map.size == 0)
        return KT_OK;
    struct watches changed = list_changed(&declared, &memory);
    if (changed.count)
        KT_TRY(look_at_all(&changed));
    struct kt_map *after = remember(&declared, &changed, &memory);
    if (!kt_equal(&after->object, &memory))
        KT_TRY(save_memory(ctx, entity->name, &after->object));
    put_asleep(ctx, schema, entity, &after->object);
    return context_check_memory(ctx);
}

/* --- Entities that are no longer declared --- */

static enum kt_status list_entities(struct kt_ctx *ctx, struct kt_list *names)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    memory_key(&prefix, NULL);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, NULL);
    for (; moved == KT_OK && key_has_prefix(found, key_slice(&prefix));
         moved = store_next(cursor, &found, NULL)) {
        char text[KEY_TEXT_MAX];
        size_t length;
        bool cut;
        struct key_reader reader = key_read(found);
        if (key_read_text(&reader, text, &length, &cut))
            kt_list_add(names, kt_text(kt_format(ctx, "%.*s", (int)length, text)));
    }
    store_cursor_close(cursor);
    return KT_OK;
}

static enum kt_status forget_entity(struct kt_ctx *ctx, const char *name)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found;
    uint32_t number;
    if (catalog_number(ctx->txn, name, &number) != KT_OK ||
        store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return record_store_failed(ctx, KT_INTERNAL);
    key_begin(&prefix, SPACE_RECORD);
    key_add_u32(&prefix, number);
    bool there = store_seek(cursor, key_slice(&prefix), &found, NULL) == KT_OK &&
                 key_has_prefix(found, key_slice(&prefix));
    uint64_t id = there ? record_key_id(found) : 0;
    store_cursor_close(cursor);
    if (there)
        return kt_fail(ctx, KT_CONFLICT, "files",
                       "%s is no longer declared but has records, the first is %llu: keep its "
                       "declaration or delete them first",
                       "%s 不再声明，但仍有记录（首条为 %llu）：请保留其声明，或先删除这些记录",
                       name, (unsigned long long)id);
    return save_memory(ctx, name, &kt_map_new(ctx)->object);
}

enum kt_status record_custom_refresh(struct kt_ctx *ctx, struct schema *schema)
{
    struct kt_list *names = kt_list_new(ctx);
    for (size_t i = 0; i < schema->entity_count; i++)
        KT_TRY(refresh(ctx, schema, &schema->entities[i]));
    KT_TRY(list_entities(ctx, names));
    for (uint32_t i = 0; i < names->object.via.array.size; i++) {
        const char *name = names->object.via.array.ptr[i].via.str.ptr;
        /* A module's own entity is missing with its plugin, which can be put back. */
        if (strncmp(name, "custom.", strlen("custom.")) == 0 &&
            !schema_entity(schema, name, strlen(name)))
            KT_TRY(forget_entity(ctx, name));
    }
    return context_check_memory(ctx);
}

const char *record_asleep(struct kt_names asleep, const char *name, size_t length)
{
    for (size_t i = 0; i < asleep.count; i++)
        if (strlen(asleep.at[i]) == length && memcmp(asleep.at[i], name, length) == 0)
            return asleep.at[i];
    return NULL;
}
