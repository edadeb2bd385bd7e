#include "plugin/catalog.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "kontor/limits.h"

#define PLUGIN_MAX 200

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* --- Default rules of a module --- */

static char *read_text(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *text = must(malloc(KT_LIMIT_RULE_FILE_BYTES + 1));
    *size = fread(text, 1, KT_LIMIT_RULE_FILE_BYTES + 1, file);
    fclose(file);
    if (*size > KT_LIMIT_RULE_FILE_BYTES) {
        free(text);
        return NULL;
    }
    return text;
}

static int lua_files(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".lua") == 0;
}

static void load_rules(const char *folder, struct plugin_entry *entry)
{
    struct dirent **names;
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s/rules", folder, entry->plugin->name);
    int count = scandir(path, &names, lua_files, alphasort);
    if (count < 0)
        return;
    entry->rules = must(calloc((size_t)count + 1, sizeof(*entry->rules)));
    for (int i = 0; i < count; i++) {
        struct plugin_rule_file *rule = &entry->rules[entry->rule_count];
        snprintf(path, sizeof(path), "%s/%s/rules/%s", folder, entry->plugin->name,
                 names[i]->d_name);
        rule->text = read_text(path, &rule->size);
        rule->name = must(strdup(names[i]->d_name));
        if (rule->text)
            entry->rule_count++;
        else
            free(rule->name);
        free(names[i]);
    }
    free(names);
}

/* --- Opening --- */

static const struct kt_plugin *open_plugin(const char *folder, const char *name, char *why,
                                           size_t why_size)
{
    char path[4096];
    struct stat there;
    snprintf(path, sizeof(path), "%s/%s/%s.so", folder, name, name);
    *why = '\0';
    if (stat(path, &there) != 0)
        return NULL; /* A folder that is not a plugin. */
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(why, why_size, "%s", dlerror());
        return NULL;
    }
    const struct kt_plugin *plugin = dlsym(handle, "kt_plugin");
    if (!plugin)
        snprintf(why, why_size, "it does not export kt_plugin");
    else if (plugin_check(plugin, false, why, why_size) != KT_OK)
        plugin = NULL;
    else if (strcmp(plugin->name, name) != 0) {
        snprintf(why, why_size, "calls itself %s but lies in folder %s", plugin->name, name);
        plugin = NULL;
    }
    /* Never closed: stored tables and code in flight point into it. */
    return plugin;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static size_t open_folder(const char *folder, const struct kt_plugin **found, size_t most)
{
    struct dirent **names;
    char why[512];
    size_t count = 0;
    int entries = scandir(folder, &names, visible, alphasort);
    if (entries < 0) {
        log_warn("no plugin folder %s: %s", folder, strerror(errno));
        return 0;
    }
    for (int i = 0; i < entries; i++) {
        const struct kt_plugin *plugin = open_plugin(folder, names[i]->d_name, why, sizeof(why));
        if (plugin && count < most)
            found[count++] = plugin;
        else if (*why)
            log_error("plugin %s is left out: %s", names[i]->d_name, why);
        free(names[i]);
    }
    free(names);
    return count;
}

/* --- Order --- */

const struct plugin_entry *plugin_find(const struct plugin_catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->count; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set before it is counted. */
        if (strcmp(catalog->entries[i].plugin->name, name) == 0)
            return &catalog->entries[i];
    return NULL;
}

static bool is_ready(const struct plugin_catalog *catalog, const struct kt_plugin *plugin)
{
    for (size_t i = 0; i < plugin->requires.count; i++)
        if (!plugin_find(catalog, plugin->requires.at[i]))
            return false;
    return true;
}

/* Takes those whose requirements are in already, until none is left or none can be taken: what
 * remains needs a module that is not there, or needs itself in a circle. */
static void add_in_order(struct plugin_catalog *catalog, const char *folder,
                         const struct kt_plugin **found, size_t count)
{
    bool moved = true;
    while (moved) {
        moved = false;
        for (size_t i = 0; i < count; i++) {
            if (!found[i] || plugin_find(catalog, found[i]->name) || !is_ready(catalog, found[i]))
                continue;
            struct plugin_entry *entry = &catalog->entries[catalog->count];
            entry->plugin = found[i];
            load_rules(folder, entry);
            catalog->count++;
            found[i] = NULL;
            moved = true;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (found[i])
            log_error("plugin %s is left out: %s", found[i]->name,
                      plugin_find(catalog, found[i]->name)
                          ? "a module of the server has its name"
                          : "it requires a module that is missing or requires it");
}

enum kt_status plugin_catalog_load(const char *folder, const struct kt_plugin *const *builtins,
                                   size_t builtin_count, struct plugin_catalog *out, char *why,
                                   size_t why_size)
{
    const struct kt_plugin *found[PLUGIN_MAX] = {0};
    *out = (struct plugin_catalog){0};
    out->entries = must(calloc(PLUGIN_MAX + builtin_count, sizeof(*out->entries)));
    for (size_t i = 0; i < builtin_count; i++) {
        if (plugin_check(builtins[i], true, why, why_size) != KT_OK) {
            plugin_catalog_free(out);
            return KT_INVALID;
        }
        out->entries[out->count++] = (struct plugin_entry){.plugin = builtins[i], .builtin = true};
    }
    size_t count = open_folder(folder, found, PLUGIN_MAX);
    add_in_order(out, folder, found, count);
    return KT_OK;
}

void plugin_catalog_free(struct plugin_catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        for (size_t r = 0; r < catalog->entries[i].rule_count; r++) {
            free(catalog->entries[i].rules[r].name);
            free(catalog->entries[i].rules[r].text);
        }
        free(catalog->entries[i].rules);
    }
    free(catalog->entries);
    *catalog = (struct plugin_catalog){0};
}
