/* Feeds mutated requests to the launcher's parser, under the sanitizers, for as many seconds as asked. The generator
 * starts from real requests and flips, cuts, repeats and splices bytes; its seed is printed, so a failure repeats. */
#include "../launcher/launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONGEST 2048

#define SEED(text) {text, sizeof text}
static const struct {
    const char *bytes;
    size_t length;
} seeds[] = {
    SEED("create\0001\0id=sandbox12345\0zygote=bare\0net=none\0mem=268435456\0cpu=1000\0disk=1048576\0inodes=1024"),
    SEED("limit\00017\0id=abcdefgh\0mem=99999999999999999999\0pids=-1"),
    SEED("kill\0002\0id=../../etc/passwd"),
    SEED("hello\0000\0=\0==\0a=\0=b"),
    SEED("stat\000999999999999999999\0id=\0reset=1"),
};

static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (uint32_t)(state >> 11) % below : 0;
}

static size_t mutate(char *bytes)
{
    uint32_t seed = draw(sizeof seeds / sizeof *seeds);
    size_t length = seeds[seed].length;
    memcpy(bytes, seeds[seed].bytes, length);
    for (uint32_t i = draw(12); i > 0; i--) {
        size_t at = draw((uint32_t)length);
        switch (draw(5)) {
        case 0:
            bytes[at] = (char)draw(256);
            break;
        case 1:
            length = at + 1;
            break;
        case 2:
            bytes[at] = 0;
            break;
        case 3:
            bytes[at] = '=';
            break;
        default:
            if (length * 2 < LONGEST) {
                memcpy(bytes + length, bytes, length);
                length *= 2;
            }
        }
    }
    return length;
}

static void consume(char *bytes, size_t length)
{
    static const char *const numbers[] = {"mem", "cpu", "pids", "disk", "inodes", "reset", ""};
    struct request request;
    uint64_t value;
    if (!request_parse(&request, bytes, length))
        return;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (request_number(&request, numbers[i], 7, 1000000, &value) && value > 1000000)
            abort();
    const char *id = request_text(&request, "id");
    if (id_valid(id) && (strchr(id, '/') || strlen(id) > SANDBOX_ID_MAX))
        abort();
    if (hash_valid(request_text(&request, "layers")) && strlen(request_text(&request, "layers")) != 64)
        abort();
}

int main(int argc, char **argv)
{
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
    unsigned long runs = 0;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
    printf("seed %llu\n", (unsigned long long)state);
    fflush(stdout);
    do {
        for (int i = 0; i < 1000; i++, runs++) {
            char draft[LONGEST * 2];
            size_t length = mutate(draft);
            char *exact = malloc(length); /* of its exact size, so that one byte too far is seen */
            memcpy(exact, draft, length);
            consume(exact, length);
            free(exact);
        }
    } while (time(NULL) < end);
    printf("%lu requests\n", runs);
    return 0;
}
