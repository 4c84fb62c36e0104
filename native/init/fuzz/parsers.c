/*
 * The fuzz target of init: everything that takes bytes apart. The first byte of the input picks the parser; beyond not
 * crashing, each result must keep what its header promises. Runs under libFuzzer, or under drive.c where clang is not
 * there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "frames.h"
#include "records.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void fuzz_frames(const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct frame frame;
        long taken = frame_parse(data + at, size - at, &frame);
        if (taken <= 0)
            return;
        require((size_t)taken <= size - at && frame.size <= FRAME_MAX &&
                frame.payload + frame.size == data + at + taken);
        uint8_t header[FRAME_HEADER];
        frame_header(header, frame.type, frame.size);
        require(memcmp(header, data + at, sizeof header) == 0);
        /* One byte less is never a frame. */
        require(frame_parse(data + at, (size_t)taken - 1, &frame) == FRAME_INCOMPLETE);
        at += (size_t)taken;
    }
}

static size_t count_text(char *const *list, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += strlen(list[i]);
    require(list[count] == NULL);
    return total;
}

static void fuzz_fields(const uint8_t *data, size_t size)
{
    struct exec_request request;
    int error = fields_parse(data, size, &request);
    require(error == 0 || error == EBADMSG);
    if (error != 0)
        return;
    size_t total = count_text(request.args, request.arg_count) + count_text(request.env, request.env_count);
    total += (request.cwd != NULL ? strlen(request.cwd) : 0) + request.job_size;
    require(total <= size);
    for (size_t i = 0; i < request.env_count; i++)
        require(strchr(request.env[i], '=') != NULL);
    /* Read, so that a size that lies is seen by the sanitizer. */
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < request.job_size; i++)
        sum = (uint8_t)(sum + request.job[i]);
    for (size_t i = 0; i < request.limit_count; i++)
        sum = (uint8_t)(sum + request.limits[i].resource + request.limits[i].hard);
    fields_free(&request);
    require(request.memory == NULL);
}

static void fuzz_records(const uint8_t *data, size_t size)
{
    struct record record;
    long taken = record_parse(data, size, &record);
    if (taken <= 0)
        return;
    require((size_t)taken <= size && record.path_size >= 1 && record.path_size <= RECORD_PATH_MAX);
    require(memchr(record.path, 0, record.path_size) == NULL);
    static uint8_t head[RECORD_HEAD_MAX];
    require(record_head(head, &record) == (size_t)taken && memcmp(head, data, (size_t)taken) == 0);
    char path[RECORD_PATH_MAX + 3] = "/";
    memcpy(path + 1, record.path, record.path_size);
    path[record.path_size + 1] = '/';
    path[record.path_size + 2] = 0;
    require(strstr(path, "/../") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    static void (*const parsers[])(const uint8_t *, size_t) = {fuzz_frames, fuzz_fields, fuzz_records};
    /* In a block of exactly this size: one byte too far is seen. */
    uint8_t *copy = malloc(size);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    parsers[data[0] % 3](copy + 1, size - 1);
    free(copy);
    return 0;
}
