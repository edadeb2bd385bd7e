/* rules trace: the rules at work, a line for each turn, as it happens. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#define POLL_MS 250

static void add_value(struct text *out, const msgpack_object *value)
{
    char instant[64];
    if (!value)
        return;
    if (value->type == MSGPACK_OBJECT_STR)
        text_add_safe(out, value->via.str.ptr, value->via.str.size);
    else if (json_instant(value, instant, sizeof instant))
        text_add_word(out, instant);
    else
        json_write(out, value, false);
}

/* "2026-11-23T10:00:00Z  anna  credit  before_confirm  sales.order 7  denied  212 us: message" */
static void add_turn(struct text *out, const msgpack_object *turn)
{
    static const char *const members[] = {"at", "user", "rule", "moment", "entity"};
    const msgpack_object *fields = object_get(turn, "fields");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        text_add_word(out, i ? "  " : "");
        add_value(out, object_get(turn, members[i]));
    }
    if (object_get(turn, "id"))
        text_add_format(out, " %lld", (long long)object_int(turn, "id"));
    text_add_word(out, "  ");
    add_value(out, object_get(turn, "outcome"));
    text_add_format(out, "  %lld us", (long long)object_int(turn, "us"));
    for (uint32_t i = 0;
         fields && fields->type == MSGPACK_OBJECT_ARRAY && i < fields->via.array.size; i++) {
        text_add_word(out, i ? ", " : ": ");
        add_value(out, &fields->via.array.ptr[i]);
    }
    if (object_get(turn, "message")) {
        text_add_word(out, ": ");
        add_value(out, object_get(turn, "message"));
    }
    text_add_word(out, "\n");
}

static void print_turns(const struct cli *cli, const msgpack_object *answer)
{
    const msgpack_object *turns = object_get(answer, "turns");
    long long missed = object_int(answer, "missed");
    struct text out = {.at = NULL};
    for (uint32_t i = 0; turns && turns->type == MSGPACK_OBJECT_ARRAY && i < turns->via.array.size;
         i++) {
        if (cli->json) {
            json_write(&out, &turns->via.array.ptr[i], false);
            text_add_word(&out, "\n");
        } else {
            add_turn(&out, &turns->via.array.ptr[i]);
        }
    }
    if (out.at)
        fputs(out.at, stdout);
    fflush(stdout);
    text_free(&out);
    if (missed > 0)
        cli_fail(cli, CLI_OK, "%lld turns were missed: there are too many",
                 "漏掉 %lld 条：数量过多", missed);
}

struct watch {
    const char *rule, *entity;
    int64_t after; /* Below 0: from now on. */
};

static enum cli_exit poll_once(struct cli *cli, struct watch *watch)
{
    struct build_map params = build_map(cli->zone);
    struct client_reply reply;
    if (watch->rule)
        build_set(&params, "rule", build_text(watch->rule));
    if (watch->entity)
        build_set(&params, "entity", build_text(watch->entity));
    if (watch->after >= 0)
        build_set(&params, "after", build_int(watch->after));
    enum cli_exit code = cli_call(cli, "rules.trace", &params.object, &reply);
    if (code == CLI_OK) {
        print_turns(cli, &reply.result);
        watch->after = object_int(&reply.result, "next");
    }
    client_reply_free(&reply);
    return code;
}

static enum cli_exit run_trace(struct cli *cli)
{
    struct watch watch = {.after = -1};
    long seconds = 0, after = -1;
    const struct cli_option options[] = {{.name = "rule", .text = &watch.rule},
                                         {.name = "entity", .text = &watch.entity},
                                         {.name = "seconds", .number = &seconds},
                                         {.name = "after", .number = &after},
                                         {.name = NULL}};
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    enum cli_exit code = cli_options(cli, options, 0, 0);
    int64_t until_us = clock_monotonic_us() + (int64_t)seconds * 1000000;
    watch.after = after;
    while (code == CLI_OK) {
        code = poll_once(cli, &watch);
        if (code != CLI_OK || (seconds > 0 && clock_monotonic_us() >= until_us))
            break;
        nanosleep(&pause, NULL);
    }
    return code;
}

const struct cli_command command_rules_trace = {
    .name = "rules trace",
    .usage = "rules trace [--rule NAME] [--entity NAME] [--seconds N]",
    .summary = {"watch rules at work", "实时跟踪规则运行"},
    .help =
        {
            "A line for each turn of a rule, as it happens: when, for whom, which rule, at which\n"
            "moment of which record, what came of it, how long it took, which fields it changed.\n"
            "With --json a line of JSON each. Ends with Ctrl-C.\n"
            "\n"
            "  --rule NAME    only this rule\n"
            "  --entity NAME  only changes of this entity\n"
            "  --seconds N    end after so long\n"
            "  --after SEQ    begin behind that turn, if it is remembered\n",
            "规则每次运行显示一行：时间、用户、规则、时机与记录、结果、用时及更改的字段。\n"
            "加 --json 时每行一个 JSON。按 Ctrl-C 结束。\n"
            "\n"
            "  --rule 名称    仅此规则\n"
            "  --entity 名称  仅此实体的更改\n"
            "  --seconds N    N 秒后结束\n"
            "  --after 序号   从该序号之后开始（若仍保留）\n",
        },
    .run = run_trace,
};
