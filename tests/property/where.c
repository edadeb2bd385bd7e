/* Conditions: drawn with values that are there, and asked by brute force. */
#include <string.h>
#include <strings.h>

#include "where.h"

static const struct kt_field own_number = {.name = "id", .type = KT_INT};
static const struct kt_field own_flag = {.name = "archived", .type = KT_BOOL};

bool is_flag(const struct column *column)
{
    return column->own && column->own[0] == 'a';
}

const struct kt_field *column_field(const struct column *column)
{
    return is_flag(column) ? &own_flag : column->own ? &own_number : column->path.decl;
}

static struct value own_value(const struct column *column, const struct record *record)
{
    if (is_flag(column))
        return (struct value){.kind = BOOL, .number = record->archived};
    return (struct value){
        .kind = INT, .number = (int64_t)(column->own[0] == 'i' ? record->id : record->version)};
}

/* --- Drawing --- */

bool draw_column(struct world *world, size_t entity, bool for_order, struct column *out)
{
    *out = (struct column){.entity = entity, .name = ""};
    for (int tries = 0; tries < 20; tries++) {
        const struct kt_entity *decl = &world->entities[out->entity];
        if (chance(world, 8)) {
            static const char *const own[] = {"id", "id", "version", "archived"};
            out->own = own[draw(world, KT_COUNT(own))];
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
        bool list = field->type == KT_LINES || is_list(field);
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
    if (is_flag(column))
        return draw_value(world, &own_flag);
    if (column->own && record && chance(world, 80))
        return int_value(world, own_value(column, record).number);
    if (column->own)
        return int_value(world, draw_between(world, -1, 200));
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

/* A list of references is not above or below anything. */
static const char *draw_op_of_ids(struct world *world)
{
    static const char *const ops[] = {"=", "!=", "in"};
    return ops[draw(world, KT_COUNT(ops))];
}

static bool draw_term(struct world *world, size_t entity, const struct record *about,
                      struct node *out)
{
    static const char *const ops[] = {"=", "=", "=", "=", "!=", "<", "<=", ">", ">=", "in", "like"};
    *out = (struct node){.kind = TERM};
    if (!draw_column(world, entity, false, &out->column))
        return false;
    out->op = ops[draw(world, KT_COUNT(ops) - !is_text(&out->column))];
    if (column_field(&out->column)->type == KT_REFS)
        out->op = draw_op_of_ids(world);
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
        if (i == fixed && term->column.path.decl->type == KT_REFS)
            term->op = draw_op_of_ids(world);
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

void draw_where(struct world *world, size_t entity, const struct record *about, struct node *out)
{
    if (world->entities[entity].indexes.count && chance(world, 30))
        draw_along_index(world, entity, about, out);
    else
        draw_node(world, entity, about, 3, out);
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
        struct value own = own_value(column, record);
        return holds(world, term, &own);
    }
    size_t count = path_count(record, &column->path);
    for (size_t i = 0; i < count; i++)
        if (holds(world, term, path_value(record, &column->path, i)))
            return true;
    return count == 0 && holds(world, term, &empty_value);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as it was drawn. */
bool fits(struct world *world, size_t entity, const struct node *node, const struct record *record)
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

struct value column_value(const struct world *world, size_t entity, const struct column *column,
                          const struct record *record)
{
    record = follow(world, column, entity, record);
    if (!record)
        return empty_value;
    return column->own ? own_value(column, record) : *record->fields[column->path.field];
}
/* Who asks about it in a condition of the record's own decides for himself. */
/* NOLINTNEXTLINE(misc-no-recursion): as deep as it was drawn. */
bool names_archived(const struct node *node)
{
    bool named = node->kind == TERM && is_flag(&node->column) && !node->column.hop_count;
    for (size_t i = 0; i < node->child_count; i++)
        named = named || names_archived(&node->children[i]);
    return named;
}

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

const msgpack_object *where_object(struct world *world, const struct node *where)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_object *object = kt_alloc(&world->ctx, sizeof *object);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pack_where(&packer, where, true);
    if (context_unpack(&world->ctx, buffer.data, buffer.size, true, object) != KT_OK)
        fail(world, "conditions of the test cannot be unpacked");
    msgpack_sbuffer_destroy(&buffer);
    return object;
}
