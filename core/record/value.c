/* Values in the request's arena (include/kontor/value.h). Maps are small, so they are arrays of
 * pairs searched from the front. */
#include "kontor/value.h"

#include <string.h>

#include "record/context.h"

#define MICROSECONDS 1000000

msgpack_object kt_nil(void)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
}

msgpack_object kt_bool(bool value)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via.boolean = value};
}

msgpack_object kt_int(int64_t value)
{
    if (value >= 0)
        return kt_id((uint64_t)value);
    return (msgpack_object){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = value};
}

msgpack_object kt_id(uint64_t id)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = id};
}

msgpack_object kt_text_of(const char *text, size_t length)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_STR,
                            .via.str = {.size = (uint32_t)length, .ptr = text}};
}

msgpack_object kt_text(const char *text)
{
    return kt_text_of(text, strlen(text));
}

msgpack_object kt_decimal_value(struct kt_ctx *ctx, struct kt_decimal value)
{
    char text[KT_DECIMAL_TEXT_SIZE];
    size_t length = kt_decimal_format(value, text);
    return kt_text_of(context_copy(ctx, text, length), length);
}

msgpack_object kt_date_value(struct kt_ctx *ctx, kt_date date)
{
    char text[KT_DATE_TEXT_SIZE];
    size_t length = kt_date_format(date, text);
    return kt_text_of(context_copy(ctx, text, length), length);
}

/* The timestamp extension (type -1): 32, 64 or 96 bits as the msgpack specification lays them out.
 * We always write the 96-bit form's shortest sibling that holds the value. */
msgpack_object kt_instant_value(struct kt_ctx *ctx, kt_instant_us at)
{
    int64_t seconds = at / MICROSECONDS;
    int64_t rest = at % MICROSECONDS;
    if (rest < 0) {
        rest += MICROSECONDS;
        seconds--;
    }
    uint32_t nanoseconds = (uint32_t)(rest * 1000);
    uint8_t bytes[12];
    uint32_t size;
    if (seconds >= 0 && seconds < (INT64_C(1) << 34)) {
        uint64_t both = ((uint64_t)nanoseconds << 34) | (uint64_t)seconds;
        size = 8;
        for (int i = 0; i < 8; i++)
            bytes[i] = (uint8_t)(both >> (56 - 8 * i));
    } else {
        size = 12;
        for (int i = 0; i < 4; i++)
            bytes[i] = (uint8_t)(nanoseconds >> (24 - 8 * i));
        for (int i = 0; i < 8; i++)
            bytes[4 + i] = (uint8_t)((uint64_t)seconds >> (56 - 8 * i));
    }
    return (msgpack_object){
        .type = MSGPACK_OBJECT_EXT,
        .via.ext = {.type = -1, .size = size, .ptr = context_copy(ctx, bytes, size)}};
}

bool context_instant_of(const msgpack_object *value, kt_instant_us *out)
{
    if (!value || value->type != MSGPACK_OBJECT_EXT || value->via.ext.type != -1)
        return false;
    const uint8_t *bytes = (const uint8_t *)value->via.ext.ptr;
    uint32_t size = value->via.ext.size;
    uint64_t number = 0;
    uint64_t nanoseconds = 0;
    int64_t seconds;
    if (size == 4 || size == 8) {
        for (uint32_t i = 0; i < size; i++)
            number = number << 8 | bytes[i];
        nanoseconds = size == 8 ? number >> 34 : 0;
        seconds = (int64_t)(size == 8 ? number & ((UINT64_C(1) << 34) - 1) : number);
    } else if (size == 12) {
        for (uint32_t i = 0; i < 4; i++)
            nanoseconds = nanoseconds << 8 | bytes[i];
        for (uint32_t i = 4; i < 12; i++)
            number = number << 8 | bytes[i];
        seconds = (int64_t)number;
    } else {
        return false;
    }
    const int64_t most = INT64_MAX / MICROSECONDS - 1;
    if (nanoseconds > 999999999 || seconds > most || seconds < -most)
        return false;
    *out = seconds * MICROSECONDS + (int64_t)(nanoseconds / 1000);
    return true;
}

/* --- Build --- */

struct kt_map *kt_map_new(struct kt_ctx *ctx)
{
    struct kt_map *map = kt_alloc(ctx, sizeof(*map));
    map->ctx = ctx;
    map->object.type = MSGPACK_OBJECT_MAP;
    return map;
}

static void map_reserve(struct kt_map *map, uint32_t capacity)
{
    if (capacity <= map->capacity)
        return;
    uint32_t grown = map->capacity ? map->capacity * 2 : 16;
    if (grown < capacity)
        grown = capacity;
    msgpack_object_kv *pairs = kt_alloc(map->ctx, sizeof(*pairs) * grown);
    if (map->object.via.map.size)
        memcpy(pairs, map->object.via.map.ptr, sizeof(*pairs) * map->object.via.map.size);
    map->object.via.map.ptr = pairs;
    map->capacity = grown;
}

struct kt_map *kt_map_copy(struct kt_ctx *ctx, const msgpack_object *source)
{
    struct kt_map *map = kt_map_new(ctx);
    if (!source || source->type != MSGPACK_OBJECT_MAP || source->via.map.size == 0)
        return map;
    map_reserve(map, source->via.map.size + 4);
    memcpy(map->object.via.map.ptr, source->via.map.ptr,
           sizeof(msgpack_object_kv) * source->via.map.size);
    map->object.via.map.size = source->via.map.size;
    return map;
}

/* Asked more often than anything else: what differs is told apart before memcmp is called. */
static msgpack_object_kv *find_pair(const msgpack_object *map, const char *name, size_t length)
{
    if (!map || map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.via.str.size == length && pair->key.type == MSGPACK_OBJECT_STR &&
            (!length || *pair->key.via.str.ptr == *name) &&
            memcmp(pair->key.via.str.ptr, name, length) == 0)
            return pair;
    }
    return NULL;
}

void kt_map_set(struct kt_map *map, const char *name, msgpack_object value)
{
    size_t length = strlen(name);
    msgpack_object_kv *pair = find_pair(&map->object, name, length);
    if (!pair) {
        map_reserve(map, map->object.via.map.size + 1);
        pair = &map->object.via.map.ptr[map->object.via.map.size++];
        pair->key = kt_text_of(name, length);
    }
    pair->val = value;
}

void kt_map_set_text(struct kt_map *map, const char *name, const char *text)
{
    kt_map_set(map, name, kt_text(text));
}

void kt_map_set_int(struct kt_map *map, const char *name, int64_t value)
{
    kt_map_set(map, name, kt_int(value));
}

void kt_map_set_id(struct kt_map *map, const char *name, uint64_t id)
{
    kt_map_set(map, name, id ? kt_id(id) : kt_nil());
}

void kt_map_set_bool(struct kt_map *map, const char *name, bool value)
{
    kt_map_set(map, name, kt_bool(value));
}

void kt_map_set_decimal(struct kt_map *map, const char *name, struct kt_decimal value)
{
    kt_map_set(map, name, kt_decimal_value(map->ctx, value));
}

void kt_map_set_date(struct kt_map *map, const char *name, kt_date date)
{
    kt_map_set(map, name, kt_date_value(map->ctx, date));
}

void kt_map_remove(struct kt_map *map, const char *name)
{
    msgpack_object_kv *pair = find_pair(&map->object, name, strlen(name));
    if (!pair)
        return;
    msgpack_object_kv *last = &map->object.via.map.ptr[map->object.via.map.size - 1];
    memmove(pair, pair + 1, (size_t)((char *)last - (char *)pair));
    map->object.via.map.size--;
}

struct kt_list *kt_list_new(struct kt_ctx *ctx)
{
    struct kt_list *list = kt_alloc(ctx, sizeof(*list));
    list->ctx = ctx;
    list->object.type = MSGPACK_OBJECT_ARRAY;
    return list;
}

void kt_list_add(struct kt_list *list, msgpack_object value)
{
    msgpack_object_array *array = &list->object.via.array;
    if (array->size == list->capacity) {
        uint32_t grown = list->capacity ? list->capacity * 2 : 16;
        msgpack_object *items = kt_alloc(list->ctx, sizeof(*items) * grown);
        if (array->size)
            memcpy(items, array->ptr, sizeof(*items) * array->size);
        array->ptr = items;
        list->capacity = grown;
    }
    array->ptr[array->size++] = value;
}

/* --- Read --- */

const msgpack_object *kt_get(const msgpack_object *map, const char *name)
{
    const msgpack_object_kv *pair = find_pair(map, name, strlen(name));
    return pair && pair->val.type != MSGPACK_OBJECT_NIL ? &pair->val : NULL;
}

bool kt_has(const msgpack_object *map, const char *name)
{
    return kt_get(map, name) != NULL;
}

const char *kt_get_text(struct kt_ctx *ctx, const msgpack_object *map, const char *name)
{
    const msgpack_object *value = kt_get(map, name);
    if (!value || value->type != MSGPACK_OBJECT_STR || value->via.str.size == 0)
        return "";
    char *text = kt_alloc(ctx, value->via.str.size + 1u);
    memcpy(text, value->via.str.ptr, value->via.str.size);
    return text;
}

bool kt_is(const msgpack_object *map, const char *name, const char *text)
{
    const msgpack_object *value = kt_get(map, name);
    size_t length = strlen(text);
    return value && value->type == MSGPACK_OBJECT_STR && value->via.str.size == length &&
           memcmp(value->via.str.ptr, text, length) == 0;
}

int64_t kt_get_int(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = kt_get(map, name);
    if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX)
        return (int64_t)value->via.u64;
    return value && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? value->via.i64 : 0;
}

uint64_t kt_get_id(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = kt_get(map, name);
    return value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? value->via.u64 : 0;
}

bool kt_get_bool(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = kt_get(map, name);
    return value && value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
}

struct kt_decimal kt_get_decimal(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = kt_get(map, name);
    struct kt_decimal out = kt_decimal_invalid();
    if (!value)
        return KT_DECIMAL_ZERO;
    if (value->type == MSGPACK_OBJECT_STR)
        kt_decimal_parse(value->via.str.ptr, value->via.str.size, &out);
    else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
             value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        out = kt_decimal_from_int(kt_get_int(map, name));
    return out;
}

bool kt_get_date(const msgpack_object *map, const char *name, kt_date *out)
{
    const msgpack_object *value = kt_get(map, name);
    return value && value->type == MSGPACK_OBJECT_STR &&
           kt_date_parse(value->via.str.ptr, value->via.str.size, out);
}

bool kt_get_instant(const msgpack_object *map, const char *name, kt_instant_us *out)
{
    return context_instant_of(kt_get(map, name), out);
}

size_t kt_count(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = kt_get(map, name);
    return value && value->type == MSGPACK_OBJECT_ARRAY ? value->via.array.size : 0;
}

const msgpack_object *kt_at(const msgpack_object *map, const char *name, size_t index)
{
    return index < kt_count(map, name) ? &kt_get(map, name)->via.array.ptr[index] : NULL;
}

const msgpack_object *kt_line(const msgpack_object *map, const char *name, uint64_t id)
{
    for (size_t i = 0; id && i < kt_count(map, name); i++)
        if (kt_get_id(kt_at(map, name, i), "id") == id)
            return kt_at(map, name, i);
    return NULL;
}

/* What was not changed is mostly not even copied: the same memory needs no look. */
static bool equal_within(const msgpack_object *a, const msgpack_object *b, int depth)
{
    if (a->type != b->type || depth > 64)
        return false;
    if (a->type == MSGPACK_OBJECT_ARRAY) {
        if (a->via.array.size != b->via.array.size)
            return false;
        if (a->via.array.ptr == b->via.array.ptr)
            return true;
        for (uint32_t i = 0; i < a->via.array.size; i++)
            if (!equal_within(&a->via.array.ptr[i], &b->via.array.ptr[i], depth + 1))
                return false;
        return true;
    }
    if (a->type != MSGPACK_OBJECT_MAP)
        return msgpack_object_equal(*a, *b);
    if (a->via.map.size != b->via.map.size)
        return false;
    if (a->via.map.ptr == b->via.map.ptr)
        return true;
    for (uint32_t i = 0; i < a->via.map.size; i++) {
        const msgpack_object_kv *pair = &a->via.map.ptr[i];
        if (pair->key.type != MSGPACK_OBJECT_STR)
            return false;
        const msgpack_object_kv *other =
            find_pair(b, pair->key.via.str.ptr, pair->key.via.str.size);
        if (!other || !equal_within(&pair->val, &other->val, depth + 1))
            return false;
    }
    return true;
}

bool kt_equal(const msgpack_object *a, const msgpack_object *b)
{
    if (!a || !b)
        return a == b;
    return equal_within(a, b, 0);
}
