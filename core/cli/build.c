#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

void *build_memory(msgpack_zone *zone, size_t size)
{
    void *memory = msgpack_zone_malloc(zone, size);
    if (!memory) {
        fputs("kontor: out of memory\n", stderr);
        exit(CLI_REFUSED);
    }
    return memory;
}

msgpack_object build_nil(void)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_NIL};
}

msgpack_object build_bool(bool value)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_BOOLEAN, .via = {.boolean = value}};
}

msgpack_object build_int(int64_t value)
{
    if (value < 0)
        return (msgpack_object){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via = {.i64 = value}};
    return (msgpack_object){.type = MSGPACK_OBJECT_POSITIVE_INTEGER,
                            .via = {.u64 = (uint64_t)value}};
}

msgpack_object build_text_of(const char *text, size_t length)
{
    return (msgpack_object){.type = MSGPACK_OBJECT_STR,
                            .via = {.str = {.ptr = text, .size = (uint32_t)length}}};
}

msgpack_object build_text(const char *text)
{
    return build_text_of(text, strlen(text));
}

struct build_map build_map(msgpack_zone *zone)
{
    return (struct build_map){.object = {.type = MSGPACK_OBJECT_MAP}, .zone = zone};
}

void build_set_of(struct build_map *map, msgpack_object name, msgpack_object value)
{
    msgpack_object_map *pairs = &map->object.via.map;
    if (pairs->size == map->capacity) {
        uint32_t capacity = map->capacity ? map->capacity * 2 : 8;
        msgpack_object_kv *grown = build_memory(map->zone, capacity * sizeof *grown);
        if (pairs->size > 0)
            memcpy(grown, pairs->ptr, pairs->size * sizeof *grown);
        pairs->ptr = grown;
        map->capacity = capacity;
    }
    pairs->ptr[pairs->size++] = (msgpack_object_kv){.key = name, .val = value};
}

void build_set(struct build_map *map, const char *name, msgpack_object value)
{
    build_set_of(map, build_text(name), value);
}

void build_set_as_of(struct build_map *map, const char *word)
{
    if (!word)
        return;
    size_t digits = strspn(word, "0123456789");
    bool number = digits > 0 && digits < 19 && word[digits] == '\0';
    build_set(map, "as_of", number ? build_int(strtoll(word, NULL, 10)) : build_text(word));
}

msgpack_object build_array(msgpack_zone *zone, uint32_t count)
{
    msgpack_object array = {.type = MSGPACK_OBJECT_ARRAY, .via = {.array = {.size = count}}};
    if (count > 0)
        array.via.array.ptr = build_memory(zone, count * sizeof(msgpack_object));
    for (uint32_t i = 0; i < count; i++)
        array.via.array.ptr[i] = build_nil();
    return array;
}

bool object_is(const msgpack_object *value, const char *text)
{
    size_t length = strlen(text);
    return value->type == MSGPACK_OBJECT_STR && value->via.str.size == length &&
           memcmp(value->via.str.ptr, text, length) == 0;
}

const msgpack_object *object_get(const msgpack_object *map, const char *name)
{
    if (!map || map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (object_is(&pair->key, name))
            return pair->val.type == MSGPACK_OBJECT_NIL ? NULL : &pair->val;
    }
    return NULL;
}

int64_t object_int(const msgpack_object *map, const char *name)
{
    const msgpack_object *value = object_get(map, name);
    if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX)
        return (int64_t)value->via.u64;
    if (value && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return value->via.i64;
    return 0;
}
