/* The life of a sandbox once it is made: limits, counters, freezing, and its end. */
#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sandbox *named(const struct request *request)
{
    const char *id = request_text(request, "id");
    struct sandbox *sandbox = id_valid(id) ? table_find(id) : NULL;
    if (!sandbox)
        wire_error(request->tag, "sandbox_unknown", "it may have ended", "there is no such sandbox");
    return sandbox;
}

#define COUNTERS_FORMAT "cpu_us=%llu\nmem=%llu\npeak=%llu\noom=%llu\npids=%llu"
#define COUNTERS(c)                                                                                                  \
    (unsigned long long)(c).cpu_us, (unsigned long long)(c).memory, (unsigned long long)(c).peak,                    \
        (unsigned long long)(c).oom_kills, (unsigned long long)(c).pids

void sandbox_limit(const struct request *request)
{
    struct limits limits;
    struct sandbox *sandbox = named(request);
    if (!sandbox)
        return;
    if (!read_limits(request, &limits))
        wire_error(request->tag, "request_invalid", "the fields are those of create", "a limit is out of bounds");
    else if (cgroup_limit(sandbox->id, &limits))
        wire_error(request->tag, "limit_failed", "memory in use may exceed the new limit", "%s", strerror(errno));
    else
        wire_ok(request->tag, "id=%s", sandbox->id);
}

void sandbox_stat(const struct request *request)
{
    struct counters counters;
    struct sandbox *sandbox = named(request);
    if (!sandbox)
        return;
    cgroup_read(sandbox->id, &counters);
    if (request_text(request, "reset"))
        cgroup_reset_peak(sandbox->id);
    wire_ok(request->tag, COUNTERS_FORMAT, COUNTERS(counters));
}

void sandbox_freeze(const struct request *request, bool frozen)
{
    struct sandbox *sandbox = named(request);
    if (!sandbox)
        return;
    if (cgroup_freeze(sandbox->id, frozen))
        wire_error(request->tag, "freeze_failed", "`cloche doctor` looks at the control groups", "%s", strerror(errno));
    else
        wire_ok(request->tag, "id=%s", sandbox->id);
}

void sandbox_kill(const struct request *request)
{
    struct sandbox *sandbox = named(request);
    if (!sandbox)
        return;
    if (sandbox->kill_tag[0]) {
        wire_error(request->tag, "kill_pending", "wait for the first answer", "it is being killed");
        return;
    }
    snprintf(sandbox->kill_tag, sizeof sandbox->kill_tag, "%s", request->tag);
    if (sandbox->create_tag[0])
        sandbox_fail(sandbox, "killed", "create another", "it was killed while it was made", 0);
    if (sandbox->pid) {
        sandbox->state = ENDING;
        (void)cgroup_freeze(sandbox->id, false);
        kill(sandbox->pid, SIGKILL); /* PID 1 of its namespace: the kernel takes everything else with it */
    }
}

static char listed[12000];

static void list_one(struct sandbox *sandbox, const void *unused)
{
    (void)unused;
    size_t at = strlen(listed);
    if (at < sizeof listed - SANDBOX_ID_MAX - 2)
        snprintf(listed + at, sizeof listed - at, "%s%s", at ? "," : "", sandbox->id);
}

void sandbox_list(const char *tag)
{
    listed[0] = 0;
    table_each(list_one, NULL);
    wire_ok(tag, "count=%d\nids=%s", table_count(), listed);
}

static void lose_asked(struct sandbox *sandbox, const void *zygote)
{
    if (sandbox->zygote != zygote || sandbox->state != ASKED)
        return;
    sandbox_fail(sandbox, "zygote_lost", "try again", "its zygote ended", 0);
    if (sandbox->kill_tag[0])
        wire_ok(sandbox->kill_tag, COUNTERS_FORMAT, COUNTERS((struct counters){0}));
    sandbox_discard(sandbox);
}

void sandbox_zygote_lost(const struct zygote *zygote)
{
    table_each(lose_asked, zygote);
}

bool sandbox_reap(pid_t pid, int status)
{
    struct counters counters;
    struct sandbox *sandbox = table_find_pid(pid);
    if (!sandbox)
        return false;
    cgroup_read(sandbox->id, &counters);
    if (sandbox->create_tag[0])
        sandbox_fail(sandbox, "spawn_failed", "try again", "it ended while it was made", 0);
    else if (!sandbox->kill_tag[0] && sandbox->state == READY)
        wire_event("exit", "id=%s\nstatus=%d\n" COUNTERS_FORMAT, sandbox->id, status, COUNTERS(counters));
    char kill_tag[sizeof sandbox->kill_tag];
    memcpy(kill_tag, sandbox->kill_tag, sizeof kill_tag);
    sandbox_discard(sandbox);
    if (kill_tag[0]) /* only now: the answer says that nothing of it is left */
        wire_ok(kill_tag, COUNTERS_FORMAT, COUNTERS(counters));
    return true;
}

static void kill_one(struct sandbox *sandbox, const void *unused)
{
    (void)unused;
    if (sandbox->pid)
        kill(sandbox->pid, SIGKILL);
}

static void bury_one(struct sandbox *sandbox, const void *unused)
{
    (void)unused;
    if (sandbox->pid)
        waitpid(sandbox->pid, NULL, 0);
    sandbox_discard(sandbox);
}

void sandbox_kill_all(void)
{
    table_each(kill_one, NULL);
    table_each(bury_one, NULL);
}
