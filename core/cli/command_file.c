/* kontor file attach, get: files of records, in chunks. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/progress.h"
#include "kontor/limits.h"

#define NAME_HINT_EN "a record is ENTITY ID, such as products.product 7"
#define NAME_HINT_ZH "记录为 实体 编号，例如 products.product 7"

static enum cli_exit read_id(const struct cli *cli, const char *word, int64_t *out)
{
    char *end;
    errno = 0;
    long long id = strtoll(word, &end, 10);
    if (errno != 0 || end == word || *end != '\0' || id < 1)
        return cli_fail(cli, CLI_USAGE, "'%s' is not an id: " NAME_HINT_EN,
                        "“%s”不是编号：" NAME_HINT_ZH, word);
    *out = id;
    return CLI_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* --- attach --- */

struct sending {
    struct cli *cli;
    FILE *file;
    struct progress progress;
    int64_t upload;
};

static enum cli_exit begin(struct sending *sending)
{
    struct client_reply reply;
    enum cli_exit code = cli_call(sending->cli, "file.begin", NULL, &reply);
    sending->upload = object_int(&reply.result, "upload");
    client_reply_free(&reply);
    return code;
}

/* Sent again when the connection is lost: the server knows a chunk that it has. */
static enum cli_exit append(struct sending *sending, const char *bytes, size_t size)
{
    struct build_map params = build_map(sending->cli->zone);
    struct client_reply reply;
    build_set(&params, "upload", build_int(sending->upload));
    build_set(&params, "offset", build_int((int64_t)sending->progress.state.done));
    build_set(&params, "bytes",
              (msgpack_object){.type = MSGPACK_OBJECT_BIN,
                               .via.bin = {.size = (uint32_t)size, .ptr = bytes}});
    enum cli_exit code = cli_call(sending->cli, "file.append", &params.object, &reply);
    client_reply_free(&reply);
    sending->progress.state.done += size;
    progress_update(&sending->progress);
    return code;
}

static enum cli_exit send_all(struct sending *sending)
{
    static char chunk[KT_LIMIT_FILE_CHUNK];
    enum cli_exit code = begin(sending);
    size_t size = 0;
    while (code == CLI_OK && (size = fread(chunk, 1, sizeof chunk, sending->file)) > 0)
        code = append(sending, chunk, size);
    progress_hide(&sending->progress);
    if (code == CLI_OK && ferror(sending->file))
        code = cli_fail(sending->cli, CLI_REFUSED, "cannot read %s: %s", "无法读取 %s: %s",
                        sending->progress.state.name, strerror(errno));
    return code;
}

static enum cli_exit finish(struct sending *sending, struct client_reply *reply)
{
    struct build_map params = build_map(sending->cli->zone);
    build_set(&params, "upload", build_int(sending->upload));
    return cli_call(sending->cli, "file.finish", &params.object, reply);
}

static enum cli_exit refer(struct cli *cli, int64_t id, const char *name, const char *media_type,
                           const msgpack_object *hash)
{
    struct build_map value = build_map(cli->zone), values = build_map(cli->zone);
    struct build_map params = build_map(cli->zone);
    build_set(&value, "hash", *hash);
    build_set(&value, "name", build_text(name));
    if (media_type)
        build_set(&value, "media_type", build_text(media_type));
    build_set(&values, cli->argv[2], value.object);
    build_set(&params, "entity", build_text(cli->argv[0]));
    build_set(&params, "id", build_int(id));
    build_set(&params, "values", values.object);
    return cli_call_and_print(cli, "record.update", &params.object);
}

static enum cli_exit attach(struct cli *cli, int64_t id, const char *path, const char *media_type)
{
    struct sending sending = {.cli = cli, .file = fopen(path, "re")};
    struct client_reply reply = {0};
    struct stat status;
    if (!sending.file || fstat(fileno(sending.file), &status) != 0 || S_ISDIR(status.st_mode)) {
        int error = sending.file ? EISDIR : errno;
        if (sending.file)
            fclose(sending.file);
        return cli_fail(cli, CLI_REFUSED, "cannot read %s: %s", "无法读取 %s: %s", path,
                        strerror(error));
    }
    sending.progress.state = (struct progress_state){
        .name = path, .total = (uint64_t)status.st_size, .chinese = cli->chinese};
    progress_begin(&sending.progress);
    cli->progress = &sending.progress;
    enum cli_exit code = send_all(&sending);
    cli->progress = NULL;
    fclose(sending.file);
    if (code == CLI_OK) {
        code = finish(&sending, &reply);
        const msgpack_object *hash = object_get(&reply.result, "hash");
        if (code == CLI_OK && hash)
            code = refer(cli, id, base_name(path), media_type, hash);
        client_reply_free(&reply);
    }
    return code;
}

static enum cli_exit run_attach(struct cli *cli)
{
    const char *media_type = NULL;
    const struct cli_option options[] = {{.name = "media-type", .text = &media_type},
                                         {.name = NULL}};
    int64_t id = 0;
    enum cli_exit code = cli_options(cli, options, 4, 4);
    if (code == CLI_OK)
        code = read_id(cli, cli->argv[1], &id);
    return code == CLI_OK ? attach(cli, id, cli->argv[3], media_type) : code;
}

const struct cli_command command_file_attach = {
    .name = "file attach",
    .usage = "file attach ENTITY ID FIELD FILE [--media-type TYPE]",
    .summary = {"send a file and let a record refer to it", "上传文件并由记录引用"},
    .help = {"  kontor file attach products.product 7 datasheet bolt.pdf \\\n"
             "      --media-type application/pdf\n",
             "  kontor file attach products.product 7 datasheet bolt.pdf \\\n"
             "      --media-type application/pdf\n"},
    .run = run_attach,
};

/* --- get --- */

static enum cli_exit write_chunk(struct cli *cli, const msgpack_object *answer, FILE *out,
                                 const char *path)
{
    const msgpack_object *bytes = object_get(answer, "bytes");
    if (!bytes || bytes->type != MSGPACK_OBJECT_BIN)
        return cli_fail(cli, CLI_REFUSED, "the server sent no bytes", "服务器未返回内容");
    if (fwrite(bytes->via.bin.ptr, 1, bytes->via.bin.size, out) == bytes->via.bin.size)
        return CLI_OK;
    return cli_fail(cli, CLI_REFUSED, "cannot write %s: %s", "无法写入 %s: %s", path,
                    strerror(errno));
}

static enum cli_exit fetch(struct cli *cli, int64_t id, FILE *out, const char *path)
{
    int64_t offset = 0;
    enum cli_exit code = CLI_OK;
    bool more = true;
    while (code == CLI_OK && more) {
        struct build_map params = build_map(cli->zone);
        struct client_reply reply;
        build_set(&params, "entity", build_text(cli->argv[0]));
        build_set(&params, "id", build_int(id));
        build_set(&params, "field", build_text(cli->argv[2]));
        build_set(&params, "offset", build_int(offset));
        code = cli_call(cli, "file.read", &params.object, &reply);
        if (code == CLI_OK)
            code = write_chunk(cli, &reply.result, out, path);
        offset = object_int(&reply.result, "next");
        more = offset > 0;
        client_reply_free(&reply);
    }
    return code;
}

static enum cli_exit run_get(struct cli *cli)
{
    int64_t id = 0;
    enum cli_exit code = cli_options(cli, NULL, 4, 4);
    if (code == CLI_OK)
        code = read_id(cli, cli->argv[1], &id);
    if (code != CLI_OK)
        return code;
    const char *path = cli->argv[3];
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(path, "we");
    if (!out)
        return cli_fail(cli, CLI_REFUSED, "cannot write %s: %s", "无法写入 %s: %s", path,
                        strerror(errno));
    code = fetch(cli, id, out, path);
    bool written = to_stdout ? fflush(out) == 0 : fclose(out) == 0;
    if (code == CLI_OK && !written)
        code = cli_fail(cli, CLI_REFUSED, "cannot write %s: %s", "无法写入 %s: %s", path,
                        strerror(errno));
    return code;
}

const struct cli_command command_file_get = {
    .name = "file get",
    .usage = "file get ENTITY ID FIELD FILE",
    .summary = {"fetch a record's file", "取回记录的文件"},
    .help = {"FILE - is standard output.\n\n"
             "  kontor file get products.product 7 datasheet bolt.pdf\n",
             "FILE 为 - 时写到标准输出。\n\n"
             "  kontor file get products.product 7 datasheet bolt.pdf\n"},
    .run = run_get,
};
