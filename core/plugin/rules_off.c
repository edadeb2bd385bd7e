/* Rules that are disabled, since they failed too often in a row: in the data, so that it outlives a
 * restart. */
#include <string.h>

#include "base/log.h"
#include "plugin/rules.h"
#include "record/record.h"
#include "record/space.h"

static void off_key(struct key *key, const char *rule)
{
    key_begin(key, SPACE_RULE_OFF);
    if (rule)
        key_add_text(key, rule, strlen(rule));
}

enum kt_status rules_off_list(struct kt_ctx *ctx, struct kt_list *out)
{
    struct key prefix;
    struct store_cursor *cursor;
    struct store_slice found, bytes;
    off_key(&prefix, NULL);
    if (store_cursor_open(ctx->txn, &cursor) != KT_OK)
        return rules_store_failed(ctx);
    enum kt_status moved = store_seek(cursor, key_slice(&prefix), &found, &bytes);
    enum kt_status status = KT_OK;
    while (moved == KT_OK && status == KT_OK && key_has_prefix(found, key_slice(&prefix))) {
        msgpack_object row;
        status = context_unpack(ctx, bytes.at, bytes.size, true, &row);
        if (status == KT_OK)
            kt_list_add(out, row);
        moved = store_next(cursor, &found, &bytes);
    }
    store_cursor_close(cursor);
    return status;
}

enum kt_status rules_off_apply(struct kt_ctx *ctx, struct script_set *set)
{
    struct kt_list *rows = kt_list_new(ctx);
    KT_TRY(rules_off_list(ctx, rows));
    for (uint32_t i = 0; i < rows->object.via.array.size; i++)
        (void)script_set_disable(set, kt_get_text(ctx, &rows->object.via.array.ptr[i], "rule"));
    return KT_OK;
}

static enum kt_status put_on(struct kt_ctx *ctx, const char *rule)
{
    struct key key;
    off_key(&key, rule);
    enum kt_status status = store_del(ctx->txn, key_slice(&key));
    if (status == KT_NOT_FOUND)
        return kt_fail(ctx, KT_NOT_FOUND, "rule", "no rule %s is disabled", "没有被停用的规则 %s",
                       context_quote(ctx, rule, strlen(rule)));
    if (status != KT_OK)
        return rules_store_failed(ctx);
    return KT_OK;
}

enum kt_status rules_off_forget(struct kt_ctx *ctx, const struct rules_changes *changes)
{
    struct kt_list *rows = kt_list_new(ctx);
    KT_TRY(rules_off_list(ctx, rows));
    for (uint32_t i = 0; i < rows->object.via.array.size; i++) {
        const msgpack_object *row = &rows->object.via.array.ptr[i];
        for (size_t c = 0; c < changes->count; c++)
            if (kt_is(row, "file", rules_change_name(&changes->at[c])))
                KT_TRY(put_on(ctx, kt_get_text(ctx, row, "rule")));
    }
    return KT_OK;
}

void rules_off_pardon(struct kt_ctx *ctx, const struct rules_changes *changes)
{
    const struct registry *registry = ctx->registry;
    for (size_t i = 0; !ctx->journal && i < changes->count; i++)
        script_life_pardon_file(registry->life, registry->rules,
                                rules_change_name(&changes->at[i]));
}

/* Whoever listens may fail; the rule is disabled all the same, and the event tells it. */
static enum kt_status announce(struct kt_ctx *ctx, const msgpack_object *row)
{
    static const struct bus_table nobody = {.count = 0};
    const struct kt_event event = {.topic = "rules.disabled", .payload = row};
    struct context_try attempt;
    KT_TRY(context_try_begin(ctx, &attempt));
    enum kt_status status = bus_announce(ctx, &ctx->registry->handlers, &event);
    if (context_try_end(ctx, &attempt, status) == KT_OK)
        return KT_OK;
    log_error("who listens to rules.disabled failed: %s",
              ctx->error.message ? ctx->error.message : "");
    context_forgive(ctx);
    return bus_announce(ctx, &nobody, &event);
}

static enum kt_status disable(struct kt_ctx *ctx, const struct script_due *due,
                              struct kt_list *rows)
{
    struct key key;
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_text(row, "rule", due->rule);
    kt_map_set_text(row, "file", due->file);
    kt_map_set_int(row, "failures", (int64_t)due->failures);
    kt_map_set_text(row, "error", due->error);
    kt_map_set(row, "at", kt_instant_value(ctx, kt_now(ctx)));
    off_key(&key, due->rule);
    KT_TRY(rules_put_map(ctx, &key, row));
    log_error("rule %s (%s) is disabled: it failed %u times in a row, the last time: %s", due->rule,
              due->file, due->failures, due->error);
    kt_list_add(rows, row->object);
    return KT_OK;
}

/* They are announced under the rules that remain: a disabled handler does not hear of itself. */
enum kt_status registry_rules_disable_due(struct kt_ctx *ctx, size_t *count, struct registry **out)
{
    struct script_due due;
    struct kt_list *rows = kt_list_new(ctx);
    while (script_life_take_due(ctx->registry->life, ctx, &due))
        if (script_set_has(ctx->registry->rules, due.rule)) /* Its file may be gone since. */
            KT_TRY(disable(ctx, &due, rows));
    *count = rows->object.via.array.size;
    if (*count == 0)
        return KT_OK;
    KT_TRY(registry_build(ctx, ctx->registry->catalog, kt_list_new(ctx), out));
    registry_count_rules(*out);
    for (size_t i = 0; i < *count; i++) {
        rules_lender_rearm((*out)->lender, ctx, (*out)->rules);
        KT_TRY(announce(ctx, &rows->object.via.array.ptr[i]));
    }
    return KT_OK;
}

enum kt_status registry_rules_enable(struct kt_ctx *ctx, const char *rule, struct registry **out)
{
    KT_TRY(put_on(ctx, rule));
    KT_TRY(registry_build(ctx, ctx->registry->catalog, kt_list_new(ctx), out));
    if (!ctx->journal)
        script_life_pardon(ctx->registry->life, rule);
    return registry_reply_rules(ctx, false);
}
