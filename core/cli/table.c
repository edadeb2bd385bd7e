/* Two passes: every cell is written into one text, remembering where; then the widths are known.
 */
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "kontor/date.h"

#define COLUMNS_MAX 200u
#define INDENT      2
#define DEPTH_MAX   8
#define GAP         2
#define NAMES_MAX   8u

struct cell {
    size_t start;
    size_t length;
    size_t width;
};

struct column {
    const msgpack_object *name;
    size_t width;
    bool number; /* Every cell that is not empty holds one. */
    bool filled;
};

struct grid {
    struct text text;
    struct column columns[COLUMNS_MAX];
    size_t column_count;
    struct cell *cells; /* By row; row 0 holds the names. */
    size_t row_count;
};

static void write_value(struct text *out, const msgpack_object *value,
                        const struct table_style *style, size_t indent);

static bool is_list_of_maps(const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_ARRAY || value->via.array.size == 0)
        return false;
    for (uint32_t i = 0; i < value->via.array.size; i++) {
        if (value->via.array.ptr[i].type != MSGPACK_OBJECT_MAP)
            return false;
    }
    return true;
}

static bool is_plain(const msgpack_object *value)
{
    return value->type != MSGPACK_OBJECT_MAP && value->type != MSGPACK_OBJECT_ARRAY;
}

static void add_json(struct text *out, const msgpack_object *value)
{
    json_write(out, value, false);
}

/* A label: {"en": "Order", "zh": "订单"}. */
static const msgpack_object *label_of(const msgpack_object *value, const struct table_style *style)
{
    if (value->type != MSGPACK_OBJECT_MAP || value->via.map.size != 2)
        return NULL;
    const msgpack_object *english = object_get(value, "en");
    const msgpack_object *chinese = object_get(value, "zh");
    return english && chinese ? (style->chinese ? chinese : english) : NULL;
}

static void add_array(struct text *out, const msgpack_object *value,
                      const struct table_style *style);

static void add_plain(struct text *out, const msgpack_object *value,
                      const struct table_style *style)
{
    char iso[KT_INSTANT_TEXT_SIZE];
    const msgpack_object *label = label_of(value, style);
    if (label)
        value = label;
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        return;
    case MSGPACK_OBJECT_BOOLEAN:
        text_add_word(out, style->chinese ? (value->via.boolean ? "是" : "否")
                                          : (value->via.boolean ? "yes" : "no"));
        return;
    case MSGPACK_OBJECT_STR:
        text_add_safe(out, value->via.str.ptr, value->via.str.size);
        return;
    case MSGPACK_OBJECT_EXT:
        if (json_instant(value, iso, sizeof iso)) {
            /* To the second; JSON shows the rest. */
            text_add(out, iso, 10);
            text_add_format(out, " %.8sZ", iso + 11);
            return;
        }
        break;
    case MSGPACK_OBJECT_ARRAY:
        add_array(out, value, style);
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
    case MSGPACK_OBJECT_MAP:
    case MSGPACK_OBJECT_BIN:
        break;
    }
    add_json(out, value);
}

/* Choices, states, parameters: few enough declared things to be listed by name. */
static bool add_names(struct text *out, const msgpack_object *list)
{
    uint32_t count = list->via.array.size;
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *name = object_get(&list->via.array.ptr[i], "name");
        if (count > NAMES_MAX || !name || name->type != MSGPACK_OBJECT_STR ||
            !object_get(&list->via.array.ptr[i], "label"))
            return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *name = object_get(&list->via.array.ptr[i], "name");
        text_add_word(out, i > 0 ? ", " : "");
        text_add_safe(out, name->via.str.ptr, name->via.str.size);
    }
    return true;
}

/* Within one line: scalars side by side, anything deeper as its number of elements. */
static void add_array(struct text *out, const msgpack_object *value,
                      const struct table_style *style)
{
    uint32_t count = value->via.array.size;
    if (is_list_of_maps(value)) {
        if (add_names(out, value))
            return;
        text_add_format(out, style->chinese ? "%u 项" : (count == 1 ? "%u item" : "%u items"),
                        count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *element = &value->via.array.ptr[i];
        if (i > 0)
            text_add_word(out, ", ");
        if (is_plain(element))
            add_plain(out, element, style);
        else
            add_json(out, element);
    }
}

/* The number of bytes of `name` without "_zh" at its end, or 0 when it has none. */
static size_t base_of_chinese(const msgpack_object *name)
{
    if (name->type != MSGPACK_OBJECT_STR || name->via.str.size <= 3)
        return 0;
    size_t base = name->via.str.size - 3;
    return memcmp(name->via.str.ptr + base, "_zh", 3) == 0 ? base : 0;
}

static bool same_name(const msgpack_object *a, const msgpack_object *b)
{
    return a->type == MSGPACK_OBJECT_STR && b->type == MSGPACK_OBJECT_STR &&
           a->via.str.size == b->via.str.size &&
           memcmp(a->via.str.ptr, b->via.str.ptr, a->via.str.size) == 0;
}

static const msgpack_object *find_by(const msgpack_object *map, const msgpack_object *name)
{
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        if (same_name(&map->via.map.ptr[i].key, name))
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

/* True for "summary_zh" when the map has "summary" too. */
static bool is_translation(const msgpack_object *map, const msgpack_object *name)
{
    size_t base = base_of_chinese(name);
    if (base == 0)
        return false;
    msgpack_object plain = build_text_of(name->via.str.ptr, base);
    return find_by(map, &plain) != NULL;
}

/* The member as the user's language has it; NULL when there is none. */
static const msgpack_object *member(const msgpack_object *map, const msgpack_object *name,
                                    const struct table_style *style)
{
    char chinese[128];
    if (style->chinese && name->type == MSGPACK_OBJECT_STR && name->via.str.size < 100) {
        snprintf(chinese, sizeof chinese, "%.*s_zh", (int)name->via.str.size, name->via.str.ptr);
        const msgpack_object *found = object_get(map, chinese);
        if (found && !(found->type == MSGPACK_OBJECT_STR && found->via.str.size == 0))
            return found;
    }
    return find_by(map, name);
}

static void add_column(struct grid *grid, const msgpack_object *name)
{
    for (size_t i = 0; i < grid->column_count; i++) {
        if (same_name(grid->columns[i].name, name))
            return;
    }
    if (name->type == MSGPACK_OBJECT_STR && grid->column_count < COLUMNS_MAX)
        grid->columns[grid->column_count++] = (struct column){.name = name, .number = true};
}

static void find_columns(struct grid *grid, const msgpack_object *list)
{
    for (uint32_t row = 0; row < list->via.array.size; row++) {
        const msgpack_object *map = &list->via.array.ptr[row];
        for (uint32_t i = 0; i < map->via.map.size; i++) {
            if (!is_translation(map, &map->via.map.ptr[i].key))
                add_column(grid, &map->via.map.ptr[i].key);
        }
    }
}

static bool is_number(const msgpack_object *value)
{
    if (value->type != MSGPACK_OBJECT_STR)
        return value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
               value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
               value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64;
    const char *at = value->via.str.ptr;
    if (!at || value->via.str.size == 0)
        return false;
    size_t digits = 0;
    size_t points = 0;
    for (uint32_t i = at[0] == '-'; i < value->via.str.size; i++) {
        if (at[i] >= '0' && at[i] <= '9')
            digits++;
        else if (at[i] == '.')
            points++;
        else
            return false;
    }
    return digits > 0 && points <= 1;
}

static void put_cell(struct grid *grid, size_t row, size_t column, const msgpack_object *value,
                     const struct table_style *style)
{
    struct cell *cell = &grid->cells[row * grid->column_count + column];
    cell->start = grid->text.length;
    if (value)
        add_plain(&grid->text, value, style);
    cell->length = grid->text.length - cell->start;
    if (cell->length == 0)
        return;
    const char *at = grid->text.at + cell->start;
    cell->width = text_width(at, cell->length);
    if (style->cell_width > 0 && cell->width > style->cell_width) {
        cell->length = text_fit(at, cell->length, style->cell_width - 1);
        grid->text.length = cell->start + cell->length;
        text_add_word(&grid->text, "…");
        cell->length = grid->text.length - cell->start;
        cell->width = text_width(grid->text.at + cell->start, cell->length);
    }
    struct column *owner = &grid->columns[column];
    if (cell->width > owner->width)
        owner->width = cell->width;
    if (row > 0) {
        owner->filled = true;
        if (!is_number(value))
            owner->number = false;
    }
}

static void write_row(struct text *out, const struct grid *grid, size_t row, size_t indent)
{
    size_t pending = indent; /* Spaces are written only when something follows them. */
    for (size_t i = 0; i < grid->column_count; i++) {
        const struct column *column = &grid->columns[i];
        const struct cell *cell = &grid->cells[row * grid->column_count + i];
        size_t padding = column->width - cell->width;
        bool right = column->number && column->filled;
        if (cell->length > 0) {
            text_add_spaces(out, pending + (right ? padding : 0));
            text_add(out, grid->text.at + cell->start, cell->length);
            pending = right ? 0 : padding;
        } else {
            pending += column->width;
        }
        pending += GAP;
    }
    text_add_word(out, "\n");
}

static void write_rule(struct text *out, const struct grid *grid, size_t indent)
{
    text_add_spaces(out, indent);
    for (size_t i = 0; i < grid->column_count; i++) {
        if (i > 0)
            text_add_spaces(out, GAP);
        for (size_t dash = 0; dash < grid->columns[i].width; dash++)
            text_add_word(out, "-");
    }
    text_add_word(out, "\n");
}

static void write_table(struct text *out, const msgpack_object *list,
                        const struct table_style *style, size_t indent)
{
    struct grid *grid = calloc(1, sizeof *grid);
    if (grid)
        find_columns(grid, list);
    size_t rows = (size_t)list->via.array.size + 1;
    if (grid)
        grid->cells = calloc(rows * (grid->column_count + 1), sizeof *grid->cells);
    if (!grid || !grid->cells) {
        fputs("kontor: out of memory\n", stderr);
        exit(CLI_REFUSED);
    }
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < grid->column_count; i++) {
            const msgpack_object *name = grid->columns[i].name;
            put_cell(grid, row, i,
                     row == 0 ? name : member(&list->via.array.ptr[row - 1], name, style), style);
        }
    }
    for (size_t row = 0; row < rows; row++) {
        write_row(out, grid, row, indent);
        if (row == 0)
            write_rule(out, grid, indent);
    }
    text_free(&grid->text);
    free(grid->cells);
    free(grid);
}

/* "name:" with the values of all plain members below each other. */
static size_t name_width(const msgpack_object *map)
{
    size_t width = 0;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *name = &map->via.map.ptr[i].key;
        if (name->type != MSGPACK_OBJECT_STR || is_translation(map, name))
            continue;
        size_t own = text_width(name->via.str.ptr, name->via.str.size);
        if (own > width)
            width = own;
    }
    return width;
}

static void write_map(struct text *out, const msgpack_object *map, const struct table_style *style,
                      size_t indent)
{
    size_t width = name_width(map);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *name = &map->via.map.ptr[i].key;
        if (is_translation(map, name))
            continue;
        const msgpack_object *value = member(map, name, style);
        if (!value)
            value = &map->via.map.ptr[i].val;
        size_t start = out->length;
        text_add_spaces(out, indent);
        add_plain(out, name, style);
        text_add_word(out, ":");
        bool below = is_list_of_maps(value) ||
                     (value->type == MSGPACK_OBJECT_MAP && value->via.map.size > 0 &&
                      !label_of(value, style) && indent < (size_t)INDENT * DEPTH_MAX);
        if (below) {
            text_add_word(out, "\n");
            write_value(out, value, style, indent + INDENT);
            continue;
        }
        size_t used = text_width(out->at + start, out->length - start) - indent - 1;
        size_t before = out->length;
        text_add_spaces(out, width > used ? width - used + 1 : 1);
        size_t value_start = out->length;
        add_plain(out, value, style);
        if (out->length == value_start)
            out->length = before;
        text_add_word(out, "\n");
    }
}

static void write_value(struct text *out, const msgpack_object *value,
                        const struct table_style *style, size_t indent)
{
    if (is_list_of_maps(value)) {
        write_table(out, value, style, indent);
    } else if (value->type == MSGPACK_OBJECT_MAP && value->via.map.size > 0) {
        write_map(out, value, style, indent);
    } else if (value->type == MSGPACK_OBJECT_ARRAY && value->via.array.size > 0) {
        for (uint32_t i = 0; i < value->via.array.size; i++) {
            text_add_spaces(out, indent);
            add_plain(out, &value->via.array.ptr[i], style);
            text_add_word(out, "\n");
        }
    } else if (is_plain(value)) {
        text_add_spaces(out, indent);
        add_plain(out, value, style);
        text_add_word(out, "\n");
    } else {
        text_add_word(out, style->chinese ? "（无）\n" : "(none)\n");
    }
}

void table_write(struct text *out, const msgpack_object *value, const struct table_style *style)
{
    /* {"modules": [...]} is its list. */
    while (value->type == MSGPACK_OBJECT_MAP && value->via.map.size == 1 &&
           value->via.map.ptr[0].val.type == MSGPACK_OBJECT_ARRAY)
        value = &value->via.map.ptr[0].val;
    write_value(out, value, style, 0);
}
