/* The lock is flock(2) on FOLDER/lock: it belongs to the open file, so a second open in the same
 * process is refused too (fcntl's record locks would let it pass, and drop the lock on any close),
 * and the kernel releases it when the process dies, so there is no stale lock to clear. The pid in
 * the file is only for people. The file is never removed: a waiter could hold the removed one. */
#include "store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"

enum kt_status folder_explain(enum kt_status status, char *why, size_t why_size, const char *format,
                              ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, why_size, format, arguments);
    va_end(arguments);
    return status;
}

static enum kt_status fail(const char *doing, const char *path, int error, char *why, size_t size)
{
    return folder_explain(KT_INTERNAL, why, size, "cannot %s %s: %s", doing, path, strerror(error));
}

enum kt_status folder_create(const char *folder, bool *created, char *why, size_t why_size)
{
    if (mkdir(folder, 0700) == 0) {
        *created = true;
        return KT_OK;
    }
    if (errno != EEXIST)
        return fail("make the folder", folder, errno, why, why_size);
    struct stat status;
    if (stat(folder, &status) != 0)
        return fail("look at", folder, errno, why, why_size);
    if (!S_ISDIR(status.st_mode))
        return folder_explain(KT_INTERNAL, why, why_size, "%s is not a folder", folder);
    *created = false;
    return KT_OK;
}

enum kt_status folder_check_empty(const char *folder, char *why, size_t why_size)
{
    DIR *listing = opendir(folder);
    if (!listing)
        return fail("list", folder, errno, why, why_size);
    enum kt_status status = KT_OK;
    const struct dirent *entry;
    errno = 0;
    while (status == KT_OK && (entry = readdir(listing)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = folder_explain(KT_CONFLICT, why, why_size, "%s is not empty: it has %s",
                                    folder, entry->d_name);
    }
    if (status == KT_OK && errno != 0)
        status = fail("list", folder, errno, why, why_size);
    closedir(listing);
    return status;
}

static enum kt_status sync_path(int at_fd, const char *path, int flags, char *why, size_t why_size)
{
    int fd = openat(at_fd, path, flags | O_CLOEXEC);
    if (fd < 0)
        return fail("open", path, errno, why, why_size);
    enum kt_status status = KT_OK;
    if (fsync(fd) != 0)
        status = fail("sync", path, errno, why, why_size);
    close(fd);
    return status;
}

enum kt_status folder_sync(const char *folder, char *why, size_t why_size)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail("open", folder, errno, why, why_size);
    enum kt_status status = KT_OK;
    if (fsync(fd) != 0)
        status = fail("sync", folder, errno, why, why_size);
    /* The parent may be one that we may enter but not read: then the name is not ours to keep. */
    if (status == KT_OK && faccessat(fd, "..", R_OK, 0) == 0)
        status = sync_path(fd, "..", O_RDONLY | O_DIRECTORY, why, why_size);
    close(fd);
    return status;
}

enum kt_status folder_sync_file(const char *folder, const char *name, char *why, size_t why_size)
{
    char path[FOLDER_PATH_SIZE];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return fail("sync a file in", folder, ENAMETOOLONG, why, why_size);
    return sync_path(AT_FDCWD, path, O_RDONLY, why, why_size);
}

static enum kt_status explain_holder(int fd, const char *folder, char *why, size_t why_size)
{
    char pid[24] = "";
    ssize_t got = pread(fd, pid, sizeof pid - 1, 0);
    pid[got > 0 ? got : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
    return folder_explain(KT_BUSY, why, why_size, "another kontord (pid %s) is using %s",
                          pid[0] ? pid : "unknown", folder);
}

enum kt_status folder_lock(const char *folder, int *lock_fd, char *why, size_t why_size)
{
    char path[FOLDER_PATH_SIZE];
    if ((size_t)snprintf(path, sizeof path, "%s/" LOCK_NAME, folder) >= sizeof path)
        return fail("lock", folder, ENAMETOOLONG, why, why_size);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail("open", path, errno, why, why_size);

    enum kt_status status = KT_OK;
    char pid[24]; /* Of one length, written over the one before: that needs no room on a full disk.
                   */
    int size = snprintf(pid, sizeof pid, "%-10ld\n", (long)getpid());
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? explain_holder(fd, folder, why, why_size)
                                      : fail("lock", path, errno, why, why_size);
    else if (pwrite(fd, pid, (size_t)size, 0) != size)
        status = fail("write", path, errno, why, why_size);
    if (status != KT_OK) {
        close(fd);
        return status;
    }
    *lock_fd = fd;
    return KT_OK;
}

void folder_unlock(int lock_fd)
{
    /* No explicit LOCK_UN: in a forked child that closes its copy it would free the parent's lock.
     */
    close(lock_fd);
}
