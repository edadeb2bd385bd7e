/* The first version of a module that is upgraded in test_upgrade.py: members of a club, their names
 * in one field, their towns as text. */
#include <kontor/kontor.h>

#ifndef CLUB_VERSION
#define CLUB_VERSION "1.9.0"
#endif

static const struct kt_field payment_fields[] = {
    {.name = "day", .type = KT_DATE, .label = {"Day", "日期"}},
    {.name = "sum", .type = KT_MONEY, .label = {"Sum", "金额"}},
};
static const struct kt_field member_fields[] = {
    {.name = "code", .type = KT_TEXT, .flags = KT_INDEXED, .label = {"Code", "代码"}},
    {.name = "name",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_SEARCHABLE,
     .label = {"Name", "姓名"}},
    {.name = "town", .type = KT_TEXT, .flags = KT_INDEXED, .label = {"Town", "城镇"}},
    {.name = "points", .type = KT_TEXT, .flags = KT_INDEXED, .label = {"Points", "积分"}},
    {.name = "fee", .type = KT_MONEY, .label = {"Fee", "会费"}},
    {.name = "state", .type = KT_STATE, .label = {"State", "状态"}},
    {.name = "payments",
     .type = KT_LINES,
     .lines = KT_LIST(payment_fields),
     .label = {"Payments", "付款"}},
};
static const struct kt_state states[] = {
    {.name = "active", .label = {"Active", "在籍"}},
    {.name = "left", .flags = KT_LOCKED, .label = {"Left", "已退会"}},
};
static const struct kt_transition transitions[] = {
    {.from = "active", .to = "left", .verb = "leave", .event = "left", .label = {"Leave", "退会"}},
};
static const struct kt_entity member = {.name = "club.member",
                                        .fields = KT_LIST(member_fields),
                                        .states = KT_LIST(states),
                                        .transitions = KT_LIST(transitions),
                                        .label = {"Member", "会员"}};

static const char *const by_town[] = {"town"};
static const struct kt_measure fee[] = {{.name = "fee", .field = "fee"}};
static const struct kt_leg fee_legs[] = {{.by = KT_LIST(by_town), .measures = fee}};
static const struct kt_total totals[] = {{.name = "club.fees",
                                          .entity = "club.member",
                                          .measure_count = 1,
                                          .legs = fee_legs,
                                          .leg_count = 1,
                                          .label = {"Fees", "会费"}}};

static const struct kt_entity *const entities[] = {&member};

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "club",
    .version = CLUB_VERSION,
    .schema = 1,
    .label = {"Club", "俱乐部"},
    .summary = {"Members", "会员"},
    .entities = KT_LIST(entities),
    .totals = KT_LIST(totals),
};
