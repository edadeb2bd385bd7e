/* Goal: an import tells nobody what they may not see: not what is in a sensitive field, by what a
 * value for it does or by a key, nor which records there are of an entity they may not read; and a
 * message quotes little of what it was given.
 * Method: a club beside the shop, and a user who lacks one permission. */
#include "record_fixture.h"

static const struct kt_field account_fields[] = {
    {.name = "bank", .type = KT_TEXT},
    {.name = "iban", .type = KT_TEXT, .flags = KT_SENSITIVE},
};
static const struct kt_field member_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_REQUIRED | KT_UNIQUE},
    {.name = "passport", .type = KT_TEXT, .flags = KT_UNIQUE | KT_SENSITIVE},
    {.name = "sponsor", .type = KT_REF, .to = "shop.party"},
    {.name = "friends", .type = KT_REFS, .to = "shop.party"},
    {.name = "accounts", .type = KT_LINES, .lines = KT_LIST(account_fields)},
};
static const struct kt_entity member_entity = {.name = "club.member",
                                               .fields = KT_LIST(member_fields)};
static const struct kt_field visit_fields[] = {
    {.name = "member", .type = KT_REF, .to = "club.member"},
};
static const struct kt_entity visit_entity = {.name = "club.visit",
                                              .fields = KT_LIST(visit_fields)};
static const struct kt_entity *const club_entities[] = {&member_entity, &visit_entity};
static const char *const club_requires[] = {"shop"};
static const struct kt_plugin club = {KT_PLUGIN_HEAD,
                                      .name = "club",
                                      .version = "1.0.0",
                                      .schema = 1,
                                      .requires = KT_LIST(club_requires),
                                      .entities = KT_LIST(club_entities)};

static enum kt_status import(struct fixture *f, const char *entity, const char *params)
{
    begin_step(f);
    return end_step(f, record_import(&f->ctx, entity_of(f, entity), json(f, "%s", params)));
}

static void a_sensitive_column_is_refused_whatever_it_says(void **state)
{
    static const struct {
        const char *entity, *params, *field;
    } cases[] = {
        /* What is stored, and what is not; before there are any rows, too. */
        {"club.member", "{'key': 'code', 'columns': ['code', 'passport'], 'rows': [['A', 'P1']]}",
         "passport"},
        {"club.member", "{'key': 'code', 'columns': ['code', 'passport'], 'rows': [['A', 'P2']]}",
         "passport"},
        {"club.member", "{'columns': ['code', 'passport'], 'rows': []}", "passport"},
        {"club.member",
         "{'key': 'code', 'columns': ['code', 'accounts.bank', 'accounts.iban'],"
         " 'rows': [['A', 'DKB', 'DE1']]}",
         "accounts.iban"},
        {"club.member",
         "{'key': 'code', 'columns': ['code', 'accounts.iban'], 'rows': [['A', 'DE2']]}",
         "accounts.iban"},
        {"club.member", "{'key': 'passport', 'columns': ['code', 'passport'], 'rows': []}",
         "passport"},
        {"club.visit", "{'columns': ['member.passport'], 'rows': [['P1']]}", "member.passport"},
    };
    struct fixture *f = *state;
    assert_int_equal(import(f, "club.member",
                            "{'columns': ['code', 'passport', 'accounts.bank', 'accounts.iban'],"
                            " 'rows': [['A', 'P1', 'DKB', 'DE1']]}"),
                     KT_OK);
    f->denied = "club.member.sensitive";
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        import(f, cases[i].entity, cases[i].params);
        assert_refused(f, KT_DENIED, cases[i].field);
    }
    /* What is not sensitive goes in, and a passport is no name to find a member by. */
    assert_int_equal(import(f, "club.member", "{'columns': ['code'], 'rows': [['B']]}"), KT_OK);
    assert_int_equal(import(f, "club.visit", "{'columns': ['member'], 'rows': [['P1']]}"),
                     KT_INVALID);
}

static void names_lead_only_to_what_one_may_read(void **state)
{
    static const struct {
        const char *params, *field;
    } cases[] = {
        /* A name that is there and one that is not make no difference. */
        {"{'columns': ['code', 'sponsor'], 'rows': [['B', 'P'], ['C', 'Q']]}", "sponsor"},
        {"{'columns': ['code', 'sponsor'], 'rows': [['B', 'Q']], 'skip_bad': true}", "sponsor"},
        {"{'columns': ['code', 'friends'], 'rows': [['B', '#1;Q']]}", "friends"},
        {"{'columns': ['code', 'sponsor.code'], 'rows': []}", "sponsor.code"},
    };
    struct fixture *f = *state;
    import(f, "shop.party", "{'columns': ['code'], 'rows': [['P']]}");
    f->denied = "shop.party.read";
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        import(f, "club.member", cases[i].params);
        assert_refused(f, KT_DENIED, cases[i].field);
        assert_non_null(strstr(f->message, "shop.party"));
        assert_int_equal(f->details.type, MSGPACK_OBJECT_NIL); /* Of the request, not of a row. */
    }
    /* An id needs no looking. */
    assert_int_equal(import(f, "club.member",
                            "{'columns': ['code', 'sponsor', 'friends'],"
                            " 'rows': [['B', '#1', '#1']]}"),
                     KT_OK);
}

/* `count` times the text. */
static const char *repeat(struct fixture *f, const char *text, size_t count)
{
    size_t length = strlen(text);
    char *all = kt_alloc(&f->ctx, length * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(all + i * length, text, length);
    return all;
}

static void assert_quotes_little(struct fixture *f, const struct kt_map *params, const char *tail)
{
    begin_step(f);
    enum kt_status status = record_import(&f->ctx, entity_of(f, "shop.party"), &params->object);
    const char *texts[] = {f->ctx.error.message, f->ctx.error.message_zh};
    assert_int_equal(status, KT_INVALID);
    for (size_t i = 0; i < KT_COUNT(texts); i++) {
        const msgpack_object text = kt_text(texts[i]);
        assert_true(strlen(texts[i]) < 300);
        assert_non_null(strstr(texts[i], "轴…"));
        /* Cut between characters: it is valid UTF-8. */
        assert_int_equal(record_text_check(&f->ctx, 300, "text", &text), KT_OK);
    }
    assert_non_null(strstr(texts[0], tail));
    assert_true(strlen(f->ctx.error.field) <= KT_LIMIT_ERROR_FIELD + strlen("…"));
    end_step(f, status);
}

static void little_is_quoted_of_what_is_long(void **state)
{
    struct fixture *f = *state;
    const char *wide = repeat(f, "轴", 1000000);
    const msgpack_object text = kt_text(wide);
    struct kt_map *params = kt_map_new(&f->ctx);
    struct kt_list *columns = kt_list_new(&f->ctx), *row = kt_list_new(&f->ctx);
    struct kt_list *rows = kt_list_new(&f->ctx);
    /* The name of a column, */
    kt_list_add(columns, text);
    kt_map_set(params, "columns", columns->object);
    kt_map_set(params, "rows", rows->object);
    assert_quotes_little(f, params, "see its description");
    /* a reference, */
    kt_list_add(row, kt_text("A"));
    kt_list_add(row, text);
    kt_list_add(rows, row->object);
    kt_map_set(params, "columns", *json(f, "['code', 'parent']"));
    kt_map_set(params, "rows", rows->object);
    assert_quotes_little(f, params, "there is no shop.party called");
    /* and a number. */
    row->object.via.array.ptr[1] = kt_text(kt_format(&f->ctx, "%s,", wide));
    kt_map_set(params, "columns", *json(f, "['code', 'credit']"));
    assert_quotes_little(f, params, "with a point");
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(a_sensitive_column_is_refused_whatever_it_says),
        STORY(names_lead_only_to_what_one_may_read),
        STORY(little_is_quoted_of_what_is_long),
    };
    fixture_more = &club;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
