/* Does a record satisfy the conditions? Empty fields equal nil only; they are neither above nor
 * below anything, and differ from every value. A condition on lines holds when some line satisfies
 * it. */
#include <string.h>
#include <strings.h>

#include "record/query.h"

static const msgpack_object not_archived = {.type = MSGPACK_OBJECT_BOOLEAN};

bool query_sees(const struct record_query *query, struct store_slice bytes)
{
    return query->archived == QUERY_ALL ||
           record_is_archived(bytes) == (query->archived == QUERY_ARCHIVED);
}

enum kt_status query_value(struct kt_ctx *ctx, const struct query_path *path,
                           const msgpack_object *record, const msgpack_object **out)
{
    *out = NULL;
    for (size_t i = 0; i < path->hop_count; i++) {
        uint64_t id = kt_get_id(record, path->hops[i]->decl->name);
        if (!id)
            return KT_OK;
        KT_TRY(record_load(ctx, path->hops[i]->target, id, &record));
    }
    *out = kt_get(record, path->own ? path->own : path->field->decl->name);
    if (!*out && path->own) /* Only `archived` can be absent, and means no. */
        *out = &not_archived;
    return KT_OK;
}

static int compare_texts(const msgpack_object *a, const msgpack_object *b)
{
    uint32_t shorter = a->via.str.size < b->via.str.size ? a->via.str.size : b->via.str.size;
    int order = memcmp(a->via.str.ptr, b->via.str.ptr, shorter);
    return order ? order
                 : (a->via.str.size > b->via.str.size) - (a->via.str.size < b->via.str.size);
}

static int sign_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Both are of the field's type. */
struct kt_decimal query_decimal(const msgpack_object *value)
{
    struct kt_decimal out = kt_decimal_invalid();
    if (value->type == MSGPACK_OBJECT_STR)
        kt_decimal_parse(value->via.str.ptr, value->via.str.size, &out);
    else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
             value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        out = kt_decimal_from_int(value->via.i64);
    return out;
}

int query_compare_values(const struct schema_field *field, const msgpack_object *a,
                         const msgpack_object *b)
{
    struct kt_decimal left, right;
    kt_instant_us from, to;
    if (a->type == MSGPACK_OBJECT_STR && b->type == MSGPACK_OBJECT_STR) {
        bool decimal = field && (field->decl->type == KT_DECIMAL || field->decl->type == KT_MONEY ||
                                 field->decl->type == KT_QUANTITY);
        if (decimal && kt_decimal_parse(a->via.str.ptr, a->via.str.size, &left) &&
            kt_decimal_parse(b->via.str.ptr, b->via.str.size, &right))
            return kt_decimal_compare(left, right);
        return compare_texts(a, b);
    }
    if (a->type == MSGPACK_OBJECT_BOOLEAN && b->type == MSGPACK_OBJECT_BOOLEAN)
        return (int)a->via.boolean - (int)b->via.boolean;
    if (context_instant_of(a, &from) && context_instant_of(b, &to))
        return sign_of(from, to);
    return sign_of(a->via.i64, b->via.i64);
}

/* Like: '%' stands for anything; a pattern without it matches anywhere. ASCII letters match in
 * either case. */
static bool like(const msgpack_object *value, const msgpack_object *pattern)
{
    const char *text = value->via.str.ptr, *end = text + value->via.str.size;
    const char *part = pattern->via.str.ptr, *stop = part + pattern->via.str.size;
    bool anchored = memchr(part, '%', pattern->via.str.size) != NULL;
    while (part < stop) {
        const char *next = memchr(part, '%', (size_t)(stop - part));
        size_t length = (size_t)((next ? next : stop) - part);
        if (anchored && !next) { /* The last piece must end the text. */
            return (size_t)(end - text) >= length && strncasecmp(end - length, part, length) == 0;
        }
        bool first = anchored && part == pattern->via.str.ptr;
        while ((size_t)(end - text) >= length && strncasecmp(text, part, length) != 0) {
            if (first)
                return false;
            text++;
        }
        if ((size_t)(end - text) < length)
            return false;
        text += length;
        part = next ? next + 1 : stop;
    }
    return true;
}

static bool holds(const struct query_node *term, const msgpack_object *value)
{
    const struct schema_field *field = term->path.line ? term->path.line : term->path.field;
    bool nil = term->value.type == MSGPACK_OBJECT_NIL;
    if (term->op == QUERY_IN) {
        for (uint32_t i = 0; i < term->value.via.array.size; i++) {
            const msgpack_object *option = &term->value.via.array.ptr[i];
            if (option->type == MSGPACK_OBJECT_NIL
                    ? !value
                    : value && !query_compare_values(field, value, option))
                return true;
        }
        return false;
    }
    if (!value || nil) {
        bool equal = !value && nil;
        return term->op == QUERY_EQ ? equal : term->op == QUERY_NE && !equal;
    }
    if (term->op == QUERY_LIKE)
        return value->type == MSGPACK_OBJECT_STR && like(value, &term->value);
    int order = query_compare_values(field, value, &term->value);
    switch (term->op) {
    case QUERY_EQ:
        return order == 0;
    case QUERY_NE:
        return order != 0;
    case QUERY_LT:
        return order < 0;
    case QUERY_LE:
        return order <= 0;
    case QUERY_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool some_holds(const struct query_node *term, const msgpack_object *list)
{
    size_t count = list && list->type == MSGPACK_OBJECT_ARRAY ? list->via.array.size : 0;
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *item = &list->via.array.ptr[i];
        if (holds(term, term->path.line ? kt_get(item, term->path.line->decl->name) : item))
            return true;
    }
    return count == 0 && holds(term, NULL);
}

/* NOLINTNEXTLINE(misc-no-recursion): depth was limited at compile. */
enum kt_status query_matches(struct kt_ctx *ctx, const struct query_node *node,
                             const msgpack_object *record, bool *out)
{
    if (node->kind == QUERY_TERM) {
        const msgpack_object *value;
        KT_TRY(query_value(ctx, &node->path, record, &value));
        bool many = node->path.line || (node->path.field && schema_field_is_list(node->path.field));
        *out = many ? some_holds(node, value) : holds(node, value);
        return KT_OK;
    }
    bool any = false, all = true;
    for (size_t i = 0; i < node->child_count; i++) {
        bool one;
        KT_TRY(query_matches(ctx, &node->children[i], record, &one));
        any = any || one;
        all = all && one;
        if ((node->kind == QUERY_AND && !one) || (node->kind == QUERY_OR && one))
            break;
    }
    *out = node->kind == QUERY_OR ? any : node->kind == QUERY_AND ? all : !all;
    return KT_OK;
}
