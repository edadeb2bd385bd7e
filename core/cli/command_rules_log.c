/* rules log, rules diff: what was pushed when, and what differs. */
#include <string.h>

#include "cli/bundle.h"
#include "cli/commands.h"
#include "cli/text.h"

static const msgpack_object *list_of(const msgpack_object *map, const char *name)
{
    static const msgpack_object none = {.type = MSGPACK_OBJECT_ARRAY};
    const msgpack_object *list = object_get(map, name);
    return list && list->type == MSGPACK_OBJECT_ARRAY ? list : &none;
}

/* --- log --- */

/* A line has room for so many; --json tells all. */
#define FILES_TOLD 3u

/* "+new.lua ~changed.lua -gone.lua and 2 more", in the zone. */
static msgpack_object files_in_short(struct cli *cli, const msgpack_object *files)
{
    struct text out = {.at = NULL};
    uint32_t count = files->via.array.size, told = count > FILES_TOLD + 1 ? FILES_TOLD : count;
    for (uint32_t i = 0; i < told; i++) {
        const msgpack_object *file = &files->via.array.ptr[i];
        const msgpack_object *name = object_get(file, "name"), *what = object_get(file, "what");
        if (!name || name->type != MSGPACK_OBJECT_STR || !what)
            continue;
        text_add_word(&out, i ? " " : "");
        text_add_word(&out, object_is(what, "added")     ? "+"
                            : object_is(what, "removed") ? "-"
                                                         : "~");
        text_add(&out, name->via.str.ptr, name->via.str.size);
    }
    if (told < count)
        text_add_format(&out, cli->chinese ? " 等另外 %u 个" : " and %u more", count - told);
    char *copy = build_memory(cli->zone, out.length + 1);
    if (out.length)
        memcpy(copy, out.at, out.length);
    msgpack_object line = build_text_of(copy, out.length);
    text_free(&out);
    return line;
}

static const char *told_note(struct cli *cli, const msgpack_object *revision)
{
    const msgpack_object *note = object_get(revision, "note");
    bool has_note = note && note->type == MSGPACK_OBJECT_STR;
    struct text out = {.at = NULL};
    text_add(&out, "", 0);
    if (object_get(revision, "rollback_to"))
        text_add_format(&out, cli->chinese ? "回退到 %lld" : "back to %lld",
                        (long long)object_int(revision, "rollback_to"));
    if (object_get(revision, "skip_tests"))
        text_add_format(&out, "%s%s", out.length ? "; " : "",
                        cli->chinese ? "未测试" : "not tested");
    if (has_note)
        text_add_format(&out, "%s%.*s", out.length ? "; " : "", (int)note->via.str.size,
                        note->via.str.ptr);
    char *copy = build_memory(cli->zone, out.length + 1);
    memcpy(copy, out.at ? out.at : "", out.length + 1);
    text_free(&out);
    return copy;
}

static void print_log(struct cli *cli, const msgpack_object *answer)
{
    const msgpack_object *revisions = list_of(answer, "revisions");
    msgpack_object rows = build_array(cli->zone, revisions->via.array.size);
    for (uint32_t i = 0; i < revisions->via.array.size; i++) {
        const msgpack_object *revision = &revisions->via.array.ptr[i];
        const msgpack_object *at = object_get(revision, "at"), *user = object_get(revision, "user");
        struct build_map row = build_map(cli->zone);
        build_set(&row, "revision", build_int(object_int(revision, "revision")));
        build_set(&row, "at", at ? *at : build_nil());
        build_set(&row, "user", user ? *user : build_nil());
        build_set(&row, "files", files_in_short(cli, list_of(revision, "files")));
        build_set(&row, "note", build_text(told_note(cli, revision)));
        rows.via.array.ptr[i] = row.object;
    }
    cli_print(cli, &rows);
}

static enum cli_exit run_log(struct cli *cli)
{
    long limit = 0;
    const struct cli_option options[] = {{.name = "limit", .number = &limit}, {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 0, 1);
    struct build_map params = build_map(cli->zone);
    struct client_reply reply;
    if (code != CLI_OK)
        return code;
    if (cli->argc > 0)
        build_set(&params, "name", build_text(cli->argv[0]));
    if (limit > 0)
        build_set(&params, "limit", build_int(limit));
    code = cli_call(cli, "rules.log", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        print_log(cli, &reply.result);
    client_reply_free(&reply);
    return code;
}

/* --- diff --- */

/* Line by line, so that a newline stays one; tabs stay, too. */
static void add_diff(struct text *out, const msgpack_object_str *diff)
{
    for (size_t at = 0; at < diff->size;) {
        size_t length = 0;
        while (at + length < diff->size && diff->ptr[at + length] != '\n' &&
               diff->ptr[at + length] != '\t')
            length++;
        text_add_safe(out, diff->ptr + at, length);
        at += length;
        if (at < diff->size)
            text_add(out, &diff->ptr[at++], 1);
    }
}

static void print_diff(const struct cli *cli, const msgpack_object *answer)
{
    const msgpack_object *files = list_of(answer, "files");
    struct text out = {.at = NULL};
    for (uint32_t i = 0; i < files->via.array.size; i++) {
        const msgpack_object *diff = object_get(&files->via.array.ptr[i], "diff");
        if (diff && diff->type == MSGPACK_OBJECT_STR)
            add_diff(&out, &diff->via.str);
    }
    if (!files->via.array.size)
        text_add_word(&out, cli->chinese ? "没有差异\n" : "no difference\n");
    fwrite(out.at, 1, out.length, stdout);
    text_free(&out);
}

static enum cli_exit run_diff(struct cli *cli)
{
    long from = -1, to = -1;
    bool replace = false;
    const struct cli_option options[] = {{.name = "from", .number = &from},
                                         {.name = "to", .number = &to},
                                         {.name = "replace", .flag = &replace},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 0, -1);
    struct build_map params = build_map(cli->zone);
    struct bundle bundle;
    struct client_reply reply;
    if (code == CLI_OK && cli->argc > 0) {
        code = bundle_read(cli, &bundle);
        build_set(&params, "files", bundle.files.object);
        build_set(&params, "replace", build_bool(replace));
    }
    if (code != CLI_OK)
        return code;
    if (from >= 0)
        build_set(&params, "from", build_int(from));
    if (to >= 0)
        build_set(&params, "to", build_int(to));
    code = cli_call(cli, "rules.diff", &params.object, &reply);
    if (code == CLI_OK && cli->json)
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        print_diff(cli, &reply.result);
    client_reply_free(&reply);
    return code;
}

const struct cli_command command_rules_log = {
    .name = "rules log",
    .usage = "rules log [FILE|RULE] [--limit N]",
    .summary = {"who pushed what, when and why", "显示推送历史"},
    .help =
        {
            "Every push, removal and rollback is a revision; the newest comes first. With the "
            "name\n"
            "of a file, or of a rule, only those that touched it. +added ~changed -removed.\n"
            "\n"
            "  --limit N  show so many (100)\n",
            "每次推送、移除和回退都是一个版本，最新的在前。给出文件名或规则名时，\n"
            "只显示涉及该文件的版本。+添加 ~更改 -移除。\n"
            "\n"
            "  --limit N  显示条数（默认 100）\n",
        },
    .run = run_log,
};

const struct cli_command command_rules_diff = {
    .name = "rules diff",
    .usage = "rules diff [DIR|FILE...] [--from N] [--to M]",
    .summary = {"show what differs, line by line", "逐行显示差异"},
    .help =
        {
            "With files: what pushing them would change. Without: what revision M changed; with\n"
            "--from what lies between the two. M is the last one unless --to names it.\n"
            "\n"
            "  --from N   a revision of `rules log`; 0 is before anything was pushed\n"
            "  --to M     a later one\n"
            "  --replace  with files: as `rules push --replace` would\n",
            "给出文件时：推送它们会带来的更改。否则：版本 M 的更改；加 --from 则为两个版本\n"
            "之间的差异。未给出 --to 时 M 为最新版本。\n"
            "\n"
            "  --from N   rules log 中的版本；0 表示推送之前\n"
            "  --to M     较新的版本\n"
            "  --replace  给出文件时：如同 rules push --replace\n",
        },
    .run = run_diff,
};
