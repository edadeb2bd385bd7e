#include "cli/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/text.h"
#include "kontor/limits.h"

#define PATH_SIZE 4096

bool bundle_is_name(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > 4 && strcmp(name + length - 4, ".lua") == 0;
}

static enum cli_exit read_file(struct bundle *bundle, const char *path, size_t size,
                               msgpack_object *out)
{
    const struct cli *cli = bundle->cli;
    FILE *file = fopen(path, "re");
    if (!file)
        return cli_fail(cli, CLI_REFUSED, "cannot read %s: %s", "无法读取 %s: %s", path,
                        strerror(errno));
    char *bytes = build_memory(cli->zone, size + 1);
    size_t got = fread(bytes, 1, size, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return cli_fail(cli, CLI_REFUSED, "cannot read %s", "无法读取 %s", path);
    if (!text_is_utf8(bytes, got))
        return cli_fail(cli, CLI_REFUSED, "%s is not UTF-8 text", "%s 不是 UTF-8 文本", path);
    *out = build_text_of(bytes, got);
    return CLI_OK;
}

static enum cli_exit add_file(struct bundle *bundle, const char *path, const char *name)
{
    struct cli *cli = bundle->cli;
    struct stat status;
    if (stat(path, &status) != 0)
        return cli_fail(cli, CLI_REFUSED, "cannot read %s: %s", "无法读取 %s: %s", path,
                        strerror(errno));
    if (!S_ISREG(status.st_mode))
        return cli_fail(cli, CLI_USAGE, "%s is not a file", "%s 不是文件", path);
    if (object_get(&bundle->files.object, name))
        return cli_fail(cli, CLI_USAGE, "two files are called %s", "有两个文件名为 %s", name);
    if (status.st_size > (off_t)KT_LIMIT_RULE_FILE_BYTES)
        return cli_fail(cli, CLI_REFUSED, "%s is larger than %u bytes", "%s 超过 %u 字节", path,
                        KT_LIMIT_RULE_FILE_BYTES);
    if (bundle->files.object.via.map.size == KT_LIMIT_RULE_FILES)
        return cli_fail(cli, CLI_REFUSED, "more than %u files", "文件超过 %u 个",
                        KT_LIMIT_RULE_FILES);
    bundle->size_bytes += (size_t)status.st_size;
    if (bundle->size_bytes > KT_LIMIT_MESSAGE_BYTES - (KT_LIMIT_MESSAGE_BYTES >> 4))
        return cli_fail(cli, CLI_REFUSED, "the files are too large for one push: push in parts",
                        "文件总量过大，请分批推送");
    msgpack_object text = build_nil();
    enum cli_exit code = read_file(bundle, path, (size_t)status.st_size, &text);
    if (code != CLI_OK)
        return code;
    size_t length = strlen(name);
    char *copy = build_memory(cli->zone, length + 1);
    memcpy(copy, name, length + 1);
    build_set(&bundle->files, copy, text);
    return CLI_OK;
}

/* `below` is "" or the folder's name: the name of a rule is its path below the folder given. */
static enum cli_exit add_folder(struct bundle *bundle, const char *folder, const char *below)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0)
        return cli_fail(bundle->cli, CLI_REFUSED, "cannot read %s: %s", "无法读取 %s: %s", folder,
                        strerror(errno));
    enum cli_exit code = CLI_OK;
    for (int i = 0; i < count; i++) {
        const char *entry = entries[i]->d_name;
        char path[PATH_SIZE];
        char name[PATH_SIZE];
        bool fits =
            snprintf(path, sizeof path, "%s/%s", folder, entry) < PATH_SIZE &&
            snprintf(name, sizeof name, "%s%s%s", below, below[0] ? "/" : "", entry) < PATH_SIZE;
        struct stat status;
        if (code != CLI_OK || entry[0] == '.' || !fits || stat(path, &status) != 0) {
            free(entries[i]);
            continue;
        }
        if (S_ISDIR(status.st_mode) && below[0] == '\0')
            code = add_folder(bundle, path, entry);
        else if (S_ISREG(status.st_mode) && bundle_is_name(entry) &&
                 strcmp(entry, "kontor.lua") != 0) /* Of `rules stubs`, for editors. */
            code = add_file(bundle, path, name);
        free(entries[i]);
    }
    free(entries);
    return code;
}

static enum cli_exit add_path(struct bundle *bundle, const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return add_folder(bundle, path, "");
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!bundle_is_name(name))
        return cli_fail(bundle->cli, CLI_USAGE, "%s is not a .lua file", "%s 不是 .lua 文件", path);
    return add_file(bundle, path, name);
}

enum cli_exit bundle_read(struct cli *cli, struct bundle *bundle)
{
    enum cli_exit code = CLI_OK;
    *bundle = (struct bundle){.cli = cli, .files = build_map(cli->zone)};
    for (int i = 0; code == CLI_OK && i < cli->argc; i++)
        code = add_path(bundle, cli->argv[i]);
    if (code == CLI_OK && bundle->files.object.via.map.size == 0)
        return cli_fail(cli, CLI_USAGE, "no .lua files there", "没有找到 .lua 文件");
    return code;
}
