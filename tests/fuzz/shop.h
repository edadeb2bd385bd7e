/** A small company in a real store, for fuzz targets that need records: opened once, and each input
 *  runs in a transaction of its own that is given up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/kontor.h"
#include "record/record.h"

/** The context of all inputs, with parties and orders in its store. */
struct kt_ctx *shop(void);
/** "shop.order" or "shop.party". */
const struct schema_entity *shop_entity(struct kt_ctx *ctx, bool order);
/** Before an input that writes. */
void shop_begin(struct kt_ctx *ctx);
/** Gives up what was written since shop_begin, and all that was allocated. */
void shop_end(struct kt_ctx *ctx);

/** What the server would unpack from a message: false for what it refuses before. */
bool shop_unpack(struct kt_ctx *ctx, const uint8_t *bytes, size_t size, msgpack_object *out);
/** A failure is one that says so, in both languages. */
void shop_require_error(const struct kt_ctx *ctx, enum kt_status status);
/** Indexes, totals and references are what the records say. */
void shop_require_sound(struct kt_ctx *ctx);
/** Aborts, which is how a fuzz target fails. */
void require(bool holds);
