/** Private to core/cli: text that grows, UTF-8, and what is safe to show on a terminal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** All zero is empty. NUL-terminated once anything was added. */
struct text {
    char *at;
    size_t length;
    size_t capacity;
};
void text_free(struct text *text);
void text_add(struct text *text, const char *bytes, size_t length);
void text_add_word(struct text *text, const char *word);
void text_add_format(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_add_spaces(struct text *text, size_t count);

#define TEXT_NOT_UTF8 UINT32_MAX
/** One code point of `length` > 0 bytes; returns the bytes it takes. A byte that is not UTF-8 takes
 *  1 and gives TEXT_NOT_UTF8. */
size_t text_decode(const char *bytes, size_t length, uint32_t *code_point);
bool text_is_utf8(const char *bytes, size_t length);
/** Control characters, and those that reorder or hide what is around them: a stranger's text could
 *  repaint the terminal with them or show one thing and mean another. */
bool text_is_unsafe(uint32_t code_point);
/** Adds text with unsafe characters written as \n, \t, \x1b, \u202e, and bytes that are not UTF-8
 *  as \xff. */
void text_add_safe(struct text *text, const char *bytes, size_t length);

/** Once at start: makes text_width know wide characters in any environment. */
void text_use_utf8(void);
/** Terminal columns; Chinese characters take two. */
size_t text_width(const char *bytes, size_t length);
/** The longest start that fits `width` columns; returns its bytes. */
size_t text_fit(const char *bytes, size_t length, size_t width);
