/* The groups of an aggregate, found by a hash of their key. A key is made of the parts of index
 * keys, so that its bytes also order the groups; of long texts the rest follows, for no two values
 * share a group. */
#include <stdlib.h>
#include <string.h>

#include "record/aggregate.h"

/* Twice as many as groups, a power of two. */
#define SLOTS 32768u
_Static_assert(SLOTS >= 2 * KT_LIMIT_GROUPS, "the table must stay half empty");

void aggregate_begin(struct aggregate *aggregate)
{
    struct kt_ctx *ctx = aggregate->ctx;
    aggregate->slots = kt_alloc(ctx, sizeof(*aggregate->slots) * SLOTS);
    msgpack_sbuffer_init(&aggregate->key);
    aggregate->scratch = msgpack_zone_new(16384);
    if (!aggregate->scratch)
        abort();
}

void aggregate_end(struct aggregate *aggregate)
{
    msgpack_sbuffer_destroy(&aggregate->key);
    msgpack_zone_free(aggregate->scratch);
}

/* --- One record's values --- */

/* Value of a path for a record or, when lines are counted, for one of its lines. */
static enum kt_status value_of(struct kt_ctx *ctx, const struct query_path *path,
                               const msgpack_object *record, const msgpack_object *line,
                               const msgpack_object **out)
{
    if (path->line) {
        *out = kt_get(line, path->line->decl->name);
        return KT_OK;
    }
    return query_value(ctx, path, record, out);
}

static void add_part(struct aggregate *aggregate, const struct aggregate_by *by,
                     const msgpack_object *value)
{
    struct key key;
    key_begin(&key, 0);
    record_key_add(&key, query_path_field(&by->path), value);
    msgpack_sbuffer_write(&aggregate->key, (const char *)key.bytes + 1, key.size - 1u);
    if (!key.cut)
        return;
    msgpack_sbuffer_write(&aggregate->key, value->via.str.ptr + KEY_TEXT_MAX,
                          value->via.str.size - KEY_TEXT_MAX);
    msgpack_sbuffer_write(&aggregate->key, "", 1);
}

/* The key of the record's group, and the values it stands for. */
static enum kt_status make_key(struct aggregate *aggregate, const msgpack_object *record,
                               const msgpack_object *line, msgpack_object *values)
{
    struct kt_ctx *ctx = aggregate->ctx;
    msgpack_sbuffer_clear(&aggregate->key);
    for (size_t i = 0; i < aggregate->by_count; i++) {
        const msgpack_object *value;
        char day[KT_DATE_TEXT_SIZE];
        KT_TRY(value_of(ctx, &aggregate->by[i].path, record, line, &value));
        values[i] = value ? *value : kt_nil();
        if (record_bucket(aggregate->by[i].cut, value, day)) {
            size_t length = strlen(day);
            values[i] = kt_text_of(context_copy(ctx, day, length), length);
        }
        add_part(aggregate, &aggregate->by[i], &values[i]);
    }
    return KT_OK;
}

/* --- Values that stay --- */

static void hold(struct kt_ctx *ctx, struct aggregate_held *held, const msgpack_object *value)
{
    bool text = value->type == MSGPACK_OBJECT_STR, ext = value->type == MSGPACK_OBJECT_EXT;
    held->value = *value;
    if (!text && !ext)
        return;
    size_t size = text ? value->via.str.size : value->via.ext.size;
    const char *from = text ? value->via.str.ptr : value->via.ext.ptr;
    if (held->room_size < size) {
        held->room_size = size < 48 ? 48 : size * 2;
        held->room = kt_alloc(ctx, held->room_size);
    }
    if (size)
        memcpy(held->room, from, size);
    if (text)
        held->value.via.str.ptr = held->room;
    else
        held->value.via.ext.ptr = held->room;
}

/* --- Groups --- */

static uint32_t hash(const msgpack_sbuffer *key)
{
    uint32_t value = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < key->size; i++)
        value = (value ^ (uint8_t)key->data[i]) * 16777619u;
    return value;
}

static void grow(struct aggregate *aggregate)
{
    size_t count = aggregate->group_count;
    if (count & (count - 1) || (count && count < 16))
        return;
    size_t capacity = count ? count * 2 : 16;
    struct aggregate_group *wider = kt_alloc(aggregate->ctx, sizeof(*wider) * capacity);
    if (count)
        memcpy(wider, aggregate->groups, sizeof(*wider) * count);
    aggregate->groups = wider;
}

static struct aggregate_group *new_group(struct aggregate *aggregate, const msgpack_object *values)
{
    struct kt_ctx *ctx = aggregate->ctx;
    size_t measures = aggregate->measure_count;
    grow(aggregate);
    struct aggregate_group *group = &aggregate->groups[aggregate->group_count++];
    *group = (struct aggregate_group){.key_size = aggregate->key.size};
    group->key = context_copy(ctx, aggregate->key.data, aggregate->key.size);
    for (size_t i = 0; i < aggregate->by_count; i++) {
        struct aggregate_held held = {0};
        hold(ctx, &held, &values[i]);
        group->by[i] = held.value;
    }
    group->sums = kt_alloc(ctx, sizeof(*group->sums) * measures);
    group->counts = kt_alloc(ctx, sizeof(*group->counts) * measures);
    group->held = kt_alloc(ctx, sizeof(*group->held) * measures);
    return group;
}

static enum kt_status find_group(struct aggregate *aggregate, const msgpack_object *values,
                                 struct aggregate_group **out)
{
    uint32_t slot = hash(&aggregate->key) & (SLOTS - 1);
    for (; aggregate->slots[slot]; slot = (slot + 1) & (SLOTS - 1)) {
        struct aggregate_group *group = &aggregate->groups[aggregate->slots[slot] - 1];
        if (group->key_size == aggregate->key.size &&
            (group->key_size == 0 ||
             memcmp(group->key, aggregate->key.data, group->key_size) == 0)) {
            *out = group;
            return KT_OK;
        }
    }
    if (aggregate->group_count == KT_LIMIT_GROUPS)
        return kt_fail(aggregate->ctx, KT_TOO_LARGE, "by",
                       "more than %u groups: add a condition or group by less",
                       "分组超过 %u 个：请增加条件或减少分组字段", KT_LIMIT_GROUPS);
    *out = new_group(aggregate, values);
    aggregate->slots[slot] = (uint32_t)aggregate->group_count;
    return KT_OK;
}

static enum kt_status add_measure(struct aggregate *aggregate, struct aggregate_group *group,
                                  size_t which, const msgpack_object *value)
{
    const struct aggregate_measure *measure = &aggregate->measures[which];
    struct aggregate_held *held = &group->held[which];
    if (!value)
        return KT_OK;
    bool first = group->counts[which]++ == 0;
    if (measure->kind == AGGREGATE_MIN || measure->kind == AGGREGATE_MAX) {
        int order =
            first ? 0 : query_compare_values(query_path_field(&measure->path), value, &held->value);
        if (first || (measure->kind == AGGREGATE_MIN ? order < 0 : order > 0))
            hold(aggregate->ctx, held, value);
        return KT_OK;
    }
    struct kt_decimal sum = kt_decimal_add(group->sums[which], query_decimal(value));
    if (!kt_decimal_is_valid(sum))
        return kt_fail(aggregate->ctx, KT_INVALID, measure->name,
                       "the sum of %s would have more than 38 digits", "%s 之和将超过 38 位数字",
                       measure->name);
    group->sums[which] = sum;
    return KT_OK;
}

enum kt_status aggregate_add_none(struct aggregate *aggregate)
{
    struct aggregate_group *group;
    msgpack_sbuffer_clear(&aggregate->key);
    return aggregate->by_count ? KT_OK : find_group(aggregate, NULL, &group);
}

/* --- Records --- */

static enum kt_status add_one(struct aggregate *aggregate, msgpack_zone *arena,
                              const msgpack_object *record, const msgpack_object *line)
{
    struct kt_ctx *ctx = aggregate->ctx;
    const msgpack_object *measured[AGGREGATE_MEASURES] = {NULL};
    msgpack_object values[KT_GROUP_FIELDS];
    struct aggregate_group *group;
    KT_TRY(make_key(aggregate, record, line, values));
    for (size_t i = 0; i < aggregate->measure_count; i++)
        KT_TRY(value_of(ctx, &aggregate->measures[i].path, record, line, &measured[i]));
    /* What is kept is made in the request's memory, not in that of one record. */
    msgpack_zone *scratch = ctx->arena;
    size_t used = ctx->arena_used;
    ctx->arena = arena;
    enum kt_status status = find_group(aggregate, values, &group);
    if (status == KT_OK)
        group->count++;
    for (size_t i = 0; status == KT_OK && i < aggregate->measure_count; i++)
        status = add_measure(aggregate, group, i, measured[i]);
    ctx->arena = scratch;
    aggregate->kept += ctx->arena_used - used;
    return status;
}

static enum kt_status add_record(struct aggregate *aggregate, msgpack_zone *arena,
                                 struct store_slice bytes)
{
    msgpack_object record;
    KT_TRY(context_unpack(aggregate->ctx, bytes.at, bytes.size, false, &record));
    if (!aggregate->lines)
        return add_one(aggregate, arena, &record, NULL);
    const char *name = aggregate->lines->decl->name;
    for (size_t i = 0, count = kt_count(&record, name); i < count; i++)
        KT_TRY(add_one(aggregate, arena, &record, kt_at(&record, name, i)));
    return KT_OK;
}

enum kt_status aggregate_add(struct aggregate *aggregate, struct store_slice bytes)
{
    struct kt_ctx *ctx = aggregate->ctx;
    msgpack_zone *arena = ctx->arena;
    size_t used = ctx->arena_used;
    aggregate->kept = 0;
    ctx->arena = aggregate->scratch;
    enum kt_status status = add_record(aggregate, arena, bytes);
    ctx->arena = arena;
    ctx->arena_used = used + aggregate->kept;
    if (status != KT_OK)
        context_error_keep(ctx);
    msgpack_zone_clear(aggregate->scratch);
    return status == KT_OK ? context_check_memory(ctx) : status;
}
