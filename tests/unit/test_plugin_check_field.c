/* Goal: a field that contradicts itself is refused when its module is loaded, with a sentence that
 * names it; and a sound one is not.
 * Method: one field at a time in a small entity, lines or parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plugin/catalog.h"

static enum kt_status compute_nothing(struct kt_ctx *ctx, const msgpack_object *record,
                                      msgpack_object *out)
{
    (void)ctx;
    (void)record;
    (void)out;
    return KT_OK;
}

static enum kt_status run_nothing(struct kt_ctx *ctx, const msgpack_object *params)
{
    (void)ctx;
    (void)params;
    return KT_OK;
}

static const struct kt_state states[] = {{.name = "draft"}, {.name = "sent"}};
static const char *const sent[] = {"sent"};
static const char *const gone[] = {"draft", "gone"};

enum place { RECORD, LINE, PARAMETER };

#define SEQUENCE_OF_61 "1234567890123456789012345678901234567890123456789012345678"

/* What is said of a module with this field. */
static const char *said(enum place place, const struct kt_field *field)
{
    static char why[512];
    struct kt_field fields[4] = {{.name = "state", .type = KT_STATE},
                                 {.name = "code", .type = KT_TEXT},
                                 {.name = "count", .type = KT_INT},
                                 *field};
    if (place == LINE)
        fields[3] = (struct kt_field){
            .name = "lines", .type = KT_LINES, .lines = {.at = field, .count = 1}};
    struct kt_entity entity = {.name = "lab.doc",
                               .fields = {.at = fields, .count = place == PARAMETER ? 3 : 4},
                               .states = KT_LIST(states)};
    const struct kt_entity *const entities[] = {&entity};
    struct kt_method method = {
        .name = "lab.run", .run = run_nothing, .params = {.at = field, .count = 1}};
    struct kt_plugin plugin = {KT_PLUGIN_HEAD,
                               .name = "lab",
                               .version = "1.0.0",
                               .schema = 1,
                               .entities = KT_LIST(entities),
                               .methods = {.at = &method, .count = place == PARAMETER}};
    why[0] = '\0';
    enum kt_status status = plugin_check(&plugin, false, why, sizeof(why));
    assert_int_equal(status, *why ? KT_INVALID : KT_OK);
    return why;
}

static void nonsense_is_named(void **state)
{
    static const struct {
        enum place place;
        struct kt_field field;
        const char *why;
    } cases[] = {
        {RECORD, {.name = "f", .type = KT_REFS}, "lab.doc.f: a reference needs `to`"},
        {LINE, {.name = "f", .type = KT_REFS, .to = "lab.doc"}, "cannot be in a line"},
        {RECORD, {.name = "f", .type = KT_REFS, .to = "lab.doc", .flags = KT_UNIQUE}, "unique"},
        {RECORD, {.name = "f", .type = KT_LINES}, "lines need `lines`"},
        {RECORD, {.name = "f", .type = KT_INT, .flags = KT_MULTILINE}, "only text has several"},
        {RECORD, {.name = "f", .type = KT_TEXT, .flags = KT_POSITIVE}, "only a number"},
        {RECORD, {.name = "f", .type = KT_INT, .flags = KT_SOFT}, "only a reference"},
        {RECORD, {.name = "f", .type = KT_JSON, .flags = KT_INDEXED}, "no index of their own"},
        {RECORD, {.name = "f", .type = KT_MONEY, .currency = "none"}, "`currency` is for money"},
        {RECORD, {.name = "f", .type = KT_MONEY, .currency = "count"}, "`currency` is for money"},
        {RECORD, {.name = "f", .type = KT_INT, .currency = "code"}, "`currency` is for money"},
        {PARAMETER, {.name = "f", .type = KT_INT, .currency = "code"}, "`currency` is for money"},
        {RECORD, {.name = "f", .type = KT_QUANTITY, .unit = "count"}, "`unit` is for a quantity"},
        {LINE, {.name = "f", .type = KT_QUANTITY, .unit = "code"}, "`unit` is for a quantity"},
        {RECORD, {.name = "f", .type = KT_TEXT, .frozen = KT_LIST(gone)}, "names states"},
        {PARAMETER, {.name = "f", .type = KT_INT, .compute = compute_nothing}, "the record itself"},
        {RECORD, {.name = "f", .type = KT_TEXT, .flags = KT_ON_READ}, "needs `compute`"},
        {RECORD,
         {.name = "f", .type = KT_TEXT, .initial = "x", .compute = compute_nothing},
         "no initial value"},
        {RECORD,
         {.name = "f", .type = KT_TEXT, .sequence = "F{3}", .compute = compute_nothing},
         "no sequence"},
        {LINE, {.name = "f", .type = KT_INT, .compute = compute_nothing}, "the record itself"},
        {RECORD,
         {.name = "f", .type = KT_FILE, .compute = compute_nothing},
         "a file cannot be computed"},
        {RECORD,
         {.name = "f", .type = KT_INT, .compute = compute_nothing, .frozen = KT_LIST(sent)},
         "nor for what is computed"},
        {RECORD,
         {.name = "f",
          .type = KT_INT,
          .flags = KT_ON_READ | KT_INDEXED,
          .compute = compute_nothing},
         "neither unique, indexed"},
        {RECORD,
         {.name = "f",
          .type = KT_REF,
          .to = "lab.doc",
          .flags = KT_ON_READ,
          .compute = compute_nothing},
         "nor a reference"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = "F"}, "has one {N}"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = "{bad}"}, "has one {N}"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = "{300}"}, "has one {N}"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = "{0}"}, "has one {N}"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = "{+3}"}, "has one {N}"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = "{3"}, "has one {N}"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = "{3}{3}"}, "has one {N}"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = "{year}"}, "has one {N}"},
        {RECORD, {.name = "f", .type = KT_TEXT, .sequence = SEQUENCE_OF_61 "{3}"}, "has one {N}"},
        {RECORD, {.name = "version", .type = KT_INT}, "the server's own field"},
        {RECORD, {.name = "last_line", .type = KT_INT}, "the server's own field"},
        {RECORD, {.name = "code", .type = KT_INT}, "declared twice"},
    };
    (void)state;
    for (size_t i = 0; i < KT_COUNT(cases); i++) {
        const char *why = said(cases[i].place, &cases[i].field);
        if (!strstr(why, cases[i].why))
            fail_msg("case %zu: '%s' lacks '%s'", i, why, cases[i].why);
    }
}

static void sense_passes(void **state)
{
    static const struct kt_field good[] = {
        {.name = "f", .type = KT_TEXT, .flags = KT_MULTILINE, .frozen = KT_LIST(sent)},
        {.name = "f", .type = KT_MONEY, .currency = "code"},
        {.name = "f", .type = KT_QUANTITY, .unit = "code"},
        {.name = "f", .type = KT_REFS, .to = "lab.doc", .flags = KT_SOFT},
        {.name = "f", .type = KT_INT, .flags = KT_ON_READ, .compute = compute_nothing},
        {.name = "f", .type = KT_INT, .flags = KT_INDEXED, .compute = compute_nothing},
        {.name = "f", .type = KT_TEXT, .sequence = "{18}"},
        {.name = "f", .type = KT_TEXT, .sequence = "F{year}/{year}-{5}."},
    };
    (void)state;
    for (size_t i = 0; i < KT_COUNT(good); i++)
        assert_string_equal(said(RECORD, &good[i]), "");
    assert_string_equal(said(LINE, &(struct kt_field){.name = "f",
                                                      .type = KT_MONEY,
                                                      .currency = "code",
                                                      .frozen = KT_LIST(sent)}),
                        "");
    /* Lines of an entity are parameters, too. */
    assert_string_equal(said(PARAMETER, &(struct kt_field){.name = "f",
                                                           .type = KT_MONEY,
                                                           .currency = "code",
                                                           .frozen = KT_LIST(sent)}),
                        "");
    assert_string_equal(said(PARAMETER, &(struct kt_field){.name = "id", .type = KT_INT}), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(sense_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
