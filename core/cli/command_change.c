/* The commands that take a record away, out of sight, or back. */
#include <errno.h>
#include <stdlib.h>

#include "cli/commands.h"

static enum cli_exit change(struct cli *cli, const char *method, const char *english,
                            const char *chinese)
{
    long version = 0;
    bool dry_run = false;
    const struct cli_option options[] = {{.name = "version", .number = &version},
                                         {.name = "dry-run", .flag = &dry_run},
                                         {.name = NULL}};
    enum cli_exit code = cli_options(cli, options, 2, 2);
    if (code != CLI_OK)
        return code;
    char *end;
    errno = 0;
    long long id = strtoll(cli->argv[1], &end, 10);
    if (errno != 0 || end == cli->argv[1] || *end != '\0' || id < 1)
        return cli_fail(cli, CLI_USAGE, "'%s' is not an id", "“%s”不是编号", cli->argv[1]);
    struct build_map params = build_map(cli->zone);
    build_set(&params, "entity", build_text(cli->argv[0]));
    build_set(&params, "id", build_int(id));
    if (version > 0)
        build_set(&params, "version", build_int(version));
    if (dry_run)
        build_set(&params, "dry_run", build_bool(true));
    struct client_reply reply;
    code = cli_call(cli, method, &params.object, &reply);
    if (code == CLI_OK && (cli->json || dry_run))
        cli_print(cli, &reply.result);
    else if (code == CLI_OK)
        printf("%s %lld: %s\n", cli->argv[0], id, cli->chinese ? chinese : english);
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_delete(struct cli *cli)
{
    return change(cli, "record.delete", "deleted", "已删除");
}

const struct cli_command command_delete = {
    .name = "delete",
    .usage = "delete ENTITY ID [--version N] [--dry-run]",
    .summary = {"delete one record", "删除一条记录"},
    .help =
        {
            "Refused while other records refer to it; then the first of these are listed. What is\n"
            "only no longer used is better archived: kontor archive.\n"
            "\n"
            "  --version N  only if nobody has changed it since version N\n"
            "  --dry-run    change nothing and show what would change\n",
            "仍被其他记录引用时拒绝删除，并列出前几条引用。\n"
            "只是不再使用的记录宜归档：kontor archive。\n"
            "\n"
            "  --version N  仅当版本仍为 N 时\n"
            "  --dry-run    不做更改，仅显示将会发生的更改\n",
        },
    .run = run_delete,
};

static enum cli_exit run_archive(struct cli *cli)
{
    return change(cli, "record.archive", "archived", "已归档");
}

const struct cli_command command_archive = {
    .name = "archive",
    .usage = "archive ENTITY ID [--version N] [--dry-run]",
    .summary = {"put one record out of sight", "归档一条记录"},
    .help =
        {
            "Searches leave it out, nothing new can refer to it and nobody changes it, until\n"
            "kontor restore. What refers to it already stays as it is. To see what is archived:\n"
            "\n"
            "  kontor search parties.party archived=true\n"
            "\n"
            "  --version N  only if nobody has changed it since version N\n"
            "  --dry-run    change nothing and show what would change\n",
            "归档后查询不再显示，不能被新记录引用，也不能修改，直至 kontor restore。\n"
            "已有引用不受影响。查看已归档记录：\n"
            "\n"
            "  kontor search parties.party archived=true\n"
            "\n"
            "  --version N  仅当版本仍为 N 时\n"
            "  --dry-run    不做更改，仅显示将会发生的更改\n",
        },
    .run = run_archive,
};

static enum cli_exit run_restore(struct cli *cli)
{
    return change(cli, "record.restore", "restored", "已恢复");
}

const struct cli_command command_restore = {
    .name = "restore",
    .usage = "restore ENTITY ID [--version N] [--dry-run]",
    .summary = {"bring an archived record back", "恢复已归档的记录"},
    .help = {"  --version N  only if nobody has changed it since version N\n"
             "  --dry-run    change nothing and show what would change\n",
             "  --version N  仅当版本仍为 N 时\n"
             "  --dry-run    不做更改，仅显示将会发生的更改\n"},
    .run = run_restore,
};
