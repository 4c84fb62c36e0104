/*
 * The worker: a language runtime already running beside init, which takes a job in place of a program. It says 'R' when
 * it can take one; until then jobs wait here in order. Without EXEC_KEEP the worker itself becomes the program, with it
 * a child it clones for init.
 */
#ifndef CLOCHE_WORKER_H
#define CLOCHE_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"

struct job {
    struct job *next;
    uint32_t flags;
    int stdio[3]; /* taken over and closed */
    struct bytes body;
    void (*started)(struct job *job, pid_t pid);
    void (*failed)(struct job *job, int error, const char *text);
};

bool worker_open(int fd, pid_t pid);

/* The job ends in started or failed, possibly before this returns. */
void worker_submit(struct job *job, uint32_t flags, const int stdio[3], const uint8_t *bytes, size_t size);

/* True when the job was still waiting and is forgotten now; false when the worker has begun to read it. */
bool worker_withdraw(struct job *job);

/* Fails what has not begun to be read. */
void worker_cancel_waiting(void);

/* The worker while it is one, 0 when there is none or it has become a program. */
pid_t worker_pid(void);

/* A child was cloned for init whose pid is on its way: what is reaped now might be that child. */
bool worker_owes_pid(void);

/* From the first byte of a job until its process has a name, or the worker is that process. */
bool worker_taking_job(void);

void worker_reaped(pid_t pid);

#endif
