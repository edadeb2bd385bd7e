/* The command line is asked first, then the environment, then the usual folders; the sources do not
 * mix. So `--address` never sends the password of a data folder that the environment names to a
 * server that has nothing to do with it. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SOCKET_NAME   "kontor.sock"
#define PASSWORD_NAME "admin-password"

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static bool is_given(const struct cli_place *place)
{
    return place->data || place->socket || place->address;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static enum cli_exit join(const struct cli *cli, const char *folder, int length, const char *name,
                          char out[4096])
{
    if (snprintf(out, 4096, "%.*s%s%s", length, folder, name[0] ? "/" : "", name) >= 4096)
        return cli_fail(cli, CLI_USAGE, "the path %s is too long", "路径 %s 过长", folder);
    return CLI_OK;
}

static enum cli_exit password_beside(const struct cli *cli, const char *socket,
                                     struct cli_target *target)
{
    const char *slash = strrchr(socket, '/');
    if (!slash)
        return join(cli, ".", 1, PASSWORD_NAME, target->password_file);
    return join(cli, socket, (int)(slash - socket), PASSWORD_NAME, target->password_file);
}

enum cli_exit cli_find_target(const struct cli *cli, struct cli_target *target)
{
    struct cli_place place = cli->place;
    char usual[4096];
    *target = (struct cli_target){.socket = ""};
    if (!is_given(&place))
        place = (struct cli_place){.data = environment("KONTOR_DATA"),
                                   .socket = environment("KONTOR_SOCKET"),
                                   .address = environment("KONTOR_ADDRESS")};
    if (!is_given(&place)) {
        const char *home = environment("HOME");
        place.data = "data";
        if (!is_folder(place.data) && home) {
            if (join(cli, home, (int)strlen(home), ".local/share/kontor", usual) != CLI_OK)
                return CLI_USAGE;
            place.data = usual;
        }
    }

    enum cli_exit code = CLI_OK;
    if (place.data)
        code = join(cli, place.data, (int)strlen(place.data), PASSWORD_NAME, target->password_file);
    else if (place.socket)
        code = password_beside(cli, place.socket, target);
    if (code != CLI_OK)
        return code;

    if (place.socket)
        return join(cli, place.socket, (int)strlen(place.socket), "", target->socket);
    target->address = place.address;
    if (place.address)
        return CLI_OK;
    return join(cli, place.data, (int)strlen(place.data), SOCKET_NAME, target->socket);
}
