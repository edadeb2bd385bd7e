/* Searches by brute force: every record is asked, what fits is sorted, and the engine's pages must
 * give the same, one after the other. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "property.h"

#define HOPS_MOST   3
#define ORDERS_MOST 3

enum node_kind { AND, OR, NOT, TERM };

struct column {
    const struct kt_field *hops[HOPS_MOST];
    size_t hop_count;
    size_t entity; /**< That the last field is of. */
    struct path path;
    const char *own;  /**< "id" or "version" instead. */
    const char *name; /**< As it is written. */
};

struct node {
    enum node_kind kind;
    struct node *children;
    size_t child_count;
    struct column column;
    const char *op;
    const struct value *value; /**< A list for "in". */
};

static const struct kt_field own_field = {.name = "id", .type = KT_INT};

static const struct kt_field *column_field(const struct column *column)
{
    return column->own ? &own_field : column->path.decl;
}

/* --- Drawing --- */

static bool draw_column(struct world *world, size_t entity, bool for_order, struct column *out)
{
    *out = (struct column){.entity = entity, .name = ""};
    for (int tries = 0; tries < 20; tries++) {
        const struct kt_entity *decl = &world->entities[out->entity];
        if (chance(world, 8)) {
            out->own = chance(world, 60) ? "id" : "version";
            out->name = words(world, "%s%s", out->name, out->own);
            return true;
        }
        const struct kt_field *field = &decl->fields.at[draw(world, decl->fields.count)];
        if (field->type == KT_REF && out->hop_count < HOPS_MOST && chance(world, 30)) {
            out->hops[out->hop_count++] = field;
            out->entity = entity_index(world, field->to);
            out->name = words(world, "%s%s.", out->name, field->name);
            continue;
        }
        bool list = field->type == KT_LINES || field->type == KT_TAGS;
        if (field->type == KT_JSON || (for_order && list))
            continue;
        const char *name = field->name;
        if (field->type == KT_LINES)
            name =
                words(world, "%s.%s", name, field->lines.at[draw(world, field->lines.count)].name);
        find_path(decl, name, &out->path);
        out->name = words(world, "%s%s", out->name, name);
        return true;
    }
    return false;
}

/* Mostly a value that is there. */
static const struct value *draw_searched(struct world *world, const struct column *column,
                                         const struct record *about)
{
    const struct table *table = &world->model.tables[column->entity];
    const struct record *record = table->count ? &table->at[draw(world, table->count)] : NULL;
    if (about && !column->hop_count && chance(world, 60))
        record = about;
    if (column->own)
        return int_value(world,
                         record && chance(world, 80)
                             ? (int64_t)(column->own[0] == 'i' ? record->id : record->version)
                             : draw_between(world, -1, 200));
    size_t count = record ? path_count(record, &column->path) : 0;
    if (count && chance(world, 70)) {
        const struct value *value = path_value(record, &column->path, draw(world, count));
        if (!is_empty(value) || chance(world, 30))
            return value;
    }
    if (chance(world, 5))
        return &empty_value;
    const struct value *value = draw_value(world, column->path.decl);
    return value->kind == LIST ? (value->count ? value->items[0] : &empty_value) : value;
}

static const struct value *draw_list(struct world *world, const struct column *column,
                                     const struct record *about)
{
    struct value *list = take(world, sizeof *list);
    list->kind = LIST;
    list->count = draw(world, 4);
    const struct value **items = take(world, sizeof(const struct value *) * (list->count + 1));
    for (size_t i = 0; i < list->count; i++)
        items[i] = draw_searched(world, column, about);
    list->items = items;
    return list;
}

static const struct value *draw_pattern(struct world *world, const struct column *column,
                                        const struct record *about)
{
    static const char *const patterns[] = {"", "%", "b%", "%n", "a%B", "nn", "2026-%", "%.%", "%%"};
    char text[600];
    const struct value *value = draw_searched(world, column, about);
    size_t length = text_of(value, text, sizeof text - 1);
    text[length] = '\0';
    if (length == 0 || chance(world, 40))
        return text_value(world, patterns[draw(world, KT_COUNT(patterns))]);
    if (chance(world, 15)) { /* The two pieces may overlap in the text, and then do not fit. */
        size_t head = 1 + draw(world, length), tail = draw(world, length);
        return text_value(world, words(world, "%.*s%%%s", (int)head, text, text + tail));
    }
    size_t from = draw(world, length), to = from + 1 + draw(world, length - from);
    /* A piece may begin or end within a character; only bytes are compared. */
    return text_value(world, words(world, "%s%.*s%s", chance(world, 30) ? "%" : "",
                                   (int)(to - from), text + from, chance(world, 30) ? "%" : ""));
}

/* What "like" is for. */
static bool is_text(const struct column *column)
{
    enum kt_type type = column_field(column)->type;
    return type == KT_TEXT || type == KT_TAGS || type == KT_ENUM || type == KT_STATE ||
           type == KT_DATE;
}

static bool draw_term(struct world *world, size_t entity, const struct record *about,
                      struct node *out)
{
    static const char *const ops[] = {"=", "=", "=", "=", "!=", "<", "<=", ">", ">=", "in", "like"};
    *out = (struct node){.kind = TERM};
    if (!draw_column(world, entity, false, &out->column))
        return false;
    out->op = ops[draw(world, KT_COUNT(ops) - !is_text(&out->column))];
    out->value = strcmp(out->op, "like") == 0 ? draw_pattern(world, &out->column, about)
                 : strcmp(out->op, "in") == 0 ? draw_list(world, &out->column, about)
                                              : draw_searched(world, &out->column, about);
    return true;
}

/* Conditions that one index would serve: equal in its first fields, anything in the next. */
static void draw_along_index(struct world *world, size_t entity, const struct record *about,
                             struct node *out)
{
    static const char *const next[] = {"=", ">", "<=", "<", ">=", "!=", "in"};
    const struct kt_entity *decl = &world->entities[entity];
    const struct kt_names *fields = &decl->indexes.at[draw(world, decl->indexes.count)].fields;
    size_t fixed = draw(world, fields->count + 1);
    out->children = take(world, sizeof *out->children * (fields->count + 1));
    for (size_t i = 0; i < fields->count && i <= fixed; i++) {
        struct node *term = &out->children[out->child_count++];
        *term = (struct node){.kind = TERM, .op = i < fixed ? "=" : next[draw(world, 7)]};
        term->column = (struct column){.entity = entity, .name = fields->at[i]};
        find_path(decl, fields->at[i], &term->column.path);
        term->value = strcmp(term->op, "in") == 0 ? draw_list(world, &term->column, about)
                                                  : draw_searched(world, &term->column, about);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): `depth` ends it. */
static void draw_node(struct world *world, size_t entity, const struct record *about,
                      unsigned depth, struct node *out)
{
    out->child_count = depth == 3 ? draw(world, 4) : 1 + draw(world, 3);
    out->children = take(world, sizeof *out->children * (out->child_count + 1));
    size_t kept = 0;
    for (size_t i = 0; i < out->child_count; i++) {
        struct node *child = &out->children[kept];
        if (depth && chance(world, 20)) {
            *child = (struct node){.kind = (enum node_kind)draw(world, 3)};
            draw_node(world, entity, about, depth - 1, child);
            kept++;
        } else {
            kept += draw_term(world, entity, about, child);
        }
    }
    out->child_count = kept;
}

/* --- Asking a record --- */

static const struct record *follow(const struct world *world, const struct column *column,
                                   size_t entity, const struct record *record)
{
    for (size_t i = 0; i < column->hop_count && record; i++) {
        const struct kt_field *hop = column->hops[i];
        const struct value *id = record->fields[field_index(&world->entities[entity], hop->name)];
        entity = entity_index(world, hop->to);
        record = is_empty(id) ? NULL : model_find(world, entity, (uint64_t)id->number);
    }
    return record;
}

/* '%' is anything; without it the pattern may be anywhere. Letters of ASCII have no case. */
static bool like(const char *text, size_t length, const char *pattern, size_t size)
{
    if (size == 0)
        return length == 0;
    if (*pattern == '%') {
        for (size_t skip = 0; skip <= length; skip++)
            if (like(text + skip, length - skip, pattern + 1, size - 1))
                return true;
        return false;
    }
    return length && strncasecmp(text, pattern, 1) == 0 &&
           like(text + 1, length - 1, pattern + 1, size - 1);
}

static bool is_like(struct world *world, const struct value *value, const struct value *pattern)
{
    char text[600];
    if (value->kind != TEXT && value->kind != DECIMAL)
        return false;
    size_t length = text_of(value, text, sizeof text);
    if (memchr(pattern->text, '%', pattern->size))
        return like(text, length, pattern->text, pattern->size);
    const char *anywhere = words(world, "%%%s%%", pattern->text);
    return like(text, length, anywhere, pattern->size + 2);
}

static bool holds(struct world *world, const struct node *term, const struct value *value)
{
    if (strcmp(term->op, "in") == 0) {
        for (size_t i = 0; i < term->value->count; i++) {
            const struct value *option = term->value->items[i];
            if (is_empty(option) || is_empty(value) ? is_empty(option) && is_empty(value)
                                                    : compare_values(value, option) == 0)
                return true;
        }
        return false;
    }
    bool both_empty = is_empty(value) && is_empty(term->value);
    if (strcmp(term->op, "=") == 0 && (is_empty(value) || is_empty(term->value)))
        return both_empty;
    if (strcmp(term->op, "!=") == 0 && (is_empty(value) || is_empty(term->value)))
        return !both_empty;
    if (is_empty(value) || is_empty(term->value))
        return false;
    if (strcmp(term->op, "like") == 0)
        return is_like(world, value, term->value);
    int order = compare_values(value, term->value);
    bool equal = strchr(term->op, '=') && order == 0;
    switch (term->op[0]) {
    case '=':
        return order == 0;
    case '!':
        return order != 0;
    case '<':
        return order < 0 || equal;
    default:
        return order > 0 || equal;
    }
}

static bool term_fits(struct world *world, size_t entity, const struct node *term,
                      const struct record *record)
{
    const struct column *column = &term->column;
    record = follow(world, column, entity, record);
    if (!record)
        return holds(world, term, &empty_value);
    if (column->own) {
        struct value own = {.kind = INT, .number = (int64_t)record->version};
        if (column->own[0] == 'i')
            own.number = (int64_t)record->id;
        return holds(world, term, &own);
    }
    size_t count = path_count(record, &column->path);
    for (size_t i = 0; i < count; i++)
        if (holds(world, term, path_value(record, &column->path, i)))
            return true;
    return count == 0 && holds(world, term, &empty_value);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as it was drawn. */
static bool fits(struct world *world, size_t entity, const struct node *node,
                 const struct record *record)
{
    bool all = true, any = false;
    if (node->kind == TERM)
        return term_fits(world, entity, node, record);
    for (size_t i = 0; i < node->child_count; i++) {
        bool one = fits(world, entity, &node->children[i], record);
        all = all && one;
        any = any || one;
    }
    return node->kind == AND ? all : node->kind == OR ? any : !all;
}

/* --- What is expected --- */

struct order {
    struct column column;
    bool descending;
};

struct search {
    size_t entity;
    struct node where;
    struct order orders[ORDERS_MOST];
    size_t order_count;
    uint32_t limit;
    struct hit *hits;
    size_t count;
};

struct hit {
    const struct search *search;
    const struct record *record;
    struct value values[ORDERS_MOST];
};

/* Where all are equal the ids decide, in the direction of the last. */
static int compare_hits(const void *a, const void *b)
{
    const struct hit *left = a, *right = b;
    const struct search *search = left->search;
    bool descending = false;
    for (size_t i = 0; i < search->order_count; i++) {
        int order = compare_keys(&left->values[i], &right->values[i]);
        descending = search->orders[i].descending;
        if (order)
            return descending ? -order : order;
    }
    int order = (left->record->id > right->record->id) - (left->record->id < right->record->id);
    return descending ? -order : order;
}

static struct value order_value(const struct world *world, const struct search *search,
                                const struct column *column, const struct record *record)
{
    struct value own = {.kind = INT};
    record = follow(world, column, search->entity, record);
    if (!record)
        return empty_value;
    if (!column->own)
        return *record->fields[column->path.field];
    own.number = (int64_t)(column->own[0] == 'i' ? record->id : record->version);
    return own;
}

static void find_hits(struct world *world, struct search *search)
{
    const struct table *table = &world->model.tables[search->entity];
    search->hits = take(world, sizeof *search->hits * (table->count + 1));
    for (size_t i = 0; i < table->count; i++) {
        const struct record *record = &table->at[i];
        struct hit *hit = &search->hits[search->count];
        if (!fits(world, search->entity, &search->where, record))
            continue;
        *hit = (struct hit){.search = search, .record = record};
        for (size_t o = 0; o < search->order_count; o++)
            hit->values[o] = order_value(world, search, &search->orders[o].column, record);
        search->count++;
    }
    if (search->count)
        qsort(search->hits, search->count, sizeof *search->hits, compare_hits);
}

/* --- What is asked --- */

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str_with_body(packer, text, strlen(text));
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as it was drawn. */
static void pack_where(msgpack_packer *packer, const struct node *node, bool is_root)
{
    static const char *const kinds[] = {"and", "or", "not"};
    if (node->kind == TERM) {
        msgpack_pack_array(packer, 3);
        pack_text(packer, node->column.name);
        pack_text(packer, node->op);
        pack_value(packer, column_field(&node->column), node->value);
        return;
    }
    msgpack_pack_array(packer, node->child_count + !is_root);
    if (!is_root)
        pack_text(packer, kinds[node->kind]);
    for (size_t i = 0; i < node->child_count; i++)
        pack_where(packer, &node->children[i], false);
}

/* "a", or ["a", "-b"], or "a,-b". */
static void pack_order(struct world *world, msgpack_packer *packer, const struct search *search)
{
    bool list = search->order_count > 1 && search->limit % 2;
    const char *text = "";
    pack_text(packer, "order");
    if (list)
        msgpack_pack_array(packer, search->order_count);
    for (size_t i = 0; i < search->order_count; i++) {
        const struct order *order = &search->orders[i];
        const char *one = words(world, "%s%s", order->descending ? "-" : "", order->column.name);
        if (list)
            pack_text(packer, one);
        text = words(world, "%s%s%s", text, i ? "," : "", one);
    }
    if (!list)
        pack_text(packer, text);
}

static const msgpack_object *pack_search(struct world *world, const struct search *search,
                                         const msgpack_object *after)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_object *params = kt_alloc(&world->ctx, sizeof *params);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2u + (search->order_count > 0) + (after != NULL));
    pack_text(&packer, "where");
    pack_where(&packer, &search->where, true);
    pack_text(&packer, "limit");
    msgpack_pack_uint32(&packer, search->limit);
    if (search->order_count)
        pack_order(world, &packer, search);
    if (after) {
        pack_text(&packer, "after");
        msgpack_pack_object(&packer, *after);
    }
    if (context_unpack(&world->ctx, buffer.data, buffer.size, true, params) != KT_OK)
        fail(world, "a search of the test cannot be unpacked");
    msgpack_sbuffer_destroy(&buffer);
    return params;
}

static _Noreturn void fail_search(const struct world *world, const msgpack_object *params,
                                  const char *what, size_t at, const struct search *search)
{
    char text[4096];
    msgpack_object_print_buffer(text, sizeof text, *params);
    fail(world, "%s (at %zu of %zu)\n  in %s: %s", what, at, search->count,
         world->entities[search->entity].name, text);
}

/* One page; false after the last. */
static bool compare_page(struct world *world, const struct search *search, size_t *at,
                         const msgpack_object **after)
{
    struct kt_ctx *ctx = &world->ctx;
    const struct kt_entity *decl = &world->entities[search->entity];
    const struct schema_entity *entity =
        schema_entity(world->schema, decl->name, strlen(decl->name));
    const msgpack_object *params = pack_search(world, search, *after);
    msgpack_object *answer = kt_alloc(ctx, sizeof *answer);
    if (record_reply_search(ctx, entity, params) != KT_OK)
        fail_search(world, params, ctx->error.message, *at, search);
    if (context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, answer) != KT_OK)
        fail_search(world, params, "the answer cannot be unpacked", *at, search);
    size_t count = kt_count(answer, "records");
    size_t left = search->count - *at, limit = search->limit;
    if (count != (left < limit ? left : limit))
        fail_search(world, params, words(world, "a page has %zu records", count), *at, search);
    for (size_t i = 0; i < count; i++, ++*at)
        if (kt_get_id(kt_at(answer, "records", i), "id") != search->hits[*at].record->id)
            fail_search(world, params, "a page has another record", *at, search);
    *after = kt_get(answer, "next");
    if (*after && count < limit)
        fail_search(world, params, "a page that is not full has a next one", *at, search);
    return *after != NULL;
}

static void compare_count(struct world *world, const struct search *search)
{
    struct kt_ctx *ctx = &world->ctx;
    const struct kt_entity *decl = &world->entities[search->entity];
    msgpack_object answer;
    const msgpack_object *params = pack_search(world, search, NULL);
    if (record_reply_count(ctx, schema_entity(world->schema, decl->name, strlen(decl->name)),
                           params) != KT_OK ||
        context_unpack(ctx, ctx->reply.data, ctx->reply.size, true, &answer) != KT_OK ||
        kt_get_int(&answer, "count") != (int64_t)search->count)
        fail_search(world, params, "they are counted wrong", 0, search);
}

void compare_search(struct world *world, size_t entity, const struct record *about)
{
    struct search search = {.entity = entity};
    search.limit = (uint32_t)(chance(world, 30) ? 1000 : 1 + draw(world, 40));
    const msgpack_object *after = NULL;
    size_t at = 0;
    if (world->entities[entity].indexes.count && chance(world, 30))
        draw_along_index(world, entity, about, &search.where);
    else
        draw_node(world, entity, about, 3, &search.where);
    for (size_t n = chance(world, 60) ? 1 + draw(world, ORDERS_MOST) : 0; n > 0; n--) {
        struct order *order = &search.orders[search.order_count];
        order->descending = chance(world, 40);
        search.order_count += draw_column(world, entity, true, &order->column);
    }
    find_hits(world, &search);
    while (compare_page(world, &search, &at, &after))
        continue;
    if (at != search.count)
        fail(world, "the pages of a search end after %zu of %zu records", at, search.count);
    world->hits += at;
    if (chance(world, 20))
        compare_count(world, &search);
}
