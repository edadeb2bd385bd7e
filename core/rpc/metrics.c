/* As little of HTTP (RFC 9112) as a collector needs: one request a connection, the answer with its
 * length, then the end. A connection is closed by the client, or when its time is up. */
#include "rpc/metrics.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/listen.h"

#define ASKERS        16
#define REQUEST_BYTES 4096
#define PATH          "/metrics"

struct asker {
    struct metrics_server *server;
    struct bufferevent *io; /* NULL: the place is free. */
    struct event *deadline;
    bool is_answered;
};

struct metrics_server {
    struct engine *engine;
    struct event_base *base;
    struct listening socket;
    struct evconnlistener *listener;
    struct event *stop;
    int stop_fd; /* An eventfd: all that another thread touches. */
    struct timeval patience;
    struct asker askers[ASKERS];
    pthread_t thread;
    bool is_running;
};

/* --- One asker --- */

static void close_asker(struct asker *asker)
{
    if (asker->io)
        bufferevent_free(asker->io);
    if (asker->deadline)
        event_free(asker->deadline);
    asker->io = NULL;
    asker->deadline = NULL;
    asker->is_answered = false;
}

static void send_answer(struct asker *asker, const char *status, const char *body, size_t size)
{
    struct evbuffer *out = bufferevent_get_output(asker->io);
    evbuffer_add_printf(out,
                        "HTTP/1.1 %s\r\n"
                        "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                        "Content-Length: %zu\r\n"
                        "Connection: close\r\n\r\n",
                        status, size);
    evbuffer_add(out, body, size);
    asker->is_answered = true;
}

static void refuse(struct asker *asker, const char *status)
{
    char body[64];
    int length = snprintf(body, sizeof(body), "%s: GET " PATH "\n", status);
    send_answer(asker, status, body, (size_t)length);
}

static void send_metrics(struct asker *asker)
{
    msgpack_sbuffer text;
    msgpack_sbuffer_init(&text);
    if (engine_metrics(asker->server->engine, &text) == KT_OK)
        send_answer(asker, "200 OK", text.data, text.size);
    else
        refuse(asker, "503 Service Unavailable");
    msgpack_sbuffer_destroy(&text);
}

/* "GET /metrics HTTP/1.1", perhaps with ?..., which means nothing here. */
static void answer(struct asker *asker, const char *line)
{
    bool is_get = strncmp(line, "GET ", 4) == 0;
    const char *path = is_get ? line + 4 : "";
    size_t length = strcspn(path, " ?");
    if (!is_get)
        refuse(asker, "405 Method Not Allowed");
    else if (length != strlen(PATH) || memcmp(path, PATH, length) != 0)
        refuse(asker, "404 Not Found");
    else
        send_metrics(asker);
}

/* What comes after the request is thrown away: a socket closed over unread bytes resets the line,
 * and the answer might be lost. */
static void on_readable(struct bufferevent *io, void *argument)
{
    struct asker *asker = argument;
    struct evbuffer *in = bufferevent_get_input(io);
    if (!asker->is_answered && evbuffer_search(in, "\r\n\r\n", 4, NULL).pos >= 0) {
        char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
        answer(asker, line ? line : "");
        free(line);
    } else if (!asker->is_answered && evbuffer_get_length(in) >= REQUEST_BYTES) {
        refuse(asker, "431 Request Header Fields Too Large");
    }
    if (asker->is_answered)
        evbuffer_drain(in, evbuffer_get_length(in));
}

static void on_written(struct bufferevent *io, void *argument)
{
    const struct asker *asker = argument;
    if (asker->is_answered)
        shutdown(bufferevent_getfd(io), SHUT_WR);
}

static void on_ended(struct bufferevent *io, short events, void *argument)
{
    (void)io;
    (void)events;
    close_asker(argument);
}

static void on_deadline(evutil_socket_t fd, short events, void *argument)
{
    (void)fd;
    (void)events;
    close_asker(argument);
}

/* --- All of them --- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int size, void *argument)
{
    struct metrics_server *server = argument;
    size_t i = 0;
    (void)listener;
    (void)address;
    (void)size;
    while (i < ASKERS && server->askers[i].io)
        i++;
    struct asker *asker = &server->askers[i];
    if (i == ASKERS ||
        !(asker->io = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE))) {
        evutil_closesocket(fd);
        return;
    }
    asker->server = server;
    asker->deadline = evtimer_new(server->base, on_deadline, asker);
    bufferevent_setcb(asker->io, on_readable, on_written, on_ended, asker);
    bufferevent_setwatermark(asker->io, EV_READ, 0, REQUEST_BYTES);
    if (!asker->deadline || evtimer_add(asker->deadline, &server->patience) != 0 ||
        bufferevent_enable(asker->io, EV_READ | EV_WRITE) != 0)
        close_asker(asker);
}

static void on_stop(evutil_socket_t fd, short events, void *argument)
{
    (void)fd;
    (void)events;
    event_base_loopbreak(argument);
}

static void *run(void *argument)
{
    struct metrics_server *server = argument;
    event_base_dispatch(server->base);
    return NULL;
}

/* Signals are for the program's own loop. */
static bool start(struct metrics_server *server)
{
    sigset_t all, usual;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &usual);
    server->is_running = pthread_create(&server->thread, NULL, run, server) == 0;
    pthread_sigmask(SIG_SETMASK, &usual, NULL);
    return server->is_running;
}

static bool make(struct metrics_server *server)
{
    server->base = event_base_new();
    server->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!server->base || server->stop_fd < 0)
        return false;
    server->stop = event_new(server->base, server->stop_fd, EV_READ, on_stop, server->base);
    server->listener =
        evconnlistener_new(server->base, on_accept, server,
                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, server->socket.fd);
    if (server->listener)
        server->socket.fd = -1; /* The listener's from now on. */
    return server->listener && server->stop && event_add(server->stop, NULL) == 0;
}

enum kt_status metrics_server_new(struct engine *engine, const char *address, size_t seconds,
                                  struct metrics_server **out, char *why, size_t why_size)
{
    struct listening socket;
    KT_TRY(listen_tcp(address, &socket, why, why_size));
    struct metrics_server *server = calloc(1, sizeof(*server));
    if (!server) {
        evutil_closesocket(socket.fd);
        snprintf(why, why_size, "cannot serve metrics: out of memory");
        return KT_INTERNAL;
    }
    server->engine = engine;
    server->socket = socket;
    server->stop_fd = -1;
    server->patience.tv_sec = (time_t)seconds;
    if (make(server) && start(server)) {
        *out = server;
        return KT_OK;
    }
    metrics_server_free(server);
    snprintf(why, why_size, "cannot serve metrics: out of memory, threads or file descriptors");
    return KT_INTERNAL;
}

const char *metrics_server_address(const struct metrics_server *server)
{
    return server->socket.address;
}

void metrics_server_free(struct metrics_server *server)
{
    uint64_t one = 1;
    while (server->is_running && write(server->stop_fd, &one, sizeof(one)) < 0)
        continue; /* Only a signal can interrupt it. */
    if (server->is_running)
        pthread_join(server->thread, NULL);
    for (size_t i = 0; i < ASKERS; i++)
        close_asker(&server->askers[i]);
    if (server->listener)
        evconnlistener_free(server->listener);
    if (server->socket.fd >= 0)
        close(server->socket.fd);
    if (server->stop)
        event_free(server->stop);
    if (server->stop_fd >= 0)
        close(server->stop_fd);
    if (server->base)
        event_base_free(server->base);
    free(server);
}
