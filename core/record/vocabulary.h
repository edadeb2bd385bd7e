/** The words for field types and flags: what system.describe says and rule files declare. */
#pragma once

#include "kontor/model.h"

const char *record_type_word(enum kt_type type);
/** false when there is no such type. */
bool record_type_of_word(const char *word, enum kt_type *out);

struct record_flag_word {
    unsigned flag;
    const char *word;
};
extern const struct record_flag_word record_flag_words[];
extern const size_t record_flag_word_count;
