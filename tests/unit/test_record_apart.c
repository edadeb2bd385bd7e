/* Goal: what a module does apart fails without the request: nothing of it stays, the reason is
 * told, and what came before and comes after it is kept. Method: parties made in parts, one of
 * which fails after it has written. */
#include "record_fixture.h"

static char A[] = "A", B[] = "B", C[] = "C", inner[] = "inner", outer[] = "outer";

static enum kt_status add_party(struct kt_ctx *ctx, void *code)
{
    struct kt_map *party = kt_map_new(ctx);
    uint64_t id;
    kt_map_set_text(party, "code", code);
    return kt_record_create(ctx, "shop.party", party, &id);
}

static enum kt_status add_and_fail(struct kt_ctx *ctx, void *code)
{
    KT_TRY(add_party(ctx, code));
    return kt_fail(ctx, KT_CONFLICT, "code", "not %s", "不要 %s", (const char *)code);
}

static enum kt_status add_and_swallow(struct kt_ctx *ctx, void *code)
{
    (void)add_and_fail(ctx, code);
    return KT_OK;
}

static enum kt_status add_and_fill_memory(struct kt_ctx *ctx, void *code)
{
    KT_TRY(add_party(ctx, code));
    ctx->arena_full = true;
    return context_check_memory(ctx);
}

/* Parts within a part: the inner one fails. */
static enum kt_status add_two(struct kt_ctx *ctx, void *code)
{
    const char *why;
    KT_TRY(kt_apart(ctx, add_and_fail, inner, &why));
    assert_string_equal(why, "not inner");
    return add_party(ctx, code);
}

static bool is_there(struct fixture *f, const char *code)
{
    const msgpack_object *found;
    msgpack_object value = kt_text(code);
    assert_int_equal(kt_record_find(&f->ctx, "shop.party", "code", value, &found), KT_OK);
    return found != NULL;
}

static void a_failed_part_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const char *why;
    begin_step(f);
    assert_int_equal(kt_apart(&f->ctx, add_party, A, &why), KT_OK);
    assert_null(why);
    unsigned events = f->ctx.event_count;
    uint64_t last_event = f->ctx.last_event;
    assert_int_equal(kt_apart(&f->ctx, add_and_fail, B, &why), KT_OK);
    assert_string_equal(why, "not B");
    assert_int_equal(f->ctx.event_count, events);
    assert_int_equal(f->ctx.last_event, last_event);
    assert_int_equal(kt_apart(&f->ctx, add_and_swallow, B, &why), KT_OK);
    assert_string_equal(why, "not B");
    assert_int_equal(kt_apart(&f->ctx, add_party, C, &why), KT_OK);
    assert_null(why);
    end_step(f, f->ctx.error.status);
    assert_int_equal(f->status, KT_OK);
    assert_true(is_there(f, "A"));
    assert_false(is_there(f, "B"));
    assert_true(is_there(f, "C"));
}

static void parts_have_parts(void **state)
{
    struct fixture *f = *state;
    const char *why;
    begin_step(f);
    assert_int_equal(end_step(f, kt_apart(&f->ctx, add_two, outer, &why)), KT_OK);
    assert_null(why);
    assert_true(is_there(f, "outer"));
    assert_false(is_there(f, "inner"));
}

static void without_memory_the_request_fails(void **state)
{
    struct fixture *f = *state;
    const char *why;
    begin_step(f);
    end_step(f, kt_apart(&f->ctx, add_and_fill_memory, A, &why));
    assert_int_equal(f->status, KT_TOO_LARGE);
    assert_null(why);
    f->ctx.arena_full = false;
    assert_false(is_there(f, "A"));
}

int main(void)
{
    const struct CMUnitTest stories[] = {
        STORY(a_failed_part_leaves_nothing),
        STORY(parts_have_parts),
        STORY(without_memory_the_request_fails),
    };
    return cmocka_run_group_tests(stories, NULL, NULL);
}
