/* From what was asked ("where", "order") to a compiled search. */
#include "record/query.h"

#include <string.h>

#include "kontor/limits.h"

struct compiler {
    struct kt_ctx *ctx;
    const struct record_question *asked;
    size_t terms;
    size_t nodes;        /**< Terms and lists of terms. */
    bool names_archived; /**< Then they decide about archived records themselves. */
};

/* --- Paths --- */

const struct schema_field *query_path_field(const struct query_path *path)
{
    return path->line ? path->line : path->field;
}

bool query_path_is_id(const struct query_path *path)
{
    return !path->hop_count && path->own && path->own[0] == 'i';
}

bool query_path_equal(const struct query_path *a, const struct query_path *b)
{
    if (a->hop_count != b->hop_count || a->field != b->field || a->line != b->line ||
        !a->own != !b->own || (a->own && a->own[0] != b->own[0]))
        return false;
    for (size_t i = 0; i < a->hop_count; i++)
        if (a->hops[i] != b->hops[i])
            return false;
    return true;
}

static enum kt_status unknown_field(struct kt_ctx *ctx, const struct record_question *asked,
                                    const char *name)
{
    return kt_fail(ctx, KT_INVALID, name, "%s has no field %s", "%s 没有字段 %s",
                   asked->entity->name, context_quote(ctx, name, strlen(name)));
}

static enum kt_status follow(struct kt_ctx *ctx, const struct record_question *asked,
                             const char *name, const struct schema_field *field,
                             struct query_path *out)
{
    const struct schema_entity *target = field->target;
    if (field->decl->type == KT_REFS)
        return kt_fail(ctx, KT_INVALID, name,
                       "%s looks through a list of references; compare the list with ids",
                       "%s 穿过引用列表，请直接用编号与列表比较", name);
    if (field->decl->type != KT_REF || !target || !target->enabled)
        return unknown_field(ctx, asked, name);
    if (out->hop_count == QUERY_HOPS)
        return kt_fail(ctx, KT_INVALID, name, "%s follows more than %d references",
                       "%s 沿引用超过 %d 层", name, QUERY_HOPS);
    if (asked->for_client && !ctx->host->may(ctx, kt_format(ctx, "%s.read", target->name)))
        return kt_fail(ctx, KT_DENIED, name, "%s leads to %s, which you may not read",
                       "%s 指向 %s，您无权读取", name, target->name);
    out->hops[out->hop_count++] = field;
    return KT_OK;
}

/* What is found by a field, or comes in its order, tells what is in it. */
static enum kt_status check_visible(struct kt_ctx *ctx, const struct record_question *asked,
                                    const struct schema_entity *entity,
                                    const struct schema_field *field, const char *name)
{
    return asked->for_client ? record_mask_refuse(ctx, entity, field, name) : KT_OK;
}

enum kt_status query_compile_path(struct kt_ctx *ctx, const struct record_question *asked,
                                  const char *name, struct query_path *out)
{
    const struct schema_entity *entity = asked->entity;
    const char *part = name;
    *out = (struct query_path){0};
    for (;;) {
        const char *dot = strchr(part, '.');
        size_t length = dot ? (size_t)(dot - part) : strlen(part);
        if (!dot && schema_own_field(part, length)) {
            out->own = part[0] == 'i' ? "id" : part[0] == 'v' ? "version" : "archived";
            return KT_OK;
        }
        const struct schema_field *field = schema_field(entity, part, length);
        if (!field)
            return unknown_field(ctx, asked, name);
        KT_TRY(check_visible(ctx, asked, entity, field, name));
        if (!dot) {
            out->field = field;
            return KT_OK;
        }
        if (field->decl->type == KT_LINES) {
            out->field = field;
            out->line = schema_line_field(field, dot + 1, strlen(dot + 1));
            return out->line ? check_visible(ctx, asked, entity, out->line, name)
                             : unknown_field(ctx, asked, name);
        }
        KT_TRY(follow(ctx, asked, name, field, out));
        entity = field->target;
        part = dot + 1;
    }
}

/* --- Conditions --- */

bool query_find_op(const char *text, enum query_op *out)
{
    static const char *const words[] = {"=", "!=", "<", "<=", ">", ">=", "in", "like"};
    for (size_t i = 0; i < KT_COUNT(words); i++)
        if (strcmp(text, words[i]) == 0) {
            *out = (enum query_op)i;
            return true;
        }
    return false;
}

static bool is_archived(const struct query_path *path)
{
    return path->own && path->own[0] == 'a';
}

/* A searched value has the field's type but need not be valid to store: an unknown id or a negative
 * amount just matches nothing. */
enum kt_status query_compile_value(struct kt_ctx *ctx, const struct query_path *path,
                                   const char *name, const msgpack_object *given,
                                   msgpack_object *out)
{
    const struct schema_field *field = query_path_field(path);
    *out = *given;
    if (field && (field->decl->type == KT_LINES || field->decl->type == KT_JSON ||
                  field->decl->type == KT_FILE || (field->decl->flags & KT_ON_READ)))
        return kt_fail(ctx, KT_INVALID, name, "%s cannot be searched", "%s 不可搜索", name);
    if (given->type == MSGPACK_OBJECT_NIL)
        return KT_OK;
    if (is_archived(path)) {
        if (given->type == MSGPACK_OBJECT_BOOLEAN)
            return KT_OK;
        return kt_fail(ctx, KT_INVALID, name, "%s is compared with true or false",
                       "%s 须与真或假比较", name);
    }
    if (!field || field->decl->type == KT_REF || field->decl->type == KT_REFS ||
        field->decl->type == KT_INT) {
        if ((given->type == MSGPACK_OBJECT_POSITIVE_INTEGER && given->via.u64 <= INT64_MAX) ||
            given->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
            return KT_OK;
        return kt_fail(ctx, KT_INVALID, name, "%s is compared with whole numbers",
                       "%s 须与整数比较", name);
    }
    if (field->decl->type == KT_TAGS || field->decl->type == KT_ENUM ||
        field->decl->type == KT_STATE || field->decl->type == KT_TEXT) {
        if (given->type == MSGPACK_OBJECT_STR)
            return KT_OK;
        return kt_fail(ctx, KT_INVALID, name, "%s is compared with text", "%s 须与文本比较", name);
    }
    struct kt_field plain = *field->decl;
    struct schema_field loose = *field;
    plain.flags = 0;
    loose.decl = &plain;
    loose.digits = KT_DECIMAL_SCALE_MAX;
    return record_check_value(ctx, &loose, name, given, out);
}

/* The values of an `in`. */
static enum kt_status compile_values(struct kt_ctx *ctx, const struct query_path *path,
                                     const char *name, const msgpack_object *given,
                                     msgpack_object *out)
{
    if (given->type != MSGPACK_OBJECT_ARRAY || given->via.array.size > KT_LIMIT_PAGE)
        return kt_fail(ctx, KT_INVALID, name, "in needs a list of at most %u values",
                       "in 需要最多 %u 个值的列表", KT_LIMIT_PAGE);
    struct kt_list *values = kt_list_new(ctx);
    for (uint32_t i = 0; i < given->via.array.size; i++) {
        msgpack_object value;
        KT_TRY(query_compile_value(ctx, path, name, &given->via.array.ptr[i], &value));
        kt_list_add(values, value);
    }
    *out = values->object;
    return KT_OK;
}

static enum kt_status compile_pattern(struct kt_ctx *ctx, const struct query_path *path,
                                      const char *name, const msgpack_object *given,
                                      msgpack_object *out)
{
    const struct schema_field *field = query_path_field(path);
    bool text = field && (field->decl->type == KT_TEXT || field->decl->type == KT_TAGS ||
                          field->decl->type == KT_ENUM || field->decl->type == KT_STATE ||
                          field->decl->type == KT_DATE);
    if (!text || (field->decl->flags & KT_ON_READ) || given->type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, name, "like compares a text field with a text",
                       "like 仅用于文本字段与文本");
    *out = *given;
    return KT_OK;
}

static enum kt_status too_many(struct kt_ctx *ctx)
{
    return kt_fail(ctx, KT_TOO_LARGE, "where", "more than %u conditions", "条件超过 %u 个",
                   KT_LIMIT_WHERE_TERMS);
}

static enum kt_status compile_term(struct compiler *compiler, const msgpack_object *term,
                                   struct query_node *node)
{
    struct kt_ctx *ctx = compiler->ctx;
    const msgpack_object *parts = term->via.array.ptr;
    if (++compiler->terms > KT_LIMIT_WHERE_TERMS)
        return too_many(ctx);
    if (term->via.array.size != 3 || parts[0].type != MSGPACK_OBJECT_STR ||
        parts[1].type != MSGPACK_OBJECT_STR)
        return kt_fail(ctx, KT_INVALID, "where", "a condition is [\"field\", \"op\", value]",
                       "条件应为 [\"字段\", \"运算符\", 值]");
    const char *name = kt_format(ctx, "%.*s", (int)parts[0].via.str.size, parts[0].via.str.ptr);
    const char *op = kt_format(ctx, "%.*s", (int)parts[1].via.str.size, parts[1].via.str.ptr);
    node->kind = QUERY_TERM;
    if (!query_find_op(op, &node->op))
        return kt_fail(ctx, KT_INVALID, "where", "unknown operator %s; use = != < <= > >= in like",
                       "未知运算符 %s；可用 = != < <= > >= in like",
                       context_quote(ctx, op, strlen(op)));
    KT_TRY(query_compile_path(ctx, compiler->asked, name, &node->path));
    if (is_archived(&node->path) && !node->path.hop_count)
        compiler->names_archived = true;
    const struct schema_field *field = query_path_field(&node->path);
    if (field && field->decl->type == KT_REFS && node->op != QUERY_EQ && node->op != QUERY_NE &&
        node->op != QUERY_IN)
        return kt_fail(ctx, KT_INVALID, name, "%s is a list of ids: use = != in",
                       "%s 为编号列表，可用 = != in", name);
    if (node->op == QUERY_IN)
        return compile_values(ctx, &node->path, name, &parts[2], &node->value);
    if (node->op == QUERY_LIKE)
        return compile_pattern(ctx, &node->path, name, &parts[2], &node->value);
    return query_compile_value(ctx, &node->path, name, &parts[2], &node->value);
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
        if (++compiler->nodes > (size_t)4 * KT_LIMIT_WHERE_TERMS)
            return too_many(ctx);
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

/* Clients see archived records only when they ask for them; modules see all. */
static enum kt_status compile_archived(const struct compiler *compiler, enum query_archived *out)
{
    static const char *const words[] = {"include", "exclude", "only"};
    const struct record_question *asked = compiler->asked;
    const msgpack_object *given = asked->archived;
    *out = !asked->for_client || compiler->names_archived ? QUERY_ALL : QUERY_LIVE;
    if (!given)
        return KT_OK;
    for (size_t i = 0; i < KT_COUNT(words); i++) {
        const msgpack_object word = kt_text(words[i]);
        if (kt_equal(given, &word)) {
            *out = (enum query_archived)i;
            return KT_OK;
        }
    }
    return kt_fail(compiler->ctx, KT_INVALID, "archived", "archived is include, exclude or only",
                   "archived 应为 include、exclude 或 only");
}

enum kt_status record_query_compile(struct kt_ctx *ctx, const struct record_question *asked,
                                    struct record_query **out)
{
    struct compiler compiler = {.ctx = ctx, .asked = asked};
    struct record_query *query = kt_alloc(ctx, sizeof(*query));
    query->entity = asked->entity;
    query->limit = asked->limit;
    query->paged = asked->paged;
    query->unordered = asked->unordered;
    query->only_counts = asked->only_counts;
    query->most = KT_LIMIT_SCAN;
    if (asked->where && asked->where->type == MSGPACK_OBJECT_ARRAY)
        KT_TRY(compile_list(&compiler, asked->where, 0, 0, &query->root));
    else if (asked->where)
        return kt_fail(ctx, KT_INVALID, "where", "where is a list of conditions",
                       "where 应为条件列表");
    KT_TRY(compile_archived(&compiler, &query->archived));
    KT_TRY(query_compile_order(ctx, asked, query));
    KT_TRY(query_check_after(ctx, asked, query));
    query_plan(ctx, query);
    *out = query;
    return KT_OK;
}
