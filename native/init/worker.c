#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fields.h"
#include "le.h"
#include "loop.h"

enum state {
    NONE, /* never given, ended, or a program by now */
    BUSY, /* has not said it can take a job */
    READY,
    SENDING,
    OWES_PID,
};

static struct {
    enum state state;
    pid_t pid;
    struct watch watch;
    struct job *waiting, *current;
    bool stdio_sent;
    uint8_t answer[4];
    size_t answer_size;
} worker = {.watch = {.fd = -1}};

static const char used_up[] = "ESRCH: this sandbox has no runtime to take a job";

static void send_next(void);

static void close_stdio(struct job *job)
{
    close(job->stdio[0]);
    if (job->stdio[1] != job->stdio[0])
        close(job->stdio[1]);
    if (job->stdio[2] != job->stdio[1])
        close(job->stdio[2]);
}

static void fail(struct job *job, int error, const char *text)
{
    bytes_clear(&job->body);
    job->failed(job, error, text);
}

static void fail_waiting(int error, const char *text)
{
    while (worker.waiting != NULL) {
        struct job *job = worker.waiting;
        worker.waiting = job->next;
        close_stdio(job);
        fail(job, error, text);
    }
}

void worker_cancel_waiting(void)
{
    fail_waiting(ECANCELED, "ECANCELED: the sandbox is being reset");
}

static void lose_worker(void)
{
    struct job *job = worker.current;
    worker.current = NULL;
    worker.state = NONE;
    watch_close(&worker.watch);
    if (job != NULL) {
        if (!worker.stdio_sent)
            close_stdio(job);
        fail(job, ESRCH, "ESRCH: the runtime ended before it took the job");
    }
    fail_waiting(ESRCH, used_up);
}

static void sent_whole(void)
{
    struct job *job = worker.current;
    if (job->flags & EXEC_KEEP) {
        worker.state = OWES_PID;
        worker.answer_size = 0;
        watch_want(&worker.watch, EPOLLIN);
        return;
    }
    /* The worker is the program now and closes the channel when it has read this; more jobs it cannot take. */
    worker.current = NULL;
    worker.state = NONE;
    watch_want(&worker.watch, EPOLLIN);
    job->started(job, worker.pid);
    fail_waiting(ESRCH, used_up);
}

static ssize_t send_some(struct job *job)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes_first(&job->body), .iov_len = bytes_size(&job->body)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr header;
        uint8_t room[CMSG_SPACE(sizeof job->stdio)];
    } control = {0};
    if (!worker.stdio_sent) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof job->stdio);
        memcpy(CMSG_DATA(rights), job->stdio, sizeof job->stdio);
    }
    return sendmsg(worker.watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void continue_sending(void)
{
    struct job *job = worker.current;
    while (bytes_size(&job->body) > 0) {
        ssize_t sent = send_some(job);
        if (sent < 0 && errno == EAGAIN) {
            watch_want(&worker.watch, EPOLLOUT);
            return;
        }
        if (sent < 0) {
            lose_worker();
            return;
        }
        if (!worker.stdio_sent)
            close_stdio(job);
        worker.stdio_sent = true;
        bytes_pop(&job->body, (size_t)sent);
    }
    sent_whole();
}

static void send_next(void)
{
    struct job *job = worker.waiting;
    if (worker.state != READY || job == NULL)
        return;
    worker.waiting = job->next;
    worker.current = job;
    worker.stdio_sent = false;
    worker.state = SENDING;
    continue_sending();
}

static void take_answer(const uint8_t *bytes, size_t size)
{
    if (worker.state == BUSY && bytes[0] == 'R') {
        worker.state = READY;
        send_next();
        return;
    }
    if (worker.state != OWES_PID)
        return;
    memcpy(worker.answer + worker.answer_size, bytes, size);
    worker.answer_size += size;
    if (worker.answer_size < sizeof worker.answer)
        return;
    struct job *job = worker.current;
    worker.current = NULL;
    worker.state = BUSY;
    pid_t pid = (pid_t)le_get32(worker.answer);
    if (pid > 1)
        job->started(job, pid);
    else
        fail(job, EPROTO, "EPROTO: the runtime named no process");
}

static void on_ready(struct watch *watch, uint32_t events)
{
    if (worker.state == SENDING && (events & EPOLLOUT)) {
        continue_sending();
        return;
    }
    /* Never more than the answer that is due: what follows belongs to the next state. */
    uint8_t bytes[4];
    size_t due = worker.state == OWES_PID ? sizeof worker.answer - worker.answer_size : 1;
    ssize_t got = recv(watch->fd, bytes, due, MSG_DONTWAIT);
    if (got > 0)
        take_answer(bytes, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        lose_worker();
}

bool worker_open(int fd, pid_t pid)
{
    worker.state = BUSY;
    worker.pid = pid;
    return watch_open(&worker.watch, fd, EPOLLIN, on_ready);
}

void worker_submit(struct job *job, uint32_t flags, const int stdio[3], const uint8_t *bytes, size_t size)
{
    uint8_t header[8];
    le_put32(header, (uint32_t)size);
    le_put32(header + 4, flags & (EXEC_KEEP | EXEC_PTY));
    job->next = NULL;
    job->flags = flags;
    memcpy(job->stdio, stdio, sizeof job->stdio);
    if (worker.state == NONE) {
        close_stdio(job);
        fail(job, ESRCH, used_up);
        return;
    }
    if (!bytes_push(&job->body, header, sizeof header) || !bytes_push(&job->body, bytes, size)) {
        close_stdio(job);
        fail(job, ENOMEM, "ENOMEM: no memory for the job");
        return;
    }
    struct job **last = &worker.waiting;
    while (*last != NULL)
        last = &(*last)->next;
    *last = job;
    send_next();
}

bool worker_withdraw(struct job *job)
{
    for (struct job **at = &worker.waiting; *at != NULL; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            bytes_clear(&job->body);
            close_stdio(job);
            return true;
        }
    return false;
}

pid_t worker_pid(void)
{
    return worker.state == NONE ? 0 : worker.pid;
}

bool worker_owes_pid(void)
{
    return worker.state == OWES_PID;
}

bool worker_taking_job(void)
{
    return worker.current != NULL;
}

void worker_reaped(pid_t pid)
{
    if (pid != worker.pid)
        return;
    worker.pid = 0;
    if (worker.state != NONE)
        lose_worker();
}
