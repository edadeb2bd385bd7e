/* From an access (which index, which terms) to ranges of keys. A range never leaves out a record
 * that satisfies the terms; where texts are cut it may hold more. */
#include <string.h>

#include "record/query.h"

int query_compare(struct store_slice a, struct store_slice b)
{
    int order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static bool is_id_part(const struct query_access *access, size_t part)
{
    return !access->index || part == access->index->path_count;
}

static void begin(const struct record_query *query, const struct query_access *access,
                  struct key *key)
{
    if (access->index) {
        record_index_begin(key, access->index);
        return;
    }
    key_begin(key, SPACE_RECORD);
    key_add_u32(key, query->entity->number);
}

static void add_part(const struct query_access *access, size_t part, const msgpack_object *value,
                     struct key *key)
{
    if (is_id_part(access, part)) {
        key_add_u64(key, value->via.u64);
        return;
    }
    const struct schema_path *path = &access->index->paths[part];
    record_key_add(key, path->line ? path->line : path->field, value);
}

/* The first key behind all that begin with this one. */
static void past(struct key *key)
{
    if (!key_successor(key))
        key->overflow = true;
}

size_t query_range_count(const struct query_access *access)
{
    return access->list ? access->list->value.via.array.size : 1;
}

static void bound_low(const struct query_access *access, struct query_range *range)
{
    size_t part = access->equal_count;
    struct key bound = range->from;
    if (!access->low) {
        /* Below all values are the empty fields, which satisfy no bound. */
        if (access->high && !is_id_part(access, part)) {
            key_add_nil(&range->from);
            past(&range->from);
        }
        return;
    }
    bound.cut = false;
    add_part(access, part, &access->low->value, &bound);
    if (access->low->op == QUERY_GT && !bound.cut)
        past(&bound);
    if (!bound.overflow)
        range->from = bound;
}

static void bound_high(const struct query_access *access, const struct key *prefix,
                       struct query_range *range)
{
    struct key bound = *prefix;
    range->to = *prefix;
    past(&range->to);
    if (!access->high)
        return;
    bound.cut = false;
    add_part(access, access->equal_count, &access->high->value, &bound);
    if (access->high->op == QUERY_LE || bound.cut)
        past(&bound);
    if (!bound.overflow)
        range->to = bound;
}

void query_range(const struct record_query *query, const struct query_access *access, size_t which,
                 struct query_range *out)
{
    struct key prefix;
    begin(query, access, &prefix);
    for (size_t i = 0; i < access->equal_count; i++) {
        const struct query_node *term = access->equal[i];
        add_part(access, i, term == access->list ? &term->value.via.array.ptr[which] : &term->value,
                 &prefix);
    }
    out->prefix = prefix.size;
    out->from = prefix;
    if (prefix.overflow) {
        /* No record has such a key: it could not have been stored. Both ends alike: nothing. */
        begin(query, access, &out->from);
        out->to = out->from;
        return;
    }
    bound_low(access, out);
    bound_high(access, &prefix, out);
}

static const msgpack_object *value_after(const struct record_query *query,
                                         const struct query_access *access, size_t part)
{
    struct query_path path = {.own = "id"};
    if (!is_id_part(access, part))
        path = (struct query_path){.field = access->index->paths[part].field};
    for (size_t i = 0; i < query->order_count; i++)
        if (query_path_equal(&path, &query->order[i].path))
            return &query->after->via.array.ptr[i];
    return NULL;
}

void query_range_after(const struct record_query *query, const struct query_access *access,
                       struct query_range *range)
{
    struct key place = range->from;
    size_t parts = access->index ? access->index->path_count + !access->index->unique : 1;
    /* An order field that a term fixes is the same in all keys: the cursor may be of another value
     * only when it was made for another search, and then it says nothing. */
    place.size = (uint16_t)range->prefix;
    for (size_t i = access->equal_count; i < parts; i++) {
        const msgpack_object *value = value_after(query, access, i);
        if (!value)
            return;
        add_part(access, i, value, &place);
    }
    bool backwards = query->plan.backwards;
    if (!backwards)
        past(&place);
    if (place.overflow)
        return;
    if (!backwards && query_compare(key_slice(&place), key_slice(&range->from)) > 0)
        range->from = place;
    if (backwards && query_compare(key_slice(&place), key_slice(&range->to)) < 0)
        range->to = place;
}
