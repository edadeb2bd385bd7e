/* Records in rules: userdata that reads fields from the msgpack map when asked, so that a rule pays
 * only for what it looks at, and writes them back when it may.
 *
 * A proxy is good while the call that made it runs; afterwards it only raises an error. A record
 * and each of its lines share one struct script_record. Lines are copied on the first write to one
 * of them: until then they may be shared with the old version of the record. */
#include <lauxlib.h>
#include <string.h>

#include "record/record.h"
#include "script/script_internal.h"

#define RECORD "record"
#define LINES  "lines"

/* The lines of one field after a rule wrote to them. */
struct line_edit {
    struct line_edit *next;
    const struct kt_field *field;
    msgpack_object *lines; /* Our copy; the record's value points to it. */
    struct kt_map **maps;  /* NULL: not written to yet. */
};

struct script_record {
    const char *name;
    const struct schema_entity *entity;
    struct kt_fields fields;
    const msgpack_object *value; /* Read-only ones; NULL: not unpacked yet. */
    struct store_slice bytes;
    struct kt_ctx *ctx;
    struct kt_map *map;       /* Editable ones. */
    struct script_call *call; /* Of editable ones: is told of changes. */
    struct line_edit *edits;
    const char *fixed;
    bool masked; /* Its sensitive fields cannot be looked at. */
};

struct record_proxy {
    struct script_record *record;
    const struct kt_field *field; /* NULL: the record; else its lines, or one of them. */
    uint32_t line;
    unsigned depth;
    uint64_t serial;
};

struct script_record *script_record_fixed(struct kt_ctx *ctx, const char *name,
                                          const struct schema_entity *entity,
                                          struct kt_fields fields, const msgpack_object *value,
                                          const char *fixed)
{
    struct script_record *record = kt_alloc(ctx, sizeof(*record));
    *record = (struct script_record){.name = name,
                                     .entity = entity,
                                     .fields = fields,
                                     .value = value,
                                     .ctx = ctx,
                                     .fixed = fixed};
    return record;
}

struct script_record *script_record_open(struct kt_ctx *ctx, const struct schema_entity *entity,
                                         struct kt_map *map, struct script_call *call)
{
    struct script_record *record = kt_alloc(ctx, sizeof(*record));
    *record = (struct script_record){.name = entity->name,
                                     .entity = entity,
                                     .fields = entity->decl->fields,
                                     .map = map,
                                     .call = call};
    return record;
}

static void push_proxy(lua_State *lua, const char *kind, struct script_record *record,
                       const struct kt_field *field, uint32_t line)
{
    const struct script_set *set = script_of(lua);
    struct record_proxy *proxy = lua_newuserdatauv(lua, sizeof(*proxy), 0);
    *proxy = (struct record_proxy){.record = record,
                                   .field = field,
                                   .line = line,
                                   .depth = set->depth - 1,
                                   .serial = script_call_of(set)->serial};
    luaL_setmetatable(lua, kind);
}

void script_push_record(lua_State *lua, struct script_record *record)
{
    push_proxy(lua, RECORD, record, NULL, 0);
}

static struct script_record *open_read(lua_State *lua, const struct schema_entity *entity,
                                       const msgpack_object *value)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    struct script_record *record =
        script_record_fixed(ctx, entity->name, entity, entity->decl->fields, value,
                            "a record that was read cannot be changed: use kontor.update");
    record->masked = record_masks(ctx, entity);
    return record;
}

void script_push_found(lua_State *lua, const struct schema_entity *entity,
                       const msgpack_object *value)
{
    script_push_record(lua, open_read(lua, entity, value));
}

void script_push_read(lua_State *lua, const struct schema_entity *entity, struct store_slice bytes)
{
    struct script_record *record = open_read(lua, entity, NULL);
    record->bytes = bytes;
    script_push_record(lua, record);
}

void script_push_line(lua_State *lua, struct script_record *record, const char *lines,
                      lua_Integer number)
{
    for (size_t i = 0; i < record->fields.count; i++)
        if (strcmp(record->fields.at[i].name, lines) == 0)
            push_proxy(lua, RECORD, record, &record->fields.at[i], (uint32_t)(number - 1));
}

static const struct record_proxy *check(lua_State *lua, const char *kind)
{
    const struct record_proxy *proxy = luaL_checkudata(lua, 1, kind);
    script_check_alive(lua, proxy->depth, proxy->serial);
    return proxy;
}

static const msgpack_object *unpack(struct script_record *record)
{
    msgpack_object *value = kt_alloc(record->ctx, sizeof(*value));
    /* What is stored is well formed; else the record has no fields, and the request its error. */
    if (context_unpack(record->ctx, record->bytes.at, record->bytes.size, false, value) != KT_OK)
        *value = kt_nil();
    return value;
}

static const msgpack_object *whole(struct script_record *record)
{
    if (record->map)
        return &record->map->object;
    if (!record->value)
        record->value = unpack(record);
    return record->value;
}

/* The map a record proxy reads from. */
static const msgpack_object *map_of(const struct record_proxy *proxy)
{
    const msgpack_object *map = whole(proxy->record);
    return proxy->field ? kt_at(map, proxy->field->name, proxy->line) : map;
}

bool script_record_has(lua_State *lua, int index, const char *field)
{
    const struct record_proxy *proxy = luaL_checkudata(lua, index, RECORD);
    return kt_has(map_of(proxy), field);
}

static struct kt_fields fields_of(const struct record_proxy *proxy)
{
    return proxy->field ? proxy->field->lines : proxy->record->fields;
}

static bool is_own(const struct record_proxy *proxy, const char *name)
{
    if (strcmp(name, "id") == 0)
        return true;
    return !proxy->field && (strcmp(name, "version") == 0 || strcmp(name, "archived") == 0);
}

/* "sales.order", "sales.order.lines". */
static const char *push_place(lua_State *lua, const struct record_proxy *proxy)
{
    return lua_pushfstring(lua, "%s%s%s", proxy->record->name, proxy->field ? "." : "",
                           proxy->field ? proxy->field->name : "");
}

static const char *check_name(lua_State *lua, const struct record_proxy *proxy)
{
    if (lua_type(lua, 2) != LUA_TSTRING)
        luaL_error(lua, "%s is read by field names, not by a %s", push_place(lua, proxy),
                   luaL_typename(lua, 2));
    return lua_tostring(lua, 2);
}

static const struct kt_field *check_field(lua_State *lua, const struct record_proxy *proxy,
                                          const char *name)
{
    struct kt_fields fields = fields_of(proxy);
    for (size_t i = 0; i < fields.count; i++)
        if (strcmp(fields.at[i].name, name) == 0)
            return &fields.at[i];
    struct script_guess guess = {.wanted = name};
    for (size_t i = 0; i < fields.count; i++)
        script_guess_try(&guess, fields.at[i].name);
    luaL_error(lua, "%s has no field '%s'%s", push_place(lua, proxy), name,
               script_guess_push(lua, &guess));
    return NULL;
}

/* --- Reading --- */

static const struct schema_field *schema_of(const struct record_proxy *proxy,
                                            const struct kt_field *field)
{
    const struct schema_entity *entity = proxy->record->entity;
    if (!proxy->field)
        return &entity->fields[field - entity->decl->fields.at];
    return &entity->fields[proxy->field - entity->decl->fields.at]
                .lines[field - proxy->field->lines.at];
}

static void push_computed(lua_State *lua, const struct record_proxy *proxy,
                          const struct kt_field *field)
{
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    msgpack_object value;
    script_charge(lua, SCRIPT_CALL_STEPS);
    script_check_call(lua,
                      record_compute_read(ctx, schema_of(proxy, field), map_of(proxy), &value));
    script_push_field(lua, field, &value);
}

static bool is_hidden(const struct record_proxy *proxy, const struct kt_field *field)
{
    return proxy->record->masked && (field->flags & KT_SENSITIVE);
}

static void push_member(lua_State *lua, const struct record_proxy *proxy,
                        const struct kt_field *field)
{
    if (is_hidden(proxy, field))
        script_require(lua, script_call_of(script_of(lua)),
                       lua_pushfstring(lua, "%s.sensitive", proxy->record->name));
    if (field->flags & KT_ON_READ) {
        push_computed(lua, proxy, field);
        return;
    }
    if (field->type == KT_LINES && !proxy->field)
        push_proxy(lua, LINES, proxy->record, field, 0);
    else
        script_push_field(lua, field, kt_get(map_of(proxy), field->name));
}

static int read_field(lua_State *lua)
{
    const struct record_proxy *proxy = check(lua, RECORD);
    const char *name = check_name(lua, proxy);
    if (is_own(proxy, name)) {
        const msgpack_object *value = kt_get(map_of(proxy), name);
        if (value)
            script_push_value(lua, value);
        else if (name[0] == 'a')
            lua_pushboolean(lua, false);
        else
            lua_pushnil(lua);
        return 1;
    }
    push_member(lua, proxy, check_field(lua, proxy, name));
    return 1;
}

/* Upvalue: the declared field to look at next. */
static int next_field(lua_State *lua)
{
    const struct record_proxy *proxy = check(lua, RECORD);
    struct kt_fields fields = fields_of(proxy);
    const msgpack_object *map = map_of(proxy);
    lua_Integer at = lua_tointeger(lua, lua_upvalueindex(1));
    while (at < (lua_Integer)fields.count &&
           (is_hidden(proxy, &fields.at[at]) ||
            (!kt_has(map, fields.at[at].name) && !(fields.at[at].flags & KT_ON_READ))))
        at++;
    if (at >= (lua_Integer)fields.count)
        return 0;
    lua_pushstring(lua, fields.at[at].name);
    push_member(lua, proxy, &fields.at[at]);
    lua_pushinteger(lua, at + 1);
    lua_replace(lua, lua_upvalueindex(1));
    return 2;
}

static int iterate_fields(lua_State *lua)
{
    check(lua, RECORD);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_field, 1);
    lua_pushvalue(lua, 1);
    return 2;
}

static int record_text(lua_State *lua)
{
    const struct record_proxy *proxy = check(lua, RECORD);
    uint64_t id = kt_get_id(map_of(proxy), "id");
    push_place(lua, proxy);
    if (id == 0)
        return 1;
    lua_pushfstring(lua, " %I", (LUAI_UACINT)id);
    lua_concat(lua, 2);
    return 1;
}

/* --- Writing --- */

static void check_may_write(lua_State *lua, const struct record_proxy *proxy,
                            const struct kt_field *field, const char *path)
{
    if (field->type == KT_STATE)
        luaL_error(lua, "%s changes only by transitions", path);
    /* A custom field that clients cannot write is there for rules to fill. */
    if (schema_field_is_readonly(field) && !(field->flags & KT_CUSTOM))
        luaL_error(lua, "%s is read-only", path);
    if (field->type == KT_LINES)
        luaL_error(lua,
                   "%s cannot be assigned: set fields of its lines; a rule neither adds nor "
                   "removes lines",
                   path);
    if (schema_field_sleeps(schema_of(proxy, field)))
        luaL_error(lua, "%s refers to %s, whose module is not enabled", path, field->to);
}

static struct line_edit *edit_lines(struct kt_ctx *ctx, struct script_record *record,
                                    const struct kt_field *field)
{
    for (struct line_edit *edit = record->edits; edit; edit = edit->next)
        if (edit->field == field)
            return edit;
    const msgpack_object_array *there = &kt_get(&record->map->object, field->name)->via.array;
    struct line_edit *edit = kt_alloc(ctx, sizeof(*edit));
    edit->field = field;
    edit->lines = context_copy(ctx, there->ptr, sizeof(*there->ptr) * there->size);
    edit->maps = kt_alloc(ctx, sizeof(struct kt_map *) * there->size);
    edit->next = record->edits;
    record->edits = edit;
    kt_map_set(record->map, field->name,
               (msgpack_object){.type = MSGPACK_OBJECT_ARRAY,
                                .via.array = {.size = there->size, .ptr = edit->lines}});
    return edit;
}

static void write_member(struct kt_ctx *ctx, const struct record_proxy *proxy, const char *name,
                         msgpack_object value)
{
    struct script_record *record = proxy->record;
    if (!proxy->field) {
        kt_map_set(record->map, name, value);
        return;
    }
    struct line_edit *edit = edit_lines(ctx, record, proxy->field);
    struct kt_map **map = &edit->maps[proxy->line];
    if (!*map)
        *map = kt_map_copy(ctx, &edit->lines[proxy->line]);
    kt_map_set(*map, name, value);
    edit->lines[proxy->line] = (*map)->object;
}

static int write_field(lua_State *lua)
{
    const struct record_proxy *proxy = check(lua, RECORD);
    const char *name = check_name(lua, proxy);
    struct kt_ctx *ctx = script_call_of(script_of(lua))->ctx;
    if (!proxy->record->map)
        luaL_error(lua, "%s", proxy->record->fixed);
    if (is_own(proxy, name))
        luaL_error(lua, "%s of %s is the server's own", name, push_place(lua, proxy));
    const struct kt_field *field = check_field(lua, proxy, name);
    const char *path = field->name;
    if (proxy->field)
        path = lua_pushfstring(lua, "%s[%I].%s", proxy->field->name, (LUAI_UACINT)proxy->line,
                               field->name);
    check_may_write(lua, proxy, field, path);
    msgpack_object value = script_take_field(lua, 3, field, path);
    const msgpack_object *there = kt_get(map_of(proxy), field->name);
    if (there ? kt_equal(there, &value) : value.type == MSGPACK_OBJECT_NIL)
        return 0;
    write_member(ctx, proxy, field->name, value);
    struct script_call *call = proxy->record->call;
    call->changed = call->stale = true;
    if (call->turn_began_us)
        script_life_touch(call, proxy->field
                                    ? kt_format(ctx, "%s.%s", proxy->field->name, field->name)
                                    : field->name);
    script_check_arena(lua);
    return 0;
}

/* --- Lines --- */

static size_t line_count(const struct record_proxy *proxy)
{
    return kt_count(whole(proxy->record), proxy->field->name);
}

static int read_line(lua_State *lua)
{
    const struct record_proxy *proxy = check(lua, LINES);
    if (!lua_isinteger(lua, 2))
        luaL_error(lua, "%s is a list: read it by number or with ipairs", push_place(lua, proxy));
    lua_Integer at = lua_tointeger(lua, 2);
    if (at >= 1 && (lua_Unsigned)at <= line_count(proxy))
        push_proxy(lua, RECORD, proxy->record, proxy->field, (uint32_t)(at - 1));
    else
        lua_pushnil(lua);
    return 1;
}

static int refuse_line(lua_State *lua)
{
    const struct record_proxy *proxy = check(lua, LINES);
    return luaL_error(lua,
                      "a rule neither adds, removes nor replaces lines of %s: set fields of a "
                      "line instead",
                      push_place(lua, proxy));
}

static int count_lines(lua_State *lua)
{
    lua_pushinteger(lua, (lua_Integer)line_count(check(lua, LINES)));
    return 1;
}

static int next_line(lua_State *lua)
{
    const struct record_proxy *proxy = check(lua, LINES);
    lua_Integer at = luaL_checkinteger(lua, 2);
    if (at < 0 || (lua_Unsigned)at >= line_count(proxy))
        return 0;
    lua_pushinteger(lua, at + 1);
    push_proxy(lua, RECORD, proxy->record, proxy->field, (uint32_t)at);
    return 2;
}

static int iterate_lines(lua_State *lua)
{
    check(lua, LINES);
    lua_pushcfunction(lua, next_line);
    lua_pushvalue(lua, 1);
    lua_pushinteger(lua, 0);
    return 3;
}

void script_open_record(lua_State *lua)
{
    static const luaL_Reg record[] = {{"__index", read_field},
                                      {"__newindex", write_field},
                                      {"__pairs", iterate_fields},
                                      {"__tostring", record_text},
                                      {NULL, NULL}};
    static const luaL_Reg lines[] = {{"__index", read_line},
                                     {"__newindex", refuse_line},
                                     {"__len", count_lines},
                                     {"__pairs", iterate_lines},
                                     {NULL, NULL}};
    script_open_kind(lua, RECORD, record);
    script_open_kind(lua, LINES, lines);
}
