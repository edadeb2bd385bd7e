/* The parties module: master data of companies and persons. See README.md. */
#include "parties.h"

static const struct kt_entity *const entities[] = {&parties_party};

static const char *const reader_grants[] = {"parties.party.read"};
static const char *const user_grants[] = {"parties.*"};
static const struct kt_role roles[] = {
    {.name = "parties.reader",
     .grants = KT_LIST(reader_grants),
     .label = {"Reads parties", "往来单位查看"}},
    {.name = "parties.user",
     .grants = KT_LIST(user_grants),
     .label = {"Maintains parties", "往来单位维护"}},
};

KT_PLUGIN = {
    KT_PLUGIN_HEAD,
    .name = "parties",
    .version = "1.0.0",
    .schema = 1,
    .label = {"Parties", "往来单位"},
    .summary = {"Companies and persons with their addresses and contact points.",
                "公司和个人及其地址、联系方式"},
    .entities = KT_LIST(entities),
    .roles = KT_LIST(roles),
};
