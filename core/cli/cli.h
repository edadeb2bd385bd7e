/** Private to core/cli: what the commands of `kontor` share.
 *
 *  A command parses its own words with cli_options, asks the server with cli_call, shows the answer
 *  with cli_print, and returns the exit code. The first cli_call connects and logs in. Whoever
 *  finds a failure reports it, once, with cli_fail; callers only pass the code on.
 *  Running out of memory ends the process: a command has nothing to save. */
#pragma once

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/client.h"

#define CLI_SECRET_SIZE 1024

enum cli_exit {
    CLI_OK = 0,
    CLI_REFUSED = 1, /**< The server refused, or a file could not be read. */
    CLI_USAGE = 2,
    CLI_LOST = 3, /**< Cannot connect, or the connection was lost. */
    CLI_LOGIN = 4,
};

struct cli;
struct progress;

struct cli_command {
    const char *name; /**< One or two words. */
    const char *usage;
    const char *summary[2]; /**< English, Chinese. */
    const char *help[2];
    enum cli_exit (*run)(struct cli *cli);
};

/** Where to find the server, from one source: the command line, or else the environment. */
struct cli_place {
    const char *data;
    const char *socket;
    const char *address;
};

struct cli {
    const struct cli_command *command;
    int argc; /**< Words after the command; after cli_options only those that are not options. */
    char **argv;

    struct cli_place place; /**< As given on the command line. */
    const char *user;
    bool json;
    bool chinese;
    bool no_login;
    bool password_stdin;
    long timeout_s;

    struct client *client;     /**< NULL until the first call. */
    char *token;               /**< Of the login; NULL before. */
    struct progress *progress; /**< The bar that messages must not run into; mostly NULL. */
    msgpack_zone *zone;        /**< Params under construction; lives as long as the process. */
};

/** --- options.c: the command line. --- */
/** One option of a command: exactly one target is set. */
struct cli_option {
    const char *name;
    bool *flag;
    const char **text;
    long *number; /**< 0 or more. */
    struct cli_list *list;
};
struct cli_list {
    const char *at[64];
    size_t count;
};
/** The options before the command. Leaves the rest in argc and argv. */
enum cli_exit cli_global_options(struct cli *cli, int argc, char **argv, bool *help, bool *version);
/** The command's options (ended by one without a name; NULL for none) and, among them, the global
 *  ones. Checks the number of remaining words; `max` below 0 is no limit. */
enum cli_exit cli_options(struct cli *cli, const struct cli_option *options, int min, int max);

/** --- session.c: the server. --- */
enum cli_exit cli_fail(const struct cli *cli, enum cli_exit code, const char *english,
                       const char *chinese, ...) __attribute__((format(printf, 3, 5)))
__attribute__((format(printf, 4, 5)));
/** `reply` must be freed whatever comes back. Reports every failure. `params` may be NULL. */
enum cli_exit cli_call(struct cli *cli, const char *method, const msgpack_object *params,
                       struct client_reply *reply);
/** The same, but leaves what the server refused unreported: CLI_REFUSED and reply->error. */
enum cli_exit cli_ask(struct cli *cli, const char *method, const msgpack_object *params,
                      struct client_reply *reply);
/** cli_ask for a request that bears a request_id: when the connection is lost or the server is busy
 *  it is made again, on a new connection, for half a minute; what was done already is not done
 *  twice. */
enum cli_exit cli_ask_again(struct cli *cli, const char *method, const msgpack_object *params,
                            struct client_reply *reply);
/** One line on stderr: `prefix` as it is, the rest made safe for a terminal. */
void cli_say(const struct cli *cli, const char *prefix, const char *bytes, size_t length);
/** Says why the server refused; `where` ("orders.csv line 7: ", or "") comes first. */
void cli_report(const struct cli *cli, const struct client_error *error, const char *where);
/** As JSON or as tables, as the user wishes. */
void cli_print(const struct cli *cli, const msgpack_object *value);
/** Call and print. */
enum cli_exit cli_call_and_print(struct cli *cli, const char *method, const msgpack_object *params);
void cli_session_end(struct cli *cli);

/** --- place.c: where the server is. --- */
struct cli_target {
    char socket[4096];        /**< "" when by address. */
    const char *address;      /**< NULL when by socket. */
    char password_file[4096]; /**< Of the user admin; "" when it is not to be used. */
};
enum cli_exit cli_find_target(const struct cli *cli, struct cli_target *target);

/** --- secret.c: passwords. --- */
struct cli_secret {
    char text[CLI_SECRET_SIZE];
};
/** From the terminal, without echo. */
enum cli_exit cli_secret_prompt(const struct cli *cli, const char *prompt,
                                struct cli_secret *secret);
/** The next line of standard input. */
enum cli_exit cli_secret_stdin(const struct cli *cli, struct cli_secret *secret);
/** The first line of a file that nobody but its owner may read. */
enum cli_exit cli_secret_file(const struct cli *cli, const char *path, struct cli_secret *secret);
enum cli_exit cli_secret_generate(const struct cli *cli, struct cli_secret *secret);
bool cli_has_terminal(void);
void cli_secret_wipe(struct cli_secret *secret);

/** --- build.c: params. --- */
struct build_map {
    msgpack_object object;
    msgpack_zone *zone;
    uint32_t capacity;
};
void *build_memory(msgpack_zone *zone, size_t size);
/** Texts are borrowed. */
msgpack_object build_nil(void);
msgpack_object build_bool(bool value);
msgpack_object build_int(int64_t value);
msgpack_object build_text(const char *text);
msgpack_object build_text_of(const char *text, size_t length);
struct build_map build_map(msgpack_zone *zone);
void build_set(struct build_map *map, const char *name, msgpack_object value);
void build_set_of(struct build_map *map, msgpack_object name, msgpack_object value);
/** The moment a question is asked of, as it was typed: an event's number, or text that the server
 *  reads. NULL: the present. */
void build_set_as_of(struct build_map *map, const char *word);
/** `count` nils, to be filled in. */
msgpack_object build_array(msgpack_zone *zone, uint32_t count);
/** NULL when absent or nil, or when `map` is no map (NULL is fine). */
const msgpack_object *object_get(const msgpack_object *map, const char *name);
bool object_is(const msgpack_object *value, const char *text);
/** 0 when absent or not a number that fits. */
int64_t object_int(const msgpack_object *map, const char *name);
