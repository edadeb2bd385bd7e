/* Noting what a dry run does. Memory of its own: a request may empty its arena between steps. */
#include "record/journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "record/journal_lists.h"
#include "record/record_internal.h"

#define NO_ENTRY SIZE_MAX

static void *must(void *memory)
{
    if (!memory) {
        log_error("out of memory");
        abort();
    }
    return memory;
}

struct context_journal *journal_open(void)
{
    struct context_journal *journal = must(calloc(1, sizeof(*journal)));
    journal->memory = must(msgpack_zone_new(16384));
    return journal;
}

void journal_close(struct context_journal *journal)
{
    msgpack_zone_free(journal->memory);
    free(journal);
}

/* --- Memory --- */

static bool has_room(struct context_journal *journal, enum journal_list list, size_t count,
                     size_t bytes)
{
    if (count < KT_LIMIT_PREVIEW && journal->kept_bytes + bytes <= KT_LIMIT_PREVIEW_BYTES)
        return true;
    journal->more[list] = true;
    return false;
}

static void *keep(struct context_journal *journal, const void *bytes, size_t size)
{
    void *copy = must(msgpack_zone_malloc(journal->memory, size + 1));
    memcpy(copy, bytes, size);
    journal->kept_bytes += size;
    return copy;
}

static struct store_slice keep_slice(struct context_journal *journal, struct store_slice slice)
{
    return slice.at ? (struct store_slice){keep(journal, slice.at, slice.size), slice.size} : slice;
}

static const char *keep_text(struct context_journal *journal, const char *text)
{
    return text ? keep(journal, text, strlen(text) + 1) : NULL;
}

/* --- Records and totals --- */

static bool is_plain(const char *what)
{
    return strcmp(what, "create") == 0 || strcmp(what, "update") == 0 ||
           strcmp(what, "delete") == 0;
}

void journal_note_record(struct kt_ctx *ctx, const struct schema_entity *entity, uint64_t id,
                         const char *what)
{
    struct context_journal *journal = ctx->journal;
    struct key key;
    struct store_slice before;
    for (size_t i = journal->record_count; i-- > 0;) {
        struct journal_record *there = &journal->records[i];
        if (there->entity != entity || there->id != id)
            continue;
        /* A verb tells more than the updates around it. */
        if (!is_plain(what) && strcmp(there->what, what) != 0)
            there->what = keep_text(journal, what);
        return;
    }
    record_key(&key, entity, id);
    if (store_get(ctx->txn, key_slice(&key), &before) != KT_OK)
        before = (struct store_slice){0};
    if (!has_room(journal, JOURNAL_CHANGES, journal->record_count, before.size))
        return;
    journal->records[journal->record_count++] =
        (struct journal_record){.entity = entity,
                                .id = id,
                                .what = keep_text(journal, what),
                                .before = keep_slice(journal, before)};
}

void journal_note_total(struct kt_ctx *ctx, const struct schema_total *total,
                        struct store_slice key, struct store_slice before)
{
    struct context_journal *journal = ctx->journal;
    for (size_t i = journal->total_count; i-- > 0;) {
        const struct store_slice *there = &journal->totals[i].key;
        if (there->size == key.size && memcmp(there->at, key.at, key.size) == 0)
            return;
    }
    if (!has_room(journal, JOURNAL_TOTALS, journal->total_count, key.size + before.size))
        return;
    journal->totals[journal->total_count++] = (struct journal_total){
        .total = total, .key = keep_slice(journal, key), .before = keep_slice(journal, before)};
}

/* --- Events and handlers --- */

/* The record itself stands among the changes; only what came with it is told here. */
void journal_note_event(struct kt_ctx *ctx, const struct kt_event *event)
{
    struct context_journal *journal = ctx->journal;
    struct store_slice payload = {0};
    msgpack_sbuffer packed;
    msgpack_packer packer;
    msgpack_sbuffer_init(&packed);
    msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
    if (event->payload && event->payload->type == MSGPACK_OBJECT_MAP &&
        event->payload->via.map.size > 0) {
        msgpack_pack_object(&packer, *event->payload);
        payload = (struct store_slice){packed.data, packed.size};
    }
    if (has_room(journal, JOURNAL_EVENTS, journal->event_count, payload.size))
        journal->events[journal->event_count++] =
            (struct journal_event){.topic = keep_text(journal, event->topic),
                                   .entity = keep_text(journal, event->entity),
                                   .id = event->id,
                                   .payload = keep_slice(journal, payload)};
    msgpack_sbuffer_destroy(&packed);
}

void journal_note_handler(struct kt_ctx *ctx, const char *topic, const char *module)
{
    struct context_journal *journal = ctx->journal;
    for (size_t i = journal->handler_count; i-- > 0;)
        if (strcmp(journal->handlers[i].topic, topic) == 0 &&
            strcmp(journal->handlers[i].module, module) == 0)
            return;
    if (has_room(journal, JOURNAL_HANDLERS, journal->handler_count, 0))
        journal->handlers[journal->handler_count++] = (struct journal_handler){
            .topic = keep_text(journal, topic), .module = keep_text(journal, module)};
}

/* --- Rules --- */

/* Until something better is known the rule has failed: an error leaves without a word. */
void journal_rule_begin(struct kt_ctx *ctx, struct journal_turn *turn,
                        const struct journal_rule *rule, const msgpack_object *record)
{
    struct context_journal *journal = ctx->journal;
    msgpack_packer packer;
    msgpack_sbuffer_clear(&turn->before);
    turn->entry = NO_ENTRY;
    if (!has_room(journal, JOURNAL_RULES, journal->rule_count, 0))
        return;
    turn->entry = journal->rule_count++;
    journal->rules[turn->entry] = (struct journal_spoken){
        .rule = {.rule = keep_text(journal, rule->rule),
                 .file = keep_text(journal, rule->file),
                 .entity = keep_text(journal, rule->entity),
                 .moment = keep_text(journal, rule->moment),
                 .id = rule->id},
        .outcome = "failed",
    };
    if (!record)
        return;
    msgpack_packer_init(&packer, &turn->before, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, *record);
}

static void find_changes(struct context_journal *journal, struct journal_spoken *spoken,
                         const struct schema_entity *entity, const msgpack_object *old,
                         const msgpack_object *record)
{
    spoken->fields = must(
        msgpack_zone_malloc(journal->memory, sizeof(*spoken->fields) * (entity->field_count + 1)));
    for (size_t i = 0; i < entity->field_count; i++) {
        const char *name = entity->fields[i].decl->name;
        if (!kt_equal(kt_get(old, name), kt_get(record, name)))
            spoken->fields[spoken->field_count++] = keep_text(journal, name);
    }
}

void journal_rule_passed(struct kt_ctx *ctx, const struct journal_turn *turn,
                         const struct schema_entity *entity, const msgpack_object *record)
{
    if (turn->entry == NO_ENTRY)
        return;
    struct journal_spoken *spoken = &ctx->journal->rules[turn->entry];
    msgpack_unpacked old;
    msgpack_unpacked_init(&old);
    if (turn->before.size && record &&
        msgpack_unpack_next(&old, turn->before.data, turn->before.size, NULL) ==
            MSGPACK_UNPACK_SUCCESS)
        find_changes(ctx->journal, spoken, entity, &old.data, record);
    msgpack_unpacked_destroy(&old);
    spoken->outcome = spoken->field_count ? "changed" : "passed";
}

void journal_rule_denied(struct kt_ctx *ctx, const struct journal_turn *turn)
{
    if (turn->entry != NO_ENTRY)
        ctx->journal->rules[turn->entry].outcome = "denied";
}

void journal_turn_end(struct journal_turn *turn)
{
    msgpack_sbuffer_destroy(&turn->before);
}
