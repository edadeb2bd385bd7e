/* Choosing how to walk. Whatever is chosen, every record is checked against all conditions, so a
 * plan can only be slow, never wrong.
 *
 * An access to an index takes the terms that fix its first fields (= or one `in`), then bounds on
 * the next field; the id counts as the last field of every index that is not unique. The access
 * with the most fixed fields wins; a bound or the wanted order breaks ties. */
#include <string.h>

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
    return value->type != MSGPACK_OBJECT_NIL || (!index->unique && !is_many(&index->paths[part]));
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
           (!is_id_part(index, part) || term->value.type == MSGPACK_OBJECT_POSITIVE_INTEGER);
}

/* The term that fixes a part: better one value than a list, and only one list in all. */
static const struct query_node *find_fixing(const struct record_query *query,
                                            const struct query_access *access, size_t part)
{
    const struct query_node *list = NULL;
    for (size_t i = 0; i < query->root.child_count; i++) {
        const struct query_node *term = &query->root.children[i];
        if (!fixes(term, access->index, part))
            continue;
        if (term->op == QUERY_EQ)
            return term;
        list = access->list ? list : term;
    }
    return list;
}

/* Of lists, different elements may satisfy two bounds: only one can be used. */
static void find_bounds(const struct record_query *query, struct query_access *access, size_t part)
{
    bool one = !is_id_part(access->index, part) && is_many(&access->index->paths[part]);
    for (size_t i = 0; i < query->root.child_count; i++) {
        const struct query_node *term = &query->root.children[i];
        if (!bounds(term, access->index, part))
            continue;
        bool low = term->op == QUERY_GT || term->op == QUERY_GE;
        if (low && !(one && access->high))
            access->low = term;
        else if (!low && !(one && access->low))
            access->high = term;
    }
}

static struct query_access make_access(const struct record_query *query,
                                       const struct schema_index *index)
{
    struct query_access access = {.index = index};
    size_t many = 0, part = 0, parts = part_count(index);
    for (; part < parts; part++) {
        /* The key is of one element, the terms may be met by different ones. */
        bool of_list = !is_id_part(index, part) && is_many(&index->paths[part]);
        if (of_list && many)
            break;
        const struct query_node *term = find_fixing(query, &access, part);
        if (!term)
            break;
        many += of_list;
        access.equal[access.equal_count++] = term;
        if (term->op == QUERY_IN)
            access.list = term;
    }
    if (part < parts && !(many && !is_id_part(index, part) && is_many(&index->paths[part])))
        find_bounds(query, &access, part);
    for (size_t i = 0; index && i < index->path_count; i++)
        access.repeats =
            access.repeats || (is_many(&index->paths[i]) &&
                               (i >= access.equal_count || access.equal[i]->op == QUERY_IN));
    return access;
}

/* Unique keys leave out records with an empty value, keys over a list those whose list is empty: is
 * there none of them in this access? */
static bool holds_all(struct kt_ctx *ctx, const struct query_access *access)
{
    const struct schema_index *index = access->index;
    for (size_t i = access->equal_count; index && i < index->path_count; i++) {
        bool required = index->paths[i].field->decl->flags & KT_REQUIRED;
        if (i == access->equal_count && (access->low || access->high))
            continue;
        if (is_many(&index->paths[i]) ||
            (index->unique && !(required && record_index_is_whole(ctx, index))))
            return false;
    }
    return true;
}

static bool is_fixed(const struct query_access *access, const struct query_path *path)
{
    for (size_t i = 0; i < access->equal_count; i++)
        if (access->equal[i]->op == QUERY_EQ && query_path_equal(&access->equal[i]->path, path))
            return true;
    return false;
}

/* Does a walk along the access, forwards or backwards, go in the wanted order? Fields that are
 * fixed have one value all the way; the others must be the rest of the key, part by part. */
static bool gives_order(const struct record_query *query, const struct query_access *access,
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

static int score(const struct query_access *access, bool ordered)
{
    bool range = access->low || access->high;
    bool one = access->index ? access->index->unique : true;
    if (access->index && access->equal_count == 0 && !range && !ordered)
        return -1;
    if (one && access->equal_count == part_count(access->index))
        return 1000 - (access->list ? 500 : 0);
    return (int)access->equal_count * 8 + (range ? 4 : 0) + (ordered ? 2 : 0);
}

static void take(struct kt_ctx *ctx, struct record_query *query, const struct query_access *access)
{
    struct query_plan *plan = &query->plan;
    struct query_access *part = kt_alloc(ctx, sizeof(*part));
    *part = *access;
    *plan = (struct query_plan){.parts = part, .part_count = 1};
    bool ordered = gives_order(query, access, &plan->backwards);
    size_t ranges = query_range_count(access);
    plan->sorts = !ordered && !query->unordered;
    if (!ordered)
        plan->backwards = false;
    bool by_id = query->order_count == 1 && plan->sorts; /* Sorting ids needs no records. */
    if (ranges <= 1 && !access->repeats && !by_id) {
        plan->walk = QUERY_STREAM;
    } else if (ordered && ranges <= QUERY_MERGE) {
        plan->walk = QUERY_MERGE_RANGES;
    } else {
        plan->walk = QUERY_GATHER;
        plan->sorts = !query->unordered && query->order_count > 1;
        plan->backwards = query->order_count == 1 && query->order[0].descending;
    }
}

void query_plan(struct kt_ctx *ctx, struct record_query *query)
{
    const struct schema_entity *entity = query->entity;
    struct query_access best = make_access(query, NULL);
    bool backwards;
    int most = score(&best, gives_order(query, &best, &backwards));
    for (size_t i = 0; i < entity->index_count; i++) {
        struct query_access access = make_access(query, &entity->indexes[i]);
        if (!holds_all(ctx, &access))
            continue;
        int points = score(&access, gives_order(query, &access, &backwards));
        if (points > most) {
            most = points;
            best = access;
        }
    }
    take(ctx, query, &best);
}
