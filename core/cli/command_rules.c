/* Rules: what consultants write. All files travel in one call, so that the server takes them
 * together or not at all. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/text.h"
#include "kontor/limits.h"

#define PATH_SIZE 4096

/* The files to push: name as the server will know it, and text. Both in the zone. */
struct bundle {
    struct cli *cli;
    struct build_map files;
    size_t size_bytes;
};

static bool is_rule_name(const char *name)
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
        else if (S_ISREG(status.st_mode) && is_rule_name(entry))
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
    if (!is_rule_name(name))
        return cli_fail(bundle->cli, CLI_USAGE, "%s is not a .lua file", "%s 不是 .lua 文件", path);
    return add_file(bundle, path, name);
}

static enum cli_exit run_push(struct cli *cli)
{
    bool replace = false;
    const struct cli_option options[] = {{.name = "replace", .flag = &replace}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, -1);
    struct bundle bundle = {.cli = cli, .files = build_map(cli->zone)};
    for (int i = 0; code == CLI_OK && i < cli->argc; i++)
        code = add_path(&bundle, cli->argv[i]);
    if (code != CLI_OK)
        return code;
    if (bundle.files.object.via.map.size == 0)
        return cli_fail(cli, CLI_USAGE, "no .lua files there", "没有找到 .lua 文件");
    struct build_map params = build_map(cli->zone);
    build_set(&params, "files", bundle.files.object);
    build_set(&params, "replace", build_bool(replace));
    struct client_reply reply;
    code = cli_call(cli, "rules.push", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        for (uint32_t i = 0; i < bundle.files.object.via.map.size; i++)
            printf("%s: %s\n", bundle.files.object.via.map.ptr[i].key.via.str.ptr,
                   cli->chinese ? "已推送" : "pushed");
    client_reply_free(&reply);
    return code;
}

/* --- Pull --- */

/* The server's own check of names, made again: a name from elsewhere must not lead out of here. */
static bool stays_below(const char *name)
{
    return is_rule_name(name) && name[0] != '/' && !strstr(name, "..") && !strstr(name, "/.");
}

static bool has_text(const char *path, const msgpack_object_str *text)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    uint32_t at = 0;
    while (at < text->size && fgetc(file) == (unsigned char)text->ptr[at])
        at++;
    bool same = at == text->size && fgetc(file) == EOF;
    fclose(file);
    return same;
}

/* Folders of the file below the first `root` bytes. */
static bool make_folders(char *path, size_t root)
{
    for (char *slash = strchr(path + root, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made)
            return false;
    }
    return true;
}

static bool write_text(char *path, size_t root, const msgpack_object_str *text)
{
    FILE *file = make_folders(path, root) ? fopen(path, "we") : NULL;
    if (!file)
        return false;
    bool written = fwrite(text->ptr, 1, text->size, file) == text->size;
    return fclose(file) == 0 && written;
}

static enum cli_exit save_file(const struct cli *cli, const char *folder, const char *name,
                               const msgpack_object *text, bool force)
{
    char path[PATH_SIZE];
    struct stat status;
    bool fits = snprintf(path, sizeof path, "%s/%s", folder, name) < PATH_SIZE;
    if (!fits || !stays_below(name) || !text || text->type != MSGPACK_OBJECT_STR)
        return cli_fail(cli, CLI_REFUSED, "the server sent a file that cannot be kept here",
                        "服务器发来的文件无法保存到此处");
    if (has_text(path, &text->via.str))
        return CLI_OK;
    if (!force && stat(path, &status) == 0)
        return cli_fail(cli, CLI_REFUSED, "%s is there already and differs: --force replaces it",
                        "%s 已存在且内容不同，可用 --force 覆盖", path);
    if (!write_text(path, strlen(folder) + 1, &text->via.str))
        return cli_fail(cli, CLI_REFUSED, "cannot write %s: %s", "无法写入 %s: %s", path,
                        strerror(errno));
    printf("%s: %s\n", path, cli->chinese ? "已保存" : "saved");
    return CLI_OK;
}

static enum cli_exit pull_file(struct cli *cli, const char *folder, const msgpack_object *listed,
                               bool force)
{
    char name[PATH_SIZE] = "";
    const msgpack_object *given = object_get(listed, "name");
    if (given && given->type == MSGPACK_OBJECT_STR && given->via.str.size < sizeof name)
        memcpy(name, given->via.str.ptr, given->via.str.size);
    struct build_map params = build_map(cli->zone);
    build_set(&params, "name", build_text(name));
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, "rules.get", &params.object, &reply);
    if (code == CLI_OK)
        code = save_file(cli, folder, name, object_get(&reply.result, "text"), force);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_pull(struct cli *cli)
{
    bool force = false;
    const struct cli_option options[] = {{.name = "force", .flag = &force}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 1, 1);
    if (code != CLI_OK)
        return code;
    const char *folder = cli->argv[0];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return cli_fail(cli, CLI_REFUSED, "cannot make %s: %s", "无法创建 %s: %s", folder,
                        strerror(errno));
    struct client_reply reply;
    code = cli_call(cli, "rules.list", NULL, &reply);
    const msgpack_object *files = code == CLI_OK ? object_get(&reply.result, "files") : NULL;
    uint32_t count = files && files->type == MSGPACK_OBJECT_ARRAY ? files->via.array.size : 0;
    for (uint32_t i = 0; code == CLI_OK && i < count; i++)
        code = pull_file(cli, folder, &files->via.array.ptr[i], force);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_list(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 0, 0);
    return code == CLI_OK ? cli_call_and_print(cli, "rules.list", NULL) : code;
}

static enum cli_exit run_remove(struct cli *cli)
{
    enum cli_exit code = cli_options(cli, NULL, 1, 1);
    if (code != CLI_OK)
        return code;
    struct build_map params = build_map(cli->zone);
    build_set(&params, "name", build_text(cli->argv[0]));
    struct client_reply reply;
    code = cli_call(cli, "rules.remove", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        printf("%s: %s\n", cli->argv[0], cli->chinese ? "已移除" : "removed");
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_rules_list = {
    .name = "rules list",
    .usage = "rules list",
    .summary = {"show rules, fields, entities and their files", "显示规则、字段、实体及其文件"},
    .run = run_list,
};

const struct cli_command command_rules_pull = {
    .name = "rules pull",
    .usage = "rules pull DIR [--force]",
    .summary = {"save the pushed rule files to a folder", "将已推送的规则文件保存到目录"},
    .help =
        {
            "Writes every pushed file, under its name, so that it can be kept under version\n"
            "control and pushed elsewhere. A file that is there and differs stops it.\n"
            "\n"
            "  --force  replace files that differ\n",
            "将每个已推送的文件按其名称写出，便于版本管理或推送到别处。遇到已存在且内容不同的\n"
            "文件即停止。\n"
            "\n"
            "  --force  覆盖内容不同的文件\n",
        },
    .run = run_pull,
};

const struct cli_command command_rules_push = {
    .name = "rules push",
    .usage = "rules push DIR|FILE... [--replace]",
    .summary = {"send rule files to the server", "将规则文件发送到服务器"},
    .help =
        {
            "From a folder, every *.lua in it and in the folders one level below; a rule's file\n"
            "is named by its path there (\"sales/credit.lua\"). The server takes all files or,\n"
            "if one of them is wrong, none.\n"
            "\n"
            "  --replace  remove the pushed files that are not among these\n",
            "对目录，取其中及下一级目录中的所有 *.lua；文件名为其相对路径\n"
            "（如 \"sales/credit.lua\"）。服务器要么全部接受，要么（其中一个有误时）全部拒绝。\n"
            "\n"
            "  --replace  移除不在其中的已推送文件\n",
        },
    .run = run_push,
};

const struct cli_command command_rules_remove = {
    .name = "rules remove",
    .usage = "rules remove FILE",
    .summary = {"remove a pushed rule file", "移除已推送的规则文件"},
    .run = run_remove,
};
