/* One line, one write(2), never longer than PIPE_BUF: so lines of several threads do not mix, even
 * in a pipe. */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
    const char *word;
    int priority; /* of syslog(3), as journald reads it */
} levels[] = {
    [LOG_ERROR] = {"error", 3},
    [LOG_WARN] = {"warn", 4},
    [LOG_INFO] = {"info", 6},
    [LOG_DEBUG] = {"debug", 7},
};

static enum log_level highest = LOG_INFO;

/** A line while it is written. Room for the mark of a cut and the line feed is kept free: sizeof
 *  the mark counts its NUL, which is the line feed's byte. */
struct line {
    char text[PIPE_BUF];
    size_t size;
};

#define CUT_MARK      "..."
#define LINE_MAX_SIZE (PIPE_BUF - sizeof CUT_MARK)

void log_set_level(enum log_level level)
{
    highest = level;
}

_Bool log_level_parse(const char *word, enum log_level *out)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(word, levels[i].word) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/** False when it does not fit: then nothing is appended. */
static bool append(struct line *line, const char *text, size_t length)
{
    if (length > LINE_MAX_SIZE - line->size)
        return false;
    memcpy(line->text + line->size, text, length);
    line->size += length;
    return true;
}

/** Bytes of the well-formed UTF-8 character at `text` (RFC 3629, table of section 4); 0 for none.
 */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    unsigned char first = text[0];
    size_t length = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (length == 0 || first > 0xF4 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    }
    bool wrong = (first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F) ||
                 (first == 0xF0 && text[1] < 0x90) || (first == 0xF4 && text[1] > 0x8F);
    return wrong ? 0 : length;
}

/** Characters that end a line or command a terminal: C0, DEL, C1, U+2028 and U+2029. */
static bool is_control(const unsigned char *text, size_t length)
{
    if (length == 1)
        return text[0] < 0x20 || text[0] == 0x7F;
    if (length == 2)
        return text[0] == 0xC2 && text[1] < 0xA0;
    return length == 3 && text[0] == 0xE2 && text[1] == 0x80 && (text[2] | 1) == 0xA9;
}

static bool append_escaped(struct line *line, const unsigned char *bytes, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    const char *named = length == 1 && bytes[0] != '\0' ? strchr("\nn\rr\tt\\\\", bytes[0]) : NULL;
    if (named != NULL)
        return append(line, (char[]){'\\', named[1]}, 2);
    char text[4 * 4];
    for (size_t i = 0; i < length; i++) {
        text[4 * i] = '\\';
        text[4 * i + 1] = 'x';
        text[4 * i + 2] = hex[bytes[i] >> 4];
        text[4 * i + 3] = hex[bytes[i] & 15];
    }
    return append(line, text, 4 * length);
}

static void append_message(struct line *line, const char *message)
{
    const unsigned char *at = (const unsigned char *)message;
    size_t left = strlen(message);
    while (left > 0) {
        size_t length = utf8_length(at, left);
        bool plain = length > 0 && !is_control(at, length) && at[0] != '\\';
        if (length == 0)
            length = 1;
        if (!(plain ? append(line, (const char *)at, length) : append_escaped(line, at, length))) {
            memcpy(line->text + line->size, CUT_MARK, strlen(CUT_MARK));
            line->size += strlen(CUT_MARK);
            return;
        }
        at += length;
        left -= length;
    }
}

/** systemd names the socket it gave us as "DEVICE:INODE"; stderr may since have been redirected. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    char own[48];
    snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, own) == 0;
}

static void append_head(struct line *line, enum log_level level)
{
    char head[16 + KT_INSTANT_TEXT_SIZE];
    if (stderr_is_journal())
        append(line, head, (size_t)snprintf(head, sizeof head, "<%d>", levels[level].priority));
    /* Milliseconds are enough to read: cut the last three digits before the Z. */
    size_t length = kt_instant_format(clock_now(), head) - strlen("456Z");
    append(line, head, length);
    append(line, head, (size_t)snprintf(head, sizeof head, "Z %s ", levels[level].word));
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level > highest)
        return;
    /* Callers log in the middle of handling a failed call, and then look at errno. */
    int saved = errno;
    char message[PIPE_BUF];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    struct line line = {.size = 0};
    append_head(&line, level);
    append_message(&line, length < 0 ? "(a message that cannot be formatted)" : message);
    line.text[line.size++] = '\n';
    ssize_t written;
    do
        written = write(STDERR_FILENO, line.text, line.size);
    while (written < 0 && errno == EINTR);
    errno = saved;
}
