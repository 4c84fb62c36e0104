/* Takes every outside connection that a sandbox makes and gives it to one listener, without a link, an address or a
 * filter rule: in the sandbox's network namespace all addresses are routed to its loopback, and a socket lookup program
 * answers each new TCP connection to an address other than loopback with the listener. init accepts there and tells the
 * host the address that was meant. What is not TCP meets no listener and is refused. */
#include "launcher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BACKLOG 128
#define LISTENER_KEY 0
#define LOOPBACK_NET 127
#define LOOPBACK_V6 0x01000000 /* the last word of ::1, as it lies in memory */

/* Instructions by the names of the kernel's documentation. */
#define LOAD(dst, src, offset) {.code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = dst, .src_reg = src, .off = offset}
#define STORE(dst, offset, value) {.code = BPF_ST | BPF_W | BPF_MEM, .dst_reg = dst, .off = offset, .imm = value}
#define MOVE(dst, src) {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = dst, .src_reg = src}
#define SET(dst, value) {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = dst, .imm = value}
#define ADD(dst, value) {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = dst, .imm = value}
#define AND(dst, value) {.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = dst, .imm = value}
#define IF_EQUAL(dst, value, skip) {.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = dst, .imm = value, .off = skip}
#define IF_NOT_EQUAL(dst, value, skip) {.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = dst, .imm = value, .off = skip}
#define OR(dst, src) {.code = BPF_ALU64 | BPF_OR | BPF_X, .dst_reg = dst, .src_reg = src}
#define GO(skip) {.code = BPF_JMP | BPF_JA, .off = skip}
#define CALL(function) {.code = BPF_JMP | BPF_CALL, .imm = function}
#define EXIT {.code = BPF_JMP | BPF_EXIT}
#define FIELD(name) ((int16_t)offsetof(struct bpf_sk_lookup, name))

static long bpf(int command, union bpf_attr *attributes)
{
    return syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static int make_map(void)
{
    union bpf_attr attributes = {
        .map_type = BPF_MAP_TYPE_SOCKMAP, .key_size = 4, .value_size = 8, .max_entries = 1};
    return (int)bpf(BPF_MAP_CREATE, &attributes);
}

/* Lets pass (1) what is not TCP or goes to loopback, gives the listener all else, and drops (0) what it cannot give. */
static int load_program(int map)
{
    const struct bpf_insn program[] = {
        MOVE(6, 1),
        LOAD(2, 6, FIELD(protocol)),
        IF_NOT_EQUAL(2, IPPROTO_TCP, 32), /* pass */
        LOAD(2, 6, FIELD(family)),
        IF_NOT_EQUAL(2, AF_INET, 4), /* v6 */
        LOAD(2, 6, FIELD(local_ip4)),
        AND(2, 0xff),
        IF_EQUAL(2, LOOPBACK_NET, 27), /* pass */
        GO(8),                         /* give */
        LOAD(2, 6, FIELD(local_ip6)),  /* v6: ::1 is three words of 0 and one of 1 */
        LOAD(3, 6, FIELD(local_ip6) + 4),
        OR(2, 3),
        LOAD(3, 6, FIELD(local_ip6) + 8),
        OR(2, 3),
        IF_NOT_EQUAL(2, 0, 2), /* give */
        LOAD(3, 6, FIELD(local_ip6) + 12),
        IF_EQUAL(3, LOOPBACK_V6, 18), /* pass */
        {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map}, /* give */
        {.code = 0},
        STORE(10, -4, LISTENER_KEY),
        MOVE(2, 10),
        ADD(2, -4),
        CALL(BPF_FUNC_map_lookup_elem),
        IF_EQUAL(0, 0, 9), /* drop */
        MOVE(7, 0),
        MOVE(1, 6),
        MOVE(2, 7),
        SET(3, 0),
        CALL(BPF_FUNC_sk_assign),
        MOVE(8, 0),
        MOVE(1, 7),
        CALL(BPF_FUNC_sk_release),
        IF_EQUAL(8, 0, 2), /* pass, to the listener */
        SET(0, 0), /* drop */
        EXIT,
        SET(0, 1), /* pass */
        EXIT,
    };
    union bpf_attr attributes = {
        .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
        .expected_attach_type = BPF_SK_LOOKUP,
        .insn_cnt = sizeof program / sizeof *program,
        .insns = (uint64_t)(uintptr_t)program,
        .license = (uint64_t)(uintptr_t) "Apache-2.0",
    };
    return (int)bpf(BPF_PROG_LOAD, &attributes);
}

static int listen_inside(int network_namespace)
{
    static int own = -1;
    if (own < 0)
        own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(network_namespace, CLONE_NEWNET))
        return -1;
    struct sockaddr_in6 both = {.sin6_family = AF_INET6};
    struct sockaddr_in v4_only = {.sin_family = AF_INET};
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), no = 0, failed;
    if (listener >= 0) {
        failed = setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) ||
                 bind(listener, (struct sockaddr *)&both, sizeof both) || listen(listener, BACKLOG);
    } else { /* a kernel without IPv6 */
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        failed = listener < 0 || bind(listener, (struct sockaddr *)&v4_only, sizeof v4_only) || listen(listener, BACKLOG);
    }
    int error = errno;
    if (setns(own, CLONE_NEWNET))
        die("launcher: cannot return to its network namespace: %s", strerror(errno));
    if (failed && listener >= 0)
        close(listener);
    errno = error;
    return failed ? -1 : listener;
}

static int put_listener(int map, int listener)
{
    uint32_t key = LISTENER_KEY;
    uint64_t value = (uint64_t)listener;
    union bpf_attr attributes = {
        .map_fd = (uint32_t)map, .key = (uint64_t)(uintptr_t)&key, .value = (uint64_t)(uintptr_t)&value};
    return (int)bpf(BPF_MAP_UPDATE_ELEM, &attributes);
}

static int attach(int program, int network_namespace)
{
    union bpf_attr attributes = {.link_create = {.prog_fd = (uint32_t)program,
                                                 .target_fd = (uint32_t)network_namespace,
                                                 .attach_type = BPF_SK_LOOKUP}};
    return (int)bpf(BPF_LINK_CREATE, &attributes);
}

int egress_listener(int network_namespace, int *link)
{
    int map = make_map(), listener = -1, program = -1, error;
    *link = -1;
    if (map >= 0 && (listener = listen_inside(network_namespace)) >= 0 && !put_listener(map, listener) &&
        (program = load_program(map)) >= 0)
        *link = attach(program, network_namespace);
    error = errno;
    close(map);
    close(program);
    if (*link >= 0)
        return listener;
    if (listener >= 0)
        close(listener);
    errno = error;
    return -1;
}

const char *egress_unavailable(void)
{
    static char why[96];
    int map = make_map(), program = map < 0 ? -1 : load_program(map);
    if (program < 0)
        snprintf(why, sizeof why, "no:this kernel takes no socket lookup program (%s)", strerror(errno));
    close(map);
    if (program >= 0)
        close(program);
    return program < 0 ? why : NULL;
}
