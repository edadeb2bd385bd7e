/* Rules beyond checks: handlers, methods, schedules, fields that compute, rights, dates, texts. */
#include "script_fixture.h"

/* The rights of a world: what a role may do is its own name as a prefix. */
static bool may(const struct kt_ctx *ctx, const char *permission)
{
    const char *role = ctx->acting ? ctx->acting->at[0] : ((const struct world *)ctx)->role;
    return strncmp(permission, role, strlen(role)) == 0;
}

static bool known(const struct kt_ctx *ctx, const char *name)
{
    (void)ctx;
    return strncmp(name, "shop.", 5) == 0;
}

static enum kt_status announce(struct kt_ctx *ctx, const struct kt_event *event)
{
    return script_run_event(((struct world *)ctx)->rules, ctx, event);
}

static void lend(struct world *w)
{
    static struct context_host host;
    host = world_host;
    host.may = may;
    host.topic_known = known;
    host.role_known = known;
    host.announce = announce;
    w->ctx.host = &host;
    w->role = "shop.";
}

static const char *text_of(struct world *w, uint64_t id, const char *field)
{
    return kt_get_text(&w->ctx, load(w, "shop.order", id), field);
}

/* --- Dates --- */

static void dates_know_the_calendar(void **state)
{
    struct world *w = *state;
    assert_passes(w, "local d = record.date\n"
                     "assert(d.year == 2026 and d.month == 11 and d.day == 23 and d.weekday == 1)\n"
                     "assert(tostring(d + 30) == '2026-12-23' and tostring(30 + d - 60) == "
                     "'2026-10-24')\n"
                     "assert(kontor.date('2026-12-01') - d == 8 and d - '2026-11-20' == 3)\n"
                     "assert(tostring(kontor.date(2024, 1, 31):add_months(1)) == '2024-02-29')\n"
                     "assert(tostring(d:end_of_month()) == '2026-11-30')\n"
                     "assert(tostring(kontor.date('9999-12-01'):end_of_month()) == '9999-12-31')\n"
                     "assert(tostring(kontor.date('2024-02-01'):end_of_month()) == '2024-02-29')\n"
                     "assert(tostring(d:start_of_month()) == '2026-11-01')\n"
                     "assert(d < '2026-11-24' and d <= d and '2026-01-01' < d)\n"
                     "assert(d == kontor.today() and d ~= kontor.date('2026-11-24'))\n"
                     "assert(d ~= '2026-11-23')\n"
                     "assert(tostring(d:instant()) == '2026-11-23T00:00:00.000000Z')");
}

static void instants_count_seconds(void **state)
{
    struct world *w = *state;
    assert_passes(w, "local t = record.placed\n"
                     "assert(t == kontor.now())\n"
                     "assert(tostring(t + 90) == '2026-11-23T00:01:30.000000Z')\n"
                     "assert(kontor.instant('2026-11-24T01:00:00Z') - t == 90000)\n"
                     "assert((t + 3600 * 13 + 61).hour == 13 and (t + 61).minute == 1)\n"
                     "assert((t - 1):date() == record.date - 1 and (t - 1).second == 59)\n"
                     "assert(t < '2026-11-23T00:00:01Z')\n"
                     "record.placed = t + 60");
    use_rule(w, "shop.order.before_create", "record.placed = record.placed + 60");
    uint64_t id = must_make(w, "shop.order", order_values(w));
    kt_instant_us at;
    assert_true(kt_get_instant(load(w, "shop.order", id), "placed", &at));
    assert_int_equal(at, TODAY_US + 60 * 1000000LL);
}

static void dates_refuse_what_is_none(void **state)
{
    struct world *w = *state;
    assert_breaks(w, "return record.date + 1.5", "whole numbers");
    assert_breaks(w, "return record.date + 4000001", "lead out of the calendar");
    assert_breaks(w, "return record.date + 3999999", "out of the calendar");
    assert_breaks(w, "return kontor.date('2026-02-30')", "not a date");
    assert_breaks(w, "return kontor.date(2026, 2, 30)", "there is no day 2026-2-30");
    assert_breaks(w, "return kontor.instant('noon')", "not an instant");
    assert_breaks(w, "return record.date:add_months(100000)", "out of the calendar");
    assert_breaks(w, "return record.date:add_months(-24320)", "out of the calendar");
    assert_breaks(w, "return record.date < 5", "a date is expected");
    assert_breaks(w, "return record.date.yaer", "has no 'yaer'");
    assert_breaks(w, "record.date.year = 1", "cannot be changed");
    assert_breaks(w, "return kontor.date(nil)", "an empty field?");
}

static void a_date_goes_wherever_a_value_goes(void **state)
{
    struct world *w = *state;
    assert_passes(
        w, "record.date = record.date + 1\n"
           "if record.copies then return end\n"
           "local id = kontor.create('shop.order', {date = kontor.today() + 7, copies = 1})\n"
           "assert(kontor.get('shop.order', id).date - kontor.today() == 8)\n"
           "assert(#kontor.search('shop.order', {{'date', '>', kontor.today() + 1}}) == 1)");
}

/* --- Fields that fill themselves --- */

static const char *const note_rules =
    "rule{ on = 'shop.order.before_save', name = 'halve', check = function(order)\n"
    "  order.discount = order.discount / 2 end }\n"
    "rule{ on = 'shop.order.before_save', name = 'see', priority = 60, check = function(order)\n"
    "  assert(order.note == 'half of it: ' .. tostring(order.discount), order.note) end }\n"
    "field{ entity = 'shop.order', name = 'note', type = 'text',\n"
    "  compute = function(order) return 'half of it: ' .. tostring(order.discount) end }\n"
    "field{ entity = 'shop.order', name = 'copies', type = 'int',\n"
    "  default = function(order) return 2 + #order.lines end }\n"
    "field{ entity = 'shop.order', lines = 'lines', name = 'price', type = 'money',\n"
    "  compute = function(line, order) return line.quantity * 2 end }\n";

static void computed_fields_follow_what_rules_change(void **state)
{
    struct world *w = *state;
    use_rules(w, note_rules);
    uint64_t id = must_make(w, "shop.order", order_values(w));
    assert_string_equal(text_of(w, id, "note"), "half of it: 1.25");
    assert_int_equal(kt_get_int(load(w, "shop.order", id), "copies"), 4);
    const msgpack_object *line = kt_at(load(w, "shop.order", id), "lines", 0);
    assert_string_equal(kt_get_text(&w->ctx, line, "price"), "20.00");
}

static void a_default_gives_way_to_what_is_given(void **state)
{
    struct world *w = *state;
    use_rules(w, note_rules);
    struct kt_map *given = order_values(w);
    kt_map_set_int(given, "copies", 9);
    uint64_t id = must_make(w, "shop.order", given);
    assert_int_equal(kt_get_int(load(w, "shop.order", id), "copies"), 9);
}

/* --- Handlers --- */

static void handlers_hear_in_order_what_happened(void **state)
{
    struct world *w = *state;
    lend(w);
    use_rules(w, "handler{ on = 'shop.order.confirmed', name = 'b', run = function(event)\n"
                 "  kontor.create('shop.entry', {text = 'b ' .. event.topic .. ' '\n"
                 "    .. event.record.state .. ' ' .. event.old.state}) end }\n"
                 "handler{ on = {'shop.order.confirmed', 'shop.order.created'}, name = 'a',\n"
                 "  priority = 10, run = function(event)\n"
                 "  assert(event.entity == 'shop.order' and event.id == event.record.id)\n"
                 "  kontor.create('shop.entry', {text = 'a ' .. event.topic}) end }\n");
    uint64_t id = must_make(w, "shop.order", order_values(w));
    assert_ok(w, kt_record_transition(&w->ctx, "shop.order", id, "confirm", NULL));
    assert_string_equal(kt_get_text(&w->ctx, load(w, "shop.entry", 1), "text"),
                        "a shop.order.created");
    assert_string_equal(kt_get_text(&w->ctx, load(w, "shop.entry", 2), "text"),
                        "a shop.order.confirmed");
    assert_string_equal(kt_get_text(&w->ctx, load(w, "shop.entry", 3), "text"),
                        "b shop.order.confirmed confirmed draft");
}

static void a_handler_that_denies_undoes_what_happened(void **state)
{
    struct world *w = *state;
    lend(w);
    use_rules(w, "handler{ on = 'shop.order.created', name = 't', run = function(event)\n"
                 "  kontor.deny(kontor.t('no %s of %2', '%2 不可 %1', 'orders', 5)) end }");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_RULE_DENIED);
    assert_string_equal(w->ctx.error.message, "no orders of 5");
    assert_string_equal(w->ctx.error.message_zh, "5 不可 orders");
    assert_string_equal(w->ctx.error.rule, "t");
}

static void what_nobody_announces_is_refused(void **state)
{
    struct world *w = *state;
    lend(w);
    assert_refused(w, "handler{ on = 'shap.order.confirmed', name = 't', run = print }",
                   "nobody announces 'shap.order.confirmed'");
    assert_refused(w, "handler{ on = 'shop.order.before_confirm', name = 't', run = print }",
                   "is a moment: that is for rule{}");
    assert_refused(w, "rule{ on = 'shop.order.confirmed', name = 't', check = print }",
                   "is for handler{}");
    assert_refused(w, "handler{ on = 'shop.order.confirmed', name = 't', check = print }",
                   "handler{} has no 'check'");
}

/* --- Methods and schedules --- */

static void a_method_answers(void **state)
{
    struct world *w = *state;
    static const struct kt_field params[] = {{.name = "limit", .type = KT_MONEY},
                                             {.name = "day", .type = KT_DATE}};
    struct kt_map *given = values(w);
    use_rules(w, "method{ name = 'custom.twice', run = function(params)\n"
                 "  return {twice = params.limit * 2, next = params.day + 1, list = {1, 2}} end }");
    given = values(w);
    kt_map_set_text(given, "limit", "12.50");
    kt_map_set_text(given, "day", "2026-12-31");
    assert_ok(w, script_run_method(w->rules, &w->ctx, "custom.twice",
                                   (struct kt_fields)KT_LIST(params), &given->object));
    msgpack_object answer;
    assert_int_equal(context_unpack(&w->ctx, w->ctx.reply.data, w->ctx.reply.size, true, &answer),
                     KT_OK);
    assert_string_equal(kt_get_text(&w->ctx, &answer, "twice"), "25.00");
    assert_string_equal(kt_get_text(&w->ctx, &answer, "next"), "2027-01-01");
    assert_int_equal(kt_count(&answer, "list"), 2);
}

static void a_method_that_only_reads_cannot_write(void **state)
{
    struct world *w = *state;
    use_rules(w, "method{ name = 'custom.sly', run = function()\n"
                 "  kontor.create('shop.entry', {text = 'x'}) end }");
    w->ctx.writable = false;
    assert_int_equal(script_run_method(w->rules, &w->ctx, "custom.sly", (struct kt_fields){0},
                                       &values(w)->object),
                     KT_RULE_FAILED);
    assert_contains(w->ctx.error.message, "declare writes = true");
    w->ctx.writable = true;
}

static void a_schedule_runs_by_name(void **state)
{
    struct world *w = *state;
    use_rules(w, "schedule{ name = 'custom.tick', every = '1h', run = function()\n"
                 "  kontor.create('shop.entry', {text = 'tick'}) end }");
    assert_ok(w, script_run_schedule(w->rules, &w->ctx, "custom.tick"));
    assert_string_equal(kt_get_text(&w->ctx, load(w, "shop.entry", 1), "text"), "tick");
}

/* --- Rights --- */

static void a_rule_has_the_rights_of_its_caller(void **state)
{
    struct world *w = *state;
    lend(w);
    w->role = "shop.order";
    use_rule(w, "shop.order.before_create", "return kontor.get('shop.order', 1)");
    /* It may look for orders, of which there are none. */
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_NOT_FOUND);
    next_request(w);
    use_rule(w, "shop.order.before_create", "return kontor.get('shop.customer', 1)");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_DENIED);
    assert_contains(w->ctx.error.message, "declare as = a role that may");
    assert_string_equal(w->ctx.error.rule, "t");
}

static void a_rule_acts_as_the_role_it_declares(void **state)
{
    struct world *w = *state;
    struct kt_map *customer = values(w);
    lend(w);
    w->role = "shop.order";
    kt_map_set_text(customer, "name", "Mill");
    must_make(w, "shop.customer", customer);
    use_rules(w,
              "rule{ on = 'shop.order.before_create', name = 't', as = 'shop.customer',\n"
              "  check = function() assert(kontor.get('shop.customer', 1).name == 'Mill') end }\n"
              "rule{ on = 'shop.order.before_create', name = 'u', priority = 60,\n"
              "  check = function() kontor.get('shop.customer', 1) end }");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_DENIED);
    assert_string_equal(w->ctx.error.rule, "u");
    assert_null(w->ctx.acting);
    next_request(w);
    assert_refused(w,
                   "rule{ on = 'shop.order.before_create', name = 't', as = 'hr.boss',\n"
                   "check = print }",
                   "no module declares a role 'hr.boss'");
}

static void rules_write_as_clients_do(void **state)
{
    struct world *w = *state;
    use_rule(
        w, "shop.order.before_create",
        "if record.copies ~= 7 then kontor.create('shop.order', {total = '5', copies = 7}) end");
    assert_int_equal(make(w, "shop.order", order_values(w), NULL), KT_INVALID);
    assert_contains(w->ctx.error.message, "total is read-only");
}

/* --- Chance --- */

static void chance_is_the_same_where_it_must_be(void **state)
{
    struct world *w = *state;
    static const char *const rolls = "local s = ''\n"
                                     "for i = 1, 20 do local n = kontor.random(6)\n"
                                     "  assert(n >= 1 and n <= 6) s = s .. n end\n"
                                     "assert(kontor.random(5, 5) == 5 and kontor.random() >= 0)\n"
                                     "record.note = s";
    use_rule(w, "shop.order.before_create", rolls);
    script_set_fix_random(w->rules);
    next_request(w);
    uint64_t one = must_make(w, "shop.order", order_values(w));
    const char *first = text_of(w, one, "note");
    char kept[32];
    snprintf(kept, sizeof kept, "%s", first);
    next_request(w);
    uint64_t two = must_make(w, "shop.order", order_values(w));
    assert_string_equal(text_of(w, two, "note"), kept);
    assert_breaks(w, "kontor.random(0)", "the range is empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_STORY(dates_know_the_calendar),
        SHOP_STORY(instants_count_seconds),
        SHOP_STORY(dates_refuse_what_is_none),
        SHOP_STORY(a_date_goes_wherever_a_value_goes),
        SHOP_STORY(computed_fields_follow_what_rules_change),
        SHOP_STORY(a_default_gives_way_to_what_is_given),
        SHOP_STORY(handlers_hear_in_order_what_happened),
        SHOP_STORY(a_handler_that_denies_undoes_what_happened),
        SHOP_STORY(what_nobody_announces_is_refused),
        SHOP_STORY(a_method_answers),
        SHOP_STORY(a_method_that_only_reads_cannot_write),
        SHOP_STORY(a_schedule_runs_by_name),
        SHOP_STORY(a_rule_has_the_rights_of_its_caller),
        SHOP_STORY(a_rule_acts_as_the_role_it_declares),
        SHOP_STORY(rules_write_as_clients_do),
        SHOP_STORY(chance_is_the_same_where_it_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
