/** Words of a text, as the full-text index knows them: folded so that people find what they mean.
 *
 *  Letters lose case, accents and width (Unicode NFKD without marks, full case folding): "Müller",
 *  "MULLER" and "ｍuller" are one word, "Straße" and "STRASSE" too. Latin and other alphabets give
 *  the runs of their letters and digits. Chinese, Japanese and Korean text has no spaces: each run
 *  gives its overlapping pairs of characters (bigrams) and its last character alone, so that any
 *  character and any phrase of it can be found. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** Bytes of one word; what is longer is cut, in the index and in the search alike. */
#define WORD_BYTES_MAX 60

enum words_use {
    WORDS_TO_STORE,
    WORDS_TO_FIND, /**< Leaves out the single last character that a run's last pair implies. */
};

struct word {
    char text[WORD_BYTES_MAX];
    size_t size;
    bool is_run; /**< Characters of a text without spaces, not a whole word. */
};

/** False stops. */
typedef bool (*words_each)(void *argument, const struct word *word);
/** Calls `each` for every word of the UTF-8 text, in order, repeated ones too. Any thread. */
void words_split(const char *text, size_t size, enum words_use use, words_each each,
                 void *argument);
