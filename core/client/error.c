#include "client/error.h"

#include <string.h>

static const msgpack_object *find(const msgpack_object *map, const char *name)
{
    size_t length = strlen(name);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *key = &map->via.map.ptr[i].key;
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == length &&
            memcmp(key->via.str.ptr, name, length) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static const char *text_of(const msgpack_object *value, msgpack_zone *zone, const char *otherwise)
{
    if (!value || value->type != MSGPACK_OBJECT_STR)
        return otherwise;
    char *copy = zone ? msgpack_zone_malloc(zone, (size_t)value->via.str.size + 1) : NULL;
    if (!copy)
        return otherwise;
    memcpy(copy, value->via.str.ptr, value->via.str.size);
    copy[value->via.str.size] = '\0';
    return copy;
}

void error_read(const msgpack_object *map, msgpack_zone *zone, struct client_error *out)
{
    *out = (struct client_error){.code = "internal",
                                 .message = "the server refused without saying why",
                                 .message_zh = "服务器拒绝了请求，但未说明原因",
                                 .entity = "",
                                 .field = "",
                                 .rule = ""};
    if (map->type == MSGPACK_OBJECT_STR) {
        out->message = out->message_zh = text_of(map, zone, out->message);
        return;
    }
    if (map->type != MSGPACK_OBJECT_MAP)
        return;
    const char *message = text_of(find(map, "message"), zone, NULL);
    if (message)
        out->message = out->message_zh = message;
    out->message_zh = text_of(find(map, "message_zh"), zone, out->message_zh);
    out->code = text_of(find(map, "code"), zone, out->code);
    out->entity = text_of(find(map, "entity"), zone, "");
    out->field = text_of(find(map, "field"), zone, "");
    out->rule = text_of(find(map, "rule"), zone, "");
    out->details = find(map, "details");
    if (out->details && out->details->type == MSGPACK_OBJECT_NIL)
        out->details = NULL;
}
