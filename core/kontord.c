/** `kontord`: the server. Reads its settings, opens the engine, lets clients in, and goes down in
 *  order when it is told to: no new requests, what is in flight answered, the engine stopped. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/engine.h"
#include "kontor/limits.h"
#include "rpc/rpc.h"

#define DRAIN_S       10
#define READERS_MAX   64
#define OWN_FILES     256 /* Descriptors for the database, the modules and the log. */
#define SOCKET_NAME   "kontor.sock"
#define REASON_SIZE   1024
#define SIGNALS_COUNT 3

enum exit_code { EXIT_DONE = 0, EXIT_START = 1, EXIT_USAGE = 2 };

/* Settings */

enum setting {
    SET_DATA,
    SET_LISTEN,
    SET_SOCKET,
    SET_PLUGINS,
    SET_READERS,
    SET_ALLOW_REMOTE,
    SET_LOG_LEVEL,
    SET_NO_SYNC,
    SET_COUNT,
};

enum { OPTION_CONFIG = SET_COUNT, OPTION_CHECK, OPTION_VERSION, OPTION_HELP, OPTION_COUNT };

/* What getopt, the settings file and --help know, in one place. */
static const struct option_text {
    const char *name;
    const char *argument; /* NULL: a flag; in the file, yes or no. */
    const char *help;
} options[OPTION_COUNT] = {
    [SET_DATA] = {"data", "DIR", "the data folder; made when missing (required)"},
    [SET_LISTEN] = {"listen", "HOST:PORT",
                    "TCP address (127.0.0.1:7450); port 0 takes a free one,\n"
                    "                        none listens on no address"},
    [SET_SOCKET] = {"socket", "PATH", "Unix socket (DIR/" SOCKET_NAME ")"},
    [SET_PLUGINS] = {"plugins", "DIR", "the modules (beside the program)"},
    [SET_READERS] = {"readers", "N", "threads that read (one per processor, at most 8)"},
    [SET_ALLOW_REMOTE] = {"allow-remote", NULL,
                          "let --listen take an address that other machines "
                          "reach;\n"
                          "                        nothing is encrypted"},
    [SET_LOG_LEVEL] = {"log-level", "LEVEL", "error, warn, info or debug (info)"},
    [SET_NO_SYNC] = {"no-sync", NULL, "for tests: faster, but a power cut loses data"},
    [OPTION_CONFIG] = {"config", "FILE",
                       "read settings from FILE: lines of `name = value`, the\n"
                       "                        names as above; # begins a "
                       "comment line;\n"
                       "                        the command line wins"},
    [OPTION_CHECK] = {"check-config", NULL, "print the settings in force and exit"},
    [OPTION_VERSION] = {"version", NULL, "print the version and exit"},
    [OPTION_HELP] = {"help", NULL, "print this and exit"},
};

struct settings {
    const char *values[SET_COUNT]; /* NULL: not given. */
    char *owned[SET_COUNT];        /* Those from the file or made up here. */
    const char *config;
    bool is_check;
    bool is_over; /* --help or --version has been answered. */
    unsigned readers;
    bool allow_remote;
    bool no_sync;
    enum log_level level;
};

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void complain(const char *format, ...)
{
    char line[REASON_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "kontord: %s\n", line);
}

static void print_help(void)
{
    puts("usage: kontord --data DIR [OPTION...]\n\n"
         "The Kontor business server.\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char left[32];
        snprintf(left, sizeof left, "--%s %s", options[i].name,
                 options[i].argument ? options[i].argument : "");
        printf("  %-20s  %s\n", left, options[i].help);
    }
    puts("\nSIGTERM stops it after the requests in flight, a second one at once.\n"
         "Exit codes: 0 stopped as told, 1 could not start or go on, 2 wrong usage.");
}

static bool take_option(struct settings *settings, int option)
{
    if (option < SET_COUNT) {
        settings->values[option] = options[option].argument ? optarg : "yes";
        return true;
    }
    switch (option) {
    case OPTION_CONFIG:
        settings->config = optarg;
        return true;
    case OPTION_CHECK:
        settings->is_check = true;
        return true;
    case OPTION_VERSION:
        puts("kontord " KONTOR_VERSION);
        settings->is_over = true;
        return true;
    case OPTION_HELP:
        print_help();
        settings->is_over = true;
        return true;
    default:
        return false;
    }
}

static bool read_command_line(struct settings *settings, int argc, char **argv)
{
    struct option long_options[OPTION_COUNT + 1] = {0};
    for (int i = 0; i < OPTION_COUNT; i++)
        long_options[i] = (struct option){
            options[i].name, options[i].argument ? required_argument : no_argument, NULL, i};
    opterr = 0;
    int option;
    while (!settings->is_over &&
           (option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (option == ':') {
            complain("%s needs a value; see --help", argv[optind - 1]);
            return false;
        }
        if (!take_option(settings, option)) {
            complain("unknown option %s; see --help", argv[optind - 1]);
            return false;
        }
    }
    if (!settings->is_over && optind < argc) {
        complain("what is '%s'? see --help", argv[optind]);
        return false;
    }
    return true;
}

static char *trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

/* `seen` tells a setting that stands twice from one that the command line gave already. */
static bool take_line(struct settings *settings, char *text, unsigned line, bool *seen)
{
    char *name = trim(text);
    if (!*name || *name == '#')
        return true;
    char *equals = strchr(name, '=');
    if (!equals) {
        complain("%s:%u: expected name = value", settings->config, line);
        return false;
    }
    *equals = '\0';
    name = trim(name);
    const char *value = trim(equals + 1);
    size_t i = 0;
    while (i < SET_COUNT && strcmp(options[i].name, name) != 0)
        i++;
    if (i == SET_COUNT || seen[i]) {
        complain(i == SET_COUNT ? "%s:%u: unknown setting '%s'; see --help"
                                : "%s:%u: '%s' is set twice",
                 settings->config, line, name);
        return false;
    }
    seen[i] = true;
    if (settings->values[i])
        return true;
    settings->values[i] = settings->owned[i] = strdup(value);
    if (!settings->owned[i])
        complain("out of memory");
    return settings->owned[i] != NULL;
}

static bool read_file(struct settings *settings)
{
    FILE *file = fopen(settings->config, "re");
    if (!file) {
        complain("%s: %s", settings->config, strerror(errno));
        return false;
    }
    bool seen[SET_COUNT] = {false};
    bool is_good = true;
    char *text = NULL;
    size_t capacity = 0;
    for (unsigned line = 1; is_good && getline(&text, &capacity, file) >= 0; line++)
        is_good = take_line(settings, text, line, seen);
    if (is_good && ferror(file)) {
        complain("%s: %s", settings->config, strerror(errno));
        is_good = false;
    }
    free(text);
    fclose(file);
    return is_good;
}

static bool own(struct settings *settings, enum setting setting, char *value)
{
    if (!value)
        complain("out of memory");
    settings->values[setting] = settings->owned[setting] = value;
    return value != NULL;
}

/* bin/kontord beside plugins/ in a build folder, beside lib/kontor/plugins/ when installed. */
static bool find_plugins(struct settings *settings)
{
    static const char *const beside[] = {"/../plugins", "/../lib/kontor/plugins"};
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
    char *slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    for (size_t i = 0; slash && i < sizeof beside / sizeof beside[0]; i++) {
        struct stat found;
        snprintf(slash, sizeof path - (size_t)(slash - path), "%s", beside[i]);
        if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
            return own(settings, SET_PLUGINS, realpath(path, NULL));
    }
    complain("no modules beside the program: name their folder with --plugins");
    return false;
}

static bool read_flag(const struct settings *settings, enum setting setting, bool *out)
{
    const char *value = settings->values[setting];
    *out = value && strcmp(value, "yes") == 0;
    if (!value || *out || strcmp(value, "no") == 0)
        return true;
    complain("%s is yes or no, not '%s'", options[setting].name, value);
    return false;
}

static bool read_readers(struct settings *settings)
{
    const char *value = settings->values[SET_READERS];
    char *end;
    if (!value)
        return true;
    errno = 0;
    unsigned long readers = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno || readers < 1 || readers > READERS_MAX) {
        complain("readers is a number from 1 to %d, not '%s'", READERS_MAX, value);
        return false;
    }
    settings->readers = (unsigned)readers;
    return true;
}

static bool check_listen(struct settings *settings)
{
    char why[REASON_SIZE];
    if (!settings->values[SET_LISTEN])
        settings->values[SET_LISTEN] = "127.0.0.1:7450";
    const char *address = settings->values[SET_LISTEN];
    if (strcmp(address, "none") == 0 ||
        rpc_address_check(address, settings->allow_remote, why, sizeof why) == KT_OK)
        return true;
    complain("%s", why);
    return false;
}

/* Everything that can be known to be wrong before a file is touched, and what was not given. */
static bool complete(struct settings *settings)
{
    if (settings->config && !read_file(settings))
        return false;
    if (!settings->values[SET_DATA] || !*settings->values[SET_DATA]) {
        complain("name the data folder with --data DIR; see --help");
        return false;
    }
    const char *level = settings->values[SET_LOG_LEVEL];
    settings->level = LOG_INFO;
    if (level && !log_level_parse(level, &settings->level)) {
        complain("log-level is error, warn, info or debug, not '%s'", level);
        return false;
    }
    if (!read_flag(settings, SET_ALLOW_REMOTE, &settings->allow_remote) ||
        !read_flag(settings, SET_NO_SYNC, &settings->no_sync) || !read_readers(settings) ||
        !check_listen(settings))
        return false;
    if (!settings->values[SET_SOCKET]) {
        char *path;
        if (asprintf(&path, "%s/" SOCKET_NAME, settings->values[SET_DATA]) < 0)
            path = NULL;
        if (!own(settings, SET_SOCKET, path))
            return false;
    }
    return settings->values[SET_PLUGINS] || find_plugins(settings);
}

static void print_settings(const struct settings *settings)
{
    for (size_t i = 0; i < SET_COUNT; i++) {
        if (settings->values[i])
            printf("%s = %s\n", options[i].name, settings->values[i]);
    }
}

/* The server's life */

struct kontord {
    struct engine *engine;
    struct event_base *base;
    struct rpc_server *server;
    struct event *signals[SIGNALS_COUNT];
    bool is_stopping;
};

static const int signals[SIGNALS_COUNT] = {SIGTERM, SIGINT, SIGHUP};

/* Tells systemd; elsewhere NOTIFY_SOCKET is not set. */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof name.sun_path)
        return;
    memcpy(name.sun_path, path, strlen(path));
    if (path[0] == '@')
        name.sun_path[0] = '\0'; /* An abstract name: no file, and no NUL at its end. */
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&name, size) < 0)
        log_warn("cannot notify the service manager reason=\"%s\"", strerror(errno));
    close(fd);
}

static void on_drained(void *argument)
{
    event_base_loopbreak(argument);
}

static void on_signal(evutil_socket_t number, short events, void *argument)
{
    struct kontord *self = argument;
    (void)events;
    if (number == SIGHUP) {
        log_info("SIGHUP ignored: there is nothing to read again");
    } else if (self->is_stopping) {
        log_warn("stopping at once");
        event_base_loopbreak(self->base);
    } else {
        self->is_stopping = true;
        log_info("stopping signal=%s", number == SIGINT ? "SIGINT" : "SIGTERM");
        notify("STOPPING=1");
        rpc_server_drain(self->server, DRAIN_S, on_drained, self->base);
    }
}

static void on_event_log(int severity, const char *message)
{
    if (severity == EVENT_LOG_ERR)
        log_error("libevent: %s", message);
    else if (severity == EVENT_LOG_WARN)
        log_warn("libevent: %s", message);
    else
        log_debug("libevent: %s", message);
}

/* Many systems give a process 1024 descriptors and allow it more when it asks. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    rlim_t wanted = KT_LIMIT_CONNECTIONS + OWN_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
        log_warn("few file descriptors: not every allowed connection will get one wanted=%lu",
                 (unsigned long)wanted);
}

static bool watch_signals(struct kontord *self)
{
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        self->signals[i] = evsignal_new(self->base, signals[i], on_signal, self);
        if (!self->signals[i] || evsignal_add(self->signals[i], NULL) != 0)
            return false;
    }
    return true;
}

static void block_signals(sigset_t *usual)
{
    sigset_t ours;
    sigemptyset(&ours);
    for (size_t i = 0; i < SIGNALS_COUNT; i++)
        sigaddset(&ours, signals[i]);
    pthread_sigmask(SIG_BLOCK, &ours, usual);
}

/* From here on the stop is under way and bounded: one more signal must not make a clean end look
 * like a failed one. Whoever loses patience has SIGKILL, and loses nothing by it. */
static void unwatch_signals(struct kontord *self)
{
    block_signals(NULL);
    for (size_t i = 0; i < SIGNALS_COUNT; i++) {
        if (self->signals[i])
            event_free(self->signals[i]);
        self->signals[i] = NULL;
    }
}

/* The engine's threads inherit the mask, so that signals come to the loop alone. */
static enum kt_status start_engine(struct engine *engine)
{
    sigset_t usual;
    block_signals(&usual);
    enum kt_status status = engine_start(engine);
    pthread_sigmask(SIG_SETMASK, &usual, NULL);
    return status;
}

/* Opened before it is bound: whoever can connect finds a server that can answer. */
static bool open_all(struct kontord *self, const struct settings *settings)
{
    char why[REASON_SIZE] = "";
    const char *const *values = settings->values;
    const struct engine_options engine = {
        .folder = values[SET_DATA],
        .plugins = values[SET_PLUGINS],
        .readers = settings->readers,
        .unsafe_no_sync = settings->no_sync,
    };
    struct rpc_options rpc = {
        .listen = strcmp(values[SET_LISTEN], "none") == 0 ? NULL : values[SET_LISTEN],
        .socket = values[SET_SOCKET],
    };
    if (engine_open(&engine, &self->engine, why, sizeof why) != KT_OK) {
        complain("%s", why);
        return false;
    }
    rpc.traffic = engine_traffic(self->engine);
    self->base = event_base_new();
    if (!self->base || !watch_signals(self)) {
        complain("out of memory or file descriptors");
        return false;
    }
    if (rpc_server_new(self->base, self->engine, &rpc, &self->server, why, sizeof why) != KT_OK) {
        complain("%s", why);
        return false;
    }
    if (start_engine(self->engine) != KT_OK) {
        complain("cannot start the engine's threads");
        return false;
    }
    return true;
}

static void close_all(struct kontord *self)
{
    unwatch_signals(self);
    if (self->engine)
        engine_stop(self->engine);
    if (self->server)
        rpc_server_free(self->server);
    if (self->base)
        event_base_free(self->base);
    if (self->engine)
        engine_close(self->engine);
    libevent_global_shutdown();
}

static enum exit_code serve(const struct settings *settings)
{
    struct kontord self = {0};
    enum exit_code code = EXIT_START;
    log_set_level(settings->level);
    event_set_log_callback(on_event_log);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    if (open_all(&self, settings)) {
        const char *address = rpc_server_address(self.server);
        log_info("listening address=%s socket=%s version=%s", *address ? address : "none",
                 settings->values[SET_SOCKET], KONTOR_VERSION);
        if (settings->no_sync)
            log_warn("commits are not synced: a power cut loses data");
        notify("READY=1");
        if (event_base_dispatch(self.base) == 0 && self.is_stopping)
            code = EXIT_DONE;
        else
            log_error("the event loop failed");
    }
    close_all(&self);
    if (code == EXIT_DONE)
        log_info("stopped");
    return code;
}

int main(int argc, char **argv)
{
    struct settings settings = {0};
    enum exit_code code = EXIT_USAGE;
    if (read_command_line(&settings, argc, argv)) {
        if (settings.is_over)
            code = EXIT_DONE;
        else if (complete(&settings)) {
            if (settings.is_check)
                print_settings(&settings);
            code = settings.is_check ? EXIT_DONE : serve(&settings);
        }
    }
    for (size_t i = 0; i < SET_COUNT; i++)
        free(settings.owned[i]);
    return (int)code;
}
