/* Goal: references of a batch find what they name, say where they do not, and cannot be made to
 * build more than a message may hold.
 * Method: parameters and answers as JSON; one earlier operation is called "order". */
#include "engine/reference.h"
#include "record_fixture.h"

static enum kt_status find(struct kt_ctx *ctx, void *argument, const char *name, size_t length,
                           const msgpack_object **out)
{
    const msgpack_object *answers = argument;
    size_t index;
    (void)ctx;
    if (!reference_index(name, length, &index))
        index = length == 5 && memcmp(name, "order", 5) == 0 ? 0 : SIZE_MAX;
    *out = index < answers->via.array.size ? &answers->via.array.ptr[index] : NULL;
    return KT_OK;
}

static enum kt_status resolve(struct fixture *f, const msgpack_object *answers,
                              const msgpack_object *params, msgpack_object *out)
{
    struct reference_scope scope = {.find = find, .argument = (void *)(uintptr_t)answers};
    context_forgive(&f->ctx);
    return reference_resolve(&f->ctx, &scope, "ops[1]", params, out);
}

static const msgpack_object *answers(struct fixture *f)
{
    return json(f, "[{'id': 7, 'lines': [{'id': 1, 'net': '1.00'}, {'id': 2}], 'none': null}]");
}

static void references_are_replaced_anywhere(void **state)
{
    struct fixture *f = *state;
    msgpack_object out;
    assert_int_equal(resolve(f, answers(f),
                             json(f, "{'id': {'$': '0.id'}, 'values': {'lines': ["
                                     " {'id': {'$': 'order.lines.1.id'}, 'price': '2'}],"
                                     " 'net': {'$': '0.lines.0.net'}, 'empty': {'$': '0.none'},"
                                     " 'all': {'$': '0.lines'}}, 'plain': [1, {'a': 'b'}]}"),
                             &out),
                     KT_OK);
    assert_value(f, &out,
                 json(f, "{'id': 7, 'values': {'lines': [{'id': 2, 'price': '2'}], 'net': '1.00',"
                         " 'empty': null, 'all': [{'id': 1, 'net': '1.00'}, {'id': 2}]},"
                         " 'plain': [1, {'a': 'b'}]}"));
}

static void a_map_with_more_than_the_sign_is_no_reference(void **state)
{
    struct fixture *f = *state;
    msgpack_object out;
    const msgpack_object *plain = json(f, "{'a': {'$': '9.x', 'b': 1}, 'c': {'$$': '9.x'}}");
    assert_int_equal(resolve(f, answers(f), plain, &out), KT_OK);
    assert_value(f, &out, plain);
}

static void wrong_references_say_where_they_stand(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {
        "1.id",       "other.id", "0.lines.2",    "0.lines.x",  "0.id.deeper",        "0.", "", ".",
        "0.lines.-1", "0..id",    "9999999999.x", "0.lines.0.", "0.lines.00000000000"};
    msgpack_object out;
    for (size_t i = 0; i < KT_COUNT(wrong); i++) {
        assert_int_equal(resolve(f, answers(f),
                                 json(f, "{'values': {'tags': ['a', {'$': '%s'}]}}", wrong[i]),
                                 &out),
                         KT_INVALID);
        assert_string_equal(f->ctx.error.field, "ops[1].values.tags[1]");
    }
    assert_int_equal(resolve(f, answers(f), json(f, "{'id': {'$': 0}}"), &out), KT_INVALID);
    assert_string_equal(f->ctx.error.field, "ops[1].id");
}

/* A text of 1000 bytes: 4 MiB hold fewer than 4200 of it. */
static void what_references_put_in_is_bounded(void **state)
{
    struct fixture *f = *state;
    char *text = kt_alloc(&f->ctx, 1001);
    memset(text, 'x', 1000);
    const msgpack_object *long_answer = json(f, "['%s']", text);
    msgpack_object out;
    for (unsigned count = 3000; count <= 5000; count += 2000) {
        struct kt_list *list = kt_list_new(&f->ctx);
        for (unsigned i = 0; i < count; i++)
            kt_list_add(list, *json(f, "{'$': '0'}"));
        assert_int_equal(resolve(f, long_answer, &list->object, &out),
                         count == 3000 ? KT_OK : KT_TOO_LARGE);
        f->ctx.arena_used = 0;
    }
}

static void nesting_is_bounded(void **state)
{
    struct fixture *f = *state;
    const char *deep = "[[[[[[[[[[[[[[[[[[[[", *close = "]]]]]]]]]]]]]]]]]]]]";
    msgpack_object out;
    const msgpack_object *answer = json(f, "[%s%s]", deep, close);
    assert_int_equal(resolve(f, answer, json(f, "{'a': {'$': '0'}}"), &out), KT_OK);
    /* Twenty levels at a place that is twenty deep. */
    assert_int_equal(resolve(f, answer, json(f, "%s{'$': '0'}%s", deep, close), &out),
                     KT_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(references_are_replaced_anywhere),
        STORY(a_map_with_more_than_the_sign_is_no_reference),
        STORY(wrong_references_say_where_they_stand),
        STORY(what_references_put_in_is_bounded),
        STORY(nesting_is_bounded),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
