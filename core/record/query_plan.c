/* Choosing how to walk: the index whose leading fields are fixed by the most equalities wins; a
 * range on the next field or the wanted order breaks ties. Whatever is chosen, every record is
 * checked against all conditions, so a plan can only be slow, never wrong. */
#include <string.h>

#include "record/query.h"

static const struct query_node *find_term(const struct record_query *query,
                                          const struct schema_path *path, bool range)
{
    for (size_t i = 0; i < query->root.child_count; i++) {
        const struct query_node *node = &query->root.children[i];
        bool fits = range ? node->op == QUERY_LT || node->op == QUERY_LE || node->op == QUERY_GT ||
                                node->op == QUERY_GE
                          : node->op == QUERY_EQ;
        if (node->kind == QUERY_TERM && fits && !node->path.hop_count &&
            node->path.field == path->field && node->path.line == path->line && path->field &&
            node->value.type != MSGPACK_OBJECT_NIL)
            return node;
    }
    return NULL;
}

static bool is_many(const struct schema_path *path)
{
    return path->line || path->field->decl->type == KT_TAGS;
}

static size_t equalities(const struct record_query *query, const struct schema_index *index)
{
    size_t count = 0;
    while (count < index->path_count && find_term(query, &index->paths[count], false))
        count++;
    return count;
}

/* The walk after `fixed` equal fields goes in the wanted order. */
static bool gives_order(const struct record_query *query, const struct schema_index *index,
                        size_t fixed)
{
    if (!query->ordered)
        return !index->unique && fixed == index->path_count;
    return fixed < index->path_count && !query->order.hop_count && !query->order.own &&
           index->paths[fixed].field == query->order.field && !index->paths[fixed].line &&
           fixed + 1 == index->path_count && !index->unique;
}

static int score(const struct record_query *query, const struct schema_index *index)
{
    size_t fixed = equalities(query, index);
    size_t many = 0;
    for (size_t i = 0; i < index->path_count; i++) {
        many += is_many(&index->paths[i]);
        if (is_many(&index->paths[i]) && i >= fixed)
            return -1; /* A record would be met once per line. */
    }
    if (many > 1)
        return -1; /* Conditions may be met by different lines, the key is of one. */
    if (index->unique && fixed < index->path_count)
        return -1; /* Unique keys leave out records with empty values. */
    bool ordered = gives_order(query, index, fixed);
    bool range = fixed < index->path_count && find_term(query, &index->paths[fixed], true);
    if (fixed == 0 && !range && !(ordered && query->ordered))
        return -1;
    return (int)fixed * 8 + (index->unique ? 100 : 0) + (range ? 4 : 0) + (ordered ? 2 : 0);
}

static void add_bounds(struct record_query *query, const struct schema_path *path)
{
    const struct schema_field *field = path->line ? path->line : path->field;
    for (size_t i = 0; i < query->root.child_count; i++) {
        const struct query_node *node = &query->root.children[i];
        if (node->kind != QUERY_TERM || node->path.hop_count || node->path.field != path->field ||
            node->path.line != path->line || node->value.type == MSGPACK_OBJECT_NIL)
            continue;
        struct key bound = query->prefix;
        record_key_add(&bound, field, &node->value);
        if (bound.overflow)
            continue;
        if (node->op == QUERY_GT || node->op == QUERY_GE)
            query->floor = bound;
        else if ((node->op == QUERY_LT || node->op == QUERY_LE) && key_successor(&bound))
            query->ceiling = bound;
    }
}

void query_plan(struct record_query *query)
{
    const struct schema_entity *entity = query->entity;
    int best = -1;
    for (size_t i = 0; i < entity->index_count; i++) {
        int points = score(query, &entity->indexes[i]);
        if (points > best) {
            best = points;
            query->index = &entity->indexes[i];
        }
    }
    for (size_t i = 0; i < query->root.child_count; i++) {
        const struct query_node *node = &query->root.children[i];
        if (node->kind == QUERY_TERM && node->op == QUERY_EQ && !node->path.hop_count &&
            node->path.own && strcmp(node->path.own, "id") == 0)
            query->only_id = node->value.via.u64 ? node->value.via.u64 : UINT64_MAX;
    }
    if (!query->index) {
        key_begin(&query->prefix, SPACE_RECORD);
        key_add_u32(&query->prefix, entity->number);
        query->floor = query->prefix;
        query->sorts = query->ordered;
        return;
    }
    size_t fixed = equalities(query, query->index);
    record_index_begin(&query->prefix, query->index);
    for (size_t i = 0; i < fixed; i++) {
        const struct schema_path *path = &query->index->paths[i];
        record_key_add(&query->prefix, path->line ? path->line : path->field,
                       &find_term(query, path, false)->value);
    }
    query->floor = query->prefix;
    query->sorts = !gives_order(query, query->index, fixed);
    if (fixed < query->index->path_count)
        add_bounds(query, &query->index->paths[fixed]);
}
