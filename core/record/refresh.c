/* When a new version of a module declares an index or a total, records are there already that were
 * never entered. So each entity keeps a list of the declarations it is in step with; what is not in
 * it is emptied and built from the records. What is no longer declared leaves the list, as nobody
 * keeps it in step: should it come back, it is built anew. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "record/build.h"

/* --- Declarations as text: equal text, equal rows --- */

static const char *path_text(struct kt_ctx *ctx, const char *before, const struct schema_path *path)
{
    if (!path->field)
        return kt_format(ctx, "%s -", before);
    return kt_format(ctx, "%s %s%s%s:%d", before, path->field->decl->name, path->line ? "." : "",
                     path->line ? path->line->decl->name : "",
                     (int)(path->line ? path->line : path->field)->decl->type);
}

static const char *index_text(struct kt_ctx *ctx, const struct schema_index *index)
{
    const char *text = index->unique ? "unique" : index->sparse ? "sparse" : "index";
    for (size_t i = 0; i < index->path_count; i++) {
        bool required = index->unique && (index->paths[i].field->decl->flags & KT_REQUIRED);
        text = path_text(ctx, text, &index->paths[i]);
        text = required ? kt_format(ctx, "%s!", text) : text;
    }
    return text;
}

static const char *total_text(struct kt_ctx *ctx, const struct schema_total *total)
{
    const struct kt_total *decl = total->decl;
    const char *text = kt_format(ctx, "total %s", decl->name);
    if (decl->when)
        text = kt_format(ctx, "%s when %s", text, decl->when);
    for (size_t i = 0; decl->when && i < decl->is.count; i++)
        text = kt_format(ctx, "%s %s", text, decl->is.at[i]);
    for (size_t l = 0; l < decl->leg_count; l++) {
        const struct schema_leg *leg = &total->legs[l];
        text = kt_format(ctx, "%s by", text);
        for (size_t i = 0; i < total->by_count; i++)
            text = kt_format(ctx, "%s/%d", path_text(ctx, text, &leg->by[i]), (int)leg->cut[i]);
        text = kt_format(ctx, "%s sum", text);
        for (size_t i = 0; i < decl->measure_count; i++)
            text = path_text(ctx, kt_format(ctx, "%s %s", text, leg->minus[i] ? "less" : "plus"),
                             &leg->measures[i]);
    }
    return text;
}

static const char *words_text(struct kt_ctx *ctx, const struct schema_entity *entity)
{
    const char *text = kt_format(ctx, "words %s", entity->title ? entity->title->decl->name : "");
    for (size_t i = 0; i < entity->field_count; i++) {
        const struct schema_field *field = &entity->fields[i];
        struct schema_path path = {.field = field};
        if (field->decl->flags & KT_SEARCHABLE)
            text = path_text(ctx, text, &path);
        for (size_t p = 0; p < field->line_count; p++) {
            path.line = &field->lines[p];
            if (path.line->decl->flags & KT_SEARCHABLE)
                text = path_text(ctx, text, &path);
        }
    }
    return text;
}

static bool has_text(const msgpack_object *list, const char *text)
{
    size_t length = strlen(text);
    for (uint32_t i = 0; list->type == MSGPACK_OBJECT_ARRAY && i < list->via.array.size; i++) {
        const msgpack_object *item = &list->via.array.ptr[i];
        if (item->type == MSGPACK_OBJECT_STR && item->via.str.size == length &&
            memcmp(item->via.str.ptr, text, length) == 0)
            return true;
    }
    return false;
}

/* --- One entity --- */

static void add_text(struct kt_list *list, const msgpack_object *kept, const char *text,
                     bool *missing)
{
    *missing = !has_text(kept, text);
    kt_list_add(list, kt_text(text));
}

/* What the entity should be in step with; what of it is missing goes into `build`. */
static struct kt_list *compare(struct build *build, const msgpack_object *kept)
{
    struct kt_ctx *ctx = build->ctx;
    const struct schema_entity *entity = build->entity;
    struct kt_list *wanted = kt_list_new(ctx);
    bool missing;
    for (size_t i = 0; i < entity->index_count; i++) {
        add_text(wanted, kept, index_text(ctx, &entity->indexes[i]), &missing);
        if (missing)
            build->indexes[build->index_count++] = &entity->indexes[i];
    }
    for (size_t i = 0; i < entity->total_count; i++) {
        add_text(wanted, kept, total_text(ctx, entity->totals[i]), &missing);
        if (missing)
            build->totals[build->total_count++] = entity->totals[i];
    }
    if (entity->searchable)
        add_text(wanted, kept, words_text(ctx, entity), &build->words);
    add_text(wanted, kept, "counts", &build->counts);
    return wanted;
}

static enum kt_status keep(struct kt_ctx *ctx, const struct key *key, const msgpack_object *list)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, *list);
    enum kt_status status =
        store_put(ctx->txn, key_slice(key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    return status == KT_OK ? KT_OK : record_store_failed(ctx, status);
}

static enum kt_status refresh(struct kt_ctx *ctx, const struct schema_entity *entity, bool lenient,
                              msgpack_zone *scratch)
{
    struct build build;
    struct key key;
    struct store_slice bytes;
    msgpack_object kept = kt_nil();
    build_begin(&build, ctx, entity, scratch);
    build.lenient = lenient;
    key_begin(&key, SPACE_KEPT);
    key_add_u32(&key, entity->number);
    enum kt_status status = store_get(ctx->txn, key_slice(&key), &bytes);
    if (status == KT_OK)
        KT_TRY(context_unpack(ctx, bytes.at, bytes.size, true, &kept));
    else if (status != KT_NOT_FOUND)
        return record_store_failed(ctx, status);
    struct kt_list *wanted = compare(&build, &kept);
    if (kt_equal(&wanted->object, &kept))
        return KT_OK;
    if (build.index_count || build.total_count || build.words || build.counts)
        KT_TRY(build_run(&build));
    if (build.records)
        log_info("built entity=%s indexes=%zu totals=%zu words=%d records=%llu", entity->name,
                 build.index_count, build.total_count, build.words,
                 (unsigned long long)build.records);
    /* Not in step yet: built again when it must be. */
    return build.forgave ? KT_OK : keep(ctx, &key, &wanted->object);
}

enum kt_status record_refresh(struct kt_ctx *ctx, bool lenient)
{
    msgpack_zone *scratch = msgpack_zone_new(16384);
    if (!scratch)
        abort();
    enum kt_status status = KT_OK;
    for (size_t i = 0; i < ctx->schema->entity_count && status == KT_OK; i++)
        status = refresh(ctx, &ctx->schema->entities[i], lenient, scratch);
    msgpack_zone_free(scratch);
    return status == KT_OK ? context_check_memory(ctx) : status;
}
