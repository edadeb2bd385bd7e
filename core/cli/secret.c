/* Passwords come from a terminal, a pipe, or a file; never from the command line, where every user
 * of the machine can read them. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define GENERATED_LENGTH 20
#define KEY_INTERRUPT    0x03
#define KEY_END          0x04
#define KEY_BACKSPACE    0x08
#define KEY_KILL         0x15
#define KEY_DELETE       0x7f

void cli_secret_wipe(struct cli_secret *secret)
{
    explicit_bzero(secret, sizeof *secret);
}

bool cli_has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

enum key { KEY_TAKEN, KEY_DONE, KEY_STOP };

static enum key press(struct cli_secret *secret, size_t *length, unsigned char byte)
{
    switch (byte) {
    case '\r':
    case '\n':
        return KEY_DONE;
    case KEY_END:
        return *length > 0 ? KEY_DONE : KEY_STOP;
    case KEY_INTERRUPT:
        return KEY_STOP;
    case KEY_KILL:
        *length = 0;
        return KEY_TAKEN;
    case KEY_BACKSPACE:
    case KEY_DELETE:
        /* A whole character: the bytes 10xxxxxx are the rest of one. */
        while (*length > 0 && ((unsigned char)secret->text[*length - 1] & 0xc0) == 0x80)
            (*length)--;
        if (*length > 0)
            (*length)--;
        return KEY_TAKEN;
    default:
        if (*length + 1 < sizeof secret->text)
            secret->text[(*length)++] = (char)byte;
        return KEY_TAKEN;
    }
}

/* With signals off too: ^C must not leave a terminal without echo. The prompt comes after the echo
 * is off and what was typed before is dropped: whoever sees it can type. */
static enum key read_keys(int fd, const char *prompt, struct cli_secret *secret)
{
    struct termios before;
    if (tcgetattr(fd, &before) != 0)
        return KEY_STOP;
    struct termios quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSAFLUSH, &quiet) != 0)
        return KEY_STOP;
    (void)!write(fd, prompt, strlen(prompt));
    size_t length = 0;
    enum key key = KEY_TAKEN;
    while (key == KEY_TAKEN) {
        unsigned char byte;
        ssize_t got = read(fd, &byte, 1);
        if (got < 0 && errno == EINTR)
            continue;
        key = got == 1 ? press(secret, &length, byte) : KEY_STOP;
    }
    secret->text[length] = '\0';
    tcsetattr(fd, TCSAFLUSH, &before);
    (void)!write(fd, "\n", 1);
    return key;
}

enum cli_exit cli_secret_prompt(const struct cli *cli, const char *prompt,
                                struct cli_secret *secret)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return cli_fail(
            cli, CLI_LOGIN,
            "no terminal to ask for a password: use --password-stdin or KONTOR_PASSWORD",
            "没有终端可输入密码：请使用 --password-stdin 或 KONTOR_PASSWORD");
    enum key key = read_keys(fd, prompt, secret);
    close(fd);
    if (key == KEY_DONE)
        return CLI_OK;
    cli_secret_wipe(secret);
    return cli_fail(cli, CLI_LOGIN, "no password given", "未输入密码");
}

/* Cuts the line end; false when there is no line or it does not fit. */
static bool read_line(FILE *file, struct cli_secret *secret)
{
    if (!fgets(secret->text, sizeof secret->text, file))
        return false;
    size_t length = strcspn(secret->text, "\r\n");
    bool whole = secret->text[length] != '\0' || feof(file);
    secret->text[length] = '\0';
    return whole && length > 0;
}

enum cli_exit cli_secret_stdin(const struct cli *cli, struct cli_secret *secret)
{
    if (read_line(stdin, secret))
        return CLI_OK;
    cli_secret_wipe(secret);
    return cli_fail(cli, CLI_USAGE, "no password on standard input", "标准输入中没有密码");
}

enum cli_exit cli_secret_file(const struct cli *cli, const char *path, struct cli_secret *secret)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return cli_fail(cli, CLI_LOGIN, "cannot read the password of admin from %s: %s",
                        "无法从 %s 读取 admin 的密码: %s", path, strerror(errno));
    struct stat status;
    enum cli_exit code = CLI_OK;
    if (fstat(fileno(file), &status) != 0 || (status.st_mode & 077) != 0)
        code = cli_fail(cli, CLI_LOGIN, "%s can be read by others: chmod 600 it",
                        "%s 可被他人读取：请执行 chmod 600", path);
    else if (!read_line(file, secret))
        code = cli_fail(cli, CLI_LOGIN, "%s holds no password", "%s 中没有密码", path);
    fclose(file);
    if (code != CLI_OK)
        cli_secret_wipe(secret);
    return code;
}

enum cli_exit cli_secret_generate(const struct cli *cli, struct cli_secret *secret)
{
    /* Without 0 O 1 l I, which people mistake. 57 letters: 20 of them hold 116 bits. */
    static const char letters[] = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    const unsigned count = sizeof letters - 1;
    size_t length = 0;
    while (length < GENERATED_LENGTH) {
        unsigned char byte;
        if (getrandom(&byte, 1, 0) != 1)
            return cli_fail(cli, CLI_REFUSED, "no randomness: %s", "无法获取随机数: %s",
                            strerror(errno));
        /* Drop the uneven rest, so that every letter is equally likely. */
        if (byte < 256 / count * count)
            secret->text[length++] = letters[byte % count];
    }
    secret->text[length] = '\0';
    return CLI_OK;
}
