#include "standard-streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "user.h"

enum { DEFAULT_COLS = 80, DEFAULT_ROWS = 24 };

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void stdio_close_child(struct stdio *stdio)
{
    bool terminal = stdio->child[0] == stdio->child[1];
    close_one(&stdio->child[0]);
    if (terminal)
        stdio->child[1] = stdio->child[2] = -1;
    close_one(&stdio->child[1]);
    close_one(&stdio->child[2]);
}

void stdio_close(struct stdio *stdio)
{
    stdio_close_child(stdio);
    close_one(&stdio->in);
    close_one(&stdio->out);
    close_one(&stdio->err);
}

static bool make_pipe(int *ours, int *theirs, bool we_read)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    *ours = ends[we_read ? 0 : 1];
    *theirs = ends[we_read ? 1 : 0];
    return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

static bool open_pipes(struct stdio *stdio, bool with_stdin)
{
    if (with_stdin) {
        if (!make_pipe(&stdio->in, &stdio->child[0], false))
            return false;
    } else {
        stdio->child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (stdio->child[0] < 0)
            return false;
    }
    return make_pipe(&stdio->out, &stdio->child[1], true) && make_pipe(&stdio->err, &stdio->child[2], true);
}

static bool open_terminal(struct stdio *stdio, const struct exec_request *request)
{
    stdio->out = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    int locked = 0;
    if (stdio->out < 0 || ioctl(stdio->out, TIOCSPTLCK, &locked) < 0)
        return false;
    /* Through the master rather than by name: the name could mean another mount's terminal. */
    int slave = ioctl(stdio->out, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return false;
    stdio->child[0] = stdio->child[1] = stdio->child[2] = slave;

    struct winsize size = {.ws_col = request->cols ? request->cols : DEFAULT_COLS,
                           .ws_row = request->rows ? request->rows : DEFAULT_ROWS};
    ioctl(stdio->out, TIOCSWINSZ, &size);
    struct termios mode;
    if (ioctl(slave, TCGETS, &mode) == 0) {
        mode.c_iflag |= IUTF8;
        ioctl(slave, TCSETS, &mode);
    }
    if (!(request->flags & EXEC_STDIN))
        return true;
    /* Each direction is watched by itself, which takes two descriptors. */
    stdio->in = fcntl(stdio->out, F_DUPFD_CLOEXEC, 0);
    return stdio->in >= 0;
}

int stdio_open(struct stdio *stdio, const struct exec_request *request)
{
    *stdio = (struct stdio){.child = {-1, -1, -1}, .in = -1, .out = -1, .err = -1};
    files_as_user(request->uid);
    bool opened =
        request->flags & EXEC_PTY ? open_terminal(stdio, request) : open_pipes(stdio, request->flags & EXEC_STDIN);
    int cause = errno;
    files_as_root();
    if (opened)
        return 0;
    stdio_close(stdio);
    return cause;
}
