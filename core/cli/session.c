/* The conversation with the server: connected and logged in at the first question. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/json.h"
#include "cli/preview.h"
#include "cli/progress.h"
#include "cli/table.h"

#define CELL_WIDTH_MIN 20
/* A server that restarts is back by then. */
#define RETRY_WITHIN_S     30
#define RETRY_PAUSE_MS     100
#define RETRY_PAUSE_MS_MAX 2000

void cli_say(const struct cli *cli, const char *prefix, const char *bytes, size_t length)
{
    struct text line = {.at = NULL};
    text_add_word(&line, prefix);
    text_add_safe(&line, bytes, length);
    text_add_word(&line, "\n");
    if (cli->progress)
        progress_hide(cli->progress);
    fflush(stdout);
    fwrite(line.at, 1, line.length, stderr);
    text_free(&line);
}

static void say(const struct cli *cli, const char *bytes, size_t length)
{
    cli_say(cli, "kontor: ", bytes, length);
}

enum cli_exit cli_fail(const struct cli *cli, enum cli_exit code, const char *english,
                       const char *chinese, ...)
{
    char message[2048];
    va_list arguments;
    va_start(arguments, chinese);
    vsnprintf(message, sizeof message, cli->chinese ? chinese : english, arguments);
    va_end(arguments);
    say(cli, message, strlen(message));
    return code;
}

static void add_attribute(struct text *line, const char *name, const char *value, bool *first)
{
    if (!value[0])
        return;
    text_add_format(line, "%s%s: ", *first ? " (" : ", ", name);
    text_add_word(line, value);
    *first = false;
}

/* "sales.order 7 (customer): SO2026-00007" */
static void add_reference(struct text *line, const msgpack_object *reference)
{
    static const char *const parts[] = {"entity", "id", "field", "title"};
    static const char *const before[] = {"", " ", " (", "): "};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const msgpack_object *part = object_get(reference, parts[i]);
        if (!part && i == 3)
            text_add_word(line, ")");
        if (!part)
            continue;
        text_add_word(line, before[i]);
        if (part->type == MSGPACK_OBJECT_STR)
            text_add(line, part->via.str.ptr, part->via.str.size);
        else
            json_write(line, part, false);
    }
}

/* "over the limit is refused: credit_test.lua:15: expected ..." of a test that failed. */
static void add_test(const struct cli *cli, struct text *line, const msgpack_object *test)
{
    const msgpack_object *name = object_get(test, "name");
    const msgpack_object *message = object_get(test, cli->chinese ? "message_zh" : "message");
    if (!name || name->type != MSGPACK_OBJECT_STR || !message ||
        message->type != MSGPACK_OBJECT_STR)
        return;
    text_add(line, name->via.str.ptr, name->via.str.size);
    text_add_word(line, ": ");
    text_add(line, message->via.str.ptr, message->via.str.size);
}

static bool report_tests(const struct cli *cli, const msgpack_object *details)
{
    const msgpack_object *tests = object_get(details, "tests");
    if (!tests || tests->type != MSGPACK_OBJECT_ARRAY)
        return false;
    for (uint32_t i = 0; i < tests->via.array.size; i++) {
        struct text line = {.at = NULL};
        add_test(cli, &line, &tests->via.array.ptr[i]);
        if (line.length)
            cli_say(cli, "  ", line.at, line.length);
        text_free(&line);
    }
    return true;
}

/* What refers to a record, and tests that failed, are told a line each, whatever else as it came.
 */
static void report_details(const struct cli *cli, const msgpack_object *details)
{
    const msgpack_object *references = object_get(details, "references");
    struct text line = {.at = NULL};
    bool listed = references && references->type == MSGPACK_OBJECT_ARRAY;
    if (report_tests(cli, details))
        return;
    if (!listed) {
        text_add_word(&line, "details: ");
        json_write(&line, details, false);
        say(cli, line.at, line.length);
    }
    for (uint32_t i = 0; listed && i < references->via.array.size; i++) {
        struct text entry = {.at = NULL};
        add_reference(&entry, &references->via.array.ptr[i]);
        cli_say(cli, "  ", entry.at, entry.length);
        text_free(&entry);
    }
    text_free(&line);
}

void cli_report(const struct cli *cli, const struct client_error *error, const char *where)
{
    struct text line = {.at = NULL};
    bool first = true;
    text_add_word(&line, where);
    text_add_word(&line, cli->chinese ? error->message_zh : error->message);
    add_attribute(&line, "entity", error->entity, &first);
    add_attribute(&line, "field", error->field, &first);
    add_attribute(&line, "code", error->code, &first);
    add_attribute(&line, "rule", error->rule, &first);
    if (!first)
        text_add_word(&line, ")");
    say(cli, line.at, line.length);
    text_free(&line);
    if (error->details)
        report_details(cli, error->details);
}

static enum cli_exit report_lost(const struct cli *cli, enum client_status status)
{
    const struct client_error *error = client_error(cli->client);
    enum cli_exit code = status == CLIENT_INVALID ? CLI_USAGE : CLI_LOST;
    return cli_fail(cli, code, "%s", "%s", cli->chinese ? error->message_zh : error->message);
}

/* The password for the user given, or the local administrator's. */
static enum cli_exit find_secret(const struct cli *cli, const char *user,
                                 const struct cli_target *target, struct cli_secret *secret)
{
    const char *environment_user = getenv("KONTOR_USER");
    const char *environment_password = getenv("KONTOR_PASSWORD");
    if (cli->password_stdin)
        return cli_secret_stdin(cli, secret);
    /* KONTOR_PASSWORD belongs to KONTOR_USER: it must not be tried on somebody else. */
    bool belongs = !environment_user || !environment_user[0] || strcmp(environment_user, user) == 0;
    if (environment_password && environment_password[0] && belongs) {
        if (strlen(environment_password) >= sizeof secret->text)
            return cli_fail(cli, CLI_LOGIN, "KONTOR_PASSWORD is too long", "KONTOR_PASSWORD 过长");
        snprintf(secret->text, sizeof secret->text, "%s", environment_password);
        return CLI_OK;
    }
    bool nobody_named = !cli->user && (!environment_user || !environment_user[0]);
    if (nobody_named && target->password_file[0] &&
        (access(target->password_file, F_OK) == 0 || !cli_has_terminal()))
        return cli_secret_file(cli, target->password_file, secret);
    char prompt[256];
    snprintf(prompt, sizeof prompt,
             cli->chinese ? "%.100s 的密码: " : "Password of %.100s: ", user);
    return cli_secret_prompt(cli, prompt, secret);
}

/* Kept for a connection that has to be made again: a password from a pipe is gone by then. */
static void keep_token(struct cli *cli, const msgpack_object *answer)
{
    const msgpack_object *token = object_get(answer, "token");
    if (token && token->type == MSGPACK_OBJECT_STR)
        cli->token = strndup(token->via.str.ptr, token->via.str.size);
}

static enum cli_exit log_in(struct cli *cli, const struct cli_target *target)
{
    const char *user = cli->user ? cli->user : getenv("KONTOR_USER");
    if (!user || !user[0])
        user = "admin";
    struct cli_secret secret = {.text = ""};
    enum cli_exit code = find_secret(cli, user, target, &secret);
    if (code != CLI_OK)
        return code;
    struct client_reply reply;
    enum client_status status = client_login(cli->client, user, secret.text, &reply);
    cli_secret_wipe(&secret);
    if (status == CLIENT_OK) {
        keep_token(cli, &reply.result);
    } else if (status == CLIENT_REFUSED) {
        cli_report(cli, reply.error, "");
        bool not_our_fault =
            strcmp(reply.error->code, "busy") == 0 || strcmp(reply.error->code, "internal") == 0;
        code = not_our_fault ? CLI_REFUSED : CLI_LOGIN;
    } else {
        code = report_lost(cli, status);
    }
    client_reply_free(&reply);
    return code;
}

/* CLIENT_NO_MEMORY leaves no client to say why. */
static enum client_status reach(struct cli *cli, const struct cli_target *target)
{
    const struct client_options options = {
        .socket_path = target->address ? NULL : target->socket,
        .address = target->address,
        .timeout_ms =
            cli->timeout_s == 0 || cli->timeout_s > 86400 ? -1 : (int)cli->timeout_s * 1000,
    };
    client_free(cli->client);
    cli->client = client_new(&options);
    return cli->client ? client_connect(cli->client) : CLIENT_NO_MEMORY;
}

static enum cli_exit begin(struct cli *cli)
{
    struct cli_target target;
    enum cli_exit code = cli_find_target(cli, &target);
    if (code != CLI_OK)
        return code;
    enum client_status status = reach(cli, &target);
    if (!cli->client)
        return cli_fail(cli, CLI_LOST, "out of memory", "内存不足");
    if (status != CLIENT_OK)
        return report_lost(cli, status);
    return cli->no_login ? CLI_OK : log_in(cli, &target);
}

enum cli_exit cli_ask(struct cli *cli, const char *method, const msgpack_object *params,
                      struct client_reply *reply)
{
    *reply = (struct client_reply){.result = build_nil()};
    if (!cli->client) {
        enum cli_exit code = begin(cli);
        if (code != CLI_OK)
            return code;
    }
    enum client_status status = client_call(cli->client, method, params, reply);
    if (status == CLIENT_REFUSED)
        return CLI_REFUSED;
    return status == CLIENT_OK ? CLI_OK : report_lost(cli, status);
}

/* CLI_LOST is left unreported: there may be another try. */
static enum cli_exit begin_again(struct cli *cli)
{
    struct cli_target target;
    enum cli_exit code = cli_find_target(cli, &target);
    if (code != CLI_OK)
        return code;
    if (reach(cli, &target) != CLIENT_OK)
        return CLI_LOST;
    if (cli->no_login || !cli->token)
        return cli->no_login ? CLI_OK : log_in(cli, &target);
    struct client_reply reply;
    enum client_status status = client_login_token(cli->client, cli->token, &reply);
    bool busy = status == CLIENT_REFUSED && strcmp(reply.error->code, "busy") == 0;
    if (status == CLIENT_REFUSED && !busy)
        cli_report(cli, reply.error, "");
    client_reply_free(&reply);
    return status == CLIENT_OK ? CLI_OK : status == CLIENT_REFUSED && !busy ? CLI_LOGIN : CLI_LOST;
}

static void pause_ms(int milliseconds)
{
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000,
                                 .tv_nsec = (long)(milliseconds % 1000) * 1000000},
              NULL);
}

static bool worth_another_try(enum client_status status, const struct client_reply *reply)
{
    return status == CLIENT_LOST || status == CLIENT_TIMEOUT ||
           (status == CLIENT_REFUSED && strcmp(reply->error->code, "busy") == 0);
}

enum cli_exit cli_ask_again(struct cli *cli, const char *method, const msgpack_object *params,
                            struct client_reply *reply)
{
    if (!cli->client)
        return cli_ask(cli, method, params, reply);
    int64_t deadline = clock_monotonic_us() + INT64_C(1000000) * RETRY_WITHIN_S;
    int pause = RETRY_PAUSE_MS;
    enum client_status status = client_call(cli->client, method, params, reply);
    while (worth_another_try(status, reply) && clock_monotonic_us() < deadline) {
        if (pause == RETRY_PAUSE_MS && status != CLIENT_REFUSED)
            cli_fail(cli, CLI_LOST, "%s; trying again", "%s；正在重试",
                     cli->chinese ? client_error(cli->client)->message_zh
                                  : client_error(cli->client)->message);
        pause_ms(pause);
        pause = pause * 2 < RETRY_PAUSE_MS_MAX ? pause * 2 : RETRY_PAUSE_MS_MAX;
        enum cli_exit code = status == CLIENT_REFUSED ? CLI_OK : begin_again(cli);
        if (code != CLI_OK && code != CLI_LOST)
            return code;
        if (!cli->client)
            return cli_fail(cli, CLI_LOST, "out of memory", "内存不足");
        client_reply_free(reply);
        status = code == CLI_LOST ? CLIENT_LOST : client_call(cli->client, method, params, reply);
    }
    if (status == CLIENT_REFUSED)
        return CLI_REFUSED;
    return status == CLIENT_OK ? CLI_OK : report_lost(cli, status);
}

enum cli_exit cli_call(struct cli *cli, const char *method, const msgpack_object *params,
                       struct client_reply *reply)
{
    enum cli_exit code = cli_ask(cli, method, params, reply);
    if (code == CLI_REFUSED && reply->error)
        cli_report(cli, reply->error, "");
    return code;
}

void cli_print(const struct cli *cli, const msgpack_object *value)
{
    struct text out = {.at = NULL};
    if (cli->json) {
        json_write(&out, value, true);
        text_add_word(&out, "\n");
    } else if (preview_is(value)) {
        preview_write(&out, value, cli->chinese);
    } else {
        struct table_style style = {.chinese = cli->chinese};
        struct winsize size;
        if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
            style.cell_width = size.ws_col / 2 > CELL_WIDTH_MIN ? size.ws_col / 2 : CELL_WIDTH_MIN;
        table_write(&out, value, &style);
    }
    fwrite(out.at, 1, out.length, stdout);
    text_free(&out);
}

enum cli_exit cli_call_and_print(struct cli *cli, const char *method, const msgpack_object *params)
{
    struct client_reply reply;
    enum cli_exit code = cli_call(cli, method, params, &reply);
    if (code == CLI_OK)
        cli_print(cli, &reply.result);
    client_reply_free(&reply);
    return code;
}

void cli_session_end(struct cli *cli)
{
    client_free(cli->client);
    cli->client = NULL;
    if (cli->token)
        explicit_bzero(cli->token, strlen(cli->token));
    free(cli->token);
    cli->token = NULL;
}
