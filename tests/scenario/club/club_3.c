/* The same module two schemas later: names in two fields, points as numbers, `sum` of a payment now
 * called `amount` (migration 1); towns as records of their own, codes that are unique (migration
 * 2).
 *
 * CLUB_FAILS: the second migration refuses member 3. CLUB_DIES: the server is gone in its midst.
 * CLUB_NEEDS: a module that the first version could do without. */
#include <kontor/kontor.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct kt_field town_fields[] = {
    {.name = "name", .type = KT_TEXT, .flags = KT_REQUIRED | KT_UNIQUE, .label = {"Name", "名称"}},
};
static const struct kt_entity town = {.name = "club.town",
                                      .fields = KT_LIST(town_fields),
                                      .title = "name",
                                      .label = {"Town", "城镇"}};

static enum kt_status compute_sort_name(struct kt_ctx *ctx, const msgpack_object *record,
                                        msgpack_object *out)
{
    *out = kt_text(kt_format(ctx, "%s, %s", kt_get_text(ctx, record, "last_name"),
                             kt_get_text(ctx, record, "first_name")));
    return KT_OK;
}

static const struct kt_field payment_fields[] = {
    {.name = "amount", .type = KT_MONEY, .label = {"Amount", "金额"}},
    {.name = "day", .type = KT_DATE, .label = {"Day", "日期"}},
};
static const struct kt_field member_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_UNIQUE, .label = {"Code", "代码"}},
    {.name = "first_name", .type = KT_TEXT, .label = {"First name", "名"}},
    {.name = "last_name", .type = KT_TEXT, .flags = KT_REQUIRED, .label = {"Last name", "姓"}},
    {.name = "sort_name",
     .type = KT_TEXT,
     .flags = KT_INDEXED | KT_SEARCHABLE,
     .compute = compute_sort_name,
     .label = {"Name in lists", "列表姓名"}},
    {.name = "home", .type = KT_REF, .to = "club.town", .label = {"Home", "居住地"}},
    {.name = "points", .type = KT_INT, .flags = KT_INDEXED, .label = {"Points", "积分"}},
    {.name = "fee", .type = KT_MONEY, .label = {"Fee", "会费"}},
    {.name = "state", .type = KT_STATE, .label = {"State", "状态"}},
    {.name = "payments",
     .type = KT_LINES,
     .lines = KT_LIST(payment_fields),
     .label = {"Payments", "付款"}},
};
static const struct kt_state states[] = {
    {.name = "active", .label = {"Active", "在籍"}},
    {.name = "former", .flags = KT_LOCKED, .label = {"Former", "前会员"}},
};
static const struct kt_transition transitions[] = {
    {.from = "active",
     .to = "former",
     .verb = "leave",
     .event = "left",
     .label = {"Leave", "退会"}},
};
static const struct kt_entity member = {.name = "club.member",
                                        .fields = KT_LIST(member_fields),
                                        .title = "sort_name",
                                        .states = KT_LIST(states),
                                        .transitions = KT_LIST(transitions),
                                        .label = {"Member", "会员"}};

static const char *const by_home[] = {"home"};
static const struct kt_measure fee[] = {{.name = "fee", .field = "fee"}};
static const struct kt_leg fee_legs[] = {{.by = KT_LIST(by_home), .measures = fee}};
static const char *const by_month[] = {"payments.day:month"};
static const struct kt_measure amount[] = {{.name = "amount", .field = "payments.amount"}};
static const struct kt_leg amount_legs[] = {{.by = KT_LIST(by_month), .measures = amount}};
static const struct kt_total totals[] = {
    {.name = "club.fees",
     .entity = "club.member",
     .measure_count = 1,
     .legs = fee_legs,
     .leg_count = 1,
     .label = {"Fees", "会费"}},
    {.name = "club.paid",
     .entity = "club.member",
     .measure_count = 1,
     .legs = amount_legs,
     .leg_count = 1,
     .label = {"Paid", "已付"}},
};

/* --- From schema 1: what schema 2 had, and what only it had --- */

static void split_name(struct kt_ctx *ctx, const msgpack_object *old, struct kt_map *record)
{
    const char *name = kt_get_text(ctx, old, "name");
    const char *space = strrchr(name, ' ');
    if (space)
        kt_map_set_text(record, "first_name", kt_format(ctx, "%.*s", (int)(space - name), name));
    kt_map_set_text(record, "last_name", space ? space + 1 : name);
}

static void rename_sums(struct kt_ctx *ctx, const msgpack_object *old, struct kt_map *record)
{
    struct kt_list *payments = kt_list_new(ctx);
    for (size_t i = 0; i < kt_count(old, "payments"); i++) {
        struct kt_map *payment = kt_map_copy(ctx, kt_at(old, "payments", i));
        const msgpack_object *sum = kt_get(&payment->object, "sum");
        kt_map_set(payment, "amount", sum ? *sum : kt_nil());
        kt_list_add(payments, payment->object);
    }
    kt_map_set(record, "payments", payments->object);
}

static enum kt_status to_2(struct kt_ctx *ctx, const msgpack_object *old, struct kt_map *record,
                           void *argument)
{
    const char *points = kt_get_text(ctx, old, "points");
    (void)argument;
    split_name(ctx, old, record);
    rename_sums(ctx, old, record);
    if (*points)
        kt_map_set_int(record, "points", strtoll(points, NULL, 10));
    if (kt_is(old, "state", "left"))
        kt_map_set_text(record, "state", "former");
    if (kt_has(old, "town"))
        kt_map_set(record, "place", *kt_get(old, "town"));
    return KT_OK;
}

static enum kt_status from_1(struct kt_ctx *ctx)
{
    return kt_record_each(ctx, "club.member", to_2, NULL);
}

/* --- From schema 2 --- */

static enum kt_status find_town(struct kt_ctx *ctx, const msgpack_object *name, uint64_t *out)
{
    const msgpack_object *found;
    KT_TRY(kt_record_find(ctx, "club.town", "name", *name, &found));
    if (found) {
        *out = kt_get_id(found, "id");
        return KT_OK;
    }
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set(values, "name", *name);
    return kt_record_create(ctx, "club.town", values, out);
}

/* The first to have a code keeps it. */
static enum kt_status part_codes(struct kt_ctx *ctx, const msgpack_object *old,
                                 struct kt_map *record)
{
    const msgpack_object *code = kt_get(old, "code"), *first;
    if (!code)
        return KT_OK;
    KT_TRY(kt_record_find(ctx, "club.member", "code", *code, &first));
    if (first && kt_get_id(first, "id") != kt_get_id(old, "id"))
        kt_map_set_text(record, "code",
                        kt_format(ctx, "%s-%llu", kt_get_text(ctx, old, "code"),
                                  (unsigned long long)kt_get_id(old, "id")));
    return KT_OK;
}

static enum kt_status to_3(struct kt_ctx *ctx, const msgpack_object *old, struct kt_map *record,
                           void *argument)
{
    uint64_t home;
    (void)argument;
#ifdef CLUB_FAILS
    if (kt_get_id(old, "id") == 3)
        return kt_fail(ctx, KT_CONFLICT, "place", "%s is not on the map", "地图上没有 %s",
                       kt_get_text(ctx, old, "place"));
#endif
#ifdef CLUB_DIES
    if (kt_get_id(old, "id") == 3)
        raise(SIGKILL);
#endif
    KT_TRY(part_codes(ctx, old, record));
    if (!kt_has(old, "place"))
        return KT_OK;
    KT_TRY(find_town(ctx, kt_get(old, "place"), &home));
    kt_map_set_id(record, "home", home);
    return KT_OK;
}

static enum kt_status from_2(struct kt_ctx *ctx)
{
    return kt_record_each(ctx, "club.member", to_3, NULL);
}

static const struct kt_migration migrations[] = {
    {.from = 1, .run = from_1, .label = {"Names in two fields", "姓名拆为两个字段"}},
    {.from = 2, .run = from_2, .label = {"Towns become records", "城镇成为记录"}},
};

static const struct kt_entity *const entities[] = {&town, &member};

#ifdef CLUB_NEEDS
static const char *const needs[] = {CLUB_NEEDS};
#endif

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "club",
    .version = "1.10.0",
    .schema = 3,
    .label = {"Club", "俱乐部"},
    .summary = {"Members", "会员"},
    .entities = KT_LIST(entities),
    .totals = KT_LIST(totals),
    .migrations = KT_LIST(migrations),
#ifdef CLUB_NEEDS
    .requires = KT_LIST(needs),
#endif
};
