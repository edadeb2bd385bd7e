/* method{...}, schedule{...}, event{...} and numbering{...}: read in the first run over the files;
 * what of them runs is kept in the second. */
#include <stdlib.h>
#include <string.h>

#include "script/declared.h"
#include "script/shape.h"

/* --- What each declaration takes --- */

/* What only the second run looks at. */
#define RUN_SLOTS                                                                                  \
    {.key = "run", .kind = SLOT_FUNCTION}, {.key = "as", .kind = SLOT_IGNORED},                    \
        {.key = "priority", .kind = SLOT_IGNORED},                                                 \
    {                                                                                              \
        .key = "disable_after", .kind = SLOT_IGNORED                                               \
    }

static const struct slot method_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_method, name)},
    {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct kt_method, label)},
    {.key = "permission", .kind = SLOT_TEXT, .offset = offsetof(struct kt_method, permission)},
    {.key = "params",
     .kind = SLOT_LIST,
     .offset = offsetof(struct kt_method, params),
     .of = &shape_field},
    {.key = "writes",
     .kind = SLOT_FLAG,
     .offset = offsetof(struct kt_method, flags),
     .flag = KT_WRITE},
    RUN_SLOTS,
};
static const struct shape method_shape = SHAPE("method", struct kt_method, method_slots, false);

struct plain_schedule {
    const char *name;
    const char *every;
    const char *daily;
};
static const struct slot schedule_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct plain_schedule, name)},
    {.key = "every", .kind = SLOT_TEXT, .offset = offsetof(struct plain_schedule, every)},
    {.key = "daily", .kind = SLOT_TEXT, .offset = offsetof(struct plain_schedule, daily)},
    RUN_SLOTS,
};
static const struct shape schedule_shape =
    SHAPE("schedule", struct plain_schedule, schedule_slots, false);

static const struct slot event_slots[] = {
    {.key = "name", .kind = SLOT_TEXT, .offset = offsetof(struct kt_topic, name)},
    {.key = "label", .kind = SLOT_LABEL, .offset = offsetof(struct kt_topic, label)},
};
static const struct shape event_shape = SHAPE("event", struct kt_topic, event_slots, false);

struct plain_numbering {
    const char *entity;
    const char *field;
    const char *pattern;
};
static const struct slot numbering_slots[] = {
    {.key = "entity", .kind = SLOT_TEXT, .offset = offsetof(struct plain_numbering, entity)},
    {.key = "field", .kind = SLOT_TEXT, .offset = offsetof(struct plain_numbering, field)},
    {.key = "pattern", .kind = SLOT_TEXT, .offset = offsetof(struct plain_numbering, pattern)},
};
static const struct shape numbering_shape =
    SHAPE("numbering", struct plain_numbering, numbering_slots, false);

/* --- Reading them --- */

static int declare_method(lua_State *lua)
{
    struct script_declared *declared = script_of(lua)->declared;
    struct kt_method method = {0};
    const char *where;
    if (!declaration_begin(lua, &method_shape, &where)) {
        script_keep_method(lua);
        return 0;
    }
    shape_read(lua, 1, &method_shape, &method, where);
    declared->methods = declaration_grow(lua, declared->methods, declared->method_count,
                                         sizeof(*declared->methods));
    declared->methods[declared->method_count++] =
        (struct script_method){.decl = method, .place = declaration_place(lua)};
    return 0;
}

/* "15m", "1h", "1d"; 0 for anything else. */
static unsigned seconds_of(const char *text)
{
    char *unit;
    unsigned long number = text[0] >= '1' && text[0] <= '9' ? strtoul(text, &unit, 10) : 0;
    if (number == 0 || number > 10000 || unit[0] == '\0' || unit[1] != '\0')
        return 0;
    unsigned each = *unit == 'm' ? 60 : *unit == 'h' ? 3600 : *unit == 'd' ? 86400 : 0;
    return (unsigned)number * each;
}

/* "06:30" as minutes of the day, -1 for anything else. */
static int minute_of(const char *text)
{
    size_t length = strlen(text);
    if (length != 5 || text[2] != ':' || strspn(text, "0123456789") != 2 ||
        strspn(text + 3, "0123456789") != 2)
        return -1;
    int hour = (text[0] - '0') * 10 + text[1] - '0', minute = (text[3] - '0') * 10 + text[4] - '0';
    return hour < 24 && minute < 60 ? hour * 60 + minute : -1;
}

static int declare_schedule(lua_State *lua)
{
    struct script_declared *declared = script_of(lua)->declared;
    struct plain_schedule plain = {0};
    struct script_schedule schedule = {.daily_minute = -1};
    const char *where;
    if (!declaration_begin(lua, &schedule_shape, &where)) {
        script_keep_schedule(lua);
        return 0;
    }
    shape_read(lua, 1, &schedule_shape, &plain, where);
    schedule.name = plain.name;
    if (!plain.every == !plain.daily)
        luaL_error(lua, "%s needs either every = \"15m\" or daily = \"06:30\"", where);
    if (plain.every && (schedule.every_seconds = seconds_of(plain.every)) == 0)
        luaL_error(lua, "%s: every is minutes, hours or days such as \"15m\", \"2h\", \"1d\"",
                   where);
    if (plain.daily && (schedule.daily_minute = minute_of(plain.daily)) < 0)
        luaL_error(lua, "%s: daily is a time of the day (UTC) such as \"06:30\"", where);
    schedule.place = declaration_place(lua);
    declared->schedules = declaration_grow(lua, declared->schedules, declared->schedule_count,
                                           sizeof(*declared->schedules));
    declared->schedules[declared->schedule_count++] = schedule;
    return 0;
}

static int declare_event(lua_State *lua)
{
    struct script_declared *declared = script_of(lua)->declared;
    struct kt_topic topic = {0};
    const char *where;
    if (!declaration_begin(lua, &event_shape, &where))
        return 0;
    shape_read(lua, 1, &event_shape, &topic, where);
    declared->topics =
        declaration_grow(lua, declared->topics, declared->topic_count, sizeof(*declared->topics));
    declared->topics[declared->topic_count++] =
        (struct script_topic){.decl = topic, .place = declaration_place(lua)};
    return 0;
}

static int declare_numbering(lua_State *lua)
{
    struct script_declared *declared = script_of(lua)->declared;
    struct plain_numbering plain = {0};
    const char *where;
    if (!declaration_begin(lua, &numbering_shape, &where))
        return 0;
    shape_read(lua, 1, &numbering_shape, &plain, where);
    if (!plain.entity || !plain.field || !plain.pattern)
        luaL_error(lua, "%s needs entity, field and pattern", where);
    declared->numberings = declaration_grow(lua, declared->numberings, declared->numbering_count,
                                            sizeof(*declared->numberings));
    declared->numberings[declared->numbering_count++] =
        (struct script_numbering){.entity = plain.entity,
                                  .field = plain.field,
                                  .pattern = plain.pattern,
                                  .place = declaration_place(lua)};
    return 0;
}

void script_add_service_declarations(lua_State *lua)
{
    static const luaL_Reg functions[] = {{"rule", script_declare_rule},
                                         {"handler", script_declare_handler},
                                         {"method", declare_method},
                                         {"schedule", declare_schedule},
                                         {"event", declare_event},
                                         {"numbering", declare_numbering},
                                         {NULL, NULL}};
    luaL_setfuncs(lua, functions, 0);
}
