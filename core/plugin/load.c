/* One shared object becomes a plugin.
 *
 * The loader takes a path that it knows for the library that it knows, even when another file has
 * been put there. So what was opened is remembered here, by file; another file under a known path
 * is opened by its descriptor, which then stays open: its number must never mean a third file. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/catalog.h"

/* Never closed: stored tables and code in flight point into them. As long as one is open no other
 * file gets its device and inode. */
struct opened {
    dev_t device;
    ino_t inode;
    char *path;
    void *handle;
    struct opened *next;
};

/* As the loader's own list, which it mirrors, it is of the process. */
static struct opened *all_opened;

static struct opened *find_file(const struct stat *file)
{
    struct opened *opened = all_opened;
    while (opened && (opened->device != file->st_dev || opened->inode != file->st_ino))
        opened = opened->next;
    return opened;
}

static bool is_known_path(const char *path)
{
    for (const struct opened *opened = all_opened; opened; opened = opened->next)
        if (strcmp(opened->path, path) == 0)
            return true;
    return false;
}

static void remember(const struct stat *file, const char *path, void *handle)
{
    struct opened *opened = malloc(sizeof(*opened));
    char *copy = strdup(path);
    if (!opened || !copy)
        abort();
    *opened = (struct opened){file->st_dev, file->st_ino, copy, handle, all_opened};
    all_opened = opened;
}

/* Takes over the descriptor. */
static void *open_library(int descriptor, const struct stat *file, const char *path)
{
    char by_descriptor[64];
    bool known = is_known_path(path);
    snprintf(by_descriptor, sizeof(by_descriptor), "/proc/self/fd/%d", descriptor);
    void *handle = dlopen(known ? by_descriptor : path, RTLD_NOW | RTLD_LOCAL);
    if (handle)
        remember(file, path, handle);
    if (!handle || !known)
        close(descriptor);
    return handle;
}

static void *open_once(const char *path, char *why, size_t why_size)
{
    struct stat file;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 && (errno == ENOENT || errno == ENOTDIR))
        return NULL; /* A folder that is not a plugin. */
    if (descriptor < 0 || fstat(descriptor, &file) != 0) {
        snprintf(why, why_size, "cannot open %s: %s", path, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return NULL;
    }
    const struct opened *opened = find_file(&file);
    if (opened) {
        close(descriptor);
        return opened->handle;
    }
    void *handle = open_library(descriptor, &file, path);
    if (!handle)
        snprintf(why, why_size, "%s", dlerror());
    return handle;
}

const struct kt_plugin *plugin_open(const char *folder, const char *name, char *why,
                                    size_t why_size)
{
    char path[4096];
    *why = '\0';
    snprintf(path, sizeof(path), "%s/%s/%s.so", folder, name, name);
    void *handle = open_once(path, why, why_size);
    const struct kt_plugin *plugin = handle ? dlsym(handle, "kt_plugin") : NULL;
    if (handle && !plugin)
        snprintf(why, why_size, "it does not export kt_plugin");
    if (!plugin || plugin_check(plugin, false, why, why_size) != KT_OK)
        return NULL;
    if (strcmp(plugin->name, name) == 0)
        return plugin;
    snprintf(why, why_size, "calls itself %s but lies in folder %s", plugin->name, name);
    return NULL;
}
