#include "reset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "egress.h"
#include "exec.h"
#include "fields.h"
#include "launch.h"
#include "text.h"
#include "user.h"
#include "wipe.h"
#include "worker.h"

enum stage { IDLE, KILLING, WIPING };

static enum stage stage;
static struct conn *host; /* null: the host went away; what was begun is finished all the same */
static pid_t wiper;
static int complaint = -1; /* what the wiper says on its standard error */

static bool on_frame(struct conn *conn, const struct frame *frame)
{
    return frame->type == FRAME_CREDIT && conn_credit(conn, frame);
}

static void on_can_send(struct conn *conn)
{
    (void)conn;
}

static void on_lost(struct conn *conn)
{
    (void)conn;
    host = NULL;
}

static const struct verb reset_verb = {.frame = on_frame, .can_send = on_can_send, .lost = on_lost};

static void finish(int error, const char *text)
{
    stage = IDLE;
    if (complaint >= 0)
        close(complaint);
    complaint = -1;
    if (host != NULL && error == 0)
        conn_exit(host, 0);
    else if (host != NULL)
        conn_error(host, error, text);
    host = NULL;
}

static void start_wiper(void)
{
    static char *const no_strings[] = {NULL};
    char root[] = "/";
    struct exec_request request = {
        .args = (char **)(uintptr_t)no_strings, .env = (char **)(uintptr_t)no_strings, .uid = USER_UID, .cwd = root};
    int ends[2] = {-1, -1}, report = -1;
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing >= 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
        struct launch how = {.request = &request, .stdio = {nothing, nothing, ends[1]}, .builtin = wipe_everything};
        wiper = launch(&how, &report);
    } else {
        wiper = -1;
    }
    int cause = errno;
    close(nothing);
    close(ends[1]);
    close(report);
    complaint = ends[0];
    stage = WIPING;
    if (wiper >= 0)
        return;
    char text[ERROR_TEXT_MAX];
    error_text(text, cause, "starting the wipe");
    finish(cause, text);
}

void reset_begin(struct conn *conn)
{
    if (stage != IDLE) {
        conn_error(conn, EBUSY, "EBUSY: a reset is under way");
        return;
    }
    host = conn;
    conn->verb = &reset_verb;
    stage = KILLING;
    worker_cancel_waiting();
    egress_forget();
}

bool reset_under_way(void)
{
    return stage != IDLE;
}

void reset_continue(void)
{
    /* A child the worker is about to clone cannot be killed yet: its naming brings us here again, as does every death. A
     * job that has a name may still be on its way from root to the user. */
    if (stage != KILLING || worker_taking_job())
        return;
    bool programs = exec_kill_all();
    if (!kill_user_processes() && !programs)
        start_wiper();
}

void reset_reaped(pid_t pid, int status)
{
    if (stage != WIPING || pid != wiper)
        return;
    if (status == 0) {
        finish(0, NULL);
        return;
    }
    char text[ERROR_TEXT_MAX];
    ssize_t size = read(complaint, text, sizeof text - 1);
    while (size > 0 && text[size - 1] == '\n')
        size--;
    int error = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    if (size > 0)
        text[size] = 0;
    else
        error_text(text, error, "wipe");
    finish(error, text);
}
