#include "cli/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "kontor/date.h"

#define SECONDS_YEAR_1     INT64_C(-62135596800)
#define SECONDS_YEAR_10000 INT64_C(253402300800)

static bool read_value(const json_t *value, int levels, msgpack_zone *zone, msgpack_object *out);

static msgpack_object copy_text(const char *bytes, size_t length, msgpack_zone *zone)
{
    char *copy = build_memory(zone, length + 1);
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    return build_text_of(copy, length);
}

static bool read_array(const json_t *value, int levels, msgpack_zone *zone, msgpack_object *out)
{
    *out = build_array(zone, (uint32_t)json_array_size(value));
    for (uint32_t i = 0; i < out->via.array.size; i++) {
        if (!read_value(json_array_get(value, i), levels, zone, &out->via.array.ptr[i]))
            return false;
    }
    return true;
}

static bool read_object(const json_t *value, int levels, msgpack_zone *zone, msgpack_object *out)
{
    struct build_map map = build_map(zone);
    /* json_object_foreach wants a mutable object but does not change it. */
    json_t *object = (json_t *)(uintptr_t)value;
    const char *name;
    json_t *member;
    json_object_foreach(object, name, member)
    {
        msgpack_object inner;
        if (!read_value(member, levels, zone, &inner))
            return false;
        build_set_of(&map, copy_text(name, strlen(name), zone), inner);
    }
    *out = map.object;
    return true;
}

static bool read_value(const json_t *value, int levels, msgpack_zone *zone, msgpack_object *out)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return levels > 0 && read_object(value, levels - 1, zone, out);
    case JSON_ARRAY:
        return levels > 0 && read_array(value, levels - 1, zone, out);
    case JSON_STRING:
        *out = copy_text(json_string_value(value), json_string_length(value), zone);
        return true;
    case JSON_INTEGER:
        *out = build_int(json_integer_value(value));
        return true;
    case JSON_REAL:
        *out = (msgpack_object){.type = MSGPACK_OBJECT_FLOAT64,
                                .via = {.f64 = json_real_value(value)}};
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = build_bool(json_is_true(value));
        return true;
    case JSON_NULL:
        break;
    }
    *out = build_nil();
    return true;
}

bool json_read(const char *bytes, size_t length, msgpack_zone *zone, msgpack_object *out, char *why,
               size_t why_size)
{
    json_error_t error;
    json_t *value = json_loadb(bytes, length,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!value) {
        snprintf(why, why_size, "line %d column %d: %s", error.line, error.column, error.text);
        return false;
    }
    bool fits = read_value(value, JSON_READ_DEPTH, zone, out);
    if (!fits)
        snprintf(why, why_size, "nested more than %d deep", JSON_READ_DEPTH);
    json_decref(value);
    return fits;
}

static void write_text(struct text *out, const char *bytes, size_t length)
{
    static const char short_forms[][2] = {{'"', '"'},  {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'},
                                          {'\t', 't'}, {'\b', 'b'},  {'\f', 'f'}};
    text_add(out, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code_point;
        size_t size = text_decode(bytes + i, length - i, &code_point);
        bool special = code_point == '"' || code_point == '\\';
        if (special || code_point == TEXT_NOT_UTF8 || text_is_unsafe(code_point)) {
            text_add(out, bytes + plain, i - plain);
            plain = i + size;
            char letter = '\0';
            for (size_t s = 0; s < sizeof short_forms / sizeof short_forms[0]; s++) {
                if (code_point == (unsigned char)short_forms[s][0])
                    letter = short_forms[s][1];
            }
            if (letter)
                text_add_format(out, "\\%c", letter);
            else if (code_point == TEXT_NOT_UTF8)
                text_add_word(out, "\\ufffd");
            else if (code_point > 0xffff)
                text_add_format(out, "\\u%04x\\u%04x", 0xd800 + ((code_point - 0x10000) >> 10),
                                0xdc00 + ((code_point - 0x10000) & 0x3ff));
            else
                text_add_format(out, "\\u%04x", code_point);
        }
        i += size;
    }
    text_add(out, bytes + plain, length - plain);
    text_add(out, "\"", 1);
}

static void write_base64(struct text *out, const char *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)bytes;
    text_add(out, "\"", 1);
    for (size_t i = 0; i < length; i += 3) {
        uint32_t three = (uint32_t)at[i] << 16;
        if (i + 1 < length)
            three |= (uint32_t)at[i + 1] << 8;
        if (i + 2 < length)
            three |= at[i + 2];
        char four[4] = {digits[three >> 18], digits[three >> 12 & 63], digits[three >> 6 & 63],
                        digits[three & 63]};
        if (i + 1 >= length)
            four[2] = '=';
        if (i + 2 >= length)
            four[3] = '=';
        text_add(out, four, sizeof four);
    }
    text_add(out, "\"", 1);
}

static void write_float(struct text *out, double value)
{
    if (!isfinite(value)) {
        text_add_word(out, "null");
        return;
    }
    /* The shortest form that reads back as the same number. */
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    text_add_word(out, digits);
    if (strspn(digits, "-0123456789") == strlen(digits))
        text_add_word(out, ".0");
}

bool json_instant(const msgpack_object *value, char *out, size_t out_size)
{
    msgpack_timestamp at;
    if (!msgpack_object_to_timestamp(value, &at) || at.tv_sec < SECONDS_YEAR_1 ||
        at.tv_sec >= SECONDS_YEAR_10000 || at.tv_nsec > 999999999)
        return false;
    char iso[KT_INSTANT_TEXT_SIZE];
    kt_instant_format(at.tv_sec * 1000000 + at.tv_nsec / 1000, iso);
    snprintf(out, out_size, "%s", iso);
    return true;
}

static void write_extension(struct text *out, const msgpack_object *value)
{
    char iso[KT_INSTANT_TEXT_SIZE];
    if (json_instant(value, iso, sizeof iso)) {
        write_text(out, iso, strlen(iso));
        return;
    }
    text_add_format(out, "{\"ext\": %d, \"base64\": ", (int)value->via.ext.type);
    write_base64(out, value->via.ext.ptr, value->via.ext.size);
    text_add_word(out, "}");
}

static void write_value(struct text *out, const msgpack_object *value, bool pretty, int depth);

static void new_line(struct text *out, bool pretty, int depth, bool first)
{
    if (pretty) {
        text_add_word(out, "\n");
        text_add_spaces(out, (size_t)depth * 2);
    } else if (!first) {
        text_add_word(out, " ");
    }
}

static void write_key(struct text *out, const msgpack_object *key, int depth)
{
    if (key->type == MSGPACK_OBJECT_STR) {
        write_text(out, key->via.str.ptr, key->via.str.size);
        return;
    }
    struct text inner = {.at = NULL};
    write_value(&inner, key, false, depth);
    write_text(out, inner.at, inner.length);
    text_free(&inner);
}

static void write_container(struct text *out, const msgpack_object *value, bool pretty, int depth)
{
    bool map = value->type == MSGPACK_OBJECT_MAP;
    uint32_t count = map ? value->via.map.size : value->via.array.size;
    /* Cannot be: no such reply is let in. */
    if (depth == JSON_WRITE_DEPTH) {
        text_add_word(out, "null");
        return;
    }
    text_add_word(out, map ? "{" : "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            text_add_word(out, ",");
        new_line(out, pretty, depth + 1, i == 0);
        if (map) {
            write_key(out, &value->via.map.ptr[i].key, depth + 1);
            text_add_word(out, ": ");
        }
        write_value(out, map ? &value->via.map.ptr[i].val : &value->via.array.ptr[i], pretty,
                    depth + 1);
    }
    if (count > 0)
        new_line(out, pretty, depth, true);
    text_add_word(out, map ? "}" : "]");
}

static void write_value(struct text *out, const msgpack_object *value, bool pretty, int depth)
{
    switch (value->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        text_add_word(out, value->via.boolean ? "true" : "false");
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        text_add_format(out, "%llu", (unsigned long long)value->via.u64);
        return;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        text_add_format(out, "%lld", (long long)value->via.i64);
        return;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        write_float(out, value->via.f64);
        return;
    case MSGPACK_OBJECT_STR:
        write_text(out, value->via.str.ptr, value->via.str.size);
        return;
    case MSGPACK_OBJECT_BIN:
        text_add_word(out, "{\"base64\": ");
        write_base64(out, value->via.bin.ptr, value->via.bin.size);
        text_add_word(out, "}");
        return;
    case MSGPACK_OBJECT_EXT:
        write_extension(out, value);
        return;
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
        write_container(out, value, pretty, depth);
        return;
    case MSGPACK_OBJECT_NIL:
        break;
    }
    text_add_word(out, "null");
}

void json_write(struct text *out, const msgpack_object *value, bool pretty)
{
    write_value(out, value, pretty, 0);
}
