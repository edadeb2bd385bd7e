/* Delegations: while somebody is away, somebody else decides in their place. */
#include "approvals.h"

#include <string.h>

static const struct kt_field fields[] = {
    {.name = "from",
     .type = KT_REF,
     .flags = KT_REQUIRED | KT_INDEXED,
     .to = "system.user",
     .initial = "user",
     .label = {"From", "授权人"},
     .help = {"Whose approvals are given in their place.", "由他人代为审批的人"}},
    {.name = "to",
     .type = KT_REF,
     .flags = KT_REQUIRED | KT_INDEXED,
     .to = "system.user",
     .label = {"To", "代理人"}},
    {.name = "role",
     .type = KT_TEXT,
     .max_length = 100,
     .label = {"Role", "角色"},
     .help = {"Only this one; all that the person has when empty.",
              "仅限该角色，留空则为其全部角色"}},
    {.name = "starts",
     .type = KT_DATE,
     .flags = KT_REQUIRED,
     .initial = "today",
     .label = {"First day", "首日"}},
    {.name = "ends", .type = KT_DATE, .flags = KT_REQUIRED, .label = {"Last day", "末日"}},
    {.name = "reason", .type = KT_TEXT, .label = {"Reason", "原因"}},
};

static enum kt_status check_owner(struct kt_ctx *ctx, const msgpack_object *delegation)
{
    if (!delegation || kt_get_id(delegation, "from") == kt_user_id(ctx) ||
        kt_user_may(ctx, APPROVALS_MANAGE))
        return KT_OK;
    return kt_fail(ctx, KT_DENIED, "from", "you can delegate only what is yours to approve",
                   "您只能授权他人代理您本人的审批");
}

static enum kt_status before_save(struct kt_ctx *ctx, const msgpack_object *old,
                                  struct kt_map *record)
{
    kt_date starts, ends;
    KT_TRY(check_owner(ctx, old));
    KT_TRY(check_owner(ctx, &record->object));
    if (kt_get_id(&record->object, "from") == kt_get_id(&record->object, "to"))
        return kt_fail(ctx, KT_INVALID, "to", "nobody acts for themselves: name somebody else",
                       "代理人不能是授权人本人，请另选他人");
    if (kt_get_date(&record->object, "starts", &starts) &&
        kt_get_date(&record->object, "ends", &ends) && ends < starts)
        return kt_fail(ctx, KT_INVALID, "ends", "the last day is before the first", "末日早于首日");
    return KT_OK;
}

const struct kt_entity approvals_delegation = {
    .name = "approvals.delegation",
    .label = {"Delegation", "审批代理"},
    .help = {"Who decides in whose place, from when until when.", "何人在何期间代何人审批"},
    .title = "reason",
    .fields = KT_LIST(fields),
    .before_save = before_save,
    .before_delete = check_owner,
};

static bool has_tag(const msgpack_object *record, const char *field, const char *tag)
{
    size_t length = strlen(tag);
    for (size_t i = 0; i < kt_count(record, field); i++) {
        const msgpack_object *one = kt_at(record, field, i);
        if (one->type == MSGPACK_OBJECT_STR && one->via.str.size == length &&
            memcmp(one->via.str.ptr, tag, length) == 0)
            return true;
    }
    return false;
}

/* What somebody has lost, or took along when leaving, nobody has by their word. */
static enum kt_status is_theirs(struct kt_ctx *ctx, uint64_t user_id, const char *role, bool *out)
{
    const msgpack_object *user;
    KT_TRY(kt_record_get(ctx, "system.user", user_id, &user));
    *out = kt_get_bool(user, "active") && !kt_get_bool(user, "archived") &&
           (has_tag(user, "roles", role) || has_tag(user, "roles", "system.admin"));
    return KT_OK;
}

enum kt_status approvals_find_principal(struct kt_ctx *ctx, const char *role, uint64_t asker,
                                        uint64_t *out)
{
    const msgpack_object today = kt_date_value(ctx, kt_today(ctx));
    const struct kt_condition where[] = {
        {.field = "to", .op = "=", .value = kt_id(kt_user_id(ctx))},
        {.field = "starts", .op = "<=", .value = today},
        {.field = "ends", .op = ">=", .value = today},
    };
    const struct kt_query query = {
        .entity = "approvals.delegation", .where = where, .where_count = KT_COUNT(where)};
    const msgpack_object **delegations;
    size_t count;
    *out = 0;
    KT_TRY(kt_record_search(ctx, &query, &delegations, &count));
    for (size_t i = 0; i < count && *out == 0; i++) {
        const msgpack_object *one = delegations[i];
        uint64_t from = kt_get_id(one, "from");
        bool theirs;
        if (kt_get_bool(one, "archived") || from == asker ||
            (kt_has(one, "role") && !kt_is(one, "role", role)))
            continue;
        KT_TRY(is_theirs(ctx, from, role, &theirs));
        if (theirs)
            *out = from;
    }
    return KT_OK;
}
