/*
 * Drives the fuzz target where there is no libFuzzer: mutates sound inputs for `-max_total_time=SECONDS`, other options
 * are ignored. The seed is printed, and taken from `-seed=N`, so that a failure can be had again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"
#include "le.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 4096, ROUND = 10000 };

static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16) % below;
}

/* `u32 length | u8 tag | bytes` for frames, the tag first for fields. */
static size_t put_piece(uint8_t *at, int tag_first, uint8_t tag, uint32_t size)
{
    le_put32(at + tag_first, size);
    at[tag_first ? 0 : 4] = tag;
    for (uint32_t i = 0; i < size; i++)
        at[5 + i] = (uint8_t) "a=/.\0x1"[draw(7)];
    return 5 + (size_t)size;
}

static size_t sound_input(uint8_t input[ROOM])
{
    static const uint32_t field_sizes[] = {0, 8, 8, 8, 4, 4, 20, 4, 100};
    size_t size = 1;
    input[0] = (uint8_t)draw(3);
    if (input[0] == 2) {
        uint32_t path = 1 + draw(64);
        size += put_piece(input + size, 0, 'x', path);
        le_put32(input + 1 + 4 + path, draw(2) ? 0100644 : draw(UINT32_MAX));
        le_put64(input + 1 + 8 + path, draw(1000));
        return 1 + 16 + path;
    }
    for (uint32_t count = draw(12); count > 0; count--) {
        uint8_t tag = (uint8_t)(1 + draw(8));
        size += put_piece(input + size, input[0] == 1, tag, input[0] == 1 ? field_sizes[tag] : draw(200));
    }
    return size;
}

static size_t mutate(uint8_t input[ROOM], size_t size)
{
    for (uint32_t count = draw(8); count > 0 && size > 1; count--) {
        size_t at = draw((uint32_t)size);
        switch (draw(4)) {
        case 0:
            input[at] = (uint8_t)draw(256);
            break;
        case 1:
            input[at] ^= (uint8_t)(1 << draw(8));
            break;
        case 2:
            size = at + 1;
            break;
        default:
            if (size - at > 4)
                le_put32(input + at, draw(2) ? UINT32_MAX - draw(8) : draw(ROOM));
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    long seconds = 10;
    state = (uint64_t)time(NULL) << 20 ^ (uint64_t)getpid();
    for (int i = 1; i < argc; i++)
        if (sscanf(argv[i], "-max_total_time=%ld", &seconds) != 1 && sscanf(argv[i], "-seed=%lu", &state) != 1)
            continue;
    printf("seed %lu\n", state);
    fflush(stdout);
    state |= 1;
    unsigned long inputs = 0;
    for (time_t end = time(NULL) + seconds; time(NULL) < end; inputs += ROUND)
        for (int i = 0; i < ROUND; i++) {
            uint8_t input[ROOM];
            LLVMFuzzerTestOneInput(input, mutate(input, sound_input(input)));
        }
    printf("%lu inputs\n", inputs);
    return 0;
}
