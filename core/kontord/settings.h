/** What `kontord` is told by its command line and its settings file: one list of names for both. */
#pragma once

#include <stdbool.h>

#include "base/log.h"
#include "engine/limits.h"

enum setting {
    SET_DATA,
    SET_LISTEN,
    SET_SOCKET,
    SET_METRICS,
    SET_PLUGINS,
    SET_READERS,
    SET_ALLOW_REMOTE,
    SET_LOG_LEVEL,
    SET_NO_SYNC,
    SET_COUNT,
};

#define SETTINGS_LIMITS_MAX 32 /* Room for the limits of engine/limits.h. */

struct settings {
    /** As given, the limits behind the others; NULL: not given. */
    const char *values[SET_COUNT + SETTINGS_LIMITS_MAX];
    char *owned[SET_COUNT + SETTINGS_LIMITS_MAX]; /**< Those from the file or made up here. */
    const char *config;
    bool is_check;
    bool is_over; /**< --help or --version has been answered. */
    unsigned readers;
    bool allow_remote;
    bool no_sync;
    enum log_level level;
    struct limits limits;
};

/** One line on stderr. */
void settings_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** All zero before. False after a complaint; settings_free in any case. */
bool settings_read(struct settings *settings, int argc, char **argv);
/** Those in force, as a settings file has them. */
void settings_print(const struct settings *settings);
void settings_free(struct settings *settings);
