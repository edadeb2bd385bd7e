#include "record/vocabulary.h"

#include <string.h>

static const char *const type_words[] = {
    [KT_TEXT] = "text",   [KT_INT] = "int",           [KT_DECIMAL] = "decimal",
    [KT_MONEY] = "money", [KT_QUANTITY] = "quantity", [KT_BOOL] = "bool",
    [KT_DATE] = "date",   [KT_INSTANT] = "instant",   [KT_ENUM] = "enum",
    [KT_STATE] = "state", [KT_REF] = "ref",           [KT_LINES] = "lines",
    [KT_TAGS] = "tags",   [KT_JSON] = "json",         [KT_REFS] = "refs",
    [KT_FILE] = "file"};

const struct record_flag_word record_flag_words[] = {
    {KT_REQUIRED, "required"},   {KT_UNIQUE, "unique"},
    {KT_INDEXED, "indexed"},     {KT_READONLY, "readonly"},
    {KT_POSITIVE, "positive"},   {KT_NONNEGATIVE, "nonnegative"},
    {KT_SOFT, "soft"},           {KT_IMMUTABLE, "immutable"},
    {KT_MULTILINE, "multiline"}, {KT_SEARCHABLE, "searchable"},
    {KT_SENSITIVE, "sensitive"}, {KT_ON_READ, "on_read"},
    {KT_SET_NULL, "set_null"},   {KT_CASCADE, "cascade"},
    {KT_CUSTOM, "custom"},
};
const size_t record_flag_word_count = KT_COUNT(record_flag_words);

const char *record_type_word(enum kt_type type)
{
    return type_words[type];
}

bool record_type_of_word(const char *word, enum kt_type *out)
{
    for (size_t type = KT_TEXT; type < KT_COUNT(type_words); type++)
        if (strcmp(type_words[type], word) == 0) {
            *out = (enum kt_type)type;
            return true;
        }
    return false;
}
