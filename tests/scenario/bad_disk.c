/* A disk that fails on demand, for the database file alone: a library to preload into a server, or
 * a part of a unit test. The file that KONTOR_BAD_DISK names says how it fails just now:
 *
 *   full    writes find no room
 *   sync    what was written cannot be made durable
 *   meta    the page that makes a commit count is written, but reported as failed
 *   dying   like meta, and from then on nothing works until the file says something else
 *   slow    it takes SLOW_S seconds to make something durable
 *   crowded LMDB takes no more than CROWD_PUTS entries in one transaction
 *   jobless LMDB has no room for entries about jobs
 *
 * Anything else, or no file: the disk is well. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

typedef ssize_t pwrite_function(int, const void *, size_t, off_t);
typedef ssize_t writev_function(int, const struct iovec *, int);
typedef int sync_function(int);
typedef int begin_function(MDB_env *, MDB_txn *, unsigned, MDB_txn **);
typedef int put_function(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned);

#define CROWD_PUTS 100
#define SLOW_S     2
#define SPACE_JOB  'J' /* As in core/record/space.h. */

/* Found by those whom the program calls, too. */
#define INSTEAD __attribute__((visibility("default")))

static atomic_bool is_dead;
static atomic_uint puts_left = UINT_MAX;
static atomic_bool is_jobless;

static bool is_database(int fd)
{
    char link[64];
    char path[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > 0 && strstr(path, "/data.mdb") != NULL;
}

static bool says(const char *how)
{
    char now[16] = "";
    const char *path = getenv("KONTOR_BAD_DISK");
    int control = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (control >= 0) {
        ssize_t length = read(control, now, sizeof now - 1);
        now[length > 0 ? length : 0] = '\0';
        close(control);
    }
    if (strcmp(now, "dying") != 0)
        atomic_store(&is_dead, false);
    return strcmp(now, how) == 0;
}

/* Is that how the disk fails now? */
static bool fails(int fd, const char *how)
{
    return is_database(fd) && says(how);
}

/* LMDB writes its meta pages through a descriptor of their own. */
static bool is_meta(int fd)
{
    return (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
}

static int fail_with(int error)
{
    errno = error;
    return -1;
}

INSTEAD ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    pwrite_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    bool is_dying = fails(fd, "dying");
    if (fails(fd, "full"))
        return fail_with(ENOSPC);
    if (is_dying && atomic_load(&is_dead))
        return fail_with(EIO);
    ssize_t written = real(fd, bytes, size, at);
    if (is_meta(fd) && (is_dying || fails(fd, "meta"))) {
        atomic_store(&is_dead, is_dying);
        return fail_with(EIO);
    }
    return written;
}

INSTEAD ssize_t writev(int fd, const struct iovec *parts, int count)
{
    writev_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "writev");
    bool is_dying = fails(fd, "dying");
    if (fails(fd, "full"))
        return fail_with(ENOSPC);
    if (is_dying && atomic_load(&is_dead))
        return fail_with(EIO);
    return real(fd, parts, count);
}

INSTEAD int fdatasync(int fd)
{
    sync_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    bool is_dying = fails(fd, "dying");
    if (fails(fd, "sync") || (is_dying && atomic_load(&is_dead)))
        return fail_with(EIO);
    if (fails(fd, "slow"))
        sleep(SLOW_S);
    return real(fd);
}

INSTEAD int mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    begin_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "mdb_txn_begin");
    if (!parent && !(flags & MDB_RDONLY)) {
        atomic_store(&puts_left, says("crowded") ? CROWD_PUTS : UINT_MAX);
        atomic_store(&is_jobless, says("jobless"));
    }
    return real(env, parent, flags, txn);
}

INSTEAD int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags)
{
    put_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "mdb_put");
    if (atomic_load(&is_jobless) && *(const unsigned char *)key->mv_data == SPACE_JOB)
        return MDB_MAP_FULL;
    if (atomic_load(&puts_left) == 0)
        return MDB_TXN_FULL;
    if (atomic_load(&puts_left) != UINT_MAX)
        atomic_fetch_sub(&puts_left, 1);
    return real(txn, dbi, key, value, flags);
}
