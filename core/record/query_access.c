/* What an index can do for a search: it takes the terms that fix its first fields (= or one `in`),
 * then bounds on the next field. The id counts as the last field of every index that is not unique,
 * and as the only one of the records themselves. */
#include "record/query.h"

static bool is_many(const struct schema_path *path)
{
    return path->line || schema_field_is_list(path->field);
}

static bool is_id_part(const struct schema_index *index, size_t part)
{
    return !index || part == index->path_count;
}

static size_t part_count(const struct schema_index *index)
{
    return index ? index->path_count + !index->unique : 1;
}

static bool is_path(const struct query_path *path, const struct schema_index *index, size_t part)
{
    if (is_id_part(index, part))
        return query_path_is_id(path);
    return !path->hop_count && path->field && path->field == index->paths[part].field &&
           path->line == index->paths[part].line;
}

/* Can the value stand in a key of this part, and does the index hold all records that have it? */
static bool has_keys(const struct schema_index *index, size_t part, const msgpack_object *value)
{
    if (is_id_part(index, part))
        return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
    if (value->type == MSGPACK_OBJECT_BOOLEAN && !value->via.boolean)
        return !index->sparse;
    return value->type != MSGPACK_OBJECT_NIL ||
           (!index->unique && !index->sparse && !is_many(&index->paths[part]));
}

static bool fixes(const struct query_node *term, const struct schema_index *index, size_t part)
{
    if (term->kind != QUERY_TERM || !is_path(&term->path, index, part))
        return false;
    if (term->op == QUERY_EQ)
        return has_keys(index, part, &term->value);
    bool all = term->op == QUERY_IN;
    for (uint32_t i = 0; all && i < term->value.via.array.size; i++)
        all = has_keys(index, part, &term->value.via.array.ptr[i]);
    return all;
}

static bool bounds(const struct query_node *term, const struct schema_index *index, size_t part)
{
    return term->kind == QUERY_TERM && is_path(&term->path, index, part) &&
           (term->op == QUERY_LT || term->op == QUERY_LE || term->op == QUERY_GT ||
            term->op == QUERY_GE) &&
           term->value.type != MSGPACK_OBJECT_NIL &&
           (term->value.type != MSGPACK_OBJECT_BOOLEAN || !index || !index->sparse) &&
           (!is_id_part(index, part) || term->value.type == MSGPACK_OBJECT_POSITIVE_INTEGER);
}

/* The term that fixes a part: better one value than a list, and only one list in all. */
static const struct query_node *find_fixing(const struct query_terms *terms,
                                            const struct query_access *access, size_t part)
{
    const struct query_node *list = NULL;
    for (size_t i = 0; i < terms->count; i++) {
        const struct query_node *term = terms->at[i];
        if (!fixes(term, access->index, part))
            continue;
        if (term->op == QUERY_EQ)
            return term;
        list = access->list ? list : term;
    }
    return list;
}

/* Of lists, different elements may satisfy two bounds: only one can be used. */
static void find_bounds(const struct query_terms *terms, struct query_access *access, size_t part)
{
    bool one = !is_id_part(access->index, part) && is_many(&access->index->paths[part]);
    for (size_t i = 0; i < terms->count; i++) {
        const struct query_node *term = terms->at[i];
        if (!bounds(term, access->index, part))
            continue;
        bool low = term->op == QUERY_GT || term->op == QUERY_GE;
        if (low && !(one && access->high))
            access->low = term;
        else if (!low && !(one && access->low))
            access->high = term;
    }
}

/* Unique and sparse keys leave out records with an empty value, keys over a list those whose list
 * is empty: is there none of them in this access? */
static bool holds_all(struct kt_ctx *ctx, const struct query_access *access)
{
    const struct schema_index *index = access->index;
    for (size_t i = access->equal_count; index && i < index->path_count; i++) {
        bool required = index->paths[i].field->decl->flags & KT_REQUIRED;
        if (i == access->equal_count && (access->low || access->high))
            continue;
        if (index->sparse || is_many(&index->paths[i]) ||
            (index->unique && !(required && record_index_is_whole(ctx, index))))
            return false;
    }
    return true;
}

bool query_make_access(struct kt_ctx *ctx, const struct query_terms *terms,
                       const struct schema_index *index, struct query_access *out)
{
    struct query_access access = {.index = index};
    size_t many = 0, part = 0, parts = part_count(index);
    for (; part < parts; part++) {
        /* The key is of one element, the terms may be met by different ones. */
        bool of_list = !is_id_part(index, part) && is_many(&index->paths[part]);
        if (of_list && many)
            break;
        const struct query_node *term = find_fixing(terms, &access, part);
        if (!term)
            break;
        many += of_list;
        access.equal[access.equal_count++] = term;
        if (term->op == QUERY_IN)
            access.list = term;
    }
    if (part < parts && !(many && !is_id_part(index, part) && is_many(&index->paths[part])))
        find_bounds(terms, &access, part);
    for (size_t i = 0; index && i < index->path_count; i++)
        access.repeats =
            access.repeats || (is_many(&index->paths[i]) &&
                               (i >= access.equal_count || access.equal[i]->op == QUERY_IN));
    *out = access;
    return holds_all(ctx, &access);
}

static bool is_fixed(const struct query_access *access, const struct query_path *path)
{
    for (size_t i = 0; i < access->equal_count; i++)
        if (access->equal[i]->op == QUERY_EQ && query_path_equal(&access->equal[i]->path, path))
            return true;
    return false;
}

/* Fields that are fixed have one value all the way; the others must be the rest of the key, part by
 * part, all in one direction. */
bool query_gives_order(const struct record_query *query, const struct query_access *access,
                       bool *backwards)
{
    size_t part = access->equal_count, parts = part_count(access->index);
    bool first = true;
    *backwards = false;
    for (size_t i = 0; i < query->order_count; i++) {
        const struct query_order *order = &query->order[i];
        if (is_fixed(access, &order->path))
            continue;
        if (part == parts)
            return !access->list; /* One range, and keys that no two records share. */
        if (!is_path(&order->path, access->index, part) ||
            (!first && *backwards != order->descending))
            return false;
        *backwards = order->descending;
        first = false;
        part++;
    }
    return part == parts;
}

static bool is_whole(const msgpack_object *value)
{
    return value->type != MSGPACK_OBJECT_STR || value->via.str.size <= KEY_TEXT_MAX;
}

static bool is_used(const struct query_access *access, const struct query_node *term)
{
    bool used = term == access->low || term == access->high;
    for (size_t i = 0; i < access->equal_count; i++)
        used = used || term == access->equal[i];
    bool whole = term->op == QUERY_IN || is_whole(&term->value);
    for (uint32_t i = 0; term->op == QUERY_IN && i < term->value.via.array.size; i++)
        whole = whole && is_whole(&term->value.via.array.ptr[i]);
    return used && whole;
}

bool query_is_exact(const struct query_terms *terms, const struct query_access *access)
{
    for (size_t i = 0; i < terms->count; i++)
        if (!is_used(access, terms->at[i]))
            return false;
    return true;
}

bool query_is_lookup(const struct query_access *access)
{
    bool one = !access->index || access->index->unique;
    return one && !access->list && access->equal_count == part_count(access->index);
}
