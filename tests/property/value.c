/* Values of the model: compared, and packed as the engine should store them. */
#include <stdio.h>
#include <string.h>

#include "property.h"

#define CUT 120

const struct value empty_value = {.kind = EMPTY};

bool is_empty(const struct value *value)
{
    return !value || value->kind == EMPTY;
}

const struct value *text_value(struct world *world, const char *text)
{
    struct value *value = take(world, sizeof *value);
    *value = (struct value){.kind = TEXT, .text = text, .size = strlen(text)};
    return value;
}

const struct value *int_value(struct world *world, int64_t number)
{
    struct value *value = take(world, sizeof *value);
    *value = (struct value){.kind = INT, .number = number};
    return value;
}

/* --- Order --- */

static int order_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_texts(const struct value *a, const struct value *b, size_t most)
{
    size_t left = a->size < most ? a->size : most, right = b->size < most ? b->size : most;
    int order = memcmp(a->text, b->text, left < right ? left : right);
    if (order == 0)
        order = order_of((int64_t)left, (int64_t)right);
    /* Of two texts that begin alike the cut one comes after the whole one. */
    return order ? order : (a->size > most) - (b->size > most);
}

static int rank(const struct value *value)
{
    static const int ranks[] = {
        [EMPTY] = 0, [BOOL] = 1, [INT] = 2, [INSTANT] = 2, [DECIMAL] = 3, [TEXT] = 4};
    return is_empty(value) ? 0 : ranks[value->kind];
}

static int compare(const struct value *a, const struct value *b, size_t most)
{
    if (rank(a) != rank(b) || is_empty(a))
        return rank(a) - rank(b);
    switch (a->kind) {
    case TEXT:
        return compare_texts(a, b, most);
    case DECIMAL:
        return kt_decimal_compare(a->decimal, b->decimal);
    default:
        return order_of(a->number, b->number);
    }
}

int compare_keys(const struct value *a, const struct value *b)
{
    return compare(a, b, CUT);
}

int compare_values(const struct value *a, const struct value *b)
{
    return compare(a, b, SIZE_MAX);
}

bool same_value(const struct value *a, const struct value *b)
{
    if (is_empty(a) || is_empty(b))
        return is_empty(a) && is_empty(b);
    if (a->kind != b->kind)
        return false;
    if (a->kind == JSON)
        return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
    if (a->kind != LIST && a->kind != LINE)
        return compare_values(a, b) == 0;
    if (a->count != b->count || a->number != b->number)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!same_value(a->items[i], b->items[i]))
            return false;
    return true;
}

/* --- Dates --- */

/* The first day of the span that `cut` names; of an instant, of its day. */
const struct value *cut_date(struct world *world, const struct value *value, const char *cut)
{
    char text[KT_DATE_TEXT_SIZE];
    kt_date date;
    int year, month, day;
    if (!*cut || is_empty(value))
        return value;
    if (value->kind == INSTANT)
        date = kt_date_of_instant(value->number);
    else if (!kt_date_parse(value->text, value->size, &date))
        fail(world, "the test has a date that is none");
    kt_date_to_civil(date, &year, &month, &day);
    if (strcmp(cut, ":week") == 0)
        date -= kt_date_weekday(date) - 1;
    if (strcmp(cut, ":quarter") == 0)
        month = (month - 1) / 3 * 3 + 1;
    if (strcmp(cut, ":year") == 0)
        month = 1;
    if (strcmp(cut, ":week") != 0 && strcmp(cut, ":day") != 0)
        kt_date_from_civil(year, month, 1, &date);
    kt_date_format(date, text);
    return text_value(world, words(world, "%s", text));
}

/* --- As msgpack --- */

static void pack_text(msgpack_packer *packer, const char *text, size_t size)
{
    msgpack_pack_str_with_body(packer, text, size);
}

static void pack_key(msgpack_packer *packer, const char *name)
{
    pack_text(packer, name, strlen(name));
}

/* The timestamp extension: 8 bytes while they hold it, else 12 (or 4, if that
 * is asked for). */
static void pack_instant(msgpack_packer *packer, const struct value *value)
{
    int64_t seconds = value->number / 1000000, rest = value->number % 1000000;
    if (rest < 0) {
        rest += 1000000;
        seconds--;
    }
    bool fits = seconds >= 0 && seconds < INT64_C(1) << 34;
    size_t size = value->size ? value->size : fits ? 8 : 12;
    uint8_t bytes[12];
    uint64_t low = (uint64_t)seconds, high = (uint64_t)rest * 1000;
    if (size == 8)
        low |= high << 34;
    for (size_t i = 0; i < size; i++) {
        size_t from_end = size - 1 - i;
        bytes[i] = (uint8_t)(from_end < 8 ? low >> (8 * from_end) : high >> (8 * (from_end - 8)));
    }
    msgpack_pack_ext_with_body(packer, bytes, size, -1);
}

static void pack_line(msgpack_packer *packer, const struct kt_field *lines,
                      const struct value *line, bool stored)
{
    size_t count = (size_t)(line->number != 0) + (line->text != NULL);
    for (size_t i = 0; i < line->count; i++)
        count += stored ? !is_empty(line->items[i]) : line->items[i] != NULL;
    msgpack_pack_map(packer, count);
    if (line->number) {
        pack_key(packer, "id");
        msgpack_pack_int64(packer, line->number);
    }
    for (size_t i = 0; i < line->count; i++) {
        if (stored ? is_empty(line->items[i]) : !line->items[i])
            continue;
        pack_key(packer, lines->lines.at[i].name);
        pack_value(packer, &lines->lines.at[i], line->items[i]);
    }
    if (line->text) {
        pack_key(packer, line->text);
        msgpack_pack_nil(packer);
    }
}

static void pack_list(msgpack_packer *packer, const struct kt_field *field,
                      const struct value *list)
{
    msgpack_pack_array(packer, list->count);
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->kind == LINE)
            pack_line(packer, field, list->items[i], list->number != 0);
        else
            pack_value(packer, field, list->items[i]);
    }
}

void pack_value(msgpack_packer *packer, const struct kt_field *field, const struct value *value)
{
    char text[KT_DECIMAL_TEXT_SIZE];
    switch (value->kind) {
    case EMPTY:
    case LINE:
        msgpack_pack_nil(packer);
        break;
    case INT:
        msgpack_pack_int64(packer, value->number);
        break;
    case BOOL:
        value->number ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        break;
    case TEXT:
        pack_text(packer, value->text, value->size);
        break;
    case DECIMAL:
        pack_text(packer, text, kt_decimal_format(value->decimal, text));
        break;
    case INSTANT:
        pack_instant(packer, value);
        break;
    case LIST:
        pack_list(packer, field, value);
        break;
    case JSON:
        msgpack_pack_str_body(packer, value->text, value->size);
        break;
    case FLOAT:
        msgpack_pack_double(packer, (double)value->number / 4);
        break;
    }
}

const msgpack_object *as_object(struct world *world, const struct kt_field *field,
                                const struct value *value)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    msgpack_object *object = kt_alloc(&world->ctx, sizeof *object);
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    pack_value(&packer, field, value);
    if (context_unpack(&world->ctx, buffer.data, buffer.size, true, object) != KT_OK)
        fail(world, "a value of the test cannot be unpacked");
    msgpack_sbuffer_destroy(&buffer);
    return object;
}

/* What "like" sees; 0 bytes for what is not text. */
size_t text_of(const struct value *value, char *out, size_t size)
{
    if (value->kind == DECIMAL)
        return kt_decimal_format(value->decimal, out);
    if (value->kind != TEXT)
        return 0;
    size_t length = value->size < size ? value->size : size;
    memcpy(out, value->text, length);
    return length;
}
