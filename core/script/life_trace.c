/* The trace: a ring of the last turns, filled while somebody asks for it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "script/life_internal.h"

#define WATCHED_US 10000000

/* Cut where it is too long; what is read is cleaned. */
static void copy(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text ? text : "");
}

void life_trace_note(struct script_life *life, const struct life_note *note)
{
    const struct script_call *call = note->call;
    struct life_turn *turn = &life->turns[++life->last_seq % SCRIPT_TRACE_TURNS];
    *turn = (struct life_turn){.seq = life->last_seq,
                               .request = call->ctx->request_number,
                               .id = call->id,
                               .at = call->ctx->now,
                               .us = note->us,
                               .line = call->rule->line,
                               .outcome = note->outcome};
    copy(turn->user, sizeof(turn->user), kt_user_name(call->ctx));
    copy(turn->rule, sizeof(turn->rule), call->rule->name);
    copy(turn->file, sizeof(turn->file), call->rule->file);
    copy(turn->entity, sizeof(turn->entity), script_entity_of(call));
    copy(turn->moment, sizeof(turn->moment), script_moment_of(call));
    copy(turn->message, sizeof(turn->message), note->message);
    for (size_t i = 0; i < call->touched_count; i++) {
        size_t used = strlen(turn->fields);
        snprintf(turn->fields + used, sizeof(turn->fields) - used, "%s%s", used ? "," : "",
                 call->touched[i]);
    }
}

static msgpack_object text_of(struct kt_ctx *ctx, const char *text)
{
    return kt_text(script_clean(ctx, text, strlen(text), strlen(text)));
}

static msgpack_object fields_of(struct kt_ctx *ctx, const char *names)
{
    struct kt_list *list = kt_list_new(ctx);
    for (const char *at = names; *at;) {
        size_t length = strcspn(at, ",");
        kt_list_add(list, kt_text(kt_format(ctx, "%.*s", (int)length, at)));
        at += length + (at[length] == ',');
    }
    return list->object;
}

static void add_turn(struct kt_list *list, const struct life_turn *turn)
{
    struct kt_ctx *ctx = list->ctx;
    struct kt_map *row = kt_map_new(ctx);
    kt_map_set_id(row, "seq", turn->seq);
    kt_map_set(row, "at", kt_instant_value(ctx, turn->at));
    kt_map_set_id(row, "request", turn->request);
    kt_map_set(row, "user", text_of(ctx, turn->user));
    kt_map_set(row, "rule", text_of(ctx, turn->rule));
    kt_map_set(row, "file", text_of(ctx, turn->file));
    kt_map_set_int(row, "line", turn->line);
    if (*turn->entity)
        kt_map_set(row, "entity", text_of(ctx, turn->entity));
    if (turn->id)
        kt_map_set_id(row, "id", turn->id);
    kt_map_set(row, "moment", text_of(ctx, turn->moment));
    kt_map_set_int(row, "us", (int64_t)turn->us);
    kt_map_set_text(row, "outcome", turn->outcome);
    if (*turn->fields)
        kt_map_set(row, "fields", fields_of(ctx, turn->fields));
    if (*turn->message)
        kt_map_set(row, "message", text_of(ctx, turn->message));
    kt_list_add(list, row->object);
}

static bool is_wanted(const struct life_turn *turn, const struct script_trace_query *query)
{
    return (!query->rule || strcmp(turn->rule, query->rule) == 0) &&
           (!query->entity || strcmp(turn->entity, query->entity) == 0);
}

void script_life_trace(struct script_life *life, const struct script_trace_query *query,
                       struct kt_map *answer)
{
    struct kt_list *turns = kt_list_new(answer->ctx);
    uint64_t after = query->after ? query->after->via.u64 : UINT64_MAX, missed = 0;
    atomic_store_explicit(&life->watched_until_us, clock_coarse_us() + WATCHED_US,
                          memory_order_relaxed);
    pthread_mutex_lock(&life->lock);
    if (!life->turns)
        life->turns = script_must(calloc(SCRIPT_TRACE_TURNS, sizeof(*life->turns)));
    if (after > life->last_seq)
        after = life->last_seq;
    if (life->last_seq - after > SCRIPT_TRACE_TURNS) {
        missed = life->last_seq - after - SCRIPT_TRACE_TURNS;
        after += missed;
    }
    while (after < life->last_seq && turns->object.via.array.size < query->limit) {
        const struct life_turn *turn = &life->turns[++after % SCRIPT_TRACE_TURNS];
        if (is_wanted(turn, query))
            add_turn(turns, turn);
    }
    pthread_mutex_unlock(&life->lock);
    kt_map_set(answer, "turns", turns->object);
    kt_map_set_int(answer, "next", (int64_t)after);
    kt_map_set_int(answer, "missed", (int64_t)missed);
}
