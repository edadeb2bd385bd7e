/* The past: models of some moments, which the engine must tell again as of
 * their events. */
#include "property.h"

static void forget(struct world *world, size_t at)
{
    model_free(&world->past[at]);
    for (size_t i = at + 1; i < world->past_count; i++)
        world->past[i - 1] = world->past[i];
    world->past_count--;
}

/* One moment for each event at most; when there are too many, any goes. */
void keep_moment(struct world *world)
{
    size_t count = world->past_count;
    if (world->model.events == 0 || (count && world->past[count - 1].events == world->model.events))
        return;
    if (count == PAST_MOST)
        forget(world, draw(world, count));
    world->past[world->past_count++] = model_copy(&world->model);
}

void forget_moments_after(struct world *world, uint64_t event)
{
    while (world->past_count && world->past[world->past_count - 1].events > event)
        forget(world, world->past_count - 1);
}

/* Deleted records are there again, new ones are not yet. */
static void compare_records(struct world *world, size_t entity)
{
    uint64_t most = world->model.tables[entity].last_id + 4;
    for (int i = 0; i < 8; i++) {
        uint64_t id = 1 + draw(world, most);
        const struct record *record = model_find(world, entity, id);
        compare_record(world, entity, id);
        if (record)
            compare_uniques(world, entity, record);
    }
}

void compare_past(struct world *world)
{
    struct kt_ctx *ctx = &world->ctx;
    if (world->past_count == 0)
        return;
    size_t at = draw(world, world->past_count);
    struct model present = world->model;
    world->model = world->past[at];
    msgpack_object event = kt_id(world->model.events);
    kt_instant_us now = ctx->now;
    if (record_set_as_of(ctx, &event) != KT_OK)
        fail(world, "there is no moment %llu", (unsigned long long)world->model.events);
    for (size_t e = 0; e < world->entity_count; e++)
        compare_records(world, e);
    compare_search(world, draw(world, world->entity_count), NULL);
    if (record_set_as_of(ctx, &event) != KT_OK)
        fail(world, "the moment %llu is gone", (unsigned long long)world->model.events);
    if (world->total_count)
        compare_total(world, &world->totals[draw(world, world->total_count)]);
    world->model = present;
    context_reset(ctx);
    ctx->as_of = 0;
    ctx->now = now;
}
