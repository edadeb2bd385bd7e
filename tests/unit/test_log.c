/* Goal: one event is one line, whole and unforgeable, with time and level; the words of statuses.
 * Method: stderr becomes one end of a pipe or a socket while a line is logged. */
#include "base/log.h"

#include "kontor/date.h"
#include "kontor/status.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/** Where stderr went while a test listens to it. */
struct ear {
    int read_end;
    int old_stderr;
};

static struct ear listen_to_stderr(void)
{
    /* Packets: one read gets exactly what one write sent. */
    int ends[2];
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
    struct ear ear = {.read_end = ends[0], .old_stderr = dup(STDERR_FILENO)};
    assert_true(ear.old_stderr >= 0);
    assert_int_equal(STDERR_FILENO, dup2(ends[1], STDERR_FILENO));
    close(ends[1]);
    return ear;
}

static void stop_listening(struct ear *ear)
{
    assert_int_equal(STDERR_FILENO, dup2(ear->old_stderr, STDERR_FILENO));
    close(ear->old_stderr);
    close(ear->read_end);
}

/** What one write sent, with a NUL; 0 when nothing was written. */
static size_t hear(const struct ear *ear, char *text, size_t size)
{
    ssize_t length = recv(ear->read_end, text, size - 1, MSG_DONTWAIT);
    if (length < 0) {
        assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
        length = 0;
    }
    text[length] = '\0';
    return (size_t)length;
}

/** The part after "2026-11-23T17:20:00.123Z ", whose form is checked. */
static const char *after_time(const char *line)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; i < strlen(form); i++) {
        if (form[i] == 'd')
            assert_in_range(line[i], '0', '9');
        else
            assert_int_equal(form[i], line[i]);
    }
    return line + strlen(form);
}

static void expect_message(const char *written, const char *message)
{
    char line[2 * PIPE_BUF];
    struct ear ear = listen_to_stderr();
    log_info("%s", message);
    size_t size = hear(&ear, line, sizeof line);
    stop_listening(&ear);
    assert_true(size > 0);
    assert_int_equal(size, strlen(line));
    char expected[2 * PIPE_BUF];
    snprintf(expected, sizeof expected, "info %s\n", written);
    assert_string_equal(expected, after_time(line));
}

static void a_line_has_time_level_and_message(void **state)
{
    (void)state;
    char line[2 * PIPE_BUF];
    assert_int_equal(0, setenv("KONTOR_TEST_NOW", "2026-11-23", 1));
    struct ear ear = listen_to_stderr();
    log_error("disk full path=%s free=%d", "/data", 0);
    hear(&ear, line, sizeof line);
    stop_listening(&ear);
    assert_int_equal(0, unsetenv("KONTOR_TEST_NOW"));
    assert_int_equal(0, strncmp(line, "2026-11-23T", 11));
    assert_string_equal("error disk full path=/data free=0\n", after_time(line));
}

static void lines_above_the_level_are_dropped(void **state)
{
    (void)state;
    char line[2 * PIPE_BUF];
    struct ear ear = listen_to_stderr();
    log_debug("not by default");
    size_t by_default = hear(&ear, line, sizeof line);
    log_set_level(LOG_DEBUG);
    log_debug("now");
    size_t debug = hear(&ear, line, sizeof line);
    log_set_level(LOG_WARN);
    log_info("no more");
    size_t info = hear(&ear, line, sizeof line);
    log_warn("still");
    size_t warn = hear(&ear, line, sizeof line);
    log_set_level(LOG_INFO);
    stop_listening(&ear);
    assert_int_equal(0, by_default);
    assert_int_not_equal(0, debug);
    assert_int_equal(0, info);
    assert_int_not_equal(0, warn);
    assert_string_equal("warn still\n", after_time(line));
}

static void words_of_levels_are_known(void **state)
{
    (void)state;
    static const char *const words[] = {"error", "warn", "info", "debug"};
    for (int i = 0; i < 4; i++) {
        enum log_level level = LOG_DEBUG;
        assert_true(log_level_parse(words[i], &level));
        assert_int_equal(i, level);
    }
    enum log_level level = LOG_WARN;
    assert_false(log_level_parse("verbose", &level));
    assert_false(log_level_parse("", &level));
    assert_false(log_level_parse("INFO", &level));
    assert_int_equal(LOG_WARN, level);
}

static void a_stranger_cannot_forge_a_line(void **state)
{
    (void)state;
    expect_message("user=x\\n2026-01-01T00:00:00Z info forged",
                   "user=x\n2026-01-01T00:00:00Z info forged");
    expect_message("a\\rb\\tc\\x1b[31md\\x7f\\x01", "a\rb\tc\x1b[31md\x7f\x01");
    expect_message("a written \\\\n stays one", "a written \\n stays one");
    /* U+0085 and U+009B, U+2028 and U+2029: lines and commands beyond ASCII. */
    expect_message("\\xc2\\x85 \\xc2\\x9b", "\xc2\x85 \xc2\x9b");
    expect_message("\\xe2\\x80\\xa8 \\xe2\\x80\\xa9", "\xe2\x80\xa8 \xe2\x80\xa9");
}

static void text_in_any_language_stays_readable(void **state)
{
    (void)state;
    expect_message("客户 Müller – € 😀", "客户 Müller – € 😀");
    /* Neighbours of the escaped: U+00A0, U+2027, U+202A. */
    expect_message("\xc2\xa0\xe2\x80\xa7\xe2\x80\xaa", "\xc2\xa0\xe2\x80\xa7\xe2\x80\xaa");
}

static void bytes_that_are_no_text_are_escaped(void **state)
{
    (void)state;
    expect_message("\\xff\\xfe", "\xff\xfe");
    expect_message("\\xc0\\xafx", "\xc0\xafx");                 /* overlong */
    expect_message("\\xe0\\x80\\xaf", "\xe0\x80\xaf");          /* overlong */
    expect_message("\\xed\\xa0\\x80", "\xed\xa0\x80");          /* a surrogate */
    expect_message("\\xf4\\x90\\x80\\x80", "\xf4\x90\x80\x80"); /* above U+10FFFF */
    expect_message("\\xe5\\xae", "\xe5\xae");                   /* cut at the end */
    expect_message("\\xe5\\xaex", "\xe5\xaex");                 /* cut inside */
}

static void a_long_message_is_cut_and_says_so(void **state)
{
    (void)state;
    static const char *const fillings[] = {"x", "客", "\n", "\xff"};
    char message[3 * PIPE_BUF];
    for (size_t i = 0; i < sizeof fillings / sizeof fillings[0]; i++) {
        size_t step = strlen(fillings[i]);
        size_t size = 0;
        for (; size + step < sizeof message; size += step)
            memcpy(message + size, fillings[i], step);
        message[size] = '\0';
        char line[2 * PIPE_BUF];
        struct ear ear = listen_to_stderr();
        log_info("%s", message);
        size_t length = hear(&ear, line, sizeof line);
        stop_listening(&ear);
        /* Cut no earlier than one more character would need, "\xe5\xae\xa2" at most. */
        assert_in_range(length, PIPE_BUF - 12, PIPE_BUF);
        assert_string_equal("...\n", line + length - 4);
        assert_ptr_equal(line + length - 1, strchr(line, '\n'));
    }
}

static void the_journal_gets_priorities(void **state)
{
    (void)state;
    static const struct {
        enum log_level level;
        const char *prefix;
    } levels[] = {{LOG_ERROR, "<3>"}, {LOG_WARN, "<4>"}, {LOG_INFO, "<6>"}, {LOG_DEBUG, "<7>"}};
    log_set_level(LOG_DEBUG);
    for (size_t i = 0; i < 4; i++) {
        char line[2 * PIPE_BUF];
        char name[64];
        struct stat status;
        struct ear ear = listen_to_stderr();
        assert_int_equal(0, fstat(STDERR_FILENO, &status));
        snprintf(name, sizeof name, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
        assert_int_equal(0, setenv("JOURNAL_STREAM", name, 1));
        log_line(levels[i].level, "hello");
        hear(&ear, line, sizeof line);
        stop_listening(&ear);
        assert_int_equal(0, strncmp(line, levels[i].prefix, 3));
        after_time(line + 3);
    }
    log_set_level(LOG_INFO);
}

static void a_redirected_stderr_is_not_the_journal(void **state)
{
    (void)state;
    assert_int_equal(0, setenv("JOURNAL_STREAM", "1:1", 1));
    expect_message("hello", "hello");
    assert_int_equal(0, setenv("JOURNAL_STREAM", "nonsense", 1));
    expect_message("hello", "hello");
    assert_int_equal(0, unsetenv("JOURNAL_STREAM"));
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    int old_stderr = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = ENOSPC;
    log_error("nobody hears this");
    int after = errno;
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    assert_int_equal(ENOSPC, after);
}

#define THREADS          4
#define LINES_PER_THREAD 250

static void *log_many(void *argument)
{
    const char *letter = argument;
    char message[512];
    memset(message, *letter, sizeof message - 1);
    message[sizeof message - 1] = '\0';
    for (int i = 0; i < LINES_PER_THREAD; i++)
        log_info("%s", message);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    static const char letters[] = "abcd";
    int ends[2];
    assert_int_equal(0, pipe(ends));
    int old_stderr = dup(STDERR_FILENO);
    assert_int_equal(STDERR_FILENO, dup2(ends[1], STDERR_FILENO));
    close(ends[1]);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(0, pthread_create(&threads[i], NULL, log_many, (void *)&letters[i]));

    FILE *lines = fdopen(ends[0], "r");
    assert_non_null(lines);
    char line[2 * PIPE_BUF];
    for (int i = 0; i < THREADS * LINES_PER_THREAD; i++) {
        assert_non_null(fgets(line, sizeof line, lines));
        const char *message = after_time(line) + strlen("info ");
        assert_int_equal(511, strspn(message, (char[]){message[0], '\0'}));
        assert_string_equal("\n", message + 511);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(0, pthread_join(threads[i], NULL));
    dup2(old_stderr, STDERR_FILENO);
    close(old_stderr);
    fclose(lines);
}

static void statuses_have_the_words_of_the_wire(void **state)
{
    (void)state;
    static const struct {
        enum kt_status status;
        const char *code;
    } codes[] = {
        {KT_OK, "ok"},
        {KT_NOT_FOUND, "not_found"},
        {KT_INVALID, "invalid"},
        {KT_CONFLICT, "conflict"},
        {KT_DENIED, "denied"},
        {KT_UNAUTHENTICATED, "unauthenticated"},
        {KT_BUSY, "busy"},
        {KT_TOO_LARGE, "too_large"},
        {KT_RULE_DENIED, "rule_denied"},
        {KT_RULE_FAILED, "rule_failed"},
        {KT_INTERNAL, "internal"},
        {(enum kt_status)(KT_INTERNAL + 1), "internal"},
        {(enum kt_status) - 1, "internal"},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_string_equal(codes[i].code, kt_status_code(codes[i].status));
}

int main(void)
{
    unsetenv("JOURNAL_STREAM");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_and_message),
        cmocka_unit_test(lines_above_the_level_are_dropped),
        cmocka_unit_test(words_of_levels_are_known),
        cmocka_unit_test(a_stranger_cannot_forge_a_line),
        cmocka_unit_test(text_in_any_language_stays_readable),
        cmocka_unit_test(bytes_that_are_no_text_are_escaped),
        cmocka_unit_test(a_long_message_is_cut_and_says_so),
        cmocka_unit_test(the_journal_gets_priorities),
        cmocka_unit_test(a_redirected_stderr_is_not_the_journal),
        cmocka_unit_test(errno_is_left_alone),
        cmocka_unit_test(lines_of_threads_do_not_mix),
        cmocka_unit_test(statuses_have_the_words_of_the_wire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
