/* Connecting without blocking for longer than the deadline. Name look-up is the exception: the C
 * library offers no timeout for it. */
#include "client/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/client.h"

#define HOST_SIZE      256
#define RETRY_PAUSE_MS 20

int64_t wire_deadline(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : clock_monotonic_us() / 1000 + timeout_ms;
}

int wire_left_ms(int64_t deadline)
{
    if (deadline < 0)
        return -1;
    int64_t left = deadline - clock_monotonic_us() / 1000;
    return left > 0 ? (int)left : 0;
}

int wire_prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return -1;
    return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* 0, or the errno of the failure. */
static int finish_connect(int fd, int64_t deadline)
{
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int ready;
    do {
        ready = poll(&wait, 1, wire_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return errno;
    if (ready == 0)
        return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/* Returns the socket, or -1 with errno set. */
static int connect_to(int family, const struct sockaddr *address, socklen_t size, int64_t deadline)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int error = 0;
    while (connect(fd, address, size) != 0) {
        error = errno;
        if (error == EINPROGRESS || error == EINTR) {
            error = finish_connect(fd, deadline);
            break;
        }
        /* A Unix socket whose queue is full says EAGAIN instead of waiting for us. */
        if (error != EAGAIN || wire_left_ms(deadline) == 0)
            break;
        poll(NULL, 0, RETRY_PAUSE_MS);
        error = 0;
    }
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

static int fail(const char *where, const char *reason, char *why, size_t why_size)
{
    snprintf(why, why_size, "%s: %s", where, reason);
    return -1;
}

int wire_dial_unix(const char *path, int64_t deadline, char *why, size_t why_size)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int folder = -1;
    int length = snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    const char *slash = strrchr(path, '/');
    if ((size_t)length >= sizeof name.sun_path && slash) {
        /* A name may hold 107 bytes, a folder's path may be longer: reach it by descriptor. */
        char parent[4096];
        if ((size_t)snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path) >=
            sizeof parent)
            return fail(path, strerror(ENAMETOOLONG), why, why_size);
        folder = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
            return fail(parent, strerror(errno), why, why_size);
        length = snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d%s", folder, slash);
    }
    int fd = -1;
    if ((size_t)length < sizeof name.sun_path)
        fd = connect_to(AF_UNIX, (const struct sockaddr *)&name, sizeof name, deadline);
    else
        errno = ENAMETOOLONG;
    int error = errno;
    if (folder >= 0)
        close(folder);
    return fd >= 0 ? fd : fail(path, strerror(error), why, why_size);
}

/* "host", "host:port", "[v6]", "[v6]:port", or a bare v6 address. */
static int split_address(const char *address, char host[HOST_SIZE], const char **port)
{
    const char *start = address;
    const char *end = address + strlen(address);
    *port = CLIENT_DEFAULT_PORT;
    if (address[0] == '[') {
        start = address + 1;
        end = strchr(start, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return -1;
        if (end[1] == ':')
            *port = end + 2;
    } else {
        const char *colon = strchr(address, ':');
        if (colon && !strchr(colon + 1, ':')) {
            end = colon;
            *port = colon + 1;
        }
    }
    size_t length = (size_t)(end - start);
    if (length == 0 || length >= HOST_SIZE || **port == '\0')
        return -1;
    memcpy(host, start, length);
    host[length] = '\0';
    return 0;
}

int wire_dial_address(const char *address, int64_t deadline, char *why, size_t why_size)
{
    char host[HOST_SIZE];
    const char *port;
    if (split_address(address, host, &port) != 0)
        return fail(address, "not HOST:PORT", why, why_size);

    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int trouble = getaddrinfo(host, port, &hints, &found);
    if (trouble != 0)
        return fail(address, gai_strerror(trouble), why, why_size);

    int fd = -1;
    int error = ECONNREFUSED;
    for (const struct addrinfo *each = found; each && fd < 0; each = each->ai_next) {
        fd = connect_to(each->ai_family, each->ai_addr, each->ai_addrlen, deadline);
        error = errno;
    }
    freeaddrinfo(found);
    if (fd < 0)
        return fail(address, strerror(error), why, why_size);
    /* Requests are small and waited for: Nagle's delay would be paid by each. */
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}
