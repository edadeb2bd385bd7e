/* Goal: passwords and tokens let in whom they should and nobody else, roles grant what they name,
 * and the one permission check is as strict as access.h says.
 * Method: the built-in module `system` on the record fixture, real Argon2id, a moved clock. */
#include <sodium.h>
#include <time.h>

#include "access/access.h"
#include "record_fixture.h"

static const char *const clerk_grants[] = {"shop.party.read", "shop.order.*", "shop.sold.read"};
static const char *const reader_grants[] = {"*"};
static const struct kt_role shop_roles[] = {
    {.name = "shop.clerk", .grants = KT_LIST(clerk_grants)},
    {.name = "shop.all", .grants = KT_LIST(reader_grants)},
};
static const struct kt_plugin roles_plugin = {.name = "roles", .roles = KT_LIST(shop_roles)};

static struct access_table table; /* What the fixture's host asks; one program, one thread. */

static bool may(const struct kt_ctx *ctx, const char *permission)
{
    return access_may(ctx, &table, permission);
}

static struct context_host host;

static int open_access(void **state)
{
    const struct schema_module modules[] = {
        {&access_system, true}, {&shop_plugin, true}, {&roles_plugin, true}};
    char why[512];
    if (sodium_init() < 0 || set_up(state) != 0)
        return -1;
    struct fixture *f = *state;
    schema_free(f->schema);
    if (schema_build(modules, KT_COUNT(modules), "EUR", f->txn, &f->schema, why, sizeof(why)) !=
        KT_OK)
        return -1;
    access_table_build(&table, modules, KT_COUNT(modules));
    host = fixture_host;
    host.may = may;
    host.has_role = access_has_role;
    f->ctx.schema = f->schema;
    f->ctx.host = &host;
    access_become_server(&f->ctx);
    return 0;
}

static int close_access(void **state)
{
    access_table_free(&table);
    return tear_down(state);
}

#define ACCESS(function) cmocka_unit_test_setup_teardown(function, open_access, close_access)

static uint64_t user(struct fixture *f, const char *name, const char *roles, const char *password)
{
    uint64_t id = create(f, "system.user", json(f, "{'name': '%s', 'roles': [%s]}", name, roles));
    assert_int_equal(f->status, KT_OK);
    if (password)
        assert_int_equal(access_password_set(&f->ctx, id, password), KT_OK);
    return id;
}

static enum kt_status login(struct fixture *f, const char *name, const char *password)
{
    uint64_t id = 0;
    begin_step(f);
    return end_step(f, access_login(&f->ctx, name, password, &id));
}

static enum kt_status token_is_good(struct fixture *f, const char *token)
{
    uint64_t id = 0;
    begin_step(f);
    return end_step(f, access_token_check(&f->ctx, token, &id));
}

static void act_as(struct fixture *f, const char *roles)
{
    static int number;
    uint64_t id = user(f, kt_format(&f->ctx, "user%d", number++), roles, NULL);
    assert_int_equal(access_become(&f->ctx, id), KT_OK);
}

static void the_right_password_and_no_other_lets_in(void **state)
{
    struct fixture *f = *state;
    uint64_t id = user(f, "ann", "", "correct horse"), found = 0;
    assert_int_equal(access_login(&f->ctx, "ann", "correct horse", &found), KT_OK);
    assert_int_equal(found, id);
    assert_int_equal(login(f, "ann", "correct hors"), KT_UNAUTHENTICATED);
    assert_int_equal(login(f, "ann", ""), KT_UNAUTHENTICATED);
    assert_int_equal(login(f, "Ann", "correct horse"), KT_UNAUTHENTICATED);
    assert_int_equal(access_password_set(&f->ctx, id, "battery staple"), KT_OK);
    assert_int_equal(login(f, "ann", "correct horse"), KT_UNAUTHENTICATED);
    assert_int_equal(login(f, "ann", "battery staple"), KT_OK);
}

static void an_unknown_user_and_a_wrong_password_look_the_same(void **state)
{
    struct fixture *f = *state;
    char message[512];
    user(f, "ann", "", "correct horse");
    user(f, "bob", "", NULL); /* Has no password yet. */
    login(f, "ann", "wrong");
    memcpy(message, f->message, sizeof(message));
    assert_int_equal(login(f, "nobody", "wrong"), KT_UNAUTHENTICATED);
    assert_string_equal(f->message, message);
    assert_int_equal(login(f, "bob", ""), KT_UNAUTHENTICATED);
    assert_string_equal(f->message, message);
    assert_int_equal(login(f, "", ""), KT_UNAUTHENTICATED);
    assert_string_equal(f->field, "password");
}

/* The dummy hash must be one that libsodium really works on. */
static void probing_names_costs_as_much_as_probing_passwords(void **state)
{
    struct fixture *f = *state;
    struct timespec from, between, to;
    user(f, "ann", "", "correct horse");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    login(f, "ann", "wrong");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &between);
    login(f, "nobody", "wrong");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    double known =
        (double)(between.tv_sec - from.tv_sec) * 1e9 + (double)(between.tv_nsec - from.tv_nsec);
    double unknown =
        (double)(to.tv_sec - between.tv_sec) * 1e9 + (double)(to.tv_nsec - between.tv_nsec);
    assert_true(unknown > known / 4);
}

static void a_short_password_is_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t id = user(f, "ann", "", NULL);
    begin_step(f);
    end_step(f, access_password_set(&f->ctx, id, "1234567"));
    assert_refused(f, KT_INVALID, "password");
}

static void an_inactive_user_is_out(void **state)
{
    struct fixture *f = *state;
    uint64_t id = user(f, "ann", "'shop.clerk'", "correct horse");
    assert_int_equal(update(f, "system.user", id, json(f, "{'active': false}")), KT_OK);
    assert_int_equal(login(f, "ann", "correct horse"), KT_UNAUTHENTICATED);
    begin_step(f);
    assert_int_equal(end_step(f, access_become(&f->ctx, id)), KT_UNAUTHENTICATED);
    assert_false(kt_user_may(&f->ctx, "shop.party.read"));
    access_become_server(&f->ctx);
    begin_step(f);
    assert_int_equal(end_step(f, access_become(&f->ctx, 99)), KT_UNAUTHENTICATED);
}

static void a_token_lives_twelve_hours_and_no_longer_than_its_password(void **state)
{
    struct fixture *f = *state;
    const char *password, *token;
    uint64_t found = 0, id = user(f, "ann", "", "correct horse");
    assert_int_equal(access_first_start(&f->ctx, &password), KT_OK);
    assert_int_equal(access_token_make(&f->ctx, id, &token), KT_OK);
    assert_int_equal(access_token_check(&f->ctx, token, &found), KT_OK);
    assert_int_equal(found, id);
    f->ctx.now += INT64_C(12) * 3600 * 1000000;
    assert_int_equal(token_is_good(f, token), KT_OK);
    f->ctx.now += 1;
    assert_int_equal(token_is_good(f, token), KT_UNAUTHENTICATED);
    f->ctx.now -= 1;
    assert_int_equal(access_password_set(&f->ctx, id, "battery staple"), KT_OK);
    assert_int_equal(token_is_good(f, token), KT_UNAUTHENTICATED);
}

static void a_changed_token_is_worth_nothing(void **state)
{
    struct fixture *f = *state;
    const char *password, *token;
    uint64_t id = user(f, "ann", "", "correct horse");
    assert_int_equal(access_first_start(&f->ctx, &password), KT_OK);
    assert_int_equal(access_token_make(&f->ctx, id, &token), KT_OK);
    size_t length = strlen(token);
    char *forged = kt_alloc(&f->ctx, length + 3);
    for (size_t i = 0; i < length; i++) {
        memcpy(forged, token, length + 1);
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        assert_int_equal(token_is_good(f, forged), KT_UNAUTHENTICATED);
    }
    memcpy(forged, token, length + 1);
    forged[length - 1] = '\0';
    assert_int_equal(token_is_good(f, forged), KT_UNAUTHENTICATED);
    snprintf(forged, length + 3, "%sAA", token);
    assert_int_equal(token_is_good(f, forged), KT_UNAUTHENTICATED);
    assert_int_equal(token_is_good(f, ""), KT_UNAUTHENTICATED);
    assert_int_equal(token_is_good(f, "not base64 !"), KT_UNAUTHENTICATED);
}

static void first_start_makes_the_administrator_once(void **state)
{
    struct fixture *f = *state;
    const char *password = NULL, *again = "";
    assert_int_equal(access_first_start(&f->ctx, &password), KT_OK);
    assert_int_equal(strlen(password), 20);
    assert_int_equal(login(f, "admin", password), KT_OK);
    assert_int_equal(access_first_start(&f->ctx, &again), KT_OK);
    assert_null(again);
    const msgpack_object *admin;
    assert_int_equal(kt_record_find(&f->ctx, "system.user", "name", kt_text("admin"), &admin),
                     KT_OK);
    assert_int_equal(access_become(&f->ctx, kt_get_id(admin, "id")), KT_OK);
    assert_string_equal(kt_user_name(&f->ctx), "admin");
    assert_true(kt_user_may(&f->ctx, "anything.at.all"));
    assert_true(kt_user_has_role(&f->ctx, "shop.clerk")); /* The administrator has every role. */
}

static void a_role_grants_names_and_prefixes(void **state)
{
    struct fixture *f = *state;
    act_as(f, "'shop.clerk'");
    assert_true(kt_user_may(&f->ctx, "shop.party.read"));
    assert_true(kt_user_may(&f->ctx, "shop.order.create"));
    assert_true(kt_user_may(&f->ctx, "shop.order.confirm"));
    assert_true(kt_user_may(&f->ctx, "shop.sold.read"));
    assert_false(kt_user_may(&f->ctx, "shop.party.reading"));
    assert_false(kt_user_may(&f->ctx, "shop.party.rea"));
    assert_false(kt_user_may(&f->ctx, "shop.party.create"));
    assert_false(kt_user_may(&f->ctx, "shop.orders.read"));
    assert_false(kt_user_may(&f->ctx, "shop.order"));
    assert_false(kt_user_may(&f->ctx, ""));
    assert_true(kt_user_has_role(&f->ctx, "shop.clerk"));
    assert_false(kt_user_has_role(&f->ctx, "shop.all"));
    begin_step(f);
    end_step(f, access_require(&f->ctx, "shop.party.create"));
    assert_refused(f, KT_DENIED, "shop.party.create");
}

static void roles_add_up_and_unknown_ones_grant_nothing(void **state)
{
    struct fixture *f = *state;
    act_as(f, "'shop.gone', 'shop.clerk'");
    assert_true(kt_user_may(&f->ctx, "shop.party.read"));
    assert_false(kt_user_may(&f->ctx, "shop.party.delete"));
    access_become_server(&f->ctx);
    act_as(f, "'shop.gone', 'shop.clerk', 'shop.all'");
    assert_true(kt_user_may(&f->ctx, "shop.party.delete"));
    access_become_server(&f->ctx);
    act_as(f, "");
    assert_false(kt_user_may(&f->ctx, "shop.party.read"));
}

static void a_module_asleep_takes_its_roles_with_it(void **state)
{
    const struct schema_module modules[] = {{&access_system, true}, {&roles_plugin, false}};
    struct fixture *f = *state;
    act_as(f, "'shop.clerk'");
    access_table_free(&table);
    access_table_build(&table, modules, KT_COUNT(modules));
    assert_false(kt_user_may(&f->ctx, "shop.party.read"));
}

static void nobody_may_nothing_and_the_server_everything(void **state)
{
    struct fixture *f = *state;
    assert_true(kt_user_may(&f->ctx, "shop.party.delete"));
    assert_string_equal(kt_user_name(&f->ctx), "system");
    access_become_nobody(&f->ctx);
    assert_false(kt_user_may(&f->ctx, "shop.party.read"));
    assert_false(kt_user_has_role(&f->ctx, "shop.clerk"));
    assert_int_equal(kt_user_id(&f->ctx), 0);
}

static const struct kt_method *method(const char *name)
{
    for (size_t i = 0; i < access_system.methods.count; i++)
        if (strcmp(access_system.methods.at[i].name, name) == 0)
            return &access_system.methods.at[i];
    fail_msg("no method %s", name);
    return NULL;
}

static enum kt_status call(struct fixture *f, const char *name, const char *params)
{
    begin_step(f);
    return end_step(f, method(name)->run(&f->ctx, json(f, "%s", params)));
}

static void people_change_their_own_password_and_administrators_any(void **state)
{
    struct fixture *f = *state;
    call(f, "system.user.add", "{'name': 'ann', 'password': 'correct horse', 'roles': []}");
    assert_true(kt_is(answer(f), "name", "ann"));
    assert_false(kt_has(answer(f), "password"));
    assert_int_equal(login(f, "ann", "correct horse"), KT_OK);
    call(f, "system.user.add", "{'name': 'bob', 'password': 'bobs horse'}");
    assert_int_equal(access_become(&f->ctx, 1), KT_OK);
    assert_int_equal(call(f, "auth.set_password", "{'password': 'battery staple'}"), KT_OK);
    assert_int_equal(login(f, "ann", "battery staple"), KT_OK);
    call(f, "auth.set_password", "{'user': 'bob', 'password': 'stolen horse'}");
    assert_refused(f, KT_DENIED, "system.user.password");
    assert_int_equal(login(f, "bob", "bobs horse"), KT_OK);
    access_become_server(&f->ctx);
    assert_int_equal(call(f, "auth.set_password", "{'user': 'bob', 'password': 'new horse 9'}"),
                     KT_OK);
    assert_int_equal(login(f, "bob", "new horse 9"), KT_OK);
}

static void the_currency_is_one_of_iso_4217(void **state)
{
    struct fixture *f = *state;
    create(f, "system.setting", json(f, "{'name': 'company.currency', 'value': 'XYZ'}"));
    assert_refused(f, KT_INVALID, "value");
    create(f, "system.setting", json(f, "{'name': 'company.currency', 'value': 'JPY'}"));
    assert_int_equal(f->status, KT_OK);
    assert_string_equal(kt_setting(&f->ctx, "company.currency", "EUR"), "JPY");
    assert_string_equal(kt_setting(&f->ctx, "company.name", "none"), "none");
    assert_int_equal(kt_currency_minor_units("JPY"), 0);
    assert_int_equal(kt_currency_minor_units("KWD"), 3);
    assert_int_equal(kt_currency_minor_units("EUR"), 2);
    assert_int_equal(kt_currency_minor_units("UR "), -1);
    assert_int_equal(kt_currency_minor_units("eur"), -1);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        ACCESS(the_right_password_and_no_other_lets_in),
        ACCESS(an_unknown_user_and_a_wrong_password_look_the_same),
        ACCESS(probing_names_costs_as_much_as_probing_passwords),
        ACCESS(a_short_password_is_refused),
        ACCESS(an_inactive_user_is_out),
        ACCESS(a_token_lives_twelve_hours_and_no_longer_than_its_password),
        ACCESS(a_changed_token_is_worth_nothing),
        ACCESS(first_start_makes_the_administrator_once),
        ACCESS(a_role_grants_names_and_prefixes),
        ACCESS(roles_add_up_and_unknown_ones_grant_nothing),
        ACCESS(a_module_asleep_takes_its_roles_with_it),
        ACCESS(nobody_may_nothing_and_the_server_everything),
        ACCESS(people_change_their_own_password_and_administrators_any),
        ACCESS(the_currency_is_one_of_iso_4217),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
