/** Lua tables read into C structs by a description of their keys. Private to script/. */
#pragma once

#include "script/declared.h"
#include "script/script_internal.h"

enum slot_kind {
    SLOT_TEXT,     /**< const char * */
    SLOT_VALUE,    /**< const char *: text, a whole number, a decimal, true or false. */
    SLOT_LABEL,    /**< struct kt_label: {"English", "中文"} or one text for both. */
    SLOT_NAMES,    /**< struct kt_names */
    SLOT_FLAG,     /**< unsigned: `flag` is set when true. */
    SLOT_BOOL,     /**< bool */
    SLOT_DIGITS,   /**< int */
    SLOT_LENGTH,   /**< uint32_t */
    SLOT_TYPE,     /**< enum kt_type, by its word. */
    SLOT_LIST,     /**< {const T *at; size_t count}: T is what `of` describes. */
    SLOT_FUNCTION, /**< A function, which is not kept here: unsigned, `flag` is set. */
    SLOT_IGNORED,  /**< Read elsewhere. */
};
struct shape;
struct slot {
    const char *key;
    enum slot_kind kind;
    unsigned flag;
    size_t offset;
    const struct shape *of;
};
struct shape {
    const char *what; /**< "field": how errors call one. */
    const struct slot *slots;
    size_t slot_count;
    size_t size; /**< Of the struct. */
    bool bare;   /**< In a list a plain text stands for {name = text}. */
};

/** Fills `out` (zeroed) from the table at `index`; `where` is what errors begin with. Raises.
 *  [-0, +0], though texts for errors may stay on the stack. */
void shape_read(lua_State *lua, int index, const struct shape *shape, void *out, const char *where);

#define SHAPE(word, type, table, from_text)                                                        \
    {                                                                                              \
        .what = (word), .slots = (table), .slot_count = KT_COUNT(table), .size = sizeof(type),     \
        .bare = (from_text)                                                                        \
    }

/** A field of an entity, or a parameter: struct kt_field, which may have lines. custom.c */
extern const struct shape shape_field;

/** What every declaration does first; false in the second run, with the table at 1. `where` names
 *  the declaration for errors. custom.c, as the next two */
bool declaration_begin(lua_State *lua, const struct shape *shape, const char **where);
/** Room for one more element; lists double, beginning with one. */
void *declaration_grow(lua_State *lua, void *items, size_t count, size_t size);
struct script_place declaration_place(lua_State *lua);
