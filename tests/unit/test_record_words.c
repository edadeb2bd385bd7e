/* Goal: the full-text index finds records by their words, ranks them, and stays in step.
 * Method: an entity of articles in place of the shop; the full check is the judge of the index. */
#include "record_fixture.h"

#include "record/word_search.h"

static const struct kt_field note_fields[] = {
    {.name = "text", .type = KT_TEXT, .flags = KT_SEARCHABLE},
    {.name = "pages", .type = KT_INT},
};
static const struct kt_field article_fields[] = {
    {.name = "name", .type = KT_TEXT, .flags = KT_SEARCHABLE},
    {.name = "body", .type = KT_TEXT, .flags = KT_SEARCHABLE | KT_MULTILINE, .max_length = 20000},
    {.name = "code", .type = KT_TEXT},
    {.name = "tags", .type = KT_TAGS, .flags = KT_SEARCHABLE},
    {.name = "notes", .type = KT_LINES, .lines = KT_LIST(note_fields)},
};
static const struct kt_entity article = {.name = "shop.article", .fields = KT_LIST(article_fields)};
static const struct kt_entity *const entities[] = {&article};
static const struct kt_plugin articles = {.name = "shop", .entities = KT_LIST(entities)};

/* The same, before anybody thought of searching. */
static const struct kt_field plain_fields[] = {
    {.name = "name", .type = KT_TEXT},
    {.name = "body", .type = KT_TEXT, .flags = KT_MULTILINE, .max_length = 20000},
};
static const struct kt_entity plain_article = {.name = "shop.article",
                                               .fields = KT_LIST(plain_fields)};
static const struct kt_entity *const plain_entities[] = {&plain_article};
static const struct kt_plugin plain_articles = {.name = "shop",
                                                .entities = KT_LIST(plain_entities)};

static void put_in_force(struct fixture *f, const struct kt_plugin *plugin)
{
    struct schema_module module = {.plugin = plugin, .enabled = true};
    char why[512];
    schema_free(f->schema);
    f->schema = NULL;
    assert_int_equal(schema_build(&module, 1, "EUR", f->txn, &f->schema, why, sizeof(why)), KT_OK);
    f->ctx.schema = f->schema;
    begin_step(f);
    assert_int_equal(end_step(f, record_refresh(&f->ctx, false)), KT_OK);
}

static int set_up_articles(void **state)
{
    int failed = set_up(state);
    if (!failed)
        put_in_force(*state, &articles);
    return failed;
}

#define ARTICLES(function) cmocka_unit_test_setup_teardown(function, set_up_articles, tear_down)

static enum kt_status find(struct fixture *f, const char *text, struct word_hits *hits)
{
    const msgpack_object asked = kt_text(text);
    struct word_query *query;
    enum kt_status status =
        word_query_compile(&f->ctx, entity_of(f, "shop.article"), &asked, &query);
    return status == KT_OK ? word_query_run(&f->ctx, query, hits) : status;
}

/* "3 1": the ids, the best first. */
static void assert_found(struct fixture *f, const char *text, const char *expected)
{
    struct word_hits hits;
    char ids[256] = "";
    assert_int_equal(find(f, text, &hits), KT_OK);
    for (size_t i = 0; i < hits.count; i++)
        snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s%llu", i ? " " : "",
                 (unsigned long long)hits.at[i].id);
    if (strcmp(ids, expected) != 0)
        fail_msg("'%s' finds [%s], not [%s]", text, ids, expected);
}

static const msgpack_object *problems(struct fixture *f)
{
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    return kt_get(answer(f), "problems");
}

static void assert_sound(struct fixture *f)
{
    assert_value(f, problems(f), json(f, "[]"));
}

static void put_three(struct fixture *f)
{
    create(f, "shop.article",
           json(f, "{'name': 'Steel bolt', 'body': 'A bolt of steel, zinc plated.',"
                   " 'tags': ['fastener']}"));
    create(f, "shop.article",
           json(f, "{'name': 'Bolt cutter', 'body': 'Cuts chains.',"
                   " 'notes': [{'text': 'Für Müller, Straße 7'}, {'pages': 2}]}"));
    create(f, "shop.article",
           json(f, "{'name': '不锈钢螺栓', 'body': '北京市朝阳区', 'code': 'bolt'}"));
    assert_int_equal(f->status, KT_OK);
}

static void words_are_found_wherever_they_stand(void **state)
{
    struct fixture *f = *state;
    put_three(f);
    assert_found(f, "zinc", "1");
    assert_found(f, "FASTENER", "1");
    assert_found(f, "muller strasse", "2");
    assert_found(f, "cutter chains", "2");
    assert_found(f, "cutter zinc", "");
    assert_found(f, "nothing", "");
    assert_sound(f);
}

static void beginnings_are_found_but_single_letters_are_words(void **state)
{
    struct fixture *f = *state;
    put_three(f);
    assert_found(f, "cut", "2");
    assert_found(f, "fas pla", "1");
    assert_found(f, "a", "1");
    assert_found(f, "b", "");
    assert_found(f, "7", "2");
}

static void chinese_is_found_by_any_phrase(void **state)
{
    struct fixture *f = *state;
    put_three(f);
    assert_found(f, "螺栓", "3");
    assert_found(f, "北京朝阳", "");
    assert_found(f, "北京 朝阳", "3");
    assert_found(f, "市", "3");
    assert_found(f, "区", "3");
    assert_found(f, "不锈钢螺栓", "3");
    assert_found(f, "上海", "");
}

/* The title counts most, a whole word more than a beginning, a short text more than a long one. */
static void the_best_come_first(void **state)
{
    struct fixture *f = *state;
    create(f, "shop.article", json(f, "{'name': 'Chain', 'body': 'for a bolt or two'}"));
    create(f, "shop.article", json(f, "{'name': 'Bolt'}"));
    create(f, "shop.article", json(f, "{'name': 'Boltless shelf'}"));
    create(f, "shop.article",
           json(f, "{'name': 'Handbook', 'body': 'of many things that one can do with a chain, a"
                   " shelf, a rope, a nail, a screw, a bolt and a lot of time to spend on it'}"));
    assert_found(f, "bolt", "2 1 3 4");
    assert_found(f, "shelf bolt", "3 4");
    /* Among equals the newest. */
    create(f, "shop.article", json(f, "{'name': 'Bolt'}"));
    assert_found(f, "bolt", "5 2 1 3 4");
}

static void changes_move_the_index(void **state)
{
    struct fixture *f = *state;
    put_three(f);
    assert_int_equal(update(f, "shop.article", 1, json(f, "{'body': 'brass'}")), KT_OK);
    assert_found(f, "zinc", "");
    assert_found(f, "brass", "1");
    assert_found(f, "steel", "1");
    assert_int_equal(update(f, "shop.article", 2, json(f, "{'notes': []}")), KT_OK);
    assert_found(f, "muller", "");
    assert_int_equal(erase(f, "shop.article", 3), KT_OK);
    assert_found(f, "螺栓", "");
    assert_int_equal(
        update(f, "shop.article", 1, json(f, "{'name': null, 'body': null, 'tags': []}")), KT_OK);
    assert_sound(f);
}

static void a_refused_save_leaves_the_index(void **state)
{
    struct fixture *f = *state;
    put_three(f);
    update_version(f, "shop.article", 1, 9, json(f, "{'name': 'wood'}"));
    assert_refused(f, KT_CONFLICT, "version");
    assert_found(f, "wood", "");
    assert_found(f, "steel", "1");
    assert_sound(f);
}

static void what_becomes_searchable_is_found(void **state)
{
    struct fixture *f = *state;
    put_in_force(f, &plain_articles);
    for (int i = 1; i <= 30; i++)
        create(f, "shop.article", json(f, "{'name': 'Bolt %d', 'body': 'size %d'}", i, i % 3));
    put_in_force(f, &articles);
    assert_found(f, "bolt 17", "17");
    assert_sound(f);
}

static void bad_questions_are_refused(void **state)
{
    struct fixture *f = *state;
    struct word_hits hits;
    static const char *const bad[] = {"", " ,.- ", "a b c d e f g h i j k l m n o p q"};
    for (size_t i = 0; i < KT_COUNT(bad); i++) {
        assert_int_not_equal(find(f, bad[i], &hits), KT_OK);
        assert_string_equal(f->ctx.error.field, "text");
        context_forgive(&f->ctx);
    }
}

/* A store that something else than the engine wrote to. */
static void the_check_names_what_is_wrong(void **state)
{
    struct fixture *f = *state;
    const struct schema_entity *entity = entity_of(f, "shop.article");
    const struct word steel = {.text = "steel", .size = 5}, wood = {.text = "wood", .size = 4};
    const uint16_t row[2] = {1, 1};
    struct key key;
    put_three(f);
    word_key(&key, entity, &steel, 1);
    assert_int_equal(store_del(f->txn, key_slice(&key)), KT_OK);
    word_key(&key, entity, &wood, 2);
    assert_int_equal(store_put(f->txn, key_slice(&key), (struct store_slice){row, sizeof(row)}),
                     KT_OK);
    word_key(&key, entity, &(struct word){.text = "chains", .size = 6}, 2);
    assert_int_equal(store_put(f->txn, key_slice(&key), (struct store_slice){row, sizeof(row)}),
                     KT_OK);
    const msgpack_object *found = problems(f);
    assert_int_equal(found->via.array.size, 3);
    assert_string_equal(kt_get_text(&f->ctx, &found->via.array.ptr[0], "text"),
                        "the full-text index lacks 'steel' of record 1");
    assert_string_equal(kt_get_text(&f->ctx, &found->via.array.ptr[1], "text"),
                        "the full-text index weighs 'chains' of record 2 wrongly");
    assert_string_equal(kt_get_text(&f->ctx, &found->via.array.ptr[2], "text"),
                        "the full-text index has 'wood' for record 2, which lacks it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ARTICLES(words_are_found_wherever_they_stand),
        ARTICLES(beginnings_are_found_but_single_letters_are_words),
        ARTICLES(chinese_is_found_by_any_phrase),
        ARTICLES(the_best_come_first),
        ARTICLES(changes_move_the_index),
        ARTICLES(a_refused_save_leaves_the_index),
        ARTICLES(what_becomes_searchable_is_found),
        ARTICLES(bad_questions_are_refused),
        ARTICLES(the_check_names_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
