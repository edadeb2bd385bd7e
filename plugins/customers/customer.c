/* The customer profile: the terms on which a party buys from us. */
#include "customers.h"

static const struct kt_choice segments[] = {
    {.name = "a", .label = {"A: key account", "A 类：重点客户"}},
    {.name = "b", .label = {"B: regular", "B 类：普通客户"}},
    {.name = "c", .label = {"C: occasional", "C 类：零星客户"}},
};

static const struct kt_field customer_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_SEARCHABLE,
     .sequence = "C{5}",
     .label = {"Number", "客户编号"},
     .help = {"Given out when left empty.", "留空时自动编号"}},
    {.name = "party",
     .type = KT_REF,
     .flags = KT_REQUIRED | KT_UNIQUE | KT_IMMUTABLE,
     .to = "parties.party",
     .label = {"Party", "往来单位"}},
    {.name = "name",
     .type = KT_TEXT,
     .flags = KT_READONLY | KT_INDEXED | KT_SEARCHABLE,
     .label = {"Name", "名称"},
     .help = {"The party's name, kept in step with it.", "与往来单位名称保持一致"}},
    {.name = "credit_limit",
     .type = KT_MONEY,
     .flags = KT_NONNEGATIVE,
     .label = {"Credit limit", "信用额度"},
     .help = {"Empty is no limit.", "留空表示不限"}},
    {.name = "payment_days",
     .type = KT_INT,
     .flags = KT_NONNEGATIVE,
     .initial = "30",
     .label = {"Payment days", "付款天数"},
     .help = {"Days from the invoice to its due date.", "开票日到付款到期日的天数"}},
    {.name = "price_list",
     .type = KT_TEXT,
     .max_length = 50,
     .label = {"Price list", "价目表"},
     .help = {"Empty is the standard list.", "留空为标准价目表"}},
    {.name = "salesperson",
     .type = KT_REF,
     .to = "system.user",
     .label = {"Salesperson", "销售员"}},
    {.name = "region",
     .type = KT_TEXT,
     .flags = KT_INDEXED,
     .label = {"Region", "区域"},
     .help = {"Taken from the party when left empty at first.", "新建时留空则取自往来单位"}},
    {.name = "segment",
     .type = KT_ENUM,
     .choices = KT_LIST(segments),
     .label = {"Segment", "客户分级"}},
    {.name = "since", .type = KT_DATE, .initial = "today", .label = {"Customer since", "建档日期"}},
    {.name = "blocked",
     .type = KT_BOOL,
     .initial = "false",
     .label = {"Blocked", "已冻结"},
     .help = {"No new orders are confirmed.", "冻结后不能确认新订单"}},
    {.name = "tags", .type = KT_TAGS, .label = {"Tags", "标签"}},
    {.name = "note",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 10000,
     .label = {"Note", "备注"}},
};

static enum kt_status customer_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                           struct kt_map *record)
{
    uint64_t party_id = kt_get_id(&record->object, "party");
    if (party_id == 0)
        return KT_OK; /* The check of required fields says it better. */
    const msgpack_object *party;
    KT_TRY(kt_record_get(ctx, "parties.party", party_id, &party));
    kt_map_set_text(record, "name", kt_get_text(ctx, party, "name"));
    if (!old && !kt_has(&record->object, "region") && kt_has(party, "region"))
        kt_map_set_text(record, "region", kt_get_text(ctx, party, "region"));
    return KT_OK;
}

const struct kt_entity customers_customer = {
    .name = "customers.customer",
    .label = {"Customer", "客户"},
    .help = {"A party that buys from us, and the terms it buys on.",
             "向我们购买的往来单位及其交易条件"},
    .title = "name",
    .fields = KT_LIST(customer_fields),
    .before_save = customer_before_save,
};

enum kt_status customers_on_party_updated(struct kt_ctx *ctx, const struct kt_event *event)
{
    const msgpack_object *name = kt_get(event->record, "name");
    if (!name || kt_equal(name, kt_get(event->old, "name")))
        return KT_OK;
    const msgpack_object *customer;
    KT_TRY(kt_record_find(ctx, "customers.customer", "party", kt_id(event->id), &customer));
    if (!customer)
        return KT_OK;
    struct kt_map *values = kt_map_new(ctx);
    kt_map_set(values, "name", *name);
    return kt_record_update(ctx, "customers.customer", kt_get_id(customer, "id"), values);
}
