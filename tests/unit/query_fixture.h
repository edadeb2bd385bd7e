/** Eight parties and three orders to ask about, and words to ask with. Orders are JSON, or one
 *  field without quotes. */
#pragma once

#include "record/query.h"
#include "record_fixture.h"

#define FOUND_MAX 16384

/*    1      2      3      4      5      6      7      8
 *    Ada    Bob    Cyd    Dan    Eve    Fay    Gus    (no name)
 *    company: 1 3 5 7; person: 2 4 6 8; parent 1: 2 3; parent 2: 4 */
static inline int open_shop(void **state)
{
    static const char *const rows[] = {
        "'name': 'Ada', 'rating': 5, 'credit': '100', 'tags': ['red', 'big'], 'region': 'North'",
        "'name': 'Bob', 'rating': 3, 'credit': '9.5', 'kind': 'person', 'parent': 1",
        "'name': 'Cyd', 'rating': 3, 'credit': '20', 'parent': 1, 'since': '2026-01-31'",
        "'name': 'Dan', 'rating': -2, 'kind': 'person', 'parent': 2, 'tags': ['red']",
        "'name': 'Eve', 'rating': 8, 'credit': '9.50', 'active': false, 'since': '2026-02-01'",
        "'name': 'Fay', 'kind': 'person', 'region': 'northwest', 'tags': ['big', 'old']",
        "'name': 'Gus', 'rating': 3, 'credit': '1000', 'region': 'south'",
        "'kind': 'person', 'rating': 8, 'credit': '0'",
    };
    static const char *const orders[] = {
        "'customer': 1, 'lines': [{'product': 'bolt', 'quantity': '3', 'price': '1'},"
        " {'product': 'nut', 'quantity': '10', 'price': '1'}]",
        "'customer': 2, 'lines': [{'product': 'bolt', 'quantity': '7', 'price': '1', 'maker': 3},"
        " {'product': 'bolt', 'quantity': '1', 'price': '1'}]",
        "'customer': 1",
    };
    if (set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    for (size_t i = 0; i < KT_COUNT(rows); i++)
        create(f, "shop.party", json(f, "{'code': 'P%zu', %s}", i + 1, rows[i]));
    for (size_t i = 0; i < KT_COUNT(orders); i++)
        create(f, "shop.order", json(f, "{%s}", orders[i]));
    return f->status == KT_OK ? 0 : -1;
}

#define QUESTION(function) cmocka_unit_test_setup_teardown(function, open_shop, tear_down)

static inline enum kt_status note_id(struct kt_ctx *ctx, void *argument, uint64_t id,
                                     struct store_slice bytes)
{
    char *ids = argument;
    size_t used = strlen(ids);
    (void)ctx;
    (void)bytes;
    if (used > FOUND_MAX - 32)
        fail_msg("too many to write down");
    snprintf(ids + used, FOUND_MAX - used, "%s%llu", used ? " " : "", (unsigned long long)id);
    return KT_OK;
}

static inline const msgpack_object *order_of(struct fixture *f, const char *order)
{
    if (!order)
        return NULL;
    return strchr("['", *order) ? json(f, "%s", order) : json(f, "'%s'", order);
}

static inline struct record_question question(struct fixture *f, const char *entity,
                                              const char *where, const char *order)
{
    return (struct record_question){.entity = entity_of(f, entity),
                                    .where = where ? json(f, "%s", where) : NULL,
                                    .order = order_of(f, order)};
}

/** The ids of a page. */
static inline const char *answer_ids(struct fixture *f, const struct record_question *asked,
                                     msgpack_object *next)
{
    struct record_query *query;
    char *ids = kt_alloc(&f->ctx, FOUND_MAX);
    enum kt_status status = record_query_compile(&f->ctx, asked, &query);
    if (status == KT_OK)
        status = record_query_run(&f->ctx, query, note_id, ids, next);
    if (status != KT_OK)
        fail_msg("%s", f->ctx.error.message);
    return ids;
}

/** The fields of the index that would be walked, "" for the records themselves. */
static inline const char *index_of(struct fixture *f, const struct record_question *asked,
                                   struct query_plan *plan)
{
    struct record_query *query;
    assert_int_equal(record_query_compile(&f->ctx, asked, &query), KT_OK);
    const struct schema_index *index = query->plan.parts[0].index;
    if (plan)
        *plan = query->plan;
    return index ? strchr(index->name, '#') + 1 : "";
}

static inline const char *found_in(struct fixture *f, const char *entity, const char *where,
                                   const char *order)
{
    struct record_question asked = question(f, entity, where, order);
    return answer_ids(f, &asked, NULL);
}
