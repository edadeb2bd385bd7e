/** Private to core/cli: rule files on their way to the server, all in one call. */
#pragma once

#include "cli/cli.h"

struct bundle {
    struct cli *cli;
    struct build_map files; /**< Name, as the server will know it, to text; in the zone. */
    size_t size_bytes;
};

bool bundle_is_name(const char *name);
/** Of each word, a file or a folder: there every *.lua, also one level below. */
enum cli_exit bundle_read(struct cli *cli, struct bundle *bundle);
