/* Rules for readers: method{} that only reads runs beside the writer, and a Lua state serves one
 * thread at a time. Each is compiled when a reader first needs one more than there are, and kept
 * until the registry goes. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/registry.h"

/* As many as there can be readers. */
#define IDLE_MOST 64

struct rules_lender {
    pthread_mutex_t lock;
    struct script_set *idle[IDLE_MOST];
    size_t idle_count;
    msgpack_zone *memory; /* Of the files' texts. */
    struct script_file *files;
    size_t file_count;
};

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

static const char *keep(struct rules_lender *lender, const char *text, size_t size)
{
    char *copy = must(msgpack_zone_malloc(lender->memory, size + 1));
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

struct rules_lender *rules_lender_new(const struct registry_files *files)
{
    struct rules_lender *lender = must(calloc(1, sizeof(*lender)));
    pthread_mutex_init(&lender->lock, NULL);
    lender->memory = must(msgpack_zone_new(65536));
    lender->files = must(calloc(files->count + 1, sizeof(*lender->files)));
    lender->file_count = files->count;
    for (size_t i = 0; i < files->count; i++) {
        const struct script_file *file = &files->at[i];
        lender->files[i] =
            (struct script_file){.name = keep(lender, file->name, strlen(file->name)),
                                 .source = keep(lender, file->source, strlen(file->source)),
                                 .text = keep(lender, file->text, file->size),
                                 .size = file->size};
    }
    return lender;
}

void rules_lender_free(struct rules_lender *lender)
{
    if (!lender)
        return;
    for (size_t i = 0; i < lender->idle_count; i++)
        script_set_free(lender->idle[i]);
    msgpack_zone_free(lender->memory);
    pthread_mutex_destroy(&lender->lock);
    free(lender->files);
    free(lender);
}

enum kt_status rules_lender_take(struct rules_lender *lender, struct kt_ctx *ctx,
                                 struct script_set **out)
{
    struct script_set *set = NULL;
    pthread_mutex_lock(&lender->lock);
    if (lender->idle_count)
        set = lender->idle[--lender->idle_count];
    pthread_mutex_unlock(&lender->lock);
    if (!set) {
        KT_TRY(script_set_build(ctx, lender->files, lender->file_count, &set));
        script_set_follow(set, ctx->registry->rules);
    }
    rules_lender_rearm(lender, ctx, set);
    *out = set;
    return KT_OK;
}

void rules_lender_rearm(const struct rules_lender *lender, struct kt_ctx *ctx,
                        struct script_set *set)
{
    script_set_rearm(set);
    if (script_set_is_worn(set))
        script_set_renew(set, ctx, lender->files, lender->file_count);
}

void rules_lender_give_back(struct rules_lender *lender, struct script_set *set)
{
    pthread_mutex_lock(&lender->lock);
    bool room = lender->idle_count < IDLE_MOST;
    if (room)
        lender->idle[lender->idle_count++] = set;
    pthread_mutex_unlock(&lender->lock);
    if (!room)
        script_set_free(set);
}
