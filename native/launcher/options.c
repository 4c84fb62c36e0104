#include "launcher.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options options = {.cgroup = "cloche", .memory_reserve = 512ull << 20};

static bool group_name_valid(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= 64 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static const char *folder(const char *option, const char *path)
{
    struct stat status;
    if (path[0] != '/' || strlen(path) > PATH_BYTES - 64)
        die("%s wants an absolute path shorter than %d characters", option, PATH_BYTES - 64);
    if (stat(path, &status) || !S_ISDIR(status.st_mode))
        die("%s: %s is not a folder", option, path);
    return path;
}

static void owner(const char *text)
{
    char *end;
    options.owner = (uid_t)strtoul(text, &end, 10);
    if (*end != ':')
        die("--owner wants UID:GID");
    options.owner_group = (gid_t)strtoul(end + 1, &end, 10);
    if (*end)
        die("--owner wants UID:GID");
}

void options_parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (!value)
            die("launcher: %s wants a value", name);
        if (!strcmp(name, "--run"))
            options.run = folder(name, value);
        else if (!strcmp(name, "--base"))
            options.base = folder(name, value);
        else if (!strcmp(name, "--guest"))
            options.guest = folder(name, value);
        else if (!strcmp(name, "--layers"))
            options.layers = folder(name, value);
        else if (!strcmp(name, "--owner"))
            owner(value);
        else if (!strcmp(name, "--memory-reserve"))
            options.memory_reserve = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--cgroup") && group_name_valid(value))
            options.cgroup = value;
        else
            die("launcher: unknown option or value: %s %s", name, value);
    }
    if (!options.run || !options.base || !options.guest || !options.layers)
        die("usage: launcher --run DIR --base DIR --guest DIR --layers DIR [--owner UID:GID] [--cgroup NAME] "
            "[--memory-reserve BYTES]");
}
