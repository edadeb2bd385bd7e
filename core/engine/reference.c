#include "engine/reference.h"

#include <ctype.h>
#include <string.h>

#include "kontor/limits.h"

/* Where we are in the parameters: told only when something is wrong there. */
struct place {
    const struct place *above;
    const char *name; /**< Of the outermost; else NULL and one of the two below. */
    const msgpack_object *key;
    uint32_t index;
    unsigned depth;
};

static const char *tell(struct kt_ctx *ctx, const struct place *place)
{
    if (place->name || !place->above)
        return place->name;
    const char *above = tell(ctx, place->above);
    if (!place->key)
        return kt_format(ctx, "%s[%u]", above, place->index);
    if (place->key->type != MSGPACK_OBJECT_STR)
        return above;
    return kt_format(ctx, "%s.%.*s", above, (int)place->key->via.str.size, place->key->via.str.ptr);
}

bool reference_index(const char *text, size_t length, size_t *out)
{
    *out = 0;
    if (length == 0 || length > 9)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        *out = *out * 10 + (size_t)(text[i] - '0');
    }
    return true;
}

static const msgpack_object *step_into(const msgpack_object *value, const char *name, size_t length)
{
    size_t index;
    if (value->type == MSGPACK_OBJECT_ARRAY)
        return reference_index(name, length, &index) && index < value->via.array.size
                   ? &value->via.array.ptr[index]
                   : NULL;
    for (uint32_t i = 0; value->type == MSGPACK_OBJECT_MAP && i < value->via.map.size; i++) {
        const msgpack_object *key = &value->via.map.ptr[i].key;
        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == length &&
            memcmp(key->via.str.ptr, name, length) == 0)
            return &value->via.map.ptr[i].val;
    }
    return NULL;
}

/* A short text could stand for a large value many times over: what references put in is weighed.
 * False when it is too much or too deep. */
static bool weigh(const msgpack_object *value, unsigned depth, size_t *bytes)
{
    bool fits = depth <= KT_LIMIT_MESSAGE_DEPTH;
    *bytes += sizeof(*value);
    if (value->type == MSGPACK_OBJECT_STR)
        *bytes += value->via.str.size;
    else if (value->type == MSGPACK_OBJECT_BIN)
        *bytes += value->via.bin.size;
    else if (value->type == MSGPACK_OBJECT_ARRAY)
        for (uint32_t i = 0; fits && i < value->via.array.size; i++)
            fits = weigh(&value->via.array.ptr[i], depth + 1, bytes);
    else if (value->type == MSGPACK_OBJECT_MAP)
        for (uint32_t i = 0; fits && i < value->via.map.size; i++)
            fits = weigh(&value->via.map.ptr[i].key, depth + 1, bytes) &&
                   weigh(&value->via.map.ptr[i].val, depth + 1, bytes);
    return fits && *bytes <= KT_LIMIT_MESSAGE_BYTES;
}

static enum kt_status follow(struct kt_ctx *ctx, struct reference_scope *scope,
                             const struct place *place, const msgpack_object *path,
                             msgpack_object *out)
{
    if (path->type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, tell(ctx, place),
                       "$ takes a text such as \"0.id\": an earlier operation and a path into its "
                       "answer",
                       "$ 的值应为文本，例如 \"0.id\"：先前操作及其应答中的路径");
    const char *at = path->via.str.ptr, *end = at + path->via.str.size;
    const char *dot = path->via.str.size ? memchr(at, '.', path->via.str.size) : NULL;
    const msgpack_object *value;
    KT_TRY(scope->find(ctx, scope->argument, at, (size_t)((dot ? dot : end) - at), &value));
    if (!value)
        return kt_fail(ctx, KT_INVALID, tell(ctx, place),
                       "\"%s\" does not begin with the index or name of an earlier operation",
                       "“%s”并非以先前操作的序号或名称开头",
                       context_quote(ctx, path->via.str.ptr, path->via.str.size));
    while (dot) {
        at = dot + 1;
        dot = memchr(at, '.', (size_t)(end - at));
        value = step_into(value, at, (size_t)((dot ? dot : end) - at));
        if (!value)
            return kt_fail(ctx, KT_INVALID, tell(ctx, place),
                           "\"%s\" leads nowhere: the answer has no %s", "“%s”无效：应答中没有 %s",
                           context_quote(ctx, path->via.str.ptr, path->via.str.size),
                           context_quote(ctx, at, (size_t)((dot ? dot : end) - at)));
    }
    if (!weigh(value, place->depth, &scope->put_bytes))
        return kt_fail(ctx, KT_TOO_LARGE, tell(ctx, place),
                       "references put more than %u bytes into the operation, or nest too deeply",
                       "引用放入操作的内容超过 %u 字节，或嵌套过深", KT_LIMIT_MESSAGE_BYTES);
    *out = *value;
    return KT_OK;
}

static const msgpack_object *reference_path(const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_MAP || value->via.map.size != 1)
        return NULL;
    const msgpack_object *key = &value->via.map.ptr[0].key;
    bool is =
        key->type == MSGPACK_OBJECT_STR && key->via.str.size == 1 && key->via.str.ptr[0] == '$';
    return is ? &value->via.map.ptr[0].val : NULL;
}

static enum kt_status resolve(struct kt_ctx *ctx, struct reference_scope *scope,
                              const struct place *place, const msgpack_object *value,
                              msgpack_object *out)
{
    struct place below = {.above = place, .depth = place->depth + 1};
    const msgpack_object *path = reference_path(value);
    *out = *value;
    if (path)
        return follow(ctx, scope, place, path, out);
    if (place->depth > KT_LIMIT_MESSAGE_DEPTH)
        return kt_fail(ctx, KT_TOO_LARGE, tell(ctx, place), "values nest too deeply", "嵌套过深");
    if (value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size) {
        out->via.array.ptr = kt_alloc(ctx, sizeof(*value) * value->via.array.size);
        for (below.index = 0; below.index < value->via.array.size; below.index++)
            KT_TRY(resolve(ctx, scope, &below, &value->via.array.ptr[below.index],
                           &out->via.array.ptr[below.index]));
    }
    if (value->type == MSGPACK_OBJECT_MAP && value->via.map.size) {
        out->via.map.ptr = kt_alloc(ctx, sizeof(*out->via.map.ptr) * value->via.map.size);
        for (uint32_t i = 0; i < value->via.map.size; i++) {
            out->via.map.ptr[i].key = value->via.map.ptr[i].key;
            below.key = &value->via.map.ptr[i].key;
            KT_TRY(
                resolve(ctx, scope, &below, &value->via.map.ptr[i].val, &out->via.map.ptr[i].val));
        }
    }
    return KT_OK;
}

enum kt_status reference_resolve(struct kt_ctx *ctx, struct reference_scope *scope,
                                 const char *place, const msgpack_object *value,
                                 msgpack_object *out)
{
    const struct place top = {.name = place, .depth = 3}; /* params, ops, the operation. */
    return resolve(ctx, scope, &top, value, out);
}
