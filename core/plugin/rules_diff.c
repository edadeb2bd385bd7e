/* rules.diff: what differs between two revisions, or between what is in force and what would be
 * pushed, as unified diffs. */
#include <stdlib.h>
#include <string.h>

#include "base/diff.h"
#include "plugin/rules.h"
#include "record/record.h"

static enum kt_status text_of(struct kt_ctx *ctx, const struct rules_file *file,
                              struct diff_text *out)
{
    struct store_slice text = {"", 0};
    if (file)
        KT_TRY(rules_text_borrow(ctx, file, &text));
    *out = (struct diff_text){text.at, text.size};
    return KT_OK;
}

/* The lines above the hunks, as `diff -u` and `patch` have them. */
static const char *with_head(struct kt_ctx *ctx, const struct rules_change *change,
                             const char *hunks)
{
    return kt_format(ctx, "--- %s%s\n+++ %s%s\n%s", change->before ? "a/" : "",
                     change->before ? change->before->name : "/dev/null", change->after ? "b/" : "",
                     change->after ? change->after->name : "/dev/null", hunks);
}

static enum kt_status tell(struct kt_ctx *ctx, const struct rules_change *change,
                           struct kt_list *files)
{
    struct kt_map *row = kt_map_new(ctx);
    struct diff_text before, after;
    KT_TRY(context_check_time(ctx));
    KT_TRY(text_of(ctx, change->before, &before));
    KT_TRY(text_of(ctx, change->after, &after));
    char *hunks = diff_unified(before, after);
    if (!hunks)
        return kt_fail(ctx, KT_INTERNAL, NULL, "out of memory", "内存不足");
    kt_map_set_text(row, "name", rules_change_name(change));
    kt_map_set_text(row, "what", rules_change_what(change));
    kt_map_set_text(row, "diff", with_head(ctx, change, hunks));
    free(hunks);
    kt_list_add(files, row->object);
    return context_check_memory(ctx);
}

/* Module defaults that pushed files would take the place of: nothing new comes into force there,
 * something changes. */
static enum kt_status add_defaults(struct kt_ctx *ctx, struct rules_tree *before,
                                   const struct rules_tree *after)
{
    struct registry_files *files = kt_alloc(ctx, sizeof(*files));
    KT_TRY(registry_rules_collect(ctx, ctx->registry, files));
    for (size_t i = 0; i < files->count; i++) {
        const struct script_file *there = &files->at[i];
        if (rules_tree_find(before, there->name) || !rules_tree_find(after, there->name))
            continue;
        struct rules_file file = rules_file_of(there->name, there->text, there->size);
        KT_TRY(rules_tree_put(ctx, before, &file));
    }
    return KT_OK;
}

static enum kt_status trees_of_files(struct kt_ctx *ctx, const struct rules_diff *asked,
                                     struct rules_tree *before, struct rules_tree *after)
{
    KT_TRY(rules_tree_present(ctx, before));
    *after = *before;
    KT_TRY(rules_given(ctx, asked->files, asked->replace, after));
    return add_defaults(ctx, before, after);
}

static enum kt_status trees_of_revisions(struct kt_ctx *ctx, const struct rules_diff *asked,
                                         struct rules_tree *before, struct rules_tree *after,
                                         struct kt_map *answer)
{
    uint64_t last;
    KT_TRY(rules_revision_last(ctx, &last));
    uint64_t to = asked->to ? asked->to->via.u64 : last;
    uint64_t from = asked->from ? asked->from->via.u64 : to > 0 ? to - 1 : 0;
    kt_map_set_int(answer, "from", (int64_t)from);
    kt_map_set_int(answer, "to", (int64_t)to);
    KT_TRY(rules_tree_at(ctx, from, before));
    return rules_tree_at(ctx, to, after);
}

enum kt_status registry_reply_rules_diff(struct kt_ctx *ctx, const struct rules_diff *asked)
{
    struct rules_tree *before = rules_tree_new(ctx), *after = rules_tree_new(ctx);
    struct rules_changes *changes = kt_alloc(ctx, sizeof(*changes));
    struct kt_list *files = kt_list_new(ctx);
    struct kt_map *answer = kt_map_new(ctx);
    if (asked->files && (asked->from || asked->to))
        return kt_fail(ctx, KT_INVALID, asked->from ? "from" : "to",
                       "files are compared with what is in force: leave out from and to",
                       "files 与生效的规则比较：请省略 from 和 to");
    KT_TRY(asked->files ? trees_of_files(ctx, asked, before, after)
                        : trees_of_revisions(ctx, asked, before, after, answer));
    rules_compare(before, after, changes);
    for (size_t i = 0; i < changes->count; i++)
        KT_TRY(tell(ctx, &changes->at[i], files));
    kt_map_set(answer, "files", files->object);
    kt_reply_map(ctx, answer);
    return KT_OK;
}
