/* Goal: rules see, edit, refuse and cause what script.h and core/script/README.md promise.
 * Method: rules written here, run by the record engine on a small shop (script_fixture.h). */
#include "script_fixture.h"

/* --- Declaring --- */

static void a_rule_is_listed_with_where_it_comes_from(void **state)
{
    struct world *w = *state;
    use_rules(w, "rule{ on = {'shop.order.before_save', 'shop.order.after_confirm'},\n"
                 "      name = 'shop.first', check = function() end }");
    struct kt_list *list = kt_list_new(&w->ctx);
    script_set_list(w->rules, false, list);
    assert_int_equal(list->object.via.array.size, 1);
    const msgpack_object *rule = &list->object.via.array.ptr[0];
    assert_true(kt_is(rule, "name", "shop.first"));
    assert_true(kt_is(rule, "on", "shop.order.before_save, shop.order.after_confirm"));
    assert_true(kt_is(rule, "file", "test.lua"));
    assert_true(kt_is(rule, "source", "pushed"));
}

static void a_wrong_declaration_is_refused_with_its_place(void **state)
{
    struct world *w = *state;
    static const char *const wrong[][2] = {
        {"\nrule{ on = 'shop.ordr.before_create', name = 'a', check = print }",
         "test.lua:2: no module declares 'shop.ordr'; did you mean 'shop.order'?"},
        {"rule{ on = 'shop.order.before_confrim', name = 'a', check = print }",
         "shop.order has no moment 'confrim'; did you mean 'confirm'?"},
        {"rule{ on = 'shop.order.create', name = 'a', check = print }", "on is ENTITY.before_"},
        {"rule{ on = 'nonsense', name = 'a', check = print }", "on is ENTITY.before_"},
        {"rule{ on = 5, name = 'a', check = print }", "on is ENTITY.before_"},
        {"rule{ on = {}, name = 'a', check = print }", "on names 1 to"},
        {"rule{ on = {'shop.order.before_create', 7}, name = 'a', check = print }",
         "on is ENTITY.before_"},
        {"rule{ on = 'shop.order.before_create', check = print }", "needs a name"},
        {"rule{ on = 'shop.order.before_create', name = 'a b', check = print }", "'a b' is not"},
        {"rule{ on = 'shop.order.before_create', name = 'a' }", "needs check"},
        {"rule{ on = 'shop.order.before_create', name = 'a', chekc = print }",
         "rule{} has no 'chekc'"},
        {"rule{ on = 'shop.order.before_create', name = 'a', priority = 'low', check = print }",
         "priority is a whole number"},
        {"rule{ on = 'shop.order.before_create', name = 'a', check = print }\n"
         "rule{ on = 'shop.order.before_update', name = 'a', check = print }",
         "test.lua:2: there is a rule 'a' already, at test.lua:1"},
        {"rule('x')", "table expected"},
        {"this is not lua", "test.lua:1: syntax error"},
        {"local x = = 1", "unexpected symbol"},
        {"error('broken')", "test.lua:1: broken"},
        {"error({})", "loading failed"},
        {"kontor.get('shop.order', 1)", "only inside a rule's check"},
        {"while true do pcall(function() end) end", "have used up their steps"},
        {"local t = {} while true do t[#t + 1] = ('x'):rep(100000) .. #t end", "the rules"},
        {"\x1bLua", "attempt to load a binary chunk"},
    };
    for (size_t i = 0; i < KT_COUNT(wrong); i++)
        assert_refused(w, wrong[i][0], wrong[i][1]);
}

static void a_rule_of_a_sleeping_module_is_kept_and_never_runs(void **state)
{
    struct world *w = *state;
    use_rules(w, "rule{ on = 'ghost.thing.before_create', name = 'g', check = error }");
    must_make(w, "shop.order", order_values(w));
}

static void rules_run_by_priority_then_name(void **state)
{
    struct world *w = *state;
    use_rules(w, "local function add(letter)\n"
                 "  return function(r) r.note = (r.note or '') .. letter end\n"
                 "end\n"
                 "local on = 'shop.order.before_save'\n"
                 "rule{ on = on, name = 'z', check = add('z') }\n"
                 "rule{ on = on, name = 'b', check = add('b'), priority = 60 }\n"
                 "rule{ on = on, name = 'a', check = add('a') }\n"
                 "rule{ on = on, name = 'y', check = add('y'), priority = 10 }\n"
                 "rule{ on = {on, 'shop.order.before_create'}, name = 'once',\n"
                 "      check = add('1'), priority = 70 }\n"
                 "rule{ on = 'shop.order.before_delete', name = 'd', check = error }\n"
                 "rule{ on = 'shop.customer.before_save', name = 'c', check = error }\n");
    uint64_t id = must_make(w, "shop.order", order_values(w));
    assert_true(kt_is(load(w, "shop.order", id), "note", "yazb1"));
}

static void each_moment_runs_its_own_rules(void **state)
{
    struct world *w = *state;
    use_rules(w, "local function note(text)\n"
                 "  return function(record, step)\n"
                 "    local old = step.old and step.old.state or '-'\n"
                 "    kontor.create('shop.entry', {text = text .. ' ' .. step.moment .. ' ' ..\n"
                 "      tostring(step.verb) .. ' ' .. old .. ' ' .. tostring(record.version)})\n"
                 "  end\n"
                 "end\n"
                 "for _, moment in ipairs{'create', 'update', 'delete', 'confirm', 'reopen'} do\n"
                 "  for _, when in ipairs{'before', 'after'} do\n"
                 "    local name = when .. '_' .. moment\n"
                 "    rule{ on = 'shop.order.' .. name, name = name, check = note(name) }\n"
                 "  end\n"
                 "end\n");
    uint64_t id = must_make(w, "shop.order", order_values(w));
    struct kt_map *params = values(w), *change = values(w);
    kt_map_set_int(change, "copies", 2);
    assert_ok(w, kt_record_update(&w->ctx, "shop.order", id, change));
    assert_ok(w, kt_record_transition(&w->ctx, "shop.order", id, "confirm", params));
    assert_ok(w, kt_record_delete(&w->ctx, "shop.order", id));
    static const char *const expected[] = {
        "before_create create nil - nil",
        "after_create create nil - 1",
        "before_update update nil draft 1",
        "after_update update nil draft 2",
        "before_confirm transition confirm draft 2",
        "after_confirm transition confirm draft 3",
        "before_delete delete nil confirmed 3",
        "after_delete delete nil confirmed 3",
    };
    for (size_t i = 0; i < KT_COUNT(expected); i++)
        assert_string_equal(kt_get_text(&w->ctx, load(w, "shop.entry", i + 1), "text"),
                            expected[i]);
}

static void parameters_of_a_transition_are_read_by_their_types(void **state)
{
    struct world *w = *state;
    use_rule(w, "shop.order.before_confirm",
             "assert(step.params.reason == 'late')\n"
             "assert(step.params.limit + 1 == kontor.decimal('11.50'))\n"
             "local ok, why = pcall(function() return step.params.limti end)\n"
             "assert(not ok and why:find(\"did you mean 'limit'\", 1, true), why)\n"
             "ok, why = pcall(function() step.params.limit = 1 end)\n"
             "assert(not ok and why:find('cannot be changed', 1, true), why)\n"
             "ok, why = pcall(function() step.old.note = 'x' end)\n"
             "assert(not ok and why:find('cannot be changed', 1, true), why)\n"
             "ok, why = pcall(function() return step.od end)\n"
             "assert(not ok and why:find('no .od.'), why)\n"
             "record.note = step.params.reason");
    uint64_t id = must_make(w, "shop.order", order_values(w));
    struct kt_map *params = values(w);
    kt_map_set_text(params, "reason", "late");
    kt_map_set_text(params, "limit", "10.50");
    assert_ok(w, kt_record_transition(&w->ctx, "shop.order", id, "confirm", params));
    assert_true(kt_is(load(w, "shop.order", id), "note", "late"));
    assert_true(kt_is(load(w, "shop.order", id), "state", "confirmed"));
}

/* --- Reading and editing the record --- */

static void fields_are_read_by_their_types(void **state)
{
    assert_passes(*state, "assert(record.id == nil and record.version == nil)\n"
                          "assert(tostring(record.date) == '2026-11-23')\n"
                          "assert(tostring(record.placed) == '2026-11-23T00:00:00.000000Z')\n"
                          "assert(record.state == 'draft' and record.note == nil)\n"
                          "assert(tostring(record.total) == '14.50')\n"
                          "assert(record.total == kontor.decimal('14.5'))\n"
                          "assert(#record.lines == 2 and #record.tags == 0)\n"
                          "assert(record.lines[3] == nil and record.lines[0] == nil)\n"
                          "local sum = kontor.decimal(0)\n"
                          "for i, line in ipairs(record.lines) do\n"
                          "  assert(i == 1 or line.product == 'nut')\n"
                          "  sum = sum + line.quantity * line.price\n"
                          "end\n"
                          "assert(tostring(sum) == '14.50', tostring(sum))\n"
                          "local count = 0\n"
                          "for _, line in pairs(record.lines) do\n"
                          "  assert(line.product); count = count + 1\n"
                          "end\n"
                          "assert(count == 2)\n"
                          "local seen = {}\n"
                          "for name, value in pairs(record) do\n"
                          "  seen[#seen + 1] = name\n"
                          "  assert(value ~= nil)\n"
                          "end\n"
                          "local all = table.concat(seen, ',')\n"
                          "assert(all == 'date,placed,total,discount,state,lines', all)\n"
                          "assert(tostring(record) == 'shop.order')\n"
                          "assert(tostring(step.moment) == 'create' and step.old == nil)");
}

static void a_misspelt_field_breaks_at_once(void **state)
{
    struct world *w = *state;
    assert_breaks(w, "return record.custmer",
                  "test.lua:2: shop.order has no field 'custmer'; did you mean 'customer'?");
    assert_breaks(w, "record.totla = 1", "shop.order has no field 'totla'");
    assert_breaks(w, "return record.lines[1].prise",
                  "shop.order.lines has no field 'prise'; did you mean 'price'?");
    assert_breaks(w, "return record.lines.product", "is a list");
    assert_breaks(w, "return record[1]", "is read by field names");
    assert_breaks(w, "return record.lines[1].version", "has no field 'version'");
}

static void a_before_rule_edits_the_record(void **state)
{
    struct world *w = *state;
    uint64_t customer;
    struct kt_map *given = values(w);
    kt_map_set_text(given, "name", "Bolt & Co");
    customer = must_make(w, "shop.customer", given);
    use_rule(w, "shop.order.before_create",
             "record.customer = 1\n"
             "record.discount = kontor.decimal('1.5') * 3\n"
             "record.note = 'från 北京'\n"
             "record.copies = 6 / 2\n"
             "record.urgent = true\n"
             "record.date = '2027-02-28'\n"
             "record.tags = {'new', 'large'}\n"
             "record.extra = {list = {1, 2, {deep = true}}, price = kontor.decimal('0.10')}\n"
             "assert(record.tags[2] == 'large' and record.extra.list[3].deep)\n"
             "for i, line in ipairs(record.lines) do\n"
             "  line.price = line.price + 1\n"
             "  line.quantity = i\n"
             "end\n"
             "record.lines[2].product = 'screw nut'\n"
             "assert(record.lines[1].price == kontor.decimal('2.25'))");
    uint64_t id = must_make(w, "shop.order", order_values(w));
    const msgpack_object *order = load(w, "shop.order", id);
    assert_int_equal(kt_get_id(order, "customer"), customer);
    assert_true(kt_is(order, "discount", "4.5"));
    assert_true(kt_is(order, "note", "från 北京"));
    assert_int_equal(kt_get_int(order, "copies"), 3);
    assert_true(kt_get_bool(order, "urgent"));
    assert_true(kt_is(order, "date", "2027-02-28"));
    assert_int_equal(kt_count(order, "tags"), 2);
    assert_true(kt_is(kt_get(order, "extra"), "price", "0.10"));
    assert_true(kt_is(kt_at(order, "lines", 0), "price", "2.25"));
    assert_true(kt_is(kt_at(order, "lines", 1), "price", "1.50"));
    assert_true(kt_is(kt_at(order, "lines", 1), "product", "screw nut"));
    assert_true(kt_is(kt_at(order, "lines", 1), "quantity", "2"));
}

static void editing_a_copied_line_leaves_the_old_record_alone(void **state)
{
    struct world *w = *state;
    uint64_t id = must_make(w, "shop.order", order_values(w));
    use_rule(w, "shop.order.before_update",
             "record.lines[1].price = '9'\n"
             "record.note = nil\n"
             "assert(tostring(record.lines[1].price) == '9')\n"
             "assert(tostring(step.old.lines[1].price) == '1.25')\n"
             "assert(step.old.id == record.id and tostring(record) == 'shop.order 1')");
    struct kt_map *change = values(w);
    kt_map_set_text(change, "note", "gone");
    assert_ok(w, kt_record_update(&w->ctx, "shop.order", id, change));
    const msgpack_object *order = load(w, "shop.order", id);
    assert_true(kt_is(kt_at(order, "lines", 0), "price", "9.00"));
    assert_false(kt_has(order, "note"));
}

static void what_may_not_be_assigned_breaks_the_rule(void **state)
{
    struct world *w = *state;
    static const char *const wrong[][2] = {
        {"record.total = 1", "total is read-only"},
        {"record.lines[1].amount = 1", "lines[0].amount is read-only"},
        {"record.state = 'confirmed'", "state changes only by transitions"},
        {"record.id = 4", "id of shop.order is the server's own"},
        {"record.version = 4", "version of shop.order is the server's own"},
        {"record.lines[1].id = 4", "id of shop.order.lines is the server's own"},
        {"record.lines = {}", "lines cannot be assigned"},
        {"record.lines[3] = {product = 'x'}", "neither adds, removes nor replaces lines"},
        {"record.lines[1] = nil", "neither adds, removes nor replaces lines"},
        {"record.ghost = 4", "refers to ghost.thing, whose module is not enabled"},
        {"record.discount = 0.1", "discount cannot be the float 0.1"},
        {"record.discount = 2.0", "discount cannot be the float"},
        {"record.discount = 'many'", "'many' is not a decimal"},
        {"record.discount = true", "discount must be a decimal, not boolean"},
        {"record.lines[2].price = 1.5", "lines[1].price cannot be the float"},
        {"record.note = 5", "note must be text, not number"},
        {"record.date = 'tomorrow'", "date must be a date such as"},
        {"record.date = '2026-02-30'", "date must be a date such as"},
        {"record.copies = 1.5", "copies must be a whole number"},
        {"record.urgent = 'yes'", "urgent must be true or false, not yes"},
        {"record.customer = 'Bolt & Co'", "customer must be the id of a record"},
        {"record.tags = 'new'", "tags must be a list of texts"},
        {"record.tags = {1}", "tags must be a list of texts"},
        {"record.tags = {'a'} record.tags[2] = 'b'", "cannot be changed in place"},
        {"record.extra = record", "of a record give its id"},
        {"record.extra = print", "cannot be a function"},
        {"local t = {} t.t = t record.extra = t", "nested deeper"},
        {"record.extra = {1, 2, x = 3} record.extra = {[2.5] = 1}", "text keys"},
        {"record.placed = 'soon'", "placed must be an instant"},
        {"step.moment = 'x'", "step cannot be changed"},
    };
    for (size_t i = 0; i < KT_COUNT(wrong); i++)
        assert_breaks(w, wrong[i][0], wrong[i][1]);
}

static void what_the_engine_refuses_keeps_the_engines_error(void **state)
{
    struct world *w = *state;
    use_rule(w, "shop.order.before_create", "record.customer = 99");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_INVALID);
    assert_string_equal(w->ctx.error.field, "customer");
    next_request(w);
    use_rule(w, "shop.order.before_create", "record.discount = '0.1234567'");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_INVALID);
    assert_string_equal(w->ctx.error.field, "discount");
}

static void after_and_delete_rules_cannot_edit(void **state)
{
    struct world *w = *state;
    use_rule(w, "shop.order.after_create", "record.note = 'late'");
    assert_fails(w, KT_RULE_FAILED, "runs after the change");
    use_rule(w, "shop.order.before_delete", "assert(record.id == 1) record.note = 'late'");
    uint64_t id = must_make(w, "shop.order", order_values(w));
    (void)id;
    assert_int_equal(kt_record_delete(&w->ctx, "shop.order", 1), KT_RULE_FAILED);
    assert_contains(w->ctx.error.message, "that is deleted cannot be changed");
}

/* --- Decimals --- */

static void decimals_calculate_exactly(void **state)
{
    assert_passes(*state,
                  "local d = kontor.decimal\n"
                  "local function is(value, text)\n"
                  "  if tostring(value) ~= text then error(tostring(value) .. ' ~= ' .. text, 2) "
                  "end\n"
                  "end\n"
                  "is(d('0.1') + d('0.2'), '0.3')\n"
                  "is(d('0.1') + '0.20', '0.30')\n"
                  "is('1' - d('0.25'), '0.75')\n"
                  "is(5 * d('1.10'), '5.50')\n"
                  "is(d('12.50') * '0.19', '2.3750')\n"
                  "is(d(10) / 4, '2.5')\n"
                  "is(d('10.00') / 4, '2.50')\n"
                  "is(d(2) / 3, '0.666666666667')\n"
                  "is(-d(2) / 3, '-0.666666666667')\n"
                  "is(1 / d(8), '0.125')\n"
                  "is(-d('1.5'), '-1.5')\n"
                  "is(d('2.345'):round(2), '2.35')\n"
                  "is(d('-2.345'):round(2), '-2.35')\n"
                  "is(d('2.5'):round(), '3')\n"
                  "is(d('2.5'):round(0, 'half_even'), '2')\n"
                  "is(d('-2.01'):round(1, 'floor'), '-2.1')\n"
                  "is(d('-4'):abs(), '4')\n"
                  "is(d(' 7'.. '' == ' 7' and 7 or 0), '7')\n"
                  "assert(d('0.00'):is_zero() and d(-3):sign() == -1)\n"
                  "assert(d('2.0') == d('2') and d('2.0') ~= d('2.1'))\n"
                  "assert(d(2) < 3 and 1 < d(2) and d(2) <= 2 and 2 >= d(2) and d(2) > d('1.9'))\n"
                  "assert(not (d(2) < d(2)) and not (3 <= d(2)))\n"
                  "assert('total ' .. tostring(d('1.50')) .. ' EUR' == 'total 1.50 EUR')\n"
                  "assert(not pcall(function() return 'total ' .. d('1.50') end))\n"
                  "assert(string.format('%s', d('1.50')) == '1.50')\n"
                  "assert(type(record.total) == 'userdata')");
}

static void what_would_be_inexact_breaks(void **state)
{
    struct world *w = *state;
    static const char *const wrong[][2] = {
        {"return record.total * 0.1", "kontor.decimal(\"0.1\")"},
        {"return 0.5 + record.total", "is a float"},
        {"return record.total < 1.5", "is a float"},
        {"return kontor.decimal(0.1)", "is a float"},
        {"return kontor.decimal(2.0)", "is a float"},
        {"return record.total < '5'", "cannot be compared with text"},
        {"return record.total / 0", "division by zero"},
        {"return record.total + 'x'", "'x' is not a decimal"},
        {"return kontor.decimal('1e5')", "'1e5' is not a decimal"},
        {"return kontor.decimal()", "expected here, not no value"},
        {"return record.total + record.copies", "not nil (an empty field?)"},
        {"return record.total + record", "expected here, not userdata"},
        {"local x = kontor.decimal(10) for _ = 1, 40 do x = x * x end", "more than 38 digits"},
        {"return record.total:rond(2)", "a decimal has no 'rond'"},
        {"return record.total:round(19)", "0 to 18 digits"},
        {"record.total.x = 1", "attempt to index"},
        {"return record.total % 2", "arithmetic"},
    };
    for (size_t i = 0; i < KT_COUNT(wrong); i++)
        assert_breaks(w, wrong[i][0], wrong[i][1]);
}

/* --- Asking --- */

static uint64_t customer(struct world *w, const char *name, const char *limit)
{
    struct kt_map *given = values(w);
    kt_map_set_text(given, "name", name);
    if (limit)
        kt_map_set_text(given, "credit_limit", limit);
    return must_make(w, "shop.customer", given);
}

static void records_are_read_found_and_searched(void **state)
{
    struct world *w = *state;
    customer(w, "Bolt & Co", "100");
    customer(w, "Nut Ltd", NULL);
    customer(w, "Screw AG", "50.5");
    assert_passes(
        w, "local one = kontor.get('shop.customer', 1)\n"
           "assert(one.name == 'Bolt & Co' and one.id == 1 and one.version == 1)\n"
           "assert(tostring(one.credit_limit) == '100.00' and tostring(one) == 'shop.customer 1')\n"
           "assert(kontor.find('shop.customer', 'name', 'Nut Ltd').id == 2)\n"
           "assert(kontor.find('shop.customer', 'name', 'Nobody') == nil)\n"
           "assert(kontor.find('shop.customer', 'name', record.note) == nil)\n"
           "local all = kontor.search('shop.customer')\n"
           "assert(#all == 3 and all[3].name == 'Screw AG')\n"
           "local few = kontor.search('shop.customer', {{'credit_limit', '>', "
           "kontor.decimal('20')}},\n"
           "  {order = '-name', limit = 1})\n"
           "assert(#few == 1 and few[1].name == 'Screw AG')\n"
           "assert(#kontor.search('shop.customer', {{'id', 'in', {1, 2}}}) == 2)\n");
    assert_breaks(w, "kontor.get('shop.customer', 1).name = 'x'", "use kontor.update");
    assert_breaks(w, "kontor.get('shop.customer', record.customer)", "the id is nil");
    assert_breaks(w, "kontor.get('shop.customer', -1)", "an id is above 0");
    assert_breaks(w, "kontor.find('shop.customer', 'name')", "the value is missing");
    assert_breaks(w, "kontor.search('shop.customer', {'name'})", "a condition is");
    assert_breaks(w, "kontor.search('shop.customer', nil, {lmit = 1})", "search options are");
    assert_breaks(w, "kontor.serch('shop.customer')", "kontor has no 'serch'");
    assert_breaks(w, "return kontor.get('shop.customer', 1).limit", "has no field 'limit'");
}

static void totals_have_their_measures_by_name(void **state)
{
    struct world *w = *state;
    uint64_t id = customer(w, "Bolt & Co", NULL);
    for (int i = 0; i < 2; i++) {
        struct kt_map *order = order_values(w);
        kt_map_set_id(order, "customer", id);
        must_make(w, "shop.order", order);
    }
    assert_passes(w, "local t = kontor.total('shop.ordered', 1)\n"
                     "assert(tostring(t.discounts) == '5.0' or tostring(t.discounts) == '5')\n"
                     "assert(t.count == 2)\n"
                     "assert(kontor.total('shop.ordered', 1, '2026-11-01').count == 2)\n"
                     "assert(kontor.total('shop.ordered', 1, '2026-10-01').count == 0)\n"
                     "assert(kontor.total('shop.ordered').count == 2)\n");
    assert_breaks(w, "return kontor.total('shop.ordered', 1).sum",
                  "total shop.ordered has no 'sum'");
}

static void the_request_can_be_asked_about(void **state)
{
    struct world *w = *state;
    struct kt_map *given = values(w);
    kt_map_set_text(given, "name", "shop.limit");
    kt_map_set_text(given, "value", "12");
    must_make(w, "system.setting", given);
    w->role = "shop.manager";
    assert_passes(w, "assert(kontor.has_role('shop.manager') and not kontor.has_role('x'))\n"
                     "assert(kontor.user() == 'anna' and kontor.user_id() == 7)\n"
                     "assert(kontor.today() == kontor.date('2026-11-23'))\n"
                     "assert(kontor.setting('shop.limit', '10') == '12')\n"
                     "assert(kontor.setting('shop.other', '10') == '10')\n"
                     "assert(kontor.setting('shop.other') == nil)\n"
                     "assert(kontor.enabled('shop') and not kontor.enabled('ghost'))\n"
                     "assert(not kontor.enabled('nothing'))\n"
                     "kontor.log('seen', record, 5, kontor.none)\n"
                     "print('also')");
}

/* --- Refusing --- */

static void a_denial_says_who_where_and_why_in_two_languages(void **state)
{
    struct world *w = *state;
    use_rule(w, "shop.order.before_create",
             "kontor.deny('too dear', {field = 'total', message_zh = '太贵',\n"
             "  code = 'limit', details = {limit = kontor.decimal('10.00'), list = {1, 2}}})");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_RULE_DENIED);
    const struct context_error *error = &w->ctx.error;
    assert_int_equal(error->status, KT_RULE_DENIED);
    assert_string_equal(error->rule, "t");
    assert_string_equal(error->field, "total");
    assert_string_equal(error->message, "too dear");
    assert_string_equal(error->message_zh, "太贵");
    assert_true(kt_is(&error->details, "code", "limit"));
    assert_true(kt_is(&error->details, "limit", "10.00"));
    assert_int_equal(kt_count(&error->details, "list"), 2);
    next_request(w);

    use_rule(w, "shop.order.before_create", "kontor.deny('no \\xff\\1 way')");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_RULE_DENIED);
    assert_string_equal(error->message, "no ?? way");
    assert_string_equal(error->message_zh, "规则拒绝：no ?? way");
    assert_null(error->field);
    assert_int_equal(error->details.type, MSGPACK_OBJECT_NIL);
    next_request(w);
    assert_breaks(w, "kontor.deny()", "string expected");
    assert_breaks(w, "kontor.deny('x', {feild = 'total'})", "no option 'feild'");
}

static void a_denial_cannot_be_caught(void **state)
{
    struct world *w = *state;
    static const char *const bodies[] = {
        "pcall(kontor.deny, 'no')",
        "xpcall(kontor.deny, function() return 1 end, 'no')",
        "pcall(pcall, pcall, kontor.deny, 'no')",
        "for i = 1, 3 do pcall(function() kontor.deny('no') end) end",
        "table.sort({1, 2, 3}, function() pcall(kontor.deny, 'no') return false end)",
        "string.gsub('abc', '.', function() pcall(kontor.deny, 'no') end)",
        "local t = setmetatable({}, {__index = function() pcall(kontor.deny, 'no') end})\n"
        "return t.x",
    };
    for (size_t i = 0; i < KT_COUNT(bodies); i++) {
        use_rule(w, "shop.order.before_create", bodies[i]);
        assert_fails(w, KT_RULE_DENIED, "no");
    }
}

static void an_engine_error_is_kept_even_under_pcall(void **state)
{
    struct world *w = *state;
    use_rule(w, "shop.order.before_create",
             "pcall(kontor.create, 'shop.customer', {region = 'west'})\n"
             "kontor.deny('never reached')");
    assert_fails(w, KT_INVALID, "region must be one of: north, south");
    use_rule(w, "shop.order.before_create", "pcall(kontor.get, 'shop.customer', 77)");
    assert_fails(w, KT_NOT_FOUND, "77");
    use_rule(w, "shop.order.before_create", "pcall(kontor.get, 'shop.custmer', 77)");
    assert_fails(w, KT_NOT_FOUND, "shop.custmer");
    use_rule(w, "shop.order.before_create", "kontor.find('shop.order', 'note', 'x')");
    assert_fails(w, KT_INVALID, "not a unique field");
    use_rule(w, "shop.order.before_create", "kontor.total('shop.orderd')");
    assert_fails(w, KT_NOT_FOUND, "shop.orderd");
    use_rule(w, "shop.order.before_create",
             "kontor.create('shop.customer', {name = 'x', credit_limit = 0.1})");
    assert_fails(w, KT_INVALID, "not a float");
}

/* --- Causing --- */

static void records_are_created_and_updated(void **state)
{
    struct world *w = *state;
    customer(w, "Bolt & Co", "100");
    assert_passes(w, "if record.note then return end\n"
                     "local id = kontor.create('shop.customer', {name = 'New', region = 'north'})\n"
                     "assert(id == 2 and kontor.get('shop.customer', id).region == 'north')\n"
                     "kontor.update('shop.customer', 1,\n"
                     "  {credit_limit = kontor.decimal('100') + 5, region = 'south'})\n"
                     "kontor.update('shop.customer', 2, {region = kontor.none})\n"
                     "local other = kontor.create('shop.order', {customer = id, tags = {'a'},\n"
                     "  note = 'made by a rule',\n"
                     "  lines = {{product = 'x', quantity = 2}, {product = 'y'}}})\n"
                     "assert(#kontor.get('shop.order', other).lines == 2)");
    assert_true(kt_is(load(w, "shop.customer", 1), "credit_limit", "105.00"));
    assert_true(kt_is(load(w, "shop.customer", 1), "region", "south"));
    assert_false(kt_has(load(w, "shop.customer", 2), "region"));
    use_rule(w, "shop.order.before_update", "kontor.update('shop.order', record.id, {copies = 2})");
    struct kt_map *change = values(w);
    kt_map_set_int(change, "copies", 1);
    uint64_t id = must_make(w, "shop.order", order_values(w));
    assert_int_equal(kt_record_update(&w->ctx, "shop.order", id, change), KT_CONFLICT);
    assert_contains(w->ctx.error.message, "is being saved");
}

/* Entries make entries: 0 makes 1, ... 9 makes 10. Each level's record stays good while deeper ones
 * come and go. */
static void a_rule_may_cause_saves_that_run_rules(void **state)
{
    struct world *w = *state;
    use_rules(w, "rule{ on = 'shop.entry.before_create', name = 't', check = function(record)\n"
                 "  if record.depth < 10 then\n"
                 "    local id = kontor.create('shop.entry', {depth = record.depth + 1})\n"
                 "    record.text = 'made ' .. id .. ' at ' .. record.depth\n"
                 "  end\n"
                 "end }");
    struct kt_map *given = values(w);
    kt_map_set_int(given, "depth", 0);
    uint64_t id = must_make(w, "shop.entry", given);
    assert_true(kt_is(load(w, "shop.entry", id), "text", "made 2 at 0"));
    assert_true(kt_is(load(w, "shop.entry", 10), "text", "made 11 at 9"));
    assert_false(kt_has(load(w, "shop.entry", 11), "text"));
}

static void saves_without_end_fail_cleanly(void **state)
{
    struct world *w = *state;
    for (int when = 0; when < 2; when++) {
        use_rule(w, when ? "shop.entry.after_create" : "shop.entry.before_create",
                 "pcall(function() kontor.create('shop.entry', {depth = record.depth}) end)");
        struct kt_map *given = values(w);
        kt_map_set_int(given, "depth", 0);
        assert_int_equal(make(w, "shop.entry", given, NULL), KT_TOO_LARGE);
        assert_contains(w->ctx.error.message, "without end");
        next_request(w);
        use_rule(w, "shop.entry.before_create", "");
        must_make(w, "shop.entry", values(w));
    }
}

static void the_error_of_a_rule_within_a_rule_names_the_inner_one(void **state)
{
    struct world *w = *state;
    use_rules(w, "rule{ on = 'shop.order.before_create', name = 'outer', check = function()\n"
                 "  pcall(kontor.create, 'shop.entry', {depth = 1})\n"
                 "  kontor.deny('never reached')\n"
                 "end }\n"
                 "rule{ on = 'shop.entry.after_create', name = 'inner', check = function()\n"
                 "  kontor.deny('no entries')\n"
                 "end }");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_RULE_DENIED);
    assert_string_equal(w->ctx.error.rule, "inner");
    assert_string_equal(w->ctx.error.message, "no entries");
}

static void a_record_kept_for_later_is_refused(void **state)
{
    struct world *w = *state;
    static const char *const kept[] = {
        "record",       "record.lines", "record.lines[1]",
        "record.extra", "step",         "kontor.search('shop.order', {})"};
    static const char *const used[] = {"kept.note", "#kept",       "kept.price",
                                       "kept.x",    "kept.moment", "kept[1].note"};
    must_make(w, "shop.order", order_values(w));
    for (size_t i = 0; i < KT_COUNT(kept); i++) {
        use_rules(w, kt_format(&w->ctx,
                               "local kept\n"
                               "rule{ on = 'shop.order.before_create', name = 't',\n"
                               "check = function(record, step)\n"
                               "  if kept then return %s end\n"
                               "  record.extra = {x = 1}\n"
                               "  kontor.create('shop.entry', {depth = 1})\n"
                               "  kept = %s\n"
                               "end }",
                               used[i], kept[i]));
        must_make(w, "shop.order", order_values(w));
        next_request(w);
        assert_fails(w, KT_RULE_FAILED, "kept from an earlier run");
    }
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        SHOP_STORY(a_rule_is_listed_with_where_it_comes_from),
        SHOP_STORY(a_wrong_declaration_is_refused_with_its_place),
        SHOP_STORY(a_rule_of_a_sleeping_module_is_kept_and_never_runs),
        SHOP_STORY(rules_run_by_priority_then_name),
        SHOP_STORY(each_moment_runs_its_own_rules),
        SHOP_STORY(parameters_of_a_transition_are_read_by_their_types),
        SHOP_STORY(fields_are_read_by_their_types),
        SHOP_STORY(a_misspelt_field_breaks_at_once),
        SHOP_STORY(a_before_rule_edits_the_record),
        SHOP_STORY(editing_a_copied_line_leaves_the_old_record_alone),
        SHOP_STORY(what_may_not_be_assigned_breaks_the_rule),
        SHOP_STORY(what_the_engine_refuses_keeps_the_engines_error),
        SHOP_STORY(after_and_delete_rules_cannot_edit),
        SHOP_STORY(decimals_calculate_exactly),
        SHOP_STORY(what_would_be_inexact_breaks),
        SHOP_STORY(records_are_read_found_and_searched),
        SHOP_STORY(totals_have_their_measures_by_name),
        SHOP_STORY(the_request_can_be_asked_about),
        SHOP_STORY(a_denial_says_who_where_and_why_in_two_languages),
        SHOP_STORY(a_denial_cannot_be_caught),
        SHOP_STORY(an_engine_error_is_kept_even_under_pcall),
        SHOP_STORY(records_are_created_and_updated),
        SHOP_STORY(a_rule_may_cause_saves_that_run_rules),
        SHOP_STORY(saves_without_end_fail_cleanly),
        SHOP_STORY(the_error_of_a_rule_within_a_rule_names_the_inner_one),
        SHOP_STORY(a_record_kept_for_later_is_refused),
    };
    return cmocka_run_group_tests_name("script", stories, NULL, NULL);
}
