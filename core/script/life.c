#include "script/life_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Names that were ever pushed stay; beyond so many, new ones are not counted. */
#define COUNTS_MOST 20000u

struct script_life *script_life_new(void)
{
    struct script_life *life = script_must(calloc(1, sizeof(*life)));
    atomic_init(&life->references, 1);
    pthread_mutex_init(&life->lock, NULL);
    return life;
}

void script_life_hold(struct script_life *life)
{
    atomic_fetch_add_explicit(&life->references, 1, memory_order_relaxed);
}

static void free_count(struct script_count *count)
{
    for (size_t i = 0; i < count->field_count; i++)
        free(count->fields[i]);
    free(count->name);
    free(count->file);
    free(count);
}

void script_life_release(struct script_life *life)
{
    if (!life || atomic_fetch_sub_explicit(&life->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < life->count; i++)
        free_count(life->counts[i]);
    pthread_mutex_destroy(&life->lock);
    free(life->counts);
    free(life->turns);
    free(life);
}

/* --- Sets --- */

static size_t place_of(const struct script_life *life, const char *name, bool *there)
{
    size_t low = 0, high = life->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(life->counts[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < life->count && strcmp(life->counts[low]->name, name) == 0;
    return low;
}

static struct script_count *find_count(struct script_life *life, const struct script_rule *rule)
{
    bool there;
    size_t at = place_of(life, rule->name, &there);
    if (there)
        return life->counts[at];
    if (life->count == COUNTS_MOST)
        return NULL;
    if (life->count == life->capacity) {
        life->capacity = life->capacity ? life->capacity * 2 : 64;
        life->counts =
            script_must(realloc(life->counts, life->capacity * sizeof(struct script_count *)));
    }
    struct script_count *count = script_must(calloc(1, sizeof(*count)));
    count->name = script_must(strdup(rule->name));
    count->file = script_must(strdup(rule->file));
    memmove(&life->counts[at + 1], &life->counts[at],
            (life->count - at) * sizeof(struct script_count *));
    life->counts[at] = count;
    life->count++;
    return count;
}

void script_set_watch(struct script_set *set, struct script_life *life)
{
    if (!set)
        return;
    set->life = life;
    pthread_mutex_lock(&life->lock);
    for (size_t i = 0; i < set->rule_count; i++)
        set->rules[i].count = find_count(life, &set->rules[i]);
    pthread_mutex_unlock(&life->lock);
}

static struct script_rule *find_rule(const struct script_set *set, const char *name)
{
    for (size_t i = 0; set && i < set->rule_count; i++)
        if (strcmp(set->rules[i].name, name) == 0)
            return &set->rules[i];
    return NULL;
}

bool script_set_has(const struct script_set *set, const char *rule)
{
    return find_rule(set, rule) != NULL;
}

bool script_set_disable(struct script_set *set, const char *name)
{
    struct script_rule *rule = find_rule(set, name);
    if (rule)
        rule->disabled = true;
    return rule != NULL;
}

void script_set_enable_all(struct script_set *set)
{
    for (size_t i = 0; set && i < set->rule_count; i++)
        set->rules[i].disabled = false;
}

void script_set_follow(struct script_set *set, const struct script_set *like)
{
    set->life = like->life;
    for (size_t i = 0; i < set->rule_count && i < like->rule_count; i++) {
        set->rules[i].count = like->rules[i].count;
        set->rules[i].disabled = like->rules[i].disabled;
    }
}

/* --- Turns --- */

static void note_field(struct script_count *count, const char *field)
{
    for (size_t i = 0; i < count->field_count; i++)
        if (strcmp(count->fields[i], field) == 0)
            return;
    if (count->field_count < LIFE_FIELDS)
        count->fields[count->field_count++] = script_must(strdup(field));
}

/* Only a rule that breaks by itself is disabled for it: not one that breaks what it calls, nor one
 * that came last when others had used up what all rules of the request share. */
static bool broke_itself(const struct script_call *call)
{
    const struct script_set *set = call->set;
    return call->ctx->error.status == KT_RULE_FAILED &&
           (!set->spent || call->turn_began_steps - set->steps_left > set->steps_most / 2);
}

static void note_failure(struct script_life *life, const struct life_note *note)
{
    const struct script_rule *rule = note->call->rule;
    struct script_count *count = rule->count;
    if (strcmp(count->file, rule->file) != 0) {
        free(count->file);
        count->file = script_must(strdup(rule->file));
    }
    count->failed++;
    count->failed_at = note->call->ctx->now;
    snprintf(count->error, sizeof(count->error), "%s", note->message ? note->message : "");
    count->in_row += broke_itself(note->call);
    if (!rule->disable_after || count->in_row < rule->disable_after || count->due)
        return;
    count->due = true;
    atomic_fetch_add_explicit(&life->due, 1, memory_order_release);
}

static void note(const struct script_call *call, const char *outcome)
{
    struct script_life *life = call->set->life;
    struct script_count *count = call->rule->count;
    const struct context_error *error = &call->ctx->error;
    struct life_note told = {.call = call,
                             .outcome = outcome,
                             .us = (uint64_t)(clock_monotonic_us() - call->turn_began_us)};
    bool failed = strcmp(outcome, "failed") == 0, denied = strcmp(outcome, "denied") == 0;
    if (failed || denied)
        told.message = error->message;
    pthread_mutex_lock(&life->lock);
    count->runs++;
    count->us += told.us;
    for (size_t i = 0; i < call->touched_count; i++)
        note_field(count, call->touched[i]);
    if (failed) {
        note_failure(life, &told);
    } else {
        count->in_row = 0;
        count->denied += denied;
    }
    if (life->turns && life_is_watched(life))
        life_trace_note(life, &told);
    pthread_mutex_unlock(&life->lock);
}

static bool is_noted(const struct script_call *call)
{
    return call->set->life && !call->ctx->journal && call->rule->count;
}

void script_life_begin(struct script_call *call)
{
    call->touched_count = 0;
    call->turn_began_us = is_noted(call) ? clock_monotonic_us() : 0;
    call->turn_began_steps = call->set->steps_left;
}

void script_life_passed(struct script_call *call)
{
    if (call->turn_began_us)
        note(call, call->touched_count ? "changed" : "passed");
    call->turn_began_us = 0;
}

void script_life_ended(const struct script_call *call, enum kt_status status)
{
    const char *rule = call->ctx->error.rule;
    /* Another rule's failure went through it: that one has been told. */
    if (!call->turn_began_us || (rule && strcmp(rule, call->rule->name) != 0))
        return;
    note(call, status == KT_RULE_DENIED ? "denied" : "failed");
}

void script_life_touch(struct script_call *call, const char *field)
{
    for (size_t i = 0; i < call->touched_count; i++)
        if (strcmp(call->touched[i], field) == 0)
            return;
    if (call->touched_count < KT_COUNT(call->touched))
        call->touched[call->touched_count++] = field;
}

/* --- Telling --- */

void script_life_tell(const struct script_set *set, const struct script_rule *rule,
                      struct kt_map *row)
{
    struct kt_ctx *ctx = row->ctx;
    const struct script_count *count = rule->count;
    if (!set->life || !count)
        return;
    struct kt_list *fields = kt_list_new(ctx);
    pthread_mutex_lock(&set->life->lock);
    kt_map_set_int(row, "runs", (int64_t)count->runs);
    kt_map_set_int(row, "denied", (int64_t)count->denied);
    kt_map_set_int(row, "failed", (int64_t)count->failed);
    kt_map_set_int(row, "us", (int64_t)count->us);
    for (size_t i = 0; i < count->field_count; i++)
        kt_list_add(fields, kt_text(kt_format(ctx, "%s", count->fields[i])));
    if (count->failed) {
        kt_map_set(row, "failed_at", kt_instant_value(ctx, count->failed_at));
        kt_map_set_text(row, "last_error",
                        script_clean(ctx, count->error, strlen(count->error), LIFE_TEXT));
    }
    pthread_mutex_unlock(&set->life->lock);
    kt_map_set(row, "changed", fields->object);
}

/* --- Too many failures --- */

bool script_life_has_due(const struct script_life *life)
{
    return atomic_load_explicit(&life->due, memory_order_acquire) > 0;
}

bool script_life_take_due(struct script_life *life, struct kt_ctx *ctx, struct script_due *out)
{
    bool found = false;
    pthread_mutex_lock(&life->lock);
    for (size_t i = 0; !found && i < life->count; i++) {
        struct script_count *count = life->counts[i];
        if (!count->due)
            continue;
        *out = (struct script_due){
            .rule = kt_format(ctx, "%s", count->name),
            .file = kt_format(ctx, "%s", count->file),
            .error = script_clean(ctx, count->error, strlen(count->error), LIFE_TEXT),
            .failures = count->in_row};
        count->due = false;
        atomic_fetch_sub_explicit(&life->due, 1, memory_order_relaxed);
        found = true;
    }
    pthread_mutex_unlock(&life->lock);
    return found;
}

void script_life_pardon(struct script_life *life, const char *rule)
{
    bool there;
    pthread_mutex_lock(&life->lock);
    size_t at = place_of(life, rule, &there);
    if (there) {
        struct script_count *count = life->counts[at];
        count->in_row = 0;
        if (count->due)
            atomic_fetch_sub_explicit(&life->due, 1, memory_order_relaxed);
        count->due = false;
    }
    pthread_mutex_unlock(&life->lock);
}

void script_life_pardon_file(struct script_life *life, const struct script_set *set,
                             const char *file)
{
    for (size_t i = 0; set && i < set->rule_count; i++)
        if (strcmp(set->rules[i].file, file) == 0)
            script_life_pardon(life, set->rules[i].name);
}
