/* Choosing how to walk. Whatever is chosen, every record is checked against all conditions, but for
 * those that its key in the index says already.
 *
 * The cost of a plan is how many records it will look at, one found through an index counting more
 * than one met in a walk over the records, as it has to be fetched. How many keys an access has is
 * counted up to PROBE keys; of one with more it is only known that they are many, and guessed that
 * they are a fifth of all. A walk in the wanted order ends when the page is full: it looks at
 * `limit` records times the keys that come to one match, the matches being estimated by the most
 * selective access and a tenth for each condition that it does not use. A sort looks at everything.
 * What would gather or sort more than one search may look at is avoided if anything else can be
 * had. */
#include "record/query.h"

#define PROBE         1024
#define COST_OF_FETCH 1.5 /* A record through an index, one in a walk over the records being 1. */
#define COST_OF_SORT  1   /* A match that is ranked. */
#define COST_OF_KEY   0.1 /* A key that is only gathered. */
#define COST_OF_RANGE 4   /* Seeking, in keys. */
#define PASSING       0.1 /* Of the records, by a condition of which nothing is known. */
/* Below this, looking for a better plan costs more than it can save. */
#define COST_TO_JOIN 64

struct candidate {
    struct query_access access;
    double keys;
    bool implied;
    bool exact;
    bool ordered;
    bool backwards;
};

/* Everything the planner looks at for one search. */
struct planner {
    struct kt_ctx *ctx;
    struct record_query *query;
    double records; /**< Of the entity. */
    double matches; /**< At most so many match, as far as is known. */
    struct candidate *candidates;
    size_t count;
};

/* --- How many keys --- */

static bool has_terms(const struct query_access *access)
{
    return access->equal_count || access->low || access->high;
}

static size_t used_terms(const struct query_access *access)
{
    return access->equal_count + (access->low != NULL) + (access->high != NULL);
}

static double count_range(const struct query_range *range, struct store_cursor *cursor, double most)
{
    struct store_slice found;
    double count = 0;
    enum kt_status status = store_seek(cursor, key_slice(&range->from), &found, NULL);
    while (status == KT_OK && count < most && query_compare(found, key_slice(&range->to)) < 0) {
        count++;
        status = store_next(cursor, &found, NULL);
    }
    return count;
}

static double estimate(const struct planner *planner, const struct query_access *access)
{
    struct store_cursor *cursor;
    size_t ranges = query_range_count(access);
    double count = 0, spent = 0;
    if (!has_terms(access))
        return planner->records;
    if (query_is_lookup(access))
        return 1;
    if (store_cursor_open(planner->ctx->txn, &cursor) != KT_OK)
        return planner->records;
    size_t done = 0;
    for (; done < ranges && spent < PROBE; done++) {
        struct query_range range;
        query_range(planner->query, access, done, &range);
        double more = count_range(&range, cursor, PROBE - spent);
        count += more;
        spent += more + COST_OF_RANGE;
    }
    store_cursor_close(cursor);
    bool all = done == ranges && (spent < PROBE || count < PROBE - COST_OF_RANGE);
    if (all)
        return count;
    double guess = ranges > done ? count * (double)ranges / (double)done : planner->records / 5;
    return guess > count ? guess : count;
}

/* --- What a candidate costs --- */

static double looks(const struct planner *planner, double keys)
{
    const struct record_query *query = planner->query;
    if (!query->limit)
        return keys;
    double matches = planner->matches < 1 ? 1 : planner->matches;
    double until_full = (double)query->limit * keys / matches + 1;
    return until_full < keys ? until_full : keys;
}

static void fill_plan(const struct planner *planner, const struct candidate *candidate,
                      struct query_plan *plan)
{
    const struct record_query *query = planner->query;
    const struct query_access *access = &candidate->access;
    bool by_id = query->order_count == 1;
    bool many = query_range_count(access) > 1 || access->repeats;
    double fetch = access->index ? COST_OF_FETCH : 1;
    *plan = (struct query_plan){.parts = access, .part_count = 1};
    if (candidate->ordered && query_range_count(access) <= QUERY_MERGE) {
        plan->walk = many ? QUERY_MERGE_RANGES : QUERY_STREAM;
        plan->backwards = candidate->backwards;
        plan->cost = looks(planner, candidate->keys) * fetch;
    } else if (many || (by_id && !query->unordered)) {
        plan->walk = QUERY_GATHER;
        plan->sorts = !by_id && !query->unordered;
        plan->backwards = by_id && query->order[0].descending;
        plan->cost =
            candidate->keys * COST_OF_KEY + (plan->sorts ? candidate->keys * (fetch + COST_OF_SORT)
                                                         : looks(planner, candidate->keys) * fetch);
    } else {
        plan->walk = QUERY_STREAM;
        plan->sorts = !query->unordered;
        plan->cost = plan->sorts ? candidate->keys * (fetch + COST_OF_SORT)
                                 : looks(planner, candidate->keys) * fetch;
    }
    if ((plan->sorts || plan->walk == QUERY_GATHER) && candidate->keys > KT_LIMIT_SCAN)
        plan->cost *= 1000;
    plan->implied = candidate->implied;
    plan->exact = candidate->exact;
    if (query->only_counts && plan->exact)
        plan->cost = candidate->keys * COST_OF_KEY;
}

/* --- Candidates --- */

static struct query_terms root_terms(struct kt_ctx *ctx, const struct record_query *query)
{
    struct query_terms terms = {0};
    terms.at = kt_alloc(ctx, sizeof(const struct query_node *) *
                                 (query->root.child_count + query->join_count));
    for (size_t i = 0; i < query->root.child_count; i++)
        if (query->root.children[i].kind == QUERY_TERM)
            terms.at[terms.count++] = &query->root.children[i];
    for (size_t i = 0; i < query->join_count; i++)
        terms.at[terms.count++] = &query->joins[i];
    return terms;
}

static void add_candidate(struct planner *planner, const struct query_terms *terms,
                          const struct schema_index *index)
{
    struct candidate *candidate = &planner->candidates[planner->count];
    *candidate = (struct candidate){0};
    if (!query_make_access(planner->ctx, terms, index, &candidate->access))
        return;
    candidate->ordered =
        query_gives_order(planner->query, &candidate->access, &candidate->backwards);
    if (index && !has_terms(&candidate->access) &&
        (!candidate->ordered || planner->query->unordered))
        return;
    candidate->implied = planner->query->join_count == 0 &&
                         terms->count == planner->query->root.child_count &&
                         query_is_exact(terms, &candidate->access);
    candidate->exact =
        candidate->implied && planner->query->archived == QUERY_ALL && !planner->ctx->as_of;
    planner->count++;
}

/* A lookup, or one that uses all conditions and goes in order, so that it looks at what matches and
 * at nothing else: then there is nothing to weigh up, and nothing to count. */
static const struct candidate *settled(const struct planner *planner)
{
    const struct record_query *query = planner->query;
    for (size_t i = 0; i < planner->count; i++)
        if (query_is_lookup(&planner->candidates[i].access))
            return &planner->candidates[i];
    for (size_t i = 0; i < planner->count && !query->join_count; i++) {
        const struct candidate *candidate = &planner->candidates[i];
        if (used_terms(&candidate->access) == query->root.child_count &&
            (candidate->ordered || query->unordered) &&
            query_range_count(&candidate->access) <= QUERY_MERGE)
            return candidate;
    }
    return NULL;
}

static void weigh(struct planner *planner, struct query_plan *out)
{
    planner->matches = planner->records;
    for (size_t i = 0; i < planner->count; i++) {
        struct candidate *candidate = &planner->candidates[i];
        candidate->keys = estimate(planner, &candidate->access);
        double matches = candidate->keys;
        for (size_t n = used_terms(&candidate->access); n < planner->query->root.child_count; n++)
            matches *= PASSING;
        if (matches < planner->matches)
            planner->matches = matches;
    }
    for (size_t i = 0; i < planner->count; i++) {
        struct query_plan plan;
        fill_plan(planner, &planner->candidates[i], &plan);
        /* Of equals, the one that leaves less to check. */
        if (i == 0 || plan.cost < out->cost ||
            (plan.cost <= out->cost && used_terms(plan.parts) > used_terms(out->parts)))
            *out = plan;
    }
}

static void plan_once(struct planner *planner)
{
    struct record_query *query = planner->query;
    struct query_terms terms = root_terms(planner->ctx, query);
    planner->count = 0;
    planner->candidates =
        kt_alloc(planner->ctx, sizeof(*planner->candidates) * (query->entity->index_count + 1));
    add_candidate(planner, &terms, NULL);
    for (size_t i = 0; i < query->entity->index_count; i++)
        add_candidate(planner, &terms, &query->entity->indexes[i]);
    const struct candidate *best = settled(planner);
    if (best)
        fill_plan(planner, best, &query->plan);
    else
        weigh(planner, &query->plan);
}

/* --- A union: each branch of an `or` by an index of its own --- */

static struct query_terms branch_terms(struct kt_ctx *ctx, const struct query_node *branch,
                                       const struct query_terms *others)
{
    struct query_terms terms = {0};
    size_t own = branch->kind == QUERY_AND ? branch->child_count : 1;
    terms.at = kt_alloc(ctx, sizeof(const struct query_node *) * (own + others->count));
    for (size_t i = 0; i < own; i++) {
        const struct query_node *term = branch->kind == QUERY_AND ? &branch->children[i] : branch;
        if (term->kind == QUERY_TERM)
            terms.at[terms.count++] = term;
    }
    for (size_t i = 0; i < others->count; i++)
        terms.at[terms.count++] = others->at[i];
    return terms;
}

/* The access with the fewest keys; false when only looking at all records would do. */
static bool best_access(const struct planner *planner, const struct query_terms *terms,
                        struct query_access *out, double *keys)
{
    const struct schema_entity *entity = planner->query->entity;
    bool found = false;
    for (size_t i = 0; i <= entity->index_count; i++) {
        struct query_access access;
        if (!query_make_access(planner->ctx, terms, i ? &entity->indexes[i - 1] : NULL, &access) ||
            !has_terms(&access))
            continue;
        double count = estimate(planner, &access);
        if (!found || count < *keys) {
            *out = access;
            *keys = count;
        }
        found = true;
    }
    return found;
}

static void try_union(struct planner *planner, const struct query_node *either)
{
    struct record_query *query = planner->query;
    struct query_terms others = root_terms(planner->ctx, query);
    struct query_access *parts = kt_alloc(planner->ctx, sizeof(*parts) * either->child_count);
    double all = 0;
    for (size_t i = 0; i < either->child_count; i++) {
        struct query_terms terms = branch_terms(planner->ctx, &either->children[i], &others);
        double keys = 0;
        if (either->children[i].kind == QUERY_OR || either->children[i].kind == QUERY_NOT ||
            !best_access(planner, &terms, &parts[i], &keys))
            return;
        all += keys;
    }
    bool by_id = query->order_count == 1;
    struct query_plan plan = {.walk = QUERY_GATHER, .parts = parts};
    plan.part_count = either->child_count;
    plan.sorts = !by_id && !query->unordered;
    plan.backwards = by_id && query->order[0].descending;
    plan.cost = all * COST_OF_KEY + (plan.sorts ? all * (COST_OF_FETCH + COST_OF_SORT)
                                                : looks(planner, all) * COST_OF_FETCH);
    if (plan.cost < query->plan.cost)
        query->plan = plan;
}

void query_plan(struct kt_ctx *ctx, struct record_query *query)
{
    struct planner planner = {.ctx = ctx, .query = query};
    struct record_counts counts;
    if (record_counts_read(ctx, query->entity, &counts) != KT_OK)
        context_forgive(ctx);
    planner.records = (double)counts.all;
    if (query->archived == QUERY_LIVE && !counts.archived && !ctx->as_of)
        query->archived = QUERY_ALL; /* There are none to leave out. */
    plan_once(&planner);
    if (query->plan.cost <= COST_TO_JOIN)
        return;
    query_join(ctx, query);
    if (query->join_count)
        plan_once(&planner);
    for (size_t i = 0; i < query->root.child_count; i++)
        if (query->root.children[i].kind == QUERY_OR && query->root.children[i].child_count)
            try_union(&planner, &query->root.children[i]);
}
