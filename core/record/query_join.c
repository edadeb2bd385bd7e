/* Conditions along references: "customer.region = North" is asked of the customers first, when
 * they can be found at a small price, and becomes "customer in [their ids]", which the reference's
 * index serves. Only conditions that no empty reference satisfies may be turned around so. */
#include "record/query.h"

/* Most records that a reference may lead to, and what finding them may cost. */
#define MOST_TARGETS 500
#define MOST_COST    5000

static bool can_turn(const struct query_node *term)
{
    if (term->kind != QUERY_TERM || !term->path.hop_count || term->op == QUERY_NE ||
        term->value.type == MSGPACK_OBJECT_NIL)
        return false;
    for (uint32_t i = 0; term->op == QUERY_IN && i < term->value.via.array.size; i++)
        if (term->value.via.array.ptr[i].type == MSGPACK_OBJECT_NIL)
            return false;
    return true;
}

/* The same condition, asked of the records that the first reference leads to. */
static struct query_node one_hop_less(const struct query_node *term)
{
    struct query_node node = *term;
    node.path.hop_count--;
    for (size_t i = 0; i < node.path.hop_count; i++)
        node.path.hops[i] = node.path.hops[i + 1];
    return node;
}

static enum kt_status add_id(struct kt_ctx *ctx, void *argument, uint64_t id,
                             struct store_slice bytes)
{
    (void)ctx;
    (void)bytes;
    kt_list_add(argument, kt_id(id));
    return KT_OK;
}

static bool find_targets(struct kt_ctx *ctx, const struct record_query *query,
                         const struct schema_field *reference, struct kt_list *ids)
{
    struct record_query *targets = kt_alloc(ctx, sizeof(*targets));
    targets->entity = reference->target;
    targets->unordered = true;
    targets->most = KT_LIMIT_SCAN;
    targets->order[0].path = (struct query_path){.own = "id"};
    targets->order_count = 1;
    targets->root.children =
        kt_alloc(ctx, sizeof(*targets->root.children) * query->root.child_count);
    for (size_t i = 0; i < query->root.child_count; i++) {
        const struct query_node *term = &query->root.children[i];
        if (can_turn(term) && term->path.hops[0] == reference)
            targets->root.children[targets->root.child_count++] = one_hop_less(term);
    }
    query_plan(ctx, targets);
    if (targets->plan.cost > MOST_COST || targets->plan.cost * 2 > query->plan.cost)
        return false;
    targets->limit = MOST_TARGETS + 1;
    if (record_query_run(ctx, targets, add_id, ids, NULL) != KT_OK) {
        context_forgive(ctx);
        return false;
    }
    return ids->object.via.array.size <= MOST_TARGETS;
}

static bool is_joined(const struct record_query *query, const struct schema_field *reference)
{
    for (size_t i = 0; i < query->join_count; i++)
        if (query->joins[i].path.field == reference)
            return true;
    return false;
}

void query_join(struct kt_ctx *ctx, struct record_query *query)
{
    query->joins = kt_alloc(ctx, sizeof(*query->joins) * query->root.child_count);
    for (size_t i = 0; i < query->root.child_count; i++) {
        const struct query_node *term = &query->root.children[i];
        if (!can_turn(term) || is_joined(query, term->path.hops[0]))
            continue;
        struct kt_list *ids = kt_list_new(ctx);
        if (!find_targets(ctx, query, term->path.hops[0], ids))
            continue;
        query->joins[query->join_count++] = (struct query_node){
            .kind = QUERY_TERM,
            .op = QUERY_IN,
            .path = {.field = term->path.hops[0]},
            .value = ids->object,
        };
    }
}
