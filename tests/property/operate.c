/* Drawing operations, making them in the engine and in the model, and comparing
 * what came of it. Transactions nest as they do in the server: each operation
 * has its own within the batch's, and here savepoints between, which may be
 * given up like the batch itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "property.h"

#define DEEPEST 3

/* --- Drawing --- */

static uint64_t draw_id(struct world *world, size_t entity)
{
    const struct table *table = &world->model.tables[entity];
    if (table->count == 0 || chance(world, 2))
        return table->last_id + draw(world, 3);
    return table->at[draw(world, table->count)].id;
}

static void add_given(struct world *world, struct operation *operation, size_t field, bool flawed)
{
    const struct record *old = model_find(world, operation->entity, operation->id);
    const struct kt_entity *entity = &world->entities[operation->entity];
    struct given *given = &operation->given[operation->given_count++];
    given->field = field;
    draw_given(world, &entity->fields.at[field], old ? old->fields[field] : NULL, flawed, given);
}

static bool is_wanted(struct world *world, const struct operation *operation,
                      const struct kt_field *field)
{
    bool creating = operation->kind == CREATE;
    bool closed = field->type == KT_STATE || field->compute || (field->flags & KT_READONLY) ||
                  (!creating && (field->flags & KT_IMMUTABLE));
    if (closed && chance(world, operation->by == RECORD_BY_SERVER ? 70 : 98))
        return false;
    if (creating && (field->flags & KT_REQUIRED))
        return chance(world, 99);
    return chance(world, creating ? 75 : 35);
}

static void draw_values(struct world *world, struct operation *operation)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    size_t count = entity->fields.count;
    size_t flawed = chance(world, 6) ? draw(world, count) : SIZE_MAX;
    world->drawing = operation->id;
    world->drawing_in = entity->name;
    operation->given = take(world, sizeof *operation->given * (count + 1));
    for (size_t f = 0; f < count; f++)
        if (f == flawed || is_wanted(world, operation, &entity->fields.at[f]))
            add_given(world, operation, f, f == flawed);
    if (chance(world, 1))
        operation->given[operation->given_count++] =
            (struct given){.unknown = "nowhere", .sent = &empty_value, .means = &empty_value};
}

static struct operation *draw_operation(struct world *world)
{
    static const char *const verbs[] = {"start", "finish", "reopen", "drop", "fly"};
    static const enum record_by by[] = {RECORD_BY_CLIENT, RECORD_BY_CLIENT, RECORD_BY_CLIENT,
                                        RECORD_BY_SERVER, RECORD_BY_IMPORT};
    struct operation *operation = take(world, sizeof *operation);
    operation->entity = draw(world, world->entity_count);
    operation->by = by[draw(world, KT_COUNT(by))];
    size_t count = world->model.tables[operation->entity].count;
    uint64_t kind = draw(world, 100);
    bool has_states = world->entities[operation->entity].states.count > 0;
    operation->kind = kind < 35   ? CREATE
                      : kind < 67 ? UPDATE
                      : kind < 80 ? DELETE
                      : kind < 83 ? ARCHIVE
                      : kind < 84 ? RESTORE
                                  : TRANSITION;
    if (operation->kind == TRANSITION && !has_states)
        operation->kind = UPDATE;
    if (operation->kind == CREATE && count >= RECORDS_MOST)
        operation->kind = DELETE;
    if (operation->kind == DELETE && count < 20 && chance(world, 70))
        operation->kind = CREATE;
    if (operation->kind != CREATE) {
        operation->id = draw_id(world, operation->entity);
        const struct record *old = model_find(world, operation->entity, operation->id);
        if (old && old->archived && chance(world, 50))
            operation->kind = RESTORE;
        if (old && chance(world, 40))
            operation->version = old->version;
        if (operation->version && chance(world, 10))
            operation->version =
                chance(world, 50) || old->version == 1 ? old->version + 1 : old->version - 1;
    }
    operation->verb = verbs[draw(world, KT_COUNT(verbs))];
    if (operation->kind == CREATE || operation->kind == UPDATE)
        draw_values(world, operation);
    return operation;
}

/* --- Making --- */

static const msgpack_object *pack_given(struct world *world, const struct operation *operation)
{
    const struct kt_entity *entity = &world->entities[operation->entity];
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_object *values = kt_alloc(&world->ctx, sizeof *values);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, operation->given_count);
    for (size_t i = 0; i < operation->given_count; i++) {
        const struct given *given = &operation->given[i];
        const struct kt_field *field = &entity->fields.at[given->field];
        const char *name = given->unknown ? given->unknown : field->name;
        msgpack_pack_str_with_body(&packer, name, strlen(name));
        pack_value(&packer, field, given->sent);
    }
    if (context_unpack(&world->ctx, buffer.data, buffer.size, true, values) != KT_OK)
        fail(world, "the values of an operation cannot be unpacked");
    msgpack_sbuffer_destroy(&buffer);
    return values;
}

static enum kt_status make(struct world *world, struct operation *operation, uint64_t *created)
{
    struct kt_ctx *ctx = &world->ctx;
    const char *name = world->entities[operation->entity].name;
    const struct schema_entity *entity = schema_entity(world->schema, name, strlen(name));
    switch (operation->kind) {
    case CREATE:
        return record_create(ctx, entity, pack_given(world, operation), operation->by, created);
    case UPDATE:
        return record_update(ctx, entity, operation->id, operation->version,
                             pack_given(world, operation), operation->by);
    case DELETE:
        return record_delete(ctx, entity, operation->id, operation->version, operation->by);
    case ARCHIVE:
        return record_archive(ctx, entity, operation->id, operation->version, operation->by);
    case RESTORE:
        return record_restore(ctx, entity, operation->id, operation->version, operation->by);
    default:
        return record_transition(ctx, entity, operation->id, operation->version, operation->verb,
                                 NULL, operation->by);
    }
}

static bool is_expected(const struct refusals *refusals, enum kt_status status, const char *field)
{
    for (size_t i = 0; i < refusals->count; i++) {
        const char *expected = refusals->at[i].field;
        if (refusals->at[i].status == status &&
            (expected && field ? strcmp(expected, field) == 0 : expected == field))
            return true;
    }
    return false;
}

static void compare_outcome(const struct world *world, const struct refusals *refusals,
                            enum kt_status status)
{
    const struct context_error *error = &world->ctx.error;
    if (status == KT_OK && refusals->count)
        fail(world, "it was done; the model refuses it: %s, %s",
             kt_status_code(refusals->at[0].status),
             refusals->at[0].field ? refusals->at[0].field : "no field");
    if (status == KT_OK)
        return;
    if (status != error->status || !error->message || !error->message_zh)
        fail(world, "%s is returned, %s said", kt_status_code(status),
             kt_status_code(error->status));
    if (!is_expected(refusals, status, error->field))
        fail(world, "it was refused: %s, %s: %s; the model %s", kt_status_code(status),
             error->field ? error->field : "no field", error->message,
             refusals->count ? "has other reasons" : "does it");
}

static void compare_event(const struct world *world, const struct operation *operation)
{
    static const char *const past[] = {".created", ".updated",  ".deleted",
                                       NULL,       ".archived", ".restored"};
    const char *name = world->entities[operation->entity].name;
    size_t length = strlen(name);
    if (!world->announced || strncmp(world->announced, name, length) != 0 ||
        (operation->kind != TRANSITION &&
         strcmp(world->announced + length, past[operation->kind]) != 0))
        fail(world, "%s was announced", world->announced ? world->announced : "nothing");
}

static void compare_after(struct world *world, const struct operation *operation,
                          const struct record *before, uint64_t id)
{
    const struct record *after = model_find(world, operation->entity, id);
    const struct record *about = after ? after : before;
    compare_record(world, operation->entity, id);
    if (before)
        compare_uniques(world, operation->entity, before);
    if (after)
        compare_uniques(world, operation->entity, after);
    compare_totals_of(world, operation->entity, before, after);
    if (chance(world, 10) && about)
        compare_history(world, operation->entity, id, about->version + (after == NULL));
    context_reset(&world->ctx);
    compare_search(world, operation->entity, before && chance(world, 30) ? before : about);
    if (chance(world, 20))
        compare_aggregate(world, operation->entity);
    context_reset(&world->ctx);
}

static void operate(struct world *world)
{
    struct operation *operation = draw_operation(world);
    struct refusals refusals = {.count = 0};
    const struct record *found = model_find(world, operation->entity, operation->id);
    struct record before = found ? *found : (struct record){0};
    uint64_t id = operation->id;
    operation->number = ++world->operations;
    world->latest[operation->number % LATEST] = operation;
    context_reset(&world->ctx);
    world->announced = NULL;
    begin(world, STORE_WRITE);
    enum kt_status status = make(world, operation, &id);
    struct model unchanged = {0};
    if (operation->kind == DELETE)
        unchanged = model_copy(&world->model);
    model_apply(world, operation, &refusals);
    if (operation->kind == DELETE && refusals.count) { /* It may have come half the way. */
        struct model half = world->model;
        world->model = unchanged;
        unchanged = half;
    }
    model_free(&unchanged);
    compare_outcome(world, &refusals, status);
    world->refused += status != KT_OK;
    if (status == KT_OK)
        compare_event(world, operation);
    end(world, status == KT_OK);
    context_reset(&world->ctx);
    if (chance(world, 2))
        keep_moment(world);
    compare_after(world, operation, found ? &before : NULL, id);
    if (operation->number % 500 == 0)
        compare_all(world);
}

/* NOLINTNEXTLINE(misc-no-recursion): `depth` ends it. */
static void run_within(struct world *world, unsigned depth, uint64_t count, uint64_t until)
{
    struct model before = model_copy(&world->model);
    bool keep = chance(world, depth ? 50 : 85);
    begin(world, STORE_WRITE);
    for (uint64_t i = 0; i < count && world->operations < until; i++) {
        if (depth < DEEPEST && chance(world, 10))
            run_within(world, depth + 1, 1 + draw(world, 4), until);
        else
            operate(world);
    }
    end(world, keep);
    if (!keep) {
        world->given_up++;
        struct model given_up = world->model;
        world->model = before;
        before = given_up;
        forget_moments_after(world, world->model.events);
    }
    model_free(&before);
}

void run_batch(struct world *world, uint64_t until)
{
    world->ctx.now += draw_between(world, 0, INT64_C(86400) * 1000000 * 10);
    run_within(world, 0, 1 + draw(world, 60), until);
    /* Readers see what was committed, and nothing else. */
    begin(world, STORE_READ);
    for (size_t e = 0; e < world->entity_count; e++)
        compare_search(world, e, NULL);
    compare_past(world);
    if (chance(world, 10))
        compare_all(world);
    context_reset(&world->ctx);
    end(world, false);
}

/* --- For people --- */

void describe(const struct world *world, const struct operation *operation)
{
    static const char *const kinds[] = {"create",     "update",  "delete",
                                        "transition", "archive", "restore"};
    static const char *const by[] = {"client", "server", "import"};
    const struct kt_entity *entity = &world->entities[operation->entity];
    fprintf(stderr, "%6llu %s %s %llu", (unsigned long long)operation->number,
            kinds[operation->kind], entity->name, (unsigned long long)operation->id);
    if (operation->version)
        fprintf(stderr, " version %llu", (unsigned long long)operation->version);
    if (operation->kind == TRANSITION)
        fprintf(stderr, " %s", operation->verb);
    fprintf(stderr, " by %s", by[operation->by]);
    for (size_t i = 0; i < operation->given_count; i++) {
        const struct given *given = &operation->given[i];
        const struct kt_field *field = &entity->fields.at[given->field];
        struct world *scratch = (struct world *)(uintptr_t)world;
        fprintf(stderr, "\n         %s%s = ", given->flaw ? "(wrong) " : "",
                given->unknown ? given->unknown : field->name);
        msgpack_object_print(stderr, *as_object(scratch, field, given->sent));
    }
    fputc('\n', stderr);
}
