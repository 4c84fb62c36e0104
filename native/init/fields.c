#include "fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "le.h"

enum tag {
    TAG_ARG = 1,
    TAG_ENV = 2,
    TAG_CWD = 3,
    TAG_UID = 4,
    TAG_FLAGS = 5,
    TAG_RLIMIT = 6,
    TAG_WINSIZE = 7,
    TAG_JOB = 8,
};

enum { FIELD_HEADER = 5 };

struct field {
    uint8_t tag;
    uint32_t size;
    const uint8_t *bytes;
};

/* What a first walk over the fields found: how much memory the copy takes. */
struct measure {
    size_t args, env, limits, text, job;
};

static bool next_field(const uint8_t **at, const uint8_t *end, struct field *out)
{
    size_t left = (size_t)(end - *at);
    if (left < FIELD_HEADER)
        return false;
    uint32_t size = le_get32(*at + 1);
    if (size > left - FIELD_HEADER)
        return false;
    *out = (struct field){.tag = **at, .size = size, .bytes = *at + FIELD_HEADER};
    *at += FIELD_HEADER + (size_t)size;
    return true;
}

static bool is_text(const struct field *field)
{
    return memchr(field->bytes, 0, field->size) == NULL;
}

static bool measure_field(const struct field *field, struct measure *sum)
{
    switch (field->tag) {
    case TAG_ARG:
        sum->args++;
        sum->text += (size_t)field->size + 1;
        return is_text(field);
    case TAG_ENV:
        sum->env++;
        sum->text += (size_t)field->size + 1;
        return is_text(field) && memchr(field->bytes, '=', field->size) != NULL;
    case TAG_CWD:
        sum->text += (size_t)field->size + 1;
        return is_text(field) && field->size > 0;
    case TAG_UID:
    case TAG_FLAGS:
        return field->size == 4;
    case TAG_RLIMIT:
        sum->limits++;
        return field->size == 20;
    case TAG_WINSIZE:
        return field->size == 4;
    case TAG_JOB:
        sum->job += field->size;
        return true;
    default:
        return false;
    }
}

static bool measure_all(const uint8_t *at, const uint8_t *end, struct measure *sum)
{
    struct field field;
    while (at < end)
        if (!next_field(&at, end, &field) || !measure_field(&field, sum))
            return false;
    return true;
}

static char *copy_text(const struct field *field, char **text)
{
    char *copy = *text;
    memcpy(copy, field->bytes, field->size);
    copy[field->size] = 0;
    *text += (size_t)field->size + 1;
    return copy;
}

static void take_field(const struct field *field, struct exec_request *out, char **text)
{
    switch (field->tag) {
    case TAG_ARG:
        out->args[out->arg_count++] = copy_text(field, text);
        break;
    case TAG_ENV:
        out->env[out->env_count++] = copy_text(field, text);
        break;
    case TAG_CWD:
        out->cwd = copy_text(field, text);
        break;
    case TAG_UID:
        out->uid = le_get32(field->bytes);
        break;
    case TAG_FLAGS:
        out->flags = le_get32(field->bytes);
        break;
    case TAG_RLIMIT:
        out->limits[out->limit_count++] = (struct limit_field){.resource = le_get32(field->bytes),
                                                               .soft = le_get64(field->bytes + 4),
                                                               .hard = le_get64(field->bytes + 12)};
        break;
    case TAG_WINSIZE:
        out->cols = le_get16(field->bytes);
        out->rows = le_get16(field->bytes + 2);
        break;
    case TAG_JOB:
        memcpy(out->job + out->job_size, field->bytes, field->size);
        out->job_size += field->size;
        break;
    }
}

int fields_parse(const uint8_t *data, size_t size, struct exec_request *out)
{
    struct measure sum = {0};
    if (!measure_all(data, data + size, &sum))
        return EBADMSG;

    *out = (struct exec_request){.uid = USER_UID};
    size_t limits = sum.limits * sizeof *out->limits;
    size_t args = (sum.args + 1) * sizeof *out->args;
    size_t env = (sum.env + 1) * sizeof *out->env;
    /* calloc: the pointer lists end in null without more ado. Limits come first because they are aligned widest. */
    char *memory = calloc(1, limits + args + env + sum.text + sum.job);
    if (memory == NULL)
        return ENOMEM;
    out->memory = memory;
    out->limits = (struct limit_field *)(void *)memory;
    out->args = (char **)(void *)(memory + limits);
    out->env = (char **)(void *)(memory + limits + args);
    char *text = memory + limits + args + env;
    out->job = (uint8_t *)(text + sum.text);

    struct field field;
    for (const uint8_t *at = data; at < data + size;) {
        if (!next_field(&at, data + size, &field))
            break;
        take_field(&field, out, &text);
    }
    return 0;
}

void fields_free(struct exec_request *request)
{
    free(request->memory);
    *request = (struct exec_request){0};
}
