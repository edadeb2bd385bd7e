/* expect.*: what must have come of it. One that does not hold ends the test and says what was
 * expected and what was found. */
#include <lauxlib.h>
#include <string.h>

#include "record/record.h"
#include "record/space.h"
#include "script/test_internal.h"

/* Bytes of one value in a message. */
#define SHOWN_BYTES 200u

_Noreturn static void fail(lua_State *lua, const char *english, const char *chinese)
{
    struct script_suite *suite = script_suite_of(lua);
    suite->expected = english;
    suite->expected_zh = chinese;
    luaL_error(lua, "%s", english);
    abort();
}

/* --- Values in words --- */

static const char *show(struct kt_ctx *ctx, const msgpack_object *value, int depth);

static const char *show_list(struct kt_ctx *ctx, const msgpack_object *value, int depth)
{
    const char *text = "";
    for (uint32_t i = 0; i < value->via.array.size && strlen(text) < SHOWN_BYTES; i++)
        text = kt_format(ctx, "%s%s%s", text, i ? ", " : "",
                         show(ctx, &value->via.array.ptr[i], depth + 1));
    return kt_format(ctx, "{%s}", text);
}

static const char *show_map(struct kt_ctx *ctx, const msgpack_object *value, int depth)
{
    const char *text = "";
    for (uint32_t i = 0; i < value->via.map.size && strlen(text) < SHOWN_BYTES; i++) {
        const msgpack_object_kv *pair = &value->via.map.ptr[i];
        text = kt_format(ctx, "%s%s%.*s = %s", text, i ? ", " : "",
                         pair->key.type == MSGPACK_OBJECT_STR ? (int)pair->key.via.str.size : 0,
                         pair->key.type == MSGPACK_OBJECT_STR ? pair->key.via.str.ptr : "",
                         show(ctx, &pair->val, depth + 1));
    }
    return kt_format(ctx, "{%s}", text);
}

static const char *show(struct kt_ctx *ctx, const msgpack_object *value, int depth)
{
    char text[KT_INSTANT_TEXT_SIZE];
    kt_instant_us at;
    if (!value || depth > 4)
        return value ? "..." : "nil";
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        return "nil";
    case MSGPACK_OBJECT_BOOLEAN:
        return value->via.boolean ? "true" : "false";
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return kt_format(ctx, "%llu", (unsigned long long)value->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return kt_format(ctx, "%lld", (long long)value->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return kt_format(ctx, "%.14g", value->via.f64);
    case MSGPACK_OBJECT_STR:
        return kt_format(ctx, "\"%s\"",
                         script_clean(ctx, value->via.str.ptr, value->via.str.size, SHOWN_BYTES));
    case MSGPACK_OBJECT_ARRAY:
        return show_list(ctx, value, depth);
    case MSGPACK_OBJECT_MAP:
        return show_map(ctx, value, depth);
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        break;
    }
    if (!context_instant_of(value, &at))
        return "bytes";
    kt_instant_format(at, text);
    return kt_format(ctx, "%s", text);
}

/* --- Comparing --- */

static bool text_of(const msgpack_object *value, const char **text, size_t *size)
{
    if (!value || value->type != MSGPACK_OBJECT_STR)
        return false;
    *text = value->via.str.ptr;
    *size = value->via.str.size;
    return true;
}

static bool decimal_of(const msgpack_object *value, struct kt_decimal *out)
{
    const char *text;
    size_t size;
    if (value && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= INT64_MAX)
        *out = kt_decimal_from_int((int64_t)value->via.u64);
    else if (value && value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *out = kt_decimal_from_int(value->via.i64);
    else
        return text_of(value, &text, &size) && kt_decimal_parse(text, size, out);
    return true;
}

static bool instant_of(const msgpack_object *value, kt_instant_us *out)
{
    const char *text;
    size_t size;
    if (text_of(value, &text, &size))
        return kt_instant_parse(text, size, out);
    return value && context_instant_of(value, out);
}

/* As the field reads them: 5 and "5.00" are one amount, but two texts. */
static bool same_field(const struct kt_field *field, const msgpack_object *found,
                       const msgpack_object *expected)
{
    struct kt_decimal a, b;
    kt_instant_us at, then;
    switch (field->type) {
    case KT_DECIMAL:
    case KT_MONEY:
    case KT_QUANTITY:
        if (decimal_of(found, &a) && decimal_of(expected, &b))
            return kt_decimal_compare(a, b) == 0;
        break;
    case KT_INSTANT:
        if (instant_of(found, &at) && instant_of(expected, &then))
            return at == then;
        break;
    default:
        break;
    }
    return kt_equal(found, expected);
}

/* A decimal, date or instant compares with what says the same. */
static bool same(lua_State *lua, int a, int b)
{
    struct kt_decimal decimal;
    kt_instant_us at;
    msgpack_object first = script_take_value(lua, a, false);
    msgpack_object second = script_take_value(lua, b, false);
    struct kt_field like = {.name = "value", .type = KT_JSON};
    if (script_is_decimal(lua, a, &decimal) || script_is_decimal(lua, b, &decimal))
        like.type = KT_DECIMAL;
    else if (script_is_instant(lua, a, &at) || script_is_instant(lua, b, &at))
        like.type = KT_INSTANT;
    return same_field(&like, &first, &second);
}

static int expect_equal(lua_State *lua)
{
    struct kt_ctx *ctx = script_begin_call(lua)->ctx;
    luaL_checkany(lua, 2);
    if (same(lua, 1, 2))
        return 0;
    msgpack_object found = script_take_value(lua, 1, false);
    msgpack_object wanted = script_take_value(lua, 2, false);
    const char *a = show(ctx, &wanted, 0), *b = show(ctx, &found, 0);
    fail(lua, kt_format(ctx, "expected %s, found %s", a, b),
         kt_format(ctx, "应为 %s，实际为 %s", a, b));
}

/* --- Outcomes --- */

static const char *member(lua_State *lua, const char *name)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, 1);
    return lua_type(lua, -1) == LUA_TSTRING ? lua_tostring(lua, -1) : NULL;
}

/* The outcome's texts stay on the stack. */
struct outcome {
    bool ok;
    const char *code, *message, *message_zh, *rule, *field;
};

static struct outcome take_outcome(lua_State *lua)
{
    struct outcome out = {0};
    luaL_argcheck(lua, lua_istable(lua, 1), 1, "an outcome of when.* is expected");
    luaL_checkstack(lua, 10, "outcome");
    lua_pushliteral(lua, "ok");
    luaL_argcheck(lua, lua_rawget(lua, 1) == LUA_TBOOLEAN, 1, "an outcome of when.* is expected");
    out.ok = lua_toboolean(lua, -1);
    out.code = member(lua, "code");
    out.message = member(lua, "message");
    out.message_zh = member(lua, "message_zh");
    out.rule = member(lua, "rule");
    out.field = member(lua, "field");
    return out;
}

static const char *found_in_words(struct kt_ctx *ctx, const struct outcome *found, bool chinese)
{
    const char *message = chinese ? found->message_zh : found->message;
    if (found->ok)
        return chinese ? "成功" : "success";
    return kt_format(ctx, "%s%s%s%s%s: %s", found->code ? found->code : "",
                     found->rule ? chinese ? "，规则 " : " by rule " : "",
                     found->rule ? found->rule : "",
                     found->field ? chinese ? "，字段 " : ", field " : "",
                     found->field ? found->field : "", message ? message : "");
}

_Noreturn static void fail_outcome(lua_State *lua, const struct outcome *found, const char *english,
                                   const char *chinese)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    fail(lua, kt_format(ctx, "expected %s, found %s", english, found_in_words(ctx, found, false)),
         kt_format(ctx, "应为%s，实际为%s", chinese, found_in_words(ctx, found, true)));
}

static bool is(const char *found, const char *wanted)
{
    return !wanted || (found && strcmp(found, wanted) == 0);
}

static int expect_ok(lua_State *lua)
{
    script_begin_call(lua);
    struct outcome found = take_outcome(lua);
    if (found.ok)
        return 0;
    fail_outcome(lua, &found, "success", "成功");
}

static int expect_denied(lua_State *lua)
{
    struct kt_ctx *ctx = script_begin_call(lua)->ctx;
    const char *rule = luaL_checkstring(lua, 2), *field = luaL_optstring(lua, 3, NULL);
    struct outcome found = take_outcome(lua);
    if (!found.ok && is(found.code, kt_status_code(KT_RULE_DENIED)) && is(found.rule, rule) &&
        is(found.field, field))
        return 0;
    fail_outcome(
        lua, &found,
        kt_format(ctx, "a denial by rule %s%s%s", rule, field ? ", field " : "",
                  field ? field : ""),
        kt_format(ctx, "被规则 %s 拒绝%s%s", rule, field ? "，字段 " : "", field ? field : ""));
}

static int expect_fails(lua_State *lua)
{
    struct kt_ctx *ctx = script_begin_call(lua)->ctx;
    const char *code = luaL_checkstring(lua, 2), *field = luaL_optstring(lua, 3, NULL);
    struct outcome found = take_outcome(lua);
    if (!found.ok && is(found.code, code) && is(found.field, field))
        return 0;
    fail_outcome(
        lua, &found,
        kt_format(ctx, "the failure %s%s%s", code, field ? ", field " : "", field ? field : ""),
        kt_format(ctx, "失败 %s%s%s", code, field ? "，字段 " : "", field ? field : ""));
}

/* --- Records --- */

static void expect_fields(lua_State *lua, struct kt_fields fields, const msgpack_object *record,
                          const msgpack_object *wanted, const char *path);

static const struct kt_field *check_field(lua_State *lua, struct kt_fields fields, const char *name,
                                          const char *path)
{
    struct script_guess guess = {.wanted = name};
    for (size_t i = 0; i < fields.count; i++) {
        if (strcmp(fields.at[i].name, name) == 0)
            return &fields.at[i];
        script_guess_try(&guess, fields.at[i].name);
    }
    luaL_error(lua, "%s has no field '%s'%s", path, name, script_guess_push(lua, &guess));
    return NULL;
}

static void expect_lines(lua_State *lua, const struct kt_field *field, const msgpack_object *found,
                         const msgpack_object *wanted, const char *path)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    uint32_t count = found && found->type == MSGPACK_OBJECT_ARRAY ? found->via.array.size : 0;
    if (wanted->type != MSGPACK_OBJECT_ARRAY)
        luaL_error(lua, "%s is a list of lines", path);
    if (wanted->via.array.size != count)
        fail(lua,
             kt_format(ctx, "expected %s to have %u lines, found %u", path, wanted->via.array.size,
                       count),
             kt_format(ctx, "%s 应有 %u 行，实际有 %u 行", path, wanted->via.array.size, count));
    for (uint32_t i = 0; i < count; i++)
        expect_fields(lua, field->lines, &found->via.array.ptr[i], &wanted->via.array.ptr[i],
                      kt_format(ctx, "%s[%u]", path, i + 1));
}

static void expect_field(lua_State *lua, const struct kt_field *field, const msgpack_object *found,
                         const msgpack_object *wanted, const char *path)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    if (field->type == KT_LINES) {
        expect_lines(lua, field, found, wanted, path);
        return;
    }
    if (same_field(field, found, wanted))
        return;
    const char *a = show(ctx, wanted, 0), *b = show(ctx, found, 0);
    fail(lua, kt_format(ctx, "expected %s to be %s, found %s", path, a, b),
         kt_format(ctx, "%s 应为 %s，实际为 %s", path, a, b));
}

static void expect_fields(lua_State *lua, struct kt_fields fields, const msgpack_object *record,
                          const msgpack_object *wanted, const char *path)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    if (wanted->type != MSGPACK_OBJECT_MAP)
        luaL_error(lua, "%s is compared with a table of its fields", path);
    for (uint32_t i = 0; i < wanted->via.map.size; i++) {
        const msgpack_object_kv *pair = &wanted->via.map.ptr[i];
        const char *name =
            kt_format(ctx, "%.*s", (int)pair->key.via.str.size, pair->key.via.str.ptr);
        const struct kt_field *field = check_field(lua, fields, name, path);
        expect_field(lua, field, kt_get(record, name), &pair->val,
                     kt_format(ctx, "%s.%s", path, name));
    }
}

/* The record as the server has it: fields computed when read, too. */
static int expect_record(lua_State *lua)
{
    struct script_call *call = script_begin_call(lua);
    struct kt_ctx *ctx = call->ctx;
    const struct schema_entity *entity;
    const msgpack_object *answer = NULL;
    struct kt_map *params = kt_map_new(ctx);
    size_t length;
    const char *name = luaL_checklstring(lua, 1, &length);
    lua_Integer id = luaL_checkinteger(lua, 2);
    msgpack_object wanted = script_take_map(lua, ctx, 3)->object;
    script_check_call(lua, record_entity(ctx, name, length, &entity));
    kt_map_set_text(params, "entity", entity->name);
    kt_map_set_int(params, "id", id);
    script_check_call(lua, ctx->host->call(ctx, "record.get", &params->object, &answer));
    expect_fields(lua, entity->decl->fields, answer, &wanted,
                  kt_format(ctx, "%s %lld", entity->name, (long long)id));
    return 0;
}

/* --- Events --- */

static uint32_t count_events(lua_State *lua, const char *topic)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    uint64_t last;
    uint32_t count = 0;
    script_check_call(lua, record_last_event(ctx, &last));
    for (uint64_t number = script_suite_of(lua)->first_event + 1; number <= last; number++) {
        struct key key;
        struct store_slice bytes;
        msgpack_object event;
        key_begin(&key, SPACE_EVENT);
        key_add_u64(&key, number);
        script_charge(lua, SCRIPT_CALL_STEPS);
        if (store_get(ctx->txn, key_slice(&key), &bytes) != KT_OK)
            continue;
        script_check_call(lua, context_unpack(ctx, bytes.at, bytes.size, false, &event));
        count += kt_is(&event, "topic", topic);
    }
    return count;
}

static int expect_event(lua_State *lua)
{
    struct kt_ctx *ctx = script_begin_call(lua)->ctx;
    const char *topic = luaL_checkstring(lua, 1);
    lua_Integer wanted = luaL_optinteger(lua, 2, -1);
    uint32_t found = count_events(lua, topic);
    if (!ctx->host->topic_known(ctx, topic))
        luaL_error(lua, "no module announces %s", topic);
    if (wanted < 0 ? found > 0 : found == wanted)
        return 0;
    if (wanted < 0)
        fail(lua, kt_format(ctx, "expected an event %s, found none", topic),
             kt_format(ctx, "应有事件 %s，实际没有", topic));
    fail(lua, kt_format(ctx, "expected %lld events %s, found %u", (long long)wanted, topic, found),
         kt_format(ctx, "应有 %lld 个事件 %s，实际有 %u 个", (long long)wanted, topic, found));
}

void script_add_expect(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"ok", expect_ok},
                                         {"denied", expect_denied},
                                         {"fails", expect_fails},
                                         {"equal", expect_equal},
                                         {"record", expect_record},
                                         {"event", expect_event},
                                         {NULL, NULL}};
    lua_newtable(lua);
    luaL_setfuncs(lua, functions, 0);
    script_make_strict(lua, "expect");
    script_make_readonly(lua, "expect");
    lua_setfield(lua, -2, "expect");
}
