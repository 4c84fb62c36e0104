#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "le.h"

/* Connections with a frame half read keep it themselves; whole frames, nearly all, never leave this buffer. */
static uint8_t inbox[FRAME_HEADER + FRAME_MAX];

static struct watch listener;
static bool (*begin_operation)(struct conn *, const struct frame *);

static void on_ready(struct watch *watch, uint32_t events);

static void conn_close(struct conn *conn)
{
    watch_close(&conn->watch);
    bytes_clear(&conn->out);
    bytes_clear(&conn->fields);
    free(conn->held);
    conn->held = NULL;
    loop_free(&conn->grave);
    /* Descriptors may have been what kept the next connection waiting. */
    watch_want(&listener, EPOLLIN);
}

static void lose(struct conn *conn)
{
    const struct verb *verb = conn->verb;
    conn->verb = NULL;
    if (verb != NULL)
        verb->lost(conn);
    conn_close(conn);
}

static void on_connect(struct watch *watch, uint32_t events)
{
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            watch_want(watch, 0);
        return;
    }
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        close(fd);
        return;
    }
    conn->window = FLOW_WINDOW;
    if (!watch_open(&conn->watch, fd, EPOLLIN, on_ready))
        free(conn);
}

bool conn_listen(int fd, bool (*begin)(struct conn *, const struct frame *))
{
    begin_operation = begin;
    return watch_open(&listener, fd, EPOLLIN, on_connect);
}

/* The end of everything said: half-close, then wait for the host to close, so that closing over unread input cannot
 * reset the stream. */
static void say_end(struct conn *conn)
{
    if (conn->finishing && !conn->said_end && conn_can_send(conn)) {
        conn->said_end = true;
        shutdown(conn->watch.fd, SHUT_WR);
    }
}

static void flush(struct conn *conn)
{
    while (bytes_size(&conn->out) > 0) {
        ssize_t sent =
            send(conn->watch.fd, bytes_first(&conn->out), bytes_size(&conn->out), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0) {
            /* The host is gone; reading will say so in this same round. */
            bytes_clear(&conn->out);
            break;
        }
        bytes_pop(&conn->out, (size_t)sent);
    }
    watch_want(&conn->watch, EPOLLIN);
    say_end(conn);
    if (conn->verb != NULL)
        conn->verb->can_send(conn);
}

/* True while the connection may go on with the next frame. */
static bool handle(struct conn *conn, const struct frame *frame)
{
    if (conn->finishing)
        return true;
    bool sound = conn->verb != NULL ? conn->verb->frame(conn, frame) : begin_operation(conn, frame);
    if (sound)
        return true;
    static const char text[] = "\0\0\0\0EPROTO: a frame that breaks the protocol";
    uint8_t payload[sizeof text - 1];
    memcpy(payload, text, sizeof payload);
    le_put32(payload, EPROTO);
    conn_send(conn, FRAME_ERROR, payload, sizeof payload);
    lose(conn);
    return false;
}

/* Keeps what is left of the input for the next read, in a block as big as one frame can be. */
static bool hold(struct conn *conn, const uint8_t *rest, size_t size)
{
    if (size == 0) {
        free(conn->held);
        conn->held = NULL;
    } else if (conn->held == NULL) {
        conn->held = malloc(FRAME_HEADER + FRAME_MAX);
        if (conn->held == NULL)
            return false;
        memcpy(conn->held, rest, size);
    } else {
        memmove(conn->held, rest, size);
    }
    conn->held_size = (uint32_t)size;
    return true;
}

static void take_input(struct conn *conn)
{
    uint8_t *input = conn->held != NULL ? conn->held : inbox;
    size_t size = conn->held != NULL ? conn->held_size : 0;
    ssize_t got = recv(conn->watch.fd, input + size, sizeof inbox - size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        lose(conn);
        return;
    }
    size += (size_t)got;

    size_t at = 0;
    for (;;) {
        struct frame frame;
        long taken = frame_parse(input + at, size - at, &frame);
        if (taken == FRAME_INCOMPLETE)
            break;
        if (taken == FRAME_INVALID) {
            lose(conn);
            return;
        }
        if (!handle(conn, &frame))
            return;
        at += (size_t)taken;
    }
    if (!hold(conn, input + at, size - at))
        lose(conn);
}

static void on_ready(struct watch *watch, uint32_t events)
{
    struct conn *conn = container_of(watch, struct conn, watch);
    if (events & EPOLLOUT)
        flush(conn);
    if (watch->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        take_input(conn);
}

void conn_send(struct conn *conn, uint8_t type, const void *payload, uint32_t size)
{
    uint8_t header[FRAME_HEADER];
    frame_header(header, type, size);
    size_t sent = 0;
    if (conn_can_send(conn)) {
        struct iovec parts[] = {{.iov_base = header, .iov_len = sizeof header},
                                {.iov_base = (void *)(uintptr_t)payload, .iov_len = size}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = size > 0 ? 2 : 1};
        ssize_t now = sendmsg(conn->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (now < 0 && errno != EAGAIN)
            return;
        sent = now < 0 ? 0 : (size_t)now;
    }
    if (sent == sizeof header + size)
        return;
    bool kept = sent >= sizeof header || bytes_push(&conn->out, header + sent, sizeof header - sent);
    size_t skip = sent > sizeof header ? sent - sizeof header : 0;
    kept = kept && bytes_push(&conn->out, (const uint8_t *)payload + skip, size - skip);
    if (!kept) {
        /* Without memory the stream has a hole: end it rather than go on. */
        bytes_clear(&conn->out);
        shutdown(conn->watch.fd, SHUT_RDWR);
        return;
    }
    watch_want(&conn->watch, EPOLLIN | EPOLLOUT);
}

bool conn_credit(struct conn *conn, const struct frame *credit)
{
    if (credit->size != 4)
        return false;
    uint32_t more = le_get32(credit->payload);
    if (more > FLOW_WINDOW - conn->window)
        return false;
    conn->window += more;
    if (conn_can_send(conn))
        conn->verb->can_send(conn);
    return true;
}

static void finish(struct conn *conn)
{
    conn->verb = NULL;
    conn->operation = NULL;
    conn->finishing = true;
    say_end(conn);
}

void conn_exit(struct conn *conn, int status)
{
    uint8_t payload[4];
    le_put32(payload, (uint32_t)status);
    conn_send(conn, FRAME_EXIT, payload, sizeof payload);
    finish(conn);
}

void conn_error(struct conn *conn, int error, const char *text)
{
    uint8_t payload[512];
    size_t size = strnlen(text, sizeof payload - 4);
    le_put32(payload, (uint32_t)error);
    memcpy(payload + 4, text, size);
    conn_send(conn, FRAME_ERROR, payload, (uint32_t)(4 + size));
    finish(conn);
}
