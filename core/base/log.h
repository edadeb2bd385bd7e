/** The log: one line per event on stderr, "TIME LEVEL message key=value ...". journald reads the
 *  "<N>" priority prefix when stderr is its socket. Any thread; each line is one write(2). */
#pragma once

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/** Lines above this level are dropped. Default LOG_INFO. Set before threads start. */
void log_set_level(enum log_level level);
/** False for an unknown word. Words: error, warn, info, debug. */
_Bool log_level_parse(const char *word, enum log_level *out);

/** Line feeds and control bytes of the message are escaped, so that a stranger's text cannot forge
 * a line. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
