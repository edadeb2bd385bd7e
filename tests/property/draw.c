/* Random values: as they may be given, right or with one flaw, and what they
 * mean. */
#include <stdio.h>
#include <string.h>

#include "property.h"

#define DAY_US (INT64_C(86400) * 1000000)

typedef void (*draw_one)(struct world *world, const struct kt_field *field, bool flawed,
                         struct given *out);

static struct value *new_value(struct world *world, enum value_kind kind)
{
    struct value *value = take(world, sizeof *value);
    value->kind = kind;
    return value;
}

static void give(struct given *out, const struct value *value)
{
    out->sent = out->means = value;
}

static void flaw(struct given *out, const struct value *sent)
{
    out->sent = sent;
    out->means = &empty_value;
    out->flaw = KT_INVALID;
}

/* --- Texts --- */

static const char *const pool[] = {"Ann", "ann", "Bolt",  "bolt 7", "\xC3\x84rger", "\xE4\xBB\xB7",
                                   "a%b", "~",   "Annex", "b",      "Bo",           "zz top"};

/* Some share their first 120 bytes, which is where a key is cut. */
static const char *draw_text(struct world *world, uint32_t most)
{
    const char *text = pool[draw(world, KT_COUNT(pool))];
    uint64_t kind = draw(world, 10);
    if (kind < 2)
        text = words(world, "w%d", (int)draw(world, 60));
    if (kind == 2 && most >= 130)
        text = words(world, "%0*d%s", (int)draw_between(world, 118, 123), (int)draw(world, 2),
                     chance(world, 50) ? "x" : "");
    return strlen(text) > most ? "b" : text;
}

static uint32_t text_limit(const struct kt_field *field)
{
    return field->max_length ? field->max_length : 500;
}

static void draw_text_field(struct world *world, const struct kt_field *field, bool flawed,
                            struct given *out)
{
    static const char *const bad[] = {"\xFF", "a\x01", "\xC3", "\xED\xA0\x80", "\x7F", "\r", "\n"};
    if (flawed) {
        const struct value *wrong[] = {
            text_value(world,
                       bad[draw(world, KT_COUNT(bad) - (field->flags & KT_MULTILINE ? 2 : 0))]),
            text_value(world, words(world, "%0*d", (int)text_limit(field) + 1, 1)),
            int_value(world, 5)};
        flaw(out, wrong[draw(world, 3)]);
        return;
    }
    give(out, text_value(world, draw_text(world, text_limit(field))));
    if ((field->flags & KT_MULTILINE) && chance(world, 20))
        give(out, text_value(world, "a\nb"));
    if (chance(world, 3)) {
        out->sent = text_value(world, "");
        out->means = &empty_value;
    }
}

static void draw_choice(struct world *world, const struct kt_field *field, bool flawed,
                        struct given *out)
{
    const struct kt_choice *choice = &field->choices.at[draw(world, field->choices.count)];
    if (flawed)
        flaw(out, chance(world, 50) ? text_value(world, "pink") : int_value(world, 1));
    else
        give(out, text_value(world, choice->name));
}

static void draw_state(struct world *world, const struct kt_field *field, bool flawed,
                       struct given *out)
{
    static const char *const names[] = {"draft", "open", "done", "off"};
    (void)field;
    if (flawed)
        flaw(out, int_value(world, 1));
    else
        give(out, text_value(world, names[draw(world, 4)]));
}

static void draw_tags(struct world *world, const struct kt_field *field, bool flawed,
                      struct given *out)
{
    struct value *list = new_value(world, LIST);
    size_t most = field->max_length ? field->max_length : 5;
    size_t first = draw(world, KT_COUNT(pool)), count = draw(world, most + 1);
    const struct value **items = take(world, sizeof(const struct value *) * (most + 1));
    for (size_t i = 0; i < count; i++)
        items[i] = text_value(world, pool[(first + i * 5) % KT_COUNT(pool)]);
    list->items = items;
    list->count = count;
    if (!flawed) {
        give(out, list);
    } else if (count == 0 || count == most) {
        flaw(out, text_value(world, "Ann"));
    } else {
        items[list->count++] = items[0];
        out->path = words(world, "%s[%zu]", out->path, count);
        flaw(out, list);
    }
}

/* --- Numbers --- */

static int64_t draw_int(struct world *world)
{
    switch (draw(world, 12)) {
    case 0:
        return chance(world, 50) ? INT64_MAX : INT64_MIN;
    case 1:
        return draw_between(world, -1000000000, 1000000000);
    default:
        return draw_between(world, -4, 12);
    }
}

static bool breaks_sign(const struct kt_field *field, int sign)
{
    return ((field->flags & KT_POSITIVE) && sign <= 0) ||
           ((field->flags & KT_NONNEGATIVE) && sign < 0);
}

static int sign_of(int64_t number)
{
    return (number > 0) - (number < 0);
}

static void draw_int_field(struct world *world, const struct kt_field *field, bool flawed,
                           struct given *out)
{
    int64_t number = draw_int(world);
    struct value *half = new_value(world, FLOAT);
    half->number = 2;
    if (!flawed) {
        if (breaks_sign(field, sign_of(number)))
            number = draw_between(world, 1, 9);
        give(out, int_value(world, number));
    } else if (breaks_sign(field, -1) && chance(world, 60)) {
        flaw(out, int_value(world, breaks_sign(field, 0) ? draw_between(world, -1, 0) : -1));
    } else {
        flaw(out, chance(world, 50) ? half : text_value(world, "5"));
    }
}

/* At most 15 digits, so that no sum of them outgrows 38. */
static struct kt_decimal draw_decimal(struct world *world, int most_scale)
{
    struct kt_decimal number = {draw_between(world, -30, 90), 0};
    number.scale = (int32_t)draw(world, (uint64_t)most_scale + 1);
    if (chance(world, 30))
        number.coefficient = draw_between(world, -20000, 99999);
    if (chance(world, 5))
        number.coefficient = draw_between(world, -999999999999999, 999999999999999);
    return number;
}

static struct value *decimal_value(struct world *world, struct kt_decimal number)
{
    struct value *value = new_value(world, DECIMAL);
    value->decimal = number;
    return value;
}

static void flaw_decimal(struct world *world, const struct kt_field *field, struct given *out)
{
    struct value *quarter = new_value(world, FLOAT);
    quarter->number = 7;
    struct value *fine =
        decimal_value(world, (struct kt_decimal){1, most_digits(world, field) + 1});
    const struct value *wrong[] = {
        quarter,
        fine,
        text_value(world, "1,5"),
        text_value(world, "12345678901234567890123456789"),
        text_value(world, "1e3"),
        text_value(world, breaks_sign(field, 0)    ? "0.0"
                          : breaks_sign(field, -1) ? "-1"
                                                   : ""),
    };
    flaw(out, wrong[draw(world, KT_COUNT(wrong))]);
}

static void draw_decimal_field(struct world *world, const struct kt_field *field, bool flawed,
                               struct given *out)
{
    if (flawed) {
        flaw_decimal(world, field, out);
        return;
    }
    int least = least_digits(world, field), most = most_digits(world, field);
    struct kt_decimal given = draw_decimal(world, most);
    if (breaks_sign(field, kt_decimal_sign(given)))
        given = kt_decimal_from_int(draw_between(world, 1, 9));
    struct kt_decimal number = kt_decimal_trim(given, least);
    if (number.scale < least)
        number = kt_decimal_round(number, least);
    out->means = decimal_value(world, number);
    struct kt_decimal whole = kt_decimal_trim(given, 0);
    if (whole.scale == 0 && chance(world, 30))
        out->sent = int_value(world, (int64_t)whole.coefficient);
    else
        out->sent = decimal_value(world, chance(world, 30) ? number : given);
}

static void draw_bool(struct world *world, const struct kt_field *field, bool flawed,
                      struct given *out)
{
    (void)field;
    struct value *value = new_value(world, BOOL);
    value->number = chance(world, 50);
    if (flawed)
        flaw(out, chance(world, 50) ? text_value(world, "yes") : int_value(world, 1));
    else
        give(out, value);
}

/* --- Time --- */

static void draw_date(struct world *world, const struct kt_field *field, bool flawed,
                      struct given *out)
{
    static const char *const edges[] = {"0001-01-01", "9999-12-31", "2024-02-29", "2026-12-31"};
    static const char *const bad[] = {"2026-02-30", "23.11.2026", "2026-1-1", "0000-01-01", ""};
    char text[KT_DATE_TEXT_SIZE];
    (void)field;
    if (flawed) {
        flaw(out, text_value(world, bad[draw(world, KT_COUNT(bad))]));
        return;
    }
    kt_date_format((kt_date)(20700 + draw(world, 40) * 9), text);
    give(out, text_value(world, chance(world, 5) ? edges[draw(world, KT_COUNT(edges))]
                                                 : words(world, "%s", text)));
}

/* The same moment may come in several forms and with a fraction that is not
 * kept. */
static void draw_instant(struct world *world, const struct kt_field *field, bool flawed,
                         struct given *out)
{
    (void)field;
    struct value *value = new_value(world, INSTANT), *sent = new_value(world, INSTANT);
    if (flawed) {
        flaw(out, chance(world, 50) ? text_value(world, "2026-01-01") : int_value(world, 12));
        return;
    }
    value->number = draw_between(world, 20000, 20100) * DAY_US / 10;
    if (chance(world, 20))
        value->number = draw_between(world, -DAY_US * 400, DAY_US * 400);
    *sent = *value;
    if (chance(world, 20))
        sent->size = 12;
    else if (value->number >= 0 && value->number % 1000000 == 0)
        sent->size = 4;
    out->means = value;
    out->sent = sent;
}

/* --- The rest --- */

static void draw_reference(struct world *world, const struct kt_field *field, bool flawed,
                           struct given *out)
{
    const struct table *table = &world->model.tables[entity_index(world, field->to)];
    if (flawed)
        flaw(out, chance(world, 70) ? int_value(world, (int64_t)table->last_id + 1)
                                    : text_value(world, "1"));
    else if (table->count == 0)
        give(out, &empty_value);
    else if (world->drawing && strcmp(field->to, world->drawing_in) == 0 && chance(world, 10))
        give(out, int_value(world, (int64_t)world->drawing)); /* Itself. */
    else if (chance(world, 50))                               /* A few are much referred to. */
        give(out, int_value(world, (int64_t)table->at[draw(world, (table->count + 9) / 10)].id));
    else
        give(out, int_value(world, (int64_t)table->at[draw(world, table->count)].id));
}

/* NOLINTNEXTLINE(misc-no-recursion): `depth` ends it. */
static void pack_json(struct world *world, msgpack_packer *packer, unsigned depth)
{
    size_t count = draw(world, 3);
    switch (draw(world, depth ? 6 : 4)) {
    case 0:
        msgpack_pack_int64(packer, draw_int(world));
        break;
    case 1:
        msgpack_pack_double(packer, 0.5);
        break;
    case 2:
        msgpack_pack_str_with_body(packer, "json", 4);
        break;
    case 3:
        msgpack_pack_false(packer);
        break;
    case 4:
        msgpack_pack_array(packer, count);
        for (size_t i = 0; i < count; i++)
            pack_json(world, packer, depth - 1);
        break;
    default:
        msgpack_pack_map(packer, count);
        for (size_t i = 0; i < count; i++) {
            msgpack_pack_str_with_body(packer, i ? "b" : "a", 1);
            pack_json(world, packer, depth - 1);
        }
    }
}

static void draw_json(struct world *world, const struct kt_field *field, bool flawed,
                      struct given *out)
{
    struct value *value = new_value(world, JSON);
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    (void)field;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    for (int i = 0; flawed && i < 9; i++)
        msgpack_pack_array(&packer, 1);
    pack_json(world, &packer, 3);
    char *bytes = take(world, buffer.size);
    memcpy(bytes, buffer.data, buffer.size);
    value->text = bytes;
    value->size = buffer.size;
    msgpack_sbuffer_destroy(&buffer);
    if (flawed)
        flaw(out, value);
    else
        give(out, value);
}

/* Distinct ones that are there; the flaws are one that is not, and one given
 * twice. */
static void draw_references(struct world *world, const struct kt_field *field, bool flawed,
                            struct given *out)
{
    const struct table *table = &world->model.tables[entity_index(world, field->to)];
    struct value *list = new_value(world, LIST);
    const struct value **items = take(world, sizeof(const struct value *) * 5);
    size_t first = draw(world, table->count), most = table->count < 3 ? table->count : 3;
    list->items = items;
    list->count = draw(world, most + 1);
    for (size_t i = 0; i < list->count; i++)
        items[i] = int_value(world, (int64_t)table->at[(first + i) % table->count].id);
    if (!flawed) {
        give(out, list);
        return;
    }
    items[list->count] =
        list->count && chance(world, 50) ? items[0] : int_value(world, (int64_t)table->last_id + 1);
    out->path = words(world, "%s[%zu]", out->path, list->count++);
    flaw(out, list);
}

static const draw_one ways[] = {
    [KT_TEXT] = draw_text_field,
    [KT_INT] = draw_int_field,
    [KT_DECIMAL] = draw_decimal_field,
    [KT_MONEY] = draw_decimal_field,
    [KT_QUANTITY] = draw_decimal_field,
    [KT_BOOL] = draw_bool,
    [KT_DATE] = draw_date,
    [KT_INSTANT] = draw_instant,
    [KT_ENUM] = draw_choice,
    [KT_STATE] = draw_state,
    [KT_REF] = draw_reference,
    [KT_TAGS] = draw_tags,
    [KT_JSON] = draw_json,
    [KT_REFS] = draw_references,
};

const struct value *draw_value(struct world *world, const struct kt_field *field)
{
    struct given given = {.path = field->name};
    ways[field->type](world, field, false, &given);
    return given.means;
}

/* --- Lines --- */

static bool is_left_empty(struct world *world, const struct kt_field *field)
{
    return chance(world, field->flags & KT_REQUIRED ? 1 : 8);
}

static void draw_part(struct world *world, const struct kt_field *part, bool flawed,
                      struct given *out)
{
    if (!flawed && is_left_empty(world, part))
        give(out, &empty_value);
    else
        ways[part->type](world, part, flawed, out);
}

/* One line, `at`: of those there are already, or new. */
static void draw_line(struct world *world, const struct kt_field *field, const struct value *old,
                      size_t at, bool flawed, struct value *sent, struct value *means,
                      struct given *out)
{
    size_t count = field->lines.count, flawed_part = flawed ? draw(world, count) : SIZE_MAX;
    const struct value **given = take(world, sizeof(const struct value *) * count);
    const struct value **meant = take(world, sizeof(const struct value *) * count);
    if (old && chance(world, 60))
        sent->number = old->number;
    else if (chance(world, 2))
        sent->number = draw_between(world, 1, 20);
    for (size_t p = 0; p < count; p++) {
        const struct kt_field *part = &field->lines.at[p];
        struct given one = {.path = words(world, "%s[%zu].%s", out->path, at, part->name)};
        bool needed = (part->flags & KT_REQUIRED) && !sent->number && chance(world, 97);
        if (p != flawed_part && !needed && chance(world, sent->number ? 50 : 15))
            continue;
        draw_part(world, part, p == flawed_part, &one);
        given[p] = one.sent;
        meant[p] = one.means;
        if (one.flaw)
            *out = (struct given){
                .field = out->field, .flaw = one.flaw, .path = one.path, .means = &empty_value};
    }
    sent->kind = LINE;
    sent->items = given;
    sent->count = count;
    *means = *sent;
    means->items = meant;
}

static void draw_lines_field(struct world *world, const struct kt_field *field,
                             const struct value *old, bool flawed, struct given *out)
{
    const char *path = out->path;
    size_t most = field->max_length ? field->max_length : 6;
    size_t count =
        flawed && field->max_length && chance(world, 30) ? most + 1 : draw(world, most + 1);
    struct value *sent = new_value(world, LIST), *means = new_value(world, LIST);
    const struct value **sent_items = take(world, sizeof(const struct value *) * (count + 1));
    const struct value **means_items = take(world, sizeof(const struct value *) * (count + 1));
    if (flawed && count == 0) {
        flaw(out, text_value(world, "lines"));
        return;
    }
    size_t flawed_line = flawed && count <= most ? draw(world, count) : SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        struct value *line = take(world, sizeof *line), *meant = take(world, sizeof *meant);
        const struct value *before =
            old && old->count ? old->items[(i + (size_t)chance(world, 10)) % old->count] : NULL;
        struct given note = {.field = out->field, .path = path};
        draw_line(world, field, before, i, i == flawed_line, line, meant, &note);
        if (note.flaw)
            *out = note;
        sent_items[i] = line;
        means_items[i] = meant;
    }
    if (count > most) {
        out->flaw = KT_TOO_LARGE;
        out->path = path;
    }
    *sent = (struct value){.kind = LIST, .items = sent_items, .count = count};
    *means = (struct value){.kind = LIST, .items = means_items, .count = count};
    out->sent = sent;
    out->means = means;
}

void draw_given(struct world *world, const struct kt_field *field, const struct value *old,
                bool flawed, struct given *out)
{
    out->path = field->name;
    out->flaw = KT_OK;
    if (field->type == KT_LINES)
        draw_lines_field(world, field, old, flawed, out);
    else if (!flawed && field->type != KT_STATE && is_left_empty(world, field))
        give(out, &empty_value);
    else
        ways[field->type](world, field, flawed, out);
}
