/*
 * The fields of an EXEC: `u8 tag | u32 length | bytes`, repeated. What comes out is a checked copy of its own: strings
 * end in NUL and hold none, numbers have the right size. Whether the request makes sense (an argument is there, the uid
 * is allowed) is the caller's to say.
 */
#ifndef CLOCHE_FIELDS_H
#define CLOCHE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exec_flag {
    EXEC_PTY = 1,
    EXEC_STDIN = 2,
    EXEC_RUNTIME = 4,
    EXEC_KEEP = 8,
    EXEC_BUILTIN = 16,
    EXEC_FLAGS_KNOWN = 31,
};

struct limit_field {
    uint32_t resource;
    uint64_t soft, hard;
};

struct exec_request {
    char **args, **env; /* both end in a null pointer */
    size_t arg_count, env_count;
    char *cwd; /* null when none was given */
    uint32_t uid, flags;
    struct limit_field *limits;
    size_t limit_count;
    uint16_t cols, rows;
    uint8_t *job;
    size_t job_size;
    void *memory; /* the one block everything above points into */
};

enum { USER_UID = 1000 };

/* 0, EBADMSG when the bytes are no fields, ENOMEM. On 0 the request must be given to fields_free. */
int fields_parse(const uint8_t *data, size_t size, struct exec_request *out);

void fields_free(struct exec_request *request);

#endif
