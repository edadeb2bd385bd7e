/* The command line: what it means wherever it stands, and where the server is looked for.
 * Complaints go to stderr, which is nobody's business here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#define WORDS_MAX 32

struct line {
    char *words[WORDS_MAX];
    int count;
};

static const struct cli_command command = {.name = "test", .usage = "test WORD"};

static struct line split(const char *words)
{
    struct line line = {.count = 0};
    const char *at = words;
    while (*at) {
        size_t length = strcspn(at, " ");
        line.words[line.count++] = strndup(at, length);
        at += length + (at[length] == ' ');
    }
    return line;
}

static void release(struct line *line)
{
    for (int i = 0; i < line->count; i++)
        free(line->words[i]);
}

struct parsed {
    struct cli cli;
    enum cli_exit code;
    bool help;
    bool version;
    bool flag;
    const char *text;
    long number;
    struct cli_list list;
    struct line line;
};

/* As main does it: what is global first, then the command's word, then its own. getopt changes the
 * order of the pointers, so they are freed through a second list. */
static void parse(struct parsed *parsed, const char *words, int min, int max)
{
    *parsed = (struct parsed){.line = split(words)};
    static char *shuffled[WORDS_MAX + 1];
    memset(shuffled, 0, sizeof shuffled);
    memcpy(shuffled, parsed->line.words, sizeof parsed->line.words);
    struct cli *cli = &parsed->cli;
    cli->command = &command;
    parsed->code =
        cli_global_options(cli, parsed->line.count, shuffled, &parsed->help, &parsed->version);
    if (parsed->code != CLI_OK || cli->argc == 0)
        return;
    const struct cli_option options[] = {{.name = "flag", .flag = &parsed->flag},
                                         {.name = "text", .text = &parsed->text},
                                         {.name = "number", .number = &parsed->number},
                                         {.name = "list", .list = &parsed->list},
                                         {.name = NULL}};
    cli->argc--;
    cli->argv++;
    parsed->code = cli_options(cli, options, min, max);
}

static void test_before_and_after_the_command(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "kontor --data d --user anna --json --lang zh --timeout 7 test one two",
        "kontor test one --data=d two --user anna --json --lang zh --timeout 7",
        "kontor --data d test --user anna one --json two --lang=zh --timeout=7",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct parsed parsed;
        parse(&parsed, lines[i], 2, 2);
        assert_int_equal(CLI_OK, parsed.code);
        assert_string_equal("d", parsed.cli.place.data);
        assert_string_equal("anna", parsed.cli.user);
        assert_true(parsed.cli.json);
        assert_true(parsed.cli.chinese);
        assert_int_equal(7, parsed.cli.timeout_s);
        assert_int_equal(2, parsed.cli.argc);
        assert_string_equal("one", parsed.cli.argv[0]);
        assert_string_equal("two", parsed.cli.argv[1]);
        release(&parsed.line);
    }
}

static void test_own_options(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, "kontor test --list a x --flag --text=t --number 12 --list b", 1, 1);
    assert_int_equal(CLI_OK, parsed.code);
    assert_true(parsed.flag);
    assert_string_equal("t", parsed.text);
    assert_int_equal(12, parsed.number);
    assert_int_equal(2, parsed.list.count);
    assert_string_equal("a", parsed.list.at[0]);
    assert_string_equal("b", parsed.list.at[1]);
    assert_string_equal("x", parsed.cli.argv[0]);
    release(&parsed.line);

    /* What looks like an option is a word after "--"; "-" always is. */
    parse(&parsed, "kontor test - -- --flag", 2, 2);
    assert_int_equal(CLI_OK, parsed.code);
    assert_false(parsed.flag);
    assert_string_equal("-", parsed.cli.argv[0]);
    assert_string_equal("--flag", parsed.cli.argv[1]);
    release(&parsed.line);
}

static void test_help_and_version(void **state)
{
    (void)state;
    struct parsed parsed;
    parse(&parsed, "kontor --help", 0, 0);
    assert_true(parsed.help && !parsed.version);
    release(&parsed.line);
    parse(&parsed, "kontor -h", 0, 0);
    assert_true(parsed.help);
    release(&parsed.line);
    parse(&parsed, "kontor --version", 0, 0);
    assert_true(parsed.version);
    release(&parsed.line);
}

static void test_wrong_usage(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "kontor --nothing",
        "kontor --password x test x",
        "kontor --dat d test x",
        "kontor test x --tex t",
        "kontor test x --tex=t",
        "kontor --data",
        "kontor --lang fr test x",
        "kontor --json=yes test x",
        "kontor test x --nothing",
        "kontor test x --text",
        "kontor test x --flag=1",
        "kontor test x --number many",
        "kontor test x --number -1",
        "kontor test x --number 1x",
        "kontor test x --number 99999999999999999999",
        "kontor test x --timeout soon",
        "kontor test",
        "kontor test x y",
        "kontor test x -z",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct parsed parsed;
        parse(&parsed, lines[i], 1, 1);
        if (parsed.code != CLI_USAGE)
            fail_msg("%s: %d", lines[i], (int)parsed.code);
        release(&parsed.line);
    }
}

#define LIST_MAX (sizeof((struct cli_list *)NULL)->at / sizeof(const char *))

static enum cli_exit give_list(size_t count)
{
    static char own[] = "test";
    static char name[] = "--list";
    static char value[] = "x";
    char *words[2 * (LIST_MAX + 1) + 2] = {own};
    for (size_t i = 0; i < count; i++) {
        words[1 + 2 * i] = name;
        words[2 + 2 * i] = value;
    }
    struct cli_list list = {.count = 0};
    const struct cli_option options[] = {{.name = "list", .list = &list}, {.name = NULL}};
    struct cli cli = {.command = &command, .argc = (int)(2 * count), .argv = words + 1};
    return cli_options(&cli, options, 0, 0);
}

static void test_a_list_has_an_end(void **state)
{
    (void)state;
    assert_int_equal(CLI_OK, give_list(LIST_MAX));
    assert_int_equal(CLI_USAGE, give_list(LIST_MAX + 1));
}

/* --- Where the server is --- */

static void forget_environment(void)
{
    static const char *const names[] = {"KONTOR_DATA", "KONTOR_SOCKET", "KONTOR_ADDRESS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
}

static void assert_target(const struct cli_place *place, const char *socket, const char *address,
                          const char *password_file)
{
    struct cli cli = {.place = *place};
    struct cli_target target;
    assert_int_equal(CLI_OK, cli_find_target(&cli, &target));
    assert_string_equal(socket, target.socket);
    assert_string_equal(password_file, target.password_file);
    if (address)
        assert_string_equal(address, target.address);
    else
        assert_null(target.address);
}

static void test_place_on_the_command_line(void **state)
{
    (void)state;
    forget_environment();
    assert_target(&(struct cli_place){.data = "/d"}, "/d/kontor.sock", NULL, "/d/admin-password");
    assert_target(&(struct cli_place){.socket = "/s/k"}, "/s/k", NULL, "/s/admin-password");
    assert_target(&(struct cli_place){.socket = "k"}, "k", NULL, "./admin-password");
    assert_target(&(struct cli_place){.address = "h:1"}, "", "h:1", "");
    assert_target(&(struct cli_place){.data = "/d", .address = "h:1"}, "", "h:1",
                  "/d/admin-password");
}

static void test_place_in_the_environment(void **state)
{
    (void)state;
    forget_environment();
    setenv("KONTOR_DATA", "/e", 1);
    assert_target(&(struct cli_place){.data = NULL}, "/e/kontor.sock", NULL, "/e/admin-password");
    /* The password of one server is never sent to another. */
    assert_target(&(struct cli_place){.address = "h:1"}, "", "h:1", "");
    setenv("KONTOR_DATA", "", 1);
    setenv("KONTOR_ADDRESS", "h:2", 1);
    assert_target(&(struct cli_place){.data = NULL}, "", "h:2", "");
    forget_environment();
}

static void test_usual_places(void **state)
{
    (void)state;
    forget_environment();
    char folder[] = "/tmp/kontor-place-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *before = getcwd(NULL, 0);
    assert_int_equal(0, chdir(folder));
    setenv("HOME", "/home/anna", 1);
    assert_target(&(struct cli_place){.data = NULL}, "/home/anna/.local/share/kontor/kontor.sock",
                  NULL, "/home/anna/.local/share/kontor/admin-password");
    assert_int_equal(0, mkdir("data", 0700));
    assert_target(&(struct cli_place){.data = NULL}, "data/kontor.sock", NULL,
                  "data/admin-password");
    rmdir("data");
    assert_int_equal(0, chdir(before));
    rmdir(folder);
    free(before);
}

/* --- Passwords --- */

static void test_generated_passwords(void **state)
{
    (void)state;
    struct cli cli = {.json = false};
    struct cli_secret one;
    struct cli_secret other;
    assert_int_equal(CLI_OK, cli_secret_generate(&cli, &one));
    assert_int_equal(CLI_OK, cli_secret_generate(&cli, &other));
    assert_int_equal(20, strlen(one.text));
    assert_int_equal(20, strspn(one.text, "abcdefghijkmnopqrstuvwxyz"
                                          "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"));
    assert_string_not_equal(one.text, other.text);
}

static void test_password_file(void **state)
{
    (void)state;
    char path[] = "/tmp/kontor-secret-XXXXXX";
    struct cli cli = {.json = false};
    struct cli_secret secret;
    int fd = mkstemp(path);
    assert_int_equal(11, write(fd, "sesame\r\nx\n\n", 11));
    close(fd);
    assert_int_equal(CLI_OK, cli_secret_file(&cli, path, &secret));
    assert_string_equal("sesame", secret.text);
    /* What others can read is no secret. */
    assert_int_equal(0, chmod(path, 0644));
    assert_int_equal(CLI_LOGIN, cli_secret_file(&cli, path, &secret));
    assert_string_equal("", secret.text);
    assert_int_equal(0, chmod(path, 0600));
    assert_int_equal(0, truncate(path, 0));
    assert_int_equal(CLI_LOGIN, cli_secret_file(&cli, path, &secret));
    unlink(path);
    assert_int_equal(CLI_LOGIN, cli_secret_file(&cli, path, &secret));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_and_after_the_command),
        cmocka_unit_test(test_own_options),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_a_list_has_an_end),
        cmocka_unit_test(test_place_on_the_command_line),
        cmocka_unit_test(test_place_in_the_environment),
        cmocka_unit_test(test_usual_places),
        cmocka_unit_test(test_generated_passwords),
        cmocka_unit_test(test_password_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
