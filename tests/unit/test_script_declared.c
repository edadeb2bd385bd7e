/* Goal: rule files declare fields, entities, totals and roles as script/declared.h promises, and
 * what is malformed is refused with its place. Method: files written here, read without any schema;
 * the tables that come out are looked at. */
#include "script/declared.h"

#include "script_fixture.h"

static enum kt_status read_file(struct world *w, const char *text, struct script_declared **out)
{
    struct script_file file = {
        .name = "test.lua", .source = "pushed", .text = text, .size = strlen(text)};
    return script_declared_load(&w->ctx, &file, 1, out);
}

static void a_field_is_read_whole(void **state)
{
    struct world *w = *state;
    struct script_declared *declared;
    assert_ok(w, read_file(w,
                           "\nfield{ entity = 'shop.order', lines = 'lines', name = 'x_size',\n"
                           "  type = 'enum', required = true, indexed = true,\n"
                           "  label = {'Size', '尺寸'}, initial = 'l', frozen = {'confirmed'},\n"
                           "  choices = { 's', { name = 'l', label = 'Large' } } }\n"
                           "field{ entity = 'shop.order', name = 'x_weight', type = 'decimal',\n"
                           "  digits = 3, initial = 7, help = 'kg' }",
                           &declared));
    assert_int_equal(declared->field_count, 2);
    const struct script_field *size = &declared->fields[0], *weight = &declared->fields[1];
    assert_string_equal(size->entity, "shop.order");
    assert_string_equal(size->lines, "lines");
    assert_string_equal(size->place.file, "test.lua");
    assert_int_equal(size->place.line, 2);
    assert_int_equal(size->decl.type, KT_ENUM);
    assert_int_equal(size->decl.flags, KT_REQUIRED | KT_INDEXED);
    assert_string_equal(size->decl.label.zh, "尺寸");
    assert_string_equal(size->decl.frozen.at[0], "confirmed");
    assert_int_equal(size->decl.choices.count, 2);
    assert_string_equal(size->decl.choices.at[0].name, "s");
    assert_string_equal(size->decl.choices.at[1].label.zh, "Large");
    assert_null(weight->lines);
    assert_int_equal(weight->decl.digits, 3);
    assert_string_equal(weight->decl.initial, "7");
    assert_string_equal(weight->decl.help.en, "kg");
    script_declared_free(declared);
}

static void an_entity_is_read_whole(void **state)
{
    struct world *w = *state;
    struct script_declared *declared;
    assert_ok(w, read_file(w,
                           "entity{ name = 'custom.car', append_only = true, title = 'plate',\n"
                           "  fields = { { name = 'plate', type = 'text' },\n"
                           "    { name = 'trips', type = 'lines',\n"
                           "      lines = { { name = 'km', type = 'int' } } } },\n"
                           "  states = { 'new', { name = 'sold', locked = true } },\n"
                           "  transitions = { { verb = 'sell', from = 'new', to = 'sold',\n"
                           "    event = 'sold', params = { { name = 'to', type = 'text' } } } },\n"
                           "  indexes = { { fields = { 'plate', 'state' }, unique = true } } }\n"
                           "total{ name = 'custom.km', entity = 'custom.car', by = { 'plate' },\n"
                           "  sum = { { name = 'km', field = 'trips.km', minus = true } },\n"
                           "  when = 'state', is = { 'sold' } }\n"
                           "role{ name = 'custom.driver', grants = { 'custom.car.read' } }",
                           &declared));
    const struct kt_entity *car = &declared->entities[0].decl;
    assert_int_equal(car->flags, KT_APPEND_ONLY);
    /* plate, trips, and the state that comes with states. */
    assert_int_equal(car->fields.count, 3);
    assert_string_equal(car->fields.at[1].lines.at[0].name, "km");
    assert_string_equal(car->fields.at[2].name, "state");
    assert_int_equal(car->fields.at[2].type, KT_STATE);
    assert_int_equal(car->states.at[1].flags, KT_LOCKED);
    assert_string_equal(car->transitions.at[0].params.at[0].name, "to");
    assert_true(car->indexes.at[0].unique);
    const struct kt_total *km = &declared->totals[0].decl;
    assert_int_equal(km->leg_count, 1);
    assert_string_equal(km->legs[0].by.at[0], "plate");
    assert_string_equal(km->legs[0].measures[0].field, "trips.km");
    assert_true(km->legs[0].measures[0].minus);
    assert_string_equal(km->is.at[0], "sold");
    assert_string_equal(declared->roles[0].decl.grants.at[0], "custom.car.read");
    script_declared_free(declared);
}

static void rules_are_left_for_the_second_run(void **state)
{
    struct world *w = *state;
    struct script_declared *declared;
    const char *text = "field{ entity = 'shop.order', name = 'x_a', type = 'bool' }\n"
                       "rule{ on = 'nobody.knows.before_create', name = 'r', check = print }";
    assert_ok(w, read_file(w, text, &declared));
    assert_int_equal(declared->field_count, 1);
    script_declared_free(declared);
    assert_refused(w, text, "test.lua:2: no module declares 'nobody.knows'");
    /* In the second run declarations are passed over, whatever they say. */
    use_rules(w, "field{}\nentity{}\ntotal{}\nrole{}");
}

static void what_is_malformed_is_refused_with_its_place(void **state)
{
    struct world *w = *state;
    static const char *const wrong[][2] = {
        {"\n\nfield{}", "test.lua:3: field{} needs a name"},
        {"field('x')", "table expected"},
        {"field{ name = 'x_a' }", "field x_a needs an entity"},
        {"field{ name = 'x_a', entity = 'shop.order', type = 7 }", "there is no type ''"},
        {"field{ name = 'x_a', entity = 'shop.order', [1] = 7 }", "has no '[1]'"},
        {"field{ name = 'x_a', entity = 'shop.order', choices = {} }", "choices is a list of 1"},
        {"field{ name = 'x_a', entity = 'shop.order', choices = { 7 } }", "a choice is a table"},
        {"field{ name = 'x_a', entity = 'shop.order', to = 7 }", "to is a text, not a number"},
        {"field{ name = 'x_a', entity = 'shop.order', help = '' }", "help has 1 to"},
        {"field{ name = 'x_a', entity = 'shop.order', digits = 1.5 }", "digits is a whole"},
        {"field{ name = 'x_a', entity = 'shop.order', digits = -1 }", "digits is a whole"},
        {"field{ name = 'x_a', entity = 'shop.order', initial = 1.5 }", "initial is a text"},
        {"field{ name = 'x_a', entity = 'shop.order', label = {'a', 'b', 'c'} }", "label is {"},
        {"entity{ name = 'custom.a', fields = { { name = 'b', lines = { { name = 'c', lines = {} "
         "} } } } }",
         "entity custom.a, field b, field c: a field has no 'lines'"},
        {"entity{ name = 'custom.a', states = { {} , { lockd = true } } }",
         "entity custom.a, state 2: a state has no 'lockd'; did you mean 'locked'?"},
        {"total{ name = 'custom.a', entity = 'shop.order', sum = { 'total' } }", "by = 1 to"},
        {"total{ name = 'custom.a', entity = 'shop.order', by = {'a'}, when = 'state' }",
         "goes with is"},
        {"role{ name = 'custom.a' }", "needs grants"},
        {"for i = 1, 201 do role{ name = 'custom.r' .. i, grants = {'a'} } end",
         "more than 200 declarations"},
        {"local t = setmetatable({}, {__index = function() return 'x' end}) field(t)",
         "needs a name"},
        {"while true do end", "have used up their steps"},
    };
    for (size_t i = 0; i < KT_COUNT(wrong); i++) {
        struct script_declared *declared = NULL;
        if (read_file(w, wrong[i][0], &declared) == KT_OK)
            fail_msg("accepted: %s", wrong[i][0]);
        assert_string_equal(w->ctx.error.rule, "test.lua");
        assert_contains(w->ctx.error.message, wrong[i][1]);
        next_request(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_STORY(a_field_is_read_whole),
        SHOP_STORY(an_entity_is_read_whole),
        SHOP_STORY(rules_are_left_for_the_second_run),
        SHOP_STORY(what_is_malformed_is_refused_with_its_place),
    };
    return cmocka_run_group_tests_name("script_declared", tests, NULL, NULL);
}
