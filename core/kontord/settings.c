/* Command line, settings file, and what was not given. */
#include "kontord/settings.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "rpc/rpc.h"

#define SOCKET_NAME "kontor.sock"
#define COMPLAINT   1024
#define LIMIT_TEXT  32

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
    [SET_METRICS] = {"metrics", "HOST:PORT",
                     "serve GET /metrics to Prometheus there, without a login;\n"
                     "                        it tells of the server, of no record (none)"},
    [SET_PLUGINS] = {"plugins", "DIR", "the modules (beside the program)"},
    [SET_READERS] = {"readers", "N", "threads that read (one per processor, at most 8)"},
    [SET_ALLOW_REMOTE] = {"allow-remote", NULL,
                          "let --listen and --metrics take an address that other\n"
                          "                        machines reach; nothing is encrypted"},
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

void settings_complain(const char *format, ...)
{
    char line[COMPLAINT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "kontord: %s\n", line);
}

/* Settings have the numbers of enum setting, and the limits those behind. */
static size_t setting_count(void)
{
    return SET_COUNT + limit_text_count;
}

static const char *setting_name(size_t setting)
{
    return setting < SET_COUNT ? options[setting].name : limit_texts[setting - SET_COUNT].name;
}

static void print_limits(void)
{
    static const char *const units[] = {"N", "SIZE", "SECONDS", "MS"};
    puts("\nLimits (their usual values); a SIZE is bytes, or ends in K, M or G:");
    for (size_t i = 0; i < limit_text_count; i++) {
        const struct limit_text *limit = &limit_texts[i];
        char left[48];
        char usual[LIMIT_TEXT];
        snprintf(left, sizeof left, "--%s %s", limit->name, units[limit->unit]);
        limits_print(limit, limit->usual, usual, sizeof usual);
        printf("  %-30s  %s (%s)\n", left, limit->help, usual);
    }
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
    print_limits();
    puts("\nSIGTERM stops it after the requests in flight, a second one at once.\n"
         "Exit codes: 0 stopped as told, 1 could not start or go on, 2 wrong usage.");
}

static bool take_option(struct settings *settings, int option)
{
    if (option < SET_COUNT) {
        settings->values[option] = options[option].argument ? optarg : "yes";
        return true;
    }
    if (option >= OPTION_COUNT) {
        settings->values[option - OPTION_COUNT + SET_COUNT] = optarg;
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
    struct option long_options[OPTION_COUNT + SETTINGS_LIMITS_MAX + 1] = {0};
    for (int i = 0; i < OPTION_COUNT; i++)
        long_options[i] = (struct option){
            options[i].name, options[i].argument ? required_argument : no_argument, NULL, i};
    for (int i = 0; i < (int)limit_text_count; i++)
        long_options[OPTION_COUNT + i] =
            (struct option){limit_texts[i].name, required_argument, NULL, OPTION_COUNT + i};
    opterr = 0;
    int option;
    while (!settings->is_over &&
           (option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (option == ':') {
            settings_complain("%s needs a value; see --help", argv[optind - 1]);
            return false;
        }
        if (!take_option(settings, option)) {
            settings_complain("unknown option %s; see --help", argv[optind - 1]);
            return false;
        }
    }
    if (!settings->is_over && optind < argc) {
        settings_complain("what is '%s'? see --help", argv[optind]);
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
        settings_complain("%s:%u: expected name = value", settings->config, line);
        return false;
    }
    *equals = '\0';
    name = trim(name);
    const char *value = trim(equals + 1);
    size_t i = 0;
    while (i < setting_count() && strcmp(setting_name(i), name) != 0)
        i++;
    if (i == setting_count() || seen[i]) {
        settings_complain(i == setting_count() ? "%s:%u: unknown setting '%s'; see --help"
                                               : "%s:%u: '%s' is set twice",
                          settings->config, line, name);
        return false;
    }
    seen[i] = true;
    if (settings->values[i])
        return true;
    settings->values[i] = settings->owned[i] = strdup(value);
    if (!settings->owned[i])
        settings_complain("out of memory");
    return settings->owned[i] != NULL;
}

static bool read_file(struct settings *settings)
{
    FILE *file = fopen(settings->config, "re");
    if (!file) {
        settings_complain("%s: %s", settings->config, strerror(errno));
        return false;
    }
    bool seen[SET_COUNT + SETTINGS_LIMITS_MAX] = {false};
    bool is_good = true;
    char *text = NULL;
    size_t capacity = 0;
    for (unsigned line = 1; is_good && getline(&text, &capacity, file) >= 0; line++)
        is_good = take_line(settings, text, line, seen);
    if (is_good && ferror(file)) {
        settings_complain("%s: %s", settings->config, strerror(errno));
        is_good = false;
    }
    free(text);
    fclose(file);
    return is_good;
}

static bool own(struct settings *settings, enum setting setting, char *value)
{
    if (!value)
        settings_complain("out of memory");
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
    settings_complain("no modules beside the program: name their folder with --plugins");
    return false;
}

static bool read_flag(const struct settings *settings, enum setting setting, bool *out)
{
    const char *value = settings->values[setting];
    *out = value && strcmp(value, "yes") == 0;
    if (!value || *out || strcmp(value, "no") == 0)
        return true;
    settings_complain("%s is yes or no, not '%s'", options[setting].name, value);
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
    if (*value < '0' || *value > '9' || *end || errno || readers < 1 ||
        readers > ENGINE_READERS_MAX) {
        settings_complain("readers is a number from 1 to %d, not '%s'", ENGINE_READERS_MAX, value);
        return false;
    }
    settings->readers = (unsigned)readers;
    return true;
}

static bool read_limits(struct settings *settings)
{
    settings->limits = limits_usual();
    for (size_t i = 0; i < limit_text_count; i++) {
        const struct limit_text *limit = &limit_texts[i];
        const char *value = settings->values[SET_COUNT + i];
        char least[LIMIT_TEXT];
        char most[LIMIT_TEXT];
        if (!value || limits_set(&settings->limits, limit, value))
            continue;
        limits_print(limit, limit->least, least, sizeof least);
        limits_print(limit, limit->most, most, sizeof most);
        settings_complain("%s is a number from %s to %s, not '%s'", limit->name, least, most,
                          value);
        return false;
    }
    if (settings->limits.reply_bytes > settings->limits.unread_bytes) {
        settings_complain("reply-bytes is at most unread-bytes: no client could read more");
        return false;
    }
    if (settings->limits.queue_bytes < settings->limits.message_bytes) {
        settings_complain("queue-bytes is at least message-bytes: a larger request would be busy "
                          "for ever");
        return false;
    }
    return true;
}

static bool check_address(struct settings *settings, enum setting setting, const char *usual)
{
    char why[COMPLAINT];
    if (!settings->values[setting])
        settings->values[setting] = usual;
    const char *address = settings->values[setting];
    if (strcmp(address, "none") == 0 ||
        rpc_address_check(address, settings->allow_remote, why, sizeof why) == KT_OK)
        return true;
    settings_complain("%s", why);
    return false;
}

/* Everything that can be known to be wrong before a file is touched, and what was not given. */
static bool complete(struct settings *settings)
{
    if (settings->config && !read_file(settings))
        return false;
    if (!settings->values[SET_DATA] || !*settings->values[SET_DATA]) {
        settings_complain("name the data folder with --data DIR; see --help");
        return false;
    }
    const char *level = settings->values[SET_LOG_LEVEL];
    settings->level = LOG_INFO;
    if (level && !log_level_parse(level, &settings->level)) {
        settings_complain("log-level is error, warn, info or debug, not '%s'", level);
        return false;
    }
    if (!read_flag(settings, SET_ALLOW_REMOTE, &settings->allow_remote) ||
        !read_flag(settings, SET_NO_SYNC, &settings->no_sync) || !read_readers(settings) ||
        !read_limits(settings) || !check_address(settings, SET_LISTEN, "127.0.0.1:7450") ||
        !check_address(settings, SET_METRICS, "none"))
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

bool settings_read(struct settings *settings, int argc, char **argv)
{
    return read_command_line(settings, argc, argv) && (settings->is_over || complete(settings));
}

void settings_print(const struct settings *settings)
{
    for (size_t i = 0; i < SET_COUNT; i++) {
        if (settings->values[i])
            printf("%s = %s\n", options[i].name, settings->values[i]);
    }
    for (size_t i = 0; i < limit_text_count; i++) {
        char value[LIMIT_TEXT];
        limits_print(&limit_texts[i], limits_get(&settings->limits, &limit_texts[i]), value,
                     sizeof value);
        printf("%s = %s\n", limit_texts[i].name, value);
    }
}

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < setting_count(); i++)
        free(settings->owned[i]);
}
