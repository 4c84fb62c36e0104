#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fields.h"
#include "relay.h"
#include "text.h"
#include "user.h"

struct dial {
    struct grave grave;
    struct conn *conn;
    struct watch connecting;
    uint16_t port;
    bool tried_v6, early_end;
    struct bytes early; /* what the host sent before there was anyone to take it; at most a window */
};

static void on_connected(struct watch *watch, uint32_t events);

static void forget(struct dial *dial)
{
    watch_close(&dial->connecting);
    bytes_clear(&dial->early);
    loop_free(&dial->grave);
}

static void refuse(struct dial *dial, int error)
{
    char text[ERROR_TEXT_MAX];
    error_text(text, error, "dial");
    conn_error(dial->conn, error, text);
    forget(dial);
}

/* The connection stands: hand it over together with what came too early. */
static void join(struct dial *dial, int socket)
{
    struct conn *conn = dial->conn;
    bool sound = true;
    if (relay_begin(conn, socket) != NULL) {
        const uint8_t *first = bytes_first(&dial->early);
        size_t left = bytes_size(&dial->early);
        while (left > 0 && sound && conn->verb != NULL) {
            uint32_t size = left < FRAME_MAX ? (uint32_t)left : FRAME_MAX;
            sound = relay_frame(conn, &(struct frame){.type = FRAME_STDIN, .size = size, .payload = first});
            first += size;
            left -= size;
        }
        if (dial->early_end && conn->verb != NULL)
            relay_frame(conn, &(struct frame){.type = FRAME_STDIN});
    }
    forget(dial);
}

static void try_tcp(struct dial *dial, bool v6)
{
    struct sockaddr_in v4_address = {
        .sin_family = AF_INET, .sin_port = htons(dial->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6_address = {
        .sin6_family = AF_INET6, .sin6_port = htons(dial->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    dial->tried_v6 = v6;
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        refuse(dial, errno);
        return;
    }
    const struct sockaddr *address = v6 ? (const struct sockaddr *)&v6_address : (const struct sockaddr *)&v4_address;
    if (connect(fd, address, v6 ? sizeof v6_address : sizeof v4_address) < 0 && errno != EINPROGRESS) {
        int cause = errno;
        close(fd);
        refuse(dial, cause);
    } else if (!watch_open(&dial->connecting, fd, EPOLLOUT, on_connected)) {
        refuse(dial, errno);
    }
}

static void on_connected(struct watch *watch, uint32_t events)
{
    (void)events;
    struct dial *dial = container_of(watch, struct dial, connecting);
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error == 0) {
        int fd = watch->fd;
        /* The descriptor lives on under the relay's own watch. */
        watch_want(watch, 0);
        watch->fd = -1;
        join(dial, fd);
        return;
    }
    watch_close(watch);
    if (error == ECONNREFUSED && !dial->tried_v6)
        try_tcp(dial, true);
    else
        refuse(dial, error);
}

static void connect_unix(struct dial *dial, const char *path, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        refuse(dial, errno);
        return;
    }
    files_as_user(USER_UID);
    int connected = connect(fd, (const struct sockaddr *)&address, sizeof address);
    int cause = errno;
    files_as_root();
    if (connected == 0) {
        join(dial, fd);
        return;
    }
    close(fd);
    refuse(dial, cause);
}

static bool on_frame(struct conn *conn, const struct frame *frame)
{
    struct dial *dial = conn->operation;
    if (frame->type != FRAME_STDIN)
        return frame->type == FRAME_CREDIT && conn_credit(conn, frame);
    if (dial->early_end || bytes_size(&dial->early) + frame->size > FLOW_WINDOW)
        return false;
    dial->early_end = frame->size == 0;
    return bytes_push(&dial->early, frame->payload, frame->size);
}

static void on_can_send(struct conn *conn)
{
    (void)conn;
}

static void on_lost(struct conn *conn)
{
    forget(conn->operation);
}

static const struct verb dial_verb = {.frame = on_frame, .can_send = on_can_send, .lost = on_lost};

/* 0 when it is no port. */
static uint16_t parse_port(const uint8_t *digits, size_t size)
{
    uint32_t port = 0;
    if (size < 1 || size > 5)
        return 0;
    for (size_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0;
        port = port * 10 + (uint32_t)(digits[i] - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool dial_begin(struct conn *conn, const uint8_t *target, size_t size)
{
    uint16_t port = size > 4 && memcmp(target, "tcp:", 4) == 0 ? parse_port(target + 4, size - 4) : 0;
    bool is_unix = size > 6 && memcmp(target, "unix:/", 6) == 0 && size - 5 < sizeof((struct sockaddr_un *)0)->sun_path;
    if (port == 0 && !is_unix)
        return false;
    struct dial *dial = calloc(1, sizeof *dial);
    if (dial == NULL) {
        conn_error(conn, ENOMEM, "ENOMEM: no memory for a connection");
        return true;
    }
    dial->conn = conn;
    dial->connecting.fd = -1;
    dial->port = port;
    conn->verb = &dial_verb;
    conn->operation = dial;
    if (is_unix)
        connect_unix(dial, (const char *)target + 5, size - 5);
    else
        try_tcp(dial, false);
    return true;
}
