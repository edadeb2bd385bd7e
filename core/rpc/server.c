/* Where connections come from, and how the server goes down: the listening sockets are closed
 * first, then every connection ends for itself, and `over` fires when the last has or when time
 * is up, whichever is first. */
#include <errno.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "rpc/connection.h"
#include "rpc/listen.h"
#include "rpc/rpc.h"

#define ACCEPT_PAUSE_S 1 /* Without descriptors, accepting again at once would only spin. */

struct rpc_server {
    struct connections connections;
    struct engine_traffic uncounted;
    struct evconnlistener *tcp; /* NULL: none. */
    struct evconnlistener *local;
    struct listening tcp_socket;
    struct listening local_socket;
    char *path; /* Of the Unix socket. */
    struct event *resume;
    struct event *over;
    void (*drained)(void *argument); /* NULL unless draining. */
    void *drained_argument;
};

static bool make(struct rpc_server *server);
static enum kt_status listen_on(struct rpc_server *server, const struct rpc_options *options,
                                char *why, size_t why_size);
static void on_resume(evutil_socket_t fd, short events, void *argument);
static void on_over(evutil_socket_t fd, short events, void *argument);
static void on_ended(void *argument);

enum kt_status rpc_server_new(struct event_base *base, struct engine *engine,
                              const struct rpc_options *options, struct rpc_server **out, char *why,
                              size_t why_size)
{
    struct rpc_server *server = calloc(1, sizeof *server);
    if (server)
        server->connections = (struct connections){
            .base = base,
            .engine = engine,
            .traffic = options->traffic ? options->traffic : &server->uncounted,
            .limits = *options->limits,
            .ended = on_ended,
            .ended_argument = server,
        };
    if (!server || !make(server)) {
        free(server);
        snprintf(why, why_size, "cannot listen: out of memory or file descriptors");
        return KT_INTERNAL;
    }
    enum kt_status status = listen_on(server, options, why, why_size);
    if (status != KT_OK) {
        rpc_server_free(server);
        return status;
    }
    *out = server;
    return KT_OK;
}

const char *rpc_server_address(const struct rpc_server *server)
{
    return server->tcp_socket.address;
}

static bool make(struct rpc_server *server)
{
    struct event_base *base = server->connections.base;
    server->resume = evtimer_new(base, on_resume, server);
    server->over = evtimer_new(base, on_over, server);
    if (server->resume && server->over && connections_init(&server->connections))
        return true;
    if (server->resume)
        event_free(server->resume);
    if (server->over)
        event_free(server->over);
    return false;
}

/* Listening */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int size, void *argument);
static void on_accept_error(struct evconnlistener *listener, void *argument);

static struct evconnlistener *accept_on(struct rpc_server *server, int fd)
{
    struct evconnlistener *listener =
        evconnlistener_new(server->connections.base, on_accept, server,
                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (listener)
        evconnlistener_set_error_cb(listener, on_accept_error);
    else
        evutil_closesocket(fd);
    return listener;
}

static enum kt_status listen_on(struct rpc_server *server, const struct rpc_options *options,
                                char *why, size_t why_size)
{
    if (options->listen) {
        KT_TRY(listen_tcp(options->listen, &server->tcp_socket, why, why_size));
        server->tcp = accept_on(server, server->tcp_socket.fd);
    }
    if (options->socket) {
        KT_TRY(listen_unix(options->socket, &server->local_socket, why, why_size));
        server->path = strdup(options->socket);
        if (!server->path)
            listen_remove_file(options->socket, &server->local_socket);
        server->local = accept_on(server, server->local_socket.fd);
    }
    if ((options->listen && !server->tcp) ||
        (options->socket && !(server->local && server->path))) {
        snprintf(why, why_size, "cannot listen: out of memory");
        return KT_INTERNAL;
    }
    return KT_OK;
}

static void stop_listening(struct rpc_server *server)
{
    if (server->tcp)
        evconnlistener_free(server->tcp);
    if (server->local)
        evconnlistener_free(server->local);
    server->tcp = server->local = NULL;
    if (server->path)
        listen_remove_file(server->path, &server->local_socket);
    free(server->path);
    server->path = NULL;
}

static void name_peer(evutil_socket_t fd, const struct sockaddr *address, char *out, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    struct ucred who;
    socklen_t who_size = sizeof who;
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    if (address->sa_family == AF_INET &&
        evutil_inet_ntop(AF_INET, &four->sin_addr, host, sizeof host))
        snprintf(out, size, "%s:%u", host, ntohs(four->sin_port));
    else if (address->sa_family == AF_INET6 &&
             evutil_inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host))
        snprintf(out, size, "[%s]:%u", host, ntohs(six->sin6_port));
    else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_size) == 0)
        snprintf(out, size, "local:pid-%d:uid-%u", (int)who.pid, (unsigned)who.uid);
    else
        snprintf(out, size, "unknown");
}

/* Small replies go out at once, and a peer whose machine vanished is noticed some day. */
static void tune_tcp(evutil_socket_t fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

/* Told why in one packet if it gets there; nobody waits for it. */
static void turn_away(struct rpc_server *server, evutil_socket_t fd, const char *name,
                      const char *why)
{
    msgpack_sbuffer reply;
    report_connection(&server->connections.report, "refused", name, why);
    counter_add(&server->connections.traffic->refused, 1);
    msgpack_sbuffer_init(&reply);
    engine_pack_error(&reply, 0, KT_BUSY, NULL, "too many connections: try again later",
                      "连接数过多：请稍后再试");
    (void)send(fd, reply.data, reply.size, MSG_NOSIGNAL);
    msgpack_sbuffer_destroy(&reply);
    evutil_closesocket(fd);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int size, void *argument)
{
    struct rpc_server *server = argument;
    char name[CONNECTION_NAME_SIZE];
    const char *why;
    (void)listener;
    (void)size;
    name_peer(fd, address, name, sizeof name);
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6)
        tune_tcp(fd);
    if (!connection_open(&server->connections, fd, address, name, &why))
        turn_away(server, fd, name, why);
}

static void on_accept_error(struct evconnlistener *listener, void *argument)
{
    struct rpc_server *server = argument;
    struct timeval pause = {.tv_sec = ACCEPT_PAUSE_S};
    report_connection(&server->connections.report, "refused", "unknown", strerror(errno));
    if (evtimer_add(server->resume, &pause) == 0)
        evconnlistener_disable(listener);
}

static void on_resume(evutil_socket_t fd, short events, void *argument)
{
    struct rpc_server *server = argument;
    (void)fd;
    (void)events;
    if (server->tcp)
        evconnlistener_enable(server->tcp);
    if (server->local)
        evconnlistener_enable(server->local);
}

/* Going down */

void rpc_server_drain(struct rpc_server *server, unsigned timeout_s,
                      void (*drained)(void *argument), void *argument)
{
    struct timeval timeout = {.tv_sec = (time_t)timeout_s};
    server->drained = drained;
    server->drained_argument = argument;
    stop_listening(server);
    bool is_timed = evtimer_add(server->over, &timeout) == 0;
    connections_end(&server->connections);
    /* Never from inside this call, in which the caller does not expect it. */
    if (server->connections.count == 0 || !is_timed)
        event_active(server->over, EV_TIMEOUT, 0);
}

static void on_ended(void *argument)
{
    struct rpc_server *server = argument;
    event_active(server->over, EV_TIMEOUT, 0);
}

static void on_over(evutil_socket_t fd, short events, void *argument)
{
    struct rpc_server *server = argument;
    void (*drained)(void *argument) = server->drained;
    (void)fd;
    (void)events;
    if (!drained)
        return;
    server->drained = NULL;
    if (server->connections.count > 0)
        log_warn("connections closed before they were done count=%zu", server->connections.count);
    connections_close(&server->connections);
    drained(server->drained_argument);
}

void rpc_server_free(struct rpc_server *server)
{
    stop_listening(server);
    connections_deinit(&server->connections);
    event_free(server->resume);
    event_free(server->over);
    free(server);
}
