#include "plugin/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* --- The folder --- */

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* What is looked for in the folder, and found. */
struct search {
    const char *folder;
    const struct plugin_catalog *before; /* NULL at start: what is wrong is left out. */
    const char *name;                    /* Only this one is looked at anew; NULL: all. */
    const struct kt_plugin *found[PLUGIN_MAX];
    bool kept[PLUGIN_MAX]; /* As in `before`. */
    size_t count;
    char *why;
    size_t why_size;
};

static bool has_found(const struct search *search, const char *name)
{
    for (size_t i = 0; i < search->count; i++)
        if (strcmp(search->found[i]->name, name) == 0)
            return true;
    return false;
}

/* What was not looked at, or has gone from the folder, stays as it is. */
static enum kt_status keep_others(struct search *search)
{
    if (search->name && !has_found(search, search->name)) {
        snprintf(search->why, search->why_size, "%s: there is no %s/%s.so in the plugin folder",
                 search->name, search->name, search->name);
        return KT_INVALID;
    }
    for (size_t i = 0; search->before && i < search->before->count; i++) {
        const struct plugin_entry *entry = &search->before->entries[i];
        if (entry->builtin || has_found(search, entry->plugin->name) || search->count == PLUGIN_MAX)
            continue;
        search->kept[search->count] = true;
        search->found[search->count++] = entry->plugin;
    }
    return KT_OK;
}

static enum kt_status take(struct search *search, const char *name)
{
    char why[512];
    if (search->name && strcmp(search->name, name) != 0)
        return KT_OK;
    const struct kt_plugin *plugin = plugin_open(search->folder, name, why, sizeof(why));
    if (plugin && search->count < PLUGIN_MAX) {
        search->found[search->count++] = plugin;
    } else if (*why && search->before) {
        snprintf(search->why, search->why_size, "%s: %s", name, why);
        return KT_INVALID;
    } else if (*why) {
        log_error("plugin %s is left out: %s", name, why);
    }
    return KT_OK;
}

static enum kt_status look_around(struct search *search)
{
    struct dirent **names;
    enum kt_status status = KT_OK;
    int entries = scandir(search->folder, &names, visible, alphasort);
    if (entries < 0) {
        log_warn("no plugin folder %s: %s", search->folder, strerror(errno));
        return KT_OK;
    }
    for (int i = 0; i < entries; i++) {
        if (status == KT_OK)
            status = take(search, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    return status == KT_OK ? keep_others(search) : status;
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

static void copy_rules(const struct plugin_entry *from, struct plugin_entry *entry)
{
    entry->rules = must(calloc(from->rule_count + 1, sizeof(*entry->rules)));
    entry->rule_count = from->rule_count;
    for (size_t i = 0; i < from->rule_count; i++) {
        struct plugin_rule_file *rule = &entry->rules[i];
        rule->size = from->rules[i].size;
        rule->name = must(strdup(from->rules[i].name));
        rule->text = must(malloc(rule->size + 1));
        memcpy(rule->text, from->rules[i].text, rule->size);
    }
}

static void add(struct plugin_catalog *catalog, const struct search *search, size_t i)
{
    struct plugin_entry *entry = &catalog->entries[catalog->count];
    entry->plugin = search->found[i];
    if (search->kept[i])
        copy_rules(plugin_find(search->before, entry->plugin->name), entry);
    else
        load_rules(search->folder, entry);
    catalog->count++;
}

/* Takes those whose requirements are in already, until none is left or none can be taken: what
 * remains needs a module that is not there, or needs itself in a circle. */
static enum kt_status add_in_order(struct plugin_catalog *catalog, struct search *search)
{
    bool moved = true;
    while (moved) {
        moved = false;
        for (size_t i = 0; i < search->count; i++) {
            const struct kt_plugin *plugin = search->found[i];
            if (!plugin || plugin_find(catalog, plugin->name) || !is_ready(catalog, plugin))
                continue;
            add(catalog, search, i);
            search->found[i] = NULL;
            moved = true;
        }
    }
    for (size_t i = 0; i < search->count; i++) {
        const struct kt_plugin *plugin = search->found[i];
        if (!plugin)
            continue;
        const char *why = plugin_find(catalog, plugin->name)
                              ? "a module of the server has its name"
                              : "it requires a module that is missing or requires it";
        if (search->before) {
            snprintf(search->why, search->why_size, "%s: %s", plugin->name, why);
            return KT_INVALID;
        }
        log_error("plugin %s is left out: %s", plugin->name, why);
    }
    return KT_OK;
}

/* --- Life --- */

static struct plugin_catalog *catalog_new(const char *folder, size_t builtin_count)
{
    struct plugin_catalog *catalog = must(calloc(1, sizeof(*catalog)));
    atomic_init(&catalog->references, 1);
    catalog->folder = must(strdup(folder));
    catalog->entries = must(calloc(PLUGIN_MAX + builtin_count, sizeof(*catalog->entries)));
    return catalog;
}

enum kt_status plugin_catalog_load(const char *folder, const struct kt_plugin *const *builtins,
                                   size_t builtin_count, struct plugin_catalog **out, char *why,
                                   size_t why_size)
{
    struct search search = {.folder = folder, .why = why, .why_size = why_size};
    struct plugin_catalog *catalog = catalog_new(folder, builtin_count);
    enum kt_status status = KT_OK;
    for (size_t i = 0; i < builtin_count && status == KT_OK; i++) {
        status = plugin_check(builtins[i], true, why, why_size);
        catalog->entries[catalog->count++] =
            (struct plugin_entry){.plugin = builtins[i], .builtin = true};
    }
    if (status == KT_OK)
        status = look_around(&search);
    if (status == KT_OK)
        status = add_in_order(catalog, &search);
    if (status == KT_OK)
        *out = catalog;
    else
        plugin_catalog_release(catalog);
    return status;
}

enum kt_status plugin_catalog_reload(const struct plugin_catalog *before, const char *name,
                                     struct plugin_catalog **out, char *why, size_t why_size)
{
    struct search search = {
        .folder = before->folder, .before = before, .name = name, .why = why, .why_size = why_size};
    struct plugin_catalog *catalog = catalog_new(before->folder, before->count);
    for (size_t i = 0; i < before->count && before->entries[i].builtin; i++)
        catalog->entries[catalog->count++] =
            (struct plugin_entry){.plugin = before->entries[i].plugin, .builtin = true};
    enum kt_status status = look_around(&search);
    if (status == KT_OK)
        status = add_in_order(catalog, &search);
    if (status == KT_OK)
        *out = catalog;
    else
        plugin_catalog_release(catalog);
    return status;
}

struct plugin_catalog *plugin_catalog_hold(struct plugin_catalog *catalog)
{
    atomic_fetch_add_explicit(&catalog->references, 1, memory_order_relaxed);
    return catalog;
}

void plugin_catalog_release(struct plugin_catalog *catalog)
{
    if (!catalog || atomic_fetch_sub_explicit(&catalog->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < catalog->count; i++) {
        for (size_t r = 0; r < catalog->entries[i].rule_count; r++) {
            free(catalog->entries[i].rules[r].name);
            free(catalog->entries[i].rules[r].text);
        }
        free(catalog->entries[i].rules);
    }
    free(catalog->entries);
    free(catalog->folder);
    free(catalog);
}
