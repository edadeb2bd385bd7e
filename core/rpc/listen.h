/** Sockets that listen, and the sentences that say why one cannot.
 *
 *  A Unix socket is a file: a stale one is replaced, a live one is refused, and only the very file
 *  that was made here is removed again. Called on the I/O thread before other threads exist: the
 *  umask belongs to the whole process. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "kontor/status.h"

struct listening {
    int fd;
    char address[64]; /**< TCP: as really bound, "127.0.0.1:34567" or "[::1]:34567". */
    dev_t device;     /**< Unix: which file it is. */
    ino_t file;
};

/** KT_INVALID for an address that makes no sense, KT_BUSY when somebody else has it. */
enum kt_status listen_tcp(const char *address, struct listening *out, char *why, size_t why_size);
/** Only its owner may connect: mode 0600 from the first moment. */
enum kt_status listen_unix(const char *path, struct listening *out, char *why, size_t why_size);
/** Removes the file unless somebody has put another in its place. */
void listen_remove_file(const char *path, const struct listening *listening);
