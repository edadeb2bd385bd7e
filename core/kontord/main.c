/** `kontord`: the server. Reads its settings, opens the engine, lets clients in, and goes down in
 *  order when it is told to: no new requests, what is in flight answered, the engine stopped. */
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
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
#include "kontord/settings.h"
#include "rpc/metrics.h"
#include "rpc/rpc.h"

#define DRAIN_S       10
#define OWN_FILES     ((rlim_t)256) /* Descriptors for the database, the modules and the log. */
#define REASON_SIZE   1024
#define SIGNALS_COUNT 3

enum exit_code { EXIT_DONE = 0, EXIT_START = 1, EXIT_USAGE = 2 };

struct kontord {
    struct engine *engine;
    struct event_base *base;
    struct rpc_server *server;
    struct metrics_server *metrics; /* NULL: none. */
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

/* Many systems give a process 1024 descriptors and allow it more when it asks. A client too many
 * is to be told so, which takes a descriptor, too. */
static void fit_files(struct limits *limits)
{
    struct rlimit files;
    rlim_t wanted = limits->connections + OWN_FILES;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return;
    files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return;
    limits->connections =
        files.rlim_cur > 2 * OWN_FILES ? files.rlim_cur - OWN_FILES : files.rlim_cur / 2;
    log_warn("few file descriptors: raise their limit (ulimit -n) for more connections "
             "descriptors=%lu connections=%zu",
             (unsigned long)files.rlim_cur, limits->connections);
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
static bool open_all(struct kontord *self, const struct settings *settings,
                     const struct limits *limits)
{
    char why[REASON_SIZE] = "";
    const char *const *values = settings->values;
    const struct engine_options engine = {
        .folder = values[SET_DATA],
        .plugins = values[SET_PLUGINS],
        .readers = settings->readers,
        .unsafe_no_sync = settings->no_sync,
        .limits = limits,
    };
    struct rpc_options rpc = {
        .listen = strcmp(values[SET_LISTEN], "none") == 0 ? NULL : values[SET_LISTEN],
        .socket = values[SET_SOCKET],
        .limits = limits,
    };
    if (engine_open(&engine, &self->engine, why, sizeof why) != KT_OK) {
        settings_complain("%s", why);
        return false;
    }
    rpc.traffic = engine_traffic(self->engine);
    self->base = event_base_new();
    if (!self->base || !watch_signals(self)) {
        settings_complain("out of memory or file descriptors");
        return false;
    }
    if (rpc_server_new(self->base, self->engine, &rpc, &self->server, why, sizeof why) != KT_OK) {
        settings_complain("%s", why);
        return false;
    }
    if (start_engine(self->engine) != KT_OK) {
        settings_complain("cannot start the engine's threads");
        return false;
    }
    if (strcmp(values[SET_METRICS], "none") != 0 &&
        metrics_server_new(self->engine, values[SET_METRICS], limits->message_seconds,
                           &self->metrics, why, sizeof why) != KT_OK) {
        settings_complain("%s", why);
        return false;
    }
    return true;
}

static void close_all(struct kontord *self)
{
    unwatch_signals(self);
    if (self->metrics)
        metrics_server_free(self->metrics);
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
    struct limits limits = settings->limits;
    enum exit_code code = EXIT_START;
    log_set_level(settings->level);
    event_set_log_callback(on_event_log);
    signal(SIGPIPE, SIG_IGN);
    fit_files(&limits);
    if (open_all(&self, settings, &limits)) {
        const char *address = rpc_server_address(self.server);
        log_info("listening address=%s socket=%s version=%s", *address ? address : "none",
                 settings->values[SET_SOCKET], KONTOR_VERSION);
        if (self.metrics)
            log_info("metrics address=%s", metrics_server_address(self.metrics));
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
    if (settings_read(&settings, argc, argv)) {
        code = EXIT_DONE;
        if (settings.is_check)
            settings_print(&settings);
        else if (!settings.is_over)
            code = serve(&settings);
    }
    settings_free(&settings);
    return (int)code;
}
