/* A party is a company or a person, once. What it is to us (customer, supplier, employee) is said
 * by other modules that refer to it, so that one company that both buys and sells has one address.
 */
#include "parties.h"

/* A group of companies deeper than this is a mistake in the data. */
#define PARENT_DEPTH_MAX 32

static const struct kt_choice party_kinds[] = {
    {.name = "company", .label = {"Company", "公司"}},
    {.name = "person", .label = {"Person", "个人"}},
};

static const struct kt_choice address_kinds[] = {
    {.name = "billing", .label = {"Billing", "账单地址"}},
    {.name = "shipping", .label = {"Shipping", "收货地址"}},
    {.name = "visiting", .label = {"Visiting", "办公地址"}},
    {.name = "other", .label = {"Other", "其他"}},
};

static const struct kt_choice contact_kinds[] = {
    {.name = "phone", .label = {"Phone", "电话"}},
    {.name = "mobile", .label = {"Mobile", "手机"}},
    {.name = "email", .label = {"Email", "邮箱"}},
    {.name = "web", .label = {"Website", "网址"}},
    {.name = "social", .label = {"Social network", "社交账号"}},
    {.name = "other", .label = {"Other", "其他"}},
};

static const struct kt_field address_fields[] = {
    {.name = "kind",
     .type = KT_ENUM,
     .choices = KT_LIST(address_kinds),
     .initial = "billing",
     .label = {"Kind", "类型"}},
    {.name = "name",
     .type = KT_TEXT,
     .label = {"Addressee", "收件人"},
     .help = {"If it is not the party itself, e.g. a department.",
              "与往来单位名称不同时填写，如部门"}},
    {.name = "street", .type = KT_TEXT, .flags = KT_MULTILINE, .label = {"Street", "街道"}},
    {.name = "postal_code", .type = KT_TEXT, .max_length = 20, .label = {"Postal code", "邮编"}},
    {.name = "city", .type = KT_TEXT, .flags = KT_SEARCHABLE, .label = {"City", "城市"}},
    {.name = "region", .type = KT_TEXT, .label = {"State or province", "省份"}},
    {.name = "country",
     .type = KT_TEXT,
     .max_length = 2,
     .label = {"Country", "国家"},
     .help = {"ISO 3166-1 alpha-2, e.g. DE or CN.", "ISO 3166-1 两位代码，如 DE、CN"}},
};

static const struct kt_field contact_fields[] = {
    {.name = "kind",
     .type = KT_ENUM,
     .choices = KT_LIST(contact_kinds),
     .initial = "phone",
     .label = {"Kind", "类型"}},
    {.name = "value", .type = KT_TEXT, .flags = KT_REQUIRED, .label = {"Value", "内容"}},
    {.name = "label",
     .type = KT_TEXT,
     .label = {"Label", "说明"},
     .help = {"Whose or what for, e.g. \"night shift\".", "归属或用途，如“夜班”"}},
};

static const struct kt_field bank_account_fields[] = {
    {.name = "account",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_SENSITIVE,
     .max_length = 34,
     .label = {"Account", "账号"},
     .help = {"IBAN, or the number where there is none.", "IBAN；没有 IBAN 时填写账号"}},
    {.name = "bank", .type = KT_TEXT, .label = {"Bank", "开户行"}},
    {.name = "bic", .type = KT_TEXT, .max_length = 11, .label = {"BIC", "BIC 代码"}},
    {.name = "holder",
     .type = KT_TEXT,
     .label = {"Holder", "户名"},
     .help = {"If it is not the party itself.", "与往来单位名称不同时填写"}},
};

static const struct kt_field party_fields[] = {
    {.name = "number",
     .type = KT_TEXT,
     .flags = KT_UNIQUE | KT_SEARCHABLE,
     .sequence = "P{6}",
     .label = {"Number", "编号"},
     .help = {"Given out when left empty.", "留空时自动编号"}},
    {.name = "kind",
     .type = KT_ENUM,
     .flags = KT_REQUIRED,
     .choices = KT_LIST(party_kinds),
     .initial = "company",
     .label = {"Kind", "类型"}},
    {.name = "name",
     .type = KT_TEXT,
     .flags = KT_REQUIRED | KT_INDEXED | KT_SEARCHABLE,
     .label = {"Name", "名称"}},
    {.name = "legal_name",
     .type = KT_TEXT,
     .flags = KT_SEARCHABLE,
     .label = {"Legal name", "法定名称"},
     .help = {"As registered, if it differs from the name.", "与名称不同时填写注册名称"}},
    {.name = "tax_number",
     .type = KT_TEXT,
     .flags = KT_INDEXED | KT_SENSITIVE,
     .max_length = 50,
     .label = {"Tax number", "税号"}},
    {.name = "registration_number",
     .type = KT_TEXT,
     .max_length = 50,
     .label = {"Registration number", "注册号"}},
    {.name = "email",
     .type = KT_TEXT,
     .flags = KT_INDEXED | KT_SEARCHABLE,
     .max_length = 254,
     .label = {"Email", "邮箱"}},
    {.name = "phone",
     .type = KT_TEXT,
     .flags = KT_SEARCHABLE,
     .max_length = 50,
     .label = {"Phone", "电话"}},
    {.name = "website", .type = KT_TEXT, .label = {"Website", "网站"}},
    {.name = "language",
     .type = KT_TEXT,
     .max_length = 35,
     .label = {"Language", "语言"},
     .help = {"BCP 47 tag, e.g. en, de-AT, zh-Hans.", "BCP 47 标签，如 en、de-AT、zh-Hans"}},
    {.name = "country",
     .type = KT_TEXT,
     .max_length = 2,
     .label = {"Country", "国家"},
     .help = {"ISO 3166-1 alpha-2, e.g. DE or CN.", "ISO 3166-1 两位代码，如 DE、CN"}},
    {.name = "region",
     .type = KT_TEXT,
     .flags = KT_INDEXED,
     .label = {"Region", "区域"},
     .help = {"Sales region or district.", "销售区域"}},
    {.name = "tags", .type = KT_TAGS, .flags = KT_SEARCHABLE, .label = {"Tags", "标签"}},
    {.name = "parent",
     .type = KT_REF,
     .to = "parties.party",
     .label = {"Belongs to", "所属单位"},
     .help = {"The company a person works for, or the parent of a company.",
              "个人任职的公司，或公司的上级公司"}},
    {.name = "addresses",
     .type = KT_LINES,
     .lines = KT_LIST(address_fields),
     .max_length = 200,
     .label = {"Addresses", "地址"}},
    {.name = "contacts",
     .type = KT_LINES,
     .lines = KT_LIST(contact_fields),
     .max_length = 200,
     .label = {"Contact points", "联系方式"}},
    {.name = "bank_accounts",
     .type = KT_LINES,
     .lines = KT_LIST(bank_account_fields),
     .max_length = 50,
     .label = {"Bank accounts", "银行账户"}},
    {.name = "active",
     .type = KT_BOOL,
     .initial = "true",
     .label = {"Active", "启用"},
     .help = {"Switch off what is no longer dealt with; it stays in old documents.",
              "不再往来时停用，历史单据仍保留"}},
    {.name = "note",
     .type = KT_TEXT,
     .flags = KT_MULTILINE | KT_SEARCHABLE,
     .max_length = 10000,
     .label = {"Note", "备注"}},
};

static enum kt_status check_email(struct kt_ctx *ctx, const char *field, const char *value)
{
    if (*value == '\0' || parties_email_plausible(value))
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, field, "\"%s\" is not a mail address like name@example.com",
                   "“%s”不是有效的邮箱地址，应形如 name@example.com", value);
}

static enum kt_status check_country(struct kt_ctx *ctx, const char *field, const char *value)
{
    if (*value == '\0' || parties_country_plausible(value))
        return KT_OK;
    return kt_fail(ctx, KT_INVALID, field,
                   "\"%s\" is not a country code: use two capital letters such as DE or CN",
                   "“%s”不是国家代码，应为两个大写字母，如 DE、CN", value);
}

/* A new party has no id yet, so it meets nobody but may stand too deep. */
static enum kt_status check_parent(struct kt_ctx *ctx, const msgpack_object *old,
                                   const msgpack_object *party)
{
    uint64_t id = kt_get_id(party, "id");
    uint64_t parent = kt_get_id(party, "parent");
    if (parent == kt_get_id(old, "parent"))
        return KT_OK;
    for (int depth = 0; parent != 0; depth++) {
        if (parent == id)
            return kt_fail(ctx, KT_INVALID, "parent",
                           "a party cannot belong to itself, directly or through others",
                           "往来单位不能直接或间接隶属于自己");
        if (depth == PARENT_DEPTH_MAX)
            return kt_fail(ctx, KT_INVALID, "parent", "more than %d levels of parent parties",
                           "上级单位超过 %d 层", PARENT_DEPTH_MAX);
        const msgpack_object *above;
        KT_TRY(kt_record_get(ctx, "parties.party", parent, &above));
        parent = kt_get_id(above, "parent");
    }
    return KT_OK;
}

static enum kt_status party_before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                        struct kt_map *record)
{
    const msgpack_object *party = &record->object;
    KT_TRY(check_email(ctx, "email", kt_get_text(ctx, party, "email")));
    KT_TRY(check_country(ctx, "country", kt_get_text(ctx, party, "country")));
    for (size_t i = 0; i < kt_count(party, "addresses"); i++) {
        const char *country = kt_get_text(ctx, kt_at(party, "addresses", i), "country");
        KT_TRY(check_country(ctx, kt_format(ctx, "addresses[%zu].country", i), country));
    }
    for (size_t i = 0; i < kt_count(party, "contacts"); i++) {
        const msgpack_object *contact = kt_at(party, "contacts", i);
        if (kt_is(contact, "kind", "email"))
            KT_TRY(check_email(ctx, kt_format(ctx, "contacts[%zu].value", i),
                               kt_get_text(ctx, contact, "value")));
    }
    return check_parent(ctx, old, party);
}

const struct kt_entity parties_party = {
    .name = "parties.party",
    .label = {"Party", "往来单位"},
    .help = {"A company or person we deal with, recorded once and shared by all modules.",
             "与我们往来的公司或个人，只登记一次，各模块共用"},
    .title = "name",
    .fields = KT_LIST(party_fields),
    .before_save = party_before_save,
};
