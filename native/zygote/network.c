/* The network namespace of one sandbox: a loopback, and nothing else. With egress, every address is routed to that
 * loopback, where a socket lookup program of the launcher's hands each connection to init; there is no way out.
 *
 * Making one is most of what a sandbox costs, so the zygote makes the next one for itself when it has nothing else to do,
 * and a clone inherits it. It belongs to the arena's user namespace: nobody in a sandbox, root inside included, can have
 * CAP_NET_ADMIN in it. None is ever used twice. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK_INDEX 1

static int loopback_up(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    strcpy(request.ifr_name, "lo");
    int result = ioctl(fd, SIOCSIFFLAGS, &request);
    close(fd);
    return result;
}

/* `ip route add local default dev lo`: every address is this host. */
static int route_everything_here(unsigned char family)
{
    struct {
        struct nlmsghdr header;
        struct rtmsg route;
        struct rtattr device_attribute;
        uint32_t device;
    } message = {
        .header = {.nlmsg_len = sizeof message,
                   .nlmsg_type = RTM_NEWROUTE,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK},
        .route = {.rtm_family = family,
                  .rtm_table = RT_TABLE_LOCAL,
                  .rtm_protocol = RTPROT_BOOT,
                  .rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
                  .rtm_type = RTN_LOCAL},
        .device_attribute = {sizeof(struct rtattr) + sizeof(uint32_t), RTA_OIF},
        .device = LOOPBACK_INDEX,
    };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[256];
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -1;
    int error = EPROTO;
    if (send(fd, &message, sizeof message, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < (ssize_t)sizeof answer.header)
        error = errno;
    else if (answer.header.nlmsg_type == NLMSG_ERROR)
        error = -answer.error.error;
    close(fd);
    errno = error;
    return error ? -1 : 0;
}

int network_make(void)
{
    if (unshare(CLONE_NEWNET))
        return fail_step("network namespace");
    if (loopback_up())
        return fail_step("loopback up");
    if (write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"))
        return fail_step("unprivileged ports");
    if (write_file("/proc/sys/net/ipv4/ping_group_range", "0 2147483646") && errno != EINVAL)
        return fail_step("ping group");
    return 0;
}

int network_route(void)
{
    if (route_everything_here(AF_INET))
        return fail_step("route");
    if (route_everything_here(AF_INET6) && access("/proc/sys/net/ipv6", F_OK) == 0)
        return fail_step("route v6");
    /* Every address is this host now, and would answer a ping. */
    if (write_file("/proc/sys/net/ipv4/ping_group_range", "1 0"))
        return fail_step("no ping");
    return 0;
}
