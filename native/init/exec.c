#include "exec.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "builtins.h"
#include "fields.h"
#include "launch.h"
#include "le.h"
#include "processes.h"
#include "standard-streams.h"
#include "stream.h"
#include "text.h"
#include "worker.h"

/* More than a terminal can hold at one moment: its line buffer and the 64 KiB under way to it. */
enum { TERMINAL_HOLDS = 131072 };

struct exec {
    struct grave grave;
    struct exec *next, **link;
    struct conn *conn; /* null: the host is gone, or has its answer */
    struct source out, err;
    struct sink in;
    struct watch report;
    struct job job;
    pid_t pid;
    uint32_t flags;
    int status;
    bool started, exited, err_first;
    uint64_t early_signals; /* came before there was a program to have them */
};

static struct exec *running;

static void forget(struct exec *exec)
{
    watch_close(&exec->report);
    watch_close(&exec->out.watch);
    watch_close(&exec->err.watch);
    sink_close(&exec->in);
    *exec->link = exec->next;
    if (exec->next != NULL)
        exec->next->link = exec->link;
    loop_free(&exec->grave);
}

static void finish_when_drained(struct exec *exec)
{
    if (!exec->exited || exec->conn == NULL || source_is_open(&exec->out) || source_is_open(&exec->err))
        return;
    conn_exit(exec->conn, exec->status);
    exec->conn = NULL;
    forget(exec);
}

static void out_ended(struct source *source, int error)
{
    (void)error;
    finish_when_drained(container_of(source, struct exec, out));
}

static void err_ended(struct source *source, int error)
{
    (void)error;
    finish_when_drained(container_of(source, struct exec, err));
}

static void deliver(const struct exec *exec, int number)
{
    /* A worker that has only just become the program may not lead a group yet. */
    if (kill(-exec->pid, number) < 0 && errno == ESRCH)
        kill(exec->pid, number);
}

static void started(struct exec *exec, pid_t pid)
{
    exec->pid = pid;
    exec->started = true;
    if (exec->conn == NULL) {
        kill_session(pid);
        return;
    }
    uint8_t payload[4];
    le_put32(payload, (uint32_t)pid);
    conn_send(exec->conn, FRAME_STARTED, payload, sizeof payload);
    for (int number = 1; exec->early_signals != 0; number++, exec->early_signals >>= 1)
        if (exec->early_signals & 1)
            deliver(exec, number);
}

static void job_started(struct job *job, pid_t pid)
{
    started(container_of(job, struct exec, job), pid);
}

static void job_failed(struct job *job, int error, const char *text)
{
    struct exec *exec = container_of(job, struct exec, job);
    if (exec->conn != NULL)
        conn_error(exec->conn, error, text);
    exec->conn = NULL;
    forget(exec);
}

/* How far the child got. Called when it has something to say and, for certain, before its end is told. */
static void read_report(struct exec *exec)
{
    uint8_t report[4 + ERROR_TEXT_MAX + 1];
    ssize_t got = read(exec->report.fd, report, sizeof report - 1);
    if (got < 0 && errno == EAGAIN)
        return;
    watch_close(&exec->report);
    if (got < 4) {
        started(exec, exec->pid);
        return;
    }
    report[got] = 0;
    watch_close(&exec->out.watch);
    watch_close(&exec->err.watch);
    sink_close(&exec->in);
    if (exec->conn != NULL)
        conn_error(exec->conn, (int)le_get32(report), (const char *)report + 4);
    exec->conn = NULL;
}

static void on_report(struct watch *watch, uint32_t events)
{
    (void)events;
    read_report(container_of(watch, struct exec, report));
}

/* Other signals wait for a program that can have them. This one must not depend on somebody's getting that far. */
static void kill_early(struct exec *exec)
{
    if (exec->pid > 0) {
        deliver(exec, SIGKILL);
    } else if (worker_withdraw(&exec->job)) {
        conn_error(exec->conn, ECANCELED, "ECANCELED: killed before it was started");
        exec->conn = NULL;
        forget(exec);
    } else {
        exec->early_signals |= UINT64_C(1) << (SIGKILL - 1);
    }
}

static bool on_frame(struct conn *conn, const struct frame *frame)
{
    struct exec *exec = conn->operation;
    switch (frame->type) {
    case FRAME_STDIN:
        /* An end of input nobody asked to stream is no harm. */
        return exec->flags & EXEC_STDIN ? sink_take(&exec->in, frame) : frame->size == 0;
    case FRAME_RESIZE: {
        if (frame->size != 4 || !(exec->flags & EXEC_PTY))
            return false;
        struct winsize size = {.ws_col = le_get16(frame->payload), .ws_row = le_get16(frame->payload + 2)};
        if (source_is_open(&exec->out))
            ioctl(exec->out.watch.fd, TIOCSWINSZ, &size);
        return true;
    }
    case FRAME_SIGNAL: {
        uint32_t number = frame->size == 4 ? le_get32(frame->payload) : 0;
        if (number < 1 || number > 64)
            return false;
        if (number == SIGKILL && !exec->started)
            kill_early(exec);
        else if (!exec->started)
            exec->early_signals |= UINT64_C(1) << (number - 1);
        else if (!exec->exited)
            deliver(exec, (int)number);
        return true;
    }
    case FRAME_CREDIT:
        return conn_credit(conn, frame);
    default:
        return false;
    }
}

static void on_can_send(struct conn *conn)
{
    struct exec *exec = conn->operation;
    sink_credit(&exec->in);
    /* In turns: a program that floods one stream must not silence its other one. */
    exec->err_first = !exec->err_first;
    source_pump(exec->err_first ? &exec->err : &exec->out);
    source_pump(exec->err_first ? &exec->out : &exec->err);
}

static void on_lost(struct conn *conn)
{
    struct exec *exec = conn->operation;
    exec->conn = NULL;
    watch_close(&exec->out.watch);
    watch_close(&exec->err.watch);
    sink_close(&exec->in);
    if (exec->exited || worker_withdraw(&exec->job)) {
        forget(exec);
        return;
    }
    /* Without KEEP the worker is lost with the job it is reading. With it, its child is killed as soon as it has a
     * name. */
    if (exec->pid == 0 && !(exec->flags & EXEC_KEEP))
        exec->pid = worker_pid();
    if (exec->pid > 1)
        kill_session(exec->pid);
}

static const struct verb exec_verb = {.frame = on_frame, .can_send = on_can_send, .lost = on_lost};

/* The request's mistakes that are not the protocol's. Null when there are none. */
static const char *objection(const struct exec_request *request, int *error)
{
    *error = EINVAL;
    if (request->flags & ~(uint32_t)EXEC_FLAGS_KNOWN)
        return "EINVAL: unknown flags";
    if (!(request->flags & EXEC_RUNTIME) && request->arg_count == 0)
        return "EINVAL: no program is named";
    if (request->flags & EXEC_RUNTIME && request->flags & EXEC_BUILTIN)
        return "EINVAL: a built-in runs without the runtime";
    if (request->flags & EXEC_BUILTIN && builtin_named(request->args[0]) == NULL)
        return "EINVAL: no such built-in";
    /* The second is how setresuid spells "leave it", which would leave it root. */
    *error = EPERM;
    if (request->uid == 0 || request->uid == UINT32_MAX)
        return "EPERM: this user id is not for programs";
    return NULL;
}

static struct exec *open_streams(struct conn *conn, const struct exec_request *request, struct stdio *stdio)
{
    struct exec *exec = calloc(1, sizeof *exec);
    if (exec == NULL)
        return NULL;
    exec->conn = conn;
    exec->flags = request->flags;
    exec->out.watch.fd = exec->err.watch.fd = exec->in.watch.fd = exec->report.fd = -1;
    /* Each open takes the descriptor whether it succeeds or not. */
    bool opened = source_open(&exec->out, conn, stdio->out, FRAME_STDOUT, out_ended);
    stdio->out = -1;
    if (opened && stdio->err >= 0) {
        opened = source_open(&exec->err, conn, stdio->err, FRAME_STDERR, err_ended);
        stdio->err = -1;
    }
    if (opened && stdio->in >= 0) {
        opened = sink_open(&exec->in, conn, stdio->in, request->flags & EXEC_PTY ? SINK_TERMINAL : SINK_PIPE, NULL);
        stdio->in = -1;
    }
    exec->next = running;
    exec->link = &running;
    if (running != NULL)
        running->link = &exec->next;
    running = exec;
    if (opened)
        return exec;
    int cause = errno;
    forget(exec);
    errno = cause;
    return NULL;
}

static bool start_process(struct exec *exec, const struct exec_request *request, struct stdio *stdio)
{
    struct launch how = {.request = request, .stdio = {stdio->child[0], stdio->child[1], stdio->child[2]}};
    if (request->flags & EXEC_BUILTIN)
        how.builtin = builtin_named(request->args[0]);
    int report;
    exec->pid = launch(&how, &report);
    int cause = errno;
    stdio_close_child(stdio);
    errno = cause;
    if (exec->pid < 0)
        return false;
    /* Without a watch on it the report is not lost, only read later: when the process is reaped. */
    if (!watch_open(&exec->report, report, EPOLLIN, on_report))
        started(exec, exec->pid);
    return true;
}

static void start(struct conn *conn, const struct exec_request *request)
{
    int error;
    const char *why = objection(request, &error);
    if (why != NULL) {
        conn_error(conn, error, why);
        return;
    }
    char text[ERROR_TEXT_MAX];
    struct stdio stdio;
    error = stdio_open(&stdio, request);
    if (error != 0) {
        error_text(text, error, "standard streams");
        conn_error(conn, error, text);
        return;
    }
    struct exec *exec = open_streams(conn, request, &stdio);
    if (exec != NULL) {
        conn->verb = &exec_verb;
        conn->operation = exec;
        if (request->flags & EXEC_RUNTIME) {
            exec->job.started = job_started;
            exec->job.failed = job_failed;
            worker_submit(&exec->job, request->flags, stdio.child, request->job, request->job_size);
            return;
        }
        if (start_process(exec, request, &stdio))
            return;
    }
    error = errno;
    stdio_close(&stdio);
    error_text(text, error, "starting a process");
    conn_error(conn, error, text);
    if (exec != NULL)
        forget(exec);
}

bool exec_begin(struct conn *conn, const uint8_t *fields, size_t size)
{
    struct exec_request request;
    int error = fields_parse(fields, size, &request);
    if (error == EBADMSG)
        return false;
    if (error != 0) {
        conn_error(conn, error, "ENOMEM: no memory for the request");
        return true;
    }
    start(conn, &request);
    fields_free(&request);
    return true;
}

static size_t held_by(const struct exec *exec, const struct source *source)
{
    int held = 0;
    if (!source_is_open(source))
        return 0;
    if (exec->flags & EXEC_PTY)
        return TERMINAL_HOLDS;
    return ioctl(source->watch.fd, FIONREAD, &held) == 0 && held > 0 ? (size_t)held : 0;
}

static void ended(struct exec *exec, int status)
{
    if (exec->report.fd >= 0)
        read_report(exec);
    if (exec->conn == NULL) {
        forget(exec);
        return;
    }
    if (!exec->started)
        started(exec, exec->pid);
    exec->exited = true;
    exec->status = status;
    /* Both amounts first: sending the one takes time in which somebody may go on filling the other. */
    size_t out = held_by(exec, &exec->out), err = held_by(exec, &exec->err);
    if (!source_is_open(&exec->out) && !source_is_open(&exec->err)) {
        finish_when_drained(exec);
        return;
    }
    source_drain(&exec->out, out);
    source_drain(&exec->err, err);
}

bool exec_kill_all(void)
{
    bool any = false;
    for (struct exec *exec = running; exec != NULL; exec = exec->next)
        if (exec->pid > 1 && !exec->exited) {
            kill_session(exec->pid);
            any = true;
        }
    return any;
}

void exec_reaped(pid_t pid, int status)
{
    for (struct exec *exec = running; exec != NULL; exec = exec->next)
        if (exec->pid == pid && !exec->exited) {
            ended(exec, status);
            return;
        }
}
