/* The preview: what a dry run would have changed, told from the journal and the transaction. */
#include <string.h>

#include "record/journal_lists.h"
#include "record/record_internal.h"

static const char *const list_names[JOURNAL_LISTS] = {"changes", "totals", "events", "rules",
                                                      "handlers"};

static bool may_read(struct kt_ctx *ctx, const char *name)
{
    return ctx->host->may(ctx, kt_format(ctx, "%s.read", name));
}

/* --- Packing --- */

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

/* An array whose length is known only when it is full: array32, filled in afterwards. */
static size_t begin_array(msgpack_sbuffer *reply)
{
    static const char head[5] = {(char)0xdd};
    size_t at = reply->size;
    msgpack_sbuffer_write(reply, head, sizeof(head));
    return at;
}

static void end_array(msgpack_sbuffer *reply, size_t at, uint32_t count)
{
    for (size_t i = 0; i < 4; i++)
        reply->data[at + 1 + i] = (char)(count >> (24 - 8 * i));
}

/* --- Records --- */

static void pack_fields(msgpack_packer *packer, const struct schema_entity *entity,
                        const msgpack_object *before, const msgpack_object *after)
{
    size_t at = begin_array(packer->data);
    uint32_t count = 0;
    for (size_t i = 0; i < entity->field_count; i++) {
        const char *name = entity->fields[i].decl->name;
        if (kt_equal(kt_get(before, name), kt_get(after, name)))
            continue;
        pack_text(packer, name);
        count++;
    }
    if (kt_get_bool(before, "archived") != kt_get_bool(after, "archived")) {
        pack_text(packer, "archived");
        count++;
    }
    end_array(packer->data, at, count);
}

/* One side as the user may see it; `out` is nil when there is none. */
static enum kt_status pack_side(struct kt_ctx *ctx, const struct schema_entity *entity,
                                struct store_slice bytes, msgpack_object *out)
{
    static const char nil = (char)0xc0;
    *out = kt_nil();
    if (!bytes.at) {
        msgpack_sbuffer_write(&ctx->reply, &nil, 1);
        return KT_OK;
    }
    KT_TRY(context_unpack(ctx, bytes.at, bytes.size, false, out));
    return record_show(ctx, entity, bytes, NULL);
}

static enum kt_status pack_record(struct kt_ctx *ctx, const struct journal_record *record,
                                  struct store_slice after)
{
    bool whole = may_read(ctx, record->entity->name);
    const char *what = !record->before.at ? "create" : !after.at ? "delete" : record->what;
    msgpack_object old, now;
    msgpack_packer packer;
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, whole ? 6 : 3);
    pack_text(&packer, "entity");
    pack_text(&packer, record->entity->name);
    pack_text(&packer, "id");
    msgpack_pack_uint64(&packer, record->id);
    pack_text(&packer, "what");
    pack_text(&packer, what);
    if (!whole)
        return KT_OK;
    pack_text(&packer, "before");
    KT_TRY(pack_side(ctx, record->entity, record->before, &old));
    pack_text(&packer, "after");
    KT_TRY(pack_side(ctx, record->entity, after, &now));
    pack_text(&packer, "fields");
    pack_fields(&packer, record->entity, &old, &now);
    return KT_OK;
}

/* A record that was made and is gone again, or never came to be, has not changed. */
static enum kt_status pack_change(struct kt_ctx *ctx, const struct journal_record *record,
                                  uint32_t *count)
{
    struct key key;
    struct store_slice after;
    record_key(&key, record->entity, record->id);
    if (store_get(ctx->txn, key_slice(&key), &after) != KT_OK)
        after = (struct store_slice){0};
    if (!record->before.at && !after.at)
        return KT_OK;
    ++*count;
    return pack_record(ctx, record, after);
}

/* --- Totals --- */

static bool same_row(const struct schema_total *total, const struct kt_total_row *a,
                     const struct kt_total_row *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; i < total->decl->measure_count; i++)
        same = same && kt_decimal_compare(a->measures[i], b->measures[i]) == 0;
    return same;
}

static void pack_decimal(msgpack_packer *packer, struct kt_decimal value)
{
    char text[KT_DECIMAL_TEXT_SIZE];
    msgpack_pack_str_with_body(packer, text, kt_decimal_format(value, text));
}

static void pack_row(msgpack_packer *packer, const struct schema_total *total,
                     const struct kt_total_row *before, const struct kt_total_row *after)
{
    msgpack_pack_map(packer, 4);
    pack_text(packer, "total");
    pack_text(packer, total->decl->name);
    pack_text(packer, "by");
    msgpack_pack_array(packer, total->by_count);
    for (size_t i = 0; i < total->by_count; i++)
        msgpack_pack_object(packer, after->by[i]);
    pack_text(packer, "measures");
    msgpack_pack_map(packer, total->decl->measure_count);
    for (size_t i = 0; i < total->decl->measure_count; i++) {
        pack_text(packer, total->decl->legs[0].measures[i].name);
        msgpack_pack_map(packer, 2);
        pack_text(packer, "before");
        pack_decimal(packer, before->measures[i]);
        pack_text(packer, "after");
        pack_decimal(packer, after->measures[i]);
    }
    pack_text(packer, "count");
    msgpack_pack_map(packer, 2);
    pack_text(packer, "before");
    msgpack_pack_int64(packer, before->count);
    pack_text(packer, "after");
    msgpack_pack_int64(packer, after->count);
}

static enum kt_status pack_total(struct kt_ctx *ctx, const struct journal_total *noted,
                                 uint32_t *count)
{
    struct kt_total_row before, after;
    struct store_slice now;
    msgpack_packer packer;
    if (!may_read(ctx, noted->total->decl->name))
        return KT_OK;
    if (store_get(ctx->txn, noted->key, &now) != KT_OK)
        now = (struct store_slice){0};
    KT_TRY(record_total_shown(ctx, noted->total, noted->key, noted->before, &before));
    KT_TRY(record_total_shown(ctx, noted->total, noted->key, now, &after));
    if (same_row(noted->total, &before, &after))
        return KT_OK;
    ++*count;
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    pack_row(&packer, noted->total, &before, &after);
    return KT_OK;
}

/* --- Events, handlers, rules: small, and told of refused dry runs too --- */

static msgpack_object mask_payload(struct kt_ctx *ctx, const char *name,
                                   const msgpack_object *payload)
{
    const struct schema_entity *entity =
        name ? schema_entity(ctx->schema, name, strlen(name)) : NULL;
    return entity ? record_mask(ctx, entity, payload) : *payload;
}

static enum kt_status show_events(struct kt_ctx *ctx, msgpack_object *out)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < ctx->journal->event_count; i++) {
        const struct journal_event *event = &ctx->journal->events[i];
        struct kt_map *map = kt_map_new(ctx);
        kt_map_set_text(map, "topic", kt_format(ctx, "%s", event->topic));
        if (event->entity) {
            kt_map_set_text(map, "entity", kt_format(ctx, "%s", event->entity));
            kt_map_set_id(map, "id", event->id);
        }
        if (event->payload.at && may_read(ctx, event->entity ? event->entity : event->topic)) {
            msgpack_object payload;
            KT_TRY(context_unpack(ctx, event->payload.at, event->payload.size, true, &payload));
            kt_map_set(map, "payload", mask_payload(ctx, event->entity, &payload));
        }
        kt_list_add(list, map->object);
    }
    *out = list->object;
    return KT_OK;
}

static msgpack_object show_handlers(struct kt_ctx *ctx)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < ctx->journal->handler_count; i++) {
        struct kt_map *map = kt_map_new(ctx);
        kt_map_set_text(map, "topic", kt_format(ctx, "%s", ctx->journal->handlers[i].topic));
        kt_map_set_text(map, "module", kt_format(ctx, "%s", ctx->journal->handlers[i].module));
        kt_list_add(list, map->object);
    }
    return list->object;
}

static msgpack_object show_rules(struct kt_ctx *ctx)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < ctx->journal->rule_count; i++) {
        const struct journal_spoken *spoken = &ctx->journal->rules[i];
        struct kt_map *map = kt_map_new(ctx);
        kt_map_set_text(map, "rule", kt_format(ctx, "%s", spoken->rule.rule));
        kt_map_set_text(map, "file", kt_format(ctx, "%s", spoken->rule.file));
        kt_map_set_text(map, "moment", kt_format(ctx, "%s", spoken->rule.moment));
        kt_map_set_text(map, "entity", kt_format(ctx, "%s", spoken->rule.entity));
        kt_map_set_id(map, "id", spoken->rule.id);
        kt_map_set_text(map, "outcome", spoken->outcome);
        if (spoken->field_count) {
            struct kt_list *fields = kt_list_new(ctx);
            for (size_t f = 0; f < spoken->field_count; f++)
                kt_list_add(fields, kt_text(kt_format(ctx, "%s", spoken->fields[f])));
            kt_map_set(map, "fields", fields->object);
        }
        kt_list_add(list, map->object);
    }
    return list->object;
}

/* --- The whole --- */

/* In memory that is emptied after each entry: a preview must not cost the request its limit. */
static enum kt_status pack_entry(struct kt_ctx *ctx, enum journal_list list, size_t index,
                                 msgpack_zone *scratch, uint32_t *count)
{
    msgpack_zone *arena = ctx->arena;
    size_t used = ctx->arena_used;
    ctx->arena = scratch;
    enum kt_status status = list == JOURNAL_CHANGES
                                ? pack_change(ctx, &ctx->journal->records[index], count)
                                : pack_total(ctx, &ctx->journal->totals[index], count);
    ctx->arena = arena;
    ctx->arena_used = used;
    if (status != KT_OK)
        context_error_keep(ctx);
    msgpack_zone_clear(scratch);
    return status;
}

static enum kt_status pack_list(struct kt_ctx *ctx, enum journal_list list, size_t length,
                                size_t most_bytes)
{
    msgpack_zone *scratch = msgpack_zone_new(65536);
    msgpack_packer packer;
    enum kt_status status = KT_OK;
    uint32_t count = 0;
    if (!scratch)
        return kt_fail(ctx, KT_INTERNAL, NULL, "out of memory", "内存不足");
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    pack_text(&packer, list_names[list]);
    size_t at = begin_array(&ctx->reply);
    for (size_t i = 0; status == KT_OK && i < length; i++) {
        if (ctx->reply.size > most_bytes) {
            ctx->journal->more[list] = true;
            break;
        }
        status = pack_entry(ctx, list, i, scratch, &count);
    }
    end_array(&ctx->reply, at, count);
    msgpack_zone_free(scratch);
    return status;
}

/* The names of the lists that were cut; nil when none was. */
static msgpack_object show_more(struct kt_ctx *ctx)
{
    struct kt_list *list = kt_list_new(ctx);
    for (size_t i = 0; i < JOURNAL_LISTS; i++)
        if (ctx->journal->more[i])
            kt_list_add(list, kt_text(list_names[i]));
    return list->object.via.array.size ? list->object : kt_nil();
}

static void pack_member(msgpack_packer *packer, const char *name, msgpack_object value)
{
    pack_text(packer, name);
    msgpack_pack_object(packer, value);
}

static enum kt_status pack_preview(struct kt_ctx *ctx, const msgpack_sbuffer *result)
{
    msgpack_packer packer;
    msgpack_object events;
    msgpack_packer_init(&packer, &ctx->reply, msgpack_sbuffer_write);
    size_t head = ctx->reply.size;
    msgpack_pack_map(&packer, 7);
    pack_member(&packer, "dry_run", kt_bool(true));
    pack_text(&packer, "result");
    if (result->size)
        msgpack_sbuffer_write(&ctx->reply, result->data, result->size);
    else
        msgpack_pack_nil(&packer);
    size_t most_bytes = result->size + KT_LIMIT_PREVIEW_BYTES;
    KT_TRY(pack_list(ctx, JOURNAL_CHANGES, ctx->journal->record_count, most_bytes));
    KT_TRY(pack_list(ctx, JOURNAL_TOTALS, ctx->journal->total_count, most_bytes));
    KT_TRY(show_events(ctx, &events));
    pack_member(&packer, "events", events);
    pack_member(&packer, "rules", show_rules(ctx));
    pack_member(&packer, "handlers", show_handlers(ctx));
    msgpack_object more = show_more(ctx);
    if (more.type == MSGPACK_OBJECT_NIL)
        return KT_OK;
    pack_member(&packer, "more", more);
    ctx->reply.data[head] = (char)0x88; /* A map of eight. */
    return KT_OK;
}

enum kt_status journal_reply(struct kt_ctx *ctx)
{
    msgpack_sbuffer result = ctx->reply;
    msgpack_sbuffer_init(&ctx->reply);
    enum kt_status status = pack_preview(ctx, &result);
    msgpack_sbuffer_destroy(&result);
    return status;
}

void journal_explain(struct kt_ctx *ctx)
{
    struct kt_map *preview = kt_map_new(ctx);
    struct kt_map *details = kt_map_copy(ctx, &ctx->error.details);
    msgpack_object events;
    kt_map_set(preview, "rules", show_rules(ctx));
    if (show_events(ctx, &events) == KT_OK)
        kt_map_set(preview, "events", events);
    kt_map_set(preview, "handlers", show_handlers(ctx));
    kt_map_set(details, "preview", preview->object);
    context_error_details(ctx, details->object);
}
