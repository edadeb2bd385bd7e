/* A real store in a folder of its own, and the layers above core/record as far
 * as they are asked.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property.h"

struct nested {
    struct store_txn *txn;
    struct nested *outer;
};

static struct world *world_of(const struct kt_ctx *ctx)
{
    return (struct world *)((char *)(uintptr_t)ctx - offsetof(struct world, ctx));
}

static enum kt_status no_rules(struct kt_ctx *ctx, const struct record_step *step,
                               struct kt_map *record, bool *changed)
{
    (void)ctx;
    (void)step;
    (void)record;
    *changed = false;
    return KT_OK;
}

static enum kt_status no_rules_after(struct kt_ctx *ctx, const struct record_step *step,
                                     const msgpack_object *record)
{
    (void)ctx;
    (void)step;
    (void)record;
    return KT_OK;
}

/* An event as far as the engine asks for it: its number and its time. */
static enum kt_status announce(struct kt_ctx *ctx, const struct kt_event *event)
{
    uint64_t number;
    struct key key;
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    world_of(ctx)->announced = event->topic;
    KT_TRY(record_last_event(ctx, &number));
    ctx->last_event = ++number;
    key_begin(&key, SPACE_EVENT);
    key_add_u64(&key, number);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    msgpack_pack_str_with_body(&packer, "at", 2);
    msgpack_pack_object(&packer, kt_instant_value(ctx, ctx->now));
    enum kt_status status =
        store_put(ctx->txn, key_slice(&key), (struct store_slice){buffer.data, buffer.size});
    msgpack_sbuffer_destroy(&buffer);
    return status;
}

static bool yes(const struct kt_ctx *ctx, const char *what)
{
    (void)ctx;
    (void)what;
    return true;
}

static const struct context_host host = {.rules_before = no_rules,
                                         .rules_after = no_rules_after,
                                         .announce = announce,
                                         .has_role = yes,
                                         .may = yes,
                                         .topic_declared = yes};

void begin(struct world *world, enum store_mode mode)
{
    struct nested *nested = malloc(sizeof *nested);
    if (!nested)
        abort();
    nested->outer = world->open;
    struct store_txn *parent = nested->outer ? nested->outer->txn : NULL;
    if (store_begin(world->store, parent, mode, &nested->txn) != KT_OK)
        fail(world, "no transaction");
    world->open = nested;
    world->ctx.txn = nested->txn;
    world->ctx.writable = mode == STORE_WRITE;
}

void end(struct world *world, bool keep)
{
    struct nested *nested = world->open;
    if (!keep)
        store_abort(nested->txn);
    else if (store_commit(nested->txn) != KT_OK)
        fail(world, "a transaction cannot be committed");
    world->open = nested->outer;
    world->ctx.txn = nested->outer ? nested->outer->txn : NULL;
    free(nested);
}

void build_schema(struct world *world)
{
    struct schema_module module = {.plugin = &world->plugin, .enabled = true};
    char why[512] = "";
    schema_free(world->schema);
    world->schema = NULL;
    context_reset(&world->ctx);
    begin(world, STORE_WRITE);
    if (schema_build(&module, 1, world->currency, world->ctx.txn, &world->schema, why,
                     sizeof why) != KT_OK)
        fail(world, "the schema is refused: %s", why);
    world->ctx.schema = world->schema;
    if (record_refresh(&world->ctx, false) != KT_OK)
        fail(world, "indexes and totals cannot be built: %s", world->ctx.error.message);
    end(world, true);
    context_reset(&world->ctx);
}

void open_store(struct world *world)
{
    char folder[96], why[512] = "";
    snprintf(folder, sizeof folder, "%s/data", world->root);
    struct store_options options = {
        .folder = folder, .limit_bytes = 1u << 30, .unsafe_no_sync = true};
    if (store_lmdb.open(&options, &world->store, why, sizeof why) != KT_OK)
        fail(world, "the store cannot be opened: %s", why);
    context_init(&world->ctx);
    world->ctx.host = &host;
    world->ctx.user_id = 7;
    world->ctx.user_name = "ann";
    build_schema(world);
}

void close_store(struct world *world)
{
    while (world->open)
        end(world, false);
    context_deinit(&world->ctx);
    schema_free(world->schema);
    world->schema = NULL;
    store_lmdb.close(world->store);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void remove_store(struct world *world)
{
    nftw(world->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
