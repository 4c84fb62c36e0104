/* The records of sandboxes, found by id, and the blocks of host ids they take. */
#include "sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SANDBOXES_MAX 16384
#define BUCKETS 4096

static struct sandbox *buckets[BUCKETS];
static int count;
static uint32_t free_blocks[BLOCKS], free_head, free_count;

static unsigned bucket(const char *id)
{
    uint32_t hash = 2166136261u;
    for (; *id; id++)
        hash = (hash ^ (uint8_t)*id) * 16777619u;
    return hash % BUCKETS;
}

struct sandbox *table_find(const char *id)
{
    struct sandbox *at = buckets[bucket(id)];
    while (at && strcmp(at->id, id))
        at = at->next;
    return at;
}

struct sandbox *table_find_pid(pid_t pid)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct sandbox *at = buckets[i]; at; at = at->next)
            if (at->pid == pid)
                return at;
    return NULL;
}

/* First freed, first reused: a block rests as long as possible. Block 0 is the zygotes'. */
static uint32_t block_take(void)
{
    if (!free_blocks[1])
        for (free_count = 0; free_count + 1 < BLOCKS; free_count++)
            free_blocks[free_count] = free_count + 1;
    if (!free_count)
        return 0;
    uint32_t block = free_blocks[free_head];
    free_head = (free_head + 1) % BLOCKS;
    free_count--;
    return block;
}

static void block_give(uint32_t block)
{
    free_blocks[(free_head + free_count) % BLOCKS] = block;
    free_count++;
}

static void forget(struct sandbox *sandbox)
{
    struct sandbox **at = &buckets[bucket(sandbox->id)];
    while (*at != sandbox)
        at = &(*at)->next;
    *at = sandbox->next;
    count--;
    free(sandbox);
}

void sandbox_socket_path(const struct sandbox *sandbox, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s.sock", options.run, sandbox->id);
}

struct sandbox *table_add(const char *id)
{
    uint32_t block;
    if (count >= SANDBOXES_MAX || !(block = block_take()))
        return NULL;
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (!sandbox)
        die("launcher: out of memory");
    *sandbox = (struct sandbox){.watch.fd = -1, .block = block, .network_link = -1, .asked_us = now_us()};
    snprintf(sandbox->id, sizeof sandbox->id, "%s", id);
    sandbox->next = buckets[bucket(id)];
    buckets[bucket(id)] = sandbox;
    count++;
    return sandbox;
}

int table_count(void)
{
    return count;
}

void table_each(void (*visit)(struct sandbox *sandbox, const void *argument), const void *argument)
{
    for (int i = 0; i < BUCKETS; i++)
        for (struct sandbox *sandbox = buckets[i], *next; sandbox; sandbox = next) {
            next = sandbox->next;
            visit(sandbox, argument);
        }
}

void sandbox_discard(struct sandbox *sandbox)
{
    char path[PATH_BYTES];
    if (sandbox->watch.fd >= 0) {
        loop_remove(&sandbox->watch);
        close(sandbox->watch.fd);
    }
    if (sandbox->network_link >= 0)
        close(sandbox->network_link);
    sandbox_socket_path(sandbox, path);
    unlink(path);
    cgroup_remove(sandbox->id);
    block_give(sandbox->block);
    forget(sandbox);
}
