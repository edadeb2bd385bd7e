/* What is asked of the server. Requests are made before the clock runs, as many different ones as
 * let no cache of the machine know them by heart. */
#include <stdio.h>
#include <stdlib.h>

#include "../bench.h"
#include "load.h"

#define VARIANTS 1024
#define LINES    5
#define IDS_MAX  1000

const char *const load_workloads[] = {"ping", "get", "search", "order", NULL};

struct ids {
    uint64_t at[IDS_MAX];
    size_t count;
};

/* --- Packing --- */

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

static void pack_pair(msgpack_packer *packer, const char *name, const char *text)
{
    pack_text(packer, name);
    pack_text(packer, text);
}

static void pack_id(msgpack_packer *packer, const char *name, uint64_t id)
{
    pack_text(packer, name);
    msgpack_pack_uint64(packer, id);
}

static void pack_condition(msgpack_packer *packer, const char *field, uint64_t id, const char *text)
{
    msgpack_pack_array(packer, 3);
    pack_text(packer, field);
    pack_text(packer, "=");
    if (text)
        pack_text(packer, text);
    else
        msgpack_pack_uint64(packer, id);
}

/* --- What there is --- */

static const msgpack_object *member(const msgpack_object *map, const char *name)
{
    for (uint32_t i = 0; map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_str *key = &map->via.map.ptr[i].key.via.str;
        if (key->size == strlen(name) && memcmp(key->ptr, name, key->size) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static bool unpack(msgpack_zone *memory, const msgpack_sbuffer *packed, msgpack_object *out)
{
    char *copy = msgpack_zone_malloc(memory, packed->size);
    size_t offset = 0;
    if (!copy)
        return false;
    memcpy(copy, packed->data, packed->size);
    return msgpack_unpack(copy, packed->size, &offset, memory, out) == MSGPACK_UNPACK_SUCCESS;
}

static bool pack_search_of(msgpack_zone *memory, const char *entity, msgpack_object *out)
{
    msgpack_sbuffer packed;
    msgpack_packer packer;
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    pack_pair(&packer, "entity", entity);
    pack_id(&packer, "limit", IDS_MAX);
    pack_text(&packer, "fields");
    msgpack_pack_array(&packer, 0);
    bool good = unpack(memory, &packed, out);
    msgpack_sbuffer_destroy(&packed);
    return good;
}

/* Ids of up to IDS_MAX records. */
static bool find_ids(struct client *client, msgpack_zone *memory, const char *entity,
                     struct ids *out)
{
    msgpack_object params;
    struct client_reply reply;
    if (!pack_search_of(memory, entity, &params))
        return false;
    if (client_call(client, "record.search", &params, &reply) == CLIENT_OK) {
        const msgpack_object *records = member(&reply.result, "records");
        for (; records && out->count < records->via.array.size; out->count++)
            out->at[out->count] = member(&records->via.array.ptr[out->count], "id")->via.u64;
    }
    client_reply_free(&reply);
    if (out->count == 0)
        fprintf(stderr, "load: no %s is found: import some first\n", entity);
    return out->count > 0;
}

/* --- Requests --- */

struct maker {
    struct ids customers, products;
    uint64_t random;
    msgpack_packer packer;
};

static uint64_t any(struct maker *maker, const struct ids *ids)
{
    return ids->at[bench_random(&maker->random) % ids->count];
}

static void pack_ping(struct maker *maker)
{
    msgpack_pack_map(&maker->packer, 0);
}

static void pack_get(struct maker *maker)
{
    msgpack_pack_map(&maker->packer, 2);
    pack_pair(&maker->packer, "entity", "products.product");
    pack_id(&maker->packer, "id", any(maker, &maker->products));
}

/* The 20 newest open orders of a customer. */
static void pack_search(struct maker *maker)
{
    msgpack_packer *packer = &maker->packer;
    msgpack_pack_map(packer, 4);
    pack_pair(packer, "entity", "sales.order");
    pack_text(packer, "where");
    msgpack_pack_array(packer, 2);
    pack_condition(packer, "customer", any(maker, &maker->customers), NULL);
    pack_condition(packer, "state", 0, "confirmed");
    pack_pair(packer, "order", "-date");
    pack_id(packer, "limit", 20);
}

static void pack_create(struct maker *maker)
{
    msgpack_packer *packer = &maker->packer;
    size_t first = bench_random(&maker->random) % maker->products.count;
    msgpack_pack_map(packer, 3);
    pack_pair(packer, "op", "create");
    pack_pair(packer, "entity", "sales.order");
    pack_text(packer, "values");
    msgpack_pack_map(packer, 2);
    pack_id(packer, "customer", any(maker, &maker->customers));
    pack_text(packer, "lines");
    msgpack_pack_array(packer, LINES);
    for (size_t i = 0; i < LINES; i++) {
        msgpack_pack_map(packer, 2);
        pack_id(packer, "product", maker->products.at[(first + i * 7) % maker->products.count]);
        pack_pair(packer, "quantity", "2");
    }
}

/* Written, priced, confirmed and reserved, or not at all. */
static void pack_order(struct maker *maker)
{
    msgpack_packer *packer = &maker->packer;
    msgpack_pack_map(packer, 1);
    pack_text(packer, "ops");
    msgpack_pack_array(packer, 2);
    pack_create(maker);
    msgpack_pack_map(packer, 2);
    pack_pair(packer, "op", "sales.order.confirm");
    pack_text(packer, "id");
    msgpack_pack_map(packer, 1);
    pack_pair(packer, "$", "0.id");
}

static const struct {
    const char *name;
    const char *method;
    void (*pack)(struct maker *maker);
} kinds[] = {{"ping", "system.ping", pack_ping},
             {"get", "record.get", pack_get},
             {"search", "record.search", pack_search},
             {"order", "record.batch", pack_order}};

static bool make(const char *workload, struct maker *maker, struct load_requests *out)
{
    size_t kind = 0;
    while (strcmp(kinds[kind].name, workload) != 0)
        kind++;
    for (out->count = 0; out->count < VARIANTS; out->count++) {
        msgpack_sbuffer packed;
        msgpack_sbuffer_init(&packed);
        msgpack_packer_init(&maker->packer, &packed, msgpack_sbuffer_write);
        kinds[kind].pack(maker);
        out->at[out->count].method = kinds[kind].method;
        bool made = unpack(out->memory, &packed, &out->at[out->count].params);
        msgpack_sbuffer_destroy(&packed);
        if (!made)
            return false;
    }
    return true;
}

bool load_prepare(const char *workload, struct client *client, struct load_requests *out)
{
    struct maker *maker = calloc(1, sizeof(*maker));
    *out = (struct load_requests){.at = calloc(VARIANTS, sizeof(*out->at)),
                                  .memory = msgpack_zone_new(1u << 20)};
    bool done = maker && out->at && out->memory &&
                (strcmp(workload, "ping") == 0 ||
                 (find_ids(client, out->memory, "products.product", &maker->products) &&
                  find_ids(client, out->memory, "customers.customer", &maker->customers))) &&
                make(workload, maker, out);
    free(maker);
    return done;
}

void load_requests_free(struct load_requests *requests)
{
    if (requests->memory)
        msgpack_zone_free(requests->memory);
    free(requests->at);
}
