/* Text into words. utf8proc knows Unicode: what is a letter, how it folds. */
#include "record/words.h"

#include <string.h>
#include <utf8proc.h>

struct splitter {
    enum words_use use;
    words_each each;
    void *argument;
    struct word word;      /* The alphabet word that is being read. */
    utf8proc_int32_t last; /* The last character of the present run without spaces; 0: none. */
    bool has_pair;         /* The run gave a pair already. */
    bool stopped;
};

static bool is_word_character(utf8proc_int32_t character)
{
    utf8proc_category_t category = utf8proc_category(character);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

/* Scripts written without spaces between words: Han, Kana, Hangul. */
static bool is_of_spaceless_script(utf8proc_int32_t character)
{
    return (character >= 0x3040 && character <= 0x30FF) || /* Hiragana, Katakana */
           (character >= 0x3400 && character <= 0x4DBF) || /* Han extension A */
           (character >= 0x4E00 && character <= 0x9FFF) || /* Han */
           (character >= 0xAC00 && character <= 0xD7A3) || /* Hangul syllables */
           (character >= 0xF900 && character <= 0xFAFF) || /* Han compatibility */
           (character >= 0x20000 && character <= 0x3FFFF); /* Han further extensions */
}

static void give(struct splitter *splitter, const struct word *word)
{
    if (!splitter->stopped && word->size)
        splitter->stopped = !splitter->each(splitter->argument, word);
}

static void append(struct word *word, utf8proc_int32_t character)
{
    utf8proc_uint8_t bytes[4];
    size_t size = (size_t)utf8proc_encode_char(character, bytes);
    if (word->size + size > WORD_BYTES_MAX)
        return;
    memcpy(word->text + word->size, bytes, size);
    word->size += size;
}

static void end_word(struct splitter *splitter)
{
    give(splitter, &splitter->word);
    splitter->word.size = 0;
}

static void end_run(struct splitter *splitter)
{
    struct word word = {.is_run = true};
    if (!splitter->last)
        return;
    append(&word, splitter->last);
    if (splitter->use == WORDS_TO_STORE || !splitter->has_pair)
        give(splitter, &word);
    splitter->last = 0;
    splitter->has_pair = false;
}

static void take_run_character(struct splitter *splitter, utf8proc_int32_t character)
{
    struct word pair = {.is_run = true};
    end_word(splitter);
    if (splitter->last) {
        append(&pair, splitter->last);
        append(&pair, character);
        give(splitter, &pair);
        splitter->has_pair = true;
    }
    splitter->last = character;
}

static void take(struct splitter *splitter, utf8proc_int32_t character)
{
    if (is_of_spaceless_script(character) && is_word_character(character)) {
        take_run_character(splitter, character);
        return;
    }
    end_run(splitter);
    if (is_word_character(character))
        append(&splitter->word, character);
    else
        end_word(splitter);
}

/* A mark alone ends nothing: it belongs to the letter before it, which has lost it. */
static void fold(struct splitter *splitter, utf8proc_int32_t character)
{
    utf8proc_int32_t folded[32];
    int last_bound = 0;
    if (character >= 0xAC00 && character <= 0xD7A3) { /* Would fall apart into its letters. */
        take(splitter, character);
        return;
    }
    utf8proc_ssize_t count = utf8proc_decompose_char(
        character, folded, 32,
        UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK, &last_bound);
    for (utf8proc_ssize_t i = 0; i < count && i < 32; i++)
        take(splitter, folded[i]);
}

void words_split(const char *text, size_t size, enum words_use use, words_each each, void *argument)
{
    struct splitter splitter = {.use = use, .each = each, .argument = argument};
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    utf8proc_ssize_t left = (utf8proc_ssize_t)size;
    while (left > 0 && !splitter.stopped) {
        utf8proc_int32_t character;
        utf8proc_ssize_t used = utf8proc_iterate(at, left, &character);
        if (used < 1) { /* Stored text is UTF-8; a search may bring anything. */
            used = 1;
            character = ' ';
        }
        fold(&splitter, character);
        at += used;
        left -= used;
    }
    end_run(&splitter);
    end_word(&splitter);
}
