#include "rpc/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/rpc.h"

#define BACKLOG 512

struct place {
    struct sockaddr_storage address;
    socklen_t size;
    bool is_loopback;
};

static bool parse_port(const char *text, in_port_t *out)
{
    if (strspn(text, "0123456789") != strlen(text) || !*text || strlen(text) > 5)
        return false;
    unsigned long port = strtoul(text, NULL, 10);
    *out = htons((in_port_t)port);
    return port <= UINT16_MAX;
}

/* Splits "HOST:PORT" or "[HOST]:PORT" at the right colon. */
static bool split_host(const char *text, char *host, size_t host_size, const char **port)
{
    bool has_brackets = text[0] == '[';
    const char *end = has_brackets ? strchr(text, ']') : strchr(text, ':');
    if (!end || (has_brackets && end[1] != ':'))
        return false;
    const char *begin = text + has_brackets;
    *port = end + 1 + has_brackets;
    if ((size_t)(end - begin) >= host_size)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    return true;
}

/* No name but "localhost" is looked up: an address must not depend on another machine's answer. */
static bool parse_place(const char *text, struct place *out)
{
    char host[INET6_ADDRSTRLEN];
    const char *port_text;
    in_port_t port;
    *out = (struct place){0};
    if (!split_host(text, host, sizeof host, &port_text) || !parse_port(port_text, &port))
        return false;
    if (text[0] == '[') {
        struct sockaddr_in6 *six = (struct sockaddr_in6 *)&out->address;
        *six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
        out->size = sizeof *six;
        bool is_valid = inet_pton(AF_INET6, host, &six->sin6_addr) == 1;
        out->is_loopback = is_valid && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
        return is_valid;
    }
    struct sockaddr_in *four = (struct sockaddr_in *)&out->address;
    *four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    out->size = sizeof *four;
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (inet_pton(AF_INET, numeric, &four->sin_addr) != 1)
        return false;
    out->is_loopback = ntohl(four->sin_addr.s_addr) >> 24 == 127;
    return true;
}

static enum kt_status refuse_address(const char *address, char *why, size_t why_size)
{
    snprintf(why, why_size,
             "cannot listen on %s: give an address as in 127.0.0.1:7450 or [::1]:7450; of names "
             "only localhost is known",
             address);
    return KT_INVALID;
}

static enum kt_status refuse_system(const char *place, char *why, size_t why_size)
{
    int error = errno;
    snprintf(why, why_size, "cannot listen on %s: %s", place, strerror(error));
    return error == EADDRINUSE ? KT_BUSY : KT_INVALID;
}

enum kt_status rpc_address_check(const char *address, bool allow_remote, char *why, size_t why_size)
{
    struct place place;
    if (!parse_place(address, &place))
        return refuse_address(address, why, why_size);
    if (place.is_loopback || allow_remote)
        return KT_OK;
    snprintf(why, why_size,
             "cannot listen on %s: other machines would reach it, unencrypted; listen on "
             "127.0.0.1, or confirm with --allow-remote",
             address);
    return KT_DENIED;
}

static bool bind_tcp(int fd, const struct place *place)
{
    int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return false;
    if (place->address.ss_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        return false;
    return bind(fd, (const struct sockaddr *)&place->address, place->size) == 0 &&
           listen(fd, BACKLOG) == 0;
}

static bool name_address(struct listening *out)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } bound = {0};
    socklen_t size = sizeof bound;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(out->fd, &bound.any, &size) != 0)
        return false;
    if (bound.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &bound.six.sin6_addr, host, sizeof host);
        snprintf(out->address, sizeof out->address, "[%s]:%u", host, ntohs(bound.six.sin6_port));
    } else {
        inet_ntop(AF_INET, &bound.four.sin_addr, host, sizeof host);
        snprintf(out->address, sizeof out->address, "%s:%u", host, ntohs(bound.four.sin_port));
    }
    return true;
}

enum kt_status listen_tcp(const char *address, struct listening *out, char *why, size_t why_size)
{
    struct place place;
    *out = (struct listening){.fd = -1};
    if (!parse_place(address, &place))
        return refuse_address(address, why, why_size);
    out->fd = socket(place.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out->fd >= 0 && bind_tcp(out->fd, &place) && name_address(out))
        return KT_OK;
    enum kt_status status = refuse_system(address, why, why_size);
    if (out->fd >= 0)
        close(out->fd);
    out->fd = -1;
    return status;
}

enum occupant { OCCUPANT_NONE, OCCUPANT_STALE, OCCUPANT_ALIVE, OCCUPANT_FOREIGN, OCCUPANT_UNKNOWN };

/* What lies at the path. Nobody accepts at a socket whose server died. */
static enum occupant look_at(const struct sockaddr_un *name)
{
    struct stat found;
    if (lstat(name->sun_path, &found) != 0)
        return errno == ENOENT ? OCCUPANT_NONE : OCCUPANT_UNKNOWN;
    if (!S_ISSOCK(found.st_mode))
        return OCCUPANT_FOREIGN;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return OCCUPANT_UNKNOWN;
    int error = connect(fd, (const struct sockaddr *)name, sizeof *name) == 0 ? 0 : errno;
    close(fd);
    errno = error;
    if (error == 0 || error == EAGAIN) /* EAGAIN: alive, with a full queue. */
        return OCCUPANT_ALIVE;
    return error == ECONNREFUSED ? OCCUPANT_STALE : OCCUPANT_UNKNOWN;
}

static enum kt_status clear_path(const struct sockaddr_un *name, char *why, size_t why_size)
{
    switch (look_at(name)) {
    case OCCUPANT_NONE:
        return KT_OK;
    case OCCUPANT_STALE:
        if (unlink(name->sun_path) == 0 || errno == ENOENT)
            return KT_OK;
        break;
    case OCCUPANT_ALIVE:
        snprintf(why, why_size,
                 "cannot listen on %s: another server already listens there; stop it or choose "
                 "another --socket",
                 name->sun_path);
        return KT_BUSY;
    case OCCUPANT_FOREIGN:
        snprintf(why, why_size,
                 "cannot listen on %s: the file is no socket; remove it or choose another "
                 "--socket",
                 name->sun_path);
        return KT_INVALID;
    case OCCUPANT_UNKNOWN:
        break;
    }
    return refuse_system(name->sun_path, why, why_size);
}

static bool bind_unix(const struct sockaddr_un *name, struct listening *out)
{
    struct stat made;
    out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (out->fd < 0)
        return false;
    mode_t usual = umask(0177);
    bool is_bound = bind(out->fd, (const struct sockaddr *)name, sizeof *name) == 0;
    umask(usual);
    if (!is_bound || lstat(name->sun_path, &made) != 0)
        return false;
    out->device = made.st_dev;
    out->file = made.st_ino;
    return listen(out->fd, BACKLOG) == 0;
}

enum kt_status listen_unix(const char *path, struct listening *out, char *why, size_t why_size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    *out = (struct listening){.fd = -1};
    if (!*path || strlen(path) >= sizeof name.sun_path) {
        snprintf(why, why_size,
                 "cannot listen on %s: the path of a socket has at most %zu bytes; choose a "
                 "shorter --socket",
                 path, sizeof name.sun_path - 1);
        return KT_INVALID;
    }
    memcpy(name.sun_path, path, strlen(path));
    KT_TRY(clear_path(&name, why, why_size));
    if (bind_unix(&name, out))
        return KT_OK;
    enum kt_status status = refuse_system(path, why, why_size);
    if (out->file)
        listen_remove_file(path, out);
    if (out->fd >= 0)
        close(out->fd);
    out->fd = -1;
    return status;
}

void listen_remove_file(const char *path, const struct listening *listening)
{
    struct stat found;
    if (lstat(path, &found) == 0 && S_ISSOCK(found.st_mode) && found.st_dev == listening->device &&
        found.st_ino == listening->file)
        unlink(path);
}
