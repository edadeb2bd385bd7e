/* Rows of a total that are summed up in memory: open addressing; the number of places is a power of
 * two and never more than half taken. */
#include <stdlib.h>
#include <string.h>

#include "record/record_internal.h"

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* FNV-1a, 64 bits. */
static uint64_t hash(const uint8_t *bytes, size_t size)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        value = (value ^ bytes[i]) * UINT64_C(0x100000001b3);
    return value;
}

/* The row of the key, or the free place for it. */
static struct total_sum *find_place(const struct total_table *table, const uint8_t *key,
                                    size_t size)
{
    size_t place = (size_t)hash(key, size) & (table->places - 1);
    while (table->rows[place].key &&
           (table->rows[place].size != size || memcmp(table->rows[place].key, key, size) != 0))
        place = (place + 1) & (table->places - 1);
    return &table->rows[place];
}

static void grow(struct total_table *table)
{
    struct total_table wider = {.total = table->total, .taken = table->taken};
    wider.places = table->places ? table->places * 2 : 8;
    wider.rows = must(calloc(wider.places, sizeof(*wider.rows)));
    for (size_t i = 0; i < table->places; i++)
        if (table->rows[i].key)
            *find_place(&wider, table->rows[i].key, table->rows[i].size) = table->rows[i];
    free(table->rows);
    *table = wider;
}

void total_table_add(struct kt_ctx *ctx, void *argument, const struct record_share *share)
{
    struct total_table *table = argument;
    (void)ctx;
    if ((table->taken + 1) * 2 > table->places)
        grow(table);
    struct total_sum *row = find_place(table, share->key.bytes, share->key.size);
    if (!row->key) {
        row->key = must(malloc(share->key.size ? share->key.size : 1u));
        memcpy(row->key, share->key.bytes, share->key.size);
        row->size = share->key.size;
        table->taken++;
    }
    row->count += share->count;
    for (size_t i = 0; i < KT_MEASURES; i++)
        row->measures[i] = kt_decimal_add(row->measures[i], share->measures[i]);
}

struct total_sum *total_table_find(const struct total_table *table, const uint8_t *key, size_t size)
{
    if (!table->places)
        return NULL;
    struct total_sum *row = find_place(table, key, size);
    return row->key ? row : NULL;
}

void total_table_free(struct total_table *table)
{
    for (size_t i = 0; i < table->places; i++)
        free(table->rows[i].key);
    free(table->rows);
}

int total_key_compare(struct store_slice a, struct store_slice b)
{
    int order = memcmp(a.at, b.at, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}
