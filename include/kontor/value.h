/** Values: read what arrived, build what is answered or stored.
 *
 *  There is one value type, msgpack-c's `msgpack_object`, from the wire to the disk. Decimals and
 *  dates travel as text ("12.50", "2026-11-23"), instants as the msgpack timestamp extension.
 *  Everything built here lives in the request's arena and dies with the request; nothing is freed
 *  by hand. A request that passes its memory limit is refused with KT_TOO_LARGE when it ends its
 *  present step: builders never return an error and never return NULL.
 *  Only the thread that runs the request may touch its values. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/date.h"
#include "kontor/decimal.h"
#include "kontor/export.h"

struct kt_ctx;

/** A map under construction. `&map->object` is it as a value, valid until the next kt_map_set. */
struct kt_map {
    msgpack_object object; /**< Always of type MSGPACK_OBJECT_MAP. */
    struct kt_ctx *ctx;
    uint32_t capacity;
};

/** An array under construction; the same rules. */
struct kt_list {
    msgpack_object object; /**< Always of type MSGPACK_OBJECT_ARRAY. */
    struct kt_ctx *ctx;
    uint32_t capacity;
};

/** --- Make single values. Text is borrowed: it must live as long as the request. --- */
KT_EXPORT msgpack_object kt_nil(void);
KT_EXPORT msgpack_object kt_bool(bool value);
KT_EXPORT msgpack_object kt_int(int64_t value);
KT_EXPORT msgpack_object kt_id(uint64_t id);
KT_EXPORT msgpack_object kt_text(const char *text);
KT_EXPORT msgpack_object kt_text_of(const char *text, size_t length);
KT_EXPORT msgpack_object kt_decimal_value(struct kt_ctx *ctx, struct kt_decimal value);
KT_EXPORT msgpack_object kt_date_value(struct kt_ctx *ctx, kt_date date);
KT_EXPORT msgpack_object kt_instant_value(struct kt_ctx *ctx, kt_instant_us at);

/** --- Memory and text of the request. --- */
KT_EXPORT void *kt_alloc(struct kt_ctx *ctx, size_t size); /**< Zeroed. Never NULL. */
KT_EXPORT const char *kt_format(struct kt_ctx *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** --- Build. --- */
KT_EXPORT struct kt_map *kt_map_new(struct kt_ctx *ctx);
/** A shallow editable copy of a map (an empty one for NULL or nil). */
KT_EXPORT struct kt_map *kt_map_copy(struct kt_ctx *ctx, const msgpack_object *map);
/** Sets or replaces. The name is borrowed, usually a literal. A nil value stays as nil: it says
 * "empty this". */
KT_EXPORT void kt_map_set(struct kt_map *map, const char *name, msgpack_object value);
KT_EXPORT void kt_map_set_text(struct kt_map *map, const char *name, const char *text);
KT_EXPORT void kt_map_set_int(struct kt_map *map, const char *name, int64_t value);
KT_EXPORT void kt_map_set_id(struct kt_map *map, const char *name, uint64_t id);
KT_EXPORT void kt_map_set_bool(struct kt_map *map, const char *name, bool value);
KT_EXPORT void kt_map_set_decimal(struct kt_map *map, const char *name, struct kt_decimal value);
KT_EXPORT void kt_map_set_date(struct kt_map *map, const char *name, kt_date date);
KT_EXPORT void kt_map_remove(struct kt_map *map, const char *name);
KT_EXPORT struct kt_list *kt_list_new(struct kt_ctx *ctx);
KT_EXPORT void kt_list_add(struct kt_list *list, msgpack_object value);

/** --- Read. `map` may be NULL or not a map: then nothing is found. --- */
/** NULL when absent or nil. */
KT_EXPORT const msgpack_object *kt_get(const msgpack_object *map, const char *name);
KT_EXPORT bool kt_has(const msgpack_object *map, const char *name);
/** "" when absent; a NUL-terminated copy in the arena. */
KT_EXPORT const char *kt_get_text(struct kt_ctx *ctx, const msgpack_object *map, const char *name);
/** True when the field is text equal to `text`: `kt_is(order, "state", "draft")`. */
KT_EXPORT bool kt_is(const msgpack_object *map, const char *name, const char *text);
KT_EXPORT int64_t kt_get_int(const msgpack_object *map, const char *name); /**< 0 when absent. */
KT_EXPORT uint64_t kt_get_id(const msgpack_object *map, const char *name); /**< 0 when absent. */
KT_EXPORT bool kt_get_bool(const msgpack_object *map, const char *name); /**< False when absent. */
/** 0 when absent; the invalid decimal when the field is there and is not a decimal. */
KT_EXPORT struct kt_decimal kt_get_decimal(const msgpack_object *map, const char *name);
KT_EXPORT bool kt_get_date(const msgpack_object *map, const char *name, kt_date *out);
KT_EXPORT bool kt_get_instant(const msgpack_object *map, const char *name, kt_instant_us *out);
/** Number of elements of a list field (0 when absent), and one of them. */
KT_EXPORT size_t kt_count(const msgpack_object *map, const char *name);
KT_EXPORT const msgpack_object *kt_at(const msgpack_object *map, const char *name, size_t index);
/** The element of the list field `name` whose "id" is `id`; NULL when there is none. */
KT_EXPORT const msgpack_object *kt_line(const msgpack_object *map, const char *name, uint64_t id);
/** Same type and same content; 2 and "2" differ, the order of map keys does not matter. */
KT_EXPORT bool kt_equal(const msgpack_object *a, const msgpack_object *b);
