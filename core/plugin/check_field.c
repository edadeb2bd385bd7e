/* Declarations of single fields. What a field may not say is a table: a test and a sentence. */
#include <stdlib.h>
#include <string.h>

#include "kontor/limits.h"
#include "plugin/check.h"

/* A field where it is declared. */
struct subject {
    const struct kt_entity *entity; /* NULL for parameters. */
    struct kt_fields beside;
    const struct kt_field *field;
    enum place place;
};

#define TYPE(type) (1u << (type))
#define NUMBERS    (TYPE(KT_INT) | TYPE(KT_DECIMAL) | TYPE(KT_MONEY) | TYPE(KT_QUANTITY))
#define REFERENCES (TYPE(KT_REF) | TYPE(KT_REFS))
#define UNORDERED  (TYPE(KT_LINES) | TYPE(KT_JSON) | TYPE(KT_FILE))
#define LISTS      (TYPE(KT_LINES) | TYPE(KT_TAGS) | TYPE(KT_REFS))
#define NO_VALUE   (UNORDERED | TYPE(KT_TAGS) | TYPE(KT_REFS))

static bool is_one_of(const struct kt_field *field, unsigned types)
{
    return TYPE(field->type) & types;
}

static const struct kt_field *find(struct kt_fields fields, const char *name)
{
    for (size_t i = 0; i < fields.count; i++)
        if (strcmp(fields.at[i].name, name) == 0)
            return &fields.at[i];
    return NULL;
}

/* --- Flags and the types they are for --- */

static const struct {
    unsigned flag;
    unsigned types;
    const char *why;
} flag_types[] = {
    {KT_UNIQUE, ~NO_VALUE, "a list, a file or json cannot be unique"},
    {KT_INDEXED, ~UNORDERED, "lines, a file or json have no index of their own"},
    {KT_POSITIVE | KT_NONNEGATIVE, NUMBERS, "only a number is above or not below 0"},
    {KT_SOFT, REFERENCES, "only a reference is soft"},
    {KT_UNCHECKED, TYPE(KT_JSON), "only json is unchecked"},
    {KT_MULTILINE, TYPE(KT_TEXT), "only text has several lines"},
    {KT_SEARCHABLE, TYPE(KT_TEXT) | TYPE(KT_TAGS), "only text and tags are searchable"},
};

/* --- What else a field may not say --- */

static bool lacks_target(const struct subject *of)
{
    return is_one_of(of->field, REFERENCES) && !of->field->to;
}

static bool lacks_choices(const struct subject *of)
{
    return of->field->type == KT_ENUM && of->field->choices.count == 0;
}

static bool bad_lines(const struct subject *of)
{
    return of->field->type == KT_LINES && (of->place == IN_LINE || of->field->lines.count == 0);
}

static bool refs_in_line(const struct subject *of)
{
    return of->field->type == KT_REFS && of->place == IN_LINE;
}

static bool unique_in_line(const struct subject *of)
{
    return (of->field->flags & KT_UNIQUE) && of->place == IN_LINE;
}

static bool is_number_token(const char *token, size_t length)
{
    char *end;
    long digits = strtol(token, &end, 10);
    return strchr("0123456789", *token) && end == token + length && digits >= 1 && digits <= 18;
}

static bool is_date_token(const char *token, size_t length)
{
    static const char *const own[] = {"year", "month", "day"};
    for (size_t i = 0; i < KT_COUNT(own); i++)
        if (strlen(own[i]) == length && strncmp(own[i], token, length) == 0)
            return true;
    return false;
}

/* A field of the record that can stand in a number as it is. */
static bool is_field_token(const struct subject *of, const char *token, size_t length)
{
    const unsigned shown = TYPE(KT_TEXT) | TYPE(KT_ENUM) | TYPE(KT_STATE) | TYPE(KT_DATE) |
                           TYPE(KT_INT) | TYPE(KT_REF);
    for (size_t i = 0; i < of->beside.count; i++) {
        const struct kt_field *field = &of->beside.at[i];
        if (strlen(field->name) == length && strncmp(field->name, token, length) == 0)
            return is_one_of(field, shown) && !field->sequence && !(field->flags & KT_ON_READ);
    }
    return false;
}

/* Where the number ends must show in the text, or two records come to the same one. */
static bool is_apart(char beside)
{
    return beside != '}' && beside != '{' && beside != '\0' && !strchr("0123456789", beside);
}

/* Literal text, one {N}, the number with N = 1 to 18 digits, any of {year}, {month}, {day}, and
 * fields of the record on one side of the number, with a character between that is no digit. */
static bool is_sequence(const struct subject *of)
{
    const char *pattern = of->field->sequence, *number = NULL, *number_end = NULL;
    bool before = false, behind = false;
    for (const char *at = pattern; *at; at++) {
        if (*at != '{')
            continue;
        const char *end = strchr(at, '}');
        size_t length = end ? (size_t)(end - at - 1) : 0;
        if (length == 0)
            return false;
        if (is_number_token(at + 1, length)) {
            if (number)
                return false;
            number = at;
            number_end = end;
        } else if (is_field_token(of, at + 1, length)) {
            *(number ? &behind : &before) = true;
        } else if (!is_date_token(at + 1, length)) {
            return false;
        }
        at = end;
    }
    return number && strlen(pattern) <= KT_SEQUENCE_MAX && !(before && behind) &&
           (!before || is_apart(number[-1])) && (!behind || is_apart(number_end[1]));
}

static bool bad_sequence(const struct subject *of)
{
    return of->field->sequence &&
           (of->field->type != KT_TEXT || of->place == IN_LINE || !is_sequence(of));
}

static bool bad_digits(const struct subject *of)
{
    return of->field->digits < 0 || of->field->digits > KT_DECIMAL_SCALE_MAX;
}

static bool digits_elsewhere(const struct subject *of)
{
    return of->field->digits && !is_one_of(of->field, NUMBERS & ~TYPE(KT_INT));
}

static bool length_elsewhere(const struct subject *of)
{
    return of->field->max_length && !is_one_of(of->field, LISTS | TYPE(KT_TEXT));
}

static bool choices_elsewhere(const struct subject *of)
{
    return of->field->choices.count && of->field->type != KT_ENUM;
}

static bool target_elsewhere(const struct subject *of)
{
    return of->field->to && !is_one_of(of->field, REFERENCES);
}

static bool initial_elsewhere(const struct subject *of)
{
    return of->field->initial && is_one_of(of->field, NO_VALUE | TYPE(KT_STATE));
}

static bool tells_what_is_masked(const struct subject *of)
{
    return (of->field->flags & KT_SEARCHABLE) && (of->field->flags & KT_SENSITIVE);
}

static bool released_oddly(const struct subject *of)
{
    return (of->field->flags & (KT_SET_NULL | KT_CASCADE)) &&
           (of->place == IN_METHOD || !is_one_of(of->field, REFERENCES));
}

static bool released_twice(const struct subject *of)
{
    const unsigned both = KT_SET_NULL | KT_CASCADE;
    return (of->field->flags & both) == both;
}

static bool emptied_but_required(const struct subject *of)
{
    return (of->field->flags & KT_SET_NULL) && (of->field->flags & KT_REQUIRED) &&
           of->field->type == KT_REF;
}

static bool bad_sensitive(const struct subject *of)
{
    return (of->field->flags & KT_SENSITIVE) &&
           (of->place == IN_METHOD || of->field->type == KT_STATE);
}

/* Of a parameter the other field may be anywhere: such lines are often those of an entity. */
static bool bad_currency(const struct subject *of)
{
    if (!of->field->currency)
        return false;
    const struct kt_field *code = of->entity ? find(of->entity->fields, of->field->currency) : NULL;
    return of->field->type != KT_MONEY ||
           (of->entity && (!code || code->type != KT_TEXT || (code->flags & KT_ON_READ)));
}

static bool bad_unit(const struct subject *of)
{
    if (!of->field->unit)
        return false;
    const struct kt_field *unit = find(of->beside, of->field->unit);
    return of->field->type != KT_QUANTITY ||
           (of->entity && (!unit || (unit->flags & KT_ON_READ) ||
                           !is_one_of(unit, TYPE(KT_TEXT) | TYPE(KT_ENUM) | TYPE(KT_REF))));
}

static bool bad_frozen(const struct subject *of)
{
    if (of->field->frozen.count == 0)
        return false;
    bool bad = of->field->type == KT_STATE || of->field->compute;
    for (size_t i = 0; of->entity && !bad && i < of->field->frozen.count; i++)
        bad = !check_has_state(of->entity, of->field->frozen.at[i]);
    return bad;
}

static bool computed_elsewhere(const struct subject *of)
{
    return of->field->compute && (!of->entity || of->place == IN_LINE);
}

static bool computed_and_given(const struct subject *of)
{
    return of->field->compute && (of->field->sequence || of->field->initial);
}

static bool computed_oddly(const struct subject *of)
{
    return of->field->compute &&
           is_one_of(of->field, TYPE(KT_STATE) | TYPE(KT_LINES) | TYPE(KT_FILE));
}

static bool read_without_compute(const struct subject *of)
{
    return (of->field->flags & KT_ON_READ) && !of->field->compute;
}

static bool read_but_kept(const struct subject *of)
{
    return (of->field->flags & KT_ON_READ) &&
           ((of->field->flags & (KT_UNIQUE | KT_INDEXED | KT_SEARCHABLE | KT_REQUIRED)) ||
            is_one_of(of->field, REFERENCES));
}

static const struct {
    bool (*bad)(const struct subject *of);
    const char *why;
} rules[] = {
    {lacks_target, "a reference needs `to`"},
    {lacks_choices, "an enum needs `choices`"},
    {bad_lines, "lines need `lines`, and not within lines"},
    {refs_in_line, "a list of references cannot be in a line"},
    {unique_in_line, "a line field cannot be unique"},
    {bad_sequence,
     "a sequence is for text, has one {N} with N of 1 to 18 digits, and perhaps {year}, {month}, "
     "{day}; fields of the record (text, a choice, a date, a whole number, a reference) stand on "
     "one side of the number, with a character between that is no digit"},
    {bad_digits, "digits must be 0 to 18"},
    {digits_elsewhere, "`digits` is for decimal, money and quantity"},
    {length_elsewhere, "`max_length` is for text and lists"},
    {choices_elsewhere, "`choices` is for an enum"},
    {target_elsewhere, "`to` is for references"},
    {initial_elsewhere, "`initial` is for single values"},
    {tells_what_is_masked, "a search would tell what is masked"},
    {released_oddly, "`set_null` and `cascade` are for references of records"},
    {released_twice, "`set_null` or `cascade`, not both"},
    {emptied_but_required, "a required reference cannot be `set_null`"},
    {bad_sensitive, "`sensitive` is for fields of records, but for the state"},
    {bad_currency, "`currency` is for money and names a stored text field of the record"},
    {bad_unit, "`unit` is for a quantity and names a stored text, enum or reference field beside "
               "it"},
    {bad_frozen, "`frozen` names states of the entity, and is neither for its state nor for what "
                 "is computed"},
    {computed_elsewhere, "only fields of the record itself are computed"},
    {computed_and_given, "a computed field has no sequence and no initial value"},
    {computed_oddly, "a state, lines and a file cannot be computed"},
    {read_without_compute, "`on_read` needs `compute`"},
    {read_but_kept, "what is computed when read is neither unique, indexed, searchable, required "
                    "nor a reference"},
};

static enum kt_status check_name(struct checker *checker, const char *owner,
                                 const struct kt_field *field, enum place place)
{
    static const char *const own[] = {"id", "version", "archived", "last_line"};
    if (!check_is_word(field->name))
        return check_refuse(checker, "%s: bad field name '%s'", owner,
                            field->name ? field->name : "");
    for (size_t i = 0; i < KT_COUNT(own); i++)
        if (place != IN_METHOD && strcmp(field->name, own[i]) == 0)
            return check_refuse(checker, "%s.%s is the server's own field", owner, field->name);
    if (field->type < KT_TEXT || field->type > KT_FILE)
        return check_refuse(checker, "%s.%s has no type", owner, field->name);
    return KT_OK;
}

static enum kt_status check_field(struct checker *checker, const char *owner,
                                  const struct subject *of)
{
    for (size_t i = 0; i < KT_COUNT(flag_types); i++)
        if ((of->field->flags & flag_types[i].flag) && !is_one_of(of->field, flag_types[i].types))
            return check_refuse(checker, "%s.%s: %s", owner, of->field->name, flag_types[i].why);
    for (size_t i = 0; i < KT_COUNT(rules); i++)
        if (rules[i].bad(of))
            return check_refuse(checker, "%s.%s: %s", owner, of->field->name, rules[i].why);
    return KT_OK;
}

/* All names first: rules look beside the field. */
/* NOLINTNEXTLINE(misc-no-recursion): lines are not within lines. */
enum kt_status check_fields(struct checker *checker, const char *owner,
                            const struct kt_entity *entity, struct kt_fields fields,
                            enum place place)
{
    for (size_t i = 0; i < fields.count; i++) {
        KT_TRY(check_name(checker, owner, &fields.at[i], place));
        for (size_t j = 0; j < i; j++)
            if (strcmp(fields.at[i].name, fields.at[j].name) == 0)
                return check_refuse(checker, "%s.%s is declared twice", owner, fields.at[i].name);
    }
    for (size_t i = 0; i < fields.count; i++) {
        struct subject subject = {
            .entity = entity, .beside = fields, .field = &fields.at[i], .place = place};
        KT_TRY(check_field(checker, owner, &subject));
        if (fields.at[i].type == KT_LINES)
            KT_TRY(check_fields(checker, owner, entity, fields.at[i].lines, IN_LINE));
    }
    return KT_OK;
}
