/* Goal: texts fall into the words that people mean, in whatever script, case or width.
 * Method: a table of texts and their words, written "one|two". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/words.h"

static bool append(void *argument, const struct word *word)
{
    char *joined = argument;
    size_t used = strlen(joined);
    snprintf(joined + used, 512 - used, "%s%.*s", used ? "|" : "", (int)word->size, word->text);
    return true;
}

static void assert_words(enum words_use use, const char *text, const char *expected)
{
    char joined[512] = "";
    words_split(text, strlen(text), use, append, joined);
    assert_string_equal(joined, expected);
}

static void words_are_folded(void **state)
{
    static const char *const table[][2] = {
        {"", ""},
        {" ,.;-!? ", ""},
        {"Hansa Handel", "hansa|handel"},
        {"MÜLLER Müller muller", "muller|muller|muller"},
        {"Mu\xCC\x88ller", "muller"}, /* u and a combining diaeresis */
        {"Straße STRASSE", "strasse|strasse"},
        {"ＡＢＣ１２", "abc12"},
        {"ﬁne", "fine"},
        {"SO2026-00042", "so2026|00042"},
        {"anna@example.org", "anna|example|org"},
        {"Ёлка Ελλάς", "елка|ελλασ"},
        {"don't", "don|t"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_words(WORDS_TO_STORE, table[i][0], table[i][1]);
}

static void text_without_spaces_gives_pairs(void **state)
{
    (void)state;
    assert_words(WORDS_TO_STORE, "北京市", "北京|京市|市");
    assert_words(WORDS_TO_FIND, "北京市", "北京|京市");
    assert_words(WORDS_TO_FIND, "京", "京");
    assert_words(WORDS_TO_STORE, "上海ABC贸易", "上海|海|abc|贸易|易");
    assert_words(WORDS_TO_STORE, "东京，大阪", "东京|京|大阪|阪");
    assert_words(WORDS_TO_STORE, "カメラ・レンズ", "カメ|メラ|ラ|レン|ンス|ス");
    assert_words(WORDS_TO_STORE, "서울", "서울|울");
}

static void broken_bytes_part_words(void **state)
{
    (void)state;
    assert_words(WORDS_TO_FIND,
                 "ab\xFF\xFE"
                 "cd\xC3",
                 "ab|cd");
}

static void a_long_word_is_cut_alike_everywhere(void **state)
{
    char text[201], expected[WORD_BYTES_MAX + 1];
    (void)state;
    memset(text, 'a', 200);
    text[200] = '\0';
    memset(expected, 'a', WORD_BYTES_MAX);
    expected[WORD_BYTES_MAX] = '\0';
    assert_words(WORDS_TO_STORE, text, expected);
    assert_words(WORDS_TO_FIND, text, expected);
}

static bool stop_at_once(void *argument, const struct word *word)
{
    (void)word;
    ++*(int *)argument;
    return false;
}

static void the_caller_may_stop(void **state)
{
    int calls = 0;
    (void)state;
    words_split("one two 三四五 six", 20, WORDS_TO_STORE, stop_at_once, &calls);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_folded),
        cmocka_unit_test(text_without_spaces_gives_pairs),
        cmocka_unit_test(broken_bytes_part_words),
        cmocka_unit_test(a_long_word_is_cut_alike_everywhere),
        cmocka_unit_test(the_caller_may_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
