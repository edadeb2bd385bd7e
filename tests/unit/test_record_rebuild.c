/* Goal: whatever is derived from records can be damaged, is named by the check, and is mended by a
 * rebuild; what is not derived stays named.
 * Method: a shelf of three books beside the shop; one row of the store is lost, added or altered
 * behind the engine's back. The check is the judge, and tells by name what it found. */
#include "record_fixture.h"

#include "record/word_index.h"

static const struct kt_field book_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_UNIQUE},
    {.name = "title", .type = KT_TEXT, .flags = KT_SEARCHABLE},
    {.name = "pages", .type = KT_INT, .flags = KT_INDEXED},
    {.name = "price", .type = KT_MONEY},
    {.name = "seller", .type = KT_REF, .to = "shop.party"},
};
static const struct kt_entity book = {.name = "books.book", .fields = KT_LIST(book_fields)};
static const struct kt_entity *const entities[] = {&book};
static const char *const by_seller[] = {"seller"};
static const struct kt_measure worth[] = {{.name = "price", .field = "price"}};
static const struct kt_leg worth_legs[] = {{.by = KT_LIST(by_seller), .measures = worth}};
static const struct kt_total totals[] = {{.name = "books.worth",
                                          .entity = "books.book",
                                          .measure_count = 1,
                                          .legs = worth_legs,
                                          .leg_count = 1}};
static const struct kt_plugin books = {
    .name = "books", .entities = KT_LIST(entities), .totals = KT_LIST(totals)};

/* Ann (1) sells the books 1 and 2 for 12.50 and 7.50, Bob (2) book 3 for 30. */
static void given_the_shelf(struct fixture *f)
{
    create(f, "shop.party", json(f, "{'code': 'ANN'}"));
    create(f, "shop.party", json(f, "{'code': 'BOB'}"));
    static const char *const shelf[] = {
        "{'code': 'B1', 'title': 'red knots', 'pages': 10, 'price': '12.50', 'seller': 1}",
        "{'code': 'B2', 'title': 'blue sails', 'pages': 20, 'price': '7.50', 'seller': 1}",
        "{'code': 'B3', 'title': 'blue ropes', 'pages': 30, 'price': '30', 'seller': 2}"};
    for (size_t i = 0; i < KT_COUNT(shelf); i++)
        assert_int_equal(create(f, "books.book", json(f, "%s", shelf[i])), i + 1);
    assert_check_finds_nothing(f);
}

/* --- Rows of the store --- */

static void lose(struct fixture *f, const struct key *key)
{
    assert_int_equal(store_del(f->txn, key_slice(key)), KT_OK);
}

static void put(struct fixture *f, const struct key *key, const void *bytes, size_t size)
{
    assert_int_equal(store_put(f->txn, key_slice(key), (struct store_slice){bytes, size}), KT_OK);
}

static void index_key(struct fixture *f, const char *field, struct key *key)
{
    const struct schema_entity *entity = entity_of(f, "books.book");
    size_t i = 0;
    while (strcmp(record_index_fields(&entity->indexes[i]), field) != 0)
        i++;
    record_index_begin(key, &entity->indexes[i]);
}

static void pages_key(struct fixture *f, int64_t pages, uint64_t id, struct key *key)
{
    index_key(f, "pages", key);
    key_add_int(key, pages);
    key_add_u64(key, id);
}

static void code_key(struct fixture *f, const char *code, struct key *key)
{
    index_key(f, "code", key);
    key_add_text(key, code, strlen(code));
}

static void total_key(struct fixture *f, int64_t seller, struct key *key)
{
    record_total_begin(key, entity_of(f, "books.book")->totals[0]);
    key_add_int(key, seller);
}

static void book_word_key(struct fixture *f, const char *text, uint64_t id, struct key *key)
{
    struct word word = {.size = strlen(text)};
    memcpy(word.text, text, word.size);
    word_key(key, entity_of(f, "books.book"), &word, id);
}

/* --- Damages --- */

static void lost_index_row(struct fixture *f)
{
    struct key key;
    pages_key(f, 20, 2, &key);
    lose(f, &key);
}

static void stray_index_row(struct fixture *f)
{
    struct key key;
    pages_key(f, 99, 2, &key);
    put(f, &key, "", 0);
}

static void lost_and_stray_index_row(struct fixture *f)
{
    lost_index_row(f);
    stray_index_row(f);
}

static void lost_unique_key(struct fixture *f)
{
    struct key key;
    code_key(f, "B2", &key);
    lose(f, &key);
}

static void stray_unique_key(struct fixture *f)
{
    struct key key;
    code_key(f, "ZZ", &key);
    put(f, &key, &(uint64_t){1}, sizeof(uint64_t));
}

static void unique_key_of_another(struct fixture *f)
{
    struct key key;
    code_key(f, "B2", &key);
    put(f, &key, &(uint64_t){3}, sizeof(uint64_t));
}

static void altered_total(struct fixture *f)
{
    struct key key;
    total_key(f, 1, &key);
    put(f, &key,
        "\x92\x02\xa2"
        "19",
        5);
}

static void lost_total(struct fixture *f)
{
    struct key key;
    total_key(f, 2, &key);
    lose(f, &key);
}

static void stray_total(struct fixture *f)
{
    struct key key;
    total_key(f, 9, &key);
    put(f, &key,
        "\x92\x01\xa1"
        "5",
        4);
}

static void broken_total(struct fixture *f)
{
    struct key key;
    total_key(f, 1, &key);
    put(f, &key, "\xc1", 1);
}

static void lost_word(struct fixture *f)
{
    struct key key;
    book_word_key(f, "sails", 2, &key);
    lose(f, &key);
}

static void stray_word(struct fixture *f)
{
    struct key key;
    book_word_key(f, "green", 2, &key);
    put(f, &key, &(uint16_t[2]){1, 2}, 4);
}

static void wrong_weight(struct fixture *f)
{
    struct key key;
    book_word_key(f, "blue", 3, &key);
    put(f, &key, &(uint16_t[2]){7, 2}, 4);
}

static void wrong_word_count(struct fixture *f)
{
    struct key key;
    word_key_entity(&key, entity_of(f, "books.book"));
    key_add_nil(&key);
    put(f, &key, &(uint64_t){8}, sizeof(uint64_t));
}

static void wrong_count(struct fixture *f)
{
    const struct record_counts counts = {.all = 4, .archived = 1};
    assert_int_equal(record_counts_write(&f->ctx, entity_of(f, "books.book"), &counts), KT_OK);
}

static void broken_count(struct fixture *f)
{
    struct key key;
    key_begin(&key, SPACE_COUNTER);
    key_add_u32(&key, entity_of(f, "books.book")->number);
    put(f, &key, "no", 2);
}

static void ids_given_out_twice(struct fixture *f)
{
    assert_int_equal(record_last_id_write(&f->ctx, entity_of(f, "books.book"), 2), KT_OK);
}

/* The first event follows every change here: the shop's host writes none. */
static void lost_note(struct fixture *f)
{
    struct key key;
    record_changed_key(&key, entity_of(f, "books.book"), 1, 3);
    lose(f, &key);
}

static void stray_note(struct fixture *f)
{
    struct key key;
    record_changed_key(&key, entity_of(f, "books.book"), 7, 3);
    put(f, &key, "", 0);
}

static void lost_and_stray_note(struct fixture *f)
{
    lost_note(f);
    stray_note(f);
}

static const struct damage {
    void (*run)(struct fixture *f);
    const char *what;
    int64_t problems;
    const char *text; /* Of the first. */
    int64_t rows;     /* After the rebuild. */
} damages[] = {
    /* Of the plain indexes the book has two, pages and seller: 6 rows. */
    {lost_index_row, "index", 1, "books.book#pages lacks record 2", 6},
    {stray_index_row, "index", 1,
     "books.book#pages has an entry for record 2 that does not belong there", 6},
    {lost_and_stray_index_row, "index", 2, "books.book#pages lacks record 2", 6},
    {lost_unique_key, "unique", 1, "books.book#code lacks record 2", 3},
    {stray_unique_key, "unique", 1,
     "books.book#code has an entry for record 1 that does not belong there", 3},
    /* Said once for the record that lost it, once for the one that has it. */
    {unique_key_of_another, "unique", 2, "books.book#code gives the value of record 2 to record 3",
     3},
    {altered_total, "total", 1, "row [1] of books.worth: price is 19, the records add up to 20.00",
     2},
    {lost_total, "total", 1, "row [2] of books.worth is not there, the records make 1 entries", 2},
    /* Its count and its sum. */
    {stray_total, "total", 2, "row [9] of books.worth counts 1, the records make 0", 2},
    {broken_total, "total", 1, "a row of books.worth cannot be read", 2},
    /* red knots, blue sails, blue ropes */
    {lost_word, "words", 1, "the full-text index lacks 'sails' of record 2", 6},
    {stray_word, "words", 1, "the full-text index has 'green' for record 2, which lacks it", 6},
    {wrong_weight, "words", 1, "the full-text index weighs 'blue' of record 3 wrongly", 6},
    {wrong_word_count, "words", 1, "the full-text index counts 8 records, there are 3", 6},
    {wrong_count, "count", 1, "4 records (1 archived) are counted, 3 (0) are there", 1},
    {broken_count, "count", 1, "the count of records cannot be read", 1},
    {ids_given_out_twice, "count", 1, "the last id given out is 2, yet record 3 is or was there",
     1},
    {lost_note, "changed", 1, "version 1 of record 3 is missing in the list of what changed when",
     3},
    {stray_note, "changed", 1, "record 3 is listed as changed at 7, its history has no such change",
     3},
    {lost_and_stray_note, "changed", 2,
     "version 1 of record 3 is missing in the list of what changed when", 3},
};

/* --- Words --- */

static const msgpack_object *rebuild(struct fixture *f, bool all)
{
    begin_step(f);
    assert_int_equal(end_step(f, record_rebuild(&f->ctx, all)), KT_OK);
    return answer(f);
}

static void assert_named(struct fixture *f, const struct damage *damage)
{
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    const msgpack_object *found = answer(f);
    const msgpack_object *first = kt_at(found, "problems", 0);
    assert_string_equal(kt_get_text(&f->ctx, first, "text"), damage->text);
    assert_true(*kt_get_text(&f->ctx, first, "text_zh"));
    assert_int_equal(kt_get_int(found, "count"), damage->problems);
    for (size_t i = 0; i < kt_count(found, "problems"); i++) {
        assert_true(kt_is(kt_at(found, "problems", i), "what", damage->what));
        assert_true(kt_is(kt_at(found, "problems", i), "entity", "books.book"));
    }
}

/* "reference books.book, history shop.party" */
static const char *left(struct fixture *f, const msgpack_object *answered)
{
    const char *text = "";
    for (size_t i = 0; i < kt_count(answered, "problems_left"); i++) {
        const msgpack_object *problem = kt_at(answered, "problems_left", i);
        text = kt_format(&f->ctx, "%s%s%s %s", text, *text ? ", " : "",
                         kt_get_text(&f->ctx, problem, "what"),
                         kt_get_text(&f->ctx, problem, "entity"));
    }
    return text;
}

static void write_raw(struct fixture *f, uint64_t id, const msgpack_object *record)
{
    assert_int_equal(record_put(&f->ctx, entity_of(f, "books.book"), id, record), KT_OK);
}

/* --- Stories --- */

static void each_damage_is_named_and_mended(void **state)
{
    struct fixture *f = *state;
    given_the_shelf(f);
    for (size_t i = 0; i < KT_COUNT(damages); i++) {
        const struct damage *damage = &damages[i];
        damage->run(f);
        assert_named(f, damage);
        const msgpack_object *answered = rebuild(f, false);
        assert_value(f, kt_get(answered, "rebuilt"),
                     json(f, "[{'entity': 'books.book', 'what': '%s', 'rows': %lld}]", damage->what,
                          (long long)damage->rows));
        assert_value(f, kt_get(answered, "problems_left"), json(f, "[]"));
        assert_int_equal(kt_get_int(answered, "count"), 0);
        assert_check_finds_nothing(f);
    }
    /* What was mended goes on: the next id, the next code, the next sum. */
    assert_int_equal(create(f, "books.book", json(f, "{'code': 'B4', 'price': '1', 'seller': 2}")),
                     4);
    create(f, "books.book", json(f, "{'code': 'B2'}"));
    assert_refused(f, KT_CONFLICT, "code");
    assert_check_finds_nothing(f);
}

static void several_damages_at_once(void **state)
{
    struct fixture *f = *state;
    given_the_shelf(f);
    lost_index_row(f);
    altered_total(f);
    wrong_count(f);
    const msgpack_object *answered = rebuild(f, false);
    assert_value(f, kt_get(answered, "rebuilt"),
                 json(f, "[{'entity': 'books.book', 'what': 'index', 'rows': 6},"
                         " {'entity': 'books.book', 'what': 'total', 'rows': 2},"
                         " {'entity': 'books.book', 'what': 'count', 'rows': 1}]"));
    assert_check_finds_nothing(f);
}

static void what_is_sound_is_left_alone(void **state)
{
    struct fixture *f = *state;
    given_the_shelf(f);
    assert_value(f, kt_get(rebuild(f, false), "rebuilt"), json(f, "[]"));
}

static void all_of_it_anew(void **state)
{
    struct fixture *f = *state;
    struct kt_total_row row;
    given_the_shelf(f);
    const msgpack_object *answered = rebuild(f, true);
    /* For the book and 5 entities of the shop: a count each; of those with a history (5) the list
     * of changes; words of the book; totals of the book, orders and moves; plain indexes of the
     * book, parties and orders, unique ones too. */
    assert_int_equal(kt_count(answered, "rebuilt"), 6 + 5 + 1 + 3 + 3 + 3);
    assert_string_equal(left(f, answered), "");
    assert_int_equal(kt_total_get(&f->ctx, "books.worth", (msgpack_object[]){kt_id(1)}, 1, &row),
                     KT_OK);
    assert_int_equal(kt_decimal_compare(row.measures[0], kt_decimal_from_int(20)), 0);
    assert_int_equal(row.count, 2);
    assert_check_finds_nothing(f);
}

static void a_broken_record_stays_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    given_the_shelf(f);
    record_key(&key, entity_of(f, "books.book"), 2);
    put(f, &key, "\xc1", 1);
    /* Its rows are gone, since nobody can say any more what they should be. */
    const msgpack_object *answered = rebuild(f, false);
    assert_string_equal(left(f, answered), "record books.book");
    assert_true(kt_is(kt_at(answered, "problems_left", 0), "text", "record 2 cannot be read"));
    struct kt_total_row row;
    assert_int_equal(kt_total_get(&f->ctx, "books.worth", (msgpack_object[]){kt_id(1)}, 1, &row),
                     KT_OK);
    assert_int_equal(row.count, 1);
}

static void one_value_of_two_records_stays_named(void **state)
{
    struct fixture *f = *state;
    given_the_shelf(f);
    struct kt_map *changed = kt_map_copy(&f->ctx, load(f, "books.book", 3));
    kt_map_set_text(changed, "code", "B1");
    write_raw(f, 3, &changed->object);
    /* The history gives no B3 before: a creation is told by the record itself. */
    assert_string_equal(left(f, rebuild(f, false)), "unique books.book");
    assert_string_equal(left(f, rebuild(f, true)), "unique books.book");
    /* Whoever changes one of the two mends it. */
    assert_int_equal(record_check_all(&f->ctx), KT_OK);
    assert_true(kt_is(kt_at(answer(f), "problems", 0), "text",
                      "books.book#code gives the value of record 3 to record 1"));
}

static void a_reference_to_nothing_stays_named(void **state)
{
    struct fixture *f = *state;
    struct key key;
    given_the_shelf(f);
    record_key(&key, entity_of(f, "shop.party"), 2);
    lose(f, &key);
    const msgpack_object *answered = rebuild(f, false);
    assert_string_equal(left(f, answered), "reference books.book, history shop.party");
    /* Bob's id stays his: his history tells of it. */
    assert_int_equal(create(f, "shop.party", json(f, "{'code': 'CEM'}")), 3);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(each_damage_is_named_and_mended),    STORY(several_damages_at_once),
        STORY(what_is_sound_is_left_alone),        STORY(all_of_it_anew),
        STORY(a_broken_record_stays_named),        STORY(one_value_of_two_records_stays_named),
        STORY(a_reference_to_nothing_stays_named),
    };
    fixture_more = &books;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
