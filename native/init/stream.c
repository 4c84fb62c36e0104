#include "stream.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "le.h"

/* Credit is told in steps of this size while the inside is still busy taking, so that small writes do not double the
 * frames. */
enum { CREDIT_STEP = 65536 };

static uint8_t chunk[FRAME_MAX];

static void on_readable(struct watch *watch, uint32_t events)
{
    (void)events;
    source_pump(container_of(watch, struct source, watch));
}

bool source_open(struct source *source, struct conn *conn, int fd, uint8_t type, void (*ended)(struct source *, int))
{
    source->conn = conn;
    source->type = type;
    source->ended = ended;
    return watch_open(&source->watch, fd, EPOLLIN, on_readable);
}

static void end_source(struct source *source, int error)
{
    watch_close(&source->watch);
    source->ended(source, error);
}

void source_pump(struct source *source)
{
    if (!source_is_open(source))
        return;
    size_t room = conn_can_send(source->conn) ? source->conn->window : 0;
    if (room > sizeof chunk)
        room = sizeof chunk;
    if (source->draining && room > source->left)
        room = source->left;
    if (room == 0) {
        watch_want(&source->watch, 0);
        return;
    }
    ssize_t got = read(source->watch.fd, chunk, room);
    if (got > 0) {
        source->conn->window -= (uint32_t)got;
        source->left -= source->draining ? (size_t)got : 0;
        conn_send(source->conn, source->type, chunk, (uint32_t)got);
        if (source->draining && source->left == 0)
            end_source(source, 0);
        else
            watch_want(&source->watch, EPOLLIN);
        return;
    }
    if (got < 0 && errno == EAGAIN && !source->draining) {
        watch_want(&source->watch, EPOLLIN);
        return;
    }
    /* A terminal whose other side is gone answers EIO: its way of saying end. */
    bool plain_end = got == 0 || errno == EIO || errno == EAGAIN;
    end_source(source, plain_end ? 0 : errno);
}

void source_drain(struct source *source, size_t at_most)
{
    if (!source_is_open(source) || source->draining)
        return;
    source->draining = true;
    source->left = at_most;
    if (at_most == 0)
        end_source(source, 0);
    else
        source_pump(source);
}

static void on_writable(struct watch *watch, uint32_t events);

bool sink_open(struct sink *sink, struct conn *conn, int fd, enum sink_kind kind, void (*ended)(struct sink *, int))
{
    sink->conn = conn;
    sink->kind = kind;
    sink->ended = ended;
    return watch_open(&sink->watch, fd, 0, on_writable);
}

void sink_close(struct sink *sink)
{
    watch_close(&sink->watch);
    bytes_clear(&sink->queue);
}

static void end_sink(struct sink *sink, int error)
{
    if (sink->kind == SINK_SOCKET && error == 0)
        shutdown(sink->watch.fd, SHUT_WR);
    sink_close(sink);
    /* Nobody takes these any more, so they hold up nobody either. */
    sink->owed = sink->held;
    sink_credit(sink);
    if (sink->ended != NULL)
        sink->ended(sink, error);
}

static void taken(struct sink *sink, size_t size)
{
    sink->owed += (uint32_t)size;
    /* The end-of-file characters of a terminal are ours and were never the host's. */
    if (sink->owed > sink->held)
        sink->owed = sink->held;
}

/* What the inside took of data, 0 when it takes nothing now; an error ends the sink and gives -1. */
static ssize_t write_some(struct sink *sink, const uint8_t *data, size_t size)
{
    ssize_t done = write(sink->watch.fd, data, size);
    if (done >= 0) {
        taken(sink, (size_t)done);
        return done;
    }
    if (errno == EAGAIN)
        return 0;
    end_sink(sink, errno);
    return -1;
}

static void on_writable(struct watch *watch, uint32_t events)
{
    (void)events;
    struct sink *sink = container_of(watch, struct sink, watch);
    ssize_t done = write_some(sink, bytes_first(&sink->queue), bytes_size(&sink->queue));
    if (done < 0)
        return;
    bytes_pop(&sink->queue, (size_t)done);
    if (bytes_size(&sink->queue) == 0) {
        watch_want(watch, 0);
        if (sink->ending) {
            end_sink(sink, 0);
            return;
        }
    }
    sink_credit(sink);
}

void sink_credit(struct sink *sink)
{
    bool busy = bytes_size(&sink->queue) > 0;
    if (sink->owed == 0 || !conn_can_send(sink->conn) || (busy && sink->owed < CREDIT_STEP))
        return;
    uint8_t payload[4];
    le_put32(payload, sink->owed);
    sink->held -= sink->owed;
    sink->owed = 0;
    conn_send(sink->conn, FRAME_CREDIT_STDIN, payload, sizeof payload);
}

/* A terminal in line mode ends its input by a character; in the middle of a line the first one only hands that line
 * over. */
static size_t terminal_end(const struct sink *sink, uint8_t out[2])
{
    struct termios mode;
    if (ioctl(sink->watch.fd, TCGETS, &mode) < 0 || !(mode.c_lflag & ICANON))
        return 0;
    out[0] = out[1] = mode.c_cc[VEOF];
    return sink->last == '\n' || sink->last == 0 ? 1 : 2;
}

static bool put(struct sink *sink, const uint8_t *data, size_t size)
{
    ssize_t done = 0;
    if (bytes_size(&sink->queue) == 0 && size > 0)
        done = write_some(sink, data, size);
    if (done < 0 || (size_t)done == size)
        return true;
    if (!bytes_push(&sink->queue, data + done, size - (size_t)done))
        return false;
    watch_want(&sink->watch, EPOLLOUT);
    return true;
}

bool sink_take(struct sink *sink, const struct frame *frame)
{
    if (sink->ending || frame->size > FLOW_WINDOW - sink->held)
        return false;
    bool gone = sink->watch.fd < 0;
    if (frame->size == 0) {
        sink->ending = true;
        uint8_t end[2];
        size_t size = !gone && sink->kind == SINK_TERMINAL ? terminal_end(sink, end) : 0;
        if (!gone && !put(sink, end, size))
            return false;
        if (sink->watch.fd >= 0 && bytes_size(&sink->queue) == 0)
            end_sink(sink, 0);
        return true;
    }
    sink->held += frame->size;
    sink->last = frame->payload[frame->size - 1];
    if (gone)
        sink->owed = sink->held;
    else if (!put(sink, frame->payload, frame->size))
        return false;
    sink_credit(sink);
    return true;
}
