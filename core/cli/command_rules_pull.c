/* rules pull: the pushed files, written to a folder. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/bundle.h"
#include "cli/commands.h"

#define PATH_SIZE 4096

/* The server's own check of names, made again: a name from elsewhere must not lead out of here. */
static bool stays_below(const char *name)
{
    return bundle_is_name(name) && name[0] != '/' && !strstr(name, "..") && !strstr(name, "/.");
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
