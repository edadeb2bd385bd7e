#include "cli/text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

void text_free(struct text *text)
{
    free(text->at);
    *text = (struct text){.at = NULL};
}

static char *reserve(struct text *text, size_t more)
{
    if (text->capacity - text->length <= more) {
        size_t capacity = text->capacity ? text->capacity : 64;
        while (capacity - text->length <= more)
            capacity *= 2;
        char *grown = realloc(text->at, capacity);
        if (!grown) {
            fputs("kontor: out of memory\n", stderr);
            exit(1);
        }
        text->at = grown;
        text->capacity = capacity;
    }
    return text->at + text->length;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
    char *end = reserve(text, length);
    if (length > 0)
        memcpy(end, bytes, length);
    end[length] = '\0';
    text->length += length;
}

void text_add_word(struct text *text, const char *word)
{
    text_add(text, word, strlen(word));
}

void text_add_format(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        vsnprintf(reserve(text, (size_t)length), (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void text_add_spaces(struct text *text, size_t count)
{
    char *end = reserve(text, count);
    memset(end, ' ', count);
    end[count] = '\0';
    text->length += count;
}

size_t text_decode(const char *bytes, size_t length, uint32_t *code_point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)bytes;
    *code_point = at[0];
    if (at[0] < 0x80)
        return 1;
    size_t size = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    uint32_t value = at[0] & (0xffu >> (size + 1));
    bool valid = at[0] >= 0xc2 && at[0] <= 0xf4 && size <= length;
    for (size_t i = 1; valid && i < size; i++) {
        valid = (at[i] & 0xc0) == 0x80;
        value = value << 6 | (at[i] & 0x3fu);
    }
    /* Overlong forms, surrogates and what lies beyond Unicode. */
    if (!valid || value < smallest[size] || (value >= 0xd800 && value <= 0xdfff) ||
        value > 0x10ffff) {
        *code_point = TEXT_NOT_UTF8;
        return 1;
    }
    *code_point = value;
    return size;
}

bool text_is_utf8(const char *bytes, size_t length)
{
    uint32_t code_point;
    for (size_t i = 0; i < length; i += text_decode(bytes + i, length - i, &code_point)) {
        text_decode(bytes + i, length - i, &code_point);
        if (code_point == TEXT_NOT_UTF8)
            return false;
    }
    return true;
}

bool text_is_unsafe(uint32_t code_point)
{
    static const uint32_t ranges[][2] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x200e, 0x200f},   {0x2028, 0x202e},
        {0x2066, 0x2069}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (code_point >= ranges[i][0] && code_point <= ranges[i][1])
            return true;
    }
    return false;
}

void text_add_safe(struct text *text, const char *bytes, size_t length)
{
    size_t plain = 0; /* Start of what is not yet added. */
    for (size_t i = 0; i < length;) {
        uint32_t code_point;
        size_t size = text_decode(bytes + i, length - i, &code_point);
        if (code_point == TEXT_NOT_UTF8 || text_is_unsafe(code_point)) {
            text_add(text, bytes + plain, i - plain);
            if (code_point == '\n')
                text_add_word(text, "\\n");
            else if (code_point == '\t')
                text_add_word(text, "\\t");
            else if (size == 1)
                text_add_format(text, "\\x%02x", (unsigned)(unsigned char)bytes[i]);
            else
                text_add_format(text, "\\u%04x", (unsigned)code_point);
            plain = i + size;
        }
        i += size;
    }
    text_add(text, bytes + plain, length - plain);
}

void text_use_utf8(void)
{
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
}

static size_t width_of(uint32_t code_point)
{
    if (code_point == TEXT_NOT_UTF8)
        return 1;
    int width = wcwidth((wchar_t)code_point);
    return width >= 0 ? (size_t)width : 1;
}

size_t text_width(const char *bytes, size_t length)
{
    size_t width = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code_point;
        i += text_decode(bytes + i, length - i, &code_point);
        width += width_of(code_point);
    }
    return width;
}

size_t text_fit(const char *bytes, size_t length, size_t width)
{
    size_t used = 0;
    size_t i = 0;
    while (i < length) {
        uint32_t code_point;
        size_t size = text_decode(bytes + i, length - i, &code_point);
        used += width_of(code_point);
        if (used > width)
            break;
        i += size;
    }
    return i;
}
