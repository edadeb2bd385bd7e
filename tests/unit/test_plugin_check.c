/* Goal: declarations that contradict themselves are refused at load, each by a sentence that names
 * the field and what is wrong with it. Method: a plugin of one entity with one field of interest at
 * a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "plugin/catalog.h"

static const struct kt_field parts[] = {
    {.name = "item", .type = KT_REF, .to = "t.thing", .flags = KT_CASCADE}};

static const struct {
    const char *wrong; /* NULL: fine as it is. */
    struct kt_field field;
    unsigned entity_flags;
} cases[] = {
    {NULL, {.name = "of", .type = KT_REF, .to = "t.thing", .flags = KT_CASCADE}, 0},
    {NULL, {.name = "of", .type = KT_REF, .to = "t.thing", .flags = KT_REQUIRED | KT_CASCADE}, 0},
    {NULL, {.name = "of", .type = KT_REF, .to = "t.thing", .flags = KT_SET_NULL}, 0},
    {NULL, {.name = "parts", .type = KT_LINES, .lines = KT_LIST(parts)}, 0},
    {NULL, {.name = "pin", .type = KT_TEXT, .flags = KT_SENSITIVE | KT_UNIQUE}, 0},
    {"t.thing.name: `set_null` and `cascade` are for references of records",
     {.name = "name", .type = KT_TEXT, .flags = KT_CASCADE},
     0},
    {"t.thing.of: `set_null` or `cascade`, not both",
     {.name = "of", .type = KT_REF, .to = "t.thing", .flags = KT_SET_NULL | KT_CASCADE},
     0},
    {"t.thing.of: a required reference cannot be `set_null`",
     {.name = "of", .type = KT_REF, .to = "t.thing", .flags = KT_SET_NULL | KT_REQUIRED},
     0},
    {"t.thing.of: an `append_only` record is neither emptied nor deleted",
     {.name = "of", .type = KT_REF, .to = "t.thing", .flags = KT_SET_NULL},
     KT_APPEND_ONLY},
    {"t.thing.parts: an `append_only` record is neither emptied nor deleted",
     {.name = "parts", .type = KT_LINES, .lines = KT_LIST(parts)},
     KT_APPEND_ONLY},
    {"t.thing.word: a search would tell what is masked",
     {.name = "word", .type = KT_TEXT, .flags = KT_SENSITIVE | KT_SEARCHABLE},
     0},
    {"t.thing.state: `sensitive` is for fields of records, but for the state",
     {.name = "state", .type = KT_STATE, .flags = KT_SENSITIVE},
     0},
    {"t.thing.archived is the server's own field", {.name = "archived", .type = KT_BOOL}, 0},
};

static enum kt_status check(const struct kt_plugin *plugin, char *why, size_t why_size)
{
    why[0] = '\0';
    return plugin_check(plugin, false, why, why_size);
}

static void a_field_that_contradicts_itself_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        const struct kt_entity thing = {
            .name = "t.thing", .flags = cases[i].entity_flags, .fields = {&cases[i].field, 1}};
        const struct kt_entity *const entities[] = {&thing};
        const struct kt_plugin plugin = {KT_PLUGIN_HEAD, .name = "t", .version = "1.0.0",
                                         .schema = 1, .entities = KT_LIST(entities)};
        char why[512];
        enum kt_status status = check(&plugin, why, sizeof(why));
        assert_string_equal(why, cases[i].wrong ? cases[i].wrong : "");
        assert_int_equal(status, cases[i].wrong ? KT_INVALID : KT_OK);
    }
}

static enum kt_status run(struct kt_ctx *ctx, const msgpack_object *params)
{
    (void)ctx;
    (void)params;
    return KT_OK;
}

static void a_methods_parameter_refers_to_nothing_for_good(void **state)
{
    static const struct kt_field params[] = {
        {.name = "of", .type = KT_REF, .to = "t.thing", .flags = KT_CASCADE}};
    static const struct kt_field secret[] = {
        {.name = "pin", .type = KT_TEXT, .flags = KT_SENSITIVE}};
    const struct kt_fields both[] = {KT_LIST(params), KT_LIST(secret)};
    static const char *const wrong[] = {
        "t.do.of: `set_null` and `cascade` are for references of records",
        "t.do.pin: `sensitive` is for fields of records, but for the state"};
    (void)state;
    for (size_t i = 0; i < KT_COUNT(both); i++) {
        const struct kt_method method = {.name = "t.do", .params = both[i], .run = run};
        const struct kt_plugin plugin = {KT_PLUGIN_HEAD, .name = "t", .version = "1.0.0",
                                         .schema = 1, .methods = {&method, 1}};
        char why[512];
        assert_int_equal(check(&plugin, why, sizeof(why)), KT_INVALID);
        assert_string_equal(why, wrong[i]);
    }
}

static enum kt_status step(struct kt_ctx *ctx)
{
    (void)ctx;
    return KT_OK;
}

static void migrations_and_version_are_held_to_the_schema(void **state)
{
#define LABEL .label = { "Step", "步骤" }
    static const struct kt_migration both[] = {{.from = 1, .run = step, LABEL},
                                               {.from = 2, .run = step, LABEL}};
    static const struct kt_migration twice[] = {{.from = 1, .run = step, LABEL},
                                                {.from = 1, .run = step, LABEL}};
    static const struct kt_migration late[] = {{.from = 1, .run = step, LABEL},
                                               {.from = 3, .run = step, LABEL}};
    static const struct kt_migration silent[] = {{.from = 1, .run = step, .label = {"Step", NULL}}};
    static const struct {
        const char *wrong;
        const char *version;
        unsigned schema;
        struct kt_migrations migrations;
    } plugins[] = {
        {"", "1.0.0", 3, KT_LIST(both)},
        {"", "12", 1, {0}},
        {"no migration from schema 3", "1", 4, KT_LIST(both)},
        {"more than one migration from schema 1", "1", 2, KT_LIST(twice)},
        {"a migration from schema 3, but the schema is 2", "1", 2, KT_LIST(late)},
        {"migration from schema 1 needs a function and a label in both languages", "1", 2,
         KT_LIST(silent)},
        {"version '1.0-rc1' must be numbers and dots, such as 1.4.0", "1.0-rc1", 1, {0}},
        {"version '1..0' must be numbers and dots, such as 1.4.0", "1..0", 1, {0}},
        {"version '' must be numbers and dots, such as 1.4.0", "", 1, {0}},
    };
    (void)state;
    for (size_t i = 0; i < KT_COUNT(plugins); i++) {
        const struct kt_plugin plugin = {KT_PLUGIN_HEAD, .name = "t", .version = plugins[i].version,
                                         .schema = plugins[i].schema,
                                         .migrations = plugins[i].migrations};
        char why[512];
        enum kt_status status = check(&plugin, why, sizeof(why));
        assert_string_equal(why, plugins[i].wrong);
        assert_int_equal(status, *plugins[i].wrong ? KT_INVALID : KT_OK);
    }
}

static void a_name_is_words_with_dots_between(void **state)
{
    static const char *const wrong[] = {"t",   "t.",      "t..x",   "t.a.b",    "t.a b",
                                        "t.A", "u.thing", ".thing", "t.thing ", ""};
    (void)state;
    for (size_t i = 0; i < KT_COUNT(wrong); i++) {
        const struct kt_field field = {.name = "name", .type = KT_TEXT};
        const struct kt_entity thing = {.name = wrong[i], .fields = {&field, 1}};
        const struct kt_entity *const entities[] = {&thing};
        const struct kt_role role = {.name = wrong[i]};
        const struct kt_plugin both[] = {
            {KT_PLUGIN_HEAD, .name = "t", .version = "1.0.0", .schema = 1,
             .entities = KT_LIST(entities)},
            {KT_PLUGIN_HEAD, .name = "t", .version = "1.0.0", .schema = 1, .roles = {&role, 1}}};
        for (size_t p = 0; p < KT_COUNT(both); p++) {
            char why[512];
            assert_int_equal(check(&both[p], why, sizeof(why)), KT_INVALID);
            assert_non_null(strstr(why, "named t."));
        }
    }
}

/* "t.thing.archive" would be the transition, and also the right to put records away. */
static void a_transition_is_not_named_like_what_every_record_does(void **state)
{
    static const struct kt_state states[] = {{.name = "a"}, {.name = "b"}};
    static const struct kt_field field = {.name = "state", .type = KT_STATE};
    static const char *const taken[] = {"archive", "restore", "read", "delete"};
    (void)state;
    for (size_t i = 0; i < KT_COUNT(taken); i++) {
        const struct kt_transition move = {
            .from = "a", .to = "b", .verb = taken[i], .event = "moved"};
        const struct kt_entity thing = {.name = "t.thing",
                                        .fields = {&field, 1},
                                        .states = KT_LIST(states),
                                        .transitions = {&move, 1}};
        const struct kt_entity *const entities[] = {&thing};
        const struct kt_plugin plugin = {KT_PLUGIN_HEAD, .name = "t", .version = "1.0.0",
                                         .schema = 1, .entities = KT_LIST(entities)};
        char why[512];
        assert_int_equal(check(&plugin, why, sizeof(why)), KT_INVALID);
        assert_non_null(strstr(why, taken[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_that_contradicts_itself_is_refused_by_name),
        cmocka_unit_test(a_methods_parameter_refers_to_nothing_for_good),
        cmocka_unit_test(a_name_is_words_with_dots_between),
        cmocka_unit_test(a_transition_is_not_named_like_what_every_record_does),
        cmocka_unit_test(migrations_and_version_are_held_to_the_schema),
    };
    return cmocka_run_group_tests_name("plugin_check", tests, NULL, NULL);
}
