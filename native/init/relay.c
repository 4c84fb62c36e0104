#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"
#include "text.h"

struct relay {
    struct grave grave;
    struct conn *conn;
    struct source from;
    struct sink to;
};

/* Without this a program inside would take a broken connection for one that ended well. */
static void reset_peer(int socket)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void forget(struct relay *relay, bool broken)
{
    if (broken && relay->from.watch.fd >= 0)
        reset_peer(relay->from.watch.fd);
    else if (broken && relay->to.watch.fd >= 0)
        reset_peer(relay->to.watch.fd);
    watch_close(&relay->from.watch);
    sink_close(&relay->to);
    relay->conn = NULL;
    loop_free(&relay->grave);
}

static void one_side_ended(struct relay *relay, int error)
{
    struct conn *conn = relay->conn;
    if (conn == NULL)
        return;
    if (error != 0) {
        char text[ERROR_TEXT_MAX];
        error_text(text, error, "connection");
        forget(relay, true);
        conn_error(conn, error, text);
    } else if (relay->from.watch.fd < 0 && relay->to.watch.fd < 0) {
        forget(relay, false);
        conn_exit(conn, 0);
    }
}

static void from_ended(struct source *source, int error)
{
    struct relay *relay = container_of(source, struct relay, from);
    if (error == 0)
        conn_send(relay->conn, FRAME_STDOUT, NULL, 0);
    one_side_ended(relay, error);
}

static void to_ended(struct sink *sink, int error)
{
    one_side_ended(container_of(sink, struct relay, to), error);
}

bool relay_frame(struct conn *conn, const struct frame *frame)
{
    struct relay *relay = conn->operation;
    if (frame->type == FRAME_STDIN)
        return sink_take(&relay->to, frame);
    return frame->type == FRAME_CREDIT && conn_credit(conn, frame);
}

static void on_can_send(struct conn *conn)
{
    struct relay *relay = conn->operation;
    sink_credit(&relay->to);
    source_pump(&relay->from);
}

static void on_lost(struct conn *conn)
{
    forget(conn->operation, true);
}

static const struct verb relay_verb = {.frame = relay_frame, .can_send = on_can_send, .lost = on_lost};

struct relay *relay_begin(struct conn *conn, int socket)
{
    struct relay *relay = calloc(1, sizeof *relay);
    /* Each direction is watched by itself, which takes two descriptors. */
    int twin = relay != NULL ? fcntl(socket, F_DUPFD_CLOEXEC, 0) : -1;
    if (twin < 0) {
        free(relay);
        close(socket);
        conn_error(conn, ENOMEM, "ENOMEM: no room for a connection");
        return NULL;
    }
    relay->conn = conn;
    relay->to.watch.fd = -1;
    conn->verb = &relay_verb;
    conn->operation = relay;
    if (sink_open(&relay->to, conn, twin, SINK_SOCKET, to_ended) &&
        source_open(&relay->from, conn, socket, FRAME_STDOUT, from_ended))
        return relay;
    forget(relay, true);
    conn_error(conn, ENOMEM, "ENOMEM: no room for a connection");
    return NULL;
}
