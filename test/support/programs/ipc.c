/* Leaves System V IPC, a POSIX queue and an abstract socket behind (`leave`), or counts what is there (`look`). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int abstract_socket(struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, "leak", 4);
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int leave(void)
{
    int made = shmget(0x1ea4, 4096, IPC_CREAT | 0666);
    if (made >= 0)
        shmat(made, NULL, 0);
    semget(0x1ea4, 1, IPC_CREAT | 0666);
    msgget(0x1ea4, IPC_CREAT | 0666);
    struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 8};
    mq_open("/leak", O_CREAT | O_RDWR, 0666, &attributes);
    struct sockaddr_un address;
    int fd = abstract_socket(&address);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 5) == 0)
        listen(fd, 1);
    if (fork() == 0) {
        setsid();
        close(0);
        close(1);
        close(2);
        for (;;)
            pause();
    }
    return 0;
}

static int look(void)
{
    struct sockaddr_un address;
    int fd = abstract_socket(&address);
    int abstract = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 5) == 0;
    struct mq_attr attributes;
    mqd_t queue = mq_open("/leak", O_RDWR);
    int queued = queue != (mqd_t)-1 && mq_getattr(queue, &attributes) == 0;
    printf("shm %d sem %d msg %d mq %d abstract %d\n", shmget(0x1ea4, 0, 0) >= 0, semget(0x1ea4, 0, 0) >= 0,
           msgget(0x1ea4, 0) >= 0, queued, abstract);
    return 0;
}

int main(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "leave") == 0 ? leave() : look();
}
