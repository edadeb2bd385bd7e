/* Goal: indexes and totals that a new version of a module declares hold the records that were there
 * before, and what is broken by them is refused.
 * Method: records saved under an older declaration of the same entities, then the newer one put in
 * force; the full check is the judge. */
#include "record_fixture.h"

/* The parties and orders of an older version: no index but references, no unique key, no total. */
static const struct kt_field old_party_fields[] = {
    {.name = "code", .type = KT_TEXT},   {.name = "name", .type = KT_TEXT},
    {.name = "kind", .type = KT_TEXT},   {.name = "tags", .type = KT_TAGS},
    {.name = "rating", .type = KT_INT},  {.name = "credit", .type = KT_TEXT, .flags = KT_INDEXED},
    {.name = "region", .type = KT_TEXT}, {.name = "tax_number", .type = KT_TEXT},
};
static const struct kt_field old_order_fields[] = {
    {.name = "customer", .type = KT_REF, .to = "shop.party"},
    {.name = "date", .type = KT_DATE},
    {.name = "state", .type = KT_TEXT},
    {.name = "lines", .type = KT_LINES, .lines = KT_LIST(order_line_fields)},
    {.name = "total", .type = KT_MONEY},
};
static const struct kt_entity old_party = {.name = "shop.party",
                                           .fields = KT_LIST(old_party_fields)};
static const struct kt_entity old_order = {.name = "shop.order",
                                           .fields = KT_LIST(old_order_fields)};
static const struct kt_entity *const old_entities[] = {&old_party, &old_order};
static const struct kt_plugin old_shop = {.name = "shop", .entities = KT_LIST(old_entities)};

static void put_in_force(struct fixture *f, const struct kt_plugin *plugin)
{
    struct schema_module module = {.plugin = plugin, .enabled = true};
    char why[512];
    schema_free(f->schema);
    f->schema = NULL;
    assert_int_equal(schema_build(&module, 1, "EUR", f->txn, &f->schema, why, sizeof(why)), KT_OK);
    f->ctx.schema = f->schema;
}

static enum kt_status refresh(struct fixture *f)
{
    begin_step(f);
    return end_step(f, record_refresh(&f->ctx, false));
}

static void assert_sound(struct fixture *f)
{
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    assert_value(f, kt_get(answer(f), "problems"), json(f, "[]"));
}

static void save_old_records(struct fixture *f)
{
    put_in_force(f, &old_shop);
    assert_int_equal(refresh(f), KT_OK);
    for (int i = 0; i < 20; i++)
        create(f, "shop.party",
               json(f,
                    "{'code': 'P%d', 'name': 'N%d', 'kind': 'person', 'rating': %d,"
                    " 'tags': ['t%d'], 'credit': '%d.00'}",
                    i, i % 3, i % 5, i % 2, i));
    for (int i = 0; i < 20; i++)
        create_by(f, RECORD_BY_SERVER, "shop.order",
                  json(f,
                       "{'customer': %d, 'date': '2026-11-%02d', 'state': 'confirmed',"
                       " 'total': '6', 'lines': [{'product': 'bolt', 'quantity': '2',"
                       " 'price': '3', 'amount': '6'}]}",
                       1 + i % 4, 1 + i));
    assert_int_equal(f->status, KT_OK);
    assert_sound(f);
}

static void what_is_new_holds_what_was_there(void **state)
{
    struct fixture *f = *state;
    struct kt_total_row row;
    save_old_records(f);
    put_in_force(f, &shop_plugin);
    assert_int_equal(refresh(f), KT_OK);
    assert_sound(f);
    /* 20 orders of 2 bolts for 6. */
    const msgpack_object by[] = {kt_text("bolt"), kt_text("2026-11-01")};
    assert_int_equal(kt_total_get(&f->ctx, "shop.sold", by, 2, &row), KT_OK);
    assert_int_equal(row.count, 20);
    assert_int_equal(kt_decimal_compare(row.measures[1], kt_decimal_from_int(120)), 0);
    const msgpack_object *found;
    assert_int_equal(kt_record_find(&f->ctx, "shop.party", "code", kt_text("P7"), &found), KT_OK);
    assert_int_equal(kt_get_id(found, "id"), 8);
    create(f, "shop.party", json(f, "{'code': 'P7'}"));
    assert_refused(f, KT_CONFLICT, "code");
}

static void what_was_dropped_and_comes_back_is_built_anew(void **state)
{
    struct fixture *f = *state;
    save_old_records(f);
    put_in_force(f, &shop_plugin);
    assert_int_equal(refresh(f), KT_OK);
    put_in_force(f, &old_shop);
    assert_int_equal(refresh(f), KT_OK);
    update(f, "shop.party", 3, json(f, "{'code': 'Q', 'rating': 99}")); /* Nobody is in step now. */
    erase(f, "shop.order", 5);
    put_in_force(f, &shop_plugin);
    assert_int_equal(refresh(f), KT_OK);
    assert_sound(f);
}

static void a_unique_key_that_records_break_is_refused(void **state)
{
    struct fixture *f = *state;
    save_old_records(f);
    create(f, "shop.party", json(f, "{'code': 'P7'}"));
    put_in_force(f, &shop_plugin);
    refresh(f);
    assert_refused(f, KT_CONFLICT, "code");
}

static void nothing_new_costs_nothing(void **state)
{
    struct fixture *f = *state;
    struct key key;
    save_old_records(f);
    put_in_force(f, &shop_plugin);
    assert_int_equal(refresh(f), KT_OK);
    const struct schema_index *code = entity_of(f, "shop.party")->indexes;
    while (strcmp(record_index_fields(code), "code") != 0)
        code++;
    record_index_begin(&key, code);
    key_add_text(&key, "P7", 2);
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    assert_int_equal(refresh(f), KT_OK);
    struct store_slice value; /* Had it been built again, the entry would be back. */
    assert_int_equal(store_get(f->txn, key_slice(&key), &value), KT_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(what_is_new_holds_what_was_there),
        STORY(what_was_dropped_and_comes_back_is_built_anew),
        STORY(a_unique_key_that_records_break_is_refused),
        STORY(nothing_new_costs_nothing),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
