#include "egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "le.h"
#include "relay.h"

enum {
    RESOLVER_ADDRESS = 0x7f000035, /* 127.0.0.53 */
    RESOLVER_PORT = 53,
    INCOMING_SIZE = 4 + 1 + 16 + 2,
    DATAGRAM_MAX = 4096,
    /* Connections nobody has picked up, and queries nobody has answered. More wait in the kernel, or push out the
       oldest. */
    INCOMING_MAX = 128,
    QUERIES_MAX = 256,
};

struct incoming {
    uint32_t id;
    int fd;
};

struct query {
    uint32_t token;
    struct sockaddr_in from;
};

static struct conn *channel;
static struct watch tcp = {.fd = -1}, udp = {.fd = -1};
static struct incoming incoming[INCOMING_MAX];
static struct query queries[QUERIES_MAX];
static size_t incoming_count;
static uint32_t last_id, last_token;

/* Accepting and receiving go on only while there is somebody to tell, and room to tell it in. */
static void update(void)
{
    bool open = channel != NULL && conn_can_send(channel);
    watch_want(&tcp, open && incoming_count < INCOMING_MAX ? EPOLLIN : 0);
    watch_want(&udp, open ? EPOLLIN : 0);
}

/* The destination a program meant, as the host wants it told. False for what is no IP address. */
static bool describe(int fd, uint32_t id, uint8_t out[INCOMING_SIZE])
{
    struct sockaddr_storage meant;
    socklen_t size = sizeof meant;
    if (getsockname(fd, (struct sockaddr *)&meant, &size) < 0)
        return false;
    memset(out, 0, INCOMING_SIZE);
    le_put32(out, id);
    if (meant.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&meant;
        out[4] = 4;
        memcpy(out + 5, &v4->sin_addr, 4);
        le_put16(out + 21, ntohs(v4->sin_port));
        return true;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&meant;
    if (meant.ss_family != AF_INET6)
        return false;
    bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);
    out[4] = mapped ? 4 : 6;
    if (mapped)
        memcpy(out + 5, v6->sin6_addr.s6_addr + 12, 4);
    else
        memcpy(out + 5, &v6->sin6_addr, 16);
    le_put16(out + 21, ntohs(v6->sin6_port));
    return true;
}

static void on_incoming(struct watch *watch, uint32_t events)
{
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        /* Out of descriptors: wait until a connection is picked up rather than spin. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            watch_want(watch, 0);
        return;
    }
    uint8_t payload[INCOMING_SIZE];
    uint32_t id = ++last_id;
    if (!describe(fd, id, payload)) {
        close(fd);
        return;
    }
    incoming[incoming_count++] = (struct incoming){.id = id, .fd = fd};
    conn_send(channel, FRAME_INCOMING, payload, sizeof payload);
    update();
}

static void on_query(struct watch *watch, uint32_t events)
{
    (void)events;
    uint8_t payload[4 + DATAGRAM_MAX];
    struct sockaddr_in from;
    socklen_t from_size = sizeof from;
    ssize_t size =
        recvfrom(watch->fd, payload + 4, DATAGRAM_MAX, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &from_size);
    if (size < 0 || size > DATAGRAM_MAX)
        return;
    uint32_t token = ++last_token;
    queries[token % QUERIES_MAX] = (struct query){.token = token, .from = from};
    le_put32(payload, token);
    conn_send(channel, FRAME_DGRAM, payload, (uint32_t)size + 4);
    update();
}

int egress_open(int listener)
{
    struct sockaddr_in resolver = {
        .sin_family = AF_INET, .sin_port = htons(RESOLVER_PORT), .sin_addr.s_addr = htonl(RESOLVER_ADDRESS)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&resolver, sizeof resolver) < 0)
        return errno;
    if (fcntl(listener, F_SETFL, O_NONBLOCK) < 0 || !watch_open(&tcp, listener, 0, on_incoming) ||
        !watch_open(&udp, fd, 0, on_query))
        return errno;
    return 0;
}

void egress_forget(void)
{
    while (incoming_count > 0)
        close(incoming[--incoming_count].fd);
    memset(queries, 0, sizeof queries);
    update();
}

static bool answer_query(const struct frame *frame)
{
    if (frame->size < 4)
        return false;
    uint32_t token = le_get32(frame->payload);
    struct query *query = &queries[token % QUERIES_MAX];
    /* An answer may come after its query was pushed out; a resolver asks again. */
    if (token == 0 || query->token != token)
        return true;
    sendto(udp.fd, frame->payload + 4, frame->size - 4, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&query->from,
           sizeof query->from);
    query->token = 0;
    return true;
}

static bool on_frame(struct conn *conn, const struct frame *frame)
{
    if (frame->type == FRAME_DGRAM)
        return answer_query(frame);
    return frame->type == FRAME_CREDIT && conn_credit(conn, frame);
}

static void on_can_send(struct conn *conn)
{
    (void)conn;
    update();
}

static void on_lost(struct conn *conn)
{
    (void)conn;
    channel = NULL;
    egress_forget();
}

static const struct verb egress_verb = {.frame = on_frame, .can_send = on_can_send, .lost = on_lost};

void egress_listen(struct conn *conn)
{
    if (tcp.fd < 0) {
        conn_error(conn, ENODEV, "ENODEV: this sandbox has no way out");
        return;
    }
    if (channel != NULL) {
        conn_error(conn, EBUSY, "EBUSY: somebody listens already");
        return;
    }
    channel = conn;
    conn->verb = &egress_verb;
    update();
}

bool egress_accept(struct conn *conn, const uint8_t *payload, size_t size)
{
    if (size != 4)
        return false;
    uint32_t id = le_get32(payload);
    for (size_t i = 0; i < incoming_count; i++)
        if (incoming[i].id == id) {
            int fd = incoming[i].fd;
            incoming[i] = incoming[--incoming_count];
            relay_begin(conn, fd);
            update();
            return true;
        }
    conn_error(conn, ENOENT, "ENOENT: connection not found");
    return true;
}
