/* Loaded into a server before LMDB (LD_PRELOAD), writes down what it stores, to be stored again by
 * LMDB alone: see ceilings.c. The file is named by LOAD_TRACE. Only the one writer calls this. */
#include <dlfcn.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "../trace.h"

static FILE *trace;
static MDB_txn *request; /* The nested transaction. */

static __attribute__((constructor)) void begin(void)
{
    const char *path = getenv("LOAD_TRACE");
    trace = path ? fopen(path, "wb") : NULL;
}

static __attribute__((destructor)) void end(void)
{
    if (trace)
        fclose(trace);
}

static void *find(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

static void note(enum trace_kind kind, const MDB_val *key, const MDB_val *value)
{
    struct trace_operation operation = {.kind = (uint8_t)kind,
                                        .key_size = (uint16_t)(key ? key->mv_size : 0),
                                        .value_size = (uint32_t)(value ? value->mv_size : 0)};
    if (!trace)
        return;
    fwrite(&operation, sizeof(operation), 1, trace);
    if (key)
        fwrite(key->mv_data, key->mv_size, 1, trace);
    if (value)
        fwrite(value->mv_data, value->mv_size, 1, trace);
}

int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    static int (*real)(MDB_env *, MDB_txn *, unsigned, MDB_txn **);
    if (!real)
        *(void **)&real = find("mdb_txn_begin");
    int error = real(env, parent, flags, txn);
    if (error == 0 && parent) {
        request = *txn;
        note(TRACE_BEGIN, NULL, NULL);
    }
    return error;
}

int mdb_txn_commit(MDB_txn *txn)
{
    static int (*real)(MDB_txn *);
    if (!real)
        *(void **)&real = find("mdb_txn_commit");
    if (txn && txn == request) {
        request = NULL;
        note(TRACE_COMMIT, NULL, NULL);
    }
    return real(txn);
}

void mdb_txn_abort(MDB_txn *txn)
{
    static void (*real)(MDB_txn *);
    if (!real)
        *(void **)&real = find("mdb_txn_abort");
    if (txn && txn == request) {
        request = NULL;
        note(TRACE_ABORT, NULL, NULL);
    }
    real(txn);
}

int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags)
{
    static int (*real)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned);
    if (!real)
        *(void **)&real = find("mdb_put");
    if (request)
        note(TRACE_PUT, key, data);
    return real(txn, dbi, key, data, flags);
}

int mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data)
{
    static int (*real)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *);
    if (!real)
        *(void **)&real = find("mdb_del");
    if (request)
        note(TRACE_DELETE, key, NULL);
    return real(txn, dbi, key, data);
}
