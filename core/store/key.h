/** Order-preserving tuple keys: memcmp of two keys orders them as their parts compare.
 *
 *  A key starts with one space byte (which table of the server) and goes on with typed parts. Each
 *  part is self-delimiting and starts with a type tag, so that nil < false < true < integers <
 *  decimals < text < bytes, and a shorter tuple sorts before any longer one it is a prefix of.
 *  Text longer than KEY_TEXT_MAX bytes is cut and marked; whoever finds a marked key must compare
 *  with the record itself. A key that would pass STORE_KEY_MAX sets `overflow` and stays unusable.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kontor/decimal.h"
#include "store/store.h"

#define KEY_TEXT_MAX 120

struct key {
    uint8_t bytes[STORE_KEY_MAX];
    uint16_t size;
    bool overflow;
    bool cut; /**< Some text was cut: equal keys need not mean equal values. */
};

/** Write. `key_begin` empties the key. */
void key_begin(struct key *key, char space);
void key_add_nil(struct key *key);
void key_add_bool(struct key *key, bool value);
void key_add_u32(struct key *key, uint32_t value); /**< 4 raw bytes, no tag: catalog numbers. */
void key_add_u64(struct key *key,
                 uint64_t value); /**< 8 raw bytes, no tag: record ids, sequences. */
void key_add_int(struct key *key, int64_t value);               /**< Tagged. */
void key_add_decimal(struct key *key, struct kt_decimal value); /**< Tagged; 2.0 equals 2. */
void key_add_text(struct key *key, const char *text,
                  size_t length); /**< Tagged; NUL bytes allowed. */
/** The beginning of the text of a part: a prefix of the keys of all texts that begin so. Ends a
 * key: nothing may be added. `length` at most KEY_TEXT_MAX. */
void key_add_text_start(struct key *key, const char *text, size_t length);
/** Ids compare like unsigned numbers in every position. */
struct store_slice key_slice(const struct key *key);
/** Make the smallest key greater than every key that starts with this one. False when there is
 * none. */
bool key_successor(struct key *key);
bool key_has_prefix(struct store_slice key, struct store_slice prefix);

/** Read parts in the order they were written. Each returns false when the bytes are not such a
 * part. */
struct key_reader {
    const uint8_t *at;
    const uint8_t *end;
};
enum key_part { KEY_END, KEY_NIL, KEY_BOOL, KEY_INT, KEY_DECIMAL, KEY_TEXT, KEY_BROKEN };

struct key_reader key_read(struct store_slice key); /**< Positioned after the space byte. */
enum key_part key_peek(const struct key_reader *reader);
bool key_read_u32(struct key_reader *reader, uint32_t *out);
bool key_read_u64(struct key_reader *reader, uint64_t *out);
bool key_read_nil(struct key_reader *reader);
bool key_read_bool(struct key_reader *reader, bool *out);
bool key_read_int(struct key_reader *reader, int64_t *out);
/** The decimal comes back trimmed of trailing zeros. */
bool key_read_decimal(struct key_reader *reader, struct kt_decimal *out);
/** Unescapes into `out` (KEY_TEXT_MAX bytes at most); `cut` tells that the text was longer. */
bool key_read_text(struct key_reader *reader, char out[KEY_TEXT_MAX], size_t *length, bool *cut);
