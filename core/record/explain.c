/* What a search did, for people and programs: {index, equal, range?, order, looked, matched,
 * branches?, joins?, text, text_zh}. */
#include <string.h>

#include "record/query.h"

static const char *path_name(struct kt_ctx *ctx, const struct query_path *path)
{
    const char *name = "";
    for (size_t i = 0; i < path->hop_count; i++)
        name = kt_format(ctx, "%s%s.", name, path->hops[i]->decl->name);
    if (path->own)
        return kt_format(ctx, "%s%s", name, path->own);
    return kt_format(ctx, "%s%s%s%s", name, path->field->decl->name, path->line ? "." : "",
                     path->line ? path->line->decl->name : "");
}

static const char *index_name(const struct query_access *access)
{
    return access->index ? strchr(access->index->name, '#') + 1 : "records";
}

static const struct query_node *bound(const struct query_access *access)
{
    return access->low ? access->low : access->high;
}

static void add_access(struct kt_ctx *ctx, const struct query_access *access, struct kt_map *out)
{
    struct kt_list *equal = kt_list_new(ctx);
    for (size_t i = 0; i < access->equal_count; i++)
        kt_list_add(equal, kt_text(path_name(ctx, &access->equal[i]->path)));
    kt_map_set_text(out, "index", index_name(access));
    kt_map_set(out, "equal", equal->object);
    if (bound(access))
        kt_map_set_text(out, "range", path_name(ctx, &bound(access)->path));
}

static const char *order_word(const struct record_query *query)
{
    if (query->unordered)
        return "any";
    if (query->plan.sorts)
        return "sort";
    return query->plan.walk == QUERY_GATHER || !query->plan.parts[0].index ? "id" : "index";
}

static const char *access_text(struct kt_ctx *ctx, const struct query_access *access, bool chinese)
{
    const char *text =
        !access->index
            ? (access->equal_count ? (chinese ? "按编号取记录" : "records by id")
               : bound(access) ? (chinese ? "按编号范围遍历记录" : "records in a range of ids")
                               : (chinese ? "遍历所有记录" : "all records"))
            : kt_format(ctx, chinese ? "索引 %s" : "index %s", index_name(access));
    for (size_t i = 0; access->index && i < access->equal_count; i++)
        text = kt_format(ctx, chinese ? "%s，%s 等于给定值" : "%s, %s fixed", text,
                         path_name(ctx, &access->equal[i]->path));
    if (access->index && bound(access))
        text = kt_format(ctx, chinese ? "%s，%s 在范围内" : "%s, %s in a range", text,
                         path_name(ctx, &bound(access)->path));
    return text;
}

static const char *plan_text(struct kt_ctx *ctx, const struct record_query *query, bool chinese)
{
    const struct query_plan *plan = &query->plan;
    const char *text = chinese ? "没有可能的匹配" : "nothing can match";
    for (size_t i = 0; i < plan->part_count; i++)
        text = i == 0 ? access_text(ctx, &plan->parts[i], chinese)
                      : kt_format(ctx, chinese ? "%s；以及%s" : "%s; and %s", text,
                                  access_text(ctx, &plan->parts[i], chinese));
    for (size_t i = 0; i < query->join_count; i++)
        text = kt_format(ctx,
                         chinese ? "%s；先查得 %u 个符合条件的 %s"
                                 : "%s; first found %u records that %s may lead to",
                         text, query->joins[i].value.via.array.size,
                         path_name(ctx, &query->joins[i].path));
    if (plan->sorts)
        text = kt_format(ctx, chinese ? "%s；排序" : "%s; sorted", text);
    if (query->only_counts && plan->exact)
        text = kt_format(ctx, chinese ? "%s；仅数键" : "%s; keys counted", text);
    return kt_format(
        ctx, chinese ? "%s；检查 %llu 条，匹配 %llu 条" : "%s; looked at %llu, %llu matched", text,
        (unsigned long long)query->looked, (unsigned long long)query->matched);
}

struct kt_map *record_query_explain_words(struct kt_ctx *ctx, const struct record_query *query)
{
    struct kt_map *out = kt_map_new(ctx);
    unsigned long long looked = query->looked, matched = query->matched;
    kt_map_set_text(out, "index", "words");
    kt_map_set(out, "equal", kt_list_new(ctx)->object);
    kt_map_set_text(out, "order", "fit");
    kt_map_set_int(out, "looked", (int64_t)looked);
    kt_map_set_int(out, "matched", (int64_t)matched);
    kt_map_set_text(out, "text",
                    kt_format(ctx,
                              "index of words, the best fit first; looked at %llu, %llu matched",
                              looked, matched));
    kt_map_set_text(
        out, "text_zh",
        kt_format(ctx, "全文索引，按匹配程度排序；检查 %llu 条，匹配 %llu 条", looked, matched));
    return out;
}

struct kt_map *record_query_explain(struct kt_ctx *ctx, const struct record_query *query)
{
    struct kt_map *out = kt_map_new(ctx);
    const struct query_plan *plan = &query->plan;
    if (plan->part_count == 1) {
        add_access(ctx, &plan->parts[0], out);
    } else {
        struct kt_list *branches = kt_list_new(ctx);
        for (size_t i = 0; i < plan->part_count; i++) {
            struct kt_map *branch = kt_map_new(ctx);
            add_access(ctx, &plan->parts[i], branch);
            kt_list_add(branches, branch->object);
        }
        kt_map_set(out, "branches", branches->object);
    }
    struct kt_list *joins = kt_list_new(ctx);
    for (size_t i = 0; i < query->join_count; i++) {
        struct kt_map *join = kt_map_new(ctx);
        kt_map_set_text(join, "reference", path_name(ctx, &query->joins[i].path));
        kt_map_set_int(join, "records", query->joins[i].value.via.array.size);
        kt_list_add(joins, join->object);
    }
    if (query->join_count)
        kt_map_set(out, "joins", joins->object);
    kt_map_set_text(out, "order", order_word(query));
    kt_map_set_int(out, "looked", (int64_t)query->looked);
    kt_map_set_int(out, "matched", (int64_t)query->matched);
    kt_map_set_text(out, "text", plan_text(ctx, query, false));
    kt_map_set_text(out, "text_zh", plan_text(ctx, query, true));
    return out;
}
