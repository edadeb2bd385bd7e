/* A copy of the database while it is read and written. */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "store/folder.h"
#include "store/lmdb_env.h"

/* Copies and makes the copy durable. Compacting refuses a file with leaked pages; a backup with
 * them is better than none. */
static enum kt_status copy_into(MDB_env *env, const char *folder, const char *file, char *why,
                                size_t why_size)
{
    int error = mdb_env_copy2(env, folder, MDB_CP_COMPACT);
    if (error == MDB_INCOMPATIBLE) {
        log_warn("storage copies without compaction cause=\"%s\"", mdb_strerror(error));
        unlink(file);
        error = mdb_env_copy2(env, folder, 0);
    }
    if (error != MDB_SUCCESS)
        return folder_explain(KT_INTERNAL, why, why_size, "cannot copy to %s: %s", folder,
                              mdb_strerror(error));
    KT_TRY(folder_sync_file(folder, "data.mdb", why, why_size));
    return folder_sync(folder, why, why_size);
}

enum kt_status lmdb_copy(struct store *store, const char *folder)
{
    struct lmdb_store *self = (struct lmdb_store *)store;
    char why[512];
    char file[FOLDER_PATH_SIZE];
    bool created = false;
    enum kt_status status = KT_OK;
    if ((size_t)snprintf(file, sizeof file, "%s/data.mdb", folder) >= sizeof file)
        status = folder_explain(KT_INTERNAL, why, sizeof why, "the path of the copy is too long");
    if (status == KT_OK)
        status = folder_create(folder, &created, why, sizeof why);
    if (status == KT_OK)
        status = folder_check_empty(folder, why, sizeof why);
    if (status == KT_OK) {
        gate_enter(&self->gate); /* The store cannot grow meanwhile. */
        status = self->env ? copy_into(self->env, folder, file, why, sizeof why)
                           : folder_explain(KT_BUSY, why, sizeof why, "the database is closed");
        gate_leave(&self->gate);
        if (status != KT_OK) /* Half a copy must not be taken for a backup. */
            unlink(file);
    }
    if (status == KT_OK)
        return KT_OK;
    if (created)
        rmdir(folder);
    log_error("storage copy failed cause=\"%s\"", why);
    return KT_INTERNAL;
}
