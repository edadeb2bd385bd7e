/** What the files that build a schema share. Each fills one part of what schema_build links. */
#pragma once

#include "record/context.h"
#include "record/schema.h"

struct builder {
    struct schema *schema;
    struct store_txn *txn;
    char *why;
    size_t why_size;
};

/** Says why; always KT_INVALID. */
enum kt_status schema_refuse(struct builder *builder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Zeroed memory that lives as long as the schema. */
void *schema_take(struct builder *builder, size_t size);
const char *schema_join(struct builder *builder, const char *a, const char *b, const char *c);

/** schema_index.c; entities and their fields are linked by then. */
enum kt_status schema_fill_indexes(struct builder *builder, struct schema_entity *entity);
void schema_fill_incoming(struct builder *builder, struct schema_entity *target);
/** schema_total.c; indexes too. */
enum kt_status schema_fill_totals(struct builder *builder, const struct schema_module *modules,
                                  size_t module_count);
