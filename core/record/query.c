/* From what was asked ("where", "order") to a compiled search. */
#include "record/query.h"

#include <string.h>

#include "kontor/limits.h"

struct compiler {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    size_t terms;
};

static enum kt_status unknown_field(struct compiler *compiler, const char *name)
{
    return kt_fail(compiler->ctx, KT_INVALID, name, "%s has no field %s", "%s 没有字段 %s",
                   compiler->entity->name, name);
}

static enum kt_status compile_path(struct compiler *compiler, const char *name,
                                   struct query_path *out)
{
    const struct schema_entity *entity = compiler->entity;
    const char *part = name;
    *out = (struct query_path){0};
    for (;;) {
        const char *dot = strchr(part, '.');
        size_t length = dot ? (size_t)(dot - part) : strlen(part);
        if (!dot && (strcmp(part, "id") == 0 || strcmp(part, "version") == 0)) {
            out->own = part[0] == 'i' ? "id" : "version";
            return KT_OK;
        }
        const struct schema_field *field = schema_field(entity, part, length);
        if (!field)
            return unknown_field(compiler, name);
        if (!dot) {
            out->field = field;
            return KT_OK;
        }
        if (field->decl->type == KT_LINES) {
            out->field = field;
            out->line = schema_line_field(field, dot + 1, strlen(dot + 1));
            return out->line ? KT_OK : unknown_field(compiler, name);
        }
        if (field->decl->type != KT_REF || !field->target || !field->target->enabled ||
            out->hop_count == QUERY_HOPS)
            return unknown_field(compiler, name);
        out->hops[out->hop_count++] = field;
        entity = field->target;
        part = dot + 1;
    }
}

static bool find_op(const char *text, enum query_op *out)
{
    static const char *const words[] = {"=", "!=", "<", "<=", ">", ">=", "in", "like"};
    for (size_t i = 0; i < KT_COUNT(words); i++)
        if (strcmp(text, words[i]) == 0) {
            *out = (enum query_op)i;
            return true;
        }
    return false;
}

/* A searched value has the field's type but need not be valid to store: an unknown id or a negative
 * amount just matches nothing. */
static enum kt_status compile_value(struct compiler *compiler, const struct query_path *path,
                                    const char *name, const msgpack_object *given,
                                    msgpack_object *out)
{
    const struct schema_field *field = path->line ? path->line : path->field;
    *out = *given;
    if (given->type == MSGPACK_OBJECT_NIL)
        return KT_OK;
    if (!field || field->decl->type == KT_REF || field->decl->type == KT_INT) {
        if ((given->type == MSGPACK_OBJECT_POSITIVE_INTEGER && given->via.u64 <= INT64_MAX) ||
            given->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
            return KT_OK;
        return kt_fail(compiler->ctx, KT_INVALID, name, "%s is compared with whole numbers",
                       "%s 须与整数比较", name);
    }
    if (field->decl->type == KT_LINES || field->decl->type == KT_JSON)
        return kt_fail(compiler->ctx, KT_INVALID, name, "%s cannot be searched", "%s 不可搜索",
                       name);
    if (field->decl->type == KT_TAGS || field->decl->type == KT_ENUM ||
        field->decl->type == KT_STATE || field->decl->type == KT_TEXT) {
        if (given->type == MSGPACK_OBJECT_STR)
            return KT_OK;
        return kt_fail(compiler->ctx, KT_INVALID, name, "%s is compared with text",
                       "%s 须与文本比较", name);
    }
    struct kt_field plain = *field->decl;
    struct schema_field loose = *field;
    plain.flags = 0;
    loose.decl = &plain;
    loose.digits = KT_DECIMAL_SCALE_MAX;
    return record_check_value(compiler->ctx, &loose, name, given, out);
}

static enum kt_status compile_term(struct compiler *compiler, const msgpack_object *term,
                                   struct query_node *node)
{
    struct kt_ctx *ctx = compiler->ctx;
    const msgpack_object *parts = term->via.array.ptr;
    if (++compiler->terms > KT_LIMIT_WHERE_TERMS)
        return kt_fail(ctx, KT_TOO_LARGE, "where", "more than %u conditions", "条件超过 %u 个",
                       KT_LIMIT_WHERE_TERMS);
    if (term->via.array.size != 3 || parts[0].type != MSGPACK_OBJECT_STR ||
        parts[1].type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, "where", "a condition is [\"field\", \"op\", value]",
                       "条件应为 [\"字段\", \"运算符\", 值]");
    const char *name = kt_format(ctx, "%.*s", (int)parts[0].via.str.size, parts[0].via.str.ptr);
    const char *op = kt_format(ctx, "%.*s", (int)parts[1].via.str.size, parts[1].via.str.ptr);
    node->kind = QUERY_TERM;
    if (!find_op(op, &node->op))
        return kt_fail(ctx, KT_INVALID, "where", "unknown operator %s; use = != < <= > >= in like",
                       "未知运算符 %s；可用 = != < <= > >= in like", op);
    KT_TRY(compile_path(compiler, name, &node->path));
    const struct schema_field *last = node->path.line ? node->path.line : node->path.field;
    if (node->op == QUERY_LIKE && (!last || parts[2].type != MSGPACK_OBJECT_STR))
        return kt_fail(ctx, KT_INVALID, name, "like compares text", "like 仅用于文本");
    if (node->op == QUERY_LIKE) {
        node->value = parts[2];
        return KT_OK;
    }
    if (node->op != QUERY_IN)
        return compile_value(compiler, &node->path, name, &parts[2], &node->value);
    if (parts[2].type != MSGPACK_OBJECT_ARRAY || parts[2].via.array.size > KT_LIMIT_PAGE)
        return kt_fail(ctx, KT_INVALID, name, "in needs a list of at most %u values",
                       "in 需要最多 %u 个值的列表", KT_LIMIT_PAGE);
    struct kt_list *values = kt_list_new(ctx);
    for (uint32_t i = 0; i < parts[2].via.array.size; i++) {
        msgpack_object value;
        KT_TRY(compile_value(compiler, &node->path, name, &parts[2].via.array.ptr[i], &value));
        kt_list_add(values, value);
    }
    node->value = values->object;
    return KT_OK;
}

static bool is_word(const msgpack_object *list, const char *word)
{
    const msgpack_object *first = list->via.array.ptr;
    return list->via.array.size && first->type == MSGPACK_OBJECT_STR &&
           first->via.str.size == strlen(word) &&
           memcmp(first->via.str.ptr, word, first->via.str.size) == 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is limited. */
static enum kt_status compile_list(struct compiler *compiler, const msgpack_object *list,
                                   uint32_t from, unsigned depth, struct query_node *node)
{
    struct kt_ctx *ctx = compiler->ctx;
    if (depth > KT_LIMIT_WHERE_DEPTH)
        return kt_fail(ctx, KT_TOO_LARGE, "where", "conditions nest deeper than %u",
                       "条件嵌套超过 %u 层", KT_LIMIT_WHERE_DEPTH);
    node->child_count = list->via.array.size - from;
    node->children = kt_alloc(ctx, sizeof(*node->children) * node->child_count);
    for (size_t i = 0; i < node->child_count; i++) {
        const msgpack_object *item = &list->via.array.ptr[from + i];
        struct query_node *child = &node->children[i];
        if (item->type != MSGPACK_OBJECT_ARRAY)
            return kt_fail(ctx, KT_INVALID, "where", "where is a list of conditions",
                           "where 应为条件列表");
        child->kind = is_word(item, "or") ? QUERY_OR : is_word(item, "not") ? QUERY_NOT : QUERY_AND;
        if (child->kind != QUERY_AND || is_word(item, "and"))
            KT_TRY(compile_list(compiler, item, 1, depth + 1, child));
        else
            KT_TRY(compile_term(compiler, item, child));
    }
    return KT_OK;
}

enum kt_status record_query_compile(struct kt_ctx *ctx, const struct schema_entity *entity,
                                    const msgpack_object *where, const char *order,
                                    struct record_query **out)
{
    struct compiler compiler = {.ctx = ctx, .entity = entity};
    struct record_query *query = kt_alloc(ctx, sizeof(*query));
    query->entity = entity;
    if (where && where->type == MSGPACK_OBJECT_ARRAY)
        KT_TRY(compile_list(&compiler, where, 0, 0, &query->root));
    else if (where)
        return kt_fail(ctx, KT_INVALID, "where", "where is a list of conditions",
                       "where 应为条件列表");
    if (order && *order) {
        query->descending = *order == '-';
        KT_TRY(compile_path(&compiler, order + query->descending, &query->order));
        const struct schema_field *field = query->order.field;
        if (query->order.line ||
            (field && (field->decl->type == KT_LINES || field->decl->type == KT_TAGS ||
                       field->decl->type == KT_JSON)))
            return kt_fail(ctx, KT_INVALID, "order", "cannot order by %s", "不能按 %s 排序",
                           order + query->descending);
        query->ordered =
            !query->order.own || strcmp(query->order.own, "id") != 0 || query->order.hop_count;
    }
    query_plan(query);
    *out = query;
    return KT_OK;
}
