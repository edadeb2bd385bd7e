/* Does decimal operations from stdin, one per line, and prints one result per line;
 * decimal_property.py feeds it and knows the right answers.
 *
 *     parse TEXT                       the number, or "refused"; TEXT is the rest of the line
 *     add|sub|compare|min A B          neg|abs A
 *     mul|div A B SCALE                mul_div A B C SCALE
 *     round|trim A SCALE               allocate TOTAL SCALE WEIGHT...     the parts, or "refused"
 */
#include "kontor/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64

struct words {
    char *at[WORDS_MAX];
    size_t count;
};

static void complain(const char *what, const char *about)
{
    fprintf(stderr, "decimal_property: %s: %s\n", what, about);
    exit(2);
}

static struct kt_decimal number(const char *word)
{
    struct kt_decimal value;
    if (strcmp(word, "invalid") == 0)
        return kt_decimal_invalid();
    if (!kt_decimal_parse(word, strlen(word), &value))
        complain("not a number", word);
    return value;
}

static int scale(const char *word)
{
    return (int)strtol(word, NULL, 10);
}

static enum kt_rounding rounding(const char *word)
{
    return (enum kt_rounding)strtol(word, NULL, 10);
}

static void print(struct kt_decimal value, char end)
{
    char text[KT_DECIMAL_TEXT_SIZE];
    size_t length = kt_decimal_format(value, text);
    if (length != strlen(text))
        complain("wrong length of", text);
    fwrite(text, 1, length, stdout);
    putchar(end);
}

static void do_parse(const char *text, size_t length)
{
    struct kt_decimal value;
    if (kt_decimal_parse(text, length, &value))
        print(value, '\n');
    else
        puts("refused");
}

static void do_allocate(const struct words *words)
{
    struct kt_decimal parts[WORDS_MAX];
    size_t count = words->count - 3;
    for (size_t i = 0; i < count; i++)
        parts[i] = number(words->at[3 + i]);
    /* In place, which the contract allows. */
    if (!kt_decimal_allocate(number(words->at[1]), parts, count, scale(words->at[2]), parts)) {
        puts("refused");
        return;
    }
    for (size_t i = 0; i < count; i++)
        print(parts[i], i + 1 < count ? ' ' : '\n');
}

static void do_operation(const struct words *words)
{
    char *const *w = words->at;
    const char *name = w[0];
    if (strcmp(name, "allocate") == 0 && words->count > 3)
        do_allocate(words);
    else if (strcmp(name, "add") == 0 && words->count == 3)
        print(kt_decimal_add(number(w[1]), number(w[2])), '\n');
    else if (strcmp(name, "sub") == 0 && words->count == 3)
        print(kt_decimal_sub(number(w[1]), number(w[2])), '\n');
    else if (strcmp(name, "min") == 0 && words->count == 3)
        print(kt_decimal_min(number(w[1]), number(w[2])), '\n');
    else if (strcmp(name, "compare") == 0 && words->count == 3)
        printf("%d\n", kt_decimal_compare(number(w[1]), number(w[2])));
    else if (strcmp(name, "neg") == 0 && words->count == 2)
        print(kt_decimal_neg(number(w[1])), '\n');
    else if (strcmp(name, "abs") == 0 && words->count == 2)
        print(kt_decimal_abs(number(w[1])), '\n');
    else if (strcmp(name, "mul") == 0 && words->count == 4)
        print(kt_decimal_mul(number(w[1]), number(w[2]), scale(w[3])), '\n');
    else if (strcmp(name, "div") == 0 && words->count == 4)
        print(kt_decimal_div(number(w[1]), number(w[2]), scale(w[3])), '\n');
    else if (strcmp(name, "mul_div") == 0 && words->count == 5)
        print(kt_decimal_mul_div(number(w[1]), number(w[2]), number(w[3]), scale(w[4])), '\n');
    else if (strcmp(name, "round") == 0 && words->count == 3)
        print(kt_decimal_round(number(w[1]), scale(w[2])), '\n');
    else if (strcmp(name, "round_by") == 0 && words->count == 4)
        print(kt_decimal_round_by(number(w[1]), scale(w[2]), rounding(w[3])), '\n');
    else if (strcmp(name, "mul_div_by") == 0 && words->count == 6)
        print(kt_decimal_mul_div_by(number(w[1]), number(w[2]), number(w[3]), scale(w[4]),
                                    rounding(w[5])),
              '\n');
    else if (strcmp(name, "trim") == 0 && words->count == 3)
        print(kt_decimal_trim(number(w[1]), scale(w[2])), '\n');
    else
        complain("not an operation", name);
}

/** Cuts the line into words where it has blanks. */
static struct words split(char *line)
{
    struct words words = {.count = 0};
    while (*line != '\0' && words.count < WORDS_MAX) {
        words.at[words.count++] = line;
        line += strcspn(line, " ");
        if (*line == ' ')
            *line++ = '\0';
    }
    return words;
}

int main(void)
{
    static const char parse[] = "parse ";
    const size_t parse_length = strlen(parse);
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, stdin)) > 0) {
        size_t size = (size_t)length;
        if (line[size - 1] == '\n')
            line[--size] = '\0';
        if (size >= parse_length && memcmp(line, parse, parse_length) == 0) {
            do_parse(line + parse_length, size - parse_length);
            continue;
        }
        struct words words = split(line);
        if (words.count == 0)
            complain("an empty line", "");
        do_operation(&words);
    }
    free(line);
    return 0;
}
