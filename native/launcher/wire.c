/* Framing on the server's socket: u32 length, then the fields, each ended by NUL on the way in and out. A server that
 * does not keep to it is broken or hostile: the launcher ends, and everything with it. */
#include "launcher.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX 16384

static void (*handle_request)(const struct request *request);
static struct watch watch = {.fd = SERVER_FD};
static char input[4 + FRAME_MAX + 1];
static size_t input_length;

static _Noreturn void leave(const char *why)
{
    if (why)
        say("launcher: %s", why);
    sandbox_kill_all();
    cgroup_close();
    exit(why ? 1 : 0);
}

static void take_frames(void)
{
    static char payload[FRAME_MAX + 1];
    size_t at = 0;
    while (input_length - at >= 4) {
        uint32_t length;
        memcpy(&length, input + at, 4);
        if (length == 0 || length > FRAME_MAX)
            leave("a frame of the server's has a wrong length");
        if (input_length - at < 4 + (size_t)length)
            break;
        memcpy(payload, input + at + 4, length);
        payload[length] = 0; /* the last field may come without its terminator */
        at += 4 + (size_t)length;
        struct request request;
        if (!request_parse(&request, payload, payload[length - 1] ? length + 1 : length))
            leave("a frame of the server's is no request");
        handle_request(&request);
    }
    memmove(input, input + at, input_length - at);
    input_length -= at;
}

static void readable(struct watch *self, uint32_t events)
{
    (void)events;
    ssize_t length = recv(self->fd, input + input_length, sizeof input - 1 - input_length, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0)
        leave(NULL);
    input_length += (size_t)length;
    take_frames();
}

void wire_open(void (*handle)(const struct request *request))
{
    handle_request = handle;
    watch.ready = readable;
    loop_add(&watch, EPOLLIN);
}

/* Waits for room: the server reads always, or has died. */
static void send_frame(const char *payload, size_t length)
{
    char frame[4 + FRAME_MAX];
    uint32_t size = (uint32_t)length;
    memcpy(frame, &size, 4);
    memcpy(frame + 4, payload, length);
    for (size_t at = 0; at < 4 + length;) {
        ssize_t sent = send(SERVER_FD, frame + at, 4 + length - at, MSG_NOSIGNAL);
        if (sent > 0) {
            at += (size_t)sent;
        } else if (errno == EAGAIN) {
            struct pollfd room = {.fd = SERVER_FD, .events = POLLOUT};
            poll(&room, 1, -1);
        } else if (errno != EINTR) {
            leave(NULL);
        }
    }
}

/* In `head` and `format` a line feed stands between fields; on the wire it is NUL. */
static void send_fields(const char *head, const char *format, va_list arguments)
{
    char payload[FRAME_MAX];
    int start = snprintf(payload, sizeof payload, "%s", head);
    int rest = vsnprintf(payload + start, sizeof payload - (size_t)start, format, arguments);
    size_t length = (size_t)start + (size_t)(rest < 0 ? 0 : rest);
    if (length >= sizeof payload)
        length = sizeof payload - 1;
    for (size_t i = 0; i < length; i++)
        if (payload[i] == '\n')
            payload[i] = 0;
    send_frame(payload, length);
}

void wire_ok(const char *tag, const char *format, ...)
{
    char head[64];
    snprintf(head, sizeof head, "ok\n%s\n", tag);
    va_list arguments;
    va_start(arguments, format);
    send_fields(head, format, arguments);
    va_end(arguments);
}

void wire_event(const char *name, const char *format, ...)
{
    char head[64];
    snprintf(head, sizeof head, "%s\n0\n", name);
    va_list arguments;
    va_start(arguments, format);
    send_fields(head, format, arguments);
    va_end(arguments);
}

void wire_error(const char *tag, const char *code, const char *hint, const char *format, ...)
{
    char head[512];
    snprintf(head, sizeof head, "err\n%s\ncode=%s\nhint=%s\nwhat=", tag, code, hint);
    va_list arguments;
    va_start(arguments, format);
    send_fields(head, format, arguments);
    va_end(arguments);
}
