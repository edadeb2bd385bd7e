/** Custom fields that changed, and the records that are looked at for them. Inside of custom*.c. */
#pragma once

#include "record/record_internal.h"

/* A custom field "name", or "lines.part" of each line. */
struct watch {
    const char *path;
    const char *part;                 /* NULL: of the record itself. */
    size_t length;                    /* Of what comes before the part. */
    const struct schema_field *field; /* NULL: no longer declared. */
    uint64_t declaration;
    bool held;  /* Some record has a value. */
    bool wakes; /* It slept until now. */
};

struct watches {
    struct kt_ctx *ctx;
    const struct schema_entity *entity;
    struct watch *at;
    size_t count;
};

/** Empties the references of a record that wake without their target, in the store and `record`. */
enum kt_status custom_wake(const struct watches *watches, uint64_t id, msgpack_object *record);
